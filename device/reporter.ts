import { type Clock, NOW } from './clock.ts';
import type { ViolationSink } from './ports.ts';
import type { Ne2000Rule } from './regs/ne2000-rules.ts';
import type { Rule } from './regs/rules.ts';

/** Puts the card's time on a violation. One for each card; engines and register file share it. */
export class Reporter {
  private readonly sink: ViolationSink;
  private readonly clock: Clock;

  constructor(sink: ViolationSink, clock: Clock) {
    this.sink = sink;
    this.clock = clock;
  }

  /** `offset`: register offset, -1 for a descriptor or frame. `value`: what was written, or the offending value. */
  report(rule: Rule | Ne2000Rule, offset: number, value: number): void {
    this.sink.violation(rule, offset, value, this.clock[NOW] as number);
  }
}
