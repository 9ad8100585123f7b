/** IPv4 receive (net/ipv4/ip_input.c): ip_rcv → ip_rcv_finish → ip_local_deliver → a transport protocol. */
import { csum_from_partial, ip_fast_csum } from '../../lib/checksum.ts';
import { NET_RX_DROP, NET_RX_SUCCESS } from '../core/dev.ts';
import { type dst_entry, dst_input } from '../core/dst.ts';
import type { net, packet_type } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import { skb_checksum } from '../core/skb_checksum.ts';
import {
  CHECKSUM_COMPLETE,
  consume_skb,
  kfree_skb_reason,
  PACKET_BROADCAST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  pskb_may_pull,
  SKB_DROP_REASON,
  type sk_buff,
  skb_orphan,
  skb_pull,
  skb_share_check,
  skb_trim,
} from '../core/skbuff.ts';
import { ETH_P_IP } from '../ethernet/eth.ts';
import {
  NF_HOOK,
  NF_HOOK_LIST,
  NF_INET_LOCAL_IN,
  NF_INET_PRE_ROUTING,
  NFPROTO_IPV4,
  nf_ip_hook_free,
} from '../netfilter/core.ts';
import { ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, icmp_send } from './icmp.ts';
import { IPCB_flags, IPSKB_MULTIPATH } from './inet_skb_parm.ts';
import { IP_DEFRAG_LOCAL_DELIVER, ip_defrag } from './ip_fragment.ts';
import {
  IPHDR_LEN,
  IPVERSION,
  ip_is_fragment,
  iph_daddr,
  iph_ihl,
  iph_protocol,
  iph_saddr,
  iph_tos,
  iph_tot_len,
  iph_version,
} from './ip_header.ts';
import { ip_rcv_options } from './ip_options.ts';
import {
  ip_route_input,
  ip_route_use_hint,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  type rtable,
} from './route.ts';
import type { ipv4_mib } from './snmp.ts';

/** ip_packet_type */
export const ip_packet_type: packet_type = {
  type: ETH_P_IP,
  dev: null,
  af_packet_priv: null,
  func: ip_rcv,
  list_func: ip_list_rcv,
};

/** ip_rcv: takes the skb. `data` and `network_header` are at the IP header. */
export function ip_rcv(skb: sk_buff, dev: net_device): number {
  const own = ip_rcv_core(skb, dev.nd_net);
  if (own === null) return NET_RX_DROP;
  if (nf_ip_hook_free(dev.nd_net, NF_INET_PRE_ROUTING)) return ip_rcv_finish(dev.nd_net, own);
  return NF_HOOK(NFPROTO_IPV4, NF_INET_PRE_ROUTING, dev.nd_net, own, dev, null, ip_rcv_finish);
}

/** ip_list_rcv: ip_rcv for a list. Takes the skbs. */
export function ip_list_rcv(list: sk_buff[], length: number): void {
  let curr_dev: net_device | null = null;
  let n = 0;
  for (let i = 0; i < length; i++) {
    const skb = list[i] as sk_buff;
    const dev = skb.dev as net_device;
    const own = ip_rcv_core(skb, dev.nd_net);
    if (own === null) continue;
    if (dev !== curr_dev) {
      if (n > 0) ip_sublist_rcv(list, n, curr_dev as net_device);
      n = 0;
      curr_dev = dev;
    }
    list[n++] = own;
  }
  if (n > 0) ip_sublist_rcv(list, n, curr_dev as net_device);
}

/** ip_sublist_rcv: packets of one device. */
function ip_sublist_rcv(list: sk_buff[], length: number, dev: net_device): void {
  const net = dev.nd_net;
  const left = nf_ip_hook_free(net, NF_INET_PRE_ROUTING)
    ? length
    : NF_HOOK_LIST(NFPROTO_IPV4, NF_INET_PRE_ROUTING, net, list, length, dev, null, ip_rcv_finish);
  ip_list_rcv_finish(list, left);
}

/** ip_rcv_core: is it an IP packet, and whole? The skb, ours alone and without padding, or null. */
function ip_rcv_core(skb: sk_buff, net: net): sk_buff | null {
  const { kernel } = skb;
  kernel.clock.now += kernel.cost.ip_rcv;
  const tp = kernel.trace.ip_rcv;
  if (tp !== null) tp(skb);
  // What only a promiscuous card shows us is nobody's business here.
  if (skb.pkt_type === PACKET_OTHERHOST) {
    (skb.dev as net_device).stats.rx_otherhost_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON.OTHERHOST);
    return null;
  }
  const { mib } = net.ipv4;
  mib.IpInReceives++;
  mib.IpExtInOctets += skb.len;
  const own = skb_share_check(skb);
  if (own === null) {
    mib.IpInDiscards++;
    return null;
  }
  if (!pskb_may_pull(own, IPHDR_LEN)) return inhdr_error(own, mib);
  const ihl = iph_ihl(own);
  if (ihl < 5 || iph_version(own) !== IPVERSION) return inhdr_error(own, mib);
  count_ecn(own, mib);
  if (!pskb_may_pull(own, ihl * 4)) return inhdr_error(own, mib);
  if (ip_fast_csum(own.ram, own.network_header, ihl) !== 0) {
    mib.IpExtInCsumErrors++;
    mib.IpInHdrErrors++;
    kfree_skb_reason(own, SKB_DROP_REASON.IP_CSUM);
    return null;
  }
  const length = iph_tot_len(own);
  if (own.len < length) {
    mib.IpExtInTruncatedPkts++;
    kfree_skb_reason(own, SKB_DROP_REASON.PKT_TOO_SMALL);
    return null;
  }
  if (length < ihl * 4) return inhdr_error(own, mib);
  // Ethernet pads short frames.
  if (own.len > length) pskb_trim_rcsum(own, length);
  own.transport_header = own.network_header + ihl * 4;
  // A new owner of the control block.
  own.cb0 = 0;
  own.cb1 = 0;
  own.cb2 = 0;
  own.cb3 = 0;
  own.cb4 = 0;
  own.cb5 = 0;
  if (own.destructor !== null) skb_orphan(own);
  return own;
}

function inhdr_error(skb: sk_buff, mib: ipv4_mib): null {
  mib.IpInHdrErrors++;
  kfree_skb_reason(skb, SKB_DROP_REASON.IP_INHDR);
  return null;
}

function count_ecn(skb: sk_buff, mib: ipv4_mib): void {
  switch (iph_tos(skb) & 3) {
    case 0:
      mib.IpExtInNoECTPkts++;
      break;
    case 1:
      mib.IpExtInECT1Pkts++;
      break;
    case 2:
      mib.IpExtInECT0Pkts++;
      break;
    default:
      mib.IpExtInCEPkts++;
  }
}

/** pskb_trim_rcsum: cuts the tail, and takes what is cut out of a sum that the card made. */
export function pskb_trim_rcsum(skb: sk_buff, length: number): void {
  if (skb.ip_summed === CHECKSUM_COMPLETE) {
    let cut = csum_from_partial(skb_checksum(skb, length, skb.len - length, 0));
    // Bytes behind an odd length stood in the other half of their words.
    if ((length & 1) !== 0) cut = ((cut & 0xff) << 8) | (cut >> 8);
    skb.csum = csum_from_partial(skb.csum + (~cut & 0xffff));
  }
  skb_trim(skb, length);
}

/** ip_rcv_finish: routing says what becomes of it. Takes the skb. */
export function ip_rcv_finish(_net: net, skb: sk_buff): number {
  if (!ip_rcv_finish_routed(skb, null)) return NET_RX_DROP;
  return dst_input(skb);
}

/**
 * ip_list_rcv_finish: the same for a list, whose packets go on together as long as they have the same route. The first
 * of those is the hint for the next ones.
 */
function ip_list_rcv_finish(list: sk_buff[], length: number): void {
  let hint: sk_buff | null = null;
  let curr_dst: dst_entry | null = null;
  let n = 0;
  for (let i = 0; i < length; i++) {
    const skb = list[i] as sk_buff;
    if (!ip_rcv_finish_routed(skb, hint)) continue;
    const { dst } = skb;
    if (dst !== curr_dst) {
      hint = ip_extract_route_hint(skb);
      // Behind the packets that go now: the hint is not among them.
      if (n > 0) ip_sublist_rcv_finish(list, n);
      n = 0;
      curr_dst = dst;
    }
    list[n++] = skb;
  }
  if (n > 0) ip_sublist_rcv_finish(list, n);
}

/** ip_sublist_rcv_finish: packets of one route. */
function ip_sublist_rcv_finish(list: sk_buff[], length: number): void {
  for (let i = 0; i < length; i++) dst_input(list[i] as sk_buff);
}

/** Is there a route for it? If not, it is dropped. */
function ip_rcv_finish_routed(skb: sk_buff, hint: sk_buff | null): boolean {
  const tp = skb.kernel.trace.ip_rcv_finish;
  if (tp !== null) tp(skb);
  const reason = ip_rcv_finish_core(skb, skb.dev as net_device, hint);
  if (reason === 0) return true;
  kfree_skb_reason(skb, reason);
  return false;
}

/** ip_extract_route_hint: the packet, for others of its list; null where something else than the destination decides. */
function ip_extract_route_hint(skb: sk_buff): sk_buff | null {
  const { rt_type, net } = skb.dst as rtable;
  const usable =
    (rt_type === RTN_LOCAL || rt_type === RTN_UNICAST) &&
    !net.ipv4.fib.has_custom_rules &&
    (IPCB_flags(skb) & IPSKB_MULTIPATH) === 0;
  return usable ? skb : null;
}

/** The route of a received packet: that of `hint` where both go to the same place. 0 or a reason. */
function ip_rcv_route(skb: sk_buff, dev: net_device, hint: sk_buff | null): number {
  const daddr = iph_daddr(skb);
  const saddr = iph_saddr(skb);
  const tos = iph_tos(skb);
  // ip_can_use_hint
  if (hint !== null && iph_daddr(hint) === daddr && iph_tos(hint) === tos) {
    const rt = hint.dst as rtable;
    if (rt.check()) return ip_route_use_hint(skb, daddr, saddr, tos, dev, rt);
  }
  return ip_route_input(skb, daddr, saddr, tos, dev);
}

/** ip_rcv_finish_core: 0 or a reason. */
function ip_rcv_finish_core(skb: sk_buff, dev: net_device, hint: sk_buff | null): number {
  if (skb.dst === null && skb.sk === null && dev.nd_net.ipv4.ip_early_demux !== 0) {
    // A connection remembers the route that its packets come by.
    const demux = dev.nd_net.ipv4.protos[iph_protocol(skb)]?.early_demux ?? null;
    if (demux !== null && !ip_is_fragment(skb)) demux(skb);
  }
  // What this host sent to itself has its route already.
  if (skb.dst === null) {
    const reason = ip_rcv_route(skb, dev, hint);
    if (reason !== 0) return reason;
  }
  if (iph_ihl(skb) > 5) {
    const reason = ip_rcv_options(skb, dev);
    if (reason !== 0) return reason;
  }
  const rt = skb.dst as rtable;
  const { mib } = dev.nd_net.ipv4;
  if (rt.rt_type === RTN_MULTICAST) {
    mib.IpExtInMcastPkts++;
    mib.IpExtInMcastOctets += skb.len;
  } else if (rt.rt_type === RTN_BROADCAST) {
    mib.IpExtInBcastPkts++;
    mib.IpExtInBcastOctets += skb.len;
  } else if (skb.pkt_type === PACKET_BROADCAST || skb.pkt_type === PACKET_MULTICAST) {
    // RFC 1122 3.3.6: not for us alone if it came for all; off by default, as in Linux.
    if (dev.ip_ptr?.drop_unicast_in_l2_multicast() === true) return SKB_DROP_REASON.UNICAST_IN_L2_MULTICAST;
  }
  return 0;
}

/** ip_local_deliver: the packet is for this host. Takes the skb. */
export function ip_local_deliver(skb: sk_buff): number {
  const { kernel } = skb;
  const tp = kernel.trace.ip_local_deliver;
  if (tp !== null) tp(skb);
  const { net } = skb.dst as rtable;
  // The last fragment to come goes on as the whole datagram.
  if (ip_is_fragment(skb) && ip_defrag(net, skb, IP_DEFRAG_LOCAL_DELIVER) !== 0) return 0;
  if (nf_ip_hook_free(net, NF_INET_LOCAL_IN)) return ip_local_deliver_finish(net, skb);
  return NF_HOOK(NFPROTO_IPV4, NF_INET_LOCAL_IN, net, skb, skb.dev, null, ip_local_deliver_finish);
}

/** ip_local_deliver_finish and ip_protocol_deliver_rcu: to raw sockets, then to the protocol's handler. */
function ip_local_deliver_finish(net: net, skb: sk_buff): number {
  skb_pull(skb, iph_ihl(skb) * 4);
  const { ipv4 } = net;
  let protocol = iph_protocol(skb);
  for (;;) {
    // Mostly there is no raw socket at all.
    const { raw_local_deliver } = ipv4;
    const raw = raw_local_deliver !== null && ipv4.raw.count !== 0 && raw_local_deliver(skb, protocol);
    const prot = ipv4.protos[protocol] ?? null;
    if (prot !== null) {
      const result = prot.handler(skb);
      if (result < 0) {
        protocol = -result;
        continue;
      }
      ipv4.mib.IpInDelivers++;
    } else if (!raw) {
      ipv4.mib.IpInUnknownProtos++;
      icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
      kfree_skb_reason(skb, SKB_DROP_REASON.IP_NOPROTO);
    } else {
      ipv4.mib.IpInDelivers++;
      consume_skb(skb);
    }
    return NET_RX_SUCCESS;
  }
}
