/** Timers of ns resolution (kernel/time/hrtimer.c) and the local timer interrupt that serves both kinds. */
import type { ClockEvent } from '../arch.ts';
import type { Kernel } from '../kernel.ts';
import type { Cpu } from '../sched/cpu.ts';

/** Runs its function in hard interrupt context on its CPU. Each owns one clock event. */
export class hrtimer {
  private readonly kernel: Kernel;
  private readonly event: ClockEvent;
  readonly function: () => void;
  expired = false;

  constructor(kernel: Kernel, name: string, fn: () => void, cpu = 0) {
    this.kernel = kernel;
    this.function = fn;
    this.event = kernel.clock.event(name, () => {
      this.expired = true;
      const target = kernel.cpus[cpu] as Cpu;
      (kernel.hrtimers_due[target.id] as hrtimer[]).push(this);
      kernel.local_timer(target);
    });
  }

  /** hrtimer_start: at the absolute time `ns`. */
  start(ns: number): void {
    if (!this.active()) this.kernel.hrtimers_active++;
    this.expired = false;
    this.kernel.clock.schedule(this.event, Math.max(Math.ceil(ns), this.kernel.clock.now));
  }

  /** hrtimer_cancel */
  cancel(): void {
    if (!this.active()) return;
    this.kernel.hrtimers_active--;
    this.expired = false;
    this.kernel.clock.cancel(this.event);
  }

  active(): boolean {
    return this.event.armed || this.expired;
  }
}

/** The local APIC timer's interrupt: high-resolution timers that are due, then the wheel. */
export function local_timer_interrupt(cpu: Cpu): void {
  const kernel = cpu.kernel;
  kernel.clock.now += kernel.cost.timer_irq;
  kernel.local_timer_count[cpu.id] = (kernel.local_timer_count[cpu.id] as number) + 1;
  const due = kernel.hrtimers_due[cpu.id] as hrtimer[];
  for (let i = 0; i < due.length; i++) {
    const timer = due[i] as hrtimer;
    if (!timer.expired) continue;
    timer.expired = false;
    kernel.hrtimers_active--;
    timer.function();
  }
  due.length = 0;
  if (cpu.id === 0) kernel.timers.hard_interrupt(cpu);
}
