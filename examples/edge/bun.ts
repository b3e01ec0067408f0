// Bun: bun bun.js
import { handle } from './app.js'

declare const Bun: {
  env: Record<string, string | undefined>
  serve(options: { port: number, fetch: (request: Request) => Promise<Response> }): { port: number }
}
const { port } = Bun.serve({ port: Number(Bun.env.PORT ?? 8787), fetch: handle })
console.log(`listening on http://localhost:${port}`)
