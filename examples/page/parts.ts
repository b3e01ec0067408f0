// Which images are learnt from. The page and its workers agree on it.

/** Share of the images that the network never learns from: the last ones of the file */
const HELD_BACK = 1 / 6

/** The first images, which are learnt from; the others judge. */
export const trainingCount = (n: number): number => n - Math.round(n * HELD_BACK)
