/** Losses: SACK with RACK and PRR, without SACK, and what turns out to have been none. */
import { describe, expect, test } from 'vitest';
import { TCP_CA_Loss, TCP_CA_Open, TCP_CA_Recovery } from '../../../../kernel/net/ipv4/tcp_sock.ts';
import { TcpFlow } from './tcp_flow.ts';

const TS = 'mss 1012,sackOK,TS val 100 ecr 0,nop,wscale 7';

function tenOut(options = 'mss 1000,sackOK,nop,nop,nop,wscale 7'): TcpFlow {
  const f = new TcpFlow({ rtt: 0.1, options });
  f.write(10_000);
  expect(f.segments().length).toBe(10);
  f.wait(0.1);
  return f;
}

describe('fast retransmit', () => {
  test('RFC 6675, RFC 6937: three SACKs: the hole goes again; then one segment for each that arrives', () => {
    const f = tenOut();
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:2001,nop,nop>');
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:3001,nop,nop>');
    f.expect();
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:4001,nop,nop>');
    f.expect('. 1:1001(1000) ack 1');
    expect([f.sk.icsk_ca_state, f.sk.snd_cwnd, f.sk.snd_ssthresh]).toEqual([TCP_CA_Recovery, 7, 7]);
    f.write(10_000);
    f.expect();
    for (const [sack, sent] of [
      [5001, '. 10001:11001(1000) ack 1'],
      [6001, '. 11001:12001(1000) ack 1'],
    ]) {
      f.inject(`. 1:1(0) ack 1 win 257 <sack 1001:${sack},nop,nop>`);
      f.expect(sent as string);
    }
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:10001,nop,nop>');
    expect(f.segments().length).toBe(4);
    f.wait(0.1);
    f.inject('. 1:1(0) ack 10001 win 257');
    expect([f.sk.icsk_ca_state, f.sk.snd_cwnd]).toEqual([TCP_CA_Open, 7]);
    const { mib } = f.net.ipv4;
    expect([mib.TcpExtTCPSackRecovery, mib.TcpExtTCPFastRetrans, mib.TcpExtTCPTimeouts]).toEqual([1, 1, 0]);
  });

  test('four segments lost of twenty: all of them within the recovery, none by timeout', () => {
    const f = new TcpFlow({ rtt: 0.1, win: 1000 });
    f.sk.snd_cwnd = 20;
    f.write(20_000);
    f.segments();
    f.wait(0.1);
    for (let i = 4; i < 20; i++) f.inject(`. 1:1(0) ack 1 win 1000 <sack 4001:${i * 1000 + 1001},nop,nop>`);
    expect(f.ranges()).toEqual(['1:1001(1000)', '1001:2001(1000)', '2001:3001(1000)', '3001:4001(1000)']);
    expect(f.sk.snd_cwnd).toBe(14);
  });

  test('RFC 6582: without SACK: three duplicate ACKs; a partial one sends the next hole', () => {
    const f = tenOut('mss 1000');
    for (let i = 0; i < 2; i++) f.inject('. 1:1(0) ack 1 win 32792');
    f.expect();
    f.inject('. 1:1(0) ack 1 win 32792');
    f.expect('. 1:1001(1000) ack 1');
    f.wait(0.05);
    f.inject('. 1:1(0) ack 5001 win 32792');
    f.expect('. 5001:6001(1000) ack 1');
    expect(f.sk.icsk_ca_state).toBe(TCP_CA_Recovery);
    f.wait(0.05);
    f.inject('. 1:1(0) ack 10001 win 32792');
    // Not open before more than that is acknowledged.
    expect(f.sk.icsk_ca_state).toBe(TCP_CA_Recovery);
    f.write(1000);
    f.inject('. 1:1(0) ack 11001 win 32792');
    expect([f.sk.icsk_ca_state, f.sk.snd_cwnd]).toEqual([TCP_CA_Open, 7]);
    expect(f.net.ipv4.mib.TcpExtTCPRenoRecovery).toBe(1);
  });

  test('RFC 3042: two duplicate ACKs bring out something new', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.write(20_000);
    f.segments();
    f.wait(0.1);
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:2001,nop,nop>');
    f.expect('. 10001:11001(1000) ack 1');
    // Less than a millisecond after the last, it would wait for more to go with it (tcp_tso_should_defer).
    f.wait(0.002);
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:3001,nop,nop>');
    f.expect('. 11001:12001(1000) ack 1');
  });

  test('RFC 8985 6.2: a SACK for the last of a flight: after a quarter of a round trip the others are lost', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.write(3000);
    f.segments();
    f.wait(0.1);
    f.inject('. 1:1(0) ack 1 win 257 <sack 2001:3001,nop,nop>');
    f.expect();
    const start = f.now;
    f.wait(0.06);
    // PRR: one for one that has arrived.
    const sent = f.expect('. 1:1001(1000) ack 1');
    expect(f.sk.lost_out).toBe(2);
    expect((sent[0]?.time ?? 0) - start).toBeGreaterThanOrEqual(25);
    expect((sent[0]?.time ?? 0) - start).toBeLessThan(40);
  });

  test('a retransmission is lost: it goes again when something sent after it has arrived, not before', () => {
    const f = new TcpFlow({ rtt: 0.1 });
    f.write(20_000);
    f.segments();
    f.wait(0.1);
    for (const end of [2001, 3001, 4001]) {
      f.inject(`. 1:1(0) ack 1 win 257 <sack 1001:${end},nop,nop>`);
      f.wait(0.002);
    }
    expect(f.ranges()).toContain('1:1001(1000)');
    f.wait(0.11);
    // All of that was sent before it, be it in the same moment.
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:12001,nop,nop>');
    expect(f.ranges()).not.toContain('1:1001(1000)');
    f.wait(0.1);
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:13001,nop,nop>');
    expect(f.ranges()).toContain('1:1001(1000)');
    expect(f.net.ipv4.mib.TcpExtTCPLostRetransmit).toBe(1);
  });
});

describe('taken back', () => {
  test('RFC 3708: every retransmission is reported as a duplicate: the window is as it was', () => {
    const f = tenOut();
    for (const end of [2001, 3001, 4001]) f.inject(`. 1:1(0) ack 1 win 257 <sack 1001:${end},nop,nop>`);
    f.expect('. 1:1001(1000) ack 1');
    f.inject('. 1:1(0) ack 4001 win 257');
    f.inject('. 1:1(0) ack 4001 win 257 <sack 1:1001,nop,nop>');
    expect([f.sk.icsk_ca_state, f.sk.snd_cwnd, f.sk.snd_ssthresh]).toEqual([TCP_CA_Open, 10, 0x7fffffff]);
    expect(f.net.ipv4.mib.TcpExtTCPDSACKUndo).toBe(1);
  });

  test('RFC 3522: the ACK after a timeout echoes the original’s timestamp: it was for nothing', () => {
    const f = new TcpFlow({ rtt: 0.1, options: TS });
    f.write(4000);
    f.wait(0.6);
    f.segments();
    expect([f.sk.icsk_ca_state, f.sk.snd_cwnd]).toEqual([TCP_CA_Loss, 1]);
    f.inject('. 1:1(0) ack 1001 win 257 <nop,nop,TS val 200 ecr 0>');
    f.expect();
    expect([f.sk.icsk_ca_state, f.sk.snd_cwnd, f.sk.snd_ssthresh]).toEqual([TCP_CA_Open, 10, 0x7fffffff]);
    expect(f.net.ipv4.mib.TcpExtTCPLossUndo).toBe(1);
  });

  test('RFC 5682: after a timeout the ACKs go on as before: F-RTO sends something new, and takes it back', () => {
    const f = new TcpFlow({ rtt: 0.1, sysctl: { tcp_early_retrans: 0 } });
    f.write(20_000);
    f.segments();
    f.wait(0.35);
    f.expect('. 1:1001(1000) ack 1');
    expect(f.sk.icsk_ca_state).toBe(TCP_CA_Loss);
    f.inject('. 1:1(0) ack 1001 win 257');
    f.expect('. 10001:11001(1000) ack 1', '. 11001:12001(1000) ack 1');
    f.inject('. 1:1(0) ack 3001 win 257');
    expect(f.sk.icsk_ca_state).toBe(TCP_CA_Open);
    expect(f.net.ipv4.mib.TcpExtTCPSpuriousRTOs).toBe(1);
  });

  test('a real timeout: slow start over everything', () => {
    const f = tenOut();
    f.wait(1);
    f.segments();
    expect(f.sk.icsk_ca_state).toBe(TCP_CA_Loss);
    let next = 1001;
    const got: string[] = [];
    while (next <= 10_001) {
      f.wait(0.05);
      f.inject(`. 1:1(0) ack ${next} win 257`);
      got.push(...f.ranges());
      next += 1000;
    }
    expect(new Set(got).size).toBeGreaterThanOrEqual(8);
    expect(f.sk.packets_out).toBe(0);
    expect(f.sk.icsk_ca_state).toBe(TCP_CA_Open);
  });

  test('RFC 2018 8: the receiver has thrown away what it had SACKed: all of it goes again', () => {
    const f = tenOut();
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:2001,nop,nop>');
    f.inject('. 1:1(0) ack 1001 win 257');
    f.wait(1);
    expect(f.ranges()).toContain('1001:2001(1000)');
    expect(f.net.ipv4.mib.TcpExtTCPSACKReneging).toBe(1);
  });
});
