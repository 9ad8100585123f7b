/** Scripts for tcp_diff.ts: resets, challenges, segments that do not fit, ICMP errors; calls in the wrong state. */
import { accepted, STAMPED, TS_SYN } from './tcp_diff_parts.ts';

export const REFUSED_SCRIPTS: { readonly [name: string]: string } = {
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
  'PAWS and old timestamps': `${STAMPED}
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
};
