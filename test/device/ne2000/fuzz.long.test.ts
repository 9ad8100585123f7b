import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';

test('1,000,000 random operations: no exception, no byte outside, counters add up, the same twice', () => {
  for (let seed = 1000; seed < 1020; seed++) expect(fuzz(seed, 50_000), `seed ${seed}`).toBe(fuzz(seed, 50_000));
});
