/** Files of /proc/net beside Linux's own, in a namespace with the same devices, routes and sockets. */
import { execFileSync } from 'node:child_process';
import { expect } from 'vitest';
import type { Host } from '../../harness/machine/host.ts';
import { World } from '../../harness/machine/world.ts';
import { ip } from '../../harness/shell/ip.ts';
import { Random } from '../../harness/sim/random.ts';
import { proc_read } from '../../kernel/fs/proc.ts';
import { AF_PACKET, sockaddr_ll } from '../../kernel/net/msg.ts';
import { testOnTap } from '../needs.ts';

/** What a host of ours with eth0 at 10.9.0.1/24 is on Linux; the other end of the wire has no addresses. */
const LINUX = `
  sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
  ip link set lo up
  ip link add eth0 address 02:00:00:00:00:01 type veth peer name wire
  ip link set wire up
  ip link set eth0 up
  ip addr add 10.9.0.1/24 dev eth0`;

function onLinux(program: string, script: string): string {
  const shell = `set -e\n${LINUX}\n${program} <<'END'\n${script}\nEND`;
  return execFileSync('unshare', ['--net', 'sh', '-c', shell], { encoding: 'utf8' });
}

function build(): { world: World; host: Host; read: (name: string) => string } {
  const world = new World();
  const host = world.addHost({ name: 'a', nics: [{ mac: Uint8Array.of(2, 0, 0, 0, 0, 1) }] });
  host.up('eth0', 0x0a090001, 24);
  return { world, host, read: name => proc_read(host.kernel, `/proc/net/${name}`) as string };
}

/** Routes that come and go, of every kind, in several tables; a rule parts main and local on the way. */
function changes(seed: number): string[] {
  const random = new Random(seed, 'routes');
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const lines: string[] = [];
  const present: string[] = [];
  for (let i = 0; i < 300; i++) {
    if (i === 100 && seed % 2 === 1) lines.push('rule add pref 7 table 612');
    if (present.length > 0 && random.below(4) === 0) {
      const [route] = present.splice(random.below(present.length), 1);
      lines.push(`route del ${route}`);
      continue;
    }
    const length = pick([8, 12, 16, 20, 24, 24, 28, 30, 32]);
    const address = ((20 << 24) | random.below(1 << 26)) & (-1 << (32 - length));
    const bytes = [24, 16, 8, 0].map(shift => (address >>> shift) & 0xff).join('.');
    const table = pick(['', '', '', ' table 100', ' table 356', ' table 253']);
    const route = `${pick(['', '', '', 'blackhole ', 'throw '])}${bytes}/${length}`;
    const way = route.includes(' ') ? '' : pick([' via 10.9.0.7', ' dev eth0', ' dev eth0 scope 77']);
    const line = `${route}${pick(['', '', ' tos 8'])}${way}${table} metric ${i + 1}`;
    present.push(line);
    lines.push(`route add ${line}`);
  }
  return lines;
}

testOnTap()('fib_trie and fib_triestat: each node and route where Linux has it', () => {
  for (const seed of [1, 2, 3, 4]) {
    const { world, host, read } = build();
    const lines = changes(seed);
    const linux = onLinux('sh -e', [...lines.map(line => `ip ${line}`), 'cat /proc/net/fib_trie*'].join('\n'));
    for (const line of lines) {
      const { status, stderr } = ip(host.kernel, line.split(' '));
      expect([line, status, stderr]).toEqual([line, 0, '']);
    }
    expect(`${read('fib_trie')}${read('fib_triestat')}`).toBe(linux);
    expect(world.finish()).toEqual([]);
  }
});

/** Type and protocol of the call; protocol of bind to eth0, if there is one. */
const SOCKETS: readonly (readonly [type: number, protocol: number, bind?: number])[] = [
  [3, 0],
  [3, 3],
  [2, 0x800],
  [3, 4],
  [2, 3, 3],
  [3, 0, 0x806],
  [3, 0x88cc, 0],
  [3, 3],
];

const PROGRAM = `
import socket
kept = []
for type, protocol, *bound in ${JSON.stringify(SOCKETS)}:
    s = socket.socket(socket.AF_PACKET, type, socket.htons(protocol))
    kept.append(s)
    for number in bound:
        s.bind(("eth0", number))
for name in ("packet", "ptype", "dev_mcast"):
    print(open("/proc/net/" + name).read(), end="")`;

/** Numbers that are a machine's own: socket, inode and device index; the wire's other end; protocols that we have not. */
function comparable(text: string): string[] {
  return text
    .split('\n')
    .filter(line => !/ wire | (llc|ipv6)_rcv| 333300000001$|^$/.test(line))
    .map(line =>
      line.replace(/^[0-9a-f]{16} (.{18}) +(\d+) +([01] .*) \d+ *$/, (_, type, index, rest) =>
        ['SOCKET', type, index === '0' ? 0 : 'INDEX', rest, 'INODE'].join(' '),
      ),
    )
    .map(line => line.replace(/^\d+ (?= +eth0)/, 'INDEX'));
}

testOnTap()('packet, ptype and dev_mcast: the lines of Linux for the same sockets', () => {
  const { world, host, read } = build();
  const { ifindex } = host.kernel.init_net.devices.find(({ name }) => name === 'eth0') ?? { ifindex: 0 };
  let ours = '';
  host.spawn('sockets', function* (sys) {
    for (const [type, protocol, bind] of SOCKETS) {
      const fd = yield* sys.socket(AF_PACKET, type, protocol);
      if (bind !== undefined) yield* sys.bind(fd, new sockaddr_ll(ifindex, bind));
    }
    ours = `${read('packet')}${read('ptype')}${read('dev_mcast')}`;
    return 0;
  });
  world.sim.run(world.sim.time + 1_000_000);
  expect(comparable(ours)).toEqual(comparable(onLinux('python3', PROGRAM)));
  expect(world.finish()).toEqual([]);
});
