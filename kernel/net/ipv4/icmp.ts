/** ICMP (RFC 792, RFC 1122 3.2.2; net/ipv4/icmp.c). */
import type { RandomStream } from '../../arch.ts';
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
import { csum_fold, csum_from_partial, csum_partial, put_csum } from '../../lib/checksum.ts';
import { HZ, NSEC_PER_JIFFY } from '../../time/timer.ts';
import { NET_RX_DROP, NET_RX_SUCCESS } from '../core/dev.ts';
import { dst_mtu } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { IFF_LOOPBACK } from '../core/netdevice.ts';
import { skb_checksum_ok, skb_csum_unnecessary } from '../core/skb_checksum.ts';
import {
  CHECKSUM_NONE,
  consume_skb,
  kfree_skb_reason,
  PACKET_HOST,
  pskb_may_pull,
  SKB_DROP_REASON,
  type sk_buff,
  skb_copy_bits,
  skb_pull,
} from '../core/skbuff.ts';
import { nf_ct_attach } from '../netfilter/core.ts';
import { inet_select_addr } from './devinet.ts';
import { inet_addr_type_dev, RT_SCOPE_LINK, RTN_BROADCAST } from './fib.ts';
import { icmp_build_probe } from './icmp_probe.ts';
import { inet_peer_xrlim_allow } from './inetpeer.ts';
import {
  get16,
  get32,
  IP_OFFSET,
  IPHDR_LEN,
  IPPROTO_ICMP,
  IPTOS_PREC_INTERNETCONTROL,
  IPTOS_TOS_MASK,
  inet_ntoa,
  iph_daddr,
  iph_frag_off,
  iph_ihl,
  iph_protocol,
  iph_saddr,
  iph_tos,
  put32,
} from './ip_header.ts';
import { ip_options, ip_options_echo } from './ip_options.ts';
import {
  csum_block_add,
  IP4_REPLY_MARK,
  ip_append_data,
  ip_flush_pending_frames,
  ip_push_pending_frames,
  ipcm_cookie,
} from './ip_output.ts';
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
/** PROBE (RFC 8335). */
export const ICMP_EXT_ECHO = 42;
export const ICMP_EXT_ECHOREPLY = 43;

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

/** icmp_is_err: does the type quote the packet that it is about? */
export function icmp_is_err(type: number): boolean {
  return is_error[type] === 1;
}

/** struct icmp_bxm: a message that is being made, and what the packet it answers says. */
export class icmp_bxm {
  skb: sk_buff | null = null;
  /** Where in it, from `data` on, the copy begins, and how much is copied behind the head. */
  offset = 0;
  data_len = 0;
  type = 0;
  code = 0;
  /** The second word of the header, and time stamps behind it. */
  info = 0;
  times = 0;
  orig_time = 0;
  readonly replyopts = new ip_options();
}

/** What ICMP keeps of its own (the control socket of each net, and the token bucket of all messages). */
export class icmp_state {
  /** icmp_xmit_lock: a message that comes about while another one is being sent is not sent. */
  locked = false;
  readonly fl4 = new flowi4();
  readonly ipc = new ipcm_cookie();
  readonly param = new icmp_bxm();
  /** icmp_global_credit, icmp_global_stamp (jiffies). */
  credit = 0;
  stamp: number;
  private readonly net: net;
  private readonly random: RandomStream;

  constructor(net: net) {
    this.net = net;
    this.random = net.kernel.arch.random('icmp.credit');
    this.stamp = net.kernel.timers.jiffies() - HZ;
  }

  /** icmp_global_allow: icmp_msgs_per_sec, up to icmp_msgs_burst at once, filled up every 20 ms at most. */
  global_allow(): boolean {
    if (this.credit > 0) return true;
    const { ipv4, kernel } = this.net;
    const now = kernel.timers.jiffies();
    const delta = Math.min(now - this.stamp, HZ);
    if (delta < HZ / 50) return false;
    const incr = Math.floor((ipv4.icmp_msgs_per_sec * delta) / HZ);
    if (incr === 0) return false;
    this.stamp = now;
    this.credit = Math.min(this.credit + incr, ipv4.icmp_msgs_burst);
    return true;
  }

  /** icmp_global_consume: one on average, at random, so that nobody can count what others are sent. */
  global_consume(): void {
    this.credit -= this.random.u32() % 3;
  }
}

/** icmp_init */
export function icmp_init(net: net): void {
  net.ipv4.icmp = new icmp_state(net);
  inet_add_protocol(net, { handler: icmp_rcv, err_handler: icmp_err, early_demux: null }, IPPROTO_ICMP);
}

/** icmpv4_mask_allow: is the message none of those that are limited? Path MTU discovery never is. */
function icmpv4_mask_allow(net: net, type: number, code: number): boolean {
  if (type > NR_ICMP_TYPES || (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED)) return true;
  return ((1 << type) & net.ipv4.icmp_ratemask) === 0;
}

/** icmpv4_xrlim_allow: the limit per peer; what passes it counts against the limit of all. */
function icmpv4_xrlim_allow(net: net, rt: rtable, daddr: number): boolean {
  const { ipv4 } = net;
  if ((rt.dev.flags & IFF_LOOPBACK) === 0 && !inet_peer_xrlim_allow(net, ipv4.peers.get(daddr), ipv4.icmp_ratelimit)) {
    ipv4.mib.IcmpOutRateLimitHost++;
    return false;
  }
  ipv4.icmp.global_consume();
  return true;
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
  if (!skb_pull(skb, ICMPHDR_LEN)) return error(skb, mib, SKB_DROP_REASON.PKT_TOO_SMALL);
  const type = skb.ram.u8[skb.transport_header] as number;
  icmp_in_count(mib, type);
  if (type === ICMP_EXT_ECHO || type === ICMP_EXT_ECHOREPLY) {
    return finish(skb, type === ICMP_EXT_ECHO ? icmp_echo(skb, net) : icmp_echo_reply(skb, net));
  }
  // RFC 1122 3.2.2: unknown types are discarded in silence.
  if (type > NR_ICMP_TYPES) return error(skb, mib, SKB_DROP_REASON.UNHANDLED_PROTO);
  if ((rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0) {
    // RFC 1122 3.2.2.6: an echo to all may go unanswered; nothing else but these four makes sense to all.
    const asks = type === ICMP_ECHO || type === ICMP_TIMESTAMP;
    if (asks && net.ipv4.icmp_echo_ignore_broadcasts !== 0) return error(skb, mib, SKB_DROP_REASON.INVALID_PROTO);
    if (!asks && type !== ICMP_ADDRESS && type !== ICMP_ADDRESSREPLY)
      return error(skb, mib, SKB_DROP_REASON.INVALID_PROTO);
  }
  return finish(skb, handle(skb, net, type));
}

function finish(skb: sk_buff, reason: number): number {
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
    case ICMP_ECHOREPLY:
      return icmp_echo_reply(skb, net);
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

function icmp_echo_reply(skb: sk_buff, net: net): number {
  const { ping_rcv } = net.ipv4;
  return ping_rcv === null ? SKB_DROP_REASON.NO_SOCKET : ping_rcv(skb);
}

/** icmp_unreach: an error about something we sent. */
function icmp_unreach(skb: sk_buff, net: net, type: number): number {
  const { ram } = skb;
  const { mib } = net.ipv4;
  if (!pskb_may_pull(skb, IPHDR_LEN)) {
    mib.IcmpInErrors++;
    return SKB_DROP_REASON.PKT_TOO_SMALL;
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
      if (mode === 2) return 0;
      const checks = net.ipv4.protos[ram.u8[skb.data + 9] as number]?.icmp_strict_tag_validation === true;
      if (mode === 3 && !checks) return 0;
      if (mode === 0 || mode === 3) info = get16(ram, skb.transport_header + 6);
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
      `${inet_ntoa(iph_saddr(skb))} sent an invalid ICMP type ${type}, code ${code} error to a broadcast`,
    );
    return 0;
  }
  icmp_socket_deliver(skb, net, info);
  return 0;
}

/** icmp_redirect: the protocol whose packet it was tells the route (ipv4_redirect, ipv4_sk_redirect). */
function icmp_redirect(skb: sk_buff, net: net): number {
  if (!pskb_may_pull(skb, IPHDR_LEN)) {
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
  if (!pskb_may_pull(skb, ((u8[skb.data] as number) & 15) * 4 + 8)) {
    net.ipv4.mib.IcmpInErrors++;
    return;
  }
  const protocol = u8[skb.data + 9] as number;
  const { raw_icmp_error } = net.ipv4;
  if (raw_icmp_error !== null) raw_icmp_error(skb, protocol, info);
  net.ipv4.protos[protocol]?.err_handler(skb, info);
}

/** icmp_err: an error about an ICMP message of ours. Those about echo requests are for ping sockets. */
function icmp_err(skb: sk_buff, info: number): number {
  const { net } = skb.dst as rtable;
  const { u8 } = skb.ram;
  const quoted = u8[skb.data + ((u8[skb.data] as number) & 15) * 4] as number;
  const { ping_err, update_pmtu, redirect } = net.ipv4;
  // What is not about an echo reply of the kernel's own is for ping sockets.
  if (quoted !== ICMP_ECHOREPLY) {
    if (ping_err !== null) ping_err(skb, info);
    return 0;
  }
  const type = u8[skb.transport_header] as number;
  const code = u8[skb.transport_header + 1] as number;
  if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) {
    if (update_pmtu !== null) update_pmtu(skb, info, 0, IPPROTO_ICMP);
  } else if (type === ICMP_REDIRECT && redirect !== null) {
    redirect(skb, 0, IPPROTO_ICMP);
  }
  return 0;
}

/** icmp_echo: RFC 1122 3.2.2.6, every host answers, with the data it got; type and checksum are all that changes. */
function icmp_echo(skb: sk_buff, net: net): number {
  if (net.ipv4.icmp_echo_ignore_all !== 0) return 0;
  const { param } = net.ipv4.icmp;
  const { u8 } = skb.ram;
  const at = skb.transport_header;
  param.code = u8[at + 1] as number;
  param.info = get32(skb.ram, at + 4);
  param.type = ICMP_ECHOREPLY;
  if (u8[at] === ICMP_EXT_ECHO && !icmp_build_probe(skb, net, param)) return 0;
  param.times = 0;
  param.data_len = skb.len;
  icmp_reply(skb, net, param);
  return 0;
}

/** icmp_timestamp: RFC 1122 3.2.2.8. */
function icmp_timestamp(skb: sk_buff, net: net): number {
  if (!pskb_may_pull(skb, 4)) {
    net.ipv4.mib.IcmpInErrors++;
    return SKB_DROP_REASON.PKT_TOO_SMALL;
  }
  const { param } = net.ipv4.icmp;
  param.type = ICMP_TIMESTAMPREPLY;
  param.code = 0;
  param.info = get32(skb.ram, skb.transport_header + 4);
  param.orig_time = get32(skb.ram, skb.data);
  param.times = inet_current_timestamp(net);
  param.data_len = 0;
  icmp_reply(skb, net, param);
  return 0;
}

/** inet_current_timestamp: ms since midnight; the simulation begins at one. */
export function inet_current_timestamp(net: net): number {
  return Math.floor(net.kernel.clock.now / NSEC_PER_JIFFY) % 86_400_000;
}

/** icmp_reply: answers a query to its sender. */
function icmp_reply(skb: sk_buff, net: net, param: icmp_bxm): void {
  const state = net.ipv4.icmp;
  const { fl4, ipc } = state;
  if (ip_options_echo(net, param.replyopts, skb) !== 0) return;
  const limited = !icmpv4_mask_allow(net, param.type, param.code);
  if (limited && !state.global_allow()) {
    net.ipv4.mib.IcmpOutRateLimitGlobal++;
    return;
  }
  if (state.locked) return;
  state.locked = true;
  const tos = iph_tos(skb);
  const opt = param.replyopts;
  ipc.init(null);
  ipc.tos = tos;
  ipc.addr = iph_saddr(skb);
  if (opt.optlen !== 0) ipc.opt = opt;
  fl4.init(opt.srr !== 0 ? opt.faddr : ipc.addr, fib_compute_spec_dst(skb));
  ipc.mark = IP4_REPLY_MARK(net, skb.mark);
  fl4.mark = ipc.mark;
  fl4.tos = tos & IPTOS_TOS_MASK;
  fl4.proto = IPPROTO_ICMP;
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt !== 'number' && (!limited || icmpv4_xrlim_allow(net, rt, fl4.daddr))) {
    param.skb = skb;
    param.offset = 0;
    icmp_push_reply(net, rt, param);
  }
  state.locked = false;
}

// ---- send -------------------------------------------------------------------------------------------------------

/** icmp_glue_bits (skb_copy_and_csum_bits): one pass, a copy that is summed. */
function icmp_glue_bits(param: icmp_bxm, to: number, offset: number, len: number, odd: number, skb: sk_buff): number {
  skb_copy_bits(param.skb as sk_buff, param.offset + offset, to, len);
  charge_copy(skb.kernel, len, COPY_ICMP_REPLY);
  charge_csum(skb.kernel, len);
  skb.csum = csum_block_add(skb.csum, csum_partial(skb.ram, to, len, 0), odd);
  return 0;
}

/** icmp_push_reply: head, data, checksum, and off, in as many fragments as it takes. */
function icmp_push_reply(net: net, rt: rtable, param: icmp_bxm): void {
  const { fl4, ipc } = net.ipv4.icmp;
  const { cork } = net.ipv4;
  const head_len = ICMPHDR_LEN + (param.type === ICMP_TIMESTAMPREPLY ? 12 : 0);
  const cause = param.skb as sk_buff;
  const err = ip_append_data(null, cork, icmp_glue_bits, param, param.data_len + head_len, head_len, ipc, rt, 0);
  const skb = cork.queue.first;
  param.skb = null;
  if (err !== 0 || skb === null) {
    net.ipv4.mib.IcmpOutErrors++;
    ip_flush_pending_frames(cork);
    return;
  }
  const { ram } = skb;
  const { u8 } = ram;
  const at = skb.transport_header;
  u8[at] = param.type;
  u8[at + 1] = param.code;
  u8[at + 2] = 0;
  u8[at + 3] = 0;
  put32(ram, at + 4, param.info);
  if (head_len > ICMPHDR_LEN) {
    put32(ram, at + ICMPHDR_LEN, param.orig_time);
    put32(ram, at + ICMPHDR_LEN + 4, param.times);
    put32(ram, at + ICMPHDR_LEN + 8, param.times);
  }
  // Every fragment begins on a multiple of eight bytes: their sums add up as they are.
  let sum = csum_partial(ram, at, head_len, 0);
  for (let frag: sk_buff | null = skb; frag !== null; frag = frag.next) {
    sum = csum_from_partial(sum + frag.csum);
    frag.parent = cause.id;
    if (is_error[param.type] !== 0 && cause._nfct !== null) nf_ct_attach(frag, cause);
  }
  put_csum(ram, at + 2, csum_fold(sum));
  skb.ip_summed = CHECKSUM_NONE;
  ip_push_pending_frames(null, fl4, cork);
}

/**
 * icmp_send: tells the sender of `skb` what happened to it. `info`: the second word of the header (the MTU of a
 * "fragmentation needed", the gateway of a redirect). Sends nothing where RFC 1122 3.2.2 or RFC 1812 4.3.2.7 forbids
 * it, or a limit is reached. Does not take the skb; `network_header` must be valid, `dst` set.
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
  const state = net.ipv4.icmp;
  // What comes by a loopback is not limited.
  const loopback = skb.dev !== null && (skb.dev.flags & IFF_LOOPBACK) !== 0;
  const limited = !loopback && !icmpv4_mask_allow(net, type, code);
  if (limited && !state.global_allow()) {
    net.ipv4.mib.IcmpOutRateLimitGlobal++;
    return;
  }
  if (state.locked) return;
  state.locked = true;
  icmp_send_locked(skb, rt, type, code, info, limited);
  state.locked = false;
}

function icmp_send_locked(skb: sk_buff, rt: rtable, type: number, code: number, info: number, limited: boolean): void {
  const { net } = rt;
  const { fl4, ipc, param } = net.ipv4.icmp;
  const saddr = iph_saddr(skb);
  let from = iph_daddr(skb);
  if ((rt.rt_flags & RTCF_LOCAL) === 0) {
    // Not addressed to us: from whatever address the way back suggests.
    const inbound =
      rt.rt_is_input && net.ipv4.icmp_errors_use_inbound_ifaddr !== 0 ? net.dev_get_by_index(inet_iif(skb)) : null;
    from = inbound === null ? 0 : inet_select_addr(inbound, saddr, RT_SCOPE_LINK);
  }
  const tos = is_error[type] !== 0 ? (iph_tos(skb) & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL : iph_tos(skb);
  if (ip_options_echo(net, param.replyopts, skb) !== 0) return;
  const opt = param.replyopts;
  ipc.init(null);
  ipc.tos = tos;
  ipc.addr = saddr;
  if (opt.optlen !== 0) ipc.opt = opt;
  fl4.init(opt.srr !== 0 ? opt.faddr : saddr, from);
  ipc.mark = IP4_REPLY_MARK(net, skb.mark);
  fl4.mark = ipc.mark;
  fl4.tos = tos & IPTOS_TOS_MASK;
  fl4.proto = IPPROTO_ICMP;
  const out = ip_route_output_key(net, fl4);
  if (typeof out === 'number') return;
  if (limited && !icmpv4_xrlim_allow(net, out, fl4.daddr)) return;
  // As much of the packet as fits (RFC 1812 4.3.2.3), from its IP header on.
  const room = Math.min(dst_mtu(out), ICMP_ERROR_MAX) - IPHDR_LEN - opt.optlen - ICMPHDR_LEN;
  if (room <= IPHDR_LEN) return;
  if (fl4.saddr === 0) fl4.saddr = INADDR_DUMMY;
  const tp = skb.kernel.trace.icmp_send;
  if (tp !== null) tp(skb, type, code);
  param.skb = skb;
  param.type = type;
  param.code = code;
  param.info = info;
  param.offset = skb.network_header - skb.data;
  param.data_len = Math.min(skb.len - param.offset, room);
  icmp_push_reply(net, out, param);
}
