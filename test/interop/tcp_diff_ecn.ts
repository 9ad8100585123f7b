/**
 * Scripts for tcp_diff.ts: accurate ECN (RFC 9768). Linux 6.18 cannot be told to ask for it, nor to agree to it: its sysctl
 * tcp_ecn ends at 2. But a client that asks for RFC 3168's takes an answer that is accurate ECN's for what it says, and all
 * that such a connection does can be compared: flags, option, counters, window.
 */
import { CONNECT, LISTEN } from './tcp_diff_parts.ts';

const ECN0 = 'ECN e0b 1 ceb 0 e1b 1,nop';

/** C has asked for ECN, and has got the answer `flags`, which came with the DS field `tos`. */
function answered(flags: string, options = `mss 1000,${ECN0},nop,nop,sackOK,nop,wscale 7`, tos = 0): string {
  return `
sysctl tcp_ecn 1
${CONNECT}
connect C 80
< ${flags} 0:0(0) ack 1 win 5792 <${options}> tos ${tos}
info C`;
}

const STAMPED = `mss 1000,sackOK,TS val 500 ecr 0,${ECN0},nop,nop,nop,wscale 7`;

/** An option in order 0 behind two NOPs where something else follows. */
const counts = (e0b: number, ceb: number, e1b: number): string => `ECN e0b ${e0b} ceb ${ceb} e1b ${e1b},nop`;

export const ECN_SCRIPTS: { readonly [name: string]: string } = {
  // Every answer that there can be, and how it came.
  ...Object.fromEntries(
    ['S.', 'SE.', 'SW.', 'SEW.', 'S.A', 'SE.A', 'SW.A', 'SEW.A'].flatMap(flags =>
      [0, 1, 2, 3].map(tos => [
        `ECN: the answer ${flags}, its codepoint ${tos}`,
        `${answered(flags.replace('.A', 'A.'), undefined, tos)}
write C 1000
< . 1:1(0) ack 1001 win 257 <${counts(1001, 0, 1)}> tos 2
info C
< P. 1:1001(1000) ack 1001 win 257 tos 3
< P. 1001:2001(1000) ack 1001 win 257 tos 2
write C 1000
info C
+300 end`,
      ]),
    ),
  ),
  'ECN: accurate: ACKs count marks, the option bytes; the congestion window': `${answered('SW.')}
write C 3000
< WA. 1:1(0) ack 1001 win 257 <${counts(1, 1000, 1)}>
info C
< WA. 1:1(0) ack 2001 win 257 <${counts(1001, 1000, 1)}>
info C
< EWA. 1:1(0) ack 3001 win 257 <ECN e1b 1 ceb 2000 e0b 1001,nop>
info C
write C 5000
< EWA. 1:1(0) ack 5001 win 257 <ECN e1b 1001 ceb 2000,nop,nop>
< . 1:1(0) ack 6001 win 257 <ECN e1b 1001 ceb 3000 e0b 1001,nop>
< E. 1:1(0) ack 8001 win 257 <ECN e1b 1001 ceb 4000 e0b 1001,nop>
info C
+100 end`,
  'ECN: accurate: data of all codepoints; each change is told at once': `${answered('SW.')}
< P. 1:1001(1000) ack 1 win 257 tos 2
< P. 1001:2001(1000) ack 1 win 257 tos 2
< P. 2001:3001(1000) ack 1 win 257 tos 3
< P. 3001:4001(1000) ack 1 win 257 tos 3
< P. 4001:5001(1000) ack 1 win 257 tos 1
< P. 5001:6001(1000) ack 1 win 257
< P. 6001:7001(1000) ack 1 win 257
read C 7000
write C 100
info C
< . 7001:7001(0) ack 101 win 257 tos 3
write C 100
info C
+300 end`,
  'ECN: accurate: no progress, no news; with timestamps a newer one is progress': `${answered('SW.', STAMPED)}
write C 2000
< WA. 1:1(0) ack 1 win 257 <nop,nop,TS val 500 ecr 1>
info C
< WA. 1:1(0) ack 1 win 257 <nop,nop,TS val 520 ecr 1>
info C
< EWA. 1:1(0) ack 1001 win 257 <nop,nop,TS val 520 ecr 1>
info C
+100 end`,
  'ECN: accurate: SACK blocks make room for the option': `${answered('SW.', STAMPED)}
< PEA. 1001:2001(1000) ack 1 win 257 <nop,nop,TS val 510 ecr 1> tos 1
< PEA. 3001:4001(1000) ack 1 win 257 <nop,nop,TS val 511 ecr 1> tos 1
< PEA. 5001:6001(1000) ack 1 win 257 <nop,nop,TS val 512 ecr 1> tos 3
< PEA. 5001:6001(1000) ack 1 win 257 <nop,nop,TS val 513 ecr 1> tos 1
< PEA. 7001:8001(1000) ack 1 win 257 <nop,nop,TS val 514 ecr 1> tos 2
info C
< PEA. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 515 ecr 1> tos 0
info C
+100 end`,
  'ECN: accurate: lost packets are sent again with ECT, marked ones not': `${answered('SW.')}
write C 6000
< EA. 1:1(0) ack 1 win 257 <${counts(1001, 0, 1)},nop,nop,sack 1001:2001>
< WA. 1:1(0) ack 1 win 257 <${counts(1001, 1000, 1)},nop,nop,sack 1001:3001>
< WA. 1:1(0) ack 1 win 257 <${counts(2001, 1000, 1)},nop,nop,sack 1001:4001>
info C
< WA. 1:1(0) ack 4001 win 257 <${counts(3001, 1000, 1)}>
info C
< WA. 1:1(0) ack 6001 win 257 <${counts(5001, 1000, 1)}>
info C
+100 end`,
  ...Object.fromEntries(
    [
      'ECN e0b 0 ceb 0 e1b 1,nop',
      'ECN e0b 1 ceb 0 e1b 0,nop',
      'ECN e1b 0,nop,nop,nop',
      'ECN e1b 1,nop,nop,nop',
      'raw ac 2,nop,nop',
      'raw ae 4 0 0',
      'raw ac e 0 0 1 0 0 0 0 0 1 0 0 1,nop,nop',
      'raw ac 1,nop,nop',
    ].map(option => [
      `ECN: accurate: the SYN/ACK’s option is "${option}"`,
      `${answered('SW.', `mss 1000,${option}`)}
write C 1000
< EA. 1:1(0) ack 1001 win 257 <${counts(1001, 0, 1)}>
info C
write C 1000
< WA. 1:1(0) ack 2001 win 257 <${counts(1001, 1000, 1)}>
info C
+100 end`,
    ]),
  ),
  ...Object.fromEntries(
    ['0', '1', '2'].map(mode => [
      `ECN: accurate: tcp_ecn_option ${mode}`,
      `sysctl tcp_ecn_option ${mode}
${answered('SW.')}
write C 100
< EA. 1:1(0) ack 101 win 257 <${counts(101, 0, 1)}>
write C 100
write C 100
< EA. 1:1(0) ack 301 win 257 <${counts(301, 0, 1)}>
< PEA. 1:501(500) ack 301 win 257 tos 2
< PEA. 501:1001(500) ack 301 win 257 tos 2
read C 1000
write C 100
+100 write C 100
info C
+300 end`,
    ]),
  ),
  'ECN: accurate: the SYN/ACK comes again: what it says of the SYN is answered': `${answered('SW.')}
< SW. 0:0(0) ack 1 win 5792 <mss 1000,${ECN0},nop,nop,sackOK,nop,wscale 7>
write C 100
info C
+300 end`,
  'ECN: accurate: FIN and RST': `${answered('SW.', undefined, 3)}
write C 100
shutdown C WR
< EA. 1:1(0) ack 102 win 257 tos 3
< PEA. 1:101(100) ack 102 win 257 tos 3
read C 100
info C
< FEA. 101:101(0) ack 102 win 257 tos 3
close C
+300 end`,
  // What a listener makes of SYNs for accurate ECN when it has not been told to.
  ...Object.fromEntries(
    ['SEWA', 'SEA', 'SA', 'SW', 'SEW'].flatMap(flags =>
      [0, 1, 2].map(ecn => [
        `ECN: tcp_ecn ${ecn}: a SYN ${flags} with ECT`,
        `sysctl tcp_ecn ${ecn}
${LISTEN}
< ${flags} 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7> tos 2
< WA. 1:1(0) ack 1 win 257
accept L C
write C 1000
< PEA. 1:1001(1000) ack 1001 win 257 tos 3
info C
+300 end`,
      ]),
    ),
  ),
};
