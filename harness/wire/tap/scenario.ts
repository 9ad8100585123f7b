/**
 * The simulated side of a live wire: a world whose wires end in input ports. Built from a few values that fit into a
 * recording's first line, so that live run and replay are the same world.
 */
import { fcsOf } from '../../../device/fcs.ts';
import { FCS_GOOD } from '../../../device/ports.ts';
import type { FrameSource } from '../../../device/wire/source.ts';
import type { Finding } from '../../../kernel/arch.ts';
import { dev_get_stats, dev_set_mac_address } from '../../../kernel/net/core/dev.ts';
import { type HostAddress, parseHost } from '../../cli/options.ts';
import type { Cable } from '../../machine/cable.ts';
import type { Host, Plugged } from '../../machine/host.ts';
import { World } from '../../machine/world.ts';
import { parseMac } from '../../packet/address.ts';
import { InputLogError, type LogHeader } from '../../sim/inputs.ts';
import { udpEcho } from '../../user/index.ts';
import type { Impairments } from '../impair.ts';

export const SCENARIO = 'attach tap';
export const ECHO_PORT = 7;
/** The port by which commands to our host come in. */
const COMMAND_PORT = 'command';
/** Longest frame that is let in; what is too long for the card it counts itself. */
const FRAME_MAX = 16 * 1024;
const FRAME_MIN = 14;

/** One wire that ends outside. */
export interface LiveWire {
  /** Its input port. */
  readonly port: string;
  readonly source: FrameSource;
  readonly cable: Cable;
  /** A frame that our side sent, as a good wire delivers it: set by whoever is outside. Valid during the call. */
  deliver: ((bytes: Uint8Array, at: number, length: number) => void) | null;
  /** Frames of ours that no real card would have handed on, since their FCS is wrong. */
  broken: number;
  /** Frames from outside that are no Ethernet frames. */
  unusable: number;
}

/** A command to our host, as it stands in a recording. */
export type LiveCommand =
  /** `ip link set eth0 address MAC`, with a gratuitous ARP (sysctl arp_notify). */
  { readonly host: string; readonly mac: string };

/** A world with wires to the outside. */
export class LiveWorld {
  readonly world: World;
  readonly wires: LiveWire[] = [];
  private frames = 0;

  constructor(world: World) {
    this.world = world;
    world.inputs.port(COMMAND_PORT, data => this.obey(data));
  }

  /** Puts a wire on a card; frames from outside enter by the input port `port`. */
  wire(card: Plugged, port: string, rate: number | 'instant' = card.rate, impairments?: Impairments): LiveWire {
    const { world } = this;
    // On an instant wire a burst is there at one moment: with a delay it would have to fit into the link.
    const config = {
      ...(rate === 'instant' ? { latencyNs: 0 } : {}),
      ...(impairments === undefined ? {} : { impairments }),
    };
    const { source, cable } = world.connectSource(card, rate, config);
    const wire: LiveWire = { port, source, cable, deliver: null, broken: 0, unusable: 0 };
    source.heard = (bytes, at, length, fcs) => {
      if (fcs !== FCS_GOOD && fcs !== fcsOf(bytes, at, length)) wire.broken++;
      else wire.deliver?.(bytes, at, length);
    };
    world.inputs.port(port, data => {
      if (data.length < FRAME_MIN || data.length > FRAME_MAX) {
        wire.unusable++;
        return;
      }
      source.send(data, 0, data.length, FCS_GOOD, ++this.frames, world.sim.time);
      cable.refresh();
    });
    this.wires.push(wire);
    return wire;
  }

  /** A command enters through the one door for the outside. */
  command(command: LiveCommand, time: number): void {
    this.world.inputs.offer(COMMAND_PORT, new TextEncoder().encode(JSON.stringify(command)), time);
  }

  private obey(data: Uint8Array): void {
    const { hosts, inputs } = this.world;
    const { name, mac } = parseCommand(data, inputs.count + 1);
    const host = hosts.find(each => each.name === name);
    const dev = host?.kernel.init_net.dev_get_by_name('eth0');
    if (host === undefined || dev === null || dev === undefined || dev.ip_ptr === null) {
      throw new InputLogError(`line ${inputs.count + 1}: no host ${name} with an address`);
    }
    const { ip_ptr } = dev;
    const failed = host.exec(() => {
      ip_ptr.cnf.arp_notify = 1;
      return dev_set_mac_address(dev, mac);
    });
    if (failed !== 0) throw new InputLogError(`line ${inputs.count + 1}: the MAC address is not taken: ${failed}`);
  }
}

function parseCommand(data: Uint8Array, line: number): { name: string; mac: Uint8Array } {
  try {
    const { host, mac } = JSON.parse(new TextDecoder().decode(data)) as Partial<LiveCommand>;
    return { name: String(host), mac: parseMac(String(mac)) };
  } catch (error) {
    throw new InputLogError(`line ${line}: bad command: ${(error as Error).message}`);
  }
}

/** All that `attach tap` needs to build its world again. */
export interface LiveConfig {
  /** `MAC,IP/PREFIX` */
  readonly host: string;
  /** bit/s or 'instant' */
  readonly rate: number | 'instant';
  /** Packet memory of the card, bytes. */
  readonly memory: number;
  /** The cost model. */
  readonly costs: boolean;
}

/** @throws InputLogError when a header is not of this scenario or holds a value that it does not take */
export function configOf(header: LogHeader): LiveConfig {
  const refuse = (why: string): never => {
    throw new InputLogError(`line 1: ${why}`);
  };
  if (header.scenario !== SCENARIO) refuse(`a recording of "${header.scenario}", not of "${SCENARIO}"`);
  if (!Number.isSafeInteger(header.seed) || header.seed < 0) refuse('bad seed');
  const { host, rate, memory, costs } = header.config ?? {};
  if (typeof host !== 'string') return refuse('no host');
  try {
    parseHost(host);
  } catch (error) {
    refuse((error as Error).message);
  }
  if (rate !== 'instant' && !(typeof rate === 'number' && rate >= 1e6 && rate <= 400e9)) return refuse('bad rate');
  if (memory !== 4096 && memory !== 16384) return refuse('bad memory');
  if (typeof costs !== 'boolean') return refuse('bad costs');
  return { host, rate, memory, costs };
}

export const HOST_NAME = 'us';

export interface BuildOptions {
  readonly seed: number;
  readonly hash: boolean;
  /** The input port of the wire. */
  readonly port: string;
  readonly impairments?: Impairments;
  /** The detectors that watch each access. Default true. */
  readonly checks?: boolean;
}

/** One host with one card, an address, and the UDP echo server; the card's wire ends in an input port. */
export function buildAttached(config: LiveConfig, options: BuildOptions): { live: LiveWorld; host: Host } {
  const address: HostAddress = parseHost(config.host);
  const world = new World({ seed: options.seed, hash: options.hash, checks: options.checks ?? true });
  const { rate, memory, costs } = config;
  const host = world.addHost({ name: HOST_NAME, costs, nics: [{ mac: address.macBytes, rate, memory }] });
  const live = new LiveWorld(world);
  live.wire(host.cards[0] as Plugged, options.port, rate, options.impairments);
  host.up('eth0', address.ipNumber, address.prefixLength);
  host.spawn('echo', udpEcho(ECHO_PORT));
  return { live, host };
}

/** What became of the frames, and what the detectors saw. */
export interface LiveResult {
  /** Frames that came in from outside and that were handed out, all wires together. */
  readonly in: number;
  readonly out: number;
  /** Frames that our side lost: at the sender queue, on the wire, in the card, or with a wrong FCS. */
  readonly lost: number;
  readonly sockets: number;
  readonly violations: number;
  readonly findings: readonly Finding[];
  /** Where the clock stood, ns. */
  readonly end: number;
  readonly hash: string | undefined;
}

/** Ends a run, live or replayed: nothing enters any more, the hosts shut down. */
export function finishLive({ world, wires }: LiveWorld): LiveResult {
  const end = world.sim.time;
  world.inputs.close();
  let incoming = 0;
  let outgoing = 0;
  let lost = 0;
  for (const wire of wires) {
    const { source, cable } = wire;
    incoming += source.accepted + source.overflow + wire.unusable;
    outgoing += source.received - wire.broken;
    const { overflow } = cable.link as NonNullable<Cable['link']>;
    lost += source.overflow + wire.unusable + wire.broken + (overflow[0] as number) + (overflow[1] as number);
  }
  let sockets = 0;
  for (const host of world.hosts) {
    const { init_net } = host.kernel;
    sockets += init_net.core.sockets;
    for (const dev of init_net.devices) {
      if (dev.ifindex === init_net.loopback_dev?.ifindex) continue;
      const { rx_missed_errors, rx_errors, rx_dropped, tx_dropped } = host.exec(() => dev_get_stats(dev));
      lost += rx_missed_errors + rx_errors + rx_dropped + tx_dropped;
    }
  }
  const findings = world.finish();
  return {
    in: incoming,
    out: outgoing,
    lost,
    sockets,
    violations: world.violationCount,
    findings,
    end,
    hash: world.hash?.digest(),
  };
}
