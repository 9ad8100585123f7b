/**
 * Forwarding through one host, from the wire through card, driver, NAPI and ip_forward to another card and its wire: with
 * 1, 1,000 and 100,000 routes, with 1 and 1,000 next hops.
 */
import { FCS_GOOD, type Wire } from '../../device/ports.ts';
import { NUD_PERMANENT, neigh_add } from '../../kernel/net/core/neighbour.ts';
import { ip_route_add } from '../../kernel/net/ipv4/fib.ts';
import type { Host } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import { buildEthernet } from '../packet/ethernet.ts';
import { buildIpv4Packet } from '../packet/ipv4.ts';
import { buildUdp } from '../packet/udp.ts';
import { allocated, alternately, quietRuns, type Result, summarize, warmUp } from './runner.ts';

const MAC = '02:00:00:00:00:02';
const OUT_MAC = '02:00:00:00:00:03';
const LENGTH = 64;
const UDP_HEADERS = 42;
/** Frames that arrive at one instant, and as many different destinations as the arena holds beside them. */
const BURST = 32;
const FRAMES = 50_000;
const DESTINATIONS = 131_072;
const ALLOCATION_FRAMES = 6400;
/** Offsets in the frame: header checksum and destination; UDP's ports and checksum. */
const CHECKSUM = 24;
const DESTINATION = 30;
const PORTS = 34;
const UDP_CHECKSUM = 40;
const FIRST_PORT = 1024;

export interface ForwardCase {
  readonly name: string;
  readonly routes?: number;
  readonly neighbours?: number;
  /** Different ports among the datagrams, up to 131,072; the destinations are the routes'. */
  readonly flows?: number;
  /** What the router is besides. */
  readonly setup?: (host: Host) => void;
}

const CASES: readonly ForwardCase[] = [
  { name: 'forward-1r' },
  { name: 'forward-1000r', routes: 1000 },
  { name: 'forward-100000r', routes: 100_000 },
  { name: 'forward-1000r-1000n', routes: 1000, neighbours: 1000 },
];

/** The i-th route's destination: 20.0.0.0/8 and on, a /24 each, in an order that has nothing to do with memory. */
const network = (i: number): number => ((20 << 24) + i * 256) | 0;

/** RFC 1624: a checksum after the 32 bits `old` in what it is over have become `now`. */
function exchange(checksum: number, old: number, now: number): number {
  let sum = (~checksum & 0xffff) + (~(old >>> 16) & 0xffff) + (~old & 0xffff) + (now >>> 16) + (now & 0xffff);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export class ForwardPath {
  readonly world = new World({ checks: false, memory: 48 * 1024 * 1024 });
  readonly host: Host;
  fed = 0;
  out = 0;
  private readonly wire: Wire;
  private readonly at: number;
  private readonly refresh: () => void;

  constructor({ routes = 1, neighbours = 1, flows = 1, setup }: ForwardCase) {
    const { world } = this;
    const nics = [MAC, OUT_MAC].map(mac => ({ mac: parseMac(mac), rate: 'instant' as const }));
    const host = world.addHost({ name: 'router', postedNs: 0, nics });
    this.host = host;
    const [inner, outer] = host.cards.map(card => world.connectSource(card, 'instant', { latencyNs: 0 }));
    if (inner === undefined || outer === undefined) throw new Error('bench forward: no cards');
    host.up('eth0', 0x0a010002, 24);
    const dev = host.up('eth1', 0x0a020002, 16);
    const net = host.kernel.init_net;
    host.exec(() => {
      net.ipv4.ip_forward = 1;
      const hop = (i: number): number => 0x0a020100 + (i % neighbours);
      for (let i = 0; i < neighbours; i++) {
        neigh_add(net.ipv4.arp, hop(i), dev, parseMac('02:00:00:00:00:09'), NUD_PERMANENT);
      }
      for (let i = 0; i < routes; i++) {
        const err = ip_route_add(net, { dst: network(i), prefix_len: 24, gateway: hop(i) });
        if (err !== 0) throw new Error(`bench forward: route ${i}: ${err}`);
      }
    });
    setup?.(host);
    outer.source.heard = () => this.out++;
    this.wire = (inner.cable.link as NonNullable<typeof inner.cable.link>).end(1);
    this.refresh = () => {
      inner.cable.refresh();
      outer.cable.refresh();
    };
    this.at = world.arena.alloc(DESTINATIONS * LENGTH);
    this.frames(routes, flows);
    world.sim.settle(1e9);
    this.out = 0;
  }

  /** A frame for each destination that is asked for, in a mixed order over all routes. */
  private frames(routes: number, flows: number): void {
    const { u8 } = this.world.arena;
    const addresses = { source: '10.1.0.1', destination: '20.0.0.7' };
    const payload = new Uint8Array(LENGTH - UDP_HEADERS);
    const udp = buildUdp({ sourcePort: 5000, destinationPort: 9, payload }, addresses);
    const packet = buildIpv4Packet({ ...addresses, protocol: 17, payload: udp });
    const frame = buildEthernet({ destination: MAC, source: '02:00:00:00:00:01', etherType: 0x0800, payload: packet });
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const sums = [view.getUint16(CHECKSUM), view.getUint16(UDP_CHECKSUM)] as const;
    const first = view.getUint32(DESTINATION);
    const ports = view.getUint32(PORTS);
    for (let i = 0; i < DESTINATIONS; i++) {
      const to = (network((i * 40_503) % routes) + 7) >>> 0;
      view.setUint32(DESTINATION, to);
      view.setUint16(CHECKSUM, exchange(sums[0], first, to));
      const flow = (i * 40_503) % flows;
      const pair = ((FIRST_PORT + (flow & 0x7fff)) * 65_536 + FIRST_PORT + (flow >> 15)) >>> 0;
      view.setUint32(PORTS, pair);
      view.setUint16(UDP_CHECKSUM, exchange(exchange(sums[1], first, to), ports, pair));
      u8.set(frame, this.at + i * LENGTH);
    }
  }

  feed(frames: number): void {
    const { wire, at } = this;
    const { sim, arena } = this.world;
    const { u8 } = arena;
    for (let left = frames; left > 0; left -= BURST) {
      const burst = Math.min(left, BURST);
      for (let i = 0; i < burst; i++) wire.transmit(u8, at + (this.fed++ % DESTINATIONS) * LENGTH, LENGTH, FCS_GOOD, 0);
      this.refresh();
      sim.run(sim.time + 1000);
    }
  }
}

/** Frames per second of the first case; ns, multiples of the first and bytes of heap per frame for each. */
export function benchForward(runs: number): Result[] {
  return compareForwarding(CASES, runs, 'x 1 route');
}

/** The same for any cases. */
export function compareForwarding(cases: readonly ForwardCase[], runs: number, unit: string): Result[] {
  const paths = cases.map(kind => new ForwardPath(kind));
  const times: number[][] = cases.map(() => []);
  const ratios: number[][] = cases.map(() => []);
  const bytes: number[][] = cases.map(() => []);
  // Every frame once, so that what grows with the first of a flow has grown.
  for (const path of paths) warmUp(runs, () => path.feed(DESTINATIONS));
  const work = (path: ForwardPath, frames: number): void => path.feed(frames);
  for (const least of quietRuns(runs, 0, () => alternately(paths, FRAMES, work))) {
    for (const [i, cost] of least.entries()) {
      times[i]?.push(cost * 1e9);
      ratios[i]?.push(cost / (least[0] as number));
    }
  }
  for (let run = 0; run < runs; run++) {
    for (const [i, path] of paths.entries()) {
      bytes[i]?.push(allocated(() => path.feed(ALLOCATION_FRAMES)) / ALLOCATION_FRAMES);
    }
  }
  return cases.flatMap((kind, i) => {
    const path = paths[i] as ForwardPath;
    const { name } = kind;
    path.world.sim.settle(1e9);
    if (path.out !== path.fed) throw new Error(`bench ${name}: ${path.out} of ${path.fed} frames left`);
    path.world.finish();
    const rates = (times[i] as number[]).map(ns => 1e9 / ns);
    return [
      ...(i === 0 ? [summarize(name, 'frames/s', rates)] : []),
      summarize(`${name}.cost`, 'ns/frame', times[i] as number[]),
      ...(i === 0 ? [] : [summarize(`${name}.growth`, unit, ratios[i] as number[])]),
      summarize(`${name}.allocated`, 'bytes/frame', bytes[i] as number[]),
    ];
  });
}
