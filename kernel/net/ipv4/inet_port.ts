/** The range of local ports that every transport takes its free ones from (net/ipv4/inet_connection_sock.c). */
import type { net } from '../core/net_namespace.ts';
import type { sock } from '../core/sock.ts';

/**
 * inet_sk_get_local_port_range: net.ipv4.ip_local_port_range, narrowed by IP_LOCAL_PORT_RANGE where that lies within.
 * The lowest port in bits 0 to 15, the highest in bits 16 to 31: `& 0xffff` and `>>> 16`.
 */
export function inet_sk_get_local_port_range(sk: sock): number {
  let [low, high] = sk.sk_net.ipv4.ip_local_port_range as [number, number];
  const own = sk.opts.local_port_range;
  if (own !== 0) {
    const own_low = own & 0xffff;
    const own_high = own >>> 16;
    const [first, last] = [low, high];
    if (first <= own_low && own_low <= last) low = own_low;
    if (first <= own_high && own_high <= last) high = own_high;
  }
  return (high << 16) | low;
}

/** inet_is_local_reserved_port: net.ipv4.ip_local_reserved_ports keeps it from autobind. */
export function inet_is_local_reserved_port(net: net, port: number): boolean {
  return net.ipv4.ip_local_reserved_ports.has(port);
}
