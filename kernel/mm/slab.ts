/**
 * kmalloc: objects of fixed size classes carved from the host's RAM, with a reference count for each, held outside
 * the RAM so that a stray DMA cannot forge it.
 *
 * RAM is divided into chunks, each of which belongs to one class or to none. A chunk without a living object stays with
 * its class until another class finds no memory: then all such chunks are common again (kmem_cache_shrink).
 */
import type { Ram } from '../arch.ts';

/** The largest object (KMALLOC_MAX_SIZE with 4 KiB pages). */
export const KMALLOC_MAX_SIZE = 4 << 20;
/** Linux's kmalloc buckets from 64 bytes up (mm/slab_common.c), and the powers of 2 that ___kmalloc_large_node serves. */
const CLASSES = [64, 128, 192, 256];
for (let size = 512; size <= KMALLOC_MAX_SIZE; size *= 2) CLASSES.push(size);
const GRANULE_SHIFT = 6;
const CHUNK_SHIFT = 15;
/** Bytes in a chunk; an object of a larger class is a run of chunks. */
const CHUNK = 1 << CHUNK_SHIFT;
/** From a granule to its chunk. */
const GRANULES_SHIFT = CHUNK_SHIFT - GRANULE_SHIFT;
/** Owner of a chunk that an object beginning in an earlier one reaches into. */
const TAIL = 255;

/** Size class by (size + 63) >> 6, so that a lookup is one load. */
const class_of = new Uint8Array((KMALLOC_MAX_SIZE >> GRANULE_SHIFT) + 1);
for (let units = 0, cls = 0; units < class_of.length; units++) {
  if ((CLASSES[cls] as number) < units << GRANULE_SHIFT) cls++;
  class_of[units] = cls;
}

/** For whom memory is wanted: what cannot wait (interrupts, softirqs) may take the last of it; a process, and what can be done later, may not. */
export const GFP_ATOMIC = 0;
export const GFP_KERNEL = 1;

/**
 * Where a granule's numbers are kept: those 2048 bytes apart lie side by side, as packets' buffers do, so that a line of
 * cache holds those of sixteen.
 */
function place(granule: number): number {
  return (granule & ~511) | ((granule & 31) << 4) | ((granule >> 5) & 15);
}

export class Slab {
  readonly ram: Ram;
  /** References per granule: the count at an object's first granule, 0 when free. */
  private readonly refs: Int32Array;
  /** By chunk: class + 1, TAIL, or 0 for none; and how many of its objects are alive. */
  private readonly owner: Uint8Array;
  private readonly live: Int32Array;
  /** Free objects: a list per class, linked by granule index + 1. */
  private readonly heads = new Int32Array(CLASSES.length);
  private readonly links: Int32Array;
  /** Bytes and objects in use. */
  bytes_used = 0;
  objects_used = 0;
  /** Allocations that failed for want of memory. */
  failures = 0;
  /** Chunks of no class, and how many of them processes leave (min_free_kbytes). */
  private common: number;
  readonly min_free: number;

  constructor(ram: Ram) {
    this.ram = ram;
    const chunks = Math.ceil(ram.size / CHUNK);
    this.refs = new Int32Array(chunks << GRANULES_SHIFT);
    this.links = new Int32Array(chunks << GRANULES_SHIFT);
    this.owner = new Uint8Array(chunks);
    this.live = new Int32Array(chunks);
    this.common = chunks;
    // calculate_min_free_kbytes: KiB, four times the root of those that there are.
    this.min_free = Math.min(chunks >> 2, Math.floor((4 * Math.sqrt(ram.size / 1024) * 1024) / CHUNK));
  }

  /** The size that a request of `size` bytes really gets (kmalloc_size_roundup); 0 when it is too large. */
  static roundup(size: number): number {
    return size > KMALLOC_MAX_SIZE ? 0 : (CLASSES[class_of[(size + 63) >> GRANULE_SHIFT] as number] as number);
  }

  /** The address of a new object with one reference, or 0 when there is no memory for that use. Its bytes are not cleared. */
  kmalloc(size: number, gfp = GFP_ATOMIC): number {
    if (size > KMALLOC_MAX_SIZE) return this.fail();
    const cls = class_of[(size + 63) >> GRANULE_SHIFT] as number;
    let link = this.heads[cls] as number;
    if (link === 0) {
      if (!this.grow(cls, gfp)) return this.fail();
      link = this.heads[cls] as number;
    }
    const granule = link - 1;
    const chunk = granule >> GRANULES_SHIFT;
    this.heads[cls] = this.links[place(granule)] as number;
    this.refs[place(granule)] = 1;
    this.live[chunk] = (this.live[chunk] as number) + 1;
    this.bytes_used += CLASSES[cls] as number;
    this.objects_used++;
    return this.ram.base + (granule << GRANULE_SHIFT);
  }

  /** Takes one more reference to a live object. */
  get(address: number): void {
    const at = place((address - this.ram.base) >> GRANULE_SHIFT);
    this.refs[at] = (this.refs[at] as number) + 1;
  }

  /** References to the object at `address`: 0 when it is free or never was one. */
  count(address: number): number {
    return this.refs[place((address - this.ram.base) >> GRANULE_SHIFT)] ?? 0;
  }

  /** Gives one reference back; the last one frees the object. False: there was none to give (a double free). */
  put(address: number): boolean {
    const granule = (address - this.ram.base) >> GRANULE_SHIFT;
    const at = place(granule);
    const refs = this.refs[at] ?? 0;
    if (refs <= 0) return false;
    this.refs[at] = refs - 1;
    if (refs === 1) {
      const chunk = granule >> GRANULES_SHIFT;
      const cls = (this.owner[chunk] as number) - 1;
      this.links[at] = this.heads[cls] as number;
      this.heads[cls] = granule + 1;
      this.live[chunk] = (this.live[chunk] as number) - 1;
      this.bytes_used -= CLASSES[cls] as number;
      this.objects_used--;
    }
    return true;
  }

  private fail(): number {
    this.failures++;
    return 0;
  }

  /** A chunk, or several in a row, for a class that has no free object. False: there is no memory. */
  private grow(cls: number, gfp: number): boolean {
    const { owner, links, ram } = this;
    const size = CLASSES[cls] as number;
    const wanted = Math.max(1, size >> CHUNK_SHIFT);
    const least = gfp === GFP_KERNEL ? this.min_free + wanted : wanted;
    let chunk = this.common < least ? -1 : this.find(size);
    if (chunk < 0 && this.shrink() && this.common >= least) chunk = this.find(size);
    if (chunk < 0) return false;
    this.common -= wanted;
    owner[chunk] = cls + 1;
    owner.fill(TAIL, chunk + 1, chunk + wanted);
    const start = chunk << CHUNK_SHIFT;
    const count = Math.max(1, Math.floor(Math.min(CHUNK, ram.size - start) / size));
    let free = this.heads[cls] as number;
    for (let i = 0; i < count; i++) {
      const granule = (start + i * size) >> GRANULE_SHIFT;
      links[place(granule)] = free;
      free = granule + 1;
    }
    this.heads[cls] = free;
    return true;
  }

  /** The first of as many common chunks in a row as hold `size` bytes, or -1. */
  private find(size: number): number {
    const { owner, ram } = this;
    const wanted = Math.max(1, size >> CHUNK_SHIFT);
    let run = 0;
    for (let chunk = owner.indexOf(0); chunk >= 0 && chunk < owner.length; chunk++) {
      run = owner[chunk] === 0 ? run + 1 : 0;
      const first = chunk - wanted + 1;
      // The last chunk may be shorter than the others.
      if (run >= wanted && (first << CHUNK_SHIFT) + size <= ram.size) return first;
    }
    return -1;
  }

  /** Takes the chunks without a living object away from their classes. False: there is none. */
  private shrink(): boolean {
    const { owner, live, heads, links } = this;
    let found = false;
    for (let chunk = 0; chunk < owner.length; chunk++) {
      const kind = owner[chunk] as number;
      if (kind === 0 || kind === TAIL || live[chunk] !== 0) continue;
      found = true;
      owner[chunk] = 0;
      this.common++;
      for (let tail = chunk + 1; owner[tail] === TAIL; tail++) {
        owner[tail] = 0;
        this.common++;
      }
    }
    if (!found) return false;
    // What is left of each list, in its order.
    for (let cls = 0; cls < heads.length; cls++) {
      let last = -1;
      for (let link = heads[cls] as number; link !== 0; link = links[place(link - 1)] as number) {
        if (owner[(link - 1) >> GRANULES_SHIFT] === 0) continue;
        if (last < 0) heads[cls] = link;
        else links[last] = link;
        last = place(link - 1);
      }
      if (last < 0) heads[cls] = 0;
      else links[last] = 0;
    }
    return true;
  }
}
