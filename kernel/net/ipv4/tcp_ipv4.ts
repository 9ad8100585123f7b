/** TCP over IPv4 (net/ipv4/tcp_ipv4.c): receive, connect, answers without a sock, ICMP errors. */

import { EAFNOSUPPORT, EHOSTUNREACH, EINVAL, EMSGSIZE, ENETUNREACH, ENOENT, ENOMEM, EPROTO } from '../../errno.ts';
import { csum_fold, csum_from_partial, csum_tcpudp_nofold, put_csum } from '../../lib/checksum.ts';
import { type dst_entry, dst_mtu } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { skb_checksum_ok, skb_csum_unnecessary } from '../core/skb_checksum.ts';
import {
  alloc_skb,
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  kfree_skb_reason,
  nf_reset_ct,
  PACKET_HOST,
  pskb_may_pull,
  SKB_DROP_REASON,
  type sk_buff,
  skb_put,
  skb_reserve,
} from '../core/skbuff.ts';
import {
  SOCK_BINDADDR_LOCK,
  sk_error_report,
  sk_filter_trim_cap,
  type sock,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../core/sock.ts';
import { AF_INET, AF_UNSPEC, type sockaddr, type sockaddr_in } from '../msg.ts';
import { RT_SCOPE_LINK } from './fib.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PARAMETERPROB,
  ICMP_TIME_EXCEEDED,
  icmp_err_errno,
} from './icmp.ts';
import { inet_csk_reqsk_queue_drop, inet_csk_route_req, inet_sk_rebuild_header } from './inet_connection_sock.ts';
import { inet_twsk_deschedule_put } from './inet_timewait_sock.ts';
import { ip_icmp_error } from './ip_cmsg.ts';
import {
  get16,
  get32,
  INET_ECN_MASK,
  IP_DF,
  IPHDR_LEN,
  IPPROTO_TCP,
  iph_daddr,
  iph_saddr,
  iph_tos,
  iph_ttl,
  put16,
  put32,
} from './ip_header.ts';
import {
  ip_build_and_send_pkt,
  ip_dont_fragment,
  ip_first_hop,
  ip_queue_xmit,
  ip_send_unicast_reply,
} from './ip_output.ts';
import { inet_iif, ip_route_output_key, RTCF_BROADCAST, RTCF_MULTICAST, RTN_LOCAL, type rtable } from './route.ts';
import { ip_sk_accept_pmtu } from './route_exception.ts';
import { cookie_init_timestamp } from './syncookies.ts';
import { tcp_done_with_error, tcp_set_state } from './tcp.ts';
import { cookie_v4_check, tcp_v4_conn_request, tcp_v4_syn_recv_sock } from './tcp_conn_request.ts';
import { type tcp_fastopen_cookie, tcp_fastopen_defer_connect } from './tcp_fastopen.ts';
import { tcp_rcv_established, tcp_rcv_state_process } from './tcp_input.ts';
import {
  tcp_inbound_hash,
  tcp_md5_do_lookup,
  type tcp_md5sig_key,
  tcp_v4_md5_hash_skb,
  tcp_v4_md5_sign_hdr,
  tcp_v4_parse_md5_keys,
  tcp_v4_reset_key,
} from './tcp_md5.ts';
import {
  TCP_TW_ACK,
  TCP_TW_RST,
  TCP_TW_SYN,
  tcp_check_req,
  tcp_child_process,
  tcp_rsk_tsval,
  tcp_synack_window,
  tcp_timewait_state_process,
  tcp_twsk_unique,
} from './tcp_minisocks.ts';
import { tcp_connect, tcp_make_synack, tcp_sync_mss } from './tcp_output.ts';
import { tcp_simple_retransmit } from './tcp_recovery.ts';
import { inet_csk_update_pmtu, sk_setup_caps } from './tcp_route.ts';
import { __tcp_set_rto } from './tcp_rtt.ts';
import {
  between,
  ICSK_TIME_RETRANS,
  type inet_connection_sock_af_ops,
  MAX_TCP_HEADER,
  own_slow,
  TCP_HLEN,
  TCP_MSS_DEFAULT,
  TCP_NEW_SYN_RECV,
  TCP_TIMEOUT_INIT,
  TCPHDR_ACK,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPOLEN_MD5SIG_ALIGNED,
  tcp_clock_ts,
  tcp_mstamp_refresh,
  type tcp_request_sock,
  type tcp_request_sock_ops,
  tcp_rtx_queue_head,
  type tcp_sock,
  type tcp_timewait_sock,
  usecs_to_jiffies,
} from './tcp_sock.ts';
import { inet_csk_reset_xmit_timer, tcp_retransmit_timer } from './tcp_timer.ts';

// ---- checksum -------------------------------------------------------------------------------------------------------

/** __tcp_v4_send_check: the pseudo header's sum; the device makes the rest, or validate_xmit_skb. `data` is at the header. */
function v4_send_check(skb: sk_buff, saddr: number, daddr: number): void {
  const th = skb.transport_header;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = th;
  skb.csum_offset = 16;
  put_csum(skb.ram, th + 16, csum_from_partial(csum_tcpudp_nofold(saddr, daddr, skb.len, IPPROTO_TCP)));
}

/** tcp_v4_send_check */
function tcp_v4_send_check(sk: tcp_sock, skb: sk_buff): void {
  v4_send_check(skb, sk.inet_saddr, sk.inet_daddr);
}

/** tcp_v4_csum_init and tcp_checksum_complete, turned round: is the segment's checksum right? */
function tcp_v4_csum_ok(skb: sk_buff): boolean {
  if (skb_csum_unnecessary(skb)) return true;
  const pseudo = csum_tcpudp_nofold(iph_saddr(skb), iph_daddr(skb), skb.len, IPPROTO_TCP);
  if (skb.ip_summed === CHECKSUM_COMPLETE) {
    if (csum_fold(skb.csum + csum_from_partial(pseudo)) === 0) {
      skb.csum_valid = 1;
      skb.ip_summed = CHECKSUM_UNNECESSARY;
      return true;
    }
    // The card says it is wrong: software has the last word.
    skb.ip_summed = CHECKSUM_NONE;
  }
  return skb_checksum_ok(skb, skb.len, pseudo);
}

// ---- receive --------------------------------------------------------------------------------------------------------

/** tcp_v4_fill_cb: the header's numbers, for everybody above. */
function tcp_v4_fill_cb(skb: sk_buff): void {
  const { ram } = skb;
  const th = skb.transport_header;
  const flags = ram.u8[th + 13] as number;
  const length = skb.len - ((ram.u8[th + 12] as number) >> 4) * 4;
  const seq = get32(ram, th + 4);
  skb.seq = seq;
  skb.end_seq = (seq + length + ((flags >> 1) & 1) + (flags & 1)) | 0;
  skb.ack_seq = get32(ram, th + 8);
  skb.tcp_flags = flags;
  skb.sacked = 0;
  skb.eor = 0;
  skb.ip_dsfield = iph_tos(skb);
}

/** tcp_v4_early_demux: a segment of a connection knows its socket from here on, and its route if it comes as those before. */
export function tcp_v4_early_demux(skb: sk_buff): void {
  const { ram } = skb;
  const net = skb.kernel.init_net;
  if (net.ipv4.tcp_early_demux === 0 || skb.pkt_type !== PACKET_HOST) return;
  const th = skb.transport_header;
  if (!pskb_may_pull(skb, th - skb.data + TCP_HLEN) || (ram.u8[th + 12] as number) >> 4 < TCP_HLEN / 4) return;
  const iif = skb.skb_iif;
  const entry = net.ipv4.tcp.hashinfo.ehash.lookup(
    iph_saddr(skb),
    get16(ram, th),
    iph_daddr(skb),
    get16(ram, th + 2),
    iif,
  );
  if (entry === null || entry.sk_state === TCP_TIME_WAIT || entry.sk_state === TCP_NEW_SYN_RECV) return;
  const sk = entry as tcp_sock;
  skb.sk = sk;
  const dst = sk.sk_rx_dst;
  if (dst !== null && sk.sk_rx_dst_ifindex === iif && dst.check()) skb.dst = dst;
}

/** inet_sk_rx_dst_set */
function inet_sk_rx_dst_set(sk: tcp_sock, skb: sk_buff): void {
  sk.sk_rx_dst = skb.dst;
  sk.sk_rx_dst_ifindex = skb.skb_iif;
}

/** tcp_v4_rcv: a segment for this host. Takes the skb. */
export function tcp_v4_rcv(skb: sk_buff): number {
  const { kernel, ram } = skb;
  kernel.clock.now += kernel.cost.tcp_v4_rcv;
  const tp = kernel.trace.tcp_v4_rcv;
  if (tp !== null) tp(skb);
  const net = kernel.init_net;
  const { mib } = net.ipv4;
  if (skb.pkt_type !== PACKET_HOST) {
    // RFC 9293 MUST-57: a segment is for one host. Linux has no name for this drop; these say what is wrong.
    const unicast = (skb.dst as rtable).rt_type === RTN_LOCAL;
    return drop(skb, unicast ? SKB_DROP_REASON.UNICAST_IN_L2_MULTICAST : SKB_DROP_REASON.INVALID_PROTO);
  }
  mib.TcpInSegs++;
  if (!pskb_may_pull(skb, TCP_HLEN)) return drop(skb, SKB_DROP_REASON.PKT_TOO_SMALL);
  const doff = ((ram.u8[skb.transport_header + 12] as number) >> 4) * 4;
  if (doff < TCP_HLEN) {
    mib.TcpInErrs++;
    return drop(skb, SKB_DROP_REASON.PKT_TOO_SMALL);
  }
  if (!pskb_may_pull(skb, doff)) return drop(skb, SKB_DROP_REASON.PKT_TOO_SMALL);
  if (!tcp_v4_csum_ok(skb)) {
    mib.TcpInCsumErrors++;
    mib.TcpInErrs++;
    return drop(skb, SKB_DROP_REASON.TCP_CSUM);
  }
  tcp_v4_fill_cb(skb);
  if (skb.sk !== null) {
    // skb_steal_sock: tcp_v4_early_demux has looked.
    const sk = skb.sk as tcp_sock;
    skb.sk = null;
    return tcp_v4_rcv_sock(sk, skb);
  }
  const th = skb.transport_header;
  const { hashinfo } = net.ipv4.tcp;
  const entry = hashinfo.ehash.lookup(
    iph_saddr(skb),
    get16(ram, th),
    iph_daddr(skb),
    get16(ram, th + 2),
    inet_iif(skb),
  );
  if (entry === null) return tcp_v4_rcv_listener(net, skb);
  if (entry.sk_state === TCP_TIME_WAIT) return tcp_v4_rcv_timewait(net, entry as tcp_timewait_sock, skb);
  if (entry.sk_state === TCP_NEW_SYN_RECV) return tcp_v4_rcv_request(net, entry as tcp_request_sock, skb);
  return tcp_v4_rcv_sock(entry as tcp_sock, skb);
}

function drop(skb: sk_buff, reason: number): number {
  kfree_skb_reason(skb, reason);
  return 0;
}

/** __inet_lookup_listener for the segment, and what becomes of it. */
function tcp_v4_rcv_listener(net: net, skb: sk_buff): number {
  const { ram } = skb;
  const th = skb.transport_header;
  const sk = net.ipv4.tcp.hashinfo.lookup_listener(
    iph_saddr(skb),
    get16(ram, th),
    iph_daddr(skb),
    get16(ram, th + 2),
    inet_iif(skb),
  );
  if (sk !== null) return tcp_v4_rcv_sock(sk as tcp_sock, skb);
  // no_tcp_socket: RFC 9293 3.10.7.1.
  tcp_v4_send_reset(null, skb);
  return drop(skb, SKB_DROP_REASON.NO_SOCKET);
}

/** The part of tcp_v4_rcv behind the look-up: filter, then tcp_v4_do_rcv. */
function tcp_v4_rcv_sock(sk: tcp_sock, skb: sk_buff): number {
  if (sk.opts.min_ttl !== 0 && tcp_min_ttl_drop(sk, iph_ttl(skb))) return drop(skb, SKB_DROP_REASON.TCP_MINTTL);
  const unsigned = tcp_inbound_hash(sk, skb);
  if (unsigned !== 0) {
    sk.sk_drops++;
    return drop(skb, unsigned);
  }
  // It may lie in a queue for long: it must not hold an entry of the connection table.
  if (skb._nfct !== null) nf_reset_ct(skb);
  if (sk.sk_filter !== null) {
    const reason = tcp_filter(sk, skb);
    if (reason !== 0) return drop(skb, reason);
  }
  skb.dev = null;
  if (sk.sk_state === TCP_LISTEN) return tcp_v4_rcv_listen(sk, skb);
  // tcp_segs_in
  const segs = Math.max(1, skb.gso_segs);
  sk.segs_in += segs;
  if (skb.len > ((skb.ram.u8[skb.transport_header + 12] as number) >> 4) * 4) sk.data_segs_in += segs;
  return tcp_v4_do_rcv(sk, skb);
}

/** IP_MINTTL: has it come from farther away than the program takes anything from (RFC 5082)? */
function tcp_min_ttl_drop(sk: tcp_sock, ttl: number): boolean {
  if (ttl >= sk.opts.min_ttl) return false;
  sk.sk_net.ipv4.mib.TcpExtTCPMinTTLDrop++;
  return true;
}

/** tcp_filter: the header is never cut off. 0 or a reason. */
function tcp_filter(sk: tcp_sock, skb: sk_buff): number {
  const before = skb.len;
  const reason = sk_filter_trim_cap(sk, skb, ((skb.ram.u8[skb.transport_header + 12] as number) >> 4) * 4);
  if (reason === 0 && skb.len !== before) tcp_v4_fill_cb(skb);
  return reason;
}

/** tcp_v4_do_rcv, for all but listeners. Takes the skb. */
function tcp_v4_do_rcv(sk: tcp_sock, skb: sk_buff): number {
  // sock_rps_save_rxhash
  if (skb.hash !== 0) sk.sk_rxhash = skb.hash;
  if (sk.sk_state === TCP_ESTABLISHED) {
    const dst = sk.sk_rx_dst;
    if (dst !== skb.dst && (dst === null || sk.sk_rx_dst_ifindex !== skb.skb_iif || !dst.check())) {
      inet_sk_rx_dst_set(sk, skb);
    }
    tcp_rcv_established(sk, skb);
    return 0;
  }
  const reason = tcp_rcv_state_process(sk, skb);
  if (reason !== 0) {
    tcp_v4_send_reset(sk, skb);
    kfree_skb_reason(skb, reason);
  }
  return 0;
}

/** tcp_v4_do_rcv for a listener: a SYN, or an ACK that may be the answer to a cookie. */
function tcp_v4_rcv_listen(sk: tcp_sock, skb: sk_buff): number {
  const child = (skb.tcp_flags & TCPHDR_SYN) === 0 ? cookie_v4_check(sk, skb) : sk;
  if (child === null) return drop(skb, SKB_DROP_REASON.TCP_LISTEN_OVERFLOW);
  let reason: number;
  if (child !== sk) reason = tcp_child_process(sk, child, skb);
  else reason = tcp_rcv_state_process(sk, skb);
  if (reason !== 0) {
    tcp_v4_send_reset(child, skb);
    kfree_skb_reason(skb, reason);
  }
  return 0;
}

/** The branch of tcp_v4_rcv for TCP_NEW_SYN_RECV. */
function tcp_v4_rcv_request(net: net, req: tcp_request_sock, skb: sk_buff): number {
  const sk = req.rsk_listener as tcp_sock;
  const unsigned = tcp_inbound_hash(sk, skb);
  if (unsigned !== 0) {
    sk.sk_drops++;
    return drop(skb, unsigned);
  }
  if (sk.sk_state !== TCP_LISTEN) {
    // The listener is gone; perhaps there is another one.
    inet_csk_reqsk_queue_drop(sk, req);
    return tcp_v4_rcv_listener(net, skb);
  }
  if (skb._nfct !== null) nf_reset_ct(skb);
  if (sk.sk_filter !== null) {
    const reason = tcp_filter(sk, skb);
    if (reason !== 0) return drop(skb, reason);
  }
  const child = tcp_check_req(sk, skb, req);
  if (child === null) return drop(skb, skb.cb0);
  if (child === sk) {
    skb.dev = null;
    return tcp_v4_rcv_listen(sk, skb);
  }
  skb.dev = null;
  const reason = tcp_child_process(sk, child, skb);
  if (reason !== 0) {
    tcp_v4_send_reset(child, skb);
    kfree_skb_reason(skb, reason);
  }
  return 0;
}

/** The branch of tcp_v4_rcv for TIME_WAIT (do_time_wait). */
function tcp_v4_rcv_timewait(net: net, tw: tcp_timewait_sock, skb: sk_buff): number {
  switch (tcp_timewait_state_process(tw, skb)) {
    case TCP_TW_SYN: {
      const { ram } = skb;
      const th = skb.transport_header;
      const listener = net.ipv4.tcp.hashinfo.lookup_listener(
        iph_saddr(skb),
        get16(ram, th),
        iph_daddr(skb),
        get16(ram, th + 2),
        inet_iif(skb),
      );
      if (listener !== null) {
        inet_twsk_deschedule_put(tw);
        tcp_v4_rcv_sock(listener as tcp_sock, skb);
        net.ipv4.tcp.tw_isn = 0;
        return 0;
      }
      net.ipv4.tcp.tw_isn = 0;
      tcp_v4_timewait_ack(tw, skb);
      break;
    }
    case TCP_TW_ACK:
      tcp_v4_timewait_ack(tw, skb);
      break;
    case TCP_TW_RST:
      tcp_v4_send_reset(null, skb, tw);
      inet_twsk_deschedule_put(tw);
      break;
  }
  return drop(skb, skb.cb0 !== 0 ? skb.cb0 : SKB_DROP_REASON.CONSUMED);
}

// ---- answers without a sock -----------------------------------------------------------------------------------------

/**
 * A segment without data that answers `skb`: `seq`, `ack`, `flags` (TCPHDR_), `window`, and with `tsecr` not 0 the
 * timestamps option, with `key` not null a signature. Does not take the skb.
 */
function tcp_v4_send_reply(
  skb: sk_buff,
  seq: number,
  ack: number,
  flags: number,
  window: number,
  tsval: number,
  tsecr: number,
  oif: number,
  tos: number,
  mark: number,
  key: tcp_md5sig_key | null,
): void {
  const { kernel } = skb;
  const net = kernel.init_net;
  const signature = TCP_HLEN + (tsecr !== 0 ? 12 : 0);
  const size = signature + (key !== null ? TCPOLEN_MD5SIG_ALIGNED : 0);
  const reply = alloc_skb(kernel, MAX_TCP_HEADER + size);
  if (reply === null) return;
  reply.parent = skb.id;
  skb_reserve(reply, MAX_TCP_HEADER);
  const th = skb_put(reply, size);
  reply.transport_header = th;
  const { ram } = reply;
  put32(ram, th, get16(skb.ram, skb.transport_header + 2) * 65536 + get16(skb.ram, skb.transport_header));
  put32(ram, th + 4, seq);
  put32(ram, th + 8, ack);
  ram.u8[th + 12] = (size >> 2) << 4;
  ram.u8[th + 13] = flags;
  put16(ram, th + 14, window);
  put32(ram, th + 16, 0);
  if (tsecr !== 0) {
    put32(ram, th + 20, 0x0101080a);
    put32(ram, th + 24, tsval);
    put32(ram, th + 28, tsecr);
  }
  if (key !== null) {
    const { sigpool } = net.ipv4.tcp;
    tcp_v4_md5_sign_hdr(sigpool, key, ram, th, size, th + signature, iph_daddr(skb), iph_saddr(skb));
  }
  v4_send_check(reply, iph_daddr(skb), iph_saddr(skb));
  net.ipv4.mib.TcpOutSegs++;
  ip_send_unicast_reply(net, skb, reply, IPPROTO_TCP, oif, tos, mark);
}

/** tcp_v4_send_reset: RFC 9293 3.10.7.1. Never in answer to a RST. Does not take the skb. */
export function tcp_v4_send_reset(sk: tcp_sock | null, skb: sk_buff, tw: tcp_timewait_sock | null = null): void {
  const flags = skb.tcp_flags;
  if ((flags & TCPHDR_RST) !== 0) return;
  // What was sent to a group is answered by nobody.
  if (sk === null && (skb.dst as rtable).rt_type !== RTN_LOCAL) return;
  const key = tcp_v4_reset_key(sk, tw, skb);
  if (key === undefined) return;
  skb.kernel.init_net.ipv4.mib.TcpOutRsts++;
  const tp = skb.kernel.trace.tcp_send_reset;
  if (tp !== null) tp(skb);
  const bound = (sk ?? tw)?.sk_bound_dev_if ?? 0;
  const mark = sk?.sk_mark ?? tw?.tw_mark ?? 0;
  const tos = iph_tos(skb) & ~INET_ECN_MASK;
  if ((flags & TCPHDR_ACK) !== 0) tcp_v4_send_reply(skb, skb.ack_seq, 0, TCPHDR_RST, 0, 0, 0, bound, tos, mark, key);
  else tcp_v4_send_reply(skb, 0, skb.end_seq, TCPHDR_RST | TCPHDR_ACK, 0, 0, 0, bound, tos, mark, key);
}

/** tcp_v4_timewait_ack */
function tcp_v4_timewait_ack(tw: tcp_timewait_sock, skb: sk_buff): void {
  const tsval = (tcp_clock_ts(skb.kernel) + tw.tw_ts_offset) | 0;
  const window = tw.tw_rcv_wnd >>> tw.tw_rcv_wscale;
  const { tw_snd_nxt: seq, tw_rcv_nxt: ack, tw_ts_recent: tsecr } = tw;
  tcp_v4_send_reply(
    skb,
    seq,
    ack,
    TCPHDR_ACK,
    window,
    tsval,
    tsecr,
    tw.sk_bound_dev_if,
    tw.tw_tos,
    tw.tw_mark,
    tw.tw_md5_key,
  );
}

/** tcp_v4_reqsk_send_ack */
function tcp_v4_reqsk_send_ack(sk: tcp_sock, skb: sk_buff, req: tcp_request_sock): void {
  // RFC 7323 2.3: only a SYN's window is not scaled.
  const window = tcp_synack_window(req) >>> req.rcv_wscale;
  const seq = (req.snt_isn + 1) | 0;
  const { rcv_nxt, ts_recent } = req;
  const tsval = tcp_rsk_tsval(req);
  const key = sk.opts.md5sig_info === null ? null : tcp_md5_do_lookup(sk, iph_saddr(skb));
  tcp_v4_send_reply(
    skb,
    seq,
    rcv_nxt,
    TCPHDR_ACK,
    window,
    tsval,
    ts_recent,
    0,
    iph_tos(skb) & ~INET_ECN_MASK,
    sk.sk_mark,
    key,
  );
}

/** tcp_v4_send_synack: 0 or a negative errno. */
function tcp_v4_send_synack(
  sk: tcp_sock,
  dst: dst_entry | null,
  req: tcp_request_sock,
  syn_skb: sk_buff | null,
  foc: tcp_fastopen_cookie | null,
): number {
  const { sk_net: net, kernel } = sk;
  const rt = (dst as rtable | null) ?? inet_csk_route_req(sk, req);
  if (rt === null) return -EHOSTUNREACH;
  let cookie_ts = 0;
  if (req.syncookie !== 0 && req.tstamp_ok !== 0) {
    cookie_ts = (cookie_init_timestamp(req, tcp_clock_ts(kernel)) + req.ts_off) | 0;
  }
  const skb = tcp_make_synack(sk, rt, req, cookie_ts, foc, syn_skb === null);
  if (skb === null) return -ENOMEM;
  v4_send_check(skb, req.ir_loc_addr, req.ir_rmt_addr);
  const tos = net.ipv4.tcp_reflect_tos !== 0 ? req.syn_tos & ~3 : sk.tos & ~3;
  const ttl = Math.max(sk.opts.uc_ttl, 0);
  const df = ip_dont_fragment(sk, rt) ? IP_DF : 0;
  // What may not be fragmented needs no identification.
  return ip_build_and_send_pkt(
    net,
    skb,
    rt,
    req.ir_loc_addr,
    req.ir_rmt_addr,
    IPPROTO_TCP,
    tos,
    ttl,
    df,
    df !== 0 ? 0 : -1,
    req.ireq_opt,
  );
}

// ---- connect --------------------------------------------------------------------------------------------------------

/** tcp_v4_connect: the first SYN. 0, or -EINVAL, -EAFNOSUPPORT, -ENETUNREACH, -EADDRNOTAVAIL, or what routing says. */
export function tcp_v4_connect(sk_: sock, addr: sockaddr): number {
  const sk = sk_ as tcp_sock;
  if (addr.sa_layout === AF_UNSPEC) return -EINVAL;
  if (addr.sa_family !== AF_INET) return -EAFNOSUPPORT;
  if (addr.sa_layout !== AF_INET) return -EINVAL;
  const { sin_addr, sin_port } = addr as sockaddr_in;
  const { sk_net: net } = sk;
  const { tcp, mib } = net.ipv4;
  const { fl4 } = tcp;
  const opt = sk.inet_opt;
  const source_route = opt !== null && opt.srr !== 0;
  if (source_route && sin_addr === 0) return -EINVAL;
  fl4.init(ip_first_hop(opt, sin_addr | 0), sk.inet_saddr);
  fl4.oif = sk.sk_bound_dev_if;
  fl4.tos = sk.tos;
  fl4.mark = sk.sk_mark;
  fl4.proto = IPPROTO_TCP;
  if (sk.opts.sk_localroute) fl4.scope = RT_SCOPE_LINK;
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt === 'number') {
    if (rt === -ENETUNREACH) mib.IpOutNoRoutes++;
    return rt;
  }
  if ((rt.rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST)) !== 0) return -ENETUNREACH;
  const { saddr } = fl4;
  const daddr = source_route ? sin_addr | 0 : fl4.daddr;
  if (sk.inet_saddr === 0) sk.inet_saddr = saddr;
  if (sk.inet_rcv_saddr === 0) {
    sk.inet_rcv_saddr = saddr;
    tcp.hashinfo.bhash2_update_saddr(sk);
  }
  if (sk.rx_opt.ts_recent_stamp !== 0 && sk.inet_daddr !== daddr) {
    // What was learnt of somebody else.
    sk.rx_opt.ts_recent = 0;
    sk.rx_opt.ts_recent_stamp = 0;
    if (sk.slow.repair === 0) sk.write_seq = 0;
  }
  sk.inet_dport = sin_port & 0xffff;
  sk.inet_daddr = daddr;
  sk.icsk_ext_hdr_len = opt === null ? 0 : opt.optlen;
  sk.rx_opt.mss_clamp = TCP_MSS_DEFAULT;
  tcp_set_state(sk, TCP_SYN_SENT);
  const offset = sk.inet_num !== 0 ? 0 : tcp.secure.port_ephemeral(sk.inet_rcv_saddr, daddr, sk.inet_dport);
  let err = tcp.hashinfo.hash_connect(sk, offset, tcp_twsk_unique);
  if (err === 0) {
    sk.sk_txhash = tcp.hashinfo.random.u32() | 1;
    sk_setup_caps(sk, rt);
    if (sk.slow.repair === 0) {
      if (sk.write_seq === 0) sk.write_seq = tcp.secure.tcp_seq(sk.inet_saddr, daddr, sk.inet_sport, sk.inet_dport);
      sk.tsoffset = net.ipv4.tcp_timestamps === 1 ? tcp.secure.tcp_ts_off(sk.inet_saddr, daddr) : 0;
    }
    sk.inet_id = tcp.hashinfo.random.u32() & 0xffff;
    if (tcp_fastopen_defer_connect(sk)) return 0;
    err = tcp_connect(sk);
    if (err === 0) return 0;
  }
  // Out of the tables, and its port is free again.
  tcp_set_state(sk, TCP_CLOSE);
  inet_bhash2_reset_saddr(sk);
  sk.sk_dst_cache = null;
  sk.inet_dport = 0;
  return err;
}

/** inet_bhash2_reset_saddr: an address that only connect had chosen is forgotten. */
export function inet_bhash2_reset_saddr(sk: tcp_sock): void {
  if ((sk.sk_userlocks & SOCK_BINDADDR_LOCK) !== 0) return;
  sk.inet_saddr = 0;
  sk.inet_rcv_saddr = 0;
  sk.sk_net.ipv4.tcp.hashinfo.bhash2_update_saddr(sk);
}

// ---- ICMP errors ----------------------------------------------------------------------------------------------------

/** tcp_v4_mtu_reduced: RFC 1191, for a path whose MTU is `mtu_info` now. */
export function tcp_v4_mtu_reduced(sk: tcp_sock): void {
  if (sk.sk_state === TCP_LISTEN || sk.sk_state === TCP_CLOSE) return;
  const rt = inet_sk_rebuild_header(sk);
  if (typeof rt === 'number') return;
  if (ip_sk_accept_pmtu(sk)) inet_csk_update_pmtu(sk, rt, sk.slow.mtu_info);
  // The route that was may have become another one's by it.
  const path = inet_sk_rebuild_header(sk);
  if (typeof path === 'number') return;
  // Perhaps the connection will not get over it.
  if (sk.slow.mtu_info < dst_mtu(path) && ip_dont_fragment(sk, path)) sk.sk_err_soft = EMSGSIZE;
  const mtu = dst_mtu(path);
  if (!ip_sk_accept_pmtu(sk) || sk.icsk_pmtu_cookie <= mtu) return;
  tcp_sync_mss(sk, mtu);
  // What was too long is lost for sure: it goes again, and at once.
  tcp_simple_retransmit(sk);
}

/** tcp_ld_RTO_revert: RFC 6069: the way is broken, not full: the last doubling of the timeout is taken back. */
function tcp_ld_RTO_revert(sk: tcp_sock, seq: number): void {
  const skb = tcp_rtx_queue_head(sk);
  if (seq !== sk.snd_una || sk.icsk_retransmits === 0 || sk.icsk_backoff === 0 || skb === null) return;
  sk.icsk_backoff--;
  const base = sk.srtt_us !== 0 ? __tcp_set_rto(sk) : TCP_TIMEOUT_INIT;
  sk.icsk_rto = Math.min(base * 2 ** sk.icsk_backoff, sk.opts.icsk_rto_max);
  tcp_mstamp_refresh(sk);
  const remaining = sk.icsk_rto - usecs_to_jiffies(sk.tcp_mstamp - skb.skb_mstamp);
  if (remaining > 0) inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, remaining);
  else tcp_retransmit_timer(sk);
}

/** tcp_req_err: an error about a SYN/ACK. */
function tcp_req_err(net: net, req: tcp_request_sock, seq: number, abort: boolean): void {
  if (seq !== req.snt_isn) {
    net.ipv4.mib.TcpExtOutOfWindowIcmps++;
  } else if (abort) {
    const sk = req.rsk_listener as tcp_sock;
    inet_csk_reqsk_queue_drop(sk, req);
    tcp_listendrop(sk);
  }
}

/** tcp_listendrop */
export function tcp_listendrop(sk: tcp_sock): void {
  sk.sk_drops++;
  sk.sk_net.ipv4.mib.TcpExtListenDrops++;
}

/**
 * tcp_v4_err: an ICMP error about a segment of ours; `data` at the quoted IP header. Only one whose sequence number is
 * under way is believed (RFC 5927). 0, or -ENOENT without a sock.
 */
export function tcp_v4_err(skb: sk_buff, info: number): number {
  const { ram, kernel } = skb;
  const net = kernel.init_net;
  const { mib } = net.ipv4;
  const iph = skb.data;
  const th = iph + ((ram.u8[iph] as number) & 15) * 4;
  const type = ram.u8[skb.transport_header] as number;
  const code = ram.u8[skb.transport_header + 1] as number;
  const found = net.ipv4.tcp.hashinfo.ehash.lookup(
    get32(ram, iph + 16),
    get16(ram, th + 2),
    get32(ram, iph + 12),
    get16(ram, th),
    inet_iif(skb),
  );
  if (found === null) {
    mib.IcmpInErrors++;
    return -ENOENT;
  }
  if (found.sk_state === TCP_TIME_WAIT) return 0;
  const seq = get32(ram, th + 4);
  const unreachable = type === ICMP_DEST_UNREACH && (code === ICMP_NET_UNREACH || code === ICMP_HOST_UNREACH);
  if (found.sk_state === TCP_NEW_SYN_RECV) {
    const abort = type === ICMP_PARAMETERPROB || type === ICMP_TIME_EXCEEDED || unreachable;
    tcp_req_err(net, found as tcp_request_sock, seq, abort);
    return 0;
  }
  const sk = found as tcp_sock;
  if (sk.sk_state === TCP_CLOSE || tcp_min_ttl_drop(sk, ram.u8[iph + 8] as number)) return 0;
  const { fastopen_rsk: fastopen } = sk.slow;
  // Of a child made out of a SYN, the SYN/ACK may be meant.
  if (!between(seq, fastopen !== null ? fastopen.snt_isn : sk.snd_una, sk.snd_nxt)) {
    mib.TcpExtOutOfWindowIcmps++;
    return 0;
  }
  let err: number;
  switch (type) {
    case ICMP_PARAMETERPROB:
      err = EPROTO;
      break;
    case ICMP_DEST_UNREACH:
      if (code >= icmp_err_errno.length) return 0;
      if (code === ICMP_FRAG_NEEDED) {
        own_slow(sk).mtu_info = info;
        tcp_v4_mtu_reduced(sk);
        return 0;
      }
      err = icmp_err_errno[code] as number;
      // RFC 6069: the way is broken, not full.
      if (unreachable && fastopen === null) tcp_ld_RTO_revert(sk, seq);
      break;
    case ICMP_TIME_EXCEEDED:
      err = EHOSTUNREACH;
      break;
    default:
      return 0;
  }
  // One that a program has accepted already is as a connected one.
  const accepted = fastopen !== null && fastopen.sk === null;
  if ((sk.sk_state === TCP_SYN_SENT || sk.sk_state === TCP_SYN_RECV) && !accepted) {
    // Whether the program has asked for it or not: so traceroute by TCP needs no privilege.
    ip_icmp_error(sk, skb, err, get16(ram, th + 2), info, th);
    tcp_done_with_error(sk, err);
    return 0;
  }
  // RFC 1122 4.2.3.9: once connected, TCP goes on trying; only who asked for errors gets them at once.
  if (sk.opts.recverr) {
    sk.sk_err = err;
    sk_error_report(sk);
  } else {
    sk.sk_err_soft = err;
  }
  return 0;
}

// ---- operations -----------------------------------------------------------------------------------------------------

/** ipv4_specific */
export const ipv4_specific: inet_connection_sock_af_ops = {
  net_header_len: IPHDR_LEN,
  queue_xmit(sk, skb) {
    const cached = sk.sk_dst_cache as rtable | null;
    const rt = cached?.check() === true ? cached : inet_sk_rebuild_header(sk);
    if (typeof rt === 'number') {
      sk.sk_net.ipv4.mib.IpOutNoRoutes++;
      kfree_skb_reason(skb, SKB_DROP_REASON.IP_OUTNOROUTES);
      return -EHOSTUNREACH;
    }
    return ip_queue_xmit(
      sk,
      skb,
      rt,
      ip_dont_fragment(sk, rt) && skb.ignore_df === 0 ? IP_DF : 0,
      Math.max(1, skb.gso_segs),
    );
  },
  send_check: tcp_v4_send_check,
  rebuild_header(sk) {
    const rt = inet_sk_rebuild_header(sk);
    return typeof rt === 'number' ? rt : 0;
  },
  sk_rx_dst_set: inet_sk_rx_dst_set,
  conn_request: tcp_v4_conn_request,
  syn_recv_sock: tcp_v4_syn_recv_sock,
  md5_lookup: sk => tcp_md5_do_lookup(sk, sk.inet_daddr),
  calc_md5_hash(sk, skb, location) {
    const key = tcp_md5_do_lookup(sk, sk.inet_daddr) as tcp_md5sig_key;
    tcp_v4_md5_hash_skb(sk.sk_net.ipv4.tcp.sigpool, key, skb, sk.inet_saddr, sk.inet_daddr, skb.ram.u8, location);
  },
  md5_parse: tcp_v4_parse_md5_keys,
  mtu_reduced: tcp_v4_mtu_reduced,
};

/** tcp_request_sock_ops for IPv4. */
export const tcp_request_sock_ipv4_ops: tcp_request_sock_ops = {
  family: AF_INET,
  mss_clamp: TCP_MSS_DEFAULT,
  rtx_syn_ack(sk, req) {
    const err = tcp_v4_send_synack(sk, null, req, null, null);
    if (err === 0) {
      const { mib } = sk.sk_net.ipv4;
      mib.TcpRetransSegs++;
      mib.TcpExtTCPSynRetrans++;
      if (sk.slow.fastopen_rsk !== null) own_slow(sk).total_retrans++;
      req.num_retrans++;
    }
    return err;
  },
  send_ack: tcp_v4_reqsk_send_ack,
  send_reset: (sk, skb) => tcp_v4_send_reset(sk, skb),
  send_synack: tcp_v4_send_synack,
};
