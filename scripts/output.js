// Output that can't be written: a reader that has gone ends a program quietly, as it ends other tools, and anything else is one line.

/** What a shell sees of a tool that SIGPIPE ended */
export const CLOSED = 141
const REASONS = { ENOSPC: 'a full disk', EDQUOT: 'a full disk quota' }

/** `end` gets the exit code, and may save something first. */
export function guardOutput(end = code => process.exit(code)) {
  let failed = false
  process.stdout.on('error', ({ code }) => {
    if (failed) return
    failed = true
    if (code !== 'EPIPE') process.stderr.write(`standard output: expected room for the results, got ${REASONS[code] ?? code}\n`)
    end(code === 'EPIPE' ? CLOSED : 1)
  })
  // there is nobody left to tell
  process.stderr.on('error', () => {})
}
