/** What TCP does when nothing comes: retransmission, loss probes, window probes, keep-alive. Times in ms. */
import { describe, expect, test } from 'vitest';
import { ETIMEDOUT } from '../../../../kernel/errno.ts';
import { SO_KEEPALIVE, SOL_SOCKET, TCP_CLOSE, TCP_ESTABLISHED } from '../../../../kernel/net/core/sock.ts';
import { SOL_TCP, TCP_USER_TIMEOUT } from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import { TcpFlow } from './tcp_flow.ts';

/** The wheel fires late by up to an eighth, never early. */
function about(times: readonly number[], wanted: readonly number[]): void {
  expect(times.length, `${times.join(', ')} for ${wanted.join(', ')}`).toBe(wanted.length);
  wanted.forEach((ms, i) => {
    expect(times[i]).toBeGreaterThanOrEqual(ms);
    expect(times[i]).toBeLessThanOrEqual(ms * 1.13 + 2);
  });
}

const gaps = (times: readonly number[]): number[] => times.slice(1).map((t, i) => t - (times[i] as number));

describe('retransmission timer', () => {
  test('RFC 6298 (2.2), (5.5): RTT 100 ms: the RTO is 300 ms, and doubles each time', () => {
    const f = new TcpFlow({ rtt: 0.1, options: 'mss 1000' });
    expect(f.sk.icsk_rto).toBe(300);
    const start = f.now;
    f.write(1000);
    f.wait(5);
    const sent = f.expect(...new Array<string>(5).fill('P. 1:1001(1000) ack 1'));
    about(gaps(f.times(sent, start)), [300, 600, 1200, 2400]);
    expect(f.sk.snd_cwnd).toBe(1);
    expect(f.net.ipv4.mib.TcpExtTCPTimeouts).toBe(4);
    expect(f.net.ipv4.mib.TcpRetransSegs).toBe(4);
  });

  test('an RTT of nothing: the RTO is not below 200 ms', () => {
    expect(new TcpFlow().sk.icsk_rto).toBeGreaterThanOrEqual(200);
    expect(new TcpFlow().sk.icsk_rto).toBeLessThanOrEqual(201);
  });

  test('RFC 6298 (5.7) and Karn: the ACK of a retransmission is no sample; the next one ends the backing off', () => {
    const f = new TcpFlow({ rtt: 0.1, options: 'mss 1000' });
    f.write(1000);
    f.wait(1.2);
    expect(f.sk.icsk_rto).toBe(1200);
    f.inject('. 1:1(0) ack 1001 win 32792');
    expect(f.sk.icsk_rto).toBe(1200);
    f.segments();
    f.write(1000);
    f.expect('P. 1001:2001(1000) ack 1');
    f.wait(0.1);
    f.inject('. 1:1(0) ack 2001 win 32792');
    expect(f.sk.icsk_rto).toBeLessThan(310);
  });

  test('tcp_retries2 timeouts without an answer: ETIMEDOUT', () => {
    const f = new TcpFlow({ rtt: 0.1, sysctl: { tcp_retries2: 4 } });
    f.write(1000);
    f.wait(12);
    expect(f.sk.sk_state).toBe(TCP_CLOSE);
    expect(f.sk.sk_err).toBe(ETIMEDOUT);
    expect(f.net.ipv4.mib.TcpExtTCPAbortOnTimeout).toBe(1);
    expect(f.write(1)).toBe(-ETIMEDOUT);
    f.finish();
  });

  test('TCP_USER_TIMEOUT of 3 s: given up after it, whatever tcp_retries2 says', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.set(SOL_TCP, TCP_USER_TIMEOUT, 3000);
    f.write(1000);
    f.wait(2.9);
    expect(f.sk.sk_state).toBe(TCP_ESTABLISHED);
    f.wait(1.2);
    expect(f.sk.sk_state).toBe(TCP_CLOSE);
    expect(f.sk.sk_err).toBe(ETIMEDOUT);
  });
});

describe('loss probe (RFC 8985 7)', () => {
  test('several packets out: the last one again after two round trips, then the RTO', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    const start = f.now;
    f.write(3000);
    f.wait(0.6);
    const sent = f.expect(
      '. 1:1001(1000) ack 1',
      '. 1001:2001(1000) ack 1',
      'P. 2001:3001(1000) ack 1',
      'P. 2001:3001(1000) ack 1',
      '. 1:1001(1000) ack 1',
    );
    about(f.times(sent, start).slice(3), [202, 502]);
    expect(f.net.ipv4.mib.TcpExtTCPLossProbes).toBe(1);
  });

  test('a single packet: the receiver may delay its ACK, so not before the RTO', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    const start = f.now;
    f.write(1000);
    f.wait(0.5);
    about(f.times(f.segments(), start), [0, 300]);
  });

  test('something new waits: that is the probe, over the congestion window', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.sk.snd_cwnd = 2;
    f.write(3000);
    f.expect('. 1:1001(1000) ack 1', '. 1001:2001(1000) ack 1');
    f.wait(0.25);
    f.expect('P. 2001:3001(1000) ack 1');
  });

  test('without SACK, or with tcp_early_retrans 0, there is none', () => {
    for (const options of [{ options: 'mss 1000' }, { sysctl: { tcp_early_retrans: 0 } }]) {
      const f = new TcpFlow({ rtt: 0.1, ...options });
      f.write(3000);
      f.wait(0.28);
      expect(f.ranges()).toEqual(['1:1001(1000)', '1001:2001(1000)', '2001:3001(1000)']);
    }
  });

  test('the probe repairs the loss: the ACK of it all reduces the window once', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.write(10000);
    f.wait(0.1);
    f.inject('. 1:1(0) ack 9001 win 257');
    f.wait(0.4);
    f.segments();
    expect(f.net.ipv4.mib.TcpExtTCPLossProbes).toBe(1);
    f.inject('. 1:1(0) ack 10001 win 257');
    expect(f.sk.packets_out).toBe(0);
  });
});

describe('window probes (RFC 9293 3.8.6.1)', () => {
  test('MUST-36, SHLD-30: a closed window is probed, with exponential intervals; an open one is used at once', () => {
    const f = new TcpFlow({ rtt: 0.1, win: 0 });
    const start = f.now;
    f.write(3000);
    f.wait(3);
    const sent = f.expect('. 0:0(0) ack 1', '. 0:0(0) ack 1', '. 0:0(0) ack 1');
    about(gaps([0, ...f.times(sent, start)]), [300, 600, 1200]);
    expect(f.net.ipv4.mib.TcpExtTCPWinProbe).toBe(3);
    f.inject('. 1:1(0) ack 1 win 257');
    // Each is more than half of the largest window there was: marked at once (forced_push).
    f.expect('P. 1:1001(1000) ack 1', 'P. 1001:2001(1000) ack 1', 'P. 2001:3001(1000) ack 1');
  });

  test('MUST-37: the peer answers each probe: the connection stays for as long as it takes', () => {
    const f = new TcpFlow({ rtt: 0.1, win: 0 });
    f.write(1000);
    for (let i = 0; i < 40; i++) {
      f.wait(60);
      f.inject('. 1:1(0) ack 1 win 0');
    }
    expect(f.sk.sk_state).toBe(TCP_ESTABLISHED);
    f.inject('. 1:1(0) ack 1 win 257');
    expect(f.segments().at(-1)?.text).toMatch(/^P\. 1:1001/);
  });

  test('a window of less than a segment: the sender waits, then fills it', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.inject('. 1:2(1) ack 1 win 257');
    f.inject('. 2:2(0) ack 1 win 4');
    f.segments();
    f.write(1000);
    f.expect();
    f.wait(0.35);
    f.expect('P. 1:513(512) ack 2');
  });
});

describe('keep-alive (RFC 9293 3.8.4)', () => {
  const sysctl = { tcp_keepalive_time: 10, tcp_keepalive_intvl: 2, tcp_keepalive_probes: 3 };

  test('MUST-24, MUST-25: off until it is asked for', () => {
    const f = new TcpFlow({ sysctl });
    f.wait(100);
    f.expect();
  });

  test('no answers: probes with an old sequence number, then a RST and ETIMEDOUT', () => {
    const f = new TcpFlow({ rtt: 0.1, sysctl });
    const start = f.now;
    f.set(SOL_SOCKET, SO_KEEPALIVE, 1);
    f.wait(30);
    const sent = f.expect('. 0:0(0) ack 1', '. 0:0(0) ack 1', '. 0:0(0) ack 1', 'R. 1:1(0) ack 1');
    about(gaps([0, ...f.times(sent, start)]), [10_000, 2000, 2000, 2000]);
    expect(f.sk.sk_err).toBe(ETIMEDOUT);
    expect(f.net.ipv4.mib.TcpExtTCPKeepAlive).toBe(3);
  });

  test('answered: it goes on for ever', () => {
    const f = new TcpFlow({ rtt: 0.1, sysctl });
    f.set(SOL_SOCKET, SO_KEEPALIVE, 1);
    for (let i = 0; i < 5; i++) {
      f.wait(11);
      f.expect('. 0:0(0) ack 1');
      f.inject('. 1:1(0) ack 1 win 257');
    }
    expect(f.sk.sk_state).toBe(TCP_ESTABLISHED);
  });
});
