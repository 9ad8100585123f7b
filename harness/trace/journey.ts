/** Picks one packet's journey out of a trace, for those who want to read it from top to bottom. */
import type { TraceEvent } from './event.ts';

export interface Journey {
  /** In order: the packet's stages, those of its answers, and what lies between. */
  readonly events: readonly TraceEvent[];
  /** Identities of the packet and of what came of it. */
  readonly packets: ReadonlySet<number>;
}

/** A packet's clean-up after it was sent: an interrupt's only for that is not worth telling. */
const isAfterwards = ({ stage, text }: TraceEvent): boolean => stage === 'consume_skb' && text.startsWith('sent');

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

/**
 * `events` in order. Address resolution on the way is told by one line for each frame on the wire. Interrupts and
 * polls are kept where a packet of the journey comes out of them.
 */
export function journeyOf(root: number, events: readonly TraceEvent[]): Journey {
  const packets = new Set([root]);
  const resolution = new Set<number>();
  const kept: TraceEvent[] = [];
  const hosts = new Map<string, Between>();
  const betweenOf = (host: string): Between => {
    const between = hosts.get(host) ?? { events: [], told: false };
    hosts.set(host, between);
    return between;
  };
  for (const event of events) {
    const { packet, parent, host } = event;
    const between = betweenOf(host);
    if (packet === 0) {
      if (isBeginning(event)) hosts.set(host, { events: [event], told: false });
      else if (!ENDS_POLL.has(event.stage)) between.events.push(event);
      else if (between.told) kept.push(event);
      continue;
    }
    if (packets.has(parent)) packets.add(packet);
    if (!packets.has(packet)) {
      between.events = [];
      continue;
    }
    if (event.stage === 'arp_send' || resolution.has(parent)) resolution.add(packet);
    const isResolution = resolution.has(packet);
    if (!isResolution && !isAfterwards(event)) {
      kept.push(...between.events);
      between.told = between.told || event.cpu >= 0;
    }
    between.events = [];
    if (!isResolution || event.layer === 'wire' || event.drop !== '') kept.push(event);
  }
  return { events: kept.sort((a, b) => a.time - b.time || a.sequence - b.sequence), packets };
}
