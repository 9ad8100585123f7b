import type { BusMaster } from './bus-master.ts';
import { type Classifier, QUEUE_LSB } from './classify.ts';
import { armIn, type Clock, disarm, RX_END } from './clock.ts';
import { FCS_BYTES } from './ethernet.ts';
import type { FlowControl } from './flow.ts';
import { CAUSE_DMAE, CAUSE_RX, CAUSE_RXDU, type CauseSink } from './irq.ts';
import { FRAME_BROADCAST, FRAME_MULTICAST, type PageRing } from './packet-memory.ts';
import { DESCRIPTOR_BYTES, DescriptorRing } from './queue.ts';
import { PAGE_HEADER, RXD } from './regs/desc.ts';
import type { Reporter } from './reporter.ts';
import { RNBC, RXDMAE, type Stats } from './stats.ts';
import type { NicTrace, RxDropReason } from './trace.ts';

const DONE = RXD.STATUS.DD.mask | RXD.STATUS.EOP.mask;
const H_CRC = PAGE_HEADER.STATUS.CRC.mask;
const H_FAE = PAGE_HEADER.STATUS.FAE.mask;
const H_RUNT = PAGE_HEADER.STATUS.RUNT.mask;
/** What of a frame's status is not the common case. */
const SPECIAL = FRAME_MULTICAST | FRAME_BROADCAST | H_CRC | H_FAE | H_RUNT;
const R_VP = RXD.STATUS.VP.mask;
/** Status bits that come with more than a length. */
const R_EXTRA = R_VP | RXD.STATUS.TS.mask | RXD.STATUS.HTYPE.mask;
const TAG_AT = 12;
const TAG_BYTES = 4;
const FOUND = (1 << QUEUE_LSB) - 1;
const R_TRUNC = RXD.STATUS.TRUNC.mask;
const R_MC = RXD.STATUS.MC.mask;
const R_BC = RXD.STATUS.BC.mask;
const HEADER_BYTES = PAGE_HEADER.bytes;
const IDLE = 0;

/** A receive queue: a descriptor ring and what belongs to it alone. */
export class RxQueue extends DescriptorRing {
  /** Discard frames that find no descriptor; hold them although other queues are on. */
  drop: boolean;
  hold: boolean;
  /** Bytes of each buffer. */
  bufferSize: number;

  constructor(reporter: Reporter) {
    super(reporter);
    this.drop = false;
    this.hold = false;
    this.bufferSize = 0;
  }

  override reset(): void {
    super.reset();
    this.drop = false;
    this.hold = false;
    this.bufferSize = 0;
  }
}

/**
 * The receive engine: moves frames, one at a time and in order, from the page ring into the buffers that descriptors
 * name (datasheet §5.3). Payload first, then the descriptor in one 16-byte write, then BNRY, then ISR.RX.
 */
export class RxEngine {
  readonly queues: readonly RxQueue[];
  /** Takes new frames from the ring; a frame being moved is finished either way. */
  on: boolean;
  keepFcs: boolean;
  /** Told of pages given back, once there is somebody to tell. */
  flow: FlowControl | null;
  private readonly classifier: Classifier;
  private readonly ring: PageRing;
  private readonly bus: BusMaster;
  private readonly clock: Clock;
  private readonly stats: Stats;
  private readonly causes: CauseSink;
  private readonly reporter: Reporter;
  private readonly trace: NicTrace;
  private readonly setupNs: number;
  private readonly nsPerByte: number;
  /** Transfers take no time. */
  private readonly instant: boolean;
  /** The frame being moved: its page (0: none, -1: the ring was emptied meanwhile), and where its result goes. */
  private page: number;
  private moving: boolean;
  private queue: number;
  private index: number;
  private starts: number;
  private resultAddress: number;
  private length: number;
  private result: number;
  private stamp: number;
  private hash: number;
  private tag: number;
  private id: number;

  constructor(
    queues: readonly RxQueue[],
    classifier: Classifier,
    ring: PageRing,
    bus: BusMaster,
    clock: Clock,
    stats: Stats,
    causes: CauseSink,
    reporter: Reporter,
    trace: NicTrace,
    setupNs: number,
    nsPerByte: number,
  ) {
    this.queues = queues;
    this.classifier = classifier;
    this.flow = null;
    this.ring = ring;
    this.bus = bus;
    this.clock = clock;
    this.stats = stats;
    this.causes = causes;
    this.reporter = reporter;
    this.trace = trace;
    this.setupNs = setupNs;
    this.nsPerByte = nsPerByte;
    this.instant = setupNs === 0 && nsPerByte === 0;
    this.on = false;
    this.keepFcs = false;
    this.page = IDLE;
    this.moving = false;
    this.queue = 0;
    this.index = 0;
    this.starts = 0;
    this.resultAddress = 0;
    this.length = 0;
    this.result = 0;
    this.stamp = 0;
    this.hash = 0;
    this.tag = 0;
    this.id = 0;
  }

  reset(): void {
    if (this.moving) this.dropped(this.id, 'reset');
    disarm(this.clock, RX_END);
    this.on = false;
    this.keepFcs = false;
    this.page = IDLE;
    this.moving = false;
    for (let i = 0; i < this.queues.length; i++) (this.queues[i] as RxQueue).reset();
  }

  /** A frame waits for a descriptor. */
  get waiting(): boolean {
    return this.on && !this.moving && this.ring.oldest() !== 0;
  }

  /** The ring is being emptied: the frame on its way to the host no longer gives back pages. Its page, 0 for none. */
  detach(): number {
    const page = this.moving && this.page > 0 ? this.page : 0;
    this.page = -1;
    return page;
  }

  /** Moves what can be moved. `arrived`: because of a new frame, so that RXDU is raised if it has to wait. */
  kick(arrived: boolean): void {
    while (this.on && !this.moving) {
      const page = this.ring.oldest();
      if (page === 0) return;
      const found = this.classifier.status[page] as number;
      const index = found >> QUEUE_LSB;
      const queue = this.queues[index] as RxQueue;
      if (queue.on && queue.head !== queue.tail) {
        this.begin(page, queue, index, found & FOUND);
      } else if (queue.drop || (!queue.hold && this.several())) {
        this.stats.add(RNBC, 1);
        this.dropped(this.ring.frameId[page] as number, 'no_descriptor');
        this.release(page);
      } else {
        if (arrived) this.causes.raise(CAUSE_RXDU, index);
        return;
      }
    }
  }

  /** More than one queue is on: then one without descriptors must not hold up the others. */
  private several(): boolean {
    let on = 0;
    for (let i = 0; i < this.queues.length; i++) if ((this.queues[i] as RxQueue).on) on++;
    return on > 1;
  }

  /** The time of the frame being moved is over. */
  due(): void {
    this.finish();
    this.kick(false);
  }

  private begin(page: number, queue: RxQueue, index: number, found: number): void {
    const ring = this.ring;
    const words = this.bus.words;
    const id = ring.frameId[page] as number;
    const from = queue.headAddress;
    if (!this.bus.fetch(from)) {
      this.fault(page, id, from);
      return;
    }
    const address = words[0] as number;
    if (words[3] !== 0) this.reporter.report('descriptor-done', -1, queue.head);
    if (address === 0 || words[1] !== 0) {
      this.reporter.report('descriptor-address', -1, address >>> 0);
      this.lose(page, id);
      return;
    }
    let length = ring.frameLength[page] as number;
    if (this.keepFcs) {
      ring.materialise(page);
      length += FCS_BYTES;
    }
    let result = DONE | found;
    const tagged = (found & R_VP) !== 0;
    if (tagged) length -= TAG_BYTES;
    if (length > queue.bufferSize) {
      length = queue.bufferSize;
      result |= R_TRUNC;
    }
    if (!(tagged ? this.untagged(page, address >>> 0, length) : this.payload(page, address >>> 0, 0, length))) {
      this.fault(page, id, address >>> 0);
      return;
    }
    const status = ring.frameStatus[page] as number;
    if ((status & SPECIAL) !== 0) result |= resultOf(status);
    if (this.trace.rx_dma !== null) this.trace.rx_dma(id, index, queue.head, address >>> 0, length);
    this.page = page;
    this.id = id;
    this.queue = index;
    this.index = queue.head;
    this.starts = queue.starts;
    this.resultAddress = from;
    this.length = length;
    this.result = result;
    if ((found & R_EXTRA) !== 0) {
      this.stamp = this.classifier.stamp[page] as number;
      this.hash = this.classifier.hash[page] as number;
      this.tag = this.classifier.tag[page] as number;
    }
    if (this.instant) {
      this.finish();
      return;
    }
    this.moving = true;
    const cost = Math.ceil(this.setupNs + (length + 2 * DESCRIPTOR_BYTES) * this.nsPerByte);
    armIn(this.clock, RX_END, cost);
  }

  /** `length` bytes of the frame from its byte `skip` on. */
  private payload(page: number, address: number, skip: number, length: number): boolean {
    const ring = this.ring;
    let from = ring.indexOf(page) + HEADER_BYTES + skip;
    const stop = ring.indexOf(ring.pstop);
    if (from + length <= stop) return this.bus.write(address, ring.bytes, from, length);
    const start = ring.indexOf(ring.pstart);
    if (from >= stop) {
      from += start - stop;
      return this.bus.write(address, ring.bytes, from, length);
    }
    const straight = stop - from;
    return (
      this.bus.write(address, ring.bytes, from, straight) &&
      this.bus.write(address + straight, ring.bytes, start, length - straight)
    );
  }

  /** Without the VLAN tag after the two addresses. */
  private untagged(page: number, address: number, length: number): boolean {
    const before = Math.min(length, TAG_AT);
    if (!this.payload(page, address, 0, before)) return false;
    return length === before || this.payload(page, address + before, TAG_AT + TAG_BYTES, length - before);
  }

  private finish(): void {
    const page = this.page;
    this.moving = false;
    this.page = IDLE;
    let stamp = 0;
    let hash = 0;
    let size = this.length;
    if ((this.result & R_EXTRA) !== 0) {
      stamp = this.stamp;
      hash = this.hash;
      size |= this.tag << 16;
    }
    if (!this.bus.store(this.resultAddress, stamp, hash, size, this.result)) {
      this.fault(page, this.id, this.resultAddress);
      return;
    }
    const queue = this.queues[this.queue] as RxQueue;
    // A queue that was switched off and on meanwhile starts at 0 again: its head is not ours to move.
    if (queue.starts === this.starts) queue.head = queue.after(this.index);
    if (page > 0) this.release(page);
    if (this.trace.rx_done !== null) this.trace.rx_done(this.id, this.queue, this.index);
    this.causes.raise(CAUSE_RX, this.queue);
  }

  private fault(page: number, id: number, address: number): void {
    this.reporter.report('dma-fault', -1, address);
    this.lose(page, id);
  }

  /** The frame is lost; the descriptor stays the card's, and the next frame tries it again. */
  private lose(page: number, id: number): void {
    this.stats.add(RXDMAE, 1);
    this.dropped(id, 'dma_fault');
    if (page > 0) this.release(page);
    this.causes.raise(CAUSE_DMAE);
  }

  private release(page: number): void {
    this.ring.release(page);
    if (this.flow?.send === true) this.flow.check();
  }

  private dropped(id: number, reason: RxDropReason): void {
    const trace = this.trace.rx_dropped;
    if (trace !== null) trace(id, reason);
  }
}

function resultOf(status: number): number {
  let bits = 0;
  if ((status & FRAME_MULTICAST) !== 0) bits |= R_MC;
  if ((status & FRAME_BROADCAST) !== 0) bits |= R_BC;
  if ((status & H_CRC) !== 0) bits |= RXD.STATUS.CRC.mask;
  if ((status & H_FAE) !== 0) bits |= RXD.STATUS.ALN.mask;
  if ((status & H_RUNT) !== 0) bits |= RXD.STATUS.RUNT.mask;
  return bits;
}
