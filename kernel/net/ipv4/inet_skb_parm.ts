/**
 * struct inet_skb_parm, IPCB(skb): what IPv4 keeps in an sk_buff's control block while it holds the packet
 * (include/net/ip.h). The words:
 *
 *     cb0  flags (low 16 bits), frag_max_size (high 16)
 *     cb1  optlen, srr, rr, ts: a byte each, from the lowest; the last three are offsets in the header, 0 for none
 *     cb2  faddr: the destination a source route leads to first
 *     cb3  OPT_ bits, router_alert << 8
 *     cb4  nexthop
 *     cb5  ip_frag_queue's: offset in the datagram, length of the run << 16
 */
import type { sk_buff } from '../core/skbuff.ts';

/** flags */
export const IPSKB_FORWARDED = 1 << 0;
export const IPSKB_FRAG_COMPLETE = 1 << 3;
export const IPSKB_REROUTED = 1 << 4;
export const IPSKB_DOREDIRECT = 1 << 5;
/** The largest fragment of the datagram had DF set: who sends it on must not send larger ones. */
export const IPSKB_FRAG_PMTU = 1 << 6;
/** Its route is one of several that a flow may take. */
export const IPSKB_MULTIPATH = 1 << 9;

/** The bit fields of struct ip_options. */
export const OPT_STRICTROUTE = 1;
export const OPT_SRR_IS_HIT = 2;
export const OPT_IS_CHANGED = 4;
export const OPT_RR_NEEDADDR = 8;
export const OPT_TS_NEEDTIME = 16;
export const OPT_TS_NEEDADDR = 32;

export function IPCB_flags(skb: sk_buff): number {
  return skb.cb0 & 0xffff;
}

export function IPCB_set_flags(skb: sk_buff, flags: number): void {
  skb.cb0 |= flags;
}

/** Bytes, with its header, of the largest fragment that the datagram came in; 0: it came whole. */
export function IPCB_frag_max_size(skb: sk_buff): number {
  return skb.cb0 >>> 16;
}

export function IPCB_set_frag_max_size(skb: sk_buff, size: number): void {
  skb.cb0 = (skb.cb0 & 0xffff) | (size << 16);
}

/** opt.optlen: bytes of options in the header. */
export function IPCB_optlen(skb: sk_buff): number {
  return skb.cb1 & 0xff;
}
