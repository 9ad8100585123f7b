/** IPv4 transmit (net/ipv4/ip_output.c): header → __ip_local_out → ip_output → ip_finish_output2 → the neighbour. */
import type { RandomStream } from '../../arch.ts';
import { EINVAL, EMSGSIZE, ENOBUFS, ENOMEM } from '../../errno.ts';
import { ip_fast_csum, put_csum } from '../../lib/checksum.ts';
import { NET_XMIT_CN, netif_rx } from '../core/dev.ts';
import { dst_mtu, dst_output } from '../core/dst.ts';
import { skb_gso_segment, skb_gso_validate_network_len } from '../core/gso.ts';
import { neigh_output } from '../core/neighbour.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import {
  CHECKSUM_NONE,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  kfree_skb_reason,
  PACKET_LOOPBACK,
  pskb_expand_head,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_headroom,
  skb_push,
  skb_reset_mac_header,
  skb_reset_network_header,
} from '../core/skbuff.ts';
import type { sock } from '../core/sock.ts';
import { ETH_P_IP } from '../ethernet/eth.ts';
import { ip_neigh_gw4 } from './arp.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, icmp_send } from './icmp.ts';
import { IP_DF, IPHDR_LEN, IPVERSION, iph_daddr, iph_frag_off, iph_ihl, iph_ttl, put16, put32 } from './ip_header.ts';
import { RTCF_BROADCAST, RTCF_MULTICAST, RTN_BROADCAST, RTN_MULTICAST, rt_nexthop, type rtable } from './route.ts';

const IP_IDENTS_SZ = 2048;

/**
 * Generators of identifications (ip_idents), picked by a keyed hash of addresses and protocol, so that what one peer
 * sees says nothing of our traffic with others; each moves on by a random step with time (RFC 7739).
 */
export class ip_idents {
  private readonly net: net;
  private readonly random: RandomStream;
  private readonly key: number;
  private readonly ids = new Uint16Array(IP_IDENTS_SZ);
  private readonly stamps = new Float64Array(IP_IDENTS_SZ);

  constructor(net: net) {
    this.net = net;
    this.random = net.kernel.arch.random('ip_idents');
    this.key = this.random.u32() | 0;
    for (let i = 0; i < IP_IDENTS_SZ; i++) this.ids[i] = mix(Math.imul(this.key, i + 1), i, 0);
  }

  /** __ip_select_ident and ip_idents_reserve: the first of `segs` identifications. */
  select(saddr: number, daddr: number, protocol: number, segs: number): number {
    const bucket = mix(daddr ^ this.key, saddr, protocol) & (IP_IDENTS_SZ - 1);
    const now = this.net.kernel.timers.jiffies();
    const age = now - (this.stamps[bucket] as number);
    let delta = 0;
    if (age > 0) {
      this.stamps[bucket] = now;
      delta = this.random.u32() % age;
    }
    const id = ((this.ids[bucket] as number) + segs + delta) & 0xffff;
    this.ids[bucket] = id;
    return (id - segs) & 0xffff;
  }
}

function mix(a: number, b: number, c: number): number {
  let h = Math.imul(a ^ (a >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ b ^ (h >>> 12), 0x297a2d39);
  h = Math.imul(h ^ c ^ (h >>> 15), 0x85ebca6b);
  return h ^ (h >>> 16);
}

/** net_xmit_errno: a queue's verdict as an errno; a packet that was sent while the queue is congested is no error. */
export function net_xmit_errno(verdict: number): number {
  return verdict !== NET_XMIT_CN ? -ENOBUFS : 0;
}

/**
 * Pushes an IP header before a transport header and its payload, and sends the packet: what __ip_make_skb and
 * ip_send_skb do for a datagram, ip_build_and_send_pkt for TCP. Takes the skb in every case.
 *
 * @param skb transport header and payload, with room for MAX_HEADER bytes in front; `priority` and `mark` set
 * @param ttl 0: the default (ip_select_ttl), but for a group, where it means no farther than this host
 * @param df IP_DF or 0
 * @param id the identification, where the sender keeps its own (a connected socket's inet_id); -1: by ip_select_ident
 * @returns 0 or a negative errno, counted as discarded on output: -ENOBUFS from a full queue, -EMSGSIZE for a packet
 *   over the MTU (fragments come with ip_fragment)
 */
export function ip_build_and_send_pkt(
  net: net,
  skb: sk_buff,
  rt: rtable,
  saddr: number,
  daddr: number,
  protocol: number,
  tos: number,
  ttl: number,
  df: number,
  id = -1,
): number {
  const at = skb_push(skb, IPHDR_LEN);
  skb_reset_network_header(skb);
  skb.transport_header = at + IPHDR_LEN;
  const { ram } = skb;
  const { u8 } = ram;
  u8[at] = (IPVERSION << 4) | 5;
  u8[at + 1] = tos;
  put16(ram, at + 4, id >= 0 ? id : ip_select_ident(net, saddr, daddr, protocol, df));
  put16(ram, at + 6, df);
  u8[at + 8] = ttl !== 0 || rt.rt_type === RTN_MULTICAST ? ttl : net.ipv4.ip_default_ttl;
  u8[at + 9] = protocol;
  put32(ram, at + 12, saddr);
  put32(ram, at + 16, daddr);
  skb.dst = rt;
  return ip_send_skb(net, skb);
}

/**
 * ip_queue_xmit: a segment of a connection, `data` at its transport header, by the connection's route. Takes the skb.
 *
 * @param segs identifications it takes: the packets that it will become
 * @returns as dst_output: 0, a negative errno, or above 0 a queue's verdict
 */
export function ip_queue_xmit(sk: sock, skb: sk_buff, rt: rtable, df: number, segs: number): number {
  const at = skb_push(skb, IPHDR_LEN);
  skb.network_header = at;
  const { ram } = skb;
  const { u8 } = ram;
  u8[at] = (IPVERSION << 4) | 5;
  u8[at + 1] = sk.tos;
  // __ip_select_ident: a connection counts for itself.
  put16(ram, at + 4, sk.inet_id);
  sk.inet_id = (sk.inet_id + segs) & 0xffff;
  put16(ram, at + 6, df);
  u8[at + 8] = sk.uc_ttl < 0 ? rt.net.ipv4.ip_default_ttl : sk.uc_ttl;
  u8[at + 9] = sk.sk_protocol;
  put32(ram, at + 12, sk.inet_saddr);
  put32(ram, at + 16, sk.inet_daddr);
  skb.priority = sk.sk_priority;
  skb.mark = sk.sk_mark;
  skb.dst = rt;
  return ip_local_out(rt.net, skb);
}

/** ip_select_ident: 0 for what nobody may fragment, as nobody need tell it from others (RFC 6864 4.1). */
function ip_select_ident(net: net, saddr: number, daddr: number, protocol: number, df: number): number {
  return df !== 0 ? 0 : net.ipv4.idents.select(saddr, daddr, protocol, 1);
}

/** ip_send_skb: takes the skb; 0 or a negative errno. */
export function ip_send_skb(net: net, skb: sk_buff): number {
  let err = ip_local_out(net, skb);
  if (err > 0) err = net_xmit_errno(err);
  if (err !== 0) net.ipv4.mib.IpOutDiscards++;
  return err;
}

/** ip_local_out: a packet of ours with its header, but for length and checksum. Takes the skb; as dst_output returns. */
export function ip_local_out(net: net, skb: sk_buff): number {
  __ip_local_out(net, skb);
  // NF_INET_LOCAL_OUT goes here.
  return dst_output(skb);
}

function __ip_local_out(net: net, skb: sk_buff): void {
  net.ipv4.mib.IpOutRequests++;
  put16(skb.ram, skb.network_header + 2, skb.len);
  ip_send_check(skb);
  skb.protocol = ETH_P_IP;
  const tp = skb.kernel.trace.ip_local_out;
  if (tp !== null) tp(skb);
}

/** ip_send_check: the header's checksum. */
export function ip_send_check(skb: sk_buff): void {
  const { ram } = skb;
  const at = skb.network_header;
  ram.u8[at + 10] = 0;
  ram.u8[at + 11] = 0;
  put_csum(ram, at + 10, ip_fast_csum(ram, at, iph_ihl(skb)));
}

/** ip_output: takes the skb. */
export function ip_output(skb: sk_buff): number {
  const { kernel } = skb;
  kernel.clock.now += kernel.cost.ip_output;
  const tp = kernel.trace.ip_output;
  if (tp !== null) tp(skb);
  skb.dev = (skb.dst as rtable).dev;
  skb.protocol = ETH_P_IP;
  // NF_INET_POST_ROUTING goes here.
  return ip_finish_output(skb);
}

/** ip_mc_output: to a group or to all, which may mean us, too: we get a copy. Takes the skb. */
export function ip_mc_output(skb: sk_buff): number {
  const { kernel } = skb;
  kernel.clock.now += kernel.cost.ip_output;
  const tp = kernel.trace.ip_output;
  if (tp !== null) tp(skb);
  const rt = skb.dst as rtable;
  skb.dev = rt.dev;
  skb.protocol = ETH_P_IP;
  // sk_mc_loop: a socket may not want to hear itself. NF_INET_POST_ROUTING, for either copy, goes here.
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 || skb.sk === null || skb.sk.mc_loop) {
    const copy = skb_clone(skb);
    if (copy !== null) dev_loopback_xmit(copy);
  }
  if ((rt.rt_flags & RTCF_MULTICAST) !== 0 && iph_ttl(skb) === 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON.NOT_SPECIFIED);
    return 0;
  }
  return ip_finish_output(skb);
}

/** dev_loopback_xmit: takes the skb. */
function dev_loopback_xmit(skb: sk_buff): void {
  skb_reset_mac_header(skb);
  skb.pkt_type = PACKET_LOOPBACK;
  if (skb.ip_summed === CHECKSUM_NONE) skb.ip_summed = CHECKSUM_UNNECESSARY;
  netif_rx(skb);
}

/** ip_finish_output: does it fit? Takes the skb. */
function ip_finish_output(skb: sk_buff): number {
  const rt = skb.dst as rtable;
  const mtu = dst_mtu(rt);
  if (skb.gso_size !== 0) return ip_finish_output_gso(skb, rt, mtu);
  if (skb.len > mtu) return ip_fragment(skb, rt.net, mtu);
  return ip_finish_output2(skb, rt);
}

/** ip_finish_output_gso: a packet that stands for several; each of them must fit. Takes the skb. */
function ip_finish_output_gso(skb: sk_buff, rt: rtable, mtu: number): number {
  if (skb_gso_validate_network_len(skb, mtu)) return ip_finish_output2(skb, rt);
  // They do not (the route's MTU has become smaller): segments now, and fragments of them.
  const segs = skb_gso_segment(skb, 0);
  if (segs === null) {
    kfree_skb_reason(skb, SKB_DROP_REASON.SKB_GSO_SEG);
    return -ENOMEM;
  }
  consume_skb(skb);
  let result = 0;
  for (let seg: sk_buff | null = segs; seg !== null; ) {
    const next: sk_buff | null = seg.next;
    seg.next = null;
    const err = ip_fragment(seg, rt.net, mtu);
    if (err !== 0 && result === 0) result = err;
    seg = next;
  }
  return result;
}

/** ip_fragment: takes the skb. Fragments are not made yet, so that a packet without DF fails here, too. */
function ip_fragment(skb: sk_buff, net: net, mtu: number): number {
  net.ipv4.mib.IpFragFails++;
  if ((iph_frag_off(skb) & IP_DF) !== 0) icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
  kfree_skb_reason(skb, SKB_DROP_REASON.PKT_TOO_BIG);
  return -EMSGSIZE;
}

/** ip_finish_output2: to the next hop's neighbour entry. Takes the skb. Also known as the caller of dst_neigh_output. */
function ip_finish_output2(skb: sk_buff, rt: rtable): number {
  const dev: net_device = rt.dev;
  const { mib } = rt.net.ipv4;
  const tp = skb.kernel.trace.ip_finish_output2;
  if (tp !== null) tp(skb);
  if (rt.rt_type === RTN_MULTICAST) {
    mib.IpExtOutMcastPkts++;
    mib.IpExtOutMcastOctets += skb.len;
  } else if (rt.rt_type === RTN_BROADCAST) {
    mib.IpExtOutBcastPkts++;
    mib.IpExtOutBcastOctets += skb.len;
  }
  mib.IpOutTransmits++;
  mib.IpExtOutOctets += skb.len;
  if (skb_headroom(skb) < dev.hard_header_len && pskb_expand_head(skb, dev.hard_header_len, 0) !== 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
    return -ENOMEM;
  }
  const neigh = ip_neigh_gw4(dev, rt_nexthop(rt, iph_daddr(skb)));
  if (neigh === null) {
    kfree_skb_reason(skb, SKB_DROP_REASON.NEIGH_CREATEFAIL);
    return dev.ip_ptr === null ? -EINVAL : -ENOBUFS;
  }
  return neigh_output(neigh, skb);
}
