/** UDP from `sendto` to the wire, through socket, IP, neighbour, queue, driver, DMA and card. */
import { neigh_add } from '../../kernel/net/core/neighbour.ts';
import { sockopt } from '../../kernel/net/msg.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import { checkFrame } from '../packet/check.ts';
import { allocated, alternately, FLOOR_TIMES, quietRuns, type Result, summarize, warmUp } from './runner.ts';
import { TxFloor } from './tx-floor.ts';

const PORT = 7000;
const MAC = '02:00:00:00:00:02';
const PEER_MAC = '02:00:00:00:00:01';
const IP = 0x0a010002;
const PEER_IP = 0x0a010001;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
/** Frames of one allocation measurement: what 1000 bytes a frame would make stays below the young generation. */
const ALLOCATION_FRAMES = 6400;

/** A host with a program that sends as fast as it may, and a wire that counts. */
export class TxPath {
  readonly world: World;
  /** Frames on the wire, and those of a length that no frame should have. */
  sent = 0;
  wrong = 0;
  /** A copy of the first frame of each run, to be looked at. */
  sample: Uint8Array | null = null;
  private target = 0;
  private given = 0;
  private readonly segments: number;

  /** Datagrams of `payload` bytes; `segments` of them in one call, cut by GSO, when that is more than one. */
  constructor(payload: number, segments = 1) {
    const world = new World({ checks: false, memory: 32 * 1024 * 1024 });
    this.world = world;
    this.segments = segments;
    const host = world.addHost({ name: 'bench', postedNs: 0, nics: [{ mac: parseMac(MAC), rate: 'instant' }] });
    const card = host.cards[0] as (typeof host.cards)[0];
    const { source } = world.connectSource(card, 'instant', { latencyNs: 0 });
    const dev = host.up('eth0', IP, 24);
    host.exec(() => neigh_add(host.kernel.init_net.ipv4.arp, PEER_IP, dev, parseMac(PEER_MAC)));
    const length = Math.max(payload + 42, 60);
    source.heard = (bytes, at, size) => {
      if (this.target === 0) return;
      this.sent++;
      if (size !== length) this.wrong++;
      this.sample ??= bytes.slice(at, at + size);
    };
    const path = this;
    host.spawn('source', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      yield* sys.connect(fd, sys.sockaddr(PEER_IP, PORT));
      const buffer = sys.mmap(65536);
      for (let i = 0; i < 65536; i++) host.kernel.ram.u8[buffer + i] = i & 255;
      if (segments > 1) {
        const opt = new sockopt();
        opt.value = payload;
        yield* sys.setsockopt(fd, SOL_UDP, UDP_SEGMENT, opt);
      }
      for (;;) {
        while (path.given < path.target) {
          const n = yield* sys.send(fd, buffer, payload * segments, 0);
          if (n !== payload * segments) throw new Error(`send gives ${n}`);
          path.given += segments;
        }
        yield* sys.nanosleep(1000);
      }
    });
    world.sim.run(world.sim.time + 1_000_000);
  }

  /** Lets the program send `frames` frames, and runs the host until they are on the wire. */
  feed(frames: number): void {
    const { sim } = this.world;
    this.target += Math.ceil(frames / this.segments) * this.segments;
    for (let i = 0; this.sent < this.target; i++) {
      if (i > 10_000) throw new Error(`bench tx: ${this.sent} of ${this.target} frames reached the wire`);
      sim.run(sim.time + 1_000_000);
    }
  }
}

/** Frames per second, ns and bytes per frame, and the multiple of the floor, for one payload length. */
export function benchTx(payload: number, runs: number, segments = 1): Result[] {
  const path = new TxPath(payload, segments);
  const floor = new TxFloor(payload);
  const frames = (payload > 512 ? 50_000 : 100_000) - ((payload > 512 ? 50_000 : 100_000) % segments);
  const groups = frames / segments;
  const runFloor = (count: number): void => {
    for (let i = 0; i < count; i++) floor.datagram();
  };
  warmUp(runs, () => path.feed(segments * Math.ceil(groups / 8)));
  runFloor(frames);
  const rates: number[] = [];
  const multiples: number[] = [];
  const floors: number[] = [];
  const work = (subject: TxPath | null, count: number): void => {
    if (subject === null) runFloor(FLOOR_TIMES * count * segments);
    else subject.feed(count * segments);
  };
  for (const each of quietRuns(runs, -1, () => alternately([path, null], groups, work))) {
    const [group, floorGroup] = each as [number, number];
    const ours = group / segments;
    const theirs = floorGroup / segments / FLOOR_TIMES;
    rates.push(1 / ours);
    floors.push(theirs * 1e9);
    multiples.push(ours / theirs);
  }
  const bytes: number[] = [];
  for (let run = 0; run < runs; run++) {
    bytes.push(allocated(() => path.feed(ALLOCATION_FRAMES)) / ALLOCATION_FRAMES);
  }
  const name = `tx${payload}${segments > 1 ? '-gso' : ''}`;
  const problems = path.sample === null ? ['no frame'] : checkFrame(path.sample);
  if (path.wrong !== 0 || problems.length > 0) {
    throw new Error(`bench ${name}: ${path.wrong} frames of a wrong length; ${problems.join('; ')}`);
  }
  floor.release();
  path.world.finish();
  return [
    summarize(name, 'frames/s', rates),
    summarize(`${name}.floor`, 'ns/frame', floors),
    summarize(`${name}.multiple`, 'x floor', multiples),
    summarize(`${name}.allocated`, 'bytes/frame', bytes),
  ];
}
