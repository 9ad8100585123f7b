/** What Linux 6.18 was seen to do where ours once differed (test/interop/tcp_diff.ts plays such scripts to both). */
import { expect, test } from 'vitest';
import { SO_OOBINLINE } from '../../../../kernel/net/core/sock_options.ts';
import { SIOCINQ } from '../../../../kernel/net/ipv4/inet_stream.ts';
import { tcp_inq } from '../../../../kernel/net/ipv4/tcp_recvmsg.ts';
import { AF_INET, AF_UNSPEC, SOCK_NONBLOCK, SOCK_STREAM, sockaddr, sockaddr_in } from '../../../../kernel/net/msg.ts';
import { sys_bind, sys_connect, sys_listen, sys_sendto, sys_socket } from '../../../../kernel/net/socket.ts';
import { TcpFlow } from './tcp_flow.ts';
import { TcpPeer } from './tcp_peer.ts';

test('request: a RST in the window, not at its beginning, is answered with an ACK; the handshake goes on', () => {
  const peer = new TcpPeer();
  const listener = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  peer.call(sys_bind, listener, new sockaddr_in(0, 8080));
  peer.call(sys_listen, listener, 5);
  peer.inject('S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>');
  peer.expect('S. 0:0(0) ack 1');
  peer.inject('R 5000:5000(0) win 257');
  peer.expect('. 1:1(0) ack 1 win 250');
  // Not more than one in half a second.
  peer.inject('R 9:9(0) win 257');
  peer.expect();
  peer.inject('F. 1:1(0) ack 1 win 257');
  peer.wait(0.1);
  peer.expect('. 1:1(0) ack 2');
});

test('ESTABLISHED: an ACK of what was not sent is answered, and its data is not taken', () => {
  const f = new TcpFlow();
  f.write(1000);
  f.inject('. 1:1(0) ack 1001 win 257');
  f.segments();
  f.inject('P. 1:101(100) ack 5000 win 257');
  f.expect('. 1001:1001(0) ack 1');
  expect(tcp_inq(f.sk)).toBe(0);
});

test('ESTABLISHED: an ACK older than any window comes with data: answered, and the data is not taken', () => {
  const f = new TcpFlow();
  f.write(1000);
  f.inject('. 1:1(0) ack 1001 win 257');
  f.segments();
  f.inject('P. 1:11(10) ack 4000000000 win 257');
  f.expect('. 1001:1001(0) ack 1');
  expect(tcp_inq(f.sk)).toBe(0);
});

test('SO_OOBINLINE: SIOCINQ counts over urgent data', () => {
  const f = new TcpFlow();
  f.set(1, SO_OOBINLINE, 1);
  f.inject('PU. 1:11(10) ack 1 win 257 urg 5');
  expect([SIOCINQ, tcp_inq(f.sk)]).toEqual([0x541b, 10]);
});

test('a stream that is not connected: send does not give it a port, so that bind still can', () => {
  const peer = new TcpPeer();
  const fd = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  expect(peer.call(sys_sendto, fd, peer.memory(10), 10, 0, null)).toBeLessThan(0);
  expect(peer.call(sys_bind, fd, new sockaddr_in(0, 8080))).toBe(0);
});

test('connect to AF_UNSPEC: the MSS of the last peer is still what TCP_INFO and TCP_MAXSEG show', () => {
  const f = new TcpFlow();
  expect(f.call(sys_connect, f.fd, new sockaddr(AF_UNSPEC))).toBe(0);
  expect(f.sk.mss_cache).toBe(1000);
});

test('each time-out counts as a new path tried: tcpi_rehash', () => {
  const f = new TcpFlow({ rtt: 0.02 });
  f.write(1000);
  f.wait(1.6);
  expect(f.sk.slow.timeout_rehash).toBe(2);
  expect(f.net.ipv4.mib.TcpExtTcpTimeoutRehash).toBe(2);
});

test('accepted, MSS 1460, window 10: SO_SNDBUF grows to 46080', () => {
  const f = new TcpFlow({ options: 'mss 1460,sackOK,nop,nop,nop,wscale 7' });
  expect(f.sk.sk_sndbuf).toBe(46080);
});
