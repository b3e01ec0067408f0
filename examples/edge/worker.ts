// Cloudflare Workers, and workerd by itself
import { handle } from './app.js'

export default { fetch: (request: Request): Promise<Response> => handle(request) }
