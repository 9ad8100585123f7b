/**
 * TCP's socks and the words they share (include/linux/tcp.h, include/net/tcp.h, include/net/inet_connection_sock.h,
 * include/net/request_sock.h). Sequence numbers are int32, compared by their difference. Times are whole numbers that
 * never wrap: jiffies (1 ms) where Linux has jiffies, µs where it has tcp_mstamp.
 *
 * A context is atomic here, so nobody ever finds a sock owned by a user: there is no backlog and no deferral.
 */
import type { Kernel } from '../../kernel.ts';
import type { hrtimer } from '../../time/hrtimer.ts';
import { HZ, timer_list } from '../../time/timer.ts';
import type { dst_entry } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { alloc_skb, type sk_buff, sk_buff_head, skb_reserve } from '../core/skbuff.ts';
import { type proto, sock } from '../core/sock.ts';
import type { bind_owner, inet_bind_bucket, inet_bind2_bucket } from './inet_hashtables.ts';
import { get16 } from './ip_header.ts';
import type { request_sock_queue } from './request_sock.ts';

// ---- constants ------------------------------------------------------------------------------------------------------

export const TCP_HLEN = 20;
/** Room in front of a segment's payload for every header (MAX_TCP_HEADER). */
export const MAX_TCP_HEADER = 320;
export const MAX_TCP_OPTION_SPACE = 40;
export const TCP_MIN_SND_MSS = 48;
export const TCP_MIN_GSO_SIZE = TCP_MIN_SND_MSS - MAX_TCP_OPTION_SPACE;
export const MAX_TCP_WINDOW = 32767;
export const TCP_MAX_WSCALE = 14;
export const TCP_MSS_DEFAULT = 536;
export const TCP_MIN_MSS = 88;
export const TCP_FASTRETRANS_THRESH = 3;
export const TCP_INIT_CWND = 10;
export const TCP_INFINITE_SSTHRESH = 0x7fffffff;
export const TCP_MAX_QUICKACKS = 16;
/** What one segment may carry at most, with TSO (GSO_LEGACY_MAX_SIZE). */
export const GSO_MAX_SIZE = 65536;
export const GSO_MAX_SEGS = 65535;

/** Jiffies. */
export const TCP_DELACK_MAX = HZ / 5;
export const TCP_DELACK_MIN = HZ / 25;
export const TCP_ATO_MIN = HZ / 25;
export const TCP_RTO_MAX = 120 * HZ;
export const TCP_RTO_MIN = HZ / 5;
export const TCP_TIMEOUT_MIN = 2;
export const TCP_TIMEOUT_MIN_US = (2 * 1_000_000) / HZ;
export const TCP_TIMEOUT_INIT = HZ;
export const TCP_TIMEOUT_FALLBACK = 3 * HZ;
export const TCP_RESOURCE_PROBE_INTERVAL = HZ / 2;
export const TCP_TIMEWAIT_LEN = 60 * HZ;
export const TCP_FIN_TIMEOUT_MAX = 120 * HZ;
/** s: a timestamp that old says nothing (24 days), and how far it may lie back. */
export const TCP_PAWS_WRAP = 2147483;
export const TCP_PAWS_MSL = 60;
export const TCP_PAWS_WINDOW = 1;
export const USEC_PER_JIFFY = 1_000_000 / HZ;

/** Flags of a segment, byte 13 of its header; as tcp_flags the ninth bit (AE) may follow. */
export const TCPHDR_FIN = 0x01;
export const TCPHDR_SYN = 0x02;
export const TCPHDR_RST = 0x04;
export const TCPHDR_PSH = 0x08;
export const TCPHDR_ACK = 0x10;
export const TCPHDR_URG = 0x20;
export const TCPHDR_ECE = 0x40;
export const TCPHDR_CWR = 0x80;
export const TCPHDR_SYN_ECN = TCPHDR_SYN | TCPHDR_ECE | TCPHDR_CWR;

/** Option kinds and lengths. */
export const TCPOPT_NOP = 1;
export const TCPOPT_EOL = 0;
export const TCPOPT_MSS = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERM = 4;
export const TCPOPT_SACK = 5;
export const TCPOPT_TIMESTAMP = 8;
export const TCPOLEN_MSS = 4;
export const TCPOLEN_WINDOW = 3;
export const TCPOLEN_SACK_PERM = 2;
export const TCPOLEN_TIMESTAMP = 10;
export const TCPOLEN_TSTAMP_ALIGNED = 12;
export const TCPOLEN_WSCALE_ALIGNED = 4;
export const TCPOLEN_SACKPERM_ALIGNED = 4;
export const TCPOLEN_SACK_BASE_ALIGNED = 4;
export const TCPOLEN_SACK_PERBLOCK = 8;
export const TCPOLEN_MSS_ALIGNED = 4;
export const TCP_NUM_SACKS = 4;

/** skb.sacked: what is known of a sent segment (TCPCB_*). */
export const TCPCB_SACKED_ACKED = 0x01;
export const TCPCB_SACKED_RETRANS = 0x02;
export const TCPCB_LOST = 0x04;
export const TCPCB_TAGBITS = 0x07;
export const TCPCB_REPAIRED = 0x10;
export const TCPCB_EVER_RETRANS = 0x80;
export const TCPCB_RETRANS = TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS;

/** icsk_ca_state */
export const TCP_CA_Open = 0;
export const TCP_CA_Disorder = 1;
export const TCP_CA_CWR = 2;
export const TCP_CA_Recovery = 3;
export const TCP_CA_Loss = 4;
export const TCPF_CA_CWR = 1 << TCP_CA_CWR;
export const TCPF_CA_Recovery = 1 << TCP_CA_Recovery;

/** Events for congestion control (enum tcp_ca_event). */
export const CA_EVENT_TX_START = 0;
export const CA_EVENT_CWND_RESTART = 1;
export const CA_EVENT_COMPLETE_CWR = 2;
export const CA_EVENT_LOSS = 3;
export const CA_EVENT_ECN_NO_CE = 4;
export const CA_EVENT_ECN_IS_CE = 5;

/** icsk_pending: what icsk_retransmit_timer is armed for. */
export const ICSK_TIME_NONE = 0;
export const ICSK_TIME_RETRANS = 1;
export const ICSK_TIME_DACK = 2;
export const ICSK_TIME_PROBE0 = 3;
export const ICSK_TIME_LOSS_PROBE = 5;
export const ICSK_TIME_REO_TIMEOUT = 6;

/** icsk_ack.pending */
export const ICSK_ACK_SCHED = 1;
export const ICSK_ACK_TIMER = 2;
export const ICSK_ACK_PUSHED = 4;
export const ICSK_ACK_PUSHED2 = 8;
export const ICSK_ACK_NOW = 16;
export const ICSK_ACK_NOMEM = 32;

/** tp.nonagle */
export const TCP_NAGLE_OFF = 1;
export const TCP_NAGLE_CORK = 2;
export const TCP_NAGLE_PUSH = 4;

/** tp.ecn_flags */
export const TCP_ECN_OK = 1;
export const TCP_ECN_QUEUE_CWR = 2;
export const TCP_ECN_DEMAND_CWR = 4;
export const TCP_ECN_SEEN = 8;

/** tsq_flags */
export const TSQ_THROTTLED = 1;
export const TSQ_QUEUED = 2;

/** tp.chrono_type: what keeps the sender from sending. */
export const TCP_CHRONO_UNSPEC = 0;
export const TCP_CHRONO_BUSY = 1;
export const TCP_CHRONO_RWND_LIMITED = 2;
export const TCP_CHRONO_SNDBUF_LIMITED = 3;

/** sk_pacing_status */
export const SK_PACING_NONE = 0;
export const SK_PACING_NEEDED = 1;
export const SK_PACING_FQ = 2;

/** Bits for sets of states: 1 << state. */
export const TCPF_ESTABLISHED = 1 << 1;
export const TCPF_SYN_SENT = 1 << 2;
export const TCPF_SYN_RECV = 1 << 3;
export const TCPF_FIN_WAIT1 = 1 << 4;
export const TCPF_FIN_WAIT2 = 1 << 5;
export const TCPF_TIME_WAIT = 1 << 6;
export const TCPF_CLOSE = 1 << 7;
export const TCPF_CLOSE_WAIT = 1 << 8;
export const TCPF_LAST_ACK = 1 << 9;
export const TCPF_LISTEN = 1 << 10;
export const TCPF_CLOSING = 1 << 11;
export const TCPF_NEW_SYN_RECV = 1 << 12;
/** A connection that exists only as a request (struct request_sock). */
export const TCP_NEW_SYN_RECV = 12;

// ---- sequence numbers -----------------------------------------------------------------------------------------------

/** seq1 lies before seq2. */
export function before(seq1: number, seq2: number): boolean {
  return ((seq1 - seq2) | 0) < 0;
}

export function after(seq1: number, seq2: number): boolean {
  return ((seq2 - seq1) | 0) < 0;
}

/** seq2 <= seq1 <= seq3 */
export function between(seq1: number, seq2: number, seq3: number): boolean {
  return (seq3 - seq2) >>> 0 >= (seq1 - seq2) >>> 0;
}

/** Is one of a segment's bytes, or the place where they would be, in the window? (tcp_in_window) */
export function tcp_in_window(seq: number, end_seq: number, s_win: number, e_win: number): boolean {
  if (seq === s_win) return true;
  if (after(end_seq, s_win) && before(seq, e_win)) return true;
  return seq === e_win && seq === end_seq;
}

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
  /** A SYN/ACK for `req`; `syn_skb` is what it answers, null for a retransmission. 0 or a negative errno. */
  send_synack(sk: tcp_sock, dst: dst_entry | null, req: tcp_request_sock, syn_skb: sk_buff | null): number;
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
  /** Set by tcp_parse_options for an extended option in a SYN: unused yet. */
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
  tstamp_ok = 0;
  sack_ok = 0;
  wscale_ok = 0;
  snd_wscale = 0;
  rcv_wscale = 0;
  acked = 0;
  no_srccheck = 0;
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
  req_usec_ts = 0;
  syn_tos = 0;
  txhash = 0;
  /** The sock that came of it, waiting for accept. */
  sk: tcp_sock | null = null;
  dl_next: tcp_request_sock | null = null;
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

  constructor(net: net, ops: tcp_request_sock_ops, listener: tcp_sock | null, timer: (req: tcp_request_sock) => void) {
    this.sk_net = net;
    this.rsk_ops = ops;
    this.sk_family = ops.family;
    this.rsk_listener = listener;
    this.rsk_timer = new timer_list(net.kernel, () => timer(this));
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
  tw_txhash = 0;
  tw_rcv_wscale = 0;
  /** Came to FIN_WAIT2 with nobody to read (tw_transparent is not here). */
  tw_entry_stamp = 0;
  tw_rcv_nxt = 0;
  tw_snd_nxt = 0;
  tw_rcv_wnd = 0;
  tw_ts_offset = 0;
  tw_ts_recent = 0;
  tw_ts_recent_stamp = 0;
  last_oow_ack_time = 0;
  tw_tx_delay = 0;
  readonly tw_timer: timer_list;
  /** Its node in the established table (inet_hashtables.ts), and the port it holds. */
  ehash_slot = 0;
  icsk_bind_hash: inet_bind_bucket | null = null;
  icsk_bind2_hash: inet_bind2_bucket | null = null;
  bind_next: bind_owner | null = null;
  bind_prev: bind_owner | null = null;

  constructor(net: net, family: number, timer: (tw: tcp_timewait_sock) => void) {
    this.sk_net = net;
    this.sk_family = family;
    this.tw_timer = new timer_list(net.kernel, () => timer(this));
  }
}

/** What the table of established connections holds. */
export type tcp_ehash_entry = tcp_sock | tcp_request_sock | tcp_timewait_sock;

// ---- the sock -------------------------------------------------------------------------------------------------------

/** Places in tcp_sock.sacks: D-SACK to report, blocks to report, blocks received last; each a start and an end. */
export const DUPLICATE_SACK = 0;
export const SELECTIVE_ACKS = 2;
export const RECV_SACK_CACHE = 10;
const SACK_WORDS = 18;

/** inet_connection_sock and tcp_sock (struct tcp_sock) in one flat class. */
export class tcp_sock extends sock {
  // ---- sock, as far as only TCP has use for it.
  /** Not yet sent, and sent but not acknowledged, both in the order of their sequence numbers. */
  readonly sk_write_queue = new sk_buff_head();
  readonly tcp_rtx_queue = new sk_buff_head();
  /** Bytes of truesize in both (sk_wmem_queued), and those this sock has been granted beyond (sk_forward_alloc). */
  sk_wmem_queued = 0;
  sk_forward_alloc = 0;
  /** The smallest of reserved bytes is none: sk_reserved_mem is not here. */
  sk_ack_backlog = 0;
  sk_max_ack_backlog = 0;
  /** Bytes a second, 0xffffffff for no limit. */
  sk_pacing_rate = 0xffffffff;
  sk_max_pacing_rate = 0xffffffff;
  sk_pacing_status = SK_PACING_NONE;
  sk_pacing_shift = 10;
  sk_gso_max_size = GSO_MAX_SIZE;
  sk_gso_max_segs = GSO_MAX_SEGS;
  /** May a packet stand for several segments (sk_can_gso)? Set with the route (sk_setup_caps). */
  sk_can_gso = false;
  sk_txhash = 0;
  /** SOCK_QUEUE_SHRUNK, SOCK_NOSPACE. */
  sk_nospace = false;
  /** Writers that wait for the connection (sk_write_pending). */
  sk_write_pending = 0;
  /** TCP_INQ */
  recvmsg_inq = 0;
  /** The transmit queue's clones that the hosts below still hold count in sk_wmem_alloc, as for every sock. */
  sk_user_data: unknown = null;
  sk_reuseport_listen: unknown = null;

  // ---- hash tables (inet_hashtables.ts): its node in the established one, the port it holds and others that do.
  ehash_slot = 0;
  icsk_bind_hash: inet_bind_bucket | null = null;
  icsk_bind2_hash: inet_bind2_bucket | null = null;
  bind_next: bind_owner | null = null;
  bind_prev: bind_owner | null = null;

  // ---- inet_connection_sock.
  icsk_af_ops!: inet_connection_sock_af_ops;
  /** Connections that wait for accept; listeners only. */
  icsk_accept_queue: request_sock_queue | null = null;
  readonly icsk_retransmit_timer: timer_list;
  readonly icsk_delack_timer: timer_list;
  /** Keep-alive, FIN_WAIT2 and SYN/ACK (of fast open) timer (sk_timer). */
  readonly sk_timer: timer_list;
  /** Jiffies. */
  icsk_timeout = 0;
  icsk_rto = TCP_TIMEOUT_INIT;
  icsk_rto_min = TCP_RTO_MIN;
  icsk_rto_max = TCP_RTO_MAX;
  icsk_delack_max = TCP_DELACK_MAX;
  icsk_pmtu_cookie = 0;
  icsk_ca_ops!: tcp_congestion_ops;
  /** The program, or the route, has chosen it. */
  icsk_ca_setsockopt = 0;
  icsk_ca_initialized = 0;
  icsk_ca_state = TCP_CA_Open;
  /** The algorithm's own state. */
  icsk_ca_priv: unknown = null;
  icsk_retransmits = 0;
  icsk_pending = 0;
  icsk_backoff = 0;
  icsk_syn_retries = 0;
  icsk_probes_out = 0;
  icsk_ext_hdr_len = 0;
  /** ms, as TCP_USER_TIMEOUT; 0: none. */
  icsk_user_timeout = 0;
  icsk_probes_tstamp = 0;
  // icsk_ack
  icsk_ack_pending = 0;
  icsk_ack_quick = 0;
  icsk_ack_pingpong = 0;
  icsk_ack_retry = 0;
  icsk_ack_ato = 0;
  icsk_ack_lrcv_flowlabel = 0;
  icsk_ack_timeout = 0;
  icsk_ack_lrcvtime = 0;
  icsk_ack_last_seg_size = 0;
  icsk_ack_rcv_mss = 0;
  // icsk_mtup
  icsk_mtup_enabled = 0;
  icsk_mtup_search_high = 0;
  icsk_mtup_search_low = 0;
  icsk_mtup_probe_size = 0;
  icsk_mtup_probe_timestamp = 0;

  // ---- tcp_sock: options and header.
  readonly rx_opt = new tcp_options_received();
  tcp_header_len = TCP_HLEN;
  /** The header word that a segment of the fast path must have (pred_flags): length, ACK, window; 0: none has it. */
  pred_flags = 0;
  /** Added to our timestamps (RFC 7323 7.1, tsoffset), and what a listener's children get. */
  tsoffset = 0;

  // Receive.
  rcv_nxt = 0;
  copied_seq = 0;
  rcv_wup = 0;
  rcv_wnd = 0;
  rcv_mwnd_seq = 0;
  window_clamp = 0;
  rcv_ssthresh = 0;
  /** How much of a buffer's truesize is payload, in 256ths. */
  scaling_ratio = 128;
  advmss = 0;
  rcv_tstamp = 0;
  last_oow_ack_time = 0;
  readonly out_of_order_queue = new sk_buff_head();
  ooo_last_skb: sk_buff | null = null;
  /** D-SACK, SACK blocks and cache: see DUPLICATE_SACK. */
  readonly sacks = new Int32Array(SACK_WORDS);
  dup_ack_counter = 0;
  compressed_ack = 0;
  compressed_ack_rcv_nxt = 0;
  compressed_ack_timer: hrtimer | null = null;
  rcv_ooopack = 0;
  urg_data = 0;
  urg_seq = 0;
  /** rcv_rtt_est and rcvq_space: µs. */
  rcv_rtt_est_rtt_us = 0;
  rcv_rtt_est_seq = 0;
  rcv_rtt_est_time = 0;
  rcv_rtt_last_tsecr = 0;
  rcvq_space_space = 0;
  rcvq_space_seq = 0;
  rcvq_space_time = 0;
  rcvq_space_copied = 0;
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
  bytes_retrans = 0;
  segs_out = 0;
  data_segs_out = 0;
  dsack_dups = 0;
  is_sack_reneg = 0;
  total_retrans = 0;
  notsent_lowat = 0;
  rcv_has_data = 0;
  tsq_flags = 0;
  tcp_wstamp_ns = 0;
  tcp_clock_cache = 0;
  /** The present, in µs (tcp_mstamp_refresh). */
  tcp_mstamp = 0;
  repair = 0;
  linger2 = 0;
  defer_accept = 0;
  save_syn = 0;
  fastopen_rsk: unknown = null;
  syn_data = 0;
  mtu_info = 0;
  gso_segs = 0;
  ecn_flags = 0;

  // Retransmission and congestion. µs shifted as in Linux: srtt by 3, mdev by 2.
  srtt_us = 0;
  mdev_us = 0;
  mdev_max_us = 0;
  rttvar_us = 0;
  rtt_seq = 0;
  /** Windowed minimum of the RTT: the three best samples and their times (lib/win_minmax.c). */
  rtt_min_t0 = 0;
  rtt_min_v0 = 0xffffffff;
  rtt_min_t1 = 0;
  rtt_min_v1 = 0xffffffff;
  rtt_min_t2 = 0;
  rtt_min_v2 = 0xffffffff;
  packets_out = 0;
  retrans_out = 0;
  sacked_out = 0;
  lost_out = 0;
  max_packets_out = 0;
  cwnd_usage_seq = 0;
  max_packets_seq = 0;
  is_cwnd_limited = 0;
  snd_cwnd = TCP_INIT_CWND;
  snd_cwnd_cnt = 0;
  snd_cwnd_clamp = 0xffffffff;
  snd_cwnd_used = 0;
  snd_cwnd_stamp = 0;
  snd_ssthresh = TCP_INFINITE_SSTHRESH;
  prior_cwnd = 0;
  prior_ssthresh = 0;
  prr_delivered = 0;
  prr_out = 0;
  high_seq = 0;
  undo_marker = 0;
  undo_retrans = 0;
  retrans_stamp = 0;
  frto = 0;
  reordering = 3;
  reord_seen = 0;
  tlp_high_seq = 0;
  tlp_retrans = 0;
  total_rto = 0;
  total_rto_recoveries = 0;
  total_rto_time = 0;
  rto_stamp = 0;
  syn_fastopen = 0;
  retransmit_high = 0;
  retransmit_skb_hint: sk_buff | null = null;
  lost_skb_hint: sk_buff | null = null;
  highest_sack: sk_buff | null = null;
  sacked_hint: sk_buff | null = null;
  /** Ends of tsorted_sent_queue: what is unacknowledged, by the time it was sent last. */
  tsorted_first: sk_buff | null = null;
  tsorted_last: sk_buff | null = null;
  rack_mstamp = 0;
  rack_rtt_us = 0;
  rack_end_seq = 0;
  rack_last_delivered = 0;
  rack_reo_wnd_steps = 1;
  rack_reo_wnd_persist = 0;
  rack_dsack_seen = 0;
  rack_advanced = 0;
  // Delivery and its rate.
  delivered = 0;
  delivered_ce = 0;
  lost = 0;
  app_limited = 0;
  first_tx_mstamp = 0;
  delivered_mstamp = 0;
  rate_delivered = 0;
  rate_interval_us = 0;
  rate_app_limited = 0;
  // Keep-alive: jiffies, 0 for the system's.
  keepalive_time = 0;
  keepalive_intvl = 0;
  keepalive_probes = 0;
  // Path MTU probing.
  mtu_probe_seq_start = 0;
  mtu_probe_seq_end = 0;
  // What the sender waits for, for tcp_info.
  chrono_type = TCP_CHRONO_UNSPEC;
  chrono_start = 0;
  chrono_stat_busy = 0;
  chrono_stat_rwnd = 0;
  chrono_stat_sndbuf = 0;
  timeout_rehash = 0;
  reord_gap = 0;
  pacing_timer: hrtimer | null = null;

  constructor(
    net: net,
    family: number,
    type: number,
    protocol: number,
    prot: proto,
    retransmit: (sk: tcp_sock) => void,
    delack: (sk: tcp_sock) => void,
    keepalive: (sk: tcp_sock) => void,
  ) {
    super(net, family, type, protocol, prot);
    this.icsk_retransmit_timer = new timer_list(this.kernel, () => retransmit(this));
    this.icsk_delack_timer = new timer_list(this.kernel, () => delack(this));
    this.sk_timer = new timer_list(this.kernel, () => keepalive(this));
  }
}

// ---- time -----------------------------------------------------------------------------------------------------------

/** tcp_jiffies32 */
export function tcp_jiffies(kernel: Kernel): number {
  return kernel.timers.jiffies();
}

/** tcp_clock_us */
export function tcp_clock_us(kernel: Kernel): number {
  return Math.floor(kernel.clock.now / 1000);
}

/** tcp_mstamp_refresh */
export function tcp_mstamp_refresh(tp: tcp_sock): void {
  tp.tcp_mstamp = Math.floor(tp.kernel.clock.now / 1000);
}

/** tcp_time_stamp_ms: our clock for the timestamps option, without the connection's offset. int32. */
export function tcp_time_stamp_ms(tp: tcp_sock): number {
  return Math.floor(tp.tcp_mstamp / 1000) | 0;
}

export function tcp_clock_ts(kernel: Kernel): number {
  return Math.floor(kernel.clock.now / 1e6) | 0;
}

/** Whole seconds (ktime_get_seconds). */
export function ktime_get_seconds(kernel: Kernel): number {
  return Math.floor(kernel.clock.now / 1e9);
}

/** usecs_to_jiffies: rounded up. */
export function usecs_to_jiffies(us: number): number {
  return Math.ceil(us / USEC_PER_JIFFY);
}

export function jiffies_to_usecs(jiffies: number): number {
  return jiffies * USEC_PER_JIFFY;
}

// ---- packets --------------------------------------------------------------------------------------------------------

/** Truesize of a segment of our own without payload: an sk_buff, its headers and its shared info, as on Linux. */
export const TCP_SKB_TRUESIZE = 256 + MAX_TCP_HEADER + 320;

/**
 * tcp_stream_alloc_skb: an skb for the write queue with MAX_TCP_HEADER reserved and room for `size` bytes of payload;
 * null without memory. As the payload of Linux lies in page fragments, its truesize is that of an empty one: whoever
 * adds bytes adds them to truesize, too. The caller owns it.
 */
export function tcp_stream_alloc_skb(tp: tcp_sock, size: number): sk_buff | null {
  const skb = alloc_skb(tp.kernel, MAX_TCP_HEADER + size);
  if (skb === null) return null;
  skb_reserve(skb, MAX_TCP_HEADER);
  skb.truesize = TCP_SKB_TRUESIZE;
  tcp_skb_cb_init(skb);
  return skb;
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
}

/** tcp_skb_pcount: segments that a packet of the write queue stands for; 0 before tcp_init_tso_segs. */
export function tcp_skb_pcount(skb: sk_buff): number {
  return skb.gso_segs;
}

/** tcp_skb_mss: payload of each; meaningful for pcount > 1. */
export function tcp_skb_mss(skb: sk_buff): number {
  return skb.gso_size;
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

/** tcp_win_from_space: the payload that `space` bytes of truesize are expected to hold. */
export function tcp_win_from_space(tp: tcp_sock, space: number): number {
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
  return tp.keepalive_intvl !== 0 ? tp.keepalive_intvl : tp.sk_net.ipv4.tcp_keepalive_intvl * HZ;
}

export function keepalive_time_when(tp: tcp_sock): number {
  return tp.keepalive_time !== 0 ? tp.keepalive_time : tp.sk_net.ipv4.tcp_keepalive_time * HZ;
}

export function keepalive_probes(tp: tcp_sock): number {
  return tp.keepalive_probes !== 0 ? tp.keepalive_probes : tp.sk_net.ipv4.tcp_keepalive_probes;
}

/** keepalive_time_elapsed: jiffies since anything came. */
export function keepalive_time_elapsed(tp: tcp_sock): number {
  const now = tcp_jiffies(tp.kernel);
  return Math.min(now - tp.icsk_ack_lrcvtime, now - tp.rcv_tstamp);
}

/** tcp_fin_time: jiffies in FIN_WAIT2. */
export function tcp_fin_time(tp: tcp_sock): number {
  const fin_timeout = tp.linger2 !== 0 ? tp.linger2 : tp.sk_net.ipv4.tcp_fin_timeout * HZ;
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
  // Data offset and ACK flag in the upper half, the window in the lower.
  tp.pred_flags = (tp.tcp_header_len << 26) | (TCPHDR_ACK << 16) | snd_wnd;
}

export function tcp_fast_path_on(tp: tcp_sock): void {
  __tcp_fast_path_on(tp, tp.snd_wnd >>> tp.rx_opt.snd_wscale);
}

/** tcp_fast_path_check: nothing is out of the ordinary. */
export function tcp_fast_path_check(tp: tcp_sock): void {
  if (
    tp.out_of_order_queue.first === null &&
    tp.rcv_wnd !== 0 &&
    tp.sk_rmem_alloc < tp.sk_rcvbuf &&
    tp.urg_data === 0
  ) {
    tcp_fast_path_on(tp);
  }
}
