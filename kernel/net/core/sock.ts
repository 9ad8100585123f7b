/**
 * sock: the kernel's side of every socket, whatever its family (include/net/sock.h, include/net/inet_sock.h,
 * net/core/sock.c). One class with all fields set in its constructor, so that the hot paths see one shape; what only
 * one protocol needs hangs at a subclass (packet_sock) or at `opts`.
 *
 * Life: sk_alloc gives one reference, the socket's. Each queued outgoing packet counts in `sk_wmem_alloc`, which
 * starts at 1 for the socket itself; the sock is gone when that reaches 0 (sk_free).
 */
import { EAGAIN, ENOMEM, ENOPROTOOPT, ENOTTY, EOPNOTSUPP, EPIPE } from '../../errno.ts';
import { POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../../fs/select.ts';
import type { Kernel } from '../../kernel.ts';
import { GFP_KERNEL } from '../../mm/slab.ts';
import { ERESTARTSYS, type task_struct } from '../../sched/task.ts';
import {
  prepare_to_wait,
  prepare_to_wait_exclusive,
  schedule_timeout,
  type wait_queue_head,
} from '../../sched/wait.ts';
import type { ip_mc_socklist } from '../ipv4/ip_mc.ts';
import type { ip_options } from '../ipv4/ip_options.ts';
import { AF_MAX, msghdr, type net_proto_family, type sockaddr, type sockopt, user_msghdr } from '../msg.ts';
import type { socket } from '../socket.ts';
import type { dst_entry } from './dst.ts';
import { type bpf_prog, bpf_prog_run } from './filter.ts';
import type { net } from './net_namespace.ts';
import {
  __alloc_skb,
  nf_reset_ct,
  no_skbs,
  SIZEOF_SHARED_INFO,
  SKB_DROP_REASON,
  type sk_buff,
  sk_buff_head,
  skb_reserve,
  skb_trim,
} from './skbuff.ts';

export * from './sock_options.ts';

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
  /** Where a protocol has its own rules for it; null: the family's. */
  readonly bind: ((sk: sock, addr: sockaddr) => number) | null;
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
  /** What look-ups compare has changed, but not where the socket is bound. */
  update(sk: sock): void;
  /** Binds to a port in host order, 0 for any free one. 0 or a negative errno. */
  get_port(sk: sock, port: number): number;
  /** FIONREAD, TIOCOUTQ: the answer, or a negative errno. */
  ioctl(sk: sock, command: number): number;
  /** SO_PEEK_OFF means something to it. */
  readonly set_peek_off: boolean;
  /** SO_KEEPALIVE and SO_RCVLOWAT, where they do something at once. */
  readonly keepalive: ((sk: sock, on: boolean) => void) | null;
  readonly set_rcvlowat: ((sk: sock, value: number) => void) | null;
  /** IP options make the headers of its packets longer by `change` bytes (icsk_ext_hdr_len, icsk_sync_mss). */
  readonly ext_hdr_change: ((sk: sock, change: number) => void) | null;
  /** SO_MAX_PACING_RATE: bytes a second, 0xffffffff for no limit. Null: only fq heeds it. */
  readonly set_max_pacing_rate: ((sk: sock, rate: number) => void) | null;
  /** fq sees to it that the sock's packets leave at their times (sk_pacing_status). */
  readonly fq_paces: ((sk: sock) => void) | null;
  /** sk_pacing_rate: what fq shall pace packets without a time by. Bytes a second, 0xffffffff for no limit. Null: sk_max_pacing_rate. */
  readonly pacing_rate: ((sk: sock) => number) | null;
}

const no_op = (): void => {};
const no_connect = (): number => -EOPNOTSUPP;
const no_option = (): number => -ENOPROTOOPT;
/** A level that is not the protocol's ends in do_ip_getsockopt, which says this; its twin for setting says ENOPROTOOPT. */
const no_level = (): number => -EOPNOTSUPP;
const no_ioctl = (): number => -ENOTTY;

export function make_proto(name: string, p: Partial<proto>): proto {
  return {
    name,
    close: p.close ?? sk_common_release,
    init: p.init ?? (() => 0),
    bind: p.bind ?? null,
    connect: p.connect ?? no_connect,
    disconnect: p.disconnect ?? no_connect,
    sendmsg: p.sendmsg ?? no_connect,
    recvmsg: p.recvmsg ?? no_connect,
    setsockopt: p.setsockopt ?? no_option,
    getsockopt: p.getsockopt ?? no_level,
    unhash: p.unhash ?? no_op,
    rehash: p.rehash ?? no_op,
    update: p.update ?? no_op,
    get_port: p.get_port ?? no_connect,
    ioctl: p.ioctl ?? no_ioctl,
    set_peek_off: p.set_peek_off ?? false,
    keepalive: p.keepalive ?? null,
    set_rcvlowat: p.set_rcvlowat ?? null,
    ext_hdr_change: p.ext_hdr_change ?? null,
    set_max_pacing_rate: p.set_max_pacing_rate ?? null,
    fq_paces: p.fq_paces ?? null,
    pacing_rate: p.pacing_rate ?? null,
  };
}

/**
 * What programs set for a socket (setsockopt) and hardly any of them does. Socks of one kind share it until then: it is
 * never changed, but replaced by another one (own_opts), so that a listener and its children share theirs too. Those of
 * inet_sock have its names.
 */
export class sock_opts {
  /** ns; negative: for ever. */
  sk_rcvtimeo = SCHEDULE_TIMEOUT_MAX;
  sk_sndtimeo = SCHEDULE_TIMEOUT_MAX;
  sk_rcvlowat = 1;
  sk_priority = 0;
  sk_broadcast = false;
  /** SOCK_DBG, SOCK_LOCALROUTE, SOCK_KEEPOPEN, SOCK_LINGER, SOCK_URGINLINE: remembered, for those to whom they mean something. */
  sk_debug = false;
  sk_localroute = false;
  sk_keepopen = false;
  sk_linger = false;
  sk_urginline = false;
  /** s */
  sk_lingertime = 0;
  sk_no_check_tx = false;
  /** SO_LOCK_FILTER: the filter stays as it is (SOCK_FILTER_LOCKED). */
  sk_filter_locked = false;
  /** SO_TIMESTAMPING: SOF_TIMESTAMPING_ bits. */
  sk_tsflags = 0;
  /** SOCK_TIMESTAMP, SOCK_TIMESTAMPING_RX_SOFTWARE: why it is one of netstamp_needed. */
  sk_netstamp = 0;
  /** SO_TIMESTAMP_NEW and its like: stamps come by the new names (SOCK_TSTAMP_NEW). */
  sk_tstamp_new = false;
  /** SO_BUSY_POLL, SO_PREFER_BUSY_POLL, SO_TXTIME: remembered, for drivers and queues to which they mean something. */
  sk_ll_usec = 0;
  sk_prefer_busy_poll = false;
  sk_clockid = 0;
  sk_txtime_flags = 0;
  /** SO_TXREHASH: after timeouts another of several paths is tried. */
  sk_txrehash = true;
  /** SO_WIFI_STATUS, SO_NOFCS: remembered, for cards to which they mean something. */
  sk_wifi_status = false;
  sk_nofcs = false;
  /** SO_SELECT_ERR_QUEUE: errors are POLLPRI too. */
  sk_select_err_queue = false;
  /** -1: the route's, or the system's default. */
  uc_ttl = -1;
  mc_loop = true;
  /** IP_MULTICAST_ALL: hears groups that other sockets have joined. */
  mc_all = true;
  mc_addr = 0;
  /** IP_UNICAST_IF */
  uc_index = 0;
  /** IP_MINTTL: what has come farther is not taken. TCP's. */
  min_ttl = 0;
  pmtudisc = 1;
  recverr = false;
  recverr_rfc4884 = false;
  freebind = false;
  transparent = false;
  hdrincl = false;
  nodefrag = false;
  bind_address_no_port = false;
  /** IP_LOCAL_PORT_RANGE: lowest port and, 16 bits higher, highest; 0: the system's. */
  local_port_range = 0;
  /** SO_PEEK_OFF: where the next MSG_PEEK begins; negative: at the front, always. */
  sk_peek_off = -1;
  /** SO_MAX_PACING_RATE: bytes a second, 0xffffffff for no limit. */
  sk_max_pacing_rate = 0xffffffff;
  /** UDP_CORK. */
  udp_corkflag = false;
  /** UDP_GRO: several datagrams at once are welcome. */
  udp_gro = false;
  /** Payload of each datagram that one send is cut into (UDP_SEGMENT); 0: no cutting. */
  gso_size = 0;
  /** ICMP_FILTER of a raw socket: types, as bits, that it does not want. */
  icmp_filter = 0;

  clone(): sock_opts {
    return Object.assign(new sock_opts(), this);
  }
}

const default_opts: Readonly<sock_opts> = new sock_opts();

/** The sock's options, to be written to: from now on it has its own. */
export function own_opts<O extends sock_opts>(sk: { opts: Readonly<O> }): O {
  const own = sk.opts.clone() as O;
  sk.opts = own;
  return own;
}

/** A sock is its own receive queue and its own wait queue, not three objects: see the remark at struct socket. */
export class sock extends sk_buff_head {
  // What every received packet touches comes first, so that it lies in as few cache lines as may be.
  readonly kernel: Kernel;
  readonly sk_net: net;
  sk_prot: proto;
  opts: Readonly<sock_opts> = default_opts;
  sk_data_ready: (sk: sock) => void = sock_def_readable;
  /** Bytes of truesize. */
  sk_rmem_alloc = 0;
  sk_rcvbuf: number;
  /** SO_ATTACH_FILTER's program. */
  sk_filter: bpf_prog | null = null;
  /** The group of sockets that share an address by SO_REUSEPORT. */
  sk_reuseport_cb: unknown = null;
  /** Control messages it asked for: CMSG_ bits. */
  cmsg_flags = 0;
  /** The peer. Addresses are int32 and ports numbers, both in host order. */
  inet_daddr = 0;
  /** SOCK_DEAD: the socket is closed, nobody is to be told. */
  sk_dead = false;
  /** A positive errno: what the next call reports. */
  sk_err = 0;
  sk_state = TCP_CLOSE;

  sk_shutdown = 0;
  sk_drops = 0;
  readonly sk_family: number;
  readonly sk_protocol: number;
  /** A positive errno that only a failed call reports. */
  sk_err_soft = 0;
  // inet_sock.
  /** The address it receives for, and the one it sends from. */
  inet_rcv_saddr = 0;
  inet_saddr = 0;
  /** The port the tables know it by, and the one it sends from: Linux keeps the second in network order. */
  inet_num = 0;
  inet_sport = 0;
  inet_dport = 0;

  sk_mark = 0;
  /** SOCK_DONE: the other side has sent its FIN. */
  sk_done = false;
  /** The route of a connected socket; sk_dst_check says whether it still holds. */
  sk_dst_cache: dst_entry | null = null;
  /** The last IP identification of a connected socket. */
  inet_id = 0;
  tos = 0;
  /** Made when the first error comes: see own_error_queue. */
  sk_error_queue: sk_buff_head = no_skbs;
  sk_wmem_alloc = 1;
  sk_sndbuf: number;
  sk_socket: socket | null = null;

  // What is needed less often.
  readonly sk_type: number;
  sk_userlocks = 0;
  sk_write_space: (sk: sock) => void = sock_def_write_space;
  sk_error_report: (sk: sock) => void = sock_def_error_report;
  sk_state_change: (sk: sock) => void = sock_def_wakeup;
  sk_bound_dev_if = 0;
  sk_reuse = false;
  sk_reuseport = false;
  /** SO_INCOMING_CPU: the CPU it prefers packets of, or, connected, had them from; -1 for none. */
  sk_incoming_cpu = -1;
  /** The first byte, or packet, that SOF_TIMESTAMPING_OPT_ID counts from. */
  sk_tskey = 0;
  /** SO_ZEROCOPY (SOCK_ZEROCOPY), the number of the next send with MSG_ZEROCOPY, and the truesize of its notifications. */
  sk_zerocopy = false;
  sk_zckey = 0;
  sk_omem_alloc = 0;
  /** SO_COOKIE: 0 until somebody asks. */
  sk_cookie = 0;
  /** The hash of the flow that a connected socket receives, for RFS. */
  sk_rxhash = 0;
  /** The transmit queue that its packets use, -1: none yet. */
  sk_tx_queue_mapping = -1;

  // Hash chains by protocol or identifier (raw, ping) or of listeners on a port; UDP's tables have a record number.
  sk_next: sock | null = null;
  sk_prev: sock | null = null;
  sk_hashed = false;
  sk_hash_index = 0;

  mc_ttl = 1;
  mc_index = 0;
  /** Groups it has joined (IP_ADD_MEMBERSHIP). */
  mc_list: ip_mc_socklist[] | null = null;
  /** IP_OPTIONS: what stands behind the header of what it sends. */
  inet_opt: ip_options | null = null;

  // udp_sock
  /** What MSG_MORE or UDP_CORK holds back (struct inet_cork). */
  cork: unknown = null;

  constructor(net: net, family: number, type: number, protocol: number, prot: proto) {
    super();
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

  get sk_receive_queue(): sk_buff_head {
    return this;
  }

  get sk_wq(): wait_queue_head {
    return this;
  }
}

/** What the sockets of one net share (struct netns_core and the table of net_proto_family). */
export class netns_core {
  /** Socks that exist, for the leak check: closed ones with packets on their way count. */
  sockets = 0;
  /** The last SO_COOKIE given out. */
  cookies = 0;
  /** AF_PACKET's sockets, each a packet_sock. */
  readonly packet: sock[] = [];
  /** AF_PACKET's fanout groups. */
  readonly fanout: unknown[] = [];
  /** By address family; set by sock_register. */
  readonly families: (net_proto_family | null)[] = new Array<net_proto_family | null>(AF_MAX).fill(null);
  /** The message header of the running system call: a slice is atomic, so one will do. */
  readonly msg = new msghdr();
  /** The same for read and write. */
  readonly rw = new user_msghdr();
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
  if (sk.opts.sk_netstamp !== 0) sk.sk_net.netstamp_needed--;
  sk.sk_receive_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
  sk.sk_error_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
  sk.sk_dst_cache = null;
  sk.sk_filter = null;
  sk.inet_opt = null;
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
  if (skb._nfct !== null) nf_reset_ct(skb);
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
  return noblock ? 0 : sk.opts.sk_rcvtimeo;
}

export function sock_sndtimeo(sk: sock, noblock: boolean): number {
  return noblock ? 0 : sk.opts.sk_sndtimeo;
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
  const skb = __alloc_skb(sk.kernel, size + headroom, SIZEOF_SHARED_INFO, GFP_KERNEL);
  if (skb === null) return null;
  skb_reserve(skb, headroom);
  skb_set_owner_w(skb, sk);
  skb.mark = sk.sk_mark;
  skb.priority = sk.opts.sk_priority;
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
