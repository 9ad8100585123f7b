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
  ENOBUFS,
  ENOENT,
  EOPNOTSUPP,
} from '../../errno.ts';
import { csum_fold, csum_from_partial, csum_partial, put_csum } from '../../lib/checksum.ts';
import { skb_copy_or_truncate, skb_recv_datagram } from '../core/datagram.ts';
import type { net } from '../core/net_namespace.ts';
import {
  CHECKSUM_NONE,
  consume_skb,
  kfree_skb_reason,
  SKB_DROP_REASON,
  type sk_buff,
  skb_get,
  skb_push,
} from '../core/skbuff.ts';
import { make_proto, type sock, sock_queue_rcv_skb_reason, sock_wait_for_wmem, TCP_ESTABLISHED } from '../core/sock.ts';
import {
  AF_INET,
  AF_UNSPEC,
  type iovec,
  MSG_DONTWAIT,
  MSG_OOB,
  memcpy_from_msg,
  msg_access_ok,
  type msghdr,
  put_sockaddr_in,
  type sockaddr_in,
} from '../msg.ts';
import {
  datagram_disconnect,
  datagram_route,
  datagram_too_long,
  ip4_datagram_connect,
  ipcm_init_msg,
  msg_getfrag,
} from './datagram.ts';
import { ICMP_ECHO } from './icmp.ts';
import { __ip_make_skb, ip_append_data, ip_flush_pending_frames, ipcm_cookie } from './ip_append.ts';
import { inet_cmsg_prepare, inet_cmsg_recv, inet_report_icmp_error } from './ip_cmsg.ts';
import { get16, get32, IPPROTO_ICMP, iph_daddr, iph_saddr, put16 } from './ip_header.ts';
import { ip_send_skb } from './ip_output.ts';
import { flowi4, inet_iif, type rtable } from './route.ts';

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
  readonly ipc = new ipcm_cookie();

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
      if (table.rover !== 0 && !taken(table, table.rover)) ident = table.rover;
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

/** A free identifier is one that nobody has, also nobody who would share it. */
function taken(table: ping_table, ident: number): boolean {
  for (let sk = table.slot(ident); sk !== null; sk = sk.sk_next) if (sk.inet_num === ident) return true;
  return false;
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
  const sk = ping_lookup(net, get16(skb.ram, icmph + 4), iph_daddr(skb), inet_iif(skb));
  if (sk === null) return SKB_DROP_REASON.NO_SOCKET;
  // The program gets the header too. The caller is done with the skb: it may be queued as it is.
  skb_push(skb, skb.data - icmph);
  skb_get(skb);
  if (sk.cmsg_flags !== 0) inet_cmsg_prepare(sk, skb);
  skb.dst = null;
  const reason = sock_queue_rcv_skb_reason(sk, skb);
  if (reason !== 0) kfree_skb_reason(skb, reason);
  return reason;
}

/** ping_err: an ICMP error about an echo of ours; `data` at the quoted IP header. 0, or -ENOENT without a socket. */
export function ping_err(skb: sk_buff, info: number): number {
  const { ram, kernel } = skb;
  const iph = skb.data;
  const quoted = iph + ((ram.u8[iph] as number) & 15) * 4;
  // Only what we can have sent: an echo request.
  if (ram.u8[quoted] !== ICMP_ECHO) return 0;
  const sk = ping_lookup(kernel.init_net, get16(ram, quoted + 4), get32(ram, iph + 12), inet_iif(skb));
  if (sk === null) return -ENOENT;
  inet_report_icmp_error(sk, skb, info, 0, quoted);
  return 0;
}

function is_echo(sk: sock, msg: msghdr): boolean {
  const { u8 } = sk.kernel.ram;
  // The first piece of a message may be empty, or one byte long.
  let seen = 0;
  for (let i = 0; seen < 2; i++) {
    const piece = msg.msg_iov === null ? null : (msg.msg_iov[i] as iovec);
    const length = piece === null ? 2 : piece.length;
    const base = piece === null ? msg.msg_base : piece.base;
    for (let at = 0; at < length && seen < 2; at++) {
      if (u8[base + at] !== (seen === 0 ? ICMP_ECHO : 0)) return false;
      seen++;
    }
  }
  return true;
}

/** ping_v4_sendmsg: an echo request; its identifier is the socket's, whatever the program wrote. */
function ping_sendmsg(sk: sock, msg: msghdr, length: number): number {
  const { sk_net: net, kernel } = sk;
  if (length > 0xffff) return -EMSGSIZE;
  if (length < ICMP_HLEN) return -EINVAL;
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if (!msg_access_ok(msg, length)) return -EFAULT;
  // ping_supported
  if (!is_echo(sk, msg)) return -EINVAL;
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
  const { fl4, ipc } = net.ipv4.ping;
  const err = ipcm_init_msg(sk, msg, ipc);
  if (err !== 0) return err;
  if (msg.msg_control !== null && msg.msg_control.present !== 0) connected = false;
  const rt = datagram_route(sk, msg, ipc, fl4, daddr, connected, IPPROTO_ICMP);
  if (typeof rt === 'number') return rt;
  const too_long = datagram_too_long(sk, ipc, fl4, rt, length);
  if (too_long !== 0) return too_long;
  const ready = sock_wait_for_wmem(sk, msg, (msg.flags & MSG_DONTWAIT) !== 0);
  if (ready !== 0) return ready;
  const tp = kernel.trace.ping_sendmsg;
  if (tp !== null) tp(sk, length);
  return ping_push(sk, fl4, msg, length, rt);
}

/** ping_getfrag: what follows the ICMP header. */
function ping_getfrag(from: msghdr, to: number, offset: number, len: number, odd: number, skb: sk_buff): number {
  return msg_getfrag(from, to, offset + ICMP_HLEN, len, odd, skb);
}

/** ping_v4_push_pending_frames: header with the socket's identifier, checksum, and off. The bytes sent, or a negative errno. */
function ping_push(sk: sock, fl4: flowi4, msg: msghdr, length: number, rt: rtable): number {
  const { sk_net: net, kernel } = sk;
  const { cork, ping } = net.ipv4;
  const failed = ip_append_data(sk, cork, ping_getfrag, msg, length, ICMP_HLEN, ping.ipc, rt, 0);
  const first = cork.queue.first;
  if (failed !== 0 || first === null) {
    ip_flush_pending_frames(cork);
    return failed;
  }
  const { ram } = kernel;
  const icmph = first.transport_header;
  memcpy_from_msg(ram, icmph, msg, 0, ICMP_HLEN);
  put16(ram, icmph + 2, 0);
  put16(ram, icmph + 4, sk.inet_sport);
  const skb = __ip_make_skb(sk, fl4, cork) as sk_buff;
  // The sum is over all, and always made here.
  let sum = csum_from_partial(csum_partial(ram, icmph, skb.tail - icmph, 0));
  for (let frag = skb.frag_list; frag !== null; frag = frag.next) {
    sum += csum_from_partial(csum_partial(ram, frag.data, frag.len, 0));
  }
  charge_csum(kernel, length);
  put_csum(ram, icmph + 2, csum_fold(sum));
  skb.ip_summed = CHECKSUM_NONE;
  const err = ip_send_skb(net, skb);
  // A full queue is a lost packet unless the program asked for errors.
  if (err < 0 && !(err === -ENOBUFS && !sk.opts.recverr)) return err;
  return length;
}

/** ping_recvmsg: an echo reply with its ICMP header. */
function ping_recvmsg(sk: sock, msg: msghdr, length: number): number {
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const skb = skb_recv_datagram(sk, msg);
  if (typeof skb === 'number') return skb;
  const copied = skb_copy_or_truncate(skb, msg, length);
  if (copied < 0) return copied;
  put_sockaddr_in(msg.msg_name, iph_saddr(skb), 0);
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
