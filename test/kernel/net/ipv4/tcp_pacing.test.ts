/** Packets as far apart as SO_MAX_PACING_RATE wants them. */
import { expect, test } from 'vitest';
import { SO_MAX_PACING_RATE, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import { tcp_get_info } from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import { TcpFlow } from './tcp_flow.ts';

test('without a limit: a whole window at once', () => {
  const f = new TcpFlow({ rtt: 0.1, win: 1000 });
  const { tcpi_pacing_rate, tcpi_max_pacing_rate } = tcp_get_info(f.sk);
  // Twice ten segments in a round trip; no limit is all ones.
  expect(tcpi_pacing_rate).toBe(200_000);
  expect(BigInt.asUintN(64, BigInt(tcpi_max_pacing_rate)) > 2n ** 63n).toBe(true);
  f.sk.snd_cwnd = 20;
  f.write(20_000);
  expect(f.segments().length).toBe(20);
});

test('SO_MAX_PACING_RATE: ten segments, then one each time its bytes have had their time', () => {
  const f = new TcpFlow({ rtt: 0.1, win: 1000 });
  f.set(SOL_SOCKET, SO_MAX_PACING_RATE, 40_000);
  expect(tcp_get_info(f.sk).tcpi_max_pacing_rate).toBe(40_000);
  f.sk.snd_cwnd = 20;
  f.write(14_000);
  const start = f.now;
  expect(f.segments().length).toBe(10);
  f.wait(0.12);
  expect(f.ranges(start)).toEqual([
    '10001:11001(1000)@25',
    '11001:12001(1000)@50',
    '12001:13001(1000)@75',
    '13001:14001(1000)@100',
  ]);
  f.finish();
});

test('a sender that comes late makes up for half of a packet’s time, no more', () => {
  const f = new TcpFlow({ rtt: 0.1, win: 1000 });
  f.set(SOL_SOCKET, SO_MAX_PACING_RATE, 50_000);
  f.write(10_000);
  f.wait(0.1);
  f.inject('. 1:1(0) ack 10001 win 1000');
  f.segments();
  f.wait(1);
  f.write(4000);
  const start = f.now;
  f.wait(0.1);
  expect(f.ranges(start)).toEqual([
    '10001:11001(1000)@0',
    '11001:12001(1000)@10',
    '12001:13001(1000)@30',
    '13001:14001(1000)@50',
  ]);
  f.finish();
});

test('retransmissions are paced, too', () => {
  const f = new TcpFlow({ rtt: 0.1, win: 1000 });
  f.set(SOL_SOCKET, SO_MAX_PACING_RATE, 20_000);
  f.write(10_000);
  f.segments();
  f.wait(0.1);
  f.inject('. 1:1(0) ack 3001 win 1000 <sack 6001:10001,nop,nop>');
  const start = f.now;
  f.wait(0.16);
  expect(f.ranges(start)).toEqual(['3001:4001(1000)@0', '4001:5001(1000)@25', '5001:6001(1000)@75']);
  f.finish();
});

test('the timer that waits for an answer begins when the next packet may go', () => {
  const resent = (rate: number): number => {
    const f = new TcpFlow({ rtt: 0.1, win: 1000 });
    f.write(10_000);
    f.segments();
    f.wait(0.1);
    f.inject('. 1:1(0) ack 10001 win 1000');
    f.set(SOL_SOCKET, SO_MAX_PACING_RATE, rate);
    f.write(1000);
    const start = f.now;
    f.wait(1);
    const [, again] = f.times(f.segments(), start);
    return again as number;
  };
  // Half a second for its bytes, of which half is made up for; timers go by the tick, coarser ones when they are far.
  const later = resent(2000) - resent(1_000_000);
  expect(later).toBeGreaterThanOrEqual(250);
  expect(later).toBeLessThan(300);
});

test('a connection that ends leaves no timer', () => {
  const f = new TcpFlow({ rtt: 0.1, win: 1000 });
  f.set(SOL_SOCKET, SO_MAX_PACING_RATE, 1000);
  f.sk.snd_cwnd = 30;
  f.write(20_000);
  f.segments();
  f.write(1000);
  f.inject('. 1:1(0) ack 1001 win 1000');
  expect(f.kernel.hrtimers_active).toBe(1);
  f.inject('R. 1:1(0) ack 1 win 0');
  expect(f.kernel.hrtimers_active).toBe(0);
  f.wait(20);
  f.expect();
});
