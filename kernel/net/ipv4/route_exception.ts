/**
 * What was learnt of single destinations behind a next hop (struct fib_nh_exception, net/ipv4/route.c): a path MTU from
 * "fragmentation needed" (RFC 1191), another gateway from a redirect (RFC 792, RFC 1122 3.2.2.2). And the redirects that
 * we send as a router (RFC 1812 5.2.7.2).
 */
import { EINVAL } from '../../errno.ts';
import { hsiphash, hsiphash_key } from '../../lib/siphash.ts';
import { DST_OBSOLETE_KILL, dst_entry } from '../core/dst.ts';
import { NUD_VALID, neigh_create, neigh_event_send, neigh_lookup } from '../core/neighbour.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import type { sk_buff } from '../core/skbuff.ts';
import type { sock } from '../core/sock.ts';
import { inet_addr_onlink } from './devinet.ts';
import {
  type fib_info,
  fib_lookup,
  type fib_nh,
  fib_select_path,
  type flowi4,
  inet_addr_type,
  RTN_UNICAST,
} from './fib.ts';
import { ip_fib_check_default } from './fib_frontend.ts';
import { ICMP_REDIRECT, icmp_send } from './icmp.ts';
import {
  get32,
  IPTOS_RT_MASK,
  inet_ntoa,
  iph_daddr,
  iph_saddr,
  ipv4_is_lbcast,
  ipv4_is_multicast,
  ipv4_is_zeronet,
} from './ip_header.ts';
import { ip_mtu_locked, ip_route_output_key, RTCF_REDIRECTED, rt_nexthop, type rtable } from './route.ts';

const FNHE_HASH_SIZE = 2048;
/** Exceptions that a bucket may hold, and how many more by chance, so that nobody can tell which one goes. */
const FNHE_RECLAIM_DEPTH = 5;
/** Codes of a redirect. */
const ICMP_REDIR_HOST = 1;
const ICMP_REDIR_HOSTTOS = 3;
/** pmtudisc values whose sockets mind no message about the path (IP_PMTUDISC_INTERFACE, IP_PMTUDISC_OMIT). */
const IP_PMTUDISC_INTERFACE = 4;
const IP_PMTUDISC_OMIT = 5;

/** struct fib_nh_exception */
export class fib_nh_exception {
  readonly fnhe_daddr: number;
  fnhe_genid: number;
  /** 0: the next hop's. */
  fnhe_gw = 0;
  /** 0: nothing was learnt. */
  fnhe_pmtu = 0;
  fnhe_mtu_locked = false;
  /** jiffies: when it is forgotten (0: never), and when it was last used. */
  fnhe_expires = 0;
  fnhe_stamp: number;
  fnhe_rth_input: rtable | null = null;
  fnhe_rth_output: rtable | null = null;
  next: fib_nh_exception | null = null;

  constructor(daddr: number, genid: number, now: number) {
    this.fnhe_daddr = daddr;
    this.fnhe_genid = genid;
    this.fnhe_stamp = now;
  }
}

/** The exceptions of one next hop, by destination. */
export class fnhe_table {
  private readonly net: net;
  private readonly buckets = new Array<fib_nh_exception | null>(FNHE_HASH_SIZE).fill(null);
  private readonly key: hsiphash_key;
  private readonly words = new Int32Array(1);
  count = 0;

  constructor(net: net) {
    this.net = net;
    this.key = new hsiphash_key(net.ipv4.fib.random.u32(), net.ipv4.fib.random.u32());
  }

  private bucket(daddr: number): number {
    this.words[0] = daddr;
    return hsiphash(this.words, 1, this.key) & (FNHE_HASH_SIZE - 1);
  }

  /** find_exception: the destination's, unless it is out of date, when it is deleted. */
  find(daddr: number): fib_nh_exception | null {
    const at = this.bucket(daddr);
    for (let fnhe = this.buckets[at] as fib_nh_exception | null; fnhe !== null; fnhe = fnhe.next) {
      if (fnhe.fnhe_daddr !== daddr) continue;
      if (fnhe.fnhe_expires !== 0 && this.net.kernel.timers.jiffies() > fnhe.fnhe_expires) {
        this.remove(at, fnhe);
        return null;
      }
      return fnhe;
    }
    return null;
  }

  /** A new one; the oldest of its bucket make room. */
  add(daddr: number): fib_nh_exception {
    const { net } = this;
    const at = this.bucket(daddr);
    let depth = 0;
    for (let fnhe = this.buckets[at] as fib_nh_exception | null; fnhe !== null; fnhe = fnhe.next) depth++;
    const most = FNHE_RECLAIM_DEPTH + (depth > FNHE_RECLAIM_DEPTH ? net.ipv4.fib.random.u32() % FNHE_RECLAIM_DEPTH : 0);
    for (; depth > most; depth--) {
      // fnhe_remove_oldest
      let oldest = this.buckets[at] as fib_nh_exception;
      for (let fnhe = oldest.next; fnhe !== null; fnhe = fnhe.next)
        if (fnhe.fnhe_stamp < oldest.fnhe_stamp) oldest = fnhe;
      this.remove(at, oldest);
    }
    const fresh = new fib_nh_exception(daddr, fnhe_genid(net), net.kernel.timers.jiffies());
    fresh.next = this.buckets[at] as fib_nh_exception | null;
    this.buckets[at] = fresh;
    this.count++;
    return fresh;
  }

  private remove(at: number, fnhe: fib_nh_exception): void {
    if (this.buckets[at] === fnhe) this.buckets[at] = fnhe.next;
    else {
      let previous = this.buckets[at] as fib_nh_exception;
      while (previous.next !== fnhe) previous = previous.next as fib_nh_exception;
      previous.next = fnhe.next;
    }
    this.count--;
    // Routes that were made for it are so no more.
    if (fnhe.fnhe_rth_input !== null) fnhe.fnhe_rth_input.obsolete = DST_OBSOLETE_KILL;
    if (fnhe.fnhe_rth_output !== null) fnhe.fnhe_rth_output.obsolete = DST_OBSOLETE_KILL;
  }

  /** All of them, for `ip route show cache`. */
  list(): fib_nh_exception[] {
    const all: fib_nh_exception[] = [];
    for (const first of this.buckets) for (let fnhe = first; fnhe !== null; fnhe = fnhe.next) all.push(fnhe);
    return all;
  }
}

/** fnhe_genid: `ip route flush cache` forgets all of them. */
export function fnhe_genid(net: net): number {
  return net.ipv4.rt.fnhe_genid;
}

/** fnhe_genid_bump */
export function fnhe_genid_bump(net: net): void {
  net.ipv4.rt.fnhe_genid = (net.ipv4.rt.fnhe_genid + 1) | 0;
}

/** fill_route_from_fnhe */
export function fill_route_from_fnhe(rt: rtable, fnhe: fib_nh_exception): void {
  rt.rt_pmtu = fnhe.fnhe_pmtu;
  rt.rt_mtu_locked = fnhe.fnhe_mtu_locked;
  rt.expires = fnhe.fnhe_expires;
  if (fnhe.fnhe_gw !== 0) {
    rt.rt_flags |= RTCF_REDIRECTED;
    rt.rt_uses_gateway = true;
    rt.rt_gw4 = fnhe.fnhe_gw;
  }
}

/** update_or_create_fnhe: something was learnt of a destination. 0 for what was not. */
export function update_or_create_fnhe(
  net: net,
  nh: fib_nh,
  daddr: number,
  gw: number,
  pmtu: number,
  lock: boolean,
  expires: number,
): void {
  if (nh.exceptions === null) nh.exceptions = new fnhe_table(net);
  const now = net.kernel.timers.jiffies();
  const genid = fnhe_genid(net);
  let fnhe = nh.exceptions.find(daddr);
  if (fnhe !== null) {
    if (fnhe.fnhe_genid !== genid) fnhe.fnhe_genid = genid;
    if (gw !== 0) fnhe.fnhe_gw = gw;
    if (pmtu !== 0) {
      fnhe.fnhe_pmtu = pmtu;
      fnhe.fnhe_mtu_locked = lock;
    }
    fnhe.fnhe_expires = Math.max(1, expires);
    fnhe.fnhe_stamp = now;
    // Routes made for it hear of it.
    if (fnhe.fnhe_rth_input !== null) fill_route_from_fnhe(fnhe.fnhe_rth_input, fnhe);
    if (fnhe.fnhe_rth_output !== null) fill_route_from_fnhe(fnhe.fnhe_rth_output, fnhe);
    return;
  }
  fnhe = nh.exceptions.add(daddr);
  fnhe.fnhe_gw = gw;
  fnhe.fnhe_pmtu = pmtu;
  fnhe.fnhe_mtu_locked = lock;
  fnhe.fnhe_expires = Math.max(1, expires);
  // Whoever keeps a route of the next hop asks again whether the exception is for it.
  if (nh.rth_input !== null) nh.rth_input.obsolete = DST_OBSOLETE_KILL;
  if (nh.rth_output !== null) nh.rth_output.obsolete = DST_OBSOLETE_KILL;
}

// ---- path MTU ---------------------------------------------------------------------------------------------------

/** __ip_rt_update_pmtu: the path of a flow is narrower than we thought. */
export function __ip_rt_update_pmtu(rt: rtable, fl4: flowi4, mtu: number): void {
  if (ip_mtu_locked(rt)) return;
  const { net } = rt;
  const { route } = net.ipv4;
  const old = rt.mtu();
  if (old < mtu) return;
  let lock = false;
  if (mtu < route.min_pmtu) {
    lock = true;
    mtu = Math.min(old, route.min_pmtu);
  }
  const now = net.kernel.timers.jiffies();
  // The same again soon: nothing to note.
  if (rt.rt_pmtu === mtu && !lock && now < rt.expires - Math.floor(route.mtu_expires / 2)) return;
  const { res } = net.ipv4.rt;
  if (fib_lookup(net, fl4, res) !== 0) return;
  const { nhs } = res.fi as fib_info;
  const expires = now + route.mtu_expires;
  if (nhs.length > 1) {
    // The message does not say which way the packet took.
    for (let i = 0; i < nhs.length; i++) {
      update_or_create_fnhe(net, nhs[i] as fib_nh, fl4.daddr, 0, mtu, lock, expires);
    }
    return;
  }
  fib_select_path(net, res, fl4, null);
  update_or_create_fnhe(net, res.nh as fib_nh, fl4.daddr, 0, mtu, lock, expires);
}

/** __build_flow_key from the packet that an ICMP message quotes at skb.data, which we sent, and its socket. */
function build_flow_key(net: net, skb: sk_buff, sk: sock | null, oif: number, mark: number, protocol: number): flowi4 {
  const { ram, data } = skb;
  const { error_fl } = net.ipv4.rt;
  error_fl.init(get32(ram, data + 16), get32(ram, data + 12));
  error_fl.tos = (ram.u8[data + 1] as number) & IPTOS_RT_MASK;
  error_fl.proto = protocol;
  error_fl.oif = oif;
  error_fl.mark = mark;
  error_fl.iif = (net.loopback_dev as net_device).ifindex;
  if (sk !== null) {
    error_fl.oif = sk.sk_bound_dev_if;
    error_fl.mark = sk.sk_mark;
    error_fl.tos = sk.tos & IPTOS_RT_MASK;
  }
  return error_fl;
}

/**
 * ipv4_update_pmtu: for an error handler without a socket: the packet quoted at skb.data met a link of `mtu` bytes.
 * `oif` 0: any device. Does not take the skb.
 */
export function ipv4_update_pmtu(skb: sk_buff, net: net, mtu: number, oif: number, protocol: number): void {
  const fl4 = build_flow_key(net, skb, null, oif, 0, protocol);
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt !== 'number') __ip_rt_update_pmtu(rt, fl4, mtu);
}

/** ip_sk_accept_pmtu: does the socket believe such messages? */
export function ip_sk_accept_pmtu(sk: sock): boolean {
  return sk.opts.pmtudisc !== IP_PMTUDISC_INTERFACE && sk.opts.pmtudisc !== IP_PMTUDISC_OMIT;
}

/** ipv4_sk_update_pmtu: the same for the packet of a socket, whose cached route is brought up to date. */
export function ipv4_sk_update_pmtu(skb: sk_buff, sk: sock, mtu: number): void {
  if (!ip_sk_accept_pmtu(sk)) return;
  const net = sk.sk_net;
  const fl4 = build_flow_key(net, skb, sk, 0, 0, skb.ram.u8[skb.data + 9] as number);
  let rt = sk.sk_dst_cache as rtable | null;
  if (rt === null || !rt.check()) {
    const asked = ip_route_output_key(net, fl4);
    if (typeof asked === 'number') return;
    rt = asked;
  }
  __ip_rt_update_pmtu(rt, fl4, mtu);
  if (sk.sk_dst_cache !== null && !sk.sk_dst_cache.check()) {
    const fresh = ip_route_output_key(net, build_flow_key(net, skb, sk, 0, 0, skb.ram.u8[skb.data + 9] as number));
    sk.sk_dst_cache = fresh instanceof dst_entry ? fresh : null;
  }
}

// ---- redirects, obeyed ------------------------------------------------------------------------------------------

/** __ip_do_redirect: RFC 1122 3.2.2.2: only from the gateway in use, to one on the same link. 0, or -EINVAL: refused. */
function __ip_do_redirect(rt: rtable, skb: sk_buff, fl4: flowi4, kill_route: boolean): number {
  const { ram } = skb;
  const code = ram.u8[skb.transport_header + 1] as number;
  const new_gw = get32(ram, skb.transport_header + 4);
  const old_gw = iph_saddr(skb);
  const dev = skb.dev as net_device;
  if ((code & 7) > ICMP_REDIR_HOSTTOS) return -EINVAL;
  if (rt.rt_gw4 !== old_gw) return -EINVAL;
  const in_dev = dev.ip_ptr;
  if (in_dev === null) return -EINVAL;
  const { net } = in_dev;
  const unfit =
    new_gw === old_gw ||
    !in_dev.accept_redirects() ||
    ipv4_is_multicast(new_gw) ||
    ipv4_is_lbcast(new_gw) ||
    ipv4_is_zeronet(new_gw);
  const refused =
    unfit ||
    (in_dev.shared_media()
      ? inet_addr_type(net, new_gw) !== RTN_UNICAST
      : !inet_addr_onlink(in_dev, new_gw, old_gw) ||
        (in_dev.secure_redirects() && !ip_fib_check_default(net, new_gw, dev)));
  if (refused) {
    if (in_dev.log_martians() && net.ipv4.rt.log_allowed(net)) {
      net.kernel.printk(
        `Redirect from ${inet_ntoa(old_gw)} on ${dev.name} about ${inet_ntoa(new_gw)} ignored\n` +
          `  Advised path = ${inet_ntoa(get32(ram, skb.data + 12))} -> ${inet_ntoa(get32(ram, skb.data + 16))}`,
      );
    }
    return -EINVAL;
  }
  const { arp } = net.ipv4;
  const n = neigh_lookup(arp, new_gw, rt.dev) ?? neigh_create(arp, new_gw, rt.dev);
  if (n === null) return 0;
  if ((n.nud_state & NUD_VALID) === 0) {
    // It has to show that it is there first.
    neigh_event_send(n);
    return 0;
  }
  const { res } = net.ipv4.rt;
  if (fib_lookup(net, fl4, res) === 0) {
    fib_select_path(net, res, fl4, null);
    const expires = net.kernel.timers.jiffies() + net.ipv4.route.gc_timeout;
    update_or_create_fnhe(net, res.nh as fib_nh, fl4.daddr, new_gw, 0, false, expires);
  }
  if (kill_route) rt.obsolete = DST_OBSOLETE_KILL;
  return 0;
}

/** ipv4_redirect: an ICMP redirect about the packet quoted at skb.data, for a handler without a socket. */
export function ipv4_redirect(skb: sk_buff, net: net, oif: number, protocol: number): void {
  const fl4 = build_flow_key(net, skb, null, oif, 0, protocol);
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt !== 'number') __ip_do_redirect(rt, skb, fl4, false);
}

/** ipv4_sk_redirect: the same for the packet of a socket. */
export function ipv4_sk_redirect(skb: sk_buff, sk: sock): void {
  const net = sk.sk_net;
  const fl4 = build_flow_key(net, skb, sk, 0, 0, skb.ram.u8[skb.data + 9] as number);
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt !== 'number') __ip_do_redirect(rt, skb, fl4, false);
}

/** ip_do_redirect (dst_ops.redirect): the same for a protocol that knows the route in use; that one is dead then. */
export function ip_do_redirect(rt: rtable, sk: sock | null, skb: sk_buff): void {
  const protocol = skb.ram.u8[skb.data + 9] as number;
  const fl4 = build_flow_key(rt.net, skb, sk, (skb.dev as net_device).ifindex, skb.mark, protocol);
  __ip_do_redirect(rt, skb, fl4, true);
}

// ---- redirects, sent --------------------------------------------------------------------------------------------

/**
 * ip_rt_send_redirect: tells the sender of a packet that goes out where it came in of the better way. Ever more seldom,
 * and after nine in vain no more, until the peer has been silent for 20 s (RFC 1812 5.2.7.2, 4.3.2.8).
 */
export function ip_rt_send_redirect(skb: sk_buff): void {
  const rt = skb.dst as rtable;
  const in_dev = rt.dev.ip_ptr;
  if (in_dev === null || !in_dev.send_redirects()) return;
  const { net } = rt;
  const { redirect_number, redirect_load, redirect_silence } = net.ipv4.route;
  const gw = rt_nexthop(rt, iph_daddr(skb));
  const peer = net.ipv4.peers.get(iph_saddr(skb));
  if (peer === null) {
    icmp_send(skb, ICMP_REDIRECT, ICMP_REDIR_HOST, gw);
    return;
  }
  const now = net.kernel.timers.jiffies();
  if (now > peer.rate_last + redirect_silence) {
    peer.rate_tokens = 0;
    peer.n_redirects = 0;
  }
  if (peer.n_redirects >= redirect_number) {
    // From the last packet that should not have come.
    peer.rate_last = now;
    return;
  }
  if (peer.n_redirects > 0 && now <= peer.rate_last + redirect_load * 2 ** peer.n_redirects) return;
  icmp_send(skb, ICMP_REDIRECT, ICMP_REDIR_HOST, gw);
  peer.rate_last = now;
  peer.n_redirects++;
  if (in_dev.log_martians() && peer.n_redirects === redirect_number && net.ipv4.rt.log_allowed(net)) {
    net.kernel.printk(
      `host ${inet_ntoa(iph_saddr(skb))}/if${skb.skb_iif} ignores redirects for ${inet_ntoa(iph_daddr(skb))} to ${inet_ntoa(gw)}`,
    );
  }
}
