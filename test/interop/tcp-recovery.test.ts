/** Our TCP against that of this machine's Linux, segment by segment: see tcp-recovery.ts. The long ones are in the other file. */
import { describe, expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import { against, duration } from './tcp-recovery.ts';
import { RECEIVING } from './tcp-recovery-receive.ts';
import { SENDING } from './tcp-recovery-send.ts';

const TIMEOUT = 60_000;
const SHORT_MS = 330;

describe.concurrent('as Linux does', () => {
  testOnTap()('receiving', { timeout: TIMEOUT }, async () => {
    expect(await against(RECEIVING.filter(script => duration(script) <= SHORT_MS))).toEqual([]);
  });

  testOnTap()('sending', { timeout: TIMEOUT }, async () => {
    const short = SENDING.filter(script => duration(script) <= SHORT_MS && script.cc === 'cubic');
    expect(await against(short)).toEqual([]);
  });
});
