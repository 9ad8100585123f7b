/** Finding the path's MTU by trying larger segments (RFC 4821, net/ipv4/tcp_output.c: tcp_mtu_probe). */
import { COPY_TCP_COLLAPSE } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { dst_mtu } from '../core/dst.ts';
import { type sk_buff, skb_copy_bits, skb_pull, skb_put } from '../core/skbuff.ts';
import { sk_forced_mem_schedule, sk_mem_charge, sk_wmem_queued_add, tcp_wmem_free_skb } from './tcp_mem.ts';
import { tcp_current_mss, tcp_mss_to_mtu, tcp_mtu_to_mss, tcp_sync_mss, tcp_transmit_skb } from './tcp_output.ts';
import {
  after,
  type icsk_mtup,
  own_slow,
  TCP_CA_Open,
  TCP_HLEN,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_PSH,
  tcp_jiffies,
  tcp_packets_in_flight,
  tcp_send_head,
  type tcp_sock,
  tcp_stream_alloc_skb,
  tcp_wnd_end,
} from './tcp_sock.ts';
import { tcp_event_new_data_sent, tcp_set_skb_tso_segs } from './tcp_write_queue.ts';

/** tcp_mtu_check_reprobe: after tcp_probe_interval the path may have become another one. */
function tcp_mtu_check_reprobe(sk: tcp_sock, mtup: icsk_mtup): void {
  const { ipv4 } = sk.sk_net;
  const now = tcp_jiffies(sk.kernel);
  if (now - mtup.probe_timestamp < ipv4.tcp_probe_interval * 1000) return;
  const mss = tcp_current_mss(sk);
  mtup.probe_size = 0;
  mtup.search_high = sk.rx_opt.mss_clamp + TCP_HLEN + sk.icsk_af_ops.net_header_len;
  mtup.search_low = tcp_mss_to_mtu(sk, mss);
  mtup.probe_timestamp = now;
}

/** How many bytes at the head of the write queue may become one segment. */
function can_coalesce(sk: tcp_sock, length: number): boolean {
  let left = length;
  for (let skb = tcp_send_head(sk); skb !== null; skb = skb.next) {
    if (left <= skb.len) return true;
    if (skb.eor !== 0) return false;
    left -= skb.len;
  }
  return false;
}

/** tcp_mtu_probe: -1: send as ever; 0: wait, so that a probe can go; 1: a probe was sent. */
export function tcp_mtu_probe(sk: tcp_sock): number {
  const mtup = sk.icsk_mtup;
  if (
    mtup === null ||
    mtup.enabled === 0 ||
    mtup.probe_size !== 0 ||
    sk.icsk_ca_state !== TCP_CA_Open ||
    sk.snd_cwnd < 11 ||
    sk.rx_opt.num_sacks !== 0 ||
    sk.rx_opt.dsack !== 0
  ) {
    return -1;
  }
  const high = mtup.search_high;
  const low = mtup.search_low;
  const probe_size = tcp_mtu_to_mss(sk, (high + low) >> 1);
  // Enough behind it for duplicate ACKs, should it be lost.
  const needed = probe_size + (sk.slow.reordering + 1) * sk.mss_cache;
  if (probe_size > tcp_mtu_to_mss(sk, high) || high - low < sk.sk_net.ipv4.tcp_probe_threshold) {
    tcp_mtu_check_reprobe(sk, mtup);
    return -1;
  }
  if (((sk.write_seq - sk.snd_nxt) | 0) < needed || sk.snd_wnd < needed) return -1;
  if (after((sk.snd_nxt + needed) | 0, tcp_wnd_end(sk))) return 0;
  const in_flight = tcp_packets_in_flight(sk);
  if (in_flight + 2 > sk.snd_cwnd) return in_flight === 0 ? -1 : 0;
  if (!can_coalesce(sk, probe_size)) return -1;
  const probe = build(sk, probe_size);
  if (probe === null || tcp_transmit_skb(sk, probe, true) !== 0) return -1;
  // It takes the place of two.
  sk.snd_cwnd--;
  const { len } = probe;
  tcp_event_new_data_sent(sk, probe);
  mtup.probe_size = tcp_mss_to_mtu(sk, len);
  own_slow(sk).mtu_probe_seq_start = probe.seq;
  own_slow(sk).mtu_probe_seq_end = probe.end_seq;
  return 1;
}

/** A packet of `size` bytes out of those at the head of the queue, in their place. A copy, charged. */
function build(sk: tcp_sock, size: number): sk_buff | null {
  const probe = tcp_stream_alloc_skb(sk, size);
  if (probe === null) return null;
  const queue = sk.sk_write_queue;
  probe.seq = (queue.first as sk_buff).seq;
  probe.end_seq = (probe.seq + size) | 0;
  probe.tcp_flags = TCPHDR_ACK;
  for (let skb = queue.first; skb !== null && probe.len < size; skb = queue.first) {
    const n = Math.min(skb.len, size - probe.len);
    skb_copy_bits(skb, 0, skb_put(probe, n), n);
    charge_copy(sk.kernel, n, COPY_TCP_COLLAPSE);
    if (skb.len <= n) {
      probe.tcp_flags |= skb.tcp_flags;
      probe.eor = skb.eor;
      // A FIN takes a number of its own.
      probe.end_seq = skb.end_seq;
      queue.unlink(skb);
      tcp_wmem_free_skb(sk, skb);
    } else {
      probe.tcp_flags |= skb.tcp_flags & ~(TCPHDR_FIN | TCPHDR_PSH);
      skb_pull(skb, n);
      skb.seq = (skb.seq + n) | 0;
      skb.gso_segs = 0;
    }
  }
  probe.truesize += size;
  sk_wmem_queued_add(sk, probe.truesize);
  sk_forced_mem_schedule(sk, probe.truesize);
  sk_mem_charge(sk, probe.truesize);
  queue.unshift(probe);
  tcp_set_skb_tso_segs(probe, probe.len);
  return probe;
}

/** tcp_mtup_probe_failed: the probe was lost, and nothing else. */
export function tcp_mtup_probe_failed(sk: tcp_sock): void {
  const mtup = sk.icsk_mtup as icsk_mtup;
  mtup.search_high = mtup.probe_size - 1;
  mtup.probe_size = 0;
  sk.sk_net.ipv4.mib.TcpExtTCPMTUPFail++;
}

/** tcp_mtup_probe_success: from now on segments are as large. */
export function tcp_mtup_probe_success(sk: tcp_sock): void {
  const mtup = sk.icsk_mtup as icsk_mtup;
  own_slow(sk).prior_ssthresh = Math.max(sk.snd_ssthresh, (sk.snd_cwnd >> 1) + (sk.snd_cwnd >> 2));
  // The same number of bytes in fewer segments.
  const cwnd = Math.floor((sk.snd_cwnd * tcp_mss_to_mtu(sk, sk.mss_cache)) / mtup.probe_size);
  sk.snd_cwnd = Math.max(1, cwnd);
  sk.snd_cwnd_cnt = 0;
  sk.snd_cwnd_stamp = tcp_jiffies(sk.kernel);
  sk.snd_ssthresh = Math.max(sk.snd_ssthresh, (sk.snd_cwnd >> 1) + (sk.snd_cwnd >> 2));
  mtup.search_low = mtup.probe_size;
  mtup.probe_size = 0;
  const dst = sk.sk_dst_cache;
  tcp_sync_mss(sk, dst !== null ? dst_mtu(dst) : sk.icsk_pmtu_cookie);
  sk.sk_net.ipv4.mib.TcpExtTCPMTUPSuccess++;
}
