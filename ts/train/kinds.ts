// What parsed JSON should be like: kinds that say of the first misfit where it is, what was expected and what came.

/** What is wrong with a value that stands at this place, if anything. */
export type Kind = (value: unknown, at: string) => string | undefined

const MOST = 40
/** Nothing in a file may command the terminal. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return (text.length > MOST ? `${text.slice(0, MOST)}…` : text).replace(/\p{C}/gu, '\ufffd')
}

const misfit = (at: string, words: string, value: unknown): string => `${at}: expected ${words}, got ${quote(value)}`
const kind = (words: string, fits: (value: any) => boolean): Kind => (value, at) => (fits(value) ? undefined : misfit(at, words, value))

export const text = kind('a text', x => typeof x === 'string')
export const number = kind('a number', Number.isFinite)
export const whole = kind('a whole number', Number.isSafeInteger)
export const count = kind('a whole number ≥ 0', x => Number.isSafeInteger(x) && x >= 0)
export const words = (n: number, last: number): Kind =>
  kind(`${n} words of a generator's state`, x => Array.isArray(x) && x.length === n && x.every(w => w >>> 0 === w) && x[n - 1] <= last)

/** NaN and infinity are null in JSON. */
export const orNull = (other: Kind): Kind => (value, at) => (value === null ? undefined : other(value, at))
export const optional = (other: Kind): Kind => (value, at) => (value === undefined ? undefined : other(value, at))

function first(found: Iterable<string | undefined>): string | undefined {
  for (const wrong of found) if (wrong !== undefined) return wrong
  return undefined
}

export const list = (entry: Kind): Kind => (value, at) =>
  Array.isArray(value) ? first(value.map((x, i) => entry(x, `${at}[${i}]`))) : misfit(at, 'a list', value)

export const object = (fields: Record<string, Kind> = {}): Kind => (value, at) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return misfit(at, 'an object', value)
  return first(Object.entries(fields).map(([name, field]) => field((value as Record<string, unknown>)[name], `${at}.${name}`)))
}

/** As options are here: numbers for numbers, lists for lists. What is null or infinite here may be anything, what is left out is as here. */
export function like(own: unknown): Kind {
  if (Array.isArray(own)) {
    return (value, at) =>
      Array.isArray(value) && value.length === own.length ? first(own.map((x, i) => like(x)(value[i], `${at}[${i}]`))) : misfit(at, `a list of ${own.length}`, value)
  }
  if (typeof own === 'boolean') return kind('true or false', x => typeof x === 'boolean')
  if (typeof own === 'object' && own !== null) return object(Object.fromEntries(Object.entries(own).map(([name, x]) => [name, optional(like(x))])))
  return Number.isFinite(own) ? number : () => undefined
}

/** What like() found to be as options are here, with the value here for each null that JSON made of an infinite one. */
export function orOwn(value: unknown, own: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(own)) return value.map((x, i) => orOwn(x, own[i]))
  return value === null ? own : value
}
