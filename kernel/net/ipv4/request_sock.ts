/** What a listener keeps of the connections that are on their way to accept (net/core/request_sock.c). */
import { HZ } from '../../time/timer.ts';
import { TCP_LISTEN } from '../core/sock.ts';
import type { tcp_fastopen_context } from './tcp_fastopen.ts';
import type { tcp_request_sock, tcp_sock } from './tcp_sock.ts';

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

// ---- Fast Open ------------------------------------------------------------------------------------------------------

/** A request whose connection was reset before it was one counts as waiting for so many jiffies. */
const TFO_RST_PENALTY = 60 * HZ;

/** struct fastopen_queue: connections made out of a SYN whose client has not answered yet. */
export class fastopen_queue {
  /** Those that a RST has ended, oldest first, chained by dl_next: they count for a while. */
  rskq_rst_head: tcp_request_sock | null = null;
  rskq_rst_tail: tcp_request_sock | null = null;
  qlen = 0;
  /** TCP_FASTOPEN; 0: off. */
  max_qlen = 0;
  /** The listener's own keys (TCP_FASTOPEN_KEY). */
  ctx: tcp_fastopen_context | null = null;
}

/** reqsk_queue_alloc: a listener begins anew; what its former connections do is no longer its business. */
export function fastopen_queue_renew(old: fastopen_queue): fastopen_queue {
  const queue = new fastopen_queue();
  queue.max_qlen = old.max_qlen;
  queue.ctx = old.ctx;
  return queue;
}

/**
 * reqsk_fastopen_remove: the child `sk` no longer needs its request: the client has answered, or the connection is over;
 * `reset`: by a RST of the client's, which may have been provoked by a forged SYN.
 */
export function reqsk_fastopen_remove(sk: tcp_sock, req: tcp_request_sock, reset: boolean): void {
  const fastopenq = req.fastopenq as fastopen_queue;
  sk.fastopen_rsk = null;
  fastopenq.qlen--;
  // Not accepted yet, or nobody would look at the list.
  if (req.sk !== null || !reset || (req.rsk_listener as tcp_sock).sk_state !== TCP_LISTEN) return;
  req.rst_expires = sk.kernel.timers.jiffies() + TFO_RST_PENALTY;
  req.dl_next = null;
  if (fastopenq.rskq_rst_head === null) fastopenq.rskq_rst_head = req;
  else (fastopenq.rskq_rst_tail as tcp_request_sock).dl_next = req;
  fastopenq.rskq_rst_tail = req;
  fastopenq.qlen++;
}
