import { expect, test } from 'vitest';
import type { Plugged } from '../../../harness/machine/host.ts';
import { formatStatus, hostStatus } from '../../../harness/trace/status.ts';
import { ethtool_set_channels } from '../../../kernel/net/ethtool/ethtool.ts';
import { pair } from '../../pair.ts';

const rings = (lines: readonly string[]): string[] =>
  lines.flatMap(line => /(?:receive|transmit)(?: \d)?(?=: head)/.exec(line)?.[0] ?? []);

test('a card with several queues: each of its rings is shown, and one that is not used is not', () => {
  const p = pair({ cpus: 4 });
  const state = () => hostStatus(p.left);
  expect(state().cards[0]?.rx.map(({ queue, count }) => [queue, count])).toEqual([0, 1, 2, 3].map(q => [q, 256]));
  expect(rings(formatStatus(state()))).toEqual([
    ...[0, 1, 2, 3].map(q => `receive ${q}`),
    ...[0, 1, 2, 3].map(q => `transmit ${q}`),
  ]);
  p.left.exec(() => ethtool_set_channels(p.leftDev, 1));
  expect((p.left.cards[0] as Plugged).nic).toBeDefined();
  expect(rings(formatStatus(state()))).toEqual(['receive', 'transmit']);
  expect(p.finish()).toEqual([]);
});
