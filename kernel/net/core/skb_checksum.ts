/** Transport checksums over sk_buffs (net/core/skbuff.c, net/core/dev.c). */
import { charge_csum } from '../../costs.ts';
import { csum_fold, csum_from_partial, csum_partial, put_csum } from '../../lib/checksum.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_NONE, CHECKSUM_UNNECESSARY, type sk_buff } from './skbuff.ts';

/** skb_checksum: the sum of `length` bytes from `offset` behind data, added to `sum`. Charged per byte. */
export function skb_checksum(skb: sk_buff, offset: number, length: number, sum: number): number {
  const kernel = skb.kernel;
  charge_csum(kernel, length);
  return csum_partial(skb.ram, skb.data + offset, length, sum);
}

/** skb_checksum_help: makes the checksum that CHECKSUM_PARTIAL left open. */
export function skb_checksum_help(skb: sk_buff): void {
  const { ram, kernel } = skb;
  const length = skb.tail - skb.csum_start;
  charge_csum(kernel, length);
  // The field holds the pseudo header's sum already.
  const csum = csum_fold(csum_partial(ram, skb.csum_start, length, 0));
  put_csum(ram, skb.csum_start + skb.csum_offset, csum === 0 ? 0xffff : csum);
  skb.ip_summed = CHECKSUM_NONE;
}

/** skb_csum_unnecessary: somebody has verified it already. */
export function skb_csum_unnecessary(skb: sk_buff): boolean {
  return skb.ip_summed === CHECKSUM_UNNECESSARY || skb.csum_valid !== 0;
}

/**
 * __skb_checksum_complete: verifies the segment from data on against `pseudo` (the pseudo header's sum, 0 for none).
 * True when it is right; the skb remembers that.
 */
export function skb_checksum_ok(skb: sk_buff, length: number, pseudo: number): boolean {
  const sum =
    skb.ip_summed === CHECKSUM_COMPLETE ? skb.csum + csum_from_partial(pseudo) : skb_checksum(skb, 0, length, pseudo);
  if (csum_fold(sum) !== 0) return false;
  skb.csum_valid = 1;
  return true;
}
