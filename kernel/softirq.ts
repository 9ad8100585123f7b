/**
 * Softirqs (kernel/softirq.c): work that an interrupt leaves for the time after it.
 *
 * An action runs in slices, each a context of its own, so that an interrupt can come between two packets. A round
 * takes what is pending, as handle_softirqs does; rounds repeat until nothing is pending, 2 ms have passed or ten
 * rounds were run; what is pending then is left to ksoftirqd.
 */
import type { Kernel } from './kernel.ts';
import { need_resched } from './sched/core.ts';
import type { Cpu } from './sched/cpu.ts';
import { TASK_RUNNING } from './sched/task.ts';

export const HI_SOFTIRQ = 0;
export const TIMER_SOFTIRQ = 1;
export const NET_TX_SOFTIRQ = 2;
export const NET_RX_SOFTIRQ = 3;
export const NR_SOFTIRQS = 10;
export const softirq_names = [
  'HI',
  'TIMER',
  'NET_TX',
  'NET_RX',
  'BLOCK',
  'IRQ_POLL',
  'TASKLET',
  'SCHED',
  'HRTIMER',
  'RCU',
];

const MAX_SOFTIRQ_TIME_NS = 2_000_000;
const MAX_SOFTIRQ_RESTART = 10;

/** One slice of a softirq's action. True: it has more to do in this round. */
export type softirq_action = (cpu: Cpu) => boolean;

/** open_softirq: registers an action for good. */
export function open_softirq(kernel: Kernel, nr: number, action: softirq_action): void {
  kernel.softirq_vec[nr] = action;
}

/** raise_softirq on the running CPU: the action runs when the interrupt or system call slice has ended. */
export function raise_softirq(cpu: Cpu, nr: number): void {
  const clock = cpu.kernel.clock;
  const tp = cpu.kernel.trace.softirq_raise;
  if (tp !== null) tp(nr);
  if (cpu.softirq_pending === 0) cpu.softirq_raised_at = clock.now;
  cpu.softirq_pending |= 1 << nr;
  cpu.kick();
}

/** Runs one slice of the present round, starting one when none runs. */
export function softirq_slice(cpu: Cpu): void {
  const kernel = cpu.kernel;
  const clock = kernel.clock;
  if (!cpu.softirq_running) {
    cpu.softirq_running = true;
    cpu.softirq_started_at = clock.now;
    cpu.softirq_restarts = MAX_SOFTIRQ_RESTART;
    clock.now += kernel.cost.softirq_entry;
  }
  if (cpu.softirq_active === 0) {
    cpu.softirq_active = cpu.softirq_pending;
    cpu.softirq_pending = 0;
  }
  const nr = 31 - Math.clz32(cpu.softirq_active & -cpu.softirq_active);
  const action = kernel.softirq_vec[nr] as softirq_action | null;
  if (!cpu.softirq_in_action) {
    cpu.softirq_in_action = true;
    const entry = kernel.trace.softirq_entry;
    if (entry !== null) entry(nr);
  }
  if (action?.(cpu)) return;
  cpu.softirq_in_action = false;
  const exit = kernel.trace.softirq_exit;
  if (exit !== null) exit(nr);
  const stat = kernel.softirq_stat[cpu.id] as Int32Array;
  stat[nr] = (stat[nr] as number) + 1;
  cpu.softirq_active &= ~(1 << nr);
  if (cpu.softirq_active !== 0) return;
  if (cpu.softirq_pending !== 0) {
    const goes_on =
      clock.now - cpu.softirq_started_at < MAX_SOFTIRQ_TIME_NS && --cpu.softirq_restarts > 0 && !need_resched(cpu);
    if (goes_on) return;
    const tp = kernel.trace.wakeup_softirqd;
    if (tp !== null) tp(cpu.id);
    wakeup_softirqd(cpu);
    cpu.softirq_deferred = true;
  }
  cpu.softirq_running = false;
}

function wakeup_softirqd(cpu: Cpu): void {
  const task = cpu.ksoftirqd;
  if (task !== null && task.state !== TASK_RUNNING) cpu.kernel.sched.try_to_wake_up(task);
}

/** run_ksoftirqd: one slice. False: nothing is pending, sleep. */
export function run_ksoftirqd(cpu: Cpu): boolean {
  if (!cpu.softirq_running && cpu.softirq_pending === 0) return false;
  cpu.ksoftirqd_session = true;
  cpu.softirq_deferred = false;
  softirq_slice(cpu);
  if (cpu.softirq_running) return true;
  cpu.ksoftirqd_session = false;
  return cpu.softirq_pending !== 0;
}
