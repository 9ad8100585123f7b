/** Ten thousand random expressions over the captures and mutations of their frames: our verdicts are tcpdump's. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { testWith } from '../../needs.ts';
import { capturedFrames, captureOf, Expressions, testFrames } from './expressions.ts';
import { compareWithTcpdump } from './tcpdump.ts';

testWith('tcpdump').each([
  ['all frames of the captures', capturedFrames, 2, 10_000, false],
  ["frames, and mutations of each; tcpdump's own programs too", () => testFrames(7), 3, 3000, true],
])('%s', { timeout: 3_000_000 }, (what, make, seed, count, programs) => {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-filter-'));
  try {
    const frames = make();
    const file = join(folder, 'frames.pcapng');
    writeFileSync(file, captureOf(frames));
    const result = compareWithTcpdump(new Expressions(seed), file, frames, count, programs);
    console.log(`${what} (${frames.length}), ${count} expressions compiled by both:`, JSON.stringify(result));
    expect(result.same + result.expressionsStopped).toBe(count);
    expect(result.mixed).toBeGreaterThan(count / 3);
    // What the optimiser decides: one or two expressions in a thousand.
    expect(result.expressionsStopped).toBeLessThan(count / 250);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
