/** Congestion control, pluggable (net/ipv4/tcp_cong.c), and Reno (RFC 5681). */
import { EBUSY, EEXIST, ENOENT, EPERM } from '../../errno.ts';
import { type dst_entry, dst_metric, dst_metric_locked } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { own_opts, TCP_CLOSE } from '../core/sock.ts';
import { RTAX_CC_ALGO } from './fib.ts';
import { cubic } from './tcp_cubic.ts';
import { tcp_is_cwnd_limited } from './tcp_cwnd.ts';
import { tcp_sacktag_state } from './tcp_sack.ts';
import {
  ack_sample,
  own_slow,
  rate_sample,
  TCP_CA_Open,
  type tcp_congestion_ops,
  tcp_in_slow_start,
  type tcp_sock,
} from './tcp_sock.ts';

/** What receiving ACKs keeps per net, and the algorithms that are there; called once, when TCP starts. */
export function tcp_cong_init(net: net): void {
  const { ipv4 } = net;
  ipv4.tcp_rs = new rate_sample();
  ipv4.tcp_ack_sample = new ack_sample();
  ipv4.tcp_sack_state = new tcp_sacktag_state();
  ipv4.tcp_random = net.kernel.arch.random('tcp.input');
  tcp_register_congestion_control(net, tcp_reno);
  tcp_register_congestion_control(net, cubic);
}

/** tcp_register_congestion_control: 0 or -EEXIST. */
export function tcp_register_congestion_control(net: net, ca: tcp_congestion_ops): number {
  const list = net.ipv4.tcp_cong_list;
  if (list.some(({ name }) => name === ca.name)) return -EEXIST;
  list.push(ca);
  return 0;
}

/** tcp_ca_find */
export function tcp_ca_find(net: net, name: string): tcp_congestion_ops | null {
  return net.ipv4.tcp_cong_list.find(ca => ca.name === name) ?? null;
}

/** tcp_ca_get_key_by_name: a number for an algorithm, as a route's metric holds it; 0 for one that is not there. */
export function tcp_ca_get_key_by_name(net: net, name: string): number {
  return net.ipv4.tcp_cong_list.findIndex(ca => ca.name === name) + 1;
}

/** tcp_ca_get_name_by_key */
export function tcp_ca_get_name_by_key(net: net, key: number): string {
  return net.ipv4.tcp_cong_list[key - 1]?.name ?? '';
}

/** tcp_ca_dst_init: the route may want an algorithm (`congctl`), and, locked, no other. False: it wants none. */
export function tcp_ca_dst_init(sk: tcp_sock, dst: dst_entry): boolean {
  if (dst.metrics === null) return false;
  const ca = sk.sk_net.ipv4.tcp_cong_list[dst_metric(dst, RTAX_CC_ALGO) - 1];
  if (ca === undefined) return false;
  own_opts(sk).icsk_ca_dst_locked = dst_metric_locked(dst, RTAX_CC_ALGO) ? 1 : 0;
  sk.icsk_ca_ops = ca;
  return true;
}

/** tcp_assign_congestion_control: the net's default, for a new sock. Starts with tcp_init_congestion_control. */
export function tcp_assign_congestion_control(sk: tcp_sock): void {
  sk.icsk_ca_ops = tcp_ca_find(sk.sk_net, sk.sk_net.ipv4.tcp_congestion_control) ?? tcp_reno;
  sk.icsk_ca_priv = null;
}

/** tcp_init_congestion_control: the connection is there. */
export function tcp_init_congestion_control(sk: tcp_sock): void {
  if (sk.slow.prior_ssthresh !== 0) own_slow(sk).prior_ssthresh = 0;
  sk.icsk_ca_ops.init?.(sk);
  sk.icsk_ca_initialized = 1;
}

/** tcp_cleanup_congestion_control */
export function tcp_cleanup_congestion_control(sk: tcp_sock): void {
  if (sk.icsk_ca_initialized !== 0) sk.icsk_ca_ops.release?.(sk);
  sk.icsk_ca_initialized = 0;
  sk.icsk_ca_priv = null;
}

/** tcp_set_congestion_control (TCP_CONGESTION): 0, -ENOENT, -EPERM for one that not everybody may choose, -EBUSY. */
export function tcp_set_congestion_control(sk: tcp_sock, name: string, cap_net_admin: boolean): number {
  if (sk.opts.icsk_ca_dst_locked !== 0) return -EPERM;
  const ca = tcp_ca_find(sk.sk_net, name);
  if (ca === null) return -ENOENT;
  if (ca === sk.icsk_ca_ops) {
    own_opts(sk).icsk_ca_setsockopt = 1;
    return 0;
  }
  if (!ca.non_restricted && !cap_net_admin) return -EPERM;
  if (sk.icsk_ca_state > TCP_CA_Open && ca.init === null && sk.sk_state === TCP_CLOSE) return -EBUSY;
  // tcp_reinit_congestion_control
  tcp_cleanup_congestion_control(sk);
  sk.icsk_ca_ops = ca;
  own_opts(sk).icsk_ca_setsockopt = 1;
  if (sk.sk_state !== TCP_CLOSE) tcp_init_congestion_control(sk);
  return 0;
}

/** tcp_set_ca_state */
export function tcp_set_ca_state(sk: tcp_sock, state: number): void {
  sk.icsk_ca_ops.set_state?.(sk, state);
  sk.icsk_ca_state = state;
}

/** tcp_ca_event */
export function tcp_ca_event(sk: tcp_sock, event: number): void {
  const { cwnd_event } = sk.icsk_ca_ops;
  if (cwnd_event !== null) cwnd_event(sk, event);
}

/** tcp_ca_needs_ecn */
export function tcp_ca_needs_ecn(sk: tcp_sock): boolean {
  return sk.icsk_ca_ops.needs_ecn;
}

// ---- Reno -----------------------------------------------------------------------------------------------------------

/** tcp_slow_start: one segment more for each that was acknowledged (RFC 3465). What of `acked` is left beyond ssthresh. */
export function tcp_slow_start(tp: tcp_sock, acked: number): number {
  const cwnd = Math.min(tp.snd_cwnd + acked, tp.snd_ssthresh);
  acked -= cwnd - tp.snd_cwnd;
  tp.snd_cwnd = Math.min(cwnd, tp.opts.snd_cwnd_clamp);
  return acked;
}

/** tcp_cong_avoid_ai: one segment more for every `w` that are acknowledged. */
export function tcp_cong_avoid_ai(tp: tcp_sock, w: number, acked: number): void {
  // A smaller w than before: what was collected suffices.
  if (tp.snd_cwnd_cnt >= w) {
    tp.snd_cwnd_cnt = 0;
    tp.snd_cwnd++;
  }
  tp.snd_cwnd_cnt += acked;
  if (tp.snd_cwnd_cnt >= w) {
    const delta = Math.floor(tp.snd_cwnd_cnt / w);
    tp.snd_cwnd_cnt -= delta * w;
    tp.snd_cwnd += delta;
  }
  tp.snd_cwnd = Math.min(tp.snd_cwnd, tp.opts.snd_cwnd_clamp);
}

/** tcp_reno_cong_avoid */
export function tcp_reno_cong_avoid(sk: tcp_sock, _ack: number, acked: number): void {
  if (!tcp_is_cwnd_limited(sk)) return;
  if (tcp_in_slow_start(sk)) {
    acked = tcp_slow_start(sk, acked);
    if (acked === 0) return;
  }
  tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked);
}

export function tcp_reno_ssthresh(sk: tcp_sock): number {
  return Math.max(sk.snd_cwnd >> 1, 2);
}

export function tcp_reno_undo_cwnd(sk: tcp_sock): number {
  return Math.max(sk.snd_cwnd, sk.slow.prior_cwnd);
}

export const tcp_reno: tcp_congestion_ops = {
  name: 'reno',
  non_restricted: true,
  needs_ecn: false,
  init: null,
  release: null,
  ssthresh: tcp_reno_ssthresh,
  cong_avoid: tcp_reno_cong_avoid,
  set_state: null,
  cwnd_event: null,
  pkts_acked: null,
  undo_cwnd: tcp_reno_undo_cwnd,
  cong_control: null,
};
