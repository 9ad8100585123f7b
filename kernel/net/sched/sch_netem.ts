/**
 * netem: delay, jitter, loss, duplication, corruption, reordering and rate of a network that is not there
 * (net/sched/sch_netem.c).
 *
 * Chance: each kind of mishap draws from a stream of its own, named after the place of the discipline
 * (`netem.eth0.root.loss`), which lives as long as the run. A change of options never reseeds, and switching one mishap
 * on moves no draw of another. A `seed` in the options is part of the streams' names.
 */
import type { RandomStream } from '../../arch.ts';
import { EINVAL } from '../../errno.ts';
import { INET_ECN_set_ce } from '../core/inet_ecn.ts';
import { skb_checksum_help } from '../core/skb_checksum.ts';
import {
  CHECKSUM_PARTIAL,
  kfree_skb_reason,
  pskb_expand_head,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_cloned,
  skb_headlen,
  skb_headroom,
  skb_linearize,
  skb_orphan,
} from '../core/skbuff.ts';
import {
  __NET_XMIT_BYPASS,
  make_qdisc_ops,
  NET_XMIT_DROP,
  NET_XMIT_SUCCESS,
  net_xmit_drop_count,
  type Qdisc,
  qdisc_bstats_update,
  qdisc_drop,
  type qdisc_options,
  qdisc_peek_dequeued,
  qdisc_root,
  qdisc_tree_reduce_backlog,
  TC_H_MAKE,
  TC_H_ROOT,
} from './qdisc.ts';
import { qdisc_put, qdisc_replace, qdisc_reset } from './sch_generic.ts';
import { qdisc_watchdog } from './watchdog.ts';

export type netem_distribution = 'uniform' | 'normal' | 'pareto' | 'paretonormal';

/** Gilbert and Elliott's loss: probabilities of good → bad, bad → good, of loss in the bad state and in the good one. */
export interface netem_gemodel {
  readonly p: number;
  readonly r: number;
  /** 1 - h */
  readonly loss_bad: number;
  /** 1 - k */
  readonly loss_good: number;
}

/** Times in ns, probabilities and correlations from 0 to 1, rate in bytes per second. */
export interface netem_options {
  readonly limit?: number;
  readonly latency?: number;
  readonly jitter?: number;
  readonly delay_corr?: number;
  readonly distribution?: netem_distribution;
  readonly loss?: number;
  readonly loss_corr?: number;
  readonly gemodel?: netem_gemodel;
  /** Mark instead of losing. */
  readonly ecn?: boolean;
  readonly duplicate?: number;
  readonly dup_corr?: number;
  readonly corrupt?: number;
  readonly corrupt_corr?: number;
  /** The share of packets that overtake, every `gap`th at most. */
  readonly reorder?: number;
  readonly reorder_corr?: number;
  readonly gap?: number;
  readonly rate?: number;
  readonly seed?: number;
}

const TWO32 = 2 ** 32;

/** A correlated random number (struct crndstate): 32 bits, `rho` parts of the last one in it. */
class crndstate {
  private readonly random: RandomStream;
  private last = 0;
  rho = 0;

  constructor(random: RandomStream) {
    this.random = random;
  }

  /** get_crandom */
  next(): number {
    const value = this.random.u32();
    if (this.rho === 0) return value;
    const answer = Math.floor(value * (1 - this.rho) + this.last * this.rho);
    this.last = answer;
    return answer;
  }

  /** True with probability `p`; draws only when `p` is not 0. */
  hits(p: number): boolean {
    return p !== 0 && this.next() < p * TWO32;
  }
}

const TABLE = 4096;

/** The inverse of the normal distribution's function (Acklam's rational approximation, error below 1.2e-9). */
function normal_quantile(p: number): number {
  if (p > 0.5) return -normal_quantile(1 - p);
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    const top =
      ((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q +
        4.374664141464968) *
        q +
      2.938163982698783;
    const bottom =
      (((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1;
    return top / bottom;
  }
  const q = p - 0.5;
  const r = q * q;
  const top =
    (((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
      30.66479806614716) *
      r +
      2.506628277459239) *
    q;
  const bottom =
    ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
      13.28068155288572) *
      r +
    1;
  return top / bottom;
}

/** Quantiles of a distribution in units of sigma: what tc's table files hold. Pareto has exponent 3. */
function dist_table(kind: netem_distribution): Float64Array | null {
  if (kind === 'uniform') return null;
  const pareto = (p: number): number => (p ** (-1 / 3) - 1.5) / Math.sqrt(0.75);
  return Float64Array.from({ length: TABLE }, (_, i) => {
    const p = (i + 0.5) / TABLE;
    if (kind === 'normal') return normal_quantile(p);
    if (kind === 'pareto') return Math.min(pareto(p), 4);
    return Math.min(0.25 * normal_quantile(p) + 0.75 * pareto(p), 4);
  });
}

/** The packets by the time at which they shall go, oldest first among equals (tfifo): a binary heap without objects. */
class tfifo {
  private times = new Float64Array(64);
  private orders = new Float64Array(64);
  private readonly skbs: (sk_buff | null)[] = new Array<sk_buff | null>(64).fill(null);
  private order = 0;
  length = 0;
  /** The latest time of those that wait. */
  latest = 0;

  get first(): sk_buff | null {
    return this.skbs[0] as sk_buff | null;
  }

  get first_time(): number {
    return this.times[0] as number;
  }

  push(skb: sk_buff, time: number): void {
    if (this.length === this.times.length) this.grow();
    if (this.length === 0 || time > this.latest) this.latest = time;
    const order = this.order++;
    let i = this.length++;
    while (i > 0) {
      const up = (i - 1) >> 1;
      // Equal times keep their order, so a newer one never rises above an equal one.
      if ((this.times[up] as number) <= time) break;
      this.move(up, i);
      i = up;
    }
    this.times[i] = time;
    this.orders[i] = order;
    this.skbs[i] = skb;
  }

  shift(): sk_buff {
    const skb = this.skbs[0] as sk_buff;
    const last = --this.length;
    const time = this.times[last] as number;
    const order = this.orders[last] as number;
    const moved = this.skbs[last] as sk_buff | null;
    this.skbs[last] = null;
    let i = 0;
    while (last > 0) {
      let down = 2 * i + 1;
      if (down >= last) break;
      if (down + 1 < last && this.before(down + 1, this.times[down] as number, this.orders[down] as number)) down++;
      if (!this.before(down, time, order)) break;
      this.move(down, i);
      i = down;
    }
    if (last > 0) {
      this.times[i] = time;
      this.orders[i] = order;
      this.skbs[i] = moved;
    }
    return skb;
  }

  private before(i: number, time: number, order: number): boolean {
    const t = this.times[i] as number;
    return t < time || (t === time && (this.orders[i] as number) < order);
  }

  private move(from: number, to: number): void {
    this.times[to] = this.times[from] as number;
    this.orders[to] = this.orders[from] as number;
    this.skbs[to] = this.skbs[from] as sk_buff | null;
  }

  private grow(): void {
    const size = this.times.length * 2;
    const times = new Float64Array(size);
    const orders = new Float64Array(size);
    times.set(this.times);
    orders.set(this.orders);
    this.times = times;
    this.orders = orders;
    while (this.skbs.length < size) this.skbs.push(null);
  }
}

class netem_sched_data {
  latency = 0;
  jitter = 0;
  loss = 0;
  ecn = false;
  duplicate = 0;
  corrupt = 0;
  reorder = 0;
  gap = 0;
  counter = 0;
  rate = 0;
  distribution: netem_distribution = 'uniform';
  table: Float64Array | null = null;
  gemodel: netem_gemodel | null = null;
  ge_bad = false;
  readonly delay_cor: crndstate;
  readonly loss_cor: crndstate;
  readonly dup_cor: crndstate;
  readonly reorder_cor: crndstate;
  readonly corrupt_cor: crndstate;
  /** Which byte and bit is turned. */
  readonly corrupt_random: RandomStream;
  readonly seed: number | undefined;
  /** The child, if one was grafted: it gets what its time has come for. */
  qdisc: Qdisc | null = null;
  readonly tfifo = new tfifo();
  readonly watchdog: qdisc_watchdog;

  constructor(sch: Qdisc, seed: number | undefined) {
    const place = sch.parent === TC_H_ROOT ? 'root' : sch.parent.toString(16);
    const stem = `netem.${sch.dev.name}.${place}${seed === undefined ? '' : `.seed${seed}`}`;
    const { arch } = sch.dev.kernel;
    const stream = (name: string): RandomStream => arch.random(`${stem}.${name}`);
    this.seed = seed;
    this.delay_cor = new crndstate(stream('delay'));
    this.loss_cor = new crndstate(stream('loss'));
    this.dup_cor = new crndstate(stream('duplicate'));
    this.reorder_cor = new crndstate(stream('reorder'));
    this.corrupt_cor = new crndstate(stream('corrupt'));
    this.corrupt_random = stream('corrupt.bit');
    this.watchdog = new qdisc_watchdog(sch);
  }
}

const priv = (sch: Qdisc): netem_sched_data => sch.priv as netem_sched_data;

/** loss_event */
function loss_event(q: netem_sched_data): boolean {
  const { gemodel, loss_cor } = q;
  if (gemodel === null) return loss_cor.hits(q.loss);
  // The state's own loss is drawn first, by the rules of the state that the packet meets.
  const { p, r, loss_bad, loss_good } = gemodel;
  const turn = loss_cor.next();
  const lost = loss_cor.next();
  if (q.ge_bad) {
    if (turn < r * TWO32) q.ge_bad = false;
    return lost < loss_bad * TWO32;
  }
  if (turn < p * TWO32) q.ge_bad = true;
  return lost < loss_good * TWO32;
}

/** tabledist: a delay in ns, which may be below 0. */
function tabledist(q: netem_sched_data): number {
  const { latency, jitter, table } = q;
  if (jitter === 0) return latency;
  const value = q.delay_cor.next();
  if (table === null) return Math.floor((value / TWO32) * 2 * jitter) + latency - jitter;
  return Math.round(latency + jitter * (table[Math.floor((value / TWO32) * TABLE)] as number));
}

/** Turns one bit of the packet. The skb, which may be another, or null when it had to be dropped. */
function corrupt(skb: sk_buff, sch: Qdisc, q: netem_sched_data): sk_buff | null {
  // A sum that the card makes would make the damage right again.
  const mine =
    skb_linearize(skb) === 0 &&
    (!skb_cloned(skb) || pskb_expand_head(skb, skb_headroom(skb), skb.end - skb.tail) === 0) &&
    (skb.ip_summed !== CHECKSUM_PARTIAL || skb.gso_size !== 0 || skb_checksum_help(skb) === 0);
  if (!mine) {
    qdisc_drop(skb, sch, SKB_DROP_REASON.NOMEM);
    return null;
  }
  const byte = Math.floor((q.corrupt_random.u32() / TWO32) * skb_headlen(skb));
  const { u8 } = skb.ram;
  u8[skb.data + byte] = (u8[skb.data + byte] as number) ^ (1 << (q.corrupt_random.u32() & 7));
  return skb;
}

function netem_enqueue(given: sk_buff, sch: Qdisc): number {
  const q = priv(sch);
  let skb = given;
  let count = 1;
  if (q.dup_cor.hits(q.duplicate)) count++;
  if (loss_event(q)) {
    if (q.ecn && INET_ECN_set_ce(skb)) sch.drops++;
    else count--;
  }
  if (count === 0) {
    sch.drops++;
    kfree_skb_reason(skb, SKB_DROP_REASON.QDISC_DROP);
    return NET_XMIT_SUCCESS | __NET_XMIT_BYPASS;
  }
  // A packet that is delayed as if it were on the wire is off its socket's books as if it were on the wire.
  if (q.latency !== 0 || q.jitter !== 0 || q.rate !== 0) skb_orphan(skb);
  const twin = count > 1 ? skb_clone(skb) : null;
  if (q.corrupt_cor.hits(q.corrupt)) {
    const damaged = corrupt(skb, sch, q);
    if (damaged === null) {
      if (twin !== null) qdisc_drop(twin, sch);
      return NET_XMIT_DROP;
    }
    skb = damaged;
  }
  if (sch.qlen >= sch.limit) {
    if (twin !== null) kfree_skb_reason(twin, SKB_DROP_REASON.QDISC_DROP);
    return qdisc_drop(skb, sch, SKB_DROP_REASON.QDISC_OVERLIMIT);
  }
  if (twin !== null) {
    // From the top of the tree, since the parents expect one packet from us; and not duplicated again.
    const { duplicate } = q;
    q.duplicate = 0;
    const root = qdisc_root(sch);
    root.ops.enqueue(twin, root);
    q.duplicate = duplicate;
  }
  sch.backlog += skb.cb0;
  sch.qlen++;
  const { now } = sch.dev.kernel.clock;
  if (q.gap === 0 || q.counter < q.gap - 1 || !q.reorder_cor.hits(q.reorder)) {
    let delay = tabledist(q);
    let from = now;
    if (q.rate !== 0) {
      // The wire is busy until the packet before this one has left; what it waits so is part of its delay.
      if (q.tfifo.length > 0) {
        from = q.tfifo.latest;
        delay = Math.max(0, delay - (from - now));
      }
      delay += Math.floor((skb.cb0 * 1e9) / q.rate);
    }
    q.counter++;
    q.tfifo.push(skb, from + delay);
  } else {
    q.counter = 0;
    sch.requeues++;
    sch.q.unshift(skb);
  }
  return NET_XMIT_SUCCESS;
}

function deliver(sch: Qdisc, skb: sk_buff): sk_buff {
  sch.qlen--;
  sch.backlog -= skb.cb0;
  qdisc_bstats_update(sch, skb);
  return skb;
}

function netem_dequeue(sch: Qdisc): sk_buff | null {
  const q = priv(sch);
  const overtaking = sch.q.shift();
  if (overtaking !== null) return deliver(sch, overtaking);
  const { now } = sch.dev.kernel.clock;
  while (q.tfifo.length > 0 && q.tfifo.first_time <= now) {
    const skb = q.tfifo.shift();
    skb.dev = sch.dev;
    if (q.qdisc === null) return deliver(sch, skb);
    const length = skb.cb0;
    const result = q.qdisc.ops.enqueue(skb, q.qdisc);
    if (result !== NET_XMIT_SUCCESS) {
      if (net_xmit_drop_count(result)) sch.drops++;
      sch.qlen--;
      sch.backlog -= length;
      qdisc_tree_reduce_backlog(sch, 1, length);
    }
  }
  const skb = q.qdisc === null ? null : q.qdisc.ops.dequeue(q.qdisc);
  if (skb !== null) return deliver(sch, skb);
  if (q.tfifo.length > 0) q.watchdog.schedule_ns(q.tfifo.first_time);
  return null;
}

const share = (value: number | undefined): boolean => value === undefined || (value >= 0 && value <= 1);
const natural = (value: number | undefined): boolean => value === undefined || (Number.isInteger(value) && value >= 0);

function valid(opt: netem_options): boolean {
  const { gemodel } = opt;
  return (
    [opt.limit, opt.latency, opt.jitter, opt.gap].every(natural) &&
    [opt.delay_corr, opt.loss, opt.loss_corr, opt.duplicate, opt.dup_corr, opt.corrupt].every(share) &&
    [opt.corrupt_corr, opt.reorder, opt.reorder_corr].every(share) &&
    (opt.rate === undefined || opt.rate >= 0) &&
    (gemodel === undefined || [gemodel.p, gemodel.r, gemodel.loss_bad, gemodel.loss_good].every(share))
  );
}

/** netem_change: all options anew, as in Linux; what is left out is off. Chance goes on where it was. 0 or -EINVAL. */
function netem_change(sch: Qdisc, options: qdisc_options): number {
  const opt = options as netem_options;
  const q = priv(sch);
  if (!valid(opt)) return -EINVAL;
  const kind = opt.distribution ?? 'uniform';
  if (kind !== q.distribution) q.table = dist_table(kind);
  q.distribution = kind;
  sch.limit = opt.limit ?? 1000;
  q.latency = opt.latency ?? 0;
  q.jitter = opt.jitter ?? 0;
  q.loss = opt.loss ?? 0;
  q.gemodel = opt.gemodel ?? null;
  q.ecn = opt.ecn ?? false;
  q.duplicate = opt.duplicate ?? 0;
  q.corrupt = opt.corrupt ?? 0;
  q.gap = opt.gap ?? ((opt.reorder ?? 0) > 0 ? 1 : 0);
  q.reorder = opt.reorder ?? (q.gap > 0 ? 1 : 0);
  q.counter = 0;
  q.rate = opt.rate ?? 0;
  q.delay_cor.rho = opt.delay_corr ?? 0;
  q.loss_cor.rho = opt.loss_corr ?? 0;
  q.dup_cor.rho = opt.dup_corr ?? 0;
  q.corrupt_cor.rho = opt.corrupt_corr ?? 0;
  q.reorder_cor.rho = opt.reorder_corr ?? 0;
  return 0;
}

export const netem_qdisc_ops = make_qdisc_ops('netem', {
  enqueue: netem_enqueue,
  dequeue: netem_dequeue,
  peek: qdisc_peek_dequeued,
  init(sch, opt) {
    sch.priv = new netem_sched_data(sch, (opt as netem_options | null)?.seed);
    return opt === null ? -EINVAL : netem_change(sch, opt);
  },
  change: netem_change,
  reset(sch) {
    const q = priv(sch);
    sch.q.purge(SKB_DROP_REASON.QUEUE_PURGE);
    while (q.tfifo.length > 0) kfree_skb_reason(q.tfifo.shift(), SKB_DROP_REASON.QUEUE_PURGE);
    if (q.qdisc !== null) qdisc_reset(q.qdisc);
    q.watchdog.cancel();
  },
  destroy(sch) {
    priv(sch).watchdog.cancel();
    qdisc_put(priv(sch).qdisc);
  },
  dump(sch) {
    const q = priv(sch);
    return {
      limit: sch.limit,
      latency: q.latency,
      jitter: q.jitter,
      delay_corr: q.delay_cor.rho,
      distribution: q.distribution,
      loss: q.loss,
      loss_corr: q.loss_cor.rho,
      ...(q.gemodel === null ? {} : { gemodel: q.gemodel }),
      ecn: q.ecn,
      duplicate: q.duplicate,
      dup_corr: q.dup_cor.rho,
      corrupt: q.corrupt,
      corrupt_corr: q.corrupt_cor.rho,
      reorder: q.reorder,
      reorder_corr: q.reorder_cor.rho,
      gap: q.gap,
      rate: q.rate,
      ...(q.seed === undefined ? {} : { seed: q.seed }),
    } satisfies netem_options;
  },
  cl_ops: {
    graft(sch, _cl, new_) {
      const q = priv(sch);
      const old = q.qdisc;
      if (old !== null) q.qdisc = qdisc_replace(sch, new_, old, TC_H_MAKE(sch.handle, 1));
      else if (new_ !== null) {
        new_.parent = TC_H_MAKE(sch.handle, 1);
        new_.parent_sch = sch;
      }
      q.qdisc = new_;
      return old;
    },
    leaf: sch => priv(sch).qdisc,
    find: () => 1,
    walk: (_sch, fn) => fn(1),
    qlen_notify() {},
  },
});
