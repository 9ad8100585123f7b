/** SACK blocks of every shape, and what becomes of the queue of sent packets (tcp_sack_shift.ts). For tcp-recovery.ts. */
import { Chance } from '../../harness/sim/random.ts';
import type { Script } from './tcp-recovery.ts';
import { A, range } from './tcp-recovery-notation.ts';

/** Packets of one segment each: the queue below sends what the writer gives it at once. */
const singles = (n: number): string[] => range(n).map(() => '+0 w 1000');

const each = (...lines: string[]): string[] => lines.flatMap(line => [`+0 < ${line}`, '+0 n']);

const NODELAY = '+0 opt 6 1 1';

export const SACKS: readonly Script[] = [
  {
    name: 'a run grows by a segment at a time',
    rtt: 20,
    win: 1000,
    steps: [
      NODELAY,
      ...singles(10),
      '+20 n',
      ...each(...range(8).map(i => A(1, `1001:${i * 1000 + 2001}`))),
      ...each(A(10001)),
    ],
  },
  {
    name: 'every other one, then what lies between',
    rtt: 20,
    win: 1000,
    steps: [
      NODELAY,
      ...singles(10),
      '+20 n',
      ...each(
        A(1, '1001:2001'),
        A(1, '3001:4001 1001:2001'),
        A(1, '5001:6001 3001:4001 1001:2001'),
        A(1, '2001:3001 5001:6001'),
        A(1, '1001:4001 5001:6001'),
        A(1, '4001:5001 1001:4001'),
        A(1, '1001:9001'),
        A(9001),
      ),
    ],
  },
  {
    name: 'a large packet is covered bit by bit',
    rtt: 20,
    win: 1000,
    steps: [
      '+0 w 10000',
      '+20 n',
      ...each(
        A(1, '1001:2001'),
        A(1, '1001:3501'),
        A(1, '1001:4001'),
        A(1, '6001:7001 1001:4001'),
        A(1, '5501:7001 1001:4001'),
        A(1, '5001:8001 1001:4001'),
        A(1, '1001:10001'),
        A(10001),
      ),
    ],
  },
  {
    name: 'what was merged is acknowledged in part',
    rtt: 20,
    win: 1000,
    steps: [
      NODELAY,
      ...singles(10),
      '+20 n',
      ...each(A(1, '1001:2001'), A(1, '1001:9001'), A(3001, '4001:9001'), A(4501), A(4501, '8001:9001'), A(10001)),
    ],
  },
  {
    name: 'segments of other sizes are not merged',
    rtt: 20,
    win: 1000,
    steps: [
      NODELAY,
      ...[1000, 1000, 500, 500, 1000, 300, 1000].map(n => `+0 w ${n}`),
      '+20 n',
      ...each(A(1, '1001:2001'), A(1, '1001:2501'), A(1, '1001:3001'), A(1, '1001:4001'), A(1, '1001:5301'), A(5301)),
    ],
  },
  {
    name: 'what was merged was thrown away: all of it again after the timeout',
    rtt: 20,
    win: 1000,
    steps: [
      NODELAY,
      ...singles(6),
      '+20 n',
      ...each(A(1, '1001:2001'), A(1, '1001:3001'), A(1, '1001:6001')),
      '+60 n',
      ...each(A(1001)),
      '+400 n',
      ...each(A(3001), A(4001), A(6001)),
    ],
  },
  {
    name: 'duplicates inside of what is merged',
    rtt: 20,
    win: 1000,
    steps: [
      NODELAY,
      ...singles(8),
      '+20 n',
      ...each(
        A(1, '3001:4001'),
        A(1, '3001:5001'),
        A(1, '3001:6001'),
        A(1, '3001:7001'),
        A(1001, '3001:4001 3001:7001'),
        A(2001, '1001:2001 3001:8001'),
        A(2001, '4001:5001 3001:8001'),
        A(8001),
      ),
    ],
  },
];

/** Writes, blocks and acknowledgements by chance: whole segments or not, true or not. */
export function sacksByChance(seed: number): Script {
  const r = new Chance(seed).stream('sack');
  const steps = r.below(2) === 0 ? [] : [NODELAY];
  const kind = r.below(3);
  const small = [1000, 500, 2000, 3000, 700];
  for (let total = 0; total < 20_000 && steps.length < 20; ) {
    const n = kind === 0 ? 1000 : kind === 1 ? 1000 * (1 + r.below(6)) : (small[r.below(5)] as number);
    steps.push(`+0 w ${n}`);
    total += n;
  }
  // A long round trip: what Linux takes for each step does not make anything late.
  steps.push('+100 n');
  const odd = r.below(3) === 0;
  const place = (from: number): number => {
    const at = from + r.below(Math.max(1, Math.floor((10_001 - from) / 500))) * 500;
    return odd ? at : at - ((at - 1) % 1000);
  };
  for (let i = 0, una = 1; i < 12; i++) {
    if (r.below(6) === 0) una = Math.min(10_001, place(una));
    const blocks: string[] = [];
    if (r.below(8) === 0 && una > 1) blocks.push(`${una - Math.min(1000, una - 1)}:${una}`);
    for (let left = r.below(4); left > 0; left--) {
      const start = place(una + 500);
      const end = Math.min(10_001, start + (1 + r.below(6)) * (odd ? 500 : 1000));
      if (start > una && start < end) blocks.push(`${start}:${end}`);
    }
    steps.push(...each(A(una, blocks.slice(0, 4).join(' '))));
  }
  return { name: `seed ${seed}`, rtt: 100, win: 1000, steps };
}
