/** Acknowledgements (net/ipv4/tcp_input.c: tcp_ack): windows, what may be forgotten, and what congestion control makes of it. */

import { SKB_DROP_REASON } from '../core/dropreason.ts';
import { __skb_tstamp_tx, SCM_TSTAMP_ACK } from '../core/skb_tstamp.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { TCP_SYN_SENT } from '../core/sock.ts';
import { tcp_send_challenge_ack } from './tcp_challenge.ts';
import { tcp_set_ca_state } from './tcp_cong.ts';
import { tcp_chrono_stop, tcp_slow_start_after_idle_check } from './tcp_cwnd.ts';
import { tcp_accecn_process, tcp_ecn_accept_cwr, tcp_ecn_mode_accecn, tcp_ecn_mode_rfc3168 } from './tcp_ecn.ts';
import {
  REXMIT_NEW,
  REXMIT_NONE,
  tcp_cwnd_reduction,
  tcp_end_cwnd_reduction,
  tcp_fastretrans_alert,
  tcp_init_cwnd_reduction,
  tcp_remove_reno_sacks,
  tcp_try_keep_open,
  tcp_tsopt_ecr_before,
} from './tcp_fastretrans.ts';
import {
  FLAG_ACK_MAYBE_DELAYED,
  FLAG_ACKED,
  FLAG_CA_ALERT,
  FLAG_DATA,
  FLAG_DATA_ACKED,
  FLAG_DATA_SACKED,
  FLAG_DSACK_TLP,
  FLAG_DSACKING_ACK,
  FLAG_ECE,
  FLAG_FORWARD_PROGRESS,
  FLAG_NO_CHALLENGE_ACK,
  FLAG_NOT_DUP,
  FLAG_ORIG_SACK_ACKED,
  FLAG_RETRANS_DATA_ACKED,
  FLAG_SACK_RENEGING,
  FLAG_SET_XMIT_TIMER,
  FLAG_SLOWPATH,
  FLAG_SND_UNA_ADVANCED,
  FLAG_SYN_ACKED,
  FLAG_TS_PROGRESS,
  FLAG_UPDATE_TS_RECENT,
  FLAG_WIN_UPDATE,
} from './tcp_flags.ts';
import { tcp_mtu_probe_out } from './tcp_mss.ts';
import { tcp_mtup_probe_success } from './tcp_mtu_probe.ts';
import { tcp_current_mss, tcp_sync_mss } from './tcp_output.ts';
import { tcp_limit_pacing_rate, tcp_pacing_delay } from './tcp_pacing.ts';
import { tcp_rate_gen, tcp_rate_skb_delivered } from './tcp_rate.ts';
import { tcp_rack_advance, tcp_rack_update_reo_wnd } from './tcp_recovery.ts';
import { tcp_ack_update_rtt, tcp_rearm_rto } from './tcp_rtt.ts';
import {
  tcp_check_sack_reordering,
  tcp_highest_sack_replace,
  tcp_highest_sack_seq,
  type tcp_sacktag_state,
  tcp_sacktag_write_queue,
} from './tcp_sack.ts';
import {
  after,
  before,
  between,
  ICSK_TIME_PROBE0,
  ktime_get_seconds,
  own_slow,
  type rate_sample,
  TCP_CA_CWR,
  TCP_CA_Open,
  TCP_CHRONO_BUSY,
  TCP_NAGLE_OFF,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPHDR_ECE,
  TCPHDR_SYN,
  tcp_fast_path_check,
  tcp_flag_byte,
  tcp_in_cwnd_reduction,
  tcp_is_reno,
  tcp_is_sack,
  tcp_jiffies,
  tcp_packets_in_flight,
  tcp_paws_check,
  tcp_send_head,
  type tcp_sock,
  tcp_store_ts_recent,
  tcp_wnd_end,
  tcp_write_queue_empty,
  th_window,
} from './tcp_sock.ts';
import {
  inet_csk_clear_xmit_timer,
  inet_csk_reset_xmit_timer,
  tcp_clamp_probe0_to_user_timeout,
  tcp_probe0_when,
} from './tcp_timer.ts';
import {
  __tcp_push_pending_frames,
  tcp_rtx_queue_unlink_and_free,
  tcp_schedule_loss_probe,
  tcp_trim_head,
  tcp_xmit_retransmit_queue,
} from './tcp_write_queue.ts';

// ---- windows --------------------------------------------------------------------------------------------------------

/** tcp_may_update_window: is this segment's window newer, or larger, than the one known? (RFC 9293 3.10.7.4) */
export function tcp_may_update_window(tp: tcp_sock, ack: number, ack_seq: number, nwin: number): boolean {
  return (
    after(ack, tp.snd_una) ||
    after(ack_seq, tp.snd_wl1) ||
    (ack_seq === tp.snd_wl1 && (nwin > tp.snd_wnd || nwin === 0))
  );
}

/** tcp_snd_una_update */
function tcp_snd_una_update(tp: tcp_sock, ack: number): void {
  tp.bytes_acked += (ack - tp.snd_una) | 0;
  tp.snd_una = ack;
}

/** tcp_ack_update_window */
function tcp_ack_update_window(sk: tcp_sock, skb: sk_buff, ack: number, ack_seq: number): number {
  let flag = 0;
  let nwin = th_window(skb);
  if ((tcp_flag_byte(skb) & TCPHDR_SYN) === 0) nwin <<= sk.rx_opt.snd_wscale;
  if (tcp_may_update_window(sk, ack, ack_seq, nwin)) {
    flag = FLAG_WIN_UPDATE;
    sk.snd_wl1 = ack_seq;
    if (sk.snd_wnd !== nwin) {
      sk.snd_wnd = nwin;
      // Here alone a sender comes back to the fast path.
      sk.pred_flags = 0;
      tcp_fast_path_check(sk);
      if (!tcp_write_queue_empty(sk)) tcp_slow_start_after_idle_check(sk);
      if (nwin > sk.max_window) {
        sk.max_window = nwin;
        tcp_sync_mss(sk, sk.icsk_pmtu_cookie);
      }
    }
  }
  tcp_snd_una_update(sk, ack);
  return flag;
}

/** __tcp_replace_ts_recent: FLAG_TS_PROGRESS for a newer one. */
export function __tcp_replace_ts_recent(sk: tcp_sock): number {
  const { rx_opt } = sk;
  const delta = (rx_opt.rcv_tsval - rx_opt.ts_recent) | 0;
  tcp_store_ts_recent(sk);
  return delta > 0 ? FLAG_TS_PROGRESS : 0;
}

/** tcp_replace_ts_recent: RFC 7323 4.3 (2). */
function tcp_replace_ts_recent(sk: tcp_sock, seq: number): number {
  if (sk.rx_opt.saw_tstamp === 0 || after(seq, sk.rcv_wup)) return 0;
  return tcp_paws_check(sk.rx_opt, 0, ktime_get_seconds(sk.kernel)) ? __tcp_replace_ts_recent(sk) : 0;
}

/** tcp_ack_probe: the ACK of a window probe, or of nothing. */
function tcp_ack_probe(sk: tcp_sock): void {
  const head = tcp_send_head(sk);
  if (head === null) return;
  if (!after(head.end_seq, tcp_wnd_end(sk))) {
    sk.icsk_backoff = 0;
    if (sk.slow.icsk_probes_tstamp !== 0) own_slow(sk).icsk_probes_tstamp = 0;
    inet_csk_clear_xmit_timer(sk);
    return;
  }
  const when = tcp_clamp_probe0_to_user_timeout(sk, tcp_probe0_when(sk));
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_PROBE0, when + tcp_pacing_delay(sk));
}

// ---- forgetting -----------------------------------------------------------------------------------------------------

/** tcp_tso_acked: a part of a packet is acknowledged: whole segments of it. */
function tcp_tso_acked(sk: tcp_sock, skb: sk_buff): number {
  const before_segs = skb.gso_segs;
  tcp_trim_head(sk, skb, (sk.snd_una - skb.seq) | 0);
  return before_segs - skb.gso_segs;
}

/** tcp_ack_tstamp: the byte that the stamp is of has been acknowledged. */
function tcp_ack_tstamp(sk: tcp_sock, skb: sk_buff, prior_snd_una: number): void {
  const { tskey } = skb;
  if (before(tskey, prior_snd_una) || !before(tskey, sk.snd_una)) return;
  __skb_tstamp_tx(skb, sk, SCM_TSTAMP_ACK, (tskey - sk.sk_tskey) | 0);
}

/** tcp_clean_rtx_queue: frees what is acknowledged; RTT samples from it. FLAG_ bits. */
function tcp_clean_rtx_queue(
  sk: tcp_sock,
  prior_fack: number,
  prior_snd_una: number,
  state: tcp_sacktag_state,
  rs: rate_sample,
): number {
  const now = sk.tcp_mstamp;
  const prior_sacked = sk.sacked_out;
  let first_ackt = 0;
  let last_ackt = 0;
  let reord = sk.snd_nxt;
  let fully_acked = true;
  let pkts_acked = 0;
  let flag = 0;
  let skb = sk.tcp_rtx_queue.first;
  while (skb !== null) {
    const start_seq = skb.seq;
    const { sacked } = skb;
    let acked = skb.gso_segs;
    if (after(skb.end_seq, sk.snd_una)) {
      if (skb.gso_segs === 1 || !after(sk.snd_una, skb.seq)) break;
      acked = tcp_tso_acked(sk, skb);
      if (acked === 0) break;
      fully_acked = false;
    }
    if ((sacked & TCPCB_RETRANS) !== 0) {
      if ((sacked & TCPCB_SACKED_RETRANS) !== 0) sk.retrans_out -= acked;
      flag |= FLAG_RETRANS_DATA_ACKED;
    } else if ((sacked & TCPCB_SACKED_ACKED) === 0) {
      last_ackt = skb.skb_mstamp;
      if (first_ackt === 0) first_ackt = last_ackt;
      if (before(start_seq, reord)) reord = start_seq;
      if (!after(skb.end_seq, sk.slow.high_seq)) flag |= FLAG_ORIG_SACK_ACKED;
    }
    if ((sacked & TCPCB_SACKED_ACKED) !== 0) {
      sk.sacked_out -= acked;
    } else if (tcp_is_sack(sk)) {
      sk.delivered += acked;
      const spurious = (sacked & TCPCB_RETRANS) !== 0 && tcp_tsopt_ecr_before(sk, Math.floor(skb.skb_mstamp / 1000));
      if (!spurious) tcp_rack_advance(sk, sacked, skb.end_seq, skb.skb_mstamp);
    }
    if ((sacked & TCPCB_LOST) !== 0) sk.lost_out -= acked;
    sk.packets_out -= acked;
    pkts_acked += acked;
    tcp_rate_skb_delivered(sk, skb, rs);
    if ((skb.tcp_flags & TCPHDR_SYN) === 0) {
      flag |= FLAG_DATA_ACKED;
    } else {
      flag |= FLAG_SYN_ACKED;
      sk.retrans_stamp = 0;
    }
    if (!fully_acked) break;
    if (skb.txstamp_ack !== 0) tcp_ack_tstamp(sk, skb, prior_snd_una);
    const next: sk_buff | null = skb.next;
    if (skb === sk.slow.retransmit_skb_hint) own_slow(sk).retransmit_skb_hint = null;
    tcp_highest_sack_replace(sk, skb, next);
    tcp_rtx_queue_unlink_and_free(sk, skb);
    skb = next;
  }
  if (skb === null) tcp_chrono_stop(sk, TCP_CHRONO_BUSY);
  if (between(sk.snd_up, prior_snd_una, sk.snd_una)) sk.snd_up = sk.snd_una;
  if (skb !== null && (skb.sacked & TCPCB_SACKED_ACKED) !== 0) flag |= FLAG_SACK_RENEGING;

  let seq_rtt_us = -1;
  let ca_rtt_us = -1;
  let sack_rtt_us = -1;
  // Karn's rule: nothing that was sent twice is a measure.
  if (first_ackt !== 0 && (flag & FLAG_RETRANS_DATA_ACKED) === 0) {
    seq_rtt_us = Math.max(0, now - first_ackt);
    ca_rtt_us = Math.max(0, now - last_ackt);
    if (pkts_acked === 1 && fully_acked && prior_sacked === 0 && ((sk.snd_una - prior_snd_una) | 0) < sk.mss_cache) {
      // A lone small segment: the receiver may have taken its time.
      flag |= FLAG_ACK_MAYBE_DELAYED;
    }
  }
  if (state.first_sackt !== 0) {
    sack_rtt_us = Math.max(0, now - state.first_sackt);
    ca_rtt_us = Math.max(0, now - state.last_sackt);
  }
  const rtt_update = tcp_ack_update_rtt(sk, flag, seq_rtt_us, sack_rtt_us, ca_rtt_us, rs);
  if ((flag & FLAG_ACKED) !== 0) {
    flag |= FLAG_SET_XMIT_TIMER;
    state.delivered_bytes = ((skb === null ? sk.snd_una : skb.seq) - prior_snd_una) | 0;
    if (tcp_mtu_probe_out(sk) && !after(sk.slow.mtu_probe_seq_end, sk.snd_una)) tcp_mtup_probe_success(sk);
    if (tcp_is_reno(sk)) {
      tcp_remove_reno_sacks(sk, pkts_acked);
      // Without SACK nobody knows whether it was the original.
      if ((flag & FLAG_RETRANS_DATA_ACKED) !== 0) flag &= ~FLAG_ORIG_SACK_ACKED;
    } else if (before(reord, prior_fack)) {
      // A hole was filled that was never sent again.
      tcp_check_sack_reordering(sk, reord, false);
    }
  } else if (skb !== null && rtt_update && sack_rtt_us >= 0 && sack_rtt_us > now - skb.skb_mstamp) {
    flag |= FLAG_SET_XMIT_TIMER;
  }
  const { pkts_acked: event } = sk.icsk_ca_ops;
  if (event !== null) {
    const sample = sk.sk_net.ipv4.tcp_ack_sample;
    sample.pkts_acked = pkts_acked;
    sample.rtt_us = rs.rtt_us;
    sample.in_flight = sk.mss_cache * (sk.delivered - rs.prior_delivered);
    event(sk, sample);
  }
  if (sk.packets_out === 0 && tcp_is_sack(sk)) {
    // A packet that was sent again, and again after its loss was taken back, counts once too often ("retrans_out leaked").
    sk.lost_out = 0;
    sk.sacked_out = 0;
    sk.retrans_out = 0;
  }
  return flag;
}

// ---- what comes of it -----------------------------------------------------------------------------------------------

/** tcp_process_tlp_ack: the end of a loss probe's episode (RFC 8985 7.4). */
function tcp_process_tlp_ack(sk: tcp_sock, ack: number, flag: number): void {
  if (before(ack, sk.slow.tlp_high_seq)) return;
  if (sk.slow.tlp_retrans === 0) {
    // It was new data, and has arrived.
    own_slow(sk).tlp_high_seq = 0;
  } else if ((flag & FLAG_DSACK_TLP) !== 0) {
    own_slow(sk).tlp_high_seq = 0;
  } else if (after(ack, sk.slow.tlp_high_seq)) {
    // The probe has repaired a loss, which is congestion all the same.
    tcp_init_cwnd_reduction(sk);
    tcp_set_ca_state(sk, TCP_CA_CWR);
    tcp_end_cwnd_reduction(sk);
    tcp_try_keep_open(sk);
    sk.sk_net.ipv4.mib.TcpExtTCPLossProbeRecovery++;
  } else if ((flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DATA_SACKED)) === 0) {
    // A duplicate ACK: both have arrived.
    own_slow(sk).tlp_high_seq = 0;
  }
}

/** tcp_update_pacing_rate: bytes a second; also sizes large packets and small queues. */
export function tcp_update_pacing_rate(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  const ratio = sk.snd_cwnd < sk.snd_ssthresh / 2 ? ipv4.tcp_pacing_ss_ratio : ipv4.tcp_pacing_ca_ratio;
  let rate = sk.mss_cache * 80000 * ratio * Math.max(sk.snd_cwnd, sk.packets_out);
  if (sk.srtt_us !== 0) rate = Math.floor(rate / sk.srtt_us);
  tcp_limit_pacing_rate(sk, rate);
}

/** tcp_cong_control */
function tcp_cong_control(sk: tcp_sock, ack: number, acked_sacked: number, flag: number, rs: rate_sample): void {
  const ops = sk.icsk_ca_ops;
  if (ops.cong_control !== null) {
    ops.cong_control(sk, ack, flag, rs);
    return;
  }
  if (tcp_in_cwnd_reduction(sk)) {
    tcp_cwnd_reduction(sk, acked_sacked, rs.losses, flag);
  } else {
    // tcp_may_raise_cwnd: where packets are reordered much, any delivery counts.
    const much = sk.slow.reordering > sk.sk_net.ipv4.tcp_reordering;
    if ((flag & (much ? FLAG_FORWARD_PROGRESS : FLAG_DATA_ACKED)) !== 0 && ops.cong_avoid !== null) {
      ops.cong_avoid(sk, ack, acked_sacked);
      sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
    }
  }
  tcp_update_pacing_rate(sk);
}

/** tcp_xmit_recovery */
function tcp_xmit_recovery(sk: tcp_sock, rexmit: number): void {
  if (rexmit === REXMIT_NONE || sk.sk_state === TCP_SYN_SENT) return;
  if (rexmit === REXMIT_NEW) {
    __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF);
    if (after(sk.snd_nxt, sk.slow.high_seq)) return;
    if (sk.slow.frto !== 0) own_slow(sk).frto = 0;
  }
  tcp_xmit_retransmit_queue(sk);
}

/**
 * tcp_newly_delivered, tcp_count_delivered_ce: with RFC 3168's ECE all that arrived has met congestion, in accurate ECN
 * `ecn_count` packets.
 */
function tcp_newly_delivered(sk: tcp_sock, prior: number, ecn_count: number, flag: number): number {
  const { mib } = sk.sk_net.ipv4;
  const delivered = sk.delivered - prior;
  mib.TcpExtTCPDelivered += delivered;
  if ((flag & FLAG_ECE) !== 0) {
    if (tcp_ecn_mode_rfc3168(sk)) {
      ecn_count = delivered;
      own_slow(sk).delivered_ce += delivered;
    }
    mib.TcpExtTCPDeliveredCE += ecn_count;
  }
  return delivered;
}

/** A scratch sample as new. */
function reset_sample(rs: rate_sample): void {
  rs.prior_mstamp = 0;
  rs.prior_delivered = 0;
  rs.delivered = 0;
  rs.interval_us = 0;
  rs.rtt_us = 0;
  rs.losses = 0;
  rs.acked_sacked = 0;
  rs.last_end_seq = 0;
  rs.is_app_limited = 0;
  rs.is_retrans = 0;
  rs.is_ack_delayed = 0;
}

/**
 * tcp_ack: `flag` is FLAG_SLOWPATH and the like. Does not take the skb.
 *
 * @returns 1: a good ACK; 0: an old one; negative: minus the reason for which the segment is to be dropped
 */
export function tcp_ack(sk: tcp_sock, skb: sk_buff, flag: number): number {
  const { ipv4 } = sk.sk_net;
  const state = ipv4.tcp_sack_state;
  const rs = ipv4.tcp_rs;
  const prior_snd_una = sk.snd_una;
  const { seq: ack_seq, ack_seq: ack } = skb;
  const prior_packets = sk.packets_out;
  const prior_delivered = sk.delivered;
  const prior_lost = sk.slow.lost;
  let ecn_count = 0;
  state.first_sackt = 0;
  state.last_sackt = 0;
  state.sack_delivered = 0;
  state.delivered_bytes = 0;
  state.rexmit = REXMIT_NONE;
  reset_sample(rs);

  if (before(ack, prior_snd_una)) {
    // RFC 5961 5.2: not older than what the window has ever been.
    const max_window = Math.min(sk.max_window, sk.bytes_acked);
    if (before(ack, (prior_snd_una - max_window) | 0)) {
      if ((flag & FLAG_NO_CHALLENGE_ACK) === 0) tcp_send_challenge_ack(sk);
      return -SKB_DROP_REASON.TCP_TOO_OLD_ACK;
    }
    if (skb.sacked !== 0) {
      // What it adds to sack_delivered, an old ACK does not count.
      flag |= tcp_sacktag_write_queue(sk, skb, prior_snd_una, state, rs);
      if (tcp_ecn_mode_accecn(sk)) {
        ecn_count = tcp_accecn_process(sk, skb, sk.delivered - prior_delivered, state.delivered_bytes, flag);
        if (ecn_count > 0) flag |= FLAG_ECE;
      }
      state.ack_flag = flag;
      tcp_fastretrans_alert(sk, prior_snd_una, 0, state);
      tcp_newly_delivered(sk, prior_delivered, ecn_count, flag);
      tcp_xmit_recovery(sk, state.rexmit);
    }
    return 0;
  }
  if (after(ack, sk.snd_nxt)) {
    // RFC 9293 3.10.7.4, fifth: what was never sent cannot be acknowledged: an ACK says where we are.
    if ((flag & FLAG_NO_CHALLENGE_ACK) === 0) tcp_send_challenge_ack(sk);
    return -SKB_DROP_REASON.TCP_ACK_UNSENT_DATA;
  }
  if (after(ack, prior_snd_una)) {
    flag |= FLAG_SND_UNA_ADVANCED;
    sk.icsk_retransmits = 0;
  }
  const prior_fack = tcp_is_sack(sk) ? tcp_highest_sack_seq(sk) : sk.snd_una;
  rs.prior_in_flight = tcp_packets_in_flight(sk);
  if ((flag & FLAG_UPDATE_TS_RECENT) !== 0) flag |= tcp_replace_ts_recent(sk, skb.seq);

  if ((flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED)) === FLAG_SND_UNA_ADVANCED) {
    // The window is as it was.
    sk.snd_wl1 = ack_seq;
    tcp_snd_una_update(sk, ack);
    flag |= FLAG_WIN_UPDATE;
    ipv4.mib.TcpExtTCPHPAcks++;
  } else {
    if (ack_seq !== skb.end_seq) flag |= FLAG_DATA;
    else ipv4.mib.TcpExtTCPPureAcks++;
    flag |= tcp_ack_update_window(sk, skb, ack, ack_seq);
    if (skb.sacked !== 0) {
      flag |= tcp_sacktag_write_queue(sk, skb, prior_snd_una, state, rs);
      sk.delivered += state.sack_delivered;
    }
    const bits = tcp_flag_byte(skb);
    if ((bits & (TCPHDR_ECE | TCPHDR_SYN)) === TCPHDR_ECE && tcp_ecn_mode_rfc3168(sk)) flag |= FLAG_ECE;
  }
  tcp_ecn_accept_cwr(sk, skb);
  // Something gets through.
  sk.sk_err_soft = 0;
  sk.icsk_probes_out = 0;
  sk.rcv_tstamp = tcp_jiffies(sk.kernel);

  if (prior_packets === 0) {
    if (tcp_ecn_mode_accecn(sk)) {
      ecn_count = tcp_accecn_process(sk, skb, sk.delivered - prior_delivered, state.delivered_bytes, flag);
      if (ecn_count > 0) flag |= FLAG_ECE;
    }
    if ((flag & FLAG_DSACKING_ACK) !== 0) {
      state.ack_flag = flag;
      tcp_fastretrans_alert(sk, prior_snd_una, 0, state);
      tcp_newly_delivered(sk, prior_delivered, ecn_count, flag);
    }
    tcp_ack_probe(sk);
    if (sk.slow.tlp_high_seq !== 0) tcp_process_tlp_ack(sk, ack, flag);
    return 1;
  }

  flag |= tcp_clean_rtx_queue(sk, prior_fack, prior_snd_una, state, rs);
  tcp_rack_update_reo_wnd(sk, rs);
  if (tcp_ecn_mode_accecn(sk)) {
    ecn_count = tcp_accecn_process(sk, skb, sk.delivered - prior_delivered, state.delivered_bytes, flag);
    if (ecn_count > 0) flag |= FLAG_ECE;
  }
  if (sk.slow.tlp_high_seq !== 0) tcp_process_tlp_ack(sk, ack, flag);
  // tcp_ack_is_dubious
  if ((flag & FLAG_NOT_DUP) === 0 || (flag & FLAG_CA_ALERT) !== 0 || sk.icsk_ca_state !== TCP_CA_Open) {
    let num_dupack = 0;
    if ((flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK)) === 0) {
      num_dupack = Math.max(1, skb.gso_segs);
    }
    state.ack_flag = flag;
    tcp_fastretrans_alert(sk, prior_snd_una, num_dupack, state);
    flag = state.ack_flag;
  }
  // tcp_set_xmit_timer
  if ((flag & FLAG_SET_XMIT_TIMER) !== 0 && !tcp_schedule_loss_probe(sk, true)) tcp_rearm_rto(sk);
  const delivered = tcp_newly_delivered(sk, prior_delivered, ecn_count, flag);
  rs.is_ack_delayed = (flag & FLAG_ACK_MAYBE_DELAYED) !== 0 ? 1 : 0;
  tcp_rate_gen(sk, delivered, sk.slow.lost - prior_lost, sk.slow.is_sack_reneg !== 0, rs);
  tcp_cong_control(sk, ack, delivered, flag, rs);
  tcp_xmit_recovery(sk, state.rexmit);
  return 1;
}
