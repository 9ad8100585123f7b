/**
 * Neighbours: who is behind a network address on a link, and whether that is still so (net/core/neighbour.c; the
 * states are those of RFC 4861 7.3, which Linux uses for ARP too).
 *
 *     NONE ── first packet ──► INCOMPLETE ── answer ──► REACHABLE ── reachable_time ──► STALE ── a packet ──► DELAY
 *                                  │ no answer              ▲                                         5 s     │
 *                                  ▼                        └─────────────── answer ◄──────────────────── PROBE
 *                               FAILED ◄──────────────────────────────────── no answer ───────────────────┘
 */

import type { RandomStream } from '../../arch.ts';
import { EEXIST, EINVAL, ENOBUFS, ENOENT, EPERM } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import { int_map } from '../../lib/int_map.ts';
import { HZ, timer_list } from '../../time/timer.ts';
import { dev_queue_xmit } from './dev.ts';
import { neigh_parms } from './neigh_parms.ts';
import { neigh_proxy_process } from './neigh_proxy.ts';
import type { net } from './net_namespace.ts';
import type { net_device } from './netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff, sk_buff_head, skb_pull, skb_push } from './skbuff.ts';

export const NUD_NONE = 0x00;
export const NUD_INCOMPLETE = 0x01;
export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;
export const NUD_DELAY = 0x08;
export const NUD_PROBE = 0x10;
export const NUD_FAILED = 0x20;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;

export const NUD_IN_TIMER = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE;
export const NUD_VALID = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
export const NUD_CONNECTED = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE;

export const NEIGH_UPDATE_F_OVERRIDE = 0x01;
export const NEIGH_UPDATE_F_WEAK_OVERRIDE = 0x02;
/** neigh_add: an entry that is there already is refused, replaced; one that is not is made (NLM_F_*). */
export const NEIGH_ADD_REPLACE = 0x100;
export const NEIGH_ADD_EXCL = 0x200;
export const NEIGH_ADD_CREATE = 0x400;
export const NEIGH_UPDATE_F_ADMIN = 0x80000000 | 0;

const nud_names: readonly [number, string][] = [
  [NUD_INCOMPLETE, 'INCOMPLETE'],
  [NUD_REACHABLE, 'REACHABLE'],
  [NUD_STALE, 'STALE'],
  [NUD_DELAY, 'DELAY'],
  [NUD_PROBE, 'PROBE'],
  [NUD_FAILED, 'FAILED'],
  [NUD_NOARP, 'NOARP'],
  [NUD_PERMANENT, 'PERMANENT'],
];

/** The state's name, as `ip neigh` prints it. */
export function nud_state_name(state: number): string {
  return nud_names.find(([bit]) => bit === state)?.[1] ?? 'NONE';
}

/** What a protocol does for its neighbours. */
export interface neigh_ops {
  /** Asks for the link-layer address. `skb`: a packet that waits for it, or null; not taken. */
  solicit(neigh: neighbour, skb: sk_buff | null): void;
  /** A packet that waited in vain. Takes the skb. */
  error_report(neigh: neighbour, skb: sk_buff): void;
  /** An answer for somebody else that has waited long enough (neigh_table.proxy_redo). Takes the skb. */
  proxy_redo?(skb: sk_buff): void;
  /** Sets type, parms, state and, where it is known beforehand, address of a new neighbour. 0 or a negative errno. */
  construct(neigh: neighbour): number;
}

export class neighbour {
  readonly tbl: neigh_table;
  readonly dev: net_device;
  /** The network-layer address asked for, and what it is filed under (one entry serves all on a loopback). */
  readonly primary_key: number;
  /** EtherType of the packets that are sent to it. */
  readonly protocol: number;
  parms: neigh_parms;
  nud_state = NUD_NONE;
  /** RTN_*: what kind of address it is. */
  type = 0;
  readonly ha = new Uint8Array(6);
  /** The link-layer header for packets to it, once made (struct hh_cache). */
  readonly hh = new Uint8Array(16);
  readonly hh_words = new Int32Array(this.hh.buffer);
  hh_len = 0;
  probes = 0;
  /** jiffies: last proof of reachability, last change, last use. */
  confirmed: number;
  updated: number;
  used: number;
  dead = true;
  readonly arp_queue = new sk_buff_head();
  arp_queue_len_bytes = 0;
  readonly timer: timer_list;
  /** Next entry under the same key, on another device. */
  next: neighbour | null = null;
  /** gc_list: those that may be collected, in the order they came. */
  gc_prev: neighbour | null = null;
  gc_next: neighbour | null = null;
  on_gc_list = false;

  constructor(tbl: neigh_table, key: number, dev: net_device) {
    const now = tbl.jiffies();
    this.tbl = tbl;
    this.dev = dev;
    this.primary_key = key;
    this.protocol = tbl.protocol;
    this.parms = tbl.parms;
    this.confirmed = now;
    this.updated = now;
    this.used = now;
    this.timer = new timer_list(tbl.kernel, () => neigh_timer_handler(this));
  }
}

/** One protocol's neighbours (struct neigh_table). */
export class neigh_table {
  readonly kernel: Kernel;
  readonly net: net;
  readonly id: string;
  readonly protocol: number;
  readonly ops: neigh_ops;
  readonly random: RandomStream;
  readonly parms: neigh_parms;
  /** Below thresh1 nothing is collected, from thresh2 what is older than 5 s, at thresh3 new ones are refused. */
  gc_thresh1 = 128;
  gc_thresh2 = 512;
  gc_thresh3 = 1024;
  last_flush: number;
  readonly hash = new int_map<neighbour>();
  entries = 0;
  gc_entries = 0;
  gc_first: neighbour | null = null;
  gc_last: neighbour | null = null;
  readonly gc_timer: timer_list;
  /** pneigh_entry: the addresses that are answered for somebody else, whatever the routes say; each on one device or all. */
  readonly phash_buckets = new Map<number, (net_device | null)[]>();
  /** Questions that wait for their answer, by the time of it (skb.tstamp, in jiffies). */
  readonly proxy_queue = new sk_buff_head();
  readonly proxy_timer: timer_list;
  /** neigh_alloc's message, once every five seconds at most (net_ratelimit). */
  private warned = Number.NEGATIVE_INFINITY;
  // /proc/net/stat/arp_cache
  allocs = 0;
  destroys = 0;
  lookups = 0;
  hits = 0;
  res_failed = 0;
  unres_discards = 0;
  forced_gc_runs = 0;
  table_fulls = 0;

  constructor(net: net, id: string, protocol: number, ops: neigh_ops) {
    this.kernel = net.kernel;
    this.net = net;
    this.id = id;
    this.protocol = protocol;
    this.ops = ops;
    this.random = net.kernel.arch.random(`neigh.${id}`);
    this.parms = new neigh_parms(this, null);
    this.last_flush = this.jiffies();
    this.gc_timer = new timer_list(net.kernel, () => neigh_periodic_work(this));
    this.proxy_timer = new timer_list(net.kernel, () => neigh_proxy_process(this));
  }

  /** The table is full: says so, but not for each packet. */
  overflow(): void {
    this.table_fulls++;
    const now = this.jiffies();
    if (now - this.warned < 5 * HZ) return;
    this.warned = now;
    this.kernel.printk(`neighbour: ${this.id}: neighbor table overflow!`);
  }

  jiffies(): number {
    return this.kernel.timers.jiffies();
  }
}

/** neigh_lookup: the neighbour, or null. */
export function neigh_lookup(tbl: neigh_table, key: number, dev: net_device): neighbour | null {
  tbl.lookups++;
  for (let n = tbl.hash.get(key); n !== null; n = n.next) {
    if (n.dev === dev) {
      tbl.hits++;
      return n;
    }
  }
  return null;
}

/** neigh_create: a new neighbour, filed; null when the table is full or the device is none of the protocol's. */
export function neigh_create(tbl: neigh_table, key: number, dev: net_device, exempt_from_gc = false): neighbour | null {
  // neigh_alloc
  if (
    !exempt_from_gc &&
    (tbl.gc_entries >= tbl.gc_thresh3 || (tbl.gc_entries >= tbl.gc_thresh2 && tbl.jiffies() - tbl.last_flush > 5 * HZ))
  ) {
    if (neigh_forced_gc(tbl) === 0 && tbl.gc_entries >= tbl.gc_thresh3) {
      tbl.overflow();
      return null;
    }
  }
  const n = new neighbour(tbl, key, dev);
  if (tbl.ops.construct(n) !== 0) return null;
  // Not confirmed yet.
  n.confirmed = tbl.jiffies() - (n.parms.base_reachable_time << 1);
  n.dead = false;
  n.next = tbl.hash.get(key);
  tbl.hash.set(key, n);
  tbl.entries++;
  tbl.allocs++;
  if (!exempt_from_gc) gc_list_add(n);
  if (tbl.entries >= tbl.gc_thresh1 && !tbl.gc_timer.pending()) {
    // neigh_periodic_work does nothing below gc_thresh1: it sleeps until there is something to do.
    tbl.gc_timer.mod(tbl.jiffies() + (tbl.parms.base_reachable_time >> 1));
  }
  return n;
}

function gc_list_add(n: neighbour): void {
  const { tbl } = n;
  n.on_gc_list = true;
  n.gc_prev = tbl.gc_last;
  n.gc_next = null;
  if (tbl.gc_last !== null) tbl.gc_last.gc_next = n;
  else tbl.gc_first = n;
  tbl.gc_last = n;
  tbl.gc_entries++;
}

function gc_list_del(n: neighbour): void {
  if (!n.on_gc_list) return;
  const { tbl } = n;
  n.on_gc_list = false;
  if (n.gc_prev !== null) n.gc_prev.gc_next = n.gc_next;
  else tbl.gc_first = n.gc_next;
  if (n.gc_next !== null) n.gc_next.gc_prev = n.gc_prev;
  else tbl.gc_last = n.gc_prev;
  n.gc_prev = null;
  n.gc_next = null;
  tbl.gc_entries--;
}

/** neigh_update_gc_list: permanent entries are not collected. */
function neigh_update_gc_list(n: neighbour): void {
  const exempt = (n.nud_state & NUD_PERMANENT) !== 0 || n.dead;
  if (exempt) gc_list_del(n);
  else if (!n.on_gc_list) gc_list_add(n);
}

/** neigh_remove_one, neigh_cleanup_and_release: takes the neighbour out of the table; what waited for it is dropped. */
function neigh_destroy(n: neighbour): void {
  const { tbl } = n;
  if (n.dead) return;
  n.dead = true;
  const first = tbl.hash.get(n.primary_key);
  if (first === n) {
    if (n.next !== null) tbl.hash.set(n.primary_key, n.next);
    else tbl.hash.delete(n.primary_key);
  } else {
    let previous = first as neighbour;
    while (previous.next !== n) previous = previous.next as neighbour;
    previous.next = n.next;
  }
  n.next = null;
  gc_list_del(n);
  n.timer.del();
  n.arp_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
  n.arp_queue_len_bytes = 0;
  tbl.entries--;
  tbl.destroys++;
  if (tbl.entries < tbl.gc_thresh1) tbl.gc_timer.del();
}

/** neigh_forced_gc: the table is (nearly) full: entries go that are of no use, down to gc_thresh2. Returns how many went. */
function neigh_forced_gc(tbl: neigh_table): number {
  const goal = tbl.gc_entries - tbl.gc_thresh2;
  const now = tbl.jiffies();
  let shrunk = 0;
  tbl.forced_gc_runs++;
  for (let n = tbl.gc_first; n !== null && shrunk < goal; ) {
    const next: neighbour | null = n.gc_next;
    // An armed timer holds a reference in Linux: such an entry is in use.
    const referenced = n.timer.pending();
    const old = n.updated < now - 5 * HZ || n.updated > now;
    if (!referenced && (n.nud_state === NUD_FAILED || n.nud_state === NUD_NOARP || old)) {
      neigh_destroy(n);
      shrunk++;
    }
    n = next;
  }
  tbl.last_flush = now;
  return shrunk;
}

/** neigh_periodic_work: what failed, or was not used for gc_stale_time, goes. */
function neigh_periodic_work(tbl: neigh_table): void {
  const now = tbl.jiffies();
  tbl.last_flush = now;
  if (tbl.entries < tbl.gc_thresh1) return;
  for (let n = tbl.gc_first; n !== null; ) {
    const next: neighbour | null = n.gc_next;
    const used = Math.max(n.used, n.confirmed);
    const busy = (n.nud_state & (NUD_PERMANENT | NUD_IN_TIMER)) !== 0;
    if (!busy && (n.nud_state === NUD_FAILED || now > used + n.parms.gc_stale_time)) neigh_destroy(n);
    n = next;
  }
  if (tbl.entries >= tbl.gc_thresh1) tbl.gc_timer.mod(now + (tbl.parms.base_reachable_time >> 1));
}

/** neigh_flush_dev: the device's neighbours are forgotten; `skip_permanent`: but for those set by hand. */
export function neigh_flush_dev(tbl: neigh_table, dev: net_device, skip_permanent: boolean): void {
  for (const first of tbl.hash.values()) {
    for (let n: neighbour | null = first; n !== null; ) {
      const next: neighbour | null = n.next;
      if (n.dev === dev && !(skip_permanent && (n.nud_state & NUD_PERMANENT) !== 0)) neigh_destroy(n);
      n = next;
    }
  }
}

/** neigh_max_probes */
function neigh_max_probes(n: neighbour): number {
  const p = n.parms;
  return p.ucast_solicit + p.app_solicit + ((n.nud_state & NUD_PROBE) !== 0 ? p.mcast_resolicit : p.mcast_solicit);
}

function set_state(n: neighbour, state: number): void {
  const from = n.nud_state;
  n.nud_state = state;
  if (from === state) return;
  const tp = n.tbl.kernel.trace.neigh_update;
  if (tp !== null) tp(n.primary_key, from, state);
}

/** neigh_timer_handler: time passed without news. */
function neigh_timer_handler(n: neighbour): void {
  const { parms, tbl } = n;
  const now = tbl.jiffies();
  const state = n.nud_state;
  let next = now + HZ;
  if ((state & NUD_IN_TIMER) === 0) return;
  if ((state & NUD_REACHABLE) !== 0) {
    const reachable_time = parms.reachable_time(now);
    if (now <= n.confirmed + reachable_time) {
      next = n.confirmed + reachable_time;
    } else if (now <= n.used + parms.delay_first_probe_time) {
      set_state(n, NUD_DELAY);
      n.updated = now;
      next = now + parms.delay_first_probe_time;
    } else {
      set_state(n, NUD_STALE);
      n.updated = now;
    }
  } else if ((state & NUD_DELAY) !== 0) {
    if (now <= n.confirmed + parms.delay_first_probe_time) {
      set_state(n, NUD_REACHABLE);
      n.updated = now;
      next = n.confirmed + parms.reachable_time(now);
    } else {
      set_state(n, NUD_PROBE);
      n.updated = now;
      n.probes = 0;
      next = now + Math.max(parms.retrans_time, HZ / 100);
    }
  } else {
    next = now + Math.max(parms.retrans_time, HZ / 100);
  }
  if ((n.nud_state & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 && n.probes >= neigh_max_probes(n)) {
    set_state(n, NUD_FAILED);
    neigh_invalidate(n);
    return;
  }
  if ((n.nud_state & NUD_IN_TIMER) !== 0) n.timer.mod(Math.max(next, now + HZ / 100));
  if ((n.nud_state & (NUD_INCOMPLETE | NUD_PROBE)) !== 0) neigh_probe(n);
}

/** neigh_probe: asks once more. */
function neigh_probe(n: neighbour): void {
  // Before the question leaves, and perhaps comes back at once on a strange link, it has been counted.
  const skb = n.arp_queue.last;
  n.probes++;
  n.tbl.ops.solicit(n, skb);
}

/** neigh_invalidate: nobody there: who waits hears of it. */
function neigh_invalidate(n: neighbour): void {
  n.tbl.res_failed++;
  n.updated = n.tbl.jiffies();
  while (n.nud_state === NUD_FAILED) {
    const skb = n.arp_queue.shift();
    if (skb === null) break;
    n.tbl.ops.error_report(n, skb);
  }
  n.arp_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
  n.arp_queue_len_bytes = 0;
}

/**
 * __neigh_event_send: somebody wants to send. 0: go ahead, the skb is the caller's. 1: the skb waits, or was dropped.
 */
function __neigh_event_send(n: neighbour, skb: sk_buff | null): number {
  if ((n.nud_state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) !== 0) return 0;
  if (n.dead) {
    // What was known when it went will do once more.
    if ((n.nud_state & NUD_STALE) !== 0) return 0;
    if (skb !== null) kfree_skb_reason(skb, SKB_DROP_REASON.NEIGH_DEAD);
    return 1;
  }
  const { parms, tbl } = n;
  const now = tbl.jiffies();
  let immediate_probe = false;
  if ((n.nud_state & (NUD_STALE | NUD_INCOMPLETE)) === 0) {
    if (parms.mcast_solicit + parms.app_solicit === 0) {
      set_state(n, NUD_FAILED);
      n.updated = now;
      if (skb !== null) kfree_skb_reason(skb, SKB_DROP_REASON.NEIGH_FAILED);
      return 1;
    }
    n.probes = parms.ucast_solicit;
    set_state(n, NUD_INCOMPLETE);
    n.updated = now;
    immediate_probe = true;
    n.timer.mod(now + Math.max(parms.retrans_time, HZ / 100));
  } else if ((n.nud_state & NUD_STALE) !== 0) {
    set_state(n, NUD_DELAY);
    n.updated = now;
    n.timer.mod(now + parms.delay_first_probe_time);
  }
  let rc = 0;
  if (n.nud_state === NUD_INCOMPLETE && skb !== null) {
    while (n.arp_queue_len_bytes + skb.truesize > parms.unres_qlen_bytes) {
      const oldest = n.arp_queue.shift();
      if (oldest === null) break;
      n.arp_queue_len_bytes -= oldest.truesize;
      tbl.unres_discards++;
      kfree_skb_reason(oldest, SKB_DROP_REASON.NEIGH_QUEUEFULL);
    }
    n.arp_queue.push(skb);
    n.arp_queue_len_bytes += skb.truesize;
    const tp = tbl.kernel.trace.neigh_queue;
    if (tp !== null) tp(skb, n.arp_queue.qlen);
    rc = 1;
  }
  if (immediate_probe) neigh_probe(n);
  return rc;
}

/** neigh_event_send without a packet: finds out about a neighbour that is going to be needed. */
export function neigh_event_send(n: neighbour): void {
  n.used = n.tbl.jiffies();
  __neigh_event_send(n, null);
}

/**
 * neigh_update: something was heard of a neighbour. `lladdr`: its address, null when only the state is news.
 * @returns 0, -EPERM when the entry is not to be touched, -EINVAL without any address.
 */
export function neigh_update(n: neighbour, lladdr: Uint8Array | null, state: number, flags: number): number {
  const old = n.nud_state;
  if (n.dead) return -EPERM;
  if ((flags & NEIGH_UPDATE_F_ADMIN) === 0 && (old & (NUD_NOARP | NUD_PERMANENT)) !== 0) return -EPERM;
  const { parms, tbl } = n;
  const now = tbl.jiffies();
  if ((state & NUD_VALID) === 0) {
    n.timer.del();
    set_state(n, state);
    const failed = (old & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 || (flags & NEIGH_UPDATE_F_ADMIN) !== 0;
    if (failed && (state & NUD_FAILED) !== 0) neigh_invalidate(n);
    neigh_update_gc_list(n);
    return 0;
  }
  if (lladdr === null && (old & NUD_VALID) === 0) return -EINVAL;
  const same = lladdr === null || ((old & NUD_VALID) !== 0 && same_address(lladdr, n.ha));
  if ((state & NUD_CONNECTED) !== 0) n.confirmed = now;
  let take_address = !same;
  if ((old & NUD_VALID) !== 0) {
    if (!same && (flags & NEIGH_UPDATE_F_OVERRIDE) === 0) {
      if ((flags & NEIGH_UPDATE_F_WEAK_OVERRIDE) === 0 || (old & NUD_CONNECTED) === 0) return 0;
      take_address = false;
      state = NUD_STALE;
    } else if (same && state === NUD_STALE && (flags & NEIGH_UPDATE_F_ADMIN) === 0) {
      // What is known is at least as good.
      state = old;
    }
  }
  // Only what changes something moves the lock time's window.
  if (state !== old || take_address) n.updated = now;
  if (state !== old) {
    n.timer.del();
    if ((state & NUD_PROBE) !== 0) n.probes = 0;
    if ((state & NUD_IN_TIMER) !== 0) {
      n.timer.mod(now + ((state & NUD_REACHABLE) !== 0 ? parms.reachable_time(now) : 0));
    }
    set_state(n, state);
  }
  if (take_address) {
    n.ha.set(lladdr as Uint8Array);
    // neigh_update_hhs
    if (n.hh_len !== 0) neigh_hh_init(n);
    if ((state & NUD_CONNECTED) === 0) n.confirmed = now - (parms.base_reachable_time << 1);
  }
  neigh_update_gc_list(n);
  if (state !== old && (old & NUD_VALID) === 0) {
    // What waited goes out now.
    while ((n.nud_state & NUD_VALID) !== 0) {
      const skb = n.arp_queue.shift();
      if (skb === null) break;
      neigh_output(n, skb);
    }
    n.arp_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
    n.arp_queue_len_bytes = 0;
  }
  return 0;
}

function same_address(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 6; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** neigh_confirm: a higher layer has proof that the neighbour answers. */
export function neigh_confirm(n: neighbour): void {
  n.confirmed = n.tbl.jiffies();
}

/** neigh_event_ns: somebody asked for us, and so told us where it is. The neighbour, or null when the table is full. */
export function neigh_event_ns(tbl: neigh_table, lladdr: Uint8Array, saddr: number, dev: net_device): neighbour | null {
  const n = neigh_lookup(tbl, saddr, dev) ?? neigh_create(tbl, saddr, dev);
  if (n !== null) neigh_update(n, lladdr, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE);
  return n;
}

// ---- output -----------------------------------------------------------------------------------------------------

/** neigh_hh_init: makes the header once, to be copied before each packet. */
function neigh_hh_init(n: neighbour): void {
  const cache = n.dev.header_ops?.cache;
  n.hh_len = cache === undefined ? 0 : cache(n.hh, n.dev, n.protocol, n.ha);
}

/** neigh_output: sends a packet to a neighbour, or lets it wait for it. Takes the skb. As dev_queue_xmit returns. */
export function neigh_output(n: neighbour, skb: sk_buff): number {
  if ((n.nud_state & NUD_CONNECTED) !== 0 && n.hh_len !== 0) return neigh_hh_output(n, skb);
  return neigh_resolve_output(n, skb);
}

/** The header that nearly all have: two addresses and a type. */
const ETHER_HEADER = 14;

/** neigh_hh_output: the fast path. */
function neigh_hh_output(n: neighbour, skb: sk_buff): number {
  const { hh, hh_words, hh_len } = n;
  const at = skb_push(skb, hh_len);
  const { dv, u8 } = skb.ram;
  if (hh_len === ETHER_HEADER) {
    // By words, which are little-endian.
    dv.setInt32(at, hh_words[0] as number, true);
    dv.setInt32(at + 4, hh_words[1] as number, true);
    dv.setInt32(at + 8, hh_words[2] as number, true);
    dv.setInt16(at + 12, hh_words[3] as number, true);
  } else {
    for (let i = 0; i < hh_len; i++) u8[at + i] = hh[i] as number;
  }
  return dev_queue_xmit(skb);
}

/** neigh_resolve_output (neigh_connected_output when nothing has to be found out, neigh_direct_output without a header) */
function neigh_resolve_output(n: neighbour, skb: sk_buff): number {
  const { dev } = n;
  if (dev.header_ops === null) return dev_queue_xmit(skb);
  // neigh_event_send
  if ((n.nud_state & NUD_CONNECTED) === 0) {
    n.used = n.tbl.jiffies();
    if (__neigh_event_send(n, skb) !== 0) return 0;
  }
  if (n.hh_len === 0) neigh_hh_init(n);
  // A packet that waited may have been given a header in vain.
  if (skb.network_header > skb.data) skb_pull(skb, skb.network_header - skb.data);
  if (dev.header_ops.create(skb, dev, n.protocol, n.ha, null) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON.NEIGH_HH_FILLFAIL);
    return -EINVAL;
  }
  return dev_queue_xmit(skb);
}

// ---- by hand ----------------------------------------------------------------------------------------------------

/**
 * neigh_add (`ip neigh replace`, `arp -s`; `add` and `change` by `flags`): 0, -EEXIST, -ENOENT, or -ENOBUFS from a full
 * table.
 */
export function neigh_add(
  tbl: neigh_table,
  key: number,
  dev: net_device,
  lladdr: Uint8Array | null,
  state = NUD_PERMANENT,
  flags = NEIGH_ADD_CREATE | NEIGH_ADD_REPLACE,
): number {
  let n = neigh_lookup(tbl, key, dev);
  let update = NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN;
  if (n === null) {
    if ((flags & NEIGH_ADD_CREATE) === 0) return -ENOENT;
    n = neigh_create(tbl, key, dev, (state & NUD_PERMANENT) !== 0);
    if (n === null) return -ENOBUFS;
  } else {
    if ((flags & NEIGH_ADD_EXCL) !== 0) return -EEXIST;
    if ((flags & NEIGH_ADD_REPLACE) === 0) update &= ~NEIGH_UPDATE_F_OVERRIDE;
  }
  return neigh_update(n, lladdr, state, update);
}

/** neigh_delete (`ip neigh del`): true when it was there. */
export function neigh_delete(tbl: neigh_table, key: number, dev: net_device): boolean {
  const n = neigh_lookup(tbl, key, dev);
  if (n === null) return false;
  neigh_update(n, null, NUD_FAILED, NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN);
  neigh_destroy(n);
  return true;
}

/** One line of `ip neigh` or /proc/net/arp. */
export interface neigh_entry {
  key: number;
  dev: string;
  /** Six bytes; zero while unknown. */
  lladdr: Uint8Array;
  state: number;
  /** Packets that wait, and their truesize. */
  queued: number;
  queued_bytes: number;
}

/** neigh_dump: every neighbour, by device and address. */
export function neigh_dump(tbl: neigh_table): neigh_entry[] {
  const list: neigh_entry[] = [];
  for (const first of tbl.hash.values()) {
    for (let n: neighbour | null = first; n !== null; n = n.next) {
      list.push({
        key: n.primary_key,
        dev: n.dev.name,
        lladdr: n.ha.slice(),
        state: n.nud_state,
        queued: n.arp_queue.qlen,
        queued_bytes: n.arp_queue_len_bytes,
      });
    }
  }
  return list.sort((a, b) => (a.dev < b.dev ? -1 : a.dev > b.dev ? 1 : (a.key >>> 0) - (b.key >>> 0)));
}
