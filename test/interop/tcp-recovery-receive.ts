/** What the host receives: windows, acknowledgements, SACK and D-SACK blocks. For tcp-recovery.ts. */
import type { Script } from './tcp-recovery.ts';

const STAMPED = 'mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7';
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Data in order of the peer's. */
function d(from: number, length = 1000, flags = '.'): string {
  return `${flags} ${from}:${from + length}(${length}) ack 1 win 257`;
}

export const RECEIVING: readonly Script[] = [
  {
    name: 'in order',
    steps: [
      ...range(12).map(i => `+5 < ${d(1 + i * 1000)}`),
      '+60 i',
      '+0 r 100000',
      '+0 i',
      ...range(12).map(i => `+5 < ${d(12001 + i * 1000)}`),
      '+60 i',
    ],
  },
  {
    name: 'in order rtt',
    rtt: 20,
    steps: [
      ...range(40).map(i => `+${i % 10 === 0 ? 20 : 0} < ${d(1 + i * 1000)}`),
      '+60 i',
      '+0 r 100000',
      '+0 i',
      ...range(40).map(i => `+${i % 20 === 0 ? 20 : 0} < ${d(40001 + i * 1000)}`),
      '+60 i',
      '+0 r 100000',
      '+60 i',
    ],
  },
  {
    name: 'small',
    steps: [
      `+0 < ${d(1, 10, 'P.')}`,
      `+5 < ${d(11, 10, 'P.')}`,
      `+50 < ${d(21, 10, 'P.')}`,
      `+100 < ${d(31, 10, 'P.')}`,
      `+0 < ${d(41, 100, '.')}`,
      '+60 r 1000',
      '+5 i',
    ],
  },
  {
    name: 'pingpong',
    steps: [
      `+0 < ${d(1, 100, 'P.')}`,
      '+0 r 100',
      '+0 w 50',
      '+20 < P. 101:201(100) ack 51 win 257',
      '+0 r 100',
      '+0 w 50',
      '+20 < P. 201:301(100) ack 101 win 257',
      '+0 r 100',
      '+60 i',
      '+10 < P. 301:401(100) ack 101 win 257',
      '+100 i',
    ],
  },
  {
    name: 'ooo',
    steps: [
      `+0 < ${d(1001)}`,
      `+1 < ${d(3001)}`,
      `+1 < ${d(5001)}`,
      `+1 < ${d(7001)}`,
      `+1 < ${d(9001)}`,
      '+5 i',
      `+1 < ${d(3001)}`,
      `+1 < ${d(4001)}`,
      `+1 < ${d(1)}`,
      `+1 < ${d(2001)}`,
      `+1 < ${d(1)}`,
      '+5 i',
      `+1 < ${d(6001)}`,
      `+1 < ${d(8001)}`,
      `+1 < ${d(5001, 6000)}`,
      '+60 i',
    ],
  },
  {
    name: 'ooo ts',
    options: STAMPED,
    win: 1000,
    steps: [1001, 3001, 5001, 7001, 9001]
      .map(a => `+1 < . ${a}:${a + 1000}(1000) ack 1 win 257 <nop,nop,TS val 200 ecr 0>`)
      .concat(['+5 i', '+1 < . 1:1001(1000) ack 1 win 257 <nop,nop,TS val 210 ecr 0>', '+60 i']),
  },
  {
    name: 'ooo nosack',
    options: 'mss 1000,nop,wscale 7',
    steps: [`+0 < ${d(1001)}`, `+1 < ${d(3001)}`, `+1 < ${d(3001)}`, `+1 < ${d(1)}`, `+1 < ${d(2001)}`, '+60 i'],
  },
  {
    name: 'dsack',
    steps: [
      `+0 < ${d(1)}`,
      `+1 < ${d(1)}`,
      `+1 < ${d(1, 500)}`,
      `+1 < ${d(501, 1000)}`,
      `+1 < ${d(3001)}`,
      `+1 < ${d(3001)}`,
      `+1 < ${d(3501)}`,
      `+1 < ${d(2501)}`,
      `+1 < ${d(1, 3000)}`,
      '+60 i',
    ],
  },
  { name: 'fin ooo', steps: ['+0 < F. 1001:1001(0) ack 1 win 257', `+1 < ${d(1)}`, '+60 i'] },
  {
    name: 'zero window',
    steps: [
      ...range(50).map(i => `+0 < ${d(1 + i * 1400, 1400)}`),
      '+60 i',
      `+1 < ${d(70001, 1400)}`,
      `+1 < ${d(70001, 1)}`,
      '+0 r 1000',
      '+1 r 2000',
      '+1 r 4000',
      '+10 r 20000',
      '+10 i',
      '+0 r 100000',
      '+10 i',
    ],
  },
  {
    name: 'paws',
    options: STAMPED,
    steps: [
      '+0 < . 1:1001(1000) ack 1 win 257 <nop,nop,TS val 200 ecr 0>',
      '+1 < . 1001:2001(1000) ack 1 win 257 <nop,nop,TS val 190 ecr 0>',
      '+1 < . 1001:2001(1000) ack 1 win 257 <nop,nop,TS val 201 ecr 0>',
      '+1 < . 1001:2001(1000) ack 1 win 257 <nop,nop,TS val 50 ecr 0>',
      '+1 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 50 ecr 0>',
      '+600 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 50 ecr 0>',
      '+1 < . 2001:3001(1000) ack 1 win 257',
      '+60 i',
    ],
  },
  {
    name: 'old acks',
    steps: [
      '+0 w 5000',
      '+10 < . 1:1(0) ack 3001 win 257',
      '+1 < . 1:1(0) ack 1001 win 257',
      '+1 < . 1:1(0) ack 9001 win 257',
      '+1 < . 1:1(0) ack 9001 win 257',
      '+1 < P. 1:101(100) ack 9001 win 257',
      '+1 < . 1:1(0) ack 5001 win 257',
      '+60 i',
    ],
  },
  {
    name: 'rcvlowat',
    steps: ['+0 opt 1 18 3000', `+0 < ${d(1)}`, `+1 < ${d(1001)}`, `+1 < ${d(2001)}`, '+60 r 5000', '+5 i'],
  },
  {
    name: 'ooo many',
    rtt: 20,
    steps: [...range(20).map(i => `+1 < ${d(1001 + i * 1000)}`), '+5 i', `+1 < ${d(1)}`, '+60 i'],
  },
  {
    name: 'compress',
    rtt: 40,
    steps: [
      `+0 < ${d(1)}`,
      `+40 < ${d(1001)}`,
      ...range(70).map(i => `+${i % 35 === 0 ? 40 : 0} < ${d(2001 + i * 1000)}`),
      '+40 r 1000000',
      ...range(9).map(i => `+${i === 0 ? 40 : 2} < ${d(73001 + i * 1000)}`),
      '+5 i',
      `+1 < ${d(72001)}`,
      '+60 i',
    ],
  },
  {
    name: 'small buffer',
    sysctl: { tcp_rmem: [4096, 16384, 16384] },
    steps: [...range(20).map(i => `+0 < ${d(1 + i * 1000)}`), '+60 i', '+0 r 4000', '+10 i', '+0 r 100000', '+10 i'],
  },
  {
    name: 'small buffer ooo',
    sysctl: { tcp_rmem: [4096, 16384, 16384] },
    steps: [
      ...range(20).map(i => `+1 < ${d(1001 + i * 500, 500)}`),
      '+60 i',
      `+0 < ${d(1)}`,
      '+10 i',
      '+0 r 100000',
      '+10 i',
    ],
  },
  {
    name: 'shrink window',
    sysctl: { tcp_rmem: [4096, 32768, 131072], tcp_shrink_window: 1 },
    steps: [...range(40).map(i => `+0 < ${d(1 + i * 1000)}`), '+60 i', '+0 r 4000', '+10 i', '+0 r 100000', '+10 i'],
  },
  {
    name: 'drs',
    rtt: 20,
    options: STAMPED,
    steps: [
      ...range(6).flatMap(k => [
        ...range(10 * (k + 1)).map(
          i =>
            `+${i === 0 ? 20 : 0} < . ${1 + (5 * k * (k + 1) + i) * 1448}:${1 + (5 * k * (k + 1) + i + 1) * 1448}(1448) ack 1 win 257 <nop,nop,TS val ${200 + k * 20} ecr ${Math.max(0, 20 + k * 20 - 20)}>`,
        ),
        '+1 r 1000000',
        '+0 i',
      ]),
    ],
  },
  {
    name: 'data, then a reply',
    rtt: 20,
    steps: [
      `+0 < ${d(1, 500, 'P.')}`,
      '+5 r 1000',
      '+5 w 2000',
      '+20 < P. 501:1001(500) ack 2001 win 257',
      '+100 i',
      '+0 r 1000',
      '+5 i',
    ],
  },
  {
    name: 'window updates',
    steps: [
      ...range(30).map(i => `+0 < ${d(1 + i * 1000)}`),
      '+100 r 2000',
      '+5 r 28000',
      '+5 i',
      ...range(5).map(i => `+0 < ${d(30001 + i * 1000)}`),
      '+100 i',
    ],
  },
  { name: 'urgent', steps: ['+0 < PU. 1:11(10) ack 1 win 257 urg 5', '+50 r 100', '+5 r 100', '+5 i'] },
  {
    name: 'TCP_WINDOW_CLAMP',
    steps: [
      '+0 opt 6 10 8000',
      ...range(12).map(i => `+1 < ${d(1 + i * 1000)}`),
      '+50 i',
      '+0 r 100000',
      '+5 i',
      `+1 < ${d(12001)}`,
      '+50 i',
    ],
  },
  {
    name: 'FIN with data',
    steps: [
      `+0 < ${d(1)}`,
      `+1 < F. 1001:1501(500) ack 1 win 257`,
      '+50 i',
      '+1 r 5000',
      '+1 r 100',
      '+1 < F. 1001:1501(500) ack 1 win 257',
      '+50 i',
    ],
  },
  {
    name: 'PAWS out of order',
    options: STAMPED,
    steps: [
      '+0 < . 1:1001(1000) ack 1 win 257 <nop,nop,TS val 200 ecr 0>',
      '+1 < . 2001:3001(1000) ack 1 win 257 <nop,nop,TS val 210 ecr 0>',
      '+1 < . 1001:2001(1000) ack 1 win 257 <nop,nop,TS val 205 ecr 0>',
      '+1 < . 3001:4001(1000) ack 1 win 257 <nop,nop,TS val 215 ecr 0>',
      '+1 < . 501:1501(1000) ack 1 win 257 <nop,nop,TS val 220 ecr 0>',
      '+1 < . 4001:5001(1000) ack 1 win 257 <nop,nop,TS val 221 ecr 0>',
      '+60 i',
    ],
  },
  {
    name: 'a hole is filled late',
    rtt: 50,
    steps: [`+0 < ${d(1001)}`, `+0 < ${d(3001)}`, `+200 < ${d(1)}`, `+50 < ${d(2001)}`, '+60 i', '+0 w 1000', '+60 i'],
  },
  {
    name: 'TCP_QUICKACK',
    steps: [
      '+0 opt 6 12 0',
      `+0 < ${d(1, 100)}`,
      '+100 opt 6 12 1',
      `+0 < ${d(101, 100)}`,
      `+1 < ${d(201, 100)}`,
      '+100 i',
    ],
  },
  {
    name: 'CE out of order',
    ecn: true,
    sysctl: { tcp_ecn: 1 },
    steps: [
      `+0 < ${d(1)}`,
      `+1 < ce ${d(2001)}`,
      `+1 < ${d(3001)}`,
      `+1 < ${d(1001)}`,
      '+1 < W. 4001:5001(1000) ack 1 win 257',
      '+1 < ce . 5001:6001(1000) ack 1 win 257',
      '+0 w 1000',
      '+50 i',
      '+0 < W. 6001:7001(1000) ack 1001 win 257',
      '+50 i',
    ],
  },
];
