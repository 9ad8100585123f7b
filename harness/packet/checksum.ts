/** The Internet checksum, RFC 1071. On purpose not the kernel's nor the card's code: the three must be able to disagree. */

/**
 * One's complement of the one's complement sum over the parts as if they lay behind each other, each padded to 16 bits
 * with zero. Over data with its checksum in place: 0 when it is right.
 */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const bytes of parts) {
    for (let at = 0; at < bytes.length; at += 2) {
      sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
    }
  }
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return 0xffff - sum;
}
