/**
 * lib/siphash.c: hsiphash (HalfSipHash-1-3), a keyed hash over 32-bit words for hash tables that outsiders fill, and
 * siphash (SipHash-2-4), a pseudo-random function for what outsiders must not be able to guess.
 */

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

/** A 128-bit key for siphash, from four words; the second half of the last result stays here. */
export class siphash_key {
  readonly words: Int32Array;
  /** The high 32 bits of the last result, an int32. */
  high = 0;

  constructor(k0: number, k1: number, k2: number, k3: number) {
    this.words = Int32Array.of(k0, k1, k2, k3);
  }
}

/**
 * SipHash-2-4 of the first `count` words (little-endian, as if they lay in memory one after the other): the low 32 bits
 * as an int32, the high ones in `key.high`. 64-bit words are pairs of 32-bit ones here.
 */
export function siphash(words: Int32Array, count: number, key: siphash_key): number {
  const k = key.words;
  const k0l = k[0] as number;
  const k0h = k[1] as number;
  const k1l = k[2] as number;
  const k1h = k[3] as number;
  let v0l = k0l ^ 0x70736575;
  let v0h = k0h ^ 0x736f6d65;
  let v1l = k1l ^ 0x6e646f6d;
  let v1h = k1h ^ 0x646f7261;
  let v2l = k0l ^ 0x6e657261;
  let v2h = k0h ^ 0x6c796765;
  let v3l = k1l ^ 0x79746573;
  let v3h = k1h ^ 0x74656462;
  const blocks = count >> 1;
  // Whole blocks, the rest with the length in its top byte, and the end: two rounds each, then four.
  for (let b = 0; b <= blocks + 1; b++) {
    let ml = 0;
    let mh = 0;
    let rounds = 2;
    if (b < blocks) {
      ml = words[b * 2] as number;
      mh = words[b * 2 + 1] as number;
    } else if (b === blocks) {
      ml = (count & 1) !== 0 ? (words[count - 1] as number) : 0;
      mh = (count * 4) << 24;
    } else {
      v2l ^= 0xff;
      rounds = 4;
    }
    v3l ^= ml;
    v3h ^= mh;
    for (let r = 0; r < rounds; r++) {
      let t = (v0l + v1l) | 0;
      v0h = (v0h + v1h + (t >>> 0 < v1l >>> 0 ? 1 : 0)) | 0;
      v0l = t;
      t = (v1l << 13) | (v1h >>> 19);
      v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
      v1l = t ^ v0l;
      t = v0l;
      v0l = v0h;
      v0h = t;
      t = (v2l + v3l) | 0;
      v2h = (v2h + v3h + (t >>> 0 < v3l >>> 0 ? 1 : 0)) | 0;
      v2l = t;
      t = (v3l << 16) | (v3h >>> 16);
      v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
      v3l = t ^ v2l;
      t = (v0l + v3l) | 0;
      v0h = (v0h + v3h + (t >>> 0 < v3l >>> 0 ? 1 : 0)) | 0;
      v0l = t;
      t = (v3l << 21) | (v3h >>> 11);
      v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
      v3l = t ^ v0l;
      t = (v2l + v1l) | 0;
      v2h = (v2h + v1h + (t >>> 0 < v1l >>> 0 ? 1 : 0)) | 0;
      v2l = t;
      t = (v1l << 17) | (v1h >>> 15);
      v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
      v1l = t ^ v2l;
      t = v2l;
      v2l = v2h;
      v2h = t;
    }
    v0l ^= ml;
    v0h ^= mh;
  }
  key.high = v0h ^ v1h ^ v2h ^ v3h;
  return v0l ^ v1l ^ v2l ^ v3l;
}
