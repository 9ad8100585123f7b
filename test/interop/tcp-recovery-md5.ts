/** Signed segments (TCP_MD5SIG), and those that are not. For tcp-recovery.ts. */
import type { Script } from './tcp-recovery.ts';

const SIGNED = 'nop,nop,md5';
const OPTIONS = 'mss 1460,sackOK,nop,nop,nop,wscale 7,nop,nop,md5';

/** A segment of the peer's, by default signed. */
function seg(text: string, options = SIGNED): string {
  return `< ${text}${options === '' ? '' : ` <${options}>`}`;
}

const ack = (n: number, options = SIGNED): string => seg(`. 1:1(0) ack ${n} win 1000`, options);

export const MD5: readonly Script[] = [
  {
    name: 'both ways',
    md5: 'secret',
    options: OPTIONS,
    rtt: 10,
    win: 1000,
    steps: [
      '+0 w 5000',
      '+0 i',
      `+10 ${ack(5001)}`,
      `+0 ${seg('P. 1:501(500) ack 5001 win 1000')}`,
      '+1 r 1000',
      '+0 w 100000',
      '+0 i',
      '+0 n',
    ],
  },
  {
    name: 'without a signature, with a wrong one, with two: dropped',
    md5: 'k',
    options: OPTIONS,
    rtt: 10,
    win: 1000,
    steps: [
      `+0 ${seg('P. 1:501(500) ack 1 win 1000', '')}`,
      '+1 n',
      `+0 ${seg('P. 1:501(500) ack 1 win 1000', 'nop,nop,md5 wrong')}`,
      '+1 n',
      `+0 ${seg('P. 1:501(500) ack 1 win 1000', 'md5,md5')}`,
      '+1 n',
      `+0 ${seg('R. 1:1(0) ack 1 win 1000', '')}`,
      `+1 ${seg('S 1:1(0) win 1000', '')}`,
      '+1 n',
      `+0 ${seg('P. 1:501(500) ack 1 win 1000')}`,
      '+1 r 1000',
      '+50 i',
    ],
  },
  {
    name: 'a long key; as many SACK blocks as there is room for',
    md5: 'four-score'.repeat(8),
    options: OPTIONS,
    rtt: 10,
    win: 1000,
    steps: [
      `+0 ${seg('. 1001:2001(1000) ack 1 win 1000')}`,
      `+1 ${seg('. 3001:4001(1000) ack 1 win 1000')}`,
      `+1 ${seg('. 5001:6001(1000) ack 1 win 1000')}`,
      `+1 ${seg('. 7001:8001(1000) ack 1 win 1000')}`,
      `+1 ${seg('. 1:1001(1000) ack 1 win 1000')}`,
      '+1 i',
    ],
  },
  {
    name: 'SACK blocks, retransmission and timeout',
    md5: 'secret',
    options: OPTIONS,
    rtt: 10,
    win: 1000,
    steps: [
      '+0 opt 6 1 1',
      ...Array.from({ length: 6 }, () => '+0 w 1000'),
      `+10 ${seg('. 1:1(0) ack 1 win 1000', `${SIGNED},nop,nop,sack 1001:2001`)}`,
      `+0 ${seg('. 1:1(0) ack 1 win 1000', `${SIGNED},nop,nop,sack 1001:4001`)}`,
      `+0 ${seg('. 1:1(0) ack 1 win 1000', `${SIGNED},nop,nop,sack 1001:6001`)}`,
      `+1 ${ack(6001)}`,
      '+0 i',
    ],
  },
  {
    name: 'the close, TIME_WAIT and a segment for it',
    md5: 'secret',
    options: OPTIONS,
    rtt: 10,
    win: 1000,
    steps: [
      '+0 c',
      `+1 ${ack(2)}`,
      `+1 ${seg('F. 1:1(0) ack 2 win 1000')}`,
      `+1 ${seg('F. 1:1(0) ack 2 win 1000')}`,
      `+600 ${seg('. 1:101(100) ack 2 win 1000', '')}`,
      '+1 n',
    ],
  },
  {
    name: 'unread data at the close: a signed RST',
    md5: 'secret',
    options: OPTIONS,
    rtt: 10,
    win: 1000,
    steps: [`+0 ${seg('P. 1:501(500) ack 1 win 1000')}`, '+1 c', `+1 ${seg('P. 501:601(100) ack 1 win 1000')}`, '+1 n'],
  },
  {
    name: 'another key, and none',
    md5: 'secret',
    options: OPTIONS,
    rtt: 10,
    win: 1000,
    steps: [
      '+0 k other',
      '+0 w 100',
      `+1 ${seg('P. 1:101(100) ack 1 win 1000')}`,
      '+1 n',
      '+0 k secret',
      `+1 ${seg('P. 1:101(100) ack 1 win 1000')}`,
      '+1 n',
      '+0 k',
      '+0 k',
      `+1 ${seg('P. 101:201(100) ack 101 win 1000')}`,
      '+1 n',
      `+1 ${seg('P. 101:201(100) ack 101 win 1000', '')}`,
      '+1 n',
    ],
  },
  {
    name: 'a key for a connection that has none',
    options: 'mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7',
    rtt: 10,
    win: 1000,
    steps: [
      '+0 w 100',
      `+10 ${seg('P. 1:101(100) ack 101 win 1000', `${SIGNED}`)}`,
      '+1 n',
      `+0 ${seg('P. 1:101(100) ack 101 win 1000', 'raw 64 00 64 00 64 00 64 00 64 00 64 00 64 00 64 00 64 00 64 00')}`,
      '+1 n',
      `+0 ${seg('P. 1:101(100) ack 101 win 1000', 'raw 64 00 64 00')}`,
      '+1 n',
      `+0 ${seg('. 101:101(0) ack 101 win 1000', 'nop,nop,TS val 120 ecr 0')}`,
      '+0 k new',
      // Linux goes on making packets of several segments here, with one signature, which is wrong, for all of them.
      '+0 w 1000',
      '+1 w 1000',
      '+1 i',
      '+1 n',
    ],
  },
];
