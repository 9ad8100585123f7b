import { CAUSE_CNT, type CauseSink } from '../irq.ts';
import { NE2000 } from '../regs/ne2000.ts';

export const ALIGNMENT = NE2000.CNTR0.index;
export const CRC = NE2000.CNTR1.index;
export const MISSED = NE2000.CNTR2.index;

/** DP8390D datasheet, "Network Tally Counters": the largest count, and the one that sets ISR.CNT. */
const MOST = 192;
const WARN = 128;

/** The tally counters, which live in the register file. */
export class Tally {
  private readonly regs: Uint8Array;
  private readonly causes: CauseSink;

  constructor(regs: Uint8Array, causes: CauseSink) {
    this.regs = regs;
    this.causes = causes;
  }

  count(counter: number): void {
    const count = this.regs[counter] as number;
    if (count >= MOST) return;
    this.regs[counter] = count + 1;
    if (count + 1 === WARN) this.causes.raise(CAUSE_CNT);
  }

  /** Reads and clears. */
  take(counter: number): number {
    const count = this.regs[counter] as number;
    this.regs[counter] = 0;
    return count;
  }
}
