/** ICMP (RFC 792, RFC 1122 3.2.2; net/ipv4/icmp.c). */
import { COPY_ICMP_REPLY } from '../../copies.ts';
import { charge_copy, charge_csum } from '../../costs.ts';
import {
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  ENONET,
  ENOPROTOOPT,
  EOPNOTSUPP,
} from '../../errno.ts';
import { csum_fold, csum_partial, put_csum } from '../../lib/checksum.ts';
import { NSEC_PER_JIFFY } from '../../time/timer.ts';
import { NET_RX_DROP, NET_RX_SUCCESS } from '../core/dev.ts';
import { dst_mtu } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { skb_checksum_ok, skb_csum_unnecessary } from '../core/skb_checksum.ts';
import {
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  MAX_HEADER,
  PACKET_HOST,
  SKB_DROP_REASON,
  type sk_buff,
  skb_pull,
  skb_put,
  skb_reserve,
} from '../core/skbuff.ts';
import { inet_select_addr } from './devinet.ts';
import { inet_addr_type_dev, RT_SCOPE_LINK, RTN_BROADCAST } from './fib.ts';
import {
  get16,
  get32,
  IP_OFFSET,
  IPHDR_LEN,
  IPPROTO_ICMP,
  IPTOS_PREC_INTERNETCONTROL,
  IPTOS_TOS_MASK,
  in_ntoa,
  iph_daddr,
  iph_frag_off,
  iph_ihl,
  iph_protocol,
  iph_saddr,
  iph_tos,
  put32,
} from './ip_header.ts';
import { ip_build_and_send_pkt } from './ip_output.ts';
import { inet_add_protocol } from './protocol.ts';
import {
  fib_compute_spec_dst,
  flowi4,
  inet_iif,
  ip_route_output_key,
  RTCF_BROADCAST,
  RTCF_LOCAL,
  RTCF_MULTICAST,
  type rtable,
} from './route.ts';
import type { ipv4_mib } from './snmp.ts';

/** Types (linux/icmp.h). */
export const ICMP_ECHOREPLY = 0;
export const ICMP_DEST_UNREACH = 3;
export const ICMP_SOURCE_QUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETERPROB = 12;
export const ICMP_TIMESTAMP = 13;
export const ICMP_TIMESTAMPREPLY = 14;
export const ICMP_INFO_REQUEST = 15;
export const ICMP_INFO_REPLY = 16;
export const ICMP_ADDRESS = 17;
export const ICMP_ADDRESSREPLY = 18;
const NR_ICMP_TYPES = 18;

/** Codes of a destination unreachable. */
export const ICMP_NET_UNREACH = 0;
export const ICMP_HOST_UNREACH = 1;
export const ICMP_PROT_UNREACH = 2;
export const ICMP_PORT_UNREACH = 3;
export const ICMP_FRAG_NEEDED = 4;
export const ICMP_SR_FAILED = 5;
export const ICMP_PKT_FILTERED = 13;
const NR_ICMP_UNREACH = 15;
/** Codes of a time exceeded. */
export const ICMP_EXC_TTL = 0;
export const ICMP_EXC_FRAGTIME = 1;

export const ICMPHDR_LEN = 8;
/** Most that an error message may measure (RFC 1812 4.3.2.3). */
const ICMP_ERROR_MAX = 576;
/** What stands for us in an error when this host has no address (RFC 7600). */
const INADDR_DUMMY = 0xc0000008 | 0;

/** icmp_err_convert: by the code of a destination unreachable, the errno (positive), and whether it is fatal. */
export const icmp_err_errno: Int32Array = Int32Array.of(
  ENETUNREACH,
  EHOSTUNREACH,
  ENOPROTOOPT,
  ECONNREFUSED,
  EMSGSIZE,
  EOPNOTSUPP,
  ENETUNREACH,
  EHOSTDOWN,
  ENONET,
  ENETUNREACH,
  EHOSTUNREACH,
  ENETUNREACH,
  EHOSTUNREACH,
  EHOSTUNREACH,
  EHOSTUNREACH,
  EHOSTUNREACH,
);
export const icmp_err_fatal: Uint8Array = Uint8Array.of(0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1);

/** What to do with a message, by type: false for those that are errors, which no error answers (RFC 1122 3.2.2). */
const is_error = Uint8Array.of(0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0);

/** What ICMP keeps of its own (the control socket of each net). */
export class icmp_state {
  /** icmp_xmit_lock: a message that comes about while another one is being sent is not sent. */
  locked = false;
  readonly fl4 = new flowi4();
}

/** icmp_init */
export function icmp_init(net: net): void {
  net.ipv4.icmp = new icmp_state();
  inet_add_protocol(net, { handler: icmp_rcv, err_handler: icmp_err }, IPPROTO_ICMP);
}

// ---- counters ---------------------------------------------------------------------------------------------------

/** icmp_out_count: for every ICMP message that leaves, whoever made it. */
export function icmp_out_count(net: net, type: number): void {
  const { mib } = net.ipv4;
  mib.IcmpOutMsgs++;
  mib.IcmpMsgOutType[type] = (mib.IcmpMsgOutType[type] as number) + 1;
  switch (type) {
    case ICMP_ECHOREPLY:
      mib.IcmpOutEchoReps++;
      break;
    case ICMP_DEST_UNREACH:
      mib.IcmpOutDestUnreachs++;
      break;
    case ICMP_SOURCE_QUENCH:
      mib.IcmpOutSrcQuenchs++;
      break;
    case ICMP_REDIRECT:
      mib.IcmpOutRedirects++;
      break;
    case ICMP_ECHO:
      mib.IcmpOutEchos++;
      break;
    case ICMP_TIME_EXCEEDED:
      mib.IcmpOutTimeExcds++;
      break;
    case ICMP_PARAMETERPROB:
      mib.IcmpOutParmProbs++;
      break;
    case ICMP_TIMESTAMP:
      mib.IcmpOutTimestamps++;
      break;
    case ICMP_TIMESTAMPREPLY:
      mib.IcmpOutTimestampReps++;
      break;
    case ICMP_ADDRESS:
      mib.IcmpOutAddrMasks++;
      break;
    case ICMP_ADDRESSREPLY:
      mib.IcmpOutAddrMaskReps++;
      break;
  }
}

function icmp_in_count(mib: ipv4_mib, type: number): void {
  mib.IcmpMsgInType[type] = (mib.IcmpMsgInType[type] as number) + 1;
  switch (type) {
    case ICMP_ECHOREPLY:
      mib.IcmpInEchoReps++;
      break;
    case ICMP_DEST_UNREACH:
      mib.IcmpInDestUnreachs++;
      break;
    case ICMP_SOURCE_QUENCH:
      mib.IcmpInSrcQuenchs++;
      break;
    case ICMP_REDIRECT:
      mib.IcmpInRedirects++;
      break;
    case ICMP_ECHO:
      mib.IcmpInEchos++;
      break;
    case ICMP_TIME_EXCEEDED:
      mib.IcmpInTimeExcds++;
      break;
    case ICMP_PARAMETERPROB:
      mib.IcmpInParmProbs++;
      break;
    case ICMP_TIMESTAMP:
      mib.IcmpInTimestamps++;
      break;
    case ICMP_TIMESTAMPREPLY:
      mib.IcmpInTimestampReps++;
      break;
    case ICMP_ADDRESS:
      mib.IcmpInAddrMasks++;
      break;
    case ICMP_ADDRESSREPLY:
      mib.IcmpInAddrMaskReps++;
      break;
  }
}

// ---- receive ----------------------------------------------------------------------------------------------------

/** icmp_rcv: takes the skb. */
export function icmp_rcv(skb: sk_buff): number {
  const { kernel } = skb;
  kernel.clock.now += kernel.cost.icmp_rcv;
  const tp = kernel.trace.icmp_rcv;
  if (tp !== null) tp(skb);
  const rt = skb.dst as rtable;
  const { net } = rt;
  const { mib } = net.ipv4;
  mib.IcmpInMsgs++;
  if (!skb_csum_unnecessary(skb) && !skb_checksum_ok(skb, skb.len, 0)) {
    mib.IcmpInCsumErrors++;
    return error(skb, mib, SKB_DROP_REASON.ICMP_CSUM);
  }
  if (!skb_pull(skb, ICMPHDR_LEN)) return error(skb, mib, SKB_DROP_REASON.NOT_SPECIFIED);
  const type = skb.ram.u8[skb.transport_header] as number;
  icmp_in_count(mib, type);
  // RFC 1122 3.2.2: unknown types are discarded in silence. PROBE (RFC 8335) is off by default, and not built.
  if (type > NR_ICMP_TYPES) return error(skb, mib, SKB_DROP_REASON.UNHANDLED_PROTO);
  if ((rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0) {
    // RFC 1122 3.2.2.6: an echo to all may go unanswered; nothing else but these four makes sense to all.
    const asks = type === ICMP_ECHO || type === ICMP_TIMESTAMP;
    if (asks && net.ipv4.icmp_echo_ignore_broadcasts !== 0) return error(skb, mib, SKB_DROP_REASON.INVALID_PROTO);
    if (!asks && type !== ICMP_ADDRESS && type !== ICMP_ADDRESSREPLY)
      return error(skb, mib, SKB_DROP_REASON.INVALID_PROTO);
  }
  const reason = handle(skb, net, type);
  if (reason === 0) {
    consume_skb(skb);
    return NET_RX_SUCCESS;
  }
  kfree_skb_reason(skb, reason);
  return NET_RX_DROP;
}

function error(skb: sk_buff, mib: ipv4_mib, reason: number): number {
  mib.IcmpInErrors++;
  kfree_skb_reason(skb, reason);
  return NET_RX_DROP;
}

/** icmp_pointers: 0 or the reason for a drop. Does not take the skb. */
function handle(skb: sk_buff, net: net, type: number): number {
  switch (type) {
    case ICMP_ECHOREPLY: {
      const { ping_rcv } = net.ipv4;
      return ping_rcv === null ? SKB_DROP_REASON.NO_SOCKET : ping_rcv(skb);
    }
    case ICMP_DEST_UNREACH:
    case ICMP_SOURCE_QUENCH:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETERPROB:
      return icmp_unreach(skb, net, type);
    case ICMP_REDIRECT:
      return icmp_redirect(skb, net);
    case ICMP_ECHO:
      return icmp_echo(skb, net);
    case ICMP_TIMESTAMP:
      return icmp_timestamp(skb, net);
    default:
      // icmp_discard
      return 0;
  }
}

/** icmp_unreach: an error about something we sent. */
function icmp_unreach(skb: sk_buff, net: net, type: number): number {
  const { ram } = skb;
  const { mib } = net.ipv4;
  if (skb.len < IPHDR_LEN) {
    mib.IcmpInErrors++;
    return SKB_DROP_REASON.NOT_SPECIFIED;
  }
  if (((ram.u8[skb.data] as number) & 15) < 5) {
    mib.IcmpInErrors++;
    return SKB_DROP_REASON.IP_INHDR;
  }
  const code = ram.u8[skb.transport_header + 1] as number;
  let info = 0;
  if (type === ICMP_DEST_UNREACH) {
    if ((code & 15) === ICMP_FRAG_NEEDED) {
      // ip_no_pmtu_disc: 1 no path MTU discovery, 2 such messages are not believed, 3 only for protocols that check them.
      const mode = net.ipv4.ip_no_pmtu_disc;
      if (mode === 2 || mode === 3) return 0;
      if (mode === 0) info = get16(ram, skb.transport_header + 6);
    }
    if (code > NR_ICMP_UNREACH) return 0;
  } else if (type === ICMP_PARAMETERPROB) {
    info = ram.u8[skb.transport_header + 4] as number;
  } else if (type === ICMP_TIME_EXCEEDED && code === ICMP_EXC_FRAGTIME) {
    return 0;
  }
  // Routers that answer broadcasts with errors violate RFC 1122; by default that is not even logged.
  const quoted_daddr = get32(ram, skb.data + 16);
  if (
    net.ipv4.icmp_ignore_bogus_error_responses === 0 &&
    inet_addr_type_dev(net, skb.dev, quoted_daddr) === RTN_BROADCAST
  ) {
    net.kernel.printk(
      `${in_ntoa(iph_saddr(skb))} sent an invalid ICMP type ${type}, code ${code} error to a broadcast`,
    );
    return 0;
  }
  icmp_socket_deliver(skb, net, info);
  return 0;
}

/** icmp_redirect: the protocols obey it or not; routes do so with the IPv4 issue (__ip_do_redirect). */
function icmp_redirect(skb: sk_buff, net: net): number {
  if (skb.len < IPHDR_LEN) {
    net.ipv4.mib.IcmpInErrors++;
    return SKB_DROP_REASON.PKT_TOO_SMALL;
  }
  icmp_socket_deliver(skb, net, get32(skb.ram, skb.transport_header + 4));
  return 0;
}

/** icmp_socket_deliver: to the protocol that sent the quoted packet. */
function icmp_socket_deliver(skb: sk_buff, net: net, info: number): void {
  const { u8 } = skb.ram;
  // A whole IP header and eight bytes: no handler needs to check for them.
  if (skb.len < ((u8[skb.data] as number) & 15) * 4 + 8) {
    net.ipv4.mib.IcmpInErrors++;
    return;
  }
  // raw_icmp_error goes here.
  net.ipv4.protos[u8[skb.data + 9] as number]?.err_handler(skb, info);
}

/** icmp_err: an error about an ICMP message of ours. Those about echo requests are for ping sockets. */
function icmp_err(skb: sk_buff, info: number): number {
  const { net } = skb.dst as rtable;
  const { u8 } = skb.ram;
  const quoted = u8[skb.data + ((u8[skb.data] as number) & 15) * 4] as number;
  const { ping_err } = net.ipv4;
  if (quoted !== ICMP_ECHOREPLY && ping_err !== null) ping_err(skb, info);
  return 0;
}

/** icmp_echo: RFC 1122 3.2.2.6, every host answers, with the data it got; type and checksum are all that changes. */
function icmp_echo(skb: sk_buff, net: net): number {
  if (net.ipv4.icmp_echo_ignore_all !== 0) return 0;
  icmp_reply(skb, net, ICMP_ECHOREPLY, skb.ram.u8[skb.transport_header + 1] as number, skb.len, 0);
  return 0;
}

/** icmp_timestamp: RFC 1122 3.2.2.8. */
function icmp_timestamp(skb: sk_buff, net: net): number {
  if (skb.len < 4) {
    net.ipv4.mib.IcmpInErrors++;
    return SKB_DROP_REASON.PKT_TOO_SMALL;
  }
  icmp_reply(skb, net, ICMP_TIMESTAMPREPLY, 0, 4, 8);
  return 0;
}

/** inet_current_timestamp: ms since midnight; the simulation begins at one. */
function inet_current_timestamp(net: net): number {
  return Math.floor(net.kernel.clock.now / NSEC_PER_JIFFY) % 86_400_000;
}

/**
 * icmp_reply: answers a query to its sender, with the query's identifier and sequence number, `copy` bytes of its
 * data, and `stamps` bytes of time stamps.
 */
function icmp_reply(skb: sk_buff, net: net, type: number, code: number, copy: number, stamps: number): void {
  // ip_options_echo and icmp_global_allow go here.
  const state = net.ipv4.icmp;
  if (state.locked) return;
  state.locked = true;
  const { fl4 } = state;
  const tos = iph_tos(skb);
  fl4.init(iph_saddr(skb), fib_compute_spec_dst(skb));
  // IP4_REPLY_MARK: fwmark_reflect is off by default.
  fl4.tos = tos & IPTOS_TOS_MASK;
  fl4.proto = IPPROTO_ICMP;
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt !== 'number') {
    const info = get32(skb.ram, skb.transport_header + 4);
    icmp_push_reply(net, rt, skb, skb.data, copy, stamps, type, code, info, tos);
  }
  state.locked = false;
}

// ---- send -------------------------------------------------------------------------------------------------------

/** icmp_push_reply: header, data from `from` in `skb`, checksum, and off. */
function icmp_push_reply(
  net: net,
  rt: rtable,
  skb: sk_buff,
  from: number,
  copy: number,
  stamps: number,
  type: number,
  code: number,
  info: number,
  tos: number,
): void {
  const { kernel } = net;
  const { fl4 } = net.ipv4.icmp;
  const length = ICMPHDR_LEN + copy + stamps;
  const reply = alloc_skb(kernel, MAX_HEADER + length);
  if (reply === null) {
    net.ipv4.mib.IcmpOutErrors++;
    return;
  }
  reply.parent = skb.id;
  skb_reserve(reply, MAX_HEADER);
  const at = skb_put(reply, length);
  const { ram } = reply;
  const { u8 } = ram;
  u8[at] = type;
  u8[at + 1] = code;
  u8[at + 2] = 0;
  u8[at + 3] = 0;
  put32(ram, at + 4, info);
  // skb_copy_and_csum_bits: one pass, a copy that is summed.
  u8.copyWithin(at + ICMPHDR_LEN, from, from + copy);
  if (stamps !== 0) {
    const now = inet_current_timestamp(net);
    put32(ram, at + ICMPHDR_LEN + copy, now);
    put32(ram, at + ICMPHDR_LEN + copy + 4, now);
  }
  charge_copy(kernel, length, COPY_ICMP_REPLY);
  charge_csum(kernel, length);
  put_csum(ram, at + 2, csum_fold(csum_partial(ram, at, length, 0)));
  icmp_out_count(net, type);
  ip_build_and_send_pkt(net, reply, rt, fl4.saddr, fl4.daddr, IPPROTO_ICMP, tos, 0, 0);
}

/**
 * icmp_send: tells the sender of `skb` what happened to it. `info`: the second word of the header (the MTU of a
 * "fragmentation needed", the gateway of a redirect). Sends nothing where RFC 1122 3.2.2 forbids it. Does not take
 * the skb; `network_header` must be valid, `dst` set.
 */
export function icmp_send(skb: sk_buff, type: number, code: number, info: number): void {
  const rt = skb.dst as rtable | null;
  if (rt === null) return;
  const { net } = rt;
  const at = skb.network_header;
  if (at < skb.head || at + IPHDR_LEN > skb.tail) return;
  // Not to what came, or went, to all: by its link-layer address, nor by its IP address.
  if (skb.pkt_type !== PACKET_HOST) return;
  if ((rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0) return;
  // Only the first fragment has a header to quote.
  if ((iph_frag_off(skb) & IP_OFFSET) !== 0) return;
  const err = is_error[type] !== 0;
  if (err && iph_protocol(skb) === IPPROTO_ICMP) {
    // No error about an error, or they would never end. An unknown type counts as one.
    const inner = at + iph_ihl(skb) * 4;
    if (inner >= skb.tail) return;
    const inner_type = skb.ram.u8[inner] as number;
    if (inner_type > NR_ICMP_TYPES || is_error[inner_type] !== 0) return;
  }
  // icmp_global_allow goes here: on anything but a loopback.
  const state = net.ipv4.icmp;
  if (state.locked) return;
  state.locked = true;
  const saddr = iph_saddr(skb);
  let from = iph_daddr(skb);
  if ((rt.rt_flags & RTCF_LOCAL) === 0) {
    // Not addressed to us: from whatever address the way back suggests.
    const inbound =
      rt.rt_is_input && net.ipv4.icmp_errors_use_inbound_ifaddr !== 0 ? net.dev_get_by_index(inet_iif(skb)) : null;
    from = inbound === null ? 0 : inet_select_addr(inbound, saddr, RT_SCOPE_LINK);
  }
  const tos = err ? (iph_tos(skb) & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL : iph_tos(skb);
  const { fl4 } = state;
  fl4.init(saddr, from);
  fl4.tos = tos & IPTOS_TOS_MASK;
  fl4.proto = IPPROTO_ICMP;
  const out = ip_route_output_key(net, fl4);
  if (typeof out !== 'number') {
    // icmpv4_xrlim_allow goes here.
    // As much of the packet as fits (RFC 1812 4.3.2.3), from its IP header on.
    const room = Math.min(dst_mtu(out), ICMP_ERROR_MAX) - IPHDR_LEN - ICMPHDR_LEN;
    if (room > IPHDR_LEN) {
      if (fl4.saddr === 0) fl4.saddr = INADDR_DUMMY;
      const tp = skb.kernel.trace.icmp_send;
      if (tp !== null) tp(skb, type, code);
      icmp_push_reply(net, out, skb, at, Math.min(skb.tail - at, room), 0, type, code, info, tos);
    }
  }
  state.locked = false;
}
