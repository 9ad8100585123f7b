/** Two hosts with a card each, a wire between them, and addresses in 10.0.0.0/24: what tests of more than one part share. */
import type { Host, HostConfig, Plugged } from '../harness/machine/host.ts';
import { World } from '../harness/machine/world.ts';
import { parseMac } from '../harness/packet/address.ts';
import type { net_device } from '../kernel/net/core/netdevice.ts';

export const LEFT = 0x0a000001;
export const RIGHT = 0x0a000002;

export interface Pair {
  readonly world: World;
  readonly left: Host;
  readonly right: Host;
  /** eth0 of each. */
  readonly leftDev: net_device;
  readonly rightDev: net_device;
  /** Lets `ns` pass. */
  run(ns: number): void;
  /** Ends the run: what was found, as text. */
  finish(): string[];
}

export function pair(options: Partial<HostConfig> & { seed?: number; hash?: boolean } = {}): Pair {
  const { seed = 1, hash = false, ...host } = options;
  const world = new World({ seed, hash });
  const left = world.addHost({ name: 'left', nics: [{ mac: parseMac('02:00:00:00:00:01') }], ...host });
  const right = world.addHost({ name: 'right', nics: [{ mac: parseMac('02:00:00:00:00:02') }], ...host });
  world.connect(left.cards[0] as Plugged, right.cards[0] as Plugged);
  return {
    world,
    left,
    right,
    leftDev: left.up('eth0', LEFT, 24),
    rightDev: right.up('eth0', RIGHT, 24),
    run: ns => world.sim.run(world.sim.time + ns),
    finish: () => world.finish().map(({ detector, message }) => `${detector}: ${message}`),
  };
}
