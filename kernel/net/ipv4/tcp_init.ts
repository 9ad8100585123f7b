/** TCP's socks as they begin, and the protocol's registration (net/ipv4/tcp.c: tcp_init, tcp_init_sock; tcp_ipv4.c: tcp_prot). */
import type { net } from '../core/net_namespace.ts';
import { make_proto, own_opts, type sock } from '../core/sock.ts';
import { SOCK_STREAM } from '../msg.ts';
import { inet_csk_get_port } from './inet_connection_sock.ts';
import { inet_twsk_deschedule_put } from './inet_timewait_sock.ts';
import { IPPROTO_TCP } from './ip_header.ts';
import { inet_add_protocol } from './protocol.ts';
import { sk_stream_write_space, tcp_close, tcp_disconnect, tcp_done } from './tcp.ts';
import { tcp_assign_congestion_control, tcp_cong_init } from './tcp_cong.ts';
import { ipv4_specific, tcp_v4_connect, tcp_v4_early_demux, tcp_v4_err, tcp_v4_rcv } from './tcp_ipv4.ts';
import { tcp_ext_hdr_change } from './tcp_mss.ts';
import { tcp_output_init } from './tcp_output.ts';
import { tcp_fq_paces, tcp_pacing_rate, tcp_set_max_pacing_rate } from './tcp_pacing.ts';
import { tcp_pernet } from './tcp_pernet.ts';
import { tcp_proc_init } from './tcp_proc.ts';
import { tcp_recvmsg } from './tcp_recvmsg.ts';
import { tcp_sendmsg } from './tcp_sendmsg.ts';
import {
  own_slow,
  TCP_NEW_SYN_RECV,
  TCP_TIMEOUT_INIT,
  tcp_jiffies,
  type tcp_request_sock,
  tcp_sock,
  type tcp_timewait_sock,
  USEC_PER_JIFFY,
} from './tcp_sock.ts';
import { tcp_getsockopt, tcp_set_rcvlowat, tcp_setsockopt } from './tcp_sockopt.ts';
import { tcp_set_keepalive } from './tcp_timer.ts';

/** inet_unhash */
function inet_unhash(sk: sock): void {
  sk.sk_net.ipv4.tcp.hashinfo.unhash(sk as tcp_sock);
}

/** SO_BINDTODEVICE on a socket that is in the table of connections. */
function inet_rehash(sk_: sock): void {
  const sk = sk_ as tcp_sock;
  const { ehash } = sk.sk_net.ipv4.tcp.hashinfo;
  if (ehash.remove(sk)) ehash.insert(sk);
}

export const tcp_prot = make_proto('TCP', {
  close: tcp_close,
  connect: tcp_v4_connect,
  disconnect: tcp_disconnect,
  sendmsg: tcp_sendmsg,
  recvmsg: tcp_recvmsg,
  setsockopt: tcp_setsockopt,
  getsockopt: tcp_getsockopt,
  unhash: inet_unhash,
  rehash: inet_rehash,
  get_port: inet_csk_get_port,
  keepalive: (sk, on) => tcp_set_keepalive(sk as tcp_sock, on),
  set_rcvlowat: tcp_set_rcvlowat,
  ext_hdr_change: tcp_ext_hdr_change,
  set_max_pacing_rate: tcp_set_max_pacing_rate,
  set_peek_off: true,
  fq_paces: tcp_fq_paces,
  pacing_rate: tcp_pacing_rate,
});

/** sk_alloc and tcp_init_sock: a sock of `family`, closed. */
export function tcp_sk_alloc(net: net, family: number): tcp_sock {
  const sk = new tcp_sock(net, family, SOCK_STREAM, IPPROTO_TCP, tcp_prot);
  const { ipv4 } = net;
  const now = tcp_jiffies(net.kernel);
  sk.icsk_rto = TCP_TIMEOUT_INIT;
  sk.mdev_us = TCP_TIMEOUT_INIT * USEC_PER_JIFFY;
  sk.rtt_min_t0 = now;
  sk.rtt_min_t1 = now;
  sk.rtt_min_t2 = now;
  if (ipv4.tcp_reordering !== sk.slow.reordering) own_slow(sk).reordering = ipv4.tcp_reordering;
  // Until the first delivery.
  sk.app_limited = -1;
  sk.rate_app_limited = 1;
  sk.sk_write_space = sk_stream_write_space;
  sk.sk_sndbuf = ipv4.tcp_wmem[1] as number;
  sk.sk_rcvbuf = ipv4.tcp_rmem[1] as number;
  ipv4.tcp_sockets_allocated++;
  return sk;
}

/** tcp_v4_init_sock: a sock for socket(2). */
export function tcp_v4_sk_alloc(net: net, family: number): tcp_sock {
  const sk = tcp_sk_alloc(net, family);
  sk.icsk_af_ops = ipv4_specific;
  const { ipv4 } = net;
  const rto_min = Math.ceil(ipv4.tcp_rto_min_us / USEC_PER_JIFFY);
  if (sk.opts.icsk_rto_min !== rto_min) own_opts(sk).icsk_rto_min = rto_min;
  if (sk.opts.icsk_rto_max !== ipv4.tcp_rto_max_ms) own_opts(sk).icsk_rto_max = ipv4.tcp_rto_max_ms;
  tcp_assign_congestion_control(sk);
  return sk;
}

/** tcp_init and tcp_v4_init */
export function tcp_init(net: net): void {
  net.ipv4.tcp = new tcp_pernet(net);
  tcp_cong_init(net);
  tcp_output_init(net);
  inet_add_protocol(
    net,
    { handler: tcp_v4_rcv, err_handler: tcp_v4_err, early_demux: tcp_v4_early_demux },
    IPPROTO_TCP,
  );
  tcp_proc_init(net);
  net.pernet_exit.push(() => tcp_sk_exit(net));
}

/** tcp_sk_exit: the net goes down, and whatever would only end by itself ends now. */
function tcp_sk_exit(net: net): void {
  for (const entry of net.ipv4.tcp.hashinfo.ehash.all()) {
    if (entry.sk_state === TCP_NEW_SYN_RECV) {
      (entry as tcp_request_sock).rsk_timer.del();
      net.ipv4.tcp.hashinfo.ehash.remove(entry);
    } else if (entry instanceof tcp_sock) {
      // Those that a program still has are the program's to close.
      if (entry.sk_dead) tcp_done(entry);
    } else {
      inet_twsk_deschedule_put(entry as tcp_timewait_sock);
    }
  }
}
