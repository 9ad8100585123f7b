/**
 * sock: the kernel's side of every socket, whatever its family (include/net/sock.h, include/net/inet_sock.h,
 * net/core/sock.c). One class with all fields set in its constructor, so that the hot paths see one shape; what only
 * one protocol needs hangs at a subclass (packet_sock) or at `sk_protinfo`.
 *
 * Life: sk_alloc gives one reference, the socket's. Each queued outgoing packet counts in `sk_wmem_alloc`, which
 * starts at 1 for the socket itself; the sock is gone when that reaches 0 (sk_free).
 */
import { EAGAIN, EDOM, EINVAL, ENODEV, ENOMEM, ENOPROTOOPT, EOPNOTSUPP, EPERM, EPIPE } from '../../errno.ts';
import { POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../../fs/select.ts';
import type { Kernel } from '../../kernel.ts';
import { ERESTARTSYS, type task_struct } from '../../sched/task.ts';
import { prepare_to_wait, prepare_to_wait_exclusive, schedule_timeout, wait_queue_head } from '../../sched/wait.ts';
import { AF_MAX, CMSG_TIMESTAMP, msghdr, type net_proto_family, type sockaddr, type sockopt } from '../msg.ts';
import type { socket } from '../socket.ts';
import type { dst_entry } from './dst.ts';
import { type bpf_prog, bpf_prog_run, sk_attach_filter, sk_detach_filter } from './filter.ts';
import type { net } from './net_namespace.ts';
import { alloc_skb, SKB_DROP_REASON, type sk_buff, sk_buff_head, skb_reserve, skb_trim } from './skbuff.ts';

/** States of a sock: TCP's, which datagram sockets borrow (include/net/tcp_states.h). */
export const TCP_ESTABLISHED = 1;
export const TCP_SYN_SENT = 2;
export const TCP_SYN_RECV = 3;
export const TCP_FIN_WAIT1 = 4;
export const TCP_FIN_WAIT2 = 5;
export const TCP_TIME_WAIT = 6;
export const TCP_CLOSE = 7;
export const TCP_CLOSE_WAIT = 8;
export const TCP_LAST_ACK = 9;
export const TCP_LISTEN = 10;
export const TCP_CLOSING = 11;

export const RCV_SHUTDOWN = 1;
export const SEND_SHUTDOWN = 2;
export const SHUTDOWN_MASK = 3;

/** sk_userlocks: what the program fixed itself. */
export const SOCK_SNDBUF_LOCK = 1;
export const SOCK_RCVBUF_LOCK = 2;
export const SOCK_BINDADDR_LOCK = 4;
export const SOCK_BINDPORT_LOCK = 8;

/** Truesize of a small TCP segment: 2 KiB of data and an sk_buff. The smallest buffers derive from it. */
const TCP_SKB_MIN_TRUESIZE = 2048 + 256;
export const SOCK_MIN_SNDBUF = TCP_SKB_MIN_TRUESIZE * 2;
export const SOCK_MIN_RCVBUF = TCP_SKB_MIN_TRUESIZE;

/** A timeout that never ends (MAX_SCHEDULE_TIMEOUT). Timeouts are in ns. */
export const SCHEDULE_TIMEOUT_MAX = -1;

/** What a protocol does with its sockets (struct proto). Made with `make_proto`, so that all have one shape. */
export interface proto {
  readonly name: string;
  /** The socket is closed: out of the tables, last reference given back. */
  close(sk: sock): void;
  /** 0 or a negative errno. */
  init(sk: sock): number;
  connect(sk: sock, addr: sockaddr): number;
  disconnect(sk: sock): number;
  /** Bytes taken, a negative errno, or -ERESTARTSYS with the task asleep. */
  sendmsg(sk: sock, msg: msghdr, length: number): number;
  recvmsg(sk: sock, msg: msghdr, length: number): number;
  /** Options of the protocol's own level. */
  setsockopt(sk: sock, level: number, name: number, opt: sockopt): number;
  getsockopt(sk: sock, level: number, name: number, opt: sockopt): number;
  unhash(sk: sock): void;
  rehash(sk: sock): void;
  /** Binds to a port in host order, 0 for any free one. 0 or a negative errno. */
  get_port(sk: sock, port: number): number;
  /** SO_KEEPALIVE and SO_RCVLOWAT, where they do something at once. */
  readonly keepalive: ((sk: sock, on: boolean) => void) | null;
  readonly set_rcvlowat: ((sk: sock, value: number) => void) | null;
}

const no_op = (): void => {};
const no_connect = (): number => -EOPNOTSUPP;
const no_option = (): number => -ENOPROTOOPT;

export function make_proto(name: string, p: Partial<proto>): proto {
  return {
    name,
    close: p.close ?? sk_common_release,
    init: p.init ?? (() => 0),
    connect: p.connect ?? no_connect,
    disconnect: p.disconnect ?? no_connect,
    sendmsg: p.sendmsg ?? no_connect,
    recvmsg: p.recvmsg ?? no_connect,
    setsockopt: p.setsockopt ?? no_option,
    getsockopt: p.getsockopt ?? no_option,
    unhash: p.unhash ?? no_op,
    rehash: p.rehash ?? no_op,
    get_port: p.get_port ?? no_connect,
    keepalive: p.keepalive ?? null,
    set_rcvlowat: p.set_rcvlowat ?? null,
  };
}

export class sock {
  readonly kernel: Kernel;
  readonly sk_net: net;
  readonly sk_family: number;
  readonly sk_type: number;
  readonly sk_protocol: number;
  sk_prot: proto;
  sk_state = TCP_CLOSE;
  sk_shutdown = 0;
  sk_userlocks = 0;
  sk_socket: socket | null = null;
  /** SOCK_DEAD: the socket is closed, nobody is to be told. */
  sk_dead = false;

  // Queues and their books, in bytes of truesize.
  readonly sk_receive_queue = new sk_buff_head();
  readonly sk_error_queue = new sk_buff_head();
  sk_rmem_alloc = 0;
  sk_rcvbuf: number;
  sk_wmem_alloc = 1;
  sk_sndbuf: number;
  sk_drops = 0;
  /** Positive errnos: what the next call reports, and what only a failed call would. */
  sk_err = 0;
  sk_err_soft = 0;

  readonly sk_wq = new wait_queue_head();
  sk_data_ready: (sk: sock) => void = sock_def_readable;
  sk_write_space: (sk: sock) => void = sock_def_write_space;
  sk_error_report: (sk: sock) => void = sock_def_error_report;
  sk_state_change: (sk: sock) => void = sock_def_wakeup;

  sk_bound_dev_if = 0;
  sk_mark = 0;
  sk_priority = 0;
  /** ns; negative: for ever. */
  sk_rcvtimeo = SCHEDULE_TIMEOUT_MAX;
  sk_sndtimeo = SCHEDULE_TIMEOUT_MAX;
  sk_rcvlowat = 1;
  sk_reuse = false;
  sk_reuseport = false;
  /** The group of sockets that share an address by SO_REUSEPORT. */
  sk_reuseport_cb: unknown = null;
  sk_broadcast = false;
  /** SOCK_DBG, SOCK_LOCALROUTE, SOCK_KEEPOPEN, SOCK_LINGER: remembered, for those to whom they mean something. */
  sk_debug = false;
  /** SOCK_URGINLINE and SOCK_DONE: urgent data stays in the stream; the other side has sent its FIN. */
  sk_oobinline = false;
  sk_done = false;
  sk_localroute = false;
  sk_keepopen = false;
  sk_linger = false;
  /** s */
  sk_lingertime = 0;
  sk_no_check_tx = false;
  /** SO_ATTACH_FILTER's program, and whether SO_LOCK_FILTER has fixed it (SOCK_FILTER_LOCKED). */
  sk_filter: bpf_prog | null = null;
  sk_filter_locked = false;
  /** The hash of the flow that a connected socket receives, for RFS. */
  sk_rxhash = 0;
  /** UDP_GRO: several datagrams at once are welcome. */
  udp_gro = false;
  /** The route of a connected socket; sk_dst_check says whether it still holds. */
  sk_dst_cache: dst_entry | null = null;
  /** The transmit queue that its packets use, -1: none yet. */
  sk_tx_queue_mapping = -1;
  /** udp_sock: payload of each datagram that one send is cut into (UDP_SEGMENT); 0: no cutting. */
  gso_size = 0;
  /** What a protocol keeps beside. */
  sk_protinfo: unknown = null;

  // Hash chains: by port, and by address and port (UDP); by protocol (the others).
  sk_next: sock | null = null;
  sk_prev: sock | null = null;
  sk_hashed = false;
  portaddr_next: sock | null = null;
  portaddr_prev: sock | null = null;
  portaddr_hash = 0;

  // inet_sock. Addresses are int32 and ports numbers, both in host order.
  /** The address it receives for, and the one it sends from. */
  inet_rcv_saddr = 0;
  inet_saddr = 0;
  inet_daddr = 0;
  /** The port the tables know it by, and the one it sends from: Linux keeps the second in network order. */
  inet_num = 0;
  inet_sport = 0;
  inet_dport = 0;
  /** The last IP identification of a connected socket. */
  inet_id = 0;
  /** -1: the route's, or the system's default. */
  uc_ttl = -1;
  mc_ttl = 1;
  mc_loop = true;
  mc_index = 0;
  mc_addr = 0;
  tos = 0;
  pmtudisc = 1;
  recverr = false;
  /** Control messages it asked for: CMSG_ bits. */
  cmsg_flags = 0;
  freebind = false;
  bind_address_no_port = false;

  constructor(net: net, family: number, type: number, protocol: number, prot: proto) {
    this.kernel = net.kernel;
    this.sk_net = net;
    this.sk_family = family;
    this.sk_type = type;
    this.sk_protocol = protocol;
    this.sk_prot = prot;
    this.sk_rcvbuf = net.sysctl.rmem_default;
    this.sk_sndbuf = net.sysctl.wmem_default;
    net.core.sockets++;
  }
}

/** What the sockets of one net share (struct netns_core and the table of net_proto_family). */
export class netns_core {
  /** Socks that exist, for the leak check: closed ones with packets on their way count. */
  sockets = 0;
  /** AF_PACKET's sockets, each a packet_sock. */
  readonly packet: sock[] = [];
  /** AF_PACKET's fanout groups. */
  readonly fanout: unknown[] = [];
  /** By address family; set by sock_register. */
  readonly families: (net_proto_family | null)[] = new Array<net_proto_family | null>(AF_MAX).fill(null);
  /** The message header of the running system call: a slice is atomic, so one will do. */
  readonly msg = new msghdr();
}

// ---- life -----------------------------------------------------------------------------------------------------------

/** sock_orphan: the program has let go of it. */
export function sock_orphan(sk: sock): void {
  sk.sk_dead = true;
  if (sk.sk_socket !== null) sk.sk_socket.sk = null;
  sk.sk_socket = null;
}

/** sk_common_release: close, for protocols without a farewell of their own. */
export function sk_common_release(sk: sock): void {
  sk.sk_prot.unhash(sk);
  sock_orphan(sk);
  sock_destruct(sk);
}

/** inet_sock_destruct and sk_free: what is still queued is dropped, the socket's own reference given back. */
export function sock_destruct(sk: sock): void {
  sk.sk_receive_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
  sk.sk_error_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
  sk.sk_dst_cache = null;
  sk.sk_filter = null;
  sk_free_wmem(sk, 1);
}

export function sk_free_wmem(sk: sock, size: number): void {
  sk.sk_wmem_alloc -= size;
  // __sk_free: the last packet on its way may outlive the socket.
  if (sk.sk_wmem_alloc === 0) sk.sk_net.core.sockets--;
}

// ---- errors and wake-ups --------------------------------------------------------------------------------------------

/** sock_error: the pending error, negative, which is thereby reported; 0 for none. */
export function sock_error(sk: sock): number {
  const error = sk.sk_err;
  if (error === 0) return 0;
  sk.sk_err = 0;
  return -error;
}

/** sk_error_report */
export function sk_error_report(sk: sock): void {
  sk.sk_error_report(sk);
}

export function sock_def_wakeup(sk: sock): void {
  if (sk.sk_wq.active()) sk.sk_wq.wake_up_all();
}

export function sock_def_error_report(sk: sock): void {
  if (sk.sk_wq.active()) sk.sk_wq.wake_up(POLLERR);
}

/** sock_def_readable: data has come. */
export function sock_def_readable(sk: sock): void {
  const tp = sk.kernel.trace.sk_data_ready;
  if (tp !== null) tp(sk);
  if (sk.sk_wq.active()) sk.sk_wq.wake_up(POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND);
}

/** sock_def_write_space: wakes writers once half of the send buffer is free. */
export function sock_def_write_space(sk: sock): void {
  if (sock_writeable(sk) && sk.sk_wq.active()) sk.sk_wq.wake_up(POLLOUT | POLLWRNORM | POLLWRBAND);
}

/** sock_writeable */
export function sock_writeable(sk: sock): boolean {
  return sk.sk_wmem_alloc < sk.sk_sndbuf >> 1;
}

// ---- receive --------------------------------------------------------------------------------------------------------

/** skb_set_owner_r: the packet counts against the receive buffer until it is freed. */
export function skb_set_owner_r(skb: sk_buff, sk: sock): void {
  skb.sk = sk;
  skb.destructor = sock_rfree;
  sk.sk_rmem_alloc += skb.truesize;
}

/** The destructor of a received packet. */
export function sock_rfree(skb: sk_buff): void {
  (skb.sk as sock).sk_rmem_alloc -= skb.truesize;
}

/** sk_filter_trim_cap: runs the socket's filter; what it does not let through is cut, but not below `cap` bytes. 0 or a reason. */
export function sk_filter_trim_cap(sk: sock, skb: sk_buff, cap: number): number {
  const filter = sk.sk_filter;
  if (filter === null) return 0;
  const keep = bpf_prog_run(filter, skb);
  if (keep === 0) return SKB_DROP_REASON.SOCKET_FILTER;
  if (keep < skb.len) {
    const length = Math.max(cap, keep);
    if (!skb_trim(skb, length)) return SKB_DROP_REASON.NOMEM;
  }
  return 0;
}

/**
 * __sock_queue_rcv_skb: to the tail of the receive queue. Takes the skb when it returns 0; -ENOMEM: the receive
 * buffer is full (counted in sk_drops).
 */
export function __sock_queue_rcv_skb(sk: sock, skb: sk_buff): number {
  if (sk.sk_rmem_alloc >= sk.sk_rcvbuf) {
    sk.sk_drops++;
    return -ENOMEM;
  }
  sock_enqueue(sk, skb);
  return 0;
}

/** What queueing has in common: owner, tail of the queue, tracepoint, sk_data_ready. */
export function sock_enqueue(sk: sock, skb: sk_buff): void {
  skb.dev = null;
  skb_set_owner_r(skb, sk);
  sk.sk_receive_queue.push(skb);
  const tp = sk.kernel.trace.sock_queue_rcv_skb;
  if (tp !== null) tp(skb, sk);
  if (!sk.sk_dead) sk.sk_data_ready(sk);
}

/** sock_queue_rcv_skb_reason: filter, then queue. Takes the skb when it returns 0, else the result is why not. */
export function sock_queue_rcv_skb_reason(sk: sock, skb: sk_buff): number {
  const reason = sk_filter_trim_cap(sk, skb, 1);
  if (reason !== 0) return reason;
  return __sock_queue_rcv_skb(sk, skb) < 0 ? SKB_DROP_REASON.SOCKET_RCVBUFF : 0;
}

/** sock_rcvtimeo: how long a receive waits, in ns. */
export function sock_rcvtimeo(sk: sock, noblock: boolean): number {
  return noblock ? 0 : sk.sk_rcvtimeo;
}

export function sock_sndtimeo(sk: sock, noblock: boolean): number {
  return noblock ? 0 : sk.sk_sndtimeo;
}

/**
 * Puts the task to sleep until data comes (sk_wait_data, __skb_wait_for_more_packets). -ERESTARTSYS: the system call
 * runs again after the wake-up; -EAGAIN: it shall not wait, or has waited long enough.
 */
export function sk_wait_data(sk: sock, task: task_struct | null, timeo: number): number {
  if (timeo === 0 || task === null) return -EAGAIN;
  prepare_to_wait_exclusive(sk.sk_wq, task, POLLIN | POLLERR);
  return schedule_timeout(task, timeo) ? -ERESTARTSYS : -EAGAIN;
}

// ---- transmit -------------------------------------------------------------------------------------------------------

/** skb_set_owner_w: the packet counts against the send buffer until it is freed. */
export function skb_set_owner_w(skb: sk_buff, sk: sock): void {
  skb.sk = sk;
  skb.destructor = sock_wfree;
  sk.sk_wmem_alloc += skb.truesize;
}

/** The destructor of a packet on its way out: its bytes are free, whoever waits for room is told. */
export function sock_wfree(skb: sk_buff): void {
  const sk = skb.sk as sock;
  // First the room, then the news of it: sock_writeable looks. With this packet only a closed socket can go, and nobody
  // waits for that one.
  sk_free_wmem(sk, skb.truesize);
  if (!sk.sk_dead) sk.sk_write_space(sk);
}

/**
 * The conditions of sock_alloc_send_pskb: 0 when the socket may send now, else its pending error, -EPIPE after a
 * shutdown, -EAGAIN (buffer full and not waiting) or -ERESTARTSYS (asleep until there is room).
 */
export function sock_wait_for_wmem(sk: sock, msg: msghdr, noblock: boolean): number {
  if (sk.sk_err !== 0) return sock_error(sk);
  if ((sk.sk_shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  if (sk.sk_wmem_alloc < sk.sk_sndbuf) return 0;
  const timeo = sock_sndtimeo(sk, noblock);
  const task = msg.msg_task;
  if (timeo === 0 || task === null) return -EAGAIN;
  prepare_to_wait(sk.sk_wq, task);
  return schedule_timeout(task, timeo) ? -ERESTARTSYS : -EAGAIN;
}

/** An skb of the socket's for sending, `headroom` reserved: null without memory (-ENOBUFS). */
export function sock_wmalloc(sk: sock, size: number, headroom: number): sk_buff | null {
  const skb = alloc_skb(sk.kernel, size + headroom);
  if (skb === null) return null;
  skb_reserve(skb, headroom);
  skb_set_owner_w(skb, sk);
  skb.mark = sk.sk_mark;
  skb.priority = sk.sk_priority;
  return skb;
}

// ---- routes ---------------------------------------------------------------------------------------------------------

/** sk_dst_check: the cached route when it still holds. */
export function sk_dst_check(sk: sock): dst_entry | null {
  const dst = sk.sk_dst_cache;
  if (dst === null || dst.check()) return dst;
  sk_dst_reset(sk);
  return null;
}

/** sk_dst_reset */
export function sk_dst_reset(sk: sock): void {
  // sk_tx_queue_clear
  sk.sk_tx_queue_mapping = -1;
  sk.sk_dst_cache = null;
}

// ---- options of level SOL_SOCKET ------------------------------------------------------------------------------------

export const SOL_SOCKET = 1;
export const SO_DEBUG = 1;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_DONTROUTE = 5;
export const SO_BROADCAST = 6;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_OOBINLINE = 10;
export const SO_NO_CHECK = 11;
export const SO_PRIORITY = 12;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const SO_RCVLOWAT = 18;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const SO_BINDTODEVICE = 25;
export const SO_ATTACH_FILTER = 26;
export const SO_DETACH_FILTER = 27;
/** As an option that is asked for, SO_ATTACH_FILTER has this name. */
export const SO_GET_FILTER = SO_ATTACH_FILTER;
export const SO_ACCEPTCONN = 30;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_TIMESTAMPNS = 35;
export const SO_MARK = 36;
export const SO_PROTOCOL = 38;
export const SO_DOMAIN = 39;
export const SO_LOCK_FILTER = 44;
export const SO_MEMINFO = 55;
export const SO_BINDTOIFINDEX = 62;

const U32_MAX = 0xffffffff;

/** SO_RCVBUF and SO_SNDBUF: double what was asked for, which leaves room for the sk_buffs themselves. */
function buffer_size(value: number, max: number, min: number): number {
  // A negative value is a large one: the comparison is unsigned.
  return Math.max(Math.min(value >>> 0, max) * 2, min);
}

/** sock_set_timeout: the time in ns; 0, or more than the clock can say, means for ever. NaN: microseconds out of range. */
function timeout_of(opt: sockopt): number {
  if (!(opt.usec >= 0 && opt.usec < 1e6)) return Number.NaN;
  if (opt.sec < 0) return 0;
  if (opt.sec === 0 && opt.usec === 0) return SCHEDULE_TIMEOUT_MAX;
  const timeout = opt.sec * 1e9 + opt.usec * 1e3;
  return timeout > Number.MAX_SAFE_INTEGER / 2 ? SCHEDULE_TIMEOUT_MAX : timeout;
}

/** sk_setsockopt: 0 or a negative errno. */
export function sk_setsockopt(sk: sock, name: number, opt: sockopt): number {
  const { value } = opt;
  const on = value !== 0;
  const { sysctl } = sk.sk_net;
  switch (name) {
    case SO_REUSEADDR:
      sk.sk_reuse = on;
      return 0;
    case SO_REUSEPORT:
      sk.sk_reuseport = on;
      return 0;
    case SO_BROADCAST:
      sk.sk_broadcast = on;
      return 0;
    case SO_DEBUG:
      sk.sk_debug = on;
      return 0;
    case SO_DONTROUTE:
      sk.sk_localroute = on;
      sk_dst_reset(sk);
      return 0;
    case SO_KEEPALIVE:
      if (sk.sk_prot.keepalive !== null) sk.sk_prot.keepalive(sk, on);
      sk.sk_keepopen = on;
      return 0;
    case SO_OOBINLINE:
      sk.sk_oobinline = on;
      return 0;
    case SO_LINGER:
      // struct linger: l_onoff in `value`, l_linger in `sec`.
      sk.sk_linger = on;
      if (on) sk.sk_lingertime = opt.sec;
      return 0;
    case SO_SNDBUF:
      set_sndbuf(sk, buffer_size(value, sysctl.wmem_max, SOCK_MIN_SNDBUF));
      return 0;
    case SO_SNDBUFFORCE:
      set_sndbuf(sk, buffer_size(Math.max(value, 0), U32_MAX / 4, SOCK_MIN_SNDBUF));
      return 0;
    case SO_RCVBUF:
      set_rcvbuf(sk, buffer_size(value, sysctl.rmem_max, SOCK_MIN_RCVBUF));
      return 0;
    case SO_RCVBUFFORCE:
      set_rcvbuf(sk, buffer_size(Math.max(value, 0), U32_MAX / 4, SOCK_MIN_RCVBUF));
      return 0;
    case SO_TIMESTAMPNS:
      sk.cmsg_flags = on ? sk.cmsg_flags | CMSG_TIMESTAMP : sk.cmsg_flags & ~CMSG_TIMESTAMP;
      return 0;
    case SO_NO_CHECK:
      sk.sk_no_check_tx = on;
      return 0;
    case SO_PRIORITY:
      sk.sk_priority = value;
      return 0;
    case SO_MARK:
      if (sk.sk_mark !== value) {
        sk.sk_mark = value;
        sk_dst_reset(sk);
      }
      return 0;
    case SO_RCVLOWAT:
      sk.sk_rcvlowat = value < 0 ? 0x7fffffff : value === 0 ? 1 : value;
      if (sk.sk_prot.set_rcvlowat !== null) sk.sk_prot.set_rcvlowat(sk, sk.sk_rcvlowat);
      return 0;
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: {
      const timeout = timeout_of(opt);
      if (Number.isNaN(timeout)) return -EDOM;
      if (name === SO_RCVTIMEO) sk.sk_rcvtimeo = timeout;
      else sk.sk_sndtimeo = timeout;
      return 0;
    }
    case SO_ATTACH_FILTER:
      return sk_attach_filter(opt.filter, sk);
    case SO_DETACH_FILTER:
      return sk_detach_filter(sk);
    case SO_LOCK_FILTER:
      if (sk.sk_filter_locked && !on) return -EPERM;
      sk.sk_filter_locked = on;
      return 0;
    case SO_BINDTODEVICE: {
      const dev = opt.text === '' ? null : sk.sk_net.dev_get_by_name(opt.text);
      if (opt.text !== '' && dev === null) return -ENODEV;
      return sock_bindtoindex(sk, dev === null ? 0 : dev.ifindex);
    }
    case SO_BINDTOIFINDEX:
      if (value < 0) return -EINVAL;
      if (value !== 0 && sk.sk_net.dev_get_by_index(value) === null) return -ENODEV;
      return sock_bindtoindex(sk, value);
    default:
      return -ENOPROTOOPT;
  }
}

/** sock_bindtoindex: in the tables a bound device matters for the score only, so they stay as they are. */
function sock_bindtoindex(sk: sock, ifindex: number): number {
  sk.sk_bound_dev_if = ifindex;
  sk.sk_prot.rehash(sk);
  sk_dst_reset(sk);
  return 0;
}

function set_sndbuf(sk: sock, size: number): void {
  sk.sk_userlocks |= SOCK_SNDBUF_LOCK;
  sk.sk_sndbuf = size;
  // Somebody may wait for just this.
  sk.sk_write_space(sk);
}

function set_rcvbuf(sk: sock, size: number): void {
  sk.sk_userlocks |= SOCK_RCVBUF_LOCK;
  sk.sk_rcvbuf = size;
}

/** sk_getsockopt: 0 with the answer in `opt`, or a negative errno. */
export function sk_getsockopt(sk: sock, name: number, opt: sockopt): number {
  switch (name) {
    case SO_REUSEADDR:
      opt.value = Number(sk.sk_reuse);
      return 0;
    case SO_REUSEPORT:
      opt.value = Number(sk.sk_reuseport);
      return 0;
    case SO_BROADCAST:
      opt.value = Number(sk.sk_broadcast);
      return 0;
    case SO_DEBUG:
      opt.value = Number(sk.sk_debug);
      return 0;
    case SO_DONTROUTE:
      opt.value = Number(sk.sk_localroute);
      return 0;
    case SO_KEEPALIVE:
      opt.value = Number(sk.sk_keepopen);
      return 0;
    case SO_OOBINLINE:
      opt.value = Number(sk.sk_oobinline);
      return 0;
    case SO_LINGER:
      opt.value = Number(sk.sk_linger);
      opt.sec = sk.sk_lingertime;
      return 0;
    case SO_SNDBUF:
      opt.value = sk.sk_sndbuf;
      return 0;
    case SO_RCVBUF:
      opt.value = sk.sk_rcvbuf;
      return 0;
    case SO_TYPE:
      opt.value = sk.sk_type;
      return 0;
    case SO_PROTOCOL:
      opt.value = sk.sk_protocol;
      return 0;
    case SO_DOMAIN:
      opt.value = sk.sk_family;
      return 0;
    case SO_ERROR: {
      let error = -sock_error(sk);
      if (error === 0) {
        error = sk.sk_err_soft;
        sk.sk_err_soft = 0;
      }
      opt.value = error;
      return 0;
    }
    case SO_TIMESTAMPNS:
      opt.value = Number((sk.cmsg_flags & CMSG_TIMESTAMP) !== 0);
      return 0;
    case SO_NO_CHECK:
      opt.value = Number(sk.sk_no_check_tx);
      return 0;
    case SO_PRIORITY:
      opt.value = sk.sk_priority;
      return 0;
    case SO_MARK:
      opt.value = sk.sk_mark;
      return 0;
    case SO_RCVLOWAT:
      opt.value = sk.sk_rcvlowat;
      return 0;
    case SO_ACCEPTCONN:
      opt.value = Number(sk.sk_state === TCP_LISTEN);
      return 0;
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: {
      const timeout = Math.max(0, name === SO_RCVTIMEO ? sk.sk_rcvtimeo : sk.sk_sndtimeo);
      opt.sec = Math.floor(timeout / 1e9);
      opt.usec = Math.floor((timeout % 1e9) / 1e3);
      return 0;
    }
    case SO_GET_FILTER:
      // sk_get_filter: the number of instructions, 0 without a filter.
      opt.filter = sk.sk_filter === null ? null : sk.sk_filter.orig_prog;
      opt.value = opt.filter === null ? 0 : opt.filter.length;
      return 0;
    case SO_LOCK_FILTER:
      opt.value = Number(sk.sk_filter_locked);
      return 0;
    case SO_BINDTODEVICE: {
      const dev = sk.sk_bound_dev_if === 0 ? null : sk.sk_net.dev_get_by_index(sk.sk_bound_dev_if);
      if (sk.sk_bound_dev_if !== 0 && dev === null) return -ENODEV;
      opt.text = dev === null ? '' : dev.name;
      return 0;
    }
    case SO_BINDTOIFINDEX:
      opt.value = sk.sk_bound_dev_if;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}
