/** Beginnings that the scripts for tcp_diff.ts share. */

/** A listener L. */
export const LISTEN = `
+0 socket L
+5 set L SO_REUSEADDR 1
+5 bind L 8080
+5 listen L 5`;

export const SYN = 'S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>';
export const TS_SYN = 'S 0:0(0) win 32792 <mss 1000,sackOK,TS val 1000 ecr 0,nop,wscale 7>';

/** The peer's connection, accepted as C. `options`: of the ACK that completes it. */
export function accepted(syn = SYN, win = 257, options = ''): string {
  return `${LISTEN}
< ${syn}
< . 1:1(0) ack 1 win ${win}${options}
accept L C`;
}

/** The same, both with timestamps. */
export const STAMPED = accepted(TS_SYN, 257, ' <nop,nop,TS val 1001 ecr 0>');

/** A socket C that may connect to port 80. */
export const CONNECT = `
+0 socket C
+5 bind C 8080
+5 flow 80 8080`;

/** C connects, `reply` comes. */
export function connected(reply: string): string {
  return `${CONNECT}
connect C 80
< ${reply}
get C SO_ERROR
poll C`;
}
