/**
 * Network address translation (net/netfilter/nf_nat_core.c, nf_nat_proto.c): a connection's reply tuple says what its
 * packets have to be changed to. Decided once, with the first packet.
 */

import type { RandomStream } from '../../arch.ts';
import { csum_fold, csum_from_partial, csum_partial } from '../../lib/checksum.ts';
import { hsiphash } from '../../lib/siphash.ts';
import type { net } from '../core/net_namespace.ts';
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL, pskb_may_pull, type sk_buff, skb_cow_head } from '../core/skbuff.ts';
import {
  get16,
  get32,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  iph_daddr,
  iph_ihl,
  iph_protocol,
  iph_saddr,
  put16,
  put32,
} from '../ipv4/ip_header.ts';
import { ip_route_me_harder } from '../ipv4/netfilter/ip_route_me_harder.ts';
import {
  NF_ACCEPT,
  NF_DROP,
  NF_DROP_ERR,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_VERDICT_MASK,
  type nf_hook_state,
} from './core.ts';
import {
  CTINFO2DIR,
  IP_CT_NEW,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
  IPS_CONFIRMED,
  IPS_DST_NAT,
  IPS_DST_NAT_DONE,
  IPS_NAT_DONE_MASK,
  IPS_NAT_MASK,
  IPS_SRC_NAT,
  IPS_SRC_NAT_DONE,
  type nf_conn,
  type nf_conntrack_tuple,
  T_DST,
  T_PORTS,
  T_PROTO,
  T_SRC,
  TUPLE_WORDS,
} from './nf_conntrack.ts';
import { type nf_conntrack_net, nf_ct_invert_tuple, nf_ip_checksum } from './nf_conntrack_core.ts';
import { nf_ct_netns_get } from './nf_conntrack_standalone.ts';

export const NF_NAT_MANIP_SRC = 0;
export const NF_NAT_MANIP_DST = 1;

/** nf_nat_range2.flags */
export const NF_NAT_RANGE_MAP_IPS = 1;
export const NF_NAT_RANGE_PROTO_SPECIFIED = 2;
export const NF_NAT_RANGE_PROTO_RANDOM = 4;
export const NF_NAT_RANGE_PERSISTENT = 8;
export const NF_NAT_RANGE_PROTO_RANDOM_FULLY = 16;
const RANDOM_ALL = NF_NAT_RANGE_PROTO_RANDOM | NF_NAT_RANGE_PROTO_RANDOM_FULLY;

/** What a connection may be mapped to: addresses in host order, ports. */
export interface nf_nat_range {
  flags: number;
  min_addr: number;
  max_addr: number;
  min_proto: number;
  max_proto: number;
}

/** Searches for a free port give up after so many tries in a row, halve, and try from elsewhere. */
const MAX_ATTEMPTS = 128;
const MIN_ATTEMPTS = 16;
const BYSOURCE = 4096;

export class nf_nat_net {
  readonly net: net;
  readonly ct_net: nf_conntrack_net;
  /** Connections by what they were from, so that one host keeps one mapping (nf_nat_bysource); by slot + 1. */
  readonly bysource = new Int32Array(BYSOURCE);
  readonly random: RandomStream;
  /** A table that decides, by kind of manipulation; set by the nat table. */
  lookup: ((skb: sk_buff, state: nf_hook_state) => number) | null = null;
  readonly curr = new Int32Array(TUPLE_WORDS);
  readonly new_tuple = new Int32Array(TUPLE_WORDS);
  readonly scratch = new Int32Array(TUPLE_WORDS);
  readonly target = new Int32Array(TUPLE_WORDS);
  readonly null_range: nf_nat_range = { flags: 0, min_addr: 0, max_addr: 0, min_proto: 0, max_proto: 0 };
  private readonly words = new Int32Array(4);

  constructor(net: net, ct_net: nf_conntrack_net) {
    this.net = net;
    this.ct_net = ct_net;
    this.random = net.kernel.arch.random('nf_nat');
    ct_net.nat_cleanup = ct => this.forget(ct);
  }

  /** hash_by_src */
  bucket(ports: number, proto: number, src: number): number {
    const { words } = this;
    words[0] = src;
    words[1] = ports >>> 16;
    words[2] = proto;
    return hsiphash(words, 3, this.ct_net.key) & (BYSOURCE - 1);
  }

  /** Into the chain by source; under its original tuple. */
  remember(ct: nf_conn): void {
    if (ct.nat_bucket >= 0) return;
    const { ct_net, bysource } = this;
    const bucket = this.bucket(ct_net.word(ct, 0, T_PORTS), ct_net.word(ct, 0, T_PROTO), ct_net.word(ct, 0, T_SRC));
    ct.nat_bucket = bucket;
    ct.nat_prev = -1;
    ct.nat_next = (bysource[bucket] as number) - 1;
    if (ct.nat_next >= 0) (ct_net.conns[ct.nat_next] as nf_conn).nat_prev = ct.slot;
    bysource[bucket] = ct.slot + 1;
  }

  /** nf_nat_cleanup_conntrack */
  private forget(ct: nf_conn): void {
    if (ct.nat_bucket < 0) return;
    const { conns } = this.ct_net;
    if (ct.nat_prev >= 0) (conns[ct.nat_prev] as nf_conn).nat_next = ct.nat_next;
    else this.bysource[ct.nat_bucket] = ct.nat_next + 1;
    if (ct.nat_next >= 0) (conns[ct.nat_next] as nf_conn).nat_prev = ct.nat_prev;
    ct.nat_bucket = -1;
  }
}

/** NAT of this net, with tracking on: made when first asked for. */
export function nf_nat_init(net: net): nf_nat_net {
  const { nf } = net;
  if (nf.nat === null) nf.nat = new nf_nat_net(net, nf_ct_netns_get(net));
  return nf.nat;
}

/** The part of a tuple's ports that a manipulation changes: source or destination port, or an ICMP message's id. */
function port_of(tuple: nf_conntrack_tuple, manip: number): number {
  const ports = tuple[T_PORTS] as number;
  if (((tuple[T_PROTO] as number) & 0xff) === IPPROTO_ICMP) return ports >>> 16;
  return manip === NF_NAT_MANIP_SRC ? ports >>> 16 : ports & 0xffff;
}

function set_port(tuple: nf_conntrack_tuple, manip: number, port: number): void {
  const ports = tuple[T_PORTS] as number;
  const high = ((tuple[T_PROTO] as number) & 0xff) === IPPROTO_ICMP || manip === NF_NAT_MANIP_SRC;
  tuple[T_PORTS] = high ? (port << 16) | (ports & 0xffff) : (ports & ~0xffff) | port;
}

const below = (a: number, b: number): boolean => a >>> 0 < b >>> 0;

/** nf_in_range: is the tuple's source within the range already? */
function in_range(tuple: nf_conntrack_tuple, range: nf_nat_range): boolean {
  const src = tuple[T_SRC] as number;
  if ((range.flags & NF_NAT_RANGE_MAP_IPS) !== 0 && (below(src, range.min_addr) || below(range.max_addr, src)))
    return false;
  if ((range.flags & NF_NAT_RANGE_PROTO_SPECIFIED) === 0) return true;
  const port = port_of(tuple, NF_NAT_MANIP_SRC);
  return !has_ports(tuple) || (port >= range.min_proto && port <= range.max_proto);
}

function has_ports(tuple: nf_conntrack_tuple): boolean {
  const proto = (tuple[T_PROTO] as number) & 0xff;
  return proto === IPPROTO_TCP || proto === IPPROTO_UDP || proto === IPPROTO_ICMP;
}

/** nf_nat_used_tuple: would the answers to it be another connection's? */
function used(nat: nf_nat_net, tuple: nf_conntrack_tuple, ct: nf_conn): boolean {
  return nf_ct_invert_tuple(nat.scratch, tuple) && nat.ct_net.tuple_taken(nat.scratch, ct);
}

/** find_appropriate_src: the mapping that another connection of the same source has; true when it may serve here. */
function find_appropriate_src(
  nat: nf_nat_net,
  orig: nf_conntrack_tuple,
  result: nf_conntrack_tuple,
  range: nf_nat_range,
): boolean {
  const { ct_net } = nat;
  const proto = orig[T_PROTO] as number;
  const src = orig[T_SRC] as number;
  const sport = (orig[T_PORTS] as number) >>> 16;
  for (let link = nat.bysource[nat.bucket(orig[T_PORTS] as number, proto, src)] as number; link !== 0; ) {
    const ct = ct_net.conns[link - 1] as nf_conn;
    link = ct.nat_next + 1;
    if (ct_net.word(ct, 0, T_PROTO) !== proto || ct_net.word(ct, 0, T_SRC) !== src) continue;
    if (ct_net.word(ct, 0, T_PORTS) >>> 16 !== sport) continue;
    // The destination is ours, the source what that connection's answers go to.
    for (let i = 0; i < TUPLE_WORDS; i++) result[i] = orig[i] as number;
    result[T_SRC] = ct_net.word(ct, 1, T_DST);
    const back = ct_net.word(ct, 1, T_PORTS);
    set_port(result, NF_NAT_MANIP_SRC, (proto & 0xff) === IPPROTO_ICMP ? back >>> 16 : back & 0xffff);
    if (in_range(result, range)) return true;
  }
  return false;
}

/** find_best_ips_proto: an address of the range, always the same for the same two hosts. */
function find_best_ip(nat: nf_nat_net, tuple: nf_conntrack_tuple, range: nf_nat_range, manip: number): void {
  if ((range.flags & NF_NAT_RANGE_MAP_IPS) === 0) return;
  const at = manip === NF_NAT_MANIP_SRC ? T_SRC : T_DST;
  const min = range.min_addr >>> 0;
  const max = range.max_addr >>> 0;
  if (min === max) {
    tuple[at] = range.min_addr;
    return;
  }
  const { target } = nat;
  target[0] = tuple[T_SRC] as number;
  target[1] = (range.flags & NF_NAT_RANGE_PERSISTENT) !== 0 ? 0 : (tuple[T_DST] as number);
  const hash = hsiphash(target, 2, nat.ct_net.key) >>> 0;
  tuple[at] = min + Math.floor((hash * (max - min + 1)) / 2 ** 32);
}

/** nf_nat_l4proto_unique_tuple: a port, or id, that nobody has. When there is none the last one tried stays. */
function l4proto_unique_tuple(
  nat: nf_nat_net,
  tuple: nf_conntrack_tuple,
  range: nf_nat_range,
  manip: number,
  ct: nf_conn,
): void {
  if (!has_ports(tuple)) return;
  const icmp = ((tuple[T_PROTO] as number) & 0xff) === IPPROTO_ICMP;
  let min: number;
  let size: number;
  if ((range.flags & NF_NAT_RANGE_PROTO_SPECIFIED) !== 0) {
    min = range.min_proto;
    size = range.max_proto - min + 1;
  } else if (icmp) {
    min = 0;
    size = 65536;
  } else {
    // A destination port is changed only when the rule says so.
    if (manip === NF_NAT_MANIP_DST) return;
    const port = port_of(tuple, manip);
    if (port < 512) {
      min = 1;
      size = 511;
    } else if (port < 1024) {
      min = 600;
      size = 1023 - 600 + 1;
    } else {
      min = 1024;
      size = 65535 - 1024 + 1;
    }
  }
  let off =
    (range.flags & (RANDOM_ALL | NF_NAT_RANGE_PROTO_SPECIFIED)) === NF_NAT_RANGE_PROTO_SPECIFIED
      ? port_of(tuple, manip) - min
      : nat.random.u32() & 0xffff;
  off = ((off % size) + size) % size;
  for (let attempts = Math.min(size, MAX_ATTEMPTS); ; attempts >>= 1) {
    for (let i = 0; i < attempts; i++, off++) {
      set_port(tuple, manip, min + (off % size));
      if (!used(nat, tuple, ct)) return;
    }
    if (attempts >= size || attempts < MIN_ATTEMPTS) return;
    off = (nat.random.u32() & 0xffff) % size;
  }
}

/** get_unique_tuple: what `orig` becomes within the range, such that its answers are nobody else's. */
function get_unique_tuple(
  nat: nf_nat_net,
  tuple: nf_conntrack_tuple,
  orig: nf_conntrack_tuple,
  range: nf_nat_range,
  ct: nf_conn,
  manip: number,
): void {
  // 1: as it is, or as others of the same source are mapped.
  if (manip === NF_NAT_MANIP_SRC && (range.flags & RANDOM_ALL) === 0) {
    if (in_range(orig, range)) {
      if (!used(nat, orig, ct)) {
        tuple.set(orig);
        return;
      }
    } else if (find_appropriate_src(nat, orig, tuple, range)) {
      if (!used(nat, tuple, ct)) return;
    }
  }
  // 2: an address of the range.
  tuple.set(orig);
  find_best_ip(nat, tuple, range, manip);
  // 3: the port, only when it must be.
  if ((range.flags & RANDOM_ALL) === 0) {
    if ((range.flags & NF_NAT_RANGE_PROTO_SPECIFIED) !== 0) {
      const port = port_of(tuple, manip);
      if (
        has_ports(tuple) &&
        port >= range.min_proto &&
        port <= range.max_proto &&
        (range.min_proto === range.max_proto || !used(nat, tuple, ct))
      ) {
        return;
      }
    } else if (!used(nat, tuple, ct)) return;
  }
  l4proto_unique_tuple(nat, tuple, range, manip, ct);
}

/** nf_nat_setup_info: settles one end of a connection that is not confirmed. A verdict. */
export function nf_nat_setup_info(ct: nf_conn, range: nf_nat_range, manip: number): number {
  if ((ct.status & IPS_CONFIRMED) !== 0) return NF_ACCEPT;
  const done = manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE;
  if ((ct.status & done) !== 0) return NF_ACCEPT;
  const { ct_net } = ct;
  const nat = nf_nat_init(ct_net.net);
  const { curr, new_tuple } = nat;
  // What the packets are by now: the other end may have been changed already.
  nf_ct_invert_tuple(curr, ct_net.tuple(ct, 1, ct_net.reply));
  get_unique_tuple(nat, new_tuple, curr, range, ct, manip);
  let changed = false;
  for (let i = 0; i < TUPLE_WORDS; i++) changed = changed || new_tuple[i] !== curr[i];
  if (changed) {
    nf_ct_invert_tuple(nat.scratch, new_tuple);
    ct_net.set_tuple(ct, 1, nat.scratch);
    ct.status |= manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT : IPS_DST_NAT;
  }
  if (manip === NF_NAT_MANIP_SRC) nat.remember(ct);
  ct.status |= done;
  return NF_ACCEPT;
}

// ---- packets ----------------------------------------------------------------------------------------------------

/** csum_replace: a 16-bit checksum at `at` after a word changed (RFC 1624). */
function replace16(skb: sk_buff, at: number, from: number, to: number): void {
  const { ram } = skb;
  let sum = (~get16(ram, at) & 0xffff) + (~from & 0xffff) + to;
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  put16(ram, at, ~sum & 0xffff);
}

function replace32(skb: sk_buff, at: number, from: number, to: number): void {
  replace16(skb, at, from >>> 16, to >>> 16);
  replace16(skb, at, from & 0xffff, to & 0xffff);
}

/** inet_proto_csum_replace: a transport checksum, which may still have to be made: then it holds the pseudo header's sum. */
function proto_replace16(skb: sk_buff, at: number, from: number, to: number, pseudo: boolean): void {
  if (skb.ip_summed !== CHECKSUM_PARTIAL) {
    replace16(skb, at, from, to);
    return;
  }
  if (!pseudo) return;
  const { ram } = skb;
  let sum = get16(ram, at) + (~from & 0xffff) + to;
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  put16(ram, at, sum);
}

/**
 * l4proto_manip_pkt and nf_nat_ipv4_manip_pkt: writes one end of `target` into the packet whose IP header is at `iph`.
 * False when it cannot be. `quoted`: a packet within an ICMP error, of which not all is there.
 */
function manip_pkt(skb: sk_buff, iph: number, target: nf_conntrack_tuple, manip: number, quoted: boolean): boolean {
  const { ram } = skb;
  const { u8 } = ram;
  const th = iph + ((u8[iph] as number) & 15) * 4;
  const end = skb.tail;
  const at = iph + (manip === NF_NAT_MANIP_SRC ? 12 : 16);
  const from = get32(ram, at);
  const to = target[manip === NF_NAT_MANIP_SRC ? T_SRC : T_DST] as number;
  const protocol = u8[iph + 9] as number;
  let check = 0;
  if ((get16(ram, iph + 6) & 0x1fff) === 0) {
    if (protocol === IPPROTO_UDP || protocol === IPPROTO_TCP) {
      if (th + 8 > end) return false;
      check = protocol === IPPROTO_UDP ? th + 6 : th + 16;
      if (check + 2 > end) {
        if (!quoted) return false;
        check = 0;
      }
      const none = protocol === IPPROTO_UDP && get16(ram, th + 6) === 0 && skb.ip_summed !== CHECKSUM_PARTIAL;
      if (none) check = 0;
      const port_at = manip === NF_NAT_MANIP_SRC ? th : th + 2;
      const old = get16(ram, port_at);
      const port = port_of(target, manip);
      put16(ram, port_at, port);
      if (check !== 0) {
        if (quoted) {
          replace32(skb, check, from, to);
          replace16(skb, check, old, port);
        } else {
          proto_replace16(skb, check, from >>> 16, to >>> 16, true);
          proto_replace16(skb, check, from & 0xffff, to & 0xffff, true);
          proto_replace16(skb, check, old, port, false);
        }
        // A datagram's sum of 0 would say that there is none.
        if (protocol === IPPROTO_UDP && get16(ram, check) === 0) put16(ram, check, 0xffff);
      }
    } else if (protocol === IPPROTO_ICMP) {
      if (th + 8 > end) return false;
      const type = u8[th] as number;
      if (type === 0 || type === 8 || (type >= 13 && type <= 18)) {
        const id = port_of(target, manip);
        if (quoted) replace16(skb, th + 2, get16(ram, th + 4), id);
        else proto_replace16(skb, th + 2, get16(ram, th + 4), id, false);
        put16(ram, th + 4, id);
      }
    }
  }
  replace32(skb, iph + 10, from, to);
  put32(ram, at, to);
  return true;
}

/** A packet's bytes may be written to: linear headers, and nobody else's. */
function writable(skb: sk_buff, length: number): boolean {
  return pskb_may_pull(skb, Math.min(length, skb.len)) && skb_cow_head(skb, 0) === 0;
}

/** nf_nat_packet: applies what was settled to one packet of the connection. A verdict. */
export function nf_nat_packet(ct: nf_conn, ctinfo: number, hook: number, skb: sk_buff): number {
  const source = hook === NF_INET_POST_ROUTING || hook === NF_INET_LOCAL_IN;
  const manip = source ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST;
  const dir = CTINFO2DIR(ctinfo);
  let bit = source ? IPS_SRC_NAT : IPS_DST_NAT;
  if (dir !== 0) bit ^= IPS_SRC_NAT | IPS_DST_NAT;
  if ((ct.status & bit) === 0) return NF_ACCEPT;
  const { ct_net } = ct;
  const nat = nf_nat_init(ct_net.net);
  nf_ct_invert_tuple(nat.target, ct_net.tuple(ct, 1 - dir, nat.scratch));
  if (!writable(skb, iph_ihl(skb) * 4 + 20)) return NF_DROP;
  // The sum that a card made is another one now.
  if (skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = 0;
  return manip_pkt(skb, skb.network_header, nat.target, manip, false) ? NF_ACCEPT : NF_DROP;
}

/** nf_nat_icmp_reply_translation: an error about a translated connection, and the packet that it quotes. False: drop it. */
function icmp_reply_translation(skb: sk_buff, ct: nf_conn, ctinfo: number, hook: number): boolean {
  const hdrlen = iph_ihl(skb) * 4;
  if (!writable(skb, skb.len) || skb.len < hdrlen + 8 + 20) return false;
  const { ram } = skb;
  const { u8 } = ram;
  const icmp = skb.network_header + hdrlen;
  if (skb.ip_summed !== CHECKSUM_PARTIAL && !nf_ip_checksum(skb, IPPROTO_ICMP)) return false;
  // A redirect would have the two sides talk to each other without us.
  if (u8[icmp] === 5 && ((ct.status & IPS_NAT_DONE_MASK) !== IPS_NAT_DONE_MASK || (ct.status & IPS_NAT_MASK) !== 0)) {
    return false;
  }
  const source = hook === NF_INET_POST_ROUTING || hook === NF_INET_LOCAL_IN;
  const manip = source ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST;
  const dir = CTINFO2DIR(ctinfo);
  let bit = source ? IPS_SRC_NAT : IPS_DST_NAT;
  if (dir !== 0) bit ^= IPS_SRC_NAT | IPS_DST_NAT;
  if ((ct.status & bit) === 0) return true;
  const { ct_net } = ct;
  const nat = nf_nat_init(ct_net.net);
  // The quoted packet went the other way: the other end of it is changed.
  if (!manip_pkt(skb, icmp + 8, ct_net.tuple(ct, 1 - dir, nat.target), 1 - manip, true)) return false;
  put16(ram, icmp + 2, 0);
  const csum = csum_fold(csum_from_partial(csum_partial(ram, icmp, skb.tail - icmp, 0)));
  u8[icmp + 2] = csum & 0xff;
  u8[icmp + 3] = csum >> 8;
  skb.ip_summed = 0;
  nf_ct_invert_tuple(nat.target, ct_net.tuple(ct, 1 - dir, nat.scratch));
  return manip_pkt(skb, skb.network_header, nat.target, manip, false);
}

/** nf_nat_alloc_null_binding: no rule wanted anything, but the tuple must be unique all the same. */
function null_binding(ct: nf_conn, manip: number): number {
  const { ct_net } = ct;
  const { null_range } = nf_nat_init(ct_net.net);
  null_range.flags = NF_NAT_RANGE_MAP_IPS;
  const address = manip === NF_NAT_MANIP_SRC ? ct_net.word(ct, 1, T_DST) : ct_net.word(ct, 1, T_SRC);
  null_range.min_addr = address;
  null_range.max_addr = address;
  return nf_nat_setup_info(ct, null_range, manip);
}

/** nf_nat_inet_fn and the ICMP part of nf_nat_ipv4_fn. */
function nf_nat_ipv4_fn(nat: nf_nat_net, skb: sk_buff, state: nf_hook_state): number {
  const ct = skb._nfct;
  if (ct === null) return NF_ACCEPT;
  const ctinfo = skb.nfctinfo;
  const source = state.hook === NF_INET_POST_ROUTING || state.hook === NF_INET_LOCAL_IN;
  const manip = source ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST;
  if (ctinfo === IP_CT_RELATED || ctinfo === IP_CT_RELATED_REPLY) {
    if (iph_protocol(skb) === IPPROTO_ICMP)
      return icmp_reply_translation(skb, ct, ctinfo, state.hook) ? NF_ACCEPT : NF_DROP;
  }
  const done = source ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE;
  if (ctinfo === IP_CT_NEW || ctinfo === IP_CT_RELATED || ctinfo === IP_CT_RELATED_REPLY) {
    if ((ct.status & done) === 0) {
      if (nat.lookup !== null) {
        const verdict = nat.lookup(skb, state);
        if (verdict !== NF_ACCEPT) return verdict;
      }
      if ((ct.status & done) === 0) {
        const verdict = null_binding(ct, manip);
        if (verdict !== NF_ACCEPT) return verdict;
      }
    }
  }
  // A masquerade by another device than this one is void (nf_nat_oif_changed).
  if (
    state.hook === NF_INET_POST_ROUTING &&
    ct.masq_index !== 0 &&
    state.out !== null &&
    ct.masq_index !== state.out.ifindex
  ) {
    if (CTINFO2DIR(ctinfo) === 0) {
      ct.ct_net.nf_ct_delete(ct);
      return NF_DROP;
    }
  }
  return nf_nat_packet(ct, ctinfo, state.hook, skb);
}

const nat_of = (state: nf_hook_state): nf_nat_net => state.net.nf.nat as nf_nat_net;

/** nf_nat_ipv4_pre_routing: what has another destination now is routed anew. */
export function nf_nat_ipv4_pre_routing(_priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  const daddr = iph_daddr(skb);
  const verdict = nf_nat_ipv4_fn(nat_of(state), skb, state);
  if ((verdict & NF_VERDICT_MASK) === NF_ACCEPT && daddr !== iph_daddr(skb)) skb.dst = null;
  return verdict;
}

/** nf_nat_ipv4_local_in */
export function nf_nat_ipv4_local_in(_priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  return nf_nat_ipv4_fn(nat_of(state), skb, state);
}

/** nf_nat_ipv4_out */
export function nf_nat_ipv4_out(_priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  return nf_nat_ipv4_fn(nat_of(state), skb, state);
}

/** nf_nat_ipv4_local_fn: what this host sends itself is routed again when its destination has changed. */
export function nf_nat_ipv4_local_fn(_priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  const daddr = iph_daddr(skb);
  const saddr = iph_saddr(skb);
  const verdict = nf_nat_ipv4_fn(nat_of(state), skb, state);
  if ((verdict & NF_VERDICT_MASK) !== NF_ACCEPT) return verdict;
  if (daddr !== iph_daddr(skb) || saddr !== iph_saddr(skb)) {
    const err = ip_route_me_harder(state.net, skb);
    if (err < 0) return NF_DROP_ERR(err);
  }
  return verdict;
}

export const NAT_HOOKS = [
  { hooknum: NF_INET_PRE_ROUTING, hook: nf_nat_ipv4_pre_routing },
  { hooknum: NF_INET_POST_ROUTING, hook: nf_nat_ipv4_out },
  { hooknum: NF_INET_LOCAL_OUT, hook: nf_nat_ipv4_local_fn },
  { hooknum: NF_INET_LOCAL_IN, hook: nf_nat_ipv4_local_in },
] as const;
