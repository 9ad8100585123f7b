/** What the scenes of the stage suite are made of: a traced machine, and what a scene has shown. */

import { FCS_GOOD } from '../../../device/ports.ts';
import type { FrameSource } from '../../../device/wire/source.ts';
import type { Host, HostConfig, Plugged } from '../../../harness/machine/host.ts';
import { World } from '../../../harness/machine/world.ts';
import { parseMac } from '../../../harness/packet/address.ts';
import type { TraceEvent } from '../../../harness/trace/event.ts';
import { cardStageOf, STAGES } from '../../../harness/trace/stages.ts';
import { Tracer } from '../../../harness/trace/tracer.ts';
import type { net_device } from '../../../kernel/net/core/netdevice.ts';
import type { Bench } from '../../device/bench.ts';
import { B } from '../../kernel/net/segment.ts';

/** `stage`, or `stage REASON` for a drop. */
export type Shown = string;

export interface Scene {
  readonly name: string;
  /** Stages and drops that this scene is there to show. */
  readonly shows: readonly Shown[];
  run(): ReadonlySet<Shown>;
}

export const scene = (name: string, shows: readonly Shown[], run: () => ReadonlySet<Shown>): Scene => ({
  name,
  shows,
  run,
});

/** Traces a world from now on. */
export function watch(world: World): { readonly events: TraceEvent[]; shown(): ReadonlySet<Shown> } {
  const events: TraceEvent[] = [];
  const tracer = new Tracer(world, event => events.push(event));
  return {
    events,
    shown() {
      tracer.detach();
      return shownBy(events);
    },
  };
}

export function shownBy(events: readonly TraceEvent[]): ReadonlySet<Shown> {
  const shown = new Set<Shown>();
  for (const { stage, layer, drop, where } of events) {
    if (drop !== '') shown.add(`${where} ${drop}`);
    else shown.add(layer === 'syscall' ? 'syscall' : stage);
  }
  return shown;
}

export interface Machine {
  readonly world: World;
  readonly host: Host;
  readonly card: Plugged;
  readonly dev: net_device;
  readonly source: FrameSource;
  readonly events: TraceEvent[];
  /** A frame from the peer; with an FCS of its own when given. */
  send(frame: Uint8Array, fcs?: number): void;
  run(ns: number): void;
  /** Ends the run. Findings other than `expected` throw. */
  end(expected?: RegExp): ReadonlySet<Shown>;
}

/** One host with a card and a peer on its wire, traced from before its boot. */
export function machine(options: Partial<HostConfig> & { rate?: number; model?: 'ne2000' } = {}): Machine {
  const { rate = 1e9, model, ...rest } = options;
  const world = new World();
  const events: TraceEvent[] = [];
  const tracer = new Tracer(world, event => events.push(event));
  const memory = 16384;
  const mac = parseMac('02:00:00:00:00:02');
  const nics = [{ mac, rate, memory, ...(model === undefined ? {} : { model }) }];
  const host = world.addHost({ name: 'us', nics, ...rest });
  const card = host.cards[0] as Plugged;
  const { source, cable } = world.connectSource(card);
  const dev = host.up('eth0', B, 24);
  world.sim.run(5_000_000);
  return {
    world,
    host,
    card,
    dev,
    source,
    events,
    send(frame, fcs = FCS_GOOD) {
      source.send(frame, 0, frame.length, fcs, tracer.newPacket(), world.sim.time);
      cable.refresh();
    },
    run: ns => world.sim.run(world.sim.time + ns),
    end(expected) {
      const findings = world.finish().map(({ detector, message }) => `${detector}: ${message}`);
      const others = findings.filter(text => expected?.test(text) !== true);
      if (others.length > 0) throw new Error(others.join('\n'));
      return shownBy(events);
    },
  };
}

/** What a card alone shows: its slots, and its drops charged to their stages. */
export function watchCard(bench: Bench): Set<Shown> {
  const shown = new Set<Shown>();
  const { trace } = bench.nic;
  trace.rx_dropped = (_id, reason) => shown.add(`${cardStageOf(true, reason)} ${reason}`);
  trace.tx_dropped = (_id, reason) => shown.add(`${cardStageOf(false, reason)} ${reason}`);
  trace.message = () => shown.add('message');
  return shown;
}

/** Everything that the registry says can happen. */
export function registered(): Set<Shown> {
  const all = new Set<Shown>();
  for (const { name, drops } of STAGES) {
    all.add(name);
    if (typeof drops !== 'string') for (const reason of drops) all.add(`${name} ${reason}`);
  }
  return all;
}
