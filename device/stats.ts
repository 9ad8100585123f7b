import { CAUSE_CNT, type CauseSink } from './irq.ts';

/** Indices of the statistics, in the order of their registers from 400h on (datasheet §9). */
export const GPRC = 0;
export const GORC = 1;
export const GPTC = 2;
export const GOTC = 3;
export const MPC = 4;
export const RNBC = 5;
export const FILT = 6;
export const CRCERR = 7;
export const ALGNERR = 8;
export const RUNT = 9;
export const GIANT = 10;
export const RXOFF = 11;
export const TXERR = 12;
export const RXDMAE = 13;
export const TXLOST = 14;
export const BPRC = 15;
export const RXDISC = 16;
export const STATISTICS = 17;

const STUCK = 0xffffffff;
const WARN = 0x80000000;
const SMALL = 0x3fffffff;

/** Statistics counters: 32 bits, stuck at FFFFFFFFh, ISR.CNT when one reaches 80000000h. */
export class Stats {
  readonly counts: Uint32Array;
  private readonly causes: CauseSink;

  constructor(causes: CauseSink) {
    this.causes = causes;
    this.counts = new Uint32Array(STATISTICS);
  }

  add(index: number, amount: number): void {
    const before = this.counts[index] as number;
    // Far from the warning: small integers all the way.
    if (before < SMALL && amount < SMALL) {
      this.counts[index] = before + amount;
      return;
    }
    const after = before + amount;
    this.counts[index] = Math.min(after, STUCK);
    if (after >= WARN && before < WARN) this.causes.raise(CAUSE_CNT);
  }

  /** Reads and clears. */
  take(index: number): number {
    const count = this.counts[index] as number;
    this.counts[index] = 0;
    return count;
  }

  reset(): void {
    this.counts.fill(0);
  }
}
