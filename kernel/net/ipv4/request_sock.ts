/** What a listener keeps of the connections that are on their way to accept (net/core/request_sock.c). */
import type { tcp_request_sock } from './tcp_sock.ts';

/** struct request_sock_queue */
export class request_sock_queue {
  /** Connections whose handshake is done, oldest first, chained by dl_next. */
  rskq_accept_head: tcp_request_sock | null = null;
  rskq_accept_tail: tcp_request_sock | null = null;
  /** Requests that wait for the third segment, and those of them whose SYN/ACK was never repeated. */
  qlen = 0;
  young = 0;
  /** SYN cookies were announced in the log. */
  synflood_warned = false;
  /** The time (jiffies) of the last overflow, near which a cookie may come (tcp_synq_overflow); -Infinity: never. */
  last_overflow = Number.NEGATIVE_INFINITY;
}

/** inet_csk_reqsk_queue_is_empty's other side: reqsk_queue_add's list part. */
export function reqsk_queue_add(queue: request_sock_queue, req: tcp_request_sock): void {
  req.dl_next = null;
  if (queue.rskq_accept_tail !== null) queue.rskq_accept_tail.dl_next = req;
  else queue.rskq_accept_head = req;
  queue.rskq_accept_tail = req;
}

/** reqsk_queue_remove: the oldest connection that nobody has accepted, or null. */
export function reqsk_queue_remove(queue: request_sock_queue): tcp_request_sock | null {
  const req = queue.rskq_accept_head;
  if (req === null) return null;
  queue.rskq_accept_head = req.dl_next;
  if (queue.rskq_accept_head === null) queue.rskq_accept_tail = null;
  req.dl_next = null;
  return req;
}
