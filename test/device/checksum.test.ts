import { expect, test } from 'vitest';
import { Summer } from '../../device/checksum.ts';
import { Arena } from '../../harness/sim/arena.ts';
import { Random } from '../../harness/sim/random.ts';

/** RFC 1071 word by word, high byte first. */
function words(bytes: Uint8Array, at: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += (bytes[at + i] as number) << ((i & 1) === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

test("a card's sums, by its own loops and by what its embedder offers, are those of RFC 1071 at any address", () => {
  const arena = Arena.take(131_072);
  const { u8 } = arena;
  const random = new Random(1, 'checksum');
  for (let i = 0; i < u8.length; i++) u8[i] = random.below(256);
  u8.fill(0, 100_000, 101_000);
  // One byte in, the array has no 16-bit view.
  const odd = u8.subarray(1);
  const own = new Summer(u8);
  const offered = new Summer(u8, arena.cardSum);
  const slow = new Summer(odd);
  for (let round = 0; round < 1000; round++) {
    const at = round < 50 ? 100_000 + round : 1 + random.below(4096);
    const length = random.below(round >= 50 && round % 20 === 0 ? 65_536 : 200);
    const expected = words(u8, at, length);
    expect(own.sum(at, length)).toBe(expected);
    expect(offered.sum(at, length)).toBe(expected);
    expect(slow.sum(at - 1, length)).toBe(expected);
  }
  arena.release();
});
