/** The tests that play random scripts, for the suite and the long check. */
import { expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import { randomConnection } from './tcp_diff_random.ts';
import { randomBinding } from './tcp_diff_random_bind.ts';
import { randomPolling } from './tcp_diff_random_poll.ts';
import { playSeeds } from './tcp_diff_turn.ts';

/** TCP_DIFF_SEED and TCP_DIFF_COUNT play others than these `usual` ones from `from` on. */
export function testRandomScripts(from: number, usual: number, timeout: number): void {
  const first = Number(process.env.TCP_DIFF_SEED ?? from);
  const count = Number(process.env.TCP_DIFF_COUNT ?? usual);
  const seeds = (n: number): number[] => Array.from({ length: n }, (_, i) => first + i);

  testOnTap()(
    `${count} random connections from seed ${first} on: as Linux, segment by segment and call by call`,
    { timeout },
    () => {
      expect(playSeeds(randomConnection, seeds(count))).toEqual([]);
    },
  );

  testOnTap()(
    `${count / 2} random crowds of sockets from seed ${first} on: epoll, poll and SO_ERROR tell what Linux's tell`,
    { timeout },
    () => {
      expect(playSeeds(randomPolling, seeds(count / 2))).toEqual([]);
    },
  );

  testOnTap()(
    `${count} random sets of sockets from seed ${first} on: they may bind, listen and connect as on Linux`,
    { timeout },
    () => {
      expect(playSeeds(randomBinding, seeds(count))).toEqual([]);
    },
  );
}
