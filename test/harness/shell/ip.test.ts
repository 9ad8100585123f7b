/** The lines of `expected` are what iproute2 6.1 printed on Linux 6.18 after the same commands. */
import { describe, expect, it } from 'vitest';
import { ip } from '../../../harness/shell/ip.ts';
import { Segment } from '../../kernel/net/segment.ts';

function shell(segment: Segment): (line: string) => string {
  return line => {
    const { status, stdout, stderr } = ip(segment.kernel, line.split(' '));
    segment.settle();
    if (status === 0) expect(stderr).toBe('');
    return status === 0 ? stdout : `${stderr.trimEnd()} => ${status}`;
  };
}

function setUp(): { segment: Segment; run: (line: string) => string } {
  const segment = new Segment({ address: null });
  const run = shell(segment);
  expect(run('addr add 10.1.0.2/24 dev eth0')).toBe('');
  return { segment, run };
}

describe('ip route', () => {
  it('routes of every kind: added, shown, asked for, as Linux words them', () => {
    const { segment, run } = setUp();
    for (const line of [
      'route add 10.3.0.0/16 via 10.1.0.1',
      'route add unreachable 10.4.0.0/16',
      'route add prohibit 10.5.0.0/16',
      'route add blackhole 10.6.0.0/16',
      'route add throw 10.7.0.0/16',
      'route add 10.8.0.0/16 nexthop via 10.1.0.1 weight 2 nexthop via 10.1.0.3 weight 1',
      'route add 10.10.0.0/16 via 10.1.0.1 metric 100 mtu 1400 advmss 1300 src 10.1.0.2',
      'route add 10.10.0.0/16 via 10.1.0.1 mtu lock 1300 metric 50 initcwnd 10 table 100',
      'route add default via 10.1.0.1 dev eth0 table 253',
    ])
      expect([line, run(line)]).toEqual([line, '']);
    expect(run('route show')).toBe(`10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.2 
10.3.0.0/16 via 10.1.0.1 dev eth0 
unreachable 10.4.0.0/16 
prohibit 10.5.0.0/16 
blackhole 10.6.0.0/16 
throw 10.7.0.0/16 
10.8.0.0/16 
	nexthop via 10.1.0.1 dev eth0 weight 2 
	nexthop via 10.1.0.3 dev eth0 weight 1 
10.10.0.0/16 via 10.1.0.1 dev eth0 src 10.1.0.2 metric 100 mtu 1400 advmss 1300 
`);
    const all = run('route show table all');
    expect(all).toContain('10.10.0.0/16 via 10.1.0.1 dev eth0 table 100 metric 50 mtu lock 1300 initcwnd 10 \n');
    expect(all).toContain('default via 10.1.0.1 dev eth0 table default \n');
    expect(all).toContain('local 10.1.0.2 dev eth0 table local proto kernel scope host src 10.1.0.2 \n');
    expect(all).toContain('local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1 \n');
    const expected: [string, string][] = [
      ['10.1.0.1', '10.1.0.1 dev eth0 src 10.1.0.2 uid 0 \n    cache \n'],
      ['10.1.0.2', 'local 10.1.0.2 dev lo src 10.1.0.2 uid 0 \n    cache <local> \n'],
      ['10.3.0.1', '10.3.0.1 via 10.1.0.1 dev eth0 src 10.1.0.2 uid 0 \n    cache \n'],
      ['10.4.0.1', 'RTNETLINK answers: No route to host => 2'],
      ['10.5.0.1', 'RTNETLINK answers: Permission denied => 2'],
      ['10.6.0.1', 'RTNETLINK answers: Invalid argument => 2'],
      ['10.1.0.255', 'broadcast 10.1.0.255 dev eth0 src 10.1.0.2 uid 0 \n    cache <local,brd> \n'],
      ['9.9.9.9', '9.9.9.9 via 10.1.0.1 dev eth0 table default src 10.1.0.2 uid 0 \n    cache \n'],
      ['fibmatch 10.3.0.1', '10.3.0.0/16 via 10.1.0.1 dev eth0 \n'],
      ['10.1.0.1 mark 0x10 oif eth0', '10.1.0.1 dev eth0 src 10.1.0.2 mark 0x10 uid 0 \n    cache \n'],
      ['10.3.0.9 from 8.8.4.4 iif eth0', 'RTNETLINK answers: No route to host => 2'],
      ['10.1.0.1 from 10.9.9.9', 'RTNETLINK answers: Network is unreachable => 2'],
    ];
    for (const [args, answer] of expected) expect([args, run(`route get ${args}`)]).toEqual([args, answer]);
    segment.finish();
  });

  it('what cannot be: the message and status of the real ones', () => {
    const { segment, run } = setUp();
    run('route add 10.3.0.0/16 via 10.1.0.1');
    const expected: [string, string][] = [
      ['route add 10.3.0.0/16 via 10.1.0.1', 'RTNETLINK answers: File exists => 2'],
      ['route del 10.99.0.0/16', 'RTNETLINK answers: No such process => 2'],
      ['route add 10.99.0.0/16 via 172.16.0.1', 'Error: Nexthop has invalid gateway. => 2'],
      ['route add 10.99.0.1/16 dev eth0', 'Error: Invalid prefix for given prefix length. => 2'],
      ['route add 10.99.0.0/16 dev nodev', 'Cannot find device "nodev" => 1'],
      ['route change 10.98.0.0/16 via 10.1.0.5', 'RTNETLINK answers: No such file or directory => 2'],
      ['route show table 999', 'Error: ipv4: FIB table does not exist.\nDump terminated => 2'],
      ['addr add 10.1.0.2/24 dev eth0', 'Error: ipv4: Address already assigned. => 2'],
      ['addr del 10.1.0.99/24 dev eth0', 'Error: ipv4: Address not found. => 2'],
      ['addr add 10.1.0.300/24 dev eth0', 'Error: any valid prefix is expected rather than "10.1.0.300/24". => 1'],
      ['link set eth0 mtu 50000000', 'Error: mtu greater than device maximum. => 2'],
      ['link set nodev up', 'Cannot find device "nodev" => 1'],
      ['rule del prio 77', 'RTNETLINK answers: No such file or directory => 2'],
      ['neigh del 10.1.0.77 dev eth0', 'RTNETLINK answers: No such file or directory => 2'],
    ];
    for (const [line, answer] of expected) expect([line, run(line)]).toEqual([line, answer]);
    segment.finish();
  });

  it('replace, append, flush', () => {
    const { segment, run } = setUp();
    run('route add 10.3.0.0/16 via 10.1.0.1');
    expect(run('route replace 10.3.0.0/16 via 10.1.0.4')).toBe('');
    expect(run('route append 10.3.0.0/16 via 10.1.0.5')).toBe('');
    const both = '10.3.0.0/16 via 10.1.0.4 dev eth0 \n10.3.0.0/16 via 10.1.0.5 dev eth0 \n';
    expect(run('route show 10.3.0.0/16')).toBe(both);
    expect(run('route show match 10.3.0.1')).toBe(both);
    expect(run('route prepend 10.3.0.0/16 via 10.1.0.6')).toBe('');
    expect(run('route show via 10.1.0.6')).toBe('10.3.0.0/16 dev eth0 \n');
    expect(run('route flush root 10.3.0.0/16')).toBe('');
    expect(run('route')).toBe('10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.2 \n');
    segment.finish();
  });
});

it('ip rule: added, shown by priority, deleted', () => {
  const { segment, run } = setUp();
  for (const line of [
    'rule add from 10.1.0.0/24 fwmark 0x10/0xff table 100 prio 100',
    'rule add to 10.10.0.0/16 unreachable',
    'rule add not iif eth0 lookup main prio 50',
    'rule add ipproto udp dport 53 goto 32766',
    'rule add ipproto tcp sport 1000-2000 tos 0x10 blackhole',
  ])
    expect([line, run(line)]).toEqual([line, '']);
  expect(run('rule add prio 100 from 10.1.0.0/24 fwmark 0x10/0xff table 100')).toBe(
    'RTNETLINK answers: File exists => 2',
  );
  const start = '32766:	from all lookup main\n32767:	from all lookup default\n';
  expect(run('rule show')).toBe(`0:	from all lookup local
48:	from all tos 0x10 ipproto tcp sport 1000-2000 blackhole
49:	from all ipproto udp dport 53 goto 32766
50:	not from all iif eth0 lookup main
99:	from all to 10.10.0.0/16 unreachable
100:	from 10.1.0.0/24 fwmark 0x10/0xff lookup 100
${start}`);
  for (const pref of [48, 49, 50, 99, 100]) expect(run(`rule del prio ${pref}`)).toBe('');
  expect(run('rule')).toBe(`0:	from all lookup local\n${start}`);
  segment.finish();
});

it('ip neigh: added, replaced, for others, flushed', () => {
  const { segment, run } = setUp();
  expect(run('neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev eth0')).toBe('');
  expect(run('neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev eth0')).toBe('RTNETLINK answers: File exists => 2');
  expect(run('neigh change 10.1.0.78 lladdr 02:00:00:00:00:09 dev eth0')).toBe(
    'RTNETLINK answers: No such file or directory => 2',
  );
  expect(run('neigh show')).toBe('10.1.0.9 dev eth0 lladdr 02:00:00:00:00:09 PERMANENT \n');
  expect(run('neigh replace 10.1.0.9 lladdr 02:00:00:00:00:0a dev eth0 nud stale')).toBe('');
  expect(run('neigh show')).toBe('10.1.0.9 dev eth0 lladdr 02:00:00:00:00:0a STALE \n');
  expect(run('neigh add proxy 10.1.0.50 dev eth0')).toBe('');
  expect(run('neigh show proxy')).toBe('10.1.0.50 dev eth0 proxy \n');
  expect(run('neigh flush all')).toBe('');
  expect(run('neigh')).toBe('');
  segment.finish();
});

it('ip addr, ip link: as shown', () => {
  const { segment, run } = setUp();
  run('addr add 10.1.0.7/24 dev eth0');
  expect(
    run('addr show dev eth0'),
  ).toBe(`2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc ${segment.dev._tx[0]?.qdisc.ops.id} state UP group default qlen 1000
    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff
    inet 10.1.0.2/24 scope global eth0
       valid_lft forever preferred_lft forever
    inet 10.1.0.7/24 scope global secondary eth0
       valid_lft forever preferred_lft forever
`);
  expect(run('-br addr')).toBe(
    'lo               UNKNOWN        127.0.0.1/8 \neth0             UP             10.1.0.2/24 10.1.0.7/24 \n',
  );
  expect(run('link set eth0 down')).toBe('');
  expect(run('link show eth0')).toContain('2: eth0: <BROADCAST,MULTICAST> mtu 1500');
  expect(run('bogus')).toBe('Object "bogus" is unknown, try "ip help". => 1');
  segment.finish();
});

describe('what was asked for', () => {
  it('ip route show: what was chosen by is not repeated; a route of several hops has no device and no gateway', () => {
    const { segment, run } = setUp();
    for (const line of [
      'route add 10.3.0.0/16 via 10.1.0.1 proto static metric 100',
      'route add 10.4.0.0/16 nexthop via 10.1.0.1 nexthop via 10.1.0.3',
      'route add to 10.5.0.0/16 dev eth0 scope link',
    ])
      expect([line, run(line)]).toEqual([line, '']);
    const expected: [string, string][] = [
      ['proto static', '10.3.0.0/16 via 10.1.0.1 dev eth0 metric 100 \n'],
      ['via 10.1.0.1', '10.3.0.0/16 dev eth0 proto static metric 100 \n'],
      ['metric 100', '10.3.0.0/16 via 10.1.0.1 dev eth0 proto static \n'],
      ['scope link', '10.1.0.0/24 dev eth0 proto kernel src 10.1.0.2 \n10.5.0.0/16 dev eth0 \n'],
    ];
    for (const [what, lines] of expected) expect([what, run(`route show ${what}`)]).toEqual([what, lines]);
    expect(run('route list dev eth0')).toBe(
      '10.1.0.0/24 proto kernel scope link src 10.1.0.2 \n10.3.0.0/16 via 10.1.0.1 proto static metric 100 \n10.5.0.0/16 scope link \n',
    );
    expect(run('r s')).toContain('10.3.0.0/16 via 10.1.0.1 dev eth0 proto static metric 100 \n');
    expect(run('ro get 10.3.0.1 mark 5 tos 0x10')).toContain('src 10.1.0.2 mark 5 uid 0 \n');
    segment.finish();
  });

  it('used wrongly: the words and the status of iproute2', () => {
    const { segment, run } = setUp();
    const expected: [string, string][] = [
      ['route add 10.4.0.0/16 via 10.1.0.255', 'Error: Nexthop has invalid gateway. => 2'],
      ['route add 10.4.0.0/16 via 10.1.0.1 src 1.1.1.1', 'Error: Invalid prefsrc address. => 2'],
      ['route add 10.4.0.0/16 via foo', 'Error: inet address is expected rather than "foo". => 1'],
      [
        'route add 10.4.0.0/16 via 10.1.0.1 metric foo',
        'Error: argument "foo" is wrong: "metric" value is invalid => 255',
      ],
      ['route foo', 'Command "foo" is unknown, try "ip route help". => 255'],
      ['rule foo', 'Command "foo" is unknown, try "ip rule help". => 255'],
      ['rule del', '"ip rule del" requires arguments. => 1'],
      ['rule add table foo', 'Error: argument "foo" is wrong: invalid table ID => 255'],
      ['neigh add 10.1.0.9 dev eth0', 'Error: No link layer address given. => 2'],
      ['neigh add 10.1.0.9', 'Device and destination are required arguments. => 255'],
      ['neigh get 10.1.0.9 dev eth0', 'RTNETLINK answers: No such file or directory => 2'],
      ['link show nosuch', 'Device "nosuch" does not exist. => 1'],
      ['link set nosuch up', 'Cannot find device "nosuch" => 1'],
      ['link set eth0 mtu foo', 'Error: argument "foo" is wrong: Invalid "mtu" value => 255'],
      ['link set eth0 arp foo', 'Error: argument of "arp" must be "on" or "off", not "foo" => 1'],
      ['addr add 10.1.0.9/24', 'Not enough information: "dev" argument is required. => 1'],
      ['addr flush', 'Flush requires arguments. => 1'],
    ];
    for (const [line, answer] of expected) expect([line, run(line)]).toEqual([line, answer]);
    expect(run('rule')).toBe(
      '0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n',
    );
    segment.finish();
  });

  it('ip link set: a wrong word among good ones changes nothing; flags and queue length as Linux shows them', () => {
    const { segment, run } = setUp();
    const before = run('link show eth0');
    expect(run('link set eth0 mtu 1400 promisc on foo')).toBe(
      'Error: either "dev" is duplicate, or "foo" is a garbage. => 255',
    );
    expect(run('link show eth0')).toBe(before);
    expect(run('link set eth0 txqueuelen 55 promisc on multicast off arp off')).toBe('');
    expect(run('link set eth0 promisc on')).toBe('');
    expect(run('link show eth0')).toMatch(/^\d+: eth0: <BROADCAST,NOARP,PROMISC,UP,LOWER_UP> mtu 1500 .* qlen 55\n/);
    expect(run('link set eth0 promisc off multicast on arp on txqueuelen 1000')).toBe('');
    expect(run('link show eth0')).toBe(before);
    expect(segment.dev.promiscuity).toBe(0);
    segment.finish();
  });

  it('ip addr flush: only those that fit; del without a length; one line each', () => {
    const { segment, run } = setUp();
    expect(run('addr add 172.19.0.1/24 scope link dev eth0')).toBe('');
    expect(run('addr add 172.16.0.1/24 dev eth0')).toBe('');
    expect(run('addr flush dev eth0 scope link')).toBe('');
    expect(run('-o addr show dev eth0')).toMatch(
      /^(\d+): eth0 {4}inet 10\.1\.0\.2\/24 scope global eth0\\ {7}valid_lft forever preferred_lft forever\n\1: eth0 {4}inet 172\.16\.0\.1\/24 /,
    );
    expect(run('addr del 172.16.0.1 dev eth0')).toBe('');
    expect(run('-4 a s eth0')).toMatch(
      /qlen 1000\n {4}inet 10\.1\.0\.2\/24 scope global eth0\n {7}valid_lft forever preferred_lft forever\n$/,
    );
    expect(run('addr flush dev eth0 to 10.0.0.0/8')).toBe('');
    expect(run('addr show eth0')).not.toContain('inet');
    segment.finish();
  });

  it('ip -s link: figures below their headings, as wide as the widest', () => {
    const { segment, run } = setUp();
    const zeros = '             0       0      0       0       0       0 \n';
    expect(run('-s link show lo')).toContain(
      `    RX:  bytes packets errors dropped  missed   mcast           \n${zeros}    TX:  bytes packets errors dropped carrier collsns           \n${zeros}`,
    );
    segment.dev.stats.rx_bytes = 123_456_789_012;
    expect(run('-s link show eth0')).toContain(
      '    RX:    bytes packets errors dropped  missed   mcast           \n    123456789012 ',
    );
    segment.finish();
  });

  it('ip neigh: one asked for, and those of a device without its name', () => {
    const { segment, run } = setUp();
    expect(run('neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent')).toBe('');
    expect(run('neigh get 10.1.0.9 dev eth0')).toBe('10.1.0.9 dev eth0 lladdr 02:00:00:00:00:09 PERMANENT \n');
    expect(run('neigh show dev eth0')).toBe('10.1.0.9 lladdr 02:00:00:00:00:09 PERMANENT \n');
    segment.finish();
  });
});
