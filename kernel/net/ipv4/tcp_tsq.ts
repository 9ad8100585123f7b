/**
 * TCP small queues (net/ipv4/tcp_output.c: tcp_tasklet_func): a sock has little below it, in qdisc and card, and goes on
 * when that is sent. Freed clones queue their socks here, and the softirq after that sends.
 */
import type { Kernel } from '../../kernel.ts';
import { open_softirq, raise_softirq } from '../../softirq.ts';
import { TSQ_QUEUED, type tcp_sock } from './tcp_sock.ts';

const TASKLET_SOFTIRQ = 6;

/** struct tsq_tasklet, one for each net: which socks may go on. */
export class tsq_tasklet {
  readonly head: tcp_sock[] = [];
  next = 0;
}

/** tcp_tasklet_init: `handler` is tcp_tsq_handler. */
export function tcp_tasklet_init(kernel: Kernel, tasklet: tsq_tasklet, handler: (sk: tcp_sock) => void): void {
  open_softirq(kernel, TASKLET_SOFTIRQ, () => {
    const sk = tasklet.head[tasklet.next++];
    if (sk !== undefined) {
      sk.tsq_flags &= ~TSQ_QUEUED;
      handler(sk);
    }
    if (tasklet.next < tasklet.head.length) return true;
    tasklet.head.length = 0;
    tasklet.next = 0;
    return false;
  });
}

/** Queues a sock, once. */
export function tcp_queue_tsq(sk: tcp_sock): void {
  if ((sk.tsq_flags & TSQ_QUEUED) !== 0) return;
  sk.tsq_flags |= TSQ_QUEUED;
  sk.sk_net.ipv4.tsq.head.push(sk);
  raise_softirq(sk.kernel.cpu, TASKLET_SOFTIRQ);
}
