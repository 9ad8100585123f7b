import { expect, test } from 'vitest';
import { tcpSeeds } from './tcp.ts';

const COUNT = Number(process.env.TCP_COUNT ?? 100);
/** Fresh ones each time; TCP_SEED runs one again. */
const FIRST = Number(process.env.TCP_SEED ?? Math.floor(Math.random() * 2 ** 31));

test(`two hosts, a bad wire, ${COUNT} seeds from ${FIRST} on: every byte once and in order, or both sides learn of it; nothing hangs, nothing leaks`, {
  timeout: 120_000,
}, () => {
  const { failures, retransmitted, whole } = tcpSeeds(FIRST, COUNT);
  expect(failures).toEqual([]);
  // There were faults, and transfers that came through them.
  if (COUNT >= 100) {
    expect(retransmitted).toBeGreaterThan(100);
    expect(whole).toBeGreaterThan(20);
  }
});
