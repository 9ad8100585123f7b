import { FCS_BYTES, GAP_BYTES, MIN_FRAME, PREAMBLE_BYTES } from '../ethernet.ts';
import type { Station, Wire } from '../ports.ts';
import { type ByteRange, FrameFifo } from './fifo.ts';

export interface SourceOptions {
  /** Where the frames go: a link's end, or a wire made of a card's `receive`. */
  readonly wire: Wire;
  /** bit/s, or 'instant': a frame leaves at the time it is given. */
  readonly rate: number | 'instant';
  /** Memory for the frames that wait; left out, the source makes its own. */
  readonly memory?: ByteRange;
  /** Most frames that wait. */
  readonly slots?: number;
  /**
   * Frames shorter than this many bytes (without FCS) are filled up with zeros, as their sender's card did after the
   * capture was taken. Default 60; 0 sends runts as they are.
   */
  readonly padTo?: number;
}

const SOURCE_SLOTS = 1024;
const SOURCE_BYTES = 1024 * 1024;

/**
 * A station without a card: sends frames from captures and live wires at a link's rate, out of a bounded queue, and
 * hands on what it hears. A frame's last bit leaves no earlier than one wire time after the time it was given with and
 * after the frame before it; at 'instant', at that time.
 */
export class FrameSource implements Station {
  /** Nullable: what arrives at this station. The bytes are valid during the call. */
  heard: ((bytes: Uint8Array, at: number, length: number, fcs: number, id: number, time: number) => void) | null;
  /** Frames taken, sent, refused because the queue was full, and heard. */
  accepted: number;
  sent: number;
  overflow: number;
  received: number;
  private readonly wire: Wire;
  private readonly fifo: FrameFifo;
  private readonly nsPerByte: number;
  private readonly padTo: number;
  /** [0]: the present. [1]: the moment from which the wire is free. */
  private readonly times: Float64Array;
  private sending: boolean;

  constructor(options: SourceOptions) {
    const { rate, slots = SOURCE_SLOTS, padTo = MIN_FRAME } = options;
    if (rate !== 'instant' && !(rate > 0)) throw new Error(`rate ${rate}: bits per second or 'instant' expected`);
    const memory = options.memory ?? { bytes: new Uint8Array(SOURCE_BYTES), base: 0, size: SOURCE_BYTES };
    this.wire = options.wire;
    this.fifo = new FrameFifo(memory, slots);
    this.nsPerByte = rate === 'instant' ? 0 : 8e9 / rate;
    this.padTo = padTo;
    this.times = new Float64Array(2);
    this.heard = null;
    this.accepted = 0;
    this.sent = 0;
    this.overflow = 0;
    this.received = 0;
    this.sending = false;
  }

  get time(): number {
    return this.times[0] as number;
  }

  /** When the next frame's last bit leaves, ns. */
  get deadline(): number {
    return this.fifo.headTime;
  }

  /** Frames that wait. */
  get queued(): number {
    return this.fifo.length;
  }

  /** Takes a frame to send from `time` on (the present if that is later). False: the queue is full, the frame is lost. */
  send(bytes: Uint8Array, at: number, length: number, fcs: number, id: number, time: number): boolean {
    const frame = Math.max(length, this.padTo);
    const start = Math.max(time, this.times[0] as number, this.times[1] as number);
    const end = start + Math.ceil((PREAMBLE_BYTES + frame + FCS_BYTES) * this.nsPerByte);
    if (!this.fifo.push(bytes, at, length, this.padTo, fcs, id, end)) {
      this.overflow++;
      return false;
    }
    this.accepted++;
    this.times[1] = end + Math.ceil(GAP_BYTES * this.nsPerByte);
    return true;
  }

  advance(now: number): void {
    if (!this.sending) {
      this.sending = true;
      const { fifo, times } = this;
      for (let at = fifo.headTime; at <= now && at !== Infinity; at = fifo.headTime) {
        if (at > (times[0] as number)) times[0] = at;
        this.sent++;
        this.wire.transmit(fifo.bytes, fifo.headAt, fifo.headLength, fifo.headFcs, fifo.headId);
        fifo.shift();
      }
      this.sending = false;
    }
    if (now > (this.times[0] as number)) this.times[0] = now;
  }

  receive(bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void {
    this.received++;
    if (this.heard !== null) this.heard(bytes, at, length, fcs, id, this.times[0] as number);
  }
}
