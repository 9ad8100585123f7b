/** Register access (asm/io.h): what `ioremap` or `pci_iomap` returned, and the accessors. */
import type { BusWindow } from './arch.ts';
import type { Kernel } from './kernel.ts';

/** A mapped register window. The kernel charges for each access; the machine's bus does the rest. */
export class iomem {
  readonly kernel: Kernel;
  readonly window: BusWindow;

  constructor(kernel: Kernel, window: BusWindow) {
    this.kernel = kernel;
    this.window = window;
  }
}

/** readl: 32 bits, unsigned; all-ones where nobody answers. */
export function readl(io: iomem, offset: number): number {
  io.kernel.clock.now += io.kernel.cost.mmio_read;
  return io.window.read(offset, 32);
}

/** writel: posted. It reaches the card in order, with the next read at the latest. */
export function writel(io: iomem, offset: number, value: number): void {
  io.kernel.clock.now += io.kernel.cost.mmio_write;
  io.window.write(offset, 32, value);
}

export function readw(io: iomem, offset: number): number {
  io.kernel.clock.now += io.kernel.cost.mmio_read;
  return io.window.read(offset, 16);
}

export function readb(io: iomem, offset: number): number {
  io.kernel.clock.now += io.kernel.cost.mmio_read;
  return io.window.read(offset, 8);
}

export function writew(io: iomem, offset: number, value: number): void {
  io.kernel.clock.now += io.kernel.cost.mmio_write;
  io.window.write(offset, 16, value);
}

export function writeb(io: iomem, offset: number, value: number): void {
  io.kernel.clock.now += io.kernel.cost.mmio_write;
  io.window.write(offset, 8, value);
}

/** udelay: busy-waits. The CPU's local time moves on, and the card's with it. */
export function udelay(kernel: Kernel, us: number): void {
  kernel.clock.now += us * 1000;
}
