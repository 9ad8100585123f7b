/** Scripts for tcp_diff.ts: connection setup and teardown, options, timers. */

const LISTEN = `
+0 socket L
+5 set L SO_REUSEADDR 1
+5 bind L 8080
+5 listen L 5`;
const SYN = 'S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>';

/** The peer's connection, accepted as C. */
function accepted(syn = SYN, win = 257, before = ''): string {
  return `${LISTEN}${before}
< ${syn}
< . 1:1(0) ack 1 win ${win}
accept L C`;
}
const TS_SYN = 'S 0:0(0) win 32792 <mss 1000,sackOK,TS val 1000 ecr 0,nop,wscale 7>';
const CONNECT = `
+0 socket C
+5 bind C 8080
+5 flow 80 8080`;

function connected(reply = 'S. 0:0(0) ack 1 win 5792 <mss 1460,sackOK,nop,nop,nop,wscale 6>'): string {
  return `${CONNECT}
connect C 80
< ${reply}
get C SO_ERROR
poll C`;
}

export const SCRIPTS: { readonly [name: string]: string } = {
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
  // Closing.
  'close: we first': `${accepted()}
close C
< . 1:1(0) ack 2 win 257
< F. 1:1(0) ack 2 win 257
< F. 1:1(0) ack 2 win 257
+600 < F. 1:1(0) ack 2 win 257
< P. 1:11(10) ack 2 win 257
+600 < R 1:1(0) win 0
< F. 1:1(0) ack 2 win 257
+50 end`,
  'close: peer first': `${accepted()}
< F. 1:1(0) ack 1 win 257
poll C
read C 10
info C
write C 100
close C
< . 2:2(0) ack 102 win 257
< . 2:2(0) ack 102 win 257
+50 end`,
  'close: simultaneous': `${accepted()}
close C
< F. 1:1(0) ack 1 win 257
< . 2:2(0) ack 2 win 257
< F. 1:1(0) ack 2 win 257
+50 end`,
  'close: FIN and its ACK at once': `${accepted()}
close C
< F. 1:1(0) ack 2 win 257
+50 end`,
  'close: unread data': `${accepted()}
< P. 1:101(100) ack 1 win 257
close C
+50 end`,
  'close: data after close': `${accepted()}
close C
< . 1:1(0) ack 2 win 257
< P. 1:101(100) ack 2 win 257
+50 end`,
  'close: data after close, before the ACK': `${accepted()}
close C
< P. 1:101(100) ack 1 win 257
+50 end`,
  'close: with data and FIN retransmitted': `${accepted()}
write C 100
close C
+3000 < . 1:1(0) ack 102 win 257
+50 end`,
  'close: FIN out of order': `${accepted()}
< F. 101:101(0) ack 1 win 257
poll C
< P. 1:101(100) ack 1 win 257
poll C
read C 1000
read C 1000
close C
+50 end`,
  'close: LAST_ACK, FIN again, RST': `${accepted()}
< F. 1:1(0) ack 1 win 257
close C
< F. 1:1(0) ack 1 win 257
+1000 < R 2:2(0) win 0
+500 < . 2:2(0) ack 2 win 257
+50 end`,
  'close: SO_LINGER 0': `${accepted()}
linger C 1 0
write C 100
close C
+50 end`,
  'close: SO_LINGER 0, all acknowledged': `${accepted()}
linger C 1 0
close C
< . 1:1(0) ack 1 win 257
+50 end`,
  'close: SO_LINGER 1 s, blocking': `
+0 bsocket L
+5 bind L 8080
+5 listen L 1
< ${SYN}
< . 1:1(0) ack 1 win 257
baccept L C
linger C 1 1
write C 100
close C
+3000 end`,
  'close: FIN_WAIT2 times out': `
sysctl tcp_fin_timeout 2
${accepted()}
close C
< . 1:1(0) ack 2 win 257
+1500 < . 1:1(0) ack 2 win 257
+1500 < . 1:1(0) ack 2 win 257
+50 end`,
  TCP_LINGER2: `${accepted()}
set C TCP_LINGER2 1
get C TCP_LINGER2
close C
< . 1:1(0) ack 2 win 257
+2500 < F. 1:1(0) ack 2 win 257
+50 end`,
  'TCP_LINGER2 below 0: RST': `${accepted()}
set C TCP_LINGER2 -1
close C
< . 1:1(0) ack 2 win 257
+50 end`,
  'shutdown RD': `${accepted()}
shutdown C RD
poll C
read C 10
< P. 1:101(100) ack 1 win 257
poll C
read C 1000
read C 10
close C
+50 end`,
  'shutdown WR': `${accepted()}
write C 100
shutdown C WR
poll C
write C 10
< . 1:1(0) ack 102 win 257
info C
< P. 1:101(100) ack 102 win 257
read C 1000
< F. 101:101(0) ack 102 win 257
poll C
read C 1000
shutdown C RD
shutdown C RDWR
info C
close C
+50 end`,
  'shutdown RDWR': `${accepted()}
shutdown C RDWR
poll C
< . 1:1(0) ack 2 win 257
< P. 1:101(100) ack 2 win 257
read C 1000
info C
+50 end`,
  'shutdown WR twice, close, data': `${accepted()}
shutdown C WR
shutdown C WR
close C
< . 1:1(0) ack 2 win 257
< . 1:1001(1000) ack 2 win 257
< . 1:1(0) ack 2 win 257
+50 end`,
  'shutdown RD, peer closes': `${accepted()}
shutdown C RD
< F. 1:1(0) ack 1 win 257
poll C
write C 100
< R 2:2(0) win 0
write C 100
get C SO_ERROR
poll C
+50 end`,
  'shutdown of listener, of a new socket': `${LISTEN}
shutdown L RD
poll L
accept L C
< ${SYN}
listen L 5
< ${SYN}
socket N
shutdown N WR
poll N
read N 10
write N 10
+50 end`,
  'shutdown of the listener in use': `${accepted()}
shutdown L RDWR
poll L
accept L X
bind L 8080
listen L 3
poll L
+50 end`,
  // TIME_WAIT.
  'TIME_WAIT: SYN, old SYN, data, RST': `${accepted(TS_SYN, 257).replace('. 1:1(0) ack 1 win 257', '. 1:1(0) ack 1 win 257 <nop,nop,TS val 1001 ecr 0>')}
close C
< F. 1:1(0) ack 2 win 257 <nop,nop,TS val 1010 ecr 0>
< . 2:2(0) ack 2 win 257 <nop,nop,TS val 900 ecr 0>
< . 1:11(10) ack 2 win 257 <nop,nop,TS val 1011 ecr 0>
+1000 < S 1000:1000(0) win 257 <mss 1000,sackOK,TS val 900 ecr 0>
+1000 < R 2:2(0) win 257 <nop,nop,TS val 1012 ecr 0>
< S 5000:5000(0) win 257 <mss 1000,sackOK,TS val 3000 ecr 0>
+50 end`,
  'TIME_WAIT: SYN without timestamps': `${accepted()}
close C
< F. 1:1(0) ack 2 win 257
< S 1:1(0) win 257 <mss 1000>
+700 < S 2:2(0) win 257 <mss 1000>
+700 < S 3:3(0) win 257 <mss 1000>
+50 end`,
  // Resets and challenges.
  'RST in the window, at its end, beyond, exact': `${accepted()}
< R 100:100(0) win 0
+20 < R 100:100(0) win 0
+600 < R 65000:65000(0) win 0
+600 < R 9000000:9000000(0) win 0
poll C
< R 1:1(0) win 0
poll C
read C 10
write C 10
read C 10
get C SO_ERROR
+50 end`,
  'RST with unread data': `${accepted()}
< P. 1:101(100) ack 1 win 257
< R. 101:101(0) ack 1 win 0
poll C
get C SO_ERROR
read C 1000
read C 1000
+50 end`,
  'RST with unread data: read says so': `${accepted()}
< P. 1:101(100) ack 1 win 257
< R. 101:101(0) ack 1 win 0
read C 50
read C 1000
read C 1000
write C 10
info C
+50 end`,
  'RST in CLOSE_WAIT': `${accepted()}
< F. 1:1(0) ack 1 win 257
< R. 2:2(0) ack 1 win 0
poll C
write C 10
write C 10
read C 10
+50 end`,
  'RST in FIN_WAIT': `${accepted()}
shutdown C WR
< R. 1:1(0) ack 2 win 0
poll C
read C 10
get C SO_ERROR
info C
+50 end`,
  'SYN in ESTABLISHED': `${accepted()}
< S 1:1(0) win 257
< S 100:100(0) win 257
+600 < S. 0:0(0) ack 1 win 257
+600 < S 70000000:70000000(0) win 257
+50 end`,
  'ACKs that are old, or of what was not sent': `${accepted()}
write C 1000
< . 1:1(0) ack 1001 win 257
< . 1:1(0) ack 5000 win 257
+600 < P. 1:101(100) ack 5000 win 257
+600 < . 1:1(0) ack 500 win 257
< . 1:1(0) ack 4000000000 win 257
+600 < P. 1:11(10) ack 4000000000 win 257
inq C
+50 end`,
  'no ACK, no flags in ESTABLISHED': `${accepted()}
< P 1:11(10) win 257
< - 1:11(10) win 257
< F 1:1(0) win 257
poll C
+50 end`,
  'segments out of the window': `${accepted()}
< P. 1:101(100) ack 1 win 257
< P. 1:101(100) ack 1 win 257
+600 < P. 4000000:4000100(100) ack 1 win 257
< P. 4000000:4000100(100) ack 1 win 257
+600 < . 0:0(0) ack 1 win 257
< . 0:1(1) ack 1 win 257
+50 end`,
  // Keep-alive, user time-out, window probes.
  'keep-alive': `${accepted()}
set C TCP_KEEPIDLE 1
set C TCP_KEEPINTVL 1
set C TCP_KEEPCNT 3
set C SO_KEEPALIVE 1
+1200 < . 1:1(0) ack 1 win 257
+6000 poll C
get C SO_ERROR
read C 10
+50 end`,
  'keep-alive and RST': `${accepted()}
set C SO_KEEPALIVE 1
set C TCP_KEEPIDLE 1
+1300 < R 1:1(0) win 0
read C 10
+50 end`,
  'TCP_USER_TIMEOUT: data': `${accepted()}
set C TCP_USER_TIMEOUT 2000
write C 1000
+1500 info C
+1500 poll C
write C 10
get C SO_ERROR
+50 end`,
  'TCP_USER_TIMEOUT: keep-alive': `${accepted()}
set C SO_KEEPALIVE 1
set C TCP_KEEPIDLE 1
set C TCP_KEEPINTVL 1
set C TCP_USER_TIMEOUT 2500
+5500 poll C
read C 10
+50 end`,
  'TCP_USER_TIMEOUT: connect': `
+0 socket C
+5 bind C 8080
+5 flow 80 8080
+5 set C TCP_USER_TIMEOUT 2500
connect C 80
+6000 poll C
get C SO_ERROR
+50 end`,
  TCP_SYNCNT: `
+0 socket C
+5 bind C 8080
+5 flow 80 8080
+5 set C TCP_SYNCNT 1
connect C 80
+6000 poll C
get C SO_ERROR
+50 end`,
  'zero window: probes': `${accepted()}
write C 5000
< . 1:1(0) ack 5001 win 0
write C 2000
+200 info C
+800 info C
+3000 info C
< . 1:1(0) ack 5001 win 0
+3000 info C
< . 1:1(0) ack 5001 win 257
+50 info C
+50 end`,
  'zero window and TCP_USER_TIMEOUT': `${accepted()}
set C TCP_USER_TIMEOUT 2000
< . 1:1(0) ack 1 win 0
write C 2000
+3500 poll C
write C 10
get C SO_ERROR
+50 end`,
  'zero window: FIN': `${accepted()}
< . 1:1(0) ack 1 win 0
close C
+1500 < . 1:1(0) ack 2 win 0
+50 end`,
  'window smaller than a segment': `${accepted('S 0:0(0) win 500 <mss 1000>', 500)}
write C 2000
+500 < . 1:1(0) ack 501 win 300
+500 < . 1:1(0) ack 501 win 1000
+500 end`,
  // ACKs.
  'quick ACKs at first': `${accepted()}
< P. 1:1001(1000) ack 1 win 257
< P. 1001:2001(1000) ack 1 win 257
< P. 2001:3001(1000) ack 1 win 257
info C
read C 3000
write C 100
+20 < P. 3001:3101(100) ack 101 win 257
+200 read C 100
+20 write C 100
+20 < P. 3101:3201(100) ack 201 win 257
+20 read C 100
+200 end`,
  'delayed ACK after pingpong; TCP_QUICKACK': `${accepted()}
< P. 1:101(100) ack 1 win 257
read C 100
write C 100
< P. 101:201(100) ack 101 win 257
read C 100
write C 100
< P. 201:301(100) ack 201 win 257
get C TCP_QUICKACK
+300 read C 100
set C TCP_QUICKACK 1
< P. 301:401(100) ack 201 win 257
read C 100
< P. 401:501(100) ack 201 win 257
set C TCP_QUICKACK 0
< P. 501:601(100) ack 201 win 257
+300 end`,
  'many small segments, read slowly': `${accepted()}
+50 < P. 1:1001(1000) ack 1 win 257
+50 < P. 1001:2001(1000) ack 1 win 257
+50 < P. 2001:3001(1000) ack 1 win 257
+50 < P. 3001:4001(1000) ack 1 win 257
+50 < P. 4001:5001(1000) ack 1 win 257
+50 < P. 5001:6001(1000) ack 1 win 257
+50 < P. 6001:7001(1000) ack 1 win 257
+50 < P. 7001:8001(1000) ack 1 win 257
+50 < P. 8001:9001(1000) ack 1 win 257
+50 < P. 9001:10001(1000) ack 1 win 257
+50 < P. 10001:11001(1000) ack 1 win 257
+50 < P. 11001:12001(1000) ack 1 win 257
info C
read C 12000
info C
+50 < P. 12001:13001(1000) ack 1 win 257
+50 < P. 13001:14001(1000) ack 1 win 257
+200 info C
+50 end`,
  // Sending.
  Nagle: `${accepted()}
write C 100
write C 200
write C 800
write C 1000
< . 1:1(0) ack 101 win 257
< . 1:1(0) ack 2101 win 257
set C TCP_NODELAY 1
write C 100
write C 100
+50 end`,
  MSG_MORE: `${accepted()}
write C 100 MORE
write C 100 MORE
+300 write C 1000 MORE
+100 write C 100
+100 < . 1:1(0) ack 1301 win 257
write C 40 MORE
set C TCP_NODELAY 1
+50 write C 40 MORE
+300 close C
+50 end`,
  TCP_CORK: `${accepted()}
set C TCP_CORK 1
write C 100
write C 100
get C TCP_CORK
set C TCP_CORK 0
< . 1:1(0) ack 201 win 257
set C TCP_CORK 1
write C 100
+300 write C 3000
< . 1:1(0) ack 2201 win 257
+300 shutdown C WR
+50 end`,
  TCP_MAXSEG: `
+0 socket L
+5 set L TCP_MAXSEG 700
+5 get L TCP_MAXSEG
+5 bind L 8080
+5 listen L 1
< ${SYN}
< . 1:1(0) ack 1 win 257
accept L C
get C TCP_MAXSEG
write C 2000
set C TCP_MAXSEG 40
set C TCP_MAXSEG 400
get C TCP_MAXSEG
write C 2000
info C
+50 end`,
  'TCP_MAXSEG of a client': `
+0 socket C
+5 bind C 8080
+5 flow 80 8080
+5 set C TCP_MAXSEG 700
get C TCP_MAXSEG
connect C 80
< S. 0:0(0) ack 1 win 5792 <mss 1460>
write C 2000
info C
+50 end`,
  'sndbuf: bytes that are taken': `${accepted('S 0:0(0) win 65535 <mss 1460,sackOK,nop,nop,nop,wscale 7>', 257)}
get C SO_SNDBUF
write C 200000
outq C
outqnsd C
poll C
info C
< . 1:1(0) ack 14601 win 257
outq C
poll C
get C SO_SNDBUF
write C 200000
+20 close C
+50 end`,
  'sndbuf set: bytes that are taken': `
+0 socket L
+5 set L SO_SNDBUF 20000
+5 get L SO_SNDBUF
+5 bind L 8080
+5 listen L 1
< S 0:0(0) win 65535 <mss 1460,sackOK,nop,nop,nop,wscale 7>
< . 1:1(0) ack 1 win 257
accept L C
get C SO_SNDBUF
write C 200000
poll C
< . 1:1(0) ack 1461 win 257
poll C
write C 200000
< . 1:1(0) ack 14601 win 257
poll C
write C 200000
outq C
+50 end`,
  'small writes into a small sndbuf': `
+0 socket L
+5 set L SO_SNDBUF 4096
+5 bind L 8080
+5 listen L 1
< ${SYN}
< . 1:1(0) ack 1 win 0
accept L C
write C 100
write C 1000
write C 1000
write C 1000
write C 1000
write C 1000
write C 1000
write C 1000
write C 1000
outq C
poll C
+70 end`,
  TCP_NOTSENT_LOWAT: `${accepted()}
set C TCP_NOTSENT_LOWAT 3000
write C 20000
poll C
outqnsd C
< . 1:1(0) ack 2001 win 257
poll C
outqnsd C
write C 20000
< . 1:1(0) ack 14001 win 257
poll C
outqnsd C
+10 end`,
  'EPOLLOUT, edge': `${accepted()}
epoll E
epadd E C 0x80000005
epwait E
write C 200000
epwait E
< . 1:1(0) ack 2001 win 257
epwait E
< . 1:1(0) ack 10001 win 257
+1 < . 1:1(0) ack 20001 win 257
+1 < . 1:1(0) ack 40001 win 257
epwait E
< P. 1:101(100) ack 40001 win 257
epwait E
< P. 101:201(100) ack 40001 win 257
epwait E
epwait E
< F. 201:201(0) ack 40001 win 257
epwait E
< R. 202:202(0) ack 40001 win 257
epwait E
+10 end`,
  'blocking write': `
+0 bsocket L
+5 set L SO_SNDBUF 5000
+5 bind L 8080
+5 listen L 1
+20 < ${SYN}
+20 < . 1:1(0) ack 1 win 257
+20 baccept L C
+20 write C 20000
+100 < . 1:1(0) ack 2001 win 257
+100 < . 1:1(0) ack 4001 win 257
+100 < . 1:1(0) ack 8001 win 257
+100 < . 1:1(0) ack 10001 win 257
+100 < . 1:1(0) ack 14001 win 257
+100 < . 1:1(0) ack 18001 win 257
+100 < . 1:1(0) ack 20001 win 257
+50 end`,
  'blocking read, WAITALL, SO_RCVLOWAT, time-out': `
+0 bsocket L
+5 bind L 8080
+5 listen L 1
+20 < ${SYN}
+20 < . 1:1(0) ack 1 win 257
+20 baccept L C
+5 read C 1000 WAITALL
+50 < P. 1:501(500) ack 1 win 257
+50 < P. 501:1101(600) ack 1 win 257
+0 set C SO_RCVLOWAT 300
+5 read C 1000
+50 < P. 1101:1201(100) ack 1 win 257
+50 < P. 1201:1301(100) ack 1 win 257
+50 set C SO_RCVLOWAT 1
+0 set C SO_RCVTIMEO 300
+0 read C 10
+500 read C 100 WAITALL
+20 < P. 1301:1311(10) ack 1 win 257
+600 read C 100
+10 < F. 1311:1311(0) ack 1 win 257
+50 read C 100
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
  'PEEK, TRUNC': `${accepted()}
< P. 1:101(100) ack 1 win 257
< P. 101:201(100) ack 1 win 257
read C 150 PEEK
read C 50 TRUNC
inq C
read C 10
read C 1000 TRUNC
read C 10 PEEK
read C 0
+10 end`,
  'SO_RCVLOWAT: poll': `${accepted()}
set C SO_RCVLOWAT 500
< P. 1:401(400) ack 1 win 257
poll C
< P. 401:501(100) ack 1 win 257
poll C
get C SO_RCVLOWAT
+10 end`,
  'urgent data comes': `${accepted()}
< PU. 1:11(10) ack 1 win 257 urg 5
poll C
atmark C
read C 100
atmark C
poll C
read C 1 OOB
read C 1 OOB
read C 100
inq C
< PU. 11:21(10) ack 1 win 257 urg 10
inq C
read C 1 OOB PEEK
read C 100
read C 1 OOB
atmark C
< U. 21:21(0) ack 1 win 257 urg 3
poll C
read C 10 OOB
read C 10
< P. 21:31(10) ack 1 win 257
read C 10 OOB
read C 100
read C 100
+10 end`,
  'urgent data inline': `${accepted()}
set C SO_OOBINLINE 1
< PU. 1:11(10) ack 1 win 257 urg 5
poll C
inq C
read C 100
read C 1 OOB
atmark C
read C 100
poll C
+10 end`,
  'urgent data goes': `${accepted()}
write C 10 OOB
write C 100
< . 1:1(0) ack 11 win 257
write C 2000 OOB
< . 1:1(0) ack 111 win 257
< . 1:1(0) ack 2111 win 257
write C 1 OOB
+10 end`,
  'errors of calls': `
+0 socket L
+5 listen L 5
+5 accept L C
+5 get L SO_ACCEPTCONN
+5 write L 10
+5 read L 10
+5 shutdown L WR
+5 connect L 80
+5 inq L
+5 outq L
+5 info L
+5 poll L
+5 socket N
+5 accept N C
+5 write N 10
+5 read N 10
+5 poll N
+5 set N TCP_MAXSEG 10
+5 set N TCP_KEEPIDLE 0
+5 set N TCP_KEEPCNT 200
+5 set N TCP_USER_TIMEOUT -1
+5 set N TCP_SYNCNT 0
+5 set N TCP_WINDOW_CLAMP 0
+5 inq N
+5 disconnect N
+5 bind N 8080
+5 bind N 8081
+5 info N
+10 end`,
  'errors of a connected socket': `${accepted()}
connect C 80
listen C 5
bind C 99
accept C X
inq C
disconnect C
poll C
read C 10
write C 10
info C
+50 end`,
  'PAWS and old timestamps': `${accepted(TS_SYN, 257).replace('. 1:1(0) ack 1 win 257', '. 1:1(0) ack 1 win 257 <nop,nop,TS val 1001 ecr 0>')}
< P. 1:101(100) ack 1 win 257 <nop,nop,TS val 1100 ecr 0>
< P. 101:201(100) ack 1 win 257 <nop,nop,TS val 1000 ecr 0>
< P. 101:201(100) ack 1 win 257 <nop,nop,TS val 1000 ecr 0>
+600 < P. 101:201(100) ack 1 win 257
< P. 201:301(100) ack 1 win 257 <nop,nop,TS val 1200 ecr 0>
< R. 301:301(0) ack 1 win 257 <nop,nop,TS val 1000 ecr 0>
poll C
+50 end`,
  'no timestamp in a segment after timestamps': `${accepted(TS_SYN, 257)}
< P. 1:101(100) ack 1 win 257
write C 100
+50 end`,
  'ICMP: fragmentation needed': `${accepted('S 0:0(0) win 65535 <mss 1460,sackOK,nop,nop,nop,wscale 7>', 257)}
write C 3000
icmp 3 4 1000 1
info C
get C IP_MTU
+600 end`,
  'ICMP in ESTABLISHED': `${accepted()}
write C 1000
icmp 3 1 0 1
poll C
icmp 3 3 0 1
poll C
get C SO_ERROR
+50 end`,
  'retransmission until it is given up': `
sysctl tcp_retries2 3
${accepted()}
write C 1000
+800 info C
+4000 poll C
read C 10
write C 10
+50 end`,
  'orphan: retransmission until it is given up': `
sysctl tcp_orphan_retries 2
${accepted()}
write C 1000
close C
+5000 < . 1:1(0) ack 1 win 257
+50 end`,
  'small receive buffer: window closes, opens': `
+0 socket L
+5 set L SO_RCVBUF 4096
+5 get L SO_RCVBUF
+5 bind L 8080
+5 listen L 1
< S 0:0(0) win 32792 <mss 1000>
< . 1:1(0) ack 1 win 32792
accept L C
info C
< . 1:1001(1000) ack 1 win 32792
< . 1001:2001(1000) ack 1 win 32792
< . 2001:3001(1000) ack 1 win 32792
< . 3001:4001(1000) ack 1 win 32792
info C
read C 500
read C 500
read C 5000
+300 end`,
};
