import { test } from 'vitest';
import { mutatedPackets } from './mutated.ts';

test('20,000 mutated packets through every table with tracking and NAT: within the limits, nothing left behind', () => {
  mutatedPackets(20_000, 6);
}, 120_000);
