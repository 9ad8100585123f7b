/** tbf: a token bucket (net/sched/sch_tbf.c). Tokens are kept as the time, in ns, that they may be on the wire. */
import { EINVAL, ENOMEM } from '../../errno.ts';
import { netif_skb_features } from '../core/dev_xmit.ts';
import { skb_gso_segment, skb_gso_validate_mac_len } from '../core/gso.ts';
import { NETIF_F_GSO_MASK } from '../core/netdevice.ts';
import { consume_skb, kfree_skb_reason, SKB_DROP_REASON, type sk_buff } from '../core/skbuff.ts';
import {
  make_qdisc_ops,
  NET_XMIT_DROP,
  NET_XMIT_SUCCESS,
  net_xmit_drop_count,
  psched_l2t_ns,
  type Qdisc,
  qdisc_bstats_update,
  qdisc_dequeue_peeked,
  qdisc_drop,
  qdisc_enqueue_child,
  type qdisc_options,
  qdisc_peek_dequeued,
  qdisc_tree_reduce_backlog,
  TC_H_MAKE,
  TCQ_F_BUILTIN,
} from './qdisc.ts';
import { bfifo_qdisc_ops, fifo_create_dflt, fifo_set_limit } from './sch_fifo.ts';
import { noop_child, qdisc_put, qdisc_replace, qdisc_reset } from './sch_generic.ts';
import { qdisc_watchdog } from './watchdog.ts';

/** Rates in bytes per second, sizes in bytes. `burst` is the bucket's size, `mtu` that of the second bucket, at `peakrate`. */
export interface tbf_options {
  readonly rate: number;
  readonly burst: number;
  /** Bytes that may wait for tokens. */
  readonly limit: number;
  readonly peakrate?: number;
  readonly mtu?: number;
}

class tbf_sched_data {
  rate = 0;
  peakrate = 0;
  burst = 0;
  mtu_bytes = 0;
  limit = 0;
  /** The depth of each bucket, ns. */
  buffer = 0;
  mtu = 0;
  /** The longest packet that the buckets will ever let through. */
  max_size = 0;
  tokens = 0;
  ptokens = 0;
  /** When tokens were last counted, ns. */
  t_c = 0;
  qdisc: Qdisc;
  readonly watchdog: qdisc_watchdog;

  constructor(sch: Qdisc) {
    this.qdisc = noop_child(sch);
    this.watchdog = new qdisc_watchdog(sch);
  }
}

const priv = (sch: Qdisc): tbf_sched_data => sch.priv as tbf_sched_data;

/** tbf_segment: a GSO packet that is too long as a whole may fit in pieces. */
function tbf_segment(skb: sk_buff, sch: Qdisc): number {
  const q = priv(sch);
  const whole = skb.cb0;
  // Without GSO: segments it must be.
  let seg = skb_gso_segment(skb, netif_skb_features(skb) & ~NETIF_F_GSO_MASK);
  if (seg === null) return qdisc_drop(skb, sch);
  let taken = 0;
  let bytes = 0;
  while (seg !== null) {
    const next: sk_buff | null = seg.next;
    seg.next = null;
    seg.cb0 = seg.len;
    const length = seg.len;
    const result = q.qdisc.ops.enqueue(seg, q.qdisc);
    if (result === NET_XMIT_SUCCESS) {
      taken++;
      bytes += length;
    } else if (net_xmit_drop_count(result)) {
      sch.drops++;
    }
    seg = next;
  }
  sch.qlen += taken;
  sch.backlog += bytes;
  if (taken === 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON.QDISC_DROP);
    return NET_XMIT_DROP;
  }
  // The ancestors count one packet for the success that they are told of.
  qdisc_tree_reduce_backlog(sch, 1 - taken, whole - bytes);
  consume_skb(skb);
  return NET_XMIT_SUCCESS;
}

function tbf_enqueue(skb: sk_buff, sch: Qdisc): number {
  const q = priv(sch);
  if (skb.cb0 > q.max_size) {
    if (skb.gso_size !== 0 && skb_gso_validate_mac_len(skb, q.max_size)) return tbf_segment(skb, sch);
    return qdisc_drop(skb, sch);
  }
  return qdisc_enqueue_child(skb, sch, q.qdisc);
}

function tbf_dequeue(sch: Qdisc): sk_buff | null {
  const q = priv(sch);
  const next = q.qdisc.ops.peek(q.qdisc);
  if (next === null) return null;
  const length = next.cb0;
  const { now } = sch.dev.kernel.clock;
  const earned = Math.min(now - q.t_c, q.buffer);
  let ptokens = 0;
  if (q.peakrate !== 0) ptokens = Math.min(earned + q.ptokens, q.mtu) - psched_l2t_ns(q.peakrate, length);
  const tokens = Math.min(earned + q.tokens, q.buffer) - psched_l2t_ns(q.rate, length);
  if (tokens >= 0 && ptokens >= 0) {
    const skb = qdisc_dequeue_peeked(q.qdisc);
    if (skb === null) return null;
    q.t_c = now;
    q.tokens = tokens;
    q.ptokens = ptokens;
    sch.backlog -= skb.cb0;
    sch.qlen--;
    qdisc_bstats_update(sch, skb);
    return skb;
  }
  q.watchdog.schedule_ns(now + Math.max(-tokens, -ptokens));
  // A shorter packet behind this one could be sent now, but that would reorder, and starve the longer one.
  sch.overlimits++;
  return null;
}

const t2l = (rate: number, ns: number): number => Math.floor((ns * rate) / 1e9);

/** tbf_change: 0 or a negative errno; nothing has changed then. */
function tbf_change(sch: Qdisc, opt: qdisc_options): number {
  const q = priv(sch);
  const { rate, burst, limit, peakrate = 0, mtu = 0 } = opt as tbf_options;
  if (!(rate > 0) || !(burst > 0) || !(limit >= 0) || !(peakrate >= 0) || !(mtu >= 0)) return -EINVAL;
  const buffer = psched_l2t_ns(rate, burst);
  let max_size = Math.min(burst, Math.max(burst, t2l(rate, buffer)));
  let peak_buffer = 0;
  if (peakrate !== 0) {
    if (peakrate <= rate) return -EINVAL;
    peak_buffer = psched_l2t_ns(peakrate, mtu);
    max_size = Math.min(max_size, mtu);
  }
  if (max_size === 0) return -EINVAL;
  if ((q.qdisc.flags & TCQ_F_BUILTIN) === 0) {
    const err = fifo_set_limit(q.qdisc, limit);
    if (err !== 0) return err;
  } else if (limit > 0) {
    const child = fifo_create_dflt(sch, bfifo_qdisc_ops, limit);
    if (child === null) return -ENOMEM;
    q.qdisc = child;
  }
  q.limit = limit;
  q.rate = rate;
  q.burst = burst;
  q.peakrate = peakrate;
  q.mtu_bytes = peakrate !== 0 ? mtu : 0;
  q.max_size = max_size;
  q.buffer = buffer;
  q.mtu = peak_buffer;
  q.tokens = buffer;
  q.ptokens = peak_buffer;
  return 0;
}

export const tbf_qdisc_ops = make_qdisc_ops('tbf', {
  enqueue: tbf_enqueue,
  dequeue: tbf_dequeue,
  peek: qdisc_peek_dequeued,
  init(sch, opt) {
    const q = new tbf_sched_data(sch);
    sch.priv = q;
    if (opt === null) return -EINVAL;
    q.t_c = sch.dev.kernel.clock.now;
    return tbf_change(sch, opt);
  },
  change: tbf_change,
  reset(sch) {
    const q = priv(sch);
    qdisc_reset(q.qdisc);
    q.t_c = sch.dev.kernel.clock.now;
    q.tokens = q.buffer;
    q.ptokens = q.mtu;
    q.watchdog.cancel();
  },
  destroy(sch) {
    const q = priv(sch);
    q.watchdog.cancel();
    qdisc_put(q.qdisc);
  },
  dump(sch) {
    const { rate, burst, limit, peakrate, mtu_bytes } = priv(sch);
    return { rate, burst, limit, peakrate, mtu: mtu_bytes } satisfies tbf_options;
  },
  cl_ops: {
    graft(sch, _cl, new_) {
      const q = priv(sch);
      const old = q.qdisc;
      q.qdisc = qdisc_replace(sch, new_, old, TC_H_MAKE(sch.handle, 1));
      return old;
    },
    leaf: sch => priv(sch).qdisc,
    find: () => 1,
    walk: (_sch, fn) => fn(1),
    qlen_notify() {},
  },
});
