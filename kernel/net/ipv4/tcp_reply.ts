/** What TCP over IPv4 sends without a full sock (net/ipv4/tcp_ipv4.c): resets, the ACKs of TIME_WAIT and of requests, SYN/ACKs. */

import { EHOSTUNREACH, ENOMEM } from '../../errno.ts';
import { csum_from_partial, csum_tcpudp_nofold, put_csum } from '../../lib/checksum.ts';
import type { dst_entry } from '../core/dst.ts';
import { alloc_skb, CHECKSUM_PARTIAL, type sk_buff, skb_put, skb_reserve } from '../core/skbuff.ts';
import { inet_csk_route_req } from './inet_connection_sock.ts';
import { get16, INET_ECN_MASK, IP_DF, IPPROTO_TCP, iph_daddr, iph_saddr, iph_tos, put16, put32 } from './ip_header.ts';
import { ip_build_and_send_pkt, ip_dont_fragment, ip_send_unicast_reply } from './ip_output.ts';
import { RTN_LOCAL, type rtable } from './route.ts';
import { cookie_init_timestamp } from './syncookies.ts';
import type { tcp_fastopen_cookie } from './tcp_fastopen.ts';
import { tcp_md5_do_lookup, type tcp_md5sig_key, tcp_v4_md5_sign_hdr, tcp_v4_reset_key } from './tcp_md5.ts';
import { tcp_rsk_tsval, tcp_synack_window } from './tcp_minisocks.ts';
import { tcp_make_synack } from './tcp_output.ts';
import {
  MAX_TCP_HEADER,
  TCP_HLEN,
  TCPHDR_ACK,
  TCPHDR_RST,
  TCPOLEN_MD5SIG_ALIGNED,
  tcp_clock_ts,
  type tcp_request_sock,
  type tcp_sock,
  type tcp_timewait_sock,
} from './tcp_sock.ts';

/** __tcp_v4_send_check: the pseudo header's sum; the device makes the rest, or validate_xmit_skb. `data` is at the header. */
export function v4_send_check(skb: sk_buff, saddr: number, daddr: number): void {
  const th = skb.transport_header;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = th;
  skb.csum_offset = 16;
  put_csum(skb.ram, th + 16, csum_from_partial(csum_tcpudp_nofold(saddr, daddr, skb.len, IPPROTO_TCP)));
}

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
export function tcp_v4_timewait_ack(tw: tcp_timewait_sock, skb: sk_buff): void {
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
export function tcp_v4_reqsk_send_ack(sk: tcp_sock, skb: sk_buff, req: tcp_request_sock): void {
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
export function tcp_v4_send_synack(
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
