/**
 * TCP's segments on their way out (net/ipv4/tcp_output.c): one packet with header and options, and the segments that
 * carry no data. What is sent when is decided in tcp_write_queue.ts.
 */
import { ECONNREFUSED, EHOSTUNREACH, ENOBUFS } from '../../errno.ts';
import { NET_XMIT_CN } from '../core/dev.ts';
import { type dst_entry, dst_metric, dst_mtu } from '../core/dst.ts';
import { SKB_GSO_TCPV4 } from '../core/gso.ts';
import type { net } from '../core/net_namespace.ts';
import {
  alloc_skb,
  type sk_buff,
  skb_clone,
  skb_cloned,
  skb_copy,
  skb_push,
  skb_reserve,
  skb_reset_transport_header,
} from '../core/skbuff.ts';
import { SOCK_RCVBUF_LOCK, TCP_CLOSE } from '../core/sock.ts';
import { RTAX_INITRWND, RTAX_WINDOW } from './fib.ts';
import { put16, put32 } from './ip_header.ts';
import { tcp_ca_dst_init, tcp_ca_event } from './tcp_cong.ts';
import {
  tcp_accecn_reflector_flags,
  tcp_ecn_make_synack,
  tcp_ecn_mode_accecn,
  tcp_ecn_send,
  tcp_ecn_send_syn,
  tcp_ecn_send_synack,
} from './tcp_ecn.ts';
import { type tcp_fastopen_cookie, tcp_send_syn_data } from './tcp_fastopen.ts';
import { tcp_enter_cwr } from './tcp_fastretrans.ts';
import { tcp_finish_connect } from './tcp_input.ts';
import { sk_gso_disable, tcp_md5_do_lookup, tcp_v4_md5_hash_skb } from './tcp_md5.ts';
import {
  sk_forced_mem_schedule,
  sk_mem_charge,
  sk_wmem_queued_add,
  tcp_under_memory_pressure,
  tcp_wfree,
} from './tcp_mem.ts';
import { dst_metric_advmss, tcp_current_mss, tcp_mss_clamp, tcp_mtup_init, tcp_sync_mss } from './tcp_mss.ts';
import {
  OPTION_MD5,
  OPTION_SACK_ADVERTISE,
  OPTION_TS,
  OPTION_WSCALE,
  tcp_established_options,
  tcp_fastopen_option,
  tcp_options_fit_accecn,
  tcp_options_write,
  tcp_out_options,
} from './tcp_options.ts';
import { tcp_pace_after_send } from './tcp_pacing.ts';
import { tcp_rate_skb_sent } from './tcp_rate.ts';
import { tcp_initialize_rcv_mss } from './tcp_rcvbuf.ts';
import {
  after,
  before,
  CA_EVENT_TX_START,
  ICSK_ACK_NOMEM,
  ICSK_TIME_RETRANS,
  inet_csk_ack_scheduled,
  inet_csk_inc_pingpong_cnt,
  inet_csk_schedule_ack,
  MAX_TCP_HEADER,
  MAX_TCP_OPTION_SPACE,
  MAX_TCP_WINDOW,
  own_rtx_queue,
  own_slow,
  own_write_queue,
  SK_PACING_FQ,
  SK_PACING_NONE,
  TCP_ATO_MIN,
  TCP_DELACK_MAX,
  TCP_ECN_MODE_ANY,
  TCP_HLEN,
  TCP_MAX_WSCALE,
  TCP_NAGLE_OFF,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPOLEN_MD5SIG_ALIGNED,
  TCPOLEN_MSS_ALIGNED,
  TCPOLEN_SACKPERM_ALIGNED,
  TCPOLEN_TSTAMP_ALIGNED,
  TCPOLEN_WSCALE_ALIGNED,
  tcp_clock_ts,
  tcp_clock_us,
  tcp_full_space,
  tcp_jiffies,
  tcp_mstamp_refresh,
  tcp_packets_in_flight,
  tcp_receive_window,
  type tcp_request_sock,
  tcp_rtx_queue_tail,
  tcp_send_head,
  type tcp_sock,
  tcp_space,
  tcp_stream_alloc_skb,
  tcp_time_stamp_ms,
  tcp_wnd_end,
  tcp_write_queue_tail,
} from './tcp_sock.ts';
import {
  inet_csk_clear_xmit_timer_dack,
  inet_csk_reset_dack_timer,
  inet_csk_reset_xmit_timer,
  tcp_clear_retrans,
  tcp_timeout_init,
} from './tcp_timer.ts';
import { tcp_tasklet_init, tsq_tasklet } from './tcp_tsq.ts';
import { __tcp_push_pending_frames, tcp_tsq_handler, tcp_write_queue_purge } from './tcp_write_queue.ts';

export * from './tcp_mss.ts';

/** What sending keeps per net; called once, when TCP starts. */
export function tcp_output_init(net: net): void {
  const { ipv4 } = net;
  ipv4.tsq = new tsq_tasklet();
  ipv4.tcp_out_opts = new tcp_out_options();
  tcp_tasklet_init(net.kernel, ipv4.tsq, tcp_tsq_handler);
}

// ---- the receive window ---------------------------------------------------------------------------------------------

/** Up to a multiple of 2^shift. */
function align(value: number, shift: number): number {
  return ((value + (1 << shift) - 1) >> shift) << shift;
}

/** The first window to offer, what it may grow to, and its scale: the answer of tcp_select_initial_window. */
export class tcp_initial_window {
  rcv_wnd = 0;
  window_clamp = 0;
  rcv_wscale = 0;
}

/** tcp_select_initial_window: from `space` bytes (tcp_full_space); `window_clamp` and `init_rcv_wnd` (segments): 0 for none. */
export function tcp_select_initial_window(
  net: net,
  space: number,
  mss: number,
  window_clamp: number,
  wscale_ok: boolean,
  init_rcv_wnd: number,
  out: tcp_initial_window,
): void {
  const { ipv4 } = net;
  let clamp = window_clamp === 0 ? 65535 << TCP_MAX_WSCALE : window_clamp;
  space = Math.min(clamp, Math.max(space, 0));
  if (space > mss) space -= space % mss;
  let wnd = ipv4.tcp_workaround_signed_windows !== 0 ? Math.min(space, MAX_TCP_WINDOW) : space;
  if (init_rcv_wnd !== 0) wnd = Math.min(wnd, init_rcv_wnd * mss);
  let wscale = 0;
  if (wscale_ok) {
    // The scale is for ever: autotuning must not outgrow it.
    space = Math.min(Math.max(space, ipv4.tcp_rmem[2] as number, net.sysctl.rmem_max), clamp);
    wscale = Math.min(Math.max(31 - Math.clz32(space) - 15, 0), TCP_MAX_WSCALE);
  }
  clamp = Math.min(65535 << wscale, clamp);
  out.rcv_wnd = wnd;
  out.window_clamp = clamp;
  out.rcv_wscale = wscale;
}

/** tcp_adjust_rcv_ssthresh: memory is short, so the window shall not grow. */
export function tcp_adjust_rcv_ssthresh(sk: tcp_sock): void {
  sk.rcv_ssthresh = Math.min(sk.rcv_ssthresh, 4 * sk.advmss);
}

/** __tcp_select_window: the window to offer, silly ones avoided (RFC 9293 3.8.6.2.2). Bytes. */
export function __tcp_select_window(sk: tcp_sock): number {
  let mss = sk.icsk_ack_rcv_mss;
  let free_space = tcp_space(sk);
  const allowed_space = tcp_full_space(sk);
  const full_space = Math.min(sk.window_clamp, allowed_space);
  const { rcv_wscale } = sk.rx_opt;
  if (mss > full_space) {
    mss = full_space;
    if (mss <= 0) return 0;
  }
  const shrink = sk.sk_net.ipv4.tcp_shrink_window !== 0 && rcv_wscale !== 0;
  if (shrink) free_space = (free_space >> rcv_wscale) << rcv_wscale;
  if (free_space < full_space >> 1) {
    sk.icsk_ack_quick = 0;
    if (tcp_under_memory_pressure(sk)) tcp_adjust_rcv_ssthresh(sk);
    // What the scale would round down to nothing is nothing.
    free_space = (free_space >> rcv_wscale) << rcv_wscale;
    if (free_space < allowed_space >> 4 || free_space < mss) return 0;
    if (shrink && free_space < 1 << rcv_wscale) return 0;
  }
  if (free_space > sk.rcv_ssthresh) {
    free_space = shrink ? align(sk.rcv_ssthresh, rcv_wscale) : sk.rcv_ssthresh;
  }
  if (shrink) return free_space;
  if (rcv_wscale !== 0) return align(free_space, rcv_wscale);
  const window = sk.rcv_wnd;
  if (window <= free_space - mss || window > free_space) return free_space - (free_space % mss);
  if (mss === full_space && free_space > window + (full_space >> 1)) return free_space;
  return window;
}

/** tcp_select_window: what the header's window field shall say, scaled down. */
export function tcp_select_window(sk: tcp_sock): number {
  const { ipv4 } = sk.sk_net;
  const { rcv_wscale } = sk.rx_opt;
  const old_win = sk.rcv_wnd;
  if ((sk.icsk_ack_pending & ICSK_ACK_NOMEM) !== 0) {
    // Nothing could be queued for want of memory: nothing more shall come.
    sk.pred_flags = 0;
    sk.rcv_wnd = 0;
    sk.rcv_wup = sk.rcv_nxt;
    return 0;
  }
  const cur_win = tcp_receive_window(sk);
  let new_win = __tcp_select_window(sk);
  if (new_win < cur_win && (ipv4.tcp_shrink_window === 0 || rcv_wscale === 0)) {
    // Never take back what was offered (RFC 9293 3.8.6).
    if (new_win === 0) ipv4.mib.TcpExtTCPWantZeroWindowAdv++;
    new_win = align(cur_win, rcv_wscale);
  }
  sk.rcv_wnd = new_win;
  sk.rcv_wup = sk.rcv_nxt;
  if (rcv_wscale === 0 && ipv4.tcp_workaround_signed_windows !== 0) new_win = Math.min(new_win, MAX_TCP_WINDOW);
  else new_win = Math.min(new_win, 65535 << rcv_wscale);
  new_win >>= rcv_wscale;
  if (new_win === 0) {
    sk.pred_flags = 0;
    if (old_win !== 0) ipv4.mib.TcpExtTCPToZeroWindowAdv++;
  } else if (old_win === 0) {
    ipv4.mib.TcpExtTCPFromZeroWindowAdv++;
  }
  return new_win;
}

// ---- one segment ----------------------------------------------------------------------------------------------------

/** tcp_dec_quickack_mode */
function tcp_dec_quickack_mode(sk: tcp_sock): void {
  if (sk.icsk_ack_quick === 0) return;
  const pkts = inet_csk_ack_scheduled(sk) ? 1 : 0;
  if (pkts >= sk.icsk_ack_quick) {
    sk.icsk_ack_quick = 0;
    // Leaving quick ACK mode: the timer starts over.
    sk.icsk_ack_ato = TCP_ATO_MIN;
  } else {
    sk.icsk_ack_quick -= pkts;
  }
}

/** tcp_event_ack_sent: whatever was to be acknowledged is. */
function tcp_event_ack_sent(sk: tcp_sock): void {
  if (sk.slow.compressed_ack !== 0) {
    sk.sk_net.ipv4.mib.TcpExtTCPAckCompressed += sk.slow.compressed_ack;
    own_slow(sk).compressed_ack = 0;
    sk.slow.compressed_ack_timer?.cancel();
  }
  tcp_dec_quickack_mode(sk);
  inet_csk_clear_xmit_timer_dack(sk);
}

/** tcp_event_data_sent */
function tcp_event_data_sent(sk: tcp_sock): void {
  const now = tcp_jiffies(sk.kernel);
  if (tcp_packets_in_flight(sk) === 0) tcp_ca_event(sk, CA_EVENT_TX_START);
  sk.lsndtime = now;
  // An answer to what has just come: the connection is interactive.
  if (now - sk.icsk_ack_lrcvtime < sk.icsk_ack_ato) inet_csk_inc_pingpong_cnt(sk);
}

/** tcp_syn_options: for a SYN with the other `flags`. */
function tcp_syn_options(sk: tcp_sock, flags: number, opts: tcp_out_options): number {
  const { ipv4 } = sk.sk_net;
  let size = TCPOLEN_MSS_ALIGNED;
  opts.options = 0;
  opts.num_sack_blocks = 0;
  opts.mss = tcp_advertise_mss(sk);
  if (sk.opts.md5sig_info !== null && sk.icsk_af_ops.md5_lookup(sk) !== null) {
    // A signature and timestamps leave no room for SACK blocks.
    opts.options = OPTION_MD5;
    size += TCPOLEN_MD5SIG_ALIGNED;
  } else if (ipv4.tcp_timestamps !== 0) {
    opts.options |= OPTION_TS;
    opts.tsval = (tcp_time_stamp_ms(sk) + sk.tsoffset) | 0;
    opts.tsecr = sk.rx_opt.ts_recent;
    size += TCPOLEN_TSTAMP_ALIGNED;
  }
  if (ipv4.tcp_window_scaling !== 0) {
    opts.ws = sk.rx_opt.rcv_wscale;
    opts.options |= OPTION_WSCALE;
    size += TCPOLEN_WSCALE_ALIGNED;
  }
  if (ipv4.tcp_sack !== 0) {
    opts.options |= OPTION_SACK_ADVERTISE;
    if ((opts.options & OPTION_TS) === 0) size += TCPOLEN_SACKPERM_ALIGNED;
  }
  const cookie = sk.slow.fastopen_req?.cookie;
  if (cookie !== undefined && cookie.len >= 0) {
    const fastopen = tcp_fastopen_option(opts, cookie, size);
    if (fastopen !== 0) {
      size += fastopen;
      own_slow(sk).syn_fastopen = 1;
      own_slow(sk).syn_fastopen_exp = cookie.exp;
    }
  }
  // A SYN has no option of accurate ECN, but the SYN/ACK of crossed ones; not for ever, as it may be what is in the way.
  if ((flags & TCPHDR_ACK) !== 0 && tcp_ecn_mode_accecn(sk) && sk.icsk_retransmits < 2 && ipv4.tcp_ecn_option !== 0) {
    size += tcp_options_fit_accecn(opts, 0, MAX_TCP_OPTION_SPACE - size, null);
  }
  return size;
}

/** tcp_advertise_mss */
function tcp_advertise_mss(sk: tcp_sock): number {
  const dst = sk.sk_dst_cache;
  let mss = sk.advmss;
  if (dst !== null) {
    const metric = dst_metric_advmss(dst, sk.icsk_af_ops.net_header_len);
    if (metric < mss) {
      mss = metric;
      sk.advmss = mss;
    }
  }
  return mss;
}

/**
 * tcp_transmit_skb: header, options, checksum, and down to the network layer.
 *
 * @param skb a packet of the write or retransmit queue, which stays there: a clone goes down (`clone_it`); or a
 *   segment of its own, which this takes
 * @returns 0; 1: a queue below was full; or a negative errno: -ENOBUFS without memory
 */
export function tcp_transmit_skb(sk: tcp_sock, skb: sk_buff, clone_it: boolean): number {
  const { kernel } = sk;
  const { ipv4 } = sk.sk_net;
  const oskb = skb;
  let out = skb;
  if (clone_it) {
    // The bytes are shared. A clone of before that is still below holds the place of the headers: then a copy.
    const copy = skb_cloned(oskb) ? skb_copy(oskb) : skb_clone(oskb);
    if (copy === null) return -ENOBUFS;
    out = copy;
    out.dev = null;
    oskb.tcp_clone = out;
  }
  kernel.clock.now += kernel.cost.tcp_transmit_skb;
  const opts = ipv4.tcp_out_opts;
  const { seq, end_seq, gso_segs: pcount } = oskb;
  let { tcp_flags: flags } = oskb;
  const syn = (flags & TCPHDR_SYN) !== 0;
  const payload = out.len;
  const header_len = TCP_HLEN + (syn ? tcp_syn_options(sk, flags, opts) : tcp_established_options(sk, oskb, opts));
  const th = skb_push(out, header_len);
  skb_reset_transport_header(out);
  // Books of the send buffer: the clone counts there until the card has sent it.
  out.sk = sk;
  out.destructor = tcp_wfree;
  sk.sk_wmem_alloc += out.truesize;
  out.mark = sk.sk_mark;
  out.priority = sk.opts.sk_priority;
  out.hash = sk.sk_txhash;
  out.l4_hash = sk.sk_txhash !== 0 ? 1 : 0;

  const { ram } = out;
  const { u8 } = ram;
  put16(ram, th, sk.inet_sport);
  put16(ram, th + 2, sk.inet_dport);
  put32(ram, th + 4, seq);
  put32(ram, th + 8, sk.rcv_nxt);
  let urg_ptr = 0;
  if (sk.snd_una !== sk.snd_up && before(seq, sk.snd_up)) {
    if (before(sk.snd_up, (seq + 0x10000) | 0)) {
      urg_ptr = (sk.snd_up - seq) | 0;
      flags |= 0x20;
    } else if (after((seq + 0xffff) | 0, sk.snd_nxt)) {
      urg_ptr = 0xffff;
      flags |= 0x20;
    }
  }
  if (pcount > 1) {
    out.gso_type = SKB_GSO_TCPV4;
    // A receiver that merges segments passes them on at once when the last one is marked.
    flags |= TCPHDR_PSH;
  } else {
    out.gso_size = 0;
    out.gso_segs = 0;
    out.gso_type = 0;
  }
  let window: number;
  if (syn) {
    // RFC 7323 2.2: a SYN's window is not scaled.
    window = Math.min(sk.rcv_wnd, 65535);
  } else {
    window = tcp_select_window(sk);
    if ((sk.ecn_flags & TCP_ECN_MODE_ANY) !== 0) {
      out.seq = seq;
      flags |= tcp_ecn_send(sk, out, flags, payload !== 0);
    }
  }
  u8[th + 12] = ((header_len >> 2) << 4) | (flags >> 8);
  u8[th + 13] = flags & 0xff;
  put16(ram, th + 14, window);
  put16(ram, th + 16, 0);
  put16(ram, th + 18, urg_ptr);
  if (header_len !== TCP_HLEN) {
    tcp_options_write(ram, th + TCP_HLEN, sk, opts);
    if ((opts.options & OPTION_MD5) !== 0) sk.icsk_af_ops.calc_md5_hash(sk, out, opts.hash_location);
  }
  sk.icsk_af_ops.send_check(sk, out);

  if ((flags & TCPHDR_ACK) !== 0) tcp_event_ack_sent(sk);
  if (payload !== 0) {
    tcp_event_data_sent(sk);
    sk.data_segs_out += pcount;
    sk.bytes_sent += payload;
  }
  const segs = Math.max(1, pcount);
  if (after(end_seq, sk.snd_nxt) || seq === end_seq) ipv4.mib.TcpOutSegs += segs;
  sk.segs_out += segs;
  out.tstamp = 0;
  const tp = kernel.trace.tcp_transmit_skb;
  if (tp !== null) tp(oskb, out);
  oskb.skb_mstamp = sk.tcp_mstamp;
  // A retransmission within the same µs as what it overtakes in the queue was sent later all the same (RACK).
  const { tsorted_last } = sk;
  if (tsorted_last !== null && tsorted_last.skb_mstamp >= oskb.skb_mstamp && payload !== 0) {
    const later = after(tsorted_last.end_seq, end_seq) && tsorted_last !== oskb ? 1 : 0;
    oskb.skb_mstamp = tsorted_last.skb_mstamp + later;
  }
  const prior_wstamp = sk.slow.tcp_wstamp_ns;
  sk.tcp_wstamp_us = tcp_clock_us(kernel);
  if (sk.opts.sk_pacing_status !== SK_PACING_NONE) {
    const wstamp = Math.max(kernel.clock.now, prior_wstamp);
    sk.tcp_wstamp_us = Math.floor(wstamp / 1000);
    oskb.skb_mstamp = Math.max(oskb.skb_mstamp, sk.tcp_wstamp_us);
    // The earliest time at which fq lets it go.
    if (sk.opts.sk_pacing_status === SK_PACING_FQ) out.tstamp = wstamp;
    own_slow(sk).tcp_wstamp_ns = wstamp;
  }
  let err = sk.icsk_af_ops.queue_xmit(sk, out);
  if (err > 0 || err === -ENOBUFS) {
    // Congestion on this very host: dropped, or (NET_XMIT_CN) taken for the last time.
    tcp_enter_cwr(sk);
    err = err === NET_XMIT_CN ? 0 : 1;
  }
  if (err === 0 && clone_it) {
    tcp_update_skb_after_send(sk, oskb, prior_wstamp);
    tcp_rate_skb_sent(sk, oskb);
  }
  return err;
}

/** tcp_update_skb_after_send: the packet becomes the last one in the order of sending. */
export function tcp_update_skb_after_send(sk: tcp_sock, skb: sk_buff, prior_wstamp: number): void {
  if (sk.opts.sk_pacing_status !== SK_PACING_NONE) tcp_pace_after_send(sk, skb.len, prior_wstamp);
  tcp_tsorted_unlink(sk, skb);
  const last = sk.tsorted_last;
  skb.tsorted_prev = last;
  if (last === null) sk.tsorted_first = skb;
  else last.tsorted_next = skb;
  sk.tsorted_last = skb;
}

/** list_del(&skb->tcp_tsorted_anchor) */
export function tcp_tsorted_unlink(sk: tcp_sock, skb: sk_buff): void {
  const { tsorted_prev: prev, tsorted_next: next } = skb;
  if (prev !== null) prev.tsorted_next = next;
  else if (sk.tsorted_first === skb) sk.tsorted_first = next;
  if (next !== null) next.tsorted_prev = prev;
  else if (sk.tsorted_last === skb) sk.tsorted_last = prev;
  skb.tsorted_prev = null;
  skb.tsorted_next = null;
}

// ---- segments without data ------------------------------------------------------------------------------------------

/** tcp_init_nondata_skb */
export function tcp_init_nondata_skb(skb: sk_buff, seq: number, flags: number): void {
  skb.tcp_flags = flags;
  skb.seq = seq;
  skb.end_seq = (flags & (TCPHDR_SYN | TCPHDR_FIN)) !== 0 ? (seq + 1) | 0 : seq;
  skb.gso_segs = 1;
  skb.gso_size = 0;
}

/** tcp_acceptable_seq: a sequence number that the other side will not find outside of its window. */
export function tcp_acceptable_seq(sk: tcp_sock): number {
  const end = tcp_wnd_end(sk);
  if (!before(end, sk.snd_nxt) || (sk.rx_opt.wscale_ok !== 0 && ((sk.snd_nxt - end) | 0) < 1 << sk.rx_opt.rcv_wscale)) {
    return sk.snd_nxt;
  }
  return end;
}

/** A segment of header only, MAX_TCP_HEADER reserved; null without memory. */
function tcp_control_skb(sk: tcp_sock): sk_buff | null {
  return tcp_stream_alloc_skb(sk, 0);
}

/** tcp_send_ack, __tcp_send_ack: now, with more `flags`. Without memory the delayed ACK timer tries again. */
export function tcp_send_ack(sk: tcp_sock, flags = 0): void {
  if (sk.sk_state === TCP_CLOSE) return;
  const skb = tcp_control_skb(sk);
  if (skb === null) {
    const delay = TCP_DELACK_MAX << sk.icsk_ack_retry;
    if (delay < sk.opts.icsk_rto_max) sk.icsk_ack_retry++;
    inet_csk_schedule_ack(sk);
    sk.icsk_ack_ato = TCP_ATO_MIN;
    inet_csk_reset_dack_timer(sk, delay);
    return;
  }
  // skb_set_tcp_pure_ack: hardly anything of the send buffer.
  skb.truesize = 2;
  tcp_init_nondata_skb(skb, tcp_acceptable_seq(sk), TCPHDR_ACK | flags);
  tcp_transmit_skb(sk, skb, false);
}

/** tcp_send_ack_reflect_ect: an ACK that answers a SYN/ACK says, in accurate ECN, how that came. */
export function tcp_send_ack_reflect_ect(sk: tcp_sock, accecn_reflector: boolean): void {
  const accecn = accecn_reflector ? sk.slow.accecn : null;
  tcp_send_ack(sk, accecn !== null ? tcp_accecn_reflector_flags(accecn.syn_ect_rcv) : 0);
}

/** tcp_send_active_reset: the connection is aborted from this side. */
export function tcp_send_active_reset(sk: tcp_sock): void {
  const { mib } = sk.sk_net.ipv4;
  mib.TcpOutRsts++;
  const skb = tcp_control_skb(sk);
  if (skb === null) {
    mib.TcpExtTCPAbortFailed++;
    return;
  }
  tcp_init_nondata_skb(skb, tcp_acceptable_seq(sk), TCPHDR_ACK | TCPHDR_RST);
  tcp_mstamp_refresh(sk);
  if (tcp_transmit_skb(sk, skb, false) !== 0) mib.TcpExtTCPAbortFailed++;
}

/** tcp_queue_skb: to the tail of the write queue. Takes the skb. */
export function tcp_queue_skb(sk: tcp_sock, skb: sk_buff): void {
  sk.write_seq = skb.end_seq;
  own_write_queue(sk).push(skb);
  sk_wmem_queued_add(sk, skb.truesize);
  sk_mem_charge(sk, skb.truesize);
}

/** tcp_send_fin: on the last packet that waits, else in one of its own. */
export function tcp_send_fin(sk: tcp_sock): void {
  const tail = tcp_write_queue_tail(sk);
  let skb = tail;
  if (skb === null && tcp_under_memory_pressure(sk)) skb = tcp_rtx_queue_tail(sk);
  if (skb === null) {
    const fin = tcp_control_skb(sk);
    if (fin !== null) {
      sk_forced_mem_schedule(sk, fin.truesize);
      tcp_init_nondata_skb(fin, sk.write_seq, TCPHDR_ACK | TCPHDR_FIN);
      tcp_queue_skb(sk, fin);
      __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF);
      return;
    }
    // Better a FIN that only a retransmission carries than none.
    skb = tcp_rtx_queue_tail(sk);
    if (skb === null) return;
  }
  skb.tcp_flags |= TCPHDR_FIN;
  skb.end_seq = (skb.end_seq + 1) | 0;
  sk.write_seq = (sk.write_seq + 1) | 0;
  if (tail === null) {
    // It counts as sent: it may be acknowledged at any moment once it goes out with a retransmission.
    sk.snd_nxt = (sk.snd_nxt + 1) | 0;
    return;
  }
  __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF);
}

// ---- opening --------------------------------------------------------------------------------------------------------

/** tcp_connect_init */
function tcp_connect_init(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  const dst = sk.sk_dst_cache as dst_entry;
  sk.tcp_header_len = TCP_HLEN + (ipv4.tcp_timestamps !== 0 ? TCPOLEN_TSTAMP_ALIGNED : 0);
  if (sk.opts.md5sig_info !== null && sk.icsk_af_ops.md5_lookup(sk) !== null) {
    sk.tcp_header_len += TCPOLEN_MD5SIG_ALIGNED;
    sk_gso_disable(sk);
  }
  if (sk.rx_opt.user_mss !== 0) sk.rx_opt.mss_clamp = sk.rx_opt.user_mss;
  sk.max_window = 0;
  tcp_mtup_init(sk);
  tcp_sync_mss(sk, dst_mtu(dst));
  tcp_ca_dst_init(sk, dst);
  sk.advmss = tcp_mss_clamp(sk, dst_metric_advmss(dst, sk.icsk_af_ops.net_header_len));
  tcp_initialize_rcv_mss(sk);
  if ((sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0 && (sk.window_clamp > tcp_full_space(sk) || sk.window_clamp === 0)) {
    sk.window_clamp = tcp_full_space(sk);
  }
  if (sk.window_clamp === 0) sk.window_clamp = dst_metric(dst, RTAX_WINDOW);
  const initial = new tcp_initial_window();
  const options = sk.rx_opt.ts_recent_stamp !== 0 ? sk.tcp_header_len - TCP_HLEN : 0;
  const wscale_ok = ipv4.tcp_window_scaling !== 0;
  const { sk_net: net, window_clamp } = sk;
  const rwnd = dst_metric(dst, RTAX_INITRWND);
  tcp_select_initial_window(net, tcp_full_space(sk), sk.advmss - options, window_clamp, wscale_ok, rwnd, initial);
  sk.rcv_wnd = initial.rcv_wnd;
  sk.window_clamp = initial.window_clamp;
  sk.rx_opt.rcv_wscale = initial.rcv_wscale;
  sk.rcv_ssthresh = sk.rcv_wnd;
  sk.sk_err = 0;
  sk.snd_wnd = 0;
  sk.snd_wl1 = 0;
  tcp_write_queue_purge(sk);
  sk.snd_una = sk.write_seq;
  sk.snd_sml = sk.write_seq;
  sk.snd_up = sk.write_seq;
  sk.snd_nxt = sk.write_seq;
  if (sk.slow.repair === 0) sk.rcv_nxt = 0;
  else sk.rcv_tstamp = tcp_jiffies(sk.kernel);
  sk.rcv_wup = sk.rcv_nxt;
  sk.copied_seq = sk.rcv_nxt;
  sk.icsk_rto = tcp_timeout_init(sk);
  sk.icsk_retransmits = 0;
  tcp_clear_retrans(sk);
}

/** tcp_connect_queue_skb: what goes with the opening counts as queued, and as sent. */
export function tcp_connect_queue_skb(sk: tcp_sock, skb: sk_buff): void {
  sk_wmem_queued_add(sk, skb.truesize);
  sk_forced_mem_schedule(sk, skb.truesize);
  sk_mem_charge(sk, skb.truesize);
  sk.write_seq = skb.end_seq;
  sk.packets_out += 1;
}

/** tcp_connect: sends the SYN. 0 or a negative errno: -EHOSTUNREACH, -ENOBUFS, -ECONNREFUSED from a verdict on output. */
export function tcp_connect(sk: tcp_sock): number {
  if (sk.icsk_af_ops.rebuild_header(sk) !== 0) return -EHOSTUNREACH;
  tcp_connect_init(sk);
  if (sk.slow.repair !== 0) {
    tcp_finish_connect(sk, null);
    return 0;
  }
  const skb = tcp_control_skb(sk);
  if (skb === null) return -ENOBUFS;
  tcp_init_nondata_skb(skb, sk.write_seq, TCPHDR_SYN);
  tcp_mstamp_refresh(sk);
  sk.retrans_stamp = tcp_stamp_ms(sk);
  tcp_connect_queue_skb(sk, skb);
  tcp_ecn_send_syn(sk, skb);
  own_rtx_queue(sk).push(skb);
  const err = sk.slow.fastopen_req === null ? tcp_transmit_skb(sk, skb, true) : tcp_send_syn_data(sk, skb);
  // Data of a SYN that could not be sent waits.
  sk.snd_nxt = tcp_send_head(sk)?.seq ?? sk.write_seq;
  sk.pushed_seq = sk.snd_nxt;
  sk.sk_net.ipv4.mib.TcpActiveOpens++;
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, sk.icsk_rto);
  // What the queue below did not take goes with the timer.
  return err === -ECONNREFUSED ? err : 0;
}

/** The present as retrans_stamp: ms, never 0, which means none. */
export function tcp_stamp_ms(sk: tcp_sock): number {
  return Math.max(1, Math.floor(sk.tcp_mstamp / 1000));
}

/**
 * tcp_send_synack: after SYNs have crossed, ours once more with an ACK (simultaneous open; a retransmission in
 * SYN_RECV). 0 or a negative errno.
 */
export function tcp_send_synack(sk: tcp_sock): number {
  const skb = sk.tcp_rtx_queue.first;
  if (skb === null || (skb.tcp_flags & TCPHDR_SYN) === 0) return -ENOBUFS;
  if ((skb.tcp_flags & TCPHDR_ACK) === 0) {
    skb.tcp_flags |= TCPHDR_ACK;
    tcp_ecn_send_synack(sk, skb);
  }
  return tcp_transmit_skb(sk, skb, true);
}

/**
 * tcp_make_synack: the SYN/ACK for a request, complete but for its checksum. The caller owns it; null without memory.
 *
 * @param cookie_ts what its timestamp shall say instead of the time (SYN cookies); 0: the time
 * @param foc the Fast Open option; null or a negative length: none
 * @param again it is a retransmission
 */
export function tcp_make_synack(
  sk: tcp_sock,
  dst: dst_entry,
  req: tcp_request_sock,
  cookie_ts: number,
  foc: tcp_fastopen_cookie | null,
  again: boolean,
): sk_buff | null {
  const { kernel } = sk;
  const skb = alloc_skb(kernel, MAX_TCP_HEADER);
  if (skb === null) return null;
  skb_reserve(skb, MAX_TCP_HEADER);
  skb.dst = dst;
  skb.mark = req.ir_mark;
  if (req.snt_synack === 0) req.snt_synack = tcp_clock_us(kernel);
  const opts = sk.sk_net.ipv4.tcp_out_opts;
  opts.options = 0;
  opts.num_sack_blocks = 0;
  opts.mss = tcp_mss_clamp(sk, dst_metric_advmss(dst, sk.icsk_af_ops.net_header_len));
  let size = TCPOLEN_MSS_ALIGNED;
  const key = sk.opts.md5sig_info === null ? null : tcp_md5_do_lookup(sk, req.ir_rmt_addr);
  if (key !== null) {
    opts.options = OPTION_MD5;
    size += TCPOLEN_MD5SIG_ALIGNED;
    // A signature and timestamps leave no room for SACK blocks; what a cookie says must stay as it was.
    if (req.syncookie === 0 && req.sack_ok !== 0) req.tstamp_ok = 0;
  }
  if (req.wscale_ok !== 0) {
    opts.ws = req.rcv_wscale;
    opts.options |= OPTION_WSCALE;
    size += TCPOLEN_WSCALE_ALIGNED;
  }
  if (req.tstamp_ok !== 0) {
    opts.options |= OPTION_TS;
    opts.tsval = cookie_ts !== 0 ? cookie_ts | 0 : (tcp_clock_ts(kernel) + req.ts_off) | 0;
    if (req.snt_tsval_first === 0) req.snt_tsval_first = opts.tsval === 0 ? 1 : opts.tsval;
    req.snt_tsval_last = opts.tsval;
    opts.tsecr = req.ts_recent;
    size += TCPOLEN_TSTAMP_ALIGNED;
  }
  if (req.sack_ok !== 0) {
    opts.options |= OPTION_SACK_ADVERTISE;
    if (req.tstamp_ok === 0) size += TCPOLEN_SACKPERM_ALIGNED;
  }
  if (foc !== null && foc.len >= 0) size += tcp_fastopen_option(opts, foc, size);
  if (req.accecn_ok !== 0 && !again && sk.sk_net.ipv4.tcp_ecn_option !== 0) {
    size += tcp_options_fit_accecn(opts, 0, MAX_TCP_OPTION_SPACE - size, null);
  }
  const th = skb_push(skb, TCP_HLEN + size);
  skb_reset_transport_header(skb);
  const { ram } = skb;
  put16(ram, th, req.ir_num);
  put16(ram, th + 2, req.ir_rmt_port);
  put32(ram, th + 4, req.snt_isn);
  put32(ram, th + 8, req.rcv_nxt);
  const flags = TCPHDR_SYN | TCPHDR_ACK | tcp_ecn_make_synack(req);
  ram.u8[th + 12] = (((TCP_HLEN + size) >> 2) << 4) | (flags >> 8);
  ram.u8[th + 13] = flags & 0xff;
  put16(ram, th + 14, Math.min(req.rsk_rcv_wnd, 65535));
  put32(ram, th + 16, 0);
  tcp_options_write(ram, th + TCP_HLEN, null, opts);
  if (key !== null) {
    const { sigpool } = sk.sk_net.ipv4.tcp;
    tcp_v4_md5_hash_skb(sigpool, key, skb, req.ir_loc_addr, req.ir_rmt_addr, ram.u8, opts.hash_location);
  }
  skb.tcp_flags = TCPHDR_SYN | TCPHDR_ACK;
  sk.sk_net.ipv4.mib.TcpOutSegs++;
  return skb;
}
