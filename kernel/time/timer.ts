/**
 * Timers of jiffy granularity: Linux's hierarchical wheel (kernel/time/timer.c). Nine levels of 64 buckets, each level
 * eight times coarser than the one below. A timer's bucket is the one after that of its expiry, so that it never fires
 * early: one for the next jiffy lasts one to two ticks. Timers are not cascaded but fire late by up to one granule of
 * their level. The wheel owns one clock event, armed for the next bucket that holds a timer: idle timers cost nothing.
 */
import type { Clock, ClockEvent } from '../arch.ts';
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
/** Where the timers lie that the running turn has collected: behind all levels. */
const EXPIRED = LVL_SIZE * LVL_DEPTH;

const granularity = (level: number): number => 1 << (LVL_CLK_SHIFT * level);
/** The distance, in jiffies, at which a level begins (LVL_START). */
const level_start = (level: number): number => LVL_MASK * granularity(level - 1);
/** How often a level's granule fits into so many jiffies: nearly always small enough for a shift, which a division is not. */
const granules = (jiffies: number, level: number): number =>
  jiffies <= 0x7fffffff ? jiffies >> (LVL_CLK_SHIFT * level) : Math.floor(jiffies / granularity(level));
/** The first granule of a level that does not begin before this jiffy. */
const granule_from = (jiffy: number, level: number): number => granules(jiffy + granularity(level) - 1, level);
/** Timers further ahead than this are put at the wheel's capacity (WHEEL_TIMEOUT_CUTOFF, WHEEL_TIMEOUT_MAX). */
const WHEEL_TIMEOUT_CUTOFF = level_start(LVL_DEPTH);
const WHEEL_TIMEOUT_MAX = WHEEL_TIMEOUT_CUTOFF - granularity(LVL_DEPTH - 1);

export class timer_list {
  private readonly base: timer_base;
  readonly function: (timer: timer_list) => void;
  /** What it belongs to, for a function that many timers share (from_timer): cheaper than a closure for each. */
  readonly owner: unknown;
  /** Jiffy at which it was asked to expire. */
  expires = 0;
  /** Bucket it hangs in, -1 when it is not pending. */
  bucket = -1;
  /** Where it goes when that bucket is collected: the same one, unless it was moved to a later time meanwhile. */
  target = -1;
  prev: timer_list | null = null;
  next: timer_list | null = null;

  constructor(kernel: Kernel, fn: (timer: timer_list) => void, owner: unknown = null) {
    this.base = kernel.timers;
    this.function = fn;
    this.owner = owner;
  }

  /** timer_pending */
  pending(): boolean {
    return this.bucket >= 0;
  }

  /** mod_timer: arms, or moves, the timer to `expires` (jiffies). True when it was pending. */
  mod(expires: number): boolean {
    return this.base.mod(this, expires);
  }

  /** Arms the timer for the time `ns`: as many whole jiffies from now as reach it (jiffies + nsecs_to_jiffies). */
  mod_ns(ns: number): boolean {
    return this.base.mod(this, this.base.jiffies_at(ns));
  }

  /** timer_delete: true when it was pending. */
  del(): boolean {
    return this.base.remove(this);
  }
}

/** The wheel. Timers fire on CPU 0, in TIMER_SOFTIRQ. */
export class timer_base {
  private readonly kernel: Kernel;
  private readonly clock: Clock;
  private readonly event: ClockEvent;
  private readonly buckets: (timer_list | null)[];
  /** Timers per level: an empty level is skipped in the search for the next one. */
  private readonly population = new Int32Array(LVL_DEPTH + 1);
  /** All buckets before this jiffy have been collected. */
  private clk = 0;
  /** `jiffies` and `us` as they were asked for last, and when: several times at one moment, and a division each time would show. */
  private asked_at = 0.5;
  private asked = 0;
  private asked_us = 0;
  pending = 0;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.clock = kernel.clock;
    this.buckets = new Array<timer_list | null>(EXPIRED + 1).fill(null);
    this.event = kernel.clock.event('timer', () => kernel.local_timer(kernel.cpus[0] as Cpu));
  }

  /** jiffies: whole ticks since the simulation began. */
  jiffies(): number {
    const { now } = this.clock;
    if (now !== this.asked_at) this.look(now);
    return this.asked;
  }

  /** Whole microseconds since then. */
  us(): number {
    const { now } = this.clock;
    if (now !== this.asked_at) this.look(now);
    return this.asked_us;
  }

  private look(now: number): void {
    this.asked_at = now;
    this.asked = Math.floor(now / NSEC_PER_JIFFY);
    this.asked_us = Math.floor(now / 1000);
  }

  /** The jiffy for which a timer is armed that shall fire `ns` is reached. */
  jiffies_at(ns: number): number {
    return this.jiffies() + Math.max(0, Math.ceil((ns - this.kernel.clock.now) / NSEC_PER_JIFFY));
  }

  mod(timer: timer_list, expires: number): boolean {
    // What stays where it is is left alone (__mod_timer): TCP moves its timers with every segment.
    if (timer.bucket >= 0 && timer.expires === expires) return true;
    // forward_timer_base: the level is picked from the present, not from when the wheel last turned.
    const now = this.jiffies();
    if (now > this.clk) this.clk = Math.min(now, this.next_due());
    const bucket = this.calc_wheel_index(expires);
    timer.expires = expires;
    // To a later time: it stays on its list, whose neighbours may not have been looked at for long, until its bucket is
    // collected. TCP moves its timers so with every segment, and hardly any of them ever expires.
    const { bucket: at } = timer;
    if (at === bucket || (at >= 0 && at !== EXPIRED && this.due(at) < this.due(bucket))) {
      timer.target = bucket;
      return true;
    }
    const was = this.remove(timer);
    this.insert(timer, bucket);
    this.pending++;
    // What has been due already fires with the next tick.
    this.arm(Math.max(this.due(bucket), now + 1));
    return was;
  }

  /** At the head of a bucket. */
  private insert(timer: timer_list, bucket: number): void {
    timer.bucket = bucket;
    timer.target = bucket;
    const head = this.buckets[bucket] as timer_list | null;
    timer.next = head;
    timer.prev = null;
    if (head !== null) head.prev = timer;
    this.buckets[bucket] = timer;
    const level = bucket >> LVL_BITS;
    this.population[level] = (this.population[level] as number) + 1;
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

  /** calc_wheel_index: the bucket for a jiffy, one granule of its level behind it, so that it is never early. */
  private calc_wheel_index(expires: number): number {
    const delta = expires - this.clk;
    if (delta < 0) return this.clk & LVL_MASK;
    if (delta >= WHEEL_TIMEOUT_CUTOFF) expires = this.clk + WHEEL_TIMEOUT_MAX;
    let level = 0;
    while (level < LVL_DEPTH - 1 && delta >= level_start(level + 1)) level++;
    // calc_index
    return (level << LVL_BITS) + ((granules(expires, level) + 1) & LVL_MASK);
  }

  /** The jiffy at which a non-empty bucket is due. */
  private due(bucket: number): number {
    const level = bucket >> LVL_BITS;
    const unit = granularity(level);
    const base = granule_from(this.clk, level);
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
      const base = granule_from(this.clk, level);
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
    if (this.buckets[EXPIRED] !== null || this.next_due() <= this.jiffies()) raise_softirq(cpu, TIMER_SOFTIRQ);
    else this.rearm();
  }

  private rearm(): void {
    const next = this.next_due();
    if (next < Infinity) this.arm(next);
  }

  /** run_timer_softirq: one timer a slice. True: more are due. */
  run(): boolean {
    while (this.buckets[EXPIRED] === null) {
      const due = this.next_due();
      if (due > this.jiffies()) {
        this.rearm();
        return false;
      }
      this.collect(due);
    }
    const timer = this.buckets[EXPIRED] as timer_list;
    this.remove(timer);
    const tp = this.kernel.trace.timer_expire;
    if (tp !== null) tp(timer.expires);
    timer.function(timer);
    return true;
  }

  /**
   * collect_expired_timers: what is due at a jiffy, the coarsest level first. What their functions arm lies behind it,
   * even for this very jiffy.
   */
  private collect(due: number): void {
    this.clk = due + 1;
    // At the head each time: so the last to be moved are the first to run.
    for (let level = 0; level < LVL_DEPTH; level++) {
      const unit = granularity(level);
      if (due % unit !== 0) break;
      const bucket = (level << LVL_BITS) + ((due / unit) & LVL_MASK);
      let timer = this.buckets[bucket] as timer_list | null;
      if (timer === null) continue;
      while (timer.next !== null) timer = timer.next;
      for (let each: timer_list | null = timer; each !== null; ) {
        const before: timer_list | null = each.prev;
        const { target } = each;
        this.remove(each);
        this.pending++;
        this.insert(each, target === bucket ? EXPIRED : target);
        each = before;
      }
    }
  }
}
