import type { Classifier } from './classify.ts';
import { MIN_FRAME } from './ethernet.ts';
import { fcsOf } from './fcs.ts';
import { type AddressFilter, REJECTED, TO_BROADCAST, TO_MULTICAST, TO_STATION } from './filter.ts';
import { type FlowControl, isPause, pauseQuanta } from './flow.ts';
import { isTagged, tagOf } from './headers.ts';
import { CAUSE_OVW, CAUSE_RX, type CauseSink } from './irq.ts';
import { FRAME_BROADCAST, FRAME_MULTICAST, type PageRing } from './packet-memory.ts';
import { FCS_GOOD } from './ports.ts';
import { PAGE_HEADER } from './regs/desc.ts';
import { JUMBO_LIMIT } from './regs/nic.ts';
import type { RxEngine } from './rx-engine.ts';
import {
  ALGNERR,
  BPRC,
  CRCERR,
  FILT,
  GIANT,
  GORC,
  GPRC,
  JRC,
  MPC,
  PRXC,
  RUNT,
  RXDISC,
  RXOFF,
  type Stats,
} from './stats.ts';
import type { NicTrace, RxDropReason } from './trace.ts';
import type { Transmitter } from './tx.ts';

/** Two addresses and a type: less cannot be filtered. */
export const MIN_STORED = 14;

/** Error bits that a medium may report with a frame. */
export const ERROR_DRIBBLE = 1;
/** Beside them: the frame comes from the card's own transmitter. */
const LOOPED = 0x100;

/** Longest frame that is no jumbo frame: 1500 bytes with addresses, type and a VLAN tag. */
const LONGEST_PLAIN = 1518;
const TAG_BYTES = 4;

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
  /** Longest frame in bytes without FCS, at most JUMBO_LIMIT. */
  maxLength: number;
  /** The host reads the page ring itself: a stored frame raises RX at once. */
  programmed: boolean;
  /** Frames come from the card's own transmitter, and none from the wire. */
  loopback: boolean;
  /** VLCR.FILTER, and VFTA: a bit for each VLAN id. */
  vlanFilter: boolean;
  readonly vlans: Int32Array;
  private readonly ring: PageRing;
  private readonly filter: AddressFilter;
  private readonly engine: RxEngine;
  private readonly classifier: Classifier;
  private readonly flow: FlowControl;
  private readonly transmitter: Transmitter;
  private readonly stats: Stats;
  private readonly causes: CauseSink;
  private readonly trace: NicTrace;

  constructor(
    ring: PageRing,
    filter: AddressFilter,
    engine: RxEngine,
    classifier: Classifier,
    flow: FlowControl,
    transmitter: Transmitter,
    stats: Stats,
    causes: CauseSink,
    trace: NicTrace,
  ) {
    this.ring = ring;
    this.filter = filter;
    this.engine = engine;
    this.classifier = classifier;
    this.flow = flow;
    this.transmitter = transmitter;
    this.stats = stats;
    this.causes = causes;
    this.trace = trace;
    this.on = false;
    this.linkUp = false;
    this.saveErrored = false;
    this.acceptRunts = false;
    this.maxLength = 0;
    this.programmed = false;
    this.loopback = false;
    this.vlanFilter = false;
    this.vlans = new Int32Array(128);
  }

  reset(maxLength: number): void {
    this.discardUnread('reset');
    this.ring.usable = false;
    this.on = false;
    this.saveErrored = false;
    this.acceptRunts = false;
    this.maxLength = maxLength;
    this.programmed = false;
    this.vlanFilter = false;
    this.vlans.fill(0);
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
    if (trace.frame_arrived !== null) trace.frame_arrived(id, length);
    const stats = this.stats;
    if (!this.on || ((!this.linkUp || this.loopback) && (errors & LOOPED) === 0)) {
      stats.add(RXOFF, 1);
      this.drop(id, !this.on ? 'rx_off' : this.loopback ? 'loopback' : 'link_down');
      return;
    }
    // IEEE 802.3 clause 4.2.4.2.1: "frame too long" comes before any other verdict.
    if (length > this.maxLength && this.giant(bytes, at, length)) {
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
    if (this.flow.honour && length >= MIN_FRAME && this.pause(bytes, at, length, fcs)) {
      this.drop(id, 'pause');
      return;
    }
    const match = this.filter.match(bytes, at);
    if (match === REJECTED || (this.vlanFilter && this.foreign(bytes, at, length))) {
      if (!counted) stats.add(FILT, 1);
      this.drop(id, 'filtered');
      return;
    }
    if (trace.rx_filter !== null) trace.rx_filter(id, match);
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
      this.flow.check();
      this.drop(id, 'ring_full');
      return;
    }
    const page = this.ring.store(bytes, at, length, fcs, status, id);
    const classifier = this.classifier;
    if (classifier.active) classifier.look(bytes, at, length, page);
    else classifier.status[page] = 0;
    if (counted) {
      stats.add(BPRC, 1);
    } else {
      stats.addFrame(GPRC, GORC, length);
      if (length > LONGEST_PLAIN) stats.add(JRC, 1);
    }
    if (this.flow.send) this.flow.check();
    if (trace.rx_stored !== null) trace.rx_stored(id, page, length);
    if (this.programmed) this.causes.raise(CAUSE_RX);
    else this.engine.kick(true);
  }

  /** A frame of the card's own comes back (TCR.LB, BMCR.LOOPBACK). */
  loopedBack(bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void {
    this.receive(bytes, at, length, fcs, id, LOOPED);
  }

  /** Longer than MAXLEN: unless a tag makes it so; and never beyond the jumbo limit. */
  private giant(bytes: Uint8Array, at: number, length: number): boolean {
    return length > this.maxLength + TAG_BYTES || length > JUMBO_LIMIT + TAG_BYTES || !isTagged(bytes, at);
  }

  /** A pause frame without error: the transmitter stands still (IEEE 802.3 clause 31B.3). */
  private pause(bytes: Uint8Array, at: number, length: number, fcs: number): boolean {
    const { filter } = this;
    if (!isPause(bytes, at, filter.stationLow, filter.stationHigh)) return false;
    if (fcs !== FCS_GOOD && fcsOf(bytes, at, length) !== fcs) return false;
    this.stats.add(PRXC, 1);
    this.transmitter.pause(pauseQuanta(bytes, at));
    return true;
  }

  /** A tag whose VLAN id has no bit in the table. */
  private foreign(bytes: Uint8Array, at: number, length: number): boolean {
    if (length < MIN_STORED + TAG_BYTES || !isTagged(bytes, at)) return false;
    const vlan = tagOf(bytes, at) & 0xfff;
    return (((this.vlans[vlan >> 5] as number) >>> (vlan & 31)) & 1) === 0;
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
