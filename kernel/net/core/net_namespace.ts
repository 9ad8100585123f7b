/** struct net: everything a host's network stack knows (include/net/net_namespace.h). */
import type { Kernel } from '../../kernel.ts';
import type { netns_ipv4 } from '../ipv4/netns.ts';
import { netns_nf } from '../netfilter/netns.ts';
import { NR_DROP_REASONS } from './dropreason.ts';
import type { packet_offload } from './gro.ts';
import { proc_net_files } from './net-procfs.ts';
import type { net_device } from './netdevice.ts';
import type { rps_sock_flow_table } from './rps.ts';
import type { sk_buff } from './skbuff.ts';
import { netns_core, type sock } from './sock.ts';

export const ETH_P_ALL = 0x0003;
export const PTYPE_HASH_MASK = 15;

/** A network layer's, or a tap's, wish to see packets. `func` takes the skb. */
export interface packet_type {
  readonly type: number;
  /** Only this device; null for all. */
  readonly dev: net_device | null;
  func(skb: sk_buff, dev: net_device, pt: packet_type, orig_dev: net_device): number;
  /** The same for the first `length` of a list; left out: one after the other. */
  list_func?(list: sk_buff[], length: number, pt: packet_type, orig_dev: net_device): void;
  /** The socket behind a tap: it does not see what it sent itself. */
  readonly af_packet_priv: sock | null;
  /** Where several sockets are behind one tap (a fanout group): is this one of them? */
  id_match?(sk: sock | null): boolean;
}

export const NETDEV_UP = 1;
export const NETDEV_DOWN = 2;
export const NETDEV_CHANGE = 4;
export const NETDEV_REGISTER = 5;
export const NETDEV_UNREGISTER = 6;
export const NETDEV_CHANGEMTU = 7;
export const NETDEV_CHANGEADDR = 8;
export const NETDEV_FEAT_CHANGE = 12;
export const NETDEV_CHANGE_TX_QUEUE_LEN = 26;

export class net {
  readonly kernel: Kernel;
  readonly devices: net_device[] = [];
  private last_ifindex = 0;
  loopback_dev: net_device | null = null;
  /** Taps on everything (ETH_P_ALL), and the network layers by EtherType. */
  readonly ptype_all: packet_type[] = [];
  /** All of these, in the order in which they came: what /proc/net/ptype shows. */
  readonly ptypes: packet_type[] = [];
  readonly ptype_base: packet_type[][] = Array.from({ length: PTYPE_HASH_MASK + 1 }, () => []);
  /** What GRO knows, by EtherType (dev_add_offload). */
  readonly offload_base: packet_offload[] = [];
  /** Receive queues with a map or a flow table: without any, nobody computes hashes (rps_needed). */
  rps_needed = 0;
  /** Sockets that want to know when packets arrive: without any, nobody looks at the clock (netstamp_needed_key). */
  netstamp_needed = 0;
  /** Where sockets were last read: RFS (net.core.rps_sock_flow_entries). */
  rps_sock_flow_table: rps_sock_flow_table | null = null;
  private readonly netdev_chain: ((event: number, dev: net_device) => void)[] = [];
  readonly drops = new Float64Array(NR_DROP_REASONS);
  /** What sockets of every family share. */
  readonly core = new netns_core();
  /** IPv4's part; set by inet_init. */
  ipv4!: netns_ipv4;
  /** The hooks, and what hangs on them; filled by netfilter_init. */
  readonly nf = new netns_nf();
  /** What /proc/net shows, by file. */
  readonly proc_net = new proc_net_files();
  /** Run when the host shuts down, after its devices are gone (pernet_operations.exit). */
  readonly pernet_exit: (() => void)[] = [];
  /** net.core.* */
  readonly sysctl = {
    netdev_budget: 300,
    netdev_budget_usecs: 2000,
    netdev_max_backlog: 1000,
    dev_weight: 64,
    /** Segments that GRO hands up at a time. */
    gro_normal_batch: 8,
    /** CPUs with a flow limit on their backlog, as a mask, and the limit's number of buckets. */
    flow_limit_cpu_bitmap: 0,
    flow_limit_table_len: 4096,
    /** What a transmit queue gets that nobody configured. */
    default_qdisc: 'pfifo_fast',
    /** The longest queue that listen(2) gives. */
    somaxconn: 4096,
    rmem_default: 212992,
    rmem_max: 4 << 20,
    optmem_max: 131072,
    tstamp_allow_data: 1,
    wmem_default: 212992,
    wmem_max: 4 << 20,
  };

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  next_ifindex(): number {
    return ++this.last_ifindex;
  }

  count_drop(reason: number): void {
    this.drops[reason] = (this.drops[reason] as number) + 1;
  }

  /** dev_add_pack */
  dev_add_pack(pt: packet_type): void {
    this.list_of(pt).push(pt);
    this.ptypes.push(pt);
  }

  /** dev_remove_pack */
  dev_remove_pack(pt: packet_type): void {
    const list = this.list_of(pt);
    const index = list.indexOf(pt);
    if (index < 0) return;
    list.splice(index, 1);
    this.ptypes.splice(this.ptypes.indexOf(pt), 1);
  }

  private list_of(pt: packet_type): packet_type[] {
    if (pt.type === ETH_P_ALL) return this.ptype_all;
    return this.ptype_base[pt.type & PTYPE_HASH_MASK] as packet_type[];
  }

  /** register_netdevice_notifier */
  register_netdevice_notifier(callback: (event: number, dev: net_device) => void): void {
    this.netdev_chain.push(callback);
  }

  /** call_netdevice_notifiers */
  call_netdevice_notifiers(event: number, dev: net_device): void {
    for (const callback of this.netdev_chain) callback(event, dev);
  }

  dev_get_by_name(name: string): net_device | null {
    return this.devices.find(dev => dev.name === name) ?? null;
  }

  dev_get_by_index(ifindex: number): net_device | null {
    return this.devices.find(dev => dev.ifindex === ifindex) ?? null;
  }
}
