/** What a received datagram costs when there are many sockets, each frame for one of them at random. */
import { FCS_GOOD, type Wire } from '../../device/ports.ts';
import { sockaddr_in } from '../../kernel/net/msg.ts';
import { RLIMIT_NOFILE } from '../../kernel/syscalls.ts';
import type { Host } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import { buildEthernet } from '../packet/ethernet.ts';
import { buildIpv4Packet } from '../packet/ipv4.ts';
import { buildUdp } from '../packet/udp.ts';
import { allocated, alternately, quietRuns, type Result, summarize, warmUp } from './runner.ts';

const MAC = '02:00:00:00:00:02';
const PEER_MAC = '02:00:00:00:00:01';
const PEER_IP = '10.1.0.1';
const ADDRESSES = [0x0a010002, 0x0a010003] as const;
const BURST = 32;
const LENGTH = 64;
const UDP_HEADERS = 42;
const FIRST_PORT = 10_000;
const PORTS = 50_000;
const COUNTS = [1, 1000, 100_000] as const;
const FRAMES = 100_000;
const ALLOCATION_FRAMES = 6400;
/** Where in the frame the UDP header's destination port and checksum stand. */
const DPORT_AT = 36;
const CHECKSUM_AT = 40;

/** A frame to port 0 of an address: the port and the checksum are patched in for each that is sent. */
function template(address: number): Uint8Array {
  const payload = new Uint8Array(LENGTH - UDP_HEADERS).map((_, i) => i);
  const addresses = { source: PEER_IP, destination: `10.1.0.${address & 255}` };
  const udp = buildUdp({ sourcePort: 5000, destinationPort: 0, payload }, addresses);
  const packet = buildIpv4Packet({ ...addresses, protocol: 17, payload: udp });
  return buildEthernet({ destination: MAC, source: PEER_MAC, etherType: 0x0800, payload: packet });
}

/** A host with `count` bound sockets, of which a program reads whichever a frame was sent to. */
export class Sockets {
  readonly world: World;
  received = 0;
  fed = 0;
  private readonly count: number;
  private readonly wire: Wire;
  private readonly refresh: () => void;
  private readonly at: number[];
  private readonly checksums: number[];
  /** The same sequence twice: for those who send and for who reads. */
  private next = 1;
  private ahead = 1;

  constructor(count: number) {
    this.count = count;
    const world = new World({ checks: false, memory: 32 * 1024 * 1024 });
    this.world = world;
    const host = world.addHost({ name: 'bench', postedNs: 0, nics: [{ mac: parseMac(MAC), rate: 'instant' }] });
    const { cable } = world.connectSource(host.cards[0] as (typeof host.cards)[0], 'instant', { latencyNs: 0 });
    for (const address of ADDRESSES) host.up('eth0', address, 24);
    this.wire = (cable.link as NonNullable<typeof cable.link>).end(1);
    this.refresh = () => cable.refresh();
    const templates = ADDRESSES.map(template);
    this.at = templates.map(frame => {
      const at = world.arena.alloc(LENGTH);
      world.arena.u8.set(frame, at);
      return at;
    });
    this.checksums = templates.map(
      frame => ~(((frame[CHECKSUM_AT] as number) << 8) | (frame[CHECKSUM_AT + 1] as number)) & 0xffff,
    );
    this.listen(host);
    world.sim.settle(1e9);
  }

  /** Which socket comes next (a linear congruence, high bits first). */
  private static step(state: number): number {
    return (Math.imul(state, 1664525) + 1013904223) | 0;
  }

  private index(state: number): number {
    return Math.floor(((state >>> 0) / 0x100000000) * this.count);
  }

  private listen(host: Host): void {
    const bench = this;
    host.spawn('sink', function* (sys) {
      const { count } = bench;
      // Descriptors are given out in order: the program needs no table of its own to find a socket's.
      let first = -1;
      yield* sys.setrlimit(RLIMIT_NOFILE, count + 16);
      const name = new sockaddr_in();
      for (let i = 0; i < count; i++) {
        const fd = yield* sys.socket(2, 2, 0);
        name.sin_addr = ADDRESSES[Math.floor(i / PORTS)] as number;
        name.sin_port = FIRST_PORT + (i % PORTS);
        const bound = yield* sys.bind(fd, name);
        if (bound !== 0) throw new Error(`bench sockets: bind gives ${bound}`);
        if (i === 0) first = fd;
        if (fd !== first + i) throw new Error(`bench sockets: descriptor ${fd} after ${first + i - 1}`);
      }
      const buffer = sys.mmap(2048);
      for (;;) {
        bench.next = Sockets.step(bench.next);
        yield* sys.recvfrom(first + bench.index(bench.next), buffer, 2048, 0, null);
        bench.received++;
      }
    });
  }

  private send(): void {
    const { world, wire } = this;
    const { u8 } = world.arena;
    this.ahead = Sockets.step(this.ahead);
    const i = this.index(this.ahead);
    const which = i < PORTS ? 0 : 1;
    const port = FIRST_PORT + (i < PORTS ? i : i - PORTS);
    const at = this.at[which] as number;
    u8[at + DPORT_AT] = port >> 8;
    u8[at + DPORT_AT + 1] = port & 255;
    let sum = (this.checksums[which] as number) + port;
    sum = (sum & 0xffff) + (sum >>> 16);
    const checksum = ~sum & 0xffff;
    u8[at + CHECKSUM_AT] = checksum >> 8;
    u8[at + CHECKSUM_AT + 1] = checksum & 255;
    wire.transmit(u8, at, LENGTH, FCS_GOOD, 0);
  }

  feed(frames: number): void {
    const { sim } = this.world;
    for (let left = frames; left > 0; left -= BURST) {
      const burst = Math.min(left, BURST);
      for (let i = 0; i < burst; i++) this.send();
      this.refresh();
      sim.run(sim.time + 1000);
    }
    this.fed += frames;
  }
}

/** ns and bytes of heap per frame with 1, 1,000 and 100,000 sockets, and each as a multiple of the first. */
export function benchSockets(runs: number): Result[] {
  const paths = COUNTS.map(count => new Sockets(count));
  for (const path of paths) warmUp(runs, () => path.feed(FRAMES / 8));
  const times: number[][] = COUNTS.map(() => []);
  const multiples: number[][] = COUNTS.map(() => []);
  const bytes: number[][] = COUNTS.map(() => []);
  const work = (path: Sockets, frames: number): void => path.feed(frames);
  for (const each of quietRuns(runs, 0, () => alternately(paths, FRAMES, work))) {
    each.forEach((time, i) => {
      times[i]?.push(time * 1e9);
      multiples[i]?.push(time / (each[0] as number));
    });
  }
  for (let run = 0; run < runs; run++) {
    for (const [i, path] of paths.entries()) {
      bytes[i]?.push(allocated(() => path.feed(ALLOCATION_FRAMES)) / ALLOCATION_FRAMES);
    }
  }
  for (const path of paths) {
    if (path.received !== path.fed) {
      throw new Error(`bench sockets: ${path.received} of ${path.fed} datagrams were read`);
    }
    path.world.finish();
  }
  return COUNTS.flatMap((count, i) => [
    summarize(`sockets${count}`, 'ns/frame', times[i] as number[]),
    ...(i === 0 ? [] : [summarize(`sockets${count}.multiple`, 'x of 1', multiples[i] as number[])]),
    summarize(`sockets${count}.allocated`, 'bytes/frame', bytes[i] as number[]),
  ]);
}
