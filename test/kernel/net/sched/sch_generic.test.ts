/** How a queue is run: the lower half of the transmit path, stage by stage, and where packets are lost in it. */
import { describe, expect, it } from 'vitest';
import {
  dev_change_tx_queue_len,
  dev_close,
  dev_direct_xmit,
  dev_open,
  dev_queue_xmit,
  NET_XMIT_CN,
  NET_XMIT_DROP,
  NET_XMIT_SUCCESS,
  netif_carrier_off,
  netif_stop_queue,
  netif_wake_queue,
} from '../../../../kernel/net/core/dev.ts';
import type { net_device, netdev_queue } from '../../../../kernel/net/core/netdevice.ts';
import type { Qdisc } from '../../../../kernel/net/sched/qdisc.ts';
import { QueueBench } from './queue.ts';

const root = (b: QueueBench): Qdisc => b.dev.qdisc as Qdisc;
const txq = (b: QueueBench, index = 0): netdev_queue => b.dev._tx[index] as netdev_queue;
const stop = (b: QueueBench): void => netif_stop_queue(b.dev);
const wake = (b: QueueBench): void => b.exec(() => netif_wake_queue(b.dev));

describe('dev_queue_xmit', () => {
  it('an idle queue, a packet goes past it to the driver', () => {
    const b = new QueueBench();
    const seen: string[] = [];
    b.kernel.trace.dev_queue_xmit = () => seen.push('dev_queue_xmit');
    b.kernel.trace.qdisc_enqueue = () => seen.push('qdisc_enqueue');
    b.kernel.trace.dev_hard_start_xmit = () => seen.push('dev_hard_start_xmit');
    b.kernel.trace.net_dev_xmit = () => seen.push('net_dev_xmit');
    expect(b.send(100)).toBe(NET_XMIT_SUCCESS);
    expect(seen).toEqual(['dev_queue_xmit', 'dev_hard_start_xmit', 'net_dev_xmit']);
    expect([root(b).packets, root(b).bytes, root(b).qlen]).toEqual([1, 100, 0]);
    b.finish();
  });

  it('a stopped queue, packets wait in order and leave when it is woken', () => {
    const b = new QueueBench();
    const seen: string[] = [];
    b.kernel.trace.qdisc_enqueue = () => seen.push('enqueue');
    b.kernel.trace.qdisc_dequeue = () => seen.push('dequeue');
    stop(b);
    b.burst(3);
    // The first was on its way past the queue: it is put back in front.
    expect([root(b).qlen, root(b).backlog, root(b).requeues]).toEqual([3, 300, 1]);
    wake(b);
    expect(b.marksSent).toEqual([1, 2, 3]);
    expect(seen).toEqual(['enqueue', 'enqueue', 'dequeue', 'dequeue', 'dequeue']);
    expect([root(b).qlen, root(b).backlog, root(b).packets]).toEqual([0, 0, 3]);
    b.finish();
  });

  it('a full queue, what comes is dropped with QDISC_DROP and counted', () => {
    const b = new QueueBench();
    b.exec(() => dev_change_tx_queue_len(b.dev, 2));
    stop(b);
    // One in front of the queue, two in the band.
    b.burst(3);
    expect(b.send()).toBe(NET_XMIT_DROP);
    expect(b.drops).toEqual(['QDISC_DROP']);
    expect([root(b).qlen, root(b).drops]).toEqual([3, 1]);
    b.finish();
  });

  it('a device that is down or without carrier, dropped by noop and counted by the device', () => {
    const b = new QueueBench();
    b.exec(() => netif_carrier_off(b.dev));
    expect(b.send()).toBe(NET_XMIT_CN);
    b.exec(() => dev_close(b.dev));
    expect(b.send()).toBe(NET_XMIT_CN);
    expect(b.drops).toEqual(['QDISC_DROP', 'QDISC_DROP']);
    expect(b.dev.stats.tx_dropped).toBe(2);
    b.finish();
  });

  it('packets waiting when the device goes down, dropped with QUEUE_PURGE', () => {
    const b = new QueueBench();
    stop(b);
    b.burst(3);
    b.exec(() => dev_close(b.dev));
    expect(b.drops).toEqual(['QUEUE_PURGE', 'QUEUE_PURGE', 'QUEUE_PURGE']);
    expect([root(b).qlen, root(b).backlog]).toEqual([0, 0]);
    // Scheduled before it went down: its turn in NET_TX_SOFTIRQ finds nothing.
    b.exec(() => dev_open(b.dev));
    txq(b).stopped = false;
    b.send();
    expect(b.marksSent).toEqual([4]);
    b.finish();
  });

  it('priorities, sent by band', () => {
    const b = new QueueBench();
    stop(b);
    b.send();
    for (const priority of [2, 0, 6, 2, 6]) b.send(100, 1, skb => (skb.priority = priority));
    wake(b);
    expect(b.marksSent).toEqual([1, 4, 6, 3, 2, 5]);
    b.finish();
  });

  it('a loopback, no queue: straight to the driver', () => {
    const b = new QueueBench();
    const lo = b.kernel.init_net.loopback_dev as net_device;
    expect(lo.qdisc?.ops.id).toBe('noqueue');
    expect(lo.tx_queue_len).toBe(1000);
    b.exec(() => {
      const skb = b.packet();
      skb.dev = lo;
      return dev_queue_xmit(skb);
    });
    expect(lo.stats.tx_packets).toBe(1);
    b.finish();
  });

  it('a loopback that is down, dropped with DEV_READY', () => {
    const b = new QueueBench();
    const lo = b.kernel.init_net.loopback_dev as net_device;
    const result = b.exec(() => {
      dev_close(lo);
      const skb = b.packet();
      skb.dev = lo;
      return dev_queue_xmit(skb);
    });
    expect([result, b.drops[0]]).toEqual([NET_XMIT_CN, 'QDISC_DROP']);
    b.finish();
  });
});

describe('NETDEV_TX_BUSY', () => {
  it('a driver that is busy, the packet waits in front and NET_TX_SOFTIRQ tries again', () => {
    const b = new QueueBench();
    b.busy = true;
    b.kernel.exec(() => {
      dev_queue_xmit(b.packet());
      dev_queue_xmit(b.packet());
      b.busy = false;
    });
    expect(root(b).qlen).toBe(2);
    expect(b.kernel.softnet[0]?.output_queue).toBe(root(b));
    b.settle();
    expect(b.marksSent).toEqual([1, 2]);
    // Once each time that it was tried.
    expect(root(b).requeues).toBe(2);
    expect(b.kernel.softirq_stat[0]?.[2]).toBeGreaterThan(0);
    b.finish();
  });

  it('a driver that takes only some of a row, the rest keeps its order', () => {
    const b = new QueueBench({ rate: 1e6, ring: 4 });
    b.burst(20);
    b.run(1e9);
    expect(b.marksSent).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    b.finish();
  });
});

describe('__qdisc_run', () => {
  it('more than dev_weight packets waiting, sent in several runs of the softirq', () => {
    const b = new QueueBench();
    stop(b);
    b.burst(200);
    let runs = 0;
    b.kernel.trace.softirq_entry = nr => {
      if (nr === 2) runs++;
    };
    wake(b);
    expect(b.sent).toHaveLength(200);
    expect(runs).toBe(4);
    b.finish();
  });

  it('BQL lets several through at once, the doorbell is for the last', () => {
    const b = new QueueBench();
    txq(b).dql.min_limit = 1000;
    txq(b).dql.reset();
    stop(b);
    b.burst(6, 200);
    wake(b);
    // The one in front alone, then as many as the limit has room for.
    expect(b.sent.map(({ more }) => more)).toEqual([false, true, true, true, true, false]);
    b.finish();
  });
});

describe('byte queue limits', () => {
  it('a wire and a greedy sender, the limit settles and the wire never waits', () => {
    const b = new QueueBench({ rate: 1e7, ring: 256 });
    let idle = 0;
    const feed = (): void => {
      if (root(b).qlen < 200) b.burst(100, 1000);
      if (b.inHardware === 0) idle++;
    };
    for (let i = 0; i < 200; i++) {
      feed();
      b.run(10_000_000);
    }
    const { limit } = txq(b).dql;
    expect(limit).toBeGreaterThanOrEqual(1000);
    expect(limit).toBeLessThan(10_000);
    // Once at the beginning.
    expect(idle).toBeLessThanOrEqual(1);
    expect(b.inHardware * 1000).toBeLessThanOrEqual(limit + 1000);
    // 10 Mbit/s for two seconds.
    expect(b.sent.length).toBeGreaterThan(2450);
    b.finish();
  });

  it('a limit of zero bytes at the start, no packet is left waiting', () => {
    const b = new QueueBench({ rate: 1e9 });
    for (let i = 0; i < 100; i++) {
      b.send(60 + i * 10);
      b.run(i * 100);
    }
    b.run(1e9);
    expect(b.sent).toHaveLength(100);
    expect(txq(b).dql.inflight()).toBe(0);
    b.finish();
  });
});

describe('dev_direct_xmit', () => {
  it('past a queue that holds packets, to the driver', () => {
    const b = new QueueBench();
    b.exec(() => dev_direct_xmit(b.packet(), 0));
    expect([b.marksSent, root(b).packets]).toEqual([[1], 0]);
    b.finish();
  });

  it('a driver without room, dropped', () => {
    const b = new QueueBench();
    stop(b);
    b.exec(() => dev_direct_xmit(b.packet(), 0));
    expect([b.sent.length, b.drops]).toEqual([0, ['FULL_RING']]);
    b.finish();
  });
});

describe('tx_queue_len', () => {
  it('changed, the queue holds so many; 0 of a living device means that none waits', () => {
    const b = new QueueBench();
    expect(b.exec(() => dev_change_tx_queue_len(b.dev, -1))).toBe(-34);
    expect(b.exec(() => dev_change_tx_queue_len(b.dev, 5))).toBe(0);
    stop(b);
    b.burst(20);
    expect(root(b).qlen).toBe(6);
    b.finish();
  });
});
