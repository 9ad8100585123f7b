/** connect and disconnect of IPv4 datagram sockets, UDP and ping (net/ipv4/datagram.c, net/ipv4/udp.c). */
import { EACCES, EAFNOSUPPORT, EINVAL, ENETUNREACH } from '../../errno.ts';
import {
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  sk_dst_reset,
  type sock,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from '../core/sock.ts';
import { AF_INET, AF_UNSPEC, type sockaddr, type sockaddr_in } from '../msg.ts';
import { ipv4_is_multicast } from './ip_header.ts';
import { flowi4, ip_route_output_key, RTCF_BROADCAST } from './route.ts';

/**
 * __ip4_datagram_connect: remembers the peer and the route to it; a socket that was bound to no address gets the one
 * that the route prefers. 0, -EINVAL, -EAFNOSUPPORT, -EACCES (a broadcast address without SO_BROADCAST), or what
 * routing says.
 */
export function ip4_datagram_connect(sk: sock, addr: sockaddr): number {
  if (addr.sa_layout === AF_UNSPEC) return -EINVAL;
  if (addr.sa_family !== AF_INET) return -EAFNOSUPPORT;
  if (addr.sa_layout !== AF_INET) return -EINVAL;
  const usin = addr as sockaddr_in;
  const net = sk.sk_net;
  sk_dst_reset(sk);
  const multicast = ipv4_is_multicast(usin.sin_addr);
  // A control path: it may allocate.
  const fl4 = new flowi4();
  fl4.daddr = usin.sin_addr | 0;
  fl4.saddr = multicast && sk.inet_saddr === 0 ? sk.mc_addr : sk.inet_saddr;
  fl4.oif = sk.sk_bound_dev_if !== 0 || !multicast ? sk.sk_bound_dev_if : sk.mc_index;
  fl4.tos = sk.tos;
  fl4.mark = sk.sk_mark;
  fl4.proto = sk.sk_protocol;
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt === 'number') {
    if (rt === -ENETUNREACH) net.ipv4.mib.IpOutNoRoutes++;
    return rt;
  }
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 && !sk.sk_broadcast) return -EACCES;
  sk.inet_daddr = fl4.daddr;
  sk.inet_dport = usin.sin_port & 0xffff;
  if (sk.inet_saddr === 0) sk.inet_saddr = fl4.saddr;
  if (sk.inet_rcv_saddr === 0) {
    sk.inet_rcv_saddr = fl4.saddr;
    sk.sk_prot.rehash(sk);
  }
  sk.sk_state = TCP_ESTABLISHED;
  sk.sk_dst_cache = rt;
  return 0;
}

/** __udp_disconnect: forgets the peer, and what connect or autobind had chosen. */
export function datagram_disconnect(sk: sock): number {
  sk.sk_state = TCP_CLOSE;
  sk.inet_daddr = 0;
  sk.inet_dport = 0;
  sk.sk_bound_dev_if = 0;
  if ((sk.sk_userlocks & SOCK_BINDADDR_LOCK) === 0) {
    sk.inet_rcv_saddr = 0;
    sk.inet_saddr = 0;
    if ((sk.sk_userlocks & SOCK_BINDPORT_LOCK) !== 0) sk.sk_prot.rehash(sk);
  }
  if ((sk.sk_userlocks & SOCK_BINDPORT_LOCK) === 0) {
    sk.sk_prot.unhash(sk);
    sk.inet_sport = 0;
  }
  sk_dst_reset(sk);
  return 0;
}
