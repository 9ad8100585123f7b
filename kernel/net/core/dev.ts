/** The path between drivers and protocols, both ways (net/core/dev.c). */
import { EEXIST, EINVAL, ENODEV, EOPNOTSUPP, ERANGE } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import type { Cpu } from '../../sched/cpu.ts';
import { call_single_data } from '../../smp.ts';
import { NET_RX_SOFTIRQ, NET_TX_SOFTIRQ, open_softirq, raise_softirq } from '../../softirq.ts';
import { hrtimer } from '../../time/hrtimer.ts';
import { HZ } from '../../time/timer.ts';
import type { Qdisc } from '../sched/qdisc.ts';
import { dev_activate, dev_deactivate, dev_qdisc_change_tx_queue_len, dev_shutdown } from '../sched/sch_generic.ts';
import { net_tx_action, netif_tx_stop_all_queues } from './dev_xmit.ts';
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
} from './netdevice.ts';
import {
  flush_backlog,
  net_rps_action,
  process_backlog,
  type rps_dev_flow_table,
  rps_trigger_softirq,
  type sd_flow_limit,
} from './rps.ts';
import { type sk_buff, sk_buff_head } from './skbuff.ts';

export { NET_XMIT_CN, NET_XMIT_DROP, NET_XMIT_SUCCESS } from '../sched/qdisc.ts';
// The receive and the transmit half of dev.c are in files of their own.
export * from './dev_rcv.ts';
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
  /** The packet as __netif_receive_skb_core hands it on. */
  received: sk_buff | null = null;
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
