/** Filling a packet of the write queue up from the one behind it (net/ipv4/tcp_output.c: tcp_grow_skb). */
import { COPY_TCP_COLLAPSE } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { type sk_buff, skb_cloned, skb_copy_bits, skb_pull, skb_put, skb_tailroom } from '../core/skbuff.ts';
import { sk_mem_charge, sk_wmem_queued_add, tcp_wmem_free_skb } from './tcp_mem.ts';
import { type tcp_sock, tcp_stream_alloc_skb } from './tcp_sock.ts';

/**
 * tcp_grow_skb: takes up to `amount` bytes from the packet behind, so that what a smaller MSS or a window probe has cut
 * off does not go as a segment of its own. A copy, of less than a segment, charged. Returns the packet that is now in its
 * place.
 */
export function tcp_grow_skb(sk: tcp_sock, skb: sk_buff, amount: number): sk_buff {
  const { next } = skb;
  if (next === null || skb.eor !== 0) return skb;
  const n = Math.min(amount, next.len);
  if (n === 0) return skb;
  let to = skb;
  if (skb_cloned(skb) || skb_tailroom(skb) < n) {
    const larger = with_room(sk, skb, n);
    if (larger === null) return skb;
    to = larger;
  }
  skb_copy_bits(next, 0, skb_put(to, n), n);
  charge_copy(sk.kernel, n, COPY_TCP_COLLAPSE);
  to.end_seq = (to.end_seq + n) | 0;
  to.truesize += n;
  if (n === next.len) {
    // A FIN takes a number of its own.
    to.end_seq = next.end_seq;
    to.eor = next.eor;
    to.tcp_flags |= next.tcp_flags;
    next.truesize -= n;
    sk.sk_write_queue.unlink(next);
    tcp_wmem_free_skb(sk, next);
  } else {
    skb_pull(next, n);
    next.seq = (next.seq + n) | 0;
    next.truesize -= n;
    next.gso_segs = 0;
  }
  return to;
}

/** The packet with room for `n` bytes more, in its place; null without memory. */
function with_room(sk: tcp_sock, skb: sk_buff, n: number): sk_buff | null {
  const { len } = skb;
  const larger = tcp_stream_alloc_skb(sk, len + n);
  if (larger === null) return null;
  skb_copy_bits(skb, 0, skb_put(larger, len), len);
  charge_copy(sk.kernel, len, COPY_TCP_COLLAPSE);
  larger.seq = skb.seq;
  larger.end_seq = skb.end_seq;
  larger.tcp_flags = skb.tcp_flags;
  larger.truesize += len;
  sk_wmem_queued_add(sk, larger.truesize);
  sk_mem_charge(sk, larger.truesize);
  sk.sk_write_queue.insert_after(skb, larger);
  sk.sk_write_queue.unlink(skb);
  tcp_wmem_free_skb(sk, skb);
  return larger;
}
