import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';

test('50,000 random operations: no exception, no byte outside, counters add up, the same twice', () => {
  for (let seed = 1; seed <= 10; seed++) expect(fuzz(seed, 5000), `seed ${seed}`).toBe(fuzz(seed, 5000));
});

test('whatever the seed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), seed => {
      fuzz(seed, 200);
    }),
    { numRuns: 60 },
  );
});
