/** Scripts for tcp_diff.ts: Fast Open (RFC 7413), from both sides. */

const KEYS = `
sysctl tcp_fastopen 3
sysctl tcp_fastopen_key 01020304-0a0b0c0d-deadbeef-00c0ffee`;
/** What that key makes of 10.1.0.1 and 10.1.0.2. */
const COOKIE = 'b6ce081d7715d8d0';
const LISTEN = `${KEYS}
+0 socket L
+5 set L SO_REUSEADDR 1
+5 set L TCP_FASTOPEN 2
+5 bind L 8080
+5 listen L 5`;
const SYN = `< S 0:100(100) win 30000 <mss 1000,sackOK,nop,nop,nop,wscale 7,FO ${COOKIE}>`;

/** The child of a SYN with 100 bytes, accepted as C before the client has answered. */
const child = `${LISTEN}
${SYN}
accept L C
info C`;

const CONNECT = `${KEYS}
+0 socket C
+5 bind C 8080
+5 flow 80 8080`;

/** A connection that asks for a cookie and gets `cookie`; then a second socket D of the same port. */
function warm(cookie: string, more = ''): string {
  return `${KEYS}
+0 socket W
+5 set W SO_REUSEADDR 1
+5 bind W 9000
+5 flow 80 9000
sendto W 80 0 FASTOPEN
< S. 0:0(0) ack 1 win 5792 <mss 1200,sackOK,nop,nop,nop,wscale 6,${cookie}>
info W${more}
+0 socket C
+5 bind C 8080
+5 flow 80 8080`;
}
const ANSWER = '<mss 1300,sackOK,nop,nop,nop,wscale 6>';

export const FASTOPEN_SCRIPTS: { readonly [name: string]: string } = {
  // The server.
  ...Object.fromEntries(
    ['FO', 'FOEXP', 'FO 00112233', 'FOEXP 0011223344556677', 'FO 001122', 'FO 0011', `FOEXP ${COOKIE}`].map(option => [
      `Fast Open: a SYN with data and <${option}>`,
      `${LISTEN}
< S 0:100(100) win 30000 <mss 1000,sackOK,TS val 5 ecr 0,nop,wscale 7,${option}>
accept L C
< . ${option.includes(COOKIE) ? '101:101(0)' : '1:1(0)'} ack 1 win 257 <nop,nop,TS val 6 ecr 0>
accept L D
read D 1000
+50 end`,
    ]),
  ),
  'Fast Open: a listener without it': `${KEYS}
+0 socket L
+5 bind L 8080
+5 listen L 5
${SYN}
accept L C
< . 1:1(0) ack 1 win 257
accept L C
info C
+50 end`,
  'Fast Open: a listener of a host without it': `
sysctl tcp_fastopen 1
+0 socket L
+5 set L TCP_FASTOPEN 5
+5 get L TCP_FASTOPEN
+5 bind L 8080
+5 listen L 5
${SYN}
+50 end`,
  'Fast Open: no option of the socket, but of the host': `
sysctl tcp_fastopen 1538
+0 socket L
+5 bind L 8080
+5 listen L 7
+5 get L TCP_FASTOPEN
< S 0:100(100) win 30000 <mss 1000>
accept L C
read C 1000
info C
+50 end`,
  'Fast Open: read and written to before the client has answered': `${child}
poll C
read C 1000
read C 1000
write C 2500
info C
< . 101:101(0) ack 1 win 257
info C
< . 101:101(0) ack 2501 win 257
info C
+50 end`,
  'Fast Open: the SYN again, and the SYN/ACK again and again': `${child}
+600 ${SYN}
+3000 info C
< . 101:101(0) ack 1 win 257
info C
+50 end`,
  'Fast Open: more data with the answer': `${child}
< P. 101:301(200) ack 1 win 257
read C 1000
info C
+50 end`,
  'Fast Open: data behind a hole before the answer': `${child}
read C 1000
< P. 301:401(100) ack 1 win 257
< P. 101:301(200) ack 1 win 257
read C 1000
+50 end`,
  'Fast Open: FIN in place of an answer': `${child}
< F. 101:101(0) ack 1 win 257
read C 1000
read C 1000
close C
< . 102:102(0) ack 2 win 257
+50 end`,
  'Fast Open: closed before the answer': `${child}
read C 1000
close C
+100 < . 101:101(0) ack 1 win 257
< . 101:101(0) ack 2 win 257
< F. 101:101(0) ack 2 win 257
+50 end`,
  'Fast Open: closed with unread data': `${child}
close C
< . 101:101(0) ack 1 win 257
+50 end`,
  'Fast Open: shutdown before the answer': `${child}
shutdown C WR
write C 10
< . 101:101(0) ack 1 win 257
+100 end`,
  'Fast Open: reset before the answer, after accept': `${child}
< R. 101:101(0) ack 1 win 257
poll C
read C 1000
read C 1000
write C 10
+50 end`,
  'Fast Open: reset before accept': `${LISTEN}
${SYN}
< R 101:101(0) win 257
accept L C
read C 1000
read C 1000
+50 end`,
  'Fast Open: a segment out of the window, and an ACK of nothing': `${child}
< . 90000:90000(0) ack 1 win 257
+600 < . 101:101(0) ack 5000 win 257
info C
+50 end`,
  'Fast Open: the listener ends with a child': `${LISTEN}
${SYN}
close L
< . 101:101(0) ack 1 win 257
+50 end`,
  'Fast Open: unreachable before accept': `${LISTEN}
${SYN}
icmp 3 1 0 0
accept L C
read C 1000
read C 1000
+50 end`,
  'Fast Open: unreachable after accept': `${child}
icmp 3 1 0 0
read C 1000
read C 1000
poll C
+50 end`,
  'Fast Open: the queue is full, and a reset counts for a while': `${LISTEN}
+20 flow 40001 8080
${SYN}
+20 flow 40002 8080
${SYN}
+20 flow 40003 8080
${SYN}
accept L C
accept L D
+20 flow 40001 8080
< R. 101:101(0) ack 1 win 257
+20 flow 40004 8080
${SYN}
+20 flow 40002 8080
< . 101:101(0) ack 1 win 257
+20 flow 40005 8080
${SYN}
+50 end`,
  'Fast Open: a SYN with a cookie and no data': `${LISTEN}
${SYN.replace('0:100(100)', '0:0(0)')}
accept L C
write C 300
info C
< P. 1:51(50) ack 301 win 257
read C 100
info C
+50 end`,
  'Fast Open: a SYN with a FIN': `${LISTEN}
${SYN.replace('S ', 'SF ')}
+50 end`,

  // The client.
  'Fast Open: options of a client': `${CONNECT}
get C TCP_FASTOPEN_CONNECT
set C TCP_FASTOPEN_CONNECT 2
set C TCP_FASTOPEN_CONNECT 1
get C TCP_FASTOPEN_CONNECT
set C TCP_FASTOPEN_NO_COOKIE 2
set C TCP_FASTOPEN_NO_COOKIE 1
get C TCP_FASTOPEN_NO_COOKIE
set C TCP_FASTOPEN -1
get C TCP_FASTOPEN
+50 end`,
  'Fast Open: a cookie is asked for, and none comes': `${CONNECT}
sendto C 80 500 FASTOPEN
sendto C 80 500 FASTOPEN
poll C
< S. 0:0(0) ack 1 win 5792 ${ANSWER}
info C
sendto C 80 500 FASTOPEN
sendto C 80 500 FASTOPEN
+50 end`,
  ...Object.fromEntries(
    ['FO 0123456789abcdef', 'FOEXP 01234567', 'FO 012345', 'FO'].map(cookie => [
      `Fast Open: a cookie comes (${cookie}), and is used`,
      `${warm(cookie)}
sendto C 80 700 FASTOPEN
info C
< S. 0:0(0) ack 701 win 5792 ${ANSWER}
info C
write C 100
< . 1:1(0) ack 801 win 257
info C
+50 end`,
    ]),
  ),
  'Fast Open: more than a segment': `${warm('FO 0123456789abcdef')}
sendto C 80 5000 FASTOPEN
< S. 0:0(0) ack 1161 win 5792 ${ANSWER}
write C 2000
+50 end`,
  'Fast Open: a blocking send of more than a segment': `${warm('FO 0123456789abcdef')}
+10 bsocket B
+0 set B SO_REUSEADDR 1
+5 bind B 8081
+0 flow 80 8081
+10 sendto B 80 3000 FASTOPEN
+100 < S. 0:0(0) ack 1161 win 5792 ${ANSWER}
< . 1:1(0) ack 3001 win 257
info B
+50 end`,
  'Fast Open: only the SYN is acknowledged': `${warm('FO 0123456789abcdef')}
sendto C 80 700 FASTOPEN
< S. 0:0(0) ack 1 win 5792 ${ANSWER}
info C
< . 1:1(0) ack 701 win 257
info C
+50 end`,
  'Fast Open: some of the data is acknowledged': `${warm('FO 0123456789abcdef')}
sendto C 80 700 FASTOPEN
< S. 0:0(0) ack 301 win 5792 ${ANSWER}
info C
< . 1:1(0) ack 701 win 257
info C
+50 end`,
  'Fast Open: more than was sent is acknowledged': `${warm('FO 0123456789abcdef')}
sendto C 80 700 FASTOPEN
< S. 0:0(0) ack 5001 win 5792 ${ANSWER}
+50 end`,
  'Fast Open: the SYN is lost': `${warm('FO 0123456789abcdef')}
sendto C 80 700 FASTOPEN
+1500 < S. 0:0(0) ack 1 win 5792 ${ANSWER}
info C
< . 1:1(0) ack 701 win 257
info C
+50 end`,
  'Fast Open: data in the SYN/ACK': `${warm('FO 0123456789abcdef')}
sendto C 80 700 FASTOPEN
< S. 0:300(300) ack 701 win 5792 ${ANSWER}
poll C
read C 1000
info C
< P. 301:401(100) ack 701 win 257
read C 1000
+50 end`,
  'Fast Open: data and FIN in the SYN/ACK': `${warm('FO 0123456789abcdef')}
sendto C 80 700 FASTOPEN
< SF. 0:300(300) ack 701 win 5792 ${ANSWER}
poll C
read C 1000
read C 1000
close C
+50 end`,
  'data in a SYN/ACK that nobody has asked for': `${CONNECT}
connect C 80
< S. 0:300(300) ack 1 win 5792 ${ANSWER}
poll C
read C 1000
+50 end`,
  'Fast Open: refused': `${warm('FO 0123456789abcdef')}
sendto C 80 700 FASTOPEN
< R. 0:0(0) ack 701 win 0
poll C
write C 10
read C 10
+50 end`,
  'Fast Open: the path is too narrow for the SYN': `${warm('FO 0123456789abcdef')}
sendto C 80 700 FASTOPEN
icmp 3 4 600 0
< S. 0:0(0) ack 1 win 5792 ${ANSWER}
info C
+50 end`,
  'Fast Open: the path is too narrow for the SYN, and nobody answers': `${warm('FO 0123456789abcdef')}
sendto C 80 700 FASTOPEN
+400 icmp 3 4 600 0
info C
+1400 end`,
  'TCP_FASTOPEN_CONNECT: no cookie': `${CONNECT}
set C TCP_FASTOPEN_CONNECT 1
connect C 80
sendto C 80 500 FASTOPEN
< S. 0:0(0) ack 1 win 5792 <mss 1300,FO 01234567>
connect C 80
connect C 80
write C 500
+50 end`,
  'TCP_FASTOPEN_CONNECT: connect waits for data': `${warm('FO 0123456789abcdef')}
set C TCP_FASTOPEN_CONNECT 1
connect C 80
poll C
connect C 80
read C 10
outq C
get C SO_ERROR
+20 write C 400
connect C 80
< S. 0:0(0) ack 401 win 5792 ${ANSWER}
connect C 80
connect C 80
info C
write C 100
+50 end`,
  'TCP_FASTOPEN_CONNECT: closed without data': `${warm('FO 0123456789abcdef')}
set C TCP_FASTOPEN_CONNECT 1
connect C 80
close C
+50 end`,
  'TCP_FASTOPEN_CONNECT: shutdown without data': `${warm('FO 0123456789abcdef')}
set C TCP_FASTOPEN_CONNECT 1
connect C 80
shutdown C WR
poll C
+50 end`,
  'TCP_FASTOPEN_CONNECT: disconnect, and once more': `${warm('FO 0123456789abcdef')}
set C TCP_FASTOPEN_CONNECT 1
connect C 80
disconnect C
poll C
connect C 80
write C 50
+50 end`,
  'TCP_FASTOPEN_NO_COOKIE: data at once, whatever is known': `${CONNECT}
set C TCP_FASTOPEN_NO_COOKIE 1
sendto C 80 600 FASTOPEN
< S. 0:0(0) ack 601 win 5792 ${ANSWER}
info C
+50 end`,
  'Fast Open: crossed SYNs': `${warm('FO 0123456789abcdef')}
sendto C 80 600 FASTOPEN
< S 0:200(200) win 5792 ${ANSWER}
< S. 0:0(0) ack 601 win 5792 ${ANSWER}
info C
< P. 1:201(200) ack 601 win 257
read C 1000
+50 end`,
  'Fast Open: not allowed': `
sysctl tcp_fastopen 0
+0 socket C
+5 bind C 8080
+5 flow 80 8080
sendto C 80 600 FASTOPEN
set C TCP_FASTOPEN_CONNECT 1
connect C 80
+50 end`,
  'Fast Open: on a listener, and without an address': `${LISTEN}
sendto L 80 100 FASTOPEN
write L 100 FASTOPEN
+0 socket C
write C 100 FASTOPEN
write C 100 FASTOPEN
write C 100
+50 end`,
};
