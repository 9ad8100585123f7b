/**
 * A connection is taken out of a socket, and put into another one, without a segment being sent (TCP_REPAIR; net/ipv4/tcp.c:
 * tcp_repair_options_est, tcp_send_rcvq, tcp_peek_sndq): for checkpoint and restore. While it is under repair, the program
 * says which queue it means; connect and close are silent.
 */
import { EFAULT, EFBIG, EINVAL, ENOMEM, EPERM } from '../../errno.ts';
import { GFP_KERNEL } from '../../mm/slab.ts';
import {
  consume_skb,
  kfree_skb_reason,
  SKB_DROP_REASON,
  type sk_buff,
  skb_copy_bits,
  skb_put,
} from '../core/skbuff.ts';
import { TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN } from '../core/sock.ts';
import { memcpy_from_msg, msg_piece, msg_range_ok, type msghdr, type sockopt } from '../msg.ts';
import { tcp_queue_rcv } from './tcp_data.ts';
import { sk_forced_mem_schedule } from './tcp_mem.ts';
import { tcp_mtup_init } from './tcp_mss.ts';
import {
  after,
  own_slow,
  TCP_MAX_WSCALE,
  TCPHDR_ACK,
  TCPOPT_MSS,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
  tcp_clock_ts,
  tcp_rtx_queue_empty,
  type tcp_sock,
  tcp_stream_alloc_skb,
} from './tcp_sock.ts';
import { tcp_send_window_probe } from './tcp_write_queue.ts';

export const TCP_REPAIR = 19;
export const TCP_REPAIR_QUEUE = 20;
export const TCP_QUEUE_SEQ = 21;
export const TCP_REPAIR_OPTIONS = 22;
export const TCP_TIMESTAMP = 24;
export const TCP_REPAIR_WINDOW = 29;
const TCP_REPAIR_OFF_NO_WP = -1;
const TCP_REPAIR_OFF = 0;
const TCP_REPAIR_ON = 1;
export const TCP_NO_QUEUE = 0;
export const TCP_RECV_QUEUE = 1;
export const TCP_SEND_QUEUE = 2;
const TCP_QUEUES_NR = 3;
/** struct tcp_repair_opt, struct tcp_repair_window. */
const SIZEOF_INT = 4;
const SIZEOF_TCP_REPAIR_OPT = 8;
const SIZEOF_TCP_REPAIR_WINDOW = 20;
const TCP_SACK_SEEN = 1;

function set_repair(sk: tcp_sock, value: number): number {
  if (sk.sk_state === TCP_LISTEN) return -EPERM;
  switch (value) {
    case TCP_REPAIR_ON:
      own_slow(sk).repair = 1;
      own_slow(sk).repair_queue = TCP_NO_QUEUE;
      // Linux: SK_FORCE_REUSE, which heeds nobody else's wish.
      sk.sk_reuse = true;
      return 0;
    case TCP_REPAIR_OFF:
      own_slow(sk).repair = 0;
      sk.sk_reuse = false;
      if (sk.sk_state === TCP_ESTABLISHED) {
        // So that the answer's window is news.
        sk.snd_wl1 = (sk.rcv_nxt - 1) | 0;
        tcp_send_window_probe(sk);
      }
      return 0;
    case TCP_REPAIR_OFF_NO_WP:
      own_slow(sk).repair = 0;
      sk.sk_reuse = false;
      return 0;
    default:
      return -EINVAL;
  }
}

function set_queue_seq(sk: tcp_sock, value: number): number {
  if (sk.sk_state !== TCP_CLOSE) return -EPERM;
  switch (sk.slow.repair_queue) {
    case TCP_SEND_QUEUE:
      if (!tcp_rtx_queue_empty(sk)) return -EPERM;
      sk.write_seq = value;
      return 0;
    case TCP_RECV_QUEUE:
      if (sk.rcv_nxt !== sk.copied_seq) return -EPERM;
      sk.rcv_nxt = value;
      sk.copied_seq = value;
      return 0;
    default:
      return -EINVAL;
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** tcp_repair_options_est: what the SYNs had agreed on: pairs of an option's kind and its value. */
function set_options(sk: tcp_sock, bytes: Uint8Array | null): number {
  const { rx_opt } = sk;
  if (sk.slow.repair === 0) return -EINVAL;
  if (sk.sk_state !== TCP_ESTABLISHED || sk.bytes_sent !== 0) return -EPERM;
  if (bytes === null) return -EINVAL;
  const view = viewOf(bytes);
  for (let at = 0; at + SIZEOF_TCP_REPAIR_OPT <= bytes.length; at += SIZEOF_TCP_REPAIR_OPT) {
    const value = view.getUint32(at + 4, true);
    switch (view.getUint32(at, true)) {
      case TCPOPT_MSS:
        rx_opt.mss_clamp = value;
        tcp_mtup_init(sk);
        break;
      case TCPOPT_WINDOW: {
        const snd_wscale = value & 0xffff;
        const rcv_wscale = value >>> 16;
        if (snd_wscale > TCP_MAX_WSCALE || rcv_wscale > TCP_MAX_WSCALE) return -EFBIG;
        rx_opt.snd_wscale = snd_wscale;
        rx_opt.rcv_wscale = rcv_wscale;
        rx_opt.wscale_ok = 1;
        break;
      }
      case TCPOPT_SACK_PERM:
        if (value !== 0) return -EINVAL;
        rx_opt.sack_ok |= TCP_SACK_SEEN;
        break;
      case TCPOPT_TIMESTAMP:
        if (value !== 0) return -EINVAL;
        rx_opt.tstamp_ok = 1;
        break;
    }
  }
  return 0;
}

/** tcp_repair_set_window: struct tcp_repair_window. */
function set_window(sk: tcp_sock, bytes: Uint8Array | null): number {
  if (sk.slow.repair === 0) return -EPERM;
  if (bytes === null || bytes.length !== SIZEOF_TCP_REPAIR_WINDOW) return -EINVAL;
  const view = viewOf(bytes);
  const snd_wl1 = view.getInt32(0, true);
  const snd_wnd = view.getUint32(4, true);
  const max_window = view.getUint32(8, true);
  const rcv_wnd = view.getUint32(12, true);
  const rcv_wup = view.getInt32(16, true);
  if (max_window < snd_wnd) return -EINVAL;
  if (after(snd_wl1, (sk.rcv_nxt + rcv_wnd) | 0) || after(rcv_wup, sk.rcv_nxt)) return -EINVAL;
  sk.snd_wl1 = snd_wl1;
  sk.snd_wnd = snd_wnd;
  sk.max_window = max_window;
  sk.rcv_wnd = rcv_wnd;
  sk.rcv_wup = rcv_wup;
  return 0;
}

/** do_tcp_setsockopt's part: 0 or a negative errno. */
export function tcp_repair_setsockopt(sk: tcp_sock, name: number, opt: sockopt): number {
  const value = opt.value | 0;
  const { repair } = sk.slow;
  const structure = name === TCP_REPAIR_OPTIONS || name === TCP_REPAIR_WINDOW;
  if (structure && (opt.bytes?.length ?? 0) < SIZEOF_INT) return -EINVAL;
  switch (name) {
    case TCP_REPAIR:
      return set_repair(sk, value);
    case TCP_REPAIR_QUEUE:
      if (repair === 0) return -EPERM;
      if (value < 0 || value >= TCP_QUEUES_NR) return -EINVAL;
      own_slow(sk).repair_queue = value;
      return 0;
    case TCP_QUEUE_SEQ:
      return set_queue_seq(sk, value);
    case TCP_REPAIR_OPTIONS:
      return set_options(sk, opt.bytes);
    case TCP_REPAIR_WINDOW:
      return set_window(sk, opt.bytes);
    default:
      // TCP_TIMESTAMP: our clock goes on from there. (In Linux its lowest bit says whether it counts µs.)
      if (repair === 0) return -EPERM;
      sk.tsoffset = (value - tcp_clock_ts(sk.kernel)) | 0;
      return 0;
  }
}

/** do_tcp_getsockopt's part: 0 with the answer in `opt`, or a negative errno. */
export function tcp_repair_getsockopt(sk: tcp_sock, name: number, opt: sockopt): number {
  const { repair, repair_queue } = sk.slow;
  switch (name) {
    case TCP_REPAIR:
      opt.value = repair;
      return 0;
    case TCP_REPAIR_QUEUE:
      if (repair === 0) return -EINVAL;
      opt.value = repair_queue;
      return 0;
    case TCP_QUEUE_SEQ:
      if (repair_queue === TCP_NO_QUEUE) return -EINVAL;
      opt.value = repair_queue === TCP_SEND_QUEUE ? sk.write_seq : sk.rcv_nxt;
      return 0;
    case TCP_REPAIR_WINDOW: {
      if (opt.optlen >= 0 && opt.optlen !== SIZEOF_TCP_REPAIR_WINDOW) return -EINVAL;
      if (repair === 0) return -EPERM;
      const { snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup } = sk;
      opt.bytes = new Uint8Array(Int32Array.of(snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup).buffer);
      opt.value = SIZEOF_TCP_REPAIR_WINDOW;
      return 0;
    }
    default:
      opt.value = (tcp_clock_ts(sk.kernel) + sk.tsoffset) & ~1;
      return 0;
  }
}

/** tcp_send_rcvq: what is sent while the receive queue is meant is received. Bytes, -ENOMEM or -EFAULT. */
export function tcp_send_rcvq(sk: tcp_sock, msg: msghdr, size: number): number {
  if (size === 0) return 0;
  const skb = tcp_stream_alloc_skb(sk, size, GFP_KERNEL);
  if (skb === null) return -ENOMEM;
  if (!msg_range_ok(msg, 0, size)) {
    kfree_skb_reason(skb, SKB_DROP_REASON.SKB_UCOPY_FAULT);
    return -EFAULT;
  }
  memcpy_from_msg(skb.ram, skb_put(skb, size), msg, 0, size);
  skb.truesize += size;
  sk_forced_mem_schedule(sk, skb.truesize);
  skb.seq = sk.rcv_nxt;
  skb.end_seq = (skb.seq + size) | 0;
  skb.ack_seq = (sk.snd_una - 1) | 0;
  skb.tcp_flags = TCPHDR_ACK;
  if (tcp_queue_rcv(sk, skb)) consume_skb(skb);
  return size;
}

/** tcp_peek_sndq: everything that is sent or to be sent, to the program, which must have room for all of it. Bytes or -EFAULT. */
export function tcp_peek_sndq(sk: tcp_sock, msg: msghdr, size: number): number {
  let copied = 0;
  for (const queue of [sk.tcp_rtx_queue, sk.sk_write_queue]) {
    for (let skb: sk_buff | null = queue.first; skb !== null; skb = skb.next) {
      // skb_copy_datagram_msg: no room is as a bad pointer.
      if (skb.len > size - copied || !msg_range_ok(msg, copied, skb.len)) return -EFAULT;
      for (let done = 0; done < skb.len; ) {
        const n = msg_piece(msg, copied + done, skb.len - done);
        skb_copy_bits(skb, done, msg.msg_at, n);
        done += n;
      }
      copied += skb.len;
    }
  }
  return copied;
}
