import { expect, test } from 'vitest';
import { describe, layout } from '../../device/regs/describe.ts';

const reg = { at: 0, access: 'rw', reset: 0, doc: '', fields: {} } as const;

test('an offset that is not a multiple of 4 is refused', () => {
  expect(() => describe({ A: { ...reg, at: 2 } })).toThrow(/multiple of 4/);
});

test('two registers at one offset are refused, also when one of them repeats', () => {
  expect(() => describe({ A: reg, B: reg })).toThrow(/A share offset|B and A/);
  expect(() => describe({ A: { ...reg, count: 4, stride: 0x40 }, B: { ...reg, at: 0x80 } })).toThrow(
    /share offset 80h/,
  );
});

test('fields that overlap or leave the register are refused', () => {
  expect(() => describe({ A: { ...reg, fields: { X: [0, 2, ''], Y: [1, 1, ''] } } })).toThrow(/A.Y overlaps/);
  expect(() => describe({ A: { ...reg, fields: { X: [30, 3, ''] } } })).toThrow(/do not fit 32/);
});

test('a field named as a property of the register is refused', () => {
  expect(() => describe({ A: { ...reg, fields: { offset: [0, 1, ''] } } })).toThrow(/collides/);
});

test('writable bits are the union of the fields, all 32 without fields, none when read-only', () => {
  const map = describe({
    A: { ...reg, fields: { LOW: [0, 4, ''], HIGH: [31, 1, ''] } },
    B: { ...reg, at: 4 },
    C: { ...reg, at: 8, access: 'ro' },
  });
  expect([map.A.writable, map.B.writable, map.C.writable]).toEqual([0x8000000f, 0xffffffff, 0]);
  expect(map.A.HIGH.mask).toBe(0x80000000);
  expect(Object.isFrozen(map.A)).toBe(true);
});

test('a layout member that does not fit or is not aligned is refused', () => {
  expect(() => layout({ bytes: 4, doc: '', members: { A: [2, 4, ''] } })).toThrow(/do not fit/);
  expect(() => layout({ bytes: 4, doc: '', members: { A: [3, 2, ''] } })).toThrow(/do not fit/);
});
