/**
 * What random scripts (tcp_diff_random.ts, tcp_diff_random_poll.ts) have found to differ, as short as it could be made. To be
 * played in turn (tcp_diff_turn.ts).
 */

const LISTEN = `
+0 socket L
+5 set L SO_REUSEADDR 1
+5 bind L 8080
+5 listen L 5`;
const CONNECT = `
+0 socket C
+5 bind C 8080
+5 flow 80 8080
+5 connect C 80`;
const accepted = (options: string): string => `${LISTEN}
+10 < S 0:0(0) win 32792${options === '' ? '' : ` <${options}>`}
+10 < . 1:1(0) ack 1 win 257
+10 accept L C`;

export const FOUND: { readonly [name: string]: string } = {
  'answers of no socket, of a request and of TIME_WAIT: the DS field comes back, ECN does not': `
+10 < S 0:0(0) win 1000 tos 1
+10 < S 0:0(0) win 1000 tos 18
+10 < . 1:1(0) ack 5 win 1000 tos 19
${LISTEN}
+10 < S 0:0(0) win 1000 tos 19
+10 < . 1:1(0) ack 5 win 1000 tos 19
+10 < . 1000000:1000010(10) ack 1 win 1000 tos 19
+10 < . 1:1(0) ack 1 win 1000 tos 19
+10 accept L C
+10 close C
+10 < F. 1:1(0) ack 2 win 1000 tos 19
+10 < F. 1:1(0) ack 2 win 1000 tos 19
+10 < S 1:1(0) win 1000 tos 19
+10 < S 5000:5000(0) win 1000 tos 19
+20 end`,
  'ECN without agreement: seen all the same, with bad ACKs, too; CWR means nothing': `${accepted('mss 1000')}
+10 < . 1:1(0) ack 1 win 257 tos 2
+10 info C
+10 disconnect C
+10 info C
${CONNECT.replaceAll(' C', ' D').replace('8080\n', '8081\n').replace('80 8080', '80 8081')}
+10 < S. 0:0(0) ack 1 win 5000 <mss 1000>
+10 < . 1:101(100) ack 100101 win 257 tos 1
+10 info D
+60 write D 10
+5 < P. 1:101(100) ack 11 win 257
+5 write D 10
+5 < WP. 101:201(100) ack 21 win 257
+100 end`,
  TCP_THIN_LINEAR_TIMEOUTS: `${accepted('mss 1000,sackOK')}
+5 set C TCP_THIN_LINEAR_TIMEOUTS 2
+5 set C TCP_THIN_LINEAR_TIMEOUTS 1
+5 get C TCP_THIN_LINEAR_TIMEOUTS
+5 write C 100
+1500 info C
+5 end`,
  'a request: a reset that is looked at first, challenge ACKs within their limit': `${LISTEN}
+5 flow 40001 8080
+5 < S 0:0(0) win 32792 <mss 1460>
+5 < R. 1:1(0) ack 2 win 8000
+5 < S 0:0(0) win 32792 <mss 1460>
+5 flow 40002 8080
+5 < S 0:0(0) win 32792 <mss 1460>
+5 < R 50:150(100) win 60000
+5 < R. 51:151(100) ack 2 win 60000
+5 < R 52:52(0) win 60000
+5 < P. 100000:100100(100) ack 1 win 60000
+5 < S 0:0(0) win 32792 <mss 1000>
+700 < S 0:0(0) win 32792 <mss 1000>
+5 < SR. 1:1(0) ack 7 win 8000
+5 < . 1:1(0) ack 1 win 8000
+20 end`,
  'a request takes no timestamp but with its child': `${LISTEN}
+5 < S 0:0(0) win 100 <mss 1460,sackOK,TS val 1006 ecr 0,nop,wscale 0>
+5 < RF 0:100(100) win 60000 <nop,nop,TS val 2011 ecr last>
+5 < S 0:0(0) win 32792 <mss 1000>
+600 < . 1:1(0) ack 1 win 2000 <nop,nop,TS val 1618 ecr last>
+5 accept L C
+5 info C
+20 end`,
  'SIOCINQ: urgent data that is still to come': `${accepted('mss 1000')}
+5 < P. 1:537(536) ack 1 win 257
+5 < UP. 538:1538(1000) ack 1 win 257 urg 1001
+5 inq C
+20 end`,
  'SACK blocks of an old ACK: not delivered': `${accepted('mss 1000,sackOK,nop,wscale 7').replace('win 257', 'win 2000')}
+5 write C 20000
+5 < . 1:1(0) ack 3001 win 2000
+5 < . 1:1(0) ack 2001 win 2000 <nop,nop,sack 5001:6001>
+0 info C
+20 end`,
  'data while the window is closed: the probe is put off': `${CONNECT}
+5 < S. 0:0(0) ack 1 win 65535 <mss 88,TS val 1008 ecr last,nop,wscale 15>
+20 < E. 1:1(0) ack 1 win 0 <nop,nop,TS val 1029 ecr last>
+1 write C 1
+60 < . 4294966297:4294967697(1400) ack 1 win 1 <nop,nop,TS val 1034 ecr last>
+90 < . 401:1401(1000) ack 1 win 0 <nop,nop,TS val 1173 ecr last>
+600 info C
+5 end`,
  'a tiny receive buffer: two segments out of order are collapsed, and a third one fits': `${CONNECT}
+5 < S. 0:100(100) ack 1 win 100 <sackOK,TS val 1015 ecr last,nop,wscale 7>
+1 < P. 1:101(100) ack 1 win 250 <nop,nop,TS val 1017 ecr last>
+20 set C SO_RCVBUF 0
+1 < . 2210:2220(10) ack 1 win 1 <nop,nop,TS val 1309 ecr last>
+5 < . 2220:2756(536) ack 1 win 15 <nop,nop,TS val 1310 ecr last>
+10 < P. 2756:3292(536) ack 1 win 3 <nop,nop,TS val 1315 ecr last>
+90 < P. 3292:3293(1) ack 1 win 3 <nop,nop,TS val 1341 ecr last>
+5 info C
+20 end`,
  'segments out of order: the buffer grows with each; a FIN that is eaten widens the window': `${CONNECT}
+25 < S. 0:0(0) ack 1 win 100 <mss 88,sackOK>
+60 < . 3001:3011(10) ack 1 win 32000
+10 < . 3011:3021(10) ack 1 win 2000
+5 < P. 3021:3121(100) ack 1 win 500
+1 get C SO_RCVBUF
+1 get C TCP_WINDOW_CLAMP
+25 < . 1181:1717(536) ack 1 win 60000
+1 get C SO_RCVBUF
+1 get C TCP_WINDOW_CLAMP
+10 < F. 3121:3121(0) ack 1 win 2000
+1 info C
+15 end`,
  'TCP_QUICKACK of a listener: forgotten by listen': `
+5 socket L
+5 set L TCP_QUICKACK 0
+5 bind L 8080
+5 listen L 5
+5 get L TCP_QUICKACK
+5 < S 0:0(0) win 32792 <mss 1460>
+5 < . 1:1(0) ack 1 win 32000
+5 accept L C
+5 get C TCP_QUICKACK
+5 < . 1:101(100) ack 1 win 32000
+100 end`,
  'memory: pages for a SYN and for the part that is cut off a packet': `
sysctl tcp_min_tso_segs 255
${CONNECT}
+10 < S. 0:0(0) ack 1 win 0 <mss 1000,sackOK>
+5 < . 1:1(0) ack 1 win 60000
+5 write C 60000
+5 mem C
+5 < . 1:1(0) ack 10001 win 5000
+5 poll C
+90 < P. 1:11(10) ack 10001 win 5000
+300 mem C
+5 end`,
  'a retransmission that was taken back, and sent again in two parts: nothing is left of it': `${accepted('mss 536,sackOK,nop,wscale 7')}
+5 write C 1000
+55 write C 1000
+55 < P. 1:537(536) ack 1 win 250
+150 < P. 537:1073(536) ack 1 win 3 <nop,nop,sack 537:1537 501:1001 1001:1537>
+5 info C
+300 info C
+5 < . 1073:1073(0) ack 1537 win 39
+5 info C
+20 end`,
  'an ICMP error while connecting: POLLERR for as long as it waits on the error queue': `${CONNECT}
+5 icmp 3 1 0 0
+5 poll C
+5 get C SO_ERROR
+5 poll C
+5 read C 100 ERRQUEUE
+5 poll C
+20 end`,
  'SO_RCVLOWAT: no event for nothing': `
+5 socket C
+5 epoll E
+5 epadd E C 0x80002001
+5 epwait E
+5 set C SO_RCVLOWAT 100
+5 epwait E
+20 end`,
  'epoll: of two that wait, the last one is woken; level-triggered, both': `
+5 usocket U
+5 bind U 9000
+5 epoll E
+5 epadd E U 0x80000001
+5 bg epwait E 1 1000000
+5 bg epwait E 2 1000000
+5 udp 7 9000 10
+5 epoll F
+5 epadd F U 1
+5 read U 10
+5 bg epwait F 1 1000000
+5 bg epwait F 2 1000000
+5 udp 7 9000 11
+20 end`,
  'bound to a group or to everybody: connect takes an address of the host for good': `
+5 socket S
+5 bind S 9000 bcast
+5 connect S 9001
+5 name S
+5 socket T
+5 bind T 9000 host
+5 socket L
+5 bind L 9001 host
+5 listen L 1
+5 socket U
+5 bind U 9002 group
+5 connect U 9001 host
+5 connect U 9001 lo
+5 name U
+20 end`,
  'connect to the wildcard: the address found is looked up once more, from the device that the socket is bound to': `
+5 socket S
+5 set S SO_BINDTOIFINDEX 2
+5 bind S 9002 lo2
+5 connect S 9002 any
+5 usocket U
+5 set U SO_BINDTOIFINDEX 2
+5 bind U 9002 lo2
+5 connect U 9002 any
+20 end`,
  'IP_TRANSPARENT: a connection from an address that is not the host’s': `
+5 socket S
+5 set S IP_TRANSPARENT 1
+5 bind S 9000 far
+5 connect S 9000 lo2
+5 name S
+20 end`,
  'SO_REUSEPORT: a wildcard where one address has been let in beside others': `
+5 socket A
+5 bind A 9000 any
+5 connect A 9002 any
+5 socket B
+5 set B SO_REUSEPORT 1
+5 bind B 9000 host
+5 socket C
+5 set C SO_REUSEPORT 1
+5 bind C 9000 any
+5 listen A 5
+20 end`,
  'what a socket of a device’s gets of what the host sends itself: by the device that has the address': `
+5 usocket U
+5 set U SO_BINDTOIFINDEX 2
+5 bind U 9000
+5 usocket S
+5 bind S 9001 lo2
+5 connect S 9000 host
+5 write S 10
+5 read S 100
+5 read U 100
+20 end`,
  'IP_LOCAL_PORT_RANGE and reserved ports: for TCP, too': `
sysctl ip_local_port_range 9000 9009
sysctl ip_local_reserved_ports 9005
+5 socket L
+5 bind L 8080
+5 listen L 5
+5 socket S
+5 set S IP_LOCAL_PORT_RANGE ${(9004 << 16) | 9004}
+5 bind S 0 host
+5 name S
+5 socket T
+5 set T IP_LOCAL_PORT_RANGE ${(9004 << 16) | 9004}
+5 bind T 0 host
+5 socket U
+5 set U IP_LOCAL_PORT_RANGE ${(9005 << 16) | 9005}
+5 bind U 0 host
+5 connect U 8080 host
+5 socket V
+5 set V IP_LOCAL_PORT_RANGE ${(9006 << 16) | 9005}
+5 connect V 8080 host
+5 name V
+5 socket W
+5 set W IP_LOCAL_PORT_RANGE ${(9006 << 16) | 9005}
+5 connect W 8080 host
+20 end`,
  'SO_REUSEADDR or SO_REUSEPORT taken back: counts, also of the only one that has the port': `
+5 socket A
+5 set A SO_REUSEADDR 1
+5 bind A 9000 any
+5 set A SO_REUSEADDR 0
+5 socket B
+5 set B SO_REUSEADDR 1
+5 bind B 9000 any
+5 socket C
+5 set C SO_REUSEPORT 1
+5 bind C 9001 host
+5 set C SO_REUSEPORT 0
+5 socket D
+5 set D SO_REUSEPORT 1
+5 bind D 9001 any
+5 socket E
+5 set E SO_REUSEPORT 1
+5 bind E 9001 host
+20 end`,
  'shutdown before listen: each connection gets a FIN at once': `
+5 socket L
+5 bind L 8080
+5 shutdown L RDWR
+5 listen L 5
+5 < S 0:0(0) win 32792 <mss 1000>
+5 < . 1:1(0) ack 1 win 257
+5 accept L C
+5 read C 10
+5 write C 10
+5 < F. 1:1(0) ack 2 win 257
+20 end`,
  'disconnect of a connection whose listener was bound to an address: it keeps the address': `
+5 socket L
+5 bind L 8080 host
+5 listen L 5
+5 < S 0:0(0) win 32792 <mss 1000>
+5 < . 1:1(0) ack 1 win 257
+5 accept L C
+5 disconnect C
+5 name C
+20 end`,
};
