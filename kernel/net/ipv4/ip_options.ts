/** IP options (RFC 791 3.1, RFC 1122 3.2.1.8, RFC 1812 5.2.4, RFC 2113; net/ipv4/ip_options.c). */

import { EINVAL } from '../../errno.ts';
import { get_unaligned_be32, put_unaligned_be32 } from '../../lib/unaligned.ts';
import { SKB_DROP_REASON } from '../core/dropreason.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import { PACKET_HOST, type sk_buff, skb_cow_head, skb_headroom } from '../core/skbuff.ts';
import { inet_select_addr } from './devinet.ts';
import { fib_lookup, fib_result_prefsrc, inet_addr_type, RT_SCOPE_UNIVERSE } from './fib.ts';
import { ICMP_PARAMETERPROB, icmp_send, inet_current_timestamp } from './icmp.ts';
import {
  OPT_IS_CHANGED,
  OPT_RR_NEEDADDR,
  OPT_SRR_IS_HIT,
  OPT_STRICTROUTE,
  OPT_TS_NEEDADDR,
  OPT_TS_NEEDTIME,
} from './inet_skb_parm.ts';
import { get32, IPHDR_LEN, inet_ntoa, iph_daddr, iph_ihl, iph_saddr, iph_tos, put32 } from './ip_header.ts';
import { ip_send_check } from './ip_output.ts';
import { fib_compute_spec_dst, ip_route_input, RTN_LOCAL, RTN_UNICAST, rt_nexthop, type rtable } from './route.ts';

/** Option types (linux/ip.h); the highest bit says that every fragment has a copy. */
export const IPOPT_END = 0;
export const IPOPT_NOOP = 1;
export const IPOPT_RR = 7;
export const IPOPT_TIMESTAMP = 68;
export const IPOPT_LSRR = 131;
export const IPOPT_CIPSO = 134;
export const IPOPT_SSRR = 137;
export const IPOPT_RA = 148;
const IPOPT_COPY = 0x80;

/** Kinds of a time stamp option. */
const IPOPT_TS_TSONLY = 0;
const IPOPT_TS_TSANDADDR = 1;
const IPOPT_TS_PRESPEC = 3;

const MAX_IPOPTLEN = 40;

/** struct ip_options: what a header's options are, and, for those that we send, their bytes. */
export class ip_options {
  /** Bytes, a multiple of four. */
  optlen = 0;
  /** Offsets behind the header's start; 0: there is none. */
  srr = 0;
  rr = 0;
  ts = 0;
  router_alert = 0;
  cipso = 0;
  /** Where a source route leads to first; the next hop that a received one names. */
  faddr = 0;
  nexthop = 0;
  /** OPT_ bits. */
  flags = 0;
  readonly __data = new Uint8Array(MAX_IPOPTLEN);

  reset(): this {
    this.optlen = 0;
    this.srr = 0;
    this.rr = 0;
    this.ts = 0;
    this.router_alert = 0;
    this.cipso = 0;
    this.faddr = 0;
    this.nexthop = 0;
    this.flags = 0;
    return this;
  }

  /** From a packet's control block. */
  load(skb: sk_buff): this {
    this.optlen = skb.cb1 & 0xff;
    this.srr = (skb.cb1 >> 8) & 0xff;
    this.rr = (skb.cb1 >> 16) & 0xff;
    this.ts = skb.cb1 >>> 24;
    this.faddr = skb.cb2;
    this.flags = skb.cb3 & 0xff;
    this.router_alert = (skb.cb3 >> 8) & 0xff;
    this.cipso = (skb.cb3 >> 16) & 0xff;
    this.nexthop = skb.cb4;
    return this;
  }

  store(skb: sk_buff): void {
    skb.cb1 = this.optlen | (this.srr << 8) | (this.rr << 16) | (this.ts << 24);
    skb.cb2 = this.faddr;
    skb.cb3 = this.flags | (this.router_alert << 8) | (this.cipso << 16);
    skb.cb4 = this.nexthop;
  }
}

/** IPCB(skb)->opt.router_alert: the packet wants to be looked at by every router (RFC 2113). */
export function IPCB_router_alert(skb: sk_buff): boolean {
  return (skb.cb3 & 0xff00) !== 0;
}

/** opt.is_strictroute: a packet with it may take no hop but those that it names. */
export function is_strictroute(opt: ip_options): boolean {
  return (opt.flags & OPT_STRICTROUTE) !== 0;
}

/** IPCB(skb)->opt.is_strictroute: the packet may take no hop but those that it names. */
export function IPCB_is_strictroute(skb: sk_buff): boolean {
  return (skb.cb3 & OPT_STRICTROUTE) !== 0;
}

/** cipso_v4_validate, where no domain of interpretation is configured: the offset of what is wrong in the option. */
function cipso_v4_validate(u8: Uint8Array, at: number): number {
  return (u8[at + 1] as number) < 8 ? 1 : 2;
}

/**
 * __ip_options_compile: checks `opt.optlen` bytes of options at `at` and says in `opt` what is there. Those of a
 * received packet (`skb`) get our address and the time where they ask for them.
 * @returns 0, or the offset in the header of what is wrong
 */
function __ip_options_compile(net: net, opt: ip_options, u8: Uint8Array, at: number, skb: sk_buff | null): number {
  const iph = at - IPHDR_LEN;
  let l = opt.optlen;
  while (l > 0) {
    const type = u8[at] as number;
    if (type === IPOPT_END) {
      for (at++, l--; l > 0; at++, l--) {
        if (u8[at] === IPOPT_END) continue;
        u8[at] = IPOPT_END;
        opt.flags |= OPT_IS_CHANGED;
      }
      break;
    }
    if (type === IPOPT_NOOP) {
      l--;
      at++;
      continue;
    }
    if (l < 2) return at - iph;
    const optlen = u8[at + 1] as number;
    if (optlen < 2 || optlen > l) return at - iph;
    let bad = -1;
    if (type === IPOPT_SSRR || type === IPOPT_LSRR) bad = compile_srr(opt, u8, at, iph, optlen, skb);
    else if (type === IPOPT_RR) bad = compile_rr(opt, u8, at, iph, optlen, skb);
    else if (type === IPOPT_TIMESTAMP) bad = compile_ts(net, opt, u8, at, iph, optlen, skb);
    else if (type === IPOPT_RA) {
      if (optlen < 4) bad = 1;
      else if (u8[at + 2] === 0 && u8[at + 3] === 0) opt.router_alert = at - iph;
    } else if (type === IPOPT_CIPSO) {
      if (opt.cipso !== 0) bad = 0;
      else {
        opt.cipso = at - iph;
        bad = cipso_v4_validate(u8, at);
      }
    }
    // Security, stream identifiers and what nobody knows are carried and not looked at.
    if (bad >= 0) return at + bad - iph;
    l -= optlen;
    at += optlen;
  }
  return 0;
}

/** A source route: -1, or the offset in the option of what is wrong; so the others, too. */
function compile_srr(
  opt: ip_options,
  u8: Uint8Array,
  at: number,
  iph: number,
  optlen: number,
  skb: sk_buff | null,
): number {
  if (optlen < 3) return 1;
  if ((u8[at + 2] as number) < 4) return 2;
  // RFC 1812 5.2.4.1: not more than one.
  if (opt.srr !== 0) return 0;
  if (skb === null) {
    if (u8[at + 2] !== 4 || optlen < 7 || ((optlen - 3) & 3) !== 0) return 1;
    // The first hop is where the packet is sent to; the rest is the route.
    opt.faddr = get_unaligned_be32(u8, at + 3);
    if (optlen > 7) u8.copyWithin(at + 3, at + 7, at + optlen);
  }
  if (u8[at] === IPOPT_SSRR) opt.flags |= OPT_STRICTROUTE;
  opt.srr = at - iph;
  return -1;
}

function compile_rr(
  opt: ip_options,
  u8: Uint8Array,
  at: number,
  iph: number,
  optlen: number,
  skb: sk_buff | null,
): number {
  if (opt.rr !== 0) return 0;
  if (optlen < 3) return 1;
  const pointer = u8[at + 2] as number;
  if (pointer < 4) return 2;
  if (pointer <= optlen) {
    if (pointer + 3 > optlen) return 2;
    if (skb !== null && skb.dst !== null) {
      put_unaligned_be32(u8, at + pointer - 1, fib_compute_spec_dst(skb));
      opt.flags |= OPT_IS_CHANGED;
    }
    u8[at + 2] = pointer + 4;
    opt.flags |= OPT_RR_NEEDADDR;
  }
  opt.rr = at - iph;
  return -1;
}

function compile_ts(
  net: net,
  opt: ip_options,
  u8: Uint8Array,
  at: number,
  iph: number,
  optlen: number,
  skb: sk_buff | null,
): number {
  if (opt.ts !== 0) return 0;
  if (optlen < 4) return 1;
  const pointer = u8[at + 2] as number;
  if (pointer < 5) return 2;
  const kind = (u8[at + 3] as number) & 15;
  if (pointer <= optlen) {
    let time = 0;
    if (pointer + 3 > optlen) return 2;
    if (kind === IPOPT_TS_TSONLY) {
      if (skb !== null) time = at + pointer - 1;
      opt.flags |= OPT_TS_NEEDTIME;
      u8[at + 2] = pointer + 4;
    } else if (kind === IPOPT_TS_TSANDADDR) {
      if (pointer + 7 > optlen) return 2;
      if (skb !== null && skb.dst !== null) {
        put_unaligned_be32(u8, at + pointer - 1, fib_compute_spec_dst(skb));
        time = at + pointer + 3;
      }
      opt.flags |= OPT_TS_NEEDADDR | OPT_TS_NEEDTIME;
      u8[at + 2] = pointer + 8;
    } else if (kind === IPOPT_TS_PRESPEC) {
      if (pointer + 7 > optlen) return 2;
      // Only the host that is named stamps it.
      if (inet_addr_type(net, get_unaligned_be32(u8, at + pointer - 1)) !== RTN_UNICAST) {
        if (skb !== null) time = at + pointer + 3;
        opt.flags |= OPT_TS_NEEDTIME;
        u8[at + 2] = pointer + 8;
      }
    }
    if (time !== 0) {
      put_unaligned_be32(u8, time, inet_current_timestamp(net));
      opt.flags |= OPT_IS_CHANGED;
    }
  } else if (kind !== IPOPT_TS_PRESPEC) {
    // No room left: hosts that could not put their time are counted, up to fifteen.
    const overflow = (u8[at + 3] as number) >> 4;
    if (overflow === 15) return 3;
    if (skb !== null) {
      u8[at + 3] = kind | ((overflow + 1) << 4);
      opt.flags |= OPT_IS_CHANGED;
    }
  }
  opt.ts = at - iph;
  return -1;
}

/**
 * ip_rcv_options: the options of a received packet, which has its route: checked, obeyed, noted in its control block.
 * @returns 0, or the reason to drop it, whose sender has been told where RFC 1122 3.2.2.5 says so
 */
export function ip_rcv_options(skb: sk_buff, dev: net_device): number {
  const net = dev.nd_net;
  // They are written to: the taps' copies must stay as they came.
  if (skb_cow_head(skb, skb_headroom(skb)) !== 0) {
    net.ipv4.mib.IpInDiscards++;
    return SKB_DROP_REASON.NOMEM;
  }
  const opt = net.ipv4.rcv_opt.reset();
  opt.optlen = iph_ihl(skb) * 4 - IPHDR_LEN;
  const wrong = __ip_options_compile(net, opt, skb.ram.u8, skb.network_header + IPHDR_LEN, skb);
  opt.store(skb);
  if (wrong !== 0) {
    icmp_send(skb, ICMP_PARAMETERPROB, 0, wrong << 24);
    net.ipv4.mib.IpInHdrErrors++;
    return SKB_DROP_REASON.IP_INHDR;
  }
  if (opt.srr === 0) return 0;
  const in_dev = dev.ip_ptr;
  if (in_dev !== null && !in_dev.source_route()) {
    if (in_dev.log_martians())
      net.kernel.printk(`source route option ${inet_ntoa(iph_saddr(skb))} -> ${inet_ntoa(iph_daddr(skb))}`);
    return SKB_DROP_REASON.IP_INHDR;
  }
  const reason = ip_options_rcv_srr(skb, dev, opt);
  opt.store(skb);
  return reason;
}

/**
 * The options into the control block once more, after other layers have used it (ipv4_send_dest_unreach). False: they
 * are no options, and nobody is to be answered.
 */
export function ip_options_recompile(net: net, skb: sk_buff): boolean {
  const opt = net.ipv4.rcv_opt.reset();
  opt.optlen = iph_ihl(skb) * 4 - IPHDR_LEN;
  const wrong = opt.optlen === 0 ? 0 : __ip_options_compile(net, opt, skb.ram.u8, skb.network_header + IPHDR_LEN, null);
  opt.store(skb);
  return wrong === 0;
}

/** ip_options_rcv_srr: a packet with a source route, where that is accepted: where does it go next? */
function ip_options_rcv_srr(skb: sk_buff, dev: net_device, opt: ip_options): number {
  const { ram } = skb;
  const { u8 } = ram;
  const rt = skb.dst as rtable;
  const at = skb.network_header + opt.srr;
  if (skb.pkt_type !== PACKET_HOST) return SKB_DROP_REASON.IP_INHDR;
  if (rt.rt_type === RTN_UNICAST) {
    // On its way to the hop that is named: a loose route may pass here, a strict one must not.
    if ((opt.flags & OPT_STRICTROUTE) === 0) return 0;
    icmp_send(skb, ICMP_PARAMETERPROB, 0, 16 << 24);
    return SKB_DROP_REASON.IP_INHDR;
  }
  if (rt.rt_type !== RTN_LOCAL) return SKB_DROP_REASON.IP_INHDR;
  const space = u8[at + 1] as number;
  let pointer = u8[at + 2] as number;
  let nexthop = 0;
  for (; pointer <= space; pointer += 4) {
    if (pointer + 3 > space) {
      icmp_send(skb, ICMP_PARAMETERPROB, 0, (opt.srr + 2) << 24);
      return SKB_DROP_REASON.IP_INHDR;
    }
    nexthop = get32(ram, at + pointer - 1);
    const failed = ip_route_input(skb, nexthop, iph_saddr(skb), iph_tos(skb), dev);
    const type = failed !== 0 ? -1 : (skb.dst as rtable).rt_type;
    if (type !== RTN_UNICAST && type !== RTN_LOCAL) {
      skb.dst = rt;
      return SKB_DROP_REASON.IP_INHDR;
    }
    if (type !== RTN_LOCAL) break;
    // The next one is us, too.
    put32(ram, skb.network_header + 16, nexthop);
    opt.flags |= OPT_IS_CHANGED;
  }
  if (pointer <= space) {
    opt.flags |= OPT_SRR_IS_HIT | OPT_IS_CHANGED;
    opt.nexthop = nexthop;
  }
  return 0;
}

/** ip_rt_get_source: the address of ours that a packet leaves by on a route. */
function ip_rt_get_source(skb: sk_buff, rt: rtable): number {
  if (!rt.rt_is_input) return iph_saddr(skb);
  const { net } = rt;
  const { fl, res } = net.ipv4.rt;
  fl.init(iph_daddr(skb), iph_saddr(skb));
  fl.oif = rt.dev.ifindex;
  fl.tos = iph_tos(skb);
  if (fib_lookup(net, fl, res) === 0) return fib_result_prefsrc(net, res);
  return inet_select_addr(rt.dev, rt_nexthop(rt, iph_daddr(skb)), RT_SCOPE_UNIVERSE);
}

/** ip_forward_options: a packet with options goes on: our address into record route, time stamp and source route. */
export function ip_forward_options(skb: sk_buff): void {
  const rt = skb.dst as rtable;
  const { u8 } = skb.ram;
  const opt = rt.net.ipv4.rcv_opt.load(skb);
  const iph = skb.network_header;
  if ((opt.flags & OPT_RR_NEEDADDR) !== 0) {
    const at = iph + opt.rr;
    put_unaligned_be32(u8, at + (u8[at + 2] as number) - 5, ip_rt_get_source(skb, rt));
    opt.flags |= OPT_IS_CHANGED;
  }
  if ((opt.flags & OPT_SRR_IS_HIT) !== 0) {
    const at = iph + opt.srr;
    const space = u8[at + 1] as number;
    let pointer = u8[at + 2] as number;
    while (pointer + 3 <= space && get_unaligned_be32(u8, at + pointer - 1) !== opt.nexthop) pointer += 4;
    if (pointer + 3 <= space) {
      opt.flags |= OPT_IS_CHANGED;
      put_unaligned_be32(u8, iph + 16, opt.nexthop);
      put_unaligned_be32(u8, at + pointer - 1, ip_rt_get_source(skb, rt));
      u8[at + 2] = pointer + 4;
    }
  }
  if ((opt.flags & OPT_TS_NEEDADDR) !== 0) {
    const at = iph + opt.ts;
    put_unaligned_be32(u8, at + (u8[at + 2] as number) - 9, ip_rt_get_source(skb, rt));
    opt.flags |= OPT_IS_CHANGED;
  }
  if ((opt.flags & OPT_IS_CHANGED) === 0) return;
  opt.flags &= ~OPT_IS_CHANGED;
  opt.store(skb);
  ip_send_check(skb);
}

/** ip_options_build: into the header of a packet of ours. `daddr`: the end of a source route. */
export function ip_options_build(skb: sk_buff, opt: ip_options, daddr: number, rt: rtable): void {
  const { u8 } = skb.ram;
  const iph = skb.network_header;
  opt.store(skb);
  for (let i = 0; i < opt.optlen; i++) u8[iph + IPHDR_LEN + i] = opt.__data[i] as number;
  if (opt.srr !== 0) put_unaligned_be32(u8, iph + opt.srr + (u8[iph + opt.srr + 1] as number) - 4, daddr);
  if ((opt.flags & OPT_RR_NEEDADDR) !== 0)
    put_unaligned_be32(u8, iph + opt.rr + (u8[iph + opt.rr + 2] as number) - 5, ip_rt_get_source(skb, rt));
  if ((opt.flags & OPT_TS_NEEDADDR) !== 0)
    put_unaligned_be32(u8, iph + opt.ts + (u8[iph + opt.ts + 2] as number) - 9, ip_rt_get_source(skb, rt));
  if ((opt.flags & OPT_TS_NEEDTIME) !== 0)
    put_unaligned_be32(u8, iph + opt.ts + (u8[iph + opt.ts + 2] as number) - 5, inet_current_timestamp(rt.net));
}

/** ip_options_fragment: later fragments have only those options that say so; the others' places are left empty. */
export function ip_options_fragment(skb: sk_buff, length: number): void {
  const { u8 } = skb.ram;
  let at = skb.network_header + IPHDR_LEN;
  let l = length;
  while (l > 0) {
    const type = u8[at] as number;
    if (type === IPOPT_END) return;
    if (type === IPOPT_NOOP) {
      l--;
      at++;
      continue;
    }
    const optlen = l < 2 ? 0 : (u8[at + 1] as number);
    if (optlen < 2 || optlen > l) return;
    if ((type & IPOPT_COPY) === 0) u8.fill(IPOPT_NOOP, at, at + optlen);
    l -= optlen;
    at += optlen;
  }
}

/**
 * __ip_options_echo: the options of an answer to `skb`, whose own are in its control block (RFC 1122 3.2.2.6): record
 * route and time stamps go on, a source route is turned round. 0 or -EINVAL.
 */
export function ip_options_echo(net: net, dopt: ip_options, skb: sk_buff): number {
  dopt.reset();
  // What another layer may have left in the control block is no option.
  if ((skb.cb1 & 0xff) === 0 || (skb.cb1 & 0xff) !== iph_ihl(skb) * 4 - IPHDR_LEN) return 0;
  const sopt = net.ipv4.rcv_opt.load(skb);
  const { u8 } = skb.ram;
  const iph = skb.network_header;
  const data = dopt.__data;
  const put = (from: number, length: number): number => {
    const at = dopt.optlen;
    for (let i = 0; i < length; i++) data[at + i] = u8[iph + from + i] as number;
    dopt.optlen += length;
    return at;
  };
  if (sopt.rr !== 0) {
    const optlen = u8[iph + sopt.rr + 1] as number;
    const pointer = u8[iph + sopt.rr + 2] as number;
    const at = put(sopt.rr, optlen);
    dopt.rr = at + IPHDR_LEN;
    if ((sopt.flags & OPT_RR_NEEDADDR) !== 0 && pointer <= optlen) {
      if (pointer + 3 > optlen) return -EINVAL;
      data[at + 2] = pointer + 4;
      dopt.flags |= OPT_RR_NEEDADDR;
    }
  }
  if (sopt.ts !== 0) {
    const optlen = u8[iph + sopt.ts + 1] as number;
    let pointer = u8[iph + sopt.ts + 2] as number;
    const at = put(sopt.ts, optlen);
    dopt.ts = at + IPHDR_LEN;
    if (pointer <= optlen) {
      if ((sopt.flags & OPT_TS_NEEDADDR) !== 0) {
        if (pointer + 3 > optlen) return -EINVAL;
        dopt.flags |= OPT_TS_NEEDADDR;
        pointer += 4;
      }
      if ((sopt.flags & OPT_TS_NEEDTIME) !== 0) {
        if (pointer + 3 > optlen) return -EINVAL;
        if (((data[at + 3] as number) & 15) !== IPOPT_TS_PRESPEC) {
          dopt.flags |= OPT_TS_NEEDTIME;
          pointer += 4;
        } else if (
          pointer + 7 <= optlen &&
          inet_addr_type(net, get_unaligned_be32(data, at + pointer - 1)) !== RTN_UNICAST
        ) {
          dopt.flags |= OPT_TS_NEEDTIME;
          pointer += 8;
        }
      }
      data[at + 2] = pointer;
    }
  }
  if (sopt.srr !== 0) echo_srr(dopt, sopt, u8, iph);
  if (sopt.cipso !== 0) {
    const length = u8[iph + sopt.cipso + 1] as number;
    dopt.cipso = put(sopt.cipso, length) + IPHDR_LEN;
  }
  while ((dopt.optlen & 3) !== 0) data[dopt.optlen++] = IPOPT_END;
  return 0;
}

/** The way back is the way here, backwards. */
function echo_srr(dopt: ip_options, sopt: ip_options, u8: Uint8Array, iph: number): void {
  const start = iph + sopt.srr;
  const data = dopt.__data;
  const at = dopt.optlen;
  const length = u8[start + 1] as number;
  let from = u8[start + 2] as number;
  let to = 0;
  let faddr = 0;
  if (from > length) from = length + 1;
  from -= 4;
  if (from > 3) {
    faddr = get_unaligned_be32(u8, start + from - 1);
    for (from -= 4, to = 4; from > 3; from -= 4, to += 4)
      put_unaligned_be32(data, at + to - 1, get_unaligned_be32(u8, start + from - 1));
    // RFC 1812 requires that a route which names its own sender is put right.
    if (get_unaligned_be32(u8, iph + 12) === get_unaligned_be32(u8, start + from + 3)) to -= 4;
  }
  if (to <= 3) return;
  dopt.faddr = faddr;
  data[at] = u8[start] as number;
  data[at + 1] = to + 3;
  data[at + 2] = 4;
  dopt.srr = at + IPHDR_LEN;
  dopt.optlen += to + 3;
  dopt.flags |= sopt.flags & OPT_STRICTROUTE;
}

/**
 * ip_options_get: what a program hands to setsockopt(IP_OPTIONS), `data` of at most 40 bytes.
 * @returns options to be sent with every packet, or -EINVAL
 */
export function ip_options_get(net: net, data: Uint8Array): ip_options | number {
  if (data.length > MAX_IPOPTLEN) return -EINVAL;
  const opt = new ip_options();
  opt.__data.set(data);
  // IPOPT_END fills up to a multiple of four.
  opt.optlen = (data.length + 3) & ~3;
  return __ip_options_compile(net, opt, opt.__data, 0, null) === 0 ? opt : -EINVAL;
}

/** ip_options_undo: the bytes as the program gave them, for getsockopt(IP_OPTIONS). */
export function ip_options_undo(opt: ip_options): Uint8Array {
  const data = opt.__data.slice(0, opt.optlen);
  if (opt.srr !== 0) {
    const at = opt.srr - IPHDR_LEN;
    data.copyWithin(at + 7, at + 3, at + (data[at + 1] as number) - 4);
    put_unaligned_be32(data, at + 3, opt.faddr);
  }
  const back = (at: number): void => {
    data[at + 2] = (data[at + 2] as number) - 4;
    put_unaligned_be32(data, at + (data[at + 2] as number) - 1, 0);
  };
  if ((opt.flags & OPT_RR_NEEDADDR) !== 0) back(opt.rr - IPHDR_LEN);
  if (opt.ts !== 0) {
    const at = opt.ts - IPHDR_LEN;
    if ((opt.flags & OPT_TS_NEEDTIME) !== 0) {
      back(at);
      if (((data[at + 3] as number) & 15) === IPOPT_TS_PRESPEC) data[at + 2] = (data[at + 2] as number) - 4;
    }
    if ((opt.flags & OPT_TS_NEEDADDR) !== 0) back(at);
  }
  return data;
}
