/**
 * The states of congestion and recovery (net/ipv4/tcp_input.c: tcp_fastretrans_alert): Open, Disorder, CWR, Recovery, Loss;
 * PRR (RFC 6937), F-RTO (RFC 5682), and taking it all back when it was for nothing (RFC 3522, RFC 3708).
 */

import { TCP_SYN_SENT } from '../core/sock.ts';
import { tcp_ca_event, tcp_set_ca_state } from './tcp_cong.ts';
import { tcp_current_ssthresh } from './tcp_cwnd.ts';
import { tcp_ecn_queue_cwr } from './tcp_ecn.ts';
import {
  FLAG_DATA_SACKED,
  FLAG_ECE,
  FLAG_LOST_RETRANS,
  FLAG_ORIG_SACK_ACKED,
  FLAG_SACK_RENEGING,
  FLAG_SET_XMIT_TIMER,
  FLAG_SND_UNA_ADVANCED,
} from './tcp_flags.ts';
import { tcp_mtu_probe_out } from './tcp_mss.ts';
import { tcp_mtup_probe_failed } from './tcp_mtu_probe.ts';
import {
  TCP_RACK_RECOVERY_THRESH,
  tcp_mark_skb_lost,
  tcp_newreno_mark_lost,
  tcp_rack_mark_lost,
  tcp_rack_skb_timeout,
  tcp_simple_retransmit,
} from './tcp_recovery.ts';
import { tcp_check_sack_reordering, tcp_highest_sack_seq, type tcp_sacktag_state } from './tcp_sack.ts';
import {
  after,
  before,
  CA_EVENT_COMPLETE_CWR,
  CA_EVENT_LOSS,
  ICSK_TIME_RETRANS,
  own_slow,
  TCP_CA_CWR,
  TCP_CA_Disorder,
  TCP_CA_Loss,
  TCP_CA_Open,
  TCP_CA_Recovery,
  TCP_ECN_QUEUE_CWR,
  TCP_INFINITE_SSTHRESH,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  tcp_in_cwnd_reduction,
  tcp_is_reno,
  tcp_is_sack,
  tcp_jiffies,
  tcp_left_out,
  tcp_packets_in_flight,
  tcp_rtx_queue_empty,
  tcp_rtx_queue_head,
  type tcp_sock,
  tcp_wnd_end,
  tcp_write_queue_empty,
  usecs_to_jiffies,
} from './tcp_sock.ts';
import { inet_csk_reset_xmit_timer } from './tcp_timer.ts';
import { tcp_clear_all_retrans_hints } from './tcp_write_queue.ts';

/** What is to be sent after an ACK: nothing, what is lost, or something new. */
export const REXMIT_NONE = 0;
export const REXMIT_LOST = 1;
export const REXMIT_NEW = 2;

// ---- without SACK ---------------------------------------------------------------------------------------------------

/** tcp_limit_reno_sacked: duplicate ACKs cannot be more than what is out. True when there were too many. */
export function tcp_limit_reno_sacked(tp: tcp_sock): boolean {
  const holes = Math.min(Math.max(tp.lost_out, 1), tp.packets_out);
  if (tp.sacked_out + holes <= tp.packets_out) return false;
  tp.sacked_out = tp.packets_out - holes;
  return true;
}

/** tcp_check_reno_reordering: more duplicate ACKs than can be: packets were reordered or duplicated. */
function tcp_check_reno_reordering(sk: tcp_sock, addend: number): void {
  if (!tcp_limit_reno_sacked(sk)) return;
  const { ipv4 } = sk.sk_net;
  own_slow(sk).reordering = Math.min(sk.packets_out + addend, ipv4.tcp_max_reordering);
  own_slow(sk).reord_seen++;
  ipv4.mib.TcpExtTCPRenoReorder++;
}

/** tcp_add_reno_sack: each duplicate ACK is a segment that has arrived. */
function tcp_add_reno_sack(sk: tcp_sock, num_dupack: number): void {
  if (num_dupack === 0) return;
  const prior = sk.sacked_out;
  sk.sacked_out += num_dupack;
  tcp_check_reno_reordering(sk, 0);
  const delivered = sk.sacked_out - prior;
  if (delivered > 0) sk.delivered += delivered;
}

/** tcp_remove_reno_sacks: an ACK fills a hole; the rest of what it covers were duplicate ACKs before. */
export function tcp_remove_reno_sacks(sk: tcp_sock, acked: number): void {
  if (acked > 0) {
    sk.delivered += Math.max(acked - sk.sacked_out, 1);
    sk.sacked_out = acked - 1 >= sk.sacked_out ? 0 : sk.sacked_out - (acked - 1);
  }
  tcp_check_reno_reordering(sk, acked);
}

// ---- beginning and end ----------------------------------------------------------------------------------------------

/** tcp_any_retrans_done: is something out that was sent more than once? */
function tcp_any_retrans_done(sk: tcp_sock): boolean {
  if (sk.retrans_out !== 0) return true;
  const head = tcp_rtx_queue_head(sk);
  return head !== null && (head.sacked & TCPCB_EVER_RETRANS) !== 0;
}

/** tcp_retrans_stamp_cleanup */
export function tcp_retrans_stamp_cleanup(sk: tcp_sock): void {
  if (!tcp_any_retrans_done(sk)) sk.retrans_stamp = 0;
}

/** tcp_init_undo: from here on it can be taken back. */
function tcp_init_undo(tp: tcp_sock): void {
  const slow = own_slow(tp);
  slow.undo_marker = tp.snd_una === 0 ? 1 : tp.snd_una;
  slow.undo_retrans = tp.retrans_out;
  if (slow.tlp_high_seq !== 0 && slow.tlp_retrans !== 0) slow.undo_retrans++;
  // 0 would mean: everything was for nothing.
  if (slow.undo_retrans === 0) slow.undo_retrans = -1;
}

/** tcp_timeout_mark_lost: all that is out, but for what was sent just now. */
function tcp_timeout_mark_lost(sk: tcp_sock): void {
  const head = tcp_rtx_queue_head(sk);
  const is_reneg = head !== null && (head.sacked & TCPCB_SACKED_ACKED) !== 0;
  if (is_reneg) {
    // RFC 2018 8: the receiver has thrown away what it had reported.
    sk.sk_net.ipv4.mib.TcpExtTCPSACKReneging++;
    sk.sacked_out = 0;
    own_slow(sk).is_sack_reneg = 1;
  } else if (tcp_is_reno(sk)) {
    sk.sacked_out = 0;
  }
  for (let skb = head; skb !== null; skb = skb.next) {
    if (is_reneg) skb.sacked &= ~TCPCB_SACKED_ACKED;
    else if (skb !== head && tcp_rack_skb_timeout(sk, skb, 0) > 0) continue;
    tcp_mark_skb_lost(sk, skb);
  }
  tcp_clear_all_retrans_hints(sk);
}

/** tcp_enter_loss: after an RTO (RFC 5681 3.1 (4), RFC 5682). */
export function tcp_enter_loss(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  const state = sk.icsk_ca_state;
  const new_recovery = state < TCP_CA_Recovery;
  tcp_timeout_mark_lost(sk);
  // Once a window.
  if (
    state <= TCP_CA_Disorder ||
    !after(sk.slow.high_seq, sk.snd_una) ||
    (state === TCP_CA_Loss && sk.icsk_retransmits === 0)
  ) {
    own_slow(sk).prior_ssthresh = tcp_current_ssthresh(sk);
    own_slow(sk).prior_cwnd = sk.snd_cwnd;
    sk.snd_ssthresh = sk.icsk_ca_ops.ssthresh(sk);
    tcp_ca_event(sk, CA_EVENT_LOSS);
    tcp_init_undo(sk);
  }
  sk.snd_cwnd = tcp_packets_in_flight(sk) + 1;
  sk.snd_cwnd_cnt = 0;
  sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
  if (state <= TCP_CA_Disorder && sk.sacked_out >= ipv4.tcp_reordering) {
    own_slow(sk).reordering = Math.min(sk.slow.reordering, ipv4.tcp_reordering);
  }
  tcp_set_ca_state(sk, TCP_CA_Loss);
  own_slow(sk).high_seq = sk.snd_nxt;
  own_slow(sk).tlp_high_seq = 0;
  tcp_ecn_queue_cwr(sk);
  const frto = ipv4.tcp_frto !== 0 && (new_recovery || sk.icsk_retransmits !== 0);
  own_slow(sk).frto = frto && !tcp_mtu_probe_out(sk) ? 1 : 0;
}

/** tcp_init_cwnd_reduction */
export function tcp_init_cwnd_reduction(sk: tcp_sock): void {
  own_slow(sk).high_seq = sk.snd_nxt;
  own_slow(sk).tlp_high_seq = 0;
  sk.snd_cwnd_cnt = 0;
  own_slow(sk).prior_cwnd = sk.snd_cwnd;
  own_slow(sk).prr_delivered = 0;
  own_slow(sk).prr_out = 0;
  sk.snd_ssthresh = sk.icsk_ca_ops.ssthresh(sk);
  tcp_ecn_queue_cwr(sk);
}

/** tcp_cwnd_reduction: proportional rate reduction (RFC 6937): how much may go for what has arrived. */
export function tcp_cwnd_reduction(sk: tcp_sock, newly_acked_sacked: number, newly_lost: number, flag: number): void {
  if (newly_acked_sacked <= 0 || sk.slow.prior_cwnd === 0) return;
  const in_flight = tcp_packets_in_flight(sk);
  const delta = sk.snd_ssthresh - in_flight;
  own_slow(sk).prr_delivered += newly_acked_sacked;
  let sndcnt: number;
  if (delta < 0) {
    sndcnt =
      Math.floor((sk.snd_ssthresh * sk.slow.prr_delivered + sk.slow.prior_cwnd - 1) / sk.slow.prior_cwnd) -
      sk.slow.prr_out;
  } else {
    sndcnt = Math.max(sk.slow.prr_delivered - sk.slow.prr_out, newly_acked_sacked);
    if ((flag & FLAG_SND_UNA_ADVANCED) !== 0 && newly_lost === 0) sndcnt++;
    sndcnt = Math.min(delta, sndcnt);
  }
  // The fast retransmit itself goes in any case.
  sndcnt = Math.max(sndcnt, sk.slow.prr_out !== 0 ? 0 : 1);
  sk.snd_cwnd = in_flight + sndcnt;
}

/** tcp_end_cwnd_reduction */
export function tcp_end_cwnd_reduction(sk: tcp_sock): void {
  if (sk.icsk_ca_ops.cong_control !== null) return;
  if (sk.snd_ssthresh < TCP_INFINITE_SSTHRESH && (sk.icsk_ca_state === TCP_CA_CWR || sk.slow.undo_marker !== 0)) {
    sk.snd_cwnd = sk.snd_ssthresh;
    sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
  }
  tcp_ca_event(sk, CA_EVENT_COMPLETE_CWR);
}

/** tcp_enter_cwr: congestion without loss (ECN, a full queue below): the window is reduced without retransmissions. */
export function tcp_enter_cwr(sk: tcp_sock): void {
  own_slow(sk).prior_ssthresh = 0;
  if (sk.icsk_ca_state >= TCP_CA_CWR) return;
  own_slow(sk).undo_marker = 0;
  tcp_init_cwnd_reduction(sk);
  tcp_set_ca_state(sk, TCP_CA_CWR);
}

/** tcp_enter_recovery */
export function tcp_enter_recovery(sk: tcp_sock, ece_ack: boolean): void {
  const { mib } = sk.sk_net.ipv4;
  if (tcp_is_reno(sk)) mib.TcpExtTCPRenoRecovery++;
  else mib.TcpExtTCPSackRecovery++;
  tcp_retrans_stamp_cleanup(sk);
  own_slow(sk).prior_ssthresh = 0;
  tcp_init_undo(sk);
  if (!tcp_in_cwnd_reduction(sk)) {
    if (!ece_ack) own_slow(sk).prior_ssthresh = tcp_current_ssthresh(sk);
    tcp_init_cwnd_reduction(sk);
  }
  tcp_set_ca_state(sk, TCP_CA_Recovery);
}

/** tcp_try_keep_open */
export function tcp_try_keep_open(sk: tcp_sock): void {
  const state = tcp_left_out(sk) !== 0 || tcp_any_retrans_done(sk) ? TCP_CA_Disorder : TCP_CA_Open;
  if (sk.icsk_ca_state === state) return;
  tcp_set_ca_state(sk, state);
  own_slow(sk).high_seq = sk.snd_nxt;
}

/** tcp_try_to_open */
function tcp_try_to_open(sk: tcp_sock, flag: number): void {
  tcp_retrans_stamp_cleanup(sk);
  if ((flag & FLAG_ECE) !== 0) tcp_enter_cwr(sk);
  if (sk.icsk_ca_state !== TCP_CA_CWR) tcp_try_keep_open(sk);
}

// ---- taking it back -------------------------------------------------------------------------------------------------

/** tcp_tsopt_ecr_before: does the ACK echo a timestamp from before `stamp` (ms)? Then it was for the original (Eifel). */
export function tcp_tsopt_ecr_before(tp: tcp_sock, stamp: number): boolean {
  return tp.rx_opt.saw_tstamp !== 0 && tp.rx_opt.rcv_tsecr !== 0 && before(tp.rx_opt.rcv_tsecr, stamp | 0);
}

/** tcp_packet_delayed: what came late was not the retransmission. */
function tcp_packet_delayed(sk: tcp_sock): boolean {
  if (sk.retrans_stamp !== 0) return tcp_tsopt_ecr_before(sk, sk.retrans_stamp);
  // Nothing was retransmitted yet: but for two places that forget the time of what was. One is the end of a recovery
  // without SACK (tcp_is_non_sack_preventing_reopen), the other a SYN that is acknowledged.
  if (!tcp_is_sack(sk) && !before(sk.snd_una, sk.slow.high_seq)) return false;
  return sk.sk_state !== TCP_SYN_SENT;
}

function tcp_may_undo(sk: tcp_sock): boolean {
  return sk.slow.undo_marker !== 0 && (sk.slow.undo_retrans === 0 || tcp_packet_delayed(sk));
}

/** tcp_undo_cwnd_reduction */
function tcp_undo_cwnd_reduction(sk: tcp_sock, unmark_loss: boolean): void {
  if (unmark_loss) {
    for (let skb = tcp_rtx_queue_head(sk); skb !== null; skb = skb.next) skb.sacked &= ~TCPCB_LOST;
    sk.lost_out = 0;
    tcp_clear_all_retrans_hints(sk);
  }
  if (sk.slow.prior_ssthresh !== 0) {
    sk.snd_cwnd = sk.icsk_ca_ops.undo_cwnd(sk);
    if (sk.slow.prior_ssthresh > sk.snd_ssthresh) {
      sk.snd_ssthresh = sk.slow.prior_ssthresh;
      sk.ecn_flags &= ~TCP_ECN_QUEUE_CWR;
    }
  }
  sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
  own_slow(sk).undo_marker = 0;
  // RACK shall look at what is out once more.
  sk.rack_advanced = 1;
}

/** tcp_is_non_sack_preventing_reopen: RFC 6582 3.2 (1): without SACK, not before more than high_seq is acknowledged. */
function tcp_is_non_sack_preventing_reopen(sk: tcp_sock): boolean {
  if (sk.snd_una !== sk.slow.high_seq || !tcp_is_reno(sk)) return false;
  tcp_retrans_stamp_cleanup(sk);
  return true;
}

/** tcp_try_undo_recovery: true when the state must be held a little longer. */
export function tcp_try_undo_recovery(sk: tcp_sock): boolean {
  const { mib } = sk.sk_net.ipv4;
  if (tcp_may_undo(sk)) {
    if (sk.icsk_ca_state === TCP_CA_Loss) mib.TcpExtTCPLossUndo++;
    else mib.TcpExtTCPFullUndo++;
    tcp_undo_cwnd_reduction(sk, false);
  } else if (sk.slow.rack_reo_wnd_persist !== 0) {
    own_slow(sk).rack_reo_wnd_persist--;
  }
  if (tcp_is_non_sack_preventing_reopen(sk)) return true;
  tcp_set_ca_state(sk, TCP_CA_Open);
  if (sk.slow.is_sack_reneg !== 0) own_slow(sk).is_sack_reneg = 0;
  return false;
}

/** tcp_try_undo_dsack: every retransmission was reported as a duplicate. */
function tcp_try_undo_dsack(sk: tcp_sock): boolean {
  if (sk.slow.undo_marker === 0 || sk.slow.undo_retrans !== 0) return false;
  own_slow(sk).rack_reo_wnd_persist = Math.min(TCP_RACK_RECOVERY_THRESH, sk.slow.rack_reo_wnd_persist + 1);
  tcp_undo_cwnd_reduction(sk, false);
  sk.sk_net.ipv4.mib.TcpExtTCPDSACKUndo++;
  return true;
}

/** tcp_try_undo_loss: the RTO was for nothing. */
function tcp_try_undo_loss(sk: tcp_sock, frto_undo: boolean): boolean {
  const { mib } = sk.sk_net.ipv4;
  if (!frto_undo && !tcp_may_undo(sk)) return false;
  tcp_undo_cwnd_reduction(sk, true);
  mib.TcpExtTCPLossUndo++;
  if (frto_undo) mib.TcpExtTCPSpuriousRTOs++;
  sk.icsk_retransmits = 0;
  if (tcp_is_non_sack_preventing_reopen(sk)) return true;
  if (frto_undo || tcp_is_sack(sk)) {
    tcp_set_ca_state(sk, TCP_CA_Open);
    if (sk.slow.is_sack_reneg !== 0) own_slow(sk).is_sack_reneg = 0;
  }
  return true;
}

/** tcp_force_fast_retransmit: SACKs so far ahead that the first segment must be lost. */
function tcp_force_fast_retransmit(sk: tcp_sock): boolean {
  return after(tcp_highest_sack_seq(sk), (sk.snd_una + sk.slow.reordering * sk.mss_cache) | 0);
}

/** tcp_try_undo_partial: true when nothing more is to be marked or sent again for now. */
function tcp_try_undo_partial(sk: tcp_sock, prior_snd_una: number, state: tcp_sacktag_state): boolean {
  if (sk.slow.undo_marker === 0 || !tcp_packet_delayed(sk)) {
    state.do_lost = tcp_force_fast_retransmit(sk);
    return false;
  }
  // The hole was filled by the original: it was late, not lost.
  tcp_check_sack_reordering(sk, prior_snd_una, true);
  if (sk.retrans_out !== 0) return true;
  tcp_retrans_stamp_cleanup(sk);
  tcp_undo_cwnd_reduction(sk, true);
  sk.sk_net.ipv4.mib.TcpExtTCPPartialUndo++;
  tcp_try_keep_open(sk);
  return false;
}

// ---- the machine ----------------------------------------------------------------------------------------------------

/** tcp_process_loss: an ACK in Loss, with F-RTO (RFC 5682 3.1). */
function tcp_process_loss(sk: tcp_sock, flag: number, num_dupack: number, state: tcp_sacktag_state): void {
  const recovered = !before(sk.snd_una, sk.slow.high_seq);
  const advanced = (flag & FLAG_SND_UNA_ADVANCED) !== 0;
  if (advanced && tcp_try_undo_loss(sk, false)) return;
  if (sk.slow.frto !== 0) {
    // Something was acknowledged that was sent once only: not all was lost.
    if ((flag & FLAG_ORIG_SACK_ACKED) !== 0 && tcp_try_undo_loss(sk, true)) return;
    if (after(sk.snd_nxt, sk.slow.high_seq)) {
      if ((flag & FLAG_DATA_SACKED) !== 0 || num_dupack !== 0) own_slow(sk).frto = 0;
    } else if (advanced && !recovered) {
      own_slow(sk).high_seq = sk.snd_nxt;
      // Step 2b: something new; its ACK will tell.
      if (!tcp_write_queue_empty(sk) && after(tcp_wnd_end(sk), sk.snd_nxt)) {
        state.rexmit = REXMIT_NEW;
        return;
      }
      own_slow(sk).frto = 0;
    }
  }
  if (recovered) {
    tcp_try_undo_recovery(sk);
    return;
  }
  if (tcp_is_reno(sk)) {
    if (after(sk.snd_nxt, sk.slow.high_seq) && num_dupack !== 0) tcp_add_reno_sack(sk, num_dupack);
    else if (advanced) sk.sacked_out = 0;
  }
  state.rexmit = REXMIT_LOST;
}

/** tcp_identify_packet_loss */
function tcp_identify_packet_loss(sk: tcp_sock, state: tcp_sacktag_state): void {
  if (tcp_rtx_queue_empty(sk)) return;
  if (tcp_is_reno(sk)) {
    tcp_newreno_mark_lost(sk, (state.ack_flag & FLAG_SND_UNA_ADVANCED) !== 0);
    return;
  }
  const prior = sk.retrans_out;
  if (tcp_rack_mark_lost(sk)) state.ack_flag &= ~FLAG_SET_XMIT_TIMER;
  if (prior > sk.retrans_out) state.ack_flag |= FLAG_LOST_RETRANS;
}

/** tcp_check_sack_reneging: the head of the queue is SACKed, yet not acknowledged: give the receiver a moment. */
function tcp_check_sack_reneging(sk: tcp_sock, state: tcp_sacktag_state): boolean {
  const both = FLAG_SACK_RENEGING | FLAG_SND_UNA_ADVANCED;
  if ((state.ack_flag & both) !== both) return false;
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, Math.max(usecs_to_jiffies(sk.srtt_us >> 4), 10));
  state.ack_flag &= ~FLAG_SET_XMIT_TIMER;
  return true;
}

/** tcp_fastretrans_alert: an ACK that is not as it should be, or comes in trouble. `state`: ack_flag in and out, rexmit out. */
export function tcp_fastretrans_alert(
  sk: tcp_sock,
  prior_snd_una: number,
  num_dupack: number,
  state: tcp_sacktag_state,
): void {
  const flag = state.ack_flag;
  const ece_ack = (flag & FLAG_ECE) !== 0;
  state.do_lost = num_dupack !== 0 || ((flag & FLAG_DATA_SACKED) !== 0 && tcp_force_fast_retransmit(sk));
  if (sk.packets_out === 0 && sk.sacked_out !== 0) sk.sacked_out = 0;
  // The network itself asks for a reduction: that is not taken back.
  if (ece_ack) own_slow(sk).prior_ssthresh = 0;
  if (tcp_check_sack_reneging(sk, state)) return;
  if (sk.icsk_ca_state === TCP_CA_Open) {
    sk.retrans_stamp = 0;
  } else if (!before(sk.snd_una, sk.slow.high_seq)) {
    if (sk.icsk_ca_state === TCP_CA_CWR) {
      // Held until CWR has reached the receiver.
      if (sk.snd_una !== sk.slow.high_seq) {
        tcp_end_cwnd_reduction(sk);
        tcp_set_ca_state(sk, TCP_CA_Open);
      }
    } else if (sk.icsk_ca_state === TCP_CA_Recovery) {
      if (tcp_is_reno(sk)) sk.sacked_out = 0;
      if (tcp_try_undo_recovery(sk)) return;
      tcp_end_cwnd_reduction(sk);
    }
  }
  if (sk.icsk_ca_state === TCP_CA_Recovery) {
    if ((flag & FLAG_SND_UNA_ADVANCED) === 0) {
      if (tcp_is_reno(sk)) tcp_add_reno_sack(sk, num_dupack);
    } else if (tcp_try_undo_partial(sk, prior_snd_una, state)) {
      return;
    }
    if (tcp_try_undo_dsack(sk)) tcp_try_to_open(sk, flag);
    tcp_identify_packet_loss(sk, state);
    if ((sk.icsk_ca_state as number) !== TCP_CA_Recovery) {
      if (sk.lost_out === 0) return;
      tcp_enter_recovery(sk, ece_ack);
    }
    state.rexmit = REXMIT_LOST;
    return;
  }
  if (sk.icsk_ca_state === TCP_CA_Loss) {
    tcp_process_loss(sk, flag, num_dupack, state);
    if ((sk.icsk_ca_state as number) !== TCP_CA_Loss) tcp_update_rto_time(sk);
    tcp_identify_packet_loss(sk, state);
    if ((sk.icsk_ca_state as number) !== TCP_CA_Open && (state.ack_flag & FLAG_LOST_RETRANS) === 0) return;
  }
  if (tcp_is_reno(sk)) {
    if ((flag & FLAG_SND_UNA_ADVANCED) !== 0) sk.sacked_out = 0;
    tcp_add_reno_sack(sk, num_dupack);
  }
  if (sk.icsk_ca_state <= TCP_CA_Disorder) tcp_try_undo_dsack(sk);
  tcp_identify_packet_loss(sk, state);
  // tcp_time_to_recover
  if (sk.lost_out === 0) {
    tcp_try_to_open(sk, flag);
    return;
  }
  if (sk.icsk_ca_state < TCP_CA_CWR && tcp_mtu_probe_out(sk) && sk.snd_una === sk.slow.mtu_probe_seq_start) {
    tcp_mtup_probe_failed(sk);
    // The probe's segment more.
    sk.snd_cwnd++;
    tcp_simple_retransmit(sk);
    return;
  }
  tcp_enter_recovery(sk, ece_ack);
  state.rexmit = REXMIT_LOST;
}

/** tcp_update_rto_time: how long timeouts have held the connection up (tcp_info). */
export function tcp_update_rto_time(sk: tcp_sock): void {
  if (sk.slow.rto_stamp === 0) return;
  own_slow(sk).total_rto_time += Math.floor(sk.tcp_mstamp / 1000) - sk.slow.rto_stamp;
  own_slow(sk).rto_stamp = 0;
}
