/** Scripts for tcp_diff.ts: keep-alive, time-outs of the user, window probes, retransmission until it is given up. */
import { accepted } from './tcp_diff_parts.ts';

export const TIMER_SCRIPTS: { readonly [name: string]: string } = {
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
};
