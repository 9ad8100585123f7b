/** Matches and targets that need connection tracking (xt_state.c, xt_conntrack.c, xt_connmark.c, xt_CT.c, xt_nat.c, xt_MASQUERADE.c, xt_REDIRECT.c). */
import { EINVAL } from '../../errno.ts';
import { HZ } from '../../time/timer.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { inet_select_addr } from '../ipv4/devinet.ts';
import { RT_SCOPE_UNIVERSE } from '../ipv4/fib.ts';
import { INADDR_LOOPBACK, iph_daddr } from '../ipv4/ip_header.ts';
import { rt_nexthop, type rtable } from '../ipv4/route.ts';
import { NF_ACCEPT, NF_DROP, NF_INET_LOCAL_OUT, NFPROTO_IPV4, NFPROTO_UNSPEC } from './core.ts';
import {
  CTINFO2DIR,
  IP_CT_IS_REPLY,
  IP_CT_UNTRACKED,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DST_NAT,
  IPS_EXPECTED,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
  T_DST,
  T_PORTS,
  T_SRC,
} from './nf_conntrack.ts';
import { nf_ct_netns_get, nf_ct_netns_put } from './nf_conntrack_standalone.ts';
import {
  NF_NAT_MANIP_DST,
  NF_NAT_MANIP_SRC,
  NF_NAT_RANGE_MAP_IPS,
  type nf_nat_range,
  nf_nat_setup_info,
} from './nf_nat_core.ts';
import { XT_CONTINUE, type xt_check, type xt_match, type xt_target } from './x_tables.ts';

/** XT_CONNTRACK_STATE_BIT of what nfctinfo says, and the bits beside. */
export const STATE_ESTABLISHED = 1 << 1;
export const STATE_RELATED = 1 << 2;
export const STATE_NEW = 1 << 3;
export const STATE_INVALID = 1 << 0;
export const STATE_SNAT = 1 << 6;
export const STATE_DNAT = 1 << 7;
export const STATE_UNTRACKED = 1 << 8;

/** XT_CONNTRACK_STATE_BIT: the packet's state. */
function state_bit(skb: sk_buff): number {
  if (skb.nfctinfo === IP_CT_UNTRACKED) return STATE_UNTRACKED;
  if (skb._nfct === null) return STATE_INVALID;
  return 1 << ((skb.nfctinfo % IP_CT_IS_REPLY) + 1);
}

/** Tracking is on while a rule needs it. */
const on = (_info: unknown, check: xt_check): number => {
  nf_ct_netns_get(check.net);
  return 0;
};
const off = (_info: unknown, net: net): void => nf_ct_netns_put(net);

export interface xt_state {
  readonly statemask: number;
  readonly invert?: boolean;
}

const state: xt_match = {
  name: 'state',
  family: NFPROTO_UNSPEC,
  checkentry: on,
  destroy: off,
  match(skb, data) {
    const info = data as xt_state;
    return ((state_bit(skb) & info.statemask) !== 0) !== (info.invert === true);
  },
};

/** A condition on a connection, with its negation; absent: not asked. */
interface negatable<T> {
  readonly value: T;
  readonly invert: boolean;
}

export interface xt_conntrack_info {
  /** STATE_* */
  readonly state?: negatable<number>;
  readonly proto?: negatable<number>;
  /** Address and mask. */
  readonly origsrc?: negatable<readonly [number, number]>;
  readonly origdst?: negatable<readonly [number, number]>;
  readonly replsrc?: negatable<readonly [number, number]>;
  readonly repldst?: negatable<readonly [number, number]>;
  readonly origsrcport?: negatable<readonly [number, number]>;
  readonly origdstport?: negatable<readonly [number, number]>;
  readonly replsrcport?: negatable<readonly [number, number]>;
  readonly repldstport?: negatable<readonly [number, number]>;
  /** 1: none, 2: EXPECTED, 4: SEEN_REPLY, 8: ASSURED, 16: CONFIRMED. */
  readonly status?: negatable<number>;
  /** Seconds left, first and last. */
  readonly expire?: negatable<readonly [number, number]>;
  readonly direction?: 0 | 1;
}

function address(
  skb: sk_buff,
  cond: negatable<readonly [number, number]> | undefined,
  dir: number,
  index: number,
): boolean {
  if (cond === undefined || skb._nfct === null) return true;
  const has = skb._nfct.ct_net.word(skb._nfct, dir, index);
  return ((has & cond.value[1]) === (cond.value[0] & cond.value[1])) !== cond.invert;
}

function port(
  skb: sk_buff,
  cond: negatable<readonly [number, number]> | undefined,
  dir: number,
  source: boolean,
): boolean {
  if (cond === undefined || skb._nfct === null) return true;
  const ports = skb._nfct.ct_net.word(skb._nfct, dir, T_PORTS);
  const has = source ? ports >>> 16 : ports & 0xffff;
  return (has >= cond.value[0] && has <= cond.value[1]) !== cond.invert;
}

const conntrack: xt_match = {
  name: 'conntrack',
  family: NFPROTO_UNSPEC,
  checkentry: on,
  destroy: off,
  match(skb, data) {
    const info = data as xt_conntrack_info;
    const ct = skb._nfct;
    if (info.state !== undefined) {
      let bit = state_bit(skb);
      if (ct !== null) {
        if ((ct.status & IPS_SRC_NAT) !== 0) bit |= STATE_SNAT;
        if ((ct.status & IPS_DST_NAT) !== 0) bit |= STATE_DNAT;
      }
      if (((bit & info.state.value) !== 0) === info.state.invert) return false;
    }
    if (ct === null) {
      // Everything else needs a connection.
      for (const key in info) if (key !== 'state') return false;
      return true;
    }
    if (info.direction !== undefined && CTINFO2DIR(skb.nfctinfo) !== info.direction) return false;
    if (info.proto !== undefined && (ct.protonum === info.proto.value) === info.proto.invert) return false;
    if (info.status !== undefined) {
      const bits =
        (ct.status & IPS_EXPECTED ? 2 : 0) |
        (ct.status & IPS_SEEN_REPLY ? 4 : 0) |
        (ct.status & IPS_ASSURED ? 8 : 0) |
        (ct.status & IPS_CONFIRMED ? 16 : 0);
      const fits = bits === 0 ? (info.status.value & 1) !== 0 : (bits & info.status.value) !== 0;
      if (fits === info.status.invert) return false;
    }
    if (info.expire !== undefined) {
      const now = ct.ct_net.jiffies();
      const left = Math.max(0, Math.floor(((ct.status & IPS_CONFIRMED) !== 0 ? ct.timeout - now : ct.timeout) / HZ));
      if ((left >= info.expire.value[0] && left <= info.expire.value[1]) === info.expire.invert) return false;
    }
    return (
      address(skb, info.origsrc, 0, T_SRC) &&
      address(skb, info.origdst, 0, T_DST) &&
      address(skb, info.replsrc, 1, T_SRC) &&
      address(skb, info.repldst, 1, T_DST) &&
      port(skb, info.origsrcport, 0, true) &&
      port(skb, info.origdstport, 0, false) &&
      port(skb, info.replsrcport, 1, true) &&
      port(skb, info.repldstport, 1, false)
    );
  },
};

export interface xt_connmark_tginfo {
  readonly mode: 'set' | 'save' | 'restore';
  readonly ctmark: number;
  readonly ctmask: number;
  readonly nfmask: number;
}

const connmark: xt_target = {
  name: 'CONNMARK',
  family: NFPROTO_UNSPEC,
  checkentry: on,
  destroy: off,
  target(skb, data) {
    const info = data as xt_connmark_tginfo;
    const ct = skb._nfct;
    if (ct === null) return XT_CONTINUE;
    if (info.mode === 'set') ct.mark = (ct.mark & ~info.ctmask) ^ info.ctmark;
    else if (info.mode === 'save') ct.mark = (ct.mark & ~info.ctmask) ^ (skb.mark & info.nfmask);
    else skb.mark = (skb.mark & ~info.nfmask) ^ (ct.mark & info.ctmask);
    return XT_CONTINUE;
  },
};

/** CT --notrack, and its old name NOTRACK. */
function notrack(name: string): xt_target {
  return {
    name,
    family: NFPROTO_UNSPEC,
    table: 'raw',
    target(skb) {
      if (skb._nfct === null) skb.nfctinfo = IP_CT_UNTRACKED;
      return XT_CONTINUE;
    },
  };
}

function nat_target(name: string, hooks: number, manip: number): xt_target {
  return {
    name,
    family: NFPROTO_IPV4,
    table: 'nat',
    hooks,
    checkentry: on,
    destroy: off,
    target(skb, data) {
      const ct = skb._nfct;
      return ct === null ? NF_DROP : nf_nat_setup_info(ct, data as nf_nat_range, manip);
    },
  };
}

const HOOKS_SRC = 0b10010;
const HOOKS_DST = 0b01001;

/** A rule's own range, with an address that the packet decides. */
interface addressed_range extends nf_nat_range {
  filled?: nf_nat_range;
}

function with_address(range: addressed_range, addr: number): nf_nat_range {
  range.filled ??= { ...range };
  range.filled.flags = range.flags | NF_NAT_RANGE_MAP_IPS;
  range.filled.min_addr = addr;
  range.filled.max_addr = addr;
  return range.filled;
}

/** nf_nat_masquerade_ipv4: from whatever address the device has that the packet leaves by. */
const masquerade: xt_target = {
  name: 'MASQUERADE',
  family: NFPROTO_IPV4,
  table: 'nat',
  hooks: 0b10000,
  checkentry(data, check) {
    if (((data as nf_nat_range).flags & NF_NAT_RANGE_MAP_IPS) !== 0) return -EINVAL;
    return on(data, check);
  },
  destroy: off,
  target(skb, data, par) {
    const ct = skb._nfct;
    const out = par.state.out as net_device;
    if (ct === null || (ct.status & IPS_CONFIRMED) !== 0) return NF_ACCEPT;
    // A source of 0.0.0.0 (DHCP) is left alone.
    if (ct.ct_net.word(ct, 0, T_SRC) === 0) return NF_ACCEPT;
    const newsrc = inet_select_addr(out, rt_nexthop(skb.dst as rtable, iph_daddr(skb)), RT_SCOPE_UNIVERSE);
    if (newsrc === 0) return NF_DROP;
    ct.masq_index = out.ifindex;
    return nf_nat_setup_info(ct, with_address(data as addressed_range, newsrc), NF_NAT_MANIP_SRC);
  },
};

/** nf_nat_redirect_ipv4: to this host itself. */
const redirect: xt_target = {
  name: 'REDIRECT',
  family: NFPROTO_IPV4,
  table: 'nat',
  hooks: HOOKS_DST,
  checkentry: on,
  destroy: off,
  target(skb, data, par) {
    const ct = skb._nfct;
    if (ct === null) return NF_DROP;
    let newdst = INADDR_LOOPBACK;
    if (par.state.hook !== NF_INET_LOCAL_OUT) {
      const address_list = par.state.in?.ip_ptr?.ifa_list ?? [];
      newdst = address_list[0]?.ifa_local ?? 0;
      if (newdst === 0) return NF_DROP;
    }
    return nf_nat_setup_info(ct, with_address(data as addressed_range, newdst), NF_NAT_MANIP_DST);
  },
};

export const xt_conntrack_matches: readonly xt_match[] = [state, conntrack];
export const xt_conntrack_targets: readonly xt_target[] = [
  connmark,
  notrack('NOTRACK'),
  notrack('CT'),
  nat_target('SNAT', HOOKS_SRC, NF_NAT_MANIP_SRC),
  nat_target('DNAT', HOOKS_DST, NF_NAT_MANIP_DST),
  masquerade,
  redirect,
];
