/** As tcp_diff_random.test.ts, with many more seeds. */
import { expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import { randomConnection } from './tcp_diff_random.ts';
import { randomPolling } from './tcp_diff_random_poll.ts';
import { playSeeds } from './tcp_diff_turn.ts';

/** Fresh ones each time; TCP_DIFF_SEED plays one again. */
const FIRST = Number(process.env.TCP_DIFF_SEED ?? Math.floor(Math.random() * 2 ** 31));
const COUNT = Number(process.env.TCP_DIFF_COUNT ?? 400);
const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => FIRST + i);

testOnTap()(
  `${COUNT} random connections from seed ${FIRST} on: as Linux, segment by segment and call by call`,
  { timeout: 600_000 },
  () => {
    expect(playSeeds(randomConnection, seeds(COUNT))).toEqual([]);
  },
);

testOnTap()(
  `${COUNT / 2} random crowds of sockets from seed ${FIRST} on: epoll, poll and SO_ERROR tell what Linux's tell`,
  { timeout: 600_000 },
  () => {
    expect(playSeeds(randomPolling, seeds(COUNT / 2))).toEqual([]);
  },
);
