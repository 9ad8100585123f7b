import { copyBytes } from './bytes.ts';
import type { PageRing } from './packet-memory.ts';
import type { Dma } from './ports.ts';
import { DESCRIPTOR_BYTES } from './queue.ts';

/**
 * The card's side of its bus-master port: descriptors as four words, payload by copy. A port with `direct` memory is
 * reached without a call for each piece; any other through its `read` and `write`.
 */
export class BusMaster {
  /** The descriptor that was read last, or is to be written: four little-endian words as int32. */
  readonly words: Int32Array;
  private readonly dma: Dma;
  /** The array of packet memory, and how to copy in it: the same one as the memory behind the port, perhaps. */
  private readonly card: Uint8Array;
  private readonly move: PageRing['move'];
  private readonly scratch: Uint8Array;
  /** The memory behind the port, as bytes and as words; empty when the port does not show it. */
  private readonly bytes: Uint8Array;
  private readonly memory: Int32Array;
  private readonly shown: boolean;

  constructor(dma: Dma, ring: PageRing) {
    this.dma = dma;
    this.card = ring.bytes;
    this.move = ring.move;
    this.words = new Int32Array(4);
    this.scratch = new Uint8Array(this.words.buffer);
    const bytes = dma.direct;
    // Words of the memory are of use only where its first byte is a multiple of 4 into its buffer.
    this.shown = bytes !== undefined && bytes.byteOffset % 4 === 0 && dma.locate !== undefined;
    this.bytes = this.shown ? (bytes as Uint8Array) : new Uint8Array(0);
    this.memory = new Int32Array(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length >> 2);
  }

  /** Reads the descriptor at I/O address `address` into `words`. False: the access faulted. */
  fetch(address: number): boolean {
    if (!this.shown) return this.dma.read(address, this.scratch, 0, DESCRIPTOR_BYTES);
    const at = (this.dma as Required<Dma>).locate(address, DESCRIPTOR_BYTES, false);
    if (at < 0) return false;
    if ((at & 3) !== 0) {
      copyBytes(this.bytes, at, this.scratch, 0, DESCRIPTOR_BYTES);
      return true;
    }
    const { words, memory } = this;
    const w = at >> 2;
    words[0] = memory[w] as number;
    words[1] = memory[w + 1] as number;
    words[2] = memory[w + 2] as number;
    words[3] = memory[w + 3] as number;
    return true;
  }

  /** Writes four words as the descriptor at `address`, in one access. */
  store(address: number, w0: number, w1: number, w2: number, w3: number): boolean {
    if (this.shown) {
      const at = (this.dma as Required<Dma>).locate(address, DESCRIPTOR_BYTES, true);
      if (at < 0) return false;
      if ((at & 3) === 0) {
        const { memory } = this;
        const w = at >> 2;
        memory[w] = w0;
        memory[w + 1] = w1;
        memory[w + 2] = w2;
        memory[w + 3] = w3;
        return true;
      }
    }
    const { words } = this;
    words[0] = w0;
    words[1] = w1;
    words[2] = w2;
    words[3] = w3;
    return this.dma.write(address, this.scratch, 0, DESCRIPTOR_BYTES);
  }

  /** Writes one word at `address`. */
  storeWord(address: number, value: number): boolean {
    if (this.shown) {
      const at = (this.dma as Required<Dma>).locate(address, 4, true);
      if (at < 0) return false;
      if ((at & 3) === 0) {
        this.memory[at >> 2] = value;
        return true;
      }
    }
    this.words[0] = value;
    return this.dma.write(address, this.scratch, 0, 4);
  }

  /** Host memory at `address` → `into[at .. at+length)`. */
  read(address: number, into: Uint8Array, at: number, length: number): boolean {
    if (!this.shown) return this.dma.read(address, into, at, length);
    const from = (this.dma as Required<Dma>).locate(address, length, false);
    if (from < 0) return false;
    if (into === this.card && into === this.bytes) this.move(at, from, length);
    else copyBytes(this.bytes, from, into, at, length);
    return true;
  }

  /** `from[at .. at+length)` → host memory at `address`. */
  write(address: number, from: Uint8Array, at: number, length: number): boolean {
    if (!this.shown) return this.dma.write(address, from, at, length);
    const to = (this.dma as Required<Dma>).locate(address, length, true);
    if (to < 0) return false;
    if (from === this.card && from === this.bytes) this.move(to, at, length);
    else copyBytes(from, at, this.bytes, to, length);
    return true;
  }
}
