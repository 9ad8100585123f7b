/**
 * A PCI slot with a card in it: configuration space, address decoding, the card's ports to its host (DMA through the
 * IOMMU, an interrupt line), and the tie between the card's own time and the simulation's.
 */
import type { CardIdentity } from '../../device/nic.ts';
import type { Dma, IrqLine, Station, Wire } from '../../device/ports.ts';
import type { PciFunction } from '../../kernel/arch.ts';
import type { Arena } from '../sim/arena.ts';
import type { Sim } from '../sim/sim.ts';
import type { Cable } from './cable.ts';
import type { LevelInterruptController } from './intc.ts';
import type { DeviceIommu } from './iommu.ts';

/** What a slot needs of the card in it (device/nic.ts, and any other card with the same contract). */
export interface Card extends Station {
  readonly identity: CardIdentity;
  readonly deadline: number;
  read(bar: number, offset: number, width: number): number;
  write(bar: number, offset: number, width: number, value: number): void;
  /** Stops whatever it is doing. */
  functionReset(): void;
  /** A link, or none. */
  setLink(up: boolean): void;
}

const COMMAND = 0x04;
const COMMAND_IO = 1;
const COMMAND_MEMORY = 2;
const COMMAND_MASTER = 4;
const COMMAND_WRITABLE = 0x0547;
const BAR0 = 0x10;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;
/** Copies up to this length are made byte by byte: cheaper than a call. */
const SMALL = 32;

export class CardSlot implements PciFunction, IrqLine {
  readonly slot: string;
  readonly iommu: DeviceIommu;
  private readonly sim: Sim;
  private readonly arena: Arena;
  private readonly intc: LevelInterruptController;
  private readonly line: number;
  private readonly config = new Uint8Array(256);
  private readonly view = new DataView(this.config.buffer);
  private readonly bases: number[] = [];
  private readonly sizes: number[] = [];
  private readonly kinds: ('memory' | 'io')[] = [];
  private command = 0;
  private asserted = false;
  private card!: Card;
  cable!: Cable;
  /** What the card's transmitter is plugged into. */
  wire: Wire | null = null;
  /** Pulled out: nobody answers. */
  removed = false;

  constructor(slot: string, sim: Sim, arena: Arena, intc: LevelInterruptController, line: number, iommu: DeviceIommu) {
    this.slot = slot;
    this.sim = sim;
    this.arena = arena;
    this.intc = intc;
    this.line = line;
    this.iommu = iommu;
  }

  /** Puts the card in and assigns its BARs, as firmware does: memory from `memoryBase`, ports from `ioBase`. */
  insert(card: Card, memoryBase: number, ioBase: number): void {
    this.card = card;
    const { vendor, device, revision, classCode, bars } = card.identity;
    const { view } = this;
    view.setUint16(0x00, vendor, true);
    view.setUint16(0x02, device, true);
    view.setUint32(0x08, ((classCode << 8) | revision) >>> 0, true);
    view.setUint8(INTERRUPT_LINE, this.line);
    view.setUint8(INTERRUPT_PIN, 1);
    bars.forEach((bar, i) => {
      this.kinds.push(bar.kind);
      this.sizes.push(bar.size);
      this.setBar(i, bar.kind === 'memory' ? memoryBase : ioBase);
    });
  }

  // ---- configuration space ------------------------------------------------------------------------------------

  readConfig(offset: number, width: 8 | 16 | 32): number {
    if (this.removed) return (0xffffffff >>> (32 - width)) >>> 0;
    if (width === 8) return this.view.getUint8(offset & 0xff);
    if (width === 16) return this.view.getUint16(offset & 0xfe, true);
    return this.view.getUint32(offset & 0xfc, true);
  }

  writeConfig(offset: number, width: 8 | 16 | 32, value: number): void {
    if (this.removed) return;
    if (offset === COMMAND) {
      this.command = value & COMMAND_WRITABLE;
      this.view.setUint16(COMMAND, this.command, true);
    } else if (offset === INTERRUPT_LINE) {
      this.view.setUint8(INTERRUPT_LINE, value);
    } else if (width === 32 && offset >= BAR0 && offset < BAR0 + 24) {
      const bar = (offset - BAR0) >> 2;
      if (bar < this.sizes.length) this.setBar(bar, value);
    }
  }

  private setBar(bar: number, value: number): void {
    const size = this.sizes[bar] as number;
    const base = (value & ~(size - 1)) >>> 0;
    this.bases[bar] = base;
    this.view.setUint32(BAR0 + bar * 4, this.kinds[bar] === 'io' ? (base | 1) >>> 0 : base, true);
  }

  // ---- from the bus -------------------------------------------------------------------------------------------

  /** The BAR that answers to an address, or -1. */
  decode(kind: 'memory' | 'io', address: number): number {
    if (this.removed || (this.command & (kind === 'memory' ? COMMAND_MEMORY : COMMAND_IO)) === 0) return -1;
    for (let bar = 0; bar < this.bases.length; bar++) {
      const offset = address - (this.bases[bar] as number);
      if (offset >= 0 && offset < (this.sizes[bar] as number) && this.kinds[bar] === kind) return bar;
    }
    return -1;
  }

  barBase(bar: number): number {
    return this.bases[bar] as number;
  }

  read(bar: number, offset: number, width: number): number {
    this.bringUp();
    const value = this.card.read(bar, offset, width);
    this.settle();
    return value;
  }

  write(bar: number, offset: number, width: number, value: number): void {
    this.bringUp();
    this.card.write(bar, offset, width, value);
    this.settle();
  }

  /** Brings card and wire up to the present. */
  sync(): void {
    this.bringUp();
    this.settle();
  }

  private bringUp(): void {
    const { now } = this.sim;
    const { link } = this.cable;
    if (link !== null) link.advance(now);
    this.card.advance(now);
  }

  private settle(): void {
    this.cable.refresh();
  }

  // ---- from the card ------------------------------------------------------------------------------------------

  setLevel(asserted: boolean): void {
    if (this.asserted === asserted || this.removed) return;
    this.asserted = asserted;
    const at = this.card === undefined ? this.sim.now : Math.max(this.card.time, this.sim.time);
    this.intc.setLevel(this.line, asserted, at);
  }

  /** The card's bus-master port. */
  readonly dma: Dma = {
    read: (address, into, at, length) => this.readDma(address, into, at, length),
    write: (address, from, at, length) => this.writeDma(address, from, at, length),
  };

  private readDma(address: number, into: Uint8Array, at: number, length: number): boolean {
    if ((this.command & COMMAND_MASTER) === 0 || this.removed) return false;
    const from = this.iommu.translate(address, length, false);
    if (from < 0) return false;
    copy(this.arena.u8, from, into, at, length);
    return true;
  }

  private writeDma(address: number, from: Uint8Array, at: number, length: number): boolean {
    if ((this.command & COMMAND_MASTER) === 0 || this.removed) return false;
    const to = this.iommu.translate(address, length, true);
    if (to < 0) return false;
    copy(from, at, this.arena.u8, to, length);
    return true;
  }

  /** Pulls the card out while everything runs: its line drops, nothing answers any more, and it hears nothing either. */
  surpriseRemove(): void {
    if (this.removed) return;
    this.bringUp();
    this.setLevel(false);
    this.removed = true;
    // Without power it does nothing more: no frame, no DMA, no interrupt.
    this.card.functionReset();
    this.card.setLink(false);
    this.settle();
  }
}

function copy(from: Uint8Array, at: number, to: Uint8Array, into: number, length: number): void {
  if (length <= SMALL) {
    for (let i = 0; i < length; i++) to[into + i] = from[at + i] as number;
  } else if (from === to) {
    to.copyWithin(into, at, at + length);
  } else {
    to.set(from.subarray(at, at + length), into);
  }
}
