/** Finding losses by time (net/ipv4/tcp_recovery.c: RACK, RFC 8985), and by duplicate ACKs without SACK (RFC 6582). */
import type { sk_buff } from '../core/skbuff.ts';
import { TCP_SYN_SENT } from '../core/sock.ts';
import { tcp_set_ca_state } from './tcp_cong.ts';
import { tcp_current_ssthresh } from './tcp_cwnd.ts';
import { tcp_cwnd_reduction, tcp_enter_recovery, tcp_limit_reno_sacked } from './tcp_fastretrans.ts';
import { tcp_current_mss, tcp_tsorted_unlink } from './tcp_output.ts';
import { tcp_skb_sent_after } from './tcp_rate.ts';
import { tcp_rearm_rto } from './tcp_rtt.ts';
import {
  before,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  type rate_sample,
  TCP_CA_Loss,
  TCP_CA_Recovery,
  TCP_TIMEOUT_MIN_US,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  tcp_is_reno,
  tcp_min_rtt,
  tcp_packets_in_flight,
  tcp_rtx_queue_head,
  type tcp_sock,
  usecs_to_jiffies,
} from './tcp_sock.ts';
import { inet_csk_reset_xmit_timer } from './tcp_timer.ts';
import { tcp_fragment, tcp_xmit_retransmit_queue } from './tcp_write_queue.ts';

const TCP_RACK_STATIC_REO_WND = 2;
const TCP_RACK_NO_DUPTHRESH = 4;
export const TCP_RACK_RECOVERY_THRESH = 16;

/** tcp_mark_skb_lost */
export function tcp_mark_skb_lost(sk: tcp_sock, skb: sk_buff): void {
  const { sacked, gso_segs: pcount } = skb;
  if ((sacked & TCPCB_SACKED_ACKED) !== 0) return;
  // tcp_verify_retransmit_hint
  const hint = sk.retransmit_skb_hint;
  if (hint === null ? sk.retrans_out >= sk.lost_out : before(skb.seq, hint.seq)) sk.retransmit_skb_hint = skb;
  if ((sacked & TCPCB_LOST) !== 0) {
    if ((sacked & TCPCB_SACKED_RETRANS) === 0) return;
    // Its retransmission was lost, too.
    skb.sacked = sacked & ~TCPCB_SACKED_RETRANS;
    sk.retrans_out -= pcount;
    sk.sk_net.ipv4.mib.TcpExtTCPLostRetransmit += pcount;
  } else {
    sk.lost_out += pcount;
    skb.sacked = sacked | TCPCB_LOST;
  }
  sk.lost += pcount;
}

/** tcp_rack_reo_wnd: how much later than others a packet may arrive and be no loss, in µs. */
function tcp_rack_reo_wnd(sk: tcp_sock): number {
  if (sk.reord_seen === 0) {
    // Nothing was ever reordered here: three duplicate ACKs, or a recovery that is on, are enough.
    if (sk.icsk_ca_state >= TCP_CA_Recovery) return 0;
    if (sk.sacked_out >= sk.reordering && (sk.sk_net.ipv4.tcp_recovery & TCP_RACK_NO_DUPTHRESH) === 0) return 0;
  }
  return Math.min((tcp_min_rtt(sk) >>> 2) * sk.rack_reo_wnd_steps, sk.srtt_us >> 3);
}

/** tcp_rack_skb_timeout: µs until the packet counts as lost. */
export function tcp_rack_skb_timeout(sk: tcp_sock, skb: sk_buff, reo_wnd: number): number {
  return sk.rack_rtt_us + reo_wnd - Math.max(0, sk.tcp_mstamp - skb.skb_mstamp);
}

/** tcp_rack_detect_loss: marks what is lost; µs until the next may be, 0 for none. */
function tcp_rack_detect_loss(sk: tcp_sock): number {
  const reo_wnd = tcp_rack_reo_wnd(sk);
  let timeout = 0;
  for (let skb = sk.tsorted_first; skb !== null; ) {
    const next = skb.tsorted_next;
    const { sacked } = skb;
    if ((sacked & TCPCB_LOST) === 0 || (sacked & TCPCB_SACKED_RETRANS) !== 0) {
      if (!tcp_skb_sent_after(sk.rack_mstamp, skb.skb_mstamp, sk.rack_end_seq, skb.end_seq)) break;
      const remaining = tcp_rack_skb_timeout(sk, skb, reo_wnd);
      if (remaining <= 0) {
        tcp_mark_skb_lost(sk, skb);
        tcp_tsorted_unlink(sk, skb);
      } else {
        timeout = Math.max(timeout, remaining);
      }
    }
    skb = next;
  }
  return timeout;
}

/** tcp_rack_mark_lost: true when the reordering timer was armed. */
export function tcp_rack_mark_lost(sk: tcp_sock): boolean {
  if (sk.rack_advanced === 0) return false;
  sk.rack_advanced = 0;
  const timeout = tcp_rack_detect_loss(sk);
  if (timeout === 0) return false;
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_REO_TIMEOUT, usecs_to_jiffies(timeout + TCP_TIMEOUT_MIN_US));
  return true;
}

/** tcp_rack_advance: a packet was delivered: of those the one sent last is what others are measured by. */
export function tcp_rack_advance(sk: tcp_sock, sacked: number, end_seq: number, xmit_time: number): void {
  const rtt_us = Math.max(0, sk.tcp_mstamp - xmit_time);
  // Sooner than the path allows: it was the original that arrived, not what was sent now.
  if (rtt_us < tcp_min_rtt(sk) && (sacked & TCPCB_RETRANS) !== 0) return;
  sk.rack_advanced = 1;
  sk.rack_rtt_us = rtt_us;
  if (tcp_skb_sent_after(xmit_time, sk.rack_mstamp, end_seq, sk.rack_end_seq)) {
    sk.rack_mstamp = xmit_time;
    sk.rack_end_seq = end_seq;
  }
}

/** tcp_rack_reo_timeout: what was late has not come. */
export function tcp_rack_reo_timeout(sk: tcp_sock): void {
  const { lost } = sk;
  const prior = tcp_packets_in_flight(sk);
  tcp_rack_detect_loss(sk);
  if (prior !== tcp_packets_in_flight(sk)) {
    if (sk.icsk_ca_state !== TCP_CA_Recovery) {
      tcp_enter_recovery(sk, false);
      if (sk.icsk_ca_ops.cong_control === null) tcp_cwnd_reduction(sk, 1, sk.lost - lost, 0);
    }
    tcp_xmit_retransmit_queue(sk);
  }
  if (sk.icsk_pending !== ICSK_TIME_RETRANS) tcp_rearm_rto(sk);
}

/** tcp_rack_update_reo_wnd: wider after D-SACKs, back to the start after 16 recoveries without one. */
export function tcp_rack_update_reo_wnd(sk: tcp_sock, rs: rate_sample): void {
  if ((sk.sk_net.ipv4.tcp_recovery & TCP_RACK_STATIC_REO_WND) !== 0 || rs.prior_delivered === 0) return;
  // Once a round trip.
  if (rs.prior_delivered < sk.rack_last_delivered) sk.rack_dsack_seen = 0;
  if (sk.rack_dsack_seen !== 0) {
    sk.rack_reo_wnd_steps = Math.min(0xff, sk.rack_reo_wnd_steps + 1);
    sk.rack_dsack_seen = 0;
    sk.rack_last_delivered = sk.delivered;
    sk.rack_reo_wnd_persist = TCP_RACK_RECOVERY_THRESH;
  } else if (sk.rack_reo_wnd_persist === 0) {
    sk.rack_reo_wnd_steps = 1;
  }
}

/** tcp_newreno_mark_lost: the first segment, after enough duplicate ACKs or a partial one (RFC 6582). */
export function tcp_newreno_mark_lost(sk: tcp_sock, snd_una_advanced: boolean): void {
  const state = sk.icsk_ca_state;
  const few = state < TCP_CA_Recovery && sk.sacked_out >= sk.reordering;
  if (!few && !(state === TCP_CA_Recovery && snd_una_advanced)) return;
  const skb = tcp_rtx_queue_head(sk);
  if (skb === null || (skb.sacked & TCPCB_LOST) !== 0) return;
  const mss = skb.gso_size;
  if (skb.gso_segs > 1 && skb.len > mss) tcp_fragment(sk, true, skb, mss, mss);
  tcp_mark_skb_lost(sk, skb);
}

/** tcp_non_congestion_loss_retransmit: what is marked as lost again, at once; the congestion window stays as it is. */
export function tcp_non_congestion_loss_retransmit(sk: tcp_sock): void {
  if (sk.icsk_ca_state !== TCP_CA_Loss) {
    sk.high_seq = sk.snd_nxt;
    sk.snd_ssthresh = tcp_current_ssthresh(sk);
    sk.prior_ssthresh = 0;
    sk.undo_marker = 0;
    tcp_set_ca_state(sk, TCP_CA_Loss);
  }
  tcp_xmit_retransmit_queue(sk);
}

/** tcp_simple_retransmit: the path takes smaller segments only: the larger ones again, which is no congestion. */
export function tcp_simple_retransmit(sk: tcp_sock): void {
  // A SYN with data is two packets in the queue, neither of which shows how long it was: both are lost.
  const mss = sk.syn_data !== 0 && sk.sk_state === TCP_SYN_SENT ? -1 : tcp_current_mss(sk);
  for (let skb = tcp_rtx_queue_head(sk); skb !== null; skb = skb.next) {
    const seglen = skb.gso_segs > 1 ? skb.gso_size : skb.len;
    if (seglen > mss) tcp_mark_skb_lost(sk, skb);
  }
  if (sk.lost_out === 0) return;
  if (tcp_is_reno(sk)) tcp_limit_reno_sacked(sk);
  tcp_non_congestion_loss_retransmit(sk);
}
