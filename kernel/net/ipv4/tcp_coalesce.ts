/** Small segments that share one buffer while they wait to be read (net/ipv4/tcp_input.c: tcp_try_coalesce). */
import { COPY_TCP_COLLAPSE } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { type sk_buff, skb_cloned, skb_copy_bits, skb_put, skb_tailroom } from '../core/skbuff.ts';
import type { tcp_sock } from './tcp_sock.ts';

/**
 * skb_try_coalesce: the bytes of `from` go into what is free behind those of `to`, which thereby costs no memory. (Linux
 * also moves page fragments over; there are none here.) False: they do not fit.
 */
function skb_try_coalesce(to: sk_buff, from: sk_buff): boolean {
  const { len } = from;
  if (to.data_len !== 0 || len > skb_tailroom(to) || skb_cloned(to)) return false;
  skb_copy_bits(from, 0, skb_put(to, len), len);
  charge_copy(to.kernel, len, COPY_TCP_COLLAPSE);
  return true;
}

/** tcp_try_coalesce: `from`, which follows `to`, becomes part of it. Its caller frees it then. */
export function tcp_try_coalesce(sk: tcp_sock, to: sk_buff, from: sk_buff): boolean {
  if (from.seq !== to.end_seq || !skb_try_coalesce(to, from)) return false;
  sk.sk_net.ipv4.mib.TcpExtTCPRcvCoalesce++;
  to.end_seq = from.end_seq;
  to.ack_seq = from.ack_seq;
  to.tcp_flags |= from.tcp_flags;
  if (from.tstamp !== 0) to.tstamp = from.tstamp;
  return true;
}

/** tcp_ooo_try_coalesce: the same in the out-of-order queue. */
export function tcp_ooo_try_coalesce(sk: tcp_sock, to: sk_buff, from: sk_buff): boolean {
  if (!tcp_try_coalesce(sk, to, from)) return false;
  to.gso_segs = Math.min(Math.max(1, to.gso_segs) + Math.max(1, from.gso_segs), 0xffff);
  return true;
}
