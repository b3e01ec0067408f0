// Arguments of commands: of those that take none, and of those with options that parseArgs knows. What is wrong is said in a line.
import { parseArgs } from 'node:util'

/** Shall a command without arguments run? Given --help it says what it does, given anything else what is wrong. */
export function mayRun(command, about, argv = process.argv.slice(2)) {
  if (argv.length === 0) return true
  if (['--help', '-h'].includes(argv[0])) console.log(`npm run ${command}: ${about}; takes no arguments`)
  else {
    console.error(`npm run ${command}: no arguments expected, got ${argv.join(' ')}`)
    process.exitCode = 1
  }
  return false
}

/** The values of options, described as for parseArgs, and the other words. @throws RangeError that names the option */
export function readOptions(options, args = process.argv.slice(2)) {
  const { values, positionals, tokens } = parseArgs({ args, options, allowPositionals: true, strict: false, tokens: true })
  for (const { name, rawName, value, inlineValue } of tokens.filter(({ kind }) => kind === 'option')) {
    if (!Object.hasOwn(options, name)) throw new RangeError(`${rawName}: unknown option; --help lists them`)
    if (options[name].type === 'boolean') {
      if (value !== undefined) throw new RangeError(`${rawName}: no value expected, got ${JSON.stringify(value)}`)
    } else if (!value || (!inlineValue && value.startsWith('-'))) throw new RangeError(`${rawName}: a value expected, got ${JSON.stringify(value) ?? 'none'}`)
  }
  return { values, positionals }
}
