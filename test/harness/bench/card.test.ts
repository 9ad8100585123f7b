import { expect, test } from 'vitest';
import { CardBench } from '../../../harness/bench/card.ts';

test.each([
  [60, 16],
  [60, 32],
  [1514, 16],
  [1514, 32],
] as const)('the bench drains frames of %i bytes, %i bits at a time, byte for byte', (length, width) => {
  const bench = new CardBench();
  const frame = new Uint8Array(length).map((_, i) => i & 0xff);
  frame.set([2, 0, 0, 0, 0, 2]);
  bench.frames(200, frame, width);
  bench.sum = 0;
  bench.frames(1, frame, width);
  let sum = 0;
  const view = new DataView(frame.buffer);
  let at = 0;
  for (; at + width / 8 <= length; at += width / 8)
    sum += width === 16 ? view.getUint16(at, true) : view.getUint32(at, true);
  if (at < length) sum += view.getUint16(at, true);
  expect(bench.sum).toBe(sum);
});

test('register reads, mixes and port reads give what they should', () => {
  const bench = new CardBench();
  bench.reads(4);
  // ISR 0, BNRY 7Fh, TSR 0, CR 22h.
  expect(bench.sum).toBe(0x7f + 0x22);
  bench.mixed(4);
  bench.clocked(4, 1);
  bench.port(768, 16);
  bench.port(384, 32);
});
