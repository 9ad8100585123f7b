/** The options of SOL_SOCKET, SOL_IP, SOL_UDP and SOL_RAW: values, ranges, errnos and lengths as Linux 6.18 gave them. */
import { expect, test } from 'vitest';
import { EADDRNOTAVAIL, EINVAL, ENODATA, ENODEV, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP } from '../../../../kernel/errno.ts';
import {
  SO_ACCEPTCONN,
  SO_BINDTODEVICE,
  SO_BINDTOIFINDEX,
  SO_BPF_EXTENSIONS,
  SO_BSDCOMPAT,
  SO_BUF_LOCK,
  SO_CNX_ADVICE,
  SO_COOKIE,
  SO_DOMAIN,
  SO_ERROR,
  SO_INCOMING_CPU,
  SO_LINGER,
  SO_MAX_PACING_RATE,
  SO_MEMINFO,
  SO_NOFCS,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_PASSPIDFD,
  SO_PASSRIGHTS,
  SO_PASSSEC,
  SO_PEEK_OFF,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SO_PEERNAME,
  SO_PEERPIDFD,
  SO_PRIORITY,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVMARK,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_RXQ_OVFL,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDLOWAT,
  SO_TIMESTAMP,
  SO_TIMESTAMPING,
  SO_TIMESTAMPNS,
  SO_TYPE,
  SO_WIFI_STATUS,
  SOL_SOCKET,
} from '../../../../kernel/net/core/sock.ts';
import {
  IP_BIND_ADDRESS_NO_PORT,
  IP_CHECKSUM,
  IP_FREEBIND,
  IP_HDRINCL,
  IP_LOCAL_PORT_RANGE,
  IP_MINTTL,
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_MULTICAST_ALL,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_NODEFRAG,
  IP_OPTIONS,
  IP_PKTINFO,
  IP_PROTOCOL,
  IP_RECVERR,
  IP_RECVERR_RFC4884,
  IP_RECVFRAGSIZE,
  IP_RECVTOS,
  IP_TOS,
  IP_TRANSPARENT,
  IP_TTL,
  IP_UNICAST_IF,
  SOL_IP,
} from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import { ICMP_FILTER, SOL_RAW } from '../../../../kernel/net/ipv4/raw.ts';
import { SOL_TCP } from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import { SOL_UDP, UDP_CORK, UDP_GRO, UDP_SEGMENT } from '../../../../kernel/net/ipv4/udp.ts';
import { AF_INET, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, sockaddr_in, sockopt } from '../../../../kernel/net/msg.ts';
import { LOCALHOST, socketBench } from '../bench.ts';
import { get, set } from '../user.ts';

const KINDS = {
  udp: [SOCK_DGRAM, 0],
  raw: [SOCK_RAW, 1],
  rawraw: [SOCK_RAW, 255],
  ping: [SOCK_DGRAM, 1],
} as const;
type Kind = keyof typeof KINDS;
const ALL = Object.keys(KINDS) as Kind[];

/** [level, option, value as it is on a new socket]: an errno where Linux gives one. One value for all, or by kind. */
const FRESH: [number, number, number | Partial<Record<Kind, number>>][] = [
  [SOL_SOCKET, SO_REUSEADDR, { udp: 0, raw: 1, rawraw: 1, ping: 1 }],
  [SOL_SOCKET, SO_TYPE, { udp: 2, raw: 3, rawraw: 3, ping: 2 }],
  [SOL_SOCKET, SO_ERROR, 0],
  [SOL_SOCKET, SO_SNDBUF, 212992],
  [SOL_SOCKET, SO_RCVBUF, 212992],
  [SOL_SOCKET, SO_OOBINLINE, 0],
  [SOL_SOCKET, SO_RCVLOWAT, 1],
  [SOL_SOCKET, SO_SNDLOWAT, 1],
  [SOL_SOCKET, SO_ACCEPTCONN, 0],
  [SOL_SOCKET, SO_TIMESTAMPING, 0],
  [SOL_SOCKET, SO_PROTOCOL, { udp: 17, raw: 1, rawraw: 255, ping: 1 }],
  [SOL_SOCKET, SO_DOMAIN, 2],
  [SOL_SOCKET, SO_RXQ_OVFL, 0],
  [SOL_SOCKET, SO_PEEK_OFF, { udp: -1, raw: -EOPNOTSUPP, rawraw: -EOPNOTSUPP, ping: -EOPNOTSUPP }],
  [SOL_SOCKET, SO_BPF_EXTENSIONS, 64],
  // No limit, as the 32 bits of an int have it.
  [SOL_SOCKET, SO_MAX_PACING_RATE, 0xffffffff],
  [SOL_SOCKET, SO_INCOMING_CPU, -1],
  [SOL_SOCKET, SO_PASSCRED, -EOPNOTSUPP],
  [SOL_SOCKET, SO_RCVMARK, 0],
  [SOL_SOCKET, SO_PEERNAME, -ENOTCONN],
  [SOL_SOCKET, SO_PEERCRED, 0],
  [SOL_SOCKET, SO_PEERGROUPS, -ENODATA],
  [SOL_SOCKET, SO_PEERPIDFD, -ENODATA],
  [SOL_SOCKET, SO_PASSSEC, -EOPNOTSUPP],
  [SOL_SOCKET, SO_PASSPIDFD, -EOPNOTSUPP],
  [SOL_SOCKET, SO_PASSRIGHTS, -EOPNOTSUPP],
  [SOL_SOCKET, SO_BSDCOMPAT, 0],
  [SOL_SOCKET, SO_WIFI_STATUS, 0],
  [SOL_SOCKET, SO_NOFCS, 0],
  [SOL_SOCKET, SO_BUF_LOCK, 0],
  [SOL_SOCKET, SO_CNX_ADVICE, -ENOPROTOOPT],
  [SOL_IP, IP_CHECKSUM, 0],
  [SOL_IP, IP_TOS, 0],
  [SOL_IP, IP_TTL, 64],
  [SOL_IP, IP_HDRINCL, { udp: 0, raw: 0, rawraw: 1, ping: 0 }],
  [SOL_IP, IP_PKTINFO, 0],
  [SOL_IP, IP_MTU_DISCOVER, 1],
  [SOL_IP, IP_RECVERR, 0],
  [SOL_IP, IP_MTU, -ENOTCONN],
  [SOL_IP, IP_FREEBIND, 0],
  [SOL_IP, IP_TRANSPARENT, 0],
  [SOL_IP, IP_MINTTL, 0],
  [SOL_IP, IP_NODEFRAG, 0],
  [SOL_IP, IP_BIND_ADDRESS_NO_PORT, 0],
  [SOL_IP, IP_RECVFRAGSIZE, 0],
  [SOL_IP, IP_MULTICAST_TTL, 1],
  [SOL_IP, IP_MULTICAST_LOOP, 1],
  [SOL_IP, IP_MULTICAST_ALL, 1],
  [SOL_IP, IP_UNICAST_IF, 0],
  [SOL_IP, IP_LOCAL_PORT_RANGE, 0],
  [SOL_IP, IP_PROTOCOL, { udp: 0, raw: 1, rawraw: 255, ping: 0 }],
  [SOL_IP, 9, -ENOPROTOOPT],
  [SOL_IP, 35, -ENOPROTOOPT],
];

test('a new socket of each kind: every option as Linux has it', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    for (const kind of ALL) {
      const [type, protocol] = KINDS[kind];
      const fd = yield* sys.socket(AF_INET, type, protocol);
      for (const [level, name, value] of FRESH) {
        const expected = typeof value === 'number' ? value : value[kind];
        expect(yield* get(sys, fd, level, name), `${kind} ${level} ${name}`).toBe(expected);
      }
    }
  });
  expect(bench.finish()).toEqual([]);
});

/** [level, option, value, result, kinds]: 0 where Linux took it. */
const SETS: [number, number, number[], number, Kind[]?][] = [
  [SOL_SOCKET, SO_TYPE, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_ERROR, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_SNDLOWAT, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_ACCEPTCONN, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_PROTOCOL, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_DOMAIN, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_MEMINFO, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_COOKIE, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_PASSCRED, [1], -EOPNOTSUPP],
  [SOL_SOCKET, SO_PASSSEC, [0, 1], -EOPNOTSUPP],
  [SOL_SOCKET, SO_PASSPIDFD, [0, 1], -EOPNOTSUPP],
  [SOL_SOCKET, SO_PASSRIGHTS, [0, 1], -EOPNOTSUPP],
  [SOL_SOCKET, SO_PEERNAME, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_PEERCRED, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_PEERGROUPS, [1], -ENOPROTOOPT],
  [SOL_SOCKET, SO_BSDCOMPAT, [0, 1, -1], 0],
  [SOL_SOCKET, SO_WIFI_STATUS, [0, 1, -1], 0],
  [SOL_SOCKET, SO_NOFCS, [0, 1, -1], 0],
  [SOL_SOCKET, SO_CNX_ADVICE, [0, 1, -1], 0],
  [SOL_SOCKET, SO_BUF_LOCK, [0, 1, 2, 3], 0],
  [SOL_SOCKET, SO_BUF_LOCK, [4, -1, 255], -EINVAL],
  [SOL_IP, IP_CHECKSUM, [0, 1, -1], 0],
  [SOL_SOCKET, SO_PEEK_OFF, [1], 0, ['udp']],
  [SOL_SOCKET, SO_PEEK_OFF, [1], -EOPNOTSUPP, ['raw', 'rawraw', 'ping']],
  [SOL_SOCKET, SO_INCOMING_CPU, [1], 0],
  [SOL_SOCKET, SO_MAX_PACING_RATE, [100_000, -1], 0],
  [SOL_SOCKET, SO_PRIORITY, [6], 0],
  [SOL_SOCKET, SO_TIMESTAMPING, [0x67fff, 0x10080, 0x80], 0],
  // OPT_ID_TCP without OPT_ID; BIND_PHC without a device that has a clock.
  [SOL_SOCKET, SO_TIMESTAMPING, [0x10000], -EINVAL],
  [SOL_SOCKET, SO_TIMESTAMPING, [0x8000, 0x7ffff], -EOPNOTSUPP],
  [SOL_SOCKET, SO_BINDTOIFINDEX, [1, 99, 0], 0],
  [SOL_SOCKET, SO_BINDTOIFINDEX, [-1], -EINVAL],
  [SOL_SOCKET, SO_TIMESTAMPING, [0x80000], -EINVAL],
  [SOL_IP, IP_TOS, [0, 255, 256, -1], 0],
  [SOL_IP, IP_TTL, [0, 256, -2], -EINVAL],
  [SOL_IP, IP_TTL, [1, 255, -1], 0],
  [SOL_IP, IP_HDRINCL, [1], 0, ['raw', 'rawraw']],
  [SOL_IP, IP_HDRINCL, [1], -ENOPROTOOPT, ['udp', 'ping']],
  [SOL_IP, IP_NODEFRAG, [1], 0, ['raw', 'rawraw']],
  [SOL_IP, IP_NODEFRAG, [1], -ENOPROTOOPT, ['udp', 'ping']],
  [SOL_IP, IP_MTU_DISCOVER, [-1, 6], -EINVAL],
  [SOL_IP, IP_MTU_DISCOVER, [0, 5], 0],
  [SOL_IP, IP_MINTTL, [-1, 256], -EINVAL],
  [SOL_IP, IP_MINTTL, [0, 255], 0],
  [SOL_IP, IP_RECVERR_RFC4884, [2, -1], -EINVAL],
  [SOL_IP, IP_RECVERR_RFC4884, [0, 1], 0],
  [SOL_IP, IP_MULTICAST_TTL, [-2, 256], -EINVAL],
  [SOL_IP, IP_MULTICAST_TTL, [-1, 0, 255], 0],
  [SOL_IP, IP_MULTICAST_ALL, [2], -EINVAL],
  [SOL_IP, IP_UNICAST_IF, [0, 1], 0],
  [SOL_IP, IP_UNICAST_IF, [99], -EADDRNOTAVAIL],
  [SOL_IP, IP_LOCAL_PORT_RANGE, [0x20001, 5], 0],
  [SOL_IP, IP_LOCAL_PORT_RANGE, [0x10002], -EINVAL],
  [SOL_IP, IP_MTU, [1], -ENOPROTOOPT],
  [SOL_IP, IP_PROTOCOL, [1], -ENOPROTOOPT],
  [SOL_RAW, ICMP_FILTER, [5], 0, ['raw']],
  [SOL_RAW, ICMP_FILTER, [5], -EOPNOTSUPP, ['rawraw']],
  [SOL_RAW, ICMP_FILTER, [5], -ENOPROTOOPT, ['udp', 'ping']],
  [SOL_RAW, 2, [5], -ENOPROTOOPT],
  [SOL_UDP, UDP_CORK, [1, 0], 0, ['udp']],
  [SOL_UDP, UDP_GRO, [1, 0], 0, ['udp']],
  [SOL_UDP, UDP_SEGMENT, [70000, -1], -EINVAL, ['udp']],
  [SOL_UDP, UDP_SEGMENT, [1400, 0], 0, ['udp']],
  [SOL_UDP, 999, [1], -ENOPROTOOPT],
  [SOL_UDP, UDP_CORK, [1], -ENOPROTOOPT, ['raw', 'ping']],
];

test('a level that the protocol does not know: to be read EOPNOTSUPP, to be written ENOPROTOOPT', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    for (const kind of ALL) {
      const [type, protocol] = KINDS[kind];
      const fd = yield* sys.socket(AF_INET, type, protocol);
      for (const level of [SOL_TCP, 7, 41, 263]) {
        expect(yield* get(sys, fd, level, 1), `${kind} ${level}`).toBe(-EOPNOTSUPP);
        expect(yield* set(sys, fd, level, 1, 1), `${kind} ${level}`).toBe(-ENOPROTOOPT);
      }
      expect(yield* get(sys, fd, SOL_UDP, 999), kind).toBe(kind === 'udp' ? -ENOPROTOOPT : -EOPNOTSUPP);
      expect(yield* get(sys, fd, SOL_RAW, 999), kind).toBe(kind.startsWith('raw') ? -ENOPROTOOPT : -EOPNOTSUPP);
    }
  });
  expect(bench.finish()).toEqual([]);
});

test('a stream that is not connected: no identifiers of time stamps, no sizes of fragments', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_STREAM, 0);
    expect(yield* set(sys, fd, SOL_SOCKET, SO_TIMESTAMPING, 0x80)).toBe(-EINVAL);
    expect(yield* set(sys, fd, SOL_SOCKET, SO_TIMESTAMPING, 0x8000)).toBe(-EOPNOTSUPP);
    expect(yield* set(sys, fd, SOL_SOCKET, SO_TIMESTAMPING, 0x18)).toBe(0);
    expect(yield* set(sys, fd, SOL_IP, IP_RECVFRAGSIZE, 1)).toBe(-EINVAL);
  });
  expect(bench.finish()).toEqual([]);
});

test('SO_PEERNAME and SO_PEERCRED: the peer, and nobody, as bytes', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    expect(yield* sys.connect(fd, new sockaddr_in(LOCALHOST, 0x1234))).toBe(0);
    const opt = new sockopt();
    for (const [optlen, result, length] of [
      [16, 0, 16],
      [4, 0, 4],
      [17, -EINVAL, 17],
      [128, -EINVAL, 128],
    ] as const) {
      opt.optlen = optlen;
      expect(yield* sys.getsockopt(fd, SOL_SOCKET, SO_PEERNAME, opt)).toBe(result);
      expect(opt.optlen).toBe(length);
    }
    expect([...(opt.bytes as Uint8Array)]).toEqual([2, 0, 0x12, 0x34, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    opt.optlen = 512;
    expect(yield* sys.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, opt)).toBe(0);
    expect([opt.optlen, ...opt.list]).toEqual([12, 0, -1, -1]);
  });
  expect(bench.finish()).toEqual([]);
});

test('SO_BUF_LOCK: shows which buffers a program has set, and frees them', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* set(sys, fd, SOL_SOCKET, SO_RCVBUF, 4096);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_BUF_LOCK)).toBe(2);
    yield* set(sys, fd, SOL_SOCKET, SO_SNDBUF, 4096);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_BUF_LOCK)).toBe(3);
    yield* set(sys, fd, SOL_SOCKET, SO_BUF_LOCK, 0);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_BUF_LOCK)).toBe(0);
  });
  expect(bench.finish()).toEqual([]);
});

test('values in and out of range: taken or refused as by Linux', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    for (const [level, name, values, result, kinds] of SETS) {
      for (const kind of kinds ?? ALL) {
        const [type, protocol] = KINDS[kind];
        const fd = yield* sys.socket(AF_INET, type, protocol);
        for (const value of values)
          expect(yield* set(sys, fd, level, name, value), `${kind} ${level} ${name} = ${value}`).toBe(result);
        yield* sys.close(fd);
      }
    }
  });
  expect(bench.finish()).toEqual([]);
});

test('values shorter than an int: SOL_SOCKET wants four bytes, SOL_IP takes one, some options take none', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    expect(yield* set(sys, fd, SOL_SOCKET, SO_REUSEADDR, 1, 1)).toBe(-EINVAL);
    expect(yield* set(sys, fd, SOL_IP, IP_TTL, 0x105, 1)).toBe(0);
    expect(yield* get(sys, fd, SOL_IP, IP_TTL)).toBe(5);
    expect(yield* set(sys, fd, SOL_IP, IP_TTL, 5, 0)).toBe(-EINVAL);
    expect(yield* set(sys, fd, SOL_IP, IP_MTU_DISCOVER, 2, 0)).toBe(0);
    expect(yield* get(sys, fd, SOL_IP, IP_MTU_DISCOVER)).toBe(0);
    expect(yield* set(sys, fd, SOL_SOCKET, SO_RCVTIMEO, 0, 8)).toBe(-EINVAL);
    expect(yield* set(sys, fd, SOL_SOCKET, SO_LINGER, 0, 4)).toBe(-EINVAL);
    expect(yield* set(sys, fd, SOL_IP, IP_LOCAL_PORT_RANGE, 1, 1)).toBe(-EINVAL);
    expect(yield* set(sys, fd, SOL_IP, IP_UNICAST_IF, 1, 1)).toBe(-EINVAL);
    expect(yield* set(sys, fd, SOL_IP, IP_MULTICAST_IF, 0, 2)).toBe(-EINVAL);
  });
  expect(bench.finish()).toEqual([]);
});

test('room for 64 bytes, and for one: the answer has the length that Linux gives', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    const opt = new sockopt();
    const lengths: [number, number, number, number][] = [
      [SOL_SOCKET, SO_TYPE, 64, 4],
      [SOL_SOCKET, SO_TYPE, 1, 1],
      [SOL_SOCKET, SO_RCVTIMEO, 64, 16],
      [SOL_SOCKET, SO_LINGER, 64, 8],
      [SOL_SOCKET, SO_TIMESTAMPING, 64, 8],
      [SOL_SOCKET, SO_MEMINFO, 64, 36],
      [SOL_SOCKET, SO_COOKIE, 64, 8],
      [SOL_SOCKET, SO_BINDTODEVICE, 64, 0],
      [SOL_IP, IP_TTL, 64, 4],
      [SOL_IP, IP_TTL, 1, 1],
      [SOL_IP, IP_OPTIONS, 64, 0],
      [SOL_IP, IP_MULTICAST_IF, 64, 4],
    ];
    for (const [level, name, room, length] of lengths) {
      opt.optlen = room;
      expect(yield* sys.getsockopt(fd, level, name, opt), `${level} ${name}`).toBe(0);
      expect(opt.optlen, `${level} ${name}`).toBe(length);
    }
    opt.optlen = 4;
    expect(yield* sys.getsockopt(fd, SOL_SOCKET, SO_COOKIE, opt)).toBe(-EINVAL);
  });
  expect(bench.finish()).toEqual([]);
});

test('SO_BINDTODEVICE: by name, asked for with too little room, and freed by the empty name', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    const opt = new sockopt();
    opt.text = 'lo';
    expect(yield* sys.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opt)).toBe(0);
    opt.text = 'nope';
    expect(yield* sys.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opt)).toBe(-ENODEV);
    opt.optlen = 16;
    expect(yield* sys.getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opt)).toBe(0);
    expect([opt.text, opt.optlen]).toEqual(['lo', 3]);
    opt.optlen = 4;
    expect(yield* sys.getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opt)).toBe(-EINVAL);
    expect(yield* set(sys, fd, SOL_IP, IP_UNICAST_IF, 1)).toBe(-EINVAL);
    opt.text = '';
    opt.optlen = -1;
    expect(yield* sys.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opt)).toBe(0);
    opt.text = 'x';
    expect(yield* sys.getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opt)).toBe(0);
    expect(opt.text).toBe('');
  });
  expect(bench.finish()).toEqual([]);
});

test('SO_RCVBUF and SO_SNDBUF: doubled, not below the minimum, not above the maximum but by force', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    for (const [name, force, min] of [
      [SO_RCVBUF, SO_RCVBUFFORCE, 2304],
      [SO_SNDBUF, SO_SNDBUFFORCE, 4608],
    ] as const) {
      for (const [asked, got] of [
        [0, min],
        [1, min],
        [10_000, 20_000],
        [212_992, 425_984],
        // net.core.{r,w}mem_max are 4 MB since 6.17.
        [4 << 20, 8 << 20],
        [5_000_000, 8 << 20],
        [-1, 8 << 20],
      ] as const) {
        expect(yield* set(sys, fd, SOL_SOCKET, name, asked)).toBe(0);
        expect(yield* get(sys, fd, SOL_SOCKET, name), `${name} ${asked}`).toBe(got);
      }
      expect(yield* set(sys, fd, SOL_SOCKET, force, 1_000_000)).toBe(0);
      expect(yield* get(sys, fd, SOL_SOCKET, name)).toBe(2_000_000);
      expect(yield* set(sys, fd, SOL_SOCKET, force, -5)).toBe(0);
      expect(yield* get(sys, fd, SOL_SOCKET, name)).toBe(min);
    }
  });
  expect(bench.finish()).toEqual([]);
});

test('IP_OPTIONS: checked, kept, given back; more than 40 bytes or a wrong one refused', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    const opt = new sockopt();
    for (const [bytes, result] of [
      [[0x94, 4, 0, 0], 0],
      [[7, 3], -EINVAL],
      [new Array<number>(41).fill(1), -EINVAL],
    ] as const) {
      opt.bytes = Uint8Array.from(bytes);
      expect(yield* sys.setsockopt(fd, SOL_IP, IP_OPTIONS, opt)).toBe(result);
    }
    expect(yield* sys.getsockopt(fd, SOL_IP, IP_OPTIONS, opt)).toBe(0);
    expect([...(opt.bytes ?? [])]).toEqual([0x94, 4, 0, 0]);
    opt.bytes = new Uint8Array(0);
    expect(yield* sys.setsockopt(fd, SOL_IP, IP_OPTIONS, opt)).toBe(0);
    expect(yield* sys.getsockopt(fd, SOL_IP, IP_OPTIONS, opt)).toBe(0);
    expect(opt.bytes?.length).toBe(0);
  });
  expect(bench.finish()).toEqual([]);
});

test('IP_MULTICAST_IF: by address, by index, none of ours refused', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    const opt = new sockopt();
    for (const [address, ifindex, result] of [
      [LOCALHOST, 0, 0],
      [0x09090909, 0, -EADDRNOTAVAIL],
      [0, 1, 0],
      [0, 77, -EADDRNOTAVAIL],
    ] as const) {
      opt.address = address;
      opt.ifindex = ifindex;
      expect(yield* sys.setsockopt(fd, SOL_IP, IP_MULTICAST_IF, opt)).toBe(result);
    }
    expect(yield* sys.getsockopt(fd, SOL_IP, IP_MULTICAST_IF, opt)).toBe(0);
    expect([opt.address, opt.ifindex]).toEqual([0, 1]);
  });
  expect(bench.finish()).toEqual([]);
});

test('SO_TIMESTAMP and SO_TIMESTAMPNS: one turns the other off', () => {
  const bench = socketBench();
  bench.program(function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* set(sys, fd, SOL_SOCKET, SO_TIMESTAMP, 1);
    yield* set(sys, fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_TIMESTAMP)).toBe(0);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_TIMESTAMPNS)).toBe(1);
    yield* set(sys, fd, SOL_SOCKET, SO_TIMESTAMP, 0);
    expect(yield* get(sys, fd, SOL_SOCKET, SO_TIMESTAMPNS)).toBe(0);
    yield* set(sys, fd, SOL_IP, IP_RECVTOS, 1);
    expect(yield* get(sys, fd, SOL_IP, IP_RECVTOS)).toBe(1);
  });
  expect(bench.finish()).toEqual([]);
});
