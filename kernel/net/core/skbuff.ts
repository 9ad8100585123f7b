/**
 * sk_buff: one packet on its way (include/linux/skbuff.h, net/core/skbuff.c).
 *
 *     head          data                 tail            end
 *      |  headroom   |  len bytes         |  tailroom     |
 *
 * All four are addresses in the host's RAM. The data belongs to every sk_buff whose `head` is the same: a clone
 * shares it by count and must not write to it. Ownership: whoever takes an skb ends it, with `consume_skb` when it
 * has done its duty and with `kfree_skb_reason` when it is dropped. Nobody touches an skb it has handed on.
 *
 * A packet may go on in other sk_buffs: `frag_list`, chained by `next`, with `data_len` bytes in all (what GRO merges).
 * `len` counts both parts; [data, tail) is the linear one, skb_headlen bytes. Clones share the list by count.
 */

import type { Ram } from '../../arch.ts';
import { COPY_FROM_USER, COPY_LINEARIZE, COPY_SKB, COPY_UNSHARE } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { ENOMEM } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import { assert } from '../../lib/assert.ts';
import { GFP_ATOMIC, Slab } from '../../mm/slab.ts';
import { wait_queue_head } from '../../sched/wait.ts';
import type { nf_conn } from '../netfilter/nf_conntrack.ts';
import { SKB_CONSUMED, SKB_DROP_REASON } from './dropreason.ts';
import type { dst_entry } from './dst.ts';
import type { ubuf_info_msgzc } from './msg_zerocopy.ts';
import type { net_device } from './netdevice.ts';
import type { sock } from './sock.ts';

export { SKB_DROP_REASON } from './dropreason.ts';

/** pkt_type: whom the frame is for (if_packet.h). */
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;
export const PACKET_OUTGOING = 4;
/** A copy of what this host sent to a group or to all, for its own sockets. */
export const PACKET_LOOPBACK = 5;

/** ip_summed: who has made, or must make, the transport checksum. */
export const CHECKSUM_NONE = 0;
export const CHECKSUM_UNNECESSARY = 1;
export const CHECKSUM_COMPLETE = 2;
export const CHECKSUM_PARTIAL = 3;

/** Room before the frame in a receive buffer, and the two bytes that align the IP header. */
export const NET_SKB_PAD = 64;
export const NET_IP_ALIGN = 2;
/** Headroom that transmit paths reserve for the link-layer header (LL_MAX_HEADER and alignment). */
export const MAX_HEADER = 128;

/** What the sizes of Linux's structures are on a 64-bit machine: they decide how many packets a socket buffer holds. */
export const SIZEOF_SK_BUFF = 256;
export const SIZEOF_SHARED_INFO = 320;

const NO_HEADER = 0;

export class sk_buff {
  readonly kernel: Kernel;
  readonly ram: Ram;
  /** Identity for tracing: unique in its host. A clone has its own, with `parent` the original's. */
  id = 0;
  parent = 0;
  head = 0;
  data = 0;
  tail = 0;
  end = 0;
  len = 0;
  /** Bytes of `len` that lie in frag_list. */
  data_len = 0;
  /** The rest of the packet (skb_shinfo(skb)->frag_list). */
  frag_list: sk_buff | null = null;
  truesize = 0;
  mac_header = NO_HEADER;
  network_header = NO_HEADER;
  transport_header = NO_HEADER;
  mac_len = 0;
  /** EtherType, in host order. */
  protocol = 0;
  pkt_type = 0;
  ip_summed = 0;
  /** CHECKSUM_COMPLETE: the sum over the packet, folded. CHECKSUM_PARTIAL: where to start and where to store. */
  csum = 0;
  csum_start = 0;
  csum_offset = 0;
  csum_valid = 0;
  /** The flow's hash, an int32; over ports too (l4_hash); made by software (sw_hash). 0 and neither flag: none yet. */
  hash = 0;
  l4_hash = 0;
  sw_hash = 0;
  /** Segments of this payload size that the packet stands for (skb_shared_info): SKB_GSO_ bits in gso_type. */
  gso_size = 0;
  gso_segs = 0;
  gso_type = 0;
  /** On the way in: the receive queue + 1, 0 when unknown. */
  queue_mapping = 0;
  priority = 0;
  mark = 0;
  /** A VLAN tag taken out of the frame, or to be put in: valid when vlan_present is not 0. */
  vlan_tci = 0;
  vlan_proto = 0;
  vlan_present = 0;
  /** Index of the device it came in by. */
  skb_iif = 0;
  /** ns of the simulated clock, 0 for none. */
  tstamp = 0;
  /** When it was put on a CPU's backlog, in ns. */
  queued_at = 0;
  users = 0;
  cloned = 0;
  /** May be fragmented here even with DF set (ip_sk_ignore_df). */
  ignore_df = 0;
  dev: net_device | null = null;
  sk: sock | null = null;
  destructor: ((skb: sk_buff) => void) | null = null;
  /** The route, once there is one. */
  dst: dst_entry | null = null;
  /** Its connection, held by count, and IP_CT_* (_nfct); IP_CT_UNTRACKED without a connection: not to be tracked. */
  _nfct: nf_conn | null = null;
  nfctinfo = 0;
  /** TRACE: tables tell the log which rules it meets. */
  nf_trace = 0;
  /** struct nf_bridge_info: on its way through a bridge, seen by IP's hooks; the ports it came in and goes out by. */
  nf_bridge = 0;
  physindev: net_device | null = null;
  physoutdev: net_device | null = null;
  next: sk_buff | null = null;
  prev: sk_buff | null = null;
  /** Queue it hangs in, for the assertion that it hangs in one only. */
  list: sk_buff_head | null = null;
  /** Control block: each layer uses these words as it likes while it holds the skb. */
  cb0 = 0;
  cb1 = 0;
  cb2 = 0;
  cb3 = 0;
  cb4 = 0;
  cb5 = 0;
  /** NAPI_GRO_CB: GRO's own words, valid while it holds the packet (net/core/gro.ts). */
  gro_offset = 0;
  gro_last: sk_buff | null = null;
  gro_count = 0;
  gro_age = 0;
  gro_same_flow = 0;
  gro_flush = 0;
  gro_csum = 0;
  gro_csum_valid = 0;
  gro_csum_cnt = 0;
  gro_ip_fixedid = 0;
  gro_is_flist = 0;
  /**
   * TCP_SKB_CB: TCP's own words, valid while it holds the packet (net/ipv4/tcp_sock.ts); sequence numbers are int32. On
   * the way out gso_segs and gso_size say how many segments the packet stands for (tcp_gso_segs, tcp_gso_size).
   */
  seq = 0;
  end_seq = 0;
  ack_seq = 0;
  tcp_flags = 0;
  sacked = 0;
  eor = 0;
  ip_dsfield = 0;
  /** skb_mstamp and the state of delivery when it was sent (tx.*), in µs. */
  skb_mstamp = 0;
  tx_first_mstamp = 0;
  tx_delivered_mstamp = 0;
  tx_delivered = 0;
  tx_is_app_limited = 0;
  /** tcp_tsorted_anchor: neighbours by the time of sending. In the out-of-order queue: subtrees (net/ipv4/tcp_ofo_tree.ts). */
  tsorted_prev: sk_buff | null = null;
  tsorted_next: sk_buff | null = null;
  /** The stamps of sending that it owes (SKBTX_), the byte they are of, and whether its acknowledgement is one. */
  tx_flags = 0;
  tskey = 0;
  txstamp_ack = 0;
  /** MSG_ZEROCOPY: the sends that have bytes in it, held (skb_zcopy); and in how many pieces of user memory those lie. */
  ubuf: ubuf_info_msgzc | null = null;
  nr_frags = 0;
  /** The clone that was sent last (skb_fclone_busy): still below as long as its `parent` is this packet's id and it lives. */
  tcp_clone: sk_buff | null = null;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.ram = kernel.ram;
  }
}

/** The cache of sk_buffs of one host, and who is alive. */
export class skb_pool {
  private readonly kernel: Kernel;
  private readonly free: sk_buff[] = [];
  /** Every sk_buff ever made; those with `users` > 0 are alive. */
  private readonly all: sk_buff[] = [];
  private ids = 0;
  alive = 0;
  /** Fault injection and memory limits: when set and true for a size, the allocation fails. */
  fail_alloc: ((size: number) => boolean) | null = null;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** An sk_buff without data, all fields as new. */
  take(): sk_buff {
    let skb = this.free.pop();
    if (skb === undefined) {
      skb = new sk_buff(this.kernel);
      this.all.push(skb);
    }
    this.alive++;
    this.ids = (this.ids + 1) | 0;
    skb.id = this.ids;
    skb.parent = 0;
    skb.users = 1;
    return skb;
  }

  give(skb: sk_buff): void {
    this.alive--;
    this.free.push(skb);
  }

  /** The living, for the leak check at the end of a run. */
  living(): sk_buff[] {
    return this.all.filter(skb => skb.users > 0);
  }
}

function reset(skb: sk_buff): void {
  skb.mac_header = NO_HEADER;
  skb.network_header = NO_HEADER;
  skb.transport_header = NO_HEADER;
  skb.mac_len = 0;
  skb.protocol = 0;
  skb.pkt_type = PACKET_HOST;
  skb.ip_summed = CHECKSUM_NONE;
  skb.csum = 0;
  skb.csum_start = 0;
  skb.csum_offset = 0;
  skb.csum_valid = 0;
  skb.hash = 0;
  skb.l4_hash = 0;
  skb.sw_hash = 0;
  skb.gso_size = 0;
  skb.gso_segs = 0;
  skb.gso_type = 0;
  skb.queue_mapping = 0;
  skb.priority = 0;
  skb.mark = 0;
  skb.vlan_tci = 0;
  skb.vlan_proto = 0;
  skb.vlan_present = 0;
  skb.skb_iif = 0;
  skb.tstamp = 0;
  skb.tx_flags = 0;
  skb.cloned = 0;
  skb.ignore_df = 0;
  skb.dev = null;
  skb.sk = null;
  skb.destructor = null;
  skb.dst = null;
  skb._nfct = null;
  skb.nfctinfo = 0;
  skb.nf_trace = 0;
  skb.nf_bridge = 0;
  skb.physindev = null;
  skb.physoutdev = null;
  skb.cb0 = 0;
  skb.cb1 = 0;
  skb.cb2 = 0;
  skb.cb3 = 0;
  skb.cb4 = 0;
  skb.cb5 = 0;
}

/** alloc_skb: an empty skb with room for `size` bytes, or null when there is no memory. The caller owns it. */
export function alloc_skb(kernel: Kernel, size: number): sk_buff | null {
  return __alloc_skb(kernel, size, SIZEOF_SHARED_INFO, GFP_ATOMIC);
}

/** As alloc_skb, with `behind` bytes of the buffer left out of use: Linux keeps skb_shared_info there. `gfp`: GFP_. */
export function __alloc_skb(kernel: Kernel, size: number, behind: number, gfp: number): sk_buff | null {
  const fail = kernel.skbs.fail_alloc;
  if (fail?.(size)) return null;
  const bucket = Slab.roundup(size + behind);
  const head = bucket === 0 ? 0 : kernel.slab.kmalloc(bucket, gfp);
  return head === 0 ? null : build_skb_around(kernel, head, bucket, behind);
}

/** __build_skb_around: an empty skb whose buffer is the object of `bucket` bytes at `head`, which it takes over. */
function build_skb_around(kernel: Kernel, head: number, bucket: number, behind: number): sk_buff {
  kernel.clock.now += kernel.cost.alloc_skb;
  const skb = kernel.skbs.take();
  reset(skb);
  skb.head = head;
  skb.data = head;
  skb.tail = head;
  skb.end = head + bucket - behind;
  skb.len = 0;
  skb.data_len = 0;
  skb.truesize = bucket + SIZEOF_SK_BUFF;
  const tp = kernel.trace.skb_alloc;
  if (tp !== null) tp(skb);
  return skb;
}

/** netdev_alloc_skb: for a receive ring; NET_SKB_PAD bytes of headroom. The caller owns it; null without memory. */
export function netdev_alloc_skb(dev: net_device, length: number): sk_buff | null {
  const skb = alloc_skb(dev.kernel, length + NET_SKB_PAD);
  if (skb !== null) {
    skb_reserve(skb, NET_SKB_PAD);
    skb.dev = dev;
  }
  return skb;
}

/** napi_alloc_frag: a receive buffer of `length` bytes before there is a packet, or 0 without memory. Whoever has it frees it (skb_free_frag). */
export function napi_alloc_frag(kernel: Kernel, length: number): number {
  const fail = kernel.skbs.fail_alloc;
  return fail?.(length) ? 0 : kernel.slab.kmalloc(length);
}

/** skb_free_frag */
export function skb_free_frag(kernel: Kernel, frag: number): void {
  if (!kernel.slab.put(frag)) kernel.arch.report('skb', `receive buffer at ${frag} freed twice`);
}

/** napi_build_skb: an empty skb of the device around a buffer that napi_alloc_frag gave for `length` bytes, which it takes over. */
export function napi_build_skb(dev: net_device, frag: number, length: number): sk_buff {
  const skb = build_skb_around(dev.kernel, frag, Slab.roundup(length), SIZEOF_SHARED_INFO);
  skb.dev = dev;
  return skb;
}

/** netdev_alloc_skb_ip_align: two bytes more headroom, so that the IP header is aligned. */
export function netdev_alloc_skb_ip_align(dev: net_device, length: number): sk_buff | null {
  const skb = alloc_skb(dev.kernel, length + NET_SKB_PAD + NET_IP_ALIGN);
  if (skb === null) return null;
  skb.data += NET_SKB_PAD + NET_IP_ALIGN;
  skb.tail = skb.data;
  skb.dev = dev;
  return skb;
}

/** skb_clone: a second skb over the same data, read-only for both. The caller owns it; null without memory. */
export function skb_clone(skb: sk_buff): sk_buff | null {
  const kernel = skb.kernel;
  const fail = kernel.skbs.fail_alloc;
  if (fail?.(0)) return null;
  const clone = kernel.skbs.take();
  kernel.slab.get(skb.head);
  skb.cloned = 1;
  clone.cloned = 1;
  clone.parent = skb.id;
  clone.head = skb.head;
  clone.data = skb.data;
  clone.tail = skb.tail;
  clone.end = skb.end;
  clone.len = skb.len;
  clone.data_len = skb.data_len;
  clone.frag_list = skb.frag_list;
  // skb_clone_fraglist
  for (let frag = skb.frag_list; frag !== null; frag = frag.next) frag.users++;
  clone.truesize = skb.truesize;
  copy_skb_header(clone, skb);
  clone.mac_header = skb.mac_header;
  clone.network_header = skb.network_header;
  clone.transport_header = skb.transport_header;
  clone.csum_start = skb.csum_start;
  clone.sk = null;
  clone.destructor = null;
  const tp = kernel.trace.skb_clone;
  if (tp !== null) tp(skb, clone);
  return clone;
}

/** skb_copy: a private, linear copy of data and headers. The caller owns it; null without memory. */
export function skb_copy(skb: sk_buff): sk_buff | null {
  const size = skb.end - skb.head + skb.data_len;
  const copy = alloc_skb(skb.kernel, size);
  if (copy === null) return null;
  const shift = copy.head - skb.head;
  copy.parent = skb.id;
  copy.data = skb.data + shift;
  copy.tail = copy.data + skb.len;
  copy.len = skb.len;
  skb_copy_bits(skb, 0, copy.data, skb.len);
  charge_copy(skb.kernel, skb.len, COPY_SKB);
  copy_skb_header(copy, skb);
  copy.mac_header = skb.mac_header === 0 ? 0 : skb.mac_header + shift;
  copy.network_header = skb.network_header === 0 ? 0 : skb.network_header + shift;
  copy.transport_header = skb.transport_header === 0 ? 0 : skb.transport_header + shift;
  copy.csum_start = skb.csum_start === 0 ? 0 : skb.csum_start + shift;
  // Headers below `data` belong to the packet too.
  const from = skb.mac_header === 0 ? skb.data : Math.min(skb.mac_header, skb.data);
  skb.ram.move(from + shift, from, skb.data - from);
  return copy;
}

/** __copy_skb_header: all that is said of the packet, but for where its headers are. */
export function copy_skb_header(to: sk_buff, from: sk_buff): void {
  to.mac_len = from.mac_len;
  to.protocol = from.protocol;
  to.pkt_type = from.pkt_type;
  to.ip_summed = from.ip_summed;
  to.csum = from.csum;
  to.csum_offset = from.csum_offset;
  to.csum_valid = from.csum_valid;
  to.hash = from.hash;
  to.l4_hash = from.l4_hash;
  to.sw_hash = from.sw_hash;
  to.gso_size = from.gso_size;
  to.gso_segs = from.gso_segs;
  to.gso_type = from.gso_type;
  to.queue_mapping = from.queue_mapping;
  to.priority = from.priority;
  to.mark = from.mark;
  to.vlan_tci = from.vlan_tci;
  to.vlan_proto = from.vlan_proto;
  to.vlan_present = from.vlan_present;
  to.skb_iif = from.skb_iif;
  to.tstamp = from.tstamp;
  to.tx_flags = from.tx_flags;
  to.tskey = from.tskey;
  to.ignore_df = from.ignore_df;
  to.dev = from.dev;
  to.dst = from.dst;
  nf_copy(to, from);
  to.nf_bridge = from.nf_bridge;
  to.physindev = from.physindev;
  to.physoutdev = from.physoutdev;
  to.cb0 = from.cb0;
  to.cb1 = from.cb1;
  to.cb2 = from.cb2;
  to.cb3 = from.cb3;
  to.cb4 = from.cb4;
  to.cb5 = from.cb5;
}

/** nf_copy: `to`, which has no connection, is one more packet of that of `from`. */
export function nf_copy(to: sk_buff, from: sk_buff): void {
  if (from._nfct !== null) from._nfct.use++;
  to._nfct = from._nfct;
  to.nfctinfo = from.nfctinfo;
  to.nf_trace = from.nf_trace;
}

/** skb_get: one more owner of the same sk_buff. */
export function skb_get(skb: sk_buff): sk_buff {
  skb.users++;
  return skb;
}

/** skb_shared: somebody else holds this very sk_buff. */
export function skb_shared(skb: sk_buff): boolean {
  return skb.users !== 1;
}

/** skb_share_check: an skb that is only ours; consumes `skb`. Null without memory. */
export function skb_share_check(skb: sk_buff): sk_buff | null {
  if (skb.users === 1) return skb;
  const clone = skb_clone(skb);
  if (clone !== null) consume_skb(skb);
  else kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
  return clone;
}

/** skb_cloned: the data has another owner, so it must not be written to. */
export function skb_cloned(skb: sk_buff): boolean {
  return skb.cloned !== 0 && skb.kernel.slab.count(skb.head) > 1;
}

/** skb_cow_head: makes the headers writable, with at least `headroom` bytes before data. 0 or a negative errno. */
export function skb_cow_head(skb: sk_buff, headroom: number): number {
  if (!skb_cloned(skb) && skb_headroom(skb) >= headroom) return 0;
  return pskb_expand_head(skb, Math.max(headroom, skb_headroom(skb)), 0);
}

/** pskb_expand_head: private data with `headroom` bytes in front and `extra_tail` more behind. 0 or -ENOMEM. */
export function pskb_expand_head(skb: sk_buff, headroom: number, extra_tail: number): number {
  return __pskb_expand_head(skb, headroom, extra_tail, SIZEOF_SHARED_INFO, COPY_UNSHARE, GFP_ATOMIC);
}

/** As pskb_expand_head, `behind` as for __alloc_skb; `place`: the copy's, as charge_copy has it. */
export function __pskb_expand_head(
  skb: sk_buff,
  headroom: number,
  extra_tail: number,
  behind: number,
  place: number,
  gfp: number,
): number {
  const { slab, ram, skbs } = skb.kernel;
  const keep = skb.mac_header === 0 ? skb.data : Math.min(skb.mac_header, skb.data);
  const front = Math.max(headroom, skb.data - keep);
  const size = front + (skb.end - skb.data) + extra_tail;
  if (skbs.fail_alloc?.(size)) return -ENOMEM;
  const bucket = Slab.roundup(size + behind);
  const head = bucket === 0 ? 0 : slab.kmalloc(bucket, gfp);
  if (head === 0) return -ENOMEM;
  const shift = head + front - skb.data;
  ram.move(keep + shift, keep, skb.tail - keep);
  charge_copy(skb.kernel, skb.tail - keep, place);
  put_head(skb);
  skb.head = head;
  skb.end = head + bucket - behind;
  skb.data += shift;
  skb.tail += shift;
  if (skb.mac_header !== 0) skb.mac_header += shift;
  if (skb.network_header !== 0) skb.network_header += shift;
  if (skb.transport_header !== 0) skb.transport_header += shift;
  if (skb.csum_start !== 0) skb.csum_start += shift;
  skb.cloned = 0;
  return 0;
}

export function skb_headroom(skb: sk_buff): number {
  return skb.data - skb.head;
}

export function skb_tailroom(skb: sk_buff): number {
  return skb.end - skb.tail;
}

/** skb_reserve: headroom in an empty skb. */
export function skb_reserve(skb: sk_buff, length: number): void {
  assert(skb.len === 0 && skb.data + length <= skb.end, 'skb_reserve beyond end');
  skb.data += length;
  skb.tail += length;
}

/** skb_put: `length` more bytes at the tail of a linear packet. Returns the address of the first one. */
export function skb_put(skb: sk_buff, length: number): number {
  assert(skb.data_len === 0, 'skb_put to a packet with fragments');
  const at = skb.tail;
  skb.tail = at + length;
  skb.len += length;
  assert(skb.tail <= skb.end, 'skb_over_panic');
  return at;
}

/** skb_push: `length` bytes in front. Returns the new data address. */
export function skb_push(skb: sk_buff, length: number): number {
  skb.data -= length;
  skb.len += length;
  assert(skb.data >= skb.head, 'skb_under_panic');
  return skb.data;
}

/** skb_pull: takes `length` bytes off the front. False, and nothing done, when there are not that many. */
export function skb_pull(skb: sk_buff, length: number): boolean {
  if (length > skb.len - skb.data_len && !pskb_may_pull(skb, length)) return false;
  skb.len -= length;
  skb.data += length;
  return true;
}

/** pskb_may_pull: are there `length` bytes of linear data? What lies in fragments is brought there. */
export function pskb_may_pull(skb: sk_buff, length: number): boolean {
  if (length <= skb.len - skb.data_len) return true;
  return length <= skb.len && __pskb_pull_tail(skb, length - skb_headlen(skb));
}

/** skb_trim and pskb_trim: cuts the tail so that `length` bytes are left. False: no memory, which only fragments need. */
export function skb_trim(skb: sk_buff, length: number): boolean {
  if (skb.len <= length) return true;
  if (skb.data_len === 0) skb.tail = skb.data + length;
  else if (!trim_frags(skb, length)) return false;
  skb.len = length;
  return true;
}

// ---- fragments --------------------------------------------------------------------------------------------------

export function skb_is_nonlinear(skb: sk_buff): boolean {
  return skb.data_len !== 0;
}

/** skb_headlen: bytes of the linear part. */
export function skb_headlen(skb: sk_buff): number {
  return skb.len - skb.data_len;
}

/** skb_copy_bits: `length` bytes from `offset` behind data to RAM at `to`, wherever they lie. They must exist. */
export function skb_copy_bits(skb: sk_buff, offset: number, to: number, length: number): void {
  const head = skb.len - skb.data_len - offset;
  if (head > 0) {
    const n = Math.min(head, length);
    skb.ram.move(to, skb.data + offset, n);
    to += n;
    length -= n;
    offset = 0;
  } else {
    offset = -head;
  }
  for (let frag = skb.frag_list; frag !== null && length > 0; frag = frag.next) {
    if (offset >= frag.len) {
      offset -= frag.len;
      continue;
    }
    const n = Math.min(frag.len - offset, length);
    skb_copy_bits(frag, offset, to, n);
    to += n;
    length -= n;
    offset = 0;
  }
  assert(length <= 0, 'skb_copy_bits beyond the end');
}

/** __pskb_pull_tail: `delta` bytes from the fragments to the linear part. False without memory, nothing done. */
export function __pskb_pull_tail(skb: sk_buff, delta: number): boolean {
  if (skb_cloned(skb) || skb_tailroom(skb) < delta) {
    if (pskb_expand_head(skb, skb_headroom(skb), delta) !== 0) return false;
  }
  if (!unshare_frags(skb)) return false;
  skb_copy_bits(skb, skb_headlen(skb), skb.tail, delta);
  charge_copy(skb.kernel, delta, COPY_LINEARIZE);
  skb.tail += delta;
  skb.data_len -= delta;
  for (let frag = skb.frag_list; frag !== null && delta > 0; frag = skb.frag_list) {
    if (frag.len > delta) {
      skb_pull(frag, delta);
      break;
    }
    delta -= frag.len;
    skb.frag_list = frag.next;
    frag.next = null;
    consume_skb(frag);
  }
  return true;
}

/** skb_linearize: everything between data and tail. 0 or -ENOMEM. */
export function skb_linearize(skb: sk_buff): number {
  return skb.data_len === 0 || __pskb_pull_tail(skb, skb.data_len) ? 0 : -12;
}

/** Fragments that a clone shares are replaced by clones of their own. False without memory. */
function unshare_frags(skb: sk_buff): boolean {
  let previous: sk_buff | null = null;
  for (let frag = skb.frag_list; frag !== null; frag = frag.next) {
    if (frag.users > 1) {
      const clone = skb_clone(frag);
      if (clone === null) return false;
      clone.next = frag.next;
      frag.users--;
      if (previous === null) skb.frag_list = clone;
      else previous.next = clone;
      frag = clone;
    }
    previous = frag;
  }
  return true;
}

/** ___pskb_trim: `length` counts from data. */
function trim_frags(skb: sk_buff, length: number): boolean {
  let left = length - skb_headlen(skb);
  if (left <= 0) {
    skb.tail = skb.data + length;
    skb.data_len = 0;
    put_frags(skb, SKB_CONSUMED);
    return true;
  }
  if (!unshare_frags(skb)) return false;
  skb.data_len = left;
  let frag = skb.frag_list as sk_buff;
  for (; frag.len < left; frag = frag.next as sk_buff) left -= frag.len;
  skb_trim(frag, left);
  let rest = frag.next;
  frag.next = null;
  while (rest !== null) {
    const next: sk_buff | null = rest.next;
    rest.next = null;
    consume_skb(rest);
    rest = next;
  }
  return true;
}

/** Gives back this packet's hold on its fragments (kfree_skb_list_reason). */
function put_frags(skb: sk_buff, reason: number): void {
  let frag = skb.frag_list;
  skb.frag_list = null;
  while (frag !== null) {
    const next: sk_buff | null = frag.next;
    if (frag.users === 1) frag.next = null;
    kfree_skb_reason(frag, reason);
    frag = next;
  }
}

export function skb_reset_mac_header(skb: sk_buff): void {
  skb.mac_header = skb.data;
}

export function skb_reset_network_header(skb: sk_buff): void {
  skb.network_header = skb.data;
}

export function skb_reset_transport_header(skb: sk_buff): void {
  skb.transport_header = skb.data;
}

/**
 * skb_put_data: appends `length` bytes from RAM at `address` (a copy, charged; the identity of the source follows).
 * `place`: whose copy it is, of kernel/copies.ts.
 */
export function skb_put_data(skb: sk_buff, address: number, length: number, place = COPY_FROM_USER): void {
  const to = skb_put(skb, length);
  const kernel = skb.kernel;
  charge_copy(kernel, length, place);
  skb.ram.move(to, address, length);
  const tp = kernel.trace.skb_copy_from;
  if (tp !== null) tp(skb, address, length);
}

/** skb_orphan: takes the skb off its socket's books. */
export function skb_orphan(skb: sk_buff): void {
  const destructor = skb.destructor;
  if (destructor !== null) destructor(skb);
  skb.destructor = null;
  skb.sk = null;
}

/** consume_skb: the packet has done its duty. */
export function consume_skb(skb: sk_buff): void {
  if (!unref(skb)) return;
  const tp = skb.kernel.trace.consume_skb;
  if (tp !== null) tp(skb);
  release(skb, SKB_CONSUMED);
}

/** kfree_skb_reason (sk_skb_reason_drop): the packet is dropped, and why (SKB_DROP_REASON). */
export function kfree_skb_reason(skb: sk_buff, reason: number): void {
  if (!unref(skb)) return;
  const kernel = skb.kernel;
  if (reason === SKB_CONSUMED) {
    const tp = kernel.trace.consume_skb;
    if (tp !== null) tp(skb);
  } else {
    kernel.init_net.count_drop(reason);
    const tp = kernel.trace.kfree_skb;
    if (tp !== null) tp(skb, reason);
  }
  release(skb, reason);
}

function unref(skb: sk_buff): boolean {
  if (skb.users <= 0) {
    skb.kernel.arch.report('skb', `double free of sk_buff ${skb.id}`);
    return false;
  }
  return --skb.users === 0;
}

function release(skb: sk_buff, reason: number): void {
  const kernel = skb.kernel;
  kernel.clock.now += kernel.cost.free_skb;
  if (skb.list !== null) kernel.arch.report('skb', `sk_buff ${skb.id} freed while it hangs in a queue`);
  const destructor = skb.destructor;
  if (destructor !== null) destructor(skb);
  put_head(skb);
  if (skb.frag_list !== null) put_frags(skb, reason);
  if (skb._nfct !== null) nf_reset_ct(skb);
  skb.sk = null;
  skb.dev = null;
  skb.dst = null;
  skb.destructor = null;
  kernel.skbs.give(skb);
}

/** nf_reset_ct: the packet's way past the connection trackers is over. */
export function nf_reset_ct(skb: sk_buff): void {
  const ct = skb._nfct;
  skb._nfct = null;
  skb.nfctinfo = 0;
  if (ct !== null && --ct.use === 0) ct.ct_net.nf_conntrack_destroy(ct);
}

function put_head(skb: sk_buff): void {
  if (!skb.kernel.slab.put(skb.head)) skb.kernel.arch.report('skb', `data of sk_buff ${skb.id} freed twice`);
}

/**
 * A doubly linked queue of skbs (struct sk_buff_head). It is a wait queue, too, for those where somebody waits: so that a
 * sock can be both at once.
 */
export class sk_buff_head extends wait_queue_head {
  first: sk_buff | null = null;
  last: sk_buff | null = null;
  qlen = 0;

  /** __skb_queue_tail */
  push(skb: sk_buff): void {
    assert(skb.list === null, 'sk_buff queued twice');
    skb.list = this;
    skb.next = null;
    skb.prev = this.last;
    if (this.last !== null) this.last.next = skb;
    else this.first = skb;
    this.last = skb;
    this.qlen++;
  }

  /** __skb_queue_head */
  unshift(skb: sk_buff): void {
    assert(skb.list === null, 'sk_buff queued twice');
    skb.list = this;
    skb.prev = null;
    skb.next = this.first;
    if (this.first !== null) this.first.prev = skb;
    else this.last = skb;
    this.first = skb;
    this.qlen++;
  }

  /** __skb_queue_after: `skb` behind `before`, which hangs here. */
  insert_after(before: sk_buff, skb: sk_buff): void {
    assert(skb.list === null && before.list === this, 'sk_buff queued twice');
    skb.list = this;
    skb.prev = before;
    skb.next = before.next;
    if (before.next !== null) before.next.prev = skb;
    else this.last = skb;
    before.next = skb;
    this.qlen++;
  }

  /** __skb_dequeue */
  shift(): sk_buff | null {
    const skb = this.first;
    if (skb !== null) this.unlink(skb);
    return skb;
  }

  /** __skb_unlink */
  unlink(skb: sk_buff): void {
    assert(skb.list === this, 'sk_buff is not in this queue');
    if (skb.prev !== null) skb.prev.next = skb.next;
    else this.first = skb.next;
    if (skb.next !== null) skb.next.prev = skb.prev;
    else this.last = skb.prev;
    skb.list = null;
    skb.next = null;
    skb.prev = null;
    this.qlen--;
  }

  /** skb_queue_purge_reason */
  purge(reason: number): void {
    for (let skb = this.shift(); skb !== null; skb = this.shift()) kfree_skb_reason(skb, reason);
  }
}

/** The queue of all who have never had anything in one: nothing may be put into it. A queue of its own comes first. */
export const no_skbs = new sk_buff_head();
