/** hsiphash (lib/siphash.c): HalfSipHash-1-3, a keyed hash over 32-bit words for hash tables that outsiders fill. */

export class hsiphash_key {
  readonly key0: number;
  readonly key1: number;

  constructor(key0: number, key1: number) {
    this.key0 = key0 | 0;
    this.key1 = key1 | 0;
  }
}

/** The hash of the first `count` words, an int32. */
export function hsiphash(words: Int32Array, count: number, key: hsiphash_key): number {
  let v0 = key.key0;
  let v1 = key.key1;
  let v2 = 0x6c796765 ^ key.key0;
  let v3 = 0x74656462 ^ key.key1;
  const rounds = count + 4;
  for (let i = 0; i < rounds; i++) {
    // Each word, then the length in the top byte, then three rounds to finish.
    const m = i < count ? (words[i] as number) : i === count ? (count * 4) << 24 : 0;
    if (i === count + 1) v2 ^= 0xff;
    v3 ^= m;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= m;
  }
  return v1 ^ v3;
}
