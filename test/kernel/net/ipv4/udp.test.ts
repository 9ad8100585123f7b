import { describe, expect, test } from 'vitest';
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EBADF,
  ECONNREFUSED,
  EDESTADDRREQ,
  EDOM,
  EFAULT,
  EINVAL,
  EMFILE,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  ENODEV,
  ENOPROTOOPT,
  ENOTCONN,
  ENOTSOCK,
  EOPNOTSUPP,
  EPIPE,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
} from '../../../../kernel/errno.ts';
import { POLLERR, POLLIN, POLLOUT, pollfd } from '../../../../kernel/fs/select.ts';
import { SKB_DROP_REASON } from '../../../../kernel/net/core/skbuff.ts';
import {
  SO_BINDTODEVICE,
  SO_BROADCAST,
  SO_DOMAIN,
  SO_ERROR,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_TYPE,
  SOL_SOCKET,
} from '../../../../kernel/net/core/sock.ts';
import { IP_MTU, IP_MTU_DISCOVER, IP_TOS, IP_TTL, SOL_IP } from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  MSG_DONTWAIT,
  MSG_PEEK,
  MSG_TRUNC,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  sockaddr,
  sockaddr_in,
  sockaddr_ll,
  sockopt,
} from '../../../../kernel/net/msg.ts';
import { F_GETFL, F_SETFL, RLIMIT_NOFILE, type Syscalls } from '../../../../kernel/syscalls.ts';
import { LOCALHOST, socketBench } from '../bench.ts';

const SOCK_SEQPACKET = 5;

type Step<T> = Generator<undefined, T, undefined>;

function* udp(sys: Syscalls, port = 0, address = LOCALHOST): Step<number> {
  const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
  if (port !== 0) expect(yield* sys.bind(fd, new sockaddr_in(address, port))).toBe(0);
  return fd;
}

function* set(sys: Syscalls, fd: number, level: number, name: number, value: number): Step<number> {
  const opt = new sockopt();
  opt.value = value;
  return yield* sys.setsockopt(fd, level, name, opt);
}

function* get(sys: Syscalls, fd: number, level: number, name: number): Step<number> {
  const opt = new sockopt();
  const result = yield* sys.getsockopt(fd, level, name, opt);
  return result < 0 ? result : opt.value;
}

describe('datagrams over the loopback', () => {
  test('a datagram arrives whole, with its sender; every skb and socket is gone at the end', () => {
    const bench = socketBench();
    const { kernel } = bench;
    bench.program(function* (sys) {
      const server = yield* udp(sys, 7);
      const client = yield* udp(sys, 0);
      const buffer = sys.mmap(4096);
      kernel.ram.u8.set([1, 2, 3, 4], buffer);
      expect(yield* sys.sendto(client, buffer, 4, 0, new sockaddr_in(LOCALHOST, 7))).toBe(4);
      const from = new sockaddr_in();
      expect(yield* sys.recvfrom(server, buffer + 100, 1000, 0, from)).toBe(4);
      expect([...kernel.ram.u8.slice(buffer + 100, buffer + 105)]).toEqual([1, 2, 3, 4, 0]);
      const name = new sockaddr_in();
      expect(yield* sys.getsockname(client, name)).toBe(0);
      expect(from.sin_addr).toBe(LOCALHOST);
      expect(from.sin_port).toBe(name.sin_port);
      expect(name.sin_port).toBeGreaterThanOrEqual(32768);
      expect(name.sin_port).toBeLessThanOrEqual(60999);
      expect(name.sin_addr).toBe(0);
    });
    const { mib } = kernel.init_net.ipv4;
    expect([mib.UdpOutDatagrams, mib.UdpInDatagrams, mib.UdpInErrors]).toEqual([1, 1, 0]);
    expect(kernel.init_net.core.sockets).toBe(0);
    expect(kernel.init_net.ipv4.udp.count).toBe(0);
    expect(bench.finish()).toEqual([]);
  });

  test('a receive that blocks wakes when the datagram comes, with costs on', () => {
    const bench = socketBench({ costs: true });
    const log: string[] = [];
    bench.spawn(function* (sys) {
      const fd = yield* udp(sys, 7);
      const buffer = sys.mmap(64);
      log.push('waiting');
      log.push(`got ${yield* sys.recv(fd, buffer, 64, 0)}`);
      return 0;
    });
    bench.spawn(function* (sys) {
      const fd = yield* udp(sys);
      yield* sys.nanosleep(5_000_000);
      log.push('sending');
      yield* sys.sendto(fd, sys.mmap(64), 10, 0, new sockaddr_in(LOCALHOST, 7));
      return 0;
    });
    bench.run();
    expect(log).toEqual(['waiting', 'sending', 'got 10']);
    expect(bench.world.sim.time).toBeGreaterThan(5_000_000);
    expect(bench.finish()).toEqual([]);
  });

  test('an empty datagram is received as 0 bytes', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* udp(sys, 7);
      expect(yield* sys.sendto(fd, 0, 0, 0, new sockaddr_in(LOCALHOST, 7))).toBe(0);
      expect(yield* sys.recv(fd, 0, 0, 0)).toBe(0);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('a datagram longer than the buffer is cut; MSG_TRUNC tells its length, MSG_PEEK leaves it', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* udp(sys, 7);
      const buffer = sys.mmap(256);
      const to = new sockaddr_in(LOCALHOST, 7);
      yield* sys.sendto(fd, buffer, 100, 0, to);
      expect(yield* sys.recv(fd, buffer, 10, MSG_PEEK)).toBe(10);
      expect(yield* sys.recv(fd, buffer, 10, MSG_PEEK | MSG_TRUNC)).toBe(100);
      expect(yield* sys.recv(fd, buffer, 10, MSG_TRUNC)).toBe(100);
      expect(yield* sys.recv(fd, buffer, 10, MSG_DONTWAIT)).toBe(-EAGAIN);
      yield* sys.sendto(fd, buffer, 100, 0, to);
      expect(yield* sys.recv(fd, buffer, 10, 0)).toBe(10);
    });
    expect(bench.kernel.init_net.ipv4.mib.UdpInDatagrams).toBe(2);
    expect(bench.finish()).toEqual([]);
  });

  test('nothing to receive: EAGAIN by MSG_DONTWAIT, by O_NONBLOCK, and after SO_RCVTIMEO', () => {
    const bench = socketBench();
    const { clock } = bench.kernel;
    bench.program(function* (sys) {
      const fd = yield* udp(sys, 7);
      const buffer = sys.mmap(64);
      expect(yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
      expect(yield* sys.fcntl(fd, F_SETFL, 0o4000)).toBe(0);
      expect((yield* sys.fcntl(fd, F_GETFL, 0)) & 0o4000).toBe(0o4000);
      expect(yield* sys.recv(fd, buffer, 64, 0)).toBe(-EAGAIN);
      const other = yield* sys.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
      expect(yield* sys.recv(other, buffer, 64, 0)).toBe(-EAGAIN);
      yield* sys.fcntl(fd, F_SETFL, 0);
      const opt = new sockopt();
      opt.usec = 50_000;
      expect(yield* sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, opt)).toBe(0);
      const start = clock.now;
      expect(yield* sys.recv(fd, buffer, 64, 0)).toBe(-EAGAIN);
      expect(clock.now - start).toBeGreaterThanOrEqual(50_000_000);
      expect(clock.now - start).toBeLessThan(60_000_000);
      opt.usec = 1_000_000;
      expect(yield* sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, opt)).toBe(-EDOM);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('receive buffer full: what does not fit is dropped with its reason and counted at every place', () => {
    const bench = socketBench();
    const { kernel } = bench;
    bench.program(function* (sys) {
      const fd = yield* udp(sys, 7);
      expect(yield* set(sys, fd, SOL_SOCKET, SO_RCVBUF, 1)).toBe(0);
      expect(yield* get(sys, fd, SOL_SOCKET, SO_RCVBUF)).toBe(2304);
      const sender = yield* udp(sys);
      const buffer = sys.mmap(64);
      for (let i = 0; i < 10; i++) yield* sys.sendto(sender, buffer, 10, 0, new sockaddr_in(LOCALHOST, 7));
      let received = 0;
      while ((yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT)) > 0) received++;
      // 768 bytes each: three fit into 2304.
      expect(received).toBe(3);
    });
    const { mib } = kernel.init_net.ipv4;
    expect([mib.UdpOutDatagrams, mib.UdpInDatagrams, mib.UdpRcvbufErrors, mib.UdpInErrors]).toEqual([10, 3, 7, 7]);
    expect(kernel.init_net.drops[SKB_DROP_REASON.SOCKET_RCVBUFF]).toBe(7);
    expect(bench.finish()).toEqual([]);
  });

  test('closing a socket drops what waits in it', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* udp(sys, 7);
      yield* sys.sendto(fd, sys.mmap(64), 10, 0, new sockaddr_in(LOCALHOST, 7));
      expect(yield* sys.close(fd)).toBe(0);
      expect(yield* sys.close(fd)).toBe(-EBADF);
    });
    expect(bench.kernel.init_net.drops[SKB_DROP_REASON.QUEUE_PURGE]).toBe(1);
    expect(bench.finish()).toEqual([]);
  });

  test('a program that ends closes its sockets, also one killed while it waits', () => {
    const bench = socketBench();
    bench.spawn(function* (sys) {
      const fd = yield* udp(sys, 7);
      yield* sys.recv(fd, sys.mmap(64), 64, 0);
      return 0;
    });
    bench.run(1_000_000);
    expect(bench.kernel.init_net.core.sockets).toBe(1);
    expect(bench.finish()).toEqual([]);
    expect(bench.kernel.init_net.core.sockets).toBe(0);
  });
});

describe('errors', () => {
  test('socket: families, types and protocols that there are not', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      expect(yield* sys.socket(AF_INET6, SOCK_DGRAM, 0)).toBe(-EAFNOSUPPORT);
      expect(yield* sys.socket(99, SOCK_DGRAM, 0)).toBe(-EAFNOSUPPORT);
      expect(yield* sys.socket(AF_INET, SOCK_SEQPACKET, 0)).toBe(-ESOCKTNOSUPPORT);
      expect(yield* sys.socket(AF_INET, SOCK_DGRAM, 6)).toBe(-EPROTONOSUPPORT);
      expect(yield* sys.socket(AF_INET, 0x100 | SOCK_DGRAM, 0)).toBe(-EINVAL);
    });
    expect(bench.kernel.init_net.core.sockets).toBe(0);
  });

  test('descriptors that are none, or no sockets', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      expect(yield* sys.recv(3, 0, 0, 0)).toBe(-EBADF);
      expect(yield* sys.bind(-1, new sockaddr_in())).toBe(-EBADF);
      const ep = yield* sys.epoll_create1(0);
      expect(yield* sys.sendto(ep, 0, 0, 0, null)).toBe(-ENOTSOCK);
      expect(yield* sys.getsockname(ep, new sockaddr_in())).toBe(-ENOTSOCK);
    });
  });

  test('the descriptor limit is EMFILE, and the socket that found no place is gone', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      expect(yield* sys.setrlimit(RLIMIT_NOFILE, 2)).toBe(0);
      expect(yield* udp(sys)).toBe(0);
      expect(yield* udp(sys)).toBe(1);
      expect(yield* udp(sys)).toBe(-EMFILE);
      expect(yield* sys.dup(0)).toBe(-EMFILE);
      expect(bench.kernel.init_net.core.sockets).toBe(2);
      yield* sys.close(0);
      expect(yield* udp(sys)).toBe(0);
    });
  });

  test('bind', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* udp(sys);
      expect(yield* sys.bind(fd, new sockaddr_in(0x08080808, 7))).toBe(-EADDRNOTAVAIL);
      expect(yield* sys.bind(fd, new sockaddr())).toBe(-EINVAL);
      expect(yield* sys.bind(fd, new sockaddr_ll())).toBe(-EAFNOSUPPORT);
      const unspec = new sockaddr_in(LOCALHOST, 7);
      unspec.sa_family = AF_UNSPEC;
      expect(yield* sys.bind(fd, unspec)).toBe(-EAFNOSUPPORT);
      expect(yield* sys.bind(fd, new sockaddr_in(LOCALHOST, 7))).toBe(0);
      expect(yield* sys.bind(fd, new sockaddr_in(LOCALHOST, 8))).toBe(-EINVAL);
      const other = yield* udp(sys);
      expect(yield* sys.bind(other, new sockaddr_in(LOCALHOST, 7))).toBe(-EADDRINUSE);
      expect(yield* sys.bind(other, new sockaddr_in(0, 7))).toBe(-EADDRINUSE);
      expect(yield* sys.bind(other, new sockaddr_in(0x7f000002, 7))).toBe(0);
    });
  });

  test('sendto', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* udp(sys);
      const buffer = sys.mmap(65536);
      const to = new sockaddr_in(LOCALHOST, 7);
      expect(yield* sys.send(fd, buffer, 1, 0)).toBe(-EDESTADDRREQ);
      expect(yield* sys.sendto(fd, buffer, 1, 0, new sockaddr_in(LOCALHOST, 0))).toBe(-EINVAL);
      expect(yield* sys.sendto(fd, buffer, 1, 0, new sockaddr_ll())).toBe(-EAFNOSUPPORT);
      expect(yield* sys.sendto(fd, buffer, 65536, 0, to)).toBe(-EMSGSIZE);
      expect(yield* sys.sendto(fd, buffer, 65508, 0, to)).toBe(-EMSGSIZE);
      expect(yield* sys.sendto(fd, buffer, 65507, 0, to)).toBe(65507);
      expect(yield* sys.sendto(fd, 64, 10, 0, to)).toBe(-EFAULT);
      expect(yield* sys.sendto(fd, buffer + 65530, 10, 0, to)).toBe(-EFAULT);
      expect(yield* sys.sendto(fd, buffer, 1, 0, new sockaddr_in(0x0a000001, 7))).toBe(-ENETUNREACH);
    });
    expect(bench.kernel.init_net.ipv4.mib.IpOutNoRoutes).toBe(1);
    expect(bench.finish()).toEqual([]);
  });

  test('a broadcast address needs SO_BROADCAST', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* udp(sys);
      const buffer = sys.mmap(64);
      const to = new sockaddr_in(0x7fffffff, 7);
      expect(yield* sys.sendto(fd, buffer, 1, 0, to)).toBe(-EACCES);
      expect(yield* sys.connect(fd, to)).toBe(-EACCES);
      yield* set(sys, fd, SOL_SOCKET, SO_BROADCAST, 1);
      expect(yield* sys.sendto(fd, buffer, 1, 0, to)).toBe(1);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('a receive into memory that is not the program’s loses the datagram', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* udp(sys, 7);
      const buffer = sys.mmap(64);
      yield* sys.sendto(fd, buffer, 10, 0, new sockaddr_in(LOCALHOST, 7));
      expect(yield* sys.recv(fd, 4096, 64, 0)).toBe(-EFAULT);
      expect(yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
    });
    expect(bench.kernel.init_net.ipv4.mib.UdpInErrors).toBe(1);
    expect(bench.finish()).toEqual([]);
  });
});

describe('connect', () => {
  test('a connected socket sends to and hears from its peer only', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const server = yield* udp(sys, 7);
      const other = yield* udp(sys, 8);
      const client = yield* udp(sys);
      const buffer = sys.mmap(64);
      const name = new sockaddr_in();
      expect(yield* sys.getpeername(client, name)).toBe(-ENOTCONN);
      expect(yield* sys.connect(client, new sockaddr_in(LOCALHOST, 7))).toBe(0);
      expect(yield* sys.getpeername(client, name)).toBe(0);
      expect([name.sin_addr, name.sin_port]).toEqual([LOCALHOST, 7]);
      yield* sys.getsockname(client, name);
      expect(name.sin_addr).toBe(LOCALHOST);
      const mine = new sockaddr_in(name.sin_addr, name.sin_port);
      expect(yield* sys.send(client, buffer, 5, 0)).toBe(5);
      expect(yield* sys.recvfrom(server, buffer, 64, 0, name)).toBe(5);
      expect(yield* sys.sendto(other, buffer, 6, 0, mine)).toBe(6);
      expect(yield* sys.recv(client, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
      expect(yield* sys.sendto(server, buffer, 7, 0, mine)).toBe(7);
      expect(yield* sys.recv(client, buffer, 64, 0)).toBe(7);
      expect(yield* get(sys, client, SOL_IP, IP_MTU)).toBeGreaterThan(60000);
      // AF_UNSPEC forgets the peer, the port that autobind chose, and the address.
      expect(yield* sys.connect(client, new sockaddr())).toBe(0);
      expect(yield* sys.getpeername(client, name)).toBe(-ENOTCONN);
      yield* sys.getsockname(client, name);
      expect([name.sin_addr, name.sin_port]).toEqual([0, 0]);
      expect(yield* get(sys, client, SOL_IP, IP_MTU)).toBe(-ENOTCONN);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('nobody listens: a connected socket gets ECONNREFUSED once, an unconnected one nothing', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const client = yield* udp(sys);
      const loose = yield* udp(sys);
      const buffer = sys.mmap(64);
      yield* sys.connect(client, new sockaddr_in(LOCALHOST, 9));
      expect(yield* sys.send(client, buffer, 1, 0)).toBe(1);
      expect(yield* sys.recv(client, buffer, 64, 0)).toBe(-ECONNREFUSED);
      expect(yield* sys.recv(client, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
      yield* sys.send(client, buffer, 1, 0);
      yield* sys.nanosleep(1000);
      expect(yield* get(sys, client, SOL_SOCKET, SO_ERROR)).toBe(ECONNREFUSED);
      expect(yield* get(sys, client, SOL_SOCKET, SO_ERROR)).toBe(0);
      yield* sys.send(client, buffer, 1, 0);
      yield* sys.nanosleep(1000);
      expect(yield* sys.send(client, buffer, 1, 0)).toBe(-ECONNREFUSED);
      yield* sys.sendto(loose, buffer, 1, 0, new sockaddr_in(LOCALHOST, 9));
      yield* sys.nanosleep(1000);
      expect(yield* sys.recv(loose, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
    });
    const { mib } = bench.kernel.init_net.ipv4;
    expect(mib.UdpNoPorts).toBe(4);
    expect(bench.kernel.init_net.drops[SKB_DROP_REASON.NO_SOCKET]).toBe(4);
    expect(bench.finish()).toEqual([]);
  });

  test('shutdown: ENOTCONN without a peer; with one, sends fail with EPIPE and receives return 0', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* udp(sys, 7);
      expect(yield* sys.shutdown(fd, SHUT_RD)).toBe(-ENOTCONN);
      expect(yield* sys.shutdown(fd, 3)).toBe(-EINVAL);
      const client = yield* udp(sys);
      const buffer = sys.mmap(64);
      yield* sys.connect(client, new sockaddr_in(LOCALHOST, 7));
      expect(yield* sys.shutdown(client, SHUT_WR)).toBe(0);
      expect(yield* sys.send(client, buffer, 1, 0)).toBe(-EPIPE);
      expect(yield* sys.shutdown(client, SHUT_RDWR)).toBe(0);
      expect(yield* sys.recv(client, buffer, 64, 0)).toBe(0);
      expect(yield* sys.recv(client, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
    });
    expect(bench.finish()).toEqual([]);
  });
});

describe('look-up', () => {
  /** Sends from `from` to port 7 of `to`, and says which of the sockets got it. */
  function* which(sys: Syscalls, sockets: number[], to: number): Step<number[]> {
    const buffer = sys.mmap(64);
    const sender = yield* udp(sys);
    yield* sys.sendto(sender, buffer, 1, 0, new sockaddr_in(to, 7));
    yield* sys.close(sender);
    yield* sys.nanosleep(1000);
    const got: number[] = [];
    for (const [i, fd] of sockets.entries()) {
      if ((yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT)) > 0) got.push(i);
    }
    sys.munmap(buffer);
    return got;
  }

  test('an exact address wins over the wildcard, a bound device over none', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const any = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* set(sys, any, SOL_SOCKET, SO_REUSEADDR, 1);
      yield* sys.bind(any, new sockaddr_in(0, 7));
      const exact = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* set(sys, exact, SOL_SOCKET, SO_REUSEADDR, 1);
      expect(yield* sys.bind(exact, new sockaddr_in(LOCALHOST, 7))).toBe(0);
      expect(yield* which(sys, [any, exact], LOCALHOST)).toEqual([1]);
      expect(yield* which(sys, [any, exact], 0x7f000005)).toEqual([0]);
      const device = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* set(sys, device, SOL_SOCKET, SO_REUSEADDR, 1);
      const opt = new sockopt();
      opt.text = 'eth9';
      expect(yield* sys.setsockopt(device, SOL_SOCKET, SO_BINDTODEVICE, opt)).toBe(-ENODEV);
      opt.text = 'lo';
      expect(yield* sys.setsockopt(device, SOL_SOCKET, SO_BINDTODEVICE, opt)).toBe(0);
      yield* sys.bind(device, new sockaddr_in(0, 7));
      expect(yield* which(sys, [any, exact, device], 0x7f000005)).toEqual([2]);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('a broadcast goes to every socket that matches', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const sockets: number[] = [];
      for (let i = 0; i < 15; i++) {
        const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
        yield* set(sys, fd, SOL_SOCKET, SO_REUSEADDR, 1);
        // One is bound to an address that the packet is not for.
        yield* sys.bind(fd, new sockaddr_in(i === 3 ? LOCALHOST : 0, 7));
        sockets.push(fd);
        if (i !== 4 && i !== 14) continue;
        const sender = yield* udp(sys);
        yield* set(sys, sender, SOL_SOCKET, SO_BROADCAST, 1);
        const buffer = sys.mmap(64);
        yield* sys.sendto(sender, buffer, 3, 0, new sockaddr_in(0x7fffffff, 7));
        yield* sys.nanosleep(1000);
        for (const [j, got] of sockets.entries()) {
          expect(yield* sys.recv(got, buffer, 64, MSG_DONTWAIT)).toBe(j === 3 ? -EAGAIN : 3);
        }
        yield* sys.close(sender);
      }
    });
    expect(bench.kernel.init_net.ipv4.mib.UdpInDatagrams).toBe(4 + 14);
    expect(bench.finish()).toEqual([]);
  });

  test('SO_REUSEPORT: flows are divided, each flow stays with its socket', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const sockets: number[] = [];
      for (let i = 0; i < 4; i++) {
        const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
        yield* set(sys, fd, SOL_SOCKET, SO_REUSEPORT, 1);
        expect(yield* sys.bind(fd, new sockaddr_in(LOCALHOST, 7))).toBe(0);
        sockets.push(fd);
      }
      expect(yield* sys.bind(yield* udp(sys), new sockaddr_in(LOCALHOST, 7))).toBe(-EADDRINUSE);
      const counts = [0, 0, 0, 0];
      for (let i = 0; i < 100; i++)
        for (const j of yield* which(sys, sockets, LOCALHOST)) counts[j] = (counts[j] ?? 0) + 1;
      expect(counts.reduce((a, b) => a + b)).toBe(100);
      for (const count of counts) expect(count).toBeGreaterThan(8);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('the table grows and keeps every socket; ports run out with EAGAIN', () => {
    const bench = socketBench();
    const { ip_local_port_range: range } = bench.kernel.init_net.ipv4;
    range[0] = 40000;
    range[1] = 42999;
    bench.program(function* (sys) {
      yield* sys.setrlimit(RLIMIT_NOFILE, 10000);
      const buffer = sys.mmap(64);
      const to = new sockaddr_in(LOCALHOST, 9);
      for (let i = 0; i < 3000; i++) expect(yield* sys.sendto(yield* udp(sys), buffer, 0, 0, to)).toBe(0);
      expect(yield* sys.sendto(yield* udp(sys), buffer, 0, 0, to)).toBe(-EAGAIN);
      expect(new Set([...bench.kernel.init_net.ipv4.udp.sockets()].map(sk => sk.inet_num)).size).toBe(3000);
      const sender = yield* udp(sys, 7);
      for (let fd = 0; fd < 3000; fd += 111) {
        const name = new sockaddr_in();
        yield* sys.getsockname(fd, name);
        name.sin_addr = LOCALHOST;
        expect(yield* sys.sendto(sender, buffer, 1, 0, name)).toBe(1);
        expect(yield* sys.recv(fd, buffer, 64, 0)).toBe(1);
      }
    });
    expect(bench.kernel.init_net.ipv4.udp.count).toBe(0);
    expect(bench.finish()).toEqual([]);
  });
});

describe('send buffer', () => {
  test('full: EAGAIN when it may not wait; a blocked sender goes on when there is room', () => {
    // With costs on, what was sent stays in the loopback's backlog while the program runs.
    const bench = socketBench({ costs: true });
    const { kernel } = bench;
    let held = 0;
    bench.program(function* (sys) {
      const fd = yield* udp(sys);
      yield* set(sys, fd, SOL_SOCKET, SO_SNDBUF, 1);
      expect(yield* get(sys, fd, SOL_SOCKET, SO_SNDBUF)).toBe(4608);
      // The loopback orphans at once: a device that holds on to packets is needed, so the books are cooked.
      const sk = kernel.init_net.ipv4.udp;
      const buffer = sys.mmap(64);
      const to = new sockaddr_in(LOCALHOST, 9);
      yield* sys.sendto(fd, buffer, 1, 0, to);
      const [own] = [...sk.sockets()];
      if (own === undefined) throw new Error('not bound');
      own.sk_wmem_alloc += 4608;
      held = own.sk_wmem_alloc;
      expect(yield* sys.sendto(fd, buffer, 1, MSG_DONTWAIT, to)).toBe(-EAGAIN);
      bench.world.sim.schedule(
        bench.world.sim.event('room', () => {
          own.sk_wmem_alloc -= 4608;
          own.sk_write_space(own);
        }),
        bench.world.sim.now + 3_000_000,
      );
      const start = kernel.clock.now;
      expect(yield* sys.sendto(fd, buffer, 1, 0, to)).toBe(1);
      expect(kernel.clock.now - start).toBeGreaterThanOrEqual(2_900_000);
    });
    expect(held).toBeGreaterThan(4608);
    expect(kernel.init_net.ipv4.mib.UdpSndbufErrors).toBe(1);
    expect(bench.finish()).toEqual([]);
  });

  test('no memory for the skb: ENOBUFS', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* udp(sys, 7);
      const buffer = sys.mmap(64);
      bench.kernel.skbs.fail_alloc = () => true;
      expect(yield* sys.sendto(fd, buffer, 1, 0, new sockaddr_in(LOCALHOST, 7))).toBe(-ENOBUFS);
      bench.kernel.skbs.fail_alloc = null;
    });
    expect(bench.finish()).toEqual([]);
  });
});

test('options: what was set is read back, what there is not is ENOPROTOOPT, where there is nothing EOPNOTSUPP', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* udp(sys);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_TYPE)).toBe(SOCK_DGRAM);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_DOMAIN)).toBe(AF_INET);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_PROTOCOL)).toBe(17);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_RCVBUF)).toBe(212992);
    yield* set(sys, fd, SOL_SOCKET, SO_RCVBUF, 10000);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_RCVBUF)).toBe(20000);
    yield* set(sys, fd, SOL_SOCKET, SO_RCVBUF, -1);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_RCVBUF)).toBe(8 << 20);
    expect(yield* set(sys, fd, SOL_SOCKET, SO_TYPE, 1)).toBe(-ENOPROTOOPT);
    expect(yield* get(sys, fd, SOL_IP, IP_TTL)).toBe(64);
    expect(yield* set(sys, fd, SOL_IP, IP_TTL, 0)).toBe(-EINVAL);
    expect(yield* set(sys, fd, SOL_IP, IP_TTL, 7)).toBe(0);
    expect(yield* get(sys, fd, SOL_IP, IP_TTL)).toBe(7);
    expect(yield* set(sys, fd, SOL_IP, IP_TOS, 0x10)).toBe(0);
    expect(yield* get(sys, fd, SOL_IP, IP_TOS)).toBe(0x10);
    expect(yield* set(sys, fd, SOL_IP, IP_MTU_DISCOVER, 6)).toBe(-EINVAL);
    expect(yield* get(sys, fd, SOL_IP, IP_MTU_DISCOVER)).toBe(1);
    expect(yield* get(sys, fd, SOL_IP, 9999)).toBe(-ENOPROTOOPT);
    expect(yield* get(sys, fd, 99, 1)).toBe(-EOPNOTSUPP);
  });
});

test('poll: writable at once, readable when a datagram comes, an error when one is refused', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* udp(sys, 7);
    const fds = [new pollfd(fd, POLLIN | POLLOUT), new pollfd(-1, POLLIN), new pollfd(77, POLLIN)];
    expect(yield* sys.poll(fds, 1, 0)).toBe(1);
    expect(fds[0]?.revents).toBe(POLLOUT);
    expect(yield* sys.poll(fds, 3, 0)).toBe(2);
    expect(fds.map(entry => entry.revents)).toEqual([POLLOUT, 0, 0x20]);
    yield* sys.sendto(fd, sys.mmap(64), 1, 0, new sockaddr_in(LOCALHOST, 7));
    (fds[0] as { events: number }).events = POLLIN;
    expect(yield* sys.poll(fds, 1, -1)).toBe(1);
    expect(fds[0]?.revents).toBe(POLLIN);
    const client = yield* udp(sys);
    yield* sys.connect(client, new sockaddr_in(LOCALHOST, 9));
    const waiting = [new pollfd(client, 0)];
    yield* sys.send(client, sys.mmap(64), 1, 0);
    expect(yield* sys.poll(waiting, 1, 1000)).toBe(1);
    expect(waiting[0]?.revents).toBe(POLLERR);
  });
  expect(bench.finish()).toEqual([]);
});
