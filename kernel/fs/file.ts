/** Open files and a task's table of them (include/linux/fs.h, fs/file.c). */
import { EBADF, EMFILE } from '../errno.ts';
import type { user_msghdr } from '../net/msg.ts';
import type { task_struct } from '../sched/task.ts';
import type { wait_queue_head } from '../sched/wait.ts';
import type { pipe_inode_info } from './pipe.ts';
import type { splice_state } from './splice.ts';

/** Flags of an open file and of its descriptor (asm-generic/fcntl.h). */
export const O_RDWR = 0o2;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;

/** ioctl(2): bytes that wait to be read, bytes that are sent and still here (asm-generic/sockios.h: SIOCINQ, SIOCOUTQ). */
export const FIONREAD = 0x541b;
export const TIOCOUTQ = 0x5411;
export const SIOCINQ = FIONREAD;
export const SIOCOUTQ = TIOCOUTQ;
export const FIONBIO = 0x5421;

/** Called by a file's `poll` for each wait queue that announces its events. */
export interface poll_table {
  poll_wait(file: file, queue: wait_queue_head): void;
}

/** What an open file can do. Sockets and epoll instances implement it. */
export interface file_operations {
  /** Ready events (EPOLLIN …) now; with `table`, also joins the wait queues that announce new ones. */
  poll(file: file, table: poll_table | null): number;
  /**
   * close(2) of the last reference, before it is given back: -ERESTARTSYS puts the task to sleep, and it is called again
   * (SO_LINGER).
   */
  linger?(file: file, task: task_struct): number;
  /** The last reference is gone. */
  release(file: file): void;
  /** Bytes read or written, or a negative errno; files without them are not read or written (-EINVAL). */
  read?(file: file, task: task_struct, hdr: user_msghdr): number;
  write?(file: file, task: task_struct, hdr: user_msghdr): number;
  /** The answer, or a negative errno; without it -ENOTTY. */
  ioctl?(file: file, command: number): number;
  /** Files with positions: the new one, or -EINVAL; reading and writing elsewhere; cutting. Others: -ESPIPE, -EINVAL. */
  llseek?(file: file, offset: number, whence: number): number;
  read_at?(file: file, task: task_struct, hdr: user_msghdr, pos: number): number;
  write_at?(file: file, task: task_struct, hdr: user_msghdr, pos: number): number;
  truncate?(file: file, size: number): number;
  /** splice(2): bytes from `pos` to a pipe that has room, or from a pipe to the file; the end of what was announced. */
  splice_read?(file: file, task: task_struct, pos: number, pipe: pipe_inode_info, len: number, flags: number): number;
  splice_write?(
    pipe: pipe_inode_info,
    file: file,
    task: task_struct,
    len: number,
    flags: number,
    state: splice_state,
  ): number;
  splice_eof?(file: file): void;
}

/** Somebody who watches a file without holding a reference (an epoll item), told when the file goes away. */
export interface file_watch {
  next_watch: file_watch | null;
  file_released(): void;
}

/** struct file: what a descriptor leads to. */
export class file {
  readonly f_op: file_operations;
  private_data: unknown;
  f_flags: number;
  f_count = 1;
  /** Watchers, told before the file is released (eventpoll_release). */
  f_ep: file_watch | null = null;

  constructor(f_op: file_operations, private_data: unknown, f_flags: number) {
    this.f_op = f_op;
    this.private_data = private_data;
    this.f_flags = f_flags;
  }
}

/** Gives a reference to an open file back; the last one releases it (fput). */
export function fput(open: file): void {
  if (--open.f_count !== 0) return;
  while (open.f_ep !== null) {
    const watch = open.f_ep;
    open.f_ep = watch.next_watch;
    watch.file_released();
  }
  open.f_op.release(open);
}

/** A task's descriptors (struct files_struct). */
export class files_struct {
  private readonly fd: (file | null)[] = [];
  /** No descriptor below this one is free. */
  private next_fd = 0;
  /** Tasks that share the table (CLONE_FILES). */
  users = 1;
  /** RLIMIT_NOFILE. */
  limit = 1024;
  open = 0;

  /** Installs `open` under the lowest free descriptor: that, or -EMFILE (the reference stays with the caller). */
  install(open: file): number {
    const fd = this.next_free();
    if (fd >= this.limit) return -EMFILE;
    this.fd[fd] = open;
    this.next_fd = fd + 1;
    this.open++;
    return fd;
  }

  /** Is there room for one more descriptor? */
  has_room(): boolean {
    return this.next_free() < this.limit;
  }

  private next_free(): number {
    let fd = this.next_fd;
    while (fd < this.fd.length && this.fd[fd] !== null) fd++;
    this.next_fd = fd;
    return fd;
  }

  /** fget, without a reference of its own: null for a descriptor that is not open. */
  get(fd: number): file | null {
    // `fd` comes from a program: anything but an index of the array is no descriptor.
    return this.fd[fd] ?? null;
  }

  /** close: 0 or -EBADF. */
  close(fd: number): number {
    const open = this.fd[fd] ?? null;
    if (open === null) return -EBADF;
    this.fd[fd] = null;
    this.open--;
    if (fd < this.next_fd) this.next_fd = fd;
    fput(open);
    return 0;
  }

  /** exit_files: the last task that has the table closes everything in it. */
  exit(): void {
    if (--this.users > 0) return;
    for (let fd = 0; fd < this.fd.length; fd++) if (this.fd[fd]) this.close(fd);
  }
}
