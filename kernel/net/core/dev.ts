/** The path between drivers and protocols, both ways (net/core/dev.c). */
import { EBUSY, EEXIST, EINVAL, ENODEV, EOPNOTSUPP, ERANGE } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import type { Cpu } from '../../sched/cpu.ts';
import { call_single_data } from '../../smp.ts';
import { NET_RX_SOFTIRQ, NET_TX_SOFTIRQ, open_softirq, raise_softirq } from '../../softirq.ts';
import { hrtimer } from '../../time/hrtimer.ts';
import { HZ } from '../../time/timer.ts';
import { skb_vlan_untag, VLAN_ANOTHER, VLAN_GONE, vlan_do_receive, vlan_unclaimed } from '../8021q/vlan_core.ts';
import { ETH_P_8021AD, ETH_P_8021Q } from '../ethernet/eth.ts';
import type { Qdisc } from '../sched/qdisc.ts';
import { dev_activate, dev_deactivate, dev_qdisc_change_tx_queue_len, dev_shutdown } from '../sched/sch_generic.ts';
import { net_tx_action, netif_tx_stop_all_queues } from './dev_xmit.ts';
import { INGRESS_GONE, sch_handle_ingress } from './ingress.ts';
import { loopback_init } from './loopback.ts';
import {
  NETDEV_CHANGE,
  NETDEV_CHANGE_TX_QUEUE_LEN,
  NETDEV_CHANGEADDR,
  NETDEV_CHANGEMTU,
  NETDEV_DOWN,
  NETDEV_REGISTER,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  type packet_type,
} from './net_namespace.ts';
import {
  DEFAULT_TX_QUEUE_LEN,
  IFF_ALLMULTI,
  IFF_NO_QUEUE,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_UP,
  NAPI_POLL_WEIGHT,
  NAPI_STATE_DISABLE,
  NAPI_STATE_MISSED,
  NAPI_STATE_SCHED,
  NETIF_F_SOFT_FEATURES,
  type napi_poll_t,
  napi_struct,
  net_device,
  RX_HANDLER_ANOTHER,
  RX_HANDLER_CONSUMED,
  RX_HANDLER_EXACT,
  type rx_handler_func_t,
} from './netdevice.ts';
import {
  enqueue_to_backlog,
  flush_backlog,
  get_rps_cpu,
  net_rps_action,
  netif_rx_internal,
  process_backlog,
  type rps_dev_flow_table,
  rps_trigger_softirq,
  type sd_flow_limit,
} from './rps.ts';
import {
  consume_skb,
  kfree_skb_reason,
  SKB_DROP_REASON,
  type sk_buff,
  sk_buff_head,
  skb_get,
  skb_share_check,
} from './skbuff.ts';

export { NET_XMIT_CN, NET_XMIT_DROP, NET_XMIT_SUCCESS } from '../sched/qdisc.ts';
// The transmit half of dev.c is in a file of its own.
export * from './dev_xmit.ts';
export const NET_RX_SUCCESS = 0;
export const NET_RX_DROP = 1;

/** One CPU's receive and transmit work (struct softnet_data). */
export class softnet_data {
  readonly kernel: Kernel;
  readonly cpu: Cpu;
  readonly poll_list = new napi_list();
  /** The list that the running net_rx_action works on, and what it has to poll again. */
  readonly list = new napi_list();
  readonly repoll = new napi_list();
  in_action = false;
  budget = 0;
  time_limit = 0;
  /** What netif_rx and RPS put here, what process_backlog has taken over, and how many ever came in and were taken out. */
  readonly input_pkt_queue = new sk_buff_head();
  readonly process_queue = new sk_buff_head();
  input_queue_tail = 0;
  input_queue_head = 0;
  readonly backlog: napi_struct;
  /** CPUs with new work on their backlog, to be called at the end of this softirq; the call that this CPU gets. */
  readonly rps_ipi_list: softnet_data[] = [];
  readonly csd: call_single_data;
  /** The entry that get_rps_cpu has found for the packet in hand. */
  rflow_slot = -1;
  rflow_table: rps_dev_flow_table | null = null;
  flow_limit: sd_flow_limit | null = null;
  /** Qdiscs that NET_TX_SOFTIRQ shall run, linked by next_sched. */
  output_queue: Qdisc | null = null;
  output_queue_tail: Qdisc | null = null;
  /** Those that the running net_tx_action has taken. */
  output_taken: Qdisc | null = null;
  /** netdev_xmit_more: another packet follows at once. */
  xmit_more = false;
  /** /proc/net/softnet_stat */
  processed = 0;
  dropped = 0;
  time_squeeze = 0;
  received_rps = 0;
  /** Depth of dev_queue_xmit within a device without a queue (XMIT_RECURSION_LIMIT). */
  xmit_recursion = 0;
  /** Depth of tc's redirections. */
  mirred_nest = 0;

  constructor(kernel: Kernel, cpu: Cpu) {
    this.kernel = kernel;
    this.cpu = cpu;
    // The backlog belongs to no device.
    this.backlog = new napi_struct(null as unknown as net_device, process_backlog, 64);
    this.backlog.state = 0;
    this.backlog.context = this;
    this.csd = new call_single_data(kernel, cpu, () => rps_trigger_softirq(this));
  }
}

/** NAPI contexts, first in first out. */
class napi_list {
  first: napi_struct | null = null;
  private last: napi_struct | null = null;

  push(napi: napi_struct): void {
    napi.listed = true;
    napi.next = null;
    if (this.last !== null) this.last.next = napi;
    else this.first = napi;
    this.last = napi;
  }

  unshift(napi: napi_struct): void {
    napi.listed = true;
    napi.next = this.first;
    this.first = napi;
    if (this.last === null) this.last = napi;
  }

  shift(): napi_struct | null {
    const napi = this.first;
    if (napi === null) return null;
    this.first = napi.next;
    if (this.first === null) this.last = null;
    napi.next = null;
    napi.listed = false;
    return napi;
  }

  /** Moves everything from `other` behind what is here. */
  splice(other: napi_list): void {
    for (let napi = other.shift(); napi !== null; napi = other.shift()) this.push(napi);
  }

  remove(napi: napi_struct): boolean {
    let previous: napi_struct | null = null;
    for (let entry = this.first; entry !== null; previous = entry, entry = entry.next) {
      if (entry !== napi) continue;
      if (previous === null) this.first = entry.next;
      else previous.next = entry.next;
      if (this.last === entry) this.last = previous;
      entry.next = null;
      entry.listed = false;
      return true;
    }
    return false;
  }
}

export function net_dev_init(kernel: Kernel): void {
  open_softirq(kernel, NET_TX_SOFTIRQ, net_tx_action);
  open_softirq(kernel, NET_RX_SOFTIRQ, net_rx_action);
  loopback_init(kernel.init_net);
}

// ---- devices --------------------------------------------------------------------------------------------------

/** alloc_netdev; `name` may contain %d, which register_netdev replaces by the first free number. */
export function alloc_netdev(
  kernel: Kernel,
  name: string,
  ops: net_device['netdev_ops'],
  setup: (dev: net_device) => void,
  queues = 1,
): net_device {
  const dev = new net_device(kernel, name, ops, queues);
  setup(dev);
  if (dev.tx_queue_len === 0) {
    dev.priv_flags |= IFF_NO_QUEUE;
    dev.tx_queue_len = DEFAULT_TX_QUEUE_LEN;
  }
  return dev;
}

/** register_netdev: gives the device its name and index and shows it to the stack. 0, or -EEXIST/-EINVAL. */
export function register_netdev(dev: net_device): number {
  const net = dev.nd_net;
  if (dev.registered) return -EINVAL;
  if (dev.name.includes('%d')) {
    let unit = 0;
    while (net.dev_get_by_name(dev.name.replace('%d', String(unit))) !== null) unit++;
    dev.name = dev.name.replace('%d', String(unit));
  } else if (net.dev_get_by_name(dev.name) !== null) {
    return -EEXIST;
  }
  dev.ifindex = net.next_ifindex();
  dev.hw_features |= NETIF_F_SOFT_FEATURES;
  dev.features |= NETIF_F_SOFT_FEATURES;
  dev.wanted_features = dev.features & dev.hw_features;
  dev.registered = true;
  net.devices.push(dev);
  const tp = dev.kernel.trace.register_netdev;
  if (tp !== null) tp(dev);
  net.call_netdevice_notifiers(NETDEV_REGISTER, dev);
  return 0;
}

/** unregister_netdev: closes the device and takes it out of the stack. */
export function unregister_netdev(dev: net_device): void {
  if (!dev.registered) return;
  dev_close(dev);
  dev_shutdown(dev);
  const net = dev.nd_net;
  net.call_netdevice_notifiers(NETDEV_UNREGISTER, dev);
  // flush_all_backlogs
  for (const sd of dev.kernel.softnet) flush_backlog(sd, dev);
  net.devices.splice(net.devices.indexOf(dev), 1);
  dev.registered = false;
}

/** dev_open: `ip link set up`. 0 or a negative errno. */
export function dev_open(dev: net_device): number {
  if (dev.running) return 0;
  if (!dev.present) return -ENODEV;
  const result = dev.netdev_ops.ndo_open(dev);
  const tp = dev.kernel.trace.dev_open;
  if (tp !== null) tp(dev, result);
  if (result !== 0) return result;
  dev.running = true;
  dev.flags |= IFF_UP;
  dev_set_rx_mode(dev);
  dev_activate(dev);
  if (dev.carrier) dev.flags |= IFF_RUNNING;
  dev.nd_net.call_netdevice_notifiers(NETDEV_UP, dev);
  return 0;
}

/** dev_close: `ip link set down`. */
export function dev_close(dev: net_device): void {
  if (!dev.running) return;
  dev_deactivate(dev);
  dev.running = false;
  dev.netdev_ops.ndo_stop(dev);
  const tp = dev.kernel.trace.dev_close;
  if (tp !== null) tp(dev);
  dev.flags &= ~(IFF_UP | IFF_RUNNING);
  dev.nd_net.call_netdevice_notifiers(NETDEV_DOWN, dev);
}

/** dev_get_stats: the device's counters, after the driver has brought them up to date. */
export function dev_get_stats(dev: net_device): net_device['stats'] {
  if (dev.present) dev.netdev_ops.ndo_get_stats?.(dev);
  return dev.stats;
}

/** dev_set_mtu: 0, -EINVAL outside the device's limits, or what the driver says. */
export function dev_set_mtu(dev: net_device, mtu: number): number {
  if (mtu < dev.min_mtu || mtu > dev.max_mtu) return -EINVAL;
  const result = dev.netdev_ops.ndo_change_mtu?.(dev, mtu) ?? 0;
  if (result !== 0) return result;
  dev.mtu = mtu;
  dev.nd_net.call_netdevice_notifiers(NETDEV_CHANGEMTU, dev);
  return 0;
}

/** dev_change_tx_queue_len: `ip link set txqueuelen`. 0 or a negative errno; what waits is dropped. */
export function dev_change_tx_queue_len(dev: net_device, length: number): number {
  if (!Number.isInteger(length) || length < 0 || length > 0xffffffff) return -ERANGE;
  if (length === dev.tx_queue_len) return 0;
  dev.tx_queue_len = length;
  dev.nd_net.call_netdevice_notifiers(NETDEV_CHANGE_TX_QUEUE_LEN, dev);
  return dev_qdisc_change_tx_queue_len(dev);
}

/** dev_set_mac_address: 0, -EINVAL for an address that is no unicast address, or what the driver says. */
export function dev_set_mac_address(dev: net_device, address: Uint8Array): number {
  const zero = address.every(byte => byte === 0);
  if (address.length !== 6 || zero || ((address[0] as number) & 1) !== 0) return -EINVAL;
  const set = dev.netdev_ops.ndo_set_mac_address;
  if (set === undefined) return -EOPNOTSUPP;
  const result = set(dev, address);
  if (result !== 0) return result;
  dev.nd_net.call_netdevice_notifiers(NETDEV_CHANGEADDR, dev);
  return 0;
}

/** dev_set_promiscuity: counts who wants everything. */
export function dev_set_promiscuity(dev: net_device, increment: number): void {
  dev.promiscuity += increment;
  dev.flags = dev.promiscuity > 0 ? dev.flags | IFF_PROMISC : dev.flags & ~IFF_PROMISC;
  dev_set_rx_mode(dev);
}

/** dev_set_allmulti */
export function dev_set_allmulti(dev: net_device, increment: number): void {
  dev.allmulti += increment;
  dev.flags = dev.allmulti > 0 ? dev.flags | IFF_ALLMULTI : dev.flags & ~IFF_ALLMULTI;
  dev_set_rx_mode(dev);
}

/** dev_mc_add; `address` as a 48-bit number. */
export function dev_mc_add(dev: net_device, address: number): void {
  dev.mc.set(address, (dev.mc.get(address) ?? 0) + 1);
  dev_set_rx_mode(dev);
}

/** dev_mc_del */
export function dev_mc_del(dev: net_device, address: number): void {
  const users = dev.mc.get(address) ?? 0;
  if (users > 1) dev.mc.set(address, users - 1);
  else dev.mc.delete(address);
  dev_set_rx_mode(dev);
}

function dev_set_rx_mode(dev: net_device): void {
  if ((dev.flags & IFF_UP) !== 0 && dev.present) dev.netdev_ops.ndo_set_rx_mode?.(dev);
}

/** netif_carrier_on: the link is there. */
export function netif_carrier_on(dev: net_device): void {
  if (dev.carrier) return;
  dev.carrier = true;
  const tp = dev.kernel.trace.netif_carrier;
  if (tp !== null) tp(dev, true);
  if (!dev.running) return;
  dev.flags |= IFF_RUNNING;
  dev_activate(dev);
  dev.nd_net.call_netdevice_notifiers(NETDEV_CHANGE, dev);
}

/** netif_carrier_off */
export function netif_carrier_off(dev: net_device): void {
  if (!dev.carrier) return;
  dev.carrier = false;
  const tp = dev.kernel.trace.netif_carrier;
  if (tp !== null) tp(dev, false);
  dev.flags &= ~IFF_RUNNING;
  if (!dev.running) return;
  dev_deactivate(dev);
  dev.nd_net.call_netdevice_notifiers(NETDEV_CHANGE, dev);
}

/** netif_device_detach: the hardware is gone; nothing more is given to the driver. */
export function netif_device_detach(dev: net_device): void {
  dev.present = false;
  netif_tx_stop_all_queues(dev);
}

export function netif_running(dev: net_device): boolean {
  return dev.running;
}

export function netif_carrier_ok(dev: net_device): boolean {
  return dev.carrier;
}

// ---- NAPI -----------------------------------------------------------------------------------------------------

/** netif_napi_add: the context starts disabled. */
export function netif_napi_add(dev: net_device, poll: napi_poll_t, weight = NAPI_POLL_WEIGHT): napi_struct {
  const napi = new napi_struct(dev, poll, weight);
  dev.napis.push(napi);
  const tp = dev.kernel.trace.netif_napi_add;
  if (tp !== null) tp(dev, weight);
  return napi;
}

/** netif_napi_del: the context must be disabled. */
export function netif_napi_del(napi: napi_struct): void {
  if ((napi.state & NAPI_STATE_DISABLE) === 0)
    napi.dev.kernel.arch.report('napi', `${napi.dev.name}: netif_napi_del while enabled`);
  const index = napi.dev.napis.indexOf(napi);
  if (index >= 0) napi.dev.napis.splice(index, 1);
  napi.gro.cleanup();
}

/** napi_enable */
export function napi_enable(napi: napi_struct): void {
  if ((napi.state & NAPI_STATE_DISABLE) === 0)
    napi.dev.kernel.arch.report('napi', `${napi.dev.name}: napi_enable twice`);
  napi.state = 0;
}

/** napi_disable: no poll runs afterwards. A poll between two slices is cut off, which no driver can tell from its end. */
export function napi_disable(napi: napi_struct): void {
  if ((napi.state & NAPI_STATE_DISABLE) !== 0) {
    napi.dev.kernel.arch.report('napi', `${napi.dev.name}: napi_disable twice would wait for ever`);
    return;
  }
  // The poll that this would wait for ends with what it holds going up.
  if ((napi.state & NAPI_STATE_SCHED) !== 0) napi.gro.flush_normal(false);
  napi.timer?.cancel();
  napi.state = NAPI_STATE_SCHED | NAPI_STATE_DISABLE;
  napi.work = 0;
  if (!napi.listed) return;
  for (const sd of napi.dev.kernel.softnet) {
    if (sd.poll_list.remove(napi) || sd.list.remove(napi) || sd.repoll.remove(napi)) return;
  }
}

/** napi_schedule_prep: true when the caller shall schedule; when it is scheduled already, the miss is remembered. */
export function napi_schedule_prep(napi: napi_struct): boolean {
  if ((napi.state & NAPI_STATE_DISABLE) !== 0) return false;
  const was = napi.state;
  napi.state |= (was & NAPI_STATE_SCHED) !== 0 ? NAPI_STATE_MISSED : NAPI_STATE_SCHED;
  return (was & NAPI_STATE_SCHED) === 0;
}

/** __napi_schedule: on this CPU's poll list, NET_RX_SOFTIRQ raised. */
export function __napi_schedule(napi: napi_struct): void {
  const kernel = napi.dev.kernel;
  const tp = kernel.trace.napi_schedule;
  if (tp !== null) tp(napi.dev);
  const sd = kernel.softnet[kernel.cpu.id] as softnet_data;
  sd.poll_list.push(napi);
  if (!sd.in_action) raise_softirq(kernel.cpu, NET_RX_SOFTIRQ);
}

/** napi_schedule: true when it was not scheduled before. */
export function napi_schedule(napi: napi_struct): boolean {
  if (!napi_schedule_prep(napi)) return false;
  __napi_schedule(napi);
  return true;
}

/**
 * napi_complete_done: the poll found less than its budget. True: the driver shall enable its interrupt. False: the
 * interrupt stays off, because somebody scheduled in the meantime and the poll runs again.
 */
export function napi_complete_done(napi: napi_struct, work: number): boolean {
  if ((napi.state & NAPI_STATE_DISABLE) !== 0) return false;
  const { dev, gro } = napi;
  let timeout = 0;
  let enable = true;
  if (napi.work + work > 0) {
    if (gro.bitmask !== 0) timeout = dev.gro_flush_timeout;
    napi.defer_hard_irqs_count = dev.napi_defer_hard_irqs;
  }
  if (napi.defer_hard_irqs_count > 0) {
    napi.defer_hard_irqs_count--;
    timeout = dev.gro_flush_timeout;
    if (timeout !== 0) enable = false;
  }
  // With a timer to come, packets of this jiffy may be held a little longer.
  gro.flush_normal(timeout !== 0);
  const tp = dev.kernel.trace.napi_complete;
  if (tp !== null) tp(dev, napi.work + work);
  const missed = (napi.state & NAPI_STATE_MISSED) !== 0;
  napi.state &= ~(NAPI_STATE_SCHED | NAPI_STATE_MISSED);
  if (missed) {
    napi.state |= NAPI_STATE_SCHED;
    __napi_schedule(napi);
    return false;
  }
  if (timeout !== 0) {
    const { kernel } = dev;
    napi.timer ??= new hrtimer(kernel, `${dev.name}.napi`, () => napi_watchdog(napi), kernel.cpu.id);
    napi.timer.start(kernel.clock.now + timeout);
  }
  return enable;
}

/** napi_watchdog: the time is up for what GRO holds, or for an interrupt that was put off: poll. */
function napi_watchdog(napi: napi_struct): void {
  if ((napi.state & (NAPI_STATE_DISABLE | NAPI_STATE_SCHED)) !== 0) return;
  napi.state |= NAPI_STATE_SCHED;
  __napi_schedule(napi);
}

/**
 * net_rx_action: polls the listed contexts until the budget or the time is used up. One slice is one call of a poll,
 * with costs on a call with budget 1: one packet's way up is one context. What a poll does in all is bounded by its
 * weight, over its slices.
 */
function net_rx_action(cpu: Cpu): boolean {
  const kernel = cpu.kernel;
  const clock = kernel.clock;
  const sd = kernel.softnet[cpu.id] as softnet_data;
  if (!sd.in_action) {
    const { sysctl } = kernel.init_net;
    sd.in_action = true;
    sd.budget = sysctl.netdev_budget;
    sd.time_limit = clock.now + sysctl.netdev_budget_usecs * 1000;
    sd.list.splice(sd.poll_list);
  }
  const napi = sd.list.first;
  if (napi !== null) {
    if (napi_poll_slice(sd, napi)) return true;
    if (sd.budget <= 0 || clock.now >= sd.time_limit) {
      sd.time_squeeze++;
      const tp = kernel.trace.net_rx_squeeze;
      if (tp !== null) tp(sd.budget);
    } else if (sd.list.first !== null) return true;
    else if (sd.repoll.first === null && sd.poll_list.first !== null) {
      // Somebody scheduled while this action ran: it goes on with them.
      sd.list.splice(sd.poll_list);
      return true;
    }
  }
  sd.in_action = false;
  if (sd.rps_ipi_list.length > 0) net_rps_action(sd);
  // Left over and newly scheduled, in the order Linux keeps: rest of the list, new ones, those to be polled again.
  if (sd.list.first !== null || sd.poll_list.first !== null || sd.repoll.first !== null) {
    sd.list.splice(sd.poll_list);
    sd.list.splice(sd.repoll);
    sd.poll_list.splice(sd.list);
    raise_softirq(cpu, NET_RX_SOFTIRQ);
  }
  return false;
}

/** One call of a poll. True: the same poll has more slices to come. */
function napi_poll_slice(sd: softnet_data, napi: napi_struct): boolean {
  const kernel = sd.kernel;
  if (napi.work === 0) kernel.clock.now += kernel.cost.napi_poll;
  const slice = kernel.sliced ? 1 : napi.weight - napi.work;
  const enabled = (napi.state & NAPI_STATE_SCHED) !== 0;
  // Off the list while it runs, as in Linux: napi_complete_done may list it anew.
  sd.list.shift();
  const work = enabled ? napi.poll(napi, slice) : 0;
  if (work > slice) kernel.arch.report('napi', `${name_of(napi)}: poll did ${work} packets with a budget of ${slice}`);
  napi.work += work;
  napi.packets += work;
  sd.budget -= work;
  const still_scheduled = (napi.state & (NAPI_STATE_SCHED | NAPI_STATE_DISABLE)) === NAPI_STATE_SCHED && !napi.listed;
  if (work >= slice && napi.work < napi.weight && still_scheduled) {
    sd.list.unshift(napi);
    return true;
  }
  if (work >= slice && still_scheduled) napi.gro.flush_normal(HZ >= 1000);
  const tp = kernel.trace.napi_poll;
  if (tp !== null && napi !== sd.backlog) tp(napi.dev, napi.work, napi.weight);
  napi.polls++;
  napi.work = 0;
  if (work >= slice && still_scheduled) sd.repoll.push(napi);
  return false;
}

function name_of(napi: napi_struct): string {
  return (napi.dev as net_device | null)?.name ?? 'backlog';
}

// ---- receive --------------------------------------------------------------------------------------------------

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

/** __netif_receive_skb: here and now. Takes the skb. */
export function __netif_receive_skb(skb: sk_buff): void {
  const kernel = skb.kernel;
  kernel.clock.now += kernel.cost.netif_receive_skb;
  const tp = kernel.trace.netif_receive_skb;
  if (tp !== null) tp(skb);
  __netif_receive_skb_core(skb);
}

/** deliver_skb: to one taker of several, which gets a reference of its own. */
function deliver_skb(skb: sk_buff, pt: packet_type, orig_dev: net_device): void {
  pt.func(skb_get(skb), skb.dev as net_device, pt, orig_dev);
}

/**
 * __netif_receive_skb_core: taps, ingress filters, VLAN, the device's rx_handler, the network layers, in this order. A
 * packet that gets another device on the way starts again. `pt_prev` is the taker found last: the very last one gets
 * the packet itself.
 */
function __netif_receive_skb_core(first: sk_buff): void {
  let skb = first;
  const kernel = skb.kernel;
  const sd = kernel.softnet[kernel.cpu.id] as softnet_data;
  const orig_dev = skb.dev as net_device;
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
      if (untagged === null) return;
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
    if (own === null) return;
    skb = own;
    if (dev.ingress !== null) {
      if (sch_handle_ingress(skb, dev.ingress) === INGRESS_GONE) return;
    }
    if (skb.vlan_present !== 0) {
      const result = vlan_do_receive(skb);
      if (result === VLAN_GONE) return;
      if (result === VLAN_ANOTHER) continue;
    }
    if (dev.rx_handler !== null) {
      const result = dev.rx_handler(skb);
      if (result === RX_HANDLER_CONSUMED) return;
      if (result === RX_HANDLER_ANOTHER) continue;
      if (result === RX_HANDLER_EXACT) exact = true;
    }
    if (skb.vlan_present !== 0) {
      const result = vlan_unclaimed(skb);
      if (result === VLAN_GONE) return;
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
    pt_prev.func(skb, dev, pt_prev, orig_dev);
    return;
  }
  if (exact) dev.stats.rx_nohandler++;
  else dev.stats.rx_dropped++;
  kfree_skb_reason(skb, SKB_DROP_REASON.UNHANDLED_PROTO);
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

/** dev_kfree_skb_any for a transmitted skb in a NAPI poll. */
export function napi_consume_skb(skb: sk_buff, _budget: number): void {
  consume_skb(skb);
}
