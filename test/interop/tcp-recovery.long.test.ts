/** All scripts of tcp-recovery.ts, with Reno and with CUBIC. */
import { expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import { against, withBoth } from './tcp-recovery.ts';
import { LOSSES } from './tcp-recovery-loss.ts';
import { ODD } from './tcp-recovery-odd.ts';
import { RECEIVING } from './tcp-recovery-receive.ts';
import { SACKS } from './tcp-recovery-sack.ts';
import { WINDOWS } from './tcp-recovery-windows.ts';

testOnTap()('every script as Linux does', { timeout: 600_000 }, async () => {
  expect(await against([...RECEIVING, ...withBoth([...LOSSES, ...WINDOWS, ...ODD, ...SACKS])])).toEqual([]);
});
