/** ICMP errors about segments of a connection: which are believed, and what they do. */
import { expect, test } from 'vitest';
import { EHOSTUNREACH, ENETUNREACH } from '../../../../kernel/errno.ts';
import { TCP_ESTABLISHED } from '../../../../kernel/net/core/sock.ts';
import { IP_MTU, IP_RECVERR, SOL_IP } from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import { sockopt } from '../../../../kernel/net/msg.ts';
import { sys_getsockopt, sys_setsockopt } from '../../../../kernel/net/socket.ts';
import { Connection } from './tcp_connection.ts';

const DEST_UNREACH = 3;
const NET_UNREACH = 0;
const PORT_UNREACH = 3;
const FRAG_NEEDED = 4;
const SYN = 'S 0:0(0) win 32792 <mss 1460,sackOK,nop,nop,nop,wscale 7>';

test('RFC 1191: fragmentation needed: the segments again, and at once, as small as the path wants', () => {
  const c = new Connection().accepted(SYN);
  const { peer } = c;
  expect(c.write(2920)).toBe(2920);
  peer.expect('. 1:1461(1460) ack 1', 'P. 1461:2921(1460) ack 1');
  peer.icmp(DEST_UNREACH, FRAG_NEEDED, 1040, 1);
  const sent = peer.segments();
  expect(sent[0]?.text).toMatch(/^\. 1:1001\(1000\) ack 1 /);
  const opt = new sockopt();
  expect(peer.call(sys_getsockopt, c.fd, SOL_IP, IP_MTU, opt)).toBe(0);
  expect(opt.value).toBe(1040);
  peer.inject('. 1:1(0) ack 2921 win 257');
  expect(c.write(1500)).toBe(1500);
  peer.expect('. 2921:3921(1000) ack 1', 'P. 3921:4421(500) ack 1');
  c.close();
  peer.finish();
});

test('a path MTU below what IPv4 guarantees: not below 552', () => {
  const c = new Connection().accepted(SYN);
  const { peer } = c;
  c.write(1460);
  peer.segments();
  peer.icmp(DEST_UNREACH, FRAG_NEEDED, 68, 1);
  expect(peer.segments()[0]?.text).toMatch(/^\. 1:513\(512\) ack 1 /);
  c.close();
  peer.finish();
});

test('RFC 5927: an error about a number that is not under way: counted, nothing else', () => {
  const c = new Connection().accepted(SYN);
  const { peer } = c;
  c.write(1460);
  peer.segments();
  for (const code of [FRAG_NEEDED, PORT_UNREACH]) peer.icmp(DEST_UNREACH, code, 600, 5000);
  peer.expect();
  expect(peer.net.ipv4.mib.TcpExtOutOfWindowIcmps).toBe(2);
  expect(c.error()).toBe(0);
  c.close();
  peer.finish();
});

test('RFC 9293 MUST-56: unreachable while connected: no abort; SO_ERROR tells of it', () => {
  const c = new Connection().accepted(SYN);
  const { peer } = c;
  c.write(100);
  peer.segments();
  peer.icmp(DEST_UNREACH, NET_UNREACH, 0, 1);
  expect(c.state).toBe(TCP_ESTABLISHED);
  expect(c.read()).toBeLessThan(0);
  expect(c.error()).toBe(ENETUNREACH);
  c.close();
  peer.finish();
});

test('IP_RECVERR: the error is pending at once', () => {
  const c = new Connection().accepted(SYN);
  const { peer } = c;
  const opt = new sockopt();
  opt.value = 1;
  peer.call(sys_setsockopt, c.fd, SOL_IP, IP_RECVERR, opt);
  c.write(100);
  peer.segments();
  peer.icmp(DEST_UNREACH, 1, 0, 1);
  expect(c.read()).toBe(-EHOSTUNREACH);
  expect(c.state).toBe(TCP_ESTABLISHED);
  c.close();
  peer.finish();
});

test('RFC 9293 MUST-55: source quench: nothing', () => {
  const c = new Connection().accepted(SYN);
  const { peer } = c;
  c.write(100);
  peer.segments();
  peer.icmp(4, 0, 0, 1);
  peer.expect();
  expect(c.error()).toBe(0);
  c.close();
  peer.finish();
});

test('RFC 6069: unreachable after a timeout: the doubling is taken back', () => {
  const c = new Connection().accepted(SYN);
  const { peer } = c;
  c.write(100);
  peer.segments();
  peer.wait(3.5);
  const before = peer.segments().length;
  expect(before).toBeGreaterThan(1);
  const sk = peer.net.ipv4.tcp.hashinfo.ehash.all()[0] as unknown as { icsk_backoff: number; icsk_rto: number };
  const { icsk_backoff, icsk_rto } = sk;
  peer.icmp(DEST_UNREACH, NET_UNREACH, 0, 1);
  expect(sk.icsk_backoff).toBe(icsk_backoff - 1);
  expect(sk.icsk_rto).toBe(icsk_rto / 2);
  c.close();
  peer.finish();
});
