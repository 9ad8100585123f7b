/**
 * Hosts on a ring of wires with faults; programs that call whatever there is with whatever comes to mind; interfaces,
 * addresses and routes that change under them; memory that runs out; hosts that shut down between any two events. All of
 * it from one seed.
 */
import type { Host, Plugged } from '../../harness/machine/host.ts';
import { World } from '../../harness/machine/world.ts';
import { parseMac } from '../../harness/packet/address.ts';
import { Random } from '../../harness/sim/random.ts';
import { Tracer } from '../../harness/trace/tracer.ts';
import { EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, epoll_event } from '../../kernel/fs/eventpoll.ts';
import { pollfd } from '../../kernel/fs/select.ts';
import { dev_close, dev_get_stats, dev_open, dev_set_mac_address, dev_set_mtu } from '../../kernel/net/core/dev.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET } from '../../kernel/net/core/sock.ts';
import { inet_addr_add, inet_addr_del } from '../../kernel/net/ipv4/devinet.ts';
import { ip_route_add, ip_route_del } from '../../kernel/net/ipv4/fib.ts';
import { SOL_IP } from '../../kernel/net/ipv4/ip_sockglue.ts';
import {
  AF_INET,
  AF_PACKET,
  AF_UNSPEC,
  cmsg,
  MSG_DONTROUTE,
  MSG_DONTWAIT,
  MSG_PEEK,
  MSG_TRUNC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  type sockaddr,
  sockaddr_in,
  sockaddr_ll,
  sockopt,
  user_msghdr,
} from '../../kernel/net/msg.ts';
import { SOL_PACKET } from '../../kernel/net/packet/af_packet.ts';
import type { Program } from '../../kernel/sched/task.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';

export interface FuzzOptions {
  /** Listen to everything with a tracer. */
  readonly trace?: boolean;
}

export interface Outcome {
  readonly hash: string;
  /** What the programs did: host, program, call, result. */
  readonly calls: readonly string[];
  readonly findings: readonly string[];
  readonly violations: number;
}

const PORTS = [7, 9, 1000, 5000];
const LENGTHS = [0, 1, 8, 64, 500, 1472, 1473, 1500, 1514, 3000, 65507, 65535, 66000];
const PROTOCOLS = [0, 3, 0x800, 0x806];
const DEVICES = ['', 'eth0', 'lo', 'x'];
const LEVELS = [SOL_SOCKET, SOL_IP, SOL_PACKET];
/** Loopback, none, all, a group, a subnet's broadcast, nobody, off the links. */
const ODD_ADDRESSES = [0x7f000001, 0, -1, 0xe0000001, 0x0a0000ff, 0x0a000063, 0xc0a80101];
const BUFFER = 70_000;
/** Descriptors that are tried when none of those that are open is. */
const DESCRIPTORS = 12;

/** Chance by what is to be chosen. */
class Dice {
  private readonly random: Random;

  constructor(seed: number, name: string) {
    this.random = new Random(seed, name);
  }

  below(bound: number): number {
    return this.random.below(bound);
  }

  /** True once in `n` times. */
  once(n: number): boolean {
    return this.random.below(n) === 0;
  }

  of<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)] as T;
  }
}

type Step = Generator<undefined, number, undefined>;

/** A program that calls at random. */
class Caller {
  private readonly sys: Syscalls;
  private readonly dice: Dice;
  private readonly addresses: readonly number[];
  private readonly buffer: number;
  /** Descriptors it has got; some of them closed again. */
  private readonly sockets: number[] = [];
  private readonly instances: number[] = [];
  private readonly name = new sockaddr_in();
  private readonly frame = new sockaddr_ll();
  private readonly opt = new sockopt();
  private readonly hdr = new user_msghdr();
  private readonly events = Array.from({ length: 8 }, () => new epoll_event());

  constructor(sys: Syscalls, dice: Dice, addresses: readonly number[]) {
    this.sys = sys;
    this.dice = dice;
    this.addresses = addresses;
    this.buffer = sys.mmap(BUFFER);
    this.hdr.name = this.name;
    this.hdr.control = new cmsg();
  }

  *run(calls: number, log: (call: string, result: number) => void): Program {
    const { dice } = this;
    for (let i = 0; i < calls; i++) {
      this.choose();
      const call = dice.of(this.calls);
      const result = yield* call.call(this);
      if (!Number.isInteger(result)) throw new Error(`${call.name} gave ${result}`);
      log(call.name, result);
    }
    return dice.below(3);
  }

  /** The arguments of the next call. */
  private choose(): void {
    const { dice, name, frame } = this;
    name.sa_family = dice.once(20) ? AF_UNSPEC : AF_INET;
    name.sin_addr = dice.of(this.addresses);
    name.sin_port = dice.once(10) ? 0 : dice.of(PORTS);
    frame.sll_ifindex = dice.below(5);
    frame.sll_protocol = dice.of(PROTOCOLS);
    frame.sll_halen = 6;
    for (let i = 0; i < 6; i++) frame.sll_addr[i] = dice.once(3) ? dice.below(256) : 0xff;
  }

  /** One that is open and of a kind, as a rule. */
  private choice(open: readonly number[]): number {
    const { dice } = this;
    return open.length === 0 || dice.once(12) ? dice.below(DESCRIPTORS) - 1 : dice.of(open);
  }

  private get fd(): number {
    return this.choice(this.sockets);
  }

  private get epfd(): number {
    return this.choice(this.instances);
  }

  private get any(): number {
    return this.dice.once(4) ? this.epfd : this.fd;
  }

  private get at(): number {
    return this.dice.once(40) ? 5 : this.buffer + this.dice.below(3);
  }

  private get flags(): number {
    const { dice } = this;
    return (
      (dice.once(2) ? MSG_DONTWAIT : 0) |
      (dice.once(6) ? MSG_PEEK : 0) |
      (dice.once(6) ? MSG_TRUNC : 0) |
      (dice.once(20) ? MSG_DONTROUTE : 0)
    );
  }

  private get address(): sockaddr | null {
    return this.dice.once(4) ? null : this.dice.once(8) ? this.frame : this.name;
  }

  /** A program that waits for ever is no use here. */
  private *timeout(fd: number, ms: number): Step {
    this.opt.sec = 0;
    this.opt.usec = ms * 1000;
    return yield* this.sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, this.opt);
  }

  private *socket(family: number, type: number, protocol: number): Step {
    const fd = yield* this.sys.socket(family, type | (this.dice.once(4) ? SOCK_NONBLOCK : 0), protocol);
    if (fd < 0) return fd;
    this.sockets.push(fd);
    yield* this.timeout(fd, 1 + this.dice.below(20));
    return fd;
  }

  private *udp(): Step {
    return yield* this.socket(AF_INET, SOCK_DGRAM, this.dice.once(5) ? 1 : 0);
  }

  private *packet(): Step {
    return yield* this.socket(AF_PACKET, this.dice.once(2) ? SOCK_RAW : SOCK_DGRAM, this.dice.of(PROTOCOLS));
  }

  private *bind(): Step {
    return yield* this.sys.bind(this.fd, this.dice.once(4) ? this.frame : this.name);
  }

  private *connect(): Step {
    return yield* this.sys.connect(this.fd, this.name);
  }

  private *send(): Step {
    const { u8 } = this.sys.kernel.ram;
    // An echo request, should it go to a ping socket.
    u8[this.buffer] = 8;
    u8[this.buffer + 1] = 0;
    return yield* this.sys.sendto(this.fd, this.at, this.dice.of(LENGTHS), this.flags, this.address);
  }

  private *receive(): Step {
    const length = this.dice.once(2) ? this.dice.of(LENGTHS) : 2000;
    return yield* this.sys.recvfrom(this.fd, this.at, length, this.flags, this.address);
  }

  private *recvmsg(): Step {
    this.hdr.base = this.buffer;
    this.hdr.length = 2000;
    return yield* this.sys.recvmsg(this.fd, this.hdr, this.flags | MSG_DONTWAIT);
  }

  private *poll(): Step {
    const fds = [new pollfd(this.any, this.dice.below(8)), new pollfd(this.any, this.dice.below(8))];
    return yield* this.sys.poll(fds, 2, this.dice.below(20));
  }

  private *epoll_create(): Step {
    const fd = yield* this.sys.epoll_create1(0);
    if (fd >= 0) this.instances.push(fd);
    return fd;
  }

  private *epoll_ctl(): Step {
    const { dice } = this;
    const extra =
      (dice.once(3) ? EPOLLET : 0) | (dice.once(4) ? EPOLLONESHOT : 0) | (dice.once(5) ? EPOLLEXCLUSIVE : 0);
    const event = dice.once(30) ? null : new epoll_event(dice.below(8) | extra, dice.below(100));
    return yield* this.sys.epoll_ctl(this.epfd, dice.of([1, 1, 1, 2, 3, 4]), this.any, event);
  }

  private *epoll_wait(): Step {
    return yield* this.sys.epoll_wait(this.epfd, this.events, 1 + this.dice.below(8), this.dice.below(10));
  }

  private *close(): Step {
    const fd = this.any;
    const result = yield* this.sys.close(fd);
    // Now and then it goes on with what is closed.
    for (const list of [this.sockets, this.instances]) {
      const index = list.indexOf(fd);
      if (index >= 0 && !this.dice.once(4)) list.splice(index, 1);
    }
    return result;
  }

  private *dup(): Step {
    const list = this.dice.once(4) ? this.instances : this.sockets;
    const fd = yield* this.sys.dup(this.choice(list));
    if (fd >= 0) list.push(fd);
    return fd;
  }

  private *setsockopt(): Step {
    const { dice, opt } = this;
    const level = dice.of(LEVELS);
    const option = dice.below(66);
    // A timeout of its own keeps each receive from waiting for ever.
    if (level === SOL_SOCKET && (option === SO_RCVTIMEO || option === SO_SNDTIMEO)) {
      return yield* this.timeout(this.fd, 1 + dice.below(20));
    }
    opt.value = dice.once(3) ? dice.below(5) : dice.below(300_000);
    opt.sec = dice.below(4);
    opt.usec = dice.below(3);
    opt.text = dice.of(DEVICES);
    return yield* this.sys.setsockopt(this.fd, level, option, opt);
  }

  private *getsockopt(): Step {
    return yield* this.sys.getsockopt(this.fd, this.dice.of(LEVELS), this.dice.below(66), this.opt);
  }

  private *names(): Step {
    if (this.dice.once(2)) return yield* this.sys.getsockname(this.fd, this.dice.once(4) ? this.frame : this.name);
    return yield* this.sys.getpeername(this.fd, this.dice.once(4) ? this.frame : this.name);
  }

  private *shutdown(): Step {
    return yield* this.sys.shutdown(this.fd, this.dice.below(4));
  }

  private *sleep(): Step {
    return yield* this.sys.nanosleep(this.dice.below(2_000_000));
  }

  private *yield(): Step {
    return yield* this.sys.sched_yield();
  }

  /** What is called often is there several times. */
  private readonly calls: readonly ((this: Caller) => Step)[] = [
    this.udp,
    this.udp,
    this.udp,
    this.packet,
    this.bind,
    this.bind,
    this.connect,
    this.send,
    this.send,
    this.send,
    this.send,
    this.send,
    this.receive,
    this.receive,
    this.receive,
    this.recvmsg,
    this.poll,
    this.epoll_create,
    this.epoll_ctl,
    this.epoll_wait,
    this.close,
    this.dup,
    this.setsockopt,
    this.getsockopt,
    this.names,
    this.shutdown,
    this.sleep,
    this.yield,
  ];
}

/** What an administrator might do, at the worst moment. */
const CHANGES: readonly ((host: Host, dev: net_device, dice: Dice, address: number) => unknown)[] = [
  (_host, dev) => dev_close(dev),
  (_host, dev) => dev_open(dev),
  (_host, dev) => dev_open(dev),
  (_host, dev, dice) => dev_set_mtu(dev, dice.of([50, 68, 576, 1000, 1499, 1500, 65536])),
  (_host, dev, dice) =>
    dev_set_mac_address(dev, Uint8Array.of(2, 0, 0, dice.below(3), dice.below(4), 1 + dice.below(2))),
  (_host, dev, dice, address) => inet_addr_add(dev, address, 8 + dice.below(25)),
  (_host, dev, dice) => {
    const list = dev.ip_ptr?.ifa_list ?? [];
    const ifa = list[dice.below(Math.max(1, list.length))];
    if (ifa !== undefined) inet_addr_del(dev, ifa.ifa_local, ifa.ifa_prefixlen);
  },
  (host, dev, dice, address) =>
    ip_route_add(host.kernel.init_net, {
      dst: (address >> 8) << 8,
      prefix_len: 24,
      dev,
      gateway: dice.once(2) ? address : 0,
      type: dice.of([1, 1, 6, 7, 8]),
      mtu: dice.once(4) ? 576 : 0,
    }),
  (host, _dev, _dice, address) => ip_route_del(host.kernel.init_net, { dst: (address >> 8) << 8, prefix_len: 24 }),
  (host, _dev, dice) => {
    host.kernel.init_net.ipv4.ip_forward = dice.below(2);
  },
  (_host, dev) => dev_get_stats(dev),
  (host, _dev, dice) => {
    host.kernel.init_net.ipv4.devconf_all.rp_filter = dice.below(3);
  },
];

/** One run of a seed's. */
class Fuzz {
  readonly world: World;
  readonly calls: string[] = [];
  private readonly seed: number;
  private readonly dice: Dice;
  private readonly addresses: number[] = [...ODD_ADDRESSES];

  constructor(seed: number, options: FuzzOptions) {
    this.seed = seed;
    this.dice = new Dice(seed, 'fuzz');
    this.world = new World({ seed, hash: true, memory: 96 << 20 });
    this.build();
    if (options.trace === true) {
      new Tracer(this.world, ({ time }) => {
        if (!Number.isFinite(time)) throw new Error('an event at no time');
      });
    }
    this.failAllocations();
    this.startPrograms();
  }

  /** Two or three hosts in a ring: eth0 of each to eth1 of the next, 10.0.N.0/24 on wire N. */
  private build(): void {
    const { dice, world } = this;
    const count = 2 + dice.below(2);
    const costs = dice.once(2);
    const cpus = 1 + dice.below(3);
    for (let i = 0; i < count; i++) {
      const memory = dice.once(2) ? 16384 : 4096;
      const nics = [{ mac: parseMac(`02:00:00:00:0${i}:01`), memory }, { mac: parseMac(`02:00:00:00:0${i}:02`) }];
      world.addHost({ name: `h${i}`, costs, cpus, postedNs: dice.of([0, 200, 1000]), nics });
    }
    const impairments = { loss: dice.below(2) * 0.05, duplicate: dice.below(2) * 0.1, corrupt: dice.below(2) * 0.1 };
    const { hosts } = world;
    hosts.forEach((host, i) => {
      const next = hosts[(i + 1) % count] as Host;
      const latencyNs = dice.below(3) * 1000;
      world.connect(host.cards[0] as Plugged, next.cards[1] as Plugged, { impairments, latencyNs });
    });
    hosts.forEach((host, i) => {
      const subnet = 0x0a000000 + (i << 8);
      host.up('eth0', subnet + 1, 24);
      (hosts[(i + 1) % count] as Host).up('eth1', subnet + 2, 24);
      this.addresses.push(subnet + 1, subnet + 2);
    });
  }

  private failAllocations(): void {
    const share = this.dice.of([0, 0, 0.02, 0.2]);
    if (share === 0) return;
    for (const { name, kernel } of this.world.hosts) {
      const random = new Random(this.seed, `${name}.memory`);
      kernel.skbs.fail_alloc = () => random.chance(share);
    }
  }

  private startPrograms(): void {
    const { dice, seed, addresses, calls } = this;
    for (const host of this.world.hosts) {
      const count = 1 + dice.below(3);
      for (let i = 0; i < count; i++) {
        const name = `${host.name}.p${i}`;
        const own = new Dice(seed, name);
        const log = (call: string, result: number): void => void calls.push(`${name} ${call} ${result}`);
        const life = 20 + own.below(150);
        const cpu = own.below(host.kernel.cpus.length);
        host.spawn(`p${i}`, sys => new Caller(sys, own, addresses).run(life, log), cpu);
      }
    }
  }

  /** Something is changed on some host. */
  private change(): void {
    const { dice, world } = this;
    const host = dice.of(world.hosts);
    const change = dice.of(CHANGES);
    const address = dice.of(this.addresses);
    const { devices } = host.kernel.init_net;
    const dev = devices[dice.below(Math.max(1, devices.length))];
    if (dice.once(20)) {
      const card = dice.of(host.cards);
      card.nic.setLink(dice.once(2));
      card.slot.sync();
      return;
    }
    const fate = dice.below(60);
    if (fate === 0) dice.of(host.cards).slot.surpriseRemove();
    else if (fate === 1) host.shutdown();
    else if (dev !== undefined) host.exec(() => change(host, dev, dice, address));
  }

  /** A few events more, so that whatever comes next comes between any two. */
  private stagger(most: number): void {
    const { sim } = this.world;
    for (let steps = this.dice.below(most); steps > 0 && sim.next() < Infinity; steps--) sim.step();
  }

  run(): Outcome {
    const { dice, world } = this;
    const { sim } = world;
    const end = 20e6 + dice.below(100e6);
    while (sim.time < end) {
      sim.run(sim.time + 1 + dice.below(3e6));
      this.stagger(60);
      if (dice.once(3)) this.change();
    }
    // Long enough for watchdogs, neighbours and whatever else has patience.
    if (dice.once(4)) sim.run(sim.time + 20e9);
    this.stagger(300);
    for (const { kernel } of world.hosts) kernel.skbs.fail_alloc = null;
    const findings = world.finish().map(({ detector, message }) => `${detector}: ${message}`);
    const hash = world.hash?.digest() ?? '';
    return { hash, calls: this.calls, findings, violations: world.violationCount };
  }
}

/** Runs a seed. Whatever is thrown says which. */
export function fuzz(seed: number, options: FuzzOptions = {}): Outcome {
  try {
    return new Fuzz(seed, options).run();
  } catch (error) {
    throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
  }
}

/** What is wrong with a run of that seed, each line with it. */
export function complaints(seed: number, { findings, violations }: Outcome): string[] {
  const lines = findings.map(finding => `seed ${seed}: ${finding}`);
  if (violations > 0) lines.push(`seed ${seed}: ${violations} violations`);
  return lines;
}
