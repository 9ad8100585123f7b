import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chaos } from './chaos.ts';

const RUNS = 20;
const STEPS = 1250;

test('50,000 random operations: no exception, no stray access, counters that add up, the same hash twice', () => {
  let arrived = 0;
  let sent = 0;
  fc.assert(
    fc.property(fc.integer(), seed => {
      const first = chaos(seed, STEPS);
      const again = chaos(seed, STEPS);
      expect(first.wrong).toEqual([]);
      expect(again).toEqual(first);
      arrived += first.arrived;
      sent += first.sent;
    }),
    { numRuns: RUNS, seed: 0x5249 },
  );
  // It is worth nothing if nothing happens.
  expect(arrived).toBeGreaterThan(5000);
  expect(sent).toBeGreaterThan(500);
});
