/** Control messages of IPv4 sockets both ways, and their error queue (net/ipv4/ip_sockglue.c, net/core/sock.c). */
import { EAGAIN, EHOSTUNREACH, EINVAL, EMSGSIZE, EPROTO } from '../../errno.ts';
import { csum_from_partial } from '../../lib/checksum.ts';
import { skb_copy_or_truncate } from '../core/datagram.ts';
import {
  ee_addr_at,
  ee_code,
  ee_data,
  ee_errno,
  ee_info,
  ee_origin,
  ee_port,
  ee_type,
  SO_EE_ORIGIN_ICMP,
  SO_EE_ORIGIN_LOCAL,
  set_exterr,
  sock_dequeue_err_skb,
  sock_queue_err_skb,
} from '../core/errqueue.ts';
import { SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_TX_RECORD_MASK } from '../core/skb_tstamp.ts';
import {
  alloc_skb,
  CHECKSUM_COMPLETE,
  consume_skb,
  kfree_skb_reason,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_put,
  skb_reset_network_header,
  skb_reset_transport_header,
} from '../core/skbuff.ts';
import { sk_error_report, type sock, TCP_ESTABLISHED } from '../core/sock.ts';
import {
  CMSG_CHECKSUM,
  CMSG_MARK,
  CMSG_ORIGDSTADDR,
  CMSG_PKTINFO,
  CMSG_PRIORITY,
  CMSG_RECVERR,
  CMSG_RECVFRAGSIZE,
  CMSG_RECVOPTS,
  CMSG_RETOPTS,
  CMSG_RXQ_OVFL,
  CMSG_STAMPS,
  CMSG_TIMESTAMPING,
  CMSG_TOS,
  CMSG_TTL,
  type cmsg,
  cmsg_stamp,
  MSG_CTRUNC,
  MSG_ERRQUEUE,
  type msghdr,
  put_sockaddr_in,
} from '../msg.ts';
import { IP_PMTUDISC_DONT } from './datagram.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  icmp_err_errno,
  icmp_err_fatal,
} from './icmp.ts';
import { IPCB_frag_max_size, IPCB_optlen } from './inet_skb_parm.ts';
import type { ipcm_cookie } from './ip_append.ts';
import { get16, get32, INET_ECN_MASK, IPHDR_LEN, iph_daddr, iph_saddr, iph_tos, iph_ttl, put32 } from './ip_header.ts';
import { ip_options, ip_options_echo, ip_options_get } from './ip_options.ts';
import { fib_compute_spec_dst, inet_iif } from './route.ts';

const LOOPBACK_IFINDEX = 1;
/** What of a socket's control messages belongs to level SOL_IP. */
const IP_FLAGS =
  CMSG_TTL |
  CMSG_TOS |
  CMSG_PKTINFO |
  CMSG_RECVOPTS |
  CMSG_RETOPTS |
  CMSG_ORIGDSTADDR |
  CMSG_RECVFRAGSIZE |
  CMSG_CHECKSUM;

// ---- received -------------------------------------------------------------------------------------------------------

/**
 * What a packet must keep for its control messages when it is queued: ipv4_pktinfo_prepare (the device and the address
 * of ours that an answer would come from) and sock_skb_set_dropcount. Only for sockets that want any.
 */
export function inet_cmsg_prepare(sk: sock, skb: sk_buff): void {
  if ((sk.cmsg_flags & CMSG_PKTINFO) !== 0) {
    skb.cb4 = 0;
    skb.cb2 = 0;
    if (skb.dst !== null) {
      skb.cb4 = skb.skb_iif === LOOPBACK_IFINDEX ? inet_iif(skb) : skb.skb_iif;
      skb.cb2 = fib_compute_spec_dst(skb);
    }
  }
  skb.cb5 = sk.sk_drops;
}

/** sock_recv_cmsgs and ip_cmsg_recv: the control messages that the socket asked for. */
export function inet_cmsg_recv(sk: sock, skb: sk_buff, msg: msghdr): void {
  const { cmsg_flags } = sk;
  const control = msg.msg_control;
  if (control === null) {
    // put_cmsg without room.
    msg.msg_flags |= MSG_CTRUNC;
    return;
  }
  let present = cmsg_flags;
  if ((cmsg_flags & IP_FLAGS) !== 0) present = ip_cmsg_recv(skb, control, present);
  if ((cmsg_flags & ~IP_FLAGS) !== 0) present = sock_recv_cmsgs(sk, skb, control, present);
  control.present |= present;
}

function sock_recv_cmsgs(sk: sock, skb: sk_buff, control: cmsg, present: number): number {
  if ((present & CMSG_STAMPS) !== 0) {
    let stamp = skb.tstamp;
    if (stamp === 0) {
      // It came before anybody wanted to know: the old options make do with the present.
      stamp = skb.kernel.clock.now;
      present &= ~CMSG_TIMESTAMPING;
    }
    cmsg_stamp(control, present, stamp, sk.opts.sk_tstamp_new);
  }
  control.mark = skb.mark;
  control.priority = skb.priority;
  control.dropcount = skb.cb5;
  return skb.cb5 === 0 ? present & ~CMSG_RXQ_OVFL : present;
}

function ip_cmsg_recv(skb: sk_buff, control: cmsg, present: number): number {
  const { ram } = skb;
  control.ttl = iph_ttl(skb);
  control.tos = iph_tos(skb);
  control.ipi_ifindex = skb.cb4;
  control.ipi_spec_dst = skb.cb2;
  control.ipi_addr = iph_daddr(skb);
  if ((present & CMSG_ORIGDSTADDR) !== 0) {
    control.orig_addr = control.ipi_addr;
    control.orig_port = get16(ram, skb.transport_header + 2);
  }
  if ((present & CMSG_CHECKSUM) !== 0) {
    // ip_cmsg_recv_checksum: only what the card has summed.
    if (skb.ip_summed === CHECKSUM_COMPLETE) control.csum = csum_from_partial(skb.csum);
    else present &= ~CMSG_CHECKSUM;
  }
  if ((present & CMSG_RECVFRAGSIZE) !== 0) {
    control.frag_size = IPCB_frag_max_size(skb);
    if (control.frag_size === 0) present &= ~CMSG_RECVFRAGSIZE;
  }
  if ((present & (CMSG_RECVOPTS | CMSG_RETOPTS)) !== 0) present = recv_options(skb, control, present);
  return present;
}

/** ip_cmsg_recv_opts, ip_cmsg_recv_retopts: as they stood in the header, or as an answer would carry them. */
function recv_options(skb: sk_buff, control: cmsg, present: number): number {
  const { u8 } = skb.ram;
  const length = IPCB_optlen(skb);
  if (length === 0) return present & ~(CMSG_RECVOPTS | CMSG_RETOPTS);
  if ((present & CMSG_RETOPTS) !== 0) {
    const echo = new ip_options();
    if (ip_options_echo(skb.kernel.init_net, echo, skb) !== 0) {
      present &= ~CMSG_RETOPTS;
    } else {
      control.opt.set(echo.__data.subarray(0, echo.optlen));
      control.opt_len = echo.optlen;
      return present;
    }
  }
  const at = skb.network_header + IPHDR_LEN;
  for (let i = 0; i < length; i++) control.opt[i] = u8[at + i] as number;
  control.opt_len = length;
  return present;
}

// ---- to be sent -----------------------------------------------------------------------------------------------------

/** ip_tos2prio: TC_PRIO_BESTEFFORT 0, BULK 2, INTERACTIVE_BULK 4, INTERACTIVE 6; odd ones are for ECN. */
const tos2prio = Uint8Array.of(0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4);

/** rt_tos2priority */
export function rt_tos2priority(tos: number): number {
  return tos2prio[(tos & 0x1e & ~INET_ECN_MASK & 0x1e) >> 1] as number;
}

/**
 * ip_cmsg_send and sock_cmsg_send: what one message asks for beside the socket's settings. 0, or -EINVAL for a value
 * out of range. `ipc.addr` becomes the source address, `ipc.oif` the device.
 */
export function ip_cmsg_send(sk: sock, control: cmsg, ipc: ipcm_cookie): number {
  const { present } = control;
  if ((present & CMSG_PKTINFO) !== 0) {
    if (control.ipi_ifindex !== 0) ipc.oif = control.ipi_ifindex;
    ipc.addr = control.ipi_spec_dst;
  }
  if ((present & CMSG_TTL) !== 0) {
    if (control.ttl < 1 || control.ttl > 255) return -EINVAL;
    ipc.ttl = control.ttl;
  }
  if ((present & CMSG_TOS) !== 0) {
    if (control.tos < 0 || control.tos > 255) return -EINVAL;
    ipc.tos = control.tos;
    ipc.priority = rt_tos2priority(control.tos);
  }
  if ((present & CMSG_RETOPTS) !== 0) {
    const opt = ip_options_get(sk.sk_net, control.opt.subarray(0, control.opt_len));
    if (typeof opt === 'number') return opt;
    ipc.opt = opt;
  }
  if ((present & CMSG_TIMESTAMPING) !== 0) {
    if ((control.tsflags & ~SOF_TIMESTAMPING_TX_RECORD_MASK) !== 0) return -EINVAL;
    ipc.tsflags = (ipc.tsflags & ~SOF_TIMESTAMPING_TX_RECORD_MASK) | control.tsflags;
  }
  if ((present & CMSG_MARK) !== 0) ipc.mark = control.mark;
  if ((present & CMSG_PRIORITY) !== 0) ipc.priority = control.priority;
  return 0;
}

// ---- errors ---------------------------------------------------------------------------------------------------------

/** An ICMP error is not for the program. */
export const ICMP_ERR_IGNORED = -1;
/** The error ends a connected socket's talk. */
export const ICMP_ERR_HARD = 1 << 16;

/**
 * What an ICMP error means to a datagram socket (__udp4_lib_err, ping_err): a positive errno, with ICMP_ERR_HARD, or
 * ICMP_ERR_IGNORED. Tells routing what it says of the path.
 */
export function inet_icmp_err(sk: sock, skb: sk_buff, info: number): number {
  const { u8 } = skb.ram;
  const type = u8[skb.transport_header] as number;
  const code = u8[skb.transport_header + 1] as number;
  switch (type) {
    case ICMP_SOURCE_QUENCH:
      return ICMP_ERR_IGNORED;
    case ICMP_REDIRECT:
      sk.sk_net.ipv4.sk_redirect?.(skb, sk);
      return ICMP_ERR_IGNORED;
    case ICMP_PARAMETERPROB:
      return EPROTO | ICMP_ERR_HARD;
    case ICMP_DEST_UNREACH:
      if (code === ICMP_FRAG_NEEDED) {
        sk.sk_net.ipv4.sk_update_pmtu?.(skb, sk, info);
        return sk.opts.pmtudisc === IP_PMTUDISC_DONT ? ICMP_ERR_IGNORED : EMSGSIZE | ICMP_ERR_HARD;
      }
      if (code >= icmp_err_errno.length) return EHOSTUNREACH;
      return (icmp_err_errno[code] as number) | (icmp_err_fatal[code] !== 0 ? ICMP_ERR_HARD : 0);
    default:
      return EHOSTUNREACH;
  }
}

/**
 * RFC 1122 4.1.3.3: an ICMP error becomes the socket's pending error when it is fatal and the socket is connected; with
 * IP_RECVERR every error is queued, too. `payload`: the address of what the program sent in the quoted packet.
 */
export function inet_report_icmp_error(sk: sock, skb: sk_buff, info: number, port: number, payload: number): void {
  const err = inet_icmp_err(sk, skb, info);
  if (err === ICMP_ERR_IGNORED) return;
  const errno = err & ~ICMP_ERR_HARD;
  if (sk.opts.recverr) ip_icmp_error(sk, skb, errno, port, info, payload);
  // Soft errors, and those of an unconnected socket, say nothing of what it sends next.
  else if ((err & ICMP_ERR_HARD) === 0 || sk.sk_state !== TCP_ESTABLISHED) return;
  sk.sk_err = errno;
  sk_error_report(sk);
}

/**
 * ip_icmp_error: queues an ICMP error with the part of the packet it quotes from `payload` on. `data` of `skb` is at
 * the quoted IP header. Does not take the skb.
 */
export function ip_icmp_error(sk: sock, skb: sk_buff, err: number, port: number, info: number, payload: number): void {
  const clone = skb_clone(skb);
  if (clone === null) return;
  const { u8 } = skb.ram;
  const icmph = skb.transport_header;
  const type = u8[icmph] as number;
  set_exterr(clone, err, SO_EE_ORIGIN_ICMP, type, u8[icmph + 1] as number, info, skb.data + 16, port);
  const pull = payload - clone.data;
  if (pull <= clone.len - clone.data_len) {
    clone.data += pull;
    clone.len -= pull;
    skb_reset_transport_header(clone);
    if (sock_queue_err_skb(sk, clone) === 0) return;
  }
  kfree_skb_reason(clone, SKB_DROP_REASON.SOCKET_RCVBUFF);
}

/** ip_local_error: queues an error that this host found itself, when the program wants to know (IP_RECVERR). */
export function ip_local_error(sk: sock, err: number, daddr: number, port: number, info: number): void {
  if (!sk.opts.recverr) return;
  const skb = alloc_skb(sk.kernel, IPHDR_LEN);
  if (skb === null) return;
  const at = skb_put(skb, IPHDR_LEN);
  skb.ram.u8.fill(0, at, at + IPHDR_LEN);
  skb_reset_network_header(skb);
  put32(skb.ram, at + 16, daddr);
  set_exterr(skb, err, SO_EE_ORIGIN_LOCAL, 0, 0, info, at + 16, port);
  skb.data = skb.tail;
  skb.len = 0;
  skb_reset_transport_header(skb);
  if (sock_queue_err_skb(sk, skb) !== 0) kfree_skb_reason(skb, SKB_DROP_REASON.SOCKET_RCVBUFF);
}

/**
 * inet_recv_error and ip_recv_error: the first of the error queue: its payload to the message's buffer, the address it
 * was sent to as the name, the reason as a control message. Bytes copied, -EAGAIN without one, -EFAULT.
 */
export function ip_recv_error(sk: sock, msg: msghdr, length: number): number {
  const skb = sock_dequeue_err_skb(sk);
  if (skb === null) return -EAGAIN;
  const copied = skb_copy_or_truncate(skb, msg, length);
  if (copied < 0) return copied;
  const origin = ee_origin(skb);
  // ipv4_datagram_support_addr: a stamp, or the end of a send, has no address.
  const has_addr = origin === SO_EE_ORIGIN_ICMP || origin === SO_EE_ORIGIN_LOCAL || ee_port(skb) !== 0;
  if (has_addr) put_sockaddr_in(msg.msg_name, get32(skb.ram, ee_addr_at(skb)), ee_port(skb));
  const control = msg.msg_control;
  if (control === null) {
    msg.msg_flags |= MSG_CTRUNC;
  } else {
    let stamps = sk.cmsg_flags & CMSG_STAMPS & ~CMSG_TIMESTAMPING;
    if (skb.tstamp !== 0 && (sk.opts.sk_tsflags & SOF_TIMESTAMPING_SOFTWARE) !== 0) stamps |= CMSG_TIMESTAMPING;
    control.present |= CMSG_RECVERR | stamps;
    if (stamps !== 0) sock_recv_cmsgs(sk, skb, control, stamps);
    control.ee_errno = ee_errno(skb);
    control.ee_origin = origin;
    control.ee_type = ee_type(skb);
    control.ee_code = ee_code(skb);
    control.ee_info = ee_info(skb);
    control.ee_data = ee_data(skb);
    // SO_EE_OFFENDER: the sender of the ICMP message. The header at network_header is that message's.
    control.ee_offender = origin === SO_EE_ORIGIN_ICMP ? iph_saddr(skb) : 0;
  }
  msg.msg_flags |= MSG_ERRQUEUE;
  consume_skb(skb);
  return copied;
}
