/**
 * Pacing: packets leave as far apart as the rate wants it (net/ipv4/tcp_output.c: tcp_pacing_check, tcp_pace_kick;
 * net/core/sock.c: SO_MAX_PACING_RATE). Either the qdisc (fq) waits until a packet's time, or TCP does, with a timer.
 */
import { hrtimer } from '../../time/hrtimer.ts';
import { NSEC_PER_JIFFY } from '../../time/timer.ts';
import { own_opts, type sock } from '../core/sock.ts';
import {
  own_slow,
  SK_PACING_FQ,
  SK_PACING_NEEDED,
  SK_PACING_NONE,
  SK_PACING_UNLIMITED,
  type tcp_sock,
} from './tcp_sock.ts';
import type { tcp_opts } from './tcp_sock_slow.ts';
import { tcp_queue_tsq } from './tcp_tsq.ts';

/** As sch_fq does: the first segments of a connection go at once. */
const UNPACED_SEGS = 10;

/** SO_MAX_PACING_RATE, sk_max_pacing_rate being set: bytes a second, SK_PACING_UNLIMITED for no limit. TCP sees to it itself where no fq does. */
export function tcp_set_max_pacing_rate(sk_: sock, rate: number): void {
  const sk = sk_ as tcp_sock;
  const opts = own_opts<tcp_opts>(sk);
  if (rate !== SK_PACING_UNLIMITED && opts.sk_pacing_status === SK_PACING_NONE) {
    opts.sk_pacing_status = SK_PACING_NEEDED;
  }
  tcp_limit_pacing_rate(sk, sk.sk_pacing_rate);
}

/** An fq below keeps to the times that packets carry: no timer here. */
export function tcp_fq_paces(sk: sock): void {
  const tp = sk as tcp_sock;
  if (tp.opts.sk_pacing_status !== SK_PACING_FQ) own_opts<tcp_opts>(tp).sk_pacing_status = SK_PACING_FQ;
}

export function tcp_pacing_rate(sk: sock): number {
  return (sk as tcp_sock).sk_pacing_rate;
}

/** The rate, bytes a second, as far as the program allows it. */
export function tcp_limit_pacing_rate(sk: tcp_sock, rate: number): void {
  const max = sk.opts.sk_max_pacing_rate;
  sk.sk_pacing_rate = max !== SK_PACING_UNLIMITED && rate > max ? max : rate;
}

/** tcp_pacing_check: is it too early for the next packet? Then the timer sends it. */
export function tcp_pacing_check(sk: tcp_sock): boolean {
  if (sk.opts.sk_pacing_status !== SK_PACING_NEEDED || sk.slow.tcp_wstamp_ns <= sk.kernel.clock.now) return false;
  let timer = sk.slow.pacing_timer;
  if (timer === null) {
    timer = new hrtimer(sk.kernel, 'tcp_pacing', () => tcp_queue_tsq(sk));
    own_slow(sk).pacing_timer = timer;
  }
  if (!timer.active()) timer.start(sk.slow.tcp_wstamp_ns);
  return true;
}

/** tcp_pacing_delay: jiffies until the next packet may go. Timers that wait for an answer to it begin then. */
export function tcp_pacing_delay(sk: tcp_sock): number {
  if (sk.opts.sk_pacing_status === SK_PACING_NONE) return 0;
  return Math.floor(Math.max(0, sk.slow.tcp_wstamp_ns - sk.kernel.clock.now) / NSEC_PER_JIFFY);
}

/** tcp_update_skb_after_send's part: `len` bytes were sent: when the next may be. `prior`: tcp_wstamp_ns before them. */
export function tcp_pace_after_send(sk: tcp_sock, len: number, prior: number): void {
  const rate = sk.sk_pacing_rate;
  if (rate === SK_PACING_UNLIMITED || rate === 0 || sk.data_segs_out < UNPACED_SEGS) return;
  const len_ns = Math.floor((len * 1e9) / rate);
  // Who was late makes up for half of it.
  const credit = Math.min(Math.floor(len_ns / 2), sk.slow.tcp_wstamp_ns - prior);
  own_slow(sk).tcp_wstamp_ns += len_ns - credit;
}
