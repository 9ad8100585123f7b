import { expect, test } from 'vitest';
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  EOPNOTSUPP,
} from '../../../../kernel/errno.ts';
import { SKB_DROP_REASON } from '../../../../kernel/net/core/skbuff.ts';
import { AF_INET, MSG_DONTWAIT, MSG_OOB, SOCK_DGRAM, sockaddr_in, sockaddr_ll } from '../../../../kernel/net/msg.ts';
import { pair } from '../../../pair.ts';
import { LOCALHOST, socketBench } from '../bench.ts';

const IPPROTO_ICMP = 1;

test('an echo request goes out with the socket’s identifier, its answer comes back with header and data', () => {
  const bench = socketBench();
  const { ram, init_net: net } = bench.kernel;
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    const buffer = sys.mmap(512);
    ram.u8.set([8, 0, 0xaa, 0xbb, 0xcc, 0xdd, 0, 5, 1, 2, 3, 4], buffer);
    expect(yield* sys.sendto(fd, buffer, 12, 0, new sockaddr_in(LOCALHOST, 0))).toBe(12);
    const from = new sockaddr_in();
    expect(yield* sys.recvfrom(fd, buffer + 100, 100, 0, from)).toBe(12);
    const name = new sockaddr_in();
    yield* sys.getsockname(fd, name);
    expect(name.sin_port).toBeGreaterThan(0);
    const reply = [...ram.u8.slice(buffer + 100, buffer + 112)];
    expect([reply[0], reply[1]]).toEqual([0, 0]);
    expect(((reply[4] ?? 0) << 8) | (reply[5] ?? 0)).toBe(name.sin_port);
    expect(reply.slice(6)).toEqual([0, 5, 1, 2, 3, 4]);
    expect([from.sin_addr, from.sin_port]).toEqual([LOCALHOST, 0]);
    expect(yield* sys.recv(fd, buffer, 100, MSG_DONTWAIT)).toBe(-EAGAIN);
  });
  const { mib } = net.ipv4;
  expect([mib.IcmpOutEchos, mib.IcmpInEchos, mib.IcmpOutEchoReps, mib.IcmpInEchoReps]).toEqual([1, 1, 1, 1]);
  expect(net.ipv4.ping.count).toBe(0);
  expect(bench.finish()).toEqual([]);
});

test('an answer that no socket waits for is dropped with its reason', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    const buffer = sys.mmap(64);
    bench.kernel.ram.u8[buffer] = 8;
    // Bound to another address than the one the answer goes to.
    expect(yield* sys.bind(fd, new sockaddr_in(0x7f000009, 77))).toBe(0);
    const sk = bench.kernel.init_net.ipv4.ping.slot(77);
    if (sk === null) throw new Error('not bound');
    expect(yield* sys.sendto(fd, buffer, 8, 0, new sockaddr_in(LOCALHOST, 0))).toBe(8);
    expect(yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT)).toBe(8);
    bench.kernel.ram.u8[buffer] = 8;
    sk.inet_rcv_saddr = 0x7f000008;
    expect(yield* sys.sendto(fd, buffer, 8, 0, new sockaddr_in(LOCALHOST, 0))).toBe(8);
    expect(yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
  });
  expect(bench.kernel.init_net.drops[SKB_DROP_REASON.NO_SOCKET]).toBe(1);
  expect(bench.finish()).toEqual([]);
});

test('what is no echo request is refused', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    const buffer = sys.mmap(64);
    const to = new sockaddr_in(LOCALHOST, 0);
    expect(yield* sys.sendto(fd, buffer, 8, 0, to)).toBe(-EINVAL);
    bench.kernel.ram.u8[buffer] = 8;
    expect(yield* sys.sendto(fd, buffer, 7, 0, to)).toBe(-EINVAL);
    expect(yield* sys.sendto(fd, buffer, 65536, 0, to)).toBe(-EMSGSIZE);
    expect(yield* sys.sendto(fd, 64, 8, 0, to)).toBe(-EFAULT);
    expect(yield* sys.sendto(fd, buffer, 8, 0, null)).toBe(-EDESTADDRREQ);
    expect(yield* sys.sendto(fd, buffer, 8, 0, new sockaddr_ll())).toBe(-EAFNOSUPPORT);
  });
  expect(bench.finish()).toEqual([]);
});

test('bound to a broadcast or multicast address: there is no such address for a ping socket', () => {
  const { left, run } = pair();
  const results: number[] = [];
  left.spawn('p', function* (sys) {
    for (const address of [0x0a0000ff, 0xe0000001 | 0, -1, 0x0a000063, 0x0a000001]) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
      results.push(yield* sys.bind(fd, new sockaddr_in(address, 0)));
    }
    return 0;
  });
  run(1e6);
  expect(results).toEqual([-EADDRNOTAVAIL, -EADDRNOTAVAIL, -EADDRNOTAVAIL, -EADDRNOTAVAIL, 0]);
});

test('bound to no address of ours in particular: taken, with an identifier', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const name = new sockaddr_in();
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    expect(yield* sys.bind(fd, new sockaddr_in(0, 5555))).toBe(0);
    yield* sys.getsockname(fd, name);
    expect([name.sin_addr, name.sin_port]).toEqual([0, 5555]);
    expect(yield* sys.bind(fd, new sockaddr_in(0, 5556))).toBe(-EINVAL);
    const another = yield* sys.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    expect(yield* sys.bind(another, new sockaddr_in(-1, 1))).toBe(-EADDRNOTAVAIL);
    expect(yield* sys.recv(fd, sys.mmap(8), 8, MSG_OOB | MSG_DONTWAIT)).toBe(-EOPNOTSUPP);
  });
  expect(bench.finish()).toEqual([]);
});
