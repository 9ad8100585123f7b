import { expect, test } from 'vitest';
import { CRC_START, crcUpdate, fcsOf, fcsValue, multicastIndex } from '../../device/fcs.ts';
import { MULTICAST } from './bench.ts';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, char => char.charCodeAt(0));

/** Bit by bit, most significant bit of the register first, as IEEE 802.3 clause 3.2.9 draws it. */
function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const feedback = (crc >>> 31) ^ ((byte >>> bit) & 1);
      crc = (crc << 1) >>> 0;
      if (feedback !== 0) crc = (crc ^ 0x04c11db7) >>> 0;
    }
  }
  return crc;
}

function reversed(word: number): number {
  let out = 0;
  for (let bit = 0; bit < 32; bit++) out = ((out << 1) | ((word >>> bit) & 1)) >>> 0;
  return out;
}

test('the check value of CRC-32 is CBF43926h', () => {
  expect(fcsOf(ascii('123456789'), 0, 9)).toBe(0xcbf43926);
});

test('nothing, one byte, and a run of zeros', () => {
  expect(fcsOf(new Uint8Array(0), 0, 0)).toBe(0);
  expect(fcsOf(ascii('a'), 0, 1)).toBe(0xe8b7be43);
  expect(fcsOf(new Uint8Array(32), 0, 32)).toBe(0x190a55ad);
});

test('every length up to 100 at every alignment equals the bit-by-bit register, also in two parts', () => {
  const bytes = Uint8Array.from({ length: 128 }, (_, i) => (i * 151) & 0xff);
  for (let length = 0; length <= 100; length++) {
    const at = length % 9;
    const slow = ~reversed(bitwise(bytes.subarray(at, at + length))) >>> 0;
    expect(fcsOf(bytes, at, length)).toBe(slow);
    const cut = length >> 1;
    const half = crcUpdate(CRC_START, bytes, at, cut);
    expect(fcsValue(crcUpdate(half, bytes, at + cut, length - cut))).toBe(slow);
  }
});

test('a frame followed by its FCS leaves the residue DEBB20E3h', () => {
  const bytes = new Uint8Array(64).map((_, i) => i);
  const fcs = fcsOf(bytes, 0, 60);
  for (let i = 0; i < 4; i++) bytes[60 + i] = fcs >>> (8 * i);
  expect(crcUpdate(CRC_START, bytes, 0, 64) >>> 0).toBe(0xdebb20e3);
});

test('the multicast index is the upper six bits of the register', () => {
  for (let i = 0; i < 256; i++) {
    const address = Uint8Array.of(1, 0, 0x5e, 0, i, 0xfb);
    expect(multicastIndex(address, 0)).toBe(bitwise(address) >>> 26);
  }
  expect(multicastIndex(MULTICAST, 0)).toBe(bitwise(MULTICAST) >>> 26);
});
