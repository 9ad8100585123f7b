/** The words are those of iproute2 6.1 on Linux 6.18. */
import { expect, it } from 'vitest';
import { ip } from '../../../harness/shell/ip.ts';
import { in_aton } from '../../../kernel/lib/inet.ts';
import { Segment } from '../../kernel/net/segment.ts';

it('ip tcp_metrics: what Fast Open keeps of each server: shown, and forgotten', () => {
  const segment = new Segment();
  const run = (line: string): string => {
    const { status, stdout, stderr } = ip(segment.kernel, line.split(' '));
    return status === 0 ? stdout : `${stderr.trimEnd()} => ${status}`;
  };
  const { metrics } = segment.net.ipv4.tcp.fastopen;
  for (const [i, server] of ['192.0.2.1', '192.0.2.77', '198.51.100.9'].entries()) {
    const tm = metrics.get(in_aton('10.1.0.2'), in_aton(server), true);
    if (tm === null) continue;
    tm.mss = 1400 + i;
    tm.syn_loss = i;
    tm.last_syn_loss = tm.tcpm_stamp;
    tm.cookie.val.set([0x0a, 0xb0, 0xc1, 0xd2]);
    tm.cookie.len = i === 2 ? 0 : 4;
  }
  segment.wait(1.5);
  const first = '192.0.2.1 age 1.500sec fo_mss 1400 fo_cookie 0ab0c1d2 source 10.1.0.2\n';
  expect(run('tcp_metrics show 192.0.2.1')).toBe(first);
  const all = run('tcp_metrics').split('\n').sort();
  expect(all).toEqual([
    '',
    first.trimEnd(),
    '192.0.2.77 age 1.500sec fo_mss 1401 fo_syn_drops 1/1.500sec ago fo_cookie 0ab0c1d2 source 10.1.0.2',
    '198.51.100.9 age 1.500sec fo_mss 1402 fo_syn_drops 2/1.500sec ago source 10.1.0.2',
  ]);
  expect(run('tcpmetrics delete 192.0.2.1')).toBe('');
  expect(run('tcp_metrics delete 192.0.2.1')).toBe('RTNETLINK answers: No such process => 2');
  expect(run('tcp_metrics delete')).toBe('Error: argument "address" is required => 255');
  expect(run('tcp_metrics flush 192.0.2.0/24')).toBe('');
  expect(run('tcp_metrics show').split('\n').length).toBe(2);
  expect(run('tcp_metrics flush all')).toBe('');
  expect(run('tcp_metrics show all')).toBe('');
  expect(run('tcp_metrics foo')).toBe('Command "foo" is unknown, try "ip tcp_metrics help". => 255');
});
