/** What datagram sockets share on the receive side (net/core/datagram.c). */
import { COPY_TO_USER } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { EFAULT } from '../../errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../../fs/select.ts';
import { MSG_DONTWAIT, MSG_PEEK, msg_access_ok, type msghdr } from '../msg.ts';
import { consume_skb, type sk_buff, skb_copy_bits, skb_get } from './skbuff.ts';
import {
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
 * stays queued); or 0 after a shutdown of the reading side, or a negative errno: the socket's pending error,
 * -EAGAIN, or -ERESTARTSYS with the task asleep.
 */
export function skb_recv_datagram(sk: sock, msg: msghdr): sk_buff | number {
  if (sk.sk_err !== 0) return sock_error(sk);
  const queue = sk.sk_receive_queue;
  const skb = queue.first;
  if (skb !== null) {
    if ((msg.flags & MSG_PEEK) !== 0) return skb_get(skb);
    queue.unlink(skb);
    return skb;
  }
  const noblock = (msg.flags & MSG_DONTWAIT) !== 0;
  // Only who would wait learns of the shutdown (__skb_wait_for_more_packets).
  if (!noblock && (sk.sk_shutdown & RCV_SHUTDOWN) !== 0) return 0;
  return sk_wait_data(sk, msg.msg_task, sock_rcvtimeo(sk, noblock));
}

/** skb_free_datagram: the packet has been delivered. */
export function skb_free_datagram(skb: sk_buff): void {
  consume_skb(skb);
}

/** skb_copy_datagram_msg: `length` bytes from the packet's data to the message's buffer. 0 or -EFAULT. */
export function skb_copy_datagram_msg(skb: sk_buff, msg: msghdr, length: number): number {
  if (!msg_access_ok(msg, length)) return -EFAULT;
  const kernel = skb.kernel;
  charge_copy(kernel, length, COPY_TO_USER);
  if (skb.data_len === 0) skb.ram.u8.copyWithin(msg.msg_base, skb.data, skb.data + length);
  else skb_copy_bits(skb, 0, msg.msg_base, length);
  const tp = kernel.trace.skb_copy_datagram;
  if (tp !== null) tp(skb, length);
  const { observer } = kernel;
  if (observer !== null) observer.copy_to_user(msg.msg_base, length);
  return 0;
}

/** datagram_poll: the events of a datagram socket. */
export function datagram_poll(sk: sock): number {
  let mask = 0;
  if (sk.sk_err !== 0 || sk.sk_error_queue.qlen > 0) mask |= POLLERR;
  if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (sk.sk_shutdown === SHUTDOWN_MASK) mask |= POLLHUP;
  if (sk.sk_receive_queue.qlen > 0) mask |= POLLIN | POLLRDNORM;
  if (sock_writeable(sk)) mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
  return mask;
}
