/** One scenario, seed and input log: one run. */
import { describe, expect, it } from 'vitest';
import { World } from '../../harness/machine/world.ts';
import { parseMac } from '../../harness/packet/address.ts';
import type { Impairments } from '../../harness/wire/impair.ts';
import { MSG_DONTWAIT } from '../../kernel/net/msg.ts';
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
