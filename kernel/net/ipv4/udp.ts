/** UDP over IPv4 (net/ipv4/udp.c, RFC 768). */

import type { Ram, RandomStream } from '../../arch.ts';
import { charge_csum } from '../../costs.ts';
import {
  EACCES,
  EADDRINUSE,
  EAFNOSUPPORT,
  EAGAIN,
  EDESTADDRREQ,
  EFAULT,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  ENOENT,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPROTO,
} from '../../errno.ts';
import { O_NONBLOCK } from '../../fs/file.ts';
import { POLLIN, POLLRDNORM } from '../../fs/select.ts';
import { csum_fold, csum_from_partial, csum_partial, csum_tcpudp_nofold, put_csum } from '../../lib/checksum.ts';
import { hash_2words, hash_32, reciprocal_scale } from '../../lib/hash.ts';
import { datagram_poll, skb_copy_datagram_msg, skb_recv_datagram } from '../core/datagram.ts';
import { SKB_GSO_FRAGLIST, SKB_GSO_UDP_L4 } from '../core/gso.ts';
import type { net } from '../core/net_namespace.ts';
import { NETIF_F_HW_CSUM } from '../core/netdevice.ts';
import { skb_checksum_ok, skb_csum_unnecessary } from '../core/skb_checksum.ts';
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  kfree_skb_reason,
  MAX_HEADER,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_pull,
  skb_push,
  skb_put_data,
  skb_reset_transport_header,
  skb_trim,
} from '../core/skbuff.ts';
import {
  make_proto,
  RCV_SHUTDOWN,
  sk_common_release,
  sk_dst_check,
  sk_error_report,
  sk_filter_trim_cap,
  type sock,
  sock_enqueue,
  sock_wait_for_wmem,
  sock_wmalloc,
  TCP_ESTABLISHED,
} from '../core/sock.ts';
import {
  reuseport_add_sock,
  reuseport_alloc,
  reuseport_detach_sock,
  reuseport_group,
  reuseport_select_sock,
} from '../core/sock_reuseport.ts';
import {
  AF_INET,
  AF_UNSPEC,
  CMSG_UDP_GRO,
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  msg_access_ok,
  type msghdr,
  type sockaddr_in,
  type sockopt,
} from '../msg.ts';
import {
  datagram_disconnect,
  IP_PMTUDISC_DONT,
  inet_send_skb,
  inet_sk_maxlen,
  inet_sk_mtu,
  ip_sendmsg_scope,
  ip4_datagram_connect,
} from './datagram.ts';
import { RT_SCOPE_LINK } from './fib.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_PORT_UNREACH,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  icmp_err_errno,
  icmp_err_fatal,
  icmp_send,
} from './icmp.ts';
import { get16, get32, IPHDR_LEN, IPPROTO_UDP, iph_daddr, iph_saddr, ipv4_is_multicast, put16 } from './ip_header.ts';
import { inet_cmsg_recv } from './ip_sockglue.ts';
import { inet_add_protocol, type net_protocol } from './protocol.ts';
import { flowi4, ip_route_output_key, RTCF_BROADCAST, RTCF_MULTICAST, type rtable } from './route.ts';
import { udp_rcv_segment } from './udp_offload.ts';

export const SOL_UDP = 17;
/** Options (linux/udp.h): cut what one send gives into datagrams of this many bytes. */
export const UDP_SEGMENT = 103;
/** Several datagrams of one flow may come in one recvmsg. */
export const UDP_GRO = 104;

/** Bytes of struct udphdr: source, dest, len, check (RFC 768). */
export const UDP_HLEN = 8;
const UDP_MAX_SEGMENTS = 128;
/** A packet of up to this many bytes has its checksum verified at once, a longer one when it is copied. */
const CHECKSUM_BREAK = 76;
/** Hash chains longer than this make a multicast delivery look up by address as well. */
const LONG_CHAIN = 10;
const TABLE_SIZE_MIN = 256;

/**
 * All bound UDP sockets of a net (struct udp_table): chained by port, and by address and port. The newest of a chain
 * comes first, as in Linux. Unlike Linux's the table starts small and grows with the sockets.
 */
export class udp_table {
  readonly net: net;
  private hash: (sock | null)[] = new Array<sock | null>(TABLE_SIZE_MIN).fill(null);
  private hash2: (sock | null)[] = new Array<sock | null>(TABLE_SIZE_MIN).fill(null);
  private mask = TABLE_SIZE_MIN - 1;
  /** Bound sockets (UDP: inuse in /proc/net/sockstat). */
  count = 0;
  readonly random: RandomStream;
  readonly id_random: RandomStream;
  readonly hash_secret: number;
  /** The flow of the packet being sent: a system call's slice is atomic. */
  readonly fl4 = new flowi4();
  /** Sockets that shall get the multicast packet in hand. */
  readonly stack: sock[] = [];

  constructor(net: net) {
    this.net = net;
    this.random = net.kernel.arch.random('udp.port');
    this.id_random = net.kernel.arch.random('inet.id');
    this.hash_secret = net.kernel.arch.random('udp.hash').u32() | 0;
  }

  /** First socket of the chain that holds `port`. */
  slot(port: number): sock | null {
    return this.hash[port & this.mask] as sock | null;
  }

  /** First socket of the chain that holds (addr, port). */
  slot2(addr: number, port: number): sock | null {
    return this.hash2[portaddr_hash(addr, port) & this.mask] as sock | null;
  }

  /** Chains a socket that has its inet_num and inet_rcv_saddr. */
  add(sk: sock): void {
    if (++this.count > this.mask + 1) this.grow();
    sk.sk_hashed = true;
    this.link(sk);
    this.link2(sk);
  }

  remove(sk: sock): void {
    this.count--;
    sk.sk_hashed = false;
    if (sk.sk_prev !== null) sk.sk_prev.sk_next = sk.sk_next;
    else this.hash[sk.inet_num & this.mask] = sk.sk_next;
    if (sk.sk_next !== null) sk.sk_next.sk_prev = sk.sk_prev;
    sk.sk_next = null;
    sk.sk_prev = null;
    this.unlink2(sk);
  }

  /** The socket's address has changed. */
  rehash(sk: sock): void {
    this.unlink2(sk);
    this.link2(sk);
  }

  private link(sk: sock): void {
    const slot = sk.inet_num & this.mask;
    const head = this.hash[slot] as sock | null;
    sk.sk_prev = null;
    sk.sk_next = head;
    if (head !== null) head.sk_prev = sk;
    this.hash[slot] = sk;
  }

  private link2(sk: sock): void {
    sk.portaddr_hash = portaddr_hash(sk.inet_rcv_saddr, sk.inet_num);
    const slot = sk.portaddr_hash & this.mask;
    const head = this.hash2[slot] as sock | null;
    sk.portaddr_prev = null;
    sk.portaddr_next = head;
    if (head !== null) head.portaddr_prev = sk;
    this.hash2[slot] = sk;
  }

  private unlink2(sk: sock): void {
    if (sk.portaddr_prev !== null) sk.portaddr_prev.portaddr_next = sk.portaddr_next;
    else this.hash2[sk.portaddr_hash & this.mask] = sk.portaddr_next;
    if (sk.portaddr_next !== null) sk.portaddr_next.portaddr_prev = sk.portaddr_prev;
    sk.portaddr_next = null;
    sk.portaddr_prev = null;
  }

  private grow(): void {
    const { hash, hash2 } = this;
    const size = (this.mask + 1) * 4;
    this.mask = size - 1;
    this.hash = new Array<sock | null>(size).fill(null);
    this.hash2 = new Array<sock | null>(size).fill(null);
    // From the end of each chain, so that those that stay together keep their order.
    for (const head of hash) {
      let sk = head;
      while (sk !== null && sk.sk_next !== null) sk = sk.sk_next;
      while (sk !== null) {
        const prev: sock | null = sk.sk_prev;
        this.link(sk);
        sk = prev;
      }
    }
    for (const head of hash2) {
      let sk = head;
      while (sk !== null && sk.portaddr_next !== null) sk = sk.portaddr_next;
      while (sk !== null) {
        const prev: sock | null = sk.portaddr_prev;
        this.link2(sk);
        sk = prev;
      }
    }
  }

  /** Every bound socket, for /proc/net/udp. */
  *sockets(): Generator<sock> {
    for (const head of this.hash) for (let sk = head; sk !== null; sk = sk.sk_next) yield sk;
  }
}

/** ipv4_portaddr_hash */
function portaddr_hash(addr: number, port: number): number {
  return (hash_32(addr) >>> 8) ^ port;
}

// ---- ports ----------------------------------------------------------------------------------------------------------

/** inet_rcv_saddr_equal for IPv4. */
function inet_rcv_saddr_equal(sk: sock, sk2: sock, match_wildcard: boolean): boolean {
  if (sk.inet_rcv_saddr === sk2.inet_rcv_saddr) return true;
  return match_wildcard && (sk.inet_rcv_saddr === 0 || sk2.inet_rcv_saddr === 0);
}

/** May `sk` not have `port` because of `sk2`? `autobind`: sharing by SO_REUSEPORT is not looked for. */
function bind_conflict(sk: sock, sk2: sock, port: number, autobind: boolean): boolean {
  if (sk2 === sk || sk2.inet_num !== port || (sk2.sk_reuse && sk.sk_reuse)) return false;
  const other_device =
    sk2.sk_bound_dev_if !== 0 && sk.sk_bound_dev_if !== 0 && sk2.sk_bound_dev_if !== sk.sk_bound_dev_if;
  if (other_device || !inet_rcv_saddr_equal(sk, sk2, true)) return false;
  return autobind || !(sk2.sk_reuseport && sk.sk_reuseport && sk.sk_reuseport_cb === null);
}

/** udp_lib_lport_inuse and udp_lib_lport_inuse2 */
function udp_lib_lport_inuse(table: udp_table, sk: sock, port: number, autobind: boolean): boolean {
  if (sk.inet_rcv_saddr !== 0) {
    for (let sk2 = table.slot2(sk.inet_rcv_saddr, port); sk2 !== null; sk2 = sk2.portaddr_next) {
      if (bind_conflict(sk, sk2, port, autobind)) return true;
    }
    for (let sk2 = table.slot2(0, port); sk2 !== null; sk2 = sk2.portaddr_next) {
      if (bind_conflict(sk, sk2, port, autobind)) return true;
    }
    return false;
  }
  for (let sk2 = table.slot(port); sk2 !== null; sk2 = sk2.sk_next) {
    if (bind_conflict(sk, sk2, port, autobind)) return true;
  }
  return false;
}

/**
 * udp_lib_get_port: port 0 takes a free one of ip_local_port_range, from a random start in odd steps (RFC 6056 3.3.1).
 * 0 or -EADDRINUSE.
 */
export function udp_v4_get_port(sk: sock, port: number): number {
  const table = sk.sk_net.ipv4.udp;
  if (port === 0) {
    const range = sk.sk_net.ipv4.ip_local_port_range;
    const low = range[0] as number;
    const high = range[1] as number;
    const random = table.random.u32();
    const first = low + reciprocal_scale(random, high - low + 1);
    // Odd, so that the steps reach every one of the 2^16 numbers before they come back to the first.
    const step = random | 1;
    port = first;
    while (port < low || port > high || udp_lib_lport_inuse(table, sk, port, true)) {
      port = (port + step) & 0xffff;
      if (port === first) return -EADDRINUSE;
    }
  } else if (udp_lib_lport_inuse(table, sk, port, false)) {
    return -EADDRINUSE;
  }
  sk.inet_num = port;
  if (!sk.sk_hashed) {
    if (sk.sk_reuseport) udp_reuseport_add_sock(table, sk);
    table.add(sk);
  }
  return 0;
}

function udp_reuseport_add_sock(table: udp_table, sk: sock): void {
  for (let sk2 = table.slot2(sk.inet_rcv_saddr, sk.inet_num); sk2 !== null; sk2 = sk2.portaddr_next) {
    if (
      sk2.inet_num === sk.inet_num &&
      sk2.sk_reuseport &&
      sk2.sk_bound_dev_if === sk.sk_bound_dev_if &&
      inet_rcv_saddr_equal(sk, sk2, false)
    ) {
      reuseport_add_sock(sk, sk2);
      return;
    }
  }
  reuseport_alloc(sk);
}

/** udp_lib_unhash */
function udp_lib_unhash(sk: sock): void {
  if (!sk.sk_hashed) return;
  reuseport_detach_sock(sk);
  sk.sk_net.ipv4.udp.remove(sk);
  sk.inet_num = 0;
}

/** udp_lib_rehash: its address has changed while it was bound. */
function udp_lib_rehash(sk: sock): void {
  if (!sk.sk_hashed) return;
  reuseport_detach_sock(sk);
  sk.sk_net.ipv4.udp.rehash(sk);
}

// ---- look-up --------------------------------------------------------------------------------------------------------

/** compute_score: how well a socket fits a packet; -1 when it must not have it. */
function compute_score(sk: sock, saddr: number, sport: number, daddr: number, hnum: number, dif: number): number {
  if (sk.inet_num !== hnum || sk.inet_rcv_saddr !== daddr) return -1;
  let score = 2;
  if (sk.inet_daddr !== 0) {
    if (sk.inet_daddr !== saddr) return -1;
    score += 4;
  }
  if (sk.inet_dport !== 0) {
    if (sk.inet_dport !== sport) return -1;
    score += 4;
  }
  if (sk.sk_bound_dev_if !== 0) {
    if (sk.sk_bound_dev_if !== dif) return -1;
    score += 4;
  }
  return score;
}

/** udp4_lib_lookup2: the best of those bound to `bound` (the packet's destination, or any). */
function udp4_lib_lookup2(
  table: udp_table,
  saddr: number,
  sport: number,
  daddr: number,
  bound: number,
  hnum: number,
  dif: number,
): sock | null {
  let result: sock | null = null;
  let badness = 0;
  for (let sk = table.slot2(bound, hnum); sk !== null; sk = sk.portaddr_next) {
    const score = compute_score(sk, saddr, sport, bound, hnum, dif);
    if (score <= badness) continue;
    badness = score;
    result = sk;
    const group = reuseport_group(sk);
    if (group === null || sk.sk_state === TCP_ESTABLISHED) continue;
    const hash = hash_2words(hash_2words(daddr, saddr), (sport << 16) | hnum) ^ table.hash_secret;
    const chosen = reuseport_select_sock(group, hash, TCP_ESTABLISHED);
    if (chosen === null) continue;
    // A connected member may fit better: go on looking.
    if (!group.has_conns) return chosen;
    result = chosen;
  }
  return result;
}

/** __udp4_lib_lookup: the socket for a packet from (saddr, sport) to (daddr, dport) that came in by `dif`. */
export function __udp4_lib_lookup(
  net: net,
  saddr: number,
  sport: number,
  daddr: number,
  dport: number,
  dif: number,
): sock | null {
  const table = net.ipv4.udp;
  const bound = udp4_lib_lookup2(table, saddr, sport, daddr, daddr, dport, dif);
  if (bound !== null) return bound;
  return udp4_lib_lookup2(table, saddr, sport, daddr, 0, dport, dif);
}

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
        const sk = __udp4_lib_lookup(net, saddr, get16(ram, uh), daddr, get16(ram, uh + 2), skb.skb_iif);
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

/** __udp_is_mcast_sock: shall the socket have this multicast or broadcast packet? */
function udp_is_mcast_sock(sk: sock, saddr: number, sport: number, daddr: number, hnum: number, dif: number): boolean {
  return (
    sk.inet_num === hnum &&
    (sk.inet_daddr === 0 || sk.inet_daddr === saddr) &&
    (sk.inet_dport === 0 || sk.inet_dport === sport) &&
    (sk.inet_rcv_saddr === 0 || sk.inet_rcv_saddr === daddr) &&
    (sk.sk_bound_dev_if === 0 || sk.sk_bound_dev_if === dif)
  );
}

/** __udp4_lib_mcast_deliver: every socket that matches gets the packet, all but one a clone. Takes the skb. */
function __udp4_lib_mcast_deliver(net: net, skb: sk_buff, saddr: number, daddr: number): number {
  const { udp: table, mib } = net.ipv4;
  const sport = get16(skb.ram, skb.data);
  const hnum = get16(skb.ram, skb.data + 2);
  const dif = skb.skb_iif;
  const { stack } = table;
  stack.length = 0;
  let chain = 0;
  for (let sk = table.slot(hnum); sk !== null && chain <= LONG_CHAIN; sk = sk.sk_next) chain++;
  if (chain > LONG_CHAIN) {
    for (let sk = table.slot2(daddr, hnum); sk !== null; sk = sk.portaddr_next) {
      if (sk.inet_rcv_saddr === daddr && udp_is_mcast_sock(sk, saddr, sport, daddr, hnum, dif)) stack.push(sk);
    }
    for (let sk = table.slot2(0, hnum); sk !== null; sk = sk.portaddr_next) {
      if (sk.inet_rcv_saddr === 0 && udp_is_mcast_sock(sk, saddr, sport, daddr, hnum, dif)) stack.push(sk);
    }
  } else {
    for (let sk = table.slot(hnum); sk !== null; sk = sk.sk_next) {
      if (udp_is_mcast_sock(sk, saddr, sport, daddr, hnum, dif)) stack.push(sk);
    }
  }
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

/** udp_queue_rcv_skb: several datagrams that GRO has merged are cut apart again, unless the socket wants them so. */
function udp_queue_rcv_skb(sk: sock, skb: sk_buff): void {
  if (skb.gso_size !== 0 && !(sk.udp_gro && (skb.gso_type & SKB_GSO_FRAGLIST) === 0)) {
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
  skb.dst = null;
  // sock_rps_save_rxhash: RFS is for connected sockets, whose packets are of one flow.
  if (sk.inet_daddr !== 0 && skb.hash !== 0) sk.sk_rxhash = skb.hash;
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
    const ulen = skb.len;
    const copied = Math.min(length, ulen);
    const truncated = copied < ulen;
    // Linux sums while it copies, unless only a part is wanted; which comes first is not to be seen.
    if (!udp_csum_ok(skb)) {
      udp_csum_drop(sk, skb, peeking);
      continue;
    }
    if (skb_copy_datagram_msg(skb, msg, copied) < 0) {
      if (!peeking) {
        sk.sk_drops++;
        mib.UdpInErrors++;
      }
      kfree_skb_reason(skb, SKB_DROP_REASON.SKB_UCOPY_FAULT);
      return -EFAULT;
    }
    if (!peeking) mib.UdpInDatagrams++;
    const name = msg.msg_name;
    if (name !== null) {
      name.sa_family = AF_INET;
      if (name.sa_layout === AF_INET) {
        const sin = name as sockaddr_in;
        sin.sin_port = get16(skb.ram, skb.transport_header);
        sin.sin_addr = iph_saddr(skb);
      }
    }
    if (sk.cmsg_flags !== 0) inet_cmsg_recv(sk, skb, msg);
    if (sk.udp_gro && skb.gso_size !== 0 && msg.msg_control !== null) {
      msg.msg_control.present |= CMSG_UDP_GRO;
      msg.msg_control.gso_size = skb.gso_size;
    }
    const result = (msg.flags & MSG_TRUNC) !== 0 ? ulen : copied;
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

/** udp_poll: a blocking reader is not told of a packet that its checksum will take away again (first_packet_length). */
export function udp_poll(sk: sock, f_flags: number): number {
  const mask = datagram_poll(sk);
  if ((mask & POLLRDNORM) === 0 || (f_flags & O_NONBLOCK) !== 0 || (sk.sk_shutdown & RCV_SHUTDOWN) !== 0) return mask;
  const queue = sk.sk_receive_queue;
  for (let skb = queue.first; skb !== null; skb = queue.first) {
    if (udp_csum_ok(skb)) return mask;
    queue.unlink(skb);
    udp_csum_drop(sk, skb, false);
  }
  return mask & ~(POLLIN | POLLRDNORM);
}

/** udp_err: an ICMP error about a datagram of ours; `data` is at the quoted IP header. 0, or -ENOENT without a socket. */
export function udp_err(skb: sk_buff, _info: number): number {
  const { ram, kernel } = skb;
  const net = kernel.init_net;
  const { mib } = net.ipv4;
  const iph = skb.data;
  const uh = iph + ((ram.u8[iph] as number) & 15) * 4;
  const sk = __udp4_lib_lookup(
    net,
    get32(ram, iph + 16),
    get16(ram, uh + 2),
    get32(ram, iph + 12),
    get16(ram, uh),
    skb.skb_iif,
  );
  if (sk === null) {
    mib.IcmpInErrors++;
    return -ENOENT;
  }
  inet_report_icmp_error(sk, ram.u8[skb.transport_header] as number, ram.u8[skb.transport_header + 1] as number);
  return 0;
}

/**
 * What __udp4_lib_err and ping_err have in common: an ICMP error becomes the socket's pending error when it is fatal
 * and the socket is connected, or when the program asked for every error (IP_RECVERR). RFC 1122 4.1.3.3.
 */
export function inet_report_icmp_error(sk: sock, type: number, code: number): void {
  let err: number = EHOSTUNREACH;
  let hard = false;
  switch (type) {
    case ICMP_SOURCE_QUENCH:
    case ICMP_REDIRECT:
      return;
    case ICMP_PARAMETERPROB:
      err = EPROTO;
      hard = true;
      break;
    case ICMP_DEST_UNREACH:
      if (code === ICMP_FRAG_NEEDED) {
        if (sk.pmtudisc === IP_PMTUDISC_DONT) return;
        err = EMSGSIZE;
        hard = true;
      } else if (code < icmp_err_errno.length) {
        hard = icmp_err_fatal[code] !== 0;
        err = icmp_err_errno[code] as number;
      }
      break;
    default:
      break;
  }
  if (!sk.recverr && (!hard || sk.sk_state !== TCP_ESTABLISHED)) return;
  sk.sk_err = err;
  sk_error_report(sk);
}

// ---- transmit -------------------------------------------------------------------------------------------------------

/** udp_sendmsg: one datagram. The bytes taken, or a negative errno. */
export function udp_sendmsg(sk: sock, msg: msghdr, length: number): number {
  const { sk_net: net, kernel } = sk;
  const { mib } = net.ipv4;
  if (length > 0xffff) return -EMSGSIZE;
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const name = msg.msg_name;
  let daddr: number;
  let dport: number;
  let connected = false;
  if (name !== null) {
    if (name.sa_layout === AF_UNSPEC) return -EINVAL;
    if (name.sa_family !== AF_INET && name.sa_family !== AF_UNSPEC) return -EAFNOSUPPORT;
    if (name.sa_layout !== AF_INET) return -EINVAL;
    const sin = name as sockaddr_in;
    daddr = sin.sin_addr | 0;
    dport = sin.sin_port & 0xffff;
    if (dport === 0) return -EINVAL;
  } else {
    if (sk.sk_state !== TCP_ESTABLISHED) return -EDESTADDRREQ;
    daddr = sk.inet_daddr;
    dport = sk.inet_dport;
    connected = true;
  }
  const multicast = ipv4_is_multicast(daddr);
  const scope = ip_sendmsg_scope(sk, msg);
  if (multicast || scope === RT_SCOPE_LINK) connected = false;
  let rt = connected ? (sk_dst_check(sk) as rtable | null) : null;
  let saddr = sk.inet_saddr;
  if (rt === null) {
    const { fl4 } = net.ipv4.udp;
    fl4.daddr = daddr;
    fl4.saddr = multicast && saddr === 0 ? sk.mc_addr : saddr;
    fl4.oif = sk.sk_bound_dev_if !== 0 || !multicast ? sk.sk_bound_dev_if : sk.mc_index;
    fl4.iif = 0;
    fl4.tos = sk.tos;
    fl4.mark = sk.sk_mark;
    fl4.proto = IPPROTO_UDP;
    fl4.scope = scope;
    const route = ip_route_output_key(net, fl4);
    if (typeof route === 'number') {
      if (route === -ENETUNREACH) mib.IpOutNoRoutes++;
      return route;
    }
    if ((route.rt_flags & RTCF_BROADCAST) !== 0 && !sk.sk_broadcast) return -EACCES;
    if (connected) sk.sk_dst_cache = route;
    rt = route;
    saddr = fl4.saddr;
    daddr = fl4.daddr;
  }

  // ip_make_skb: what fits depends on whether the packet may be fragmented here.
  const mtu = inet_sk_mtu(sk, rt);
  if (sk.gso_size !== 0) {
    const err = udp_gso_check(sk, length, mtu);
    if (err !== 0) return err;
  } else if (IPHDR_LEN + UDP_HLEN + length > inet_sk_maxlen(sk, mtu)) return -EMSGSIZE;
  const ready = sock_wait_for_wmem(sk, msg, (msg.flags & MSG_DONTWAIT) !== 0);
  if (ready !== 0) {
    // SOCK_NOSPACE: nothing was sent for want of room.
    if (ready === -EAGAIN) mib.UdpSndbufErrors++;
    return ready;
  }
  if (!msg_access_ok(msg, length)) return -EFAULT;
  const skb = sock_wmalloc(sk, UDP_HLEN + length, MAX_HEADER + UDP_HLEN);
  if (skb === null) {
    mib.UdpSndbufErrors++;
    return -ENOBUFS;
  }
  kernel.clock.now += kernel.cost.udp_sendmsg;
  const tp = kernel.trace.udp_sendmsg;
  if (tp !== null) tp(sk, length);
  skb_put_data(skb, msg.msg_base, length);
  const err = udp_send_skb(sk, skb, rt, saddr, daddr, dport, mtu);
  return err < 0 ? err : length;
}

/** udp_send_skb: header, checksum, and down to IP. Takes the skb. 0 or a negative errno. */
function udp_send_skb(
  sk: sock,
  skb: sk_buff,
  rt: rtable,
  saddr: number,
  daddr: number,
  dport: number,
  mtu: number,
): number {
  const { ram } = skb;
  const uh = skb_push(skb, UDP_HLEN);
  skb_reset_transport_header(skb);
  const { len } = skb;
  put16(ram, uh, sk.inet_sport);
  put16(ram, uh + 2, dport);
  put16(ram, uh + 4, len);
  put16(ram, uh + 6, 0);
  const datalen = len - UDP_HLEN;
  if (sk.gso_size !== 0 && datalen > sk.gso_size) {
    // Cut further down, by the card or by skb_gso_segment: only there can the sums be made.
    skb.gso_size = sk.gso_size;
    skb.gso_type = SKB_GSO_UDP_L4;
    skb.gso_segs = Math.ceil(datalen / sk.gso_size);
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.csum_start = uh;
    skb.csum_offset = 6;
    put_csum(ram, uh + 6, csum_from_partial(csum_tcpudp_nofold(saddr, daddr, len, IPPROTO_UDP)));
  } else if (!sk.sk_no_check_tx) udp_set_csum(skb, ram, rt, saddr, daddr, mtu);
  const err = inet_send_skb(sk, skb, rt, saddr, daddr);
  const { mib } = sk.sk_net.ipv4;
  if (err === -ENOBUFS && !sk.recverr) {
    // Lost in a full queue below: the network loses packets too, so nobody is told.
    mib.UdpSndbufErrors++;
    return 0;
  }
  if (err === 0) mib.UdpOutDatagrams++;
  return err;
}

/** What UDP_SEGMENT asks of a send: datagrams that fit the MTU, not too many of them, with checksums. 0 or a negative errno. */
function udp_gso_check(sk: sock, length: number, mtu: number): number {
  if (IPHDR_LEN + UDP_HLEN + length > 0xffff) return -EMSGSIZE;
  if (IPHDR_LEN + UDP_HLEN + Math.min(length, sk.gso_size) > mtu) return -EMSGSIZE;
  if (length > sk.gso_size * UDP_MAX_SEGMENTS) return -EINVAL;
  return sk.sk_no_check_tx ? -EINVAL : 0;
}

/** The checksum, here or (udp4_hwcsum) by the card, which cannot do it for a packet in fragments. */
function udp_set_csum(skb: sk_buff, ram: Ram, rt: rtable, saddr: number, daddr: number, mtu: number): void {
  const { len, kernel } = skb;
  const uh = skb.data;
  const pseudo = csum_tcpudp_nofold(saddr, daddr, len, IPPROTO_UDP);
  if ((rt.dev.features & NETIF_F_HW_CSUM) !== 0 && IPHDR_LEN + len <= mtu) {
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.csum_start = uh;
    skb.csum_offset = 6;
    put_csum(ram, uh + 6, csum_from_partial(pseudo));
    return;
  }
  charge_csum(kernel, len);
  const csum = csum_fold(csum_partial(ram, uh, len, pseudo));
  // RFC 768: a sum of zero is sent as all ones, since zero means that there is none.
  put_csum(ram, uh + 6, csum === 0 ? 0xffff : csum);
}

// ---- the protocol ---------------------------------------------------------------------------------------------------

/** udp_connect */
function udp_connect(sk: sock, addr: Parameters<typeof ip4_datagram_connect>[1]): number {
  const err = ip4_datagram_connect(sk, addr);
  const group = reuseport_group(sk);
  if (err === 0 && group !== null) group.has_conns = true;
  return err;
}

/** udp_lib_setsockopt: 0, or -ENOPROTOOPT. */
function udp_setsockopt(sk: sock, level: number, name: number, opt: sockopt): number {
  if (level !== SOL_UDP) return -ENOPROTOOPT;
  if (name === UDP_GRO) {
    set_udp_gro(sk, opt.value !== 0);
    return 0;
  }
  if (name !== UDP_SEGMENT) return -ENOPROTOOPT;
  if (opt.value < 0 || opt.value > 0xffff) return -EINVAL;
  sk.gso_size = opt.value;
  return 0;
}

function udp_getsockopt(sk: sock, level: number, name: number, opt: sockopt): number {
  if (level !== SOL_UDP || (name !== UDP_GRO && name !== UDP_SEGMENT)) return -ENOPROTOOPT;
  opt.value = name === UDP_GRO ? Number(sk.udp_gro) : sk.gso_size;
  return 0;
}

/** udp_tunnel_encap_enable: from the first such socket on, GRO looks for the socket of each datagram. */
function set_udp_gro(sk: sock, on: boolean): void {
  if (sk.udp_gro !== on) sk.sk_net.ipv4.udp_encap_needed += on ? 1 : -1;
  sk.udp_gro = on;
}

/** udp_destroy_sock */
function udp_close(sk: sock): void {
  set_udp_gro(sk, false);
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
  get_port: udp_v4_get_port,
});

const udp_protocol: net_protocol = { handler: udp_rcv, err_handler: udp_err };

/** udp_init */
export function udp_init(net: net): void {
  net.ipv4.udp = new udp_table(net);
  inet_add_protocol(net, udp_protocol, IPPROTO_UDP);
}
