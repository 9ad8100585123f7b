/**
 * A CPU and what runs on it, in three levels: hard interrupts preempt softirqs, softirqs preempt tasks.
 *
 * Everything that runs is a context: it runs to its end in JavaScript at one event time, charging `clock.now`, and so
 * occupies its level until `clock.now`. The next context of the level, or of a lower one, starts when the level is
 * free. A context of a higher level that starts inside a lower one's interval pushes its end out by what it costs:
 * hard interrupts steal from softirqs, softirqs from tasks.
 */
import type { ClockEvent } from '../arch.ts';
import { handle_irq } from '../irq/manage.ts';
import type { Kernel } from '../kernel.ts';
import { call_function_interrupt, type call_single_data } from '../smp.ts';
import { softirq_slice } from '../softirq.ts';
import { local_timer_interrupt } from '../time/hrtimer.ts';
import { run_queue, run_task, ttwu_pending } from './core.ts';
import type { task_struct } from './task.ts';

/** More contexts than this at one instant: time stands still, a program spins without ever costing anything. */
const CONTEXTS_PER_INSTANT_MAX = 50_000_000;

/** Where CPU time went, in ns. */
export interface CpuTimes {
  hardirq: number;
  softirq: number;
  task: number;
}

export class Cpu {
  readonly id: number;
  readonly kernel: Kernel;
  readonly event: ClockEvent;
  /** Until when each level is occupied. */
  hard_end = 0;
  soft_end = 0;
  task_end = 0;
  /** Interrupts delivered and not yet handled, first in first out. */
  private readonly irqs: Int32Array;
  private irq_head = 0;
  private irq_count = 0;
  /** The local timer interrupt (LOC) is pending. */
  timer_pending = false;

  /** Function calls from other CPUs that have arrived (CAL); how many there were. */
  private readonly calls: call_single_data[] = [];
  call_count = 0;

  /** Softirq state (kernel/softirq.ts). */
  softirq_pending = 0;
  /** Not before this time may a softirq start: when it was raised. */
  softirq_raised_at = 0;
  softirq_active = 0;
  softirq_running = false;
  softirq_started_at = 0;
  softirq_restarts = 0;
  /** The present action has begun and has more slices to run. */
  softirq_in_action = false;
  /** What is pending was left to ksoftirqd: it waits for ksoftirqd's turn or the next interrupt's exit. */
  softirq_deferred = false;
  /** The softirqs belong to ksoftirqd until it has drained them. */
  ksoftirqd_session = false;

  readonly rq = new run_queue();
  /** Woken by other CPUs, each at its `wake_at`. */
  readonly waking: task_struct[] = [];
  current: task_struct | null = null;
  ksoftirqd: task_struct | null = null;

  readonly times: CpuTimes = { hardirq: 0, softirq: 0, task: 0 };
  /** 0 outside any context, else 1 task, 2 softirq, 3 hard interrupt. */
  context = 0;
  private dispatching = false;
  private contexts = 0;
  private instant = -1;

  constructor(kernel: Kernel, id: number) {
    this.kernel = kernel;
    this.id = id;
    this.irqs = new Int32Array(kernel.arch.intc.lines);
    this.event = kernel.clock.event(`cpu${id}`, () => this.dispatch());
  }

  /** An interrupt arrives, at the clock's event time. */
  interrupt(irq: number): void {
    const { irqs } = this;
    let at = this.irq_head + this.irq_count;
    if (at >= irqs.length) at -= irqs.length;
    irqs[at] = irq;
    this.irq_count++;
    this.kick();
  }

  /** Another CPU's function call arrives, at the clock's event time. */
  call(csd: call_single_data): void {
    this.calls.push(csd);
    this.kick();
  }

  /** There is something new to run from `clock.now` on. */
  kick(): void {
    const clock = this.kernel.clock;
    if (this.dispatching && clock.now === clock.time) return;
    if (!this.event.armed || this.event.at > clock.now) clock.schedule(this.event, clock.now);
  }

  /** Runs every context that may start now. */
  private dispatch(): void {
    const kernel = this.kernel;
    const clock = kernel.clock;
    const t = clock.time;
    if (t !== this.instant) {
      this.instant = t;
      this.contexts = 0;
    }
    this.dispatching = true;
    kernel.cpu = this;
    if (this.waking.length > 0) ttwu_pending(this, t);
    for (;;) {
      if (++this.contexts > CONTEXTS_PER_INSTANT_MAX) throw new Error(`cpu${this.id}: time stands still at ${t} ns`);
      if (this.hard_end > t) {
        this.wake_at(this.hard_end);
        break;
      }
      if (this.timer_pending) {
        this.timer_pending = false;
        this.run_hard(-1);
        continue;
      }
      if (this.calls.length > 0) {
        this.run_hard(-2);
        continue;
      }
      if (this.irq_count > 0) {
        const irq = this.irqs[this.irq_head] as number;
        this.irq_head = this.irq_head + 1 === this.irqs.length ? 0 : this.irq_head + 1;
        this.irq_count--;
        this.run_hard(irq);
        continue;
      }
      if (this.soft_end > t) {
        this.wake_at(this.soft_end);
        break;
      }
      if (!this.ksoftirqd_session && (this.softirq_running || (this.softirq_pending !== 0 && !this.softirq_deferred))) {
        if (!this.softirq_running && this.softirq_raised_at > t) {
          this.wake_at(this.softirq_raised_at);
          break;
        }
        this.run_soft();
        continue;
      }
      if (this.task_end > t) {
        this.wake_at(this.task_end);
        break;
      }
      if (!this.run_task()) break;
    }
    this.dispatching = false;
    clock.now = t;
  }

  wake_at(at: number): void {
    if (!this.event.armed || this.event.at > at) this.kernel.clock.schedule(this.event, at);
  }

  private run_hard(irq: number): void {
    const clock = this.kernel.clock;
    const start = clock.time;
    clock.now = start;
    this.context = 3;
    if (irq === -1) local_timer_interrupt(this);
    else if (irq === -2) call_function_interrupt(this, this.calls.shift() as call_single_data);
    else handle_irq(this.kernel, irq);
    this.context = 0;
    // irq_exit runs what is pending, whoever it was left to (Linux since 6.4).
    this.softirq_deferred = false;
    const cost = clock.now - start;
    this.times.hardirq += cost;
    this.hard_end = clock.now;
    if (this.soft_end > start) this.soft_end += cost;
    if (this.task_end > start) this.task_end += cost;
    clock.now = start;
  }

  private run_soft(): void {
    const clock = this.kernel.clock;
    const start = clock.time;
    clock.now = start;
    this.context = 2;
    softirq_slice(this);
    this.context = 0;
    const cost = clock.now - start;
    this.times.softirq += cost;
    this.soft_end = clock.now;
    if (this.task_end > start) this.task_end += cost;
    clock.now = start;
  }

  /** Runs one slice of a task; false when there is none. */
  private run_task(): boolean {
    const clock = this.kernel.clock;
    const start = clock.time;
    clock.now = start;
    const in_ksoftirqd = this.ksoftirqd_session;
    this.context = in_ksoftirqd ? 2 : 1;
    const ran = run_task(this);
    this.context = 0;
    const cost = clock.now - start;
    if (this.current === this.ksoftirqd) this.times.softirq += cost;
    else this.times.task += cost;
    this.task_end = clock.now;
    clock.now = start;
    return ran;
  }
}
