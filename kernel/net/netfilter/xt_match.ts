/**
 * Matches on what a packet itself says: transport headers, marks, types, lengths, chance (net/netfilter/xt_tcpudp.c,
 * xt_multiport.c, xt_mark.c, xt_limit.c, xt_statistic.c, xt_mac.c, xt_length.c, xt_pkttype.c, xt_comment.c, xt_physdev.c;
 * net/ipv4/netfilter: icmp, xt_ttl).
 */
import { EINVAL, ERANGE } from '../../errno.ts';
import { HZ } from '../../time/timer.ts';
import { ARPHRD_ETHER } from '../core/netdevice.ts';
import { PACKET_LOOPBACK, PACKET_MULTICAST, type sk_buff, skb_headlen } from '../core/skbuff.ts';
import { inet_addr_type, inet_addr_type_dev } from '../ipv4/fib.ts';
import {
  get16,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  iph_daddr,
  iph_saddr,
  iph_ttl,
  ipv4_is_multicast,
} from '../ipv4/ip_header.ts';
import { NF_INET_FORWARD, NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NFPROTO_IPV4, NFPROTO_UNSPEC } from './core.ts';
import { type xt_action_param, xt_ifname_match, type xt_match, xt_short } from './x_tables.ts';

/** The transport header's address when `length` bytes of it are there; -1, and hotdrop, when not. */
function header(skb: sk_buff, par: xt_action_param, length: number): number {
  if (par.thoff + length > skb_headlen(skb)) {
    xt_short(par);
    return -1;
  }
  return skb.data + par.thoff;
}

/** Ports as [first, last]. */
export type xt_range = readonly [number, number];

export interface xt_tcp {
  readonly spts: xt_range;
  readonly dpts: xt_range;
  readonly option: number;
  readonly flg_mask: number;
  readonly flg_cmp: number;
  /** 1: source ports, 2: destination ports, 4: flags, 8: option negated. */
  readonly invflags: number;
}

const within = (port: number, range: xt_range, invert: boolean): boolean =>
  (port >= range[0] && port <= range[1]) !== invert;

const tcp: xt_match = {
  name: 'tcp',
  family: NFPROTO_UNSPEC,
  proto: IPPROTO_TCP,
  checkentry: info => (((info as xt_tcp).invflags & ~15) !== 0 ? -EINVAL : 0),
  match(skb, data, par) {
    const info = data as xt_tcp;
    if (par.fragoff !== 0) {
      // A fragment that would overwrite a header's flags is an attack (RFC 1858).
      if (par.fragoff === 1) par.hotdrop = true;
      return false;
    }
    const th = header(skb, par, 20);
    if (th < 0) return false;
    const { ram } = skb;
    if (!within(get16(ram, th), info.spts, (info.invflags & 1) !== 0)) return false;
    if (!within(get16(ram, th + 2), info.dpts, (info.invflags & 2) !== 0)) return false;
    const flags = ram.u8[th + 13] as number;
    if (((flags & info.flg_mask) === info.flg_cmp) === ((info.invflags & 4) !== 0)) return false;
    if (info.option === 0) return true;
    const doff = ((ram.u8[th + 12] as number) >> 4) * 4;
    if (doff < 20 || header(skb, par, doff) < 0) {
      par.hotdrop = true;
      return false;
    }
    return tcp_find_option(skb, th, doff, info.option) !== ((info.invflags & 8) !== 0);
  },
};

function tcp_find_option(skb: sk_buff, th: number, doff: number, option: number): boolean {
  const { u8 } = skb.ram;
  for (let at = th + 20; at < th + doff; ) {
    if (u8[at] === option) return true;
    at += (u8[at] as number) < 2 ? 1 : Math.max(1, u8[at + 1] as number);
  }
  return false;
}

export interface xt_udp {
  readonly spts: xt_range;
  readonly dpts: xt_range;
  readonly invflags: number;
}

const udp: xt_match = {
  name: 'udp',
  family: NFPROTO_UNSPEC,
  proto: IPPROTO_UDP,
  match(skb, data, par) {
    const info = data as xt_udp;
    if (par.fragoff !== 0) return false;
    const uh = header(skb, par, 8);
    if (uh < 0) return false;
    return (
      within(get16(skb.ram, uh), info.spts, (info.invflags & 1) !== 0) &&
      within(get16(skb.ram, uh + 2), info.dpts, (info.invflags & 2) !== 0)
    );
  },
};

/** type 255: any. */
export interface ipt_icmp {
  readonly type: number;
  readonly code: xt_range;
  readonly invert: boolean;
}

const icmp: xt_match = {
  name: 'icmp',
  family: NFPROTO_IPV4,
  proto: IPPROTO_ICMP,
  match(skb, data, par) {
    const info = data as ipt_icmp;
    if (par.fragoff !== 0) return false;
    const ic = header(skb, par, 8);
    if (ic < 0) return false;
    const { u8 } = skb.ram;
    const fits = info.type === 0xff || (u8[ic] === info.type && within(u8[ic + 1] as number, info.code, false));
    return fits !== info.invert;
  },
};

export interface xt_multiport {
  readonly which: 'source' | 'destination' | 'either';
  readonly ports: readonly xt_range[];
  readonly invert: boolean;
}

const multiport: xt_match = {
  name: 'multiport',
  family: NFPROTO_UNSPEC,
  checkentry(data, check) {
    const { ports } = data as xt_multiport;
    const has = [IPPROTO_TCP, IPPROTO_UDP, 33, 132, 136].includes(check.proto) && !check.invproto;
    // A range takes two of the fifteen places.
    const places = ports.reduce((sum, [first, last]) => sum + (first === last ? 1 : 2), 0);
    return has && places > 0 && places <= 15 ? 0 : -EINVAL;
  },
  match(skb, data, par) {
    const info = data as xt_multiport;
    if (par.fragoff !== 0) return false;
    const th = header(skb, par, 4);
    if (th < 0) return false;
    const sport = get16(skb.ram, th);
    const dport = get16(skb.ram, th + 2);
    const { ports, which } = info;
    for (let i = 0; i < ports.length; i++) {
      const range = ports[i] as xt_range;
      if (which !== 'destination' && within(sport, range, false)) return !info.invert;
      if (which !== 'source' && within(dport, range, false)) return !info.invert;
    }
    return info.invert;
  },
};

export interface xt_mark {
  readonly mark: number;
  readonly mask: number;
  readonly invert: boolean;
}

const mark: xt_match = {
  name: 'mark',
  family: NFPROTO_UNSPEC,
  match(skb, data) {
    const info = data as xt_mark;
    return ((skb.mark & info.mask) === (info.mark | 0)) !== info.invert;
  },
};

const connmark: xt_match = {
  name: 'connmark',
  family: NFPROTO_UNSPEC,
  match(skb, data) {
    const info = data as xt_mark;
    if (skb._nfct === null) return false;
    return ((skb._nfct.mark & info.mask) === (info.mark | 0)) !== info.invert;
  },
};

/** `avg`: ten-thousandths of a second between packets; the rest is the rule's own account. */
export interface xt_rateinfo {
  readonly avg: number;
  readonly burst: number;
  prev?: number;
  credit?: number;
  credit_cap?: number;
  cost?: number;
}

const XT_LIMIT_SCALE = 10000;
/** MAX_CPJ is 2^32 - 1 through the jiffies of a day; credits per jiffy are the power of two below. */
const CREDITS_PER_JIFFY = 2 ** Math.floor(Math.log2(0xffffffff / (HZ * 60 * 60 * 24)));

/** user2credits, in 32 bits: what is more wraps round. */
function user2credits(user: number): number {
  if (user > 0xffffffff / (HZ * CREDITS_PER_JIFFY)) {
    return (Math.floor(user / XT_LIMIT_SCALE) * HZ * CREDITS_PER_JIFFY) >>> 0;
  }
  return Math.floor((user * HZ * CREDITS_PER_JIFFY) / XT_LIMIT_SCALE);
}

const limit: xt_match = {
  name: 'limit',
  family: NFPROTO_UNSPEC,
  checkentry(data, check) {
    const info = data as xt_rateinfo;
    const most = user2credits((info.avg * info.burst) >>> 0);
    if (info.burst === 0 || most < user2credits(info.avg)) return -ERANGE;
    // A table that is loaded again gives its rules their credit anew, as Linux does when it replaces one.
    info.prev = check.net.kernel.timers.jiffies();
    info.credit = most;
    info.credit_cap = info.credit;
    info.cost = user2credits(info.avg);
    return 0;
  },
  match(skb, data) {
    const info = data as Required<xt_rateinfo>;
    const now = skb.kernel.timers.jiffies();
    const credit = Math.min(info.credit_cap, info.credit + (now - info.prev) * CREDITS_PER_JIFFY);
    info.prev = now;
    if (credit < info.cost) {
      info.credit = credit;
      return false;
    }
    info.credit = credit - info.cost;
    return true;
  },
};

/** `probability` in 2^-31ths, or every `every`-th packet from the `packet`-th on. */
export interface xt_statistic {
  readonly mode: 'random' | 'nth';
  readonly probability: number;
  readonly every: number;
  readonly packet: number;
  readonly invert: boolean;
  count?: number;
  random?: { u32(): number };
}

const statistic: xt_match = {
  name: 'statistic',
  family: NFPROTO_UNSPEC,
  checkentry(data, check) {
    const info = data as xt_statistic;
    info.count = info.every - 1 - info.packet;
    info.random = check.net.kernel.arch.random('xt_statistic');
    return 0;
  },
  match(_skb, data) {
    const info = data as Required<xt_statistic>;
    if (info.mode === 'random') return info.random.u32() >>> 1 < info.probability !== info.invert;
    info.count = info.count + 1 >= info.every ? 0 : info.count + 1;
    return (info.count === 0) !== info.invert;
  },
};

export interface xt_mac {
  readonly source: Uint8Array;
  readonly invert: boolean;
}

const mac: xt_match = {
  name: 'mac',
  family: NFPROTO_UNSPEC,
  hooks: 0b00111,
  match(skb, data) {
    const info = data as xt_mac;
    if (skb.dev === null || skb.dev.type !== ARPHRD_ETHER || skb.mac_header === 0) return false;
    if (skb.mac_header + 14 > skb.data) return false;
    let same = true;
    for (let i = 0; i < 6; i++) same = same && skb.ram.u8[skb.mac_header + 6 + i] === info.source[i];
    return same !== info.invert;
  },
};

export interface xt_length {
  readonly min: number;
  readonly max: number;
  readonly invert: boolean;
}

const length: xt_match = {
  name: 'length',
  family: NFPROTO_UNSPEC,
  match(skb, data) {
    const info = data as xt_length;
    return (skb.len >= info.min && skb.len <= info.max) !== info.invert;
  },
};

export interface ipt_ttl {
  readonly mode: 'eq' | 'ne' | 'lt' | 'gt';
  readonly ttl: number;
}

const ttl: xt_match = {
  name: 'ttl',
  family: NFPROTO_IPV4,
  match(skb, data) {
    const info = data as ipt_ttl;
    const has = iph_ttl(skb);
    if (info.mode === 'eq') return has === info.ttl;
    if (info.mode === 'ne') return has !== info.ttl;
    return info.mode === 'lt' ? has < info.ttl : has > info.ttl;
  },
};

export interface xt_pkttype {
  readonly pkttype: number;
  readonly invert: boolean;
}

const pkttype: xt_match = {
  name: 'pkttype',
  family: NFPROTO_UNSPEC,
  match(skb, data) {
    const info = data as xt_pkttype;
    let type = skb.pkt_type;
    // What comes back to us of what we sent: by its address.
    if (type === PACKET_LOOPBACK) type = ipv4_is_multicast(iph_daddr(skb)) ? PACKET_MULTICAST : 1;
    return (type === info.pkttype) !== info.invert;
  },
};

const comment: xt_match = { name: 'comment', family: NFPROTO_UNSPEC, match: () => true };

/** Sets of address types as masks: 1 << RTN_*. */
export interface xt_addrtype {
  readonly source: number;
  readonly dest: number;
  readonly invert_source: boolean;
  readonly invert_dest: boolean;
  readonly limit_iface_in: boolean;
  readonly limit_iface_out: boolean;
}

const addrtype: xt_match = {
  name: 'addrtype',
  family: NFPROTO_IPV4,
  checkentry(data, check) {
    const info = data as xt_addrtype;
    if (info.limit_iface_in && info.limit_iface_out) return -EINVAL;
    if (info.limit_iface_in && (check.hook_mask & ((1 << NF_INET_POST_ROUTING) | (1 << NF_INET_LOCAL_OUT))) !== 0)
      return -EINVAL;
    if (info.limit_iface_out && (check.hook_mask & 0b00011) !== 0) return -EINVAL;
    return 0;
  },
  match(skb, data, par) {
    const info = data as xt_addrtype;
    const { net } = par.state;
    const dev = info.limit_iface_in ? par.state.in : info.limit_iface_out ? par.state.out : null;
    if (info.source !== 0) {
      const addr = iph_saddr(skb);
      const type = dev === null ? inet_addr_type(net, addr) : inet_addr_type_dev(net, dev, addr);
      if (((info.source & (1 << type)) !== 0) === info.invert_source) return false;
    }
    if (info.dest !== 0) {
      const addr = iph_daddr(skb);
      const type = dev === null ? inet_addr_type(net, addr) : inet_addr_type_dev(net, dev, addr);
      if (((info.dest & (1 << type)) !== 0) === info.invert_dest) return false;
    }
    return true;
  },
};

/** Ports of a bridge; a name that ends in '+' is a prefix, '' says nothing. */
export interface xt_physdev {
  readonly physindev: string;
  readonly physoutdev: string;
  readonly invert_in: boolean;
  readonly invert_out: boolean;
  /** null: not asked; else whether it must, or must not, be so. */
  readonly is_in: boolean | null;
  readonly is_out: boolean | null;
  readonly is_bridged: boolean | null;
}

const named = (name: string, dev: Parameters<typeof xt_ifname_match>[0]): boolean =>
  name.endsWith('+') ? xt_ifname_match(dev, name.slice(0, -1), true) : xt_ifname_match(dev, name, false);

const physdev: xt_match = {
  name: 'physdev',
  family: NFPROTO_UNSPEC,
  checkentry(data, check) {
    const info = data as xt_physdev;
    // By which port it leaves is known of bridged packets only; what this host sends is none yet.
    const asks_out = info.physoutdev !== '' || info.is_out !== null;
    return asks_out && info.is_bridged !== true && (check.hook_mask & (1 << NF_INET_LOCAL_OUT)) !== 0 ? -EINVAL : 0;
  },
  match(skb, data, par) {
    const info = data as xt_physdev;
    const bridged = skb.nf_bridge !== 0;
    const indev = bridged ? skb.physindev : null;
    const outdev = bridged ? skb.physoutdev : null;
    const forwarded = bridged && (par.state.hook === NF_INET_FORWARD || par.state.hook === NF_INET_POST_ROUTING);
    if (info.is_bridged !== null && info.is_bridged !== (forwarded && outdev !== null)) return false;
    if (info.is_in !== null && info.is_in !== (indev !== null)) return false;
    if (info.is_out !== null && info.is_out !== (outdev !== null)) return false;
    if (info.physindev !== '' && named(info.physindev, indev) === info.invert_in) return false;
    return info.physoutdev === '' || named(info.physoutdev, outdev) !== info.invert_out;
  },
};

export const xt_matches: readonly xt_match[] = [
  tcp,
  udp,
  icmp,
  multiport,
  mark,
  connmark,
  limit,
  statistic,
  mac,
  length,
  ttl,
  pkttype,
  comment,
  addrtype,
  physdev,
];
