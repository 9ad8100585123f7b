import { it } from 'vitest';
import { mutatedIpv4 } from './mutated.ts';

it('20,000 mutated IPv4, ICMP, IGMP and fragment frames: no exception, no leak, bounded memory', () => {
  mutatedIpv4(20_000, 0x5eed);
}, 60_000);
