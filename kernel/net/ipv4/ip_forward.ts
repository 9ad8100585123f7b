/** Forwarding (net/ipv4/ip_forward.c): the place for it. */
import { NET_RX_DROP } from '../core/dev.ts';
import { kfree_skb_reason, PACKET_HOST, SKB_DROP_REASON, type sk_buff } from '../core/skbuff.ts';
import type { rtable } from './route.ts';

/**
 * ip_forward: a packet for somebody else, with forwarding on. What Linux does here: TTL (time exceeded), MTU
 * (fragmentation needed), redirects, NF_INET_FORWARD, dst_output. Until that is built the packet is dropped, and
 * counted as discarded. Takes the skb.
 */
export function ip_forward(skb: sk_buff): number {
  const { kernel } = skb;
  kernel.clock.now += kernel.cost.ip_forward;
  const tp = kernel.trace.ip_forward;
  if (tp !== null) tp(skb);
  if (skb.pkt_type === PACKET_HOST) (skb.dst as rtable).net.ipv4.mib.IpInDiscards++;
  kfree_skb_reason(skb, SKB_DROP_REASON.NOT_SPECIFIED);
  return NET_RX_DROP;
}
