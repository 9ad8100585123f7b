/** netem: what it does to packets, how often, and that a seed decides all of it. */
import { describe, expect, it } from 'vitest';
import { consume_skb } from '../../../../kernel/net/core/skbuff.ts';
import type { Qdisc } from '../../../../kernel/net/sched/qdisc.ts';
import { QueueBench } from './queue.ts';

const root = (b: QueueBench): Qdisc => b.dev.qdisc as Qdisc;
const COUNT = 4000;

/** Sends COUNT packets, `gap` ns apart; how long each took, by mark. */
function through(options: string, seed = 1, gap = 1000, count = COUNT): { b: QueueBench; delays: Map<number, number> } {
  const b = new QueueBench({ seed });
  b.tc(`qdisc add dev eth0 root netem limit 100000 ${options}`);
  const entered = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    b.send(100, 1, skb => entered.set(skb.mark, b.world.sim.time));
    b.run(gap);
  }
  b.run(2e9);
  const delays = new Map(b.sent.map(({ mark, time }) => [mark, time - (entered.get(mark) as number)]));
  return { b, delays };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('delay', () => {
  it('a constant one, every packet is late by just that', () => {
    const { b, delays } = through('delay 10ms', 1, 1000, 200);
    expect(new Set(delays.values())).toEqual(new Set([10_000_000]));
    expect(b.marksSent).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    b.finish();
  });

  it('jitter, uniform around the delay, and packets overtake', () => {
    const { b, delays } = through('delay 10ms 5ms');
    const values = [...delays.values()];
    expect(Math.min(...values)).toBeGreaterThanOrEqual(5e6);
    expect(Math.max(...values)).toBeLessThanOrEqual(15e6);
    expect(Math.abs(mean(values) - 10e6)).toBeLessThan(0.2e6);
    // A uniform distribution's deviation is width / sqrt(12).
    const deviation = Math.sqrt(mean(values.map(v => (v - 10e6) ** 2)));
    expect(Math.abs(deviation - 10e6 / Math.sqrt(12))).toBeLessThan(0.2e6);
    expect(b.marksSent).not.toEqual([...b.marksSent].sort((x, y) => x - y));
    b.finish();
  });

  it('a normal distribution, two thirds within one jitter', () => {
    const { b, delays } = through('delay 50ms 5ms distribution normal');
    const values = [...delays.values()];
    const within = values.filter(v => Math.abs(v - 50e6) < 5e6).length / values.length;
    expect(Math.abs(within - 0.6827)).toBeLessThan(0.03);
    b.finish();
  });

  it('correlation, the next delay is like the last one', () => {
    const step = (options: string): number => {
      const { b, delays } = through(options, 1, 20e6, 600);
      const values = [...delays.values()];
      b.finish();
      return mean(values.slice(1).map((v, i) => Math.abs(v - (values[i] as number))));
    };
    expect(step('delay 10ms 5ms 90%')).toBeLessThan(0.3 * step('delay 10ms 5ms'));
  });
});

describe('loss, duplication, corruption, reordering', () => {
  it('random loss, about that share, dropped with QDISC_DROP and counted', () => {
    const { b } = through('loss 10%');
    expect(Math.abs(b.drops.length / COUNT - 0.1)).toBeLessThan(0.02);
    expect(new Set(b.drops)).toEqual(new Set(['QDISC_DROP']));
    expect(b.sent.length + b.drops.length).toBe(COUNT);
    expect(root(b).drops).toBe(b.drops.length);
    b.finish();
  });

  it('Gilbert and Elliott, losses come in runs', () => {
    const { b } = through('loss gemodel 1% 10%');
    // The bad state holds p / (p + r) of the time, ten packets each time.
    expect(Math.abs(b.drops.length / COUNT - 1 / 11)).toBeLessThan(0.04);
    const lost = new Set(Array.from({ length: COUNT }, (_, i) => i + 1));
    for (const mark of b.marksSent) lost.delete(mark);
    const runs = [...lost].filter(mark => !lost.has(mark - 1)).length;
    expect(lost.size / runs).toBeGreaterThan(5);
    b.finish();
  });

  it('duplication, a twin follows', () => {
    const { b } = through('duplicate 5%');
    expect(Math.abs(b.sent.length / COUNT - 1.05)).toBeLessThan(0.015);
    b.finish();
  });

  it('corruption, one bit of each such packet differs', () => {
    const { b } = through('corrupt 20%', 1, 1000, 1000);
    const good = b.packet(100, 1);
    const original = good.ram.u8.slice(good.data, good.tail);
    consume_skb(good);
    let damaged = 0;
    for (const { bytes } of b.sent) {
      let bits = 0;
      bytes.forEach((byte, i) => {
        for (let x = byte ^ (original[i] as number); x !== 0; x &= x - 1) bits++;
      });
      expect(bits).toBeLessThanOrEqual(1);
      damaged += bits;
    }
    expect(Math.abs(damaged / 1000 - 0.2)).toBeLessThan(0.05);
    b.finish();
  });

  it('reordering with a gap, every fifth at most overtakes those that are delayed', () => {
    const { b, delays } = through('delay 10ms reorder 100% gap 5', 1, 1000, 500);
    const early = [...delays].filter(([, delay]) => delay === 0).map(([mark]) => mark);
    expect(early).toHaveLength(100);
    expect(early.every(mark => mark % 5 === 0)).toBe(true);
    expect(root(b).requeues).toBe(100);
    b.finish();
  });

  it('a rate, packets leave as the bits of those before them do', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root netem rate 1mbit');
    b.burst(10, 1000);
    b.run(1e9);
    expect(b.sent.map(({ time }) => time)).toEqual(Array.from({ length: 10 }, (_, i) => (i + 1) * 8_000_000));
    b.finish();
  });

  it('its limit reached, tail dropped', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root netem limit 5 delay 1s');
    b.burst(8);
    expect(b.drops).toEqual(['QDISC_OVERLIMIT', 'QDISC_OVERLIMIT', 'QDISC_OVERLIMIT']);
    expect(root(b).qlen).toBe(5);
    b.finish();
  });

  it('a tbf below, what netem delays is shaped as well', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: netem delay 10ms');
    b.tc('qdisc add dev eth0 parent 1:1 handle 2: tbf rate 1mbit burst 1000 limit 100kb');
    b.burst(5, 1000);
    b.run(1e9);
    expect(b.sent.map(({ time }) => Math.round(time / 1e6))).toEqual([10, 18, 26, 34, 42]);
    b.finish();
  });
});

describe('chance', () => {
  const ALL = 'delay 10ms 3ms 25% loss 5% duplicate 3% corrupt 2% reorder 10% 50%';
  const story = (options: string, seed: number): string => {
    const { b } = through(options, seed, 50_000, 800);
    const text = b.sent.map(
      ({ mark, time, bytes }) => `${mark}@${time}:${bytes.reduce((s, x) => (s * 31 + x) | 0, 0)}`,
    );
    b.finish();
    return text.join(' ');
  };

  it('the same seed, the same run to the bit; another one, another', () => {
    expect(story(ALL, 7)).toBe(story(ALL, 7));
    expect(story(ALL, 7)).not.toBe(story(ALL, 8));
    expect(story(`${ALL} seed 1`, 7)).not.toBe(story(ALL, 7));
  });

  it('options changed while packets pass, chance goes on where it was', () => {
    const lost = (change: boolean): number[] => {
      const b = new QueueBench({ seed: 3 });
      b.tc('qdisc add dev eth0 root handle 1: netem loss 20%');
      for (let i = 0; i < 400; i++) {
        if (change && i % 50 === 49) b.tc('qdisc change dev eth0 root handle 1: netem loss 20%');
        b.send();
      }
      b.finish();
      return b.marksSent;
    };
    expect(lost(true)).toEqual(lost(false));
  });

  it('another mishap switched on, the losses stay the same', () => {
    const lost = (options: string): number[] => {
      const { b } = through(options, 5, 1000, 500);
      const sent = new Set(b.marksSent);
      b.finish();
      return Array.from({ length: 500 }, (_, i) => i + 1).filter(mark => !sent.has(mark));
    };
    expect(lost('loss 10% corrupt 5% delay 1ms 500us')).toEqual(lost('loss 10%'));
  });
});
