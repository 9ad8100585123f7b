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
 */
import { EFAULT, EINVAL, errno_name } from '../../kernel/errno.ts';
import { epoll_event } from '../../kernel/fs/eventpoll.ts';
import { pollfd } from '../../kernel/fs/select.ts';
import { in_aton, inet_ntoa } from '../../kernel/lib/inet.ts';
import { KMALLOC_MAX_SIZE } from '../../kernel/mm/slab.ts';
import { dev_set_mtu, netif_carrier_ok } from '../../kernel/net/core/dev.ts';
import { ethtool_set_features } from '../../kernel/net/core/features.ts';
import {
  NETIF_F_GRO,
  NETIF_F_GSO,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_TSO,
  type net_device,
  type net_device_ops,
} from '../../kernel/net/core/netdevice.ts';
import { skb_tx_timestamp } from '../../kernel/net/core/skb_tstamp.ts';
import { skb_orphan } from '../../kernel/net/core/skbuff.ts';
import { SO_TYPE, SOL_SOCKET } from '../../kernel/net/core/sock.ts';
import { ip_route_add } from '../../kernel/net/ipv4/fib.ts';
import { type tcp_info, tcp_info_parse } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import {
  AF_INET,
  cmsg,
  iovec,
  SOCK_DGRAM,
  SOCK_STREAM,
  type sockaddr,
  sockaddr_in,
  sockopt,
  user_msghdr,
} from '../../kernel/net/msg.ts';
import type { Program, task_struct } from '../../kernel/sched/task.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import type { Host, Plugged } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { runCommand } from '../shell/run.ts';
import { PcapngWriter } from '../wire/pcap/write.ts';
import {
  between,
  bytesOf,
  checkAddress,
  checkOptions,
  int32,
  integer,
  listOf,
  milliseconds,
  moment,
  objectOf,
  shown,
  size as sizeOf,
  textOf,
} from './check.ts';
import { type ControlMessage, decodeControl, encodeControl } from './control.ts';
import { Pending } from './operation.ts';
import { askOption, decodeOption, encodeOption, keepsTheRest, optionName } from './options.ts';
import { tcpPayload, tunReceive } from './tun.ts';
import type {
  DrillFinding,
  DrillOptions,
  EpollEvent,
  Operation,
  PollEntry,
  Received,
  ReceivedMessage,
  Route,
  SocketAddress,
} from './types.ts';
import { DrillWire, type SentPacket } from './wire.ts';

export type { ControlMessage } from './control.ts';
export type * from './types.ts';
export type { SentPacket } from './wire.ts';

/** Memory that one call can name at most, in or out: more is cut, as a short read or write. */
export const CALL_MAX = KMALLOC_MAX_SIZE;
const DEFAULT_RAM = 64 * 1024 * 1024;
const BESIDE_RAM = 16 * 1024 * 1024;
const HOST_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
/** So many events may one call of the door set off: what is busier than that is said, and goes on with the next call. */
const EVENTS_MAX = 200_000;
/** What an IPv4 header can say that it is. */
const PACKET_MAX = 0xffff;
/** Buffers of one message that the door looks at; the kernel refuses what is above UIO_MAXIOV. */
const LIST_MAX = 65536;
const UIO_MAXIOV = 1024;
/** So many descriptors may the host's process open. */
const DESCRIPTORS = 65536;
const RLIMIT_NOFILE = 7;
/** A segment leaves the card at the nanosecond at which it was sent. */
const NO_TIME = { resetNs: 0, eepromNs: 0, mdioNs: 0, negotiateNs: 0, dmaSetupNs: 0, dmaNsPerByte: 0 };

/** What a call does in its thread: its result, and its value in case of success. */
type Body<T> = (sys: Syscalls) => Generator<undefined, [result: number, value?: T], undefined>;

function quad(what: string, address: string): number {
  const value = in_aton(textOf(what, address));
  if (Number.isNaN(value)) throw new TypeError(`${what}: ${shown(address)} is not an IPv4 address`);
  return value;
}

function sockaddrOf(given: SocketAddress): sockaddr {
  const { address, port, family = AF_INET } = checkAddress(given);
  const name = new sockaddr_in(quad('address', address), port & 0xffff);
  name.sa_family = family;
  return name;
}

function refuseNull(): never {
  throw new TypeError('sendmsg: Uint8Arrays expected, not null');
}

function addressOf(name: sockaddr_in): SocketAddress {
  return { address: inet_ntoa(name.sin_addr), port: name.sin_port };
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export class DrillHost {
  private readonly world: World;
  private readonly host: Host;
  private readonly wire: DrillWire;
  private readonly device: net_device;
  private readonly capture: PcapngWriter | null;
  private readonly leader: task_struct;
  private readonly whole: boolean;
  private readonly mtu: number;
  private findings: DrillFinding[] | null = null;
  private awaited = 0;

  /** @throws TypeError, RangeError, Error for options that cannot be */
  constructor(options: DrillOptions = {}) {
    checkOptions(options);
    const { mtu = 1500, ram = DEFAULT_RAM, prefixLength = 16, seed = 1 } = options;
    this.mtu = mtu;
    this.whole = options.whole ?? true;
    const address = quad('localAddress', options.localAddress ?? '192.168.0.1');
    const gateway = quad('gateway', options.gateway ?? '192.168.0.2');
    this.world = new World({ seed, memory: ram + BESIDE_RAM });
    const card = { mac: HOST_MAC, rate: 'instant', timing: NO_TIME } as const;
    try {
      this.host = this.world.addHost({ name: 'drill', ram, postedNs: 0, nics: [card] });
      this.wire = new DrillWire(this.world, this.host.cards[0] as Plugged, mtu);
      this.capture = options.capture === true ? this.startCapture() : null;
      for (const [name, value] of Object.entries(options.sysctls ?? {})) this.sysctl(name, String(value));
      const { kernel } = this.host;
      this.device = kernel.init_net.dev_get_by_name('eth0') as net_device;
      const failed = this.host.exec(() => dev_set_mtu(this.device, mtu));
      if (failed < 0) throw new RangeError(`mtu ${mtu}: ${errno_name(failed)}`);
      this.dropWatchdog();
      if (options.orphan !== false) this.orphanSent();
      this.host.up('eth0', address, prefixLength);
      this.offloads(options);
      // A first packet must not wait for the link.
      while (!netif_carrier_ok(this.device) && this.world.sim.step());
      const failedRoute = this.host.exec(() =>
        ip_route_add(kernel.init_net, { dst: 0, prefix_len: 0, gateway, dev: this.device }),
      );
      if (failedRoute < 0) throw new RangeError(`gateway: ${errno_name(failedRoute)}`);
      let ready = false;
      this.leader = this.host.spawn('drill', function* (sys): Program {
        yield* sys.setrlimit(RLIMIT_NOFILE, DESCRIPTORS);
        // 0, 1 and 2 are taken, as in every program.
        for (let fd = 0; fd <= 2; fd++) yield* sys.epoll_create1(0);
        ready = true;
        // Threads come and go; the process stays.
        for (;;) yield* sys.nanosleep(Number.MAX_SAFE_INTEGER);
      });
      // The driver's own pauses at the start take their time.
      while (!ready && this.world.sim.step());
    } catch (error) {
      this.world.finish();
      throw error;
    }
    this.serve();
    this.wire.take();
  }

  // ---- the clock ----------------------------------------------------------------------------------------------------

  /** ns */
  get now(): number {
    return this.world.sim.time;
  }

  /** When the next thing happens by itself, ns; Infinity: never. */
  nextDeadline(): number {
    this.open();
    return this.world.sim.next();
  }

  /** Lets `ns` pass. @throws as runUntil */
  advance(ns: number): void {
    if (typeof ns !== 'number') throw new TypeError(`advance: ns expected, not ${shown(ns)}`);
    if (!(ns >= 0)) throw new RangeError(`advance by ${ns} ns: time does not run backwards`);
    this.runUntil(this.now + ns);
  }

  /**
   * Serves everything due up to and including `time` (ns), and stands there. A time that has passed: nothing happens.
   * @throws RangeError beyond 9e15 ns, where a host's clock ends; Error when 200000 events have not brought it there: the
   * clock then stands where they did, and the next call goes on
   */
  runUntil(time: number): void {
    this.open();
    const until = Math.ceil(moment('run until', time));
    const { sim } = this.world;
    for (let left = EVENTS_MAX; sim.next() <= until; left--) {
      this.busy(left);
      sim.step();
    }
    sim.run(until);
  }

  /** Runs until the operation is done, or to `limit` (ns). Returns whether it is done. @throws as runUntil */
  runUntilDone(operation: Operation<unknown>, limit: number): boolean {
    this.open();
    objectOf('operation', operation);
    const until = moment('limit', limit);
    const { sim } = this.world;
    for (let left = EVENTS_MAX; !operation.done && sim.next() <= until; left--) {
      this.busy(left);
      sim.step();
    }
    // The rest of the instant; the whole of the time when it did not finish.
    this.runUntil(operation.done ? sim.time : Math.max(until, sim.time));
    return operation.done;
  }

  // ---- the wire -----------------------------------------------------------------------------------------------------

  /**
   * netdev_send: an IPv4 packet arrives at the host now, and everything that it sets off at this instant has happened
   * when the method returns. `mss`: a TCP packet with more payload than that stands for segments of this size, as GRO
   * makes them (gso_size); packetdrill's option of that name. @throws RangeError when it is no IP packet
   */
  inject(packet: Uint8Array, mss = 0): void {
    this.open();
    if (!(packet instanceof Uint8Array)) throw new TypeError('packet: a Uint8Array expected');
    between('mss', mss, 0, 0xffff);
    if (packet.length > PACKET_MAX) throw new RangeError(`packet: ${packet.length} bytes, ${PACKET_MAX} at most`);
    const whole = this.whole && (packet[0] as number) >> 4 === 4;
    if (whole && (packet.length > this.mtu || (mss > 0 && tcpPayload(packet) > mss))) {
      const { kernel } = this.host;
      if (!this.host.exec(() => tunReceive(kernel, this.device, packet, mss))) throw new Error('inject: no memory');
    } else this.wire.inject(packet);
    this.serve();
  }

  /** The packets that the host has sent since the last `take` or `receive`, each with the time at which it left. */
  take(): SentPacket[] {
    this.open();
    return this.wire.take();
  }

  /**
   * netdev_receive: the next packet that the host sends, at `limit` (ns) at the latest; undefined: none until then. The
   * clock stands where the packet left, or at `limit`. @throws as runUntil
   */
  receive(limit: number): SentPacket | undefined {
    this.open();
    const until = moment('limit', limit);
    const { sim } = this.world;
    for (let left = EVENTS_MAX; this.wire.waiting === 0 && sim.next() <= until; left--) {
      this.busy(left);
      sim.step();
    }
    if (this.wire.waiting === 0) sim.run(Math.max(until, sim.time));
    return this.wire.shift();
  }

  // ---- system calls -------------------------------------------------------------------------------------------------

  /** `type` may carry SOCK_NONBLOCK. */
  socket(family: number, type: number, protocol: number): Operation {
    int32('family', family);
    int32('type', type);
    int32('protocol', protocol);
    return this.call('socket', function* (sys) {
      return [yield* sys.socket(family, type, protocol)];
    });
  }

  bind(fd: number, address: SocketAddress): Operation {
    int32('fd', fd);
    const name = sockaddrOf(address);
    return this.call('bind', function* (sys) {
      return [yield* sys.bind(fd, name)];
    });
  }

  listen(fd: number, backlog: number): Operation {
    int32('fd', fd);
    const length = int32('backlog', backlog);
    return this.call('listen', function* (sys) {
      return [yield* sys.listen(fd, length)];
    });
  }

  /** The result is the new descriptor, the value the peer. */
  accept(fd: number, flags = 0): Operation<SocketAddress> {
    int32('fd', fd);
    int32('flags', flags);
    return this.call('accept', function* (sys) {
      const name = new sockaddr_in();
      return [yield* sys.accept4(fd, name, flags), addressOf(name)];
    });
  }

  connect(fd: number, address: SocketAddress): Operation {
    int32('fd', fd);
    const name = sockaddrOf(address);
    return this.call('connect', function* (sys) {
      return [yield* sys.connect(fd, name)];
    });
  }

  getsockname(fd: number): Operation<SocketAddress> {
    int32('fd', fd);
    return this.call('getsockname', function* (sys) {
      const name = new sockaddr_in();
      return [yield* sys.getsockname(fd, name), addressOf(name)];
    });
  }

  getpeername(fd: number): Operation<SocketAddress> {
    int32('fd', fd);
    return this.call('getpeername', function* (sys) {
      const name = new sockaddr_in();
      return [yield* sys.getpeername(fd, name), addressOf(name)];
    });
  }

  read(fd: number, length: number | null): Operation<Received> {
    return this.receiving('read', fd, length, 0, true);
  }

  recv(fd: number, length: number | null, flags = 0): Operation<Received> {
    return this.receiving('recv', fd, length, flags, false);
  }

  recvfrom(fd: number, length: number | null, flags = 0): Operation<Received> {
    return this.receiving('recvfrom', fd, length, flags, false);
  }

  readv(fd: number, lengths: readonly number[]): Operation<ReceivedMessage> {
    return this.message('readv', fd, lengths, 0, false);
  }

  /** `lengths`: of the buffers (msg_iov). Control messages come in Linux's layout. */
  recvmsg(fd: number, lengths: readonly number[], flags = 0): Operation<ReceivedMessage> {
    return this.message('recvmsg', fd, lengths, flags, true);
  }

  /** `data` null stands for a bad pointer to `length` bytes. */
  write(fd: number, data: Uint8Array | null, length?: number): Operation {
    return this.sending('write', fd, data, length, 0, null, true);
  }

  writev(fd: number, data: readonly Uint8Array[]): Operation {
    for (const each of listOf('writev', data)) bytesOf('writev', each) ?? refuseNull();
    return this.sending('writev', fd, concat(data), undefined, 0, null, true);
  }

  send(fd: number, data: Uint8Array | null, flags = 0, length?: number): Operation {
    return this.sending('send', fd, data, length, flags, null, false);
  }

  sendto(fd: number, data: Uint8Array | null, flags: number, to: SocketAddress | null, length?: number): Operation {
    return this.sending('sendto', fd, data, length, flags, to, false);
  }

  /**
   * `data`: the buffers (msg_iov), each in memory of its own. `control`: messages in Linux's layout (IP_TTL, IP_TOS,
   * IP_PKTINFO, IP_RETOPTS, SO_MARK, SO_PRIORITY, UDP_SEGMENT, SO_TIMESTAMPING).
   */
  sendmsg(
    fd: number,
    data: readonly Uint8Array[],
    flags = 0,
    to: SocketAddress | null = null,
    control: readonly ControlMessage[] = [],
  ): Operation {
    int32('fd', fd);
    int32('flags', flags);
    if (listOf('data', data).length > LIST_MAX) throw new RangeError(`sendmsg: ${data.length} buffers`);
    const copies = data.map(each => bytesOf('sendmsg', each)?.slice() ?? refuseNull());
    const size = copies.reduce((sum, { length }) => sum + length, 0);
    if (size > CALL_MAX) throw new RangeError(`sendmsg: more than ${CALL_MAX} bytes in one call`);
    const address = to === null ? null : sockaddrOf(to);
    const messages = listOf('control', control).map(({ level, type, data: bytes }) => ({
      level: int32('level', level),
      type: int32('type', type),
      data: bytesOf('control data', bytes)?.slice() ?? refuseNull(),
    }));
    return this.call('sendmsg', function* (sys) {
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
    });
  }

  shutdown(fd: number, how: number): Operation {
    int32('fd', fd);
    int32('how', how);
    return this.call('shutdown', function* (sys) {
      return [yield* sys.shutdown(fd, how)];
    });
  }

  close(fd: number): Operation {
    int32('fd', fd);
    return this.call('close', function* (sys) {
      return [yield* sys.close(fd)];
    });
  }

  dup(fd: number): Operation {
    int32('fd', fd);
    return this.call('dup', function* (sys) {
      return [yield* sys.dup(fd)];
    });
  }

  /** F_GETFL 3 and F_SETFL 4. */
  fcntl(fd: number, command: number, arg = 0): Operation {
    int32('fd', fd);
    int32('command', command);
    int32('arg', arg);
    return this.call('fcntl', function* (sys) {
      return [yield* sys.fcntl(fd, command, arg)];
    });
  }

  /** SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK: the answer is the value; FIONBIO takes `value`. */
  ioctl(fd: number, request: number, value = 0): Operation<number> {
    int32('fd', fd);
    int32('request', request);
    const arg = new sockopt();
    arg.value = int32('value', value);
    return this.call('ioctl', function* (sys) {
      return [yield* sys.ioctl(fd, request, arg), arg.value];
    });
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
    const room = int32('length', length);
    const name = optionName(int32('level', level), int32('option', option));
    int32('fd', fd);
    bytesOf('given', given);
    return this.call('getsockopt', function* (sys) {
      const opt = new sockopt();
      const good = yield* sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, opt);
      if (good < 0) return [good];
      if (room < 0) return [-EINVAL];
      const asked = askOption(level, name, room, given, opt);
      if (asked < 0) return [asked];
      const result = yield* sys.getsockopt(fd, level, name, opt);
      if (result < 0) return [result];
      const bytes = encodeOption(level, name, opt, room, given);
      return typeof bytes === 'number' ? [bytes] : [0, bytes.slice()];
    });
  }

  /**
   * `value` in Linux's layout: an int is four bytes, struct linger eight, struct timeval sixteen. null: a bad pointer.
   * SO_ATTACH_FILTER takes the instructions themselves, eight bytes each.
   */
  setsockopt(fd: number, level: number, option: number, value: Uint8Array | null): Operation {
    const copy = bytesOf('value', value)?.slice() ?? null;
    const name = optionName(int32('level', level), int32('option', option));
    int32('fd', fd);
    return this.call('setsockopt', function* (sys) {
      const opt = new sockopt();
      const good = yield* sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, opt);
      if (good < 0) return [good];
      if (copy === null) return [-EFAULT];
      const decoded = decodeOption(level, name, copy, opt);
      if (decoded < 0) return [decoded];
      if (keepsTheRest(level, copy)) {
        const before = new sockopt();
        const failed = yield* sys.getsockopt(fd, level, name, before);
        if (failed < 0) return [failed];
        opt.value |= before.value & (-1 << (8 * copy.length));
      }
      return [yield* sys.setsockopt(fd, level, name, opt)];
    });
  }

  /** The value is the entries' revents, in their order. `timeout` in ms, negative: for ever. */
  poll(entries: readonly PollEntry[], timeout: number): Operation<readonly number[]> {
    const fds = listOf('entries', entries).map(
      ({ fd, events }) => new pollfd(int32('fd', fd), int32('events', events)),
    );
    milliseconds('timeout', timeout);
    return this.call('poll', function* (sys) {
      return [yield* sys.poll(fds, fds.length, timeout), fds.map(({ revents }) => revents)];
    });
  }

  /** `size` says nothing, but has to be positive. */
  epoll_create(size = 1): Operation {
    int32('size', size);
    return this.call('epoll_create', function* (sys) {
      return [size <= 0 ? -EINVAL : yield* sys.epoll_create1(0)];
    });
  }

  epoll_create1(flags: number): Operation {
    int32('flags', flags);
    return this.call('epoll_create1', function* (sys) {
      return [yield* sys.epoll_create1(flags)];
    });
  }

  epoll_ctl(epfd: number, operation: number, fd: number, event: EpollEvent | null): Operation {
    int32('epfd', epfd);
    int32('operation', operation);
    int32('fd', fd);
    const given = event === null ? null : new epoll_event(int32('events', event.events), integer('data', event.data));
    return this.call('epoll_ctl', function* (sys) {
      return [yield* sys.epoll_ctl(epfd, operation, fd, given)];
    });
  }

  /** The value is what was ready. `timeout` in ms, negative: for ever. */
  epoll_wait(epfd: number, maxevents: number, timeout: number): Operation<readonly EpollEvent[]> {
    int32('epfd', epfd);
    milliseconds('timeout', timeout);
    const room = Math.max(0, Math.min(int32('maxevents', maxevents), DESCRIPTORS));
    const events = Array.from({ length: room }, () => new epoll_event());
    return this.call('epoll_wait', function* (sys) {
      const n = yield* sys.epoll_wait(epfd, events, maxevents, timeout);
      return [n, events.slice(0, Math.max(n, 0)).map(({ events: ready, data }) => ({ events: ready >>> 0, data }))];
    });
  }

  // ---- settings and what the host says of itself ------------------------------------------------------------------------

  /**
   * `sysctl('net.ipv4.tcp_sack')` gives the setting's text, `sysctl('net.ipv4.tcp_sack', '0')` sets it.
   * @throws Error when there is no such setting, or it does not take the value
   */
  sysctl(name: string, value?: string | number): string {
    this.open();
    textOf('sysctl', name);
    const { kernel } = this.host;
    if (value !== undefined) {
      if (typeof value !== 'string' && typeof value !== 'number') {
        throw new TypeError(`sysctl ${name}: a string or a number expected, not ${shown(value)}`);
      }
      const result = this.host.exec(() => kernel.sysctl.write(name, String(value)));
      if (result < 0) throw new Error(`sysctl ${name}=${value}: ${errno_name(result)}`);
      this.serve();
    }
    const text = kernel.sysctl.read(name);
    if (typeof text === 'number') throw new Error(`sysctl ${name}: ${errno_name(text)}`);
    return text;
  }

  /** `ip route add`. @throws Error when it is refused */
  route(route: Route): void {
    this.open();
    textOf('destination', objectOf('route', route).destination);
    const [network = '', length = '32'] =
      route.destination === 'default' ? ['0.0.0.0', '0'] : route.destination.split('/');
    const prefix = Number(length);
    if (!(Number.isInteger(prefix) && prefix >= 0 && prefix <= 32))
      throw new TypeError(`destination: prefix ${length}`);
    const config = {
      dst: quad('destination', network),
      prefix_len: prefix,
      dev: this.device,
      ...(route.gateway === undefined ? {} : { gateway: quad('gateway', route.gateway) }),
      ...(route.source === undefined ? {} : { prefsrc: quad('source', route.source) }),
      ...(route.metric === undefined ? {} : { metric: between('metric', route.metric, 0, 0x7fffffff) }),
      ...(route.mtu === undefined ? {} : { mtu: between('mtu', route.mtu, 0, 0x7fffffff) }),
    };
    const result = this.host.exec(() => ip_route_add(this.host.kernel.init_net, config));
    if (result < 0) throw new Error(`route ${route.destination}: ${errno_name(result)}`);
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

  /** What passed on the wire, ARP included, as a pcapng file. @throws Error without the option `capture` */
  pcap(): Uint8Array {
    if (this.capture === null) throw new Error('pcap: the option `capture` is off');
    return this.capture.bytes();
  }

  /**
   * Ends the host: pending operations never finish, the process's descriptors are closed, everything is taken down.
   * Returns what was found wrong in the whole run, leaks included: an empty list if all is well. Asked again, it says
   * the same.
   */
  end(): readonly DrillFinding[] {
    this.findings ??= this.world.finish().map(({ detector, message, time }) => ({ detector, message, time }));
    return this.findings;
  }

  /** Operations that have not finished. */
  get pending(): number {
    return this.awaited;
  }

  // ---- within -------------------------------------------------------------------------------------------------------

  private open(): void {
    if (this.findings !== null) throw new Error('the drill host has ended');
  }

  /** Everything due at the present instant. */
  private serve(): void {
    this.runUntil(this.world.sim.time);
  }

  private busy(left: number): void {
    if (left > 0) return;
    throw new Error(`${EVENTS_MAX} events, and more to come: the clock stands at ${this.world.sim.time} ns`);
  }

  /**
   * A TUN device has no ndo_tx_timeout, and a card whose times are zero cannot hang. Without it nothing wakes an idle host:
   * days pass in one step.
   */
  private dropWatchdog(): void {
    const device = this.device as net_device & { netdev_ops: net_device_ops };
    const { ndo_tx_timeout: _, ...ops } = device.netdev_ops;
    device.netdev_ops = ops;
  }

  /** `ethtool -K`, for what is to be off. */
  private offloads({ gso = true, tso = true, gro = true, checksums = true }: DrillOptions): void {
    const off =
      (gso ? 0 : NETIF_F_GSO) |
      (tso ? 0 : NETIF_F_TSO) |
      (gro ? 0 : NETIF_F_GRO) |
      (checksums ? 0 : NETIF_F_HW_CSUM | NETIF_F_RXCSUM);
    if (off === 0) return;
    const failed = this.host.exec(() => ethtool_set_features(this.device, off & this.device.hw_features, 0));
    if (failed < 0 || (this.device.features & off) !== 0) throw new Error(`offloads: ${errno_name(failed)}`);
  }

  /** tun_net_xmit's skb_orphan, before the driver's ndo_start_xmit; and, as there, no byte queue limits before it. */
  private orphanSent(): void {
    const device = this.device as net_device & { netdev_ops: net_device_ops };
    for (const txq of device._tx) txq.dql.min_limit = txq.dql.max_limit;
    const { netdev_ops: ops } = device;
    device.netdev_ops = {
      ...ops,
      ndo_start_xmit(skb, dev) {
        skb_tx_timestamp(skb);
        skb.tx_flags = 0;
        skb_orphan(skb);
        return ops.ndo_start_xmit(skb, dev);
      },
    };
  }

  private startCapture(): PcapngWriter {
    const writer = new PcapngWriter();
    const port = writer.addInterface('eth0');
    this.world.watchFrames((_wire, from, bytes, at, length, _fcs, _id, time) => {
      writer.addFrame(port, Math.round(time), bytes.subarray(at, at + length), {
        direction: from === 0 ? 'outbound' : 'inbound',
      });
    });
    return writer;
  }

  private call<T = undefined>(name: string, body: Body<T>): Pending<T> {
    this.open();
    const { sim } = this.world;
    const operation = new Pending<T>(name, sim.time);
    this.awaited++;
    const thread = (sys: Syscalls): Program => {
      const { world } = this;
      const done = (): void => {
        this.awaited--;
      };
      return (function* (): Program {
        const [result, value] = yield* body(sys);
        operation.finish(result, result < 0 ? undefined : value, world.sim.time);
        done();
        return 0;
      })();
    };
    this.host.exec(() => this.host.spawn(name, thread, 0, this.leader));
    this.serve();
    return operation;
  }

  private receiving(
    name: string,
    fd: number,
    length: number | null,
    flags: number,
    file: boolean,
  ): Operation<Received> {
    int32('fd', fd);
    int32('flags', flags);
    if (length !== null) sizeOf(`${name}: length`, length);
    return this.call(name, function* (sys) {
      const size = Math.min(length ?? 1, CALL_MAX);
      const buffer = length === null ? 0 : sys.mmap(Math.max(size, 1));
      if (buffer < 0) return [buffer];
      const from = new sockaddr_in();
      from.sin_port = -1;
      const n = yield* file ? sys.read(fd, buffer, size) : sys.recvfrom(fd, buffer, size, flags, from);
      // With MSG_TRUNC the result may be more than there is room for.
      const data = sys.kernel.ram.u8.slice(buffer, buffer + Math.min(Math.max(n, 0), size));
      if (buffer > 0) sys.munmap(buffer);
      return [n, { data, from: from.sin_port < 0 ? undefined : addressOf(from) }];
    });
  }

  private message(
    name: string,
    fd: number,
    lengths: readonly number[],
    flags: number,
    whole: boolean,
  ): Operation<ReceivedMessage> {
    int32('fd', fd);
    int32('flags', flags);
    for (const length of listOf('lengths', lengths)) sizeOf(`${name}: length`, length);
    if (lengths.length > LIST_MAX) throw new RangeError(`${name}: ${lengths.length} buffers, ${LIST_MAX} at most`);
    return this.call(name, function* (sys) {
      const size = Math.min(
        lengths.reduce((sum, length) => sum + length, 0),
        CALL_MAX,
      );
      const hdr = new user_msghdr();
      const from = new sockaddr_in();
      from.sin_port = -1;
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
      const peer = from.sin_port < 0 ? undefined : addressOf(from);
      return [n, { data, from: peer, flags: hdr.flags, control }];
    });
  }

  private sending(
    name: string,
    fd: number,
    data: Uint8Array | null,
    length: number | undefined,
    flags: number,
    to: SocketAddress | null,
    file: boolean,
  ): Operation {
    int32('fd', fd);
    int32('flags', flags);
    bytesOf(name, data);
    const size = sizeOf(`${name}: length`, length ?? data?.length ?? 1);
    if (data !== null && size > data.length) throw new RangeError(`${name}: ${size} bytes of ${data.length}`);
    if (data !== null && size > CALL_MAX) throw new RangeError(`${name}: more than ${CALL_MAX} bytes in one call`);
    const address = to === null ? null : sockaddrOf(to);
    // What the program has in its memory is what it was when it called.
    const copy = data === null ? null : data.slice(0, size);
    return this.call(name, function* (sys) {
      const buffer = copy === null ? 0 : sys.mmap(Math.max(size, 1));
      if (buffer < 0) return [buffer];
      if (copy !== null) sys.kernel.ram.u8.set(copy, buffer);
      const n = yield* file ? sys.write(fd, buffer, size) : sys.sendto(fd, buffer, size, flags, address);
      if (buffer > 0) sys.munmap(buffer);
      return [n];
    });
  }
}

/** What struct tcp_info's bytes (getsockopt, level 6, option 11) say, by its fields' names. */
export function parseTcpInfo(bytes: Uint8Array): tcp_info {
  return tcp_info_parse(bytes);
}
