/** Scripts for tcp_diff.ts: options of both sides, connecting, listening, accepting. */
import { CONNECT, connected, LISTEN, SYN } from './tcp_diff_parts.ts';

export const OPEN_SCRIPTS: { readonly [name: string]: string } = {
  // Options of both sides.
  ...Object.fromEntries(
    [
      '',
      ' <mss 1460>',
      ' <mss 1460,nop,wscale 3>',
      ' <mss 1460,nop,nop,sackOK>',
      ' <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>',
      ' <mss 1460,nop,nop,TS val 100 ecr 0>',
      ' <mss 1460,nop,nop,TS val 100 ecr 0,nop,wscale 14>',
      ' <mss 20>',
      ' <mss 0>',
      ' <mss 88,sackOK,TS val 0 ecr 0,nop,wscale 15>',
      ' <mss 9000,sackOK,nop,nop,nop,wscale 0>',
      ' <mss 536,eol>',
      ' <raw fe 4 f9 89,mss 1460>',
    ].map(options => [
      `passive open${options}`,
      `${LISTEN}
< S 0:0(0) win 65535${options}
< . 1:1(0) ack 1 win 1000${options.includes('TS') ? ' <nop,nop,TS val 110 ecr 0>' : ''}
accept L C
info C
get C TCP_MAXSEG
write C 3000
+200 end`,
    ]),
  ),
  ...Object.fromEntries(
    [
      '',
      ' <mss 1460>',
      ' <mss 1000,sackOK,TS val 100 ecr 0,nop,wscale 7>',
      ' <mss 1000,nop,wscale 7>',
      ' <mss 1000,nop,nop,sackOK>',
      ' <mss 1000,nop,nop,TS val 100 ecr 0>',
    ].map(options => [
      `active open${options}`,
      `${connected(`S. 0:0(0) ack 1 win 5792${options}`)}
info C
write C 3000
close C
+100 end`,
    ]),
  ),
  'ECN: SYN with ECE and CWR': `
sysctl tcp_ecn 1
${LISTEN}
< SEW 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
< . 1:1(0) ack 1 win 257
accept L C
write C 1000
info C
< P. 1:1001(1000) ack 1001 win 257 tos 3
< EP. 1001:2001(1000) ack 1001 win 257 tos 2
write C 1000
< . 2001:2001(0) ack 2001 win 257
info C
+100 end`,
  'ECN: active open': `
sysctl tcp_ecn 1
${CONNECT}
connect C 80
< SE. 0:0(0) ack 1 win 5792 <mss 1000,sackOK,nop,nop,nop,wscale 6>
write C 1000
info C
+100 end`,
  // Connecting.
  'connect: SYN retransmitted': `
sysctl tcp_syn_retries 3
${CONNECT}
connect C 80
poll C
+9000 poll C
+20000 get C SO_ERROR
+10000 poll C
+100 get C SO_ERROR
connect C 80
+50 end`,
  'connect: refused': `${CONNECT}
connect C 80
< R. 0:0(0) ack 1 win 0
poll C
write C 10
get C SO_ERROR
get C SO_ERROR
poll C
write C 10
read C 10
connect C 80
+50 end`,
  'connect: refused, connect says so': `${CONNECT}
connect C 80
connect C 80
< R. 0:0(0) ack 1 win 0
connect C 80
connect C 80
+50 end`,
  'connect: RST without ACK, ACK of nothing, RST of something else': `${CONNECT}
connect C 80
< R 0:0(0) win 0
< . 0:0(0) ack 1 win 100
< . 0:0(0) ack 5 win 100
< S. 0:0(0) ack 0 win 100
< R. 0:0(0) ack 7 win 100
< F 0:0(0) win 100
poll C
< S. 0:0(0) ack 1 win 100 <mss 1000>
connect C 80
connect C 80
poll C
+50 end`,
  'connect: simultaneous open': `${CONNECT}
connect C 80
< S 0:0(0) win 5792 <mss 1000,sackOK,nop,nop,nop,wscale 6>
poll C
info C
< S. 0:0(0) ack 1 win 5792 <mss 1000,sackOK,nop,nop,nop,wscale 6>
poll C
info C
write C 1000
+100 end`,
  'connect: simultaneous open, ACK only': `${CONNECT}
connect C 80
< S 0:0(0) win 5792 <mss 1000,sackOK,nop,nop,nop,wscale 6>
< . 1:1(0) ack 1 win 257
info C
write C 1000
+100 end`,
  'connect: ICMP port unreachable while connecting': `${CONNECT}
connect C 80
icmp 3 3 0 0
poll C
get C SO_ERROR
write C 10
+50 end`,
  'connect: ICMP host unreachable while connecting': `${CONNECT}
connect C 80
icmp 3 1 0 0
poll C
get C SO_ERROR
+50 end`,
  'connect: close before the answer': `${CONNECT}
connect C 80
close C
< S. 0:0(0) ack 1 win 100 <mss 1000>
+1500 end`,
  'connect: shutdown before the answer': `${CONNECT}
connect C 80
shutdown C WR
poll C
info C
< S. 0:0(0) ack 1 win 100 <mss 1000>
+1500 end`,
  'connect: blocking': `
+0 bsocket C
+5 bind C 8080
+5 flow 80 8080
+5 connect C 80
+100 < S. 0:0(0) ack 1 win 100 <mss 1000>
+0 read C 100
+100 < P. 1:101(100) ack 1 win 100
+20 read C 100
+0 < F. 101:101(0) ack 1 win 100
+50 close C
+100 end`,
  'connect: data and FIN in the SYN/ACK': `${CONNECT}
connect C 80
< S. 0:100(100) ack 1 win 5792 <mss 1000,sackOK,nop,nop,nop,wscale 6>
read C 100
< PF. 1:101(100) ack 1 win 257
poll C
read C 100
+100 end`,
  // Listening.
  'SYN/ACK retransmitted': `
sysctl tcp_synack_retries 2
${LISTEN}
< ${SYN}
+12000 < . 1:1(0) ack 1 win 257
accept L C
+50 end`,
  'SYN again': `${LISTEN}
< ${SYN}
< ${SYN}
< S 5000:5000(0) win 32792 <mss 1000>
< . 1:1(0) ack 1 win 257
accept L C
+50 end`,
  'request: wrong ACK, RSTs': `${LISTEN}
< ${SYN}
< . 1:1(0) ack 2 win 257
< R 5000:5000(0) win 257
< R 9:9(0) win 257
< F. 1:1(0) ack 1 win 257
accept L C
poll C
read C 10
close C
+100 end`,
  'request: data with the ACK': `${LISTEN}
< ${SYN}
< P. 1:101(100) ack 1 win 257
accept L C
read C 1000
+100 end`,
  'request: RST, then ACK': `${LISTEN}
< ${SYN}
< R 1:1(0) win 257
< . 1:1(0) ack 1 win 257
accept L C
+100 end`,
  'SYN with data, SYN with FIN, with RST, nothing': `${LISTEN}
< S 0:100(100) win 1000 <mss 1000>
+20 flow 40000 8080
< R 1:1(0) win 100
< SF 0:0(0) win 1000 <mss 1000>
< SR 0:0(0) win 1000
< - 0:0(0) win 1000
< . 1:1(0) ack 77 win 100
< S. 1:1(0) ack 77 win 100
< F 1:1(0) win 100
+100 end`,
  'no listener': `
+0 socket L
< S 0:0(0) win 1000 <mss 1000>
< . 1:1(0) ack 77 win 100
< P. 1:11(10) ack 77 win 100
< F 1:1(0) win 100
< R 1:1(0) win 100
< SF 1:11(10) win 100
+50 end`,
  'backlog 1: full': `
+0 socket L
+5 bind L 8080
+5 listen L 1
flow 40001 8080
< ${SYN}
< . 1:1(0) ack 1 win 257
flow 40002 8080
< ${SYN}
< . 1:1(0) ack 1 win 257
flow 40003 8080
< ${SYN}
< . 1:1(0) ack 1 win 257
poll L
info L
accept L A
accept L B
accept L D
+100 < ${SYN}
< . 1:1(0) ack 1 win 257
accept L D
+100 end`,
  'request and full queue: ACK too many': `
+0 socket L
+5 bind L 8080
+5 listen L 0
flow 40001 8080
< ${SYN}
flow 40002 8080
< ${SYN}
flow 40001 8080
< . 1:1(0) ack 1 win 257
flow 40002 8080
< . 1:1(0) ack 1 win 257
+3500 accept L A
accept L B
< P. 1:101(100) ack 1 win 257
accept L B
+100 end`,
  'close of the listener with a request and a child': `${LISTEN}
flow 40001 8080
< ${SYN}
flow 40002 8080
< ${SYN}
< . 1:1(0) ack 1 win 257
close L
flow 40001 8080
< . 1:1(0) ack 1 win 257
+1500 end`,
  TCP_DEFER_ACCEPT: `
+0 socket L
+5 bind L 8080
+5 set L TCP_DEFER_ACCEPT 3
+5 get L TCP_DEFER_ACCEPT
+5 listen L 5
< ${SYN}
< . 1:1(0) ack 1 win 257
accept L C
+500 < P. 1:101(100) ack 1 win 257
accept L C
read C 1000
+50 end`,
  'TCP_DEFER_ACCEPT: no data': `
+0 socket L
+5 bind L 8080
+5 set L TCP_DEFER_ACCEPT 2
+5 listen L 5
< ${SYN}
< . 1:1(0) ack 1 win 257
+8000 accept L C
< . 1:1(0) ack 1 win 257
accept L C
+50 end`,
  'SYN cookies always': `
sysctl tcp_syncookies 2
${LISTEN}
< S 0:0(0) win 32792 <mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>
< . 1:1(0) ack 1 win 257 <nop,nop,TS val 1001 ecr 0>
accept L C
write C 100
info C
< . 1:1(0) ack 101 win 257 <nop,nop,TS val 1010 ecr 0>
+50 end`,
  'SYN cookies always, no timestamps': `
sysctl tcp_syncookies 2
${LISTEN}
< ${SYN}
< . 1:1(0) ack 1 win 257
accept L C
info C
write C 100
+50 end`,
  'blocking accept and its time-out': `
+0 bsocket L
+5 bind L 8080
+5 listen L 1
+5 set L SO_RCVTIMEO 200
+5 baccept L C
+300 baccept L C
+50 < ${SYN}
+20 < . 1:1(0) ack 1 win 257
+50 end`,
};
