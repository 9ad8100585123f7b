/** CUBIC and Reno, round trip by round trip: every segment of the window is acknowledged, then a round trip passes. */
import { describe, expect, test } from 'vitest';
import { tcp_set_ca_state, tcp_set_congestion_control } from '../../../../kernel/net/ipv4/tcp_cong.ts';
import { TCP_CA_Loss } from '../../../../kernel/net/ipv4/tcp_sock.ts';
import { TcpFlow } from './tcp_flow.ts';

function flow(name: string, cwnd: number): TcpFlow {
  const f = new TcpFlow({ rtt: 0.1, sysctl: { tcp_congestion_control: name } });
  f.sk.snd_cwnd = cwnd;
  return f;
}

/** A loss, and so many round trips of 100 ms after it: the window after each. */
function afterLoss(f: TcpFlow, rounds: number): number[] {
  const { sk } = f;
  sk.snd_ssthresh = sk.icsk_ca_ops.ssthresh(sk);
  sk.snd_cwnd = sk.snd_ssthresh;
  const windows: number[] = [];
  for (let i = 0; i < rounds; i++) {
    sk.is_cwnd_limited = 1;
    for (let acked = sk.snd_cwnd; acked > 0; acked--) sk.icsk_ca_ops.cong_avoid?.(sk, 0, 1);
    windows.push(sk.snd_cwnd);
    f.wait(0.1);
  }
  return windows;
}

describe('reno (RFC 5681)', () => {
  test('half of the window after a loss, and one segment more each round trip', () => {
    const f = flow('reno', 100);
    expect(f.sk.icsk_ca_ops.name).toBe('reno');
    const windows = afterLoss(f, 20);
    expect(f.sk.snd_ssthresh).toBe(50);
    expect(windows[0]).toBe(51);
    expect(windows[19]).toBe(70);
  });
});

describe('cubic (RFC 9438)', () => {
  test('4.6: 0.7 of the window after a loss', () => {
    const f = flow('cubic', 100);
    expect(f.sk.icsk_ca_ops.ssthresh(f.sk)).toBe(70);
  });

  test('4.2: back at the old window after K = cbrt(W·0.3/0.4) s, slow around it, then faster', () => {
    const f = flow('cubic', 400);
    const windows = afterLoss(f, 160);
    const at = (seconds: number): number => windows[Math.round(seconds * 10)] as number;
    // K = 6.7 s
    const back = windows.findIndex(w => w >= 398) / 10;
    expect(back).toBeGreaterThan(4);
    expect(back).toBeLessThan(8);
    const gain = (from: number): number => at(from + 1) - at(from);
    expect(gain(0)).toBeGreaterThan(gain(5));
    expect(gain(6)).toBeLessThan(12);
    expect(gain(12)).toBeGreaterThan(gain(8));
  });

  test('4.7: fast convergence: a second loss below the first one’s window aims lower', () => {
    const f = flow('cubic', 100);
    const { sk } = f;
    sk.icsk_ca_ops.ssthresh(sk);
    sk.snd_cwnd = 80;
    sk.icsk_ca_ops.ssthresh(sk);
    const ca = sk.icsk_ca_priv as { last_max_cwnd: number };
    expect(ca.last_max_cwnd).toBe(68);
  });

  test('4.3: on a short path it is not slower than Reno', () => {
    const cubic = flow('cubic', 20);
    const reno = flow('reno', 20);
    const c = afterLoss(cubic, 40).at(-1) as number;
    const r = afterLoss(reno, 40).at(-1) as number;
    expect(c).toBeGreaterThanOrEqual(r * 0.6);
  });

  test('a timeout: everything is forgotten; not limited by the window: it does not grow', () => {
    const f = flow('cubic', 100);
    const { sk } = f;
    sk.icsk_ca_ops.ssthresh(sk);
    tcp_set_ca_state(sk, TCP_CA_Loss);
    expect((sk.icsk_ca_priv as { last_max_cwnd: number }).last_max_cwnd).toBe(0);
    sk.snd_ssthresh = 50;
    sk.is_cwnd_limited = 0;
    sk.icsk_ca_ops.cong_avoid?.(sk, 0, 10);
    expect(sk.snd_cwnd).toBe(100);
  });

  test('HyStart: the round trip grows by more than an eighth: slow start ends', () => {
    const f = flow('cubic', 20);
    const { sk } = f;
    sk.snd_ssthresh = 0x7fffffff;
    const acked = (rtt_us: number): void => {
      const sample = f.net.ipv4.tcp_ack_sample;
      sample.rtt_us = rtt_us;
      sk.tcp_mstamp += 5000;
      sk.icsk_ca_ops.pkts_acked?.(sk, sample);
    };
    for (let i = 0; i < 12; i++) acked(100_000);
    expect(sk.snd_ssthresh).toBe(0x7fffffff);
    // The next round trip.
    sk.snd_una = (sk.snd_nxt + 1) | 0;
    sk.snd_nxt = (sk.snd_una + 1000) | 0;
    for (let i = 0; i < 12; i++) acked(120_000);
    expect(sk.snd_ssthresh).toBe(20);
    expect(f.net.ipv4.mib.TcpExtTCPHystartDelayDetect).toBe(1);
  });
});

describe('choice', () => {
  test('by name; one that is not there is refused', () => {
    const f = flow('cubic', 10);
    expect(tcp_set_congestion_control(f.sk, 'reno', false)).toBe(0);
    expect(f.sk.icsk_ca_ops.name).toBe('reno');
    expect(tcp_set_congestion_control(f.sk, 'vegas', true)).toBe(-2);
  });
});
