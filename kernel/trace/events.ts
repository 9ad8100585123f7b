/**
 * Tracepoints: nullable function slots with positional arguments. `const tp = kernel.trace.ip_rcv; if (tp !== null)
 * tp(skb);` costs a load and a test when nobody looks. Declared once, here, with what they mean.
 */
import type { device, dma_region } from '../dma/mapping.ts';
import type { net_device } from '../net/core/netdevice.ts';
import type { sk_buff } from '../net/core/skbuff.ts';
import type { sock } from '../net/core/sock.ts';
import type { Qdisc } from '../net/sched/qdisc.ts';
import type { task_struct } from '../sched/task.ts';

type Slot<A extends unknown[]> = ((...args: A) => void) | null;
type SkbSlot = Slot<[skb: sk_buff]>;

export class Tracepoints {
  // Before the first packet: drivers, devices, interrupt lines.
  pci_probe: Slot<[driver: string, device: string, result: number]> = null;
  register_netdev: Slot<[dev: net_device]> = null;
  request_irq: Slot<[irq: number, name: string]> = null;
  netif_napi_add: Slot<[dev: net_device, weight: number]> = null;
  dev_open: Slot<[dev: net_device, result: number]> = null;
  dev_close: Slot<[dev: net_device]> = null;
  netif_carrier: Slot<[dev: net_device, on: boolean]> = null;

  // Interrupts, softirqs, timers, tasks.
  irq_handler_entry: Slot<[irq: number, name: string]> = null;
  irq_handler_exit: Slot<[irq: number, handled: number]> = null;
  /** The line is shut off: `unhandled` of its interrupts were nobody's (note_interrupt). */
  irq_nobody_cared: Slot<[irq: number, unhandled: number]> = null;
  softirq_raise: Slot<[nr: number]> = null;
  softirq_entry: Slot<[nr: number]> = null;
  softirq_exit: Slot<[nr: number]> = null;
  /** More than softirqs may do at once: ksoftirqd is woken for the rest. */
  wakeup_softirqd: Slot<[cpu: number]> = null;
  timer_expire: Slot<[expires: number]> = null;
  sched_wakeup: Slot<[task: task_struct]> = null;
  sys_enter: Slot<[task: task_struct, name: string]> = null;
  sys_exit: Slot<[task: task_struct, name: string, result: number]> = null;

  // DMA: the driver stores into a coherent block (a descriptor).
  dma_alloc_coherent: Slot<[region: dma_region]> = null;
  /** Streaming mappings: `address` in RAM, `iova` for the card. */
  dma_map: Slot<[dev: device, address: number, iova: number, length: number]> = null;
  dma_unmap: Slot<[dev: device, iova: number, length: number]> = null;
  dma_sync_for_cpu: Slot<[dev: device, iova: number, length: number]> = null;
  dma_coherent_store: Slot<[region: dma_region, offset: number, value: number]> = null;

  // NAPI.
  napi_schedule: Slot<[dev: net_device]> = null;
  napi_poll: Slot<[dev: net_device, work: number, budget: number]> = null;
  netdev_rx_drop: Slot<[dev: net_device, address: number, reason: number]> = null;
  napi_complete: Slot<[dev: net_device, work: number]> = null;
  /** net_rx_action stops for its budget or its time; softnet_stat's time_squeeze. */
  net_rx_squeeze: Slot<[budget: number]> = null;

  // sk_buff life. `skb_copy_from`: bytes came from `address` (a DMA buffer) into the skb: its identity follows.
  skb_alloc: SkbSlot = null;
  skb_clone: Slot<[skb: sk_buff, clone: sk_buff]> = null;
  skb_copy_from: Slot<[skb: sk_buff, address: number, length: number]> = null;
  consume_skb: SkbSlot = null;
  kfree_skb: Slot<[skb: sk_buff, reason: number]> = null;

  // Receive.
  napi_gro_receive: SkbSlot = null;
  /** `skb` was merged into the held packet `p`; a held packet of `segments` is complete. */
  skb_gro_receive: Slot<[p: sk_buff, skb: sk_buff]> = null;
  napi_gro_complete: Slot<[skb: sk_buff, segments: number]> = null;
  /** `segment` was cut out of `skb`. */
  skb_segment: Slot<[skb: sk_buff, segment: sk_buff]> = null;
  /** RPS: to a CPU's backlog, which then has `queued` packets; the interrupt to it, and its arrival. */
  enqueue_to_backlog: Slot<[skb: sk_buff, cpu: number, queued: number]> = null;
  net_rps_send_ipi: Slot<[cpu: number]> = null;
  call_function_entry: Slot<[cpu: number]> = null;
  process_backlog: SkbSlot = null;
  sch_handle_ingress: SkbSlot = null;
  vlan_do_receive: SkbSlot = null;
  br_handle_frame: SkbSlot = null;
  br_fdb_update: Slot<[br: net_device, port: net_device, high: number, low: number]> = null;
  br_forward: SkbSlot = null;
  br_pass_frame_up: Slot<[skb: sk_buff, br: net_device]> = null;
  packet_rcv_fanout: Slot<[skb: sk_buff, member: number, members: number]> = null;
  netif_rx: SkbSlot = null;
  netif_receive_skb: SkbSlot = null;
  packet_rcv: Slot<[skb: sk_buff, sk: sock]> = null;
  arp_rcv: SkbSlot = null;
  ip_rcv: SkbSlot = null;
  ip_rcv_finish: SkbSlot = null;
  ip_local_deliver: SkbSlot = null;
  /** A fragment waits for the others; the last one to come goes on as the whole datagram of `skb.len` bytes. */
  ip_frag_queue: Slot<[skb: sk_buff, offset: number]> = null;
  ip_frag_reasm: SkbSlot = null;
  ip_forward: SkbSlot = null;
  icmp_rcv: SkbSlot = null;
  udp_rcv: SkbSlot = null;
  tcp_v4_rcv: SkbSlot = null;
  /** A connection's state has changed (TCP_ESTABLISHED …). */
  inet_sock_set_state: Slot<[sk: sock, oldstate: number, newstate: number]> = null;
  sock_queue_rcv_skb: Slot<[skb: sk_buff, sk: sock]> = null;
  sk_data_ready: Slot<[sk: sock]> = null;
  /** Bytes of `skb` reached a user's buffer: `recvfrom` and its kin. */
  skb_copy_datagram: Slot<[skb: sk_buff, length: number]> = null;

  /** Bytes of a packet were copied, at a place of kernel/copies.ts. */
  copy: Slot<[place: number, length: number]> = null;

  // Transmit.
  udp_sendmsg: Slot<[sk: sock, length: number]> = null;
  tcp_sendmsg: Slot<[sk: sock, length: number]> = null;
  /** A segment leaves TCP: `skb` is what stays in the send queue, `sent` what goes down, the same without a queue. */
  tcp_transmit_skb: Slot<[skb: sk_buff, sent: sk_buff]> = null;
  /** `skb` is answered with a RST. */
  tcp_send_reset: SkbSlot = null;
  ping_sendmsg: Slot<[sk: sock, length: number]> = null;
  icmp_send: Slot<[skb: sk_buff, type: number, code: number]> = null;
  arp_send: SkbSlot = null;
  ip_local_out: SkbSlot = null;
  ip_output: SkbSlot = null;
  ip_finish_output2: SkbSlot = null;
  /** `fragment` was cut out of `skb` (ip_do_fragment), which itself may go on as the first one. */
  ip_fragment: Slot<[skb: sk_buff, fragment: sk_buff]> = null;
  neigh_queue: Slot<[skb: sk_buff, queued: number]> = null;
  dev_queue_xmit: SkbSlot = null;
  /** One skb became several: `segment` is one of them (skb_gso_segment). */
  skb_gso_segment: Slot<[skb: sk_buff, segment: sk_buff]> = null;
  qdisc_enqueue: Slot<[skb: sk_buff, q: Qdisc]> = null;
  qdisc_dequeue: Slot<[skb: sk_buff, q: Qdisc]> = null;
  qdisc_requeue: Slot<[skb: sk_buff, q: Qdisc]> = null;
  /** Whatever the card cannot do is about to be done in software: segments, one piece, checksum, tag. */
  validate_xmit_skb: SkbSlot = null;
  dev_hard_start_xmit: SkbSlot = null;
  /** The driver has taken the skb (ndo_start_xmit returned NETDEV_TX_OK). */
  net_dev_xmit: Slot<[skb: sk_buff, length: number, result: number]> = null;
  netif_tx_stop_queue: Slot<[dev: net_device, queue: number]> = null;
  netif_tx_wake_queue: Slot<[dev: net_device, queue: number]> = null;
  netdev_tx_timeout: Slot<[dev: net_device]> = null;
  neigh_update: Slot<[ip: number, from: number, to: number]> = null;
}
