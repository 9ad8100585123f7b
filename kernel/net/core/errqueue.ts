/**
 * The error queue of a socket (linux/errqueue.h, net/core/skbuff.c): packets that went wrong, each with who says so
 * and why, for recvmsg with MSG_ERRQUEUE.
 *
 * What Linux keeps in the control block (struct sock_exterr_skb) lies in the words cb0 to cb5: errno; origin, type and
 * code; info; data; where in the packet the destination's address stands (an address in RAM, so that every family can
 * use it); its port.
 */
import { ENOMEM } from '../../errno.ts';
import { no_skbs, type sk_buff, sk_buff_head, skb_orphan } from './skbuff.ts';
import { sk_error_report, type sock, sock_rfree } from './sock.ts';

/** ee_origin: who said so. */
export const SO_EE_ORIGIN_NONE = 0;
export const SO_EE_ORIGIN_LOCAL = 1;
export const SO_EE_ORIGIN_ICMP = 2;
export const SO_EE_ORIGIN_ICMP6 = 3;
/** SO_EE_ORIGIN_TXSTATUS, too. */
export const SO_EE_ORIGIN_TIMESTAMPING = 4;
export const SO_EE_ORIGIN_ZEROCOPY = 5;

/** Fills in what an error packet says. `at`: where the destination's address stands. */
export function set_exterr(
  skb: sk_buff,
  errno: number,
  origin: number,
  type: number,
  code: number,
  info: number,
  at: number,
  port: number,
): void {
  skb.cb0 = errno;
  skb.cb1 = origin | (type << 8) | (code << 16);
  skb.cb2 = info;
  skb.cb3 = 0;
  skb.cb4 = at;
  skb.cb5 = port;
}

export function ee_errno(skb: sk_buff): number {
  return skb.cb0;
}

export function ee_origin(skb: sk_buff): number {
  return skb.cb1 & 0xff;
}

export function ee_type(skb: sk_buff): number {
  return (skb.cb1 >> 8) & 0xff;
}

export function ee_code(skb: sk_buff): number {
  return (skb.cb1 >> 16) & 0xff;
}

export function ee_info(skb: sk_buff): number {
  return skb.cb2;
}

export function ee_data(skb: sk_buff): number {
  return skb.cb3;
}

/** addr_offset, as an address in RAM. */
export function ee_addr_at(skb: sk_buff): number {
  return skb.cb4;
}

export function ee_port(skb: sk_buff): number {
  return skb.cb5;
}

/** sock_queue_err_skb: takes the skb when it returns 0; -ENOMEM: the receive buffer, which it shares, is full. */
export function sock_queue_err_skb(sk: sock, skb: sk_buff): number {
  if (sk.sk_rmem_alloc + skb.truesize >= sk.sk_rcvbuf) return -ENOMEM;
  skb_orphan(skb);
  skb.dev = null;
  skb.dst = null;
  skb.sk = sk;
  skb.destructor = sock_rfree;
  sk.sk_rmem_alloc += skb.truesize;
  own_error_queue(sk).push(skb);
  if (!sk.sk_dead) sk_error_report(sk);
  return 0;
}

/** The error queue, for somebody who puts something into it. */
export function own_error_queue(sk: sock): sk_buff_head {
  if (sk.sk_error_queue === no_skbs) sk.sk_error_queue = new sk_buff_head();
  return sk.sk_error_queue;
}

function is_icmp_err_skb(skb: sk_buff): boolean {
  const origin = ee_origin(skb);
  return origin === SO_EE_ORIGIN_ICMP || origin === SO_EE_ORIGIN_ICMP6;
}

/** sock_dequeue_err_skb: the first error, which the caller owns; the pending error becomes that of the next. */
export function sock_dequeue_err_skb(sk: sock): sk_buff | null {
  const queue = sk.sk_error_queue;
  const skb = queue.first;
  if (skb === null) return null;
  queue.unlink(skb);
  const next = queue.first;
  const icmp_next = next !== null && is_icmp_err_skb(next);
  if (icmp_next) sk.sk_err = ee_errno(next);
  else if (is_icmp_err_skb(skb)) sk.sk_err = 0;
  if (icmp_next) sk_error_report(sk);
  return skb;
}
