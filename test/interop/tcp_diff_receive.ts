/** Scripts for tcp_diff.ts: ACKs, reads, the receive window, urgent data that comes. */
import { accepted, SYN } from './tcp_diff_parts.ts';

export const RECEIVE_SCRIPTS: { readonly [name: string]: string } = {
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
