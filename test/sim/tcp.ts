/**
 * Two hosts that talk over a wire which loses, doubles, corrupts, delays and reorders, with programs that read and write
 * as they like and close when they like. Every byte arrives once and in order, or both sides learn of the failure.
 */
import type { Wire } from '../../device/ports.ts';
import type { Host, Plugged } from '../../harness/machine/host.ts';
import type { Random } from '../../harness/sim/random.ts';
import { accept, connect, listen, type Stream, SysError } from '../../harness/user/index.ts';
import { impair } from '../../harness/wire/impair.ts';
import { SO_KEEPALIVE, SO_LINGER, SOL_SOCKET } from '../../kernel/net/core/sock.ts';
import { sockopt } from '../../kernel/net/msg.ts';
import { type Syscalls, spawn } from '../../kernel/syscalls.ts';
import { type Pair, pair } from '../pair.ts';

const MS = 1e6;
const SECOND = 1e9;
/** Faults end here; what lives then has all the time that Linux gives a connection. */
const FAULTS_END = 60 * SECOND;
const PATIENCE = 2000 * SECOND;

/** A wire that hands each frame over after a delay of its own, so that they overtake each other. */
class JitterWire implements Wire {
  private readonly to: Plugged;
  private readonly random: Random;
  private readonly base: number;
  jitter: number;
  private readonly world: Pair['world'];

  constructor(world: Pair['world'], to: Plugged, random: Random, base: number, jitter: number) {
    this.world = world;
    this.to = to;
    this.random = random;
    this.base = base;
    this.jitter = jitter;
  }

  transmit(bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void {
    const { sim } = this.world;
    const copy = bytes.slice(at, at + length);
    const due = Math.ceil(sim.time + this.base + this.random.below(this.jitter + 1));
    const event = sim.event('jitter', () => {
      const { nic, slot } = this.to;
      nic.advance(sim.time);
      nic.receive(copy, 0, length, fcs, id);
      slot.cable.refresh();
    });
    sim.schedule(event, due);
  }
}

interface Side {
  /** What it sends, and in which pieces. */
  readonly data: Uint8Array;
  received: Uint8Array[];
  /** How it is to end: all sent and read; closed after so many bytes read; or reset. */
  readonly ending: 'whole' | 'close' | 'reset';
  readonly enough: number;
  error: string | null;
  connected: boolean;
  sent: number;
  eof: boolean;
  ended: number;
}

export interface TcpRun {
  readonly seed: number;
  readonly problems: string[];
  readonly whole: boolean;
  readonly seconds: number;
  readonly retransmitted: number;
}

function* talk(sys: Syscalls, stream: Stream, side: Side, random: Random): Generator<undefined, void, undefined> {
  // Writes and reads take turns at random; the last phase reads to the end.
  const buffer = sys.mmap(65536);
  const { ram } = sys.kernel;
  let read = 0;
  const pause = random.below(3);
  const readSome = function* (blocking: boolean): Generator<undefined, boolean, undefined> {
    const n = yield* sys.recv(stream.fd, buffer, 1 + random.below(60000), blocking ? 0 : 0x40);
    if (n === -11) return true;
    if (n < 0) throw new SysError('recv', n);
    if (n === 0) {
      side.eof = true;
      return false;
    }
    side.received.push(ram.u8.slice(buffer, buffer + n));
    read += n;
    return true;
  };
  while (side.sent < side.data.length) {
    if (side.ending !== 'whole' && read + side.sent > side.enough) return;
    const size = Math.min(1 + random.below(random.chance(0.3) ? 40000 : 3000), side.data.length - side.sent);
    ram.u8.set(side.data.subarray(side.sent, side.sent + size), buffer);
    const n = yield* sys.send(stream.fd, buffer, size, 0x40);
    if (n > 0) side.sent += n;
    else if (n !== -11) throw new SysError('send', n);
    if (!side.eof) yield* readSome(false);
    if (n === -11 || random.below(pause + 4) === 0) yield* sys.nanosleep(random.below(20) * MS);
  }
  yield* stream.end();
  while (!side.eof) {
    if (side.ending !== 'whole' && read + side.sent > side.enough) return;
    yield* readSome(true);
    if (random.below(8) === 0) yield* sys.nanosleep(random.below(30) * MS);
  }
}

function* finish(sys: Syscalls, stream: Stream, side: Side): Generator<undefined, void, undefined> {
  if (side.ending === 'reset') {
    const opt = new sockopt();
    opt.value = 1;
    opt.sec = 0;
    yield* sys.setsockopt(stream.fd, SOL_SOCKET, SO_LINGER, opt);
  }
  yield* stream.close();
}

function makeSide(random: Random): Side {
  const length = random.chance(0.1) ? 0 : random.below(random.chance(0.3) ? 300_000 : 30_000);
  const kind = random.below(10);
  return {
    data: Uint8Array.from({ length }, () => random.u32()),
    received: [],
    ending: kind < 7 ? 'whole' : kind < 9 ? 'close' : 'reset',
    enough: random.below(length + 20_000),
    error: null,
    connected: false,
    sent: 0,
    eof: false,
    ended: -1,
  };
}

function joined(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

/** One run; what was wrong is in `problems`. */
export function tcpRun(seed: number): TcpRun {
  const p = pair({ seed });
  const { world } = p;
  const random = world.chance.stream('tcp.run');
  const harsh = random.below(4);
  const faults = {
    loss: harsh === 0 ? 0 : random.below(100) / 1000,
    duplicate: harsh === 0 ? 0 : random.below(50) / 1000,
    corrupt: harsh === 0 ? 0 : random.below(30) / 1000,
  };
  const cards = [p.left.cards[0] as Plugged, p.right.cards[0] as Plugged] as const;
  const base = random.below(30) * MS;
  const jitter = random.chance(0.5) ? random.below(20) * MS : 0;
  const wires = [
    new JitterWire(world, cards[1], world.chance.stream('tcp.jitter.0'), base, jitter),
    new JitterWire(world, cards[0], world.chance.stream('tcp.jitter.1'), base, jitter),
  ] as const;
  cards[0].slot.wire = impair(wires[0], faults, 'tcp.wire0', world.chance);
  cards[1].slot.wire = impair(wires[1], faults, 'tcp.wire1', world.chance);
  for (const host of [p.left, p.right]) {
    const { ipv4 } = host.kernel.init_net;
    ipv4.tcp_sack = random.chance(0.8) ? 1 : 0;
    ipv4.tcp_timestamps = random.chance(0.8) ? 1 : 0;
    ipv4.tcp_window_scaling = random.chance(0.9) ? 1 : 0;
    ipv4.tcp_ecn = random.chance(0.3) ? 1 : 2;
    // A RST may be lost: then only asking tells a reader that nobody is there any more.
    ipv4.tcp_keepalive_time = 30;
    ipv4.tcp_keepalive_intvl = 5;
    ipv4.tcp_keepalive_probes = 5;
    ipv4.tcp_congestion_control = random.chance(0.8) ? 'cubic' : 'reno';
  }

  const sides = [makeSide(random), makeSide(random)] as const;
  const program = (
    host: Host,
    side: Side,
    name: string,
    open: (sys: Syscalls) => Generator<undefined, Stream, undefined>,
  ): void => {
    const chance = world.chance.stream(`tcp.${name}`);
    host.kernel.exec(() =>
      spawn(host.kernel, name, function* (sys) {
        let stream: Stream | null = null;
        try {
          stream = yield* open(sys);
          side.connected = true;
          const on = new sockopt();
          on.value = 1;
          yield* sys.setsockopt(stream.fd, SOL_SOCKET, SO_KEEPALIVE, on);
          yield* talk(sys, stream, side, chance);
        } catch (error) {
          if (!(error instanceof SysError)) throw error;
          side.error = error.code;
        }
        if (stream !== null) yield* finish(sys, stream, side);
        side.ended = world.sim.time;
        return 0;
      }),
    );
  };
  program(p.right, sides[1], 'server', function* (sys) {
    const fd = yield* listen(sys, 80);
    const { stream } = yield* accept(sys, fd);
    yield* sys.close(fd);
    return stream;
  });
  program(p.left, sides[0], 'client', sys => connect(sys, { address: '10.0.0.2', port: 80 }));

  p.run(FAULTS_END);
  faults.loss = 0;
  faults.duplicate = 0;
  faults.corrupt = 0;
  for (const wire of wires) wire.jitter = 0;
  const ended = (): boolean => sides.every(side => side.ended >= 0);
  for (let waited = 0; waited < PATIENCE && !ended(); waited += 10 * SECOND) p.run(10 * SECOND);
  const seconds = world.sim.time / SECOND;

  const problems: string[] = [];
  const [client, server] = sides;
  const whole = client.ending === 'whole' && server.ending === 'whole';
  // A client that has not found the other host, as its ARP requests were lost, or that was gone before the handshake's
  // last ACK arrived, leaves a server that waits.
  const met = client.connected || server.connected;
  sides.forEach((side, i) => {
    const other = sides[1 - i] as Side;
    const name = i === 0 ? 'client' : 'server';
    if (side.ended < 0 && (i === 0 || side.connected || (whole && met))) problems.push(`${name} hangs`);
    const got = joined(side.received);
    if (Buffer.compare(got, Buffer.from(other.data.subarray(0, got.length))) !== 0) {
      problems.push(`${name}: received bytes differ`);
    }
    // An end that was read means that everything was.
    if (side.eof && side.error === null && other.ending === 'whole' && got.length !== other.data.length) {
      problems.push(`${name}: end after ${got.length} of ${other.data.length} bytes`);
    }
  });
  if (whole && met && (client.error !== null || server.error !== null)) {
    problems.push(`failed: client ${client.error}, server ${server.error}`);
  }
  let retransmitted = 0;
  for (const host of [p.left, p.right]) retransmitted += host.kernel.init_net.ipv4.mib.TcpRetransSegs;
  // TIME_WAIT, and orphans that retransmit to nobody.
  p.run(400 * SECOND);
  for (const [i, host] of [p.left, p.right].entries()) {
    const { ipv4, core } = host.kernel.init_net;
    if (core.sockets !== (server.ended >= 0 || i === 0 ? 0 : 1)) problems.push(`host ${i}: ${core.sockets} socks left`);
    if (ipv4.tcp_memory_allocated !== 0) problems.push(`host ${i}: ${ipv4.tcp_memory_allocated} pages left`);
    if (host.kernel.timers.pending > 20) problems.push(`host ${i}: ${host.kernel.timers.pending} timers left`);
  }
  problems.push(...p.finish());
  return { seed, problems, whole, seconds, retransmitted };
}

/** Many runs; what was wrong names its seed. */
export function tcpSeeds(
  first: number,
  count: number,
): { readonly failures: string[]; readonly retransmitted: number; readonly whole: number } {
  const failures: string[] = [];
  let retransmitted = 0;
  let whole = 0;
  for (let seed = first; seed < first + count; seed++) {
    try {
      const run = tcpRun(seed);
      retransmitted += run.retransmitted;
      if (run.whole) whole++;
      if (run.problems.length > 0) failures.push(`TCP_SEED=${seed} TCP_COUNT=1: ${run.problems.join('; ')}`);
    } catch (error) {
      failures.push(`TCP_SEED=${seed} TCP_COUNT=1: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  return { failures, retransmitted, whole };
}
