/** Scripts for tcp_diff.ts: what is held back and what goes, how much a socket takes, urgent data that goes. */
import { accepted, SYN } from './tcp_diff_parts.ts';

export const SEND_SCRIPTS: { readonly [name: string]: string } = {
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
  'urgent data goes': `${accepted()}
write C 10 OOB
write C 100
< . 1:1(0) ack 11 win 257
write C 2000 OOB
< . 1:1(0) ack 111 win 257
< . 1:1(0) ack 2111 win 257
write C 1 OOB
+10 end`,
};
