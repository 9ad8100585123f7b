/**
 * struct Qdisc and what every discipline does with it (include/net/sch_generic.h, include/net/pkt_sched.h).
 *
 * While a discipline holds an skb, the control block is its own: cb0 is qdisc_pkt_len, the bytes the packet will take
 * on the wire (a GSO packet's headers counted once per segment); the rest is each discipline's.
 */
import type { net_device, netdev_queue } from '../core/netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff, sk_buff_head } from '../core/skbuff.ts';

/** Results of dev_queue_xmit and of a discipline's enqueue, beside negative errnos (linux/netdevice.h). */
export const NET_XMIT_SUCCESS = 0;
export const NET_XMIT_DROP = 1;
export const NET_XMIT_CN = 2;
export const NET_XMIT_MASK = 0x0f;
/** Beside a result, from child to parent: the packet is somebody else's; it is gone, but that is no failure. */
export const __NET_XMIT_STOLEN = 0x00010000;
export const __NET_XMIT_BYPASS = 0x00020000;

/** Handles (linux/pkt_sched.h): major number of the discipline, minor of its class; unsigned. */
export const TC_H_UNSPEC = 0;
export const TC_H_ROOT = 0xffffffff;
export const TC_H_MAJ = (h: number): number => (h & 0xffff0000) >>> 0;
export const TC_H_MIN = (h: number): number => h & 0xffff;
export const TC_H_MAKE = (maj: number, min: number): number => (TC_H_MAJ(maj) | TC_H_MIN(min)) >>> 0;
export const TC_PRIO_MAX = 15;

/** Qdisc.flags */
export const TCQ_F_BUILTIN = 1;
export const TCQ_F_CAN_BYPASS = 4;
export const TCQ_F_MQROOT = 8;
/** Feeds one transmit queue only: stopped with it. */
export const TCQ_F_ONETXQUEUE = 0x10;
export const TCQ_F_NOPARENT = 0x40;
/** Not shown: a default child. */
export const TCQ_F_INVISIBLE = 0x80;

/** Options of a discipline as `tc` or a program gives them; each kind has its own interface. */
export type qdisc_options = object;

/** A discipline's classes. A class is named by a number above 0 that `find` gives for a class id. */
export interface Qdisc_class_ops {
  /** Puts `new_` (null: noop) into a class; gives what was there, or a negative errno. */
  graft(sch: Qdisc, cl: number, new_: Qdisc | null): Qdisc | null | number;
  leaf(sch: Qdisc, cl: number): Qdisc | null;
  find(sch: Qdisc, classid: number): number;
  /** Every class, in order. */
  walk(sch: Qdisc, fn: (cl: number) => void): void;
  /** A child has become empty without being asked for a packet. */
  qlen_notify(sch: Qdisc, cl: number): void;
}

/** What a discipline does. `enqueue` takes the skb in every case. Made with `make_qdisc_ops`, so that all have one shape. */
export interface Qdisc_ops {
  readonly id: string;
  readonly cl_ops: Qdisc_class_ops | null;
  readonly enqueue: (skb: sk_buff, sch: Qdisc) => number;
  readonly dequeue: (sch: Qdisc) => sk_buff | null;
  /** The packet that the next dequeue gives; it stays where it is. */
  readonly peek: (sch: Qdisc) => sk_buff | null;
  /** 0 or a negative errno. */
  readonly init: (sch: Qdisc, opt: qdisc_options | null) => number;
  readonly reset: (sch: Qdisc) => void;
  readonly destroy: (sch: Qdisc) => void;
  /** 0 or a negative errno; null: options cannot be changed. */
  readonly change: ((sch: Qdisc, opt: qdisc_options) => number) | null;
  /** Takes the place of the transmit queues' own disciplines (mq); null: every queue gets this one. */
  readonly attach: ((sch: Qdisc) => void) | null;
  readonly change_tx_queue_len: (sch: Qdisc, length: number) => number;
  /** The options in force, and the discipline's own statistics, as objects of numbers: for `tc`. */
  readonly dump: (sch: Qdisc) => qdisc_options;
  readonly dump_stats: (sch: Qdisc) => object | null;
}

export function make_qdisc_ops(
  id: string,
  ops: Partial<Qdisc_ops> & Pick<Qdisc_ops, 'enqueue' | 'dequeue' | 'peek'>,
): Qdisc_ops {
  return {
    id,
    cl_ops: ops.cl_ops ?? null,
    enqueue: ops.enqueue,
    dequeue: ops.dequeue,
    peek: ops.peek,
    init: ops.init ?? (() => 0),
    reset: ops.reset ?? (() => {}),
    destroy: ops.destroy ?? (() => {}),
    change: ops.change ?? null,
    attach: ops.attach ?? null,
    change_tx_queue_len: ops.change_tx_queue_len ?? (() => 0),
    dump: ops.dump ?? (() => ({})),
    dump_stats: ops.dump_stats ?? (() => null),
  };
}

export class Qdisc {
  readonly ops: Qdisc_ops;
  readonly dev: net_device;
  readonly dev_queue: netdev_queue;
  flags = 0;
  handle = 0;
  /** The class it hangs in: TC_H_ROOT, or a class id of `parent_sch`. */
  parent = 0;
  parent_sch: Qdisc | null = null;
  refcnt = 1;
  /** Packets; what of them depends on the discipline. */
  limit = 0;
  /** The queue of a discipline that has one only. */
  readonly q = new sk_buff_head();
  /** What the driver gave back, or what was looked at ahead of its time: sent before anything else. */
  readonly gso_skb = new sk_buff_head();
  /** Of a discipline that feeds several transmit queues: the next packet, whose queue is stopped. */
  readonly skb_bad_txq = new sk_buff_head();
  /** Everything that waits here and below, gso_skb included: packets and bytes. */
  qlen = 0;
  backlog = 0;
  /** `tc -s qdisc`: what was sent, and what happened otherwise. */
  bytes = 0;
  packets = 0;
  drops = 0;
  requeues = 0;
  overlimits = 0;
  /** __QDISC_STATE_SCHED: on a CPU's output_queue. */
  scheduled = false;
  next_sched: Qdisc | null = null;
  /** __QDISC_STATE_RUNNING */
  running = false;
  /** __QDISC_STATE_DEACTIVATED: its device is down or without carrier. */
  deactivated = false;
  /** What the last dequeue_skb gave: how many packets, and whether they are still to be validated. */
  dequeued = 0;
  validate = true;
  /** The discipline's own state (qdisc_priv). */
  priv: unknown = null;

  constructor(ops: Qdisc_ops, dev_queue: netdev_queue) {
    this.ops = ops;
    this.dev_queue = dev_queue;
    this.dev = dev_queue.dev;
  }
}

/** qdisc_root: the discipline that is run on behalf of this one. */
export function qdisc_root(sch: Qdisc): Qdisc {
  return sch.dev_queue.qdisc;
}

/** psched_mtu: the longest frame of the device. */
export function psched_mtu(dev: net_device): number {
  return dev.mtu + dev.hard_header_len;
}

/** psched_l2t_ns: how long `length` bytes take at `rate` bytes per second. */
export function psched_l2t_ns(rate: number, length: number): number {
  return Math.floor((length * 1e9) / rate);
}

export function qdisc_pkt_len(skb: sk_buff): number {
  return skb.cb0;
}

/** qdisc_bstats_update: a packet leaves. */
export function qdisc_bstats_update(sch: Qdisc, skb: sk_buff): void {
  sch.bytes += skb.cb0;
  sch.packets += skb.gso_size === 0 ? 1 : skb.gso_segs;
}

/** qdisc_drop (qdisc_drop_reason): the skb is dropped and counted. */
export function qdisc_drop(skb: sk_buff, sch: Qdisc, reason: number = SKB_DROP_REASON.QDISC_DROP): number {
  sch.drops++;
  kfree_skb_reason(skb, reason);
  return NET_XMIT_DROP;
}

/** net_xmit_drop_count: does a child's failure count as a drop of its parent, too? */
export function net_xmit_drop_count(result: number): boolean {
  return (result & __NET_XMIT_STOLEN) === 0;
}

/** qdisc_enqueue_tail, with `qlen` and `backlog`. */
export function qdisc_enqueue_tail(skb: sk_buff, sch: Qdisc): number {
  sch.q.push(skb);
  sch.qlen++;
  sch.backlog += skb.cb0;
  return NET_XMIT_SUCCESS;
}

/** qdisc_dequeue_head */
export function qdisc_dequeue_head(sch: Qdisc): sk_buff | null {
  const skb = sch.q.shift();
  if (skb !== null) {
    sch.qlen--;
    sch.backlog -= skb.cb0;
    qdisc_bstats_update(sch, skb);
  }
  return skb;
}

export function qdisc_peek_head(sch: Qdisc): sk_buff | null {
  return sch.q.first;
}

/** Enqueues to a child; parent's `qlen`, `backlog` and `drops` follow. As enqueue returns. */
export function qdisc_enqueue_child(skb: sk_buff, sch: Qdisc, child: Qdisc): number {
  const length = skb.cb0;
  const result = child.ops.enqueue(skb, child);
  if (result === NET_XMIT_SUCCESS) {
    sch.backlog += length;
    sch.qlen++;
  } else if (net_xmit_drop_count(result)) {
    sch.drops++;
  }
  return result;
}

/** qdisc_peek_dequeued: for disciplines that only know what comes next by taking it. It still belongs to the queue. */
export function qdisc_peek_dequeued(sch: Qdisc): sk_buff | null {
  const held = sch.gso_skb.first;
  if (held !== null) return held;
  const skb = sch.ops.dequeue(sch);
  if (skb !== null) {
    sch.gso_skb.unshift(skb);
    sch.backlog += skb.cb0;
    sch.qlen++;
  }
  return skb;
}

/** qdisc_dequeue_peeked */
export function qdisc_dequeue_peeked(sch: Qdisc): sk_buff | null {
  const held = sch.gso_skb.shift();
  if (held === null) return sch.ops.dequeue(sch);
  sch.backlog -= held.cb0;
  sch.qlen--;
  return held;
}

/** qdisc_tree_reduce_backlog: a discipline has dropped (or, below 0, added) what its ancestors count. */
export function qdisc_tree_reduce_backlog(sch: Qdisc, packets: number, bytes: number): void {
  if (packets === 0 && bytes === 0) return;
  let notify = sch.qlen === 0;
  let child = sch;
  for (let up = sch.parent_sch; up !== null; child = up, up = up.parent_sch) {
    if (child.parent === TC_H_ROOT || (child.flags & TCQ_F_NOPARENT) !== 0) return;
    const { cl_ops } = up.ops;
    if (notify && cl_ops !== null) cl_ops.qlen_notify(up, cl_ops.find(up, child.parent));
    up.qlen -= packets;
    up.backlog -= bytes;
    if (packets > 0) up.drops += packets;
    notify = up.qlen === 0;
  }
}
