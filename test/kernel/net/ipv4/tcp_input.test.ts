/** What TCP makes of segments: queues, SACK and D-SACK blocks, when it acknowledges, and what it does not believe. */
import { describe, expect, test } from 'vitest';
import { ECONNRESET } from '../../../../kernel/errno.ts';
import { SO_RCVBUF, SOL_SOCKET, TCP_CLOSE, TCP_ESTABLISHED } from '../../../../kernel/net/core/sock.ts';
import { TcpFlow } from './tcp_flow.ts';

const TS = 'mss 1000,sackOK,TS val 100 ecr 0,nop,wscale 7';

describe('out of order', () => {
  test('RFC 2018 4: the block that came last is the first; RFC 2883: what came twice before it', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.inject('. 2001:3001(1000) ack 1 win 257');
    f.expect('. 1:1(0) ack 1 win 251 <nop,nop,sack 2001:3001>');
    f.inject('. 4001:5001(1000) ack 1 win 257');
    f.expect('. 1:1(0) ack 1 win 251 <nop,nop,sack 4001:5001 2001:3001>');
    f.inject('. 2001:3001(1000) ack 1 win 257');
    f.expect('. 1:1(0) ack 1 win 251 <nop,nop,sack 2001:3001 2001:3001 4001:5001>');
    f.inject('. 6001:7001(1000) ack 1 win 257');
    f.expect('. 1:1(0) ack 1 win 251 <nop,nop,sack 6001:7001 2001:3001 4001:5001>');
    const { mib } = f.net.ipv4;
    expect([mib.TcpExtTCPOFOQueue, mib.TcpExtTCPOFOMerge, mib.TcpExtTCPDSACKOfoSent]).toEqual([4, 1, 1]);
    f.finish();
  });

  test('RFC 2883 4: one segment covers two islands and the hole between: the D-SACK names the first alone', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.inject('. 1501:2001(500) ack 1 win 257');
    f.inject('. 3001:3701(700) ack 1 win 257');
    f.segments();
    f.inject('. 1:3401(3400) ack 1 win 257');
    expect(f.segments().at(-1)?.text).toMatch(/^\. 1:1\(0\) ack 3701 win \d+ <nop,nop,sack 1501:2001>$/);
    expect(f.read()).toBe(3700);
    f.finish();
  });

  test('RFC 5681 4.2: the gap is filled: an ACK at once; everything is read, once and in order', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.inject('. 1001:2001(1000) ack 1 win 257');
    f.inject('. 3001:4001(1000) ack 1 win 257');
    f.segments();
    f.inject('. 501:3501(3000) ack 1 win 257');
    f.inject('. 1:1001(1000) ack 1 win 257');
    expect(f.segments().at(-1)?.text).toMatch(/^\. 1:1\(0\) ack 4001 /);
    expect(f.sk.rx_opt.num_sacks).toBe(0);
    expect(f.read()).toBe(4000);
    expect(f.sk.sk_rmem_alloc).toBe(0);
    f.finish();
  });

  test('four holes: four blocks, three with timestamps; a fifth drives out the oldest', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    for (const start of [2001, 4001, 6001, 8001, 10001]) f.inject(`. ${start}:${start + 1000}(1000) ack 1 win 257`);
    expect(f.segments().at(-1)?.text).toMatch(/sack 10001:11001 8001:9001 6001:7001 4001:5001>$/);
    const g = new TcpFlow({ rtt: 0.1, options: TS });
    for (const start of [2001, 4001, 6001, 8001]) {
      g.inject(`. ${start}:${start + 1000}(1000) ack 1 win 257 <nop,nop,TS val 110 ecr 0>`);
    }
    // The last of them may be held back for a moment.
    g.wait(0.01);
    expect(g.segments().at(-1)?.text).toMatch(/sack 8001:9001 6001:7001 4001:5001>$/);
    f.finish();
    g.finish();
  });

  test('many tiny segments ahead: memory stays within bounds', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.set(SOL_SOCKET, SO_RCVBUF, 20_000);
    for (let i = 0; i < 5000; i++) f.inject(`. ${3 + i * 2}:${4 + i * 2}(1) ack 1 win 257`);
    expect(f.sk.sk_rmem_alloc).toBeLessThan(60_000);
    expect(f.net.ipv4.mib.TcpExtOfoPruned + f.net.ipv4.mib.TcpExtTCPOFODrop).toBeGreaterThan(0);
    f.finish();
  });

  test('a buffer that has become too small: a segment in order for which memory is set aside is taken all the same', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.set(SOL_SOCKET, SO_RCVBUF, 4000);
    for (let i = 0; i < 4; i++) f.inject(`. ${1 + i * 1000}:${1001 + i * 1000}(1000) ack 1 win 257`);
    const { sk } = f;
    // tcp_rcv_established asks for no more than that.
    expect(sk.sk_rmem_alloc).toBeGreaterThan(sk.sk_rcvbuf);
    expect(sk.sk_forward_alloc).toBeGreaterThanOrEqual(sk.sk_rmem_alloc / 4);
    f.inject('. 4001:5001(1000) ack 1 win 257');
    expect((sk.rcv_nxt - sk.copied_seq) | 0).toBe(5000);
    expect(f.segments().some(({ text }) => text.includes('win 0'))).toBe(false);
    expect(f.read()).toBe(5000);
    f.finish();
  });

  test('the program does not read: short segments that find no room in another are packed closer, and none is lost', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.set(SOL_SOCKET, SO_RCVBUF, 20_000);
    let next = 1;
    for (let i = 0; i < 60; i++) {
      f.inject(`. ${next}:${next + 300}(300) ack 1 win 257`);
      next += 300;
    }
    expect(f.net.ipv4.mib.TcpExtTCPRcvCollapsed).toBeGreaterThan(0);
    expect((f.sk.rcv_nxt - f.sk.copied_seq) | 0).toBe(18_000);
    expect(f.read()).toBe(18_000);
    f.finish();
  });
});

describe('acknowledging', () => {
  test('slow start of the other side: the first segments at once, later every second', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    for (let i = 0; i < 40; i++) {
      f.inject(`. ${1 + i * 1000}:${1001 + i * 1000}(1000) ack 1 win 257`);
      f.read();
    }
    const acks = f.segments().map(({ acknowledgment }) => acknowledgment);
    expect(acks.length).toBeGreaterThan(16);
    expect(acks.length).toBeLessThan(40);
  });

  test('RFC 9293 MUST-40: a lone segment later: after 40 ms, not half a second', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    for (let i = 0; i < 40; i++) {
      f.inject(`. ${1 + i * 1000}:${1001 + i * 1000}(1000) ack 1 win 257`);
      f.read();
    }
    f.wait(0.01);
    f.segments();
    f.sk.icsk_ack_quick = 0;
    const start = f.now;
    f.inject('. 40001:41001(1000) ack 1 win 257');
    f.wait(0.5);
    const [ack] = f.expect('. 1:1(0) ack 41001');
    expect((ack?.time ?? 0) - start).toBeGreaterThanOrEqual(40);
    expect((ack?.time ?? 0) - start).toBeLessThan(45);
    expect(f.net.ipv4.mib.TcpExtDelayedACKs).toBe(1);
  });

  test('old data: an ACK at once, with a D-SACK', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.inject('. 1:1001(1000) ack 1 win 257');
    f.segments();
    f.inject('. 1:1001(1000) ack 1 win 257');
    f.expect('. 1:1(0) ack 1001 win 248 <nop,nop,sack 1:1001>');
    expect(f.net.ipv4.mib.TcpExtTCPDSACKOldSent).toBe(1);
    f.finish();
  });

  test('SHLD-14: a window once offered is not taken back while the buffer fills', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    let right = 0;
    for (let i = 0; i < 60; i++) {
      f.inject(`. ${1 + i * 1000}:${1001 + i * 1000}(1000) ack 1 win 257`);
      for (const s of f.segments()) {
        const edge = ((s.acknowledgment - 0x10000000) >>> 0) + (s.window << 8);
        expect(edge).toBeGreaterThanOrEqual(right);
        right = edge;
      }
    }
    f.finish();
  });
});

describe('what is not believed (RFC 5961)', () => {
  test('3.2: a RST that is in the window, but not exact: a challenge ACK, one in half a second; the exact one ends it', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.inject('R 500:500(0)');
    f.expect('. 1:1(0) ack 1');
    f.inject('R 600:600(0)');
    f.expect();
    expect(f.net.ipv4.mib.TcpExtTCPACKSkippedChallenge).toBe(1);
    f.wait(0.6);
    f.inject('R 600:600(0)');
    f.expect('. 1:1(0) ack 1');
    expect(f.net.ipv4.mib.TcpExtTCPChallengeACK).toBe(2);
    f.inject('R 100000:100000(0)');
    f.expect();
    expect(f.sk.sk_state).toBe(TCP_ESTABLISHED);
    f.inject('R 1:1(0)');
    expect([f.sk.sk_state, f.sk.sk_err]).toEqual([TCP_CLOSE, ECONNRESET]);
    f.finish();
  });

  test('3.2: a RST at the end of the farthest SACK block is exact, too', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.inject('. 2001:3001(1000) ack 1 win 257');
    f.inject('R 3001:3001(0)');
    expect(f.sk.sk_state).toBe(TCP_CLOSE);
    f.finish();
  });

  test('4.2: a SYN in the middle: a challenge ACK', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.inject('S 1:1(0) win 1000 <mss 1460>');
    f.expect('. 1:1(0) ack 1');
    f.wait(1);
    f.inject('S 900000:900000(0) win 1000 <mss 1460>');
    f.expect('. 1:1(0) ack 1');
    expect(f.net.ipv4.mib.TcpExtTCPSYNChallenge).toBe(2);
    f.finish();
  });

  test('7: tcp_challenge_ack_limit holds for the whole host', () => {
    const f = new TcpFlow({ rtt: 0.1, sysctl: { tcp_challenge_ack_limit: 2, tcp_invalid_ratelimit: 0 } });
    for (let i = 0; i < 20; i++) f.inject('R 500:500(0)');
    const first = f.segments().length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(3);
    f.finish();
  });

  test('5.2: an ACK far older than the window: a challenge ACK, and the data is not taken', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.inject('. 1:1001(1000) ack 4000000000 win 300');
    f.expect('. 1:1(0) ack 1');
    expect(f.sk.rcv_nxt - f.sk.copied_seq).toBe(0);
    f.finish();
  });

  test('RFC 7323 5.3: an older timestamp: dropped and acknowledged, but not a RST', () => {
    const f = new TcpFlow({ rtt: 0.1, options: TS });
    f.inject('. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 500 ecr 0>');
    f.segments();
    f.inject('. 1001:2001(1000) ack 1 win 257 <nop,nop,TS val 400 ecr 0>');
    expect(f.segments().map(s => s.text)).toEqual([expect.stringMatching(/^\. 1:1\(0\) ack 1001 .*ecr 500>$/)]);
    expect(f.net.ipv4.mib.TcpExtPAWSEstab).toBe(1);
    f.inject('. 1001:2001(1000) ack 1 win 257 <nop,nop,TS val 501 ecr 0>');
    expect((f.sk.rcv_nxt - f.sk.copied_seq) | 0).toBe(2000);
    f.inject('R 2001:2001(0) <nop,nop,TS val 1 ecr 0>');
    expect(f.sk.sk_state).toBe(TCP_CLOSE);
    f.finish();
  });
});

describe('congestion marks (RFC 3168)', () => {
  test('agreed on: data is ECT, ECE halves nothing twice, CWR goes once; CE comes back as ECE until CWR', () => {
    const f = new TcpFlow({ rtt: 0.1, ecn: true });
    f.write(10_000);
    const sent = f.segments();
    expect(sent.map(({ tos }) => tos & 3)).toEqual(new Array<number>(10).fill(2));
    f.wait(0.1);
    f.inject('E. 1:1(0) ack 2001 win 257');
    expect(f.sk.snd_ssthresh).toBe(7);
    f.wait(0.002);
    f.write(8000);
    f.wait(0.002);
    f.inject('E. 1:1(0) ack 6001 win 257');
    f.expect('.W 10001:11001(1000) ack 1', '. 11001:12001(1000) ack 1', '. 12001:13001(1000) ack 1');
    expect([f.sk.snd_cwnd, f.sk.snd_ssthresh]).toEqual([7, 7]);
    f.inject('. 1:1001(1000) ack 6001 win 257', { tos: 3 });
    f.expect('.E 13001:13001(0) ack 1001');
    f.inject('W. 1001:2001(1000) ack 6001 win 257', { tos: 2 });
    f.expect('. 13001:13001(0) ack 2001');
  });

  test('not asked for by the peer: no marks', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.write(1000);
    expect(f.segments().map(({ tos }) => tos)).toEqual([0]);
  });
});
