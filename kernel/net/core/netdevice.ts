/** Network devices and their queues (include/linux/netdevice.h). */
import type { Kernel } from '../../kernel.ts';
import { dql } from '../../lib/dynamic_queue_limits.ts';
import type { int_map } from '../../lib/int_map.ts';
import type { hrtimer } from '../../time/hrtimer.ts';
import { timer_list } from '../../time/timer.ts';
import type { ethtool_ops } from '../ethtool/ethtool.ts';
import type { in_device } from '../ipv4/devinet.ts';
import type { Qdisc } from '../sched/qdisc.ts';
import { dev_watchdog, noop_qdisc } from '../sched/sch_generic.ts';
import { gro_node } from './gro.ts';
import type { ingress_qdisc } from './ingress.ts';
import type { net } from './net_namespace.ts';
import type { rps_dev_flow_table, rps_map } from './rps.ts';
import type { sk_buff } from './skbuff.ts';

export const NETDEV_TX_OK = 0x00;
export const NETDEV_TX_BUSY = 0x10;
export type netdev_tx_t = typeof NETDEV_TX_OK | typeof NETDEV_TX_BUSY;

/** Interface flags (linux/if.h). */
export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_LOOPBACK = 0x8;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const IFF_MULTICAST = 0x1000;

/** Private flags (enum netdev_priv_flags): the device needs no queue. */
export const IFF_NO_QUEUE = 1 << 21;
/** ip link's default for txqueuelen. */
export const DEFAULT_TX_QUEUE_LEN = 1000;

/** Hardware types (linux/if_arp.h). */
export const ARPHRD_ETHER = 1;
export const ARPHRD_LOOPBACK = 772;

/** Device features (linux/netdev_features.h), the bits in use. */
export const NETIF_F_SG = 1;
export const NETIF_F_HW_CSUM = 8;
export const NETIF_F_HW_VLAN_CTAG_TX = 1 << 7;
export const NETIF_F_HW_VLAN_CTAG_RX = 1 << 8;
export const NETIF_F_GRO = 1 << 14;
export const NETIF_F_RXCSUM = 1 << 17;
/** The card's flow hash is given on (receive-hashing). */
export const NETIF_F_RXHASH = 1 << 18;
/** rx-gro-list and rx-udp-gro-forwarding. */
export const NETIF_F_GRO_FRAGLIST = 1 << 27;
export const NETIF_F_GRO_UDP_FWD = 1 << 28;
/** Takes sk_buffs with a frag_list. */
export const NETIF_F_FRAGLIST = 1 << 6;
/** Segmentation in software, by the stack (generic-segmentation-offload). */
export const NETIF_F_GSO = 1 << 11;
/** Segmentation by the card: TCP over IPv4; UDP datagrams in one (tx-udp-segmentation). */
export const NETIF_F_TSO = 1 << 16;
export const NETIF_F_GSO_UDP_L4 = 1 << 21;
/** What the stack does itself, for every device. */
export const NETIF_F_SOFT_FEATURES = NETIF_F_GRO | NETIF_F_GSO;
/** Every kind of segmentation by the card. */
export const NETIF_F_GSO_MASK = NETIF_F_TSO | NETIF_F_GSO_UDP_L4;

export const NAPI_POLL_WEIGHT = 64;

/** What a driver provides. Each is called with the device. */
export interface net_device_ops {
  /** Interface up: 0 or a negative errno. */
  ndo_open(dev: net_device): number;
  ndo_stop(dev: net_device): number;
  /** Takes the skb (NETDEV_TX_OK: it is the driver's to free) or leaves it with the caller (NETDEV_TX_BUSY). */
  ndo_start_xmit(skb: sk_buff, dev: net_device): netdev_tx_t;
  ndo_set_rx_mode?(dev: net_device): void;
  /** ndo_select_queue: the transmit queue; left out: by netdev_pick_tx. */
  ndo_select_queue?(skb: sk_buff, dev: net_device): number;
  /** What the card can do for this very packet, of `features`. */
  ndo_features_check?(skb: sk_buff, dev: net_device, features: number): number;
  /** `address`: six bytes, already checked to be a unicast address. */
  ndo_set_mac_address?(dev: net_device, address: Uint8Array): number;
  ndo_tx_timeout?(dev: net_device, queue: number): void;
  /** Brings `dev.stats` up to date with what the hardware counts. */
  ndo_get_stats?(dev: net_device): void;
  ndo_change_mtu?(dev: net_device, mtu: number): number;
  /** Takes out of `features` what the driver cannot do beside the rest. */
  ndo_fix_features?(dev: net_device, features: number): number;
  /** Programs the card for `features`; dev.features still has the old ones. 0 or a negative errno. */
  ndo_set_features?(dev: net_device, features: number): number;
}

/** How a device's link-layer header is made. */
export interface header_ops {
  /** Pushes the header; returns its length, negative when the destination is unknown. `daddr`, `saddr`: null for the device's own. */
  create(skb: sk_buff, dev: net_device, type: number, daddr: Uint8Array | null, saddr: Uint8Array | null): number;
  /** Writes the header to a neighbour's cache, `hh`, to be copied before each packet; returns its length. */
  cache?(hh: Uint8Array, dev: net_device, type: number, daddr: Uint8Array): number;
}

/** One transmit queue. */
export class netdev_queue {
  readonly dev: net_device;
  readonly index: number;
  /** The discipline in use: `qdisc_sleeping` while the device is up and has carrier, else `qdisc_noop`. */
  qdisc: Qdisc;
  qdisc_sleeping: Qdisc | null = null;
  readonly qdisc_noop: Qdisc;
  /** netif_stop_queue: the driver takes no more for now (__QUEUE_STATE_DRV_XOFF). */
  stopped = false;
  /** BQL: enough is under way (__QUEUE_STATE_STACK_XOFF). */
  stack_xoff = false;
  readonly dql = new dql();
  /** When the driver last took a packet, in ns. */
  trans_start = 0;
  trans_timeout = 0;

  constructor(dev: net_device, index: number) {
    this.dev = dev;
    this.index = index;
    this.qdisc_noop = noop_qdisc(this);
    this.qdisc = this.qdisc_noop;
  }
}

/** One receive queue (struct netdev_rx_queue): where RPS and RFS send what comes by it. */
export class netdev_rx_queue {
  rps_map: rps_map | null = null;
  rps_flow_table: rps_dev_flow_table | null = null;
}

/** What a device's rx_handler says of a packet (enum rx_handler_result). */
export const RX_HANDLER_CONSUMED = 0;
/** skb.dev is another now: once more round. */
export const RX_HANDLER_ANOTHER = 1;
/** To those who asked for just this device, and to nobody else. */
export const RX_HANDLER_EXACT = 2;
export const RX_HANDLER_PASS = 3;

/** Takes the skb when it returns RX_HANDLER_CONSUMED. The skb is nobody else's (the caller has seen to it). */
export type rx_handler_func_t = (skb: sk_buff) => number;

/** netif_xmit_stopped: nothing is to be given to the driver, whoever says so. */
export function netif_xmit_stopped(txq: netdev_queue): boolean {
  return txq.stopped || txq.stack_xoff;
}

export class net_device_stats {
  rx_packets = 0;
  tx_packets = 0;
  rx_bytes = 0;
  tx_bytes = 0;
  rx_errors = 0;
  tx_errors = 0;
  rx_dropped = 0;
  tx_dropped = 0;
  multicast = 0;
  rx_length_errors = 0;
  rx_over_errors = 0;
  rx_crc_errors = 0;
  rx_frame_errors = 0;
  rx_fifo_errors = 0;
  rx_missed_errors = 0;
  rx_nohandler = 0;
  rx_otherhost_dropped = 0;
  collisions = 0;
  tx_fifo_errors = 0;
  tx_carrier_errors = 0;
}

/** State bits of a NAPI context. */
export const NAPI_STATE_SCHED = 1;
export const NAPI_STATE_MISSED = 2;
export const NAPI_STATE_DISABLE = 4;

/** poll: handles at most `budget` received packets, returns how many; below budget it has called napi_complete_done. */
export type napi_poll_t = (napi: napi_struct, budget: number) => number;

export class napi_struct {
  readonly dev: net_device;
  readonly poll: napi_poll_t;
  readonly weight: number;
  /** Created disabled, as netif_napi_add leaves it. */
  state = NAPI_STATE_SCHED | NAPI_STATE_DISABLE;
  /** Packets done so far in the present poll, over its slices. */
  work = 0;
  /** On a CPU's poll list. */
  listed = false;
  next: napi_struct | null = null;
  /** What the context belongs to, where that is not the device (the backlog: its softnet_data). */
  context: unknown = null;
  readonly gro = new gro_node();
  /** napi_watchdog, and how often the interrupt may still be put off (napi_defer_hard_irqs). */
  timer: hrtimer | null = null;
  defer_hard_irqs_count = 0;
  /** Polls and packets, for `ringside` to show. */
  polls = 0;
  packets = 0;

  constructor(dev: net_device, poll: napi_poll_t, weight: number) {
    this.dev = dev;
    this.poll = poll;
    this.weight = weight;
  }
}

export class net_device {
  readonly kernel: Kernel;
  nd_net: net;
  name: string;
  ifindex = 0;
  readonly netdev_ops: net_device_ops;
  header_ops: header_ops | null = null;
  type = ARPHRD_ETHER;
  mtu = 1500;
  min_mtu = 68;
  max_mtu = 1500;
  hard_header_len = 0;
  /** Six bytes; all zero for a loopback. */
  readonly dev_addr = new Uint8Array(6);
  readonly broadcast = new Uint8Array(6);
  flags = 0;
  priv_flags = 0;
  /** Features in force, those that a user may switch, and what users want of them. */
  features = 0;
  hw_features = 0;
  wanted_features = 0;
  ethtool_ops: ethtool_ops | null = null;
  /** A user has set the RSS table (IFF_RXFH_CONFIGURED). */
  rxfh_configured = false;
  /** netif_running: between open and stop. */
  running = false;
  carrier = false;
  /** netif_device_detach: the hardware is gone or asleep. */
  present = true;
  registered = false;
  promiscuity = 0;
  /** What the administrator asked for of the flags that are counted. */
  gflags = 0;
  allmulti = 0;
  /** Multicast addresses listened to, as numbers (48 bits), with reference counts. */
  readonly mc = new Map<number, number>();
  readonly _tx: netdev_queue[];
  /** As many as netif_set_real_num_rx_queues says. */
  readonly _rx: netdev_rx_queue[] = [new netdev_rx_queue()];
  /** Who gets the packets before the network layers: a bridge, and its port (netdev_rx_handler_register). */
  rx_handler: rx_handler_func_t | null = null;
  rx_handler_data: unknown = null;
  /** The device this one is a port of. */
  master: net_device | null = null;
  /** tc filters on what comes in. */
  ingress: ingress_qdisc | null = null;
  /** VLAN devices on top, by protocol and id: net/8021q. */
  vlan_info: int_map<net_device> | null = null;
  /** Packets of TCP's that stand for several segments stay below these (IFLA_GSO_IPV4_MAX_SIZE, IFLA_GSO_MAX_SEGS). */
  gso_max_size = 65536;
  gso_max_segs = 65535;
  /** Merged packets stay below this (IFLA_GRO_IPV4_MAX_SIZE). */
  gro_max_size = 65536;
  /** ns that GRO may hold packets beyond a poll, and polls without packets before the interrupt is enabled again. */
  gro_flush_timeout = 0;
  napi_defer_hard_irqs = 0;
  tx_queue_len = DEFAULT_TX_QUEUE_LEN;
  /** Of `_tx`, how many are in use (netif_set_real_num_tx_queues). */
  real_num_tx_queues: number;
  /** The root of the disciplines as `tc` sees it; null: none yet. */
  qdisc: Qdisc | null = null;
  /** The disciplines that were configured, for look-ups by handle (qdisc_hash). */
  readonly qdiscs: Qdisc[] = [];
  /** XPS: transmit queues by CPU (xps_cpus); null: none. */
  xps_cpus: Int32Array[] | null = null;
  readonly napis: napi_struct[] = [];
  readonly stats = new net_device_stats();
  /** ns without progress after which a stopped queue counts as hung. */
  watchdog_timeo = 5_000_000_000;
  readonly watchdog_timer: timer_list;
  /** The driver's own state (netdev_priv). */
  priv: unknown = null;
  /** in_device: IPv4's per-device state. */
  ip_ptr: in_device | null = null;

  constructor(kernel: Kernel, name: string, ops: net_device_ops, queues = 1) {
    this.kernel = kernel;
    this.nd_net = kernel.init_net;
    this.name = name;
    this.netdev_ops = ops;
    this._tx = Array.from({ length: queues }, (_, index) => new netdev_queue(this, index));
    this.real_num_tx_queues = queues;
    this.watchdog_timer = new timer_list(kernel, () => dev_watchdog(this));
  }
}
