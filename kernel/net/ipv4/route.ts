/**
 * IPv4 routing decisions (net/ipv4/route.c): from an address to an rtable, which says what becomes of a packet.
 *
 * An rtable depends on the next hop only, not on the destination, so that it hangs at its next hop and is made once
 * (nhc_pcpu_rth_output, nhc_rth_input). Those without a next hop hang at the device or at the net; those of a destination
 * of which something was learnt hang at its exception (route_exception.ts). All of them are stale once
 * `net.ipv4.rt_genid` has moved on.
 */
import { EINVAL, ENETUNREACH, ENODEV } from '../../errno.ts';
import { HZ } from '../../time/timer.ts';
import { SKB_DROP_REASON } from '../core/dropreason.ts';
import { DST_OBSOLETE_FORCE_CHK, dst_entry, dst_metric_locked, dst_set_expires } from '../core/dst.ts';
import { neigh_confirm, neigh_lookup } from '../core/neighbour.ts';
import type { net } from '../core/net_namespace.ts';
import { IFF_LOOPBACK, IFF_UP, type net_device } from '../core/netdevice.ts';
import { kfree_skb_reason, type sk_buff } from '../core/skbuff.ts';
import { inet_select_addr } from './devinet.ts';
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
} from './fib.ts';
import { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, icmp_send } from './icmp.ts';
import { ip_check_mc_rcu } from './igmp_group.ts';
import {
  INADDR_LOOPBACK,
  IPPROTO_IGMP,
  IPTOS_RT_MASK,
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
export { ip_route_input, ip_route_use_hint } from './route_input.ts';

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

/** rt_cache_valid: there is one, and nothing has changed since it was made. */
export function rt_cache_valid(rt: rtable | null): rt is rtable {
  return rt?.check() === true;
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
  if (do_cache && rt_cache_valid(cached) && (cached.rt_flags & ~RTCF_REDIRECTED) === flags && cached.rt_type === type) {
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
export function rt_set_nexthop(
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
