/** Our TCP, epoll and SO_ERROR, and this machine's Linux: random scripts, and what such scripts have found. */
import { expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import { parseScript } from './tcp_diff.ts';
import { FOUND } from './tcp_diff_found.ts';
import { testRandomScripts } from './tcp_diff_random_tests.ts';
import { differencesInTurn } from './tcp_diff_turn.ts';

testOnTap()('what random scripts have found: as Linux', { timeout: 120_000 }, () => {
  const names = Object.keys(FOUND);
  const found = differencesInTurn(names.map(name => parseScript(FOUND[name] as string)));
  expect(found.flatMap((lines, i) => lines.map(line => `${names[i]}: ${line}`))).toEqual([]);
});

// The same seeds each time, which differ in nothing; fresh ones are for the long check.
testRandomScripts(1, 40, 240_000);
