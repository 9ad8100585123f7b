/** ICMP errors at datagram sockets: pending errors and the error queue, as Linux 6.18 reports them. */
import { expect, test } from 'vitest';
import { EAGAIN, ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, EPROTO } from '../../../../kernel/errno.ts';
import { POLLERR, POLLIN, POLLOUT, pollfd } from '../../../../kernel/fs/select.ts';
import { SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_LOCAL } from '../../../../kernel/net/core/errqueue.ts';
import { SO_ERROR, SO_RCVBUF, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import { IP_MTU_DISCOVER, IP_RECVERR, SOL_IP } from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import {
  AF_INET,
  CMSG_RECVERR,
  cmsg,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_TRUNC,
  SOCK_DGRAM,
  SOCK_RAW,
  sockaddr_in,
  user_msghdr,
} from '../../../../kernel/net/msg.ts';
import type { Syscalls } from '../../../../kernel/syscalls.ts';
import { LOCALHOST, socketBench } from '../bench.ts';
import { A, B, icmp, ipFrame, Segment } from '../segment.ts';
import { get, put, type Step, set, text, udp } from '../user.ts';

/** A header with a name, control messages and `room` bytes. */
function header(sys: Syscalls, room = 100): user_msghdr {
  const hdr = new user_msghdr();
  hdr.name = new sockaddr_in();
  hdr.control = new cmsg();
  hdr.base = sys.mmap(room);
  hdr.length = room;
  return hdr;
}

function* events(sys: Syscalls, fd: number): Step<number> {
  const fds = [new pollfd(fd, POLLIN | POLLOUT)];
  yield* sys.poll(fds, 1, 0);
  return (fds[0] as pollfd).revents;
}

test('RFC 1122 4.1.3.3: port unreachable reaches a connected socket once; an unconnected one hears nothing', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const buffer = sys.mmap(64);
    const fd = yield* udp(sys);
    expect(yield* sys.connect(fd, new sockaddr_in(LOCALHOST, 9))).toBe(0);
    expect(yield* sys.send(fd, buffer, 1, 0)).toBe(1);
    expect(yield* sys.send(fd, buffer, 1, 0)).toBe(-ECONNREFUSED);
    expect(yield* sys.recv(fd, buffer, 1, MSG_DONTWAIT)).toBe(-EAGAIN);
    expect(yield* sys.send(fd, buffer, 1, 0)).toBe(1);
    expect(yield* events(sys, fd)).toBe(POLLERR | POLLOUT);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_ERROR)).toBe(ECONNREFUSED);
    expect(yield* events(sys, fd)).toBe(POLLOUT);
    const other = yield* udp(sys);
    expect(yield* sys.sendto(other, buffer, 1, 0, new sockaddr_in(LOCALHOST, 9))).toBe(1);
    expect(yield* sys.recv(other, buffer, 1, MSG_DONTWAIT)).toBe(-EAGAIN);
  });
  expect(bench.finish()).toEqual([]);
});

test('IP_RECVERR: the error, what was sent, where to, and who says so; POLLERR until it is read', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* udp(sys);
    const buffer = sys.mmap(64);
    yield* set(sys, fd, SOL_IP, IP_RECVERR, 1);
    expect(yield* sys.sendto(fd, buffer, put(sys, buffer, 'hello'), 0, new sockaddr_in(LOCALHOST, 9))).toBe(5);
    expect(yield* events(sys, fd)).toBe(POLLERR | POLLOUT);
    expect(yield* sys.recv(fd, buffer, 10, 0)).toBe(-ECONNREFUSED);
    // The pending error is gone, the queue is not.
    expect(yield* events(sys, fd)).toBe(POLLERR | POLLOUT);
    const hdr = header(sys);
    expect(yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE)).toBe(5);
    expect(text(sys, hdr.base, 5)).toBe('hello');
    expect(hdr.flags).toBe(MSG_ERRQUEUE);
    expect(hdr.name).toMatchObject({ sa_family: AF_INET, sin_addr: LOCALHOST, sin_port: 9 });
    expect(hdr.control).toMatchObject({
      present: CMSG_RECVERR,
      ee_errno: ECONNREFUSED,
      ee_origin: SO_EE_ORIGIN_ICMP,
      ee_type: 3,
      ee_code: 3,
      ee_info: 0,
      ee_offender: LOCALHOST,
    });
    expect(yield* events(sys, fd)).toBe(POLLOUT);
    expect(yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE)).toBe(-EAGAIN);
  });
  expect(bench.finish()).toEqual([]);
});

test('several errors queued: reading one makes the next the pending error; a short buffer cuts, with MSG_TRUNC', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* udp(sys);
    const buffer = sys.mmap(64);
    yield* set(sys, fd, SOL_IP, IP_RECVERR, 1);
    yield* sys.sendto(fd, buffer, put(sys, buffer, 'first'), 0, new sockaddr_in(LOCALHOST, 9));
    // A pending error would be the answer of this one.
    expect(yield* get(sys, fd, SOL_SOCKET, SO_ERROR)).toBe(ECONNREFUSED);
    yield* sys.sendto(fd, buffer, put(sys, buffer, 'second'), 0, new sockaddr_in(LOCALHOST, 10));
    expect(yield* get(sys, fd, SOL_SOCKET, SO_ERROR)).toBe(ECONNREFUSED);
    const hdr = header(sys, 3);
    expect(yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE)).toBe(3);
    expect(text(sys, hdr.base, 3)).toBe('fir');
    expect(hdr.flags).toBe(MSG_ERRQUEUE | MSG_TRUNC);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_ERROR)).toBe(ECONNREFUSED);
    expect(yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE)).toBe(3);
    expect((hdr.name as sockaddr_in).sin_port).toBe(10);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_ERROR)).toBe(0);
    // Turned off, the queue is emptied.
    yield* sys.sendto(fd, buffer, 1, 0, new sockaddr_in(LOCALHOST, 9));
    yield* set(sys, fd, SOL_IP, IP_RECVERR, 0);
    expect(yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE)).toBe(-EAGAIN);
  });
  expect(bench.finish()).toEqual([]);
});

test('the error queue shares the receive buffer: what does not fit is lost', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* udp(sys);
    const buffer = sys.mmap(64);
    yield* set(sys, fd, SOL_IP, IP_RECVERR, 1);
    yield* set(sys, fd, SOL_SOCKET, SO_RCVBUF, 1);
    let sent = 0;
    for (let i = 0; i < 20; i++) {
      if ((yield* sys.sendto(fd, buffer, 1, 0, new sockaddr_in(LOCALHOST, 9))) === 1) sent++;
    }
    const hdr = header(sys);
    let queued = 0;
    while ((yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE)) >= 0) queued++;
    expect(sent).toBe(10);
    expect(queued).toBeGreaterThan(0);
    expect(queued).toBeLessThan(sent);
  });
  expect(bench.finish()).toEqual([]);
});

test('IP_RECVERR and a message too long: EMSGSIZE, and what would fit, from this host itself', () => {
  const segment = new Segment();
  const { kernel } = segment;
  kernel.exec(() => {});
  const got: unknown[] = [];
  segment.host.spawn('test', function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* set(sys, fd, SOL_IP, IP_RECVERR, 1);
    yield* set(sys, fd, SOL_IP, IP_MTU_DISCOVER, 2);
    const hdr = header(sys);
    got.push(yield* sys.sendto(fd, sys.mmap(2000), 1473, 0, new sockaddr_in(A, 7)));
    got.push(yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE));
    const control = hdr.control as cmsg;
    got.push([control.ee_errno, control.ee_origin, control.ee_info, control.ee_offender]);
    got.push((hdr.name as sockaddr_in).sin_addr);
    return 0;
  });
  segment.wait(1);
  expect(got).toEqual([-EMSGSIZE, 0, [EMSGSIZE, SO_EE_ORIGIN_LOCAL, 1500, 0], A]);
  segment.finish();
});

/** A UDP header from B:7 to A:9, as an ICMP error quotes it, with its IP header and some payload. */
function quoted(): number[] {
  const udp = [0, 7, 0, 9, 0, 12, 0, 0, 0x61, 0x62, 0x63, 0x64];
  return [...ipFrame(udp, { src: B, dst: A, protocol: 17 }).subarray(14)];
}

for (const [name, type, code, info, connected, recverr] of [
  ['net unreachable', 3, 0, 0, 0, EHOSTUNREACH - 12],
  ['host unreachable', 3, 1, 0, 0, EHOSTUNREACH],
  ['protocol unreachable', 3, 2, 0, 92, 92],
  ['port unreachable', 3, 3, 0, ECONNREFUSED, ECONNREFUSED],
  ['fragmentation needed', 3, 4, 1400, EMSGSIZE, EMSGSIZE],
  ['source route failed', 3, 5, 0, 0, 95],
  ['prohibited', 3, 13, 0, EHOSTUNREACH, EHOSTUNREACH],
  ['source quench', 4, 0, 0, 0, 0],
  ['time exceeded', 11, 0, 0, 0, EHOSTUNREACH],
  ['parameter problem', 12, 0, 0, EPROTO, EPROTO],
] as const) {
  test(`RFC 1122 4.1.3.3: ${name}: what a connected socket hears without, and with IP_RECVERR`, () => {
    const segment = new Segment();
    const errors: number[] = [];
    const infos: number[] = [];
    segment.host.spawn('test', function* (sys) {
      for (const on of [0, 1]) {
        const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
        yield* sys.bind(fd, new sockaddr_in(B, 7));
        yield* sys.connect(fd, new sockaddr_in(A, 9));
        yield* set(sys, fd, SOL_IP, IP_RECVERR, on);
        yield* sys.nanosleep(1_000_000_000);
        errors.push(yield* get(sys, fd, SOL_SOCKET, SO_ERROR));
        const hdr = header(sys);
        if ((yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE)) >= 0) {
          infos.push((hdr.control as cmsg).ee_info);
          expect(text(sys, hdr.base, 4)).toBe('abcd');
        }
        yield* sys.close(fd);
      }
      return 0;
    });
    for (let i = 0; i < 2; i++) {
      segment.wait(0.5);
      segment.receive(ipFrame(icmp(type, code, info, quoted())));
      segment.wait(0.5);
    }
    segment.wait(1);
    expect(errors).toEqual([connected, recverr]);
    expect(infos).toEqual(recverr === 0 ? [] : [info]);
    segment.finish();
  });
}

test('an error about a packet of a raw socket: with IP_RECVERR, or connected and fatal', () => {
  const segment = new Segment();
  const got: number[] = [];
  segment.host.spawn('test', function* (sys) {
    const plain = yield* sys.socket(AF_INET, SOCK_RAW, 200);
    const connected = yield* sys.socket(AF_INET, SOCK_RAW, 200);
    yield* sys.connect(connected, new sockaddr_in(A, 0));
    const recverr = yield* sys.socket(AF_INET, SOCK_RAW, 200);
    yield* set(sys, recverr, SOL_IP, IP_RECVERR, 1);
    yield* sys.nanosleep(1_000_000_000);
    for (const fd of [plain, connected, recverr]) got.push(yield* get(sys, fd, SOL_SOCKET, SO_ERROR));
    const hdr = header(sys);
    got.push(yield* sys.recvmsg(recverr, hdr, MSG_ERRQUEUE));
    got.push((hdr.name as sockaddr_in).sin_port, (hdr.control as cmsg).ee_offender);
    return 0;
  });
  segment.wait(0.5);
  const inner = [...ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { src: B, dst: A, protocol: 200 }).subarray(14)];
  segment.receive(ipFrame(icmp(3, 2, 0, inner)));
  segment.wait(2);
  expect(got).toEqual([0, 92, 92, 8, 0, A]);
  segment.finish();
});

test('several errors: the pending one becomes that of the next in the queue, and goes with the last', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* udp(sys);
    const buffer = sys.mmap(64);
    const hdr = header(sys);
    yield* set(sys, fd, SOL_IP, IP_RECVERR, 1);
    const to = new sockaddr_in(LOCALHOST, 9);
    expect(yield* sys.sendto(fd, buffer, 1, 0, to)).toBe(1);
    expect(yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE)).toBe(1);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_ERROR)).toBe(0);
    for (let i = 0; i < 2; i++) {
      expect(yield* sys.sendto(fd, buffer, 1, 0, to)).toBe(1);
      expect(yield* get(sys, fd, SOL_SOCKET, SO_ERROR)).toBe(ECONNREFUSED);
    }
    expect(yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE)).toBe(1);
    expect(yield* sys.sendto(fd, buffer, 1, 0, to)).toBe(-ECONNREFUSED);
    expect(yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE)).toBe(1);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_ERROR)).toBe(0);
  });
  expect(bench.finish()).toEqual([]);
});
