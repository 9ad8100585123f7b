/**
 * struct iphdr (RFC 791 3.1) over the bytes of an sk_buff: functions over RAM at `network_header`, so that reading a
 * field costs a load and no object. Addresses are 32-bit integers in host order, signed (`| 0`), as all of
 * kernel/net/ipv4 keeps them.
 */
import type { Ram } from '../../arch.ts';
import type { sk_buff } from '../core/skbuff.ts';

export const IPPROTO_ICMP = 1;
export const IPPROTO_IGMP = 2;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_RAW = 255;

export const IPVERSION = 4;
/** Bytes of a header without options. */
export const IPHDR_LEN = 20;
/** Flags and mask of frag_off. */
export const IP_CE = 0x8000;
export const IP_DF = 0x4000;
export const IP_MF = 0x2000;
export const IP_OFFSET = 0x1fff;

/** The bits of TOS that routing looks at, and the precedence of network control (linux/ip.h). */
export const IPTOS_TOS_MASK = 0x1e;
export const IPTOS_RT_MASK = IPTOS_TOS_MASK & ~3;
export const IPTOS_PREC_INTERNETCONTROL = 0xc0;
export const INET_ECN_MASK = 3;

export const INADDR_ANY = 0;
export const INADDR_BROADCAST = -1;
export const INADDR_LOOPBACK = 0x7f000001;
export const INADDR_ALLHOSTS_GROUP = 0xe0000001 | 0;

export function get16(ram: Ram, at: number): number {
  return ram.dv.getUint16(at);
}

export function put16(ram: Ram, at: number, value: number): void {
  ram.dv.setUint16(at, value);
}

/** A 32-bit field in network order as a signed integer. */
export function get32(ram: Ram, at: number): number {
  return ram.dv.getInt32(at);
}

export function put32(ram: Ram, at: number, value: number): void {
  ram.dv.setInt32(at, value);
}

export function iph_version(skb: sk_buff): number {
  return (skb.ram.u8[skb.network_header] as number) >> 4;
}

/** Header length in 32-bit words. */
export function iph_ihl(skb: sk_buff): number {
  return (skb.ram.u8[skb.network_header] as number) & 15;
}

export function iph_tos(skb: sk_buff): number {
  return skb.ram.u8[skb.network_header + 1] as number;
}

export function iph_tot_len(skb: sk_buff): number {
  return get16(skb.ram, skb.network_header + 2);
}

export function iph_id(skb: sk_buff): number {
  return get16(skb.ram, skb.network_header + 4);
}

/** Flags and offset: IP_DF, IP_MF, IP_OFFSET. */
export function iph_frag_off(skb: sk_buff): number {
  return get16(skb.ram, skb.network_header + 6);
}

export function iph_ttl(skb: sk_buff): number {
  return skb.ram.u8[skb.network_header + 8] as number;
}

export function iph_protocol(skb: sk_buff): number {
  return skb.ram.u8[skb.network_header + 9] as number;
}

export function iph_saddr(skb: sk_buff): number {
  return get32(skb.ram, skb.network_header + 12);
}

export function iph_daddr(skb: sk_buff): number {
  return get32(skb.ram, skb.network_header + 16);
}

/** ip_is_fragment */
export function ip_is_fragment(skb: sk_buff): boolean {
  return (iph_frag_off(skb) & (IP_MF | IP_OFFSET)) !== 0;
}

// ---- addresses (linux/in.h) -------------------------------------------------------------------------------------

/** 224.0.0.0/4 */
export function ipv4_is_multicast(addr: number): boolean {
  return addr >>> 28 === 0xe;
}

/** 224.0.0.0/24 */
export function ipv4_is_local_multicast(addr: number): boolean {
  return addr >>> 8 === 0xe00000;
}

/** 127.0.0.0/8 */
export function ipv4_is_loopback(addr: number): boolean {
  return addr >>> 24 === 127;
}

/** 255.255.255.255 */
export function ipv4_is_lbcast(addr: number): boolean {
  return addr === -1;
}

/** 0.0.0.0 alone: since 5.3 the rest of 0.0.0.0/8 are addresses like others. */
export function ipv4_is_zeronet(addr: number): boolean {
  return addr === 0;
}

/** inet_make_mask: the netmask of a prefix length, 0 to 32. */
export function inet_make_mask(length: number): number {
  return length === 0 ? 0 : (-1 << (32 - length)) | 0;
}

export { in_aton, inet_ntoa } from '../../lib/inet.ts';
