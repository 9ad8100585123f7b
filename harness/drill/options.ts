/**
 * Socket options as bytes: the layouts that a C program on 64-bit little-endian Linux hands to setsockopt and gets from
 * getsockopt, to and from the kernel's option object.
 */
import { EINVAL } from '../../kernel/errno.ts';
import {
  SO_BINDTODEVICE,
  SO_LINGER,
  SO_MAX_PACING_RATE,
  SO_PEERNAME,
  SO_RCVTIMEO,
  SO_SNDTIMEO,
  SOL_SOCKET,
} from '../../kernel/net/core/sock.ts';
import { SOL_IP } from '../../kernel/net/ipv4/ip_sockglue.ts';
import { SOL_TCP, TCP_CONGESTION, TCP_FASTOPEN_KEY, TCP_INFO } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import type { sockopt } from '../../kernel/net/msg.ts';

const IFNAMSIZ = 16;
const TCP_CA_NAME_MAX = 16;
/** SO_RCVTIMEO_NEW and SO_SNDTIMEO_NEW: on 64-bit machines the same as the old ones. */
const SO_RCVTIMEO_NEW = 66;
const SO_SNDTIMEO_NEW = 67;

type Layout = 'int' | 'rate' | 'byte' | 'linger' | 'timeval' | 'device' | 'word' | 'bytes';

function layoutOf(level: number, name: number): Layout {
  if (level === SOL_SOCKET) {
    if (name === SO_LINGER) return 'linger';
    if (name === SO_RCVTIMEO || name === SO_SNDTIMEO) return 'timeval';
    if (name === SO_BINDTODEVICE) return 'device';
    if (name === SO_MAX_PACING_RATE) return 'rate';
    if (name === SO_PEERNAME) return 'bytes';
  }
  if (level === SOL_TCP && name === TCP_CONGESTION) return 'word';
  if (level === SOL_TCP && (name === TCP_INFO || name === TCP_FASTOPEN_KEY)) return 'bytes';
  return level === SOL_IP ? 'byte' : 'int';
}

/** The kernel's number for an option that has two. */
export function optionName(level: number, name: number): number {
  if (level !== SOL_SOCKET) return name;
  return name === SO_RCVTIMEO_NEW ? SO_RCVTIMEO : name === SO_SNDTIMEO_NEW ? SO_SNDTIMEO : name;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function textOf(bytes: Uint8Array, max: number): string {
  const part = bytes.subarray(0, max);
  const end = part.indexOf(0);
  return String.fromCharCode(...(end < 0 ? part : part.subarray(0, end)));
}

/** Fills in `opt` from what a program passed: 0, or -EINVAL when it is too short. */
export function decodeOption(level: number, name: number, bytes: Uint8Array, opt: sockopt): number {
  const view = viewOf(bytes);
  switch (layoutOf(level, name)) {
    case 'linger':
      if (bytes.length < 8) return -EINVAL;
      opt.value = view.getInt32(0, true);
      opt.sec = view.getInt32(4, true);
      return 0;
    case 'timeval':
      if (bytes.length < 16) return -EINVAL;
      opt.sec = Number(view.getBigInt64(0, true));
      opt.usec = Number(view.getBigInt64(8, true));
      return 0;
    case 'rate':
      // An unsigned long, or an unsigned int.
      if (bytes.length < 4) return -EINVAL;
      opt.value = bytes.length < 8 ? view.getInt32(0, true) : Number(view.getBigUint64(0, true));
      if (bytes.length < 8 && opt.value < -1) opt.value += 2 ** 32;
      return 0;
    case 'device':
      opt.text = textOf(bytes, IFNAMSIZ - 1);
      return 0;
    case 'word':
      if (bytes.length < 1) return -EINVAL;
      opt.text = textOf(bytes, TCP_CA_NAME_MAX - 1);
      return 0;
    case 'bytes':
      opt.bytes = bytes.slice();
      return 0;
    case 'byte':
      // do_ip_setsockopt: a byte will do.
      if (bytes.length === 0) return -EINVAL;
      opt.value = bytes.length >= 4 ? view.getInt32(0, true) : (bytes[0] as number);
      return 0;
    default:
      if (bytes.length < 4) return -EINVAL;
      opt.value = view.getInt32(0, true);
      return 0;
  }
}

function ints(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  for (const [i, value] of values.entries()) viewOf(bytes).setInt32(4 * i, value, true);
  return bytes;
}

/** What a program with room for `length` bytes gets: fewer where the answer is shorter. A number: -EINVAL. */
export function encodeOption(level: number, name: number, opt: sockopt, length: number): Uint8Array | number {
  switch (layoutOf(level, name)) {
    case 'linger':
      return ints(opt.value, opt.sec).subarray(0, length);
    case 'timeval': {
      const bytes = new Uint8Array(16);
      viewOf(bytes).setBigInt64(0, BigInt(opt.sec), true);
      viewOf(bytes).setBigInt64(8, BigInt(opt.usec), true);
      return bytes.subarray(0, length);
    }
    case 'rate': {
      const limited = opt.value !== 0xffffffff;
      if (length < 8) return ints(Math.min(opt.value, 0xffffffff)).subarray(0, length);
      const bytes = new Uint8Array(8);
      viewOf(bytes).setBigUint64(0, limited ? BigInt(opt.value) : 2n ** 64n - 1n, true);
      return bytes;
    }
    case 'device': {
      if (opt.text === '') return new Uint8Array(0);
      if (length < IFNAMSIZ) return -EINVAL;
      return Uint8Array.from([...opt.text, '\0'], c => c.charCodeAt(0));
    }
    case 'word': {
      const bytes = new Uint8Array(TCP_CA_NAME_MAX);
      bytes.set(Uint8Array.from(opt.text, c => c.charCodeAt(0)));
      return bytes.subarray(0, length);
    }
    case 'bytes':
      // An address is given as far as wanted, but never more than there is.
      if (level === SOL_SOCKET && length > (opt.bytes as Uint8Array).length) return -EINVAL;
      return (opt.bytes as Uint8Array).subarray(0, length);
    case 'byte':
      // do_ip_getsockopt: what fits in a byte comes as one to a program that has no room for an int.
      if (length < 4 && length > 0 && opt.value >= 0 && opt.value <= 255) return Uint8Array.of(opt.value);
      return ints(opt.value).subarray(0, length);
    default:
      // SO_MEMINFO answers with several numbers.
      return ints(...(opt.list.length > 0 ? opt.list : [opt.value])).subarray(0, length);
  }
}
