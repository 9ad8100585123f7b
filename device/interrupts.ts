import { armAt, type Clock, disarm, ITR_END, NOW, TIDV_END } from './clock.ts';
import {
  CAUSE_CNT,
  CAUSE_DMAE,
  CAUSE_LSC,
  CAUSE_OVW,
  CAUSE_RDC,
  CAUSE_RST,
  CAUSE_TX,
  type TxCauseSink,
} from './irq.ts';
import type { IrqLine } from './ports.ts';
import type { NicTrace } from './trace.ts';

/** What belongs to no queue: the causes of the last vector. */
const MISC = CAUSE_OVW | CAUSE_CNT | CAUSE_RDC | CAUSE_RST | CAUSE_LSC | CAUSE_DMAE;

/**
 * The native card's interrupts (datasheet §7): one status and mask behind the pin, and beside it a status and mask for
 * each queue pair behind messages. A vector is moderated by time and by count. Vector `queues` is for everything that
 * belongs to no queue; its status and mask are those of the pin.
 */
export class NicInterrupts implements TxCauseSink {
  status: number;
  mask: number;
  readonly queueStatus: Int32Array;
  readonly queueMask: Int32Array;
  /** The message table, and which messages its masks hold back. */
  readonly address: Int32Array;
  readonly addressHigh: Int32Array;
  readonly data: Int32Array;
  readonly masked: Uint8Array;
  pending: number;
  /** Moderation: ns between interrupts, causes that end the wait; 0 for none. */
  readonly interval: Float64Array;
  readonly limit: Int32Array;
  /** [0]: by how much a TX cause may be late, ns. [1]: when those that wait are raised. */
  private readonly late: Float64Array;
  /** A bit for each queue whose TX cause waits. */
  private waiting: number;
  private readonly line: IrqLine;
  private readonly clock: Clock;
  private readonly trace: NicTrace;
  private readonly vectors: number;
  private readonly misc: number;
  private level: boolean;
  /** Messages instead of the pin, and all of them masked. */
  private messages: boolean;
  private allMasked: boolean;
  /** Some vector has a limit. */
  private counting: boolean;
  /** By vector: told of what is set now; causes since the last interrupt; when that was. */
  private readonly told: Uint8Array;
  private readonly events: Int32Array;
  private readonly last: Float64Array;

  constructor(line: IrqLine, clock: Clock, trace: NicTrace, queues: number) {
    const vectors = queues + 1;
    this.line = line;
    this.clock = clock;
    this.trace = trace;
    this.vectors = vectors;
    this.misc = queues;
    this.status = 0;
    this.mask = 0;
    this.queueStatus = new Int32Array(queues);
    this.queueMask = new Int32Array(queues);
    this.address = new Int32Array(vectors);
    this.addressHigh = new Int32Array(vectors);
    this.data = new Int32Array(vectors);
    this.masked = new Uint8Array(vectors).fill(1);
    this.pending = 0;
    this.interval = new Float64Array(vectors);
    this.limit = new Int32Array(vectors);
    this.late = new Float64Array(2);
    this.waiting = 0;
    this.level = false;
    this.messages = false;
    this.allMasked = false;
    this.counting = false;
    this.told = new Uint8Array(vectors);
    this.events = new Int32Array(vectors);
    this.last = new Float64Array(vectors).fill(-Infinity);
  }

  raise(causes: number, queue = -1): void {
    if (this.waiting !== 0 && queue >= 0) {
      const bit = 1 << queue;
      if ((this.waiting & bit) !== 0) {
        this.waiting &= ~bit;
        causes |= CAUSE_TX;
      }
    }
    this.status |= causes;
    if (queue >= 0) this.queueStatus[queue] = (this.queueStatus[queue] as number) | causes;
    if (this.counting) this.count(queue);
    // The common cases: the pin is up already, or masked because somebody polls.
    if (!this.messages && (this.level || (this.status & this.mask) === 0)) return;
    this.refresh(queue >= 0 ? queue : this.misc);
  }

  /** It goes with the queue's next cause, or alone when its time is up. */
  raiseLate(queue: number): void {
    const delay = this.late[0] as number;
    if (delay === 0) {
      this.raise(CAUSE_TX, queue);
      return;
    }
    if (this.waiting === 0) {
      const at = (this.clock[NOW] as number) + delay;
      this.late[1] = at;
      // Armed for an earlier one that has gone with something else: `lateDue` looks again.
      if (this.clock[TIDV_END] === Infinity) armAt(this.clock, TIDV_END, at);
    }
    this.waiting |= 1 << queue;
  }

  /** The time may be up of TX causes that wait. */
  lateDue(): void {
    if (this.waiting === 0) return;
    const at = this.late[1] as number;
    if (at > (this.clock[NOW] as number)) {
      armAt(this.clock, TIDV_END, at);
      return;
    }
    const queues = this.waiting;
    this.waiting = 0;
    for (let queue = 0; queue < this.misc; queue++) if ((queues & (1 << queue)) !== 0) this.raise(CAUSE_TX, queue);
  }

  /** TIDV, ns. What waits is not delayed any longer. */
  get lateBy(): number {
    return this.late[0] as number;
  }

  set lateBy(ns: number) {
    this.late[0] = ns;
    this.late[1] = 0;
    this.lateDue();
  }

  private count(queue: number): void {
    const vector = !this.messages ? 0 : queue >= 0 ? queue : this.misc;
    this.events[vector] = (this.events[vector] as number) + 1;
  }

  acknowledge(causes: number): void {
    this.status &= ~causes;
    this.refresh(this.misc);
  }

  enable(causes: number): void {
    this.mask |= causes;
    this.refresh(this.misc);
  }

  disable(causes: number): void {
    this.mask &= ~causes;
    this.refresh(this.misc);
  }

  acknowledgeQueue(queue: number, causes: number): void {
    this.queueStatus[queue] = (this.queueStatus[queue] as number) & ~causes;
    this.refresh(queue);
  }

  enableQueue(queue: number, causes: number): void {
    this.queueMask[queue] = (this.queueMask[queue] as number) | causes;
    this.refresh(queue);
  }

  disableQueue(queue: number, causes: number): void {
    this.queueMask[queue] = (this.queueMask[queue] as number) & ~causes;
    this.refresh(queue);
  }

  /** ITR of a vector: an interrupt that waits is judged anew. */
  moderate(vector: number, ns: number, count: number): void {
    this.interval[vector] = ns;
    this.limit[vector] = count;
    this.counting = this.limit.some(limit => limit !== 0);
    this.refresh(vector);
  }

  /** The MSI-X capability: messages on (then the pin is silent), and the mask of the whole function. */
  setMessages(on: boolean, allMasked: boolean): void {
    this.allMasked = allMasked;
    if (on !== this.messages) {
      this.messages = on;
      this.pending = 0;
      for (let vector = 0; vector < this.vectors; vector++) this.forget(vector);
      if (on) this.setLevel(false);
    }
    for (let vector = 0; vector < this.vectors; vector++) {
      this.refresh(vector);
      this.release(vector);
    }
  }

  /** The mask bit in the message table. */
  maskVector(vector: number, masked: boolean): void {
    this.masked[vector] = masked ? 1 : 0;
    this.release(vector);
  }

  /** A vector's wait is over. */
  due(vector: number): void {
    this.refresh(vector);
  }

  /** Status and masks; the message table stays. */
  reset(): void {
    this.status = 0;
    this.mask = 0;
    this.queueStatus.fill(0);
    this.queueMask.fill(0);
    this.interval.fill(0);
    this.limit.fill(0);
    this.counting = false;
    this.last.fill(-Infinity);
    this.late.fill(0);
    this.waiting = 0;
    disarm(this.clock, TIDV_END);
    this.pending = 0;
    for (let vector = 0; vector < this.vectors; vector++) this.forget(vector);
    this.setLevel(false);
  }

  /** The message table as after power-on. */
  resetTable(): void {
    this.address.fill(0);
    this.addressHigh.fill(0);
    this.data.fill(0);
    this.masked.fill(1);
  }

  private forget(vector: number): void {
    this.told[vector] = 0;
    this.events[vector] = 0;
    disarm(this.clock, ITR_END + vector);
  }

  private refresh(vector: number): void {
    if (this.messages) this.judge(vector);
    else this.judgePin();
  }

  /** Whether there is something to tell: (status & mask) of the vector. */
  private wanted(vector: number): boolean {
    if (vector === this.misc) return (this.status & this.mask & MISC) !== 0;
    return ((this.queueStatus[vector] as number) & (this.queueMask[vector] as number)) !== 0;
  }

  /** The only place that decides the level of the pin. */
  private judgePin(): void {
    if ((this.status & this.mask) === 0) {
      if (this.level) this.setLevel(false);
      disarm(this.clock, ITR_END);
    } else if (!this.level && this.mayTell(0)) {
      this.setLevel(true);
    }
  }

  /** The only place that decides about messages: (status & mask) went from 0 to something. */
  private judge(vector: number): void {
    if (!this.wanted(vector)) {
      this.told[vector] = 0;
      disarm(this.clock, ITR_END + vector);
    } else if (this.told[vector] === 0 && this.mayTell(vector)) {
      this.told[vector] = 1;
      if (this.allMasked || this.masked[vector] === 1) this.pending |= 1 << vector;
      else this.send(vector);
    }
  }

  /** True, with the next gap begun, when moderation lets an interrupt through; else it waits for its time. */
  private mayTell(vector: number): boolean {
    const interval = this.interval[vector] as number;
    if (interval !== 0) {
      const now = this.clock[NOW] as number;
      const limit = this.limit[vector] as number;
      const next = (this.last[vector] as number) + interval;
      if (now < next && (limit === 0 || (this.events[vector] as number) < limit)) {
        armAt(this.clock, ITR_END + vector, next);
        return false;
      }
      disarm(this.clock, ITR_END + vector);
    }
    this.last[vector] = this.clock[NOW] as number;
    this.events[vector] = 0;
    return true;
  }

  private release(vector: number): void {
    if ((this.pending & (1 << vector)) === 0 || this.allMasked || this.masked[vector] === 1) return;
    this.pending &= ~(1 << vector);
    this.send(vector);
  }

  private send(vector: number): void {
    if (this.trace.message !== null) this.trace.message(vector);
    this.line.message?.(vector, (this.data[vector] as number) >>> 0);
  }

  private setLevel(level: boolean): void {
    if (level === this.level) return;
    this.level = level;
    if (this.trace.irq !== null) this.trace.irq(level);
    this.line.setLevel(level);
  }
}
