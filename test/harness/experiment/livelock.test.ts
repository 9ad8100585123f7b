/** The shape of the figure of 1997: collapse without NAPI, a plateau with it. */
import { describe, expect, it } from 'vitest';
import {
  type LivelockDriver,
  type LivelockPoint,
  livelock,
  livelockDrivers,
  livelockPoint,
} from '../../../harness/experiment/livelock.ts';

const MS = 1_000_000;

function driver(name: string): LivelockDriver {
  const found = livelockDrivers.find(entry => entry.name === name);
  if (found === undefined) throw new Error(`no driver ${name}`);
  return found;
}

const sweep = (name: string, loads: readonly number[], ns = 5 * MS): LivelockPoint[] =>
  loads.map(load => livelockPoint(driver(name), load, ns, 1));

const best = (points: readonly LivelockPoint[]): LivelockPoint =>
  points.reduce((a, b) => (b.goodput_pps > a.goodput_pps ? b : a));

const total = ({ cpu }: LivelockPoint): number => cpu.hardirq + cpu.softirq + cpu.task + cpu.idle;

describe('rising load', { timeout: 60_000 }, () => {
  it('an interrupt per packet, below half of the peak at four times the peak’s load, and no program gets anything', () => {
    const points = sweep('ringside-irq', [200_000, 250_000, 300_000]);
    const peak = best(points);
    const [beyond] = sweep('ringside-irq', [4 * peak.offered_pps]) as [LivelockPoint];
    expect(beyond.goodput_pps).toBeLessThan(peak.goodput_pps / 2);
    expect(beyond.received_pps).toBeLessThan(peak.received_pps / 100);
    expect(beyond.cpu.hardirq).toBeGreaterThan(0.9);
  });

  it('an NE2000, the same at a fraction of the load, and a ring that runs over ends it', () => {
    const points = sweep('ne2k', [8000, 16_000, 20_000, 25_000], 30 * MS);
    const peak = best(points);
    expect(peak.goodput_pps).toBeGreaterThan(12_000);
    const [beyond] = sweep('ne2k', [4 * peak.offered_pps], 30 * MS) as [LivelockPoint];
    expect(beyond.goodput_pps).toBeLessThan(peak.goodput_pps / 2);
    expect(beyond.received_pps).toBeLessThan(peak.received_pps / 2);
    expect(beyond.cpu.hardirq).toBeGreaterThan(0.9);
    expect(points[0]?.irqs_per_packet).toBeCloseTo(1, 1);
  });

  it('NAPI, at least 90 % of the peak at four times the peak’s load, with next to no interrupts', () => {
    const points = sweep('ringside', [500_000, 1_250_000]);
    const peak = best(points);
    const [beyond] = sweep('ringside', [4 * peak.offered_pps]) as [LivelockPoint];
    expect(beyond.goodput_pps).toBeGreaterThan(0.9 * peak.goodput_pps);
    expect(beyond.irqs_per_packet).toBeLessThan(0.05);
  });

  it('light load, everything forwarded and received by each driver, an interrupt a packet, the shares of the CPU add up', () => {
    for (const [name, load] of [
      ['ne2k', 5000],
      ['ringside-irq', 50_000],
      ['ringside', 50_000],
    ] as const) {
      const [point] = sweep(name, [load]) as [LivelockPoint];
      expect(Math.abs(point.goodput_pps - load)).toBeLessThanOrEqual(200);
      expect(Math.abs(point.received_pps - load)).toBeLessThanOrEqual(200);
      expect(point.irqs_per_packet).toBeCloseTo(1, 1);
      expect(total(point)).toBeCloseTo(1, 6);
    }
  });

  it('contexts that are longer than what is measured, the shares are those of the time measured', () => {
    // The overrun of an NE2000 takes ten milliseconds in one interrupt.
    const [point] = sweep('ne2k', [80_000], 13 * MS) as [LivelockPoint];
    expect(total(point)).toBeCloseTo(1, 6);
    expect(point.cpu.hardirq).toBeGreaterThan(0.95);
  });

  it('the same seed, the same point', () => {
    expect(sweep('ringside', [700_000])).toEqual(sweep('ringside', [700_000]));
  });
});

describe('the loads of the command', () => {
  it('each driver, from below its peak to four times beyond it', () => {
    const peaks = { ne2k: 20_000, 'ringside-irq': 250_000, ringside: 1_250_000 };
    expect(livelockDrivers.map(({ name }) => name)).toEqual(Object.keys(peaks));
    for (const { name, loads } of livelockDrivers) {
      const peak = peaks[name as keyof typeof peaks];
      expect(loads).toEqual([...loads].sort((a, b) => a - b));
      expect(loads.filter(load => load < peak).length).toBeGreaterThanOrEqual(3);
      expect(loads.at(-1)).toBeGreaterThanOrEqual(name === 'ringside' ? 3 * peak : 4 * peak);
    }
  });

  it('table and figure, every driver in both', () => {
    const points = livelockDrivers.map(({ name }) => ({
      driver: name,
      offered_pps: 1000,
      goodput_pps: 900,
      received_pps: 0,
      irqs_per_packet: 1,
      cpu: { hardirq: 0.5, softirq: 0.25, task: 0.25, idle: 0 },
    }));
    for (const { name, what } of livelockDrivers) {
      expect(livelock.table(points)).toContain(`${name}: ${what}`);
      expect(livelock.figure(points)).toContain(`>${what}<`);
    }
  });
});
