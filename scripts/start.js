// npm start: makes the main job anew where a source is newer, then runs it.
import { renewMainJob } from './outdated.js'

try {
  await renewMainJob()
} catch (error) {
  const missing = error.code === 'ERR_MODULE_NOT_FOUND'
  console.error(`npm start: ${missing ? 'expected the compilers of package.json, got none: npm ci installs them' : `the build failed: ${error.message.split('\n')[0]}`}`)
  process.exit(1)
}
await import('../build/examples/train.js')
