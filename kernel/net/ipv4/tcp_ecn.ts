/**
 * Explicit congestion notification in TCP (include/net/tcp_ecn.h, and what net/ipv4/tcp_input.c and tcp_output.c have of it): the two
 * flags of RFC 3168, and accurate ECN (RFC 9768), in which three flags (AE, CWR, ECE) count the marked segments and an
 * option counts the bytes of each codepoint. A connection is in one mode of TCP_ECN_MODE_ANY; what only accurate ECN needs
 * is in `slow.accecn`, so that others pay one test of `ecn_flags`.
 *
 * Linux 6.18 has accurate ECN but cannot be told to use it (its sysctl tcp_ecn ends at 2); 7.0 can, and is what this follows.
 */
import { get_unaligned_be24 } from '../../lib/unaligned.ts';
import { type dst_entry, dst_metric } from '../core/dst.ts';
import { SKB_GSO_TCP_ACCECN, SKB_GSO_TCP_ECN } from '../core/gso.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { RTAX_FEATURE_ECN, RTAX_FEATURES } from './fib.ts';
import { INET_ECN_MASK } from './ip_header.ts';
import { tcp_ca_needs_ecn } from './tcp_cong.ts';
import { FLAG_FORWARD_PROGRESS, FLAG_SLOWPATH, FLAG_SYN_ACKED, FLAG_TS_PROGRESS } from './tcp_flags.ts';
import { tcp_enter_quickack_mode } from './tcp_rcvbuf.ts';
import {
  before,
  ICSK_ACK_NOW,
  own_slow,
  TCP_CA_CWR,
  TCP_CA_Open,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_DISABLED,
  TCP_ECN_MODE_ACCECN,
  TCP_ECN_MODE_ANY,
  TCP_ECN_MODE_PENDING,
  TCP_ECN_MODE_RFC3168,
  TCP_ECN_QUEUE_CWR,
  TCP_ECN_SEEN,
  TCPHDR_ACE,
  TCPHDR_AE,
  TCPHDR_CWR,
  TCPHDR_ECE,
  TCPOLEN_ACCECN_BASE,
  TCPOLEN_ACCECN_PERFIELD,
  TCPOPT_ACCECN1,
  tcp_fast_path_on,
  tcp_flag_byte,
  tcp_hdrlen,
  tcp_is_sack,
  type tcp_request_sock,
  type tcp_sock,
} from './tcp_sock.ts';

/** Codepoints of the IP header. */
const INET_ECN_NOT_ECT = 0;
const INET_ECN_ECT_1 = 1;
const INET_ECN_ECT_0 = 2;
const INET_ECN_CE = 3;

/** net.ipv4.tcp_ecn: what is accepted, and what is asked for. */
export const TCP_ECN_IN_NOECN_OUT_NOECN = 0;
export const TCP_ECN_IN_ECN_OUT_ECN = 1;
export const TCP_ECN_IN_ACCECN_OUT_ACCECN = 3;
export const TCP_ECN_IN_ACCECN_OUT_ECN = 4;

/** net.ipv4.tcp_ecn_option: when the option is sent: never (0), when something calls for it (1), always. */
export const TCP_ACCECN_OPTION_FULL = 2;

/** accecn_fail_mode: the three flags, or the option, are mangled on their way there or back. */
export const TCP_ACCECN_ACE_FAIL_SEND = 1;
export const TCP_ACCECN_ACE_FAIL_RECV = 2;
export const TCP_ACCECN_OPT_FAIL_SEND = 4;
export const TCP_ACCECN_OPT_FAIL_RECV = 8;

/** saw_accecn_opt: none; one without a counter; with one; with one that starts at zero, which nobody sends. */
export const TCP_ACCECN_OPT_NOT_SEEN = 0;
export const TCP_ACCECN_OPT_EMPTY_SEEN = 1;
export const TCP_ACCECN_OPT_COUNTER_SEEN = 2;
export const TCP_ACCECN_OPT_FAIL_SEEN = 3;

/** The three flags as a number: most, and where the count of marked segments begins (RFC 9768 3.2.1). */
const TCP_ACCECN_CEP_ACE_MASK = 7;
const TCP_ACCECN_CEP_INIT_OFFSET = 5;
/** So many marked segments unreported, and the count would soon be ambiguous. */
const TCP_ACCECN_ACE_MAX_DELTA = 6;
const TCP_ACCECN_SAFETY_SHIFT = 1;
/** Most packets counted as not reported yet; the field has four bits. */
const RECEIVED_CE_PENDING_MAX = 15;
/** Past these bytes a counter of the option may have wrapped unseen. */
const OPTION_TOO_LATE = (1 << 23) - 1;
/** The option goes at least once for each so many bytes (a bit mask of what must not change). */
const OPTION_BYTES_MASK = ~0x3fffff;
/** The mean number of packets for an ACK: weight of a new one, bits behind the point, and where thinning of ACKs is assumed. */
const PKTS_ACKED_WEIGHT = 6;
const PKTS_ACKED_PREC = 6;
const ACK_COMP_THRESH = 4;

/** What a connection with accurate ECN keeps (struct tcp_sock). Counts are u32. */
export class tcp_accecn {
  /** The codepoint of our SYN or SYN/ACK as it went, and of the peer's as it came. */
  syn_ect_snt = 0;
  syn_ect_rcv = 0;
  /** The codepoint of the segment before. */
  prev_ecnfield = 0;
  /** Which one the peer's counts have grown in last; 0: nobody knows. */
  est_ecnfield = 0;
  /** Marked segments that no ACK has told of. */
  received_ce_pending = 0;
  /** Fields that the next option must have to tell news, and how many more ACKs must have it. */
  accecn_minlen = 0;
  accecn_opt_demand = 0;
  /** µs, of the last option sent; whether that had a D-SACK with it. */
  accecn_opt_tstamp = 0;
  accecn_opt_sent_w_dsack = 0;
  /** TCP_ACCECN_OPT_*_SEEN, TCP_ACCECN_*_FAIL_*. */
  saw_accecn_opt = TCP_ACCECN_OPT_NOT_SEEN;
  accecn_fail_mode = 0;
  /** Packets for an ACK, a mean. */
  pkts_acked_ewma = 0;
  /** Payload delivered, as the peer tells, by codepoint - 1. */
  readonly delivered_ecn_bytes = new Uint32Array(3);
}

// ---- modes ----------------------------------------------------------------------------------------------------------

export function tcp_ecn_mode_any(sk: tcp_sock): boolean {
  return (sk.ecn_flags & TCP_ECN_MODE_ANY) !== 0;
}

export function tcp_ecn_mode_rfc3168(sk: tcp_sock): boolean {
  return (sk.ecn_flags & TCP_ECN_MODE_ANY) === TCP_ECN_MODE_RFC3168;
}

export function tcp_ecn_mode_accecn(sk: tcp_sock): boolean {
  return (sk.ecn_flags & TCP_ECN_MODE_ANY) === TCP_ECN_MODE_ACCECN;
}

/** Our SYN asks for accurate ECN. */
export function tcp_ecn_mode_pending(sk: tcp_sock): boolean {
  return (sk.ecn_flags & TCP_ECN_MODE_ANY) === TCP_ECN_MODE_PENDING;
}

function tcp_ecn_mode_set(sk: tcp_sock, mode: number): void {
  sk.ecn_flags = (sk.ecn_flags & ~TCP_ECN_MODE_ANY) | mode;
}

/** The sock's accurate ECN, to be written to: made when it has none yet. */
function own_accecn(sk: tcp_sock): tcp_accecn {
  const slow = own_slow(sk);
  if (slow.accecn === null) slow.accecn = new tcp_accecn();
  return slow.accecn;
}

// ---- the three flags ------------------------------------------------------------------------------------------------

/** tcp_accecn_ace: the flags of the header at transport_header as a number, AE first. */
export function tcp_accecn_ace(skb: sk_buff): number {
  return (((skb.ram.u8[skb.transport_header + 12] as number) & 1) << 2) | (tcp_flag_byte(skb) >> 6);
}

/** The flags that say `ace` (TCPHDR_*). */
function ace_flags(ace: number): number {
  return (ace & TCP_ACCECN_CEP_ACE_MASK) << 6;
}

/** RFC 9768 table 2: what the answer to a SYN or SYN/ACK says of the codepoint that came with it, by that. */
const ecn_to_ace = [0b010, 0b011, 0b100, 0b110];
/** And back; what no answer says is taken for ECT as sent. */
const ace_to_ecn = [2, 1, 0, 1, 2, 1, 3, 1];

/** tcp_accecn_reflector_flags: the flags that feed back the codepoint `ect`. */
export function tcp_accecn_reflector_flags(ect: number): number {
  return ace_flags(ecn_to_ace[ect & INET_ECN_MASK] as number);
}

function tcp_accecn_extract_syn_ect(ace: number): number {
  return ace_to_ecn[ace & TCP_ACCECN_CEP_ACE_MASK] as number;
}

/** tcp_ect_transition_valid: can a router have made `rcv` of `snt`? */
function tcp_ect_transition_valid(snt: number, rcv: number): boolean {
  return rcv === snt || (snt !== INET_ECN_NOT_ECT && rcv !== INET_ECN_NOT_ECT && snt !== INET_ECN_CE);
}

/** tcp_accecn_validate_syn_feedback: false: the path mangles the field, so that marks cannot be relied on. */
function tcp_accecn_validate_syn_feedback(sk: tcp_sock, ace: number, sent_ect: number): boolean {
  if (sk.sk_net.ipv4.tcp_ecn_fallback === 0) return true;
  if (tcp_ect_transition_valid(sent_ect, tcp_accecn_extract_syn_ect(ace))) return true;
  own_accecn(sk).accecn_fail_mode |= TCP_ACCECN_ACE_FAIL_RECV;
  return false;
}

/** tcp_accecn_third_ack: what the handshake's last segment says of our SYN/ACK (RFC 9768 3.2.2.1, table 4). */
export function tcp_accecn_third_ack(sk: tcp_sock, skb: sk_buff, sent_ect: number): void {
  const ace = tcp_accecn_ace(skb);
  const plain = skb.sacked === 0;
  if (ace === 0) {
    if (plain) own_accecn(sk).accecn_fail_mode |= TCP_ACCECN_ACE_FAIL_RECV | TCP_ACCECN_OPT_FAIL_RECV;
  } else if (ace !== 7 && ace !== 5 && ace !== 1 && plain && skb.seq === skb.end_seq) {
    const valid = tcp_accecn_validate_syn_feedback(sk, ace, sent_ect);
    if (valid && tcp_accecn_extract_syn_ect(ace) === INET_ECN_CE && sk.slow.delivered_ce === 0) {
      own_slow(sk).delivered_ce = 1;
    }
  }
}

// ---- the option as it comes -----------------------------------------------------------------------------------------

/** Which codepoint the first, second and third field count (RFC 9768 table 5): of option 0, and of option 1. */
const optfield_lookup = [
  [INET_ECN_ECT_0, INET_ECN_CE, INET_ECN_ECT_1],
  [INET_ECN_ECT_1, INET_ECN_CE, INET_ECN_ECT_0],
] as const;

/** Where the counters begin, by codepoint: not at 0, as zeroes are what meddlers write. */
export const TCP_ACCECN_E1B_INIT_OFFSET = 1;
export const TCP_ACCECN_E0B_INIT_OFFSET = 1;
export const TCP_ACCECN_CEB_INIT_OFFSET = 0;
const init_offset = [0, TCP_ACCECN_E1B_INIT_OFFSET, TCP_ACCECN_E0B_INIT_OFFSET, TCP_ACCECN_CEB_INIT_OFFSET];

/** Fields of option 1 up to that of a codepoint (tcp_ecnfield_to_accecn_optfield). */
const optfield = [0, 1, 3, 2];

/** tcp_accecn_option_init: what a first option, `at` bytes behind the header's beginning, shows: TCP_ACCECN_OPT_*_SEEN. */
export function tcp_accecn_option_init(skb: sk_buff, at: number): number {
  const { u8 } = skb.ram;
  const p = skb.transport_header + at;
  const len = (u8[p + 1] as number) - TCPOLEN_ACCECN_BASE;
  if (len < TCPOLEN_ACCECN_PERFIELD) return TCP_ACCECN_OPT_EMPTY_SEEN;
  if (get_unaligned_be24(u8, p + 2) === 0) return TCP_ACCECN_OPT_FAIL_SEEN;
  if (len < TCPOLEN_ACCECN_PERFIELD * 3) return TCP_ACCECN_OPT_COUNTER_SEEN;
  const third = get_unaligned_be24(u8, p + 2 + TCPOLEN_ACCECN_PERFIELD * 2);
  return third === 0 ? TCP_ACCECN_OPT_FAIL_SEEN : TCP_ACCECN_OPT_COUNTER_SEEN;
}

/** tcp_accecn_saw_opt_fail_recv */
function tcp_accecn_saw_opt_fail_recv(accecn: tcp_accecn, saw_opt: number): void {
  accecn.saw_accecn_opt = saw_opt;
  if (saw_opt === TCP_ACCECN_OPT_FAIL_SEEN) accecn.accecn_fail_mode |= TCP_ACCECN_OPT_FAIL_RECV;
}

/** The option of a SYN/ACK that comes late, or again: see tcp_validate_incoming. */
export function tcp_accecn_late_synack(sk: tcp_sock, skb: sk_buff): void {
  const accecn = own_accecn(sk);
  const at = sk.sk_net.ipv4.tcp_rx_accecn;
  accecn.syn_ect_rcv = skb.ip_dsfield & INET_ECN_MASK;
  if (at === 0 || accecn.saw_accecn_opt >= TCP_ACCECN_OPT_COUNTER_SEEN) return;
  tcp_accecn_saw_opt_fail_recv(accecn, tcp_accecn_option_init(skb, at));
  accecn.accecn_opt_demand = Math.max(accecn.accecn_opt_demand, 1);
}

/** tcp_check_req's part: a request has not much room for what an option shows. */
export function tcp_accecn_check_req(req: tcp_request_sock, skb: sk_buff): void {
  const at = req.sk_net.ipv4.tcp_rx_accecn;
  if (at === 0 || req.saw_accecn_opt >= TCP_ACCECN_OPT_COUNTER_SEEN) return;
  req.saw_accecn_opt = tcp_accecn_option_init(skb, at);
  if (req.saw_accecn_opt === TCP_ACCECN_OPT_FAIL_SEEN) req.accecn_fail_mode |= TCP_ACCECN_OPT_FAIL_RECV;
}

/** tcp_accecn_process_option: takes the peer's counts; true when they may be relied on. */
function tcp_accecn_process_option(sk: tcp_sock, skb: sk_buff, delivered_bytes: number, flag: number): boolean {
  const accecn = own_accecn(sk);
  const { est_ecnfield: estimate, delivered_ecn_bytes: counts } = accecn;
  const { tcp_rx_accecn: at } = sk.sk_net.ipv4;
  if ((accecn.accecn_fail_mode & TCP_ACCECN_OPT_FAIL_RECV) !== 0) return false;
  if ((flag & FLAG_SLOWPATH) === 0 || at === 0) {
    if (accecn.saw_accecn_opt === TCP_ACCECN_OPT_NOT_SEEN) {
      if (sk.bytes_sent >= OPTION_TOO_LATE) tcp_accecn_saw_opt_fail_recv(accecn, TCP_ACCECN_OPT_FAIL_SEEN);
      return false;
    }
    if (estimate === 0) return false;
    // As before: the same codepoint.
    counts[estimate - 1] = (counts[estimate - 1] as number) + delivered_bytes;
    return true;
  }
  const { u8 } = skb.ram;
  let p = skb.transport_header + at;
  const fields = optfield_lookup[u8[p] === TCPOPT_ACCECN1 ? 1 : 0];
  const end = p + (u8[p + 1] as number);
  if (accecn.saw_accecn_opt < TCP_ACCECN_OPT_COUNTER_SEEN) {
    tcp_accecn_saw_opt_fail_recv(accecn, tcp_accecn_option_init(skb, at));
  }
  p += TCPOLEN_ACCECN_BASE;
  let valid = estimate !== 0;
  let ambiguous = false;
  let changed = false;
  for (let i = 0; i < 3 && p + TCPOLEN_ACCECN_PERFIELD <= end; i++, p += TCPOLEN_ACCECN_PERFIELD) {
    const ecnfield = fields[i] as number;
    const before_it = counts[ecnfield - 1] as number;
    // 24 bits of it go over the wire; it may seem to go back.
    const value = get_unaligned_be24(u8, p) - (init_offset[ecnfield] as number);
    const delta = ((value - before_it) << 8) >> 8;
    counts[ecnfield - 1] = before_it + delta;
    if (delta < 0) ambiguous = true;
    if (delta !== 0 && ecnfield !== estimate) {
      if (changed) ambiguous = true;
      else accecn.est_ecnfield = ecnfield;
      changed = true;
    }
  }
  if (ambiguous) {
    valid = false;
    accecn.est_ecnfield = 0;
  }
  return valid;
}

/** The mean of what an ACK covers, in 64ths. */
function update_pkts_acked(accecn: tcp_accecn, delivered_pkts: number): void {
  const now = delivered_pkts << PKTS_ACKED_PREC;
  const old = accecn.pkts_acked_ewma;
  const mean = old === 0 ? now : ((old << PKTS_ACKED_WEIGHT) - old + now) >>> PKTS_ACKED_WEIGHT;
  accecn.pkts_acked_ewma = Math.min(mean, 0xffff);
}

/** __tcp_accecn_process: marked segments that this ACK tells of, at least (RFC 9768 3.2.2.5, appendix A.2). */
function __tcp_accecn_process(sk: tcp_sock, skb: sk_buff, pkts: number, bytes: number, flag: number): number {
  // An overtaken ACK says nothing new, and who sends nothing cannot tell one without timestamps.
  if ((flag & (FLAG_FORWARD_PROGRESS | FLAG_TS_PROGRESS)) === 0) return 0;
  const accecn = own_accecn(sk);
  const { delivered_ecn_bytes: counts } = accecn;
  const old_ceb = counts[INET_ECN_CE - 1] as number;
  const option_valid = tcp_accecn_process_option(sk, skb, bytes, flag);
  if (pkts !== 0) update_pkts_acked(accecn, pkts);
  // The fast path's ACKs say the same as before, but for those that cover so much that the count may have gone round.
  if ((flag & FLAG_SLOWPATH) === 0 && pkts <= TCP_ACCECN_CEP_ACE_MASK) return 0;
  // A handshake's flags are no count.
  if ((flag & FLAG_SYN_ACKED) !== 0) return 0;
  if (accecn.received_ce_pending >= TCP_ACCECN_ACE_MAX_DELTA) sk.icsk_ack_pending |= ICSK_ACK_NOW;

  const ace = tcp_accecn_ace(skb) - TCP_ACCECN_CEP_INIT_OFFSET;
  const delta = (ace - sk.slow.delivered_ce) & TCP_ACCECN_CEP_ACE_MASK;
  if (pkts <= TCP_ACCECN_CEP_ACE_MASK) return delta;
  // As many times round as the packets allow.
  const safe_delta = pkts - ((pkts - delta) & TCP_ACCECN_CEP_ACE_MASK);
  if (!option_valid) return accecn.pkts_acked_ewma > ACK_COMP_THRESH << PKTS_ACKED_PREC ? delta : safe_delta;
  const d_ceb = ((counts[INET_ECN_CE - 1] as number) - old_ceb) >>> 0;
  if (d_ceb === 0) return delta;
  const orderly = sk.icsk_ca_state === TCP_CA_Open || sk.icsk_ca_state === TCP_CA_CWR;
  if (pkts >= (TCP_ACCECN_CEP_ACE_MASK + 1) * 2 && (tcp_is_sack(sk) || orderly)) {
    if (bytes <= d_ceb) return safe_delta;
    const est_d_cep = Math.ceil((d_ceb * pkts) / bytes);
    return Math.min(safe_delta, delta + (est_d_cep & ~TCP_ACCECN_CEP_ACE_MASK));
  }
  if (d_ceb > delta * sk.mss_cache) return safe_delta;
  if (d_ceb < (safe_delta * sk.mss_cache) >>> TCP_ACCECN_SAFETY_SHIFT) return delta;
  return safe_delta;
}

/** tcp_accecn_process: the marked segments that an ACK for `pkts` packets of `bytes` tells of: above 0 is FLAG_ECE. */
export function tcp_accecn_process(sk: tcp_sock, skb: sk_buff, pkts: number, bytes: number, flag: number): number {
  const delta = __tcp_accecn_process(sk, skb, pkts, bytes, flag);
  if (delta > 0) {
    own_slow(sk).delivered_ce += delta;
    // Header prediction expects the next ACKs to say the same.
    if (sk.pred_flags !== 0) tcp_fast_path_on(sk);
  }
  return delta;
}

// ---- what comes -----------------------------------------------------------------------------------------------------

/**
 * tcp_ecn_received_counters: how the segment has come: for tcp_info, and in accurate ECN for the peer. `len`: bytes of
 * payload. A segment without ECT need not come here but in accurate ECN.
 */
export function tcp_ecn_received_counters(sk: tcp_sock, skb: sk_buff, len: number): void {
  const ecnfield = skb.ip_dsfield & INET_ECN_MASK;
  const accecn = tcp_ecn_mode_accecn(sk) ? own_accecn(sk) : null;
  const is_ce = ecnfield === INET_ECN_CE;
  if (ecnfield !== INET_ECN_NOT_ECT) {
    // With RFC 3168, tcp_data_ecn_check sees to it, for data alone.
    if (!tcp_ecn_mode_rfc3168(sk)) sk.ecn_flags |= TCP_ECN_SEEN;
    const slow = own_slow(sk);
    const pcount = is_ce ? Math.max(1, skb.gso_segs) : 0;
    slow.received_ce += pcount;
    let bytes: number;
    if (is_ce) bytes = slow.received_ce_bytes += len;
    else if (ecnfield === INET_ECN_ECT_1) bytes = slow.received_e1_bytes += len;
    else bytes = slow.received_e0_bytes += len;
    if (accecn !== null) {
      accecn.received_ce_pending = Math.min(accecn.received_ce_pending + pcount, RECEIVED_CE_PENDING_MAX);
      if (len > 0) demand_option(accecn, ecnfield, bytes - len, bytes);
    }
  }
  if (accecn === null) return;
  const ecn_edge = accecn.prev_ecnfield !== ecnfield;
  if (!ecn_edge && !is_ce) return;
  accecn.prev_ecnfield = ecnfield;
  // RFC 9768 3.2.2.5.1, 3.2.3.3: a change is told at once, and twice so that the second tells what it was.
  if (ecn_edge) sk.icsk_ack_pending |= ICSK_ACK_NOW;
  accecn.accecn_opt_demand = 2;
}

/** The payload that came with a codepoint was `old` and is `now`: what the next option must tell, and whether one is due. */
function demand_option(accecn: tcp_accecn, ecnfield: number, old: number, now: number): void {
  accecn.accecn_minlen = Math.max(accecn.accecn_minlen, optfield[ecnfield] as number);
  if (((now ^ old) & OPTION_BYTES_MASK) !== 0) accecn.accecn_opt_demand = Math.max(accecn.accecn_opt_demand, 1);
}

/** tcp_data_ecn_check: congestion on the way here is told to the sender (RFC 3168 6.1.3). */
export function tcp_data_ecn_check(sk: tcp_sock, skb: sk_buff): void {
  if ((sk.ecn_flags & TCP_ECN_MODE_ANY) === 0) return;
  const ecn = skb.ip_dsfield & INET_ECN_MASK;
  if (ecn === INET_ECN_NOT_ECT) {
    // Not ECT where it was before: a retransmission, so the window is small.
    if ((sk.ecn_flags & TCP_ECN_SEEN) !== 0) tcp_enter_quickack_mode(sk, 2);
    return;
  }
  if (!tcp_ecn_mode_rfc3168(sk)) return;
  if (ecn === INET_ECN_CE && (sk.ecn_flags & TCP_ECN_DEMAND_CWR) === 0) {
    tcp_enter_quickack_mode(sk, 2);
    sk.ecn_flags |= TCP_ECN_DEMAND_CWR;
  }
  sk.ecn_flags |= TCP_ECN_SEEN;
}

/** tcp_ecn_accept_cwr: the peer has slowed down. Its window may be a packet, so that no ACK is to be late. */
export function tcp_ecn_accept_cwr(sk: tcp_sock, skb: sk_buff): void {
  if ((skb.tcp_flags & TCPHDR_CWR) === 0 || !tcp_ecn_mode_rfc3168(sk)) return;
  sk.ecn_flags &= ~TCP_ECN_DEMAND_CWR;
  if (skb.seq !== skb.end_seq) sk.icsk_ack_pending |= ICSK_ACK_NOW;
}

/** tcp_rcv_spurious_retrans: the peer repeats itself though we said what we have, with an option that may be why it knows nothing. */
export function tcp_accecn_spurious_retrans(sk: tcp_sock, skb: sk_buff): void {
  if (!tcp_ecn_mode_accecn(sk)) return;
  const accecn = own_accecn(sk);
  if (accecn.accecn_opt_sent_w_dsack !== 0 && skb.seq === (sk.slow.sacks[0] as number)) {
    accecn.accecn_fail_mode |= TCP_ACCECN_OPT_FAIL_SEND;
  }
}

// ---- what goes ------------------------------------------------------------------------------------------------------

/** tcp_ecn_queue_cwr: the peer is to learn that we have slowed down; accurate ECN has no need of it. */
export function tcp_ecn_queue_cwr(sk: tcp_sock): void {
  if (tcp_ecn_mode_rfc3168(sk)) sk.ecn_flags |= TCP_ECN_QUEUE_CWR;
}

/** INET_ECN_xmit, INET_ECN_dontxmit */
function set_ect(sk: tcp_sock, ect: number): void {
  sk.tos = (sk.tos & ~INET_ECN_MASK) | ect;
}

/**
 * tcp_ecn_send: for a connection with ECN. RFC 3168 6.1: ECT on new data, CWR once, ECE until the other side says CWR.
 * RFC 9768: ECT on everything, and the count, unless the flags of `tcp_flags` say something else.
 *
 * @returns flags to add
 */
export function tcp_ecn_send(sk: tcp_sock, skb: sk_buff, tcp_flags: number, has_data: boolean): number {
  if (tcp_ecn_mode_accecn(sk)) {
    const accecn = own_accecn(sk);
    const failed = (accecn.accecn_fail_mode & (TCP_ACCECN_ACE_FAIL_RECV | TCP_ACCECN_ACE_FAIL_SEND)) !== 0;
    set_ect(sk, failed ? INET_ECN_NOT_ECT : INET_ECN_ECT_0);
    if (skb.gso_type !== 0) skb.gso_type |= SKB_GSO_TCP_ACCECN;
    // Unless the option is written behind this.
    accecn.accecn_opt_sent_w_dsack = 0;
    if ((tcp_flags & TCPHDR_ACE) !== 0) return 0;
    // tcp_accecn_set_ace
    accecn.received_ce_pending = 0;
    return ace_flags(sk.slow.received_ce + TCP_ACCECN_CEP_INIT_OFFSET);
  }
  let flags = 0;
  if (has_data && !before(skb.seq, sk.snd_nxt)) {
    set_ect(sk, INET_ECN_ECT_0);
    if ((sk.ecn_flags & TCP_ECN_QUEUE_CWR) !== 0) {
      sk.ecn_flags &= ~TCP_ECN_QUEUE_CWR;
      flags = TCPHDR_CWR;
      if (skb.gso_type !== 0) skb.gso_type |= SKB_GSO_TCP_ECN;
    }
  } else if (!tcp_ca_needs_ecn(sk)) {
    // Pure ACKs and retransmissions are not ECN-capable.
    set_ect(sk, INET_ECN_NOT_ECT);
  }
  if ((sk.ecn_flags & TCP_ECN_DEMAND_CWR) !== 0) flags |= TCPHDR_ECE;
  return flags;
}

/** tcp_accecn_option_beacon_check: an option is due, so many times in a round trip. */
export function tcp_accecn_option_beacon_check(sk: tcp_sock, accecn: tcp_accecn): boolean {
  const { tcp_ecn_option_beacon: beacon } = sk.sk_net.ipv4;
  return beacon !== 0 && (sk.tcp_mstamp - accecn.accecn_opt_tstamp) * beacon >= sk.srtt_us >>> 3;
}

// ---- opening, from this side ----------------------------------------------------------------------------------------

/** tcp_ecn_send_syn */
export function tcp_ecn_send_syn(sk: tcp_sock, skb: sk_buff): void {
  const { tcp_ecn } = sk.sk_net.ipv4;
  const dst = sk.sk_dst_cache;
  sk.ecn_flags = 0;
  const use_accecn = tcp_ecn === TCP_ECN_IN_ACCECN_OUT_ACCECN;
  const use_ecn = tcp_ecn === TCP_ECN_IN_ECN_OUT_ECN || tcp_ecn === TCP_ECN_IN_ACCECN_OUT_ECN || tcp_ca_needs_ecn(sk);
  const by_route = dst !== null && (dst_metric(dst, RTAX_FEATURES) & RTAX_FEATURE_ECN) !== 0;
  if (!use_accecn && !use_ecn && !by_route) return;
  skb.tcp_flags |= TCPHDR_ECE | TCPHDR_CWR;
  if (use_accecn) {
    skb.tcp_flags |= TCPHDR_AE;
    tcp_ecn_mode_set(sk, TCP_ECN_MODE_PENDING);
    own_accecn(sk).syn_ect_snt = sk.tos & INET_ECN_MASK;
  } else {
    tcp_ecn_mode_set(sk, TCP_ECN_MODE_RFC3168);
  }
}

/**
 * tcp_ecn_clear_syn: a retransmitted SYN asks for nothing, in case that was what did not get through; one for accurate ECN
 * is tried twice.
 */
export function tcp_ecn_clear_syn(sk: tcp_sock, skb: sk_buff): void {
  if (tcp_ecn_mode_pending(sk) && sk.icsk_retransmits <= 1) return;
  if (sk.sk_net.ipv4.tcp_ecn_fallback !== 0) skb.tcp_flags &= ~TCPHDR_ACE;
}

/** tcp_ecn_rcv_synack_accecn */
function tcp_ecn_rcv_synack_accecn(sk: tcp_sock, skb: sk_buff): void {
  const accecn = own_accecn(sk);
  const at = sk.sk_net.ipv4.tcp_rx_accecn;
  tcp_ecn_mode_set(sk, TCP_ECN_MODE_ACCECN);
  accecn.syn_ect_rcv = skb.ip_dsfield & INET_ECN_MASK;
  if (at !== 0 && accecn.saw_accecn_opt < TCP_ACCECN_OPT_COUNTER_SEEN) {
    tcp_accecn_saw_opt_fail_recv(accecn, tcp_accecn_option_init(skb, at));
    accecn.accecn_opt_demand = 2;
  }
}

/** A SYN/ACK came marked. */
function count_marked_synack(sk: tcp_sock): void {
  own_slow(sk).received_ce++;
  own_accecn(sk).received_ce_pending++;
}

/** tcp_ecn_rcv_synack: what the answer to our SYN makes of the connection (RFC 9768 table 2). */
export function tcp_ecn_rcv_synack(sk: tcp_sock, skb: sk_buff): void {
  const ace = tcp_accecn_ace(skb);
  const marked = (skb.ip_dsfield & INET_ECN_MASK) === INET_ECN_CE;
  switch (ace) {
    case 0:
    case 7:
      tcp_ecn_mode_set(sk, TCP_ECN_DISABLED);
      break;
    case 1:
      tcp_ecn_mode_set(sk, TCP_ECN_MODE_RFC3168);
      break;
    case 5:
      if (tcp_ecn_mode_pending(sk)) {
        tcp_ecn_rcv_synack_accecn(sk, skb);
        if (marked) count_marked_synack(sk);
      }
      break;
    default:
      // Even if RFC 3168's was asked for.
      tcp_ecn_rcv_synack_accecn(sk, skb);
      if (marked && tcp_accecn_validate_syn_feedback(sk, ace, own_accecn(sk).syn_ect_snt)) count_marked_synack(sk);
  }
}

/** tcp_ecn_rcv_syn: a SYN that has crossed ours. */
export function tcp_ecn_rcv_syn(sk: tcp_sock, skb: sk_buff): void {
  if (tcp_ecn_mode_pending(sk)) {
    if (tcp_accecn_syn_requested(skb)) {
      const accecn = own_accecn(sk);
      accecn.syn_ect_rcv = skb.ip_dsfield & INET_ECN_MASK;
      accecn.prev_ecnfield = accecn.syn_ect_rcv;
      tcp_ecn_mode_set(sk, TCP_ECN_MODE_ACCECN);
    } else {
      tcp_ecn_mode_set(sk, TCP_ECN_MODE_RFC3168);
    }
  }
  const asked = TCPHDR_ECE | TCPHDR_CWR;
  if (tcp_ecn_mode_rfc3168(sk) && (skb.tcp_flags & asked) !== asked) tcp_ecn_mode_set(sk, TCP_ECN_DISABLED);
}

/** tcp_ecn_send_synack: our SYN becomes the answer to the one that has crossed it. */
export function tcp_ecn_send_synack(sk: tcp_sock, skb: sk_buff): void {
  skb.tcp_flags &= ~TCPHDR_CWR;
  if (!tcp_ecn_mode_any(sk)) skb.tcp_flags &= ~TCPHDR_ECE;
  else if (tcp_ca_needs_ecn(sk)) set_ect(sk, INET_ECN_ECT_0);
  if (!tcp_ecn_mode_accecn(sk)) return;
  const accecn = own_accecn(sk);
  skb.tcp_flags = (skb.tcp_flags & ~TCPHDR_ACE) | tcp_accecn_reflector_flags(accecn.syn_ect_rcv);
  accecn.syn_ect_snt = sk.tos & INET_ECN_MASK;
}

// ---- opening, from the other side -----------------------------------------------------------------------------------

/** tcp_accecn_syn_requested: whatever a SYN says that is neither nothing nor RFC 3168's stands for accurate ECN (RFC 9768 3.1.2). */
function tcp_accecn_syn_requested(skb: sk_buff): boolean {
  const ace = tcp_accecn_ace(skb);
  return ace !== 0 && ace !== 3;
}

/** tcp_ecn_create_request: RFC 3168 6.1.1; a SYN whose own IP header says ECT is not to be trusted, unless its header is a new one. */
export function tcp_ecn_create_request(req: tcp_request_sock, skb: sk_buff, sk: tcp_sock, dst: dst_entry): void {
  const { tcp_ecn } = sk.sk_net.ipv4;
  if (tcp_ecn >= TCP_ECN_IN_ACCECN_OUT_ACCECN && tcp_accecn_syn_requested(skb)) {
    req.ecn_ok = 1;
    req.accecn_ok = 1;
    req.syn_ect_rcv = skb.ip_dsfield & INET_ECN_MASK;
    return;
  }
  const asked = TCPHDR_ECE | TCPHDR_CWR;
  if ((skb.tcp_flags & asked) !== asked) return;
  const wanted = (dst_metric(dst, RTAX_FEATURES) & RTAX_FEATURE_ECN) !== 0;
  const ecn_ok = tcp_ecn !== TCP_ECN_IN_NOECN_OUT_NOECN || wanted;
  const ect = (skb.ip_dsfield & INET_ECN_MASK) !== INET_ECN_NOT_ECT;
  // AE, and the three bits that nobody has a use for yet.
  const fresh = ((skb.ram.u8[skb.transport_header + 12] as number) & 0x0f) !== 0;
  if (((!ect || fresh) && ecn_ok) || tcp_ca_needs_ecn(sk)) req.ecn_ok = 1;
}

/**
 * tcp_ecn_make_synack: the flags of a SYN/ACK. One for accurate ECN that goes for the third time has none, in case they are
 * what does not get through (RFC 9768 3.2.3.2.2); the mode stays.
 */
export function tcp_ecn_make_synack(req: tcp_request_sock): number {
  if (req.accecn_ok !== 0) return req.num_retrans === 0 ? tcp_accecn_reflector_flags(req.syn_ect_rcv) : 0;
  return req.ecn_ok !== 0 ? TCPHDR_ECE : 0;
}

/** A SYN has come again (tcp_check_req): the last one counts, and one that asks for nothing may have lost it on its way. */
export function tcp_accecn_syn_again(req: tcp_request_sock, skb: sk_buff): void {
  if (req.accecn_ok === 0) return;
  req.syn_ect_rcv = skb.ip_dsfield & INET_ECN_MASK;
  if (tcp_accecn_ace(skb) === 0) req.accecn_fail_mode |= TCP_ACCECN_ACE_FAIL_RECV;
}

/** A SYN/ACK was sent again, and had none of the three flags: no ECT for the rest of the connection (RFC 9768 3.1.5). */
export function tcp_accecn_synack_again(req: tcp_request_sock): void {
  if (req.num_retrans > 1 && req.accecn_ok !== 0) req.accecn_fail_mode |= TCP_ACCECN_ACE_FAIL_SEND;
}

/** tcp_ecn_openreq_child */
export function tcp_ecn_openreq_child(sk: tcp_sock, req: tcp_request_sock, skb: sk_buff): void {
  if (req.accecn_ok === 0) {
    sk.ecn_flags = req.ecn_ok !== 0 ? TCP_ECN_MODE_RFC3168 : TCP_ECN_DISABLED;
    return;
  }
  sk.ecn_flags = TCP_ECN_MODE_ACCECN;
  const accecn = own_accecn(sk);
  accecn.syn_ect_snt = req.syn_ect_snt;
  tcp_accecn_third_ack(sk, skb, req.syn_ect_snt);
  accecn.saw_accecn_opt = req.saw_accecn_opt;
  accecn.accecn_fail_mode |= req.accecn_fail_mode & (TCP_ACCECN_ACE_FAIL_SEND | TCP_ACCECN_ACE_FAIL_RECV);
  accecn.prev_ecnfield = req.syn_ect_rcv;
  accecn.accecn_opt_demand = 1;
  tcp_ecn_received_counters(sk, skb, skb.len - tcp_hdrlen(skb));
}
