/** Round-trip times and the RTO (net/ipv4/tcp_input.c: tcp_rtt_estimator; RFC 6298), in µs. */

import { dst_metric, dst_metric_locked } from '../core/dst.ts';
import { RTAX_RTO_MIN } from './fib.ts';
import { FLAG_ACK_MAYBE_DELAYED, FLAG_ACKED, FLAG_SYN_ACKED } from './tcp_flags.ts';
import { tcp_pacing_delay } from './tcp_pacing.ts';
import { USEC_PER_SEC } from './tcp_rate.ts';
import {
  after,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  jiffies_to_usecs,
  type rate_sample,
  tcp_jiffies,
  tcp_mstamp_refresh,
  tcp_rtx_queue_head,
  type tcp_sock,
  tcp_time_stamp_ms,
  USEC_PER_JIFFY,
  usecs_to_jiffies,
} from './tcp_sock.ts';
import { inet_csk_clear_xmit_timer, inet_csk_reset_xmit_timer } from './tcp_timer.ts';

/** tcp_rto_min, tcp_rto_min_us: the route's, where it is fixed (`rto_min` of ip route, in ms: jiffies). */
export function tcp_rto_min(sk: tcp_sock): number {
  const dst = sk.sk_dst_cache;
  return dst !== null && dst_metric_locked(dst, RTAX_RTO_MIN) ? dst_metric(dst, RTAX_RTO_MIN) : sk.icsk_rto_min;
}

export function tcp_rto_min_us(sk: tcp_sock): number {
  return tcp_rto_min(sk) * USEC_PER_JIFFY;
}

/**
 * tcp_rtt_estimator: Jacobson's, with Linux's asymmetry: a mean deviation that grows while the RTT falls counts for an
 * eighth only, and the variation used is the largest of a round trip, never below the least RTO.
 */
export function tcp_rtt_estimator(tp: tcp_sock, mrtt_us: number): void {
  let m = mrtt_us;
  let srtt = tp.srtt_us;
  const min = tcp_rto_min_us(tp);
  if (srtt !== 0) {
    m -= srtt >> 3;
    srtt += m;
    if (m < 0) {
      m = -m - (tp.mdev_us >> 2);
      if (m > 0) m >>= 3;
    } else {
      m -= tp.mdev_us >> 2;
    }
    tp.mdev_us += m;
    if (tp.mdev_us > tp.mdev_max_us) {
      tp.mdev_max_us = tp.mdev_us;
      if (tp.mdev_max_us > tp.rttvar_us) tp.rttvar_us = tp.mdev_max_us;
    }
    if (after(tp.snd_una, tp.rtt_seq)) {
      if (tp.mdev_max_us < tp.rttvar_us) tp.rttvar_us -= (tp.rttvar_us - tp.mdev_max_us) >> 2;
      tp.rtt_seq = tp.snd_nxt;
      tp.mdev_max_us = min;
    }
  } else {
    // RFC 6298 2.2: the first sample, and half of it as its variation.
    srtt = m << 3;
    tp.mdev_us = m << 1;
    tp.rttvar_us = Math.max(tp.mdev_us, min);
    tp.mdev_max_us = tp.rttvar_us;
    tp.rtt_seq = tp.snd_nxt;
  }
  tp.srtt_us = Math.max(1, srtt);
}

/** __tcp_set_rto: jiffies. */
export function __tcp_set_rto(tp: tcp_sock): number {
  return usecs_to_jiffies((tp.srtt_us >> 3) + tp.rttvar_us);
}

/** tcp_set_rto */
export function tcp_set_rto(sk: tcp_sock): void {
  sk.icsk_rto = Math.min(__tcp_set_rto(sk), sk.icsk_rto_max);
}

/** minmax_running_min over tcp_min_rtt_wlen (lib/win_minmax.c): the best three of the window, oldest first. */
function tcp_update_rtt_min(sk: tcp_sock, rtt_us: number, flag: number): void {
  // A delayed ACK shows no minimum.
  if ((flag & FLAG_ACK_MAYBE_DELAYED) !== 0 && rtt_us > sk.rtt_min_v0) return;
  const win = sk.sk_net.ipv4.tcp_min_rtt_wlen * 1000;
  const t = tcp_jiffies(sk.kernel);
  const v = rtt_us !== 0 ? rtt_us : USEC_PER_JIFFY;
  if (v <= sk.rtt_min_v0 || t - sk.rtt_min_t2 > win) {
    sk.rtt_min_t0 = t;
    sk.rtt_min_t1 = t;
    sk.rtt_min_t2 = t;
    sk.rtt_min_v0 = v;
    sk.rtt_min_v1 = v;
    sk.rtt_min_v2 = v;
    return;
  }
  if (v <= sk.rtt_min_v1) {
    sk.rtt_min_t1 = t;
    sk.rtt_min_v1 = v;
    sk.rtt_min_t2 = t;
    sk.rtt_min_v2 = v;
  } else if (v <= sk.rtt_min_v2) {
    sk.rtt_min_t2 = t;
    sk.rtt_min_v2 = v;
  }
  const dt = t - sk.rtt_min_t0;
  if (dt > win) {
    shift_min(sk, t, v);
    if (t - sk.rtt_min_t0 > win) shift_min(sk, t, v);
  } else if (sk.rtt_min_t1 === sk.rtt_min_t0 && dt > win / 4) {
    sk.rtt_min_t1 = t;
    sk.rtt_min_v1 = v;
    sk.rtt_min_t2 = t;
    sk.rtt_min_v2 = v;
  } else if (sk.rtt_min_t2 === sk.rtt_min_t1 && dt > win / 2) {
    sk.rtt_min_t2 = t;
    sk.rtt_min_v2 = v;
  }
}

function shift_min(sk: tcp_sock, t: number, v: number): void {
  sk.rtt_min_t0 = sk.rtt_min_t1;
  sk.rtt_min_v0 = sk.rtt_min_v1;
  sk.rtt_min_t1 = sk.rtt_min_t2;
  sk.rtt_min_v1 = sk.rtt_min_v2;
  sk.rtt_min_t2 = t;
  sk.rtt_min_v2 = v;
}

/** tcp_rtt_tsopt_us: by the timestamp that was echoed; -1 when it cannot be. */
export function tcp_rtt_tsopt_us(tp: tcp_sock, min_delta: number): number {
  const delta = (tcp_time_stamp_ms(tp) - tp.rx_opt.rcv_tsecr) | 0;
  if (delta < 0 || delta >= 2147483) return -1;
  return (delta === 0 ? min_delta : delta) * (USEC_PER_SEC / 1000);
}

/** tcp_ack_update_rtt: true when there was a sample. Those of retransmitted data were left out before (Karn). */
export function tcp_ack_update_rtt(
  sk: tcp_sock,
  flag: number,
  seq_rtt_us: number,
  sack_rtt_us: number,
  ca_rtt_us: number,
  rs: rate_sample,
): boolean {
  const { rx_opt } = sk;
  if (seq_rtt_us < 0) seq_rtt_us = sack_rtt_us;
  // RFC 7323 4.1: a timestamp counts only when the segment acknowledges something new.
  if (seq_rtt_us < 0 && rx_opt.saw_tstamp !== 0 && rx_opt.rcv_tsecr !== 0 && (flag & FLAG_ACKED) !== 0) {
    seq_rtt_us = tcp_rtt_tsopt_us(sk, 1);
    ca_rtt_us = seq_rtt_us;
  }
  rs.rtt_us = ca_rtt_us;
  if (seq_rtt_us < 0) return false;
  tcp_update_rtt_min(sk, ca_rtt_us, flag);
  tcp_rtt_estimator(sk, seq_rtt_us);
  tcp_set_rto(sk);
  // RFC 6298 5.7: a valid sample ends the backing off.
  sk.icsk_backoff = 0;
  return true;
}

/** tcp_synack_rtt_meas: the handshake is the first sample, unless the SYN/ACK was retransmitted. */
export function tcp_synack_rtt_meas(sk: tcp_sock, snt_synack: number, retransmitted: boolean): void {
  let rtt_us = -1;
  tcp_mstamp_refresh(sk);
  if (!retransmitted && snt_synack !== 0) rtt_us = Math.max(0, sk.tcp_mstamp - snt_synack);
  tcp_ack_update_rtt(sk, FLAG_SYN_ACKED, rtt_us, -1, rtt_us, sk.sk_net.ipv4.tcp_rs);
}

/** tcp_rto_delta_us: µs until the RTO of the oldest packet. */
export function tcp_rto_delta_us(sk: tcp_sock): number {
  const skb = tcp_rtx_queue_head(sk);
  const rto = jiffies_to_usecs(sk.icsk_rto);
  return skb === null ? rto : skb.skb_mstamp + rto - sk.tcp_mstamp;
}

/** tcp_rearm_rto: RFC 6298 5.1 to 5.3. */
export function tcp_rearm_rto(sk: tcp_sock): void {
  // The timer is the SYN/ACK's until that is answered.
  if (sk.fastopen_rsk !== null) return;
  if (sk.packets_out === 0) {
    inet_csk_clear_xmit_timer(sk);
    return;
  }
  let rto = sk.icsk_rto;
  if (sk.icsk_pending === ICSK_TIME_REO_TIMEOUT || sk.icsk_pending === ICSK_TIME_LOSS_PROBE) {
    // Those timers came in place of the RTO: what has passed since then counts.
    rto = usecs_to_jiffies(Math.max(tcp_rto_delta_us(sk), 1));
  }
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, rto + tcp_pacing_delay(sk));
}
