/** What udp_rcv makes of packets that no sender of ours would make: raw frames through the loopback. */
import { expect, test } from 'vitest';
import { buildEthernet } from '../../../../harness/packet/ethernet.ts';
import { buildIpv4Packet } from '../../../../harness/packet/ipv4.ts';
import { buildUdp } from '../../../../harness/packet/udp.ts';
import { EAGAIN } from '../../../../kernel/errno.ts';
import { POLLIN, pollfd } from '../../../../kernel/fs/select.ts';
import { BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_LEN, BPF_RET, BPF_W } from '../../../../kernel/net/core/filter.ts';
import { SKB_DROP_REASON } from '../../../../kernel/net/core/skbuff.ts';
import { SO_ATTACH_FILTER, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import { IP_PKTINFO, IP_RECVTTL, SOL_IP } from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import {
  AF_INET,
  AF_PACKET,
  CMSG_PKTINFO,
  CMSG_TTL,
  cmsg,
  MSG_DONTWAIT,
  MSG_PEEK,
  MSG_TRUNC,
  SOCK_DGRAM,
  SOCK_RAW,
  sockaddr_in,
  sockaddr_ll,
  sockopt,
  user_msghdr,
} from '../../../../kernel/net/msg.ts';
import type { Syscalls } from '../../../../kernel/syscalls.ts';
import { LOCALHOST, socketBench } from '../bench.ts';

type Step<T> = Generator<undefined, T, undefined>;

const UDP_AT = 34;

/** A frame from port 5 to port 7 on the loopback with `length` bytes of payload; `damage` may change it. */
function frame(length: number, damage: (bytes: Uint8Array) => void = () => {}, ttl = 64): Uint8Array {
  const ends = { source: '127.0.0.1', destination: '127.0.0.1' };
  const payload = Uint8Array.from({ length }, (_, i) => i & 255);
  const bytes = buildEthernet({
    destination: '00:00:00:00:00:00',
    source: '00:00:00:00:00:00',
    etherType: 0x800,
    payload: buildIpv4Packet({
      ...ends,
      protocol: 17,
      timeToLive: ttl,
      payload: buildUdp({ sourcePort: 5, destinationPort: 7, payload }, ends),
    }),
  });
  damage(bytes);
  return bytes;
}

const wrongByte = (bytes: Uint8Array): void => {
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
};

class Peer {
  readonly sys: Syscalls;
  fd = -1;
  private raw = -1;
  readonly buffer: number;

  constructor(sys: Syscalls) {
    this.sys = sys;
    this.buffer = sys.mmap(4096);
  }

  *open(): Step<void> {
    const { sys } = this;
    // Without a route of their own, packets from 127.0.0.1 are martians.
    const { devconf_all } = sys.kernel.init_net.ipv4;
    devconf_all.route_localnet = 1;
    devconf_all.accept_local = 1;
    this.fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* sys.bind(this.fd, new sockaddr_in(LOCALHOST, 7));
    this.raw = yield* sys.socket(AF_PACKET, SOCK_RAW, 0);
    yield* sys.bind(this.raw, new sockaddr_ll(1, 0));
  }

  *inject(bytes: Uint8Array): Step<void> {
    this.sys.kernel.ram.u8.set(bytes, this.buffer + 2048);
    expect(yield* this.sys.send(this.raw, this.buffer + 2048, bytes.length, 0)).toBe(bytes.length);
  }

  *receive(flags = MSG_DONTWAIT): Step<number> {
    return yield* this.sys.recv(this.fd, this.buffer, 2048, flags);
  }
}

test('right checksum, no checksum, and padding behind the datagram: delivered', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const peer = new Peer(sys);
    yield* peer.open();
    yield* peer.inject(frame(20));
    yield* peer.inject(frame(200));
    yield* peer.inject(
      frame(200, bytes => {
        bytes.fill(0, UDP_AT + 6, UDP_AT + 8);
        wrongByte(bytes);
      }),
    );
    const padded = new Uint8Array(60);
    padded.set(frame(3));
    yield* peer.inject(padded);
    expect(yield* peer.receive()).toBe(20);
    expect(yield* peer.receive()).toBe(200);
    expect(yield* peer.receive()).toBe(200);
    expect(yield* peer.receive()).toBe(3);
    expect(yield* peer.receive()).toBe(-EAGAIN);
  });
  const { mib } = bench.kernel.init_net.ipv4;
  expect([mib.UdpInDatagrams, mib.UdpInErrors, mib.UdpInCsumErrors]).toEqual([4, 0, 0]);
  expect(bench.finish()).toEqual([]);
});

test('wrong checksum: a short packet is dropped on arrival, a long one when it is read, and the reader goes on', () => {
  const bench = socketBench();
  const { mib } = bench.kernel.init_net.ipv4;
  const { drops } = bench.kernel.init_net;
  bench.program(function* (sys) {
    const peer = new Peer(sys);
    yield* peer.open();
    yield* peer.inject(frame(20, wrongByte));
    expect([mib.UdpInCsumErrors, mib.UdpInErrors, drops[SKB_DROP_REASON.UDP_CSUM]]).toEqual([1, 1, 1]);
    yield* peer.inject(frame(200, wrongByte));
    yield* peer.inject(frame(201, wrongByte));
    yield* peer.inject(frame(202));
    expect(mib.UdpInCsumErrors).toBe(1);
    expect(yield* peer.receive(MSG_PEEK)).toBe(202);
    expect([mib.UdpInCsumErrors, mib.UdpInErrors, drops[SKB_DROP_REASON.UDP_CSUM]]).toEqual([3, 3, 3]);
    expect(yield* peer.receive()).toBe(202);
    // poll of a blocking socket looks first.
    yield* peer.inject(frame(200, wrongByte));
    expect(yield* sys.poll([new pollfd(peer.fd, POLLIN)], 1, 0)).toBe(0);
    expect(mib.UdpInCsumErrors).toBe(4);
  });
  expect(mib.UdpInDatagrams).toBe(1);
  expect(bench.finish()).toEqual([]);
});

test('wrong checksum and nobody there: no ICMP, and no UdpNoPorts', () => {
  const bench = socketBench();
  const { mib } = bench.kernel.init_net.ipv4;
  bench.program(function* (sys) {
    const peer = new Peer(sys);
    yield* peer.open();
    yield* sys.close(peer.fd);
    yield* peer.inject(frame(200, wrongByte));
    expect([mib.UdpInCsumErrors, mib.UdpNoPorts, mib.IcmpOutMsgs]).toEqual([1, 0, 0]);
    yield* peer.inject(frame(200));
    expect([mib.UdpInCsumErrors, mib.UdpNoPorts, mib.IcmpOutMsgs]).toEqual([1, 1, 1]);
  });
  expect(bench.finish()).toEqual([]);
});

test('a length that cannot be is PKT_TOO_SMALL', () => {
  const bench = socketBench();
  const { mib } = bench.kernel.init_net.ipv4;
  bench.program(function* (sys) {
    const peer = new Peer(sys);
    yield* peer.open();
    const length = (value: number) => (bytes: Uint8Array) => bytes.set([value >> 8, value & 255], UDP_AT + 4);
    yield* peer.inject(frame(20, length(29)));
    yield* peer.inject(frame(20, length(7)));
    expect(yield* peer.receive()).toBe(-EAGAIN);
  });
  expect(mib.UdpInErrors).toBe(2);
  expect(bench.kernel.init_net.drops[SKB_DROP_REASON.PKT_TOO_SMALL]).toBe(2);
  expect(bench.finish()).toEqual([]);
});

test('a filter sees the UDP header; what it refuses is dropped, what it cuts is cut', () => {
  const bench = socketBench();
  const { mib } = bench.kernel.init_net.ipv4;
  bench.program(function* (sys) {
    const peer = new Peer(sys);
    yield* peer.open();
    // Refuses what is 28 bytes long, cuts the rest to 12.
    const filter = new sockopt();
    filter.filter = [
      { code: BPF_LD | BPF_W | BPF_LEN, jt: 0, jf: 0, k: 0 },
      { code: BPF_JMP | BPF_JEQ | BPF_K, jt: 0, jf: 1, k: 28 },
      { code: BPF_RET | BPF_K, jt: 0, jf: 0, k: 0 },
      { code: BPF_RET | BPF_K, jt: 0, jf: 0, k: 12 },
    ];
    expect(yield* sys.setsockopt(peer.fd, SOL_SOCKET, SO_ATTACH_FILTER, filter)).toBe(0);
    yield* peer.inject(frame(20));
    yield* peer.inject(frame(21));
    expect(yield* peer.receive(MSG_DONTWAIT | MSG_TRUNC)).toBe(4);
    expect(yield* peer.receive()).toBe(-EAGAIN);
  });
  expect(mib.UdpInErrors).toBe(1);
  expect(bench.kernel.init_net.drops[SKB_DROP_REASON.SOCKET_FILTER]).toBe(1);
  expect(bench.finish()).toEqual([]);
});

test('control messages: the packet’s TTL and where it came in', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const peer = new Peer(sys);
    yield* peer.open();
    const on = new sockopt();
    on.value = 1;
    expect(yield* sys.setsockopt(peer.fd, SOL_IP, IP_RECVTTL, on)).toBe(0);
    expect(yield* sys.setsockopt(peer.fd, SOL_IP, IP_PKTINFO, on)).toBe(0);
    yield* peer.inject(frame(20, () => {}, 17));
    const hdr = new user_msghdr();
    hdr.name = new sockaddr_in();
    hdr.base = peer.buffer;
    hdr.length = 10;
    hdr.control = new cmsg();
    expect(yield* sys.recvmsg(peer.fd, hdr, 0)).toBe(10);
    expect(hdr.flags).toBe(MSG_TRUNC);
    expect((hdr.name as sockaddr_in).sin_port).toBe(5);
    const { present, ttl, ipi_ifindex, ipi_addr } = hdr.control;
    expect([present, ttl, ipi_ifindex, ipi_addr]).toEqual([CMSG_TTL | CMSG_PKTINFO, 17, 1, LOCALHOST]);
  });
  expect(bench.finish()).toEqual([]);
});
