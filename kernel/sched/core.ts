/** The scheduler: a run queue per CPU, round robin, preemption between system call slices (kernel/sched/core.c). */

import type { Kernel } from '../kernel.ts';
import { assert } from '../lib/assert.ts';
import type { Cpu } from './cpu.ts';
import { finish_wait, type Program, TASK_DEAD, TASK_RUNNING, TASK_WAKING, task_struct } from './task.ts';

/** sched_base_slice for one CPU, in ns: how long a task runs before another runnable one gets its turn. */
const BASE_SLICE_NS = 700_000;

/** The slice grows with the number of CPUs, up to eight (update_sysctl with SCHED_TUNABLESCALING_LOG). */
function base_slice(kernel: Kernel): number {
  return BASE_SLICE_NS * (1 + Math.floor(Math.log2(Math.min(kernel.arch.cpus, 8))));
}

/** Runnable tasks, first in first out. */
export class run_queue {
  private first: task_struct | null = null;
  private last: task_struct | null = null;
  nr_running = 0;

  enqueue(task: task_struct): void {
    if (task.on_rq) return;
    task.on_rq = true;
    task.next = null;
    if (this.last !== null) this.last.next = task;
    else this.first = task;
    this.last = task;
    this.nr_running++;
  }

  dequeue(): task_struct | null {
    const task = this.first;
    if (task === null) return null;
    this.first = task.next;
    if (this.first === null) this.last = null;
    task.next = null;
    task.on_rq = false;
    this.nr_running--;
    return task;
  }
}

/** need_resched: another task is waiting, and the present one has had its slice, or there is none. */
export function need_resched(cpu: Cpu): boolean {
  if (cpu.rq.nr_running === 0) return false;
  const { current } = cpu;
  if (current === null || current.state !== TASK_RUNNING) return true;
  return cpu.kernel.clock.now - current.vruntime_start >= cpu.kernel.sched.slice_ns;
}

/** Runs one slice of the task whose turn it is. False: nothing is runnable. */
export function run_task(cpu: Cpu): boolean {
  const kernel = cpu.kernel;
  const clock = kernel.clock;
  let task = cpu.current;
  // ksoftirqd cannot be preempted while a softirq session of its own runs: bottom halves are disabled.
  const keep =
    task !== null && task.state === TASK_RUNNING && !task.on_rq && (cpu.ksoftirqd_session || !need_resched(cpu));
  if (!keep) {
    if (task !== null && task.state === TASK_RUNNING) cpu.rq.enqueue(task);
    const next = cpu.rq.dequeue();
    if (next === null) {
      cpu.current = null;
      return false;
    }
    if (next !== task) clock.now += kernel.cost.context_switch;
    next.vruntime_start = clock.now;
    cpu.current = next;
    task = next;
  } else if ((task as task_struct).vruntime_start === Number.NEGATIVE_INFINITY) {
    // It gave up the CPU, and nobody else wants it: its turn begins anew.
    (task as task_struct).vruntime_start = clock.now;
  }
  assert(task !== null, 'run_task without a task');
  if (task.thread !== null) {
    if (!task.thread(cpu)) task.state = 1;
    return true;
  }
  kernel.sched.resume(task);
  return true;
}

/** sched_ttwu_pending: tasks that other CPUs woke go on the run queue, each at the time it was woken. */
export function ttwu_pending(cpu: Cpu, t: number): void {
  const { waking } = cpu;
  for (let i = 0; i < waking.length; ) {
    const task = waking[i] as task_struct;
    if (task.state === TASK_WAKING && task.wake_at > t) {
      cpu.wake_at(task.wake_at);
      i++;
      continue;
    }
    waking.splice(i, 1);
    if (task.state !== TASK_WAKING) continue;
    task.state = TASK_RUNNING;
    if (cpu.current !== task) cpu.rq.enqueue(task);
  }
}

export class Scheduler {
  private readonly kernel: Kernel;
  readonly slice_ns: number;
  readonly tasks = new Map<number, task_struct>();
  private next_pid = 1;
  /** Called when a task has ended, with what ended it: a leftover error is the program's bug. */
  on_exit: ((task: task_struct) => void) | null = null;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.slice_ns = base_slice(kernel);
  }

  private create(comm: string, cpu: Cpu, leader: task_struct | null = null): task_struct {
    const task = new task_struct(this.kernel, this.next_pid++, comm, cpu, leader);
    this.tasks.set(task.pid, task);
    return task;
  }

  /**
   * Starts a user program; `make` gets its task and returns the generator. It first runs at the clock's `now`.
   * @param leader whose thread it is: files and memory are shared (clone with CLONE_FILES and CLONE_VM)
   */
  spawn(comm: string, make: (task: task_struct) => Program, cpu = 0, leader: task_struct | null = null): task_struct {
    const task = this.create(comm, this.kernel.cpus[cpu] as Cpu, leader);
    task.program = make(task);
    task.cpu.rq.enqueue(task);
    task.cpu.kick();
    return task;
  }

  /** kthread_create: a body that runs one slice at a time. It sleeps until woken. */
  kthread(comm: string, cpu: Cpu, thread: (cpu: Cpu) => boolean): task_struct {
    const task = this.create(comm, cpu);
    task.thread = thread;
    task.state = 1;
    return task;
  }

  /** Makes a sleeping task runnable on its CPU. False when it was not asleep. */
  try_to_wake_up(task: task_struct): boolean {
    if (task.state === TASK_RUNNING || task.state === TASK_WAKING || task.state === TASK_DEAD) return false;
    const kernel = this.kernel;
    kernel.clock.now += kernel.cost.wakeup;
    const tp = kernel.trace.sched_wakeup;
    if (tp !== null) tp(task);
    if (task.cpu !== kernel.cpu && kernel.clock.now > kernel.clock.time) {
      // ttwu_queue_wakelist: it is runnable from now on, not from the event's time on.
      task.state = TASK_WAKING;
      task.wake_at = kernel.clock.now;
      task.cpu.waking.push(task);
      task.cpu.kick();
      return true;
    }
    task.state = TASK_RUNNING;
    // Still the CPU's current task (it has not been switched out yet): it just goes on.
    if (task.cpu.current !== task) task.cpu.rq.enqueue(task);
    task.cpu.kick();
    return true;
  }

  /** Runs a user program to its next suspension. */
  resume(task: task_struct): void {
    assert(task.program !== null, 'resume of a kernel thread');
    // It was killed while it waited for its turn.
    if (task.state === TASK_DEAD) return;
    let result: IteratorResult<undefined, number | undefined>;
    try {
      result = task.program.next();
    } catch (error) {
      this.do_exit(task, 1, error);
      return;
    }
    if (task.call.bug !== null) this.die(task, task.call.bug.error);
    if (result.done === true) this.do_exit(task, result.value ?? 0, null);
  }

  /** A bug of the kernel's own: the task never runs again, nothing of it is tidied up, and the run ends here. */
  private die(task: task_struct, error: unknown): never {
    task.state = TASK_DEAD;
    this.tasks.delete(task.pid);
    throw error;
  }

  /** Ends a task: closes its files, gives back its memory, tells who waits. */
  do_exit(task: task_struct, code: number, error: unknown): void {
    if (task.state === TASK_DEAD) return;
    task.exit_code = code;
    task.exit_error = error;
    finish_wait(task);
    task.poll?.free();
    task.state = TASK_DEAD;
    task.files.exit();
    task.mm.exit();
    this.tasks.delete(task.pid);
    for (const waiter of task.exit_wait) waiter(task);
    this.on_exit?.(task);
  }

  /** Kills every task (the host is being torn down). */
  kill_all(): void {
    for (const task of [...this.tasks.values()]) if (task.program !== null) this.do_exit(task, 137, null);
  }
}
