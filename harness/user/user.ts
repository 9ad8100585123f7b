/**
 * The system calls as programs of tests and scenarios like them: addresses as text, data as bytes, errors thrown. Each
 * copies and allocates; where that matters, use `sys` and user memory.
 */
import { pollfd } from '../../kernel/fs/select.ts';
import { in_aton, inet_ntoa } from '../../kernel/lib/inet.ts';
import { SO_RCVTIMEO, SOL_SOCKET } from '../../kernel/net/core/sock.ts';
import { AF_INET, SOCK_DGRAM, sockaddr_in, sockopt } from '../../kernel/net/msg.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import { check } from './error.ts';

/** A program's step that may wait. */
export type Call<T> = Generator<undefined, T, undefined>;

/** Where a datagram comes from or goes to; the address as a dotted quad. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface Datagram extends Endpoint {
  readonly data: Uint8Array;
}

/** The longest UDP payload over IPv4, and then some. */
const BUFFER = 65536;

/** A dotted quad as the kernel wants it. @throws Error when it is none */
export function address(text: string): number {
  const value = in_aton(text);
  if (Number.isNaN(value)) throw new Error(`"${text}" is not an IPv4 address`);
  return value;
}

export class User {
  readonly sys: Syscalls;
  private readonly buffer: number;
  private readonly name = new sockaddr_in();
  private readonly opt = new sockopt();

  constructor(sys: Syscalls) {
    this.sys = sys;
    this.buffer = check('mmap', sys.mmap(BUFFER));
  }

  /** The simulated time, in ns (clock_gettime, which costs no system call). */
  now(): number {
    return this.sys.kernel.clock.now;
  }

  *socket(family: number, type: number, protocol: number): Call<number> {
    return check('socket', yield* this.sys.socket(family, type, protocol));
  }

  /** A UDP socket, bound when a port or address is given. */
  *udp(port = 0, bindTo = '0.0.0.0'): Call<number> {
    const fd = yield* this.socket(AF_INET, SOCK_DGRAM, 0);
    if (port !== 0 || bindTo !== '0.0.0.0') yield* this.bind(fd, bindTo, port);
    return fd;
  }

  private sockaddr(at: string, port: number): sockaddr_in {
    this.name.sa_family = AF_INET;
    this.name.sin_addr = address(at);
    this.name.sin_port = port;
    return this.name;
  }

  *bind(fd: number, at: string, port: number): Call<void> {
    check('bind', yield* this.sys.bind(fd, this.sockaddr(at, port)));
  }

  *connect(fd: number, at: string, port: number): Call<void> {
    check('connect', yield* this.sys.connect(fd, this.sockaddr(at, port)));
  }

  /** Sends one datagram, to the connected peer when `to` is left out. */
  *sendto(fd: number, data: Uint8Array, to?: Endpoint, flags = 0): Call<number> {
    // What does not fit is refused by the kernel, as too long a message; its bytes do not matter.
    this.sys.kernel.ram.u8.set(data.subarray(0, BUFFER), this.buffer);
    const name = to === undefined ? null : this.sockaddr(to.address, to.port);
    return check('sendto', yield* this.sys.sendto(fd, this.buffer, data.length, flags, name));
  }

  /** Receives one datagram, whole. */
  *recvfrom(fd: number, flags = 0): Call<Datagram> {
    const n = check('recvfrom', yield* this.sys.recvfrom(fd, this.buffer, BUFFER, flags, this.name));
    const data = this.sys.kernel.ram.u8.slice(this.buffer, this.buffer + n);
    return { data, address: inet_ntoa(this.name.sin_addr), port: this.name.sin_port };
  }

  *getsockname(fd: number): Call<Endpoint> {
    check('getsockname', yield* this.sys.getsockname(fd, this.name));
    return { address: inet_ntoa(this.name.sin_addr), port: this.name.sin_port };
  }

  *getpeername(fd: number): Call<Endpoint> {
    check('getpeername', yield* this.sys.getpeername(fd, this.name));
    return { address: inet_ntoa(this.name.sin_addr), port: this.name.sin_port };
  }

  *setsockopt(fd: number, level: number, option: number, value: number): Call<void> {
    this.opt.value = value;
    check('setsockopt', yield* this.sys.setsockopt(fd, level, option, this.opt));
  }

  *getsockopt(fd: number, level: number, option: number): Call<number> {
    check('getsockopt', yield* this.sys.getsockopt(fd, level, option, this.opt));
    return this.opt.value;
  }

  /** SO_RCVTIMEO: a receive gives up with EAGAIN after `ms`; 0 for never. */
  *receiveTimeout(fd: number, ms: number): Call<void> {
    this.opt.sec = Math.floor(ms / 1000);
    this.opt.usec = (ms % 1000) * 1000;
    check('setsockopt', yield* this.sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, this.opt));
  }

  /** The events of `events` (POLLIN …) that `fd` has; 0 after `ms` (negative: never). */
  *poll(fd: number, events: number, ms: number): Call<number> {
    const fds = [new pollfd(fd, events)];
    check('poll', yield* this.sys.poll(fds, 1, ms));
    return (fds[0] as pollfd).revents;
  }

  *close(fd: number): Call<void> {
    check('close', yield* this.sys.close(fd));
  }

  *sleep(ms: number): Call<void> {
    check('nanosleep', yield* this.sys.nanosleep(Math.round(ms * 1e6)));
  }
}
