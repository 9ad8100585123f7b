import type { BusMaster } from './bus-master.ts';
import { armAt, armIn, type Clock, disarm, NOW, TX_END } from './clock.ts';
import { FCS_BYTES, GAP_BYTES, PREAMBLE_BYTES } from './ethernet.ts';
import type { AddressFilter } from './filter.ts';
import { buildPause, PAUSE_BYTES, QUANTUM_BYTES } from './flow.ts';
import { CAUSE_DMAE, CAUSE_TX, CAUSE_TXE, type TxCauseSink } from './irq.ts';
import type { PageRing } from './packet-memory.ts';
import { FCS_GOOD, type Wire } from './ports.ts';
import { DESCRIPTOR_BYTES, DescriptorRing } from './queue.ts';
import { TXD } from './regs/desc.ts';
import type { Reporter } from './reporter.ts';
import type { Receiver } from './rx.ts';
import { GOTC, GPTC, PTXC, type Stats, TSOC, TXERR, TXLOST } from './stats.ts';
import type { NicTrace } from './trace.ts';
import { TxFrame } from './tx-frame.ts';

const D_EOP = TXD.STATUS.EOP.mask;
const D_RS = TXD.STATUS.RS.mask;
const D_CTX = TXD.STATUS.CTX.mask;
const D_VLE = TXD.STATUS.VLE.mask;
const D_IDE = TXD.STATUS.IDE.mask;
const D_DD = TXD.STATUS.DD.mask;
const D_ERR = TXD.STATUS.ERR.mask;
const O_STATUS = TXD.STATUS.offset;
const D_RESULT = D_EOP | D_RS | D_VLE | D_IDE;

/** What the transmitter is doing. */
const IDLE = 0;
const GATHERING = 1;
const PAUSED = 2;
const ON_WIRE = 3;
const CONTROL = 4;

/** A transmit queue. */
export class TxQueue extends DescriptorRing {
  /** A descriptor could not be fetched: nothing more until the next doorbell. */
  stalled: boolean;

  constructor(reporter: Reporter) {
    super(reporter);
    this.stalled = false;
  }

  override reset(): void {
    super.reset();
    this.stalled = false;
  }

  override start(offset: number, value: number): boolean {
    this.stalled = false;
    return super.start(offset, value);
  }

  override setTail(tail: number, offset: number): boolean {
    this.stalled = false;
    return super.setTail(tail, offset);
  }
}

/**
 * The transmitter (datasheet §6): fetches descriptors, has a frame put together in the transmit pages (tx-frame.ts), sends
 * it at the link's rate, reports. One frame, or one segment of one, at a time is in the transmit pages, so the next is
 * fetched when it has left. The queues take turns, frame by frame.
 */
export class Transmitter {
  readonly queues: readonly TxQueue[];
  /** CTRL.TXE: takes new frames; one that has been taken is finished either way. */
  on: boolean;
  /** Frames come from the host's writes to packet memory, not from the descriptor rings. */
  programmed: boolean;
  linkUp: boolean;
  /** What is sent comes back to this receiver instead of going out. */
  loopback: boolean;
  receiver: Receiver | null;
  /** The frame brings its own FCS. */
  inhibitFcs: boolean;
  pad: boolean;
  /** First page of the frame being sent: any value. */
  tpsr: number;
  private readonly ring: PageRing;
  private readonly bus: BusMaster;
  private readonly wire: Wire;
  private readonly filter: AddressFilter;
  private readonly clock: Clock;
  private readonly stats: Stats;
  private readonly causes: TxCauseSink;
  private readonly reporter: Reporter;
  private readonly trace: NicTrace;
  private readonly setupNs: number;
  private readonly dmaNsPerByte: number;
  /** Transfers take no time. */
  private readonly instant: boolean;
  /** Time of a byte on the wire, 0 on an instant one. */
  private readonly wireNsPerByte: number;
  /** [0]: the moment at which the gap after the last frame is over. [1]: the end of the partner's pause. */
  private readonly times: Float64Array;
  private phase: number;
  /** A bit for each queue that may have something to send. */
  private waiting: number;
  /** Steps are being taken: whoever kicks now has its work done by them. */
  private stepping: boolean;
  /** The frame being gathered or sent. */
  private readonly frame: TxFrame;
  /** PTX, not a descriptor, started it. */
  private byHost: boolean;
  /** Where its result goes, and whether one is asked for; the queue it came from. */
  private resultAddress: number;
  private status: number;
  private queue: number;
  private incompleteReported: boolean;
  /** Bytes of the frame that PTX asked for and that has not begun, -1 for none; PTX's offset. */
  private hostLength: number;
  private hostOffset: number;
  /** Pause frames: one to send next (-1: none), and its bytes. */
  private pauseToSend: number;
  private readonly pauseFrame: Uint8Array;

  constructor(
    queues: readonly TxQueue[],
    ring: PageRing,
    bus: BusMaster,
    wire: Wire,
    filter: AddressFilter,
    clock: Clock,
    stats: Stats,
    causes: TxCauseSink,
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
    this.filter = filter;
    this.clock = clock;
    this.stats = stats;
    this.causes = causes;
    this.reporter = reporter;
    this.trace = trace;
    this.setupNs = setupNs;
    this.dmaNsPerByte = dmaNsPerByte;
    this.instant = setupNs === 0 && dmaNsPerByte === 0;
    this.wireNsPerByte = wireNsPerByte;
    this.times = new Float64Array(2);
    this.on = false;
    this.programmed = false;
    this.linkUp = false;
    this.loopback = false;
    this.receiver = null;
    this.inhibitFcs = false;
    this.pad = false;
    this.tpsr = 0;
    this.phase = IDLE;
    this.waiting = 0;
    this.stepping = false;
    this.frame = new TxFrame(ring, bus, causes, reporter, trace);
    this.byHost = false;
    this.resultAddress = 0;
    this.status = 0;
    this.queue = 0;
    this.incompleteReported = false;
    this.hostLength = -1;
    this.hostOffset = 0;
    this.pauseToSend = -1;
    this.pauseFrame = new Uint8Array(PAUSE_BYTES);
  }

  reset(tpsr: number): void {
    if ((this.phase !== IDLE && this.phase !== CONTROL) || this.frame.pieces > 0) this.frame.dropped('reset');
    disarm(this.clock, TX_END);
    this.on = false;
    this.programmed = false;
    this.inhibitFcs = false;
    this.pad = false;
    this.tpsr = tpsr;
    this.phase = IDLE;
    this.byHost = false;
    this.pauseToSend = -1;
    this.hostLength = -1;
    this.times[1] = 0;
    this.clear();
    for (let i = 0; i < this.queues.length; i++) (this.queues[i] as TxQueue).reset();
  }

  /** A frame is in the transmit pages: being gathered, waiting, or on the wire. */
  get busy(): boolean {
    return (this.phase !== IDLE && this.phase !== CONTROL) || this.hostLength >= 0;
  }

  /** A frame that PTX started is being sent. */
  get sending(): boolean {
    return this.busy && (this.byHost || this.hostLength >= 0);
  }

  /** Whether card address `address` belongs to the pages of the frame being sent. */
  occupies(address: number): boolean {
    const start = this.tpsr << 8;
    return this.busy && address >= start && address < start + Math.max(this.frame.length, this.hostLength);
  }

  /** Takes frames from the descriptor rings until one takes time or there is none. */
  kick(): void {
    if (this.phase === IDLE) this.steps();
  }

  /** The tail of a queue moved, or it was switched on. */
  doorbell(queue: number): void {
    this.waiting |= 1 << queue;
    this.kick();
  }

  /** The time of the current phase is over. */
  due(): void {
    this.steps();
  }

  /** Sends `length` bytes that the host has written to page TPSR on; only while not `busy`. `offset`: PTX, for a violation record. */
  send(length: number, offset: number): void {
    this.hostLength = length;
    this.hostOffset = offset;
    this.kick();
  }

  /** The partner asks for silence of so many quanta from now on; 0 ends it. */
  pause(quanta: number): void {
    const now = this.clock[NOW] as number;
    const end = now + Math.ceil(quanta * QUANTUM_BYTES * this.wireNsPerByte);
    this.times[1] = end;
    if (this.phase === PAUSED) armAt(this.clock, TX_END, end);
  }

  /** Sends a pause frame before anything else. */
  sendPause(quanta: number): void {
    this.pauseToSend = quanta;
    this.kick();
  }

  /** A queue is switched off: what has been gathered of an unfinished frame is forgotten. */
  stopped(queue: number): void {
    const { frame } = this;
    if (this.phase !== IDLE || !frame.begun || this.queue !== queue) return;
    if (frame.pieces > 0) frame.dropped('queue_off');
    this.clear();
  }

  private steps(): void {
    if (this.stepping) return;
    this.stepping = true;
    while (this.step()) {}
    this.stepping = false;
  }

  /** What follows on the end of the current phase. False: it takes time, or there is nothing to do. */
  private step(): boolean {
    switch (this.phase) {
      case IDLE:
        return this.begin();
      case GATHERING:
      case PAUSED:
        return this.leave();
      case ON_WIRE:
        return this.sent();
      default:
        this.phase = IDLE;
        if (this.linkUp) {
          this.stats.add(PTXC, 1);
          this.wire.transmit(this.pauseFrame, 0, PAUSE_BYTES, FCS_GOOD, 0);
        }
        return true;
    }
  }

  /** Idle: a pause frame, a frame of the host, a frame from the rings. */
  private begin(): boolean {
    if (this.pauseToSend >= 0 && this.on && this.linkUp && !this.loopback) return this.sendControl();
    if (this.hostLength >= 0) {
      const length = this.hostLength;
      this.hostLength = -1;
      this.take(length, this.hostOffset);
      this.phase = GATHERING;
      return true;
    }
    if (!this.on || this.programmed || !this.choose()) return false;
    return this.gathering(this.frame.pieces);
  }

  /** The pieces are being moved: on to the next phase at once, or after their time. */
  private gathering(pieces: number): boolean {
    this.phase = GATHERING;
    if (this.instant) return true;
    const bytes = this.frame.length + pieces * DESCRIPTOR_BYTES;
    armIn(this.clock, TX_END, Math.ceil(this.setupNs * pieces + bytes * this.dmaNsPerByte));
    return false;
  }

  private sendControl(): boolean {
    const { filter } = this;
    buildPause(this.pauseFrame, filter.stationLow, filter.stationHigh, this.pauseToSend);
    this.pauseToSend = -1;
    this.phase = CONTROL;
    if (this.wireNsPerByte === 0) return true;
    this.occupy(PAUSE_BYTES);
    return false;
  }

  /** Takes the wire for a frame of `length` bytes: TX_END is when its last bit has left. */
  private occupy(length: number): void {
    const start = Math.max(this.times[0] as number, this.clock[NOW] as number);
    const end = start + Math.ceil((PREAMBLE_BYTES + length + FCS_BYTES) * this.wireNsPerByte);
    this.times[0] = end + Math.ceil(GAP_BYTES * this.wireNsPerByte);
    armAt(this.clock, TX_END, end);
  }

  /** A frame that the host has written to packet memory. */
  private take(length: number, offset: number): void {
    this.clear();
    this.byHost = true;
    this.frame.openWritten(this.tpsr, length, offset);
    this.frame.complete(this.inhibitFcs, this.pad);
  }

  /** Gathers a frame from the queue whose turn it is. False: none has a whole frame. */
  private choose(): boolean {
    const { queues } = this;
    // An unfinished frame is in the transmit pages: nobody else can use them.
    if (this.frame.begun) {
      const queue = queues[this.queue] as TxQueue;
      return queue.on && !queue.stalled && this.gather(queue, this.queue);
    }
    if (this.waiting === 0) return false;
    let index = this.queue;
    for (let tried = 0; tried < queues.length; tried++) {
      index = index + 1 >= queues.length ? 0 : index + 1;
      const queue = queues[index] as TxQueue;
      if (!queue.on || queue.stalled || queue.head === queue.tail) {
        this.waiting &= ~(1 << index);
        continue;
      }
      if (this.gather(queue, index)) return true;
      if (this.frame.begun) return false;
    }
    return false;
  }

  /** Fetches descriptors up to an EOP. True: a frame is complete, good or spoilt. */
  private gather(queue: TxQueue, index: number): boolean {
    const { frame } = this;
    const words = this.bus.words;
    this.queue = index;
    frame.checkPages(this.tpsr);
    while (queue.head !== queue.tail) {
      const from = queue.headAddress;
      if (!this.bus.fetch(from)) {
        // Without the descriptor the card cannot tell where the frame ends: it waits for the next doorbell.
        queue.stalled = true;
        this.reporter.report('dma-fault', -1, from);
        this.causes.raise(CAUSE_DMAE);
        return false;
      }
      const status = words[3] as number;
      if ((status & D_CTX) !== 0) {
        frame.takeContext(queue, words[0] as number, words[1] as number, words[2] as number, status);
        continue;
      }
      const size = words[2] as number;
      const address = (words[0] as number) >>> 0;
      if ((status & ~D_RESULT) !== 0 || size >>> 16 !== 0 || (status & D_VLE) !== 0)
        frame.look(status, size, queue.head);
      if (frame.pieces === 0) {
        this.byHost = false;
        frame.open(this.tpsr);
      }
      frame.piece(address, words[1] as number, size & 0xffff);
      frame.pieces++;
      queue.head = queue.after(queue.head);
      if ((status & D_EOP) !== 0) {
        this.resultAddress = from;
        this.status = status & D_RESULT;
        if (queue.head === queue.tail) this.waiting &= ~(1 << index);
        frame.complete(this.inhibitFcs, this.pad);
        return true;
      }
    }
    if (frame.begun && !this.incompleteReported) {
      this.incompleteReported = true;
      this.reporter.report('tx-no-eop', -1, queue.tail);
    }
    return false;
  }

  // ---- on the wire --------------------------------------------------------------------------------------------

  /** The whole frame is in the transmit pages: on the wire with it, or away with it. */
  private leave(): boolean {
    const { frame } = this;
    if (frame.fault !== null) {
      this.discard();
      return true;
    }
    if ((this.times[1] as number) > (this.clock[NOW] as number)) {
      this.phase = PAUSED;
      armAt(this.clock, TX_END, this.times[1] as number);
      return false;
    }
    this.phase = ON_WIRE;
    const length = frame.ownFcs ? frame.length - FCS_BYTES : frame.length;
    if (this.trace.tx_start !== null) this.trace.tx_start(frame.id, length);
    if (this.wireNsPerByte === 0) return true;
    this.occupy(length);
    return false;
  }

  /** The last bit has left. */
  private sent(): boolean {
    const { frame } = this;
    const bytes = this.ring.bytes;
    let length = frame.length;
    let fcs = FCS_GOOD;
    if (frame.ownFcs) {
      length -= FCS_BYTES;
      const at = frame.at + length;
      fcs =
        ((bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24)) >>>
        0;
    }
    if (this.linkUp || this.loopback) {
      this.stats.addFrame(GPTC, GOTC, length);
      if (this.trace.tx_done !== null) this.trace.tx_done(frame.id, length);
      if (!this.loopback) this.wire.transmit(bytes, frame.at, length, fcs, frame.id);
      else if (this.receiver !== null) this.receiver.loopedBack(bytes, frame.at, length, fcs, frame.id);
    } else {
      this.stats.add(TXLOST, 1);
      frame.dropped('link_down');
    }
    // Whoever heard the frame may have reset the card.
    if (this.phase !== ON_WIRE) return this.phase === IDLE;
    if (frame.segmented) this.stats.add(TSOC, 1);
    if (frame.unfinished) {
      frame.makeSegment(this.pad);
      return this.gathering(1);
    }
    this.finish(D_DD, CAUSE_TX);
    return true;
  }

  private discard(): void {
    const { fault } = this.frame;
    this.stats.add(TXERR, 1);
    if (fault !== null) this.frame.dropped(fault);
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
    if (!byHost && asked && !this.bus.storeWord(address + O_STATUS, status)) {
      this.reporter.report('dma-fault', -1, address);
      this.causes.raise(CAUSE_DMAE);
    }
    if (byHost) this.causes.raise(cause);
    else if (asked) {
      if (!error && (status & D_IDE) !== 0) this.causes.raiseLate(this.queue);
      else this.causes.raise(cause, this.queue);
    }
  }

  private clear(): void {
    this.status = 0;
    this.resultAddress = 0;
    this.incompleteReported = false;
    this.frame.clear();
  }
}
