/**
 * What most connections never need (struct tcp_sock's and inet_connection_sock's other half): what programs may set, and
 * what is only known once something was lost, marked, late or out of order. A connection without any of that shares one
 * object of each with all others, so that it costs a pointer, and 100,000 of them read the same cache lines.
 */
import type { hrtimer } from '../../time/hrtimer.ts';
import { no_skbs, type sk_buff, sk_buff_head } from '../core/skbuff.ts';
import { sock_opts } from '../core/sock.ts';
import { SK_PACING_NONE, TCP_DELACK_MAX, TCP_RTO_MAX, TCP_RTO_MIN } from './tcp_constants.ts';
import type { tcp_accecn } from './tcp_ecn.ts';
import type { tcp_fastopen_request } from './tcp_fastopen.ts';
import type { tcp_md5sig_key } from './tcp_md5.ts';
import type { tcp_rtx_index } from './tcp_rtx_index.ts';
import type { tcp_request_sock, tcp_sock } from './tcp_sock.ts';

/** A TCP socket's options: see sock_opts; own_opts before a write. */
export class tcp_opts extends sock_opts {
  // Keep-alive: jiffies, 0 for the system's.
  keepalive_time = 0;
  keepalive_intvl = 0;
  keepalive_probes = 0;
  /** ms, as TCP_USER_TIMEOUT; 0: none. */
  icsk_user_timeout = 0;
  icsk_syn_retries = 0;
  icsk_rto_min = TCP_RTO_MIN;
  icsk_rto_max = TCP_RTO_MAX;
  icsk_delack_max = TCP_DELACK_MAX;
  /** The program, or the route, has chosen the algorithm of congestion control. */
  icsk_ca_setsockopt = 0;
  icsk_ca_dst_locked = 0;
  linger2 = 0;
  defer_accept = 0;
  notsent_lowat = 0;
  thin_lto = 0;
  save_syn = 0;
  /** TCP_INQ */
  recvmsg_inq = 0;
  sk_pacing_status = SK_PACING_NONE;
  sk_pacing_shift = 10;
  snd_cwnd_clamp = 0xffffffff;
  /** TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE. */
  fastopen_connect = 0;
  fastopen_no_cookie = 0;
  /** Keys of TCP_MD5SIG, the list never changed but replaced; null: none. Connections do not share their listener's. */
  md5sig_info: readonly tcp_md5sig_key[] | null = null;
  /** Every segment is made by itself, as each has its own signature. */
  sk_gso_disabled = false;

  override clone(): tcp_opts {
    return Object.assign(new tcp_opts(), this);
  }
}

export const tcp_default_opts: Readonly<tcp_opts> = new tcp_opts();

/** Places in tcp_slow.sacks: D-SACK to report, blocks to report, blocks received last; each a start and an end. */
export const DUPLICATE_SACK = 0;
export const SELECTIVE_ACKS = 2;
export const RECV_SACK_CACHE = 10;
const SACK_WORDS = 18;

/** The state of a connection's slow paths; own_slow before a write. Times in ms or jiffies. */
export class tcp_slow {
  // Receive.
  last_oow_ack_time = 0;
  /** Packets by their start, and the tree over them (tcp_ofo_tree.ts). */
  readonly out_of_order_queue: sk_buff_head;
  ooo_root: sk_buff | null = null;
  ooo_last_skb: sk_buff | null = null;
  rcv_ooopack = 0;
  /** By place: see DUPLICATE_SACK. */
  readonly sacks = new Int32Array(SACK_WORDS);
  dup_ack_counter = 0;
  compressed_ack = 0;
  compressed_ack_rcv_nxt = 0;
  compressed_ack_timer: hrtimer | null = null;
  urg_data = 0;
  urg_seq = 0;
  /** Segments that came marked, and payload that came with ECT(1), ECT(0) and CE. */
  received_ce = 0;
  received_e1_bytes = 0;
  received_e0_bytes = 0;
  received_ce_bytes = 0;
  /** Accurate ECN, once it was asked for (tcp_ecn.ts). */
  accecn: tcp_accecn | null = null;

  // Recovery.
  high_seq = 0;
  prior_cwnd = 0;
  prior_ssthresh = 0;
  prr_delivered = 0;
  prr_out = 0;
  undo_marker = 0;
  undo_retrans = 0;
  frto = 0;
  reordering = 3;
  reord_seen = 0;
  is_sack_reneg = 0;
  tlp_high_seq = 0;
  tlp_retrans = 0;
  retransmit_skb_hint: sk_buff | null = null;
  /** Made with the first SACK block into a long queue. */
  rtx_index: tcp_rtx_index | null = null;
  rack_last_delivered = 0;
  rack_reo_wnd_steps = 1;
  rack_reo_wnd_persist = 0;
  rack_dsack_seen = 0;
  timeout_rehash = 0;
  total_rto = 0;
  total_rto_recoveries = 0;
  total_rto_time = 0;
  rto_stamp = 0;
  bytes_retrans = 0;
  total_retrans = 0;
  dsack_dups = 0;
  lost = 0;
  delivered_ce = 0;

  /** TCP_REPAIR, and the queue that is meant (tcp_repair.ts). */
  repair = 0;
  repair_queue = 0;

  // What is in the way of sending: the other side's window, our buffer, the path.
  icsk_probes_tstamp = 0;
  chrono_stat_rwnd = 0;
  chrono_stat_sndbuf = 0;
  pacing_timer: hrtimer | null = null;
  /** When the next packet of a paced connection may go, ns. */
  tcp_wstamp_ns = 0;
  mtu_info = 0;
  mtu_probe_seq_start = 0;
  mtu_probe_seq_end = 0;

  // Fast Open (tcp_fastopen.ts): what the SYN is to carry, while connect or send is at it; the request of a child of a SYN.
  fastopen_req: tcp_fastopen_request | null = null;
  fastopen_rsk: tcp_request_sock | null = null;
  /** The SYN had the option; the experimental one; data; that was acknowledged (or came with a SYN). */
  syn_fastopen = 0;
  syn_fastopen_exp = 0;
  syn_data = 0;
  syn_data_acked = 0;
  /** It came of a SYN (TCPI_OPT_TFO_CHILD). */
  syn_fastopen_child = 0;
  /** Fast Open is tried again after it was thought to be blocked. */
  syn_fastopen_ch = 0;
  /** connect(2) was called, and its SYN waits for data. */
  defer_connect = 0;
  /** TFO_: why the data of the SYN was not taken. */
  fastopen_client_fail = 0;

  constructor(out_of_order_queue: sk_buff_head) {
    this.out_of_order_queue = out_of_order_queue;
  }
}

export const tcp_no_slow: Readonly<tcp_slow> = new tcp_slow(no_skbs);

/** The sock's slow state, to be written to: made when it has none yet. */
export function own_slow(sk: tcp_sock): tcp_slow {
  if (sk.slow === tcp_no_slow) sk.slow = new tcp_slow(new sk_buff_head());
  return sk.slow as tcp_slow;
}

/** The sock's own slow state, null when it has none: what is to be cleared is clear then. */
export function slow_if_any(sk: tcp_sock): tcp_slow | null {
  return sk.slow === tcp_no_slow ? null : (sk.slow as tcp_slow);
}
