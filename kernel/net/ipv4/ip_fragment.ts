/**
 * Reassembly of IPv4 datagrams (RFC 791 3.2, RFC 815; net/ipv4/ip_fragment.c). What overlaps is thrown away with the
 * whole datagram (RFC 5722's rule, which Linux follows for IPv4 too); what has come before is dropped alone.
 */
import { EINPROGRESS, EINVAL, ENOMEM, ETIMEDOUT } from '../../errno.ts';
import { HZ } from '../../time/timer.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import {
  CHECKSUM_NONE,
  CHECKSUM_UNNECESSARY,
  kfree_skb_reason,
  pskb_may_pull,
  SKB_DROP_REASON,
  type sk_buff,
  skb_linearize,
  skb_orphan,
  skb_pull,
} from '../core/skbuff.ts';
import { ICMP_EXC_FRAGTIME, ICMP_TIME_EXCEEDED, icmp_is_err, icmp_send } from './icmp.ts';
import {
  fqdir,
  INET_FRAG_FIRST_IN,
  INET_FRAG_LAST_IN,
  IPFRAG_DUP,
  IPFRAG_OK,
  inet_frag_pull_head,
  type inet_frag_queue,
  inet_frag_queue_insert,
  inet_frag_reasm,
} from './inet_fragment.ts';
import {
  IPCB_flags,
  IPCB_set_flags,
  IPCB_set_frag_max_size,
  IPSKB_FRAG_COMPLETE,
  IPSKB_FRAG_PMTU,
} from './inet_skb_parm.ts';
import {
  IP_DF,
  IP_MF,
  IP_OFFSET,
  IPHDR_LEN,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  inet_ntoa,
  iph_daddr,
  iph_frag_off,
  iph_id,
  iph_ihl,
  iph_protocol,
  iph_saddr,
  iph_tos,
  put16,
} from './ip_header.ts';
import { pskb_trim_rcsum } from './ip_input.ts';
import { ip_send_check } from './ip_output.ts';
import { ip_route_input, RTN_LOCAL, type rtable } from './route.ts';

/** Who wants the datagram whole (enum ip_defrag_users): fragments of different users never meet. */
export const IP_DEFRAG_LOCAL_DELIVER = 0;
export const IP_DEFRAG_CALL_RA_CHAIN = 1;
/** Plus the zone, up to 65535. */
export const IP_DEFRAG_CONNTRACK_IN = 2;
export const IP_DEFRAG_CONNTRACK_OUT = IP_DEFRAG_CONNTRACK_IN + 0x10000;
export const IP_DEFRAG_CONNTRACK_BRIDGE_IN = IP_DEFRAG_CONNTRACK_OUT + 0x10000;
export const IP_DEFRAG_VS_IN = IP_DEFRAG_CONNTRACK_BRIDGE_IN + 0x10000;
export const IP_DEFRAG_VS_OUT = IP_DEFRAG_VS_IN + 1;
export const IP_DEFRAG_VS_FWD = IP_DEFRAG_VS_IN + 2;
export const IP_DEFRAG_AF_PACKET = IP_DEFRAG_VS_IN + 3;
export const IP_DEFRAG_MACVLAN = IP_DEFRAG_VS_IN + 4;

/** IP_FRAG_TIME: how long the rest of a datagram is waited for. RFC 1122 3.3.2 wants 60 to 120 s; Linux takes 30. */
const IP_FRAG_TIME = 30 * HZ;

/** TCP's header without options; what anybody looks at of the others'; an ICMP error's with the ports that it quotes. */
const TCP_HLEN = 20;
const MIN_TRANSPORT_HEADER = 8;
const ICMP_ERROR_HEADER = 8 + IPHDR_LEN + 8;

const IPFRAG_ECN_NOT_ECT = 1;
const IPFRAG_ECN_ECT_1 = 2;
const IPFRAG_ECN_ECT_0 = 4;
const IPFRAG_ECN_CE = 8;
const INET_ECN_CE = 3;
const ECN_INVALID = 0xff;

/** ip_frag_ecn_table (RFC 3168 5.3): by the values seen, what the datagram's gets; ECN_INVALID: they cannot be one's. */
const ip_frag_ecn_table = new Uint8Array(16);
for (let seen = 0; seen < 16; seen++) {
  const ect = (seen & (IPFRAG_ECN_ECT_0 | IPFRAG_ECN_ECT_1)) !== 0;
  const ce = (seen & IPFRAG_ECN_CE) !== 0;
  if ((seen & IPFRAG_ECN_NOT_ECT) !== 0) ip_frag_ecn_table[seen] = ect || ce ? ECN_INVALID : 0;
  else ip_frag_ecn_table[seen] = ect && ce ? INET_ECN_CE : 0;
}

/** ipfrag_init */
export function ipfrag_init(net: net): void {
  net.ipv4.fqdir = new fqdir(net, 'ipfrag', IP_FRAG_TIME, ip_expire);
  net.pernet_exit.push(() => net.ipv4.fqdir.exit());
}

/** The FRAG line of /proc/net/sockstat. */
export function sockstat_frag(net: net): string {
  const { nqueues, mem } = net.ipv4.fqdir;
  return `FRAG: inuse ${nqueues} memory ${mem}\n`;
}

/** frag_expire_skip_icmp: only an end host says that reassembly took too long (RFC 792). */
function frag_expire_skip_icmp(user: number): boolean {
  return (
    user === IP_DEFRAG_AF_PACKET ||
    (user >= IP_DEFRAG_CONNTRACK_IN && user < IP_DEFRAG_CONNTRACK_OUT) ||
    (user >= IP_DEFRAG_CONNTRACK_BRIDGE_IN && user < IP_DEFRAG_VS_IN)
  );
}

/** ip_expire: the rest did not come in time. */
function ip_expire(q: inet_frag_queue): void {
  const { fqdir: dir } = q;
  const { net } = dir;
  const { mib } = net.ipv4;
  mib.IpReasmFails++;
  mib.IpReasmTimeout++;
  // With the first fragment there is a header to tell its sender of.
  const head = (q.flags & INET_FRAG_FIRST_IN) !== 0 ? inet_frag_pull_head(q) : null;
  const { iif, user } = q;
  dir.kill(q, SKB_DROP_REASON.FRAG_REASM_TIMEOUT);
  if (head === null) return;
  const dev = net.dev_get_by_index(iif);
  let reason: number = SKB_DROP_REASON.FRAG_REASM_TIMEOUT;
  if (dev !== null) {
    head.dev = dev;
    const refused = ip_route_input(head, iph_daddr(head), iph_saddr(head), iph_tos(head), dev);
    if (refused !== 0) reason = refused;
    else if (!frag_expire_skip_icmp(user) || (head.dst as rtable).rt_type === RTN_LOCAL)
      icmp_send(head, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
  }
  kfree_skb_reason(head, reason);
}

/**
 * ip_defrag: a fragment, `data` at its IP header. Takes it, unless the result is 0: then it was the last one missing,
 * and `skb` has become the whole datagram, further fragments in its frag_list, with its dst and dev as they were.
 * @param user IP_DEFRAG_
 * @returns 0, -EINPROGRESS (it waits for others), or another negative errno (it was dropped)
 */
export function ip_defrag(net: net, skb: sk_buff, user: number): number {
  const { kernel } = net;
  kernel.clock.now += kernel.cost.ip_defrag;
  const { mib, fqdir: dir, peers } = net.ipv4;
  mib.IpReasmReqds++;
  if (skb.destructor !== null) skb_orphan(skb);
  const saddr = iph_saddr(skb);
  const q = dir.find(saddr, iph_daddr(skb), (iph_id(skb) << 8) | iph_protocol(skb), user, 0);
  if (q === null) {
    mib.IpReasmFails++;
    kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
    return -ENOMEM;
  }
  if (q.fragments_tail === null && q.peer === null && dir.max_dist !== 0) {
    // ip4_frag_init
    q.peer = peers.get(saddr);
    if (q.peer !== null) q.peer.refcnt++;
    q.rid = 0;
  }
  return ip_frag_queue(net, q, skb);
}

/** ip_frag_too_far: have so many other fragments of the peer come since, that this cannot be the same datagram? */
function ip_frag_too_far(q: inet_frag_queue): boolean {
  const { peer } = q;
  const max = q.fqdir.max_dist;
  if (peer === null || max === 0) return false;
  const start = q.rid;
  peer.rid = (peer.rid + 1) >>> 0;
  q.rid = peer.rid;
  return q.fragments_tail !== null && (q.rid - start) >>> 0 > max;
}

/** ip_frag_reinit: the identification has come round: begin anew. 0, or -ETIMEDOUT when its time is up anyway. */
function ip_frag_reinit(q: inet_frag_queue): number {
  const { fqdir: dir } = q;
  if (!q.timer.mod(dir.net.kernel.timers.jiffies() + dir.timeout)) return -ETIMEDOUT;
  dir.purge(q, SKB_DROP_REASON.FRAG_TOO_FAR);
  q.reset();
  return 0;
}

/** ip_frag_queue: takes the skb unless it returns 0. */
function ip_frag_queue(net: net, q: inet_frag_queue, skb: sk_buff): number {
  const { fqdir: dir } = q;
  const { mib } = net.ipv4;
  if ((IPCB_flags(skb) & IPSKB_FRAG_COMPLETE) === 0 && ip_frag_too_far(q)) {
    mib.IpReasmFails++;
    const err = ip_frag_reinit(q);
    if (err !== 0) {
      dir.kill(q, SKB_DROP_REASON.FRAG_TOO_FAR);
      kfree_skb_reason(skb, SKB_DROP_REASON.FRAG_TOO_FAR);
      return err;
    }
  }
  const ihl = iph_ihl(skb) * 4;
  const frag_off = iph_frag_off(skb);
  const offset = (frag_off & IP_OFFSET) << 3;
  let end = offset + skb.len - ihl;
  if ((frag_off & IP_MF) === 0) {
    // The last one: nothing may lie beyond its end, and there is one end only.
    if (end < q.len || ((q.flags & INET_FRAG_LAST_IN) !== 0 && end !== q.len))
      return discard(q, skb, -EINVAL, SKB_DROP_REASON.IP_INHDR);
    q.flags |= INET_FRAG_LAST_IN;
    q.len = end;
  } else {
    if ((end & 7) !== 0) {
      end &= ~7;
      if (skb.ip_summed !== CHECKSUM_UNNECESSARY) skb.ip_summed = CHECKSUM_NONE;
    }
    if (end > q.len) {
      if ((q.flags & INET_FRAG_LAST_IN) !== 0) return discard(q, skb, -EINVAL, SKB_DROP_REASON.IP_INHDR);
      q.len = end;
    }
  }
  if (end === offset) return discard(q, skb, -EINVAL, SKB_DROP_REASON.PKT_TOO_SMALL);
  // A fragment is one piece; what is merged (GRO) never is a fragment.
  if (skb.frag_list !== null && skb_linearize(skb) !== 0) return discard(q, skb, -ENOMEM, SKB_DROP_REASON.NOMEM);
  if (!skb_pull(skb, ihl)) return discard(q, skb, -ENOMEM, SKB_DROP_REASON.NOMEM);
  if (skb.len > end - offset) pskb_trim_rcsum(skb, end - offset);
  const { dev, dst } = skb;
  const placed = inet_frag_queue_insert(q, skb, offset, end);
  if (placed === IPFRAG_DUP) {
    kfree_skb_reason(skb, SKB_DROP_REASON.DUP_FRAG);
    return -EINVAL;
  }
  if (placed !== IPFRAG_OK) {
    mib.IpExtReasmOverlaps++;
    return discard(q, skb, -EINVAL, SKB_DROP_REASON.DUP_FRAG);
  }
  const tp = skb.kernel.trace.ip_frag_queue;
  if (tp !== null) tp(skb, offset);
  if (dev !== null) q.iif = dev.ifindex;
  q.stamp = skb.tstamp;
  q.meat += skb.len;
  q.ecn |= 1 << (iph_tos(skb) & 3);
  q.truesize += skb.truesize;
  dir.mem += skb.truesize;
  if (offset === 0) q.flags |= INET_FRAG_FIRST_IN;
  const size = skb.len + ihl;
  if (size > q.max_size) q.max_size = size;
  if ((frag_off & IP_DF) !== 0 && size > q.max_df_size) q.max_df_size = size;
  skb.dst = null;
  skb.dev = null;
  if ((q.flags & (INET_FRAG_FIRST_IN | INET_FRAG_LAST_IN)) !== (INET_FRAG_FIRST_IN | INET_FRAG_LAST_IN))
    return -EINPROGRESS;
  if (q.meat !== q.len) return -EINPROGRESS;
  const reason = ip_frag_reasm(net, q, skb, dev);
  if (reason === 0) {
    skb.dst = dst;
    dir.kill(q, SKB_DROP_REASON.CONSUMED);
    return 0;
  }
  // The queue holds the packet that came last, too.
  mib.IpReasmFails++;
  dir.kill(q, reason);
  return reason === SKB_DROP_REASON.NOMEM ? -ENOMEM : -EINVAL;
}

/** The datagram cannot be right: it goes, with all that has come of it. Linux gives no reason; here there is one. */
function discard(q: inet_frag_queue, skb: sk_buff, err: number, reason: number): number {
  const { fqdir: dir } = q;
  dir.kill(q, reason);
  dir.net.ipv4.mib.IpReasmFails++;
  kfree_skb_reason(skb, reason);
  return err;
}

/**
 * Whoever looks at the packet next finds the transport's header in one piece, however small the fragments are; where that
 * is so already they stay as they are, and may go on like that. Without memory it is taken for a packet that is too short.
 */
function pull_transport_header(skb: sk_buff): void {
  const at = iph_ihl(skb) * 4;
  const protocol = iph_protocol(skb);
  const least = protocol === IPPROTO_TCP ? TCP_HLEN : MIN_TRANSPORT_HEADER;
  if (!pskb_may_pull(skb, Math.min(skb.len, at + least)) || skb.len < at + least) return;
  const { u8 } = skb.ram;
  const th = skb.network_header + at;
  if (protocol === IPPROTO_TCP) {
    pskb_may_pull(skb, Math.min(skb.len, at + ((u8[th + 12] as number) >> 4) * 4));
  } else if (protocol === IPPROTO_ICMP && icmp_is_err(u8[th] as number)) {
    pskb_may_pull(skb, Math.min(skb.len, at + ICMP_ERROR_HEADER));
  }
}

/** ip_frag_reasm: all is there. 0: `skb` is the datagram; else why it cannot be, and the queue still holds all. */
function ip_frag_reasm(net: net, q: inet_frag_queue, skb: sk_buff, dev: net_device | null): number {
  const ecn = ip_frag_ecn_table[q.ecn] as number;
  if (ecn === ECN_INVALID) return SKB_DROP_REASON.IP_INHDR;
  const len = iph_ihl(q.runs[0] as sk_buff) * 4 + q.len;
  if (len > 0xffff) {
    net.kernel.printk(`Oversized IP packet from ${inet_ntoa(q.saddr)}`);
    return SKB_DROP_REASON.PKT_TOO_BIG;
  }
  if (!inet_frag_reasm(q, skb)) return SKB_DROP_REASON.NOMEM;
  pull_transport_header(skb);
  const { ram } = skb;
  const at = skb.network_header;
  skb.dev = dev;
  IPCB_set_frag_max_size(skb, Math.max(q.max_df_size, q.max_size));
  put16(ram, at + 2, len);
  ram.u8[at + 1] = (ram.u8[at + 1] as number) | ecn;
  // The largest fragment had DF: whoever sends the datagram on fragments it again, to that size, with DF.
  const pmtu = q.max_df_size === q.max_size;
  if (pmtu) IPCB_set_flags(skb, IPSKB_FRAG_PMTU);
  put16(ram, at + 6, pmtu ? IP_DF : 0);
  ip_send_check(skb);
  net.ipv4.mib.IpReasmOKs++;
  const tp = skb.kernel.trace.ip_frag_reasm;
  if (tp !== null) tp(skb);
  return 0;
}
