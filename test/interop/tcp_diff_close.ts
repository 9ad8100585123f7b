/** Scripts for tcp_diff.ts: close, shutdown, linger, TIME_WAIT. */
import { accepted, LISTEN, STAMPED, SYN } from './tcp_diff_parts.ts';

export const CLOSE_SCRIPTS: { readonly [name: string]: string } = {
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
  'TIME_WAIT: SYN, old SYN, data, RST': `${STAMPED}
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
};
