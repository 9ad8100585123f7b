/**
 * Datagrams of this host's own, put together from what is sent in as many packets as there will be fragments
 * (net/ipv4/ip_output.c: ip_append_data, ip_make_skb).
 */
import { COPY_APPEND, COPY_FROM_USER } from '../../copies.ts';
import { charge_copy, charge_csum } from '../../costs.ts';
import { EFAULT, EMSGSIZE, ENETUNREACH, ENOBUFS } from '../../errno.ts';
import { csum_from_partial, csum_partial } from '../../lib/checksum.ts';
import { dst_mtu } from '../core/dst.ts';
import type { net } from '../core/net_namespace.ts';
import { NETIF_F_HW_CSUM } from '../core/netdevice.ts';
import { skb_setup_tx_timestamp } from '../core/skb_tstamp.ts';
import {
  alloc_skb,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  kfree_skb_reason,
  MAX_HEADER,
  pskb_expand_head,
  SKB_DROP_REASON,
  type sk_buff,
  sk_buff_head,
  skb_headroom,
  skb_pull,
  skb_put,
  skb_reserve,
  skb_tailroom,
  skb_trim,
} from '../core/skbuff.ts';
import { skb_set_owner_w, type sock } from '../core/sock.ts';
import { MSG_MORE, msg_access_ok, type msghdr } from '../msg.ts';
import { IP_PMTUDISC_DO, IP_PMTUDISC_OMIT, IP_PMTUDISC_PROBE, IP_PMTUDISC_WANT } from './datagram.ts';
import type { flowi4 } from './fib.ts';
import { icmp_out_count } from './icmp.ts';
import { IP_DF, IPHDR_LEN, IPPROTO_ICMP, IPVERSION, put16, put32 } from './ip_header.ts';
import { type ip_options, ip_options_build } from './ip_options.ts';
import { ip_send_skb } from './ip_output.ts';
import { ip_mtu_locked, RTN_MULTICAST, type rtable } from './route.ts';

const IP_MAX_MTU = 0xffff;
/** Smallest MTU with which IPv4 works (RFC 791). */
const IPV4_MIN_MTU = 68;

/** ip_sk_use_pmtu: does the socket mind what was learnt of the path? */
export function ip_sk_use_pmtu(sk: sock): boolean {
  return sk.opts.pmtudisc < IP_PMTUDISC_PROBE;
}

/** ip_sk_ignore_df: may this host fragment what the socket sends? */
export function ip_sk_ignore_df(sk: sock): boolean {
  return sk.opts.pmtudisc < IP_PMTUDISC_DO || sk.opts.pmtudisc === IP_PMTUDISC_OMIT;
}

/** ip_dont_fragment: shall what fits be kept in one piece, so that a narrower path shows itself? */
export function ip_dont_fragment(sk: sock, rt: rtable): boolean {
  return sk.opts.pmtudisc === IP_PMTUDISC_DO || (sk.opts.pmtudisc === IP_PMTUDISC_WANT && !ip_mtu_locked(rt));
}

/** struct ipcm_cookie: what one send asks for beside the socket's settings. */
export class ipcm_cookie {
  /** The peer, for the end of a source route. */
  addr = 0;
  opt: ip_options | null = null;
  /** 0: the socket's. */
  ttl = 0;
  /** -1: the socket's. */
  tos = -1;
  mark = 0;
  priority = 0;
  /** Bytes of each datagram that the packet stands for; 0: it is one. */
  gso_size = 0;
  /** The device to leave by, 0 for any. */
  oif = 0;
  /** SO_TIMESTAMPING's bits. */
  tsflags = 0;

  /** ipcm_init and ipcm_init_sk */
  init(sk: sock | null): this {
    this.addr = 0;
    this.opt = null;
    this.ttl = 0;
    this.tos = -1;
    this.mark = sk === null ? 0 : sk.sk_mark;
    this.priority = sk === null ? 0 : sk.opts.sk_priority;
    this.gso_size = 0;
    this.oif = 0;
    this.tsflags = sk === null ? 0 : sk.opts.sk_tsflags;
    return this;
  }
}

/** struct inet_cork, with its queue: a datagram that is being put together, a packet for each fragment. */
export class inet_cork {
  readonly queue = new sk_buff_head();
  readonly ipc = new ipcm_cookie();
  rt: rtable | null = null;
  /** Bytes that fit, and payload so far. */
  fragsize = 0;
  length = 0;
}

/**
 * Brings `len` bytes from `offset` of what is sent to RAM at `to`; where `skb` is not CHECKSUM_PARTIAL, adds their sum
 * to skb.csum, as they stand `odd` bytes behind what it has been made over. 0 or a negative errno.
 */
export type getfrag_t<F> = (from: F, to: number, offset: number, len: number, odd: number, skb: sk_buff) => number;

/** csum_block_add: the sum of a block that begins `odd` bytes behind. */
export function csum_block_add(csum: number, block: number, odd: number): number {
  const sum = csum_from_partial(block);
  return csum_from_partial(csum + ((odd & 1) !== 0 ? ((sum & 0xff) << 8) | (sum >> 8) : sum));
}

/** ip_generic_getfrag: from a program's buffer, copied and summed in one pass. */
export function ip_generic_getfrag(
  from: msghdr,
  to: number,
  offset: number,
  len: number,
  odd: number,
  skb: sk_buff,
): number {
  if (!msg_access_ok(from, offset + len)) return -EFAULT;
  const { kernel, ram } = skb;
  const at = from.msg_base + offset;
  charge_copy(kernel, len, COPY_FROM_USER);
  ram.move(to, at, len);
  const tp = kernel.trace.skb_copy_from;
  if (tp !== null) tp(skb, at, len);
  if (skb.ip_summed !== CHECKSUM_PARTIAL) {
    charge_csum(kernel, len);
    skb.csum = csum_block_add(skb.csum, csum_partial(ram, to, len, 0), odd);
  }
  return 0;
}

/** ip_setup_cork: 0, or -ENETUNREACH when IPv4 does not work with the device's MTU. */
function ip_setup_cork(sk: sock | null, cork: inet_cork, ipc: ipcm_cookie, rt: rtable): number {
  cork.fragsize = sk === null || ip_sk_use_pmtu(sk) ? dst_mtu(rt) : Math.min(rt.dev.mtu, IP_MAX_MTU);
  if (cork.fragsize < IPV4_MIN_MTU) return -ENETUNREACH;
  const mine = cork.ipc;
  mine.addr = ipc.addr;
  mine.opt = ipc.opt;
  mine.ttl = ipc.ttl;
  mine.tos = ipc.tos;
  mine.mark = ipc.mark;
  mine.priority = ipc.priority;
  mine.gso_size = ipc.gso_size;
  mine.tsflags = ipc.tsflags;
  cork.rt = rt;
  cork.length = 0;
  return 0;
}

/**
 * ip_append_data: `length` bytes (with `transhdrlen` of them room for the transport's header, in the first packet) to
 * the datagram in `cork`. The caller has waited for room in the send buffer (sock_wait_for_wmem).
 * @param sk null: the kernel's own, on nobody's books
 * @returns 0; -EMSGSIZE: too long, or longer than the path's MTU where the socket forbids fragments (the caller tells
 *   the error queue); -ENOBUFS, -EFAULT, -ENETUNREACH. After an error the datagram is as good as lost
 *   (ip_flush_pending_frames).
 */
export function ip_append_data<F>(
  sk: sock | null,
  cork: inet_cork,
  getfrag: getfrag_t<F>,
  from: F,
  length: number,
  transhdrlen: number,
  ipc: ipcm_cookie,
  rt: rtable,
  flags: number,
): number {
  if (cork.queue.first === null) {
    const err = ip_setup_cork(sk, cork, ipc, rt);
    if (err !== 0) return err;
  } else {
    transhdrlen = 0;
  }
  return __ip_append_data(sk, cork, getfrag, from, length, transhdrlen, flags);
}

function __ip_append_data<F>(
  sk: sock | null,
  cork: inet_cork,
  getfrag: getfrag_t<F>,
  from: F,
  length: number,
  transhdrlen: number,
  flags: number,
): number {
  const { queue } = cork;
  const rt = cork.rt as rtable;
  const { kernel } = rt.net;
  const { opt, gso_size } = cork.ipc;
  const mtu = gso_size !== 0 ? IP_MAX_MTU : cork.fragsize;
  const fragheaderlen = IPHDR_LEN + (opt === null ? 0 : opt.optlen);
  const maxfraglen = ((mtu - fragheaderlen) & ~7) + fragheaderlen;
  const maxnonfragsize = sk === null || ip_sk_ignore_df(sk) ? IP_MAX_MTU : mtu;
  if (cork.length + length > maxnonfragsize - fragheaderlen) return -EMSGSIZE;
  const more = (flags & MSG_MORE) !== 0;
  // What goes in one piece may have its sum made by the card.
  let csummode = CHECKSUM_NONE;
  const whole = transhdrlen !== 0 && length + fragheaderlen <= mtu && (!more || gso_size !== 0);
  if (whole && (rt.dev.features & NETIF_F_HW_CSUM) !== 0) csummode = CHECKSUM_PARTIAL;
  cork.length += length;
  let offset = 0;
  let skb = queue.last;
  do {
    let copy = skb === null ? 0 : mtu - skb.len;
    if (skb !== null && copy < length) copy = maxfraglen - skb.len;
    if (skb === null || copy <= 0) {
      // Bytes of the last packet that no longer fit, now that it is not the last.
      const fraggap: number = skb === null ? 0 : skb.len - maxfraglen;
      let datalen: number = length + fraggap;
      if (datalen > mtu - fragheaderlen) datalen = maxfraglen - fragheaderlen;
      const fraglen = datalen + fragheaderlen;
      // Beyond its send buffer a socket may only finish what it has begun.
      if (sk !== null && queue.first !== null && sk.sk_wmem_alloc > 2 * sk.sk_sndbuf)
        return append_error(cork, length, -ENOBUFS);
      const next = alloc_skb(kernel, MAX_HEADER + (more ? Math.max(mtu, fraglen) : fraglen));
      if (next === null) return append_error(cork, length, -ENOBUFS);
      if (sk !== null) skb_set_owner_w(next, sk);
      next.ip_summed = csummode;
      skb_reserve(next, MAX_HEADER);
      let to = skb_put(next, fraglen);
      next.network_header = to;
      next.transport_header = to + fragheaderlen;
      to += fragheaderlen;
      if (fraggap > 0) {
        const prev = skb as sk_buff;
        const gap = prev.tail - fraggap;
        next.ram.u8.copyWithin(to + transhdrlen, gap, prev.tail);
        charge_copy(kernel, fraggap, COPY_APPEND);
        const moved = csum_partial(next.ram, to + transhdrlen, fraggap, 0);
        next.csum = csum_from_partial(moved);
        prev.csum = csum_block_add(prev.csum, ~csum_from_partial(moved) & 0xffff, maxfraglen - fragheaderlen);
        to += fraggap;
        skb_trim(prev, maxfraglen);
      }
      copy = datalen - transhdrlen - fraggap;
      const err = copy > 0 ? getfrag(from, to + transhdrlen, offset, copy, fraggap, next) : 0;
      if (err < 0) {
        kfree_skb_reason(next, SKB_DROP_REASON.SKB_UCOPY_FAULT);
        return append_error(cork, length, err);
      }
      offset += Math.max(copy, 0);
      length -= copy + transhdrlen;
      transhdrlen = 0;
      csummode = CHECKSUM_NONE;
      queue.push(next);
      skb = next;
      continue;
    }
    if (copy > length) copy = length;
    if (skb_tailroom(skb) < copy && pskb_expand_head(skb, skb_headroom(skb), mtu - skb.len) !== 0)
      return append_error(cork, length, -ENOBUFS);
    const odd: number = skb.len - fragheaderlen;
    const err = getfrag(from, skb_put(skb, copy), offset, copy, odd, skb);
    if (err < 0) {
      skb_trim(skb, fragheaderlen + odd);
      return append_error(cork, length, err);
    }
    offset += copy;
    length -= copy;
  } while (length > 0);
  return 0;
}

function append_error(cork: inet_cork, length: number, err: number): number {
  cork.length -= length;
  const { net } = cork.rt as rtable;
  net.ipv4.mib.IpOutDiscards++;
  return err;
}

/** ip_flush_pending_frames: the datagram is not sent after all. */
export function ip_flush_pending_frames(cork: inet_cork): void {
  cork.queue.purge(SKB_DROP_REASON.QUEUE_PURGE);
  cork.rt = null;
  cork.length = 0;
  cork.ipc.opt = null;
}

/**
 * __ip_make_skb: what was appended becomes one packet, further fragments in its frag_list, with its IP header but for
 * length and checksum; `data` is at that header, `dst` set. Null when nothing was appended.
 */
export function __ip_make_skb(sk: sock | null, fl4: flowi4, cork: inet_cork): sk_buff | null {
  const { queue, ipc } = cork;
  const skb = queue.shift();
  if (skb === null) return null;
  const rt = cork.rt as rtable;
  const { net } = rt;
  const { opt } = ipc;
  const hlen = IPHDR_LEN + (opt === null ? 0 : opt.optlen);
  let last: sk_buff | null = null;
  for (let frag = queue.shift(); frag !== null; frag = queue.shift()) {
    skb_pull(frag, hlen);
    if (last === null) skb.frag_list = frag;
    else last.next = frag;
    last = frag;
    skb.len += frag.len;
    skb.data_len += frag.len;
    skb.truesize += frag.truesize;
    // On the socket's books with the first from here on.
    frag.destructor = null;
    frag.sk = null;
  }
  // With DF set, too, the packet may be fragmented here, unless the program asked for real path MTU discovery.
  const ignore_df = sk === null || ip_sk_ignore_df(sk);
  skb.ignore_df = ignore_df ? 1 : 0;
  let df = 0;
  if (sk !== null) {
    const strict = sk.opts.pmtudisc === IP_PMTUDISC_DO || sk.opts.pmtudisc === IP_PMTUDISC_PROBE;
    if (strict || (ip_dont_fragment(sk, rt) && skb.len <= dst_mtu(rt))) df = IP_DF;
  }
  let { ttl } = ipc;
  if (ttl === 0) {
    if (rt.rt_type === RTN_MULTICAST) ttl = sk === null ? 1 : sk.mc_ttl;
    else ttl = sk === null || sk.opts.uc_ttl < 0 ? net.ipv4.ip_default_ttl : sk.opts.uc_ttl;
  }
  const { ram } = skb;
  const { u8 } = ram;
  const at = skb.data;
  const protocol = sk === null ? fl4.proto : sk.sk_protocol;
  u8[at] = (IPVERSION << 4) | (hlen >> 2);
  u8[at + 1] = ipc.tos !== -1 ? ipc.tos : sk === null ? 0 : sk.tos;
  put16(ram, at + 6, df);
  u8[at + 8] = ttl;
  u8[at + 9] = protocol;
  put32(ram, at + 12, fl4.saddr);
  put32(ram, at + 16, fl4.daddr);
  put16(ram, at + 4, ip_select_ident_segs(net, sk, fl4.saddr, fl4.daddr, protocol, df !== 0 && !ignore_df));
  if (opt !== null) ip_options_build(skb, opt, ipc.addr, rt);
  skb.priority = ipc.priority;
  skb.mark = ipc.mark;
  skb.dst = rt;
  if (ipc.tsflags !== 0 && sk !== null) skb_setup_tx_timestamp(skb, sk, ipc.tsflags);
  if (protocol === IPPROTO_ICMP) icmp_out_count(net, u8[skb.transport_header] as number);
  cork.rt = null;
  cork.ipc.opt = null;
  return skb;
}

/** ip_select_ident_segs: a connected socket counts for itself; 0 for what nobody may fragment (RFC 6864 4.1). */
function ip_select_ident_segs(
  net: net,
  sk: sock | null,
  saddr: number,
  daddr: number,
  protocol: number,
  atomic: boolean,
): number {
  if (sk !== null && sk.inet_daddr !== 0) {
    sk.inet_id = (sk.inet_id + 1) & 0xffff;
    return sk.inet_id;
  }
  return atomic ? 0 : net.ipv4.idents.select(saddr, daddr, protocol, 1);
}

/**
 * ip_make_skb: a datagram of `length` bytes with `transhdrlen` of them for the transport's header, which the caller
 * writes at `transport_header` (the payload's sums are in skb.csum and those of the fragments, where ip_summed is
 * CHECKSUM_NONE), then sends the packet with ip_send_skb. fl4: addresses and, without a socket, the protocol.
 * Parameters and errors as ip_append_data.
 * @returns the packet, which the caller owns, or a negative errno
 */
export function ip_make_skb<F>(
  sk: sock | null,
  fl4: flowi4,
  getfrag: getfrag_t<F>,
  from: F,
  length: number,
  transhdrlen: number,
  ipc: ipcm_cookie,
  rt: rtable,
  flags: number,
): sk_buff | number {
  const { cork } = rt.net.ipv4;
  let err = ip_setup_cork(sk, cork, ipc, rt);
  if (err === 0) err = __ip_append_data(sk, cork, getfrag, from, length, transhdrlen, flags);
  if (err !== 0) {
    ip_flush_pending_frames(cork);
    return err;
  }
  return __ip_make_skb(sk, fl4, cork) as sk_buff;
}

/** ip_push_pending_frames: makes one packet of what was appended, and sends it. 0 or a negative errno. */
export function ip_push_pending_frames(sk: sock | null, fl4: flowi4, cork: inet_cork): number {
  const skb = __ip_make_skb(sk, fl4, cork);
  return skb === null ? 0 : ip_send_skb(skb.kernel.init_net, skb);
}
