/** Options of level SOL_IP (net/ipv4/ip_sockglue.c). Addresses and device indices are in host order, unlike C's. */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENOPROTOOPT, ENOTCONN } from '../../errno.ts';
import { SKB_DROP_REASON } from '../core/dropreason.ts';
import { dst_mtu } from '../core/dst.ts';
import { own_opts, sk_dst_check, sk_dst_reset, type sock } from '../core/sock.ts';
import {
  CMSG_CHECKSUM,
  CMSG_ORIGDSTADDR,
  CMSG_PKTINFO,
  CMSG_RECVFRAGSIZE,
  CMSG_RECVOPTS,
  CMSG_RETOPTS,
  CMSG_TOS,
  CMSG_TTL,
  SOCK_RAW,
  SOCK_STREAM,
  type sockopt,
} from '../msg.ts';
import { ip_dev_find } from './fib.ts';
import { rt_tos2priority } from './ip_cmsg.ts';
import { INET_ECN_MASK, IPPROTO_RAW } from './ip_header.ts';
import { do_mcast_getsockopt, do_mcast_setsockopt, is_mcast_option } from './ip_mcast_opts.ts';
import { ip_options_get, ip_options_undo } from './ip_options.ts';

export const SOL_IP = 0;
export const IP_TOS = 1;
export const IP_TTL = 2;
export const IP_HDRINCL = 3;
export const IP_OPTIONS = 4;
export const IP_ROUTER_ALERT = 5;
export const IP_RECVOPTS = 6;
export const IP_RETOPTS = 7;
export const IP_PKTINFO = 8;
export const IP_MTU_DISCOVER = 10;
export const IP_RECVERR = 11;
export const IP_RECVTTL = 12;
export const IP_RECVTOS = 13;
export const IP_MTU = 14;
export const IP_FREEBIND = 15;
export const IP_TRANSPARENT = 19;
export const IP_RECVORIGDSTADDR = 20;
export const IP_MINTTL = 21;
export const IP_NODEFRAG = 22;
export const IP_CHECKSUM = 23;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IP_RECVFRAGSIZE = 25;
export const IP_RECVERR_RFC4884 = 26;
export const IP_MULTICAST_IF = 32;
export const IP_MULTICAST_TTL = 33;
export const IP_MULTICAST_LOOP = 34;
export const IP_MULTICAST_ALL = 49;
export const IP_UNICAST_IF = 50;
export const IP_LOCAL_PORT_RANGE = 51;
export const IP_PROTOCOL = 52;

/** IP_PMTUDISC_OMIT: the last of the IP_MTU_DISCOVER values. */
const PMTUDISC_MAX = 5;
const SIZEOF_INT = 4;

/** The control message that an option asks for, 0 for none. */
function cmsg_of(name: number): number {
  switch (name) {
    case IP_RECVTTL:
      return CMSG_TTL;
    case IP_RECVTOS:
      return CMSG_TOS;
    case IP_PKTINFO:
      return CMSG_PKTINFO;
    case IP_RECVOPTS:
      return CMSG_RECVOPTS;
    case IP_RETOPTS:
      return CMSG_RETOPTS;
    case IP_RECVORIGDSTADDR:
      return CMSG_ORIGDSTADDR;
    case IP_RECVFRAGSIZE:
      return CMSG_RECVFRAGSIZE;
    case IP_CHECKSUM:
      return CMSG_CHECKSUM;
    default:
      return 0;
  }
}

/** An integer option's value: an int, or, given shorter, a byte, or, given empty, 0. */
function int_value({ optlen, value }: sockopt): number {
  if (optlen < 0 || optlen >= SIZEOF_INT) return value | 0;
  return optlen === 0 ? 0 : value & 0xff;
}

/** Options that must not be given empty. */
function needs_a_byte(name: number): boolean {
  switch (name) {
    case IP_FREEBIND:
    case IP_MULTICAST_LOOP:
    case IP_MULTICAST_ALL:
    case IP_TTL:
    case IP_MINTTL:
    case IP_MULTICAST_TTL:
    case IP_TRANSPARENT:
      return true;
    default:
      return false;
  }
}

/** ip_setsockopt: 0 or a negative errno. */
export function ip_setsockopt(sk: sock, name: number, opt: sockopt): number {
  const bit = cmsg_of(name);
  const value = int_value(opt);
  const on = value !== 0;
  if (bit !== 0) {
    if (name === IP_RECVFRAGSIZE && sk.sk_type === SOCK_STREAM) return -EINVAL;
    sk.cmsg_flags = on ? sk.cmsg_flags | bit : sk.cmsg_flags & ~bit;
    return 0;
  }
  if (opt.optlen === 0 && needs_a_byte(name)) return -EINVAL;
  if (is_mcast_option(name)) return do_mcast_setsockopt(sk, name, opt);
  switch (name) {
    case IP_TOS:
      return ip_sock_set_tos(sk, value);
    case IP_TTL:
      if (value !== -1 && (value < 1 || value > 255)) return -EINVAL;
      own_opts(sk).uc_ttl = value;
      return 0;
    case IP_MINTTL:
      if (value < 0 || value > 255) return -EINVAL;
      own_opts(sk).min_ttl = value;
      return 0;
    case IP_OPTIONS:
      return set_options(sk, opt);
    case IP_ROUTER_ALERT:
      return ip_ra_control(sk, on);
    case IP_HDRINCL:
      if (sk.sk_type !== SOCK_RAW) return -ENOPROTOOPT;
      own_opts(sk).hdrincl = on;
      return 0;
    case IP_NODEFRAG:
      if (sk.sk_type !== SOCK_RAW) return -ENOPROTOOPT;
      own_opts(sk).nodefrag = on;
      return 0;
    case IP_MTU_DISCOVER:
      if (value < 0 || value > PMTUDISC_MAX) return -EINVAL;
      own_opts(sk).pmtudisc = value;
      return 0;
    case IP_RECVERR:
      own_opts(sk).recverr = on;
      if (!on) sk.sk_error_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
      return 0;
    case IP_RECVERR_RFC4884:
      if (value < 0 || value > 1) return -EINVAL;
      own_opts(sk).recverr_rfc4884 = on;
      return 0;
    case IP_FREEBIND:
      own_opts(sk).freebind = on;
      return 0;
    case IP_TRANSPARENT:
      own_opts(sk).transparent = on;
      return 0;
    case IP_BIND_ADDRESS_NO_PORT:
      own_opts(sk).bind_address_no_port = on;
      return 0;
    case IP_LOCAL_PORT_RANGE:
      return set_port_range(sk, value, opt.optlen);
    case IP_UNICAST_IF:
      return set_unicast_if(sk, value, opt.optlen);
    case IP_MULTICAST_IF:
      return set_multicast_if(sk, opt);
    case IP_MULTICAST_TTL:
      if (sk.sk_type === SOCK_STREAM || value < -1 || value > 255) return -EINVAL;
      sk.mc_ttl = value === -1 ? 1 : value;
      return 0;
    case IP_MULTICAST_LOOP:
      own_opts(sk).mc_loop = on;
      return 0;
    case IP_MULTICAST_ALL:
      if (value !== 0 && value !== 1) return -EINVAL;
      own_opts(sk).mc_all = on;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/**
 * ip_ra_control: a raw socket that hears of what this host forwards of its protocol, where the packet wants routers to
 * look at it (RFC 2113). 0, -EINVAL, -EADDRINUSE when it is one already, -ENOBUFS when it is none.
 */
export function ip_ra_control(sk: sock, on: boolean): number {
  if (sk.sk_type !== SOCK_RAW || sk.inet_num === IPPROTO_RAW) return -EINVAL;
  const { ra_chain } = sk.sk_net.ipv4;
  const at = ra_chain.indexOf(sk);
  if (on) {
    if (at >= 0) return -EADDRINUSE;
    ra_chain.push(sk);
    return 0;
  }
  if (at < 0) return -ENOBUFS;
  ra_chain.splice(at, 1);
  return 0;
}

/** __ip_sock_set_tos: ECN belongs to the transport where there is one. */
function ip_sock_set_tos(sk: sock, value: number): number {
  let tos = value & 0xff;
  if (sk.sk_type === SOCK_STREAM) tos = (tos & ~INET_ECN_MASK) | (sk.tos & INET_ECN_MASK);
  if (sk.tos !== tos) {
    sk.tos = tos;
    own_opts(sk).sk_priority = rt_tos2priority(tos);
    sk_dst_reset(sk);
  }
  return 0;
}

function set_options(sk: sock, { bytes }: sockopt): number {
  const options = bytes === null || bytes.length === 0 ? null : ip_options_get(sk.sk_net, bytes);
  if (typeof options === 'number') return options;
  const change = (options?.optlen ?? 0) - (sk.inet_opt?.optlen ?? 0);
  sk.inet_opt = options;
  sk.sk_prot.ext_hdr_change?.(sk, change);
  return 0;
}

function set_port_range(sk: sock, value: number, optlen: number): number {
  const low = value & 0xffff;
  const high = value >>> 16;
  if (optlen >= 0 && optlen !== SIZEOF_INT) return -EINVAL;
  if (low !== 0 && high !== 0 && low > high) return -EINVAL;
  own_opts(sk).local_port_range = value;
  return 0;
}

function set_unicast_if(sk: sock, ifindex: number, optlen: number): number {
  if (optlen >= 0 && optlen !== SIZEOF_INT) return -EINVAL;
  if (ifindex !== 0) {
    if (sk.sk_net.dev_get_by_index(ifindex) === null) return -EADDRNOTAVAIL;
    if (sk.sk_bound_dev_if !== 0) return -EINVAL;
  }
  own_opts(sk).uc_index = ifindex;
  return 0;
}

/** IP_MULTICAST_IF: by index, or by one of the device's addresses; neither frees the socket. */
function set_multicast_if(sk: sock, opt: sockopt): number {
  if (sk.sk_type === SOCK_STREAM || (opt.optlen >= 0 && opt.optlen < SIZEOF_INT)) return -EINVAL;
  const net = sk.sk_net;
  if (opt.ifindex === 0 && opt.address === 0) {
    sk.mc_index = 0;
    own_opts(sk).mc_addr = 0;
    return 0;
  }
  const dev = opt.ifindex !== 0 ? net.dev_get_by_index(opt.ifindex) : ip_dev_find(net, opt.address);
  if (dev === null) return -EADDRNOTAVAIL;
  if (sk.sk_bound_dev_if !== 0 && sk.sk_bound_dev_if !== dev.ifindex) return -EINVAL;
  sk.mc_index = dev.ifindex;
  own_opts(sk).mc_addr = opt.address;
  return 0;
}

/** ip_getsockopt: 0 with the answer in `opt`. */
export function ip_getsockopt(sk: sock, name: number, opt: sockopt): number {
  if (name === IP_OPTIONS) {
    opt.bytes = sk.inet_opt === null ? new Uint8Array(0) : ip_options_undo(sk.inet_opt);
    if (opt.optlen >= 0) opt.optlen = Math.min(opt.optlen, opt.bytes.length);
    return 0;
  }
  if (name === IP_MULTICAST_IF) {
    opt.address = sk.opts.mc_addr;
    opt.ifindex = sk.mc_index;
    if (opt.optlen >= 0) opt.optlen = Math.min(opt.optlen, SIZEOF_INT);
    return 0;
  }
  if (is_mcast_option(name)) return do_mcast_getsockopt(sk, name, opt);
  const err = get_value(sk, name, opt);
  // A value that fits a byte goes into one, where there is room for no more.
  if (err === 0 && opt.optlen >= 0) {
    const byte = opt.optlen > 0 && opt.optlen < SIZEOF_INT && opt.value >= 0 && opt.value <= 255;
    opt.optlen = byte ? 1 : Math.min(opt.optlen, SIZEOF_INT);
  }
  return err;
}

function get_value(sk: sock, name: number, opt: sockopt): number {
  const bit = cmsg_of(name);
  if (bit !== 0) {
    opt.value = Number((sk.cmsg_flags & bit) !== 0);
    return 0;
  }
  switch (name) {
    case IP_TOS:
      opt.value = sk.tos;
      return 0;
    case IP_TTL:
      opt.value = sk.opts.uc_ttl < 0 ? sk.sk_net.ipv4.ip_default_ttl : sk.opts.uc_ttl;
      return 0;
    case IP_MINTTL:
      opt.value = sk.opts.min_ttl;
      return 0;
    case IP_ROUTER_ALERT:
      opt.value = Number(sk.sk_net.ipv4.ra_chain.includes(sk));
      return 0;
    case IP_HDRINCL:
      opt.value = Number(sk.opts.hdrincl);
      return 0;
    case IP_NODEFRAG:
      opt.value = Number(sk.opts.nodefrag);
      return 0;
    case IP_MTU_DISCOVER:
      opt.value = sk.opts.pmtudisc;
      return 0;
    case IP_RECVERR:
      opt.value = Number(sk.opts.recverr);
      return 0;
    case IP_RECVERR_RFC4884:
      opt.value = Number(sk.opts.recverr_rfc4884);
      return 0;
    case IP_FREEBIND:
      opt.value = Number(sk.opts.freebind);
      return 0;
    case IP_TRANSPARENT:
      opt.value = Number(sk.opts.transparent);
      return 0;
    case IP_BIND_ADDRESS_NO_PORT:
      opt.value = Number(sk.opts.bind_address_no_port);
      return 0;
    case IP_LOCAL_PORT_RANGE:
      opt.value = sk.opts.local_port_range;
      return 0;
    case IP_UNICAST_IF:
      opt.value = sk.opts.uc_index;
      return 0;
    case IP_MULTICAST_TTL:
      opt.value = sk.mc_ttl;
      return 0;
    case IP_MULTICAST_LOOP:
      opt.value = Number(sk.opts.mc_loop);
      return 0;
    case IP_MULTICAST_ALL:
      opt.value = Number(sk.opts.mc_all);
      return 0;
    case IP_PROTOCOL:
      // The number it is known by: a raw socket's protocol.
      opt.value = sk.inet_num;
      return 0;
    case IP_MTU: {
      const dst = sk_dst_check(sk);
      if (dst === null) return -ENOTCONN;
      opt.value = dst_mtu(dst);
      return 0;
    }
    default:
      return -ENOPROTOOPT;
  }
}
