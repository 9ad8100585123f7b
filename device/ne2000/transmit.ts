import { type Clock, NOW, TX_END } from '../clock.ts';
import { FCS_BYTES, GAP_BYTES, PREAMBLE_BYTES } from '../ethernet.ts';
import { fcsOf } from '../fcs.ts';
import { type AddressFilter, REJECTED, TO_STATION } from '../filter.ts';
import { CAUSE_TX, type CauseSink } from '../irq.ts';
import type { PageRing } from '../packet-memory.ts';
import { FCS_GOOD, type Wire } from '../ports.ts';
import { NE2000 } from '../regs/ne2000.ts';
import type { Reporter } from '../reporter.ts';
import { GOTC, GPTC, type Stats, TXLOST } from '../stats.ts';
import type { NicTrace } from '../trace.ts';
import { CAUSE_RXE } from './receive.ts';
import { CRC, type Tally } from './tally.ts';

const { TSR, RSR, TCR, CR } = NE2000;
const STATUS = TSR.index;
const CONFIG = TCR.index;
const INHIBIT = TCR.CRC.mask;
const PTX = TSR.PTX.mask;
const CRS = TSR.CRS.mask;
const CDH = TSR.CDH.mask;
const PAGE_SHIFT = 8;
const FIFO_BYTES = 8;
const ADDRESS_BYTES = 6;
const LONGEST = 0xffff;
/** The transceiver's loopback, mode 3, is the only one that the wire hears. */
const TRANSCEIVER = 3;
/** TSR after a transmission, by loopback mode (AN-937, section 6: 51h, 41h, 01h). */
const LOOPBACK_TSR = [PTX, PTX | CRS | CDH, PTX | CDH, PTX] as const;

/** The transmitter (DP8390D datasheet, "Packet Transmission", "Loopback Diagnostics"; N4). */
export class Transmitter8390 {
  /** TPSR, TBCR as written. */
  page: number;
  count: number;
  /** TCR.LB. */
  loopback: number;
  linkUp: boolean;
  /** As Receiver8390. */
  swapped: boolean;
  /** CR.TXP: a frame is being sent, or waits for TCR.ATD to release it. */
  busy: boolean;
  /** Called when a frame has left. */
  ended: () => void;
  private waiting: boolean;
  private id: number;
  /** The frame being sent: TPSR, TBCR, TCR.LB and TCR.CRC as they were when it began. */
  private sendPage: number;
  private length: number;
  private mode: number;
  private ownFcs: boolean;
  private readonly fifo: Uint8Array;
  private fifoAt: number;
  /** For frames that do not lie in one piece: made when the first one comes. */
  private scratch: Uint8Array | null;
  /** [0]: the moment at which the gap after the last frame is over. */
  private readonly free: Float64Array;
  private readonly nsPerByte: number;
  private readonly ring: PageRing;
  private readonly regs: Uint8Array;
  private readonly filter: AddressFilter;
  private readonly wire: Wire;
  private readonly clock: Clock;
  private readonly tally: Tally;
  private readonly stats: Stats;
  private readonly causes: CauseSink;
  private readonly reporter: Reporter;
  private readonly trace: NicTrace;

  constructor(
    ring: PageRing,
    regs: Uint8Array,
    filter: AddressFilter,
    wire: Wire,
    clock: Clock,
    tally: Tally,
    stats: Stats,
    causes: CauseSink,
    reporter: Reporter,
    trace: NicTrace,
    nsPerByte: number,
  ) {
    this.ring = ring;
    this.regs = regs;
    this.filter = filter;
    this.wire = wire;
    this.clock = clock;
    this.tally = tally;
    this.stats = stats;
    this.causes = causes;
    this.reporter = reporter;
    this.trace = trace;
    this.nsPerByte = nsPerByte;
    this.page = 0;
    this.count = 0;
    this.loopback = 0;
    this.linkUp = true;
    this.swapped = false;
    this.busy = false;
    this.ended = () => {};
    this.waiting = false;
    this.id = 0;
    this.sendPage = 0;
    this.length = 0;
    this.mode = 0;
    this.ownFcs = false;
    this.fifo = new Uint8Array(FIFO_BYTES);
    this.fifoAt = 0;
    this.scratch = null;
    this.free = new Float64Array(1);
  }

  /** The frame under way is lost. */
  reset(): void {
    if (this.busy && this.trace.tx_dropped !== null) this.trace.tx_dropped(this.id, 'reset');
    this.clock[TX_END] = Infinity;
    this.busy = false;
    this.waiting = false;
    this.loopback = 0;
  }

  /** CR.TXP. `held`: TCR.ATD has disabled the transmitter, the frame waits. */
  begin(held: boolean): void {
    if (this.busy) {
      this.reporter.report('ne-transmit-busy', CR.offset, 0);
      return;
    }
    this.regs[STATUS] = 0;
    this.busy = true;
    this.waiting = held;
    if (!held) this.start();
  }

  /** TCR.ATD lets it go. */
  release(): void {
    if (!this.waiting) return;
    this.waiting = false;
    this.start();
  }

  private start(): void {
    this.sendPage = this.page;
    this.length = this.count;
    this.mode = this.loopback;
    this.ownFcs = ((this.regs[CONFIG] as number) & INHIBIT) !== 0;
    if (this.frameBytes() <= 0) this.reporter.report('ne-transmit-length', NE2000.TBCR0.offset, this.length);
    else if (!this.inMemory()) this.reporter.report('ne-transmit-window', NE2000.TPSR.offset, this.page);
    const { trace } = this;
    this.id = trace.tx_gather === null ? 0 : trace.tx_gather(this.page << PAGE_SHIFT, this.length);
    if (trace.tx_start !== null) trace.tx_start(this.id, this.length);
    if (this.nsPerByte === 0) {
      this.due();
      return;
    }
    const now = this.clock[NOW] as number;
    const start = Math.max(this.free[0] as number, now);
    const end = start + Math.ceil((PREAMBLE_BYTES + this.length + FCS_BYTES) * this.nsPerByte);
    this.clock[TX_END] = end;
    this.free[0] = end + Math.ceil(GAP_BYTES * this.nsPerByte);
  }

  /** The last bit has left. */
  due(): void {
    const { mode } = this;
    const length = this.frameBytes();
    if (length > 0) this.send(mode, length);
    const end = ((this.sendPage << PAGE_SHIFT) + this.length) & 0xffff;
    this.regs[NE2000.CLDA0.index] = end;
    this.regs[NE2000.CLDA1.index] = end >> 8;
    const lost = !this.linkUp && (mode === 0 || mode === TRANSCEIVER) ? CRS : 0;
    this.regs[STATUS] = (LOOPBACK_TSR[mode] as number) | lost;
    this.busy = false;
    this.causes.raise(CAUSE_TX);
    this.ended();
  }

  /** The next location of the FIFO: location 0 after a loopback transmission. */
  readFifo(): number {
    if (this.loopback === 0) {
      this.reporter.report('ne-fifo', NE2000.FIFO.offset, 0);
      return 0;
    }
    const value = this.fifo[this.fifoAt] as number;
    this.fifoAt = (this.fifoAt + 1) % FIFO_BYTES;
    return value;
  }

  peekFifo(): number {
    return this.loopback === 0 ? 0 : (this.fifo[this.fifoAt] as number);
  }

  /** Bytes of the frame without its FCS. */
  private frameBytes(): number {
    return this.ownFcs ? this.length - FCS_BYTES : this.length;
  }

  private inMemory(): boolean {
    const { ring } = this;
    const from = this.sendPage << PAGE_SHIFT;
    return this.sendPage >= ring.firstPage && from + this.length <= ring.endPage << PAGE_SHIFT;
  }

  private send(mode: number, length: number): void {
    const { ring } = this;
    if (ring.contains(this.sendPage) || ring.contains(this.sendPage + ((this.length - 1) >> PAGE_SHIFT))) ring.settle();
    let { bytes } = ring;
    let at = ring.indexOf(this.sendPage);
    if (this.swapped || !this.inMemory()) {
      bytes = this.gather();
      at = 0;
    }
    const fcs = this.ownFcs ? word(bytes, at + length) : FCS_GOOD;
    if (mode === 0 || mode === TRANSCEIVER) this.toWire(bytes, at, length, fcs);
    if (mode !== 0) this.hear(bytes, at, length, fcs);
  }

  private toWire(bytes: Uint8Array, at: number, length: number, fcs: number): void {
    const { trace } = this;
    if (!this.linkUp) {
      this.stats.add(TXLOST, 1);
      if (trace.tx_dropped !== null) trace.tx_dropped(this.id, 'link_down');
      return;
    }
    this.stats.add(GPTC, 1);
    this.stats.add(GOTC, length);
    if (trace.tx_done !== null) trace.tx_done(this.id, length);
    this.wire.transmit(bytes, at, length, fcs, this.id);
  }

  /**
   * The receiver's side of a loopback (AN-937, sections 5 and 6). The checker is the generator: it can only judge a CRC
   * that came with the packet, and reports an error whenever the controller appended one. A packet for somebody else is
   * received intact, whatever its CRC.
   */
  private hear(bytes: Uint8Array, at: number, length: number, fcs: number): void {
    this.fillFifo(bytes, at, length, fcs === FCS_GOOD ? fcsOf(bytes, at, length) : fcs);
    const match = length < ADDRESS_BYTES ? REJECTED : this.filter.match(bytes, at);
    let status = match === REJECTED || match === TO_STATION ? 0 : RSR.PHY.mask;
    if (match !== REJECTED && (fcs === FCS_GOOD || fcsOf(bytes, at, length) !== fcs)) {
      status |= RSR.CRC.mask;
      this.tally.count(CRC);
      this.causes.raise(CAUSE_RXE);
    } else {
      status |= RSR.PRX.mask;
    }
    this.regs[RSR.index] = status;
  }

  /** The last bytes of the packet, round and round, and behind them its byte count: low, high, high. */
  private fillFifo(bytes: Uint8Array, at: number, length: number, fcs: number): void {
    const { fifo } = this;
    const total = length + FCS_BYTES;
    for (let i = Math.max(0, total - FIFO_BYTES); i < total; i++) {
      fifo[i % FIFO_BYTES] = i < length ? (bytes[at + i] as number) : fcs >>> (8 * (i - length));
    }
    fifo[total % FIFO_BYTES] = total;
    fifo[(total + 1) % FIFO_BYTES] = total >> 8;
    fifo[(total + 2) % FIFO_BYTES] = total >> 8;
    this.fifoAt = 0;
  }

  /** Byte by byte: what lies outside memory is sent as FFh. */
  private gather(): Uint8Array {
    if (this.scratch === null) this.scratch = new Uint8Array(LONGEST);
    const { ring, scratch } = this;
    const first = ring.firstPage << PAGE_SHIFT;
    const end = ring.endPage << PAGE_SHIFT;
    for (let i = 0; i < this.length; i++) {
      let a = ((this.sendPage << PAGE_SHIFT) + i) & 0xffff;
      if (this.swapped) a ^= 1;
      scratch[i] = a >= first && a < end ? (ring.bytes[ring.base + a - first] as number) : 0xff;
    }
    return scratch;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}
