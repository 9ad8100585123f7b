/** Options of level SOL_TCP, and struct tcp_info (net/ipv4/tcp.c: do_tcp_setsockopt, do_tcp_getsockopt, tcp_get_info). */
import { EINVAL, ENOPROTOOPT, EOPNOTSUPP } from '../../errno.ts';
import { HZ } from '../../time/timer.ts';
import { own_opts, SOCK_RCVBUF_LOCK, type sock, TCP_CLOSE, TCP_LISTEN } from '../core/sock.ts';
import type { sockopt } from '../msg.ts';
import { tcp_set_congestion_control } from './tcp_cong.ts';
import { tcp_data_ready } from './tcp_data.ts';
import {
  fastopen_queue_tune,
  TCP_FASTOPEN_KEY_BUF_LENGTH,
  TCP_FASTOPEN_KEY_LENGTH,
  TFO_CLIENT_ENABLE,
  tcp_fastopen_get_cipher,
  tcp_fastopen_init_key_once,
  tcp_fastopen_reset_cipher,
} from './tcp_fastopen.ts';
import { TCP_MD5SIG, TCP_MD5SIG_EXT } from './tcp_md5.ts';
import { tcp_set_window_clamp } from './tcp_rcvbuf.ts';
import { tcp_cleanup_rbuf } from './tcp_recvmsg.ts';
import {
  TCP_QUEUE_SEQ,
  TCP_REPAIR,
  TCP_REPAIR_OPTIONS,
  TCP_REPAIR_QUEUE,
  TCP_REPAIR_WINDOW,
  TCP_TIMESTAMP,
  tcp_repair_getsockopt,
  tcp_repair_setsockopt,
} from './tcp_repair.ts';
import {
  ICSK_ACK_PUSHED,
  inet_csk_ack_scheduled,
  inet_csk_enter_pingpong_mode,
  inet_csk_exit_pingpong_mode,
  inet_csk_in_pingpong_mode,
  jiffies_to_usecs,
  keepalive_intvl_when,
  keepalive_probes,
  keepalive_time_elapsed,
  keepalive_time_when,
  MAX_TCP_WINDOW,
  SK_PACING_UNLIMITED,
  TCP_CHRONO_BUSY,
  TCP_CHRONO_RWND_LIMITED,
  TCP_CHRONO_SNDBUF_LIMITED,
  TCP_ECN_MODE_ANY,
  TCP_ECN_SEEN,
  TCP_FIN_TIMEOUT_MAX,
  TCP_MIN_MSS,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
  TCP_NO_RTT,
  TCPF_CLOSE,
  TCPF_CLOSE_WAIT,
  TCPF_ESTABLISHED,
  TCPF_LISTEN,
  tcp_jiffies,
  tcp_min_rtt,
  type tcp_sock,
  tcp_space_from_win,
} from './tcp_sock.ts';
import { inet_csk_reset_keepalive_timer } from './tcp_timer.ts';
import { tcp_push_pending_frames } from './tcp_write_queue.ts';

export const SOL_TCP = 6;
export const TCP_NODELAY = 1;
export const TCP_MAXSEG = 2;
export const TCP_CORK = 3;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_SYNCNT = 7;
export const TCP_LINGER2 = 8;
export const TCP_DEFER_ACCEPT = 9;
export const TCP_WINDOW_CLAMP = 10;
export const TCP_INFO = 11;
export const TCP_QUICKACK = 12;
export const TCP_CONGESTION = 13;
export const TCP_THIN_LINEAR_TIMEOUTS = 16;
export const TCP_THIN_DUPACK = 17;
export const TCP_USER_TIMEOUT = 18;
export const TCP_FASTOPEN = 23;
export const TCP_NOTSENT_LOWAT = 25;
export const TCP_SAVE_SYN = 27;
export const TCP_FASTOPEN_CONNECT = 30;
export const TCP_FASTOPEN_KEY = 33;
export const TCP_FASTOPEN_NO_COOKIE = 34;
export const TCP_INQ = 36;
export const TCP_RTO_MAX_MS = 44;

const MAX_TCP_KEEPIDLE = 32767;
const MAX_TCP_KEEPINTVL = 32767;
const MAX_TCP_KEEPCNT = 127;
const MAX_TCP_SYNCNT = 127;

/** secs_to_retrans: with how many repetitions of a SYN/ACK that many seconds have passed. */
function secs_to_retrans(seconds: number, timeout: number, rto_max: number): number {
  if (seconds <= 0) return 0;
  let res = 1;
  for (let period = timeout; seconds > period && res < 255; res++) {
    timeout = Math.min(timeout * 2, rto_max);
    period += timeout;
  }
  return res;
}

/** retrans_to_secs */
function retrans_to_secs(retrans: number, timeout: number, rto_max: number): number {
  if (retrans <= 0) return 0;
  let period = timeout;
  while (--retrans > 0) {
    timeout = Math.min(timeout * 2, rto_max);
    period += timeout;
  }
  return period;
}

/** tcp_sock_set_keepidle_locked */
function set_keepidle(sk: tcp_sock, seconds: number): number {
  if (seconds < 1 || seconds > MAX_TCP_KEEPIDLE) return -EINVAL;
  own_opts(sk).keepalive_time = seconds * HZ;
  if (sk.opts.sk_keepopen && ((1 << sk.sk_state) & (TCPF_CLOSE | TCPF_LISTEN)) === 0) {
    inet_csk_reset_keepalive_timer(sk, Math.max(0, sk.opts.keepalive_time - keepalive_time_elapsed(sk)));
  }
  return 0;
}

/** __tcp_sock_set_quickack */
function set_quickack(sk: tcp_sock, value: number): void {
  if (value === 0) {
    inet_csk_enter_pingpong_mode(sk);
    return;
  }
  inet_csk_exit_pingpong_mode(sk);
  if (((1 << sk.sk_state) & (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT)) !== 0 && inet_csk_ack_scheduled(sk)) {
    sk.icsk_ack_pending |= ICSK_ACK_PUSHED;
    tcp_cleanup_rbuf(sk, 1);
    if ((value & 1) === 0) inet_csk_enter_pingpong_mode(sk);
  }
}

/** tcp_set_rcvlowat (SO_RCVLOWAT): the buffer grows with it, so that so many bytes can come. */
export function tcp_set_rcvlowat(sk_: sock, value: number): void {
  const sk = sk_ as tcp_sock;
  const locked = (sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0;
  const cap = (locked ? sk.sk_rcvbuf : (sk.sk_net.ipv4.tcp_rmem[2] as number)) >> 1;
  const lowat = Math.min(value, cap);
  own_opts(sk).sk_rcvlowat = lowat === 0 ? 1 : lowat;
  // What is there may be enough by now.
  tcp_data_ready(sk);
  if (locked) return;
  const space = tcp_space_from_win(sk, lowat);
  if (space > sk.sk_rcvbuf) {
    sk.sk_rcvbuf = space;
    if (sk.window_clamp !== 0 && sk.window_clamp < lowat) sk.window_clamp = lowat;
  }
}

/** TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE. */
function set_fastopen(sk: tcp_sock, name: number, value: number): number {
  const { sk_net: net, sk_state: state } = sk;
  if (name === TCP_FASTOPEN) {
    if (value < 0 || (state !== TCP_CLOSE && state !== TCP_LISTEN)) return -EINVAL;
    tcp_fastopen_init_key_once(net);
    fastopen_queue_tune(sk, value);
    return 0;
  }
  if (value < 0 || value > 1) return -EINVAL;
  if (name === TCP_FASTOPEN_NO_COOKIE) {
    if (state !== TCP_CLOSE && state !== TCP_LISTEN) return -EINVAL;
    own_opts(sk).fastopen_no_cookie = value;
    return 0;
  }
  if ((net.ipv4.tcp_fastopen & TFO_CLIENT_ENABLE) === 0) return -EOPNOTSUPP;
  if (state !== TCP_CLOSE) return -EINVAL;
  own_opts(sk).fastopen_connect = value;
  return 0;
}

/** TCP_FASTOPEN_KEY: the bytes of one key, or of two, of which the second one is only checked against. */
function set_fastopen_key(sk: tcp_sock, key: Uint8Array | null): number {
  const length = key?.length ?? 0;
  if (key === null || (length !== TCP_FASTOPEN_KEY_LENGTH && length !== TCP_FASTOPEN_KEY_BUF_LENGTH)) return -EINVAL;
  tcp_fastopen_reset_cipher(sk.sk_net, sk, key);
  return 0;
}

/** do_tcp_setsockopt: 0 or a negative errno. */
export function tcp_setsockopt(sk_: sock, level: number, name: number, opt: sockopt): number {
  if (level !== SOL_TCP) return -ENOPROTOOPT;
  const sk = sk_ as tcp_sock;
  const value = opt.value | 0;
  switch (name) {
    case TCP_NODELAY:
      if (value !== 0) {
        sk.nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
        tcp_push_pending_frames(sk);
      } else {
        sk.nonagle &= ~TCP_NAGLE_OFF;
      }
      return 0;
    case TCP_CORK:
      if (value !== 0) {
        sk.nonagle |= TCP_NAGLE_CORK;
      } else {
        sk.nonagle &= ~TCP_NAGLE_CORK;
        if ((sk.nonagle & TCP_NAGLE_OFF) !== 0) sk.nonagle |= TCP_NAGLE_PUSH;
        tcp_push_pending_frames(sk);
      }
      return 0;
    case TCP_MAXSEG:
      if (value !== 0 && (value < TCP_MIN_MSS || value > MAX_TCP_WINDOW)) return -EINVAL;
      sk.rx_opt.user_mss = value;
      return 0;
    case TCP_KEEPIDLE:
      return set_keepidle(sk, value);
    case TCP_KEEPINTVL:
      if (value < 1 || value > MAX_TCP_KEEPINTVL) return -EINVAL;
      own_opts(sk).keepalive_intvl = value * HZ;
      return 0;
    case TCP_KEEPCNT:
      if (value < 1 || value > MAX_TCP_KEEPCNT) return -EINVAL;
      own_opts(sk).keepalive_probes = value;
      return 0;
    case TCP_SYNCNT:
      if (value < 1 || value > MAX_TCP_SYNCNT) return -EINVAL;
      own_opts(sk).icsk_syn_retries = value;
      return 0;
    case TCP_LINGER2:
      if (value < 0) own_opts(sk).linger2 = -1;
      else own_opts(sk).linger2 = value > TCP_FIN_TIMEOUT_MAX / HZ ? TCP_FIN_TIMEOUT_MAX : value * HZ;
      return 0;
    case TCP_DEFER_ACCEPT:
      own_opts(sk).defer_accept = secs_to_retrans(value, 1, 120);
      return 0;
    case TCP_WINDOW_CLAMP:
      return tcp_set_window_clamp(sk, value);
    case TCP_QUICKACK:
      set_quickack(sk, value);
      return 0;
    case TCP_CONGESTION:
      // Every program here is root's.
      return tcp_set_congestion_control(sk, opt.text, true);
    case TCP_THIN_LINEAR_TIMEOUTS:
      if (value < 0 || value > 1) return -EINVAL;
      own_opts(sk).thin_lto = value;
      return 0;
    case TCP_THIN_DUPACK:
      // What it once did is always done.
      return value < 0 || value > 1 ? -EINVAL : 0;
    case TCP_USER_TIMEOUT:
      if (value < 0) return -EINVAL;
      own_opts(sk).icsk_user_timeout = value;
      return 0;
    case TCP_REPAIR:
    case TCP_REPAIR_QUEUE:
    case TCP_QUEUE_SEQ:
    case TCP_REPAIR_OPTIONS:
    case TCP_REPAIR_WINDOW:
    case TCP_TIMESTAMP:
      return tcp_repair_setsockopt(sk, name, opt);
    case TCP_NOTSENT_LOWAT:
      own_opts(sk).notsent_lowat = value >>> 0;
      sk.sk_write_space(sk);
      return 0;
    case TCP_SAVE_SYN:
      if (value < 0 || value > 2) return -EINVAL;
      own_opts(sk).save_syn = value;
      return 0;
    case TCP_FASTOPEN:
    case TCP_FASTOPEN_CONNECT:
    case TCP_FASTOPEN_NO_COOKIE:
      return set_fastopen(sk, name, value);
    case TCP_FASTOPEN_KEY:
      return set_fastopen_key(sk, opt.bytes);
    case TCP_INQ:
      if (value > 1 || value < 0) return -EINVAL;
      own_opts(sk).recvmsg_inq = value;
      return 0;
    case TCP_MD5SIG:
    case TCP_MD5SIG_EXT:
      return sk.icsk_af_ops.md5_parse(sk, name, opt);
    case TCP_RTO_MAX_MS:
      if (value < 1000 || value > 120_000) return -EINVAL;
      own_opts(sk).icsk_rto_max = value;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** do_tcp_getsockopt: 0 with the answer in `opt`, or a negative errno. */
export function tcp_getsockopt(sk_: sock, level: number, name: number, opt: sockopt): number {
  // As do_ip_getsockopt says it, where other levels end; its twin for setting says ENOPROTOOPT.
  if (level !== SOL_TCP) return -EOPNOTSUPP;
  const sk = sk_ as tcp_sock;
  const { ipv4 } = sk.sk_net;
  switch (name) {
    case TCP_NODELAY:
      opt.value = (sk.nonagle & TCP_NAGLE_OFF) !== 0 ? 1 : 0;
      return 0;
    case TCP_CORK:
      opt.value = (sk.nonagle & TCP_NAGLE_CORK) !== 0 ? 1 : 0;
      return 0;
    case TCP_MAXSEG: {
      const { user_mss } = sk.rx_opt;
      const idle = ((1 << sk.sk_state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0;
      opt.value = user_mss !== 0 && idle ? user_mss : sk.mss_cache;
      if (sk.slow.repair !== 0) opt.value = sk.rx_opt.mss_clamp;
      return 0;
    }
    case TCP_KEEPIDLE:
      opt.value = Math.floor(keepalive_time_when(sk) / HZ);
      return 0;
    case TCP_KEEPINTVL:
      opt.value = Math.floor(keepalive_intvl_when(sk) / HZ);
      return 0;
    case TCP_KEEPCNT:
      opt.value = keepalive_probes(sk);
      return 0;
    case TCP_SYNCNT:
      opt.value = sk.opts.icsk_syn_retries !== 0 ? sk.opts.icsk_syn_retries : ipv4.tcp_syn_retries;
      return 0;
    case TCP_LINGER2:
      opt.value =
        sk.opts.linger2 < 0
          ? sk.opts.linger2
          : sk.opts.linger2 !== 0
            ? Math.floor(sk.opts.linger2 / HZ)
            : ipv4.tcp_fin_timeout;
      return 0;
    case TCP_DEFER_ACCEPT:
      opt.value = retrans_to_secs(sk.opts.defer_accept, 1, 120);
      return 0;
    case TCP_WINDOW_CLAMP:
      opt.value = sk.window_clamp;
      return 0;
    case TCP_INFO:
      opt.bytes = tcp_info_bytes(tcp_get_info(sk));
      opt.value = opt.bytes.length;
      return 0;
    case TCP_QUICKACK:
      opt.value = inet_csk_in_pingpong_mode(sk) ? 0 : 1;
      return 0;
    case TCP_CONGESTION:
      opt.text = sk.icsk_ca_ops.name;
      return 0;
    case TCP_THIN_LINEAR_TIMEOUTS:
      opt.value = sk.opts.thin_lto;
      return 0;
    case TCP_THIN_DUPACK:
      opt.value = 0;
      return 0;
    case TCP_USER_TIMEOUT:
      opt.value = sk.opts.icsk_user_timeout;
      return 0;
    case TCP_REPAIR:
    case TCP_REPAIR_QUEUE:
    case TCP_QUEUE_SEQ:
    case TCP_REPAIR_WINDOW:
    case TCP_TIMESTAMP:
      return tcp_repair_getsockopt(sk, name, opt);
    case TCP_NOTSENT_LOWAT:
      opt.value = sk.opts.notsent_lowat;
      return 0;
    case TCP_SAVE_SYN:
      opt.value = sk.opts.save_syn;
      return 0;
    case TCP_FASTOPEN:
      opt.value = sk.fastopenq?.max_qlen ?? 0;
      return 0;
    case TCP_FASTOPEN_CONNECT:
      opt.value = sk.opts.fastopen_connect;
      return 0;
    case TCP_FASTOPEN_NO_COOKIE:
      opt.value = sk.opts.fastopen_no_cookie;
      return 0;
    case TCP_FASTOPEN_KEY:
      opt.bytes = tcp_fastopen_get_cipher(sk.sk_net, sk);
      opt.value = opt.bytes.length;
      return 0;
    case TCP_INQ:
      opt.value = sk.opts.recvmsg_inq;
      return 0;
    case TCP_RTO_MAX_MS:
      opt.value = sk.opts.icsk_rto_max;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

// ---- struct tcp_info ------------------------------------------------------------------------------------------------

export const TCPI_OPT_TIMESTAMPS = 1;
export const TCPI_OPT_SACK = 2;
export const TCPI_OPT_WSCALE = 4;
export const TCPI_OPT_ECN = 8;
export const TCPI_OPT_ECN_SEEN = 16;
export const TCPI_OPT_SYN_DATA = 32;
export const TCPI_OPT_TFO_CHILD = 128;

/**
 * Fields of struct tcp_info (include/uapi/linux/tcp.h, Linux 6.18), in its order: name, offset, bytes. Bit fields are
 * the bytes that hold them: tcpi_wscale has snd_wscale in its low half, rcv_wscale in the high one; tcpi_fastopen_client_fail
 * lies in the byte of tcpi_delivery_rate_app_limited.
 */
export const TCP_INFO_LAYOUT = [
  ['tcpi_state', 0, 1],
  ['tcpi_ca_state', 1, 1],
  ['tcpi_retransmits', 2, 1],
  ['tcpi_probes', 3, 1],
  ['tcpi_backoff', 4, 1],
  ['tcpi_options', 5, 1],
  ['tcpi_wscale', 6, 1],
  ['tcpi_delivery_rate_app_limited', 7, 1],
  ['tcpi_rto', 8, 4],
  ['tcpi_ato', 12, 4],
  ['tcpi_snd_mss', 16, 4],
  ['tcpi_rcv_mss', 20, 4],
  ['tcpi_unacked', 24, 4],
  ['tcpi_sacked', 28, 4],
  ['tcpi_lost', 32, 4],
  ['tcpi_retrans', 36, 4],
  ['tcpi_fackets', 40, 4],
  ['tcpi_last_data_sent', 44, 4],
  ['tcpi_last_ack_sent', 48, 4],
  ['tcpi_last_data_recv', 52, 4],
  ['tcpi_last_ack_recv', 56, 4],
  ['tcpi_pmtu', 60, 4],
  ['tcpi_rcv_ssthresh', 64, 4],
  ['tcpi_rtt', 68, 4],
  ['tcpi_rttvar', 72, 4],
  ['tcpi_snd_ssthresh', 76, 4],
  ['tcpi_snd_cwnd', 80, 4],
  ['tcpi_advmss', 84, 4],
  ['tcpi_reordering', 88, 4],
  ['tcpi_rcv_rtt', 92, 4],
  ['tcpi_rcv_space', 96, 4],
  ['tcpi_total_retrans', 100, 4],
  ['tcpi_pacing_rate', 104, 8],
  ['tcpi_max_pacing_rate', 112, 8],
  ['tcpi_bytes_acked', 120, 8],
  ['tcpi_bytes_received', 128, 8],
  ['tcpi_segs_out', 136, 4],
  ['tcpi_segs_in', 140, 4],
  ['tcpi_notsent_bytes', 144, 4],
  ['tcpi_min_rtt', 148, 4],
  ['tcpi_data_segs_in', 152, 4],
  ['tcpi_data_segs_out', 156, 4],
  ['tcpi_delivery_rate', 160, 8],
  ['tcpi_busy_time', 168, 8],
  ['tcpi_rwnd_limited', 176, 8],
  ['tcpi_sndbuf_limited', 184, 8],
  ['tcpi_delivered', 192, 4],
  ['tcpi_delivered_ce', 196, 4],
  ['tcpi_bytes_sent', 200, 8],
  ['tcpi_bytes_retrans', 208, 8],
  ['tcpi_dsack_dups', 216, 4],
  ['tcpi_reord_seen', 220, 4],
  ['tcpi_rcv_ooopack', 224, 4],
  ['tcpi_snd_wnd', 228, 4],
  ['tcpi_rcv_wnd', 232, 4],
  ['tcpi_rehash', 236, 4],
  ['tcpi_total_rto', 240, 2],
  ['tcpi_total_rto_recoveries', 242, 2],
  ['tcpi_total_rto_time', 244, 4],
  ['tcpi_received_ce', 248, 4],
  ['tcpi_delivered_e1_bytes', 252, 4],
  ['tcpi_delivered_e0_bytes', 256, 4],
  ['tcpi_delivered_ce_bytes', 260, 4],
  ['tcpi_received_e1_bytes', 264, 4],
  ['tcpi_received_e0_bytes', 268, 4],
  ['tcpi_received_ce_bytes', 272, 4],
  ['tcpi_accecn_fail_mode', 276, 2],
  ['tcpi_accecn_opt_seen', 278, 2],
] as const;

export const TCP_INFO_SIZE = 280;

export type tcp_info = { [name in (typeof TCP_INFO_LAYOUT)[number][0] | 'tcpi_fastopen_client_fail']: number };

/** What struct tcp_info's bytes say, for programs. */
export function tcp_info_parse(bytes: Uint8Array): tcp_info {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const info = {} as tcp_info;
  for (const [name, at, size] of TCP_INFO_LAYOUT) {
    if (size === 1) info[name] = view.getUint8(at);
    else if (size === 2) info[name] = view.getUint16(at, true);
    else if (size === 4) info[name] = view.getUint32(at, true);
    else info[name] = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  }
  // Two fields of one byte: a bit, and two above it.
  info.tcpi_fastopen_client_fail = (info.tcpi_delivery_rate_app_limited >> 1) & 3;
  info.tcpi_delivery_rate_app_limited &= 1;
  return info;
}

/** struct tcp_info as a program on a little-endian machine gets it. */
export function tcp_info_bytes(info: tcp_info): Uint8Array {
  const bytes = new Uint8Array(TCP_INFO_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [name, at, size] of TCP_INFO_LAYOUT) {
    const value = info[name];
    if (size === 1) view.setUint8(at, value);
    else if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    if (size === 8) view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }
  bytes[7] = (bytes[7] as number) | (info.tcpi_fastopen_client_fail << 1);
  return bytes;
}

/** A rate: no limit is all ones, in 64 bits. */
function rate64(rate: number): number {
  return rate === SK_PACING_UNLIMITED ? 2 ** 64 - 2048 : rate;
}

/** tcp_compute_delivery_rate: bytes a second. */
function tcp_compute_delivery_rate(sk: tcp_sock): number {
  if (sk.rate_delivered === 0 || sk.rate_interval_us === 0) return 0;
  return Math.floor((sk.rate_delivered * sk.mss_cache * 1e6) / sk.rate_interval_us);
}

/** µs in one of the sender's states, the present one included (tcp_get_info_chrono_stats). */
function chrono(sk: tcp_sock, type: number, stat: number, now: number): number {
  return (stat + (sk.chrono_type === type ? now - sk.chrono_start : 0)) * jiffies_to_usecs(1);
}

/** tcp_get_info */
export function tcp_get_info(sk: tcp_sock): tcp_info {
  const info = {} as tcp_info;
  for (const [name] of TCP_INFO_LAYOUT) info[name] = 0;
  info.tcpi_fastopen_client_fail = 0;
  info.tcpi_state = sk.sk_state;
  info.tcpi_pacing_rate = rate64(sk.sk_pacing_rate);
  info.tcpi_max_pacing_rate = rate64(sk.opts.sk_max_pacing_rate);
  info.tcpi_reordering = sk.slow.reordering;
  info.tcpi_snd_cwnd = sk.snd_cwnd;
  if (sk.sk_state === TCP_LISTEN) {
    info.tcpi_unacked = sk.sk_ack_backlog;
    info.tcpi_sacked = sk.sk_max_ack_backlog;
    return info;
  }
  const { rx_opt, kernel } = sk;
  const now = tcp_jiffies(kernel);
  info.tcpi_ca_state = sk.icsk_ca_state;
  info.tcpi_retransmits = sk.icsk_retransmits;
  info.tcpi_probes = sk.icsk_probes_out;
  info.tcpi_backoff = sk.icsk_backoff;
  if (rx_opt.tstamp_ok !== 0) info.tcpi_options |= TCPI_OPT_TIMESTAMPS;
  if (rx_opt.sack_ok !== 0) info.tcpi_options |= TCPI_OPT_SACK;
  if (rx_opt.wscale_ok !== 0) {
    info.tcpi_options |= TCPI_OPT_WSCALE;
    info.tcpi_wscale = rx_opt.snd_wscale | (rx_opt.rcv_wscale << 4);
  }
  if ((sk.ecn_flags & TCP_ECN_MODE_ANY) !== 0) info.tcpi_options |= TCPI_OPT_ECN;
  if ((sk.ecn_flags & TCP_ECN_SEEN) !== 0) info.tcpi_options |= TCPI_OPT_ECN_SEEN;
  if (sk.slow.syn_data_acked !== 0) info.tcpi_options |= TCPI_OPT_SYN_DATA;
  if (sk.slow.syn_fastopen_child !== 0) info.tcpi_options |= TCPI_OPT_TFO_CHILD;
  info.tcpi_fastopen_client_fail = sk.slow.fastopen_client_fail;
  info.tcpi_rto = jiffies_to_usecs(sk.icsk_rto);
  info.tcpi_ato = jiffies_to_usecs(Math.min(sk.icsk_ack_ato, sk.opts.icsk_delack_max));
  info.tcpi_snd_mss = sk.mss_cache;
  info.tcpi_rcv_mss = sk.icsk_ack_rcv_mss;
  info.tcpi_unacked = sk.packets_out;
  info.tcpi_sacked = sk.sacked_out;
  info.tcpi_lost = sk.lost_out;
  info.tcpi_retrans = sk.retrans_out;
  info.tcpi_last_data_sent = now - sk.lsndtime;
  info.tcpi_last_data_recv = now - sk.icsk_ack_lrcvtime;
  info.tcpi_last_ack_recv = now - sk.rcv_tstamp;
  info.tcpi_pmtu = sk.icsk_pmtu_cookie;
  info.tcpi_rcv_ssthresh = sk.rcv_ssthresh;
  info.tcpi_rtt = sk.srtt_us / 8;
  info.tcpi_rttvar = sk.mdev_us / 4;
  info.tcpi_snd_ssthresh = sk.snd_ssthresh;
  info.tcpi_advmss = sk.advmss;
  info.tcpi_rcv_rtt = sk.rcv_rtt_est_rtt_us / 8;
  info.tcpi_rcv_space = sk.rcvq_space_space;
  info.tcpi_total_retrans = sk.slow.total_retrans;
  info.tcpi_bytes_acked = sk.bytes_acked;
  info.tcpi_bytes_received = sk.bytes_received;
  info.tcpi_segs_out = sk.segs_out;
  info.tcpi_segs_in = sk.segs_in;
  info.tcpi_notsent_bytes = Math.max(0, (sk.write_seq - sk.snd_nxt) | 0);
  info.tcpi_min_rtt = tcp_min_rtt(sk) === TCP_NO_RTT ? 0xffffffff : tcp_min_rtt(sk);
  info.tcpi_data_segs_in = sk.data_segs_in;
  info.tcpi_data_segs_out = sk.data_segs_out;
  info.tcpi_delivery_rate_app_limited = sk.rate_app_limited !== 0 ? 1 : 0;
  info.tcpi_delivery_rate = tcp_compute_delivery_rate(sk);
  const rwnd = chrono(sk, TCP_CHRONO_RWND_LIMITED, sk.slow.chrono_stat_rwnd, now);
  const sndbuf = chrono(sk, TCP_CHRONO_SNDBUF_LIMITED, sk.slow.chrono_stat_sndbuf, now);
  info.tcpi_rwnd_limited = rwnd;
  info.tcpi_sndbuf_limited = sndbuf;
  info.tcpi_busy_time = chrono(sk, TCP_CHRONO_BUSY, sk.chrono_stat_busy, now) + rwnd + sndbuf;
  info.tcpi_delivered = sk.delivered;
  info.tcpi_delivered_ce = sk.slow.delivered_ce;
  info.tcpi_received_ce = sk.slow.received_ce;
  info.tcpi_received_e1_bytes = sk.slow.received_e1_bytes;
  info.tcpi_received_e0_bytes = sk.slow.received_e0_bytes;
  info.tcpi_received_ce_bytes = sk.slow.received_ce_bytes;
  const { accecn } = sk.slow;
  if (accecn !== null) {
    info.tcpi_delivered_e1_bytes = accecn.delivered_ecn_bytes[0] as number;
    info.tcpi_delivered_e0_bytes = accecn.delivered_ecn_bytes[1] as number;
    info.tcpi_delivered_ce_bytes = accecn.delivered_ecn_bytes[2] as number;
    info.tcpi_accecn_fail_mode = accecn.accecn_fail_mode;
    info.tcpi_accecn_opt_seen = accecn.saw_accecn_opt;
  }
  info.tcpi_bytes_sent = sk.bytes_sent;
  info.tcpi_bytes_retrans = sk.slow.bytes_retrans;
  info.tcpi_dsack_dups = sk.slow.dsack_dups;
  info.tcpi_reord_seen = sk.slow.reord_seen;
  info.tcpi_rcv_ooopack = sk.slow.rcv_ooopack;
  info.tcpi_snd_wnd = sk.snd_wnd;
  info.tcpi_rcv_wnd = sk.rcv_wnd;
  info.tcpi_rehash = sk.slow.timeout_rehash;
  info.tcpi_total_rto = sk.slow.total_rto;
  info.tcpi_total_rto_recoveries = sk.slow.total_rto_recoveries;
  info.tcpi_total_rto_time = sk.slow.total_rto_time;
  if (sk.slow.rto_stamp !== 0) info.tcpi_total_rto_time += Math.floor(kernel.clock.now / 1e6) - sk.slow.rto_stamp;
  return info;
}
