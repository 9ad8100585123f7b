/** What spreading flows over CPUs brings, and costs. */
import { describe, expect, it } from 'vitest';
import { type SteeringMode, type SteeringPoint, steeringPoint } from '../../../harness/experiment/steering.ts';

const point = (mode: SteeringMode, cpus: number, flows: number): SteeringPoint =>
  steeringPoint(mode, cpus, flows, 3_000_000, 1);

const busy = ({ cpu }: SteeringPoint): number => cpu.filter(({ idle }) => idle < 0.95).length;

describe('four CPUs under more than they can take', { timeout: 60_000 }, () => {
  const one = point('none', 4, 64);
  const rss = point('rss', 4, 64);
  const rps = point('rps', 4, 64);
  const rfs = point('rfs', 4, 64);

  it('many flows, RSS doubles at least what one queue gets, RPS and RFS get half more', () => {
    expect(rss.received_pps).toBeGreaterThan(1.8 * one.received_pps);
    expect(rps.received_pps).toBeGreaterThan(1.3 * one.received_pps);
    expect(rfs.received_pps).toBeGreaterThan(1.3 * one.received_pps);
  });

  it('all CPUs work, and their programs share', () => {
    for (const spread of [rss, rps, rfs]) {
      expect(busy(spread)).toBe(4);
      expect(spread.share.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
      for (const share of spread.share) expect(share).toBeGreaterThan(0.1);
    }
  });

  it('interrupts between CPUs, by RPS and RFS only', () => {
    expect([one.ipis_per_packet, rss.ipis_per_packet]).toEqual([0, 0]);
    expect(rps.ipis_per_packet).toBeGreaterThan(0);
    expect(rfs.ipis_per_packet).toBeGreaterThan(0);
  });

  it('no packet overtakes another of its flow', () => {
    for (const { reordered, received_pps } of [one, rss, rps, rfs]) {
      expect(received_pps).toBeGreaterThan(0);
      expect(reordered).toBe(0);
    }
  });
});

describe('one flow', () => {
  it('stays on one CPU, by the card’s hash or by RFS; RPS adds one to the CPU that polls', () => {
    expect(busy(point('rss', 4, 1))).toBe(1);
    expect(busy(point('rfs', 4, 1))).toBe(1);
    expect(busy(point('rps', 4, 1))).toBeLessThanOrEqual(2);
  });
});

it('the same seed, the same point', () => {
  expect(point('rps', 2, 4)).toEqual(point('rps', 2, 4));
});
