import { describe, expect, it } from 'vitest';
import { complaints, fuzz } from './fuzz.ts';

const SEEDS = Array.from({ length: 40 }, (_, i) => i + 1);

describe('random programs, changes and failures', () => {
  it.each(SEEDS)('seed %d: nothing is thrown, nothing found, nothing left behind', seed => {
    const outcome = fuzz(seed);
    expect(complaints(seed, outcome)).toEqual([]);
    expect(outcome.calls.length).toBeGreaterThan(0);
  });

  it.each([3, 8, 15, 21])('seed %d again, and with a tracer: the same run', seed => {
    const first = fuzz(seed);
    expect(fuzz(seed)).toEqual(first);
    expect(fuzz(seed, { trace: true })).toEqual(first);
  });
});
