/** What passes between system calls and protocols: addresses, message headers, option values (include/linux/socket.h). */

import type { Ram } from '../arch.ts';
import { EFAULT, EINVAL, EMSGSIZE } from '../errno.ts';
import type { pipe_inode_info } from '../fs/pipe.ts';
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
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_EOR = 0x80;
export const MSG_WAITALL = 0x100;
export const MSG_CONFIRM = 0x800;
export const MSG_ERRQUEUE = 0x2000;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;
/** Connects, too, with data in the SYN (tcp_fastopen.ts). */
export const MSG_FASTOPEN = 0x20000000;
/** recvmmsg: waits for the first message only. */
export const MSG_WAITFORONE = 0x10000;
export const MSG_ZEROCOPY = 0x4000000;
/** recvmsg: descriptors that come are to be closed by exec. None comes on our sockets, but the flag is told back. */
export const MSG_CMSG_CLOEXEC = 0x40000000;

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

/** Tells the sender's name where the caller asks for one: of another family's structure, the family alone. */
export function put_sockaddr_in(name: sockaddr | null, addr: number, port: number): void {
  if (name === null) return;
  name.sa_family = AF_INET;
  if (name.sa_layout !== AF_INET) return;
  (name as sockaddr_in).sin_addr = addr;
  (name as sockaddr_in).sin_port = port;
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
 * An option's value, in or out: most are an integer; some are a time, a name, a pair of counters, a struct linger, a
 * program, bytes, or the addresses of a group. Reusable.
 *
 * `optlen` is what C passes beside the value: -1 (the default) stands for the length the option has. A program that
 * sets it gets the errors of a short value, and from getsockopt the length of the answer; it is then as in C, where
 * only so many bytes of the answer are told.
 */
export class sockopt {
  value = 0;
  sec = 0;
  usec = 0;
  text = '';
  /** SO_ATTACH_FILTER and SO_GET_FILTER (struct sock_fprog). */
  filter: readonly sock_filter[] | null = null;
  optlen = -1;
  /** A structure or a string of bytes as the program's memory would hold it (IP_OPTIONS; TCP_INFO, `value` bytes of it). */
  bytes: Uint8Array | null = null;
  /** Groups (ip_mreqn, ip_mreq_source, group_source_req): addresses int32 in host order, an index, 0 for none. */
  multiaddr = 0;
  /** imr_address, imr_interface: the device by one of its addresses. */
  address = 0;
  ifindex = 0;
  sourceaddr = 0;
  /** IP_MSFILTER's sources, SO_MEMINFO's numbers. */
  list: number[] = [];
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
  /** SO_TIMESTAMPNS, and SO_TIMESTAMP in whole µs: arrival, in ns of the simulated clock. */
  timestamp = 0;
  /** The same by the names SO_TIMESTAMP_NEW and so on. */
  stamp_new = false;
  /** SO_TIMESTAMPING of what is sent: SOF_TIMESTAMPING_TX_ bits, in place of the socket's. */
  tsflags = 0;
  /** UDP_GRO: the length of each datagram but the last, of several that came in one. UDP_SEGMENT: the same on the way out. */
  gso_size = 0;
  /** SO_MARK, SO_PRIORITY. */
  mark = 0;
  priority = 0;
  /** SO_RXQ_OVFL: packets lost before this one. */
  dropcount = 0;
  /** IP_RECVOPTS, IP_RETOPTS: the options as they stood in the header, `opt_len` bytes of `opt`. */
  readonly opt = new Uint8Array(40);
  opt_len = 0;
  /** IP_RECVORIGDSTADDR (a sockaddr_in). */
  orig_addr = 0;
  orig_port = 0;
  /** IP_CHECKSUM: the card's sum over the segment, as it came, folded. */
  csum = 0;
  /** IP_RECVFRAGSIZE: the longest fragment. */
  frag_size = 0;
  /** IP_RECVERR (struct sock_extended_err), and SO_EE_OFFENDER: who said so, 0 for nobody. */
  ee_errno = 0;
  ee_origin = 0;
  ee_type = 0;
  ee_code = 0;
  ee_info = 0;
  ee_data = 0;
  ee_offender = 0;
  /** TCP_INQ: bytes that wait to be read. */
  inq = 0;
  /** PACKET_AUXDATA (struct tpacket_auxdata). */
  tp_status = 0;
  tp_len = 0;
  tp_snaplen = 0;
  tp_net = 0;
  tp_vlan_tci = 0;
  tp_vlan_tpid = 0;
}

export const CMSG_TTL = 1;
export const CMSG_TOS = 2;
export const CMSG_PKTINFO = 4;
/** SO_TIMESTAMPNS. */
export const CMSG_TIMESTAMP = 8;
export const CMSG_UDP_GRO = 16;
export const CMSG_PACKET_AUXDATA = 32;
export const CMSG_RECVOPTS = 64;
export const CMSG_RETOPTS = 128;
export const CMSG_ORIGDSTADDR = 256;
export const CMSG_RECVFRAGSIZE = 512;
export const CMSG_RECVERR = 1024;
export const CMSG_RXQ_OVFL = 2048;
/** SO_TIMESTAMP: whole microseconds. */
export const CMSG_TIMESTAMP_US = 4096;
export const CMSG_MARK = 8192;
export const CMSG_PRIORITY = 16384;
export const CMSG_UDP_SEGMENT = 32768;
/** SO_TIMESTAMPING with software receive stamps; of a message that is sent: which stamps it owes. */
export const CMSG_TIMESTAMPING = 65536;
export const CMSG_TCP_INQ = 1 << 17;
/** IP_CHECKSUM. */
export const CMSG_CHECKSUM = 1 << 18;

/** One piece of a message (struct iovec). */
export class iovec {
  base: number;
  length: number;

  constructor(base = 0, length = 0) {
    this.base = base;
    this.length = length;
  }
}

/** What a program hands to recvmsg and sendmsg (struct user_msghdr). One buffer, or `iov` in its place. Reusable. */
export class user_msghdr {
  name: sockaddr | null = null;
  base = 0;
  length = 0;
  /** Pieces that make up the message in their order; null: the one buffer above. */
  iov: readonly iovec[] | null = null;
  control: cmsg | null = null;
  /** Out: MSG_TRUNC, MSG_CTRUNC, MSG_ERRQUEUE; MSG_CMSG_CLOEXEC, where it was given. */
  flags = 0;
}

/** One message of recvmmsg and sendmmsg (struct mmsghdr). */
export class mmsghdr {
  readonly hdr = new user_msghdr();
  /** Out: bytes of this message. */
  len = 0;
}

/** struct msghdr: what is sent or received. The buffer is user memory. */
export class msghdr {
  msg_name: sockaddr | null = null;
  msg_base = 0;
  /** The pieces, where there are several (msg_iter); `msg_base` is the first one's. */
  msg_iov: readonly iovec[] | null = null;
  /** The answer of msg_piece. */
  msg_at = 0;
  /** MSG_ flags of the call, and what it tells the program in return (MSG_TRUNC). */
  flags = 0;
  msg_flags = 0;
  msg_control: cmsg | null = null;
  /** Whose memory the buffer is, and who sleeps; null: the kernel's own, which does not sleep. */
  msg_task: task_struct | null = null;
  /** The buffers are the kernel's all the same (MSG_SPLICE_PAGES). */
  msg_kernel = false;
}

/** Stamps of arrival. */
export const CMSG_STAMPS = CMSG_TIMESTAMP | CMSG_TIMESTAMP_US | CMSG_TIMESTAMPING;

/** The stamp of arrival for those of `present` that tell it; SO_TIMESTAMPING has it exactly. */
export function cmsg_stamp(control: cmsg, present: number, ns: number, by_new_name: boolean): void {
  control.stamp_new = by_new_name;
  const rounded = (present & CMSG_STAMPS) === CMSG_TIMESTAMP_US;
  control.timestamp = rounded ? ns - (ns % 1000) : ns;
}

/** Pieces of one message, and messages of one sendmmsg. */
export const UIO_MAXIOV = 1024;

/** Bytes of a program's message, or -EMSGSIZE (too many pieces), -EINVAL, -EFAULT. */
export function total_length(hdr: user_msghdr): number {
  const { iov } = hdr;
  if (iov === null) return hdr.length >= 0 ? hdr.length : -EFAULT;
  if (iov.length > UIO_MAXIOV) return -EMSGSIZE;
  let length = 0;
  for (let i = 0; i < iov.length; i++) {
    const piece = (iov[i] as iovec).length;
    if (!(piece >= 0)) return -EINVAL;
    length += piece;
  }
  return length;
}

/** copy_to_user's check: may the message's owner touch `length` bytes at its buffer? */
export function msg_access_ok(msg: msghdr, length: number): boolean {
  const task = msg.msg_task;
  if (task === null || msg.msg_kernel) return true;
  const iov = msg.msg_iov;
  if (iov === null) return task.mm.access_ok(msg.msg_base, length);
  for (let i = 0; i < iov.length && length > 0; i++) {
    const piece = iov[i] as iovec;
    const n = Math.min(piece.length, length);
    if (!task.mm.access_ok(piece.base, n)) return false;
    length -= n;
  }
  return length <= 0;
}

/** The same for the `length` bytes from `offset` on. */
export function msg_range_ok(msg: msghdr, offset: number, length: number): boolean {
  const { msg_task: task, msg_iov: iov } = msg;
  if (task === null || msg.msg_kernel) return true;
  if (iov === null) return task.mm.access_ok(msg.msg_base + offset, length);
  for (let i = 0; i < iov.length && length > 0; i++) {
    const piece = iov[i] as iovec;
    const n = Math.min(piece.length - offset, length);
    if (n > 0) {
      if (!task.mm.access_ok(piece.base + offset, n)) return false;
      length -= n;
      offset = 0;
    } else {
      offset -= piece.length;
    }
  }
  return length <= 0;
}

/** Bytes of the piece of memory that holds the message's byte `offset`, from there on; their address is in `msg_at`. */
export function msg_piece(msg: msghdr, offset: number, length: number): number {
  const { msg_iov: iov } = msg;
  if (iov !== null) {
    for (let i = 0; i < iov.length; i++) {
      const piece = iov[i] as iovec;
      if (offset < piece.length) {
        msg.msg_at = piece.base + offset;
        return Math.min(piece.length - offset, length);
      }
      offset -= piece.length;
    }
  }
  msg.msg_at = msg.msg_base + offset;
  return length;
}

/** memcpy_from_msg: `length` bytes from `offset` of the message to RAM at `to`. msg_access_ok has been asked. */
export function memcpy_from_msg(ram: Ram, to: number, msg: msghdr, offset: number, length: number): void {
  const { u8 } = ram;
  const iov = msg.msg_iov;
  if (iov === null) {
    u8.copyWithin(to, msg.msg_base + offset, msg.msg_base + offset + length);
    return;
  }
  for (let i = 0; i < iov.length && length > 0; i++) {
    const piece = iov[i] as iovec;
    if (offset >= piece.length) {
      offset -= piece.length;
      continue;
    }
    const n = Math.min(piece.length - offset, length);
    u8.copyWithin(to, piece.base + offset, piece.base + offset + n);
    to += n;
    length -= n;
    offset = 0;
  }
}

/** What a family does with its sockets (struct proto_ops). */
export interface proto_ops {
  readonly family: number;
  release(sock: socket): number;
  bind(sock: socket, addr: sockaddr): number;
  /** `flags`: O_NONBLOCK or 0; `task`: who sleeps (-ERESTARTSYS) until the connection is there. */
  connect(sock: socket, addr: sockaddr, flags: number, task: task_struct): number;
  /** Fills in `addr` with the local address (`peer` 0), the peer's (1), or that of who was just accepted (2). */
  getname(sock: socket, addr: sockaddr, peer: number): number;
  /** Events that are ready now (EPOLLIN …); the wait queue is joined by the caller. */
  poll(sock: socket, f_flags: number): number;
  shutdown(sock: socket, how: number): number;
  /** Connection sockets only; the others say -EOPNOTSUPP. */
  listen?(sock: socket, backlog: number): number;
  /** Gives `newsock` the next connection's sk: 0, a negative errno, or -ERESTARTSYS with the task asleep. */
  accept?(sock: socket, newsock: socket, flags: number, task: task_struct): number;
  /** SO_LINGER: what close does before it may wait; -ERESTARTSYS: it waits, and is called again. */
  linger?(sock: socket, flags: number, task: task_struct): number;
  setsockopt(sock: socket, level: number, name: number, opt: sockopt): number;
  getsockopt(sock: socket, level: number, name: number, opt: sockopt): number;
  sendmsg(sock: socket, msg: msghdr, length: number): number;
  recvmsg(sock: socket, msg: msghdr, length: number): number;
  /** FIONREAD and the like: the answer, or a negative errno; without it -ENOTTY. */
  ioctl?(sock: socket, command: number): number;
  /** splice(2) from a stream to a pipe that has room; without it -EINVAL. And the end of what MSG_MORE had announced. */
  splice_read?(sock: socket, task: task_struct, pipe: pipe_inode_info, length: number, nonblock: boolean): number;
  splice_eof?(sock: socket): void;
}

/** An address family (struct net_proto_family). */
export interface net_proto_family {
  readonly family: number;
  /** Gives `sock` its ops and its sk: 0 or a negative errno. */
  create(net: net, sock: socket, protocol: number): number;
}
