/** fq_codel: a queue with CoDel for each flow, served in turn, new flows first (net/sched/sch_fq_codel.c, RFC 8290). */

import { EINVAL } from '../../errno.ts';
import { reciprocal_scale } from '../../lib/hash.ts';
import { skb_get_hash } from '../core/flow_dissector.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff, sk_buff_head } from '../core/skbuff.ts';
import {
  CODEL_DISABLED_THRESHOLD,
  codel_dequeue,
  codel_from_us,
  codel_get_time,
  codel_params,
  type codel_queue,
  codel_stats,
  type codel_time,
  codel_to_us,
  codel_vars,
} from './codel.ts';
import { flow_list } from './flow_list.ts';
import {
  make_qdisc_ops,
  NET_XMIT_CN,
  NET_XMIT_SUCCESS,
  psched_mtu,
  type Qdisc,
  qdisc_bstats_update,
  qdisc_drop,
  type qdisc_options,
  qdisc_peek_dequeued,
  qdisc_tree_reduce_backlog,
  TC_H_MAJ,
  TC_H_MIN,
  TCQ_F_CAN_BYPASS,
} from './qdisc.ts';

/** Times in µs, limits in packets and bytes. What is left out stays as it is. `flows` is fixed at creation. */
export interface fq_codel_options {
  readonly limit?: number;
  readonly flows?: number;
  readonly quantum?: number;
  readonly target?: number;
  readonly interval?: number;
  readonly ce_threshold?: number;
  readonly memory_limit?: number;
  readonly drop_batch?: number;
  readonly ecn?: boolean;
}

/** struct tc_fq_codel_qd_stats */
export interface fq_codel_xstats {
  readonly maxpacket: number;
  readonly drop_overlimit: number;
  readonly new_flow_count: number;
  readonly ecn_mark: number;
  readonly ce_mark: number;
  readonly memory_usage: number;
  readonly drop_overmemory: number;
  readonly new_flows_len: number;
  readonly old_flows_len: number;
}

const DEFAULT_FLOWS = 1024;

class fq_codel_flow {
  readonly index: number;
  readonly queue = new sk_buff_head();
  readonly cvars = new codel_vars();
  deficit = 0;
  /** In a list of flows. */
  listed = false;
  next: fq_codel_flow | null = null;

  constructor(index: number) {
    this.index = index;
  }
}

class fq_codel_sched_data implements codel_queue {
  readonly sch: Qdisc;
  readonly cparams = new codel_params();
  readonly cstats = new codel_stats();
  readonly flows: fq_codel_flow[];
  readonly backlogs: Int32Array;
  readonly new_flows = new flow_list<fq_codel_flow>();
  readonly old_flows = new flow_list<fq_codel_flow>();
  quantum: number;
  drop_batch = 64;
  memory_limit = 32 << 20;
  memory_usage = 0;
  drop_overmemory = 0;
  drop_overlimit = 0;
  new_flow_count = 0;
  /** The flow that is being served. */
  private serving: fq_codel_flow | null = null;

  constructor(sch: Qdisc, flows: number) {
    this.sch = sch;
    this.flows = Array.from({ length: flows }, (_, index) => new fq_codel_flow(index));
    this.backlogs = new Int32Array(flows);
    this.quantum = psched_mtu(sch.dev);
    this.cparams.mtu = psched_mtu(sch.dev);
    this.cparams.ecn = true;
  }

  backlog(): number {
    return this.sch.backlog;
  }

  now(): codel_time {
    return codel_get_time(this.sch.dev.kernel.clock.now);
  }

  serve(flow: fq_codel_flow): sk_buff | null {
    this.serving = flow;
    return codel_dequeue(this, flow.cvars);
  }

  dequeue_func(): sk_buff | null {
    const flow = this.serving as fq_codel_flow;
    const skb = flow.queue.shift();
    if (skb !== null) this.taken(flow, skb);
    return skb;
  }

  /** An skb leaves a flow's queue. */
  taken(flow: fq_codel_flow, skb: sk_buff): void {
    const { sch, backlogs } = this;
    backlogs[flow.index] = (backlogs[flow.index] as number) - skb.cb0;
    this.memory_usage -= skb.cb2;
    sch.qlen--;
    sch.backlog -= skb.cb0;
  }

  drop_func(skb: sk_buff): void {
    this.sch.drops++;
    kfree_skb_reason(skb, SKB_DROP_REASON.QDISC_CONGESTED);
  }
}

const priv = (sch: Qdisc): fq_codel_sched_data => sch.priv as fq_codel_sched_data;

/** fq_codel_classify: by hash of the flow, or by a priority that names one of our classes. */
function fq_codel_classify(skb: sk_buff, sch: Qdisc, flows: number): number {
  if (sch.handle !== 0 && TC_H_MAJ(skb.priority) === sch.handle) {
    const minor = TC_H_MIN(skb.priority);
    if (minor > 0 && minor <= flows) return minor - 1;
  }
  return reciprocal_scale(skb_get_hash(skb), flows);
}

/** fq_codel_drop: half of the fattest flow's backlog, at most `max` packets; the flow's index. */
function fq_codel_drop(sch: Qdisc, q: fq_codel_sched_data, max: number): number {
  const { backlogs } = q;
  let fattest = 0;
  let index = 0;
  for (let i = 0; i < backlogs.length; i++) {
    const backlog = backlogs[i] as number;
    if (backlog > fattest) {
      fattest = backlog;
      index = i;
    }
  }
  const threshold = fattest >> 1;
  const flow = q.flows[index] as fq_codel_flow;
  let bytes = 0;
  let count = 0;
  do {
    const skb = flow.queue.shift() as sk_buff;
    bytes += skb.cb0;
    q.taken(flow, skb);
    qdisc_drop(skb, sch, SKB_DROP_REASON.QDISC_OVERLIMIT);
  } while (++count < max && bytes < threshold);
  // CoDel's signal becomes stronger, too.
  flow.cvars.count += count;
  return index;
}

function fq_codel_enqueue(skb: sk_buff, sch: Qdisc): number {
  const q = priv(sch);
  const index = fq_codel_classify(skb, sch, q.flows.length);
  const flow = q.flows[index] as fq_codel_flow;
  const length = skb.cb0;
  skb.cb1 = q.now();
  skb.cb2 = skb.truesize;
  flow.queue.push(skb);
  q.backlogs[index] = (q.backlogs[index] as number) + length;
  sch.backlog += length;
  if (!flow.listed) {
    q.new_flows.push(flow);
    q.new_flow_count++;
    flow.deficit = q.quantum;
  }
  q.memory_usage += skb.truesize;
  const memory_limited = q.memory_usage > q.memory_limit;
  sch.qlen++;
  if (sch.qlen <= sch.limit && !memory_limited) return NET_XMIT_SUCCESS;
  const { qlen, backlog } = sch;
  const victim = fq_codel_drop(sch, q, q.drop_batch);
  const packets = qlen - sch.qlen;
  const bytes = backlog - sch.backlog;
  q.drop_overlimit += packets;
  if (memory_limited) q.drop_overmemory += packets;
  // When it hit this very flow the sender is told, and our ancestors do not count this packet.
  if (victim === index) {
    qdisc_tree_reduce_backlog(sch, packets - 1, bytes - length);
    return NET_XMIT_CN;
  }
  qdisc_tree_reduce_backlog(sch, packets, bytes);
  return NET_XMIT_SUCCESS;
}

function fq_codel_dequeue(sch: Qdisc): sk_buff | null {
  const q = priv(sch);
  for (;;) {
    const list = q.new_flows.first !== null ? q.new_flows : q.old_flows;
    const flow = list.first;
    if (flow === null) return null;
    if (flow.deficit <= 0) {
      flow.deficit += q.quantum;
      list.shift();
      q.old_flows.push(flow);
      continue;
    }
    const skb = q.serve(flow);
    if (skb === null) {
      list.shift();
      // An empty new flow goes through the old ones once, or a flow with single packets would starve them.
      if (list === q.new_flows && q.old_flows.first !== null) q.old_flows.push(flow);
      continue;
    }
    qdisc_bstats_update(sch, skb);
    flow.deficit -= skb.cb0;
    tell_ancestors(sch, q);
    return skb;
  }
}

function tell_ancestors(sch: Qdisc, q: fq_codel_sched_data): void {
  const { cstats } = q;
  if (cstats.drop_count === 0) return;
  const { drop_count, drop_len } = cstats;
  cstats.drop_count = 0;
  cstats.drop_len = 0;
  qdisc_tree_reduce_backlog(sch, drop_count, drop_len);
}

const ok = (value: number | undefined, least: number, most = 0xffffffff): boolean =>
  value === undefined || (Number.isInteger(value) && value >= least && value <= most);

function invalid(opt: fq_codel_options): boolean {
  const { limit, quantum, target, interval, ce_threshold, memory_limit, drop_batch } = opt;
  return !(
    ok(limit, 0) &&
    ok(quantum, 0) &&
    ok(target, 0) &&
    ok(interval, 0) &&
    ok(ce_threshold, 0) &&
    ok(memory_limit, 0) &&
    ok(drop_batch, 0)
  );
}

/** fq_codel_change: 0 or -EINVAL. */
function fq_codel_change(sch: Qdisc, options: qdisc_options): number {
  const q = priv(sch);
  const opt = options as fq_codel_options;
  if (opt.flows !== undefined && opt.flows !== q.flows.length) return -EINVAL;
  if (invalid(opt)) return -EINVAL;
  const { cparams } = q;
  if (opt.target !== undefined) cparams.target = codel_from_us(opt.target);
  if (opt.interval !== undefined) cparams.interval = codel_from_us(opt.interval);
  if (opt.ce_threshold !== undefined) cparams.ce_threshold = codel_from_us(opt.ce_threshold);
  if (opt.limit !== undefined) sch.limit = opt.limit;
  if (opt.ecn !== undefined) cparams.ecn = opt.ecn;
  if (opt.quantum !== undefined) q.quantum = Math.max(256, opt.quantum);
  if (opt.drop_batch !== undefined) q.drop_batch = Math.max(1, opt.drop_batch);
  if (opt.memory_limit !== undefined) q.memory_limit = Math.min(2 ** 31, opt.memory_limit);
  while (sch.qlen > sch.limit || q.memory_usage > q.memory_limit) {
    const { packets, bytes } = sch;
    const skb = fq_codel_dequeue(sch);
    if (skb === null) break;
    // It did not leave by the door.
    sch.packets = packets;
    sch.bytes = bytes;
    q.cstats.drop_len += skb.cb0;
    q.cstats.drop_count++;
    qdisc_drop(skb, sch, SKB_DROP_REASON.QDISC_OVERLIMIT);
  }
  tell_ancestors(sch, q);
  return 0;
}

export const fq_codel_qdisc_ops = make_qdisc_ops('fq_codel', {
  enqueue: fq_codel_enqueue,
  dequeue: fq_codel_dequeue,
  peek: qdisc_peek_dequeued,
  init(sch, options) {
    const opt = (options ?? {}) as fq_codel_options;
    if (!ok(opt.flows, 1, 65536)) return -EINVAL;
    sch.limit = 10 * 1024;
    sch.priv = new fq_codel_sched_data(sch, opt.flows ?? DEFAULT_FLOWS);
    const err = fq_codel_change(sch, opt);
    if (err === 0 && sch.limit >= 1) sch.flags |= TCQ_F_CAN_BYPASS;
    return err;
  },
  change: fq_codel_change,
  reset(sch) {
    const q = priv(sch);
    while (q.new_flows.first !== null) q.new_flows.shift();
    while (q.old_flows.first !== null) q.old_flows.shift();
    for (const flow of q.flows) {
      flow.queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
      flow.cvars.reset();
    }
    q.backlogs.fill(0);
    q.memory_usage = 0;
  },
  dump(sch) {
    const { cparams, flows, quantum, memory_limit, drop_batch } = priv(sch);
    return {
      limit: sch.limit,
      flows: flows.length,
      quantum,
      target: codel_to_us(cparams.target),
      interval: codel_to_us(cparams.interval),
      ...(cparams.ce_threshold === CODEL_DISABLED_THRESHOLD ? {} : { ce_threshold: codel_to_us(cparams.ce_threshold) }),
      memory_limit,
      ecn: cparams.ecn,
      drop_batch,
    } satisfies fq_codel_options;
  },
  dump_stats(sch) {
    const q = priv(sch);
    const { maxpacket, ecn_mark, ce_mark } = q.cstats;
    const { drop_overlimit, new_flow_count, memory_usage, drop_overmemory } = q;
    return {
      maxpacket,
      drop_overlimit,
      new_flow_count,
      ecn_mark,
      ce_mark,
      memory_usage,
      drop_overmemory,
      new_flows_len: q.new_flows.length,
      old_flows_len: q.old_flows.length,
    } satisfies fq_codel_xstats;
  },
});
