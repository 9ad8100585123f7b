/** Options of level SOL_IP (net/ipv4/ip_sockglue.c). */
import { EINVAL, ENOPROTOOPT, ENOTCONN } from '../../errno.ts';
import { SKB_DROP_REASON } from '../core/dropreason.ts';
import { dst_mtu } from '../core/dst.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { sk_dst_check, sk_dst_reset, type sock } from '../core/sock.ts';
import { CMSG_PKTINFO, CMSG_TIMESTAMP, CMSG_TOS, CMSG_TTL, type msghdr, type sockopt } from '../msg.ts';
import { INET_ECN_MASK, iph_daddr, iph_tos, iph_ttl } from './ip_header.ts';

export const SOL_IP = 0;
export const IP_TOS = 1;
export const IP_TTL = 2;
export const IP_RECVOPTS = 6;
export const IP_PKTINFO = 8;
export const IP_MTU_DISCOVER = 10;
export const IP_RECVERR = 11;
export const IP_RECVTTL = 12;
export const IP_RECVTOS = 13;
export const IP_MTU = 14;
export const IP_FREEBIND = 15;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IP_MULTICAST_IF = 32;
export const IP_MULTICAST_TTL = 33;
export const IP_MULTICAST_LOOP = 34;

/** IP_PMTUDISC_OMIT: the last of the IP_MTU_DISCOVER values. */
const PMTUDISC_MAX = 5;

/** The control message that an option asks for, 0 for none. */
function cmsg_of(name: number): number {
  return name === IP_RECVTTL ? CMSG_TTL : name === IP_RECVTOS ? CMSG_TOS : name === IP_PKTINFO ? CMSG_PKTINFO : 0;
}

/**
 * ip_cmsg_recv and sock_recv_timestamp: the control messages that the socket asked for, from the packet's header.
 * The local address of IP_PKTINFO is the destination where that is unicast.
 */
export function inet_cmsg_recv(sk: sock, skb: sk_buff, msg: msghdr): void {
  const { cmsg_flags } = sk;
  const { msg_control: control } = msg;
  if (cmsg_flags === 0 || control === null) return;
  control.present = cmsg_flags;
  control.ttl = iph_ttl(skb);
  control.tos = iph_tos(skb);
  control.ipi_ifindex = skb.skb_iif;
  control.ipi_addr = iph_daddr(skb);
  control.ipi_spec_dst = control.ipi_addr;
  if ((cmsg_flags & CMSG_TIMESTAMP) !== 0) control.timestamp = skb.tstamp !== 0 ? skb.tstamp : skb.kernel.clock.now;
}

/** do_ip_setsockopt: 0 or a negative errno. */
export function ip_setsockopt(sk: sock, name: number, opt: sockopt): number {
  const { value } = opt;
  switch (name) {
    case IP_TOS: {
      // ECN belongs to the transport where there is one.
      const tos = value & 0xff;
      if (sk.tos !== tos) {
        sk.tos = tos;
        sk.sk_priority = rt_tos2priority(tos);
        sk_dst_reset(sk);
      }
      return 0;
    }
    case IP_TTL:
      if (value !== -1 && (value < 1 || value > 255)) return -EINVAL;
      sk.uc_ttl = value;
      return 0;
    case IP_MTU_DISCOVER:
      if (value < 0 || value > PMTUDISC_MAX) return -EINVAL;
      sk.pmtudisc = value;
      return 0;
    case IP_RECVERR:
      sk.recverr = value !== 0;
      if (!sk.recverr) sk.sk_error_queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
      return 0;
    case IP_RECVTTL:
    case IP_RECVTOS:
    case IP_PKTINFO:
      sk.cmsg_flags = value !== 0 ? sk.cmsg_flags | cmsg_of(name) : sk.cmsg_flags & ~cmsg_of(name);
      return 0;
    case IP_FREEBIND:
      sk.freebind = value !== 0;
      return 0;
    case IP_BIND_ADDRESS_NO_PORT:
      sk.bind_address_no_port = value !== 0;
      return 0;
    case IP_MULTICAST_TTL:
      if (value < -1 || value > 255) return -EINVAL;
      sk.mc_ttl = value === -1 ? 1 : value;
      return 0;
    case IP_MULTICAST_LOOP:
      sk.mc_loop = value !== 0;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** do_ip_getsockopt: 0 with the answer in `opt`. */
export function ip_getsockopt(sk: sock, name: number, opt: sockopt): number {
  switch (name) {
    case IP_TOS:
      opt.value = sk.tos;
      return 0;
    case IP_TTL:
      opt.value = sk.uc_ttl < 0 ? sk.sk_net.ipv4.ip_default_ttl : sk.uc_ttl;
      return 0;
    case IP_MTU_DISCOVER:
      opt.value = sk.pmtudisc;
      return 0;
    case IP_RECVERR:
      opt.value = Number(sk.recverr);
      return 0;
    case IP_RECVTTL:
    case IP_RECVTOS:
    case IP_PKTINFO:
      opt.value = Number((sk.cmsg_flags & cmsg_of(name)) !== 0);
      return 0;
    case IP_FREEBIND:
      opt.value = Number(sk.freebind);
      return 0;
    case IP_BIND_ADDRESS_NO_PORT:
      opt.value = Number(sk.bind_address_no_port);
      return 0;
    case IP_MULTICAST_TTL:
      opt.value = sk.mc_ttl;
      return 0;
    case IP_MULTICAST_LOOP:
      opt.value = Number(sk.mc_loop);
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

/** ip_tos2prio: TC_PRIO_BESTEFFORT 0, BULK 2, INTERACTIVE_BULK 4, INTERACTIVE 6; odd ones are for ECN. */
const tos2prio = Uint8Array.of(0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4);

/** rt_tos2priority */
export function rt_tos2priority(tos: number): number {
  return tos2prio[(tos & 0x1e & ~INET_ECN_MASK & 0x1e) >> 1] as number;
}
