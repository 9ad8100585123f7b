/** What TCP asks of a route (include/net/dst.h, net/core/sock.c: sk_setup_caps). */
import { type dst_entry, dst_mtu } from '../core/dst.ts';
import { NETIF_F_HW_CSUM } from '../core/netdevice.ts';
import {
  IP_PMTUDISC_DO,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_INTERFACE,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_WANT,
} from './datagram.ts';
import { rtable } from './route.ts';
import type { tcp_sock } from './tcp_sock.ts';

/** ip_rt_min_pmtu: what is never gone below. */
const IP_RT_MIN_PMTU = 552;

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

/** ip_dont_fragment: routers are told not to. */
export function ip_dont_fragment(sk: tcp_sock): boolean {
  return sk.pmtudisc === IP_PMTUDISC_DO || sk.pmtudisc === IP_PMTUDISC_WANT;
}

/** Does the sock believe what routers say of their MTU (ip_sk_accept_pmtu, and IP_PMTUDISC_DONT)? */
export function ip_sk_accept_pmtu(sk: tcp_sock): boolean {
  return sk.pmtudisc !== IP_PMTUDISC_DONT && sk.pmtudisc !== IP_PMTUDISC_INTERFACE && sk.pmtudisc !== IP_PMTUDISC_OMIT;
}

/**
 * inet_csk_update_pmtu: a router on the way takes packets of `mtu` bytes at most. The sock gets a route of its own that
 * says so: routes hang at next hops here, which many destinations share.
 */
export function inet_csk_update_pmtu(sk: tcp_sock, rt: rtable, mtu: number): rtable {
  mtu = Math.max(mtu, IP_RT_MIN_PMTU);
  if (mtu >= dst_mtu(rt)) return rt;
  const own = new rtable(rt.dev, rt.rt_flags, rt.rt_type, rt.rt_is_input, rt.input, rt.output);
  own.rt_gw4 = rt.rt_gw4;
  own.rt_iif = rt.rt_iif;
  own.metric_mtu = mtu;
  sk_setup_caps(sk, own);
  return own;
}
