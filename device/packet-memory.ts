import { copyBytes } from './bytes.ts';
import { CRC_START, crcUpdate, fcsValue } from './fcs.ts';
import { FCS_GOOD, type PacketMemory } from './ports.ts';
import { FIRST_PAGE, PAGE_SIZE } from './regs/nic.ts';

/** Bytes of page header before a frame, and of FCS after it. */
const HEADER = 4;
const FCS = 4;
const PAGE_SHIFT = 8;
const PAGE_MASK = PAGE_SIZE - 1;
/** Page numbers have eight bits: the next-page pointer of the header is one byte. */
const PAGE_NUMBERS = 256;
/** In `fcsFrom`: the page holds no FCS byte that is still to be computed. */
const NONE = PAGE_SIZE;

/** Above the header's status byte, in `frameStatus`: the kind of destination, for the descriptor. */
export const FRAME_MULTICAST = 0x100;
export const FRAME_BROADCAST = 0x200;

/**
 * Packet memory and the page ring in it (datasheet §2.1; DP8390D datasheet, "Buffer Ring").
 *
 * A frame takes ⌈(4 + length + 4) / 256⌉ pages: page header, frame, FCS. Free are the pages from CURR up to, not
 * including, BNRY: (BNRY − CURR) mod N. So the page BNRY is never written, and neither is anything unread.
 *
 * Besides the header in memory, which is the host's to read and to spoil, the ring keeps for each page whether a
 * frame starts there, with its length, status, next page and trace identity. The card goes by these alone.
 *
 * The FCS of a frame that came with FCS_GOOD is computed when somebody looks: a data port access to its bytes,
 * `materialise`, `settle`. A page that has been given back forgets an FCS that nobody looked at.
 */
export class PageRing {
  readonly bytes: Uint8Array;
  /** Copies within `bytes`. */
  readonly move: (into: number, from: number, length: number) => void;
  /** Sums over `bytes` (PacketMemory.sum), null where the embedder has nothing to offer. */
  readonly sum: ((at: number, length: number) => number) | null;
  /** Index in `bytes` of the first page. */
  readonly base: number;
  /** Number of the first page and of the page after the last one. */
  readonly firstPage: number;
  readonly endPage: number;

  /** Registers as they were written: any value. The engines look at them while `usable`. */
  pstart: number;
  pstop: number;
  curr: number;
  bnry: number;
  /** PSTART and PSTOP enclosed two pages or more inside packet memory when the ring was opened. */
  usable: boolean;

  /** By page number: length of the frame that starts there, 0 for none. */
  readonly frameLength: Int32Array;
  /** Header status in bits 7:0; above it whatever the receiver wants to remember. */
  readonly frameStatus: Int32Array;
  readonly frameNext: Int32Array;
  readonly frameId: Int32Array;
  /** By page: first offset that belongs to an FCS still to be computed, PAGE_SIZE for none; and whose it is. */
  readonly fcsFrom: Int32Array;
  private readonly fcsOwner: Int32Array;
  /** Frames whose FCS is still to be computed. */
  private pending: number;

  /** Throws when the memory is not 2 to 192 whole pages (page numbers end at FFh) or lies outside its array. */
  constructor(memory: PacketMemory, firstPage = FIRST_PAGE) {
    const pages = memory.size / PAGE_SIZE;
    if (!Number.isInteger(pages) || pages < 2 || firstPage + pages > PAGE_NUMBERS) {
      throw new Error(`packet memory of ${memory.size} bytes: 2 to ${PAGE_NUMBERS - firstPage} pages of 256 expected`);
    }
    if (memory.base < 0 || memory.base + memory.size > memory.bytes.length) {
      throw new Error('packet memory lies outside its array');
    }
    const { bytes } = memory;
    this.bytes = bytes;
    this.move = memory.move ?? ((into, from, length) => bytes.copyWithin(into, from, from + length));
    this.sum = memory.sum ?? null;
    this.base = memory.base;
    this.firstPage = firstPage;
    this.endPage = firstPage + pages;
    this.pstart = firstPage;
    this.pstop = this.endPage;
    this.curr = firstPage;
    this.bnry = this.endPage - 1;
    this.usable = false;
    this.frameLength = new Int32Array(PAGE_NUMBERS);
    this.frameStatus = new Int32Array(PAGE_NUMBERS);
    this.frameNext = new Int32Array(PAGE_NUMBERS);
    this.frameId = new Int32Array(PAGE_NUMBERS);
    this.fcsFrom = new Int32Array(PAGE_NUMBERS).fill(NONE);
    this.fcsOwner = new Int32Array(PAGE_NUMBERS);
    this.pending = 0;
  }

  /** Whether a ring from `pstart` to `pstop` lies inside packet memory and has at least two pages. */
  inBounds(): boolean {
    return this.pstart >= this.firstPage && this.pstop <= this.endPage && this.pstop - this.pstart >= 2;
  }

  /** Empties the ring between PSTART and PSTOP; gives false (and refuses every frame from now on) if they are no ring. */
  open(): boolean {
    this.forgetAll();
    this.usable = this.inBounds();
    this.curr = this.pstart;
    this.bnry = (this.pstop - 1) & 0xffff;
    return this.usable;
  }

  /** Forgets every frame and every FCS not yet computed. */
  forgetAll(): void {
    this.frameLength.fill(0);
    this.fcsFrom.fill(NONE);
    this.pending = 0;
  }

  /** PSTART or PSTOP move while the receiver is off: until the ring is opened again there is none. */
  close(): void {
    this.settle();
    this.usable = false;
  }

  /**
   * Bytes for a frame to send from page `tpsr` on: up to PSTART, or to the end of packet memory when `tpsr` is above
   * the ring; 0 when it lies inside the ring or outside packet memory.
   */
  transmitBytes(tpsr: number): number {
    if (tpsr < this.firstPage || tpsr >= this.endPage || this.contains(tpsr)) return 0;
    const end = tpsr < this.pstart && this.pstart < this.endPage ? this.pstart : this.endPage;
    return (end - tpsr) << PAGE_SHIFT;
  }

  /** Index in `bytes` of the first byte of `page`. */
  indexOf(page: number): number {
    return this.base + ((page - this.firstPage) << PAGE_SHIFT);
  }

  /** The page after `page` in the ring. */
  after(page: number): number {
    const next = page + 1;
    return next >= this.pstop ? this.pstart : next;
  }

  /** Pages a frame of `length` bytes takes. */
  pagesFor(length: number): number {
    return (HEADER + length + FCS + PAGE_MASK) >> PAGE_SHIFT;
  }

  /** Whether a frame of `length` bytes (without FCS) would be stored now. */
  room(length: number): boolean {
    if (!this.usable) return false;
    let free = this.bnry - this.curr;
    if (free < 0) free += this.pstop - this.pstart;
    return this.pagesFor(length) <= free;
  }

  /** Pages that may be written now. */
  get free(): number {
    if (!this.usable) return 0;
    const free = this.bnry - this.curr;
    return free < 0 ? free + this.pstop - this.pstart : free;
  }

  /** The first page of the oldest frame, 0 when every page has been given back. */
  oldest(): number {
    if (!this.usable) return 0;
    const page = this.after(this.bnry);
    return page === this.curr ? 0 : page;
  }

  /**
   * Stores a frame, for which there must be `room`, at CURR and moves CURR. `status`: bits 7:0 go into the header.
   * Gives the page of the header.
   */
  store(bytes: Uint8Array, at: number, length: number, fcs: number, status: number, id: number): number {
    const page = this.curr;
    let next = page + this.pagesFor(length);
    if (next >= this.pstop) next -= this.pstop - this.pstart;
    const b = this.bytes;
    const head = this.indexOf(page);
    b[head] = status;
    b[head + 1] = next;
    b[head + 2] = length + FCS;
    b[head + 3] = (length + FCS) >> 8;
    const into = head + HEADER;
    const straight = this.indexOf(this.pstop) - into;
    if (bytes === b) {
      this.move(into, at, Math.min(length, straight));
      if (length > straight) this.move(this.indexOf(this.pstart), at + straight, length - straight);
    } else if (length <= straight) {
      copyBytes(bytes, at, b, into, length);
    } else {
      copyBytes(bytes, at, b, into, straight);
      copyBytes(bytes, at + straight, b, this.indexOf(this.pstart), length - straight);
    }
    this.frameLength[page] = length;
    this.frameStatus[page] = status;
    this.frameNext[page] = next;
    this.frameId[page] = id;
    if (fcs === FCS_GOOD) this.deferFcs(page, length);
    else this.putFcs(page, length, fcs);
    this.curr = next;
    return page;
  }

  /**
   * `pages` pages from `page` on are about to be overwritten, read or not, for a register interface where the host moves
   * the pointers as it likes: frames that start there are forgotten, and of one that only ends there the FCS is made
   * first.
   */
  claim(page: number, pages: number): void {
    for (let i = 0, p = page; i < pages; i++, p = this.after(p)) this.forget(p);
    if (this.pending === 0) return;
    for (let i = 0, p = page; i < pages; i++, p = this.after(p)) {
      if (this.fcsFrom[p] !== NONE) this.materialise(this.fcsOwner[p] as number);
    }
  }

  /** Gives back the frame that starts at `page`, the oldest one: BNRY becomes its last page. */
  release(page: number): void {
    this.forget(page);
    const next = this.frameNext[page] as number;
    this.bnry = next === this.pstart ? this.pstop - 1 : next - 1;
  }

  /** The host gives back pages: every frame that starts on the pages after BNRY up to and including `page` is forgotten. */
  giveBack(page: number): void {
    // At most one turn: the ring was usable, and `page` lies in it.
    for (let p = this.bnry; p !== page; ) {
      p = this.after(p);
      this.forget(p);
    }
    this.bnry = page;
  }

  /** Whether `page` is BNRY or one of the unread pages after it, up to CURR. */
  unread(page: number): boolean {
    const turn = this.pstop - this.pstart;
    const ahead = page - this.bnry;
    const filled = this.curr - this.bnry;
    return (ahead < 0 ? ahead + turn : ahead) < (filled <= 0 ? filled + turn : filled);
  }

  /** Whether `page` lies between PSTART and PSTOP. */
  contains(page: number): boolean {
    return page >= this.pstart && page < this.pstop;
  }

  /** Computes the FCS of the frame that starts at `page`, if that is still to be done. */
  materialise(page: number): void {
    const length = this.frameLength[page] as number;
    if (length === 0) return;
    if (!this.deferred(page, this.fcsPage(page, length))) return;
    const from = this.indexOf(page) + HEADER;
    const straight = this.indexOf(this.pstop) - from;
    let crc = crcUpdate(CRC_START, this.bytes, from, Math.min(length, straight));
    if (length > straight) crc = crcUpdate(crc, this.bytes, this.indexOf(this.pstart), length - straight);
    this.putFcs(page, length, fcsValue(crc));
  }

  /** Computes every FCS that is still to be computed: before an inspector looks, before PSTART or PSTOP move. */
  settle(): void {
    if (this.pending === 0) return;
    for (let page = 0; page < PAGE_NUMBERS; page++) {
      if ((this.frameLength[page] as number) !== 0) this.materialise(page);
    }
  }

  /** The first page of the frame whose FCS on `page` is still to be computed; 0 for none. */
  pendingOn(page: number): number {
    return this.fcsFrom[page] === NONE ? 0 : (this.fcsOwner[page] as number);
  }

  /** The page that holds the first FCS byte. */
  private fcsPage(page: number, length: number): number {
    const at = page + ((HEADER + length) >> PAGE_SHIFT);
    return at >= this.pstop ? at - (this.pstop - this.pstart) : at;
  }

  /** Whether the FCS of the frame at `page`, on page `first`, is still to be computed. */
  private deferred(page: number, first: number): boolean {
    return this.fcsFrom[first] !== NONE && this.fcsOwner[first] === page;
  }

  private deferFcs(page: number, length: number): void {
    this.pending++;
    const first = this.fcsPage(page, length);
    const offset = (HEADER + length) & PAGE_MASK;
    this.fcsFrom[first] = offset;
    this.fcsOwner[first] = page;
    if (offset > PAGE_SIZE - FCS) {
      const second = this.after(first);
      this.fcsFrom[second] = 0;
      this.fcsOwner[second] = page;
    }
  }

  private putFcs(page: number, length: number, fcs: number): void {
    let at = this.indexOf(page) + HEADER + length;
    const stop = this.indexOf(this.pstop);
    if (at >= stop) at -= (this.pstop - this.pstart) << PAGE_SHIFT;
    for (let i = 0; i < FCS; i++) {
      this.bytes[at] = fcs >>> (8 * i);
      at = at + 1 === stop ? this.indexOf(this.pstart) : at + 1;
    }
    this.dropPending(page, length);
  }

  private dropPending(page: number, length: number): void {
    const first = this.fcsPage(page, length);
    if (!this.deferred(page, first)) return;
    this.pending--;
    this.fcsFrom[first] = NONE;
    if (((HEADER + length) & PAGE_MASK) > PAGE_SIZE - FCS) this.fcsFrom[this.after(first)] = NONE;
  }

  private forget(page: number): void {
    const length = this.frameLength[page] as number;
    if (length === 0) return;
    this.dropPending(page, length);
    this.frameLength[page] = 0;
  }
}
