import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timer_list } from '../../../kernel/time/timer.ts';
import { bench } from '../host.ts';

const MS = 1_000_000;

describe('the timer wheel', () => {
  it('a timer near by, fires at its jiffy', () => {
    const b = bench();
    const timer = new timer_list(b.kernel, () => b.work('timer', 0));
    b.at(500_000, () => timer.mod_ns(5 * MS + 1));
    b.world.sim.settle(1e9);
    expect(b.log).toEqual([`timer@${6 * MS}`]);
    expect(timer.pending()).toBe(false);
  });

  it('timers at any distance, never early and late by at most an eighth of it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5_000_000 }), { minLength: 1, maxLength: 40 }), delays => {
        const b = bench();
        const fired: number[] = [];
        delays.forEach((delay, i) => {
          const timer = new timer_list(b.kernel, () => (fired[i] = b.kernel.clock.now / MS));
          timer.mod(delay);
        });
        b.world.sim.settle();
        delays.forEach((delay, i) => {
          expect(fired[i]).toBeGreaterThanOrEqual(delay);
          expect(fired[i]).toBeLessThanOrEqual(delay + Math.max(1, delay / 7));
        });
        expect(b.kernel.timers.pending).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('a timer moved before it fires, fires once and at the new time', () => {
    const b = bench();
    const timer = new timer_list(b.kernel, () => b.work('timer', 0));
    b.at(0, () => timer.mod_ns(10 * MS));
    b.at(5 * MS, () => expect(timer.mod_ns(30 * MS)).toBe(true));
    b.world.sim.settle(1e9);
    expect(b.log).toEqual([`timer@${30 * MS}`]);
  });

  it('a deleted timer, never fires', () => {
    const b = bench();
    const timer = new timer_list(b.kernel, () => expect.unreachable());
    timer.mod(10);
    expect(timer.del()).toBe(true);
    expect(timer.del()).toBe(false);
    b.world.sim.settle(1e9);
  });

  it('a timer that arms itself again, ticks without drift', () => {
    const b = bench();
    const timer = new timer_list(b.kernel, self => {
      b.work('tick', 0);
      if (b.log.length < 5) self.mod(self.expires + 100);
    });
    timer.mod(100);
    b.world.sim.settle(1e10);
    const times = b.log.map(line => Number(line.split('@')[1]) / MS);
    for (const [i, time] of times.entries()) expect(time - 100 * (i + 1)).toBeLessThan(16);
  });

  it('a near timer armed long after a far one, picks its level from the present and is not late', () => {
    const b = bench();
    new timer_list(b.kernel, () => {}).mod(20_000);
    const near = new timer_list(b.kernel, () => b.work('near', 0));
    b.world.sim.run(15_000 * MS);
    b.at(15_000 * MS, () => near.mod(15_010));
    b.world.sim.settle(25_000 * MS);
    expect(Number(b.log[0]?.split('@')[1]) / MS).toBeLessThanOrEqual(15_011);
  });

  it('a timer that arms itself for the present jiffy, runs once a tick', () => {
    const b = bench();
    const timer = new timer_list(b.kernel, self => {
      b.work('tick', 0);
      self.mod(b.kernel.timers.jiffies());
    });
    timer.mod(1);
    b.world.sim.run(10 * MS);
    expect(b.log.length).toBeGreaterThan(5);
    expect(new Set(b.log).size).toBe(b.log.length);
  });

  it('a hundred thousand idle timers, cost no event until the first is due', () => {
    const b = bench();
    for (let i = 0; i < 100_000; i++) new timer_list(b.kernel, () => {}).mod(7_200_000);
    const before = b.world.sim.served;
    b.world.sim.run(3_600_000 * MS);
    expect(b.world.sim.served - before).toBeLessThan(10);
  });
});
