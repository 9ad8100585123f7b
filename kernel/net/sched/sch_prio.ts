/** prio: bands of decreasing priority, each with a discipline of its own (net/sched/sch_prio.c). */
import { EINVAL, ENOMEM } from '../../errno.ts';
import type { sk_buff } from '../core/skbuff.ts';
import {
  make_qdisc_ops,
  type Qdisc,
  qdisc_bstats_update,
  qdisc_dequeue_peeked,
  qdisc_enqueue_child,
  type qdisc_options,
  TC_H_MAJ,
  TC_H_MAKE,
  TC_H_MIN,
  TC_PRIO_MAX,
} from './qdisc.ts';
import { pfifo_qdisc_ops } from './sch_fifo.ts';
import {
  prio2band,
  qdisc_create_dflt,
  qdisc_purge_queue,
  qdisc_put,
  qdisc_replace,
  qdisc_reset,
} from './sch_generic.ts';

const TCQ_PRIO_BANDS = 16;
const TCQ_MIN_PRIO_BANDS = 2;

/** `priomap`: band by priority, 16 of them. */
export interface prio_options {
  readonly bands?: number;
  readonly priomap?: readonly number[];
}

class prio_sched_data {
  bands = 0;
  readonly prio2band = Uint8Array.from(prio2band);
  readonly queues: Qdisc[] = [];
}

const priv = (sch: Qdisc): prio_sched_data => sch.priv as prio_sched_data;

/** prio_classify: by priority, or by a priority that names one of our classes. */
function prio_classify(skb: sk_buff, sch: Qdisc, q: prio_sched_data): Qdisc {
  let band = q.prio2band[skb.priority & TC_PRIO_MAX] as number;
  if (sch.handle !== 0 && TC_H_MAJ(skb.priority) === sch.handle) {
    band = TC_H_MIN(skb.priority) - 1;
    if (band < 0 || band >= q.bands) band = q.prio2band[0] as number;
  }
  return q.queues[band] as Qdisc;
}

function prio_enqueue(skb: sk_buff, sch: Qdisc): number {
  return qdisc_enqueue_child(skb, sch, prio_classify(skb, sch, priv(sch)));
}

function prio_dequeue(sch: Qdisc): sk_buff | null {
  const q = priv(sch);
  for (let band = 0; band < q.bands; band++) {
    const skb = qdisc_dequeue_peeked(q.queues[band] as Qdisc);
    if (skb !== null) {
      qdisc_bstats_update(sch, skb);
      sch.backlog -= skb.cb0;
      sch.qlen--;
      return skb;
    }
  }
  return null;
}

function prio_peek(sch: Qdisc): sk_buff | null {
  const q = priv(sch);
  for (let band = 0; band < q.bands; band++) {
    const child = q.queues[band] as Qdisc;
    const skb = child.ops.peek(child);
    if (skb !== null) return skb;
  }
  return null;
}

/** prio_tune: 0 or a negative errno; nothing has changed then. */
function prio_tune(sch: Qdisc, opt: qdisc_options): number {
  const q = priv(sch);
  const { bands = 3, priomap = [...prio2band] } = opt as prio_options;
  if (!Number.isInteger(bands) || bands > TCQ_PRIO_BANDS || bands < TCQ_MIN_PRIO_BANDS) return -EINVAL;
  if (priomap.length > TC_PRIO_MAX + 1) return -EINVAL;
  for (let i = 0; i <= TC_PRIO_MAX; i++) {
    const band = priomap[i] ?? 0;
    if (!Number.isInteger(band) || band < 0 || band >= bands) return -EINVAL;
  }
  const added: Qdisc[] = [];
  for (let i = q.bands; i < bands; i++) {
    const child = qdisc_create_dflt(sch.dev_queue, pfifo_qdisc_ops, TC_H_MAKE(sch.handle, i + 1), sch);
    if (child === null) {
      for (const each of added) qdisc_put(each);
      return -ENOMEM;
    }
    added.push(child);
  }
  for (let i = 0; i <= TC_PRIO_MAX; i++) q.prio2band[i] = priomap[i] ?? 0;
  for (const gone of q.queues.splice(bands)) {
    qdisc_purge_queue(gone);
    qdisc_put(gone);
  }
  q.queues.push(...added);
  q.bands = bands;
  return 0;
}

export const prio_qdisc_ops = make_qdisc_ops('prio', {
  enqueue: prio_enqueue,
  dequeue: prio_dequeue,
  peek: prio_peek,
  init(sch, opt) {
    sch.priv = new prio_sched_data();
    return prio_tune(sch, opt ?? {});
  },
  change: prio_tune,
  reset(sch) {
    for (const child of priv(sch).queues) qdisc_reset(child);
  },
  destroy(sch) {
    for (const child of priv(sch).queues.splice(0)) qdisc_put(child);
  },
  dump: sch => ({ bands: priv(sch).bands, priomap: [...priv(sch).prio2band] }) satisfies prio_options,
  cl_ops: {
    graft(sch, cl, new_) {
      const { queues } = priv(sch);
      const old = queues[cl - 1] as Qdisc;
      queues[cl - 1] = qdisc_replace(sch, new_, old, TC_H_MAKE(sch.handle, cl));
      return old;
    },
    leaf: (sch, cl) => priv(sch).queues[cl - 1] ?? null,
    find(sch, classid) {
      const band = TC_H_MIN(classid);
      return band > priv(sch).bands ? 0 : band;
    },
    walk(sch, fn) {
      for (let band = 1; band <= priv(sch).bands; band++) fn(band);
    },
    qlen_notify() {},
  },
});
