/**
 * A PCI slot with a card in it: configuration space, address decoding, the card's ports to its host (DMA through the
 * IOMMU, an interrupt line, messages), and the tie between the card's own time and the simulation's.
 */
import { copyBytes } from '../../device/bytes.ts';
import { type CardIdentity, ConfigSpace, type PciTarget } from '../../device/pci.ts';
import type { Dma, IrqLine, Station, Wire } from '../../device/ports.ts';
import type { PciFunction } from '../../kernel/arch.ts';
import type { Arena } from '../sim/arena.ts';
import type { Sim } from '../sim/sim.ts';
import type { Cable } from './cable.ts';
import type { LevelInterruptController } from './intc.ts';
import type { DeviceIommu } from './iommu.ts';

/** What a slot needs of the card in it (device/nic.ts, and any other card with the same contract). */
export interface Card extends Station, PciTarget {
  readonly identity: CardIdentity;
  readonly deadline: number;
  read(bar: number, offset: number, width: number): number;
  write(bar: number, offset: number, width: number, value: number): void;
  /** Stops whatever it is doing. */
  functionReset(): void;
  /** A link, or none. */
  setLink(up: boolean): void;
}

export class CardSlot implements PciFunction, IrqLine {
  readonly slot: string;
  readonly iommu: DeviceIommu;
  readonly messages: number;
  /** The card's bus-master port. */
  readonly dma: SlotDma;
  private readonly sim: Sim;
  private readonly intc: LevelInterruptController;
  private readonly line: number;
  private config!: ConfigSpace;
  private card!: Card;
  private asserted = false;
  /** What the line hears. */
  private driven = false;
  cable!: Cable;
  /** The card's number on the cable `tied`. */
  private tied: Cable | null = null;
  private part = -1;
  /** What the card's transmitter is plugged into. */
  wire: Wire | null = null;
  private gone = false;
  /** Told when the card may answer to other addresses than before. */
  remapped: () => void = () => {};

  /** `messages`: the first of the interrupt numbers that the host keeps for this slot's messages. */
  constructor(
    slot: string,
    sim: Sim,
    arena: Arena,
    intc: LevelInterruptController,
    line: number,
    iommu: DeviceIommu,
    messages = 0,
  ) {
    this.slot = slot;
    this.sim = sim;
    this.intc = intc;
    this.line = line;
    this.iommu = iommu;
    this.messages = messages;
    this.dma = new SlotDma(iommu, arena.u8);
  }

  /** Pulled out: nobody answers. */
  get removed(): boolean {
    return this.gone;
  }

  set removed(gone: boolean) {
    this.gone = gone;
    this.remapped();
  }

  /** Puts the card in and assigns its BARs, as firmware does: memory from `memoryBase`, ports from `ioBase`. */
  insert(card: Card, memoryBase: number, ioBase: number): void {
    this.card = card;
    this.config = new ConfigSpace(card.identity, card);
    this.config.setLine(this.line);
    let memory = memoryBase;
    let ports = ioBase;
    card.identity.bars.forEach(({ kind, size }, i) => {
      this.config.setBase(i, kind === 'memory' ? memory : ports);
      if (kind === 'memory') memory += size;
      else ports += size;
    });
  }

  // ---- configuration space ------------------------------------------------------------------------------------

  readConfig(offset: number, width: 8 | 16 | 32): number {
    if (this.removed) return (0xffffffff >>> (32 - width)) >>> 0;
    return this.config.read(offset, width);
  }

  writeConfig(offset: number, width: 8 | 16 | 32, value: number): void {
    if (this.removed) return;
    this.bringUp();
    this.config.write(offset, width, value);
    this.remapped();
    this.dma.on = this.config.mastering;
    this.drive();
    this.settle();
  }

  // ---- from the bus -------------------------------------------------------------------------------------------

  /** The BAR that answers to an address, or -1. */
  decode(kind: 'memory' | 'io', address: number): number {
    return this.removed ? -1 : this.config.decode(kind, address);
  }

  /** Whether any of these addresses is one of the card's. */
  touches(kind: 'memory' | 'io', address: number, size: number): boolean {
    return !this.removed && this.config.touches(kind, address, size);
  }

  /** The BAR that answers to all of these addresses, and no other of the card's; -1: none. */
  covers(kind: 'memory' | 'io', address: number, size: number): number {
    return this.removed ? -1 : this.config.covers(kind, address, size);
  }

  barBase(bar: number): number {
    return this.config.base(bar);
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
    this.cable.bringUp(now);
    this.card.advance(now);
  }

  private settle(): void {
    const { cable } = this;
    if (cable !== this.tied) {
      this.tied = cable;
      this.part = cable.indexOf(this.card);
    }
    cable.accessed(this.part, this.card.deadline);
  }

  // ---- from the card ------------------------------------------------------------------------------------------

  setLevel(asserted: boolean): void {
    if (this.asserted === asserted || this.removed) return;
    this.asserted = asserted;
    this.drive();
  }

  /** Its data is the number of the interrupt at the host's controller. It is a write, so it needs bus mastering. */
  message(_vector: number, data: number): void {
    if (this.dma.on) this.intc.message(data, this.present);
  }

  /** The line is what the pin says, unless the command register or an empty slot keeps it quiet. */
  private drive(): void {
    // A card may move its pin while it is being made, before it is in its slot.
    const config = this.config as ConfigSpace | undefined;
    if (config !== undefined) config.showInterrupt(this.asserted);
    const on = this.asserted && !this.removed && config?.pin !== false;
    if (on === this.driven) return;
    this.driven = on;
    this.intc.setLevel(this.line, on, this.present);
  }

  private get present(): number {
    const card = this.card as Card | undefined;
    return card === undefined ? this.sim.now : Math.max(card.time, this.sim.time);
  }

  /** Pulls the card out while everything runs: its line drops, nothing answers any more, and it hears nothing either. */
  surpriseRemove(): void {
    if (this.removed) return;
    this.bringUp();
    this.removed = true;
    this.dma.on = false;
    this.drive();
    // Without power it does nothing more: no frame, no DMA, no interrupt.
    this.card.functionReset();
    this.card.setLink(false);
    this.settle();
  }
}

/** The arena behind the device's IOMMU. */
class SlotDma implements Dma {
  /** Bus mastering is on, and the card in its slot. */
  on: boolean;
  readonly direct: Uint8Array;
  private readonly iommu: DeviceIommu;

  constructor(iommu: DeviceIommu, memory: Uint8Array) {
    this.on = false;
    this.direct = memory;
    this.iommu = iommu;
  }

  locate(address: number, length: number, write: boolean): number {
    return this.on ? this.iommu.translate(address, length, write) : -1;
  }

  read(address: number, into: Uint8Array, at: number, length: number): boolean {
    const from = this.locate(address, length, false);
    if (from < 0) return false;
    copyBytes(this.direct, from, into, at, length);
    return true;
  }

  write(address: number, from: Uint8Array, at: number, length: number): boolean {
    const to = this.locate(address, length, true);
    if (to < 0) return false;
    copyBytes(from, at, this.direct, to, length);
    return true;
  }
}
