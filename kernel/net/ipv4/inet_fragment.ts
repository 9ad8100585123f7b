/**
 * Reassembly, for every network layer that has fragments (net/ipv4/inet_fragment.c): queues by key, their memory and
 * timers, and the order of what they hold.
 *
 * A queue keeps its fragments in runs: fragments that came one behind the other are chained by `next`; the runs lie
 * sorted in an array, so that a fragment finds its place by bisection. In an skb that waits, cb4 is the length of the
 * run that it begins and cb5 its offset in the datagram.
 */
import { timer_list } from '../../time/timer.ts';
import type { net } from '../core/net_namespace.ts';
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  kfree_skb_reason,
  pskb_expand_head,
  SKB_DROP_REASON,
  type sk_buff,
  skb_cloned,
  skb_headroom,
  skb_push,
} from '../core/skbuff.ts';
import type { inet_peer } from './inetpeer.ts';

/** flags of a queue */
export const INET_FRAG_FIRST_IN = 1;
export const INET_FRAG_LAST_IN = 2;

/** Results of inet_frag_queue_insert */
export const IPFRAG_OK = 0;
export const IPFRAG_DUP = 1;
export const IPFRAG_OVERLAP = 2;

/** sizeof(struct ipq), which counts beside the fragments. */
const QSIZE = 200;
const HASH_MIN = 256;
const NONE = -1;

/** struct inet_frag_queue, with what struct ipq adds. Used again and again. */
export class inet_frag_queue {
  readonly fqdir: fqdir;
  readonly index: number;
  readonly timer: timer_list;
  /** In the table. */
  live = false;
  // The key: addresses, identification and protocol, user, device (l3mdev).
  saddr = 0;
  daddr = 0;
  id = 0;
  user = 0;
  vif = 0;
  flags = 0;
  /** Length of the datagram as far as it is known, and bytes that are there. */
  len = 0;
  meat = 0;
  /** Largest fragment, with its header; largest of those with DF. */
  max_size = 0;
  max_df_size = 0;
  /** Bits of the ECN values seen. */
  ecn = 0;
  iif = 0;
  stamp = 0;
  rid = 0;
  peer: inet_peer | null = null;
  truesize = 0;
  readonly runs: sk_buff[] = [];
  /** The last fragment of the datagram so far (fragments_tail), which ends the last run. */
  fragments_tail: sk_buff | null = null;

  constructor(dir: fqdir, index: number, expire: (q: inet_frag_queue) => void) {
    this.fqdir = dir;
    this.index = index;
    this.timer = new timer_list(dir.net.kernel, () => expire(this));
  }

  /** Empty, but for the key. */
  reset(): void {
    this.flags = 0;
    this.len = 0;
    this.meat = 0;
    this.max_size = 0;
    this.max_df_size = 0;
    this.ecn = 0;
    this.iif = 0;
    this.stamp = 0;
    this.truesize = 0;
    this.runs.length = 0;
    this.fragments_tail = null;
  }
}

/** struct fqdir: all queues of one network layer in one net. */
export class fqdir {
  readonly net: net;
  private readonly expire: (q: inet_frag_queue) => void;
  /** Bytes of fragments that may wait (net.ipv4.ipfrag_high_thresh); 0: none may. low_thresh is a relic, also in Linux. */
  high_thresh = 4 * 1024 * 1024;
  low_thresh = 3 * 1024 * 1024;
  /** Jiffies (ipfrag_time). */
  timeout: number;
  /** Fragments from one peer between two of a datagram (ipfrag_max_dist); 0: any number. */
  max_dist = 64;
  mem = 0;
  nqueues = 0;
  private readonly key: number;
  private readonly queues: inet_frag_queue[] = [];
  private readonly unused: inet_frag_queue[] = [];
  private heads = new Int32Array(HASH_MIN).fill(NONE);
  private links = new Int32Array(HASH_MIN).fill(NONE);

  constructor(net: net, name: string, timeout: number, expire: (q: inet_frag_queue) => void) {
    this.net = net;
    this.timeout = timeout;
    this.expire = expire;
    this.key = net.kernel.arch.random(name).u32() | 0;
  }

  private slot(saddr: number, daddr: number, id: number, user: number, vif: number): number {
    let h = Math.imul(saddr ^ this.key, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 15) ^ daddr, 0xc2b2ae35);
    h = Math.imul(h ^ (h >>> 13) ^ id ^ Math.imul(user, 0x9e3779b1), 0x27d4eb2f);
    h = Math.imul(h ^ (h >>> 16) ^ vif ^ this.key, 0x165667b1);
    return (h ^ (h >>> 15)) & (this.heads.length - 1);
  }

  /**
   * inet_frag_find: the queue of a key, made when there is none. `id`: identification and protocol in one. Null: there
   * is no memory for fragments at present.
   */
  find(saddr: number, daddr: number, id: number, user: number, vif: number): inet_frag_queue | null {
    if (this.high_thresh === 0 || this.mem > this.high_thresh) return null;
    const slot = this.slot(saddr, daddr, id, user, vif);
    for (let i = this.heads[slot] as number; i !== NONE; i = this.links[i] as number) {
      const q = this.queues[i] as inet_frag_queue;
      if (q.saddr === saddr && q.daddr === daddr && q.id === id && q.user === user && q.vif === vif) return q;
    }
    return this.create(saddr, daddr, id, user, vif);
  }

  /** inet_frag_create */
  private create(saddr: number, daddr: number, id: number, user: number, vif: number): inet_frag_queue {
    let q = this.unused.pop();
    if (q === undefined) {
      q = new inet_frag_queue(this, this.queues.length, this.expire);
      this.queues.push(q);
      if (this.queues.length > this.links.length) this.grow();
    }
    q.reset();
    q.live = true;
    q.saddr = saddr;
    q.daddr = daddr;
    q.id = id;
    q.user = user;
    q.vif = vif;
    const slot = this.slot(saddr, daddr, id, user, vif);
    this.links[q.index] = this.heads[slot] as number;
    this.heads[slot] = q.index;
    this.mem += QSIZE;
    this.nqueues++;
    q.timer.mod(this.net.kernel.timers.jiffies() + this.timeout);
    return q;
  }

  private grow(): void {
    const size = this.links.length * 2;
    this.heads = new Int32Array(size).fill(NONE);
    this.links = new Int32Array(size).fill(NONE);
    // None is unused, or there would have been no need; the newest is not linked yet.
    for (let i = 0; i < this.queues.length - 1; i++) {
      const q = this.queues[i] as inet_frag_queue;
      const slot = this.slot(q.saddr, q.daddr, q.id, q.user, q.vif);
      this.links[q.index] = this.heads[slot] as number;
      this.heads[slot] = q.index;
    }
  }

  /**
   * inet_frag_kill and inet_frag_destroy: the queue goes, and what it still holds with it. Linux calls that consumed
   * but after a time-out; here it is dropped for the reason that ended the queue.
   */
  kill(q: inet_frag_queue, reason: number): void {
    q.timer.del();
    const slot = this.slot(q.saddr, q.daddr, q.id, q.user, q.vif);
    let at = this.heads[slot] as number;
    if (at === q.index) this.heads[slot] = this.links[at] as number;
    else {
      while (this.links[at] !== q.index) at = this.links[at] as number;
      this.links[at] = this.links[q.index] as number;
    }
    this.purge(q, reason);
    if (q.peer !== null) q.peer.refcnt--;
    q.peer = null;
    q.live = false;
    this.mem -= QSIZE;
    this.nqueues--;
    this.unused.push(q);
  }

  /** inet_frag_rbtree_purge */
  purge(q: inet_frag_queue, reason: number): void {
    const { runs } = q;
    for (let i = 0; i < runs.length; i++) {
      for (let skb: sk_buff | null = runs[i] as sk_buff; skb !== null; ) {
        const next: sk_buff | null = skb.next;
        skb.next = null;
        kfree_skb_reason(skb, reason);
        skb = next;
      }
    }
    runs.length = 0;
    q.fragments_tail = null;
    this.mem -= q.truesize;
    q.truesize = 0;
  }

  /** fqdir_exit */
  exit(): void {
    for (const q of this.queues) if (q.live) this.kill(q, SKB_DROP_REASON.QUEUE_PURGE);
  }
}

/** FRAG_CB(skb)->ip_defrag_offset */
function frag_offset(skb: sk_buff): number {
  return skb.cb5;
}

/** inet_frag_queue_insert: the fragment's place in the queue, which then holds it; or IPFRAG_DUP, IPFRAG_OVERLAP. */
export function inet_frag_queue_insert(q: inet_frag_queue, skb: sk_buff, offset: number, end: number): number {
  const { runs, fragments_tail: last } = q;
  skb.next = null;
  if (last === null) {
    runs.push(skb);
    q.fragments_tail = skb;
  } else {
    const last_end = frag_offset(last) + last.len;
    if (last_end < end) {
      // The common case: it belongs to the end.
      if (offset < last_end) return IPFRAG_OVERLAP;
      if (offset === last_end) {
        last.next = skb;
        const run = runs[runs.length - 1] as sk_buff;
        run.cb4 += skb.len;
        skb.cb4 = 0;
        skb.cb5 = offset;
        q.fragments_tail = skb;
        return IPFRAG_OK;
      }
      runs.push(skb);
      q.fragments_tail = skb;
    } else {
      let low = 0;
      let high = runs.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        const curr = runs[middle] as sk_buff;
        const start = frag_offset(curr);
        const run_end = start + curr.cb4;
        if (end <= start) high = middle;
        else if (offset >= run_end) low = middle + 1;
        else return offset >= start && end <= run_end ? IPFRAG_DUP : IPFRAG_OVERLAP;
      }
      runs.splice(low, 0, skb);
    }
  }
  skb.cb4 = skb.len;
  skb.cb5 = offset;
  return IPFRAG_OK;
}

/** inet_frag_pull_head: the first fragment, which the caller then owns. */
export function inet_frag_pull_head(q: inet_frag_queue): sk_buff | null {
  const head = q.runs[0];
  if (head === undefined) return null;
  if (head.next !== null) {
    head.next.cb4 = head.cb4 - head.len;
    q.runs[0] = head.next;
  } else q.runs.shift();
  head.next = null;
  if (q.fragments_tail === head) q.fragments_tail = null;
  q.fqdir.mem -= head.truesize;
  q.truesize -= head.truesize;
  return head;
}

/**
 * inet_frag_reasm_prepare and inet_frag_reasm_finish: `skb`, the fragment that came last, becomes the datagram: it takes
 * over the first fragment's header and bytes, the others go to its frag_list in order. No byte is copied. `data` is at
 * the network header afterwards. The queue is empty then. False: no memory, nothing done.
 */
export function inet_frag_reasm(q: inet_frag_queue, skb: sk_buff): boolean {
  const { runs } = q;
  const head = runs[0] as sk_buff;
  // Its header will be written to.
  if (skb_cloned(head) && pskb_expand_head(head, skb_headroom(head), 0) !== 0) return false;
  // One chain of all runs.
  let before: sk_buff | null = null;
  for (let i = 0; i < runs.length; i++) {
    let frag = runs[i] as sk_buff;
    if (i > 0) (before as sk_buff).next = frag;
    while (frag.next !== null) frag = frag.next;
    before = frag;
  }
  if (head !== skb) {
    let prev = head;
    while (prev.next !== skb) prev = prev.next as sk_buff;
    const rest = skb.next;
    swap_packets(head, skb);
    if (prev === head) skb.next = head;
    else {
      skb.next = head.next;
      prev.next = head;
    }
    head.next = rest;
  }
  skb.frag_list = skb.next;
  skb.next = null;
  skb_push(skb, skb.data - skb.network_header);
  for (let frag = skb.frag_list; frag !== null; frag = frag.next) {
    if (frag.ip_summed !== skb.ip_summed) skb.ip_summed = CHECKSUM_NONE;
    else if (skb.ip_summed === CHECKSUM_COMPLETE) {
      const sum = skb.csum + frag.csum;
      skb.csum = (sum & 0xffff) + (sum >>> 16);
    }
    skb.len += frag.len;
    skb.data_len += frag.len;
    skb.truesize += frag.truesize;
  }
  skb.cb4 = 0;
  skb.cb5 = 0;
  skb.tstamp = q.stamp;
  runs.length = 0;
  q.fragments_tail = null;
  q.fqdir.mem -= q.truesize;
  q.truesize = 0;
  return true;
}

/** skb_morph, both ways: each of two packets becomes the other, but for route, device and owner. */
function swap_packets(a: sk_buff, b: sk_buff): void {
  swap(a, b, 'head');
  swap(a, b, 'data');
  swap(a, b, 'tail');
  swap(a, b, 'end');
  swap(a, b, 'len');
  swap(a, b, 'truesize');
  swap(a, b, 'mac_header');
  swap(a, b, 'network_header');
  swap(a, b, 'transport_header');
  swap(a, b, 'mac_len');
  swap(a, b, 'protocol');
  swap(a, b, 'pkt_type');
  swap(a, b, 'ip_summed');
  swap(a, b, 'csum');
  swap(a, b, 'csum_start');
  swap(a, b, 'csum_offset');
  swap(a, b, 'csum_valid');
  swap(a, b, 'hash');
  swap(a, b, 'l4_hash');
  swap(a, b, 'sw_hash');
  swap(a, b, 'queue_mapping');
  swap(a, b, 'priority');
  swap(a, b, 'mark');
  swap(a, b, 'vlan_tci');
  swap(a, b, 'vlan_proto');
  swap(a, b, 'vlan_present');
  swap(a, b, 'skb_iif');
  swap(a, b, 'cloned');
  swap(a, b, 'cb0');
  swap(a, b, 'cb1');
  swap(a, b, 'cb2');
  swap(a, b, 'cb3');
  swap(a, b, 'cb4');
  swap(a, b, 'cb5');
}

type NumberKey = { [K in keyof sk_buff]: sk_buff[K] extends number ? K : never }[keyof sk_buff];

function swap(a: sk_buff, b: sk_buff, key: Exclude<NumberKey, 'id'>): void {
  const value = a[key];
  a[key] = b[key];
  b[key] = value;
}
