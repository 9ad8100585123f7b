import fc from 'fast-check';
import { expect, it } from 'vitest';
import { int_map } from '../../../kernel/lib/int_map.ts';

it('any run of sets and deletes: holds what a Map holds', () => {
  const key = fc.oneof(fc.integer({ min: -4, max: 4 }), fc.integer({ min: -0x80000000, max: 0x7fffffff }));
  const step = fc.tuple(fc.boolean(), key);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const map = new int_map<{ at: number }>();
      const model = new Map<number, { at: number }>();
      steps.forEach(([set, k], at) => {
        if (set) {
          const value = { at };
          map.set(k, value);
          model.set(k, value);
        } else {
          expect(map.delete(k)).toBe(model.delete(k));
        }
        expect(map.size).toBe(model.size);
      });
      for (const [, k] of steps) expect(map.get(k)).toBe(model.get(k) ?? null);
      expect(new Set(map.values())).toEqual(new Set(model.values()));
    }),
  );
});
