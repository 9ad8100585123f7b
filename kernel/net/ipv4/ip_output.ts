import type { net } from '../core/net_namespace.ts';
import type { sk_buff } from '../core/skbuff.ts';
import type { rtable } from './route.ts';

/**
 * Pushes the IP header before a transport header and its payload and sends the packet: what __ip_make_skb and
 * ip_send_skb do. Takes the skb in every case. `ttl` 0: the route's (ip_select_ttl). `df`: IP_DF or 0.
 * @returns 0 or a negative errno (net_xmit_errno of what the queue said).
 */
export function ip_build_and_send_pkt(
  _net: net,
  _skb: sk_buff,
  _rt: rtable,
  _saddr: number,
  _daddr: number,
  _protocol: number,
  _tos: number,
  _ttl: number,
  _df: number,
): number {
  return 0;
}
