// Types of output.js for the programs in TypeScript.
export const CLOSED: number
export function guardOutput(end?: (code: number) => void): void
