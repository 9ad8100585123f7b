/** fq: turns, bands, rates, and packets that are not to leave before their time. */
import { describe, expect, it } from 'vitest';
import { tc } from '../../../../harness/shell/tc.ts';
import { netif_stop_queue, netif_wake_queue } from '../../../../kernel/net/core/dev.ts';
import { SO_MAX_PACING_RATE, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import { SK_PACING_FQ } from '../../../../kernel/net/ipv4/tcp_sock.ts';
import type { Qdisc } from '../../../../kernel/net/sched/qdisc.ts';
import type { fq_xstats } from '../../../../kernel/net/sched/sch_fq.ts';
import { TcpFlow } from '../ipv4/tcp_flow.ts';
import { QueueBench } from './queue.ts';

const root = (b: QueueBench): Qdisc => b.dev.qdisc as Qdisc;
const stats = (b: QueueBench): fq_xstats => root(b).ops.dump_stats(root(b)) as fq_xstats;

/** A queue that is stopped while `fill` fills it, and what then comes out, by marks. */
function order(words: string, fill: (b: QueueBench) => void): number[] {
  const b = new QueueBench();
  b.tc(`qdisc add dev eth0 root fq ${words}`);
  netif_stop_queue(b.dev);
  fill(b);
  b.exec(() => netif_wake_queue(b.dev));
  b.run(1e9);
  b.finish();
  return b.marksSent;
}

describe('turns', () => {
  it('one greedy flow, two modest ones: each has its quantum', () => {
    // Eight go by the way for those who find nobody waiting.
    const marks = order('quantum 1000 initial_quantum 1000', b => {
      for (let i = 0; i < 8; i++) b.send(100, 9);
      for (let i = 0; i < 6; i++) b.send(1000, 1);
      for (let i = 0; i < 2; i++) b.send(1000, 2);
      for (let i = 0; i < 2; i++) b.send(500, 3);
    });
    expect(marks.slice(8)).toEqual([9, 15, 17, 18, 10, 16, 11, 12, 13, 14]);
  });

  it('a band of higher priority has the larger part, the lowest is not forgotten', () => {
    const marks = order('quantum 1500 weights 30000 20000 20000', b => {
      for (let i = 0; i < 8; i++) b.send(100, 9);
      for (let i = 0; i < 60; i++) b.send(1000, 1, skb => (skb.priority = 2));
      for (let i = 0; i < 60; i++) b.send(1000, 2, skb => (skb.priority = 6));
    });
    const high = marks.slice(8, 58).filter(mark => mark > 68).length;
    expect(high).toBe(30);
  });

  it('a flow over its limit loses its own packets only', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq flow_limit 3');
    netif_stop_queue(b.dev);
    for (let i = 0; i < 8; i++) b.send(100, 9);
    for (let i = 0; i < 10; i++) b.send(100, 1);
    b.send(100, 2);
    expect(stats(b)).toMatchObject({ flows: 2, inactive_flows: 0, flows_plimit: 7, fastpath_packets: 8 });
    expect(b.drops).toEqual(Array(7).fill('FQ_FLOW_LIMIT'));
    b.exec(() => netif_wake_queue(b.dev));
    expect(b.marksSent.at(-1)).toBe(19);
    b.finish();
  });
});

describe('times', () => {
  it('maxrate: each flow at that rate, whatever the others do', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq maxrate 800kbit quantum 1000 initial_quantum 1000');
    for (let i = 0; i < 20; i++) {
      b.send(1000, 1);
      b.send(1000, 2);
    }
    b.run(155e6);
    // A packet in 10 ms, each of two.
    expect(b.sent.length).toBeGreaterThanOrEqual(2 * 15);
    expect(b.sent.length).toBeLessThanOrEqual(2 * 17);
    expect(stats(b)).toMatchObject({ flows: 2, throttled_flows: 2 });
    b.run(1e9);
    expect(b.sent.length).toBe(40);
    b.finish();
  });

  it('packets with times leave at them, in their order', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq');
    const now = b.kernel.clock.now;
    netif_stop_queue(b.dev);
    for (const ms of [30, 10, 20, 0]) b.send(100, 1, skb => (skb.tstamp = ms === 0 ? 0 : now + ms * 1e6));
    b.exec(() => netif_wake_queue(b.dev));
    b.run(1e9);
    expect(b.sent.map(({ mark, time }) => [mark, time - now])).toEqual([
      [4, 0],
      [2, 10e6],
      [3, 20e6],
      [1, 30e6],
    ]);
    b.finish();
  });

  it('a time beyond the horizon: dropped, or cut', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq horizon 1s');
    const late = (): number => b.send(100, 1, skb => (skb.tstamp = b.kernel.clock.now + 5e9));
    late();
    b.tc('qdisc change dev eth0 root fq horizon_cap');
    late();
    b.run(1.1e9);
    expect(b.marksSent).toEqual([2]);
    expect(stats(b)).toMatchObject({ horizon_drops: 1, horizon_caps: 1 });
    b.finish();
  });

  it('TCP below an fq: packets carry their times, and no timer of its own runs', () => {
    const f = new TcpFlow({ rtt: 0.1, win: 1000 });
    expect(f.exec(() => tc([f.dev], `qdisc replace dev ${f.dev.name} root fq`)).error).toBe(0);
    f.set(SOL_SOCKET, SO_MAX_PACING_RATE, 40_000);
    f.sk.snd_cwnd = 20;
    f.write(14_000);
    const start = f.now;
    f.wait(0.2);
    expect(f.sk.opts.sk_pacing_status).toBe(SK_PACING_FQ);
    expect(f.sk.slow.pacing_timer).toBe(null);
    expect(f.ranges(start)).toEqual([
      ...Array.from({ length: 10 }, (_, i) => `${i * 1000 + 1}:${i * 1000 + 1001}(1000)@0`),
      '10001:11001(1000)@25',
      '11001:12001(1000)@50',
      '12001:13001(1000)@75',
      '13001:14001(1000)@100',
    ]);
    f.finish();
  });
});
