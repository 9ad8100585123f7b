/** Transport checksums over sk_buffs (net/core/skbuff.c, net/core/dev.c). */
import { charge_csum } from '../../costs.ts';
import { ENOMEM } from '../../errno.ts';
import { csum_fold, csum_from_partial, csum_partial, put_csum } from '../../lib/checksum.ts';
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  type sk_buff,
  skb_cloned,
  skb_cow_head,
  skb_headlen,
  skb_headroom,
} from './skbuff.ts';

/** skb_checksum: the sum of `length` bytes from `offset` behind data, added to `sum`. Charged per byte. */
export function skb_checksum(skb: sk_buff, offset: number, length: number, sum: number): number {
  const kernel = skb.kernel;
  charge_csum(kernel, length);
  if (offset + length <= skb_headlen(skb)) return csum_partial(skb.ram, skb.data + offset, length, sum);
  return frags_checksum(skb, offset, length, sum);
}

/** csum_block_add over the linear part and the fragments: bytes behind an odd length change halves of their words. */
function frags_checksum(skb: sk_buff, offset: number, length: number, sum: number): number {
  let done = 0;
  let total = csum_from_partial(sum);
  for (let part: sk_buff | null = skb; part !== null && done < length; ) {
    const size = part === skb ? skb_headlen(skb) : part.len;
    const from = Math.min(offset, size);
    const n = Math.min(size - from, length - done);
    if (n > 0) {
      const block: number = csum_from_partial(csum_partial(skb.ram, part.data + from, n, 0));
      total = csum_from_partial(total + ((done & 1) === 0 ? block : ((block & 0xff) << 8) | (block >> 8)));
    }
    done += n;
    offset -= from;
    part = part === skb ? skb.frag_list : part.next;
  }
  return total;
}

/**
 * skb_checksum_help: makes the checksum that CHECKSUM_PARTIAL left open, in bytes of its own: a clone's is still open, and
 * made from what the field holds now. 0, or -ENOMEM with nothing done.
 */
export function skb_checksum_help(skb: sk_buff): number {
  const { ram } = skb;
  if (skb_cloned(skb) && skb_cow_head(skb, skb_headroom(skb)) !== 0) return -ENOMEM;
  // The field holds the pseudo header's sum already.
  const offset = skb.csum_start - skb.data;
  const csum = csum_fold(skb_checksum(skb, offset, skb.len - offset, 0));
  put_csum(ram, skb.csum_start + skb.csum_offset, csum === 0 ? 0xffff : csum);
  skb.ip_summed = CHECKSUM_NONE;
  return 0;
}

/** skb_csum_unnecessary: somebody has verified it already. */
export function skb_csum_unnecessary(skb: sk_buff): boolean {
  return (
    skb.ip_summed === CHECKSUM_UNNECESSARY ||
    skb.csum_valid !== 0 ||
    // Still to be made, from here on: what GRO has merged was right, and what this host sends itself was never wrong.
    (skb.ip_summed === CHECKSUM_PARTIAL && skb.csum_start >= skb.data)
  );
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
