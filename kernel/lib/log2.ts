/** Powers of two (include/linux/log2.h). */

/** roundup_pow_of_two: the least power of two that is not below `n`; `n` at most 2^30. */
export function roundup_pow_of_two(n: number): number {
  return n <= 1 ? 1 : 1 << (32 - Math.clz32(n - 1));
}
