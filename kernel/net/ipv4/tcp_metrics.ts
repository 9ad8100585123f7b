/**
 * What is remembered of peers when their connections are over (net/ipv4/tcp_metrics.c), as far as Fast Open needs it:
 * a server's cookie and MSS, and whether its SYNs with data get lost. Round-trip times and windows are not kept.
 */
import { hash_2words } from '../../lib/hash.ts';
import type { net } from '../core/net_namespace.ts';
import { tcp_fastopen_cookie } from './tcp_fastopen.ts';
import type { tcp_sock } from './tcp_sock.ts';

/** Rows of the table, and the entries of one row: with more, the one that is longest unused makes room. */
const TCP_METRICS_ROWS = 256;
const TCP_METRICS_RECLAIM_DEPTH = 5;

/** struct tcp_metrics_block with its tcp_fastopen_metrics. */
export class tcp_metrics_block {
  saddr = 0;
  daddr = 0;
  /** Jiffies of the last use (tcpm_stamp). */
  tcpm_stamp = 0;
  tcpm_next: tcp_metrics_block | null = null;
  /** MSS of the last SYN/ACK, 0: unknown. */
  mss = 0;
  /** SYNs with data lost in a row, and when the last one was (jiffies). */
  syn_loss = 0;
  last_syn_loss = 0;
  /** 0: the option of RFC 7413; 1: the experimental one is to be tried; 2: it was of no use. */
  try_exp = 0;
  readonly cookie = new tcp_fastopen_cookie();

  /** As new, for another pair of addresses. */
  init(saddr: number, daddr: number): void {
    this.saddr = saddr;
    this.daddr = daddr;
    this.mss = 0;
    this.syn_loss = 0;
    this.last_syn_loss = 0;
    this.try_exp = 0;
    this.cookie.len = 0;
    this.cookie.exp = 0;
  }
}

/** tcp_metrics_hash */
export class tcp_metrics_table {
  private readonly net: net;
  private readonly rows = new Array<tcp_metrics_block | null>(TCP_METRICS_ROWS).fill(null);

  constructor(net: net) {
    this.net = net;
  }

  /** tcp_get_metrics: what is known of `daddr` as seen from `saddr`; with `create` never null. */
  get(saddr: number, daddr: number, create: boolean): tcp_metrics_block | null {
    const { rows } = this;
    const row = hash_2words(saddr, daddr) & (TCP_METRICS_ROWS - 1);
    const now = this.net.kernel.timers.jiffies();
    let depth = 0;
    let oldest: tcp_metrics_block | null = null;
    for (let tm = rows[row] as tcp_metrics_block | null; tm !== null; tm = tm.tcpm_next) {
      if (tm.saddr === saddr && tm.daddr === daddr) {
        tm.tcpm_stamp = now;
        return tm;
      }
      if (oldest === null || tm.tcpm_stamp < oldest.tcpm_stamp) oldest = tm;
      depth++;
    }
    if (!create) return null;
    let tm = oldest;
    if (tm === null || depth <= TCP_METRICS_RECLAIM_DEPTH) {
      tm = new tcp_metrics_block();
      tm.tcpm_next = rows[row] as tcp_metrics_block | null;
      rows[row] = tm;
    }
    tm.init(saddr, daddr);
    tm.tcpm_stamp = now;
    return tm;
  }

  /** tcp_metrics_flush_all, tcp_metrics_nl_cmd_del: forgets those that `which` names. */
  flush(which: (tm: tcp_metrics_block) => boolean): void {
    const { rows } = this;
    for (let row = 0; row < TCP_METRICS_ROWS; row++) {
      const kept = [...this.row(row)].filter(tm => !which(tm));
      kept.forEach((tm, i) => {
        tm.tcpm_next = kept[i + 1] ?? null;
      });
      rows[row] = kept[0] ?? null;
    }
  }

  private *row(row: number): Generator<tcp_metrics_block, undefined, undefined> {
    for (let tm = this.rows[row] as tcp_metrics_block | null; tm !== null; tm = tm.tcpm_next) yield tm;
  }

  /** tcp_metrics_nl_dump: all of them, by row. */
  *entries(): Generator<tcp_metrics_block, undefined, undefined> {
    for (let row = 0; row < TCP_METRICS_ROWS; row++) yield* this.row(row);
  }
}

/**
 * tcp_fastopen_cache_get: what the server of `sk` gave last time: the cookie goes to `cookie`, whose length is 0 when there is
 * none. Returns its MSS, 0 when that is not known.
 */
export function tcp_fastopen_cache_get(sk: tcp_sock, cookie: tcp_fastopen_cookie): number {
  const tm = sk.sk_net.ipv4.tcp.fastopen.metrics.get(sk.inet_saddr, sk.inet_daddr, false);
  if (tm === null) return 0;
  cookie.copy(tm.cookie);
  if (cookie.len <= 0 && tm.try_exp === 1) cookie.exp = 1;
  return tm.mss;
}

/** tcp_fastopen_cache_set: what a SYN/ACK has told. `cookie` without a length: none; `try_exp` 0: nothing learnt. */
export function tcp_fastopen_cache_set(
  sk: tcp_sock,
  mss: number,
  cookie: tcp_fastopen_cookie,
  syn_lost: boolean,
  try_exp: number,
): void {
  const tm = sk.sk_net.ipv4.tcp.fastopen.metrics.get(sk.inet_saddr, sk.inet_daddr, true) as tcp_metrics_block;
  if (mss !== 0) tm.mss = mss;
  if (cookie.len > 0) tm.cookie.copy(cookie);
  else if (try_exp > tm.try_exp && tm.cookie.len <= 0 && tm.cookie.exp === 0) tm.try_exp = try_exp;
  if (syn_lost) {
    tm.syn_loss++;
    tm.last_syn_loss = sk.kernel.timers.jiffies();
  } else {
    tm.syn_loss = 0;
  }
}
