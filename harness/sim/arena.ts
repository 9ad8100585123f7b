/**
 * One memory for a whole simulation: host RAMs, card memories and wire buffers are ranges of it, so that DMA is a
 * copy within one buffer. Arenas are pooled: making one costs more than a short run.
 */
import type { Ram } from '../../kernel/arch.ts';
import { assert } from '../../kernel/lib/assert.ts';

/** What is used of the global that Node's types leave out. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
}
interface Kernels {
  readonly move: Move;
  readonly sum: Sum;
}
const { WebAssembly: Wasm } = globalThis as unknown as {
  WebAssembly: {
    Memory: new (pages: { initial: number; maximum: number }) => WasmMemory;
    Module: new (code: Uint8Array) => object;
    Instance: new (module: object, imports: { m: { m: WasmMemory } }) => { exports: object };
  };
};

/** Copies `length` bytes from `from` to `into`; the ranges may overlap. Throws outside the arena. */
export type Move = Ram['move'];
/** The sum of little-endian 16-bit words, below 2^32 as an int32. Throws outside the arena. */
export type Sum = Ram['sum'];

/** kernels.wat, assembled (wat2wasm). */
const KERNELS = new Wasm.Module(
  Buffer.from(
    'AGFzbQEAAAABDQJgA39/fwBgAn9/AX8CCAEBbQFtAgAAAwMCAAEHDgIEbW92ZQAAA3N1bQABCqkBAgwAIAAgASAC/AoAAAuZAQMBfwF7AX8g' +
      'ACABaiECAkAgAUEgSQ0AIAJBH2shAQNAIAMgAP0AAAD9fyAA/QAAEP1//a4B/a4BIQMgAEEgaiIAIAFJDQALCyAD/RsAIAP9GwFqIAP9GwIg' +
      'A/0bA2pqIQQCQANAIABBAmogAksNASAEIAAvAABqIQQgAEECaiEADAALCyAAIAJJBEAgBCAALQAAaiEECyAECw==',
    'base64',
  ),
);

/** card.wat, assembled: the card's own way to the same sum. */
const CARD = new Wasm.Module(
  Buffer.from(
    'AGFzbQEAAAABBwFgAn9/AX8CCAEBbQFtAgAAAwIBAAcHAQNzdW0AAArNAQHKAQQBfwJ7AX8BfiABQQR2IQIgAUEPcSEBAkAgAkUNAANAIAD9AAAA' +
      'IQMgBCAD/Qz//wAA//8AAP//AAD//wAA/U4gA0EQ/a0B/a4B/a4BIQQgAEEQaiEAIAJBAWsiAg0ACyAEIAQgBP0NCAkKCwwNDg8AAQIDBAUGB/2u' +
      'ASEEIAT9HQAhBiAGpyAGQiCIp2ohBQsCQANAIAFBAkkNASAFIAAvAABqIQUgAEECaiEAIAFBAmshAQwACwsgAQRAIAUgAC0AAGohBQsgBQs=',
    'base64',
  ),
);

const PAGE = 65536;
const pool: Arena[] = [];

export class Arena {
  readonly size: number;
  readonly buffer: ArrayBuffer;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly dv: DataView;
  /** A third of the time of `copyWithin` for a small frame: that is a call into V8's runtime, this is not. */
  readonly move: Move;
  /** A fifth of the time of a loop over 32-bit words for a large frame. */
  readonly sum: Sum;
  /** The same for cards, by code of their own. */
  readonly cardSum: Sum;
  private top = 4096;
  private released = false;

  private constructor(size: number) {
    this.size = size;
    const pages = size / PAGE;
    const memory = new Wasm.Memory({ initial: pages, maximum: pages });
    this.buffer = memory.buffer;
    const { move, sum } = new Wasm.Instance(KERNELS, { m: { m: memory } }).exports as Kernels;
    this.move = move;
    this.sum = sum;
    this.cardSum = (new Wasm.Instance(CARD, { m: { m: memory } }).exports as Kernels).sum;
    this.u8 = new Uint8Array(this.buffer);
    this.u16 = new Uint16Array(this.buffer);
    this.i32 = new Int32Array(this.buffer);
    this.dv = new DataView(this.buffer);
  }

  /** An arena of at least `size` bytes, all zero. Give it back with `release` when the simulation is over. */
  static take(size: number): Arena {
    const rounded = Math.ceil(size / PAGE) * PAGE;
    const index = pool.findIndex(arena => arena.size >= rounded && arena.size <= 2 * rounded);
    const arena = pool[index];
    if (arena === undefined) return new Arena(rounded);
    pool.splice(index, 1);
    arena.released = false;
    return arena;
  }

  release(): void {
    assert(!this.released, 'arena released twice');
    this.released = true;
    this.u8.fill(0, 0, this.top);
    this.top = 4096;
    if (pool.length < 4) pool.push(this);
  }

  /** The address of `size` fresh bytes, 4096-aligned. */
  alloc(size: number): number {
    const at = this.top;
    const end = at + Math.ceil(size / 4096) * 4096;
    if (end > this.size) throw new RangeError(`arena of ${this.size} bytes is full`);
    this.top = end;
    return at;
  }

  /** A range as a host's RAM. */
  ram(size: number): Ram {
    const base = this.alloc(size);
    const { u8, u16, i32, dv, move, sum } = this;
    return { u8, u16, i32, dv, move, sum, base, size };
  }
}
