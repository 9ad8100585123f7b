/** What UDP, raw and ping sockets share: connect and disconnect, and the first half of a send (net/ipv4/datagram.c, net/ipv4/udp.c). */
import { COPY_FROM_USER } from '../../copies.ts';
import { charge_copy, charge_csum } from '../../costs.ts';
import { EACCES, EAFNOSUPPORT, EFAULT, EINVAL, EMSGSIZE, ENETUNREACH } from '../../errno.ts';
import { csum_partial } from '../../lib/checksum.ts';
import { dst_mtu } from '../core/dst.ts';
import { CHECKSUM_PARTIAL, type sk_buff } from '../core/skbuff.ts';
import {
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  sk_dst_check,
  sk_dst_reset,
  type sock,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from '../core/sock.ts';
import {
  AF_INET,
  AF_UNSPEC,
  MSG_CONFIRM,
  MSG_DONTROUTE,
  memcpy_from_msg,
  msg_access_ok,
  type msghdr,
  type sockaddr,
  type sockaddr_in,
} from '../msg.ts';
import { ip_neigh_gw4 } from './arp.ts';
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from './fib.ts';
import { OPT_STRICTROUTE } from './inet_skb_parm.ts';
import { csum_block_add, ip_generic_getfrag, type ipcm_cookie } from './ip_append.ts';
import { ip_cmsg_send, ip_local_error } from './ip_cmsg.ts';
import { IPHDR_LEN, IPTOS_TOS_MASK, ipv4_is_multicast } from './ip_header.ts';
import { flowi4, ip_route_output_key, RTCF_BROADCAST, rt_nexthop, type rtable } from './route.ts';
import { inet_sk_flowi_flags, ip_route_connect } from './route_connect.ts';

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
  return sk.opts.pmtudisc < IP_PMTUDISC_PROBE ? dst_mtu(rt) : rt.dev.mtu;
}

/** ip_sendmsg_scope: with SO_DONTROUTE, MSG_DONTROUTE or a strict source route only what hangs on our own links is reached. */
export function ip_sendmsg_scope(sk: sock, ipc: ipcm_cookie, msg: msghdr): number {
  if (sk.opts.sk_localroute || (msg.flags & MSG_DONTROUTE) !== 0) return RT_SCOPE_LINK;
  return ipc.opt !== null && (ipc.opt.flags & OPT_STRICTROUTE) !== 0 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

/**
 * What one send asks for: the socket's settings, then the message's control messages. 0 or a negative errno. A message
 * with control messages does not use the route of a connected socket.
 */
export function ipcm_init_msg(sk: sock, msg: msghdr, ipc: ipcm_cookie): number {
  ipc.init(sk);
  ipc.addr = sk.inet_saddr;
  ipc.oif = sk.sk_bound_dev_if;
  const control = msg.msg_control;
  if (control !== null && control.present !== 0) {
    const err = ip_cmsg_send(sk, control, ipc);
    if (err !== 0) return err;
  }
  if (ipc.opt === null) ipc.opt = sk.inet_opt;
  return 0;
}

/**
 * The route for a datagram to `daddr`, by the socket's settings and the message's: what udp_sendmsg, raw_sendmsg and
 * ping_v4_sendmsg have in common. Afterwards fl4 has source and destination, `ipc.addr` the destination.
 * @param dport - port in host order, 0 for protocols without ports
 * @param connected - the socket's cached route may be used
 * @returns the route or a negative errno: -EACCES for a broadcast without SO_BROADCAST
 */
export function datagram_route(
  sk: sock,
  msg: msghdr,
  ipc: ipcm_cookie,
  fl4: flowi4,
  daddr: number,
  connected: boolean,
  proto: number,
  dport = 0,
): rtable | number {
  const net = sk.sk_net;
  let saddr = ipc.addr;
  let faddr = daddr;
  const { opt } = ipc;
  ipc.addr = daddr;
  if (opt !== null && opt.srr !== 0) {
    // The first hop of a source route; the end of it goes into the option (ip_options_build).
    if (daddr === 0) return -EINVAL;
    faddr = opt.faddr;
    connected = false;
  }
  const scope = ip_sendmsg_scope(sk, ipc, msg);
  if (scope === RT_SCOPE_LINK) connected = false;
  if (ipv4_is_multicast(daddr)) {
    if (ipc.oif === 0) ipc.oif = sk.mc_index;
    if (saddr === 0) saddr = sk.opts.mc_addr;
    connected = false;
  } else if (ipc.oif === 0) {
    ipc.oif = sk.opts.uc_index;
  }
  if (connected) {
    const cached = sk_dst_check(sk) as rtable | null;
    if (cached !== null) {
      fl4.saddr = saddr;
      fl4.daddr = daddr;
      return cached;
    }
  }
  fl4.init(faddr, saddr);
  fl4.oif = ipc.oif;
  fl4.tos = (ipc.tos !== -1 ? ipc.tos : sk.tos) & IPTOS_TOS_MASK;
  fl4.mark = ipc.mark;
  fl4.proto = proto;
  fl4.scope = scope;
  fl4.flags = inet_sk_flowi_flags(sk);
  if (dport !== 0) {
    fl4.sport = sk.inet_sport;
    fl4.dport = dport;
  }
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt === 'number') {
    if (rt === -ENETUNREACH) net.ipv4.mib.IpOutNoRoutes++;
    return rt;
  }
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 && !sk.opts.sk_broadcast) return -EACCES;
  if (connected) sk.sk_dst_cache = rt;
  if ((msg.flags & MSG_CONFIRM) !== 0) confirm_neigh(rt, fl4.daddr);
  if (ipc.addr === 0) ipc.addr = fl4.daddr;
  return rt;
}

/** dst_confirm_neigh: the program knows that the other side is there. */
function confirm_neigh(rt: rtable, daddr: number): void {
  const neigh = ip_neigh_gw4(rt.dev, rt_nexthop(rt, daddr));
  if (neigh !== null) neigh.confirmed = rt.net.kernel.timers.jiffies();
}

/** ip_generic_getfrag, also from a message in pieces. */
export function msg_getfrag(from: msghdr, to: number, offset: number, len: number, odd: number, skb: sk_buff): number {
  if (from.msg_iov === null) return ip_generic_getfrag(from, to, offset, len, odd, skb);
  if (!msg_access_ok(from, offset + len)) return -EFAULT;
  const { kernel, ram } = skb;
  charge_copy(kernel, len, COPY_FROM_USER);
  memcpy_from_msg(ram, to, from, offset, len);
  if (skb.ip_summed !== CHECKSUM_PARTIAL) {
    charge_csum(kernel, len);
    skb.csum = csum_block_add(skb.csum, csum_partial(ram, to, len, 0), odd);
  }
  return 0;
}

/**
 * Is a message too long for its socket and route (__ip_append_data)? Then the error queue learns what would fit.
 * `length`: with the transport's header. 0 or -EMSGSIZE.
 */
export function datagram_too_long(sk: sock, ipc: ipcm_cookie, fl4: flowi4, rt: rtable, length: number): number {
  const fragsize = inet_sk_mtu(sk, rt);
  const optlen = ipc.opt === null ? 0 : ipc.opt.optlen;
  const mtu = ipc.gso_size !== 0 ? IP_MAX_MTU : fragsize;
  if (IPHDR_LEN + optlen + length <= inet_sk_maxlen(sk, mtu)) return 0;
  ip_local_error(sk, EMSGSIZE, fl4.daddr, sk.inet_dport, mtu - optlen);
  return -EMSGSIZE;
}

/** ip_sk_ignore_df: may this host fragment what the socket sends? */
function ip_sk_ignore_df(sk: sock): boolean {
  return sk.opts.pmtudisc < IP_PMTUDISC_DO || sk.opts.pmtudisc === IP_PMTUDISC_OMIT;
}

/** The longest packet, with its IP header, that the socket may send on a route; over it: -EMSGSIZE (__ip_append_data). */
export function inet_sk_maxlen(sk: sock, mtu: number): number {
  return ip_sk_ignore_df(sk) ? IP_MAX_MTU : mtu;
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
  fl4.saddr = multicast && sk.inet_saddr === 0 ? sk.opts.mc_addr : sk.inet_saddr;
  fl4.oif = sk.sk_bound_dev_if;
  if (fl4.oif === 0) fl4.oif = multicast ? sk.mc_index : sk.opts.uc_index;
  fl4.tos = sk.tos;
  fl4.mark = sk.sk_mark;
  fl4.proto = sk.sk_protocol;
  if (sk.opts.sk_localroute) fl4.scope = RT_SCOPE_LINK;
  fl4.flags = inet_sk_flowi_flags(sk);
  fl4.sport = sk.inet_sport;
  fl4.dport = usin.sin_port & 0xffff;
  const rt = ip_route_connect(net, fl4);
  if (typeof rt === 'number') {
    if (rt === -ENETUNREACH) net.ipv4.mib.IpOutNoRoutes++;
    return rt;
  }
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 && !sk.opts.sk_broadcast) return -EACCES;
  sk.inet_daddr = fl4.daddr;
  sk.inet_dport = usin.sin_port & 0xffff;
  if (sk.inet_saddr === 0) sk.inet_saddr = fl4.saddr;
  if (sk.inet_rcv_saddr === 0) {
    sk.inet_rcv_saddr = fl4.saddr;
    sk.sk_prot.rehash(sk);
  }
  sk.sk_state = TCP_ESTABLISHED;
  sk.sk_prot.update(sk);
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
  sk.sk_rxhash = 0;
  if ((sk.sk_userlocks & SOCK_BINDADDR_LOCK) === 0) {
    sk.inet_rcv_saddr = 0;
    sk.inet_saddr = 0;
    if ((sk.sk_userlocks & SOCK_BINDPORT_LOCK) !== 0) sk.sk_prot.rehash(sk);
  }
  if ((sk.sk_userlocks & SOCK_BINDPORT_LOCK) === 0) {
    sk.sk_prot.unhash(sk);
    sk.inet_sport = 0;
  }
  sk.sk_prot.update(sk);
  sk_dst_reset(sk);
  return 0;
}
