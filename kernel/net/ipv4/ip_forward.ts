/** Forwarding (net/ipv4/ip_forward.c): a packet for somebody else, with net.ipv4.ip_forward on. */
import { NET_RX_DROP } from '../core/dev.ts';
import { dst_mtu, dst_output } from '../core/dst.ts';
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  kfree_skb_reason,
  PACKET_HOST,
  SKB_DROP_REASON,
  type sk_buff,
  skb_cow_head,
} from '../core/skbuff.ts';
import { ICMP_DEST_UNREACH, ICMP_EXC_TTL, ICMP_FRAG_NEEDED, ICMP_TIME_EXCEEDED, icmp_send } from './icmp.ts';
import { IP_DF, iph_frag_off, iph_ttl } from './ip_header.ts';
import type { rtable } from './route.ts';

/** LL_RESERVED_SPACE for an Ethernet header: hard_header_len rounded up to HH_DATA_MOD (16). */
const LL_RESERVED_SPACE = 16;

/**
 * ip_forward: TTL and MTU are looked at, the TTL is decreased, and the packet goes out by its route. Redirects and
 * NF_INET_FORWARD have their places here. Takes the skb.
 */
export function ip_forward(skb: sk_buff): number {
  const { kernel } = skb;
  kernel.clock.now += kernel.cost.ip_forward;
  const tp = kernel.trace.ip_forward;
  if (tp !== null) tp(skb);
  // A frame that was for everybody is nobody's to forward (RFC 1812 5.3.4).
  if (skb.pkt_type !== PACKET_HOST || skb.sk !== null) return drop(skb, SKB_DROP_REASON.OTHERHOST);
  // skb_forward_csum: the sum will not hold once the TTL has changed.
  if (skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = CHECKSUM_NONE;
  const rt = skb.dst as rtable;
  const { mib } = rt.net.ipv4;
  if (iph_ttl(skb) <= 1) {
    mib.IpInHdrErrors++;
    icmp_send(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
    return drop(skb, SKB_DROP_REASON.IP_INHDR);
  }
  mib.IpForwDatagrams++;
  const mtu = dst_mtu(rt);
  if (skb.len > mtu && (iph_frag_off(skb) & IP_DF) !== 0) {
    mib.IpFragFails++;
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    return drop(skb, SKB_DROP_REASON.PKT_TOO_BIG);
  }
  if (skb_cow_head(skb, LL_RESERVED_SPACE) !== 0) {
    mib.IpOutDiscards++;
    return drop(skb, SKB_DROP_REASON.NOMEM);
  }
  ip_decrease_ttl(skb);
  skb.tstamp = 0;
  // ip_rt_send_redirect and NF_INET_FORWARD go here.
  return dst_output(skb);
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
