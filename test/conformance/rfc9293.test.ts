/** RFC 9293, where test/kernel/net/ipv4/tcp_*.test.ts do not say it; by the numbers of its appendix B. */

import { expect, test } from 'vitest';
import { ECONNRESET, ENETUNREACH } from '../../kernel/errno.ts';
import { SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, TCP_CLOSE } from '../../kernel/net/core/sock.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import { IP_TOS, IP_TTL, SOL_IP } from '../../kernel/net/ipv4/ip_sockglue.ts';
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM, sockaddr_in } from '../../kernel/net/msg.ts';
import { sys_bind, sys_connect, sys_listen, sys_socket } from '../../kernel/net/socket.ts';
import { Connection } from '../kernel/net/ipv4/tcp_connection.ts';
import { TcpFlow } from '../kernel/net/ipv4/tcp_flow.ts';
import { PEER_ISN, TcpPeer } from '../kernel/net/ipv4/tcp_peer.ts';
import { hex, ipFrame } from '../kernel/net/segment.ts';

const ESTABLISHED = 1;

function listener(peer: TcpPeer, port = 8080): number {
  const fd = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  expect(peer.call(sys_bind, fd, new sockaddr_in(0, port))).toBe(0);
  expect(peer.call(sys_listen, fd, 50)).toBe(0);
  return fd;
}

/** The initial sequence number that a SYN from `port` is answered with; the request is reset. */
function isnFor(peer: TcpPeer, port: number): number {
  const flow = { ...peer.flow, peerPort: port };
  peer.inject('S 0:0(0) win 1000 <mss 1000>', { flow });
  const [answer] = peer.segments();
  peer.inject('R 1:1(0)', { flow });
  return answer?.sequence as number;
}

test('RFC 9293 MUST-1: a window of 65,535 is that many bytes, not a negative number', () => {
  const f = new TcpFlow({ rtt: 0.1, options: 'mss 1000', win: 65535 });
  f.set(SOL_SOCKET, SO_SNDBUF, 200_000);
  f.sk.snd_cwnd = 100;
  expect(f.sk.snd_wnd).toBe(65535);
  f.write(65000);
  expect(f.segments().reduce((sum, { payload }) => sum + payload.length, 0)).toBeGreaterThan(60000);
});

test('RFC 9293 MUST-8: initial sequence numbers go on with a clock of 64 ns', () => {
  const peer = new TcpPeer();
  listener(peer);
  const first = isnFor(peer, 5000);
  peer.wait(1);
  const second = isnFor(peer, 5000);
  expect(Math.abs(((second - first) >>> 0) - 1e9 / 64)).toBeLessThan(1e6);
  peer.finish();
});

test('RFC 9293 MUST-9: initial sequence numbers of different connections say nothing of each other', () => {
  const peer = new TcpPeer();
  listener(peer);
  const isns = Array.from({ length: 32 }, (_, i) => isnFor(peer, 5000 + i));
  const steps = isns.slice(1).map((isn, i) => (isn - (isns[i] as number)) >>> 0);
  expect(new Set(steps).size).toBe(31);
  // As far apart as chance has it: the high bits of the steps are of all kinds.
  expect(new Set(steps.map(step => step >>> 29)).size).toBeGreaterThan(4);
  peer.finish();
});

test('RFC 9293 MUST-15: a SYN without MSS: segments of 536 bytes at most', () => {
  const f = new TcpFlow({ rtt: 0.1, options: 'nop,wscale 7' });
  f.write(5000);
  expect(Math.max(...f.segments().map(({ payload }) => payload.length))).toBe(536);
});

test('RFC 9293 MUST-31: 100,000 urgent bytes: every segment before their end says so', () => {
  const f = new TcpFlow({ rtt: 0.1, win: 2000 });
  f.set(SOL_SOCKET, SO_SNDBUF, 400_000);
  f.sk.snd_cwnd = 200;
  expect(f.writeUrgent(100_000)).toBe(100_000);
  f.write(1000);
  const sent = f.segments();
  expect(sent.reduce((sum, { payload }) => sum + payload.length, 0)).toBe(101_000);
  for (const { text } of sent) {
    const seq = Number(/ (\d+):/.exec(text)?.[1]);
    const pointer = / urg (\d+)/.exec(text)?.[1];
    // Behind the last of them, or as far as 16 bits go.
    const expected = seq > 100_000 ? undefined : String(Math.min(100_001 - seq, 0xffff));
    expect([seq, pointer]).toEqual([seq, expected]);
  }
});

test('RFC 9293 MUST-34: the peer takes its window back: the connection goes on', () => {
  const f = new TcpFlow({ rtt: 0.1 });
  f.write(10_000);
  f.segments();
  f.inject('. 1:1(0) ack 1 win 2');
  f.wait(3);
  expect(f.sk.sk_state).toBe(ESTABLISHED);
  f.segments();
  f.inject('. 1:1(0) ack 10001 win 257');
  f.write(1000);
  expect(f.segments().map(({ text }) => text.split(' ')[1])).toEqual(['10001:11001(1000)']);
});

test('RFC 9293 MUST-41: a passive open changes nothing for the connections that are there', () => {
  const c = new Connection().accepted();
  listener(c.peer, 8081);
  expect(c.state).toBe(ESTABLISHED);
  c.write(100);
  c.peer.expect('P. 1:101(100) ack 1');
});

test('RFC 9293 MUST-46: no connection to a broadcast or multicast address', () => {
  const peer = new TcpPeer();
  for (const address of ['255.255.255.255', '10.1.0.255', '224.0.0.1']) {
    const fd = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    expect([address, peer.call(sys_connect, fd, new sockaddr_in(in_aton(address), 80))]).toEqual([
      address,
      -ENETUNREACH,
    ]);
  }
  peer.expect();
  peer.finish();
});

test('RFC 9293 MUST-48, MUST-49: DS field and TTL are what the program says', () => {
  const f = new TcpFlow({ rtt: 0.1 });
  f.set(SOL_IP, IP_TOS, 0x28);
  f.set(SOL_IP, IP_TTL, 9);
  f.write(100);
  expect(f.segments().map(({ tos, ttl }) => [tos, ttl])).toEqual([[0x28, 9]]);
});

test('RFC 9293 MUST-50: IP options that mean nothing to TCP: the segment is taken', () => {
  const f = new TcpFlow({ rtt: 0.1 });
  const segment = [...f.frame('P. 1:11(10) ack 1 win 257').subarray(34)];
  f.receive(ipFrame(segment, { protocol: 6, options: [30, 4, 1, 2] }));
  expect(f.read()).toBe(10);
});

test('RFC 9293 MUST-60, MUST-61: the last segment of what there is has PSH, and goes without more being written', () => {
  const f = new TcpFlow({ rtt: 0.1 });
  f.write(2500);
  f.inject('. 1:1(0) ack 2001 win 257');
  expect(f.segments().at(-1)?.text).toMatch(/^P\. 2001:2501\(500\) /);
});

test('RFC 9293 MUST-66: our window is closed: URG is heard of, RST ends the connection', () => {
  for (const end of ['RST', 'read']) {
    const f = new TcpFlow({ rtt: 0.1 });
    f.set(SOL_SOCKET, SO_RCVBUF, 2304);
    let at = 1;
    for (; f.sk.rcv_wnd > 0 && at < 200_000; at += 1000) f.inject(`P. ${at}:${at + 1000}(1000) ack 1 win 257`);
    f.wait(0.1);
    expect(f.segments().at(-1)?.window).toBe(0);
    const next = (f.sk.rcv_nxt - PEER_ISN) >>> 0;
    f.inject(`.U ${next}:${next}(0) ack 1 win 257 urg 5`);
    // TCP_URG_NOTYET: announced, not here.
    expect(f.sk.slow.urg_data & 0x200).toBe(0x200);
    expect(f.sk.slow.urg_seq).toBe((f.sk.rcv_nxt + 4) | 0);
    if (end === 'RST') {
      f.inject(`R. ${next}:${next}(0) ack 1`);
      expect(f.sk.sk_state).toBe(TCP_CLOSE);
      expect(f.sk.sk_err).toBe(ECONNRESET);
    } else {
      expect(f.read()).toBeGreaterThan(0);
      expect(f.sk.sk_state).toBe(ESTABLISHED);
    }
  }
});

test('RFC 9293 MUST-65: MSS is in SYNs only', () => {
  const f = new TcpFlow({ rtt: 0.1 });
  f.write(3000);
  f.inject('. 1:11(10) ack 1 win 257');
  f.wait(1);
  const sent = f.segments();
  expect(sent.length).toBeGreaterThan(3);
  expect(sent.filter(({ options }) => hex(options).startsWith('0204'))).toEqual([]);
});
