/**
 * The congestion window where no algorithm decides: at the start, when it was not used (RFC 2861, RFC 7661), after idle
 * times; and what keeps a sender from sending (net/ipv4/tcp_output.c, tcp_input.c).
 */
import { dst_metric } from '../core/dst.ts';
import { RTAX_INITCWND } from './fib.ts';
import { tcp_ca_event } from './tcp_cong.ts';
import {
  before,
  CA_EVENT_CWND_RESTART,
  own_slow,
  TCP_CA_Open,
  TCP_CHRONO_BUSY,
  TCP_CHRONO_RWND_LIMITED,
  TCP_CHRONO_SNDBUF_LIMITED,
  TCP_CHRONO_UNSPEC,
  TCP_INIT_CWND,
  TCPF_CLOSE_WAIT,
  TCPF_ESTABLISHED,
  tcp_in_cwnd_reduction,
  tcp_in_slow_start,
  tcp_jiffies,
  tcp_rtx_and_write_queues_empty,
  type tcp_sock,
  tcp_write_queue_empty,
} from './tcp_sock.ts';

/** tcp_init_cwnd: RFC 6928, or what the route says. */
export function tcp_init_cwnd(tp: tcp_sock): number {
  const dst = tp.sk_dst_cache;
  const cwnd = dst === null ? 0 : dst_metric(dst, RTAX_INITCWND);
  return Math.min(cwnd !== 0 ? cwnd : TCP_INIT_CWND, tp.opts.snd_cwnd_clamp);
}

/** tcp_current_ssthresh */
export function tcp_current_ssthresh(tp: tcp_sock): number {
  if (tcp_in_cwnd_reduction(tp)) return tp.snd_ssthresh;
  return Math.max(tp.snd_ssthresh, (tp.snd_cwnd >> 1) + (tp.snd_cwnd >> 2));
}

/** tcp_is_cwnd_limited: was the window what held the sender back? Only then may it grow. */
export function tcp_is_cwnd_limited(tp: tcp_sock): boolean {
  if (tp.is_cwnd_limited !== 0) return true;
  // In slow start up to twice of what was used.
  return tcp_in_slow_start(tp) && tp.snd_cwnd < 2 * tp.max_packets_out;
}

/** tcp_cwnd_restart: `delta` jiffies have passed since the last data was sent (RFC 2861). */
function tcp_cwnd_restart(sk: tcp_sock, delta: number): void {
  let cwnd = sk.snd_cwnd;
  tcp_ca_event(sk, CA_EVENT_CWND_RESTART);
  sk.snd_ssthresh = tcp_current_ssthresh(sk);
  const restart = Math.min(tcp_init_cwnd(sk), cwnd);
  for (delta -= sk.icsk_rto; delta > 0 && cwnd > restart; delta -= sk.icsk_rto) cwnd >>= 1;
  sk.snd_cwnd = Math.max(cwnd, restart);
  sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
  sk.snd_cwnd_used = 0;
}

/** tcp_slow_start_after_idle_check: called before data goes to an empty send queue. */
export function tcp_slow_start_after_idle_check(sk: tcp_sock): void {
  if (sk.sk_net.ipv4.tcp_slow_start_after_idle === 0 || sk.packets_out !== 0) return;
  if (sk.icsk_ca_ops.cong_control !== null) return;
  const delta = tcp_jiffies(sk.kernel) - sk.lsndtime;
  if (delta > sk.icsk_rto) tcp_cwnd_restart(sk, delta);
}

/** tcp_cwnd_application_limited: halfway down to what the program has used of it. */
function tcp_cwnd_application_limited(sk: tcp_sock): void {
  if (sk.icsk_ca_state === TCP_CA_Open && sk.sk_socket !== null && !sk.sk_nospace) {
    const win_used = Math.max(sk.snd_cwnd_used, tcp_init_cwnd(sk));
    if (win_used < sk.snd_cwnd) {
      sk.snd_ssthresh = tcp_current_ssthresh(sk);
      sk.snd_cwnd = (sk.snd_cwnd + win_used) >> 1;
    }
    sk.snd_cwnd_used = 0;
  }
  sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
}

/** tcp_cwnd_validate: after sending. */
export function tcp_cwnd_validate(sk: tcp_sock, is_cwnd_limited: boolean): void {
  // The strongest sign of the last round trip.
  if (
    !before(sk.snd_una, sk.cwnd_usage_seq) ||
    is_cwnd_limited ||
    (sk.is_cwnd_limited === 0 && sk.packets_out > sk.max_packets_out)
  ) {
    sk.is_cwnd_limited = is_cwnd_limited ? 1 : 0;
    sk.max_packets_out = sk.packets_out;
    sk.cwnd_usage_seq = sk.snd_nxt;
  }
  if (tcp_is_cwnd_limited(sk)) {
    sk.snd_cwnd_used = 0;
    sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
    return;
  }
  if (sk.packets_out > sk.snd_cwnd_used) sk.snd_cwnd_used = sk.packets_out;
  if (
    sk.sk_net.ipv4.tcp_slow_start_after_idle !== 0 &&
    tcp_jiffies(sk.kernel) - sk.snd_cwnd_stamp >= sk.icsk_rto &&
    sk.icsk_ca_ops.cong_control === null
  ) {
    tcp_cwnd_application_limited(sk);
  }
  const open = ((1 << sk.sk_state) & (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT)) !== 0;
  if (tcp_write_queue_empty(sk) && sk.sk_socket !== null && sk.sk_nospace && open) {
    tcp_chrono_start(sk, TCP_CHRONO_SNDBUF_LIMITED);
  }
}

// ---- what the sender waits for (tcp_info) ---------------------------------------------------------------------------

/** tcp_chrono_set: jiffies, as Linux counts them. */
function tcp_chrono_set(sk: tcp_sock, type: number): void {
  const now = tcp_jiffies(sk.kernel);
  const old = sk.chrono_type;
  const passed = now - sk.chrono_start;
  if (old === TCP_CHRONO_BUSY) sk.chrono_stat_busy += passed;
  else if (old === TCP_CHRONO_RWND_LIMITED) own_slow(sk).chrono_stat_rwnd += passed;
  else if (old === TCP_CHRONO_SNDBUF_LIMITED) own_slow(sk).chrono_stat_sndbuf += passed;
  sk.chrono_start = now;
  sk.chrono_type = type;
}

/** tcp_chrono_start: the more special reason wins. */
export function tcp_chrono_start(sk: tcp_sock, type: number): void {
  if (type > sk.chrono_type) tcp_chrono_set(sk, type);
}

/** tcp_chrono_stop */
export function tcp_chrono_stop(sk: tcp_sock, type: number): void {
  if (tcp_rtx_and_write_queues_empty(sk)) {
    if (sk.chrono_type !== TCP_CHRONO_UNSPEC) tcp_chrono_set(sk, TCP_CHRONO_UNSPEC);
  } else if (type === sk.chrono_type) {
    tcp_chrono_set(sk, TCP_CHRONO_BUSY);
  }
}
