// Gives HTTP requests to a Lambda handler, as a function URL does: node lambda-server.js URL_OF_HANDLER PORT
import { createServer } from 'node:http'

const [url, port] = process.argv.slice(2)
const { handler } = await import(url)

const server = createServer(async (request, response) => {
  let body
  try {
    body = Buffer.concat(await request.toArray())
  } catch {
    // an upload that was broken off: a function is called with whole bodies only
    return void response.destroy()
  }
  const { pathname, search } = new URL(request.url, 'http://localhost')
  const text = /^(text\/|application\/json)/.test(request.headers['content-type'] ?? '')
  const result = await handler({
    rawPath: pathname,
    rawQueryString: search.slice(1),
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    ...(body.length > 0 && { body: body.toString(text ? 'utf8' : 'base64'), isBase64Encoded: !text }),
    requestContext: { domainName: 'localhost', http: { method: request.method } },
  })
  response.writeHead(result.statusCode, result.headers).end(result.body)
})
server.listen(Number(port), '127.0.0.1', () => console.log(`listening on http://localhost:${server.address().port}`))
