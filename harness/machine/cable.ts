/**
 * What hangs together on one wire (cards, the link between them, a sender queue), tied to the simulation: each part's
 * deadline is an event. A card without a cable is such a group of its own.
 */
import type { Link } from '../../device/wire/link.ts';
import type { ClockEvent } from '../../kernel/arch.ts';
import type { Sim } from '../sim/sim.ts';

/** Anything with a deadline of its own: the link, a card, a sender queue. */
interface Part {
  readonly deadline: number;
  advance(now: number): void;
}

export class Cable {
  readonly link: Link | null;
  /** A sender queue at one end: what it will send is known, since no host has a say in it. */
  source: Part | null = null;
  private readonly sim: Sim;
  private readonly parts: Part[] = [];
  private readonly events: ClockEvent[] = [];
  /** When each part's event is due, Infinity for not: what was armed need not be looked up at every register access. */
  private armed = new Float64Array(0);
  /** The link's `moves` when all deadlines were last looked at. */
  private seen = 0;

  constructor(sim: Sim, link: Link | null, name: string) {
    this.sim = sim;
    this.link = link;
    if (link !== null) this.add(link, name);
  }

  /** Ties a part's deadlines to the simulation. */
  add(part: Part, name: string): void {
    const index = this.parts.push(part) - 1;
    this.events.push(
      this.sim.event(name, () => {
        this.armed[index] = Infinity;
        part.advance(this.sim.time);
        this.refresh();
      }),
    );
    this.armed = Float64Array.of(...this.armed, Infinity);
  }

  /** Takes over the parts of another group. */
  adopt(other: Cable): void {
    other.parts.forEach((part, i) => {
      this.sim.cancel(other.events[i] as ClockEvent);
      this.add(part, (other.events[i] as ClockEvent).name);
    });
    this.source ??= other.source;
    other.parts.length = 0;
    other.events.length = 0;
    other.armed = new Float64Array(0);
  }

  /**
   * Brings the wire up to a context's local time `now`, which may be ahead of the simulation's: what the sender queue
   * has sent by then and what has arrived by then. (What another host's card will send by then is not known yet: that
   * host may still change it.)
   */
  bringUp(now: number): void {
    const { link, source } = this;
    if (link === null) return;
    if (source !== null) {
      const horizon = now - link.latencyNs;
      for (let at = source.deadline; at <= horizon; at = source.deadline) {
        source.advance(at);
        // It is in the middle of that already.
        if (source.deadline <= at) break;
      }
    }
    link.advance(now);
  }

  private arm(i: number, at: number): void {
    const event = this.events[i] as ClockEvent;
    this.armed[i] = at;
    if (at === Infinity) this.sim.cancel(event);
    else this.sim.schedule(event, at);
  }

  /** Which part this is; -1: none of these. */
  indexOf(part: Part): number {
    return this.parts.indexOf(part);
  }

  /** After an access to part `i`, whose deadline is `at` now: the others' can have moved only by frames on the link. */
  accessed(i: number, at: number): void {
    const { link } = this;
    if (link !== null && link.moves !== this.seen) this.refresh();
    else if (at !== this.armed[i]) this.arm(i, at);
  }

  /** After anything that may have moved a deadline: arms the events anew. */
  refresh(): void {
    const { parts, armed, link } = this;
    if (link !== null) this.seen = link.moves;
    for (let i = 0; i < parts.length; i++) {
      const at = (parts[i] as Part).deadline;
      if (at !== armed[i]) this.arm(i, at);
    }
  }
}
