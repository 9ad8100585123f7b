import { expect, test } from 'vitest';
import { conntrackCases, ruleCases } from '../../../harness/bench/netfilter.ts';
import { ForwardPath } from '../../../harness/bench/route.ts';
import { iptables } from '../../../harness/shell/iptables.ts';

const FRAMES = 6400;

test('each case of tracking, frames fed: all leave, and the table holds the flows it is named for', () => {
  const connections = conntrackCases.map(({ flows = 1, ...kind }) => {
    const path = new ForwardPath({ ...kind, flows: Math.min(flows, 2000) });
    path.feed(FRAMES);
    path.world.sim.settle(1e9);
    expect([kind.name, path.out]).toEqual([kind.name, FRAMES]);
    const count = path.host.kernel.init_net.nf.ct?.count ?? 0;
    path.world.finish();
    return [kind.name, count];
  });
  expect(connections).toEqual([
    ['conntrack1', 1],
    ['conntrack-off', 0],
    ['conntrack1000', 1000],
    ['conntrack100000', 2000],
  ]);
});

test('each case of rules, frames fed: all leave, past as many rules as it is named for', () => {
  const rules = ruleCases.map(kind => {
    const path = new ForwardPath(kind);
    path.feed(640);
    path.world.sim.settle(1e9);
    expect([kind.name, path.out]).toEqual([kind.name, 640]);
    const { kernel } = path.host;
    const lines = iptables(kernel, ['-S', 'FORWARD', '-v']).stdout.trim().split('\n');
    path.world.finish();
    return [kind.name, lines.length - 1, lines[0]];
  });
  expect(rules).toEqual([
    ['rules0', 0, '-P FORWARD ACCEPT -c 640 32000'],
    ['rules-none', 0, expect.stringContaining('-P FORWARD ACCEPT')],
    ['rules10', 10, '-P FORWARD ACCEPT -c 640 32000'],
    ['rules1000', 1000, '-P FORWARD ACCEPT -c 640 32000'],
  ]);
});
