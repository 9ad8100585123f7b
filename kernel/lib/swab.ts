/** Byte order (include/uapi/linux/swab.h). */

/** __swab32: the four bytes the other way round; signed. An address as a little-endian machine has it in memory. */
export function swab32(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}
