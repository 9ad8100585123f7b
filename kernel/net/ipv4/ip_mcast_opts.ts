/** Groups that a socket joins and leaves, and sources it wants or does not want there (net/ipv4/ip_sockglue.c). */
import { EADDRINUSE, EINVAL, ENOPROTOOPT, EPROTO } from '../../errno.ts';
import type { sock } from '../core/sock.ts';
import { SOCK_STREAM, type sockopt } from '../msg.ts';

export const IP_ADD_MEMBERSHIP = 35;
export const IP_DROP_MEMBERSHIP = 36;
export const IP_UNBLOCK_SOURCE = 37;
export const IP_BLOCK_SOURCE = 38;
export const IP_ADD_SOURCE_MEMBERSHIP = 39;
export const IP_DROP_SOURCE_MEMBERSHIP = 40;
export const IP_MSFILTER = 41;
export const MCAST_JOIN_GROUP = 42;
export const MCAST_BLOCK_SOURCE = 43;
export const MCAST_UNBLOCK_SOURCE = 44;
export const MCAST_LEAVE_GROUP = 45;
export const MCAST_JOIN_SOURCE_GROUP = 46;
export const MCAST_LEAVE_SOURCE_GROUP = 47;
export const MCAST_MSFILTER = 48;

/** Filter modes (linux/in.h). */
export const MCAST_EXCLUDE = 0;
export const MCAST_INCLUDE = 1;

/**
 * What IGMP does for a socket, by Linux's names (net/ipv4/igmp.c). `opt` carries what C passes in struct ip_mreqn,
 * ip_mreq_source or group_source_req: multiaddr, address, ifindex, sourceaddr. Each gives 0 or a negative errno.
 */
export interface ip_mc_ops {
  /** ip_mc_join_group_ssm: -EINVAL (no group), -ENODEV, -EADDRINUSE (a member already), -ENOBUFS (too many). */
  join_group(sk: sock, opt: sockopt, mode: number): number;
  /** ip_mc_leave_group: -EADDRNOTAVAIL when it is no member. */
  leave_group(sk: sock, opt: sockopt): number;
  /** ip_mc_source: one source of a group more, or less, in a filter of mode `omode`. */
  source(sk: sock, add: boolean, omode: number, opt: sockopt): number;
  /** ip_mc_msfilter: the filter as a whole: mode in `value`, sources in `list`. */
  msfilter(sk: sock, opt: sockopt): number;
  /** ip_mc_drop_socket: it is closed. */
  drop_socket(sk: sock): void;
}

export function is_mcast_option(name: number): boolean {
  return name >= IP_ADD_MEMBERSHIP && name <= MCAST_MSFILTER;
}

/** 0 or a negative errno; -EPROTO for a stream. */
export function do_mcast_setsockopt(sk: sock, name: number, opt: sockopt): number {
  const { mc } = sk.sk_net.ipv4;
  if (mc === null) return -ENOPROTOOPT;
  if (sk.sk_type === SOCK_STREAM && (name === IP_ADD_MEMBERSHIP || name === IP_DROP_MEMBERSHIP)) return -EPROTO;
  switch (name) {
    case IP_ADD_MEMBERSHIP:
    case MCAST_JOIN_GROUP:
      return mc.join_group(sk, opt, MCAST_EXCLUDE);
    case IP_DROP_MEMBERSHIP:
    case MCAST_LEAVE_GROUP:
      return mc.leave_group(sk, opt);
    case IP_BLOCK_SOURCE:
    case MCAST_BLOCK_SOURCE:
      return mc.source(sk, true, MCAST_EXCLUDE, opt);
    case IP_UNBLOCK_SOURCE:
    case MCAST_UNBLOCK_SOURCE:
      return mc.source(sk, false, MCAST_EXCLUDE, opt);
    case IP_ADD_SOURCE_MEMBERSHIP:
    case MCAST_JOIN_SOURCE_GROUP: {
      // A member already may have one source more.
      const err = mc.join_group(sk, opt, MCAST_INCLUDE);
      if (err !== 0 && err !== -EADDRINUSE) return err;
      return mc.source(sk, true, MCAST_INCLUDE, opt);
    }
    case IP_DROP_SOURCE_MEMBERSHIP:
    case MCAST_LEAVE_SOURCE_GROUP:
      return mc.source(sk, false, MCAST_INCLUDE, opt);
    case IP_MSFILTER:
    case MCAST_MSFILTER:
      if (opt.value !== MCAST_EXCLUDE && opt.value !== MCAST_INCLUDE) return -EINVAL;
      return mc.msfilter(sk, opt);
    default:
      return -ENOPROTOOPT;
  }
}
