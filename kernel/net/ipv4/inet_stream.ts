/** Stream sockets of the Internet families (net/ipv4/af_inet.c: inet_stream_ops). */
import { EALREADY, ECONNABORTED, EINPROGRESS, EINVAL, EISCONN, ENOTCONN, ENOTTY } from '../../errno.ts';
import { O_NONBLOCK } from '../../fs/file.ts';
import { ERESTARTSYS, type task_struct } from '../../sched/task.ts';
import { prepare_to_wait, schedule_timeout } from '../../sched/wait.ts';
import {
  RCV_SHUTDOWN,
  SHUTDOWN_MASK,
  type sock,
  sock_error,
  sock_sndtimeo,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../core/sock.ts';
import { AF_UNSPEC, type proto_ops, SOCK_STREAM, type sockaddr } from '../msg.ts';
import { SS_CONNECTED, SS_CONNECTING, SS_DISCONNECTING, SS_UNCONNECTED, sock_graft, type socket } from '../socket.ts';
import { inet_csk_accept, inet_csk_listen_start } from './inet_connection_sock.ts';
import { sk_stream_closing, tcp_close_begin, tcp_poll, tcp_shutdown } from './tcp.ts';
import {
  fastopen_queue_tune,
  TFO_SERVER_ENABLE,
  TFO_SERVER_WO_SOCKOPT1,
  tcp_fastopen_init_key_once,
} from './tcp_fastopen.ts';
import { tcp_inq } from './tcp_recvmsg.ts';
import type { tcp_sock } from './tcp_sock.ts';
import { tcp_splice_eof, tcp_splice_read } from './tcp_splice.ts';

/** asm-generic/ioctls.h, asm-generic/sockios.h */
export const SIOCINQ = 0x541b;
export const FIONREAD = SIOCINQ;
export const SIOCOUTQ = 0x5411;
export const SIOCATMARK = 0x8905;
export const SIOCOUTQNSD = 0x894b;

function connecting(sk: sock): boolean {
  return sk.sk_state === TCP_SYN_SENT || sk.sk_state === TCP_SYN_RECV;
}

function disconnect(sock: socket, sk: sock): number {
  const err = sk.sk_prot.disconnect(sk);
  sock.state = err !== 0 ? SS_DISCONNECTING : SS_UNCONNECTED;
  return err;
}

/**
 * __inet_stream_connect: 0 once the connection is there, or waits for data (TCP_FASTOPEN_CONNECT); -EINPROGRESS (begun, and
 * not waited for, or not long enough), -EALREADY (begun before), -EISCONN, -EINVAL, -ECONNABORTED, or why it failed
 * (-ECONNREFUSED, -ETIMEDOUT, …). AF_UNSPEC takes the connection away.
 *
 * @param addr null: none was given (send with Fast Open)
 * @param task who may sleep (-ERESTARTSYS); null: nobody
 * @param begun this call has begun the connection in an earlier slice, and has been waiting
 * @param is_sendmsg the call is a send
 */
export function __inet_stream_connect(
  sock: socket,
  addr: sockaddr | null,
  flags: number,
  task: task_struct | null,
  begun: boolean,
  is_sendmsg: boolean,
): number {
  const sk = sock.sk as tcp_sock;
  if (addr !== null && addr.sa_family === AF_UNSPEC && !begun) return disconnect(sock, sk);
  let err: number;
  if (begun) {
    err = -EINPROGRESS;
  } else {
    switch (sock.state) {
      case SS_CONNECTED:
        return -EISCONN;
      case SS_CONNECTING:
        err = sk.slow.defer_connect === 0 ? -EALREADY : is_sendmsg ? -EINPROGRESS : -EISCONN;
        break;
      case SS_UNCONNECTED:
        if (sk.sk_state !== TCP_CLOSE) return -EISCONN;
        err = addr === null ? -EINVAL : sk.sk_prot.connect(sk, addr);
        if (err < 0) return err;
        sock.state = SS_CONNECTING;
        if (sk.slow.defer_connect !== 0) return 0;
        err = -EINPROGRESS;
        break;
      default:
        return -EINVAL;
    }
  }
  if (connecting(sk)) {
    // inet_wait_for_connect
    const timeo = sock_sndtimeo(sk, (flags & O_NONBLOCK) !== 0);
    if (timeo === 0 || task === null) return err;
    // Data that the SYN had no room for follows with the ACK.
    if (sk.slow.fastopen_req !== null && sk.slow.fastopen_req.data !== null) sk.sk_write_pending = 1;
    prepare_to_wait(sk.sk_wq, task);
    return schedule_timeout(task, timeo) ? -ERESTARTSYS : err;
  }
  if (sk.sk_state === TCP_CLOSE) {
    const failed = sock_error(sk);
    disconnect(sock, sk);
    // What disconnect reports is no news.
    sk.sk_err = 0;
    return failed !== 0 ? failed : -ECONNABORTED;
  }
  sock.state = SS_CONNECTED;
  return 0;
}

/** inet_stream_connect */
function inet_stream_connect(sock: socket, addr: sockaddr, flags: number, task: task_struct): number {
  const { call } = task;
  const fresh = sock.state === SS_UNCONNECTED;
  const result = __inet_stream_connect(sock, addr, flags, task, call.restarted && call.progress !== 0, false);
  if (fresh && result === -ERESTARTSYS) call.progress = 1;
  return result;
}

/** inet_listen: 0, or -EINVAL (connected, or not a stream socket), -EADDRINUSE. */
function inet_listen(sock: socket, backlog: number): number {
  const sk = sock.sk as tcp_sock;
  if (sock.state !== SS_UNCONNECTED || sock.type !== SOCK_STREAM) return -EINVAL;
  const old = sk.sk_state;
  if (old !== TCP_CLOSE && old !== TCP_LISTEN) return -EINVAL;
  sk.sk_max_ack_backlog = backlog;
  if (old === TCP_LISTEN) return 0;
  // Fast Open for all listeners, whether their programs know of it or not.
  const all = TFO_SERVER_WO_SOCKOPT1 | TFO_SERVER_ENABLE;
  if ((sk.sk_net.ipv4.tcp_fastopen & all) === all && (sk.fastopenq === null || sk.fastopenq.max_qlen === 0)) {
    fastopen_queue_tune(sk, backlog);
    tcp_fastopen_init_key_once(sk.sk_net);
  }
  return inet_csk_listen_start(sk);
}

/** inet_accept: `newsock` gets the oldest connection. 0, -EINVAL (not listening), -EAGAIN, -ERESTARTSYS. */
function inet_accept(sock: socket, newsock: socket, flags: number, task: task_struct): number {
  const child = inet_csk_accept(sock.sk as tcp_sock, (flags & O_NONBLOCK) !== 0, task);
  if (typeof child === 'number') return child;
  sock_graft(child, newsock);
  newsock.state = SS_CONNECTED;
  return 0;
}

/** inet_shutdown: -EINVAL, -ENOTCONN, 0. */
function inet_stream_shutdown(sock: socket, how: number): number {
  const sk = sock.sk as tcp_sock;
  how++;
  if ((how & ~SHUTDOWN_MASK) !== 0 || how === 0) return -EINVAL;
  if (sock.state === SS_CONNECTING) {
    sock.state = connecting(sk) || sk.sk_state === TCP_CLOSE ? SS_DISCONNECTING : SS_CONNECTED;
  }
  let err = 0;
  const { sk_state: state } = sk;
  if (state === TCP_SYN_SENT || (state === TCP_LISTEN && (how & RCV_SHUTDOWN) !== 0)) {
    err = disconnect(sock, sk);
  } else if (state !== TCP_LISTEN) {
    // Who polls an unconnected socket is to learn of it all the same.
    if (state === TCP_CLOSE) err = -ENOTCONN;
    sk.sk_shutdown |= how;
    tcp_shutdown(sk, how);
  }
  sk.sk_state_change(sk);
  return err;
}

/** tcp_ioctl: the answer, or -EINVAL (a listener has no bytes), -ENOTTY. */
function tcp_ioctl(sock: socket, command: number): number {
  const sk = sock.sk as tcp_sock;
  const listening = sk.sk_state === TCP_LISTEN;
  const closed = connecting(sk);
  switch (command) {
    case SIOCINQ:
      return listening ? -EINVAL : closed ? 0 : tcp_inq(sk);
    case SIOCATMARK:
      return sk.slow.urg_data !== 0 && sk.slow.urg_seq === sk.copied_seq ? 1 : 0;
    case SIOCOUTQ:
      return listening ? -EINVAL : closed ? 0 : (sk.write_seq - sk.snd_una) | 0;
    case SIOCOUTQNSD:
      return listening ? -EINVAL : closed ? 0 : (sk.write_seq - sk.snd_nxt) | 0;
    default:
      return -ENOTTY;
  }
}

/** SO_LINGER: close waits until our FIN is acknowledged, or the time is up (sk_stream_wait_close). */
function inet_linger(sock: socket, flags: number, task: task_struct): number {
  const sk = sock.sk as tcp_sock;
  if (!sk.opts.sk_linger || sk.opts.sk_lingertime === 0 || (flags & O_NONBLOCK) !== 0) return 0;
  if (!task.call.restarted && !tcp_close_begin(sk)) return 0;
  if (!sk_stream_closing(sk)) return 0;
  prepare_to_wait(sk.sk_wq, task);
  return schedule_timeout(task, sk.opts.sk_lingertime * 1e9) ? -ERESTARTSYS : 0;
}

/** inet_stream_ops: what they share with datagram sockets comes from `base`. */
export function make_stream_ops(base: proto_ops): proto_ops {
  return {
    ...base,
    connect: inet_stream_connect,
    poll: sock => tcp_poll(sock.sk as sock),
    shutdown: inet_stream_shutdown,
    listen: inet_listen,
    accept: inet_accept,
    ioctl: tcp_ioctl,
    splice_read: tcp_splice_read,
    splice_eof: tcp_splice_eof,
    linger: inet_linger,
  };
}
