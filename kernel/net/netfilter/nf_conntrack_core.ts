/**
 * Connection tracking (net/netfilter/nf_conntrack_core.c): which connection a packet belongs to, and in what state it is.
 *
 * The table is one array of words: sixteen for each direction of each entry, ten of them the tuple, then the link to the
 * next in its bucket and the bucket. A reference to a direction is slot * 2 + direction; links are that plus one.
 */

import { csum_fold, csum_tcpudp_nofold } from '../../lib/checksum.ts';
import { hsiphash, hsiphash_key } from '../../lib/siphash.ts';
import { HZ, timer_list } from '../../time/timer.ts';
import type { net } from '../core/net_namespace.ts';
import { skb_checksum, skb_csum_unnecessary } from '../core/skb_checksum.ts';
import { nf_reset_ct, type sk_buff, skb_headlen } from '../core/skbuff.ts';
import {
  get16,
  get32,
  IP_OFFSET,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  iph_daddr,
  iph_frag_off,
  iph_ihl,
  iph_protocol,
  iph_saddr,
} from '../ipv4/ip_header.ts';
import {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_PRE_ROUTING,
  NF_REPEAT,
  NFPROTO_IPV4,
  type nf_hook_ops,
  type nf_hook_state,
} from './core.ts';
import {
  CTINFO2DIR,
  IP_CT_DIR_ORIGINAL,
  IP_CT_ESTABLISHED,
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_IS_REPLY,
  IP_CT_NEW,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
  IP_CT_UNTRACKED,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DYING,
  IPS_EXPECTED,
  IPS_SEEN_REPLY,
  nf_conn,
  type nf_conntrack_l4proto,
  type nf_conntrack_tuple,
  packet_view,
  T_DST,
  T_PORTS,
  T_PROTO,
  T_SRC,
  TUPLE_WORDS,
} from './nf_conntrack.ts';
import {
  nf_conntrack_l4proto_generic,
  nf_conntrack_l4proto_icmp,
  nf_conntrack_l4proto_udp,
} from './nf_conntrack_proto.ts';
import {
  nf_conntrack_l4proto_tcp,
  nf_conntrack_tcp_set_closing,
  tcp_can_early_drop,
} from './nf_conntrack_proto_tcp.ts';

/** Words per direction, a cache line, and where link and bucket are among them. */
const STRIDE = 16;
const T_NEXT = 10;
const T_BUCKET = 11;
/** Buckets that are searched for a victim when the table is full (NF_CT_EVICTION_RANGE). */
const NF_CT_EVICTION_RANGE = 8;
/** The collector goes through the table once in so many seconds, a part each second (GC_SCAN_INTERVAL_MAX). */
const GC_PASS = 60;
const NR_ICMP_TYPES = 18;
const ICMPHDR = 8;

/** net.netfilter.*: times in seconds. */
export class nf_conntrack_sysctl {
  /** As on a machine with more than 4 GiB: the arena that is our RAM holds packets only. */
  nf_conntrack_max = 262144;
  nf_conntrack_acct = 0;
  nf_conntrack_checksum = 1;
  nf_conntrack_log_invalid = 0;
  nf_conntrack_generic_timeout = 600;
  nf_conntrack_icmp_timeout = 30;
  nf_conntrack_udp_timeout = 30;
  nf_conntrack_udp_timeout_stream = 120;
  nf_conntrack_tcp_loose = 1;
  nf_conntrack_tcp_be_liberal = 0;
  nf_conntrack_tcp_ignore_invalid_rst = 0;
  nf_conntrack_tcp_max_retrans = 3;
  nf_conntrack_tcp_timeout_syn_sent = 120;
  nf_conntrack_tcp_timeout_syn_recv = 60;
  nf_conntrack_tcp_timeout_established = 432000;
  nf_conntrack_tcp_timeout_fin_wait = 120;
  nf_conntrack_tcp_timeout_close_wait = 60;
  nf_conntrack_tcp_timeout_last_ack = 30;
  nf_conntrack_tcp_timeout_time_wait = 120;
  nf_conntrack_tcp_timeout_close = 10;
  nf_conntrack_tcp_timeout_max_retrans = 300;
  nf_conntrack_tcp_timeout_unacknowledged = 300;
}

/** /proc/net/stat/nf_conntrack */
export class ip_conntrack_stat {
  found = 0;
  invalid = 0;
  insert = 0;
  insert_failed = 0;
  clash_resolve = 0;
  drop = 0;
  early_drop = 0;
  error = 0;
}

export class nf_conntrack_net {
  readonly net: net;
  readonly sysctl = new nf_conntrack_sysctl();
  readonly stat = new ip_conntrack_stat();
  /** nf_conntrack_buckets; changed by nf_conntrack_hash_resize. */
  buckets = 262144;
  heads = new Int32Array(262144);
  /** The directions, STRIDE words each. */
  rows = new Int32Array(1024 * 2 * STRIDE);
  readonly conns: nf_conn[] = [];
  private readonly free: nf_conn[] = [];
  /** nf_conntrack_count: also those that are not confirmed yet. */
  count = 0;
  private refused = 0;
  readonly key: hsiphash_key;
  /** What NAT has to do when a connection ends. */
  nat_cleanup: ((ct: nf_conn) => void) | null = null;
  /** Users of tracking, by family: the hooks are there while somebody wants them. */
  readonly users = new Int32Array(11);
  ops: nf_hook_ops[] = [];
  readonly orig = new Int32Array(TUPLE_WORDS);
  readonly reply = new Int32Array(TUPLE_WORDS);
  readonly view = new packet_view();
  private readonly words = new Int32Array(TUPLE_WORDS);
  private readonly gc_timer: timer_list;
  private gc_bucket = 0;

  constructor(net: net) {
    this.net = net;
    const random = net.kernel.arch.random('nf_conntrack.hash');
    this.key = new hsiphash_key(random.u32(), random.u32());
    this.gc_timer = new timer_list(net.kernel, () => this.gc_worker());
    net.pernet_exit.push(() => this.cleanup());
  }

  jiffies(): number {
    return this.net.kernel.timers.jiffies();
  }

  l4proto(protonum: number): nf_conntrack_l4proto {
    switch (protonum) {
      case IPPROTO_TCP:
        return nf_conntrack_l4proto_tcp;
      case IPPROTO_UDP:
        return nf_conntrack_l4proto_udp;
      case IPPROTO_ICMP:
        return nf_conntrack_l4proto_icmp;
      default:
        return nf_conntrack_l4proto_generic;
    }
  }

  // ---- the table ------------------------------------------------------------------------------------------------

  /** hash_conntrack_raw */
  hash(tuple: nf_conntrack_tuple): number {
    const { words } = this;
    words[0] = tuple[T_PORTS] as number;
    words[1] = tuple[T_PROTO] as number;
    if ((tuple[T_PROTO] as number) >>> 8 === NFPROTO_IPV4) {
      words[2] = tuple[T_SRC] as number;
      words[3] = tuple[T_DST] as number;
      return hsiphash(words, 4, this.key);
    }
    for (let i = T_SRC; i < TUPLE_WORDS; i++) words[i] = tuple[i] as number;
    return hsiphash(words, TUPLE_WORDS, this.key);
  }

  private bucket_of(hash: number): number {
    return (hash >>> 0) % this.buckets;
  }

  private equal(row: number, tuple: nf_conntrack_tuple): boolean {
    const { rows } = this;
    return (
      rows[row] === tuple[0] &&
      rows[row + 2] === tuple[2] &&
      rows[row + 6] === tuple[6] &&
      rows[row + 1] === tuple[1] &&
      rows[row + 3] === tuple[3] &&
      rows[row + 4] === tuple[4] &&
      rows[row + 5] === tuple[5] &&
      rows[row + 7] === tuple[7] &&
      rows[row + 8] === tuple[8] &&
      rows[row + 9] === tuple[9]
    );
  }

  /** __nf_conntrack_find: the reference to a confirmed connection's direction, or -1. One that has expired goes. */
  find(tuple: nf_conntrack_tuple): number {
    const { rows } = this;
    for (let link = this.heads[this.bucket_of(this.hash(tuple))] as number; link !== 0; ) {
      const ref = link - 1;
      const row = ref * STRIDE;
      if (this.equal(row, tuple)) {
        const ct = this.conns[ref >> 1] as nf_conn;
        if (ct.timeout > this.jiffies()) return ref;
        this.nf_ct_delete(ct);
        return -1;
      }
      link = rows[row + T_NEXT] as number;
    }
    return -1;
  }

  /** The link behind `ct`'s, which is about to go: its other direction may be the very next. */
  private next_alive(link: number, ct: nf_conn): number {
    return link !== 0 && (link - 1) >> 1 === ct.slot ? (this.rows[(link - 1) * STRIDE + T_NEXT] as number) : link;
  }

  /** Copies a direction's tuple. */
  tuple(ct: nf_conn, dir: number, to: nf_conntrack_tuple): nf_conntrack_tuple {
    const row = (ct.slot * 2 + dir) * STRIDE;
    for (let i = 0; i < TUPLE_WORDS; i++) to[i] = this.rows[row + i] as number;
    return to;
  }

  /** One word of a direction's tuple: T_PORTS, T_SRC… */
  word(ct: nf_conn, dir: number, index: number): number {
    return this.rows[(ct.slot * 2 + dir) * STRIDE + index] as number;
  }

  /** nf_conntrack_alter_reply and its like: only before the connection is confirmed. */
  set_tuple(ct: nf_conn, dir: number, from: nf_conntrack_tuple): void {
    const row = (ct.slot * 2 + dir) * STRIDE;
    for (let i = 0; i < TUPLE_WORDS; i++) this.rows[row + i] = from[i] as number;
  }

  /** nf_conntrack_tuple_taken: does another connection use it? */
  tuple_taken(tuple: nf_conntrack_tuple, ignored: nf_conn): boolean {
    const ref = this.find(tuple);
    return ref >= 0 && ref >> 1 !== ignored.slot;
  }

  private link(ct: nf_conn, dir: number): void {
    const { rows, heads } = this;
    const ref = ct.slot * 2 + dir;
    const row = ref * STRIDE;
    const bucket = this.bucket_of(this.hash(this.tuple(ct, dir, this.reply)));
    rows[row + T_BUCKET] = bucket;
    rows[row + T_NEXT] = heads[bucket] as number;
    heads[bucket] = ref + 1;
  }

  private unlink(ct: nf_conn, dir: number): void {
    const { rows, heads } = this;
    const wanted = ct.slot * 2 + dir + 1;
    const row = (wanted - 1) * STRIDE;
    const bucket = rows[row + T_BUCKET] as number;
    const next = rows[row + T_NEXT] as number;
    if (heads[bucket] === wanted) {
      heads[bucket] = next;
      return;
    }
    for (let link = heads[bucket] as number; link !== 0; ) {
      const at = (link - 1) * STRIDE + T_NEXT;
      link = rows[at] as number;
      if (link === wanted) {
        rows[at] = next;
        return;
      }
    }
  }

  /** nf_conntrack_hash_resize: another number of buckets, at least 1. */
  nf_conntrack_hash_resize(buckets: number): void {
    this.buckets = Math.max(1, buckets | 0);
    this.heads = new Int32Array(this.buckets);
    this.gc_bucket = 0;
    for (const ct of this.conns) {
      if ((ct.status & (IPS_CONFIRMED | IPS_DYING)) !== IPS_CONFIRMED) continue;
      this.link(ct, 0);
      this.link(ct, 1);
    }
  }

  // ---- life -----------------------------------------------------------------------------------------------------

  /** __nf_conntrack_alloc: with one reference, the caller's; null when the table is full and nothing may go. */
  alloc(hash: number): nf_conn | null {
    const { sysctl } = this;
    if (sysctl.nf_conntrack_max !== 0 && this.count >= sysctl.nf_conntrack_max && !this.early_drop(hash)) {
      // net_warn_ratelimited: not for each.
      if (this.refused++ % 1000 === 0) {
        this.net.kernel.printk('nf_conntrack: nf_conntrack: table full, dropping packet');
      }
      return null;
    }
    let ct = this.free.pop();
    if (ct === undefined) {
      ct = new nf_conn(this, this.conns.length);
      this.conns.push(ct);
      if (this.conns.length * 2 * STRIDE > this.rows.length) {
        const rows = new Int32Array(this.rows.length * 2);
        rows.set(this.rows);
        this.rows = rows;
      }
    }
    this.count++;
    ct.use = 1;
    ct.status = 0;
    ct.timeout = 0;
    ct.mark = 0;
    ct.packets[0] = 0;
    ct.packets[1] = 0;
    ct.bytes[0] = 0;
    ct.bytes[1] = 0;
    ct.masq_index = 0;
    return ct;
  }

  /** nf_conntrack_destroy: the last reference is gone. */
  nf_conntrack_destroy(ct: nf_conn): void {
    if (this.nat_cleanup !== null) this.nat_cleanup(ct);
    ct.status = IPS_DYING;
    this.count--;
    this.free.push(ct);
  }

  nf_ct_put(ct: nf_conn): void {
    if (--ct.use === 0) this.nf_conntrack_destroy(ct);
  }

  /** nf_ct_delete: out of the table. False when it was not there. */
  nf_ct_delete(ct: nf_conn): boolean {
    if ((ct.status & (IPS_CONFIRMED | IPS_DYING)) !== IPS_CONFIRMED) return false;
    ct.status |= IPS_DYING;
    this.unlink(ct, 0);
    this.unlink(ct, 1);
    this.nf_ct_put(ct);
    return true;
  }

  /** early_drop: a connection near `hash` that is not assured gives way. */
  private early_drop(hash: number): boolean {
    let bucket = this.bucket_of(hash);
    const now = this.jiffies();
    for (let i = 0; i < NF_CT_EVICTION_RANGE; i++) {
      for (
        let link = this.heads[bucket] as number;
        link !== 0;
        link = this.rows[(link - 1) * STRIDE + T_NEXT] as number
      ) {
        const ct = this.conns[(link - 1) >> 1] as nf_conn;
        if ((ct.status & IPS_ASSURED) !== 0 && ct.timeout > now) continue;
        // What a packet still holds frees nothing.
        if (ct.use !== 1) continue;
        this.nf_ct_delete(ct);
        this.stat.early_drop++;
        return true;
      }
      bucket = (bucket + 1) % this.buckets;
    }
    return false;
  }

  /** gc_worker: a part of the table each second, while there is anything in it. */
  private gc_worker(): void {
    const now = this.jiffies();
    const slice = Math.ceil(this.buckets / GC_PASS);
    const { nf_conntrack_max } = this.sysctl;
    const tight = nf_conntrack_max !== 0 && this.count > nf_conntrack_max * 0.95;
    for (let n = 0; n < slice; n++) {
      if (this.gc_bucket >= this.buckets) this.gc_bucket = 0;
      for (let link = this.heads[this.gc_bucket] as number; link !== 0; ) {
        const ct = this.conns[(link - 1) >> 1] as nf_conn;
        const next = this.rows[(link - 1) * STRIDE + T_NEXT] as number;
        if (ct.timeout <= now || (tight && this.may_go_early(ct))) {
          link = this.next_alive(next, ct);
          this.nf_ct_delete(ct);
        } else link = next;
      }
      this.gc_bucket++;
    }
    if (this.count > 0) this.gc_timer.mod(now + HZ);
  }

  /** gc_worker_can_early_drop: not assured, or a TCP connection that is closing. */
  private may_go_early(ct: nf_conn): boolean {
    if ((ct.status & IPS_ASSURED) === 0) return true;
    return ct.protonum === IPPROTO_TCP && tcp_can_early_drop(ct);
  }

  /** nf_ct_iterate_cleanup: all that `iter` says yes to. */
  iterate_cleanup(iter: (ct: nf_conn) => boolean): number {
    let gone = 0;
    for (const ct of this.conns) {
      if ((ct.status & (IPS_CONFIRMED | IPS_DYING)) === IPS_CONFIRMED && iter(ct)) {
        this.nf_ct_delete(ct);
        gone++;
      }
    }
    return gone;
  }

  /** nf_conntrack_cleanup_net: at the end of the net. */
  private cleanup(): void {
    this.iterate_cleanup(() => true);
    this.gc_timer.del();
  }

  /** nf_ct_refresh_acct: it lives `jiffies` from now. */
  refresh(ct: nf_conn, view: packet_view, jiffies: number): void {
    ct.timeout = (ct.status & IPS_CONFIRMED) === 0 ? jiffies : this.jiffies() + jiffies;
    if (this.sysctl.nf_conntrack_acct !== 0) this.acct(ct, CTINFO2DIR(view.ctinfo), view.bytes);
  }

  acct(ct: nf_conn, dir: number, bytes: number): void {
    ct.packets[dir] = (ct.packets[dir] as number) + 1;
    ct.bytes[dir] = (ct.bytes[dir] as number) + bytes;
  }

  /**
   * __nf_conntrack_confirm: the packet has made it through all hooks, so its connection is one. NF_ACCEPT, or NF_DROP
   * when another packet's connection has taken its place meanwhile and cannot be taken for this one.
   */
  confirm(skb: sk_buff): number {
    const ct = skb._nfct as nf_conn;
    if (CTINFO2DIR(skb.nfctinfo) !== IP_CT_DIR_ORIGINAL) return NF_ACCEPT;
    if ((ct.status & IPS_DYING) !== 0) return NF_DROP;
    const original = this.find(this.tuple(ct, 0, this.orig));
    const other = this.find(this.tuple(ct, 1, this.reply));
    if (original >= 0 || other >= 0) return this.resolve_clash(skb, ct, original, other);
    ct.timeout += this.jiffies();
    ct.status |= IPS_CONFIRMED;
    ct.use++;
    this.link(ct, 0);
    this.link(ct, 1);
    this.stat.insert++;
    if (!this.gc_timer.pending()) this.gc_timer.mod(this.jiffies() + HZ);
    return NF_ACCEPT;
  }

  /** nf_ct_resolve_clash: a datagram of a connection that another packet has just confirmed goes with that one. */
  private resolve_clash(skb: sk_buff, ct: nf_conn, original: number, other: number): number {
    const winner = original >= 0 ? (this.conns[original >> 1] as nf_conn) : null;
    if (winner === null || ct.protonum !== IPPROTO_UDP || original >> 1 !== other >> 1 || (original & 1) !== 0) {
      this.stat.insert_failed++;
      this.stat.drop++;
      return NF_DROP;
    }
    this.stat.clash_resolve++;
    winner.use++;
    this.nf_ct_put(ct);
    skb._nfct = winner;
    skb.nfctinfo = (winner.status & IPS_SEEN_REPLY) !== 0 ? IP_CT_ESTABLISHED : IP_CT_NEW;
    return NF_ACCEPT;
  }
}

/** nf_ct_invert_tuple: as the answer has it. False when there can be none (an ICMP message that asks nothing). */
export function nf_ct_invert_tuple(to: nf_conntrack_tuple, from: nf_conntrack_tuple): boolean {
  const ports = from[T_PORTS] as number;
  const proto = from[T_PROTO] as number;
  if ((proto & 0xff) === IPPROTO_ICMP && proto >>> 8 === NFPROTO_IPV4) {
    const type = icmp_invert((ports >>> 8) & 0xff);
    if (type < 0) return false;
    to[T_PORTS] = (ports & ~0xff00) | (type << 8);
  } else {
    to[T_PORTS] = (ports << 16) | (ports >>> 16);
  }
  to[T_PROTO] = proto;
  for (let i = 0; i < 4; i++) {
    const src = from[T_SRC + i] as number;
    to[T_SRC + i] = from[T_DST + i] as number;
    to[T_DST + i] = src;
  }
  return true;
}

function icmp_invert(type: number): number {
  switch (type) {
    case 8:
      return 0;
    case 0:
      return 8;
    case 13:
    case 15:
    case 17:
      return type + 1;
    case 14:
    case 16:
    case 18:
      return type - 1;
    default:
      return -1;
  }
}

/** nf_ct_get_tuple for IPv4: from the header at `at` and its transport header. False when too little is there. */
export function nf_ct_get_tuple(skb: sk_buff, at: number, end: number, tuple: nf_conntrack_tuple): boolean {
  const { ram } = skb;
  const { u8 } = ram;
  if (at + 20 > end || (u8[at] as number) >> 4 !== 4) return false;
  const ihl = ((u8[at] as number) & 15) * 4;
  if (ihl < 20 || (get16(ram, at + 6) & IP_OFFSET) !== 0) return false;
  const th = at + ihl;
  const protocol = u8[at + 9] as number;
  let ports = 0;
  if (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP) {
    if (th + 8 > end) return false;
    ports = get32(ram, th);
  } else if (protocol === IPPROTO_ICMP) {
    if (th + ICMPHDR > end) return false;
    ports = (get16(ram, th + 4) << 16) | get16(ram, th);
  }
  tuple[T_PORTS] = ports;
  tuple[T_PROTO] = protocol | (NFPROTO_IPV4 << 8);
  tuple[T_SRC] = get32(ram, at + 12);
  tuple[T_DST] = get32(ram, at + 16);
  for (let i = 1; i < 4; i++) {
    tuple[T_SRC + i] = 0;
    tuple[T_DST + i] = 0;
  }
  return true;
}

/** nf_ip_checksum: is a TCP, UDP or ICMP packet's checksum right, or known to be? */
export function nf_ip_checksum(skb: sk_buff, protocol: number): boolean {
  const thoff = iph_ihl(skb) * 4;
  const length = skb.len - thoff;
  if (skb_csum_unnecessary(skb) || length < 0) return true;
  const { u8 } = skb.ram;
  if (protocol === IPPROTO_UDP && u8[skb.data + thoff + 6] === 0 && u8[skb.data + thoff + 7] === 0) return true;
  const pseudo = protocol === IPPROTO_ICMP ? 0 : csum_tcpudp_nofold(iph_saddr(skb), iph_daddr(skb), length, protocol);
  return csum_fold(skb_checksum(skb, thoff, length, pseudo)) === 0;
}

/** nf_conntrack_in: PRE_ROUTING and LOCAL_OUT, before everything that asks for a state. */
export function nf_conntrack_in(priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  const ct_net = priv as nf_conntrack_net;
  // Seen before: it came by the loopback, or nobody wants it tracked.
  if (skb._nfct !== null || skb.nfctinfo === IP_CT_UNTRACKED) return NF_ACCEPT;
  const { stat, view, sysctl } = ct_net;
  if ((iph_frag_off(skb) & IP_OFFSET) !== 0) {
    stat.error++;
    stat.invalid++;
    return NF_ACCEPT;
  }
  const protonum = iph_protocol(skb);
  const thoff = iph_ihl(skb) * 4;
  view.hook = state.hook;
  view.at = skb.data + thoff;
  view.length = skb_headlen(skb) - thoff;
  view.total = skb.len - thoff;
  view.bytes = skb.len;
  const checked = protonum === IPPROTO_TCP || protonum === IPPROTO_UDP || protonum === IPPROTO_ICMP;
  view.csum_ok =
    !checked ||
    sysctl.nf_conntrack_checksum === 0 ||
    state.hook !== NF_INET_PRE_ROUTING ||
    nf_ip_checksum(skb, protonum);
  if (protonum === IPPROTO_ICMP) {
    const ret = icmp_error(ct_net, skb, view);
    if (ret <= 0) {
      stat.error++;
      stat.invalid++;
      return -ret;
    }
    // ICMP[v6] errors go with the connection that they are about.
    if (skb._nfct !== null) return NF_ACCEPT;
  }
  for (;;) {
    const resolved = resolve_normal_ct(ct_net, skb);
    if (resolved < 0) {
      stat.drop++;
      return NF_DROP;
    }
    const ct = skb._nfct as nf_conn | null;
    if (ct === null) {
      stat.invalid++;
      return NF_ACCEPT;
    }
    view.ctinfo = skb.nfctinfo;
    const ret = ct_net.l4proto(protonum).packet(ct, view);
    if (ret <= 0) {
      nf_reset_ct(skb);
      if (-ret === NF_REPEAT) continue;
      stat.invalid++;
      if (-ret === NF_DROP) stat.drop++;
      return -ret;
    }
    if (skb.nfctinfo === IP_CT_ESTABLISHED_REPLY) ct.status |= IPS_SEEN_REPLY;
    return ret;
  }
}

/** resolve_normal_ct: sets the packet's connection, a new one if there is none. -1: no room. */
function resolve_normal_ct(ct_net: nf_conntrack_net, skb: sk_buff): number {
  const { orig, stat } = ct_net;
  if (!nf_ct_get_tuple(skb, skb.network_header, skb.data + skb_headlen(skb), orig)) return 0;
  const ref = ct_net.find(orig);
  if (ref < 0) {
    const { reply } = ct_net;
    if (!nf_ct_invert_tuple(reply, orig)) return 0;
    const ct = ct_net.alloc(ct_net.hash(orig));
    if (ct === null) return -1;
    ct.protonum = (orig[T_PROTO] as number) & 0xff;
    ct_net.set_tuple(ct, 0, orig);
    ct_net.set_tuple(ct, 1, reply);
    skb._nfct = ct;
    skb.nfctinfo = IP_CT_NEW;
    return 0;
  }
  stat.found++;
  const ct = ct_net.conns[ref >> 1] as nf_conn;
  ct.use++;
  skb._nfct = ct;
  if ((ref & 1) !== 0) skb.nfctinfo = IP_CT_ESTABLISHED_REPLY;
  else if ((ct.status & IPS_SEEN_REPLY) !== 0) skb.nfctinfo = IP_CT_ESTABLISHED;
  else skb.nfctinfo = (ct.status & IPS_EXPECTED) !== 0 ? IP_CT_RELATED : IP_CT_NEW;
  return 0;
}

/** nf_conntrack_icmpv4_error: NF_ACCEPT, with a connection when it is an error about one; -NF_ACCEPT: invalid. */
function icmp_error(ct_net: nf_conntrack_net, skb: sk_buff, view: packet_view): number {
  const { u8 } = skb.ram;
  if (view.length < ICMPHDR || !view.csum_ok) return -NF_ACCEPT;
  const type = u8[view.at] as number;
  if (type > NR_ICMP_TYPES) return -NF_ACCEPT;
  if (type !== 3 && type !== 4 && type !== 11 && type !== 12 && type !== 5) return NF_ACCEPT;
  return nf_conntrack_inet_error(ct_net, skb, view.at + ICMPHDR);
}

/** nf_conntrack_inet_error: the packet quoted at `at` was one of a connection, to whose sender this error goes. */
function nf_conntrack_inet_error(ct_net: nf_conntrack_net, skb: sk_buff, at: number): number {
  const { orig, reply } = ct_net;
  if (!nf_ct_get_tuple(skb, at, skb.data + skb_headlen(skb), orig)) return -NF_ACCEPT;
  if (!nf_ct_invert_tuple(reply, orig)) return -NF_ACCEPT;
  const ref = ct_net.find(reply);
  if (ref < 0) return -NF_ACCEPT;
  const ct = ct_net.conns[ref >> 1] as nf_conn;
  const dir = ref & 1;
  // Whoever sends it must send it to whom the connection's packets come from.
  if (ct_net.word(ct, dir, T_DST) !== iph_daddr(skb)) return -NF_ACCEPT;
  ct.use++;
  skb._nfct = ct;
  skb.nfctinfo = dir === IP_CT_DIR_ORIGINAL ? IP_CT_RELATED : IP_CT_RELATED + IP_CT_IS_REPLY;
  return NF_ACCEPT;
}

/** nf_ct_set_closing: a packet is answered by a reset of ours. */
export function nf_ct_set_closing(skb: sk_buff): void {
  const ct = skb._nfct as nf_conn | null;
  if (ct !== null && ct.protonum === IPPROTO_TCP) nf_conntrack_tcp_set_closing(ct);
}

/** nf_confirm: last of all, in LOCAL_IN and POST_ROUTING. */
export function nf_confirm(priv: unknown, skb: sk_buff): number {
  const ct = skb._nfct;
  if (ct === null || (ct.status & IPS_CONFIRMED) !== 0 || skb.nfctinfo === IP_CT_RELATED_REPLY) return NF_ACCEPT;
  return (priv as nf_conntrack_net).confirm(skb);
}

/** nf_conntrack_attach: an ICMP error or a reset of ours belongs to the connection of what it answers. */
export function nf_conntrack_attach(nskb: sk_buff, skb: sk_buff): void {
  const ct = skb._nfct;
  if (ct === null || nskb._nfct !== null) return;
  ct.use++;
  nskb._nfct = ct;
  nskb.nfctinfo = CTINFO2DIR(skb.nfctinfo) === IP_CT_DIR_ORIGINAL ? IP_CT_RELATED_REPLY : IP_CT_RELATED;
}
