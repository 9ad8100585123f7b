/** Words of a header in the network's order, wherever they lie (linux/unaligned.h). */

/** 24 bits, 0 and above. */
export function get_unaligned_be24(u8: Uint8Array, at: number): number {
  return ((u8[at] as number) << 16) | ((u8[at + 1] as number) << 8) | (u8[at + 2] as number);
}

/** An int32. */
export function get_unaligned_be32(u8: Uint8Array, at: number): number {
  return (
    ((u8[at] as number) << 24) | ((u8[at + 1] as number) << 16) | ((u8[at + 2] as number) << 8) | (u8[at + 3] as number)
  );
}

export function put_unaligned_be32(u8: Uint8Array, at: number, value: number): void {
  u8[at] = value >>> 24;
  u8[at + 1] = value >>> 16;
  u8[at + 2] = value >>> 8;
  u8[at + 3] = value;
}
