/** Answers to what a rule rejects (net/ipv4/netfilter/nf_reject_ipv4.c, ipt_REJECT.c). */

import { EINVAL } from '../../../errno.ts';
import { csum_fold, csum_partial, csum_tcpudp_nofold, put_csum } from '../../../lib/checksum.ts';
import type { net } from '../../core/net_namespace.ts';
import {
  alloc_skb,
  kfree_skb_reason,
  MAX_HEADER,
  SKB_DROP_REASON,
  type sk_buff,
  skb_headlen,
  skb_put,
  skb_reserve,
} from '../../core/skbuff.ts';
import { NF_DROP, NFPROTO_IPV4, nf_ct_attach } from '../../netfilter/core.ts';
import { nf_ct_set_closing, nf_ip_checksum } from '../../netfilter/nf_conntrack_core.ts';
import type { xt_target } from '../../netfilter/x_tables.ts';
import { ICMP_DEST_UNREACH, icmp_send } from '../icmp.ts';
import {
  get16,
  get32,
  IP_DF,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ip_is_fragment,
  iph_daddr,
  iph_frag_off,
  iph_ihl,
  iph_protocol,
  iph_saddr,
  put16,
  put32,
} from '../ip_header.ts';
import { IP4_REPLY_MARK, ip_local_out } from '../ip_output.ts';
import { ip_route_input, RTCF_BROADCAST, RTCF_MULTICAST, type rtable } from '../route.ts';
import { ip_route_me_harder } from './ip_route_me_harder.ts';

/** What a rule says: an ICMP code of "destination unreachable", or a reset. */
export interface ipt_reject_info {
  readonly with: number | 'tcp-reset';
}

const TCPHDR = 20;
const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 0x10;

/** nf_send_unreach: not for later fragments, nor for what is broken. Does not take the skb. */
export function nf_send_unreach(skb: sk_buff, code: number): void {
  if ((iph_frag_off(skb) & 0x1fff) !== 0) return;
  if (skb.dst === null && !fill_dst(skb)) return;
  const protocol = iph_protocol(skb);
  const checked = protocol === IPPROTO_TCP || protocol === IPPROTO_UDP || protocol === IPPROTO_ICMP;
  if (checked && !ip_is_fragment(skb) && !nf_ip_checksum(skb, protocol)) return;
  icmp_send(skb, ICMP_DEST_UNREACH, code, 0);
}

/** nf_reject_fill_skb_dst: a packet that was not routed yet has to be for the answer's sake. */
function fill_dst(skb: sk_buff): boolean {
  if (skb.dev === null) return false;
  return ip_route_input(skb, iph_daddr(skb), iph_saddr(skb), 0, skb.dev) === 0 && skb.dst !== null;
}

/** nf_send_reset: the reset that the packet's receiver would have sent (RFC 9293 3.10.7.1). Does not take the skb. */
export function nf_send_reset(net: net, old: sk_buff): void {
  if (ip_is_fragment(old) || iph_protocol(old) !== IPPROTO_TCP) return;
  const thoff = iph_ihl(old) * 4;
  const th = old.network_header + thoff;
  if (thoff + TCPHDR > skb_headlen(old)) return;
  const { ram } = old;
  const flags = ram.u8[th + 13] as number;
  if ((flags & RST) !== 0 || !nf_ip_checksum(old, IPPROTO_TCP)) return;
  if (old.dst === null && !fill_dst(old)) return;
  // What was sent to all is nobody's to reset.
  if (((old.dst as rtable).rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0) return;
  const skb = alloc_skb(net.kernel, MAX_HEADER + 20 + TCPHDR);
  if (skb === null) return;
  skb.parent = old.id;
  skb.mark = IP4_REPLY_MARK(net, old.mark);
  skb_reserve(skb, MAX_HEADER);
  const at = skb_put(skb, 20 + TCPHDR);
  skb.network_header = at;
  skb.transport_header = at + 20;
  const { u8 } = ram;
  u8.fill(0, at, at + 20 + TCPHDR);
  const saddr = iph_daddr(old);
  const daddr = iph_saddr(old);
  u8[at] = 0x45;
  put16(ram, at + 2, 40);
  put16(ram, at + 6, IP_DF);
  u8[at + 8] = net.ipv4.ip_default_ttl;
  u8[at + 9] = IPPROTO_TCP;
  put32(ram, at + 12, saddr);
  put32(ram, at + 16, daddr);
  const rh = at + 20;
  put16(ram, rh, get16(ram, th + 2));
  put16(ram, rh + 2, get16(ram, th));
  u8[rh + 12] = 5 << 4;
  if ((flags & ACK) !== 0) {
    put32(ram, rh + 4, get32(ram, th + 8));
    u8[rh + 13] = RST;
  } else {
    const data = old.len - thoff - ((u8[th + 12] as number) >> 4) * 4;
    const length = data + ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0);
    put32(ram, rh + 8, get32(ram, th + 4) + length);
    u8[rh + 13] = RST | ACK;
  }
  const sum = csum_tcpudp_nofold(saddr, daddr, TCPHDR, IPPROTO_TCP);
  put_csum(ram, rh + 16, csum_fold(csum_partial(ram, rh, TCPHDR, sum)));
  if (ip_route_me_harder(net, skb) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON.IP_OUTNOROUTES);
    return;
  }
  nf_ct_attach(skb, old);
  nf_ct_set_closing(old);
  ip_local_out(net, skb);
}

export const ipt_reject: xt_target = {
  name: 'REJECT',
  family: NFPROTO_IPV4,
  table: 'filter',
  hooks: 0b01110,
  checkentry(data, check) {
    if ((data as ipt_reject_info).with !== 'tcp-reset') return 0;
    return check.proto === IPPROTO_TCP && !check.invproto ? 0 : -EINVAL;
  },
  target(skb, data, par) {
    const kind = (data as ipt_reject_info).with;
    if (kind === 'tcp-reset') nf_send_reset(par.state.net, skb);
    else nf_send_unreach(skb, kind);
    return NF_DROP;
  },
};
