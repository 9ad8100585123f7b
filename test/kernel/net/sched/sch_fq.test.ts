/** fq: turns, bands, rates, and packets that are not to leave before their time. */
import { describe, expect, it } from 'vitest';
import { DrillHost } from '../../../../harness/drill/api.ts';
import { tc } from '../../../../harness/shell/tc.ts';
import { netif_stop_queue, netif_wake_queue } from '../../../../kernel/net/core/dev.ts';
import type { sk_buff } from '../../../../kernel/net/core/skbuff.ts';
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

describe('who waits where', () => {
  it('a band over the limit loses its own packets only', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq limit 3');
    netif_stop_queue(b.dev);
    for (let i = 0; i < 8; i++) b.send(100, 9);
    for (let i = 0; i < 5; i++) b.send(100, 1, skb => (skb.priority = 2));
    for (let i = 0; i < 4; i++) b.send(100, 2, skb => (skb.priority = 6));
    // Priority 6 is of band 0, priority 2 of band 2.
    expect(stats(b).band_drops).toEqual([1, 0, 2]);
    expect(b.drops).toEqual(Array(3).fill('FQ_BAND_LIMIT'));
    b.exec(() => netif_wake_queue(b.dev));
    expect(b.sent.length).toBe(14);
    // There is room again; a map of one's own says whose.
    netif_stop_queue(b.dev);
    b.tc('qdisc change dev eth0 root fq priomap 2 2 0 2 2 2 1 2 2 2 2 2 2 2 2 2');
    for (let i = 0; i < 8; i++) b.send(100, 9);
    for (let i = 0; i < 5; i++) b.send(100, 1, skb => (skb.priority = 2));
    for (let i = 0; i < 4; i++) b.send(100, 2, skb => (skb.priority = 6));
    expect(stats(b).band_drops).toEqual([3, 1, 2]);
    b.exec(() => netif_wake_queue(b.dev));
    b.finish();
  });

  it('TC_PRIO_CONTROL goes before all turns', () => {
    const marks = order('', b => {
      for (let i = 0; i < 10; i++) b.send(100, 9);
      b.send(100, 1);
      b.send(100, 2, skb => (skb.priority = 7));
    });
    // Eight by the fast path, then the twelfth.
    expect(marks.slice(8)).toEqual([12, 9, 10, 11]);
  });

  it('a flow that was away comes back with a whole quantum, after refill_delay', () => {
    const marks = (refill: string): number[] => {
      const b = new QueueBench();
      b.tc(`qdisc add dev eth0 root fq quantum 2000 initial_quantum 1500 refill_delay ${refill}`);
      const soon = (skb: { tstamp: number }): void => {
        skb.tstamp = b.kernel.clock.now + 1e6;
      };
      b.send(1000, 1, soon);
      b.run(10e6);
      // With the next one's turn it is seen that nothing of the first waits.
      b.send(100, 3, soon);
      b.run(100e6);
      netif_stop_queue(b.dev);
      for (let i = 0; i < 8; i++) b.send(100, 9);
      for (let i = 0; i < 3; i++) b.send(1000, 1);
      b.send(500, 2);
      b.exec(() => netif_wake_queue(b.dev));
      b.finish();
      return b.marksSent.slice(10);
    };
    expect(marks('40ms')).toEqual([11, 12, 14, 13]);
    expect(marks('500ms')).toEqual([11, 14, 12, 13]);
  });

  it('more flows than buckets: eight that have been empty for three seconds are forgotten with each new one', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq buckets 4');
    const send = (flow: number): void => {
      b.send(100, flow, skb => (skb.tstamp = b.kernel.clock.now + 1e6));
    };
    for (let flow = 0; flow < 30; flow++) send(flow);
    b.run(2.9e9);
    const { flows } = stats(b);
    expect(flows).toBeGreaterThan(25);
    send(100);
    expect(stats(b)).toMatchObject({ flows: flows + 1, gc_flows: 0 });
    b.run(0.2e9);
    send(101);
    expect(stats(b)).toMatchObject({
      flows: flows + 2 - 8,
      gc_flows: 8,
      inactive_flows: flows - 7,
      throttled_flows: 1,
    });
    // One that is there already forgets nobody.
    send(101);
    expect(stats(b).gc_flows).toBe(8);
    b.run(1e9);
    b.finish();
  });

  it('a lower limit: what is too much is thrown away at once', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq');
    netif_stop_queue(b.dev);
    for (let i = 0; i < 20; i++) b.send(100, 1);
    b.tc('qdisc change dev eth0 root fq limit 5');
    expect(root(b).qlen).toBe(5);
    expect(b.drops.length).toBe(15);
    b.exec(() => netif_wake_queue(b.dev));
    expect(b.marksSent).toEqual([16, 17, 18, 19, 20]);
    // What was thrown away was not sent.
    expect([root(b).packets, root(b).bytes, root(b).backlog, root(b).qlen]).toEqual([5, 500, 0, 0]);
    b.finish();
  });
});

describe('times', () => {
  it('flows whose times come in any order leave in theirs', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq');
    const now = b.kernel.clock.now;
    const times = [50, 10, 40, 20, 30, 60];
    for (const [flow, ms] of times.entries()) b.send(100, flow + 1, skb => (skb.tstamp = now + ms * 1e6));
    expect(stats(b)).toMatchObject({ throttled_flows: 6, throttled: 6, time_next_delayed_flow: now + 10e6 });
    b.run(25e6);
    expect(stats(b)).toMatchObject({ throttled_flows: 4, throttled: 6, time_next_delayed_flow: now + 30e6 });
    b.run(1e9);
    expect(b.sent.map(({ mark, time }) => [mark, time - now])).toEqual(
      [2, 4, 5, 3, 1, 6].map(mark => [mark, (times[mark - 1] as number) * 1e6]),
    );
    expect(stats(b)).toMatchObject({ throttled_flows: 0, time_next_delayed_flow: 0, inactive_flows: 6 });
    b.finish();
  });

  it('a slow rate spaces packet by packet, a fast one quantum by quantum', () => {
    const times = (rate: string): number[] => {
      const b = new QueueBench();
      b.tc(`qdisc add dev eth0 root fq maxrate ${rate} quantum 3000 initial_quantum 3000`);
      const now = b.kernel.clock.now;
      for (let i = 0; i < 7; i++) b.send(1000, 1);
      b.run(1e9);
      b.finish();
      return b.sent.map(({ time }) => Math.round((time - now) / 1e6));
    };
    // 50 kB/s is below low_rate_threshold, 550 kbit/s.
    expect(times('400kbit')).toEqual([0, 20, 40, 60, 80, 100, 120]);
    expect(times('4mbit')).toEqual([0, 0, 0, 6, 6, 6, 12]);
  });

  it('who comes late makes up for half of a packet’s time, no more; a packet waits a second, no more', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq maxrate 400kbit');
    const now = b.kernel.clock.now;
    b.send(1000, 1);
    b.run(25e6);
    b.send(1000, 1);
    b.send(1000, 1);
    b.run(100e6);
    b.send(1000, 1);
    b.send(1000, 1);
    b.run(1e9);
    // 20 ms each: 5 ms late, then 65 ms.
    expect(b.sent.map(({ time }) => (time - now) / 1e6)).toEqual([0, 25, 40, 125, 135]);
    expect(stats(b).pkts_too_long).toBe(0);
    b.tc('qdisc change dev eth0 root fq maxrate 800bit');
    const then = b.kernel.clock.now;
    for (let i = 0; i < 3; i++) b.send(1000, 2);
    b.run(3e9);
    expect(b.sent.slice(5).map(({ time }) => (time - then) / 1e6)).toEqual([0, 1000, 2000]);
    expect(stats(b).pkts_too_long).toBe(3);
    b.finish();
  });

  it('SO_MAX_PACING_RATE of a datagram socket: its packets so far apart, another’s not; nopacing: at once', () => {
    const times = (words: string): number[][] => {
      const host = new DrillHost();
      expect(host.command(`tc qdisc replace dev eth0 root fq ${words}`)).toMatchObject({ status: 0, stderr: '' });
      const sockets = [50_000, -1].map(rate => {
        const fd = host.socket(2, 2, 0).result;
        expect(host.setsockopt(fd, 1, 47, new Uint8Array(Int32Array.of(rate).buffer)).result).toBe(0);
        expect(host.connect(fd, { address: '192.0.2.1', port: 9 }).result).toBe(0);
        return fd;
      });
      const start = host.now;
      const payload = new Uint8Array(1000 - 42);
      for (let i = 0; i < 3; i++) for (const fd of sockets) expect(host.send(fd, payload).result).toBe(958);
      host.advance(1e9);
      const sent = host.take().map(({ time, bytes }) => [(bytes[20] as number) * 256 + (bytes[21] as number), time]);
      expect(host.end()).toEqual([]);
      const ports = [...new Set(sent.map(([port]) => port))];
      return ports.map(port => sent.filter(([p]) => p === port).map(([, time]) => ((time as number) - start) / 1e6));
    };
    const [slow, free] = times('');
    expect(free).toEqual([0, 0, 0]);
    expect(slow).toEqual([0, 20, 40]);
    expect(times('nopacing')).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });

  it('ce_threshold: who has waited longer is marked, if he can be', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq ce_threshold 2ms');
    netif_stop_queue(b.dev);
    const ect = (skb: sk_buff): void => {
      skb.ram.u8[skb.network_header + 1] = 2;
    };
    for (let i = 0; i < 8; i++) b.send(100, 9);
    b.send(100, 1, ect);
    b.send(100, 1);
    b.run(1.5e6);
    b.send(100, 2, ect);
    b.run(1e6);
    b.exec(() => netif_wake_queue(b.dev));
    expect(b.sent.slice(8).map(({ mark, bytes }) => [mark, (bytes[15] as number) & 3])).toEqual([
      [9, 3],
      [10, 0],
      [11, 2],
    ]);
    expect(stats(b).ce_mark).toBe(1);
    b.finish();
  });

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
    const now = b.kernel.clock.now;
    b.run(1.1e9);
    expect(b.sent.map(({ mark, time }) => [mark, time - now])).toEqual([[2, 1e9]]);
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
