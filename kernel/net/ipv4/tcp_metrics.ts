/**
 * What is remembered of peers when their connections are over (net/ipv4/tcp_metrics.c): round-trip times, windows and how
 * far packets overtake each other, for the connections to come; and for Fast Open a server's cookie and MSS, and
 * whether its SYNs with data get lost.
 */

import { hash_2words } from '../../lib/hash.ts';
import { HZ } from '../../time/timer.ts';
import { type dst_entry, dst_metric, dst_metric_locked } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { own_opts } from '../core/sock.ts';
import { RTAX_CWND, RTAX_REORDERING, RTAX_RTT, RTAX_RTTVAR, RTAX_SSTHRESH } from './fib.ts';
import { tcp_fastopen_cookie } from './tcp_fastopen.ts';
import { tcp_rto_min } from './tcp_rtt.ts';
import {
  jiffies_to_usecs,
  own_slow,
  TCP_CA_Open,
  TCP_INFINITE_SSTHRESH,
  TCP_TIMEOUT_FALLBACK,
  tcp_in_slow_start,
  type tcp_request_sock,
  type tcp_sock,
  USEC_PER_JIFFY,
} from './tcp_sock.ts';

/** Rows of the table, and the entries of one row: with more, the one that is longest unused makes room. */
const TCP_METRICS_ROWS = 256;
const TCP_METRICS_RECLAIM_DEPTH = 5;
/** Jiffies after which what the route says counts again. */
const TCP_METRICS_TIMEOUT = 60 * 60 * HZ;

/** Places in tcpm_vals: µs in eighths and fourths, as the estimator keeps them; segments. */
export const TCP_METRIC_RTT = 0;
export const TCP_METRIC_RTTVAR = 1;
export const TCP_METRIC_SSTHRESH = 2;
export const TCP_METRIC_CWND = 3;
export const TCP_METRIC_REORDERING = 4;
/** What a route says of each of them. */
const FROM_ROUTE = [RTAX_RTT, RTAX_RTTVAR, RTAX_SSTHRESH, RTAX_CWND, RTAX_REORDERING] as const;

/** struct tcp_metrics_block with its tcp_fastopen_metrics. */
export class tcp_metrics_block {
  saddr = 0;
  daddr = 0;
  /** Jiffies of when a connection last told something, or the route did. */
  tcpm_stamp = 0;
  /** Bits of 1 << TCP_METRIC_*: the route has fixed it. */
  tcpm_lock = 0;
  /** By TCP_METRIC_*; 0: unknown. */
  readonly tcpm_vals = new Int32Array(FROM_ROUTE.length);
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

  /** tcpm_suck_dst: what the route says, at the jiffy `now`. */
  suck_dst(dst: dst_entry | null, now: number): void {
    this.tcpm_stamp = now;
    this.tcpm_lock = 0;
    this.tcpm_vals.fill(0);
    if (dst === null || dst.metrics === null) return;
    FROM_ROUTE.forEach((rtax, i) => {
      if (dst_metric_locked(dst, rtax)) this.tcpm_lock |= 1 << i;
      const value = dst_metric(dst, rtax);
      this.tcpm_vals[i] = i <= TCP_METRIC_RTTVAR ? value * 1000 : value;
    });
  }

  /** tcp_metric_set, for one that is not locked. */
  set(metric: number, value: number): void {
    if ((this.tcpm_lock & (1 << metric)) === 0) this.tcpm_vals[metric] = value;
  }
}

/** tcp_metrics_hash */
export class tcp_metrics_table {
  private readonly net: net;
  private readonly rows = new Array<tcp_metrics_block | null>(TCP_METRICS_ROWS).fill(null);

  constructor(net: net) {
    this.net = net;
  }

  /** tcp_get_metrics: what is known of `daddr`, to which `dst` leads, as seen from `saddr`; with `create` never null. */
  get(saddr: number, daddr: number, create: boolean, dst: dst_entry | null = null): tcp_metrics_block | null {
    const { rows } = this;
    const row = hash_2words(saddr, daddr) & (TCP_METRICS_ROWS - 1);
    const now = this.net.kernel.timers.jiffies();
    let depth = 0;
    let oldest: tcp_metrics_block | null = null;
    for (let tm = rows[row] as tcp_metrics_block | null; tm !== null; tm = tm.tcpm_next) {
      if (tm.saddr === saddr && tm.daddr === daddr) {
        // tcpm_check_stamp
        if (now > tm.tcpm_stamp + TCP_METRICS_TIMEOUT) tm.suck_dst(dst, now);
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
    tm.suck_dst(dst, now);
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

function tcp_get_metrics(sk: tcp_sock, create: boolean): tcp_metrics_block | null {
  return sk.sk_net.ipv4.tcp.fastopen.metrics.get(sk.inet_saddr, sk.inet_daddr, create, sk.sk_dst_cache);
}

/** tcp_peer_is_proven: has a connection with the peer told its round-trip time? */
export function tcp_peer_is_proven(net: net, req: tcp_request_sock, dst: dst_entry): boolean {
  const tm = net.ipv4.tcp.fastopen.metrics.get(req.ir_loc_addr, req.ir_rmt_addr, false, dst);
  return tm !== null && tm.tcpm_vals[TCP_METRIC_RTT] !== 0;
}

/**
 * tcp_init_metrics: a connection begins with what is known of its peer. The round-trip time counts for the first RTO
 * only; without that and without a sample from the handshake the RTO is 3 s (RFC 6298 5.7).
 */
export function tcp_init_metrics(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  // The handshake may have reduced it.
  sk.snd_ssthresh = TCP_INFINITE_SSTHRESH;
  const tm = sk.sk_dst_cache === null ? null : tcp_get_metrics(sk, false);
  let rtt = 0;
  if (tm !== null) {
    const { tcpm_vals: vals, tcpm_lock: lock } = tm;
    if ((lock & (1 << TCP_METRIC_CWND)) !== 0) own_opts(sk).snd_cwnd_clamp = vals[TCP_METRIC_CWND] as number;
    const ssthresh = vals[TCP_METRIC_SSTHRESH] as number;
    if (ssthresh !== 0 && ipv4.tcp_no_ssthresh_metrics_save === 0) {
      sk.snd_ssthresh = Math.min(ssthresh, sk.opts.snd_cwnd_clamp);
    }
    const reordering = vals[TCP_METRIC_REORDERING] as number;
    if (reordering !== 0 && sk.slow.reordering !== reordering) own_slow(sk).reordering = reordering;
    rtt = vals[TCP_METRIC_RTT] as number;
  }
  if (rtt > sk.srtt_us) {
    // A SYN is small: data may take longer.
    rtt = Math.floor(rtt / (8 * USEC_PER_JIFFY));
    sk.icsk_rto = rtt + Math.max(2 * rtt, tcp_rto_min(sk));
  } else if (sk.srtt_us === 0) {
    sk.rttvar_us = jiffies_to_usecs(TCP_TIMEOUT_FALLBACK);
    sk.mdev_us = sk.rttvar_us;
    sk.mdev_max_us = sk.rttvar_us;
    sk.icsk_rto = TCP_TIMEOUT_FALLBACK;
  }
  sk.icsk_rto = Math.min(sk.icsk_rto, sk.opts.icsk_rto_max);
}

/** tcp_update_metrics: a connection has come to its end: what it has learnt of its peer. */
export function tcp_update_metrics(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  if (ipv4.tcp_no_metrics_save !== 0 || sk.sk_dst_cache === null) return;
  if (sk.icsk_backoff !== 0 || sk.srtt_us === 0) {
    // Nothing was measured: perhaps nothing comes back any more.
    tcp_get_metrics(sk, false)?.set(TCP_METRIC_RTT, 0);
    return;
  }
  const tm = tcp_get_metrics(sk, true) as tcp_metrics_block;
  const { tcpm_vals: vals } = tm;
  const rtt = vals[TCP_METRIC_RTT] as number;
  const less = rtt - sk.srtt_us;
  // Longer at once, shorter by an eighth: too long does less harm than too short.
  tm.set(TCP_METRIC_RTT, less <= 0 ? sk.srtt_us : rtt - (less >> 3));
  const deviation = Math.max(Math.abs(less) >> 1, sk.mdev_us);
  const rttvar = vals[TCP_METRIC_RTTVAR] as number;
  tm.set(TCP_METRIC_RTTVAR, deviation >= rttvar ? deviation : rttvar - ((rttvar - deviation) >> 2));

  const save_ssthresh = ipv4.tcp_no_ssthresh_metrics_save === 0;
  const ssthresh = vals[TCP_METRIC_SSTHRESH] as number;
  const cwnd = vals[TCP_METRIC_CWND] as number;
  if (sk.snd_ssthresh >= TCP_INFINITE_SSTHRESH) {
    // Still in the first slow start.
    if (save_ssthresh && ssthresh !== 0 && sk.snd_cwnd >> 1 > ssthresh) tm.set(TCP_METRIC_SSTHRESH, sk.snd_cwnd >> 1);
    if (sk.snd_cwnd > cwnd) tm.set(TCP_METRIC_CWND, sk.snd_cwnd);
  } else if (!tcp_in_slow_start(sk) && sk.icsk_ca_state === TCP_CA_Open) {
    // Congestion avoidance: the window fits the path.
    if (save_ssthresh) tm.set(TCP_METRIC_SSTHRESH, Math.max(sk.snd_cwnd >> 1, sk.snd_ssthresh));
    tm.set(TCP_METRIC_CWND, (cwnd + sk.snd_cwnd) >> 1);
  } else {
    tm.set(TCP_METRIC_CWND, (cwnd + sk.snd_ssthresh) >> 1);
    if (save_ssthresh && ssthresh !== 0 && sk.snd_ssthresh > ssthresh) tm.set(TCP_METRIC_SSTHRESH, sk.snd_ssthresh);
    if ((vals[TCP_METRIC_REORDERING] as number) < sk.slow.reordering && sk.slow.reordering !== ipv4.tcp_reordering) {
      tm.set(TCP_METRIC_REORDERING, sk.slow.reordering);
    }
  }
  tm.tcpm_stamp = sk.kernel.timers.jiffies();
}

/**
 * tcp_fastopen_cache_get: what the server of `sk` gave last time: the cookie goes to `cookie`, whose length is 0 when there is
 * none. Returns its MSS, 0 when that is not known.
 */
export function tcp_fastopen_cache_get(sk: tcp_sock, cookie: tcp_fastopen_cookie): number {
  const tm = tcp_get_metrics(sk, false);
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
  const tm = tcp_get_metrics(sk, true) as tcp_metrics_block;
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
