/**
 * What things cost, in ns of CPU time: the one table of the cost model, used by every experiment. Each entry says
 * where its figure comes from. With the model off every cost is 0.
 *
 * "estimate" marks a figure chosen within the range that published cycle counts of Linux's receive path allow
 * (roughly 1 to 2 µs per small UDP packet from interrupt to recv() on a 3 GHz core); ratios between entries matter
 * more than any one of them.
 */
import type { Kernel } from './kernel.ts';

interface Cost {
  readonly ns: number;
  readonly source: string;
}

export const COST_TABLE = {
  irq_entry: {
    ns: 400,
    source:
      'estimate: vector, register save, handle_irq_event, within the 0.5–1 µs usually measured for an empty handler',
  },
  irq_exit: { ns: 150, source: 'estimate: eoi, register restore, irq_exit_rcu' },
  softirq_entry: { ns: 80, source: 'estimate: handle_softirqs set-up and one action dispatch' },
  timer_irq: { ns: 300, source: 'estimate: hrtimer_interrupt with nothing expired' },
  napi_poll: { ns: 60, source: 'estimate: __napi_poll and the driver’s loop set-up, once a poll' },
  napi_gro_receive: {
    ns: 35,
    source: 'estimate: dev_gro_receive to the transport; header checksums, look-up among few held packets',
  },
  flow_dissect: { ns: 40, source: 'estimate: __skb_get_hash, flow dissector and siphash' },
  ipi_send: { ns: 100, source: 'estimate: x2APIC ICR write and csd queueing' },
  ipi_trip: {
    ns: 700,
    source: 'estimate: from the ICR write to the vector on the other core, 0.5–1 µs within a socket',
  },
  br_handle_frame: { ns: 70, source: 'estimate: learning, fdb lookup' },
  mmio_read: { ns: 600, source: 'Neugebauer et al., SIGCOMM 2018 (PCIe round trip, 0.5–1 µs)' },
  mmio_write: { ns: 60, source: 'estimate: posted write, an uncached store' },
  pio_access: { ns: 500, source: 'estimate: port I/O is not posted; about one PCI bus round trip' },
  descriptor: { ns: 25, source: 'estimate: one descriptor read or written in coherent memory, mostly in cache' },
  dma_map: { ns: 40, source: 'estimate: dma_map_single and its unmap with an IOMMU in lazy mode' },
  alloc_skb: { ns: 60, source: 'estimate: kmem_cache and data from the per-CPU cache' },
  free_skb: { ns: 40, source: 'estimate' },
  eth_type_trans: { ns: 15, source: 'estimate: first touch of the header is a cache miss paid elsewhere' },
  netif_receive_skb: { ns: 60, source: 'estimate: taps, dispatch' },
  netif_rx: { ns: 50, source: 'estimate: enqueue_to_backlog' },
  ip_rcv: { ns: 90, source: 'estimate: header checks, checksum, route lookup' },
  ip_defrag: {
    ns: 100,
    source: 'estimate: queue look-up by hash, its lock, insertion; a timer for the first fragment',
  },
  ip_forward: { ns: 60, source: 'estimate' },
  ip_output: { ns: 90, source: 'estimate: header, route, neighbour' },
  arp_rcv: { ns: 100, source: 'estimate' },
  icmp_rcv: { ns: 80, source: 'estimate' },
  udp_rcv: { ns: 110, source: 'estimate: lookup, queue, accounting' },
  udp_sendmsg: { ns: 200, source: 'estimate: route, cork, allocation excluded' },
  tcp_v4_rcv: { ns: 350, source: 'estimate: look-up, header prediction, queueing, the ACK that a segment brings' },
  tcp_sendmsg: { ns: 200, source: 'estimate: locks, segment set-up, allocation and copy excluded' },
  tcp_recvmsg: { ns: 150, source: 'estimate: locks, queue walk, copy excluded' },
  tcp_transmit_skb: { ns: 250, source: 'estimate: clone, header, options, timers' },
  dev_queue_xmit: { ns: 70, source: 'estimate: qdisc enqueue and dequeue' },
  wakeup: { ns: 150, source: 'estimate: try_to_wake_up on the same CPU' },
  context_switch: { ns: 1200, source: 'estimate: schedule() with cold caches; lmbench lat_ctx gives 1–2 µs' },
  syscall: { ns: 113, source: 'measured: a null system call, 2-core EPYC virtual machine, Linux 6.18' },
  copy_kib: { ns: 100, source: 'estimate: a copy of 1024 bytes at 10 GB/s, rep movsb with data in L2/L3' },
  csum_kib: { ns: 60, source: 'estimate: csum_partial over 1024 bytes, about 16 GB/s' },
} as const satisfies Record<string, Cost>;

export type CostName = keyof typeof COST_TABLE;
export type Costs = { -readonly [K in CostName]: number };

/** The table as numbers: all of them, or all zero. */
export function make_costs(on: boolean): Costs {
  const costs = Object.entries(COST_TABLE).map(([name, { ns }]) => [name, on ? ns : 0]);
  // V8 makes a hash table of what is built by computed names, and a plain object of what is parsed: 10 ns an access.
  return JSON.parse(JSON.stringify(Object.fromEntries(costs))) as Costs;
}

/** Charges for copying `length` bytes at a place of kernel/copies.ts: whole nanoseconds, rounded down. */
export function charge_copy(kernel: Kernel, length: number, place: number): void {
  kernel.clock.now += (length * kernel.cost.copy_kib) >> 10;
  const tp = kernel.trace.copy;
  if (tp !== null) tp(place, length);
}

/** Charges for summing `length` bytes. */
export function charge_csum(kernel: Kernel, length: number): void {
  kernel.clock.now += (length * kernel.cost.csum_kib) >> 10;
}
