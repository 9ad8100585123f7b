/**
 * IPv4 routing decisions (net/ipv4/route.c): from an address to an rtable, which says what becomes of a packet.
 *
 * An rtable depends on the next hop only, not on the destination, so that it hangs at its next hop and is made once
 * (nhc_pcpu_rth_output, nhc_rth_input). Those without a next hop hang at the device or at the net; those of a destination
 * of which something was learnt hang at its exception (route_exception.ts). All of them are stale once
 * `net.ipv4.rt_genid` has moved on.
 */
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH, ENODEV } from '../../errno.ts';
import { HZ } from '../../time/timer.ts';
import { NET_RX_DROP } from '../core/dev.ts';
import { SKB_DROP_REASON } from '../core/dropreason.ts';
import { DST_OBSOLETE_FORCE_CHK, dst_entry, dst_metric_locked, dst_set_expires } from '../core/dst.ts';
import { neigh_confirm, neigh_lookup } from '../core/neighbour.ts';
import type { net } from '../core/net_namespace.ts';
import { IFF_LOOPBACK, IFF_UP, type net_device } from '../core/netdevice.ts';
import { kfree_skb_reason, type sk_buff } from '../core/skbuff.ts';
import { ETH_P_IP } from '../ethernet/eth.ts';
import { type in_device, inet_addr_onlink, inet_select_addr } from './devinet.ts';
import {
  FLOWI_FLAG_ANYSRC,
  FLOWI_FLAG_KNOWN_NH,
  type fib_info,
  fib_lookup,
  type fib_nh,
  fib_result,
  fib_select_path,
  flowi4,
  ip_dev_find,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RTAX_MTU,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from './fib.ts';
import { fib_validate_source, SOURCE_ON_LINK } from './fib_frontend.ts';
import { fib4_rules_early_flow_dissect } from './fib_rules.ts';
import { fib_multipath_hash, fib_select_multipath } from './fib_semantics.ts';
import { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP_NET_UNREACH, ICMP_PKT_FILTERED, icmp_send } from './icmp.ts';
import { ip_check_mc_rcu } from './igmp_group.ts';
import { IPCB_set_flags, IPSKB_DOREDIRECT, IPSKB_MULTIPATH } from './inet_skb_parm.ts';
import { ip_forward } from './ip_forward.ts';
import {
  INADDR_LOOPBACK,
  IPPROTO_IGMP,
  IPTOS_RT_MASK,
  inet_ntoa,
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
import { ip_options_recompile } from './ip_options.ts';
import { ip_mc_output, ip_output } from './ip_output.ts';
import {
  type fib_nh_exception,
  fill_route_from_fnhe,
  fnhe_genid,
  ipv4_redirect,
  ipv4_sk_redirect,
  ipv4_sk_update_pmtu,
  ipv4_update_pmtu,
} from './route_exception.ts';

export {
  fib_compute_spec_dst,
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
export {
  ip_do_redirect,
  ip_rt_send_redirect,
  ipv4_redirect,
  ipv4_sk_redirect,
  ipv4_sk_update_pmtu,
  ipv4_update_pmtu,
} from './route_exception.ts';

/** rt_flags (linux/in_route.h) */
export const RTCF_REDIRECTED = 0x00040000;
export const RTCF_BROADCAST = 0x10000000;
export const RTCF_MULTICAST = 0x20000000;
export const RTCF_LOCAL = 0x80000000 | 0;

const IP_MAX_MTU = 0xffff;
/** Headers of IP and TCP without options. */
const IPTCP_HDR_LEN = 40;
const IPV4_MAX_ADVMSS = 65535 - IPTCP_HDR_LEN;
/** Messages about strange packets in so many jiffies (net_ratelimit_state). */
const LOG_BURST = 10;
const LOG_INTERVAL = 5 * HZ;

export class rtable extends dst_entry {
  readonly net: net;
  readonly rt_genid: number;
  /** RTN_* and RTCF_* */
  readonly rt_type: number;
  rt_flags: number;
  readonly rt_is_input: boolean;
  /** The gateway to ask the neighbours for; 0: the packet's own destination. */
  rt_gw4 = 0;
  rt_uses_gateway = false;
  /** The device a local packet counts as received by; 0: the one it came by. */
  rt_iif = 0;
  /** What the path let through when last heard, until `expires`; 0: not heard. Locked: nobody is believed any more. */
  rt_pmtu = 0;
  rt_mtu_locked = false;
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
    return this.obsolete === DST_OBSOLETE_FORCE_CHK && this.rt_genid === this.net.ipv4.rt_genid;
  }

  /** ipv4_link_failure: the sender hears of it; what was learnt of the path is doubtful. */
  override link_failure(skb: sk_buff): void {
    if (ip_options_recompile(this.net, skb)) icmp_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
    dst_set_expires(this, this.net.kernel.timers.jiffies(), 0);
  }

  /** ipv4_mtu */
  override mtu(): number {
    return ip_dst_mtu_maybe_forward(this, false);
  }

  /** ipv4_default_advmss */
  override default_advmss(): number {
    return Math.min(Math.max(this.mtu() - IPTCP_HDR_LEN, this.net.ipv4.route.min_adv_mss), IPV4_MAX_ADVMSS);
  }

  /** ipv4_confirm_neigh */
  override confirm_neigh(daddr: number): void {
    const next = rt_nexthop(this, daddr);
    const n = next === 0 ? null : neigh_lookup(this.net.ipv4.arp, next, this.dev);
    if (n !== null) neigh_confirm(n);
  }
}

/** ip_mtu_locked: is the path's MTU fixed, by the route or by having been told of one that cannot be? */
export function ip_mtu_locked(rt: rtable): boolean {
  return rt.rt_mtu_locked || dst_metric_locked(rt, RTAX_MTU);
}

/**
 * ip_dst_mtu_maybe_forward: the MTU of a packet's way. For one that is forwarded what was learnt of the path does not
 * count, unless net.ipv4.ip_forward_use_pmtu says so: anybody could have told us.
 */
export function ip_dst_mtu_maybe_forward(rt: rtable, forwarding: boolean): number {
  const { metrics } = rt;
  if (rt.rt_pmtu !== 0 && (!forwarding || rt.net.ipv4.ip_forward_use_pmtu !== 0 || ip_mtu_locked(rt))) {
    if (rt.net.kernel.timers.jiffies() < rt.expires) return Math.min(rt.rt_pmtu, IP_MAX_MTU);
  }
  const metric = metrics === null ? 0 : (metrics[RTAX_MTU] as number);
  if (metric !== 0) return Math.min(metric, IP_MAX_MTU);
  const { mtu } = rt.dev;
  if (rt.rt_mtu_locked && rt.rt_uses_gateway && mtu > 576) return 576;
  return Math.min(mtu, IP_MAX_MTU);
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
  /** For error handlers, which ask while nothing else is under way. */
  readonly error_fl = new flowi4();
  /** Exceptions of another number are void (fnhe_genid). */
  fnhe_genid = 0;
  private logged = 0;
  private log_begin = -LOG_INTERVAL;

  /** net_ratelimit: may one more line be logged? */
  log_allowed(net: net): boolean {
    const now = net.kernel.timers.jiffies();
    if (now - this.log_begin >= LOG_INTERVAL) {
      this.log_begin = now;
      this.logged = 0;
    }
    return ++this.logged <= LOG_BURST;
  }
}

/** ip_rt_init */
export function ip_rt_init(net: net): void {
  net.ipv4.rt = new route_cache();
  net.ipv4.update_pmtu = (skb, mtu, oif, protocol) => ipv4_update_pmtu(skb, net, mtu, oif, protocol);
  net.ipv4.redirect = (skb, oif, protocol) => ipv4_redirect(skb, net, oif, protocol);
  net.ipv4.sk_update_pmtu = ipv4_sk_update_pmtu;
  net.ipv4.sk_redirect = ipv4_sk_redirect;
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
  skb.kernel.arch.report('route', `ip_rt_bug: packet for ${inet_ntoa(iph_daddr(skb))} sent by an input route`);
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
 * @param skb the packet it is for, where that is no packet of a socket: multipath looks at it
 * @returns an rtable, or -EINVAL, -ENETUNREACH, -EHOSTUNREACH, -EACCES, -ENODEV.
 */
export function ip_route_output_key(net: net, fl4: flowi4, skb: sk_buff | null = null): rtable | number {
  const { res } = net.ipv4.rt;
  const orig_oif = fl4.oif;
  let dev_out: net_device | null = null;
  res.reset();
  fl4.tos &= IPTOS_RT_MASK;
  fl4.iif = (net.loopback_dev as net_device).ifindex;

  if (fl4.saddr !== 0) {
    if (ipv4_is_multicast(fl4.saddr) || ipv4_is_lbcast(fl4.saddr) || ipv4_is_zeronet(fl4.saddr)) return -EINVAL;
    const groups = fl4.oif === 0 && (ipv4_is_multicast(fl4.daddr) || ipv4_is_lbcast(fl4.daddr));
    const anysrc = (fl4.flags & FLOWI_FLAG_ANYSRC) !== 0;
    const found = groups || !anysrc ? ip_dev_find(net, fl4.saddr) : null;
    if (found === null && (groups || !anysrc)) return -ENETUNREACH;
    if (groups && found !== null) {
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
  fib_select_path(net, res, fl4, skb);
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
    if (loopback || ip_check_mc_rcu(in_dev, fl4.daddr, fl4.saddr, fl4.proto)) {
      flags |= RTCF_LOCAL;
      kind = UNCACHED_MULTICAST_LOCAL;
      // Members and others may share a next hop: these are kept apart from it.
      nh = null;
    } else if (res.prefixlen < 4) nh = null;
  }

  let fnhe: fib_nh_exception | null = null;
  let do_cache = true;
  let cached: rtable | null;
  if (nh !== null) {
    if (nh.exceptions !== null) fnhe = nh.exceptions.find(fl4.daddr);
    // For local routes that were asked for by another device's name, and for callers that know the next hop.
    if (type === RTN_LOCAL && orig_oif !== 0 && orig_oif !== dev_out.ifindex && orig_oif !== nh.nh_oif)
      do_cache = false;
    const own_gateway = nh.nh_gw4 !== 0 && nh.nh_scope === RT_SCOPE_LINK;
    if (fnhe === null && (fl4.flags & FLOWI_FLAG_KNOWN_NH) !== 0 && !own_gateway) do_cache = false;
    cached = fnhe !== null ? fnhe.fnhe_rth_output : nh.rth_output;
  } else cached = in_dev.rt_uncached[kind] as rtable | null;
  if (do_cache && good(cached) && (cached.rt_flags & ~RTCF_REDIRECTED) === flags && cached.rt_type === type) {
    if (cached.rt_iif === orig_oif) return cached;
  }

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
  if (nh !== null) rt_set_nexthop(rt, fl4.daddr, nh, res.fi, fnhe, do_cache);
  else if (do_cache) in_dev.rt_uncached[kind] = rt;
  return rt;
}

/** rt_set_nexthop: gateway and metrics, and what is known of the destination; the route is kept where it is found again. */
function rt_set_nexthop(
  rt: rtable,
  daddr: number,
  nh: fib_nh,
  fi: fib_info | null,
  fnhe: fib_nh_exception | null,
  do_cache: boolean,
): void {
  if (nh.nh_gw4 !== 0 && nh.nh_scope === RT_SCOPE_LINK) {
    rt.rt_uses_gateway = true;
    rt.rt_gw4 = nh.nh_gw4;
  }
  if (fi !== null) rt.metrics = fi.fib_metrics;
  if (fnhe !== null) rt_bind_exception(rt, fnhe, daddr, do_cache);
  else if (do_cache) {
    if (rt.rt_is_input) nh.rth_input = rt;
    else nh.rth_output = rt;
  }
}

/** rt_bind_exception */
function rt_bind_exception(rt: rtable, fnhe: fib_nh_exception, daddr: number, do_cache: boolean): void {
  const genid = fnhe_genid(rt.net);
  if (fnhe.fnhe_genid !== genid) {
    // Flushed since: it says nothing any more.
    fnhe.fnhe_genid = genid;
    fnhe.fnhe_gw = 0;
    fnhe.fnhe_pmtu = 0;
    fnhe.fnhe_expires = 0;
    fnhe.fnhe_mtu_locked = false;
    fnhe.fnhe_rth_input = null;
    fnhe.fnhe_rth_output = null;
  }
  fill_route_from_fnhe(rt, fnhe);
  if (rt.rt_gw4 === 0) rt.rt_gw4 = daddr;
  fnhe.fnhe_stamp = rt.net.kernel.timers.jiffies();
  if (!do_cache) return;
  if (rt.rt_is_input) fnhe.fnhe_rth_input = rt;
  else fnhe.fnhe_rth_output = rt;
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
    const protocol = skb.protocol === ETH_P_IP ? iph_protocol(skb) : 0;
    if (!ip_check_mc_rcu(in_dev, daddr, saddr, protocol)) return SKB_DROP_REASON.IP_INVALID_DEST;
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
    const reason = fib_validate_source(skb, saddr, 0, tos, 0, dev, in_dev);
    if (reason > 0) return reason;
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
/**
 * ip_route_use_hint: packets that arrive together mostly go the same way: the route of the one before holds for this
 * one, if its source is one that may be. Does not take the skb. 0 or a reason.
 */
export function ip_route_use_hint(
  skb: sk_buff,
  daddr: number,
  saddr: number,
  tos: number,
  dev: net_device,
  hint: rtable,
): number {
  const in_dev = dev.ip_ptr;
  if (in_dev === null) return SKB_DROP_REASON.DEV_READY;
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr) || ipv4_is_zeronet(saddr)) {
    return martian_source(in_dev, saddr, daddr, SKB_DROP_REASON.IP_INVALID_SOURCE);
  }
  if (ipv4_is_loopback(saddr) && !in_dev.route_localnet()) {
    return martian_source(in_dev, saddr, daddr, SKB_DROP_REASON.IP_LOCALNET);
  }
  if (hint.rt_type === RTN_LOCAL) {
    const reason = fib_validate_source(skb, saddr, daddr, tos & IPTOS_RT_MASK, 0, dev, in_dev);
    if (reason > 0) return martian_source(in_dev, saddr, daddr, reason);
  }
  skb.dst = hint;
  return 0;
}

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
  if (skb.protocol === ETH_P_IP) fib4_rules_early_flow_dissect(net, skb, fl);
  const err = fib_lookup(net, fl, res);
  if (err !== 0) return no_route(skb, net, in_dev.forward() ? err : -EHOSTUNREACH);
  if (res.type === RTN_BROADCAST) {
    if (!in_dev.bc_forwarding()) return brd_input(skb, saddr, daddr, tos, dev, in_dev, res.nh);
    return ip_mkroute_input(skb, net, res, daddr, saddr, tos, dev, in_dev);
  }
  if (res.type === RTN_LOCAL) {
    const nh = res.nh as fib_nh;
    const reason = fib_validate_source(skb, saddr, daddr, tos, 0, dev, in_dev);
    if (reason > 0) return martian_source(in_dev, saddr, daddr, reason);
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
  return ip_mkroute_input(skb, net, res, daddr, saddr, tos, dev, in_dev);
}

/** ip_mkroute_input and __mkroute_input: the packet goes on to somebody else. */
function ip_mkroute_input(
  skb: sk_buff,
  net: net,
  res: fib_result,
  daddr: number,
  saddr: number,
  tos: number,
  dev: net_device,
  in_dev: in_device,
): number {
  const fi = res.fi as fib_info;
  // What asks on somebody's behalf (proxy ARP) has no packet to hash.
  if (fi.nhs.length > 1 && skb.protocol === ETH_P_IP) {
    fib_select_multipath(net, res, fib_multipath_hash(net, null, skb), 0);
    IPCB_set_flags(skb, IPSKB_MULTIPATH);
  }
  const nh = res.nh as fib_nh;
  const out_dev = nh.nh_dev as net_device;
  const out_in_dev = out_dev.ip_ptr;
  if (out_in_dev === null) return SKB_DROP_REASON.DEV_READY;
  const verdict = fib_validate_source(skb, saddr, daddr, tos, out_dev.ifindex, dev, in_dev);
  if (verdict > 0) return martian_source(in_dev, saddr, daddr, verdict);
  if (skb.protocol !== ETH_P_IP) {
    // ARP asks on behalf of a proxy: nothing to do for one whose host is on the same link, unless hosts there cannot
    // hear each other.
    if (out_dev === dev && !in_dev.proxy_arp_pvlan()) return SKB_DROP_REASON.ARP_PVLAN_DISABLE;
  } else if (out_dev === dev && verdict === SOURCE_ON_LINK && out_in_dev.send_redirects()) {
    if (out_in_dev.shared_media() || inet_addr_onlink(out_in_dev, saddr, nh.nh_gw4)) {
      IPCB_set_flags(skb, IPSKB_DOREDIRECT);
    }
  }
  const fnhe = nh.exceptions === null ? null : nh.exceptions.find(daddr);
  let rth = fnhe !== null ? fnhe.fnhe_rth_input : nh.rth_input;
  if (!good(rth)) {
    rth = new rtable(out_dev, 0, res.type, true, ip_forward, ip_output);
    rt_set_nexthop(rth, daddr, nh, fi, fnhe, true);
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
    const reason = fib_validate_source(skb, saddr, 0, tos, 0, dev, in_dev);
    if (reason > 0) return martian_source(in_dev, saddr, daddr, reason);
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

/** ip_error: takes the skb. The sender of what cannot be forwarded is told, within a rate of its own. */
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
    let code = -1;
    if (rt.error === EHOSTUNREACH) code = ICMP_HOST_UNREACH;
    else if (rt.error === ENETUNREACH) {
      code = ICMP_NET_UNREACH;
      reason = SKB_DROP_REASON.IP_INNOROUTES;
      mib.IpExtInNoRoutes++;
    } else if (rt.error === EACCES) code = ICMP_PKT_FILTERED;
    if (code >= 0 && error_allowed(rt.net, iph_saddr(skb))) icmp_send(skb, ICMP_DEST_UNREACH, code, 0);
  }
  kfree_skb_reason(skb, reason);
  return NET_RX_DROP;
}

/** ip_error's token bucket, one for each peer. */
function error_allowed(net: net, saddr: number): boolean {
  const peer = net.ipv4.peers.get(saddr);
  if (peer === null) return true;
  const { error_cost, error_burst } = net.ipv4.route;
  const now = net.kernel.timers.jiffies();
  peer.rate_tokens = Math.min(peer.rate_tokens + now - peer.rate_last, error_burst);
  peer.rate_last = now;
  if (peer.rate_tokens < error_cost) return false;
  peer.rate_tokens -= error_cost;
  return true;
}

/** ip_handle_martian_source */
function martian_source(in_dev: in_device, saddr: number, daddr: number, reason: number): number {
  const { net } = in_dev;
  if (in_dev.log_martians() && net.ipv4.rt.log_allowed(net)) {
    net.kernel.printk(`martian source ${inet_ntoa(daddr)} from ${inet_ntoa(saddr)}, on dev ${in_dev.dev.name}`);
  }
  return reason;
}

function martian_destination(in_dev: in_device, saddr: number, daddr: number, reason: number): number {
  const { net } = in_dev;
  if (in_dev.log_martians() && net.ipv4.rt.log_allowed(net)) {
    net.kernel.printk(`martian destination ${inet_ntoa(daddr)} from ${inet_ntoa(saddr)}, dev ${in_dev.dev.name}`);
  }
  return reason;
}
