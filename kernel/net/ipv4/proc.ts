/** IPv4's files of /proc/net: snmp, netstat, sockstat and those of its tables (net/ipv4/proc.c). */

import type { net } from '../core/net_namespace.ts';
import {
  PROC_NETSTAT_IPEXT,
  PROC_SNMP_IP,
  PROC_SNMP_UDP,
  PROC_SOCKSTAT_FRAG,
  PROC_SOCKSTAT_RAW,
  PROC_SOCKSTAT_UDP,
  PROC_SOCKSTAT_USED,
  proc_counters,
  proc_create_net,
} from '../core/net-procfs.ts';
import { arp_seq_show } from './arp.ts';
import { fib_route_seq_show, fib_trie_seq_show, fib_triestat_seq_show } from './fib_proc.ts';
import { proc_net_igmp } from './igmp.ts';
import { sockstat_frag } from './ip_fragment.ts';
import { proc_net_icmp, proc_net_raw, proc_net_udp, sockstat_lines } from './proc_socks.ts';
import { snmp_counters } from './snmp.ts';

/** Counters of message types on a line. */
const PERLINE = 16;

/** icmpmsg_put: the types that have come or gone, sixteen on a line; nothing when there were none. */
function icmpmsg(net: net): string {
  const { IcmpMsgInType, IcmpMsgOutType } = net.ipv4.mib;
  const seen: [string, number][] = [];
  for (const [prefix, counts] of [
    ['In', IcmpMsgInType],
    ['Out', IcmpMsgOutType],
  ] as const) {
    counts.forEach((count, type) => {
      if (count !== 0) seen.push([`${prefix}Type${type}`, count]);
    });
  }
  let text = '';
  for (let at = 0; at < seen.length; at += PERLINE) text += proc_counters('IcmpMsg', seen.slice(at, at + PERLINE));
  return text;
}

/** snmp_seq_show_ipstats and icmp_put */
function snmp_ip(net: net): string {
  const { mib, ip_forward, ip_default_ttl } = net.ipv4;
  const ip: [string, number][] = [
    ['Forwarding', ip_forward !== 0 ? 1 : 2],
    ['DefaultTTL', ip_default_ttl],
    ...snmp_counters(mib, 'Ip'),
  ];
  return proc_counters('Ip', ip) + proc_counters('Icmp', snmp_counters(mib, 'Icmp')) + icmpmsg(net);
}

/** UDP's counters, and UDP-Lite's: there are no such sockets. */
function snmp_udp(net: net): string {
  const counters = snmp_counters(net.ipv4.mib, 'Udp');
  return (
    proc_counters('Udp', counters) +
    proc_counters(
      'UdpLite',
      counters.map(([name]) => [name, 0]),
    )
  );
}

const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');

const ARP_CACHE_HEAD =
  'entries  allocs   destroys hash_grows lookups  hits     res_failed rcv_probes_mcast rcv_probes_ucast periodic_gc_runs forced_gc_runs unresolved_discards table_fulls';

/** /proc/net/stat/arp_cache (neigh_stat_seq_show): a line per CPU; what is counted is counted for all of them together. */
function stat_arp_cache(net: net): string {
  const { arp } = net.ipv4;
  const counters = [arp.allocs, arp.destroys, 0, arp.lookups, arp.hits, arp.res_failed, 0, 0, 0];
  counters.push(arp.forced_gc_runs, arp.unres_discards, arp.table_fulls);
  const lines = net.kernel.cpus.map((_, cpu) => {
    const [a, b, c, d, e, f, g, h, i, j, k, l] = counters.map(value => hex8(cpu === 0 ? value : 0));
    return `${hex8(arp.entries)} ${a} ${b} ${c}   ${d} ${e} ${f}   ${g}         ${h}         ${i}         ${j}       ${k}            ${l}\n`;
  });
  return `${ARP_CACHE_HEAD}\n${lines.join('')}`;
}

/** ip_proc_init. A transport that comes later adds its parts by their places in net-procfs.ts. */
export function ip_proc_init(net: net): void {
  proc_create_net(net, 'arp', arp_seq_show);
  proc_create_net(net, 'route', fib_route_seq_show);
  proc_create_net(net, 'fib_trie', fib_trie_seq_show);
  proc_create_net(net, 'fib_triestat', fib_triestat_seq_show);
  proc_create_net(net, 'igmp', proc_net_igmp);
  proc_create_net(net, 'stat/arp_cache', stat_arp_cache);
  proc_create_net(net, 'udp', proc_net_udp);
  proc_create_net(net, 'raw', proc_net_raw);
  proc_create_net(net, 'icmp', proc_net_icmp);
  proc_create_net(net, 'snmp', snmp_ip, PROC_SNMP_IP);
  proc_create_net(net, 'snmp', snmp_udp, PROC_SNMP_UDP);
  proc_create_net(
    net,
    'netstat',
    ({ ipv4 }) => proc_counters('IpExt', snmp_counters(ipv4.mib, 'IpExt')),
    PROC_NETSTAT_IPEXT,
  );
  proc_create_net(net, 'sockstat', of => sockstat_lines(of).sockets, PROC_SOCKSTAT_USED);
  proc_create_net(net, 'sockstat', of => sockstat_lines(of).udp, PROC_SOCKSTAT_UDP);
  proc_create_net(net, 'sockstat', of => sockstat_lines(of).raw, PROC_SOCKSTAT_RAW);
  proc_create_net(net, 'sockstat', sockstat_frag, PROC_SOCKSTAT_FRAG);
}
