/** The shape of the figure of 1997: collapse without NAPI, a plateau with it. */
import { describe, expect, it } from 'vitest';
import { type LivelockPoint, livelockDrivers, livelockPoint } from '../../../harness/experiment/livelock.ts';
import { plot } from '../../../harness/experiment/plot.ts';

const MS = 1_000_000;

function sweep(name: string, loads: readonly number[]): LivelockPoint[] {
  const driver = livelockDrivers.find(entry => entry.name === name);
  if (driver === undefined) throw new Error(`no driver ${name}`);
  return loads.map(load => livelockPoint(driver, load, 10 * MS, 1));
}

const best = (points: readonly LivelockPoint[]): LivelockPoint =>
  points.reduce((a, b) => (b.goodput_pps > a.goodput_pps ? b : a));

describe('rising load', { timeout: 60_000 }, () => {
  it('an interrupt per packet, below half of the peak at four times the peak’s load, and no program gets anything', () => {
    const points = sweep('ringside-irq', [100_000, 200_000, 250_000, 300_000, 400_000]);
    const peak = best(points);
    const [beyond] = sweep('ringside-irq', [4 * peak.offered_pps]) as [LivelockPoint];
    expect(beyond.goodput_pps).toBeLessThan(peak.goodput_pps / 2);
    expect(beyond.received_pps).toBeLessThan(peak.received_pps / 100);
    expect(beyond.cpu.hardirq).toBeGreaterThan(0.9);
  });

  it('NAPI, at least 90 % of the peak at four times the peak’s load, with next to no interrupts', () => {
    const points = sweep('ringside', [250_000, 500_000, 1_000_000, 1_250_000]);
    const peak = best(points);
    const [beyond] = sweep('ringside', [4 * peak.offered_pps]) as [LivelockPoint];
    expect(beyond.goodput_pps).toBeGreaterThan(0.9 * peak.goodput_pps);
    expect(beyond.irqs_per_packet).toBeLessThan(0.05);
  });

  it('light load, everything forwarded and received by either driver, an interrupt a packet', () => {
    for (const { name } of livelockDrivers) {
      const [point] = sweep(name, [50_000]) as [LivelockPoint];
      expect([point.goodput_pps, point.received_pps]).toEqual([50_000, 50_000]);
      expect(point.irqs_per_packet).toBeCloseTo(1, 1);
      const { hardirq, softirq, task, idle } = point.cpu;
      expect(hardirq + softirq + task + idle).toBeCloseTo(1, 6);
    }
  });

  it('the same seed, the same point', () => {
    expect(sweep('ringside', [700_000])).toEqual(sweep('ringside', [700_000]));
  });
});

describe('a plot', () => {
  it('names with markup and a single point, a figure all the same', () => {
    const svg = plot([{ name: 'a<b', points: [[1, 2]] }], { title: 'T&T', x: 'x', y: 'y' });
    expect(svg).toContain('a&lt;b');
    expect(svg).toContain('T&amp;T');
    expect(svg).not.toContain('NaN');
  });
});
