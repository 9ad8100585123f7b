import { describe, expect, it } from 'vitest';
import { Pacer } from '../../../harness/sim/pace.ts';
import { Sim } from '../../../harness/sim/sim.ts';

const MS = 1_000_000;

/** A pacer whose real time goes on by `step` ns with every look at it. */
function paced(step: number): { sim: Sim; pacer: Pacer; real: { now: number } } {
  const sim = new Sim();
  const real = { now: 5e9 };
  const pacer = new Pacer(sim, () => {
    real.now += step;
    return real.now;
  });
  return { sim, pacer, real };
}

describe('pacing', () => {
  it('events 1 ms apart, none served before its real time', async () => {
    const { sim, pacer, real } = paced(10_000);
    const start = real.now;
    let early = 0;
    const event = sim.event('tick', () => {
      if (real.now - start < sim.time) early++;
      sim.schedule(event, sim.time + MS);
    });
    sim.schedule(event, MS);
    await pacer.run(60 * MS);
    expect(early).toBe(0);
    expect(sim.time).toBe(60 * MS);
    expect(real.now - start).toBeGreaterThanOrEqual(60 * MS);
  });

  it('stopped from an event, ends although more is to come', async () => {
    const { sim, pacer } = paced(100_000);
    const event = sim.event('tick', () => {
      if (sim.time >= 5 * MS) pacer.stop();
      sim.schedule(event, sim.time + MS);
    });
    sim.schedule(event, MS);
    await pacer.run();
    expect(sim.time).toBeGreaterThanOrEqual(5 * MS);
    expect(sim.time).toBeLessThan(20 * MS);
  });

  it('a run that stood still for an hour, forgives the debt instead of racing through it', async () => {
    const { sim, pacer, real } = paced(10_000);
    let served = 0;
    const event = sim.event('tick', () => {
      if (++served === 3) real.now += 3600e9;
      sim.schedule(event, sim.time + MS);
    });
    sim.schedule(event, MS);
    await pacer.run(30 * MS);
    expect(served).toBe(30);
    expect(pacer.forgiven).toBeGreaterThan(3599e9);
  });

  it('an input after a long pause, stamped with a time that the run reaches now and not in an hour', () => {
    const { sim, pacer, real } = paced(0);
    real.now += 3600e9;
    expect(pacer.present()).toBe(sim.time);
  });

  it('a run that is a little behind, catches up in turns and loses no time', async () => {
    const { sim, pacer, real } = paced(10_000);
    const event = sim.event('tick', () => {
      if (sim.time === 10 * MS) real.now += 200 * MS;
      sim.schedule(event, sim.time + MS);
    });
    sim.schedule(event, MS);
    await pacer.run(300 * MS);
    expect(pacer.forgiven).toBe(0);
    expect(real.now - 5e9).toBeLessThan(400 * MS);
  });
});
