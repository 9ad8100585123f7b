import { CAUSE_RDC, type CauseSink } from './irq.ts';
import type { PageRing } from './packet-memory.ts';
import type { Reporter } from './reporter.ts';

const PAGE_MASK = 0xff;

/** Remote DMA: the host's window into packet memory, through a data port (datasheet §5.4). */
export class RemoteDma {
  /** Card address of the next byte, 16 bits. */
  address: number;
  /** Bytes that may still be moved. */
  count: number;
  private readonly ring: PageRing;
  private readonly bytes: Uint8Array;
  private readonly fcsFrom: Int32Array;
  private readonly causes: CauseSink;
  private readonly reporter: Reporter;
  /** Card address of the first byte, and index in the memory array of card address 0. */
  private readonly first: number;
  private readonly end: number;
  private readonly bias: number;

  constructor(ring: PageRing, causes: CauseSink, reporter: Reporter) {
    this.ring = ring;
    this.bytes = ring.bytes;
    this.fcsFrom = ring.fcsFrom;
    this.causes = causes;
    this.reporter = reporter;
    this.first = ring.firstPage << 8;
    this.end = ring.endPage << 8;
    this.bias = ring.base - this.first;
    this.address = this.first;
    this.count = 0;
  }

  reset(): void {
    this.address = this.first;
    this.count = 0;
  }

  /** Reads `bytes` (1, 2 or 4) at the port; `offset` is the port's register offset, for a violation record. */
  read(bytes: number, offset: number): number {
    const a = this.address;
    // The common case ends before the end of the page, and before an FCS that has not been computed yet.
    if (
      a >= this.first &&
      a < this.end &&
      bytes <= this.count &&
      (a & PAGE_MASK) + bytes <= (this.fcsFrom[a >> 8] as number)
    ) {
      const b = this.bytes;
      const at = a + this.bias;
      let value = b[at] as number;
      if (bytes > 1) value |= (b[at + 1] as number) << 8;
      if (bytes > 2) value |= ((b[at + 2] as number) << 16) | ((b[at + 3] as number) << 24);
      this.advance(bytes);
      return value;
    }
    return this.slowRead(bytes, offset);
  }

  write(bytes: number, value: number, offset: number): void {
    if (bytes > this.count) this.reporter.report('remote-count', offset, this.count);
    let outside = -1;
    for (let i = 0; i < bytes && this.count > 0; i++) {
      const a = this.address;
      if (a >= this.first && a < this.end) {
        this.beforeWrite(a >> 8);
        this.bytes[a + this.bias] = value >>> (8 * i);
      } else {
        outside = a;
      }
      this.advance(1);
    }
    if (outside >= 0) this.reporter.report('remote-window', offset, outside);
  }

  /** What a 32-bit read would give, without moving anything. */
  peek(): number {
    let value = 0;
    let a = this.address;
    for (let i = 0; i < 4; i++) {
      const byte = i < this.count ? this.byteAt(a) : 0xff;
      value |= byte << (8 * i);
      a = this.next(a);
    }
    return value;
  }

  /** The port runs out of bytes, or out of the page, or meets an FCS that has not been computed yet. */
  private slowRead(bytes: number, offset: number): number {
    if (bytes > this.count) this.reporter.report('remote-count', offset, this.count);
    let value = 0;
    let outside = -1;
    for (let i = 0; i < bytes; i++) {
      if (this.count === 0) {
        value |= 0xff << (8 * i);
        continue;
      }
      const a = this.address;
      if (a < this.first || a >= this.end) outside = a;
      value |= this.byteAt(a) << (8 * i);
      this.advance(1);
    }
    if (outside >= 0) this.reporter.report('remote-window', offset, outside);
    return value;
  }

  private byteAt(address: number): number {
    if (address < this.first || address >= this.end) return 0xff;
    const page = address >> 8;
    if ((address & PAGE_MASK) >= (this.fcsFrom[page] as number)) this.ring.materialise(this.ring.pendingOn(page));
    return this.bytes[address + this.bias] as number;
  }

  /** An FCS that is still to be computed is made from the frame as it arrived, so before the host changes it. */
  private beforeWrite(page: number): void {
    if (this.ring.contains(page)) this.ring.settle();
  }

  private next(address: number): number {
    const next = address + 1;
    return next === this.ring.pstop << 8 ? (this.ring.pstart << 8) & 0xffff : next & 0xffff;
  }

  /** `bytes` never cross a page here. */
  private advance(bytes: number): void {
    const next = this.address + bytes;
    this.address = next === this.ring.pstop << 8 ? (this.ring.pstart << 8) & 0xffff : next & 0xffff;
    this.count -= bytes;
    if (this.count === 0) this.causes.raise(CAUSE_RDC);
  }
}
