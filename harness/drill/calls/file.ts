/** Pipes, files in memory, and what moves bytes between them and sockets: the bodies of those calls. */
import { loff_t } from '../../../kernel/fs/splice.ts';
import { bytesOf, int32, integer, size as sizeOf, textOf } from '../check.ts';
import type { Body } from '../operation.ts';
import { CALL_MAX } from './data.ts';

export function pipe(flags: number): Body<number[]> {
  int32('flags', flags);
  return function* (sys) {
    const fds: number[] = [];
    return [yield* sys.pipe2(fds, flags), fds];
  };
}

export function splice(
  fdIn: number,
  fdOut: number,
  length: number,
  flags: number,
  offIn: number | null,
  offOut: number | null,
): Body<number | undefined> {
  int32('fdIn', fdIn);
  int32('fdOut', fdOut);
  int32('flags', flags);
  sizeOf('splice: length', length);
  const from = offIn === null ? null : new loff_t(integer('offIn', offIn));
  const to = offOut === null ? null : new loff_t(integer('offOut', offOut));
  return function* (sys) {
    return [yield* sys.splice(fdIn, from, fdOut, to, length, flags), from?.value];
  };
}

export function sendfile(fdOut: number, fdIn: number, offset: number | null, count: number): Body<number | undefined> {
  int32('fdOut', fdOut);
  int32('fdIn', fdIn);
  sizeOf('sendfile: count', count);
  const at = offset === null ? null : new loff_t(integer('offset', offset));
  return function* (sys) {
    return [yield* sys.sendfile(fdOut, fdIn, at, count), at?.value];
  };
}

export function memfd_create(name: string, flags: number): Body {
  textOf('name', name);
  int32('flags', flags);
  return function* (sys) {
    return [yield* sys.memfd_create(name, flags)];
  };
}

export function lseek(fd: number, offset: number, whence: number): Body {
  int32('fd', fd);
  integer('offset', offset);
  int32('whence', whence);
  return function* (sys) {
    return [yield* sys.lseek(fd, offset, whence)];
  };
}

export function ftruncate(fd: number, length: number): Body {
  int32('fd', fd);
  integer('length', length);
  return function* (sys) {
    return [yield* sys.ftruncate(fd, length)];
  };
}

export function pread(fd: number, length: number, offset: number): Body<Uint8Array> {
  int32('fd', fd);
  sizeOf('pread: length', length);
  integer('offset', offset);
  return function* (sys) {
    const size = Math.min(length, CALL_MAX);
    const buffer = sys.mmap(Math.max(size, 1));
    if (buffer < 0) return [buffer];
    const n = yield* sys.pread(fd, buffer, size, offset);
    const data = sys.kernel.ram.u8.slice(buffer, buffer + Math.max(n, 0));
    sys.munmap(buffer);
    return [n, data];
  };
}

export function pwrite(fd: number, data: Uint8Array, offset: number): Body {
  int32('fd', fd);
  const bytes = bytesOf('pwrite: data', data)?.slice(0, CALL_MAX) ?? new Uint8Array(0);
  integer('offset', offset);
  return function* (sys) {
    const buffer = sys.mmap(Math.max(bytes.length, 1));
    if (buffer < 0) return [buffer];
    sys.kernel.ram.u8.set(bytes, buffer);
    const n = yield* sys.pwrite(fd, buffer, bytes.length, offset);
    sys.munmap(buffer);
    return [n];
  };
}
