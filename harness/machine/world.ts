/** One simulation: clock, memory, chance, inputs, hosts and the wires between them, and what the detectors found. */
import type { Wire } from '../../device/ports.ts';
import { Link, type LinkObserver } from '../../device/wire/link.ts';
import { FrameSource } from '../../device/wire/source.ts';
import type { Finding } from '../../kernel/arch.ts';
import { watchDescriptors } from '../check/descriptors.ts';
import { findLeaks } from '../check/leaks.ts';
import { Arena } from '../sim/arena.ts';
import { Inputs } from '../sim/inputs.ts';
import { Chance } from '../sim/random.ts';
import { RunHash } from '../sim/runhash.ts';
import { Sim } from '../sim/sim.ts';
import { type Impairments, impair } from '../wire/impair.ts';
import { Cable } from './cable.ts';
import { Host, type HostConfig, type Plugged } from './host.ts';
import { HashedPrograms, hashCounters } from './observed.ts';

export interface WorldConfig {
  readonly seed?: number;
  /** Hash everything observable; what was counted comes in with `finish`. */
  readonly hash?: boolean;
  /** The detectors that watch each access; those at the end of a run are always there. Default true. */
  readonly checks?: boolean;
  /** Arena in bytes. */
  readonly memory?: number;
}

/** A misuse of a card, as the card recorded it. */
export interface Violation {
  readonly host: string;
  readonly rule: string;
  readonly offset: number;
  readonly value: number;
  readonly time: number;
}

export interface ConnectConfig {
  readonly latencyNs?: number;
  /** Faults of the wire, both ways. */
  readonly impairments?: Impairments;
}

/** What a station needs to be brought up to the present. */
interface Sender {
  advance(now: number): void;
}

const DEFAULT_MEMORY = 48 * 1024 * 1024;
const LINK_MEMORY = 512 * 1024;
const SOURCE_MEMORY = 4 * 1024 * 1024;
/** Records of each kind that are kept; more are counted only. */
const RECORDS_MAX = 1000;

export class World {
  readonly seed: number;
  readonly sim = new Sim();
  readonly arena: Arena;
  readonly chance: Chance;
  readonly hash: RunHash | null;
  readonly inputs: Inputs;
  readonly hosts: Host[] = [];
  readonly cables: Cable[] = [];
  readonly findings: Finding[] = [];
  readonly violations: Violation[] = [];
  violationCount = 0;
  /** Frames as they leave a sender: wire number, then as LinkObserver. For captures and traces. */
  onFrame: ((wire: number, ...frame: Parameters<LinkObserver>) => void) | null = null;
  /** For a tracer: a host is about to boot; a wire was made. */
  onHost: ((host: Host) => void) | null = null;
  onLink: ((link: Link, wire: number) => void) | null = null;
  /** Set by whoever holds the simulation back to real time: there is something to do before its next event was due. */
  poke: (() => void) | null = null;
  private readonly checks: boolean;
  private finished = false;

  constructor(config: WorldConfig = {}) {
    this.seed = config.seed ?? 1;
    this.arena = Arena.take(config.memory ?? DEFAULT_MEMORY);
    this.chance = new Chance(this.seed);
    this.hash = config.hash === true ? new RunHash() : null;
    this.inputs = new Inputs(this.sim, this.hash);
    this.checks = config.checks ?? true;
  }

  addHost(config: HostConfig): Host {
    const host = new Host(this, config);
    this.hosts.push(host);
    const { hash } = this;
    if (hash !== null) {
      host.intc.observer = (line, asserted, time) => hash.note(`${host.name}.irq`, time, line, asserted ? 1 : 0);
      host.observe(new HashedPrograms(host, hash));
    }
    if (this.checks) watchDescriptors(host);
    if (this.onHost !== null) this.onHost(host);
    host.boot();
    return host;
  }

  /** A cable between two cards. */
  connect(a: Plugged, b: Plugged, config: ConnectConfig = {}): Cable {
    const { link, cable } = this.newLink(config.latencyNs);
    link.attach(0, a.nic);
    link.attach(1, b.nic);
    a.slot.wire = this.end(link, 0, config, a.nic, cable);
    b.slot.wire = this.end(link, 1, config, b.nic, cable);
    for (const card of [a, b]) {
      cable.adopt(card.slot.cable);
      card.slot.cable = cable;
    }
    cable.refresh();
    return cable;
  }

  /** A cable between a card and a sender queue: what comes from a capture or a live wire. */
  connectSource(
    card: Plugged,
    rate: number | 'instant' = card.rate,
    config: ConnectConfig = {},
  ): { source: FrameSource; cable: Cable } {
    const { link, cable } = this.newLink(config.latencyNs);
    const memory = { bytes: this.arena.u8, base: this.arena.alloc(SOURCE_MEMORY), size: SOURCE_MEMORY };
    // A late frame is the source's, which has to have its wire first.
    const sender: { station: Sender | null } = { station: null };
    const station: Sender = { advance: now => sender.station?.advance(now) };
    const wire = this.end(link, 1, config, station, cable);
    const source = new FrameSource({ wire, rate, memory, slots: 4096 });
    sender.station = source;
    link.attach(0, card.nic);
    link.attach(1, source);
    card.slot.wire = this.end(link, 0, config, card.nic, cable);
    cable.adopt(card.slot.cable);
    cable.add(source, 'source');
    cable.source = source;
    card.slot.cable = cable;
    cable.refresh();
    return { source, cable };
  }

  private newLink(latencyNs?: number): { link: Link; cable: Cable } {
    const memory = { bytes: this.arena.u8, base: this.arena.alloc(LINK_MEMORY), size: LINK_MEMORY };
    const link = new Link(latencyNs === undefined ? { memory } : { memory, latencyNs });
    const wire = this.cables.length;
    if (this.hash !== null || this.onFrame !== null) this.observe(link, wire);
    if (this.onLink !== null) this.onLink(link, wire);
    const cable = new Cable(this.sim, link, `wire${wire}`);
    this.cables.push(cable);
    return { link, cable };
  }

  private end(link: Link, side: 0 | 1, config: ConnectConfig, station: Sender, cable: Cable): Wire {
    const { impairments } = config;
    if (impairments === undefined) return link.end(side);
    const name = `wire${this.cables.length - 1}.${side}`;
    const { sim } = this;
    const later = (ns: number, fn: () => void): void => {
      const event = sim.event(`${name}.late`, () => {
        // A frame leaves at its station's time.
        station.advance(sim.time);
        fn();
        cable.refresh();
      });
      sim.schedule(event, Math.ceil(sim.time + ns));
    };
    return impair(link.end(side), impairments, name, this.chance, later);
  }

  /** Lets the run hash and `onFrame` see what a link carries. */
  observe(link: Link, wire: number): void {
    const { hash } = this;
    link.observer = (from, bytes, at, length, fcs, id, time) => {
      if (hash !== null) {
        hash.note(`wire${wire}.${from}`, time, length, fcs);
        hash.data(bytes, at, length);
      }
      if (this.onFrame !== null) this.onFrame(wire, from, bytes, at, length, fcs, id, time);
    };
  }

  /** Calls `observer` for every frame on every wire, beside the hash. */
  watchFrames(observer: NonNullable<World['onFrame']>): void {
    this.onFrame = observer;
    this.cables.forEach((cable, wire) => {
      if (cable.link !== null) this.observe(cable.link, wire);
    });
  }

  report(detector: string, message: string): void {
    const finding = { detector, message, time: this.sim.now };
    if (this.findings.length < RECORDS_MAX) this.findings.push(finding);
    if (this.hash !== null) {
      this.hash.note(`finding:${detector}`, finding.time);
      this.hash.text(message);
    }
  }

  violation(host: string, rule: string, offset: number, value: number, time: number): void {
    this.violationCount++;
    this.hash?.note(`violation:${host}.${rule}`, time, offset, value);
    if (this.violations.length < RECORDS_MAX) this.violations.push({ host, rule, offset, value, time });
  }

  /**
   * Ends the run: shuts every host down, lets what is under way come to rest, and looks for what was left behind.
   * Returns everything the detectors found in the run. The world is of no more use afterwards; asked again, it says the
   * same.
   */
  finish(): Finding[] {
    if (this.finished) return this.findings;
    this.finished = true;
    const { hash } = this;
    if (hash !== null) for (const host of this.hosts) hashCounters(host, hash);
    for (const host of this.hosts) host.shutdown();
    this.sim.run(this.sim.time + 10_000_000);
    if (hash !== null) for (const host of this.hosts) hashCounters(host, hash);
    for (const host of this.hosts) findLeaks(host);
    this.arena.release();
    return this.findings;
  }
}
