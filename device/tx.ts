import type { BusMaster } from './bus-master.ts';
import { fold, Summer } from './checksum.ts';
import { armAt, armIn, type Clock, disarm, NOW, TX_END } from './clock.ts';
import type { AddressFilter } from './filter.ts';
import { buildPause, PAUSE_BYTES, QUANTUM_BYTES } from './flow.ts';
import { TCP } from './headers.ts';
import { CAUSE_DMAE, CAUSE_TX, CAUSE_TXE, type TxCauseSink } from './irq.ts';
import type { PageRing } from './packet-memory.ts';
import { FCS_GOOD, type Wire } from './ports.ts';
import { DESCRIPTOR_BYTES, DescriptorRing } from './queue.ts';
import { TXC, TXD } from './regs/desc.ts';
import type { Rule } from './regs/rules.ts';
import type { Reporter } from './reporter.ts';
import type { Receiver } from './rx.ts';
import { GOTC, GPTC, PTXC, type Stats, TSOC, TXERR, TXLOST } from './stats.ts';
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
const D_CTX = TXD.STATUS.CTX.mask;
const D_VLE = TXD.STATUS.VLE.mask;
const D_IDE = TXD.STATUS.IDE.mask;
const D_DD = TXD.STATUS.DD.mask;
const D_ERR = TXD.STATUS.ERR.mask;
const O_STATUS = TXD.STATUS.offset;
const D_COMMAND = D_EOP | D_RS | D_CTX | D_VLE | D_IDE;
const D_RESULT = D_EOP | D_RS | D_VLE | D_IDE;
const C_L4CS = TXC.STATUS.L4CS.mask;
const C_IPCS = TXC.STATUS.IPCS.mask;
const C_TSO = TXC.STATUS.TSO.mask;
const C_ORDERS = C_L4CS | C_IPCS | C_TSO;
const MSS_MASK = TXC.SEGMENT.MSS.mask;

/** Pieces and payload bytes that a TSO frame may have at most. */
export const TSO_PIECES = 64;
export const TSO_PAYLOAD = 65535;
const HEADER_MAX = 256;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const TCP_CSUM = 16;
const FLAGS_LAST = 0x09; // FIN, PSH
const FLAGS_FIRST = 0x80; // CWR
const TAG_AT = 12;
const TAG_BYTES = 4;

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
 * The transmitter (datasheet §6): fetches descriptors, gathers a frame's pieces into the transmit pages, sends it at
 * the link's rate, reports. One frame, or one segment of one, at a time is in the transmit pages, so the next is
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
  private readonly summer: Summer;
  /** [0]: the moment at which the gap after the last frame is over. [1]: the end of the partner's pause. */
  private readonly times: Float64Array;
  private phase: number;
  /** A bit for each queue that may have something to send. */
  private waiting: number;
  /** Steps are being taken: whoever kicks now has its work done by them. */
  private stepping: boolean;
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
  /** The context descriptor before the frame: whether there is one, and its words. */
  private context: boolean;
  private offsets: number;
  private mss: number;
  private orders: number;
  /** The tag to insert, -1 for none. */
  private tag: number;
  /** TSO: the pieces as they lie in host memory, the headers, how far the payload has been sent. */
  private readonly addresses: Float64Array;
  private readonly sizes: Int32Array;
  private readonly header: Uint8Array;
  private total: number;
  private done: number;
  private segment: number;
  private sequence: number;
  private identification: number;
  private pieceIndex: number;
  private pieceDone: number;
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
    this.summer = new Summer(ring.bytes, ring.sum);
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
    this.context = false;
    this.offsets = 0;
    this.mss = 0;
    this.orders = 0;
    this.tag = -1;
    this.addresses = new Float64Array(TSO_PIECES);
    this.sizes = new Int32Array(TSO_PIECES);
    this.header = new Uint8Array(HEADER_MAX);
    this.total = 0;
    this.done = 0;
    this.segment = 0;
    this.sequence = 0;
    this.identification = 0;
    this.pieceIndex = 0;
    this.pieceDone = 0;
    this.hostLength = -1;
    this.hostOffset = 0;
    this.pauseToSend = -1;
    this.pauseFrame = new Uint8Array(PAUSE_BYTES);
  }

  reset(tpsr: number): void {
    if ((this.phase !== IDLE && this.phase !== CONTROL) || this.pieces > 0) this.dropped('reset');
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
    return this.busy && address >= start && address < start + Math.max(this.length, this.hostLength);
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
    if (this.phase !== IDLE || (this.pieces === 0 && !this.context) || this.queue !== queue) return;
    if (this.pieces > 0) this.dropped('queue_off');
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
    return this.gathering(this.pieces);
  }

  /** The pieces are being moved: on to the next phase at once, or after their time. */
  private gathering(pieces: number): boolean {
    this.phase = GATHERING;
    if (this.instant) return true;
    const bytes = this.length + pieces * DESCRIPTOR_BYTES;
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
    this.room = this.ring.transmitBytes(this.tpsr);
    this.byHost = true;
    this.length = length;
    if (this.room === 0) this.spoil('tx-pages', 'no_pages', offset, this.tpsr);
    else if (length > this.room) this.spoil('tx-too-long', 'too_long', offset, length);
    this.at = this.room === 0 ? this.ring.base : this.ring.indexOf(this.tpsr);
    this.complete();
  }

  /** Gathers a frame from the queue whose turn it is. False: none has a whole frame. */
  private choose(): boolean {
    const { queues } = this;
    // An unfinished frame is in the transmit pages: nobody else can use them.
    if (this.pieces > 0 || this.context) {
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
      if (this.pieces > 0 || this.context) return false;
    }
    return false;
  }

  /** Fetches descriptors up to an EOP. True: a frame is complete, good or spoilt. */
  private gather(queue: TxQueue, index: number): boolean {
    const words = this.bus.words;
    this.queue = index;
    if (this.pieces > 0 && this.fault === null && !this.samePages()) this.spoil('tx-pages', 'no_pages', -1, this.tpsr);
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
        this.takeContext(queue, words[0] as number, words[1] as number, words[2] as number, status);
        continue;
      }
      const size = words[2] as number;
      const address = (words[0] as number) >>> 0;
      if ((status & ~D_RESULT) !== 0 || size >>> 16 !== 0 || (status & D_VLE) !== 0)
        this.look(status, size, queue.head);
      if (this.pieces === 0) this.open();
      this.piece(address, words[1] as number, size & 0xffff);
      this.pieces++;
      queue.head = queue.after(queue.head);
      if ((status & D_EOP) !== 0) {
        this.resultAddress = from;
        this.status = status & D_RESULT;
        if (queue.head === queue.tail) this.waiting &= ~(1 << index);
        this.complete();
        return true;
      }
    }
    if ((this.pieces > 0 || this.context) && !this.incompleteReported) {
      this.incompleteReported = true;
      this.reporter.report('tx-no-eop', -1, queue.tail);
    }
    return false;
  }

  /** The orders for the next frame. */
  private takeContext(queue: TxQueue, offsets: number, mss: number, size: number, status: number): void {
    const wrong = this.pieces > 0 || this.context;
    if (size !== 0 || (status & ~(C_ORDERS | D_CTX)) !== 0 || (mss & ~MSS_MASK) !== 0) {
      this.reporter.report('descriptor-reserved', -1, queue.head);
    }
    queue.head = queue.after(queue.head);
    if (wrong) {
      if (this.fault === null) this.spoil('tx-context', 'bad_offload', -1, queue.head);
      return;
    }
    this.context = true;
    this.offsets = offsets;
    this.mss = mss & MSS_MASK;
    this.orders = status & C_ORDERS;
  }

  /** A tag to insert, and bits that the host had no reason to set. */
  private look(status: number, size: number, index: number): void {
    const reserved = status & ~D_COMMAND;
    const tagged = (status & D_VLE) !== 0;
    if ((reserved & (D_DD | D_ERR)) !== 0) this.reporter.report('descriptor-done', -1, index);
    if ((reserved & ~(D_DD | D_ERR)) !== 0 || (size >>> 16 !== 0 && !tagged) || (tagged && this.pieces > 0)) {
      this.reporter.report('descriptor-reserved', -1, index);
    }
    if (tagged && this.pieces === 0) this.tag = size >>> 16;
  }

  private open(): void {
    this.length = 0;
    this.byHost = false;
    this.room = this.ring.transmitBytes(this.tpsr);
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
    } else if ((this.orders & C_TSO) !== 0) {
      this.remember(address, length);
    } else if (this.length + length > this.room) {
      this.spoil('tx-too-long', 'too_long', -1, this.length + length);
    } else if (!this.bus.read(address, this.ring.bytes, this.at + this.length, length)) {
      this.spoil('dma-fault', 'dma_fault', -1, address);
      this.causes.raise(CAUSE_DMAE);
    } else {
      this.length += length;
    }
  }

  /** TSO: the piece stays where it is until its bytes are needed. */
  private remember(address: number, length: number): void {
    const headers = this.offsets >>> 24;
    if (this.pieces >= TSO_PIECES || this.total + length > headers + TSO_PAYLOAD) {
      this.spoil('tx-pieces', 'bad_offload', -1, this.pieces >= TSO_PIECES ? this.pieces : this.total + length);
      return;
    }
    this.addresses[this.pieces] = address;
    this.sizes[this.pieces] = length;
    this.total += length;
  }

  /** Whether TPSR and the ring still are what they were when the unfinished frame was begun. */
  private samePages(): boolean {
    return this.ring.transmitBytes(this.tpsr) === this.room && this.ring.indexOf(this.tpsr) === this.at;
  }

  /** The last piece is there: what was ordered is done, and nothing is written to the transmit pages after this. */
  private complete(): void {
    this.ownFcs = this.inhibitFcs;
    if (this.fault !== null) return;
    if ((this.orders & C_TSO) !== 0) {
      this.openSegments();
      return;
    }
    const least = this.ownFcs ? MIN_SENT + FCS_BYTES : MIN_SENT;
    if (this.length < least) {
      this.spoil('tx-too-short', 'too_short', -1, this.length);
      return;
    }
    if (this.orders !== 0) this.sums();
    this.finishFrame();
  }

  /** Tag and padding: the same for a frame and for a segment. */
  private finishFrame(): void {
    if (this.tag >= 0 && this.fault === null) this.insertTag();
    if (this.fault === null && this.pad && !this.ownFcs && this.length < MIN_FRAME) {
      // A few bytes: less than a call of `fill` costs.
      const { bytes } = this.ring;
      for (let at = this.at + this.length, end = this.at + MIN_FRAME; at < end; at++) bytes[at] = 0;
      this.length = MIN_FRAME;
    }
  }

  private insertTag(): void {
    const { at, length } = this;
    const { bytes } = this.ring;
    if (length + TAG_BYTES > this.room) {
      this.spoil('tx-too-long', 'too_long', -1, length + TAG_BYTES);
      return;
    }
    bytes.copyWithin(at + TAG_AT + TAG_BYTES, at + TAG_AT, at + length);
    bytes[at + TAG_AT] = 0x81;
    bytes[at + TAG_AT + 1] = 0x00;
    this.put16(TAG_AT + 2, this.tag);
    this.length = length + TAG_BYTES;
  }

  /** Writes 16 bits at `offset` of the frame, high byte first. */
  private put16(offset: number, value: number): void {
    const { bytes } = this.ring;
    bytes[this.at + offset] = value >>> 8;
    bytes[this.at + offset + 1] = value;
  }

  /** Checksums of a frame that goes as it is. */
  private sums(): void {
    const end = this.ownFcs ? this.length - FCS_BYTES : this.length;
    const l4 = this.offsets & 0xff;
    const field = l4 + ((this.offsets >>> 8) & 0xff);
    const ip = (this.offsets >>> 16) & 0xff;
    if ((this.orders & C_IPCS) !== 0 && !this.sumHeader(ip, end)) {
      this.spoil('tx-checksum-range', 'bad_offload', -1, ip);
    } else if ((this.orders & C_L4CS) !== 0) {
      if (field + 2 > end) this.spoil('tx-checksum-range', 'bad_offload', -1, field);
      else this.put16(field, complement(this.summer.sum(this.at + l4, end - l4)));
    }
  }

  /** The checksum of an IPv4 header. False: there is none. */
  private sumHeader(ip: number, end: number): boolean {
    const first = this.ring.bytes[this.at + ip] as number;
    const size = (first & 15) * 4;
    if (ip + IPV4_BYTES > end || first >> 4 !== 4 || size < IPV4_BYTES || ip + size > end) return false;
    this.put16(ip + 10, 0);
    this.put16(ip + 10, ~this.summer.sum(this.at + ip, size) & 0xffff);
    return true;
  }

  // ---- segmentation (datasheet §6.4) --------------------------------------------------------------------------

  /** All pieces are known: fetches the headers, checks them, and makes the first segment. */
  private openSegments(): void {
    const headers = this.offsets >>> 24;
    const l4 = this.offsets & 0xff;
    const ip = (this.offsets >>> 16) & 0xff;
    const tag = this.tag >= 0 ? TAG_BYTES : 0;
    if (
      headers > this.total ||
      headers > this.room ||
      l4 + TCP_BYTES > headers ||
      ip + IPV4_BYTES > l4 ||
      ip < MIN_SENT
    ) {
      this.spoil('tx-tso-header', 'bad_offload', -1, headers);
      return;
    }
    const most = Math.min(this.mss, this.total - headers);
    if (this.mss === 0 || headers + most + tag > this.room) {
      this.spoil('tx-tso-mss', 'bad_offload', -1, this.mss);
      return;
    }
    if (!this.fetchBytes(0, headers)) return;
    this.header.set(this.ring.bytes.subarray(this.at, this.at + headers));
    const version = (this.header[ip] as number) >> 4;
    if ((version !== 4 && version !== 6) || (version === 6 && ip + IPV6_BYTES > l4)) {
      this.spoil('tx-tso-header', 'bad_offload', -1, headers);
      return;
    }
    const h = this.header;
    const sequence = l4 + 4;
    this.identification = ((h[ip + 4] as number) << 8) | (h[ip + 5] as number);
    this.sequence =
      ((h[sequence] as number) << 24) |
      ((h[sequence + 1] as number) << 16) |
      ((h[sequence + 2] as number) << 8) |
      (h[sequence + 3] as number);
    this.makeSegment();
  }

  /** Bytes of the frame's pieces, from where the last call ended, to `offset` of the transmit pages. */
  private fetchBytes(offset: number, length: number): boolean {
    let to = this.at + offset;
    for (let left = length; left > 0; ) {
      const size = Math.min(left, (this.sizes[this.pieceIndex] as number) - this.pieceDone);
      const address = (this.addresses[this.pieceIndex] as number) + this.pieceDone;
      if (!this.bus.read(address, this.ring.bytes, to, size)) {
        this.spoil('dma-fault', 'dma_fault', -1, address);
        this.causes.raise(CAUSE_DMAE);
        return false;
      }
      to += size;
      left -= size;
      this.pieceDone += size;
      if (this.pieceDone === this.sizes[this.pieceIndex]) {
        this.pieceIndex++;
        this.pieceDone = 0;
      }
    }
    return true;
  }

  /** The next segment into the transmit pages: headers, payload, what changes in the headers, sums. */
  private makeSegment(): void {
    const headers = this.offsets >>> 24;
    const l4 = this.offsets & 0xff;
    const ip = (this.offsets >>> 16) & 0xff;
    const left = this.total - headers - this.done;
    const payload = Math.min(this.mss, left);
    const { bytes } = this.ring;
    for (let i = 0; i < headers; i++) bytes[this.at + i] = this.header[i] as number;
    this.length = headers + payload;
    if (!this.fetchBytes(headers, payload)) return;
    const v4 = (this.header[ip] as number) >> 4 === 4;
    const tcpBytes = this.length - l4;
    if (v4) {
      this.put16(ip + 2, this.length - ip);
      this.put16(ip + 4, (this.identification + this.segment) & 0xffff);
      this.sumHeader(ip, this.length);
    } else {
      this.put16(ip + 4, this.length - ip - IPV6_BYTES);
    }
    const sequence = (this.sequence + this.done) | 0;
    this.put16(l4 + 4, sequence >>> 16);
    this.put16(l4 + 6, sequence & 0xffff);
    const flags = this.at + l4 + 13;
    if (payload < left) bytes[flags] = (bytes[flags] as number) & ~FLAGS_LAST;
    if (this.segment > 0) bytes[flags] = (bytes[flags] as number) & ~FLAGS_FIRST;
    this.put16(l4 + TCP_CSUM, 0);
    const addresses = v4 ? this.summer.sum(this.at + ip + 12, 8) : this.summer.sum(this.at + ip + 8, 32);
    const sum = addresses + TCP + tcpBytes + this.summer.sum(this.at + l4, tcpBytes);
    this.put16(l4 + TCP_CSUM, complement(fold(sum)));
    this.done += payload;
    this.segment++;
    this.finishFrame();
  }

  /** Another segment of the frame is to follow. */
  private get unfinished(): boolean {
    return (this.orders & C_TSO) !== 0 && this.done < this.total - (this.offsets >>> 24);
  }

  // ---- on the wire --------------------------------------------------------------------------------------------

  /** The whole frame is in the transmit pages: on the wire with it, or away with it. */
  private leave(): boolean {
    if (this.fault !== null) {
      this.discard();
      return true;
    }
    if ((this.times[1] as number) > (this.clock[NOW] as number)) {
      this.phase = PAUSED;
      armAt(this.clock, TX_END, this.times[1] as number);
      return false;
    }
    this.phase = ON_WIRE;
    const frame = this.ownFcs ? this.length - FCS_BYTES : this.length;
    if (this.trace.tx_start !== null) this.trace.tx_start(this.id, frame);
    if (this.wireNsPerByte === 0) return true;
    this.occupy(frame);
    return false;
  }

  /** The last bit has left. */
  private sent(): boolean {
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
    if (this.linkUp || this.loopback) {
      this.stats.addFrame(GPTC, GOTC, length);
      if (this.trace.tx_done !== null) this.trace.tx_done(this.id, length);
      if (!this.loopback) this.wire.transmit(bytes, this.at, length, fcs, this.id);
      else if (this.receiver !== null) this.receiver.loopedBack(bytes, this.at, length, fcs, this.id);
    } else {
      this.stats.add(TXLOST, 1);
      this.dropped('link_down');
    }
    // Whoever heard the frame may have reset the card.
    if (this.phase !== ON_WIRE) return this.phase === IDLE;
    if ((this.orders & C_TSO) !== 0) this.stats.add(TSOC, 1);
    if (this.unfinished) {
      this.makeSegment();
      return this.gathering(1);
    }
    this.finish(D_DD, CAUSE_TX);
    return true;
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
    this.length = 0;
    this.pieces = 0;
    this.fault = null;
    this.id = 0;
    this.status = 0;
    this.resultAddress = 0;
    this.incompleteReported = false;
    this.tag = -1;
    if (this.context) this.clearContext();
  }

  private clearContext(): void {
    this.context = false;
    this.offsets = 0;
    this.mss = 0;
    this.orders = 0;
    this.total = 0;
    this.done = 0;
    this.segment = 0;
    this.pieceIndex = 0;
    this.pieceDone = 0;
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

/** A checksum field: never 0, which would mean none to UDP (RFC 768). */
function complement(sum: number): number {
  const value = ~sum & 0xffff;
  return value === 0 ? 0xffff : value;
}
