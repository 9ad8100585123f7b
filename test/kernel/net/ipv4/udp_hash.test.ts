/** Which socket gets a datagram, and which address a socket may have: by Linux's scoring and its bind table. */
import { describe, expect, test } from 'vitest';
import { EADDRINUSE, EAGAIN } from '../../../../kernel/errno.ts';
import { BPF_K, BPF_RET } from '../../../../kernel/net/core/filter.ts';
import {
  SO_ATTACH_REUSEPORT_CBPF,
  SO_BINDTOIFINDEX,
  SO_BROADCAST,
  SO_DETACH_REUSEPORT_BPF,
  SO_INCOMING_CPU,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
} from '../../../../kernel/net/core/sock.ts';
import { IP_LOCAL_PORT_RANGE, SOL_IP } from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import { proc_net_udp, sockstat_lines } from '../../../../kernel/net/ipv4/proc_socks.ts';
import { __udp4_lib_lookup } from '../../../../kernel/net/ipv4/udp_hash.ts';
import { AF_INET, MSG_DONTWAIT, SOCK_DGRAM, sockaddr_in, sockopt } from '../../../../kernel/net/msg.ts';
import type { Syscalls } from '../../../../kernel/syscalls.ts';
import { LOCALHOST, socketBench } from '../bench.ts';
import { type Step, set, udp } from '../user.ts';

const OTHER = 0x7f000002;

interface Setup {
  address?: number;
  connect?: [number, number];
  device?: number;
  cpu?: number;
  port?: number;
}

/** A socket bound to port 7 with SO_REUSEADDR, so that several may be. */
function* open(sys: Syscalls, { address = 0, connect, device, cpu, port = 7 }: Setup): Step<number> {
  const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
  yield* set(sys, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (device !== undefined) expect(yield* set(sys, fd, SOL_SOCKET, SO_BINDTOIFINDEX, device)).toBe(0);
  expect(yield* sys.bind(fd, new sockaddr_in(address, port))).toBe(0);
  if (cpu !== undefined) yield* set(sys, fd, SOL_SOCKET, SO_INCOMING_CPU, cpu);
  if (connect !== undefined) expect(yield* sys.connect(fd, new sockaddr_in(...connect))).toBe(0);
  return fd;
}

/** Index of the socket that a datagram from 127.0.0.1:5000 to 127.0.0.1:7 ends in; -1: none. */
function chosen(setups: Setup[]): number {
  const bench = socketBench();
  const result = bench.program(function* (sys) {
    const fds: number[] = [];
    for (const setup of setups) fds.push(yield* open(sys, setup));
    const sender = yield* udp(sys, 5000);
    const buffer = sys.mmap(64);
    yield* sys.sendto(sender, buffer, 1, 0, new sockaddr_in(LOCALHOST, 7));
    for (const [i, fd] of fds.entries()) if ((yield* sys.recv(fd, buffer, 1, MSG_DONTWAIT)) === 1) return i;
    return -1;
  });
  expect(bench.finish()).toEqual([]);
  return result;
}

describe('look-up: who gets a datagram from 127.0.0.1:5000 to 127.0.0.1:7', () => {
  const wildcard: Setup = {};
  const bound: Setup = { address: LOCALHOST };
  for (const [name, setups, winner] of [
    ['of two equal ones the newer', [bound, bound], 1],
    ['the address before the wildcard', [bound, wildcard], 0],
    ['connected before bound', [{ address: LOCALHOST, connect: [LOCALHOST, 5000] }, bound], 0],
    ['connected elsewhere never', [{ address: LOCALHOST, connect: [LOCALHOST, 5001] }, bound], 1],
    ['connected to another host never', [{ address: LOCALHOST, connect: [OTHER, 5000] }, wildcard], 1],
    ['nobody for another address', [{ address: OTHER }], -1],
    ['a device before none', [{ address: LOCALHOST, device: 1 }, bound], 0],
    ['an address before a device with the wildcard', [{ device: 1 }, bound], 1],
    ['SO_INCOMING_CPU of this CPU breaks a tie', [{ address: LOCALHOST, cpu: 0 }, bound], 0],
    ['SO_INCOMING_CPU of another CPU does not', [{ address: LOCALHOST, cpu: 1 }, bound], 1],
    [
      'SO_INCOMING_CPU counts less than a device',
      [
        { address: LOCALHOST, cpu: 0 },
        { address: LOCALHOST, device: 1 },
      ],
      1,
    ],
    // Connecting binds the wildcard to the address the route prefers.
    ['a wildcard that has connected', [bound, { connect: [LOCALHOST, 5000] }], 1],
  ] as [string, Setup[], number][]) {
    test(name, () => expect(chosen(setups)).toBe(winner));
  }

  test('disconnected again, it is found as before; bound to a device later, by that', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const { init_net: net } = bench.kernel;
      const find = (sport: number): number =>
        __udp4_lib_lookup(net, LOCALHOST, sport, LOCALHOST, 7, 1)?.inet_dport ?? -1;
      const fd = yield* open(sys, { address: LOCALHOST, connect: [LOCALHOST, 5000] });
      expect([find(5000), find(5001)]).toEqual([5000, -1]);
      expect(yield* sys.connect(fd, Object.assign(new sockaddr_in(), { sa_family: 0 }))).toBe(0);
      expect([find(5000), find(5001)]).toEqual([0, 0]);
      yield* set(sys, fd, SOL_SOCKET, SO_BINDTOIFINDEX, 1);
      expect(__udp4_lib_lookup(net, LOCALHOST, 1, LOCALHOST, 7, 2)).toBe(null);
      expect(find(5000)).toBe(0);
    });
    expect(bench.finish()).toEqual([]);
  });
});

describe('bind: who may have an address beside whom', () => {
  const REUSE = 1;
  const REUSEPORT = 2;
  for (const [name, first, second, result, addresses] of [
    ['neither reuses', 0, 0, -EADDRINUSE],
    ['one SO_REUSEADDR', REUSE, 0, -EADDRINUSE],
    ['both SO_REUSEADDR', REUSE, REUSE, 0],
    ['one SO_REUSEPORT', REUSEPORT, 0, -EADDRINUSE],
    ['both SO_REUSEPORT', REUSEPORT, REUSEPORT, 0],
    ['one of each', REUSE, REUSEPORT, -EADDRINUSE],
    ['wildcard and address', 0, 0, -EADDRINUSE, [0, LOCALHOST]],
    ['address and wildcard', 0, 0, -EADDRINUSE, [LOCALHOST, 0]],
    ['two addresses', 0, 0, 0, [LOCALHOST, OTHER]],
  ] as [string, number, number, number, [number, number]?][]) {
    test(`${name}: ${result === 0 ? 'yes' : 'EADDRINUSE'}`, () => {
      const bench = socketBench();
      bench.program(function* (sys) {
        for (const [i, flags] of [first, second].entries()) {
          const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
          if ((flags & REUSE) !== 0) yield* set(sys, fd, SOL_SOCKET, SO_REUSEADDR, 1);
          if ((flags & REUSEPORT) !== 0) yield* set(sys, fd, SOL_SOCKET, SO_REUSEPORT, 1);
          const address = addresses?.[i] ?? LOCALHOST;
          expect(yield* sys.bind(fd, new sockaddr_in(address, 7))).toBe(i === 0 ? 0 : result);
        }
      });
      expect(bench.finish()).toEqual([]);
    });
  }
});

describe('SO_REUSEPORT', () => {
  function* group(sys: Syscalls, size: number): Step<number[]> {
    const fds: number[] = [];
    for (let i = 0; i < size; i++) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* set(sys, fd, SOL_SOCKET, SO_REUSEPORT, 1);
      expect(yield* sys.bind(fd, new sockaddr_in(LOCALHOST, 7))).toBe(0);
      fds.push(fd);
    }
    return fds;
  }

  test('flows are divided by their hash: one flow, one socket; many flows, every socket', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fds = yield* group(sys, 4);
      const buffer = sys.mmap(64);
      const shares = [0, 0, 0, 0];
      for (let flow = 0; flow < 64; flow++) {
        const sender = yield* udp(sys, 10_000 + flow);
        for (let i = 0; i < 3; i++) yield* sys.sendto(sender, buffer, 1, 0, new sockaddr_in(LOCALHOST, 7));
        yield* sys.close(sender);
        for (const [i, fd] of fds.entries()) {
          let n = 0;
          while ((yield* sys.recv(fd, buffer, 1, MSG_DONTWAIT)) === 1) n++;
          expect([0, 3]).toContain(n);
          shares[i] = (shares[i] as number) + n;
        }
      }
      expect(shares.reduce((a, b) => a + b)).toBe(192);
      expect(Math.min(...shares)).toBeGreaterThan(10);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('SO_ATTACH_REUSEPORT_CBPF: the program names the member; a number beyond the group falls back to the hash', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fds = yield* group(sys, 3);
      const buffer = sys.mmap(64);
      const opt = new sockopt();
      const sender = yield* udp(sys);
      function* who(): Step<number> {
        yield* sys.sendto(sender, buffer, 1, 0, new sockaddr_in(LOCALHOST, 7));
        for (const [i, fd] of fds.entries()) if ((yield* sys.recv(fd, buffer, 1, MSG_DONTWAIT)) === 1) return i;
        return -1;
      }
      const byHash = yield* who();
      for (const k of [0, 1, 2]) {
        opt.filter = [{ code: BPF_RET | BPF_K, jt: 0, jf: 0, k }];
        expect(yield* sys.setsockopt(fds[0] as number, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, opt)).toBe(0);
        expect(yield* who()).toBe(k);
      }
      opt.filter = [{ code: BPF_RET | BPF_K, jt: 0, jf: 0, k: 3 }];
      yield* sys.setsockopt(fds[0] as number, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, opt);
      expect(yield* who()).toBe(byHash);
      expect(yield* set(sys, fds[1] as number, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0)).toBe(0);
      expect(yield* who()).toBe(byHash);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('members with SO_INCOMING_CPU: this CPU comes first', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fds = yield* group(sys, 4);
      const buffer = sys.mmap(64);
      yield* set(sys, fds[2] as number, SOL_SOCKET, SO_INCOMING_CPU, 0);
      for (let flow = 0; flow < 16; flow++) {
        const sender = yield* udp(sys, 10_000 + flow);
        yield* sys.sendto(sender, buffer, 1, 0, new sockaddr_in(LOCALHOST, 7));
        expect(yield* sys.recv(fds[2] as number, buffer, 1, MSG_DONTWAIT)).toBe(1);
        yield* sys.close(sender);
      }
    });
    expect(bench.finish()).toEqual([]);
  });
});

test('a broadcast reaches every socket that matches, also behind a long chain; each has its own copy', () => {
  for (const others of [0, 20]) {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fds: number[] = [];
      for (let i = 0; i < 3; i++) fds.push(yield* open(sys, {}));
      fds.push(yield* open(sys, { address: 0x7fffffff }));
      for (let i = 0; i < others; i++) fds.push(yield* open(sys, { address: LOCALHOST + i }));
      const sender = yield* udp(sys, 5000);
      yield* set(sys, sender, SOL_SOCKET, SO_BROADCAST, 1);
      const buffer = sys.mmap(64);
      expect(yield* sys.sendto(sender, buffer, 4, 0, new sockaddr_in(0x7fffffff, 7))).toBe(4);
      const got: number[] = [];
      for (const fd of fds) got.push(yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT));
      expect(got).toEqual([4, 4, 4, 4, ...new Array<number>(others).fill(-EAGAIN)]);
    });
    expect(bench.finish()).toEqual([]);
  }
});

test('autobind: within IP_LOCAL_PORT_RANGE, without reserved ports; EAGAIN when all are taken', () => {
  const bench = socketBench();
  bench.kernel.init_net.ipv4.ip_local_reserved_ports.add(40_001);
  bench.program(function* (sys) {
    const ports = new Set<number>();
    const name = new sockaddr_in();
    for (let i = 0; i < 4; i++) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      expect(yield* set(sys, fd, SOL_IP, IP_LOCAL_PORT_RANGE, (40_003 << 16) | 40_000)).toBe(0);
      const result = yield* sys.sendto(fd, sys.mmap(64), 1, 0, new sockaddr_in(LOCALHOST, 9));
      expect(result).toBe(i < 3 ? 1 : -EAGAIN);
      yield* sys.getsockname(fd, name);
      ports.add(name.sin_port);
    }
    expect([...ports].sort()).toEqual([0, 40_000, 40_002, 40_003]);
    // Asked for by number, a reserved port is free.
    expect(yield* sys.bind(yield* sys.socket(AF_INET, SOCK_DGRAM, 0), new sockaddr_in(0, 40_001))).toBe(0);
  });
  expect(bench.finish()).toEqual([]);
});

test('5000 sockets, bound and closed at random: each is found while it is there, and only then', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    yield* sys.setrlimit(7, 10_000);
    const { init_net: net } = bench.kernel;
    const fds = new Map<number, number>();
    let random = 1;
    for (let i = 0; i < 5000; i++) {
      random = Math.imul(random, 1103515245) + 12345;
      const port = 1024 + ((random >>> 8) % 8000);
      const fd = fds.get(port);
      if (fd !== undefined) {
        yield* sys.close(fd);
        fds.delete(port);
      } else {
        fds.set(port, yield* udp(sys, port));
      }
    }
    expect(net.ipv4.udp.count).toBe(fds.size);
    for (let port = 1024; port < 9024; port++) {
      expect(__udp4_lib_lookup(net, LOCALHOST, 1, LOCALHOST, port, 1)?.inet_num).toBe(fds.has(port) ? port : undefined);
    }
    expect(proc_net_udp(net).split('\n').length).toBe(fds.size + 2);
    expect(sockstat_lines(net).udp).toBe(`UDP: inuse ${fds.size} mem 0\nUDPLITE: inuse 0\n`);
  });
  expect(bench.finish()).toEqual([]);
});
