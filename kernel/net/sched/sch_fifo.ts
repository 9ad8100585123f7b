/** pfifo, bfifo, pfifo_head_drop: one queue with a limit (net/sched/sch_fifo.c). */
import { EINVAL } from '../../errno.ts';
import type { sk_buff } from '../core/skbuff.ts';
import {
  make_qdisc_ops,
  NET_XMIT_CN,
  psched_mtu,
  type Qdisc,
  type Qdisc_ops,
  qdisc_dequeue_head,
  qdisc_drop,
  qdisc_enqueue_tail,
  type qdisc_options,
  qdisc_peek_head,
  qdisc_tree_reduce_backlog,
  TCQ_F_CAN_BYPASS,
} from './qdisc.ts';
import { qdisc_create_dflt, qdisc_put, qdisc_reset_queue } from './sch_generic.ts';

/** `limit`: packets (pfifo) or bytes (bfifo); the device's tx_queue_len when left out. */
export interface fifo_options {
  readonly limit?: number;
}

function pfifo_enqueue(skb: sk_buff, sch: Qdisc): number {
  if (sch.q.qlen < sch.limit) return qdisc_enqueue_tail(skb, sch);
  return qdisc_drop(skb, sch);
}

function bfifo_enqueue(skb: sk_buff, sch: Qdisc): number {
  if (sch.backlog + skb.cb0 <= sch.limit) return qdisc_enqueue_tail(skb, sch);
  return qdisc_drop(skb, sch);
}

/** pfifo_tail_enqueue: a full queue loses its oldest packet. */
function pfifo_tail_enqueue(skb: sk_buff, sch: Qdisc): number {
  if (sch.limit === 0) return qdisc_drop(skb, sch);
  if (sch.q.qlen < sch.limit) return qdisc_enqueue_tail(skb, sch);
  const before = sch.backlog;
  const oldest = sch.q.shift();
  if (oldest !== null) {
    sch.qlen--;
    sch.backlog -= oldest.cb0;
    qdisc_drop(oldest, sch);
  }
  qdisc_enqueue_tail(skb, sch);
  qdisc_tree_reduce_backlog(sch, 0, before - sch.backlog);
  return NET_XMIT_CN;
}

function fifo_init(sch: Qdisc, opt: qdisc_options | null): number {
  const bytes = sch.ops.id === 'bfifo';
  const { limit } = (opt ?? {}) as fifo_options;
  if (limit === undefined) sch.limit = sch.dev.tx_queue_len * (bytes ? psched_mtu(sch.dev) : 1);
  else if (!Number.isInteger(limit) || limit < 0 || limit > 0xffffffff) return -EINVAL;
  else sch.limit = limit;
  const bypass = sch.ops.id !== 'pfifo_head_drop' && sch.limit >= (bytes ? psched_mtu(sch.dev) : 1);
  sch.flags = bypass ? sch.flags | TCQ_F_CAN_BYPASS : sch.flags & ~TCQ_F_CAN_BYPASS;
  return 0;
}

const make_fifo = (id: string, enqueue: Qdisc_ops['enqueue']): Qdisc_ops =>
  make_qdisc_ops(id, {
    enqueue,
    dequeue: qdisc_dequeue_head,
    peek: qdisc_peek_head,
    init: fifo_init,
    change: fifo_init,
    reset: qdisc_reset_queue,
    dump: sch => ({ limit: sch.limit }) satisfies fifo_options,
  });

export const pfifo_qdisc_ops = make_fifo('pfifo', pfifo_enqueue);
export const bfifo_qdisc_ops = make_fifo('bfifo', bfifo_enqueue);
export const pfifo_head_drop_qdisc_ops = make_fifo('pfifo_head_drop', pfifo_tail_enqueue);

/** fifo_set_limit: of a child, if it is a fifo at all. 0 or a negative errno. */
export function fifo_set_limit(q: Qdisc, limit: number): number {
  if (!q.ops.id.endsWith('fifo')) return 0;
  return q.ops.change === null ? 0 : q.ops.change(q, { limit });
}

/** fifo_create_dflt: a fifo as a child, or null. */
export function fifo_create_dflt(sch: Qdisc, ops: Qdisc_ops, limit: number): Qdisc | null {
  const q = qdisc_create_dflt(sch.dev_queue, ops, (sch.handle | 1) >>> 0, sch);
  if (q !== null && fifo_set_limit(q, limit) !== 0) {
    qdisc_put(q);
    return null;
  }
  return q;
}
