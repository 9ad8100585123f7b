/** TCP's small socks: requests and TIME_WAIT, and the child of a listener (net/ipv4/tcp_minisocks.c). */

import { HZ } from '../../time/timer.ts';
import { type dst_entry, dst_metric } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { SKB_DROP_REASON, type sk_buff } from '../core/skbuff.ts';
import { SOCK_RCVBUF_LOCK, TCP_FIN_WAIT2, TCP_LISTEN, TCP_SYN_RECV, TCP_TIME_WAIT } from '../core/sock.ts';
import { RTAX_INITRWND, RTAX_WINDOW } from './fib.ts';
import { inet_csk_complete_hashdance, inet_csk_reqsk_queue_drop } from './inet_connection_sock.ts';
import {
  inet_twsk_alloc,
  inet_twsk_deschedule_put,
  inet_twsk_hashdance_schedule,
  inet_twsk_reschedule,
} from './inet_timewait_sock.ts';
import { reqsk_fastopen_remove } from './request_sock.ts';
import { tcp_done } from './tcp.ts';
import { tcp_reset } from './tcp_data.ts';
import {
  tcp_accecn_check_req,
  tcp_accecn_syn_again,
  tcp_accecn_synack_again,
  tcp_ecn_openreq_child,
} from './tcp_ecn.ts';
import { tcp_rcv_state_process } from './tcp_input.ts';
import { tcp_update_metrics } from './tcp_metrics.ts';
import { tcp_parse_options } from './tcp_options.ts';
import { dst_metric_advmss, tcp_mss_clamp, tcp_select_initial_window } from './tcp_output.ts';
import { tcp_synack_rtt_meas } from './tcp_rtt.ts';
import {
  after,
  before,
  keepalive_time_when,
  ktime_get_seconds,
  own_slow,
  TCP_HLEN,
  TCP_MSS_DEFAULT,
  TCP_RTO_MAX,
  TCP_TIMEWAIT_LEN,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPOLEN_TSTAMP_ALIGNED,
  tcp_clock_ts,
  tcp_full_space,
  tcp_hdrlen,
  tcp_in_window,
  tcp_jiffies,
  tcp_paws_reject,
  tcp_receive_window,
  type tcp_request_sock,
  type tcp_sock,
  type tcp_timewait_sock,
  th_window,
} from './tcp_sock.ts';
import { inet_csk_reset_keepalive_timer } from './tcp_timer.ts';

/** What tcp_timewait_state_process wants done (enum tcp_tw_status). */
export const TCP_TW_SUCCESS = 0;
export const TCP_TW_RST = 1;
export const TCP_TW_ACK = 2;
export const TCP_TW_SYN = 3;

/** What has a rate limit for ACKs to segments out of the window: a small sock of either kind. */
interface oow_limited {
  last_oow_ack_time: number;
}

/**
 * tcp_oow_rate_limited for the small socks: true when an ACK went out for such a segment less than tcp_invalid_ratelimit
 * ago. A segment with data is no part of a loop of ACKs.
 */
function oow_rate_limited(net: net, skb: sk_buff, limited: oow_limited): boolean {
  if (skb.seq !== skb.end_seq && (skb.tcp_flags & TCPHDR_SYN) === 0) return false;
  return __oow_rate_limited(net, limited);
}

/** __tcp_oow_rate_limited */
function __oow_rate_limited(net: net, limited: oow_limited): boolean {
  const now = net.kernel.timers.jiffies();
  const { last_oow_ack_time: last } = limited;
  if (last !== 0 && now - last < net.ipv4.tcp_invalid_ratelimit) return true;
  limited.last_oow_ack_time = now;
  return false;
}

/** tcp_timewait_check_oow_rate_limit */
function tw_ack_unless_limited(tw: tcp_timewait_sock, skb: sk_buff, fin_wait2: boolean): number {
  if (!oow_rate_limited(tw.sk_net, skb, tw)) return TCP_TW_ACK;
  if (fin_wait2) tw.sk_net.ipv4.mib.TcpExtTCPACKSkippedFinWait2++;
  else tw.sk_net.ipv4.mib.TcpExtTCPACKSkippedTimeWait++;
  return TCP_TW_SUCCESS;
}

/**
 * tcp_timewait_state_process: a segment for a connection in TIME_WAIT, or in FIN_WAIT2 without a reader. TCP_TW_SYN:
 * a new connection may begin, with the ISN in net.ipv4.tcp.tw_isn. Does not take the skb; `skb.cb0` gets the reason
 * for its drop, 0 for none. RFC 9293 3.10.7.4, RFC 6191, RFC 1337.
 */
export function tcp_timewait_state_process(tw: tcp_timewait_sock, skb: sk_buff): number {
  const { sk_net: net } = tw;
  const { kernel } = net;
  const opt = net.ipv4.tcp.tmp_opt;
  const flags = skb.tcp_flags;
  const rst = (flags & TCPHDR_RST) !== 0;
  const syn = (flags & TCPHDR_SYN) !== 0;
  let paws_reject = false;
  opt.saw_tstamp = 0;
  skb.cb0 = 0;
  if (tcp_hdrlen(skb) > TCP_HLEN && tw.tw_ts_recent_stamp !== 0) {
    tcp_parse_options(net, skb, opt, 0);
    if (opt.saw_tstamp !== 0) {
      if (opt.rcv_tsecr !== 0) opt.rcv_tsecr = (opt.rcv_tsecr - tw.tw_ts_offset) | 0;
      opt.ts_recent = tw.tw_ts_recent;
      opt.ts_recent_stamp = tw.tw_ts_recent_stamp;
      paws_reject = tcp_paws_reject(opt, rst, ktime_get_seconds(kernel));
    }
  }
  const { tw_rcv_nxt: rcv_nxt } = tw;
  if (tw.tw_substate === TCP_FIN_WAIT2) {
    if (paws_reject || !tcp_in_window(skb.seq, skb.end_seq, rcv_nxt, (rcv_nxt + tw.tw_rcv_wnd) | 0)) {
      return tw_ack_unless_limited(tw, skb, true);
    }
    if (rst) {
      inet_twsk_deschedule_put(tw);
      return TCP_TW_SUCCESS;
    }
    if (syn && !before(skb.seq, rcv_nxt)) return TCP_TW_RST;
    if ((flags & TCPHDR_ACK) === 0 || !after(skb.end_seq, rcv_nxt) || skb.end_seq === skb.seq) return TCP_TW_SUCCESS;
    // Data for nobody.
    if ((flags & TCPHDR_FIN) === 0 || skb.end_seq !== ((rcv_nxt + 1) | 0)) return TCP_TW_RST;
    tw.tw_substate = TCP_TIME_WAIT;
    tw.tw_rcv_nxt = skb.end_seq;
    tw.tw_entry_stamp = Math.floor(kernel.clock.now / 1e6);
    tw_store_ts_recent(tw);
    inet_twsk_reschedule(tw, TCP_TIMEWAIT_LEN);
    return TCP_TW_ACK;
  }

  if (!paws_reject && skb.seq === rcv_nxt && (skb.seq === skb.end_seq || rst)) {
    if (rst) {
      // RFC 1337: a RST need not end TIME_WAIT; by default it does.
      if (net.ipv4.tcp_rfc1337 === 0) {
        inet_twsk_deschedule_put(tw);
        return TCP_TW_SUCCESS;
      }
    } else {
      inet_twsk_reschedule(tw, TCP_TIMEWAIT_LEN);
    }
    tw_store_ts_recent(tw);
    return TCP_TW_SUCCESS;
  }

  // RFC 6191: a SYN that cannot be an old one.
  if (
    syn &&
    !rst &&
    (flags & TCPHDR_ACK) === 0 &&
    !paws_reject &&
    (after(skb.seq, rcv_nxt) || (opt.saw_tstamp !== 0 && ((tw.tw_ts_recent - opt.rcv_tsval) | 0) < 0))
  ) {
    const isn = (tw.tw_snd_nxt + 65535 + 2) | 0;
    net.ipv4.tcp.tw_isn = isn === 0 ? 1 : isn;
    return TCP_TW_SYN;
  }
  if (paws_reject) {
    skb.cb0 = SKB_DROP_REASON.TCP_RFC7323_TW_PAWS;
    net.ipv4.mib.TcpExtPAWSTimewait++;
  }
  if (rst) return TCP_TW_SUCCESS;
  // An ACK out of the window may be the other side's FIN again, so that the time begins anew.
  if (paws_reject || (flags & TCPHDR_ACK) !== 0) inet_twsk_reschedule(tw, TCP_TIMEWAIT_LEN);
  return tw_ack_unless_limited(tw, skb, false);
}

function tw_store_ts_recent(tw: tcp_timewait_sock): void {
  const opt = tw.sk_net.ipv4.tcp.tmp_opt;
  if (opt.saw_tstamp === 0) return;
  tw.tw_ts_recent = opt.rcv_tsval;
  tw.tw_ts_recent_stamp = ktime_get_seconds(tw.sk_net.kernel);
}

/** tcp_time_wait: the sock becomes a small one, in `state` TCP_TIME_WAIT or TCP_FIN_WAIT2, for `timeo` jiffies. */
export function tcp_time_wait(sk: tcp_sock, state: number, timeo: number): void {
  const tw = inet_twsk_alloc(sk, state);
  if (tw !== null) {
    const rto = (sk.icsk_rto << 2) - (sk.icsk_rto >> 1);
    tw.tw_mark = sk.sk_mark;
    tw.tw_priority = sk.opts.sk_priority;
    tw.tw_rcv_wscale = sk.rx_opt.rcv_wscale;
    tw.tw_rcv_nxt = sk.rcv_nxt;
    tw.tw_snd_nxt = sk.snd_nxt;
    tw.tw_rcv_wnd = tcp_receive_window(sk);
    tw.tw_ts_recent = sk.rx_opt.ts_recent;
    tw.tw_ts_recent_stamp = sk.rx_opt.ts_recent_stamp;
    tw.tw_ts_offset = sk.tsoffset;
    if (sk.opts.md5sig_info !== null) tw.tw_md5_key = sk.icsk_af_ops.md5_lookup(sk);
    tw.tw_entry_stamp = Math.floor(sk.kernel.clock.now / 1e6);
    // At least as long as the other side may go on repeating its FIN.
    let time = Math.max(timeo, rto);
    if (state === TCP_TIME_WAIT) time = TCP_TIMEWAIT_LEN;
    inet_twsk_hashdance_schedule(tw, sk, time);
  } else {
    // Sooner gone than the RFC wants, rather than without memory.
    sk.sk_net.ipv4.mib.TcpExtTCPTimeWaitOverflow++;
  }
  tcp_update_metrics(sk);
  tcp_done(sk);
}

/** tcp_twsk_unique: may a new connection take over the four-tuple of one in TIME_WAIT? Then the sock goes on behind it. */
export function tcp_twsk_unique(sk: tcp_sock, tw: tcp_timewait_sock, searching: boolean): boolean {
  const { ipv4 } = sk.sk_net;
  let reuse = ipv4.tcp_tw_reuse;
  if (tw.tw_substate === TCP_FIN_WAIT2) reuse = 0;
  if (reuse === 2) {
    const loopback = tw.inet_daddr >>> 24 === 127 || tw.inet_rcv_saddr >>> 24 === 127;
    if (!loopback) reuse = 0;
  }
  // With timestamps, what is left of the old connection is told from the new one by PAWS.
  if (tw.tw_ts_recent_stamp === 0) return false;
  const now = Math.floor(sk.kernel.clock.now / 1e6);
  if (searching && !(reuse !== 0 && now > tw.tw_entry_stamp + ipv4.tcp_tw_reuse_delay)) return false;
  const seq = (tw.tw_snd_nxt + 65535 + 2) | 0;
  sk.write_seq = seq === 0 ? 1 : seq;
  sk.rx_opt.ts_recent = tw.tw_ts_recent;
  sk.rx_opt.ts_recent_stamp = tw.tw_ts_recent_stamp;
  return true;
}

/** tcp_reqsk_timeout: jiffies until the SYN/ACK is repeated. */
export function reqsk_timeout(req: tcp_request_sock): number {
  return Math.min(req.timeout * 2 ** req.num_timeout, TCP_RTO_MAX);
}

/** tcp_synack_window: what a request has offered, unscaled. */
export function tcp_synack_window(req: tcp_request_sock): number {
  return Math.min(req.rsk_rcv_wnd, 65535);
}

/** tcp_openreq_init_rwin: the window that the SYN/ACK offers. */
export function tcp_openreq_init_rwin(req: tcp_request_sock, sk: tcp_sock, dst: dst_entry): void {
  const mss = tcp_mss_clamp(sk, dst_metric_advmss(dst, sk.icsk_af_ops.net_header_len));
  const full_space = tcp_full_space(sk);
  let clamp = sk.window_clamp === 0 ? dst_metric(dst, RTAX_WINDOW) : sk.window_clamp;
  if ((sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0 && (clamp > full_space || clamp === 0)) clamp = full_space;
  const options = req.tstamp_ok !== 0 ? TCPOLEN_TSTAMP_ALIGNED : 0;
  const { window } = sk.sk_net.ipv4.tcp;
  const rwnd = dst_metric(dst, RTAX_INITRWND);
  tcp_select_initial_window(sk.sk_net, full_space, mss - options, clamp, req.wscale_ok !== 0, rwnd, window);
  req.rsk_rcv_wnd = window.rcv_wnd;
  req.rsk_window_clamp = window.window_clamp;
  req.rcv_wscale = window.rcv_wscale;
}

/**
 * tcp_check_req: a segment for a request. Gives the child that came of it; the listener `sk` itself, which shall look at
 * the segment (and reset); or null: nothing more to do, the reason for the drop in `skb.cb0`. Does not take the skb.
 * `fastopen`: `sk` is a child already, made out of the SYN, and what it gives is `sk` for a good segment.
 */
export function tcp_check_req(sk: tcp_sock, skb: sk_buff, req: tcp_request_sock, fastopen = false): tcp_sock | null {
  const { sk_net: net } = sk;
  const { mib } = net.ipv4;
  const { kernel } = sk;
  const opt = net.ipv4.tcp.tmp_opt;
  let flags = skb.tcp_flags & (TCPHDR_RST | TCPHDR_SYN | TCPHDR_ACK);
  let paws_reject = false;
  let tsecr_reject = false;
  opt.saw_tstamp = 0;
  net.ipv4.tcp_rx_accecn = 0;
  // What it says has been taken note of.
  skb.cb0 = SKB_DROP_REASON.CONSUMED;
  if (tcp_hdrlen(skb) > TCP_HLEN) {
    tcp_parse_options(net, skb, opt, 0);
    if (opt.saw_tstamp !== 0) {
      opt.ts_recent = req.ts_recent;
      if (opt.rcv_tsecr !== 0) {
        if (req.tstamp_ok !== 0 && req.snt_tsval_first !== 0 && !fastopen) {
          tsecr_reject = (req.snt_tsval_last - req.snt_tsval_first) >>> 0 < (opt.rcv_tsecr - req.snt_tsval_first) >>> 0;
        }
        opt.rcv_tsecr = (opt.rcv_tsecr - req.ts_off) | 0;
      }
      // When the stamp came is not kept; it can be told well enough.
      opt.ts_recent_stamp = ktime_get_seconds(kernel) - Math.floor(reqsk_timeout(req) / HZ);
      paws_reject = tcp_paws_reject(opt, (flags & TCPHDR_RST) !== 0, ktime_get_seconds(kernel));
    }
  }

  // The SYN again: our SYN/ACK again, and the time begins anew.
  if (skb.seq === req.rcv_isn && flags === TCPHDR_SYN && !paws_reject) {
    if (oow_rate_limited(net, skb, req)) {
      mib.TcpExtTCPACKSkippedSynRecv++;
      return null;
    }
    tcp_accecn_syn_again(req, skb);
    if (req.rsk_ops.rtx_syn_ack(sk, req) === 0) {
      tcp_accecn_synack_again(req);
      // A child's own timer goes on as it is.
      if (!fastopen && req.rsk_timer.pending()) req.rsk_timer.mod(kernel.timers.jiffies() + reqsk_timeout(req));
    }
    return null;
  }
  // A child may have sent data, which is acknowledged with it: tcp_ack will see.
  // A reset is looked at first, whatever it acknowledges (RFC 9293 3.10.7.4).
  if ((flags & (TCPHDR_ACK | TCPHDR_RST)) === TCPHDR_ACK && !fastopen && skb.ack_seq !== ((req.snt_isn + 1) | 0))
    return sk;

  const rcv_end = (req.rcv_nxt + tcp_synack_window(req)) | 0;
  if (paws_reject || tsecr_reject || !tcp_in_window(skb.seq, skb.end_seq, req.rcv_nxt, rcv_end)) {
    if ((flags & TCPHDR_RST) === 0) {
      if (oow_rate_limited(net, skb, req)) mib.TcpExtTCPACKSkippedSynRecv++;
      else req.rsk_ops.send_ack(sk, skb, req);
    }
    if (paws_reject) {
      skb.cb0 = SKB_DROP_REASON.TCP_RFC7323_PAWS;
      mib.TcpExtPAWSEstab++;
    } else if (tsecr_reject) {
      skb.cb0 = SKB_DROP_REASON.TCP_RFC7323_TSECR;
      mib.TcpExtTSEcrRejected++;
    } else {
      skb.cb0 = SKB_DROP_REASON.TCP_OVERWINDOW;
    }
    return null;
  }
  // A SYN at its place is out of the window that begins behind it.
  if (skb.seq === req.rcv_isn) flags &= ~TCPHDR_SYN;
  // RFC 5961 3.2: a reset that is in the window, but not at its beginning, may be forged.
  if ((flags & TCPHDR_RST) !== 0 && skb.seq !== req.rcv_nxt) {
    if (__oow_rate_limited(net, req)) mib.TcpExtTCPACKSkippedSynRecv++;
    else req.rsk_ops.send_ack(sk, skb, req);
    skb.cb0 = SKB_DROP_REASON.TCP_RESET;
    return null;
  }
  if ((flags & (TCPHDR_RST | TCPHDR_SYN)) !== 0) {
    mib.TcpAttemptFails++;
    skb.cb0 = SKB_DROP_REASON.TCP_RESET;
    if ((flags & TCPHDR_RST) === 0) {
      // It may be forged: a child lives on.
      req.rsk_ops.send_reset(sk, skb);
    } else if (fastopen) {
      reqsk_fastopen_remove(sk, req, true);
      tcp_reset(sk);
    }
    if (!fastopen && inet_csk_reqsk_queue_drop(sk, req)) mib.TcpExtEmbryonicRsts++;
    return null;
  }
  if ((flags & TCPHDR_ACK) === 0) {
    skb.cb0 = SKB_DROP_REASON.TCP_FLAGS;
    return null;
  }
  if (fastopen) return sk;
  if (req.accecn_ok !== 0) tcp_accecn_check_req(req, skb);

  // TCP_DEFER_ACCEPT: the third segment alone is none.
  if (req.num_timeout < sk.opts.defer_accept && skb.end_seq === ((req.rcv_isn + 1) | 0)) {
    req.acked = 1;
    mib.TcpExtTCPDeferAcceptDrop++;
    return null;
  }
  const child = sk.icsk_af_ops.syn_recv_sock(sk, skb, req);
  if (child === null) {
    skb.cb0 = SKB_DROP_REASON.TCP_LISTEN_OVERFLOW;
    if (net.ipv4.tcp_abort_on_overflow === 0) {
      req.acked = 1;
      return null;
    }
    req.rsk_ops.send_reset(sk, skb);
    if (inet_csk_reqsk_queue_drop(sk, req)) mib.TcpExtEmbryonicRsts++;
    return null;
  }
  // Not before it is known that nobody else makes a child of the request.
  if (opt.saw_tstamp !== 0 && !after(skb.seq, req.rcv_nxt)) child.rx_opt.ts_recent = opt.rcv_tsval;
  tcp_synack_rtt_meas(child, req.snt_synack, req.num_retrans !== 0);
  return inet_csk_complete_hashdance(sk, child, req);
}

/** tcp_child_process: the first segment for a new child. Takes the skb, unless it returns not 0: why to reset it. */
export function tcp_child_process(parent: tcp_sock, child: tcp_sock, skb: sk_buff): number {
  const state = child.sk_state;
  child.segs_in += Math.max(1, skb.gso_segs);
  if (skb.len > tcp_hdrlen(skb)) child.data_segs_in += Math.max(1, skb.gso_segs);
  const reason = tcp_rcv_state_process(child, skb);
  // The listener's program is told once the handshake is done.
  if (state === TCP_SYN_RECV && child.sk_state !== state && parent.sk_state === TCP_LISTEN) {
    parent.sk_data_ready(parent);
  }
  return reason;
}

/** What tcp_create_openreq_child does besides inheriting: the numbers of the new connection, from its request. */
export function tcp_openreq_child_init(sk: tcp_sock, req: tcp_request_sock, skb: sk_buff): void {
  const { kernel, rx_opt } = sk;
  const now = tcp_jiffies(kernel);
  const rcv = (req.rcv_isn + 1) | 0;
  sk.rcv_wup = rcv;
  sk.copied_seq = rcv;
  sk.rcv_nxt = rcv;
  const snd = (req.snt_isn + 1) | 0;
  sk.snd_sml = snd;
  sk.snd_una = snd;
  sk.snd_nxt = snd;
  sk.snd_up = snd;
  sk.write_seq = snd;
  sk.pushed_seq = snd;
  sk.snd_wl1 = req.rcv_isn;
  sk.segs_in = 1;
  sk.rtt_min_t0 = now;
  sk.rtt_min_t1 = now;
  sk.rtt_min_t2 = now;
  sk.icsk_ack_lrcvtime = now;
  sk.lsndtime = now;
  if (req.num_retrans !== 0) own_slow(sk).total_retrans = req.num_retrans;
  rx_opt.tstamp_ok = req.tstamp_ok;
  rx_opt.sack_ok = req.sack_ok;
  sk.window_clamp = req.rsk_window_clamp;
  sk.rcv_ssthresh = req.rsk_rcv_wnd;
  sk.rcv_wnd = req.rsk_rcv_wnd;
  rx_opt.wscale_ok = req.wscale_ok;
  if (req.wscale_ok !== 0) {
    rx_opt.snd_wscale = req.snd_wscale;
    rx_opt.rcv_wscale = req.rcv_wscale;
  } else {
    sk.window_clamp = Math.min(sk.window_clamp, 65535);
  }
  sk.snd_wnd = th_window(skb) << rx_opt.snd_wscale;
  sk.max_window = sk.snd_wnd;
  sk.tcp_header_len = TCP_HLEN;
  if (req.tstamp_ok !== 0) {
    rx_opt.ts_recent = req.ts_recent;
    rx_opt.ts_recent_stamp = ktime_get_seconds(kernel);
    sk.tcp_header_len += TCPOLEN_TSTAMP_ALIGNED;
  }
  if (req.num_timeout > 0) {
    const slow = own_slow(sk);
    slow.total_rto = req.num_timeout;
    slow.undo_marker = req.snt_isn;
    sk.retrans_stamp = Math.max(1, Math.floor(req.snt_synack / 1000));
    slow.total_rto_recoveries = 1;
    slow.total_rto_time = Math.floor(kernel.clock.now / 1e6) - sk.retrans_stamp;
  }
  sk.tsoffset = req.ts_off;
  if (skb.len >= TCP_MSS_DEFAULT + sk.tcp_header_len) sk.icsk_ack_last_seg_size = skb.len - sk.tcp_header_len;
  rx_opt.mss_clamp = req.mss;
  tcp_ecn_openreq_child(sk, req, skb);
  if (sk.opts.sk_keepopen) inet_csk_reset_keepalive_timer(sk, keepalive_time_when(sk));
  sk.sk_net.ipv4.mib.TcpPassiveOpens++;
}

/** Our timestamp clock towards a request's peer (tcp_rsk_tsval). */
export function tcp_rsk_tsval(req: tcp_request_sock): number {
  return (tcp_clock_ts(req.sk_net.kernel) + req.ts_off) | 0;
}
