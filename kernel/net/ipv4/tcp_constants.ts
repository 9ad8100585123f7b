/** TCP's constants, and the arithmetic of sequence numbers (include/net/tcp.h). */
import { HZ } from '../../time/timer.ts';

// ---- constants ------------------------------------------------------------------------------------------------------

export const TCP_HLEN = 20;
/** Room in front of a segment's payload for every header, in a kernel without wireless and tunnel devices. */
export const MAX_TCP_HEADER = 192;
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
export const TCPHDR_AE = 0x100;
/** The three flags of accurate ECN (RFC 9768). */
export const TCPHDR_ACE = TCPHDR_ECE | TCPHDR_CWR | TCPHDR_AE;
export const TCPHDR_SYN_ECN = TCPHDR_SYN | TCPHDR_ECE | TCPHDR_CWR;

/** Option kinds and lengths. */
export const TCPOPT_NOP = 1;
export const TCPOPT_EOL = 0;
export const TCPOPT_MSS = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERM = 4;
export const TCPOPT_SACK = 5;
export const TCPOPT_TIMESTAMP = 8;
export const TCPOPT_MD5SIG = 19;
export const TCPOPT_FASTOPEN = 34;
/** Accurate ECN: byte counts of ECT(0), CE, ECT(1), and in the other order. */
export const TCPOPT_ACCECN0 = 172;
export const TCPOPT_ACCECN1 = 174;
/** RFC 6994: with a number that says whose experiment it is. */
export const TCPOPT_EXP = 254;
export const TCPOPT_FASTOPEN_MAGIC = 0xf989;
export const TCPOLEN_MSS = 4;
export const TCPOLEN_WINDOW = 3;
export const TCPOLEN_SACK_PERM = 2;
export const TCPOLEN_TIMESTAMP = 10;
export const TCPOLEN_MD5SIG = 18;
export const TCPOLEN_FASTOPEN_BASE = 2;
export const TCPOLEN_EXP_FASTOPEN_BASE = 4;
export const TCPOLEN_ACCECN_BASE = 2;
export const TCPOLEN_ACCECN_PERFIELD = 3;
export const TCP_ACCECN_NUMFIELDS = 3;
export const TCPOLEN_TSTAMP_ALIGNED = 12;
export const TCPOLEN_MD5SIG_ALIGNED = 20;
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
/** What came back by repair counts as sent twice: when it was sent the first time, nobody knows. */
export const TCPCB_RETRANS = TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS | TCPCB_REPAIRED;

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
export const TCP_ECN_MODE_RFC3168 = 1;
export const TCP_ECN_QUEUE_CWR = 2;
export const TCP_ECN_DEMAND_CWR = 4;
export const TCP_ECN_SEEN = 8;
export const TCP_ECN_MODE_ACCECN = 16;
/** Modes are two bits: none, one of the two, or both while the answer to our SYN is awaited. */
export const TCP_ECN_DISABLED = 0;
export const TCP_ECN_MODE_ANY = TCP_ECN_MODE_RFC3168 | TCP_ECN_MODE_ACCECN;
export const TCP_ECN_MODE_PENDING = TCP_ECN_MODE_ANY;

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
/** A rate without a limit (~0UL). */
export const SK_PACING_UNLIMITED = 0xffffffff;

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

/** tcp_min_rtt where nothing was measured: the largest µs that are an int32. */
export const TCP_NO_RTT = 0x7fffffff;
