import type { Station, Timed, Wire } from '../ports.ts';
import { type ByteRange, FrameFifo } from './fifo.ts';

/** Sees each frame as it leaves a sender: `from` is the end (0, 1), `time` in ns. The bytes are valid during the call. */
export type LinkObserver = (
  from: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  fcs: number,
  id: number,
  time: number,
) => void;

export interface LinkOptions {
  /** Propagation delay in ns; 0 delivers within the sender's call, without a copy. */
  readonly latencyNs?: number;
  /** Memory for the frames under way, both directions; left out, the link makes its own. */
  readonly memory?: ByteRange;
  /** Most frames under way in one direction. */
  readonly slots?: number;
}

export const LINK_LATENCY_NS = 500;
const LINK_SLOTS = 256;
const LINK_BYTES = 2 * 128 * 1024;

/** One end's transmitter: what a card on that side gets as its Wire. */
class LinkEnd implements Wire {
  private readonly link: Link;
  private readonly side: number;

  constructor(link: Link, side: number) {
    this.link = link;
    this.side = side;
  }

  transmit(bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void {
    this.link.carry(this.side, bytes, at, length, fcs, id);
  }
}

/**
 * A full-duplex point-to-point cable. It delays and keeps order; it has no rate, since senders serialise. What leaves
 * an end without a station, or finds the link's memory full, is gone and counted.
 */
export class Link implements Timed {
  /** Nullable: captures, hashes, traces. */
  observer: LinkObserver | null;
  /** Nullable: a frame from `from` was lost on the link. */
  lost: ((from: number, id: number) => void) | null;
  /** By sending end: frames sent, frames lost because the link's memory was full or nobody was at the other end. */
  readonly sent: Float64Array;
  readonly overflow: Float64Array;
  readonly latencyNs: number;
  /** Counts frames that left and frames that arrived: as long as it stands, nothing has happened here. */
  moves: number;
  private readonly ends: readonly [Wire, Wire];
  /** What end 0 has sent, and what end 1 has. */
  private readonly there: FrameFifo;
  private readonly back: FrameFifo;
  private readonly stations: [Station | null, Station | null];
  private delivering: boolean;

  constructor(options: LinkOptions = {}) {
    const { latencyNs = LINK_LATENCY_NS, slots = LINK_SLOTS } = options;
    if (!(latencyNs >= 0)) throw new Error(`link latency ${latencyNs}: 0 or more ns expected`);
    const memory = options.memory ?? { bytes: new Uint8Array(LINK_BYTES), base: 0, size: LINK_BYTES };
    const half = memory.size >>> 1;
    this.observer = null;
    this.lost = null;
    this.sent = new Float64Array(2);
    this.overflow = new Float64Array(2);
    this.latencyNs = latencyNs;
    this.moves = 0;
    this.ends = [new LinkEnd(this, 0), new LinkEnd(this, 1)];
    this.there = new FrameFifo({ bytes: memory.bytes, base: memory.base, size: half }, slots);
    this.back = new FrameFifo({ bytes: memory.bytes, base: memory.base + half, size: half }, slots);
    this.stations = [null, null];
    this.delivering = false;
  }

  /** The transmitter of end 0 or 1. */
  end(side: 0 | 1): Wire {
    return this.ends[side];
  }

  /** Puts a station at end 0 or 1: it hears what the other end sends, and its `time` is that of what it sends. */
  attach(side: 0 | 1, station: Station): void {
    this.stations[side] = station;
  }

  /** Frames under way. */
  get inFlight(): number {
    return this.there.length + this.back.length;
  }

  get deadline(): number {
    const { there, back } = this;
    // Asked at every register access, and nearly always there is nothing.
    return there.length === 0 && back.length === 0 ? Infinity : Math.min(there.headTime, back.headTime);
  }

  /** Delivers what has arrived by `now`, both directions in one order of time. */
  advance(now: number): void {
    // A delivery can make a station send, and its embedder advance us again: the outer call goes on with it.
    const { there, back } = this;
    if (this.delivering || (there.length === 0 && back.length === 0)) return;
    this.delivering = true;
    for (let at = this.deadline; at <= now && at !== Infinity; at = this.deadline) {
      const from = there.headTime === at ? 0 : 1;
      const fifo = from === 0 ? there : back;
      const station = this.stations[1 - from] as Station | null;
      if (station === null) {
        this.lose(from, fifo.headId);
      } else {
        station.advance(at);
        station.receive(fifo.bytes, fifo.headAt, fifo.headLength, fifo.headFcs, fifo.headId);
      }
      fifo.shift();
      this.moves = (this.moves + 1) | 0;
    }
    this.delivering = false;
  }

  /** A frame leaves end `from`, at the time of the station there. */
  carry(from: number, bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void {
    const sender = this.stations[from] as Station | null | undefined;
    const time = sender ? sender.time : 0;
    this.sent[from] = (this.sent[from] as number) + 1;
    if (this.observer !== null) this.observer(from, bytes, at, length, fcs, id, time);
    if (this.latencyNs === 0) {
      const station = this.stations[1 - from] as Station | null;
      if (station === null) {
        this.lose(from, id);
        return;
      }
      station.advance(time);
      station.receive(bytes, at, length, fcs, id);
      this.moves = (this.moves + 1) | 0;
      return;
    }
    const fifo = from === 0 ? this.there : this.back;
    if (fifo.push(bytes, at, length, 0, fcs, id, time + this.latencyNs)) this.moves = (this.moves + 1) | 0;
    else this.lose(from, id);
  }

  private lose(from: number, id: number): void {
    this.overflow[from] = (this.overflow[from] as number) + 1;
    if (this.lost !== null) this.lost(from, id);
  }
}
