/** fifos, prio, tbf, mq: what each lets through, and when. */
import { describe, expect, it } from 'vitest';
import { netif_set_xps_queue, netif_stop_queue, netif_wake_queue } from '../../../../kernel/net/core/dev.ts';
import type { netdev_queue } from '../../../../kernel/net/core/netdevice.ts';
import type { Qdisc } from '../../../../kernel/net/sched/qdisc.ts';
import { tc_dump_qdisc } from '../../../../kernel/net/sched/sch_api.ts';
import { QueueBench } from './queue.ts';

const root = (b: QueueBench): Qdisc => b.dev.qdisc as Qdisc;
const shown = (b: QueueBench): string[] => tc_dump_qdisc(b.dev).map(q => q.ops.id);

describe('pfifo and bfifo', () => {
  it('a limit in packets, the first too many is dropped', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root pfifo limit 3');
    netif_stop_queue(b.dev);
    b.burst(10);
    // One past the queue, three in it.
    expect([root(b).qlen, root(b).drops]).toEqual([4, 6]);
    b.finish();
  });

  it('a limit in bytes', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root bfifo limit 2000');
    netif_stop_queue(b.dev);
    b.burst(10, 500);
    expect([root(b).qlen, root(b).backlog, root(b).drops]).toEqual([4, 2000, 6]);
    b.finish();
  });

  it('pfifo_head_drop full, the oldest goes', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root pfifo_head_drop limit 2');
    netif_stop_queue(b.dev);
    b.burst(5);
    b.exec(() => netif_wake_queue(b.dev));
    expect(b.marksSent.slice(-2)).toEqual([4, 5]);
    b.finish();
  });
});

describe('prio', () => {
  it('three bands by priority, a lower one waits for all higher ones', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: prio');
    netif_stop_queue(b.dev);
    for (const priority of [2, 0, 6, 2, 6, 0]) b.send(100, 1, skb => (skb.priority = priority));
    b.exec(() => netif_wake_queue(b.dev));
    expect(b.marksSent).toEqual([3, 5, 2, 6, 1, 4]);
    b.finish();
  });

  it('a priority that names a class, goes there', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: prio bands 4 priomap 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3');
    netif_stop_queue(b.dev);
    for (const minor of [4, 3, 2, 1]) b.send(100, 1, skb => (skb.priority = 0x10000 + minor));
    b.exec(() => netif_wake_queue(b.dev));
    expect(b.marksSent).toEqual([4, 3, 2, 1]);
    b.finish();
  });

  it('a child of its own in one band, its drops are the root’s too and the books agree', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: prio');
    b.tc('qdisc add dev eth0 parent 1:3 handle 30: pfifo limit 2');
    netif_stop_queue(b.dev);
    for (let i = 0; i < 5; i++) b.send(100, 1, skb => (skb.priority = 2));
    const child = tc_dump_qdisc(b.dev)[1] as Qdisc;
    expect([child.qlen, child.drops, root(b).qlen, root(b).drops]).toEqual([2, 3, 2, 3]);
    // The band emptied by its replacement: the root counts none either.
    b.tc('qdisc replace dev eth0 parent 1:3 handle 31: bfifo limit 1000');
    expect([root(b).qlen, root(b).backlog]).toEqual([0, 0]);
    b.finish();
  });
});

describe('tbf', () => {
  it.each([
    [64, 1e5],
    [1000, 1e6],
    [1514, 1e7],
  ])('packets of %i bytes at %d bit/s for seconds, the rate holds within 1 %%', (length, rate) => {
    const b = new QueueBench();
    b.tc(`qdisc add dev eth0 root tbf rate ${rate}bit burst 3000 latency 10s`);
    const seconds = 5;
    const packets = Math.floor((rate * seconds) / 8 / length);
    b.burst(packets, length);
    // The bucket is full at first.
    const early = b.sent.length * length;
    expect(early).toBeLessThanOrEqual(3000);
    b.run(seconds * 1e9 * 0.9);
    const bytes = b.sent.length * length - early;
    expect(bytes / ((rate / 8) * seconds * 0.9)).toBeGreaterThan(0.99);
    expect(bytes / ((rate / 8) * seconds * 0.9)).toBeLessThan(1.01);
    expect(root(b).overlimits).toBeGreaterThan(0);
    b.finish();
  });

  it('an idle bucket, a burst goes through at once and the next packet waits', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root tbf rate 1mbit burst 5000 limit 100kb');
    b.burst(10, 1000);
    expect(b.sent).toHaveLength(5);
    b.run(8_000_000);
    expect(b.sent).toHaveLength(6);
    b.finish();
  });

  it('a peak rate, a burst is spread', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root tbf rate 1mbit burst 20kb limit 100kb peakrate 2mbit mtu 1514');
    b.burst(15, 1000);
    b.run(40_000_000);
    // 2 Mbit/s from the first packet on, one packet's depth.
    expect(b.sent.length).toBeGreaterThanOrEqual(10);
    expect(b.sent.length).toBeLessThanOrEqual(12);
    b.finish();
  });

  it('a packet larger than the bucket, dropped: it would wait for ever', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root tbf rate 1mbit burst 500 limit 10kb');
    b.send(501);
    b.send(500);
    expect([b.drops, b.marksSent, root(b).drops]).toEqual([['QDISC_DROP'], [2], 1]);
    b.finish();
  });

  it('its limit reached, tail dropped', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root tbf rate 1mbit burst 1000 limit 3000');
    b.burst(10, 1000);
    expect([b.sent.length, root(b).qlen, root(b).drops]).toEqual([1, 3, 6]);
    b.finish();
  });

  it('rate changed while packets wait, they leave at the new one', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: tbf rate 8kbit burst 1000 limit 100kb');
    b.burst(11, 1000);
    b.tc('qdisc change dev eth0 root handle 1: tbf rate 8mbit burst 1000 limit 100kb');
    b.run(2e9);
    expect(b.sent).toHaveLength(11);
    b.finish();
  });

  it('fq_codel below tbf, both count and the books agree', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: tbf rate 1mbit burst 2000 limit 100kb');
    b.tc('qdisc add dev eth0 parent 1:1 handle 10: fq_codel limit 10');
    b.burst(50, 1000);
    b.run(20_000_000);
    const child = tc_dump_qdisc(b.dev)[1] as Qdisc;
    expect(shown(b)).toEqual(['tbf', 'fq_codel']);
    expect([root(b).qlen, root(b).backlog]).toEqual([child.qlen, child.backlog]);
    b.run(10e9);
    expect([root(b).qlen, root(b).backlog, b.sent.length + b.drops.length]).toEqual([0, 0, 50]);
    b.finish();
  });
});

describe('mq', () => {
  const flows = (b: QueueBench, count: number): void => {
    for (let flow = 0; flow < count; flow++) b.send(100, flow);
  };

  it('a device with several queues, each has a discipline of its own below mq', () => {
    const b = new QueueBench({ queues: 4 });
    expect(shown(b)).toEqual(['mq', 'pfifo_fast', 'pfifo_fast', 'pfifo_fast', 'pfifo_fast']);
    flows(b, 64);
    const used = new Set(b.sent.map(({ queue }) => queue));
    expect(used.size).toBe(4);
    expect(b.tc('-s qdisc show dev eth0')).toContain(' Sent 6400 bytes 64 pkt ');
    b.finish();
  });

  it('one flow, always the same queue', () => {
    const b = new QueueBench({ queues: 4 });
    for (let i = 0; i < 20; i++) b.send(100, 7);
    expect(new Set(b.sent.map(({ queue }) => queue)).size).toBe(1);
    b.finish();
  });

  it('a packet that came in by a queue, goes out by the same', () => {
    const b = new QueueBench({ queues: 4 });
    for (const rx of [0, 1, 2, 3, 5]) b.send(100, rx, skb => (skb.queue_mapping = rx + 1));
    expect(b.sent.map(({ queue }) => queue)).toEqual([0, 1, 2, 3, 1]);
    b.finish();
  });

  it('XPS for the CPU, its queues and no others', () => {
    const b = new QueueBench({ queues: 4 });
    expect(netif_set_xps_queue(b.dev, 1, 2)).toBe(true);
    flows(b, 16);
    expect(new Set(b.sent.map(({ queue }) => queue))).toEqual(new Set([2]));
    netif_set_xps_queue(b.dev, 1, 3);
    flows(b, 32);
    expect(new Set(b.sent.slice(16).map(({ queue }) => queue))).toEqual(new Set([2, 3]));
    expect(netif_set_xps_queue(b.dev, 1, 4)).toBe(false);
    b.finish();
  });

  it('one queue stopped, the others go on', () => {
    const b = new QueueBench({ queues: 2 });
    netif_stop_queue(b.dev, 0);
    flows(b, 32);
    expect(b.sent.length).toBeGreaterThan(0);
    expect(b.sent.every(({ queue }) => queue === 1)).toBe(true);
    const before = b.sent.length;
    b.exec(() => netif_wake_queue(b.dev, 0));
    expect(b.sent.slice(before).every(({ queue }) => queue === 0)).toBe(true);
    expect(b.sent).toHaveLength(32);
    b.finish();
  });

  it('one discipline for all queues, a stopped one holds up only what is for it until it is its turn', () => {
    const b = new QueueBench({ queues: 2 });
    b.tc('qdisc add dev eth0 root handle 1: pfifo limit 100');
    for (const txq of b.dev._tx) expect((txq as netdev_queue).qdisc).toBe(root(b));
    flows(b, 32);
    expect(b.sent).toHaveLength(32);
    expect(root(b).packets).toBe(32);
    b.tc('qdisc del dev eth0 root');
    expect(shown(b)[0]).toBe('mq');
    b.finish();
  });

  it('a child replaced, only its queue changes', () => {
    const b = new QueueBench({ queues: 2 });
    b.tc('qdisc replace dev eth0 root handle 1: mq');
    b.tc('qdisc add dev eth0 parent 1:2 handle 20: fq_codel');
    expect(b.dev._tx.map(txq => txq.qdisc.ops.id)).toEqual(['pfifo_fast', 'fq_codel']);
    flows(b, 32);
    expect(b.sent).toHaveLength(32);
    b.tc('qdisc del dev eth0 root');
    b.finish();
  });
});
