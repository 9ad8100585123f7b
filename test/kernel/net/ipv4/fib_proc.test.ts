import { expect, it } from 'vitest';
import { ip } from '../../../../harness/shell/ip.ts';
import { fib_route_seq_show } from '../../../../kernel/net/ipv4/fib_proc.ts';
import { Segment } from '../segment.ts';

it('/proc/net/route: the lines of Linux 6.18 for the same routes', () => {
  const segment = new Segment();
  for (const line of [
    'route add 10.3.0.0/16 via 10.1.0.4',
    'route add unreachable 10.4.0.0/16',
    'route add blackhole 10.6.0.0/16',
    'route add 10.10.0.0/16 via 10.1.0.1 metric 100 mtu 1400 advmss 1300 src 10.1.0.2',
  ])
    expect(ip(segment.kernel, line.split(' ')).status).toBe(0);
  expect(
    fib_route_seq_show(segment.net)
      .split('\n')
      .map(line => line.trimEnd()),
  ).toEqual([
    'Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT',
    'eth0	0000010A	00000000	0001	0	0	0	00FFFFFF	0	0	0',
    'eth0	0000030A	0400010A	0003	0	0	0	0000FFFF	0	0	0',
    '*	0000040A	00000000	0201	0	0	0	0000FFFF	0	0	0',
    '*	0000060A	00000000	0001	0	0	0	0000FFFF	0	0	0',
    'eth0	00000A0A	0100010A	0003	0	0	100	0000FFFF	1340	0	0',
    '',
  ]);
  segment.finish();
});
