/** What RFC 768 and RFC 1122 4.1 demand of UDP, frame by frame on a segment; addresses are A's and B's. */
import { expect, test } from 'vitest';
import { internetChecksum as checksum } from '../../../../harness/packet/checksum.ts';
import { EADDRNOTAVAIL } from '../../../../kernel/errno.ts';
import { SO_NO_CHECK, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import {
  IP_OPTIONS,
  IP_PKTINFO,
  IP_RECVOPTS,
  IP_RECVTTL,
  IP_TOS,
  IP_TTL,
  SOL_IP,
} from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import {
  AF_INET,
  CMSG_PKTINFO,
  cmsg,
  MSG_DONTWAIT,
  SOCK_DGRAM,
  sockaddr_in,
  sockopt,
  user_msghdr,
} from '../../../../kernel/net/msg.ts';
import type { Syscalls } from '../../../../kernel/syscalls.ts';
import { A, ALL, arpFrame, B, type Ip, ipFrame, Segment } from '../segment.ts';
import { put, type Step, set } from '../user.ts';

const PORT = 7;
const be16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
const be32 = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

interface Udp {
  sport?: number;
  dport?: number;
  length?: number;
  checksum?: number;
}

/** A UDP packet from A to B (or where `ip` says), right but for what is overridden. */
function udp(data: number[], udp: Udp = {}, ip: Ip = {}): number[] {
  const length = udp.length ?? 8 + data.length;
  const header = [...be16(udp.sport ?? 5000), ...be16(udp.dport ?? PORT), ...be16(length), 0, 0];
  const pseudo = [...be32(ip.src ?? A), ...be32(ip.dst ?? B), 0, 17, ...be16(8 + data.length)];
  const sum = checksum(Uint8Array.from([...pseudo, ...header, ...data]));
  return [...header.slice(0, 6), ...be16(udp.checksum ?? (sum === 0 ? 0xffff : sum)), ...data];
}

const datagram = (data: number[], header: Udp = {}, ip: Ip = {}): Uint8Array =>
  ipFrame(udp(data, header, ip), { protocol: 17, ...ip });

/** A host with a socket on port 7; `frames` come, then `program` goes on with the socket. */
function receive(frames: Uint8Array[], program: (sys: Syscalls, fd: number) => Step<void>): Segment {
  const segment = new Segment();
  segment.receive(arpFrame());
  segment.take();
  segment.host.spawn('test', function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* sys.bind(fd, new sockaddr_in(0, PORT));
    yield* set(sys, fd, SOL_IP, IP_PKTINFO, 1);
    yield* set(sys, fd, SOL_IP, IP_RECVTTL, 1);
    yield* set(sys, fd, SOL_IP, IP_RECVOPTS, 1);
    yield* sys.nanosleep(1_000_000_000);
    yield* program(sys, fd);
    return 0;
  });
  segment.wait(0.5);
  for (const frame of frames) segment.receive(frame);
  segment.wait(2);
  return segment;
}

/** The payloads that reached the socket. */
function payloads(frames: Uint8Array[]): { got: number[][]; segment: Segment } {
  const got: number[][] = [];
  const segment = receive(frames, function* (sys, fd) {
    const at = sys.mmap(2048);
    for (;;) {
      const n = yield* sys.recv(fd, at, 2048, MSG_DONTWAIT);
      if (n < 0) return;
      got.push([...sys.kernel.ram.u8.slice(at, at + n)]);
    }
  });
  return { got, segment };
}

test('RFC 768: a checksum of zero means that none was made: delivered', () => {
  const { got, segment } = payloads([datagram([1, 2, 3], { checksum: 0 })]);
  expect(got).toEqual([[1, 2, 3]]);
  segment.finish();
});

test('RFC 1122 4.1.3.4: a wrong checksum: discarded in silence, counted, no ICMP even where nobody listens', () => {
  const { got, segment } = payloads([
    datagram([1, 2, 3], { checksum: 0x1234 }),
    datagram([1, 2, 3], { checksum: 0x1234, dport: 99 }),
  ]);
  expect(got).toEqual([]);
  expect(segment.take()).toEqual([]);
  expect(segment.drops).toEqual(['UDP_CSUM', 'UDP_CSUM']);
  expect(segment.net.ipv4.mib).toMatchObject({ UdpInCsumErrors: 2, UdpInErrors: 2, UdpNoPorts: 0 });
  segment.finish();
});

test('RFC 768: length: beyond the packet and below the header discarded; within it, the rest is padding', () => {
  const { got, segment } = payloads([
    datagram([1, 2, 3], { length: 12, checksum: 0 }),
    datagram([1, 2, 3], { length: 7, checksum: 0 }),
    datagram([1, 2, 3], { length: 10, checksum: 0 }),
    datagram([], {}),
  ]);
  expect(got).toEqual([[1, 2], []]);
  expect(segment.drops).toEqual(['PKT_TOO_SMALL', 'PKT_TOO_SMALL']);
  expect(segment.net.ipv4.mib).toMatchObject({ UdpInErrors: 2, UdpInDatagrams: 2 });
  segment.finish();
});

test('RFC 1122 4.1.3.1: nobody on the port: ICMP port unreachable with the whole datagram; none for a broadcast', () => {
  const { segment } = payloads([
    datagram([1, 2, 3], { dport: 99 }),
    datagram([1, 2, 3], { dport: 99 }, { dst: B | 0xff, to: ALL }),
  ]);
  const sent = segment.take();
  expect(sent.length).toBe(1);
  expect(sent[0]?.slice(68, 72)).toBe('0303');
  expect(sent[0]?.slice(84)).toBe(Buffer.from(datagram([1, 2, 3], { dport: 99 }).subarray(14)).toString('hex'));
  expect(segment.net.ipv4.mib).toMatchObject({ UdpNoPorts: 1, UdpIgnoredMulti: 1 });
  segment.finish();
});

test('RFC 1122 4.1.3.2: options in the header reach the program, and the program sends its own', () => {
  const options: number[][] = [];
  const segment = receive([datagram([1], {}, { options: [7, 7, 4, 0, 0, 0, 0, 0] })], function* (sys, fd) {
    const hdr = new user_msghdr();
    hdr.base = sys.mmap(64);
    hdr.length = 64;
    hdr.control = new cmsg();
    expect(yield* sys.recvmsg(fd, hdr, MSG_DONTWAIT)).toBe(1);
    options.push([...hdr.control.opt.slice(0, hdr.control.opt_len)].slice(0, 2));
    const opt = new sockopt();
    opt.bytes = Uint8Array.of(0x94, 4, 0, 0);
    expect(yield* sys.setsockopt(fd, SOL_IP, IP_OPTIONS, opt)).toBe(0);
    yield* sys.sendto(fd, hdr.base, 1, 0, new sockaddr_in(A, 9));
  });
  expect(options).toEqual([[7, 7]]);
  const [frame] = segment.take();
  expect(frame?.slice(28, 30)).toBe('46');
  expect(frame?.slice(68, 76)).toBe('94040000');
  expect(frame?.slice(76, 84)).toBe('00070009');
  segment.finish();
});

test('RFC 1122 4.1.3.4: a checksum is made by default; a sum of zero is sent as all ones; a program may turn it off', () => {
  const segment = receive([], function* (sys, fd) {
    const at = sys.mmap(64);
    const to = new sockaddr_in(A, 9);
    yield* sys.sendto(fd, at, put(sys, at, 'abc'), 0, to);
    // Two bytes that make the sum zero: what is missing to all ones.
    const { u8 } = sys.kernel.ram;
    const header = [...be32(B), ...be32(A), 0, 17, 0, 10, ...be16(PORT), 0, 9, 0, 10, 0, 0];
    u8.set(be16(checksum(Uint8Array.from(header))), at);
    yield* sys.sendto(fd, at, 2, 0, to);
    yield* set(sys, fd, SOL_SOCKET, SO_NO_CHECK, 1);
    yield* sys.sendto(fd, at, 2, 0, to);
  });
  const [first, second, third] = segment.take() as [string, string, string];
  const expected = udp([0x61, 0x62, 0x63], { sport: PORT, dport: 9 }, { src: B, dst: A });
  expect(first.slice(68)).toBe(Buffer.from(expected).toString('hex'));
  expect(second.slice(80, 84)).toBe('ffff');
  expect(third.slice(80, 84)).toBe('0000');
  segment.finish();
});

test('RFC 1122 4.1.3.5: the address a datagram was sent to is told; a program chooses the one it sends from', () => {
  const seen: number[] = [];
  const segment = receive([datagram([1], {}, { dst: B | 0xff, to: ALL })], function* (sys, fd) {
    const hdr = new user_msghdr();
    const control = new cmsg();
    const from = new sockaddr_in();
    Object.assign(hdr, { base: sys.mmap(64), length: 64, control, name: from });
    yield* sys.recvmsg(fd, hdr, MSG_DONTWAIT);
    seen.push(control.ipi_addr, control.ipi_spec_dst, from.sin_addr, from.sin_port);
    control.present = CMSG_PKTINFO;
    control.ipi_ifindex = 0;
    hdr.length = 1;
    yield* sys.sendmsg(fd, hdr, 0);
    expect(yield* sys.bind(yield* sys.socket(AF_INET, SOCK_DGRAM, 0), new sockaddr_in(A, 1))).toBe(-EADDRNOTAVAIL);
  });
  expect(seen).toEqual([B | 0xff, B, A, 5000]);
  expect(segment.take()[0]?.slice(52, 60)).toBe('0a010002');
  segment.finish();
});

test('RFC 1122 4.1.3.6: an invalid source address (a group, a broadcast, 127.0.0.1): discarded', () => {
  const { got, segment } = payloads(
    [0xe0000001, 0xffffffff, 0x7f000001].map(src => datagram([1], {}, { src: src | 0 })),
  );
  expect(got).toEqual([]);
  expect(segment.drops.length).toBe(3);
  expect(segment.take()).toEqual([]);
  segment.finish();
});

test('RFC 1122 4.1.4: a program sets TTL, TOS and options of what it sends, and sees the TTL of what comes', () => {
  const ttls: number[] = [];
  const segment = receive([datagram([1], {}, { ttl: 33 })], function* (sys, fd) {
    const hdr = new user_msghdr();
    hdr.base = sys.mmap(64);
    hdr.length = 64;
    hdr.control = new cmsg();
    yield* sys.recvmsg(fd, hdr, MSG_DONTWAIT);
    ttls.push(hdr.control.ttl);
    yield* set(sys, fd, SOL_IP, IP_TTL, 9);
    yield* set(sys, fd, SOL_IP, IP_TOS, 0x10);
    yield* sys.sendto(fd, hdr.base, 1, 0, new sockaddr_in(A, 9));
  });
  expect(ttls).toEqual([33]);
  const [frame] = segment.take();
  expect(frame?.slice(30, 32)).toBe('10');
  expect(frame?.slice(44, 46)).toBe('09');
  segment.finish();
});
