/** Bytes from the program to the write queue (net/ipv4/tcp.c: tcp_sendmsg_locked and what it calls). */
import { COPY_FROM_USER } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { EAGAIN, EFAULT, EPIPE } from '../../errno.ts';
import { ERESTARTSYS } from '../../sched/task.ts';
import {
  kfree_skb_reason,
  SIZEOF_SHARED_INFO,
  SKB_DROP_REASON,
  type sk_buff,
  skb_put,
  skb_tailroom,
} from '../core/skbuff.ts';
import { SEND_SHUTDOWN, type sock, sock_sndtimeo, TCP_CLOSE_WAIT, TCP_ESTABLISHED } from '../core/sock.ts';
import { sk_stream_error, sk_stream_wait_connect, sk_stream_wait_memory } from '../core/stream.ts';
import { MSG_DONTWAIT, MSG_EOR, MSG_MORE, MSG_OOB, type msghdr } from '../msg.ts';
import { sk_stream_memory_free } from './tcp.ts';
import { tcp_chrono_start, tcp_slow_start_after_idle_check } from './tcp_cwnd.ts';
import { sk_mem_charge, sk_mem_uncharge, sk_wmem_queued_add, tcp_wmem_schedule } from './tcp_mem.ts';
import { tcp_current_mss } from './tcp_output.ts';
import { tcp_rate_check_app_limited } from './tcp_rate.ts';
import {
  after,
  MAX_TCP_HEADER,
  TCP_CHRONO_BUSY,
  TCP_NAGLE_CORK,
  TCP_NAGLE_PUSH,
  TCPHDR_ACK,
  TCPHDR_PSH,
  TSQ_THROTTLED,
  tcp_rtx_queue_empty,
  tcp_send_head,
  type tcp_sock,
  tcp_stream_alloc_skb,
  tcp_write_queue_tail,
} from './tcp_sock.ts';
import { __tcp_push_pending_frames, tcp_push_one } from './tcp_write_queue.ts';

/** Payload that lies in one piece behind MAX_TCP_HEADER, for 64 KiB in all with what alloc_skb adds. */
const LARGEST_LINEAR = 65536 - MAX_TCP_HEADER - SIZEOF_SHARED_INFO;

/**
 * Bytes that still go into a packet of the write queue: up to the goal, and, as it is in one piece and cannot grow, no
 * further than whole segments fill it, so that no short one stands between others.
 */
function room_left(skb: sk_buff, size_goal: number, mss_now: number): number {
  const capacity = skb.len + skb_tailroom(skb);
  const goal = size_goal <= capacity ? size_goal : capacity >= mss_now ? capacity - (capacity % mss_now) : capacity;
  return goal - skb.len;
}

/** Payload of the largest packet that one skb of the write queue may become: whole segments, up to half of the peer's window. */
function tcp_size_goal(sk: tcp_sock, mss_now: number, large_allowed: boolean): number {
  if (!large_allowed || !sk.sk_can_gso) return mss_now;
  // tcp_xmit_size_goal, tcp_bound_to_half_wnd
  const most = Math.min(sk.sk_gso_max_size, LARGEST_LINEAR);
  const half = sk.max_window >> 1;
  const size = sk.max_window > 536 && most > half ? Math.max(half, 68 - sk.tcp_header_len) : most;
  const segs = Math.min(Math.max(Math.floor(size / mss_now), 1), sk.sk_gso_max_segs);
  return Math.max(segs * mss_now, mss_now);
}

/** forced_push: half of the largest window the other side has had is waiting. */
function forced_push(sk: tcp_sock): boolean {
  return after(sk.write_seq, (sk.pushed_seq + (sk.max_window >> 1)) | 0);
}

/** tcp_mark_push */
function tcp_mark_push(sk: tcp_sock, skb: sk_buff): void {
  skb.tcp_flags |= TCPHDR_PSH;
  sk.pushed_seq = sk.write_seq;
}

/** tcp_skb_entail: an empty packet at the write queue's end. */
function tcp_skb_entail(sk: tcp_sock, skb: sk_buff): void {
  skb.seq = sk.write_seq;
  skb.end_seq = sk.write_seq;
  skb.tcp_flags = TCPHDR_ACK;
  sk.sk_write_queue.push(skb);
  sk_wmem_queued_add(sk, skb.truesize);
  sk_mem_charge(sk, skb.truesize);
  sk.nonagle &= ~TCP_NAGLE_PUSH;
  if (sk.sk_write_queue.first === skb) tcp_chrono_start(sk, TCP_CHRONO_BUSY);
  tcp_slow_start_after_idle_check(sk);
}

/** tcp_remove_empty_skb: a packet for which there was no byte. */
export function tcp_remove_empty_skb(sk: tcp_sock): void {
  const skb = tcp_write_queue_tail(sk);
  if (skb === null || skb.seq !== skb.end_seq) return;
  sk.sk_write_queue.unlink(skb);
  sk.sk_wmem_queued -= skb.truesize;
  sk_mem_uncharge(sk, skb.truesize);
  kfree_skb_reason(skb, SKB_DROP_REASON.CONSUMED);
}

/** tcp_should_autocork: wait for more while the last small one is still in the queue below. */
function tcp_should_autocork(sk: tcp_sock, skb: sk_buff, size_goal: number): boolean {
  return (
    skb.len < size_goal &&
    sk.sk_net.ipv4.tcp_autocorking !== 0 &&
    !tcp_rtx_queue_empty(sk) &&
    sk.sk_wmem_alloc - 1 > skb.truesize &&
    skb.eor === 0
  );
}

/** tcp_push: what is in the write queue goes as far as it may. */
export function tcp_push(sk: tcp_sock, flags: number, mss_now: number, nonagle: number, size_goal: number): void {
  const skb = tcp_write_queue_tail(sk);
  if (skb === null) return;
  if ((flags & MSG_MORE) === 0 || forced_push(sk)) tcp_mark_push(sk, skb);
  // tcp_mark_urg
  if ((flags & MSG_OOB) !== 0) sk.snd_up = sk.write_seq;
  if (tcp_should_autocork(sk, skb, size_goal)) {
    // TSQ_THROTTLED: the clone below wakes us when it is freed.
    if ((sk.tsq_flags & TSQ_THROTTLED) === 0) {
      sk.tsq_flags |= TSQ_THROTTLED;
      sk.sk_net.ipv4.mib.TcpExtTCPAutoCorking++;
    }
    return;
  }
  __tcp_push_pending_frames(sk, mss_now, (flags & MSG_MORE) !== 0 ? TCP_NAGLE_CORK : nonagle);
}

/**
 * tcp_sendmsg: bytes taken, which may be fewer than `length` when it shall not wait; or -EPIPE, -EAGAIN, -EFAULT, the
 * socket's error, or -ERESTARTSYS with the task asleep, `call.progress` bytes taken so far.
 */
export function tcp_sendmsg(sk_: sock, msg: msghdr, length: number): number {
  const sk = sk_ as tcp_sock;
  const { kernel } = sk;
  const { flags, msg_task: task } = msg;
  const timeo = sock_sndtimeo(sk, (flags & MSG_DONTWAIT) !== 0);
  let copied = task === null ? 0 : task.call.progress;
  tcp_rate_check_app_limited(sk);
  // A call that has taken bytes and was woken by the connection's end says how many; the error is for the next one.
  if (copied === 0 && sk.sk_state !== TCP_ESTABLISHED && sk.sk_state !== TCP_CLOSE_WAIT) {
    const err = sk_stream_wait_connect(sk, task, timeo);
    sk.sk_write_pending = err === -ERESTARTSYS ? 1 : 0;
    if (err !== 0) return err === -ERESTARTSYS ? err : send_error(sk, copied, err);
  }
  sk.sk_write_pending = 0;
  kernel.clock.now += kernel.cost.tcp_sendmsg;
  const tp = kernel.trace.tcp_sendmsg;
  if (tp !== null) tp(sk, length);
  let mss_now = tcp_current_mss(sk);
  let size_goal = tcp_size_goal(sk, mss_now, (flags & MSG_OOB) === 0);
  if (sk.sk_err !== 0 || (sk.sk_shutdown & SEND_SHUTDOWN) !== 0) return send_error(sk, copied, -EPIPE);

  while (copied < length) {
    let skb = tcp_write_queue_tail(sk);
    let copy = 0;
    if (skb !== null && skb.eor === 0) copy = room_left(skb, size_goal, mss_now);
    let room = true;
    if (skb === null || copy <= 0) {
      room = sk_stream_memory_free(sk);
      if (room) {
        // Whole segments in one piece, and room for what the program may still add to a short one.
        skb = tcp_stream_alloc_skb(sk, Math.min(size_goal, Math.max(mss_now, length - copied)));
        if (skb === null) room = false;
        else {
          tcp_skb_entail(sk, skb);
          copy = room_left(skb, size_goal, mss_now);
        }
      }
    }
    if (copy > length - copied) copy = length - copied;
    if (room) {
      copy = tcp_wmem_schedule(sk, copy);
      room = copy > 0;
    }
    if (!room) {
      tcp_remove_empty_skb(sk);
      if (copied !== 0) tcp_push(sk, flags & ~MSG_MORE, mss_now, TCP_NAGLE_PUSH, size_goal);
      if (task !== null) task.call.progress = copied;
      const err = sk_stream_wait_memory(sk, task, timeo);
      if (err !== 0) return err === -ERESTARTSYS ? err : finish(sk, flags, mss_now, size_goal, copied, err);
      mss_now = tcp_current_mss(sk);
      size_goal = tcp_size_goal(sk, mss_now, (flags & MSG_OOB) === 0);
      continue;
    }
    const packet = skb as sk_buff;
    if (task !== null && !task.mm.access_ok(msg.msg_base + copied, copy)) {
      return finish(sk, flags, mss_now, size_goal, copied, -EFAULT);
    }
    // The one copy on the way out: user to kernel.
    const to = skb_put(packet, copy);
    charge_copy(kernel, copy, COPY_FROM_USER);
    packet.ram.move(to, msg.msg_base + copied, copy);
    const tp_copy = kernel.trace.skb_copy_from;
    if (tp_copy !== null) tp_copy(packet, msg.msg_base + copied, copy);
    packet.truesize += copy;
    sk_wmem_queued_add(sk, copy);
    sk_mem_charge(sk, copy);
    if (copied === 0) packet.tcp_flags &= ~TCPHDR_PSH;
    sk.write_seq = (sk.write_seq + copy) | 0;
    packet.end_seq = (packet.end_seq + copy) | 0;
    packet.gso_segs = 0;
    copied += copy;
    if (copied === length) {
      if ((flags & MSG_EOR) !== 0) packet.eor = 1;
      break;
    }
    if (room_left(packet, size_goal, mss_now) > 0 || (flags & MSG_OOB) !== 0) continue;
    if (forced_push(sk)) {
      tcp_mark_push(sk, packet);
      __tcp_push_pending_frames(sk, mss_now, TCP_NAGLE_PUSH);
    } else if (packet === tcp_send_head(sk)) {
      tcp_push_one(sk, mss_now);
    }
  }
  if (copied !== 0) tcp_push(sk, flags, mss_now, sk.nonagle, size_goal);
  return copied;
}

/** tcp_sendmsg's do_error: what was taken counts, the error is for the next call. */
function finish(sk: tcp_sock, flags: number, mss_now: number, size_goal: number, copied: number, err: number): number {
  tcp_remove_empty_skb(sk);
  if (copied !== 0) {
    tcp_push(sk, flags, mss_now, sk.nonagle, size_goal);
    return copied;
  }
  return send_error(sk, 0, err);
}

function send_error(sk: tcp_sock, copied: number, err: number): number {
  if (copied !== 0) return copied;
  const result = sk_stream_error(sk, err);
  // Who waits for an edge must not wait for ever.
  if (result === -EAGAIN && tcp_rtx_queue_empty(sk) && tcp_send_head(sk) === null) sk.sk_write_space(sk);
  return result;
}
