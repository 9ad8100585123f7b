import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timer_list } from '../../../kernel/time/timer.ts';
import { bench } from '../host.ts';

const MS = 1_000_000;

describe('the timer wheel', () => {
  it('a timer near by, fires with the first tick that is certain not to be early', () => {
    const b = bench();
    const timer = new timer_list(b.kernel, () => b.work('timer', 0));
    b.at(500_000, () => timer.mod_ns(5 * MS + 1));
    b.world.sim.settle(1e9);
    expect(b.log).toEqual([`timer@${6 * MS}`]);
    expect(timer.pending()).toBe(false);
  });

  it.each([
    [0, 1],
    [1, 2],
    [62, 63],
    [63, 64],
    [64, 72],
    [503, 504],
    [504, 512],
    [512, 576],
    [4031, 4032],
    [4032, 4096],
    [63 * 8 ** 7, 64 * 8 ** 7],
    [63 * 8 ** 8, 63 * 8 ** 8],
    [2 ** 40, 63 * 8 ** 8],
  ])('one armed at 0 for jiffy %d, fires at %d as calc_wheel_index has it', (expires, fires) => {
    const b = bench();
    const timer = new timer_list(b.kernel, () => b.work('timer', 0));
    timer.mod(expires);
    b.world.sim.settle();
    expect(b.log).toEqual([`timer@${fires * MS}`]);
  });

  it.each([
    [0, 2 * MS],
    [1, 2 * MS],
    [MS - 1, 2 * MS],
  ])('one tick asked for %d ns after a tick, lasts one to two', (start, fires) => {
    const b = bench();
    const timer = new timer_list(b.kernel, () => b.work('timer', 0));
    b.at(start, () => timer.mod(b.kernel.timers.jiffies() + 1));
    b.world.sim.settle();
    expect(b.log).toEqual([`timer@${fires}`]);
  });

  it('one armed for a time that has passed, fires with the next tick', () => {
    const b = bench();
    const timer = new timer_list(b.kernel, () => b.work('timer', 0));
    b.at(7.5 * MS, () => timer.mod(3));
    b.world.sim.settle();
    expect(b.log).toEqual([`timer@${8 * MS}`]);
  });

  it('one of several due at one tick deletes another and arms a third, the one is silent and the other later', () => {
    const b = bench();
    const third = new timer_list(b.kernel, () => b.work('third', 0));
    const second = new timer_list(b.kernel, () => b.work('second', 0));
    const first = new timer_list(b.kernel, () => {
      b.work('first', 0);
      expect(second.del()).toBe(true);
      third.mod(b.kernel.timers.jiffies());
    });
    second.mod(5);
    first.mod(5);
    b.world.sim.settle();
    expect(b.log).toEqual([`first@${6 * MS}`, `third@${7 * MS}`]);
    expect(b.kernel.timers.pending).toBe(0);
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
    expect(b.log).toEqual([`timer@${31 * MS}`]);
  });

  it('a timer moved to a finer list that is due with its own, fires with it', () => {
    const b = bench();
    const timer = new timer_list(b.kernel, () => b.work('timer', 0));
    timer.mod(64);
    b.at(70 * MS, () => timer.mod(71));
    b.world.sim.settle();
    expect(b.log).toEqual([`timer@${72 * MS}`]);
  });

  it('timers moved again and again, fire when one armed at the last move does', () => {
    const move = fc.tuple(fc.integer({ min: 0, max: 700 }), fc.integer({ min: 1, max: 6000 }));
    fc.assert(
      fc.property(fc.array(fc.array(move, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 }), timers => {
        const b = bench();
        const fired: number[][] = timers.map(() => []);
        const twins: number[][] = timers.map(() => []);
        const now = (): number => b.kernel.clock.now / MS;
        timers.forEach((moves, i) => {
          const timer = new timer_list(b.kernel, () => fired[i]?.push(now()));
          let twin: timer_list | null = null;
          let at = 0;
          for (const [pause, delay] of moves) {
            at += pause;
            const expires = at + delay;
            b.at(at * MS, () => {
              timer.mod(expires);
              // One asked for the jiffy that it waits for stays where it is (__mod_timer).
              if (twin !== null && twin.bucket >= 0 && twin.expires === expires) return;
              twin?.del();
              twin = new timer_list(b.kernel, () => twins[i]?.push(now()));
              twin.mod(expires);
            });
          }
        });
        b.world.sim.settle();
        expect(fired).toEqual(twins);
        expect(b.kernel.timers.pending).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    [5, 5],
    [1029, 1030],
  ])(
    'one armed for jiffy %d and moved to %d, the same bucket, keeps its place in it as with __mod_timer',
    (from, to) => {
      const b = bench();
      const [first, second] = ['first', 'second'].map(name => new timer_list(b.kernel, () => b.work(name, 0)));
      first?.mod(from);
      second?.mod(from);
      expect(first?.mod(to)).toBe(true);
      expect(first?.expires).toBe(to);
      b.world.sim.settle();
      expect(b.log.map(line => line.split('@')[0])).toEqual(['second', 'first']);
    },
  );

  it('one moved a whole turn of its level ahead, is late by no turn', () => {
    const b = bench();
    const timer = new timer_list(b.kernel, () => b.work('timer', 0));
    timer.mod(62);
    b.at(60 * MS, () => timer.mod(60 + 62));
    b.world.sim.settle();
    expect(b.log).toEqual([`timer@${123 * MS}`]);
  });

  it('jiffies asked for at one moment and the next, are those of each', () => {
    const b = bench();
    const seen: number[] = [];
    for (const at of [MS - 1, MS, MS + 1, 2 * MS]) {
      b.at(at, () => seen.push(b.kernel.timers.jiffies(), b.kernel.timers.jiffies()));
    }
    b.world.sim.settle();
    expect(seen).toEqual([0, 0, 1, 1, 1, 1, 2, 2]);
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
