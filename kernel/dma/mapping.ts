/** DMA memory as drivers see it (kernel/dma/mapping.c): I/O addresses, never CPU addresses, go to the card. */
import { DMA_BIDIRECTIONAL, type Iommu } from '../arch.ts';
import type { Kernel } from '../kernel.ts';

export { DMA_BIDIRECTIONAL, DMA_FROM_DEVICE, DMA_TO_DEVICE } from '../arch.ts';

/** A device that masters the bus. */
export interface device {
  readonly kernel: Kernel;
  readonly name: string;
  readonly iommu: Iommu;
  /** Coherent blocks alive, for the leak report at removal. */
  readonly coherent: Set<dma_region>;
}

/**
 * A block of coherent memory: descriptors live here. Loads and stores are little-endian and first bring the card up
 * to the present, so that what it wrote before now is seen. Offsets are bytes and must be multiples of the width.
 */
export class dma_region {
  readonly dev: device;
  readonly cpu_addr: number;
  readonly dma_addr: number;
  readonly size: number;
  private readonly kernel: Kernel;

  constructor(dev: device, cpu_addr: number, dma_addr: number, size: number) {
    this.dev = dev;
    this.kernel = dev.kernel;
    this.cpu_addr = cpu_addr;
    this.dma_addr = dma_addr;
    this.size = size;
  }

  /** A 32-bit load, as a signed number. */
  ld32(offset: number): number {
    const { clock, cost, arch, ram } = this.kernel;
    clock.now += cost.descriptor;
    if (clock.now > clock.time) arch.bus.sync();
    if (offset < 0 || offset + 4 > this.size) return this.stray(offset);
    return ram.i32[(this.cpu_addr + offset) >> 2] as number;
  }

  /** A 32-bit store. */
  st32(offset: number, value: number): void {
    const { clock, cost, arch, ram, trace } = this.kernel;
    clock.now += cost.descriptor;
    if (clock.now > clock.time) arch.bus.sync();
    if (offset < 0 || offset + 4 > this.size) {
      this.stray(offset);
      return;
    }
    const tp = trace.dma_coherent_store;
    if (tp !== null) tp(this, offset, value);
    ram.i32[(this.cpu_addr + offset) >> 2] = value;
  }

  /** Four 32-bit stores in a row: a descriptor. */
  st128(offset: number, w0: number, w1: number, w2: number, w3: number): void {
    const { clock, cost, ram, trace } = this.kernel;
    // Where nobody can see a moment between them they are one.
    const at = (this.cpu_addr + offset) >> 2;
    if (
      cost.descriptor === 0 &&
      clock.now === clock.time &&
      trace.dma_coherent_store === null &&
      offset >= 0 &&
      offset + 16 <= this.size
    ) {
      const { i32 } = ram;
      i32[at] = w0;
      i32[at + 1] = w1;
      i32[at + 2] = w2;
      i32[at + 3] = w3;
      return;
    }
    this.st32(offset, w0);
    this.st32(offset + 4, w1);
    this.st32(offset + 8, w2);
    this.st32(offset + 12, w3);
  }

  private stray(offset: number): number {
    this.kernel.arch.report(
      'dma',
      `${this.dev.name}: access at ${offset} outside a coherent block of ${this.size} bytes`,
    );
    return -1;
  }
}

/** dma_alloc_coherent: zeroed memory for both sides, or null. Address 4096-aligned on both sides. */
export function dma_alloc_coherent(dev: device, size: number): dma_region | null {
  const { slab, ram } = dev.kernel;
  const address = slab.kmalloc(Math.max(size, 4096));
  if (address === 0) return null;
  const iova = dev.iommu.map(address, size, DMA_BIDIRECTIONAL, true);
  if (iova === 0) {
    slab.put(address);
    return null;
  }
  ram.u8.fill(0, address, address + size);
  const region = new dma_region(dev, address, iova, size);
  dev.coherent.add(region);
  const tp = dev.kernel.trace.dma_alloc_coherent;
  if (tp !== null) tp(region);
  return region;
}

/** dma_free_coherent */
export function dma_free_coherent(region: dma_region): void {
  const { dev } = region;
  if (!dev.coherent.delete(region)) {
    dev.kernel.arch.report('dma', `${dev.name}: coherent block freed twice`);
    return;
  }
  dev.iommu.unmap(region.dma_addr, region.size, DMA_BIDIRECTIONAL, true);
  dev.kernel.slab.put(region.cpu_addr);
}

/** dma_map_single: the I/O address of [address, address + length) for the card; check it with dma_mapping_error. */
export function dma_map_single(dev: device, address: number, length: number, direction: number): number {
  const { clock, cost, trace } = dev.kernel;
  clock.now += cost.dma_map;
  const iova = dev.iommu.map(address, length, direction, false);
  const tp = trace.dma_map;
  if (tp !== null) tp(dev, address, iova, length);
  return iova;
}

/** dma_mapping_error: the mapping failed. */
export function dma_mapping_error(iova: number): boolean {
  return iova === 0;
}

/** dma_unmap_single: the buffer is the CPU's again. Length and direction must be those of the mapping. */
export function dma_unmap_single(dev: device, iova: number, length: number, direction: number): void {
  const { clock, trace } = dev.kernel;
  // What the card wrote before now must be there before its way is closed.
  if (clock.now > clock.time) dev.kernel.arch.bus.sync();
  const tp = trace.dma_unmap;
  if (tp !== null) tp(dev, iova, length);
  dev.iommu.unmap(iova, length, direction, false);
}

/** dma_sync_single_for_cpu: the driver may read the mapped buffer; the card may still write it later. */
export function dma_sync_single_for_cpu(dev: device, iova: number, length: number, _direction: number): void {
  const { clock, trace } = dev.kernel;
  if (clock.now > clock.time) dev.kernel.arch.bus.sync();
  const tp = trace.dma_sync_for_cpu;
  if (tp !== null) tp(dev, iova, length);
}
