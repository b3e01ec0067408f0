// AWS Lambda behind a function URL or an HTTP API: events of payload format 2.0 become requests
import { handle } from './app.js'

export interface Event {
  rawPath: string
  rawQueryString?: string
  headers: Record<string, string | undefined>
  body?: string
  isBase64Encoded?: boolean
  requestContext: { domainName?: string, http: { method: string } }
}
export interface Result {
  statusCode: number
  headers: Record<string, string>
  body: string
  isBase64Encoded: false
}

function requestOf({ rawPath, rawQueryString, headers, body, isBase64Encoded, requestContext }: Event): Request {
  const { method } = requestContext.http
  const url = `https://${requestContext.domainName ?? 'localhost'}${rawPath}${rawQueryString ? `?${rawQueryString}` : ''}`
  const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const bytes = body === undefined || method === 'GET' || method === 'HEAD' ? undefined : isBase64Encoded ? Uint8Array.from(atob(body), c => c.charCodeAt(0)) : body
  return new Request(url, { method, headers: given, body: bytes })
}

export async function handler(event: Event): Promise<Result> {
  let request: Request
  try {
    request = requestOf(event)
  } catch (error) {
    const body = JSON.stringify({ error: `an event with a method, headers and a body of a request expected: ${(error as Error).message}` })
    return { statusCode: 400, headers: { 'content-type': 'application/json' }, body, isBase64Encoded: false }
  }
  const response = await handle(request)
  return { statusCode: response.status, headers: Object.fromEntries(response.headers), body: await response.text(), isBase64Encoded: false }
}
