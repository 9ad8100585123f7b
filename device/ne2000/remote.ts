import { CAUSE_RDC, type CauseSink } from '../irq.ts';
import type { PageRing } from '../packet-memory.ts';
import { NE2000, PROM_BYTES, RD_READ, RD_SEND, RD_WRITE } from '../regs/ne2000.ts';
import { PAGE_SIZE } from '../regs/nic.ts';
import type { Reporter } from '../reporter.ts';
import type { NicTrace } from '../trace.ts';

const IDLE = 0;
const PAGE_SHIFT = 8;
const BNRY = NE2000.BNRY.index;

/**
 * The remote DMA channel and the board's data port (docs/ne2000.md N3.3; DP8390D datasheet, "Remote DMA").
 *
 * A transfer moves through the port in units of a byte or, with DCR.WTS, a word. `readEnd` and `writeEnd` are where the
 * easy stretch ends: below it a whole word can be moved without the end of the ring or of memory, or an FCS still to be
 * computed, coming in its way. Whatever may change one of these sets both to 0, and the next access works them out anew.
 */
export class RemotePort {
  /** The address counter, 16 bits, and the byte counter: as written, or where the transfer is. */
  address: number;
  count: number;
  /** DCR.WTS. */
  wide: boolean;
  /** 0, or the CR.RD command under way. */
  command: number;
  private readEnd: number;
  private writeEnd: number;
  private readonly ring: PageRing;
  private readonly bytes: Uint8Array;
  private readonly regs: Uint8Array;
  private readonly prom: Uint8Array;
  private readonly causes: CauseSink;
  private readonly reporter: Reporter;
  private readonly trace: NicTrace;
  /** Card addresses of packet memory, and the index in the memory array of card address 0. */
  private readonly first: number;
  private readonly end: number;
  private readonly bias: number;

  constructor(
    ring: PageRing,
    regs: Uint8Array,
    prom: Uint8Array,
    causes: CauseSink,
    reporter: Reporter,
    trace: NicTrace,
  ) {
    this.ring = ring;
    this.bytes = ring.bytes;
    this.regs = regs;
    this.prom = prom;
    this.causes = causes;
    this.reporter = reporter;
    this.trace = trace;
    this.first = ring.firstPage << PAGE_SHIFT;
    this.end = ring.endPage << PAGE_SHIFT;
    this.bias = ring.base - this.first;
    this.address = 0;
    this.count = 0;
    this.wide = false;
    this.command = IDLE;
    this.readEnd = 0;
    this.writeEnd = 0;
  }

  /** Something changed that the easy stretch was worked out from. */
  disturb(): void {
    this.readEnd = 0;
    this.writeEnd = 0;
  }

  /** CR.RD with a command. The counters are what RSAR and RBCR were set to, or where an aborted transfer stopped. */
  begin(command: number): void {
    if (command === RD_SEND) this.loadPacket();
    this.command = command;
    const { trace, address } = this;
    if (trace.remote_read !== null && command === RD_READ)
      trace.remote_read(this.ring.frameId[address >> PAGE_SHIFT] ?? 0, address, this.count);
    if (trace.remote_write !== null && command === RD_WRITE) trace.remote_write(address, this.count);
    if (this.count === 0) this.complete();
    else this.measure();
  }

  /** CR.RD2: the port stops moving; the counters stay (DP8390D datasheet, "Command Register"). */
  abort(): void {
    this.command = IDLE;
    this.readEnd = 0;
    this.writeEnd = 0;
  }

  /** Reads 8, 16 or 32 bits; `offset` is the port, for a violation record. */
  read(width: number, offset: number): number {
    const a = this.address;
    if (width === 16) {
      if (a < this.readEnd) {
        const at = a + this.bias;
        const value = (this.bytes[at] as number) | ((this.bytes[at + 1] as number) << 8);
        this.address = a + 2;
        const left = this.count - 2;
        this.count = left;
        if (left === 0) this.complete();
        return value;
      }
    } else if (width === 32 && a + 2 < this.readEnd) {
      const b = this.bytes;
      const at = a + this.bias;
      const low = (b[at] as number) | ((b[at + 1] as number) << 8);
      const high = (b[at + 2] as number) | ((b[at + 3] as number) << 8);
      this.address = a + 4;
      const left = this.count - 4;
      this.count = left;
      if (left === 0) this.complete();
      return (low | (high << 16)) >>> 0;
    }
    return this.slowRead(width, offset);
  }

  write(width: number, value: number, offset: number): void {
    const a = this.address;
    if (width === 16) {
      if (a < this.writeEnd) {
        const at = a + this.bias;
        this.bytes[at] = value;
        this.bytes[at + 1] = value >>> 8;
        this.address = a + 2;
        const left = this.count - 2;
        this.count = left;
        if (left === 0) this.complete();
        return;
      }
    } else if (width === 32 && a + 2 < this.writeEnd) {
      const b = this.bytes;
      const at = a + this.bias;
      b[at] = value;
      b[at + 1] = value >>> 8;
      b[at + 2] = value >>> 16;
      b[at + 3] = value >>> 24;
      this.address = a + 4;
      const left = this.count - 4;
      this.count = left;
      if (left === 0) this.complete();
      return;
    }
    this.slowWrite(width, value, offset);
  }

  /** How many units an access of `width` bits moves: 32 bits are two words, or four bytes; less is one unit. */
  private units(width: number): number {
    return width !== 32 ? 1 : this.wide ? 2 : 4;
  }

  private slowRead(width: number, offset: number): number {
    const unit = this.wide ? 2 : 1;
    const units = this.units(width);
    let value = 0;
    let outside = -1;
    for (let i = 0; i < units; i++) {
      if (this.command === IDLE || this.command === RD_WRITE) {
        this.reporter.report('ne-remote-idle', offset, this.count);
        value |= -1 << (8 * unit * i);
        break;
      }
      // A word lies at an even address: A0 is not driven.
      const a = this.wide ? this.address & ~1 : this.address;
      if (!this.mapped(a)) outside = a;
      let part = this.byteAt(a);
      if (this.wide) part |= this.byteAt(a + 1) << 8;
      value |= part << (8 * unit * i);
      this.step(unit);
    }
    if (outside >= 0) this.reporter.report('ne-remote-window', offset, outside);
    this.measure();
    return width === 32 ? value >>> 0 : value & (width === 16 ? 0xffff : 0xff);
  }

  private slowWrite(width: number, value: number, offset: number): void {
    const unit = this.wide ? 2 : 1;
    const units = this.units(width);
    let outside = -1;
    // A narrow access in word mode moves a whole word; nobody drives its upper byte.
    const data = width === 8 ? value & 0xff : value;
    for (let i = 0; i < units; i++) {
      if (this.command !== RD_WRITE) {
        this.reporter.report('ne-remote-idle', offset, this.count);
        break;
      }
      const a = this.wide ? this.address & ~1 : this.address;
      const part = data >>> (8 * unit * i);
      if (!this.put(a, part)) outside = a;
      if (this.wide) this.put(a + 1, part >>> 8);
      this.step(unit);
    }
    if (outside >= 0) this.reporter.report('ne-remote-window', offset, outside);
    this.measure();
  }

  private mapped(address: number): boolean {
    return (address >= this.first && address < this.end) || address < PROM_BYTES;
  }

  /** The PROM hides memory that lies under it (a board with 64 KiB). */
  private byteAt(address: number): number {
    if (address < PROM_BYTES) return this.prom[address] as number;
    if (address < this.first || address >= this.end) return 0xff;
    const page = address >> PAGE_SHIFT;
    const { ring } = this;
    if ((address & (PAGE_SIZE - 1)) >= (ring.fcsFrom[page] as number)) ring.materialise(ring.pendingOn(page));
    return this.bytes[address + this.bias] as number;
  }

  private put(address: number, value: number): boolean {
    if (address < PROM_BYTES || address < this.first || address >= this.end) return false;
    // An FCS that is still to be computed is made from the frame as it arrived, so before the host changes it.
    if (this.ring.contains(address >> PAGE_SHIFT)) this.ring.settle();
    this.bytes[address + this.bias] = value;
    return true;
  }

  /** On to the next unit; at the end of a page that is the last of the ring, to PSTART. */
  private step(unit: number): void {
    const { ring } = this;
    let next = this.address + unit;
    if (next >> PAGE_SHIFT !== this.address >> PAGE_SHIFT) {
      if (((next >> PAGE_SHIFT) & 0xff) === ring.pstop) next = (ring.pstart << PAGE_SHIFT) | (next & 0xff);
      next &= 0xffff;
    }
    this.address = next;
    this.count = this.count > unit ? this.count - unit : 0;
    if (this.count === 0) this.complete();
  }

  private complete(): void {
    if (this.command === RD_SEND) this.releasePacket();
    this.command = IDLE;
    this.readEnd = 0;
    this.writeEnd = 0;
    this.causes.raise(CAUSE_RDC);
  }

  /** Works out up to where words can be moved one after the other with no further look. */
  private measure(): void {
    const end = this.stretch();
    this.readEnd = this.command === RD_WRITE ? 0 : end;
    this.writeEnd = this.command === RD_WRITE ? end : 0;
  }

  private stretch(): number {
    const a = this.address;
    // Under the PROM, and the last word of the ring and of memory: the slow way.
    if (this.command === IDLE || !this.wide || (a & 1) !== 0 || a < this.first || a >= this.end || a < PROM_BYTES) {
      return 0;
    }
    const { ring } = this;
    let limit = Math.min(a + (this.count & ~1), this.end - 2);
    const stop = (ring.pstop << PAGE_SHIFT) - 2;
    if (stop >= a && stop < limit) limit = stop;
    if (this.command === RD_WRITE) {
      const start = ring.pstart << PAGE_SHIFT;
      if (ring.contains(a >> PAGE_SHIFT)) ring.settle();
      else if (start > a && start < limit) limit = start;
      return limit;
    }
    for (let page = a >> PAGE_SHIFT; page << PAGE_SHIFT < limit; page++) {
      const fcs = ring.fcsFrom[page] as number;
      if (fcs !== PAGE_SIZE) return Math.min(limit, (page << PAGE_SHIFT) + fcs - 1);
    }
    return limit;
  }

  /** Send packet (DP8390D datasheet, "Send Packet Command"): address from BNRY, count from the packet's header. */
  private loadPacket(): void {
    const start = this.regs[BNRY] as number;
    this.address = start << PAGE_SHIFT;
    this.count = this.byteAt(this.address + 2) | (this.byteAt(this.address + 3) << 8);
  }

  /** The packet is with the host: its pages are given back, BNRY becomes the header's next page pointer. */
  private releasePacket(): void {
    const page = this.regs[BNRY] as number;
    this.released(this.byteAt((page << PAGE_SHIFT) + 1));
  }

  /** Set by the card: moves BNRY. */
  released: (page: number) => void = () => {};
}

/** Whether a CR.RD value is a command that moves data. */
export function moves(command: number): boolean {
  return command === RD_READ || command === RD_WRITE || command === RD_SEND;
}
