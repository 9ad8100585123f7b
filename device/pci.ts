/**
 * PCI configuration space as a card shows it (PCI Local Bus 3.0, chapter 6), with what belongs to it: address decoding,
 * power management, MSI-X, function reset. It knows nothing of buses; an embedder puts it between its bus and the card.
 */

/** A window that the card asks its bus for. Its number is its place in the list. */
export interface BarSpec {
  readonly kind: 'memory' | 'io';
  /** Bytes, a power of two. */
  readonly size: number;
}

/** Where the message table of an MSI-X capability lies. */
export interface MessageSpec {
  readonly vectors: number;
  readonly bar: number;
  /** Offsets in that BAR. */
  readonly table: number;
  readonly pending: number;
}

/** What PCI configuration space tells of a card. */
export interface CardIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Base class, subclass, programming interface: 020000h is an Ethernet controller. */
  readonly classCode: number;
  readonly bars: readonly BarSpec[];
  readonly subsystemVendor?: number;
  readonly subsystem?: number;
  /** Capabilities: D0 and D3hot; MSI-X; function reset (Advanced Features). */
  readonly powerManagement?: boolean;
  readonly messages?: MessageSpec;
  readonly functionReset?: boolean;
}

/** What configuration space does to the card behind it. */
export interface PciTarget {
  functionReset?(): void;
  setMessages?(on: boolean, masked: boolean): void;
}

export const PCI_COMMAND = 0x04;
export const PCI_COMMAND_IO = 0x0001;
export const PCI_COMMAND_MEMORY = 0x0002;
export const PCI_COMMAND_MASTER = 0x0004;
export const PCI_COMMAND_INTX_DISABLE = 0x0400;
const COMMAND_WRITABLE = 0x0547;
const STATUS = 0x06;
const STATUS_INTERRUPT = 0x08;
const STATUS_CAPABILITIES = 0x10;
const CACHE_LINE = 0x0c;
const LATENCY = 0x0d;
const BAR0 = 0x10;
const BARS = 6;
const SUBSYSTEM = 0x2c;
const CAPABILITIES = 0x34;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;
const BYTES = 256;

export const CAP_PM = 0x01;
export const CAP_MSIX = 0x11;
export const CAP_AF = 0x13;
const PM_VERSION = 0x0003;
const PM_STATE = 0x03;
const D3_HOT = 3;
const MSIX_ENABLE = 0x8000;
const MSIX_MASK = 0x4000;
const AF_LENGTH = 6;
const AF_ABLE = 0x03;
const AF_FLR = 0x01;

export class ConfigSpace {
  /** Commands that hold now; 0 while the function sleeps. */
  command: number;
  private readonly identity: CardIdentity;
  private readonly target: PciTarget;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly writable: Uint8Array;
  private readonly bases: Float64Array;
  /** Of each BAR: its bytes while the command register lets it answer, else 0. Memory, then ports. */
  private readonly memory: Float64Array;
  private readonly ports: Float64Array;
  private readonly count: number;
  /** Offsets of the capabilities, 0 for none. */
  private pm: number;
  private msix: number;
  private af: number;

  constructor(identity: CardIdentity, target: PciTarget) {
    this.identity = identity;
    this.target = target;
    this.bytes = new Uint8Array(BYTES);
    this.view = new DataView(this.bytes.buffer);
    this.writable = new Uint8Array(BYTES);
    this.bases = new Float64Array(BARS);
    this.memory = new Float64Array(BARS);
    this.ports = new Float64Array(BARS);
    this.count = identity.bars.length;
    this.command = 0;
    this.pm = 0;
    this.msix = 0;
    this.af = 0;
    this.describe();
    this.capabilities();
  }

  private describe(): void {
    const { view, identity, writable } = this;
    const mask = new DataView(writable.buffer);
    view.setUint16(0, identity.vendor, true);
    view.setUint16(2, identity.device, true);
    view.setUint32(8, ((identity.classCode << 8) | identity.revision) >>> 0, true);
    view.setUint16(SUBSYSTEM, identity.subsystemVendor ?? identity.vendor, true);
    view.setUint16(SUBSYSTEM + 2, identity.subsystem ?? identity.device, true);
    view.setUint8(INTERRUPT_PIN, 1);
    mask.setUint16(PCI_COMMAND, COMMAND_WRITABLE, true);
    mask.setUint8(CACHE_LINE, 0xff);
    mask.setUint8(LATENCY, 0xf8);
    mask.setUint8(INTERRUPT_LINE, 0xff);
    identity.bars.forEach(({ kind, size }, i) => {
      mask.setUint32(BAR0 + 4 * i, (~(size - 1) & (kind === 'io' ? 0xfffffffc : 0xfffffff0)) >>> 0, true);
      if (kind === 'io') view.setUint32(BAR0 + 4 * i, 1, true);
    });
  }

  private capabilities(): void {
    const { view, identity } = this;
    const mask = new DataView(this.writable.buffer);
    let link = CAPABILITIES;
    let at = 0x40;
    const add = (id: number, size: number): number => {
      const here = at;
      view.setUint8(link, here);
      view.setUint8(here, id);
      link = here + 1;
      at += (size + 15) & ~15;
      return here;
    };
    if (identity.powerManagement === true) {
      this.pm = add(CAP_PM, 8);
      view.setUint16(this.pm + 2, PM_VERSION, true);
      mask.setUint16(this.pm + 4, PM_STATE, true);
    }
    if (identity.messages !== undefined) {
      const { vectors, bar, table, pending } = identity.messages;
      this.msix = add(CAP_MSIX, 12);
      view.setUint16(this.msix + 2, vectors - 1, true);
      view.setUint32(this.msix + 4, table | bar, true);
      view.setUint32(this.msix + 8, pending | bar, true);
      mask.setUint16(this.msix + 2, MSIX_ENABLE | MSIX_MASK, true);
    }
    if (identity.functionReset === true) {
      this.af = add(CAP_AF, AF_LENGTH);
      view.setUint8(this.af + 2, AF_LENGTH);
      view.setUint8(this.af + 3, AF_ABLE);
    }
    if (link !== CAPABILITIES) view.setUint16(STATUS, STATUS_CAPABILITIES, true);
  }

  /** Reads 8, 16 or 32 bits; an offset that is not a multiple of the width is rounded down. */
  read(offset: number, width: number): number {
    const at = offset & (BYTES - 1);
    if (width === 8) return this.view.getUint8(at);
    return width === 16 ? this.view.getUint16(at & ~1, true) : this.view.getUint32(at & ~3, true);
  }

  write(offset: number, width: number, value: number): void {
    const bytes = width >> 3;
    const at = offset & (BYTES - 1) & ~(bytes - 1);
    const slept = this.asleep;
    for (let i = 0; i < bytes; i++) {
      const mask = this.writable[at + i] as number;
      this.bytes[at + i] = ((this.bytes[at + i] as number) & ~mask) | ((value >>> (8 * i)) & mask);
    }
    if (this.af !== 0 && at <= this.af + 4 && this.af + 4 < at + bytes) {
      if (((value >>> (8 * (this.af + 4 - at))) & AF_FLR) !== 0) this.functionReset();
    }
    // Out of D3hot the function comes back as from a reset (No_Soft_Reset is 0).
    if (slept && !this.asleep) this.functionReset();
    this.refresh();
    if (this.msix !== 0 && at <= this.msix + 3 && this.msix + 2 < at + bytes) this.tellMessages();
  }

  /** What firmware does: the base of a BAR, and the number of the line behind the pin. */
  setBase(bar: number, base: number): void {
    this.write(BAR0 + 4 * bar, 32, base);
  }

  setLine(line: number): void {
    this.view.setUint8(INTERRUPT_LINE, line);
  }

  /** The BAR that answers to an address, or -1. */
  decode(kind: 'memory' | 'io', address: number): number {
    // Every register access comes by here: no look into the identity, whose frozen lists are slow.
    const { bases, count } = this;
    const sizes = kind === 'memory' ? this.memory : this.ports;
    for (let bar = 0; bar < count; bar++) {
      const offset = address - (bases[bar] as number);
      if (offset >= 0 && offset < (sizes[bar] as number)) return bar;
    }
    return -1;
  }

  base(bar: number): number {
    return this.bases[bar] as number;
  }

  /** Whether any of `size` addresses from `address` on is one of a BAR's. */
  touches(kind: 'memory' | 'io', address: number, size: number): boolean {
    const sizes = kind === 'memory' ? this.memory : this.ports;
    for (let bar = 0; bar < this.count; bar++) {
      const offset = address - this.base(bar);
      if (offset + size > 0 && offset < (sizes[bar] as number)) return true;
    }
    return false;
  }

  /** The BAR that all of `size` addresses from `address` on are of, and no other; -1: there is none. */
  covers(kind: 'memory' | 'io', address: number, size: number): number {
    const sizes = kind === 'memory' ? this.memory : this.ports;
    let found = -1;
    for (let bar = 0; bar < this.count; bar++) {
      const offset = address - this.base(bar);
      if (offset + size <= 0 || offset >= (sizes[bar] as number)) continue;
      if (found >= 0 || offset < 0 || offset + size > (sizes[bar] as number)) return -1;
      found = bar;
    }
    return found;
  }

  get mastering(): boolean {
    return (this.command & PCI_COMMAND_MASTER) !== 0;
  }

  /** The pin may be driven. */
  get pin(): boolean {
    return (this.command & PCI_COMMAND_INTX_DISABLE) === 0;
  }

  /** The status bit that shows the pin, whether it may be driven or not. */
  showInterrupt(asserted: boolean): void {
    const status = this.bytes[STATUS] as number;
    this.bytes[STATUS] = asserted ? status | STATUS_INTERRUPT : status & ~STATUS_INTERRUPT;
  }

  private get asleep(): boolean {
    return this.pm !== 0 && ((this.bytes[this.pm + 4] as number) & PM_STATE) === D3_HOT;
  }

  private functionReset(): void {
    const line = this.bytes[INTERRUPT_LINE] as number;
    for (let at = 0; at < BYTES; at++) this.bytes[at] = (this.bytes[at] as number) & ~(this.writable[at] as number);
    // The line is firmware's note to the system, nothing that the function uses.
    this.bytes[INTERRUPT_LINE] = line;
    this.refresh();
    this.target.functionReset?.();
  }

  private refresh(): void {
    const { identity, view } = this;
    for (let bar = 0; bar < identity.bars.length; bar++) {
      const mask = (identity.bars[bar] as BarSpec).kind === 'io' ? 0xfffffffc : 0xfffffff0;
      this.bases[bar] = (view.getUint32(BAR0 + 4 * bar, true) & mask) >>> 0;
    }
    const command = view.getUint16(PCI_COMMAND, true);
    this.command = this.asleep ? command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER) : command;
    identity.bars.forEach(({ kind, size }, bar) => {
      this.memory[bar] = kind === 'memory' && (this.command & PCI_COMMAND_MEMORY) !== 0 ? size : 0;
      this.ports[bar] = kind === 'io' && (this.command & PCI_COMMAND_IO) !== 0 ? size : 0;
    });
  }

  private tellMessages(): void {
    const control = this.view.getUint16(this.msix + 2, true);
    this.target.setMessages?.((control & MSIX_ENABLE) !== 0, (control & MSIX_MASK) !== 0);
  }
}
