/** Queueing disciplines and how a queue is run (net/sched/sch_generic.c). */
import type { Kernel } from '../../kernel.ts';
import { dev_hard_start_xmit, NET_XMIT_CN, NET_XMIT_DROP, NET_XMIT_SUCCESS, netif_schedule } from '../core/dev.ts';
import { NETDEV_TX_OK, type net_device, type netdev_queue } from '../core/netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff, sk_buff_head } from '../core/skbuff.ts';

/** Packets one run of a queue may send before it leaves the rest to NET_TX_SOFTIRQ (net.core.dev_weight). */
const DEV_TX_WEIGHT = 64;

/** What a discipline does. `enqueue` takes the skb in every case; its result is a NET_XMIT code. */
export interface Qdisc_ops {
  readonly id: string;
  enqueue(skb: sk_buff, q: Qdisc): number;
  dequeue(q: Qdisc): sk_buff | null;
  reset(q: Qdisc): void;
}

export class Qdisc {
  readonly ops: Qdisc_ops;
  readonly dev_queue: netdev_queue;
  /** There is no queue: a packet goes straight to the driver. */
  readonly direct: boolean = false;
  limit: number;
  /** The discipline's own queues. */
  readonly bands: sk_buff_head[];
  /** A packet that the driver gave back (NETDEV_TX_BUSY), to be sent before anything else. */
  gso_skb: sk_buff | null = null;
  /** On a CPU's output_queue. */
  scheduled = false;
  private running = false;
  /** `tc -s qdisc` */
  packets = 0;
  bytes = 0;
  drops = 0;
  requeues = 0;
  qlen = 0;

  constructor(ops: Qdisc_ops, dev_queue: netdev_queue, bands: number, limit: number) {
    this.ops = ops;
    this.dev_queue = dev_queue;
    this.bands = Array.from({ length: bands }, () => new sk_buff_head());
    this.limit = limit;
  }

  /** __dev_xmit_skb: enqueue and run; an empty queue of a discipline that allows it is bypassed. */
  xmit(skb: sk_buff, txq: netdev_queue): number {
    if (this.qlen === 0 && this.gso_skb === null && !this.running && !txq.stopped) {
      // TCQ_F_CAN_BYPASS
      this.packets++;
      this.bytes += skb.len;
      this.running = true;
      const more = sch_direct_xmit(skb, this, txq);
      this.running = false;
      if (more) qdisc_run(this);
      return NET_XMIT_SUCCESS;
    }
    const tp = txq.dev.kernel.trace.qdisc_enqueue;
    if (tp !== null) tp(skb);
    const result = this.ops.enqueue(skb, this);
    qdisc_run(this);
    return result;
  }

  /** qdisc_drop: the skb is dropped and counted. */
  drop(skb: sk_buff): number {
    this.drops++;
    (skb.dev as net_device).stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON.QDISC_DROP);
    return NET_XMIT_DROP;
  }

  run(): void {
    if (this.running) return;
    this.running = true;
    let quota = DEV_TX_WEIGHT;
    while (this.restart()) {
      if (--quota === 0) {
        netif_schedule(this);
        break;
      }
    }
    this.running = false;
  }

  /** qdisc_restart: sends one packet. False: nothing to send, or the driver takes no more. */
  private restart(): boolean {
    const txq = this.dev_queue;
    if (txq.stopped) return false;
    let skb = this.gso_skb;
    if (skb !== null) {
      this.gso_skb = null;
      this.qlen--;
    } else {
      skb = this.ops.dequeue(this);
      if (skb === null) return false;
      this.packets++;
      this.bytes += skb.len;
    }
    return sch_direct_xmit(skb, this, txq);
  }

  /** qdisc_reset: drops everything that waits. */
  reset(): void {
    if (this.gso_skb !== null) {
      kfree_skb_reason(this.gso_skb, SKB_DROP_REASON.DEV_READY);
      this.gso_skb = null;
    }
    for (const band of this.bands) band.purge(SKB_DROP_REASON.DEV_READY);
    this.ops.reset(this);
    this.qlen = 0;
  }
}

/** qdisc_run */
export function qdisc_run(q: Qdisc): void {
  q.run();
}

/** sch_direct_xmit: to the driver; on NETDEV_TX_BUSY back into the queue, to be tried from NET_TX_SOFTIRQ. True: go on. */
function sch_direct_xmit(skb: sk_buff, q: Qdisc, txq: netdev_queue): boolean {
  const dev = txq.dev;
  if (dev_hard_start_xmit(skb, dev, txq) === NETDEV_TX_OK) return q.qlen > 0 && !txq.stopped;
  // dev_requeue_skb
  q.gso_skb = skb;
  q.qlen++;
  q.requeues++;
  const tp = dev.kernel.trace.qdisc_requeue;
  if (tp !== null) tp(skb);
  netif_schedule(q);
  return false;
}

/** Priority to band (sch_prio's default map): 0 is sent first. */
const prio2band = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];

const pfifo_fast_ops: Qdisc_ops = {
  id: 'pfifo_fast',
  enqueue(skb, q) {
    const band = q.bands[prio2band[skb.priority & 15] as number] as sk_buff_head;
    if (band.qlen >= q.limit) return q.drop(skb);
    band.push(skb);
    q.qlen++;
    return NET_XMIT_SUCCESS;
  },
  dequeue(q) {
    for (let i = 0; i < q.bands.length; i++) {
      const skb = (q.bands[i] as sk_buff_head).shift();
      if (skb !== null) {
        q.qlen--;
        return skb;
      }
    }
    return null;
  },
  reset() {},
};

/** The discipline of a device that has no queue: packets go straight to the driver (noqueue_qdisc_ops). Never enqueued to. */
export class noqueue_qdisc extends Qdisc {
  override readonly direct = true;

  constructor(dev_queue: netdev_queue) {
    super({ id: 'noqueue', enqueue: (skb, q) => q.drop(skb), dequeue: () => null, reset() {} }, dev_queue, 0, 0);
  }
}

/** noop_qdisc: what a queue has while its device is down or without carrier. Whatever is enqueued is dropped. */
export class noop_qdisc extends Qdisc {
  constructor(dev_queue: netdev_queue) {
    super({ id: 'noop', enqueue: (skb, q) => q.drop(skb), dequeue: () => null, reset() {} }, dev_queue, 0, 0);
  }

  override xmit(skb: sk_buff): number {
    this.drop(skb);
    return NET_XMIT_CN;
  }
}

/** pfifo_fast_init: three bands, each bounded by the device's tx_queue_len. */
export function pfifo_fast(txq: netdev_queue): Qdisc {
  return new Qdisc(pfifo_fast_ops, txq, 3, txq.dev.tx_queue_len);
}

/** dev_activate: with carrier, each queue gets its discipline and the watchdog starts. */
export function dev_activate(dev: net_device): void {
  for (const txq of dev._tx) {
    txq.qdisc_sleeping ??= dev.tx_queue_len === 0 ? new noqueue_qdisc(txq) : pfifo_fast(txq);
    if (!dev.carrier) continue;
    txq.qdisc = txq.qdisc_sleeping;
    txq.trans_start = dev.kernel.clock.now;
  }
  if (dev.carrier && dev.netdev_ops.ndo_tx_timeout !== undefined) start_watchdog(dev);
}

/** dev_deactivate: what waits is dropped, and so is what comes; the watchdog stops. */
export function dev_deactivate(dev: net_device): void {
  dev.watchdog_timer.del();
  for (const txq of dev._tx) {
    txq.qdisc = txq.qdisc_noop;
    txq.qdisc_sleeping?.reset();
  }
}

/** dev_watchdog: a queue that is stopped and has sent nothing for watchdog_timeo is hung. */
export function dev_watchdog(dev: net_device): void {
  if (!dev.present || !dev.running || !dev.carrier) return;
  const kernel: Kernel = dev.kernel;
  for (const txq of dev._tx) {
    if (!txq.stopped || kernel.clock.now - txq.trans_start < dev.watchdog_timeo) continue;
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
