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
export const PRXC = 17;
export const PTXC = 18;
export const JRC = 19;
export const CSERR = 20;
export const TSOC = 21;
export const STATISTICS = 22;

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

  /** One frame of `length` bytes, in a counter of frames and one of octets. */
  addFrame(frames: number, octets: number, length: number): void {
    const { counts } = this;
    const bytes = counts[octets] as number;
    const before = counts[frames] as number;
    if (bytes < SMALL && before < SMALL) {
      counts[octets] = bytes + length;
      counts[frames] = before + 1;
      return;
    }
    this.add(frames, 1);
    this.add(octets, length);
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
