import { describe, expect, it } from 'vitest';
import { Arena } from '../../../harness/sim/arena.ts';
import { Random } from '../../../harness/sim/random.ts';

describe('the kernels of an arena', () => {
  const arena = Arena.take(262_144);
  const { u8 } = arena;
  const random = new Random(1, 'arena');
  for (let i = 0; i < u8.length; i++) u8[i] = random.below(256);

  function fold(sum: number): number {
    while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
    return sum;
  }

  it('both sums, at any address and of any length, add the words that a loop over bytes adds', () => {
    for (let round = 0; round < 2000; round++) {
      const at = random.below(4096);
      const length = random.below(round % 20 === 0 ? 65_536 : 200);
      let expected = 0;
      for (let i = 0; i < length; i++) expected += (u8[at + i] as number) << ((i & 1) * 8);
      expect(fold(arena.sum(at, length) >>> 0)).toBe(fold(expected));
      expect(fold(arena.cardSum(at, length))).toBe(fold(expected));
    }
  });

  it('both sums, the largest words over 64 KiB, do not overflow', () => {
    u8.fill(0xff, 65_536, 65_536 + 65_535);
    expect(arena.sum(65_536, 65_535) >>> 0).toBe(32_767 * 0xffff + 0xff);
    expect(arena.cardSum(65_536, 65_535)).toBe(32_767 * 0xffff + 0xff);
  });

  it('move, ranges that overlap both ways, copies as if through a buffer between', () => {
    for (const [into, from] of [
      [100, 90],
      [90, 100],
    ] as const) {
      const before = u8.slice(from, from + 50);
      arena.move(into, from, 50);
      expect(u8.slice(into, into + 50)).toEqual(before);
    }
  });

  it('beyond the end, all throw', () => {
    expect(() => arena.sum(u8.length - 8, 64)).toThrow();
    expect(() => arena.cardSum(u8.length - 8, 64)).toThrow();
    expect(() => arena.move(u8.length - 8, 0, 64)).toThrow();
  });
});
