/** What the receive path costs as more is asked of it: 1 and 64 flows, GRO on and off, 0 and 8 taps. */
import { FCS_GOOD, type Wire } from '../../device/ports.ts';
import { netdev_set_gro } from '../../kernel/net/core/gro.ts';
import { AF_PACKET, SOCK_RAW } from '../../kernel/net/msg.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import { buildEthernet } from '../packet/ethernet.ts';
import { buildIpv4Packet } from '../packet/ipv4.ts';
import { buildUdp } from '../packet/udp.ts';
import { allocated, type Result, seconds, summarize, warmUp } from './runner.ts';

const PORT = 7000;
const LENGTH = 64;
const UDP_HEADERS = 42;
const ETH_P_ALL = 3;
/** Frames that arrive at one instant, before the CPU gets its turn. */
const BURST = 32;
const FRAMES = 50_000;
const ALLOCATION_FRAMES = 6400;
const MAC = '02:00:00:00:00:02';

interface Case {
  readonly flows: number;
  readonly gro: boolean;
  readonly taps: number;
}

const CASES: readonly Case[] = [1, 64].flatMap(flows =>
  [true, false].flatMap(gro => [0, 8].map(taps => ({ flows, gro, taps }))),
);

const nameOf = ({ flows, gro, taps }: Case): string =>
  `rx-${flows}f${gro ? '' : '-nogro'}${taps === 0 ? '' : `-${taps}t`}`;

function frame(flow: number): Uint8Array {
  const addresses = { source: '10.1.0.1', destination: '10.1.0.2' };
  const payload = new Uint8Array(LENGTH - UDP_HEADERS).map((_, i) => i);
  const udp = buildUdp({ sourcePort: 5000 + flow, destinationPort: PORT, payload }, addresses);
  const packet = buildIpv4Packet({ ...addresses, protocol: 17, payload: udp });
  return buildEthernet({ destination: MAC, source: '02:00:00:00:00:01', etherType: 0x0800, payload: packet });
}

class RxPath {
  readonly world = new World({ checks: false, memory: 32 * 1024 * 1024 });
  received = 0;
  tapped = 0;
  fed = 0;
  private readonly wire: Wire;
  private readonly at: number;
  private readonly flows: number;
  private readonly refresh: () => void;

  constructor({ flows, gro, taps }: Case) {
    const { world } = this;
    const host = world.addHost({ name: 'bench', postedNs: 0, nics: [{ mac: parseMac(MAC), rate: 'instant' }] });
    const { cable } = world.connectSource(host.cards[0] as (typeof host.cards)[0], 'instant', { latencyNs: 0 });
    netdev_set_gro(host.up('eth0', 0x0a010002, 24), gro);
    this.wire = (cable.link as NonNullable<typeof cable.link>).end(1);
    this.refresh = () => cable.refresh();
    this.flows = flows;
    this.at = world.arena.alloc(flows * LENGTH);
    for (let flow = 0; flow < flows; flow++) world.arena.u8.set(frame(flow), this.at + flow * LENGTH);
    const path = this;
    host.spawn('sink', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      yield* sys.bind(fd, sys.sockaddr(0, PORT));
      const buffer = sys.mmap(2048);
      for (;;) if ((yield* sys.recvfrom(fd, buffer, 2048, 0, null)) === LENGTH - UDP_HEADERS) path.received++;
    });
    for (let tap = 0; tap < taps; tap++) {
      host.spawn(`tap${tap}`, function* (sys) {
        const fd = yield* sys.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
        const buffer = sys.mmap(2048);
        for (;;) if ((yield* sys.recvfrom(fd, buffer, 2048, 0, null)) === LENGTH) path.tapped++;
      });
    }
    world.sim.settle(1e9);
  }

  feed(frames: number): void {
    const { wire, at, flows } = this;
    const { sim, arena } = this.world;
    const { u8 } = arena;
    for (let left = frames; left > 0; left -= BURST) {
      const burst = Math.min(left, BURST);
      for (let i = 0; i < burst; i++) wire.transmit(u8, at + (this.fed++ % flows) * LENGTH, LENGTH, FCS_GOOD, 0);
      this.refresh();
      sim.run(sim.time + 1000);
    }
  }
}

/** ns and bytes of heap per frame for each case; the cases take turns, so that the machine's moods hit all of them. */
export function benchRx(runs: number): Result[] {
  const paths = CASES.map(kind => new RxPath(kind));
  const times: number[][] = CASES.map(() => []);
  const bytes: number[][] = CASES.map(() => []);
  for (const path of paths) warmUp(runs, () => path.feed(FRAMES / 8));
  for (let run = 0; run < runs; run++) {
    for (const [i, path] of paths.entries()) times[i]?.push((seconds(() => path.feed(FRAMES)) * 1e9) / FRAMES);
  }
  for (let run = 0; run < runs; run++) {
    for (const [i, path] of paths.entries()) {
      bytes[i]?.push(allocated(() => path.feed(ALLOCATION_FRAMES)) / ALLOCATION_FRAMES);
    }
  }
  return CASES.flatMap((kind, i) => {
    const path = paths[i] as RxPath;
    const name = nameOf(kind);
    if (path.received !== path.fed || path.tapped !== path.fed * kind.taps) {
      throw new Error(`bench ${name}: ${path.received} of ${path.fed} frames arrived, ${path.tapped} at taps`);
    }
    path.world.finish();
    return [
      summarize(name, 'ns/frame', times[i] as number[]),
      summarize(`${name}.allocated`, 'bytes/frame', bytes[i] as number[]),
    ];
  });
}
