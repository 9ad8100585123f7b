/** Cases that the quick and the long check both run, with different counts. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { type Lab, OURS } from './lab.ts';

export const UDP_CLIENT = fileURLToPath(new URL('udp-client.mjs', import.meta.url));
/** Longest payload that fits an MTU of 1500. */
const LONGEST = 1472;
const MEDIAN_MS = 1;
export const CASE_TIMEOUT_MS = 120_000;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

export async function pingsInARow(lab: Lab, count: number): Promise<void> {
  const { received, times } = await lab.ping(count, ['-i', '0.002'], CASE_TIMEOUT_MS);
  expect(received).toBe(count);
  expect(median(times), 'median round trip, ms').toBeLessThan(MEDIAN_MS);
}

export async function pingFlood(lab: Lab, count: number): Promise<void> {
  const { received } = await lab.ping(count, ['-q', '-f'], CASE_TIMEOUT_MS);
  expect(received).toBe(count);
}

export async function udpEchoes(lab: Lab, count: number): Promise<void> {
  const args = [UDP_CLIENT, OURS, '7', String(count), String(LONGEST)];
  const { stdout, stderr } = await lab.run(process.execPath, args, CASE_TIMEOUT_MS);
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({ sent: count, equal: count, different: 0, missing: 0 });
}
