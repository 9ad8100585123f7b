/** What TCP asks of a route (include/net/dst.h, net/core/sock.c: sk_setup_caps). */
import type { dst_entry } from '../core/dst.ts';
import { NETIF_F_HW_CSUM } from '../core/netdevice.ts';
import type { rtable } from './route.ts';
import { __ip_rt_update_pmtu } from './route_exception.ts';
import type { tcp_sock } from './tcp_sock.ts';

/** sk_setup_caps: the sock goes this way from now on. */
export function sk_setup_caps(sk: tcp_sock, dst: dst_entry): void {
  sk.sk_dst_cache = dst;
  // Without a checksum from below, a packet for several segments could not be cut there.
  sk.sk_can_gso = sk.sk_gso_max_segs > 1 && sk_gso_ok(dst);
}

/** May a packet of several segments go down this way? Segmentation in software comes with the transmit path. */
function sk_gso_ok(_dst: dst_entry): boolean {
  return false;
}

/** The checksum may be left to the device. */
export function dst_hw_csum(dst: dst_entry): boolean {
  return (dst.dev.features & NETIF_F_HW_CSUM) !== 0;
}

/** inet_csk_update_pmtu: a router on the way takes packets of `mtu` bytes at most. What routing makes of it. */
export function inet_csk_update_pmtu(sk: tcp_sock, rt: rtable, mtu: number): void {
  const { error_fl: fl4 } = rt.net.ipv4.rt;
  fl4.init(sk.inet_daddr, sk.inet_saddr);
  fl4.oif = sk.sk_bound_dev_if;
  fl4.tos = sk.tos;
  fl4.mark = sk.sk_mark;
  fl4.proto = sk.sk_protocol;
  fl4.sport = sk.inet_sport;
  fl4.dport = sk.inet_dport;
  __ip_rt_update_pmtu(rt, fl4, mtu);
}
