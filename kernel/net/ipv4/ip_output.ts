/** IPv4 transmit (net/ipv4/ip_output.c): header → __ip_local_out → ip_output → ip_finish_output2 → the neighbour. */

import type { RandomStream } from '../../arch.ts';
import { COPY_FRAGMENT } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { EHOSTUNREACH, EINVAL, EMSGSIZE, ENOBUFS, ENOMEM } from '../../errno.ts';
import { ip_fast_csum, put_csum } from '../../lib/checksum.ts';
import { NET_XMIT_CN, netif_rx } from '../core/dev.ts';
import { dst_output } from '../core/dst.ts';
import { skb_gso_segment, skb_gso_validate_network_len } from '../core/gso.ts';
import { neigh_output } from '../core/neighbour.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import { skb_checksum_help } from '../core/skb_checksum.ts';
import {
  alloc_skb,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  kfree_skb_reason,
  MAX_HEADER,
  nf_copy,
  PACKET_LOOPBACK,
  pskb_expand_head,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_cloned,
  skb_copy_bits,
  skb_cow_head,
  skb_headlen,
  skb_headroom,
  skb_push,
  skb_put,
  skb_reserve,
  skb_reset_mac_header,
  skb_reset_network_header,
} from '../core/skbuff.ts';
import { skb_set_owner_w, type sock, sock_wfree } from '../core/sock.ts';
import { ETH_P_IP } from '../ethernet/eth.ts';
import { AF_INET } from '../msg.ts';
import {
  NF_HOOK,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NFPROTO_IPV4,
  nf_ip_hook_free,
  type okfn_t,
} from '../netfilter/core.ts';
import { ip_neigh_gw4 } from './arp.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, icmp_send } from './icmp.ts';
import {
  IPCB_flags,
  IPCB_frag_max_size,
  IPCB_optlen,
  IPCB_set_flags,
  IPSKB_FORWARDED,
  IPSKB_FRAG_COMPLETE,
  IPSKB_FRAG_PMTU,
} from './inet_skb_parm.ts';
import { ip_sk_use_pmtu } from './ip_append.ts';
import {
  IP_DF,
  IP_MF,
  IP_OFFSET,
  IPHDR_LEN,
  IPVERSION,
  ip_is_fragment,
  iph_daddr,
  iph_frag_off,
  iph_ihl,
  iph_saddr,
  iph_ttl,
  put16,
  put32,
} from './ip_header.ts';
import {
  type ip_options,
  ip_options_build,
  ip_options_echo,
  ip_options_fragment,
  is_strictroute,
} from './ip_options.ts';
import {
  ip_dst_mtu_maybe_forward,
  ip_route_output_key,
  RTCF_BROADCAST,
  RTCF_LOCAL,
  RTCF_MULTICAST,
  RTN_BROADCAST,
  RTN_MULTICAST,
  rt_nexthop,
  type rtable,
} from './route.ts';
import type { ipv4_mib } from './snmp.ts';

export {
  __ip_make_skb,
  csum_block_add,
  type getfrag_t,
  inet_cork,
  ip_append_data,
  ip_dont_fragment,
  ip_flush_pending_frames,
  ip_generic_getfrag,
  ip_make_skb,
  ip_push_pending_frames,
  ip_sk_ignore_df,
  ip_sk_use_pmtu,
  ipcm_cookie,
} from './ip_append.ts';

const IP_MAX_MTU = 0xffff;
/** LL_RESERVED_SPACE for an Ethernet header: hard_header_len rounded up to HH_DATA_MOD (16). */
const LL_RESERVED_SPACE = 16;
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
 * Pushes an IP header before a transport header and its payload, and sends the packet (ip_build_and_send_pkt; with a
 * source of its own also what ip_send_unicast_reply does). Takes the skb in every case.
 *
 * @param skb transport header and payload, with room for MAX_HEADER bytes in front; `priority` and `mark` set
 * @param ttl 0: the default (ip_select_ttl), but for a group, where it means no farther than this host
 * @param df IP_DF or 0
 * @param id the identification, where the sender keeps its own (a connected socket's inet_id); -1: by ip_select_ident
 * @param opt IP options to send with it, or null; with a source route, `rt` is the way to its first hop
 * @returns 0 or a negative errno, counted as discarded on output: -ENOBUFS from a full queue, -EMSGSIZE for a packet
 *   over the MTU with DF; without DF it leaves in fragments
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
  opt: ip_options | null = null,
): number {
  const hlen = opt === null ? IPHDR_LEN : IPHDR_LEN + opt.optlen;
  const at = skb_push(skb, hlen);
  skb_reset_network_header(skb);
  skb.transport_header = at + hlen;
  const { ram } = skb;
  const { u8 } = ram;
  u8[at] = (IPVERSION << 4) | (hlen >> 2);
  u8[at + 1] = tos;
  put16(ram, at + 4, id >= 0 ? id : ip_select_ident(net, saddr, daddr, protocol, df));
  put16(ram, at + 6, df);
  u8[at + 8] = ttl !== 0 || rt.rt_type === RTN_MULTICAST ? ttl : net.ipv4.ip_default_ttl;
  u8[at + 9] = protocol;
  put32(ram, at + 12, saddr);
  put32(ram, at + 16, ip_first_hop(opt, daddr));
  if (opt !== null && opt.optlen !== 0) ip_options_build(skb, opt, daddr, rt);
  skb.dst = rt;
  return ip_send_skb(net, skb);
}

/** Where a packet for `daddr` is addressed to: a source route leads somewhere else first. */
export function ip_first_hop(opt: ip_options | null, daddr: number): number {
  return opt !== null && opt.srr !== 0 ? opt.faddr : daddr;
}

/**
 * ip_send_unicast_reply: sends `reply`, `data` at its transport header, to where `skb` came from, with the options of
 * `skb` as an answer has them (RFC 1122 3.2.2.6). Takes `reply`, not `skb`.
 *
 * @param mark the mark, where net.ipv4.fwmark_reflect does not say that it is that of `skb`
 */
export function ip_send_unicast_reply(
  net: net,
  skb: sk_buff,
  reply: sk_buff,
  protocol: number,
  oif: number,
  tos: number,
  mark: number,
): void {
  const { ipv4 } = net;
  const { fl4 } = ipv4.tcp;
  const saddr = iph_daddr(skb);
  const daddr = iph_saddr(skb);
  let opt: ip_options | null = null;
  if (IPCB_optlen(skb) !== 0) {
    opt = ipv4.reply_opt;
    if (ip_options_echo(net, opt, skb) !== 0) {
      kfree_skb_reason(reply, SKB_DROP_REASON.IP_INHDR);
      return;
    }
  }
  fl4.init(ip_first_hop(opt, daddr), saddr);
  fl4.oif = oif;
  fl4.tos = tos;
  fl4.mark = IP4_REPLY_MARK(net, skb.mark) || mark;
  fl4.proto = protocol;
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt === 'number') {
    kfree_skb_reason(reply, SKB_DROP_REASON.IP_OUTNOROUTES);
    return;
  }
  reply.mark = fl4.mark;
  ip_build_and_send_pkt(net, reply, rt, saddr, daddr, protocol, tos, 0, IP_DF, 0, opt);
}

/** IP4_REPLY_MARK: the mark of what the kernel answers of its own accord. */
export function IP4_REPLY_MARK(net: net, mark: number): number {
  return net.ipv4.fwmark_reflect !== 0 ? mark : 0;
}

/**
 * ip_queue_xmit: a segment of a connection, `data` at its transport header, by the connection's route. Takes the skb.
 *
 * @param segs identifications it takes: the packets that it will become
 * @returns as dst_output: 0, a negative errno, or above 0 a queue's verdict
 */
export function ip_queue_xmit(sk: sock, skb: sk_buff, rt: rtable, df: number, segs: number): number {
  const opt = sk.inet_opt;
  let hlen = IPHDR_LEN;
  if (opt !== null) {
    if (is_strictroute(opt) && rt.rt_uses_gateway) {
      rt.net.ipv4.mib.IpOutNoRoutes++;
      kfree_skb_reason(skb, SKB_DROP_REASON.IP_OUTNOROUTES);
      return -EHOSTUNREACH;
    }
    hlen += opt.optlen;
  }
  const at = skb_push(skb, hlen);
  skb.network_header = at;
  const { ram } = skb;
  const { u8 } = ram;
  u8[at] = (IPVERSION << 4) | (hlen >> 2);
  u8[at + 1] = sk.tos;
  // __ip_select_ident: a connection counts for itself.
  put16(ram, at + 4, sk.inet_id);
  sk.inet_id = (sk.inet_id + segs) & 0xffff;
  put16(ram, at + 6, df);
  u8[at + 8] = sk.opts.uc_ttl < 0 ? rt.net.ipv4.ip_default_ttl : sk.opts.uc_ttl;
  u8[at + 9] = sk.sk_protocol;
  put32(ram, at + 12, sk.inet_saddr);
  put32(ram, at + 16, ip_first_hop(opt, sk.inet_daddr));
  if (opt !== null && opt.optlen !== 0) ip_options_build(skb, opt, sk.inet_daddr, rt);
  skb.priority = sk.opts.sk_priority;
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
  if (nf_ip_hook_free(net, NF_INET_LOCAL_OUT)) return dst_output(skb);
  return NF_HOOK(NFPROTO_IPV4, NF_INET_LOCAL_OUT, net, skb, null, (skb.dst as rtable).dev, local_out_finish);
}

function local_out_finish(_net: net, skb: sk_buff): number {
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
  const rt = skb.dst as rtable;
  const indev = skb.dev;
  skb.dev = rt.dev;
  skb.protocol = ETH_P_IP;
  if (nf_ip_hook_free(rt.net, NF_INET_POST_ROUTING)) return ip_finish_output(rt.net, skb);
  return NF_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING, rt.net, skb, indev, rt.dev, ip_finish_output);
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
  // sk_mc_loop: a socket may not want to hear itself.
  // What was forwarded, and is for no group of ours, would only be dropped on its way back.
  const ours = (rt.rt_flags & RTCF_LOCAL) !== 0 || (IPCB_flags(skb) & IPSKB_FORWARDED) === 0;
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 || (ours && (skb.sk === null || skb.sk.opts.mc_loop))) {
    const copy = skb_clone(skb);
    if (copy !== null) NF_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING, rt.net, copy, null, rt.dev, ip_mc_finish_output);
  }
  if ((rt.rt_flags & RTCF_MULTICAST) !== 0 && iph_ttl(skb) === 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON.IP_INHDR);
    return 0;
  }
  return NF_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING, rt.net, skb, null, rt.dev, ip_finish_output);
}

/** ip_mc_finish_output: our own copy. Takes the skb. */
function ip_mc_finish_output(_net: net, skb: sk_buff): number {
  dev_loopback_xmit(skb);
  return 0;
}

/** dev_loopback_xmit: takes the skb. */
function dev_loopback_xmit(skb: sk_buff): void {
  skb_reset_mac_header(skb);
  skb.pkt_type = PACKET_LOOPBACK;
  if (skb.ip_summed === CHECKSUM_NONE) skb.ip_summed = CHECKSUM_UNNECESSARY;
  netif_rx(skb);
}

/** ip_skb_dst_mtu: what fits on a packet's way; a socket may say that it does not believe what was learnt of the path. */
export function ip_skb_dst_mtu(skb: sk_buff): number {
  const rt = skb.dst as rtable;
  const { sk } = skb;
  if (sk === null || sk.sk_family !== AF_INET || ip_sk_use_pmtu(sk)) {
    return ip_dst_mtu_maybe_forward(rt, (IPCB_flags(skb) & IPSKB_FORWARDED) !== 0);
  }
  return Math.min(rt.dev.mtu, IP_MAX_MTU);
}

/** ip_finish_output: does it fit? Takes the skb. */
function ip_finish_output(_net: net, skb: sk_buff): number {
  const rt = skb.dst as rtable;
  const mtu = ip_skb_dst_mtu(skb);
  if (skb.gso_size !== 0) return ip_finish_output_gso(skb, rt, mtu);
  if (skb.len > mtu || IPCB_frag_max_size(skb) !== 0) return ip_fragment(skb, rt.net, mtu);
  return ip_finish_output2(rt.net, skb);
}

/** ip_finish_output_gso: a packet that stands for several; each of them must fit. Takes the skb. */
function ip_finish_output_gso(skb: sk_buff, rt: rtable, mtu: number): number {
  if (skb_gso_validate_network_len(skb, mtu)) return ip_finish_output2(rt.net, skb);
  // They do not (the route's MTU has become smaller): segments now, and fragments of them.
  const segs = skb_gso_segment(skb, 0);
  if (segs === null) {
    kfree_skb_reason(skb, SKB_DROP_REASON.SKB_GSO_SEG);
    return -ENOMEM;
  }
  // The segments are IP's still.
  const { cb0 } = skb;
  consume_skb(skb);
  let result = 0;
  for (let seg: sk_buff | null = segs; seg !== null; ) {
    const next: sk_buff | null = seg.next;
    seg.next = null;
    seg.cb0 = cb0;
    const err = ip_fragment(seg, rt.net, mtu);
    if (err !== 0 && result === 0) result = err;
    seg = next;
  }
  return result;
}

/** ip_fragment: may it be fragmented here? If not, its sender is told what would fit. Takes the skb. */
function ip_fragment(skb: sk_buff, net: net, mtu: number): number {
  if ((iph_frag_off(skb) & IP_DF) !== 0 && (skb.ignore_df === 0 || IPCB_frag_max_size(skb) > mtu)) {
    net.ipv4.mib.IpFragFails++;
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    kfree_skb_reason(skb, SKB_DROP_REASON.PKT_TOO_BIG);
    return -EMSGSIZE;
  }
  return ip_do_fragment(net, skb, mtu, ip_finish_output2);
}

/** ip_finish_output2: to the next hop's neighbour entry. Takes the skb. Also known as the caller of dst_neigh_output. */
function ip_finish_output2(_net: net, skb: sk_buff): number {
  const rt = skb.dst as rtable;
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

// ---- fragments --------------------------------------------------------------------------------------------------

/**
 * ip_do_fragment (RFC 791 2.3): sends a packet in pieces that fit. A packet that lies in suitable pieces already (what
 * ip_append_data and reassembly leave in frag_list) gets a header before each; any other one is copied. Takes the skb.
 * @param mtu bytes that fit, with the IP header
 * @param output where each fragment goes, `data` at its IP header; takes it
 * @returns 0, or a negative errno of the first fragment that failed: the rest is dropped.
 */
export function ip_do_fragment(net: net, skb: sk_buff, mtu: number, output: okfn_t): number {
  const { mib } = net.ipv4;
  if (skb.ip_summed === CHECKSUM_PARTIAL || skb_cloned(skb)) {
    if (skb_cow_head(skb, skb_headroom(skb)) !== 0) return frag_fail(skb, mib, -ENOMEM);
    if (skb.ip_summed === CHECKSUM_PARTIAL && skb_checksum_help(skb) !== 0) return frag_fail(skb, mib, -ENOMEM);
  }
  const frag_max_size = IPCB_frag_max_size(skb);
  if (frag_max_size !== 0 && frag_max_size < mtu) mtu = frag_max_size;
  const hlen = iph_ihl(skb) * 4;
  mtu -= hlen;
  IPCB_set_flags(skb, IPSKB_FRAG_COMPLETE);
  if (skb.frag_list !== null && fraglist_fits(skb, hlen, mtu)) return ip_fraglist(net, skb, hlen, output);
  return ip_frag_copies(net, skb, hlen, mtu, output);
}

function frag_fail(skb: sk_buff, mib: ipv4_mib, err: number): number {
  mib.IpFragFails++;
  kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
  return err;
}

/** Can each piece of the list become a fragment as it is? */
function fraglist_fits(skb: sk_buff, hlen: number, mtu: number): boolean {
  const first = skb_headlen(skb) - hlen;
  if (first > mtu || (first & 7) !== 0 || ip_is_fragment(skb) || skb_cloned(skb)) return false;
  if (skb_headroom(skb) < LL_RESERVED_SPACE) return false;
  for (let frag = skb.frag_list; frag !== null; frag = frag.next) {
    if (frag.len > mtu || ((frag.len & 7) !== 0 && frag.next !== null)) return false;
    if (frag.users !== 1 || frag.frag_list !== null || skb_cloned(frag)) return false;
    if (skb_headroom(frag) < hlen + LL_RESERVED_SPACE) return false;
  }
  return true;
}

/** ip_fraglist_init, ip_fraglist_prepare, ip_fraglist_next: no byte of the payload is copied. */
function ip_fraglist(net: net, skb: sk_buff, hlen: number, output: okfn_t): number {
  const { ram, kernel } = skb;
  const { mib } = net.ipv4;
  let frag = skb.frag_list;
  skb.frag_list = null;
  skb.data_len = 0;
  skb.len = skb.tail - skb.data;
  for (let each = frag; each !== null; each = each.next) {
    skb.truesize -= each.truesize;
    // The books of the socket stay as they are: each piece answers for itself from now on.
    if (skb.sk !== null) {
      each.sk = skb.sk;
      each.destructor = skb.destructor;
    }
  }
  put16(ram, skb.network_header + 2, skb.len);
  put16(ram, skb.network_header + 6, IP_MF);
  ip_send_check(skb);
  let out = skb;
  let offset = 0;
  let err = 0;
  for (;;) {
    if (frag !== null) {
      const from = out.network_header;
      offset += out.len - hlen;
      frag.ip_summed = CHECKSUM_NONE;
      frag.transport_header = frag.data;
      const at = skb_push(frag, hlen);
      frag.network_header = at;
      ram.u8.copyWithin(at, from, from + hlen);
      ip_copy_metadata(frag, out);
      put16(ram, at + 2, frag.len);
      put16(ram, at + 6, (offset >> 3) | (frag.next !== null ? IP_MF : 0));
      if (out === skb && hlen > IPHDR_LEN) ip_options_fragment(frag, hlen - IPHDR_LEN);
      ip_send_check(frag);
      const tp = kernel.trace.ip_fragment;
      if (tp !== null) tp(out, frag);
    }
    err = output(net, out);
    if (err === 0) mib.IpFragCreates++;
    if (err !== 0 || frag === null) break;
    out = frag;
    frag = frag.next;
    out.next = null;
  }
  if (err === 0) {
    mib.IpFragOKs++;
    return 0;
  }
  while (frag !== null) {
    const next: sk_buff | null = frag.next;
    frag.next = null;
    kfree_skb_reason(frag, SKB_DROP_REASON.QUEUE_PURGE);
    frag = next;
  }
  mib.IpFragFails++;
  return err;
}

/** ip_frag_init, ip_frag_next: each fragment is a copy, charged as one. */
function ip_frag_copies(net: net, skb: sk_buff, hlen: number, mtu: number, output: okfn_t): number {
  const { ram, kernel } = skb;
  const { mib } = net.ipv4;
  const frag_off = iph_frag_off(skb);
  const df = (IPCB_flags(skb) & IPSKB_FRAG_PMTU) !== 0 ? IP_DF : 0;
  const first = (frag_off & IP_OFFSET) << 3;
  let ptr = hlen;
  let left = skb.len - hlen;
  while (left > 0) {
    let len = Math.min(left, mtu);
    // All but the last end on a multiple of eight bytes.
    if (len < left) len &= ~7;
    const frag = alloc_skb(kernel, MAX_HEADER + hlen + len);
    if (frag === null) return frag_fail(skb, mib, -ENOMEM);
    frag.parent = skb.id;
    ip_copy_metadata(frag, skb);
    skb_reserve(frag, MAX_HEADER);
    const at = skb_put(frag, hlen + len);
    frag.network_header = at;
    frag.transport_header = at + hlen;
    if (skb.sk !== null && skb.destructor === sock_wfree) skb_set_owner_w(frag, skb.sk);
    ram.u8.copyWithin(at, skb.network_header, skb.network_header + hlen);
    skb_copy_bits(skb, ptr, at + hlen, len);
    charge_copy(kernel, hlen + len, COPY_FRAGMENT);
    left -= len;
    const more = left > 0 || (frag_off & IP_MF) !== 0 ? IP_MF : 0;
    put16(ram, at + 2, hlen + len);
    put16(ram, at + 6, ((first + ptr - hlen) >> 3) | df | more);
    // Once: the copies that follow inherit the header as it then is.
    if (ptr === hlen && first === 0 && hlen > IPHDR_LEN) ip_options_fragment(skb, hlen - IPHDR_LEN);
    ptr += len;
    ip_send_check(frag);
    const tp = kernel.trace.ip_fragment;
    if (tp !== null) tp(skb, frag);
    const err = output(net, frag);
    if (err !== 0) {
      mib.IpFragFails++;
      kfree_skb_reason(skb, SKB_DROP_REASON.QUEUE_PURGE);
      return err;
    }
    mib.IpFragCreates++;
  }
  consume_skb(skb);
  mib.IpFragOKs++;
  return 0;
}

/** ip_copy_metadata: a fragment is treated as its datagram is. */
function ip_copy_metadata(to: sk_buff, from: sk_buff): void {
  to.pkt_type = from.pkt_type;
  to.priority = from.priority;
  to.protocol = from.protocol;
  to.skb_iif = from.skb_iif;
  to.dst = from.dst;
  to.dev = from.dev;
  to.mark = from.mark;
  to.hash = from.hash;
  to.l4_hash = from.l4_hash;
  to.sw_hash = from.sw_hash;
  to.tstamp = from.tstamp;
  to.cb0 = IPCB_flags(from);
  if (to._nfct === null) nf_copy(to, from);
}
