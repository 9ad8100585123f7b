/** Where the real Linux 6.18 was asked (test/interop/tcp-recovery.ts), and what it did. */
import { expect, test } from 'vitest';
import { tcp_get_info } from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import { TcpFlow } from './tcp_flow.ts';

const LARGE = 'mss 1460,sackOK,nop,nop,nop,wscale 7';

test('RFC 9293 3.10.7.4: an ACK of what was never sent: an ACK, at most two a second', () => {
  const f = new TcpFlow();
  f.write(5000);
  f.segments();
  f.inject('. 1:1(0) ack 9001 win 257');
  f.expect('. 5001:5001(0) ack 1');
  f.inject('. 1:1(0) ack 9001 win 257');
  f.expect();
  f.wait(0.6);
  f.segments();
  f.inject('. 1:1(0) ack 9001 win 257');
  f.expect('. 5001:5001(0) ack 1');
  expect([f.sk.snd_una, f.net.ipv4.mib.TcpExtTCPChallengeACK]).toEqual([f.sk.snd_nxt - 5000, 2]);
});

test('tcp_info: segments that came with CE, and what was delivered under ECE', () => {
  const f = new TcpFlow({ ecn: true, sysctl: { tcp_ecn: 1 } });
  f.inject('. 1:1001(1000) ack 1 win 257', { tos: 2 });
  f.inject('. 1001:1501(500) ack 1 win 257', { tos: 3 });
  f.write(3000);
  f.segments();
  f.inject('.E 1501:1501(0) ack 1001 win 257');
  f.inject('. 1501:1501(0) ack 3001 win 257');
  const info = tcp_get_info(f.sk);
  expect([info.tcpi_received_ce, info.tcpi_received_e0_bytes, info.tcpi_received_ce_bytes]).toEqual([1, 1000, 500]);
  // The SYN/ACK is one of the delivered.
  expect([info.tcpi_delivered, info.tcpi_delivered_ce]).toEqual([4, 1]);
});

test('tcp_grow_skb: what a window probe has cut off goes with what is behind it', () => {
  const f = new TcpFlow({ rtt: 0.1 });
  f.write(5000);
  f.segments();
  f.wait(0.1);
  f.inject('. 1:1(0) ack 5001 win 4');
  f.write(5000);
  f.wait(0.4);
  expect(f.ranges()).toEqual(['5001:5513(512)']);
  // 488 bytes are left of the first packet; alone they would fit.
  f.inject('. 1:1(0) ack 5513 win 4');
  f.expect();
  f.wait(0.4);
  expect(f.ranges()).toEqual(['5513:6025(512)']);
  f.inject('. 1:1(0) ack 6025 win 257');
  expect(f.ranges()).toEqual(['6025:7001(976)', '7001:8001(1000)', '8001:9001(1000)', '9001:10001(1000)']);
  expect(f.sk.sk_wmem_queued).toBeGreaterThan(0);
  f.inject('. 1:1(0) ack 10001 win 257');
  expect(f.sk.sk_wmem_queued).toBe(0);
});

test('RFC 4821: a probe of the MTU takes from the packets behind it; no crumbs between segments', () => {
  const f = new TcpFlow({ rtt: 0.01, options: LARGE, win: 2000, sysctl: { tcp_mtu_probing: 2 } });
  Object.assign(f.sk, { sk_sndbuf: 200_000 });
  f.write(20_000);
  // What was agreed on holds until the first probe.
  expect(f.ranges()[0]).toBe('1:1461(1460)');
  f.wait(0.01);
  f.inject('. 1:1(0) ack 9721 win 2000');
  f.segments();
  f.write(40_000);
  f.segments();
  f.wait(0.01);
  f.inject('. 1:1(0) ack 20001 win 2000');
  expect(f.ranges().slice(0, 3)).toEqual(['31681:32923(1242)', '32923:34383(1460)', '34383:35843(1460)']);
  f.wait(0.01);
  f.inject('. 1:1(0) ack 40001 win 2000');
  expect(f.ranges()).toEqual([
    '53363:54605(1242)',
    '54605:55847(1242)',
    '55847:57089(1242)',
    '57089:58331(1242)',
    '58331:59573(1242)',
    '59573:60001(428)',
  ]);
});

test('timestamps: the first window is sized by segments that carry them', () => {
  const f = new TcpFlow({ options: 'mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7' });
  const info = tcp_get_info(f.sk);
  expect([info.tcpi_advmss, info.tcpi_rcv_ssthresh, info.tcpi_rcv_space]).toEqual([1448, 64_088, 14_480]);
});

test('each timeout looks for another path: tcpi_rehash', () => {
  const f = new TcpFlow({ rtt: 0.01 });
  f.write(3000);
  f.wait(3.4);
  const info = tcp_get_info(f.sk);
  expect([info.tcpi_rehash, info.tcpi_total_rto, f.net.ipv4.mib.TcpExtTcpTimeoutRehash]).toEqual([4, 4, 4]);
});
