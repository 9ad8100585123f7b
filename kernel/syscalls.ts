/**
 * The system calls as a program sees them: `const n = yield* sys.recvfrom(fd, buf, length, flags, addr)`. Each method
 * starts a call of the task's; `yield*` runs it to its result (≥ 0, or a negative errno). One call at a time.
 *
 * Buffers are addresses in memory the task got from `mmap`; addresses, options and event arrays are objects that the
 * program uses again and again, so that a call allocates nothing.
 */
import { EBADF, EINVAL, EMFILE, ENOTTY, ESPIPE } from './errno.ts';
import { type epoll_event, sys_epoll_create1, sys_epoll_ctl, sys_epoll_wait } from './fs/eventpoll.ts';
import { FIONBIO, O_NONBLOCK } from './fs/file.ts';
import { sys_pipe2 } from './fs/pipe.ts';
import { type fd_set, type pollfd, sys_nanosleep, sys_poll, sys_ppoll, sys_select } from './fs/select.ts';
import { type loff_t, sys_sendfile, sys_splice } from './fs/splice.ts';
import type { Kernel } from './kernel.ts';
import { sys_memfd_create } from './mm/memfd.ts';
import { type iovec, type mmsghdr, type sockaddr, sockaddr_in, type sockopt, type user_msghdr } from './net/msg.ts';
import {
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_getpeername,
  sys_getsockname,
  sys_getsockopt,
  sys_listen,
  sys_recvfrom,
  sys_recvmmsg,
  sys_recvmsg,
  sys_sendmmsg,
  sys_sendmsg,
  sys_sendto,
  sys_setsockopt,
  sys_shutdown,
  sys_socket,
} from './net/socket.ts';
import { ERESTARTSYS, type Program, type syscall, TASK_RUNNING, type task_struct } from './sched/task.ts';

export const F_GETFL = 3;
export const F_SETFL = 4;
export const RLIMIT_NOFILE = 7;
/** fs.nr_open: the most descriptors a task can be allowed. */
const NR_OPEN = 1048576;
/** Pieces of one read or write. */
const UIO_MAXIOV = 1024;

function sys_close(task: task_struct, fd: number): number {
  const open = task.files.get(fd);
  if (open !== null && open.f_count === 1 && open.f_op.linger !== undefined) {
    const wait = open.f_op.linger(open, task);
    if (wait === -ERESTARTSYS) return wait;
  }
  return task.files.close(fd);
}

function sys_dup(task: task_struct, fd: number): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (!task.files.has_room()) return -EMFILE;
  open.f_count++;
  return task.files.install(open);
}

function sys_fcntl(task: task_struct, fd: number, command: number, arg: number): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  switch (command) {
    case F_GETFL:
      return open.f_flags;
    case F_SETFL:
      // Of what can be set, O_NONBLOCK alone means something here.
      open.f_flags = (open.f_flags & ~O_NONBLOCK) | (arg & O_NONBLOCK);
      return 0;
    default:
      return -EINVAL;
  }
}

/** The header of the running read or write: a slice is atomic. */
function rw_header(task: task_struct, base: number, length: number, iov: readonly iovec[] | null): user_msghdr {
  const hdr = task.kernel.init_net.core.rw;
  hdr.base = base;
  hdr.length = length;
  hdr.iov = iov;
  return hdr;
}

function sys_read(task: task_struct, fd: number, buf: number, length: number): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  return open.f_op.read?.(open, task, rw_header(task, buf, length, null)) ?? -EINVAL;
}

function sys_write(task: task_struct, fd: number, buf: number, length: number): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  return open.f_op.write?.(open, task, rw_header(task, buf, length, null)) ?? -EINVAL;
}

function sys_readv(task: task_struct, fd: number, iov: readonly iovec[]): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (iov.length > UIO_MAXIOV) return -EINVAL;
  return open.f_op.read?.(open, task, rw_header(task, 0, 0, iov)) ?? -EINVAL;
}

function sys_writev(task: task_struct, fd: number, iov: readonly iovec[]): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (iov.length > UIO_MAXIOV) return -EINVAL;
  return open.f_op.write?.(open, task, rw_header(task, 0, 0, iov)) ?? -EINVAL;
}

function sys_lseek(task: task_struct, fd: number, offset: number, whence: number): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  return open.f_op.llseek?.(open, offset, whence) ?? -ESPIPE;
}

function sys_pread64(task: task_struct, fd: number, buf: number, length: number, pos: number): number {
  const open = task.files.get(fd);
  if (pos < 0) return -EINVAL;
  if (open === null) return -EBADF;
  return open.f_op.read_at?.(open, task, rw_header(task, buf, length, null), pos) ?? -ESPIPE;
}

function sys_pwrite64(task: task_struct, fd: number, buf: number, length: number, pos: number): number {
  const open = task.files.get(fd);
  if (pos < 0) return -EINVAL;
  if (open === null) return -EBADF;
  return open.f_op.write_at?.(open, task, rw_header(task, buf, length, null), pos) ?? -ESPIPE;
}

function sys_ftruncate(task: task_struct, fd: number, size: number): number {
  const open = task.files.get(fd);
  if (size < 0) return -EINVAL;
  if (open === null) return -EBADF;
  return open.f_op.truncate?.(open, size) ?? -EINVAL;
}

/** ioctl: FIONBIO by `arg.value`; FIONREAD and TIOCOUTQ answer there. 0 or a negative errno. */
function sys_ioctl(task: task_struct, fd: number, command: number, arg: sockopt): number {
  const open = task.files.get(fd);
  if (open === null) return -EBADF;
  if (command === FIONBIO) {
    open.f_flags = arg.value !== 0 ? open.f_flags | O_NONBLOCK : open.f_flags & ~O_NONBLOCK;
    return 0;
  }
  const result = open.f_op.ioctl?.(open, command) ?? -ENOTTY;
  if (result < 0) return result;
  arg.value = result;
  return 0;
}

function sys_getpid(task: task_struct): number {
  return task.pid;
}

function sys_setrlimit(task: task_struct, resource: number, limit: number): number {
  if (resource !== RLIMIT_NOFILE || !(limit >= 0 && limit <= NR_OPEN)) return -EINVAL;
  task.files.limit = limit;
  return 0;
}

/** sched_yield: to the end of the CPU's run queue. */
function sys_sched_yield(task: task_struct): number {
  // With nobody else to run this is nothing; else the slice counts as used up.
  if (task.state === TASK_RUNNING) task.vruntime_start = Number.NEGATIVE_INFINITY;
  return 0;
}

export class Syscalls {
  readonly task: task_struct;
  private readonly call: syscall;

  constructor(task: task_struct) {
    this.task = task;
    this.call = task.call;
  }

  /** The task's kernel: its clock and memory, for what a vDSO and user instructions would do. */
  get kernel(): Kernel {
    return this.task.kernel;
  }

  /** A descriptor. `type` may carry SOCK_NONBLOCK; `protocol` of AF_PACKET is an EtherType in host order. */
  socket(family: number, type: number, protocol: number): syscall {
    return this.call.begin(sys_socket, family, type, protocol);
  }

  bind(fd: number, addr: sockaddr): syscall {
    return this.call.begin(sys_bind, fd, addr);
  }

  connect(fd: number, addr: sockaddr): syscall {
    return this.call.begin(sys_connect, fd, addr);
  }

  /** `backlog`: connections that may wait for accept, and one more. */
  listen(fd: number, backlog: number): syscall {
    return this.call.begin(sys_listen, fd, backlog);
  }

  /** A descriptor of the oldest connection; `addr`, when given, says whose. `flags`: SOCK_NONBLOCK or 0. */
  accept4(fd: number, addr: sockaddr | null, flags: number): syscall {
    return this.call.begin(sys_accept4, fd, addr, flags);
  }

  accept(fd: number, addr: sockaddr | null): syscall {
    return this.call.begin(sys_accept4, fd, addr, 0);
  }

  /** Bytes sent. `addr` null: to the connected peer. */
  sendto(fd: number, buf: number, length: number, flags: number, addr: sockaddr | null): syscall {
    return this.call.begin(sys_sendto, fd, buf, length, flags, addr);
  }

  send(fd: number, buf: number, length: number, flags: number): syscall {
    return this.call.begin(sys_sendto, fd, buf, length, flags, null);
  }

  /** Bytes received; `addr`, when given, says from whom. */
  recvfrom(fd: number, buf: number, length: number, flags: number, addr: sockaddr | null): syscall {
    return this.call.begin(sys_recvfrom, fd, buf, length, flags, addr);
  }

  recv(fd: number, buf: number, length: number, flags: number): syscall {
    return this.call.begin(sys_recvfrom, fd, buf, length, flags, null);
  }

  /** As recvfrom, with control messages. */
  recvmsg(fd: number, hdr: user_msghdr, flags: number): syscall {
    return this.call.begin(sys_recvmsg, fd, hdr, flags);
  }

  sendmsg(fd: number, hdr: user_msghdr, flags: number): syscall {
    return this.call.begin(sys_sendmsg, fd, hdr, flags);
  }

  /** How many of the first `vlen` messages were sent, each with its length. */
  sendmmsg(fd: number, messages: readonly mmsghdr[], vlen: number, flags: number): syscall {
    return this.call.begin(sys_sendmmsg, fd, messages, vlen, flags);
  }

  /** How many messages came, at most `vlen`; `timeout` in ns, negative: none, is looked at after each. */
  recvmmsg(fd: number, messages: readonly mmsghdr[], vlen: number, flags: number, timeout = -1): syscall {
    return this.call.begin(sys_recvmmsg, fd, messages, vlen, flags, timeout);
  }

  read(fd: number, buf: number, length: number): syscall {
    return this.call.begin(sys_read, fd, buf, length);
  }

  write(fd: number, buf: number, length: number): syscall {
    return this.call.begin(sys_write, fd, buf, length);
  }

  readv(fd: number, iov: readonly iovec[]): syscall {
    return this.call.begin(sys_readv, fd, iov);
  }

  writev(fd: number, iov: readonly iovec[]): syscall {
    return this.call.begin(sys_writev, fd, iov);
  }

  /** FIONREAD, TIOCOUTQ (the answer in `arg.value`), FIONBIO. */
  ioctl(fd: number, command: number, arg: sockopt): syscall {
    return this.call.begin(sys_ioctl, fd, command, arg);
  }

  /** The ends of a new pipe to `fds`: for reading, for writing. `flags`: O_NONBLOCK or 0. */
  pipe2(fds: number[], flags: number): syscall {
    return this.call.begin(sys_pipe2, fds, flags);
  }

  /** Bytes moved from or to a pipe; the positions, where they are given, go on by them. `flags`: SPLICE_F_. */
  splice(
    fdIn: number,
    offIn: loff_t | null,
    fdOut: number,
    offOut: loff_t | null,
    len: number,
    flags: number,
  ): syscall {
    return this.call.begin(sys_splice, fdIn, offIn, fdOut, offOut, len, flags);
  }

  sendfile(fdOut: number, fdIn: number, offset: loff_t | null, count: number): syscall {
    return this.call.begin(sys_sendfile, fdOut, fdIn, offset, count);
  }

  /** A descriptor of a new file in memory. */
  memfd_create(name: string, flags: number): syscall {
    return this.call.begin(sys_memfd_create, name, flags);
  }

  lseek(fd: number, offset: number, whence: number): syscall {
    return this.call.begin(sys_lseek, fd, offset, whence);
  }

  pread(fd: number, buf: number, length: number, pos: number): syscall {
    return this.call.begin(sys_pread64, fd, buf, length, pos);
  }

  pwrite(fd: number, buf: number, length: number, pos: number): syscall {
    return this.call.begin(sys_pwrite64, fd, buf, length, pos);
  }

  ftruncate(fd: number, size: number): syscall {
    return this.call.begin(sys_ftruncate, fd, size);
  }

  getsockname(fd: number, addr: sockaddr): syscall {
    return this.call.begin(sys_getsockname, fd, addr);
  }

  getpeername(fd: number, addr: sockaddr): syscall {
    return this.call.begin(sys_getpeername, fd, addr);
  }

  /** SHUT_RD, SHUT_WR or SHUT_RDWR. */
  shutdown(fd: number, how: number): syscall {
    return this.call.begin(sys_shutdown, fd, how);
  }

  setsockopt(fd: number, level: number, name: number, opt: sockopt): syscall {
    return this.call.begin(sys_setsockopt, fd, level, name, opt);
  }

  getsockopt(fd: number, level: number, name: number, opt: sockopt): syscall {
    return this.call.begin(sys_getsockopt, fd, level, name, opt);
  }

  close(fd: number): syscall {
    return this.call.begin(sys_close, fd);
  }

  dup(fd: number): syscall {
    return this.call.begin(sys_dup, fd);
  }

  /** F_GETFL, or F_SETFL with O_NONBLOCK or 0. */
  fcntl(fd: number, command: number, arg: number): syscall {
    return this.call.begin(sys_fcntl, fd, command, arg);
  }

  /** How many of the first `nfds` have events; 0 after `timeout_ms` (negative: never). */
  poll(fds: pollfd[], nfds: number, timeout_ms: number): syscall {
    return this.call.begin(sys_poll, fds, nfds, timeout_ms);
  }

  /** As poll, with a timeout in ns. */
  ppoll(fds: pollfd[], nfds: number, timeout_ns: number): syscall {
    return this.call.begin(sys_ppoll, fds, nfds, timeout_ns);
  }

  /** How many descriptors below `nfds` are ready; the sets then hold those. `timeout_ns` negative: for ever. */
  select(
    nfds: number,
    readfds: fd_set | null,
    writefds: fd_set | null,
    exceptfds: fd_set | null,
    timeout_ns: number,
  ): syscall {
    return this.call.begin(sys_select, nfds, readfds, writefds, exceptfds, timeout_ns);
  }

  epoll_create1(flags: number): syscall {
    return this.call.begin(sys_epoll_create1, flags);
  }

  epoll_ctl(epfd: number, op: number, fd: number, event: epoll_event | null): syscall {
    return this.call.begin(sys_epoll_ctl, epfd, op, fd, event);
  }

  /** How many of `events` were filled in; 0 after `timeout_ms` (negative: never). */
  epoll_wait(epfd: number, events: epoll_event[], maxevents: number, timeout_ms: number): syscall {
    return this.call.begin(sys_epoll_wait, epfd, events, maxevents, timeout_ms);
  }

  /** Sleeps `ns` nanoseconds. */
  nanosleep(ns: number): syscall {
    return this.call.begin(sys_nanosleep, ns);
  }

  /** The address of `length` zeroed bytes of the task's own, or a negative errno. At once: memory costs no time here. */
  mmap(length: number): number {
    return this.task.mm.mmap(length);
  }

  /** Gives a whole block back: 0 or -EINVAL. */
  munmap(address: number): number {
    return this.task.mm.munmap(address);
  }

  /** A sockaddr_in: address (int32) and port in host order. */
  sockaddr(address = 0, port = 0): sockaddr_in {
    return new sockaddr_in(address, port);
  }

  setrlimit(resource: number, limit: number): syscall {
    return this.call.begin(sys_setrlimit, resource, limit);
  }

  getpid(): syscall {
    return this.call.begin(sys_getpid);
  }

  sched_yield(): syscall {
    return this.call.begin(sys_sched_yield);
  }
}

/** Starts a program on a host; it gets its system calls. `leader`: whose thread it is, with the same files and memory. */
export function spawn(
  kernel: Kernel,
  comm: string,
  program: (sys: Syscalls) => Program,
  cpu = 0,
  leader: task_struct | null = null,
): task_struct {
  return kernel.sched.spawn(comm, task => program(new Syscalls(task)), cpu, leader);
}
