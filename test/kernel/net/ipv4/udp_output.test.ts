/** Sending: corked, segmented, with control messages, in pieces; and the send buffer. */
import { expect, test } from 'vitest';
import { EAGAIN, EINVAL, EMSGSIZE, ENODEV } from '../../../../kernel/errno.ts';
import { FIONREAD, TIOCOUTQ } from '../../../../kernel/fs/file.ts';
import { SO_PEEK_OFF, SO_RCVBUFFORCE, SO_RXQ_OVFL, SO_SNDBUF, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import {
  IP_PKTINFO,
  IP_RECVORIGDSTADDR,
  IP_RECVTOS,
  IP_RECVTTL,
  SOL_IP,
} from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import { SOL_UDP, UDP_CORK, UDP_GRO, UDP_SEGMENT } from '../../../../kernel/net/ipv4/udp.ts';
import {
  CMSG_ORIGDSTADDR,
  CMSG_PKTINFO,
  CMSG_RXQ_OVFL,
  CMSG_TOS,
  CMSG_TTL,
  CMSG_UDP_GRO,
  CMSG_UDP_SEGMENT,
  cmsg,
  iovec,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_MORE,
  MSG_PEEK,
  MSG_WAITFORONE,
  mmsghdr,
  sockaddr_in,
  sockopt,
  user_msghdr,
} from '../../../../kernel/net/msg.ts';
import { LOCALHOST, socketBench } from '../bench.ts';
import { A, Segment } from '../segment.ts';
import { put, set, text, udp } from '../user.ts';

const TO = new sockaddr_in(LOCALHOST, 7);

test('MSG_MORE and UDP_CORK: several calls, one datagram, to the address of the first', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const server = yield* udp(sys, 7);
    const fd = yield* udp(sys);
    const buffer = sys.mmap(256);
    expect(yield* sys.sendto(fd, buffer, put(sys, buffer, 'one '), MSG_MORE, TO)).toBe(4);
    expect(yield* sys.recv(server, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
    expect(yield* sys.sendto(fd, buffer, put(sys, buffer, 'two '), MSG_MORE, new sockaddr_in(LOCALHOST, 99))).toBe(4);
    expect(yield* sys.send(fd, buffer, put(sys, buffer, 'three'), 0)).toBe(5);
    expect(text(sys, buffer, yield* sys.recv(server, buffer, 64, 0))).toBe('one two three');
    yield* set(sys, fd, SOL_UDP, UDP_CORK, 1);
    yield* sys.sendto(fd, buffer, put(sys, buffer, 'a'), 0, TO);
    yield* sys.sendto(fd, buffer, put(sys, buffer, 'b'), 0, TO);
    expect(yield* sys.recv(server, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
    yield* set(sys, fd, SOL_UDP, UDP_CORK, 0);
    expect(text(sys, buffer, yield* sys.recv(server, buffer, 64, MSG_DONTWAIT))).toBe('ab');
    // Closed with something held back: it is lost, and nothing leaks.
    yield* sys.sendto(fd, buffer, 1, MSG_MORE, TO);
    yield* sys.close(fd);
  });
  expect(bench.kernel.init_net.ipv4.mib.UdpOutDatagrams).toBe(2);
  expect(bench.finish()).toEqual([]);
});

test('corked beyond 65507 bytes: EMSGSIZE, and all that was held back is lost', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const server = yield* udp(sys, 7);
    yield* set(sys, server, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20);
    const fd = yield* udp(sys);
    const buffer = sys.mmap(65536);
    expect(yield* sys.sendto(fd, buffer, 60_000, MSG_MORE, TO)).toBe(60_000);
    expect(yield* sys.sendto(fd, buffer, 5508, 0, TO)).toBe(-EMSGSIZE);
    expect(yield* sys.recv(server, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
    expect(yield* sys.sendto(fd, buffer, 65_507, 0, TO)).toBe(65_507);
    expect(yield* sys.recv(server, buffer, 65536, 0)).toBe(65_507);
    expect(yield* sys.sendto(fd, buffer, 65_508, 0, TO)).toBe(-EMSGSIZE);
  });
  expect(bench.finish()).toEqual([]);
});

test('UDP_SEGMENT: datagrams of that length, the last shorter; UDP_GRO takes them at once; by control message too', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const server = yield* udp(sys, 7);
    const fd = yield* udp(sys);
    const buffer = sys.mmap(4096);
    yield* set(sys, fd, SOL_UDP, UDP_SEGMENT, 1000);
    expect(yield* sys.sendto(fd, buffer, 2500, 0, TO)).toBe(2500);
    const sizes: number[] = [];
    for (let i = 0; i < 3; i++) sizes.push(yield* sys.recv(server, buffer, 4096, MSG_DONTWAIT));
    expect(sizes).toEqual([1000, 1000, 500]);
    yield* set(sys, server, SOL_UDP, UDP_GRO, 1);
    yield* set(sys, fd, SOL_UDP, UDP_SEGMENT, 0);
    const hdr = new user_msghdr();
    hdr.name = TO;
    hdr.base = buffer;
    hdr.length = 700;
    hdr.control = new cmsg();
    hdr.control.present = CMSG_UDP_SEGMENT;
    hdr.control.gso_size = 300;
    expect(yield* sys.sendmsg(fd, hdr, 0)).toBe(700);
    hdr.length = 4096;
    hdr.name = null;
    expect(yield* sys.recvmsg(server, hdr, 0)).toBe(700);
    expect([hdr.control.present, hdr.control.gso_size]).toEqual([CMSG_UDP_GRO, 300]);
    // More than 128 of them, or longer than the MTU.
    yield* set(sys, fd, SOL_UDP, UDP_SEGMENT, 1);
    expect(yield* sys.sendto(fd, buffer, 129, 0, TO)).toBe(-EINVAL);
  });
  expect(bench.finish()).toEqual([]);
});

test('control messages on the way out: TTL, TOS, source address; out of range EINVAL, no such device ENODEV', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const server = yield* udp(sys, 7);
    const fd = yield* udp(sys);
    for (const name of [IP_RECVTTL, IP_RECVTOS, IP_PKTINFO, IP_RECVORIGDSTADDR])
      yield* set(sys, server, SOL_IP, name, 1);
    const hdr = new user_msghdr();
    const control = new cmsg();
    const from = new sockaddr_in();
    hdr.base = sys.mmap(64);
    hdr.length = 2;
    hdr.control = control;
    hdr.name = TO;
    control.present = CMSG_TTL | CMSG_TOS | CMSG_PKTINFO;
    control.ttl = 9;
    control.tos = 0x28;
    control.ipi_spec_dst = 0x7f000009;
    expect(yield* sys.sendmsg(fd, hdr, 0)).toBe(2);
    for (const [bits, values, result] of [
      [CMSG_TTL, { ttl: 0 }, -EINVAL],
      [CMSG_TTL, { ttl: 256 }, -EINVAL],
      [CMSG_TOS, { tos: 256 }, -EINVAL],
      [CMSG_PKTINFO, { ipi_ifindex: 99 }, -ENODEV],
    ] as const) {
      Object.assign(control, { present: bits, ttl: 1, tos: 0, ipi_ifindex: 0, ...values });
      expect(yield* sys.sendmsg(fd, hdr, 0)).toBe(result);
    }
    hdr.name = from;
    expect(yield* sys.recvmsg(server, hdr, 0)).toBe(2);
    expect(control.present).toBe(CMSG_TTL | CMSG_TOS | CMSG_PKTINFO | CMSG_ORIGDSTADDR);
    expect([control.ttl, control.tos, control.ipi_addr, control.ipi_ifindex]).toEqual([9, 0x28, LOCALHOST, 1]);
    expect([control.orig_addr, control.orig_port]).toEqual([LOCALHOST, 7]);
    expect(from.sin_addr).toBe(0x7f000009);
    // No room for what it asked for.
    hdr.control = null;
    hdr.name = TO;
    yield* sys.sendmsg(fd, hdr, 0);
    hdr.name = null;
    expect(yield* sys.recvmsg(server, hdr, 0)).toBe(2);
    expect(hdr.flags).toBe(MSG_CTRUNC);
  });
  expect(bench.finish()).toEqual([]);
});

test('a message in pieces, received in other pieces; readv and writev', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const server = yield* udp(sys, 7);
    const fd = yield* udp(sys);
    yield* sys.connect(fd, TO);
    const at = sys.mmap(256);
    const out = [
      new iovec(at, put(sys, at, 'ab')),
      new iovec(at + 10, 0),
      new iovec(at + 20, put(sys, at + 20, 'cdef')),
      new iovec(at + 30, put(sys, at + 30, 'g')),
    ];
    const into = [new iovec(at + 100, 3), new iovec(at + 120, 100)];
    const hdr = new user_msghdr();
    hdr.iov = out;
    expect(yield* sys.sendmsg(fd, hdr, 0)).toBe(7);
    hdr.iov = into;
    expect(yield* sys.recvmsg(server, hdr, 0)).toBe(7);
    expect(text(sys, at + 100, 3) + text(sys, at + 120, 4)).toBe('abcdefg');
    expect(yield* sys.writev(fd, out)).toBe(7);
    expect(yield* sys.readv(server, into)).toBe(7);
    expect(text(sys, at + 120, 4)).toBe('defg');
    // An empty write is an empty datagram; an empty read takes nothing.
    expect(yield* sys.write(fd, at, 0)).toBe(0);
    expect(yield* sys.write(fd, at, 2)).toBe(2);
    const opt = new sockopt();
    expect(yield* sys.read(server, at, 0)).toBe(0);
    expect(yield* sys.ioctl(server, FIONREAD, opt)).toBe(0);
    expect(opt.value).toBe(0);
    expect(yield* sys.read(server, at, 10)).toBe(0);
    yield* sys.ioctl(server, FIONREAD, opt);
    expect(opt.value).toBe(2);
    expect(yield* sys.read(server, at, 10)).toBe(2);
    yield* sys.ioctl(fd, TIOCOUTQ, opt);
    expect(opt.value).toBe(0);
  });
  expect(bench.finish()).toEqual([]);
});

test('sendmmsg and recvmmsg: how many, each with its length; a failure later is kept for the next call', () => {
  const bench = socketBench();
  const { clock } = bench.kernel;
  bench.program(function* (sys) {
    const server = yield* udp(sys, 7);
    const fd = yield* udp(sys);
    const at = sys.mmap(4096);
    const messages = Array.from({ length: 4 }, (_, i) => {
      const message = new mmsghdr();
      message.hdr.base = at + i * 100;
      message.hdr.length = i + 1;
      message.hdr.name = i === 2 ? new sockaddr_in(LOCALHOST, 0) : TO;
      return message;
    });
    // The third has no port: two were sent.
    expect(yield* sys.sendmmsg(fd, messages, 4, 0)).toBe(2);
    expect(messages.map(({ len }) => len)).toEqual([1, 2, 0, 0]);
    expect(yield* sys.sendmmsg(fd, messages.slice(2), 2, 0)).toBe(-EINVAL);
    for (const message of messages) {
      message.hdr.name = null;
      message.hdr.length = 100;
    }
    expect(yield* sys.recvmmsg(server, messages, 4, MSG_WAITFORONE)).toBe(2);
    expect(messages.map(({ len }) => len)).toEqual([1, 2, 0, 0]);
    expect(yield* sys.recvmmsg(server, messages, 4, MSG_DONTWAIT)).toBe(-EAGAIN);
    // The timeout is looked at after each message: the first ends it.
    yield* sys.sendto(fd, at, 5, 0, TO);
    const start = clock.now;
    expect(yield* sys.recvmmsg(server, messages, 4, 0, 0)).toBe(1);
    expect(clock.now - start).toBeLessThan(1_000_000);
  });
  expect(bench.finish()).toEqual([]);
});

test('recvmmsg that blocks: what came stays while it waits for the rest', () => {
  const bench = socketBench({ costs: true });
  const got: number[] = [];
  bench.spawn(function* (sys) {
    const server = yield* udp(sys, 7);
    const at = sys.mmap(1024);
    const messages = Array.from({ length: 3 }, (_, i) => {
      const message = new mmsghdr();
      message.hdr.base = at + i * 100;
      message.hdr.length = 100;
      return message;
    });
    got.push(yield* sys.recvmmsg(server, messages, 3, 0), ...messages.map(({ len }) => len));
    return 0;
  });
  bench.spawn(function* (sys) {
    const fd = yield* udp(sys);
    const at = sys.mmap(64);
    for (let i = 1; i <= 3; i++) {
      yield* sys.nanosleep(1_000_000);
      yield* sys.sendto(fd, at, i, 0, TO);
    }
    return 0;
  });
  bench.run();
  expect(got).toEqual([3, 1, 2, 3]);
  expect(bench.finish()).toEqual([]);
});

test('SO_PEEK_OFF: each peek goes on where the last one ended; a read moves it back', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* udp(sys, 7);
    const at = sys.mmap(256);
    yield* sys.sendto(fd, at, put(sys, at, 'abcdef'), 0, TO);
    yield* sys.sendto(fd, at, put(sys, at, 'ghi'), 0, TO);
    yield* set(sys, fd, SOL_SOCKET, SO_PEEK_OFF, 0);
    const peeks: string[] = [];
    for (let i = 0; i < 4; i++) {
      const n = yield* sys.recv(fd, at, 4, MSG_PEEK | MSG_DONTWAIT);
      peeks.push(n < 0 ? 'EAGAIN' : text(sys, at, n));
    }
    expect(peeks).toEqual(['abcd', 'ef', 'ghi', 'EAGAIN']);
    expect(yield* sys.recv(fd, at, 64, 0)).toBe(6);
    yield* sys.sendto(fd, at, put(sys, at, 'j'), 0, TO);
    expect(text(sys, at, yield* sys.recv(fd, at, 64, MSG_PEEK))).toBe('j');
  });
  expect(bench.finish()).toEqual([]);
});

test('SO_RXQ_OVFL: how many were lost before a datagram', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* udp(sys, 7);
    const at = sys.mmap(256);
    yield* set(sys, fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    yield* set(sys, fd, SOL_SOCKET, 33, 0);
    for (let i = 0; i < 10; i++) yield* sys.sendto(fd, at, 1, 0, TO);
    const hdr = new user_msghdr();
    hdr.base = at;
    hdr.length = 10;
    hdr.control = new cmsg();
    let received = 0;
    while ((yield* sys.recvmsg(fd, hdr, MSG_DONTWAIT)) === 1) {
      received++;
      expect(hdr.control.present).toBe(0);
    }
    yield* sys.sendto(fd, at, 1, 0, TO);
    expect(yield* sys.recvmsg(fd, hdr, 0)).toBe(1);
    expect(hdr.control).toMatchObject({ present: CMSG_RXQ_OVFL, dropcount: 10 - received });
  });
  expect(bench.finish()).toEqual([]);
});

test('send buffer full: EAGAIN and a counter without waiting, else a wait until a packet has gone', () => {
  const segment = new Segment();
  const held: (() => void)[] = [];
  const { dev, kernel } = segment;
  const ops = dev.netdev_ops;
  Object.assign(dev, {
    netdev_ops: {
      ...ops,
      ndo_start_xmit(skb: Parameters<typeof ops.ndo_start_xmit>[0]) {
        held.push(() => void ops.ndo_start_xmit(skb, dev));
        return 0;
      },
    },
  });
  const release = (): void => {
    for (const send of held.splice(0)) send();
  };
  const log: (string | number)[] = [];
  segment.host.spawn('test', function* (sys) {
    const fd = yield* udp(sys);
    yield* set(sys, fd, SOL_SOCKET, SO_SNDBUF, 1);
    const at = sys.mmap(2048);
    const to = new sockaddr_in(A | 0xff, 7);
    yield* set(sys, fd, SOL_SOCKET, 6, 1);
    for (let i = 0; i < 3; i++) log.push(yield* sys.sendto(fd, at, 1000, MSG_DONTWAIT, to));
    log.push(yield* sys.sendto(fd, at, 1000, 0, to));
    log.push('woke');
    return 0;
  });
  segment.wait(1);
  expect(log).toEqual([1000, 1000, -EAGAIN]);
  expect(segment.net.ipv4.mib.UdpSndbufErrors).toBe(1);
  kernel.exec(release);
  segment.wait(1);
  expect(log).toEqual([1000, 1000, -EAGAIN, 1000, 'woke']);
  kernel.exec(release);
  segment.finish();
});
