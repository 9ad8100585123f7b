/** Sockets as files, and the system calls on them (net/socket.c). */
import {
  EAFNOSUPPORT,
  EAGAIN,
  EBADF,
  ECONNABORTED,
  EFAULT,
  EINVAL,
  EMFILE,
  ENOTCONN,
  ENOTSOCK,
  ENOTTY,
  EOPNOTSUPP,
} from '../errno.ts';
import { file, type file_operations, fput, O_NONBLOCK, O_RDWR } from '../fs/file.ts';
import { ERESTARTSYS, type task_struct } from '../sched/task.ts';
import type { net } from './core/net_namespace.ts';
import {
  SO_ATTACH_BPF,
  SO_ATTACH_REUSEPORT_EBPF,
  SO_PEERNAME,
  SOL_SOCKET,
  sk_getsockopt,
  sk_setsockopt,
  type sock,
  sock_error,
} from './core/sock.ts';
import {
  AF_MAX,
  type iovec,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_WAITFORONE,
  type mmsghdr,
  type msghdr,
  type net_proto_family,
  type proto_ops,
  SOCK_CLOEXEC,
  SOCK_MAX,
  SOCK_NONBLOCK,
  SOCK_TYPE_MASK,
  type sockaddr,
  sockaddr_in,
  type sockopt,
  total_length,
  UIO_MAXIOV,
  type user_msghdr,
} from './msg.ts';
import { splice_to_socket } from './splice.ts';

/** Longest message the kernel takes in one call (MAX_RW_COUNT). */
const MAX_RW_COUNT = 0x7ffff000;
const SIZEOF_SOCKADDR_IN = 16;
const SIZEOF_INT = 4;

/** socket.state: what connect and accept have made of it (enum socket_state). */
export const SS_UNCONNECTED = 1;
export const SS_CONNECTING = 2;
export const SS_CONNECTED = 3;
export const SS_DISCONNECTING = 4;

/**
 * struct socket, the file's side of a socket, and its file in one: among 100,000 of them each object that a call touches
 * is a cache line, and a page, that nobody has touched for long.
 */
export class socket extends file {
  readonly type: number;
  readonly net: net;
  ops: proto_ops | null = null;
  sk: sock | null = null;
  state = SS_UNCONNECTED;

  constructor(net: net, type: number) {
    super(socket_file_ops, null, O_RDWR);
    this.private_data = this;
    this.net = net;
    this.type = type;
  }
}

/** sock_register: a family becomes known. */
export function sock_register(net: net, family: net_proto_family): void {
  net.core.families[family.family] = family;
}

/** sock_graft: ties the two sides together. */
export function sock_graft(sk: sock, sock: socket): void {
  sock.sk = sk;
  sk.sk_socket = sock;
}

const socket_file_ops: file_operations = {
  poll(open, table) {
    const sock = open.private_data as socket;
    const sk = sock.sk as sock;
    // sock_poll_wait: every family waits on the same queue.
    if (table !== null) table.poll_wait(open, sk.sk_wq);
    return (sock.ops as proto_ops).poll(sock, open.f_flags);
  },
  linger(open, task) {
    const sock = open.private_data as socket;
    const { linger } = sock.ops as proto_ops;
    return linger === undefined ? 0 : linger(sock, open.f_flags, task);
  },
  release(open) {
    const sock = open.private_data as socket;
    (sock.ops as proto_ops).release(sock);
  },
  /** sock_read_iter: a read of nothing takes nothing. */
  read(open, task, hdr) {
    const length = total_length(hdr);
    return length > 0 ? receive_message(task, open, hdr, 0) : length;
  },
  /** sock_write_iter */
  write(open, task, hdr) {
    return send_message(task, open, hdr, 0);
  },
  ioctl(open, command) {
    const sock = open.private_data as socket;
    return (sock.ops as proto_ops).ioctl?.(sock, command) ?? -ENOTTY;
  },
  splice_read(open, task, _pos, pipe, len) {
    const sock = open.private_data as socket;
    const nonblock = (open.f_flags & O_NONBLOCK) !== 0;
    return (sock.ops as proto_ops).splice_read?.(sock, task, pipe, len, nonblock) ?? -EINVAL;
  },
  splice_write: splice_to_socket,
  splice_eof(open) {
    const sock = open.private_data as socket;
    (sock.ops as proto_ops).splice_eof?.(sock);
  },
};

/** sockfd_lookup: the socket behind a descriptor, -EBADF or -ENOTSOCK. */
function sockfd_lookup(task: task_struct, fd: number): socket | number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (open.f_op !== socket_file_ops) return -ENOTSOCK;
  return open.private_data as socket;
}

/** __sys_socket: a descriptor, or -EINVAL, -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EMFILE. */
export function sys_socket(task: task_struct, family: number, type: number, protocol: number): number {
  const flags = type & ~SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  type &= SOCK_TYPE_MASK;
  if (!(family >= 0 && family < AF_MAX)) return -EAFNOSUPPORT;
  if (type >= SOCK_MAX) return -EINVAL;
  const { init_net: net } = task.kernel;
  const pf = net.core.families[family] ?? null;
  if (pf === null) return -EAFNOSUPPORT;
  const sock = new socket(net, type);
  const err = pf.create(net, sock, protocol);
  if (err < 0) return err;
  if ((flags & SOCK_NONBLOCK) !== 0) sock.f_flags |= O_NONBLOCK;
  const fd = task.files.install(sock);
  if (fd < 0) fput(sock);
  return fd;
}

/** __sys_bind */
export function sys_bind(task: task_struct, fd: number, addr: sockaddr): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === 'number') return sock;
  return (sock.ops as proto_ops).bind(sock, addr);
}

/** __sys_connect */
export function sys_connect(task: task_struct, fd: number, addr: sockaddr): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === 'number') return sock;
  return (sock.ops as proto_ops).connect(sock, addr, task.files.get(fd)?.f_flags ?? 0, task);
}

/** __sys_listen: the queue is cut to net.core.somaxconn. */
export function sys_listen(task: task_struct, fd: number, backlog: number): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === 'number') return sock;
  const { ops } = sock;
  if (ops?.listen === undefined) return -EOPNOTSUPP;
  return ops.listen(sock, Math.min(backlog >>> 0, sock.net.sysctl.somaxconn));
}

/** __sys_accept4: a descriptor of the oldest connection that waits; `addr`, when given, gets its peer's address. */
export function sys_accept4(task: task_struct, fd: number, addr: sockaddr | null, flags: number): number {
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === 'number') return sock;
  const { ops } = sock;
  if (ops?.accept === undefined) return -EOPNOTSUPP;
  // The descriptor comes first: a connection that found none would be lost.
  if (!task.files.has_room()) return -EMFILE;
  const newsock = new socket(sock.net, sock.type);
  newsock.ops = ops;
  const err = ops.accept(sock, newsock, task.files.get(fd)?.f_flags ?? 0, task);
  if (err < 0) return err;
  if ((flags & SOCK_NONBLOCK) !== 0) newsock.f_flags |= O_NONBLOCK;
  if (addr !== null && ops.getname(newsock, addr, 2) < 0) {
    fput(newsock);
    return -ECONNABORTED;
  }
  return task.files.install(newsock);
}

/** __sys_getsockname */
export function sys_getsockname(task: task_struct, fd: number, addr: sockaddr): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === 'number') return sock;
  return (sock.ops as proto_ops).getname(sock, addr, 0);
}

/** __sys_getpeername */
export function sys_getpeername(task: task_struct, fd: number, addr: sockaddr): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === 'number') return sock;
  return (sock.ops as proto_ops).getname(sock, addr, 1);
}

/** The message header for this call. */
function message(task: task_struct, base: number, flags: number, addr: sockaddr | null): msghdr {
  const { msg } = task.kernel.init_net.core;
  msg.msg_name = addr;
  msg.msg_base = base;
  msg.msg_iov = null;
  msg.flags = flags;
  msg.msg_flags = 0;
  msg.msg_control = null;
  msg.msg_task = task;
  return msg;
}

/** Puts a program's buffers into the header (import_iovec). Bytes, or a negative errno. */
function import_iovec(msg: msghdr, hdr: user_msghdr): number {
  const length = total_length(hdr);
  const { iov } = hdr;
  msg.msg_base = hdr.base;
  if (length < 0 || iov === null) return length;
  let first = 0;
  while (first < iov.length - 1 && (iov[first] as iovec).length === 0) first++;
  msg.msg_base = iov.length === 0 ? 0 : (iov[first] as iovec).base;
  if (iov.length > 1) msg.msg_iov = iov;
  return length;
}

/** ___sys_sendmsg */
function send_message(task: task_struct, open: file, hdr: user_msghdr, flags: number): number {
  const sock = open.private_data as socket;
  if ((open.f_flags & O_NONBLOCK) !== 0) flags |= MSG_DONTWAIT;
  const msg = message(task, hdr.base, flags, hdr.name);
  const length = import_iovec(msg, hdr);
  if (length < 0) return length;
  msg.msg_control = hdr.control;
  return (sock.ops as proto_ops).sendmsg(sock, msg, Math.min(length, MAX_RW_COUNT));
}

/** ___sys_recvmsg: with control messages and MSG_TRUNC in `hdr.flags`; after an error both are as before. */
function receive_message(task: task_struct, open: file, hdr: user_msghdr, flags: number): number {
  const sock = open.private_data as socket;
  if ((open.f_flags & O_NONBLOCK) !== 0) flags |= MSG_DONTWAIT;
  const { control } = hdr;
  const before = control?.present ?? 0;
  if (control !== null) control.present = 0;
  const msg = message(task, hdr.base, flags, hdr.name);
  const length = import_iovec(msg, hdr);
  msg.msg_control = control;
  msg.msg_flags = flags & MSG_CMSG_CLOEXEC;
  const result = length < 0 ? length : (sock.ops as proto_ops).recvmsg(sock, msg, Math.min(length, MAX_RW_COUNT));
  if (result >= 0) hdr.flags = msg.msg_flags;
  else if (control !== null) control.present = before;
  return result;
}

/** __sys_sendmsg: as sendto, all of it in one header. */
export function sys_sendmsg(task: task_struct, fd: number, hdr: user_msghdr, flags: number): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (open.f_op !== socket_file_ops) return -ENOTSOCK;
  return send_message(task, open, hdr, flags);
}

/** __sys_recvmsg: as recvfrom, with control messages and MSG_TRUNC in `hdr.flags`; after an error both are as before. */
export function sys_recvmsg(task: task_struct, fd: number, hdr: user_msghdr, flags: number): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (open.f_op !== socket_file_ops) return -ENOTSOCK;
  return receive_message(task, open, hdr, flags);
}

/**
 * __sys_sendmmsg: the first `vlen` messages, one after the other: how many were taken, each with its length in `len`.
 * A negative errno only when the first failed.
 */
export function sys_sendmmsg(
  task: task_struct,
  fd: number,
  messages: readonly mmsghdr[],
  vlen: number,
  flags: number,
): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (open.f_op !== socket_file_ops) return -ENOTSOCK;
  const { call } = task;
  const count = Math.min(vlen, messages.length, UIO_MAXIOV);
  // Those sent before the call had to wait stay sent.
  for (; call.progress < count; call.progress++) {
    const entry = messages[call.progress] as mmsghdr;
    const result = send_message(task, open, entry.hdr, flags);
    if (result === -ERESTARTSYS) return result;
    if (result < 0) return call.progress > 0 ? call.progress : result;
    entry.len = result;
    call.deadline = 0;
  }
  return call.progress;
}

/**
 * do_recvmmsg: up to `vlen` messages: how many came, each with its length in `len`. `timeout` in ns, negative for none:
 * looked at after each message, as in Linux, so that it does not end a wait. MSG_WAITFORONE waits for the first only.
 * An error after the first message is kept for the next call.
 */
export function sys_recvmmsg(
  task: task_struct,
  fd: number,
  messages: readonly mmsghdr[],
  vlen: number,
  flags: number,
  timeout: number,
): number {
  if (Number.isNaN(timeout)) return -EINVAL;
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (open.f_op !== socket_file_ops) return -ENOTSOCK;
  const { call, kernel } = task;
  const sk = (open.private_data as socket).sk as sock;
  if (!call.restarted) {
    call.end = timeout < 0 ? Number.POSITIVE_INFINITY : kernel.clock.now + timeout;
    if ((flags & MSG_ERRQUEUE) === 0 && sk.sk_err !== 0) return sock_error(sk);
  }
  const count = Math.min(vlen, messages.length);
  while (call.progress < count) {
    const noblock = (flags & MSG_WAITFORONE) !== 0 && call.progress > 0 ? MSG_DONTWAIT : 0;
    const entry = messages[call.progress] as mmsghdr;
    const result = receive_message(task, open, entry.hdr, (flags & ~MSG_WAITFORONE) | noblock);
    if (result === -ERESTARTSYS) return result;
    if (result < 0) {
      if (call.progress === 0) return result;
      if (result !== -EAGAIN) sk.sk_err = -result;
      break;
    }
    entry.len = result;
    call.progress++;
    call.deadline = 0;
    if (kernel.clock.now >= call.end) break;
  }
  return call.progress;
}

/** __sys_sendto: bytes sent, or a negative errno. `addr` null: the connected peer. */
export function sys_sendto(
  task: task_struct,
  fd: number,
  buf: number,
  length: number,
  flags: number,
  addr: sockaddr | null,
): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (open.f_op !== socket_file_ops) return -ENOTSOCK;
  if (!(length >= 0)) return -EFAULT;
  const sock = open.private_data as socket;
  if ((open.f_flags & O_NONBLOCK) !== 0) flags |= MSG_DONTWAIT;
  return (sock.ops as proto_ops).sendmsg(sock, message(task, buf, flags, addr), Math.min(length, MAX_RW_COUNT));
}

/** __sys_recvfrom: bytes received (the datagram's length with MSG_TRUNC), or a negative errno. `addr` is filled in. */
export function sys_recvfrom(
  task: task_struct,
  fd: number,
  buf: number,
  length: number,
  flags: number,
  addr: sockaddr | null,
): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (open.f_op !== socket_file_ops) return -ENOTSOCK;
  if (!(length >= 0)) return -EFAULT;
  const sock = open.private_data as socket;
  if ((open.f_flags & O_NONBLOCK) !== 0) flags |= MSG_DONTWAIT;
  return (sock.ops as proto_ops).recvmsg(sock, message(task, buf, flags, addr), Math.min(length, MAX_RW_COUNT));
}

/** __sys_setsockopt */
export function sys_setsockopt(task: task_struct, fd: number, level: number, name: number, opt: sockopt): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === 'number') return sock;
  if (level === SOL_SOCKET) {
    if (name !== SO_ATTACH_BPF && name !== SO_ATTACH_REUSEPORT_EBPF) return sk_setsockopt(sock.sk as sock, name, opt);
    // bpf_prog_get: a descriptor, of which none is a program's here.
    const fd_given = opt.optlen < 0 || opt.optlen === SIZEOF_INT;
    return fd_given && task.files.get(opt.value) === null ? -EBADF : -EINVAL;
  }
  return (sock.ops as proto_ops).setsockopt(sock, level, name, opt);
}

/** SO_PEERNAME: the peer as a struct sockaddr_in, or its beginning. -ENOTCONN; -EINVAL where more is asked for. */
function sock_getpeername(sock: socket, opt: sockopt): number {
  const peer = new sockaddr_in();
  if ((sock.ops as proto_ops).getname(sock, peer, 2) < 0) return -ENOTCONN;
  if (opt.optlen > SIZEOF_SOCKADDR_IN) return -EINVAL;
  const { sin_port: port, sin_addr: addr } = peer;
  const bytes = Uint8Array.of(peer.sa_family, 0, port >> 8, port, addr >> 24, addr >> 16, addr >> 8, addr);
  opt.bytes = new Uint8Array(SIZEOF_SOCKADDR_IN);
  opt.bytes.set(bytes);
  return 0;
}

/** __sys_getsockopt: 0 with the answer in `opt`. */
export function sys_getsockopt(task: task_struct, fd: number, level: number, name: number, opt: sockopt): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === 'number') return sock;
  if (level === SOL_SOCKET && name === SO_PEERNAME) return sock_getpeername(sock, opt);
  if (level === SOL_SOCKET) return sk_getsockopt(sock.sk as sock, name, opt);
  return (sock.ops as proto_ops).getsockopt(sock, level, name, opt);
}

/** __sys_shutdown */
export function sys_shutdown(task: task_struct, fd: number, how: number): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === 'number') return sock;
  return (sock.ops as proto_ops).shutdown(sock, how);
}
