/** Ten thousand random expressions over the captures and mutations of their frames: our verdicts are tcpdump's. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { testWith } from '../../needs.ts';
import { capturedFrames, captureOf, Expressions, testFrames } from './expressions.ts';
import { compareWithTcpdump } from './tcpdump.ts';

const COUNT = 10_000;

testWith('tcpdump').each([
  ['all frames of the captures', () => capturedFrames(), 2],
  ['frames, and mutations of each', () => testFrames(7), 3],
])('%s', { timeout: 3_000_000 }, (what, make, seed) => {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-filter-'));
  try {
    const frames = make();
    const file = join(folder, 'frames.pcapng');
    writeFileSync(file, captureOf(frames));
    const result = compareWithTcpdump(new Expressions(seed), file, frames, COUNT, true);
    console.log(`${what} (${frames.length}), ${COUNT} expressions compiled by both:`, JSON.stringify(result));
    expect(result.same + result.expressionsOutside).toBe(COUNT);
    expect(result.mixed).toBeGreaterThan(COUNT / 3);
    // What the optimiser decides, one expression in a thousand.
    expect(result.expressionsOutside).toBeLessThan(COUNT / 500);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
