import { expect, it } from 'vitest';
import { compareWithModel } from './fib_model.ts';

it.each([2, 3, 4, 5, 6, 7, 8, 9])(
  '100,000 random changes and lookups, seed %i: as a list',
  { timeout: 600_000 },
  seed => {
    expect(compareWithModel(seed, 100_000).lookups).toBeGreaterThan(20_000);
  },
);
