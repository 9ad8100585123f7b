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
  private readonly sim: Sim;
  private readonly parts: Part[] = [];
  private readonly events: ClockEvent[] = [];

  constructor(sim: Sim, link: Link | null, name: string) {
    this.sim = sim;
    this.link = link;
    if (link !== null) this.add(link, name);
  }

  /** Ties a part's deadlines to the simulation. */
  add(part: Part, name: string): void {
    this.parts.push(part);
    this.events.push(
      this.sim.event(name, () => {
        part.advance(this.sim.time);
        this.refresh();
      }),
    );
  }

  /** Takes over the parts of another group. */
  adopt(other: Cable): void {
    other.parts.forEach((part, i) => {
      this.sim.cancel(other.events[i] as ClockEvent);
      this.add(part, (other.events[i] as ClockEvent).name);
    });
    other.parts.length = 0;
    other.events.length = 0;
  }

  /** After anything that may have moved a deadline: arms the events anew. */
  refresh(): void {
    const { sim, parts, events } = this;
    for (let i = 0; i < parts.length; i++) {
      const event = events[i] as ClockEvent;
      const at = (parts[i] as Part).deadline;
      if (at === Infinity) {
        if (event.armed) sim.cancel(event);
      } else if (!event.armed || event.at !== at) {
        sim.schedule(event, at);
      }
    }
  }
}
