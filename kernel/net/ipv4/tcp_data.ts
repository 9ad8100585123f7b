/**
 * Received data (net/ipv4/tcp_input.c: tcp_data_queue): in order to the receive queue, ahead of it to the out-of-order
 * queue, whose memory is bounded; SACK and D-SACK blocks of what came (RFC 2018, RFC 2883); FIN, RST and urgent data.
 */

import { COPY_TCP_COLLAPSE } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { ECONNREFUSED, ECONNRESET, EPIPE } from '../../errno.ts';
import {
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  SKB_DROP_REASON,
  type sk_buff,
  type sk_buff_head,
  skb_copy_bits,
  skb_headlen,
  skb_pull,
  skb_put,
} from '../core/skbuff.ts';
import {
  RCV_SHUTDOWN,
  sk_error_report,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../core/sock.ts';
import { get32 } from './ip_header.ts';
import { TCP_URG_NOTYET, TCP_URG_VALID, tcp_done, tcp_epollin_ready, tcp_set_state } from './tcp.ts';
import { tcp_ooo_try_coalesce, tcp_try_coalesce } from './tcp_coalesce.ts';
import { tcp_accecn_spurious_retrans, tcp_data_ecn_check } from './tcp_ecn.ts';
import { sk_forced_mem_schedule, sk_rmem_schedule, tcp_set_owner_r, tcp_under_memory_pressure } from './tcp_mem.ts';
import { tcp_time_wait } from './tcp_minisocks.ts';
import { tcp_ofo_find, tcp_ofo_link, tcp_ofo_rebuild, tcp_ofo_unlink } from './tcp_ofo_tree.ts';
import { tcp_adjust_rcv_ssthresh, tcp_send_ack } from './tcp_output.ts';
import {
  tcp_clamp_window,
  tcp_enter_quickack_mode,
  tcp_event_data_recv,
  tcp_grow_window,
  tcp_measure_rcv_mss,
  tcp_rcvbuf_grow,
  tcp_sack_compress_send_ack,
} from './tcp_rcvbuf.ts';
import {
  after,
  before,
  DUPLICATE_SACK,
  ICSK_ACK_NOMEM,
  ICSK_ACK_NOW,
  inet_csk_enter_pingpong_mode,
  inet_csk_schedule_ack,
  own_slow,
  SELECTIVE_ACKS,
  TCP_MAX_QUICKACKS,
  TCP_NUM_SACKS,
  TCPHDR_FIN,
  TCPHDR_SYN,
  TCPHDR_URG,
  tcp_fast_path_check,
  tcp_flag_byte,
  tcp_hdrlen,
  tcp_is_sack,
  tcp_receive_window,
  tcp_skb_cb_init,
  type tcp_sock,
  tcp_win_from_space,
  th_urg_ptr,
} from './tcp_sock.ts';
import { tcp_write_queue_purge } from './tcp_write_queue.ts';

/** More SACK blocks than this and a sender that gets compressed ACKs would miss some. */
const TCP_SACK_BLOCKS_EXPECTED = 2;

/** Drops a packet of the connection's: counted with the socket. */
export function tcp_drop_reason(sk: tcp_sock, skb: sk_buff, reason: number): void {
  sk.sk_drops++;
  kfree_skb_reason(skb, reason);
}

// ---- SACK blocks to report ------------------------------------------------------------------------------------------

/** tcp_sack_extend: block `at` of sacks grows by a range that touches it. False: it does not touch it. */
function tcp_sack_extend(sk: tcp_sock, at: number, seq: number, end_seq: number): boolean {
  const { sacks } = own_slow(sk);
  const start = sacks[at] as number;
  const end = sacks[at + 1] as number;
  if (after(seq, end) || after(start, end_seq)) return false;
  if (before(seq, start)) sacks[at] = seq;
  if (after(end_seq, end)) sacks[at + 1] = end_seq;
  return true;
}

/** tcp_dsack_set: this range came twice. */
function tcp_dsack_set(sk: tcp_sock, seq: number, end_seq: number): void {
  const { ipv4 } = sk.sk_net;
  if (!tcp_is_sack(sk) || ipv4.tcp_dsack === 0) return;
  if (before(seq, sk.rcv_nxt)) ipv4.mib.TcpExtTCPDSACKOldSent++;
  else ipv4.mib.TcpExtTCPDSACKOfoSent++;
  sk.rx_opt.dsack = 1;
  const { sacks } = own_slow(sk);
  sacks[DUPLICATE_SACK] = seq;
  sacks[DUPLICATE_SACK + 1] = end_seq;
}

function tcp_dsack_extend(sk: tcp_sock, seq: number, end_seq: number): void {
  if (sk.rx_opt.dsack === 0) tcp_dsack_set(sk, seq, end_seq);
  else tcp_sack_extend(sk, DUPLICATE_SACK, seq, end_seq);
}

/** tcp_send_dupack: answers a segment outside of the window, with a D-SACK where it repeats something. */
export function tcp_send_dupack(sk: tcp_sock, skb: sk_buff): void {
  const { ipv4 } = sk.sk_net;
  if (skb.end_seq !== skb.seq && before(skb.seq, sk.rcv_nxt)) {
    ipv4.mib.TcpExtDelayedACKLost++;
    tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
    if (tcp_is_sack(sk) && ipv4.tcp_dsack !== 0) {
      tcp_accecn_spurious_retrans(sk, skb);
      tcp_dsack_set(sk, skb.seq, after(skb.end_seq, sk.rcv_nxt) ? sk.rcv_nxt : skb.end_seq);
    }
  }
  tcp_send_ack(sk);
}

/** Closes the gap that block `index` of those to report leaves. */
function sack_zap(sk: tcp_sock, index: number): void {
  const at = SELECTIVE_ACKS + index * 2;
  own_slow(sk).sacks.copyWithin(at, at + 2, SELECTIVE_ACKS + sk.rx_opt.num_sacks * 2);
  sk.rx_opt.num_sacks--;
}

/** tcp_sack_new_ofo_skb: the block that holds what came last is the first one (RFC 2018 4). */
function tcp_sack_new_ofo_skb(sk: tcp_sock, seq: number, end_seq: number): void {
  const { rx_opt } = sk;
  const { sacks } = own_slow(sk);
  const count = rx_opt.num_sacks;
  for (let i = 0; i < count; i++) {
    if (!tcp_sack_extend(sk, SELECTIVE_ACKS + i * 2, seq, end_seq)) continue;
    if (i >= TCP_SACK_BLOCKS_EXPECTED) tcp_sack_compress_send_ack(sk);
    const start = sacks[SELECTIVE_ACKS + i * 2] as number;
    const end = sacks[SELECTIVE_ACKS + i * 2 + 1] as number;
    sacks.copyWithin(SELECTIVE_ACKS + 2, SELECTIVE_ACKS, SELECTIVE_ACKS + i * 2);
    sacks[SELECTIVE_ACKS] = start;
    sacks[SELECTIVE_ACKS + 1] = end;
    // tcp_sack_maybe_coalesce: it may have grown together with others.
    for (let j = 1; j < rx_opt.num_sacks; ) {
      const at = SELECTIVE_ACKS + j * 2;
      if (tcp_sack_extend(sk, SELECTIVE_ACKS, sacks[at] as number, sacks[at + 1] as number)) sack_zap(sk, j);
      else j++;
    }
    return;
  }
  if (count >= TCP_SACK_BLOCKS_EXPECTED) tcp_sack_compress_send_ack(sk);
  // The oldest is forgotten when there is no room.
  if (rx_opt.num_sacks >= TCP_NUM_SACKS) rx_opt.num_sacks--;
  sacks.copyWithin(SELECTIVE_ACKS + 2, SELECTIVE_ACKS, SELECTIVE_ACKS + rx_opt.num_sacks * 2);
  sacks[SELECTIVE_ACKS] = seq;
  sacks[SELECTIVE_ACKS + 1] = end_seq;
  rx_opt.num_sacks++;
}

/** tcp_sack_remove: what is in order now needs no block. */
function tcp_sack_remove(sk: tcp_sock): void {
  if (sk.slow.out_of_order_queue.first === null) {
    sk.rx_opt.num_sacks = 0;
    return;
  }
  for (let i = 0; i < sk.rx_opt.num_sacks; ) {
    if (!before(sk.rcv_nxt, sk.slow.sacks[SELECTIVE_ACKS + i * 2] as number)) sack_zap(sk, i);
    else i++;
  }
}

/** tcp_sack_reset */
export function tcp_sack_reset(sk: tcp_sock): void {
  sk.rx_opt.dsack = 0;
  sk.rx_opt.num_sacks = 0;
}

// ---- memory ---------------------------------------------------------------------------------------------------------

function tcp_can_ingest(sk: tcp_sock): boolean {
  return sk.sk_rmem_alloc <= sk.sk_rcvbuf;
}

/** tcp_try_rmem_schedule: is there room for the packet? Makes some, if need be. */
function tcp_try_rmem_schedule(sk: tcp_sock, skb: sk_buff): boolean {
  if (tcp_can_ingest(sk) && sk_rmem_schedule(sk, skb.truesize)) return true;
  if (!tcp_prune_queue(sk, skb)) return false;
  while (!sk_rmem_schedule(sk, skb.truesize)) if (!tcp_prune_ofo_queue(sk, skb)) return false;
  return true;
}

/** tcp_prune_queue: smaller windows, then packets packed closer, then out-of-order ones thrown away. */
function tcp_prune_queue(sk: tcp_sock, in_skb: sk_buff): boolean {
  const { mib } = sk.sk_net.ipv4;
  mib.TcpExtPruneCalled++;
  if (!tcp_can_ingest(sk)) tcp_clamp_window(sk);
  else if (tcp_under_memory_pressure(sk)) tcp_adjust_rcv_ssthresh(sk);
  if (tcp_can_ingest(sk)) return true;
  tcp_collapse_ofo_queue(sk);
  const { sk_receive_queue: queue } = sk;
  tcp_collapse(sk, queue, queue.first, null, sk.copied_seq, sk.rcv_nxt);
  if (tcp_can_ingest(sk)) return true;
  tcp_prune_ofo_queue(sk, in_skb);
  if (tcp_can_ingest(sk)) return true;
  mib.TcpExtRcvPruned++;
  // Far too much: nothing goes the fast way.
  sk.pred_flags = 0;
  return false;
}

/** tcp_prune_ofo_queue: the packets farthest ahead go, an eighth of the buffer at a time. True: some went. */
function tcp_prune_ofo_queue(sk: tcp_sock, in_skb: sk_buff): boolean {
  const queue = sk.slow.out_of_order_queue;
  let goal = sk.sk_rcvbuf >> 3;
  let pruned = false;
  for (let skb = queue.last; skb !== null; skb = queue.last) {
    // What comes now would be the next to go.
    if (after(in_skb.seq, skb.seq)) break;
    pruned = true;
    goal -= skb.truesize;
    const slow = own_slow(sk);
    tcp_ofo_unlink(slow, skb);
    slow.ooo_last_skb = queue.last;
    tcp_drop_reason(sk, skb, SKB_DROP_REASON.TCP_OFO_QUEUE_PRUNE);
    if (queue.first !== null && goal > 0) continue;
    if (tcp_can_ingest(sk) && !tcp_under_memory_pressure(sk)) break;
    goal = sk.sk_rcvbuf >> 3;
  }
  if (!pruned) return false;
  sk.sk_net.ipv4.mib.TcpExtOfoPruned++;
  // As after a timeout: the receiver may take back what it has reported (RFC 2018 8).
  if (sk.rx_opt.sack_ok !== 0) tcp_sack_reset(sk);
  return true;
}

/** Payload of the packets that collapsing makes: a page with its overhead (SKB_MAX_ORDER(0, 0)). */
const COLLAPSED_SIZE = 4096 - 320;

/**
 * tcp_collapse_ofo_queue: each run of packets without a gap. Single tiny ones are let be, and when they are too many, those
 * behind them too: they would be looked through in vain again and again.
 */
function tcp_collapse_ofo_queue(sk: tcp_sock): void {
  if (sk.slow.out_of_order_queue.first === null) return;
  const slow = own_slow(sk);
  const queue = slow.out_of_order_queue;
  let sum_tiny = 0;
  let collapsed = false;
  for (let head: sk_buff | null = queue.first; head !== null; ) {
    const { seq: start, truesize } = head;
    let { end_seq: end } = head;
    let range_truesize = truesize;
    let skb: sk_buff | null = head.next;
    for (; skb !== null && !after(skb.seq, end); skb = skb.next) {
      range_truesize += skb.truesize;
      if (after(skb.end_seq, end)) end = skb.end_seq;
    }
    if (range_truesize !== truesize || ((end - start) | 0) >= COLLAPSED_SIZE) {
      collapsed = tcp_collapse(sk, queue, head, skb, start, end) || collapsed;
    } else {
      sum_tiny += range_truesize;
      if (sum_tiny > sk.sk_rcvbuf >> 3) break;
    }
    head = skb;
  }
  if (collapsed) tcp_ofo_rebuild(slow);
  slow.ooo_last_skb = queue.last;
}

/** tcp_collapse_one: the packet goes, as its bytes are elsewhere by now. The next one. */
function tcp_collapse_one(sk: tcp_sock, queue: sk_buff_head, skb: sk_buff): sk_buff | null {
  const { next } = skb;
  queue.unlink(skb);
  consume_skb(skb);
  sk.sk_net.ipv4.mib.TcpExtTCPRcvCollapsed++;
  return next;
}

/**
 * tcp_collapse: the bytes from `start` to `end` of the packets from `head` on (`stop` is no more of them) are copied into
 * fuller ones, beginning with the first packet that is worth it: with much overhead, or with bytes that others have, too.
 * True: something has changed.
 */
function tcp_collapse(
  sk: tcp_sock,
  queue: sk_buff_head,
  head: sk_buff | null,
  stop: sk_buff | null,
  start: number,
  end: number,
): boolean {
  const { kernel } = sk;
  const ends = TCPHDR_SYN | TCPHDR_FIN;
  let changed = false;
  let skb = head;
  while (skb !== null && skb !== stop) {
    if (!before(start, skb.end_seq)) {
      skb = tcp_collapse_one(sk, queue, skb);
      changed = true;
      continue;
    }
    const bloated = tcp_win_from_space(sk, skb.truesize) > skb.len || before(skb.seq, start);
    if (bloated && (skb.tcp_flags & ends) === 0) break;
    const { next }: sk_buff = skb;
    if (next !== null && next !== stop && skb.end_seq !== next.seq) break;
    start = skb.end_seq;
    skb = next;
  }
  while (skb !== null && skb !== stop && (skb.tcp_flags & ends) === 0 && before(start, end)) {
    let left = Math.min((end - start) | 0, COLLAPSED_SIZE);
    const copy = alloc_skb(kernel, left);
    if (copy === null) break;
    changed = true;
    tcp_skb_cb_init(copy);
    copy.seq = start;
    copy.tcp_flags = skb.tcp_flags;
    if (skb.prev === null) queue.unshift(copy);
    else queue.insert_after(skb.prev, copy);
    while (left > 0) {
      const n = Math.min((skb.end_seq - start) | 0, left);
      skb_copy_bits(skb, (start - skb.seq) | 0, skb_put(copy, n), n);
      charge_copy(kernel, n, COPY_TCP_COLLAPSE);
      left -= n;
      start = (start + n) | 0;
      if (before(start, skb.end_seq)) continue;
      skb = tcp_collapse_one(sk, queue, skb);
      // What others have had already, and packets that are not to be touched.
      while (skb !== null && skb !== stop && !before(start, skb.end_seq)) skb = tcp_collapse_one(sk, queue, skb);
      if (skb === null || skb === stop || (skb.tcp_flags & ends) !== 0) break;
    }
    copy.end_seq = start;
    tcp_set_owner_r(copy, sk);
  }
  return changed;
}

// ---- queues ---------------------------------------------------------------------------------------------------------

/** tcp_rcv_nxt_update */
export function tcp_rcv_nxt_update(sk: tcp_sock, seq: number): void {
  sk.bytes_received += (seq - sk.rcv_nxt) | 0;
  sk.rcv_nxt = seq;
}

/** tcp_queue_rcv: to the receive queue, whose end it continues. True: it became part of that end, and is still the caller's. */
export function tcp_queue_rcv(sk: tcp_sock, skb: sk_buff): boolean {
  const { last: tail } = sk.sk_receive_queue;
  const eaten = tail !== null && tcp_try_coalesce(sk, tail, skb);
  tcp_rcv_nxt_update(sk, skb.end_seq);
  const tp = sk.kernel.trace.sock_queue_rcv_skb;
  if (tp !== null) tp(skb, sk);
  if (eaten) return true;
  skb.dev = null;
  skb.dst = null;
  tcp_set_owner_r(skb, sk);
  sk.sk_receive_queue.push(skb);
  return false;
}

/** tcp_data_ready: tells the program, once there is as much as it wants (SO_RCVLOWAT), or no more can come. */
export function tcp_data_ready(sk: tcp_sock): void {
  if (tcp_epollin_ready(sk, sk.opts.sk_rcvlowat) || sk.sk_done) sk.sk_data_ready(sk);
}

/** Outside of the window, or all of it known: an ACK says what is expected. Takes the skb. */
function out_of_window(sk: tcp_sock, skb: sk_buff, reason: number): void {
  tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
  inet_csk_schedule_ack(sk);
  tcp_drop_reason(sk, skb, reason);
}

/** tcp_data_queue: what a segment carries, transport_header at its header and data, too. Takes the skb. */
export function tcp_data_queue(sk: tcp_sock, skb: sk_buff): void {
  const { mib } = sk.sk_net.ipv4;
  if (skb.seq === skb.end_seq) {
    consume_skb(skb);
    return;
  }
  skb_pull(skb, tcp_hdrlen(skb));
  sk.rx_opt.dsack = 0;
  if (skb.seq !== sk.rcv_nxt) {
    if (!after(skb.end_seq, sk.rcv_nxt)) {
      // A retransmission of what is here already.
      tcp_accecn_spurious_retrans(sk, skb);
      mib.TcpExtDelayedACKLost++;
      tcp_dsack_set(sk, skb.seq, skb.end_seq);
      out_of_window(sk, skb, SKB_DROP_REASON.TCP_OLD_DATA);
      return;
    }
    if (!before(skb.seq, (sk.rcv_nxt + tcp_receive_window(sk)) | 0)) {
      out_of_window(sk, skb, SKB_DROP_REASON.TCP_OVERWINDOW);
      return;
    }
    if (!before(skb.seq, sk.rcv_nxt)) {
      tcp_data_queue_ofo(sk, skb);
      return;
    }
    // Its beginning is known, its end is not. The reader skips what it has read.
    tcp_dsack_set(sk, skb.seq, sk.rcv_nxt);
  }
  if (tcp_receive_window(sk) === 0 && (skb.len !== 0 || (skb.tcp_flags & TCPHDR_FIN) === 0)) {
    mib.TcpExtTCPZeroWindowDrop++;
    out_of_window(sk, skb, SKB_DROP_REASON.TCP_ZEROWINDOW);
    return;
  }
  if (!tcp_try_rmem_schedule(sk, skb)) {
    sk.icsk_ack_pending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW;
    inet_csk_schedule_ack(sk);
    sk.sk_data_ready(sk);
    if (sk.sk_receive_queue.first !== null && skb.len !== 0) {
      mib.TcpExtTCPRcvQDrop++;
      tcp_drop_reason(sk, skb, SKB_DROP_REASON.PROTO_MEM);
      return;
    }
    // The first of all is taken in any case, lest the connection stand still.
    sk_forced_mem_schedule(sk, skb.truesize);
  }
  const { len, tcp_flags } = skb;
  const eaten = tcp_queue_rcv(sk, skb);
  if (len !== 0) tcp_event_data_recv(sk, skb);
  if ((tcp_flags & TCPHDR_FIN) !== 0) tcp_fin(sk);
  if (sk.slow.out_of_order_queue.first !== null) {
    tcp_ofo_queue(sk);
    // RFC 5681 4.2: at once when a gap is filled.
    if (sk.slow.out_of_order_queue.first === null) sk.icsk_ack_pending |= ICSK_ACK_NOW;
  }
  if (sk.rx_opt.num_sacks !== 0) tcp_sack_remove(sk);
  tcp_fast_path_check(sk);
  if (eaten) consume_skb(skb);
  if (!sk.sk_dead) tcp_data_ready(sk);
}

/** tcp_ofo_queue: what follows now without a gap goes to the receive queue. */
function tcp_ofo_queue(sk: tcp_sock): void {
  const queue = sk.slow.out_of_order_queue;
  const dsack_high = sk.rcv_nxt;
  for (let skb = queue.first; skb !== null; skb = queue.first) {
    if (after(skb.seq, sk.rcv_nxt)) break;
    // Only what had come before, not what lay between.
    if (before(skb.seq, dsack_high)) {
      tcp_dsack_extend(sk, skb.seq, before(skb.end_seq, dsack_high) ? skb.end_seq : dsack_high);
    }
    const slow = own_slow(sk);
    tcp_ofo_unlink(slow, skb);
    if (skb === slow.ooo_last_skb) slow.ooo_last_skb = null;
    if (!after(skb.end_seq, sk.rcv_nxt)) {
      tcp_drop_reason(sk, skb, SKB_DROP_REASON.TCP_OFO_DROP);
      continue;
    }
    tcp_rcv_nxt_update(sk, skb.end_seq);
    const fin = (skb.tcp_flags & TCPHDR_FIN) !== 0;
    const tp = sk.kernel.trace.sock_queue_rcv_skb;
    if (tp !== null) tp(skb, sk);
    const { last: tail } = sk.sk_receive_queue;
    if (tail !== null && tcp_try_coalesce(sk, tail, skb)) consume_skb(skb);
    else sk.sk_receive_queue.push(skb);
    if (fin) {
      tcp_fin(sk);
      return;
    }
  }
}

/** tcp_data_queue_ofo: ahead of what is expected. Takes the skb. */
function tcp_data_queue_ofo(sk: tcp_sock, skb: sk_buff): void {
  const { mib } = sk.sk_net.ipv4;
  tcp_data_ecn_check(sk, skb);
  if (!tcp_try_rmem_schedule(sk, skb)) {
    mib.TcpExtTCPOFODrop++;
    sk.sk_data_ready(sk);
    tcp_drop_reason(sk, skb, SKB_DROP_REASON.PROTO_MEM);
    return;
  }
  tcp_measure_rcv_mss(sk, skb);
  sk.pred_flags = 0;
  inet_csk_schedule_ack(sk);
  own_slow(sk).rcv_ooopack += Math.max(1, skb.gso_segs);
  mib.TcpExtTCPOFOQueue++;
  const { seq, end_seq } = skb;
  const { last } = sk.slow.out_of_order_queue;
  const eaten = last !== null && tcp_ooo_try_coalesce(sk, last, skb);
  if (eaten) {
    if (tcp_is_sack(sk)) tcp_grow_window(sk, skb, true);
    consume_skb(skb);
  }
  const queued = !eaten && ofo_insert(sk, skb);
  if (tcp_is_sack(sk)) tcp_sack_new_ofo_skb(sk, seq, end_seq);
  if (queued) {
    // Without SACK a window that grows would make duplicate ACKs look like something else.
    if (tcp_is_sack(sk)) tcp_grow_window(sk, skb);
    skb.dev = null;
    skb.dst = null;
    tcp_set_owner_r(skb, sk);
  }
  if (sk.sk_socket !== null) tcp_rcvbuf_grow(sk, sk.rcvq_space_space);
}

/** Puts a packet in its place; what it covers goes. False: all of it was there, and it is gone. */
function ofo_insert(sk: tcp_sock, skb: sk_buff): boolean {
  const { mib } = sk.sk_net.ipv4;
  const slow = own_slow(sk);
  const queue = slow.out_of_order_queue;
  const { seq, end_seq } = skb;
  let place = tcp_ofo_find(slow, seq);
  if (place !== null && before(seq, place.end_seq)) {
    if (!after(end_seq, place.end_seq)) {
      mib.TcpExtTCPOFOMerge++;
      tcp_drop_reason(sk, skb, SKB_DROP_REASON.TCP_OFOMERGE);
      tcp_dsack_set(sk, seq, end_seq);
      return false;
    }
    if (after(seq, place.seq)) {
      tcp_dsack_set(sk, seq, place.end_seq);
    } else {
      // The same start, and longer: it takes the other's place.
      const old = place;
      place = old.prev;
      tcp_ofo_unlink(slow, old);
      tcp_dsack_extend(sk, old.seq, old.end_seq);
      mib.TcpExtTCPOFOMerge++;
      tcp_drop_reason(sk, old, SKB_DROP_REASON.TCP_OFOMERGE);
    }
  }
  if (place !== null && tcp_ooo_try_coalesce(sk, place, skb)) {
    if (tcp_is_sack(sk)) tcp_grow_window(sk, skb, true);
    consume_skb(skb);
    return false;
  }
  tcp_ofo_link(slow, place, skb);
  for (let next = skb.next; next !== null; next = skb.next) {
    if (!after(end_seq, next.seq)) break;
    if (before(end_seq, next.end_seq)) {
      tcp_dsack_extend(sk, next.seq, end_seq);
      break;
    }
    tcp_ofo_unlink(slow, next);
    tcp_dsack_extend(sk, next.seq, next.end_seq);
    mib.TcpExtTCPOFOMerge++;
    tcp_drop_reason(sk, next, SKB_DROP_REASON.TCP_OFOMERGE);
  }
  slow.ooo_last_skb = queue.last;
  return true;
}

// ---- the end --------------------------------------------------------------------------------------------------------

/** tcp_fin: the other side sends no more (RFC 9293 3.10.7.4, eighth). */
export function tcp_fin(sk: tcp_sock): void {
  inet_csk_schedule_ack(sk);
  sk.sk_shutdown |= RCV_SHUTDOWN;
  sk.sk_done = true;
  switch (sk.sk_state) {
    case TCP_SYN_RECV:
    case TCP_ESTABLISHED:
      tcp_set_state(sk, TCP_CLOSE_WAIT);
      inet_csk_enter_pingpong_mode(sk);
      break;
    case TCP_FIN_WAIT1:
      // Both have closed at once.
      tcp_send_ack(sk);
      tcp_set_state(sk, TCP_CLOSING);
      break;
    case TCP_FIN_WAIT2:
      tcp_send_ack(sk);
      tcp_time_wait(sk, TCP_TIME_WAIT, 0);
      break;
    default:
      // A FIN that was there already.
      break;
  }
  // Behind a FIN there is nothing.
  sk.slow.out_of_order_queue.purge(SKB_DROP_REASON.TCP_OFO_DROP);
  if (sk.slow.ooo_last_skb !== null) own_slow(sk).ooo_last_skb = null;
  if (tcp_is_sack(sk)) tcp_sack_reset(sk);
  if (!sk.sk_dead) sk.sk_state_change(sk);
}

/** tcp_reset: a valid RST has come. */
export function tcp_reset(sk: tcp_sock): void {
  switch (sk.sk_state) {
    case TCP_SYN_SENT:
      sk.sk_err = ECONNREFUSED;
      break;
    case TCP_CLOSE_WAIT:
      sk.sk_err = EPIPE;
      break;
    case TCP_CLOSE:
      return;
    default:
      sk.sk_err = ECONNRESET;
      break;
  }
  tcp_write_queue_purge(sk);
  tcp_done(sk);
  if (!sk.sk_dead) sk_error_report(sk);
}

// ---- urgent data ----------------------------------------------------------------------------------------------------

/** tcp_check_urg: a new urgent pointer, which points behind the byte (RFC 6093), or at it with tcp_stdurg. */
function tcp_check_urg(sk: tcp_sock, skb: sk_buff): void {
  let ptr = th_urg_ptr(skb);
  if (ptr !== 0 && sk.sk_net.ipv4.tcp_stdurg === 0) ptr--;
  ptr = (ptr + get32(skb.ram, skb.transport_header + 4)) | 0;
  if (after(sk.copied_seq, ptr) || before(ptr, sk.rcv_nxt)) return;
  if (sk.slow.urg_data !== 0 && !after(ptr, sk.slow.urg_seq)) return;
  // The urgent byte of before was not read: it stays where it is, and is skipped.
  if (
    sk.slow.urg_seq === sk.copied_seq &&
    sk.slow.urg_data !== 0 &&
    !sk.opts.sk_urginline &&
    sk.copied_seq !== sk.rcv_nxt
  ) {
    const first = sk.sk_receive_queue.first;
    sk.copied_seq = (sk.copied_seq + 1) | 0;
    if (first !== null && !before(sk.copied_seq, first.end_seq)) {
      sk.sk_receive_queue.unlink(first);
      consume_skb(first);
    }
  }
  const slow = own_slow(sk);
  slow.urg_data = TCP_URG_NOTYET;
  slow.urg_seq = ptr;
  sk.pred_flags = 0;
}

/** tcp_urg: the urgent byte itself, once it is here. Data is at the header. */
export function tcp_urg(sk: tcp_sock, skb: sk_buff): void {
  const flags = tcp_flag_byte(skb);
  if ((flags & TCPHDR_URG) !== 0) tcp_check_urg(sk, skb);
  if (sk.slow.urg_data !== TCP_URG_NOTYET) return;
  const seq = get32(skb.ram, skb.transport_header + 4);
  const ptr = ((sk.slow.urg_seq - seq) | 0) + tcp_hdrlen(skb) - ((flags & TCPHDR_SYN) !== 0 ? 1 : 0);
  if (ptr < 0 || ptr >= skb.len) return;
  let byte = 0;
  if (ptr < skb_headlen(skb)) {
    byte = skb.ram.u8[skb.data + ptr] as number;
  } else {
    let offset = ptr - skb_headlen(skb);
    let frag = skb.frag_list;
    while (frag !== null && offset >= frag.len) {
      offset -= frag.len;
      frag = frag.next;
    }
    if (frag === null) return;
    byte = frag.ram.u8[frag.data + offset] as number;
  }
  own_slow(sk).urg_data = TCP_URG_VALID | byte;
  if (!sk.sk_dead) sk.sk_data_ready(sk);
}
