/** Selective acknowledgements as the sender sees them (net/ipv4/tcp_input.c: tcp_sacktag_write_queue; RFC 2018, 2883, 6675). */
import type { sk_buff } from '../core/skbuff.ts';
import { get32 } from './ip_header.ts';
import { FLAG_DATA_SACKED, FLAG_DSACK_TLP, FLAG_DSACKING_ACK, FLAG_ORIG_SACK_ACKED } from './tcp_flags.ts';
import { tcp_tsorted_unlink } from './tcp_output.ts';
import { tcp_rate_skb_delivered } from './tcp_rate.ts';
import { tcp_rack_advance } from './tcp_recovery.ts';
import { tcp_rtx_index } from './tcp_rtx_index.ts';
import { tcp_shift_skb_data } from './tcp_sack_shift.ts';
import {
  after,
  before,
  own_slow,
  RECV_SACK_CACHE,
  type rate_sample,
  TCP_CA_Loss,
  TCP_NUM_SACKS,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPOLEN_SACK_PERBLOCK,
  type tcp_sock,
} from './tcp_sock.ts';
import { tcp_fragment } from './tcp_write_queue.ts';

/** struct tcp_sacktag_state: what an ACK's work passes on. One per net, as a context is atomic. */
export class tcp_sacktag_state {
  /** When the first and the last of the newly SACKed were sent, in µs; 0: none. */
  first_sackt = 0;
  last_sackt = 0;
  reord = 0;
  sack_delivered = 0;
  /** Bytes newly SACKed, or, where the ACK itself has moved on, by how much that covers. */
  delivered_bytes = 0;
  flag = 0;
  /** FLAG_ bits of the ACK, and what is to be sent after it (REXMIT_*): tcp_fastretrans_alert changes both. */
  ack_flag = 0;
  rexmit = 0;
  do_lost = false;
  /** The blocks that count, by their start. */
  readonly blocks = new Int32Array(TCP_NUM_SACKS * 2);
  readonly dup = new Uint8Array(TCP_NUM_SACKS);
}

/** tcp_highest_sack_seq: where the packets begin that nobody has SACKed, nor any behind them. */
export function tcp_highest_sack_seq(tp: tcp_sock): number {
  if (tp.sacked_out === 0) return tp.snd_una;
  return tp.highest_sack === null ? tp.snd_nxt : tp.highest_sack.seq;
}

/** tcp_highest_sack_replace: `old` goes, `now` is in its place. */
export function tcp_highest_sack_replace(sk: tcp_sock, old: sk_buff, now: sk_buff | null): void {
  if (sk.highest_sack === old) sk.highest_sack = now;
}

/** tcp_check_sack_reordering: packets have overtaken each other by as much as lies between `low_seq` and the highest SACK. */
export function tcp_check_sack_reordering(sk: tcp_sock, low_seq: number, ts: boolean): void {
  const { ipv4 } = sk.sk_net;
  const mss = sk.mss_cache;
  const fack = tcp_highest_sack_seq(sk);
  if (!before(low_seq, fack)) return;
  const metric = (fack - low_seq) | 0;
  if (metric > sk.slow.reordering * mss && mss !== 0) {
    own_slow(sk).reordering = Math.min(Math.ceil(metric / mss), ipv4.tcp_max_reordering);
  }
  own_slow(sk).reord_seen++;
  if (ts) ipv4.mib.TcpExtTCPTSReorder++;
  else ipv4.mib.TcpExtTCPSACKReorder++;
}

/** tcp_is_sackblock_valid: a block that the other side may report; a D-SACK may lie below snd_una, not too far. */
function tcp_is_sackblock_valid(tp: tcp_sock, is_dsack: boolean, start: number, end: number): boolean {
  if (after(end, tp.snd_nxt) || !before(start, end)) return false;
  if (!before(start, tp.snd_nxt)) return false;
  if (after(start, tp.snd_una)) return true;
  if (!is_dsack || tp.slow.undo_marker === 0) return false;
  if (after(end, tp.snd_una)) return false;
  if (!before(start, tp.slow.undo_marker)) return true;
  if (!after(end, tp.slow.undo_marker)) return false;
  return !before(start, (end - tp.max_window) | 0);
}

/** tcp_dsack_seen: segments that arrived twice; 0: the report cannot be true. */
function tcp_dsack_seen(tp: tcp_sock, start: number, end: number, state: tcp_sacktag_state): number {
  if (!before(start, end)) return 0;
  const length = (end - start) | 0;
  if (length > tp.max_window) return 0;
  let dup_segs = 1;
  if (length > tp.mss_cache) dup_segs = Math.ceil(length / tp.mss_cache);
  else if (tp.slow.tlp_high_seq !== 0 && tp.slow.tlp_high_seq === end) state.flag |= FLAG_DSACK_TLP;
  own_slow(tp).dsack_dups += dup_segs;
  // More than was ever sent twice.
  if (tp.slow.dsack_dups > tp.slow.total_retrans) return 0;
  // TCP_DSACK_SEEN
  tp.rx_opt.sack_ok |= 4;
  if (tp.slow.reord_seen !== 0 && (state.flag & FLAG_DSACK_TLP) === 0) own_slow(tp).rack_dsack_seen = 1;
  state.flag |= FLAG_DSACKING_ACK;
  // A retransmission that was not needed was delivered all the same.
  state.sack_delivered += dup_segs;
  return dup_segs;
}

/** tcp_check_dsack: is the first block a D-SACK (RFC 2883 4)? Below the ACK, or inside of the second block. */
function tcp_check_dsack(
  sk: tcp_sock,
  ack_skb: sk_buff,
  wire: number,
  num_sacks: number,
  prior_snd_una: number,
  state: tcp_sacktag_state,
): boolean {
  const { mib } = sk.sk_net.ipv4;
  const { ram } = ack_skb;
  const start0 = get32(ram, wire) | 0;
  const end0 = get32(ram, wire + 4) | 0;
  if (before(start0, ack_skb.ack_seq)) {
    mib.TcpExtTCPDSACKRecv++;
  } else {
    if (num_sacks <= 1) return false;
    const start1 = get32(ram, wire + 8) | 0;
    const end1 = get32(ram, wire + 12) | 0;
    if (after(end0, end1) || before(start0, start1)) return false;
    mib.TcpExtTCPDSACKOfoRecv++;
  }
  const dup_segs = tcp_dsack_seen(sk, start0, end0, state);
  if (dup_segs === 0) {
    mib.TcpExtTCPDSACKIgnoredDubious++;
    return false;
  }
  mib.TcpExtTCPDSACKRecvSegs += dup_segs;
  // About data that is acknowledged and forgotten: only counted.
  if (
    sk.slow.undo_marker !== 0 &&
    sk.slow.undo_retrans > 0 &&
    !after(end0, prior_snd_una) &&
    after(end0, sk.slow.undo_marker)
  ) {
    own_slow(sk).undo_retrans = Math.max(0, sk.slow.undo_retrans - dup_segs);
  }
  return true;
}

/**
 * tcp_match_skb_to_sack: does the block cover the packet? One of several segments is cut where the block begins or ends.
 * 1, 0, or -1 when it cannot be cut.
 */
function tcp_match_skb_to_sack(sk: tcp_sock, skb: sk_buff, start: number, end: number): number {
  let in_sack = !after(start, skb.seq) && !before(end, skb.end_seq);
  if (skb.gso_segs > 1 && !in_sack && after(skb.end_seq, start)) {
    const mss = skb.gso_size;
    in_sack = !after(start, skb.seq);
    let length: number;
    if (!in_sack) {
      length = Math.max((start - skb.seq) | 0, mss);
    } else {
      length = (end - skb.seq) | 0;
      if (length < mss) return -1;
    }
    // Whole segments only.
    if (length > mss) {
      const whole = length - (length % mss);
      length = !in_sack && whole < length ? whole + mss : whole;
    }
    if (length >= skb.len && !in_sack) return 0;
    if (tcp_fragment(sk, true, skb, length, mss) !== 0) return -1;
  }
  return in_sack ? 1 : 0;
}

/** tcp_sacktag_one: [seq, end_seq), of `pcount` segments with the tags `sacked`, has arrived. Its new tags. */
export function tcp_sacktag_one(
  sk: tcp_sock,
  state: tcp_sacktag_state,
  sacked: number,
  seq: number,
  end_seq: number,
  dup_sack: boolean,
  pcount: number,
  xmit_time: number,
): number {
  if (dup_sack && (sacked & TCPCB_RETRANS) !== 0) {
    if (sk.slow.undo_marker !== 0 && sk.slow.undo_retrans > 0 && after(end_seq, sk.slow.undo_marker)) {
      own_slow(sk).undo_retrans = Math.max(0, sk.slow.undo_retrans - pcount);
    }
    if ((sacked & TCPCB_SACKED_ACKED) !== 0 && before(seq, state.reord)) state.reord = seq;
  }
  if (!after(end_seq, sk.snd_una)) return sacked;
  if ((sacked & TCPCB_SACKED_ACKED) === 0) {
    tcp_rack_advance(sk, sacked, end_seq, xmit_time);
    if ((sacked & TCPCB_SACKED_RETRANS) !== 0) {
      // Not lost: its retransmission is still under way.
      if ((sacked & TCPCB_LOST) !== 0) {
        sacked &= ~(TCPCB_LOST | TCPCB_SACKED_RETRANS);
        sk.lost_out -= pcount;
        sk.retrans_out -= pcount;
      }
    } else {
      if ((sacked & TCPCB_RETRANS) === 0) {
        // It was in a hole and was never sent again: the network has reordered.
        if (before(seq, tcp_highest_sack_seq(sk)) && before(seq, state.reord)) state.reord = seq;
        if (!after(end_seq, sk.slow.high_seq)) state.flag |= FLAG_ORIG_SACK_ACKED;
        if (state.first_sackt === 0) state.first_sackt = xmit_time;
        state.last_sackt = xmit_time;
      }
      if ((sacked & TCPCB_LOST) !== 0) {
        sacked &= ~TCPCB_LOST;
        sk.lost_out -= pcount;
      }
    }
    sacked |= TCPCB_SACKED_ACKED;
    state.flag |= FLAG_DATA_SACKED;
    sk.sacked_out += pcount;
    state.sack_delivered += pcount;
    state.delivered_bytes += (end_seq - seq) | 0;
  }
  if (dup_sack && (sacked & TCPCB_SACKED_RETRANS) !== 0) {
    sacked &= ~TCPCB_SACKED_RETRANS;
    sk.retrans_out -= pcount;
  }
  return sacked;
}

/**
 * tcp_sacktag_walk: tags the packets of [start, end), from `skb` on. `next_dup`: the block behind this one, when it is a
 * D-SACK, which may lie inside; else -1. Where it ended, null at the end of the queue.
 */
function tcp_sacktag_walk(
  sk: tcp_sock,
  skb: sk_buff | null,
  next_dup: number,
  state: tcp_sacktag_state,
  start: number,
  end: number,
  dup_sack_in: boolean,
  rs: rate_sample,
): sk_buff | null {
  const { blocks } = state;
  for (; skb !== null; skb = skb.next) {
    let in_sack = 0;
    let dup_sack = dup_sack_in;
    if (!before(skb.seq, end)) break;
    if (next_dup >= 0 && before(skb.seq, blocks[next_dup * 2 + 1] as number)) {
      in_sack = tcp_match_skb_to_sack(sk, skb, blocks[next_dup * 2] as number, blocks[next_dup * 2 + 1] as number);
      if (in_sack > 0) dup_sack = true;
    }
    if (in_sack <= 0) {
      const shifted = tcp_shift_skb_data(sk, skb, state, start, end, dup_sack, rs);
      if (shifted === skb) continue;
      if (shifted !== null) {
        skb = shifted;
        continue;
      }
      in_sack = tcp_match_skb_to_sack(sk, skb, start, end);
    }
    if (in_sack < 0) break;
    if (in_sack === 0) continue;
    skb.sacked = tcp_sacktag_one(sk, state, skb.sacked, skb.seq, skb.end_seq, dup_sack, skb.gso_segs, skb.skb_mstamp);
    tcp_rate_skb_delivered(sk, skb, rs);
    if ((skb.sacked & TCPCB_SACKED_ACKED) !== 0) tcp_tsorted_unlink(sk, skb);
    if (!before(skb.seq, tcp_highest_sack_seq(sk))) sk.highest_sack = skb.next;
  }
  return skb;
}

/** As far as this, a queue is not worth an index. */
const SHORT_QUEUE = 48;

/** tcp_sacktag_bsearch: the packet that holds `seq`. */
function tcp_sacktag_bsearch(sk: tcp_sock, seq: number): sk_buff | null {
  const queue = sk.tcp_rtx_queue;
  if (queue.qlen <= SHORT_QUEUE) {
    let skb = queue.first;
    while (skb !== null && !after(skb.end_seq, seq)) skb = skb.next;
    return skb;
  }
  const slow = own_slow(sk);
  if (slow.rtx_index === null) slow.rtx_index = new tcp_rtx_index();
  return slow.rtx_index.find(queue, seq);
}

/** tcp_sacktag_skip: where `seq` is, unless `skb` is behind it already. */
function tcp_sacktag_skip(sk: tcp_sock, skb: sk_buff | null, seq: number): sk_buff | null {
  return skb !== null && after(skb.seq, seq) ? skb : tcp_sacktag_bsearch(sk, seq);
}

/** tcp_maybe_skipping_dsack: what is left out up to `skip_to` may have a D-SACK in it. */
function tcp_maybe_skipping_dsack(
  sk: tcp_sock,
  skb: sk_buff | null,
  next_dup: number,
  state: tcp_sacktag_state,
  skip_to: number,
  rs: rate_sample,
): sk_buff | null {
  if (next_dup < 0) return skb;
  const start = state.blocks[next_dup * 2] as number;
  if (!before(start, skip_to)) return skb;
  const end = state.blocks[next_dup * 2 + 1] as number;
  return tcp_sacktag_walk(sk, tcp_sacktag_skip(sk, skb, start), -1, state, start, end, true, rs);
}

/** tcp_sacktag_write_queue: the SACK option of an ACK (its place is in ack_skb.sacked). FLAG_ bits. */
export function tcp_sacktag_write_queue(
  sk: tcp_sock,
  ack_skb: sk_buff,
  prior_snd_una: number,
  state: tcp_sacktag_state,
  rs: rate_sample,
): number {
  const { ram } = ack_skb;
  const option = ack_skb.transport_header + ack_skb.sacked;
  const wire = option + 2;
  const num_sacks = Math.min(TCP_NUM_SACKS, ((ram.u8[option + 1] as number) - 2) / TCPOLEN_SACK_PERBLOCK);
  state.flag = 0;
  state.reord = sk.snd_nxt;
  if (sk.sacked_out === 0) sk.highest_sack = sk.tcp_rtx_queue.first;
  const found_dup = tcp_check_dsack(sk, ack_skb, wire, num_sacks, prior_snd_una, state);
  // Too old to be worth anything.
  if (before(ack_skb.ack_seq, (prior_snd_una - sk.max_window) | 0)) return 0;
  if (sk.packets_out === 0) return state.flag;
  const used = usable_blocks(sk, ack_skb, wire, num_sacks, prior_snd_una, found_dup, state);
  tag_blocks(sk, used, state, rs);
  const { blocks } = state;
  const { sacks } = own_slow(sk);
  // Empty ones come first, so that they are soon passed.
  const empty = CACHE_END - used * 2;
  sacks.fill(0, RECV_SACK_CACHE, empty);
  for (let i = 0; i < used * 2; i++) sacks[empty + i] = blocks[i] as number;
  if (sk.icsk_ca_state !== TCP_CA_Loss || sk.slow.undo_marker !== 0) tcp_check_sack_reordering(sk, state.reord, false);
  return state.flag;
}

const CACHE_END = RECV_SACK_CACHE + TCP_NUM_SACKS * 2;

/** Tags what the blocks cover, but for what earlier ACKs have reported already (recv_sack_cache). */
function tag_blocks(sk: tcp_sock, used: number, state: tcp_sacktag_state, rs: rate_sample): void {
  const { blocks, dup } = state;
  const { sacks } = own_slow(sk);
  let cache = CACHE_END;
  if (sk.sacked_out !== 0) {
    cache = RECV_SACK_CACHE;
    while (cache < CACHE_END && sacks[cache] === 0 && sacks[cache + 1] === 0) cache += 2;
  }
  let skb: sk_buff | null = null;
  for (let i = 0; i < used; ) {
    const start = blocks[i * 2] as number;
    const end = blocks[i * 2 + 1] as number;
    const dup_sack = dup[i] !== 0;
    const next_dup = i + 1 < used && dup[i + 1] !== 0 ? i + 1 : -1;
    while (cache < CACHE_END && !before(start, sacks[cache + 1] as number)) cache += 2;
    if (cache < CACHE_END && !dup_sack && after(end, sacks[cache] as number)) {
      const cache_start = sacks[cache] as number;
      const cache_end = sacks[cache + 1] as number;
      if (before(start, cache_start)) {
        skb = tcp_sacktag_skip(sk, skb, start);
        skb = tcp_sacktag_walk(sk, skb, next_dup, state, start, cache_start, dup_sack, rs);
      }
      // All of the rest is known.
      if (!after(end, cache_end)) {
        i++;
        continue;
      }
      skb = tcp_maybe_skipping_dsack(sk, skb, next_dup, state, cache_end, rs);
      cache += 2;
      if (tcp_highest_sack_seq(sk) !== cache_end) {
        // The next known block may lie in the same one.
        skb = tcp_sacktag_skip(sk, skb, cache_end);
        continue;
      }
      // Nothing behind it is tagged yet.
      skb = sk.highest_sack;
      if (skb === null) return;
    } else {
      if (!before(start, tcp_highest_sack_seq(sk))) {
        skb = sk.highest_sack;
        if (skb === null) return;
      }
      skb = tcp_sacktag_skip(sk, skb, start);
    }
    skb = tcp_sacktag_walk(sk, skb, next_dup, state, start, end, dup_sack, rs);
    i++;
  }
}

/** Reads the blocks, leaves out those that cannot be, and sorts the rest by their start. Their number. */
function usable_blocks(
  sk: tcp_sock,
  ack_skb: sk_buff,
  wire: number,
  num_sacks: number,
  prior_snd_una: number,
  found_dup: boolean,
  state: tcp_sacktag_state,
): number {
  const { mib } = sk.sk_net.ipv4;
  const { ram } = ack_skb;
  const { blocks, dup } = state;
  let used = 0;
  for (let i = 0; i < num_sacks; i++) {
    const is_dup = i === 0 && found_dup;
    const start = get32(ram, wire + i * 8) | 0;
    const end = get32(ram, wire + i * 8 + 4) | 0;
    if (!tcp_is_sackblock_valid(sk, is_dup, start, end)) {
      if (is_dup) {
        if (sk.slow.undo_marker === 0) mib.TcpExtTCPDSACKIgnoredNoUndo++;
        else mib.TcpExtTCPDSACKIgnoredOld++;
      } else if (ack_skb.ack_seq === sk.snd_una || after(end, sk.snd_una)) {
        // Others come from ACKs that have overtaken each other.
        mib.TcpExtTCPSACKDiscard++;
      }
      continue;
    }
    if (!after(end, prior_snd_una)) continue;
    let at = used++;
    for (; at > 0 && after(blocks[at * 2 - 2] as number, start); at--) {
      blocks[at * 2] = blocks[at * 2 - 2] as number;
      blocks[at * 2 + 1] = blocks[at * 2 - 1] as number;
      dup[at] = dup[at - 1] as number;
    }
    blocks[at * 2] = start;
    blocks[at * 2 + 1] = end;
    dup[at] = is_dup ? 1 : 0;
  }
  return used;
}
