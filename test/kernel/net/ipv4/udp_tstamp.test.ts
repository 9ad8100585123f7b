/** When datagrams were sent (SO_TIMESTAMPING): what UDP, ping and raw sockets find on their error queue, as Linux 6.18 does. */
import { expect, test } from 'vitest';
import { DrillHost } from '../../../../harness/drill/api.ts';
import { EINVAL, ENOMSG } from '../../../../kernel/errno.ts';
import { SO_EE_ORIGIN_TIMESTAMPING } from '../../../../kernel/net/core/errqueue.ts';
import {
  SCM_TSTAMP_SCHED,
  SCM_TSTAMP_SND,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_SOFTWARE,
  SOF_TIMESTAMPING_TX_SCHED,
  SOF_TIMESTAMPING_TX_SOFTWARE,
} from '../../../../kernel/net/core/skb_tstamp.ts';
import { SO_RCVBUF, SO_TIMESTAMPING, SOL_SOCKET } from '../../../../kernel/net/core/sock_options.ts';
import { SOL_UDP, UDP_SEGMENT } from '../../../../kernel/net/ipv4/udp.ts';
import {
  AF_INET,
  CMSG_TIMESTAMPING,
  cmsg,
  MSG_CMSG_CLOEXEC,
  MSG_ERRQUEUE,
  SOCK_DGRAM,
  SOCK_RAW,
  sockaddr_in,
  user_msghdr,
} from '../../../../kernel/net/msg.ts';
import { LOCALHOST, socketBench } from '../bench.ts';
import { set, udp } from '../user.ts';

const MSG_DONTWAIT = 0x40;
const BOTH = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
const PEER = { address: '192.168.0.9', port: 99 };
const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

/** All that waits on the error queue: bytes, ee_errno, ee_origin, ee_info, ee_data. */
function stamps(host: DrillHost, fd: number): number[][] {
  const all: number[][] = [];
  for (;;) {
    const got = host.recvmsg(fd, [2000], MSG_ERRQUEUE | MSG_DONTWAIT);
    if (got.result < 0) return all;
    const { control = [], flags } = got.value ?? {};
    expect(flags).toBe(MSG_ERRQUEUE);
    expect(control.map(({ level, type, data }) => [level, type, data.length])).toEqual([
      [SOL_SOCKET, SO_TIMESTAMPING, 48],
      [0, 11, 32],
    ]);
    const view = new DataView((control[1] as { data: Uint8Array }).data.buffer);
    all.push([
      got.result,
      view.getUint32(0, true),
      view.getUint8(4),
      view.getUint32(8, true),
      view.getUint32(12, true),
    ]);
  }
}

const stamp = (length: number, what: number, id: number): number[] => [
  length,
  ENOMSG,
  SO_EE_ORIGIN_TIMESTAMPING,
  what,
  id,
];

test.each([
  ['UDP', SOCK_DGRAM, 17, 46],
  ['raw', SOCK_RAW, 99, 38],
] as const)('%s, two datagrams with OPT_ID: each twice, the whole frame, numbered', (_name, type, protocol, length) => {
  const host = new DrillHost();
  const fd = host.socket(AF_INET, type, protocol).result;
  host.sendto(fd, new Uint8Array(4), 0, PEER);
  expect(stamps(host, fd)).toEqual([]);
  host.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, int(BOTH | SOF_TIMESTAMPING_OPT_ID));
  for (let i = 0; i < 2; i++) host.sendto(fd, new Uint8Array(4), 0, PEER);
  expect(stamps(host, fd)).toEqual([
    stamp(length, SCM_TSTAMP_SCHED, 0),
    stamp(length, SCM_TSTAMP_SND, 0),
    stamp(length, SCM_TSTAMP_SCHED, 1),
    stamp(length, SCM_TSTAMP_SND, 1),
  ]);
  expect(host.end()).toEqual([]);
});

test('a datagram in fragments, and one send of three datagrams: the first frame, the three together', () => {
  const host = new DrillHost({ gso: true });
  const fd = host.socket(AF_INET, SOCK_DGRAM, 0).result;
  host.sendto(fd, new Uint8Array(4), 0, PEER);
  host.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, int(BOTH | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY));
  host.setsockopt(fd, SOL_UDP, UDP_SEGMENT, int(100));
  expect(host.sendto(fd, new Uint8Array(250), 0, PEER).result).toBe(250);
  expect(stamps(host, fd)).toEqual([stamp(0, SCM_TSTAMP_SCHED, 0), stamp(0, SCM_TSTAMP_SND, 0)]);
  host.setsockopt(fd, SOL_UDP, UDP_SEGMENT, int(0));
  expect(host.sendto(fd, new Uint8Array(3000), 0, PEER).result).toBe(3000);
  expect(stamps(host, fd)).toEqual([stamp(0, SCM_TSTAMP_SCHED, 1), stamp(0, SCM_TSTAMP_SND, 1)]);
  expect(host.end()).toEqual([]);
});

test('stamps asked for by a control message: for that datagram only; other bits EINVAL', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* udp(sys);
    const tsflags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
    yield* set(sys, fd, SOL_SOCKET, SO_TIMESTAMPING, tsflags);
    const hdr = new user_msghdr();
    const control = new cmsg();
    Object.assign(hdr, { base: sys.mmap(64), length: 4, control, name: new sockaddr_in(LOCALHOST, 9) });
    const seen: number[][] = [];
    const send = function* (flags: number): Generator<undefined, number, undefined> {
      control.present = flags === 0 ? 0 : CMSG_TIMESTAMPING;
      control.tsflags = flags;
      return yield* sys.sendmsg(fd, hdr, 0);
    };
    const heard = function* (): Generator<undefined, void, undefined> {
      while ((yield* sys.recvmsg(fd, hdr, MSG_ERRQUEUE | MSG_DONTWAIT)) >= 0)
        seen.push([control.ee_info, control.ee_data]);
    };
    expect(yield* send(SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE)).toBe(4);
    expect(yield* send(0)).toBe(4);
    expect(yield* send(SOF_TIMESTAMPING_TX_SOFTWARE)).toBe(4);
    yield* heard();
    expect(seen).toEqual([
      [SCM_TSTAMP_SCHED, 0],
      [SCM_TSTAMP_SND, 0],
      [SCM_TSTAMP_SND, 1],
    ]);
    for (const bits of [SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_OPT_ID]) expect(yield* send(bits)).toBe(-EINVAL);
  });
  expect(bench.finish()).toEqual([]);
});

test('MSG_CMSG_CLOEXEC on a received datagram: told back in msg_flags', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* udp(sys, 77);
    const base = sys.mmap(64);
    for (const flag of [0, MSG_CMSG_CLOEXEC]) {
      yield* sys.sendto(fd, base, 2, 0, new sockaddr_in(LOCALHOST, 77));
      const hdr = new user_msghdr();
      Object.assign(hdr, { base, length: 10 });
      expect(yield* sys.recvmsg(fd, hdr, flag)).toBe(2);
      expect(hdr.flags).toBe(flag);
    }
  });
  expect(bench.finish()).toEqual([]);
});

/** A UDP socket that asks for stamps. */
function stamping(tsflags: number): { host: DrillHost; fd: number } {
  const host = new DrillHost();
  const fd = host.socket(AF_INET, SOCK_DGRAM, 0).result;
  // The neighbour is known then.
  host.sendto(fd, new Uint8Array(4), 0, PEER);
  expect(host.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, int(tsflags)).result).toBe(0);
  return { host, fd };
}

test('linux/net_tstamp.h and linux/errqueue.h, by their numbers', () => {
  // SOF_TIMESTAMPING_TX_SOFTWARE, SOFTWARE, OPT_ID, TX_SCHED
  const { host, fd } = stamping(0x2 | 0x10 | 0x80 | 0x100);
  host.sendto(fd, new Uint8Array(4), 0, PEER);
  // ENOMSG, SO_EE_ORIGIN_TIMESTAMPING; SCM_TSTAMP_SCHED, SCM_TSTAMP_SND
  expect(stamps(host, fd)).toEqual([
    [46, 42, 4, 1, 0],
    [46, 42, 4, 0, 0],
  ]);
  // SOF_TIMESTAMPING_OPT_TSONLY
  host.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, int(0x2 | 0x10 | 0x800));
  host.sendto(fd, new Uint8Array(4), 0, PEER);
  expect(stamps(host, fd)).toEqual([[0, 42, 4, 0, 0]]);
});

test('net.core.tstamp_allow_data 0: stamps without packets only', () => {
  const { host, fd } = stamping(BOTH);
  host.sysctl('net.core.tstamp_allow_data', 0);
  host.sendto(fd, new Uint8Array(4), 0, PEER);
  expect(stamps(host, fd)).toEqual([]);
  host.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, int(BOTH | SOF_TIMESTAMPING_OPT_TSONLY));
  host.sendto(fd, new Uint8Array(4), 0, PEER);
  expect(stamps(host, fd)).toEqual([stamp(0, SCM_TSTAMP_SCHED, 0), stamp(0, SCM_TSTAMP_SND, 0)]);
});

test('nobody reads them: no more than the receive buffer has room for, and nothing is left at the end', () => {
  const { host, fd } = stamping(BOTH);
  host.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, int(0));
  for (let i = 0; i < 50; i++) expect(host.sendto(fd, new Uint8Array(4), 0, PEER).result).toBe(4);
  const kept = stamps(host, fd);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThan(5);
  // Room again.
  host.sendto(fd, new Uint8Array(4), 0, PEER);
  expect(stamps(host, fd).length).toBe(2);
  expect(host.end()).toEqual([]);
});

test('who polls is woken by a stamp: POLLERR', () => {
  const { host, fd } = stamping(BOTH);
  const poll = host.poll([{ fd, events: 0 }], -1);
  host.advance(1e9);
  expect(poll.done).toBe(false);
  host.sendto(fd, new Uint8Array(4), 0, PEER);
  expect([poll.result, poll.value]).toEqual([1, [8]]);
});
