/** TCP's part of GRO (net/ipv4/tcp_offload.c). */
import { csum_from_partial, csum_tcpudp_nofold, put_csum } from '../../lib/checksum.ts';
import {
  type offload_callbacks,
  skb_gro_checksum_ok,
  skb_gro_header,
  skb_gro_len,
  skb_gro_receive,
} from '../core/gro.ts';
import { SKB_GSO_TCP_ACCECN, SKB_GSO_TCP_FIXEDID, SKB_GSO_TCPV4 } from '../core/gso.ts';
import { CHECKSUM_PARTIAL, type sk_buff, type sk_buff_head } from '../core/skbuff.ts';
import { inet_gro_compute_pseudo, inet_gro_flush } from './inet_offload.ts';
import { get16, get32, IPPROTO_TCP, iph_daddr, iph_saddr } from './ip_header.ts';

const TCP_HLEN = 20;
/** Bits of the word that holds header length, flags and window (tcp_flag_word). */
const TCP_FLAG_CWR = 0x00800000;
const TCP_FLAG_URG = 0x00200000;
const TCP_FLAG_PSH = 0x00080000;
const TCP_FLAG_RST = 0x00040000;
const TCP_FLAG_SYN = 0x00020000;
const TCP_FLAG_FIN = 0x00010000;
/** A segment with one of these completes what is held. */
const FLUSH_FLAGS = TCP_FLAG_URG | TCP_FLAG_PSH | TCP_FLAG_RST | TCP_FLAG_SYN | TCP_FLAG_FIN;

/** tcp4_gro_receive, tcp_gro_pull_header */
function tcp4_gro_receive(head: sk_buff_head, skb: sk_buff): sk_buff | null {
  if (skb.gro_flush === 0 && !skb_gro_checksum_ok(skb, inet_gro_compute_pseudo(skb, IPPROTO_TCP))) {
    skb.gro_flush = 1;
    return null;
  }
  let th = skb_gro_header(skb, TCP_HLEN);
  const thlen = th === 0 ? 0 : ((skb.ram.u8[th + 12] as number) >> 4) * 4;
  th = thlen < TCP_HLEN ? 0 : skb_gro_header(skb, thlen);
  if (th === 0) {
    skb.gro_flush = 1;
    return null;
  }
  skb.gro_offset += thlen;
  return tcp_gro_receive(head, skb, th, thlen);
}

/** tcp_gro_lookup: the held packet with these ports. */
function tcp_gro_lookup(head: sk_buff_head, skb: sk_buff, th: number): sk_buff | null {
  const { ram } = skb;
  const ports = get32(ram, th);
  for (let p = head.first; p !== null; p = p.next) {
    if (p.gro_same_flow === 0) continue;
    if (get32(ram, p.transport_header) === ports) return p;
    p.gro_same_flow = 0;
  }
  return null;
}

/** Does `skb` not go on where `p` ends, with the same acknowledgement, window, flags and options? */
function differs(p: sk_buff, skb: sk_buff, th: number, thlen: number, flags: number, length: number): boolean {
  const { ram } = skb;
  const th2 = p.transport_header;
  if ((flags & TCP_FLAG_CWR) !== 0) return true;
  if (((flags ^ get32(ram, th2 + 12)) & ~(TCP_FLAG_FIN | TCP_FLAG_PSH)) !== 0) return true;
  if (get32(ram, th + 8) !== get32(ram, th2 + 8)) return true;
  for (let i = TCP_HLEN; i < thlen; i += 4) if (get32(ram, th + i) !== get32(ram, th2 + i)) return true;
  if (inet_gro_flush(skb, p)) return true;
  const mss = p.gso_size;
  if (skb.gso_size !== 0 ? skb.gso_size !== mss : length === 0 || length > mss) return true;
  return ((get32(ram, th2 + 4) + skb_gro_len(p)) | 0) !== get32(ram, th + 4);
}

/** tcp_gro_receive */
function tcp_gro_receive(head: sk_buff_head, skb: sk_buff, th: number, thlen: number): sk_buff | null {
  const { ram } = skb;
  const length = skb_gro_len(skb);
  const flags = get32(ram, th + 12);
  const p = tcp_gro_lookup(head, skb, th);
  let mss = 1;
  if (p !== null && !differs(p, skb, th, thlen, flags, length)) {
    const p_mss = p.gso_size;
    if (skb_gro_receive(p, skb)) {
      mss = p_mss;
      // The last flags of all: FIN and PSH end a packet.
      const at = p.transport_header + 13;
      ram.u8[at] = (ram.u8[at] as number) | ((flags >>> 16) & 0x09);
    }
  }
  // A segment shorter than the others is the last one.
  const short = skb.gso_size !== 0 ? length !== skb.gro_count * skb.gso_size : length < mss;
  const flush = short || (flags & FLUSH_FLAGS) !== 0;
  if (flush) skb.gro_flush = 1;
  return p !== null && (skb.gro_same_flow === 0 || flush) ? p : null;
}

/** tcp4_gro_complete: the checksum field gets the pseudo header's sum; the rest is right, and never looked at again. */
function tcp4_gro_complete(skb: sk_buff, thoff: number): void {
  const { ram } = skb;
  const th = skb.data + thoff;
  const pseudo = csum_tcpudp_nofold(iph_saddr(skb), iph_daddr(skb), skb.len - thoff, IPPROTO_TCP);
  put_csum(ram, th + 16, csum_from_partial(pseudo));
  skb.csum_start = th;
  skb.csum_offset = 16;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.gso_segs = skb.gro_count;
  skb.gso_type |= SKB_GSO_TCPV4 | (skb.gro_ip_fixedid !== 0 ? SKB_GSO_TCP_FIXEDID : 0);
  if ((get16(ram, th + 12) & 0x80) !== 0) skb.gso_type |= SKB_GSO_TCP_ACCECN;
}

export const tcpv4_offload: offload_callbacks = { gro_receive: tcp4_gro_receive, gro_complete: tcp4_gro_complete };
