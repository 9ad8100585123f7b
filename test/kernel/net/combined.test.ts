import { test } from 'vitest';
import { combined } from './combined.ts';

test('every feature on, devices down and up, mutated frames: nothing lost, nothing nameless', () => combined(2500, 1));
test('every feature on, devices down and up, right frames: what leaves has right checksums', () =>
  combined(2500, 2, true));
