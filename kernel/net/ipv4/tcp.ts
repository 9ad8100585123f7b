/** TCP's states, as far as the program moves them: close, shutdown, disconnect (net/ipv4/tcp.c, RFC 9293 3.10). */
import { ECONNABORTED, ECONNRESET } from '../../errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../../fs/select.ts';
import { kfree_skb_reason, SKB_DROP_REASON } from '../core/skbuff.ts';
import {
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SHUTDOWN_MASK,
  SOCK_BINDPORT_LOCK,
  sk_error_report,
  type sock,
  sock_destruct,
  sock_orphan,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../core/sock.ts';
import { sk_stream_has_space, sk_stream_wake_writers } from '../core/stream.ts';
import { inet_csk_listen_stop } from './inet_connection_sock.ts';
import { reqsk_fastopen_remove } from './request_sock.ts';
import { tcp_cleanup_congestion_control, tcp_set_ca_state } from './tcp_cong.ts';
import { tcp_fastopen_active_disable_ofo_check, tcp_free_fastopen_req } from './tcp_fastopen.ts';
import { inet_bhash2_reset_saddr } from './tcp_ipv4.ts';
import { tcp_time_wait } from './tcp_minisocks.ts';
import { tcp_send_active_reset, tcp_send_fin } from './tcp_output.ts';
import {
  after,
  slow_if_any,
  TCP_CA_Open,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  TCP_MIN_MSS,
  TCP_TIMEOUT_INIT,
  TCP_TIMEWAIT_LEN,
  TCPF_CLOSE_WAIT,
  TCPF_CLOSING,
  TCPF_ESTABLISHED,
  TCPF_FIN_WAIT1,
  TCPF_FIN_WAIT2,
  TCPF_LAST_ACK,
  TCPF_SYN_RECV,
  TCPF_SYN_SENT,
  TCPHDR_FIN,
  tcp_fin_time,
  tcp_options_received,
  tcp_receive_window,
  type tcp_sock,
  USEC_PER_JIFFY,
} from './tcp_sock.ts';
import {
  inet_csk_reset_keepalive_timer,
  tcp_clear_retrans,
  tcp_clear_xmit_timers,
  tcp_init_xmit_timers,
} from './tcp_timer.ts';
import { tcp_write_queue_purge } from './tcp_write_queue.ts';

/** urg_data: a byte of urgent data is there; its segment has not come yet; it was read. */
export const TCP_URG_VALID = 0x0100;
export const TCP_URG_NOTYET = 0x0200;
export const TCP_URG_READ = 0x0400;

// ---- states ---------------------------------------------------------------------------------------------------------

/** tcp_set_state */
export function tcp_set_state(sk: tcp_sock, state: number): void {
  const old = sk.sk_state;
  const { mib } = sk.sk_net.ipv4;
  switch (state) {
    case TCP_ESTABLISHED:
      if (old !== TCP_ESTABLISHED) mib.TcpCurrEstab++;
      break;
    case TCP_CLOSE_WAIT:
      if (old === TCP_SYN_RECV) mib.TcpCurrEstab++;
      break;
    case TCP_CLOSE:
      if (old === TCP_CLOSE_WAIT || old === TCP_ESTABLISHED) mib.TcpEstabResets++;
      sk.sk_prot.unhash(sk);
      if (sk.icsk_bind_hash !== null && (sk.sk_userlocks & SOCK_BINDPORT_LOCK) === 0) inet_put_port(sk);
      if (old === TCP_ESTABLISHED || old === TCP_CLOSE_WAIT) mib.TcpCurrEstab--;
      break;
    default:
      // From ESTABLISHED to CLOSE_WAIT it still counts.
      if (old === TCP_ESTABLISHED || old === TCP_CLOSE_WAIT) mib.TcpCurrEstab--;
  }
  sk.sk_state = state;
  const tp = sk.kernel.trace.inet_sock_set_state;
  if (tp !== null) tp(sk, old, state);
}

/** inet_put_port */
export function inet_put_port(sk: tcp_sock): void {
  sk.sk_net.ipv4.tcp.hashinfo.put_port(sk);
  sk.inet_num = 0;
}

const TCP_ACTION_FIN = 1 << 7;
/** new_state[]: where close(2) leads from each state, and whether a FIN goes out. */
const new_state = new Uint8Array(13).fill(TCP_CLOSE);
new_state[TCP_ESTABLISHED] = TCP_FIN_WAIT1 | TCP_ACTION_FIN;
new_state[TCP_SYN_RECV] = TCP_FIN_WAIT1 | TCP_ACTION_FIN;
new_state[TCP_FIN_WAIT1] = TCP_FIN_WAIT1;
new_state[TCP_FIN_WAIT2] = TCP_FIN_WAIT2;
new_state[TCP_CLOSE_WAIT] = TCP_LAST_ACK | TCP_ACTION_FIN;
new_state[TCP_LAST_ACK] = TCP_LAST_ACK;
new_state[TCP_CLOSING] = TCP_CLOSING;

/** tcp_close_state: true when a FIN must go out. */
function tcp_close_state(sk: tcp_sock): boolean {
  const next = new_state[sk.sk_state] as number;
  tcp_set_state(sk, next & ~TCP_ACTION_FIN);
  return (next & TCP_ACTION_FIN) !== 0;
}

/** tcp_need_reset */
function tcp_need_reset(state: number): boolean {
  const synchronized = TCPF_ESTABLISHED | TCPF_CLOSE_WAIT | TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_SYN_RECV;
  return ((1 << state) & synchronized) !== 0;
}

/** tcp_done: the connection is over; without a program, so is the sock. */
export function tcp_done(sk: tcp_sock): void {
  const { fastopen_rsk: req } = sk.slow;
  if (sk.sk_state === TCP_SYN_SENT || sk.sk_state === TCP_SYN_RECV) sk.sk_net.ipv4.mib.TcpAttemptFails++;
  tcp_set_state(sk, TCP_CLOSE);
  tcp_clear_xmit_timers(sk);
  if (req !== null) reqsk_fastopen_remove(sk, req, false);
  sk.sk_shutdown = SHUTDOWN_MASK;
  if (!sk.sk_dead) sk.sk_state_change(sk);
  else inet_csk_destroy_sock(sk);
}

/** tcp_done_with_error: the program learns why. `err`: a positive errno. */
export function tcp_done_with_error(sk: tcp_sock, err: number): void {
  sk.sk_err = err;
  tcp_write_queue_purge(sk);
  tcp_done(sk);
  if (!sk.sk_dead) sk_error_report(sk);
}

// ---- the end --------------------------------------------------------------------------------------------------------

/** inet_csk_destroy_sock: closed, and nobody's. */
export function inet_csk_destroy_sock(sk: tcp_sock): void {
  sk.sk_net.ipv4.tcp_orphan_count--;
  tcp_v4_destroy_sock(sk);
  sock_destruct(sk);
}

/** tcp_v4_destroy_sock: everything it still has. */
function tcp_v4_destroy_sock(sk: tcp_sock): void {
  tcp_clear_xmit_timers(sk);
  tcp_cleanup_congestion_control(sk);
  tcp_write_queue_purge(sk);
  tcp_fastopen_active_disable_ofo_check(sk);
  sk.slow.out_of_order_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
  tcp_free_fastopen_req(sk);
  if (sk.icsk_bind_hash !== null) inet_put_port(sk);
  sk.sk_net.ipv4.tcp_sockets_allocated--;
}

/** inet_csk_prepare_for_destroy_sock and the rest: a child that no program will ever have. */
export function inet_child_forget(child: tcp_sock): void {
  // The child was never a program's: it becomes an orphan only to die.
  tcp_disconnect(child);
  sock_orphan(child);
  child.sk_net.ipv4.tcp_orphan_count++;
  inet_csk_destroy_sock(child);
}

/** tcp_too_many_orphans: `shift` doubles the count for socks that are a burden. */
function tcp_too_many_orphans(sk: tcp_sock, shift: number): boolean {
  const { ipv4 } = sk.sk_net;
  return ipv4.tcp_orphan_count * 2 ** shift > ipv4.tcp_max_orphans;
}

/** tcp_check_oom: too many orphans, or out of socket memory: this one must go. */
export function tcp_check_oom(sk: tcp_sock, shift: number): boolean {
  const { ipv4 } = sk.sk_net;
  const too_many = tcp_too_many_orphans(sk, shift);
  // tcp_out_of_memory
  const out = sk.sk_wmem_queued > SOCK_MIN_SNDBUF_TCP && ipv4.tcp_memory_allocated > (ipv4.tcp_mem[2] as number);
  return too_many || out;
}
const SOCK_MIN_SNDBUF_TCP = 4608;

/** Bytes that have come and were never read are thrown away; true when there were any. */
function tcp_purge_unread(sk: tcp_sock): boolean {
  let unread = false;
  for (let skb = sk.sk_receive_queue.shift(); skb !== null; skb = sk.sk_receive_queue.shift()) {
    const end_seq = (skb.tcp_flags & TCPHDR_FIN) !== 0 ? (skb.end_seq - 1) | 0 : skb.end_seq;
    if (after(end_seq, sk.copied_seq)) unread = true;
    kfree_skb_reason(skb, SKB_DROP_REASON.CONSUMED);
  }
  return unread;
}

/** The first half of __tcp_close: what the other side gets to see. */
function tcp_close_send(sk: tcp_sock): void {
  const { mib } = sk.sk_net.ipv4;
  sk.sk_shutdown = SHUTDOWN_MASK;
  if (sk.sk_state === TCP_LISTEN) {
    tcp_set_state(sk, TCP_CLOSE);
    inet_csk_listen_stop(sk, inet_child_forget);
    return;
  }
  const unread = tcp_purge_unread(sk);
  // A connection that was reset already.
  if (sk.sk_state === TCP_CLOSE) return;
  if (sk.slow.repair !== 0) {
    tcp_disconnect(sk);
  } else if (unread) {
    // RFC 2525 2.17, RFC 9293 3.10.4: data was lost, and the other side is told.
    mib.TcpExtTCPAbortOnClose++;
    tcp_set_state(sk, TCP_CLOSE);
    tcp_send_active_reset(sk);
  } else if (sk.opts.sk_linger && sk.opts.sk_lingertime === 0) {
    tcp_disconnect(sk);
    mib.TcpExtTCPAbortOnData++;
  } else if (tcp_close_state(sk)) {
    tcp_send_fin(sk);
  }
}

/** sk_stream_closing: our FIN is not acknowledged yet. */
export function sk_stream_closing(sk: sock): boolean {
  return ((1 << sk.sk_state) & (TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_LAST_ACK)) !== 0;
}

/** The part of tcp_close before it waits (SO_LINGER): true when it has something to wait for. */
export function tcp_close_begin(sk: tcp_sock): boolean {
  tcp_close_send(sk);
  return sk_stream_closing(sk);
}

/** tcp_close: the program lets go. The connection ends by itself. */
export function tcp_close(sk_: sock): void {
  const sk = sk_ as tcp_sock;
  const { ipv4 } = sk.sk_net;
  tcp_close_send(sk);
  // adjudge_to_death
  sock_orphan(sk);
  ipv4.tcp_orphan_count++;
  if (sk.sk_state === TCP_FIN_WAIT2) {
    if (sk.opts.linger2 < 0) {
      tcp_set_state(sk, TCP_CLOSE);
      tcp_send_active_reset(sk);
      ipv4.mib.TcpExtTCPAbortOnLinger++;
    } else {
      const tmo = tcp_fin_time(sk);
      if (tmo > TCP_TIMEWAIT_LEN) {
        inet_csk_reset_keepalive_timer(sk, tmo - TCP_TIMEWAIT_LEN);
      } else {
        tcp_time_wait(sk, TCP_FIN_WAIT2, tmo);
        return;
      }
    }
  }
  if (sk.sk_state !== TCP_CLOSE && tcp_check_oom(sk, 0)) {
    tcp_set_state(sk, TCP_CLOSE);
    tcp_send_active_reset(sk);
    ipv4.mib.TcpExtTCPAbortOnMemory++;
  }
  if (sk.sk_state === TCP_CLOSE) {
    // Aborted before its client has answered the SYN/ACK.
    if (sk.slow.fastopen_rsk !== null) reqsk_fastopen_remove(sk, sk.slow.fastopen_rsk, false);
    inet_csk_destroy_sock(sk);
  }
}

/** tcp_shutdown: closes our direction: a FIN behind what is still to be sent. */
export function tcp_shutdown(sk: tcp_sock, how: number): void {
  if ((how & SEND_SHUTDOWN) === 0) return;
  if (((1 << sk.sk_state) & (TCPF_ESTABLISHED | TCPF_SYN_SENT | TCPF_CLOSE_WAIT)) === 0) return;
  if (tcp_close_state(sk)) tcp_send_fin(sk);
}

/** tcp_disconnect: the connection is aborted (RFC 9293 3.10.5), and the socket is as new. Always 0. */
export function tcp_disconnect(sk_: sock): number {
  const sk = sk_ as tcp_sock;
  const old = sk.sk_state;
  if (old !== TCP_CLOSE) tcp_set_state(sk, TCP_CLOSE);
  if (old === TCP_LISTEN) {
    inet_csk_listen_stop(sk, inet_child_forget);
  } else if (sk.slow.repair !== 0) {
    sk.sk_err = ECONNABORTED;
  } else if (
    tcp_need_reset(old) ||
    (sk.snd_nxt !== sk.write_seq && ((1 << old) & (TCPF_CLOSING | TCPF_LAST_ACK)) !== 0)
  ) {
    tcp_send_active_reset(sk);
    sk.sk_err = ECONNRESET;
  } else if (old === TCP_SYN_SENT) {
    sk.sk_err = ECONNRESET;
  }
  tcp_clear_xmit_timers(sk);
  if (sk.slow.fastopen_rsk !== null) reqsk_fastopen_remove(sk, sk.slow.fastopen_rsk, false);
  sk.sk_receive_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
  sk.copied_seq = sk.rcv_nxt;
  tcp_write_queue_purge(sk);
  sk.slow.out_of_order_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
  const slow = slow_if_any(sk);
  if (slow !== null) {
    slow.urg_data = 0;
    slow.ooo_last_skb = null;
  }
  sk.inet_dport = 0;
  inet_bhash2_reset_saddr(sk);
  sk.sk_shutdown = 0;
  sk.sk_done = false;
  const seq = (sk.write_seq + sk.max_window + 2) | 0;
  sk.write_seq = seq === 0 ? 1 : seq;
  tcp_reset_numbers(sk);
  sk.sk_dst_cache = null;
  sk.sk_rx_dst = null;
  sk_error_report(sk);
  return 0;
}

/** What tcp_disconnect sets back, and tcp_init_sock begins with. */
function tcp_reset_numbers(sk: tcp_sock): void {
  tcp_init_xmit_timers(sk);
  sk.srtt_us = 0;
  sk.mdev_us = TCP_TIMEOUT_INIT * USEC_PER_JIFFY;
  sk.rcv_rtt_last_tsecr = 0;
  sk.icsk_backoff = 0;
  sk.icsk_probes_out = 0;
  sk.icsk_rto = TCP_TIMEOUT_INIT;
  sk.snd_ssthresh = TCP_INFINITE_SSTHRESH;
  sk.snd_cwnd = TCP_INIT_CWND;
  sk.snd_cwnd_cnt = 0;
  sk.is_cwnd_limited = 0;
  sk.max_packets_out = 0;
  sk.window_clamp = 0;
  sk.delivered = 0;
  sk.app_limited = -1;
  sk.rate_app_limited = 1;
  if (sk.icsk_ca_initialized !== 0 && sk.icsk_ca_ops.release !== null) sk.icsk_ca_ops.release(sk);
  sk.icsk_ca_priv = null;
  sk.icsk_ca_initialized = 0;
  tcp_set_ca_state(sk, TCP_CA_Open);
  tcp_clear_retrans(sk);
  sk.packets_out = 0;
  sk.retrans_out = 0;
  sk.sacked_out = 0;
  sk.lost_out = 0;
  sk.icsk_ack_pending = 0;
  sk.icsk_ack_quick = 0;
  sk.icsk_ack_pingpong = 0;
  sk.icsk_ack_retry = 0;
  sk.icsk_ack_ato = 0;
  sk.icsk_ack_rcv_mss = TCP_MIN_MSS;
  const { user_mss } = sk.rx_opt;
  Object.assign(sk.rx_opt, new tcp_options_received());
  sk.rx_opt.user_mss = user_mss;
  sk.segs_in = 0;
  sk.segs_out = 0;
  sk.data_segs_in = 0;
  sk.data_segs_out = 0;
  sk.bytes_sent = 0;
  sk.bytes_acked = 0;
  sk.bytes_received = 0;
  sk.rack_mstamp = 0;
  sk.rack_rtt_us = 0;
  sk.rack_advanced = 0;
  sk.rate_delivered = 0;
  sk.rate_interval_us = 0;
  tcp_free_fastopen_req(sk);
  const slow = slow_if_any(sk);
  if (slow === null) return;
  slow.icsk_probes_tstamp = 0;
  slow.delivered_ce = 0;
  slow.received_ce = 0;
  slow.received_e1_bytes = 0;
  slow.received_e0_bytes = 0;
  slow.received_ce_bytes = 0;
  slow.accecn = null;
  slow.lost = 0;
  slow.total_retrans = 0;
  slow.tlp_high_seq = 0;
  slow.tlp_retrans = 0;
  slow.last_oow_ack_time = 0;
  slow.compressed_ack = 0;
  slow.bytes_retrans = 0;
  slow.dsack_dups = 0;
  slow.reord_seen = 0;
  slow.total_rto = 0;
  slow.total_rto_recoveries = 0;
  slow.total_rto_time = 0;
  slow.rto_stamp = 0;
  slow.rcv_ooopack = 0;
  slow.rack_reo_wnd_steps = 1;
  slow.rack_reo_wnd_persist = 0;
  slow.rack_dsack_seen = 0;
  slow.mtu_info = 0;
  slow.defer_connect = 0;
  slow.fastopen_client_fail = 0;
  slow.syn_fastopen = 0;
  slow.syn_fastopen_exp = 0;
  slow.syn_fastopen_ch = 0;
  slow.syn_data = 0;
  slow.syn_data_acked = 0;
  slow.syn_fastopen_child = 0;
}

// ---- events ---------------------------------------------------------------------------------------------------------

/** tcp_notsent_lowat */
export function tcp_notsent_lowat(sk: tcp_sock): number {
  return sk.opts.notsent_lowat !== 0 ? sk.opts.notsent_lowat : sk.sk_net.ipv4.tcp_notsent_lowat;
}

/** __sk_stream_memory_free with tcp_stream_memory_free: `wake` 1 asks for twice the room, for a wake-up. */
export function sk_stream_memory_free(sk: tcp_sock, wake = 0): boolean {
  if (sk.sk_wmem_queued >= sk.sk_sndbuf) return false;
  const notsent = (sk.write_seq - sk.snd_nxt) >>> 0;
  return notsent * 2 ** wake < tcp_notsent_lowat(sk);
}

/** __sk_stream_is_writeable */
function sk_stream_is_writeable(sk: tcp_sock, wake: number): boolean {
  return sk_stream_has_space(sk) && sk_stream_memory_free(sk, wake);
}

/** sk_stream_write_space: who waits for room is told, once there is a good deal of it. */
export function sk_stream_write_space(sk_: sock): void {
  const sk = sk_ as tcp_sock;
  if (sk.sk_socket !== null && sk_stream_is_writeable(sk, 1)) sk_stream_wake_writers(sk);
}

/** tcp_epollin_ready: are there `target` bytes to read, or will there never be more? */
export function tcp_epollin_ready(sk: tcp_sock, target: number): boolean {
  const avail = (sk.rcv_nxt - sk.copied_seq) | 0;
  if (avail <= 0) return false;
  return avail >= target || sk.sk_net.ipv4.tcp_memory_pressure || tcp_receive_window(sk) <= sk.icsk_ack_rcv_mss;
}

/** tcp_poll */
export function tcp_poll(sk_: sock): number {
  const sk = sk_ as tcp_sock;
  const { sk_state: state, sk_shutdown: shutdown } = sk;
  if (state === TCP_LISTEN) {
    return sk.icsk_accept_queue?.rskq_accept_head != null ? POLLIN | POLLRDNORM : 0;
  }
  let mask = 0;
  if (shutdown === SHUTDOWN_MASK || state === TCP_CLOSE) mask |= POLLHUP;
  if ((shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLIN | POLLRDNORM | POLLRDHUP;
  if (state !== TCP_SYN_SENT && (state !== TCP_SYN_RECV || sk.slow.fastopen_rsk !== null)) {
    let target = sk.opts.sk_rcvlowat;
    if (sk.slow.urg_data !== 0 && sk.slow.urg_seq === sk.copied_seq && !sk.opts.sk_urginline) target++;
    if (tcp_epollin_ready(sk, target)) mask |= POLLIN | POLLRDNORM;
    if ((shutdown & SEND_SHUTDOWN) !== 0) {
      mask |= POLLOUT | POLLWRNORM;
    } else if (sk_stream_is_writeable(sk, 1)) {
      mask |= POLLOUT | POLLWRNORM;
    } else {
      // SOCK_NOSPACE: the next room is news.
      sk.sk_nospace = true;
    }
    if ((sk.slow.urg_data & TCP_URG_VALID) !== 0) mask |= POLLPRI;
  } else if (state === TCP_SYN_SENT && sk.slow.defer_connect !== 0) {
    // The SYN waits for data to go with.
    mask |= POLLOUT | POLLWRNORM;
  }
  if (sk.sk_err !== 0 || sk.sk_error_queue.qlen > 0) mask |= POLLERR;
  return mask;
}

/** TCP_FIN_TIMEOUT_MAX in s, for TCP_LINGER2. */
export const TCP_LINGER2_MAX = 120;
