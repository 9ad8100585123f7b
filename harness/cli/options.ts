/**
 * Parsers for the values of options, for commander's `.option(flags, description, parser)`. Each refuses with what was
 * wrong; commander puts the option's name in front.
 */

import { InvalidArgumentError } from 'commander';
import { type FrameFilter, frameFilter } from '../filter/filter.ts';
import { FilterError } from '../filter/scanner.ts';
import { formatIpv4, formatMac, parseIpv4, parseMac } from '../packet/address.ts';

const DECIMAL = /^\d+$/;

/** Any whole number from 0 to 2^53 - 1, decimal or `0x` hexadecimal. */
export function parseSeed(text: string): number {
  const seed = DECIMAL.test(text) || /^0x[0-9a-f]+$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(seed)) {
    throw new InvalidArgumentError('A seed is a whole number from 0 to 9007199254740991.');
  }
  return seed;
}

/** A parser for whole numbers between two bounds, both included. */
export function countBetween(min: number, max: number): (text: string) => number {
  return text => {
    const count = DECIMAL.test(text) ? Number(text) : Number.NaN;
    if (!(count >= min && count <= max)) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return count;
  };
}

/** A whole number of at least 1. */
export const parseCount: (text: string) => number = countBetween(1, Number.MAX_SAFE_INTEGER);

const NS_PER_UNIT: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1_000,
  µs: 1_000,
  μs: 1_000,
  ms: 1_000_000,
  s: 1_000_000_000,
  m: 60_000_000_000,
  h: 3_600_000_000_000,
};

/** `250us`, `1.5s`, `10m`, `0`: in ns, a whole number. */
export function parseDuration(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)([a-zµμ]*)$/.exec(text) ?? [];
  const factor = NS_PER_UNIT[unit] ?? (Number(digits) === 0 && unit === '' ? 1 : Number.NaN);
  const ns = digits === '' ? Number.NaN : Math.round(Number(digits) * factor);
  if (!Number.isSafeInteger(ns)) {
    throw new InvalidArgumentError(
      'A duration is a number with a unit (ns, us, ms, s, m, h), for example 250us or 1.5s.',
    );
  }
  return ns;
}

/** An expression as tcpdump takes it (pcap-filter(7)). */
export function parseFilter(text: string): FrameFilter {
  try {
    return frameFilter(text);
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new InvalidArgumentError(`${error.message}, at character ${error.position + 1}.`);
  }
}

/** A host as the command line names it. */
export interface HostAddress {
  /** Unicast, lower case: `02:00:00:00:00:02`. */
  readonly mac: string;
  readonly macBytes: Uint8Array;
  /** `10.1.0.2`. */
  readonly ip: string;
  readonly ipBytes: Uint8Array;
  /** The IPv4 address as an unsigned number, first byte highest. */
  readonly ipNumber: number;
  /** 1 to 31. */
  readonly prefixLength: number;
}

const HOST_EXAMPLE = 'for example 02:00:00:00:00:02,10.1.0.2/24';

/** `MAC,IP/PREFIX`. */
export function parseHost(text: string): HostAddress {
  const refuse = (why: string): never => {
    throw new InvalidArgumentError(`${why}; a host is MAC,IP/PREFIX, ${HOST_EXAMPLE}.`);
  };
  const part = (parse: (text: string) => Uint8Array, from: string): Uint8Array => {
    try {
      return parse(from);
    } catch (error) {
      return refuse((error as Error).message);
    }
  };
  const [, macText = '', ipText = '', prefixText = ''] = /^([^,]*),([^,/]*)\/([^,/]*)$/.exec(text) ?? [];
  if (macText === '') refuse('It lacks a part');

  const macBytes = part(parseMac, macText);
  const mac = formatMac(macBytes);
  if (((macBytes[0] ?? 0) & 1) !== 0) refuse(`${mac} is a group address, not one host's`);
  if (macBytes.every(byte => byte === 0)) refuse(`${mac} is no host's address`);

  const ipBytes = part(parseIpv4, ipText);
  const ip = formatIpv4(ipBytes);
  const ipNumber = new DataView(ipBytes.buffer).getUint32(0);
  const firstByte = ipBytes[0] ?? 0;
  if (firstByte === 0 || firstByte === 127 || firstByte >= 224) {
    refuse(`${ip} cannot be a host's address on a wire`);
  }

  const prefixLength = DECIMAL.test(prefixText) ? Number(prefixText) : 0;
  if (prefixLength < 1 || prefixLength > 31) refuse(`prefix "${prefixText}" is not a number from 1 to 31`);
  const hostMask = 2 ** (32 - prefixLength) - 1;
  // RFC 3021: a network of two addresses has neither a network's nor a broadcast address.
  if (prefixLength < 31) {
    const hostPart = (ipNumber & hostMask) >>> 0;
    if (hostPart === 0) refuse(`${ip}/${prefixLength} is the network's own address`);
    if (hostPart === hostMask) refuse(`${ip}/${prefixLength} is the network's broadcast address`);
  }
  return { mac, macBytes, ip, ipBytes, ipNumber, prefixLength };
}
