/** Register access (asm/io.h): what `ioremap` or `pci_iomap` returned, and the accessors. */
import type { BusWindow } from './arch.ts';
import { COPY_PIO_IN, COPY_PIO_OUT } from './copies.ts';
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

// Port I/O (asm/io.h): `io` is what pci_iomap gave for a BAR of ports. Not posted: a write has arrived when it returns.

export function inb(io: iomem, offset: number): number {
  io.kernel.clock.now += io.kernel.cost.pio_access;
  return io.window.read(offset, 8);
}

export function inw(io: iomem, offset: number): number {
  io.kernel.clock.now += io.kernel.cost.pio_access;
  return io.window.read(offset, 16);
}

export function inl(io: iomem, offset: number): number {
  io.kernel.clock.now += io.kernel.cost.pio_access;
  return io.window.read(offset, 32);
}

export function outb(io: iomem, offset: number, value: number): void {
  io.kernel.clock.now += io.kernel.cost.pio_access;
  io.window.write(offset, 8, value);
}

export function outw(io: iomem, offset: number, value: number): void {
  io.kernel.clock.now += io.kernel.cost.pio_access;
  io.window.write(offset, 16, value);
}

export function outl(io: iomem, offset: number, value: number): void {
  io.kernel.clock.now += io.kernel.cost.pio_access;
  io.window.write(offset, 32, value);
}

/** Each access has its price already; that it is a copy is told to who listens. */
function tell_copy(kernel: Kernel, length: number, place: number): void {
  const tp = kernel.trace.copy;
  if (tp !== null) tp(place, length);
}

/** insw: `count` reads of 16 bits from one port into RAM at `address`. */
export function insw(io: iomem, offset: number, address: number, count: number): void {
  const { u8 } = io.kernel.ram;
  tell_copy(io.kernel, 2 * count, COPY_PIO_IN);
  for (let at = address, end = address + 2 * count; at < end; at += 2) {
    const value = inw(io, offset);
    u8[at] = value;
    u8[at + 1] = value >>> 8;
  }
}

/** outsw: `count` writes of 16 bits from RAM at `address` to one port. */
export function outsw(io: iomem, offset: number, address: number, count: number): void {
  const { u8 } = io.kernel.ram;
  tell_copy(io.kernel, 2 * count, COPY_PIO_OUT);
  for (let at = address, end = address + 2 * count; at < end; at += 2) {
    outw(io, offset, (u8[at] as number) | ((u8[at + 1] as number) << 8));
  }
}

/** insl: as insw, 32 bits. */
export function insl(io: iomem, offset: number, address: number, count: number): void {
  const { u8 } = io.kernel.ram;
  tell_copy(io.kernel, 4 * count, COPY_PIO_IN);
  for (let at = address, end = address + 4 * count; at < end; at += 4) {
    const value = inl(io, offset);
    u8[at] = value;
    u8[at + 1] = value >>> 8;
    u8[at + 2] = value >>> 16;
    u8[at + 3] = value >>> 24;
  }
}

/** outsl: as outsw, 32 bits. */
export function outsl(io: iomem, offset: number, address: number, count: number): void {
  const { u8 } = io.kernel.ram;
  tell_copy(io.kernel, 4 * count, COPY_PIO_OUT);
  for (let at = address, end = address + 4 * count; at < end; at += 4) {
    const low = (u8[at] as number) | ((u8[at + 1] as number) << 8);
    outl(io, offset, (low | ((u8[at + 2] as number) << 16) | ((u8[at + 3] as number) << 24)) >>> 0);
  }
}

/** udelay: busy-waits. The CPU's local time moves on, and the card's with it. */
export function udelay(kernel: Kernel, us: number): void {
  kernel.clock.now += us * 1000;
}
