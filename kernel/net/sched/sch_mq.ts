/** mq: the root of a device with several transmit queues, each with a discipline of its own (net/sched/sch_mq.c). */
import { ENOMEM, EOPNOTSUPP } from '../../errno.ts';
import type { netdev_queue } from '../core/netdevice.ts';
import {
  make_qdisc_ops,
  type Qdisc,
  TC_H_MAKE,
  TC_H_MIN,
  TC_H_ROOT,
  TCQ_F_INVISIBLE,
  TCQ_F_MQROOT,
  TCQ_F_NOPARENT,
  TCQ_F_ONETXQUEUE,
} from './qdisc.ts';
import { get_default_qdisc_ops } from './registry.ts';
import { dev_activate, dev_deactivate, dev_graft_qdisc, qdisc_create_dflt, qdisc_put } from './sch_generic.ts';

/** The children until attach gives them to the transmit queues. */
class mq_sched {
  qdiscs: Qdisc[] = [];
}

const priv = (sch: Qdisc): mq_sched => sch.priv as mq_sched;

/** Adds up what the queues' disciplines count, as mq_dump does. */
export function mq_sum(sch: Qdisc): void {
  sch.qlen = 0;
  sch.backlog = 0;
  sch.bytes = 0;
  sch.packets = 0;
  sch.drops = 0;
  sch.requeues = 0;
  sch.overlimits = 0;
  for (const txq of sch.dev._tx) {
    const q = txq.qdisc_sleeping;
    if (q === null) continue;
    sch.qlen += q.qlen;
    sch.backlog += q.backlog;
    sch.bytes += q.bytes;
    sch.packets += q.packets;
    sch.drops += q.drops;
    sch.requeues += q.requeues;
    sch.overlimits += q.overlimits;
  }
}

export const mq_qdisc_ops = make_qdisc_ops('mq', {
  // Packets go to the queues' own disciplines: nothing is ever enqueued here.
  enqueue: () => 0,
  dequeue: () => null,
  peek: () => null,
  init(sch) {
    sch.priv = new mq_sched();
    if (sch.parent !== TC_H_ROOT) return -EOPNOTSUPP;
    if (sch.dev._tx.length === 1) return -EOPNOTSUPP;
    const ops = get_default_qdisc_ops(sch.dev);
    for (const txq of sch.dev._tx) {
      const child = qdisc_create_dflt(txq, ops, TC_H_MAKE(sch.handle, txq.index + 1), sch);
      if (child === null) return -ENOMEM;
      child.flags = (child.flags | TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT) & ~TCQ_F_INVISIBLE;
      priv(sch).qdiscs.push(child);
    }
    sch.flags |= TCQ_F_MQROOT;
    return 0;
  },
  destroy(sch) {
    for (const child of priv(sch).qdiscs.splice(0)) qdisc_put(child);
  },
  attach(sch) {
    for (const child of priv(sch).qdiscs.splice(0)) qdisc_put(dev_graft_qdisc(child.dev_queue, child));
  },
  dump_stats(sch) {
    mq_sum(sch);
    return null;
  },
  cl_ops: {
    graft(sch, cl, new_) {
      const txq = sch.dev._tx[cl - 1] as netdev_queue;
      if (sch.dev.running) dev_deactivate(sch.dev);
      const old = dev_graft_qdisc(txq, new_);
      if (new_ !== null) {
        new_.flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT;
        new_.parent = TC_H_MAKE(sch.handle, cl);
        new_.parent_sch = sch;
      }
      if (sch.dev.running) dev_activate(sch.dev);
      return old;
    },
    leaf: (sch, cl) => sch.dev._tx[cl - 1]?.qdisc_sleeping ?? null,
    find(sch, classid) {
      const ntx = TC_H_MIN(classid);
      return ntx > sch.dev._tx.length ? 0 : ntx;
    },
    walk(sch, fn) {
      for (let ntx = 1; ntx <= sch.dev._tx.length; ntx++) fn(ntx);
    },
    qlen_notify() {},
  },
});
