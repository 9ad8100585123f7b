/**
 * CoDel (RFC 8289, include/net/codel_impl.h): drops from a queue whose packets have all waited longer than `target`
 * for a whole `interval`, at a rate that rises with the square root of the drops. Times are 32-bit counts of 1024 ns,
 * which wrap.
 */
import { INET_ECN_set_ce } from '../core/inet_ecn.ts';
import type { sk_buff } from '../core/skbuff.ts';

export type codel_time = number;

export const codel_get_time = (ns: number): codel_time => Math.floor(ns / 1024) | 0;
export const codel_from_us = (us: number): codel_time => Math.floor((us * 1000) / 1024) | 0;
export const codel_to_us = (time: codel_time): number => Math.floor(((time >>> 0) * 1024) / 1000);
export const CODEL_DISABLED_THRESHOLD = 0x7fffffff;

const after = (a: codel_time, b: codel_time): boolean => ((a - b) | 0) > 0;
const after_eq = (a: codel_time, b: codel_time): boolean => ((a - b) | 0) >= 0;
const before = (a: codel_time, b: codel_time): boolean => ((a - b) | 0) < 0;

export class codel_params {
  target: codel_time = codel_from_us(5000);
  interval: codel_time = codel_from_us(100_000);
  /** Packets that waited longer are marked, whatever CoDel says. */
  ce_threshold: codel_time = CODEL_DISABLED_THRESHOLD;
  /** A backlog of no more than this is no standing queue. */
  mtu = 0;
  ecn = false;
}

/** One queue's state (codel_vars). */
export class codel_vars {
  /** Drops in this dropping state, and when it was entered last. */
  count = 0;
  lastcount = 0;
  dropping = false;
  /** 1 / sqrt(count), 16 bits behind the point. */
  rec_inv_sqrt = 0;
  /** When the sojourn time will have been above target for an interval; 0: it is not. */
  first_above_time: codel_time = 0;
  drop_next: codel_time = 0;
  /** The sojourn time of the last packet. */
  ldelay: codel_time = 0;

  reset(): void {
    this.count = 0;
    this.lastcount = 0;
    this.dropping = false;
    this.rec_inv_sqrt = 0;
    this.first_above_time = 0;
    this.drop_next = 0;
    this.ldelay = 0;
  }
}

export class codel_stats {
  maxpacket = 0;
  /** Since somebody last looked: what the ancestors are still to be told. */
  drop_count = 0;
  drop_len = 0;
  ecn_mark = 0;
  ce_mark = 0;
}

/** Whose queue it is: the callbacks of codel_dequeue. cb0 is a packet's length, cb1 when it was enqueued. */
export interface codel_queue {
  readonly cparams: codel_params;
  readonly cstats: codel_stats;
  /** Bytes that wait in all. */
  backlog(): number;
  now(): codel_time;
  dequeue_func(vars: codel_vars): sk_buff | null;
  drop_func(skb: sk_buff): void;
}

/** codel_Newton_step: x (3 - count x²) / 2, which converges to 1 / sqrt(count). */
function newton_step(vars: codel_vars): void {
  const x = vars.rec_inv_sqrt / 0x10000;
  vars.rec_inv_sqrt = Math.max(0, Math.floor(((x * (3 - vars.count * x * x)) / 2) * 0x10000)) & 0xffff;
}

/** codel_control_law: the next drop, interval / sqrt(count) later. */
function control_law(t: codel_time, interval: codel_time, rec_inv_sqrt: number): codel_time {
  return (t + Math.floor((interval * rec_inv_sqrt) / 0x10000)) | 0;
}

function should_drop(q: codel_queue, vars: codel_vars, skb: sk_buff | null, now: codel_time): boolean {
  if (skb === null) {
    vars.first_above_time = 0;
    return false;
  }
  const { cparams, cstats } = q;
  vars.ldelay = (now - skb.cb1) | 0;
  if (skb.cb0 > cstats.maxpacket) cstats.maxpacket = skb.cb0;
  if (before(vars.ldelay, cparams.target) || q.backlog() <= cparams.mtu) {
    vars.first_above_time = 0;
    return false;
  }
  if (vars.first_above_time === 0) {
    vars.first_above_time = (now + cparams.interval) | 0;
    return false;
  }
  return after(now, vars.first_above_time);
}

function drop(q: codel_queue, skb: sk_buff): void {
  q.cstats.drop_len += skb.cb0;
  q.cstats.drop_count++;
  q.drop_func(skb);
}

/** codel_dequeue: the next packet that is not dropped, or null. */
export function codel_dequeue(q: codel_queue, vars: codel_vars): sk_buff | null {
  const { cparams, cstats } = q;
  let skb = q.dequeue_func(vars);
  if (skb === null) {
    vars.dropping = false;
    return null;
  }
  const now = q.now();
  let over = should_drop(q, vars, skb, now);
  if (vars.dropping) {
    if (!over) vars.dropping = false;
    while (vars.dropping && after_eq(now, vars.drop_next)) {
      vars.count++;
      newton_step(vars);
      if (cparams.ecn && INET_ECN_set_ce(skb as sk_buff)) {
        cstats.ecn_mark++;
        vars.drop_next = control_law(vars.drop_next, cparams.interval, vars.rec_inv_sqrt);
        break;
      }
      drop(q, skb as sk_buff);
      skb = q.dequeue_func(vars);
      if (!should_drop(q, vars, skb, now)) vars.dropping = false;
      else vars.drop_next = control_law(vars.drop_next, cparams.interval, vars.rec_inv_sqrt);
    }
  } else if (over) {
    if (cparams.ecn && INET_ECN_set_ce(skb)) {
      cstats.ecn_mark++;
    } else {
      drop(q, skb);
      skb = q.dequeue_func(vars);
      over = should_drop(q, vars, skb, now);
    }
    vars.dropping = true;
    // When the last dropping state ended not long ago, its drop rate is a good start for this one.
    const delta = vars.count - vars.lastcount;
    if (delta > 1 && before((now - vars.drop_next) | 0, 16 * cparams.interval)) {
      vars.count = delta;
      newton_step(vars);
    } else {
      vars.count = 1;
      vars.rec_inv_sqrt = 0xffff;
    }
    vars.lastcount = vars.count;
    vars.drop_next = control_law(now, cparams.interval, vars.rec_inv_sqrt);
  }
  if (skb !== null && after(vars.ldelay, cparams.ce_threshold) && INET_ECN_set_ce(skb)) cstats.ce_mark++;
  return skb;
}
