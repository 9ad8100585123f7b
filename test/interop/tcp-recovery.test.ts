/** Our TCP against that of this machine's Linux, segment by segment: see tcp-recovery.ts. The long ones are in the other file. */
import { expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import { against, duration, type Script } from './tcp-recovery.ts';
import { LOSSES } from './tcp-recovery-loss.ts';
import { MD5 } from './tcp-recovery-md5.ts';
import { ODD } from './tcp-recovery-odd.ts';
import { RECEIVING, STAMPS } from './tcp-recovery-receive.ts';
import { REPAIRED } from './tcp-recovery-repair.ts';
import { SACKS, sacksByChance } from './tcp-recovery-sack.ts';
import { SPLICES } from './tcp-recovery-splice.ts';
import { WINDOWS } from './tcp-recovery-windows.ts';

const TIMEOUT = 150_000;
const SHORT_MS = 280;

/** Those of the first dozen where nothing hangs on fractions of a ms, which Linux needs for each step. */
const SEEDS = [1, 2, 3, 4, 5, 7, 8, 9, 10, 12];

const short = (script: Script): boolean => duration(script) <= SHORT_MS;

testOnTap()('receiving as Linux does', { timeout: TIMEOUT }, async () => {
  expect(await against(RECEIVING.filter(short))).toEqual([]);
});

testOnTap()('sending as Linux does', { timeout: TIMEOUT }, async () => {
  expect(await against([...LOSSES, ...WINDOWS, ...ODD].filter(short))).toEqual([]);
});

testOnTap()('SACKed packets become one as Linux has it', { timeout: TIMEOUT }, async () => {
  expect(await against([...SACKS, ...SEEDS.map(sacksByChance)])).toEqual([]);
});

testOnTap()(
  'stamps of arrival and what waits to be read, told with data as Linux tells it',
  { timeout: TIMEOUT },
  async () => {
    expect(await against(STAMPS)).toEqual([]);
  },
);

testOnTap()('signed segments (TCP_MD5SIG) as Linux has them', { timeout: TIMEOUT }, async () => {
  expect(await against(MD5)).toEqual([]);
});

testOnTap()('sendfile, splice and pipes as Linux has them', { timeout: TIMEOUT }, async () => {
  expect(await against(SPLICES)).toEqual([]);
});

testOnTap()('connections under repair (TCP_REPAIR) as Linux has them', { timeout: TIMEOUT }, async () => {
  expect(await against(REPAIRED)).toEqual([]);
});
