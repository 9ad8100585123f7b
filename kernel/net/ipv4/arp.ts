/** ARP (RFC 826; net/ipv4/arp.c). */
import { EINVAL } from '../../errno.ts';
import { dev_queue_xmit, NET_RX_DROP, NET_RX_SUCCESS } from '../core/dev.ts';
import { dst_link_failure } from '../core/dst.ts';
import { neigh_parms } from '../core/neigh_parms.ts';
import { LOCALLY_ENQUEUED, pneigh_enqueue, pneigh_ifdown, pneigh_lookup } from '../core/neigh_proxy.ts';
import {
  NEIGH_UPDATE_F_OVERRIDE,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
  neigh_create,
  neigh_dump,
  neigh_event_ns,
  neigh_flush_dev,
  neigh_lookup,
  type neigh_ops,
  neigh_table,
  neigh_update,
  type neighbour,
} from '../core/neighbour.ts';
import {
  NETDEV_CHANGE,
  NETDEV_CHANGEADDR,
  NETDEV_DOWN,
  NETDEV_UNREGISTER,
  type net,
  type packet_type,
} from '../core/net_namespace.ts';
import { ARPHRD_ETHER, IFF_LOOPBACK, IFF_NOARP, type net_device } from '../core/netdevice.ts';
import {
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  MAX_HEADER,
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_OTHERHOST,
  pskb_may_pull,
  SKB_DROP_REASON,
  type sk_buff,
  skb_put,
  skb_reserve,
  skb_reset_network_header,
  skb_share_check,
} from '../core/skbuff.ts';
import { ETH_P_ARP, ETH_P_IP } from '../ethernet/eth.ts';
import { NF_ARP_IN, NF_ARP_OUT, NF_HOOK, NFPROTO_ARP, nf_hook } from '../netfilter/core.ts';
import { type in_device, inet_addr_onlink, inet_confirm_addr, inet_select_addr } from './devinet.ts';
import {
  inet_addr_type_dev,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  rt_cache_flush,
} from './fib.ts';
import {
  get16,
  get32,
  INADDR_ANY,
  inet_ntoa,
  iph_saddr,
  ipv4_is_loopback,
  ipv4_is_multicast,
  put16,
  put32,
} from './ip_header.ts';
import { flowi4, ip_route_input, ip_route_output_key, type rtable } from './route.ts';

export const ARPOP_REQUEST = 1;
export const ARPOP_REPLY = 2;
const ARPHRD_IEEE802 = 6;

/** Offsets in an ARP packet for Ethernet and IPv4, and its length. */
const AR_HRD = 0;
const AR_PRO = 2;
const AR_HLN = 4;
const AR_PLN = 5;
const AR_OP = 6;
const AR_SHA = 8;
const AR_SIP = 14;
const AR_THA = 18;
const AR_TIP = 24;
export const ARP_HDR_LEN = 28;

const ops: neigh_ops = {
  solicit: arp_solicit,
  error_report: arp_error_report,
  construct: arp_constructor,
  proxy_redo: parp_redo,
};

/** What a packet is looked at with: one for all, so that nothing is allocated. */
export class arp_scratch {
  readonly sha = new Uint8Array(6);
  readonly tha = new Uint8Array(6);
  readonly fl4 = new flowi4();
}

/** arp_packet_type */
const arp_packet_type: packet_type = { type: ETH_P_ARP, dev: null, af_packet_priv: null, func: arp_rcv };

/** arp_init: the table, and the packet type. */
export function arp_init(net: net): void {
  net.ipv4.arp = new neigh_table(net, 'arp_cache', ETH_P_IP, ops);
  net.ipv4.arp_scratch = new arp_scratch();
  net.dev_add_pack(arp_packet_type);
  net.register_netdevice_notifier(arp_netdev_event);
}

/** neigh_parms_alloc for a device. */
export function arp_parms_alloc(net: net, dev: net_device): neigh_parms {
  return new neigh_parms(net.ipv4.arp, dev);
}

/** What arp_netdev_event and arp_ifdown do. */
function arp_netdev_event(event: number, dev: net_device): void {
  const { arp } = dev.nd_net.ipv4;
  if (event === NETDEV_CHANGEADDR) {
    neigh_flush_dev(arp, dev, false);
    rt_cache_flush(dev.nd_net);
  } else if (event === NETDEV_CHANGE) {
    if (!dev.carrier && (dev.ip_ptr === null || dev.ip_ptr.arp_evict_nocarrier())) neigh_flush_dev(arp, dev, true);
  } else if (event === NETDEV_DOWN || event === NETDEV_UNREGISTER) {
    neigh_flush_dev(arp, dev, false);
    pneigh_ifdown(arp, dev);
  }
}

/** __ipv4_neigh_lookup and ip_neigh_gw4: the neighbour behind an address, made when there is none; null when that fails. */
export function ip_neigh_gw4(dev: net_device, addr: number): neighbour | null {
  const { arp } = dev.nd_net.ipv4;
  // On a loopback one entry stands for all.
  const key = (dev.flags & IFF_LOOPBACK) !== 0 ? INADDR_ANY : addr;
  return neigh_lookup(arp, key, dev) ?? neigh_create(arp, key, dev);
}

/** arp_constructor: groups, broadcasts and devices without ARP need no question. */
function arp_constructor(n: neighbour): number {
  const { dev } = n;
  const in_dev = dev.ip_ptr;
  if (in_dev === null) return -EINVAL;
  const addr = n.primary_key;
  n.type = inet_addr_type_dev(dev.nd_net, dev, addr);
  n.parms = in_dev.arp_parms;
  if (dev.header_ops === null) {
    n.nud_state = NUD_NOARP;
  } else if (n.type === RTN_MULTICAST) {
    // arp_mc_map (RFC 1112 6.4)
    n.nud_state = NUD_NOARP;
    n.ha[0] = 0x01;
    n.ha[1] = 0x00;
    n.ha[2] = 0x5e;
    n.ha[3] = (addr >>> 16) & 0x7f;
    n.ha[4] = addr >>> 8;
    n.ha[5] = addr;
  } else if ((dev.flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0) {
    n.nud_state = NUD_NOARP;
    n.ha.set(dev.dev_addr);
  } else if (n.type === RTN_BROADCAST) {
    n.nud_state = NUD_NOARP;
    n.ha.set(dev.broadcast);
  }
  return 0;
}

/** arp_error_report: nobody answered; the sender of what waited hears of it. */
function arp_error_report(_n: neighbour, skb: sk_buff): void {
  dst_link_failure(skb);
  kfree_skb_reason(skb, SKB_DROP_REASON.NEIGH_FAILED);
}

/** arp_solicit: who-has. First to the address known so far, then to all. */
function arp_solicit(n: neighbour, skb: sk_buff | null): void {
  const { dev, parms } = n;
  const in_dev = dev.ip_ptr;
  if (in_dev === null) return;
  const target = n.primary_key;
  let saddr = 0;
  const announce = in_dev.arp_announce();
  if (skb !== null && announce < 2) {
    const from = iph_saddr(skb);
    if (
      inet_addr_type_dev(dev.nd_net, dev, from) === RTN_LOCAL &&
      (announce === 0 || inet_addr_onlink(in_dev, target, from))
    ) {
      saddr = from;
    }
  }
  if (saddr === 0) saddr = inet_select_addr(dev, target, RT_SCOPE_LINK);
  // neigh_probe has counted this one already.
  const known = n.probes - 1 < parms.ucast_solicit;
  // neigh_app_ns: the next ones are a daemon's to ask (net.ipv4.neigh.*.app_solicit).
  if (!known && n.probes - 1 < parms.ucast_solicit + parms.app_solicit) return;
  arp_send(ARPOP_REQUEST, ETH_P_ARP, target, dev, saddr, known ? n.ha : null, dev.dev_addr, null, skb?.id ?? 0);
}

/** arp_ignore: shall a question for one of our addresses go unanswered? */
function arp_ignore(in_dev: in_device, sip: number, tip: number): boolean {
  switch (in_dev.arp_ignore()) {
    case 1:
      return !inet_confirm_addr(in_dev.net, in_dev, 0, tip, RT_SCOPE_HOST);
    case 2:
      return !inet_confirm_addr(in_dev.net, in_dev, sip, tip, RT_SCOPE_HOST);
    case 3:
      return !inet_confirm_addr(in_dev.net, null, 0, tip, RT_SCOPE_LINK);
    case 8:
      return true;
    default:
      return false;
  }
}

/** arp_filter: shall it go unanswered because we would not answer by this device? */
function arp_filter(net: net, fl4: flowi4, sip: number, tip: number, dev: net_device): boolean {
  const rt = ip_route_output_key(net, fl4.init(sip, tip));
  return typeof rt === 'number' || rt.dev !== dev;
}

/** arp_fwd_proxy: do we answer for whom this route leads to? Not on its own link, nor on one of the same medium. */
function arp_fwd_proxy(in_dev: in_device, dev: net_device, rt: rtable): boolean {
  if (rt.dev === dev || !in_dev.proxy_arp()) return false;
  const imi = in_dev.medium_id();
  if (imi === 0) return true;
  if (imi === -1) return false;
  const omi = rt.dev.ip_ptr?.medium_id() ?? -1;
  return omi !== imi && omi !== -1;
}

/** arp_fwd_pvlan: do we answer for a host on the very same link, whose hosts cannot hear each other (RFC 3069)? */
function arp_fwd_pvlan(in_dev: in_device, dev: net_device, rt: rtable, sip: number, tip: number): boolean {
  return rt.dev === dev && in_dev.proxy_arp_pvlan() && sip !== tip;
}

/** parp_redo: a question that has waited its while is answered. Takes the skb. */
function parp_redo(skb: sk_buff): void {
  const dev = skb.dev as net_device;
  const reason = arp_process(skb, dev);
  if (reason === 0) consume_skb(skb);
  else if (reason !== ARP_QUEUED) kfree_skb_reason(skb, reason);
}

/** arp_accept: may a host that never spoke to us get an entry by announcing itself? */
function arp_accept(in_dev: in_device, sip: number): boolean {
  const accept = in_dev.arp_accept();
  return accept === 1 || (accept === 2 && inet_addr_onlink(in_dev, sip, 0));
}

/**
 * arp_create: an ARP packet with its Ethernet header. `dest_hw` null: to all; `src_hw` null: the device's;
 * `target_hw` null: zeros. `parent`: the id of the packet that was the cause, for tracing. Null without memory.
 */
export function arp_create(
  type: number,
  ptype: number,
  dest_ip: number,
  dev: net_device,
  src_ip: number,
  dest_hw: Uint8Array | null,
  src_hw: Uint8Array | null,
  target_hw: Uint8Array | null,
  parent = 0,
): sk_buff | null {
  const skb = alloc_skb(dev.kernel, ARP_HDR_LEN + MAX_HEADER);
  if (skb === null) return null;
  skb.parent = parent;
  skb_reserve(skb, MAX_HEADER);
  skb_reset_network_header(skb);
  const at = skb_put(skb, ARP_HDR_LEN);
  skb.dev = dev;
  skb.protocol = ETH_P_ARP;
  const { ram } = skb;
  const from = src_hw ?? dev.dev_addr;
  const created = dev.header_ops?.create(skb, dev, ptype, dest_hw ?? dev.broadcast, from) ?? 0;
  if (created < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON.DEV_HDR);
    return null;
  }
  put16(ram, at + AR_HRD, dev.type);
  put16(ram, at + AR_PRO, ETH_P_IP);
  ram.u8[at + AR_HLN] = 6;
  ram.u8[at + AR_PLN] = 4;
  put16(ram, at + AR_OP, type);
  for (let i = 0; i < 6; i++) {
    ram.u8[at + AR_SHA + i] = from[i] as number;
    ram.u8[at + AR_THA + i] = target_hw === null ? 0 : (target_hw[i] as number);
  }
  put32(ram, at + AR_SIP, src_ip);
  put32(ram, at + AR_TIP, dest_ip);
  return skb;
}

/** arp_xmit: takes the skb. */
export function arp_xmit(skb: sk_buff): void {
  const tp = skb.kernel.trace.arp_send;
  if (tp !== null) tp(skb);
  const dev = skb.dev as net_device;
  NF_HOOK(NFPROTO_ARP, NF_ARP_OUT, dev.nd_net, skb, null, dev, arp_xmit_finish);
}

function arp_xmit_finish(_net: net, skb: sk_buff): number {
  return dev_queue_xmit(skb);
}

/** arp_send: arguments as arp_create. */
export function arp_send(
  type: number,
  ptype: number,
  dest_ip: number,
  dev: net_device,
  src_ip: number,
  dest_hw: Uint8Array | null,
  src_hw: Uint8Array | null,
  target_hw: Uint8Array | null,
  parent = 0,
): void {
  if ((dev.flags & IFF_NOARP) !== 0) return;
  const skb = arp_create(type, ptype, dest_ip, dev, src_ip, dest_hw, src_hw, target_hw, parent);
  if (skb !== null) arp_xmit(skb);
}

/** arp_rcv: takes the skb. */
function arp_rcv(skb: sk_buff, dev: net_device): number {
  const { kernel } = skb;
  kernel.clock.now += kernel.cost.arp_rcv;
  const tp = kernel.trace.arp_rcv;
  if (tp !== null) tp(skb);
  if ((dev.flags & IFF_NOARP) !== 0 || skb.pkt_type === PACKET_OTHERHOST || skb.pkt_type === PACKET_LOOPBACK) {
    consume_skb(skb);
    return NET_RX_SUCCESS;
  }
  const own = skb_share_check(skb);
  if (own === null) return NET_RX_DROP;
  if (!pskb_may_pull(own, ARP_HDR_LEN)) {
    kfree_skb_reason(own, SKB_DROP_REASON.PKT_TOO_SMALL);
    return NET_RX_DROP;
  }
  const { ram } = own;
  if (ram.u8[own.network_header + AR_HLN] !== 6 || ram.u8[own.network_header + AR_PLN] !== 4) {
    kfree_skb_reason(own, SKB_DROP_REASON.INVALID_PROTO);
    return NET_RX_DROP;
  }
  own.cb0 = 0;
  own.cb1 = 0;
  if (nf_hook(NFPROTO_ARP, NF_ARP_IN, dev.nd_net, own, dev, null, null) !== 1) return NET_RX_DROP;
  const reason = arp_process(own, dev);
  if (reason === ARP_QUEUED) return NET_RX_SUCCESS;
  if (reason === 0) {
    consume_skb(own);
    return NET_RX_SUCCESS;
  }
  kfree_skb_reason(own, reason);
  return NET_RX_DROP;
}

/** arp_process gave the packet to the proxy's queue: it is not the caller's any more. */
const ARP_QUEUED = -1;

/** arp_process: 0, or why the packet is one to drop (Linux has no name for these). Takes the skb with ARP_QUEUED only. */
function arp_process(skb: sk_buff, dev: net_device): number {
  const in_dev = dev.ip_ptr;
  if (in_dev === null) return SKB_DROP_REASON.DEV_READY;
  const net = dev.nd_net;
  const { arp: tbl } = net.ipv4;
  const { sha, tha, fl4 } = net.ipv4.arp_scratch;
  const { ram } = skb;
  const at = skb.network_header;
  const hrd = get16(ram, at + AR_HRD);
  if (get16(ram, at + AR_PRO) !== ETH_P_IP) return SKB_DROP_REASON.INVALID_PROTO;
  if (hrd !== dev.type && !(dev.type === ARPHRD_ETHER && hrd === ARPHRD_IEEE802)) return SKB_DROP_REASON.INVALID_PROTO;
  const op = get16(ram, at + AR_OP);
  if (op !== ARPOP_REQUEST && op !== ARPOP_REPLY) return SKB_DROP_REASON.INVALID_PROTO;
  for (let i = 0; i < 6; i++) {
    sha[i] = ram.u8[at + AR_SHA + i] as number;
    tha[i] = ram.u8[at + AR_THA + i] as number;
  }
  const sip = get32(ram, at + AR_SIP);
  const tip = get32(ram, at + AR_TIP);
  if (ipv4_is_multicast(tip) || (ipv4_is_loopback(tip) && !in_dev.route_localnet()))
    return SKB_DROP_REASON.IP_INVALID_DEST;
  if (sip === tip && in_dev.drop_gratuitous_arp()) return SKB_DROP_REASON.IP_INVALID_SOURCE;

  // Somebody asks whether an address is free (RFC 5227): an answer, but no entry for 0.0.0.0.
  if (sip === 0) {
    if (op === ARPOP_REQUEST && inet_addr_type_dev(net, dev, tip) === RTN_LOCAL && !arp_ignore(in_dev, sip, tip)) {
      arp_send(ARPOP_REPLY, ETH_P_ARP, sip, dev, tip, sha, dev.dev_addr, sha, skb.id);
    }
    return 0;
  }

  if (op === ARPOP_REQUEST && ip_route_input(skb, tip, sip, 0, dev) === 0) {
    const rt = skb.dst as rtable;
    if (rt.rt_type === RTN_LOCAL) {
      if (!arp_ignore(in_dev, sip, tip) && !(in_dev.arp_filter() && arp_filter(net, fl4, sip, tip, dev))) {
        // Who asks for us means to talk to us: it gets an entry (RFC 826, "Packet Reception").
        if (neigh_event_ns(tbl, sha, sip, dev) !== null) {
          arp_send(ARPOP_REPLY, ETH_P_ARP, sip, dev, tip, sha, dev.dev_addr, sha, skb.id);
        }
      }
      return 0;
    }
    if (in_dev.forward() && rt.rt_type === RTN_UNICAST) {
      const proxy =
        arp_fwd_proxy(in_dev, dev, rt) ||
        arp_fwd_pvlan(in_dev, dev, rt, sip, tip) ||
        (rt.dev !== dev && pneigh_lookup(tbl, tip, dev));
      if (proxy) {
        neigh_event_ns(tbl, sha, sip, dev);
        const now = skb.cb1 === LOCALLY_ENQUEUED || skb.pkt_type === PACKET_HOST || in_dev.arp_parms.proxy_delay === 0;
        if (!now) {
          pneigh_enqueue(tbl, in_dev.arp_parms, skb);
          return ARP_QUEUED;
        }
        arp_send(ARPOP_REPLY, ETH_P_ARP, sip, dev, tip, sha, dev.dev_addr, sha, skb.id);
        return 0;
      }
    }
  }

  // An entry that exists is brought up to date; an answer we did not ask for makes none, unless arp_accept says so.
  let n = neigh_lookup(tbl, sip, dev);
  const accept = arp_accept(in_dev, sip);
  let is_garp = false;
  if (n !== null || accept) is_garp = arp_is_garp(net, dev, op, sip, tip, sha, tha);
  if (accept && n === null && (is_garp || (op === ARPOP_REPLY && inet_addr_type_dev(net, dev, sip) === RTN_UNICAST))) {
    n = neigh_create(tbl, sip, dev);
  }
  if (n !== null) {
    // Of several answers in a row the first one counts, for locktime.
    const override = is_garp || tbl.jiffies() > n.updated + n.parms.locktime;
    // Only an answer to us alone proves that the neighbour is reachable.
    const state = op === ARPOP_REPLY && skb.pkt_type === PACKET_HOST ? NUD_REACHABLE : NUD_STALE;
    neigh_update(n, sha, state, override ? NEIGH_UPDATE_F_OVERRIDE : 0);
  }
  return 0;
}

/** arp_is_garp: does it announce its sender's own address? */
function arp_is_garp(
  net: net,
  dev: net_device,
  op: number,
  sip: number,
  tip: number,
  sha: Uint8Array,
  tha: Uint8Array,
): boolean {
  if (sip !== tip) return false;
  if (op === ARPOP_REPLY) for (let i = 0; i < 6; i++) if (sha[i] !== tha[i]) return false;
  return inet_addr_type_dev(net, dev, sip) === RTN_UNICAST;
}

/** One line of /proc/net/arp. */
export interface arp_line {
  ip: number;
  hw_type: number;
  /** ATF_*: 2 complete, 4 permanent, 8 answered for somebody else. */
  flags: number;
  lladdr: Uint8Array;
  mask: string;
  dev: string;
}

/** /proc/net/arp, and behind it what we answer for others. */
export function arp_format(net: net): arp_line[] {
  const { arp } = net.ipv4;
  const lines = neigh_dump(arp)
    .filter(entry => (entry.state & NUD_NOARP) === 0)
    .map(entry => ({
      ip: entry.key,
      hw_type: net.dev_get_by_name(entry.dev)?.type ?? 0,
      flags: (entry.state & NUD_PERMANENT) !== 0 ? 6 : (entry.state & NUD_VALID) !== 0 ? 2 : 0,
      lladdr: entry.lladdr,
      mask: '*',
      dev: entry.dev,
    }));
  for (const [ip, devices] of arp.phash_buckets) {
    for (const dev of devices) {
      const lladdr = new Uint8Array(6);
      lines.push({ ip, hw_type: dev?.type ?? 0, flags: 0xc, lladdr, mask: '*', dev: dev?.name ?? '*' });
    }
  }
  return lines;
}

/** arp_seq_show: the text of /proc/net/arp. */
export function arp_seq_show(net: net): string {
  const lines = arp_format(net).map(line => {
    const mac = Array.from(line.lladdr, byte => byte.toString(16).padStart(2, '0')).join(':');
    const type = `0x${line.hw_type.toString(16).padEnd(10)}`;
    const flags = `0x${line.flags.toString(16).padEnd(10)}`;
    return `${inet_ntoa(line.ip).padEnd(16)} ${type}${flags}${mac.padEnd(17)}     ${line.mask.padEnd(8)} ${line.dev}\n`;
  });
  return `IP address       HW type     Flags       HW address            Mask     Device\n${lines.join('')}`;
}
