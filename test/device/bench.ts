/** A bench for the card alone: plain host RAM, a wire that remembers, a pin, a notebook for violations. */

import { MacEeprom } from '../../device/eeprom.ts';
import { fcsOf } from '../../device/fcs.ts';
import { Nic, type NicOptions } from '../../device/nic.ts';
import type { Dma, IrqLine, PacketMemory, ViolationSink, Wire } from '../../device/ports.ts';
import { RXD, TXD } from '../../device/regs/desc.ts';
import type { Reg } from '../../device/regs/describe.ts';
import { NIC } from '../../device/regs/nic.ts';

/** I/O address of the first byte of host RAM: a card that uses an index as an address faults. */
export const RAM_BASE = 0x10000;

/** Host RAM behind a trivial bus: addresses RAM_BASE.., everything else faults. */
export class HostRam implements Dma {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Access number from which on every access faults; Infinity for none. */
  faultAfter = Infinity;
  /** I/O addresses in [from, to) fault. */
  badFrom = 0;
  badTo = 0;
  accesses = 0;
  log: string[] | null = null;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  private index(address: number, length: number): number {
    this.accesses++;
    if (this.accesses > this.faultAfter) return -1;
    if (address < this.badTo && address + length > this.badFrom) return -1;
    const index = address - RAM_BASE;
    return index >= 0 && index + length <= this.bytes.length ? index : -1;
  }

  read(address: number, into: Uint8Array, at: number, length: number): boolean {
    const index = this.index(address, length);
    if (index < 0) return false;
    if (at < 0 || at + length > into.length) throw new Error(`DMA read leaves its target: ${at}+${length}`);
    for (let i = 0; i < length; i++) into[at + i] = this.bytes[index + i] as number;
    return true;
  }

  write(address: number, from: Uint8Array, at: number, length: number): boolean {
    const index = this.index(address, length);
    if (index < 0) return false;
    if (at < 0 || at + length > from.length) throw new Error(`DMA write leaves its source: ${at}+${length}`);
    this.log?.push(`${address.toString(16)}+${length}`);
    this.bytes.set(from.subarray(at, at + length), index);
    return true;
  }
}

export interface SentFrame {
  readonly bytes: Uint8Array;
  readonly fcs: number;
  readonly id: number;
  readonly time: number;
}

export interface Violation {
  readonly rule: string;
  readonly offset: number;
  readonly value: number;
  readonly time: number;
}

export const MAC = Uint8Array.of(0x02, 0, 0, 0, 0, 0x02);
const GUARD = 4096;
const GUARD_BYTE = 0xa5;

/** Where things lie in host RAM. */
export const RX_RING = RAM_BASE + 0x1000;
export const TX_RING = RAM_BASE + 0x2000;
export const RX_BUFFERS = RAM_BASE + 0x10000;
export const TX_BUFFERS = RAM_BASE + 0x80000;
export const BUFFER = 2048;

export class Bench implements IrqLine, Wire, ViolationSink {
  readonly nic: Nic;
  readonly ram: HostRam;
  /** Card memory with guard zones on both sides. */
  readonly arena: Uint8Array;
  readonly memory: PacketMemory;
  readonly sent: SentFrame[] = [];
  readonly violations: Violation[] = [];
  level = false;
  edges = 0;
  rxCount = 0;
  txCount = 0;
  /** The tag of descriptors with VLE. */
  txTag = 0;
  readonly messages: [vector: number, data: number][] = [];

  constructor(options: Partial<NicOptions> & { size?: number } = {}) {
    const size = options.size ?? 4096;
    this.arena = new Uint8Array(size + 2 * GUARD).fill(GUARD_BYTE);
    this.memory = { bytes: this.arena, base: GUARD, size };
    this.arena.fill(0, GUARD, GUARD + size);
    this.ram = new HostRam(0x100000);
    this.nic = new Nic({
      memory: this.memory,
      dma: this.ram,
      irq: this,
      wire: this,
      eeprom: new MacEeprom(MAC),
      violations: this,
      rate: 'instant',
      ...options,
    });
  }

  setLevel(asserted: boolean): void {
    if (asserted === this.level) throw new Error('the line heard of a level that did not change');
    this.level = asserted;
    this.edges++;
  }

  message(vector: number, data: number): void {
    this.messages.push([vector, data]);
  }

  transmit(bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void {
    this.sent.push({ bytes: bytes.slice(at, at + length), fcs, id, time: this.nic.time });
  }

  violation(rule: string, offset: number, value: number, time: number): void {
    this.violations.push({ rule, offset, value, time });
  }

  /** Rules broken so far, and forgets them. */
  rules(): string[] {
    return this.violations.splice(0).map(violation => violation.rule);
  }

  read(reg: Reg<string>): number {
    return this.nic.read(0, reg.offset, 32);
  }

  write(reg: Reg<string>, value: number): void {
    this.nic.write(0, reg.offset, 32, value);
  }

  peek(reg: Reg<string>): number {
    return this.nic.peek(reg.offset);
  }

  guardsIntact(): boolean {
    const { arena } = this;
    for (let i = 0; i < GUARD; i++) {
      if (arena[i] !== GUARD_BYTE || arena[arena.length - 1 - i] !== GUARD_BYTE) return false;
    }
    return true;
  }

  /** Station address, filter and interrupts as a driver would set them; `ctrl` on top. */
  start(ctrl: number, rcr = NIC.RCR.PRO.mask): void {
    this.write(NIC.MAC0, 0x00000002);
    this.write(NIC.MAC1, 0x0200);
    this.write(NIC.RCR, rcr);
    this.write(NIC.ISR, 0xffff & 0x3ff);
    this.write(NIC.CTRL, ctrl);
  }

  /** A receive ring of `count` descriptors with `give` of them given to the card. */
  rxRing(count: number, give: number, bufferSize = BUFFER, flags = 0): void {
    this.rxCount = count;
    for (let i = 0; i < count; i++) this.rxGive(i);
    this.write(NIC.RDBA, RX_RING);
    this.write(NIC.RDLEN, count);
    this.write(NIC.RDT, give);
    this.write(NIC.RDCTL, NIC.RDCTL.EN.mask | flags | (bufferSize << 16));
  }

  rxGive(index: number): void {
    this.rxDescriptor(index, RX_BUFFERS + index * BUFFER);
  }

  rxDescriptor(index: number, address: number, high = 0, status = 0): void {
    const at = RX_RING - RAM_BASE + index * RXD.bytes;
    this.ram.view.setUint32(at, address, true);
    this.ram.view.setUint32(at + 4, high, true);
    this.ram.view.setUint32(at + 8, 0, true);
    this.ram.view.setUint32(at + 12, status, true);
  }

  rxStatus(index: number): number {
    return this.ram.view.getUint32(RX_RING - RAM_BASE + index * RXD.bytes + RXD.STATUS.offset, true);
  }

  /** Word `word` (0 to 3) of a receive descriptor. */
  rxWord(index: number, word: number): number {
    return this.ram.view.getUint32(RX_RING - RAM_BASE + index * RXD.bytes + 4 * word, true);
  }

  rxVlan(index: number): number {
    return this.rxWord(index, 2) >>> 16;
  }

  rxLength(index: number): number {
    return this.ram.view.getUint16(RX_RING - RAM_BASE + index * RXD.bytes + RXD.LEN.offset, true);
  }

  rxBytes(index: number): Uint8Array {
    const at = RX_BUFFERS - RAM_BASE + index * BUFFER;
    return this.ram.bytes.slice(at, at + this.rxLength(index));
  }

  txRing(count: number): void {
    this.txCount = count;
    this.write(NIC.TDBA, TX_RING);
    this.write(NIC.TDLEN, count);
    this.write(NIC.TDCTL, NIC.TDCTL.EN.mask);
  }

  txDescriptor(index: number, address: number, length: number, status: number, high = 0): void {
    const at = TX_RING - RAM_BASE + index * TXD.bytes;
    this.ram.view.setUint32(at, address, true);
    this.ram.view.setUint32(at + 4, high, true);
    this.ram.view.setUint16(at + 8, length, true);
    this.ram.view.setUint16(at + 10, (status & TXD.STATUS.VLE.mask) !== 0 ? this.txTag : 0, true);
    this.ram.view.setUint32(at + 12, status, true);
  }

  txContext(index: number, offsets: number, segment: number, status: number): void {
    const at = TX_RING - RAM_BASE + index * TXD.bytes;
    this.ram.view.setUint32(at, offsets, true);
    this.ram.view.setUint32(at + 4, segment, true);
    this.ram.view.setUint32(at + 8, 0, true);
    this.ram.view.setUint32(at + 12, status, true);
  }

  txStatus(index: number): number {
    return this.ram.view.getUint32(TX_RING - RAM_BASE + index * TXD.bytes + TXD.STATUS.offset, true);
  }

  /** One frame in one piece at descriptor `index`, with EOP and RS, and the doorbell. */
  txFrame(index: number, bytes: Uint8Array): void {
    const address = TX_BUFFERS + index * BUFFER;
    this.ram.bytes.set(bytes, address - RAM_BASE);
    this.txDescriptor(index, address, bytes.length, TXD.STATUS.EOP.mask | TXD.STATUS.RS.mask);
    this.write(NIC.TDT, (index + 1) % this.txCount);
  }

  receive(bytes: Uint8Array, fcs = -1, id = 0): void {
    this.nic.receive(bytes, 0, bytes.length, fcs, id);
  }

  /** Reads `count` bytes of packet memory at card address `address` through the data port. */
  pioRead(address: number, count: number, width: 8 | 16 | 32 = 16): Uint8Array {
    this.write(NIC.RSAR, address);
    this.write(NIC.RBCR, count);
    const out = new Uint8Array(count);
    for (let i = 0; i < count; ) {
      const step = Math.min(width, 8 * (count - i)) === 24 ? 16 : Math.min(width, 8 * (count - i));
      const value = this.nic.read(0, NIC.DATA.offset, step);
      for (let j = 0; j < step / 8; j++) out[i++] = value >>> (8 * j);
    }
    return out;
  }

  pioWrite(address: number, bytes: Uint8Array): void {
    this.write(NIC.RSAR, address);
    this.write(NIC.RBCR, bytes.length);
    for (const byte of bytes) this.nic.write(0, NIC.DATA.offset, 8, byte);
  }

  /** Reads the frame after BNRY as a polling driver would and gives its pages back. Null: the ring is empty. */
  pioFrame(): { status: number; bytes: Uint8Array; fcs: Uint8Array } | null {
    const start = this.read(NIC.PSTART);
    const stop = this.read(NIC.PSTOP);
    const bnry = this.read(NIC.BNRY);
    const page = bnry + 1 >= stop ? start : bnry + 1;
    if (page === this.read(NIC.CURR)) return null;
    const header = this.pioRead(page << 8, 4);
    const length = (header[2] as number) | ((header[3] as number) << 8);
    const whole = this.pioRead((page << 8) + 4, length);
    const next = header[1] as number;
    this.write(NIC.BNRY, next === start ? stop - 1 : next - 1);
    return { status: header[0] as number, bytes: whole.slice(0, length - 4), fcs: whole.slice(length - 4) };
  }
}

/** A frame of `length` bytes to `to`, from 02:00:00:00:00:01, type 0800h, with bytes that tell their place. */
export function frame(length: number, salt = 0, to: Uint8Array = MAC): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + salt * 13 + (i >> 8)) & 0xff;
  bytes.set(to.subarray(0, Math.min(6, length)));
  if (length >= 14) bytes.set([0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00], 6);
  return bytes;
}

export function fcs(bytes: Uint8Array): number {
  return fcsOf(bytes, 0, bytes.length);
}

export const BROADCAST = new Uint8Array(6).fill(0xff);
export const MULTICAST = Uint8Array.of(0x01, 0x00, 0x5e, 0, 0, 0xfb);

/** The statistics without clearing them. */
export function counters(bench: Bench): Record<string, number> {
  const out: Record<string, number> = {};
  for (const reg of Object.values(NIC)) if (reg.access === 'rc') out[reg.name] = bench.nic.peek(reg.offset);
  return out;
}
