// The options of npm run bench, and errors that name them.

import { resolve } from 'node:path'

/** An option that is unknown or wrong. The message is for the user. */
export class OptionError extends Error {
  override name = 'OptionError'
}

export interface Options {
  only: string[]
  quick: boolean
  json?: string
  compare?: string
  html?: string
}

const OPTIONS = {
  only: ['NAME', 'a subject, or part of the name of a case; may be given several times'],
  quick: ['', 'fewer samples, without the long cases: all under a minute'],
  json: ['FILE', 'write the results to FILE'],
  compare: ['FILE', 'compare with the results that --json wrote earlier'],
  html: ['FILE', 'write a page with bar charts'],
  help: ['', 'this text'],
} as const
const NAMES = Object.keys(OPTIONS) as (keyof typeof OPTIONS)[]

/** The text of --help. */
export function helpText(subjects: readonly { name: string; about: string }[]): string {
  return [
    'Measures hebb. A result is checked before it is timed.', '', 'npm run bench -- [options]', '',
    ...NAMES.map(name => `  ${`--${name} ${OPTIONS[name][0]}`.padEnd(16)}${OPTIONS[name][1]}`),
    '', 'Subjects:', ...subjects.map(({ name, about }) => `  ${name.padEnd(16)}${about}`), '',
  ].join('\n')
}

/** The options given, or 'help'. @throws OptionError */
export function parseOptions(argv: readonly string[]): Options | 'help' {
  const options: Options = { only: [], quick: false }
  for (let i = 0; i < argv.length; i++) {
    const [, name = '', inline] = /^--([a-z]+)(?:=(.*))?$/s.exec(argv[i]!) ?? []
    if (!(NAMES as readonly string[]).includes(name)) {
      throw new OptionError(`${argv[i]}: unknown option; expected ${NAMES.map(n => `--${n}`).join(', ')}`)
    }
    const key = name as keyof typeof OPTIONS
    if (key === 'quick' || key === 'help') {
      if (inline !== undefined) throw new OptionError(`--${key}: takes no value, got ${JSON.stringify(inline)}`)
      if (key === 'help') return 'help'
      options.quick = true
      continue
    }
    const value = inline ?? argv[++i]
    if (!value || (inline === undefined && value.startsWith('--'))) throw new OptionError(`--${key}: expected a ${OPTIONS[key][0]} after it`)
    if (key === 'only') options.only.push(...value.split(',').map(part => part.trim()).filter(Boolean))
    else options[key] = value
  }
  const { json, html } = options
  if (json !== undefined && html !== undefined && resolve(json) === resolve(html)) {
    throw new OptionError(`--json and --html: expected two files, got ${JSON.stringify(json)} for both`)
  }
  return options
}
