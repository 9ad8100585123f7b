/** Transport protocols by number (net/ipv4/protocol.c). */
import type { net } from '../core/net_namespace.ts';
import type { sk_buff } from '../core/skbuff.ts';

export interface net_protocol {
  /**
   * A packet for this host: `data` at the transport header, `network_header` valid. Takes the skb.
   * @returns 0, or a negative number: minus the protocol number to hand it to instead (as IPsec does; unused).
   */
  handler(skb: sk_buff): number;
  /**
   * An ICMP error about a packet of this protocol: `data` at the quoted IP header, `network_header` still at the
   * outer one, type and code in the ICMP header at `transport_header`. Does not take the skb.
   * @returns 0, or a negative errno when no socket was found.
   */
  err_handler(skb: sk_buff, info: number): number;
  /** Finds the socket of a received packet, and its route, before there is one; `data` still at the network header. */
  readonly early_demux?: ((skb: sk_buff) => void) | null;
  /** It tells a forged error from a right one by what is quoted (net.ipv4.ip_no_pmtu_disc 3 believes only such). */
  readonly icmp_strict_tag_validation?: boolean;
}

/** inet_add_protocol: 0, or -1 when the number is taken. */
export function inet_add_protocol(net: net, prot: net_protocol, protocol: number): number {
  if (net.ipv4.protos[protocol] !== null) return -1;
  net.ipv4.protos[protocol] = prot;
  return 0;
}

/** inet_del_protocol: 0, or -1 when somebody else holds the number. */
export function inet_del_protocol(net: net, prot: net_protocol, protocol: number): number {
  if (net.ipv4.protos[protocol] !== prot) return -1;
  net.ipv4.protos[protocol] = null;
  return 0;
}
