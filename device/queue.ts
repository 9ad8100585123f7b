import type { Rule } from './regs/rules.ts';
import type { Reporter } from './reporter.ts';

/** Bytes of a descriptor, fewest and most descriptors in a ring (datasheet §2.4). */
export const DESCRIPTOR_BYTES = 16;
export const MIN_DESCRIPTORS = 2;
export const MAX_DESCRIPTORS = 4096;

const ADDRESS_SPACE = 2 ** 32;

/** A descriptor ring in host memory: the card owns the descriptors from head up to, not including, tail. */
export class DescriptorRing {
  /** I/O address of descriptor 0, unsigned. */
  base: number;
  count: number;
  head: number;
  tail: number;
  on: boolean;
  /** How often the queue was switched on: tells an engine that its index is from an earlier life. */
  starts: number;
  private readonly reporter: Reporter;

  constructor(reporter: Reporter) {
    this.reporter = reporter;
    this.base = 0;
    this.count = 0;
    this.head = 0;
    this.tail = 0;
    this.on = false;
    this.starts = 0;
  }

  reset(): void {
    this.base = 0;
    this.count = 0;
    this.head = 0;
    this.tail = 0;
    this.on = false;
  }

  get empty(): boolean {
    return this.head === this.tail;
  }

  /** I/O address of the descriptor at the head. */
  get headAddress(): number {
    return this.base + this.head * DESCRIPTOR_BYTES;
  }

  after(index: number): number {
    return index + 1 >= this.count ? 0 : index + 1;
  }

  /** Off → on: head 0. False, with a violation, when the ring cannot be; it then stays off. `offset`, `value`: the access. */
  start(offset: number, value: number): boolean {
    if (
      this.count < MIN_DESCRIPTORS ||
      this.count > MAX_DESCRIPTORS ||
      this.base + this.count * DESCRIPTOR_BYTES > ADDRESS_SPACE
    ) {
      return this.refuse('ring-length', offset, value);
    }
    this.head = 0;
    this.starts = (this.starts + 1) | 0;
    if (this.tail >= this.count) {
      this.reporter.report('tail-outside-ring', offset, this.tail);
      this.tail = 0;
    }
    this.on = true;
    return true;
  }

  /** The doorbell. False: the write was ignored. */
  setTail(tail: number, offset: number): boolean {
    if (!this.on) {
      this.tail = tail;
      return true;
    }
    if (tail >= this.count) return this.refuse('tail-outside-ring', offset, tail);
    if (this.owned(tail) < this.owned(this.tail)) this.reporter.report('tail-backwards', offset, tail);
    this.tail = tail;
    return true;
  }

  /** How many descriptors the card would own with this tail. */
  private owned(tail: number): number {
    return tail >= this.head ? tail - this.head : tail - this.head + this.count;
  }

  private refuse(rule: Rule, offset: number, value: number): boolean {
    this.reporter.report(rule, offset, value);
    return false;
  }
}
