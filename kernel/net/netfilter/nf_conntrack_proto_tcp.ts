/**
 * TCP's tracker (net/netfilter/nf_conntrack_proto_tcp.c): the connection's state as both sides together have it, and
 * whether a segment lies within the windows (after G. van Rooij, "Real Stateful TCP Packet Filtering in IP Filter").
 */
import { HZ } from '../../time/timer.ts';
import { get16, get32 } from '../ipv4/ip_header.ts';
import { NF_ACCEPT, NF_DROP, NF_REPEAT } from './core.ts';
import {
  CTINFO2DIR,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_SEEN_REPLY,
  type nf_conn,
  type nf_conntrack_l4proto,
  type packet_view,
} from './nf_conntrack.ts';
import type { nf_conntrack_net } from './nf_conntrack_core.ts';

/** enum tcp_conntrack */
export const TCP_CONNTRACK_NONE = 0;
export const TCP_CONNTRACK_SYN_SENT = 1;
export const TCP_CONNTRACK_SYN_RECV = 2;
export const TCP_CONNTRACK_ESTABLISHED = 3;
export const TCP_CONNTRACK_FIN_WAIT = 4;
export const TCP_CONNTRACK_CLOSE_WAIT = 5;
export const TCP_CONNTRACK_LAST_ACK = 6;
export const TCP_CONNTRACK_TIME_WAIT = 7;
export const TCP_CONNTRACK_CLOSE = 8;
export const TCP_CONNTRACK_SYN_SENT2 = 9;
const MAX = 10;
const IGNORE = 11;

export const tcp_conntrack_names: readonly string[] = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];

/** enum tcp_bit_set */
const SYN_SET = 0;
const SYNACK_SET = 1;
const FIN_SET = 2;
const ACK_SET = 3;
const RST_SET = 4;
const NONE_SET = 5;

const NO = 0;
const SS = 1;
const SR = 2;
const ES = 3;
const FW = 4;
const CW = 5;
const LA = 6;
const TW = 7;
const CL = 8;
const S2 = 9;
const IV = MAX;
const IG = IGNORE;

/** tcp_conntracks: by direction, kind of segment, old state (NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2). */
const TRANSITIONS = Uint8Array.of(
  // Original: SYN, SYN+ACK, FIN, ACK, RST, none of them.
  ...[SS, SS, IG, IG, IG, IG, IG, SS, SS, S2],
  ...[IV, IV, SR, IV, IV, IV, IV, IV, IV, SR],
  ...[IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
  ...[ES, IV, ES, ES, CW, CW, TW, TW, CL, IV],
  ...[IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
  ...[IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
  // Reply.
  ...[IV, S2, IV, IV, IV, IV, IV, SS, IV, S2],
  ...[IV, SR, IG, IG, IG, IG, IG, IG, IG, SR],
  ...[IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
  ...[IV, IG, SR, ES, CW, CW, TW, TW, CL, IG],
  ...[IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
  ...[IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
);

/** What is known of each side (struct ip_ct_tcp_state), eight words a side in nf_conn.seen. */
const TD_END = 0;
const TD_MAXEND = 1;
const TD_MAXWIN = 2;
const TD_MAXACK = 3;
const TD_SCALE = 4;
const FLAGS = 5;
const SIDE = 8;

const F_WINDOW_SCALE = 0x01;
const F_SACK_PERM = 0x02;
const F_CLOSE_INIT = 0x04;
const F_BE_LIBERAL = 0x08;
const F_DATA_UNACKNOWLEDGED = 0x10;
const F_MAXACK_SET = 0x20;
const F_EXP_CHALLENGE_ACK = 0x40;
const F_SIMULTANEOUS_OPEN = 0x80;

/** Flags in a header's byte 13. */
const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 0x10;
const URG = 0x20;
const MAXACKWINCONST = 66000;
const TCP_MAX_WSCALE = 14;

/** Sets of flags that make sense, without PSH, ECE and CWR. */
const VALID_FLAGS = new Set([SYN, SYN | URG, SYN | ACK, RST, RST | ACK, FIN | ACK, FIN | ACK | URG, ACK, ACK | URG]);
const valid_flags = new Uint8Array(64);
for (const flags of VALID_FLAGS) valid_flags[flags] = 1;

const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;
const after = (a: number, b: number): boolean => ((b - a) | 0) < 0;

function index_of(flags: number): number {
  if ((flags & RST) !== 0) return RST_SET;
  if ((flags & SYN) !== 0) return (flags & ACK) !== 0 ? SYNACK_SET : SYN_SET;
  if ((flags & FIN) !== 0) return FIN_SET;
  if ((flags & ACK) !== 0) return ACK_SET;
  return NONE_SET;
}

/** The time-out of a state, in seconds. */
function timeout_of(ct_net: nf_conntrack_net, state: number): number {
  const { sysctl } = ct_net;
  switch (state) {
    case TCP_CONNTRACK_SYN_RECV:
      return sysctl.nf_conntrack_tcp_timeout_syn_recv;
    case TCP_CONNTRACK_ESTABLISHED:
      return sysctl.nf_conntrack_tcp_timeout_established;
    case TCP_CONNTRACK_FIN_WAIT:
      return sysctl.nf_conntrack_tcp_timeout_fin_wait;
    case TCP_CONNTRACK_CLOSE_WAIT:
      return sysctl.nf_conntrack_tcp_timeout_close_wait;
    case TCP_CONNTRACK_LAST_ACK:
      return sysctl.nf_conntrack_tcp_timeout_last_ack;
    case TCP_CONNTRACK_TIME_WAIT:
      return sysctl.nf_conntrack_tcp_timeout_time_wait;
    case TCP_CONNTRACK_CLOSE:
      return sysctl.nf_conntrack_tcp_timeout_close;
    default:
      return sysctl.nf_conntrack_tcp_timeout_syn_sent;
  }
}

/** tcp_options: window scale and SACK permission of a SYN, into a side's words; without options these stay as they are. */
function tcp_options(u8: Uint8Array, at: number, doff: number, seen: Int32Array, side: number): void {
  if (doff === 20) return;
  seen[side + TD_SCALE] = 0;
  seen[side + FLAGS] = (seen[side + FLAGS] as number) & F_BE_LIBERAL;
  for (let p = at + 20; p < at + doff; ) {
    const kind = u8[p] as number;
    if (kind === 0) return;
    if (kind === 1) {
      p++;
      continue;
    }
    const size = p + 1 < at + doff ? (u8[p + 1] as number) : 0;
    if (size < 2 || p + size > at + doff) return;
    if (kind === 4 && size === 2) seen[side + FLAGS] = (seen[side + FLAGS] as number) | F_SACK_PERM;
    else if (kind === 3 && size === 3) {
      seen[side + TD_SCALE] = Math.min(u8[p + 2] as number, TCP_MAX_WSCALE);
      seen[side + FLAGS] = (seen[side + FLAGS] as number) | F_WINDOW_SCALE;
    }
    p += size;
  }
}

/** tcp_sack: the highest edge that the options acknowledge, at least `ack`. */
function tcp_sack(p: packet_view, ct_net: nf_conntrack_net, doff: number, ack: number): number {
  const { ram } = ct_net.net.kernel;
  const { u8 } = ram;
  let sack = ack;
  for (let o = p.at + 20; o < p.at + doff; ) {
    const kind = u8[o] as number;
    if (kind === 0) break;
    if (kind === 1) {
      o++;
      continue;
    }
    const size = o + 1 < p.at + doff ? (u8[o + 1] as number) : 0;
    if (size < 2 || o + size > p.at + doff) break;
    if (kind === 5 && size >= 10 && (size - 2) % 8 === 0) {
      for (let i = 2; i < size; i += 8) {
        const edge = get32(ram, o + i + 4);
        if (after(edge, sack)) sack = edge;
      }
    }
    o += size;
  }
  return sack;
}

/** tcp_init_sender */
function init_sender(
  seen: Int32Array,
  sender: number,
  receiver: number,
  u8: Uint8Array,
  at: number,
  doff: number,
  end: number,
  win: number,
  dir: number,
): void {
  seen[sender + TD_END] = end;
  seen[sender + TD_MAXEND] = end;
  seen[sender + TD_MAXWIN] = win === 0 ? 1 : win;
  tcp_options(u8, at, doff, seen, sender);
  // Windows are scaled when both sides say so.
  const both = (seen[sender + FLAGS] as number) & (seen[receiver + FLAGS] as number) & F_WINDOW_SCALE;
  if (dir === 1 && both === 0) {
    seen[sender + TD_SCALE] = 0;
    seen[receiver + TD_SCALE] = 0;
  }
}

/** tcp_new: the first segment that is seen of a connection. False: it cannot be one's. */
function tcp_new(
  ct: nf_conn,
  ct_net: nf_conntrack_net,
  p: packet_view,
  index: number,
  end: number,
  doff: number,
): boolean {
  const first = TRANSITIONS[index * MAX + NO] as number;
  if (first >= MAX) return false;
  const { ram } = ct_net.net.kernel;
  if (ct.seen === null) ct.seen = new Int32Array(2 * SIDE);
  const { seen } = ct;
  seen.fill(0);
  const win = get16(ram, p.at + 14);
  seen[TD_END] = end;
  seen[TD_MAXWIN] = win === 0 ? 1 : win;
  if (first === TCP_CONNTRACK_SYN_SENT) {
    seen[TD_MAXEND] = end;
    tcp_options(ram.u8, p.at, doff, seen, 0);
  } else {
    // In the middle of a connection that began before we looked.
    if (ct_net.sysctl.nf_conntrack_tcp_loose === 0) return false;
    seen[TD_MAXEND] = end + (seen[TD_MAXWIN] as number);
    seen[FLAGS] = F_SACK_PERM | F_BE_LIBERAL;
    seen[SIDE + FLAGS] = F_SACK_PERM | F_BE_LIBERAL;
  }
  ct.tcp_state = TCP_CONNTRACK_NONE;
  ct.last_index = NONE_SET;
  ct.last_dir = 0;
  ct.retrans = 0;
  ct.last_win = 0;
  ct.last_seq = 0;
  ct.last_ack = 0;
  ct.last_end = 0;
  ct.last_wscale = 0;
  ct.last_flags = 0;
  return true;
}

const WIN_ACCEPT = 1;
const WIN_IGNORE = 2;
const WIN_INVALID = 3;

/** nf_tcp_log_invalid: `verdict`, unless one is liberal: then the segment is taken, but nothing learnt of it. */
function bad_window(ct_net: nf_conntrack_net, seen: Int32Array, sender: number, verdict: number): number {
  const liberal =
    ct_net.sysctl.nf_conntrack_tcp_be_liberal !== 0 || ((seen[sender + FLAGS] as number) & F_BE_LIBERAL) !== 0;
  return liberal ? WIN_ACCEPT : verdict;
}

/** nf_conntrack_tcp_established */
function established(ct: nf_conn): boolean {
  return ct.tcp_state === TCP_CONNTRACK_ESTABLISHED && (ct.status & IPS_ASSURED) !== 0;
}

/** tcp_can_early_drop: it is closing. */
export function tcp_can_early_drop(ct: nf_conn): boolean {
  return ct.tcp_state >= TCP_CONNTRACK_FIN_WAIT && ct.tcp_state <= TCP_CONNTRACK_CLOSE;
}

/** nf_conntrack_tcp_set_closing: who rejects a segment with a reset ends the connection. */
export function nf_conntrack_tcp_set_closing(ct: nf_conn): void {
  const old_state = ct.tcp_state;
  ct.tcp_state = TCP_CONNTRACK_CLOSE;
  if (old_state === TCP_CONNTRACK_CLOSE) return;
  const { ct_net } = ct;
  ct.timeout = ct_net.jiffies() + ct_net.sysctl.nf_conntrack_tcp_timeout_close * HZ;
}

/**
 * nf_tcp_handle_invalid: FIN and RST out of the window from both sides, one after the other: the connection is gone,
 * whatever we think, and need not be kept for days.
 */
function handle_invalid(ct: nf_conn, ct_net: nf_conntrack_net, dir: number, index: number): void {
  if ((ct.status & IPS_ASSURED) === 0 || (index !== FIN_SET && index !== RST_SET)) return;
  if (ct.last_dir === dir || (ct.last_index !== FIN_SET && ct.last_index !== RST_SET)) {
    ct.last_index = index;
    ct.last_dir = dir;
    return;
  }
  const now = ct_net.jiffies();
  const expires = ct.timeout - now;
  const timeout = ct_net.sysctl.nf_conntrack_tcp_timeout_unacknowledged * HZ;
  if (expires >= 120 * HZ && expires > timeout) ct.timeout = now + timeout;
}

/**
 * What a reset does to the state: 1: it is not measured against the windows; 0: it is; -1: the same, and it does not
 * end the connection; -2: invalid.
 */
function tcp_reset(ct: nf_conn, p: packet_view, dir: number, old_state: number): number {
  // The tuple of what is closing may be in use again already.
  if (tcp_can_early_drop(ct)) return 1;
  const { ct_net } = ct;
  const { ram } = ct_net.net.kernel;
  const seen = ct.seen as Int32Array;
  const theirs = SIDE - dir * SIDE;
  const seq = get32(ram, p.at + 4);
  const ack = get32(ram, p.at + 8);
  let verdict = 0;
  // td_maxack is out of date once a SYN was let through.
  if (((seen[theirs + FLAGS] as number) & F_MAXACK_SET) !== 0 && ct.last_index !== SYN_SET) {
    if (seq === 0 && !established(ct)) return 0;
    const maxack = seen[theirs + TD_MAXACK] as number;
    if (before(seq, maxack) && ct_net.sysctl.nf_conntrack_tcp_ignore_invalid_rst === 0) return -2;
    if (!established(ct) || seq === maxack) return 0;
    // Right behind what the same side sent last.
    if (ct.last_index === ACK_SET && ct.last_dir === dir && seq === ct.last_end) return 0;
    // RFC 5961: a reset that is not exactly in place is answered by a challenge, so the connection may go on.
    verdict = -1;
  }
  // The answer to a SYN or ACK that we let through, or to a challenge ACK.
  const ignored =
    ((ct.status & IPS_SEEN_REPLY) !== 0 && ct.last_index === SYN_SET) ||
    ((ct.status & IPS_ASSURED) === 0 && ct.last_index === ACK_SET);
  if (ignored && ct.last_dir !== dir && ack === ct.last_end) return 1;
  const challenged = old_state === TCP_CONNTRACK_SYN_SENT && ct.last_index === ACK_SET && ct.last_dir === 1;
  return challenged && seq === ct.last_ack ? 1 : verdict;
}

/** tcp_in_window */
function tcp_in_window(
  ct: nf_conn,
  ct_net: nf_conntrack_net,
  p: packet_view,
  dir: number,
  index: number,
  flags: number,
  doff: number,
  segment_end: number,
): number {
  const { ram } = ct_net.net.kernel;
  const seen = ct.seen as Int32Array;
  const sender = dir * SIDE;
  const receiver = SIDE - sender;
  let seq = get32(ram, p.at + 4);
  let ack = get32(ram, p.at + 8);
  let sack = ack;
  let end = segment_end;
  const win_raw = get16(ram, p.at + 14);
  let win = win_raw;
  if (doff > 20 && ((seen[receiver + FLAGS] as number) & F_SACK_PERM) !== 0) sack = tcp_sack(p, ct_net, doff, ack);
  if (seen[sender + TD_MAXWIN] === 0) {
    if ((flags & SYN) !== 0) {
      init_sender(seen, sender, receiver, ram.u8, p.at, doff, end, win, dir);
      // Both open at once.
      if ((flags & ACK) === 0) return WIN_ACCEPT;
    } else {
      const swin = win << (seen[sender + TD_SCALE] as number);
      seen[sender + TD_END] = end;
      seen[sender + TD_MAXWIN] = swin === 0 ? 1 : swin;
      seen[sender + TD_MAXEND] = end + (seen[sender + TD_MAXWIN] as number);
      if (seen[receiver + TD_MAXWIN] === 0) {
        seen[receiver + TD_END] = sack;
        seen[receiver + TD_MAXEND] = sack;
      } else if (sack === (((seen[receiver + TD_END] as number) + 1) | 0)) {
        // Likely the answer to a keep-alive.
        seen[receiver + TD_END] = sack;
      }
    }
  } else if (
    (flags & SYN) !== 0 &&
    after(end, seen[sender + TD_END] as number) &&
    (ct.tcp_state === TCP_CONNTRACK_SYN_SENT || ct.tcp_state === TCP_CONNTRACK_SYN_RECV)
  ) {
    // A SYN with another sequence number, before there is a connection: it begins anew.
    init_sender(seen, sender, receiver, ram.u8, p.at, doff, end, win, dir);
    if (dir === 1 && (flags & ACK) === 0) return WIN_ACCEPT;
  }
  if ((flags & ACK) === 0 || ((flags & RST) !== 0 && ack === 0)) {
    // No acknowledgement: taken for a right one. Some stacks send resets with one of 0.
    ack = seen[receiver + TD_END] as number;
    sack = ack;
  }
  if ((flags & RST) !== 0 && seq === 0 && ct.tcp_state === TCP_CONNTRACK_SYN_SENT) {
    seq = seen[sender + TD_END] as number;
    end = seq;
  }
  const receiver_end = seen[receiver + TD_END] as number;
  const receiver_win = seen[receiver + TD_MAXWIN] as number;
  const sender_end = seen[sender + TD_END] as number;
  const maxend = seen[sender + TD_MAXEND] as number;
  const maxack = Math.max(seen[sender + TD_MAXWIN] as number, MAXACKWINCONST);
  const ack_ok = after(sack, (receiver_end - maxack - 1) | 0);
  const ack_below = before(sack, receiver_end + 1);
  if (!before(seq, maxend + 1)) {
    const in_recv_win = receiver_win !== 0 && after(end, (sender_end - receiver_win - 1) | 0);
    if (in_recv_win && ack_ok && ack_below && (end - maxend + 1) >>> 0 <= receiver_win) {
      // More than the window lets through, as some senders send: should it arrive, its ACK is not to be out of bounds.
      seen[sender + TD_END] = end;
      seen[sender + FLAGS] = (seen[sender + FLAGS] as number) | F_DATA_UNACKNOWLEDGED;
      return bad_window(ct_net, seen, sender, WIN_IGNORE);
    }
    return bad_window(ct_net, seen, sender, WIN_INVALID);
  }
  if (!ack_below) return bad_window(ct_net, seen, sender, WIN_INVALID);
  if (receiver_win !== 0 && !after(end, (sender_end - receiver_win - 1) | 0)) {
    return bad_window(ct_net, seen, sender, WIN_IGNORE);
  }
  if (!ack_ok) return bad_window(ct_net, seen, sender, WIN_IGNORE);

  if ((flags & SYN) === 0) win <<= seen[sender + TD_SCALE] as number;
  const swin = win + ((sack - ack) | 0);
  if ((seen[sender + TD_MAXWIN] as number) < swin) seen[sender + TD_MAXWIN] = swin;
  if (after(end, seen[sender + TD_END] as number)) {
    seen[sender + TD_END] = end;
    seen[sender + FLAGS] = (seen[sender + FLAGS] as number) | F_DATA_UNACKNOWLEDGED;
  }
  if ((flags & ACK) !== 0) {
    if (((seen[sender + FLAGS] as number) & F_MAXACK_SET) === 0) {
      seen[sender + TD_MAXACK] = ack;
      seen[sender + FLAGS] = (seen[sender + FLAGS] as number) | F_MAXACK_SET;
    } else if (after(ack, seen[sender + TD_MAXACK] as number)) seen[sender + TD_MAXACK] = ack;
  }
  if (receiver_win !== 0 && after(end, seen[sender + TD_MAXEND] as number)) {
    seen[receiver + TD_MAXWIN] = receiver_win + ((end - (seen[sender + TD_MAXEND] as number)) | 0);
  }
  if (after((sack + win) | 0, ((seen[receiver + TD_MAXEND] as number) - 1) | 0)) {
    seen[receiver + TD_MAXEND] = sack + win + (win === 0 ? 1 : 0);
  }
  if (ack === receiver_end) seen[receiver + FLAGS] = (seen[receiver + FLAGS] as number) & ~F_DATA_UNACKNOWLEDGED;
  if (index === ACK_SET) {
    const same = ct.last_dir === dir && ct.last_seq === seq && ct.last_ack === ack && ct.last_end === end;
    if (same && ct.last_win === win_raw) ct.retrans++;
    else {
      ct.last_dir = dir;
      ct.last_seq = seq;
      ct.last_ack = ack;
      ct.last_end = end;
      ct.last_win = win_raw;
      ct.retrans = 0;
    }
  }
  return WIN_ACCEPT;
}

/** nf_conntrack_tcp_packet */
function tcp_packet(ct: nf_conn, p: packet_view): number {
  const { ct_net } = ct;
  const { ram } = ct_net.net.kernel;
  const { u8 } = ram;
  const { at } = p;
  // tcp_error
  if (p.length < 20) return -NF_ACCEPT;
  const doff = ((u8[at + 12] as number) >> 4) * 4;
  const flags = (u8[at + 13] as number) & 0x3f;
  if (doff < 20 || p.length < doff || !p.csum_ok || valid_flags[flags & ~PSH] === 0) return -NF_ACCEPT;
  const index = index_of(flags);
  const dir = CTINFO2DIR(p.ctinfo);
  const seq = get32(ram, at + 4);
  // segment_seq_plus_len
  const data = p.total - doff;
  const end = (seq + data + ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0)) | 0;
  if ((ct.status & IPS_CONFIRMED) === 0 && !tcp_new(ct, ct_net, p, index, end, doff)) return -NF_ACCEPT;
  const seen = ct.seen as Int32Array;
  const ours = dir * SIDE;
  let old_state = ct.tcp_state;
  let new_state = TRANSITIONS[(dir * 6 + index) * MAX + old_state] as number;
  let window = true;
  if (new_state === MAX) return -NF_ACCEPT;
  if (new_state === TCP_CONNTRACK_SYN_SENT && old_state >= TCP_CONNTRACK_TIME_WAIT) {
    const closed = (((seen[FLAGS] as number) | (seen[SIDE + FLAGS] as number)) & F_CLOSE_INIT) !== 0;
    if (closed || (ct.last_dir === dir && ct.last_index === RST_SET)) {
      // A closed connection is opened again: this one goes, and the packet is looked at anew.
      return ct_net.nf_ct_delete(ct) ? -NF_REPEAT : -NF_DROP;
    }
    new_state = IGNORE;
  }
  switch (new_state) {
    case IGNORE: {
      const answers = index === SYNACK_SET && ct.last_index === SYN_SET && ct.last_dir !== dir;
      if (answers && get32(ram, at + 8) === ct.last_end) {
        // The SYN that was ignored gets an answer: we were out of step, and believe the two.
        old_state = TCP_CONNTRACK_SYN_SENT;
        new_state = TCP_CONNTRACK_SYN_RECV;
        const side = ct.last_dir * SIDE;
        seen[side + TD_END] = ct.last_end;
        seen[side + TD_MAXEND] = ct.last_end;
        seen[side + TD_MAXWIN] = ct.last_win === 0 ? 1 : ct.last_win;
        seen[side + TD_SCALE] = ct.last_wscale;
        ct.last_flags &= ~F_EXP_CHALLENGE_ACK;
        seen[side + FLAGS] = ct.last_flags;
        // nf_ct_tcp_state_reset: a side that was met in the middle stays liberal.
        const liberal = (seen[ours + FLAGS] as number) & F_BE_LIBERAL;
        seen.fill(0, ours, ours + SIDE);
        seen[ours + FLAGS] = liberal;
        break;
      }
      ct.last_index = index;
      ct.last_dir = dir;
      ct.last_seq = seq;
      ct.last_end = end;
      ct.last_win = get16(ram, at + 14);
      if (index === SYN_SET) remember_syn(ct, seen, u8, at, doff, old_state);
      // Perhaps a challenge ACK.
      if (old_state === TCP_CONNTRACK_SYN_SENT && index === ACK_SET && dir === 1) ct.last_ack = get32(ram, at + 8);
      return NF_ACCEPT;
    }
    case TCP_CONNTRACK_TIME_WAIT:
      if (
        old_state === TCP_CONNTRACK_LAST_ACK &&
        index === ACK_SET &&
        ct.last_dir !== dir &&
        ct.last_index === SYN_SET &&
        (ct.last_flags & F_EXP_CHALLENGE_ACK) !== 0
      ) {
        ct.last_flags &= ~F_EXP_CHALLENGE_ACK;
        return NF_ACCEPT;
      }
      break;
    case TCP_CONNTRACK_SYN_SENT2:
      ct.last_flags |= F_SIMULTANEOUS_OPEN;
      break;
    case TCP_CONNTRACK_SYN_RECV:
      if (dir === 1 && index === ACK_SET && (ct.last_flags & F_SIMULTANEOUS_OPEN) !== 0) {
        new_state = TCP_CONNTRACK_ESTABLISHED;
      }
      break;
    case TCP_CONNTRACK_CLOSE: {
      if (index !== RST_SET) break;
      const verdict = tcp_reset(ct, p, dir, old_state);
      if (verdict === -2) return -NF_ACCEPT;
      if (verdict === -1) new_state = old_state;
      window = verdict !== 1;
      break;
    }
  }
  if (window) {
    const result = tcp_in_window(ct, ct_net, p, dir, index, flags, doff, end);
    if (result === WIN_IGNORE) return NF_ACCEPT;
    if (result === WIN_INVALID) {
      handle_invalid(ct, ct_net, dir, index);
      return -NF_ACCEPT;
    }
  }
  ct.last_index = index;
  ct.last_dir = dir;
  ct.tcp_state = new_state;
  if (old_state !== new_state && new_state === TCP_CONNTRACK_FIN_WAIT) {
    seen[ours + FLAGS] = (seen[ours + FLAGS] as number) | F_CLOSE_INIT;
  }
  return finish(ct, ct_net, p, seen, index, flags, old_state, new_state);
}

/** What an ignored SYN said of itself: it may turn out to have been right. */
function remember_syn(
  ct: nf_conn,
  seen: Int32Array,
  u8: Uint8Array,
  at: number,
  doff: number,
  old_state: number,
): void {
  const side = ct.last_dir * SIDE;
  const scale = seen[side + TD_SCALE] as number;
  const flags = seen[side + FLAGS] as number;
  seen[side + TD_SCALE] = 0;
  seen[side + FLAGS] = 0;
  tcp_options(u8, at, doff, seen, side);
  ct.last_wscale = seen[side + TD_SCALE] as number;
  ct.last_flags = seen[side + FLAGS] as number;
  seen[side + TD_SCALE] = scale;
  seen[side + FLAGS] = flags;
  if (old_state === TCP_CONNTRACK_LAST_ACK) ct.last_flags |= F_EXP_CHALLENGE_ACK;
}

/** The new state's time-out, and whether the connection is assured now. */
function finish(
  ct: nf_conn,
  ct_net: nf_conntrack_net,
  p: packet_view,
  seen: Int32Array,
  index: number,
  flags: number,
  old_state: number,
  new_state: number,
): number {
  const { sysctl } = ct_net;
  let timeout = timeout_of(ct_net, new_state);
  const unacked = (((seen[FLAGS] as number) | (seen[SIDE + FLAGS] as number)) & F_DATA_UNACKNOWLEDGED) !== 0;
  if (ct.retrans >= sysctl.nf_conntrack_tcp_max_retrans) {
    timeout = Math.min(timeout, sysctl.nf_conntrack_tcp_timeout_max_retrans);
  } else if (index === RST_SET) timeout = sysctl.nf_conntrack_tcp_timeout_close;
  else if (unacked) timeout = Math.min(timeout, sysctl.nf_conntrack_tcp_timeout_unacknowledged);
  else if (ct.last_win === 0) timeout = Math.min(timeout, sysctl.nf_conntrack_tcp_timeout_max_retrans);
  if ((ct.status & IPS_SEEN_REPLY) === 0) {
    // A reset that answers nothing, or that comes before an answer: nothing is left to be tracked.
    if ((flags & RST) !== 0) {
      ct_net.nf_ct_delete(ct);
      return NF_ACCEPT;
    }
    // A SYN that is sent again gives no more time: a port used over and over would keep its entry for ever.
    if (index === SYN_SET && old_state === TCP_CONNTRACK_SYN_SENT) return NF_ACCEPT;
    if (new_state === TCP_CONNTRACK_ESTABLISHED) {
      timeout = Math.min(timeout, sysctl.nf_conntrack_tcp_timeout_unacknowledged);
    }
  } else if (
    (ct.status & IPS_ASSURED) === 0 &&
    (old_state === TCP_CONNTRACK_SYN_RECV || old_state === TCP_CONNTRACK_ESTABLISHED) &&
    new_state === TCP_CONNTRACK_ESTABLISHED
  ) {
    ct.status |= IPS_ASSURED;
  }
  ct_net.refresh(ct, p, timeout * HZ);
  return NF_ACCEPT;
}

export const nf_conntrack_l4proto_tcp: nf_conntrack_l4proto = { name: 'tcp', packet: tcp_packet };
