import { describe, expect, test } from 'vitest';
import {
  EAGAIN,
  EINVAL,
  EMSGSIZE,
  ENETDOWN,
  ENODEV,
  ENXIO,
  EOPNOTSUPP,
  ESOCKTNOSUPPORT,
} from '../../../../kernel/errno.ts';
import { dev_close, dev_open } from '../../../../kernel/net/core/dev.ts';
import type { net_device } from '../../../../kernel/net/core/netdevice.ts';
import { PACKET_HOST, PACKET_OUTGOING, SKB_DROP_REASON } from '../../../../kernel/net/core/skbuff.ts';
import { SO_RCVBUF, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import {
  AF_INET,
  AF_PACKET,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  sockaddr_in,
  sockaddr_ll,
  sockopt,
} from '../../../../kernel/net/msg.ts';
import {
  PACKET_ADD_MEMBERSHIP,
  PACKET_DROP_MEMBERSHIP,
  PACKET_IGNORE_OUTGOING,
  PACKET_MR_PROMISC,
  PACKET_STATISTICS,
  SOL_PACKET,
} from '../../../../kernel/net/packet/af_packet.ts';
import type { Syscalls } from '../../../../kernel/syscalls.ts';
import { LOCALHOST, socketBench } from '../bench.ts';

type Step<T> = Generator<undefined, T, undefined>;

const ETH_P_ALL = 3;
const ETH_P_IP = 0x800;

/** Sends `n` datagrams of one byte to ourselves, where somebody takes them. */
function* traffic(sys: Syscalls, n: number): Step<void> {
  const server = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
  yield* sys.bind(server, new sockaddr_in(LOCALHOST, 7));
  const buffer = sys.mmap(64);
  for (let i = 0; i < n; i++) {
    yield* sys.sendto(server, buffer, 1, 0, new sockaddr_in(LOCALHOST, 7));
    expect(yield* sys.recv(server, buffer, 64, 0)).toBe(1);
  }
  yield* sys.close(server);
}

describe('receive', () => {
  test('ETH_P_ALL and SOCK_RAW: each frame on its way out and in, from the Ethernet header on', () => {
    const bench = socketBench();
    const { ram } = bench.kernel;
    bench.program(function* (sys) {
      const tap = yield* sys.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
      yield* traffic(sys, 1);
      const buffer = sys.mmap(256);
      const from = new sockaddr_ll();
      const types: number[] = [];
      for (let i = 0; i < 2; i++) {
        expect(yield* sys.recvfrom(tap, buffer, 256, 0, from)).toBe(14 + 20 + 8 + 1);
        expect([ram.u8[buffer + 12], ram.u8[buffer + 13], ram.u8[buffer + 14]]).toEqual([8, 0, 0x45]);
        expect([from.sll_ifindex, from.sll_protocol, from.sll_hatype, from.sll_halen]).toEqual([1, ETH_P_IP, 772, 6]);
        types.push(from.sll_pkttype);
      }
      expect(types).toEqual([PACKET_OUTGOING, PACKET_HOST]);
      expect(yield* sys.recv(tap, buffer, 256, MSG_DONTWAIT)).toBe(-EAGAIN);
      const opt = new sockopt();
      opt.value = 1;
      expect(yield* sys.setsockopt(tap, SOL_PACKET, PACKET_IGNORE_OUTGOING, opt)).toBe(0);
      yield* traffic(sys, 1);
      yield* sys.recvfrom(tap, buffer, 10, MSG_TRUNC, from);
      expect(from.sll_pkttype).toBe(PACKET_HOST);
      expect(yield* sys.recv(tap, buffer, 256, MSG_DONTWAIT)).toBe(-EAGAIN);
    });
    expect(bench.kernel.init_net.core.sockets).toBe(0);
    expect(bench.kernel.init_net.ptype_all.length).toBe(0);
    expect(bench.finish()).toEqual([]);
  });

  test('SOCK_DGRAM of one type: from the network header on, only what came in', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const tap = yield* sys.socket(AF_PACKET, SOCK_DGRAM, ETH_P_IP);
      yield* traffic(sys, 1);
      const buffer = sys.mmap(256);
      expect(yield* sys.recv(tap, buffer, 10, MSG_TRUNC)).toBe(29);
      expect(bench.kernel.ram.u8[buffer]).toBe(0x45);
      expect(yield* sys.recv(tap, buffer, 256, MSG_DONTWAIT)).toBe(-EAGAIN);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('ten taps see the same bytes, and IP is not disturbed', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const taps: number[] = [];
      for (let i = 0; i < 10; i++) {
        taps.push(
          yield* sys.socket(AF_PACKET, i % 2 === 0 ? SOCK_RAW : SOCK_DGRAM, i % 3 === 0 ? ETH_P_IP : ETH_P_ALL),
        );
      }
      yield* traffic(sys, 3);
      const buffer = sys.mmap(256);
      for (const [i, tap] of taps.entries()) {
        const frames: number[] = [];
        for (;;) {
          const n = yield* sys.recv(tap, buffer, 256, MSG_DONTWAIT);
          if (n < 0) break;
          frames.push(n);
        }
        expect(frames).toEqual(new Array(i % 3 === 0 ? 3 : 6).fill(i % 2 === 0 ? 43 : 29));
      }
    });
    expect(bench.finish()).toEqual([]);
  });

  test('a full receive buffer drops, counted for PACKET_STATISTICS, and the packet itself goes on', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const tap = yield* sys.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
      const opt = new sockopt();
      yield* sys.setsockopt(tap, SOL_SOCKET, SO_RCVBUF, opt);
      yield* traffic(sys, 10);
      expect(yield* sys.getsockopt(tap, SOL_PACKET, PACKET_STATISTICS, opt)).toBe(0);
      // 768 bytes each: the first one that finds 2304 or more in use is dropped.
      expect([opt.sec, opt.usec]).toEqual([20, 17]);
      yield* sys.getsockopt(tap, SOL_PACKET, PACKET_STATISTICS, opt);
      expect([opt.sec, opt.usec]).toEqual([0, 0]);
    });
    expect(bench.kernel.init_net.ipv4.mib.UdpInDatagrams).toBe(10);
    expect(bench.finish()).toEqual([]);
  });
});

describe('send', () => {
  test('a raw frame goes to the device, and what looks like IP is received', () => {
    const bench = socketBench();
    const { ram } = bench.kernel;
    bench.program(function* (sys) {
      const tap = yield* sys.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
      const buffer = sys.mmap(2048);
      ram.u8.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0xb5, 1, 2, 3], buffer);
      expect(yield* sys.send(tap, buffer, 17, 0)).toBe(-ENXIO);
      expect(yield* sys.bind(tap, new sockaddr_ll(1, 0x88b5))).toBe(0);
      expect(yield* sys.send(tap, buffer, 17, 0)).toBe(17);
      const from = new sockaddr_ll();
      expect(yield* sys.recvfrom(tap, buffer + 1024, 1024, 0, from)).toBe(17);
      expect(from.sll_protocol).toBe(0x88b5);
      expect(yield* sys.recv(tap, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
      expect(yield* sys.send(tap, buffer, 13, 0)).toBe(-EINVAL);
      const cooked = yield* sys.socket(AF_PACKET, SOCK_DGRAM, 0);
      const to = new sockaddr_ll(1, 0x88b5);
      expect(yield* sys.sendto(cooked, buffer, 3, 0, to)).toBe(-EINVAL);
      to.sll_halen = 6;
      expect(yield* sys.sendto(cooked, buffer, 3, 0, to)).toBe(3);
      expect(yield* sys.recv(tap, buffer, 64, 0)).toBe(17);
      expect(yield* sys.sendto(tap, buffer, 17, 0, new sockaddr_in())).toBe(-EINVAL);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('longer than the device’s MTU, or the device is down', () => {
    const bench = socketBench();
    const { kernel } = bench;
    const lo = kernel.init_net.loopback_dev as net_device;
    bench.program(function* (sys) {
      const tap = yield* sys.socket(AF_PACKET, SOCK_RAW, ETH_P_IP);
      yield* sys.bind(tap, new sockaddr_ll(1, 0));
      const buffer = sys.mmap(4096);
      lo.mtu = 1500;
      expect(yield* sys.send(tap, buffer, 1515, 0)).toBe(-EMSGSIZE);
      kernel.ram.u8.set([0x81, 0], buffer + 12);
      expect(yield* sys.send(tap, buffer, 1518, 0)).toBe(1518);
      expect(yield* sys.send(tap, buffer, 1519, 0)).toBe(-EMSGSIZE);
      dev_close(lo);
      expect(yield* sys.send(tap, buffer, 100, 0)).toBe(-ENETDOWN);
      expect(yield* sys.recv(tap, buffer, 100, 0)).toBe(-ENETDOWN);
      dev_open(lo);
      expect(yield* sys.send(tap, buffer, 100, 0)).toBe(100);
    });
    expect(kernel.init_net.drops[SKB_DROP_REASON.UNHANDLED_PROTO]).toBe(2);
    expect(bench.finish()).toEqual([]);
  });
});

test('bind, getsockname and memberships', () => {
  const bench = socketBench();
  const lo = bench.kernel.init_net.loopback_dev as net_device;
  bench.program(function* (sys) {
    expect(yield* sys.socket(AF_PACKET, SOCK_STREAM, 0)).toBe(-ESOCKTNOSUPPORT);
    const tap = yield* sys.socket(AF_PACKET, SOCK_RAW, 0);
    yield* traffic(sys, 1);
    expect(yield* sys.recv(tap, 0, 0, MSG_DONTWAIT)).toBe(-EAGAIN);
    expect(yield* sys.bind(tap, new sockaddr_ll(99, ETH_P_ALL))).toBe(-ENODEV);
    expect(yield* sys.bind(tap, new sockaddr_in())).toBe(-EINVAL);
    expect(yield* sys.bind(tap, new sockaddr_ll(1, ETH_P_ALL))).toBe(0);
    const name = new sockaddr_ll();
    expect(yield* sys.getsockname(tap, name)).toBe(0);
    expect([name.sll_ifindex, name.sll_protocol, name.sll_hatype, name.sll_halen]).toEqual([1, ETH_P_ALL, 772, 6]);
    expect(yield* sys.getpeername(tap, name)).toBe(-EOPNOTSUPP);
    expect(yield* sys.connect(tap, name)).toBe(-EOPNOTSUPP);
    const opt = new sockopt();
    opt.sec = 1;
    opt.usec = PACKET_MR_PROMISC;
    expect(yield* sys.setsockopt(tap, SOL_PACKET, PACKET_ADD_MEMBERSHIP, opt)).toBe(0);
    expect(yield* sys.setsockopt(tap, SOL_PACKET, PACKET_ADD_MEMBERSHIP, opt)).toBe(0);
    expect(yield* sys.setsockopt(tap, SOL_PACKET, PACKET_DROP_MEMBERSHIP, opt)).toBe(0);
    expect(lo.promiscuity).toBe(1);
  });
  // The program has ended: its memberships with it.
  expect(lo.promiscuity).toBe(0);
  expect(bench.finish()).toEqual([]);
});
