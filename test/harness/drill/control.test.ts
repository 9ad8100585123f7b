/** Control messages in the layout of 64-bit Linux, both ways. */
import { describe, expect, test } from 'vitest';
import type { ControlMessage, DrillHost } from '../../../harness/drill/api.ts';
import { parseIpv4Packet } from '../../../harness/packet/ipv4.ts';
import { AF_INET, bytes, drill, good, hex, int, SOCK_DGRAM, SOCK_STREAM } from './drills.ts';

const REMOTE = { address: '192.0.2.1', port: 53 };
const ON = int(1);

/** A socket on port 9 with options of SOL_SOCKET and SOL_IP on. */
function listening(host: DrillHost, options: readonly (readonly [level: number, name: number])[]): number {
  const fd = host.socket(AF_INET, SOCK_DGRAM, 0).result;
  for (const [level, name] of options) good(host.setsockopt(fd, level, name, ON));
  good(host.bind(fd, { address: '0.0.0.0', port: 9 }));
  return fd;
}

/** What the host sent last comes back: addresses and ports the other way round keep every checksum. */
function comesBack(host: DrillHost): void {
  const sent = host.take().at(-1)?.bytes as Uint8Array;
  const back = sent.slice();
  const header = ((sent[0] as number) & 15) * 4;
  back.set(sent.subarray(12, 16), 16);
  back.set(sent.subarray(16, 20), 12);
  back.set(sent.subarray(header, header + 2), header + 2);
  back.set(sent.subarray(header + 2, header + 4), header);
  host.inject(back);
}

const plain = (control: readonly ControlMessage[]): unknown[] =>
  control.map(({ level, type, data }) => [level, type, hex(data)]);

/** The seconds and the rest of a moment, as two longs. */
function longs(...values: readonly number[]): string {
  const data = Buffer.alloc(8 * values.length);
  for (const [i, value] of values.entries()) data.writeBigInt64LE(BigInt(value), 8 * i);
  return data.toString('hex');
}

describe('received', () => {
  test('everything that a datagram can tell, in the order of Linux', () =>
    drill(host => {
      // SO_TIMESTAMPNS, SO_RCVMARK, SO_RCVPRIORITY; IP_PKTINFO, RECVTTL, RECVTOS, RECVOPTS, RECVORIGDSTADDR.
      const fd = listening(host, [
        [1, 35],
        [1, 75],
        [1, 82],
        [0, 8],
        [0, 12],
        [0, 13],
        [0, 6],
        [0, 20],
      ]);
      good(host.setsockopt(fd, 0, 4, bytes('94040000')));
      good(host.setsockopt(fd, 0, 1, int(0x10)));
      host.advance(3_000_000_123);
      good(host.sendto(fd, Uint8Array.of(1, 2), 0, REMOTE));
      const arrived = host.now;
      comesBack(host);
      const message = good(host.recvmsg(fd, [10]));
      expect(plain(message.control)).toEqual([
        [1, 35, longs(Math.floor(arrived / 1e9), arrived % 1e9)],
        [1, 36, '00000000'],
        [1, 12, '00000000'],
        [0, 8, expect.stringMatching(/^0[1-9]000000c0a80001c0a80001$/)],
        [0, 2, '40000000'],
        [0, 1, '10'],
        [0, 6, '94040000'],
        [0, 20, '02000009c0a800010000000000000000'],
      ]);
      expect(message.flags).toBe(0);
    }));

  test('SO_TIMESTAMP: microseconds; SO_TIMESTAMPING: three times, the first by software', () =>
    drill(host => {
      const fd = listening(host, [[1, 29]]);
      good(host.setsockopt(fd, 1, 37, int(0x18)));
      host.advance(1_234_567_890);
      good(host.sendto(fd, Uint8Array.of(1), 0, REMOTE));
      const arrived = host.now;
      comesBack(host);
      const { control } = good(host.recvmsg(fd, [10]));
      const usec = Math.floor((arrived % 1e9) / 1000);
      expect(plain(control)).toEqual([
        [1, 29, longs(1, usec)],
        [1, 37, expect.stringContaining(longs(1).slice(0, 16))],
      ]);
      expect(control[1]?.data.length).toBe(48);
      expect(hex(control[1]?.data.subarray(16) as Uint8Array)).toBe('00'.repeat(32));
    }));

  test('SO_RXQ_OVFL: what was lost before', () =>
    drill(host => {
      const fd = listening(host, [[1, 40]]);
      good(host.setsockopt(fd, 1, 8, int(2304)));
      for (let i = 0; i < 20; i++) {
        good(host.sendto(fd, new Uint8Array(800), 0, REMOTE));
        comesBack(host);
      }
      while (host.recv(fd, 1, 0x40).result > 0);
      good(host.sendto(fd, new Uint8Array(1), 0, REMOTE));
      comesBack(host);
      const { control } = good(host.recvmsg(fd, [10]));
      const lost = host.counters().UdpRcvbufErrors as number;
      expect(lost).toBeGreaterThan(0);
      expect(plain(control)).toEqual([[1, 40, hex(int(lost))]]);
    }));

  test('IP_RETOPTS: the options, as they would go back', () =>
    drill(host => {
      const fd = listening(host, [[0, 7]]);
      // Record route, and router alert, which nobody echoes.
      good(host.setsockopt(fd, 0, 4, bytes('070b04 0000000000000000 01 94040000')));
      good(host.sendto(fd, Uint8Array.of(1), 0, REMOTE));
      comesBack(host);
      expect(plain(good(host.recvmsg(fd, [10])).control)).toEqual([[0, 7, '070b0cc0a80001c0a8000100']]);
    }));

  test('UDP_GRO: of how many bytes each datagram was; SO_RCVPRIORITY: what the sender has ordered', () =>
    drill(host => {
      const fd = listening(host, [
        [17, 104],
        [1, 82],
      ]);
      const here = { address: '127.0.0.1', port: 9 };
      const control = [
        { level: 17, type: 103, data: bytes('0a00') },
        { level: 1, type: 12, data: int(5) },
      ];
      expect(host.sendmsg(fd, [new Uint8Array(25)], 0, here, control).result).toBe(25);
      const message = host.recvmsg(fd, [100]);
      expect(message.result).toBe(25);
      expect(plain(good(message).control)).toEqual([
        [1, 12, '05000000'],
        [17, 104, '0a000000'],
      ]);
    }));

  test('IP_RECVFRAGSIZE: the longest of the fragments', () =>
    drill(host => {
      const fd = listening(host, [[0, 25]]);
      good(host.sendto(fd, new Uint8Array(3000), 0, REMOTE));
      const fragments = host.take().map(({ bytes: packet }) => packet.slice());
      expect(fragments.map(({ length }) => length)).toEqual([1500, 1500, 68]);
      for (const [i, packet] of fragments.entries()) {
        const [from, to] = [packet.slice(12, 16), packet.slice(16, 20)];
        packet.set(to, 12);
        packet.set(from, 16);
        if (i === 0) packet.set([...packet.slice(22, 24), ...packet.slice(20, 22)], 20);
        host.inject(packet);
      }
      expect(plain(good(host.recvmsg(fd, [3000])).control)).toEqual([[0, 25, 'dc050000']]);
    }));

  test('TCP_INQ: how much is left', () =>
    drill(host => {
      const listener = host.socket(AF_INET, SOCK_STREAM, 0).result;
      const here = { address: '127.0.0.1', port: 80 };
      good(host.bind(listener, here));
      good(host.listen(listener, 1));
      const fd = host.socket(AF_INET, SOCK_STREAM, 0).result;
      good(host.connect(fd, here));
      const child = host.accept(listener).result;
      good(host.setsockopt(child, 6, 36, ON));
      good(host.write(fd, new Uint8Array(500)));
      expect(plain(good(host.recvmsg(child, [120])).control)).toEqual([[6, 36, hex(int(380))]]);
    }));

  test.each([
    ['SOCK_RAW', 3, 142, '0e00'],
    ['SOCK_DGRAM', 2, 128, '0000'],
  ])('PACKET_AUXDATA of a %s: struct tpacket_auxdata', (_name, type, length, net) =>
    drill(host => {
      // AF_PACKET, ETH_P_IP: what is sent is not seen by that.
      const fd = host.socket(17, type, 0x0800).result;
      expect(host.command('ethtool -K eth0 rx on').status).toBe(0);
      good(host.setsockopt(fd, 263, 8, ON));
      const udp = listening(host, []);
      good(host.sendto(udp, new Uint8Array(100), 0, REMOTE));
      comesBack(host);
      const message = host.recvmsg(fd, [60], 0x60);
      expect(message.result).toBe(length);
      const size = hex(int(length));
      // TP_STATUS_USER, TP_STATUS_CSUM_VALID; the frame's length, twice; tp_mac, tp_net; no tag.
      expect(plain(good(message).control)).toEqual([[263, 8, `81000000${size}${size}0000${net}00000000`]]);
    }),
  );

  test('IP_RECVERR: who refused, and what for', () =>
    drill(host => {
      const fd = listening(host, [[0, 11]]);
      good(host.sendto(fd, Uint8Array.of(7, 8), 0, REMOTE));
      const [sent] = host.take();
      const quoted = sent?.bytes.slice(0, 30) ?? new Uint8Array(0);
      const packet = new Uint8Array(28 + quoted.length);
      packet.set(bytes('4500 0000 0000 0000 4001 0000 c6336401 c0a80001 0303 0000 00000000'));
      packet[3] = packet.length;
      packet.set(quoted, 28);
      const view = new DataView(packet.buffer);
      const sum = (from: number, to: number): number => {
        let all = 0;
        for (let i = from; i < to; i += 2) all += view.getUint16(i);
        while (all > 0xffff) all = (all & 0xffff) + (all >>> 16);
        return ~all & 0xffff;
      };
      view.setUint16(10, sum(0, 20));
      view.setUint16(22, sum(20, packet.length));
      host.inject(packet);
      const message = good(host.recvmsg(fd, [10], 0x2000));
      expect(message).toMatchObject({ from: REMOTE, flags: 0x2000 });
      expect(hex(message.data[0] as Uint8Array)).toBe('0708');
      // ECONNREFUSED, SO_EE_ORIGIN_ICMP, port unreachable; the offender as a sockaddr_in.
      expect(plain(message.control)).toEqual([
        [0, 11, '6f0000000203030000000000000000000200 0000 c6336401 0000000000000000'.replaceAll(' ', '')],
      ]);
    }));
});

describe('sent', () => {
  const one = (level: number, type: number, data: string): ControlMessage[] => [{ level, type, data: bytes(data) }];
  const send = (host: DrillHost, fd: number, control: readonly ControlMessage[]): string =>
    host.sendmsg(fd, [Uint8Array.of(1, 2)], 0, REMOTE, control).errno || '0';

  test('IP_TTL, IP_TOS as a byte and as an int, IP_RETOPTS: in the header of this packet only', () =>
    drill(host => {
      const fd = listening(host, []);
      const control = [...one(0, 2, '07000000'), ...one(0, 1, '28'), ...one(0, 7, '94040000')];
      expect(send(host, fd, control)).toBe('0');
      expect(send(host, fd, one(0, 1, '08000000'))).toBe('0');
      expect(send(host, fd, [])).toBe('0');
      const [first, second, third] = host.take().map(packet => packet.bytes);
      expect(parseIpv4Packet(first as Uint8Array)).toMatchObject({ timeToLive: 7 });
      expect([first?.[1], second?.[1], third?.[1]]).toEqual([0x28, 8, 0]);
      expect(hex((first as Uint8Array).subarray(20, 24))).toBe('94040000');
      expect([second?.[8], third?.[8]]).toEqual([64, 64]);
    }));

  test('IP_PKTINFO: the address it comes from', () =>
    drill(host => {
      host.command('ip addr add 192.168.0.77/16 dev eth0');
      const fd = listening(host, []);
      expect(send(host, fd, one(0, 8, '00000000 c0a8004d 00000000'))).toBe('0');
      expect(parseIpv4Packet(host.take().at(-1)?.bytes as Uint8Array).source).toBe('192.168.0.77');
    }));

  test('IP_PKTINFO: the device it leaves by', () =>
    drill(host => {
      const fd = listening(host, []);
      expect(send(host, fd, one(0, 8, '63000000 00000000 00000000'))).toBe('ENODEV');
    }));

  test('SO_MARK: the route by it; UDP_SEGMENT: several datagrams', () =>
    drill(host => {
      expect(host.command('ip rule add fwmark 5 table 100').status).toBe(0);
      expect(host.command('ip route add unreachable default table 100').status).toBe(0);
      const fd = listening(host, []);
      expect(send(host, fd, one(1, 36, '05000000'))).toBe('EHOSTUNREACH');
      expect(send(host, fd, one(1, 36, '06000000'))).toBe('0');
      host.take();
      expect(host.sendmsg(fd, [new Uint8Array(25)], 0, REMOTE, one(17, 103, '0a00')).result).toBe(25);
      expect(host.take().map(({ bytes: packet }) => packet.length - 28)).toEqual([10, 10, 5]);
    }));

  test.each([
    ['IP_TTL of 0', 0, 2, '00000000', 'EINVAL'],
    ['IP_TTL as a byte', 0, 2, '07', 'EINVAL'],
    ['IP_TOS of 256', 0, 1, '00010000', 'EINVAL'],
    ['IP_PKTINFO, short', 0, 8, '0000000000000000', 'EINVAL'],
    ['SO_MARK, short', 1, 36, '0500', 'EINVAL'],
    ['a type of SOL_SOCKET that there is not', 1, 99, '00000000', 'EINVAL'],
    ['SCM_RIGHTS, for local sockets', 1, 1, '00000000', '0'],
    ['a type of SOL_IP that there is not', 0, 99, '00000000', 'EINVAL'],
    ['UDP_SEGMENT, long', 17, 103, '0a000000', 'EINVAL'],
    ['a level that nobody looks at', 99, 1, '00', '0'],
  ])('%s', (_what, level, type, data, errno) =>
    drill(host => {
      expect(send(host, listening(host, []), one(level, type, data))).toBe(errno);
    }),
  );

  test('SO_TIMESTAMPING: stamps of this message of a stream, not of the next', () =>
    drill(host => {
      const listener = host.socket(AF_INET, SOCK_STREAM, 0).result;
      good(host.bind(listener, { address: '127.0.0.1', port: 80 }));
      good(host.listen(listener, 1));
      const fd = host.socket(AF_INET, SOCK_STREAM, 0).result;
      good(host.connect(fd, { address: '127.0.0.1', port: 80 }));
      // SOFTWARE, OPT_TSONLY: reported when there are any.
      good(host.setsockopt(fd, 1, 37, int(0x810)));
      const stamps = (control: readonly ControlMessage[]): number => {
        good(host.sendmsg(fd, [Uint8Array.of(1)], 0, null, control));
        host.advance(1e9);
        let count = 0;
        while (host.recvmsg(fd, [10], 0x2040).result >= 0) count++;
        return count;
      };
      // TX_ACK.
      expect(stamps(one(1, 37, '00020000'))).toBe(1);
      expect(stamps([])).toBe(0);
      expect(host.sendmsg(fd, [Uint8Array.of(1)], 0, null, one(1, 37, '10000000')).errno).toBe('EINVAL');
      const datagrams = host.socket(AF_INET, SOCK_DGRAM, 0).result;
      expect(send(host, datagrams, one(1, 37, '00020000'))).toBe('0');
    }));

  test('a stream looks at SOL_SOCKET only', () =>
    drill(host => {
      const fd = host.socket(AF_INET, SOCK_STREAM, 0).result;
      expect(send(host, fd, one(0, 2, '00'))).toBe('EPIPE');
      expect(send(host, fd, one(1, 36, '00'))).toBe('EINVAL');
      expect(send(host, 9, one(1, 36, '00'))).toBe('EBADF');
    }));
});
