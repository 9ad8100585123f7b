/** Two hosts on a wire, and promise-based programs on both. */
import { expect } from 'vitest';
import type { Host, Plugged } from '../../../harness/machine/host.ts';
import { World } from '../../../harness/machine/world.ts';
import { Net } from '../../../harness/node/net.ts';
import { NodeRun } from '../../../harness/node/run.ts';
import { address } from '../../../harness/user/user.ts';
import type { Impairments } from '../../../harness/wire/impair.ts';
import { NUD_PERMANENT, neigh_add } from '../../../kernel/net/core/neighbour.ts';

export interface NodePair {
  readonly world: World;
  readonly run: NodeRun;
  readonly hostA: Host;
  readonly hostB: Host;
  /** node:net of each. */
  readonly a: Net;
  readonly b: Net;
}

export interface PairOptions {
  readonly impairments?: Impairments;
  readonly seed?: number;
  readonly hash?: boolean;
  /** Each knows the other's MAC address beforehand. */
  readonly neighbours?: boolean;
}

const A = '10.1.0.1';
const B = '10.1.0.2';
const mac = (last: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, 0, last);

/** Runs `body` with its clocks on simulated time, then looks for what was left behind. Gives the run's hash. */
async function pairOf(body: (pair: NodePair) => Promise<void>, options: PairOptions = {}): Promise<string | undefined> {
  const { impairments, seed = 1, hash = false, neighbours = false } = options;
  const world = new World({ seed, hash, memory: 160 * 1024 * 1024 });
  const add = (name: string, last: number): Host =>
    world.addHost({ name, ram: 64 * 1024 * 1024, nics: [{ mac: mac(last), memory: 16384 }] });
  const hostA = add('a', 1);
  const hostB = add('b', 2);
  const latencyNs = 500_000;
  const config = impairments === undefined ? { latencyNs } : { latencyNs, impairments };
  world.connect(hostA.cards[0] as Plugged, hostB.cards[0] as Plugged, config);
  const devA = hostA.up('eth0', address(A), 24);
  const devB = hostB.up('eth0', address(B), 24);
  if (neighbours) {
    hostA.exec(() => neigh_add(hostA.kernel.init_net.ipv4.arp, address(B), devA, mac(2), NUD_PERMANENT));
    hostB.exec(() => neigh_add(hostB.kernel.init_net.ipv4.arp, address(A), devB, mac(1), NUD_PERMANENT));
  }
  // Links negotiate first.
  world.sim.run(5e9);
  const run = new NodeRun(world);
  const pair = { world, run, hostA, hostB, a: new Net(run, hostA), b: new Net(run, hostB) };
  let findings: readonly unknown[] = [];
  try {
    await run.until(() => body(pair));
  } finally {
    findings = world.finish();
  }
  expect(findings).toEqual([]);
  return world.hash?.digest();
}

export const inPair = Object.assign(pairOf, { A, B });
