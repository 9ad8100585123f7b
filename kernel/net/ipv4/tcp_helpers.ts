/**
 * What all parts of TCP ask of a sock and of a segment (include/net/tcp.h): its header, the time, queues, windows and
 * counts, modes of acknowledging.
 */
import { COPY_TCP_COLLAPSE } from '../../copies.ts';
import type { Kernel } from '../../kernel.ts';
import { GFP_ATOMIC } from '../../mm/slab.ts';
import { HZ } from '../../time/timer.ts';
import { __alloc_skb, __pskb_expand_head, type sk_buff, skb_reserve, skb_tailroom } from '../core/skbuff.ts';
import { get16 } from './ip_header.ts';
import {
  ICSK_ACK_SCHED,
  MAX_TCP_HEADER,
  TCP_ECN_MODE_ACCECN,
  TCP_ECN_MODE_ANY,
  TCP_HLEN,
  TCP_PAWS_MSL,
  TCP_PAWS_WRAP,
  TCPF_CA_CWR,
  TCPF_CA_Recovery,
  TCPHDR_ACK,
  USEC_PER_JIFFY,
} from './tcp_constants.ts';
import type { tcp_options_received, tcp_sock } from './tcp_sock.ts';

// ---- a segment's header ---------------------------------------------------------------------------------------------

/** Bytes of the header at transport_header, with options (tcp_hdrlen). */
export function tcp_hdrlen(skb: sk_buff): number {
  return ((skb.ram.u8[skb.transport_header + 12] as number) >> 4) * 4;
}

export function tcp_optlen(skb: sk_buff): number {
  return tcp_hdrlen(skb) - TCP_HLEN;
}

/** The flags of the header at transport_header, TCPHDR_*. */
export function tcp_flag_byte(skb: sk_buff): number {
  return skb.ram.u8[skb.transport_header + 13] as number;
}

/** The window field, unscaled. */
export function th_window(skb: sk_buff): number {
  return get16(skb.ram, skb.transport_header + 14);
}

export function th_urg_ptr(skb: sk_buff): number {
  return get16(skb.ram, skb.transport_header + 18);
}

// ---- time -----------------------------------------------------------------------------------------------------------

/** tcp_jiffies32 */
export function tcp_jiffies(kernel: Kernel): number {
  return kernel.timers.jiffies();
}

/** tcp_clock_us */
export function tcp_clock_us(kernel: Kernel): number {
  return kernel.timers.us();
}

/** tcp_mstamp_refresh */
export function tcp_mstamp_refresh(tp: tcp_sock): void {
  tp.tcp_mstamp = tp.kernel.timers.us();
}

/** tcp_time_stamp_ms: our clock for the timestamps option, without the connection's offset. int32. */
export function tcp_time_stamp_ms(tp: tcp_sock): number {
  return Math.floor(tp.tcp_mstamp / 1000) | 0;
}

export function tcp_clock_ts(kernel: Kernel): number {
  return Math.floor(kernel.clock.now / 1e6) | 0;
}

/** Seconds (ktime_get_seconds), from 1 on: a stamp of 0 is none, and no machine is up so early, but for ours. */
export function ktime_get_seconds(kernel: Kernel): number {
  return Math.floor(kernel.clock.now / 1e9) + 1;
}

/** usecs_to_jiffies: rounded up. */
export function usecs_to_jiffies(us: number): number {
  return Math.ceil(us / USEC_PER_JIFFY);
}

export function jiffies_to_usecs(jiffies: number): number {
  return jiffies * USEC_PER_JIFFY;
}

// ---- packets --------------------------------------------------------------------------------------------------------

/** Truesize of a segment of our own without payload: sk_buff, a head out of skb_small_head_cache and its shared info. */
export const TCP_SKB_TRUESIZE = 256 + 256 + 320;

/**
 * tcp_stream_alloc_skb: an skb for the write queue with MAX_TCP_HEADER reserved and room for `size` bytes of payload;
 * null without memory. As the payload of Linux lies in page fragments, its truesize is that of an empty one: whoever
 * adds bytes adds them to truesize, too. The caller owns it.
 */
export function tcp_stream_alloc_skb(tp: tcp_sock, size: number, gfp = GFP_ATOMIC): sk_buff | null {
  const skb = __alloc_skb(tp.kernel, MAX_TCP_HEADER + size, 0, gfp);
  if (skb === null) return null;
  skb_reserve(skb, MAX_TCP_HEADER);
  skb.truesize = TCP_SKB_TRUESIZE;
  tcp_skb_cb_init(skb);
  return skb;
}

/**
 * Room for `n` more bytes at the end of a packet of the write queue, which will be `most` long at most: where Linux adds
 * a page fragment, what lies in one piece here moves to a larger one. It doubles, so that many small writes copy each byte
 * about once. 0 or -ENOMEM.
 */
export function tcp_skb_extend(skb: sk_buff, n: number, most: number, gfp = GFP_ATOMIC): number {
  if (skb_tailroom(skb) >= n) return 0;
  const size = Math.max(skb.len + n, Math.min(2 * skb.len, most));
  const extra = size - (skb.end - skb.data);
  return __pskb_expand_head(skb, MAX_TCP_HEADER, extra, 0, COPY_TCP_COLLAPSE, gfp);
}

/** A control block as new. */
export function tcp_skb_cb_init(skb: sk_buff): void {
  skb.seq = 0;
  skb.end_seq = 0;
  skb.ack_seq = 0;
  skb.tcp_flags = 0;
  skb.sacked = 0;
  skb.eor = 0;
  skb.ip_dsfield = 0;
  skb.skb_mstamp = 0;
  skb.tx_first_mstamp = 0;
  skb.tx_delivered_mstamp = 0;
  skb.tx_delivered = 0;
  skb.tx_is_app_limited = 0;
  skb.tsorted_prev = null;
  skb.tsorted_next = null;
  skb.txstamp_ack = 0;
  skb.ubuf = null;
  skb.nr_frags = 0;
}

/** tcp_skb_pcount: segments that a packet of the write queue stands for; 0 before tcp_init_tso_segs. */
export function tcp_skb_pcount(skb: sk_buff): number {
  return skb.gso_segs;
}

/** tcp_skb_mss: payload of each; meaningful for pcount > 1. */
export function tcp_skb_mss(skb: sk_buff): number {
  return skb.gso_size;
}

/** tcp_skb_seglen: payload of each, of a single one too. */
export function tcp_skb_seglen(skb: sk_buff): number {
  return skb.gso_segs === 1 ? skb.len : skb.gso_size;
}

/** tcp_send_head: the first packet that was never sent. */
export function tcp_send_head(tp: tcp_sock): sk_buff | null {
  return tp.sk_write_queue.first;
}

export function tcp_write_queue_tail(tp: tcp_sock): sk_buff | null {
  return tp.sk_write_queue.last;
}

export function tcp_rtx_queue_head(tp: tcp_sock): sk_buff | null {
  return tp.tcp_rtx_queue.first;
}

export function tcp_rtx_queue_tail(tp: tcp_sock): sk_buff | null {
  return tp.tcp_rtx_queue.last;
}

export function tcp_rtx_queue_empty(tp: tcp_sock): boolean {
  return tp.tcp_rtx_queue.first === null;
}

export function tcp_write_queue_empty(tp: tcp_sock): boolean {
  return tp.sk_write_queue.first === null;
}

export function tcp_rtx_and_write_queues_empty(tp: tcp_sock): boolean {
  return tp.tcp_rtx_queue.first === null && tp.sk_write_queue.first === null;
}

// ---- windows and counts ---------------------------------------------------------------------------------------------

/** tcp_receive_window: bytes of the offered window that are not used yet. */
export function tcp_receive_window(tp: tcp_sock): number {
  const win = (tp.rcv_wup + tp.rcv_wnd - tp.rcv_nxt) | 0;
  return win < 0 ? 0 : win;
}

/** tcp_wnd_end: behind the last byte that the other side takes. */
export function tcp_wnd_end(tp: tcp_sock): number {
  return (tp.snd_una + tp.snd_wnd) | 0;
}

/** tcp_left_out: segments that have left the network, or are thought to. */
export function tcp_left_out(tp: tcp_sock): number {
  return tp.sacked_out + tp.lost_out;
}

export function tcp_packets_in_flight(tp: tcp_sock): number {
  return tp.packets_out - tp.sacked_out - tp.lost_out + tp.retrans_out;
}

export function tcp_in_slow_start(tp: tcp_sock): boolean {
  return tp.snd_cwnd < tp.snd_ssthresh;
}

export function tcp_in_cwnd_reduction(tp: tcp_sock): boolean {
  return ((TCPF_CA_CWR | TCPF_CA_Recovery) & (1 << tp.icsk_ca_state)) !== 0;
}

export function tcp_is_sack(tp: tcp_sock): boolean {
  return tp.rx_opt.sack_ok !== 0;
}

export function tcp_is_reno(tp: tcp_sock): boolean {
  return tp.rx_opt.sack_ok === 0;
}

export function tcp_min_rtt(tp: tcp_sock): number {
  return tp.rtt_min_v0;
}

// ---- modes of acknowledging -----------------------------------------------------------------------------------------

export function inet_csk_ack_scheduled(tp: tcp_sock): boolean {
  return (tp.icsk_ack_pending & ICSK_ACK_SCHED) !== 0;
}

export function inet_csk_schedule_ack(tp: tcp_sock): void {
  tp.icsk_ack_pending |= ICSK_ACK_SCHED;
}

export function inet_csk_enter_pingpong_mode(tp: tcp_sock): void {
  tp.icsk_ack_pingpong = tp.sk_net.ipv4.tcp_pingpong_thresh;
}

export function inet_csk_exit_pingpong_mode(tp: tcp_sock): void {
  tp.icsk_ack_pingpong = 0;
}

export function inet_csk_in_pingpong_mode(tp: tcp_sock): boolean {
  return tp.icsk_ack_pingpong >= tp.sk_net.ipv4.tcp_pingpong_thresh;
}

export function inet_csk_inc_pingpong_cnt(tp: tcp_sock): void {
  if (tp.icsk_ack_pingpong < 255) tp.icsk_ack_pingpong++;
}

// ---- receive buffer -------------------------------------------------------------------------------------------------

/** scaling_ratio is at most 255. */
const SMALL_SPACE = 1 << 23;

/** tcp_win_from_space: the payload that `space` bytes of truesize are expected to hold. */
export function tcp_win_from_space(tp: tcp_sock, space: number): number {
  // Where the product is a small integer, no floating point.
  if (space > -SMALL_SPACE && space < SMALL_SPACE) return (space * tp.scaling_ratio) >> 8;
  return Math.floor((space * tp.scaling_ratio) / 256);
}

/** tcp_space_from_win, the other way round. */
export function tcp_space_from_win(tp: tcp_sock, win: number): number {
  return Math.floor((win * 256) / tp.scaling_ratio);
}

/** tcp_space: what may still be received. */
export function tcp_space(tp: tcp_sock): number {
  return tcp_win_from_space(tp, tp.sk_rcvbuf - tp.sk_rmem_alloc);
}

/** tcp_full_space */
export function tcp_full_space(tp: tcp_sock): number {
  return tcp_win_from_space(tp, tp.sk_rcvbuf);
}

/** tcp_set_congestion_... and rest live with tcp_cong.ts; here only what both directions ask. */
export function keepalive_intvl_when(tp: tcp_sock): number {
  return tp.opts.keepalive_intvl !== 0 ? tp.opts.keepalive_intvl : tp.sk_net.ipv4.tcp_keepalive_intvl * HZ;
}

export function keepalive_time_when(tp: tcp_sock): number {
  return tp.opts.keepalive_time !== 0 ? tp.opts.keepalive_time : tp.sk_net.ipv4.tcp_keepalive_time * HZ;
}

export function keepalive_probes(tp: tcp_sock): number {
  return tp.opts.keepalive_probes !== 0 ? tp.opts.keepalive_probes : tp.sk_net.ipv4.tcp_keepalive_probes;
}

/** keepalive_time_elapsed: jiffies since anything came. */
export function keepalive_time_elapsed(tp: tcp_sock): number {
  const now = tcp_jiffies(tp.kernel);
  return Math.min(now - tp.icsk_ack_lrcvtime, now - tp.rcv_tstamp);
}

/** tcp_fin_time: jiffies in FIN_WAIT2. */
export function tcp_fin_time(tp: tcp_sock): number {
  const fin_timeout = tp.opts.linger2 !== 0 ? tp.opts.linger2 : tp.sk_net.ipv4.tcp_fin_timeout * HZ;
  const { icsk_rto: rto } = tp;
  return Math.max(fin_timeout, (rto << 2) - (rto >> 1));
}

/** tcp_paws_check: is the segment's timestamp not older than what was seen? `paws_win`: how much older it may be. */
export function tcp_paws_check(opt: tcp_options_received, paws_win: number, now_s: number): boolean {
  if (((opt.ts_recent - opt.rcv_tsval) | 0) <= paws_win) return true;
  if (now_s >= opt.ts_recent_stamp + TCP_PAWS_WRAP) return true;
  // Some send a timestamp of 0 with SYN and RST.
  return opt.ts_recent === 0;
}

/** tcp_paws_reject: is a segment to be thrown away for its timestamp? RST of an old incarnation passes after a while. */
export function tcp_paws_reject(opt: tcp_options_received, rst: boolean, now_s: number): boolean {
  if (tcp_paws_check(opt, 0, now_s)) return false;
  return !(rst && now_s >= opt.ts_recent_stamp + TCP_PAWS_MSL);
}

/** tcp_store_ts_recent */
export function tcp_store_ts_recent(tp: tcp_sock): void {
  tp.rx_opt.ts_recent = tp.rx_opt.rcv_tsval;
  tp.rx_opt.ts_recent_stamp = ktime_get_seconds(tp.kernel);
}

/** __tcp_fast_path_on: header prediction for a window of `snd_wnd` (scaled down). */
export function __tcp_fast_path_on(tp: tcp_sock, snd_wnd: number): void {
  // Data offset and ACK flag in the upper half, the window in the lower; in accurate ECN the count as it is now.
  const ace = (tp.ecn_flags & TCP_ECN_MODE_ANY) === TCP_ECN_MODE_ACCECN ? (tp.slow.delivered_ce + 5) & 7 : 0;
  tp.pred_flags = (tp.tcp_header_len << 26) | (ace << 22) | (TCPHDR_ACK << 16) | snd_wnd;
}

export function tcp_fast_path_on(tp: tcp_sock): void {
  __tcp_fast_path_on(tp, tp.snd_wnd >>> tp.rx_opt.snd_wscale);
}

/** tcp_fast_path_check: nothing is out of the ordinary. */
export function tcp_fast_path_check(tp: tcp_sock): void {
  if (
    tp.slow.out_of_order_queue.first === null &&
    tp.rcv_wnd !== 0 &&
    tp.sk_rmem_alloc < tp.sk_rcvbuf &&
    tp.slow.urg_data === 0
  ) {
    tcp_fast_path_on(tp);
  }
}
