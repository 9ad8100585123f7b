/**
 * The IOMMU of one device: I/O addresses stand for mapped bytes of the host's RAM and for nothing else. An access
 * outside a mapping, or against its direction, faults; a wrong use of the DMA API is reported, as Linux's DMA-API
 * debug does.
 *
 * Each mapping begins on an I/O page of its own, so that a bound is exact to the byte. Freed pages are used again as
 * late as possible: a stale address faults instead of hitting the next packet.
 */
import type { Iommu } from '../../kernel/arch.ts';

/** The first I/O address: above every CPU address, so that one passed by mistake faults. */
export const IOVA_BASE = 0x10000000;
const PAGE_SHIFT = 12;
const PAGE = 1 << PAGE_SHIFT;
const SINGLES = 4096;
const MULTIS = 1024;
/** What the card may do with a mapping, by direction. */
const MAY_READ = 1;
const MAY_WRITE = 2;
const ALLOWED = [MAY_READ | MAY_WRITE, MAY_READ, MAY_WRITE];
const NAMES = ['DMA_BIDIRECTIONAL', 'DMA_TO_DEVICE', 'DMA_FROM_DEVICE'];

export type Report = (detector: string, message: string) => void;

export class DeviceIommu implements Iommu {
  private readonly name: string;
  private readonly report: Report;
  /** By I/O page: the page its mapping starts at plus one, 0 for none. */
  private readonly owner = new Int32Array(SINGLES + MULTIS);
  /** By a mapping's first page: RAM address, bytes, direction, coherent. */
  private readonly physical = new Int32Array(SINGLES + MULTIS);
  private readonly bytes = new Int32Array(SINGLES + MULTIS);
  private readonly direction = new Uint8Array(SINGLES + MULTIS);
  /** By I/O page, for `translate`: what the card may do there, where the mapping ends, RAM address − I/O address. */
  private readonly allowed = new Uint8Array(SINGLES + MULTIS);
  private readonly end = new Int32Array(SINGLES + MULTIS);
  private readonly delta = new Int32Array(SINGLES + MULTIS);
  private readonly coherent = new Uint8Array(SINGLES + MULTIS);
  /** Free single pages, first in first out. */
  private readonly free = new Int32Array(SINGLES);
  private freeHead = 0;
  private freeCount = SINGLES;
  /** Where the search for several pages in a row goes on. */
  private nextMany = SINGLES;
  /** Mappings alive, streaming and coherent. */
  streaming = 0;
  coherents = 0;
  faults = 0;

  constructor(name: string, report: Report) {
    this.name = name;
    this.report = report;
    for (let page = 0; page < SINGLES; page++) this.free[page] = page;
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
    for (let page = first; page < first + pages; page++) {
      this.owner[page] = first + 1;
      this.allowed[page] = ALLOWED[direction] as number;
      this.end[page] = iova + length;
      this.delta[page] = address - iova;
    }
    this.physical[first] = address;
    this.bytes[first] = length;
    this.direction[first] = direction;
    this.coherent[first] = coherent ? 1 : 0;
    if (coherent) this.coherents++;
    else this.streaming++;
    return iova;
  }

  unmap(iova: number, length: number, direction: number, coherent: boolean): boolean {
    const first = (iova - IOVA_BASE) >> PAGE_SHIFT;
    if ((iova & (PAGE - 1)) !== 0 || this.owner[first] !== first + 1) {
      this.report(
        'dma',
        `${this.name}: device driver tries to free DMA memory it has not allocated [address ${hex(iova)}]`,
      );
      return false;
    }
    if (this.bytes[first] !== length) {
      this.report(
        'dma',
        `${this.name}: device driver frees DMA memory with different size [map ${this.bytes[first]}, unmap ${length}]`,
      );
    }
    if (this.direction[first] !== direction) {
      this.report(
        'dma',
        `${this.name}: device driver frees DMA memory with different direction [mapped ${NAMES[this.direction[first] as number]}, unmapped ${NAMES[direction]}]`,
      );
    }
    if ((this.coherent[first] === 1) !== coherent) {
      this.report('dma', `${this.name}: device driver frees DMA memory with wrong function`);
    }
    const pages = ((this.bytes[first] as number) + PAGE - 1) >> PAGE_SHIFT;
    for (let page = first; page < first + pages; page++) {
      this.owner[page] = 0;
      this.allowed[page] = 0;
    }
    if (this.coherent[first] === 1) this.coherents--;
    else this.streaming--;
    if (pages === 1 && first < SINGLES) {
      this.free[(this.freeHead + this.freeCount) % SINGLES] = first;
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
      const may = this.allowed[page] as number;
      if ((may & (write ? MAY_WRITE : MAY_READ)) !== 0 && iova + length <= (this.end[page] as number)) {
        return iova + (this.delta[page] as number);
      }
    }
    return this.fault(iova, length, write, this.reason(iova, length));
  }

  private reason(iova: number, length: number): string {
    const owner = iova >= IOVA_BASE ? (this.owner[(iova - IOVA_BASE) >> PAGE_SHIFT] ?? 0) : 0;
    if (owner === 0) return 'no mapping';
    const offset = iova - IOVA_BASE - (owner - 1) * PAGE;
    if (length < 0 || offset + length > (this.bytes[owner - 1] as number)) return 'beyond the end of the mapping';
    return `mapped ${NAMES[this.direction[owner - 1] as number]}`;
  }

  /** As translate, without a report: for tracing. 0 when there is no mapping. */
  peek(iova: number): number {
    const owner = this.owner[(iova - IOVA_BASE) >> PAGE_SHIFT] ?? 0;
    return owner === 0 ? 0 : (this.physical[owner - 1] as number) + (iova - IOVA_BASE - (owner - 1) * PAGE);
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
    if (this.freeCount === 0) return -1;
    const page = this.free[this.freeHead] as number;
    this.freeHead = (this.freeHead + 1) % SINGLES;
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
      run = this.owner[page] === 0 ? run + 1 : 0;
      if (run === pages) return page - pages + 1;
    }
    return -1;
  }
}

function hex(value: number): string {
  return `${(value >>> 0).toString(16)}h`;
}
