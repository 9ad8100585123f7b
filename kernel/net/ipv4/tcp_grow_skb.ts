/** Filling a packet of the write queue up from the one behind it (net/ipv4/tcp_output.c: tcp_grow_skb). */
import { COPY_TCP_COLLAPSE } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { type sk_buff, skb_pull, skb_put, skb_tailroom } from '../core/skbuff.ts';
import { tcp_wmem_free_skb } from './tcp_mem.ts';
import { tcp_skb_extend, type tcp_sock } from './tcp_sock.ts';

/** More than this is not copied for it. */
const TCP_GROW_MAX = 32768;

/**
 * tcp_grow_skb: takes up to `amount` bytes from the packet behind, so that what goes at once goes as one. Linux moves page
 * fragments; here it is a copy, charged. Where that would be a large one, only the last segment is filled up: the segments
 * are the same, in two packets in place of one.
 */
export function tcp_grow_skb(sk: tcp_sock, skb: sk_buff, amount: number, mss: number): void {
  const { next } = skb;
  if (next === null || skb.eor !== 0 || skb.ubuf !== null || next.ubuf !== null) return;
  let n = Math.min(amount, next.len);
  if (n + (skb_tailroom(skb) < n ? skb.len : 0) > TCP_GROW_MAX) n = Math.min((mss - (skb.len % mss)) % mss, n);
  if (n === 0 || tcp_skb_extend(skb, n, skb.len + amount) !== 0) return;
  skb.ram.move(skb_put(skb, n), next.data, n);
  charge_copy(sk.kernel, n, COPY_TCP_COLLAPSE);
  skb.end_seq = (skb.end_seq + n) | 0;
  skb.truesize += n;
  next.truesize -= n;
  if (n === next.len) {
    // A FIN takes a number of its own.
    skb.end_seq = next.end_seq;
    skb.eor = next.eor;
    skb.tx_flags |= next.tx_flags;
    if (next.tx_flags !== 0 || next.txstamp_ack !== 0) skb.tskey = next.tskey;
    skb.txstamp_ack |= next.txstamp_ack;
    skb.tcp_flags |= next.tcp_flags;
    sk.sk_write_queue.unlink(next);
    tcp_wmem_free_skb(sk, next);
  } else {
    skb_pull(next, n);
    next.seq = (next.seq + n) | 0;
    next.gso_segs = 0;
  }
}
