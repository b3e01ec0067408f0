// Deno: deno run --allow-net --allow-env=PORT deno.js
import { handle } from './app.js'

declare const Deno: {
  env: { get(name: string): string | undefined }
  serve(options: { port: number }, handler: (request: Request) => Promise<Response>): unknown
}
Deno.serve({ port: Number(Deno.env.get('PORT') ?? 8787) }, handle)
