/** Sizes of segments: from the path's MTU, what both sides take, and the options (net/ipv4/tcp_output.c). */
import { type dst_entry, dst_metric, dst_mtu } from '../core/dst.ts';
import type { sock } from '../core/sock.ts';
import { RTAX_ADVMSS } from './fib.ts';
import { tcp_established_options } from './tcp_options.ts';
import { icsk_mtup, TCP_HLEN, TCP_MSS_DEFAULT, tcp_jiffies, type tcp_sock } from './tcp_sock.ts';

const RTAX_MIN_ADVMSS = 256;

// ---- MSS ------------------------------------------------------------------------------------------------------------

/** tcp_mss_clamp: not more than the program wants (TCP_MAXSEG). */
export function tcp_mss_clamp(tp: tcp_sock, mss: number): number {
  const { user_mss } = tp.rx_opt;
  return user_mss !== 0 && user_mss < mss ? user_mss : mss;
}

/** dst_metric_advmss, ipv4_default_advmss: what we can receive by this route, unless it says so itself. */
export function dst_metric_advmss(dst: dst_entry, net_header_len: number): number {
  const advmss = dst_metric(dst, RTAX_ADVMSS);
  if (advmss !== 0) return advmss;
  return Math.min(
    Math.max(dst_mtu(dst) - net_header_len - TCP_HLEN, RTAX_MIN_ADVMSS),
    65535 - net_header_len - TCP_HLEN,
  );
}

/** __tcp_mtu_to_mss: without what the options take. */
export function __tcp_mtu_to_mss(sk: tcp_sock, pmtu: number): number {
  const mss = Math.min(pmtu - sk.icsk_af_ops.net_header_len - TCP_HLEN, sk.rx_opt.mss_clamp) - sk.icsk_ext_hdr_len;
  return Math.max(mss, sk.sk_net.ipv4.tcp_min_snd_mss);
}

/** tcp_mtu_to_mss: payload of a segment in a packet of `pmtu` bytes, options as they were agreed on. */
export function tcp_mtu_to_mss(sk: tcp_sock, pmtu: number): number {
  return __tcp_mtu_to_mss(sk, pmtu) - (sk.tcp_header_len - TCP_HLEN);
}

/** tcp_mss_to_mtu, the other way round. */
export function tcp_mss_to_mtu(sk: tcp_sock, mss: number): number {
  return mss + sk.tcp_header_len + sk.icsk_ext_hdr_len + sk.icsk_af_ops.net_header_len;
}

/** tcp_mtup_init: path MTU probing begins, or waits for a black hole; where it is off, with the first that needs it. */
export function tcp_mtup_init(sk: tcp_sock): void {
  const { ipv4 } = sk.sk_net;
  sk.icsk_mtup = null;
  if (ipv4.tcp_mtu_probing === 0) return;
  const mtup = new icsk_mtup();
  sk.icsk_mtup = mtup;
  mtup.enabled = ipv4.tcp_mtu_probing > 1 ? 1 : 0;
  mtup.search_high = sk.rx_opt.mss_clamp + TCP_HLEN + sk.icsk_af_ops.net_header_len;
  mtup.search_low = tcp_mss_to_mtu(sk, ipv4.tcp_base_mss);
  if (mtup.enabled !== 0) mtup.probe_timestamp = tcp_jiffies(sk.kernel);
}

/** Is a probe of the path's MTU under way? */
export function tcp_mtu_probe_out(sk: tcp_sock): boolean {
  return sk.icsk_mtup !== null && sk.icsk_mtup.probe_size !== 0;
}

/** tcp_bound_to_half_wnd: no more than half of the largest window, lest each segment wait for an ACK. */
export function tcp_bound_to_half_wnd(tp: tcp_sock, pktsize: number): number {
  const cutoff = tp.max_window > TCP_MSS_DEFAULT ? tp.max_window >> 1 : tp.max_window;
  return cutoff !== 0 && pktsize > cutoff ? Math.max(cutoff, 68 - tp.tcp_header_len) : pktsize;
}

/** tcp_sync_mss: the path's MTU is `pmtu`. Sets and returns mss_cache. */
export function tcp_sync_mss(sk: tcp_sock, pmtu: number): number {
  const mtup = sk.icsk_mtup;
  let mss = tcp_bound_to_half_wnd(sk, tcp_mtu_to_mss(sk, pmtu));
  sk.icsk_pmtu_cookie = pmtu;
  if (mtup !== null) {
    if (mtup.search_high > pmtu) mtup.search_high = pmtu;
    if (mtup.enabled !== 0) mss = Math.min(mss, tcp_mtu_to_mss(sk, mtup.search_low));
  }
  sk.mss_cache = mss;
  return mss;
}

/** The sock's IP options are longer by `change` bytes than they were. */
export function tcp_ext_hdr_change(sk_: sock, change: number): void {
  const sk = sk_ as tcp_sock;
  sk.icsk_ext_hdr_len += change;
  tcp_sync_mss(sk, sk.icsk_pmtu_cookie);
}

/** tcp_current_mss: payload of a segment sent now, with the SACK blocks that it would carry. */
export function tcp_current_mss(sk: tcp_sock): number {
  let mss = sk.mss_cache;
  const dst = sk.sk_dst_cache;
  if (dst !== null) {
    const mtu = dst_mtu(dst);
    if (mtu !== sk.icsk_pmtu_cookie) mss = tcp_sync_mss(sk, mtu);
  }
  const header_len = tcp_established_options(sk, null, sk.sk_net.ipv4.tcp_out_opts) + TCP_HLEN;
  return mss - (header_len - sk.tcp_header_len);
}
