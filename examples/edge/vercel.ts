// Vercel: api/digits.ts of a project, with the routes below it rewritten to it
import { handle } from './app.js'

export const config = { runtime: 'edge' }
export default handle
