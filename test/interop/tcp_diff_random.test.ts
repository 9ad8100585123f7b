/** Our TCP, epoll and SO_ERROR, and this machine's Linux: random scripts, and what such scripts have found. */
import { expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import { parseScript } from './tcp_diff.ts';
import { FOUND } from './tcp_diff_found.ts';
import { randomConnection } from './tcp_diff_random.ts';
import { randomPolling } from './tcp_diff_random_poll.ts';
import { differencesInTurn, playSeeds } from './tcp_diff_turn.ts';

/** The same ones each time, which differ in nothing; fresh ones are for the long check. TCP_DIFF_SEED plays others. */
const FIRST = Number(process.env.TCP_DIFF_SEED ?? 1);
const COUNT = Number(process.env.TCP_DIFF_COUNT ?? 40);
const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => FIRST + i);

testOnTap()('what random scripts have found: as Linux', { timeout: 120_000 }, () => {
  const names = Object.keys(FOUND);
  const found = differencesInTurn(names.map(name => parseScript(FOUND[name] as string)));
  expect(found.flatMap((lines, i) => lines.map(line => `${names[i]}: ${line}`))).toEqual([]);
});

testOnTap()(
  `${COUNT} random connections from seed ${FIRST} on: as Linux, segment by segment and call by call`,
  { timeout: 240_000 },
  () => {
    expect(playSeeds(randomConnection, seeds(COUNT))).toEqual([]);
  },
);

testOnTap()(
  `${COUNT / 2} random crowds of sockets from seed ${FIRST} on: epoll, poll and SO_ERROR tell what Linux's tell`,
  { timeout: 240_000 },
  () => {
    expect(playSeeds(randomPolling, seeds(COUNT / 2))).toEqual([]);
  },
);
