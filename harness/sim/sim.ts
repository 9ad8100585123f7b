/**
 * The simulation's clock and event queue: a heap on (deadline, sequence number), first in first out on ties. Time is
 * simulated always; `pace.ts` holds it back to real time where the outside world takes part.
 */
import type { Clock, ClockEvent } from '../../kernel/arch.ts';
import { assert } from '../../kernel/lib/assert.ts';

class SimEvent implements ClockEvent {
  readonly name: string;
  readonly handler: () => void;
  /** Where it stands in the heap, -1 when it is not armed. */
  index = -1;
  at = 0;
  sequence = 0;

  constructor(name: string, handler: () => void) {
    this.name = name;
    this.handler = handler;
  }

  get armed(): boolean {
    return this.index >= 0;
  }
}

function before(a: SimEvent, b: SimEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

export class Sim implements Clock {
  time = 0;
  now = 0;
  private readonly heap: SimEvent[] = [];
  private sequence = 0;
  /** Inputs from outside come before everything else of the same time, live as in a replay: they count from below. */
  private inputSequence = -Number.MAX_SAFE_INTEGER;
  /** Events served so far. */
  served = 0;
  private stopping = false;

  event(name: string, handler: () => void): ClockEvent {
    return new SimEvent(name, handler);
  }

  schedule(event: ClockEvent, at: number): void {
    this.arm(event as SimEvent, at, ++this.sequence);
  }

  /** Arms an event that stands for something from outside: before all others of its time. */
  scheduleInput(event: ClockEvent, at: number): void {
    this.arm(event as SimEvent, at, ++this.inputSequence);
  }

  cancel(event: ClockEvent): void {
    const e = event as SimEvent;
    if (e.index >= 0) this.remove(e.index);
  }

  /** The time of the next event, Infinity when nothing is to come. */
  next(): number {
    return this.heap[0]?.at ?? Infinity;
  }

  /** Serves the next event. False: there is none. */
  step(): boolean {
    const event = this.heap[0];
    if (event === undefined) return false;
    this.remove(0);
    this.time = event.at;
    this.now = event.at;
    this.served++;
    event.handler();
    return true;
  }

  /** Serves everything due up to and including `until`, then stands at `until` (or where `stop` was called). */
  run(until: number): void {
    this.stopping = false;
    while (!this.stopping) {
      const event = this.heap[0];
      if (event === undefined || event.at > until) break;
      this.step();
    }
    if (!this.stopping && until < Infinity && until > this.time) {
      this.time = until;
      this.now = until;
    }
  }

  /** Runs until nothing is left to do, or `limit` (ns) is reached. True: nothing is left. */
  settle(limit = Infinity): boolean {
    this.run(limit);
    return this.heap.length === 0;
  }

  /** Ends `run` after the event that is being served. */
  stop(): void {
    this.stopping = true;
  }

  private arm(event: SimEvent, at: number, sequence: number): void {
    assert(at < Infinity, 'an event at no time');
    event.at = Math.max(at, this.time);
    event.sequence = sequence;
    if (event.index < 0) {
      event.index = this.heap.length;
      this.heap.push(event);
      this.up(event.index);
    } else if (!this.up(event.index)) {
      this.down(event.index);
    }
  }

  private remove(index: number): void {
    const { heap } = this;
    const event = heap[index] as SimEvent;
    const last = heap.pop() as SimEvent;
    event.index = -1;
    if (last === event) return;
    heap[index] = last;
    last.index = index;
    if (!this.up(index)) this.down(index);
  }

  private up(index: number): boolean {
    const { heap } = this;
    const event = heap[index] as SimEvent;
    let i = index;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const other = heap[parent] as SimEvent;
      if (!before(event, other)) break;
      heap[i] = other;
      other.index = i;
      i = parent;
    }
    heap[i] = event;
    event.index = i;
    return i !== index;
  }

  private down(index: number): void {
    const { heap } = this;
    const event = heap[index] as SimEvent;
    const count = heap.length;
    let i = index;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= count) break;
      let other = heap[child] as SimEvent;
      const right = heap[child + 1];
      if (right !== undefined && before(right, other)) {
        child++;
        other = right;
      }
      if (!before(other, event)) break;
      heap[i] = other;
      other.index = i;
      i = child;
    }
    heap[i] = event;
    event.index = i;
  }
}
