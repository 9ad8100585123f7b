/** The machine behind a qtest connection: RAM at 0, the NE2000 at its ISA ports, the native card in memory, a clock. */
import { MacEeprom } from '../../device/eeprom.ts';
import { Ne2000 } from '../../device/ne2000.ts';
import { Nic } from '../../device/nic.ts';
import { type Dma, FCS_GOOD } from '../../device/ports.ts';
import { NE2000_PORTS } from '../../device/regs/ne2000.ts';
import { NIC_BAR_SIZE } from '../../device/regs/nic.ts';

export const NE2000_PORT = 0x300;
export const NE2000_IRQ = 10;
/** Where the native card's BAR 0 lies, fixed: there is no configuration space. */
export const NIC_ADDRESS = 0xe0000000;
export const NIC_IRQ = 11;
const NE2000_MEMORY = 16384;

export interface MachineOptions {
  /** RAM in bytes. */
  readonly ram: number;
  /** Six bytes: the NE2000's address; the native card's is one higher in its last byte. */
  readonly mac: Uint8Array;
  readonly rate: number | 'instant';
  /** The native card's packet memory in bytes. */
  readonly nicMemory: number;
}

function allOnes(width: number): number {
  return width === 32 ? 0xffffffff : 2 ** width - 1;
}

export class QtestMachine {
  readonly ram: Uint8Array;
  readonly ne2000: Ne2000;
  readonly nic: Nic;
  /** Nullable: an interrupt line changed. */
  onIrq: ((line: number, asserted: boolean) => void) | null = null;
  /** Nullable: a card has sent a frame; the bytes are valid during the call. */
  onFrame: ((bytes: Uint8Array, at: number, length: number) => void) | null = null;
  violations = 0;
  private now = 0;

  constructor(options: MachineOptions) {
    const { mac, rate } = options;
    this.ram = new Uint8Array(options.ram);
    const violations = { violation: (): void => void this.violations++ };
    const wire = {
      transmit: (bytes: Uint8Array, at: number, length: number): void => {
        if (this.onFrame !== null) this.onFrame(bytes, at, length);
      },
    };
    const irq = (line: number): { setLevel(asserted: boolean): void } => ({
      setLevel: asserted => {
        if (this.onIrq !== null) this.onIrq(line, asserted);
      },
    });
    const memory = (size: number): { bytes: Uint8Array; base: number; size: number } => ({
      bytes: new Uint8Array(size),
      base: 0,
      size,
    });
    const second = Uint8Array.from(mac);
    second[5] = (second[5] as number) + 1;
    this.ne2000 = new Ne2000({
      memory: memory(NE2000_MEMORY),
      irq: irq(NE2000_IRQ),
      wire,
      eeprom: new MacEeprom(mac),
      violations,
      rate,
    });
    this.nic = new Nic({
      memory: memory(options.nicMemory),
      dma: this.dma(),
      irq: irq(NIC_IRQ),
      wire,
      eeprom: new MacEeprom(second),
      violations,
      rate,
    });
  }

  private dma(): Dma {
    const { ram } = this;
    const inside = (address: number, length: number): boolean => address + length <= ram.length;
    return {
      read: (address, into, at, length) => {
        if (!inside(address, length)) return false;
        into.set(ram.subarray(address, address + length), at);
        return true;
      },
      write: (address, from, at, length) => {
        if (!inside(address, length)) return false;
        ram.set(from.subarray(at, at + length), address);
        return true;
      },
    };
  }

  /** Virtual time, ns. */
  get time(): number {
    return this.now;
  }

  /** The next moment at which a card wants something, Infinity for none. */
  get deadline(): number {
    return Math.min(this.ne2000.deadline, this.nic.deadline);
  }

  /** Lets virtual time run to `now`; never backwards. */
  advance(now: number): void {
    for (let at = this.deadline; at <= now && at !== Infinity; at = this.deadline) this.step(at);
    if (now > this.now) this.step(now);
  }

  private step(now: number): void {
    this.now = Math.max(this.now, now);
    this.ne2000.advance(this.now);
    this.nic.advance(this.now);
  }

  readPort(port: number, width: 8 | 16 | 32): number {
    const offset = port - NE2000_PORT;
    this.advance(this.now);
    return offset >= 0 && offset < NE2000_PORTS ? this.ne2000.read(0, offset, width) : allOnes(width);
  }

  writePort(port: number, width: 8 | 16 | 32, value: number): void {
    const offset = port - NE2000_PORT;
    this.advance(this.now);
    if (offset >= 0 && offset < NE2000_PORTS) this.ne2000.write(0, offset, width, value);
  }

  private onNic(address: number): boolean {
    return address >= NIC_ADDRESS && address < NIC_ADDRESS + NIC_BAR_SIZE;
  }

  /** A memory access: RAM, the native card, or nobody (all-ones; writes are lost). */
  readMemory(address: number, width: 8 | 16 | 32): number {
    if (this.onNic(address)) {
      this.advance(this.now);
      return this.nic.read(0, address - NIC_ADDRESS, width);
    }
    let value = 0;
    for (let i = width / 8 - 1; i >= 0; i--) value = value * 256 + (this.ram[address + i] ?? 0xff);
    return value;
  }

  writeMemory(address: number, width: 8 | 16 | 32, value: number): void {
    if (this.onNic(address)) {
      this.advance(this.now);
      this.nic.write(0, address - NIC_ADDRESS, width, value);
      return;
    }
    for (let i = 0; i < width / 8 && address + i < this.ram.length; i++) this.ram[address + i] = value / 2 ** (8 * i);
  }

  /** `length` bytes from `address` on; the card is read in words where they fit. */
  readBlock(address: number, length: number): Uint8Array {
    if (address + length <= this.ram.length) return this.ram.slice(address, address + length);
    const out = new Uint8Array(length);
    for (let i = 0; i < length; ) {
      const width = (address + i) % 4 === 0 && length - i >= 4 ? 32 : 8;
      const value = this.readMemory(address + i, width);
      for (let b = 0; b < width / 8; b++, i++) out[i] = value / 2 ** (8 * b);
    }
    return out;
  }

  writeBlock(address: number, bytes: Uint8Array): void {
    if (address + bytes.length <= this.ram.length) {
      this.ram.set(bytes, address);
      return;
    }
    for (let i = 0; i < bytes.length; ) {
      const width = (address + i) % 4 === 0 && bytes.length - i >= 4 ? 32 : 8;
      let value = 0;
      for (let b = width / 8 - 1; b >= 0; b--) value = value * 256 + (bytes[i + b] as number);
      this.writeMemory(address + i, width, value);
      i += width / 8;
    }
  }

  /** A frame from the wire, without FCS: every card hears it. */
  frameIn(bytes: Uint8Array): void {
    this.advance(this.now);
    this.ne2000.receive(bytes, 0, bytes.length, FCS_GOOD, 0);
    this.nic.receive(bytes, 0, bytes.length, FCS_GOOD, 0);
  }
}
