import type { BusMaster } from './bus-master.ts';
import { armAt, armIn, type Clock, disarm, NOW, TX_END } from './clock.ts';
import { CAUSE_DMAE, CAUSE_TX, CAUSE_TXE, type CauseSink } from './irq.ts';
import type { PageRing } from './packet-memory.ts';
import { FCS_GOOD, type Wire } from './ports.ts';
import { DESCRIPTOR_BYTES, DescriptorRing } from './queue.ts';
import { TXD } from './regs/desc.ts';
import type { Rule } from './regs/rules.ts';
import type { Reporter } from './reporter.ts';
import { GOTC, GPTC, type Stats, TXERR, TXLOST } from './stats.ts';
import type { NicTrace, TxDropReason } from './trace.ts';

/** IEEE 802.3 clause 3.1: preamble and start delimiter, FCS; clause 4.4.2: gap between frames (96 bit times). */
export const PREAMBLE_BYTES = 8;
export const FCS_BYTES = 4;
export const GAP_BYTES = 12;
const MIN_FRAME = 60;
/** Two addresses and a type. */
const MIN_SENT = 14;

const D_EOP = TXD.STATUS.EOP.mask;
const D_RS = TXD.STATUS.RS.mask;
const D_DD = TXD.STATUS.DD.mask;
const D_ERR = TXD.STATUS.ERR.mask;
const O_STATUS = TXD.STATUS.offset;
const D_COMMAND = D_EOP | D_RS;

/** What the transmitter is doing. */
const IDLE = 0;
const GATHERING = 1;
const ON_WIRE = 2;

/** A transmit queue. */
export class TxQueue extends DescriptorRing {}

/**
 * The transmitter (datasheet §6): fetches descriptors, gathers a frame's pieces into the transmit pages, sends it at
 * the link's rate, reports. One frame at a time is in the transmit pages, so the next is fetched when it has left.
 */
export class Transmitter {
  readonly queues: readonly TxQueue[];
  /** CTRL.TXE: takes new frames; one that has been taken is finished either way. */
  on: boolean;
  /** Frames come from the host's writes to packet memory, not from the descriptor rings. */
  programmed: boolean;
  linkUp: boolean;
  /** The frame brings its own FCS. */
  inhibitFcs: boolean;
  pad: boolean;
  /** First page of the frame being sent: any value. */
  tpsr: number;
  private readonly ring: PageRing;
  private readonly bus: BusMaster;
  private readonly wire: Wire;
  private readonly clock: Clock;
  private readonly stats: Stats;
  private readonly causes: CauseSink;
  private readonly reporter: Reporter;
  private readonly trace: NicTrace;
  private readonly setupNs: number;
  private readonly dmaNsPerByte: number;
  /** Transfers take no time. */
  private readonly instant: boolean;
  /** Time of a byte on the wire, 0 on an instant one. */
  private readonly wireNsPerByte: number;
  /** [0]: the moment at which the gap after the last frame is over. */
  private readonly free: Float64Array;
  private phase: number;
  /** The frame being gathered or sent: bytes so far, pieces, index of its first byte in packet memory. */
  private length: number;
  private pieces: number;
  private at: number;
  private room: number;
  private fault: TxDropReason | null;
  private id: number;
  /** PTX, not a descriptor, started it. */
  private byHost: boolean;
  /** Where its result goes, and whether one is asked for; the queue it came from. */
  private resultAddress: number;
  private status: number;
  private queue: number;
  /** TCR.CRCI as it was when the frame was complete. */
  private ownFcs: boolean;
  private incompleteReported: boolean;

  constructor(
    queues: readonly TxQueue[],
    ring: PageRing,
    bus: BusMaster,
    wire: Wire,
    clock: Clock,
    stats: Stats,
    causes: CauseSink,
    reporter: Reporter,
    trace: NicTrace,
    setupNs: number,
    dmaNsPerByte: number,
    wireNsPerByte: number,
  ) {
    this.queues = queues;
    this.ring = ring;
    this.bus = bus;
    this.wire = wire;
    this.clock = clock;
    this.stats = stats;
    this.causes = causes;
    this.reporter = reporter;
    this.trace = trace;
    this.setupNs = setupNs;
    this.dmaNsPerByte = dmaNsPerByte;
    this.instant = setupNs === 0 && dmaNsPerByte === 0;
    this.wireNsPerByte = wireNsPerByte;
    this.free = new Float64Array(1);
    this.on = false;
    this.programmed = false;
    this.linkUp = false;
    this.inhibitFcs = false;
    this.pad = false;
    this.tpsr = 0;
    this.phase = IDLE;
    this.length = 0;
    this.pieces = 0;
    this.at = 0;
    this.room = 0;
    this.fault = null;
    this.id = 0;
    this.byHost = false;
    this.resultAddress = 0;
    this.status = 0;
    this.queue = 0;
    this.ownFcs = false;
    this.incompleteReported = false;
  }

  reset(tpsr: number): void {
    if (this.phase !== IDLE || this.pieces > 0) this.dropped('reset');
    disarm(this.clock, TX_END);
    this.on = false;
    this.programmed = false;
    this.inhibitFcs = false;
    this.pad = false;
    this.tpsr = tpsr;
    this.phase = IDLE;
    this.byHost = false;
    this.clear();
    for (let i = 0; i < this.queues.length; i++) (this.queues[i] as TxQueue).reset();
  }

  /** A frame is in the transmit pages: being gathered, or on the wire. */
  get busy(): boolean {
    return this.phase !== IDLE;
  }

  /** A frame that PTX started is being sent. */
  get sending(): boolean {
    return this.phase !== IDLE && this.byHost;
  }

  /** Whether card address `address` belongs to the pages of the frame being sent. */
  occupies(address: number): boolean {
    const start = this.tpsr << 8;
    return this.phase !== IDLE && address >= start && address < start + this.length;
  }

  /** Takes frames from the descriptor rings until one takes time or there is none. */
  kick(): void {
    while (this.phase === IDLE && this.on && !this.programmed) {
      const queue = this.queues[0] as TxQueue;
      if (!queue.on || !this.gather(queue)) return;
      this.phase = GATHERING;
      if (!this.instant) {
        const cost = Math.ceil(
          this.setupNs * this.pieces + (this.length + this.pieces * DESCRIPTOR_BYTES) * this.dmaNsPerByte,
        );
        armIn(this.clock, TX_END, cost);
        return;
      }
      this.gathered();
    }
  }

  /** Sends `length` bytes that the host has written to page TPSR on. `offset`: PTX, for a violation record. */
  send(length: number, offset: number): void {
    this.clear();
    this.room = this.ring.transmitBytes(this.tpsr);
    this.byHost = true;
    this.length = length;
    if (this.room === 0) this.spoil('tx-pages', 'no_pages', offset, this.tpsr);
    else if (length > this.room) this.spoil('tx-too-long', 'too_long', offset, length);
    this.at = this.room === 0 ? this.ring.base : this.ring.indexOf(this.tpsr);
    this.complete();
    this.gathered();
  }

  /** The time of the current phase is over. */
  due(): void {
    if (this.phase === GATHERING) this.gathered();
    else if (this.phase === ON_WIRE) this.sent();
    this.kick();
  }

  /** A queue is switched off: what has been gathered of an unfinished frame is forgotten. */
  stopped(queue: number): void {
    if (this.phase !== IDLE || this.pieces === 0 || this.queue !== queue) return;
    this.dropped('queue_off');
    this.clear();
  }

  /** Fetches descriptors up to an EOP. True: a frame is complete, good or spoilt. */
  private gather(queue: TxQueue): boolean {
    const words = this.bus.words;
    if (this.pieces > 0 && this.fault === null && !this.samePages()) this.spoil('tx-pages', 'no_pages', -1, this.tpsr);
    while (queue.head !== queue.tail) {
      const from = queue.headAddress;
      if (!this.bus.fetch(from)) {
        // Without the descriptor the card cannot tell where the frame ends: it waits for the next doorbell.
        this.reporter.report('dma-fault', -1, from);
        this.causes.raise(CAUSE_DMAE);
        return false;
      }
      const status = words[3] as number;
      const reserved = status & ~D_COMMAND;
      const size = words[2] as number;
      if (reserved !== 0 || size >>> 16 !== 0) this.unclean(reserved, size, queue.head);
      if (this.pieces === 0) this.open();
      this.piece((words[0] as number) >>> 0, words[1] as number, size & 0xffff);
      this.pieces++;
      queue.head = queue.after(queue.head);
      if ((status & D_EOP) !== 0) {
        this.resultAddress = from;
        this.status = status & D_COMMAND;
        this.complete();
        return true;
      }
    }
    if (this.pieces > 0 && !this.incompleteReported) {
      this.incompleteReported = true;
      this.reporter.report('tx-no-eop', -1, queue.tail);
    }
    return false;
  }

  /** Bits that the host had no reason to set. */
  private unclean(reserved: number, size: number, index: number): void {
    if ((reserved & (D_DD | D_ERR)) !== 0) this.reporter.report('descriptor-done', -1, index);
    if ((reserved & ~(D_DD | D_ERR)) !== 0 || size >>> 16 !== 0) {
      this.reporter.report('descriptor-reserved', -1, index);
    }
  }

  private open(): void {
    this.clear();
    this.room = this.ring.transmitBytes(this.tpsr);
    this.byHost = false;
    if (this.room === 0) this.spoil('tx-pages', 'no_pages', -1, this.tpsr);
    this.at = this.room === 0 ? this.ring.base : this.ring.indexOf(this.tpsr);
  }

  /** One piece, at I/O address `address`. A spoilt frame's pieces are skipped. */
  private piece(address: number, high: number, length: number): void {
    if (this.pieces === 0 && this.trace.tx_gather !== null) this.id = this.trace.tx_gather(address, length);
    if (this.fault !== null) return;
    if (length === 0) {
      this.spoil('tx-length-zero', 'bad_descriptor', -1, 0);
    } else if (address === 0 || high !== 0) {
      this.spoil('descriptor-address', 'dma_fault', -1, address);
      this.causes.raise(CAUSE_DMAE);
    } else if (this.length + length > this.room) {
      this.spoil('tx-too-long', 'too_long', -1, this.length + length);
    } else if (!this.bus.read(address, this.ring.bytes, this.at + this.length, length)) {
      this.spoil('dma-fault', 'dma_fault', -1, address);
      this.causes.raise(CAUSE_DMAE);
    } else {
      this.length += length;
    }
  }

  /** Whether TPSR and the ring still are what they were when the unfinished frame was begun. */
  private samePages(): boolean {
    return this.ring.transmitBytes(this.tpsr) === this.room && this.ring.indexOf(this.tpsr) === this.at;
  }

  /** The last piece is there: nothing is written to the transmit pages after this. */
  private complete(): void {
    this.ownFcs = this.inhibitFcs;
    const least = this.ownFcs ? MIN_SENT + FCS_BYTES : MIN_SENT;
    if (this.fault !== null) return;
    if (this.length < least) {
      this.spoil('tx-too-short', 'too_short', -1, this.length);
    } else if (this.pad && !this.ownFcs && this.length < MIN_FRAME) {
      this.ring.bytes.fill(0, this.at + this.length, this.at + MIN_FRAME);
      this.length = MIN_FRAME;
    }
  }

  /** The whole frame is in the transmit pages: on the wire with it, or away with it. */
  private gathered(): void {
    if (this.fault !== null) {
      this.discard();
      return;
    }
    this.phase = ON_WIRE;
    const frame = this.ownFcs ? this.length - FCS_BYTES : this.length;
    if (this.trace.tx_start !== null) this.trace.tx_start(this.id, frame);
    if (this.wireNsPerByte === 0) {
      this.sent();
      return;
    }
    const now = this.clock[NOW] as number;
    const free = this.free[0] as number;
    const start = Math.max(free, now);
    const end = start + Math.ceil((PREAMBLE_BYTES + frame + FCS_BYTES) * this.wireNsPerByte);
    armAt(this.clock, TX_END, end);
    this.free[0] = end + Math.ceil(GAP_BYTES * this.wireNsPerByte);
  }

  /** The last bit has left. */
  private sent(): void {
    const bytes = this.ring.bytes;
    let length = this.length;
    let fcs = FCS_GOOD;
    if (this.ownFcs) {
      length -= FCS_BYTES;
      const at = this.at + length;
      fcs =
        ((bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24)) >>>
        0;
    }
    if (this.linkUp) {
      this.stats.add(GPTC, 1);
      this.stats.add(GOTC, length);
      if (this.trace.tx_done !== null) this.trace.tx_done(this.id, length);
      this.wire.transmit(bytes, this.at, length, fcs, this.id);
    } else {
      this.stats.add(TXLOST, 1);
      this.dropped('link_down');
    }
    this.finish(D_DD, CAUSE_TX);
  }

  private discard(): void {
    this.stats.add(TXERR, 1);
    if (this.fault !== null) this.dropped(this.fault);
    this.finish(D_DD | D_ERR, CAUSE_TXE);
  }

  /** Writes the result back where it is asked for (an error always), and is ready for the next frame. */
  private finish(result: number, cause: number): void {
    this.phase = IDLE;
    const error = (result & D_ERR) !== 0;
    const byHost = this.byHost;
    const asked = error || (this.status & D_RS) !== 0;
    const address = this.resultAddress;
    const status = this.status | result;
    this.byHost = false;
    this.clear();
    if (!byHost && asked) {
      if (!this.bus.storeWord(address + O_STATUS, status)) {
        this.reporter.report('dma-fault', -1, address);
        this.causes.raise(CAUSE_DMAE);
      }
    }
    if (byHost || asked) this.causes.raise(cause);
  }

  private clear(): void {
    this.length = 0;
    this.pieces = 0;
    this.fault = null;
    this.id = 0;
    this.status = 0;
    this.resultAddress = 0;
    this.incompleteReported = false;
  }

  private spoil(rule: Rule, reason: TxDropReason, offset: number, value: number): void {
    this.fault = reason;
    this.reporter.report(rule, offset, value);
  }

  private dropped(reason: TxDropReason): void {
    const trace = this.trace.tx_dropped;
    if (trace !== null) trace(this.id, reason);
  }
}
