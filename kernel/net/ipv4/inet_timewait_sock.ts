/** Connections in TIME_WAIT, and in FIN_WAIT2 without a reader (net/ipv4/inet_timewait_sock.c). */
import { HZ, type timer_list } from '../../time/timer.ts';
import { type tcp_sock, tcp_timewait_sock } from './tcp_sock.ts';

/** The timer that ends it (tw_timer_handler). */
function tw_timer_handler(timer: timer_list): void {
  inet_twsk_kill(timer.owner as tcp_timewait_sock);
}

/** inet_twsk_alloc: what is left of `sk` in `state`; null when there are too many (tcp_max_tw_buckets). */
export function inet_twsk_alloc(sk: tcp_sock, state: number): tcp_timewait_sock | null {
  const { sk_net: net } = sk;
  if (net.ipv4.tcp.tw_count >= net.ipv4.tcp_max_tw_buckets) return null;
  const tw = new tcp_timewait_sock(net, sk.sk_family, tw_timer_handler);
  tw.tw_substate = state;
  tw.sk_bound_dev_if = sk.sk_bound_dev_if;
  tw.inet_rcv_saddr = sk.inet_rcv_saddr;
  tw.inet_daddr = sk.inet_daddr;
  tw.inet_num = sk.inet_num;
  tw.inet_sport = sk.inet_sport;
  tw.inet_dport = sk.inet_dport;
  tw.sk_reuse = sk.sk_reuse;
  tw.sk_reuseport = sk.sk_reuseport;
  tw.tw_tos = sk.tos;
  return tw;
}

/** inet_twsk_hashdance_schedule: takes the sock's places in the tables, for `timeo` jiffies. */
export function inet_twsk_hashdance_schedule(tw: tcp_timewait_sock, sk: tcp_sock, timeo: number): void {
  const { tcp } = sk.sk_net.ipv4;
  const { hashinfo } = tcp;
  if (sk.icsk_bind_hash !== null) hashinfo.bind_hash(tw, sk.icsk_bind_hash);
  hashinfo.ehash.remove(sk);
  hashinfo.ehash.insert(tw);
  tcp.tw_count++;
  // __inet_twsk_schedule: a short one counts as killed.
  if (timeo <= 4 * HZ) sk.sk_net.ipv4.mib.TcpExtTWKilled++;
  else sk.sk_net.ipv4.mib.TcpExtTW++;
  tw.tw_timer.mod(sk.kernel.timers.jiffies() + timeo);
}

/** inet_twsk_reschedule: only while it is under way. */
export function inet_twsk_reschedule(tw: tcp_timewait_sock, timeo: number): void {
  if (tw.tw_timer.pending()) tw.tw_timer.mod(tw.sk_net.kernel.timers.jiffies() + timeo);
}

/** inet_twsk_kill: out of the tables. */
function inet_twsk_kill(tw: tcp_timewait_sock): void {
  const { tcp } = tw.sk_net.ipv4;
  if (!tcp.hashinfo.ehash.remove(tw)) return;
  tcp.hashinfo.put_port(tw);
  tcp.tw_count--;
}

/** inet_twsk_deschedule_put: its time is over before its timer is. */
export function inet_twsk_deschedule_put(tw: tcp_timewait_sock): void {
  tw.tw_timer.del();
  inet_twsk_kill(tw);
}
