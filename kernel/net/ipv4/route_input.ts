/** What becomes of a received packet: the input half of net/ipv4/route.c. */
import { EACCES, EHOSTUNREACH, ENETUNREACH } from '../../errno.ts';
import { NET_RX_DROP } from '../core/dev.ts';
import { SKB_DROP_REASON } from '../core/dropreason.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import { kfree_skb_reason, type sk_buff } from '../core/skbuff.ts';
import { ETH_P_IP } from '../ethernet/eth.ts';
import { type in_device, inet_addr_onlink } from './devinet.ts';
import {
  type fib_info,
  fib_lookup,
  type fib_nh,
  type fib_result,
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
import { ip_output } from './ip_output.ts';
import { RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST, rt_cache_valid, rt_set_nexthop, rtable } from './route.ts';

/** ip_rt_bug: an input route has no way out. */
function ip_rt_bug(skb: sk_buff): number {
  skb.kernel.arch.report('route', `ip_rt_bug: packet for ${inet_ntoa(iph_daddr(skb))} sent by an input route`);
  kfree_skb_reason(skb, SKB_DROP_REASON.IP_OUTNOROUTES);
  return 0;
}

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
  if (!rt_cache_valid(rth)) {
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
    if (!rt_cache_valid(rth)) {
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
  if (!rt_cache_valid(rth)) {
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
  if (!rt_cache_valid(rth)) {
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
  if (!rt_cache_valid(rth)) {
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
