/** All scripts of tcp-recovery.ts, with Reno and with CUBIC. */
import { expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import { against } from './tcp-recovery.ts';
import { RECEIVING } from './tcp-recovery-receive.ts';
import { SENDING } from './tcp-recovery-send.ts';

testOnTap()('every script as Linux does', { timeout: 600_000 }, async () => {
  expect(await against([...RECEIVING, ...SENDING])).toEqual([]);
});
