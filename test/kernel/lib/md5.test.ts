/** MD5 against RFC 1321's own examples, and against OpenSSL's. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Chance } from '../../../harness/sim/random.ts';
import { md5 } from '../../../kernel/lib/md5.ts';

function digest(...pieces: readonly Uint8Array[]): string {
  const hash = new md5();
  hash.init();
  for (const piece of pieces) hash.update(piece, 0, piece.length);
  const out = new Uint8Array(18);
  hash.final(out, 1);
  expect([out[0], out[17]]).toEqual([0, 0]);
  return Buffer.from(out.subarray(1, 17)).toString('hex');
}

test.each([
  ['', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['a', '0cc175b9c0f1b6a831c399e269772661'],
  ['abc', '900150983cd24fb0d6963f7d28e17f72'],
  ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
  ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'd174ab98d277d9f5a5611c2c9f419d9f'],
  ['1234567890'.repeat(8), '57edf4a22be3c955ac49da2e2107b67a'],
])('RFC 1321 A.5: %j', (text, expected) => {
  expect(digest(Buffer.from(text))).toBe(expected);
});

test('every length up to three blocks, in pieces of any size: as OpenSSL', () => {
  const r = new Chance(1).stream('md5');
  const bytes = Uint8Array.from({ length: 200 }, () => r.below(256));
  for (let length = 0; length <= bytes.length; length++) {
    const cut = r.below(length + 1);
    const whole = bytes.subarray(0, length);
    const expected = createHash('md5').update(whole).digest('hex');
    expect(digest(whole.subarray(0, cut), whole.subarray(cut))).toBe(expected);
  }
});
