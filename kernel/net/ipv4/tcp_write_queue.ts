/** TCP's write queue (net/ipv4/tcp_output.c): what is sent when, how it is cut, and sending again. */

import { COPY_TCP_COLLAPSE, COPY_TCP_SPLIT } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { EAGAIN, EBUSY, EHOSTUNREACH, EINVAL, ENOMEM } from '../../errno.ts';
import { GFP_KERNEL } from '../../mm/slab.ts';
import { has_tx_tstamp } from '../core/skb_tstamp.ts';
import { type sk_buff, skb_cloned, skb_pull, skb_put, skb_trim } from '../core/skbuff.ts';
import { TCP_CLOSE } from '../core/sock.ts';
import { tcp_chrono_start, tcp_chrono_stop, tcp_cwnd_validate } from './tcp_cwnd.ts';
import { tcp_ecn_clear_syn } from './tcp_ecn.ts';
import { tcp_grow_skb } from './tcp_grow_skb.ts';
import {
  sk_forced_mem_schedule,
  sk_mem_charge,
  sk_mem_uncharge,
  sk_wmem_queued_add,
  tcp_wfree,
  tcp_wmem_free_skb,
} from './tcp_mem.ts';
import { tcp_mtu_probe } from './tcp_mtu_probe.ts';
import {
  tcp_current_mss,
  tcp_init_nondata_skb,
  tcp_transmit_skb,
  tcp_tsorted_unlink,
  tcp_update_skb_after_send,
} from './tcp_output.ts';
import { tcp_pacing_check, tcp_pacing_delay } from './tcp_pacing.ts';
import { tcp_check_space } from './tcp_rcvbuf.ts';
import { TCP_SEND_QUEUE } from './tcp_repair.ts';
import { tcp_rearm_rto, tcp_rto_delta_us } from './tcp_rtt.ts';
import { tcp_highest_sack_replace } from './tcp_sack.ts';
import { skb_join_pieces, skb_pull_pieces, skb_split_pieces } from './tcp_sack_shift.ts';
import {
  after,
  before,
  between,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  jiffies_to_usecs,
  own_rtx_queue,
  own_slow,
  TCP_CA_CWR,
  TCP_CA_Loss,
  TCP_CA_Open,
  TCP_CA_Recovery,
  TCP_CHRONO_BUSY,
  TCP_CHRONO_RWND_LIMITED,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_TIMEOUT_INIT,
  TCP_TIMEOUT_MIN_US,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPF_CLOSE_WAIT,
  TCPF_CLOSING,
  TCPF_ESTABLISHED,
  TCPF_FIN_WAIT1,
  TCPF_LAST_ACK,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_SYN,
  TCPHDR_SYN_ECN,
  TSQ_THROTTLED,
  tcp_clock_us,
  tcp_in_cwnd_reduction,
  tcp_is_reno,
  tcp_is_sack,
  tcp_min_rtt,
  tcp_mstamp_refresh,
  tcp_packets_in_flight,
  tcp_rtx_queue_empty,
  tcp_rtx_queue_head,
  tcp_rtx_queue_tail,
  tcp_send_head,
  tcp_skb_extend,
  type tcp_sock,
  tcp_stream_alloc_skb,
  tcp_wnd_end,
  tcp_write_queue_empty,
  tcp_write_queue_tail,
  usecs_to_jiffies,
} from './tcp_sock.ts';
import {
  inet_csk_reset_xmit_timer,
  tcp_clamp_probe0_to_user_timeout,
  tcp_probe0_base,
  tcp_probe0_when,
} from './tcp_timer.ts';

// ---- cutting --------------------------------------------------------------------------------------------------------

/** tcp_set_skb_tso_segs: into how many segments of `mss` the packet falls. Returns the number. */
export function tcp_set_skb_tso_segs(skb: sk_buff, mss: number): number {
  if (skb.len <= mss) {
    skb.gso_size = 0;
    skb.gso_segs = 1;
    return 1;
  }
  skb.gso_size = mss;
  skb.gso_segs = Math.ceil(skb.len / mss);
  return skb.gso_segs;
}

/** tcp_adjust_pcount: a packet that is out stands for `decr` segments less. */
export function tcp_adjust_pcount(sk: tcp_sock, skb: sk_buff, decr: number): void {
  const { sacked } = skb;
  sk.packets_out -= decr;
  if ((sacked & TCPCB_SACKED_ACKED) !== 0) sk.sacked_out -= decr;
  if ((sacked & TCPCB_SACKED_RETRANS) !== 0) sk.retrans_out -= decr;
  if ((sacked & TCPCB_LOST) !== 0) sk.lost_out -= decr;
  if (tcp_is_reno(sk) && decr > 0) sk.sacked_out -= Math.min(sk.sacked_out, decr);
}

/**
 * tcp_fragment: the first `len` bytes stay in `skb`, the rest becomes a packet of its own behind it, in the same queue
 * (`rtx`: that of sent ones). The shorter part is copied. 0 or -ENOMEM.
 */
export function tcp_fragment(sk: tcp_sock, rtx: boolean, skb: sk_buff, len: number, mss: number): number {
  const limit = sk.sk_sndbuf + 2 * 66112;
  if (rtx && sk.sk_wmem_queued >> 1 > limit && skb !== tcp_rtx_queue_head(sk) && skb !== tcp_rtx_queue_tail(sk)) {
    // SACK blocks made to cut everything into crumbs: no more (CVE-2019-11478).
    sk.sk_net.ipv4.mib.TcpExtTCPWqueueTooBig++;
    return -ENOMEM;
  }
  const rest = skb.len - len;
  // The tail's buffer may only be left to it when nothing below still reads what lies before.
  const keep_tail = len < rest && !skb_cloned(skb);
  const least = keep_tail ? len : rest;
  // What was never sent may still grow: it gets as much room as it had.
  const wanted = keep_tail || rtx ? least : Math.max(rest, skb.end - skb.data);
  const whole = skb.frag_list === null;
  let buff = whole ? tcp_stream_alloc_skb(sk, wanted, GFP_KERNEL) : skb_split_pieces(sk, skb, len);
  // The last of the memory is for what the connection cannot go on without: the first segment of all.
  if (buff === null && whole && len <= mss && (rtx ? skb === tcp_rtx_queue_head(sk) : tcp_rtx_queue_empty(sk))) {
    buff = tcp_stream_alloc_skb(sk, least);
  }
  if (buff === null) return -ENOMEM;
  sk_wmem_queued_add(sk, buff.truesize);
  sk_forced_mem_schedule(sk, buff.truesize);
  sk_mem_charge(sk, buff.truesize);
  buff.truesize += rest;
  skb.truesize -= rest;

  buff.seq = (skb.seq + len) | 0;
  buff.end_seq = skb.end_seq;
  skb.end_seq = buff.seq;
  const flags = skb.tcp_flags;
  skb.tcp_flags = flags & ~(TCPHDR_FIN | TCPHDR_PSH);
  buff.tcp_flags = flags;
  buff.sacked = skb.sacked;
  buff.eor = skb.eor;
  skb.eor = 0;
  buff.skb_mstamp = skb.skb_mstamp;
  buff.tx_first_mstamp = skb.tx_first_mstamp;
  buff.tx_delivered_mstamp = skb.tx_delivered_mstamp;
  buff.tx_delivered = skb.tx_delivered;
  buff.tx_is_app_limited = skb.tx_is_app_limited;
  if (whole) split(skb, buff, len, rest, keep_tail);
  if (skb.ubuf !== null) {
    buff.ubuf = skb.ubuf;
    buff.nr_frags = Math.ceil((skb.nr_frags * rest) / (len + rest));
    skb.ubuf.refcnt++;
  }
  if (has_tx_tstamp(skb)) tcp_fragment_tstamp(skb, buff);

  const old_factor = skb.gso_segs;
  tcp_set_skb_tso_segs(skb, mss);
  tcp_set_skb_tso_segs(buff, mss);
  // Already sent: the counts follow.
  if (!before(sk.snd_nxt, buff.end_seq)) {
    const diff = old_factor - skb.gso_segs - buff.gso_segs;
    if (diff !== 0) tcp_adjust_pcount(sk, skb, diff);
  }
  if (rtx) {
    sk.tcp_rtx_queue.insert_after(skb, buff);
    // What a SACK has covered is in that order no more.
    if (skb.tsorted_prev !== null || sk.tsorted_first === skb) {
      const next = skb.tsorted_next;
      buff.tsorted_prev = skb;
      buff.tsorted_next = next;
      skb.tsorted_next = buff;
      if (next !== null) next.tsorted_prev = buff;
      else sk.tsorted_last = buff;
    }
  } else {
    sk.sk_write_queue.insert_after(skb, buff);
  }
  return 0;
}

/** tcp_fragment_tstamp: the stamp goes with the byte it is of. */
function tcp_fragment_tstamp(skb: sk_buff, buff: sk_buff): void {
  if (before(skb.tskey, buff.seq)) return;
  tcp_skb_collapse_tstamp(buff, skb);
  skb.tx_flags = 0;
  skb.txstamp_ack = 0;
}

/** tcp_skb_collapse_tstamp: `skb` takes the stamps that `next` owes. */
export function tcp_skb_collapse_tstamp(skb: sk_buff, next: sk_buff): void {
  skb.tx_flags |= next.tx_flags;
  skb.tskey = next.tskey;
  skb.txstamp_ack |= next.txstamp_ack;
}

/** skb_split for linear packets: the part that is copied is the shorter one, where that may be. */
function split(skb: sk_buff, buff: sk_buff, len: number, rest: number, keep_tail: boolean): void {
  if (!keep_tail) {
    const at = skb_put(buff, rest);
    skb.ram.move(at, skb.data + len, rest);
    skb_trim(skb, len);
    charge_copy(skb.kernel, rest, COPY_TCP_SPLIT);
    return;
  }
  const at = skb_put(buff, len);
  skb.ram.move(at, skb.data, len);
  charge_copy(skb.kernel, len, COPY_TCP_SPLIT);
  const { head, data, tail, end, cloned } = skb;
  skb.head = buff.head;
  skb.data = buff.data;
  skb.tail = buff.tail;
  skb.end = buff.end;
  skb.len = len;
  skb.cloned = 0;
  buff.head = head;
  buff.data = data + len;
  buff.tail = tail;
  buff.end = end;
  buff.len = rest;
  buff.cloned = cloned;
}

/** tcp_trim_head: the first `len` bytes are acknowledged. */
export function tcp_trim_head(sk: tcp_sock, skb: sk_buff, len: number): void {
  if (skb.frag_list === null) skb_pull(skb, len);
  else skb_pull_pieces(skb, len);
  skb.seq = (skb.seq + len) | 0;
  skb.truesize -= len;
  sk_wmem_queued_add(sk, -len);
  sk_mem_uncharge(sk, len);
  if (skb.gso_segs > 1) tcp_set_skb_tso_segs(skb, skb.gso_size);
}

// ---- may it go? -----------------------------------------------------------------------------------------------------

/** tcp_snd_wnd_test: does at least one segment fit the receiver's window? */
function tcp_snd_wnd_test(tp: tcp_sock, skb: sk_buff, mss: number): boolean {
  const end_seq = skb.len > mss ? (skb.seq + mss) | 0 : skb.end_seq;
  return !after(end_seq, tcp_wnd_end(tp));
}

/** tcp_cwnd_test: segments that may go now; at most half of the window in one packet. */
function tcp_cwnd_test(tp: tcp_sock): number {
  const in_flight = tcp_packets_in_flight(tp);
  const cwnd = tp.snd_cwnd;
  return in_flight >= cwnd ? 0 : Math.min(Math.max(cwnd >> 1, 1), cwnd - in_flight);
}

/** tcp_nagle_check: must a partial segment wait? Nagle as Minshall amended it: only while a small one is out. */
function tcp_nagle_check(partial: boolean, tp: tcp_sock, nonagle: number): boolean {
  if (!partial) return false;
  if ((nonagle & TCP_NAGLE_CORK) !== 0) return true;
  return nonagle === 0 && tp.packets_out !== 0 && after(tp.snd_sml, tp.snd_una) && !after(tp.snd_sml, tp.snd_nxt);
}

function tcp_nagle_test(tp: tcp_sock, skb: sk_buff, mss: number, nonagle: number): boolean {
  if ((nonagle & TCP_NAGLE_PUSH) !== 0) return true;
  if (tp.snd_una !== tp.snd_up || (skb.tcp_flags & TCPHDR_FIN) !== 0) return true;
  return !tcp_nagle_check(skb.len < mss, tp, nonagle);
}

/** tcp_tso_autosize: segments in one packet: about a millisecond's worth, more where the peer is near. */
function tcp_tso_segs(sk: tcp_sock, mss: number): number {
  if (!sk.sk_can_gso) return 1;
  const { ipv4 } = sk.sk_net;
  let bytes = Math.floor(sk.sk_pacing_rate / (1 << sk.opts.sk_pacing_shift));
  const r = tcp_min_rtt(sk) >>> ipv4.tcp_tso_rtt_log;
  if (r < 32) bytes += sk.sk_gso_max_size >>> r;
  bytes = Math.min(bytes, sk.sk_gso_max_size);
  return Math.min(Math.max(Math.floor(bytes / mss), ipv4.tcp_min_tso_segs), sk.sk_gso_max_segs);
}

/** tcp_mss_split_point: how much of a large packet may go: by window, by congestion window, and by Nagle for its end. */
function tcp_mss_split_point(sk: tcp_sock, skb: sk_buff, mss: number, max_segs: number, nonagle: number): number {
  const window = (tcp_wnd_end(sk) - skb.seq) | 0;
  const max_len = mss * max_segs;
  if (max_len <= window && skb !== tcp_write_queue_tail(sk)) return max_len;
  const needed = Math.min(skb.len, window);
  if (max_len <= needed) return max_len;
  const partial = needed % mss;
  return tcp_nagle_check(partial !== 0, sk, nonagle) ? needed - partial : needed;
}

const DEFER_NO = 0;
const DEFER = 1;
const DEFER_CWND = 2;
const DEFER_RWND = 3;

/** tcp_tso_should_defer: would the packet be larger if it waited for the next ACK? Why it waits, DEFER_NO if it does not. */
function tcp_tso_should_defer(sk: tcp_sock, skb: sk_buff, max_segs: number): number {
  const { ipv4 } = sk.sk_net;
  if (sk.icsk_ca_state >= TCP_CA_Recovery) return DEFER_NO;
  // Only while the sender is busy: the last packet went less than a millisecond ago. (Linux: not more; but there this code takes time.)
  if (tcp_clock_us(sk.kernel) - sk.tcp_wstamp_us >= 1000) return DEFER_NO;
  const send_win = (tcp_wnd_end(sk) - skb.seq) | 0;
  const cong_win = (sk.snd_cwnd - tcp_packets_in_flight(sk)) * sk.mss_cache;
  const limit = Math.min(send_win, cong_win);
  if (limit >= max_segs * sk.mss_cache) return DEFER_NO;
  if (skb !== tcp_write_queue_tail(sk) && limit >= skb.len) return DEFER_NO;
  const divisor = ipv4.tcp_tso_win_divisor;
  if (divisor !== 0) {
    if (limit >= Math.floor(Math.min(sk.snd_wnd, sk.snd_cwnd * sk.mss_cache) / divisor)) return DEFER_NO;
  } else if (limit > 3 * sk.mss_cache) {
    return DEFER_NO;
  }
  const head = tcp_rtx_queue_head(sk);
  if (head === null) return DEFER_NO;
  const srtt_us = sk.srtt_us / 8;
  const how_far = head.skb_mstamp + srtt_us - sk.tcp_mstamp;
  if (how_far > Math.min(srtt_us / 2, 1000)) return DEFER_NO;
  if (cong_win < send_win) {
    if (cong_win <= skb.len) return DEFER_CWND;
  } else if (send_win <= skb.len) {
    return DEFER_RWND;
  }
  // Nothing more will come to it.
  return (skb.tcp_flags & TCPHDR_FIN) !== 0 || skb.eor !== 0 ? DEFER_NO : DEFER;
}

/** tcp_small_queue_check: is there enough of this sock below already? Then a freed clone goes on with it. */
function tcp_small_queue_check(sk: tcp_sock, skb: sk_buff, factor: number): boolean {
  let limit = Math.max(2 * skb.truesize, Math.floor(sk.sk_pacing_rate / (1 << sk.opts.sk_pacing_shift)));
  limit = Math.min(limit, sk.sk_net.ipv4.tcp_limit_output_bytes) << factor;
  if (sk.sk_wmem_alloc <= limit) return false;
  const { first } = sk.tcp_rtx_queue;
  if (first === null || first.next === null) return false;
  sk.tsq_flags |= TSQ_THROTTLED;
  return true;
}

// ---- sending --------------------------------------------------------------------------------------------------------

/** tcp_event_new_data_sent: from the write queue to that of sent packets. */
export function tcp_event_new_data_sent(sk: tcp_sock, skb: sk_buff): void {
  const prior = sk.packets_out;
  sk.snd_nxt = skb.end_seq;
  sk.sk_write_queue.unlink(skb);
  own_rtx_queue(sk).push(skb);
  if (sk.highest_sack === null) sk.highest_sack = skb;
  sk.packets_out += skb.gso_segs;
  if (prior === 0 || sk.icsk_pending === ICSK_TIME_LOSS_PROBE) tcp_rearm_rto(sk);
  sk.sk_net.ipv4.mib.TcpExtTCPOrigDataSent += skb.gso_segs;
  tcp_check_space(sk);
}

/**
 * tcp_write_xmit: sends what windows, Nagle and the queues below allow.
 *
 * @param push_one 1: one packet only; 2: one segment even over the congestion window (a loss probe)
 * @returns true when something waits that nothing will wake: a window probe is needed
 */
export function tcp_write_xmit(sk: tcp_sock, mss: number, nonagle: number, push_one: number): boolean {
  let sent = 0;
  let is_cwnd_limited = false;
  let is_rwnd_limited = false;
  tcp_mstamp_refresh(sk);
  if (push_one === 0) {
    const result = tcp_mtu_probe(sk);
    if (result === 0) return false;
    if (result > 0) sent = 1;
  }
  const max_segs = tcp_tso_segs(sk, mss);
  const repairing = sk.slow.repair !== 0 && sk.slow.repair_queue === TCP_SEND_QUEUE;
  for (let skb = tcp_send_head(sk); skb !== null; skb = tcp_send_head(sk)) {
    if (repairing) {
      // Nothing goes out; but from now on it counts as sent.
      skb.skb_mstamp = sk.tcp_mstamp;
      tcp_update_skb_after_send(sk, skb, sk.slow.tcp_wstamp_ns);
      sent += tcp_set_skb_tso_segs(skb, mss);
      tcp_event_new_data_sent(sk, skb);
      if (skb.len < skb.gso_segs * mss) sk.snd_sml = skb.end_seq;
      continue;
    }
    if (tcp_pacing_check(sk)) break;
    let quota = tcp_cwnd_test(sk);
    if (quota === 0) {
      if (push_one !== 2) break;
      quota = 1;
    }
    quota = Math.min(quota, max_segs);
    const missing_bytes = quota * mss - skb.len;
    if (missing_bytes > 0) tcp_grow_skb(sk, skb, missing_bytes, mss);
    const tso_segs = tcp_set_skb_tso_segs(skb, mss);
    if (!tcp_snd_wnd_test(sk, skb, mss)) {
      is_rwnd_limited = true;
      break;
    }
    if (tso_segs === 1) {
      if (!tcp_nagle_test(sk, skb, mss, skb.next === null ? nonagle : TCP_NAGLE_PUSH)) break;
    } else if (push_one === 0 && max_segs > 1) {
      const defer = tcp_tso_should_defer(sk, skb, max_segs);
      if (defer === DEFER_CWND) is_cwnd_limited = true;
      if (defer === DEFER_RWND) is_rwnd_limited = true;
      if (defer !== DEFER_NO) break;
    }
    let limit = mss;
    if (tso_segs > 1 && sk.snd_una === sk.snd_up) limit = tcp_mss_split_point(sk, skb, mss, quota, nonagle);
    if (skb.len > limit && tcp_fragment(sk, false, skb, limit, mss) !== 0) {
      if (limit <= mss || tcp_fragment(sk, false, skb, mss, mss) !== 0) break;
    }
    if (tcp_small_queue_check(sk, skb, 0)) break;
    // Nothing in it yet: its writer sleeps for want of memory.
    if (skb.end_seq === skb.seq) break;
    if (tcp_transmit_skb(sk, skb, true) !== 0) break;
    tcp_event_new_data_sent(sk, skb);
    // tcp_minshall_update
    if (skb.len < skb.gso_segs * mss) sk.snd_sml = skb.end_seq;
    sent += skb.gso_segs;
    if (push_one !== 0) break;
  }
  if (is_rwnd_limited) tcp_chrono_start(sk, TCP_CHRONO_RWND_LIMITED);
  else tcp_chrono_stop(sk, TCP_CHRONO_RWND_LIMITED);
  is_cwnd_limited = is_cwnd_limited || tcp_packets_in_flight(sk) >= sk.snd_cwnd;
  if (sent !== 0 || is_cwnd_limited) tcp_cwnd_validate(sk, is_cwnd_limited);
  if (sent !== 0) {
    if (tcp_in_cwnd_reduction(sk)) own_slow(sk).prr_out += sent;
    if (push_one !== 2) tcp_schedule_loss_probe(sk, false);
    return false;
  }
  return sk.packets_out === 0 && !tcp_write_queue_empty(sk);
}

/** __tcp_push_pending_frames */
export function __tcp_push_pending_frames(sk: tcp_sock, mss: number, nonagle: number): void {
  // A closed sock sends nothing, not even what was left.
  if (sk.sk_state === TCP_CLOSE) return;
  if (tcp_write_xmit(sk, mss, nonagle, 0)) tcp_check_probe_timer(sk);
}

/** tcp_push_one: the first packet now, as more follow it for sure. */
export function tcp_push_one(sk: tcp_sock, mss: number): void {
  tcp_write_xmit(sk, mss, TCP_NAGLE_PUSH, 1);
}

/** tcp_push_pending_frames */
export function tcp_push_pending_frames(sk: tcp_sock): void {
  if (tcp_send_head(sk) !== null) __tcp_push_pending_frames(sk, tcp_current_mss(sk), sk.nonagle);
}

/** tcp_check_probe_timer */
function tcp_check_probe_timer(sk: tcp_sock): void {
  if (sk.packets_out === 0 && sk.icsk_pending === 0) {
    inet_csk_reset_xmit_timer(sk, ICSK_TIME_PROBE0, tcp_probe0_base(sk) + tcp_pacing_delay(sk));
  }
}

/** tcp_tsq_handler: there is room below again. */
export function tcp_tsq_handler(sk: tcp_sock): void {
  const states = TCPF_ESTABLISHED | TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_CLOSE_WAIT | TCPF_LAST_ACK;
  sk.tsq_flags &= ~TSQ_THROTTLED;
  if (((1 << sk.sk_state) & states) === 0) return;
  if (sk.lost_out > sk.retrans_out && sk.snd_cwnd > tcp_packets_in_flight(sk)) {
    tcp_mstamp_refresh(sk);
    tcp_xmit_retransmit_queue(sk);
  }
  tcp_write_xmit(sk, tcp_current_mss(sk), sk.nonagle, 0);
}

/** tcp_write_queue_purge: nothing more will be sent, or sent again. */
export function tcp_write_queue_purge(sk: tcp_sock): void {
  tcp_chrono_stop(sk, TCP_CHRONO_BUSY);
  for (let skb = sk.sk_write_queue.shift(); skb !== null; skb = sk.sk_write_queue.shift()) tcp_wmem_free_skb(sk, skb);
  for (let skb = sk.tcp_rtx_queue.shift(); skb !== null; skb = sk.tcp_rtx_queue.shift()) tcp_wmem_free_skb(sk, skb);
  sk.tsorted_first = null;
  sk.tsorted_last = null;
  tcp_clear_all_retrans_hints(sk);
  sk.highest_sack = null;
  sk.slow.rtx_index?.clear();
  sk.packets_out = 0;
  sk.icsk_backoff = 0;
}

export function tcp_clear_all_retrans_hints(tp: tcp_sock): void {
  if (tp.slow.retransmit_skb_hint !== null) own_slow(tp).retransmit_skb_hint = null;
}

// ---- sending again --------------------------------------------------------------------------------------------------

/** skb_still_in_host_queue: the last transmission has not even left the host. It goes on when it has. */
function skb_still_in_host_queue(sk: tcp_sock, skb: sk_buff): boolean {
  const clone = skb.tcp_clone;
  if (clone === null || clone.parent !== skb.id || clone.users === 0 || clone.destructor !== tcp_wfree) return false;
  sk.tsq_flags |= TSQ_THROTTLED;
  sk.sk_net.ipv4.mib.TcpExtTCPSpuriousRtxHostQueues++;
  return true;
}

/** tcp_retrans_try_collapse: small packets behind this one go with it, up to `space` bytes. */
function tcp_retrans_try_collapse(sk: tcp_sock, to: sk_buff, space: number): void {
  if (sk.sk_net.ipv4.tcp_retrans_collapse === 0 || (to.tcp_flags & TCPHDR_SYN) !== 0) return;
  space -= to.len;
  for (let skb = to.next; skb !== null; skb = to.next) {
    if (skb.gso_segs > 1 || to.gso_segs > 1 || skb_cloned(skb) || (skb.sacked & TCPCB_SACKED_ACKED) !== 0) return;
    if (to.eor !== 0 || to.ubuf !== null || skb.ubuf !== null) return;
    space -= skb.len;
    if (space < 0 || after(skb.end_seq, tcp_wnd_end(sk)) || tcp_skb_extend(to, skb.len, to.len + skb.len) !== 0) return;
    tcp_collapse_retrans(sk, to, skb);
  }
}

/** tcp_collapse_retrans */
function tcp_collapse_retrans(sk: tcp_sock, to: sk_buff, skb: sk_buff): void {
  const { len } = skb;
  if (len > 0) {
    const at = skb_put(to, len);
    to.ram.move(at, skb.data, len);
    charge_copy(sk.kernel, len, COPY_TCP_COLLAPSE);
    to.truesize += len;
    sk_wmem_queued_add(sk, len);
    sk_mem_charge(sk, len);
  }
  tcp_highest_sack_replace(sk, skb, to);
  if (has_tx_tstamp(skb)) tcp_skb_collapse_tstamp(to, skb);
  to.end_seq = skb.end_seq;
  to.tcp_flags |= skb.tcp_flags;
  to.sacked |= skb.sacked & TCPCB_EVER_RETRANS;
  to.eor = skb.eor;
  if (sk.slow.retransmit_skb_hint === skb) own_slow(sk).retransmit_skb_hint = to;
  tcp_adjust_pcount(sk, skb, skb.gso_segs);
  tcp_rtx_queue_unlink_and_free(sk, skb);
}

/** tcp_rtx_queue_unlink_and_free */
export function tcp_rtx_queue_unlink_and_free(sk: tcp_sock, skb: sk_buff): void {
  tcp_tsorted_unlink(sk, skb);
  sk.tcp_rtx_queue.unlink(skb);
  tcp_wmem_free_skb(sk, skb);
}

/** __tcp_retransmit_skb: at most `segs` segments of a sent packet once more. 0, a negative errno, or 1: local congestion. */
export function __tcp_retransmit_skb(sk: tcp_sock, skb: sk_buff, segs: number): number {
  const { mib } = sk.sk_net.ipv4;
  // A probe of the path's MTU that was lost says nothing when other things are lost, too.
  if (sk.icsk_mtup !== null) sk.icsk_mtup.probe_size = 0;
  if (skb_still_in_host_queue(sk, skb)) return -EBUSY;
  if (before(skb.seq, sk.snd_una)) {
    if ((skb.tcp_flags & TCPHDR_SYN) !== 0) {
      skb.tcp_flags &= ~TCPHDR_SYN;
      skb.seq = (skb.seq + 1) | 0;
    }
    if (before(skb.end_seq, sk.snd_una)) return -EINVAL;
    const acked = (sk.snd_una - skb.seq) | 0;
    if (acked > 0) tcp_trim_head(sk, skb, acked);
  }
  if (sk.icsk_af_ops.rebuild_header(sk) !== 0) return -EHOSTUNREACH;
  const mss = tcp_current_mss(sk);
  let avail_wnd = (tcp_wnd_end(sk) - skb.seq) | 0;
  if (avail_wnd <= 0) {
    // Beyond a window that was taken back; but the first one serves as a probe.
    if (skb.seq !== sk.snd_una) return -EAGAIN;
    avail_wnd = mss;
  }
  let len = mss * (sk.sk_can_gso ? segs : 1);
  if (len > avail_wnd) {
    len = avail_wnd - (avail_wnd % mss);
    if (len === 0) len = avail_wnd;
  }
  if (skb.len > len) {
    if (tcp_fragment(sk, true, skb, len, mss) !== 0) return -ENOMEM;
  } else {
    const before_segs = skb.gso_segs;
    const diff = before_segs - tcp_set_skb_tso_segs(skb, mss);
    if (diff !== 0) tcp_adjust_pcount(sk, skb, diff);
    avail_wnd = Math.min(avail_wnd, mss);
    if (skb.len < avail_wnd) tcp_retrans_try_collapse(sk, skb, avail_wnd);
  }
  if (skb.frag_list !== null && skb_join_pieces(skb) !== 0) return -ENOMEM;
  if ((skb.tcp_flags & TCPHDR_SYN_ECN) === TCPHDR_SYN_ECN) tcp_ecn_clear_syn(sk, skb);
  const count = skb.gso_segs;
  mib.TcpRetransSegs += count;
  if ((skb.tcp_flags & TCPHDR_SYN) !== 0) mib.TcpExtTCPSynRetrans++;
  own_slow(sk).total_retrans += count;
  own_slow(sk).bytes_retrans += skb.len;
  const err = tcp_transmit_skb(sk, skb, true);
  // Even when it failed: its time of sending is no measure of a round trip any more (Karn).
  skb.sacked |= TCPCB_EVER_RETRANS;
  if (err !== 0) mib.TcpExtTCPRetransFail += count;
  return err;
}

/** tcp_retransmit_skb */
export function tcp_retransmit_skb(sk: tcp_sock, skb: sk_buff, segs: number): number {
  const err = __tcp_retransmit_skb(sk, skb, segs);
  if (err === 0) {
    skb.sacked |= TCPCB_RETRANS;
    sk.retrans_out += skb.gso_segs;
  }
  if (sk.retrans_stamp === 0) sk.retrans_stamp = Math.max(1, Math.floor(skb.skb_mstamp / 1000));
  const slow = own_slow(sk);
  if (slow.undo_retrans < 0) slow.undo_retrans = 0;
  slow.undo_retrans += skb.gso_segs;
  return err;
}

/** tcp_xmit_retransmit_queue: what counts as lost goes again, as far as the congestion window allows. */
export function tcp_xmit_retransmit_queue(sk: tcp_sock): void {
  const { mib } = sk.sk_net.ipv4;
  if (sk.packets_out === 0) return;
  const head = tcp_rtx_queue_head(sk);
  let hole: sk_buff | null = null;
  let rearm = false;
  const max_segs = tcp_tso_segs(sk, tcp_current_mss(sk));
  for (let skb = sk.slow.retransmit_skb_hint ?? head; skb !== null; skb = skb.next) {
    if (tcp_pacing_check(sk)) break;
    if (hole === null) own_slow(sk).retransmit_skb_hint = skb;
    const segs = Math.min(sk.snd_cwnd - tcp_packets_in_flight(sk), max_segs);
    if (segs <= 0 || sk.retrans_out >= sk.lost_out) break;
    const { sacked } = skb;
    if ((sacked & TCPCB_LOST) === 0) {
      if (hole === null && (sacked & (TCPCB_SACKED_RETRANS | TCPCB_SACKED_ACKED)) === 0) hole = skb;
      continue;
    }
    if ((sacked & (TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS)) !== 0) continue;
    if (tcp_small_queue_check(sk, skb, 1)) break;
    if (tcp_retransmit_skb(sk, skb, segs) !== 0) break;
    if (sk.icsk_ca_state !== TCP_CA_Loss) mib.TcpExtTCPFastRetrans += skb.gso_segs;
    else mib.TcpExtTCPSlowStartRetrans += skb.gso_segs;
    if (tcp_in_cwnd_reduction(sk)) own_slow(sk).prr_out += skb.gso_segs;
    if (skb === head && sk.icsk_pending !== ICSK_TIME_REO_TIMEOUT) rearm = true;
  }
  if (rearm) inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, sk.icsk_rto + tcp_pacing_delay(sk));
}

// ---- loss probe (RFC 8985 7) ----------------------------------------------------------------------------------------

/** tcp_schedule_loss_probe: instead of the RTO, a probe after two round trips. False: there shall be none. */
export function tcp_schedule_loss_probe(sk: tcp_sock, advancing_rto: boolean): boolean {
  // Not before the SYN/ACK is answered.
  if (sk.slow.fastopen_rsk !== null) return false;
  const early = sk.sk_net.ipv4.tcp_early_retrans;
  if ((early !== 3 && early !== 4) || sk.packets_out === 0 || !tcp_is_sack(sk)) return false;
  if (sk.icsk_ca_state !== TCP_CA_Open && sk.icsk_ca_state !== TCP_CA_CWR) return false;
  let timeout = TCP_TIMEOUT_INIT;
  if (sk.srtt_us !== 0) {
    // A single packet may be kept waiting for its ACK by the receiver's timer.
    const slack = sk.packets_out === 1 ? jiffies_to_usecs(sk.opts.icsk_rto_min) : TCP_TIMEOUT_MIN_US;
    timeout = usecs_to_jiffies((sk.srtt_us >> 2) + slack);
  }
  const rto_delta_us = advancing_rto ? jiffies_to_usecs(sk.icsk_rto) : tcp_rto_delta_us(sk);
  if (rto_delta_us > 0) timeout = Math.min(timeout, usecs_to_jiffies(rto_delta_us));
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_LOSS_PROBE, timeout + tcp_pacing_delay(sk));
  return true;
}

/** tcp_send_loss_probe: something new, else the last packet again; its ACK shows what else is missing. */
export function tcp_send_loss_probe(sk: tcp_sock): void {
  if (sk.slow.tlp_high_seq === 0 && loss_probe(sk)) {
    own_slow(sk).tlp_high_seq = sk.snd_nxt === 0 ? 1 : sk.snd_nxt;
    sk.sk_net.ipv4.mib.TcpExtTCPLossProbes++;
    // So that the RTO counts from now.
    sk.icsk_pending = 0;
  }
  tcp_rearm_rto(sk);
}

function loss_probe(sk: tcp_sock): boolean {
  const mss = tcp_current_mss(sk);
  if (sk.slow.tlp_retrans !== 0) own_slow(sk).tlp_retrans = 0;
  const head = tcp_send_head(sk);
  if (head !== null && tcp_snd_wnd_test(sk, head, mss)) {
    const pcount = sk.packets_out;
    tcp_write_xmit(sk, mss, TCP_NAGLE_OFF, 2);
    return sk.packets_out > pcount;
  }
  let skb = tcp_rtx_queue_tail(sk);
  if (skb === null || skb_still_in_host_queue(sk, skb)) return false;
  const pcount = skb.gso_segs;
  if (pcount > 1 && skb.len > (pcount - 1) * mss) {
    if (tcp_fragment(sk, true, skb, (pcount - 1) * mss, mss) !== 0) return false;
    skb = skb.next as sk_buff;
  }
  if (__tcp_retransmit_skb(sk, skb, 1) !== 0) return false;
  own_slow(sk).tlp_retrans = 1;
  return true;
}

// ---- window probes and keep-alive -----------------------------------------------------------------------------------

/** tcp_xmit_probe_skb: a segment with a sequence number of before, which must be answered with an ACK. */
function tcp_xmit_probe_skb(sk: tcp_sock, urgent: boolean, keepalive: boolean): number {
  const { mib } = sk.sk_net.ipv4;
  const skb = tcp_stream_alloc_skb(sk, 0);
  if (skb === null) return -1;
  tcp_init_nondata_skb(skb, (sk.snd_una - (urgent ? 0 : 1)) | 0, TCPHDR_ACK);
  if (keepalive) mib.TcpExtTCPKeepAlive++;
  else mib.TcpExtTCPWinProbe++;
  return tcp_transmit_skb(sk, skb, false);
}

/**
 * tcp_write_wakeup: makes the other side tell its window: with data when a little fits, else with an empty segment.
 * `keepalive` is for the counters. 0, a negative errno, or 1: local congestion.
 */
export function tcp_write_wakeup(sk: tcp_sock, keepalive: boolean): number {
  if (sk.sk_state === TCP_CLOSE) return -1;
  const skb = tcp_send_head(sk);
  if (skb !== null && before(skb.seq, tcp_wnd_end(sk))) {
    const mss = tcp_current_mss(sk);
    let size = (tcp_wnd_end(sk) - skb.seq) | 0;
    if (before(sk.pushed_seq, skb.end_seq)) sk.pushed_seq = skb.end_seq;
    if (size < ((skb.end_seq - skb.seq) | 0) || skb.len > mss) {
      size = Math.min(size, mss);
      skb.tcp_flags |= TCPHDR_PSH;
      if (tcp_fragment(sk, false, skb, size, mss) !== 0) return -1;
    } else {
      tcp_set_skb_tso_segs(skb, mss);
    }
    skb.tcp_flags |= TCPHDR_PSH;
    const err = tcp_transmit_skb(sk, skb, true);
    if (err === 0) tcp_event_new_data_sent(sk, skb);
    return err;
  }
  if (between(sk.snd_up, (sk.snd_una + 1) | 0, (sk.snd_una + 0xffff) | 0)) tcp_xmit_probe_skb(sk, true, keepalive);
  return tcp_xmit_probe_skb(sk, false, keepalive);
}

/** tcp_send_window_probe: after TCP_REPAIR, and for tests of the other side. */
export function tcp_send_window_probe(sk: tcp_sock): void {
  tcp_mstamp_refresh(sk);
  tcp_xmit_probe_skb(sk, false, false);
}

/** tcp_send_probe0: a window probe, and the timer for the next. */
export function tcp_send_probe0(sk: tcp_sock): void {
  const err = tcp_write_wakeup(sk, false);
  if (sk.packets_out !== 0 || tcp_write_queue_empty(sk)) {
    sk.icsk_probes_out = 0;
    sk.icsk_backoff = 0;
    if (sk.slow.icsk_probes_tstamp !== 0) own_slow(sk).icsk_probes_tstamp = 0;
    return;
  }
  sk.icsk_probes_out++;
  let timeout = TCP_RESOURCE_PROBE_INTERVAL;
  if (err <= 0) {
    if (sk.icsk_backoff < sk.sk_net.ipv4.tcp_retries2) sk.icsk_backoff++;
    timeout = tcp_probe0_when(sk);
  }
  timeout = tcp_clamp_probe0_to_user_timeout(sk, timeout) + tcp_pacing_delay(sk);
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_PROBE0, timeout);
}
