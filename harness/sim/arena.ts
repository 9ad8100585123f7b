/**
 * One memory for a whole simulation: host RAMs, card memories and wire buffers are ranges of it, so that DMA is a
 * copy within one buffer. Arenas are pooled: making one costs more than a short run.
 */
import type { Ram } from '../../kernel/arch.ts';
import { assert } from '../../kernel/lib/assert.ts';

/** What is used of the global that Node's types leave out. */
const { WebAssembly: Wasm } = globalThis as unknown as {
  WebAssembly: { Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer } };
};

const PAGE = 65536;
const pool: Arena[] = [];

export class Arena {
  readonly size: number;
  readonly buffer: ArrayBuffer;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly dv: DataView;
  private top = 4096;
  private released = false;

  private constructor(size: number) {
    this.size = size;
    const pages = size / PAGE;
    this.buffer = new Wasm.Memory({ initial: pages, maximum: pages }).buffer;
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
