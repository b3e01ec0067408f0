// npm start: makes the main job anew where a source is newer, then runs it.
import { endWith, renewMainJob } from './outdated.js'

await renewMainJob().catch(endWith('start'))
await import('../build/examples/train.js')
