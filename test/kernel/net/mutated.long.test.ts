import { it } from 'vitest';
import { mutatedFrames } from './mutated.ts';

it.each([1, 2, 3, 4, 5])('200,000 mutated frames with every feature on, seed %i', seed => {
  mutatedFrames(200_000, seed);
});
