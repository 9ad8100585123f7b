/**
 * A door for judges: one host of ours with its socket calls, the IP packets that it sends and gets through card and
 * driver, and the simulated clock. Enough for any conformance tool, the packetdrill binary among them, to drive our TCP
 * without knowing our insides. docs/drill.md has the whole of it with examples.
 *
 * Everything that passes is plain: numbers, strings, Uint8Array. Constants (families, flags, option names, errno) are
 * those of Linux on x86-64; results are as the system call's, negative errno in case of failure. Times are ns since the
 * host was made.
 *
 * A call that can finish now has finished when the method returns; one that blocks is a pending operation, a thread of
 * the host's process, and finishes while the clock moves.
 *
 * Clock, wire and end of the host are in machine.ts; here are its system calls, whose bodies are in calls/, and settings.
 */
import { type tcp_info, tcp_info_parse } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import { runCommand } from '../shell/run.ts';
import * as data from './calls/data.ts';
import * as file from './calls/file.ts';
import * as poll from './calls/poll.ts';
import * as socket from './calls/socket.ts';
import * as sockopt from './calls/sockopt.ts';
import { textOf } from './check.ts';
import type { ControlMessage } from './control.ts';
import { DrillMachine } from './machine.ts';
import { addRoute, readSysctl, writeSysctl } from './settings.ts';
import type { EpollEvent, Operation, PollEntry, Received, ReceivedMessage, Route, SocketAddress } from './types.ts';

export { CALL_MAX } from './calls/data.ts';
export type { ControlMessage } from './control.ts';
export type * from './types.ts';
export type { SentPacket } from './wire.ts';

export class DrillHost extends DrillMachine {
  // ---- sockets ------------------------------------------------------------------------------------------------------

  /** `type` may carry SOCK_NONBLOCK. */
  socket(family: number, type: number, protocol: number): Operation {
    return this.call('socket', socket.socket(family, type, protocol));
  }

  bind(fd: number, address: SocketAddress): Operation {
    return this.call('bind', socket.bind(fd, address));
  }

  listen(fd: number, backlog: number): Operation {
    return this.call('listen', socket.listen(fd, backlog));
  }

  /** The result is the new descriptor, the value the peer. */
  accept(fd: number, flags = 0): Operation<SocketAddress> {
    return this.call('accept', socket.accept(fd, flags));
  }

  connect(fd: number, address: SocketAddress): Operation {
    return this.call('connect', socket.connect(fd, address));
  }

  getsockname(fd: number): Operation<SocketAddress> {
    return this.call('getsockname', socket.getsockname(fd));
  }

  getpeername(fd: number): Operation<SocketAddress> {
    return this.call('getpeername', socket.getpeername(fd));
  }

  shutdown(fd: number, how: number): Operation {
    return this.call('shutdown', socket.shutdown(fd, how));
  }

  close(fd: number): Operation {
    return this.call('close', socket.close(fd));
  }

  dup(fd: number): Operation {
    return this.call('dup', socket.dup(fd));
  }

  /** F_GETFL 3 and F_SETFL 4. */
  fcntl(fd: number, command: number, arg = 0): Operation {
    return this.call('fcntl', socket.fcntl(fd, command, arg));
  }

  /** SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK: the answer is the value; FIONBIO takes `value`. */
  ioctl(fd: number, request: number, value = 0): Operation<number> {
    return this.call('ioctl', socket.ioctl(fd, request, value));
  }

  /**
   * The value is the option in Linux's layout, `length` bytes of it at most. `given`: what the program's buffer holds before
   * the call, for the options that ask by it (IP_MSFILTER, MCAST_MSFILTER).
   */
  getsockopt(
    fd: number,
    level: number,
    option: number,
    length = 512,
    given: Uint8Array | null = null,
  ): Operation<Uint8Array> {
    return this.call('getsockopt', sockopt.getsockopt(fd, level, option, length, given));
  }

  /**
   * `value` in Linux's layout: an int is four bytes, struct linger eight, struct timeval sixteen. null: a bad pointer.
   * SO_ATTACH_FILTER takes the instructions themselves, eight bytes each.
   */
  setsockopt(fd: number, level: number, option: number, value: Uint8Array | null): Operation {
    return this.call('setsockopt', sockopt.setsockopt(fd, level, option, value));
  }

  // ---- pipes, and files in memory -------------------------------------------------------------------------------------

  /** The value is [the end for reading, the end for writing]. */
  pipe(flags = 0): Operation<number[]> {
    return this.call('pipe', file.pipe(flags));
  }

  /** To or from a pipe; SPLICE_F_ flags. The value is where `offIn` has come to, where it is given. */
  splice(
    fdIn: number,
    fdOut: number,
    length: number,
    flags = 0,
    offIn: number | null = null,
    offOut: number | null = null,
  ): Operation<number | undefined> {
    return this.call('splice', file.splice(fdIn, fdOut, length, flags, offIn, offOut));
  }

  /** From a file in memory to a socket or a pipe. The value is where `offset` has come to, where it is given. */
  sendfile(fdOut: number, fdIn: number, offset: number | null, count: number): Operation<number | undefined> {
    return this.call('sendfile', file.sendfile(fdOut, fdIn, offset, count));
  }

  memfd_create(name: string, flags = 0): Operation {
    return this.call('memfd_create', file.memfd_create(name, flags));
  }

  lseek(fd: number, offset: number, whence: number): Operation {
    return this.call('lseek', file.lseek(fd, offset, whence));
  }

  ftruncate(fd: number, length: number): Operation {
    return this.call('ftruncate', file.ftruncate(fd, length));
  }

  pread(fd: number, length: number, offset: number): Operation<Uint8Array> {
    return this.call('pread', file.pread(fd, length, offset));
  }

  pwrite(fd: number, bytes: Uint8Array, offset: number): Operation {
    return this.call('pwrite', file.pwrite(fd, bytes, offset));
  }

  // ---- data: where bytes or a length are expected, null stands for a bad pointer --------------------------------------

  read(fd: number, length: number | null): Operation<Received> {
    return this.call('read', data.read(fd, length));
  }

  recv(fd: number, length: number | null, flags = 0): Operation<Received> {
    return this.call('recv', data.recv(fd, length, flags));
  }

  recvfrom(fd: number, length: number | null, flags = 0): Operation<Received> {
    return this.call('recvfrom', data.recvfrom(fd, length, flags));
  }

  readv(fd: number, lengths: readonly number[]): Operation<ReceivedMessage> {
    return this.call('readv', data.readv(fd, lengths));
  }

  /** `lengths`: of the buffers (msg_iov). Control messages come in Linux's layout. */
  recvmsg(fd: number, lengths: readonly number[], flags = 0): Operation<ReceivedMessage> {
    return this.call('recvmsg', data.recvmsg(fd, lengths, flags));
  }

  /** `length`: where it is not that of the data, which is longer or null. */
  write(fd: number, bytes: Uint8Array | null, length?: number): Operation {
    return this.call('write', data.write(fd, bytes, length));
  }

  writev(fd: number, buffers: readonly Uint8Array[]): Operation {
    return this.call('writev', data.writev(fd, buffers));
  }

  send(fd: number, bytes: Uint8Array | null, flags = 0, length?: number): Operation {
    return this.call('send', data.send(fd, bytes, flags, length));
  }

  sendto(fd: number, bytes: Uint8Array | null, flags: number, to: SocketAddress | null, length?: number): Operation {
    return this.call('sendto', data.sendto(fd, bytes, flags, to, length));
  }

  /**
   * `buffers` (msg_iov), each in memory of its own. `control`: messages in Linux's layout (IP_TTL, IP_TOS, IP_PKTINFO,
   * IP_RETOPTS, SO_MARK, SO_PRIORITY, UDP_SEGMENT, SO_TIMESTAMPING).
   */
  sendmsg(
    fd: number,
    buffers: readonly Uint8Array[],
    flags = 0,
    to: SocketAddress | null = null,
    control: readonly ControlMessage[] = [],
  ): Operation {
    return this.call('sendmsg', data.sendmsg(fd, buffers, flags, to, control));
  }

  // ---- waiting --------------------------------------------------------------------------------------------------------

  /** The value is the entries' revents, in their order. `timeout` in ms, negative: for ever. */
  poll(entries: readonly PollEntry[], timeout: number): Operation<readonly number[]> {
    return this.call('poll', poll.poll(entries, timeout));
  }

  /** `size` says nothing, but has to be positive. */
  epoll_create(size = 1): Operation {
    return this.call('epoll_create', poll.epoll_create(size));
  }

  epoll_create1(flags: number): Operation {
    return this.call('epoll_create1', poll.epoll_create1(flags));
  }

  epoll_ctl(epfd: number, operation: number, fd: number, event: EpollEvent | null): Operation {
    return this.call('epoll_ctl', poll.epoll_ctl(epfd, operation, fd, event));
  }

  /** The value is what was ready. `timeout` in ms, negative: for ever. */
  epoll_wait(epfd: number, maxevents: number, timeout: number): Operation<readonly EpollEvent[]> {
    return this.call('epoll_wait', poll.epoll_wait(epfd, maxevents, timeout));
  }

  // ---- settings and what the host says of itself ----------------------------------------------------------------------

  /**
   * `sysctl('net.ipv4.tcp_sack')` gives the setting's text, `sysctl('net.ipv4.tcp_sack', '0')` sets it.
   * @throws Error when there is no such setting, or it does not take the value
   */
  sysctl(name: string, value?: string | number): string {
    this.open();
    if (value !== undefined) {
      writeSysctl(this.host, name, value);
      this.serve();
    }
    return readSysctl(this.host, name);
  }

  /** `ip route add`. @throws Error when it is refused */
  route(route: Route): void {
    this.open();
    addRoute(this.host, this.device, route);
  }

  /**
   * A command line of `ip` (route, rule, neigh, addr, link), `tc` (qdisc), `sysctl`, `ethtool` (-K) or `iptables`, with
   * their own output and messages; quotes are a shell's. The device is eth0. @throws Error for any other command, and for
   * quotes without an end
   */
  command(line: string): { readonly status: number; readonly stdout: string; readonly stderr: string } {
    this.open();
    const result = runCommand(this.host.kernel, textOf('command', line));
    this.serve();
    return result;
  }

  /** Every counter under the name that nstat prints: TcpRetransSegs, TcpExtTCPTimeouts, IpInReceives … */
  counters(): Record<string, number> {
    const all: Record<string, number> = {};
    for (const [name, value] of Object.entries(this.host.kernel.init_net.ipv4.mib)) {
      if (typeof value === 'number') all[name] = value;
    }
    return all;
  }

  /** The host's kernel log (dmesg). */
  log(): string[] {
    return this.host.kernel.log.map(({ message }) => message);
  }
}

/** What struct tcp_info's bytes (getsockopt, level 6, option 11) say, by its fields' names. */
export function parseTcpInfo(bytes: Uint8Array): tcp_info {
  return tcp_info_parse(bytes);
}
