/**
 * TCP Fast Open (net/ipv4/tcp_fastopen.c, RFC 7413): data in the SYN, from a client that shows by a cookie that it has been
 * at its address before. The server's half makes a full sock out of the SYN; the client's sends the data, and again
 * where it was not taken.
 */

import { EALREADY, EOPNOTSUPP } from '../../errno.ts';
import { O_NONBLOCK } from '../../fs/file.ts';
import { siphash, siphash_key } from '../../lib/siphash.ts';
import { swab32 } from '../../lib/swab.ts';
import { ERESTARTSYS, type task_struct } from '../../sched/task.ts';
import { HZ } from '../../time/timer.ts';
import { type dst_entry, dst_metric } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { IFF_LOOPBACK } from '../core/netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff, skb_clone, skb_pull } from '../core/skbuff.ts';
import { TCP_CLOSE, TCP_SYN_RECV } from '../core/sock.ts';
import { AF_UNSPEC, MSG_DONTWAIT, type msghdr } from '../msg.ts';
import type { socket } from '../socket.ts';
import { RTAX_FASTOPEN_NO_COOKIE } from './fib.ts';
import { __inet_stream_connect } from './inet_stream.ts';
import { fastopen_queue } from './request_sock.ts';
import { tcp_set_state } from './tcp.ts';
import { tcp_chrono_start } from './tcp_cwnd.ts';
import { tcp_fin } from './tcp_data.ts';
import { tcp_init_transfer } from './tcp_input.ts';
import { sk_forced_mem_schedule, sk_wmem_schedule, tcp_set_owner_r } from './tcp_mem.ts';
import { tcp_fastopen_cache_get, tcp_fastopen_cache_set, tcp_metrics_table } from './tcp_metrics.ts';
import { __tcp_mtu_to_mss, tcp_mss_clamp } from './tcp_mss.ts';
import { tcp_parse_options } from './tcp_options.ts';
import { tcp_connect, tcp_connect_queue_skb, tcp_sync_mss, tcp_transmit_skb } from './tcp_output.ts';
import { tcp_mark_skb_lost, tcp_non_congestion_loss_retransmit } from './tcp_recovery.ts';
import { tcp_skb_add_data } from './tcp_sendmsg.ts';
import {
  ICSK_TIME_RETRANS,
  MAX_TCP_OPTION_SPACE,
  own_rtx_queue,
  own_slow,
  own_write_queue,
  TCP_CHRONO_BUSY,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_SYN,
  tcp_clear_options,
  tcp_hdrlen,
  tcp_jiffies,
  type tcp_request_sock,
  tcp_rtx_queue_head,
  tcp_skb_cb_init,
  type tcp_sock,
  tcp_stream_alloc_skb,
  th_window,
} from './tcp_sock.ts';
import { inet_csk_reset_xmit_timer, tcp_timeout_init } from './tcp_timer.ts';

/** net.ipv4.tcp_fastopen: what is allowed, by bits. */
export const TFO_CLIENT_ENABLE = 1;
export const TFO_SERVER_ENABLE = 2;
export const TFO_CLIENT_NO_COOKIE = 4;
export const TFO_SERVER_COOKIE_NOT_REQD = 0x200;
export const TFO_SERVER_WO_SOCKOPT1 = 0x400;

/** Bytes of cookies (RFC 7413 4.1.1): what may come, and what this host makes; and of keys: one, and two. */
export const TCP_FASTOPEN_COOKIE_MIN = 4;
export const TCP_FASTOPEN_COOKIE_MAX = 16;
export const TCP_FASTOPEN_COOKIE_SIZE = 8;
export const TCP_FASTOPEN_KEY_LENGTH = 16;
export const TCP_FASTOPEN_KEY_BUF_LENGTH = 2 * TCP_FASTOPEN_KEY_LENGTH;

/** tcpi_fastopen_client_fail: why the data of a SYN was not taken. */
export const TFO_STATUS_UNSPEC = 0;
export const TFO_COOKIE_UNAVAILABLE = 1;
export const TFO_DATA_NOT_ACKED = 2;
export const TFO_SYN_RETRANSMITTED = 3;

/** struct tcp_fastopen_cookie: `len` 0 asks for one, -1: there is no option. `exp` 1: the experimental option (RFC 6994). */
export class tcp_fastopen_cookie {
  readonly val = new Uint8Array(TCP_FASTOPEN_COOKIE_MAX);
  len = -1;
  exp = 0;

  copy(from: tcp_fastopen_cookie): void {
    this.val.set(from.val);
    this.len = from.len;
    this.exp = from.exp;
  }

  equals(other: tcp_fastopen_cookie): boolean {
    if (this.len !== other.len) return false;
    for (let i = 0; i < this.len; i++) if (this.val[i] !== other.val[i]) return false;
    return true;
  }
}

/** struct tcp_fastopen_context: the key that cookies are made with, and perhaps an older one that is still taken. */
export class tcp_fastopen_context {
  readonly key: readonly siphash_key[];

  constructor(key: readonly siphash_key[]) {
    this.key = key;
  }
}

/** struct tcp_fastopen_request: what the client's SYN is to carry. */
export class tcp_fastopen_request {
  readonly cookie = new tcp_fastopen_cookie();
  /** The program's message while some of it is not yet in a packet; null: nothing is left, or it was a mere connect. */
  data: msghdr | null = null;
  size = 0;
  /** Bytes that went with the SYN. */
  copied = 0;
  /** Who waits for the connection in this very call. */
  task: task_struct | null = null;

  constructor() {
    this.cookie.len = 0;
  }
}

/** What a net keeps of Fast Open (struct netns_ipv4: tcp_fastopen_ctx, tfo_active_disable_times …). */
export class tcp_fastopen_state {
  /** Made when it is first needed, or set (net.ipv4.tcp_fastopen_key). */
  ctx: tcp_fastopen_context | null = null;
  readonly metrics: tcp_metrics_table;
  /** How often in a row Fast Open was switched off for a while, and when it was last (jiffies). */
  active_disable_times = 0;
  active_disable_stamp = 0;
  /** Bytes of the last tcp_sendmsg_fastopen that went with the SYN. */
  copied_syn = 0;
  /** Scratch: the option of the segment in hand, and the cookies that it is compared with. */
  readonly foc = new tcp_fastopen_cookie();
  readonly valid_foc = new tcp_fastopen_cookie();
  readonly search_foc = new tcp_fastopen_cookie();
  readonly words = new Int32Array(2);

  constructor(net: net) {
    this.metrics = new tcp_metrics_table(net);
  }
}

// ---- keys and cookies -----------------------------------------------------------------------------------------------

/** tcp_fastopen_init_key_once: a key by chance, unless there is one. */
export function tcp_fastopen_init_key_once(net: net): void {
  const { fastopen } = net.ipv4.tcp;
  if (fastopen.ctx !== null) return;
  const random = net.kernel.arch.random('tcp.fastopen');
  fastopen.ctx = new tcp_fastopen_context([new siphash_key(random.u32(), random.u32(), random.u32(), random.u32())]);
}

/** tcp_fastopen_reset_cipher: the bytes of one key or of two, for a listener, or (`sk` null) for all without their own. */
export function tcp_fastopen_reset_cipher(net: net, sk: tcp_sock | null, bytes: Uint8Array): void {
  const keys: siphash_key[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += TCP_FASTOPEN_KEY_LENGTH) {
    const word = (i: number): number => view.getInt32(at + 4 * i, true);
    keys.push(new siphash_key(word(0), word(1), word(2), word(3)));
  }
  const ctx = new tcp_fastopen_context(keys);
  if (sk === null) net.ipv4.tcp.fastopen.ctx = ctx;
  else fastopenq_of(sk).ctx = ctx;
}

/** tcp_fastopen_get_cipher: the bytes of the keys in use; none before a key was needed. */
export function tcp_fastopen_get_cipher(net: net, sk: tcp_sock | null): Uint8Array {
  const ctx = sk?.fastopenq?.ctx ?? net.ipv4.tcp.fastopen.ctx;
  const keys = ctx === null ? [] : ctx.key;
  const bytes = new Uint8Array(keys.length * TCP_FASTOPEN_KEY_LENGTH);
  const view = new DataView(bytes.buffer);
  keys.forEach(({ words }, i) => {
    words.forEach((word, j) => {
      view.setInt32(i * TCP_FASTOPEN_KEY_LENGTH + 4 * j, word, true);
    });
  });
  return bytes;
}

/** The listener's side of Fast Open, made when a program first asks for it. */
function fastopenq_of(sk: tcp_sock): fastopen_queue {
  sk.fastopenq ??= new fastopen_queue();
  return sk.fastopenq;
}

/** fastopen_queue_tune: so many connections may wait for the third segment (TCP_FASTOPEN). */
export function fastopen_queue_tune(sk: tcp_sock, backlog: number): void {
  fastopenq_of(sk).max_qlen = Math.min(backlog >>> 0, sk.sk_net.sysctl.somaxconn);
}

/** __tcp_fastopen_cookie_gen_cipher: a keyed hash of both addresses, as they stand in the SYN. */
function cookie_gen(
  state: tcp_fastopen_state,
  req: tcp_request_sock,
  key: siphash_key,
  foc: tcp_fastopen_cookie,
): void {
  const { words } = state;
  words[0] = swab32(req.ir_rmt_addr);
  words[1] = swab32(req.ir_loc_addr);
  const low = siphash(words, 2, key);
  const { high } = key;
  for (let i = 0; i < 4; i++) {
    foc.val[i] = low >>> (8 * i);
    foc.val[i + 4] = high >>> (8 * i);
  }
  foc.len = TCP_FASTOPEN_COOKIE_SIZE;
}

/** tcp_fastopen_cookie_gen_check: 0: no cookie of ours; 1: made with the present key; 2: with the one before. */
function cookie_check(
  state: tcp_fastopen_state,
  ctx: tcp_fastopen_context | null,
  req: tcp_request_sock,
  orig: tcp_fastopen_cookie,
): number {
  if (ctx === null) return 0;
  let foc = state.valid_foc;
  for (const [i, key] of ctx.key.entries()) {
    cookie_gen(state, req, key, foc);
    if (foc.equals(orig)) return i + 1;
    foc = state.search_foc;
  }
  return 0;
}

/** tcp_fastopen_no_cookie: sysctl, socket or route say that it goes without. */
function tcp_fastopen_no_cookie(sk: tcp_sock, dst: dst_entry | null, flag: number): boolean {
  return (
    (sk.sk_net.ipv4.tcp_fastopen & flag) !== 0 ||
    sk.opts.fastopen_no_cookie !== 0 ||
    (dst !== null && dst_metric(dst, RTAX_FASTOPEN_NO_COOKIE) !== 0)
  );
}

// ---- server ---------------------------------------------------------------------------------------------------------

/**
 * tcp_fastopen_queue_check: has the listener Fast Open, and room for one more connection whose client has not proven to be
 * there? One that a RST has ended counts for a minute more, against floods from forged addresses.
 */
function tcp_fastopen_queue_check(sk: tcp_sock): boolean {
  const { fastopenq } = sk;
  if (fastopenq === null || fastopenq.max_qlen === 0) return false;
  if (fastopenq.qlen < fastopenq.max_qlen) return true;
  const req = fastopenq.rskq_rst_head;
  if (req === null || req.rst_expires > sk.kernel.timers.jiffies()) {
    sk.sk_net.ipv4.mib.TcpExtTCPFastOpenListenOverflow++;
    return false;
  }
  fastopenq.rskq_rst_head = req.dl_next;
  fastopenq.qlen--;
  return true;
}

/** tcp_fastopen_add_skb: what a SYN (or SYN/ACK) carries besides goes to the receive queue. Does not take the skb. */
export function tcp_fastopen_add_skb(sk: tcp_sock, skb: sk_buff): void {
  if (skb.end_seq === sk.rcv_nxt) return;
  const clone = skb_clone(skb);
  if (clone === null) return;
  clone.dev = null;
  clone.dst = null;
  // tcp_segs_in: the segment that made the sock was counted before it was known to have data.
  const segs = Math.max(1, clone.gso_segs);
  const header = tcp_hdrlen(clone);
  sk.segs_in = segs;
  if (clone.len > header) sk.data_segs_in += segs;
  skb_pull(clone, header);
  sk_forced_mem_schedule(sk, clone.truesize);
  tcp_set_owner_r(clone, sk);
  tcp_skb_cb_init(clone);
  clone.seq = (skb.seq + 1) | 0;
  clone.end_seq = skb.end_seq;
  clone.tcp_flags = skb.tcp_flags & ~TCPHDR_SYN;
  clone.ip_dsfield = skb.ip_dsfield;
  sk.rcv_nxt = clone.end_seq;
  sk.sk_receive_queue.push(clone);
  const tp = sk.kernel.trace.sock_queue_rcv_skb;
  if (tp !== null) tp(clone, sk);
  own_slow(sk).syn_data_acked = 1;
  sk.bytes_received = clone.len;
  if ((clone.tcp_flags & TCPHDR_FIN) !== 0) tcp_fin(sk);
}

/** tcp_fastopen_create_child: a sock in SYN_RECV that can be read from and written to. Null: no room. */
function tcp_fastopen_create_child(sk: tcp_sock, skb: sk_buff, req: tcp_request_sock): tcp_sock | null {
  const child = sk.icsk_af_ops.syn_recv_sock(sk, skb, req);
  if (child === null) return null;
  const fastopenq = sk.fastopenq as fastopen_queue;
  fastopenq.qlen++;
  req.fastopenq = fastopenq;
  own_slow(child).fastopen_rsk = req;
  // RFC 7323 2.2: a SYN's window is not scaled.
  child.snd_wnd = th_window(skb);
  child.max_window = child.snd_wnd;
  // The request is in no table: the child itself repeats the SYN/ACK.
  req.timeout = tcp_timeout_init(child);
  inet_csk_reset_xmit_timer(child, ICSK_TIME_RETRANS, req.timeout);
  tcp_init_transfer(child);
  child.rcv_nxt = (skb.seq + 1) | 0;
  tcp_fastopen_add_skb(child, skb);
  req.rcv_nxt = child.rcv_nxt;
  child.rcv_wup = child.rcv_nxt;
  return child;
}

/**
 * tcp_try_fastopen: a SYN with data, with a cookie or with a request for one (`foc`). The child that came of it; null: an
 * ordinary handshake, in whose SYN/ACK `foc` goes back, unless its length is -1.
 */
export function tcp_try_fastopen(
  sk: tcp_sock,
  skb: sk_buff,
  req: tcp_request_sock,
  foc: tcp_fastopen_cookie,
  dst: dst_entry,
): tcp_sock | null {
  const { ipv4 } = sk.sk_net;
  const { mib } = ipv4;
  const state = ipv4.tcp.fastopen;
  if (foc.len === 0) mib.TcpExtTCPFastOpenCookieReqd++;
  const syn_data = skb.end_seq !== ((skb.seq + 1) | 0);
  if ((ipv4.tcp_fastopen & TFO_SERVER_ENABLE) === 0 || !(syn_data || foc.len >= 0) || !tcp_fastopen_queue_check(sk)) {
    foc.len = -1;
    return null;
  }
  const { valid_foc } = state;
  valid_foc.len = -1;
  let good = tcp_fastopen_no_cookie(sk, dst, TFO_SERVER_COOKIE_NOT_REQD);
  let which = 0;
  if (!good) {
    const ctx = sk.fastopenq?.ctx ?? state.ctx;
    if (foc.len === 0) {
      if (ctx !== null) cookie_gen(state, req, ctx.key[0] as siphash_key, valid_foc);
    } else if (foc.len > 0) {
      which = cookie_check(state, ctx, req, foc);
      good = which !== 0;
      if (!good) mib.TcpExtTCPFastOpenPassiveFail++;
    }
  }
  if (good) {
    // A SYN without data, too: the program may be the one that speaks first.
    const child = tcp_fastopen_create_child(sk, skb, req);
    if (child !== null) {
      if (which === 2) {
        valid_foc.exp = foc.exp;
        foc.copy(valid_foc);
        mib.TcpExtTCPFastOpenPassiveAltKey++;
      } else {
        foc.len = -1;
      }
      mib.TcpExtTCPFastOpenPassive++;
      own_slow(child).syn_fastopen_child = 1;
      return child;
    }
    mib.TcpExtTCPFastOpenPassiveFail++;
  }
  valid_foc.exp = foc.exp;
  foc.copy(valid_foc);
  return null;
}

/** tcp_passive_fastopen: made out of a SYN whose client has not answered the SYN/ACK yet. */
export function tcp_passive_fastopen(sk: tcp_sock): boolean {
  return sk.sk_state === TCP_SYN_RECV && sk.slow.fastopen_rsk !== null;
}

// ---- client ---------------------------------------------------------------------------------------------------------

/** tcp_free_fastopen_req */
export function tcp_free_fastopen_req(sk: tcp_sock): void {
  if (sk.slow.fastopen_req !== null) own_slow(sk).fastopen_req = null;
}

/**
 * tcp_fastopen_cookie_check: may the SYN carry data? With the cookie that is left in `cookie`, or without one when its
 * length is negative. `mss_clamp` becomes the server's last one, where it is known.
 */
function tcp_fastopen_cookie_check(sk: tcp_sock, cookie: tcp_fastopen_cookie): boolean {
  const mss = tcp_fastopen_cache_get(sk, cookie);
  if (mss !== 0) sk.rx_opt.mss_clamp = mss;
  if (tcp_fastopen_active_should_disable(sk)) {
    cookie.len = -1;
    return false;
  }
  if (tcp_fastopen_no_cookie(sk, sk.sk_dst_cache, TFO_CLIENT_NO_COOKIE)) {
    cookie.len = -1;
    return true;
  }
  if (cookie.len > 0) return true;
  own_slow(sk).fastopen_client_fail = TFO_COOKIE_UNAVAILABLE;
  return false;
}

/**
 * tcp_fastopen_defer_connect: TCP_FASTOPEN_CONNECT: with a cookie at hand connect(2) waits for the first write. True: it
 * does; else the SYN shall ask for a cookie.
 */
export function tcp_fastopen_defer_connect(sk: tcp_sock): boolean {
  if (sk.opts.fastopen_connect === 0 || sk.slow.fastopen_req !== null) return false;
  const request = new tcp_fastopen_request();
  const { mss_clamp } = sk.rx_opt;
  const good = tcp_fastopen_cookie_check(sk, request.cookie);
  sk.rx_opt.mss_clamp = mss_clamp;
  if (good) {
    own_slow(sk).defer_connect = 1;
    return true;
  }
  own_slow(sk).fastopen_req = request;
  return false;
}

/**
 * tcp_sendmsg_fastopen: connect and send in one (MSG_FASTOPEN, or the write that a deferred connect has waited for).
 *
 * @returns 0: connected, go on with what is left; -EINPROGRESS: begun, and not waited for; -ERESTARTSYS: the task sleeps; or
 *   -EOPNOTSUPP, -EALREADY, and what connect(2) says. `copied_syn` of the net's state is what went with the SYN
 */
export function tcp_sendmsg_fastopen(sk: tcp_sock, msg: msghdr, size: number): number {
  const { ipv4 } = sk.sk_net;
  const state = ipv4.tcp.fastopen;
  const { msg_name: addr, msg_task: task } = msg;
  state.copied_syn = 0;
  let request = sk.slow.fastopen_req;
  const begun = request !== null && task !== null && request.task === task && task.call.restarted;
  if (!begun) {
    if ((ipv4.tcp_fastopen & TFO_CLIENT_ENABLE) === 0) return -EOPNOTSUPP;
    if (addr !== null && addr.sa_family === AF_UNSPEC) return -EOPNOTSUPP;
    if (request !== null) return -EALREADY;
    request = new tcp_fastopen_request();
    request.data = msg;
    request.size = size;
    request.task = task;
    own_slow(sk).fastopen_req = request;
    if (sk.slow.defer_connect !== 0 && tcp_connect(sk) < 0) {
      // As when connect(2) fails.
      tcp_set_state(sk, TCP_CLOSE);
      sk.inet_dport = 0;
    }
  }
  const flags = (msg.flags & MSG_DONTWAIT) !== 0 ? O_NONBLOCK : 0;
  const err = __inet_stream_connect(sk.sk_socket as socket, addr, flags, task, begun, true);
  if (err === -ERESTARTSYS) return err;
  // A connection that failed has taken it along.
  if (sk.slow.fastopen_req !== null) {
    state.copied_syn = sk.slow.fastopen_req.copied;
    tcp_free_fastopen_req(sk);
    own_slow(sk).defer_connect = 0;
  }
  return err;
}

/** The packet that carries SYN and data; null without memory, or when the program's pointer is a bad one. */
function make_syn_data(sk: tcp_sock, syn: sk_buff, fo: tcp_fastopen_request): sk_buff | null {
  // Room is left for options that something on the way may add.
  let space = Math.min(__tcp_mtu_to_mss(sk, sk.icsk_pmtu_cookie) - MAX_TCP_OPTION_SPACE, fo.size);
  const skb = tcp_stream_alloc_skb(sk, space);
  if (skb === null) return null;
  // tcp_wmem_schedule
  if (space > 0 && !sk_wmem_schedule(sk, space)) space = Math.max(0, Math.min(space, sk.sk_forward_alloc));
  if (space > 0 && !tcp_skb_add_data(skb, fo.data as msghdr, 0, space)) {
    kfree_skb_reason(skb, SKB_DROP_REASON.SKB_UCOPY_FAULT);
    return null;
  }
  skb.seq = syn.seq;
  skb.end_seq = (syn.end_seq + space) | 0;
  skb.tcp_flags = syn.tcp_flags;
  skb.gso_segs = 1;
  skb.gso_size = 0;
  fo.copied = space;
  // Nothing is left that a waiting connect would have to hurry for.
  if (space === fo.size) fo.data = null;
  return skb;
}

/** Sends it, and leaves the data without the SYN in the queue: of what was sent, or of what is still to be sent. */
function transmit_syn_data(sk: tcp_sock, syn: sk_buff, skb: sk_buff, fo: tcp_fastopen_request): number {
  tcp_connect_queue_skb(sk, skb);
  if (skb.len !== 0) tcp_chrono_start(sk, TCP_CHRONO_BUSY);
  const err = tcp_transmit_skb(sk, skb, true);
  syn.skb_mstamp = skb.skb_mstamp;
  skb.seq = (skb.seq + 1) | 0;
  skb.tcp_flags = TCPHDR_ACK | TCPHDR_PSH;
  if (err === 0) {
    own_slow(sk).syn_data = fo.copied > 0 ? 1 : 0;
    own_rtx_queue(sk).push(skb);
    sk.sk_net.ipv4.mib.TcpExtTCPOrigDataSent++;
  } else {
    own_write_queue(sk).push(skb);
    sk.packets_out -= 1;
  }
  return err;
}

/**
 * tcp_send_syn_data: the SYN with what a segment takes of the program's data. Behind `syn`, which is in the retransmit queue
 * and will be repeated alone, the data is queued as if it had been sent after it.
 *
 * @returns as tcp_transmit_skb
 */
export function tcp_send_syn_data(sk: tcp_sock, syn: sk_buff): number {
  const fo = sk.slow.fastopen_req as tcp_fastopen_request;
  const { rx_opt } = sk;
  rx_opt.mss_clamp = sk.advmss;
  if (tcp_fastopen_cookie_check(sk, fo.cookie)) {
    rx_opt.mss_clamp = tcp_mss_clamp(sk, rx_opt.mss_clamp);
    tcp_sync_mss(sk, sk.icsk_pmtu_cookie);
    const data = make_syn_data(sk, syn, fo);
    if (data !== null) {
      const err = transmit_syn_data(sk, syn, data, fo);
      if (err === 0) {
        // Not in retransmissions.
        fo.cookie.len = -1;
        return 0;
      }
    }
  }
  // Without data, but with a request for a cookie.
  if (fo.cookie.len > 0) fo.cookie.len = 0;
  const err = tcp_transmit_skb(sk, syn, true);
  if (err !== 0) own_slow(sk).syn_fastopen = 0;
  fo.cookie.len = -1;
  return err;
}

/**
 * tcp_rcv_fastopen_synack: the answer to a SYN with Fast Open: what it says is kept for the next time. True: data of the SYN
 * was not acknowledged, and goes again. Does not take the skb.
 */
export function tcp_rcv_fastopen_synack(sk: tcp_sock, synack: sk_buff, cookie: tcp_fastopen_cookie): boolean {
  const { mib, tcp } = sk.sk_net.ipv4;
  const { rx_opt } = sk;
  const data = sk.slow.syn_data !== 0 ? tcp_rtx_queue_head(sk) : null;
  let mss = rx_opt.mss_clamp;
  let syn_drop = false;
  let try_exp = 0;
  if (mss === rx_opt.user_mss) {
    // What the server has said, not what the program has made of it.
    const opt = tcp.tmp_opt;
    tcp_clear_options(opt);
    opt.user_mss = 0;
    opt.mss_clamp = 0;
    tcp_parse_options(sk.sk_net, synack, opt, 0);
    mss = opt.mss_clamp;
  }
  if (sk.slow.syn_fastopen === 0) {
    // Nobody has asked for it.
    cookie.len = -1;
  } else if (sk.slow.total_retrans !== 0) {
    // Only the SYN that was sent again has arrived, it seems: the one with data, or its answer, was lost.
    syn_drop = cookie.len < 0 && data !== null;
  } else if (cookie.len < 0 && sk.slow.syn_data === 0) {
    try_exp = sk.slow.syn_fastopen_exp !== 0 ? 2 : 1;
  }
  tcp_fastopen_cache_set(sk, mss, cookie, syn_drop, try_exp);
  if (data !== null) {
    own_slow(sk).fastopen_client_fail = sk.slow.total_retrans !== 0 ? TFO_SYN_RETRANSMITTED : TFO_DATA_NOT_ACKED;
    for (let skb: sk_buff | null = data; skb !== null; skb = skb.next) tcp_mark_skb_lost(sk, skb);
    tcp_non_congestion_loss_retransmit(sk);
    mib.TcpExtTCPFastOpenActiveFail++;
    return true;
  }
  own_slow(sk).syn_data_acked = sk.slow.syn_data;
  if (sk.slow.syn_data_acked !== 0) {
    mib.TcpExtTCPFastOpenActive++;
    // SYN and data were one packet.
    if (sk.delivered > 1) sk.delivered--;
  }
  tcp_fastopen_add_skb(sk, synack);
  return false;
}

// ---- black holes ----------------------------------------------------------------------------------------------------

/** tcp_fastopen_active_disable: somebody on the way does not like it: no data in SYNs for a while, each time longer. */
function tcp_fastopen_active_disable(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  if (ipv4.tcp_fastopen_blackhole_timeout_sec === 0) return;
  const { fastopen } = ipv4.tcp;
  fastopen.active_disable_stamp = tcp_jiffies(sk.kernel);
  fastopen.active_disable_times++;
  ipv4.mib.TcpExtTCPFastOpenBlackhole++;
}

/** tcp_fastopen_active_should_disable: is it in such a while now? */
function tcp_fastopen_active_should_disable(sk: tcp_sock): boolean {
  const { tcp_fastopen_blackhole_timeout_sec: seconds, tcp } = sk.sk_net.ipv4;
  const { active_disable_times: times, active_disable_stamp: stamp } = tcp.fastopen;
  if (seconds === 0 || times === 0) return false;
  const timeout = seconds * HZ * 2 ** Math.min(times - 1, 6);
  if (tcp_jiffies(sk.kernel) < stamp + timeout) return true;
  // If this connection gets its data, all is well again.
  own_slow(sk).syn_fastopen_ch = 1;
  return false;
}

/**
 * tcp_fastopen_active_disable_ofo_check: a connection ends that has begun with Fast Open. Only its FIN has come, and what was
 * before it never: a black hole. Data has come after a while of caution, not just over the loopback: that is over.
 */
export function tcp_fastopen_active_disable_ofo_check(sk: tcp_sock): void {
  if (sk.slow.syn_fastopen === 0) return;
  const { fastopen } = sk.sk_net.ipv4.tcp;
  if (sk.data_segs_in === 0) {
    const skb = sk.slow.out_of_order_queue.first;
    if (skb !== null && skb.next === null && (skb.tcp_flags & TCPHDR_FIN) !== 0) tcp_fastopen_active_disable(sk);
  } else if (sk.slow.syn_fastopen_ch !== 0 && fastopen.active_disable_times !== 0) {
    const dst = sk.sk_dst_cache;
    if (dst === null || (dst.dev.flags & IFF_LOOPBACK) === 0) fastopen.active_disable_times = 0;
  }
}

/** tcp_fastopen_active_detect_blackhole: a timeout; at the third one in a row, or the last, Fast Open is to blame. */
export function tcp_fastopen_active_detect_blackhole(sk: tcp_sock, expired: boolean): void {
  if ((sk.slow.syn_fastopen | sk.slow.syn_data | sk.slow.syn_data_acked) === 0) return;
  const { icsk_retransmits: timeouts } = sk;
  if (timeouts === 2 || (timeouts < 2 && expired)) tcp_fastopen_active_disable(sk);
}
