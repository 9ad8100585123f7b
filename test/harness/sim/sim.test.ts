import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Sim } from '../../../harness/sim/sim.ts';

describe('the event queue', () => {
  it('equal deadlines, served in the order in which they were armed', () => {
    const sim = new Sim();
    const seen: string[] = [];
    for (const name of ['a', 'b', 'c'])
      sim.schedule(
        sim.event(name, () => seen.push(name)),
        10,
      );
    sim.run(10);
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  it('an input among events of its time, served first', () => {
    const sim = new Sim();
    const seen: string[] = [];
    sim.schedule(
      sim.event('event', () => seen.push('event')),
      10,
    );
    sim.scheduleInput(
      sim.event('input', () => seen.push('input')),
      10,
    );
    sim.run(10);
    expect(seen).toEqual(['input', 'event']);
  });

  it('a deadline in the past, taken as the present', () => {
    const sim = new Sim();
    sim.run(100);
    let at = -1;
    sim.schedule(
      sim.event('late', () => (at = sim.time)),
      5,
    );
    sim.run(200);
    expect(at).toBe(100);
  });

  it('an armed event armed again, moves and fires once', () => {
    const sim = new Sim();
    const times: number[] = [];
    const event = sim.event('moved', () => times.push(sim.time));
    sim.schedule(event, 10);
    sim.schedule(event, 30);
    sim.schedule(event, 20);
    sim.run(100);
    expect(times).toEqual([20]);
  });

  it.each([Infinity, Number.NaN])('an event armed for %d, refused', time => {
    const sim = new Sim();
    const event = sim.event('never', () => {});
    expect(() => sim.schedule(event, time)).toThrow('an event at no time');
    expect(event.armed).toBe(false);
  });

  it('a cancelled event, never fires', () => {
    const sim = new Sim();
    const event = sim.event('never', () => expect.unreachable());
    sim.schedule(event, 10);
    sim.cancel(event);
    expect(event.armed).toBe(false);
    expect(sim.settle()).toBe(true);
  });

  it('run until a time with nothing due, stands at that time', () => {
    const sim = new Sim();
    sim.run(1234);
    expect([sim.time, sim.now]).toEqual([1234, 1234]);
  });

  it('any mix of arming, moving and cancelling, fires like a sorted list', () => {
    const op = fc.record({ event: fc.nat(9), at: fc.nat(50), cancel: fc.boolean() });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), ops => {
        const sim = new Sim();
        const fired: [number, number][] = [];
        const events = Array.from({ length: 10 }, (_, i) => sim.event(String(i), () => fired.push([i, sim.time])));
        const model = new Map<number, { at: number; order: number }>();
        ops.forEach(({ event, at, cancel }, order) => {
          const armed = events[event] as (typeof events)[0];
          if (cancel) {
            sim.cancel(armed);
            model.delete(event);
          } else {
            sim.schedule(armed, at);
            model.set(event, { at, order });
          }
        });
        sim.settle();
        const expected = [...model]
          .sort(([, a], [, b]) => a.at - b.at || a.order - b.order)
          .map(([i, { at }]) => [i, at]);
        expect(fired).toEqual(expected);
      }),
    );
  });
});
