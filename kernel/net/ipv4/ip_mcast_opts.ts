/** Groups that a socket joins and leaves, and sources it wants or does not want there (net/ipv4/ip_sockglue.c). */
import { EADDRINUSE, EINVAL, ENOPROTOOPT, EPROTO } from '../../errno.ts';
import type { sock } from '../core/sock.ts';
import { SOCK_STREAM, type sockopt } from '../msg.ts';
import { MCAST_EXCLUDE, MCAST_INCLUDE } from './igmp.ts';
import {
  ip_mc_join_group,
  ip_mc_join_group_ssm,
  ip_mc_leave_group,
  ip_mc_msfget,
  ip_mc_msfilter,
  ip_mc_source,
  ip_mreqn,
} from './ip_mc.ts';

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

const SIZEOF_IN_ADDR = 4;
const SIZEOF_MREQ = 8;
const SIZEOF_MREQ_SOURCE = 12;
const SIZEOF_GROUP_REQ = 136;
const SIZEOF_GROUP_SOURCE_REQ = 264;

export function is_mcast_option(name: number): boolean {
  return name >= IP_ADD_MEMBERSHIP && name <= MCAST_MSFILTER;
}

/** The bytes that C would have to pass. */
function size_of(name: number): number {
  if (name === IP_ADD_MEMBERSHIP || name === IP_DROP_MEMBERSHIP) return SIZEOF_MREQ;
  if (name <= IP_DROP_SOURCE_MEMBERSHIP) return SIZEOF_MREQ_SOURCE;
  if (name === MCAST_JOIN_GROUP || name === MCAST_LEAVE_GROUP) return SIZEOF_GROUP_REQ;
  return name === IP_MSFILTER || name === MCAST_MSFILTER ? SIZEOF_IN_ADDR * 4 : SIZEOF_GROUP_SOURCE_REQ;
}

/**
 * `opt` carries what C passes in struct ip_mreqn, ip_mreq_source, group_req, group_source_req and ip_msfilter:
 * multiaddr, address, ifindex, sourceaddr, and a filter's mode in `value`, its sources in `list`. 0 or a negative
 * errno; -EPROTO for a stream.
 */
export function do_mcast_setsockopt(sk: sock, name: number, opt: sockopt): number {
  if (sk.sk_type === SOCK_STREAM && (name === IP_ADD_MEMBERSHIP || name === IP_DROP_MEMBERSHIP)) return -EPROTO;
  if (opt.optlen >= 0 && opt.optlen < size_of(name)) return -EINVAL;
  const imr = new ip_mreqn(opt.multiaddr, opt.address, opt.ifindex);
  switch (name) {
    case IP_ADD_MEMBERSHIP:
    case MCAST_JOIN_GROUP:
      return ip_mc_join_group(sk, imr);
    case IP_DROP_MEMBERSHIP:
    case MCAST_LEAVE_GROUP:
      return ip_mc_leave_group(sk, imr);
    case IP_BLOCK_SOURCE:
    case MCAST_BLOCK_SOURCE:
      return ip_mc_source(true, MCAST_EXCLUDE, sk, imr, opt.sourceaddr);
    case IP_UNBLOCK_SOURCE:
    case MCAST_UNBLOCK_SOURCE:
      return ip_mc_source(false, MCAST_EXCLUDE, sk, imr, opt.sourceaddr);
    case IP_ADD_SOURCE_MEMBERSHIP:
    case MCAST_JOIN_SOURCE_GROUP: {
      // A member already may have one source more.
      const err = ip_mc_join_group_ssm(sk, imr, MCAST_INCLUDE);
      if (err !== 0 && err !== -EADDRINUSE) return err;
      return ip_mc_source(true, MCAST_INCLUDE, sk, imr, opt.sourceaddr);
    }
    case IP_DROP_SOURCE_MEMBERSHIP:
    case MCAST_LEAVE_SOURCE_GROUP:
      return ip_mc_source(false, MCAST_INCLUDE, sk, imr, opt.sourceaddr);
    case IP_MSFILTER:
    case MCAST_MSFILTER:
      if (opt.value !== MCAST_EXCLUDE && opt.value !== MCAST_INCLUDE) return -EINVAL;
      return ip_mc_msfilter(sk, imr, opt.value, opt.list);
    default:
      return -ENOPROTOOPT;
  }
}

/** ip_mc_msfget: the filter of a membership that `opt` names: mode in `value`, sources in `list`. */
export function do_mcast_getsockopt(sk: sock, name: number, opt: sockopt): number {
  if (name !== IP_MSFILTER && name !== MCAST_MSFILTER) return -ENOPROTOOPT;
  const filter = ip_mc_msfget(sk, new ip_mreqn(opt.multiaddr, opt.address, opt.ifindex));
  if (typeof filter === 'number') return filter;
  opt.value = filter.fmode;
  opt.list = [...filter.sources];
  return 0;
}
