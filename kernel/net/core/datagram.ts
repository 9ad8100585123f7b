/** What datagram sockets share on the receive side (net/core/datagram.c). */
import { COPY_FROM_USER, COPY_TO_USER } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { EFAULT } from '../../errno.ts';
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from '../../fs/select.ts';
import { type iovec, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, memcpy_from_msg, msg_access_ok, type msghdr } from '../msg.ts';
import {
  consume_skb,
  kfree_skb_reason,
  SKB_DROP_REASON,
  type sk_buff,
  type sk_buff_head,
  skb_copy_bits,
  skb_get,
  skb_put,
  skb_put_data,
} from './skbuff.ts';
import {
  own_opts,
  RCV_SHUTDOWN,
  SHUTDOWN_MASK,
  sk_wait_data,
  type sock,
  sock_error,
  sock_rcvtimeo,
  sock_writeable,
} from './sock.ts';

/**
 * __skb_recv_datagram: the next packet, which the caller owns (with MSG_PEEK: a reference of its own, the packet
 * stays queued, and it is the one at SO_PEEK_OFF); or 0 after a shutdown of the reading side, or a negative errno: the
 * socket's pending error, -EAGAIN, or -ERESTARTSYS with the task asleep.
 */
export function skb_recv_datagram(sk: sock, msg: msghdr): sk_buff | number {
  if (sk.sk_err !== 0) return sock_error(sk);
  const queue = sk.sk_receive_queue;
  let skb = queue.first;
  if ((msg.flags & MSG_PEEK) !== 0) {
    if (sk.opts.sk_peek_off > 0) skb = peek_at(queue, sk.opts.sk_peek_off);
    if (skb !== null) return skb_get(skb);
  } else if (skb !== null) {
    queue.unlink(skb);
    return skb;
  }
  const noblock = (msg.flags & MSG_DONTWAIT) !== 0;
  // Only who would wait learns of the shutdown (__skb_wait_for_more_packets).
  if (!noblock && (sk.sk_shutdown & RCV_SHUTDOWN) !== 0) return 0;
  return sk_wait_data(sk, msg.msg_task, sock_rcvtimeo(sk, noblock));
}

/** The packet with the byte at `offset` of the queue's (__skb_try_recv_from_queue); an empty one ends the search. */
function peek_at(queue: sk_buff_head, offset: number): sk_buff | null {
  let skb = queue.first;
  while (skb !== null && offset >= skb.len && skb.len !== 0) {
    offset -= skb.len;
    skb = skb.next;
  }
  return skb;
}

/** Where in the packet that skb_recv_datagram gave a peek begins (sk_peek_offset, less what lies before the packet). */
export function sk_peek_offset(sk: sock, msg: msghdr): number {
  if (sk.opts.sk_peek_off <= 0 || (msg.flags & MSG_PEEK) === 0) return 0;
  let offset = sk.opts.sk_peek_off;
  let skb = sk.sk_receive_queue.first;
  while (skb !== null && offset >= skb.len && skb.len !== 0) {
    offset -= skb.len;
    skb = skb.next;
  }
  return offset;
}

/** sk_peek_offset_fwd and sk_peek_offset_bwd: `length` bytes were peeked at, or (negative) taken. */
export function sk_peek_offset_move(sk: sock, length: number): void {
  if (sk.opts.sk_peek_off >= 0) own_opts(sk).sk_peek_off = Math.max(0, sk.opts.sk_peek_off + length);
}

/** skb_free_datagram: the packet has been delivered. */
export function skb_free_datagram(skb: sk_buff): void {
  consume_skb(skb);
}

/** skb_copy_datagram_msg: `length` bytes from `offset` of the packet's data to the message's buffer. 0 or -EFAULT. */
export function skb_copy_datagram_msg(skb: sk_buff, msg: msghdr, length: number, offset = 0): number {
  if (!msg_access_ok(msg, length)) return -EFAULT;
  const kernel = skb.kernel;
  charge_copy(kernel, length, COPY_TO_USER);
  const { observer } = kernel;
  if (msg.msg_iov !== null) copy_to_iov(skb, msg.msg_iov, length, offset);
  else {
    if (skb.data_len === 0) skb.ram.move(msg.msg_base, skb.data + offset, length);
    else skb_copy_bits(skb, offset, msg.msg_base, length);
    if (observer !== null) observer.copy_to_user(msg.msg_base, length);
  }
  const tp = kernel.trace.skb_copy_datagram;
  if (tp !== null) tp(skb, length);
  return 0;
}

/**
 * What recvmsg takes of a packet that skb_recv_datagram gave: as much as there is room for, MSG_TRUNC when that is not
 * all. Bytes copied, or -EFAULT, and the packet is gone.
 */
export function skb_copy_or_truncate(skb: sk_buff, msg: msghdr, length: number): number {
  const copied = Math.min(skb.len, length);
  if (copied < skb.len) msg.msg_flags |= MSG_TRUNC;
  if (skb_copy_datagram_msg(skb, msg, copied) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON.SKB_UCOPY_FAULT);
    return -EFAULT;
  }
  return copied;
}

/** skb_copy_datagram_from_iter, to the tail: `length` bytes of the message. msg_access_ok has been asked. */
export function skb_put_msg(skb: sk_buff, msg: msghdr, length: number): void {
  if (msg.msg_iov === null) {
    skb_put_data(skb, msg.msg_base, length);
    return;
  }
  charge_copy(skb.kernel, length, COPY_FROM_USER);
  memcpy_from_msg(skb.ram, skb_put(skb, length), msg, 0, length);
}

/** Into the pieces of a message, each filled before the next. */
function copy_to_iov(skb: sk_buff, iov: readonly iovec[], length: number, offset: number): void {
  const { observer } = skb.kernel;
  for (let i = 0; i < iov.length && length > 0; i++) {
    const piece = iov[i] as iovec;
    const n = Math.min(piece.length, length);
    skb_copy_bits(skb, offset, piece.base, n);
    if (observer !== null) observer.copy_to_user(piece.base, n);
    offset += n;
    length -= n;
  }
}

/** datagram_poll: the events of a datagram socket. */
export function datagram_poll(sk: sock): number {
  let mask = 0;
  if (sk.sk_err !== 0 || sk.sk_error_queue.qlen > 0) mask |= sk.opts.sk_select_err_queue ? POLLERR | POLLPRI : POLLERR;
  if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (sk.sk_shutdown === SHUTDOWN_MASK) mask |= POLLHUP;
  if (sk.sk_receive_queue.qlen > 0) mask |= POLLIN | POLLRDNORM;
  if (sock_writeable(sk)) mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
  return mask;
}
