/** What TCP asks of a route (include/net/dst.h, net/core/sock.c: sk_setup_caps). */
import type { dst_entry } from '../core/dst.ts';
import type { rtable } from './route.ts';
import { __ip_rt_update_pmtu } from './route_exception.ts';
import { MAX_TCP_HEADER, type tcp_sock } from './tcp_sock.ts';

/**
 * sk_setup_caps: the sock goes this way from now on. TCP always makes packets of several segments: what the device cannot
 * cut, validate_xmit_skb does, and the checksum with it. The device only says how large they may be.
 */
export function sk_setup_caps(sk: tcp_sock, dst: dst_entry): void {
  const { dev } = dst;
  sk.sk_dst_cache = dst;
  sk.sk_can_gso = !sk.opts.sk_gso_disabled;
  // sk_dst_gso_max_size: the headers count, too.
  sk.sk_gso_max_size = dev.gso_max_size - (MAX_TCP_HEADER + 1);
  sk.sk_gso_max_segs = Math.max(dev.gso_max_segs, 1);
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
