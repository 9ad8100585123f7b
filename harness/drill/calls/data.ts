/** read and write in all their forms: bytes of the caller's into and out of the memory of the host's process. */

import { KMALLOC_MAX_SIZE } from '../../../kernel/mm/slab.ts';
import { SO_TYPE, SOL_SOCKET } from '../../../kernel/net/core/sock.ts';
import { cmsg, iovec, SOCK_DGRAM, SOCK_STREAM, sockopt, user_msghdr } from '../../../kernel/net/msg.ts';
import { concat } from '../../packet/bytes.ts';
import { noPeer, peerOf, sockaddrOf } from '../address.ts';
import { bytesOf, int32, listOf, size as sizeOf } from '../check.ts';
import { type ControlMessage, decodeControl, encodeControl } from '../control.ts';
import type { Body } from '../operation.ts';
import type { Received, ReceivedMessage, SocketAddress } from '../types.ts';

/** Memory that one call can name at most, in or out: more is cut, as a short read or write. */
export const CALL_MAX = KMALLOC_MAX_SIZE;
/** Buffers of one message that the door looks at; the kernel refuses what is above UIO_MAXIOV. */
const LIST_MAX = 65536;
const UIO_MAXIOV = 1024;

function refuseNull(what: string): never {
  throw new TypeError(`${what}: Uint8Arrays expected, not null`);
}

/** One buffer to be filled; a `length` of null stands for a bad pointer. `file`: by read, not recvfrom. */
function receiving(name: string, fd: number, length: number | null, flags: number, file: boolean): Body<Received> {
  int32('fd', fd);
  int32('flags', flags);
  if (length !== null) sizeOf(`${name}: length`, length);
  return function* (sys) {
    const size = Math.min(length ?? 1, CALL_MAX);
    const buffer = length === null ? 0 : sys.mmap(Math.max(size, 1));
    if (buffer < 0) return [buffer];
    const from = noPeer();
    const n = yield* file ? sys.read(fd, buffer, size) : sys.recvfrom(fd, buffer, size, flags, from);
    // With MSG_TRUNC the result may be more than there is room for.
    const data = sys.kernel.ram.u8.slice(buffer, buffer + Math.min(Math.max(n, 0), size));
    if (buffer > 0) sys.munmap(buffer);
    return [n, { data, from: peerOf(from) }];
  };
}

/** Buffers to be filled one behind the other. `whole`: by recvmsg, not readv. */
function message(
  name: string,
  fd: number,
  lengths: readonly number[],
  flags: number,
  whole: boolean,
): Body<ReceivedMessage> {
  int32('fd', fd);
  int32('flags', flags);
  for (const length of listOf('lengths', lengths)) sizeOf(`${name}: length`, length);
  if (lengths.length > LIST_MAX) throw new RangeError(`${name}: ${lengths.length} buffers, ${LIST_MAX} at most`);
  return function* (sys) {
    const size = Math.min(
      lengths.reduce((sum, length) => sum + length, 0),
      CALL_MAX,
    );
    const hdr = new user_msghdr();
    const from = noPeer();
    hdr.base = sys.mmap(Math.max(size, 1));
    if (hdr.base < 0) return [hdr.base];
    hdr.length = size;
    if (whole) {
      hdr.name = from;
      hdr.control = new cmsg();
    }
    const parts: iovec[] = [];
    let end = hdr.base;
    for (const length of lengths) {
      parts.push(new iovec(end, Math.min(length, hdr.base + size - end)));
      end = Math.min(end + length, hdr.base + size);
    }
    if (lengths.length > UIO_MAXIOV) hdr.iov = parts;
    const n = yield* whole ? sys.recvmsg(fd, hdr, flags) : sys.readv(fd, parts);
    const all = sys.kernel.ram.u8.slice(hdr.base, hdr.base + Math.min(Math.max(n, 0), size));
    sys.munmap(hdr.base);
    const data: Uint8Array[] = [];
    let at = 0;
    for (const length of lengths) {
      data.push(all.subarray(at, at + length));
      at += length;
    }
    const control = hdr.control === null ? [] : encodeControl(hdr.control);
    return [n, { data, from: peerOf(from), flags: hdr.flags, control }];
  };
}

/** One buffer that goes; null stands for a bad pointer to `length` bytes. `file`: by write, not sendto. */
function sending(
  name: string,
  fd: number,
  data: Uint8Array | null,
  length: number | undefined,
  flags: number,
  to: SocketAddress | null,
  file: boolean,
): Body {
  int32('fd', fd);
  int32('flags', flags);
  bytesOf(name, data);
  const size = sizeOf(`${name}: length`, length ?? data?.length ?? 1);
  if (data !== null && size > data.length) throw new RangeError(`${name}: ${size} bytes of ${data.length}`);
  if (data !== null && size > CALL_MAX) throw new RangeError(`${name}: more than ${CALL_MAX} bytes in one call`);
  const address = to === null ? null : sockaddrOf(to);
  // What the program has in its memory is what it was when it called.
  const copy = data === null ? null : data.slice(0, size);
  return function* (sys) {
    const buffer = copy === null ? 0 : sys.mmap(Math.max(size, 1));
    if (buffer < 0) return [buffer];
    if (copy !== null) sys.kernel.ram.u8.set(copy, buffer);
    const n = yield* file ? sys.write(fd, buffer, size) : sys.sendto(fd, buffer, size, flags, address);
    if (buffer > 0) sys.munmap(buffer);
    return [n];
  };
}

export function read(fd: number, length: number | null): Body<Received> {
  return receiving('read', fd, length, 0, true);
}

export function recv(fd: number, length: number | null, flags: number): Body<Received> {
  return receiving('recv', fd, length, flags, false);
}

export function recvfrom(fd: number, length: number | null, flags: number): Body<Received> {
  return receiving('recvfrom', fd, length, flags, false);
}

export function readv(fd: number, lengths: readonly number[]): Body<ReceivedMessage> {
  return message('readv', fd, lengths, 0, false);
}

export function recvmsg(fd: number, lengths: readonly number[], flags: number): Body<ReceivedMessage> {
  return message('recvmsg', fd, lengths, flags, true);
}

export function write(fd: number, data: Uint8Array | null, length?: number): Body {
  return sending('write', fd, data, length, 0, null, true);
}

export function writev(fd: number, data: readonly Uint8Array[]): Body {
  for (const each of listOf('writev', data)) bytesOf('writev', each) ?? refuseNull('writev');
  return sending('writev', fd, concat(data), undefined, 0, null, true);
}

export function send(fd: number, data: Uint8Array | null, flags: number, length?: number): Body {
  return sending('send', fd, data, length, flags, null, false);
}

export function sendto(
  fd: number,
  data: Uint8Array | null,
  flags: number,
  to: SocketAddress | null,
  length?: number,
): Body {
  return sending('sendto', fd, data, length, flags, to, false);
}

export function sendmsg(
  fd: number,
  data: readonly Uint8Array[],
  flags: number,
  to: SocketAddress | null,
  control: readonly ControlMessage[],
): Body {
  int32('fd', fd);
  int32('flags', flags);
  if (listOf('data', data).length > LIST_MAX) throw new RangeError(`sendmsg: ${data.length} buffers`);
  const copies = data.map(each => bytesOf('sendmsg', each)?.slice() ?? refuseNull('sendmsg'));
  const size = copies.reduce((sum, { length }) => sum + length, 0);
  if (size > CALL_MAX) throw new RangeError(`sendmsg: more than ${CALL_MAX} bytes in one call`);
  const address = to === null ? null : sockaddrOf(to);
  const messages = listOf('control', control).map(({ level, type, data: bytes }) => ({
    level: int32('level', level),
    type: int32('type', type),
    data: bytesOf('control data', bytes)?.slice() ?? refuseNull('sendmsg'),
  }));
  return function* (sys) {
    const hdr = new user_msghdr();
    hdr.name = address;
    if (messages.length > 0) {
      const opt = new sockopt();
      const good = yield* sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, opt);
      if (good < 0) return [good];
      const decoded = decodeControl(messages, opt.value === SOCK_STREAM, opt.value === SOCK_DGRAM);
      if (typeof decoded === 'number') return [decoded];
      hdr.control = decoded;
    }
    const iov = copies.map(({ length }) => new iovec(sys.mmap(Math.max(length, 1)), length));
    hdr.iov = iov;
    const failed = iov.find(({ base }) => base < 0);
    for (const [i, { base }] of iov.entries()) if (base > 0) sys.kernel.ram.u8.set(copies[i] as Uint8Array, base);
    const n = failed !== undefined ? failed.base : yield* sys.sendmsg(fd, hdr, flags);
    for (const { base } of iov) if (base > 0) sys.munmap(base);
    return [n];
  };
}
