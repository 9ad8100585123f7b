/** Short forms for the scripts of tcp-recovery.ts. */

/** Options of a peer's SYN with timestamps. */
export const STAMPED = 'mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7';

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** An ACK, with the SACK blocks `sack`. */
export function A(ack: number, sack = '', win = 1000): string {
  return `. 1:1(0) ack ${ack} win ${win}${sack === '' ? '' : ` <sack ${sack},nop,nop>`}`;
}

/** An ACK for each `step` segments of 1000 bytes out of `n`, behind `from` of them. */
export function ackEach(n: number, win = 257, from = 0, step = 1): string[] {
  return range(n / step).map(i => `+0 < . 1:1(0) ack ${(from + (i + 1) * step) * 1000 + 1} win ${win}`);
}

/** Data of the peer's. */
export function d(from: number, length = 1000, flags = '.'): string {
  return `${flags} ${from}:${from + length}(${length}) ack 1 win 257`;
}
