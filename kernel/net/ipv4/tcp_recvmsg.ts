/** Bytes from the receive queue to the program (net/ipv4/tcp.c: tcp_recvmsg_locked and what it calls). */

import { COPY_TO_USER } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { EAGAIN, EFAULT, EINVAL, ENOTCONN, EPERM } from '../../errno.ts';
import { sk_peek_offset_move } from '../core/datagram.ts';
import { consume_skb, type sk_buff, skb_copy_bits } from '../core/skbuff.ts';
import {
  RCV_SHUTDOWN,
  sk_wait_data,
  type sock,
  sock_error,
  sock_rcvtimeo,
  TCP_CLOSE,
  TCP_LISTEN,
} from '../core/sock.ts';
import {
  CMSG_STAMPS,
  CMSG_TCP_INQ,
  cmsg_stamp,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  msg_access_ok,
  msg_piece,
  msg_range_ok,
  type msghdr,
} from '../msg.ts';
import { TCP_URG_READ, TCP_URG_VALID } from './tcp.ts';
import { __tcp_select_window, tcp_send_ack } from './tcp_output.ts';
import { tcp_rcv_space_adjust } from './tcp_rcvbuf.ts';
import { TCP_NO_QUEUE, TCP_SEND_QUEUE, tcp_peek_sndq } from './tcp_repair.ts';
import {
  after,
  before,
  ICSK_ACK_PUSHED,
  ICSK_ACK_PUSHED2,
  inet_csk_ack_scheduled,
  inet_csk_in_pingpong_mode,
  own_slow,
  TCPHDR_FIN,
  TCPHDR_SYN,
  tcp_fast_path_check,
  tcp_mstamp_refresh,
  tcp_receive_window,
  type tcp_sock,
} from './tcp_sock.ts';

/** sock_rcvlowat: how many bytes a receive of `length` waits for. */
function sock_rcvlowat(sk: sock, waitall: boolean, length: number): number {
  const target = waitall ? length : Math.min(sk.opts.sk_rcvlowat, length);
  return target !== 0 ? target : 1;
}

/** tcp_eat_recv_skb: its bytes have all been read. */
export function tcp_eat_recv_skb(sk: tcp_sock, skb: sk_buff): void {
  sk.sk_receive_queue.unlink(skb);
  consume_skb(skb);
}

/**
 * __tcp_cleanup_rbuf: the program has read `copied` bytes: is the other side to hear of the room? RFC 1122 4.2.3.3
 * (silly windows), and the end of a delayed ACK.
 */
export function tcp_cleanup_rbuf(sk: tcp_sock, copied: number): void {
  let time_to_ack = false;
  if (inet_csk_ack_scheduled(sk)) {
    const pending = sk.icsk_ack_pending;
    const unacked = (sk.rcv_nxt - sk.rcv_wup) | 0;
    const pushed =
      (pending & ICSK_ACK_PUSHED2) !== 0 || ((pending & ICSK_ACK_PUSHED) !== 0 && !inet_csk_in_pingpong_mode(sk));
    // More than a segment is not acknowledged; or the buffer is empty, and a short segment was in it.
    if (unacked > sk.icsk_ack_rcv_mss || (copied > 0 && pushed && sk.sk_rmem_alloc === 0)) time_to_ack = true;
  }
  if (copied > 0 && !time_to_ack && (sk.sk_shutdown & RCV_SHUTDOWN) === 0) {
    const now = tcp_receive_window(sk);
    if (2 * now <= sk.window_clamp) {
      const window = __tcp_select_window(sk);
      if (window !== 0 && window >= 2 * now) time_to_ack = true;
    }
  }
  if (time_to_ack) {
    tcp_mstamp_refresh(sk);
    tcp_send_ack(sk);
  }
}

/** tcp_recv_urg: the byte out of band (RFC 9293 3.8.5). 1, 0 at the end, or -EINVAL (there is none), -EAGAIN. */
function tcp_recv_urg(sk: tcp_sock, msg: msghdr, length: number): number {
  if (sk.opts.sk_urginline || sk.slow.urg_data === 0 || sk.slow.urg_data === TCP_URG_READ) return -EINVAL;
  if (sk.sk_state === TCP_CLOSE && !sk.sk_done) return -ENOTCONN;
  if ((sk.slow.urg_data & TCP_URG_VALID) !== 0) {
    const byte = sk.slow.urg_data & 0xff;
    if ((msg.flags & MSG_PEEK) === 0) own_slow(sk).urg_data = TCP_URG_READ;
    msg.msg_flags |= MSG_OOB;
    if (length === 0) {
      msg.msg_flags |= MSG_TRUNC;
      return 0;
    }
    if ((msg.flags & MSG_TRUNC) === 0) {
      if (!msg_access_ok(msg, 1)) return -EFAULT;
      sk.kernel.ram.u8[msg.msg_base] = byte;
      const { observer } = sk.kernel;
      if (observer !== null) observer.copy_to_user(msg.msg_base, 1);
    }
    return 1;
  }
  if (sk.sk_state === TCP_CLOSE || (sk.sk_shutdown & RCV_SHUTDOWN) !== 0) return 0;
  return -EAGAIN;
}

/** The bytes [offset, offset + used) of a segment's payload to the user. 0 or -EFAULT. */
function copy_to_user(skb: sk_buff, offset: number, msg: msghdr, at: number, used: number): number {
  const { kernel } = skb;
  const to = msg.msg_base + at;
  if (!msg_range_ok(msg, at, used)) return -EFAULT;
  charge_copy(kernel, used, COPY_TO_USER);
  if (msg.msg_iov !== null) {
    copy_to_pieces(skb, offset, msg, at, used);
    return 0;
  }
  if (skb.data_len === 0) skb.ram.move(to, skb.data + offset, used);
  else skb_copy_bits(skb, offset, to, used);
  const tp = kernel.trace.skb_copy_datagram;
  if (tp !== null) tp(skb, used);
  const { observer } = kernel;
  if (observer !== null) observer.copy_to_user(to, used);
  return 0;
}

/** The same into several buffers. */
function copy_to_pieces(skb: sk_buff, offset: number, msg: msghdr, at: number, used: number): void {
  const { kernel } = skb;
  const { observer } = kernel;
  const tp = kernel.trace.skb_copy_datagram;
  if (tp !== null) tp(skb, used);
  for (let done = 0; done < used; ) {
    const n = msg_piece(msg, at + done, used - done);
    skb_copy_bits(skb, offset + done, msg.msg_at, n);
    if (observer !== null) observer.copy_to_user(msg.msg_at, n);
    done += n;
  }
}

/**
 * tcp_recvmsg: bytes copied; 0 at the end of the stream; or -ENOTCONN, -EAGAIN, -EFAULT, the socket's error, or
 * -ERESTARTSYS with the task asleep, `call.progress` bytes copied so far.
 */
export function tcp_recvmsg(sk_: sock, msg: msghdr, length: number): number {
  const sk = sk_ as tcp_sock;
  const { flags, msg_task: task } = msg;
  const { kernel } = sk;
  if (sk.sk_state === TCP_LISTEN) return -ENOTCONN;
  if ((flags & MSG_OOB) !== 0) return tcp_recv_urg(sk, msg, length);
  const timeo = sock_rcvtimeo(sk, (flags & MSG_DONTWAIT) !== 0);
  const peek = (flags & MSG_PEEK) !== 0;
  if (sk.slow.repair !== 0) {
    // Only looked at.
    if (!peek) return -EPERM;
    if (sk.slow.repair_queue === TCP_SEND_QUEUE) return tcp_peek_sndq(sk, msg, length);
    if (sk.slow.repair_queue === TCP_NO_QUEUE) return -EINVAL;
  }
  const target = sock_rcvlowat(sk, (flags & MSG_WAITALL) !== 0, length);
  const queue = sk.sk_receive_queue;
  // What is only looked at is looked at again after a wait.
  let copied = task === null || peek ? 0 : task.call.progress;
  let seq = sk.copied_seq;
  // SO_PEEK_OFF
  if (peek && sk.opts.sk_peek_off > 0) seq = (seq + sk.opts.sk_peek_off) | 0;
  kernel.clock.now += kernel.cost.tcp_recvmsg;
  const stamps = sk.cmsg_flags & CMSG_STAMPS;
  let stamp = stamps !== 0 && task !== null && copied > 0 ? task.call.stamp : 0;

  // A call for no bytes looks once, and waits like any other.
  for (let first = true; first || copied < length; first = false) {
    // Urgent data ends what is read at once.
    if (sk.slow.urg_data !== 0 && sk.slow.urg_seq === seq && copied !== 0) break;
    let skb = queue.first;
    let offset = 0;
    for (; skb !== null; skb = skb.next) {
      offset = (seq - skb.seq) | 0;
      if ((skb.tcp_flags & TCPHDR_SYN) !== 0) offset--;
      if (offset < skb.len || (skb.tcp_flags & TCPHDR_FIN) !== 0) break;
    }
    if (skb === null) {
      if (copied >= target) break;
      if (copied !== 0) {
        if (timeo === 0 || sk.sk_err !== 0 || sk.sk_state === TCP_CLOSE || (sk.sk_shutdown & RCV_SHUTDOWN) !== 0) break;
      } else {
        if (sk.sk_done) break;
        if (sk.sk_err !== 0) {
          copied = sock_error(sk);
          break;
        }
        if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) break;
        if (sk.sk_state === TCP_CLOSE) {
          copied = -ENOTCONN;
          break;
        }
        if (timeo === 0) {
          copied = -EAGAIN;
          break;
        }
      }
      tcp_cleanup_rbuf(sk, copied);
      if (task !== null && !peek) {
        task.call.progress = copied;
        task.call.stamp = stamp;
      }
      const err = sk_wait_data(sk, task, timeo);
      if (err !== -EAGAIN) return err;
      if (copied === 0) copied = -EAGAIN;
      break;
    }
    if (offset >= skb.len) {
      // found_fin_ok
      if (!peek) {
        sk.copied_seq = (sk.copied_seq + 1) | 0;
        tcp_eat_recv_skb(sk, skb);
      }
      break;
    }
    let used = Math.min(skb.len - offset, length - copied);
    if (sk.slow.urg_data !== 0) {
      const urg_offset = (sk.slow.urg_seq - seq) >>> 0;
      if (urg_offset < used) {
        if (urg_offset !== 0) {
          used = urg_offset;
        } else if (!sk.opts.sk_urginline) {
          // The byte itself is for MSG_OOB.
          seq = (seq + 1) | 0;
          offset++;
          used--;
        }
      }
    }
    if (used > 0) {
      if ((flags & MSG_TRUNC) === 0 && copy_to_user(skb, offset, msg, copied, used) < 0) {
        if (copied === 0) copied = -EFAULT;
        break;
      }
      seq = (seq + used) | 0;
      copied += used;
      if (!peek && sk.opts.sk_peek_off > 0) sk_peek_offset_move(sk, -used);
    }
    if (!peek) {
      sk.copied_seq = seq;
      if (used > 0) tcp_rcv_space_adjust(sk);
    }
    if (sk.slow.urg_data !== 0 && after(sk.copied_seq, sk.slow.urg_seq)) {
      own_slow(sk).urg_data = 0;
      tcp_fast_path_check(sk);
    }
    // tcp_update_recv_tstamps: the last packet that bytes are of is told of.
    if (stamps !== 0 && skb.tstamp !== 0) stamp = skb.tstamp;
    if (used + offset < skb.len) continue;
    if ((skb.tcp_flags & TCPHDR_FIN) !== 0) {
      if (!peek) {
        sk.copied_seq = (sk.copied_seq + 1) | 0;
        tcp_eat_recv_skb(sk, skb);
      }
      break;
    }
    if (!peek) tcp_eat_recv_skb(sk, skb);
  }
  // Not before a wait, after which all is looked at again.
  if (peek && copied > 0 && sk.opts.sk_peek_off >= 0) sk_peek_offset_move(sk, copied);
  tcp_cleanup_rbuf(sk, copied);
  if (copied >= 0 && (stamp !== 0 || sk.opts.recvmsg_inq !== 0)) put_cmsgs(sk, msg, stamp === 0 ? 0 : stamps, stamp);
  return copied;
}

/** tcp_recv_timestamp, and TCP_INQ's message. `stamps`: those to be told, CMSG_. */
function put_cmsgs(sk: tcp_sock, msg: msghdr, stamps: number, stamp: number): void {
  const control = msg.msg_control;
  if (control === null) {
    // put_cmsg without room.
    msg.msg_flags |= MSG_CTRUNC;
    return;
  }
  control.present |= stamps;
  cmsg_stamp(control, stamps, stamp, sk.opts.sk_tstamp_new);
  if (sk.opts.recvmsg_inq === 0) return;
  control.present |= CMSG_TCP_INQ;
  control.inq = tcp_inq_hint(sk);
}

/** tcp_inq_hint: bytes that wait to be read; 1 when only the end of the stream does. */
function tcp_inq_hint(sk: tcp_sock): number {
  const inq = (sk.rcv_nxt - sk.copied_seq) | 0;
  return inq === 0 && sk.sk_done ? 1 : Math.max(inq, 0);
}

/** tcp_inq (SIOCINQ): bytes that can be read before urgent data, without the FIN. */
export function tcp_inq(sk: tcp_sock): number {
  const { urg_data, urg_seq } = sk.slow;
  if (urg_data !== 0 && !sk.opts.sk_urginline && !before(urg_seq, sk.copied_seq) && before(urg_seq, sk.rcv_nxt))
    return (urg_seq - sk.copied_seq) | 0;
  const answ = (sk.rcv_nxt - sk.copied_seq) | 0;
  return answ !== 0 && sk.sk_done ? answ - 1 : answ;
}
