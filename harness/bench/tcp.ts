/** TCP between the programs of two hosts in one process, through sockets, IP, drivers, DMA, cards and a wire. */

import { EPOLL_CTL_ADD, epoll_event } from '../../kernel/fs/eventpoll.ts';
import { POLLIN } from '../../kernel/fs/select.ts';
import { ethtool_set_features } from '../../kernel/net/core/features.ts';
import { NETIF_F_GRO, NETIF_F_TSO } from '../../kernel/net/core/netdevice.ts';
import { ip_route_add, RTAX_QUICKACK } from '../../kernel/net/ipv4/fib.ts';
import { sockaddr_in } from '../../kernel/net/msg.ts';
import type { Program } from '../../kernel/sched/task.ts';
import { RLIMIT_NOFILE, type Syscalls } from '../../kernel/syscalls.ts';
import { DEFAULT_POSTED_NS, type Host, type Plugged } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { parseMac } from '../packet/address.ts';
import { allocated, alternately, heapUsed, quietRuns, type Result, seconds, summarize, warmUp } from './runner.ts';
import { TcpFloor } from './tcp-floor.ts';

const MSS = 1460;
const PORT = 7000;
const SERVER = 0x0a010002;
const CLIENT = 0x0a010001;
/** Bytes of one send and of one receive. */
const PIECE = 65_536;
/**
 * Connections to one port of the server. connect(2) takes half of the client's 28,232 ports first, and the search for a
 * free one grows long when few of them are left.
 */
const PER_PORT = 8_000;
const LATENCY_NS = 0;
const HOUR_NS = 3600e9;
const FOREVER_NS = 24 * HOUR_NS;
/** How long a client pauses after its first connection, ns. */
const PAUSE_NS = 100_000_000;
/** Receive buffer, in bytes. */
const WINDOW = 262_144;

function passed(what: string, result: number): number {
  if (result < 0) throw new Error(`bench tcp: ${what} gives ${result}`);
  return result;
}

/** Two hosts, the wire between them, and programs that work until a target is reached. */
class TcpPath {
  readonly world: World;
  readonly client: Host;
  readonly server: Host;
  /** Whatever is counted: bytes, round trips, connections. `done` follows `target`. */
  protected target = 0;
  done = 0;

  /**
   * @param offloads segmentation by the card and GRO; else one segment in each packet, both ways
   * @param postedNs how long a write to the card's registers is under way
   */
  constructor(offloads: boolean, memory = 32, postedNs = 0) {
    const world = new World({ checks: false, memory: (2 * memory + 16) * 1024 * 1024 });
    this.world = world;
    const [client, server] = ['client', 'server'].map((name, i) =>
      world.addHost({
        name,
        postedNs,
        ram: memory * 1024 * 1024,
        nics: [{ mac: parseMac(`02:00:00:00:00:0${i + 1}`), rate: 'instant' }],
      }),
    ) as [Host, Host];
    world.connect((client.cards as [Plugged])[0], (server.cards as [Plugged])[0], { latencyNs: LATENCY_NS });
    this.client = client;
    this.server = server;
    for (const [host, address] of [
      [client, CLIENT],
      [server, SERVER],
    ] as const) {
      const dev = host.up('eth0', address, 24);
      // Without the option, MSS 1460 is what a segment carries.
      const { ipv4 } = host.kernel.init_net;
      ipv4.tcp_timestamps = 0;
      // Such a wire has no rate: what is under way at once must fit the receiver's ring.
      ipv4.tcp_rmem[1] = WINDOW;
      ipv4.tcp_rmem[2] = WINDOW;
      if (offloads) continue;
      host.exec(() => ethtool_set_features(dev, NETIF_F_TSO | NETIF_F_GRO, 0));
      dev.gso_max_segs = 1;
    }
  }

  /** Lets the programs do `count` more of what they do. */
  feed(count: number): void {
    const { sim } = this.world;
    this.target += count;
    let before = this.done;
    for (let idle = 0; this.done < this.target; ) {
      sim.run(sim.time + 1_000_000);
      idle = this.done === before ? idle + 1 : 0;
      if (idle > 10_000) throw new Error(`bench tcp: stuck at ${this.done} of ${this.target}`);
      before = this.done;
    }
  }
}

function* bound(sys: Syscalls, port = PORT): Generator<undefined, number, undefined> {
  const fd = passed('socket', yield* sys.socket(2, 1, 0));
  passed('bind', yield* sys.bind(fd, new sockaddr_in(0, port)));
  passed('listen', yield* sys.listen(fd, 4096));
  return fd;
}

/** One connection, bytes one way. */
export class BulkPath extends TcpPath {
  private given = 0;
  wrong = 0;
  /** Segments with data that the client sent, and sent again. */
  get segments(): number {
    return this.client.kernel.init_net.ipv4.mib.TcpExtTCPOrigDataSent;
  }
  get retransmitted(): number {
    return this.client.kernel.init_net.ipv4.mib.TcpRetransSegs;
  }

  constructor(offloads: boolean) {
    // What the program writes at once, the card then sends in one go.
    super(offloads, 32, DEFAULT_POSTED_NS);
    this.server.spawn('sink', sys => this.sink(sys));
    this.client.spawn('source', sys => this.source(sys));
    this.world.sim.run(this.world.sim.time + 10_000_000);
  }

  private *sink(sys: Syscalls): Program {
    const fd = yield* sys.accept(yield* bound(sys), null);
    const buffer = sys.mmap(PIECE);
    const { u8 } = this.server.kernel.ram;
    for (;;) {
      const n = passed('recv', yield* sys.recv(fd, buffer, PIECE, 0));
      // Its first and last byte: the stream counts up in pieces of 65536.
      if (u8[buffer] !== (this.done & 255) || u8[buffer + n - 1] !== ((this.done + n - 1) & 255)) this.wrong++;
      this.done += n;
    }
  }

  private *source(sys: Syscalls): Program {
    const fd = passed('socket', yield* sys.socket(2, 1, 0));
    passed('connect', yield* sys.connect(fd, new sockaddr_in(SERVER, PORT)));
    const buffer = sys.mmap(2 * PIECE);
    const { u8 } = this.client.kernel.ram;
    for (let i = 0; i < 2 * PIECE; i++) u8[buffer + i] = i & 255;
    for (;;) {
      while (this.given < this.target) {
        const left = Math.min(PIECE, this.target - this.given);
        this.given += passed('send', yield* sys.send(fd, buffer + (this.given & 255), left, 0));
      }
      yield* sys.nanosleep(100_000);
    }
  }
}

interface RoundTripOptions {
  /** MiB of each host. */
  memory?: number;
  /** The server waits for requests on all of the connections; else they are only open. */
  watched?: boolean;
  /** Opens all of them; else `open` does, and after the first one the client pauses. */
  now?: boolean;
  /** The client acknowledges each answer at once. */
  quickack?: boolean;
}

/** Requests and responses of one byte over connections taken at random; that many are open. */
export class RoundTripPath extends TcpPath {
  readonly count: number;
  private readonly ports: number;
  private readonly watched: boolean;
  private fds = new Int32Array(0);
  opened = 0;
  private ready = false;
  private readonly pauses: boolean;

  constructor(count: number, { memory, watched = true, now = true, quickack = false }: RoundTripOptions = {}) {
    super(false, memory);
    if (quickack) this.quickack();
    this.count = count;
    this.watched = watched;
    this.pauses = !now;
    this.ports = Math.ceil(count / PER_PORT);
    for (let i = 0; i < this.ports; i++) this.server.spawn(`server${i}`, sys => this.serve(sys, i));
    this.client.spawn('client', sys => this.ask(sys));
    if (now) this.open();
  }

  private quickack(): void {
    const { client } = this;
    const net = client.kernel.init_net;
    const route = {
      dst: SERVER,
      prefix_len: 32,
      dev: net.dev_get_by_name('eth0'),
      metrics: [[RTAX_QUICKACK, 1]],
    } as const;
    passed(
      'ip route add',
      client.exec(() => ip_route_add(net, route)),
    );
  }

  /** Until the first one is open, of a client that pauses then. */
  openFirst(): void {
    const { sim } = this.world;
    sim.run(sim.time + PAUSE_NS / 2);
    if (this.opened !== 1) throw new Error(`bench tcp: ${this.opened} connections instead of one`);
  }

  /** Until all are open. */
  open(): void {
    const { sim } = this.world;
    for (let i = 0; !this.ready; i++) {
      if (i > 1_000_000) throw new Error(`bench tcp: ${this.opened} of ${this.count} connections`);
      sim.run(sim.time + 1_000_000);
    }
    sim.run(sim.time + 100_000_000);
  }

  private *serve(sys: Syscalls, index: number): Program {
    const mine = Math.min(PER_PORT, this.count - index * PER_PORT);
    yield* sys.setrlimit(RLIMIT_NOFILE, mine + 64);
    const listener = yield* bound(sys, PORT + index);
    const epfd = passed('epoll_create1', yield* sys.epoll_create1(0));
    for (let i = 0; i < mine; i++) {
      const fd = passed('accept', yield* sys.accept(listener, null));
      if (this.watched) passed('epoll_ctl', yield* sys.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, new epoll_event(POLLIN, fd)));
    }
    const buffer = sys.mmap(4096);
    const events = Array.from({ length: 16 }, () => new epoll_event());
    for (;;) {
      const n = passed('epoll_wait', yield* sys.epoll_wait(epfd, events, 16, -1));
      for (let i = 0; i < n; i++) {
        const { data } = events[i] as (typeof events)[0];
        passed('recv', yield* sys.recv(data, buffer, 64, 0));
        passed('send', yield* sys.send(data, buffer, 1, 0));
      }
    }
  }

  private *ask(sys: Syscalls): Program {
    yield* sys.setrlimit(RLIMIT_NOFILE, this.count + 64);
    this.fds = new Int32Array(this.count);
    const buffer = sys.mmap(4096);
    for (let i = 0; i < this.count; i++) {
      const fd = passed('socket', yield* sys.socket(2, 1, 0));
      passed('connect', yield* sys.connect(fd, new sockaddr_in(SERVER, PORT + Math.floor(i / PER_PORT))));
      this.fds[i] = fd;
      this.opened = i + 1;
      if (this.pauses && i === 0) yield* sys.nanosleep(PAUSE_NS);
    }
    // Each is used once: what a connection makes when it first sends, all have then.
    for (let i = 0; i < this.count && this.watched; i++) yield* this.trip(sys, this.fds[i] as number, buffer);
    this.ready = true;
    let state = 1;
    for (;;) {
      while (this.done < this.target) {
        // A linear congruence, high bits first.
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        const fd = this.fds[Math.floor(((state >>> 0) / 0x100000000) * this.count)] as number;
        yield* this.trip(sys, fd, buffer);
        this.done++;
      }
      yield* sys.nanosleep(this.watched ? 100_000 : FOREVER_NS);
    }
  }

  private *trip(sys: Syscalls, fd: number, buffer: number): Generator<undefined, void, undefined> {
    passed('send', yield* sys.send(fd, buffer, 1, 0));
    if ((yield* sys.recv(fd, buffer, 64, 0)) !== 1) throw new Error('bench tcp: an answer of another length');
  }
}

/** Connections opened, accepted and closed from both ends, one after the other. */
export class ConnectPath extends TcpPath {
  constructor() {
    super(false);
    // The client's TIME_WAITs would use up its ports: it closes second.
    this.server.spawn('server', sys => this.serve(sys));
    this.client.spawn('client', sys => this.open(sys));
    this.world.sim.run(this.world.sim.time + 10_000_000);
  }

  private *serve(sys: Syscalls): Program {
    const listener = yield* bound(sys);
    for (;;) passed('close', yield* sys.close(passed('accept', yield* sys.accept(listener, null))));
  }

  private *open(sys: Syscalls): Program {
    const buffer = sys.mmap(4096);
    for (;;) {
      while (this.done < this.target) {
        const fd = passed('socket', yield* sys.socket(2, 1, 0));
        passed('connect', yield* sys.connect(fd, new sockaddr_in(SERVER, PORT)));
        if ((yield* sys.recv(fd, buffer, 64, 0)) !== 0) throw new Error('bench tcp: no end of the stream');
        passed('close', yield* sys.close(fd));
        this.done++;
      }
      yield* sys.nanosleep(100_000);
    }
  }
}

const BULK_BYTES = 32 * 1024 * 1024;
/** A warm-up goes by parts of a run. */
const WARM_PART = 8;
const ALLOCATION_BYTES = 2 * 1024 * 1024;

/** Seconds a segment of each path and, last, of the floor, run by run. */
function bulkTimes(paths: readonly BulkPath[], floor: TcpFloor, runs: number, segments: number): number[][] {
  const work = (path: BulkPath | null, count: number): void => {
    if (path !== null) path.feed(count * MSS);
    else for (let i = 0; i < count; i++) floor.segment();
  };
  return quietRuns(runs, -1, () => alternately([...paths, null], segments, work));
}

function warmBulk(path: BulkPath, runs: number, bytes: number): void {
  warmUp(runs, () => path.feed(bytes / WARM_PART));
}

/** What a path made of these times, [ours, the floor's], and what it allocates. */
function bulkResults(name: string, path: BulkPath, times: readonly (readonly number[])[]): Result[] {
  const rates = times.map(([ours]) => (MSS * 8) / (ours as number) / 1e9);
  const multiples = times.map(([ours, base]) => (ours as number) / (base as number));
  const heap = times.map(() => (allocated(() => path.feed(ALLOCATION_BYTES)) / ALLOCATION_BYTES) * MSS);
  return [
    summarize(name, 'Gbit/s', rates),
    summarize(`${name}.multiple`, 'x floor', multiples),
    summarize(`${name}.allocated`, 'bytes/segment', heap),
  ];
}

/**
 * Bulk: Gbit/s without and with offloads, each segment as a multiple of the floor, and what offloads gain. Without them
 * first, as long as V8 has seen nothing else; then both in turn.
 */
export function benchTcpBulk(runs: number, bytes = BULK_BYTES): Result[] {
  const floor = new TcpFloor(MSS);
  const segments = Math.ceil(bytes / MSS);
  for (let i = 0; i < segments; i++) floor.segment();
  const plain = new BulkPath(false);
  warmBulk(plain, runs, bytes);
  const alone = bulkTimes([plain], floor, runs, segments);
  const results = [
    summarize(
      'tcp-bulk.floor',
      'ns/segment',
      alone.map(([, base]) => (base as number) * 1e9),
    ),
    ...bulkResults('tcp-bulk', plain, alone),
  ];
  const large = new BulkPath(true);
  warmBulk(large, runs, bytes);
  warmBulk(plain, runs, bytes);
  const both = bulkTimes([plain, large], floor, runs, segments);
  results.push(
    ...bulkResults(
      'tcp-offload',
      large,
      both.map(([, ours, base]) => [ours as number, base as number]),
    ),
    summarize(
      'tcp-offload.gain',
      'x without',
      both.map(([slow, fast]) => (slow as number) / (fast as number)),
    ),
  );
  for (const path of [plain, large]) {
    if (path.wrong !== 0 || path.retransmitted !== 0) {
      throw new Error(`bench tcp-bulk: ${path.wrong} wrong reads, ${path.retransmitted} retransmissions`);
    }
    path.world.finish();
  }
  floor.release();
  return results;
}

function rate(name: string, unit: string, path: TcpPath, count: number, runs: number): Result {
  warmUp(runs, () => path.feed(Math.ceil(count / WARM_PART)));
  const rates: number[] = [];
  for (let run = 0; run < runs; run++) rates.push(count / seconds(() => path.feed(count)));
  path.world.finish();
  return summarize(name, unit, rates);
}

/** Requests and responses of one byte, on one connection. */
export function benchTcpRoundTrips(runs: number, count = 20_000): Result[] {
  return [rate('tcp-rr', 'round trips/s', new RoundTripPath(1), count, runs)];
}

/** Connections: SYN, accept, FIN both ways. */
export function benchTcpConnect(runs: number, count = 5000): Result[] {
  return [rate('tcp-connect', 'connections/s', new ConnectPath(), count, runs)];
}

/** Bytes of an idle connection, both ends with their files: JavaScript's heap and buffers, and the hosts' RAM. */
export function benchTcpIdle(count = 10_000): Result[] {
  const path = new RoundTripPath(count, { memory: 64, watched: false, now: false });
  // What two hosts, and the programs' first connection, are: the arenas that hold them may come from an earlier run.
  path.openFirst();
  const before = heapUsed() + ram(path);
  path.open();
  const bytes = (heapUsed() + ram(path) - before) / (count - 1);
  if (path.opened !== count) throw new Error('bench tcp-idle: not every connection was opened');
  path.world.finish();
  return [summarize('tcp-idle', 'bytes', [bytes])];
}

function ram(path: TcpPath): number {
  return path.client.kernel.slab.bytes_used + path.server.kernel.slab.bytes_used;
}

/** Seconds that a simulated hour takes in which `count` connections are open and nobody says anything. */
export function benchTcpHour(runs: number, count = 100_000): Result[] {
  const path = new RoundTripPath(count, { memory: 128, watched: false });
  const { sim } = path.world;
  // What opening them has left behind, timers and neighbours, runs out.
  sim.run(sim.time + HOUR_NS);
  const times: number[] = [];
  for (let run = 0; run < runs; run++) times.push(seconds(() => sim.run(sim.time + HOUR_NS)));
  path.world.finish();
  return [summarize('tcp-hour', 's', times)];
}

const LOOKUP_COUNTS = [1, 1000, 100_000] as const;

/**
 * A round trip on one of many connections, at random: ns, and as a multiple of what it costs with one. The client
 * acknowledges each answer at once (`ip route add ... quickack 1`): it would else with the next request of one connection,
 * and by a timer of one of many, so that these had a segment more to send.
 */
export function benchTcpLookup(runs: number, counts: readonly number[] = LOOKUP_COUNTS, trips = 40_000): Result[] {
  // Each connection's last answer waits for its ACK in a buffer of 4 KiB.
  const paths = counts.map(count => new RoundTripPath(count, { memory: count > 10_000 ? 512 : 32, quickack: true }));
  for (const path of paths) warmUp(runs, () => path.feed(Math.ceil(trips / WARM_PART)));
  const times = quietRuns(runs, 0, () => alternately(paths, trips, (path, count) => path.feed(count)));
  for (const path of paths) path.world.finish();
  return counts.flatMap((count, i) => {
    const mine = times.map(each => each[i] as number);
    const multiples = times.map(each => (each[i] as number) / (each[0] as number));
    return [
      summarize(
        `tcp-rr${count}`,
        'ns/round trip',
        mine.map(time => time * 1e9),
      ),
      ...(i === 0 ? [] : [summarize(`tcp-rr${count}.multiple`, 'x of 1', multiples)]),
    ];
  });
}
