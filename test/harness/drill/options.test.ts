/** Layouts and lengths: what is expected here was measured on Linux 6.18. */
import { describe, expect, test } from 'vitest';
import type { DrillHost } from '../../../harness/drill/api.ts';
import { AF_INET, bytes, drill, good, hex, int, SOCK_DGRAM, SOCK_STREAM } from './drills.ts';

const SOCK_RAW = 3;
const LOCAL = 'c0a80001';
const GROUP = 'ef010203';
const ANY = '00000000';

const socket = (host: DrillHost, type = SOCK_DGRAM, protocol = 0): number =>
  host.socket(AF_INET, type, protocol).result;

/** What a program with room for `length` bytes gets, or the errno. */
function get(host: DrillHost, fd: number, level: number, name: number, length: number): string {
  const call = host.getsockopt(fd, level, name, length);
  return call.result < 0 ? call.errno : hex(good(call));
}

const set = (host: DrillHost, fd: number, level: number, name: number, value: string): string =>
  host.setsockopt(fd, level, name, bytes(value)).errno || '0';

describe('getsockopt', () => {
  test('an option without a value, after one with: nothing of the other', () =>
    drill(host => {
      const fd = socket(host);
      expect(get(host, fd, 1, 3, 4)).toBe('02000000');
      expect(get(host, fd, 0, 4, 40)).toBe('');
      expect(get(host, fd, 0, 32, 4)).toBe(ANY);
    }));

  test('SO_COOKIE: eight bytes, not fewer', () =>
    drill(host => {
      const fd = socket(host);
      for (const length of [0, 4, 7]) expect(get(host, fd, 1, 57, length)).toBe('EINVAL');
      const cookie = get(host, fd, 1, 57, 64);
      expect(cookie).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
      expect(get(host, fd, 1, 57, 8)).toBe(cookie);
      expect(get(host, socket(host), 1, 57, 8)).not.toBe(cookie);
    }));

  test.each([
    ['IP_TOS, a byte where there is no room for an int', 0, 1, ['', '00', '00', '00', '00000000', '00000000']],
    ['SO_TYPE, cut', 1, 3, ['', '02', '0200', '020000', '02000000', '02000000']],
    ['SO_TIMESTAMPING, struct so_timestamping', 1, 37, ['', '00', '0000', '000000', '00000000', '0000000000']],
    ['IP_MULTICAST_IF, cut', 0, 32, ['', '00', '0000', '000000', '00000000', '00000000']],
    ['IP_MTU of nobody', 0, 14, Array(6).fill('ENOTCONN')],
  ])('room for 0 to 5 bytes: %s', (_what, level, name, answers) =>
    drill(host => {
      const fd = socket(host);
      expect([0, 1, 2, 3, 4, 5].map(length => get(host, fd, level, name, length))).toEqual(answers);
      expect(get(host, fd, level, name, -1)).toBe('EINVAL');
    }),
  );
});

describe('setsockopt', () => {
  test.each([
    ['IP_TOS', 1, '0', '0', '0'],
    ['IP_RECVTTL', 12, '0', '0', '0'],
    ['IP_PKTINFO', 8, '0', '0', '0'],
    ['IP_TTL', 2, 'EINVAL', '0', '0'],
    ['IP_FREEBIND', 15, 'EINVAL', '0', '0'],
    ['IP_MULTICAST_TTL', 33, 'EINVAL', '0', '0'],
    ['IP_MULTICAST_IF', 32, 'EINVAL', 'EINVAL', 'EADDRNOTAVAIL'],
    ['IP_ADD_MEMBERSHIP', 35, 'EINVAL', 'EINVAL', 'EINVAL'],
    ['IP_LOCAL_PORT_RANGE', 51, 'EINVAL', 'EINVAL', 'EINVAL'],
  ])('%s with no byte, with one, with five', (_what, name, none, one, five) =>
    drill(host => {
      const fd = socket(host);
      expect([set(host, fd, 0, name, ''), set(host, fd, 0, name, '01')]).toEqual([none, one]);
      expect(set(host, fd, 0, name, '0100000000')).toBe(five);
    }),
  );

  test('an int of level SOL_SOCKET, TCP or UDP with three bytes: EINVAL', () =>
    drill(host => {
      expect(set(host, socket(host), 1, 8, '010000')).toBe('EINVAL');
      expect(set(host, socket(host), 17, 1, '010000')).toBe('EINVAL');
      expect(set(host, socket(host, SOCK_STREAM), 6, 1, '010000')).toBe('EINVAL');
    }));

  test('IP_UNICAST_IF: an index in network order', () =>
    drill(host => {
      const fd = socket(host);
      const index = Number(host.command('ip -o link show eth0').stdout.split(':')[0]);
      const network = hex(int(index).reverse());
      expect(set(host, fd, 0, 50, hex(int(index)))).toBe('EADDRNOTAVAIL');
      expect(set(host, fd, 0, 50, `${network}${ANY}`)).toBe('EINVAL');
      expect(set(host, fd, 0, 50, network)).toBe('0');
      expect(get(host, fd, 0, 50, 4)).toBe(network);
    }));

  test('IP_MULTICAST_IF: an address, ip_mreq, ip_mreqn', () =>
    drill(host => {
      const fd = socket(host);
      const index = hex(int(Number(host.command('ip -o link show eth0').stdout.split(':')[0])));
      expect(set(host, fd, 0, 32, LOCAL)).toBe('0');
      expect(get(host, fd, 0, 32, 4)).toBe(LOCAL);
      expect(set(host, fd, 0, 32, `${ANY}${ANY}${index}`)).toBe('0');
      expect(get(host, fd, 0, 32, 12)).toBe(ANY);
      expect(set(host, fd, 0, 32, `${ANY}${LOCAL}`)).toBe('0');
      expect(get(host, fd, 0, 32, 4)).toBe(LOCAL);
      expect(set(host, fd, 0, 32, '09090909')).toBe('EADDRNOTAVAIL');
    }));

  test('memberships: ip_mreq, ip_mreqn, group_req; each joins the group that it names', () =>
    drill(host => {
      const fd = socket(host);
      const index = hex(int(Number(host.command('ip -o link show eth0').stdout.split(':')[0])));
      const storage = (address: string, family = '0200'): string => `${family}0000${address}`.padEnd(256, '0');
      expect(set(host, fd, 0, 35, `${GROUP}${LOCAL}`)).toBe('0');
      expect(set(host, fd, 0, 35, `${GROUP}${LOCAL}`)).toBe('EADDRINUSE');
      expect(set(host, fd, 0, 36, `${GROUP}${ANY}${index}`)).toBe('0');
      expect(set(host, fd, 0, 35, `${GROUP}${ANY}${index}`)).toBe('0');
      expect(set(host, fd, 0, 35, `0a010203${LOCAL}`)).toBe('EINVAL');
      expect(set(host, fd, 0, 35, `${GROUP}c0a800`)).toBe('EINVAL');
      expect(set(host, fd, 0, 42, `${index}${ANY}${storage('ef050505')}`)).toBe('0');
      expect(set(host, fd, 0, 42, `${index}${ANY}${storage('ef050506', '0300')}`)).toBe('EINVAL');
      expect(set(host, fd, 0, 42, `${index}${ANY}${storage('ef050506')}`.slice(0, 270))).toBe('EINVAL');
      expect(set(host, fd, 0, 46, `${index}${ANY}${storage('ef060606')}${storage('03030303')}`)).toBe('0');
      // Reports (IGMPv3) name what was joined, and not what was refused.
      host.advance(2e9);
      const reports = host
        .take()
        .map(packet => hex(packet.bytes))
        .join(' ');
      expect(['ef010203', 'ef050505', 'ef060606'].filter(group => !reports.includes(group))).toEqual([]);
      expect(reports).not.toContain('ef050506');
    }));

  test('sources: blocked, filtered, and told again', () =>
    drill(host => {
      const fd = socket(host);
      const ask = (room: number, length: number): string => {
        const given = bytes(`${GROUP}${LOCAL}${ANY}${hex(int(room))}`.padEnd(128, 'aa'));
        return hex(good(host.getsockopt(fd, 0, 41, length, given)));
      };
      expect(set(host, fd, 0, 35, `${GROUP}${LOCAL}`)).toBe('0');
      expect(set(host, fd, 0, 38, `${GROUP}${ANY}09090909`)).toBe('0');
      expect(ask(4, 32)).toBe(`${GROUP}${LOCAL}000000000100000009090909`);
      // The number is that of all of them, whatever there is room for.
      expect(ask(0, 16)).toBe(`${GROUP}${LOCAL}0000000001000000`);
      expect(set(host, fd, 0, 41, `${GROUP}${LOCAL}${ANY}020000000101010102020202`)).toBe('0');
      expect(ask(4, 64)).toBe(`${GROUP}${LOCAL}00000000020000000101010102020202`);
      expect(set(host, fd, 0, 41, `${GROUP}${LOCAL}${ANY}0300000001010101`)).toBe('EINVAL');
      expect(get(host, fd, 0, 41, 16)).toBe('EINVAL');
    }));

  test('MCAST_MSFILTER: struct group_filter, of which as much comes as there is room for', () =>
    drill(host => {
      const fd = socket(host);
      const index = hex(int(Number(host.command('ip -o link show eth0').stdout.split(':')[0])));
      const storage = (address: string, fill = '0', family = '0200'): string =>
        `${family}0000${address}`.padEnd(256, fill);
      const head = `${index}${ANY}${storage(GROUP)}`;
      const ask = (room: number, length: number, group = storage(GROUP)): string => {
        const given = bytes(`${index}${ANY}${group}${ANY}${hex(int(room))}`.padEnd(1024, 'aa'));
        const call = host.getsockopt(fd, 0, 48, length, given);
        return call.result < 0 ? call.errno : hex(good(call));
      };
      expect(set(host, fd, 0, 42, head)).toBe('0');
      const two = `${head}0100000002000000${storage('01010101')}${storage('02020202')}`;
      expect(set(host, fd, 0, 48, two)).toBe('0');
      expect(ask(2, 512)).toBe(two);
      // The number is that of all of them; the second one's place is as the program has left it.
      expect(ask(1, 512)).toBe(two.slice(0, -256));
      expect(ask(0, 144)).toBe(two.slice(0, 288));
      expect(ask(2, 143)).toBe('EINVAL');
      expect(ask(2, 512, storage(GROUP, '0', '0a00'))).toBe('EADDRNOTAVAIL');
      expect(set(host, fd, 0, 48, `${head}0100000003000000${storage('01010101')}${storage('02020202')}`)).toBe(
        'EINVAL',
      );
    }));

  test('SO_BINDTODEVICE: a name, with its end or without; a device that there is not; none', () =>
    drill(host => {
      const fd = socket(host);
      const eth0 = hex(Buffer.from('eth0'));
      expect(get(host, fd, 1, 25, 16)).toBe('');
      expect(get(host, fd, 1, 25, 15)).toBe('');
      expect(set(host, fd, 1, 25, eth0)).toBe('0');
      expect(get(host, fd, 1, 25, 16)).toBe(`${eth0}00`);
      expect(get(host, fd, 1, 25, 15)).toBe('EINVAL');
      expect(set(host, fd, 1, 25, `${hex(Buffer.from('eth1'))}00`)).toBe('ENODEV');
      expect(set(host, fd, 1, 25, `${eth0}00ffffffffffffffffffffffffffffffff`)).toBe('0');
      expect(get(host, fd, 1, 25, 64)).toBe(`${eth0}00`);
      expect(set(host, fd, 1, 25, '')).toBe('0');
      expect(get(host, fd, 1, 25, 16)).toBe('');
    }));

  test.each([
    ['', ''],
    ['01', '01000000'],
    ['0101010101', '0101010101000000'],
    ['94040000', '94040000'],
    ['070304', '07030400'],
    ['0707040102030400', '0707040000000000'],
    ['440c050000000000ffffffff', '440c050000000000ffffffff'],
    ['01'.repeat(40), '01'.repeat(40)],
  ])('IP_OPTIONS %s: %s', (given, told) =>
    drill(host => {
      const fd = socket(host);
      expect(set(host, fd, 0, 4, given)).toBe('0');
      expect(get(host, fd, 0, 4, 40)).toBe(told);
      expect(get(host, fd, 0, 4, 3)).toBe(told.slice(0, 6));
    }),
  );

  test.each(['94050000', '07', '0703', '820b', '99999999', '01'.repeat(41)])('IP_OPTIONS %s: refused', given =>
    drill(host => {
      const fd = socket(host);
      expect(set(host, fd, 0, 4, given)).toBe('EINVAL');
      expect(get(host, fd, 0, 4, 40)).toBe('');
    }),
  );

  test('ICMP_FILTER with one byte: the others stay', () =>
    drill(host => {
      const fd = socket(host, SOCK_RAW, 1);
      expect(set(host, fd, 255, 1, '01020304')).toBe('0');
      expect(set(host, fd, 255, 1, 'ff')).toBe('0');
      expect(get(host, fd, 255, 1, 8)).toBe('ff020304');
      expect(set(host, fd, 255, 1, '')).toBe('0');
      expect(get(host, fd, 255, 1, 2)).toBe('ff02');
    }));

  test('SO_ATTACH_FILTER: instructions, and what they let pass', () =>
    drill(host => {
      const fd = socket(host);
      // ret #0: nothing.
      expect(set(host, fd, 1, 26, '0600 00 00 00000000')).toBe('0');
      expect(get(host, fd, 1, 26, 8)).toBe('0600000000000000');
      expect(set(host, fd, 1, 26, '0600')).toBe('EINVAL');
      good(host.bind(fd, { address: '0.0.0.0', port: 7000 }));
      good(host.sendto(fd, Uint8Array.of(1), 0, { address: '192.168.0.1', port: 7000 }));
      expect(host.recv(fd, 10, 0x40).errno).toBe('EAGAIN');
      expect(set(host, fd, 1, 27, '00000000')).toBe('0');
      good(host.sendto(fd, Uint8Array.of(1), 0, { address: '192.168.0.1', port: 7000 }));
      expect(host.recv(fd, 10, 0x40).result).toBe(1);
    }));
});
