/**
 * The interrupt controller: level lines, any number of sources on each, and messages, each delivered to one CPU at a
 * time. A line that gets messages is an edge: a message that comes while it is masked or in service waits, once.
 */
import type { Clock, ClockEvent, InterruptController, InterruptSink } from '../../kernel/arch.ts';

/** Sees every change of a line's level: line, asserted, time in ns. */
export type LineObserver = (line: number, asserted: boolean, time: number) => void;

export class LevelInterruptController implements InterruptController {
  readonly lines: number;
  observer: LineObserver | null = null;
  private readonly clock: Clock;
  private sink: InterruptSink | null = null;
  /** Sources that assert each line. */
  private readonly asserted: Int32Array;
  /** A message is waiting on the line. */
  private readonly latched: Uint8Array;
  private readonly masked: Uint8Array;
  /** Delivered and not yet ended by `eoi`. */
  private readonly inService: Uint8Array;
  private readonly affinity: Int32Array;
  /** For edges that lie in the future of the event being served: a context's local time runs ahead of it. */
  private readonly events: ClockEvent[] = [];
  /** Deliveries per line. */
  readonly delivered: Float64Array;

  constructor(clock: Clock, lines: number) {
    this.clock = clock;
    this.lines = lines;
    this.asserted = new Int32Array(lines);
    this.latched = new Uint8Array(lines);
    this.masked = new Uint8Array(lines).fill(1);
    this.inService = new Uint8Array(lines);
    this.affinity = new Int32Array(lines);
    this.delivered = new Float64Array(lines);
    for (let line = 0; line < lines; line++) this.events.push(clock.event(`irq${line}`, () => this.deliver(line)));
  }

  connect(sink: InterruptSink): void {
    this.sink = sink;
  }

  /** A source asserts the line, or stops to, at time `at` (ns). */
  setLevel(line: number, on: boolean, at: number): void {
    const count = (this.asserted[line] as number) + (on ? 1 : -1);
    this.asserted[line] = count;
    if (this.observer !== null && count === (on ? 1 : 0)) this.observer(line, on, at);
    if (on && count === 1) this.request(line, at);
  }

  /** A message for the line arrives at time `at` (ns). */
  message(line: number, at: number): void {
    if (line < 0 || line >= this.lines) return;
    if (this.observer !== null) this.observer(line, true, at);
    this.latched[line] = 1;
    this.request(line, at);
  }

  /** The line's level: true while any source asserts it. */
  level(line: number): boolean {
    return (this.asserted[line] as number) > 0;
  }

  mask(line: number): void {
    this.masked[line] = 1;
  }

  unmask(line: number): void {
    this.masked[line] = 0;
    this.request(line, this.clock.now);
  }

  eoi(line: number): void {
    this.inService[line] = 0;
    this.request(line, this.clock.now);
  }

  setAffinity(line: number, cpu: number): void {
    this.affinity[line] = cpu;
  }

  private request(line: number, at: number): void {
    if (!this.deliverable(line)) return;
    if (at <= this.clock.time) {
      this.deliver(line);
      return;
    }
    const event = this.events[line] as ClockEvent;
    if (!event.armed || event.at > at) this.clock.schedule(event, at);
  }

  private deliverable(line: number): boolean {
    if (this.masked[line] === 1 || this.inService[line] === 1) return false;
    return (this.asserted[line] as number) > 0 || this.latched[line] === 1;
  }

  private deliver(line: number): void {
    if (!this.deliverable(line) || this.sink === null) return;
    this.latched[line] = 0;
    this.inService[line] = 1;
    this.delivered[line] = (this.delivered[line] as number) + 1;
    this.sink.interrupt(this.affinity[line] as number, line);
  }
}
