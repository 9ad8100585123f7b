/** Programs that run on hosts. Each is what `spawn` wants: its exit status is its value. */
import { EAGAIN } from '../../kernel/errno.ts';
import { POLLIN } from '../../kernel/fs/select.ts';
import { inet_ntoa } from '../../kernel/lib/inet.ts';
import { IPPROTO_ICMP } from '../../kernel/net/ipv4/ip_header.ts';
import { IP_RECVTTL, IP_TTL, SOL_IP } from '../../kernel/net/ipv4/ip_sockglue.ts';
import { AF_INET, cmsg, MSG_DONTWAIT, SOCK_DGRAM, sockaddr_in, user_msghdr } from '../../kernel/net/msg.ts';
import type { Program } from '../../kernel/sched/task.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import { check, SysError } from './error.ts';
import { address, type Call, type Endpoint, User } from './user.ts';

/** What a program prints: one line, without its end. */
export type Output = (line: string) => void;

export interface PingOptions {
  /** A dotted quad. */
  readonly destination: string;
  /** Echoes to send; 0 for no end. Default 0, as ping(8). */
  readonly count?: number;
  /** ms between two. Default 1000. */
  readonly interval?: number;
  /** Bytes of data. Default 56. */
  readonly size?: number;
  /** ms to wait for the last answers when none has come yet. Default 10000. */
  readonly linger?: number;
  readonly ttl?: number;
}

const ICMP_ECHO = 8;
const ICMP_ECHOREPLY = 0;
const ICMP_HLEN = 8;
/** Bytes of the time that a request carries: seconds and microseconds, 64 bits each. */
const TIMEVAL = 16;

/** `ping`: prints what Linux's prints. 0 when an answer came, else 1; 2 when it could not send. */
export function ping(options: PingOptions, output: Output): (sys: Syscalls) => Program {
  return function* (sys) {
    try {
      return yield* new Ping(sys, options, output).run();
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      output(`ping: ${error.message}`);
      return 2;
    }
  };
}

class Ping {
  private readonly user: User;
  private readonly sys: Syscalls;
  private readonly options: PingOptions;
  private readonly output: Output;
  private readonly buffer: number;
  private readonly length: number;
  private readonly hdr = new user_msghdr();
  private sent = 0;
  private received = 0;
  private duplicates = 0;
  /** Round trip times, in µs. */
  private min = Infinity;
  private max = 0;
  private sum = 0;
  private squares = 0;
  private readonly seen = new Set<number>();
  private start = 0;

  constructor(sys: Syscalls, options: PingOptions, output: Output) {
    this.user = new User(sys);
    this.sys = sys;
    this.options = options;
    this.output = output;
    this.length = ICMP_HLEN + (options.size ?? 56);
    this.buffer = check('mmap', sys.mmap(Math.max(this.length, 256) * 2));
    this.hdr.name = new sockaddr_in();
    this.hdr.base = this.buffer + this.length;
    this.hdr.length = Math.max(this.length, 256);
    this.hdr.control = new cmsg();
  }

  *run(): Call<number> {
    const { user, options } = this;
    const { destination, count = 0, interval = 1000, linger = 10_000 } = options;
    const to = new sockaddr_in(address(destination));
    const fd = yield* user.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    yield* user.setsockopt(fd, SOL_IP, IP_RECVTTL, 1);
    if (options.ttl !== undefined) yield* user.setsockopt(fd, SOL_IP, IP_TTL, options.ttl);
    const data = this.length - ICMP_HLEN;
    this.output(`PING ${destination} (${destination}) ${data}(${this.length + 20}) bytes of data.`);
    this.start = user.now();
    for (;;) {
      yield* this.send(fd, to);
      const last = count !== 0 && this.sent >= count;
      const next = this.start + this.sent * interval * 1e6;
      let until = next;
      if (last) until = user.now() + (this.received > 0 ? Math.max(2 * this.max * 1000, interval * 1e6) : linger * 1e6);
      while (!(last && this.received >= count)) {
        const wait = Math.ceil((until - user.now()) / 1e6);
        if (wait <= 0 || ((yield* user.poll(fd, POLLIN, wait)) & POLLIN) === 0) break;
        yield* this.receive(fd);
      }
      if (last) break;
    }
    yield* user.close(fd);
    this.statistics();
    return this.received > 0 ? 0 : 1;
  }

  private *send(fd: number, to: sockaddr_in): Call<void> {
    const { sys, buffer, length } = this;
    const { dv, u8 } = sys.kernel.ram;
    const sequence = ++this.sent & 0xffff;
    u8.fill(0, buffer, buffer + ICMP_HLEN);
    u8[buffer] = ICMP_ECHO;
    dv.setUint16(buffer + 6, sequence);
    for (let i = ICMP_HLEN; i < length; i++) u8[buffer + i] = i - ICMP_HLEN;
    const now = this.user.now();
    if (length >= ICMP_HLEN + TIMEVAL) {
      dv.setUint32(buffer + ICMP_HLEN, Math.floor(now / 1e9), true);
      dv.setUint32(buffer + ICMP_HLEN + 4, 0, true);
      dv.setUint32(buffer + ICMP_HLEN + 8, Math.floor((now % 1e9) / 1e3), true);
      dv.setUint32(buffer + ICMP_HLEN + 12, 0, true);
    }
    const result = yield* sys.sendto(fd, buffer, length, 0, to);
    if (result < 0) this.output(`ping: sendmsg: ${new SysError('sendmsg', result).code}`);
  }

  private *receive(fd: number): Call<void> {
    const { sys, hdr } = this;
    const n = yield* sys.recvmsg(fd, hdr, MSG_DONTWAIT);
    if (n === -EAGAIN) return;
    check('recvmsg', n);
    const { dv, u8 } = sys.kernel.ram;
    const at = hdr.base;
    if (n < ICMP_HLEN || u8[at] !== ICMP_ECHOREPLY) return;
    const sequence = dv.getUint16(at + 6);
    const duplicate = this.seen.has(sequence);
    this.seen.add(sequence);
    if (duplicate) this.duplicates++;
    else this.received++;
    let time = '';
    if (n >= ICMP_HLEN + TIMEVAL) {
      const at_us = dv.getUint32(at + ICMP_HLEN, true) * 1e6 + dv.getUint32(at + ICMP_HLEN + 8, true);
      const us = Math.max(0, Math.floor(this.user.now() / 1e3) - at_us);
      time = ` time=${formatTime(us)} ms`;
      if (!duplicate) this.note(us);
    }
    const from = inet_ntoa((hdr.name as sockaddr_in).sin_addr);
    const ttl = hdr.control?.ttl ?? 0;
    this.output(`${n} bytes from ${from}: icmp_seq=${sequence} ttl=${ttl}${time}${duplicate ? ' (DUP!)' : ''}`);
  }

  private note(us: number): void {
    this.min = Math.min(this.min, us);
    this.max = Math.max(this.max, us);
    this.sum += us;
    this.squares += us * us;
  }

  private statistics(): void {
    const { sent, received, duplicates, output } = this;
    const elapsed = Math.floor((this.user.now() - this.start) / 1e6);
    const loss = sent === 0 ? 0 : ((sent - received) * 100) / sent;
    output('');
    output(`--- ${this.options.destination} ping statistics ---`);
    const dup = duplicates > 0 ? ` +${duplicates} duplicates,` : '';
    output(
      `${sent} packets transmitted, ${received} received,${dup} ${Number(loss.toPrecision(6))}% packet loss, time ${elapsed}ms`,
    );
    if (received === 0 || this.min === Infinity) return;
    const mean = this.sum / received;
    const deviation = Math.sqrt(Math.max(0, this.squares / received - mean * mean));
    const ms = [this.min, mean, this.max, deviation].map(us => (us / 1000).toFixed(3));
    output(`rtt min/avg/max/mdev = ${ms.join('/')} ms`);
  }
}

/** As ping(8) rounds: three significant digits or so. */
function formatTime(us: number): string {
  if (us >= 100_000) return String(Math.floor(us / 1000));
  if (us >= 10_000) return (us / 1000).toFixed(1);
  if (us >= 1000) return (us / 1000).toFixed(2);
  return (us / 1000).toFixed(3);
}

/** Sends every datagram that comes to `port` back where it came from; ends after `count` of them (0: never). */
export function udpEcho(port: number, options: { count?: number; bind?: string } = {}): (sys: Syscalls) => Program {
  return function* (sys) {
    const user = new User(sys);
    const fd = yield* user.udp(port, options.bind ?? '0.0.0.0');
    const buffer = check('mmap', sys.mmap(65536));
    const peer = new sockaddr_in();
    for (let done = 0; options.count === undefined || done < options.count; done++) {
      const n = check('recvfrom', yield* sys.recvfrom(fd, buffer, 65536, 0, peer));
      // An answer that cannot be sent (no route, a full buffer) is lost, as on any wire: the server goes on.
      yield* sys.sendto(fd, buffer, n, 0, peer);
    }
    return 0;
  };
}

export interface UdpSendOptions {
  readonly to: Endpoint;
  readonly messages: readonly (Uint8Array | string)[];
  /** ms between two. Default 0. */
  readonly interval?: number;
  /** ms to wait for an answer to each, which is handed to `answer`; 0 (the default) sends without listening. */
  readonly wait?: number;
  readonly answer?: (data: Uint8Array, from: Endpoint) => void;
}

/** Sends datagrams, and hands on the answers. 0, or 1 when an answer was waited for in vain or an error came instead. */
export function udpSend(options: UdpSendOptions, output: Output = () => {}): (sys: Syscalls) => Program {
  const { to, messages, interval = 0, wait = 0, answer } = options;
  return function* (sys) {
    const user = new User(sys);
    const fd = yield* user.udp();
    let failed = 0;
    try {
      // Connected, so that an ICMP error comes back as this program's error.
      yield* user.connect(fd, to.address, to.port);
      if (wait > 0) yield* user.receiveTimeout(fd, wait);
      for (const [i, message] of messages.entries()) {
        if (i > 0 && interval > 0) yield* user.sleep(interval);
        try {
          yield* user.sendto(fd, typeof message === 'string' ? new TextEncoder().encode(message) : message);
          if (wait === 0) continue;
          const { data, ...from } = yield* user.recvfrom(fd);
          answer?.(data, from);
        } catch (error) {
          if (!(error instanceof SysError)) throw error;
          output(`udp: ${error.message}`);
          failed = 1;
        }
      }
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      output(`udp: ${error.message}`);
      failed = 1;
    }
    yield* user.close(fd);
    return failed;
  };
}
