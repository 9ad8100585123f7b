import type { IrqLine } from './ports.ts';
import type { NicTrace } from './trace.ts';

/**
 * What the engines have to tell. The native card's ISR uses the same bits (a test holds them together); another
 * register interface over the same engines translates.
 */
export const CAUSE_RX = 1 << 0;
export const CAUSE_TX = 1 << 1;
export const CAUSE_RXDU = 1 << 2;
export const CAUSE_TXE = 1 << 3;
export const CAUSE_OVW = 1 << 4;
export const CAUSE_CNT = 1 << 5;
export const CAUSE_RDC = 1 << 6;
export const CAUSE_RST = 1 << 7;
export const CAUSE_LSC = 1 << 8;
export const CAUSE_DMAE = 1 << 9;

/** Where the engines report what happened: one or more CAUSE bits, and the queue they belong to, if to one. */
export interface CauseSink {
  raise(causes: number, queue?: number): void;
}

/** Where the transmitter reports: also frames whose cause may come late. */
export interface TxCauseSink extends CauseSink {
  /** A frame of `queue` was sent, and its driver is in no hurry to hear of it: at once, or by the delay that was set. */
  raiseLate(queue: number): void;
}

/** Interrupt status and mask behind one level-triggered pin (datasheet §7). */
export class Interrupts implements CauseSink {
  status: number;
  mask: number;
  private level: boolean;
  private readonly line: IrqLine;
  private readonly trace: NicTrace;

  constructor(line: IrqLine, trace: NicTrace) {
    this.line = line;
    this.trace = trace;
    this.status = 0;
    this.mask = 0;
    this.level = false;
  }

  raise(causes: number): void {
    this.status |= causes;
    this.update();
  }

  acknowledge(causes: number): void {
    this.status &= ~causes;
    this.update();
  }

  enable(causes: number): void {
    this.mask |= causes;
    this.update();
  }

  disable(causes: number): void {
    this.mask &= ~causes;
    this.update();
  }

  /** The mask as a whole, for a register interface that has one mask register. */
  setMask(causes: number): void {
    this.mask = causes;
    this.update();
  }

  reset(): void {
    this.status = 0;
    this.mask = 0;
    this.update();
  }

  /** The only place that decides the level; the line hears of changes only. */
  private update(): void {
    const level = (this.status & this.mask) !== 0;
    if (level === this.level) return;
    this.level = level;
    if (this.trace.irq !== null) this.trace.irq(level);
    this.line.setLevel(level);
  }
}
