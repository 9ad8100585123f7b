/** How queues are run, and the disciplines that every device starts from (net/sched/sch_generic.c). */
import { EINVAL } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import { netif_schedule } from '../core/dev.ts';
import { dev_hard_start_xmit, validate_xmit_skb_list } from '../core/dev_xmit.ts';
import { IFF_NO_QUEUE, type net_device, type netdev_queue, netif_xmit_stopped } from '../core/netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff, sk_buff_head } from '../core/skbuff.ts';
import {
  make_qdisc_ops,
  NET_XMIT_CN,
  NET_XMIT_DROP,
  NET_XMIT_MASK,
  NET_XMIT_SUCCESS,
  Qdisc,
  type Qdisc_ops,
  qdisc_bstats_update,
  qdisc_drop,
  type qdisc_options,
  qdisc_tree_reduce_backlog,
  TC_H_ROOT,
  TCQ_F_BUILTIN,
  TCQ_F_CAN_BYPASS,
  TCQ_F_INVISIBLE,
  TCQ_F_NOPARENT,
  TCQ_F_ONETXQUEUE,
} from './qdisc.ts';
import { get_default_qdisc_ops } from './registry.ts';
import { mq_qdisc_ops } from './sch_mq.ts';

// ---- running a queue ------------------------------------------------------------------------------------------------

/**
 * __dev_xmit_skb: enqueues and runs; an empty queue of a discipline that allows it is bypassed. Takes the skb.
 * @returns NET_XMIT_SUCCESS, NET_XMIT_DROP or NET_XMIT_CN
 */
export function __dev_xmit_skb(skb: sk_buff, q: Qdisc, txq: netdev_queue): number {
  if (q.deactivated) {
    kfree_skb_reason(skb, SKB_DROP_REASON.QDISC_DROP);
    return NET_XMIT_DROP;
  }
  if ((q.flags & TCQ_F_CAN_BYPASS) !== 0 && q.qlen === 0 && !q.running) {
    qdisc_bstats_update(q, skb);
    q.running = true;
    if (sch_direct_xmit(skb, q, txq, true) && q.qlen > 0) __qdisc_run(q);
    q.running = false;
    return NET_XMIT_SUCCESS;
  }
  // A discipline may drop the skb and say so by its result only: its number tells the trace which it was.
  const result = q.ops.enqueue(skb, q) & NET_XMIT_MASK;
  if (result === NET_XMIT_SUCCESS) {
    const tp = txq.dev.kernel.trace.qdisc_enqueue;
    if (tp !== null) tp(skb, q);
  }
  qdisc_run(q);
  return result;
}

/** qdisc_run: sends what may be sent, unless this queue is being run already. */
export function qdisc_run(q: Qdisc): void {
  if (q.running) return;
  q.running = true;
  __qdisc_run(q);
  q.running = false;
}

/** __qdisc_run: at most net.core.dev_weight packets; the rest is left to NET_TX_SOFTIRQ. */
function __qdisc_run(q: Qdisc): void {
  let quota = q.dev.nd_net.sysctl.dev_weight;
  for (;;) {
    const packets = qdisc_restart(q);
    if (packets === 0) return;
    quota -= packets;
    if (quota <= 0) {
      netif_schedule(q);
      return;
    }
  }
}

/** qdisc_restart: sends what one dequeue gives. The number of packets; 0: nothing to send, or the driver takes no more. */
function qdisc_restart(q: Qdisc): number {
  const skb = dequeue_skb(q);
  if (skb === null) return 0;
  const packets = q.dequeued;
  const txq = skb_get_tx_queue(q.dev, skb);
  return sch_direct_xmit(skb, q, txq, q.validate) ? packets : 0;
}

/** skb_get_tx_queue */
function skb_get_tx_queue(dev: net_device, skb: sk_buff): netdev_queue {
  return dev._tx[skb.queue_mapping < dev._tx.length ? skb.queue_mapping : 0] as netdev_queue;
}

/** dequeue_skb: the next packet, or several for one transmit queue, linked by `next`. */
function dequeue_skb(q: Qdisc): sk_buff | null {
  q.dequeued = 1;
  const requeued = q.gso_skb.first;
  let skb: sk_buff | null;
  if (requeued !== null) {
    // Seen by the driver before, and already validated.
    q.validate = false;
    if (netif_xmit_stopped(skb_get_tx_queue(q.dev, requeued))) return null;
    skb = q.gso_skb.shift() as sk_buff;
    q.backlog -= skb.cb0;
    q.qlen--;
  } else {
    q.validate = true;
    const one = (q.flags & TCQ_F_ONETXQUEUE) !== 0;
    if (one && netif_xmit_stopped(q.dev_queue)) return null;
    const waiting = q.skb_bad_txq.first;
    if (waiting !== null) {
      if (netif_xmit_stopped(skb_get_tx_queue(q.dev, waiting))) return null;
      skb = q.skb_bad_txq.shift() as sk_buff;
      q.backlog -= skb.cb0;
      q.qlen--;
    } else {
      skb = q.ops.dequeue(q);
      if (skb === null) return null;
    }
    if (one) try_bulk_dequeue_skb(q, skb, q.dev_queue);
    else try_bulk_dequeue_skb_slow(q, skb);
  }
  const tp = q.dev.kernel.trace.qdisc_dequeue;
  if (tp !== null) for (let each: sk_buff | null = skb; each !== null; each = each.next) tp(each, q);
  return skb;
}

/** try_bulk_dequeue_skb: as many more as the driver may be given at once by BQL: it rings its doorbell for the last. */
function try_bulk_dequeue_skb(q: Qdisc, first: sk_buff, txq: netdev_queue): void {
  let room = txq.dql.avail() - first.len;
  let last = first;
  while (room > 0) {
    const skb = q.ops.dequeue(q);
    if (skb === null) return;
    room -= skb.len;
    last.next = skb;
    last = skb;
    q.dequeued++;
  }
}

/** try_bulk_dequeue_skb_slow: a few more, as long as they are for the same transmit queue. */
function try_bulk_dequeue_skb_slow(q: Qdisc, first: sk_buff): void {
  let last = first;
  for (let i = 0; i < 8; i++) {
    const skb = q.ops.dequeue(q);
    if (skb === null) return;
    if (skb.queue_mapping !== first.queue_mapping) {
      q.skb_bad_txq.push(skb);
      q.backlog += skb.cb0;
      q.qlen++;
      return;
    }
    last.next = skb;
    last = skb;
    q.dequeued++;
  }
}

/**
 * sch_direct_xmit: validates, and hands to the driver; what it does not take goes back into the queue, to be tried
 * from NET_TX_SOFTIRQ. Takes `skb` and what is linked to it. True: go on.
 */
export function sch_direct_xmit(skb: sk_buff, q: Qdisc, txq: netdev_queue, validate: boolean): boolean {
  const list = validate ? validate_xmit_skb_list(skb, txq.dev) : skb;
  // Nothing is left of it: dropped, and counted there.
  if (list === null) return true;
  let left = list;
  if (!netif_xmit_stopped(txq)) {
    const rest = dev_hard_start_xmit(list, txq.dev, txq);
    if (rest === null) return true;
    left = rest;
  }
  dev_requeue_skb(left, q);
  return false;
}

/** dev_requeue_skb: back into the queue, in front. */
function dev_requeue_skb(left: sk_buff, q: Qdisc): void {
  const tp = q.dev.kernel.trace.qdisc_requeue;
  for (let skb: sk_buff | null = left; skb !== null; ) {
    const next: sk_buff | null = skb.next;
    skb.next = null;
    q.gso_skb.push(skb);
    q.requeues++;
    q.backlog += skb.cb0;
    q.qlen++;
    if (tp !== null) tp(skb, q);
    skb = next;
  }
  netif_schedule(q);
}

// ---- disciplines ----------------------------------------------------------------------------------------------------

/** Priority to band (sch_prio's default map): 0 is sent first. */
export const prio2band = Uint8Array.of(1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
const PFIFO_FAST_BANDS = 3;

/** pfifo_fast's three queues, each bounded by the device's tx_queue_len. */
class pfifo_fast_priv {
  readonly q0 = new sk_buff_head();
  readonly q1 = new sk_buff_head();
  readonly q2 = new sk_buff_head();
}

const fast = (q: Qdisc): pfifo_fast_priv => q.priv as pfifo_fast_priv;

function band2list(priv: pfifo_fast_priv, band: number): sk_buff_head {
  return band === 0 ? priv.q0 : band === 1 ? priv.q1 : priv.q2;
}

export const pfifo_fast_ops = make_qdisc_ops('pfifo_fast', {
  enqueue(skb, q) {
    const band = band2list(fast(q), prio2band[skb.priority & 15] as number);
    if (band.qlen >= q.limit) return qdisc_drop(skb, q);
    band.push(skb);
    q.qlen++;
    q.backlog += skb.cb0;
    return NET_XMIT_SUCCESS;
  },
  dequeue(q) {
    const priv = fast(q);
    const skb = priv.q0.shift() ?? priv.q1.shift() ?? priv.q2.shift();
    if (skb === null) return null;
    q.qlen--;
    q.backlog -= skb.cb0;
    qdisc_bstats_update(q, skb);
    return skb;
  },
  peek(q) {
    const priv = fast(q);
    return priv.q0.first ?? priv.q1.first ?? priv.q2.first;
  },
  init(q) {
    if (q.dev.tx_queue_len === 0) return -EINVAL;
    q.limit = q.dev.tx_queue_len;
    q.priv = new pfifo_fast_priv();
    q.flags |= TCQ_F_CAN_BYPASS;
    return 0;
  },
  reset(q) {
    for (let band = 0; band < PFIFO_FAST_BANDS; band++) band2list(fast(q), band).purge(SKB_DROP_REASON.QUEUE_PURGE);
  },
  change_tx_queue_len(q, length) {
    // skb_array_resize_multiple: what does not fit any more is lost, newest first kept out.
    q.limit = length;
    for (let band = 0; band < PFIFO_FAST_BANDS; band++) {
      const list = band2list(fast(q), band);
      while (list.qlen > length) {
        const skb = list.last as sk_buff;
        list.unlink(skb);
        q.qlen--;
        q.backlog -= skb.cb0;
        qdisc_drop(skb, q);
      }
    }
    return 0;
  },
  dump: () => ({ bands: PFIFO_FAST_BANDS, priomap: [...prio2band] }),
});

/** Of a device that has no queue: packets go straight to the driver. Never enqueued to. */
export const noqueue_qdisc_ops = make_qdisc_ops('noqueue', {
  enqueue: noop_enqueue,
  dequeue: () => null,
  peek: () => null,
});

const noop_qdisc_ops = make_qdisc_ops('noop', { enqueue: noop_enqueue, dequeue: () => null, peek: () => null });

function noop_enqueue(skb: sk_buff, q: Qdisc): number {
  (skb.dev as net_device).stats.tx_dropped++;
  qdisc_drop(skb, q);
  return NET_XMIT_CN;
}

/** noop_qdisc: what a queue has while its device is down or without carrier. Whatever is enqueued is dropped. */
export function noop_qdisc(dev_queue: netdev_queue): Qdisc {
  const q = new Qdisc(noop_qdisc_ops, dev_queue);
  q.flags = TCQ_F_BUILTIN;
  return q;
}

/** The noop discipline as a child. */
export function noop_child(sch: Qdisc): Qdisc {
  return sch.dev_queue.qdisc_noop;
}

// ---- life of a discipline -------------------------------------------------------------------------------------------

/** qdisc_create_dflt: a discipline with default options, or null. `parent_sch`: whose child it will be. */
export function qdisc_create_dflt(
  dev_queue: netdev_queue,
  ops: Qdisc_ops,
  parentid: number,
  parent_sch: Qdisc | null,
): Qdisc | null {
  const q = new Qdisc(ops, dev_queue);
  q.parent = parentid;
  q.parent_sch = parent_sch;
  q.flags |= TCQ_F_INVISIBLE;
  if (ops.init(q, null) === 0) return q;
  ops.destroy(q);
  return null;
}

/** qdisc_reset_queue: drops everything in the one queue. */
export function qdisc_reset_queue(q: Qdisc): void {
  q.q.purge(SKB_DROP_REASON.QUEUE_PURGE);
}

/** qdisc_reset: drops everything that waits. */
export function qdisc_reset(q: Qdisc): void {
  q.ops.reset(q);
  q.gso_skb.purge(SKB_DROP_REASON.QUEUE_PURGE);
  q.skb_bad_txq.purge(SKB_DROP_REASON.QUEUE_PURGE);
  q.qlen = 0;
  q.backlog = 0;
}

/** qdisc_purge_queue: the same, for a child whose ancestors go on. */
export function qdisc_purge_queue(q: Qdisc): void {
  const { qlen, backlog } = q;
  qdisc_reset(q);
  qdisc_tree_reduce_backlog(q, qlen, backlog);
}

/** qdisc_put: one user less; the last one destroys it. */
export function qdisc_put(q: Qdisc | null): void {
  if (q === null || (q.flags & TCQ_F_BUILTIN) !== 0 || --q.refcnt > 0) return;
  qdisc_reset(q);
  q.ops.destroy(q);
  const { qdiscs } = q.dev;
  const index = qdiscs.indexOf(q);
  if (index >= 0) qdiscs.splice(index, 1);
}

/** qdisc_replace: makes `new_` (null: noop) a child in place of `old`, which is emptied. Gives the one that is in place. */
export function qdisc_replace(sch: Qdisc, new_: Qdisc | null, old: Qdisc, classid: number): Qdisc {
  qdisc_purge_queue(old);
  if (new_ === null) return noop_child(sch);
  new_.parent = classid;
  new_.parent_sch = sch;
  return new_;
}

/** dev_graft_qdisc: a transmit queue gets another discipline; gives the old one, emptied. Used by the next dev_activate. */
export function dev_graft_qdisc(txq: netdev_queue, q: Qdisc | null): Qdisc | null {
  const old = txq.qdisc_sleeping;
  // A device that is down keeps noop until it comes up.
  txq.qdisc_sleeping = q;
  txq.qdisc = txq.qdisc_noop;
  if (old !== null) qdisc_reset(old);
  return old;
}

/** qdisc_change: new options for a living discipline. 0 or a negative errno. */
export function qdisc_change(q: Qdisc, opt: qdisc_options | null): number {
  if (opt === null) return 0;
  return q.ops.change === null ? -EINVAL : q.ops.change(q, opt);
}

// ---- devices --------------------------------------------------------------------------------------------------------

/** attach_default_qdiscs: what a device gets that nobody configured. */
function attach_default_qdiscs(dev: net_device): void {
  const no_queue = (dev.priv_flags & IFF_NO_QUEUE) !== 0;
  if (dev._tx.length > 1 && !no_queue) {
    const root = qdisc_create_dflt(dev._tx[0] as netdev_queue, mq_qdisc_ops, TC_H_ROOT, null);
    if (root !== null) {
      root.flags &= ~TCQ_F_INVISIBLE;
      dev.qdisc = root;
      (mq_qdisc_ops.attach as NonNullable<Qdisc_ops['attach']>)(root);
      return;
    }
  }
  for (const txq of dev._tx) {
    const ops = no_queue ? noqueue_qdisc_ops : get_default_qdisc_ops(dev);
    const q =
      qdisc_create_dflt(txq, ops, TC_H_ROOT, null) ?? qdisc_create_dflt(txq, noqueue_qdisc_ops, TC_H_ROOT, null);
    const first = q as Qdisc;
    first.flags &= ~TCQ_F_INVISIBLE;
    if (ops !== noqueue_qdisc_ops) first.flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT;
    txq.qdisc_sleeping = first;
  }
  dev.qdisc = (dev._tx[0] as netdev_queue).qdisc_sleeping;
  if (dev.qdisc !== null) dev.qdisc.refcnt++;
}

/** dev_activate: with carrier, each queue gets its discipline and the watchdog starts. */
export function dev_activate(dev: net_device): void {
  if (dev.qdisc === null) attach_default_qdiscs(dev);
  if (!dev.carrier) return;
  let watched = false;
  for (const txq of dev._tx) {
    const q = txq.qdisc_sleeping ?? txq.qdisc_noop;
    q.deactivated = false;
    txq.qdisc = q;
    txq.trans_start = dev.kernel.clock.now;
    if (q.ops !== noqueue_qdisc_ops) watched = true;
  }
  if (watched && dev.netdev_ops.ndo_tx_timeout !== undefined) start_watchdog(dev);
}

/** dev_deactivate: what waits is dropped, and so is what comes; the watchdog stops. */
export function dev_deactivate(dev: net_device): void {
  dev.watchdog_timer.del();
  for (const txq of dev._tx) {
    if ((txq.qdisc.flags & TCQ_F_BUILTIN) === 0) txq.qdisc.deactivated = true;
    txq.qdisc = txq.qdisc_noop;
    if (txq.qdisc_sleeping !== null) qdisc_reset(txq.qdisc_sleeping);
  }
}

/** dev_shutdown: the device goes away, and its disciplines with it. */
export function dev_shutdown(dev: net_device): void {
  for (const txq of dev._tx) {
    txq.qdisc = txq.qdisc_noop;
    const q = txq.qdisc_sleeping;
    txq.qdisc_sleeping = null;
    if (q !== null) qdisc_put(q);
  }
  const root = dev.qdisc;
  dev.qdisc = null;
  if (root !== null) qdisc_put(root);
  dev.watchdog_timer.del();
}

/** dev_qdisc_change_tx_queue_len: 0 or a negative errno. */
export function dev_qdisc_change_tx_queue_len(dev: net_device): number {
  const { running } = dev;
  if (running) dev_deactivate(dev);
  let result = 0;
  for (const txq of dev._tx) {
    const q = txq.qdisc_sleeping;
    if (q !== null) result ||= q.ops.change_tx_queue_len(q, dev.tx_queue_len);
  }
  if (running) dev_activate(dev);
  return result;
}

/** dev_watchdog: a queue that is stopped and has sent nothing for watchdog_timeo is hung. */
export function dev_watchdog(dev: net_device): void {
  if (!dev.present || !dev.running || !dev.carrier) return;
  const kernel: Kernel = dev.kernel;
  for (const txq of dev._tx) {
    if (!netif_xmit_stopped(txq) || kernel.clock.now - txq.trans_start < dev.watchdog_timeo) continue;
    txq.trans_timeout++;
    kernel.printk(`NETDEV WATCHDOG: ${dev.name}: transmit queue ${txq.index} timed out`);
    const tp = kernel.trace.netdev_tx_timeout;
    if (tp !== null) tp(dev);
    dev.netdev_ops.ndo_tx_timeout?.(dev, txq.index);
  }
  start_watchdog(dev);
}

function start_watchdog(dev: net_device): void {
  dev.watchdog_timer.mod_ns(dev.kernel.clock.now + dev.watchdog_timeo);
}
