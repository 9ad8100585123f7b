/** Forwarding (net/ipv4/ip_forward.c; RFC 1812 5.2, 5.3): a packet for somebody else, with net.ipv4.ip_forward on. */
import { NET_RX_DROP, NET_RX_SUCCESS } from '../core/dev.ts';
import { dst_output } from '../core/dst.ts';
import { skb_gso_validate_network_len } from '../core/gso.ts';
import type { net } from '../core/net_namespace.ts';
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  kfree_skb_reason,
  PACKET_HOST,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_cow_head,
} from '../core/skbuff.ts';
import type { sock } from '../core/sock.ts';
import { NF_HOOK, NF_INET_FORWARD, NFPROTO_IPV4 } from '../netfilter/core.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_EXC_TTL,
  ICMP_FRAG_NEEDED,
  ICMP_SR_FAILED,
  ICMP_TIME_EXCEEDED,
  icmp_send,
} from './icmp.ts';
import {
  IPCB_flags,
  IPCB_frag_max_size,
  IPCB_optlen,
  IPCB_set_flags,
  IPSKB_DOREDIRECT,
  IPSKB_FORWARDED,
} from './inet_skb_parm.ts';
import { rt_tos2priority } from './ip_cmsg.ts';
import { IP_DEFRAG_CALL_RA_CHAIN, ip_defrag } from './ip_fragment.ts';
import { IP_DF, ip_is_fragment, iph_frag_off, iph_protocol, iph_tos, iph_ttl } from './ip_header.ts';
import { IPCB_is_strictroute, IPCB_router_alert, ip_forward_options } from './ip_options.ts';
import { ip_dst_mtu_maybe_forward, ip_rt_send_redirect, type rtable } from './route.ts';

/** LL_RESERVED_SPACE for an Ethernet header: hard_header_len rounded up to HH_DATA_MOD (16). */
const LL_RESERVED_SPACE = 16;

/**
 * ip_forward: TTL and MTU are looked at, the TTL is decreased, and the packet goes out by its route; where that is
 * the way it came, the sender hears of it. Takes the skb.
 */
export function ip_forward(skb: sk_buff): number {
  const { kernel } = skb;
  kernel.clock.now += kernel.cost.ip_forward;
  const tp = kernel.trace.ip_forward;
  if (tp !== null) tp(skb);
  // A frame that was for everybody is nobody's to forward (RFC 1812 5.3.4).
  if (skb.pkt_type !== PACKET_HOST || skb.sk !== null) return drop(skb, SKB_DROP_REASON.OTHERHOST);
  const rt = skb.dst as rtable;
  const { ipv4 } = rt.net;
  const { mib } = ipv4;
  if (IPCB_router_alert(skb) && ip_call_ra_chain(skb, rt.net)) return NET_RX_SUCCESS;
  // skb_forward_csum: the sum will not hold once the TTL has changed.
  if (skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = CHECKSUM_NONE;
  // RFC 1812 5.3.1: a packet whose time is up is not for forwarding, even if the next hop is where it goes.
  if (iph_ttl(skb) <= 1) {
    mib.IpInHdrErrors++;
    icmp_send(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
    return drop(skb, SKB_DROP_REASON.IP_INHDR);
  }
  // A strict source route names every hop: no gateway may come between.
  if (IPCB_is_strictroute(skb) && rt.rt_uses_gateway) {
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0);
    return drop(skb, SKB_DROP_REASON.IP_INHDR);
  }
  IPCB_set_flags(skb, IPSKB_FORWARDED);
  const mtu = ip_dst_mtu_maybe_forward(rt, true);
  if (ip_exceeds_mtu(skb, mtu)) {
    mib.IpFragFails++;
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    return drop(skb, SKB_DROP_REASON.PKT_TOO_BIG);
  }
  if (skb_cow_head(skb, LL_RESERVED_SPACE) !== 0) {
    mib.IpOutDiscards++;
    return drop(skb, SKB_DROP_REASON.NOMEM);
  }
  ip_decrease_ttl(skb);
  // Not for a packet whose sender said which way it is to go.
  if ((IPCB_flags(skb) & IPSKB_DOREDIRECT) !== 0 && (skb.cb1 & 0xff00) === 0) ip_rt_send_redirect(skb);
  if (ipv4.ip_forward_update_priority !== 0) skb.priority = rt_tos2priority(iph_tos(skb));
  return NF_HOOK(NFPROTO_IPV4, NF_INET_FORWARD, rt.net, skb, skb.dev, rt.dev, ip_forward_finish);
}

/** ip_forward_finish: counted, and off. Takes the skb. */
function ip_forward_finish(net: net, skb: sk_buff): number {
  net.ipv4.mib.IpForwDatagrams++;
  if (IPCB_optlen(skb) !== 0) ip_forward_options(skb);
  skb.tstamp = 0;
  return dst_output(skb);
}

/** ip_exceeds_mtu: too long, and not to be fragmented; what GRO put together is looked at by the segment. */
function ip_exceeds_mtu(skb: sk_buff, mtu: number): boolean {
  if (skb.len <= mtu) return false;
  if ((iph_frag_off(skb) & IP_DF) === 0) return false;
  // Reassembled here from fragments with DF: the largest of them was no longer than this.
  const frag_max_size = IPCB_frag_max_size(skb);
  if (frag_max_size !== 0) return frag_max_size > mtu;
  return skb.gso_size === 0 || !skb_gso_validate_network_len(skb, mtu);
}

/**
 * ip_call_ra_chain: a packet that wants routers to look at it is for the sockets that asked for those of its protocol
 * (IP_ROUTER_ALERT), whole; it is then theirs to send on. True: the skb is taken.
 */
function ip_call_ra_chain(skb: sk_buff, net: net): boolean {
  const { ra_chain, raw_rcv } = net.ipv4;
  const { dev } = skb;
  let last: sock | null = null;
  for (const sk of ra_chain) {
    if (sk.inet_num !== iph_protocol(skb)) continue;
    if (sk.sk_bound_dev_if !== 0 && sk.sk_bound_dev_if !== dev?.ifindex) continue;
    if (ip_is_fragment(skb) && ip_defrag(net, skb, IP_DEFRAG_CALL_RA_CHAIN) !== 0) return true;
    if (last !== null) {
      const clone = skb_clone(skb);
      if (clone !== null) raw_rcv?.(last, clone);
    }
    last = sk;
  }
  if (last === null) return false;
  raw_rcv?.(last, skb);
  return true;
}

function drop(skb: sk_buff, reason: number): number {
  kfree_skb_reason(skb, reason);
  return NET_RX_DROP;
}

/** ip_decrease_ttl: one less, and the header checksum adjusted for it (RFC 1624: the sum grows by 0100h). */
function ip_decrease_ttl(skb: sk_buff): void {
  const { u8 } = skb.ram;
  const at = skb.network_header;
  const sum = (((u8[at + 10] as number) << 8) | (u8[at + 11] as number)) + 0x100;
  const check = sum + (sum >= 0xffff ? 1 : 0);
  u8[at + 10] = (check >> 8) & 0xff;
  u8[at + 11] = check & 0xff;
  u8[at + 8] = (u8[at + 8] as number) - 1;
}
