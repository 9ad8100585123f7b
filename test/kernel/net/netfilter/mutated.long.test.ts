import { test } from 'vitest';
import { mutatedPackets } from './mutated.ts';

test.each([1, 2, 3, 4])(
  '250,000 mutated packets through every table with tracking and NAT, seed %i',
  seed => {
    mutatedPackets(250_000, seed);
  },
  3_600_000,
);
