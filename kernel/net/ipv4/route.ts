/** IPv4 routing decisions (net/ipv4/route.c). */
import { dst_entry } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import type { sk_buff } from '../core/skbuff.ts';

/** Route types (linux/rtnetlink.h). */
export const RTN_UNSPEC = 0;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_ANYCAST = 4;
export const RTN_MULTICAST = 5;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;
export const RTN_THROW = 9;

export const RTCF_BROADCAST = 0x10000000;
export const RTCF_MULTICAST = 0x20000000;
export const RTCF_LOCAL = 0x80000000 | 0;

export class flowi4 {
  daddr = 0;
  saddr = 0;
  oif = 0;
  iif = 0;
  tos = 0;
  mark = 0;
  proto = 0;
  scope = 0;
}

export class route_cache {}

export abstract class rtable extends dst_entry {
  rt_type = 0;
  rt_flags = 0;
  rt_gw4 = 0;
  rt_is_input = false;
}

export function ip_route_output_key(_net: net, _fl4: flowi4): rtable | number {
  return -101;
}

export function ip_route_input(_skb: sk_buff, _daddr: number, _saddr: number, _tos: number, _dev: net_device): number {
  return 0;
}

export function inet_addr_type(_net: net, _addr: number): number {
  return RTN_UNICAST;
}
