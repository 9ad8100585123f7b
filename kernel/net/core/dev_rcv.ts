/**
 * The receive half of net/core/dev.c: from drivers to taps and network layers, one packet or a list of them. A list goes
 * through the stack stage by stage, each of them for all of its packets: as in Linux, a stage's code is then still in the
 * instruction cache when it meets the next packet.
 *
 * Lists are arrays with a length. Who is given one uses it up: it moves what stays to the front.
 */

import { EBUSY } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import { skb_vlan_untag, VLAN_ANOTHER, VLAN_GONE, vlan_do_receive, vlan_unclaimed } from '../8021q/vlan_core.ts';
import { ETH_P_8021AD, ETH_P_8021Q } from '../ethernet/eth.ts';
import type { softnet_data } from './dev.ts';
import { INGRESS_GONE, sch_handle_ingress } from './ingress.ts';
import type { packet_type } from './net_namespace.ts';
import {
  type net_device,
  RX_HANDLER_ANOTHER,
  RX_HANDLER_CONSUMED,
  RX_HANDLER_EXACT,
  type rx_handler_func_t,
} from './netdevice.ts';
import { enqueue_to_backlog, get_rps_cpu, netif_rx_internal } from './rps.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff, skb_get, skb_share_check } from './skbuff.ts';

/** netif_rx: the old way in, for drivers without NAPI and the loopback: a CPU's backlog. Takes the skb. */
export function netif_rx(skb: sk_buff): number {
  const tp = skb.kernel.trace.netif_rx;
  if (tp !== null) tp(skb);
  return netif_rx_internal(skb);
}

/**
 * netif_receive_skb: a packet with its MAC header pulled, on its way to taps and network layers, on this CPU or, by
 * RPS, on another. Takes the skb.
 */
export function netif_receive_skb(skb: sk_buff): void {
  if (skb.kernel.init_net.rps_needed !== 0) {
    const cpu = get_rps_cpu(skb);
    if (cpu >= 0) {
      enqueue_to_backlog(skb, cpu);
      return;
    }
  }
  __netif_receive_skb(skb);
}

/**
 * netif_receive_skb_list: as netif_receive_skb, for each of the first `length` of `list`, which have come together and are
 * handed on together. Takes them.
 */
export function netif_receive_skb_list(list: sk_buff[], length: number): void {
  const { kernel } = list[0] as sk_buff;
  let left = length;
  if (kernel.init_net.rps_needed !== 0) {
    left = 0;
    for (let i = 0; i < length; i++) {
      const skb = list[i] as sk_buff;
      const cpu = get_rps_cpu(skb);
      if (cpu >= 0) enqueue_to_backlog(skb, cpu);
      else list[left++] = skb;
    }
  }
  __netif_receive_skb_list_core(kernel, list, left);
}

/** __netif_receive_skb: here and now. Takes the skb. */
export function __netif_receive_skb(skb: sk_buff): void {
  const { kernel } = skb;
  const orig_dev = skb.dev as net_device;
  const pt = __netif_receive_skb_core(skb, orig_dev);
  if (pt === null) return;
  const own = (kernel.softnet[kernel.cpu.id] as softnet_data).received as sk_buff;
  pt.func(own, own.dev as net_device, pt, orig_dev);
}

/** Packets in a row that the same taker gets, as they came in by the same device, go to it as one list. */
function __netif_receive_skb_list_core(kernel: Kernel, list: sk_buff[], length: number): void {
  const sd = kernel.softnet[kernel.cpu.id] as softnet_data;
  let pt_curr: packet_type | null = null;
  let od_curr: net_device | null = null;
  let n = 0;
  for (let i = 0; i < length; i++) {
    const skb = list[i] as sk_buff;
    const orig_dev = skb.dev as net_device;
    const pt = __netif_receive_skb_core(skb, orig_dev);
    if (pt === null) continue;
    const own = sd.received as sk_buff;
    if (pt !== pt_curr || orig_dev !== od_curr) {
      if (n > 0) list_ptype(list, n, pt_curr as packet_type, od_curr as net_device);
      n = 0;
      pt_curr = pt;
      od_curr = orig_dev;
    }
    list[n++] = own;
  }
  if (n > 0) list_ptype(list, n, pt_curr as packet_type, od_curr as net_device);
}

/** __netif_receive_skb_list_ptype */
function list_ptype(list: sk_buff[], length: number, pt: packet_type, orig_dev: net_device): void {
  if (pt.list_func !== undefined) {
    pt.list_func(list, length, pt, orig_dev);
    return;
  }
  for (let i = 0; i < length; i++) {
    const skb = list[i] as sk_buff;
    pt.func(skb, skb.dev as net_device, pt, orig_dev);
  }
}

/** deliver_skb: to one taker of several, which gets a reference of its own. */
function deliver_skb(skb: sk_buff, pt: packet_type, orig_dev: net_device): void {
  pt.func(skb_get(skb), skb.dev as net_device, pt, orig_dev);
}

/**
 * __netif_receive_skb_core: taps, ingress filters, VLAN, the device's rx_handler, the network layers, in this order. A
 * packet that gets another device on the way starts again. `pt_prev` is the taker found last; the very last one is
 * returned, and shall get the packet itself, which is in `softnet_data.received`: it may be another than the one that came.
 * Null: nobody shall have it any more.
 */
function __netif_receive_skb_core(first: sk_buff, orig_dev: net_device): packet_type | null {
  let skb = first;
  const { kernel } = skb;
  kernel.clock.now += kernel.cost.netif_receive_skb;
  const tp = kernel.trace.netif_receive_skb;
  if (tp !== null) tp(skb);
  const sd = kernel.softnet[kernel.cpu.id] as softnet_data;
  const { ptype_all, ptype_base, netstamp_needed } = orig_dev.nd_net;
  // net_timestamp_check
  if (netstamp_needed !== 0 && skb.tstamp === 0) skb.tstamp = kernel.clock.now;
  skb.network_header = skb.data;
  // GRO has found it, and what is forwarded as one packet is cut apart by it.
  if (skb.transport_header === 0) skb.transport_header = skb.data;
  skb.mac_len = skb.data - skb.mac_header;
  let pt_prev: packet_type | null = null;
  let exact = false;
  let dev = orig_dev;
  for (;;) {
    dev = skb.dev as net_device;
    skb.skb_iif = dev.ifindex;
    sd.processed++;
    if (skb.protocol === ETH_P_8021Q || skb.protocol === ETH_P_8021AD) {
      const untagged = skb_vlan_untag(skb);
      if (untagged === null) return null;
      skb = untagged;
    }
    if (ptype_all.length > 0) {
      if (skb.tstamp === 0) skb.tstamp = kernel.clock.now;
      for (let i = 0; i < ptype_all.length; i++) {
        const pt = ptype_all[i] as packet_type;
        if (pt.dev !== null && pt.dev !== dev) continue;
        if (pt_prev !== null) deliver_skb(skb, pt_prev, orig_dev);
        pt_prev = pt;
      }
    }
    if (dev.ingress === null && skb.vlan_present === 0 && dev.rx_handler === null) break;
    // From here on somebody may change the packet or keep it: who has been found so far gets it first.
    if (pt_prev !== null) deliver_skb(skb, pt_prev, orig_dev);
    pt_prev = null;
    const own = skb_share_check(skb);
    if (own === null) return null;
    skb = own;
    if (dev.ingress !== null) {
      if (sch_handle_ingress(skb, dev.ingress) === INGRESS_GONE) return null;
    }
    if (skb.vlan_present !== 0) {
      const result = vlan_do_receive(skb);
      if (result === VLAN_GONE) return null;
      if (result === VLAN_ANOTHER) continue;
    }
    if (dev.rx_handler !== null) {
      const result = dev.rx_handler(skb);
      if (result === RX_HANDLER_CONSUMED) return null;
      if (result === RX_HANDLER_ANOTHER) continue;
      if (result === RX_HANDLER_EXACT) exact = true;
    }
    if (skb.vlan_present !== 0) {
      const result = vlan_unclaimed(skb);
      if (result === VLAN_GONE) return null;
      if (result === VLAN_ANOTHER) continue;
    }
    break;
  }
  const type = skb.protocol;
  const list = ptype_base[type & 15] as packet_type[];
  for (let i = 0; i < list.length; i++) {
    const pt = list[i] as packet_type;
    if (pt.type !== type) continue;
    if (pt.dev === null ? exact : pt.dev !== dev && pt.dev !== orig_dev) continue;
    if (pt_prev !== null) deliver_skb(skb, pt_prev, orig_dev);
    pt_prev = pt;
  }
  if (pt_prev !== null) {
    sd.received = skb;
    return pt_prev;
  }
  if (exact) dev.stats.rx_nohandler++;
  else dev.stats.rx_dropped++;
  kfree_skb_reason(skb, SKB_DROP_REASON.UNHANDLED_PROTO);
  return null;
}

/** netdev_rx_handler_register: 0, or -EBUSY when the device has one. */
export function netdev_rx_handler_register(dev: net_device, handler: rx_handler_func_t, data: unknown): number {
  if (dev.rx_handler !== null) return -EBUSY;
  dev.rx_handler = handler;
  dev.rx_handler_data = data;
  return 0;
}

/** netdev_rx_handler_unregister */
export function netdev_rx_handler_unregister(dev: net_device): void {
  dev.rx_handler = null;
  dev.rx_handler_data = null;
}

/**
 * A driver throws a received frame away before it has an sk_buff for it, which Linux sees in the device's counter only:
 * here it has a reason, and a trace sees it. `address`: of the buffer that the card has written.
 */
export function netdev_rx_drop(dev: net_device, address: number, reason: number): void {
  dev.stats.rx_dropped++;
  dev.nd_net.count_drop(reason);
  const tp = dev.kernel.trace.netdev_rx_drop;
  if (tp !== null) tp(dev, address, reason);
}
