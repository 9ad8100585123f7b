/**
 * Pipes (fs/pipe.c): a ring of pages between two files. A page may belong to somebody else, too: splice(2) puts references to
 * it there and takes them out again.
 */
import { COPY_FROM_USER, COPY_TO_USER } from '../copies.ts';
import { charge_copy } from '../costs.ts';
import { EAGAIN, EBADF, EFAULT, EINVAL, EMFILE, ENOMEM, ENOTTY, EPIPE } from '../errno.ts';
import type { Kernel } from '../kernel.ts';
import { GFP_KERNEL } from '../mm/slab.ts';
import { memcpy_from_msg, msg_piece, msg_range_ok, type msghdr, total_length, type user_msghdr } from '../net/msg.ts';
import { ERESTARTSYS, type task_struct } from '../sched/task.ts';
import { prepare_to_wait_exclusive, wait_queue_head } from '../sched/wait.ts';
import { FIONREAD, file, type file_operations, O_CLOEXEC, O_NONBLOCK } from './file.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from './select.ts';

export const PAGE_SIZE = 4096;
/** PIPE_DEF_BUFFERS: pages in a ring. */
export const PIPE_BUFFERS = 16;
const O_RDONLY = 0;
const O_WRONLY = 1;

/** struct pipe_buffer: `len` bytes at `offset` of a page. */
export class pipe_buffer {
  page = 0;
  offset = 0;
  len = 0;
  /** More may be written behind them (PIPE_BUF_FLAG_CAN_MERGE). */
  can_merge = false;
}

/** struct pipe_inode_info */
export class pipe_inode_info {
  readonly kernel: Kernel;
  private readonly bufs = Array.from({ length: PIPE_BUFFERS }, () => new pipe_buffer());
  head = 0;
  tail = 0;
  readers = 1;
  writers = 1;
  readonly rd_wait = new wait_queue_head();
  readonly wr_wait = new wait_queue_head();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** Pages that hold something. */
  occupancy(): number {
    return this.head - this.tail;
  }

  full(): boolean {
    return this.head - this.tail >= PIPE_BUFFERS;
  }

  /** The buffer number `i`, counted from the first one that holds something. */
  buffer(i: number): pipe_buffer {
    return this.bufs[(this.tail + i) % PIPE_BUFFERS] as pipe_buffer;
  }

  bytes(): number {
    let sum = 0;
    for (let i = 0; i < this.occupancy(); i++) sum += this.buffer(i).len;
    return sum;
  }

  /** Bytes of a page, whose reference the pipe takes. There must be room. */
  push(page: number, offset: number, len: number, can_merge: boolean): void {
    this.head++;
    const buf = this.buffer(this.occupancy() - 1);
    buf.page = page;
    buf.offset = offset;
    buf.len = len;
    buf.can_merge = can_merge;
  }

  /** The first `n` bytes are done with. */
  consume(n: number): void {
    for (n = Math.min(n, this.bytes()); n > 0; ) {
      const buf = this.buffer(0);
      const part = Math.min(n, buf.len);
      buf.offset += part;
      buf.len -= part;
      n -= part;
      if (buf.len === 0) {
        this.kernel.slab.put(buf.page);
        this.tail++;
      }
    }
  }

  /** Everything goes (free_pipe_info). */
  clear(): void {
    this.consume(this.bytes());
  }

  /** A page of its own with nothing in it, 0 without memory. */
  new_page(): number {
    return this.kernel.slab.kmalloc(PAGE_SIZE, GFP_KERNEL);
  }

  wake_readers(): void {
    if (this.rd_wait.active()) this.rd_wait.wake_up(POLLIN | POLLRDNORM);
  }

  wake_writers(): void {
    if (this.wr_wait.active()) this.wr_wait.wake_up(POLLOUT | POLLWRNORM);
  }
}

/** Sleeps until the pipe has something, or has room. */
export function pipe_wait(queue: wait_queue_head, task: task_struct): number {
  prepare_to_wait_exclusive(queue, task);
  return -ERESTARTSYS;
}

/** The program's buffers as a message: a slice is atomic. */
export function user_buffers(task: task_struct, hdr: user_msghdr): msghdr {
  const { msg } = task.kernel.init_net.core;
  msg.msg_base = hdr.base;
  msg.msg_iov = hdr.iov;
  msg.msg_task = task;
  return msg;
}

/** copy_to_user: `length` bytes at `from` to the message's byte `at`. 0 or -EFAULT. */
export function copy_to_buffers(kernel: Kernel, from: number, msg: msghdr, at: number, length: number): number {
  if (!msg_range_ok(msg, at, length)) return -EFAULT;
  charge_copy(kernel, length, COPY_TO_USER);
  const { observer } = kernel;
  for (let done = 0; done < length; ) {
    const n = msg_piece(msg, at + done, length - done);
    kernel.ram.move(msg.msg_at, from + done, n);
    if (observer !== null) observer.copy_to_user(msg.msg_at, n);
    done += n;
  }
  return 0;
}

/** copy_from_user, the other way. */
export function copy_from_buffers(kernel: Kernel, to: number, msg: msghdr, at: number, length: number): number {
  if (!msg_range_ok(msg, at, length)) return -EFAULT;
  charge_copy(kernel, length, COPY_FROM_USER);
  memcpy_from_msg(kernel.ram, to, msg, at, length);
  return 0;
}

/** pipe_read: what there is; waits only while there is nothing. 0 at the end. */
function pipe_read(open: file, task: task_struct, hdr: user_msghdr): number {
  const pipe = open.private_data as pipe_inode_info;
  const length = total_length(hdr);
  if (length <= 0) return length;
  const msg = user_buffers(task, hdr);
  let done = 0;
  while (done < length && pipe.occupancy() > 0) {
    const buf = pipe.buffer(0);
    const n = Math.min(buf.len, length - done);
    if (copy_to_buffers(pipe.kernel, buf.page + buf.offset, msg, done, n) !== 0) return done > 0 ? done : -EFAULT;
    pipe.consume(n);
    done += n;
  }
  if (done > 0) {
    pipe.wake_writers();
    return done;
  }
  if (pipe.writers === 0) return 0;
  return (open.f_flags & O_NONBLOCK) !== 0 ? -EAGAIN : pipe_wait(pipe.rd_wait, task);
}

/** Behind what the last page holds, what a page's worth leaves over, if it fits there. Bytes, or -EFAULT. */
function pipe_merge(pipe: pipe_inode_info, msg: msghdr, length: number): number {
  const chars = length % PAGE_SIZE;
  if (chars === 0 || pipe.occupancy() === 0) return 0;
  const buf = pipe.buffer(pipe.occupancy() - 1);
  const at = buf.offset + buf.len;
  if (!buf.can_merge || at + chars > PAGE_SIZE) return 0;
  if (copy_from_buffers(pipe.kernel, buf.page + at, msg, 0, chars) !== 0) return -EFAULT;
  buf.len += chars;
  return chars;
}

/** pipe_write: all of it, or, where it shall not wait, what there is room for. */
function pipe_write(open: file, task: task_struct, hdr: user_msghdr): number {
  const pipe = open.private_data as pipe_inode_info;
  const length = total_length(hdr);
  if (length <= 0) return length;
  const { call } = task;
  const msg = user_buffers(task, hdr);
  let done = call.progress;
  if (pipe.readers > 0 && !call.restarted) done = pipe_merge(pipe, msg, length);
  if (done < 0) return done;
  let err = 0;
  while (err === 0 && done < length) {
    if (pipe.readers === 0) err = -EPIPE;
    else if (pipe.full()) err = (open.f_flags & O_NONBLOCK) !== 0 ? -EAGAIN : pipe_wait(pipe.wr_wait, task);
    else {
      const page = pipe.new_page();
      const n = Math.min(PAGE_SIZE, length - done);
      err = page === 0 ? -ENOMEM : copy_from_buffers(pipe.kernel, page, msg, done, n);
      if (err === 0) {
        pipe.push(page, 0, n, true);
        done += n;
      } else if (page !== 0) {
        pipe.kernel.slab.put(page);
      }
    }
  }
  if (done > call.progress) pipe.wake_readers();
  call.progress = done;
  if (err === -ERESTARTSYS) return err;
  return done > 0 ? done : err;
}

function pipe_ioctl(open: file, command: number): number {
  return command === FIONREAD ? (open.private_data as pipe_inode_info).bytes() : -ENOTTY;
}

/** The read end, then the write end; what the other one is for is -EBADF. */
const read_end: file_operations = {
  poll(open, table) {
    const pipe = open.private_data as pipe_inode_info;
    if (table !== null) table.poll_wait(open, pipe.rd_wait);
    return (pipe.occupancy() > 0 ? POLLIN | POLLRDNORM : 0) | (pipe.writers === 0 ? POLLHUP : 0);
  },
  release(open) {
    const pipe = open.private_data as pipe_inode_info;
    pipe.readers = 0;
    if (pipe.writers === 0) pipe.clear();
    else pipe.wr_wait.wake_up_all(POLLOUT | POLLERR);
  },
  read: pipe_read,
  write: () => -EBADF,
  ioctl: pipe_ioctl,
};

const write_end: file_operations = {
  poll(open, table) {
    const pipe = open.private_data as pipe_inode_info;
    if (table !== null) table.poll_wait(open, pipe.wr_wait);
    return (pipe.full() ? 0 : POLLOUT | POLLWRNORM) | (pipe.readers === 0 ? POLLERR : 0);
  },
  release(open) {
    const pipe = open.private_data as pipe_inode_info;
    pipe.writers = 0;
    if (pipe.readers === 0) pipe.clear();
    else pipe.rd_wait.wake_up_all(POLLIN | POLLHUP);
  },
  read: () => -EBADF,
  write: pipe_write,
  ioctl: pipe_ioctl,
};

/** get_pipe_info: the pipe of a file, null when it is none. */
export function get_pipe_info(open: file): pipe_inode_info | null {
  return open.f_op === read_end || open.f_op === write_end ? (open.private_data as pipe_inode_info) : null;
}

/** do_pipe2: descriptors of the read end and the write end to `fds`. 0, -EINVAL (O_DIRECT's packets are not here), -EMFILE. */
export function sys_pipe2(task: task_struct, fds: number[], flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL;
  const pipe = new pipe_inode_info(task.kernel);
  const nonblock = flags & O_NONBLOCK;
  const reader = task.files.has_room() ? task.files.install(new file(read_end, pipe, O_RDONLY | nonblock)) : -EMFILE;
  if (reader < 0) return reader;
  if (!task.files.has_room()) {
    task.files.close(reader);
    return -EMFILE;
  }
  fds[0] = reader;
  fds[1] = task.files.install(new file(write_end, pipe, O_WRONLY | nonblock));
  return 0;
}
