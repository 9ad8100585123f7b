/**
 * Forwarding with netfilter in the way: with tracking and without, with 1, 1,000 and 100,000 connections, with 0, 10 and
 * 1,000 rules that do not match.
 */

import type { nf_conntrack_net } from '../../kernel/net/netfilter/nf_conntrack_core.ts';
import { nf_ct_netns_get } from '../../kernel/net/netfilter/nf_conntrack_standalone.ts';
import type { Host } from '../machine/host.ts';
import { iptables_restore } from '../shell/iptables.ts';
import { compareForwarding, type ForwardCase } from './route.ts';
import type { Result } from './runner.ts';

/** Room for all of the largest case. */
const CONNECTIONS_MAX = 262_144;

function tracked(host: Host): void {
  host.exec(() => {
    const ct_net: nf_conntrack_net = nf_ct_netns_get(host.kernel.init_net);
    ct_net.sysctl.nf_conntrack_max = CONNECTIONS_MAX;
  });
}

/** A filter table with that many rules in FORWARD, each for another source. */
function ruled(rules: number): (host: Host) => void {
  return host => {
    const lines = Array.from({ length: rules }, (_, i) => `-A FORWARD -s 172.16.${i >> 8}.${i & 255}/32 -j DROP`);
    const { status, stderr } = iptables_restore(host.kernel, ['*filter', ...lines, 'COMMIT', ''].join('\n'));
    if (status !== 0) throw new Error(`bench rules: ${stderr}`);
  };
}

export const conntrackCases: readonly ForwardCase[] = [
  { name: 'conntrack1', setup: tracked },
  { name: 'conntrack-off' },
  { name: 'conntrack1000', flows: 1000, setup: tracked },
  { name: 'conntrack100000', flows: 100_000, setup: tracked },
];

export const ruleCases: readonly ForwardCase[] = [
  { name: 'rules0', setup: ruled(0) },
  { name: 'rules-none' },
  { name: 'rules10', setup: ruled(10) },
  { name: 'rules1000', setup: ruled(1000) },
];

/** Frames per second with one connection; ns, multiples of it and bytes of heap per frame for each case. */
export function benchConntrack(runs: number): Result[] {
  return compareForwarding(conntrackCases, runs, 'x 1 connection');
}

/** The same for rules. */
export function benchRules(runs: number): Result[] {
  return compareForwarding(ruleCases, runs, 'x 0 rules');
}
