/** Our TCP and this machine's Linux, segment by segment: connection setup and teardown, options, timers. */
import { expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import { compare, parseScript, playLinux, playOurs } from './tcp_diff.ts';
import { SCRIPTS } from './tcp_diff_scripts.ts';

/** What takes seconds of real time is for the long run. */
const SHORT_MS = 4000;
/** A real machine has other work: what differs is played again, alone. */
const TRIES = 10;

const names = Object.keys(SCRIPTS);

testOnTap()(
  'the same calls and segments: Linux and our host do the same, at the same times',
  { timeout: 240_000 },
  () => {
    const scripts = names
      .map(name => ({ name, steps: parseScript(SCRIPTS[name] as string) }))
      .filter(({ steps }) => (steps.at(-1)?.[0] ?? 0) < SHORT_MS);
    expect(scripts.length).toBeGreaterThan(60);
    const linux = playLinux(scripts.map(({ steps }) => steps));
    const differences = scripts.flatMap(({ name, steps }, i) => {
      const ours = playOurs(steps);
      let different = compare(linux[i] ?? [], ours);
      for (let n = 1; n < TRIES && different.length > 0; n++) different = compare(playLinux([steps])[0] ?? [], ours);
      return different.map(line => `${name}: ${line}`);
    });
    expect(differences).toEqual([]);
  },
);
