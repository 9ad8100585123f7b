/** Picks one packet's journey out of a trace, for those who want to read it from top to bottom. */
import type { TraceEvent } from './event.ts';

export interface Journey {
  /** In order: the packet's stages, those of its answers, and what lies between. */
  readonly events: readonly TraceEvent[];
  /** Identities of the packet and of what came of it. */
  readonly packets: ReadonlySet<number>;
}

/** A packet's clean-up after it was sent: an interrupt's only for that is not worth telling. */
const isAfterwards = ({ stage, text }: TraceEvent): boolean =>
  stage === 'dma_unmap_single' || (stage === 'consume_skb' && text.startsWith('sent'));

/** An interrupt begins: what the CPU did before it has nothing to do with it. */
const isBeginning = ({ stage, text }: TraceEvent): boolean => stage === 'irq' && text.includes('asserted');

/** How a poll ends: told when a packet of the journey was in it. */
const ENDS_POLL: ReadonlySet<string> = new Set(['napi_complete_done', 'napi_poll']);

/** What a host did since the last interrupt that no packet of the journey has come out of yet. */
interface Between {
  events: TraceEvent[];
  /** A packet of the journey was in the present poll. */
  told: boolean;
}

/** Interrupts and polls between the stages of some packets: kept where one of these packets comes out of them. */
export class Surroundings {
  private readonly hosts = new Map<string, Between>();

  private of(host: string): Between {
    let between = this.hosts.get(host);
    if (between === undefined) {
      between = { events: [], told: false };
      this.hosts.set(host, between);
    }
    return between;
  }

  /** An event without a packet; what of it is to be told at once. */
  around(event: TraceEvent): TraceEvent[] {
    const between = this.of(event.host);
    if (isBeginning(event)) this.hosts.set(event.host, { events: [event], told: false });
    else if (!ENDS_POLL.has(event.stage)) between.events.push(event);
    else if (between.told) return [event];
    return [];
  }

  /** A packet of another journey. */
  foreign(event: TraceEvent): void {
    this.of(event.host).events = [];
  }

  /** A packet of the journey: what is to be told before it. */
  before(event: TraceEvent): TraceEvent[] {
    const between = this.of(event.host);
    // What the card does comes out of nothing that a CPU did: what is left of an earlier poll is not its beginning.
    if (event.cpu < 0) return [];
    const { events } = between;
    between.events = [];
    if (isAfterwards(event)) return [];
    between.told = between.told || event.cpu >= 0;
    return events;
  }
}

/** `events` in order. Address resolution on the way is told by one line for each frame on the wire. */
export function journeyOf(root: number, events: readonly TraceEvent[]): Journey {
  const packets = new Set([root]);
  const resolution = new Set<number>();
  const kept: TraceEvent[] = [];
  const surroundings = new Surroundings();
  for (const event of events) {
    const { packet, parent } = event;
    if (packet === 0) {
      kept.push(...surroundings.around(event));
      continue;
    }
    if (packets.has(parent)) packets.add(packet);
    if (!packets.has(packet)) {
      surroundings.foreign(event);
      continue;
    }
    if (event.stage === 'arp_send' || resolution.has(parent)) resolution.add(packet);
    if (resolution.has(packet)) {
      surroundings.foreign(event);
      if (event.layer === 'wire' || event.drop !== '') kept.push(event);
      continue;
    }
    kept.push(...surroundings.before(event), event);
  }
  return { events: kept.sort((a, b) => a.time - b.time || a.sequence - b.sequence), packets };
}

/** Who is whose child, of the packets of a run. */
export class Kinship {
  private readonly parents = new Map<number, number>();

  /** Every event: a packet may get its parent late (GRO). */
  note({ packet, parent }: TraceEvent): void {
    if (packet !== 0) this.parents.set(packet, parent);
  }

  has(packet: number): boolean {
    return this.parents.has(packet);
  }

  /** The packet, what it came of, and all that came of it. */
  kinOf(packet: number): ReadonlySet<number> {
    const kin = new Set<number>();
    for (let at = packet; at !== 0 && !kin.has(at); at = this.parents.get(at) ?? 0) kin.add(at);
    for (const each of this.parents.keys()) if (this.descends(each, packet)) kin.add(each);
    return kin;
  }

  private descends(from: number, packet: number): boolean {
    const seen = new Set<number>();
    for (let at = from; at !== 0 && !seen.has(at); at = this.parents.get(at) ?? 0) {
      if (at === packet) return true;
      seen.add(at);
    }
    return false;
  }
}
