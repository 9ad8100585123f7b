import { describe, expect, it } from 'vitest';
import { Pacer } from '../../../harness/sim/pace.ts';
import { Sim } from '../../../harness/sim/sim.ts';

const MS = 1_000_000;

describe('pacing', () => {
  it('events 10 ms apart, none served before its real time', async () => {
    const sim = new Sim();
    const pacer = new Pacer(sim);
    const early: number[] = [];
    const start = performance.now();
    const event = sim.event('tick', () => {
      const real = performance.now() - start;
      if (real < sim.time / MS - 0.1) early.push(sim.time);
      if (sim.time < 50 * MS) sim.schedule(event, sim.time + 10 * MS);
    });
    sim.schedule(event, 10 * MS);
    await pacer.run(60 * MS);
    expect(early).toEqual([]);
    expect(sim.time).toBe(60 * MS);
    expect(performance.now() - start).toBeGreaterThan(59);
  });

  it('stopped while it waits for a far event, ends soon', async () => {
    const sim = new Sim();
    const pacer = new Pacer(sim);
    sim.schedule(
      sim.event('far', () => {}),
      3600e9,
    );
    const start = performance.now();
    setTimeout(() => pacer.stop(), 20);
    await pacer.run();
    expect(performance.now() - start).toBeLessThan(2000);
    expect(sim.time).toBeLessThan(3e9);
  });

  it('a run that had to stand still, forgives the debt instead of racing', async () => {
    const sim = new Sim();
    const pacer = new Pacer(sim);
    let served = 0;
    const event = sim.event('tick', () => {
      served++;
      // The host was away for a while: real time has passed.
      if (served === 1) {
        const until = performance.now() + 1200;
        while (performance.now() < until);
      }
      sim.schedule(event, sim.time + MS);
    });
    sim.schedule(event, MS);
    await pacer.run(30 * MS);
    expect(served).toBeLessThanOrEqual(31);
  });
});
