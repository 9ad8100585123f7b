/**
 * SACKed packets that follow each other become one (net/ipv4/tcp_input.c: tcp_shift_skb_data; net/core/skbuff.c: skb_shift),
 * so that a long run of them is soon passed and takes less memory.
 *
 * Linux moves page fragments. Here a packet's bytes are in one piece, and stay where they are: the packets become pieces of
 * the first one (its frag_list; gro_last is the last of them, gro_count their number), and packets again where it is cut.
 */
import { COPY_TCP_SPLIT } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { consume_skb, type sk_buff, skb_headlen, skb_linearize, skb_put } from '../core/skbuff.ts';
import { sk_mem_uncharge, sk_wmem_queued_add } from './tcp_mem.ts';
import { tcp_tsorted_unlink } from './tcp_output.ts';
import { tcp_rate_skb_delivered } from './tcp_rate.ts';
import { tcp_sacktag_one, type tcp_sacktag_state } from './tcp_sack.ts';
import {
  after,
  before,
  own_slow,
  type rate_sample,
  TCP_SKB_TRUESIZE,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPCB_TAGBITS,
  tcp_skb_seglen,
  type tcp_sock,
  tcp_stream_alloc_skb,
} from './tcp_sock.ts';
import { tcp_fragment, tcp_skb_collapse_tstamp } from './tcp_write_queue.ts';

/** A packet of TCP_MIN_GSO_SIZE bytes a segment cannot have more (tcp_skb_shift). */
const MAX_SHIFTED = 65535 * 8;
const MAX_PCOUNT = 65535;
/** Pieces of one packet: a cut looks at all of them. Linux has MAX_SKB_FRAGS, each of which may be many segments. */
const MAX_PIECES = 512;

// ---- pieces ---------------------------------------------------------------------------------------------------------

/** skb_shift: all of `skb`, which hangs in no queue, becomes part of `to`. */
function skb_shift(to: sk_buff, skb: sk_buff): void {
  const length = skb.len;
  const own = skb_headlen(skb);
  const last = skb.frag_list === null ? skb : skb.gro_last;
  to.gro_count = pieces(to) + 1 + pieces(skb);
  if (to.frag_list === null) to.frag_list = skb;
  else (to.gro_last as sk_buff).next = skb;
  to.gro_last = last;
  to.len += length;
  to.data_len += length;
  skb.next = skb.frag_list;
  skb.frag_list = null;
  skb.gro_last = null;
  skb.data_len = 0;
  skb.len = own;
}

function pieces(skb: sk_buff): number {
  return skb.frag_list === null ? 0 : skb.gro_count;
}

/**
 * skb_split for a packet in pieces: what is behind the first `len` bytes, as a packet with the truesize of an empty one;
 * null without memory, nothing done then. A piece that both have bytes of is copied from there on. The caller owns it.
 */
export function skb_split_pieces(sk: tcp_sock, skb: sk_buff, len: number): sk_buff | null {
  const rest = skb.len - len;
  const all = pieces(skb);
  // The piece with the last byte that stays, where it ends, and how many of them stay.
  let piece = skb;
  let end = skb_headlen(skb);
  let kept = 0;
  for (; end < len; kept++) {
    piece = (kept === 0 ? skb.frag_list : piece.next) as sk_buff;
    end += piece.len;
  }
  const behind = kept === 0 ? skb.frag_list : piece.next;
  const inside = end - len;
  let buff: sk_buff | null;
  if (inside > 0) {
    buff = tcp_stream_alloc_skb(sk, inside);
    if (buff === null) return null;
    skb.ram.move(skb_put(buff, inside), piece.tail - inside, inside);
    charge_copy(skb.kernel, inside, COPY_TCP_SPLIT);
    buff.frag_list = behind;
    piece.tail -= inside;
    if (kept > 0) piece.len -= inside;
    else skb.len -= inside;
  } else {
    buff = behind as sk_buff;
    buff.frag_list = buff.next;
    buff.next = null;
    buff.truesize = TCP_SKB_TRUESIZE;
  }
  buff.gro_count = all - kept - (inside > 0 ? 0 : 1);
  buff.gro_last = buff.frag_list === null ? null : skb.gro_last;
  buff.data_len = rest - buff.len;
  buff.len = rest;
  if (kept === 0) {
    skb.frag_list = null;
    skb.gro_last = null;
    skb.data_len = 0;
  } else {
    skb.data_len -= rest;
    piece.next = null;
    skb.gro_last = piece;
  }
  skb.gro_count = kept;
  skb.len = len;
  return buff;
}

/** skb_pull for a packet in pieces: its first `len` bytes are not needed any more. */
export function skb_pull_pieces(skb: sk_buff, len: number): void {
  for (let piece = skb.frag_list; piece !== null; piece = skb.frag_list) {
    const own = skb_headlen(skb);
    if (len < own) break;
    // Its own bytes are all gone: it takes over the first piece's.
    const { head } = skb;
    const { cloned } = skb;
    skb.len -= own;
    skb.data_len -= piece.len;
    skb.frag_list = piece.next;
    skb.gro_count--;
    skb.head = piece.head;
    skb.data = piece.data;
    skb.tail = piece.tail;
    skb.end = piece.end;
    skb.cloned = piece.cloned;
    piece.head = head;
    piece.cloned = cloned;
    piece.next = null;
    consume_skb(piece);
    len -= own;
  }
  if (skb.frag_list === null) skb.gro_last = null;
  skb.data += len;
  skb.len -= len;
}

/** A packet in pieces is sent again, which the other side had reported as received: one piece. 0 or -ENOMEM. */
export function skb_join_pieces(skb: sk_buff): number {
  const err = skb_linearize(skb);
  if (err === 0) skb.gro_last = null;
  return err;
}

// ---- shifting -------------------------------------------------------------------------------------------------------

function skb_can_shift(skb: sk_buff): boolean {
  return skb.len > 0;
}

/** tcp_skb_shift: the first `len` bytes of `skb`, `pcount` segments, can become part of `to`; `skb` is those alone then. */
function tcp_skb_shift(sk: tcp_sock, to: sk_buff, skb: sk_buff, pcount: number, len: number, mss: number): boolean {
  if (to.len + len >= MAX_SHIFTED || to.gso_segs + pcount > MAX_PCOUNT) return false;
  if (to.ubuf !== null || skb.ubuf !== null || pieces(to) + 1 + pieces(skb) > MAX_PIECES) return false;
  return len === skb.len || tcp_fragment(sk, true, skb, len, mss) === 0;
}

/**
 * tcp_shifted_skb: `skb`, newly reported or reported before, goes into `prev`. `rest`: it is a part of what it was, the rest
 * of which follows it.
 */
function tcp_shifted_skb(
  sk: tcp_sock,
  prev: sk_buff,
  skb: sk_buff,
  state: tcp_sacktag_state,
  mss: number,
  rest: boolean,
  dup_sack: boolean,
  rs: rate_sample,
): void {
  const { mib } = sk.sk_net.ipv4;
  const { next, gso_segs: pcount, len } = skb;
  tcp_sacktag_one(sk, state, skb.sacked, skb.seq, (skb.seq + len) | 0, dup_sack, pcount, skb.skb_mstamp);
  tcp_rate_skb_delivered(sk, skb, rs);
  prev.end_seq = skb.end_seq;
  prev.gso_segs += pcount;
  if (prev.gso_size === 0) prev.gso_size = mss;
  prev.sacked |= skb.sacked & TCPCB_EVER_RETRANS;
  if (sk.slow.retransmit_skb_hint === skb) own_slow(sk).retransmit_skb_hint = rest ? next : prev;
  prev.tcp_flags |= skb.tcp_flags;
  prev.eor = skb.eor;
  if (sk.highest_sack === skb) sk.highest_sack = next;
  tcp_skb_collapse_tstamp(prev, skb);
  prev.tx_delivered_mstamp = 0;
  if (rest) mib.TcpExtTCPSackShifted++;
  else mib.TcpExtTCPSackMerged++;
  // tcp_rtx_queue_unlink_and_free, but for the bytes.
  const overhead = skb.truesize - len;
  tcp_tsorted_unlink(sk, skb);
  sk.tcp_rtx_queue.unlink(skb);
  skb.tsorted_prev = null;
  skb.tsorted_next = null;
  prev.truesize += len;
  sk_wmem_queued_add(sk, -overhead);
  sk_mem_uncharge(sk, overhead);
  skb_shift(prev, skb);
}

/**
 * tcp_shift_skb_data: what [start, end) covers of `skb` becomes part of the packet before it, when that is SACKed, too. The
 * packet to go on behind; `skb` itself: the block has nothing of it; null: it is to be tagged by itself.
 */
export function tcp_shift_skb_data(
  sk: tcp_sock,
  skb: sk_buff,
  state: tcp_sacktag_state,
  start: number,
  end: number,
  dup_sack: boolean,
  rs: rate_sample,
): sk_buff | null {
  const { prev } = skb;
  const retransmitted = !dup_sack && (skb.sacked & (TCPCB_LOST | TCPCB_SACKED_RETRANS)) === TCPCB_SACKED_RETRANS;
  if (
    retransmitted ||
    !skb_can_shift(skb) ||
    !after(skb.end_seq, sk.snd_una) ||
    prev === null ||
    (prev.sacked & TCPCB_TAGBITS) !== TCPCB_SACKED_ACKED ||
    prev.eor !== 0
  ) {
    return fallback(sk);
  }
  let { len, gso_segs: pcount } = skb;
  let mss: number;
  if (!after(start, skb.seq) && !before(end, skb.end_seq)) {
    mss = tcp_skb_seglen(skb);
    if (mss !== tcp_skb_seglen(prev)) return fallback(sk);
  } else {
    if (!after(skb.end_seq, start) || pcount <= 1) return skb;
    if (after(start, skb.seq)) return fallback(sk);
    len = (end - skb.seq) | 0;
    mss = skb.gso_size;
    if (mss !== tcp_skb_seglen(prev)) return fallback(sk);
    if (len < mss) return skb;
    pcount = Math.floor(len / mss);
    len = pcount * mss;
  }
  if (!after((skb.seq + len) | 0, sk.snd_una)) return fallback(sk);
  const rest = len !== skb.len;
  if (!tcp_skb_shift(sk, prev, skb, pcount, len, mss)) return fallback(sk);
  tcp_shifted_skb(sk, prev, skb, state, mss, rest, dup_sack, rs);
  if (rest) return prev;
  // A hole is filled: what lies behind may be of the same kind.
  const { next } = prev;
  if (
    next !== null &&
    skb_can_shift(next) &&
    (next.sacked & TCPCB_TAGBITS) === TCPCB_SACKED_ACKED &&
    mss === tcp_skb_seglen(next) &&
    prev.eor === 0 &&
    tcp_skb_shift(sk, prev, next, next.gso_segs, next.len, mss)
  ) {
    tcp_shifted_skb(sk, prev, next, state, mss, false, false, rs);
  }
  return prev;
}

function fallback(sk: tcp_sock): null {
  sk.sk_net.ipv4.mib.TcpExtTCPSackShiftFallback++;
  return null;
}
