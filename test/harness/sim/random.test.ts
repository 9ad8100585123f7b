import { describe, expect, it } from 'vitest';
import { Chance, Random } from '../../../harness/sim/random.ts';

describe('chance', () => {
  it('one seed and name, the same numbers every time', () => {
    const draw = (): number[] => {
      const stream = new Chance(7).stream('wire');
      return [stream.u32(), stream.u32(), stream.u32()];
    };
    expect(draw()).toEqual(draw());
  });

  it('a new draw in one stream, moves no other', () => {
    const first = new Chance(7);
    const second = new Chance(7);
    second.stream('other').u32();
    expect(second.stream('wire').u32()).toBe(first.stream('wire').u32());
  });

  it('another seed or another name, other numbers', () => {
    const values = [new Random(1, 'a'), new Random(2, 'a'), new Random(1, 'b'), new Random(2 ** 40 + 1, 'a')].map(r =>
      r.u32(),
    );
    expect(new Set(values).size).toBe(4);
  });

  it('many draws, every byte about equally often', () => {
    const stream = new Random(3, 'spread');
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 16_000; i++) counts[stream.u32() >>> 28] = (counts[stream.u32() >>> 28] ?? 0) + 1;
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1200);
  });

  it('below a bound and by probability, stay within them', () => {
    const stream = new Random(3, 'bounds');
    for (let i = 0; i < 1000; i++) expect(stream.below(7)).toBeLessThan(7);
    expect(stream.chance(0)).toBe(false);
    expect(stream.chance(1)).toBe(true);
  });
});
