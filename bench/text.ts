// Numbers as the tables show them: three digits and a unit.

/** Three significant digits without an exponent */
export function digits(x: number): string {
  if (!Number.isFinite(x)) return '–'
  // rounded first: 0.9999 is 1.00, not 1.000
  const size = Math.abs(Number(x.toPrecision(3)))
  return size >= 100 ? x.toFixed(0) : size >= 10 ? x.toFixed(1) : size >= 1 ? x.toFixed(2) : x.toFixed(3)
}

/** A time given in ms */
export function time(ms: number): string {
  if (ms < 0) return `-${time(-ms)}`
  if (ms >= 999.5) return `${digits(ms / 1000)} s`
  if (ms >= 0.9995) return `${digits(ms)} ms`
  if (ms >= 0.0009995) return `${digits(ms * 1000)} µs`
  return `${digits(ms * 1e6)} ns`
}

/** A number of bytes */
export const megabytes = (bytes: number): string => `${digits(bytes / 1e6)} MB`

export const percent = (share: number): string => (share > 0 ? `${Math.round(share * 100)} %` : '')
export const thousands = (x: number): string => Math.round(x).toString().replace(/\B(?=(\d{3})+$)/g, ',')
