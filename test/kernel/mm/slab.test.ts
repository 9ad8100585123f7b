import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena } from '../../../harness/sim/arena.ts';
import { KMALLOC_MAX_SIZE, Slab } from '../../../kernel/mm/slab.ts';

const newSlab = (size = 256 * 1024): Slab => new Slab(Arena.take(2 * 1024 * 1024).ram(size));

function takeAll(slab: Slab, size: number): number[] {
  const taken: number[] = [];
  for (let at = slab.kmalloc(size); at !== 0; at = slab.kmalloc(size)) taken.push(at);
  return taken;
}

describe('kmalloc', () => {
  it('sizes up to the largest class, each rounded up to its class', () => {
    expect([1, 64, 65, 450, 1922, 4096, 131072].map(Slab.roundup)).toEqual([64, 64, 128, 512, 2048, 4096, 131072]);
    expect(Slab.roundup(131073)).toBe(262144);
    expect(Slab.roundup(KMALLOC_MAX_SIZE + 1)).toBe(0);
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

  it('memory freed in one size, serves every other', () => {
    const slab = newSlab(1024 * 1024);
    const sizes = [64, 192, 256, 2048, 4096, 32768, 65536, 131072, 1048576];
    for (const size of [...sizes, ...sizes.toReversed()]) {
      const taken = takeAll(slab, size);
      expect(taken.length).toBeGreaterThanOrEqual(Math.floor((1024 * 1024) / 32768) * Math.floor(32768 / size));
      expect(taken.length).toBeGreaterThan(0);
      for (const at of taken) expect(slab.put(at)).toBe(true);
    }
    expect([slab.objects_used, slab.bytes_used]).toEqual([0, 0]);
  });

  it('one object alive in a chunk, the chunk stays with its class', () => {
    const slab = newSlab(64 * 1024);
    const taken = takeAll(slab, 256);
    const kept = taken[0] as number;
    for (const at of taken.slice(1)) slab.put(at);
    // Of two chunks one is free: 32 KiB, no more.
    expect(slab.kmalloc(65536)).toBe(0);
    expect(takeAll(slab, 4096)).toHaveLength(8);
    expect([slab.count(kept), slab.put(kept)]).toEqual([1, true]);
    expect(slab.kmalloc(4096)).not.toBe(0);
  });

  it('any mix of sizes, taken and freed at random: objects never overlap, and at the end all is free', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -40, max: 131072 }), { minLength: 100, maxLength: 600 }), steps => {
        const slab = newSlab(512 * 1024);
        const alive = new Map<number, number>();
        for (const step of steps) {
          if (step <= 0) {
            const at = [...alive.keys()][-step % Math.max(1, alive.size)];
            if (at === undefined) continue;
            alive.delete(at);
            expect(slab.put(at)).toBe(true);
            expect(slab.put(at)).toBe(false);
            continue;
          }
          // Small ones more often than large ones.
          const size = step % 3 === 0 ? step : 1 + (step % 3000);
          const at = slab.kmalloc(size);
          if (at === 0) continue;
          expect(at).toBeGreaterThanOrEqual(slab.ram.base);
          expect(at + size).toBeLessThanOrEqual(slab.ram.base + slab.ram.size);
          for (const [other, length] of alive) expect(at + size <= other || other + length <= at).toBe(true);
          alive.set(at, Slab.roundup(size));
        }
        for (const at of alive.keys()) slab.put(at);
        expect([slab.objects_used, slab.bytes_used]).toEqual([0, 0]);
        expect(takeAll(slab, 65536).length).toBeGreaterThan(4);
      }),
      { numRuns: 50 },
    );
  });
});
