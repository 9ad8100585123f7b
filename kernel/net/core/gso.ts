/** Segmentation in software (net/core/gso.c): one large packet into those that the wire can carry. */

import { COPY_GSO } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { csum_from_partial, csum_tcpudp_nofold, ip_fast_csum, put_csum, swap16 } from '../../lib/checksum.ts';
import { get_unaligned_be32 } from '../../lib/unaligned.ts';
import { ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP } from '../ethernet/eth.ts';
import { NETIF_F_GSO_UDP_L4, NETIF_F_HW_CSUM, NETIF_F_TSO } from './netdevice.ts';
import { skb_checksum_help } from './skb_checksum.ts';
import {
  alloc_skb,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  copy_skb_header,
  kfree_skb_reason,
  MAX_HEADER,
  SKB_DROP_REASON,
  type sk_buff,
  skb_copy_bits,
  skb_put,
  skb_reserve,
} from './skbuff.ts';

/** Kinds of packets that stand for several (linux/skbuff.h): bits of gso_type. */
export const SKB_GSO_TCPV4 = 1 << 0;
export const SKB_GSO_DODGY = 1 << 1;
export const SKB_GSO_TCP_ECN = 1 << 2;
export const SKB_GSO_TCP_FIXEDID = 1 << 3;
export const SKB_GSO_UDP_L4 = 1 << 17;
/** What came is kept whole, one behind the other (frag_list), headers and all. */
export const SKB_GSO_FRAGLIST = 1 << 18;
export const SKB_GSO_TCP_ACCECN = 1 << 19;
export const GSO_MAX_SEGS = 65535;

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const UDP_HLEN = 8;
const TCP_FLAGS = 13;
const TCP_FIN = 0x01;
const TCP_PSH = 0x08;
const TCP_CWR = 0x80;
const IP_MF_OFFSET = 0x3fff;

/**
 * net_gso_ok: can a device with these features cut this kind of packet itself? Devices know CWR as a mark of the first
 * segment alone, so none cuts those in which it counts (NETIF_F_GSO_ACCECN).
 */
export function net_gso_ok(features: number, gso_type: number): boolean {
  if ((gso_type & SKB_GSO_TCP_ACCECN) !== 0) return false;
  if ((gso_type & SKB_GSO_TCPV4) !== 0) return (features & NETIF_F_TSO) !== 0;
  if ((gso_type & SKB_GSO_UDP_L4) !== 0) return (features & NETIF_F_GSO_UDP_L4) !== 0;
  return false;
}

/** Bytes of the transport header of a GSO packet: TCP with its options, UDP. */
function transport_hdrlen(skb: sk_buff): number {
  if ((skb.gso_type & SKB_GSO_UDP_L4) !== 0) return UDP_HLEN;
  return ((skb.ram.u8[skb.transport_header + 12] as number) >> 4) * 4;
}

/** The headers that every segment repeats, from the MAC header on (data must be there). */
export function skb_gso_transport_seglen_headers(skb: sk_buff): number {
  return skb.transport_header - skb.data + transport_hdrlen(skb);
}

/** skb_gso_network_seglen: the length of a full segment, from the network header on. */
export function skb_gso_network_seglen(skb: sk_buff): number {
  return skb.transport_header - skb.network_header + transport_hdrlen(skb) + skb.gso_size;
}

/** skb_gso_validate_network_len: does each segment fit an MTU? */
export function skb_gso_validate_network_len(skb: sk_buff, mtu: number): boolean {
  return skb_gso_network_seglen(skb) <= mtu;
}

/** skb_gso_validate_mac_len: the same with the link-layer header. */
export function skb_gso_validate_mac_len(skb: sk_buff, length: number): boolean {
  return skb.network_header - skb.mac_header + skb_gso_network_seglen(skb) <= length;
}

/**
 * skb_gso_segment: cuts an IPv4 packet of TCP or UDP, with or without link-layer header before data, into packets with
 * at most gso_size bytes of payload. Each is a copy in an skb of its own; what they share is done here: lengths,
 * identifications, sequence numbers, flags, checksums (by the card when `features` has NETIF_F_HW_CSUM).
 *
 * The original stays the caller's; its socket's books go to the last segment (as in Linux), so that the send buffer is
 * free when all are sent.
 *
 * @returns the segments linked by `next`, or null: no memory, or nothing that can be segmented
 */
export function skb_gso_segment(skb: sk_buff, features: number): sk_buff | null {
  const { ram } = skb;
  const ip = skb.network_header;
  if (network_protocol(skb) !== ETH_P_IP || skb.gso_size === 0) return null;
  const th = skb.transport_header;
  const linear = skb.tail;
  const ihl = ((ram.u8[ip] as number) & 15) * 4;
  const protocol = ram.u8[ip + 9];
  const udp = (skb.gso_type & SKB_GSO_UDP_L4) !== 0;
  if (ip === 0 || ihl < 20 || th !== ip + ihl || th + (udp ? UDP_HLEN : 20) > linear) return null;
  if (protocol !== (udp ? IPPROTO_UDP : IPPROTO_TCP)) return null;
  if ((((ram.u8[ip + 6] as number) << 8) | (ram.u8[ip + 7] as number)) & IP_MF_OFFSET) return null;
  const thlen = transport_hdrlen(skb);
  const headers = th + thlen - skb.data;
  if (thlen < (udp ? UDP_HLEN : 20) || skb.data + headers > linear || headers >= skb.len) return null;
  const segs = skb_segment(skb, headers);
  if (segs === null) return null;
  finish_segments(skb, segs, th - skb.data, thlen, udp, features);
  return segs;
}

/** skb_network_protocol: behind VLAN tags in the frame, the type before the network header. */
function network_protocol(skb: sk_buff): number {
  if (skb.protocol !== ETH_P_8021Q && skb.protocol !== ETH_P_8021AD) return skb.protocol;
  const at = skb.network_header - 2;
  if (at < skb.data) return 0;
  return ((skb.ram.u8[at] as number) << 8) | (skb.ram.u8[at + 1] as number);
}

/** skb_segment: headers and the next piece of payload, again and again. Charged as copies. */
function skb_segment(skb: sk_buff, headers: number): sk_buff | null {
  const { kernel } = skb;
  const tp = kernel.trace.skb_gso_segment;
  let first: sk_buff | null = null;
  let last: sk_buff | null = null;
  for (let offset = headers; offset < skb.len; offset += skb.gso_size) {
    const length = Math.min(skb.gso_size, skb.len - offset);
    const seg = alloc_skb(kernel, MAX_HEADER + headers + length);
    if (seg === null) {
      for (let gone = first; gone !== null; ) {
        const next: sk_buff | null = gone.next;
        gone.next = null;
        kfree_skb_reason(gone, SKB_DROP_REASON.NOMEM);
        gone = next;
      }
      return null;
    }
    skb_reserve(seg, MAX_HEADER);
    const at = skb_put(seg, headers + length);
    skb.ram.move(at, skb.data, headers);
    skb_copy_bits(skb, offset, at + headers, length);
    charge_copy(kernel, headers + length, COPY_GSO);
    const shift = at - skb.data;
    seg.parent = skb.id;
    seg.mac_header = skb.mac_header === 0 ? 0 : skb.mac_header + shift;
    seg.network_header = skb.network_header + shift;
    seg.transport_header = skb.transport_header + shift;
    copy_skb_header(seg, skb);
    seg.ip_summed = CHECKSUM_NONE;
    seg.csum_valid = 0;
    seg.gso_size = 0;
    seg.gso_segs = 0;
    seg.gso_type = 0;
    // qdisc_pkt_len; who has something else there (ip_finish_output_gso) puts it back.
    seg.cb0 = seg.len;
    if (tp !== null) tp(skb, seg);
    if (last === null) first = seg;
    else last.next = seg;
    last = seg;
  }
  if (first === null) return null;
  const tail = last as sk_buff;
  // The send buffer's books: the segments are charged nothing but the last, which gives it all back. A stamp that the packet
  // owes is the last one's, too, whatever byte it is of (tcp_gso_tstamp): the others have nobody to tell.
  if (skb.sk !== null && skb.destructor !== null) {
    tail.sk = skb.sk;
    tail.destructor = skb.destructor;
    // sock_wfree gives back truesize: that of the whole.
    const { truesize } = tail;
    tail.truesize = skb.truesize;
    skb.truesize = truesize;
    skb.sk = null;
    skb.destructor = null;
  }
  return first;
}

/** inet_gso_segment with tcp_gso_segment or __udp_gso_segment: the headers of each segment. */
function finish_segments(
  skb: sk_buff,
  segs: sk_buff,
  thoff: number,
  thlen: number,
  udp: boolean,
  features: number,
): void {
  const { ram } = skb;
  const { u8 } = ram;
  const ip = skb.network_header;
  let id = ((u8[ip + 4] as number) << 8) | (u8[ip + 5] as number);
  // The pseudo header's sum, without a length. Who left it open has put it there, and only who made the packet knows the
  // end of a source route.
  const sum_at = skb.transport_header + (udp ? 6 : 16);
  const pseudo =
    skb.ip_summed === CHECKSUM_PARTIAL
      ? ((u8[sum_at] as number) | ((u8[sum_at + 1] as number) << 8)) + (~swap16(skb.len - thoff) & 0xffff)
      : csum_tcpudp_nofold(
          get_unaligned_be32(u8, ip + 12),
          get_unaligned_be32(u8, ip + 16),
          0,
          udp ? IPPROTO_UDP : IPPROTO_TCP,
        );
  const fixed_id = (skb.gso_type & SKB_GSO_TCP_FIXEDID) !== 0;
  // A UDP datagram without a checksum has none in its segments either.
  const summed =
    !udp ||
    skb.ip_summed === CHECKSUM_PARTIAL ||
    u8[skb.transport_header + 6] !== 0 ||
    u8[skb.transport_header + 7] !== 0;
  let seq = get_unaligned_be32(u8, skb.transport_header + 4);
  for (let seg: sk_buff | null = segs; seg !== null; seg = seg.next) {
    const iph = seg.network_header;
    const th = seg.data + thoff;
    const length = seg.tail - iph;
    u8[iph + 2] = length >> 8;
    u8[iph + 3] = length & 255;
    u8[iph + 4] = id >> 8;
    u8[iph + 5] = id & 255;
    if (!fixed_id) id = (id + 1) & 0xffff;
    u8[iph + 10] = 0;
    u8[iph + 11] = 0;
    put_csum(ram, iph + 10, ip_fast_csum(ram, iph, (u8[iph] as number) & 15));
    const tlen = seg.tail - th;
    if (udp) {
      u8[th + 4] = tlen >> 8;
      u8[th + 5] = tlen & 255;
    } else {
      const flags = u8[th + TCP_FLAGS] as number;
      u8[th + 4] = seq >>> 24;
      u8[th + 5] = (seq >>> 16) & 255;
      u8[th + 6] = (seq >>> 8) & 255;
      u8[th + 7] = seq & 255;
      seq = (seq + tlen - thlen) | 0;
      // FIN and PSH belong to the last byte, CWR to the first segment, unless it is part of a count.
      let kept = flags;
      if (seg.next !== null) kept &= ~(TCP_FIN | TCP_PSH);
      if (seg !== segs && (skb.gso_type & SKB_GSO_TCP_ACCECN) === 0) kept &= ~TCP_CWR;
      u8[th + TCP_FLAGS] = kept;
    }
    if (!summed) continue;
    const at = th + (udp ? 6 : 16);
    put_csum(ram, at, csum_from_partial(pseudo + swap16(tlen)));
    seg.ip_summed = CHECKSUM_PARTIAL;
    seg.csum_start = th;
    seg.csum_offset = udp ? 6 : 16;
    if ((features & NETIF_F_HW_CSUM) === 0) skb_checksum_help(seg);
  }
}
