import { describe, expect, test } from 'vitest';
import { DrillHost, type DrillOptions, parseTcpInfo } from '../../../harness/drill/api.ts';
import { buildIpv4Packet } from '../../../harness/packet/ipv4.ts';
import { buildUdp, parseUdp } from '../../../harness/packet/udp.ts';
import { readCapture } from '../../../harness/wire/pcap/read.ts';
import { AF_INET, drill, good, int, SOCK_DGRAM, SOCK_STREAM } from './drills.ts';
import { REMOTE, segmentOf, tcpPacket } from './segments.ts';

const SOCK_NONBLOCK = 0o4000;
const MS = 1_000_000;
const EAGAIN = -11;
const S = 2;
const A = 16;
const F = 1;
const P = 8;
const R = 4;
const MSS = Uint8Array.of(2, 4, 5, 0xb4);
const SYN_OPTIONS = Uint8Array.of(2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7);

/** What must be there. */
function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing was there');
  return value;
}

const asInt = (bytes: Uint8Array | undefined): number =>
  new DataView((bytes as Uint8Array).slice().buffer).getInt32(0, true);

/** A listening socket with one connection accepted: its descriptor, and the host's next sequence number. */
function accepted(host: DrillHost, port = 8080): { listener: number; fd: number; seq: number } {
  const listener = host.socket(AF_INET, SOCK_STREAM, 0).result;
  good(host.setsockopt(listener, 1, 2, int(1)));
  good(host.bind(listener, { address: '0.0.0.0', port }));
  good(host.listen(listener, 1));
  host.inject(tcpPacket({ sourcePort: 5000, destinationPort: port, seq: 0, flags: S, options: SYN_OPTIONS }));
  const [synack] = host.take();
  const { sequence } = segmentOf(must(synack).bytes);
  host.inject(tcpPacket({ sourcePort: 5000, destinationPort: port, seq: 1, ack: sequence + 1, flags: A, window: 512 }));
  const accept = host.accept(listener);
  expect(accept.value).toEqual({ address: REMOTE, port: 5000 });
  return { listener, fd: accept.result, seq: (sequence + 1) >>> 0 };
}

describe('time', () => {
  test('connect: the SYN leaves at the very nanosecond, and is repeated a second later', () =>
    drill(host => {
      host.advance(12_345);
      const fd = host.socket(AF_INET, SOCK_STREAM, 0).result;
      const started = host.now;
      const connect = host.connect(fd, { address: REMOTE, port: 8080 });
      expect(connect.done).toBe(false);
      expect(() => connect.result).toThrow('connect is pending');
      const [syn] = host.take();
      expect(syn?.time).toBe(started);
      expect(segmentOf(must(syn).bytes)).toMatchObject({ flags: S, destination: REMOTE, destinationPort: 8080 });
      expect(host.nextDeadline()).toBeGreaterThan(started);
      const again = host.receive(started + 2000 * MS);
      expect(must(again).time - started).toBeGreaterThanOrEqual(1000 * MS);
      expect(must(again).time - started).toBeLessThan(1100 * MS);
      expect(host.now).toBe(must(again).time);
      const { sourcePort, sequence } = segmentOf(must(again).bytes);
      host.advance(5 * MS);
      const answered = host.now;
      host.inject(
        tcpPacket({
          sourcePort: 8080,
          destinationPort: sourcePort,
          seq: 9,
          ack: sequence + 1,
          flags: S | A,
          options: MSS,
        }),
      );
      expect(connect).toMatchObject({ done: true, result: 0, finishedAt: answered, errno: '' });
      expect(segmentOf(must(host.take()[0]).bytes)).toMatchObject({ flags: A, acknowledgment: 10 });
    }));

  test('nothing comes: receive stands at its limit, a time that has passed changes nothing', () =>
    drill(host => {
      const { now } = host;
      expect(host.receive(now + 70 * MS)).toBeUndefined();
      expect(host.now).toBe(now + 70 * MS);
      expect(host.receive(now)).toBeUndefined();
      host.runUntil(now);
      expect(host.now).toBe(now + 70 * MS);
    }));

  test('a blocking call ends when what it waits for comes', () =>
    drill(host => {
      const { fd, seq } = accepted(host);
      const read = host.read(fd, 100);
      expect(read.done).toBe(false);
      expect(host.pending).toBe(1);
      expect(host.runUntilDone(read, host.now + 3 * MS)).toBe(false);
      const payload = Uint8Array.of(1, 2, 3);
      host.inject(tcpPacket({ sourcePort: 5000, destinationPort: 8080, seq: 1, ack: seq, flags: A | P, payload }));
      expect(read).toMatchObject({ done: true, result: 3, finishedAt: host.now });
      expect(read.value?.data).toEqual(payload);
      expect(host.pending).toBe(0);
    }));
});

describe('calls', () => {
  test('several operations wait at once, each for its own', () =>
    drill(host => {
      const { fd, listener } = accepted(host);
      const read = host.read(fd, 1);
      const accept = host.accept(listener);
      const poll = host.poll([{ fd, events: 1 }], 50);
      expect([read.done, accept.done, poll.done]).toEqual([false, false, false]);
      host.advance(50 * MS);
      expect(poll).toMatchObject({ done: true, result: 0, value: [0] });
      expect(host.pending).toBe(2);
    }));

  test('not blocking: EAGAIN at once, by flag of the socket, of fcntl, and of the call', () =>
    drill(host => {
      const { fd, listener } = accepted(host);
      expect(host.recv(fd, 10, 0x40).result).toBe(EAGAIN);
      expect(host.fcntl(fd, 4, 0o4002).result).toBe(0);
      expect(host.fcntl(fd, 3).result).toBe(0o4002);
      expect(host.read(fd, 10).errno).toBe('EAGAIN');
      good(host.fcntl(listener, 4, 0o4002));
      expect(host.accept(listener).result).toBe(EAGAIN);
      const other = host.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0).result;
      expect(host.connect(other, { address: REMOTE, port: 80 }).errno).toBe('EINPROGRESS');
    }));

  test('512 KiB in one write: taken as the window opens, every byte right', () =>
    drill(host => {
      const { fd, seq } = accepted(host);
      const data = Uint8Array.from({ length: 512 * 1024 }, (_, i) => (i * 7) >> 3);
      const write = host.write(fd, data);
      const got = new Uint8Array(data.length);
      let have = 0;
      for (let rounds = 0; have < data.length && rounds < 10_000; rounds++) {
        const packet = host.receive(host.now + 1000 * MS);
        const { sequence, payload } = segmentOf(must(packet).bytes);
        got.set(payload, (sequence - seq) >>> 0);
        have = Math.max(have, ((sequence - seq) >>> 0) + payload.length);
        host.inject(
          tcpPacket({ sourcePort: 5000, destinationPort: 8080, seq: 1, ack: seq + have, flags: A, window: 512 }),
        );
      }
      expect(write.result).toBe(data.length);
      expect(Buffer.compare(got, data)).toBe(0);
    }));

  test.each([
    ['whole', true, 1],
    ['as a train of segments', false, 28],
  ])(
    'a segment longer than the MTU, %s: it is acknowledged once; with a wrong checksum not at all',
    (_how, whole, wrong) =>
      drill(
        host => {
          const { fd, seq } = accepted(host);
          const payload = Uint8Array.from({ length: 40_000 }, (_, i) => i % 251);
          const packet = tcpPacket({
            sourcePort: 5000,
            destinationPort: 8080,
            seq: 1,
            ack: seq,
            flags: A | P,
            payload,
          });
          const broken = packet.slice();
          broken[20_000] = (broken[20_000] as number) ^ 1;
          host.inject(broken);
          expect(host.take()).toEqual([]);
          host.inject(packet);
          const acks = host.take().map(({ bytes }) => segmentOf(bytes).acknowledgment);
          expect(acks).toEqual([40_001]);
          expect(Buffer.compare(good(host.read(fd, 100_000)).data, payload)).toBe(0);
          expect(host.counters()).toMatchObject({ TcpExtTCPRcvCoalesce: 0, TcpInCsumErrors: wrong });
        },
        { whole },
      ),
  );

  test('a datagram longer than the MTU, through the card: fragments, put together again', () =>
    drill(
      host => {
        const fd = host.socket(AF_INET, SOCK_DGRAM, 0).result;
        good(host.bind(fd, { address: '0.0.0.0', port: 9 }));
        const payload = Uint8Array.from({ length: 4000 }, (_, i) => i % 251);
        const addresses = { source: REMOTE, destination: '192.168.0.1' };
        const udp = buildUdp({ sourcePort: 7, destinationPort: 9, payload }, addresses);
        host.inject(buildIpv4Packet({ ...addresses, protocol: 17, payload: udp, identification: 5 }));
        const received = good(host.recv(fd, 5000));
        expect(Buffer.compare(received.data, payload)).toBe(0);
        expect(received.from).toEqual({ address: REMOTE, port: 7 });
        expect(host.counters()).toMatchObject({ IpReasmReqds: 3, IpReasmOKs: 1 });
      },
      { whole: false },
    ));

  // As measured on Linux 6.18 with a TUN device: struct sk_buff, a page with the beginning, pages with the rest.
  test.each([
    [2000, 4352],
    [3600, 4352],
    [3700, 8448],
    [9000, 12_544],
    [20_000, 20_736],
    [65_000, 65_792],
  ])('a segment of %i bytes takes %i bytes of the receive buffer', (length, truesize) =>
    drill(host => {
      const { fd, seq } = accepted(host);
      const payload = new Uint8Array(length);
      host.inject(tcpPacket({ sourcePort: 5000, destinationPort: 8080, seq: 1, ack: seq, flags: A | P, payload }));
      // SO_MEMINFO: nine numbers, SK_MEMINFO_RMEM_ALLOC first.
      const memory = good(host.getsockopt(fd, 1, 55, 36));
      expect(memory.length).toBe(36);
      expect(asInt(memory)).toBe(truesize);
      // There is no room behind for the next one, unless it is all in one page.
      if (length > 3672) {
        const next = { sourcePort: 5000, destinationPort: 8080, seq: 1 + length, ack: seq, flags: A | P };
        host.inject(tcpPacket({ ...next, payload: new Uint8Array(10) }));
        expect(host.counters()).toMatchObject({ TcpExtTCPRcvCoalesce: 0 });
      }
      host.close(fd);
    }),
  );

  test('packets that stand for segments of an MSS: its size is what the receiver learns', () =>
    drill(host => {
      const { fd, seq } = accepted(host);
      const segment = (at: number, length: number): Uint8Array =>
        tcpPacket({
          sourcePort: 5000,
          destinationPort: 8080,
          seq: at,
          ack: seq,
          flags: A,
          payload: new Uint8Array(length),
        });
      host.inject(segment(1, 3900), 1300);
      expect(parseTcpInfo(good(host.getsockopt(fd, 6, 11))).tcpi_rcv_mss).toBe(1300);
      // As large as an MSS: no more than a segment.
      host.inject(segment(3901, 1400), 1400);
      expect(parseTcpInfo(good(host.getsockopt(fd, 6, 11))).tcpi_rcv_mss).toBe(1400);
      expect(() => host.inject(segment(5301, 100), -1)).toThrow(RangeError);
      host.close(fd);
    }));

  test('a receive of nothing waits for something, a read of nothing does not', () =>
    drill(host => {
      const { fd, seq } = accepted(host);
      expect(host.recv(fd, 0, 0x40).result).toBe(EAGAIN);
      expect(host.read(fd, 0).result).toBe(0);
      expect(host.readv(fd, [0, 0]).result).toBe(0);
      const waiting = host.recv(fd, 0);
      expect(waiting.done).toBe(false);
      const payload = Uint8Array.of(1, 2);
      host.inject(tcpPacket({ sourcePort: 5000, destinationPort: 8080, seq: 1, ack: seq, flags: A | P, payload }));
      expect(waiting.result).toBe(0);
      expect(good(host.read(fd, 10)).data).toEqual(payload);
    }));

  test('readv and recvmsg fill their buffers in turn', () =>
    drill(host => {
      const { fd, seq } = accepted(host);
      const payload = Uint8Array.of(1, 2, 3, 4, 5);
      host.inject(tcpPacket({ sourcePort: 5000, destinationPort: 8080, seq: 1, ack: seq, flags: A | P, payload }));
      const peek = host.recvmsg(fd, [2, 100], 2);
      expect(peek).toMatchObject({ result: 5 });
      expect(peek.value?.data.map(part => [...part])).toEqual([
        [1, 2],
        [3, 4, 5],
      ]);
      expect(good(host.ioctl(fd, 0x541b))).toBe(5);
      expect(good(host.readv(fd, [1, 1, 1, 1, 1, 1])).data.map(part => [...part])).toEqual([
        [1],
        [2],
        [3],
        [4],
        [5],
        [],
      ]);
    }));

  test('epoll: events and data, as numbers without a sign', () =>
    drill(host => {
      const { fd, seq } = accepted(host);
      const epfd = host.epoll_create().result;
      good(host.epoll_ctl(epfd, 1, fd, { events: 0x80000001, data: 77 }));
      const wait = host.epoll_wait(epfd, 4, -1);
      expect(wait.done).toBe(false);
      host.inject(tcpPacket({ sourcePort: 5000, destinationPort: 8080, seq: 1, ack: seq, flags: A | F }));
      expect(wait).toMatchObject({ result: 1, value: [{ events: 1, data: 77 }] });
    }));

  test('UDP: what is sent and what comes, with its sender and control messages', () =>
    drill(host => {
      const fd = host.socket(AF_INET, SOCK_DGRAM, 0).result;
      good(host.setsockopt(fd, 0, 12, int(1)));
      good(host.bind(fd, { address: '0.0.0.0', port: 9 }));
      expect(host.sendto(fd, Uint8Array.of(1, 2), 0, { address: REMOTE, port: 53 }).result).toBe(2);
      const [packet] = host.take();
      const { payload } = parseUdp(must(packet).bytes.subarray(20));
      expect([...payload]).toEqual([1, 2]);
      // The same packet back: addresses and ports the other way round keep every checksum.
      const back = must(packet).bytes.slice();
      back.set(must(packet).bytes.subarray(12, 16), 16);
      back.set(must(packet).bytes.subarray(16, 20), 12);
      back.set(must(packet).bytes.subarray(20, 22), 22);
      back.set(must(packet).bytes.subarray(22, 24), 20);
      host.inject(back);
      const message = good(host.recvmsg(fd, [100]));
      expect(message).toMatchObject({ from: { address: REMOTE, port: 53 }, control: [{ level: 0, type: 2 }] });
      expect(asInt(message.control[0]?.data)).toBe(64);
    }));

  test('bad pointers: EFAULT, and no more', () =>
    drill(host => {
      const { fd } = accepted(host);
      expect(host.write(fd, null, 1000).errno).toBe('EFAULT');
      expect(host.setsockopt(fd, 6, 1, null).errno).toBe('EFAULT');
      expect(host.write(fd, Uint8Array.of(1)).result).toBe(1);
    }));

  test('a descriptor that is none: EBADF from every call', () =>
    drill(host => {
      const calls = [
        host.read(9, 1),
        host.write(9, new Uint8Array(1)),
        host.close(9),
        host.listen(9, 1),
        host.accept(9),
        host.getsockopt(9, 1, 3),
        host.setsockopt(9, 1, 3, int(1)),
        host.ioctl(9, 0x541b),
        host.shutdown(-1, 0),
        host.fcntl(1e9, 3),
      ];
      expect(calls.map(({ errno }) => errno)).toEqual(calls.map(() => 'EBADF'));
    }));
});

describe('options', () => {
  test('in Linux layout: int, linger, timeval, name, tcp_info', () =>
    drill(host => {
      const { fd } = accepted(host);
      expect(asInt(good(host.getsockopt(fd, 1, 3)))).toBe(SOCK_STREAM);
      good(host.setsockopt(fd, 1, 13, Uint8Array.of(1, 0, 0, 0, 44, 1, 0, 0)));
      expect([...good(host.getsockopt(fd, 1, 13))]).toEqual([1, 0, 0, 0, 44, 1, 0, 0]);
      const second = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0x90, 0xd0, 3, 0, 0, 0, 0, 0);
      good(host.setsockopt(fd, 1, 20, second));
      expect(good(host.getsockopt(fd, 1, 20))).toEqual(second);
      good(host.setsockopt(fd, 6, 13, new TextEncoder().encode('reno')));
      expect(Buffer.from(good(host.getsockopt(fd, 6, 13))).toString()).toBe(`reno${'\0'.repeat(12)}`);
      const info = good(host.getsockopt(fd, 6, 11));
      expect(info.length).toBe(280);
      expect(parseTcpInfo(info)).toMatchObject({
        tcpi_state: 1,
        tcpi_options: 6,
        tcpi_snd_cwnd: 10,
        tcpi_snd_mss: 1460,
      });
      expect(good(host.getsockopt(fd, 6, 11, 8)).length).toBe(8);
    }));

  test('SO_MAX_PACING_RATE: 32 or 64 bits, all ones for no limit', () =>
    drill(host => {
      const { fd } = accepted(host);
      const rate = (length: number): number[] => [...good(host.getsockopt(fd, 1, 47, length))];
      expect([rate(4), rate(8)]).toEqual([Array(4).fill(0xff), Array(8).fill(0xff)]);
      good(host.setsockopt(fd, 1, 47, Uint8Array.of(0, 0x28, 0x6b, 0xee)));
      expect(rate(8)).toEqual([0, 0x28, 0x6b, 0xee, 0, 0, 0, 0]);
      expect(parseTcpInfo(good(host.getsockopt(fd, 6, 11))).tcpi_max_pacing_rate).toBe(4_000_000_000);
      good(host.setsockopt(fd, 1, 47, Uint8Array.of(0, 0xe4, 0x0b, 0x54, 2, 0, 0, 0)));
      expect([rate(4), rate(8)]).toEqual([Array(4).fill(0xff), [0, 0xe4, 0x0b, 0x54, 2, 0, 0, 0]]);
      good(host.setsockopt(fd, 1, 47, int(-1)));
      expect(rate(8)).toEqual(Array(8).fill(0xff));
    }));

  test('too short, unknown: EINVAL and ENOPROTOOPT', () =>
    drill(host => {
      const { fd } = accepted(host);
      expect(host.setsockopt(fd, 6, 1, Uint8Array.of(1)).errno).toBe('EINVAL');
      expect(host.setsockopt(fd, 1, 13, int(1)).errno).toBe('EINVAL');
      expect(host.setsockopt(fd, 6, 13, new TextEncoder().encode('nope')).errno).toBe('ENOENT');
      expect(host.getsockopt(fd, 6, 9999).errno).toBe('ENOPROTOOPT');
      expect(host.getsockopt(fd, 6, 1, -1).errno).toBe('EINVAL');
    }));

  test('SO_RCVTIMEO: a read gives up after its time', () =>
    drill(host => {
      const { fd } = accepted(host);
      good(host.setsockopt(fd, 1, 20, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0x90, 0xd0, 3, 0, 0, 0, 0, 0)));
      const started = host.now;
      const read = host.read(fd, 1);
      host.advance(1000 * MS);
      expect(read.errno).toBe('EAGAIN');
      expect(read.finishedAt - started).toBeGreaterThanOrEqual(250 * MS);
      expect(read.finishedAt - started).toBeLessThan(300 * MS);
    }));
});

describe('settings', () => {
  test('sysctls by their names, checked as Linux does', () =>
    drill(
      host => {
        expect(host.sysctl('net.ipv4.tcp_sack')).toBe('0');
        expect(host.sysctl('net.ipv4.tcp_rmem', '4096 10000 20000')).toBe('4096\t10000\t20000');
        expect(() => host.sysctl('net.ipv4.tcp_sack', 256)).toThrow('EINVAL');
        expect(() => host.sysctl('net.ipv4.no_such')).toThrow('ENOENT');
        const fd = host.socket(AF_INET, SOCK_STREAM, 0).result;
        host.connect(fd, { address: REMOTE, port: 80 });
        // No SACK permitted (kind 4) among the options.
        const options = [...segmentOf(must(host.take()[0]).bytes).options];
        expect(options.slice(0, 4)).toEqual([2, 4, 5, 180]);
        expect(options.slice(4, 6)).not.toEqual([4, 2]);
      },
      { sysctls: { 'net.ipv4.tcp_sack': 0 } },
    ));

  test('mtu 576 and 1280: the MSS follows', () => {
    for (const mtu of [576, 1280]) {
      drill(
        host => {
          const fd = host.socket(AF_INET, SOCK_STREAM, 0).result;
          host.connect(fd, { address: REMOTE, port: 80 });
          const { options } = segmentOf(must(host.take()[0]).bytes);
          expect(((options[2] as number) << 8) | (options[3] as number)).toBe(mtu - 40);
        },
        { mtu },
      );
    }
  });

  test('offloads on and off: the same segments on the wire', () => {
    const run = (options: DrillOptions): string[] => {
      let sent: string[] = [];
      drill(host => {
        const { fd } = accepted(host);
        host.write(fd, new Uint8Array(30_000));
        sent = host.take().map(({ bytes }) => Buffer.from(bytes).toString('hex'));
      }, options);
      return sent;
    };
    const all = run({});
    expect(all.length).toBe(10);
    const off = { gso: false, tso: false, gro: false, checksums: false };
    // The IP identification counts packets of the connection, alike.
    expect(run(off).map(packet => packet.slice(40))).toEqual(all.map(packet => packet.slice(40)));
    expect(run({ tso: false }).map(packet => packet.slice(40))).toEqual(all.map(packet => packet.slice(40)));
  });

  test('counters by the names of nstat', () =>
    drill(host => {
      host.inject(tcpPacket({ sourcePort: 1, destinationPort: 81, seq: 0, flags: S }));
      const [reset] = host.take();
      expect(segmentOf(must(reset).bytes).flags).toBe(R | A);
      expect(host.counters()).toMatchObject({ TcpOutRsts: 1, TcpInSegs: 1, IpInReceives: 1 });
    }));

  test('a route with an MTU of its own', () =>
    drill(host => {
      host.route({ destination: '192.0.2.0/24', gateway: '192.168.0.2', mtu: 1000 });
      const fd = host.socket(AF_INET, SOCK_STREAM, 0).result;
      host.connect(fd, { address: REMOTE, port: 80 });
      const { options } = segmentOf(must(host.take()[0]).bytes);
      expect(((options[2] as number) << 8) | (options[3] as number)).toBe(960);
      host.route({ destination: 'default', gateway: '192.168.0.3', source: '192.168.0.1', metric: 5 });
      expect(host.command('ip route show default').stdout).toContain(
        'default via 192.168.0.3 dev eth0 src 192.168.0.1 metric 5 ',
      );
      expect(() => host.route({ destination: '10.0.0.0/8', metric: -1 })).toThrow('metric -1');
      expect(() => host.route({ destination: '10.0.0.0/33' })).toThrow('prefix');
      expect(() => host.route({ destination: '203.0.113.0/24', gateway: '203.0.113.1' })).toThrow('ENETUNREACH');
    }));
});

describe('routes', () => {
  test('initrwnd, features ecn, quickack and congctl of a route: TCP heeds them', () =>
    drill(host => {
      const metrics = 'features ecn initrwnd 5 quickack 1 congctl lock reno';
      host.command(`ip route add 192.0.2.0/24 via 192.168.0.2 dev eth0 ${metrics}`);
      expect(host.command('ip route show 192.0.2.0/24').stdout).toBe(
        `192.0.2.0/24 via 192.168.0.2 dev eth0 ${metrics} \n`,
      );
      const { fd, seq } = accepted(host);
      expect(Buffer.from(good(host.getsockopt(fd, 6, 13, 4))).toString()).toBe('reno');
      expect(host.setsockopt(fd, 6, 13, Buffer.from('cubic')).errno).toBe('EPERM');
      // Each segment has its ACK at once, however many there were.
      for (let i = 0; i < 40; i++) {
        const segment = { sourcePort: 5000, destinationPort: 8080, flags: A, payload: new Uint8Array(10) };
        host.inject(tcpPacket({ ...segment, seq: 1 + i * 10, ack: seq }));
        expect(segmentOf(must(host.take()[0]).bytes).acknowledgment).toBe(11 + i * 10);
      }
      const own = host.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0).result;
      host.connect(own, { address: REMOTE, port: 9 });
      const syn = segmentOf(must(host.take()[0]).bytes);
      // SYN, ECE, CWR; five segments.
      expect([syn.flags & 0xff, syn.window]).toEqual([0xc2, 5 * 1460]);
      const bad = host.command('ip route add 203.0.113.0/24 via 192.168.0.2 congctl nonesuch');
      expect(bad).toMatchObject({ status: 2, stderr: 'Error: Unknown tcp congestion algorithm.\n' });
    }));

  test('initcwnd, advmss and rto_min of a route: TCP heeds them', () =>
    drill(host => {
      const metrics = 'initcwnd 3 advmss 700 rto_min 50ms';
      const { status, stderr } = host.command(`ip route add 192.0.2.0/24 via 192.168.0.2 dev eth0 ${metrics}`);
      expect([status, stderr]).toEqual([0, '']);
      expect(host.command('ip route show 192.0.2.0/24').stdout).toBe(
        '192.0.2.0/24 via 192.168.0.2 dev eth0 advmss 700 initcwnd 3 rto_min lock 50ms \n',
      );
      const { fd, seq } = accepted(host);
      const sent = host.now;
      expect(host.write(fd, new Uint8Array(20_000)).result).toBe(20_000);
      const first = host.take().map(({ bytes }) => segmentOf(bytes).payload.length);
      expect(first.reduce((sum, length) => sum + length, 0)).toBe(3 * 1460);
      // A tail loss probe, or the timer: both wait for less than the usual 200 ms.
      const again = must(host.receive(host.now + 1000 * MS));
      expect(again.time - sent).toBeLessThan(110 * MS);
      expect(segmentOf(again.bytes).sequence).toBeGreaterThanOrEqual(seq);
      const other = host.socket(AF_INET, SOCK_STREAM, 0).result;
      host.connect(other, { address: REMOTE, port: 80 });
      const syn = must(host.take().find(({ bytes }) => segmentOf(bytes).flags === S));
      expect([...segmentOf(syn.bytes).options.slice(0, 4)]).toEqual([2, 4, 700 >> 8, 700 & 255]);
    }));

  test('commands: their own output, and an error for what is none', () =>
    drill(host => {
      expect(host.command('ip route show default').stdout).toBe('default via 192.168.0.2 dev eth0 \n');
      expect(host.command('tc qdisc show dev eth0').stdout).toMatch(/^qdisc pfifo_fast /);
      expect(host.command('sysctl -n net.ipv4.tcp_sack').stdout).toBe('1\n');
      expect(host.command('ip route add nowhere')).toMatchObject({ status: 1, stdout: '' });
      expect(() => host.command('rm -rf')).toThrow('"rm"');
    }));
});

describe('the door itself', () => {
  test('equal seeds: equal packets at equal times; another seed: another initial sequence number', () => {
    const run = (seed: number): string => {
      const host = new DrillHost({ seed });
      host.connect(host.socket(AF_INET, SOCK_STREAM, 0).result, { address: REMOTE, port: 80 });
      host.advance(10_000 * MS);
      const sent = host.take().map(({ time, bytes }) => `${time} ${Buffer.from(bytes).toString('hex')}`);
      expect(sent.length).toBeGreaterThan(3);
      host.end();
      return sent.join('\n');
    };
    expect(run(1)).toBe(run(1));
    expect(run(2)).not.toBe(run(1));
  });

  test('misuse: said what is wrong, and the host goes on', () =>
    drill(host => {
      expect(() => host.inject(Uint8Array.of(0x20))).toThrow('IP version 2');
      expect(() => host.inject('x' as unknown as Uint8Array)).toThrow('Uint8Array');
      expect(() => host.advance(-1)).toThrow('backwards');
      expect(() => host.runUntil(Number.NaN)).toThrow('finite');
      expect(() => host.receive(Infinity)).toThrow('finite');
      expect(() => host.bind(0, { address: 'here', port: 1 })).toThrow('"here" is not an IPv4 address');
      expect(() => host.write(0, new Uint8Array(5 << 20))).toThrow('more than 4194304 bytes');
      expect(() => host.read(0, -1)).toThrow('length');
      expect(() => host.pcap()).toThrow('capture');
      expect(host.socket(AF_INET, SOCK_STREAM, 0).result).toBeGreaterThanOrEqual(0);
    }));

  test('ended with calls pending and connections open: nothing is left behind, and it can be ended again', () => {
    const host = new DrillHost();
    const { fd, listener } = accepted(host);
    host.read(fd, 10);
    host.accept(listener);
    host.write(fd, new Uint8Array(100_000));
    expect(host.end()).toEqual([]);
    expect(host.end()).toEqual([]);
    expect(() => host.socket(AF_INET, SOCK_STREAM, 0)).toThrow('has ended');
  });

  test('calls give back the memory that they have had: many large ones on a small host', () =>
    drill(
      host => {
        const fd = host.socket(AF_INET, SOCK_DGRAM, 0).result;
        const here = { address: '127.0.0.1', port: 9 };
        good(host.bind(fd, here));
        const data = new Uint8Array(60_000);
        for (let i = 0; i < 20; i++) {
          expect(host.sendto(fd, data, 0, here).result).toBe(60_000);
          expect(host.recv(fd, 2 << 20).result).toBe(60_000);
          expect(host.sendmsg(fd, [data.subarray(30_000), data.subarray(30_000)], 0, here).result).toBe(60_000);
          expect(host.recvmsg(fd, [1 << 20, 1 << 20]).result).toBe(60_000);
          // 8 MiB and more of buffers that are used for nothing.
          expect(host.write(fd, new Uint8Array(2 << 20)).errno).toBe('EMSGSIZE');
          expect(host.sendmsg(fd, [new Uint8Array(1 << 20), new Uint8Array(1 << 20)]).errno).toBe('EMSGSIZE');
        }
      },
      { ram: 12 << 20 },
    ));

  test('options that cannot be: refused', () => {
    expect(() => new DrillHost({ mtu: 10 })).toThrow('mtu 10');
    expect(() => new DrillHost({ mtu: 9000 })).toThrow('mtu 9000');
    expect(() => new DrillHost({ localAddress: 'x' })).toThrow('localAddress');
    expect(() => new DrillHost({ sysctls: { 'net.ipv4.x': 1 } })).toThrow('ENOENT');
  });

  test('capture: a pcapng file of what passed, ARP and all, with times and directions', () =>
    drill(
      host => {
        host.connect(host.socket(AF_INET, SOCK_STREAM, 0).result, { address: REMOTE, port: 80 });
        host.advance(1.1e9);
        const [syn, again] = host.take();
        const { frames } = readCapture(host.pcap(), 'drill.pcapng');
        const start = must(syn).time - must(frames[2]).timeNs;
        expect(frames.map(({ data, direction, timeNs }) => [data[12], data[13], direction, start + timeNs])).toEqual([
          [8, 6, 'outbound', must(syn).time],
          [8, 6, 'inbound', must(syn).time],
          [8, 0, 'outbound', must(syn).time],
          [8, 0, 'outbound', must(again).time],
        ]);
        expect(must(frames[3]).data.subarray(14)).toEqual(must(again).bytes);
      },
      { capture: true },
    ));
});
