/** Raw IPv4 sockets (net/ipv4/raw.c): copies of every packet of a protocol, and packets with a header of one's own. */
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EFAULT,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENOPROTOOPT,
  ENOTTY,
  EOPNOTSUPP,
  EPROTO,
} from '../../errno.ts';
import { SIOCINQ, SIOCOUTQ } from '../../fs/file.ts';
import { ip_fast_csum, put_csum } from '../../lib/checksum.ts';
import { skb_copy_or_truncate, skb_recv_datagram } from '../core/datagram.ts';
import { dst_output } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { skb_setup_tx_timestamp } from '../core/skb_tstamp.ts';
import {
  consume_skb,
  kfree_skb_reason,
  MAX_HEADER,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_push,
  skb_put,
  skb_reset_network_header,
} from '../core/skbuff.ts';
import {
  make_proto,
  own_opts,
  sk_dst_reset,
  sk_error_report,
  type sock,
  sock_queue_rcv_skb_reason,
  sock_wait_for_wmem,
  sock_wmalloc,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from '../core/sock.ts';
import { ETH_P_IP } from '../ethernet/eth.ts';
import {
  AF_INET,
  AF_UNSPEC,
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_TRUNC,
  memcpy_from_msg,
  msg_access_ok,
  type msghdr,
  put_sockaddr_in,
  type sockaddr,
  type sockaddr_in,
  type sockopt,
} from '../msg.ts';
import { NF_HOOK, NF_INET_LOCAL_OUT, NFPROTO_IPV4 } from '../netfilter/core.ts';
import {
  datagram_disconnect,
  datagram_route,
  datagram_too_long,
  IP_PMTUDISC_DONT,
  ip4_datagram_connect,
  ipcm_init_msg,
  msg_getfrag,
} from './datagram.ts';
import { flowi4 } from './fib.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMPHDR_LEN,
  icmp_err_errno,
  icmp_err_fatal,
  icmp_out_count,
} from './icmp.ts';
import { ip_make_skb, ipcm_cookie } from './ip_append.ts';
import { inet_cmsg_prepare, inet_cmsg_recv, ip_icmp_error, ip_local_error } from './ip_cmsg.ts';
import {
  get16,
  get32,
  IPHDR_LEN,
  IPPROTO_ICMP,
  IPPROTO_RAW,
  iph_daddr,
  iph_saddr,
  ipv4_is_multicast,
  put16,
  put32,
} from './ip_header.ts';
import { ip_mc_sf_allow } from './ip_mc.ts';
import { ip_send_skb, net_xmit_errno } from './ip_output.ts';
import { ip_ra_control } from './ip_sockglue.ts';
import { inet_addr_type, inet_iif, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, type rtable } from './route.ts';

export const SOL_RAW = 255;
/** Option of level SOL_RAW: ICMP types, as bits, that the socket does not want. */
export const ICMP_FILTER = 1;

const RAW_HTABLE_SIZE = 256;
const SIZEOF_INT = 4;

/** All raw sockets of a net, by protocol (struct raw_hashinfo); the newest comes first. */
export class raw_hashinfo {
  private readonly ht: (sock | null)[] = new Array<sock | null>(RAW_HTABLE_SIZE).fill(null);
  count = 0;
  readonly fl4 = new flowi4();
  readonly ipc = new ipcm_cookie();

  /** The first socket of a protocol. */
  slot(protocol: number): sock | null {
    return this.ht[protocol & (RAW_HTABLE_SIZE - 1)] as sock | null;
  }

  /** raw_hash_sk */
  add(sk: sock): void {
    const head = this.slot(sk.inet_num);
    sk.sk_prev = null;
    sk.sk_next = head;
    if (head !== null) head.sk_prev = sk;
    this.ht[sk.inet_num & (RAW_HTABLE_SIZE - 1)] = sk;
    sk.sk_hashed = true;
    this.count++;
  }

  /** raw_unhash_sk */
  remove(sk: sock): void {
    if (sk.sk_prev !== null) sk.sk_prev.sk_next = sk.sk_next;
    else this.ht[sk.inet_num & (RAW_HTABLE_SIZE - 1)] = sk.sk_next;
    if (sk.sk_next !== null) sk.sk_next.sk_prev = sk.sk_prev;
    sk.sk_next = null;
    sk.sk_prev = null;
    sk.sk_hashed = false;
    this.count--;
  }

  /** Every raw socket, for /proc/net/raw. */
  *sockets(): Generator<sock> {
    for (const head of this.ht) for (let sk = head; sk !== null; sk = sk.sk_next) yield sk;
  }
}

/** raw_v4_match: is a packet from `raddr` to `laddr` for the socket? */
function raw_v4_match(sk: sock, protocol: number, raddr: number, laddr: number, dif: number): boolean {
  return (
    sk.inet_num === protocol &&
    (sk.inet_daddr === 0 || sk.inet_daddr === raddr) &&
    (sk.inet_rcv_saddr === 0 || sk.inet_rcv_saddr === laddr) &&
    (sk.sk_bound_dev_if === 0 || sk.sk_bound_dev_if === dif)
  );
}

// ---- receive --------------------------------------------------------------------------------------------------------

/**
 * raw_local_deliver: each socket that matches gets a clone. `data` is at the transport header. Does not take the skb.
 * True when there was a socket for it, whether it took the packet or not.
 */
function raw_local_deliver(skb: sk_buff, protocol: number): boolean {
  const net = skb.kernel.init_net;
  let sk = net.ipv4.raw.slot(protocol);
  if (sk === null) return false;
  const saddr = iph_saddr(skb);
  const daddr = iph_daddr(skb);
  const group = ipv4_is_multicast(daddr);
  let delivered = false;
  for (; sk !== null; sk = sk.sk_next) {
    if (!raw_v4_match(sk, protocol, saddr, daddr, inet_iif(skb))) continue;
    delivered = true;
    if (protocol === IPPROTO_ICMP && icmp_filter(sk, skb)) continue;
    if (group && !ip_mc_sf_allow(sk, daddr, saddr, skb.skb_iif)) continue;
    const clone = skb_clone(skb);
    if (clone !== null) raw_rcv(sk, clone);
  }
  return delivered;
}

/** icmp_filter: does the socket not want this type? A type that has no bit is always wanted. */
function icmp_filter(sk: sock, skb: sk_buff): boolean {
  if (skb.len - skb.data_len < ICMPHDR_LEN) return true;
  const type = skb.ram.u8[skb.data] as number;
  return type < 32 && ((sk.opts.icmp_filter >>> type) & 1) !== 0;
}

/** raw_rcv: the program gets the IP header too. Takes the skb. */
function raw_rcv(sk: sock, skb: sk_buff): void {
  skb_push(skb, skb.data - skb.network_header);
  if (sk.cmsg_flags !== 0) inet_cmsg_prepare(sk, skb);
  skb.dst = null;
  const reason = sock_queue_rcv_skb_reason(sk, skb);
  if (reason !== 0) kfree_skb_reason(skb, reason);
}

/** raw_recvmsg: one packet with its IP header. */
function raw_recvmsg(sk: sock, msg: msghdr, length: number): number {
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const skb = skb_recv_datagram(sk, msg);
  if (typeof skb === 'number') return skb;
  const copied = skb_copy_or_truncate(skb, msg, length);
  if (copied < 0) return copied;
  put_sockaddr_in(msg.msg_name, iph_saddr(skb), 0);
  if (sk.cmsg_flags !== 0) inet_cmsg_recv(sk, skb, msg);
  const result = (msg.flags & MSG_TRUNC) !== 0 ? skb.len : copied;
  consume_skb(skb);
  return result;
}

// ---- errors ---------------------------------------------------------------------------------------------------------

/** raw_icmp_error: `data` is at the quoted IP header. Does not take the skb. */
function raw_icmp_error(skb: sk_buff, protocol: number, info: number): void {
  const net = skb.kernel.init_net;
  const iph = skb.data;
  for (let sk = net.ipv4.raw.slot(protocol); sk !== null; sk = sk.sk_next) {
    const { ram } = skb;
    if (raw_v4_match(sk, protocol, get32(ram, iph + 16), get32(ram, iph + 12), skb.skb_iif)) raw_err(sk, skb, info);
  }
}

/** raw_err: for a socket that asked for errors, or is connected. */
function raw_err(sk: sock, skb: sk_buff, info: number): void {
  const { u8 } = skb.ram;
  const { ipv4 } = sk.sk_net;
  const type = u8[skb.transport_header] as number;
  const code = u8[skb.transport_header + 1] as number;
  if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) ipv4.sk_update_pmtu?.(skb, sk, info);
  else if (type === ICMP_REDIRECT) {
    ipv4.sk_redirect?.(skb, sk);
    return;
  }
  if ((!sk.opts.recverr && sk.sk_state !== TCP_ESTABLISHED) || type === ICMP_SOURCE_QUENCH) return;
  let err: number = EHOSTUNREACH;
  let hard = false;
  if (type === ICMP_PARAMETERPROB) {
    err = EPROTO;
    hard = true;
  } else if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) {
    err = EMSGSIZE;
    hard = sk.opts.pmtudisc !== IP_PMTUDISC_DONT;
  } else if (type === ICMP_DEST_UNREACH && code < icmp_err_errno.length) {
    err = icmp_err_errno[code] as number;
    hard = icmp_err_fatal[code] !== 0;
  }
  if (sk.opts.recverr) {
    // With IP_HDRINCL the program wrote the header, so it gets that back too.
    const payload = sk.opts.hdrincl ? skb.data : skb.data + ((u8[skb.data] as number) & 15) * 4;
    ip_icmp_error(sk, skb, err, 0, info, payload);
  }
  if (sk.opts.recverr || hard) {
    sk.sk_err = err;
    sk_error_report(sk);
  }
}

// ---- transmit -------------------------------------------------------------------------------------------------------

/** raw_sendmsg: a packet of the socket's protocol, or, with IP_HDRINCL, of any. The bytes taken, or a negative errno. */
function raw_sendmsg(sk: sock, msg: msghdr, length: number): number {
  if (length > 0xffff) return -EMSGSIZE;
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const name = msg.msg_name;
  let daddr: number;
  if (name !== null) {
    if (name.sa_layout === AF_UNSPEC) return -EINVAL;
    if (name.sa_family !== AF_INET && name.sa_family !== AF_UNSPEC) return -EAFNOSUPPORT;
    if (name.sa_layout !== AF_INET) return -EINVAL;
    daddr = (name as sockaddr_in).sin_addr | 0;
  } else {
    if (sk.sk_state !== TCP_ESTABLISHED) return -EDESTADDRREQ;
    daddr = sk.inet_daddr;
  }
  const net = sk.sk_net;
  const { fl4, ipc } = net.ipv4.raw;
  const { hdrincl } = sk.opts;
  let err = ipcm_init_msg(sk, msg, ipc);
  if (err !== 0) return err;
  // Nothing is put into a header that the program wrote.
  if (ipc.opt !== null && hdrincl) return -EINVAL;
  // raw_probe_proto_opt: an ICMP header's type and code are read for the route.
  if (!hdrincl && sk.sk_protocol === IPPROTO_ICMP && length < 2) return -EFAULT;
  const rt = datagram_route(sk, msg, ipc, fl4, daddr, false, hdrincl ? IPPROTO_RAW : sk.sk_protocol);
  if (typeof rt === 'number') return rt;
  if (hdrincl) err = raw_send_hdrinc(sk, fl4, msg, length, rt);
  else err = raw_send(sk, fl4, msg, length, rt);
  return err < 0 ? err : length;
}

function raw_send(sk: sock, fl4: flowi4, msg: msghdr, length: number, rt: rtable): number {
  const { ipc } = sk.sk_net.ipv4.raw;
  const too_long = datagram_too_long(sk, ipc, fl4, rt, length);
  if (too_long !== 0) return too_long;
  const ready = sock_wait_for_wmem(sk, msg, (msg.flags & MSG_DONTWAIT) !== 0);
  if (ready !== 0) return ready;
  const skb = ip_make_skb(sk, fl4, msg_getfrag, msg, length, 0, ipc, rt, msg.flags);
  if (typeof skb === 'number') return skb;
  const err = ip_send_skb(sk.sk_net, skb);
  return err === -ENOBUFS && !sk.opts.recverr ? 0 : err;
}

/** raw_send_hdrinc: the program's header, with length, checksum, and, where they are 0, source and identification. */
function raw_send_hdrinc(sk: sock, fl4: flowi4, msg: msghdr, length: number, rt: rtable): number {
  const net = sk.sk_net;
  const { mtu } = rt.dev;
  if (length > mtu) {
    ip_local_error(sk, EMSGSIZE, fl4.daddr, sk.inet_dport, mtu);
    return -EMSGSIZE;
  }
  if (length < IPHDR_LEN) return -EINVAL;
  const ready = sock_wait_for_wmem(sk, msg, (msg.flags & MSG_DONTWAIT) !== 0);
  if (ready !== 0) return ready;
  const { ipc } = net.ipv4.raw;
  const skb = sock_wmalloc(sk, length, MAX_HEADER);
  if (skb === null) return -ENOBUFS;
  skb.protocol = ETH_P_IP;
  skb.priority = ipc.priority;
  skb.mark = ipc.mark;
  if (ipc.tsflags !== 0) skb_setup_tx_timestamp(skb, sk, ipc.tsflags);
  skb.dst = rt;
  const at = skb_put(skb, length);
  skb_reset_network_header(skb);
  skb.transport_header = at;
  if (!msg_access_ok(msg, length)) return raw_drop(skb, -EFAULT);
  const { ram } = skb;
  memcpy_from_msg(ram, at, msg, 0, length);
  const ihl = (ram.u8[at] as number) & 15;
  // A header that is none would do harm farther down.
  if (ihl * 4 > length || ihl < 5) return raw_drop(skb, -EINVAL);
  raw_complete_header(skb, fl4, length, ihl);
  let err = NF_HOOK(NFPROTO_IPV4, NF_INET_LOCAL_OUT, net, skb, null, rt.dev, raw_output);
  if (err > 0) err = net_xmit_errno(err);
  if (err !== 0) net.ipv4.mib.IpOutDiscards++;
  return err === -ENOBUFS && !sk.opts.recverr ? 0 : err;
}

function raw_output(_net: net, skb: sk_buff): number {
  return dst_output(skb);
}

function raw_drop(skb: sk_buff, err: number): number {
  kfree_skb_reason(skb, err === -EFAULT ? SKB_DROP_REASON.SKB_UCOPY_FAULT : SKB_DROP_REASON.IP_INHDR);
  return err;
}

function raw_complete_header(skb: sk_buff, fl4: flowi4, length: number, ihl: number): void {
  const { ram } = skb;
  const net = skb.kernel.init_net;
  const at = skb.network_header;
  if (get32(ram, at + 12) === 0) put32(ram, at + 12, fl4.saddr);
  put16(ram, at + 2, length);
  const protocol = ram.u8[at + 9] as number;
  if (get16(ram, at + 4) === 0) {
    put16(ram, at + 4, net.ipv4.idents.select(get32(ram, at + 12), get32(ram, at + 16), protocol, 1));
  }
  put16(ram, at + 10, 0);
  put_csum(ram, at + 10, ip_fast_csum(ram, at, ihl));
  skb.transport_header = at + ihl * 4;
  if (protocol === IPPROTO_ICMP && length >= ihl * 4 + ICMPHDR_LEN) {
    icmp_out_count(net, ram.u8[skb.transport_header] as number);
  }
}

// ---- the protocol ---------------------------------------------------------------------------------------------------

/** raw_bind: 0, -EINVAL, -EADDRNOTAVAIL. Any number of sockets may have an address. */
function raw_bind(sk: sock, addr: sockaddr): number {
  if (sk.sk_state !== TCP_CLOSE || addr.sa_layout !== AF_INET) return -EINVAL;
  const address = (addr as sockaddr_in).sin_addr | 0;
  const { ipv4 } = sk.sk_net;
  const type = inet_addr_type(sk.sk_net, address);
  const nonlocal = ipv4.ip_nonlocal_bind !== 0 || sk.opts.freebind || sk.opts.transparent;
  if (!nonlocal && address !== 0 && type !== RTN_LOCAL && type !== RTN_MULTICAST && type !== RTN_BROADCAST) {
    return -EADDRNOTAVAIL;
  }
  sk.inet_rcv_saddr = address;
  sk.inet_saddr = type === RTN_MULTICAST || type === RTN_BROADCAST ? 0 : address;
  sk_dst_reset(sk);
  return 0;
}

function raw_init(sk: sock): number {
  sk.sk_net.ipv4.raw.add(sk);
  return 0;
}

function raw_unhash(sk: sock): void {
  ip_ra_control(sk, false);
  if (sk.sk_hashed) sk.sk_net.ipv4.raw.remove(sk);
}

function raw_setsockopt(sk: sock, level: number, name: number, opt: sockopt): number {
  if (level !== SOL_RAW || name !== ICMP_FILTER) return -ENOPROTOOPT;
  if (sk.inet_num !== IPPROTO_ICMP) return -EOPNOTSUPP;
  own_opts(sk).icmp_filter = opt.value;
  return 0;
}

function raw_getsockopt(sk: sock, level: number, name: number, opt: sockopt): number {
  if (level !== SOL_RAW) return -EOPNOTSUPP;
  if (name !== ICMP_FILTER) return -ENOPROTOOPT;
  if (sk.inet_num !== IPPROTO_ICMP) return -EOPNOTSUPP;
  opt.value = sk.opts.icmp_filter;
  if (opt.optlen >= 0) opt.optlen = Math.min(opt.optlen, SIZEOF_INT);
  return 0;
}

/** raw_ioctl: bytes that are sent and still here, or the length of the next packet. */
function raw_ioctl(sk: sock, command: number): number {
  if (command === SIOCOUTQ) return sk.sk_wmem_alloc - 1;
  if (command !== SIOCINQ) return -ENOTTY;
  return sk.sk_receive_queue.first?.len ?? 0;
}

export const raw_prot = make_proto('RAW', {
  init: raw_init,
  bind: raw_bind,
  connect: ip4_datagram_connect,
  disconnect: datagram_disconnect,
  sendmsg: raw_sendmsg,
  recvmsg: raw_recvmsg,
  setsockopt: raw_setsockopt,
  getsockopt: raw_getsockopt,
  unhash: raw_unhash,
  ioctl: raw_ioctl,
});

/** raw_init of the net (raw_proc_init and the hash). */
export function raw_net_init(net: net): void {
  net.ipv4.raw = new raw_hashinfo();
  net.ipv4.raw_local_deliver = raw_local_deliver;
  net.ipv4.raw_icmp_error = raw_icmp_error;
  net.ipv4.raw_rcv = raw_rcv;
}
