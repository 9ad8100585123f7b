/** IPv4's part of a struct net: its sysctls, tables and counters (include/net/netns/ipv4.h). */
import { int_map } from '../../lib/int_map.ts';
import { HZ } from '../../time/timer.ts';
import type { offload_callbacks } from '../core/gro.ts';
import type { neigh_table } from '../core/neighbour.ts';
import type { net } from '../core/net_namespace.ts';
import type { sk_buff } from '../core/skbuff.ts';
import type { sock } from '../core/sock.ts';
import type { arp_scratch } from './arp.ts';
import { inet_forward_change, ipv4_devconf } from './devconf.ts';
import type { in_ifaddr } from './devinet.ts';
import type { fib_tables } from './fib.ts';
import type { icmp_state } from './icmp.ts';
import type { igmp_state } from './igmp.ts';
import type { fqdir } from './inet_fragment.ts';
import type { inet_peer_base } from './inetpeer.ts';
import type { inet_cork } from './ip_append.ts';
import type { ip_options } from './ip_options.ts';
import type { ip_idents } from './ip_output.ts';
import type { ping_table } from './ping.ts';
import type { net_protocol } from './protocol.ts';
import type { raw_hashinfo } from './raw.ts';
import type { route_cache } from './route.ts';
import { ipv4_mib } from './snmp.ts';
import { netns_ipv4_tcp } from './tcp_netns.ts';
import type { tcp_pernet } from './tcp_pernet.ts';
import type { udp_table } from './udp_hash.ts';

export class netns_ipv4 extends netns_ipv4_tcp {
  readonly net: net;
  // net.ipv4.*, each by the name that sysctl(8) shows.
  ip_default_ttl = 64;
  ip_no_pmtu_disc = 0;
  ip_early_demux = 1;
  /** First and last port for autobind. */
  readonly ip_local_port_range = [32768, 60999];
  /** Ports that autobind leaves alone; a program may still ask for them by number. */
  readonly ip_local_reserved_ports = new Set<number>();
  ip_unprivileged_port_start = 1024;
  ip_nonlocal_bind = 0;
  /** What the kernel answers of its own accord has the mark of what it answers. */
  fwmark_reflect = 0;
  /** Groups that may open ping sockets, first and last: everybody, as distributions with systemd set it (the kernel's own default is 1 0). */
  readonly ping_group_range = [0, 2147483647];
  icmp_echo_ignore_all = 0;
  icmp_echo_enable_probe = 0;
  icmp_echo_ignore_broadcasts = 1;
  icmp_ignore_bogus_error_responses = 1;
  icmp_errors_use_inbound_ifaddr = 0;
  /** Limit per peer, in jiffies a message, and the types that it and the limit of all together hold for. */
  icmp_ratelimit = HZ;
  icmp_ratemask = 0x1818;
  icmp_msgs_per_sec = 1000;
  icmp_msgs_burst = 50;
  /** Groups a socket may join, sources it may name for one; how often a change is told; whether 224.0.0.x is told of. */
  igmp_max_memberships = 20;
  igmp_max_msf = 10;
  igmp_qrv = 2;
  igmp_link_local_mcast_reports = 1;
  ip_forward_use_pmtu = 0;
  ip_forward_update_priority = 1;
  /** 0: addresses, 1: addresses, protocol and ports, 2: the inner addresses of a tunnel. */
  fib_multipath_hash_policy = 0;
  fib_multipath_hash_seed = 0;
  fib_multipath_use_neigh = 0;
  /** net.ipv4.route.*: times in jiffies. */
  readonly route = {
    min_pmtu: 512 + 20 + 20,
    mtu_expires: 10 * 60 * HZ,
    min_adv_mss: 256,
    gc_timeout: 300 * HZ,
    error_cost: HZ,
    error_burst: 5 * HZ,
    redirect_number: 9,
    redirect_load: HZ / 50,
    redirect_silence: (HZ / 50) << 10,
  };
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
  /** register_inetaddr_notifier */
  readonly inetaddr_chain: ((event: number, ifa: in_ifaddr) => void)[] = [];
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
  /** What IGMP keeps; set by igmp_init. */
  igmp!: igmp_state;
  /** Identifications (ip_idents); set by ip_init. */
  idents!: ip_idents;
  /** ip_make_skb's: a datagram is put together within one slice. */
  cork!: inet_cork;
  /** Fragments that wait (ipfrag_* are its settings); set by ipfrag_init. */
  fqdir!: fqdir;
  /** What is known of single peers; set by ip_init. */
  peers!: inet_peer_base;
  /** The options of the packet in hand. */
  rcv_opt!: ip_options;
  /** Those of an answer without a socket that is being made. */
  reply_opt!: ip_options;
  /** arp_tbl; set by arp_init. */
  arp!: neigh_table;
  arp_scratch!: arp_scratch;
  /** Set by tcp_init. */
  tcp!: tcp_pernet;
  /** Set by udp_init and ping_init. */
  udp!: udp_table;
  ping!: ping_table;
  /** Set by raw_init. */
  raw!: raw_hashinfo;
  /**
   * ping_rcv: takes an interest in an ICMP echo reply (`data` behind the ICMP header, `transport_header` at it); does
   * not take the skb. Returns 0 or the reason for a drop (NO_SOCKET).
   */
  ping_rcv: ((skb: sk_buff) => number) | null = null;
  /** Raw sockets that hear of forwarded packets with a router alert, oldest first (ra_chain; IP_ROUTER_ALERT). */
  readonly ra_chain: sock[] = [];
  /** raw_rcv: a packet for one raw socket. Takes the skb. */
  raw_rcv: ((sk: sock, skb: sk_buff) => void) | null = null;
  /** ping_err: an ICMP error about an echo request of ours; as net_protocol.err_handler. */
  ping_err: ((skb: sk_buff, info: number) => number) | null = null;
  /** Raw sockets get copies here (raw_local_deliver): true when there was one for the protocol. Does not take the skb. */
  raw_local_deliver: ((skb: sk_buff, protocol: number) => boolean) | null = null;
  /** raw_icmp_error: an ICMP error about a packet of `protocol`, for raw sockets; `data` at the quoted IP header. */
  raw_icmp_error: ((skb: sk_buff, protocol: number, info: number) => void) | null = null;
  /**
   * ipv4_update_pmtu and ipv4_redirect: what an error about a packet without a socket says of the route that the quoted
   * header (at `data`) belongs to. Set by ip_rt_init.
   */
  update_pmtu: ((skb: sk_buff, mtu: number, oif: number, protocol: number) => void) | null = null;
  redirect: ((skb: sk_buff, oif: number, protocol: number) => void) | null = null;
  /** ipv4_sk_update_pmtu and ipv4_sk_redirect: what an ICMP error says of a socket's path; routing's. */
  sk_update_pmtu: ((skb: sk_buff, sk: sock, mtu: number) => void) | null = null;
  sk_redirect: ((skb: sk_buff, sk: sock) => void) | null = null;

  constructor(net: net) {
    super();
    this.net = net;
  }

  /** net.ipv4.ip_forward: the same as conf.all.forwarding; setting it sets every device's (inet_forward_change). */
  get ip_forward(): number {
    return this.devconf_all.forwarding;
  }

  set ip_forward(on: number) {
    inet_forward_change(this.net, on);
  }
}
