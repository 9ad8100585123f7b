/**
 * fq: a queue for each socket, served in turn within three bands, each packet not before its time (net/sched/sch_fq.c).
 * The time is the sender's (skb.tstamp, as paced TCP sets it), or comes of a rate: the socket's, or `maxrate`.
 */
import { EINVAL } from '../../errno.ts';
import { HZ } from '../../time/timer.ts';
import { skb_get_hash } from '../core/flow_dissector.ts';
import { INET_ECN_set_ce } from '../core/inet_ecn.ts';
import { SKB_DROP_REASON, type sk_buff, sk_buff_head } from '../core/skbuff.ts';
import { type sock, TCP_CLOSE, TCP_LISTEN } from '../core/sock.ts';
import { flow_list } from './flow_list.ts';
import {
  make_qdisc_ops,
  NET_XMIT_SUCCESS,
  psched_mtu,
  type Qdisc,
  qdisc_bstats_update,
  qdisc_drop,
  type qdisc_options,
  qdisc_peek_dequeued,
  qdisc_tree_reduce_backlog,
} from './qdisc.ts';
import { qdisc_watchdog } from './watchdog.ts';

const FQ_BANDS = 3;
const TC_PRIO_CONTROL = 7;
const TC_PRIO_MAX = 15;
/** Of the queue that needs no turn, in packets, while others wait. */
const FASTPATH_MAX = 8;
/** An empty flow is forgotten after so many jiffies, when there are many; so many are looked at in one go. */
const FQ_GC_AGE = 3 * HZ;
const FQ_GC_MAX = 8;
const NO_RATE = 0xffffffff;
const NEVER = Number.MAX_SAFE_INTEGER;

/** Limits in packets, quanta in bytes, rates in bytes a second, times in µs. What is left out stays as it is. */
export interface fq_options {
  readonly limit?: number;
  readonly flow_limit?: number;
  /** A power of two: as many flows, twice, are kept before old ones are forgotten. */
  readonly buckets?: number;
  readonly quantum?: number;
  readonly initial_quantum?: number;
  readonly pacing?: boolean;
  /** 0xffffffff: none. */
  readonly maxrate?: number;
  readonly low_rate_threshold?: number;
  readonly refill_delay?: number;
  readonly orphan_mask?: number;
  /** 0xffffffff: none. */
  readonly ce_threshold?: number;
  readonly timer_slack?: number;
  readonly horizon?: number;
  readonly horizon_drop?: boolean;
  readonly priomap?: readonly number[];
  readonly weights?: readonly number[];
}

/** struct tc_fq_qd_stats. Times in ns. */
export interface fq_xstats {
  readonly flows: number;
  readonly inactive_flows: number;
  readonly throttled_flows: number;
  readonly time_next_delayed_flow: number;
  readonly gc_flows: number;
  readonly fastpath_packets: number;
  readonly throttled: number;
  readonly ce_mark: number;
  readonly flows_plimit: number;
  readonly pkts_too_long: number;
  readonly horizon_drops: number;
  readonly horizon_caps: number;
  readonly band_drops: readonly number[];
}

class fq_flow {
  readonly key: sock | number;
  /** By time. */
  readonly queue = new sk_buff_head();
  credit: number;
  band = 0;
  qlen = 0;
  /** In a list of its band. */
  listed = false;
  throttled = false;
  /** Jiffies since when it is empty. */
  age = 0;
  /** ns; 0: none is known. */
  time_next_packet = 0;
  next: fq_flow | null = null;

  constructor(key: sock | number, credit: number) {
    this.key = key;
    this.credit = credit;
  }
}

class fq_band {
  readonly new_flows = new flow_list<fq_flow>();
  readonly old_flows = new flow_list<fq_flow>();
  credit = 0;
  quantum: number;
  packets = 0;
  drops = 0;

  constructor(quantum: number) {
    this.quantum = quantum;
  }
}

class fq_sched_data {
  readonly flows = new Map<sock | number, fq_flow>();
  /** What needs no turn: control packets, and what finds nobody else waiting. */
  readonly internal = new fq_flow(-1, 0);
  readonly bands = [new fq_band(589824), new fq_band(196608), new fq_band(65536)];
  readonly priomap = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];
  /** Flows that wait for their time, the last one first. */
  readonly delayed: fq_flow[] = [];
  readonly watchdog: qdisc_watchdog;
  band_nr = 0;
  inactive_flows = 0;
  time_next_delayed_flow = NEVER;

  flow_plimit = 100;
  buckets = 1024;
  quantum: number;
  initial_quantum: number;
  rate_enable = true;
  flow_max_rate = NO_RATE;
  low_rate_threshold = 550_000 / 8;
  refill_delay_us = 40_000;
  orphan_mask = 1023;
  ce_threshold_us = NO_RATE;
  /** Told, not needed: timers of ns are exact here. */
  timer_slack_us = 10;
  horizon_us = 10_000_000;
  horizon_drop = true;

  gc_flows = 0;
  fastpath_packets = 0;
  throttled = 0;
  ce_mark = 0;
  flows_plimit = 0;
  pkts_too_long = 0;
  horizon_drops = 0;
  horizon_caps = 0;

  constructor(sch: Qdisc) {
    const mtu = psched_mtu(sch.dev);
    this.quantum = 2 * mtu;
    this.initial_quantum = 10 * mtu;
    this.watchdog = new qdisc_watchdog(sch);
  }
}

const priv = (sch: Qdisc): fq_sched_data => sch.priv as fq_sched_data;

/** fq_flow_set_throttled: not before its time. */
function set_throttled(q: fq_sched_data, flow: fq_flow): void {
  const { delayed } = q;
  let low = 0;
  let high = delayed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((delayed[middle] as fq_flow).time_next_packet > flow.time_next_packet) low = middle + 1;
    else high = middle;
  }
  delayed.splice(low, 0, flow);
  flow.throttled = true;
  q.throttled++;
  q.time_next_delayed_flow = Math.min(q.time_next_delayed_flow, flow.time_next_packet);
}

/** fq_check_throttled: those whose time has come take their turn again. */
function check_throttled(q: fq_sched_data, now: number): void {
  if (q.time_next_delayed_flow > now) return;
  q.time_next_delayed_flow = NEVER;
  while (q.delayed.length > 0) {
    const flow = q.delayed[q.delayed.length - 1] as fq_flow;
    if (flow.time_next_packet > now) {
      q.time_next_delayed_flow = flow.time_next_packet;
      return;
    }
    q.delayed.pop();
    flow.throttled = false;
    (q.bands[flow.band] as fq_band).old_flows.push(flow);
  }
}

/** fq_fastpath_check: may it go ahead of all turns, because nobody waits for his? */
function fastpath(sch: Qdisc, q: fq_sched_data, skb: sk_buff, now: number): boolean {
  if (skb.cb1 > now || q.flow_max_rate !== NO_RATE) return false;
  // TCP's packets carry their times; of any other socket only a flow knows the rate.
  const { sk } = skb;
  if (sk !== null && sk.opts.sk_max_pacing_rate !== NO_RATE && sk.sk_prot.pacing_rate === null) return false;
  if (sch.qlen === 0) return true;
  if (q.flows.size !== q.inactive_flows + q.delayed.length) return false;
  return q.internal.qlen < FASTPATH_MAX && q.time_next_delayed_flow > now;
}

/** fq_gc: a few flows that have long been empty are forgotten, the first of all first. */
function collect(q: fq_sched_data, now: number): void {
  let seen = 0;
  for (const [key, flow] of q.flows) {
    if (seen++ === FQ_GC_MAX) return;
    if (flow.qlen === 0 && !flow.listed && !flow.throttled && now > flow.age + FQ_GC_AGE) {
      q.flows.delete(key);
      q.inactive_flows--;
      q.gc_flows++;
    }
  }
}

/** fq_classify */
function classify(sch: Qdisc, q: fq_sched_data, skb: sk_buff, now: number): fq_flow {
  if ((skb.priority & TC_PRIO_MAX) === TC_PRIO_CONTROL) return q.internal;
  const { sk } = skb;
  // What belongs to no connection goes by its hash. A SYN/ACK is a request's, and has no socket.
  const connected = sk !== null && sk.sk_state !== TCP_LISTEN && sk.sk_state !== TCP_CLOSE;
  const tell = connected && q.rate_enable ? sk.sk_prot.fq_paces : null;
  if (fastpath(sch, q, skb, now)) {
    q.fastpath_packets++;
    if (tell !== null) tell(sk as sock);
    return q.internal;
  }
  const key = connected ? sk : skb_get_hash(skb) & q.orphan_mask;
  const known = q.flows.get(key);
  if (known !== undefined) return known;
  if (q.flows.size >= 2 * q.buckets && q.inactive_flows > q.flows.size >> 1) {
    collect(q, sch.dev.kernel.timers.jiffies());
  }
  const flow = new fq_flow(key, q.initial_quantum);
  q.flows.set(key, flow);
  q.inactive_flows++;
  if (tell !== null) tell(sk as sock);
  return flow;
}

/** flow_queue_add: by time; nearly always the last. */
function flow_queue_add(flow: fq_flow, skb: sk_buff): void {
  const { queue } = flow;
  let before = queue.last;
  while (before !== null && before.cb1 > skb.cb1) before = before.prev;
  if (before === null) queue.unshift(skb);
  else queue.insert_after(before, skb);
}

function fq_enqueue(skb: sk_buff, sch: Qdisc): number {
  const q = priv(sch);
  const { kernel } = sch.dev;
  const number = q.priomap[skb.priority & TC_PRIO_MAX] as number;
  const band = q.bands[number] as fq_band;
  if (band.packets >= sch.limit) {
    band.drops++;
    return qdisc_drop(skb, sch, SKB_DROP_REASON.FQ_BAND_LIMIT);
  }
  const { now } = kernel.clock;
  if (skb.tstamp > now + q.horizon_us * 1000) {
    if (q.horizon_drop) {
      q.horizon_drops++;
      return qdisc_drop(skb, sch, SKB_DROP_REASON.FQ_HORIZON_LIMIT);
    }
    q.horizon_caps++;
    skb.tstamp = now + q.horizon_us * 1000;
  }
  skb.cb1 = skb.tstamp === 0 ? now : skb.tstamp;
  const flow = classify(sch, q, skb, now);
  if (flow !== q.internal) {
    if (flow.qlen >= q.flow_plimit) {
      q.flows_plimit++;
      return qdisc_drop(skb, sch, SKB_DROP_REASON.FQ_FLOW_LIMIT);
    }
    if (!flow.listed && !flow.throttled) {
      band.new_flows.push(flow);
      // Idle for long enough to be let in with a whole quantum.
      const idle = kernel.timers.jiffies() - flow.age;
      if (idle > (q.refill_delay_us * HZ) / 1e6) flow.credit = Math.max(flow.credit, q.quantum);
      flow.band = number;
    }
    band.packets++;
    skb.cb2 = number;
    if (flow.qlen === 0) q.inactive_flows--;
  }
  flow.qlen++;
  flow_queue_add(flow, skb);
  sch.backlog += skb.cb0;
  sch.qlen++;
  return NET_XMIT_SUCCESS;
}

/** fq_dequeue_skb */
function take(sch: Qdisc, flow: fq_flow): sk_buff {
  const skb = flow.queue.shift() as sk_buff;
  flow.qlen--;
  sch.qlen--;
  sch.backlog -= skb.cb0;
  return skb;
}

/** The next band with a flow, and with credit, which comes round by round; false: no flow is waiting for its turn. */
function next_band(q: fq_sched_data): boolean {
  for (let empty = 0; empty < FQ_BANDS; ) {
    q.band_nr = (q.band_nr + 1) % FQ_BANDS;
    const band = q.bands[q.band_nr] as fq_band;
    band.credit = Math.min(band.credit + band.quantum, band.quantum);
    if (band.new_flows.first === null && band.old_flows.first === null) empty++;
    else if (band.credit > 0) return true;
    else empty = 0;
  }
  return false;
}

function fq_dequeue(sch: Qdisc): sk_buff | null {
  if (sch.qlen === 0) return null;
  const q = priv(sch);
  if (q.internal.qlen !== 0) {
    const skb = take(sch, q.internal);
    // It has had its time: for whoever gets it the stamp would mean something else.
    skb.tstamp = 0;
    qdisc_bstats_update(sch, skb);
    return skb;
  }
  const { now } = sch.dev.kernel.clock;
  check_throttled(q, now);
  for (;;) {
    const band = q.bands[q.band_nr] as fq_band;
    const list = band.new_flows.first !== null ? band.new_flows : band.old_flows;
    const flow = list.first;
    if (flow === null || band.credit <= 0) {
      if (next_band(q)) continue;
      if (q.time_next_delayed_flow !== NEVER) q.watchdog.schedule_ns(q.time_next_delayed_flow);
      return null;
    }
    if (flow.credit <= 0) {
      flow.credit += q.quantum;
      list.shift();
      band.old_flows.push(flow);
      continue;
    }
    const head = flow.queue.first;
    if (head === null) {
      list.shift();
      // A pass through the old flows, lest those starve.
      if (list === band.new_flows && band.old_flows.first !== null) band.old_flows.push(flow);
      else flow.age = sch.dev.kernel.timers.jiffies();
      continue;
    }
    const time = Math.max(head.cb1, flow.time_next_packet);
    if (now < time) {
      list.shift();
      flow.time_next_packet = time;
      set_throttled(q, flow);
      continue;
    }
    if (q.ce_threshold_us !== NO_RATE && now - time > q.ce_threshold_us * 1000 && INET_ECN_set_ce(head)) q.ce_mark++;
    const skb = take(sch, flow);
    if (flow.qlen === 0) q.inactive_flows++;
    (q.bands[skb.cb2] as fq_band).packets--;
    flow.credit -= skb.cb0;
    band.credit -= skb.cb0;
    if (q.rate_enable) pace(q, flow, skb, now);
    skb.tstamp = 0;
    qdisc_bstats_update(sch, skb);
    return skb;
  }
}

/** When the flow's next packet may go: by `maxrate`, and, where the sender has not set times, by its socket's rate. */
function pace(q: fq_sched_data, flow: fq_flow, skb: sk_buff, now: number): void {
  let rate = q.flow_max_rate;
  let bytes = skb.cb0;
  if (skb.tstamp === 0) {
    const { sk } = skb;
    if (sk !== null) {
      const { pacing_rate } = sk.sk_prot;
      rate = Math.min(rate, pacing_rate === null ? sk.opts.sk_max_pacing_rate : pacing_rate(sk));
    }
    if (rate <= q.low_rate_threshold) {
      flow.credit = 0;
    } else {
      bytes = Math.max(bytes, q.quantum);
      if (flow.credit > 0) return;
    }
  }
  if (rate === NO_RATE) return;
  let ns = rate === 0 ? 1e9 : Math.floor((bytes * 1e9) / rate);
  if (ns > 1e9) {
    ns = 1e9;
    q.pkts_too_long++;
  }
  // Who was late makes up for half of it.
  if (flow.time_next_packet !== 0) ns -= Math.min(Math.floor(ns / 2), now - flow.time_next_packet);
  flow.time_next_packet = now + ns;
}

const ok = (value: number | undefined, least: number, most = 0xffffffff): boolean =>
  value === undefined || (Number.isInteger(value) && value >= least && value <= most);

function invalid({
  limit,
  flow_limit,
  buckets,
  quantum,
  initial_quantum,
  priomap,
  weights,
  ...rest
}: fq_options): boolean {
  const power = buckets === undefined || (ok(buckets, 1, 262_144) && (buckets & (buckets - 1)) === 0);
  const sizes = ok(limit, 0) && ok(flow_limit, 0) && ok(quantum, 1, 1 << 20) && ok(initial_quantum, 0);
  const bands =
    priomap === undefined || (priomap.length === TC_PRIO_MAX + 1 && priomap.every(b => b >= 0 && b < FQ_BANDS));
  const heavy = weights === undefined || (weights.length === FQ_BANDS && weights.every(w => w >= 16_384));
  const { maxrate, low_rate_threshold, refill_delay, orphan_mask, ce_threshold, timer_slack, horizon } = rest;
  const others = [maxrate, low_rate_threshold, refill_delay, orphan_mask, ce_threshold, timer_slack, horizon];
  return !(power && sizes && bands && heavy && others.every(value => ok(value, 0)));
}

/** fq_change: 0 or -EINVAL. */
function fq_change(sch: Qdisc, options: qdisc_options): number {
  const q = priv(sch);
  const opt = options as fq_options;
  if (invalid(opt)) return -EINVAL;
  if (opt.limit !== undefined) sch.limit = opt.limit;
  q.flow_plimit = opt.flow_limit ?? q.flow_plimit;
  q.buckets = opt.buckets ?? q.buckets;
  q.quantum = opt.quantum ?? q.quantum;
  q.initial_quantum = opt.initial_quantum ?? q.initial_quantum;
  q.rate_enable = opt.pacing ?? q.rate_enable;
  q.flow_max_rate = opt.maxrate ?? q.flow_max_rate;
  q.low_rate_threshold = opt.low_rate_threshold ?? q.low_rate_threshold;
  q.refill_delay_us = opt.refill_delay ?? q.refill_delay_us;
  q.orphan_mask = opt.orphan_mask ?? q.orphan_mask;
  q.ce_threshold_us = opt.ce_threshold ?? q.ce_threshold_us;
  q.timer_slack_us = opt.timer_slack ?? q.timer_slack_us;
  q.horizon_us = opt.horizon ?? q.horizon_us;
  q.horizon_drop = opt.horizon_drop ?? q.horizon_drop;
  opt.priomap?.forEach((band, i) => {
    q.priomap[i] = band;
  });
  opt.weights?.forEach((weight, i) => {
    (q.bands[i] as fq_band).quantum = weight;
  });
  let packets = 0;
  let bytes = 0;
  while (sch.qlen > sch.limit) {
    const { packets: sent, bytes: counted } = sch;
    const skb = fq_dequeue(sch);
    if (skb === null) break;
    // It did not leave by the door.
    sch.packets = sent;
    sch.bytes = counted;
    packets++;
    bytes += skb.cb0;
    qdisc_drop(skb, sch, SKB_DROP_REASON.QDISC_OVERLIMIT);
  }
  qdisc_tree_reduce_backlog(sch, packets, bytes);
  return 0;
}

/** fq_reset: nothing waits, nobody is known. */
function fq_reset(sch: Qdisc): void {
  const q = priv(sch);
  for (const flow of [q.internal, ...q.flows.values()]) {
    flow.queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
    flow.qlen = 0;
  }
  q.flows.clear();
  q.delayed.length = 0;
  q.inactive_flows = 0;
  q.time_next_delayed_flow = NEVER;
  for (const band of q.bands) {
    while (band.new_flows.first !== null) band.new_flows.shift();
    while (band.old_flows.first !== null) band.old_flows.shift();
    band.packets = 0;
  }
  q.watchdog.cancel();
}

export const fq_qdisc_ops = make_qdisc_ops('fq', {
  enqueue: fq_enqueue,
  dequeue: fq_dequeue,
  peek: qdisc_peek_dequeued,
  init(sch, options) {
    sch.limit = 10_000;
    sch.priv = new fq_sched_data(sch);
    return fq_change(sch, options ?? {});
  },
  change: fq_change,
  reset: fq_reset,
  destroy: fq_reset,
  dump(sch) {
    const q = priv(sch);
    return {
      limit: sch.limit,
      flow_limit: q.flow_plimit,
      buckets: q.buckets,
      quantum: q.quantum,
      initial_quantum: q.initial_quantum,
      pacing: q.rate_enable,
      maxrate: q.flow_max_rate,
      low_rate_threshold: q.low_rate_threshold,
      refill_delay: q.refill_delay_us,
      orphan_mask: q.orphan_mask,
      ce_threshold: q.ce_threshold_us,
      timer_slack: q.timer_slack_us,
      horizon: q.horizon_us,
      horizon_drop: q.horizon_drop,
      priomap: q.priomap,
      weights: q.bands.map(({ quantum }) => quantum),
    } satisfies fq_options;
  },
  dump_stats(sch) {
    const q = priv(sch);
    const { gc_flows, fastpath_packets, throttled, ce_mark, flows_plimit, pkts_too_long } = q;
    return {
      flows: q.flows.size,
      inactive_flows: q.inactive_flows,
      throttled_flows: q.delayed.length,
      time_next_delayed_flow: q.time_next_delayed_flow === NEVER ? 0 : q.time_next_delayed_flow,
      gc_flows,
      fastpath_packets,
      throttled,
      ce_mark,
      flows_plimit,
      pkts_too_long,
      horizon_drops: q.horizon_drops,
      horizon_caps: q.horizon_caps,
      band_drops: q.bands.map(({ drops }) => drops),
    } satisfies fq_xstats;
  },
});
