/** What comes in by the drill's door, looked at before anything is done with it: wrong use is said, never taken. */
import type { DrillOptions, SocketAddress } from './types.ts';

/** Smallest and largest memory of a host, bytes. */
export const RAM_MIN = 256 * 1024;
export const RAM_MAX = 1024 * 1024 * 1024;
/**
 * The last moment of a host's life, ns: 104 days. Longer than any of TCP's timers, and up to there every nanosecond is a
 * number of its own.
 */
export const TIME_MAX = 9e15;
const INT_MIN = -(2 ** 31);
const UINT_MAX = 2 ** 32 - 1;

/** A value as a message shows it: short, whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value.length > 40 ? `"${value.slice(0, 40)}…"` : `"${value}"`;
  if (value === null || typeof value !== 'object') return String(value);
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** @throws TypeError */
export function integer(what: string, value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new TypeError(`${what}: an integer expected, not ${shown(value)}`);
  return value as number;
}

/** @throws TypeError, RangeError */
export function between(what: string, value: unknown, min: number, max: number): number {
  const number = integer(what, value);
  if (number < min || number > max) throw new RangeError(`${what} ${number}: ${min} to ${max} expected`);
  return number;
}

/** A C int, or an unsigned one, which is the same 32 bits. @throws TypeError, RangeError */
export function int32(what: string, value: unknown): number {
  return between(what, value, INT_MIN, UINT_MAX) | 0;
}

/** size_t of a buffer: as many bytes as one likes, none at least. @throws TypeError, RangeError */
export function size(what: string, value: unknown): number {
  return between(what, value, 0, Number.MAX_SAFE_INTEGER);
}

/** A time limit of poll and epoll_wait: ms, more than a C int has room for is not there. @throws TypeError, RangeError */
export function milliseconds(what: string, value: unknown): number {
  return between(what, value, INT_MIN, -INT_MIN - 1);
}

/** A moment, ns: what lies behind TIME_MAX is not there. @throws TypeError, RangeError */
export function moment(what: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${what}: a time expected, not ${shown(value)}`);
  if (!Number.isFinite(value)) throw new RangeError(`${what} ${value}: a finite time expected`);
  if (value > TIME_MAX) throw new RangeError(`${what} ${value} ns: a host's clock ends at ${TIME_MAX} ns`);
  return value;
}

/** @throws TypeError */
export function bytesOf(what: string, value: unknown): Uint8Array | null {
  if (value !== null && !(value instanceof Uint8Array)) {
    throw new TypeError(`${what}: a Uint8Array or null expected, not ${shown(value)}`);
  }
  return value;
}

/** @throws TypeError */
export function listOf<T>(what: string, value: readonly T[]): readonly T[] {
  if (!Array.isArray(value)) throw new TypeError(`${what}: a list expected, not ${shown(value)}`);
  return value;
}

/** @throws TypeError */
export function objectOf<T extends object>(what: string, value: T): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${what}: an object expected, not ${shown(value)}`);
  }
  return value;
}

/** @throws TypeError */
export function textOf(what: string, value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`${what}: a string expected, not ${shown(value)}`);
  return value;
}

/** The fields of a socket's address. @throws TypeError, RangeError */
export function checkAddress(address: SocketAddress): SocketAddress {
  const { address: ip, port, family } = objectOf('address', address);
  textOf('address', ip);
  int32('port', port);
  if (family !== undefined) between('family', family, 0, 0xffff);
  return address;
}

type Check = (what: string, value: unknown) => unknown;

const flag: Check = (what, value) => {
  if (typeof value !== 'boolean') throw new TypeError(`${what}: true or false expected, not ${shown(value)}`);
};

const settings: Check = (what, value) => {
  for (const [name, each] of Object.entries(objectOf(what, value as object))) {
    if (typeof each !== 'string' && typeof each !== 'number') {
      throw new TypeError(`${what}: a string or a number expected for ${name}, not ${shown(each)}`);
    }
  }
};

const OPTIONS: { readonly [name in keyof Required<DrillOptions>]: Check } = {
  localAddress: textOf,
  prefixLength: (what, value) => between(what, value, 0, 32),
  gateway: textOf,
  mtu: (what, value) => between(what, value, 68, 1500),
  seed: (what, value) => between(what, value, 0, Number.MAX_SAFE_INTEGER),
  gso: flag,
  tso: flag,
  gro: flag,
  whole: flag,
  orphan: flag,
  checksums: flag,
  sysctls: settings,
  capture: flag,
  ram: (what, value) => between(what, value, RAM_MIN, RAM_MAX),
};

/** @throws TypeError, RangeError for an option that there is not, or a value that it cannot have */
export function checkOptions(options: DrillOptions): void {
  for (const [name, value] of Object.entries(objectOf('options', options))) {
    if (!Object.hasOwn(OPTIONS, name)) {
      throw new TypeError(`no option "${name}"; there are ${Object.keys(OPTIONS).join(', ')}`);
    }
    if (value !== undefined) OPTIONS[name as keyof DrillOptions](name, value);
  }
}
