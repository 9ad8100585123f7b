/** IPv4's part of a struct net: its sysctls, tables and counters (include/net/netns/ipv4.h). */
import { int_map } from '../../lib/int_map.ts';
import { HZ } from '../../time/timer.ts';
import type { offload_callbacks } from '../core/gro.ts';
import type { neigh_table } from '../core/neighbour.ts';
import type { net } from '../core/net_namespace.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { ipv4_devconf } from './devconf.ts';
import type { in_ifaddr } from './devinet.ts';
import type { fib_tables } from './fib.ts';
import type { icmp_state } from './icmp.ts';
import type { ip_idents } from './ip_output.ts';
import type { ping_table } from './ping.ts';
import type { net_protocol } from './protocol.ts';
import type { route_cache } from './route.ts';
import { ipv4_mib } from './snmp.ts';
import { netns_ipv4_tcp } from './tcp_netns.ts';
import type { tcp_pernet } from './tcp_pernet.ts';
import type { udp_table } from './udp.ts';

export class netns_ipv4 extends netns_ipv4_tcp {
  readonly net: net;
  // net.ipv4.*, each by the name that sysctl(8) shows.
  ip_default_ttl = 64;
  ip_no_pmtu_disc = 0;
  /** First and last port for autobind. */
  readonly ip_local_port_range = [32768, 60999];
  ip_unprivileged_port_start = 1024;
  ip_nonlocal_bind = 0;
  /** Groups that may open ping sockets, first and last: everybody, as distributions with systemd set it (the kernel's own default is 1 0). */
  readonly ping_group_range = [0, 2147483647];
  icmp_echo_ignore_all = 0;
  icmp_echo_enable_probe = 0;
  icmp_echo_ignore_broadcasts = 1;
  icmp_ignore_bogus_error_responses = 1;
  icmp_errors_use_inbound_ifaddr = 0;
  /** Per-peer limit, in jiffies a message, and the types it holds for; the limits come with the IPv4 issue. */
  icmp_ratelimit = HZ;
  icmp_ratemask = 0x1818;
  icmp_msgs_per_sec = 1000;
  icmp_msgs_burst = 50;
  udp_rmem_min = 4096;
  udp_wmem_min = 4096;
  /** net.ipv4.conf.all.* and net.ipv4.conf.default.*; each device has its own beside them. */
  readonly devconf_all = new ipv4_devconf();
  readonly devconf_dflt = new ipv4_devconf();

  readonly mib = new ipv4_mib();
  readonly protos: (net_protocol | null)[] = new Array<net_protocol | null>(256).fill(null);
  /** GRO by protocol number (inet_offloads), and how many sockets want merged datagrams (udp_encap_needed_key). */
  readonly offloads: (offload_callbacks | null)[] = new Array<offload_callbacks | null>(256).fill(null);
  udp_encap_needed = 0;
  /** The addresses of all devices (inet_addr_lst). */
  readonly inet_addr_lst = new int_map<in_ifaddr>();
  /** Changes with every address: what was chosen by address before is stale. */
  dev_addr_genid = 0;
  /** Changes with everything that routing looks at: a route made under another number is stale (rt_cache_flush). */
  rt_genid = 0;
  /** The routing tables; set by fib_init. */
  fib!: fib_tables;
  /** Routes of input that hang at no next hop; set by ip_rt_init. */
  rt!: route_cache;
  /** What ICMP keeps between two messages; set by icmp_init. */
  icmp!: icmp_state;
  /** Identifications (ip_idents); set by ip_init. */
  idents!: ip_idents;
  /** arp_tbl; set by arp_init. */
  arp!: neigh_table;
  /** Set by tcp_init. */
  tcp!: tcp_pernet;
  /** Set by udp_init and ping_init. */
  udp!: udp_table;
  ping!: ping_table;
  /**
   * ping_rcv: takes an interest in an ICMP echo reply (`data` behind the ICMP header, `transport_header` at it); does
   * not take the skb. Returns 0 or the reason for a drop (NO_SOCKET).
   */
  ping_rcv: ((skb: sk_buff) => number) | null = null;
  /** ping_err: an ICMP error about an echo request of ours; as net_protocol.err_handler. */
  ping_err: ((skb: sk_buff, info: number) => number) | null = null;
  /** Raw sockets get copies here (raw_local_deliver): true when there was one for the protocol. Does not take the skb. */
  raw_local_deliver: ((skb: sk_buff, protocol: number) => boolean) | null = null;

  constructor(net: net) {
    super();
    this.net = net;
  }

  /** net.ipv4.ip_forward: the same as conf.all.forwarding; setting it sets every device's (inet_forward_change). */
  get ip_forward(): number {
    return this.devconf_all.forwarding;
  }

  set ip_forward(on: number) {
    this.devconf_all.forwarding = on;
    this.devconf_dflt.forwarding = on;
    this.devconf_all.accept_redirects = on === 0 ? 1 : 0;
    for (const dev of this.net.devices) if (dev.ip_ptr !== null) dev.ip_ptr.cnf.forwarding = on;
    this.rt_genid = (this.rt_genid + 1) | 0;
  }
}
