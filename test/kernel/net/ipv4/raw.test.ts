import { expect, test } from 'vitest';
import {
  EADDRNOTAVAIL,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENOTCONN,
  EPROTONOSUPPORT,
} from '../../../../kernel/errno.ts';
import { FIONREAD } from '../../../../kernel/fs/file.ts';
import { IP_HDRINCL, IP_PKTINFO, IP_TTL, SOL_IP } from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import { proc_net_raw } from '../../../../kernel/net/ipv4/proc_socks.ts';
import { ICMP_FILTER, SOL_RAW } from '../../../../kernel/net/ipv4/raw.ts';
import {
  AF_INET,
  cmsg,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SOCK_RAW,
  sockaddr_in,
  sockopt,
  user_msghdr,
} from '../../../../kernel/net/msg.ts';
import type { Program } from '../../../../kernel/sched/task.ts';
import type { Syscalls } from '../../../../kernel/syscalls.ts';
import { LOCALHOST, socketBench } from '../bench.ts';
import { A, arpFrame, B, icmp, ipFrame, Segment } from '../segment.ts';
import { set } from '../user.ts';

/** A segment whose host knows A and runs a program; frames come half a second after it has started. */
function run(program: (sys: Syscalls) => Program, frames: Uint8Array[]): Segment {
  const segment = new Segment();
  segment.receive(arpFrame());
  segment.take();
  segment.host.spawn('test', program);
  segment.wait(0.5);
  for (const frame of frames) segment.receive(frame);
  segment.wait(2);
  return segment;
}

test('errnos of socket, bind, connect, send: as Linux', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    expect(yield* sys.socket(AF_INET, SOCK_RAW, 0)).toBe(-EPROTONOSUPPORT);
    expect(yield* sys.socket(AF_INET, SOCK_RAW, 263)).toBe(-EINVAL);
    const fd = yield* sys.socket(AF_INET, SOCK_RAW, 1);
    const name = new sockaddr_in();
    expect(yield* sys.getpeername(fd, name)).toBe(-ENOTCONN);
    expect(yield* sys.send(fd, sys.mmap(64), 3, 0)).toBe(-EDESTADDRREQ);
    expect(yield* sys.bind(fd, new sockaddr_in(0x09090909, 99))).toBe(-EADDRNOTAVAIL);
    expect(yield* sys.bind(fd, new sockaddr_in(LOCALHOST, 99))).toBe(0);
    expect(yield* sys.getsockname(fd, name)).toBe(0);
    // Its port is its protocol.
    expect([name.sin_addr, name.sin_port]).toEqual([LOCALHOST, 1]);
    expect(yield* sys.connect(fd, new sockaddr_in(LOCALHOST, 99))).toBe(0);
    expect(yield* sys.getpeername(fd, name)).toBe(0);
    expect([name.sin_addr, name.sin_port]).toEqual([LOCALHOST, 99]);
    expect(yield* sys.sendto(fd, sys.mmap(65536), 65516, 0, new sockaddr_in(LOCALHOST))).toBe(-EMSGSIZE);
    const own = yield* sys.socket(AF_INET, SOCK_RAW, 255);
    const buffer = sys.mmap(64);
    const { u8 } = sys.kernel.ram;
    for (const [first, length] of [
      [0x45, 11],
      [0x44, 31],
      [0x46, 20],
    ] as const) {
      u8[buffer] = first;
      expect(yield* sys.sendto(own, buffer, length, 0, new sockaddr_in(LOCALHOST))).toBe(-EINVAL);
    }
    // raw_probe_proto_opt wants an ICMP packet's type and code.
    const icmp = yield* sys.socket(AF_INET, SOCK_RAW, 1);
    for (const length of [0, 1]) {
      expect(yield* sys.sendto(icmp, buffer, length, 0, new sockaddr_in(LOCALHOST))).toBe(-EFAULT);
    }
    expect(yield* sys.sendto(icmp, buffer, 2, 0, new sockaddr_in(LOCALHOST))).toBe(2);
  });
  expect(bench.kernel.init_net.ipv4.raw.count).toBe(0);
  expect(bench.finish()).toEqual([]);
});

test('a packet of its protocol: the header and all, with MSG_TRUNC its length, IP_PKTINFO where it came in', () => {
  const seen: unknown[] = [];
  const segment = run(
    function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_RAW, 200);
      yield* set(sys, fd, SOL_IP, IP_PKTINFO, 1);
      const hdr = new user_msghdr();
      hdr.base = sys.mmap(64);
      hdr.length = 22;
      hdr.name = new sockaddr_in();
      hdr.control = new cmsg();
      seen.push(yield* sys.recvmsg(fd, hdr, MSG_TRUNC), hdr.flags & MSG_TRUNC);
      const { u8 } = sys.kernel.ram;
      seen.push(u8[hdr.base], u8[hdr.base + 9], u8[hdr.base + 20], u8[hdr.base + 21]);
      seen.push((hdr.name as sockaddr_in).sin_addr, (hdr.name as sockaddr_in).sin_port);
      seen.push(hdr.control.ipi_ifindex, hdr.control.ipi_addr, hdr.control.ipi_spec_dst);
      return 0;
    },
    [ipFrame([7, 8, 9], { protocol: 200 })],
  );
  expect(seen).toEqual([23, MSG_TRUNC, 0x45, 200, 7, 8, A, 0, 2, B, B]);
  // Somebody took it: no protocol unreachable.
  expect(segment.take()).toEqual([]);
  expect(segment.net.ipv4.mib).toMatchObject({ IpInUnknownProtos: 0, IpInDelivers: 1 });
  segment.finish();
});

test('RFC 1122 3.2.2.1: a protocol that nobody takes is told to the sender; with a raw socket for another address, too', () => {
  const segment = run(
    function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_RAW, 200);
      yield* sys.connect(fd, new sockaddr_in(0x0a010063, 0));
      yield* sys.nanosleep(1_000_000_000);
      return 0;
    },
    [ipFrame([7, 8, 9, 0, 0, 0, 0, 0], { protocol: 200 })],
  );
  const [answer] = segment.take();
  // Type 3, code 2.
  expect(answer?.slice(68, 72)).toBe('0302');
  segment.finish();
});

test('every matching socket gets a copy, the stack its own; ICMP_FILTER keeps types away', () => {
  const counts: number[] = [];
  const echo = ipFrame(icmp(8, 0, 0x00010001, [1, 2, 3, 4]));
  const reply = ipFrame(icmp(0, 0, 0x00010001, [1, 2, 3, 4]));
  const segment = run(
    function* (sys) {
      const fds: number[] = [];
      for (let i = 0; i < 4; i++) fds.push(yield* sys.socket(AF_INET, SOCK_RAW, 1));
      yield* set(sys, fds[1] as number, SOL_RAW, ICMP_FILTER, 1 << 8);
      yield* sys.bind(fds[2] as number, new sockaddr_in(LOCALHOST));
      yield* sys.connect(fds[3] as number, new sockaddr_in(A));
      yield* sys.nanosleep(1_000_000_000);
      const buffer = sys.mmap(64);
      for (const fd of fds) {
        let n = 0;
        while ((yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT)) > 0) n++;
        counts.push(n);
      }
      return 0;
    },
    [echo, reply],
  );
  expect(counts).toEqual([2, 1, 0, 2]);
  // The echo was answered all the same.
  expect(segment.take().map(frame => frame.slice(68, 72))).toEqual(['0000']);
  segment.finish();
});

test('a packet of its own: IP_TTL in the header, protocol from the socket', () => {
  const segment = run(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_RAW, 200);
    yield* set(sys, fd, SOL_IP, IP_TTL, 5);
    const buffer = sys.mmap(64);
    sys.kernel.ram.u8.set([0xaa, 0xbb], buffer);
    yield* sys.sendto(fd, buffer, 2, 0, new sockaddr_in(A));
    return 0;
  }, []);
  const [frame] = segment.take();
  expect(frame?.slice(28, 32)).toBe('4500');
  expect(frame?.slice(32, 36)).toBe('0016');
  expect(frame?.slice(44, 48)).toBe('05c8');
  expect(frame?.slice(68, 72)).toBe('aabb');
  segment.finish();
});

test('IP_HDRINCL: length, checksum, and, where they are 0, source and identification are filled in; the rest stays', () => {
  const segment = run(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_RAW, 200);
    yield* set(sys, fd, SOL_IP, IP_HDRINCL, 1);
    const buffer = sys.mmap(64);
    const { u8 } = sys.kernel.ram;
    // TOS 0x10, wrong length, id 0, TTL 3, protocol 77, wrong checksum, source 0, destination A.
    u8.set([0x45, 0x10, 9, 9, 0, 0, 0x40, 0, 3, 77, 1, 1, 0, 0, 0, 0, 10, 1, 0, 1, 0xde, 0xad], buffer);
    yield* sys.sendto(fd, buffer, 22, 0, new sockaddr_in(A));
    u8.set([0x12, 0x34], buffer + 4);
    u8.set([1, 2, 3, 4], buffer + 12);
    yield* sys.sendto(fd, buffer, 22, 0, new sockaddr_in(A));
    return 0;
  }, []);
  const [first, second] = segment.take() as [string, string];
  expect(first.slice(28, 36)).toBe('45100016');
  expect(first.slice(36, 40)).not.toBe('0000');
  expect(first.slice(40, 48)).toBe('4000034d');
  expect(first.slice(52, 60)).toBe('0a010002');
  expect(second.slice(36, 40)).toBe('1234');
  expect(second.slice(52, 60)).toBe('01020304');
  for (const frame of [first, second]) {
    const words = (frame.slice(28, 68).match(/.{4}/g) as string[]).map(word => Number.parseInt(word, 16));
    let sum = words.reduce((a, b) => a + b, 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    expect(sum).toBe(0xffff);
  }
  segment.finish();
});

test('/proc/net/raw shows them; FIONREAD tells the next packet with its header', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_RAW, 200);
    yield* sys.bind(fd, new sockaddr_in(LOCALHOST));
    yield* sys.sendto(fd, sys.mmap(64), 10, 0, new sockaddr_in(LOCALHOST));
    const opt = new sockopt();
    expect(yield* sys.ioctl(fd, FIONREAD, opt)).toBe(0);
    expect(opt.value).toBe(30);
    const lines = proc_net_raw(bench.kernel.init_net).split('\n');
    expect(lines[1]).toMatch(
      /^ 200: 0100007F:00C8 00000000:0000 07 00000000:[0-9A-F]{8} 00:00000000 00000000 +0 +0 0 2 /,
    );
  });
  expect(bench.finish()).toEqual([]);
});
