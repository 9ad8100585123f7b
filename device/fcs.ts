/**
 * The frame check sequence: CRC-32 of IEEE 802.3 clause 3.2.9, bit-reflected form (polynomial EDB88320h), sixteen
 * bytes a step. The register is an int32; the four FCS bytes in a frame are the result, low byte first.
 */
const SLICES = 16;

const TABLE = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(256 * SLICES);
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    table[i] = crc;
  }
  for (let i = 256; i < table.length; i++) {
    const before = table[i - 256] as number;
    table[i] = (before >>> 8) ^ (table[before & 0xff] as number);
  }
  return table;
}

/** What the CRC register holds before the first byte. */
export const CRC_START = -1;

/** Runs `bytes[at .. at+length)` through the CRC register `crc` (int32) and gives the new register. */
export function crcUpdate(crc: number, bytes: Uint8Array, at: number, length: number): number {
  const t = TABLE;
  const end = at + length;
  const whole = end - SLICES;
  let i = at;
  let c = crc | 0;
  for (; i <= whole; i += SLICES) {
    c =
      (t[0xf00 + ((c & 0xff) ^ (bytes[i] as number))] as number) ^
      (t[0xe00 + (((c >>> 8) & 0xff) ^ (bytes[i + 1] as number))] as number) ^
      (t[0xd00 + (((c >>> 16) & 0xff) ^ (bytes[i + 2] as number))] as number) ^
      (t[0xc00 + ((c >>> 24) ^ (bytes[i + 3] as number))] as number) ^
      (t[0xb00 + (bytes[i + 4] as number)] as number) ^
      (t[0xa00 + (bytes[i + 5] as number)] as number) ^
      (t[0x900 + (bytes[i + 6] as number)] as number) ^
      (t[0x800 + (bytes[i + 7] as number)] as number) ^
      (t[0x700 + (bytes[i + 8] as number)] as number) ^
      (t[0x600 + (bytes[i + 9] as number)] as number) ^
      (t[0x500 + (bytes[i + 10] as number)] as number) ^
      (t[0x400 + (bytes[i + 11] as number)] as number) ^
      (t[0x300 + (bytes[i + 12] as number)] as number) ^
      (t[0x200 + (bytes[i + 13] as number)] as number) ^
      (t[0x100 + (bytes[i + 14] as number)] as number) ^
      (t[bytes[i + 15] as number] as number);
  }
  for (; i < end; i++) c = (c >>> 8) ^ (t[(c ^ (bytes[i] as number)) & 0xff] as number);
  return c;
}

/** The FCS value of a CRC register: complemented, unsigned. */
export function fcsValue(crc: number): number {
  return ~crc >>> 0;
}

/** The FCS (unsigned 32 bits) of the frame `bytes[at .. at+length)`. */
export function fcsOf(bytes: Uint8Array, at: number, length: number): number {
  return ~crcUpdate(CRC_START, bytes, at, length) >>> 0;
}

/**
 * The multicast hash index (0–63) of the address at `bytes[at .. at+6)`: the upper six bits of the CRC register, as
 * on the DP8390 (datasheet, "Multicast Address Registers"). That register shifts the other way round than the
 * reflected one here, so its upper six bits are our lower six in reverse order.
 */
export function multicastIndex(bytes: Uint8Array, at: number): number {
  const c = crcUpdate(CRC_START, bytes, at, 6);
  return ((c & 1) << 5) | ((c & 2) << 3) | ((c & 4) << 1) | ((c & 8) >> 1) | ((c & 16) >> 3) | ((c & 32) >> 5);
}
