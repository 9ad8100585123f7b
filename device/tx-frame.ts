import type { BusMaster } from './bus-master.ts';
import { fold, Summer } from './checksum.ts';
import { FCS_BYTES, MIN_FRAME } from './ethernet.ts';
import { TCP } from './headers.ts';
import { CAUSE_DMAE, type CauseSink } from './irq.ts';
import type { PageRing } from './packet-memory.ts';
import type { DescriptorRing } from './queue.ts';
import { TXC, TXD } from './regs/desc.ts';
import type { Rule } from './regs/rules.ts';
import type { Reporter } from './reporter.ts';
import type { NicTrace, TxDropReason } from './trace.ts';

/** Two addresses and a type. */
const MIN_SENT = 14;

const D_EOP = TXD.STATUS.EOP.mask;
const D_RS = TXD.STATUS.RS.mask;
const D_CTX = TXD.STATUS.CTX.mask;
const D_VLE = TXD.STATUS.VLE.mask;
const D_DD = TXD.STATUS.DD.mask;
const D_ERR = TXD.STATUS.ERR.mask;
const D_IDE = TXD.STATUS.IDE.mask;
const D_COMMAND = D_EOP | D_RS | D_CTX | D_VLE | D_IDE;
const C_L4CS = TXC.STATUS.L4CS.mask;
const C_IPCS = TXC.STATUS.IPCS.mask;
const C_TSO = TXC.STATUS.TSO.mask;
const C_ORDERS = C_L4CS | C_IPCS | C_TSO;
const MSS_MASK = TXC.SEGMENT.MSS.mask;

/** Pieces and payload bytes that a TSO frame may have at most. */
const TSO_PIECES = 64;
const TSO_PAYLOAD = 65535;
const HEADER_MAX = 256;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const TCP_CSUM = 16;
const FLAGS_LAST = 0x09; // FIN, PSH
const FLAGS_FIRST = 0x80; // CWR
const TAG_AT = 12;
const TAG_BYTES = 4;

/**
 * The frame in the transmit pages (datasheet §6.1, §6.4): put together from its pieces, then what its context descriptor
 * ordered is done to it: checksums, a tag, or segment after segment. What is wrong with it is its `fault`; a spoilt frame
 * still takes its pieces, and does nothing with them.
 */
export class TxFrame {
  /** Bytes so far, and pieces. */
  length: number;
  pieces: number;
  /** Index of its first byte in packet memory. */
  at: number;
  fault: TxDropReason | null;
  id: number;
  /** It brings its own FCS: TCR.CRCI as it was when the frame was complete. */
  ownFcs: boolean;
  private room: number;
  private readonly ring: PageRing;
  private readonly bus: BusMaster;
  private readonly causes: CauseSink;
  private readonly reporter: Reporter;
  private readonly trace: NicTrace;
  private readonly summer: Summer;
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

  constructor(ring: PageRing, bus: BusMaster, causes: CauseSink, reporter: Reporter, trace: NicTrace) {
    this.length = 0;
    this.pieces = 0;
    this.at = 0;
    this.fault = null;
    this.id = 0;
    this.ownFcs = false;
    this.room = 0;
    this.ring = ring;
    this.bus = bus;
    this.causes = causes;
    this.reporter = reporter;
    this.trace = trace;
    this.summer = new Summer(ring.bytes, ring.sum);
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
  }

  /** A piece or a context descriptor of it has been taken. */
  get begun(): boolean {
    return this.pieces > 0 || this.context;
  }

  /** It goes as segments. */
  get segmented(): boolean {
    return (this.orders & C_TSO) !== 0;
  }

  /** Another segment of the frame is to follow. */
  get unfinished(): boolean {
    return this.segmented && this.done < this.total - (this.offsets >>> 24);
  }

  // ---- put together ---------------------------------------------------------------------------------------------------

  /** Begins in the pages from `tpsr` on. */
  open(tpsr: number): void {
    this.length = 0;
    this.room = this.ring.transmitBytes(tpsr);
    if (this.room === 0) this.spoil('tx-pages', 'no_pages', -1, tpsr);
    this.at = this.room === 0 ? this.ring.base : this.ring.indexOf(tpsr);
  }

  /** The whole frame, written by the host; `offset`: the register that sends it, for a violation record. */
  openWritten(tpsr: number, length: number, offset: number): void {
    this.room = this.ring.transmitBytes(tpsr);
    this.length = length;
    if (this.room === 0) this.spoil('tx-pages', 'no_pages', offset, tpsr);
    else if (length > this.room) this.spoil('tx-too-long', 'too_long', offset, length);
    this.at = this.room === 0 ? this.ring.base : this.ring.indexOf(tpsr);
  }

  /** TPSR and the ring must be what they were when the unfinished frame was begun. */
  checkPages(tpsr: number): void {
    if (this.pieces === 0 || this.fault !== null) return;
    if (this.ring.transmitBytes(tpsr) === this.room && this.ring.indexOf(tpsr) === this.at) return;
    this.spoil('tx-pages', 'no_pages', -1, tpsr);
  }

  /** The orders for the next frame; `queue` is past them then. */
  takeContext(queue: DescriptorRing, offsets: number, mss: number, size: number, status: number): void {
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
  look(status: number, size: number, index: number): void {
    const reserved = status & ~D_COMMAND;
    const tagged = (status & D_VLE) !== 0;
    if ((reserved & (D_DD | D_ERR)) !== 0) this.reporter.report('descriptor-done', -1, index);
    if ((reserved & ~(D_DD | D_ERR)) !== 0 || (size >>> 16 !== 0 && !tagged) || (tagged && this.pieces > 0)) {
      this.reporter.report('descriptor-reserved', -1, index);
    }
    if (tagged && this.pieces === 0) this.tag = size >>> 16;
  }

  /** One piece, at I/O address `address`. A spoilt frame's are skipped. */
  piece(address: number, high: number, length: number): void {
    if (this.pieces === 0 && this.trace.tx_gather !== null) this.id = this.trace.tx_gather(address, length);
    if (this.fault !== null) return;
    if (length === 0) {
      this.spoil('tx-length-zero', 'bad_descriptor', -1, 0);
    } else if (address === 0 || high !== 0) {
      this.spoil('descriptor-address', 'dma_fault', -1, address);
      this.causes.raise(CAUSE_DMAE);
    } else if (this.segmented) {
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

  /** The last piece is there: what was ordered is done, and nothing is written to the transmit pages after this. */
  complete(ownFcs: boolean, pad: boolean): void {
    this.ownFcs = ownFcs;
    if (this.fault !== null) return;
    if (this.segmented) {
      this.openSegments(pad);
      return;
    }
    const least = this.ownFcs ? MIN_SENT + FCS_BYTES : MIN_SENT;
    if (this.length < least) {
      this.spoil('tx-too-short', 'too_short', -1, this.length);
      return;
    }
    if (this.orders !== 0) this.sums();
    this.finishFrame(pad);
  }

  // ---- what was ordered -----------------------------------------------------------------------------------------------

  /** Tag and padding: the same for a frame and for a segment. */
  private finishFrame(pad: boolean): void {
    if (this.tag >= 0 && this.fault === null) this.insertTag();
    if (this.fault === null && pad && !this.ownFcs && this.length < MIN_FRAME) {
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

  // ---- segmentation ---------------------------------------------------------------------------------------------------

  /** All pieces are known: fetches the headers, checks them, and makes the first segment. */
  private openSegments(pad: boolean): void {
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
    this.makeSegment(pad);
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
  makeSegment(pad: boolean): void {
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
    this.finishFrame(pad);
  }

  // ---- its end --------------------------------------------------------------------------------------------------------

  /** Ready for the next frame. */
  clear(): void {
    this.length = 0;
    this.pieces = 0;
    this.fault = null;
    this.id = 0;
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

  /** Tells the trace that it goes nowhere. */
  dropped(reason: TxDropReason): void {
    const trace = this.trace.tx_dropped;
    if (trace !== null) trace(this.id, reason);
  }
}

/** A checksum field: never 0, which would mean none to UDP (RFC 768). */
function complement(sum: number): number {
  const value = ~sum & 0xffff;
  return value === 0 ? 0xffff : value;
}
