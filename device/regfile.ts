import type { Reg, RegMap, RegSpecs } from './regs/describe.ts';
import type { Reporter } from './reporter.ts';

/** Width of an access in bits. */
export type Width = 8 | 16 | 32;

/**
 * What a register does that its access right does not say. Handlers get the instance (queue) index. A `read` that
 * has side effects brings a `peek` without; values may be int32 or unsigned.
 */
export interface RegOps {
  /** Replaces the load. */
  readonly read?: (index: number, width: number) => number;
  /** Replaces the load in `peek`; left out: `read`. */
  readonly peek?: (index: number) => number;
  /** Replaces the store. `value` is unsigned, reserved and read-only bits are already 0. */
  readonly write?: (index: number, value: number, width: number) => void;
}

/** The exceptions of a register map, by register name. */
export type OpTable<S extends RegSpecs> = { readonly [R in keyof S]?: RegOps };

const READ_PLAIN = 0;
const READ_OP = 1;
const READ_CLEAR = 2;
const READ_NOTHING = 3;

const WRITE_PLAIN = 0;
const WRITE_OP = 1;
const WRITE_CLEARS = 2;
const WRITE_SETS = 3;
const WRITE_IGNORED = 4;

function noRead(): number {
  return 0;
}
function noWrite(): void {}

/** All-ones of a width in bits. */
export function allOnes(width: number): number {
  return width === 32 ? 0xffffffff : width === 16 ? 0xffff : 0xff;
}

/**
 * A register file compiled from a declaration: storage and behaviour by access right, exceptions as handlers. It
 * never throws; what a misuse does is defined in datasheet §3.2 and leaves a violation record.
 */
export class RegFile<S extends RegSpecs> {
  /** Values of the registers that have no handlers, by offset / 4. */
  readonly words: Uint32Array;
  private readonly resets: Uint32Array;
  /** Access widths that a word answers to: 8 | 16 | 32 as a bit mask, 0 where there is no register. */
  private readonly widths: Uint8Array;
  private readonly reads: Uint8Array;
  private readonly writes: Uint8Array;
  private readonly writable: Int32Array;
  private readonly reserved: Int32Array;
  private readonly indices: Uint8Array;
  private readonly readOps: ((index: number, width: number) => number)[];
  private readonly peekOps: ((index: number, width: number) => number)[];
  private readonly writeOps: ((index: number, value: number, width: number) => void)[];
  private readonly reporter: Reporter;

  /** `bytes`: size of the window, a multiple of 4. */
  constructor(map: RegMap<S>, bytes: number, ops: OpTable<S>, reporter: Reporter) {
    const words = bytes >>> 2;
    this.reporter = reporter;
    this.words = new Uint32Array(words);
    this.resets = new Uint32Array(words);
    this.widths = new Uint8Array(words);
    this.reads = new Uint8Array(words);
    this.writes = new Uint8Array(words);
    this.writable = new Int32Array(words);
    this.reserved = new Int32Array(words);
    this.indices = new Uint8Array(words);
    this.readOps = new Array(words).fill(noRead);
    this.peekOps = new Array(words).fill(noRead);
    this.writeOps = new Array(words).fill(noWrite);
    const table: Readonly<Record<string, RegOps | undefined>> = ops;
    for (const reg of Object.values(map) as Reg<string>[]) {
      for (let i = 0; i < reg.count; i++) this.place(reg, i, table[reg.name] ?? {});
    }
    this.reset();
  }

  private place(reg: Reg<string>, index: number, ops: RegOps): void {
    const word = (reg.offset + index * reg.stride) >>> 2;
    if (word >= this.words.length) throw new Error(`register ${reg.name} lies outside the window`);
    if (ops.read !== undefined && reg.access === 'rc' && ops.peek === undefined) {
      throw new Error(`register ${reg.name} is cleared by reads and needs a peek`);
    }
    const known = reg.fields.reduce((bits, field) => bits | field.mask, reg.writable);
    const inert = reg.access === 'ro' || reg.access === 'rc';
    this.resets[word] = reg.reset;
    this.indices[word] = index;
    this.widths[word] = reg.widths.reduce<number>((bits, width) => bits | width, 0);
    this.writable[word] = reg.writable;
    this.reserved[word] = ~known;
    this.reads[word] =
      reg.access === 'wo' ? READ_NOTHING : ops.read ? READ_OP : reg.access === 'rc' ? READ_CLEAR : READ_PLAIN;
    this.writes[word] = inert
      ? WRITE_IGNORED
      : ops.write
        ? WRITE_OP
        : reg.access === 'w1c'
          ? WRITE_CLEARS
          : reg.access === 'w1s'
            ? WRITE_SETS
            : WRITE_PLAIN;
    if (ops.read) this.readOps[word] = ops.read;
    const peek = ops.peek ?? ops.read;
    if (peek) this.peekOps[word] = peek;
    if (ops.write) this.writeOps[word] = ops.write;
  }

  /** Reset values into the plain registers; what handlers keep, their owners reset. */
  reset(): void {
    this.words.set(this.resets);
  }

  /** `offset` in bytes. Unsigned result. */
  read(offset: number, width: number): number {
    const word = offset >>> 2;
    if ((offset & 3) !== 0 || word >= this.widths.length || ((this.widths[word] as number) & width) === 0) {
      return this.badRead(offset, width);
    }
    const kind = this.reads[word] as number;
    if (kind === READ_PLAIN) return this.words[word] as number;
    if (kind === READ_OP) {
      return (
        (this.readOps[word] as (index: number, width: number) => number)(this.indices[word] as number, width) >>> 0
      );
    }
    if (kind === READ_CLEAR) {
      const value = this.words[word] as number;
      this.words[word] = 0;
      return value;
    }
    this.reporter.report('write-only', offset, 0);
    return 0;
  }

  /** `offset` in bytes; `value` is taken modulo 2^width. */
  write(offset: number, width: number, value: number): void {
    const word = offset >>> 2;
    if ((offset & 3) !== 0 || word >= this.widths.length || ((this.widths[word] as number) & width) === 0) {
      this.badWrite(offset, width, value);
      return;
    }
    const kind = this.writes[word] as number;
    if (kind === WRITE_IGNORED) {
      this.reporter.report('read-only', offset, value);
      return;
    }
    const raw = width === 32 ? value : value & allOnes(width);
    if ((raw & (this.reserved[word] as number)) !== 0) this.reporter.report('reserved-bits', offset, value);
    const writable = this.writable[word] as number;
    const taken = (raw & writable) >>> 0;
    if (kind === WRITE_OP) {
      (this.writeOps[word] as (index: number, value: number, width: number) => void)(
        this.indices[word] as number,
        taken,
        width,
      );
    } else if (kind === WRITE_PLAIN) {
      this.words[word] = ((this.words[word] as number) & ~writable) | taken;
    } else if (kind === WRITE_CLEARS) {
      this.words[word] = (this.words[word] as number) & ~taken;
    } else {
      this.words[word] = (this.words[word] as number) | taken;
    }
  }

  /** The value at `offset` (a multiple of 4) without any side effect; all-ones where there is no register. */
  peek(offset: number): number {
    const word = offset >>> 2;
    if ((offset & 3) !== 0 || word >= this.widths.length || this.widths[word] === 0) return 0xffffffff;
    const op = this.peekOps[word] as (index: number, width: number) => number;
    if (op !== noRead) return op(this.indices[word] as number, 32) >>> 0;
    return this.words[word] as number;
  }

  private badRead(offset: number, width: number): number {
    const word = offset >>> 2;
    const mapped = word < this.widths.length && this.widths[word] !== 0;
    this.reporter.report(mapped ? 'access-width' : 'unmapped', offset, allOnes(width));
    return allOnes(width);
  }

  private badWrite(offset: number, _width: number, value: number): void {
    const word = offset >>> 2;
    const mapped = word < this.widths.length && this.widths[word] !== 0;
    this.reporter.report(mapped ? 'access-width' : 'unmapped', offset, value);
  }
}
