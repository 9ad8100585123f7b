/** Steps that programs of socket tests share. */
import { expect } from 'vitest';
import { AF_INET, SOCK_DGRAM, sockaddr_in, sockopt } from '../../../kernel/net/msg.ts';
import type { Syscalls } from '../../../kernel/syscalls.ts';
import { LOCALHOST } from './bench.ts';

/** A part of a program. */
export type Step<T> = Generator<undefined, T, undefined>;

/** A UDP socket, bound when a port is given. */
export function* udp(sys: Syscalls, port = 0, address = LOCALHOST): Step<number> {
  const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
  if (port !== 0) expect(yield* sys.bind(fd, new sockaddr_in(address, port))).toBe(0);
  return fd;
}

/** setsockopt with an integer; `optlen` as C passes it. */
export function* set(sys: Syscalls, fd: number, level: number, name: number, value: number, optlen = -1): Step<number> {
  const opt = new sockopt();
  opt.value = value;
  opt.optlen = optlen;
  return yield* sys.setsockopt(fd, level, name, opt);
}

/** getsockopt of an integer: that, or a negative errno. */
export function* get(sys: Syscalls, fd: number, level: number, name: number): Step<number> {
  const opt = new sockopt();
  const result = yield* sys.getsockopt(fd, level, name, opt);
  return result < 0 ? result : opt.value;
}

/** Text into user memory: its length. */
export function put(sys: Syscalls, at: number, text: string): number {
  sys.kernel.ram.u8.set(new TextEncoder().encode(text), at);
  return text.length;
}

export function text(sys: Syscalls, at: number, length: number): string {
  return new TextDecoder().decode(sys.kernel.ram.u8.slice(at, at + length));
}
