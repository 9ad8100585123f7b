/** What stream sockets share on the send side (net/core/stream.c). */
import { EAGAIN, EPIPE } from '../../errno.ts';
import { POLLOUT, POLLWRBAND, POLLWRNORM } from '../../fs/select.ts';
import { ERESTARTSYS, type task_struct } from '../../sched/task.ts';
import { prepare_to_wait, schedule_timeout } from '../../sched/wait.ts';
import { SEND_SHUTDOWN, type sock, sock_error, TCP_SYN_RECV, TCP_SYN_SENT } from './sock.ts';

/** A sock with a write queue that is counted apart from what is on its way down. */
interface stream_sock extends sock {
  readonly sk_wmem_queued: number;
  sk_nospace: boolean;
}

/**
 * sk_stream_wait_connect: for a send on a socket that is connecting: 0 once it is connected, else its error, -EPIPE,
 * -EAGAIN, or -ERESTARTSYS with the task asleep.
 */
export function sk_stream_wait_connect(sk: sock, task: task_struct | null, timeo: number): number {
  if (sk.sk_err !== 0) return sock_error(sk);
  if (sk.sk_state !== TCP_SYN_SENT && sk.sk_state !== TCP_SYN_RECV) return -EPIPE;
  return sk_stream_wait(sk, task, timeo);
}

/** How long a sender waits before it asks for memory again: 100 ms (Linux: up to 200, by chance). */
const VM_WAIT_NS = 100_000_000;

/** sk_stream_wait_memory: as above, for room in the send buffer; or, where that has some, for memory, of which nobody tells. */
export function sk_stream_wait_memory(sk: stream_sock, task: task_struct | null, timeo: number): number {
  sk.sk_nospace = true;
  if (sk.sk_err !== 0 || (sk.sk_shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  const err = sk_stream_wait(sk, task, timeo);
  if (err === -ERESTARTSYS && task !== null && sk_stream_wspace_ok(sk)) {
    const again = sk.kernel.clock.now + VM_WAIT_NS;
    if (task.call.deadline === 0 || again < task.call.deadline) task.timer.mod_ns(again);
  }
  return err;
}

function sk_stream_wait(sk: sock, task: task_struct | null, timeo: number): number {
  if (timeo === 0 || task === null) return -EAGAIN;
  prepare_to_wait(sk.sk_wq, task);
  return schedule_timeout(task, timeo) ? -ERESTARTSYS : -EAGAIN;
}

/** sk_stream_error: what a failed send says: a broken pipe is told by its cause, if there is one. */
export function sk_stream_error(sk: sock, err: number): number {
  if (err !== -EPIPE) return err;
  const cause = sock_error(sk);
  return cause !== 0 ? cause : -EPIPE;
}

/** sk_stream_memory_free without the protocol's own opinion. */
export function sk_stream_wspace_ok(sk: stream_sock): boolean {
  return sk.sk_wmem_queued < sk.sk_sndbuf;
}

/** sk_stream_wspace >= sk_stream_min_wspace: a third of the buffer is free. */
export function sk_stream_has_space(sk: stream_sock): boolean {
  return sk.sk_sndbuf - sk.sk_wmem_queued >= sk.sk_wmem_queued >> 1;
}

/** The wake-up of sk_stream_write_space, once `writeable` says so. */
export function sk_stream_wake_writers(sk: stream_sock): void {
  sk.sk_nospace = false;
  if (sk.sk_wq.active()) sk.sk_wq.wake_up(POLLOUT | POLLWRNORM | POLLWRBAND);
}
