import { it } from 'vitest';
import { mutatedIpv4 } from './mutated.ts';

it.each([1, 2, 3, 4, 5])('200,000 mutated IPv4, ICMP, IGMP and fragment frames, seed %i', seed => {
  mutatedIpv4(200_000, seed);
});
