/** connect and disconnect of IPv4 datagram sockets, UDP and ping (net/ipv4/datagram.c, net/ipv4/udp.c). */
import { EACCES, EAFNOSUPPORT, EINVAL, ENETUNREACH } from '../../errno.ts';
import { dst_mtu } from '../core/dst.ts';
import type { sk_buff } from '../core/skbuff.ts';
import {
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  sk_dst_reset,
  type sock,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from '../core/sock.ts';
import { AF_INET, AF_UNSPEC, MSG_DONTROUTE, type msghdr, type sockaddr, type sockaddr_in } from '../msg.ts';
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from './fib.ts';
import { IP_DF, IPHDR_LEN, ipv4_is_multicast } from './ip_header.ts';
import { ip_build_and_send_pkt } from './ip_output.ts';
import { flowi4, ip_route_output_key, RTCF_BROADCAST, RTCF_MULTICAST, type rtable } from './route.ts';

/** IP_MTU_DISCOVER (linux/in.h). */
export const IP_PMTUDISC_DONT = 0;
export const IP_PMTUDISC_WANT = 1;
export const IP_PMTUDISC_DO = 2;
export const IP_PMTUDISC_PROBE = 3;
export const IP_PMTUDISC_INTERFACE = 4;
export const IP_PMTUDISC_OMIT = 5;

const IP_MAX_MTU = 0xffff;

/** The MTU that holds for a socket on a route (ip_sk_use_pmtu). */
export function inet_sk_mtu(sk: sock, rt: rtable): number {
  return sk.pmtudisc < IP_PMTUDISC_PROBE ? dst_mtu(rt) : rt.dev.mtu;
}

/** ip_sendmsg_scope: with SO_DONTROUTE or MSG_DONTROUTE only what hangs on our own links is reached. */
export function ip_sendmsg_scope(sk: sock, msg: msghdr): number {
  return sk.sk_localroute || (msg.flags & MSG_DONTROUTE) !== 0 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

/** ip_sk_ignore_df: may this host fragment what the socket sends? */
function ip_sk_ignore_df(sk: sock): boolean {
  return sk.pmtudisc < IP_PMTUDISC_DO || sk.pmtudisc === IP_PMTUDISC_OMIT;
}

/** The longest packet, with its IP header, that the socket may send on a route; over it: -EMSGSIZE (__ip_append_data). */
export function inet_sk_maxlen(sk: sock, mtu: number): number {
  return ip_sk_ignore_df(sk) ? IP_MAX_MTU : mtu;
}

/** __ip_make_skb and ip_send_skb: gives a datagram its IP header by the socket's settings and sends it. Takes the skb. */
export function inet_send_skb(sk: sock, skb: sk_buff, rt: rtable, saddr: number, daddr: number): number {
  const net = sk.sk_net;
  const { pmtudisc } = sk;
  // ip_dont_fragment: what fits is kept in one piece, so that a narrower path shows itself.
  const want = pmtudisc === IP_PMTUDISC_WANT && IPHDR_LEN + skb.len <= dst_mtu(rt);
  const df = pmtudisc === IP_PMTUDISC_DO || pmtudisc === IP_PMTUDISC_PROBE || want ? IP_DF : 0;
  const ttl = (rt.rt_flags & RTCF_MULTICAST) !== 0 ? sk.mc_ttl : Math.max(sk.uc_ttl, 0);
  // ip_select_ident_segs: a connected socket counts for itself; 0 only for what this host will not fragment either.
  let id = -1;
  if (sk.inet_daddr !== 0) {
    sk.inet_id = (sk.inet_id + 1) & 0xffff;
    id = sk.inet_id;
  } else if (df !== 0 && ip_sk_ignore_df(sk)) {
    id = net.ipv4.idents.select(saddr, daddr, sk.sk_protocol, 1);
  }
  return ip_build_and_send_pkt(net, skb, rt, saddr, daddr, sk.sk_protocol, sk.tos, ttl, df, id);
}

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
  if (sk.sk_localroute) fl4.scope = RT_SCOPE_LINK;
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
  sk.inet_id = net.ipv4.udp.id_random.u32() & 0xffff;
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
