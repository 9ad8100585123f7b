/**
 * 802.1Q tags: out of the frame on the way in, into it on the way out, and to the device of the VLAN (net/8021q/vlan_core.c,
 * skb_vlan_untag in net/core/skbuff.c). While a packet is inside, its tag is in vlan_proto and vlan_tci.
 */
import { csum_from_partial, csum_partial } from '../../lib/checksum.ts';
import { dev_add_offload, gro_find_by_type, type packet_offload, skb_gro_header } from '../core/gro.ts';
import type { net } from '../core/net_namespace.ts';
import { IFF_UP, type net_device } from '../core/netdevice.ts';
import {
  CHECKSUM_COMPLETE,
  kfree_skb_reason,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  pskb_expand_head,
  pskb_may_pull,
  SKB_DROP_REASON,
  type sk_buff,
  type sk_buff_head,
  skb_cloned,
  skb_headroom,
  skb_push,
  skb_share_check,
} from '../core/skbuff.ts';
import { ETH_HLEN, ETH_P_802_2, ETH_P_802_3, ETH_P_8021AD, ETH_P_8021Q } from '../ethernet/eth.ts';
import type { vlan_dev_priv } from './vlan_dev.ts';

export const VLAN_HLEN = 4;
export const VLAN_VID_MASK = 0x0fff;
const VLAN_PRIO_SHIFT = 13;

/** What became of a tagged packet: nothing, it is gone, or it has another device or another header. */
export const VLAN_NONE = 0;
export const VLAN_GONE = 1;
export const VLAN_ANOTHER = 2;

/** __vlan_hwaccel_put_tag */
export function __vlan_hwaccel_put_tag(skb: sk_buff, proto: number, tci: number): void {
  skb.vlan_proto = proto;
  skb.vlan_tci = tci;
  skb.vlan_present = 1;
}

/** __vlan_hwaccel_clear_tag */
export function __vlan_hwaccel_clear_tag(skb: sk_buff): void {
  skb.vlan_present = 0;
  skb.vlan_tci = 0;
  skb.vlan_proto = 0;
}

/** The key of a VLAN in a device's vlan_info. */
export function vlan_key(proto: number, vid: number): number {
  return (proto << 12) | vid;
}

/** skb_vlan_untag: takes the tag at `data` out of the frame. The skb, or null when it is gone. Takes the skb. */
export function skb_vlan_untag(skb: sk_buff): sk_buff | null {
  // One tag at a time: the card, or an earlier round, has taken out the outer one.
  if (skb.vlan_present !== 0) return skb;
  const own = skb_share_check(skb);
  if (own === null) return null;
  if (!pskb_may_pull(own, VLAN_HLEN + 2)) {
    kfree_skb_reason(own, SKB_DROP_REASON.PKT_TOO_SMALL);
    return null;
  }
  if (skb_cloned(own) && pskb_expand_head(own, skb_headroom(own), 0) !== 0) {
    kfree_skb_reason(own, SKB_DROP_REASON.NOMEM);
    return null;
  }
  const { u8 } = own.ram;
  const at = own.data;
  __vlan_hwaccel_put_tag(own, own.protocol, ((u8[at] as number) << 8) | (u8[at + 1] as number));
  // skb_pull_rcsum
  if (own.ip_summed === CHECKSUM_COMPLETE) {
    own.csum = csum_from_partial(own.csum + (~csum_from_partial(csum_partial(own.ram, at, VLAN_HLEN, 0)) & 0xffff));
  }
  own.data += VLAN_HLEN;
  own.len -= VLAN_HLEN;
  // vlan_set_encap_proto
  const type = ((u8[at + 2] as number) << 8) | (u8[at + 3] as number);
  const raw_802_3 = u8[own.data] === 0xff && u8[own.data + 1] === 0xff;
  own.protocol = type >= 0x600 ? type : raw_802_3 ? ETH_P_802_3 : ETH_P_802_2;
  // skb_reorder_vlan_header: the addresses move up to the inner type.
  const mac = own.mac_header;
  const mac_len = own.data - mac;
  if (mac_len > VLAN_HLEN + 2) skb.ram.move(mac + VLAN_HLEN, mac, mac_len - VLAN_HLEN - 2);
  own.mac_header = mac + VLAN_HLEN;
  own.network_header = own.data;
  // Where no GRO has looked behind the tag.
  if (own.transport_header === 0 || own.transport_header < own.data) own.transport_header = own.data;
  own.mac_len = own.data - own.mac_header;
  return own;
}

/** vlan_do_receive: has the VLAN a device here? Takes the skb when it returns VLAN_GONE. The skb is nobody else's. */
export function vlan_do_receive(skb: sk_buff): number {
  const dev = skb.dev as net_device;
  const vlan_dev = dev.vlan_info?.get(vlan_key(skb.vlan_proto, skb.vlan_tci & VLAN_VID_MASK)) ?? null;
  if (vlan_dev === null) return VLAN_NONE;
  if ((vlan_dev.flags & IFF_UP) === 0) {
    vlan_dev.stats.rx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
    return VLAN_GONE;
  }
  skb.dev = vlan_dev;
  if (skb.pkt_type === PACKET_OTHERHOST && is_dest(skb, vlan_dev.dev_addr)) skb.pkt_type = PACKET_HOST;
  const priv = vlan_dev.priv as vlan_dev_priv;
  skb.priority = priv.ingress_priority_map[skb.vlan_tci >> VLAN_PRIO_SHIFT] as number;
  const tp = skb.kernel.trace.vlan_do_receive;
  if (tp !== null) tp(skb);
  __vlan_hwaccel_clear_tag(skb);
  const { stats } = vlan_dev;
  stats.rx_packets++;
  stats.rx_bytes += skb.len;
  if (skb.pkt_type === PACKET_MULTICAST) stats.multicast++;
  return VLAN_ANOTHER;
}

function is_dest(skb: sk_buff, address: Uint8Array): boolean {
  const { u8 } = skb.ram;
  for (let i = 0; i < 6; i++) if (u8[skb.mac_header + i] !== address[i]) return false;
  return true;
}

/**
 * The end of __netif_receive_skb_core's look at a tag that no device wanted: a packet of a VLAN that this host is not in
 * is somebody else's; a priority tag (VLAN 0) is forgotten, and what is under it may be a tag again. Takes the skb
 * when it returns VLAN_GONE.
 */
export function vlan_unclaimed(skb: sk_buff): number {
  for (;;) {
    if ((skb.vlan_tci & VLAN_VID_MASK) !== 0) {
      skb.pkt_type = PACKET_OTHERHOST;
      break;
    }
    if (skb.protocol !== ETH_P_8021Q && skb.protocol !== ETH_P_8021AD) break;
    __vlan_hwaccel_clear_tag(skb);
    if (skb_vlan_untag(skb) === null) return VLAN_GONE;
    const result = vlan_do_receive(skb);
    if (result !== VLAN_NONE) return result;
  }
  __vlan_hwaccel_clear_tag(skb);
  return VLAN_NONE;
}

/**
 * __vlan_hwaccel_push_inside: the tag goes into the frame, behind the addresses. `data` at the Ethernet header. False:
 * no memory, and the skb is gone.
 */
export function __vlan_hwaccel_push_inside(skb: sk_buff): boolean {
  if (skb_cloned(skb) || skb_headroom(skb) < VLAN_HLEN) {
    if (pskb_expand_head(skb, Math.max(skb_headroom(skb), VLAN_HLEN), 0) !== 0) {
      kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
      return false;
    }
  }
  const { u8 } = skb.ram;
  const at = skb_push(skb, VLAN_HLEN);
  u8.copyWithin(at, at + VLAN_HLEN, at + VLAN_HLEN + 12);
  u8[at + 12] = skb.vlan_proto >> 8;
  u8[at + 13] = skb.vlan_proto & 0xff;
  u8[at + 14] = skb.vlan_tci >> 8;
  u8[at + 15] = skb.vlan_tci & 0xff;
  skb.mac_header = at;
  skb.mac_len = ETH_HLEN + VLAN_HLEN;
  skb.protocol = skb.vlan_proto;
  __vlan_hwaccel_clear_tag(skb);
  return true;
}

// ---- GRO --------------------------------------------------------------------------------------------------------

/** vlan_gro_receive: for tags that are still in the frame. */
function vlan_gro_receive(head: sk_buff_head, skb: sk_buff): sk_buff | null {
  const { u8 } = skb.ram;
  const at = skb_gro_header(skb, VLAN_HLEN);
  const inner = at === 0 ? null : gro_find_by_type(skb, ((u8[at + 2] as number) << 8) | (u8[at + 3] as number));
  if (inner === null || inner.type === ETH_P_8021Q || inner.type === ETH_P_8021AD) {
    skb.gro_flush = 1;
    return null;
  }
  for (let p = head.first; p !== null; p = p.next) {
    if (p.gro_same_flow === 0) continue;
    const other = p.data + (at - skb.data);
    for (let i = 0; i < VLAN_HLEN; i++) if (u8[at + i] !== u8[other + i]) p.gro_same_flow = 0;
  }
  if (skb.gro_csum_valid !== 0) {
    const tag = csum_from_partial(csum_partial(skb.ram, at, VLAN_HLEN, 0));
    skb.gro_csum = csum_from_partial(skb.gro_csum + (~tag & 0xffff));
  }
  skb.gro_offset += VLAN_HLEN;
  return inner.gro_receive(head, skb);
}

function vlan_gro_complete(skb: sk_buff, nhoff: number): void {
  const { u8 } = skb.ram;
  const at = skb.data + nhoff;
  gro_find_by_type(skb, ((u8[at + 2] as number) << 8) | (u8[at + 3] as number))?.gro_complete(skb, nhoff + VLAN_HLEN);
}

/** vlan_offload_init */
export function vlan_offload_init(net: net): void {
  for (const type of [ETH_P_8021Q, ETH_P_8021AD]) {
    const offload: packet_offload = { type, gro_receive: vlan_gro_receive, gro_complete: vlan_gro_complete };
    dev_add_offload(net, offload);
  }
}
