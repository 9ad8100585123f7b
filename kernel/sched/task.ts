/** Tasks: user programs as generators, kernel threads as functions. */
import { files_struct } from '../fs/file.ts';
import type { poll_wqueues } from '../fs/select.ts';
import type { Kernel } from '../kernel.ts';
import { mm_struct } from '../mm/mmap.ts';
import { hrtimer } from '../time/hrtimer.ts';
import { timer_list } from '../time/timer.ts';
import type { Cpu } from './cpu.ts';
import { autoremove_wake_function, wait_queue_entry } from './wait.ts';

export const TASK_RUNNING = 0;
export const TASK_INTERRUPTIBLE = 1;
export const TASK_DEAD = 2;
/** Woken by another CPU at `wake_at`, not yet on its run queue. */
export const TASK_WAKING = 3;

/** A system call's slice returned this: it would block, has put the task to sleep, and runs again after the wake-up. */
export const ERESTARTSYS = 512;

/** No time of the clock, in ns, is later. */
const KTIME_MAX = Number.MAX_SAFE_INTEGER;

/** What a user program is: every system call is a `yield*`, its value the call's result (negative: an errno). */
export type Program = Generator<undefined, number | undefined, undefined>;

/** A system call body. Returns ≥ 0, a negative errno, or -ERESTARTSYS after putting the task to sleep. */
export type SyscallFn<A, B, C, D, E, F> = (task: task_struct, a: A, b: B, c: C, d: D, e: E, f: F) => number;
type AnySyscall = (task: task_struct, a: unknown, b: unknown, c: unknown, d: unknown, e: unknown, f: unknown) => number;

/**
 * The system call a task is in: an iterator that the program delegates to with `yield*`. One per task and reused, so
 * that a call allocates nothing. Each `next` runs one slice.
 */
export class syscall implements Iterator<undefined, number, undefined> {
  private readonly task: task_struct;
  private readonly step: { done: boolean; value: number | undefined } = { done: false, value: undefined };
  private fn: AnySyscall | null = null;
  private a: unknown;
  private b: unknown;
  private c: unknown;
  private d: unknown;
  private e: unknown;
  private f: unknown;
  private finished = false;
  private result = 0;
  private calls = 0;
  /** What the kernel threw in this call. */
  bug: { readonly error: unknown } | null = null;
  /** True in every slice after the first one. */
  restarted = false;
  /** Scratch that survives a restart: bytes done so far, and the time (ns) at which a timed wait gives up, 0 for none. */
  progress = 0;
  deadline = 0;
  /** When the last of the bytes done so far arrived (ns): tcp_recvmsg's, of use only with `progress`. */
  stamp = 0;
  /** When the call as a whole gives up (ns), for calls of several parts. */
  end = 0;
  /** What the call holds while it sleeps. */
  held: unknown = null;

  constructor(task: task_struct) {
    this.task = task;
  }

  begin(fn: unknown, a?: unknown, b?: unknown, c?: unknown, d?: unknown, e?: unknown, f?: unknown): this {
    this.fn = fn as AnySyscall;
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
    this.e = e;
    this.f = f;
    this.finished = false;
    this.restarted = false;
    this.progress = 0;
    this.deadline = 0;
    this.held = null;
    return this;
  }

  [Symbol.iterator](): this {
    return this;
  }

  /**
   * The kernel's part: all of it, so that nothing of the kernel's is thrown into the program, which might catch it. A
   * bug suspends the program for good, and Scheduler.resume throws it.
   */
  private slice(): number {
    const { task } = this;
    const { kernel } = task;
    const fn = this.fn as AnySyscall;
    try {
      if (this.restarted) {
        finish_wait(task);
      } else {
        const enter = kernel.trace.sys_enter;
        if (enter !== null) enter(task, fn.name);
        kernel.clock.now += kernel.cost.syscall;
      }
      const { a, b, c, d, e, f } = this;
      const result = fn(task, a, b, c, d, e, f);
      if (result === -ERESTARTSYS) return result;
      const tp = kernel.trace.sys_exit;
      if (tp !== null) tp(task, fn.name, result);
      const { observer } = kernel;
      if (observer !== null) observer.sys_exit(task, fn.name, result, a, b, c, d, e, f);
      return result;
    } catch (error) {
      this.bug = { error };
      return -ERESTARTSYS;
    }
  }

  next(): IteratorResult<undefined, number> {
    const task = this.task;
    const step = this.step;
    if (this.finished) {
      step.done = true;
      step.value = this.result;
      return step as IteratorResult<undefined, number>;
    }
    const clock = task.kernel.clock;
    const result = this.slice();
    this.restarted = true;
    if (result === -ERESTARTSYS) {
      step.done = false;
      step.value = undefined;
      return step as IteratorResult<undefined, number>;
    }
    this.result = result;
    this.finished = true;
    // With costs on, a system call is a slice of its own: what it took must pass before the program goes on. And so
    // must the softirqs it raised, as local_bh_enable runs them in Linux: what was sent over the loopback has arrived.
    // Nor may a program that only polls keep the CPU for ever where calls cost nothing.
    if ((++this.calls & 1023) === 0) task.vruntime_start = Number.NEGATIVE_INFINITY;
    const resched = task.vruntime_start === Number.NEGATIVE_INFINITY;
    const done = clock.now === clock.time && task.cpu.softirq_pending === 0 && !resched;
    step.done = done;
    step.value = done ? result : undefined;
    return step as IteratorResult<undefined, number>;
  }
}

export class task_struct {
  readonly kernel: Kernel;
  readonly pid: number;
  readonly comm: string;
  cpu: Cpu;
  state = TASK_RUNNING;
  on_rq = false;
  /** A user program; null for a kernel thread. */
  program: Program | null = null;
  /** A kernel thread's body: one slice; false when it has nothing more to do and sleeps. */
  thread: ((cpu: Cpu) => boolean) | null = null;
  readonly call: syscall;
  readonly files: files_struct;
  exit_code = 0;
  /** The error that ended the program, when one did. */
  exit_error: unknown = null;
  readonly exit_wait: wait_entry_list = [];
  /** The entry with which the task waits on one queue, and the timer that ends a timed wait. */
  readonly wait: wait_queue_entry;
  readonly timer: timer_list;
  timed_out = false;
  /** Which announcements end its wait, 0 for any. */
  wait_key = 0;
  wake_at = 0;
  /** The timer of ns resolution that ends a sleep of nanosleep, poll or epoll_wait; made when first used. */
  hrtimer: hrtimer | null = null;
  /** What `poll` waits on, made when first used. */
  poll: poll_wqueues | null = null;
  readonly mm: mm_struct;
  vruntime_start = 0;
  next: task_struct | null = null;

  /** `leader`: whose files and memory the task shares; null: it gets its own. */
  constructor(kernel: Kernel, pid: number, comm: string, cpu: Cpu, leader: task_struct | null = null) {
    this.kernel = kernel;
    this.pid = pid;
    this.comm = comm;
    this.cpu = cpu;
    this.call = new syscall(this);
    this.files = leader?.files ?? new files_struct();
    this.mm = leader?.mm ?? new mm_struct(kernel);
    if (leader !== null) {
      leader.files.users++;
      leader.mm.users++;
    }
    this.wait = new wait_queue_entry(autoremove_wake_function, this);
    this.timer = new timer_list(kernel, () => {
      this.timed_out = true;
      this.kernel.sched.try_to_wake_up(this);
    });
  }
}

type wait_entry_list = ((task: task_struct) => void)[];

/** After a sleep: leaves the queue the task waited on and stops its timer (finish_wait). */
export function finish_wait(task: task_struct): void {
  task.state = TASK_RUNNING;
  if (task.wait.queue !== null) task.wait.queue.remove(task.wait);
  if (task.timer.pending()) task.timer.del();
  if (task.hrtimer !== null) task.hrtimer.cancel();
}

/**
 * schedule_hrtimeout: as schedule_timeout, but the sleep ends at `call.deadline` to the ns (nanosleep, poll and
 * epoll_wait use it in Linux too). `timeout_ns` negative, or beyond what the clock can say (KTIME_MAX): never. False
 * when the time is up.
 */
export function schedule_hrtimeout(task: task_struct, timeout_ns: number): boolean {
  const { call, kernel } = task;
  task.state = TASK_INTERRUPTIBLE;
  if (timeout_ns < 0 || timeout_ns > KTIME_MAX - kernel.clock.now) return true;
  if (call.deadline === 0) call.deadline = Math.ceil(kernel.clock.now + timeout_ns);
  if (kernel.clock.now >= call.deadline) {
    finish_wait(task);
    return false;
  }
  task.hrtimer ??= new hrtimer(kernel, `task ${task.pid}`, () => void kernel.sched.try_to_wake_up(task), task.cpu.id);
  task.hrtimer.start(call.deadline);
  return true;
}
