/** UDP from the wire to `recvfrom`, through card, DMA, interrupt, driver, NAPI, IP and socket. */
import type { Nic } from '../../device/nic.ts';
import { FCS_GOOD, type Wire } from '../../device/ports.ts';
import { NIC } from '../../device/regs/nic.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import { buildEthernet } from '../packet/ethernet.ts';
import { buildIpv4Packet } from '../packet/ipv4.ts';
import { buildUdp } from '../packet/udp.ts';
import { Floor } from './floor.ts';
import { allocated, alternately, FLOOR_TIMES, quietRuns, type Result, summarize, warmUp } from './runner.ts';

const PORT = 7000;
/** Frames that arrive at one instant, before the CPU gets its turn. */
const BURST = 32;
const MAC = '02:00:00:00:00:02';
const PEER_MAC = '02:00:00:00:00:01';
const IP = '10.1.0.2';
const PEER_IP = '10.1.0.1';
const UDP_HEADERS = 42;
/** Frames of one allocation measurement: what 1000 bytes a frame would make stays below the young generation. */
const ALLOCATION_FRAMES = 6400;

/** A UDP frame of `length` bytes (without FCS) to the bench's socket; the payload counts up. */
export function udpFrame(length: number): Uint8Array {
  const payload = new Uint8Array(length - UDP_HEADERS).map((_, i) => i & 0xff);
  const addresses = { source: PEER_IP, destination: IP };
  const udp = buildUdp({ sourcePort: 5000, destinationPort: PORT, payload }, addresses);
  const packet = buildIpv4Packet({ ...addresses, protocol: 17, payload: udp });
  return buildEthernet({ destination: MAC, source: PEER_MAC, etherType: 0x0800, payload: packet });
}

/** A host with a socket and a wire that feeds it. */
export class UdpPath {
  readonly world: World;
  readonly host: World['hosts'][0];
  received = 0;
  fed = 0;
  wrong = 0;
  private readonly wire: Wire;
  private readonly at: number;
  private readonly length: number;
  private readonly refresh: () => void;

  /** `reads`: the socket is read; else its buffer is full after a few datagrams, and stays so. */
  constructor(frame: Uint8Array, memory: number, reads = true) {
    const world = new World({ checks: false, memory: 32 * 1024 * 1024 });
    this.world = world;
    const host = world.addHost({ name: 'bench', postedNs: 0, nics: [{ mac: parseMac(MAC), rate: 'instant', memory }] });
    this.host = host;
    const { cable } = world.connectSource(host.cards[0] as (typeof host.cards)[0], 'instant', { latencyNs: 0 });
    host.up('eth0', 0x0a010002, 24);
    this.wire = (cable.link as NonNullable<typeof cable.link>).end(1);
    this.refresh = () => cable.refresh();
    this.at = world.arena.alloc(4096);
    this.length = frame.length;
    world.arena.u8.set(frame, this.at);
    this.listen(host, frame, reads);
    world.sim.settle(1e9);
  }

  private listen(host: World['hosts'][0], frame: Uint8Array, reads: boolean): void {
    const path = this;
    const payload = frame.length - UDP_HEADERS;
    host.spawn('sink', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      yield* sys.bind(fd, sys.sockaddr(0, PORT));
      const buffer = sys.mmap(2048);
      if (!reads) yield* sys.poll([], 0, -1);
      for (;;) {
        const n = yield* sys.recvfrom(fd, buffer, 2048, 0, null);
        if (n !== payload) path.wrong++;
        path.received++;
      }
    });
  }

  /** Frames that the card's address filter kept out. */
  filtered(): number {
    const nic = this.host.cards[0]?.nic as Nic;
    return nic.peek(NIC.FILT.offset);
  }

  /** Feeds `frames` frames in bursts and runs the host until it has them. */
  feed(frames: number): void {
    const { world, wire, at, length } = this;
    const { sim } = world;
    const { u8 } = world.arena;
    this.fed += frames;
    for (let left = frames; left > 0; left -= BURST) {
      const burst = Math.min(left, BURST);
      for (let i = 0; i < burst; i++) wire.transmit(u8, at, length, FCS_GOOD, 0);
      this.refresh();
      sim.run(sim.time + 1000);
    }
  }
}

/** Frames per second, ns and bytes per frame, and the multiple of the floor, for one frame length. */
export function benchUdp(length: number, runs: number, memory = 4096): Result[] {
  const frame = udpFrame(length);
  const path = new UdpPath(frame, memory);
  const floor = new Floor(PORT);
  const at = floor.alloc(4096);
  floor.source.set(frame, at);
  const frames = length > 512 ? 100_000 : 200_000;
  let floorFrames = 0;
  const runFloor = (count: number): void => {
    floorFrames += count;
    for (let i = 0; i < count; i++) floor.frame(at, length);
  };
  warmUp(runs, () => path.feed(Math.ceil(frames / 8)));
  runFloor(frames);
  const rates: number[] = [];
  const multiples: number[] = [];
  const floors: number[] = [];
  const work = (subject: UdpPath | null, count: number): void => {
    if (subject === null) runFloor(FLOOR_TIMES * count);
    else subject.feed(count);
  };
  for (const each of quietRuns(runs, -1, () => alternately([path, null], frames, work))) {
    const [ours, theirs] = each as [number, number];
    rates.push(1 / ours);
    floors.push((theirs / FLOOR_TIMES) * 1e9);
    multiples.push((FLOOR_TIMES * ours) / theirs);
  }
  const bytes: number[] = [];
  for (let run = 0; run < runs; run++) {
    bytes.push(allocated(() => path.feed(ALLOCATION_FRAMES)) / ALLOCATION_FRAMES);
  }
  if (path.received !== path.fed || path.wrong !== 0) {
    throw new Error(
      `bench udp${length}: ${path.received} of ${path.fed} frames arrived, ${path.wrong} with a wrong length`,
    );
  }
  if (floor.delivered !== floorFrames) throw new Error(`bench udp${length}: the floor lost frames`);
  floor.release();
  path.world.finish();
  const name = `udp${length}${memory === 4096 ? '' : `-${memory / 1024}k`}`;
  return [
    summarize(name, 'frames/s', rates),
    summarize(`${name}.floor`, 'ns/frame', floors),
    summarize(`${name}.multiple`, 'x floor', multiples),
    summarize(`${name}.allocated`, 'bytes/frame', bytes),
  ];
}
