/** Bytes from the program to the write queue (net/ipv4/tcp.c: tcp_sendmsg_locked and what it calls). */
import { COPY_FROM_USER } from '../../copies.ts';
import { charge_copy } from '../../costs.ts';
import { EAGAIN, EFAULT, EINPROGRESS, EINVAL, ENOBUFS, EPIPE } from '../../errno.ts';
import { GFP_KERNEL } from '../../mm/slab.ts';
import { ERESTARTSYS, type task_struct } from '../../sched/task.ts';
import {
  MAX_SKB_FRAGS,
  msg_zerocopy_realloc,
  net_zcopy_put,
  net_zcopy_put_abort,
  type ubuf_info_msgzc,
} from '../core/msg_zerocopy.ts';
import { SOF_TIMESTAMPING_TX_ACK, SOF_TIMESTAMPING_TX_RECORD_MASK, sock_tx_timestamp } from '../core/skb_tstamp.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff, skb_put } from '../core/skbuff.ts';
import { SEND_SHUTDOWN, type sock, sock_sndtimeo, TCP_CLOSE_WAIT, TCP_ESTABLISHED } from '../core/sock.ts';
import { sk_stream_error, sk_stream_wait_connect, sk_stream_wait_memory } from '../core/stream.ts';
import {
  CMSG_TIMESTAMPING,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_FASTOPEN,
  MSG_MORE,
  MSG_OOB,
  MSG_ZEROCOPY,
  memcpy_from_msg,
  msg_piece,
  msg_range_ok,
  type msghdr,
} from '../msg.ts';
import { sk_stream_memory_free } from './tcp.ts';
import { tcp_chrono_start, tcp_slow_start_after_idle_check } from './tcp_cwnd.ts';
import { tcp_passive_fastopen, tcp_sendmsg_fastopen } from './tcp_fastopen.ts';
import {
  sk_forced_mem_schedule,
  sk_mem_charge,
  sk_mem_uncharge,
  sk_wmem_queued_add,
  sk_wmem_schedule,
  tcp_wmem_schedule,
} from './tcp_mem.ts';
import { tcp_current_mss } from './tcp_output.ts';
import { tcp_rate_check_app_limited } from './tcp_rate.ts';
import { TCP_RECV_QUEUE, TCP_SEND_QUEUE, tcp_send_rcvq } from './tcp_repair.ts';
import {
  after,
  own_write_queue,
  TCP_CHRONO_BUSY,
  TCP_MSS_DEFAULT,
  TCP_NAGLE_CORK,
  TCP_NAGLE_PUSH,
  TCPCB_REPAIRED,
  TCPHDR_ACK,
  TCPHDR_PSH,
  TSQ_THROTTLED,
  tcp_rtx_and_write_queues_empty,
  tcp_rtx_queue_empty,
  tcp_send_head,
  tcp_skb_extend,
  type tcp_sock,
  tcp_stream_alloc_skb,
  tcp_write_queue_tail,
} from './tcp_sock.ts';
import { __tcp_push_pending_frames, tcp_push_one } from './tcp_write_queue.ts';

/** tcp_xmit_size_goal: payload that one skb of the write queue may take: whole segments, up to half of the peer's window. */
export function tcp_xmit_size_goal(sk: tcp_sock, mss_now: number, large_allowed: boolean): number {
  if (!large_allowed || !sk.sk_can_gso) return mss_now;
  // tcp_bound_to_half_wnd
  const cutoff = sk.max_window > TCP_MSS_DEFAULT ? sk.max_window >>> 1 : sk.max_window;
  const most = sk.sk_gso_max_size;
  const size = cutoff !== 0 && most > cutoff ? Math.max(cutoff, 68 - sk.tcp_header_len) : most;
  const segs = Math.min(Math.max(Math.floor(size / mss_now), 1), sk.sk_gso_max_segs);
  return Math.max(segs * mss_now, mss_now);
}

const PAGE_SIZE = 4096;

/** forced_push: half of the largest window the other side has had is waiting. */
function forced_push(sk: tcp_sock): boolean {
  return after(sk.write_seq, (sk.pushed_seq + (sk.max_window >> 1)) | 0);
}

/** tcp_mark_push */
function tcp_mark_push(sk: tcp_sock, skb: sk_buff): void {
  skb.tcp_flags |= TCPHDR_PSH;
  sk.pushed_seq = sk.write_seq;
}

/**
 * The one copy on the way out, user to kernel: `length` bytes of the message from `offset` go behind the packet's end. False:
 * the program's pointer is a bad one.
 */
export function tcp_skb_add_data(skb: sk_buff, msg: msghdr, offset: number, length: number): boolean {
  if (!msg_range_ok(msg, offset, length)) return false;
  const { kernel } = skb;
  const to = skb_put(skb, length);
  charge_copy(kernel, length, COPY_FROM_USER);
  if (msg.msg_iov === null) skb.ram.move(to, msg.msg_base + offset, length);
  else memcpy_from_msg(skb.ram, to, msg, offset, length);
  const tp = kernel.trace.skb_copy_from;
  if (tp !== null) tp(skb, msg.msg_base + offset, length);
  skb.truesize += length;
  return true;
}

/** tcp_skb_entail: an empty packet at the write queue's end. */
function tcp_skb_entail(sk: tcp_sock, skb: sk_buff): void {
  skb.seq = sk.write_seq;
  skb.end_seq = sk.write_seq;
  skb.tcp_flags = TCPHDR_ACK;
  own_write_queue(sk).push(skb);
  sk_wmem_queued_add(sk, skb.truesize);
  sk_mem_charge(sk, skb.truesize);
  sk.nonagle &= ~TCP_NAGLE_PUSH;
  if (sk.sk_write_queue.first === skb) tcp_chrono_start(sk, TCP_CHRONO_BUSY);
  tcp_slow_start_after_idle_check(sk);
}

/** tcp_stream_alloc_skb's second half: memory for the packet itself. The first of all gets it in any case. False: it is freed. */
function tcp_skb_schedule(sk: tcp_sock, skb: sk_buff): boolean {
  if (tcp_rtx_and_write_queues_empty(sk)) sk_forced_mem_schedule(sk, skb.truesize);
  else if (!sk_wmem_schedule(sk, skb.truesize)) {
    kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
    return false;
  }
  return true;
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

/** tcp_tx_timestamp: the last byte of the call is what its stamps are of. */
function tcp_tx_timestamp(sk: tcp_sock, tsflags: number): void {
  const skb = tcp_write_queue_tail(sk);
  if (skb === null) return;
  skb.tx_flags |= sock_tx_timestamp(tsflags);
  if ((tsflags & SOF_TIMESTAMPING_TX_ACK) !== 0) skb.txstamp_ack = 1;
  if ((tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK) !== 0) skb.tskey = (skb.seq + skb.len - 1) | 0;
}

/** tcp_sendmsg's `out`: stamps and push for what was taken. */
function push_taken(sk: tcp_sock, msg: msghdr, flags: number, mss_now: number, size_goal: number): void {
  let tsflags = sk.opts.sk_tsflags;
  const control = msg.msg_control;
  if (control !== null && (control.present & CMSG_TIMESTAMPING) !== 0)
    tsflags = (tsflags & ~SOF_TIMESTAMPING_TX_RECORD_MASK) | control.tsflags;
  if (tsflags !== 0) tcp_tx_timestamp(sk, tsflags);
  tcp_push(sk, flags, mss_now, sk.nonagle, size_goal);
}

/** How much the write queue's last packet still takes, 0 for nothing. */
function tail_room(sk: tcp_sock, size_goal: number, uarg: ubuf_info_msgzc | null): number {
  const skb = tcp_write_queue_tail(sk);
  // tcp_skb_can_collapse_to
  if (skb === null || skb.len >= size_goal || skb.eor !== 0) return 0;
  // No place for one more page fragment, or it holds another send's (skb_zerocopy_iter_stream: -EMSGSIZE, -EEXIST).
  if (skb.nr_frags >= MAX_SKB_FRAGS || (uarg !== null && skb.ubuf !== null && skb.ubuf !== uarg)) {
    tcp_mark_push(sk, skb);
    return 0;
  }
  return size_goal - skb.len;
}

/** What of `copy` bytes lies in one piece of the program's memory (msg.msg_at), in no more pages than the packet has place for. */
function zerocopy_piece(skb: sk_buff, msg: msghdr, offset: number, copy: number): number {
  const n = msg_piece(msg, offset, copy);
  return Math.min(n, (MAX_SKB_FRAGS - skb.nr_frags) * PAGE_SIZE - (msg.msg_at & (PAGE_SIZE - 1)));
}

/** skb_zcopy_set: the packet holds `copy` bytes of that send, which count by pages. */
function skb_zcopy_set(sk: tcp_sock, skb: sk_buff, uarg: ubuf_info_msgzc, at: number, copy: number): void {
  const pages = Math.ceil(((at & (PAGE_SIZE - 1)) + copy) / PAGE_SIZE);
  const beyond = pages * PAGE_SIZE - copy;
  skb.nr_frags += pages;
  skb.truesize += beyond;
  sk_wmem_queued_add(sk, beyond);
  sk_mem_charge(sk, beyond);
  if (skb.ubuf !== null) return;
  skb.ubuf = uarg;
  uarg.refcnt++;
}

/** The number under which the program hears of this send's end (SO_ZEROCOPY); null: it does not; -ENOBUFS: too many of them. */
function zerocopy_begin(sk: tcp_sock, msg: msghdr, length: number): ubuf_info_msgzc | null | number {
  if (!sk.sk_zerocopy || length === 0) return null;
  const { msg_task: task } = msg;
  if (task !== null && task.call.held !== null) return task.call.held as ubuf_info_msgzc;
  return msg_zerocopy_realloc(sk, length, tcp_write_queue_tail(sk)?.ubuf ?? null) ?? -ENOBUFS;
}

/**
 * tcp_sendmsg: bytes taken, which may be fewer than `length` when it shall not wait; or -EPIPE, -EAGAIN, -EFAULT, the
 * socket's error, -ENOBUFS (MSG_ZEROCOPY), or -ERESTARTSYS with the task asleep, `call.progress` bytes taken so far.
 */
export function tcp_sendmsg(sk_: sock, msg: msghdr, length: number): number {
  const sk = sk_ as tcp_sock;
  if ((msg.flags & MSG_ZEROCOPY) === 0) return tcp_sendmsg_locked(sk, msg, length, null);
  const uarg = zerocopy_begin(sk, msg, length);
  if (typeof uarg === 'number') return uarg;
  const result = tcp_sendmsg_locked(sk, msg, length, uarg);
  if (uarg === null) return result;
  if (result === -ERESTARTSYS) (msg.msg_task as task_struct).call.held = uarg;
  else if (result < 0) net_zcopy_put_abort(uarg);
  else net_zcopy_put(uarg);
  return result;
}

/**
 * How many bytes a new packet shall have room for: who writes much will go on filling it; who writes little gets a segment,
 * which may grow. A small write with nothing before it goes at once, most likely alone: it takes no more than it needs.
 */
function first_room(sk: tcp_sock, length: number, mss_now: number, size_goal: number): number {
  if (4 * length >= size_goal) return size_goal;
  return Math.min(size_goal, tcp_rtx_and_write_queues_empty(sk) ? length : Math.max(mss_now, length));
}

function tcp_sendmsg_locked(sk: tcp_sock, msg: msghdr, length: number, uarg: ubuf_info_msgzc | null): number {
  const { kernel } = sk;
  const { flags, msg_task: task } = msg;
  const timeo = sock_sndtimeo(sk, (flags & MSG_DONTWAIT) !== 0);
  let copied = task === null ? 0 : task.call.progress;
  if ((flags & MSG_FASTOPEN) !== 0 || sk.slow.defer_connect !== 0) {
    // Once a call, however often it has to wait.
    if (task === null || !task.call.restarted || sk.slow.fastopen_req?.task === task) {
      const err = tcp_sendmsg_fastopen(sk, msg, length);
      if (err === -ERESTARTSYS) return err;
      copied = sk.sk_net.ipv4.tcp.fastopen.copied_syn;
      sk.sk_write_pending = 0;
      if (err === -EINPROGRESS && copied > 0) return copied;
      if (err !== 0) return send_error(sk, 0, err);
    }
  }
  tcp_rate_check_app_limited(sk);
  // A call that has taken bytes and was woken by the connection's end says how many; the error is for the next one.
  const opening = sk.sk_state !== TCP_ESTABLISHED && sk.sk_state !== TCP_CLOSE_WAIT;
  if (copied === 0 && opening && !tcp_passive_fastopen(sk)) {
    const err = sk_stream_wait_connect(sk, task, timeo);
    sk.sk_write_pending = err === -ERESTARTSYS ? 1 : 0;
    if (err !== 0) return err === -ERESTARTSYS ? err : send_error(sk, copied, err);
  }
  sk.sk_write_pending = 0;
  kernel.clock.now += kernel.cost.tcp_sendmsg;
  const tp = kernel.trace.tcp_sendmsg;
  if (tp !== null) tp(sk, length);
  const { repair } = sk.slow;
  if (repair !== 0 && sk.slow.repair_queue !== TCP_SEND_QUEUE) {
    return sk.slow.repair_queue === TCP_RECV_QUEUE ? tcp_send_rcvq(sk, msg, length) : -EINVAL;
  }
  let mss_now = tcp_current_mss(sk);
  let size_goal = tcp_xmit_size_goal(sk, mss_now, (flags & MSG_OOB) === 0);
  if (sk.sk_err !== 0 || (sk.sk_shutdown & SEND_SHUTDOWN) !== 0) return send_error(sk, copied, -EPIPE);

  while (copied < length) {
    let skb = tcp_write_queue_tail(sk);
    let copy = tail_room(sk, size_goal, uarg);
    let room = true;
    if (copy === 0) {
      room = sk_stream_memory_free(sk);
      if (room) {
        skb = tcp_stream_alloc_skb(sk, first_room(sk, length, mss_now, size_goal), GFP_KERNEL);
        if (skb === null || !tcp_skb_schedule(sk, skb)) {
          room = false;
        } else {
          tcp_skb_entail(sk, skb);
          // As if it had been sent.
          if (repair !== 0) skb.sacked |= TCPCB_REPAIRED;
          copy = size_goal;
        }
      }
    }
    if (copy > length - copied) copy = length - copied;
    if (room) {
      if (uarg !== null) copy = zerocopy_piece(skb as sk_buff, msg, copied, copy);
      copy = tcp_wmem_schedule(sk, copy);
      room = copy > 0 && tcp_skb_extend(skb as sk_buff, copy, size_goal, GFP_KERNEL) === 0;
    }
    if (!room) {
      // Before the push, which shows by it that the buffer is what holds the sender up.
      sk.sk_nospace = true;
      tcp_remove_empty_skb(sk);
      if (copied !== 0) tcp_push(sk, flags & ~MSG_MORE, mss_now, TCP_NAGLE_PUSH, size_goal);
      if (task !== null) task.call.progress = copied;
      const err = sk_stream_wait_memory(sk, task, timeo);
      if (err !== 0) return err === -ERESTARTSYS ? err : finish(sk, msg, flags, mss_now, size_goal, copied, err);
      mss_now = tcp_current_mss(sk);
      size_goal = tcp_xmit_size_goal(sk, mss_now, (flags & MSG_OOB) === 0);
      continue;
    }
    const packet = skb as sk_buff;
    if (!tcp_skb_add_data(packet, msg, copied, copy))
      return finish(sk, msg, flags, mss_now, size_goal, copied, -EFAULT);
    sk_wmem_queued_add(sk, copy);
    sk_mem_charge(sk, copy);
    if (uarg !== null) skb_zcopy_set(sk, packet, uarg, msg.msg_at, copy);
    if (copied === 0) packet.tcp_flags &= ~TCPHDR_PSH;
    sk.write_seq = (sk.write_seq + copy) | 0;
    packet.end_seq = (packet.end_seq + copy) | 0;
    packet.gso_segs = 0;
    copied += copy;
    if (copied === length) {
      if ((flags & MSG_EOR) !== 0) packet.eor = 1;
      break;
    }
    if (packet.len < size_goal || (flags & MSG_OOB) !== 0 || repair !== 0) continue;
    if (forced_push(sk)) {
      tcp_mark_push(sk, packet);
      __tcp_push_pending_frames(sk, mss_now, TCP_NAGLE_PUSH);
    } else if (packet === tcp_send_head(sk)) {
      tcp_push_one(sk, mss_now);
    }
  }
  if (copied !== 0) push_taken(sk, msg, flags, mss_now, size_goal);
  return copied;
}

/** tcp_sendmsg's do_error: what was taken counts, the error is for the next call. */
function finish(
  sk: tcp_sock,
  msg: msghdr,
  flags: number,
  mss_now: number,
  size_goal: number,
  copied: number,
  err: number,
): number {
  tcp_remove_empty_skb(sk);
  if (copied !== 0) {
    push_taken(sk, msg, flags, mss_now, size_goal);
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
