/** poll(2), select(2), and the masks that poll and epoll share (fs/select.c, asm-generic/poll.h). */
import { EBADF, EINVAL } from '../errno.ts';
import { ERESTARTSYS, schedule_hrtimeout, type task_struct } from '../sched/task.ts';
import { wait_queue_entry, type wait_queue_head } from '../sched/wait.ts';
import type { file, poll_table } from './file.ts';

export const POLLIN = 0x0001;
export const POLLPRI = 0x0002;
export const POLLOUT = 0x0004;
export const POLLERR = 0x0008;
export const POLLHUP = 0x0010;
export const POLLNVAL = 0x0020;
export const POLLRDNORM = 0x0040;
export const POLLRDBAND = 0x0080;
export const POLLWRNORM = 0x0100;
export const POLLWRBAND = 0x0200;
export const POLLMSG = 0x0400;
export const POLLRDHUP = 0x2000;

/** One descriptor to watch (struct pollfd). Reusable. */
export class pollfd {
  fd: number;
  events: number;
  revents = 0;

  constructor(fd: number, events: number) {
    this.fd = fd;
    this.events = events;
  }
}

/** An entry of poll's on one wait queue (struct poll_table_entry). */
class poll_table_entry {
  readonly wait: wait_queue_entry;
  /** The events it is there for. */
  key = 0;

  constructor(task: task_struct) {
    this.wait = new wait_queue_entry(pollwake, this);
    this.task = task;
  }

  readonly task: task_struct;
}

/** Wakes the task when an event it asked for is announced. */
function pollwake(wait: wait_queue_entry, key: number): boolean {
  const entry = wait.private_data as poll_table_entry;
  if (key !== 0 && (key & entry.key) === 0) return false;
  return entry.task.kernel.sched.try_to_wake_up(entry.task);
}

/** All the wait queues one poll waits on (struct poll_wqueues). One per task; its entries are used again. */
export class poll_wqueues implements poll_table {
  private readonly task: task_struct;
  private readonly entries: poll_table_entry[] = [];
  private used = 0;
  key = 0;

  constructor(task: task_struct) {
    this.task = task;
  }

  poll_wait(_file: file, queue: wait_queue_head): void {
    let entry = this.entries[this.used];
    if (entry === undefined) {
      entry = new poll_table_entry(this.task);
      this.entries.push(entry);
    }
    this.used++;
    entry.key = this.key;
    queue.add(entry.wait);
  }

  /** poll_freewait */
  free(): void {
    for (let i = 0; i < this.used; i++) {
      const { wait } = this.entries[i] as poll_table_entry;
      wait.queue?.remove(wait);
    }
    this.used = 0;
  }
}

/** do_pollfd: fills in revents. True when it is not zero. */
function do_pollfd(task: task_struct, entry: pollfd, table: poll_wqueues | null): boolean {
  entry.revents = 0;
  if (entry.fd < 0) return false;
  const open = task.files.get(entry.fd);
  if (open === null) {
    entry.revents = POLLNVAL;
    return true;
  }
  const filter = entry.events | POLLERR | POLLHUP;
  if (table !== null) table.key = filter;
  entry.revents = open.f_op.poll(open, table) & filter;
  return entry.revents !== 0;
}

/**
 * poll: how many of the first `nfds` descriptors have events. `timeout_ms` 0 does not wait, negative waits for ever.
 * Returns 0 when the time is up, or -EINVAL (too many, or a timeout that is no number).
 */
export function sys_poll(task: task_struct, fds: pollfd[], nfds: number, timeout_ms: number): number {
  return sys_ppoll(task, fds, nfds, timeout_ms < 0 ? -1 : timeout_ms * 1e6);
}

/** ppoll: as poll, with a timeout in ns. */
export function sys_ppoll(task: task_struct, fds: pollfd[], nfds: number, timeout_ns: number): number {
  task.poll?.free();
  if (!(nfds >= 0) || nfds > task.files.limit || nfds > fds.length || !Number.isFinite(timeout_ns)) return -EINVAL;
  task.poll ??= new poll_wqueues(task);
  const table = timeout_ns === 0 ? null : task.poll;
  let count = 0;
  for (let i = 0; i < nfds; i++) {
    // Once one is ready there will be no wait: the others are only asked.
    if (do_pollfd(task, fds[i] as pollfd, count > 0 ? null : table)) count++;
  }
  if (count === 0 && table !== null && schedule_hrtimeout(task, timeout_ns < 0 ? -1 : timeout_ns)) return -ERESTARTSYS;
  table?.free();
  return count;
}

/** Descriptors select can name (__FD_SETSIZE). */
export const FD_SETSIZE = 1024;

/** fd_set: a bit for each descriptor. Reusable. */
export class fd_set {
  private readonly bits = new Int32Array(FD_SETSIZE / 32);

  /** FD_SET, FD_CLR, FD_ISSET, FD_ZERO: `fd` below FD_SETSIZE. */
  set(fd: number): void {
    this.bits[fd >> 5] = (this.bits[fd >> 5] as number) | (1 << (fd & 31));
  }

  clear(fd: number): void {
    this.bits[fd >> 5] = (this.bits[fd >> 5] as number) & ~(1 << (fd & 31));
  }

  has(fd: number): boolean {
    return (((this.bits[fd >> 5] as number) >>> (fd & 31)) & 1) !== 0;
  }

  zero(): void {
    this.bits.fill(0);
  }

  /** All of it, 32 descriptors in each. */
  words(): readonly number[] {
    return [...this.bits];
  }
}

const POLLIN_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
const POLLOUT_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
const POLLEX_SET = POLLPRI;

/** What of a descriptor's events each set wants: bits 1, 2, 4 for read, write, except. */
function select_ready(task: task_struct, fd: number, want: number, table: poll_wqueues | null): number {
  const open = task.files.get(fd) as file;
  // Errors and hang-ups wake whoever waits for anything.
  let key = POLLERR | POLLHUP;
  if ((want & 1) !== 0) key |= POLLIN_SET;
  if ((want & 2) !== 0) key |= POLLOUT_SET;
  if ((want & 4) !== 0) key |= POLLEX_SET;
  if (table !== null) table.key = key;
  const mask = open.f_op.poll(open, table);
  let ready = 0;
  if ((mask & POLLIN_SET) !== 0) ready |= want & 1;
  if ((mask & POLLOUT_SET) !== 0) ready |= want & 2;
  if ((mask & POLLEX_SET) !== 0) ready |= want & 4;
  return ready;
}

/**
 * select (core_sys_select): how many bits are left in the sets, which then hold the ready descriptors below `nfds`.
 * `timeout_ns` 0 does not wait, negative waits for ever. -EINVAL, -EBADF (a descriptor that is not open); the sets are
 * then as before.
 */
export function sys_select(
  task: task_struct,
  nfds: number,
  readfds: fd_set | null,
  writefds: fd_set | null,
  exceptfds: fd_set | null,
  timeout_ns: number,
): number {
  task.poll?.free();
  if (!(nfds >= 0) || nfds > FD_SETSIZE || !Number.isFinite(timeout_ns)) return -EINVAL;
  task.poll ??= new poll_wqueues(task);
  const table = timeout_ns === 0 ? null : task.poll;
  const wanted = (fd: number): number =>
    (readfds?.has(fd) === true ? 1 : 0) | (writefds?.has(fd) === true ? 2 : 0) | (exceptfds?.has(fd) === true ? 4 : 0);
  for (let fd = 0; fd < nfds; fd++) if (wanted(fd) !== 0 && task.files.get(fd) === null) return -EBADF;
  let any = false;
  for (let fd = 0; fd < nfds; fd++) {
    const want = wanted(fd);
    if (want !== 0 && select_ready(task, fd, want, any ? null : table) !== 0) any = true;
  }
  if (!any && table !== null && schedule_hrtimeout(task, timeout_ns < 0 ? -1 : timeout_ns)) return -ERESTARTSYS;
  table?.free();
  let count = 0;
  for (let fd = 0; fd < nfds; fd++) {
    const want = wanted(fd);
    if (want === 0) continue;
    const ready = select_ready(task, fd, want, null);
    if ((want & ~ready & 1) !== 0) readfds?.clear(fd);
    if ((want & ~ready & 2) !== 0) writefds?.clear(fd);
    if ((want & ~ready & 4) !== 0) exceptfds?.clear(fd);
    count += (ready & 1) + ((ready >> 1) & 1) + (ready >> 2);
  }
  return count;
}

/** nanosleep: 0 after `ns` nanoseconds, -EINVAL for a negative time or one that is no number. */
export function sys_nanosleep(task: task_struct, ns: number): number {
  if (!(ns >= 0 && ns < Infinity)) return -EINVAL;
  return ns > 0 && schedule_hrtimeout(task, ns) ? -ERESTARTSYS : 0;
}
