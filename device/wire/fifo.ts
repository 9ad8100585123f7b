import { copyBytes } from '../bytes.ts';

/** Where a queue of frames keeps their bytes: `size` bytes of `bytes` from `base` on. */
export interface ByteRange {
  readonly bytes: Uint8Array;
  readonly base: number;
  readonly size: number;
}

/**
 * A bounded first-in-first-out queue of frames with a time each, in memory taken once. A frame lies in one piece; what
 * is left at the end of the byte ring when the next one does not fit there is skipped.
 */
export class FrameFifo {
  readonly bytes: Uint8Array;
  /** Frames in the queue. */
  length: number;
  private readonly base: number;
  private readonly size: number;
  private readonly slots: number;
  private readonly at: Int32Array;
  private readonly lengths: Int32Array;
  private readonly ids: Int32Array;
  private readonly fcs: Float64Array;
  private readonly times: Float64Array;
  private first: number;
  /** Where the next frame's bytes go, and where the oldest frame's bytes lie, from `base`. */
  private write: number;
  private read: number;

  /** `slots`: most frames at a time. */
  constructor(range: ByteRange, slots: number) {
    if (!(range.size > 0) || !(slots > 0) || range.base < 0 || range.base + range.size > range.bytes.length) {
      throw new Error(`frame queue: ${slots} frames in ${range.size} bytes at ${range.base} cannot be`);
    }
    this.bytes = range.bytes;
    this.base = range.base;
    this.size = range.size;
    this.slots = slots;
    this.at = new Int32Array(slots);
    this.lengths = new Int32Array(slots);
    this.ids = new Int32Array(slots);
    this.fcs = new Float64Array(slots);
    this.times = new Float64Array(slots);
    this.length = 0;
    this.first = 0;
    this.write = 0;
    this.read = 0;
  }

  /** Appends a frame, at least `padTo` bytes long (zeros behind it). False: no room, nothing was kept. */
  push(bytes: Uint8Array, at: number, length: number, padTo: number, fcs: number, id: number, time: number): boolean {
    const total = Math.max(length, padTo);
    if (this.length === this.slots) return false;
    const into = this.place(total);
    if (into < 0) return false;
    copyBytes(bytes, at, this.bytes, this.base + into, length);
    if (total > length) this.bytes.fill(0, this.base + into + length, this.base + into + total);
    let slot = this.first + this.length;
    if (slot >= this.slots) slot -= this.slots;
    this.at[slot] = this.base + into;
    this.lengths[slot] = total;
    this.fcs[slot] = fcs;
    this.ids[slot] = id;
    this.times[slot] = time;
    this.write = into + total;
    this.length++;
    return true;
  }

  /** Takes the oldest frame away; only when there is one. */
  shift(): void {
    this.length--;
    this.first = this.first + 1 === this.slots ? 0 : this.first + 1;
    if (this.length === 0) {
      this.write = 0;
      this.read = 0;
    } else {
      this.read = (this.at[this.first] as number) - this.base;
    }
  }

  clear(): void {
    this.length = 0;
    this.first = 0;
    this.write = 0;
    this.read = 0;
  }

  /** The oldest frame's time, Infinity when there is none. */
  get headTime(): number {
    return this.length === 0 ? Infinity : (this.times[this.first] as number);
  }
  get headAt(): number {
    return this.at[this.first] as number;
  }
  get headLength(): number {
    return this.lengths[this.first] as number;
  }
  get headFcs(): number {
    return this.fcs[this.first] as number;
  }
  get headId(): number {
    return this.ids[this.first] as number;
  }

  /** Where `total` bytes in one piece are free, from `base`; -1 for nowhere. */
  private place(total: number): number {
    if (this.length === 0) return total <= this.size ? 0 : -1;
    if (this.write > this.read) {
      if (this.size - this.write >= total) return this.write;
      return this.read >= total ? 0 : -1;
    }
    return this.read - this.write >= total ? this.write : -1;
  }
}
