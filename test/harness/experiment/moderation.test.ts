/** Moderation's bargain: fewer interrupts, longer waits. */
import { describe, expect, it } from 'vitest';
import { type ModerationPoint, moderationPoint } from '../../../harness/experiment/moderation.ts';

const point = (usecs: number, frames: number, pps: number): ModerationPoint =>
  moderationPoint(usecs, frames, pps, 20_000_000, 1);

describe('rx-usecs', () => {
  it('raised under a steady load, interrupts fall to one in each interval, and latency rises to it', () => {
    const points = [0, 20, 100, 500].map(usecs => point(usecs, 0, 100_000));
    for (const [i, { rx_usecs, interrupts_per_s, latency_ns, received_pps }] of points.entries()) {
      expect(received_pps).toBeGreaterThan(90_000);
      expect(latency_ns.p50).toBeLessThanOrEqual(latency_ns.p99);
      expect(latency_ns.p99).toBeLessThanOrEqual(latency_ns.max);
      if (rx_usecs === 0) continue;
      expect(interrupts_per_s).toBeLessThanOrEqual(1e6 / rx_usecs + 50);
      expect(interrupts_per_s).toBeLessThan((points[i - 1] as ModerationPoint).interrupts_per_s);
      expect(latency_ns.p99).toBeGreaterThan((points[i - 1] as ModerationPoint).latency_ns.p99);
      expect(latency_ns.max).toBeLessThan(rx_usecs * 1000 + 20_000);
    }
    const [none, , , most] = points as [ModerationPoint, ModerationPoint, ModerationPoint, ModerationPoint];
    expect(most.cpu.idle).toBeGreaterThan(none.cpu.idle + 0.1);
  });

  it('short against the distance of packets, no packet waits: the median stays', () => {
    const median = (usecs: number): number => point(usecs, 0, 5000).latency_ns.p50;
    expect(Math.abs(median(20) - median(0))).toBeLessThan(100);
  });
});

describe('rx-frames', () => {
  it('beside a long time, the wait ends with so many frames', () => {
    const time = point(200, 0, 100_000);
    const count = point(200, 4, 100_000);
    expect(count.interrupts_per_s).toBeGreaterThan(2 * time.interrupts_per_s);
    expect(count.latency_ns.p50).toBeLessThan(time.latency_ns.p50 / 2);
  });
});

it('the same seed, the same point; another, another', () => {
  expect(point(20, 0, 50_000)).toEqual(point(20, 0, 50_000));
  expect(moderationPoint(20, 0, 50_000, 20_000_000, 2)).not.toEqual(point(20, 0, 50_000));
});
