/** Frames with something wrong in them, from a seed: no exception, nothing left behind, every one accounted for. */
import { expect, it } from 'vitest';
import { Random } from '../../../../harness/sim/random.ts';
import { arpFrame, icmp, ipFrame, Segment } from '../segment.ts';

it('mutated ARP, ICMP, UDP and fragment frames: no exception, no leak, bounded memory', () => {
  const chance = new Random(0x5eed, 'frames');
  const quote = [...ipFrame([0, 7, 0, 7, 0, 8, 0, 0], { protocol: 17 }).subarray(14)];
  const good = [
    arpFrame(),
    arpFrame({ op: 2, to: '020000000002', tha: '020000000002' }),
    ipFrame(icmp(8, 0, 7, new Array<number>(56).fill(1))),
    ipFrame(icmp(3, 3, 0, quote)),
    ipFrame(icmp(11, 0, 0, quote)),
    ipFrame(icmp(5, 1, 0x0a010003, quote)),
    ipFrame(icmp(13, 0, 7, new Array<number>(12).fill(0))),
    ipFrame([0x30, 0x39, 0x27, 0x0f, 0, 12, 0, 0, 1, 2, 3, 4], { protocol: 17 }),
    ipFrame(new Array<number>(40).fill(3), { frag: 0x2000, protocol: 17 }),
    ipFrame(icmp(8, 0, 7), { options: [0x44, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0] }),
  ];
  const segment = new Segment();
  for (let round = 0; round < 4000; round++) {
    const frame = (good[chance.below(good.length)] as Uint8Array).slice();
    for (let n = chance.below(4); n > 0; n--) frame[12 + chance.below(frame.length - 12)] = chance.below(256);
    // Half of the time the header's checksum is made right again, or nothing gets past it.
    if (chance.below(2) === 0 && frame[12] === 8 && frame[13] === 0) fixHeader(frame);
    const length = chance.below(8) === 0 ? 14 + chance.below(frame.length - 14) : frame.length;
    segment.receive(frame.subarray(0, length));
    if (round % 100 === 0) segment.wait(0.5);
    segment.sent.length = 0;
  }
  // ipfrag_time, and a granule of the timer wheel.
  segment.wait(35);
  expect(segment.kernel.skbs.alive).toBe(0);
  segment.finish();
});

function fixHeader(frame: Uint8Array): void {
  const end = Math.min(frame.length, 14 + ((frame[14] as number) & 15) * 4);
  frame[24] = 0;
  frame[25] = 0;
  let sum = 0;
  for (let at = 14; at + 1 < end; at += 2) sum += ((frame[at] as number) << 8) | (frame[at + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame[24] = (~sum & 0xffff) >> 8;
  frame[25] = ~sum & 255;
}
