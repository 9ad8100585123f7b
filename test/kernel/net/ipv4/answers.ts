/** Frames for a host at 10.1.0.2 whose answers can be compared with another host's, byte by byte. */
import { Random } from '../../../../harness/sim/random.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { icmp, ipFrame } from '../segment.ts';
import { bytes } from './frags.ts';

const be16 = (v: number): number[] => [v >> 8, v & 255];
const DATAGRAM = icmp(8, 0, 9, bytes(400));

/** Without what a host is free to choose: identification, and the header checksum that follows from it. */
export function comparable(frame: string): string {
  return `${frame.slice(0, 36)}____${frame.slice(40, 48)}____${frame.slice(52)}`;
}

/** Bytes [from, to) of an echo request. */
function piece(from: number, to: number, id: number, ip = {}): Uint8Array {
  const more = to < DATAGRAM.length ? 0x2000 : 0;
  return ipFrame(DATAGRAM.slice(from, to), { frag: more | (from >> 3), id, ...ip });
}

const RECORD_ROUTE = [7, 7, 4, 0, 0, 0, 0, 0];
const OPTIONS: readonly number[][] = [
  [1, 1, 1, 0],
  [7, 15, 4, ...bytes(12), 0],
  RECORD_ROUTE,
  [7, 7, 8, 1, 2, 3, 4, 0],
  [68, 4, 5, 0x20],
  [68, 12, 5, 3, 8, 8, 8, 8, 0, 0, 0, 0],
  [130, 11, ...bytes(9), 136, 4, 0, 0, 0],
  [148, 4, 0, 0],
  [30, 4, 0, 0],
  [158, 4, 0, 0],
  [0, 1, 2, 3],
  // What is wrong somewhere.
  [1, 1, 1, 7],
  [7, 1, 4, 0],
  [7, 9, 4, 0, 0, 0, 0, 0],
  [7, 7, 3, 0, 0, 0, 0, 0],
  [7, 6, 4, 0, 0, 0, 0, 0],
  [7, 3, 4, 7, 3, 4, 0, 0],
  [7, 7, 4, 0, 0, 0, 0, 7],
  [68, 3, 5, 0],
  [68, 8, 4, 0, 0, 0, 0, 0],
  [68, 4, 5, 0xf0],
  [68, 4, 5, 0x0f],
  [131, 2, 0, 0],
  [131, 7, 3, 1, 2, 3, 4, 0],
  [131, 3, 4, 137, 3, 4, 0, 0],
  [131, 11, 4, 10, 1, 0, 9, 10, 1, 0, 8, 0],
  [131, 11, 12, 10, 1, 0, 8, 10, 1, 0, 9, 0],
  [148, 3, 0, 0],
  [134, 6, 0, 0, 0, 1, 0, 0],
  [134, 8, 0, 0, 0, 1, 1, 2],
];

/** Every option, fragments of every kind, and every ICMP message that a host may answer. */
export function plainFrames(): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (const options of OPTIONS) {
    list.push(ipFrame(icmp(8, 0, 7, [1, 2, 3, 4]), { options }));
    list.push(ipFrame([0x30, 0x39, 0x27, 0x0f, ...be16(12), 0, 0, 1, 2, 3, 4], { protocol: 17, options }));
  }
  let id = 500;
  const cases: [from: number, to: number, ip?: object][][] = [
    [
      [0, 200],
      [200, 408],
    ],
    [
      [200, 408],
      [0, 200],
    ],
    [
      [0, 200],
      [0, 200],
      [200, 408],
    ],
    [
      [0, 200],
      [8, 64],
      [200, 408],
    ],
    [
      [0, 200],
      [192, 304],
      [200, 408],
    ],
    [
      [0, 203],
      [200, 408],
    ],
    [
      [0, 200, { tos: 0 }],
      [200, 408, { tos: 2 }],
    ],
    [
      [0, 200, { tos: 2 }],
      [200, 408, { tos: 3 }],
    ],
    [
      [0, 200, { options: RECORD_ROUTE }],
      [200, 408],
    ],
    [
      [0, 200],
      [200, 408, { options: RECORD_ROUTE }],
    ],
    [
      [200, 408, { options: RECORD_ROUTE }],
      [0, 200],
    ],
    [
      [0, 200, { frag: 0x6000 }],
      [200, 408, { frag: 0x4000 | 25 }],
    ],
    [
      [0, 200, { tos: 0x10 }],
      [200, 408, { tos: 0x20 }],
    ],
    [
      [200, 408],
      [200, 300, { frag: 25 }],
      [0, 200],
    ],
  ];
  for (const pieces of cases) {
    id++;
    for (const [from, to, ip] of pieces) list.push(piece(from, to, id, ip));
  }
  for (const [type, rest] of [
    [15, []],
    [17, [0, 0, 0, 0]],
    [42, [0x20, 0, 0, 0, 0, 8, 3, 2, 0, 0, 0, 2]],
    [10, []],
  ] as const)
    list.push(ipFrame(icmp(type, 0, 0x00070101, [...rest])));
  list.push(ipFrame(icmp(8, 5, 7, [1, 2, 3]), { tos: 0xff }));
  for (const length of [0, 8, 1200]) {
    list.push(
      ipFrame(bytes(length), { protocol: 222 }),
      ipFrame(bytes(length), { protocol: 222, options: RECORD_ROUTE }),
    );
    list.push(ipFrame(bytes(length), { protocol: 222, tos: 0xbb }));
  }
  return list;
}

/** Frames with something wrong in them; none that is answered with a time, later, or to somebody else. */
export function damagedFrames(count: number, seed: number): Uint8Array[] {
  const chance = new Random(seed, 'answers');
  const list: Uint8Array[] = [];
  let id = 1000;
  while (list.length < count) {
    if (chance.below(2) === 0) {
      if (chance.below(25) === 0) id++;
      const odd = chance.below(20) === 0;
      const from = odd ? 8 * chance.below(51) : 64 * chance.below(7);
      const to = Math.min(DATAGRAM.length, from + (odd ? 8 * (1 + chance.below(30)) : 64));
      list.push(piece(from, to, id));
      continue;
    }
    const options = OPTIONS[chance.below(OPTIONS.length)] as number[];
    const frame = [
      ipFrame(icmp(8, 0, 7, bytes(16)), { options }),
      ipFrame([0x30, 0x39, 0x27, 0x0f, ...be16(12), 0, 0, 1, 2, 3, 4], { protocol: 17, options }),
      ipFrame(bytes(40), { protocol: 222, options }),
    ][chance.below(3)] as Uint8Array;
    // In the header but for its addresses and its protocol, which decide who answers, in options, in the payload.
    for (let n = chance.below(4); n > 0; n--) {
      const at = 14 + chance.below(frame.length - 14);
      if (at < 23 || at >= 34) frame[at] = chance.below(256);
    }
    const hlen = ((frame[14] as number) & 15) * 4;
    const end = Math.min(frame.length, 14 + hlen);
    if (chance.below(8) !== 0) fixHeader(frame, end);
    const stamps = frame.subarray(34, end).includes(68);
    const type = frame[14 + hlen];
    if (!stamps && (frame[23] !== 1 || type === 8)) list.push(frame);
  }
  return list;
}

function fixHeader(frame: Uint8Array, end: number): void {
  frame[24] = 0;
  frame[25] = 0;
  let sum = 0;
  for (let at = 14; at + 1 < end; at += 2) sum += ((frame[at] as number) << 8) | (frame[at + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame[24] = (~sum & 0xffff) >> 8;
  frame[25] = ~sum & 255;
}

export const GATEWAY: number = in_aton('10.1.0.1');
