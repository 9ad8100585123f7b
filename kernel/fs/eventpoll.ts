/** epoll (fs/eventpoll.c): level and edge triggered, one-shot, exclusive, nested. */
import { EBADF, EEXIST, EFAULT, EINVAL, ELOOP, ENOENT } from '../errno.ts';
import { ERESTARTSYS, schedule_hrtimeout, type task_struct } from '../sched/task.ts';
import { prepare_to_wait_exclusive_first, wait_queue_entry, wait_queue_head } from '../sched/wait.ts';
import { file, type file_operations, type file_watch, O_RDWR, type poll_table } from './file.ts';
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from './select.ts';

export const EPOLLIN = POLLIN;
export const EPOLLPRI = POLLPRI;
export const EPOLLOUT = POLLOUT;
export const EPOLLERR = POLLERR;
export const EPOLLHUP = POLLHUP;
export const EPOLLRDNORM = POLLRDNORM;
export const EPOLLRDBAND = POLLRDBAND;
export const EPOLLWRNORM = POLLWRNORM;
export const EPOLLWRBAND = POLLWRBAND;
export const EPOLLRDHUP = POLLRDHUP;
export const EPOLLEXCLUSIVE = 1 << 28;
export const EPOLLWAKEUP = 1 << 29;
export const EPOLLONESHOT = 1 << 30;
export const EPOLLET = 1 << 31;

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

/** What is left of an item's events when a one-shot has fired. */
const EP_PRIVATE_BITS = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
const EPOLLEXCLUSIVE_OK_BITS =
  EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
/** How deep epoll instances may watch each other. */
const EP_MAX_NESTS = 4;

/** struct epoll_event: what is watched, and what came of it. `data` is the program's own. Reusable. */
export class epoll_event {
  events: number;
  data: number;

  constructor(events = 0, data = 0) {
    this.events = events;
    this.data = data;
  }
}

/**
 * One file an instance watches (struct epitem). It is its own entry on the file's wait queue, as nearly every file has
 * one: a wake-up among very many items touches one object less.
 */
class epitem extends wait_queue_entry implements file_watch, poll_table {
  readonly ep: eventpoll;
  readonly file: file;
  readonly fd: number;
  events: number;
  data: number;
  /** Entries on further wait queues. */
  pwqlist: wait_queue_entry[] | null = null;
  /** Links of the ready list. */
  ready = false;
  rdl_prev: epitem | null = null;
  rdl_next: epitem | null = null;
  next_watch: file_watch | null = null;
  /** Another item of the instance under the same descriptor, whose file is still open elsewhere. */
  same_fd: epitem | null = null;

  constructor(ep: eventpoll, open: file, fd: number, events: number, data: number) {
    super(ep_poll_callback, null);
    this.ep = ep;
    this.file = open;
    this.fd = fd;
    this.events = events;
    this.data = data;
  }

  /** ep_ptable_queue_proc */
  poll_wait(_file: file, queue: wait_queue_head): void {
    let entry: wait_queue_entry = this;
    if (this.queue !== null) {
      entry = new wait_queue_entry(ep_poll_callback, this);
      this.pwqlist ??= [];
      this.pwqlist.push(entry);
    }
    if ((this.events & EPOLLEXCLUSIVE) !== 0) queue.add_exclusive(entry);
    else queue.add(entry);
  }

  /** eventpoll_release_file */
  file_released(): void {
    this.ep.remove(this, false);
  }
}

/** An epoll instance (struct eventpoll). */
class eventpoll {
  /** The instance as an open file. */
  readonly file: file = new file(eventpoll_fops, this, O_RDWR);
  /** Tasks in epoll_wait, and those that watch the instance itself. */
  readonly wq = new wait_queue_head();
  readonly poll_wait = new wait_queue_head();
  readonly items = new Map<number, epitem>();
  count = 0;
  /** The ready list: items whose file may have events. */
  first: epitem | null = null;
  last: epitem | null = null;

  push(item: epitem): void {
    if (item.ready) return;
    item.ready = true;
    item.rdl_next = null;
    item.rdl_prev = this.last;
    if (this.last !== null) this.last.rdl_next = item;
    else this.first = item;
    this.last = item;
  }

  unlink(item: epitem): void {
    if (!item.ready) return;
    if (item.rdl_prev !== null) item.rdl_prev.rdl_next = item.rdl_next;
    else this.first = item.rdl_next;
    if (item.rdl_next !== null) item.rdl_next.rdl_prev = item.rdl_prev;
    else this.last = item.rdl_prev;
    item.ready = false;
    item.rdl_prev = null;
    item.rdl_next = null;
  }

  find(open: file, fd: number): epitem | null {
    let item = this.items.get(fd) ?? null;
    while (item !== null && item.file !== open) item = item.same_fd;
    return item;
  }

  insert(item: epitem): void {
    item.same_fd = this.items.get(item.fd) ?? null;
    this.items.set(item.fd, item);
    this.count++;
    item.next_watch = item.file.f_ep;
    item.file.f_ep = item;
  }

  /** ep_remove. `unwatch`: the file lives on and must forget the item. */
  remove(item: epitem, unwatch: boolean): void {
    item.queue?.remove(item);
    if (item.pwqlist !== null) for (const entry of item.pwqlist) entry.queue?.remove(entry);
    item.pwqlist = null;
    this.unlink(item);
    let before: epitem | null = null;
    for (let i = this.items.get(item.fd) ?? null; i !== null && i !== item; i = i.same_fd) before = i;
    if (before !== null) before.same_fd = item.same_fd;
    else if (item.same_fd !== null) this.items.set(item.fd, item.same_fd);
    else this.items.delete(item.fd);
    this.count--;
    if (unwatch) {
      let watch: file_watch | null = null;
      for (let w = item.file.f_ep; w !== null && w !== item; w = w.next_watch) watch = w;
      if (watch !== null) watch.next_watch = item.next_watch;
      else item.file.f_ep = item.next_watch;
    }
  }

  /** Somebody shall look at the ready list. */
  wake(): void {
    if (this.wq.active()) this.wq.wake_up(EPOLLIN);
    if (this.poll_wait.active()) this.poll_wait.wake_up(EPOLLIN);
  }
}

/** A watched file announces events: its item becomes ready, whoever waits on the instance wakes. */
function ep_poll_callback(entry: wait_queue_entry, key: number): boolean {
  const item = (entry.private_data ?? entry) as epitem;
  const { ep } = item;
  // A one-shot that has fired is deaf until it is armed again.
  if ((item.events & ~EP_PRIVATE_BITS) === 0) return false;
  if (key !== 0 && (key & item.events) === 0) return false;
  ep.push(item);
  let woke = true;
  if ((item.events & EPOLLEXCLUSIVE) !== 0) {
    // An exclusive watcher that can take neither IN nor OUT has not used up the wake-up.
    const direction = key & (EPOLLIN | EPOLLOUT);
    woke = ep.wq.active() && (direction === 0 || (item.events & direction) !== 0);
  }
  ep.wake();
  return woke;
}

/** ep_item_poll */
function ep_item_poll(item: epitem, table: poll_table | null): number {
  return item.file.f_op.poll(item.file, table) & item.events;
}

const eventpoll_fops: file_operations = {
  /** ep_eventpoll_poll: an instance is readable when an item on its ready list still has events. */
  poll(open, table) {
    const ep = open.private_data as eventpoll;
    if (table !== null) table.poll_wait(open, ep.poll_wait);
    for (let item = ep.first; item !== null; ) {
      const next: epitem | null = item.rdl_next;
      if (ep_item_poll(item, null) !== 0) return EPOLLIN | EPOLLRDNORM;
      ep.unlink(item);
      item = next;
    }
    return 0;
  },
  release(open) {
    const ep = open.private_data as eventpoll;
    for (const item of [...ep.items.values()]) {
      for (let i: epitem | null = item; i !== null; i = i.same_fd) ep.remove(i, true);
    }
  },
};

/** epoll_create1: a descriptor, -EINVAL or -EMFILE. */
export function sys_epoll_create1(task: task_struct, flags: number): number {
  // EPOLL_CLOEXEC, which says nothing to a kernel without execve.
  if ((flags & ~0o2000000) !== 0) return -EINVAL;
  return task.files.install(new eventpoll().file);
}

/**
 * ep_loop_check_proc: how deep the instances below `to` watch each other; Infinity when one of them is `ep`, or when
 * they are nested too deep. `known` has what was looked at before: an instance may be reached on many ways.
 */
function ep_loop_check_proc(ep: eventpoll, to: eventpoll, depth: number, known: Map<eventpoll, number>): number {
  const before = known.get(to);
  if (before !== undefined) return before;
  let result = 0;
  // Meanwhile it counts as a leaf, as in Linux: a circle among the others there cannot be.
  known.set(to, 0);
  for (const item of to.items.values()) {
    for (let i: epitem | null = item; i !== null && result <= EP_MAX_NESTS; i = i.same_fd) {
      if (i.file.f_op !== eventpoll_fops) continue;
      const inner = i.file.private_data as eventpoll;
      if (inner === ep || depth > EP_MAX_NESTS) result = Infinity;
      else result = Math.max(result, ep_loop_check_proc(ep, inner, depth + 1, known) + 1);
    }
  }
  known.set(to, result);
  return result;
}

/** ep_get_upwards_depth_proc: how many instances above each other watch `open`. */
function ep_get_upwards_depth_proc(open: file, known: Map<file, number>): number {
  const before = known.get(open);
  if (before !== undefined) return before;
  let result = 0;
  for (let watch = open.f_ep; watch !== null; watch = watch.next_watch) {
    if (watch instanceof epitem) result = Math.max(result, ep_get_upwards_depth_proc(watch.ep.file, known) + 1);
  }
  known.set(open, result);
  return result;
}

/**
 * ep_loop_check: would `ep`, watching `to`, close a circle, or make a nest deeper than EP_MAX_NESTS, counted from the
 * outermost instance to the innermost? That bounds the recursion of wake-ups and polls too.
 */
function ep_loop_check(ep: eventpoll, to: eventpoll): boolean {
  if (ep === to) return true;
  const depth = ep_loop_check_proc(ep, to, 0, new Map());
  return depth + 1 + ep_get_upwards_depth_proc(ep.file, new Map()) > EP_MAX_NESTS;
}

/** How many ways of each length may lead from a file up to instances that nobody watches (path_limits). */
const path_limits = [Infinity, 500, 100, 50, 10];

/** reverse_path_check_proc: counts the ways up from `open` by their length. False: there are too many. */
function reverse_path_check_proc(open: file, depth: number, counts: number[]): boolean {
  if (depth > EP_MAX_NESTS) return false;
  for (let watch = open.f_ep; watch !== null; watch = watch.next_watch) {
    if (!(watch instanceof epitem)) continue;
    const outer = watch.ep.file;
    if (outer.f_ep !== null) {
      if (!reverse_path_check_proc(outer, depth + 1, counts)) return false;
    } else {
      const count = (counts[depth] as number) + 1;
      if (count > (path_limits[depth] as number)) return false;
      counts[depth] = count;
    }
  }
  return true;
}

/** The files at the ends of a nest: what is not an instance itself (tfile_check_list). */
function collect_leaves(open: file, leaves: Set<file>, seen: Set<file>): void {
  if (open.f_op !== eventpoll_fops) {
    leaves.add(open);
    return;
  }
  if (seen.has(open)) return;
  seen.add(open);
  for (const item of (open.private_data as eventpoll).items.values()) {
    for (let i: epitem | null = item; i !== null; i = i.same_fd) collect_leaves(i.file, leaves, seen);
  }
}

/** reverse_path_check: an event must not have too many ways to go. That bounds the breadth of wake-ups. */
function reverse_path_check(target: file): boolean {
  const leaves = new Set<file>();
  collect_leaves(target, leaves, new Set());
  for (const leaf of leaves) if (!reverse_path_check_proc(leaf, 0, [0, 0, 0, 0, 0])) return false;
  return true;
}

/**
 * epoll_ctl: 0, -EFAULT (no event), -EBADF, -EINVAL (not an instance, itself, misuse of EPOLLEXCLUSIVE, too many ways
 * for an event), -EEXIST, -ENOENT, -ELOOP. `event` is copied; null where the operation needs none.
 */
export function sys_epoll_ctl(
  task: task_struct,
  epfd: number,
  op: number,
  fd: number,
  event: epoll_event | null,
): number {
  // The event is copied from the program before anything is looked at.
  if (op !== EPOLL_CTL_DEL && event === null) return -EFAULT;
  const epfile = task.files.get(epfd);
  const target = task.files.get(fd);
  if (epfile === null || target === null) return -EBADF;
  if (epfile.f_op !== eventpoll_fops || epfile === target) return -EINVAL;
  const ep = epfile.private_data as eventpoll;
  const nested = target.f_op === eventpoll_fops;
  const wanted = event?.events ?? 0;
  if ((wanted & EPOLLEXCLUSIVE) !== 0 && op !== EPOLL_CTL_DEL) {
    if (op === EPOLL_CTL_MOD) return -EINVAL;
    if (op === EPOLL_CTL_ADD && (nested || (wanted & ~EPOLLEXCLUSIVE_OK_BITS) !== 0)) return -EINVAL;
  }
  if (op === EPOLL_CTL_ADD && nested && ep_loop_check(ep, target.private_data as eventpoll)) return -ELOOP;
  const item = ep.find(target, fd);
  switch (op) {
    case EPOLL_CTL_ADD:
      if (item !== null) return -EEXIST;
      return ep_insert(ep, target, fd, wanted | EPOLLERR | EPOLLHUP, event?.data ?? 0);
    case EPOLL_CTL_DEL:
      if (item === null) return -ENOENT;
      ep.remove(item, true);
      return 0;
    case EPOLL_CTL_MOD:
      if (item === null) return -ENOENT;
      if ((item.events & EPOLLEXCLUSIVE) !== 0) return -EINVAL;
      ep_modify(ep, item, wanted | EPOLLERR | EPOLLHUP, event?.data ?? 0);
      return 0;
    default:
      return -EINVAL;
  }
}

function ep_insert(ep: eventpoll, target: file, fd: number, events: number, data: number): number {
  const item = new epitem(ep, target, fd, events, data);
  ep.insert(item);
  // Only where instances watch instances there can be too many ways.
  if ((target.f_op === eventpoll_fops || ep.file.f_ep !== null) && !reverse_path_check(target)) {
    ep.remove(item, true);
    return -EINVAL;
  }
  // Joins the wait queues; what is ready already is announced at once.
  if (ep_item_poll(item, item) !== 0) {
    ep.push(item);
    ep.wake();
  }
  return 0;
}

function ep_modify(ep: eventpoll, item: epitem, events: number, data: number): void {
  item.events = events;
  item.data = data;
  if (ep_item_poll(item, null) !== 0) {
    ep.push(item);
    ep.wake();
  }
}

/**
 * epoll_wait: how many of `events` were filled in, at most `maxevents`. `timeout_ms` 0 does not wait, negative waits
 * for ever. 0 when the time is up; -EBADF, -EINVAL.
 */
export function sys_epoll_wait(
  task: task_struct,
  epfd: number,
  events: epoll_event[],
  maxevents: number,
  timeout_ms: number,
): number {
  if (!(maxevents > 0) || maxevents > events.length || !Number.isFinite(timeout_ms)) return -EINVAL;
  const open = task.files.get(epfd);
  if (open === null) return -EBADF;
  if (open.f_op !== eventpoll_fops) return -EINVAL;
  const ep = open.private_data as eventpoll;
  const sent = ep.first === null ? 0 : ep_send_events(ep, events, maxevents);
  if (sent > 0 || timeout_ms === 0) return sent;
  prepare_to_wait_exclusive_first(ep.wq, task);
  return schedule_hrtimeout(task, timeout_ms < 0 ? -1 : timeout_ms * 1e6) ? -ERESTARTSYS : 0;
}

/** ep_send_events: asks each ready item again; those still ready go to the program. */
function ep_send_events(ep: eventpoll, events: epoll_event[], maxevents: number): number {
  let sent = 0;
  // Level-triggered items go back behind the last one that was there at the start: each is looked at once.
  const stop = ep.last;
  for (let done = false; !done && sent < maxevents; ) {
    const item = ep.first as epitem;
    done = item === stop;
    ep.unlink(item);
    const revents = ep_item_poll(item, null);
    if (revents === 0) continue;
    const out = events[sent++] as epoll_event;
    out.events = revents;
    out.data = item.data;
    if ((item.events & EPOLLONESHOT) !== 0) item.events &= EP_PRIVATE_BITS;
    else if ((item.events & EPOLLET) === 0) ep.push(item);
  }
  return sent;
}
