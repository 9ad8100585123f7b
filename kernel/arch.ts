/**
 * What the kernel needs from the machine it runs on. The machine (harness/machine) implements these; the kernel
 * imports nothing outside its own folder.
 */

/**
 * The one clock of a simulation, in ns.
 *
 * `time` is the time of the event that is being served: everything before it has happened everywhere. `now` is the
 * present of whoever runs: equal to `time` when a context starts, and moved on by what the context charges. What a
 * context causes elsewhere is scheduled at `now`. Both are whole numbers below 2^53.
 */
export interface Clock {
  readonly time: number;
  now: number;
  /** A re-armable event, made once by whoever owns it. `name` is for inspectors. */
  event(name: string, handler: () => void): ClockEvent;
  /** Arms `event` for `at` (never before `time`), moving it when it is armed already. Ties run in arming order. */
  schedule(event: ClockEvent, at: number): void;
  /** Disarms; no effect when it is not armed. */
  cancel(event: ClockEvent): void;
}

export interface ClockEvent {
  readonly name: string;
  readonly armed: boolean;
  /** Valid while armed. */
  readonly at: number;
}

/**
 * A host's RAM: the range [base, base + size) of the simulation's arena. Addresses in the kernel are offsets into
 * the views, so that a load needs no addition and DMA is a copy within one buffer. `base` is a multiple of 4096 and
 * never 0: address 0 is the null pointer.
 */
export interface Ram {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly dv: DataView;
  /** Copies `length` bytes from `from` to `into`, indices of u8; the ranges may overlap (memmove). */
  move(into: number, from: number, length: number): void;
  /** The plain sum of the little-endian 16-bit words from `at` on, the last byte of an odd length as a low one; length below 2^17, as an int32. */
  sum(at: number, length: number): number;
  readonly base: number;
  readonly size: number;
}

/** A mapped range of bus addresses (an `ioremap`). Values are unsigned; what nobody answers reads all-ones. */
export interface BusWindow {
  read(offset: number, width: 8 | 16 | 32): number;
  write(offset: number, width: 8 | 16 | 32, value: number): void;
}

export interface Bus {
  /** Memory-mapped: writes are posted. */
  mapMemory(address: number, size: number): BusWindow;
  /** Port I/O: never posted. */
  mapPorts(port: number, size: number): BusWindow;
  /** Brings every device of the machine up to the clock's `now`: what arrived before it has arrived. */
  sync(): void;
}

/** Delivers interrupts to CPUs. Lines are numbered from 0. */
export interface InterruptController {
  readonly lines: number;
  /** Where interrupts go: called once per delivery, between contexts; the kernel answers later with `eoi`. */
  connect(sink: InterruptSink): void;
  mask(irq: number): void;
  unmask(irq: number): void;
  /** End of interrupt: a level line that is still asserted is delivered again. */
  eoi(irq: number): void;
  setAffinity(irq: number, cpu: number): void;
}

export interface InterruptSink {
  interrupt(cpu: number, irq: number): void;
}

/** Directions of a DMA mapping, as in Linux. */
export const DMA_BIDIRECTIONAL = 0;
export const DMA_TO_DEVICE = 1;
export const DMA_FROM_DEVICE = 2;

/** One device's I/O page table. Misuse of the API is reported by the machine, as Linux's DMA-API debug does. */
export interface Iommu {
  /** The I/O address of [address, address + length), or 0 when the table is full. */
  map(address: number, length: number, direction: number, coherent: boolean): number;
  /** False when there is no such mapping (reported). */
  unmap(iova: number, length: number, direction: number, coherent: boolean): boolean;
}

/** A function in a PCI slot, as configuration space shows it. */
export interface PciFunction {
  readonly slot: string;
  readonly iommu: Iommu;
  /** The first of the interrupt numbers that the machine keeps for this function's messages (MSI-X); 0 for none. */
  readonly messages: number;
  readConfig(offset: number, width: 8 | 16 | 32): number;
  writeConfig(offset: number, width: 8 | 16 | 32, value: number): void;
}

/** A named stream of chance: 32 bits, unsigned, at a time. */
export interface RandomStream {
  u32(): number;
}

/** Something a detector found: a leak, a double free, misuse of an API. */
export interface Finding {
  readonly detector: string;
  readonly message: string;
  readonly time: number;
}

export interface Arch {
  readonly cpus: number;
  readonly clock: Clock;
  readonly ram: Ram;
  readonly bus: Bus;
  readonly intc: InterruptController;
  readonly pci: readonly PciFunction[];
  random(name: string): RandomStream;
  report(detector: string, message: string): void;
}
