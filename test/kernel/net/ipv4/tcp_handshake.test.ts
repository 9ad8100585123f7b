/** The passive side of the handshake, segment by segment; resets for what belongs to no connection. */
import { describe, expect, test } from 'vitest';
import { EAGAIN } from '../../../../kernel/errno.ts';
import { SO_RCVBUF, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import { SOL_TCP, TCP_DEFER_ACCEPT, TCP_MAXSEG } from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM, sockaddr_in, sockopt } from '../../../../kernel/net/msg.ts';
import {
  sys_accept4,
  sys_bind,
  sys_getpeername,
  sys_listen,
  sys_setsockopt,
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import { A } from '../segment.ts';
import { type Flow, TcpPeer } from './tcp_peer.ts';

const SYN = 'S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>';

function listener(peer: TcpPeer, backlog = 5, options: [level: number, name: number, value: number][] = []): number {
  const fd = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  for (const [level, name, value] of options) {
    const opt = new sockopt();
    opt.value = value;
    expect(peer.call(sys_setsockopt, fd, level, name, opt)).toBe(0);
  }
  expect(peer.call(sys_bind, fd, new sockaddr_in(0, 8080))).toBe(0);
  expect(peer.call(sys_listen, fd, backlog)).toBe(0);
  return fd;
}

const accept = (peer: TcpPeer, fd: number): number => peer.call(sys_accept4, fd, null, 0);

/** A flow of its own, by the peer's port. */
const from = (peer: TcpPeer, port: number): { flow: Flow } => ({ flow: { ...peer.flow, peerPort: port } });

describe('a listener', () => {
  test('RFC 9293 MUST-14: SYN: SYN/ACK with its options; the third segment: a connection for accept', () => {
    const peer = new TcpPeer();
    const fd = listener(peer);
    expect(accept(peer, fd)).toBe(-EAGAIN);
    peer.inject(SYN);
    peer.expect('S. 0:0(0) ack 1 win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 8>');
    expect(accept(peer, fd)).toBe(-EAGAIN);
    peer.inject('. 1:1(0) ack 1 win 257');
    peer.expect();
    const addr = new sockaddr_in();
    const child = peer.call(sys_accept4, fd, addr, 0);
    expect(child).toBeGreaterThan(fd);
    expect([addr.sin_addr, addr.sin_port]).toEqual([A, 40000]);
    expect(peer.call(sys_getpeername, child, addr)).toBe(0);
    const { mib } = peer.net.ipv4;
    expect([mib.TcpPassiveOpens, mib.TcpCurrEstab]).toEqual([1, 1]);
    peer.finish();
  });

  test('SYN with timestamps: SYN/ACK echoes them', () => {
    const peer = new TcpPeer();
    listener(peer);
    peer.inject('S 0:0(0) win 32792 <mss 1460,sackOK,TS val 700 ecr 0,nop,wscale 7>');
    peer.expect('S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 0 ecr 700,nop,wscale 8>');
    peer.finish();
  });

  test('SYN without options: SYN/ACK offers none of what was not offered', () => {
    const peer = new TcpPeer();
    listener(peer);
    peer.inject('S 0:0(0) win 32792');
    peer.expect('S. 0:0(0) ack 1 win 64240 <mss 1460>');
    peer.finish();
  });

  test('SYN with an unknown option and one of length 0: as if they were not there (RFC 9293 MUST-6, MUST-7)', () => {
    const peer = new TcpPeer();
    listener(peer);
    peer.inject('S 0:0(0) win 32792 <raw fd 04 01 02,mss 1000>');
    peer.expect('S. 0:0(0) ack 1 win 64240 <mss 1460>');
    peer.inject('S 0:0(0) win 32792 <raw fd 00 01 02,mss 1000>', from(peer, 40001));
    peer.expect('S. 0:0(0) ack 1 win 64240 <mss 1460>');
    peer.finish();
  });

  test('nobody answers the SYN/ACK: it is repeated after 1, 3, 7, 15 and 31 s, then given up', () => {
    const peer = new TcpPeer();
    listener(peer);
    peer.inject(SYN);
    peer.wait(100);
    const sent = peer.segments();
    expect(sent.every(({ text }) => text.startsWith('S. 0:0(0) ack 1 win 64240'))).toBe(true);
    const first = sent[0]?.time ?? 0;
    const seconds = sent.map(({ time }) => (time - first) / 1000);
    expect(seconds.length).toBe(6);
    for (const [i, at] of [0, 1, 3, 7, 15, 31].entries()) {
      expect(seconds[i]).toBeGreaterThanOrEqual(at);
      expect(seconds[i]).toBeLessThan(at * 1.05 + 0.1);
    }
    expect(peer.net.ipv4.mib.TcpExtTCPTimeouts).toBe(6);
    // It is forgotten: what comes now is answered with a reset.
    peer.inject('. 1:1(0) ack 1 win 257');
    peer.expect('R 1:1(0)');
    peer.finish();
  });

  test('the SYN again: the SYN/ACK again, the same; no more than one in half a second', () => {
    const peer = new TcpPeer();
    listener(peer);
    peer.inject(SYN);
    const [first] = peer.expect('S. 0:0(0) ack 1');
    peer.inject(SYN);
    const [second] = peer.expect('S. 0:0(0) ack 1');
    expect(second?.sequence).toBe(first?.sequence);
    peer.inject(SYN);
    peer.expect();
    expect(peer.net.ipv4.mib.TcpExtTCPACKSkippedSynRecv).toBe(1);
    peer.finish();
  });

  test('RFC 9293 3.10.7.4: a wrong acknowledgement of the SYN/ACK: reset with that number, the request stays', () => {
    const peer = new TcpPeer();
    const fd = listener(peer);
    peer.inject(SYN);
    peer.expect('S. 0:0(0) ack 1');
    peer.inject('. 1:1(0) ack 9 win 257');
    peer.expect('R 9:9(0)');
    peer.inject('. 1:1(0) ack 1 win 257');
    expect(accept(peer, fd)).toBeGreaterThan(0);
    peer.finish();
  });

  test('a segment out of the window for a request: an ACK; a RST in it: the request is gone', () => {
    const peer = new TcpPeer();
    const fd = listener(peer);
    peer.inject(SYN);
    peer.expect('S. 0:0(0) ack 1');
    peer.inject('. 100001:100001(0) ack 1 win 257');
    peer.expect('. 1:1(0) ack 1 win 250');
    peer.inject('R 1:1(0) win 0');
    peer.expect();
    expect(peer.net.ipv4.mib.TcpExtEmbryonicRsts).toBe(1);
    peer.inject('. 1:1(0) ack 1 win 257');
    peer.expect('R 1:1(0)');
    expect(accept(peer, fd)).toBe(-EAGAIN);
    peer.finish();
  });

  test('a SYN in the window of a request: reset, and the request is gone', () => {
    const peer = new TcpPeer();
    listener(peer);
    peer.inject(SYN);
    peer.expect('S. 0:0(0) ack 1');
    peer.inject('S 5:5(0) win 257');
    peer.expect('R. 0:0(0) ack 6 win 0');
    expect(peer.net.ipv4.mib.TcpAttemptFails).toBe(1);
    peer.finish();
  });

  test('data with the third segment: it is in the connection that accept gives', () => {
    const peer = new TcpPeer();
    const fd = listener(peer);
    peer.inject(SYN);
    peer.expect('S. 0:0(0) ack 1');
    peer.inject('P. 1:101(100) ack 1 win 257');
    peer.expect('. 1:1(0) ack 101');
    expect(accept(peer, fd)).toBeGreaterThan(0);
    peer.finish();
  });

  test('TCP_MAXSEG: the SYN/ACK says so; SO_RCVBUF: it offers no more', () => {
    const peer = new TcpPeer();
    listener(peer, 5, [
      [SOL_TCP, TCP_MAXSEG, 500],
      [SOL_SOCKET, SO_RCVBUF, 8192],
    ]);
    peer.inject(SYN);
    peer.expect('S. 0:0(0) ack 1 win 8000 <mss 500,nop,nop,sackOK,nop,wscale 0>');
    peer.finish();
  });

  test('TCP_DEFER_ACCEPT: the third segment alone makes no connection, data does', () => {
    const peer = new TcpPeer();
    const fd = listener(peer, 5, [[SOL_TCP, TCP_DEFER_ACCEPT, 3]]);
    peer.inject(SYN);
    peer.expect('S. 0:0(0) ack 1');
    peer.inject('. 1:1(0) ack 1 win 257');
    expect(accept(peer, fd)).toBe(-EAGAIN);
    expect(peer.net.ipv4.mib.TcpExtTCPDeferAcceptDrop).toBe(1);
    peer.inject('P. 1:11(10) ack 1 win 257');
    expect(accept(peer, fd)).toBeGreaterThan(0);
    peer.finish();
  });

  test('a SYN from a broadcast address, or to one: no answer', () => {
    const peer = new TcpPeer();
    listener(peer);
    peer.inject(SYN, { flow: { ...peer.flow, host: 0x0a0100ff } });
    peer.expect();
    peer.inject(SYN, { flow: { ...peer.flow, peer: -1 } });
    peer.expect();
    peer.finish();
  });
});

describe('queues', () => {
  const connect = (peer: TcpPeer, port: number): void => {
    peer.inject(SYN, from(peer, port));
    peer.inject('. 1:1(0) ack 1 win 257', from(peer, port));
  };

  test('accept queue full: third segments are ignored, the SYN/ACK is repeated; room: they get in', () => {
    const peer = new TcpPeer();
    const fd = listener(peer, 1);
    // A backlog of 1 has room for two.
    for (const port of [1001, 1002]) {
      peer.inject(SYN, from(peer, port));
      peer.segments();
      peer.inject('. 1:1(0) ack 1 win 257', from(peer, port));
    }
    peer.inject(SYN, from(peer, 1003));
    peer.expect();
    const { mib } = peer.net.ipv4;
    expect([mib.TcpExtListenOverflows, mib.TcpExtListenDrops]).toEqual([1, 1]);
    expect(accept(peer, fd)).toBeGreaterThan(0);
    peer.inject(SYN, from(peer, 1003));
    peer.expect('S. 0:0(0) ack 1');
    peer.finish();
  });

  test('accept queue fills between SYN and ACK: the ACK is dropped; with tcp_abort_on_overflow it is reset', () => {
    for (const abort of [0, 1]) {
      const peer = new TcpPeer();
      peer.net.ipv4.tcp_abort_on_overflow = abort;
      listener(peer, 1);
      for (const port of [1001, 1002]) peer.inject(SYN, from(peer, port));
      peer.segments();
      peer.inject('. 1:1(0) ack 1 win 257', from(peer, 1001));
      peer.inject(SYN, from(peer, 1003));
      peer.segments();
      peer.inject('. 1:1(0) ack 1 win 257', from(peer, 1002));
      peer.inject('. 1:1(0) ack 1 win 257', from(peer, 1003));
      if (abort === 0) peer.expect();
      else peer.expect('R 1:1(0)');
      expect(peer.net.ipv4.mib.TcpExtListenOverflows).toBe(1);
      peer.finish();
    }
  });

  test('queue of requests full, without cookies: SYNs are dropped', () => {
    const peer = new TcpPeer();
    peer.net.ipv4.tcp_syncookies = 0;
    listener(peer, 1);
    for (const port of [1, 2, 3]) peer.inject(SYN, from(peer, 1000 + port));
    expect(peer.segments().length).toBe(2);
    const { mib } = peer.net.ipv4;
    expect([mib.TcpExtTCPReqQFullDrop, mib.TcpExtListenDrops]).toEqual([1, 1]);
    expect(peer.kernel.log.some(({ message }) => message.includes('Dropping request'))).toBe(true);
    peer.finish();
  });

  test('queue of requests full: a cookie, remembered by nobody; its acknowledgement makes a connection', () => {
    const peer = new TcpPeer();
    const fd = listener(peer, 1);
    for (const port of [1001, 1002]) peer.inject(SYN, from(peer, port));
    peer.segments();
    // Without timestamps no option can be kept.
    peer.inject(SYN);
    peer.expect('S. 0:0(0) ack 1 win 64240 <mss 1460>');
    const { mib } = peer.net.ipv4;
    expect(mib.TcpExtSyncookiesSent).toBe(1);
    peer.inject('. 1:1(0) ack 1 win 257');
    expect(mib.TcpExtSyncookiesRecv).toBe(1);
    expect(accept(peer, fd)).toBeGreaterThan(0);
    peer.finish();
  });

  test('cookies for all (2), timestamps: SACK and window scale live in the timestamp', () => {
    const peer = new TcpPeer();
    peer.net.ipv4.tcp_syncookies = 2;
    const fd = listener(peer);
    peer.inject('S 0:0(0) win 32792 <mss 1400,sackOK,TS val 700 ecr 0,nop,wscale 7>');
    peer.expect('S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 0 ecr 700,nop,wscale 8>');
    peer.inject('. 1:1(0) ack 1 win 257 <nop,nop,TS val 701 ecr 0>');
    const child = accept(peer, fd);
    expect(child).toBeGreaterThan(0);
    const [sk] = peer.net.ipv4.tcp.hashinfo.ehash.all() as unknown as [
      import('../../../../kernel/net/ipv4/tcp_sock.ts').tcp_sock,
    ];
    expect(sk.rx_opt.sack_ok).not.toBe(0);
    expect([sk.rx_opt.wscale_ok, sk.rx_opt.snd_wscale, sk.rx_opt.mss_clamp]).toEqual([1, 7, 1300]);
    expect(sk.snd_wnd).toBe(257 << 7);
    peer.finish();
  });

  test('a cookie with one bit wrong, or three minutes old: reset', () => {
    const peer = new TcpPeer();
    peer.net.ipv4.tcp_syncookies = 2;
    listener(peer);
    peer.inject(SYN);
    peer.expect('S. 0:0(0) ack 1');
    peer.inject('. 1:1(0) ack 99 win 257');
    peer.expect('R 99:99(0)');
    expect(peer.net.ipv4.mib.TcpExtSyncookiesFailed).toBe(1);
    peer.wait(181);
    peer.inject('. 1:1(0) ack 1 win 257');
    peer.expect('R 1:1(0)');
    peer.finish();
  });

  test('the listener is closed with connections in its queue: they are reset, requests are forgotten', () => {
    const peer = new TcpPeer();
    listener(peer);
    connect(peer, 1001);
    peer.inject(SYN, from(peer, 1002));
    peer.segments();
    peer.finish();
  });
});

describe('no socket', () => {
  test('RFC 9293 3.10.7.1: SYN: RST/ACK; ACK: RST with its number; RST: nothing', () => {
    const peer = new TcpPeer();
    peer.inject('S 0:0(0) win 1000');
    peer.expect('R. 0:0(0) ack 1 win 0');
    peer.inject('P. 5:15(10) ack 77 win 1000');
    peer.expect('R 77:77(0) win 0');
    peer.inject('F 5:15(10) win 1000');
    peer.expect('R. 0:0(0) ack 16 win 0');
    peer.inject('R 5:5(0) win 1000');
    peer.inject('R. 5:5(0) ack 1 win 1000');
    peer.expect();
    expect(peer.net.ipv4.mib.TcpOutRsts).toBe(3);
    peer.finish();
  });

  test('a reset has DF and no identification', () => {
    const peer = new TcpPeer();
    peer.inject('S 0:0(0) win 1000');
    const [reset] = peer.segments();
    expect([reset?.df, reset?.ttl]).toEqual([true, 64]);
    peer.finish();
  });

  test('a wrong checksum, a short header, a data offset beyond the end: dropped and counted, no answer', () => {
    const peer = new TcpPeer();
    peer.inject('S 0:0(0) win 1000', { badChecksum: true });
    const { mib } = peer.net.ipv4;
    expect([mib.TcpInCsumErrors, mib.TcpInErrs]).toEqual([1, 1]);
    const frame = peer.frame('S 0:0(0) win 1000');
    frame[14 + 20 + 12] = 0x40;
    peer.receive(frame);
    frame[14 + 20 + 12] = 0xf0;
    peer.receive(frame);
    peer.expect();
    expect(peer.drops).toEqual(['TCP_CSUM', 'PKT_TOO_SMALL', 'PKT_TOO_SMALL']);
    peer.finish();
  });
});
