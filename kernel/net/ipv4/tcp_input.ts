/**
 * TCP's segments as they come (net/ipv4/tcp_input.c): the fast path of an established connection, checks of sequence
 * numbers and timestamps, and the states of RFC 9293 3.10.7. Data is in tcp_data.ts, ACKs are in tcp_ack.ts.
 *
 * Where a segment enters, data and transport_header are both at its header; seq, end_seq, ack_seq and tcp_flags are set;
 * its checksum was verified.
 */
import { consume_skb, SKB_DROP_REASON, type sk_buff, skb_pull } from '../core/skbuff.ts';
import {
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../core/sock.ts';
import { get32, INET_ECN_MASK } from './ip_header.ts';
import { reqsk_fastopen_remove } from './request_sock.ts';
import { tcp_done, tcp_set_state, tcp_shutdown } from './tcp.ts';
import { __tcp_replace_ts_recent, tcp_ack, tcp_may_update_window, tcp_update_pacing_rate } from './tcp_ack.ts';
import { tcp_oow_rate_limited, tcp_send_challenge_ack } from './tcp_challenge.ts';
import { tcp_init_congestion_control } from './tcp_cong.ts';
import { tcp_init_cwnd } from './tcp_cwnd.ts';
import {
  tcp_data_queue,
  tcp_data_ready,
  tcp_drop_reason,
  tcp_queue_rcv,
  tcp_reset,
  tcp_send_dupack,
  tcp_urg,
} from './tcp_data.ts';
import {
  type tcp_accecn,
  tcp_accecn_late_synack,
  tcp_accecn_third_ack,
  tcp_ecn_mode_accecn,
  tcp_ecn_mode_any,
  tcp_ecn_rcv_syn,
  tcp_ecn_rcv_synack,
  tcp_ecn_received_counters,
} from './tcp_ecn.ts';
import { tcp_rcv_fastopen_synack } from './tcp_fastopen.ts';
import { tcp_retrans_stamp_cleanup, tcp_try_undo_recovery, tcp_update_rto_time } from './tcp_fastretrans.ts';
import { FLAG_DATA, FLAG_NO_CHALLENGE_ACK, FLAG_SLOWPATH, FLAG_UPDATE_TS_RECENT } from './tcp_flags.ts';
import { tcp_send_head } from './tcp_helpers.ts';
import { sk_rmem_schedule } from './tcp_mem.ts';
import { tcp_init_metrics, tcp_update_metrics } from './tcp_metrics.ts';
import { tcp_check_req, tcp_time_wait } from './tcp_minisocks.ts';
import { tcp_fast_parse_options, tcp_parse_aligned_timestamp, tcp_parse_options } from './tcp_options.ts';
import { tcp_mtup_init, tcp_send_ack_reflect_ect, tcp_send_synack, tcp_sync_mss } from './tcp_output.ts';
import {
  __tcp_ack_snd_check,
  tcp_ack_snd_check,
  tcp_check_space,
  tcp_enter_quickack_mode,
  tcp_event_data_recv,
  tcp_init_buffer_space,
  tcp_initialize_rcv_mss,
  tcp_rcv_rtt_measure_ts,
} from './tcp_rcvbuf.ts';
import { tcp_rearm_rto, tcp_synack_rtt_meas } from './tcp_rtt.ts';
import {
  __tcp_fast_path_on,
  after,
  before,
  between,
  ICSK_TIME_RETRANS,
  inet_csk_ack_scheduled,
  inet_csk_in_pingpong_mode,
  inet_csk_schedule_ack,
  keepalive_time_when,
  ktime_get_seconds,
  own_slow,
  SELECTIVE_ACKS,
  TCP_CA_Loss,
  TCP_DELACK_MAX,
  TCP_ECN_MODE_ACCECN,
  TCP_HLEN,
  TCP_MAX_QUICKACKS,
  TCP_PAWS_WINDOW,
  TCP_TIMEOUT_MIN,
  TCP_TIMEWAIT_LEN,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPOLEN_TSTAMP_ALIGNED,
  tcp_clear_options,
  tcp_fast_path_on,
  tcp_fin_time,
  tcp_hdrlen,
  tcp_is_sack,
  tcp_jiffies,
  tcp_mstamp_refresh,
  tcp_paws_check,
  tcp_paws_reject,
  tcp_receive_window,
  type tcp_request_sock,
  type tcp_sock,
  tcp_store_ts_recent,
  tcp_time_stamp_ms,
  th_window,
} from './tcp_sock.ts';
import { inet_csk_reset_dack_timer, inet_csk_reset_keepalive_timer, inet_csk_reset_xmit_timer } from './tcp_timer.ts';
import { tcp_push_pending_frames } from './tcp_write_queue.ts';

/** The bits of a header's fourth word that header prediction looks at (TCP_HP_BITS): not PSH, nor the reserved ones. */
const TCP_HP_BITS = ~0x0e080000;
const TSTAMP_HLEN = TCP_HLEN + TCPOLEN_TSTAMP_ALIGNED;

/** tcp_data_snd_check: an ACK may have made room. */
function tcp_data_snd_check(sk: tcp_sock): void {
  tcp_push_pending_frames(sk);
  tcp_check_space(sk);
}

// ---- is it acceptable? ----------------------------------------------------------------------------------------------

/** tcp_disordered_ack_check: a pure ACK with an old timestamp may only have been overtaken. 0: let it pass, else why not. */
function tcp_disordered_ack_check(sk: tcp_sock, skb: sk_buff): number {
  const { seq, ack_seq } = skb;
  if ((skb.tcp_flags & TCPHDR_ACK) === 0 || seq !== skb.end_seq) return SKB_DROP_REASON.TCP_RFC7323_PAWS;
  if (seq !== sk.rcv_nxt) {
    return before(seq, sk.rcv_nxt) ? SKB_DROP_REASON.TCP_RFC7323_PAWS_ACK : SKB_DROP_REASON.TCP_RFC7323_PAWS;
  }
  if (ack_seq !== sk.snd_una) return SKB_DROP_REASON.TCP_RFC7323_PAWS;
  if (tcp_may_update_window(sk, ack_seq, seq, th_window(skb) << sk.rx_opt.snd_wscale)) {
    return SKB_DROP_REASON.TCP_RFC7323_PAWS;
  }
  // tcp_tsval_replay: not older than a retransmission could be.
  const age = (sk.rx_opt.ts_recent - sk.rx_opt.rcv_tsval) | 0;
  return age > Math.floor((sk.icsk_rto * 1200) / 1000) ? SKB_DROP_REASON.TCP_RFC7323_PAWS : 0;
}

/** tcp_sequence: 0 for a segment that reaches into the window, else why not (RFC 9293 3.10.7.4, first). */
function tcp_sequence(sk: tcp_sock, skb: sk_buff): number {
  const { seq, end_seq } = skb;
  if (before(end_seq, sk.rcv_wup)) return SKB_DROP_REASON.TCP_OLD_SEQUENCE;
  const limit = (sk.rcv_nxt + tcp_receive_window(sk)) | 0;
  if (!after(end_seq, limit)) return 0;
  // A FIN right behind the window is looked at later.
  if ((skb.tcp_flags & TCPHDR_FIN) !== 0 && !after((end_seq - 1) | 0, limit)) return 0;
  if (after(seq, limit)) return SKB_DROP_REASON.TCP_INVALID_SEQUENCE;
  // More than was offered: only when nothing waits to be read.
  return sk.sk_receive_queue.first !== null ? SKB_DROP_REASON.TCP_INVALID_END_SEQUENCE : 0;
}

/** tcp_reset_check: after its FIN some stacks send a RST with the sequence number of that FIN. */
function tcp_reset_check(sk: tcp_sock, skb: sk_buff): boolean {
  const state = sk.sk_state;
  return (
    skb.seq === ((sk.rcv_nxt - 1) | 0) && (state === TCP_CLOSE_WAIT || state === TCP_LAST_ACK || state === TCP_CLOSING)
  );
}

/** RFC 5961 3.2: does the RST hit the very next byte? Or the end of the farthest SACK block. */
function rst_is_exact(sk: tcp_sock, skb: sk_buff): boolean {
  if (skb.seq === sk.rcv_nxt || tcp_reset_check(sk, skb)) return true;
  const { num_sacks } = sk.rx_opt;
  if (!tcp_is_sack(sk) || num_sacks === 0) return false;
  let max_sack = sk.slow.sacks[SELECTIVE_ACKS + 1] as number;
  for (let i = 1; i < num_sacks; i++) {
    const end = sk.slow.sacks[SELECTIVE_ACKS + i * 2 + 1] as number;
    if (after(end, max_sack)) max_sack = end;
  }
  return skb.seq === max_sack;
}

/**
 * tcp_validate_incoming: PAWS, sequence number, RST and SYN (RFC 5961, RFC 7323 5.3). False: the segment was dealt with
 * and is gone.
 */
function tcp_validate_incoming(sk: tcp_sock, skb: sk_buff, syn_inerr: boolean): boolean {
  const { ipv4 } = sk.sk_net;
  const { mib } = ipv4;
  const rst = (skb.tcp_flags & TCPHDR_RST) !== 0;
  const syn = (skb.tcp_flags & TCPHDR_SYN) !== 0;
  if (tcp_fast_parse_options(sk.sk_net, skb, sk) && sk.rx_opt.saw_tstamp !== 0) {
    if (!tcp_paws_check(sk.rx_opt, TCP_PAWS_WINDOW, ktime_get_seconds(sk.kernel))) {
      const reason = tcp_disordered_ack_check(sk, skb);
      // A RST is accepted even so.
      if (reason !== 0 && !rst) {
        if (syn) return syn_challenge(sk, skb, syn_inerr);
        if (reason === SKB_DROP_REASON.TCP_RFC7323_PAWS_ACK) {
          mib.TcpExtPAWSOldAck++;
        } else {
          mib.TcpExtPAWSEstab++;
          if (tcp_oow_rate_limited(sk, skb)) mib.TcpExtTCPACKSkippedPAWS++;
          else tcp_send_dupack(sk, skb);
        }
        tcp_drop_reason(sk, skb, reason);
        return false;
      }
    }
  }
  const reason = tcp_sequence(sk, skb);
  if (reason !== 0) {
    if (rst) {
      if (tcp_reset_check(sk, skb)) {
        tcp_reset(sk);
        consume_skb(skb);
        return false;
      }
    } else {
      if (syn) return syn_challenge(sk, skb, syn_inerr);
      if (reason !== SKB_DROP_REASON.TCP_OLD_SEQUENCE) mib.TcpExtBeyondWindow++;
      if (tcp_oow_rate_limited(sk, skb)) mib.TcpExtTCPACKSkippedSeq++;
      else tcp_send_dupack(sk, skb);
    }
    tcp_drop_reason(sk, skb, reason);
    return false;
  }
  if (rst) {
    if (rst_is_exact(sk, skb)) {
      tcp_reset(sk);
      consume_skb(skb);
    } else {
      tcp_send_challenge_ack(sk);
      tcp_drop_reason(sk, skb, SKB_DROP_REASON.TCP_RESET);
    }
    return false;
  }
  if (syn) {
    const accecn = tcp_ecn_mode_accecn(sk);
    if (accecn) tcp_accecn_late_synack(sk, skb);
    // The SYN/ACK of a simultaneous open.
    const crossed =
      sk.sk_state === TCP_SYN_RECV &&
      sk.sk_socket !== null &&
      (skb.tcp_flags & TCPHDR_ACK) !== 0 &&
      ((skb.seq + 1) | 0) === skb.end_seq &&
      skb.end_seq === sk.rcv_nxt &&
      skb.ack_seq === sk.snd_nxt;
    if (!crossed) return syn_challenge(sk, skb, syn_inerr, accecn);
  }
  return true;
}

/** RFC 5961 4.2: a SYN in the middle of a connection; `accecn`: see tcp_send_challenge_ack. Takes the skb. */
function syn_challenge(sk: tcp_sock, skb: sk_buff, syn_inerr: boolean, accecn = false): false {
  const { mib } = sk.sk_net.ipv4;
  if (syn_inerr) mib.TcpInErrs++;
  mib.TcpExtTCPSYNChallenge++;
  tcp_send_challenge_ack(sk, accecn);
  tcp_drop_reason(sk, skb, SKB_DROP_REASON.TCP_INVALID_SYN);
  return false;
}

// ---- established ----------------------------------------------------------------------------------------------------

/**
 * tcp_rcv_established: most segments are what was expected next (header prediction), and take a short way; the others go
 * through all checks. Takes the skb.
 */
export function tcp_rcv_established(sk: tcp_sock, skb: sk_buff): void {
  const { ram } = skb;
  const th = skb.transport_header;
  tcp_mstamp_refresh(sk);
  sk.rx_opt.saw_tstamp = 0;
  if (
    (get32(ram, th + 12) & TCP_HP_BITS) === sk.pred_flags &&
    skb.seq === sk.rcv_nxt &&
    !after(skb.ack_seq, sk.snd_nxt) &&
    fast_path(sk, skb)
  ) {
    return;
  }
  if ((skb.tcp_flags & (TCPHDR_ACK | TCPHDR_RST | TCPHDR_SYN)) === 0) {
    tcp_drop_reason(sk, skb, SKB_DROP_REASON.TCP_FLAGS);
    return;
  }
  if (!tcp_validate_incoming(sk, skb, true)) return;
  if (ecn_counts(sk, skb)) tcp_ecn_received_counters(sk, skb, skb.len - tcp_hdrlen(skb));
  const result = tcp_ack(sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT);
  if (result < 0) {
    tcp_drop_reason(sk, skb, -result);
    return;
  }
  tcp_rcv_rtt_measure_ts(sk, skb);
  tcp_urg(sk, skb);
  tcp_data_queue(sk, skb);
  tcp_data_snd_check(sk);
  tcp_ack_snd_check(sk);
}

/** Does how the segment has come have to be noted? In accurate ECN always, else where it came with ECT. */
function ecn_counts(sk: tcp_sock, skb: sk_buff): boolean {
  return ((skb.ip_dsfield & INET_ECN_MASK) | (sk.ecn_flags & TCP_ECN_MODE_ACCECN)) !== 0;
}

/** The short way. False: it is not for this segment, nothing was done. */
function fast_path(sk: tcp_sock, skb: sk_buff): boolean {
  const { rx_opt } = sk;
  const header_len = sk.tcp_header_len;
  const stamped = header_len === TSTAMP_HLEN;
  if (stamped) {
    if (!tcp_parse_aligned_timestamp(sk, skb)) return false;
    if (((rx_opt.rcv_tsval - rx_opt.ts_recent) | 0) < 0) return false;
  }
  const { len } = skb;
  if (len < header_len) return false;
  if (len === header_len) {
    // Nothing but an ACK: this side sends.
    const flag = stamped && sk.rcv_nxt === sk.rcv_wup ? __tcp_replace_ts_recent(sk) : 0;
    if (ecn_counts(sk, skb)) tcp_ecn_received_counters(sk, skb, 0);
    tcp_ack(sk, skb, flag);
    consume_skb(skb);
    tcp_data_snd_check(sk);
    sk.rcv_rtt_last_tsecr = rx_opt.rcv_tsecr;
    return true;
  }
  // Data, in order: this side receives. Not with an ACK that is too old (RFC 5961 5.2), though Linux takes it this way.
  const old = (sk.snd_una - skb.ack_seq) | 0;
  if (old > 0 && old > Math.min(sk.max_window, sk.bytes_acked)) return false;
  if (after(skb.end_seq, (sk.rcv_nxt + tcp_receive_window(sk)) | 0)) return false;
  // With memory set aside for it, it is taken even if the buffer has become too small.
  if (skb.truesize > sk.sk_forward_alloc) {
    // Linux takes the long way then. It makes a difference where something waits to be sent, and with an old ACK.
    if (old !== 0 || sk.packets_out !== 0 || tcp_send_head(sk) !== null) return false;
    if (sk.sk_rmem_alloc > sk.sk_rcvbuf || !sk_rmem_schedule(sk, skb.truesize)) return false;
  }
  const flag = stamped && sk.rcv_nxt === sk.rcv_wup ? FLAG_DATA | __tcp_replace_ts_recent(sk) : FLAG_DATA;
  tcp_rcv_rtt_measure_ts(sk, skb);
  sk.sk_net.ipv4.mib.TcpExtTCPHPHits++;
  if (ecn_counts(sk, skb)) tcp_ecn_received_counters(sk, skb, len - header_len);
  const { ack_seq, seq } = skb;
  skb_pull(skb, header_len);
  const eaten = tcp_queue_rcv(sk, skb);
  tcp_event_data_recv(sk, skb);
  if (ack_seq !== sk.snd_una) {
    tcp_ack(sk, skb, flag);
    tcp_data_snd_check(sk);
    if (inet_csk_ack_scheduled(sk)) __tcp_ack_snd_check(sk, false);
  } else {
    sk.snd_wl1 = seq;
    __tcp_ack_snd_check(sk, false);
  }
  if (eaten) consume_skb(skb);
  tcp_data_ready(sk);
  return true;
}

// ---- opening --------------------------------------------------------------------------------------------------------

/** tcp_init_transfer: the connection is there: windows, buffers, congestion control. */
export function tcp_init_transfer(sk: tcp_sock): void {
  tcp_mtup_init(sk);
  sk.icsk_af_ops.rebuild_header(sk);
  tcp_init_metrics(sk);
  // RFC 5681 3.1: one segment after a SYN was lost; more than once, as the first RTO is short now.
  sk.snd_cwnd = sk.slow.total_retrans > 1 && sk.slow.undo_marker !== 0 ? 1 : tcp_init_cwnd(sk);
  sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
  if (sk.icsk_ca_initialized === 0) tcp_init_congestion_control(sk);
  tcp_init_buffer_space(sk);
}

/** tcp_finish_connect: our SYN was answered. */
export function tcp_finish_connect(sk: tcp_sock, skb: sk_buff | null): void {
  tcp_set_state(sk, TCP_ESTABLISHED);
  const now = tcp_jiffies(sk.kernel);
  sk.icsk_ack_lrcvtime = now;
  if (skb !== null) sk.icsk_af_ops.sk_rx_dst_set(sk, skb);
  tcp_init_transfer(sk);
  sk.lsndtime = now;
  if (sk.opts.sk_keepopen) inet_csk_reset_keepalive_timer(sk, keepalive_time_when(sk));
  if (sk.rx_opt.snd_wscale === 0) __tcp_fast_path_on(sk, sk.snd_wnd);
  else sk.pred_flags = 0;
}

/** tcp_try_undo_spurious_syn: what was answered was the first SYN: its retransmission was for nothing. */
function tcp_try_undo_spurious_syn(sk: tcp_sock): void {
  const { rx_opt, retrans_stamp } = sk;
  if (
    sk.slow.undo_marker !== 0 &&
    retrans_stamp !== 0 &&
    rx_opt.saw_tstamp !== 0 &&
    (retrans_stamp | 0) === rx_opt.rcv_tsecr
  ) {
    own_slow(sk).undo_marker = 0;
  }
}

/** What a SYN says of timestamps. */
function take_syn_timestamp(sk: tcp_sock): void {
  if (sk.rx_opt.saw_tstamp === 0) {
    sk.tcp_header_len = TCP_HLEN;
    return;
  }
  sk.rx_opt.tstamp_ok = 1;
  tcp_store_ts_recent(sk);
  sk.tcp_header_len = TSTAMP_HLEN;
}

/** Forgets what a SYN that is not accepted has said. */
function undo_options(sk: tcp_sock, saved_clamp: number): void {
  tcp_clear_options(sk.rx_opt);
  sk.rx_opt.mss_clamp = saved_clamp;
}

/**
 * tcp_rcv_synsent_state_process (RFC 9293 3.10.7.3). -1: established, go on with the segment; 0: done, the skb is gone;
 * above: why a RST is to be sent, the skb stays the caller's.
 */
function tcp_rcv_synsent_state_process(sk: tcp_sock, skb: sk_buff): number {
  const { rx_opt } = sk;
  const { mib } = sk.sk_net.ipv4;
  const { tcp_flags: flags, seq, ack_seq } = skb;
  const saved_clamp = rx_opt.mss_clamp;
  const { foc } = sk.sk_net.ipv4.tcp.fastopen;
  foc.len = -1;
  tcp_parse_options(sk.sk_net, skb, rx_opt, 0, foc);
  if (rx_opt.saw_tstamp !== 0 && rx_opt.rcv_tsecr !== 0) rx_opt.rcv_tsecr = (rx_opt.rcv_tsecr - sk.tsoffset) | 0;
  if ((flags & TCPHDR_ACK) === 0) return synsent_without_ack(sk, skb, saved_clamp);

  if (!after(ack_seq, sk.snd_una) || after(ack_seq, sk.snd_nxt)) {
    // Of an earlier connection: its RST makes the other side forget that, so our SYN goes again soon.
    if (sk.icsk_retransmits === 0) inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN);
    undo_options(sk, saved_clamp);
    return SKB_DROP_REASON.TCP_INVALID_ACK_SEQUENCE;
  }
  if (
    rx_opt.saw_tstamp !== 0 &&
    rx_opt.rcv_tsecr !== 0 &&
    !between(rx_opt.rcv_tsecr, sk.retrans_stamp | 0, tcp_time_stamp_ms(sk))
  ) {
    mib.TcpExtPAWSActive++;
    undo_options(sk, saved_clamp);
    return SKB_DROP_REASON.TCP_RFC7323_PAWS;
  }
  if ((flags & TCPHDR_RST) !== 0) {
    tcp_reset(sk);
    consume_skb(skb);
    return 0;
  }
  if ((flags & TCPHDR_SYN) === 0) {
    undo_options(sk, saved_clamp);
    tcp_drop_reason(sk, skb, SKB_DROP_REASON.TCP_FLAGS);
    return 0;
  }
  if (tcp_ecn_mode_any(sk)) tcp_ecn_rcv_synack(sk, skb);
  sk.snd_wl1 = seq;
  tcp_try_undo_spurious_syn(sk);
  tcp_ack(sk, skb, FLAG_SLOWPATH);
  sk.rcv_nxt = (seq + 1) | 0;
  sk.rcv_wup = sk.rcv_nxt;
  // A SYN's window is never scaled (RFC 7323 2.2).
  sk.snd_wnd = th_window(skb);
  if (rx_opt.wscale_ok === 0) {
    rx_opt.snd_wscale = 0;
    rx_opt.rcv_wscale = 0;
    sk.window_clamp = Math.min(sk.window_clamp, 65535);
  }
  take_syn_timestamp(sk);
  if (rx_opt.tstamp_ok !== 0) sk.advmss -= TCPOLEN_TSTAMP_ALIGNED;
  tcp_sync_mss(sk, sk.icsk_pmtu_cookie);
  tcp_initialize_rcv_mss(sk);
  sk.copied_seq = sk.rcv_nxt;
  tcp_finish_connect(sk, skb);
  const fail = (sk.slow.syn_fastopen | sk.slow.syn_data) !== 0 && tcp_rcv_fastopen_synack(sk, skb, foc);
  if (!sk.sk_dead) sk.sk_state_change(sk);
  // Data of the SYN is on its way again, with the ACK.
  if (fail) return -1;
  if (sk.sk_write_pending !== 0 || sk.opts.defer_accept !== 0 || inet_csk_in_pingpong_mode(sk)) {
    // Data follows at once: it carries the ACK.
    inet_csk_schedule_ack(sk);
    tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
    inet_csk_reset_dack_timer(sk, TCP_DELACK_MAX);
    consume_skb(skb);
    return 0;
  }
  tcp_send_ack_reflect_ect(sk, tcp_ecn_mode_accecn(sk));
  return -1;
}

/** A SYN from the other side that has crossed ours (RFC 9293 3.5, simultaneous open), or rubbish. Takes the skb. */
function synsent_without_ack(sk: tcp_sock, skb: sk_buff, saved_clamp: number): number {
  const { rx_opt } = sk;
  const { tcp_flags: flags, seq } = skb;
  let reason = SKB_DROP_REASON.TCP_FLAGS;
  if ((flags & TCPHDR_RST) !== 0) {
    reason = SKB_DROP_REASON.TCP_RESET;
  } else if (
    rx_opt.ts_recent_stamp !== 0 &&
    rx_opt.saw_tstamp !== 0 &&
    tcp_paws_reject(rx_opt, false, ktime_get_seconds(sk.kernel))
  ) {
    reason = SKB_DROP_REASON.TCP_RFC7323_PAWS;
  } else if ((flags & TCPHDR_SYN) !== 0) {
    tcp_set_state(sk, TCP_SYN_RECV);
    take_syn_timestamp(sk);
    sk.rcv_nxt = (seq + 1) | 0;
    sk.copied_seq = sk.rcv_nxt;
    sk.rcv_wup = sk.rcv_nxt;
    sk.snd_wnd = th_window(skb);
    sk.snd_wl1 = seq;
    sk.max_window = sk.snd_wnd;
    if (tcp_ecn_mode_any(sk)) tcp_ecn_rcv_syn(sk, skb);
    tcp_mtup_init(sk);
    tcp_sync_mss(sk, sk.icsk_pmtu_cookie);
    tcp_initialize_rcv_mss(sk);
    tcp_send_synack(sk);
    consume_skb(skb);
    return 0;
  }
  undo_options(sk, saved_clamp);
  tcp_drop_reason(sk, skb, reason);
  return 0;
}

// ---- all other states -----------------------------------------------------------------------------------------------

/** tcp_rcv_synrecv_state_fastopen: the SYN/ACK of a child that has long been at work is answered. */
function tcp_rcv_synrecv_state_fastopen(sk: tcp_sock, req: tcp_request_sock): void {
  // If only the SYN/ACK was late; what peers report as missing is another matter.
  if (sk.icsk_ca_state === TCP_CA_Loss && sk.packets_out === 0) tcp_try_undo_recovery(sk);
  tcp_update_rto_time(sk);
  sk.icsk_retransmits = 0;
  // It may have been set by the SYN/ACK's timer alone.
  tcp_retrans_stamp_cleanup(sk);
  reqsk_fastopen_remove(sk, req, false);
  // From now on the timer is that of the data.
  tcp_rearm_rto(sk);
}

/** The handshake's last ACK has come. */
function syn_recv_to_established(sk: tcp_sock, skb: sk_buff): void {
  // The SYN/ACK counts as delivered; no ACK has counted it.
  sk.delivered++;
  const { fastopen_rsk: req } = sk.slow;
  // A child of a SYN cookie, or of a simultaneous open: its timestamps are the first sample.
  if (sk.srtt_us === 0) tcp_synack_rtt_meas(sk, req?.snt_synack ?? 0, req !== null && req.num_retrans !== 0);
  // Before the buffers are sized, which is done in segments as they will come.
  if (sk.rx_opt.tstamp_ok !== 0) sk.advmss -= TCPOLEN_TSTAMP_ALIGNED;
  if (req !== null) {
    tcp_rcv_synrecv_state_fastopen(sk, req);
  } else {
    tcp_try_undo_spurious_syn(sk);
    sk.retrans_stamp = 0;
    tcp_init_transfer(sk);
    sk.copied_seq = sk.rcv_nxt;
  }
  tcp_set_state(sk, TCP_ESTABLISHED);
  sk.sk_state_change(sk);
  sk.snd_una = skb.ack_seq;
  sk.snd_wnd = th_window(skb) << sk.rx_opt.snd_wscale;
  sk.snd_wl1 = skb.seq;
  if (sk.icsk_ca_ops.cong_control === null) tcp_update_pacing_rate(sk);
  sk.lsndtime = tcp_jiffies(sk.kernel);
  tcp_initialize_rcv_mss(sk);
  if (tcp_ecn_mode_accecn(sk)) tcp_accecn_third_ack(sk, skb, (sk.slow.accecn as tcp_accecn).syn_ect_snt);
  tcp_fast_path_on(sk);
  if ((sk.sk_shutdown & SEND_SHUTDOWN) !== 0) tcp_shutdown(sk, SEND_SHUTDOWN);
}

/** Our FIN is acknowledged. True: the sock is on its way out, and the segment is gone. */
function fin_wait1_acked(sk: tcp_sock, skb: sk_buff): boolean {
  tcp_set_state(sk, TCP_FIN_WAIT2);
  sk.sk_shutdown |= SEND_SHUTDOWN;
  if (!sk.sk_dead) {
    sk.sk_state_change(sk);
    return false;
  }
  const fin = (skb.tcp_flags & TCPHDR_FIN) !== 0;
  const late_data = skb.end_seq !== skb.seq && after((skb.end_seq - (fin ? 1 : 0)) | 0, sk.rcv_nxt);
  if (sk.opts.linger2 < 0 || late_data) {
    // Nobody will read it.
    tcp_done(sk);
    sk.sk_net.ipv4.mib.TcpExtTCPAbortOnData++;
    return false;
  }
  const tmo = tcp_fin_time(sk);
  if (tmo > TCP_TIMEWAIT_LEN) {
    inet_csk_reset_keepalive_timer(sk, tmo - TCP_TIMEWAIT_LEN);
  } else if (fin) {
    // The FIN comes with it: the small sock would not see it.
    inet_csk_reset_keepalive_timer(sk, tmo);
  } else {
    tcp_time_wait(sk, TCP_FIN_WAIT2, tmo);
    consume_skb(skb);
    return true;
  }
  return false;
}

/**
 * tcp_rcv_state_process: every state but ESTABLISHED and TIME_WAIT (RFC 9293 3.10.7). 0: done, the skb is gone; else why
 * the caller is to send a RST and to drop the skb.
 */
export function tcp_rcv_state_process(sk: tcp_sock, skb: sk_buff): number {
  const { tcp_flags: flags } = skb;
  switch (sk.sk_state) {
    case TCP_CLOSE:
      tcp_drop_reason(sk, skb, SKB_DROP_REASON.TCP_CLOSE);
      return 0;
    case TCP_LISTEN:
      return listen_state_process(sk, skb);
    case TCP_SYN_SENT: {
      sk.rx_opt.saw_tstamp = 0;
      tcp_mstamp_refresh(sk);
      const result = tcp_rcv_synsent_state_process(sk, skb);
      if (result >= 0) return result;
      tcp_urg(sk, skb);
      consume_skb(skb);
      tcp_data_snd_check(sk);
      return 0;
    }
    default:
      break;
  }
  tcp_mstamp_refresh(sk);
  sk.rx_opt.saw_tstamp = 0;
  const { fastopen_rsk: req } = sk.slow;
  if (req !== null && tcp_check_req(sk, skb, req, true) === null) {
    tcp_drop_reason(sk, skb, skb.cb0);
    return 0;
  }
  if ((flags & (TCPHDR_ACK | TCPHDR_RST | TCPHDR_SYN)) === 0) {
    tcp_drop_reason(sk, skb, SKB_DROP_REASON.TCP_FLAGS);
    return 0;
  }
  if (!tcp_validate_incoming(sk, skb, false)) return 0;
  const result = tcp_ack(sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT | FLAG_NO_CHALLENGE_ACK);
  if (result <= 0) {
    if (sk.sk_state === TCP_SYN_RECV) return result === 0 ? SKB_DROP_REASON.TCP_OLD_ACK : -result;
    // While closing an old ACK is taken.
    if (result < 0) {
      tcp_send_challenge_ack(sk);
      tcp_drop_reason(sk, skb, -result);
      return 0;
    }
  }
  switch (sk.sk_state) {
    case TCP_SYN_RECV:
      syn_recv_to_established(sk, skb);
      break;
    case TCP_FIN_WAIT1:
      if (req !== null) tcp_rcv_synrecv_state_fastopen(sk, req);
      if (sk.snd_una !== sk.write_seq) break;
      if (fin_wait1_acked(sk, skb)) return 0;
      if ((sk.sk_state as number) === TCP_CLOSE) return SKB_DROP_REASON.TCP_ABORT_ON_DATA;
      break;
    case TCP_CLOSING:
      if (sk.snd_una !== sk.write_seq) break;
      tcp_time_wait(sk, TCP_TIME_WAIT, 0);
      consume_skb(skb);
      return 0;
    case TCP_LAST_ACK:
      if (sk.snd_una !== sk.write_seq) break;
      tcp_update_metrics(sk);
      tcp_done(sk);
      consume_skb(skb);
      return 0;
    default:
      break;
  }
  tcp_urg(sk, skb);
  return segment_text(sk, skb);
}

/** Step seven: the segment's text, and what there is to send then. */
function segment_text(sk: tcp_sock, skb: sk_buff): number {
  const fin = (skb.tcp_flags & TCPHDR_FIN) !== 0 ? 1 : 0;
  const { sk_state: state } = sk;
  // Nothing comes behind a FIN.
  const closing = state === TCP_CLOSE_WAIT || state === TCP_CLOSING || state === TCP_LAST_ACK;
  const queued = state !== TCP_CLOSE && (!closing || before(skb.seq, sk.rcv_nxt));
  if (queued) {
    // RFC 9293 3.6.1 (RFC 1122 4.2.2.13): data for a program that has closed is answered with a RST.
    if (
      state !== TCP_ESTABLISHED &&
      (sk.sk_shutdown & RCV_SHUTDOWN) !== 0 &&
      skb.end_seq !== skb.seq &&
      after((skb.end_seq - fin) | 0, sk.rcv_nxt)
    ) {
      sk.sk_net.ipv4.mib.TcpExtTCPAbortOnData++;
      tcp_reset(sk);
      return SKB_DROP_REASON.TCP_ABORT_ON_DATA;
    }
    tcp_data_queue(sk, skb);
  }
  // The data may have moved the sock on.
  if (sk.sk_state !== TCP_CLOSE) {
    tcp_data_snd_check(sk);
    tcp_ack_snd_check(sk);
  }
  // A bare acknowledgement has done its work; data has come for nobody.
  if (!queued && skb.end_seq === skb.seq) consume_skb(skb);
  else if (!queued) tcp_drop_reason(sk, skb, SKB_DROP_REASON.TCP_CLOSE);
  return 0;
}

/** RFC 9293 3.10.7.2 */
function listen_state_process(sk: tcp_sock, skb: sk_buff): number {
  const { tcp_flags: flags } = skb;
  if ((flags & TCPHDR_ACK) !== 0) return SKB_DROP_REASON.TCP_FLAGS;
  let reason = SKB_DROP_REASON.TCP_FLAGS;
  if ((flags & TCPHDR_RST) !== 0) {
    reason = SKB_DROP_REASON.TCP_RESET;
  } else if ((flags & (TCPHDR_SYN | TCPHDR_FIN)) === TCPHDR_SYN) {
    sk.icsk_af_ops.conn_request(sk, skb);
    consume_skb(skb);
    return 0;
  }
  tcp_drop_reason(sk, skb, reason);
  return 0;
}
