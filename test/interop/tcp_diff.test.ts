/** Our TCP and this machine's Linux, segment by segment: connection setup and teardown, options, timers, Fast Open. */
import { expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import { compare, parseScript, playLinux, playOurs } from './tcp_diff.ts';
import { ECN_SCRIPTS } from './tcp_diff_ecn.ts';
import { FASTOPEN_SCRIPTS } from './tcp_diff_fastopen.ts';
import { SCRIPTS } from './tcp_diff_scripts.ts';

/** What takes seconds of real time is for the long run. */
const SHORT_MS = 4000;
/** A real machine has other work: what differs is played again, alone. */
const TRIES = 10;

/** What differs between Linux and our host, in the scripts that are short enough; `least` of them there must be. */
function differences(all: { readonly [name: string]: string }, least: number): string[] {
  const scripts = Object.keys(all)
    .map(name => ({ name, steps: parseScript(all[name] as string) }))
    .filter(({ steps }) => (steps.at(-1)?.[0] ?? 0) < SHORT_MS);
  expect(scripts.length).toBeGreaterThan(least);
  const linux = playLinux(scripts.map(({ steps }) => steps));
  return scripts.flatMap(({ name, steps }, i) => {
    const ours = playOurs(steps);
    let different = compare(linux[i] ?? [], ours);
    for (let n = 1; n < TRIES && different.length > 0; n++) different = compare(playLinux([steps])[0] ?? [], ours);
    return different.map(line => `${name}: ${line}`);
  });
}

testOnTap()(
  'the same calls and segments: Linux and our host do the same, at the same times',
  { timeout: 240_000 },
  () => {
    expect(differences(SCRIPTS, 60)).toEqual([]);
  },
);

testOnTap()('Fast Open: Linux and our host do the same, at the same times', { timeout: 120_000 }, () => {
  expect(differences(FASTOPEN_SCRIPTS, 50)).toEqual([]);
});

testOnTap()('accurate ECN: Linux and our host do the same, at the same times', { timeout: 120_000 }, () => {
  expect(differences(ECN_SCRIPTS, 60)).toEqual([]);
});
