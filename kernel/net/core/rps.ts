/**
 * RPS and RFS: software spreads flows over CPUs (net/core/dev.c, Documentation/networking/scaling.rst). The CPU that
 * polls a queue computes each packet's flow hash and puts it on the backlog of the CPU that the hash points to (RPS), or
 * that last read the flow's socket (RFS); at the end of its own work it sends those CPUs one interrupt each.
 */
import { EINVAL } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import { hash_32, reciprocal_scale } from '../../lib/hash.ts';
import { roundup_pow_of_two } from '../../lib/log2.ts';
import { smp_call_function_single_async } from '../../smp.ts';
import { NET_RX_SOFTIRQ, raise_softirq } from '../../softirq.ts';
import { __netif_receive_skb, NET_RX_DROP, NET_RX_SUCCESS, type softnet_data } from './dev.ts';
import { skb_get_hash } from './flow_dissector.ts';
import type { net } from './net_namespace.ts';
import { NAPI_STATE_SCHED, type napi_struct, type net_device, netdev_rx_queue } from './netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff } from './skbuff.ts';

const RPS_NO_CPU = -1;
const FLOW_LIMIT_HISTORY = 128;

/** struct rps_map */
export interface rps_map {
  readonly cpus: readonly number[];
}

/** One receive queue's flows: the CPU each is on now, and the tail of that CPU's queue behind its last packet. */
export class rps_dev_flow_table {
  readonly mask: number;
  readonly cpu: Int32Array;
  readonly last_qtail: Int32Array;

  constructor(entries: number) {
    this.mask = entries - 1;
    this.cpu = new Int32Array(entries).fill(RPS_NO_CPU);
    this.last_qtail = new Int32Array(entries);
  }
}

/** Where programs last read: the high bits of a flow's hash and the CPU below (struct rps_sock_flow_table). */
export class rps_sock_flow_table {
  readonly mask: number;
  readonly ents: Int32Array;
  readonly cpu_mask: number;

  constructor(entries: number, cpus: number) {
    this.mask = entries - 1;
    this.cpu_mask = roundup_pow_of_two(cpus) - 1;
    // RPS_NO_CPU: matches no hash with its CPU bits.
    this.ents = new Int32Array(entries).fill(0xffff);
  }
}

/** A CPU's watch over flows that fill its backlog (struct sd_flow_limit). */
export class sd_flow_limit {
  readonly buckets: Uint16Array;
  private readonly history = new Uint16Array(FLOW_LIMIT_HISTORY);
  private head = 0;
  private readonly shift: number;
  count = 0;

  constructor(buckets: number) {
    this.buckets = new Uint16Array(buckets);
    this.shift = 32 - Math.log2(buckets);
  }

  /** One more packet of a flow: true when more than half of the last 128 were its own. */
  limit(hash: number): boolean {
    const { buckets, history } = this;
    const fresh = hash_32(hash) >>> this.shift;
    const old = history[this.head] as number;
    history[this.head] = fresh;
    this.head = (this.head + 1) & (FLOW_LIMIT_HISTORY - 1);
    if ((buckets[old] as number) > 0) buckets[old] = (buckets[old] as number) - 1;
    const seen = buckets[fresh] as number;
    buckets[fresh] = seen + 1;
    if (seen <= FLOW_LIMIT_HISTORY >> 1) return false;
    this.count++;
    return true;
  }
}

// ---- configuration ----------------------------------------------------------------------------------------------

/** netif_set_real_num_rx_queues */
export function netif_set_real_num_rx_queues(dev: net_device, count: number): number {
  if (count < 1) return -EINVAL;
  while (dev._rx.length < count) dev._rx.push(new netdev_rx_queue());
  for (const queue of dev._rx.splice(count)) account(dev, queue, -1);
  return 0;
}

function account(dev: net_device, queue: netdev_rx_queue, sign: number): void {
  if (queue.rps_map !== null) dev.nd_net.rps_needed += sign;
  if (queue.rps_flow_table !== null) dev.nd_net.rps_needed += sign;
}

/**
 * store_rps_map: `echo MASK > /sys/class/net/DEV/queues/rx-N/rps_cpus`, the mask in hexadecimal, groups of 32 bits
 * apart by commas. No CPU in it: RPS is off for the queue. 0 or -EINVAL.
 */
export function store_rps_map(dev: net_device, queue: number, mask: string): number {
  const rxq = dev._rx[queue];
  const digits = mask.trim().replaceAll(',', '');
  if (rxq === undefined || !/^[0-9a-f]+$/i.test(digits)) return -EINVAL;
  const bits = BigInt(`0x${digits}`);
  const cpus: number[] = [];
  for (const { id } of dev.kernel.cpus) if ((bits >> BigInt(id)) & 1n) cpus.push(id);
  account(dev, rxq, -1);
  rxq.rps_map = cpus.length === 0 ? null : { cpus };
  account(dev, rxq, 1);
  return 0;
}

/** show_rps_map: the same text back. */
export function show_rps_map(dev: net_device, queue: number): string {
  let bits = 0n;
  for (const cpu of dev._rx[queue]?.rps_map?.cpus ?? []) bits |= 1n << BigInt(cpu);
  return bits.toString(16);
}

/** store_rps_dev_flow_table_cnt: rx-N/rps_flow_cnt, rounded up to a power of two; 0 turns RFS off. 0 or -EINVAL. */
export function store_rps_flow_cnt(dev: net_device, queue: number, count: number): number {
  const rxq = dev._rx[queue];
  if (rxq === undefined || !(count >= 0 && count <= 1 << 20)) return -EINVAL;
  account(dev, rxq, -1);
  rxq.rps_flow_table = count === 0 ? null : new rps_dev_flow_table(roundup_pow_of_two(count));
  account(dev, rxq, 1);
  return 0;
}

/** rps_sock_flow_sysctl: net.core.rps_sock_flow_entries. 0 or -EINVAL. */
export function rps_sock_flow_sysctl(net: net, entries: number): number {
  if (!(entries >= 0 && entries <= 1 << 22)) return -EINVAL;
  net.rps_sock_flow_table =
    entries === 0 ? null : new rps_sock_flow_table(roundup_pow_of_two(entries), net.kernel.cpus.length);
  return 0;
}

// ---- choosing a CPU ---------------------------------------------------------------------------------------------

/** rps_record_sock_flow: the running CPU reads this flow. */
export function rps_record_sock_flow(kernel: Kernel, table: rps_sock_flow_table, hash: number): void {
  if (hash === 0) return;
  table.ents[hash & table.mask] = (hash & ~table.cpu_mask) | kernel.cpu.id;
}

/** get_rps_cpu: the CPU that shall have the packet, -1 for this one and no detour. The flow's entry is left in `mine`. */
export function get_rps_cpu(skb: sk_buff): number {
  const dev = skb.dev as net_device;
  const index = skb.queue_mapping === 0 ? 0 : skb.queue_mapping - 1;
  const rxq = dev._rx[index];
  if (rxq === undefined) return RPS_NO_CPU;
  const { rps_flow_table, rps_map: map } = rxq;
  if (rps_flow_table === null && map === null) return RPS_NO_CPU;
  skb.network_header = skb.data;
  const hash = skb_get_hash(skb);
  const { kernel } = skb;
  const sock_flow_table = dev.nd_net.rps_sock_flow_table;
  if (rps_flow_table !== null && sock_flow_table !== null) {
    const ident = sock_flow_table.ents[hash & sock_flow_table.mask] as number;
    if (((ident ^ hash) & ~sock_flow_table.cpu_mask) === 0) {
      const next_cpu = ident & sock_flow_table.cpu_mask;
      const slot = hash & rps_flow_table.mask;
      let cpu = rps_flow_table.cpu[slot] as number;
      if (cpu !== next_cpu && next_cpu < kernel.cpus.length) {
        // The flow moves once its last packet has been taken from the old CPU's queue, so that it stays in order.
        const old = cpu === RPS_NO_CPU ? null : (kernel.softnet[cpu] as softnet_data);
        if (old === null || ((old.input_queue_head - (rps_flow_table.last_qtail[slot] as number)) | 0) >= 0) {
          cpu = next_cpu;
          // set_rps_cpu
          rps_flow_table.cpu[slot] = cpu;
          rps_flow_table.last_qtail[slot] = (kernel.softnet[cpu] as softnet_data).input_queue_head;
        }
      }
      if (cpu !== RPS_NO_CPU) {
        const mine = kernel.softnet[kernel.cpu.id] as softnet_data;
        mine.rflow_slot = slot;
        mine.rflow_table = rps_flow_table;
        return cpu;
      }
    }
  }
  return map === null ? RPS_NO_CPU : (map.cpus[reciprocal_scale(hash, map.cpus.length)] as number);
}

// ---- the backlog ------------------------------------------------------------------------------------------------

/** enqueue_to_backlog: behind what waits for that CPU. Takes the skb. */
export function enqueue_to_backlog(skb: sk_buff, cpu: number): number {
  const { kernel } = skb;
  const dev = skb.dev as net_device;
  const sd = kernel.softnet[cpu] as softnet_data;
  kernel.clock.now += kernel.cost.netif_rx;
  const mine = kernel.softnet[kernel.cpu.id] as softnet_data;
  const { rflow_slot } = mine;
  mine.rflow_slot = -1;
  let reason = 0;
  const { qlen } = sd.input_pkt_queue;
  const max = kernel.init_net.sysctl.netdev_max_backlog;
  if (!dev.running) reason = SKB_DROP_REASON.DEV_READY;
  else if (qlen > max || (qlen >= max >> 1 && skb_flow_limit(kernel, skb))) {
    reason = SKB_DROP_REASON.CPU_BACKLOG;
    sd.dropped++;
  }
  if (reason !== 0) {
    dev.stats.rx_dropped++;
    kfree_skb_reason(skb, reason);
    return NET_RX_DROP;
  }
  const tp = kernel.trace.enqueue_to_backlog;
  if (tp !== null) tp(skb, cpu, qlen + 1);
  if (qlen === 0 && (sd.backlog.state & NAPI_STATE_SCHED) === 0) {
    sd.backlog.state |= NAPI_STATE_SCHED;
    napi_schedule_rps(kernel, sd);
  }
  // Another CPU's clock may still be behind this one's: it must not see the packet before it was put there.
  skb.queued_at = kernel.clock.now;
  sd.input_pkt_queue.push(skb);
  sd.input_queue_tail = (sd.input_queue_tail + 1) | 0;
  if (rflow_slot >= 0) (mine.rflow_table as rps_dev_flow_table).last_qtail[rflow_slot] = sd.input_queue_tail;
  return NET_RX_SUCCESS;
}

/** netif_rx's way: as RPS has it, else this CPU. */
export function netif_rx_internal(skb: sk_buff): number {
  const { kernel } = skb;
  const cpu = kernel.init_net.rps_needed === 0 ? RPS_NO_CPU : get_rps_cpu(skb);
  return enqueue_to_backlog(skb, cpu < 0 ? kernel.cpu.id : cpu);
}

/** napi_schedule_rps: this CPU's own backlog, or an interrupt for the other one at the end of the softirq. */
function napi_schedule_rps(kernel: Kernel, sd: softnet_data): void {
  const mine = kernel.softnet[kernel.cpu.id] as softnet_data;
  if (sd === mine) mine.poll_list.push(sd.backlog);
  else mine.rps_ipi_list.push(sd);
  if (!mine.in_action) raise_softirq(kernel.cpu, NET_RX_SOFTIRQ);
}

/** net_rps_action_and_irq_enable, net_rps_send_ipi */
export function net_rps_action(sd: softnet_data): void {
  const { kernel, rps_ipi_list } = sd;
  for (let i = 0; i < rps_ipi_list.length; i++) {
    const target = rps_ipi_list[i] as softnet_data;
    const tp = kernel.trace.net_rps_send_ipi;
    if (tp !== null) tp(target.cpu.id);
    smp_call_function_single_async(kernel, target.csd);
  }
  rps_ipi_list.length = 0;
}

/** rps_trigger_softirq: on the CPU that was called. */
export function rps_trigger_softirq(sd: softnet_data): void {
  sd.poll_list.push(sd.backlog);
  if (!sd.in_action) raise_softirq(sd.cpu, NET_RX_SOFTIRQ);
  sd.received_rps++;
}

/** process_backlog: the poll of the backlog. */
export function process_backlog(napi: napi_struct, budget: number): number {
  const sd = napi.context as softnet_data;
  const { kernel, process_queue, input_pkt_queue } = sd;
  if (sd.rps_ipi_list.length > 0) net_rps_action(sd);
  let work = 0;
  for (;;) {
    let skb = process_queue.shift();
    while (skb !== null) {
      sd.input_queue_head = (sd.input_queue_head + 1) | 0;
      const tp = kernel.trace.process_backlog;
      if (tp !== null) tp(skb);
      __netif_receive_skb(skb);
      if (++work >= budget) return work;
      skb = process_queue.shift();
    }
    // skb_queue_splice_tail_init: everything that is there at this CPU's time.
    const now = kernel.clock.now;
    for (skb = input_pkt_queue.first; skb !== null && skb.queued_at <= now; skb = input_pkt_queue.first) {
      input_pkt_queue.unlink(skb);
      process_queue.push(skb);
    }
    if (process_queue.first === null) break;
  }
  const early = input_pkt_queue.first;
  napi.state &= ~NAPI_STATE_SCHED;
  if (early !== null) {
    // Put there by a CPU whose clock is ahead: it will find the queue empty, and call.
    napi.state |= NAPI_STATE_SCHED;
    kernel.clock.schedule(sd.csd.event, early.queued_at + kernel.cost.ipi_trip);
  }
  return work;
}

/** skb_flow_limit: the queue is half full; does one flow fill it? */
function skb_flow_limit(kernel: Kernel, skb: sk_buff): boolean {
  const mine = kernel.softnet[kernel.cpu.id] as softnet_data;
  const { sysctl } = kernel.init_net;
  if (((sysctl.flow_limit_cpu_bitmap >>> mine.cpu.id) & 1) === 0) return false;
  mine.flow_limit ??= new sd_flow_limit(sysctl.flow_limit_table_len);
  return mine.flow_limit.limit(skb_get_hash(skb));
}

/** flush_backlog: drops what waits on a CPU for a device that goes; null: for all. */
export function flush_backlog(sd: softnet_data, dev: net_device | null): void {
  for (const queue of [sd.input_pkt_queue, sd.process_queue]) {
    for (let skb = queue.first; skb !== null; ) {
      const next: sk_buff | null = skb.next;
      if (dev === null || skb.dev === dev) {
        queue.unlink(skb);
        sd.input_queue_head = (sd.input_queue_head + 1) | 0;
        kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
      }
      skb = next;
    }
  }
}
