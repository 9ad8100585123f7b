/** TCP's part of /proc/net: tcp (net/ipv4/tcp_ipv4.c: tcp4_seq_show), snmp, netstat, sockstat, as Linux 6.18 on a little-endian machine prints it. */

import { swab32 } from '../../lib/swab.ts';
import type { net } from '../core/net_namespace.ts';
import {
  PROC_NETSTAT_TCPEXT,
  PROC_SNMP_TCP,
  PROC_SOCKSTAT_TCP,
  proc_counters,
  proc_create_net,
} from '../core/net-procfs.ts';
import { TCP_LISTEN, TCP_SYN_RECV, TCP_TIME_WAIT } from '../core/sock.ts';
import type { sock_common } from './inet_hashtables.ts';
import { snmp_counters } from './snmp.ts';
import {
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  inet_csk_in_pingpong_mode,
  TCP_INFINITE_SSTHRESH,
  TCP_NEW_SYN_RECV,
  type tcp_request_sock,
  type tcp_sock,
  type tcp_timewait_sock,
} from './tcp_sock.ts';

const WIDTH = 149;
/** Jiffies in a clock_t of user space (USER_HZ 100). */
const PER_CLOCK_T = 10;

const x = (value: number, width: number): string => (value >>> 0).toString(16).toUpperCase().padStart(width, '0');
/** An address as the bytes of network order read by a little-endian machine. */
const addr = (a: number): string => x(swab32(a), 8);
const clock_t = (jiffies: number): number => Math.max(0, Math.floor(jiffies / PER_CLOCK_T));

function line(n: number, entry: sock_common, st: number, rest: string): string {
  const local = `${addr(entry.inet_rcv_saddr)}:${x(entry.inet_num, 4)}`;
  const remote = `${addr(entry.inet_daddr)}:${x(entry.inet_dport, 4)}`;
  return `${`${String(n).padStart(4)}: ${local} ${remote} ${x(st, 2)} ${rest}`.padEnd(WIDTH)}\n`;
}

/** get_tcp4_sock */
function sock_line(n: number, sk: tcp_sock, jiffies: number): string {
  let active = 0;
  let expires = jiffies;
  const { icsk_pending: pending } = sk;
  if (pending === ICSK_TIME_RETRANS || pending === ICSK_TIME_REO_TIMEOUT || pending === ICSK_TIME_LOSS_PROBE) {
    active = 1;
    expires = sk.icsk_timeout;
  } else if (pending === ICSK_TIME_PROBE0) {
    active = 4;
    expires = sk.icsk_timeout;
  } else if (sk.sk_timer?.pending() === true) {
    active = 2;
    expires = sk.sk_timer.expires;
  }
  const listening = sk.sk_state === TCP_LISTEN;
  const rx = listening ? sk.sk_ack_backlog : Math.max((sk.rcv_nxt - sk.copied_seq) | 0, 0);
  const cwnd = listening ? 0 : sk.snd_cwnd;
  const slow = sk.snd_ssthresh >= TCP_INFINITE_SSTHRESH ? -1 : sk.snd_ssthresh;
  const ato = (sk.icsk_ack_quick << 1) | (inet_csk_in_pingpong_mode(sk) ? 1 : 0);
  const queues = `${x((sk.write_seq - sk.snd_una) | 0, 8)}:${x(rx, 8)}`;
  const timer = `${x(active, 2)}:${x(clock_t(expires - jiffies), 8)}`;
  const left = `${x(sk.icsk_retransmits, 8)} ${'0'.padStart(5)} ${String(sk.icsk_probes_out).padStart(8)} 0 1`;
  const tail = `0 ${clock_t(sk.icsk_rto)} ${clock_t(sk.icsk_ack_ato)} ${ato} ${cwnd} ${listening ? 0 : slow}`;
  return line(n, sk, sk.sk_state, `${queues} ${timer} ${left} ${tail}`);
}

/** /proc/net/tcp: listeners first, then what stands in the table of connections. */
export function proc_net_tcp(net: net): string {
  const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
  const lines = [`${head.padEnd(WIDTH)}\n`];
  const { hashinfo } = net.ipv4.tcp;
  const jiffies = net.kernel.timers.jiffies();
  let n = 0;
  for (const sk of hashinfo.listening()) lines.push(sock_line(n++, sk as tcp_sock, jiffies));
  for (const entry of hashinfo.ehash.all()) {
    if (entry.sk_state === TCP_TIME_WAIT) {
      const tw = entry as tcp_timewait_sock;
      const left = x(clock_t(tw.tw_timer.expires - jiffies), 8);
      const rest = `${x(0, 8)}:${x(0, 8)} 03:${left} ${x(0, 8)} ${'0'.padStart(5)} ${'0'.padStart(8)} 0 3 0`;
      lines.push(line(n++, tw, tw.tw_substate, rest));
    } else if (entry.sk_state === TCP_NEW_SYN_RECV) {
      const req = entry as tcp_request_sock;
      const left = x(clock_t(req.rsk_timer.expires - jiffies), 8);
      const rest = `${x(0, 8)}:${x(0, 8)} 01:${left} ${x(req.num_timeout, 8)} ${'0'.padStart(5)} ${'0'.padStart(8)} 0 0 0`;
      lines.push(line(n++, req, TCP_SYN_RECV, rest));
    } else {
      lines.push(sock_line(n++, entry as tcp_sock, jiffies));
    }
  }
  return lines.join('');
}

/** The TCP line of /proc/net/sockstat. */
function sockstat_tcp(net: net): string {
  const { ipv4 } = net;
  const inuse = ipv4.tcp.hashinfo.listeners + ipv4.tcp.hashinfo.ehash.count - ipv4.tcp.tw_count;
  return `TCP: inuse ${inuse} orphan ${ipv4.tcp_orphan_count} tw ${ipv4.tcp.tw_count} alloc ${ipv4.tcp_sockets_allocated} mem ${ipv4.tcp_memory_allocated}\n`;
}

/** snmp_seq_show's TCP part. The first four are constants of RFC 4022: RFC 6298's algorithm, its bounds in ms, no limit. */
function snmp_tcp(net: net): string {
  const head: [string, number][] = [
    ['RtoAlgorithm', 1],
    ['RtoMin', 200],
    ['RtoMax', 120_000],
    ['MaxConn', -1],
  ];
  return proc_counters('Tcp', [...head, ...snmp_counters(net.ipv4.mib, 'Tcp')]);
}

function netstat_tcpext(net: net): string {
  return proc_counters('TcpExt', snmp_counters(net.ipv4.mib, 'TcpExt'));
}

/** tcp4_proc_init, and what ip_proc_init leaves to TCP. */
export function tcp_proc_init(net: net): void {
  proc_create_net(net, 'tcp', proc_net_tcp);
  proc_create_net(net, 'snmp', snmp_tcp, PROC_SNMP_TCP);
  proc_create_net(net, 'netstat', netstat_tcpext, PROC_NETSTAT_TCPEXT);
  proc_create_net(net, 'sockstat', sockstat_tcp, PROC_SOCKSTAT_TCP);
}
