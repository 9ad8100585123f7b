/** UDP over IPv4 (net/ipv4/udp.c, RFC 768). */

import { EFAULT, EINVAL, ENOENT, ENOPROTOOPT, ENOTTY, EOPNOTSUPP } from '../../errno.ts';
import { O_NONBLOCK, SIOCINQ, SIOCOUTQ } from '../../fs/file.ts';
import { POLLIN, POLLRDNORM } from '../../fs/select.ts';
import { csum_fold, csum_from_partial, csum_partial, csum_tcpudp_nofold } from '../../lib/checksum.ts';
import {
  datagram_poll,
  sk_peek_offset,
  sk_peek_offset_move,
  skb_copy_datagram_msg,
  skb_recv_datagram,
} from '../core/datagram.ts';
import { SKB_GSO_FRAGLIST } from '../core/gso.ts';
import type { net } from '../core/net_namespace.ts';
import { skb_checksum_ok, skb_csum_unnecessary } from '../core/skb_checksum.ts';
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  kfree_skb_reason,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_pull,
  skb_trim,
} from '../core/skbuff.ts';
import {
  make_proto,
  own_opts,
  RCV_SHUTDOWN,
  sk_common_release,
  sk_filter_trim_cap,
  type sock,
  sock_enqueue,
} from '../core/sock.ts';
import { reuseport_group } from '../core/sock_reuseport.ts';
import { CMSG_UDP_GRO, MSG_PEEK, MSG_TRUNC, type msghdr, put_sockaddr_in, type sockopt } from '../msg.ts';
import { datagram_disconnect, ip4_datagram_connect } from './datagram.ts';
import { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, icmp_send } from './icmp.ts';
import { inet_cmsg_prepare, inet_cmsg_recv, inet_report_icmp_error } from './ip_cmsg.ts';
import { get16, get32, IPPROTO_UDP, iph_daddr, iph_saddr, ipv4_is_multicast } from './ip_header.ts';
import { ip_mc_sf_allow } from './ip_mc.ts';
import { inet_add_protocol, type net_protocol } from './protocol.ts';
import { inet_iif, RTCF_BROADCAST, RTCF_MULTICAST, type rtable } from './route.ts';
import {
  __udp4_lib_lookup,
  udp_lib_rehash,
  udp_lib_unhash,
  udp_lib_update,
  udp_table,
  udp_v4_get_port,
} from './udp_hash.ts';
import { udp_rcv_segment } from './udp_offload.ts';
import { udp_flush_pending_frames, udp_push_pending_frames, udp_sendmsg } from './udp_output.ts';

export { __udp4_lib_lookup } from './udp_hash.ts';

export const SOL_UDP = 17;
/** Options (linux/udp.h): what is sent is held back and becomes one datagram. */
export const UDP_CORK = 1;
/** Cut what one send gives into datagrams of this many bytes. */
export const UDP_SEGMENT = 103;
/** Several datagrams of one flow may come in one recvmsg. */
export const UDP_GRO = 104;
const SIZEOF_INT = 4;

/** Bytes of struct udphdr: source, dest, len, check (RFC 768). */
export const UDP_HLEN = 8;
/** A packet of up to this many bytes has its checksum verified at once, a longer one when it is copied. */
const CHECKSUM_BREAK = 76;
// ---- receive --------------------------------------------------------------------------------------------------------

/**
 * udp4_csum_init: false when the checksum is known to be wrong. A long packet's sum is left to the copy to the user;
 * `skb.csum` then holds what the rest must be added to.
 */
function udp4_csum_init(skb: sk_buff, check: number, saddr: number, daddr: number): boolean {
  if (check === 0) {
    // RFC 768: no checksum was made.
    if (skb.ip_summed !== CHECKSUM_PARTIAL) skb.ip_summed = CHECKSUM_UNNECESSARY;
    return true;
  }
  if (skb_csum_unnecessary(skb)) {
    skb.csum_valid = 1;
    return true;
  }
  const pseudo = csum_tcpudp_nofold(saddr, daddr, skb.len, IPPROTO_UDP);
  if (skb.ip_summed === CHECKSUM_COMPLETE) {
    if (csum_fold(skb.csum + csum_from_partial(pseudo)) === 0) {
      skb.csum_valid = 1;
      return true;
    }
    // The card says it is wrong: software has the last word.
    skb.ip_summed = CHECKSUM_NONE;
  }
  skb.csum = pseudo;
  if (skb.len <= CHECKSUM_BREAK) return skb_checksum_ok(skb, skb.len, pseudo);
  return true;
}

/** udp_lib_checksum_complete, turned round: is the checksum right? */
function udp_csum_ok(skb: sk_buff): boolean {
  return skb_csum_unnecessary(skb) || skb_checksum_ok(skb, skb.len, skb.csum);
}

/** udp_rcv (__udp4_lib_rcv): a packet for this host. Takes the skb. */
export function udp_rcv(skb: sk_buff): number {
  const { kernel, ram } = skb;
  kernel.clock.now += kernel.cost.udp_rcv;
  const tp = kernel.trace.udp_rcv;
  if (tp !== null) tp(skb);
  const net = kernel.init_net;
  const { mib } = net.ipv4;
  let reason = SKB_DROP_REASON.PKT_TOO_SMALL;
  if (skb.len >= UDP_HLEN) {
    const uh = skb.data;
    const ulen = get16(ram, uh + 4);
    if (ulen <= skb.len && ulen >= UDP_HLEN) {
      if (ulen < skb.len) {
        // A sum over the whole is worth nothing for a part of it.
        if (skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = CHECKSUM_NONE;
        skb_trim(skb, ulen);
      }
      const saddr = iph_saddr(skb);
      const daddr = iph_daddr(skb);
      if (!udp4_csum_init(skb, get16(ram, uh + 6), saddr, daddr)) {
        reason = SKB_DROP_REASON.UDP_CSUM;
        mib.UdpInCsumErrors++;
      } else {
        const rt = skb.dst as rtable | null;
        if (rt !== null && (rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0) {
          return __udp4_lib_mcast_deliver(net, skb, saddr, daddr);
        }
        const sk = __udp4_lib_lookup(net, saddr, get16(ram, uh), daddr, get16(ram, uh + 2), inet_iif(skb), skb);
        if (sk !== null) {
          udp_queue_rcv_skb(sk, skb);
          return 0;
        }
        if (udp_csum_ok(skb)) {
          mib.UdpNoPorts++;
          icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
          kfree_skb_reason(skb, SKB_DROP_REASON.NO_SOCKET);
          return 0;
        }
        reason = SKB_DROP_REASON.UDP_CSUM;
        mib.UdpInCsumErrors++;
      }
    }
  }
  mib.UdpInErrors++;
  kfree_skb_reason(skb, reason);
  return 0;
}

/** __udp4_lib_mcast_deliver: every socket that matches gets the packet, all but one a clone. Takes the skb. */
function __udp4_lib_mcast_deliver(net: net, skb: sk_buff, saddr: number, daddr: number): number {
  const { udp: table, mib } = net.ipv4;
  const { stack } = table;
  table.matching(saddr, get16(skb.ram, skb.data), daddr, get16(skb.ram, skb.data + 2), skb.skb_iif);
  if (ipv4_is_multicast(daddr)) sort_out(stack, saddr, daddr, skb.skb_iif);
  const takers = stack.length;
  if (takers === 0) {
    mib.UdpIgnoredMulti++;
    consume_skb(skb);
    return 0;
  }
  for (let i = 1; i < takers; i++) {
    const sk = stack[i] as sock;
    const clone = skb_clone(skb);
    if (clone === null) {
      sk.sk_drops++;
      mib.UdpRcvbufErrors++;
      mib.UdpInErrors++;
    } else {
      udp_queue_rcv_skb(sk, clone);
    }
  }
  udp_queue_rcv_skb(stack[0] as sock, skb);
  stack.length = 0;
  return 0;
}

/** ip_mc_sf_allow: of the sockets that match, those stay that are in the group and want this source. */
function sort_out(stack: sock[], saddr: number, daddr: number, dif: number): void {
  let kept = 0;
  for (let i = 0; i < stack.length; i++) {
    const sk = stack[i] as sock;
    if (ip_mc_sf_allow(sk, daddr, saddr, dif)) stack[kept++] = sk;
  }
  stack.length = kept;
}

/** udp_queue_rcv_skb: several datagrams that GRO has merged are cut apart again, unless the socket wants them so. */
function udp_queue_rcv_skb(sk: sock, skb: sk_buff): void {
  if (skb.gso_size !== 0 && !(sk.opts.udp_gro && (skb.gso_type & SKB_GSO_FRAGLIST) === 0)) {
    udp_rcv_segment(skb, segment => udp_queue_rcv_one_skb(sk, segment));
    return;
  }
  udp_queue_rcv_one_skb(sk, skb);
}

/** udp_queue_rcv_one_skb: filter, then the receive queue, if there is room. Takes the skb. */
function udp_queue_rcv_one_skb(sk: sock, skb: sk_buff): void {
  const { mib } = sk.sk_net.ipv4;
  if (sk.sk_filter !== null) {
    // A filter must not see what a wrong checksum would reject.
    let reason = SKB_DROP_REASON.UDP_CSUM;
    if (udp_csum_ok(skb)) reason = sk_filter_trim_cap(sk, skb, UDP_HLEN);
    else mib.UdpInCsumErrors++;
    if (reason !== 0) {
      mib.UdpInErrors++;
      sk.sk_drops++;
      kfree_skb_reason(skb, reason);
      return;
    }
  }
  // udp_csum_pull_header: what is left to sum is the payload.
  if (skb.ip_summed === CHECKSUM_NONE && skb.csum_valid === 0)
    skb.csum = csum_partial(skb.ram, skb.data, UDP_HLEN, skb.csum);
  skb_pull(skb, UDP_HLEN);
  if (sk.cmsg_flags !== 0) inet_cmsg_prepare(sk, skb);
  skb.dst = null;
  if (sk.inet_daddr !== 0) {
    // sock_rps_save_rxhash, sk_incoming_cpu_update: a connected socket's packets are of one flow.
    if (skb.hash !== 0) sk.sk_rxhash = skb.hash;
    if (sk.sk_reuseport_cb === null) sk.sk_incoming_cpu = sk.kernel.cpu.id;
  }
  // __udp_enqueue_schedule_skb: an empty queue takes a packet of any size.
  const rmem = sk.sk_rmem_alloc;
  if (rmem !== 0 && rmem + skb.truesize > sk.sk_rcvbuf) {
    sk.sk_drops++;
    mib.UdpRcvbufErrors++;
    mib.UdpInErrors++;
    kfree_skb_reason(skb, SKB_DROP_REASON.SOCKET_RCVBUFF);
    return;
  }
  sock_enqueue(sk, skb);
}

/**
 * udp_recvmsg: one datagram to the message's buffer. Bytes copied (with MSG_TRUNC the datagram's length), or a
 * negative errno. What does not fit is lost.
 */
export function udp_recvmsg(sk: sock, msg: msghdr, length: number): number {
  const { mib } = sk.sk_net.ipv4;
  for (;;) {
    const skb = skb_recv_datagram(sk, msg);
    if (typeof skb === 'number') return skb;
    const peeking = (msg.flags & MSG_PEEK) !== 0;
    const offset = sk.opts.sk_peek_off > 0 ? sk_peek_offset(sk, msg) : 0;
    const ulen = skb.len;
    const copied = Math.max(0, Math.min(length, ulen - offset));
    const truncated = length < ulen - offset;
    // Linux sums while it copies, unless only a part is wanted; which comes first is not to be seen.
    if (!udp_csum_ok(skb)) {
      udp_csum_drop(sk, skb, peeking);
      continue;
    }
    if (skb_copy_datagram_msg(skb, msg, copied, offset) < 0) {
      if (!peeking) {
        sk.sk_drops++;
        mib.UdpInErrors++;
      }
      kfree_skb_reason(skb, SKB_DROP_REASON.SKB_UCOPY_FAULT);
      return -EFAULT;
    }
    if (!peeking) mib.UdpInDatagrams++;
    if (msg.msg_name !== null) put_sockaddr_in(msg.msg_name, iph_saddr(skb), get16(skb.ram, skb.transport_header));
    if (sk.cmsg_flags !== 0) inet_cmsg_recv(sk, skb, msg);
    if (sk.opts.udp_gro && skb.gso_size !== 0 && msg.msg_control !== null) {
      msg.msg_control.present |= CMSG_UDP_GRO;
      msg.msg_control.gso_size = skb.gso_size;
    }
    const result = (msg.flags & MSG_TRUNC) !== 0 ? ulen : copied;
    if (sk.opts.sk_peek_off >= 0) sk_peek_offset_move(sk, peeking ? result : -result);
    if (truncated) msg.msg_flags |= MSG_TRUNC;
    consume_skb(skb);
    return result;
  }
}

/** A queued packet turns out to have a wrong checksum: it is dropped, also when it was only looked at. */
function udp_csum_drop(sk: sock, skb: sk_buff, peeking: boolean): void {
  const { mib } = sk.sk_net.ipv4;
  mib.UdpInCsumErrors++;
  mib.UdpInErrors++;
  sk.sk_drops++;
  if (peeking) {
    sk.sk_receive_queue.unlink(skb);
    kfree_skb_reason(skb, SKB_DROP_REASON.UDP_CSUM);
  }
  kfree_skb_reason(skb, SKB_DROP_REASON.UDP_CSUM);
}

/** first_packet_length: the next datagram whose checksum is right; those before it go. 0 without one. */
function first_packet_length(sk: sock): number {
  const queue = sk.sk_receive_queue;
  for (let skb = queue.first; skb !== null; skb = queue.first) {
    if (udp_csum_ok(skb)) return skb.len;
    queue.unlink(skb);
    udp_csum_drop(sk, skb, false);
  }
  return 0;
}

/** udp_poll: a blocking reader is not told of a packet that its checksum will take away again. */
export function udp_poll(sk: sock, f_flags: number): number {
  const mask = datagram_poll(sk);
  if ((mask & POLLRDNORM) === 0 || (f_flags & O_NONBLOCK) !== 0 || (sk.sk_shutdown & RCV_SHUTDOWN) !== 0) return mask;
  first_packet_length(sk);
  return sk.sk_receive_queue.first !== null ? mask : mask & ~(POLLIN | POLLRDNORM);
}

/** udp_err: an ICMP error about a datagram of ours; `data` is at the quoted IP header. 0, or -ENOENT without a socket. */
export function udp_err(skb: sk_buff, info: number): number {
  const { ram, kernel } = skb;
  const net = kernel.init_net;
  const { mib } = net.ipv4;
  const iph = skb.data;
  const uh = iph + ((ram.u8[iph] as number) & 15) * 4;
  const dport = get16(ram, uh + 2);
  const sk = __udp4_lib_lookup(net, get32(ram, iph + 16), dport, get32(ram, iph + 12), get16(ram, uh), skb.skb_iif);
  if (sk === null) {
    mib.IcmpInErrors++;
    return -ENOENT;
  }
  inet_report_icmp_error(sk, skb, info, dport, uh + UDP_HLEN);
  return 0;
}

// ---- the protocol ---------------------------------------------------------------------------------------------------

/** udp_connect */
function udp_connect(sk: sock, addr: Parameters<typeof ip4_datagram_connect>[1]): number {
  const err = ip4_datagram_connect(sk, addr);
  const group = reuseport_group(sk);
  if (err === 0 && group !== null) group.has_conns = true;
  return err;
}

/** udp_lib_setsockopt: 0, -EINVAL, or -ENOPROTOOPT. */
function udp_setsockopt(sk: sock, level: number, name: number, opt: sockopt): number {
  if (level !== SOL_UDP) return -ENOPROTOOPT;
  if (opt.optlen >= 0 && opt.optlen < SIZEOF_INT) return -EINVAL;
  const { value } = opt;
  switch (name) {
    case UDP_CORK:
      own_opts(sk).udp_corkflag = value !== 0;
      if (value === 0) udp_push_pending_frames(sk);
      return 0;
    case UDP_SEGMENT:
      if (value < 0 || value > 0xffff) return -EINVAL;
      own_opts(sk).gso_size = value;
      return 0;
    case UDP_GRO:
      set_udp_gro(sk, value !== 0);
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** udp_lib_getsockopt */
function udp_getsockopt(sk: sock, level: number, name: number, opt: sockopt): number {
  if (level !== SOL_UDP) return -EOPNOTSUPP;
  switch (name) {
    case UDP_CORK:
      opt.value = Number(sk.opts.udp_corkflag);
      break;
    case UDP_SEGMENT:
      opt.value = sk.opts.gso_size;
      break;
    case UDP_GRO:
      opt.value = Number(sk.opts.udp_gro);
      break;
    default:
      return -ENOPROTOOPT;
  }
  if (opt.optlen >= 0) opt.optlen = Math.min(opt.optlen, SIZEOF_INT);
  return 0;
}

/** udp_tunnel_encap_enable: from the first such socket on, GRO looks for the socket of each datagram. */
function set_udp_gro(sk: sock, on: boolean): void {
  if (sk.opts.udp_gro === on) return;
  sk.sk_net.ipv4.udp_encap_needed += on ? 1 : -1;
  own_opts(sk).udp_gro = on;
}

/** udp_ioctl: bytes that are sent and still here, or the length of the next datagram, 0 for none. */
export function udp_ioctl(sk: sock, command: number): number {
  if (command === SIOCOUTQ) return sk.sk_wmem_alloc - 1;
  if (command !== SIOCINQ) return -ENOTTY;
  return first_packet_length(sk);
}

/** udp_destroy_sock */
function udp_close(sk: sock): void {
  set_udp_gro(sk, false);
  udp_flush_pending_frames(sk);
  sk_common_release(sk);
}

export const udp_prot = make_proto('UDP', {
  close: udp_close,
  setsockopt: udp_setsockopt,
  getsockopt: udp_getsockopt,
  connect: udp_connect,
  disconnect: datagram_disconnect,
  sendmsg: udp_sendmsg,
  recvmsg: udp_recvmsg,
  unhash: udp_lib_unhash,
  rehash: udp_lib_rehash,
  update: udp_lib_update,
  get_port: udp_v4_get_port,
  ioctl: udp_ioctl,
  set_peek_off: true,
});

const udp_protocol: net_protocol = { handler: udp_rcv, err_handler: udp_err, early_demux: null };

/** udp_init */
export function udp_init(net: net): void {
  net.ipv4.udp = new udp_table(net);
  inet_add_protocol(net, udp_protocol, IPPROTO_UDP);
}
