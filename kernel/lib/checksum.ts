/**
 * The Internet checksum (RFC 1071, lib/checksum.c). Sums are kept as numbers below 2^48 while they are added up, and
 * folded once; the byte order is the machine's (little-endian), which the one's complement sum does not mind.
 */
import type { Ram } from '../arch.ts';

/** From this many bytes on, the machine's own kernel is faster than the loop below. */
const SUM_AT_ONCE = 32;

/** Folds a sum to 16 bits. */
export function csum_from_partial(sum: number): number {
  // Sums of a 64 KiB packet stay below 2^32: two folds suffice.
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/**
 * csum_partial: the sum of the 16-bit words in [at, at + length), added to `sum` (below 2^31). Little-endian: the
 * folded, complemented result is stored with put_csum.
 */
export function csum_partial(ram: Ram, at: number, length: number, sum: number): number {
  if (length >= SUM_AT_ONCE) return csum_from_partial(ram.sum(at, length)) + csum_from_partial(sum);
  const { u8, u16, i32 } = ram;
  const end = at + length;
  if (length === 0) return csum_from_partial(sum);
  if ((at & 1) !== 0) {
    // Summed from the second byte on, every word has its bytes the wrong way round: swapping the sum puts that right.
    const rest = csum_from_partial(csum_partial(ram, at + 1, length - 1, 0));
    return csum_from_partial(sum) + (u8[at] as number) + swap16(rest);
  }
  let p = at;
  if ((p & 2) !== 0 && p + 2 <= end) {
    sum += u16[p >> 1] as number;
    p += 2;
  }
  let low = 0;
  let high = 0;
  let w = p >> 2;
  const words_end = end >> 2;
  const unrolled_end = words_end - 7;
  while (w < unrolled_end) {
    const a = i32[w] as number;
    const b = i32[w + 1] as number;
    const c = i32[w + 2] as number;
    const d = i32[w + 3] as number;
    const e = i32[w + 4] as number;
    const f = i32[w + 5] as number;
    const g = i32[w + 6] as number;
    const h = i32[w + 7] as number;
    low +=
      (a & 0xffff) +
      (b & 0xffff) +
      (c & 0xffff) +
      (d & 0xffff) +
      (e & 0xffff) +
      (f & 0xffff) +
      (g & 0xffff) +
      (h & 0xffff);
    high += (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16) + (e >>> 16) + (f >>> 16) + (g >>> 16) + (h >>> 16);
    w += 8;
  }
  while (w < words_end) {
    const a = i32[w++] as number;
    low += a & 0xffff;
    high += a >>> 16;
  }
  if (w << 2 > p) p = w << 2;
  if (p + 2 <= end) {
    low += u16[p >> 1] as number;
    p += 2;
  }
  if (p < end) low += u8[p] as number;
  return csum_from_partial(low) + csum_from_partial(high) + csum_from_partial(sum);
}

/** csum_fold: the checksum that makes the words summed so far add up to zero; 16 bits, machine order. */
export function csum_fold(sum: number): number {
  return ~csum_from_partial(sum) & 0xffff;
}

/** Stores a folded checksum (machine order) at `at`. */
export function put_csum(ram: Ram, at: number, csum: number): void {
  ram.u8[at] = csum & 0xff;
  ram.u8[at + 1] = csum >> 8;
}

/** The sum over an IPv4 pseudo header: addresses in host order (int32), protocol, length of the segment. */
export function csum_tcpudp_nofold(saddr: number, daddr: number, length: number, protocol: number): number {
  // A sum of swapped words is the swapped sum (RFC 1071 2B): once, for the little-endian machine.
  const words =
    (saddr >>> 16) + (saddr & 0xffff) + (daddr >>> 16) + (daddr & 0xffff) + (protocol & 0xffff) + (length & 0xffff);
  return swap16(csum_from_partial(words));
}

/** The other byte order: words of 16 bits as a little-endian machine sums them. */
export function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}

/** ip_fast_csum: over an IPv4 header of `ihl` 32-bit words; 0 when its checksum is right. */
export function ip_fast_csum(ram: Ram, at: number, ihl: number): number {
  const { u16, u8 } = ram;
  let sum = 0;
  if (ihl === 5 && (at & 3) === 0) {
    const { i32 } = ram;
    const w = at >> 2;
    const a = i32[w] as number;
    const b = i32[w + 1] as number;
    const c = i32[w + 2] as number;
    const d = i32[w + 3] as number;
    const e = i32[w + 4] as number;
    sum = (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff) + (e & 0xffff);
    return csum_fold(sum + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16) + (e >>> 16));
  }
  if ((at & 1) === 0) {
    const end = (at >> 1) + ihl * 2;
    for (let w = at >> 1; w < end; w++) sum += u16[w] as number;
  } else {
    for (let p = at; p < at + ihl * 4; p += 2) sum += (u8[p] as number) | ((u8[p + 1] as number) << 8);
  }
  return csum_fold(sum);
}
