import { test } from 'vitest';
import { combined } from './combined.ts';

for (let seed = 100; seed < 120; seed++) {
  test(`every feature on, mutated frames, seed ${seed}`, () => combined(20_000, seed), 120_000);
  test(`every feature on, right frames, seed ${seed}`, () => combined(20_000, seed, true), 120_000);
}
