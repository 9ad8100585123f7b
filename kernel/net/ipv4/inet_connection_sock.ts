/** What connection protocols share: ports, listeners, their queues (net/ipv4/inet_connection_sock.c). */
import { EADDRINUSE, EAGAIN, EINVAL } from '../../errno.ts';
import { reciprocal_scale } from '../../lib/hash.ts';
import { ERESTARTSYS, type task_struct } from '../../sched/task.ts';
import { prepare_to_wait_exclusive, schedule_timeout } from '../../sched/wait.ts';
import { sk_dst_check, type sock, sock_rcvtimeo, TCP_CLOSE, TCP_LISTEN } from '../core/sock.ts';
import { reuseport_detach_sock } from '../core/sock_reuseport.ts';
import {
  type bind_owner,
  FASTREUSEPORT_STRICT,
  type inet_bind_bucket,
  type inet_bind2_bucket,
} from './inet_hashtables.ts';
import { inet_is_local_reserved_port, inet_sk_get_local_port_range } from './inet_port.ts';
import { IPPROTO_TCP } from './ip_header.ts';
import { is_strictroute } from './ip_options.ts';
import { ip_first_hop } from './ip_output.ts';
import { fastopen_queue_renew, reqsk_queue_add, reqsk_queue_remove, request_sock_queue } from './request_sock.ts';
import { flowi4, ip_route_output_key, type rtable } from './route.ts';
import { inet_sk_flowi_flags } from './route_connect.ts';
import { sk_setup_caps } from './tcp_route.ts';
import type { tcp_request_sock, tcp_sock } from './tcp_sock.ts';

/** inet_rcv_saddr_equal for IPv4, a wildcard being equal to all. */
function rcv_saddr_equal(a: number, b: number): boolean {
  return a === b || a === 0 || b === 0;
}

/** inet_bind_conflict: may `sk` not share the port with `sk2`? All sockets of a host belong to one user. */
function inet_bind_conflict(
  sk: tcp_sock,
  sk2: bind_owner,
  relax: boolean,
  cb_ok: boolean,
  reuseport_ok: boolean,
): boolean {
  if ((sk2 as unknown) === sk) return false;
  const device = sk.sk_bound_dev_if;
  const device2 = sk2.sk_bound_dev_if;
  if (device !== 0 && device2 !== 0 && device !== device2) return false;
  const share = reuseport_ok && sk.sk_reuseport && sk2.sk_reuseport && cb_ok;
  if (sk.sk_reuse && sk2.sk_reuse && sk2.sk_state !== TCP_LISTEN) {
    return !relax || (!reuseport_ok && sk.sk_reuseport && sk2.sk_reuseport && cb_ok);
  }
  return !share;
}

/** inet_bhash2_conflict and inet_csk_bind_conflict's loop over the bucket of one address. */
function bhash2_conflict(
  sk: tcp_sock,
  tb2: inet_bind2_bucket,
  relax: boolean,
  cb_ok: boolean,
  reuseport_ok: boolean,
): boolean {
  for (let sk2 = tb2.first; sk2 !== null; sk2 = sk2.bind_next) {
    if (inet_bind_conflict(sk, sk2, relax, cb_ok, reuseport_ok)) return true;
  }
  return false;
}

/** inet_csk_bind_conflict and inet_bhash2_addr_any_conflict: somebody whose address overlaps does not share. */
function inet_csk_bind_conflict(sk: tcp_sock, tb: inet_bind_bucket, relax: boolean, reuseport_ok: boolean): boolean {
  const cb_ok = sk.sk_reuseport_cb === null;
  for (let tb2 = tb.bhash2; tb2 !== null; tb2 = tb2.next) {
    if (!rcv_saddr_equal(sk.inet_rcv_saddr, tb2.addr)) continue;
    if (bhash2_conflict(sk, tb2, relax, cb_ok, reuseport_ok)) return true;
  }
  return false;
}

/** sk_reuseport_match: is `sk` like all that have shared the port so far? */
function sk_reuseport_match(tb: inet_bind_bucket, sk: tcp_sock): boolean {
  if (tb.fastreuseport <= 0 || !sk.sk_reuseport || sk.sk_reuseport_cb !== null) return false;
  // A wildcard overlaps with addresses that the one noted here says nothing about.
  return tb.fast_rcv_saddr === 0 || tb.fast_rcv_saddr === sk.inet_rcv_saddr;
}

/**
 * inet_csk_update_fastreuse. Linux (since 6.8) puts the sock's own bhash2 bucket there first, so that nobody finds the port
 * without owners: what only the first one could note (fastreuse, FASTREUSEPORT_ANY) nobody notes, and each is looked at.
 */
function inet_csk_update_fastreuse(tb: inet_bind_bucket, sk: tcp_sock): void {
  if (!sk.sk_reuse || sk.sk_state === TCP_LISTEN) tb.fastreuse = 0;
  if (!sk.sk_reuseport) {
    tb.fastreuseport = 0;
  } else if (!sk_reuseport_match(tb, sk)) {
    // There was one that differs: from now on each is looked at.
    tb.fastreuseport = FASTREUSEPORT_STRICT;
    tb.fast_rcv_saddr = sk.inet_rcv_saddr;
  }
}

/** inet_csk_find_open_port: a port that nobody who matters holds, odd ones first; 0 for none. */
function inet_csk_find_open_port(sk: tcp_sock): number {
  const { sk_net: net } = sk;
  const { hashinfo } = net.ipv4.tcp;
  const range = inet_sk_get_local_port_range(sk);
  // SO_REUSEADDR: one half of the range is for those who may share.
  for (let attempt_half = sk.sk_reuse ? 1 : 0; ; attempt_half = 2) {
    let low = range & 0xffff;
    let high = (range >>> 16) + 1;
    if (high - low < 4) attempt_half = 0;
    if (attempt_half !== 0) {
      const half = low + (((high - low) >> 2) << 1);
      if (attempt_half === 1) high = half;
      else low = half;
    }
    let remaining = high - low;
    if (remaining > 1) remaining &= ~1;
    // connect(2) prefers the parity of `low`: this one takes the other first, so as not to be in its way.
    let offset = reciprocal_scale(hashinfo.random.u32(), remaining) | 1;
    for (let parity = 0; parity < 2; parity++, offset--) {
      for (let i = 0; i < remaining; i += 2) {
        const port = low + ((offset + i) % remaining);
        if (inet_is_local_reserved_port(net, port)) continue;
        const tb = hashinfo.bind_bucket(port);
        if (tb === null || !inet_csk_bind_conflict(sk, tb, false, false)) return port;
      }
    }
    if (attempt_half !== 1) return 0;
  }
}

/** inet_csk_get_port: binds to a port, 0 for any free one: 0 or -EADDRINUSE. */
export function inet_csk_get_port(sk_: sock, port: number): number {
  const sk = sk_ as tcp_sock;
  const { hashinfo } = sk.sk_net.ipv4.tcp;
  let tb: inet_bind_bucket | null;
  if (port === 0) {
    port = inet_csk_find_open_port(sk);
    if (port === 0) return -EADDRINUSE;
    tb = hashinfo.bind_bucket(port);
  } else {
    tb = hashinfo.bind_bucket(port);
    if (tb !== null && tb.bhash2 !== null && !sk_reuseport_match(tb, sk)) {
      if (inet_csk_bind_conflict(sk, tb, true, true)) return -EADDRINUSE;
    }
  }
  tb ??= hashinfo.bind_bucket_create(port);
  inet_csk_update_fastreuse(tb, sk);
  if (sk.icsk_bind_hash === null) {
    sk.inet_num = port;
    hashinfo.bind_hash(sk, tb);
  }
  return 0;
}

// ---- listeners ------------------------------------------------------------------------------------------------------

export function sk_acceptq_is_full(sk: tcp_sock): boolean {
  return sk.sk_ack_backlog > sk.sk_max_ack_backlog;
}

/** inet_csk_reqsk_queue_is_full */
export function inet_csk_reqsk_queue_is_full(sk: tcp_sock): boolean {
  return (sk.icsk_accept_queue as request_sock_queue).qlen > sk.sk_max_ack_backlog;
}

/** inet_csk_listen_start: 0 or -EADDRINUSE, when somebody else listens there by now. */
export function inet_csk_listen_start(sk: tcp_sock): number {
  sk.icsk_accept_queue = new request_sock_queue();
  if (sk.fastopenq !== null) sk.fastopenq = fastopen_queue_renew(sk.fastopenq);
  sk.sk_ack_backlog = 0;
  // inet_csk_delack_init: children begin with what is here.
  sk.icsk_ack_pending = 0;
  sk.icsk_ack_quick = 0;
  sk.icsk_ack_pingpong = 0;
  sk.icsk_ack_retry = 0;
  sk.icsk_ack_ato = 0;
  sk.icsk_ack_lrcvtime = 0;
  sk.icsk_ack_last_seg_size = 0;
  sk.icsk_ack_rcv_mss = 0;
  sk.sk_state = TCP_LISTEN;
  // A port that was shared with others may not be any more.
  if (sk.sk_prot.get_port(sk, sk.inet_num) === 0) {
    sk.inet_sport = sk.inet_num;
    sk.sk_dst_cache = null;
    sk.sk_net.ipv4.tcp.hashinfo.listen_hash(sk);
    return 0;
  }
  sk.icsk_accept_queue = null;
  sk.sk_state = TCP_CLOSE;
  return -EADDRINUSE;
}

/**
 * inet_csk_listen_stop: nobody will accept what waits: connections are reset by `destroy`; requests find out with their
 * next segment or timer.
 */
export function inet_csk_listen_stop(sk: tcp_sock, forget: (child: tcp_sock) => void): void {
  const queue = sk.icsk_accept_queue as request_sock_queue;
  reuseport_detach_sock(sk);
  for (let req = reqsk_queue_remove(queue); req !== null; req = reqsk_queue_remove(queue)) {
    const child = req.sk as tcp_sock;
    sk.sk_ack_backlog--;
    req.sk = null;
    forget(child);
  }
  if (sk.fastopenq !== null) sk.fastopenq.rskq_rst_head = null;
}

/** inet_csk_wait_for_connect's condition and inet_csk_accept: the next connection, or a negative errno. */
export function inet_csk_accept(sk: tcp_sock, noblock: boolean, task: task_struct | null): tcp_sock | number {
  if (sk.sk_state !== TCP_LISTEN) return -EINVAL;
  const queue = sk.icsk_accept_queue as request_sock_queue;
  const req = reqsk_queue_remove(queue);
  if (req === null) {
    const timeo = sock_rcvtimeo(sk, noblock);
    if (timeo === 0 || task === null) return -EAGAIN;
    prepare_to_wait_exclusive(sk.sk_wq, task);
    return schedule_timeout(task, timeo) ? -ERESTARTSYS : -EAGAIN;
  }
  sk.sk_ack_backlog--;
  const child = req.sk as tcp_sock;
  req.sk = null;
  return child;
}

// ---- requests -------------------------------------------------------------------------------------------------------

/** inet_csk_reqsk_queue_hash_add: a request is known, and its timer runs. */
export function inet_csk_reqsk_queue_hash_add(sk: tcp_sock, req: tcp_request_sock, timeout: number): void {
  const queue = sk.icsk_accept_queue as request_sock_queue;
  req.rsk_timer.mod(sk.kernel.timers.jiffies() + timeout);
  sk.sk_net.ipv4.tcp.hashinfo.ehash.insert(req);
  queue.young++;
  queue.qlen++;
}

/** inet_csk_reqsk_queue_drop: a request is no more; false when it was none already. */
export function inet_csk_reqsk_queue_drop(sk: tcp_sock, req: tcp_request_sock): boolean {
  req.rsk_timer.del();
  if (!sk.sk_net.ipv4.tcp.hashinfo.ehash.remove(req)) return false;
  const queue = sk.icsk_accept_queue;
  if (queue !== null) {
    if (req.num_timeout === 0) queue.young--;
    queue.qlen--;
  }
  return true;
}

/** inet_csk_reqsk_queue_add: `child`, which came of the request, waits for accept. */
export function inet_csk_reqsk_queue_add(sk: tcp_sock, req: tcp_request_sock, child: tcp_sock): void {
  req.sk = child;
  reqsk_queue_add(sk.icsk_accept_queue as request_sock_queue, req);
  sk.sk_ack_backlog++;
}

/** inet_csk_complete_hashdance: the request has become `child`, which waits for accept. */
export function inet_csk_complete_hashdance(sk: tcp_sock, child: tcp_sock, req: tcp_request_sock): tcp_sock {
  inet_csk_reqsk_queue_drop(sk, req);
  inet_csk_reqsk_queue_add(sk, req, child);
  return child;
}

// ---- routes ---------------------------------------------------------------------------------------------------------

/** inet_csk_route_req: the way back to who sent a SYN; null for none. */
export function inet_csk_route_req(sk: tcp_sock, req: tcp_request_sock): rtable | null {
  const { sk_net: net } = sk;
  const { fl4 } = net.ipv4.tcp;
  const opt = req.ireq_opt;
  fl4.init(ip_first_hop(opt, req.ir_rmt_addr), req.ir_loc_addr);
  fl4.oif = req.sk_bound_dev_if;
  fl4.tos = sk.tos;
  fl4.mark = req.ir_mark;
  fl4.proto = IPPROTO_TCP;
  fl4.flags = inet_sk_flowi_flags(sk);
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt !== 'number' && !(opt !== null && is_strictroute(opt) && rt.rt_uses_gateway)) return rt;
  net.ipv4.mib.IpOutNoRoutes++;
  return null;
}

/** inet_csk_rebuild_route and inet_sk_rebuild_header: the sock's route, found again when it no longer holds. */
export function inet_sk_rebuild_header(sk: tcp_sock): rtable | number {
  const cached = sk_dst_check(sk) as rtable | null;
  if (cached !== null) return cached;
  const { sk_net: net } = sk;
  // A control path: another route may be under way in the scratch flow.
  const fl4 = new flowi4();
  fl4.daddr = ip_first_hop(sk.inet_opt, sk.inet_daddr);
  fl4.saddr = sk.inet_saddr;
  fl4.oif = sk.sk_bound_dev_if;
  fl4.tos = sk.tos;
  fl4.mark = sk.sk_mark;
  fl4.proto = IPPROTO_TCP;
  fl4.flags = inet_sk_flowi_flags(sk);
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt === 'number') return rt;
  sk_setup_caps(sk, rt);
  return rt;
}
