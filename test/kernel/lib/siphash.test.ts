import { expect, test } from 'vitest';
import { siphash, siphash_key } from '../../../kernel/lib/siphash.ts';

test('SipHash-2-4 with the key and the words of its reference vectors', () => {
  const key = new siphash_key(0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c);
  const words = Int32Array.of(0x03020100, 0x07060504, 0x0b0a0908);
  const hash = (count: number): string => {
    const low = siphash(words, count, key) >>> 0;
    return (key.high >>> 0).toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
  };
  expect(hash(0)).toBe('726fdb47dd0e0e31');
  expect(hash(1)).toBe('cf2794e0277187b7');
  expect(hash(2)).toBe('93f5f5799a932462');
  expect(hash(3)).toBe('751e8fbc860ee5fb');
});
