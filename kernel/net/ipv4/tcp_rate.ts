/** The rate at which data is delivered, by what lay between a segment's sending and its ACK (net/ipv4/tcp_rate.c). µs. */
import type { sk_buff } from '../core/skbuff.ts';
import {
  after,
  type rate_sample,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  tcp_min_rtt,
  tcp_packets_in_flight,
  type tcp_sock,
} from './tcp_sock.ts';

export const USEC_PER_SEC = 1_000_000;

/** tcp_rate_skb_sent: the state of delivery goes with the packet. */
export function tcp_rate_skb_sent(sk: tcp_sock, skb: sk_buff): void {
  // Nothing was out: the times begin here.
  if (sk.packets_out === 0) {
    sk.first_tx_mstamp = skb.skb_mstamp;
    sk.delivered_mstamp = skb.skb_mstamp;
  }
  skb.tx_first_mstamp = sk.first_tx_mstamp;
  skb.tx_delivered_mstamp = sk.delivered_mstamp;
  skb.tx_delivered = sk.delivered;
  skb.tx_is_app_limited = sk.app_limited !== 0 ? 1 : 0;
}

/** tcp_skb_sent_after: was 1 sent after 2? Ties go by sequence number. */
export function tcp_skb_sent_after(t1: number, t2: number, seq1: number, seq2: number): boolean {
  return t1 > t2 || (t1 === t2 && after(seq1, seq2));
}

/** tcp_rate_skb_delivered: of the packets that an ACK covers, the one sent last is the sample. */
export function tcp_rate_skb_delivered(sk: tcp_sock, skb: sk_buff, rs: rate_sample): void {
  if (skb.tx_delivered_mstamp === 0) return;
  const sent = skb.skb_mstamp;
  if (rs.prior_delivered === 0 || tcp_skb_sent_after(sent, sk.first_tx_mstamp, skb.end_seq, rs.last_end_seq)) {
    rs.prior_delivered = skb.tx_delivered;
    rs.prior_mstamp = skb.tx_delivered_mstamp;
    rs.is_app_limited = skb.tx_is_app_limited;
    rs.is_retrans = (skb.sacked & TCPCB_RETRANS) !== 0 ? 1 : 0;
    rs.last_end_seq = skb.end_seq;
    sk.first_tx_mstamp = sent;
    rs.interval_us = Math.max(0, sent - skb.tx_first_mstamp);
  }
  // A packet counts once: when it is SACKed, not again when it is acknowledged.
  if ((skb.sacked & TCPCB_SACKED_ACKED) !== 0) skb.tx_delivered_mstamp = 0;
}

/** tcp_rate_gen: the sample of this ACK. */
export function tcp_rate_gen(sk: tcp_sock, delivered: number, lost: number, reneg: boolean, rs: rate_sample): void {
  if (sk.app_limited !== 0 && sk.delivered > sk.app_limited) sk.app_limited = 0;
  if (delivered !== 0) sk.delivered_mstamp = sk.tcp_mstamp;
  rs.acked_sacked = delivered;
  rs.losses = lost;
  if (rs.prior_mstamp === 0 || reneg) {
    rs.delivered = -1;
    rs.interval_us = -1;
    return;
  }
  rs.delivered = sk.delivered - rs.prior_delivered;
  // The longer of what sending and acknowledging took.
  const snd_us = rs.interval_us;
  const ack_us = Math.max(0, sk.tcp_mstamp - rs.prior_mstamp);
  rs.interval_us = Math.max(snd_us, ack_us);
  rs.rcv_interval_us = ack_us;
  // Faster than a round trip: a measure of compressed ACKs.
  if (rs.interval_us < tcp_min_rtt(sk)) {
    rs.interval_us = -1;
    return;
  }
  if (rs.is_app_limited === 0 || rs.delivered * sk.rate_interval_us >= sk.rate_delivered * rs.interval_us) {
    sk.rate_delivered = rs.delivered;
    sk.rate_interval_us = rs.interval_us;
    sk.rate_app_limited = rs.is_app_limited;
  }
}

/** tcp_rate_check_app_limited: the program has nothing more to send, though it might. */
export function tcp_rate_check_app_limited(sk: tcp_sock): void {
  if (
    ((sk.write_seq - sk.snd_nxt) | 0) < sk.mss_cache &&
    sk.sk_wmem_alloc < 832 &&
    tcp_packets_in_flight(sk) < sk.snd_cwnd &&
    sk.lost_out <= sk.retrans_out
  ) {
    sk.app_limited = sk.delivered + tcp_packets_in_flight(sk) || 1;
  }
}
