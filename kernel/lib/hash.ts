/** Integer hashes (include/linux/hash.h, include/linux/kernel.h). */

const GOLDEN_RATIO_32 = 0x61c88647;

/** hash_32: a 32-bit value spread over 32 bits; take the high ones. Unsigned. */
export function hash_32(value: number): number {
  return Math.imul(value, GOLDEN_RATIO_32) >>> 0;
}

/** Mixes two words (the finaliser of MurmurHash3). Unsigned. */
export function hash_2words(a: number, b: number): number {
  let h = Math.imul(a, GOLDEN_RATIO_32) ^ b;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b | 0);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35 | 0);
  return (h ^ (h >>> 16)) >>> 0;
}

/** reciprocal_scale: a 32-bit random value to [0, range). */
export function reciprocal_scale(value: number, range: number): number {
  return Math.floor(((value >>> 0) * range) / 0x100000000);
}
