/** What is remembered of a peer for its next connection. */
import { describe, expect, test } from 'vitest';
import { DrillHost, parseTcpInfo } from '../../../../harness/drill/api.ts';
import { tcp_metrics_table } from '../../../../kernel/net/ipv4/tcp_metrics.ts';
import { REMOTE, segmentOf, tcpPacket } from '../../../harness/drill/segments.ts';
import { Segment } from '../segment.ts';

const SYN = 2;
const ACK = 16;
const FIN = 1;
const MS = 1e6;
const OPTIONS = Uint8Array.of(2, 4, 3, 0xe8, 4, 2, 1, 1, 1, 3, 3, 7);

/** A connection of the peer's, accepted after `rtt` ms. */
class Connection {
  readonly fd: number;
  private readonly host: DrillHost;
  private readonly port: number;
  private readonly isn: number;

  constructor(host: DrillHost, listener: number, port: number, rtt: number) {
    this.host = host;
    this.port = port;
    host.take();
    host.inject(tcpPacket({ sourcePort: port, destinationPort: 80, seq: 0, flags: SYN, options: OPTIONS }));
    this.isn = segmentOf((host.take()[0] as { bytes: Uint8Array }).bytes).sequence;
    this.acks(rtt, 0);
    this.fd = host.accept(listener).result;
    expect(this.fd).toBeGreaterThan(0);
  }

  /** After `ms` an ACK for `bytes`, with the SACK block [from, to). */
  acks(ms: number, bytes: number, from = 0, to = 0): void {
    this.host.advance(ms * MS);
    const at = (n: number): number[] => {
      const v = (this.isn + 1 + n) >>> 0;
      return [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
    };
    const options = to === 0 ? new Uint8Array(0) : Uint8Array.of(1, 1, 5, 10, ...at(from), ...at(to));
    this.inject(ACK, 1, bytes, options);
  }

  private inject(flags: number, seq: number, bytes: number, options = new Uint8Array(0)): void {
    const ack = this.isn + 1 + bytes;
    const ports = { sourcePort: this.port, destinationPort: 80 };
    this.host.inject(tcpPacket({ ...ports, seq, ack, flags, window: 1000, options }));
  }

  write(bytes: number): void {
    expect(this.host.write(this.fd, new Uint8Array(bytes)).result).toBe(bytes);
  }

  /** The host closes first, and the peer `ms` after it; `bytes` were sent. */
  close(ms: number, bytes: number): void {
    expect(this.host.close(this.fd).result).toBe(0);
    this.host.advance(ms * MS);
    this.inject(FIN | ACK, 1, bytes + 1);
  }

  info(): ReturnType<typeof parseTcpInfo> {
    return parseTcpInfo(this.host.getsockopt(this.fd, 6, 11).value as Uint8Array);
  }
}

function server(route = ''): { host: DrillHost; listener: number } {
  const host = new DrillHost();
  if (route !== '') expect(host.command(`ip route add 192.0.2.0/24 via 192.168.0.2 ${route}`).stderr).toBe('');
  const listener = host.socket(2, 1, 0).result;
  host.bind(listener, { address: '0.0.0.0', port: 80 });
  host.listen(listener, 5);
  return { host, listener };
}

const remembered = (host: DrillHost): string => host.command('ip tcp_metrics show').stdout.replace(/age \S+ /, '');

describe('round-trip times', () => {
  test('a slow connection is over: the next one begins with three times its round trip as RTO', () => {
    const { host, listener } = server();
    const first = new Connection(host, listener, 1000, 300);
    expect(remembered(host)).toBe('');
    first.write(1000);
    first.acks(300, 1000);
    first.close(300, 1000);
    // As far off as all that is known of it.
    expect(remembered(host)).toBe(`${REMOTE} cwnd 10 rtt 300000us rttvar 300000us source 192.168.0.1\n`);
    const second = new Connection(host, listener, 1001, 10);
    expect(second.info()).toMatchObject({ tcpi_rto: 900_000, tcpi_rtt: 10_000 });
    second.write(1000);
    second.acks(10, 1000);
    // From its first own sample on it goes by that.
    expect(second.info().tcpi_rto).toBeLessThan(250_000);
    second.close(10, 1000);
    // Shorter by an eighth of the difference: 300 - 290/8.
    expect(remembered(host)).toMatch(/ rtt 263750us rttvar 297500us /);
    expect(host.close(listener).result).toBe(0);
    expect(host.end()).toEqual([]);
  });

  test('tcp_no_metrics_save: nothing is remembered; `ip tcp_metrics flush`: it is forgotten', () => {
    const { host, listener } = server();
    host.sysctl('net.ipv4.tcp_no_metrics_save', 1);
    new Connection(host, listener, 1000, 300).close(300, 0);
    expect(remembered(host)).toBe('');
    host.sysctl('net.ipv4.tcp_no_metrics_save', 0);
    new Connection(host, listener, 1001, 300).close(300, 0);
    expect(remembered(host)).toContain('rtt 300000us');
    host.command('ip tcp_metrics flush all');
    expect(new Connection(host, listener, 1002, 10).info().tcpi_rto).toBe(210_000);
  });
});

describe('windows and reordering', () => {
  /** The sixth of ten segments comes first; later one is lost, and with it slow start begins again. */
  function reordered(host: DrillHost, listener: number): void {
    const c = new Connection(host, listener, 2000, 50);
    c.write(10_000);
    c.acks(50, 0, 5000, 6000);
    c.acks(1, 6000);
    c.acks(1, 10_000);
    expect(c.info().tcpi_reordering).toBe(6);
    c.write(1000);
    c.acks(2000, 11_000);
    expect(c.info()).toMatchObject({ tcpi_snd_ssthresh: 13, tcpi_snd_cwnd: 2 });
    c.close(50, 11_000);
  }

  test('what was learnt holds for the next connection', () => {
    const { host, listener } = server();
    reordered(host, listener);
    expect(remembered(host)).toMatch(/ cwnd 6 reordering 6 rtt 50\d{3}us /);
    expect(new Connection(host, listener, 2001, 50).info()).toMatchObject({
      tcpi_reordering: 6,
      tcpi_snd_ssthresh: 0x7fffffff,
    });
  });

  test('a route’s metrics come first, and what it locks stays', () => {
    const { host, listener } = server('ssthresh lock 7 reordering lock 9 rtt lock 80ms');
    host.sysctl('net.ipv4.tcp_no_ssthresh_metrics_save', 0);
    reordered(host, listener);
    expect(remembered(host)).toMatch(/ ssthresh 7 cwnd 6 reordering 9 rtt 80000us /);
    expect(new Connection(host, listener, 2001, 50).info()).toMatchObject({
      tcpi_reordering: 9,
      tcpi_snd_ssthresh: 7,
      tcpi_rto: 280_000,
    });
  });
});

describe('what counts', () => {
  test('an hour after the last word: the route’s metrics again', () => {
    const { host, listener } = server('rtt 80ms');
    new Connection(host, listener, 1000, 300).close(300, 0);
    host.advance(3599e9);
    const late = new Connection(host, listener, 1001, 10);
    expect(late.info().tcpi_rto).toBe(900_000);
    host.advance(2e9);
    // Three times 80 ms would be 240; tcp_rto_min, which is more than twice 80, goes on top.
    expect(new Connection(host, listener, 1002, 10).info().tcpi_rto).toBe(280_000);
    expect(remembered(host)).toContain(' rtt 80000us');
  });

  test('no sample from the handshake, and nothing known: 3 s; none in the whole connection: what was known goes', () => {
    const { host, listener } = server();
    // The second SYN/ACK leaves after a second; the ACK may be for either.
    const first = new Connection(host, listener, 1000, 1500);
    expect(first.info()).toMatchObject({ tcpi_rto: 3_000_000, tcpi_rtt: 0 });
    first.write(1000);
    first.acks(40, 1000);
    first.close(40, 1000);
    expect(remembered(host)).toContain(' rtt 40000us');
    // Once more, and the FIN is sent twice, too.
    const second = new Connection(host, listener, 1001, 1500);
    expect(second.info().tcpi_rto).toBe(240_000);
    second.close(1500, 0);
    expect(remembered(host)).not.toContain(' rtt ');
    expect(remembered(host)).toContain(' cwnd 10 ');
  });

  test('a locked cwnd is the most that a connection sends at once', () => {
    const { host, listener } = server('cwnd lock 4');
    new Connection(host, listener, 1000, 50).close(50, 0);
    const second = new Connection(host, listener, 1001, 50);
    host.take();
    second.write(10_000);
    expect(host.take().length).toBe(4);
    second.acks(50, 4000);
    expect(host.take().length).toBe(4);
  });

  test('few places for requests left, no cookies: they are for peers that have been there', () => {
    const { host, listener } = server();
    host.sysctl('net.ipv4.tcp_syncookies', 0);
    host.sysctl('net.ipv4.tcp_max_syn_backlog', 8);
    host.listen(listener, 100);
    const answered = (port: number): number => {
      host.take();
      host.inject(tcpPacket({ sourcePort: port, destinationPort: 80, seq: 0, flags: SYN, options: OPTIONS }));
      return host.take().length;
    };
    new Connection(host, listener, 1000, 50).close(50, 0);
    for (let port = 2000; port < 2008; port++) expect(answered(port)).toBe(1);
    host.command('ip tcp_metrics flush all');
    expect(answered(2008)).toBe(0);
    expect(host.counters().TcpExtListenDrops).toBe(1);
  });
});

describe('windows at the end', () => {
  /** Recovery from one lost segment of ten, over by the time it ends. */
  function recovered(host: DrillHost, listener: number, port: number): Connection {
    const c = new Connection(host, listener, port, 50);
    c.write(10_000);
    c.acks(50, 0, 1000, 10_000);
    c.acks(50, 10_000);
    expect(c.info()).toMatchObject({ tcpi_ca_state: 0, tcpi_snd_ssthresh: 7, tcpi_snd_cwnd: 7 });
    return c;
  }

  test('congestion avoidance: half of the way to its window, and where slow start is to end', () => {
    const { host, listener } = server();
    host.sysctl('net.ipv4.tcp_no_ssthresh_metrics_save', 0);
    recovered(host, listener, 1000).close(50, 10_000);
    expect(remembered(host)).toMatch(/^192\.0\.2\.1 ssthresh 7 cwnd 3 rtt /);
    const second = new Connection(host, listener, 1001, 50);
    expect(second.info().tcpi_snd_ssthresh).toBe(7);
    second.close(50, 0);
    // In the first slow start no longer, and beyond its end: ten segments at once.
    expect(remembered(host)).toMatch(/^192\.0\.2\.1 ssthresh 7 cwnd 6 rtt /);
  });

  test('tcp_no_ssthresh_metrics_save, as it is by default: no word of it', () => {
    const { host, listener } = server();
    recovered(host, listener, 1000).close(50, 10_000);
    expect(remembered(host)).toMatch(/^192\.0\.2\.1 cwnd 3 rtt /);
    expect(new Connection(host, listener, 1001, 50).info().tcpi_snd_ssthresh).toBe(0x7fffffff);
  });

  test('never out of slow start: the largest window that there was', () => {
    const { host, listener } = server();
    const first = new Connection(host, listener, 1000, 50);
    first.write(20_000);
    first.acks(50, 10_000);
    first.acks(50, 20_000);
    const { tcpi_snd_cwnd: grown } = first.info();
    expect(grown).toBe(20);
    first.close(50, 20_000);
    expect(remembered(host)).toContain(' cwnd 20 ');
    new Connection(host, listener, 1001, 50).close(50, 0);
    expect(remembered(host)).toContain(' cwnd 20 ');
  });
});

describe('the table', () => {
  test('an entry for each pair of addresses: found again, forgotten when it is flushed', () => {
    const table = new tcp_metrics_table(new Segment().net);
    expect(table.get(1, 2, false)).toBe(null);
    const entry = table.get(1, 2, true);
    expect(table.get(1, 2, true)).toBe(entry);
    expect([table.get(2, 1, false), table.get(1, 3, false)]).toEqual([null, null]);
    table.get(1, 3, true);
    table.flush(tm => tm.daddr === 2);
    expect([...table.entries()].map(tm => tm.daddr)).toEqual([3]);
  });

  test('more servers than there is room for: those of long ago are forgotten, with all that was known', () => {
    const segment = new Segment();
    const table = new tcp_metrics_table(segment.net);
    for (let i = 0; i < 5000; i++) {
      if (i % 100 === 0) segment.wait(0.01);
      const tm = table.get(7, i, true);
      expect([tm?.mss, tm?.cookie.len, tm?.try_exp]).toEqual([0, 0, 0]);
      Object.assign(tm as object, { mss: 1460, try_exp: 1 });
      if (tm !== null) tm.cookie.len = 8;
    }
    const kept = [...table.entries()].map(tm => tm.daddr);
    expect(kept.length).toBeLessThanOrEqual(256 * 6);
    expect(kept.length).toBeGreaterThan(1200);
    expect(Math.min(...kept)).toBeGreaterThan(1000);
    for (let i = 4900; i < 5000; i++) expect(table.get(7, i, false)?.mss).toBe(1460);
  });
});
