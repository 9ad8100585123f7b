/** ICMP datagram sockets: a program pings without a raw socket (net/ipv4/ping.c). */
import { charge_csum } from '../../costs.ts';
import {
  EACCES,
  EADDRINUSE,
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  ENOENT,
  EOPNOTSUPP,
} from '../../errno.ts';
import { csum_fold, csum_partial, put_csum } from '../../lib/checksum.ts';
import { skb_copy_datagram_msg, skb_recv_datagram } from '../core/datagram.ts';
import type { net } from '../core/net_namespace.ts';
import {
  consume_skb,
  kfree_skb_reason,
  MAX_HEADER,
  SKB_DROP_REASON,
  type sk_buff,
  skb_get,
  skb_push,
  skb_put_data,
  skb_reset_transport_header,
} from '../core/skbuff.ts';
import {
  make_proto,
  sk_dst_check,
  type sock,
  sock_queue_rcv_skb_reason,
  sock_wait_for_wmem,
  sock_wmalloc,
  TCP_ESTABLISHED,
} from '../core/sock.ts';
import {
  AF_INET,
  AF_UNSPEC,
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_TRUNC,
  msg_access_ok,
  type msghdr,
  type sockaddr_in,
} from '../msg.ts';
import {
  datagram_disconnect,
  inet_send_skb,
  inet_sk_maxlen,
  inet_sk_mtu,
  ip_sendmsg_scope,
  ip4_datagram_connect,
} from './datagram.ts';
import { RT_SCOPE_LINK } from './fib.ts';
import { ICMP_ECHO } from './icmp.ts';
import { get16, get32, IPHDR_LEN, IPPROTO_ICMP, iph_daddr, iph_saddr, ipv4_is_multicast, put16 } from './ip_header.ts';
import { inet_cmsg_recv } from './ip_sockglue.ts';
import { flowi4, ip_route_output_key, RTCF_BROADCAST, type rtable } from './route.ts';
import { inet_report_icmp_error } from './udp.ts';

/** Bytes of an echo's header: type, code, checksum, identifier, sequence number (RFC 792). */
const ICMP_HLEN = 8;
const PING_HTABLE_SIZE = 64;

/** All ping sockets of a net, by identifier (struct ping_table). */
export class ping_table {
  readonly hash: (sock | null)[] = new Array<sock | null>(PING_HTABLE_SIZE).fill(null);
  /** Where the search for a free identifier goes on (ping_port_rover). */
  rover: number;
  count = 0;
  readonly fl4 = new flowi4();

  constructor(net: net) {
    this.rover = net.kernel.arch.random('ping.ident').u32() & 0xffff;
  }

  slot(ident: number): sock | null {
    return this.hash[ident & (PING_HTABLE_SIZE - 1)] as sock | null;
  }
}

/** ping_get_port: takes an identifier, 0 for the next free one. 0 or -EADDRINUSE. */
export function ping_get_port(sk: sock, ident: number): number {
  const table = sk.sk_net.ipv4.ping;
  if (ident === 0) {
    for (let i = 0; i < 0x10000 && ident === 0; i++) {
      table.rover = (table.rover + 1) & 0xffff;
      if (table.rover !== 0 && !in_use(table, sk, table.rover)) ident = table.rover;
    }
    if (ident === 0) return -EADDRINUSE;
  } else if (in_use(table, sk, ident)) {
    return -EADDRINUSE;
  }
  sk.inet_num = ident;
  if (!sk.sk_hashed) {
    const slot = ident & (PING_HTABLE_SIZE - 1);
    const head = table.hash[slot] as sock | null;
    sk.sk_prev = null;
    sk.sk_next = head;
    if (head !== null) head.sk_prev = sk;
    table.hash[slot] = sk;
    sk.sk_hashed = true;
    table.count++;
  }
  return 0;
}

function in_use(table: ping_table, sk: sock, ident: number): boolean {
  for (let sk2 = table.slot(ident); sk2 !== null; sk2 = sk2.sk_next) {
    if (sk2.inet_num === ident && sk2 !== sk && !(sk2.sk_reuse && sk.sk_reuse)) return true;
  }
  return false;
}

function ping_unhash(sk: sock): void {
  if (!sk.sk_hashed) return;
  const table = sk.sk_net.ipv4.ping;
  if (sk.sk_prev !== null) sk.sk_prev.sk_next = sk.sk_next;
  else table.hash[sk.inet_num & (PING_HTABLE_SIZE - 1)] = sk.sk_next;
  if (sk.sk_next !== null) sk.sk_next.sk_prev = sk.sk_prev;
  sk.sk_next = null;
  sk.sk_prev = null;
  sk.sk_hashed = false;
  sk.inet_num = 0;
  sk.inet_sport = 0;
  table.count--;
}

/** ping_init_sock: the group of the program must be in net.ipv4.ping_group_range; every program of ours is in group 0. */
function ping_init_sock(sk: sock): number {
  const [low, high] = sk.sk_net.ipv4.ping_group_range as [number, number];
  return low <= 0 && high >= 0 ? 0 : -EACCES;
}

/** ping_lookup */
function ping_lookup(net: net, ident: number, daddr: number, dif: number): sock | null {
  for (let sk = net.ipv4.ping.slot(ident); sk !== null; sk = sk.sk_next) {
    if (sk.inet_num !== ident) continue;
    if (sk.inet_rcv_saddr !== 0 && sk.inet_rcv_saddr !== daddr) continue;
    if (sk.sk_bound_dev_if !== 0 && sk.sk_bound_dev_if !== dif) continue;
    return sk;
  }
  return null;
}

/** ping_rcv: an echo reply; `data` behind the ICMP header. Does not take the skb. 0, or why nobody wanted it. */
export function ping_rcv(skb: sk_buff): number {
  const net = skb.kernel.init_net;
  const icmph = skb.transport_header;
  const sk = ping_lookup(net, get16(skb.ram, icmph + 4), iph_daddr(skb), skb.skb_iif);
  if (sk === null) return SKB_DROP_REASON.NO_SOCKET;
  // The program gets the header too. The caller is done with the skb: it may be queued as it is.
  skb_push(skb, skb.data - icmph);
  skb_get(skb);
  skb.dst = null;
  const reason = sock_queue_rcv_skb_reason(sk, skb);
  if (reason !== 0) kfree_skb_reason(skb, reason);
  return reason;
}

/** ping_err: an ICMP error about an echo of ours; `data` at the quoted IP header. 0, or -ENOENT without a socket. */
export function ping_err(skb: sk_buff, _info: number): number {
  const { ram, kernel } = skb;
  const iph = skb.data;
  const quoted = iph + ((ram.u8[iph] as number) & 15) * 4;
  // Only what we can have sent: an echo request.
  if (ram.u8[quoted] !== ICMP_ECHO) return 0;
  const sk = ping_lookup(kernel.init_net, get16(ram, quoted + 4), get32(ram, iph + 12), skb.skb_iif);
  if (sk === null) return -ENOENT;
  inet_report_icmp_error(sk, ram.u8[skb.transport_header] as number, ram.u8[skb.transport_header + 1] as number);
  return 0;
}

/** ping_v4_sendmsg: an echo request; its identifier is the socket's, whatever the program wrote. */
function ping_sendmsg(sk: sock, msg: msghdr, length: number): number {
  const { sk_net: net, kernel } = sk;
  if (length > 0xffff) return -EMSGSIZE;
  if (length < ICMP_HLEN) return -EINVAL;
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if (!msg_access_ok(msg, length)) return -EFAULT;
  const { ram } = kernel;
  if (ram.u8[msg.msg_base] !== ICMP_ECHO || ram.u8[msg.msg_base + 1] !== 0) return -EINVAL;
  const name = msg.msg_name;
  let daddr: number;
  let connected = false;
  if (name !== null) {
    if (name.sa_layout === AF_UNSPEC) return -EINVAL;
    if (name.sa_family !== AF_INET) return -EAFNOSUPPORT;
    if (name.sa_layout !== AF_INET) return -EINVAL;
    daddr = (name as sockaddr_in).sin_addr | 0;
  } else {
    if (sk.sk_state !== TCP_ESTABLISHED) return -EDESTADDRREQ;
    daddr = sk.inet_daddr;
    connected = true;
  }
  const multicast = ipv4_is_multicast(daddr);
  const scope = ip_sendmsg_scope(sk, msg);
  if (multicast || scope === RT_SCOPE_LINK) connected = false;
  let rt = connected ? (sk_dst_check(sk) as rtable | null) : null;
  let saddr = sk.inet_saddr;
  if (rt === null) {
    const { fl4 } = net.ipv4.ping;
    fl4.daddr = daddr;
    fl4.saddr = multicast && saddr === 0 ? sk.mc_addr : saddr;
    fl4.oif = sk.sk_bound_dev_if !== 0 || !multicast ? sk.sk_bound_dev_if : sk.mc_index;
    fl4.iif = 0;
    fl4.tos = sk.tos;
    fl4.mark = sk.sk_mark;
    fl4.proto = IPPROTO_ICMP;
    fl4.scope = scope;
    const route = ip_route_output_key(net, fl4);
    if (typeof route === 'number') {
      if (route === -ENETUNREACH) net.ipv4.mib.IpOutNoRoutes++;
      return route;
    }
    if ((route.rt_flags & RTCF_BROADCAST) !== 0 && !sk.sk_broadcast) return -EACCES;
    if (connected) sk.sk_dst_cache = route;
    rt = route;
    saddr = fl4.saddr;
    daddr = fl4.daddr;
  }
  if (IPHDR_LEN + length > inet_sk_maxlen(sk, inet_sk_mtu(sk, rt))) return -EMSGSIZE;
  const ready = sock_wait_for_wmem(sk, msg, (msg.flags & MSG_DONTWAIT) !== 0);
  if (ready !== 0) return ready;
  const skb = sock_wmalloc(sk, length, MAX_HEADER);
  if (skb === null) return -ENOBUFS;
  const tp = kernel.trace.ping_sendmsg;
  if (tp !== null) tp(sk, length);
  skb_reset_transport_header(skb);
  skb_put_data(skb, msg.msg_base, length);
  // ping_v4_push_pending_frames
  const icmph = skb.data;
  put16(ram, icmph + 2, 0);
  put16(ram, icmph + 4, sk.inet_sport);
  charge_csum(kernel, length);
  put_csum(ram, icmph + 2, csum_fold(csum_partial(ram, icmph, length, 0)));
  const { mib } = net.ipv4;
  mib.IcmpOutMsgs++;
  mib.IcmpOutEchos++;
  mib.IcmpMsgOutType[ICMP_ECHO] = (mib.IcmpMsgOutType[ICMP_ECHO] as number) + 1;
  const err = inet_send_skb(sk, skb, rt, saddr, daddr);
  // A full queue is a lost packet unless the program asked for errors.
  if (err < 0 && !(err === -ENOBUFS && !sk.recverr)) return err;
  return length;
}

/** ping_recvmsg: an echo reply with its ICMP header. */
function ping_recvmsg(sk: sock, msg: msghdr, length: number): number {
  const skb = skb_recv_datagram(sk, msg);
  if (typeof skb === 'number') return skb;
  let copied = skb.len;
  if (copied > length) {
    copied = length;
    msg.msg_flags |= MSG_TRUNC;
  }
  if (skb_copy_datagram_msg(skb, msg, copied) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON.SKB_UCOPY_FAULT);
    return -EFAULT;
  }
  const name = msg.msg_name;
  if (name !== null) {
    name.sa_family = AF_INET;
    if (name.sa_layout === AF_INET) {
      (name as sockaddr_in).sin_port = 0;
      (name as sockaddr_in).sin_addr = iph_saddr(skb);
    }
  }
  if (sk.cmsg_flags !== 0) inet_cmsg_recv(sk, skb, msg);
  consume_skb(skb);
  return copied;
}

export const ping_prot = make_proto('PING', {
  init: ping_init_sock,
  connect: ip4_datagram_connect,
  disconnect: datagram_disconnect,
  sendmsg: ping_sendmsg,
  recvmsg: ping_recvmsg,
  unhash: ping_unhash,
  get_port: ping_get_port,
});

/** ping_init */
export function ping_init(net: net): void {
  net.ipv4.ping = new ping_table(net);
  net.ipv4.ping_rcv = ping_rcv;
  net.ipv4.ping_err = ping_err;
}
