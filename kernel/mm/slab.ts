/**
 * kmalloc: objects of fixed size classes carved from the host's RAM, with a reference count for each, held outside
 * the RAM so that a stray DMA cannot forge it. Freed objects go back to their class and are never merged.
 */
import type { Ram } from '../arch.ts';

/** Linux's kmalloc buckets from 64 bytes up (mm/slab_common.c). */
const CLASSES = [64, 128, 192, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072];
const GRANULE_SHIFT = 6;
/** Objects of a class are carved from RAM in chunks of at least this many bytes. */
const CHUNK = 32768;

/** Size class by (size + 63) >> 6, so that a lookup is one load. */
const class_of = new Uint8Array((131072 >> GRANULE_SHIFT) + 1);
for (let units = 0; units < class_of.length; units++) {
  class_of[units] = CLASSES.findIndex(size => size >= units << GRANULE_SHIFT);
}

export class Slab {
  readonly ram: Ram;
  /** References per granule: the count at an object's first granule, 0 when free. */
  private readonly refs: Int32Array;
  /** Class + 1 at an object's first granule, kept after a free: what the address was. */
  private readonly kind: Uint8Array;
  /** Free objects: a list per class, linked by granule index + 1. */
  private readonly heads = new Int32Array(CLASSES.length);
  private readonly links: Int32Array;
  private top: number;
  private readonly limit: number;
  /** Bytes and objects in use. */
  bytes_used = 0;
  objects_used = 0;
  /** Allocations that failed for want of memory. */
  failures = 0;

  constructor(ram: Ram) {
    this.ram = ram;
    const granules = ram.size >> GRANULE_SHIFT;
    this.refs = new Int32Array(granules);
    this.kind = new Uint8Array(granules);
    this.links = new Int32Array(granules);
    this.top = ram.base;
    this.limit = ram.base + ram.size;
  }

  /** The size that a request of `size` bytes really gets (kmalloc_size_roundup); 0 when it is too large. */
  static roundup(size: number): number {
    return size > 131072 ? 0 : (CLASSES[class_of[(size + 63) >> GRANULE_SHIFT] as number] as number);
  }

  /** The address of a new object with one reference, or 0 when there is no memory. Its bytes are not cleared. */
  kmalloc(size: number): number {
    if (size > 131072) return this.fail();
    const cls = class_of[(size + 63) >> GRANULE_SHIFT] as number;
    let link = this.heads[cls] as number;
    if (link === 0) {
      if (!this.grow(cls)) return this.fail();
      link = this.heads[cls] as number;
    }
    const granule = link - 1;
    this.heads[cls] = this.links[granule] as number;
    this.refs[granule] = 1;
    this.bytes_used += CLASSES[cls] as number;
    this.objects_used++;
    return this.ram.base + (granule << GRANULE_SHIFT);
  }

  /** Takes one more reference to a live object. */
  get(address: number): void {
    const granule = (address - this.ram.base) >> GRANULE_SHIFT;
    this.refs[granule] = (this.refs[granule] as number) + 1;
  }

  /** References to the object at `address`: 0 when it is free or never was one. */
  count(address: number): number {
    return this.refs[(address - this.ram.base) >> GRANULE_SHIFT] ?? 0;
  }

  /** Gives one reference back; the last one frees the object. False: there was none to give (a double free). */
  put(address: number): boolean {
    const granule = (address - this.ram.base) >> GRANULE_SHIFT;
    const refs = this.refs[granule] ?? 0;
    if (refs <= 0) return false;
    this.refs[granule] = refs - 1;
    if (refs === 1) {
      const cls = (this.kind[granule] as number) - 1;
      this.links[granule] = this.heads[cls] as number;
      this.heads[cls] = granule + 1;
      this.bytes_used -= CLASSES[cls] as number;
      this.objects_used--;
    }
    return true;
  }

  private fail(): number {
    this.failures++;
    return 0;
  }

  private grow(cls: number): boolean {
    const size = CLASSES[cls] as number;
    const count = Math.max(1, Math.floor(CHUNK / size));
    let made = 0;
    // Page alignment for page-sized objects, so that one never straddles more I/O pages than it must.
    if (size >= 4096) this.top = (this.top + 4095) & ~4095;
    for (; made < count && this.top + size <= this.limit; made++) {
      const granule = (this.top - this.ram.base) >> GRANULE_SHIFT;
      this.kind[granule] = cls + 1;
      this.links[granule] = this.heads[cls] as number;
      this.heads[cls] = granule + 1;
      this.top += size;
    }
    return made > 0;
  }
}
