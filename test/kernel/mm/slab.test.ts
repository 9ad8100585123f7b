import { describe, expect, it } from 'vitest';
import { Arena } from '../../../harness/sim/arena.ts';
import { Slab } from '../../../kernel/mm/slab.ts';

const newSlab = (size = 256 * 1024): Slab => new Slab(Arena.take(1024 * 1024).ram(size));

describe('kmalloc', () => {
  it('sizes up to the largest class, each rounded up to its class', () => {
    expect([1, 64, 65, 450, 1922, 4096, 131072].map(Slab.roundup)).toEqual([64, 64, 128, 512, 2048, 4096, 131072]);
    expect(Slab.roundup(131073)).toBe(0);
  });

  it('objects alive, never overlap and lie inside the RAM', () => {
    const slab = newSlab();
    const taken: [number, number][] = [];
    for (let i = 0; ; i++) {
      const size = [64, 200, 2048, 512][i % 4] as number;
      const at = slab.kmalloc(size);
      if (at === 0) break;
      taken.push([at, at + size]);
    }
    taken.sort(([a], [b]) => a - b);
    expect(taken[0]?.[0]).toBeGreaterThanOrEqual(slab.ram.base);
    expect(taken.at(-1)?.[1]).toBeLessThanOrEqual(slab.ram.base + slab.ram.size);
    for (let i = 1; i < taken.length; i++) expect(taken[i]?.[0]).toBeGreaterThanOrEqual(taken[i - 1]?.[1] as number);
  });

  it('RAM exhausted, gives 0, counts it, and serves again after a free', () => {
    const slab = newSlab(64 * 1024);
    const taken: number[] = [];
    for (let at = slab.kmalloc(2048); at !== 0; at = slab.kmalloc(2048)) taken.push(at);
    expect(slab.failures).toBe(1);
    expect(slab.put(taken[3] as number)).toBe(true);
    expect(slab.kmalloc(2048)).toBe(taken[3]);
  });

  it('two references, freed with the second put only', () => {
    const slab = newSlab();
    const at = slab.kmalloc(100);
    slab.get(at);
    expect(slab.put(at)).toBe(true);
    expect(slab.objects_used).toBe(1);
    expect(slab.put(at)).toBe(true);
    expect(slab.objects_used).toBe(0);
  });

  it('a double free, an address inside an object or outside the RAM, refused', () => {
    const slab = newSlab();
    const at = slab.kmalloc(1024);
    expect(slab.put(at + 64)).toBe(false);
    expect(slab.put(at)).toBe(true);
    expect(slab.put(at)).toBe(false);
    expect(slab.put(0)).toBe(false);
    expect(slab.put(slab.ram.base + slab.ram.size)).toBe(false);
  });
});
