/** One host of ours in the place of one that took part in a capture: the peer's frames come in at their own times. */
import { FCS_GOOD } from '../../device/ports.ts';
import type { Finding } from '../../kernel/arch.ts';
import { NUD_PERMANENT, neigh_add } from '../../kernel/net/core/neighbour.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import type { HostAddress } from '../cli/options.ts';
import type { Host } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { formatMac } from '../packet/address.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV4 } from '../packet/ethernet.ts';
import type { Capture, CapturedFrame } from '../wire/pcap/capture.ts';
import { type Comparison, compareAnswers } from './answers.ts';
import type { StageCount } from './counters.ts';
import { EventOrder, type TraceEvent } from './event.ts';
import { type HostStatus, hostStatus } from './status.ts';
import { Tracer } from './tracer.ts';

/** The port of the input log by which frames come in. */
export const WIRE_PORT = 'wire0';
export const HOST_NAME = 'us';
/** When the capture's time 0 is, in simulated ns: by then the host has booted. */
const START_NS = 10_000_000;
/** How long the run goes on after the last frame. */
const TAIL_NS = 1_000_000_000;
/** Events are handed on at least this often, in simulated ns. */
const BATCH_NS = 1_000_000;
const SOURCE_MIN = 14;
/** net.ipv4.neigh.default.gc_thresh3: more neighbours than this a host does not keep. */
const NEIGHBOURS_MAX = 1024;

export interface ReplayConfig {
  readonly host: HostAddress;
  /** Only frames from this MAC address are fed; otherwise all but our own. */
  readonly peer?: string;
  readonly seed: number;
  /** bit/s or 'instant'. */
  readonly rate: number | 'instant';
  /** Packet memory of the card, bytes. */
  readonly memory: number;
  readonly costs: boolean;
  readonly hash: boolean;
  /** Trace the boot, too: section 0 of the packet path. */
  readonly boot?: boolean;
  /** Events in order, batch by batch. Left out: nothing is traced, and the run is the same. */
  readonly onEvents?: (events: readonly TraceEvent[]) => void;
  /** A frame of the capture enters the wire; `packet` is its identity in the events that come later. */
  readonly onFrame?: (packet: number, frame: Uint8Array) => void;
}

/** A frame that our card sent. */
export interface SentFrame {
  /** ns since the capture's time 0. */
  readonly timeNs: number;
  /** As our host's own tcpdump would show it: without FCS, and without the zeros with which the card pads. */
  readonly data: Uint8Array;
  /** Bytes on the wire, without FCS. */
  readonly wireLength: number;
  /** Identity in the trace, and that of the packet it answers; 0 where there is none. */
  readonly packet: number;
  readonly parent: number;
}

export interface ReplayResult {
  /** Frames that were given to the wire, and of them those that made us send something. */
  readonly fed: number;
  readonly answered: number;
  /** Frames of the capture that could not be fed: cut short by a snap length, too short for two addresses. */
  readonly unusable: number;
  /** Frames for which the sender queue at the link's rate had no room. */
  readonly overflow: number;
  readonly sent: readonly SentFrame[];
  readonly comparison: Comparison;
  /** The host at the end, before it shuts down. */
  readonly status: HostStatus;
  /** Frames that the card dropped, by its reasons; only with tracing. */
  readonly cardDrops: Readonly<Record<string, number>>;
  /** What each stage has seen and dropped; empty without tracing. */
  readonly counters: readonly StageCount[];
  /** Times as in the capture. */
  readonly findings: readonly Finding[];
  readonly violations: number;
  /** Run hash, hexadecimal; undefined when it was not asked for. */
  readonly hash: string | undefined;
  /** Simulated ns from the capture's time 0 to the end. */
  readonly duration: number;
}

const sourceOf = (frame: Uint8Array): string => formatMac(frame, 6);

/** Simulated time of the capture's time 0: what event times are measured from. A file need not be in order. */
export function originOf(capture: Capture): number {
  let least = 0;
  for (const { timeNs } of capture.frames) least = Math.min(least, timeNs);
  return START_NS - least;
}

interface Share {
  /** To be fed, in order of time. */
  readonly peers: readonly CapturedFrame[];
  /** What the host in whose place we are has sent. */
  readonly theirs: readonly Uint8Array[];
  readonly unusable: number;
}

function share(capture: Capture, mac: string, peer: string | undefined): Share {
  const peers: CapturedFrame[] = [];
  const theirs: Uint8Array[] = [];
  let unusable = 0;
  for (const frame of capture.frames) {
    if (frame.data.length < SOURCE_MIN) {
      unusable++;
      continue;
    }
    const source = sourceOf(frame.data);
    if (source === mac) theirs.push(frame.data);
    else if (peer !== undefined && source !== peer) continue;
    else if (frame.data.length < frame.originalLength) unusable++;
    else peers.push(frame);
  }
  peers.sort((a, b) => a.timeNs - b.timeNs);
  return { peers, theirs, unusable };
}

const word = (bytes: Uint8Array, at: number): number => (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
const addressAt = (bytes: Uint8Array, at: number): number => (word(bytes, at) << 16) | word(bytes, at + 2);

/** Where the sender's IPv4 address is in a frame; 0 when there is none. */
function senderAt(frame: Uint8Array): number {
  const type = word(frame, 12);
  if (type === ETHERTYPE_ARP && frame.length >= 42) return 28;
  return type === ETHERTYPE_IPV4 && frame.length >= 34 ? 26 : 0;
}

/** A request for an address that went to everybody: who asks did not know it. */
const isBroadcastRequest = (frame: Uint8Array): boolean =>
  frame.length >= 42 && word(frame, 12) === ETHERTYPE_ARP && word(frame, 20) === 1 && (frame[0] ?? 0) === 0xff;

/**
 * A recording does not answer when we ask for an address that the host in whose place we are knew already: such
 * neighbours are known from the start, for good. Those it asked for are left to be asked for.
 */
function knowNeighbours(host: Host, dev: net_device, address: HostAddress, { peers, theirs }: Share): void {
  const asked = new Set(theirs.filter(isBroadcastRequest).map(frame => addressAt(frame, 38)));
  const known = new Map<number, Uint8Array>();
  const shift = 32 - address.prefixLength;
  for (const { data } of peers) {
    const at = senderAt(data);
    const ip = at === 0 ? 0 : addressAt(data, at);
    const onLink = ip >>> shift === address.ipNumber >>> shift && ip !== (address.ipNumber | 0);
    if (!onLink || asked.has(ip) || known.has(ip) || known.size === NEIGHBOURS_MAX) continue;
    known.set(ip, data.slice(6, 12));
  }
  const table = host.kernel.init_net.ipv4.arp;
  host.exec(() => {
    for (const [ip, mac] of known) neigh_add(table, ip, dev, mac, NUD_PERMANENT);
  });
}

export function replay(capture: Capture, config: ReplayConfig): ReplayResult {
  const { host: address, onEvents } = config;
  const shared = share(capture, address.mac, config.peer);
  const { peers, theirs, unusable } = shared;
  const origin = originOf(capture);

  const world = new World({ seed: config.seed, hash: config.hash });
  const { sim, inputs } = world;
  const order = new EventOrder();
  const cardDrops: Record<string, number> = {};
  const count = (event: TraceEvent): void => {
    if (event.layer === 'card' && event.drop !== '') cardDrops[event.drop] = (cardDrops[event.drop] ?? 0) + 1;
    order.push(event);
  };
  const trace = (): Tracer | undefined => (onEvents === undefined ? undefined : new Tracer(world, count));
  const early = config.boot === true ? trace() : undefined;
  const host = world.addHost({
    name: HOST_NAME,
    costs: config.costs,
    nics: [{ mac: address.macBytes, rate: config.rate, memory: config.memory }],
  });
  const [card] = host.cards;
  if (card === undefined) throw new Error('a host without the card that it was given');
  const { source, cable } = world.connectSource(card);
  const dev = host.up('eth0', address.ipNumber | 0, address.prefixLength);
  knowNeighbours(host, dev, address, shared);

  const tracer = early ?? trace();

  inputs.port(WIRE_PORT, data => {
    const packet = tracer?.newPacket() ?? 0;
    config.onFrame?.(packet, data);
    source.send(data, 0, data.length, FCS_GOOD, packet, sim.now);
    cable.refresh();
  });
  const sent: SentFrame[] = [];
  source.heard = (bytes, at, length, _fcs, packet, time) => {
    const handed = tracer?.handedLength(packet) ?? length;
    sent.push({
      timeNs: Math.round(time - (cable.link?.latencyNs ?? 0)) - origin,
      data: bytes.slice(at, at + Math.min(handed, length)),
      wireLength: length,
      packet,
      parent: tracer?.parentOf(packet) ?? 0,
    });
  };

  inputs.replay(peers.map(({ timeNs, data }) => ({ time: origin + timeNs, port: WIRE_PORT, data })));
  const until = origin + (peers.at(-1)?.timeNs ?? 0) + TAIL_NS;
  for (let next = sim.next(); next <= until; next = sim.next()) {
    sim.run(Math.min(next + BATCH_NS, until));
    onEvents?.(order.take(sim.time));
  }
  sim.run(until);
  onEvents?.(order.take(Infinity));
  tracer?.detach();

  const roots = new Set(sent.map(({ packet }) => tracer?.rootOf(packet) ?? 0));
  roots.delete(0);
  const status = hostStatus(host);
  const findings = world.finish().map(finding => ({ ...finding, time: finding.time - origin }));
  return {
    fed: source.accepted,
    answered: roots.size,
    unusable,
    overflow: source.overflow,
    sent,
    comparison: compareAnswers(
      sent.map(({ data }) => data),
      theirs,
    ),
    status,
    cardDrops,
    counters: tracer?.counters.rows() ?? [],
    findings,
    violations: world.violationCount,
    hash: world.hash?.digest(),
    duration: until - origin,
  };
}
