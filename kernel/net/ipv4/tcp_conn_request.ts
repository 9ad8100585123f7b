/**
 * A SYN for a listener, and the connection that comes of it (net/ipv4/tcp_input.c: tcp_conn_request; tcp_ipv4.c:
 * tcp_v4_syn_recv_sock; inet_connection_sock.c: reqsk_timer_handler; syncookies.c: cookie_v4_check).
 */
import type { timer_list } from '../../time/timer.ts';
import { dst_metric, dst_mtu } from '../core/dst.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { own_opts, SOCK_BINDPORT_LOCK, SOCK_RCVBUF_LOCK, TCP_LISTEN, TCP_SYN_RECV } from '../core/sock.ts';
import { RTAX_INITRWND, RTAX_WINDOW } from './fib.ts';
import {
  inet_csk_reqsk_queue_add,
  inet_csk_reqsk_queue_drop,
  inet_csk_reqsk_queue_hash_add,
  inet_csk_reqsk_queue_is_full,
  inet_csk_route_req,
  sk_acceptq_is_full,
} from './inet_connection_sock.ts';
import { IPCB_optlen } from './inet_skb_parm.ts';
import { get16, iph_daddr, iph_saddr, iph_ttl } from './ip_header.ts';
import { ip_options, ip_options_echo } from './ip_options.ts';
import type { request_sock_queue } from './request_sock.ts';
import { inet_iif, RTCF_BROADCAST, RTCF_MULTICAST, type rtable } from './route.ts';
import {
  cookie_ecn_ok,
  cookie_timestamp_decode,
  cookie_v4_init_sequence,
  cookie_v4_mss,
  tcp_synq_no_recent_overflow,
} from './syncookies.ts';
import { tcp_assign_congestion_control, tcp_ca_dst_init, tcp_set_ca_state } from './tcp_cong.ts';
import { tcp_accecn_ace, tcp_accecn_synack_again, tcp_ecn_create_request } from './tcp_ecn.ts';
import { tcp_try_fastopen } from './tcp_fastopen.ts';
import { tcp_sk_alloc } from './tcp_init.ts';
import { tcp_listendrop, tcp_request_sock_ipv4_ops } from './tcp_ipv4.ts';
import { tcp_md5_key_copy } from './tcp_md5.ts';
import { tcp_peer_is_proven } from './tcp_metrics.ts';
import { reqsk_timeout, tcp_openreq_child_init, tcp_openreq_init_rwin } from './tcp_minisocks.ts';
import { tcp_parse_options } from './tcp_options.ts';
import { dst_metric_advmss, tcp_mss_clamp, tcp_select_initial_window, tcp_sync_mss } from './tcp_output.ts';
import { tcp_initialize_rcv_mss } from './tcp_rcvbuf.ts';
import { sk_setup_caps } from './tcp_route.ts';
import {
  TCP_CA_Open,
  TCPHDR_ACK,
  TCPHDR_RST,
  tcp_clear_options,
  tcp_full_space,
  type tcp_options_received,
  tcp_request_sock,
  type tcp_sock,
} from './tcp_sock.ts';
import { tcp_timeout_init } from './tcp_timer.ts';

/** tcp_syn_flood_action: the queue is full: shall a cookie be sent? */
function tcp_syn_flood_action(sk: tcp_sock): boolean {
  const { sk_net: net, kernel } = sk;
  const { mib, tcp_syncookies: mode } = net.ipv4;
  const queue = sk.icsk_accept_queue as request_sock_queue;
  if (mode !== 0) mib.TcpExtTCPReqQFullDoCookies++;
  else mib.TcpExtTCPReqQFullDrop++;
  if (!queue.synflood_warned && mode !== 2) {
    queue.synflood_warned = true;
    const what = mode !== 0 ? 'Sending cookies' : 'Dropping request';
    kernel.printk(`request_sock_TCP: Possible SYN flooding on port ${sk.inet_num}. ${what}.`);
  }
  return mode !== 0;
}

/** tcp_openreq_init: what the SYN says. */
function tcp_openreq_init(req: tcp_request_sock, opt: tcp_options_received, skb: sk_buff): void {
  const { ram } = skb;
  const th = skb.transport_header;
  req.rsk_rcv_wnd = 0;
  req.rcv_isn = skb.seq;
  req.rcv_nxt = (skb.seq + 1) | 0;
  req.mss = opt.mss_clamp;
  req.ts_recent = opt.saw_tstamp !== 0 ? opt.rcv_tsval : 0;
  req.tstamp_ok = opt.tstamp_ok;
  req.sack_ok = opt.sack_ok;
  req.snd_wscale = opt.snd_wscale;
  req.wscale_ok = opt.wscale_ok;
  req.ir_rmt_port = get16(ram, th);
  req.ir_num = get16(ram, th + 2);
  // tcp_v4_init_req
  req.ir_rmt_addr = iph_saddr(skb);
  req.ir_loc_addr = iph_daddr(skb);
  req.ireq_opt = tcp_v4_save_options(skb);
}

/** tcp_v4_save_options: RFC 9293 MUST-53: the route that the segment has come by is the way back. Null for none. */
function tcp_v4_save_options(skb: sk_buff): ip_options | null {
  if (IPCB_optlen(skb) === 0) return null;
  const opt = new ip_options();
  return ip_options_echo(skb.kernel.init_net, opt, skb) === 0 ? opt : null;
}

/** A request, not yet known to anybody. */
function reqsk_alloc(sk: tcp_sock, skb: sk_buff): tcp_request_sock {
  const req = new tcp_request_sock(sk.sk_net, tcp_request_sock_ipv4_ops, sk, reqsk_timer_handler);
  // inet_request_bound_dev_if, inet_request_mark
  req.sk_bound_dev_if = sk.sk_bound_dev_if;
  req.ir_iif = sk.sk_bound_dev_if !== 0 ? sk.sk_bound_dev_if : inet_iif(skb);
  req.ir_mark = sk.sk_mark;
  if (req.ir_mark === 0 && sk.sk_net.ipv4.tcp_fwmark_accept !== 0) req.ir_mark = skb.mark;
  return req;
}

/** tcp_v4_conn_request: what was sent to all is nobody's SYN. Does not take the skb. */
export function tcp_v4_conn_request(sk: tcp_sock, skb: sk_buff): number {
  if (((skb.dst as rtable).rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0) {
    tcp_listendrop(sk);
    return 0;
  }
  return tcp_conn_request(sk, skb);
}

/** tcp_conn_request: a SYN. Always 0: what cannot be taken is dropped in silence, and counted. */
function tcp_conn_request(sk: tcp_sock, skb: sk_buff): number {
  const { sk_net: net } = sk;
  const { ipv4 } = net;
  const { tcp } = ipv4;
  const { tcp_syncookies: syncookies } = ipv4;
  let isn = tcp.tw_isn;
  let want_cookie = false;
  if ((syncookies === 2 || inet_csk_reqsk_queue_is_full(sk)) && isn === 0) {
    want_cookie = tcp_syn_flood_action(sk);
    if (!want_cookie) {
      tcp_listendrop(sk);
      return 0;
    }
  }
  if (sk_acceptq_is_full(sk)) {
    ipv4.mib.TcpExtListenOverflows++;
    tcp_listendrop(sk);
    return 0;
  }
  const req = reqsk_alloc(sk, skb);
  req.syncookie = want_cookie ? 1 : 0;
  const opt = tcp.tmp_opt;
  tcp_clear_options(opt);
  opt.saw_tstamp = 0;
  opt.mss_clamp = req.rsk_ops.mss_clamp;
  opt.user_mss = sk.rx_opt.user_mss;
  const { foc } = tcp.fastopen;
  foc.len = -1;
  tcp_parse_options(net, skb, opt, 0, want_cookie ? null : foc);
  // Without timestamps a cookie cannot keep any option.
  if (want_cookie && opt.saw_tstamp === 0) tcp_clear_options(opt);
  opt.tstamp_ok = opt.saw_tstamp;
  tcp_openreq_init(req, opt, skb);
  const dst = inet_csk_route_req(sk, req);
  if (dst === null) {
    tcp_listendrop(sk);
    return 0;
  }
  if (opt.tstamp_ok !== 0 && ipv4.tcp_timestamps === 1) {
    req.ts_off = tcp.secure.tcp_ts_off(req.ir_loc_addr, req.ir_rmt_addr);
  }
  if (!want_cookie && isn === 0) {
    const { tcp_max_syn_backlog: max } = ipv4;
    const { qlen } = sk.icsk_accept_queue as request_sock_queue;
    // Without cookies, the last quarter of the queue is for peers that have proven to exist.
    if (syncookies === 0 && max - qlen < max >> 2 && !tcp_peer_is_proven(net, req, dst)) {
      tcp_listendrop(sk);
      return 0;
    }
    isn = tcp.secure.tcp_seq(req.ir_loc_addr, req.ir_rmt_addr, req.ir_num, req.ir_rmt_port);
  }
  tcp_ecn_create_request(req, skb, sk, dst);
  if (want_cookie) {
    isn = cookie_v4_init_sequence(sk, req);
    if (opt.tstamp_ok === 0) req.ecn_ok = 0;
  }
  req.snt_isn = isn;
  req.txhash = tcp.hashinfo.random.u32() | 1;
  req.syn_tos = skb.ip_dsfield;
  tcp_openreq_init_rwin(req, sk, dst);
  if (!want_cookie) {
    const child = tcp_try_fastopen(sk, skb, req, foc, dst);
    if (child !== null) {
      // Its program can have it at once.
      req.rsk_ops.send_synack(child, dst, req, skb, foc);
      inet_csk_reqsk_queue_add(sk, req, child);
      sk.sk_data_ready(sk);
      return 0;
    }
    req.timeout = tcp_timeout_init(sk);
    inet_csk_reqsk_queue_hash_add(sk, req, req.timeout);
  }
  req.rsk_ops.send_synack(sk, dst, req, skb, foc);
  return 0;
}

/** reqsk_timer_handler: nobody has answered our SYN/ACK. */
function reqsk_timer_handler(timer: timer_list): void {
  const req = timer.owner as tcp_request_sock;
  const sk = req.rsk_listener as tcp_sock;
  if (sk.sk_state !== TCP_LISTEN) {
    inet_csk_reqsk_queue_drop(sk, req);
    return;
  }
  const { ipv4 } = sk.sk_net;
  const queue = sk.icsk_accept_queue as request_sock_queue;
  let max = sk.opts.icsk_syn_retries !== 0 ? sk.opts.icsk_syn_retries : ipv4.tcp_synack_retries;
  // Mostly old requests in a queue that fills: they are given up sooner.
  if (queue.qlen * 2 > Math.max(8, sk.sk_max_ack_backlog)) {
    for (let young = queue.young * 2; max > 2 && queue.qlen >= young; young *= 2) max--;
  }
  // syn_ack_recalc
  const { defer_accept } = sk.opts;
  let expire = req.num_timeout >= max;
  let resend = true;
  if (defer_accept !== 0) {
    expire = expire && (req.acked === 0 || req.num_timeout >= defer_accept);
    // Data is waited for, until the deferring ends.
    resend = req.acked === 0 || req.num_timeout >= defer_accept - 1;
  }
  ipv4.mib.TcpExtTCPTimeouts++;
  if (!expire && (!resend || req.rsk_ops.rtx_syn_ack(sk, req) === 0 || req.acked !== 0)) {
    tcp_accecn_synack_again(req);
    if (req.num_timeout++ === 0) queue.young--;
    req.rsk_timer.mod(sk.kernel.timers.jiffies() + reqsk_timeout(req));
    return;
  }
  inet_csk_reqsk_queue_drop(sk, req);
}

/** tcp_create_openreq_child: a sock with the listener's settings and the request's numbers. */
function tcp_create_openreq_child(sk: tcp_sock, req: tcp_request_sock, skb: sk_buff): tcp_sock {
  const child = tcp_sk_alloc(sk.sk_net, sk.sk_family);
  child.icsk_af_ops = sk.icsk_af_ops;
  child.sk_state = TCP_SYN_RECV;
  // inet_csk_clone_lock: what the program has set for the listener holds for its children.
  child.opts = sk.opts;
  if (sk.opts.sk_netstamp !== 0) sk.sk_net.netstamp_needed++;
  // That is a listener's.
  if (sk.opts.defer_accept !== 0) own_opts(child).defer_accept = 0;
  child.sk_rcvbuf = sk.sk_rcvbuf;
  child.sk_sndbuf = sk.sk_sndbuf;
  child.sk_userlocks = sk.sk_userlocks & ~SOCK_BINDPORT_LOCK;
  // shutdown before listen: its connections close their direction as soon as they are there.
  child.sk_shutdown = sk.sk_shutdown;
  child.sk_reuse = sk.sk_reuse;
  child.sk_reuseport = sk.sk_reuseport;
  child.sk_mark = req.ir_mark;
  child.sk_zerocopy = sk.sk_zerocopy;
  child.sk_bound_dev_if = req.sk_bound_dev_if;
  child.sk_filter = sk.sk_filter;
  child.cmsg_flags = sk.cmsg_flags;
  child.tos = sk.sk_net.ipv4.tcp_reflect_tos !== 0 ? (req.syn_tos & ~3) | (sk.tos & 3) : sk.tos;
  child.mc_ttl = iph_ttl(skb);
  child.mc_index = inet_iif(skb);
  child.nonagle = sk.nonagle;
  child.icsk_ack_pingpong = sk.icsk_ack_pingpong;
  child.icsk_ca_ops = sk.icsk_ca_ops;
  child.rx_opt.user_mss = sk.rx_opt.user_mss;

  child.inet_num = req.ir_num;
  child.inet_sport = req.ir_num;
  child.inet_dport = req.ir_rmt_port;
  child.inet_daddr = req.ir_rmt_addr;
  child.inet_saddr = req.ir_loc_addr;
  child.inet_rcv_saddr = req.ir_loc_addr;
  // Not the listener's own.
  child.inet_opt = req.ireq_opt;
  child.icsk_ext_hdr_len = req.ireq_opt === null ? 0 : req.ireq_opt.optlen;
  child.sk_txhash = req.txhash;
  child.inet_id = sk.sk_net.ipv4.tcp.hashinfo.random.u32() & 0xffff;
  tcp_openreq_child_init(child, req, skb);
  return child;
}

/** tcp_v4_syn_recv_sock: the sock of a request whose handshake is done; null when accept's queue is full. */
export function tcp_v4_syn_recv_sock(sk: tcp_sock, skb: sk_buff, req: tcp_request_sock): tcp_sock | null {
  const { sk_net: net } = sk;
  if (sk_acceptq_is_full(sk)) {
    net.ipv4.mib.TcpExtListenOverflows++;
    tcp_listendrop(sk);
    return null;
  }
  const dst = inet_csk_route_req(sk, req);
  if (dst === null) {
    tcp_listendrop(sk);
    return null;
  }
  const child = tcp_create_openreq_child(sk, req, skb);
  // Of its listener's keys it has the one for its peer.
  if (child.opts.md5sig_info !== null) tcp_md5_key_copy(child, child.inet_daddr);
  sk_setup_caps(child, dst);
  // tcp_ca_openreq_child: the route's, else the listener's, if its program has chosen one.
  if (!tcp_ca_dst_init(child, dst) && child.opts.icsk_ca_setsockopt === 0) tcp_assign_congestion_control(child);
  tcp_set_ca_state(child, TCP_CA_Open);
  tcp_sync_mss(child, dst_mtu(dst));
  child.advmss = tcp_mss_clamp(sk, dst_metric_advmss(dst, child.icsk_af_ops.net_header_len));
  tcp_initialize_rcv_mss(child);
  const { hashinfo } = net.ipv4.tcp;
  hashinfo.inherit_port(sk, child);
  // inet_ehash_nolisten: in front of the request, which goes at once.
  hashinfo.ehash.insert(child);
  return child;
}

// ---- SYN cookies ----------------------------------------------------------------------------------------------------

/**
 * cookie_v4_check: an ACK at a listener. A child, when the number it acknowledges is a cookie of ours; the listener
 * itself, which will answer with RST, when it is not; null: no room.
 */
export function cookie_v4_check(sk: tcp_sock, skb: sk_buff): tcp_sock | null {
  const { sk_net: net } = sk;
  const { ipv4 } = net;
  const { tcp, mib } = ipv4;
  if (ipv4.tcp_syncookies === 0 || (skb.tcp_flags & TCPHDR_ACK) === 0 || (skb.tcp_flags & TCPHDR_RST) !== 0) return sk;
  if (tcp_synq_no_recent_overflow(sk)) return sk;
  const { ram } = skb;
  const th = skb.transport_header;
  const saddr = iph_saddr(skb);
  const daddr = iph_daddr(skb);
  const ports = (get16(ram, th) << 16) | get16(ram, th + 2);
  const cookie = (skb.ack_seq - 1) | 0;
  const seq = (skb.seq - 1) | 0;
  const mss = cookie_v4_mss(net, saddr, daddr, ports, seq, cookie);
  if (mss === 0) {
    mib.TcpExtSyncookiesFailed++;
    return sk;
  }
  mib.TcpExtSyncookiesRecv++;
  const opt = tcp.tmp_opt;
  tcp_clear_options(opt);
  opt.saw_tstamp = 0;
  tcp_parse_options(net, skb, opt, 0);
  let ts_off = 0;
  if (opt.saw_tstamp !== 0 && opt.rcv_tsecr !== 0 && ipv4.tcp_timestamps === 1) {
    ts_off = tcp.secure.tcp_ts_off(daddr, saddr);
    opt.rcv_tsecr = (opt.rcv_tsecr - ts_off) | 0;
  }
  if (!cookie_timestamp_decode(net, opt)) return sk;

  const req = reqsk_alloc(sk, skb);
  req.syncookie = 1;
  opt.tstamp_ok = opt.saw_tstamp;
  tcp_openreq_init(req, opt, skb);
  req.mss = mss;
  req.ts_off = ts_off;
  req.rcv_isn = seq;
  req.rcv_nxt = skb.seq;
  req.snt_isn = cookie;
  req.ecn_ok = cookie_ecn_ok(net, opt) ? 1 : 0;
  // RFC 9768 5.1: no plain segment of RFC 3168's says that after a handshake.
  req.accecn_ok = req.ecn_ok !== 0 && tcp_accecn_ace(skb) > 1 ? 1 : 0;
  req.syn_tos = skb.ip_dsfield;
  req.txhash = tcp.hashinfo.random.u32() | 1;
  const full_space = tcp_full_space(sk);
  const dst = inet_csk_route_req(sk, req);
  if (dst === null) return null;
  let clamp = sk.window_clamp === 0 ? dst_metric(dst, RTAX_WINDOW) : sk.window_clamp;
  if ((sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0 && (clamp > full_space || clamp === 0)) clamp = full_space;
  const { window } = tcp;
  const rwnd = dst_metric(dst, RTAX_INITRWND);
  tcp_select_initial_window(net, full_space, mss, clamp, req.wscale_ok !== 0, rwnd, window);
  req.rsk_rcv_wnd = window.rcv_wnd;
  req.rsk_window_clamp = window.window_clamp;
  req.rcv_wscale = window.rcv_wscale;

  // tcp_get_cookie_sock
  const child = sk.icsk_af_ops.syn_recv_sock(sk, skb, req);
  if (child === null) return null;
  inet_csk_reqsk_queue_add(sk, req, child);
  return child;
}
