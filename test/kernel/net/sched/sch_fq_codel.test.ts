/** fq_codel: fairness between flows, short queues, marks instead of drops. */
import { describe, expect, it } from 'vitest';
import { ip_fast_csum } from '../../../../kernel/lib/checksum.ts';
import { netif_stop_queue, netif_wake_queue } from '../../../../kernel/net/core/dev.ts';
import type { Qdisc } from '../../../../kernel/net/sched/qdisc.ts';
import type { fq_codel_xstats } from '../../../../kernel/net/sched/sch_fq_codel.ts';
import { QueueBench } from './queue.ts';

const root = (b: QueueBench): Qdisc => b.dev.qdisc as Qdisc;
const stats = (b: QueueBench): fq_codel_xstats => root(b).ops.dump_stats(root(b)) as fq_codel_xstats;

/** ECT(0), with a header checksum that is right. */
const ect = (skb: ReturnType<QueueBench['packet']>): void => {
  const { u8 } = skb.ram;
  const ip = skb.network_header;
  u8[ip + 1] = 2;
  u8[ip + 10] = 0;
  u8[ip + 11] = 0;
  const sum = ip_fast_csum(skb.ram, ip, 5);
  u8[ip + 10] = sum & 255;
  u8[ip + 11] = sum >> 8;
};

interface Load {
  readonly bench: QueueBench;
  /** Time in the queue of each packet sent, ns, by flow. */
  readonly sojourn: Map<number, number[]>;
}

/** 10 Mbit/s; flow 0 offers `greedy` times that, ten others a small packet every 50 ms each. */
function load(seconds: number, greedy: number, edit?: typeof ect): Load {
  const bench = new QueueBench({ rate: 1e7, ring: 4 });
  bench.tc('qdisc add dev eth0 root fq_codel');
  const entered = new Map<number, { flow: number; time: number }>();
  const sojourn = new Map<number, number[]>();
  const { sim } = bench.world;
  const send = (flow: number, length: number): void => {
    bench.send(length, flow, skb => {
      entered.set(skb.mark, { flow, time: sim.time });
      edit?.(skb);
    });
  };
  const gap = Math.floor((1250 * 8e9) / 1e7 / greedy);
  let sparse = 0;
  for (let t = 0; t < seconds * 1e9; t += gap) {
    send(0, 1250);
    while (sparse < t) {
      send(1 + (Math.round(sparse / 5e6) % 10), 100);
      sparse += 5e6;
    }
    bench.run(gap);
  }
  for (const { mark, time } of bench.sent) {
    const { flow, time: since } = entered.get(mark) as { flow: number; time: number };
    const list = sojourn.get(flow) ?? [];
    list.push(time - since);
    sojourn.set(flow, list);
  }
  return { bench, sojourn };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] as number;

describe('fq_codel', () => {
  it('one greedy flow and ten sparse ones, the sparse lose nothing and wait for little more than one packet', () => {
    const { bench, sojourn } = load(3, 2);
    const offered = 3e9 / 5e6;
    let sparse = 0;
    for (let flow = 1; flow <= 10; flow++) {
      const waits = sojourn.get(flow) as number[];
      sparse += waits.length;
      // A full packet takes 1 ms, and the hardware holds a few.
      expect(Math.max(...waits)).toBeLessThan(8e6);
    }
    expect(sparse).toBeGreaterThanOrEqual(offered - 2);
    // The rest of the wire is the greedy one's.
    const greedy = sojourn.get(0)?.length ?? 0;
    expect(greedy * 1250 + sparse * 100).toBeGreaterThan(0.98 * 3 * 1.25e6);
    expect(stats(bench).new_flow_count).toBeGreaterThan(500);
    bench.finish();
  });

  it('overload by a tenth that CoDel can control, the sojourn time comes down to the target', () => {
    const { bench, sojourn } = load(8, 1.05);
    const late = (sojourn.get(0) as number[]).slice(-2000);
    expect(median(late)).toBeLessThan(15e6);
    expect(bench.drops.every(reason => reason === 'QDISC_CONGESTED')).toBe(true);
    expect(bench.drops.length).toBeGreaterThan(10);
    bench.finish();
  });

  it('packets that understand ECN, marked and not dropped, their checksum still right', () => {
    const { bench } = load(2, 1.2, ect);
    expect(stats(bench).ecn_mark).toBeGreaterThan(5);
    expect(bench.drops).toEqual([]);
    const marked = bench.sent.filter(({ bytes }) => ((bytes[15] as number) & 3) === 3);
    expect(marked.length).toBeGreaterThan(5);
    for (const { bytes } of marked) {
      let sum = 0;
      for (let i = 14; i < 34; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
      expect(sum).toBe(0xffff);
    }
    bench.finish();
  });

  it('no room left, the fattest flow loses half and nobody else anything', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq_codel limit 100 drop_batch 64');
    netif_stop_queue(b.dev);
    b.send(100, 1);
    b.burst(99, 1000, 2);
    b.burst(1, 100, 3);
    expect(b.drops).toEqual(new Array(50).fill('QDISC_OVERLIMIT'));
    expect([stats(b).drop_overlimit, root(b).drops, root(b).qlen]).toEqual([50, 50, 51]);
    b.exec(() => netif_wake_queue(b.dev));
    // The first, in front of the queue; then flows in turn by quantum.
    expect(b.marksSent).toContain(101);
    expect(b.sent).toHaveLength(51);
    b.finish();
  });

  it('memory limit passed, drops although there is room for packets', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq_codel memory_limit 20000');
    netif_stop_queue(b.dev);
    b.burst(50, 1000);
    expect(stats(b).drop_overmemory).toBeGreaterThan(20);
    expect(stats(b).memory_usage).toBeLessThanOrEqual(20_000);
    b.finish();
  });

  it('two busy flows, bytes are shared and not packets', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq_codel');
    netif_stop_queue(b.dev);
    b.burst(1, 100, 9);
    b.burst(50, 1500, 1);
    b.burst(500, 150, 2);
    b.exec(() => netif_wake_queue(b.dev));
    const half = b.sent.slice(0, 200);
    const of = (length: number): number => half.filter(s => s.length === length).length * length;
    expect(of(1500) / of(150)).toBeGreaterThan(0.8);
    expect(of(1500) / of(150)).toBeLessThan(1.25);
    b.finish();
  });
});
