/**
 * GRO (net/core/gro.c): between the driver's poll and the stack, segments of one flow become one large packet. What is
 * held hangs in eight lists by flow hash; what is ready waits for up to gro_normal_batch others, so that the stack's
 * code is run over several packets in a row. Both are emptied at the end of the poll.
 *
 * A merged packet is the first segment, whose headers speak for all, with the payloads of the others in frag_list.
 */
import { csum_fold, csum_from_partial } from '../../lib/checksum.ts';
import { netif_receive_skb_list } from './dev.ts';
import { SKB_GSO_DODGY, SKB_GSO_TCPV4 } from './gso.ts';
import type { net } from './net_namespace.ts';
import { NETIF_F_GRO, type napi_struct, type net_device } from './netdevice.ts';
import { skb_checksum } from './skb_checksum.ts';
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  kfree_skb_reason,
  pskb_may_pull,
  SKB_DROP_REASON,
  type sk_buff,
  sk_buff_head,
  skb_pull,
} from './skbuff.ts';

export const GRO_HASH_BUCKETS = 8;
/** Packets held in one bucket. */
export const MAX_GRO_SKBS = 8;

/** What became of a packet (enum gro_result). */
export const GRO_MERGED = 0;
export const GRO_HELD = 2;
export const GRO_NORMAL = 3;

/** A network layer's part (struct packet_offload), and a transport's (struct net_offload). */
export interface offload_callbacks {
  /**
   * Looks for the packet that `skb` continues among `head`, and merges it (skb_gro_receive). Headers start at
   * gro_offset. Returns the packet that must be completed now, or null; `skb.gro_flush` when skb must not be held.
   */
  gro_receive(head: sk_buff_head, skb: sk_buff): sk_buff | null;
  /** Nothing can become of this packet but itself: it is not looked at any further. Left out: never so. */
  gro_elide?(skb: sk_buff): boolean;
  /** Makes the headers of a merged packet true; `nhoff`: where they start behind data. */
  gro_complete(skb: sk_buff, nhoff: number): void;
}

export interface packet_offload extends offload_callbacks {
  readonly type: number;
}

/** dev_add_offload */
export function dev_add_offload(net: net, offload: packet_offload): void {
  net.offload_base.push(offload);
}

/** What one NAPI context holds (struct gro_node). */
export class gro_node {
  readonly hash: sk_buff_head[] = Array.from({ length: GRO_HASH_BUCKETS }, () => new sk_buff_head());
  /** Buckets that hold something. */
  bitmask = 0;
  /** Packets that are ready, and the segments they stand for. */
  private readonly rx_list: sk_buff[] = [];
  private rx_length = 0;
  rx_count = 0;
  /** Segments that were merged into others, packets that were made so, packets that went up as they came. */
  merged = 0;
  completed = 0;
  normal = 0;

  /** gro_normal_one: up with the next batch. Takes the skb. */
  normal_one(skb: sk_buff, segments: number): void {
    this.rx_list[this.rx_length++] = skb;
    this.rx_count += segments;
    if (this.rx_count >= skb.kernel.init_net.sysctl.gro_normal_batch) this.normal_list();
  }

  /** gro_normal_list: the batch goes up. */
  normal_list(): void {
    if (this.rx_length === 0) return;
    const length = this.rx_length;
    this.rx_length = 0;
    this.rx_count = 0;
    netif_receive_skb_list(this.rx_list, length);
  }

  /** gro_flush: completes what is held; with `old`, only what was there before this jiffy. Oldest first. */
  flush(old: boolean): void {
    for (let mask = this.bitmask; mask !== 0; mask &= mask - 1) {
      const bucket = 31 - Math.clz32(mask & -mask);
      const list = this.hash[bucket] as sk_buff_head;
      for (let skb = list.last; skb !== null; skb = list.last) {
        if (old && skb.gro_age === skb.kernel.timers.jiffies()) break;
        list.unlink(skb);
        gro_complete(this, skb);
      }
      if (list.qlen === 0) this.bitmask &= ~(1 << bucket);
    }
  }

  /** gro_flush_normal */
  flush_normal(old: boolean): void {
    if (this.bitmask !== 0) this.flush(old);
    this.normal_list();
  }

  /** gro_cleanup: the context goes, and what it holds with it. */
  cleanup(): void {
    for (const list of this.hash) list.purge(SKB_DROP_REASON.QUEUE_PURGE);
    this.bitmask = 0;
    for (let i = 0; i < this.rx_length; i++) kfree_skb_reason(this.rx_list[i] as sk_buff, SKB_DROP_REASON.QUEUE_PURGE);
    this.rx_length = 0;
    this.rx_count = 0;
  }
}

/** napi_gro_receive (gro_receive_skb): from a driver's poll. Takes the skb. */
export function napi_gro_receive(napi: napi_struct, skb: sk_buff): number {
  const { kernel } = skb;
  const { gro } = napi;
  kernel.clock.now += kernel.cost.napi_gro_receive;
  const tp = kernel.trace.napi_gro_receive;
  if (tp !== null) tp(skb);
  skb.gro_offset = 0;
  const result = dev_gro_receive(gro, skb);
  if (result === GRO_NORMAL) {
    gro.normal++;
    gro.normal_one(skb, 1);
  } else if (result === GRO_MERGED) {
    gro.merged++;
  }
  return result;
}

function find_offload(net: net, type: number): packet_offload | null {
  const { offload_base } = net;
  for (let i = 0; i < offload_base.length; i++) {
    const offload = offload_base[i] as packet_offload;
    if (offload.type === type) return offload;
  }
  return null;
}

/** gro_find_receive_by_type, gro_find_complete_by_type: for headers within headers (VLAN). */
export function gro_find_by_type(skb: sk_buff, type: number): packet_offload | null {
  return find_offload((skb.dev as net_device).nd_net, type);
}

function dev_gro_receive(gro: gro_node, skb: sk_buff): number {
  const dev = skb.dev as net_device;
  // netif_elide_gro
  if ((dev.features & NETIF_F_GRO) === 0) return GRO_NORMAL;
  const offload = find_offload(dev.nd_net, skb.protocol);
  if (offload === null || offload.gro_elide?.(skb) === true) return GRO_NORMAL;
  const bucket = skb.hash & (GRO_HASH_BUCKETS - 1);
  const list = gro.hash[bucket] as sk_buff_head;
  if (list.first !== null) gro_list_prepare(list, skb);
  skb.network_header = skb.data + skb.gro_offset;
  skb.mac_len = skb.network_header - skb.mac_header;
  skb.gro_same_flow = 0;
  skb.gro_flush = skb.frag_list === null ? 0 : 1;
  skb.gro_count = 1;
  skb.gro_ip_fixedid = 0;
  skb.gro_is_flist = 0;
  skb.gro_csum_valid = 0;
  skb.gro_csum_cnt = 0;
  if (skb.gso_size !== 0) {
    skb.gro_count = skb.gso_segs;
    if ((skb.gso_type & SKB_GSO_TCPV4) === 0 || (skb.gso_type & SKB_GSO_DODGY) !== 0) skb.gro_flush = 1;
  }
  if (skb.ip_summed === CHECKSUM_UNNECESSARY) {
    skb.gro_csum_cnt = 1;
  } else if (skb.ip_summed === CHECKSUM_COMPLETE) {
    skb.gro_csum = skb.csum;
    skb.gro_csum_valid = 1;
  }
  const done = offload.gro_receive(list, skb);
  if (done !== null) {
    list.unlink(done);
    gro_complete(gro, done);
  }
  let result = GRO_MERGED;
  if (skb.gro_same_flow === 0) {
    if (skb.gro_flush !== 0) {
      result = GRO_NORMAL;
    } else {
      // gro_flush_oldest
      if (list.qlen >= MAX_GRO_SKBS) {
        const oldest = list.last as sk_buff;
        list.unlink(oldest);
        gro_complete(gro, oldest);
      }
      skb.gro_age = skb.kernel.timers.jiffies();
      skb.gro_last = skb;
      if (skb.gso_size === 0) skb.gso_size = skb_gro_len(skb);
      list.unshift(skb);
      result = GRO_HELD;
    }
  }
  if (list.qlen !== 0) gro.bitmask |= 1 << bucket;
  else gro.bitmask &= ~(1 << bucket);
  return result;
}

/** gro_list_prepare: which of those held come from the same device, by the same MAC header and tag? */
function gro_list_prepare(list: sk_buff_head, skb: sk_buff): void {
  const { u8 } = skb.ram;
  for (let p = list.first; p !== null; p = p.next) {
    p.gro_same_flow = 0;
    if (p.hash !== skb.hash || p.dev !== skb.dev || p.vlan_present !== skb.vlan_present) continue;
    if (p.vlan_present !== 0 && (p.vlan_tci !== skb.vlan_tci || p.vlan_proto !== skb.vlan_proto)) continue;
    const a = p.mac_header;
    const b = skb.mac_header;
    let i = 0;
    while (i < 14 && u8[a + i] === u8[b + i]) i++;
    if (i === 14) p.gro_same_flow = 1;
  }
}

/** gro_complete: a held packet is done; when others were merged into it, its headers are made true. Takes the skb. */
function gro_complete(gro: gro_node, skb: sk_buff): void {
  const { kernel } = skb;
  skb.gro_last = null;
  if (skb.gro_count === 1) {
    skb.gso_size = 0;
    gro.normal++;
  } else {
    const offload = find_offload((skb.dev as net_device).nd_net, skb.protocol);
    if (offload !== null) offload.gro_complete(skb, 0);
    gro.completed++;
    const tp = kernel.trace.napi_gro_complete;
    if (tp !== null) tp(skb, skb.gro_count);
  }
  gro.normal_one(skb, skb.gro_count);
}

// ---- for the offloads -------------------------------------------------------------------------------------------

/** skb_gro_len: bytes behind what the offloads have looked at. */
export function skb_gro_len(skb: sk_buff): number {
  return skb.len - skb.gro_offset;
}

/** skb_gro_header: the address of `length` bytes at the GRO offset, or 0 when there are not that many. */
export function skb_gro_header(skb: sk_buff, length: number): number {
  return pskb_may_pull(skb, skb.gro_offset + length) ? skb.data + skb.gro_offset : 0;
}

/** skb_gro_receive: appends the payload of `skb` to the held packet `p`. False when that would be too large. */
export function skb_gro_receive(p: sk_buff, skb: sk_buff): boolean {
  const length = skb_gro_len(skb);
  if (skb.gro_flush !== 0 || p.len + length >= (p.dev as net_device).gro_max_size) return false;
  const { kernel } = skb;
  const tp = kernel.trace.skb_gro_receive;
  if (tp !== null) tp(p, skb);
  // The socket it may belong to has nothing more to do with it: the merged packet answers for it.
  skb.destructor = null;
  skb.sk = null;
  skb_pull(skb, skb.gro_offset);
  append(p, skb, length);
  return true;
}

/** skb_gro_receive_list: the same for a list of whole datagrams, whose headers stay in the headroom (fraglist GRO). */
export function skb_gro_receive_list(p: sk_buff, skb: sk_buff): boolean {
  if (p.len + skb.len >= 65536) return false;
  const tp = skb.kernel.trace.skb_gro_receive;
  if (tp !== null) tp(p, skb);
  skb_pull(skb, skb.gro_offset);
  append(p, skb, skb.len);
  return true;
}

function append(p: sk_buff, skb: sk_buff, length: number): void {
  skb.next = null;
  const last = p.gro_last as sk_buff;
  if (last === p) p.frag_list = skb;
  else last.next = skb;
  p.gro_last = skb;
  p.gro_count += skb.gro_count;
  p.data_len += length;
  p.truesize += skb.truesize;
  p.len += length;
  skb.gro_same_flow = 1;
}

/**
 * skb_gro_checksum_validate: is the transport checksum over what is left right? `pseudo`: the sum of the pseudo header.
 * Once it has been, nobody needs to look again.
 */
export function skb_gro_checksum_ok(skb: sk_buff, pseudo: number): boolean {
  const needed = skb.ip_summed !== CHECKSUM_PARTIAL || skb.csum_start < skb.data + skb.gro_offset;
  if (needed && skb.gro_csum_cnt === 0) {
    const known = skb.gro_csum_valid !== 0 && csum_fold(skb.gro_csum + csum_from_partial(pseudo)) === 0;
    if (!known) {
      const sum = skb_checksum(skb, skb.gro_offset, skb_gro_len(skb), 0);
      skb.gro_csum = csum_from_partial(sum);
      skb.gro_csum_valid = 1;
      if (csum_fold(skb.gro_csum + csum_from_partial(pseudo)) !== 0) return false;
    }
  }
  // skb_gro_incr_csum_unnecessary
  if (skb.gro_csum_cnt > 0) skb.gro_csum_cnt--;
  else if (skb.ip_summed === CHECKSUM_NONE) skb.ip_summed = CHECKSUM_UNNECESSARY;
  return true;
}

/** ethtool -K DEV gro on|off */
export function netdev_set_gro(dev: net_device, on: boolean): void {
  dev.features = on ? dev.features | NETIF_F_GRO : dev.features & ~NETIF_F_GRO;
}
