/** RFC 2385's signature by another implementation of MD5 than the kernel's. */
import { createHash } from 'node:crypto';

const be16 = (value: number): number[] => [(value >> 8) & 255, value & 255];

/**
 * Of a segment whose addresses are four bytes each: pseudo-header, header without options and with no checksum, payload,
 * and the key.
 */
export function tcpSignature(
  key: string,
  source: readonly number[],
  destination: readonly number[],
  segment: Uint8Array,
): Uint8Array {
  const header = segment.slice(0, 20);
  header.fill(0, 16, 18);
  const payload = segment.subarray(((segment[12] as number) >> 4) * 4);
  const pseudo = Uint8Array.from([...source, ...destination, 0, 6, ...be16(segment.length)]);
  const hash = createHash('md5');
  for (const part of [pseudo, header, payload, Buffer.from(key)]) hash.update(part);
  return hash.digest();
}

/** Where in a segment the signature is, -1 for nowhere. */
export function signatureAt(segment: Uint8Array): number {
  const end = ((segment[12] as number) >> 4) * 4;
  for (let i = 20; i < end && segment[i] !== 0; i += segment[i] === 1 ? 1 : Math.max(2, segment[i + 1] as number)) {
    if (segment[i] === 19) return i + 2;
  }
  return -1;
}
