/** A connection's segments find their socket before there is a route, and go the way that those before them went. */
import { describe, expect, test } from 'vitest';
import { rt_cache_flush } from '../../../../kernel/net/ipv4/fib_frontend.ts';
import { TcpFlow } from './tcp_flow.ts';

class DemuxFlow extends TcpFlow {
  private at = 1;

  /** Whether the next segment asked for a route. */
  asks(length = 100): boolean {
    const { fl } = this.net.ipv4.rt;
    const end = this.at + length;
    fl.daddr = -1;
    this.inject(`. ${this.at}:${end}(${length}) ack 1 win 257`);
    const asked = fl.daddr !== -1;
    this.at = end;
    expect(this.read()).toBe(length);
    return asked;
  }
}

describe('tcp_v4_early_demux', () => {
  test('the first segment of a connection asks for a route, those behind it do not', () => {
    const f = new DemuxFlow();
    f.asks();
    expect([f.asks(), f.asks(), f.asks()]).toEqual([false, false, false]);
    expect(f.sk.sk_rx_dst?.check()).toBe(true);
    f.finish();
  });

  test('routes have changed: the next segment asks, and what it finds holds for those behind it', () => {
    const f = new DemuxFlow();
    f.asks();
    rt_cache_flush(f.net);
    expect(f.sk.sk_rx_dst?.check()).toBe(false);
    expect([f.asks(), f.asks()]).toEqual([true, false]);
    expect(f.sk.sk_rx_dst?.check()).toBe(true);
    f.finish();
  });

  test.each(['ip_early_demux', 'tcp_early_demux'] as const)('net.ipv4.%s 0: each segment asks', name => {
    const f = new DemuxFlow({ sysctl: { [name]: 0 } });
    f.asks();
    expect([f.asks(), f.asks()]).toEqual([true, true]);
    f.finish();
  });

  test('a segment for the port of a connection from elsewhere: it is not that connection’s', () => {
    const f = new DemuxFlow();
    f.asks();
    const { mib } = f.net.ipv4;
    const resets = mib.TcpOutRsts;
    f.inject('. 101:201(100) ack 1 win 257', { flow: { ...f.flow, peerPort: 40001 } });
    expect([mib.TcpOutRsts - resets, f.read()]).toEqual([1, -11]);
    f.segments();
    expect(f.asks()).toBe(false);
    f.finish();
  });

  test('closed, and another connection with the same ports: nothing of the first is used', () => {
    const f = new DemuxFlow();
    f.asks();
    f.inject('R. 101:101(0) ack 1 win 257');
    expect(f.read()).toBe(-104);
    const resets = f.net.ipv4.mib.TcpOutRsts;
    f.inject('. 101:201(100) ack 1 win 257');
    expect(f.net.ipv4.mib.TcpOutRsts - resets).toBe(1);
    f.segments();
    f.finish();
  });

  test('a wrong checksum: dropped and counted as ever', () => {
    const f = new DemuxFlow();
    f.asks();
    f.inject('. 101:201(100) ack 1 win 257', { badChecksum: true });
    expect([f.net.ipv4.mib.TcpInCsumErrors, f.read()]).toEqual([1, -11]);
    expect(f.asks()).toBe(false);
    f.finish();
  });
});
