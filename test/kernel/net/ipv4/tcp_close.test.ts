/** The end of a connection in every order, TIME_WAIT, aborts; connecting, and what may go wrong with it. */
import { describe, expect, test } from 'vitest';
import {
  EADDRNOTAVAIL,
  EAGAIN,
  EALREADY,
  ECONNREFUSED,
  ECONNRESET,
  EHOSTUNREACH,
  EINPROGRESS,
  EISCONN,
  ENOTCONN,
  EPIPE,
  ETIMEDOUT,
} from '../../../../kernel/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP } from '../../../../kernel/fs/select.ts';
import {
  SO_REUSEADDR,
  SOL_SOCKET,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../../../../kernel/net/core/sock.ts';
import { SOL_TCP, TCP_LINGER2 } from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import {
  AF_INET,
  AF_UNSPEC,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddr,
  sockaddr_in,
  sockopt,
} from '../../../../kernel/net/msg.ts';
import {
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_listen,
  sys_setsockopt,
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import { A } from '../segment.ts';
import { Connection, sys_close } from './tcp_connection.ts';

describe('close', () => {
  test('ours first: FIN_WAIT1, FIN_WAIT2, TIME_WAIT for 60 s', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    c.close();
    peer.expect('F. 1:1(0) ack 1');
    expect(c.table()).toEqual([TCP_FIN_WAIT1]);
    peer.inject('. 1:1(0) ack 2 win 257');
    expect(c.table()).toEqual([60 + TCP_FIN_WAIT2]);
    peer.inject('F. 1:1(0) ack 2 win 257');
    peer.expect('. 2:2(0) ack 2');
    expect(c.table()).toEqual([66]);
    expect(peer.net.ipv4.tcp.tw_count).toBe(1);
    // The FIN again: the ACK again, and the time begins anew.
    peer.wait(50);
    peer.inject('F. 1:1(0) ack 2 win 257');
    peer.expect('. 2:2(0) ack 2');
    peer.wait(50);
    expect(c.table()).toEqual([66]);
    peer.wait(20);
    expect(c.table()).toEqual([]);
    peer.finish();
  });

  test('the peer first: CLOSE_WAIT, then LAST_ACK, and nothing stays', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    peer.inject('F. 1:1(0) ack 1 win 257');
    expect(c.state).toBe(TCP_CLOSE_WAIT);
    // Our own FIN may be soon to come: the ACK waits for it.
    peer.expect();
    peer.wait(0.05);
    peer.expect('. 1:1(0) ack 2');
    expect(c.revents).toBe(POLLIN | POLLRDHUP | POLLOUT);
    expect(c.read()).toBe(0);
    c.close();
    peer.expect('F. 1:1(0) ack 2');
    expect(c.table()).toEqual([TCP_LAST_ACK]);
    peer.inject('. 2:2(0) ack 2 win 257');
    expect(c.table()).toEqual([]);
    peer.finish();
  });

  test('both at once: CLOSING, then TIME_WAIT', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    c.close();
    peer.expect('F. 1:1(0) ack 1');
    peer.inject('F. 1:1(0) ack 1 win 257');
    peer.expect('. 2:2(0) ack 2');
    expect(c.table()).toEqual([TCP_CLOSING]);
    peer.inject('. 2:2(0) ack 2 win 257');
    expect(c.table()).toEqual([66]);
    peer.finish();
  });

  test('FIN and ACK of ours in one segment: straight to TIME_WAIT', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    c.close();
    peer.expect('F. 1:1(0) ack 1');
    peer.inject('F. 1:1(0) ack 2 win 257');
    peer.expect('. 2:2(0) ack 2');
    expect(c.table()).toEqual([66]);
    peer.finish();
  });

  test('RFC 9293 3.6: half-close: what comes afterwards is still received', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    expect(c.shutdown(SHUT_WR)).toBe(0);
    peer.expect('F. 1:1(0) ack 1');
    expect(c.write(1)).toBe(-EPIPE);
    peer.inject('. 1:1(0) ack 2 win 257');
    expect(c.state).toBe(TCP_FIN_WAIT2);
    peer.inject('P. 1:101(100) ack 2 win 257');
    peer.segments();
    expect(c.read()).toBe(100);
    expect(c.read()).toBe(-EAGAIN);
    peer.inject('F. 101:101(0) ack 2 win 257');
    peer.expect('. 2:2(0) ack 102');
    expect(c.read()).toBe(0);
    expect(c.revents & (POLLIN | POLLRDHUP | POLLHUP)).toBe(POLLIN | POLLRDHUP | POLLHUP);
    c.close();
    peer.finish();
  });

  test('RFC 9293 SHLD-3: unread data at close: RST instead of FIN', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    peer.inject('P. 1:101(100) ack 1 win 257');
    peer.segments();
    c.close();
    peer.expect('R. 1:1(0) ack 101');
    expect(peer.net.ipv4.mib.TcpExtTCPAbortOnClose).toBe(1);
    expect(c.table()).toEqual([]);
    peer.finish();
  });

  test('SO_LINGER with no time: RST', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    c.linger(true, 0);
    c.close();
    peer.expect('R. 1:1(0) ack 1');
    expect(peer.net.ipv4.mib.TcpExtTCPAbortOnData).toBe(1);
    peer.finish();
  });

  test('data for a closed socket in FIN_WAIT2: RST', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    c.close();
    peer.expect('F. 1:1(0) ack 1');
    peer.inject('. 1:1(0) ack 2 win 257');
    peer.inject('P. 1:101(100) ack 2 win 257');
    peer.expect('R 2:2(0) win 0');
    expect(c.table()).toEqual([]);
    peer.finish();
  });

  test('the peer never sends its FIN: FIN_WAIT2 ends after tcp_fin_timeout', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    c.close();
    peer.segments();
    peer.inject('. 1:1(0) ack 2 win 257');
    peer.wait(58);
    expect(c.table()).toEqual([60 + TCP_FIN_WAIT2]);
    peer.wait(10);
    expect(c.table()).toEqual([]);
    peer.finish();
  });

  test('TCP_LINGER2 negative: no FIN_WAIT2, but a RST', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    const opt = new sockopt();
    opt.value = -1;
    expect(peer.call(sys_setsockopt, c.fd, SOL_TCP, TCP_LINGER2, opt)).toBe(0);
    c.shutdown(SHUT_WR);
    peer.expect('F. 1:1(0) ack 1');
    peer.inject('. 1:1(0) ack 2 win 257');
    c.close();
    peer.expect('R. 2:2(0) ack 1');
    expect(peer.net.ipv4.mib.TcpExtTCPAbortOnLinger).toBe(1);
    peer.finish();
  });

  test('our FIN is never acknowledged: it is repeated, then the orphan is given up', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    c.close();
    peer.wait(300);
    const sent = peer.segments();
    expect(sent.length).toBeGreaterThan(5);
    expect(sent.every(({ text }) => text.startsWith('F. 1:1(0) ack 1'))).toBe(true);
    expect(c.table()).toEqual([]);
    expect(peer.net.ipv4.tcp_orphan_count).toBe(0);
    peer.finish();
  });

  test('more orphans than tcp_max_orphans: RST', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    peer.net.ipv4.tcp_max_orphans = 0;
    c.close();
    peer.expect('F. 1:1(0) ack 1', 'R. 2:2(0) ack 1');
    expect(peer.net.ipv4.mib.TcpExtTCPAbortOnMemory).toBe(1);
    peer.finish();
  });

  test('shutdown of the reading side alone sends nothing', () => {
    const c = new Connection().accepted();
    expect(c.shutdown(SHUT_RD)).toBe(0);
    c.peer.expect();
    expect(c.read()).toBe(0);
    expect(c.shutdown(SHUT_RDWR)).toBe(0);
    c.peer.expect('F. 1:1(0) ack 1');
    expect(c.shutdown(7)).toBeLessThan(0);
    c.close();
    c.peer.finish();
  });

  test('connect to AF_UNSPEC: RST, and the socket is as new', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    expect(peer.call(sys_connect, c.fd, new sockaddr(AF_UNSPEC))).toBe(0);
    peer.expect('R. 1:1(0) ack 1');
    expect(c.state).toBe(TCP_CLOSE);
    expect(peer.call(sys_connect, c.fd, new sockaddr_in(A, 81))).toBe(-EINPROGRESS);
    expect(peer.segments().length).toBe(1);
    c.close();
    peer.finish();
  });
});

describe('TIME_WAIT', () => {
  const timeWait = (ts = false): Connection => {
    const c = new Connection();
    const { peer } = c;
    const listener = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    // What is left of a connection shares its port as its socket did.
    const reuse = new sockopt();
    reuse.value = 1;
    peer.call(sys_setsockopt, listener, SOL_SOCKET, SO_REUSEADDR, reuse);
    peer.call(sys_bind, listener, new sockaddr_in(0, 8080));
    peer.call(sys_listen, listener, 5);
    const t = (text: string, val: number): string => (ts ? `${text} <nop,nop,TS val ${val} ecr 0>` : text);
    peer.inject(`S 0:0(0) win 32792 <mss 1000,sackOK${ts ? ',TS val 100 ecr 0' : ''}>`);
    peer.segments();
    peer.inject(t('. 1:1(0) ack 1 win 257', 101));
    c.fd = peer.call(sys_accept4, listener, null, SOCK_NONBLOCK);
    c.close();
    peer.segments();
    peer.inject(t('F. 1:1(0) ack 2 win 257', 102));
    peer.segments();
    expect(c.table()).toEqual([66]);
    return c;
  };

  test('RFC 1122 4.2.2.13: a SYN beyond the old numbers: a new connection', () => {
    const c = timeWait();
    const { peer } = c;
    const old = peer.hostIsn();
    peer.inject('S 1000:1000(0) win 257 <mss 1000>');
    const [synack] = peer.expect('S. 0:0(0) ack 1001');
    // Beyond whatever we have sent before.
    expect(((synack?.sequence as number) - old) | 0).toBe(65535 + 2 + 2);
    expect(peer.net.ipv4.tcp.tw_count).toBe(0);
    peer.finish();
  });

  test('a SYN that may be an old one: an ACK', () => {
    const c = timeWait();
    c.peer.inject('S 0:0(0) win 257 <mss 1000>');
    c.peer.expect('. 2:2(0) ack 2');
    expect(c.table()).toEqual([66]);
    c.peer.finish();
  });

  test('RFC 6191: an old number, but a later timestamp: a new connection; an earlier one: an ACK', () => {
    const c = timeWait(true);
    const { peer } = c;
    peer.wait(2);
    peer.inject('S 0:0(0) win 257 <mss 1000,sackOK,TS val 50 ecr 0>');
    expect(peer.segments().map(({ text }) => text.split(' ')[0])).toEqual(['.']);
    expect(peer.net.ipv4.mib.TcpExtPAWSTimewait).toBe(1);
    peer.inject('S 0:0(0) win 257 <mss 1000,sackOK,TS val 200 ecr 0>');
    expect(peer.segments().map(({ text }) => text.split(' ')[0])).toEqual(['S.']);
    peer.finish();
  });

  test('RST: the end of it; with tcp_rfc1337 it stays', () => {
    for (const rfc1337 of [0, 1]) {
      const c = timeWait();
      c.peer.net.ipv4.tcp_rfc1337 = rfc1337;
      c.peer.inject('R 2:2(0) win 0');
      c.peer.expect();
      expect(c.table()).toEqual(rfc1337 === 0 ? [] : [66]);
      c.peer.finish();
    }
  });

  test('segments out of the window, many: one ACK in half a second', () => {
    const { peer } = timeWait();
    for (let i = 0; i < 5; i++) peer.inject('. 90001:90001(0) ack 2 win 257');
    peer.expect('. 2:2(0) ack 2');
    expect(peer.net.ipv4.mib.TcpExtTCPACKSkippedTimeWait).toBe(4);
    peer.finish();
  });

  test('tcp_max_tw_buckets: none beyond it', () => {
    const c = new Connection().accepted();
    c.peer.net.ipv4.tcp_max_tw_buckets = 0;
    c.close();
    c.peer.segments();
    c.peer.inject('F. 1:1(0) ack 2 win 257');
    expect(c.table()).toEqual([]);
    expect(c.peer.net.ipv4.mib.TcpExtTCPTimeWaitOverflow).toBe(1);
    c.peer.finish();
  });

  test('connect from the same port: refused with EADDRNOTAVAIL; with timestamps, after a second, it goes on behind', () => {
    for (const ts of [false, true]) {
      const c = timeWait(ts);
      const { peer } = c;
      const old = peer.hostIsn();
      peer.wait(2);
      const fd = c.socket();
      const opt = new sockopt();
      opt.value = 1;
      peer.call(sys_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, opt);
      peer.call(sys_close, 0);
      expect(peer.call(sys_bind, fd, new sockaddr_in(0, 8080))).toBe(0);
      const result = peer.call(sys_connect, fd, new sockaddr_in(A, 40000));
      expect(result).toBe(ts ? -EINPROGRESS : -EADDRNOTAVAIL);
      if (ts) {
        const [syn] = peer.segments();
        expect(((syn?.sequence as number) - old) | 0).toBe(65535 + 2 + 2);
        expect(peer.net.ipv4.mib.TcpExtTWRecycled).toBe(1);
      }
      peer.finish();
    }
  });
});

describe('connect', () => {
  test('RFC 9293 MUST-14: SYN with our options; SYN/ACK: ACK, and the socket is writable', () => {
    const c = new Connection().connecting();
    const { peer } = c;
    peer.expect('S 0:0(0) win 64240 <mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 8>');
    expect(c.state).toBe(TCP_SYN_SENT);
    expect(c.revents).toBe(0);
    expect(peer.call(sys_connect, c.fd, new sockaddr_in(A, 80))).toBe(-EALREADY);
    expect(c.write(10)).toBe(-EAGAIN);
    expect(c.read()).toBe(-EAGAIN);
    peer.inject('S. 0:0(0) ack 1 win 5792 <mss 1460,sackOK,TS val 700 ecr 0,nop,wscale 7>');
    const [ack] = peer.segments();
    expect(ack?.text).toMatch(/^\. 1:1\(0\) ack 1 win 251 <nop,nop,TS val \d+ ecr 700>$/);
    expect(c.revents).toBe(POLLOUT);
    expect(peer.call(sys_connect, c.fd, new sockaddr_in(A, 80))).toBe(0);
    expect(peer.call(sys_connect, c.fd, new sockaddr_in(A, 80))).toBe(-EISCONN);
    expect(peer.net.ipv4.mib.TcpActiveOpens).toBe(1);
    c.close();
    peer.finish();
  });

  test('RFC 9293 MUST-22, MUST-23: nobody answers: the SYN again after 1, 2, 3, 4, 5, 7, 11, 19 s …, then ETIMEDOUT', () => {
    const c = new Connection().connecting();
    const { peer } = c;
    peer.wait(140);
    const sent = peer.segments();
    const start = sent[0]?.time ?? 0;
    const seconds = sent.map(({ time }) => Math.round((time - start) / 1000));
    // tcp_syn_linear_timeouts: four of one second, then doubled.
    expect(seconds.slice(0, 6)).toEqual([0, 1, 2, 3, 4, 5]);
    // tcp_syn_retries more than those.
    expect(sent.length).toBe(1 + 4 + 6);
    const [gap, longer] = [9, 10].map(i => (seconds[i] as number) - (seconds[i - 1] as number));
    expect((longer as number) / (gap as number)).toBeCloseTo(2, 0);
    expect(c.state).toBe(TCP_CLOSE);
    expect(c.revents).toBe(POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
    expect(c.error()).toBe(ETIMEDOUT);
    expect(peer.net.ipv4.mib.TcpExtTCPAbortOnTimeout).toBe(1);
    c.close();
    peer.finish();
  });

  test('RST/ACK: ECONNREFUSED', () => {
    const c = new Connection().connecting();
    const { peer } = c;
    peer.segments();
    peer.inject('R. 0:0(0) ack 1 win 0');
    peer.expect();
    expect(c.revents & (POLLERR | POLLHUP)).toBe(POLLERR | POLLHUP);
    expect(peer.call(sys_connect, c.fd, new sockaddr_in(A, 80))).toBe(-ECONNREFUSED);
    expect(c.error()).toBe(0);
    expect(peer.net.ipv4.mib.TcpAttemptFails).toBe(1);
    // The socket may try again.
    expect(peer.call(sys_connect, c.fd, new sockaddr_in(A, 80))).toBe(-EINPROGRESS);
    c.close();
    peer.finish();
  });

  test('RST without ACK, or for another number: nothing', () => {
    const c = new Connection().connecting();
    const { peer } = c;
    peer.segments();
    peer.inject('R 0:0(0) win 0');
    peer.inject('R. 0:0(0) ack 5 win 0');
    expect(c.state).toBe(TCP_SYN_SENT);
    peer.expect();
    c.close();
    peer.finish();
  });

  test('RFC 9293 3.10.7.3: SYN/ACK for another number: RST with it', () => {
    const c = new Connection().connecting();
    const { peer } = c;
    peer.segments();
    peer.inject('S. 0:0(0) ack 9 win 5792 <mss 1460>');
    peer.expect('R 9:9(0) win 0');
    expect(c.state).toBe(TCP_SYN_SENT);
    c.close();
    peer.finish();
  });

  test('ICMP host unreachable about our SYN: EHOSTUNREACH; about another number: nothing', () => {
    const c = new Connection().connecting();
    const { peer } = c;
    peer.segments();
    peer.icmp(3, 1, 0, 77);
    expect(c.state).toBe(TCP_SYN_SENT);
    expect(peer.net.ipv4.mib.TcpExtOutOfWindowIcmps).toBe(1);
    peer.icmp(3, 1, 0, 0);
    expect(c.state).toBe(TCP_CLOSE);
    expect(c.error()).toBe(EHOSTUNREACH);
    c.close();
    peer.finish();
  });

  test('RFC 9293 MUST-10: SYNs cross: SYN_RECV, then the connection of both', () => {
    const c = new Connection().connecting();
    const { peer } = c;
    peer.segments();
    peer.inject('S 0:0(0) win 5792 <mss 1460,sackOK,TS val 700 ecr 0,nop,wscale 7>');
    const [synack] = peer.segments();
    expect(synack?.text).toMatch(/^S\. 0:0\(0\) ack 1 /);
    expect(c.state).toBe(TCP_SYN_RECV);
    peer.inject('. 1:1(0) ack 1 win 257 <nop,nop,TS val 701 ecr 0>');
    expect(c.state).toBe(TCP_ESTABLISHED);
    expect(c.revents).toBe(POLLOUT);
    c.close();
    peer.finish();
  });

  test('a reset in ESTABLISHED: ECONNRESET once, then the end', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    peer.inject('R. 1:1(0) ack 1 win 0');
    peer.expect();
    expect(c.revents).toBe(POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
    expect(c.read()).toBe(-ECONNRESET);
    expect(c.read()).toBe(0);
    expect(c.write(1)).toBe(-EPIPE);
    expect(peer.net.ipv4.mib.TcpEstabResets).toBe(1);
    c.close();
    peer.finish();
  });

  test('a reset in CLOSE_WAIT: EPIPE for who writes', () => {
    const c = new Connection().accepted();
    const { peer } = c;
    peer.inject('F. 1:1(0) ack 1 win 257');
    peer.segments();
    peer.inject('R. 2:2(0) ack 1 win 0');
    expect(c.error()).toBe(EPIPE);
    c.close();
    peer.finish();
  });

  test('shutdown while connecting: the attempt is over', () => {
    const c = new Connection().connecting();
    c.peer.segments();
    expect(c.shutdown(SHUT_RDWR)).toBe(0);
    expect(c.state).toBe(TCP_CLOSE);
    expect(c.write(1)).toBeLessThan(0);
    c.close();
    c.peer.finish();
  });

  test('a socket that was never connected: ENOTCONN, and POLLHUP', () => {
    const c = new Connection();
    c.socket();
    expect(c.read()).toBe(-ENOTCONN);
    expect(c.write(1)).toBe(-EPIPE);
    expect(c.shutdown(SHUT_RDWR)).toBe(-ENOTCONN);
    expect(c.revents & POLLHUP).toBe(POLLHUP);
    c.close();
    c.peer.finish();
  });
});
