/**
 * UDP's part of GRO (net/ipv4/udp_offload.c). Datagrams are merged only where somebody can take several at once: a
 * socket that asked for it (UDP_GRO), a device that forwards (rx-udp-gro-forwarding), or as a list of whole datagrams
 * (rx-gro-list). All others go up as they came, with their checksum verified.
 */
import { COPY_UDP_SEGMENT } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import {
  csum_fold,
  csum_from_partial,
  csum_partial,
  csum_tcpudp_nofold,
  ip_fast_csum,
  put_csum,
} from '../../lib/checksum.ts';
import {
  type offload_callbacks,
  skb_gro_checksum_ok,
  skb_gro_header,
  skb_gro_len,
  skb_gro_receive,
  skb_gro_receive_list,
} from '../core/gro.ts';
import { SKB_GSO_FRAGLIST, SKB_GSO_UDP_L4 } from '../core/gso.ts';
import { NETIF_F_GRO_FRAGLIST, NETIF_F_GRO_UDP_FWD, type net_device } from '../core/netdevice.ts';
import {
  alloc_skb,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  kfree_skb_reason,
  NET_SKB_PAD,
  SKB_DROP_REASON,
  type sk_buff,
  type sk_buff_head,
  skb_copy_bits,
  skb_put,
  skb_reserve,
} from '../core/skbuff.ts';
import { inet_gro_compute_pseudo, inet_gro_flush } from './inet_offload.ts';
import { get16, get32, IPPROTO_UDP, iph_daddr, iph_saddr, put16 } from './ip_header.ts';
import { __udp4_lib_lookup, UDP_HLEN } from './udp.ts';

/** Datagrams in one packet (UDP_GRO_CNT_MAX). */
const UDP_GRO_CNT_MAX = 64;

/** udp_encap_needed_key: no socket wants several at once, no device does. */
function wanted_by_nobody(skb: sk_buff): boolean {
  const dev = skb.dev as net_device;
  return dev.nd_net.ipv4.udp_encap_needed === 0 && (dev.features & (NETIF_F_GRO_FRAGLIST | NETIF_F_GRO_UDP_FWD)) === 0;
}

/**
 * Linux verifies the checksum even of those, in the softirq and not in recvmsg. Where that time is charged to nobody, it
 * is left to the copy to the user, which has the bytes in its cache; a wrong one ends in the same place either way.
 */
function udp_gro_elide(skb: sk_buff): boolean {
  return skb.kernel.cost.csum_kib === 0 && wanted_by_nobody(skb);
}

/** udp4_gro_receive */
function udp4_gro_receive(head: sk_buff_head, skb: sk_buff): sk_buff | null {
  const { ram } = skb;
  const uh = skb_gro_header(skb, UDP_HLEN);
  if (uh === 0) return flush(skb);
  const dev = skb.dev as net_device;
  const net = dev.nd_net;
  const fraglist = (dev.features & NETIF_F_GRO_FRAGLIST) !== 0;
  if (skb.gro_flush === 0 && get16(ram, uh + 6) !== 0) {
    if (!skb_gro_checksum_ok(skb, inet_gro_compute_pseudo(skb, IPPROTO_UDP))) return flush(skb);
  }
  if (wanted_by_nobody(skb)) return flush(skb);
  const sk =
    net.ipv4.udp_encap_needed === 0
      ? null
      : __udp4_lib_lookup(net, iph_saddr(skb), get16(ram, uh), iph_daddr(skb), get16(ram, uh + 2), dev.ifindex);
  if (fraglist) skb.gro_is_flist = sk?.opts.udp_gro === true ? 0 : 1;
  const wanted = sk === null ? (dev.features & NETIF_F_GRO_UDP_FWD) !== 0 : sk.opts.udp_gro;
  if (!wanted && skb.gro_is_flist === 0) return flush(skb);
  return udp_gro_receive_segment(head, skb, uh);
}

function flush(skb: sk_buff): null {
  skb.gro_flush = 1;
  return null;
}

/** udp_gro_receive_segment: datagrams of one length, the last one may be shorter. */
function udp_gro_receive_segment(head: sk_buff_head, skb: sk_buff, uh: number): sk_buff | null {
  const { ram } = skb;
  const ulen = get16(ram, uh + 4);
  // No checksum, padding, no payload: as it is.
  if (get16(ram, uh + 6) === 0 || ulen <= UDP_HLEN || ulen !== skb_gro_len(skb)) return flush(skb);
  skb.gro_offset += UDP_HLEN;
  for (let p = head.first; p !== null; p = p.next) {
    if (p.gro_same_flow === 0) continue;
    const uh2 = p.transport_header;
    if (get32(ram, uh) !== get32(ram, uh2)) {
      p.gro_same_flow = 0;
      continue;
    }
    if (skb.gro_is_flist !== p.gro_is_flist) {
      skb.gro_flush = 1;
      return p;
    }
    const ulen2 = get16(ram, uh2 + 4);
    if (ulen > ulen2 || inet_gro_flush(skb, p)) return p;
    let merged: boolean;
    if (skb.gro_is_flist !== 0) {
      if (skb.ip_summed !== p.ip_summed) return flush(skb);
      merged = skb_gro_receive_list(p, skb);
    } else {
      merged = skb_gro_receive(p, skb);
    }
    return !merged || ulen !== ulen2 || p.gro_count >= UDP_GRO_CNT_MAX ? p : null;
  }
  return null;
}

/** udp4_gro_complete */
function udp4_gro_complete(skb: sk_buff, nhoff: number): void {
  const { ram } = skb;
  const uh = skb.data + nhoff;
  put16(ram, uh + 4, skb.len - nhoff);
  skb.gso_segs = skb.gro_count;
  if (skb.gro_is_flist !== 0) {
    skb.gso_type |= SKB_GSO_FRAGLIST | SKB_GSO_UDP_L4;
    if (skb.ip_summed === CHECKSUM_NONE) skb.ip_summed = CHECKSUM_UNNECESSARY;
    return;
  }
  const pseudo = csum_tcpudp_nofold(iph_saddr(skb), iph_daddr(skb), skb.len - nhoff, IPPROTO_UDP);
  put_csum(ram, uh + 6, csum_from_partial(pseudo));
  skb.csum_start = uh;
  skb.csum_offset = 6;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.gso_type |= SKB_GSO_UDP_L4;
}

export const udpv4_offload: offload_callbacks = {
  gro_elide: udp_gro_elide,
  gro_receive: udp4_gro_receive,
  gro_complete: udp4_gro_complete,
};

/**
 * udp_rcv_segment: the datagrams of a merged packet one by one, for a socket that did not ask for several at once. Each
 * is a copy (`udp_rcv_segment` without NETIF_F_SG copies too), given to `deliver`. `data` is at the UDP header. Takes
 * the skb.
 */
export function udp_rcv_segment(skb: sk_buff, deliver: (segment: sk_buff) => void): void {
  const { kernel, ram } = skb;
  const iph = skb.network_header;
  const hlen = skb.data - iph;
  const id = get16(ram, iph + 4);
  let offset = UDP_HLEN;
  for (let n = 0; offset < skb.len; n++) {
    const size = Math.min(skb.gso_size, skb.len - offset);
    const segment = alloc_skb(kernel, NET_SKB_PAD + hlen + UDP_HLEN + size);
    if (segment === null) {
      skb.kernel.init_net.ipv4.mib.UdpInErrors++;
      kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
      return;
    }
    segment.parent = skb.id;
    skb_reserve(segment, NET_SKB_PAD);
    segment.network_header = skb_put(segment, hlen);
    ram.u8.copyWithin(segment.network_header, iph, iph + hlen);
    segment.transport_header = skb_put(segment, UDP_HLEN + size);
    ram.u8.copyWithin(segment.transport_header, skb.data, skb.data + UDP_HLEN);
    skb_copy_bits(skb, offset, segment.transport_header + UDP_HLEN, size);
    charge_copy(kernel, hlen + UDP_HLEN + size, COPY_UDP_SEGMENT);
    offset += size;
    put16(ram, segment.transport_header + 4, UDP_HLEN + size);
    put16(ram, segment.network_header + 2, hlen + UDP_HLEN + size);
    put16(ram, segment.network_header + 4, (id + n) & 0xffff);
    put16(ram, segment.network_header + 10, 0);
    put_csum(ram, segment.network_header + 10, ip_fast_csum(ram, segment.network_header, hlen >> 2));
    finish_segment(segment, skb, hlen, size);
    deliver(segment);
  }
  consume_skb(skb);
}

function finish_segment(segment: sk_buff, skb: sk_buff, hlen: number, size: number): void {
  const { ram } = skb;
  segment.data += hlen;
  segment.len -= hlen;
  segment.dev = skb.dev;
  segment.dst = skb.dst;
  segment.protocol = skb.protocol;
  segment.pkt_type = skb.pkt_type;
  segment.skb_iif = skb.skb_iif;
  segment.hash = skb.hash;
  segment.l4_hash = skb.l4_hash;
  segment.sw_hash = skb.sw_hash;
  segment.queue_mapping = skb.queue_mapping;
  segment.mark = skb.mark;
  segment.priority = skb.priority;
  segment.tstamp = skb.tstamp;
  const uh = segment.data;
  const pseudo = csum_tcpudp_nofold(iph_saddr(segment), iph_daddr(segment), UDP_HLEN + size, IPPROTO_UDP);
  put16(ram, uh + 6, 0);
  const csum = csum_fold(csum_partial(ram, uh, UDP_HLEN + size, pseudo));
  put_csum(ram, uh + 6, csum === 0 ? 0xffff : csum);
  segment.ip_summed = CHECKSUM_UNNECESSARY;
  const tp = skb.kernel.trace.skb_segment;
  if (tp !== null) tp(skb, segment);
}
