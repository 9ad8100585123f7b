import { expect, test } from 'vitest';
import { tcpSeeds } from './tcp.ts';

const COUNT = Number(process.env.TCP_COUNT ?? 1000);
const FIRST = Number(process.env.TCP_SEED ?? Math.floor(Math.random() * 2 ** 31));

test(`${COUNT} seeds from ${FIRST} on (TCP_SEED, TCP_COUNT): TCP over a bad wire`, { timeout: 1_200_000 }, () => {
  expect(tcpSeeds(FIRST, COUNT).failures).toEqual([]);
});
