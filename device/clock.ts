/**
 * The card's clock: one Float64Array instead of number fields, because times beyond 2³¹ ns in a plain field may be
 * boxed anew on every write. Slot NOW is the present; every other slot is the moment (ns) at which that unit wants to
 * run, Infinity for never. Units that are due at the same moment run in the order of their slots.
 */
export const NOW = 0;
export const RESET_END = 1;
export const EEPROM_END = 2;
export const RX_END = 3;
export const TX_END = 4;
export const CLOCK_SLOTS = 5;

export type Clock = Float64Array;

export function newClock(): Clock {
  const clock = new Float64Array(CLOCK_SLOTS).fill(Infinity);
  clock[NOW] = 0;
  return clock;
}
