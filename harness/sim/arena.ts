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
const { WebAssembly: Wasm } = globalThis as unknown as {
  WebAssembly: {
    Memory: new (pages: { initial: number; maximum: number }) => WasmMemory;
    Module: new (code: Uint8Array) => object;
    Instance: new (module: object, imports: { m: { m: WasmMemory } }) => { exports: { f: Move } };
  };
};

/** Copies `length` bytes from `from` to `into`; the ranges may overlap. Throws outside the arena. */
export type Move = (into: number, from: number, length: number) => void;

/** (module (import "m" "m" (memory 0)) (func (export "f") (param i32 i32 i32) (memory.copy 0 1 2))) */
const MOVE = new Wasm.Module(
  // biome-ignore format: sections by line
  Uint8Array.of(
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
    0x01, 0x07, 0x01, 0x60, 0x03, 0x7f, 0x7f, 0x7f, 0x00,
    0x02, 0x08, 0x01, 0x01, 0x6d, 0x01, 0x6d, 0x02, 0x00, 0x00,
    0x03, 0x02, 0x01, 0x00,
    0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00,
    0x0a, 0x0e, 0x01, 0x0c, 0x00, 0x20, 0x00, 0x20, 0x01, 0x20, 0x02, 0xfc, 0x0a, 0x00, 0x00, 0x0b,
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
  private top = 4096;
  private released = false;

  private constructor(size: number) {
    this.size = size;
    const pages = size / PAGE;
    const memory = new Wasm.Memory({ initial: pages, maximum: pages });
    this.buffer = memory.buffer;
    this.move = new Wasm.Instance(MOVE, { m: { m: memory } }).exports.f;
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
    return { u8: this.u8, u16: this.u16, i32: this.i32, dv: this.dv, base, size };
  }
}
