/** MD5 (RFC 1321), for signatures that were agreed on before it was broken. Bytes go in piece by piece. */

/** RFC 1321 3.4: T[i], the integer part of 2^32 times the absolute value of the sine of i + 1. */
const T = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0);
/** By how much each round rotates, in turn. */
const S = Uint8Array.of(7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21);
const BLOCK = 64;

export class md5 {
  private a = 0;
  private b = 0;
  private c = 0;
  private d = 0;
  private bytes = 0;
  private readonly block = new Uint8Array(BLOCK);
  private readonly words = new Int32Array(16);

  /** A new message. */
  init(): void {
    this.a = 0x67452301;
    this.b = 0xefcdab89 | 0;
    this.c = 0x98badcfe | 0;
    this.d = 0x10325476;
    this.bytes = 0;
  }

  /** `length` bytes of `from`, from `at` on. */
  update(from: Uint8Array, at: number, length: number): void {
    const { block } = this;
    let fill = this.bytes % BLOCK;
    this.bytes += length;
    for (let i = 0; i < length; i++) {
      block[fill++] = from[at + i] as number;
      if (fill === BLOCK) {
        this.transform();
        fill = 0;
      }
    }
  }

  /** The end: sixteen bytes to `to`. */
  final(to: Uint8Array, at: number): void {
    const { block, bytes } = this;
    let fill = bytes % BLOCK;
    block[fill++] = 0x80;
    if (fill > BLOCK - 8) {
      block.fill(0, fill);
      this.transform();
      fill = 0;
    }
    block.fill(0, fill);
    // The length in bits, least significant byte first.
    for (let i = 0, bits = bytes * 8; i < 8; i++, bits = Math.floor(bits / 256)) block[BLOCK - 8 + i] = bits % 256;
    this.transform();
    put_word(to, at, this.a);
    put_word(to, at + 4, this.b);
    put_word(to, at + 8, this.c);
    put_word(to, at + 12, this.d);
  }

  /** RFC 1321 3.4: one block. */
  private transform(): void {
    const { block, words } = this;
    for (let i = 0; i < 16; i++) {
      const at = i * 4;
      words[i] =
        (block[at] as number) |
        ((block[at + 1] as number) << 8) |
        ((block[at + 2] as number) << 16) |
        ((block[at + 3] as number) << 24);
    }
    let { a, b, c, d } = this;
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      let f: number;
      let k: number;
      if (round === 0) {
        f = (b & c) | (~b & d);
        k = i;
      } else if (round === 1) {
        f = (b & d) | (c & ~d);
        k = (5 * i + 1) & 15;
      } else if (round === 2) {
        f = b ^ c ^ d;
        k = (3 * i + 5) & 15;
      } else {
        f = c ^ (b | ~d);
        k = (7 * i) & 15;
      }
      const sum = (a + f + (words[k] as number) + (T[i] as number)) | 0;
      const s = S[round * 4 + (i & 3)] as number;
      a = d;
      d = c;
      c = b;
      b = (b + ((sum << s) | (sum >>> (32 - s)))) | 0;
    }
    this.a = (this.a + a) | 0;
    this.b = (this.b + b) | 0;
    this.c = (this.c + c) | 0;
    this.d = (this.d + d) | 0;
  }
}

function put_word(to: Uint8Array, at: number, word: number): void {
  to[at] = word;
  to[at + 1] = word >>> 8;
  to[at + 2] = word >>> 16;
  to[at + 3] = word >>> 24;
}
