/** Connections that go on in another socket (TCP_REPAIR). For tcp-recovery.ts. */
import type { Script } from './tcp-recovery.ts';
import { d } from './tcp-recovery-notation.ts';

const OPTIONS = 'mss 1000,sackOK,nop,nop,nop,wscale 7';
/** TCP_REPAIR's values at the end: with a window probe, without. */
const OFF = 0;
const OFF_NO_WP = -1;

export const REPAIRED: readonly Script[] = [
  {
    name: 'idle: nothing is sent but the probe, and both sides go on',
    options: OPTIONS,
    rtt: 10,
    win: 1000,
    steps: [
      `+0 rs ${OFF}`,
      '+1 i',
      '+1 < . 1:1(0) ack 1 win 900',
      '+0 w 2500',
      '+10 < . 1:1(0) ack 2501 win 1000',
      `+0 < ${d(1)}`,
      '+1 r 2000',
      '+50 n',
    ],
  },
  {
    name: 'both queues: what was received can be read, what was sent is still to be acknowledged',
    options: OPTIONS,
    rtt: 10,
    win: 1000,
    steps: [
      '+0 w 15000',
      `+0 < ${d(1)}`,
      `+1 < ${d(1001)}`,
      '+1 r 300',
      `+1 rs ${OFF_NO_WP}`,
      '+1 i',
      '+0 r 5000',
      '+10 < . 2001:2001(0) ack 10001 win 1000',
      '+1 i',
      '+10 < . 2001:2001(0) ack 15001 win 1000',
      '+1 n',
    ],
  },
  {
    name: 'what was sent is lost: it goes again from the new socket',
    options: OPTIONS,
    rtt: 10,
    win: 1000,
    steps: [
      '+0 w 5000',
      `+5 rs ${OFF_NO_WP}`,
      '+10 < . 1:1(0) ack 1 win 1000 <sack 1001:2001,nop,nop>',
      '+0 < . 1:1(0) ack 1 win 1000 <sack 1001:3001,nop,nop>',
      '+0 < . 1:1(0) ack 1 win 1000 <sack 1001:5001,nop,nop>',
      '+1 i',
      '+10 < . 1:1(0) ack 5001 win 1000',
      '+1 i',
      '+0 c',
    ],
  },
];
