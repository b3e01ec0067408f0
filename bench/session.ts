// One run of the benchmarks: which cases are wanted, the tables printed as they come, the results collected.

import { scope } from 'hebb'
import { WrongResult, type Effort, type Measured } from './measure.js'

/** One line of a table. `long` ones are left out of a quick run. */
export interface Case {
  readonly name: string
  readonly long?: boolean
}

export interface Result extends Measured {
  subject: string
  /** Title of the table it stands in */
  table: string
  name: string
}

export interface Refusal {
  subject: string
  name: string
  why: string
}

export interface Subject {
  name: string
  about: string
  /** All cases, for --only */
  cases(): readonly Case[]
  run(session: Session): void
}

export interface Output {
  /** A finished line */
  line(text: string): void
  /** What is being measured now; '' when it is done */
  progress(text: string): void
}

/** [heading, width] */
export type Column = readonly [string, number]

export class Session {
  readonly results: Result[] = []
  readonly refused: Refusal[] = []
  constructor(readonly effort: Effort, readonly only: readonly string[], readonly output: Output) {}

  wants(subject: string, { name, long }: Case): boolean {
    if (long && this.effort.quick) return false
    const path = `${subject}/${name}`.toLowerCase()
    return this.only.length === 0 || this.only.some(part => subject === part || path.includes(part.toLowerCase()))
  }

  refuse(subject: string, name: string, why: string): void {
    this.refused.push({ subject, name, why })
    this.output.line(`  ${name}: not timed, the result is wrong: ${why}`)
  }

  #writer(title: string, columns: readonly Column[], names: readonly string[]): (name: string, cells: readonly string[]) => void {
    const first = Math.max(title.length, ...names.map(name => name.length))
    const write = (name: string, cells: readonly string[]) =>
      this.output.line(`${name.padEnd(first)}${cells.map((cell, i) => cell.padStart(columns[i]![1] + 2)).join('')}`.trimEnd())
    this.output.line('')
    write(title, columns.map(([heading]) => heading))
    return write
  }

  /** A table that is complete. */
  print(title: string, columns: readonly Column[], rows: readonly (readonly [string, readonly string[]])[]): void {
    const write = this.#writer(title, columns, rows.map(([name]) => name))
    for (const [name, cells] of rows) write(name, cells)
  }

  /** A table with a row for each case that is wanted, printed as it is measured. `row` returns its cells; the tensors it makes are freed. */
  table<C extends Case>(
    subject: string, title: string, columns: readonly Column[], cases: readonly C[],
    row: (one: C, add: (name: string, m: Measured) => void) => string[],
  ): void {
    const wanted = cases.filter(one => this.wants(subject, one))
    if (wanted.length === 0) return
    const write = this.#writer(title, columns, wanted.map(({ name }) => name))
    for (const one of wanted) {
      this.output.progress(`${subject}: ${one.name}`)
      const found: Result[] = []
      try {
        const cells = scope(() => row(one, (name, m) => void found.push({ subject, table: title, name, ...m })))
        this.output.progress('')
        this.results.push(...found)
        write(one.name, cells)
      } catch (error) {
        this.output.progress('')
        if (!(error instanceof WrongResult)) throw error
        this.refuse(subject, one.name, error.message)
      }
    }
  }
}
