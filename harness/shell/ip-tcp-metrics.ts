/** `ip tcp_metrics`: what a host remembers of the peers of its TCP connections, round-trip times, windows, and what Fast Open keeps. */

import { inet_ntoa } from '../../kernel/lib/inet.ts';
import type { net } from '../../kernel/net/core/net_namespace.ts';
import {
  TCP_METRIC_CWND,
  TCP_METRIC_REORDERING,
  TCP_METRIC_RTT,
  TCP_METRIC_RTTVAR,
  TCP_METRIC_SSTHRESH,
  type tcp_metrics_block,
} from '../../kernel/net/ipv4/tcp_metrics.ts';
import { HZ } from '../../kernel/time/timer.ts';
import { IpError, prefix, within } from './ip-words.ts';
import type { Words } from './iproute2-words.ts';

const NUMBERS = [
  [TCP_METRIC_SSTHRESH, 'ssthresh'],
  [TCP_METRIC_CWND, 'cwnd'],
  [TCP_METRIC_REORDERING, 'reordering'],
] as const;

function line(tm: tcp_metrics_block, now: number): string {
  const seconds = (since: number): string => `${((now - since) / HZ).toFixed(3)}sec`;
  const parts = [inet_ntoa(tm.daddr), `age ${seconds(tm.tcpm_stamp)}`];
  for (const [metric, name] of NUMBERS) if (tm.tcpm_vals[metric] !== 0) parts.push(`${name} ${tm.tcpm_vals[metric]}`);
  const rtt = (tm.tcpm_vals[TCP_METRIC_RTT] as number) >> 3;
  const rttvar = (tm.tcpm_vals[TCP_METRIC_RTTVAR] as number) >> 2;
  if (rtt !== 0) parts.push(`rtt ${rtt}us`);
  if (rttvar !== 0) parts.push(`rttvar ${rttvar}us`);
  if (tm.mss !== 0) parts.push(`fo_mss ${tm.mss}`);
  if (tm.syn_loss !== 0) parts.push(`fo_syn_drops ${tm.syn_loss}/${seconds(tm.last_syn_loss)} ago`);
  const { val, len } = tm.cookie;
  if (len > 0) parts.push(`fo_cookie ${[...val.subarray(0, len)].map(b => b.toString(16).padStart(2, '0')).join('')}`);
  return `${parts.join(' ')} source ${inet_ntoa(tm.saddr)}\n`;
}

/** `show`, `flush` and `delete`, each with an address or a prefix, `flush` and `show` with `all` or nothing for everybody. */
export function tcpMetrics(net: net, words: Words): string {
  const { metrics } = net.ipv4.tcp.fastopen;
  const verb = words.more ? words.next() : 'show';
  if (!['show', 'list', 'flush', 'delete'].some(each => each.startsWith(verb))) {
    throw new IpError(`Command "${verb}" is unknown, try "ip tcp_metrics help".`, 255);
  }
  const remove = 'flush'.startsWith(verb) || 'delete'.startsWith(verb);
  words.take('address');
  if ('delete'.startsWith(verb) && !words.more) throw new IpError('Error: argument "address" is required', 255);
  const chosen = words.more ? prefix(words.next()) : { addr: 0, len: 0 };
  const fits = (tm: tcp_metrics_block): boolean => within({ addr: tm.daddr, len: 32 }, chosen);
  // One address is asked for by name.
  if (chosen.len === 32 && ![...metrics.entries()].some(fits)) {
    throw new IpError('RTNETLINK answers: No such process', 2);
  }
  if (remove) {
    metrics.flush(fits);
    return '';
  }
  const now = net.kernel.timers.jiffies();
  return [...metrics.entries()]
    .filter(fits)
    .map(tm => line(tm, now))
    .join('');
}
