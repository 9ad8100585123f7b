/**
 * The IOMMU of one device: I/O addresses stand for mapped bytes of the host's RAM and for nothing else. An access
 * outside a mapping, or against its direction, faults; a wrong use of the DMA API is reported, as Linux's DMA-API
 * debug does.
 *
 * Each mapping begins on an I/O page of its own, so that a bound is exact to the byte. A freed page is used
 * again late: a stale address faults instead of hitting the next packet.
 */
import type { Iommu } from '../../kernel/arch.ts';

/** The first I/O address: above every CPU address, so that one passed by mistake faults. */
export const IOVA_BASE = 0x10000000;
const PAGE_SHIFT = 12;
const PAGE = 1 << PAGE_SHIFT;
const SINGLES = 4096;
const MULTIS = 1024;
/** A freed page rests until so many others were freed after it, or none is left. */
const REST = 256;
/** What the card may do with a mapping, by direction. */
const MAY_READ = 1;
const MAY_WRITE = 2;
const ALLOWED = [MAY_READ | MAY_WRITE, MAY_READ, MAY_WRITE];
const COHERENT = 4;
const NAMES = ['DMA_BIDIRECTIONAL', 'DMA_TO_DEVICE', 'DMA_FROM_DEVICE'];

/**
 * The record of an I/O page, in one piece so that an access touches one stretch of memory: the page its mapping starts at
 * plus one (0 for none), what the card may do there and COHERENT, the I/O address where the mapping ends, and what to add
 * to an I/O address for the RAM address.
 */
const RECORD = 4;
const OWNER = 0;
const FLAGS = 1;
const END = 2;
const DELTA = 3;

export type Report = (detector: string, message: string) => void;

export class DeviceIommu implements Iommu {
  private readonly name: string;
  private readonly report: Report;
  private readonly pages = new Int32Array((SINGLES + MULTIS) * RECORD);
  /** Free single pages, first in first out. */
  private readonly free = new Int32Array(SINGLES);
  private freeHead = 0;
  private freeCount = 0;
  /** Single pages from here on were never used. */
  private fresh = 0;
  /** Where the search for several pages in a row goes on. */
  private nextMany = SINGLES;
  /** Mappings alive, streaming and coherent. */
  streaming = 0;
  coherents = 0;
  faults = 0;

  constructor(name: string, report: Report) {
    this.name = name;
    this.report = report;
  }

  map(address: number, length: number, direction: number, coherent: boolean): number {
    if (length <= 0) {
      this.report('dma', `${this.name}: mapping of ${length} bytes`);
      return 0;
    }
    const pages = (length + PAGE - 1) >> PAGE_SHIFT;
    const first = pages === 1 ? this.takeSingle() : this.takeMany(pages);
    if (first < 0) return 0;
    const iova = IOVA_BASE + (first << PAGE_SHIFT);
    const records = this.pages;
    const flags = (ALLOWED[direction] as number) | (coherent ? COHERENT : 0);
    for (let at = first * RECORD; at < (first + pages) * RECORD; at += RECORD) {
      records[at + OWNER] = first + 1;
      records[at + FLAGS] = flags;
      records[at + END] = iova + length;
      records[at + DELTA] = address - iova;
    }
    if (coherent) this.coherents++;
    else this.streaming++;
    return iova;
  }

  unmap(iova: number, length: number, direction: number, coherent: boolean): boolean {
    const first = (iova - IOVA_BASE) >> PAGE_SHIFT;
    const records = this.pages;
    const head = first * RECORD;
    if ((iova & (PAGE - 1)) !== 0 || records[head + OWNER] !== first + 1) {
      this.report(
        'dma',
        `${this.name}: device driver tries to free DMA memory it has not allocated [address ${hex(iova)}]`,
      );
      return false;
    }
    const mapped = (records[head + END] as number) - iova;
    if (mapped !== length) {
      this.report(
        'dma',
        `${this.name}: device driver frees DMA memory with different size [map ${mapped}, unmap ${length}]`,
      );
    }
    const flags = records[head + FLAGS] as number;
    if ((flags & ~COHERENT) !== ALLOWED[direction]) {
      this.report(
        'dma',
        `${this.name}: device driver frees DMA memory with different direction [mapped ${name(flags)}, unmapped ${NAMES[direction]}]`,
      );
    }
    const wasCoherent = (flags & COHERENT) !== 0;
    if (wasCoherent !== coherent) {
      this.report('dma', `${this.name}: device driver frees DMA memory with wrong function`);
    }
    const pages = (mapped + PAGE - 1) >> PAGE_SHIFT;
    for (let at = head; at < head + pages * RECORD; at += RECORD) {
      records[at + OWNER] = 0;
      records[at + FLAGS] = 0;
    }
    if (wasCoherent) this.coherents--;
    else this.streaming--;
    if (pages === 1 && first < SINGLES) {
      this.free[(this.freeHead + this.freeCount) & (SINGLES - 1)] = first;
      this.freeCount++;
    }
    return true;
  }

  /**
   * The RAM address behind [iova, iova + length) for a card that reads (`write` false) or writes it; -1 for a fault,
   * which is reported.
   */
  translate(iova: number, length: number, write: boolean): number {
    const page = (iova - IOVA_BASE) >> PAGE_SHIFT;
    if (page >= 0 && page < SINGLES + MULTIS && length >= 0) {
      const records = this.pages;
      const at = page * RECORD;
      const flags = records[at + FLAGS] as number;
      if ((flags & (write ? MAY_WRITE : MAY_READ)) !== 0 && iova + length <= (records[at + END] as number)) {
        return iova + (records[at + DELTA] as number);
      }
    }
    return this.fault(iova, length, write, this.reason(iova, length));
  }

  private reason(iova: number, length: number): string {
    const owner = this.owner((iova - IOVA_BASE) >> PAGE_SHIFT);
    if (owner === 0) return 'no mapping';
    const at = (owner - 1) * RECORD;
    if (length < 0 || iova + length > (this.pages[at + END] as number)) return 'beyond the end of the mapping';
    return `mapped ${name(this.pages[at + FLAGS] as number)}`;
  }

  /** As translate, without a report: for tracing. 0 when there is no mapping. */
  peek(iova: number): number {
    const page = (iova - IOVA_BASE) >> PAGE_SHIFT;
    return this.owner(page) === 0 ? 0 : iova + (this.pages[page * RECORD + DELTA] as number);
  }

  /** The page at which the mapping of `page` starts plus one; 0 for none, and for what is no I/O page. */
  private owner(page: number): number {
    return page < 0 ? 0 : (this.pages[page * RECORD + OWNER] ?? 0);
  }

  private fault(iova: number, length: number, write: boolean, why: string): number {
    this.faults++;
    this.report(
      'iommu',
      `${this.name}: DMA ${write ? 'write' : 'read'} of ${length} bytes at ${hex(iova)} faulted: ${why}`,
    );
    return -1;
  }

  private takeSingle(): number {
    if (this.freeCount <= REST && this.fresh < SINGLES) return this.fresh++;
    if (this.freeCount === 0) return -1;
    const page = this.free[this.freeHead] as number;
    this.freeHead = (this.freeHead + 1) & (SINGLES - 1);
    this.freeCount--;
    return page;
  }

  /** Next fit: what was freed is taken again once the search has come round. */
  private takeMany(pages: number): number {
    const end = SINGLES + MULTIS;
    let first = this.findRun(this.nextMany, end, pages);
    if (first < 0) first = this.findRun(SINGLES, Math.min(this.nextMany + pages - 1, end), pages);
    if (first >= 0) this.nextMany = first + pages;
    return first;
  }

  /** The first of `pages` free pages in a row within [from, to), or -1. */
  private findRun(from: number, to: number, pages: number): number {
    let run = 0;
    for (let page = from; page < to; page++) {
      run = this.pages[page * RECORD + OWNER] === 0 ? run + 1 : 0;
      if (run === pages) return page - pages + 1;
    }
    return -1;
  }
}

/** What the direction of a mapping with these flags is called. */
function name(flags: number): string {
  return NAMES[ALLOWED.indexOf(flags & ~COHERENT)] as string;
}

function hex(value: number): string {
  return `${(value >>> 0).toString(16)}h`;
}
