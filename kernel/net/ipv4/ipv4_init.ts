import type { net } from '../core/net_namespace.ts';
import { arp_init } from './arp.ts';
import { devinet_init } from './devinet.ts';
import { fib_init } from './fib.ts';
import { icmp_init } from './icmp.ts';
import { igmp_init } from './igmp.ts';
import { inet_peer_base } from './inetpeer.ts';
import { ipfrag_init } from './ip_fragment.ts';
import { ip_packet_type } from './ip_input.ts';
import { ip_options } from './ip_options.ts';
import { inet_cork, ip_idents } from './ip_output.ts';
import { netns_ipv4 } from './netns.ts';
import { ip_rt_init } from './route.ts';

/**
 * Everything of IPv4 below the transports: sets net.ipv4, makes the tables, gives every device there is an in_device,
 * follows what happens to devices, registers ICMP and the receive functions. inet_init calls it, then adds the
 * transports.
 */
export function ipv4_init(net: net): void {
  net.ipv4 = new netns_ipv4(net);
  fib_init(net);
  ip_rt_init(net);
  net.ipv4.idents = new ip_idents(net);
  net.ipv4.cork = new inet_cork();
  net.ipv4.peers = new inet_peer_base(net);
  net.ipv4.rcv_opt = new ip_options();
  net.ipv4.reply_opt = new ip_options();
  ipfrag_init(net);
  igmp_init(net);
  arp_init(net);
  devinet_init(net);
  icmp_init(net);
  net.dev_add_pack(ip_packet_type);
}
