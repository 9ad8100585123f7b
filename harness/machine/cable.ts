/** A link with what is plugged into its ends, tied to the simulation: each part's deadline is an event. */
import type { Link } from '../../device/wire/link.ts';
import type { ClockEvent } from '../../kernel/arch.ts';
import type { Sim } from '../sim/sim.ts';

/** Anything with a deadline of its own: the link, a card, a sender queue. */
interface Part {
  readonly deadline: number;
  advance(now: number): void;
}

export class Cable {
  readonly link: Link;
  private readonly sim: Sim;
  private readonly parts: Part[] = [];
  private readonly events: ClockEvent[] = [];

  constructor(sim: Sim, link: Link, name: string) {
    this.sim = sim;
    this.link = link;
    this.add(link, name);
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
