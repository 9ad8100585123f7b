import { expect, test } from 'vitest';
import { chaos } from './chaos.ts';

const SEEDS = 200;
const STEPS = 5000;

test('1,000,000 random operations, and the same once more: no exception, no stray access, sums that hold, the same hash', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const first = chaos(seed, STEPS);
    expect({ seed, wrong: first.wrong }).toEqual({ seed, wrong: [] });
    expect({ seed, ...chaos(seed, STEPS) }).toEqual({ seed, ...first });
  }
});
