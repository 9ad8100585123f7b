/**
 * Socket options as bytes: the layouts that a C program on 64-bit little-endian Linux hands to setsockopt and gets from
 * getsockopt, to and from the kernel's option object. Lengths are the program's: what is too short is the kernel's to say,
 * where it knows (`optlen`), or is said here.
 */
import { EINVAL } from '../../kernel/errno.ts';
import type { sock_filter } from '../../kernel/net/core/filter.ts';
import {
  SO_ATTACH_FILTER,
  SO_ATTACH_REUSEPORT_CBPF,
  SO_BINDTODEVICE,
  SO_COOKIE,
  SO_LINGER,
  SO_MAX_PACING_RATE,
  SO_NETNS_COOKIE,
  SO_PEERNAME,
  SO_RCVTIMEO,
  SO_SNDTIMEO,
  SO_TIMESTAMPING,
  SO_TIMESTAMPING_NEW,
  SO_TXTIME,
  SOL_SOCKET,
} from '../../kernel/net/core/sock.ts';
import { IP_MSFILTER, is_mcast_option, MCAST_MSFILTER } from '../../kernel/net/ipv4/ip_mcast_opts.ts';
import { IP_MULTICAST_IF, IP_OPTIONS, IP_UNICAST_IF, SOL_IP } from '../../kernel/net/ipv4/ip_sockglue.ts';
import { TCP_MD5SIG, TCP_MD5SIG_EXT } from '../../kernel/net/ipv4/tcp_md5.ts';
import { TCP_REPAIR_OPTIONS, TCP_REPAIR_WINDOW } from '../../kernel/net/ipv4/tcp_repair.ts';
import { SOL_TCP, TCP_CONGESTION, TCP_FASTOPEN_KEY, TCP_INFO } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import type { sockopt } from '../../kernel/net/msg.ts';
import { decodeFilterQuestion, decodeGroup, decodeMulticastIf, encodeFilter } from './groups.ts';

const IFNAMSIZ = 16;
const TCP_CA_NAME_MAX = 16;
const SOL_UDP = 17;
const SOL_RAW = 255;
/** SO_RCVTIMEO_NEW and SO_SNDTIMEO_NEW: on 64-bit machines the same as the old ones. */
const SO_RCVTIMEO_NEW = 66;
const SO_SNDTIMEO_NEW = 67;
const SIZEOF_SOCK_FILTER = 8;

/** TCP's options that are structures. */
const TCP_STRUCTURES: readonly number[] = [
  TCP_INFO,
  TCP_FASTOPEN_KEY,
  TCP_MD5SIG,
  TCP_MD5SIG_EXT,
  TCP_REPAIR_OPTIONS,
  TCP_REPAIR_WINDOW,
];

type Layout =
  | 'int'
  | 'long'
  | 'rate'
  | 'byte'
  | 'index'
  | 'linger'
  | 'timeval'
  | 'device'
  | 'word'
  | 'bytes'
  | 'address'
  | 'group'
  | 'program';

function layoutOf(level: number, name: number): Layout {
  if (level === SOL_SOCKET) {
    switch (name) {
      case SO_PEERNAME:
        return 'bytes';
      case SO_LINGER:
      case SO_TXTIME:
        return 'linger';
      case SO_RCVTIMEO:
      case SO_SNDTIMEO:
        return 'timeval';
      case SO_BINDTODEVICE:
        return 'device';
      case SO_MAX_PACING_RATE:
        return 'rate';
      case SO_COOKIE:
      case SO_NETNS_COOKIE:
      case SO_TIMESTAMPING:
      case SO_TIMESTAMPING_NEW:
        return 'long';
      case SO_ATTACH_FILTER:
      case SO_ATTACH_REUSEPORT_CBPF:
        return 'program';
      default:
        return 'int';
    }
  }
  if (level === SOL_TCP && name === TCP_CONGESTION) return 'word';
  if (level === SOL_TCP && TCP_STRUCTURES.includes(name)) return 'bytes';
  if (level !== SOL_IP) return 'int';
  if (name === IP_OPTIONS) return 'bytes';
  if (name === IP_MULTICAST_IF) return 'address';
  if (name === IP_UNICAST_IF) return 'index';
  return is_mcast_option(name) ? 'group' : 'byte';
}

/** The kernel's number for an option that has two. */
export function optionName(level: number, name: number): number {
  if (level !== SOL_SOCKET) return name;
  return name === SO_RCVTIMEO_NEW ? SO_RCVTIMEO : name === SO_SNDTIMEO_NEW ? SO_SNDTIMEO : name;
}

/** ICMP_FILTER: what is shorter than the option changes its first bytes only. */
export function keepsTheRest(level: number, bytes: Uint8Array): boolean {
  return level === SOL_RAW && bytes.length < 4;
}

/** Whether the kernel itself looks at the length that the program gave. */
function tellsLength(level: number, layout: Layout): boolean {
  return (level === SOL_SOCKET || level === SOL_IP || level === SOL_UDP || level === SOL_RAW) && layout !== 'program';
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function textOf(bytes: Uint8Array, max: number): string {
  const part = bytes.subarray(0, max);
  const end = part.indexOf(0);
  return String.fromCharCode(...(end < 0 ? part : part.subarray(0, end)));
}

/** The int at the beginning; of fewer bytes those that there are. */
function intOf(bytes: Uint8Array): number {
  const padded = new Uint8Array(4);
  padded.set(bytes.subarray(0, 4));
  return viewOf(padded).getInt32(0, true);
}

/** Instructions, eight bytes each, as struct sock_fprog's `filter` points to. */
function programOf(bytes: Uint8Array): sock_filter[] {
  const view = viewOf(bytes);
  const program: sock_filter[] = [];
  for (let at = 0; at < bytes.length; at += SIZEOF_SOCK_FILTER) {
    const k = view.getUint32(at + 4, true);
    program.push({ code: view.getUint16(at, true), jt: view.getUint8(at + 2), jf: view.getUint8(at + 3), k });
  }
  return program;
}

/** Fills in `opt` from what a program passed: 0, or a negative errno. */
export function decodeOption(level: number, name: number, bytes: Uint8Array, opt: sockopt): number {
  const view = viewOf(bytes);
  const { length } = bytes;
  const layout = layoutOf(level, name);
  if (tellsLength(level, layout)) opt.optlen = length;
  switch (layout) {
    case 'linger':
      if (length < 8) return -EINVAL;
      opt.value = view.getInt32(0, true);
      opt.sec = view.getInt32(4, true);
      return 0;
    case 'timeval':
      if (length < 16) return -EINVAL;
      opt.sec = Number(view.getBigInt64(0, true));
      opt.usec = Number(view.getBigInt64(8, true));
      return 0;
    case 'rate':
      // An unsigned long, or an unsigned int.
      if (length < 4) return -EINVAL;
      opt.value = length < 8 ? view.getInt32(0, true) : Number(view.getBigUint64(0, true));
      if (length < 8 && opt.value < -1) opt.value += 2 ** 32;
      return 0;
    case 'device':
      opt.text = textOf(bytes, IFNAMSIZ - 1);
      return 0;
    case 'word':
      if (length < 1) return -EINVAL;
      opt.text = textOf(bytes, TCP_CA_NAME_MAX - 1);
      return 0;
    case 'bytes':
      opt.bytes = bytes.slice();
      return 0;
    case 'address':
      return decodeMulticastIf(view, opt);
    case 'group':
      return decodeGroup(name, view, opt);
    case 'index':
      if (length !== 4) return -EINVAL;
      opt.value = view.getInt32(0);
      return 0;
    case 'program':
      if (length === 0 || length % SIZEOF_SOCK_FILTER !== 0) return -EINVAL;
      opt.filter = programOf(bytes);
      return 0;
    case 'byte':
      opt.value = intOf(bytes);
      return 0;
    default:
      // ICMP_FILTER takes what there is.
      if (length < 4 && level !== SOL_RAW) return -EINVAL;
      opt.value = intOf(bytes);
      return 0;
  }
}

function ints(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  for (const [i, value] of values.entries()) viewOf(bytes).setInt32(4 * i, value, true);
  return bytes;
}

function longs(...values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  for (const [i, value] of values.entries()) viewOf(bytes).setBigInt64(8 * i, value, true);
  return bytes;
}

/** A number in network order. */
function network(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setInt32(0, value);
  return bytes;
}

/** do_ip_getsockopt: what fits in a byte comes as one to a program that has no room for an int. */
function intOrByte(bytes: Uint8Array, length: number): Uint8Array {
  const byte = length > 0 && length < 4 && bytes.subarray(1).every(each => each === 0);
  return bytes.subarray(0, byte ? 1 : length);
}

/**
 * Tells the kernel what it is asked: room for `length` bytes, and, where the question stands in the program's buffer
 * (IP_MSFILTER, MCAST_MSFILTER), what is `given` there. 0 or a negative errno.
 */
export function askOption(level: number, name: number, length: number, given: Uint8Array | null, opt: sockopt): number {
  const layout = layoutOf(level, name);
  if (tellsLength(level, layout) || (level === SOL_TCP && name === TCP_REPAIR_WINDOW)) opt.optlen = length;
  if (layout !== 'group' || (name !== IP_MSFILTER && name !== MCAST_MSFILTER)) return 0;
  return decodeFilterQuestion(name, viewOf((given ?? new Uint8Array(0)).subarray(0, length)), opt);
}

/** What a program with room for `length` bytes gets: fewer where the answer is shorter. A number: -EINVAL. */
export function encodeOption(
  level: number,
  name: number,
  opt: sockopt,
  length: number,
  given: Uint8Array | null,
): Uint8Array | number {
  switch (layoutOf(level, name)) {
    case 'linger':
      return ints(opt.value, opt.sec).subarray(0, length);
    case 'timeval':
      return longs(BigInt(opt.sec), BigInt(opt.usec)).subarray(0, length);
    case 'long':
      return longs(BigInt(opt.value)).subarray(0, length);
    case 'rate': {
      if (length < 8) return ints(Math.min(opt.value, 0xffffffff)).subarray(0, length);
      return longs(opt.value === 0xffffffff ? -1n : BigInt(opt.value));
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
    case 'address':
      return network(opt.address).subarray(0, length);
    case 'index':
      return intOrByte(network(opt.value), length);
    case 'group':
      return encodeFilter(name, (given as Uint8Array).subarray(0, length), opt);
    case 'program': {
      // sk_get_filter: all of it or nothing.
      const program = opt.filter ?? [];
      if (length < program.length * SIZEOF_SOCK_FILTER) return -EINVAL;
      const bytes = new Uint8Array(program.length * SIZEOF_SOCK_FILTER);
      for (const [i, { code, jt, jf, k }] of program.entries()) {
        const at = i * SIZEOF_SOCK_FILTER;
        viewOf(bytes).setUint16(at, code, true);
        bytes.set([jt, jf], at + 2);
        viewOf(bytes).setUint32(at + 4, k >>> 0, true);
      }
      return bytes;
    }
    case 'byte':
      return intOrByte(ints(opt.value), length);
    default:
      // SO_MEMINFO answers with several numbers.
      return ints(...(opt.list.length > 0 ? opt.list : [opt.value])).subarray(0, length);
  }
}
