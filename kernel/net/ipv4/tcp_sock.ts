/**
 * TCP's socks and the words they share (include/linux/tcp.h, include/net/tcp.h, include/net/inet_connection_sock.h,
 * include/net/request_sock.h). Sequence numbers are int32, compared by their difference. Times are whole numbers that
 * never wrap: jiffies (1 ms) where Linux has jiffies, µs where it has tcp_mstamp.
 *
 * A context is atomic here, so nobody ever finds a sock owned by a user: there is no backlog and no deferral.
 */
import { timer_list } from '../../time/timer.ts';
import type { dst_entry } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { no_skbs, type sk_buff, sk_buff_head } from '../core/skbuff.ts';
import { type proto, sock } from '../core/sock.ts';
import type { sockopt } from '../msg.ts';
import type { bind_owner, inet_bind_bucket, inet_bind2_bucket } from './inet_hashtables.ts';
import type { ip_options } from './ip_options.ts';
import type { fastopen_queue, request_sock_queue } from './request_sock.ts';
import {
  GSO_MAX_SEGS,
  GSO_MAX_SIZE,
  SK_PACING_UNLIMITED,
  TCP_CA_Open,
  TCP_CHRONO_UNSPEC,
  TCP_HLEN,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  TCP_MSS_DEFAULT,
  TCP_NEW_SYN_RECV,
  TCP_NO_RTT,
  TCP_TIMEOUT_INIT,
} from './tcp_constants.ts';
import type { tcp_fastopen_cookie } from './tcp_fastopen.ts';
import type { tcp_md5sig_key } from './tcp_md5.ts';
import { tcp_default_opts, tcp_no_slow, type tcp_opts, type tcp_slow } from './tcp_sock_slow.ts';

export * from './tcp_constants.ts';
export * from './tcp_helpers.ts';
export * from './tcp_sock_slow.ts';

// ---- operations of family and congestion control --------------------------------------------------------------------

/** struct inet_connection_sock_af_ops: what TCP needs of the network layer below it. */
export interface inet_connection_sock_af_ops {
  /** Bytes of the network header, without options. */
  readonly net_header_len: number;
  /** Sends a segment whose header is complete but for its checksum's folding. Takes the skb; 0 or a negative errno. */
  queue_xmit(sk: tcp_sock, skb: sk_buff): number;
  /** Sets the checksum, or leaves it to the card (CHECKSUM_PARTIAL); transport_header is set. */
  send_check(sk: tcp_sock, skb: sk_buff): void;
  /** The route again, after it went stale: 0 or a negative errno. */
  rebuild_header(sk: tcp_sock): number;
  sk_rx_dst_set(sk: tcp_sock, skb: sk_buff): void;
  /** A SYN for a listener. Below 0: answer with RST. Does not take the skb. */
  conn_request(sk: tcp_sock, skb: sk_buff): number;
  /** The third segment of a handshake: the new connection's sock, hashed; null: no room (counted). */
  syn_recv_sock(sk: tcp_sock, skb: sk_buff, req: tcp_request_sock): tcp_sock | null;
  /** The key by which segments to the peer are signed, null for none (TCP_MD5SIG). */
  md5_lookup(sk: tcp_sock): tcp_md5sig_key | null;
  /** Puts the signature of the segment, whose checksum is still 0, into its option at `location` in RAM. */
  calc_md5_hash(sk: tcp_sock, skb: sk_buff, location: number): void;
  /** TCP_MD5SIG, TCP_MD5SIG_EXT: 0 or a negative errno. */
  md5_parse(sk: tcp_sock, name: number, opt: sockopt): number;
  /** The path's MTU has become smaller (tp.mtu_info). */
  mtu_reduced(sk: tcp_sock): void;
}

/** struct request_sock_ops and tcp_request_sock_ops in one. */
export interface tcp_request_sock_ops {
  readonly family: number;
  /** The largest MSS that may be taken from a SYN without one. */
  readonly mss_clamp: number;
  /** Sends a SYN/ACK once more: 0 or a negative errno. */
  rtx_syn_ack(sk: tcp_sock, req: tcp_request_sock): number;
  send_ack(sk: tcp_sock, skb: sk_buff, req: tcp_request_sock): void;
  send_reset(sk: tcp_sock | null, skb: sk_buff): void;
  /**
   * A SYN/ACK for `req`; `syn_skb` is what it answers, null for a retransmission; `foc`: the Fast Open option, null or a
   * negative length for none. 0 or a negative errno.
   */
  send_synack(
    sk: tcp_sock,
    dst: dst_entry | null,
    req: tcp_request_sock,
    syn_skb: sk_buff | null,
    foc: tcp_fastopen_cookie | null,
  ): number;
}

/** What an ACK tells congestion control of the segments it covers (struct ack_sample). */
export class ack_sample {
  pkts_acked = 0;
  /** µs, negative: none. */
  rtt_us = -1;
  in_flight = 0;
}

/** struct rate_sample: delivery between two ACKs. µs; -1 for none. */
export class rate_sample {
  prior_mstamp = 0;
  prior_delivered = 0;
  delivered = 0;
  interval_us = -1;
  rcv_interval_us = -1;
  rtt_us = -1;
  losses = 0;
  acked_sacked = 0;
  prior_in_flight = 0;
  last_end_seq = 0;
  is_app_limited = 0;
  is_retrans = 0;
  is_ack_delayed = 0;
}

/** struct tcp_congestion_ops: an algorithm. What is left out is not called. */
export interface tcp_congestion_ops {
  readonly name: string;
  /** Any program may choose it (TCP_CONG_NON_RESTRICTED). */
  readonly non_restricted: boolean;
  readonly needs_ecn: boolean;
  init: ((sk: tcp_sock) => void) | null;
  release: ((sk: tcp_sock) => void) | null;
  ssthresh: (sk: tcp_sock) => number;
  cong_avoid: ((sk: tcp_sock, ack: number, acked: number) => void) | null;
  set_state: ((sk: tcp_sock, new_state: number) => void) | null;
  cwnd_event: ((sk: tcp_sock, event: number) => void) | null;
  pkts_acked: ((sk: tcp_sock, sample: ack_sample) => void) | null;
  undo_cwnd: (sk: tcp_sock) => number;
  /** Takes over from cong_avoid and PRR altogether. */
  cong_control: ((sk: tcp_sock, ack: number, flag: number, rs: rate_sample) => void) | null;
}

// ---- options --------------------------------------------------------------------------------------------------------

/** struct tcp_options_received */
export class tcp_options_received {
  /** When ts_recent was stored, in s; what is echoed; the last segment's own two stamps. int32 but for the first. */
  ts_recent_stamp = 0;
  ts_recent = 0;
  rcv_tsval = 0;
  rcv_tsecr = 0;
  saw_tstamp = 0;
  tstamp_ok = 0;
  dsack = 0;
  wscale_ok = 0;
  /** 0, or TCP_SACK_SEEN: both sides have offered SACK. */
  sack_ok = 0;
  snd_wscale = 0;
  rcv_wscale = 0;
  /** SACK blocks in the segment about to be sent. */
  num_sacks = 0;
  /** MSS that the program asked for (TCP_MAXSEG), and the most the other side takes. */
  user_mss = 0;
  mss_clamp = 0;
}

/** tcp_clear_options: what a SYN may bring. */
export function tcp_clear_options(opt: tcp_options_received): void {
  opt.tstamp_ok = 0;
  opt.sack_ok = 0;
  opt.wscale_ok = 0;
  opt.snd_wscale = 0;
}

// ---- requests -------------------------------------------------------------------------------------------------------

/**
 * tcp_request_sock (request_sock, inet_request_sock): a connection that a listener has answered with SYN/ACK. Much
 * smaller than a sock, as a flood of them is meant to be survived.
 */
export class tcp_request_sock {
  readonly rsk_ops: tcp_request_sock_ops;
  readonly rsk_listener: tcp_sock | null;
  readonly sk_net: net;
  readonly sk_state: number = TCP_NEW_SYN_RECV;
  readonly sk_family: number;
  sk_bound_dev_if = 0;
  ir_loc_addr = 0;
  ir_rmt_addr = 0;
  ir_num = 0;
  ir_rmt_port = 0;
  ir_iif = 0;
  ir_mark = 0;
  ecn_ok = 0;
  /** Accurate ECN (tcp_ecn.ts): agreed on; codepoints of the SYN/ACK and of the SYN; the peer's option; what went wrong. */
  accecn_ok = 0;
  syn_ect_snt = 0;
  syn_ect_rcv = 0;
  saw_accecn_opt = 0;
  accecn_fail_mode = 0;
  tstamp_ok = 0;
  sack_ok = 0;
  wscale_ok = 0;
  snd_wscale = 0;
  rcv_wscale = 0;
  acked = 0;
  mss = 0;
  num_retrans = 0;
  syncookie = 0;
  num_timeout = 0;
  ts_recent = 0;
  ts_off = 0;
  /** Jiffies that the SYN/ACK waits for its answer, doubled with each timeout. */
  timeout = 0;
  rsk_rcv_wnd = 0;
  rsk_window_clamp = 0;
  rcv_isn = 0;
  snt_isn = 0;
  rcv_nxt = 0;
  snt_synack = 0;
  last_oow_ack_time = 0;
  snt_tsval_first = 0;
  snt_tsval_last = 0;
  syn_tos = 0;
  txhash = 0;
  /** IP options that answer those of the SYN. */
  ireq_opt: ip_options | null = null;
  /** The sock that came of it, waiting for accept. */
  sk: tcp_sock | null = null;
  dl_next: tcp_request_sock | null = null;
  /** Fast Open: where it counts while the third segment is awaited, and until when after a RST (jiffies). */
  fastopenq: fastopen_queue | null = null;
  rst_expires = 0;
  readonly rsk_timer: timer_list;
  /** Its node in the established table (inet_hashtables.ts), 0 for none. */
  ehash_slot = 0;
  // The four-tuple under the names that the table knows.
  get inet_rcv_saddr(): number {
    return this.ir_loc_addr;
  }
  get inet_daddr(): number {
    return this.ir_rmt_addr;
  }
  get inet_num(): number {
    return this.ir_num;
  }
  get inet_dport(): number {
    return this.ir_rmt_port;
  }

  /** @param timer gets a timer whose owner is the request */
  constructor(net: net, ops: tcp_request_sock_ops, listener: tcp_sock | null, timer: (timer: timer_list) => void) {
    this.sk_net = net;
    this.rsk_ops = ops;
    this.sk_family = ops.family;
    this.rsk_listener = listener;
    this.rsk_timer = new timer_list(net.kernel, timer, this);
  }
}

// ---- TIME_WAIT ------------------------------------------------------------------------------------------------------

/** tcp_timewait_sock (inet_timewait_sock): what is left of a connection for TCP_TIMEWAIT_LEN. */
export class tcp_timewait_sock {
  readonly sk_net: net;
  readonly sk_state: number = 6;
  readonly sk_family: number;
  /** TCP_TIME_WAIT, or TCP_FIN_WAIT2 while the other side's FIN is awaited. */
  tw_substate = 6;
  sk_bound_dev_if = 0;
  inet_rcv_saddr = 0;
  inet_daddr = 0;
  inet_num = 0;
  inet_sport = 0;
  inet_dport = 0;
  sk_reuse = false;
  sk_reuseport = false;
  tw_mark = 0;
  tw_tos = 0;
  tw_priority = 0;
  tw_rcv_wscale = 0;
  tw_entry_stamp = 0;
  tw_rcv_nxt = 0;
  tw_snd_nxt = 0;
  tw_rcv_wnd = 0;
  tw_ts_offset = 0;
  tw_ts_recent = 0;
  tw_ts_recent_stamp = 0;
  tw_md5_key: tcp_md5sig_key | null = null;
  last_oow_ack_time = 0;
  readonly tw_timer: timer_list;
  /** Its node in the established table (inet_hashtables.ts), and the port it holds. */
  ehash_slot = 0;
  icsk_bind_hash: inet_bind_bucket | null = null;
  icsk_bind2_hash: inet_bind2_bucket | null = null;
  bind_next: bind_owner | null = null;
  bind_prev: bind_owner | null = null;

  /** @param timer gets a timer whose owner is the sock */
  constructor(net: net, family: number, timer: (timer: timer_list) => void) {
    this.sk_net = net;
    this.sk_family = family;
    this.tw_timer = new timer_list(net.kernel, timer, this);
  }
}

/** What the table of established connections holds. */
export type tcp_ehash_entry = tcp_sock | tcp_request_sock | tcp_timewait_sock;

// ---- the sock -------------------------------------------------------------------------------------------------------

/** icsk_mtup: probing for the path's MTU. Sizes are those of packets, in bytes; the time is in jiffies. */
export class icsk_mtup {
  enabled = 0;
  search_high = 0;
  search_low = 0;
  probe_size = 0;
  probe_timestamp = 0;
}

/** inet_connection_sock and tcp_sock (struct tcp_sock) in one flat class. */
export class tcp_sock extends sock {
  declare opts: Readonly<tcp_opts>;
  /** What a connection without trouble has no need of. */
  slow: Readonly<tcp_slow> = tcp_no_slow;

  // ---- sock, as far as only TCP has use for it.
  /**
   * Not yet sent, and sent but not acknowledged, both in the order of their sequence numbers. Nothing may be put into
   * `no_skbs`: see own_write_queue and own_rtx_queue.
   */
  sk_write_queue: sk_buff_head = no_skbs;
  tcp_rtx_queue: sk_buff_head = no_skbs;
  /** Bytes of truesize in both (sk_wmem_queued), and those this sock has been granted beyond (sk_forward_alloc). */
  sk_wmem_queued = 0;
  sk_forward_alloc = 0;
  /** Bytes a second, 0xffffffff for no limit. */
  sk_pacing_rate = SK_PACING_UNLIMITED;
  sk_gso_max_size = GSO_MAX_SIZE;
  sk_gso_max_segs = GSO_MAX_SEGS;
  /** May a packet stand for several segments (sk_can_gso)? Set with the route (sk_setup_caps). */
  sk_can_gso = false;
  /** The route by which its segments come in, and from which device (tcp_v4_early_demux). */
  sk_rx_dst: dst_entry | null = null;
  sk_rx_dst_ifindex = 0;
  sk_txhash = 0;
  /** SOCK_QUEUE_SHRUNK, SOCK_NOSPACE. */
  sk_nospace = false;
  /** Writers that wait for the connection (sk_write_pending). */
  sk_write_pending = 0;

  // ---- inet_connection_sock.
  icsk_af_ops!: inet_connection_sock_af_ops;
  /** Fast Open of a listener, once a program has asked for it (icsk_accept_queue.fastopenq). */
  fastopenq: fastopen_queue | null = null;
  /** Timers are made when they are first armed. sk_timer is that of keep-alive, of FIN_WAIT2 and of the SYN/ACK of Fast Open. */
  icsk_retransmit_timer: timer_list | null = null;
  icsk_delack_timer: timer_list | null = null;
  /** Jiffies. */
  icsk_timeout = 0;
  icsk_rto = TCP_TIMEOUT_INIT;
  icsk_pmtu_cookie = 0;
  icsk_ca_ops!: tcp_congestion_ops;
  icsk_ca_state = TCP_CA_Open;
  /** The algorithm's own state. */
  icsk_ca_priv: unknown = null;
  icsk_retransmits = 0;
  icsk_pending = 0;
  icsk_backoff = 0;
  icsk_probes_out = 0;
  // icsk_ack
  icsk_ack_pending = 0;
  icsk_ack_quick = 0;
  icsk_ack_pingpong = 0;
  icsk_ack_retry = 0;
  icsk_ack_ato = 0;
  icsk_ack_timeout = 0;
  icsk_ack_lrcvtime = 0;
  icsk_ack_last_seg_size = 0;
  icsk_ack_rcv_mss = 0;
  /** Only where the system probes for the path's MTU (tcp_mtu_probing). */
  icsk_mtup: icsk_mtup | null = null;

  // ---- tcp_sock: options and header.
  readonly rx_opt = new tcp_options_received();
  tcp_header_len = TCP_HLEN;
  /** The header word that a segment of the fast path must have (pred_flags): length, ACK, window; 0: none has it. */
  pred_flags = 0;

  // Receive.
  rcv_nxt = 0;
  copied_seq = 0;
  rcv_wup = 0;
  rcv_wnd = 0;
  window_clamp = 0;
  rcv_ssthresh = 0;
  /** How much of a buffer's truesize is payload, in 256ths. */
  scaling_ratio = 128;
  rcv_tstamp = 0;
  /** rcv_rtt_est and rcvq_space: µs. */
  rcv_rtt_est_rtt_us = 0;
  rcv_rtt_est_seq = 0;
  rcv_rtt_est_time = 0;
  rcvq_space_time = 0;
  bytes_received = 0;
  segs_in = 0;
  data_segs_in = 0;

  // Send.
  snd_una = 0;
  snd_nxt = 0;
  snd_sml = 0;
  write_seq = 0;
  pushed_seq = 0;
  snd_wl1 = 0;
  snd_wnd = 0;
  max_window = 0;
  mss_cache = TCP_MSS_DEFAULT;
  snd_up = 0;
  nonagle = 0;
  /** Jiffies of the last data segment sent. */
  lsndtime = 0;
  bytes_sent = 0;
  bytes_acked = 0;
  segs_out = 0;
  data_segs_out = 0;
  tsq_flags = 0;
  /** When the last packet went, in µs (tcp_wstamp_ns, which only paced ones keep). */
  tcp_wstamp_us = 0;
  /** The present, in µs (tcp_mstamp_refresh). */
  tcp_mstamp = 0;
  ecn_flags = 0;

  // Retransmission and congestion. µs shifted as in Linux: srtt by 3, mdev by 2.
  srtt_us = 0;
  mdev_us = 0;
  mdev_max_us = 0;
  rttvar_us = 0;
  rtt_seq = 0;
  /** Windowed minimum of the RTT: the three best samples and their times (lib/win_minmax.c). */
  rtt_min_t0 = 0;
  rtt_min_v0 = TCP_NO_RTT;
  rtt_min_t1 = 0;
  rtt_min_v1 = TCP_NO_RTT;
  rtt_min_t2 = 0;
  rtt_min_v2 = TCP_NO_RTT;
  packets_out = 0;
  retrans_out = 0;
  sacked_out = 0;
  lost_out = 0;
  max_packets_out = 0;
  cwnd_usage_seq = 0;
  is_cwnd_limited = 0;
  snd_cwnd = TCP_INIT_CWND;
  snd_cwnd_used = 0;
  snd_cwnd_stamp = 0;
  snd_ssthresh = TCP_INFINITE_SSTHRESH;
  highest_sack: sk_buff | null = null;
  /** Ends of tsorted_sent_queue: what is unacknowledged, by the time it was sent last. */
  tsorted_first: sk_buff | null = null;
  tsorted_last: sk_buff | null = null;
  rack_mstamp = 0;
  rack_rtt_us = 0;
  rack_end_seq = 0;
  rack_advanced = 0;
  // Delivery and its rate.
  delivered = 0;
  app_limited = 0;
  first_tx_mstamp = 0;
  delivered_mstamp = 0;
  // What the sender waits for, for tcp_info.
  chrono_type = TCP_CHRONO_UNSPEC;
  chrono_start = 0;
  chrono_stat_busy = 0;

  // ---- Of all of them: what not every segment touches, so that the rest lies in as few cache lines as may be.
  // Hash tables (inet_hashtables.ts): its node in the established one, the port it holds and others that do.
  ehash_slot = 0;
  icsk_bind_hash: inet_bind_bucket | null = null;
  icsk_bind2_hash: inet_bind2_bucket | null = null;
  bind_next: bind_owner | null = null;
  bind_prev: bind_owner | null = null;
  // Listeners.
  sk_ack_backlog = 0;
  sk_max_ack_backlog = 0;
  /** Connections that wait for accept; listeners only. */
  icsk_accept_queue: request_sock_queue | null = null;
  // Others.
  sk_timer: timer_list | null = null;
  icsk_ca_initialized = 0;
  icsk_ext_hdr_len = 0;
  /** Added to our timestamps (RFC 7323 7.1, tsoffset), and what a listener's children get. */
  tsoffset = 0;
  advmss = 0;
  rcv_rtt_last_tsecr = 0;
  rcvq_space_space = 0;
  rcvq_space_seq = 0;
  snd_cwnd_cnt = 0;
  retrans_stamp = 0;
  rate_delivered = 0;
  rate_interval_us = 0;
  rate_app_limited = 0;

  constructor(net: net, family: number, type: number, protocol: number, prot: proto) {
    super(net, family, type, protocol, prot);
    this.opts = tcp_default_opts;
  }
}

/** The queue of what is to be sent, for somebody who puts something into it. */
export function own_write_queue(sk: tcp_sock): sk_buff_head {
  if (sk.sk_write_queue === no_skbs) sk.sk_write_queue = new sk_buff_head();
  return sk.sk_write_queue;
}

/** The queue of what was sent, for somebody who puts something into it. */
export function own_rtx_queue(sk: tcp_sock): sk_buff_head {
  if (sk.tcp_rtx_queue === no_skbs) sk.tcp_rtx_queue = new sk_buff_head();
  return sk.tcp_rtx_queue;
}
