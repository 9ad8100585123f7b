/** IPv4's part of GRO (net/ipv4/af_inet.c: inet_gro_receive, inet_gro_complete). */
import { csum_tcpudp_nofold, ip_fast_csum, put_csum } from '../../lib/checksum.ts';
import {
  dev_add_offload,
  type offload_callbacks,
  type packet_offload,
  skb_gro_header,
  skb_gro_len,
} from '../core/gro.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import type { sk_buff, sk_buff_head } from '../core/skbuff.ts';
import { ETH_P_IP } from '../ethernet/eth.ts';
import {
  get16,
  get32,
  IP_DF,
  IP_MF,
  IP_OFFSET,
  IPHDR_LEN,
  IPPROTO_TCP,
  IPPROTO_UDP,
  iph_daddr,
  iph_saddr,
  put16,
} from './ip_header.ts';
import { tcpv4_offload } from './tcp_offload.ts';
import { udpv4_offload } from './udp_offload.ts';

/** inet_add_offload */
export function inet_add_offload(net: net, offload: offload_callbacks, protocol: number): void {
  net.ipv4.offloads[protocol] = offload;
}

/** A transport that merges nothing (UDP until a socket asks for it) need not cost its packets anything. */
function inet_gro_elide(skb: sk_buff): boolean {
  const protocol = skb.ram.u8[skb.data + skb.gro_offset + 9] as number;
  const ops = (skb.dev as net_device).nd_net.ipv4.offloads[protocol] ?? null;
  return ops === null || ops.gro_elide?.(skb) === true;
}

/** inet_gro_receive: options, fragments and wrong checksums go up as they are. */
function inet_gro_receive(head: sk_buff_head, skb: sk_buff): sk_buff | null {
  const { ram } = skb;
  const at = skb_gro_header(skb, IPHDR_LEN);
  const ops = at === 0 ? null : ((skb.dev as net_device).nd_net.ipv4.offloads[ram.u8[at + 9] as number] ?? null);
  if (ops === null || ram.u8[at] !== 0x45) return flush(skb);
  const frag_off = get16(ram, at + 6);
  if ((frag_off & (IP_MF | IP_OFFSET)) !== 0 || ip_fast_csum(ram, at, 5) !== 0) return flush(skb);
  // Padding, or the reserved flag: not to be merged, but what is held of the flow goes up before it.
  if (get16(ram, at + 2) !== skb_gro_len(skb) || (frag_off & ~IP_DF) !== 0) skb.gro_flush = 1;
  for (let p = head.first; p !== null; p = p.next) {
    if (p.gro_same_flow !== 0 && !same_addresses(skb, at, p)) p.gro_same_flow = 0;
  }
  skb.network_header = at;
  skb.gro_offset += IPHDR_LEN;
  skb.transport_header = skb.data + skb.gro_offset;
  return ops.gro_receive(head, skb);
}

function flush(skb: sk_buff): null {
  skb.gro_flush = 1;
  return null;
}

/** The header of a held packet lies as far behind its data as this one's. */
function same_addresses(skb: sk_buff, at: number, p: sk_buff): boolean {
  const { ram } = skb;
  const other = p.data + (at - skb.data);
  return (
    ram.u8[at + 9] === ram.u8[other + 9] &&
    get32(ram, at + 12) === get32(ram, other + 12) &&
    get32(ram, at + 16) === get32(ram, other + 16)
  );
}

/**
 * inet_gro_flush: must the flow be completed because of the IP headers? TTL, TOS and DF must be the same, and the
 * identification count up, or, with DF, never change.
 */
export function inet_gro_flush(skb: sk_buff, p: sk_buff): boolean {
  const { ram } = skb;
  const iph = skb.network_header;
  const iph2 = p.network_header;
  const df = get16(ram, iph + 6) & IP_DF;
  if (
    ram.u8[iph + 8] !== ram.u8[iph2 + 8] ||
    ram.u8[iph + 1] !== ram.u8[iph2 + 1] ||
    df !== (get16(ram, iph2 + 6) & IP_DF)
  )
    return true;
  const offset = (get16(ram, iph + 4) - get16(ram, iph2 + 4)) & 0xffff;
  // The second packet decides.
  if (p.gro_count === 1 && df !== 0 && offset === 0) p.gro_ip_fixedid = 1;
  return offset !== (p.gro_ip_fixedid !== 0 ? 0 : p.gro_count);
}

/** The pseudo header's sum for what lies behind the GRO offset (inet_gro_compute_pseudo). */
export function inet_gro_compute_pseudo(skb: sk_buff, protocol: number): number {
  return csum_tcpudp_nofold(iph_saddr(skb), iph_daddr(skb), skb_gro_len(skb), protocol);
}

/** inet_gro_complete: total length and checksum of the header, then the transport's. */
function inet_gro_complete(skb: sk_buff, nhoff: number): void {
  const { ram } = skb;
  const at = skb.data + nhoff;
  put16(ram, at + 2, skb.len - nhoff);
  put16(ram, at + 10, 0);
  put_csum(ram, at + 10, ip_fast_csum(ram, at, 5));
  const ops = (skb.dev as net_device).nd_net.ipv4.offloads[ram.u8[at + 9] as number] ?? null;
  if (ops !== null) ops.gro_complete(skb, nhoff + IPHDR_LEN);
}

const ip_packet_offload: packet_offload = {
  type: ETH_P_IP,
  gro_elide: inet_gro_elide,
  gro_receive: inet_gro_receive,
  gro_complete: inet_gro_complete,
};

/** ipv4_offload_init */
export function ipv4_offload_init(net: net): void {
  inet_add_offload(net, udpv4_offload, IPPROTO_UDP);
  inet_add_offload(net, tcpv4_offload, IPPROTO_TCP);
  dev_add_offload(net, ip_packet_offload);
}
