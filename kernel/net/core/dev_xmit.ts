/** From the stack to the driver: queue selection, validation, the driver's queues (the transmit half of net/core/dev.c). */
import { ENETDOWN } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import { reciprocal_scale } from '../../lib/hash.ts';
import type { Cpu } from '../../sched/cpu.ts';
import { NET_TX_SOFTIRQ, raise_softirq } from '../../softirq.ts';
import { __vlan_hwaccel_push_inside } from '../8021q/vlan_core.ts';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS, type Qdisc } from '../sched/qdisc.ts';
import { __dev_xmit_skb, noqueue_qdisc_ops, qdisc_reset, qdisc_run } from '../sched/sch_generic.ts';
import type { softnet_data } from './dev.ts';
import { skb_get_hash, skb_get_rx_queue, skb_rx_queue_recorded } from './flow_dissector.ts';
import { net_gso_ok, skb_gso_segment, skb_gso_transport_seglen_headers } from './gso.ts';
import type { net, packet_type } from './net_namespace.ts';
import {
  IFF_UP,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_HW_CSUM,
  NETIF_F_HW_VLAN_CTAG_TX,
  type net_device,
  type netdev_queue,
  type netdev_tx_t,
} from './netdevice.ts';
import { skb_checksum_help } from './skb_checksum.ts';
import { skb_sched_timestamp } from './skb_tstamp.ts';
import {
  CHECKSUM_PARTIAL,
  consume_skb,
  kfree_skb_reason,
  PACKET_OUTGOING,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_linearize,
  skb_reset_mac_header,
} from './skbuff.ts';

/** How deep devices without a queue may be stacked. */
const XMIT_RECURSION_LIMIT = 8;

// ---- the driver's queues --------------------------------------------------------------------------------------------

export function netif_start_queue(dev: net_device): void {
  for (const txq of dev._tx) txq.stopped = false;
}

export function netif_tx_stop_all_queues(dev: net_device): void {
  for (const txq of dev._tx) txq.stopped = true;
}

/** netif_stop_queue: the driver has no room; nothing is given to it until it wakes the queue. */
export function netif_stop_queue(dev: net_device, queue = 0): void {
  (dev._tx[queue] as netdev_queue).stopped = true;
  const tp = dev.kernel.trace.netif_tx_stop_queue;
  if (tp !== null) tp(dev, queue);
}

/** netif_wake_queue: room again; NET_TX_SOFTIRQ runs what waits. */
export function netif_wake_queue(dev: net_device, queue = 0): void {
  const txq = dev._tx[queue] as netdev_queue;
  if (!txq.stopped) return;
  txq.stopped = false;
  const tp = dev.kernel.trace.netif_tx_wake_queue;
  if (tp !== null) tp(dev, queue);
  netif_schedule(txq.qdisc);
}

export function netif_queue_stopped(dev: net_device, queue = 0): boolean {
  return (dev._tx[queue] as netdev_queue).stopped;
}

/** netif_stop_subqueue: one queue of several. */
export function netif_stop_subqueue(dev: net_device, queue: number): void {
  netif_stop_queue(dev, queue);
}

/** netif_wake_subqueue */
export function netif_wake_subqueue(dev: net_device, queue: number): void {
  netif_wake_queue(dev, queue);
}

/** __netif_subqueue_stopped */
export function __netif_subqueue_stopped(dev: net_device, queue: number): boolean {
  return (dev._tx[queue] as netdev_queue).stopped;
}

/** netif_tx_wake_all_queues */
export function netif_tx_wake_all_queues(dev: net_device): void {
  for (let queue = 0; queue < dev.real_num_tx_queues; queue++) netif_wake_queue(dev, queue);
}

/**
 * netif_set_real_num_tx_queues: the driver uses the first `count` of its queues; what waits for the others is dropped
 * (qdisc_reset_all_tx_gt). False: it has not so many.
 */
export function netif_set_real_num_tx_queues(dev: net_device, count: number): boolean {
  if (count < 1 || count > dev._tx.length) return false;
  for (let queue = count; queue < dev.real_num_tx_queues; queue++) {
    const { qdisc_sleeping } = dev._tx[queue] as netdev_queue;
    if (qdisc_sleeping !== null) qdisc_reset(qdisc_sleeping);
  }
  dev.real_num_tx_queues = count;
  return true;
}

// ---- byte queue limits ----------------------------------------------------------------------------------------------

/**
 * netdev_tx_sent_queue (__netdev_tx_sent_queue): `bytes` more are with the hardware.
 * @param xmit_more netdev_xmit_more: another packet follows
 * @returns shall the doorbell be rung?
 */
export function netdev_tx_sent_queue(txq: netdev_queue, bytes: number, xmit_more = false): boolean {
  txq.dql.queued(bytes);
  if (xmit_more) return txq.stopped || txq.stack_xoff;
  if (txq.dql.avail() < 0) txq.stack_xoff = true;
  return true;
}

/** netdev_tx_completed_queue: `bytes` in `packets` have been sent, or given up. */
export function netdev_tx_completed_queue(txq: netdev_queue, _packets: number, bytes: number): void {
  if (bytes === 0) return;
  const { kernel } = txq.dev;
  if (!txq.dql.completed(bytes, kernel.clock.now)) {
    kernel.arch.report('bql', `${txq.dev.name}: queue ${txq.index} completed ${bytes} bytes, more than were sent`);
    return;
  }
  if (txq.dql.avail() < 0 || !txq.stack_xoff) return;
  txq.stack_xoff = false;
  netif_schedule(txq.qdisc);
}

/** netdev_tx_reset_queue: the hardware has nothing any more. */
export function netdev_tx_reset_queue(txq: netdev_queue): void {
  txq.stack_xoff = false;
  txq.dql.reset();
}

/** netdev_xmit_more: another packet comes at once, so the doorbell may wait for it. */
export function netdev_xmit_more(dev: net_device): boolean {
  const { kernel } = dev;
  return (kernel.softnet[kernel.cpu.id] as softnet_data).xmit_more;
}

// ---- NET_TX_SOFTIRQ -------------------------------------------------------------------------------------------------

/** __netif_schedule: NET_TX_SOFTIRQ shall run this qdisc. */
export function netif_schedule(q: Qdisc): void {
  if (q.scheduled) return;
  q.scheduled = true;
  const { kernel } = q.dev;
  const sd = kernel.softnet[kernel.cpu.id] as softnet_data;
  q.next_sched = null;
  if (sd.output_queue_tail === null) sd.output_queue = q;
  else sd.output_queue_tail.next_sched = q;
  sd.output_queue_tail = q;
  raise_softirq(kernel.cpu, NET_TX_SOFTIRQ);
}

/** net_tx_action: runs the qdiscs that asked for it, one a slice. */
export function net_tx_action(cpu: Cpu): boolean {
  const sd = cpu.kernel.softnet[cpu.id] as softnet_data;
  if (sd.output_taken === null) {
    // What is scheduled from here on is for the next round of softirqs.
    sd.output_taken = sd.output_queue;
    sd.output_queue = null;
    sd.output_queue_tail = null;
  }
  const q = sd.output_taken;
  if (q === null) return false;
  sd.output_taken = q.next_sched;
  q.next_sched = null;
  q.scheduled = false;
  // Of a device that has gone down meanwhile there is nothing to run.
  if (!q.deactivated) qdisc_run(q);
  return sd.output_taken !== null;
}

// ---- queue selection ------------------------------------------------------------------------------------------------

/** netif_set_xps_queue: what CPUs in `mask` send goes to transmit queue `index`, beside what they had. False: no such queue. */
export function netif_set_xps_queue(dev: net_device, mask: number, index: number): boolean {
  if (index < 0 || index >= dev._tx.length) return false;
  const cpus = dev.kernel.cpus.length;
  const before = dev.xps_cpus;
  const maps = Array.from({ length: cpus }, (_, cpu) => {
    const queues = [...(before?.[cpu] ?? [])].filter(queue => queue !== index);
    if (((mask >>> cpu) & 1) !== 0) queues.push(index);
    return Int32Array.from(queues);
  });
  dev.xps_cpus = maps.some(queues => queues.length > 0) ? maps : null;
  return true;
}

/** get_xps_queue: by the CPU that sends; -1: nothing is said about it. */
function get_xps_queue(dev: net_device, skb: sk_buff): number {
  const map = dev.xps_cpus?.[dev.kernel.cpu.id];
  if (map === undefined || map.length === 0) return -1;
  const queue = map[map.length === 1 ? 0 : reciprocal_scale(skb_get_hash(skb), map.length)] as number;
  return queue < dev.real_num_tx_queues ? queue : -1;
}

/** skb_tx_hash: by the queue it came in by, or by its flow. */
export function skb_tx_hash(dev: net_device, skb: sk_buff): number {
  const queues = dev.real_num_tx_queues;
  if (skb_rx_queue_recorded(skb)) return skb_get_rx_queue(skb) % queues;
  return reciprocal_scale(skb_get_hash(skb), queues);
}

/** netdev_pick_tx: a connected socket stays on the queue it has, so that its packets keep their order. */
export function netdev_pick_tx(dev: net_device, skb: sk_buff): number {
  const { sk } = skb;
  const had = sk === null ? -1 : sk.sk_tx_queue_mapping;
  if (had >= 0 && had < dev.real_num_tx_queues) return had;
  let queue = get_xps_queue(dev, skb);
  if (queue < 0) queue = skb_tx_hash(dev, skb);
  if (sk !== null && sk.sk_dst_cache !== null) sk.sk_tx_queue_mapping = queue;
  return queue;
}

/** netdev_core_pick_tx: sets queue_mapping. */
function netdev_core_pick_tx(dev: net_device, skb: sk_buff): netdev_queue {
  let queue = 0;
  if (dev.real_num_tx_queues !== 1) {
    const { ndo_select_queue } = dev.netdev_ops;
    queue = ndo_select_queue === undefined ? netdev_pick_tx(dev, skb) : ndo_select_queue(skb, dev);
    // netdev_cap_txqueue
    if (queue >= dev.real_num_tx_queues) queue = 0;
  }
  skb.queue_mapping = queue;
  return dev._tx[queue] as netdev_queue;
}

// ---- from the stack -------------------------------------------------------------------------------------------------

/** qdisc_pkt_len_init: the bytes on the wire, with each segment's headers. */
function qdisc_pkt_len_init(skb: sk_buff): void {
  skb.cb0 = skb.gso_size === 0 ? skb.len : skb.len + (skb.gso_segs - 1) * skb_gso_transport_seglen_headers(skb);
}

/**
 * dev_queue_xmit: hands a packet with its link-layer header to the device's queue. Takes the skb in every case.
 * @returns NET_XMIT_SUCCESS, NET_XMIT_DROP, NET_XMIT_CN, or a negative errno.
 */
export function dev_queue_xmit(skb: sk_buff): number {
  const dev = skb.dev as net_device;
  const kernel = dev.kernel;
  kernel.clock.now += kernel.cost.dev_queue_xmit;
  skb_reset_mac_header(skb);
  qdisc_pkt_len_init(skb);
  const tp = kernel.trace.dev_queue_xmit;
  if (tp !== null) tp(skb);
  if (skb.tx_flags !== 0) skb_sched_timestamp(skb);
  const txq = netdev_core_pick_tx(dev, skb);
  const q = txq.qdisc;
  if (q.ops !== noqueue_qdisc_ops) return __dev_xmit_skb(skb, q, txq);
  return xmit_without_queue(skb, dev, txq, kernel);
}

/** A device without a queue (loopback, tunnels): straight in, as long as it does not come back here too often. */
function xmit_without_queue(skb: sk_buff, dev: net_device, txq: netdev_queue, kernel: Kernel): number {
  const sd = kernel.softnet[kernel.cpu.id] as softnet_data;
  if ((dev.flags & IFF_UP) !== 0 && sd.xmit_recursion <= XMIT_RECURSION_LIMIT) {
    const list = validate_xmit_skb(skb, dev);
    // What could not be made fit is dropped, and counted there.
    if (list === null) return NET_XMIT_SUCCESS;
    sd.xmit_recursion++;
    const left = txq.stopped || txq.stack_xoff ? list : dev_hard_start_xmit(list, dev, txq);
    sd.xmit_recursion--;
    if (left === null) return NET_XMIT_SUCCESS;
    dev.stats.tx_dropped++;
    kfree_skb_list(left, SKB_DROP_REASON.DEV_READY);
    return -ENETDOWN;
  }
  dev.stats.tx_dropped++;
  kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
  return -ENETDOWN;
}

/** dev_direct_xmit: past the queue, to the driver or nowhere (packet sockets with PACKET_QDISC_BYPASS). Takes the skb. */
export function dev_direct_xmit(skb: sk_buff, queue: number): number {
  const dev = skb.dev as net_device;
  const drop = (list: sk_buff, reason: number): number => {
    dev.stats.tx_dropped++;
    kfree_skb_list(list, reason);
    return NET_XMIT_DROP;
  };
  if (!dev.running || !dev.carrier) return drop(skb, SKB_DROP_REASON.DEV_READY);
  qdisc_pkt_len_init(skb);
  const list = validate_xmit_skb_list(skb, dev);
  if (list === null) return NET_XMIT_DROP;
  // It must stay one packet.
  if (list !== skb || skb.next !== null) return drop(list, SKB_DROP_REASON.SKB_GSO_SEG);
  skb.queue_mapping = queue < dev.real_num_tx_queues ? queue : 0;
  const txq = dev._tx[skb.queue_mapping] as netdev_queue;
  // BQL's opinion does not count here: who bypasses the queue paces itself.
  if (txq.stopped) {
    kfree_skb_reason(skb, SKB_DROP_REASON.FULL_RING);
    return NETDEV_TX_BUSY;
  }
  const result = netdev_start_xmit(skb, dev, txq, false);
  if (result !== NETDEV_TX_OK) kfree_skb_reason(skb, SKB_DROP_REASON.FULL_RING);
  return result;
}

/** kfree_skb_list_reason */
export function kfree_skb_list(list: sk_buff | null, reason: number): void {
  for (let skb = list; skb !== null; ) {
    const next: sk_buff | null = skb.next;
    skb.next = null;
    kfree_skb_reason(skb, reason);
    skb = next;
  }
}

// ---- to the driver --------------------------------------------------------------------------------------------------

/** netif_skb_features: what the device can do for this packet. */
export function netif_skb_features(skb: sk_buff): number {
  const dev = skb.dev as net_device;
  const { ndo_features_check } = dev.netdev_ops;
  return ndo_features_check === undefined ? dev.features : dev.features & ndo_features_check(skb, dev, dev.features);
}

/**
 * validate_xmit_skb: makes what the card cannot: segments, one piece, the checksum, the VLAN tag. Takes the skb; gives
 * it, or its segments linked by `next`, or null when it had to be dropped.
 */
function validate_xmit_skb(skb: sk_buff, dev: net_device): sk_buff | null {
  const tp = dev.kernel.trace.validate_xmit_skb;
  if (tp !== null) tp(skb);
  // The plain packet: nothing to do.
  if (skb.gso_size === 0 && skb.data_len === 0 && skb.ip_summed !== CHECKSUM_PARTIAL && skb.vlan_present === 0)
    return skb;
  const features = netif_skb_features(skb);
  if (skb.gso_size !== 0 && !(net_gso_ok(features, skb.gso_type) && (skb.data_len === 0 || can_frags(features)))) {
    const segs = skb_gso_segment(skb, features);
    if (segs === null) {
      dev.stats.tx_dropped++;
      kfree_skb_reason(skb, SKB_DROP_REASON.SKB_GSO_SEG);
      return null;
    }
    consume_skb(skb);
    return segs.vlan_present === 0 || can_tag(features) ? segs : tag_segments(segs);
  }
  if (skb.data_len !== 0 && !can_frags(features) && skb_linearize(skb) !== 0) {
    dev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
    return null;
  }
  const open = skb.ip_summed === CHECKSUM_PARTIAL && skb.gso_size === 0 && (features & NETIF_F_HW_CSUM) === 0;
  if (open && skb_checksum_help(skb) !== 0) {
    dev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
    return null;
  }
  if (skb.vlan_present !== 0 && !can_tag(features) && !__vlan_hwaccel_push_inside(skb)) return null;
  return skb;
}

function can_tag(features: number): boolean {
  return (features & NETIF_F_HW_VLAN_CTAG_TX) !== 0;
}

/** Each segment gets its tag in its frame, which changes where its bytes are: after the cutting. */
function tag_segments(segs: sk_buff): sk_buff | null {
  let head: sk_buff | null = null;
  let tail: sk_buff | null = null;
  for (let seg: sk_buff | null = segs; seg !== null; ) {
    const next: sk_buff | null = seg.next;
    seg.next = null;
    if (__vlan_hwaccel_push_inside(seg)) {
      if (tail === null) head = seg;
      else tail.next = seg;
      tail = seg;
    }
    seg = next;
  }
  return head;
}

function can_frags(features: number): boolean {
  return (features & NETIF_F_FRAGLIST) !== 0;
}

/** validate_xmit_skb_list */
export function validate_xmit_skb_list(first: sk_buff, dev: net_device): sk_buff | null {
  if (first.next === null) return validate_xmit_skb(first, dev);
  let head: sk_buff | null = null;
  let tail: sk_buff | null = null;
  for (let skb: sk_buff | null = first; skb !== null; ) {
    const next: sk_buff | null = skb.next;
    skb.next = null;
    const valid = validate_xmit_skb(skb, dev);
    if (valid !== null) {
      if (tail === null) head = valid;
      else tail.next = valid;
      tail = valid;
      while (tail.next !== null) tail = tail.next;
    }
    skb = next;
  }
  return head;
}

/** dev_hard_start_xmit: a list of packets to the driver; gives what it did not take, or null. */
export function dev_hard_start_xmit(first: sk_buff, dev: net_device, txq: netdev_queue): sk_buff | null {
  for (let skb: sk_buff | null = first; skb !== null; ) {
    const next: sk_buff | null = skb.next;
    skb.next = null;
    const { nd_net } = dev;
    if (nd_net.ptype_all.length > 0) dev_queue_xmit_nit(nd_net, skb, dev);
    if (netdev_start_xmit(skb, dev, txq, next !== null) !== NETDEV_TX_OK) {
      skb.next = next;
      return skb;
    }
    if (next !== null && txq.stopped) return next;
    skb = next;
  }
  return null;
}

/** netdev_start_xmit: one packet to the driver. */
function netdev_start_xmit(skb: sk_buff, dev: net_device, txq: netdev_queue, more: boolean): netdev_tx_t {
  const { kernel } = dev;
  const length = skb.len;
  const start = kernel.trace.dev_hard_start_xmit;
  if (start !== null) start(skb);
  const sd = kernel.softnet[kernel.cpu.id] as softnet_data;
  sd.xmit_more = more;
  const result = dev.netdev_ops.ndo_start_xmit(skb, dev);
  if (result === NETDEV_TX_OK) txq.trans_start = kernel.clock.now;
  const tp = kernel.trace.net_dev_xmit;
  if (tp !== null) tp(skb, length, result);
  sd.xmit_more = false;
  return result;
}

/** Copies for the taps of what goes out. */
function dev_queue_xmit_nit(net: net, skb: sk_buff, dev: net_device): void {
  for (let i = 0; i < net.ptype_all.length; i++) {
    const pt = net.ptype_all[i] as packet_type;
    if (pt.dev !== null && pt.dev !== dev) continue;
    if (pt.af_packet_priv !== null && pt.af_packet_priv === skb.sk) continue;
    if (pt.id_match?.(skb.sk) === true) continue;
    const clone = skb_clone(skb);
    if (clone === null) return;
    skb_reset_mac_header(clone);
    clone.network_header = skb.network_header !== 0 ? skb.network_header : clone.data;
    clone.pkt_type = PACKET_OUTGOING;
    clone.tstamp = net.kernel.clock.now;
    pt.func(clone, dev, pt, dev);
  }
}

/** dev_kfree_skb_any for a transmitted skb in a NAPI poll. */
export function napi_consume_skb(skb: sk_buff, _budget: number): void {
  consume_skb(skb);
}
