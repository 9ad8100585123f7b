/** The Internet address family (net/ipv4/af_inet.c). */
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EINVAL,
  ENOTCONN,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
} from '../../errno.ts';
import { datagram_poll } from '../core/datagram.ts';
import type { net } from '../core/net_namespace.ts';
import { rps_record_sock_flow } from '../core/rps.ts';
import {
  type proto,
  SHUTDOWN_MASK,
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  sk_dst_reset,
  sock,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_SYN_SENT,
} from '../core/sock.ts';
import {
  AF_INET,
  AF_UNSPEC,
  MSG_ERRQUEUE,
  type proto_ops,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  type sockaddr,
  type sockaddr_in,
} from '../msg.ts';
import { sock_graft, sock_register, type socket } from '../socket.ts';
import { IP_PMTUDISC_DONT } from './datagram.ts';
import { ipv4_offload_init } from './inet_offload.ts';
import { make_stream_ops } from './inet_stream.ts';
import { ip_recv_error } from './ip_cmsg.ts';
import { IPPROTO_ICMP, IPPROTO_RAW, IPPROTO_TCP, IPPROTO_UDP } from './ip_header.ts';
import { ip_mc_drop_socket } from './ip_mc.ts';
import { ip_getsockopt, ip_setsockopt, SOL_IP } from './ip_sockglue.ts';
import { ipv4_init } from './ipv4_init.ts';
import { ping_init, ping_prot } from './ping.ts';
import { ip_proc_init } from './proc.ts';
import { raw_net_init, raw_prot } from './raw.ts';
import { inet_addr_type, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from './route.ts';
import { sysctl_ipv4_init } from './sysctl_net_ipv4.ts';
import { tcp_init, tcp_prot, tcp_v4_sk_alloc } from './tcp_init.ts';
import { udp_init, udp_poll, udp_prot } from './udp.ts';

const IPPROTO_IP = 0;
/** Behind IPPROTO_MPTCP: protocols above 255 are names, none that a header could hold. */
const IPPROTO_MAX = 263;

/** One line of the protocol switch (struct inet_protosw). */
interface inet_protosw {
  readonly type: number;
  readonly protocol: number;
  readonly prot: proto;
  readonly ops: proto_ops;
  /** Makes a sock of the protocol's own kind; null: a plain one. */
  readonly alloc: ((net: net, family: number) => sock) | null;
}

/** inet_autobind: a socket that is to send gets a port. 0 or -EAGAIN. */
function inet_autobind(sk: sock): number {
  if (sk.inet_num !== 0) return 0;
  if (sk.sk_prot.get_port(sk, 0) !== 0) return -EAGAIN;
  sk.inet_sport = sk.inet_num;
  return 0;
}

/** inet_release */
function inet_release(sock: socket): number {
  const { sk } = sock;
  if (sk === null) return 0;
  if (sk.mc_list !== null) ip_mc_drop_socket(sk);
  sk.sk_prot.close(sk);
  return 0;
}

/** __inet_bind: 0, or -EINVAL, -EAFNOSUPPORT, -EADDRNOTAVAIL, -EADDRINUSE. */
function inet_bind(sock: socket, addr: sockaddr): number {
  const sk = sock.sk as sock;
  if (sk.sk_prot.bind !== null) return sk.sk_prot.bind(sk, addr);
  if (addr.sa_layout === AF_UNSPEC) return -EINVAL;
  // AF_UNSPEC with the wildcard address is taken, for old programs.
  const unspec = addr.sa_family === AF_UNSPEC && addr.sa_layout === AF_INET && (addr as sockaddr_in).sin_addr === 0;
  if (addr.sa_family !== AF_INET && !unspec) return -EAFNOSUPPORT;
  if (addr.sa_layout !== AF_INET) return -EINVAL;
  const net = sk.sk_net;
  const address = (addr as sockaddr_in).sin_addr | 0;
  const port = (addr as sockaddr_in).sin_port & 0xffff;
  const type = inet_addr_type(net, address);
  const nonlocal = net.ipv4.ip_nonlocal_bind !== 0 || sk.freebind || sk.transparent;
  if (!nonlocal && address !== 0 && type !== RTN_LOCAL && type !== RTN_MULTICAST && type !== RTN_BROADCAST) {
    return -EADDRNOTAVAIL;
  }
  // ping_check_bind_addr
  if (sk.sk_prot === ping_prot && (type === RTN_MULTICAST || type === RTN_BROADCAST)) return -EADDRNOTAVAIL;
  if (sk.sk_state !== TCP_CLOSE || sk.inet_num !== 0) return -EINVAL;
  sk.inet_rcv_saddr = address;
  // What is bound to a broadcast or multicast address sends from its device's own.
  sk.inet_saddr = type === RTN_BROADCAST || type === RTN_MULTICAST ? 0 : address;
  if (port !== 0 || !sk.bind_address_no_port) {
    const err = sk.sk_prot.get_port(sk, port);
    if (err !== 0) {
      sk.inet_saddr = 0;
      sk.inet_rcv_saddr = 0;
      return err;
    }
  }
  if (sk.inet_rcv_saddr !== 0) sk.sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (port !== 0) sk.sk_userlocks |= SOCK_BINDPORT_LOCK;
  sk.inet_sport = sk.inet_num;
  sk.inet_daddr = 0;
  sk.inet_dport = 0;
  sk_dst_reset(sk);
  return 0;
}

/** inet_dgram_connect; AF_UNSPEC disconnects. */
function inet_dgram_connect(sock: socket, addr: sockaddr): number {
  const sk = sock.sk as sock;
  if (addr.sa_family === AF_UNSPEC) return sk.sk_prot.disconnect(sk);
  const err = inet_autobind(sk);
  if (err !== 0) return err;
  return sk.sk_prot.connect(sk, addr);
}

/** inet_getname: 0, or -ENOTCONN for the peer of an unconnected socket. */
function inet_getname(sock: socket, addr: sockaddr, peer: number): number {
  const sk = sock.sk as sock;
  const unconnected = sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_SYN_SENT;
  // A connection that is over when it is accepted still tells who it was.
  if (peer !== 0 && (sk.inet_dport === 0 || (unconnected && peer === 1))) return -ENOTCONN;
  addr.sa_family = AF_INET;
  if (addr.sa_layout !== AF_INET) return 0;
  const sin = addr as sockaddr_in;
  sin.sin_port = peer !== 0 ? sk.inet_dport : sk.inet_sport;
  sin.sin_addr = peer !== 0 ? sk.inet_daddr : sk.inet_rcv_saddr !== 0 ? sk.inet_rcv_saddr : sk.inet_saddr;
  return 0;
}

/** inet_shutdown: an unconnected datagram socket says -ENOTCONN, and is shut down all the same. */
function inet_shutdown(sock: socket, how: number): number {
  const sk = sock.sk as sock;
  how++;
  if ((how & ~SHUTDOWN_MASK) !== 0 || how === 0) return -EINVAL;
  sk.sk_shutdown |= how;
  sk.sk_state_change(sk);
  return sk.sk_state === TCP_CLOSE ? -ENOTCONN : 0;
}

function inet_setsockopt(
  sock: socket,
  level: number,
  name: number,
  opt: Parameters<proto_ops['setsockopt']>[3],
): number {
  const sk = sock.sk as sock;
  return level === SOL_IP ? ip_setsockopt(sk, name, opt) : sk.sk_prot.setsockopt(sk, level, name, opt);
}

function inet_getsockopt(
  sock: socket,
  level: number,
  name: number,
  opt: Parameters<proto_ops['getsockopt']>[3],
): number {
  const sk = sock.sk as sock;
  return level === SOL_IP ? ip_getsockopt(sk, name, opt) : sk.sk_prot.getsockopt(sk, level, name, opt);
}

/** inet_sendmsg */
function inet_sendmsg(sock: socket, msg: Parameters<proto_ops['sendmsg']>[1], length: number): number {
  const sk = sock.sk as sock;
  // A stream that is not connected cannot send: no port for it (TCP's no_autobind).
  if (sk.inet_num === 0 && sk.sk_type !== SOCK_STREAM) {
    const err = inet_autobind(sk);
    if (err !== 0) return err;
  }
  sock_rps_record_flow(sk);
  return sk.sk_prot.sendmsg(sk, msg, length);
}

/** sock_rps_record_flow: RFS brings the flow of a connected socket to the CPU where it is used. */
function sock_rps_record_flow(sk: sock): void {
  const table = sk.sk_net.rps_sock_flow_table;
  if (table !== null && sk.sk_state === TCP_ESTABLISHED) rps_record_sock_flow(sk.kernel, table, sk.sk_rxhash);
}

/** inet_recvmsg */
function inet_recvmsg(sock: socket, msg: Parameters<proto_ops['recvmsg']>[1], length: number): number {
  const sk = sock.sk as sock;
  // inet_recv_error
  if ((msg.flags & MSG_ERRQUEUE) !== 0) return ip_recv_error(sk, msg, length);
  sock_rps_record_flow(sk);
  return sk.sk_prot.recvmsg(sk, msg, length);
}

function dgram_ops(poll: (sk: sock, f_flags: number) => number): proto_ops {
  return {
    family: AF_INET,
    release: inet_release,
    bind: inet_bind,
    connect: inet_dgram_connect,
    getname: inet_getname,
    poll: (sock, f_flags) => poll(sock.sk as sock, f_flags),
    shutdown: inet_shutdown,
    setsockopt: inet_setsockopt,
    getsockopt: inet_getsockopt,
    sendmsg: inet_sendmsg,
    recvmsg: inet_recvmsg,
    ioctl: (sock, command) => (sock.sk as sock).sk_prot.ioctl(sock.sk as sock, command),
  };
}

export const inet_dgram_ops = dgram_ops(udp_poll);
export const inet_stream_ops = make_stream_ops(dgram_ops(datagram_poll));
/** Ping sockets, and what is like them (inet_sockraw_ops). */
export const inet_sockraw_ops = dgram_ops(datagram_poll);

/** inetsw: the first line that fits answers a socket(2). */
const inetsw: readonly inet_protosw[] = [
  { type: SOCK_STREAM, protocol: IPPROTO_TCP, prot: tcp_prot, ops: inet_stream_ops, alloc: tcp_v4_sk_alloc },
  { type: SOCK_DGRAM, protocol: IPPROTO_UDP, prot: udp_prot, ops: inet_dgram_ops, alloc: null },
  { type: SOCK_DGRAM, protocol: IPPROTO_ICMP, prot: ping_prot, ops: inet_sockraw_ops, alloc: null },
  { type: SOCK_RAW, protocol: IPPROTO_IP, prot: raw_prot, ops: inet_sockraw_ops, alloc: null },
];

/** inet_create: 0, or -EINVAL, -ESOCKTNOSUPPORT (no such type), -EPROTONOSUPPORT (not with this type). */
function inet_create(net: net, sock_: socket, protocol: number): number {
  if (protocol < 0 || protocol >= IPPROTO_MAX) return -EINVAL;
  let answer: inet_protosw | null = null;
  let err = -ESOCKTNOSUPPORT;
  for (const line of inetsw) {
    if (line.type !== sock_.type) continue;
    // A line of protocol 0 takes every other; a socket of protocol 0 takes the line's own, which must not be 0 too.
    const fits = protocol === IPPROTO_IP ? line.protocol !== IPPROTO_IP : line.protocol === protocol;
    if (fits || (line.protocol === IPPROTO_IP && protocol !== IPPROTO_IP)) {
      answer = line;
      break;
    }
    err = -EPROTONOSUPPORT;
  }
  if (answer === null) return err;
  const sk =
    answer.alloc !== null
      ? answer.alloc(net, AF_INET)
      : new sock(net, AF_INET, sock_.type, protocol === IPPROTO_IP ? answer.protocol : protocol, answer.prot);
  // INET_PROTOSW_REUSE
  sk.sk_reuse = answer.prot === raw_prot || answer.prot === ping_prot;
  if (net.ipv4.ip_no_pmtu_disc !== 0) sk.pmtudisc = IP_PMTUDISC_DONT;
  if (sock_.type === SOCK_RAW) {
    // The protocol is the number it is known by.
    sk.inet_num = protocol;
    sk.inet_sport = protocol;
    sk.hdrincl = protocol === IPPROTO_RAW;
  }
  sock_.ops = answer.ops;
  sock_graft(sk, sock_);
  const failed = sk.sk_prot.init(sk);
  if (failed !== 0) sk.sk_prot.close(sk);
  return failed;
}

/** inet_init: IPv4, its transports, and the family. */
export function inet_init(net: net): void {
  ipv4_init(net);
  ipv4_offload_init(net);
  udp_init(net);
  tcp_init(net);
  ping_init(net);
  raw_net_init(net);
  sysctl_ipv4_init(net);
  ip_proc_init(net);
  sock_register(net, { family: AF_INET, create: inet_create });
}
