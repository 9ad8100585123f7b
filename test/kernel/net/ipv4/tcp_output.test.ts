/** What TCP sends when: windows, Nagle, urgent data, sizes of segments. */
import { describe, expect, test } from 'vitest';
import { EAGAIN } from '../../../../kernel/errno.ts';
import { SO_SNDBUF, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import { SOL_TCP, TCP_CORK, TCP_NODELAY, tcp_get_info } from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import { MSG_MORE } from '../../../../kernel/net/msg.ts';
import { TcpFlow } from './tcp_flow.ts';

describe('windows', () => {
  test('RFC 6928: ten segments at first, then two for each that is acknowledged', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.write(20_000);
    expect(f.segments().length).toBe(10);
    f.wait(0.1);
    f.inject('. 1:1(0) ack 2001 win 257');
    f.expect(
      '. 10001:11001(1000) ack 1',
      '. 11001:12001(1000) ack 1',
      '. 12001:13001(1000) ack 1',
      '. 13001:14001(1000) ack 1',
    );
    expect(f.sk.snd_cwnd).toBe(12);
    f.inject('. 1:1(0) ack 10001 win 257');
    expect(f.segments().length).toBe(6);
    expect(f.sk.snd_cwnd).toBe(20);
  });

  test('the receiver’s window ends the sending, and its growth goes on with it', () => {
    const f = new TcpFlow({ rtt: 0.1, win: 24 });
    f.write(10_000);
    expect(f.ranges()).toEqual(['1:1001(1000)', '1001:2001(1000)', '2001:3001(1000)']);
    f.inject('. 1:1(0) ack 1 win 40');
    expect(f.ranges()).toEqual(['3001:4001(1000)', '4001:5001(1000)']);
  });

  test('tcp_info tells how long the window or the buffer held the sender up', () => {
    const f = new TcpFlow({ rtt: 0.1, win: 0 });
    const told = (): number[] => {
      const info = tcp_get_info(f.sk);
      return [info.tcpi_busy_time, info.tcpi_rwnd_limited, info.tcpi_sndbuf_limited];
    };
    f.wait(0.05);
    expect(told()).toEqual([0, 0, 0]);
    f.write(1000);
    f.wait(0.07);
    expect(told()).toEqual([70_000, 70_000, 0]);
    f.inject('. 1:1(0) ack 1 win 257');
    f.wait(0.03);
    expect(told()).toEqual([100_000, 70_000, 0]);
    f.inject('. 1:1(0) ack 1001 win 0');
    f.wait(0.5);
    expect(told()).toEqual([100_000, 70_000, 0]);
    // A full buffer, all of it out, and the congestion window is not: the buffer is too small.
    f.set(SOL_SOCKET, SO_SNDBUF, 2500);
    expect(f.write(50_000)).toBeLessThan(6000);
    f.wait(0.01);
    f.inject('. 1:1(0) ack 1001 win 257');
    f.wait(0.02);
    expect(told()).toEqual([130_000, 80_000, 20_000]);
  });

  test('RFC 2861: idle for longer than the RTO: the window starts over, ssthresh remembers', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.sk.snd_cwnd = 40;
    f.write(1000);
    f.wait(0.1);
    f.inject('. 1:1(0) ack 1001 win 257');
    f.wait(2);
    f.write(1000);
    expect(f.sk.snd_cwnd).toBe(10);
    expect(f.sk.snd_ssthresh).toBe(0x7fffffff);
  });

  test('SO_SNDBUF bounds what is taken', () => {
    const f = new TcpFlow({ rtt: 0.1, gso: true });
    f.set(SOL_SOCKET, SO_SNDBUF, 10_000);
    // A packet holds up to half of the peer's window, 16 segments; what is begun is filled: ten segments are out, and one packet waits.
    expect(f.write(90_000)).toBe(26_000);
    expect(f.write(1000)).toBe(-EAGAIN);
  });
});

describe('Nagle (RFC 9293 3.7.4)', () => {
  test('one small segment at a time; full ones go', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.write(100);
    f.write(100);
    f.write(1500);
    f.expect('P. 1:101(100) ack 1', '. 101:1101(1000) ack 1');
    f.inject('. 1:1(0) ack 101 win 257');
    f.expect('P. 1101:1701(600) ack 1');
  });

  test('TCP_NODELAY: each write at once', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.set(SOL_TCP, TCP_NODELAY, 1);
    f.write(10);
    f.write(20);
    f.expect('P. 1:11(10) ack 1', 'P. 11:31(20) ack 1');
  });

  test('TCP_CORK: only full segments, until it is taken off, or 200 ms have passed', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.set(SOL_TCP, TCP_CORK, 1);
    f.write(500);
    f.write(700);
    f.expect('. 1:1001(1000) ack 1');
    f.set(SOL_TCP, TCP_CORK, 0);
    f.expect('P. 1001:1201(200) ack 1');
    f.inject('. 1:1(0) ack 1201 win 257');
    f.write(100, MSG_MORE);
    f.expect();
    f.wait(0.35);
    f.expect('P. 1201:1301(100) ack 1');
  });
});

describe('urgent data (RFC 9293 3.8.5, RFC 6093)', () => {
  test('MUST-30: the pointer is behind the urgent byte, on every segment before it', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.writeUrgent(10);
    f.expect('P.U 1:11(10) ack 1 win 251 urg 10');
    f.inject('. 1:1(0) ack 11 win 257');
    f.write(10);
    f.expect('P. 11:21(10) ack 1');
  });

  test('received: SIGURG’s byte is not in the stream', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.inject('P.U 1:6(5) ack 1 win 257 urg 5');
    expect(f.read()).toBe(4);
    expect(f.sk.slow.urg_data & 0x100).toBe(0x100);
    f.finish();
  });
});

describe('sizes of segments', () => {
  test('the path’s MTU shrinks: what is out goes again in smaller segments, without congestion', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.write(2000);
    f.segments();
    f.icmp(3, 4, 600, 1);
    const sent = f.segments();
    expect(sent.length).toBeGreaterThan(0);
    for (const { payload } of sent) expect(payload.length).toBeLessThanOrEqual(560);
    expect(f.sk.snd_ssthresh).toBeGreaterThanOrEqual(7);
  });

  test('tcp_mtu_probing: segments vanish in a black hole: smaller ones get through', () => {
    const f = new TcpFlow({ rtt: 0.1, sysctl: { tcp_mtu_probing: 1, tcp_base_mss: 600 } });
    f.write(1000);
    f.wait(20);
    expect(f.segments().at(-1)?.payload.length).toBeLessThan(1000);
  });
});
