import { fcsOf } from './fcs.ts';
import { type AddressFilter, REJECTED, TO_BROADCAST, TO_MULTICAST, TO_STATION } from './filter.ts';
import { CAUSE_OVW, CAUSE_RX, type CauseSink } from './irq.ts';
import { FRAME_BROADCAST, FRAME_MULTICAST, type PageRing } from './packet-memory.ts';
import { FCS_GOOD } from './ports.ts';
import { PAGE_HEADER } from './regs/desc.ts';
import type { RxEngine } from './rx-engine.ts';
import { ALGNERR, BPRC, CRCERR, FILT, GIANT, GORC, GPRC, MPC, RUNT, RXDISC, RXOFF, type Stats } from './stats.ts';
import type { NicTrace, RxDropReason } from './trace.ts';

/** IEEE 802.3 clause 3.2.8: 64 bytes with FCS; shorter ones are collision fragments. */
export const MIN_FRAME = 60;
/** Two addresses and a type: less cannot be filtered. */
export const MIN_STORED = 14;

/** Error bits that a medium may report with a frame. */
export const ERROR_DRIBBLE = 1;

const PRX = PAGE_HEADER.STATUS.PRX.mask;
const CRC = PAGE_HEADER.STATUS.CRC.mask;
const FAE = PAGE_HEADER.STATUS.FAE.mask;
const PHY = PAGE_HEADER.STATUS.PHY.mask;
const SHORT = PAGE_HEADER.STATUS.RUNT.mask;

/** The receiving MAC: judges a frame, stores it in the page ring (datasheet §5.1, §5.2). */
export class Receiver {
  on: boolean;
  linkUp: boolean;
  saveErrored: boolean;
  acceptRunts: boolean;
  /** Longest frame in bytes without FCS. */
  maxLength: number;
  /** The host reads the page ring itself: a stored frame raises RX at once. */
  programmed: boolean;
  private readonly ring: PageRing;
  private readonly filter: AddressFilter;
  private readonly engine: RxEngine;
  private readonly stats: Stats;
  private readonly causes: CauseSink;
  private readonly trace: NicTrace;

  constructor(
    ring: PageRing,
    filter: AddressFilter,
    engine: RxEngine,
    stats: Stats,
    causes: CauseSink,
    trace: NicTrace,
  ) {
    this.ring = ring;
    this.filter = filter;
    this.engine = engine;
    this.stats = stats;
    this.causes = causes;
    this.trace = trace;
    this.on = false;
    this.linkUp = false;
    this.saveErrored = false;
    this.acceptRunts = false;
    this.maxLength = 0;
    this.programmed = false;
  }

  reset(maxLength: number): void {
    this.discardUnread('reset');
    this.ring.usable = false;
    this.on = false;
    this.saveErrored = false;
    this.acceptRunts = false;
    this.maxLength = maxLength;
    this.programmed = false;
  }

  /** Receiver off → on: the ring is emptied, what was unread is counted in RXDISC. False: PSTART and PSTOP are no ring. */
  start(): boolean {
    this.discardUnread('ring_emptied');
    this.on = true;
    return this.ring.open();
  }

  /**
   * A frame has arrived, `length` bytes without its FCS. `fcs`: FCS_GOOD or what was received (unsigned). `errors`:
   * ERROR bits. The first line that applies decides in which one counter it is counted (datasheet §9.2).
   */
  receive(bytes: Uint8Array, at: number, length: number, fcs: number, id: number, errors: number): void {
    const trace = this.trace;
    const stats = this.stats;
    if (trace.frame_arrived !== null) trace.frame_arrived(id, length);
    if (!this.on || !this.linkUp) {
      stats.add(RXOFF, 1);
      this.drop(id, this.linkUp ? 'rx_off' : 'link_down');
      return;
    }
    // IEEE 802.3 clause 4.2.4.2.1: "frame too long" comes before any other verdict.
    if (length > this.maxLength) {
      stats.add(GIANT, 1);
      this.drop(id, 'giant');
      return;
    }
    let status = 0;
    let counted = false;
    if (length < MIN_FRAME) {
      stats.add(RUNT, 1);
      if (!this.acceptRunts || length < MIN_STORED) {
        this.drop(id, 'runt');
        return;
      }
      status = SHORT;
      counted = true;
    }
    const match = this.filter.match(bytes, at);
    if (match === REJECTED) {
      if (!counted) stats.add(FILT, 1);
      this.drop(id, 'filtered');
      return;
    }
    if (match !== TO_STATION) status |= PHY;
    if (match === TO_MULTICAST) status |= FRAME_MULTICAST;
    else if (match === TO_BROADCAST) status |= FRAME_BROADCAST;
    if (fcs !== FCS_GOOD && fcsOf(bytes, at, length) !== fcs) {
      // Dribble bits alone are no error: only with a wrong FCS is it one of alignment (802.3 clause 4.2.4.2.1).
      const misaligned = (errors & ERROR_DRIBBLE) !== 0;
      if (!counted) stats.add(misaligned ? ALGNERR : CRCERR, 1);
      counted = true;
      if (!this.saveErrored) {
        this.drop(id, misaligned ? 'alignment' : 'crc');
        return;
      }
      status |= misaligned ? CRC | FAE : CRC;
    } else {
      status |= PRX;
    }
    if (!this.ring.room(length)) {
      if (!counted) stats.add(MPC, 1);
      this.causes.raise(CAUSE_OVW);
      this.drop(id, 'ring_full');
      return;
    }
    const page = this.ring.store(bytes, at, length, fcs, status, id);
    if (counted) {
      stats.add(BPRC, 1);
    } else {
      stats.add(GPRC, 1);
      stats.add(GORC, length);
    }
    if (trace.rx_stored !== null) trace.rx_stored(id, page, length);
    if (this.programmed) this.causes.raise(CAUSE_RX);
    else this.engine.kick(true);
  }

  private drop(id: number, reason: RxDropReason): void {
    const trace = this.trace.rx_dropped;
    if (trace !== null) trace(id, reason);
  }

  /** Unread frames are lost; the one that the engine is moving right now is already the host's. */
  private discardUnread(reason: RxDropReason): void {
    const moving = this.engine.detach();
    const lengths = this.ring.frameLength;
    for (let page = 0; page < lengths.length; page++) {
      if ((lengths[page] as number) === 0 || page === moving) continue;
      this.stats.add(RXDISC, 1);
      this.drop(this.ring.frameId[page] as number, reason);
    }
    this.ring.forgetAll();
  }
}
