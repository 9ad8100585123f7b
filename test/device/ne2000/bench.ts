/** A bench for the NE2000 alone: guarded packet memory, a wire that remembers, a pin, a notebook for violations. */

import { MacEeprom } from '../../../device/eeprom.ts';
import { fcsOf } from '../../../device/fcs.ts';
import { Ne2000 } from '../../../device/ne2000.ts';
import { FCS_GOOD } from '../../../device/ports.ts';
import { DATA_PORT, NE2000, RESET_PORT } from '../../../device/regs/ne2000.ts';
import type { Page, PagedReg } from '../../../device/regs/paged.ts';

export const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
export const BROADCAST = new Uint8Array(6).fill(0xff);
const GUARD = 1024;
const GUARD_BYTE = 0xa5;
const PAGE = 256;

export const STOP = 0x21;
export const START = 0x22;
export const TRANSMIT = 0x26;
export const READ = 0x0a;
export const WRITE = 0x12;
export const SEND = 0x1a;
export const { ISR, IMR, RSR, TSR, RCR, TCR, DCR, CURR, BNRY } = NE2000;
export const WORDS = DCR.WTS.mask | DCR.LS.mask;

export interface Options {
  readonly size?: number;
  readonly firstPage?: number;
  readonly rate?: number | 'instant';
}

export interface Ring {
  readonly start?: number;
  readonly stop?: number;
  readonly curr?: number;
  readonly bnry?: number;
  readonly dcr?: number;
  readonly rcr?: number;
  readonly tcr?: number;
}

export interface Sent {
  readonly bytes: Uint8Array;
  readonly fcs: number;
  readonly time: number;
}

export interface Violation {
  readonly rule: string;
  readonly offset: number;
  readonly value: number;
}

function pageOf(page: Page): number {
  return typeof page === 'number' ? page : 0;
}

export class Ne2000Bench {
  readonly card: Ne2000;
  readonly memory: Uint8Array;
  readonly sent: Sent[] = [];
  readonly violations: Violation[] = [];
  level = false;
  edges = 0;

  constructor({ size = 16384, firstPage, rate = 'instant' }: Options = {}) {
    this.memory = new Uint8Array(GUARD + size + GUARD).fill(GUARD_BYTE);
    this.memory.fill(0, GUARD, GUARD + size);
    this.card = new Ne2000({
      memory: { bytes: this.memory, base: GUARD, size },
      irq: {
        setLevel: asserted => {
          if (asserted === this.level) throw new Error('the pin was set to what it was');
          this.level = asserted;
          this.edges++;
        },
      },
      wire: {
        transmit: (bytes, at, length, fcs) =>
          void this.sent.push({ bytes: bytes.slice(at, at + length), fcs, time: this.card.time }),
      },
      eeprom: new MacEeprom(MAC),
      violations: { violation: (rule, offset, value) => void this.violations.push({ rule, offset, value }) },
      rate,
      ...(firstPage === undefined ? {} : { firstPage }),
    });
  }

  out(port: number, value: number, width: 8 | 16 | 32 = 8): void {
    this.card.write(0, port, width, value);
  }

  in(port: number, width: 8 | 16 | 32 = 8): number {
    return this.card.read(0, port, width);
  }

  /** Selects a page, and leaves everything else of CR alone. */
  page(page: number): void {
    const cr = this.in(0);
    if (cr >> NE2000.CR.PS.lsb !== page) this.out(0, (cr & 0x03) | 0x20 | (page << 6));
  }

  /** Writes a register on its page; page 0 is selected afterwards. */
  set(reg: PagedReg<string>, value: number): void {
    this.page(pageOf(reg.writePage));
    this.out(reg.offset, value);
    if (reg.offset !== 0) this.page(0);
  }

  get(reg: PagedReg<string>): number {
    this.page(pageOf(reg.readPage));
    const value = this.in(reg.offset);
    this.page(0);
    return value;
  }

  /** Without side effects. */
  peek(reg: PagedReg<string>): number {
    return this.card.peek(reg.index);
  }

  /** The rules of the violations since the last call. */
  rules(): string[] {
    return this.violations.splice(0).map(({ rule }) => rule);
  }

  guardsIntact(): boolean {
    const { memory } = this;
    return [...memory.subarray(0, GUARD), ...memory.subarray(memory.length - GUARD)].every(b => b === GUARD_BYTE);
  }

  /** The start-up that drivers do. */
  start(ring: Ring = {}): this {
    const { start = 0x46, stop = 0x80, curr = start, bnry = start, dcr = WORDS, rcr = RCR.AB.mask, tcr = 0 } = ring;
    this.out(0, STOP);
    this.set(DCR, dcr);
    this.set(NE2000.RBCR0, 0);
    this.set(NE2000.RBCR1, 0);
    this.set(RCR, rcr);
    this.set(TCR, tcr);
    this.set(NE2000.PSTART, start);
    this.set(NE2000.PSTOP, stop);
    this.set(BNRY, bnry);
    this.set(ISR, 0xff);
    MAC.forEach((byte, i) => void this.set(PAR[i] as PagedReg<string>, byte));
    this.set(CURR, curr);
    this.out(0, START);
    return this;
  }

  receive(bytes: Uint8Array, fcs = FCS_GOOD, errors = 0): void {
    this.card.receiveErrored(bytes, 0, bytes.length, fcs, 0, errors);
  }

  /** Sets up the remote DMA; `command` as CR. */
  remote(command: number, address: number, count: number): void {
    this.set(NE2000.RSAR0, address & 0xff);
    this.set(NE2000.RSAR1, address >> 8);
    this.set(NE2000.RBCR0, count & 0xff);
    this.set(NE2000.RBCR1, count >> 8);
    this.out(0, command);
  }

  /** Reads through the data port in units of `width`; as many bytes as that takes. */
  readPort(length: number, width: 8 | 16 | 32): Uint8Array {
    const step = width / 8;
    const out = new Uint8Array(Math.ceil(length / step) * step);
    for (let at = 0; at < length; at += step) {
      const value = this.in(DATA_PORT, width);
      for (let i = 0; i < step; i++) out[at + i] = value / 2 ** (8 * i);
    }
    return out.subarray(0, length);
  }

  read(address: number, length: number, width: 8 | 16 | 32 = 16): Uint8Array {
    const step = width / 8;
    this.remote(READ, address, Math.ceil(length / step) * step);
    return this.readPort(length, width);
  }

  write(address: number, bytes: Uint8Array, width: 8 | 16 | 32 = 16): void {
    const step = width / 8;
    this.remote(WRITE, address, Math.ceil(bytes.length / step) * step);
    for (let at = 0; at < bytes.length; at += step) {
      let value = 0;
      for (let i = step - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? 0);
      this.out(DATA_PORT, value, width);
    }
  }

  /** Takes the frame at `page` as a driver does; gives header and frame, and gives back its pages. */
  take(page: number, width: 8 | 16 | 32 = 16): { status: number; next: number; count: number; bytes: Uint8Array } {
    const head = this.read(page << 8, 4, width);
    const count = (head[2] as number) | ((head[3] as number) << 8);
    const bytes = this.read((page << 8) + 4, count, width);
    this.set(BNRY, head[1] as number);
    return { status: head[0] as number, next: head[1] as number, count, bytes };
  }

  /** What lies in packet memory, whatever the ring. */
  at(address: number, length: number): Uint8Array {
    this.card.settle();
    const from = GUARD + address - (this.card.ring.firstPage << 8);
    return this.memory.slice(from, from + length);
  }

  fill(value: number): void {
    this.memory.fill(value, GUARD, this.memory.length - GUARD);
  }

  /** Sends `bytes` from page 40h on. */
  transmit(bytes: Uint8Array, page = 0x40): void {
    this.write(page << 8, bytes);
    this.set(NE2000.TPSR, page);
    this.set(NE2000.TBCR0, bytes.length & 0xff);
    this.set(NE2000.TBCR1, bytes.length >> 8);
    this.out(0, TRANSMIT);
  }

  resetPort(): void {
    this.in(RESET_PORT);
  }
}

export const PAR: readonly PagedReg<string>[] = [
  NE2000.PAR0,
  NE2000.PAR1,
  NE2000.PAR2,
  NE2000.PAR3,
  NE2000.PAR4,
  NE2000.PAR5,
];

export const MAR: readonly PagedReg<string>[] = [
  NE2000.MAR0,
  NE2000.MAR1,
  NE2000.MAR2,
  NE2000.MAR3,
  NE2000.MAR4,
  NE2000.MAR5,
  NE2000.MAR6,
  NE2000.MAR7,
];

/** A frame of `length` bytes to `to`, its contents from `seed`. */
export function frame(length: number, to: Uint8Array = MAC, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  let state = (seed * 2654435761 + length) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  out.set(to.subarray(0, Math.min(6, length)));
  return out;
}

/** The four bytes of a frame's FCS, as they follow it. */
export function check(bytes: Uint8Array): Uint8Array {
  const value = fcsOf(bytes, 0, bytes.length);
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap(part => [...part]));
}

export { PAGE };
