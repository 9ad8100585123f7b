/** UDP's way out: udp_sendmsg, corking, udp_send_skb (net/ipv4/udp.c, RFC 768). */
import { EAFNOSUPPORT, EAGAIN, EDESTADDRREQ, EINVAL, EMSGSIZE, ENOBUFS, EOPNOTSUPP } from '../../errno.ts';
import { csum_fold, csum_from_partial, csum_partial, csum_tcpudp_nofold, put_csum } from '../../lib/checksum.ts';
import { SKB_GSO_UDP_L4 } from '../core/gso.ts';
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, kfree_skb_reason, SKB_DROP_REASON, type sk_buff } from '../core/skbuff.ts';
import { type sock, sock_wait_for_wmem, TCP_ESTABLISHED } from '../core/sock.ts';
import {
  AF_INET,
  AF_UNSPEC,
  CMSG_UDP_SEGMENT,
  MSG_DONTWAIT,
  MSG_MORE,
  MSG_OOB,
  type msghdr,
  type sockaddr_in,
} from '../msg.ts';
import { datagram_route, datagram_too_long, inet_sk_mtu, ipcm_init_msg, msg_getfrag } from './datagram.ts';
import { flowi4 } from './fib.ts';
import { __ip_make_skb, inet_cork, ip_append_data, ip_flush_pending_frames, ip_make_skb } from './ip_append.ts';
import { IPPROTO_UDP, put16 } from './ip_header.ts';
import { ip_send_skb } from './ip_output.ts';
import type { rtable } from './route.ts';

const UDP_HLEN = 8;
/** UDP_SEGMENT: datagrams in one send. */
const UDP_MAX_SEGMENTS = 128;

/** What MSG_MORE or UDP_CORK holds back: one datagram, addressed by the first call (inet_sock.cork and udp_sock.pending). */
class udp_cork {
  readonly cork = new inet_cork();
  readonly fl4 = new flowi4();
  dport = 0;
  mtu = 0;
  gso_size = 0;
  pending = false;
}

function pending_cork(sk: sock): udp_cork | null {
  const held = sk.cork as udp_cork | null;
  return held?.pending === true ? held : null;
}

/** udp_sendmsg: one datagram, or a part of a corked one. The bytes taken, or a negative errno. */
export function udp_sendmsg(sk: sock, msg: msghdr, length: number): number {
  const { sk_net: net, kernel } = sk;
  const { mib } = net.ipv4;
  if (length > 0xffff) return -EMSGSIZE;
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const more = sk.opts.udp_corkflag || (msg.flags & MSG_MORE) !== 0;
  const held = pending_cork(sk);
  if (held !== null) return append(sk, held, msg, length, more);
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
  const { fl4, ipc } = net.ipv4.udp;
  const err = ipcm_init_msg(sk, msg, ipc);
  if (err !== 0) return err;
  ipc.gso_size = sk.opts.gso_size;
  const control = msg.msg_control;
  if (control !== null && control.present !== 0) {
    connected = false;
    if ((control.present & CMSG_UDP_SEGMENT) !== 0) ipc.gso_size = control.gso_size & 0xffff;
  }
  const rt = datagram_route(sk, msg, ipc, fl4, daddr, connected, IPPROTO_UDP, dport);
  if (typeof rt === 'number') return rt;
  const too_long = datagram_too_long(sk, ipc, fl4, rt, UDP_HLEN + length);
  if (too_long !== 0) return too_long;
  const ready = sock_wait_for_wmem(sk, msg, (msg.flags & MSG_DONTWAIT) !== 0);
  if (ready !== 0) {
    // SOCK_NOSPACE: nothing was sent for want of room.
    if (ready === -EAGAIN) mib.UdpSndbufErrors++;
    return ready;
  }
  kernel.clock.now += kernel.cost.udp_sendmsg;
  const tp = kernel.trace.udp_sendmsg;
  if (tp !== null) tp(sk, length);
  if (more) return cork(sk, msg, length, rt, dport);
  const skb = ip_make_skb(sk, fl4, msg_getfrag, msg, UDP_HLEN + length, UDP_HLEN, ipc, rt, msg.flags);
  if (typeof skb === 'number') {
    if (skb === -ENOBUFS) mib.UdpSndbufErrors++;
    return skb;
  }
  const sent = udp_send_skb(sk, skb, fl4, dport, inet_sk_mtu(sk, rt), ipc.gso_size);
  return sent < 0 ? sent : length;
}

/** The first part of a datagram that is not to go yet. */
function cork(sk: sock, msg: msghdr, length: number, rt: rtable, dport: number): number {
  const { fl4, ipc } = sk.sk_net.ipv4.udp;
  sk.cork ??= new udp_cork();
  const held = sk.cork as udp_cork;
  held.fl4.init(fl4.daddr, fl4.saddr);
  held.fl4.proto = IPPROTO_UDP;
  held.dport = dport;
  held.mtu = inet_sk_mtu(sk, rt);
  held.gso_size = ipc.gso_size;
  const flags = msg.flags | MSG_MORE;
  const err = ip_append_data(sk, held.cork, msg_getfrag, msg, UDP_HLEN + length, UDP_HLEN, ipc, rt, flags);
  if (err !== 0) {
    ip_flush_pending_frames(held.cork);
    return err;
  }
  held.pending = true;
  return length;
}

/** A further part, and, without MSG_MORE, the end of it. */
function append(sk: sock, held: udp_cork, msg: msghdr, length: number, more: boolean): number {
  const { cork: pending } = held;
  const flags = more ? msg.flags | MSG_MORE : msg.flags;
  const { ipc } = sk.sk_net.ipv4.udp;
  const rt = pending.rt as rtable;
  const err = ip_append_data(sk, pending, msg_getfrag, msg, length, 0, ipc, rt, flags);
  if (err !== 0) {
    // What was held back is lost with it.
    udp_flush_pending_frames(sk);
    return err;
  }
  if (more) return length;
  const sent = udp_push_pending_frames(sk);
  return sent < 0 ? sent : length;
}

/** udp_flush_pending_frames */
export function udp_flush_pending_frames(sk: sock): void {
  const held = pending_cork(sk);
  if (held === null) return;
  held.pending = false;
  ip_flush_pending_frames(held.cork);
}

/** udp_push_pending_frames: what was held back goes, as one datagram. 0 or a negative errno. */
export function udp_push_pending_frames(sk: sock): number {
  const held = pending_cork(sk);
  if (held === null) return 0;
  held.pending = false;
  const skb = __ip_make_skb(sk, held.fl4, held.cork);
  return skb === null ? 0 : udp_send_skb(sk, skb, held.fl4, held.dport, held.mtu, held.gso_size);
}

/** udp_send_skb: header, checksum, and down to IP. Takes the skb, whose data is at its IP header. 0 or a negative errno. */
function udp_send_skb(sk: sock, skb: sk_buff, fl4: flowi4, dport: number, mtu: number, gso_size: number): number {
  const { ram } = skb;
  const uh = skb.transport_header;
  const len = skb.len - (uh - skb.data);
  put16(ram, uh, sk.inet_sport);
  put16(ram, uh + 2, dport);
  put16(ram, uh + 4, len);
  put16(ram, uh + 6, 0);
  const datalen = len - UDP_HLEN;
  if (gso_size !== 0) {
    const err = udp_gso_check(sk, skb, datalen, mtu, gso_size);
    if (err !== 0) {
      kfree_skb_reason(skb, SKB_DROP_REASON.PKT_TOO_BIG);
      return err;
    }
  }
  if (gso_size !== 0 && datalen > gso_size) {
    // Cut further down, by the card or in software: only there can the sums be made.
    skb.gso_size = gso_size;
    skb.gso_type = SKB_GSO_UDP_L4;
    skb.gso_segs = Math.ceil(datalen / gso_size);
    udp4_hwcsum(skb, fl4, len);
  } else if (sk.opts.sk_no_check_tx) {
    skb.ip_summed = CHECKSUM_NONE;
  } else if (skb.ip_summed === CHECKSUM_PARTIAL) {
    udp4_hwcsum(skb, fl4, len);
  } else {
    udp_csum(skb, fl4, len);
  }
  const { mib } = sk.sk_net.ipv4;
  const err = ip_send_skb(sk.sk_net, skb);
  if (err === -ENOBUFS && !sk.opts.recverr) {
    // Lost in a full queue below: the network loses packets too, so nobody is told.
    mib.UdpSndbufErrors++;
    return 0;
  }
  if (err === 0) mib.UdpOutDatagrams++;
  return err;
}

/** What UDP_SEGMENT asks of a send: datagrams that fit the MTU, not too many of them, with checksums. 0 or a negative errno. */
function udp_gso_check(sk: sock, skb: sk_buff, datalen: number, mtu: number, gso_size: number): number {
  const hlen = skb.transport_header - skb.network_header + UDP_HLEN;
  if (hlen + Math.min(datalen, gso_size) > mtu) return -EMSGSIZE;
  if (datalen > gso_size * UDP_MAX_SEGMENTS) return -EINVAL;
  return sk.opts.sk_no_check_tx ? -EINVAL : 0;
}

/** udp4_hwcsum: the card, or whoever sends the packet for it, makes the sum. */
function udp4_hwcsum(skb: sk_buff, fl4: flowi4, len: number): void {
  const uh = skb.transport_header;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = uh;
  skb.csum_offset = 6;
  put_csum(skb.ram, uh + 6, csum_from_partial(csum_tcpudp_nofold(fl4.saddr, fl4.daddr, len, IPPROTO_UDP)));
}

/** udp_csum: the payload was summed when it was copied, each fragment's apart. */
function udp_csum(skb: sk_buff, fl4: flowi4, len: number): void {
  const { ram } = skb;
  const uh = skb.transport_header;
  let sum = csum_from_partial(csum_tcpudp_nofold(fl4.saddr, fl4.daddr, len, IPPROTO_UDP));
  sum += csum_from_partial(csum_partial(ram, uh, UDP_HLEN, 0)) + csum_from_partial(skb.csum);
  for (let frag = skb.frag_list; frag !== null; frag = frag.next) sum += csum_from_partial(frag.csum);
  const csum = csum_fold(sum);
  // RFC 768: a sum of zero is sent as all ones, since zero means that there is none.
  put_csum(ram, uh + 6, csum === 0 ? 0xffff : csum);
  skb.ip_summed = CHECKSUM_NONE;
}
