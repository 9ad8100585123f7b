/** What passes between system calls and protocols: addresses, message headers, option values (include/linux/socket.h). */
import type { task_struct } from '../sched/task.ts';
import type { sock_filter } from './core/filter.ts';
import type { net } from './core/net_namespace.ts';
import type { socket } from './socket.ts';

export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;
export const AF_MAX = 46;

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_MAX = 11;
export const SOCK_TYPE_MASK = 0xf;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

export const MSG_OOB = 0x1;
export const MSG_PEEK = 0x2;
export const MSG_DONTROUTE = 0x4;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_EOR = 0x80;
export const MSG_WAITALL = 0x100;
export const MSG_ERRQUEUE = 0x2000;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;

export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

/**
 * An address of any family. A program makes one of the family's class and uses it again for every call. `sa_layout`
 * says which family's fields the object has, as the length does in C; `sa_family` is what the program claims.
 */
export class sockaddr {
  sa_family: number;
  readonly sa_layout: number;

  constructor(layout = AF_UNSPEC) {
    this.sa_family = layout;
    this.sa_layout = layout;
  }
}

/** struct sockaddr_in. Port and address (int32) in host order, unlike C's. */
export class sockaddr_in extends sockaddr {
  sin_port: number;
  sin_addr: number;

  constructor(addr = 0, port = 0) {
    super(AF_INET);
    this.sin_addr = addr | 0;
    this.sin_port = port;
  }
}

/** struct sockaddr_ll. `sll_protocol` in host order. */
export class sockaddr_ll extends sockaddr {
  sll_protocol: number;
  sll_ifindex: number;
  sll_hatype = 0;
  sll_pkttype = 0;
  sll_halen = 0;
  readonly sll_addr = new Uint8Array(8);

  constructor(ifindex = 0, protocol = 0) {
    super(AF_PACKET);
    this.sll_ifindex = ifindex;
    this.sll_protocol = protocol;
  }
}

/**
 * An option's value, in or out: most are an integer; some are a time, a name, a pair of counters, a struct linger or a
 * program. Reusable.
 */
export class sockopt {
  value = 0;
  sec = 0;
  usec = 0;
  text = '';
  /** SO_ATTACH_FILTER and SO_GET_FILTER (struct sock_fprog). */
  filter: readonly sock_filter[] | null = null;
  /** A structure as the program's memory would hold it (TCP_INFO), `value` bytes of it. */
  bytes: Uint8Array | null = null;
}

/**
 * Control messages, as fields of one object that a program uses again and again: those that came are marked in
 * `present`, those to be sent are marked by the program. Linux packs them into bytes (struct cmsghdr).
 */
export class cmsg {
  /** CMSG_ bits. */
  present = 0;
  ttl = 0;
  tos = 0;
  /** IP_PKTINFO: index of the device it came in by, the local address that routing chose, the header's destination. */
  ipi_ifindex = 0;
  ipi_spec_dst = 0;
  ipi_addr = 0;
  /** SO_TIMESTAMPNS: arrival, in ns of the simulated clock. */
  timestamp = 0;
  /** UDP_GRO: the length of each datagram but the last, of several that came in one. */
  gso_size = 0;
  /** TCP_INQ: bytes that wait to be read. */
  inq = 0;
  /** PACKET_AUXDATA (struct tpacket_auxdata). */
  tp_status = 0;
  tp_len = 0;
  tp_vlan_tci = 0;
  tp_vlan_tpid = 0;
}

export const CMSG_TTL = 1;
export const CMSG_TOS = 2;
export const CMSG_PKTINFO = 4;
export const CMSG_TIMESTAMP = 8;
export const CMSG_UDP_GRO = 16;
export const CMSG_PACKET_AUXDATA = 32;
export const CMSG_TCP_INQ = 64;

/** What a program hands to recvmsg and sendmsg (struct user_msghdr, with one buffer). Reusable. */
export class user_msghdr {
  name: sockaddr | null = null;
  base = 0;
  length = 0;
  control: cmsg | null = null;
  /** Out: MSG_TRUNC. */
  flags = 0;
}

/** struct msghdr: what is sent or received. The buffer is user memory. */
export class msghdr {
  msg_name: sockaddr | null = null;
  msg_base = 0;
  /** MSG_ flags of the call, and what it tells the program in return (MSG_TRUNC). */
  flags = 0;
  msg_flags = 0;
  msg_control: cmsg | null = null;
  /** Whose memory the buffer is, and who sleeps; null: the kernel's own, which does not sleep. */
  msg_task: task_struct | null = null;
}

/** copy_to_user's check: may the message's owner touch `length` bytes at its buffer? */
export function msg_access_ok(msg: msghdr, length: number): boolean {
  const task = msg.msg_task;
  return task === null || task.mm.access_ok(msg.msg_base, length);
}

/** What a family does with its sockets (struct proto_ops). */
export interface proto_ops {
  readonly family: number;
  release(sock: socket): number;
  bind(sock: socket, addr: sockaddr): number;
  /** `flags`: O_NONBLOCK or 0; `task`: who sleeps (-ERESTARTSYS) until the connection is there. */
  connect(sock: socket, addr: sockaddr, flags: number, task: task_struct): number;
  /** Fills in `addr` with the local address, or the peer's. */
  getname(sock: socket, addr: sockaddr, peer: boolean): number;
  /** Events that are ready now (EPOLLIN …); the wait queue is joined by the caller. */
  poll(sock: socket, f_flags: number): number;
  shutdown(sock: socket, how: number): number;
  /** Connection sockets only; the others say -EOPNOTSUPP. */
  listen?(sock: socket, backlog: number): number;
  /** Gives `newsock` the next connection's sk: 0, a negative errno, or -ERESTARTSYS with the task asleep. */
  accept?(sock: socket, newsock: socket, flags: number, task: task_struct): number;
  ioctl?(sock: socket, command: number): number;
  /** SO_LINGER: what close does before it may wait; -ERESTARTSYS: it waits, and is called again. */
  linger?(sock: socket, flags: number, task: task_struct): number;
  setsockopt(sock: socket, level: number, name: number, opt: sockopt): number;
  getsockopt(sock: socket, level: number, name: number, opt: sockopt): number;
  sendmsg(sock: socket, msg: msghdr, length: number): number;
  recvmsg(sock: socket, msg: msghdr, length: number): number;
}

/** An address family (struct net_proto_family). */
export interface net_proto_family {
  readonly family: number;
  /** Gives `sock` its ops and its sk: 0 or a negative errno. */
  create(net: net, sock: socket, protocol: number): number;
}
