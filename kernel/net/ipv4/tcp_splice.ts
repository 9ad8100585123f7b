/** From a stream to a pipe (net/ipv4/tcp.c: tcp_splice_read, tcp_read_sock). */
import { COPY_TO_USER } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { EAGAIN, ENOTCONN } from '../../errno.ts';
import { PAGE_SIZE, type pipe_inode_info } from '../../fs/pipe.ts';
import type { task_struct } from '../../sched/task.ts';
import { type sk_buff, skb_copy_bits } from '../core/skbuff.ts';
import { RCV_SHUTDOWN, sk_wait_data, sock_error, sock_rcvtimeo, TCP_CLOSE, TCP_LISTEN } from '../core/sock.ts';
import type { socket } from '../socket.ts';
import { tcp_current_mss } from './tcp_mss.ts';
import { tcp_rcv_space_adjust } from './tcp_rcvbuf.ts';
import { tcp_cleanup_rbuf, tcp_eat_recv_skb } from './tcp_recvmsg.ts';
import { tcp_push, tcp_xmit_size_goal } from './tcp_sendmsg.ts';
import { TCPHDR_FIN, TCPHDR_SYN, type tcp_sock } from './tcp_sock.ts';

/** skb_splice_bits: [offset, offset + length) to pages of the pipe's own, as far as it has room. Bytes. */
function skb_splice_bits(skb: sk_buff, offset: number, length: number, pipe: pipe_inode_info): number {
  let done = 0;
  while (done < length && !pipe.full()) {
    const page = pipe.new_page();
    if (page === 0) break;
    const n = Math.min(length - done, PAGE_SIZE);
    skb_copy_bits(skb, offset + done, page, n);
    charge_copy(skb.kernel, n, COPY_TO_USER);
    pipe.push(page, 0, n, false);
    done += n;
  }
  return done;
}

/** tcp_read_sock: what can be read now, up to urgent data, `length` or the pipe's end. Bytes, or -ENOTCONN. */
function tcp_read_sock(sk: tcp_sock, pipe: pipe_inode_info, length: number): number {
  if (sk.sk_state === TCP_LISTEN) return -ENOTCONN;
  let copied = 0;
  while (copied < length) {
    let offset = 0;
    let skb = sk.sk_receive_queue.first;
    for (; skb !== null; skb = skb.next) {
      offset = (sk.copied_seq - skb.seq) | 0;
      if ((skb.tcp_flags & TCPHDR_SYN) !== 0) offset--;
      if (offset < skb.len || (skb.tcp_flags & TCPHDR_FIN) !== 0) break;
    }
    if (skb === null) break;
    let used = 0;
    if (offset < skb.len) {
      let part = Math.min(skb.len - offset, length - copied);
      if (sk.slow.urg_data !== 0) part = Math.min(part, (sk.slow.urg_seq - sk.copied_seq) >>> 0);
      used = skb_splice_bits(skb, offset, part, pipe);
      if (used === 0) break;
      sk.copied_seq = (sk.copied_seq + used) | 0;
      copied += used;
      if (offset + used < skb.len) continue;
    }
    const fin = (skb.tcp_flags & TCPHDR_FIN) !== 0;
    if (fin) sk.copied_seq = (sk.copied_seq + 1) | 0;
    tcp_eat_recv_skb(sk, skb);
    if (fin) break;
  }
  tcp_rcv_space_adjust(sk);
  if (copied > 0) tcp_cleanup_rbuf(sk, copied);
  return copied;
}

/** tcp_splice_read: bytes, 0 at the end, or a negative errno. Waits only while there is nothing. */
export function tcp_splice_read(
  sock: socket,
  task: task_struct,
  pipe: pipe_inode_info,
  length: number,
  nonblock: boolean,
): number {
  const sk = sock.sk as tcp_sock;
  const timeo = sock_rcvtimeo(sk, nonblock);
  const spliced = tcp_read_sock(sk, pipe, length);
  if (spliced !== 0 || sk.sk_done) return spliced;
  if (sk.sk_err !== 0) return sock_error(sk);
  if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) return 0;
  if (sk.sk_state === TCP_CLOSE) return -ENOTCONN;
  if (timeo === 0) return -EAGAIN;
  // Urgent data is in the way.
  if (sk.sk_receive_queue.first !== null) return 0;
  return sk_wait_data(sk, task, timeo);
}

/** tcp_splice_eof: what was held back for more goes. */
export function tcp_splice_eof(sock: socket): void {
  const sk = sock.sk as tcp_sock;
  const mss = tcp_current_mss(sk);
  tcp_push(sk, 0, mss, sk.nonagle, tcp_xmit_size_goal(sk, mss, true));
}
