/** A host with one Ringside card and as many CPUs as a test wants, and a sender of flows on its wire. */
import { FCS_GOOD } from '../../device/ports.ts';
import type { Host, HostConfig, Plugged } from '../../harness/machine/host.ts';
import { World } from '../../harness/machine/world.ts';
import { parseMac } from '../../harness/packet/address.ts';
import { buildEthernet, type VlanTag } from '../../harness/packet/ethernet.ts';
import { buildIpv4Packet } from '../../harness/packet/ipv4.ts';
import { buildUdp } from '../../harness/packet/udp.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';

export const MAC = '02:00:00:00:00:02';
export const PEER_MAC = '02:00:00:00:00:01';
export const IP = '10.0.0.1';
export const PEER = '10.0.0.2';
export const PORT = 7000;

export interface DriverBench {
  readonly world: World;
  readonly host: Host;
  readonly card: Plugged;
  readonly dev: net_device;
  /** Frames the card sent, as they left. */
  readonly sent: Uint8Array[];
  send(frame: Uint8Array): void;
  run(ns: number): void;
  /** Ends the run: what was found, and misuse of the card, as text. */
  finish(): string[];
}

export function driverBench(config: Partial<HostConfig> & { rate?: number } = {}): DriverBench {
  const world = new World();
  const { rate = 1e9, ...rest } = config;
  const host = world.addHost({ name: 'host', nics: [{ mac: parseMac(MAC), rate, memory: 16384 }], ...rest });
  const card = host.cards[0] as Plugged;
  const { source, cable } = world.connectSource(card);
  const dev = host.up('eth0', 0x0a000001, 24);
  world.sim.run(world.sim.time + 1_000_000);
  const sent: Uint8Array[] = [];
  source.heard = (bytes, at, length) => sent.push(bytes.slice(at, at + length));
  return {
    world,
    host,
    card,
    dev,
    sent,
    send(frame) {
      source.send(frame, 0, frame.length, FCS_GOOD, 0, world.sim.time);
      cable.refresh();
    },
    run: ns => world.sim.run(world.sim.time + ns),
    finish: () => [
      ...world.finish().map(({ detector, message }) => `${detector}: ${message}`),
      ...world.violations.map(({ rule }) => `violation: ${rule}`),
    ],
  };
}

/** A datagram of flow `flow` (its source port); the first byte of the payload is `first`. */
export function udpFrame(flow: number, first = 0, length = 18, vlans: readonly VlanTag[] = []): Uint8Array {
  const payload = new Uint8Array(length).fill(first, 0, 1);
  const addresses = { source: PEER, destination: IP };
  const udp = buildUdp({ sourcePort: flow, destinationPort: PORT, payload }, addresses);
  const packet = buildIpv4Packet({ ...addresses, protocol: 17, payload: udp });
  return buildEthernet({ destination: MAC, source: PEER_MAC, etherType: 0x0800, payload: packet, vlans });
}
