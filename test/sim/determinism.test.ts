/** One scenario, seed and input log: one run. */
import { describe, expect, it } from 'vitest';
import type { Host } from '../../harness/machine/host.ts';
import { World } from '../../harness/machine/world.ts';
import { parseMac } from '../../harness/packet/address.ts';
import type { Impairments } from '../../harness/wire/impair.ts';
import { SO_RCVBUF, SOL_SOCKET } from '../../kernel/net/core/sock.ts';
import { MSG_DONTWAIT, sockopt } from '../../kernel/net/msg.ts';
import type { Program } from '../../kernel/sched/task.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import type { Tracepoints } from '../../kernel/trace/events.ts';

const LEFT = 0x0a000001;
const RIGHT = 0x0a000002;

interface Outcome {
  readonly hash: string;
  readonly echoed: number;
  readonly findings: readonly unknown[];
}

/** Every slot listens and writes down what it hears. */
function traceEverything(trace: Tracepoints, heard: string[]): void {
  const slots = trace as unknown as Record<string, ((...args: unknown[]) => void) | null>;
  for (const name of Object.keys(slots)) slots[name] ??= (...args) => heard.push(`${name} ${args.length}`);
}

/** 200 datagrams from left to an echo server on right and back, over a wire with faults. */
function run(options: {
  seed: number;
  impairments?: Impairments;
  costs?: boolean;
  cpus?: number;
  trace?: boolean;
}): Outcome {
  const world = new World({ seed: options.seed, hash: true });
  const config = { costs: options.costs ?? true, cpus: options.cpus ?? 1 };
  const left = world.addHost({ name: 'left', ...config, nics: [{ mac: parseMac('02:00:00:00:00:01') }] });
  const right = world.addHost({ name: 'right', ...config, nics: [{ mac: parseMac('02:00:00:00:00:02') }] });
  const [a] = left.cards;
  const [b] = right.cards;
  if (a === undefined || b === undefined) throw new Error('no cards');
  world.connect(a, b, options.impairments === undefined ? {} : { impairments: options.impairments });
  left.up('eth0', LEFT, 24);
  right.up('eth0', RIGHT, 24);
  const heard: string[] = [];
  if (options.trace === true) for (const host of world.hosts) traceEverything(host.kernel.trace, heard);
  right.spawn('echo', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    yield* sys.bind(fd, sys.sockaddr(0, 7));
    const buffer = sys.mmap(2048);
    const from = sys.sockaddr();
    for (;;) {
      const n = yield* sys.recvfrom(fd, buffer, 2048, 0, from);
      yield* sys.sendto(fd, buffer, n, 0, from);
    }
  });
  let echoed = 0;
  left.spawn('client', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    yield* sys.bind(fd, sys.sockaddr(LEFT, 5000));
    const buffer = sys.mmap(2048);
    const to = sys.sockaddr(RIGHT, 7);
    for (let i = 0; i < 200; i++) {
      yield* sys.sendto(fd, buffer, 1 + i * 7, 0, to);
      yield* sys.nanosleep(i < 199 ? 100_000 : 10_000_000);
      while ((yield* sys.recvfrom(fd, buffer, 2048, MSG_DONTWAIT, null)) >= 0) echoed++;
    }
    return 0;
  });
  world.sim.run(5e9);
  if (options.trace === true) expect(heard.length).toBeGreaterThan(1000);
  const findings = world.finish();
  return { hash: (world.hash as NonNullable<typeof world.hash>).digest(), echoed, findings };
}

const lossy: Impairments = { loss: 0.05, duplicate: 0.05, corrupt: 0.05 };

describe('a run', () => {
  it('a clean wire, everything echoed and nothing found', () => {
    const { echoed, findings } = run({ seed: 1 });
    expect(echoed).toBe(200);
    expect(findings).toEqual([]);
  });

  it('the same scenario and seed twice, one hash', () => {
    const first = run({ seed: 1, impairments: lossy });
    expect(run({ seed: 1, impairments: lossy })).toEqual(first);
    expect(first.findings).toEqual([]);
    expect(first.echoed).toBeLessThan(220);
    expect(first.echoed).toBeGreaterThan(120);
  });

  it.each([
    ['costs on', { costs: true }],
    ['costs off', { costs: false }],
    ['four CPUs', { cpus: 4 }],
  ])('tracing on with %s, the same hash as with tracing off', (_name, config) => {
    const options = { seed: 2, impairments: lossy, ...config };
    expect(run({ ...options, trace: true })).toEqual(run(options));
  });

  it('another seed where the wire draws chance, another hash', () => {
    expect(run({ seed: 2, impairments: lossy }).hash).not.toBe(run({ seed: 1, impairments: lossy }).hash);
  });

  it('the cost model on or off, another hash: it is observable', () => {
    expect(run({ seed: 1, costs: false }).hash).not.toBe(run({ seed: 1 }).hash);
  });
});

/** The hash of a run that differs by one value. */
type Run = (value: number) => string;

const digest = (world: World): string => (world.hash as NonNullable<typeof world.hash>).digest();

/** A host without cards, one program, to the end. */
function programRun(program: (sys: Syscalls) => Program, prepare?: (world: World, host: Host) => void): string {
  const world = new World({ hash: true });
  const host = world.addHost({ name: 'host', nics: [] });
  prepare?.(world, host);
  host.spawn('p', program);
  world.sim.run(1e9);
  world.finish();
  return digest(world);
}

describe('the hash tells apart', () => {
  const runs: [string, Run][] = [
    [
      'two inputs of one length',
      value => {
        const world = new World({ hash: true });
        world.inputs.port('key', () => {});
        world.inputs.offer('key', Uint8Array.of(value), 5);
        world.sim.run(10);
        return digest(world);
      },
    ],
    [
      'two findings of one length',
      value => {
        const world = new World({ hash: true });
        world.report('irq', `irq ${value}`);
        return digest(world);
      },
    ],
    [
      'two violations',
      value => {
        const world = new World({ hash: true });
        world.violation('host', 'read-only', 0x10, value, 5);
        return digest(world);
      },
    ],
    ['two exit codes', value => programRun(noCalls(() => value))],
    [
      'two programs that crash differently',
      value =>
        programRun(
          noCalls(() => {
            throw new Error(`crash ${value}`);
          }),
        ),
    ],
    [
      'what a system call gives back',
      value =>
        programRun(
          function* (sys) {
            yield* sys.getpid();
            return 0;
          },
          (_world, host) => {
            for (let i = 0; i < value; i++) host.kernel.sched.kthread('idle', host.kernel.cpu, () => false);
          },
        ),
    ],
    [
      'the bytes that a program received over the loopback',
      value =>
        programRun(function* (sys) {
          const fd = yield* sys.socket(2, 2, 0);
          yield* sys.bind(fd, sys.sockaddr(0x7f000001, 7));
          const buffer = sys.mmap(64);
          sys.kernel.ram.u8[buffer] = value;
          yield* sys.sendto(fd, buffer, 1, 0, sys.sockaddr(0x7f000001, 7));
          yield* sys.recv(fd, buffer, 64, 0);
          return 0;
        }),
    ],
    [
      'from whom a datagram came',
      value =>
        programRun(function* (sys) {
          const fd = yield* sys.socket(2, 2, 0);
          yield* sys.bind(fd, sys.sockaddr(0x7f000001, 7));
          const from = sys.sockaddr();
          const sender = yield* sys.socket(2, 2, 0);
          // The bind is the same call with the same result in either run: only its argument differs.
          yield* sys.bind(sender, sys.sockaddr(0x7f000001, 1000 + value));
          yield* sys.sendto(sender, sys.mmap(64), 1, 0, sys.sockaddr(0x7f000001, 7));
          yield* sys.recvfrom(fd, sys.mmap(64), 64, 0, from);
          return 0;
        }),
    ],
    [
      'what an option said',
      value =>
        programRun(
          function* (sys) {
            const opt = new sockopt();
            const fd = yield* sys.socket(2, 2, 0);
            yield* sys.getsockopt(fd, SOL_SOCKET, SO_RCVBUF, opt);
            return 0;
          },
          (_world, host) => (host.kernel.init_net.sysctl.rmem_default = 10_000 + value),
        ),
    ],
    [
      'a counter that nobody looked at',
      value => {
        const world = new World({ hash: true });
        const { kernel } = world.addHost({ name: 'host', nics: [] });
        kernel.init_net.ipv4.mib.IpInDiscards += value;
        world.finish();
        return digest(world);
      },
    ],
  ];

  it.each(runs)('%s', (_name, run) => {
    expect(run(1)).not.toBe(run(2));
    expect(run(1)).toBe(run(1));
  });

  it('and takes names of any length', () => {
    const world = new World({ hash: true });
    world.report('x'.repeat(10_000), 'y'.repeat(10_000));
    expect(digest(world)).toMatch(/^[0-9a-f]{64}$/);
  });
});

/** A program without a system call. */
function noCalls(body: () => number): (sys: Syscalls) => Program {
  // biome-ignore lint/correctness/useYield: a program is a generator
  return function* () {
    return body();
  };
}

it('a tracepoint that somebody sets while a run is hashed, changes nothing in the hash', () => {
  const program = function* (sys: Syscalls): Program {
    yield* sys.nanosleep(1000);
    return yield* sys.getpid();
  };
  const plain = programRun(program);
  let seen = 0;
  const traced = programRun(program, (_world, host) => {
    host.kernel.trace.sys_exit = () => seen++;
  });
  expect(seen).toBe(2);
  expect(traced).toBe(plain);
});
