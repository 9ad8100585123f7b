/**
 * TCP's timers (net/ipv4/tcp_timer.c, include/net/inet_connection_sock.h): one of the wheel for everything that is sent
 * again (RTO, window probe, loss probe, reordering), one for delayed ACKs, one for keep-alive and FIN_WAIT2.
 */

import { ETIMEDOUT } from '../../errno.ts';
import { timer_list } from '../../time/timer.ts';
import { sk_dst_reset, sk_error_report, TCP_CLOSE, TCP_FIN_WAIT2, TCP_LISTEN, TCP_SYN_SENT } from '../core/sock.ts';
import { tcp_check_oom, tcp_done } from './tcp.ts';
import { tcp_accecn_synack_again } from './tcp_ecn.ts';
import { tcp_fastopen_active_detect_blackhole } from './tcp_fastopen.ts';
import { tcp_enter_loss } from './tcp_fastretrans.ts';
import { tcp_time_wait } from './tcp_minisocks.ts';
import { tcp_mtup_init } from './tcp_mss.ts';
import {
  tcp_mss_to_mtu,
  tcp_mtu_to_mss,
  tcp_send_ack,
  tcp_send_active_reset,
  tcp_stamp_ms,
  tcp_sync_mss,
} from './tcp_output.ts';
import { tcp_sack_compress_send_ack } from './tcp_rcvbuf.ts';
import { tcp_rack_reo_timeout } from './tcp_recovery.ts';
import { __tcp_set_rto, tcp_rto_min } from './tcp_rtt.ts';
import {
  ICSK_ACK_TIMER,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  type icsk_mtup,
  inet_csk_ack_scheduled,
  inet_csk_exit_pingpong_mode,
  inet_csk_in_pingpong_mode,
  keepalive_intvl_when,
  keepalive_probes,
  keepalive_time_elapsed,
  keepalive_time_when,
  own_slow,
  slow_if_any,
  TCP_ATO_MIN,
  TCP_CA_Disorder,
  TCP_CA_Loss,
  TCP_CA_Recovery,
  TCP_INFINITE_SSTHRESH,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_RTO_MIN,
  TCP_TIMEOUT_INIT,
  TCP_TIMEOUT_MIN,
  TCP_TIMEWAIT_LEN,
  TCPF_CLOSE,
  TCPF_LISTEN,
  TCPF_SYN_RECV,
  TCPF_SYN_SENT,
  tcp_fin_time,
  tcp_is_sack,
  tcp_jiffies,
  tcp_mstamp_refresh,
  type tcp_request_sock,
  tcp_rtx_queue_head,
  tcp_send_head,
  type tcp_sock,
  tcp_write_queue_empty,
} from './tcp_sock.ts';
import {
  tcp_retransmit_skb,
  tcp_send_loss_probe,
  tcp_send_probe0,
  tcp_write_queue_purge,
  tcp_write_wakeup,
} from './tcp_write_queue.ts';

/** A flow with so few packets out cannot get three duplicate ACKs (tcp_stream_is_thin). */
const TCP_THIN_PACKETS = 4;
const TCP_THIN_LINEAR_RETRIES = 6;

const write_timer = (timer: timer_list): void => tcp_write_timer(timer.owner as tcp_sock);
const delack_timer = (timer: timer_list): void => tcp_delack_timer(timer.owner as tcp_sock);
const keepalive_timer = (timer: timer_list): void => tcp_keepalive_timer(timer.owner as tcp_sock);

// ---- arming ---------------------------------------------------------------------------------------------------------

/** inet_csk_reset_xmit_timer, tcp_reset_xmit_timer: in `when` jiffies, but not later than the largest RTO. */
export function inet_csk_reset_xmit_timer(sk: tcp_sock, what: number, when: number): void {
  sk.icsk_pending = what;
  sk.icsk_timeout = tcp_jiffies(sk.kernel) + Math.min(when, sk.opts.icsk_rto_max);
  sk.icsk_retransmit_timer ??= new timer_list(sk.kernel, write_timer, sk);
  sk.icsk_retransmit_timer.mod(sk.icsk_timeout);
}

/** inet_csk_clear_xmit_timer for retransmissions and probes: a timer that still runs out finds nothing to do. */
export function inet_csk_clear_xmit_timer(sk: tcp_sock): void {
  sk.icsk_pending = 0;
}

/** inet_csk_reset_xmit_timer(ICSK_TIME_DACK) */
export function inet_csk_reset_dack_timer(sk: tcp_sock, when: number): void {
  sk.icsk_ack_pending |= ICSK_ACK_TIMER;
  inet_csk_start_dack_timer(sk, tcp_jiffies(sk.kernel) + Math.min(when, sk.opts.icsk_rto_max));
}

/** Delayed ACK's timer runs until `timeout`, in jiffies. */
export function inet_csk_start_dack_timer(sk: tcp_sock, timeout: number): void {
  sk.icsk_ack_timeout = timeout;
  sk.icsk_delack_timer ??= new timer_list(sk.kernel, delack_timer, sk);
  sk.icsk_delack_timer.mod(timeout);
}

/** inet_csk_clear_xmit_timer(ICSK_TIME_DACK): the timer may run on and then finds nothing to do. */
export function inet_csk_clear_xmit_timer_dack(sk: tcp_sock): void {
  sk.icsk_ack_pending = 0;
  sk.icsk_ack_retry = 0;
}

/** inet_csk_reset_keepalive_timer */
export function inet_csk_reset_keepalive_timer(sk: tcp_sock, len: number): void {
  sk.sk_timer ??= new timer_list(sk.kernel, keepalive_timer, sk);
  sk.sk_timer.mod(tcp_jiffies(sk.kernel) + len);
}

export function inet_csk_delete_keepalive_timer(sk: tcp_sock): void {
  sk.sk_timer?.del();
}

/** tcp_init_xmit_timers: nothing runs. */
export function tcp_init_xmit_timers(sk: tcp_sock): void {
  tcp_clear_xmit_timers(sk);
}

/** tcp_clear_xmit_timers: no timer runs any more. */
export function tcp_clear_xmit_timers(sk: tcp_sock): void {
  sk.icsk_pending = 0;
  sk.icsk_ack_pending = 0;
  sk.icsk_retransmit_timer?.del();
  sk.icsk_delack_timer?.del();
  sk.sk_timer?.del();
  sk.slow.compressed_ack_timer?.cancel();
  sk.slow.pacing_timer?.cancel();
}

/** tcp_timeout_init: the RTO before anything was measured (RFC 6298 2.1). Jiffies. */
export function tcp_timeout_init(sk: tcp_sock): number {
  return Math.min(TCP_TIMEOUT_INIT, sk.opts.icsk_rto_max);
}

/** tcp_clear_retrans: nothing was ever retransmitted. */
export function tcp_clear_retrans(tp: tcp_sock): void {
  tp.retrans_out = 0;
  tp.lost_out = 0;
  tp.sacked_out = 0;
  const slow = slow_if_any(tp);
  if (slow === null) return;
  slow.undo_marker = 0;
  slow.undo_retrans = -1;
  slow.rto_stamp = 0;
  slow.total_rto = 0;
  slow.total_rto_recoveries = 0;
  slow.total_rto_time = 0;
}

/** tcp_probe0_when: jiffies until the next window probe (RFC 9293 3.8.6.1: doubled each time). */
export function tcp_probe0_when(sk: tcp_sock): number {
  const backoff = Math.min(ilog2(sk.opts.icsk_rto_max / TCP_RTO_MIN) + 1, sk.icsk_backoff);
  return Math.min(tcp_probe0_base(sk) * 2 ** backoff, sk.opts.icsk_rto_max);
}

export function tcp_probe0_base(sk: tcp_sock): number {
  return Math.max(sk.icsk_rto, TCP_RTO_MIN);
}

function ilog2(value: number): number {
  return 31 - Math.clz32(value);
}

/** ms since the first retransmission of what is retransmitted now. */
function retrans_elapsed(sk: tcp_sock): number {
  return Math.floor(sk.tcp_mstamp / 1000) - sk.retrans_stamp;
}

/** tcp_clamp_rto_to_user_timeout: the last timeout is the one at which the user's patience ends. */
function tcp_clamp_rto_to_user_timeout(sk: tcp_sock): number {
  const user_timeout = sk.opts.icsk_user_timeout;
  if (user_timeout === 0) return sk.icsk_rto;
  const remaining = user_timeout - retrans_elapsed(sk);
  return remaining <= 0 ? 1 : Math.min(sk.icsk_rto, remaining);
}

/** tcp_clamp_probe0_to_user_timeout */
export function tcp_clamp_probe0_to_user_timeout(sk: tcp_sock, when: number): number {
  const user_timeout = sk.opts.icsk_user_timeout;
  if (user_timeout === 0 || sk.slow.icsk_probes_tstamp === 0) return when;
  const elapsed = Math.max(0, tcp_jiffies(sk.kernel) - sk.slow.icsk_probes_tstamp);
  return Math.min(Math.max(user_timeout - elapsed, TCP_TIMEOUT_MIN), when);
}

// ---- giving up ------------------------------------------------------------------------------------------------------

/** tcp_write_err: the connection has failed for want of answers. */
function tcp_write_err(sk: tcp_sock): void {
  sk.sk_err = sk.sk_err_soft !== 0 ? sk.sk_err_soft : ETIMEDOUT;
  sk_error_report(sk);
  tcp_write_queue_purge(sk);
  tcp_done(sk);
  sk.sk_net.ipv4.mib.TcpExtTCPAbortOnTimeout++;
}

/** tcp_out_of_resources: an orphan goes when there are too many, or too little memory. True: it is gone. */
function tcp_out_of_resources(sk: tcp_sock, do_reset: boolean): boolean {
  const now = tcp_jiffies(sk.kernel);
  let shift = 0;
  // One that has been silent for long, or has little hope, goes earlier.
  if (now - sk.lsndtime > 2 * sk.opts.icsk_rto_max || !do_reset) shift++;
  if (sk.sk_err_soft !== 0) shift++;
  if (!tcp_check_oom(sk, shift)) return false;
  const tell = do_reset || now - sk.lsndtime <= TCP_TIMEWAIT_LEN || (sk.snd_wnd === 0 && sk.packets_out === 0);
  if (tell) tcp_send_active_reset(sk);
  tcp_done(sk);
  sk.sk_net.ipv4.mib.TcpExtTCPAbortOnMemory++;
  return true;
}

/** tcp_orphan_retries: how often an orphan retransmits. */
function tcp_orphan_retries(sk: tcp_sock, alive: boolean): number {
  const retries = sk.sk_net.ipv4.tcp_orphan_retries;
  if (sk.sk_err_soft !== 0 && !alive) return 0;
  // The 8 are enough for 50 s at the smallest RTO.
  return retries === 0 && alive ? 8 : retries;
}

/** tcp_model_timeout: ms that `boundary` retransmissions take when they start with `rto_base` jiffies and double. */
function tcp_model_timeout(sk: tcp_sock, boundary: number, rto_base: number): number {
  const linear = ilog2(sk.opts.icsk_rto_max / rto_base);
  if (boundary <= linear) return (2 ** (boundary + 1) - 1) * rto_base;
  return (2 ** (linear + 1) - 1) * rto_base + (boundary - linear) * sk.opts.icsk_rto_max;
}

/** retransmits_timed_out: has retransmitting gone on as long as `boundary` retries would? Or for `timeout` ms? */
function retransmits_timed_out(sk: tcp_sock, boundary: number, timeout: number): boolean {
  if (sk.icsk_retransmits === 0) return false;
  if (timeout === 0) {
    const opening = ((1 << sk.sk_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0;
    timeout = tcp_model_timeout(sk, boundary, opening ? tcp_timeout_init(sk) : TCP_RTO_MIN);
  }
  return retrans_elapsed(sk) >= timeout;
}

/** tcp_mtu_probing: large segments may be what gets lost (a black hole, RFC 4821): smaller ones. */
function tcp_mtu_probing(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  if (ipv4.tcp_mtu_probing === 0) return;
  if (sk.icsk_mtup === null) tcp_mtup_init(sk);
  const mtup = sk.icsk_mtup as icsk_mtup;
  if (mtup.enabled === 0) {
    mtup.enabled = 1;
    mtup.probe_timestamp = tcp_jiffies(sk.kernel);
  } else {
    let mss = Math.min(ipv4.tcp_base_mss, tcp_mtu_to_mss(sk, mtup.search_low) >> 1);
    mss = Math.max(mss, ipv4.tcp_mtu_probe_floor, ipv4.tcp_min_snd_mss);
    mtup.search_low = tcp_mss_to_mtu(sk, mss);
  }
  tcp_sync_mss(sk, sk.icsk_pmtu_cookie);
}

/** tcp_write_timeout: true when the connection was given up. */
function tcp_write_timeout(sk: tcp_sock): boolean {
  const { ipv4 } = sk.sk_net;
  let expired = false;
  let retry_until: number;
  if (((1 << sk.sk_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0) {
    if (sk.icsk_retransmits !== 0) sk_dst_reset(sk);
    retry_until = sk.opts.icsk_syn_retries !== 0 ? sk.opts.icsk_syn_retries : ipv4.tcp_syn_retries;
    const linear = sk.sk_state === TCP_SYN_SENT ? ipv4.tcp_syn_linear_timeouts : 0;
    expired = sk.icsk_retransmits >= retry_until + linear;
  } else {
    if (retransmits_timed_out(sk, ipv4.tcp_retries1, 0)) {
      tcp_mtu_probing(sk);
      sk_dst_reset(sk);
    }
    retry_until = ipv4.tcp_retries2;
    if (sk.sk_dead) {
      const alive = sk.icsk_rto < sk.opts.icsk_rto_max;
      retry_until = tcp_orphan_retries(sk, alive);
      if (tcp_out_of_resources(sk, alive || !retransmits_timed_out(sk, retry_until, 0))) return true;
    }
  }
  if (!expired) expired = retransmits_timed_out(sk, retry_until, sk.opts.icsk_user_timeout);
  tcp_fastopen_active_detect_blackhole(sk, expired);
  if (expired) {
    tcp_write_err(sk);
    return true;
  }
  if (sk.sk_txhash !== 0 && sk.opts.sk_txrehash) {
    // sk_rethink_txhash: perhaps another of several paths works.
    sk.sk_txhash = ipv4.tcp.hashinfo.random.u32() | 1;
    own_slow(sk).timeout_rehash++;
    ipv4.mib.TcpExtTcpTimeoutRehash++;
  }
  return false;
}

// ---- retransmission -------------------------------------------------------------------------------------------------

/** tcp_rtx_probe0_timed_out: the window was closed over what is out. Has that gone on for too long? */
function tcp_rtx_probe0_timed_out(sk: tcp_sock, rtx_delta: number): boolean {
  const user_timeout = sk.opts.icsk_user_timeout;
  let timeout = sk.opts.icsk_rto_max * 2;
  if (user_timeout !== 0) {
    // A peer that answers with zero windows only does not reset the user's clock.
    if (rtx_delta > user_timeout) return true;
    timeout = Math.min(timeout, user_timeout);
  }
  return sk.icsk_timeout - sk.rcv_tstamp > timeout && rtx_delta > timeout;
}

/** Which failure this RTO is, for the counters. */
function count_failure(sk: tcp_sock): void {
  const { mib } = sk.sk_net.ipv4;
  const sack = tcp_is_sack(sk);
  if (sk.icsk_ca_state === TCP_CA_Recovery) {
    if (sack) mib.TcpExtTCPSackRecoveryFail++;
    else mib.TcpExtTCPRenoRecoveryFail++;
  } else if (sk.icsk_ca_state === TCP_CA_Loss) {
    mib.TcpExtTCPLossFailures++;
  } else if (sk.icsk_ca_state === TCP_CA_Disorder || sk.sacked_out !== 0) {
    if (sack) mib.TcpExtTCPSackFailures++;
    else mib.TcpExtTCPRenoFailures++;
  }
}

function tcp_update_rto_stats(sk: tcp_sock): void {
  if (sk.icsk_retransmits === 0) {
    own_slow(sk).total_rto_recoveries++;
    own_slow(sk).rto_stamp = Math.floor(sk.tcp_mstamp / 1000);
  }
  sk.icsk_retransmits++;
  own_slow(sk).total_rto++;
}

/** tcp_fastopen_synack_timer: a child made out of a SYN repeats its SYN/ACK, and nothing else, once more than a request would. */
function tcp_fastopen_synack_timer(sk: tcp_sock, req: tcp_request_sock): void {
  const { ipv4 } = sk.sk_net;
  ipv4.mib.TcpExtTCPTimeouts++;
  const retries = sk.opts.icsk_syn_retries !== 0 ? sk.opts.icsk_syn_retries : ipv4.tcp_synack_retries + 1;
  if (req.num_timeout >= retries) {
    tcp_write_err(sk);
    return;
  }
  // As tcp_init_transfer does after a SYN/ACK that was repeated more than once.
  if (sk.icsk_retransmits === 1) tcp_enter_loss(sk);
  req.rsk_ops.rtx_syn_ack(sk, req);
  tcp_accecn_synack_again(req);
  req.num_timeout++;
  tcp_update_rto_stats(sk);
  if (sk.retrans_stamp === 0) sk.retrans_stamp = tcp_stamp_ms(sk);
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, req.timeout * 2 ** req.num_timeout);
}

/** tcp_retransmit_timer: the RTO (RFC 6298 5.4 to 5.7). */
export function tcp_retransmit_timer(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  if (sk.slow.fastopen_rsk !== null) {
    tcp_fastopen_synack_timer(sk, sk.slow.fastopen_rsk);
    return;
  }
  const skb = tcp_rtx_queue_head(sk);
  if (sk.packets_out === 0 || skb === null) return;
  const opening = ((1 << sk.sk_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0;
  if (sk.snd_wnd === 0 && !sk.sk_dead && !opening) {
    // The window was taken back: retransmissions are window probes now, and the connection lives on.
    const since = sk.retrans_stamp !== 0 ? sk.retrans_stamp : Math.floor(skb.skb_mstamp / 1000);
    if (tcp_rtx_probe0_timed_out(sk, Math.floor(sk.tcp_mstamp / 1000) - since)) {
      tcp_write_err(sk);
      return;
    }
    tcp_enter_loss(sk);
    tcp_retransmit_skb(sk, skb, 1);
    sk_dst_reset(sk);
  } else {
    ipv4.mib.TcpExtTCPTimeouts++;
    if (tcp_write_timeout(sk)) return;
    if (sk.icsk_retransmits === 0) count_failure(sk);
    tcp_enter_loss(sk);
    tcp_update_rto_stats(sk);
    if (tcp_retransmit_skb(sk, tcp_rtx_queue_head(sk) ?? skb, 1) > 0) {
      // Not even the queue below took it: that is no news of the network.
      inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, TCP_RESOURCE_PROBE_INTERVAL);
      return;
    }
  }
  const thin = sk.packets_out < TCP_THIN_PACKETS && sk.snd_ssthresh < TCP_INFINITE_SSTHRESH;
  if (
    sk.sk_state === 1 &&
    (ipv4.tcp_thin_linear_timeouts !== 0 || sk.opts.thin_lto !== 0) &&
    thin &&
    sk.icsk_retransmits <= TCP_THIN_LINEAR_RETRIES
  ) {
    sk.icsk_backoff = 0;
    sk.icsk_rto = Math.min(Math.max(__tcp_set_rto(sk), tcp_rto_min(sk)), sk.opts.icsk_rto_max);
  } else if (sk.sk_state !== TCP_SYN_SENT || sk.slow.total_rto > ipv4.tcp_syn_linear_timeouts) {
    sk.icsk_backoff++;
    sk.icsk_rto = Math.min(sk.icsk_rto * 2, sk.opts.icsk_rto_max);
  }
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, tcp_clamp_rto_to_user_timeout(sk));
  if (retransmits_timed_out(sk, ipv4.tcp_retries1 + 1, 0)) sk_dst_reset(sk);
}

/** tcp_probe_timer: the window is closed and something waits behind it. */
function tcp_probe_timer(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  if (sk.packets_out !== 0 || tcp_send_head(sk) === null) {
    sk.icsk_probes_out = 0;
    if (sk.slow.icsk_probes_tstamp !== 0) own_slow(sk).icsk_probes_tstamp = 0;
    return;
  }
  const now = tcp_jiffies(sk.kernel);
  if (sk.slow.icsk_probes_tstamp === 0) {
    own_slow(sk).icsk_probes_tstamp = now;
  } else if (sk.opts.icsk_user_timeout !== 0 && now - sk.slow.icsk_probes_tstamp >= sk.opts.icsk_user_timeout) {
    tcp_write_err(sk);
    return;
  }
  let max_probes = ipv4.tcp_retries2;
  if (sk.sk_dead) {
    const alive = Math.min(sk.icsk_rto * 2 ** sk.icsk_backoff, sk.opts.icsk_rto_max) < sk.opts.icsk_rto_max;
    max_probes = tcp_orphan_retries(sk, alive);
    if (!alive && sk.icsk_backoff >= max_probes) {
      tcp_write_err(sk);
      return;
    }
    if (tcp_out_of_resources(sk, true)) return;
  }
  if (sk.icsk_probes_out >= max_probes) tcp_write_err(sk);
  else tcp_send_probe0(sk);
}

/** tcp_write_timer: icsk_retransmit_timer has run out. */
export function tcp_write_timer(sk: tcp_sock): void {
  if (((1 << sk.sk_state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0 || sk.icsk_pending === 0) return;
  if (sk.icsk_timeout > tcp_jiffies(sk.kernel)) {
    sk.icsk_retransmit_timer?.mod(sk.icsk_timeout);
    return;
  }
  tcp_mstamp_refresh(sk);
  switch (sk.icsk_pending) {
    case ICSK_TIME_REO_TIMEOUT:
      tcp_rack_reo_timeout(sk);
      break;
    case ICSK_TIME_LOSS_PROBE:
      tcp_send_loss_probe(sk);
      break;
    case ICSK_TIME_RETRANS:
      sk.icsk_pending = 0;
      tcp_retransmit_timer(sk);
      break;
    case ICSK_TIME_PROBE0:
      sk.icsk_pending = 0;
      tcp_probe_timer(sk);
      break;
    default:
      break;
  }
}

// ---- delayed ACK ----------------------------------------------------------------------------------------------------

/** tcp_delack_timer: the ACK that waited for data to go with, or for more to acknowledge, goes. */
export function tcp_delack_timer(sk: tcp_sock): void {
  if (((1 << sk.sk_state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0) return;
  if (sk.slow.compressed_ack !== 0) {
    tcp_mstamp_refresh(sk);
    tcp_sack_compress_send_ack(sk);
    return;
  }
  if ((sk.icsk_ack_pending & ICSK_ACK_TIMER) === 0) return;
  if (sk.icsk_ack_timeout > tcp_jiffies(sk.kernel)) {
    sk.icsk_delack_timer?.mod(sk.icsk_ack_timeout);
    return;
  }
  sk.icsk_ack_pending &= ~ICSK_ACK_TIMER;
  if (!inet_csk_ack_scheduled(sk)) return;
  if (!inet_csk_in_pingpong_mode(sk)) {
    // The estimate of when more comes was too short.
    sk.icsk_ack_ato = Math.min(sk.icsk_ack_ato << 1, sk.icsk_rto);
  } else {
    // Nothing went back in time: not as interactive as it looked.
    inet_csk_exit_pingpong_mode(sk);
    sk.icsk_ack_ato = TCP_ATO_MIN;
  }
  tcp_mstamp_refresh(sk);
  tcp_send_ack(sk);
  sk.sk_net.ipv4.mib.TcpExtDelayedACKs++;
}

// ---- keep-alive -----------------------------------------------------------------------------------------------------

/** tcp_set_keepalive: SO_KEEPALIVE is being set to `on` (sk_keepopen still says what it was). */
export function tcp_set_keepalive(sk: tcp_sock, on: boolean): void {
  if (((1 << sk.sk_state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0) return;
  if (on && !sk.opts.sk_keepopen) inet_csk_reset_keepalive_timer(sk, keepalive_time_when(sk));
  else if (!on) inet_csk_delete_keepalive_timer(sk);
}

/** tcp_keepalive_timer: sk_timer has run out: keep-alive (RFC 9293 3.8.4), or the end of an orphan's FIN_WAIT2. */
export function tcp_keepalive_timer(sk: tcp_sock): void {
  if (sk.sk_state === TCP_LISTEN) return;
  tcp_mstamp_refresh(sk);
  if (sk.sk_state === TCP_FIN_WAIT2 && sk.sk_dead) {
    if (sk.opts.linger2 >= 0) {
      const tmo = tcp_fin_time(sk) - TCP_TIMEWAIT_LEN;
      if (tmo > 0) {
        tcp_time_wait(sk, TCP_FIN_WAIT2, tmo);
        return;
      }
    }
    tcp_send_active_reset(sk);
    tcp_done(sk);
    return;
  }
  if (!sk.opts.sk_keepopen || sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_SYN_SENT) return;
  let next = keepalive_time_when(sk);
  // While something is out, retransmission looks after the connection.
  if (sk.packets_out === 0 && tcp_write_queue_empty(sk)) {
    const elapsed = keepalive_time_elapsed(sk);
    if (elapsed >= next) {
      const { icsk_user_timeout: user_timeout } = sk.opts;
      if (
        user_timeout !== 0
          ? elapsed >= user_timeout && sk.icsk_probes_out > 0
          : sk.icsk_probes_out >= keepalive_probes(sk)
      ) {
        tcp_send_active_reset(sk);
        tcp_write_err(sk);
        return;
      }
      if (tcp_write_wakeup(sk, true) <= 0) {
        sk.icsk_probes_out++;
        next = keepalive_intvl_when(sk);
      } else {
        next = TCP_RESOURCE_PROBE_INTERVAL;
      }
    } else {
      next -= elapsed;
    }
  }
  inet_csk_reset_keepalive_timer(sk, next);
}
