/** ip_route_me_harder (net/ipv4/netfilter.c). */
import type { net } from '../../core/net_namespace.ts';
import { type sk_buff, skb_cow_head } from '../../core/skbuff.ts';
import { FLOWI_FLAG_ANYSRC, inet_addr_type, RTN_LOCAL, RTN_UNICAST } from '../fib.ts';
import { iph_daddr, iph_saddr, iph_tos } from '../ip_header.ts';
import { flowi4, ip_route_output_key } from '../route.ts';

/** Room for an Ethernet header, aligned. */
const LL_RESERVED_SPACE = 16;

/**
 * Routes a packet of this host once more, after a hook has changed what routing looks at. 0, or routing's negative errno:
 * then the packet has its old route. Does not take the skb.
 */
export function ip_route_me_harder(net: net, skb: sk_buff): number {
  const { nf } = net;
  if (nf.me_harder_fl4 === null) nf.me_harder_fl4 = new flowi4();
  const fl4 = nf.me_harder_fl4;
  const saddr = iph_saddr(skb);
  // The source may be somebody else's (a reset in his name); one that is nobody's says nothing about the way.
  const type = inet_addr_type(net, saddr);
  const known = type === RTN_LOCAL || type === RTN_UNICAST;
  fl4.init(iph_daddr(skb), known ? saddr : 0);
  if (known) fl4.flags = FLOWI_FLAG_ANYSRC;
  fl4.tos = iph_tos(skb);
  fl4.mark = skb.mark;
  if (skb.sk !== null) fl4.oif = skb.sk.sk_bound_dev_if;
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt === 'number') return rt;
  skb.dst = rt;
  return skb_cow_head(skb, LL_RESERVED_SPACE);
}
