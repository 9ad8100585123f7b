/**
 * Timers of jiffy granularity: Linux's hierarchical wheel (kernel/time/timer.c). Eight levels of 64 buckets, each
 * level eight times coarser than the one below; timers are not cascaded but expire late by up to one granule of their level.
 * The wheel owns one clock event, armed for the next bucket that holds a timer: idle timers cost nothing.
 */
import type { ClockEvent } from '../arch.ts';
import type { Kernel } from '../kernel.ts';
import type { Cpu } from '../sched/cpu.ts';
import { raise_softirq, TIMER_SOFTIRQ } from '../softirq.ts';

/** Ticks per second. */
export const HZ = 1000;
export const NSEC_PER_JIFFY = 1_000_000_000 / HZ;

const LVL_BITS = 6;
const LVL_SIZE = 1 << LVL_BITS;
const LVL_MASK = LVL_SIZE - 1;
const LVL_CLK_SHIFT = 3;
const LVL_DEPTH = 9;
/** The latest a timer can lie ahead, in jiffies; later ones are clamped. */
const WHEEL_TIMEOUT_MAX = LVL_MASK * 2 ** (LVL_CLK_SHIFT * (LVL_DEPTH - 1));

const granularity = (level: number): number => 2 ** (LVL_CLK_SHIFT * level);

export class timer_list {
  private readonly base: timer_base;
  readonly function: (timer: timer_list) => void;
  /** Jiffy at which it was asked to expire. */
  expires = 0;
  /** Bucket it hangs in, -1 when it is not pending. */
  bucket = -1;
  prev: timer_list | null = null;
  next: timer_list | null = null;

  constructor(kernel: Kernel, fn: (timer: timer_list) => void) {
    this.base = kernel.timers;
    this.function = fn;
  }

  /** timer_pending */
  pending(): boolean {
    return this.bucket >= 0;
  }

  /** mod_timer: arms, or moves, the timer to `expires` (jiffies). True when it was pending. */
  mod(expires: number): boolean {
    return this.base.mod(this, expires);
  }

  /** Arms the timer for the first tick at or after the time `ns`. */
  mod_ns(ns: number): boolean {
    return this.base.mod(this, Math.ceil(ns / NSEC_PER_JIFFY));
  }

  /** timer_delete: true when it was pending. */
  del(): boolean {
    return this.base.remove(this);
  }
}

/** The wheel. Timers fire on CPU 0, in TIMER_SOFTIRQ. */
export class timer_base {
  private readonly kernel: Kernel;
  private readonly event: ClockEvent;
  private readonly buckets: (timer_list | null)[];
  /** Timers per level: an empty level is skipped in the search for the next one. */
  private readonly population = new Int32Array(LVL_DEPTH);
  /** All buckets before this jiffy have been run. */
  private clk = 0;
  pending = 0;
  /** A timer's function runs: what it arms for the present jiffy is due with the next one (base->clk++ in Linux). */
  private running = false;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.buckets = new Array<timer_list | null>(LVL_SIZE * LVL_DEPTH).fill(null);
    this.event = kernel.clock.event('timer', () => kernel.local_timer(kernel.cpus[0] as Cpu));
  }

  /** jiffies: whole ticks since the simulation began. */
  jiffies(): number {
    return Math.floor(this.kernel.clock.now / NSEC_PER_JIFFY);
  }

  mod(timer: timer_list, expires: number): boolean {
    const was = this.remove(timer);
    if (this.running && expires <= this.clk) expires = this.clk + 1;
    // forward_timer_base: the level is picked from the present, not from when the wheel last turned.
    const now = this.jiffies();
    if (now > this.clk) this.clk = Math.min(now, this.next_due());
    timer.expires = expires;
    const bucket = this.bucket_for(expires);
    timer.bucket = bucket;
    const head = this.buckets[bucket] as timer_list | null;
    timer.next = head;
    timer.prev = null;
    if (head !== null) head.prev = timer;
    this.buckets[bucket] = timer;
    const level = bucket >> LVL_BITS;
    this.population[level] = (this.population[level] as number) + 1;
    this.pending++;
    this.arm(this.due(bucket));
    return was;
  }

  remove(timer: timer_list): boolean {
    const bucket = timer.bucket;
    if (bucket < 0) return false;
    if (timer.prev !== null) timer.prev.next = timer.next;
    else this.buckets[bucket] = timer.next;
    if (timer.next !== null) timer.next.prev = timer.prev;
    timer.prev = null;
    timer.next = null;
    timer.bucket = -1;
    const level = bucket >> LVL_BITS;
    this.population[level] = (this.population[level] as number) - 1;
    this.pending--;
    return true;
  }

  /** calc_wheel_index: the bucket for a jiffy, rounded up to the granularity of its level. */
  private bucket_for(expires: number): number {
    let ahead = expires - this.clk;
    if (ahead < 0) {
      expires = this.clk;
      ahead = 0;
    } else if (ahead > WHEEL_TIMEOUT_MAX) {
      expires = this.clk + WHEEL_TIMEOUT_MAX;
      ahead = WHEEL_TIMEOUT_MAX;
    }
    let level = 0;
    while (level < LVL_DEPTH - 1 && ahead >= LVL_MASK * granularity(level)) level++;
    const unit = granularity(level);
    return (level << LVL_BITS) + (Math.ceil(expires / unit) % LVL_SIZE);
  }

  /** The jiffy at which a non-empty bucket is due. */
  private due(bucket: number): number {
    const unit = granularity(bucket >> LVL_BITS);
    const base = Math.ceil(this.clk / unit);
    return (base + (((bucket & LVL_MASK) - base) & LVL_MASK)) * unit;
  }

  private arm(jiffy: number): void {
    const at = Math.max(jiffy * NSEC_PER_JIFFY, this.kernel.clock.now);
    if (!this.event.armed || this.event.at > at) this.kernel.clock.schedule(this.event, at);
  }

  /** The earliest jiffy at which a bucket is due, Infinity for none. */
  private next_due(): number {
    if (this.pending === 0) return Infinity;
    let next = Infinity;
    for (let level = 0; level < LVL_DEPTH; level++) {
      if (this.population[level] === 0) continue;
      const unit = granularity(level);
      const base = Math.ceil(this.clk / unit);
      for (let i = 0; i < LVL_SIZE && (base + i) * unit < next; i++) {
        if (this.buckets[(level << LVL_BITS) + ((base + i) & LVL_MASK)] !== null) {
          next = (base + i) * unit;
          break;
        }
      }
    }
    return next;
  }

  /** From the timer interrupt: anything due is left to TIMER_SOFTIRQ, else the event is armed again. */
  hard_interrupt(cpu: Cpu): void {
    if (this.next_due() <= this.jiffies()) raise_softirq(cpu, TIMER_SOFTIRQ);
    else this.rearm();
  }

  private rearm(): void {
    const next = this.next_due();
    if (next < Infinity) this.arm(next);
  }

  /** run_timer_softirq: one timer a slice. True: more are due. */
  run(): boolean {
    const now = this.jiffies();
    const due = this.next_due();
    if (due > now) {
      this.clk = Math.max(this.clk, now + 1);
      this.rearm();
      return false;
    }
    this.clk = due;
    for (let level = LVL_DEPTH - 1; level >= 0; level--) {
      const unit = granularity(level);
      if (due % unit !== 0) continue;
      const timer = this.buckets[(level << LVL_BITS) + ((due / unit) & LVL_MASK)];
      if (timer) {
        this.remove(timer);
        const tp = this.kernel.trace.timer_expire;
        if (tp !== null) tp(timer.expires);
        this.running = true;
        try {
          timer.function(timer);
        } finally {
          this.running = false;
        }
        return true;
      }
    }
    return true;
  }
}
