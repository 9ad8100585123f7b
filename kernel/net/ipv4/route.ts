/**
 * IPv4 routing decisions (net/ipv4/route.c): from an address to an rtable, which says what becomes of a packet.
 *
 * An rtable depends on the next hop only, not on the destination, so that it hangs at its next hop and is made once
 * (nhc_pcpu_rth_output, nhc_rth_input). Those without a next hop hang at the device or at the net. All of them are
 * stale once `net.ipv4.rt_genid` has moved on.
 */
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH, ENODEV } from '../../errno.ts';
import { NET_RX_DROP } from '../core/dev.ts';
import { SKB_DROP_REASON } from '../core/dropreason.ts';
import { dst_entry } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { IFF_LOOPBACK, IFF_UP, type net_device } from '../core/netdevice.ts';
import { kfree_skb_reason, type sk_buff } from '../core/skbuff.ts';
import { ETH_P_IP } from '../ethernet/eth.ts';
import { type in_device, inet_lookup_ifaddr, inet_select_addr, ip_check_mc } from './devinet.ts';
import {
  type fib_info,
  fib_lookup,
  type fib_nh,
  fib_result,
  fib_result_prefsrc,
  flowi4,
  ip_dev_find,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from './fib.ts';
import { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP_NET_UNREACH, ICMP_PKT_FILTERED, icmp_send } from './icmp.ts';
import { ip_forward } from './ip_forward.ts';
import {
  INADDR_LOOPBACK,
  IPPROTO_IGMP,
  IPTOS_RT_MASK,
  in_ntoa,
  iph_daddr,
  iph_protocol,
  iph_saddr,
  ipv4_is_lbcast,
  ipv4_is_local_multicast,
  ipv4_is_loopback,
  ipv4_is_multicast,
  ipv4_is_zeronet,
} from './ip_header.ts';
import { ip_local_deliver } from './ip_input.ts';
import { ip_mc_output, ip_output } from './ip_output.ts';

export {
  flowi4,
  inet_addr_type,
  ip_route_add,
  ip_route_del,
  RTN_ANYCAST,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTN_UNSPEC,
} from './fib.ts';

/** rt_flags (linux/in_route.h) */
export const RTCF_BROADCAST = 0x10000000;
export const RTCF_MULTICAST = 0x20000000;
export const RTCF_LOCAL = 0x80000000 | 0;

export class rtable extends dst_entry {
  readonly net: net;
  readonly rt_genid: number;
  /** RTN_* and RTCF_* */
  readonly rt_type: number;
  readonly rt_flags: number;
  readonly rt_is_input: boolean;
  /** The gateway to ask the neighbours for; 0: the packet's own destination. */
  rt_gw4 = 0;
  /** The device a local packet counts as received by; 0: the one it came by. */
  rt_iif = 0;
  /** An input route that refuses: why (a positive errno). */
  error = 0;

  constructor(
    dev: net_device,
    flags: number,
    type: number,
    is_input: boolean,
    input: (skb: sk_buff) => number,
    output: (skb: sk_buff) => number,
  ) {
    super(dev, input, output);
    this.net = dev.nd_net;
    this.rt_genid = this.net.ipv4.rt_genid;
    this.rt_flags = flags;
    this.rt_type = type;
    this.rt_is_input = is_input;
  }

  /** ipv4_dst_check: false when routing would have to be asked again. */
  override check(): boolean {
    return this.rt_genid === this.net.ipv4.rt_genid;
  }

  /** ipv4_link_failure */
  override link_failure(skb: sk_buff): void {
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
  }
}

/** Routes of input without a next hop, one of each kind, and what lookups need for scratch. */
export class route_cache {
  brd_input: rtable | null = null;
  /** Group packets: not for us, and for us. */
  readonly mc_input: (rtable | null)[] = [null, null];
  /** Refusals, by errno. */
  readonly error_input = new Map<number, rtable>();
  readonly fl = new flowi4();
  readonly res = new fib_result();
  readonly check_fl = new flowi4();
  readonly check_res = new fib_result();
}

/** ip_rt_init */
export function ip_rt_init(net: net): void {
  net.ipv4.rt = new route_cache();
}

/** rt_nexthop: whom to ask for on the link. */
export function rt_nexthop(rt: rtable, daddr: number): number {
  return rt.rt_gw4 !== 0 ? rt.rt_gw4 : daddr;
}

/** inet_iif: the device a packet counts as received by. */
export function inet_iif(skb: sk_buff): number {
  const iif = (skb.dst as rtable | null)?.rt_iif ?? 0;
  return iif !== 0 ? iif : skb.skb_iif;
}

function good(rt: rtable | null): rt is rtable {
  return rt?.check() === true;
}

/** ip_rt_bug: an input route has no way out. */
function ip_rt_bug(skb: sk_buff): number {
  skb.kernel.arch.report('route', `ip_rt_bug: packet for ${in_ntoa(iph_daddr(skb))} sent by an input route`);
  kfree_skb_reason(skb, SKB_DROP_REASON.IP_OUTNOROUTES);
  return 0;
}

/** dst_discard */
function dst_discard(skb: sk_buff): number {
  kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
  return 0;
}

// ---- output -----------------------------------------------------------------------------------------------------

/**
 * ip_route_output_key: the route for what we send ourselves. Fills in fl4.saddr when it is 0 (and fl4.daddr, for 0.0.0.0:
 * ourselves); fl4.oif is changed too.
 * @returns an rtable, or -EINVAL, -ENETUNREACH, -EHOSTUNREACH, -EACCES, -ENODEV.
 */
export function ip_route_output_key(net: net, fl4: flowi4): rtable | number {
  const { res } = net.ipv4.rt;
  const orig_oif = fl4.oif;
  let dev_out: net_device | null = null;
  res.reset();
  fl4.tos &= IPTOS_RT_MASK;
  fl4.iif = (net.loopback_dev as net_device).ifindex;

  if (fl4.saddr !== 0) {
    if (ipv4_is_multicast(fl4.saddr) || ipv4_is_lbcast(fl4.saddr) || ipv4_is_zeronet(fl4.saddr)) return -EINVAL;
    const found = ip_dev_find(net, fl4.saddr);
    if (found === null) return -ENETUNREACH;
    if (fl4.oif === 0 && (ipv4_is_multicast(fl4.daddr) || ipv4_is_lbcast(fl4.daddr))) {
      // The source address says which device a group or everybody is reached by.
      fl4.oif = found.ifindex;
      return mkroute_output(res, fl4, orig_oif, found, 0);
    }
  }
  if (fl4.oif !== 0) {
    dev_out = net.dev_get_by_index(fl4.oif);
    if (dev_out === null) return -ENODEV;
    if ((dev_out.flags & IFF_UP) === 0 || dev_out.ip_ptr === null) return -ENETUNREACH;
    if (ipv4_is_local_multicast(fl4.daddr) || ipv4_is_lbcast(fl4.daddr) || fl4.proto === IPPROTO_IGMP) {
      if (fl4.saddr === 0) fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_LINK);
      return mkroute_output(res, fl4, orig_oif, dev_out, 0);
    }
    if (fl4.saddr === 0) {
      if (ipv4_is_multicast(fl4.daddr)) fl4.saddr = inet_select_addr(dev_out, 0, fl4.scope);
      else if (fl4.daddr === 0) fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_HOST);
    }
  }
  if (fl4.daddr === 0) {
    if (fl4.saddr === 0) fl4.saddr = INADDR_LOOPBACK;
    fl4.daddr = fl4.saddr;
    dev_out = net.loopback_dev as net_device;
    fl4.oif = dev_out.ifindex;
    res.type = RTN_LOCAL;
    return mkroute_output(res, fl4, orig_oif, dev_out, RTCF_LOCAL);
  }

  const err = fib_lookup(net, fl4, res);
  if (err !== 0) {
    res.reset();
    if (dev_out === null) return err;
    // A device was asked for: take the destination for one that is on its link.
    if (fl4.saddr === 0) fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_LINK);
    res.type = RTN_UNICAST;
    return mkroute_output(res, fl4, orig_oif, dev_out, 0);
  }
  if (res.type === RTN_LOCAL) {
    if (fl4.saddr === 0)
      fl4.saddr = (res.fi as fib_info).fib_prefsrc !== 0 ? (res.fi as fib_info).fib_prefsrc : fl4.daddr;
    dev_out = net.loopback_dev as net_device;
    fl4.oif = dev_out.ifindex;
    // It counts as received by the device whose address it is.
    return mkroute_output(res, fl4, (res.nh as fib_nh).nh_oif, dev_out, RTCF_LOCAL);
  }
  // fib_select_path: multipath goes here.
  if (fl4.saddr === 0) fl4.saddr = fib_result_prefsrc(net, res);
  dev_out = (res.nh as fib_nh).nh_dev as net_device;
  return mkroute_output(res, fl4, orig_oif, dev_out, 0);
}

/** Kinds of output routes that hang at a device. */
const UNCACHED_UNICAST = 0;
const UNCACHED_BROADCAST = 1;
const UNCACHED_MULTICAST = 2;
const UNCACHED_MULTICAST_LOCAL = 3;

/** __mkroute_output */
function mkroute_output(
  res: fib_result,
  fl4: flowi4,
  orig_oif: number,
  dev_out: net_device,
  flags: number,
): rtable | number {
  const in_dev = dev_out.ip_ptr;
  if (in_dev === null) return -EINVAL;
  const loopback = (dev_out.flags & IFF_LOOPBACK) !== 0;
  if (ipv4_is_loopback(fl4.saddr) && !loopback && !in_dev.route_localnet()) return -EINVAL;
  let { type, nh } = res;
  if (ipv4_is_lbcast(fl4.daddr)) {
    type = RTN_BROADCAST;
    nh = null;
  } else if (ipv4_is_multicast(fl4.daddr)) type = RTN_MULTICAST;
  else if (ipv4_is_zeronet(fl4.daddr)) return -EINVAL;
  if (loopback) flags |= RTCF_LOCAL;

  let kind = UNCACHED_UNICAST;
  if (type === RTN_BROADCAST) {
    flags |= RTCF_BROADCAST | RTCF_LOCAL;
    kind = UNCACHED_BROADCAST;
  } else if (type === RTN_MULTICAST) {
    flags |= RTCF_MULTICAST;
    kind = UNCACHED_MULTICAST;
    if (loopback || ip_check_mc(in_dev, fl4.daddr)) {
      flags |= RTCF_LOCAL;
      kind = UNCACHED_MULTICAST_LOCAL;
      // Members and others may share a next hop: these are kept apart from it.
      nh = null;
    } else if (res.prefixlen < 4) nh = null;
  }

  const cached = nh !== null ? nh.rth_output : (in_dev.rt_uncached[kind] as rtable | null);
  if (good(cached) && cached.rt_flags === flags && cached.rt_type === type && cached.rt_iif === orig_oif) return cached;

  let output = ip_output;
  if ((flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0 && (flags & RTCF_LOCAL) !== 0 && !loopback)
    output = ip_mc_output;
  const rt = new rtable(
    dev_out,
    flags,
    type,
    false,
    (flags & RTCF_LOCAL) !== 0 ? ip_local_deliver : dst_discard,
    output,
  );
  rt.rt_iif = orig_oif;
  if (nh !== null) {
    rt_set_nexthop(rt, nh, res.fi);
    nh.rth_output = rt;
  } else in_dev.rt_uncached[kind] = rt;
  return rt;
}

/** rt_set_nexthop */
function rt_set_nexthop(rt: rtable, nh: fib_nh, fi: fib_info | null): void {
  if (nh.nh_gw4 !== 0 && nh.nh_scope === RT_SCOPE_LINK) rt.rt_gw4 = nh.nh_gw4;
  if (fi !== null) rt.metric_mtu = fi.fib_mtu;
}

// ---- input ------------------------------------------------------------------------------------------------------

/**
 * ip_route_input: what becomes of a received packet: sets skb.dst. Also asked by ARP, whose packets make no route
 * that is not for an IP packet.
 * @returns 0, or the reason to drop it (SKB_DROP_REASON): its addresses cannot be right.
 */
export function ip_route_input(skb: sk_buff, daddr: number, saddr: number, tos: number, dev: net_device): number {
  const in_dev = dev.ip_ptr;
  if (in_dev === null) return SKB_DROP_REASON.DEV_READY;
  if (ipv4_is_multicast(daddr)) {
    if (!ip_check_mc(in_dev, daddr)) return SKB_DROP_REASON.IP_INVALID_DEST;
    return ip_route_input_mc(skb, daddr, saddr, tos, dev, in_dev);
  }
  return ip_route_input_slow(skb, daddr, saddr, tos & IPTOS_RT_MASK, dev, in_dev);
}

/** ip_mc_validate_source and ip_route_input_mc: a packet for a group that we are in. */
function ip_route_input_mc(
  skb: sk_buff,
  daddr: number,
  saddr: number,
  tos: number,
  dev: net_device,
  in_dev: in_device,
): number {
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) return SKB_DROP_REASON.IP_INVALID_SOURCE;
  if (skb.protocol !== ETH_P_IP) return SKB_DROP_REASON.INVALID_PROTO;
  if (ipv4_is_loopback(saddr) && !in_dev.route_localnet()) return SKB_DROP_REASON.IP_LOCALNET;
  if (ipv4_is_zeronet(saddr)) {
    if (!ipv4_is_local_multicast(daddr) && iph_protocol(skb) !== IPPROTO_IGMP) return SKB_DROP_REASON.IP_INVALID_SOURCE;
  } else {
    const reason = fib_validate_source(skb, saddr, 0, tos, dev, in_dev);
    if (reason !== 0) return reason;
  }
  const { rt } = dev.nd_net.ipv4;
  let rth = rt.mc_input[1] as rtable | null;
  if (!good(rth)) {
    rth = local_input(dev.nd_net, RTCF_MULTICAST | RTCF_LOCAL, RTN_MULTICAST);
    rt.mc_input[1] = rth;
  }
  skb.dst = rth;
  return 0;
}

/** A route to ourselves. */
function local_input(net: net, flags: number, type: number): rtable {
  return new rtable(net.loopback_dev as net_device, flags, type, true, ip_local_deliver, ip_rt_bug);
}

/** ip_route_input_slow */
function ip_route_input_slow(
  skb: sk_buff,
  daddr: number,
  saddr: number,
  tos: number,
  dev: net_device,
  in_dev: in_device,
): number {
  const net = dev.nd_net;
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) {
    return martian_source(in_dev, saddr, daddr, SKB_DROP_REASON.IP_INVALID_SOURCE);
  }
  if (ipv4_is_lbcast(daddr) || (saddr === 0 && daddr === 0)) {
    return brd_input(skb, saddr, daddr, tos, dev, in_dev, null);
  }
  // The zero address may be a source for everybody (DHCP) only.
  if (ipv4_is_zeronet(saddr)) return martian_source(in_dev, saddr, daddr, SKB_DROP_REASON.IP_INVALID_SOURCE);
  if (ipv4_is_zeronet(daddr)) return martian_destination(in_dev, saddr, daddr, SKB_DROP_REASON.IP_INVALID_DEST);
  // 127/8 never is on a wire (RFC 1122 3.2.1.3).
  if (ipv4_is_loopback(daddr)) {
    if (!in_dev.route_localnet()) return martian_destination(in_dev, saddr, daddr, SKB_DROP_REASON.IP_LOCALNET);
  } else if (ipv4_is_loopback(saddr)) {
    if (!in_dev.route_localnet()) return martian_source(in_dev, saddr, daddr, SKB_DROP_REASON.IP_LOCALNET);
  }

  const { fl, res } = net.ipv4.rt;
  fl.init(daddr, saddr);
  fl.iif = dev.ifindex;
  fl.tos = tos;
  fl.mark = skb.mark;
  const err = fib_lookup(net, fl, res);
  if (err !== 0) return no_route(skb, net, in_dev.forward() ? err : -EHOSTUNREACH);
  if (res.type === RTN_BROADCAST) return brd_input(skb, saddr, daddr, tos, dev, in_dev, res.nh);
  const nh = res.nh as fib_nh;
  if (res.type === RTN_LOCAL) {
    const reason = fib_validate_source(skb, saddr, daddr, tos, dev, in_dev);
    if (reason !== 0) return martian_source(in_dev, saddr, daddr, reason);
    let rth = nh.rth_input;
    if (!good(rth)) {
      rth = local_input(net, RTCF_LOCAL, RTN_LOCAL);
      nh.rth_input = rth;
    }
    skb.dst = rth;
    return 0;
  }
  if (!in_dev.forward()) return no_route(skb, net, -EHOSTUNREACH);
  if (res.type !== RTN_UNICAST) return martian_destination(in_dev, saddr, daddr, SKB_DROP_REASON.IP_INVALID_DEST);

  // ip_mkroute_input; multipath and the decision to send a redirect go here.
  const { fi } = res;
  const reason = fib_validate_source(skb, saddr, daddr, tos, dev, in_dev);
  if (reason !== 0) return martian_source(in_dev, saddr, daddr, reason);
  const out_dev = nh.nh_dev as net_device;
  if (out_dev.ip_ptr === null) return SKB_DROP_REASON.DEV_READY;
  // ARP asks on behalf of a proxy: nothing to do for one whose host is on the same link.
  if (skb.protocol !== ETH_P_IP && out_dev === dev) return SKB_DROP_REASON.INVALID_PROTO;
  let rth = nh.rth_input;
  if (!good(rth)) {
    rth = new rtable(out_dev, 0, RTN_UNICAST, true, ip_forward, ip_output);
    rt_set_nexthop(rth, nh, fi);
    nh.rth_input = rth;
  }
  skb.dst = rth;
  return 0;
}

/** A packet for everybody, on the link or in a subnet. `nh`: the broadcast route's, null for 255.255.255.255. */
function brd_input(
  skb: sk_buff,
  saddr: number,
  daddr: number,
  tos: number,
  dev: net_device,
  in_dev: in_device,
  nh: fib_nh | null,
): number {
  const net = dev.nd_net;
  if (skb.protocol !== ETH_P_IP) return SKB_DROP_REASON.INVALID_PROTO;
  if (!ipv4_is_zeronet(saddr)) {
    const reason = fib_validate_source(skb, saddr, 0, tos, dev, in_dev);
    if (reason !== 0) return martian_source(in_dev, saddr, daddr, reason);
  }
  let rth = nh !== null ? nh.rth_input : net.ipv4.rt.brd_input;
  if (!good(rth)) {
    rth = local_input(net, RTCF_BROADCAST | RTCF_LOCAL, RTN_BROADCAST);
    if (nh !== null) nh.rth_input = rth;
    else net.ipv4.rt.brd_input = rth;
  }
  skb.dst = rth;
  return 0;
}

/** A packet that goes nowhere gets a route all the same: one to ip_error, which counts it and perhaps tells its sender. */
function no_route(skb: sk_buff, net: net, err: number): number {
  const { error_input } = net.ipv4.rt;
  let rth = error_input.get(-err) ?? null;
  if (!good(rth)) {
    rth = new rtable(net.loopback_dev as net_device, 0, RTN_UNREACHABLE, true, ip_error, ip_rt_bug);
    rth.error = -err;
    error_input.set(-err, rth);
  }
  skb.dst = rth;
  return 0;
}

/** ip_error: takes the skb. */
function ip_error(skb: sk_buff): number {
  const rt = skb.dst as rtable;
  const in_dev = (skb.dev as net_device).ip_ptr;
  const { mib } = rt.net.ipv4;
  let reason: number = in_dev === null ? SKB_DROP_REASON.DEV_READY : SKB_DROP_REASON.IP_INNOROUTES;
  if (in_dev !== null && !in_dev.forward()) {
    if (rt.error === EHOSTUNREACH) {
      reason = SKB_DROP_REASON.IP_INADDRERRORS;
      mib.IpInAddrErrors++;
    } else if (rt.error === ENETUNREACH) {
      reason = SKB_DROP_REASON.IP_INNOROUTES;
      mib.IpExtInNoRoutes++;
    }
  } else if (in_dev !== null) {
    // The limit per peer (inet_peer_xrlim_allow, rate_tokens) goes here.
    if (rt.error === EHOSTUNREACH) icmp_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
    else if (rt.error === ENETUNREACH) {
      reason = SKB_DROP_REASON.IP_INNOROUTES;
      mib.IpExtInNoRoutes++;
      icmp_send(skb, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, 0);
    } else if (rt.error === EACCES) icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 0);
  }
  kfree_skb_reason(skb, reason);
  return NET_RX_DROP;
}

function martian_source(in_dev: in_device, saddr: number, daddr: number, reason: number): number {
  if (in_dev.log_martians()) {
    in_dev.net.kernel.printk(`martian source ${in_ntoa(daddr)} from ${in_ntoa(saddr)}, on dev ${in_dev.dev.name}`);
  }
  return reason;
}

function martian_destination(in_dev: in_device, saddr: number, daddr: number, reason: number): number {
  if (in_dev.log_martians()) {
    in_dev.net.kernel.printk(`martian destination ${in_ntoa(daddr)} from ${in_ntoa(saddr)}, dev ${in_dev.dev.name}`);
  }
  return reason;
}

/**
 * fib_validate_source: can a packet from there have come by this device? Our own address never does; with rp_filter 1
 * the way back must be the way it came, with 2 there must be one.
 * @returns 0 or the reason to drop it.
 */
function fib_validate_source(
  skb: sk_buff,
  src: number,
  dst: number,
  tos: number,
  dev: net_device,
  in_dev: in_device,
): number {
  const net = dev.nd_net;
  const rpf = in_dev.rp_filter();
  if (rpf === 0) {
    if (!in_dev.accept_local() && inet_lookup_ifaddr(net, src) !== null) return SKB_DROP_REASON.IP_LOCAL_SOURCE;
    return 0;
  }
  // __fib_validate_source
  const { check_fl: fl, check_res: res } = net.ipv4.rt;
  fl.init(src, dst);
  fl.iif = (net.loopback_dev as net_device).ifindex;
  fl.tos = tos;
  fl.scope = RT_SCOPE_UNIVERSE;
  fl.mark = in_dev.cnf.src_valid_mark !== 0 ? skb.mark : 0;
  if (fib_lookup(net, fl, res) !== 0) return SKB_DROP_REASON.IP_RPFILTER;
  if (res.type !== RTN_UNICAST && !(res.type === RTN_LOCAL && in_dev.accept_local()))
    return SKB_DROP_REASON.IP_LOCAL_SOURCE;
  const { nhs } = res.fi as fib_info;
  for (let i = 0; i < nhs.length; i++) if ((nhs[i] as fib_nh).nh_dev === dev) return 0;
  if (in_dev.ifa_list.length === 0 || rpf === 1) return SKB_DROP_REASON.IP_RPFILTER;
  return 0;
}

/** fib_compute_spec_dst: the address of ours that an answer to this packet comes from. */
export function fib_compute_spec_dst(skb: sk_buff): number {
  const rt = skb.dst as rtable;
  if ((rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST | RTCF_LOCAL)) === RTCF_LOCAL) return iph_daddr(skb);
  const { net } = rt;
  const saddr = iph_saddr(skb);
  let scope = RT_SCOPE_UNIVERSE;
  if (ipv4_is_zeronet(saddr)) scope = RT_SCOPE_LINK;
  else {
    const { fl, res } = net.ipv4.rt;
    fl.init(saddr, 0);
    fl.iif = (net.loopback_dev as net_device).ifindex;
    if (fib_lookup(net, fl, res) === 0) return fib_result_prefsrc(net, res);
  }
  return inet_select_addr(skb.dev as net_device, saddr, scope);
}
