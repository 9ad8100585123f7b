/**
 * How much may come, how fast it comes, and when it is acknowledged (net/ipv4/tcp_input.c): the receive buffer and its
 * autotuning, the estimates of the peer's MSS and of the round trip as the receiver sees it, delayed and quick ACKs.
 */

import { EINVAL } from '../../errno.ts';
import { roundup_pow_of_two } from '../../lib/log2.ts';
import { hrtimer } from '../../time/hrtimer.ts';
import { dst_metric } from '../core/dst.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { SOCK_MIN_RCVBUF, SOCK_RCVBUF_LOCK, SOCK_SNDBUF_LOCK, TCP_CLOSE } from '../core/sock.ts';
import { RTAX_QUICKACK } from './fib.ts';
import { tcp_chrono_stop } from './tcp_cwnd.ts';
import { tcp_data_ecn_check } from './tcp_ecn.ts';
import { tcp_under_memory_pressure } from './tcp_mem.ts';
import { __tcp_select_window, tcp_adjust_rcv_ssthresh, tcp_send_ack } from './tcp_output.ts';
import { tcp_rto_min, tcp_rtt_tsopt_us } from './tcp_rtt.ts';
import {
  before,
  ICSK_ACK_NOW,
  ICSK_ACK_PUSHED,
  ICSK_ACK_PUSHED2,
  ICSK_ACK_SCHED,
  ICSK_ACK_TIMER,
  inet_csk_ack_scheduled,
  inet_csk_exit_pingpong_mode,
  inet_csk_in_pingpong_mode,
  inet_csk_schedule_ack,
  MAX_TCP_HEADER,
  own_slow,
  TCP_ATO_MIN,
  TCP_CHRONO_SNDBUF_LIMITED,
  TCP_DELACK_MAX,
  TCP_DELACK_MIN,
  TCP_FASTRETRANS_THRESH,
  TCP_HLEN,
  TCP_INIT_CWND,
  TCP_MAX_QUICKACKS,
  TCP_MIN_MSS,
  TCP_MSS_DEFAULT,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_SYN,
  TCPHDR_URG,
  tcp_flag_byte,
  tcp_full_space,
  tcp_is_sack,
  tcp_jiffies,
  tcp_mstamp_refresh,
  tcp_packets_in_flight,
  type tcp_sock,
  tcp_space,
  tcp_space_from_win,
  tcp_win_from_space,
  usecs_to_jiffies,
} from './tcp_sock.ts';
import { inet_csk_start_dack_timer } from './tcp_timer.ts';

const HALF_SECOND = 500;

// ---- the send buffer ------------------------------------------------------------------------------------------------

/** tcp_sndbuf_expand: room for twice the congestion window. */
export function tcp_sndbuf_expand(sk: tcp_sock): void {
  const bytes = Math.max(sk.rx_opt.mss_clamp, sk.mss_cache) + MAX_TCP_HEADER + 320;
  const per_mss = roundup_pow_of_two(bytes) + 256;
  const segs = Math.max(TCP_INIT_CWND, sk.snd_cwnd, sk.slow.reordering + 1);
  const sndmem = 2 * segs * per_mss;
  if (sk.sk_sndbuf < sndmem) sk.sk_sndbuf = Math.min(sndmem, sk.sk_net.ipv4.tcp_wmem[2] as number);
}

/** tcp_should_expand_sndbuf */
function tcp_should_expand_sndbuf(sk: tcp_sock): boolean {
  const { ipv4 } = sk.sk_net;
  if ((sk.sk_userlocks & SOCK_SNDBUF_LOCK) !== 0 || ipv4.tcp_memory_pressure) return false;
  if (ipv4.tcp_memory_allocated >= (ipv4.tcp_mem[0] as number)) return false;
  // With a full congestion window more data would not go sooner.
  return tcp_packets_in_flight(sk) < sk.snd_cwnd;
}

/** tcp_check_space: somebody who waits for room in the send buffer may go on (tcp_new_space). */
export function tcp_check_space(sk: tcp_sock): void {
  if (sk.sk_socket === null || !sk.sk_nospace) return;
  if (tcp_should_expand_sndbuf(sk)) {
    tcp_sndbuf_expand(sk);
    sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
  }
  sk.sk_write_space(sk);
  if (!sk.sk_nospace) tcp_chrono_stop(sk, TCP_CHRONO_SNDBUF_LIMITED);
}

// ---- the receive window ---------------------------------------------------------------------------------------------

/** tcp_set_window_clamp (TCP_WINDOW_CLAMP): 0 or -EINVAL. */
export function tcp_set_window_clamp(sk: tcp_sock, value: number): number {
  if (value === 0) {
    if (sk.sk_state !== TCP_CLOSE) return -EINVAL;
    sk.window_clamp = 0;
    return 0;
  }
  const old = sk.window_clamp;
  const clamp = Math.max(SOCK_MIN_RCVBUF >> 1, value);
  if (clamp === old) return 0;
  sk.window_clamp = clamp;
  if (clamp < old) sk.rcv_ssthresh = Math.min(sk.rcv_ssthresh, clamp);
  else sk.rcv_ssthresh = Math.max(Math.min(sk.rcv_wnd, clamp), sk.rcv_ssthresh);
  return 0;
}

/** tcp_initialize_rcv_mss: a guess, on the small side, of what the other side will send. */
export function tcp_initialize_rcv_mss(sk: tcp_sock): void {
  let hint = Math.min(sk.advmss, sk.mss_cache);
  hint = Math.min(hint, sk.rcv_wnd >> 1, TCP_MSS_DEFAULT);
  sk.icsk_ack_rcv_mss = Math.max(hint, TCP_MIN_MSS);
}

/** tcp_init_buffer_space: the connection is there. */
export function tcp_init_buffer_space(sk: tcp_sock): void {
  const app_win = sk.sk_net.ipv4.tcp_app_win;
  if ((sk.sk_userlocks & SOCK_SNDBUF_LOCK) === 0) tcp_sndbuf_expand(sk);
  tcp_mstamp_refresh(sk);
  sk.rcvq_space_time = sk.tcp_mstamp;
  sk.rcvq_space_seq = sk.copied_seq;
  const maxwin = tcp_full_space(sk);
  const { advmss } = sk;
  if (sk.window_clamp >= maxwin) {
    sk.window_clamp = maxwin;
    if (app_win !== 0 && maxwin > 4 * advmss) sk.window_clamp = Math.max(maxwin - (maxwin >> app_win), 4 * advmss);
  }
  if (app_win !== 0 && sk.window_clamp > 2 * advmss && sk.window_clamp + advmss > maxwin) {
    sk.window_clamp = Math.max(2 * advmss, maxwin - advmss);
  }
  sk.rcv_ssthresh = Math.min(sk.rcv_ssthresh, sk.window_clamp);
  sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
  sk.rcvq_space_space = Math.min(sk.rcv_ssthresh, sk.rcv_wnd, TCP_INIT_CWND * advmss);
}

/** __tcp_grow_window: would packets with this much overhead still fit when the window is larger? Bytes to add. */
function __tcp_grow_window(sk: tcp_sock, skb: sk_buff): number {
  let truesize = tcp_win_from_space(sk, skb.truesize) >> 1;
  let window = tcp_win_from_space(sk, sk.sk_net.ipv4.tcp_rmem[2] as number) >> 1;
  while (sk.rcv_ssthresh <= window) {
    if (truesize <= skb.len) return 2 * sk.icsk_ack_rcv_mss;
    truesize >>= 1;
    window >>= 1;
  }
  return 0;
}

/** tcp_grow_window: the window opens as data comes. `eaten`: its bytes are elsewhere (truesize_adjust): none take no memory. */
export function tcp_grow_window(sk: tcp_sock, skb: sk_buff, eaten = false): void {
  const room = Math.min(sk.window_clamp, tcp_space(sk)) - sk.rcv_ssthresh;
  if (room <= 0) return;
  if (tcp_under_memory_pressure(sk)) {
    tcp_adjust_rcv_ssthresh(sk);
    return;
  }
  const { len } = skb;
  const truesize = eaten && len === 0 ? 0 : skb.truesize;
  const incr = tcp_win_from_space(sk, truesize) <= len ? 2 * sk.advmss : __tcp_grow_window(sk, skb);
  if (incr === 0) return;
  sk.rcv_ssthresh += Math.min(room, Math.max(incr, 2 * len));
  sk.icsk_ack_quick |= 1;
}

/** tcp_clamp_window: the buffer is over-full: it grows to what lies in it, or the window shrinks. */
export function tcp_clamp_window(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  const max = ipv4.tcp_rmem[2] as number;
  sk.icsk_ack_quick = 0;
  if (
    sk.sk_rcvbuf < max &&
    (sk.sk_userlocks & SOCK_RCVBUF_LOCK) === 0 &&
    !ipv4.tcp_memory_pressure &&
    ipv4.tcp_memory_allocated < (ipv4.tcp_mem[0] as number)
  ) {
    sk.sk_rcvbuf = Math.min(sk.sk_rmem_alloc, max);
  }
  if (sk.sk_rmem_alloc > sk.sk_rcvbuf) sk.rcv_ssthresh = Math.min(sk.window_clamp, 2 * sk.advmss);
}

/** tcp_rcvbuf_grow: the program reads `newval` bytes in a round trip: room for twice that, and for slow start. */
export function tcp_rcvbuf_grow(sk: tcp_sock, newval: number): void {
  const { ipv4 } = sk.sk_net;
  const oldval = sk.rcvq_space_space;
  sk.rcvq_space_space = newval;
  if (ipv4.tcp_moderate_rcvbuf === 0 || (sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0) return;
  let rcvwin = newval * 2;
  if (oldval > 0) rcvwin += Math.floor((rcvwin * (newval - oldval)) / oldval) * 2;
  const last = sk.slow.ooo_last_skb;
  if (last !== null) rcvwin += (last.end_seq - sk.rcv_nxt) | 0;
  const rcvbuf = Math.min(tcp_space_from_win(sk, rcvwin), ipv4.tcp_rmem[2] as number);
  if (rcvbuf > sk.sk_rcvbuf) {
    sk.sk_rcvbuf = rcvbuf;
    sk.window_clamp = tcp_win_from_space(sk, rcvbuf);
  }
}

/** tcp_rcv_space_adjust: dynamic right-sizing; called when the program has read. */
export function tcp_rcv_space_adjust(sk: tcp_sock): void {
  tcp_mstamp_refresh(sk);
  const time = sk.tcp_mstamp - sk.rcvq_space_time;
  if (sk.rcv_rtt_est_rtt_us === 0 || time < Math.floor(sk.rcv_rtt_est_rtt_us / 8)) return;
  const inq = (sk.rcv_nxt - sk.copied_seq) | 0;
  const copied = ((sk.copied_seq - sk.rcvq_space_seq) | 0) - inq;
  if (copied > sk.rcvq_space_space) tcp_rcvbuf_grow(sk, copied);
  sk.rcvq_space_seq = sk.copied_seq;
  sk.rcvq_space_time = sk.tcp_mstamp;
}

// ---- estimates ------------------------------------------------------------------------------------------------------

/** Flags that make a short segment no sign of a small MSS (TCP_REMNANT). */
const TCP_REMNANT = TCPHDR_FIN | TCPHDR_URG | TCPHDR_SYN | TCPHDR_PSH;

/** tcp_measure_rcv_mss: how large are the peer's full segments? And how much of a packet's memory is payload? */
export function tcp_measure_rcv_mss(sk: tcp_sock, skb: sk_buff): void {
  const lss = sk.icsk_ack_last_seg_size;
  sk.icsk_ack_last_seg_size = 0;
  let len = skb.gso_size !== 0 ? skb.gso_size : skb.len;
  if (len >= sk.icsk_ack_rcv_mss) {
    if (len !== sk.icsk_ack_rcv_mss) {
      const ratio = Math.min(255, Math.max(1, Math.floor((skb.len * 256) / skb.truesize)));
      if (ratio !== sk.scaling_ratio) {
        sk.scaling_ratio = ratio;
        tcp_set_window_clamp(sk, tcp_win_from_space(sk, sk.sk_rcvbuf));
        if (sk.window_clamp < sk.rcvq_space_space) sk.rcvq_space_space = sk.window_clamp;
      }
    }
    sk.icsk_ack_rcv_mss = Math.min(len, sk.advmss);
    // A full segment with PSH ends a write: the sender may wait for its ACK.
    if ((skb.tcp_flags & TCPHDR_PSH) !== 0) sk.icsk_ack_pending |= ICSK_ACK_PUSHED;
    return;
  }
  // With the options, as SACK blocks make segments vary.
  len += skb.data - skb.transport_header;
  if (
    len >= TCP_MSS_DEFAULT + TCP_HLEN ||
    (len >= TCP_MIN_MSS + TCP_HLEN && (tcp_flag_byte(skb) & TCP_REMNANT) === 0)
  ) {
    len -= sk.tcp_header_len;
    sk.icsk_ack_last_seg_size = len;
    if (len === lss) {
      sk.icsk_ack_rcv_mss = len;
      return;
    }
  }
  if ((sk.icsk_ack_pending & ICSK_ACK_PUSHED) !== 0) sk.icsk_ack_pending |= ICSK_ACK_PUSHED2;
  sk.icsk_ack_pending |= ICSK_ACK_PUSHED;
}

/** tcp_rcv_rtt_update: µs times 8. `win_dep`: measured by windows, which is only an upper bound. */
function tcp_rcv_rtt_update(sk: tcp_sock, sample: number, win_dep: boolean): void {
  const old = sk.rcv_rtt_est_rtt_us;
  const m = sample * 8;
  if (old === 0 || m < old) {
    sk.rcv_rtt_est_rtt_us = m;
    return;
  }
  if (win_dep || sk.rcv_nxt !== sk.copied_seq) return;
  sk.rcv_rtt_est_rtt_us = old - Math.floor(old / 8) + sample;
}

/** tcp_rcv_rtt_measure: a window's worth of data takes a round trip at least. */
function tcp_rcv_rtt_measure(sk: tcp_sock): void {
  if (sk.rcv_rtt_est_time !== 0) {
    if (before(sk.rcv_nxt, sk.rcv_rtt_est_seq)) return;
    tcp_rcv_rtt_update(sk, Math.max(1, sk.tcp_mstamp - sk.rcv_rtt_est_time), true);
  }
  sk.rcv_rtt_est_seq = (sk.rcv_nxt + sk.rcv_wnd) | 0;
  sk.rcv_rtt_est_time = sk.tcp_mstamp;
}

/** tcp_rcv_rtt_measure_ts: by what the peer echoes in full segments. */
export function tcp_rcv_rtt_measure_ts(sk: tcp_sock, skb: sk_buff): void {
  const { rcv_tsecr } = sk.rx_opt;
  if (rcv_tsecr === 0 || rcv_tsecr === sk.rcv_rtt_last_tsecr) return;
  sk.rcv_rtt_last_tsecr = rcv_tsecr;
  if (((skb.end_seq - skb.seq) | 0) < sk.icsk_ack_rcv_mss) return;
  const delta = tcp_rtt_tsopt_us(sk, 0);
  if (delta > 0) tcp_rcv_rtt_update(sk, delta, false);
}

// ---- when to acknowledge --------------------------------------------------------------------------------------------

/** tcp_incr_quickack: enough ACKs at once for the peer's slow start to fill half of our window. */
function tcp_incr_quickack(sk: tcp_sock, max: number): void {
  const acks = Math.floor(sk.rcv_wnd / (2 * sk.icsk_ack_rcv_mss));
  const quick = Math.min(acks === 0 ? 2 : acks, max);
  if (quick > sk.icsk_ack_quick) sk.icsk_ack_quick = quick;
}

/** tcp_enter_quickack_mode: the next `max` segments are acknowledged at once. */
export function tcp_enter_quickack_mode(sk: tcp_sock, max: number): void {
  tcp_incr_quickack(sk, max);
  inet_csk_exit_pingpong_mode(sk);
  sk.icsk_ack_ato = TCP_ATO_MIN;
}

/** tcp_in_quickack_mode */
export function tcp_in_quickack_mode(sk: tcp_sock): boolean {
  if (sk.icsk_ack_quick !== 0 && !inet_csk_in_pingpong_mode(sk)) return true;
  const dst = sk.sk_dst_cache;
  return dst !== null && dst.metrics !== null && dst_metric(dst, RTAX_QUICKACK) !== 0;
}

/** tcp_event_data_recv: data came in order. Adapts the delayed ACK's timer to how fast it comes. */
export function tcp_event_data_recv(sk: tcp_sock, skb: sk_buff): void {
  inet_csk_schedule_ack(sk);
  tcp_measure_rcv_mss(sk, skb);
  tcp_rcv_rtt_measure(sk);
  const now = tcp_jiffies(sk.kernel);
  if (sk.icsk_ack_ato === 0) {
    // The first data: the sender is in slow start.
    tcp_incr_quickack(sk, TCP_MAX_QUICKACKS);
    sk.icsk_ack_ato = TCP_ATO_MIN;
  } else {
    const m = now - sk.icsk_ack_lrcvtime;
    if (m <= TCP_ATO_MIN / 2) {
      sk.icsk_ack_ato = (sk.icsk_ack_ato >> 1) + TCP_ATO_MIN / 2;
    } else if (m < sk.icsk_ack_ato) {
      sk.icsk_ack_ato = Math.min((sk.icsk_ack_ato >> 1) + m, sk.icsk_rto);
    } else if (m > sk.icsk_rto) {
      // A long pause: the sender may have gone back to slow start.
      tcp_incr_quickack(sk, TCP_MAX_QUICKACKS);
    }
  }
  sk.icsk_ack_lrcvtime = now;
  tcp_data_ecn_check(sk, skb);
  if (skb.len >= 128) tcp_grow_window(sk, skb);
}

/** tcp_send_delayed_ack: within ato, which the RTT bounds, too. */
export function tcp_send_delayed_ack(sk: tcp_sock): void {
  let ato = sk.icsk_ack_ato;
  if (ato > TCP_DELACK_MIN) {
    let max_ato = HALF_SECOND;
    if (inet_csk_in_pingpong_mode(sk) || (sk.icsk_ack_pending & ICSK_ACK_PUSHED) !== 0) max_ato = TCP_DELACK_MAX;
    if (sk.srtt_us !== 0) max_ato = Math.min(max_ato, Math.max(usecs_to_jiffies(sk.srtt_us >> 3), TCP_DELACK_MIN));
    ato = Math.min(ato, max_ato);
  }
  // tcp_delack_max: before a peer with the same bounds would send again.
  ato = Math.min(ato, sk.opts.icsk_delack_max, Math.max(tcp_rto_min(sk), 2) - 1);
  const now = tcp_jiffies(sk.kernel);
  let timeout = now + ato;
  if ((sk.icsk_ack_pending & ICSK_ACK_TIMER) !== 0) {
    if (sk.icsk_ack_timeout <= now + (ato >> 2)) {
      tcp_send_ack(sk);
      return;
    }
    timeout = Math.min(timeout, sk.icsk_ack_timeout);
  }
  sk.icsk_ack_pending |= ICSK_ACK_SCHED | ICSK_ACK_TIMER;
  inet_csk_start_dack_timer(sk, timeout);
}

/** __tcp_ack_snd_check: an ACK now, or later, or (out of order) a few in one. */
export function __tcp_ack_snd_check(sk: tcp_sock, ofo_possible: boolean): void {
  if (
    (((sk.rcv_nxt - sk.rcv_wup) | 0) > sk.icsk_ack_rcv_mss &&
      (((sk.rcv_nxt - sk.copied_seq) | 0) < sk.opts.sk_rcvlowat || __tcp_select_window(sk) >= sk.rcv_wnd)) ||
    tcp_in_quickack_mode(sk) ||
    (sk.icsk_ack_pending & ICSK_ACK_NOW) !== 0
  ) {
    tcp_send_ack(sk);
    return;
  }
  if (!ofo_possible || sk.slow.out_of_order_queue.first === null) {
    tcp_send_delayed_ack(sk);
    return;
  }
  const { ipv4 } = sk.sk_net;
  if (!tcp_is_sack(sk) || sk.slow.compressed_ack >= ipv4.tcp_comp_sack_nr) {
    tcp_send_ack(sk);
    return;
  }
  const slow = own_slow(sk);
  if (slow.compressed_ack_rcv_nxt !== sk.rcv_nxt) {
    slow.compressed_ack_rcv_nxt = sk.rcv_nxt;
    slow.dup_ack_counter = 0;
  }
  // The sender must be able to count three.
  if (slow.dup_ack_counter < TCP_FASTRETRANS_THRESH) {
    slow.dup_ack_counter++;
    tcp_send_ack(sk);
    return;
  }
  slow.compressed_ack++;
  slow.compressed_ack_timer ??= new hrtimer(sk.kernel, 'tcp_compressed_ack', () => tcp_compressed_ack_kick(sk));
  if (slow.compressed_ack_timer.active()) return;
  let rtt = sk.rcv_rtt_est_rtt_us;
  if (sk.srtt_us !== 0 && sk.srtt_us < rtt) rtt = sk.srtt_us;
  // A twentieth of the round trip.
  const delay = Math.min(ipv4.tcp_comp_sack_delay_ns, Math.floor((rtt * 125) / 20));
  slow.compressed_ack_timer.start(sk.kernel.clock.now + delay);
}

/** tcp_ack_snd_check */
export function tcp_ack_snd_check(sk: tcp_sock): void {
  if (inet_csk_ack_scheduled(sk)) __tcp_ack_snd_check(sk, true);
}

/** tcp_compressed_ack_kick: the timer of ACKs held back. */
function tcp_compressed_ack_kick(sk: tcp_sock): void {
  if (sk.slow.compressed_ack === 0) return;
  // One goes after all.
  own_slow(sk).compressed_ack--;
  tcp_mstamp_refresh(sk);
  tcp_send_ack(sk);
}

/** tcp_sack_compress_send_ack: something has happened that the sender should know: no more waiting. */
export function tcp_sack_compress_send_ack(sk: tcp_sock): void {
  if (sk.slow.compressed_ack === 0) return;
  sk.slow.compressed_ack_timer?.cancel();
  sk.sk_net.ipv4.mib.TcpExtTCPAckCompressed += sk.slow.compressed_ack - 1;
  own_slow(sk).compressed_ack = 0;
  tcp_send_ack(sk);
}
