import { copyBytes } from '../bytes.ts';
import { FCS_BYTES, MIN_FRAME } from '../ethernet.ts';
import { fcsOf, multicastIndex } from '../fcs.ts';
import { type AddressFilter, REJECTED, TO_MULTICAST, TO_STATION } from '../filter.ts';
import { CAUSE_OVW, CAUSE_RST, CAUSE_RX, type CauseSink } from '../irq.ts';
import type { PageRing } from '../packet-memory.ts';
import { FCS_GOOD } from '../ports.ts';
import { NE2000, NE2000_HEADER } from '../regs/ne2000.ts';
import { PAGE_SIZE } from '../regs/nic.ts';
import type { Reporter } from '../reporter.ts';
import { ERROR_DRIBBLE } from '../rx.ts';
import { ALGNERR, BPRC, CRCERR, FILT, GORC, GPRC, MPC, RUNT, RXOFF, type Stats } from '../stats.ts';
import type { NicTrace, RxDropReason } from '../trace.ts';
import { ALIGNMENT, CRC, MISSED, type Tally } from './tally.ts';

const { RSR, RCR, CURR, CLDA0, CLDA1 } = NE2000;
const STATUS = RSR.index;
const CONFIG = NE2000.RCR.index;
const S_PRX = RSR.PRX.mask;
const S_CRC = RSR.CRC.mask;
const S_FAE = RSR.FAE.mask;
const S_MPA = RSR.MPA.mask;
const S_PHY = RSR.PHY.mask;
const SEP = RCR.SEP.mask;
const RUNTS = RCR.AR.mask;
const MON = RCR.MON.mask;
/** ISR.RXE: this chip's name for the bit that the native card calls RXDU. */
export const CAUSE_RXE = NE2000.ISR.RXE.mask;
const HEADER = NE2000_HEADER.BYTES;
const PAGE_SHIFT = 8;
/** The address filter needs a whole destination address; the datasheet wants eight bytes with FCS. */
const MIN_RUNT = 6;

/** TCR.ATD: multicasts of these hash indices hold and release the transmitter. */
const HOLD_INDEX = 62;
const RELEASE_INDEX = 63;

/** The receiver: judges a packet and stores it page by page (DP8390D datasheet, "Packet Reception"; N3.1, N3.2). */
export class Receiver8390 {
  /** Started, and not in loopback. */
  on: boolean;
  linkUp: boolean;
  /** CURR has caught up with BNRY: the ring is full, not empty (N3.2). */
  full: boolean;
  /** ISR.RST was set by an overflow. */
  overflowed: boolean;
  /** DCR.WTS and DCR.BOS: the bytes of each word are exchanged in memory. */
  swapped: boolean;
  /** TCR.ATD. */
  remoteControl: boolean;
  /** The transmitter is held by TCR.ATD. */
  held: boolean;
  private readonly ring: PageRing;
  private readonly regs: Uint8Array;
  private readonly filter: AddressFilter;
  private readonly tally: Tally;
  private readonly stats: Stats;
  private readonly causes: CauseSink;
  private readonly reporter: Reporter;
  private readonly trace: NicTrace;

  constructor(
    ring: PageRing,
    regs: Uint8Array,
    filter: AddressFilter,
    tally: Tally,
    stats: Stats,
    causes: CauseSink,
    reporter: Reporter,
    trace: NicTrace,
  ) {
    this.ring = ring;
    this.regs = regs;
    this.filter = filter;
    this.tally = tally;
    this.stats = stats;
    this.causes = causes;
    this.reporter = reporter;
    this.trace = trace;
    this.on = false;
    this.linkUp = true;
    this.full = false;
    this.overflowed = false;
    this.swapped = false;
    this.remoteControl = false;
    this.held = false;
  }

  /** A packet has arrived; as Nic.receiveErrored. True when it was stored: memory has changed. */
  receive(bytes: Uint8Array, at: number, length: number, fcs: number, id: number, errors: number): boolean {
    const { trace, stats } = this;
    if (trace.frame_arrived !== null) trace.frame_arrived(id, length);
    if (!this.on || !this.linkUp) {
      stats.add(RXOFF, 1);
      return this.drop(id, this.linkUp ? 'rx_off' : 'link_down');
    }
    const config = this.regs[CONFIG] as number;
    if (length < MIN_FRAME && ((config & RUNTS) === 0 || length < MIN_RUNT)) {
      stats.add(RUNT, 1);
      return this.drop(id, 'runt');
    }
    const match = this.filter.match(bytes, at);
    if (match === REJECTED) {
      stats.add(FILT, 1);
      return this.drop(id, 'filtered');
    }
    if (trace.rx_filter !== null) trace.rx_filter(id, match);
    if (match === TO_MULTICAST && this.remoteControl) this.control(multicastIndex(bytes, at));
    let status = match === TO_STATION ? 0 : S_PHY;
    if (fcs !== FCS_GOOD && fcsOf(bytes, at, length) !== fcs) {
      const misaligned = (errors & ERROR_DRIBBLE) !== 0;
      status |= misaligned ? S_FAE | S_CRC : S_CRC;
      this.tally.count(misaligned ? ALIGNMENT : CRC);
      if ((config & (SEP | MON)) !== SEP) {
        stats.add(misaligned ? ALGNERR : CRCERR, 1);
        if ((config & MON) !== 0) this.missed(status);
        else this.regs[STATUS] = status;
        this.causes.raise(CAUSE_RXE);
        return this.drop(id, misaligned ? 'alignment' : 'crc');
      }
    }
    if ((config & MON) !== 0) {
      stats.add(RXOFF, 1);
      this.missed(status);
      return this.drop(id, 'rx_off');
    }
    const good = (status & S_CRC) === 0;
    if (good) status |= S_PRX;
    const page = this.ring.curr;
    if (!this.store(bytes, at, length, fcs, status, id)) {
      stats.add(MPC, 1);
      this.missed(status & S_PHY);
      // DP8390D datasheet, "Interrupt Status Register": a missed packet is a receive error, and an overflow shows in RST.
      this.overflowed = true;
      this.causes.raise(CAUSE_OVW | CAUSE_RXE | CAUSE_RST);
      return this.drop(id, 'ring_full');
    }
    this.regs[STATUS] = status;
    if (good && length >= MIN_FRAME) {
      stats.add(GPRC, 1);
      stats.add(GORC, length);
    } else {
      stats.add(BPRC, 1);
    }
    if (trace.rx_stored !== null) trace.rx_stored(id, page, length);
    this.causes.raise(good ? CAUSE_RX : CAUSE_RXE);
    return true;
  }

  /** Whether a packet of `length` bytes would find room. */
  room(length: number): boolean {
    if (this.full) return false;
    const { ring } = this;
    const pages = ring.pagesFor(length);
    for (let i = 1, page = ring.curr; i < pages; i++) {
      page = this.next(page);
      if (page === ring.bnry) return false;
    }
    return true;
  }

  /** The page that the controller goes on with: PSTOP is compared with, never passed. */
  private next(page: number): number {
    const next = (page + 1) & 0xff;
    return next === this.ring.pstop ? this.ring.pstart : next;
  }

  private missed(status: number): void {
    this.regs[STATUS] = status | S_MPA;
    this.tally.count(MISSED);
  }

  private control(index: number): void {
    if (index === HOLD_INDEX) this.held = true;
    else if (index === RELEASE_INDEX) this.held = false;
  }

  private drop(id: number, reason: RxDropReason): boolean {
    const trace = this.trace.rx_dropped;
    if (trace !== null) trace(id, reason);
    return false;
  }

  /**
   * Page by page from CURR on; before each further page its number is compared with BNRY, and with a match the packet is
   * given up: CURR stays, its header is not written. False then.
   */
  private store(bytes: Uint8Array, at: number, length: number, fcs: number, status: number, id: number): boolean {
    const { ring } = this;
    if (this.full) return false;
    const pages = ring.pagesFor(length);
    const { curr, pstart, pstop, bnry } = ring;
    const turn = pstop - pstart;
    if (pstart < ring.firstPage || pstop > ring.endPage || curr < pstart || curr >= pstop || this.swapped) {
      return this.storeSlowly(bytes, at, length, fcs, status);
    }
    let free = bnry - curr;
    if (bnry < pstart || bnry >= pstop) {
      // BNRY is never met: a packet may run over its own beginning.
      if (pages > turn) return this.storeSlowly(bytes, at, length, fcs, status);
    } else {
      if (free <= 0) free += turn;
      if (pages > free) {
        ring.claim(curr, free);
        this.fill(bytes, at, length, free);
        return false;
      }
    }
    ring.claim(curr, pages);
    ring.store(bytes, at, length, fcs, status, id);
    this.moved(ring.curr, true);
    return true;
  }

  /** The beginning of a packet that is given up: `pages` pages from CURR on. */
  private fill(bytes: Uint8Array, at: number, length: number, pages: number): void {
    const { ring } = this;
    const into = ring.indexOf(ring.curr) + HEADER;
    const fits = Math.min(length, (pages << PAGE_SHIFT) - HEADER);
    const straight = Math.min(fits, ring.indexOf(ring.pstop) - into);
    copyBytes(bytes, at, ring.bytes, into, straight);
    if (fits > straight) copyBytes(bytes, at + straight, ring.bytes, ring.indexOf(ring.pstart), fits - straight);
  }

  /** CURR has moved to `page`. */
  private moved(page: number, stored: boolean): void {
    const { ring, regs } = this;
    ring.curr = page;
    this.full = stored && page === ring.bnry;
    regs[CURR.index] = page;
    regs[CLDA0.index] = 0;
    regs[CLDA1.index] = page;
  }

  /** A ring that does not lie in memory as a ring should, or exchanged bytes: one byte after the other. */
  private storeSlowly(bytes: Uint8Array, at: number, length: number, fcs: number, status: number): boolean {
    const { ring } = this;
    const start = ring.curr;
    const stored = length + FCS_BYTES;
    const check = fcs === FCS_GOOD ? fcsOf(bytes, at, length) : fcs;
    if (!ring.inBounds() || !ring.contains(start)) this.reporter.report('ne-ring-bounds', CURR.offset, start);
    ring.settle();
    ring.forgetAll();
    let page = start;
    let offset: number = HEADER;
    for (let i = 0; i < stored; i++, offset++) {
      if (offset === PAGE_SIZE) {
        page = this.next(page);
        if (page === ring.bnry) return false;
        offset = 0;
      }
      this.put(page, offset, i < length ? (bytes[at + i] as number) : check >>> (8 * (i - length)));
    }
    const next = this.next(page);
    this.put(start, NE2000_HEADER.STATUS, status);
    this.put(start, NE2000_HEADER.NEXT, next);
    this.put(start, NE2000_HEADER.COUNT_LOW, stored);
    this.put(start, NE2000_HEADER.COUNT_HIGH, stored >> 8);
    this.moved(next, true);
    return true;
  }

  private put(page: number, offset: number, value: number): void {
    const { ring } = this;
    if (page < ring.firstPage || page >= ring.endPage) return;
    ring.bytes[ring.indexOf(page) + (this.swapped ? offset ^ 1 : offset)] = value;
  }
}
