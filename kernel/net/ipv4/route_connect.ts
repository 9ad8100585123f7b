/** What routing is asked for sockets (include/net/route.h: ip_route_connect; include/net/inet_sock.h). */
import type { net } from '../core/net_namespace.ts';
import type { sock } from '../core/sock.ts';
import { FLOWI_FLAG_ANYSRC, type flowi4 } from './fib.ts';
import { ip_route_output_key, type rtable } from './route.ts';

/** inet_sk_flowi_flags: may it send from an address that is not ours? */
export function inet_sk_flowi_flags(sk: sock): number {
  return sk.opts.transparent || sk.opts.hdrincl ? FLOWI_FLAG_ANYSRC : 0;
}

/**
 * ip_route_connect: the route to whom a socket connects, by `fl4`, which has the addresses afterwards. What an address that
 * was left out turns out to be is looked up once more as if the program had said it: from the device that the socket is bound
 * to, not from that by which the first look-up has found it. A route, or what ip_route_output_key says.
 */
export function ip_route_connect(net: net, fl4: flowi4): rtable | number {
  if (fl4.daddr === 0 || fl4.saddr === 0) {
    const { oif } = fl4;
    const rt = ip_route_output_key(net, fl4);
    if (typeof rt === 'number') return rt;
    fl4.oif = oif;
  }
  return ip_route_output_key(net, fl4);
}
