// Shares of one call: several threads, each with an instance of this module over the same memory, do one product together.
//
// A share is a range of outputs, never of the terms of a sum, and algorithms are chosen by the sizes of the whole call: the
// results are the same bits whether one share does it all or many do a part each.

let share: i32 = 0
let shares: i32 = 1

/** From now on products, convolutions and batch norms do share `index` of `count` of their work. */
export function setShare(index: i32, count: i32): void {
  share = index
  shares = count
}

/** First of `total` outputs that is this share's: shares are equal numbers of units, but the last unit may be short. */
export function shareStart(total: i32, unit: i32): i32 {
  return shareBound(total, unit, share)
}

/** The one after its last. */
export function shareEnd(total: i32, unit: i32): i32 {
  return shareBound(total, unit, share + 1)
}

function shareBound(total: i32, unit: i32, index: i32): i32 {
  if (index == 0) return 0
  if (index == shares) return total
  const units = (<i64>total + unit - 1) / unit
  return <i32>(units * index / shares) * unit
}
