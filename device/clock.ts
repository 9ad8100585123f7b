/**
 * The card's clock: one Float64Array instead of number fields, because times beyond 2³¹ ns in a plain field may be
 * boxed anew on every write. Slot NOW is the present, slot DEADLINE the earliest of the units' moments; every other
 * slot is the moment (ns) at which that unit wants to run, Infinity for never. Units that are due at the same moment
 * run in the order of their slots.
 */
export const NOW = 0;
export const DEADLINE = 1;
export const RESET_END = 2;
export const EEPROM_END = 3;
export const RX_END = 4;
export const TX_END = 5;
export const MDIO_END = 6;
export const LINK_END = 7;
export const TIDV_END = 8;
/** One for each interrupt vector, from here on. */
export const ITR_END = 9;
export const CLOCK_SLOTS = 14;

export type Clock = Float64Array;

export function newClock(): Clock {
  const clock = new Float64Array(CLOCK_SLOTS).fill(Infinity);
  clock[NOW] = 0;
  return clock;
}

/** Unit `slot` wants to run `delay` ns from now. */
export function armIn(clock: Clock, slot: number, delay: number): void {
  armAt(clock, slot, (clock[NOW] as number) + delay);
}

/** Unit `slot` wants to run at `at`; Infinity: no more. */
export function armAt(clock: Clock, slot: number, at: number): void {
  const before = clock[slot] as number;
  clock[slot] = at;
  if (at <= (clock[DEADLINE] as number)) clock[DEADLINE] = at;
  else if (before <= (clock[DEADLINE] as number)) findDeadline(clock);
}

/** Unit `slot` wants nothing any more. */
export function disarm(clock: Clock, slot: number): void {
  if (clock[slot] !== Infinity) armAt(clock, slot, Infinity);
}

/** The first unit that is due at DEADLINE, disarmed; the present moves there. Only while DEADLINE is not Infinity. */
export function takeDue(clock: Clock): number {
  const at = clock[DEADLINE] as number;
  let slot = RESET_END;
  while (clock[slot] !== at) slot++;
  clock[slot] = Infinity;
  if (at > (clock[NOW] as number)) clock[NOW] = at;
  findDeadline(clock);
  return slot;
}

function findDeadline(clock: Clock): void {
  let least = Infinity;
  for (let slot = RESET_END; slot < clock.length; slot++) {
    const at = clock[slot] as number;
    if (at < least) least = at;
  }
  clock[DEADLINE] = least;
}
