/** The Internet checksum (RFC 1071) as the card makes it; the kernel has its own, on purpose. */

/** Adds the carries back: 16 bits. */
export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** Ones' complement sums over ranges of one array, in network byte order. */
export class Summer {
  private readonly bytes: Uint8Array;
  /** The same memory by 16 bits, where the array allows it. */
  private readonly halves: Uint16Array | null;
  /** What the embedder has better (PacketMemory.sum). */
  private readonly quick: ((at: number, length: number) => number) | null;

  constructor(bytes: Uint8Array, quick: ((at: number, length: number) => number) | null = null) {
    this.quick = quick;
    const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
    this.bytes = bytes;
    this.halves =
      little && bytes.byteOffset % 2 === 0 ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1) : null;
  }

  /** The folded sum of `bytes[at .. at+length)`, an odd last byte padded with 0. `length` at most 64 KiB. */
  sum(at: number, length: number): number {
    if (length <= 0) return 0;
    if (this.quick !== null) return swapped(fold(this.quick(at, length)));
    const { bytes } = this;
    if ((at & 1) !== 0) {
      // One byte further on everything is even, and every byte in the other half of its word.
      const rest = this.sum(at + 1, length - 1);
      return fold(((bytes[at] as number) << 8) + (((rest & 0xff) << 8) | (rest >>> 8)));
    }
    const end = at + (length & ~1);
    const last = (length & 1) !== 0 ? (bytes[end] as number) << 8 : 0;
    return fold((this.halves === null ? this.slow(at, end) : this.fast(at >> 1, end >> 1, this.halves)) + last);
  }

  private slow(at: number, end: number): number {
    const { bytes } = this;
    let sum = 0;
    for (let i = at; i < end; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
    return sum;
  }

  private fast(at: number, end: number, halves: Uint16Array): number {
    let sum = 0;
    let i = at;
    for (const whole = end - 7; i < whole; i += 8) {
      sum +=
        (halves[i] as number) +
        (halves[i + 1] as number) +
        (halves[i + 2] as number) +
        (halves[i + 3] as number) +
        (halves[i + 4] as number) +
        (halves[i + 5] as number) +
        (halves[i + 6] as number) +
        (halves[i + 7] as number);
    }
    for (; i < end; i++) sum += halves[i] as number;
    return swapped(fold(sum));
  }
}

/** From the order of the machine to that of the network: bytes change places within 16 bits. */
function swapped(folded: number): number {
  return ((folded & 0xff) << 8) | (folded >>> 8);
}
