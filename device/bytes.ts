/**
 * Copies `length` bytes. Inside one array (the arena that a simulation shares) this is a `copyWithin`: no view, no
 * allocation. Between two arrays a byte loop is the cheaper way up to about 32 bytes; beyond it a view is made, unless
 * the whole array is copied.
 */
export function copyBytes(from: Uint8Array, at: number, to: Uint8Array, into: number, length: number): void {
  if (from === to) {
    to.copyWithin(into, at, at + length);
  } else if (length <= 32) {
    for (let i = 0; i < length; i++) to[into + i] = from[at + i] as number;
  } else if (length === from.length) {
    to.set(from, into);
  } else {
    to.set(from.subarray(at, at + length), into);
  }
}
