/** Wait queues (kernel/sched/wait.c). */
import { TASK_INTERRUPTIBLE, type task_struct } from './task.ts';

export const WQ_FLAG_EXCLUSIVE = 1;

/** Called on a wake-up with `key` (a poll mask, 0 for any). True when it woke somebody. */
export type wait_queue_func = (entry: wait_queue_entry, key: number) => boolean;

export class wait_queue_entry {
  readonly func: wait_queue_func;
  readonly private_data: unknown;
  flags = 0;
  queue: wait_queue_head | null = null;
  prev: wait_queue_entry | null = null;
  next: wait_queue_entry | null = null;

  constructor(func: wait_queue_func, private_data: unknown) {
    this.func = func;
    this.private_data = private_data;
  }
}

/** A list of entries: non-exclusive ones in front, exclusive ones behind. */
export class wait_queue_head {
  wq_first: wait_queue_entry | null = null;
  wq_last: wait_queue_entry | null = null;

  /** waitqueue_active */
  active(): boolean {
    return this.wq_first !== null;
  }

  /** add_wait_queue: in front of the others. */
  add(entry: wait_queue_entry): void {
    entry.queue = this;
    entry.prev = null;
    entry.next = this.wq_first;
    if (this.wq_first !== null) this.wq_first.prev = entry;
    else this.wq_last = entry;
    this.wq_first = entry;
  }

  /** add_wait_queue_exclusive: behind the others, and a wake-up stops after the first such entry it wakes. */
  add_exclusive(entry: wait_queue_entry): void {
    entry.flags |= WQ_FLAG_EXCLUSIVE;
    entry.queue = this;
    entry.next = null;
    entry.prev = this.wq_last;
    if (this.wq_last !== null) this.wq_last.next = entry;
    else this.wq_first = entry;
    this.wq_last = entry;
  }

  remove(entry: wait_queue_entry): void {
    if (entry.queue !== this) return;
    if (entry.prev !== null) entry.prev.next = entry.next;
    else this.wq_first = entry.next;
    if (entry.next !== null) entry.next.prev = entry.prev;
    else this.wq_last = entry.prev;
    entry.queue = null;
    entry.prev = null;
    entry.next = null;
  }

  /** __wake_up: every non-exclusive entry and `nr_exclusive` exclusive ones (0: all). */
  wake_up(key: number, nr_exclusive = 1): void {
    let entry = this.wq_first;
    while (entry !== null) {
      const next: wait_queue_entry | null = entry.next;
      const exclusive = (entry.flags & WQ_FLAG_EXCLUSIVE) !== 0;
      if (entry.func(entry, key) && exclusive && --nr_exclusive === 0) return;
      entry = next;
    }
  }

  wake_up_all(key = 0): void {
    this.wake_up(key, 0);
  }
}

/** Wakes the task behind the entry and takes the entry off the queue. */
export function autoremove_wake_function(entry: wait_queue_entry, key: number): boolean {
  const task = entry.private_data as task_struct;
  if (key !== 0 && task.wait_key !== 0 && (key & task.wait_key) === 0) return false;
  if (!task.kernel.sched.try_to_wake_up(task)) return false;
  entry.queue?.remove(entry);
  return true;
}

/** prepare_to_wait: the running task will sleep on `queue` when its system call returns -ERESTARTSYS. */
export function prepare_to_wait(queue: wait_queue_head, task: task_struct, key = 0): void {
  task.wait_key = key;
  task.wait.flags &= ~WQ_FLAG_EXCLUSIVE;
  if (task.wait.queue === null) queue.add(task.wait);
  task.state = TASK_INTERRUPTIBLE;
}

/** __add_wait_queue_exclusive: as prepare_to_wait_exclusive, but in front of the others: who came last is woken first. */
export function prepare_to_wait_exclusive_first(queue: wait_queue_head, task: task_struct): void {
  task.wait_key = 0;
  task.wait.flags |= WQ_FLAG_EXCLUSIVE;
  if (task.wait.queue === null) queue.add(task.wait);
  task.state = TASK_INTERRUPTIBLE;
}

export function prepare_to_wait_exclusive(queue: wait_queue_head, task: task_struct, key = 0): void {
  task.wait_key = key;
  if (task.wait.queue === null) queue.add_exclusive(task.wait);
  task.state = TASK_INTERRUPTIBLE;
}

/**
 * schedule_timeout for a restartable system call: sets the sleep to end at `call.deadline` (set from `timeout_ns` in
 * the first slice; negative: never). False when the time is up and the call must give up.
 */
export function schedule_timeout(task: task_struct, timeout_ns: number): boolean {
  const { call, kernel } = task;
  if (timeout_ns < 0) return true;
  if (call.deadline === 0) call.deadline = kernel.clock.now + timeout_ns;
  if (kernel.clock.now >= call.deadline) {
    task.state = 0;
    task.wait.queue?.remove(task.wait);
    return false;
  }
  task.timed_out = false;
  task.timer.mod_ns(call.deadline);
  return true;
}
