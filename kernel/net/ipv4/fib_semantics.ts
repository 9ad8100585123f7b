/** What lies behind a route (net/ipv4/fib_semantics.c): next hops, their checks, their choice, their life and death. */
import { EINVAL, ENETDOWN, ENODEV } from '../../errno.ts';
import { hsiphash } from '../../lib/siphash.ts';
import { NUD_INCOMPLETE, NUD_NONE, NUD_REACHABLE, NUD_VALID, neigh_lookup } from '../core/neighbour.ts';
import { NETDEV_CHANGE, NETDEV_UNREGISTER, type net } from '../core/net_namespace.ts';
import { IFF_UP, type net_device } from '../core/netdevice.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { inet_select_addr } from './devinet.ts';
import {
  fib_info,
  type fib_nexthop_config,
  fib_nh,
  fib_props_error,
  fib_props_scope,
  type fib_result,
  type fib_tables,
  type flowi4,
  type full_config,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_TABLE_MAIN,
  RTAX_ADVMSS,
  RTAX_CC_ALGO,
  RTAX_FEATURES,
  RTAX_HOPLIMIT,
  RTAX_MAX,
  RTAX_MTU,
  RTN_LOCAL,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNSPEC,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
} from './fib.ts';
import { fib_lookup, fib_table_lookup, inet_addr_type } from './fib_frontend.ts';
import {
  get16,
  get32,
  IPHDR_LEN,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ip_is_fragment,
  iph_daddr,
  iph_ihl,
  iph_protocol,
  iph_saddr,
} from './ip_header.ts';

/** Longest prefix of weights that fib_rebalance shares out. */
const MAX_WEIGHT = 256;
/** Values that ip_metrics_convert cuts. */
const MAX_ADVMSS = 65535 - 40;
const MAX_MTU = 65535 - 15;

// ---- making -----------------------------------------------------------------------------------------------------

/**
 * fib_create_info: checks a route and resolves its next hops; one that is there already is shared.
 * @returns a fib_info, whose treeref the caller raises, or a negative errno.
 */
export function fib_create_info(net: net, cfg: full_config): fib_info | number {
  if (cfg.type <= RTN_UNSPEC || cfg.type > RTN_THROW) return -EINVAL;
  if ((fib_props_scope[cfg.type] as number) > cfg.scope) return -EINVAL;
  const metrics = ip_metrics_convert(cfg);
  if (metrics === undefined) return -EINVAL;
  const several = cfg.nexthops.length > 0;
  if (several && (cfg.gateway !== 0 || cfg.dev !== null)) return -EINVAL;
  if (fib_props_error[cfg.type] !== 0) {
    if (cfg.gateway !== 0 || cfg.dev !== null || several) return -EINVAL;
    return fib_find_info(net.ipv4.fib, new fib_info(cfg, metrics, []));
  }
  if (cfg.scope > RT_SCOPE_HOST) return -EINVAL;
  const nhs: fib_nh[] = [];
  if (cfg.scope === RT_SCOPE_HOST) {
    // A local address: its device may be down.
    if (several || cfg.gateway !== 0) return -EINVAL;
    if (cfg.dev === null) return -ENODEV;
    nhs.push(new fib_nh(cfg.dev, 0, RT_SCOPE_NOWHERE));
  } else {
    for (const hop of several ? cfg.nexthops : [cfg]) {
      const nh = fib_check_nh(net, cfg, hop);
      if (typeof nh === 'number') return nh;
      nhs.push(nh);
    }
  }
  if (cfg.prefsrc !== 0 && !fib_valid_prefsrc(net, cfg)) return -EINVAL;
  const fi = new fib_info(cfg, metrics, nhs);
  if (nhs.every(nh => (nh.nh_flags & RTNH_F_LINKDOWN) !== 0)) fi.fib_flags |= RTNH_F_LINKDOWN;
  fib_rebalance(fi);
  return fib_find_info(net.ipv4.fib, fi);
}

/** ip_fib_metrics_init: the metrics by RTAX_*, null without any, undefined when one cannot be. */
function ip_metrics_convert(cfg: full_config): Int32Array | null | undefined {
  if (cfg.mtu === 0 && cfg.metrics.length === 0) return null;
  const metrics = new Int32Array(RTAX_MAX + 1);
  metrics[RTAX_MTU] = Math.min(cfg.mtu, MAX_MTU);
  for (const [metric, value] of cfg.metrics) {
    if (metric < 1 || metric > RTAX_MAX || value < 0) return undefined;
    if (metric === RTAX_FEATURES && value > 31) return undefined;
    if (metric === RTAX_CC_ALGO && value === 0) return undefined;
    let cut = value;
    if (metric === RTAX_ADVMSS) cut = Math.min(value, MAX_ADVMSS);
    else if (metric === RTAX_MTU) cut = Math.min(value, MAX_MTU);
    else if (metric === RTAX_HOPLIMIT) cut = Math.min(value, 255);
    metrics[metric] = cut;
  }
  return metrics.some(value => value !== 0) ? metrics : null;
}

function fib_valid_prefsrc(net: net, cfg: full_config): boolean {
  if (cfg.type === RTN_LOCAL && cfg.prefsrc === cfg.dst) return true;
  return inet_addr_type(net, cfg.prefsrc) === RTN_LOCAL;
}

/** fib_check_nh: a gateway must be reachable without a gateway, a device must be up. */
function fib_check_nh(net: net, cfg: full_config, hop: fib_nexthop_config): fib_nh | number {
  const { gateway = 0, weight = 1 } = hop;
  const dev = hop.dev ?? null;
  if (weight < 1 || weight > MAX_WEIGHT) return -EINVAL;
  if (gateway === 0) {
    // fib_check_nh_nongw
    if (hop.onlink === true) return -EINVAL;
    if (dev === null || dev.ip_ptr === null) return -ENODEV;
    if ((dev.flags & IFF_UP) === 0) return -ENETDOWN;
    return with_link(new fib_nh(dev, 0, RT_SCOPE_HOST, weight));
  }
  // fib_check_nh_v4_gw
  if (cfg.scope >= RT_SCOPE_LINK) return -EINVAL;
  if (hop.onlink === true) {
    if (inet_addr_type(net, gateway) !== RTN_UNICAST) return -EINVAL;
    if (dev === null) return -ENODEV;
    if ((dev.flags & IFF_UP) === 0) return -ENETDOWN;
    const nh = new fib_nh(dev, gateway, RT_SCOPE_LINK, weight);
    nh.nh_flags |= RTNH_F_ONLINK;
    return with_link(nh);
  }
  const { fl, res } = net.ipv4.fib;
  fl.init(gateway, 0);
  fl.scope = Math.max(cfg.scope + 1, RT_SCOPE_LINK);
  fl.oif = dev === null ? 0 : dev.ifindex;
  fl.iif = (net.loopback_dev as net_device).ifindex;
  // The table of the route itself first: the way to its gateway may be there only.
  let err = -EINVAL;
  const own = cfg.table !== 0 && cfg.table !== RT_TABLE_MAIN ? net.ipv4.fib.tables.get(cfg.table) : undefined;
  if (own !== undefined) err = fib_table_lookup(own, fl, res, 0);
  if (own === undefined || err !== 0) err = fib_lookup(net, fl, res);
  if (err !== 0) return err;
  if (res.type !== RTN_UNICAST && res.type !== RTN_LOCAL) return -EINVAL;
  const out = (res.nh as fib_nh).nh_dev;
  if (out === null) return -EINVAL;
  if ((out.flags & IFF_UP) === 0) return -ENETDOWN;
  return with_link(new fib_nh(out, gateway, res.scope, weight));
}

function with_link(nh: fib_nh): fib_nh {
  if ((nh.nh_dev as net_device).carrier === false) nh.nh_flags |= RTNH_F_LINKDOWN;
  return nh;
}

// ---- sharing ----------------------------------------------------------------------------------------------------

function info_hash(fi: fib_info): number {
  let h = fi.fib_scope ^ (fi.fib_protocol << 8) ^ (fi.fa_type << 16) ^ (fi.table << 20);
  h = Math.imul(h ^ fi.fib_prefsrc, 0x85ebca6b) ^ fi.fib_priority;
  for (const nh of fi.nhs) h = Math.imul(h ^ nh.nh_oif, 0xc2b2ae35) ^ nh.nh_gw4;
  return h | 0;
}

function same_metrics(a: Int32Array | null, b: Int32Array | null): boolean {
  if (a === null || b === null) return a === b;
  for (let i = 0; i <= RTAX_MAX; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** nh_comp */
function same_nexthops(a: readonly fib_nh[], b: readonly fib_nh[]): boolean {
  return (
    a.length === b.length &&
    a.every((x, i) => {
      const y = b[i] as fib_nh;
      return (
        x.nh_dev === y.nh_dev &&
        x.nh_gw4 === y.nh_gw4 &&
        x.nh_scope === y.nh_scope &&
        x.nh_weight === y.nh_weight &&
        ((x.nh_flags ^ y.nh_flags) & ~(RTNH_F_DEAD | RTNH_F_LINKDOWN)) === 0
      );
    })
  );
}

/** fib_find_info: one that says the same, or this one, filed. */
function fib_find_info(fib: fib_tables, nfi: fib_info): fib_info {
  nfi.fib_hash = info_hash(nfi);
  const first = fib.hash.get(nfi.fib_hash);
  for (let fi = first; fi !== null; fi = fi.hash_next) {
    if (
      fi.fib_protocol === nfi.fib_protocol &&
      fi.fib_scope === nfi.fib_scope &&
      fi.fib_prefsrc === nfi.fib_prefsrc &&
      fi.fib_priority === nfi.fib_priority &&
      fi.fa_type === nfi.fa_type &&
      fi.table === nfi.table &&
      (fi.fib_flags & RTNH_F_DEAD) === 0 &&
      same_metrics(fi.fib_metrics, nfi.fib_metrics) &&
      same_nexthops(fi.nhs, nfi.nhs)
    ) {
      return fi;
    }
  }
  nfi.index = fib.free.pop() ?? fib.infos.length;
  fib.infos[nfi.index] = nfi;
  nfi.hash_next = first;
  fib.hash.set(nfi.fib_hash, nfi);
  return nfi;
}

/** fib_release_info: one route less uses it; the last one takes it along. */
export function fib_release_info(fib: fib_tables, fi: fib_info): void {
  if (fi.treeref > 0) fi.treeref--;
  if (fi.treeref > 0 || fi.fib_dead) return;
  fi.fib_dead = true;
  fib.infos[fi.index] = null;
  fib.free.push(fi.index);
  const first = fib.hash.get(fi.fib_hash);
  if (first === fi) {
    if (fi.hash_next === null) fib.hash.delete(fi.fib_hash);
    else fib.hash.set(fi.fib_hash, fi.hash_next);
  } else {
    let previous = first as fib_info;
    while (previous.hash_next !== fi) previous = previous.hash_next as fib_info;
    previous.hash_next = fi.hash_next;
  }
}

/** fib_nh_match and fib_metrics_match: does a route to delete mean this one? */
export function fib_nh_match(cfg: full_config, fi: fib_info): boolean {
  if (cfg.metric !== 0 && cfg.metric !== fi.fib_priority) return false;
  if (cfg.nexthops.length > 0) {
    if (cfg.nexthops.length !== fi.nhs.length) return false;
    return cfg.nexthops.every((hop, i) => hop_matches(hop, fi.nhs[i] as fib_nh));
  }
  if ((cfg.dev !== null || cfg.gateway !== 0) && (fi.nhs.length === 0 || !hop_matches(cfg, fi.nhs[0] as fib_nh)))
    return false;
  if (cfg.mtu !== 0 && cfg.mtu !== fi.fib_mtu) return false;
  return cfg.metrics.every(([metric, value]) => fi.fib_metrics?.[metric] === value);
}

function hop_matches(hop: fib_nexthop_config, nh: fib_nh): boolean {
  if (hop.dev !== undefined && hop.dev !== null && hop.dev !== nh.nh_dev) return false;
  return hop.gateway === undefined || hop.gateway === 0 || hop.gateway === nh.nh_gw4;
}

// ---- choosing ---------------------------------------------------------------------------------------------------

/** fib_result_prefsrc: the source address that a route suggests. */
export function fib_result_prefsrc(net: net, res: fib_result): number {
  const fi = res.fi as fib_info;
  if (fi.fib_prefsrc !== 0) return fi.fib_prefsrc;
  return nh_prefsrc(net, fi, res.nh as fib_nh);
}

/** fib_info_update_nhc_saddr, when it is due. */
function nh_prefsrc(net: net, fi: fib_info, nh: fib_nh): number {
  const genid = net.ipv4.dev_addr_genid;
  if (nh.saddr_genid !== genid) {
    nh.nh_saddr = inet_select_addr(nh.nh_dev as net_device, nh.nh_gw4, fi.fib_scope);
    nh.saddr_genid = genid;
  }
  return nh.nh_saddr;
}

/** fib_rebalance: which part of all hashes falls to each next hop, by weight. */
function fib_rebalance(fi: fib_info): void {
  const { nhs } = fi;
  if (nhs.length < 2) return;
  const out = (nh: fib_nh): boolean =>
    (nh.nh_flags & RTNH_F_DEAD) !== 0 ||
    ((nh.nh_flags & RTNH_F_LINKDOWN) !== 0 && (nh.nh_dev as net_device).ip_ptr?.ignore_linkdown() === true);
  let total = 0;
  for (const nh of nhs) if (!out(nh)) total += nh.nh_weight;
  let w = 0;
  for (const nh of nhs) {
    if (out(nh)) {
      nh.nh_upper_bound = -1;
      continue;
    }
    w += nh.nh_weight;
    nh.nh_upper_bound = Math.round((w * 0x80000000) / total) - 1;
  }
}

/**
 * fib_select_path: of several next hops the one for this flow (by hash), of several equal default routes one whose
 * gateway answers; and a source address where there is none. `skb`: the packet, where there is one.
 */
export function fib_select_path(net: net, res: fib_result, fl4: flowi4, skb: sk_buff | null): void {
  if (fl4.oif === 0) {
    const fi = res.fi as fib_info;
    if (fi.nhs.length > 1) {
      fib_select_multipath(net, res, fib_multipath_hash(net, fl4, skb), fl4.saddr);
    } else if (res.prefixlen === 0 && res.tb !== null && res.tb.tb_num_default > 1 && res.type === RTN_UNICAST) {
      fib_select_default(fl4, res);
    }
  }
  if (fl4.saddr === 0) fl4.saddr = fib_result_prefsrc(net, res);
}

/** fib_good_nh: is a gateway known to answer, as far as we know? */
function fib_good_nh(nh: fib_nh): boolean {
  if (nh.nh_scope !== RT_SCOPE_LINK || nh.nh_gw4 === 0) return true;
  const dev = nh.nh_dev as net_device;
  const n = neigh_lookup(dev.nd_net.ipv4.arp, nh.nh_gw4, dev);
  return n === null || n.nud_state === NUD_NONE || (n.nud_state & NUD_VALID) !== 0;
}

/**
 * fib_select_multipath: the next hop whose part of all hashes `hash` (31 bits) is in; with a source address, one that
 * has it if there is any.
 */
export function fib_select_multipath(net: net, res: fib_result, hash: number, saddr: number): void {
  const fi = res.fi as fib_info;
  const { nhs } = fi;
  const use_neigh = net.ipv4.fib_multipath_use_neigh !== 0;
  let fallback: fib_nh | null = null;
  let fallback_fits = false;
  for (let i = 0; i < nhs.length; i++) {
    const nh = nhs[i] as fib_nh;
    if (nh.nh_upper_bound < 0 || (use_neigh && !fib_good_nh(nh))) continue;
    const fits = saddr === 0 || nh_prefsrc(net, fi, nh) === saddr;
    if (fallback === null || (fits && !fallback_fits)) {
      fallback = nh;
      fallback_fits = fits;
    }
    if (hash > nh.nh_upper_bound || !fits) continue;
    res.nh = nh;
    return;
  }
  if (fallback === null) return;
  // The one whose turn it is by hash has another address: by hash alone when none has it.
  if (!fallback_fits) {
    for (let i = 0; i < nhs.length; i++) {
      const nh = nhs[i] as fib_nh;
      if (nh.nh_upper_bound < 0 || hash > nh.nh_upper_bound || (use_neigh && !fib_good_nh(nh))) continue;
      res.nh = nh;
      return;
    }
  }
  res.nh = fallback;
}

/**
 * fib_multipath_hash: 31 bits that are the same for all packets of a flow, in both directions. By
 * `net.ipv4.fib_multipath_hash_policy`: 0 addresses; 1 addresses, protocol and ports; 2 addresses, those inside a tunnel
 * where there is one (IPIP). An ICMP error counts as a packet of the flow that it is about (RFC 1812 has no word on
 * that; ip_multipath_l3_keys).
 */
export function fib_multipath_hash(net: net, fl4: flowi4 | null, skb: sk_buff | null): number {
  const { fib, fib_multipath_hash_policy: policy } = net.ipv4;
  let saddr = 0;
  let daddr = 0;
  let protocol = 0;
  let sport = 0;
  let dport = 0;
  if (skb !== null) {
    const { ram } = skb;
    const at = skb.network_header;
    const inner = at + iph_ihl(skb) * 4;
    saddr = iph_saddr(skb);
    daddr = iph_daddr(skb);
    const proto = iph_protocol(skb);
    if (policy === 1) {
      protocol = proto;
      if ((proto === IPPROTO_TCP || proto === IPPROTO_UDP) && !ip_is_fragment(skb) && inner + 4 <= skb.tail) {
        sport = get16(ram, inner);
        dport = get16(ram, inner + 2);
      }
    } else if (policy === 2 && proto === 4 && inner + IPHDR_LEN <= skb.tail) {
      saddr = get32(ram, inner + 12);
      daddr = get32(ram, inner + 16);
    } else if (proto === IPPROTO_ICMP && !ip_is_fragment(skb) && inner + 8 + IPHDR_LEN <= skb.tail) {
      const type = ram.u8[inner] as number;
      // icmp_is_err
      if (type === 3 || type === 4 || type === 5 || type === 11 || type === 12) {
        saddr = get32(ram, inner + 8 + 12);
        daddr = get32(ram, inner + 8 + 16);
      }
    }
  } else if (fl4 !== null) {
    saddr = fl4.saddr;
    daddr = fl4.daddr;
    if (policy === 1) {
      protocol = fl4.proto;
      sport = fl4.sport;
      dport = fl4.dport;
    }
  }
  // __flow_hash_consistentify: both directions of a flow take the same way.
  if (daddr >>> 0 < saddr >>> 0) {
    const swap = saddr;
    saddr = daddr;
    daddr = swap;
  }
  if (dport < sport) {
    const swap = sport;
    sport = dport;
    dport = swap;
  }
  const { words } = fib;
  words[0] = saddr;
  words[1] = daddr;
  words[2] = protocol;
  words[3] = (sport << 16) | dport;
  words[4] = net.ipv4.fib_multipath_hash_seed;
  return hsiphash(words, 5, fib.multipath_key) >>> 1;
}

/** fib_detect_death: 0 when the gateway seems alive; else it is noted as a last resort, perhaps. */
function dead_gateway(fi: fib_info, order: number, last_idx: number, dflt: number): number {
  const nh = fi.nhs[0] as fib_nh;
  const dev = nh.nh_dev as net_device;
  const n = neigh_lookup(dev.nd_net.ipv4.arp, nh.nh_gw4, dev);
  const state = n === null ? NUD_NONE : n.nud_state;
  if (state === NUD_REACHABLE) return ALIVE;
  const valid = (state & NUD_VALID) !== 0;
  if (valid && order !== dflt) return ALIVE;
  return valid || (last_idx < 0 && order > dflt && state !== NUD_INCOMPLETE) ? LAST_RESORT : DEAD;
}

const ALIVE = 0;
const LAST_RESORT = 1;
const DEAD = 2;

/**
 * fib_select_default: of several default routes of one TOS and metric, one whose gateway answers (dead gateway
 * detection, RFC 1122 3.3.1.4); the next one each time that none is known to.
 */
function fib_select_default(fl4: flowi4, res: fib_result): void {
  const tb = res.tb as NonNullable<fib_result['tb']>;
  const hops: fib_info[] = [];
  tb.trie.each_info(0, 32, tb.tb_id, (fi, tos, type) => {
    if (tos !== 0 && tos !== fl4.tos) return false;
    if (hops.length > 0 && (fi.fib_priority !== (hops[0] as fib_info).fib_priority || tos !== res.tos)) return true;
    if ((fi.fib_flags & RTNH_F_DEAD) !== 0 || fi.fib_scope !== res.scope || type !== RTN_UNICAST) return false;
    const nh = fi.nhs[0];
    if (nh === undefined || nh.nh_gw4 === 0 || nh.nh_scope !== RT_SCOPE_LINK) return false;
    if (hops.length === 0 && fi !== res.fi) return true;
    hops.push(fi);
    return false;
  });
  if (hops.length < 2) {
    tb.fa_default = -1;
    return;
  }
  let last_idx = -1;
  for (let order = 0; order < hops.length; order++) {
    const verdict = dead_gateway(hops[order] as fib_info, order, last_idx, tb.fa_default);
    if (verdict === DEAD) continue;
    if (verdict === LAST_RESORT) {
      last_idx = order;
      continue;
    }
    res.fi = hops[order] as fib_info;
    res.nh = res.fi.nhs[0] as fib_nh;
    tb.fa_default = order;
    return;
  }
  if (last_idx >= 0) {
    res.fi = hops[last_idx] as fib_info;
    res.nh = res.fi.nhs[0] as fib_nh;
  }
  tb.fa_default = last_idx;
}

// ---- life and death ---------------------------------------------------------------------------------------------

/**
 * fib_sync_down_dev: a device went down (NETDEV_DOWN), away (NETDEV_UNREGISTER) or lost its carrier (NETDEV_CHANGE):
 * its next hops are dead or without a link. Local addresses stay unless `force`.
 * @returns how many routes have no next hop left.
 */
export function fib_sync_down_dev(net: net, dev: net_device, event: number, force: boolean): number {
  let dead_infos = 0;
  const spared = force ? -1 : RT_SCOPE_NOWHERE;
  for (const fi of net.ipv4.fib.infos) {
    if (fi === null || !fi.nhs.some(nh => nh.nh_dev === dev)) continue;
    let dead = 0;
    for (const nh of fi.nhs) {
      if ((nh.nh_flags & RTNH_F_DEAD) !== 0) dead++;
      else if (nh.nh_dev === dev && nh.nh_scope !== spared) {
        nh.nh_flags |= event === NETDEV_CHANGE ? RTNH_F_LINKDOWN : RTNH_F_DEAD | RTNH_F_LINKDOWN;
        dead++;
      }
      if (event === NETDEV_UNREGISTER && nh.nh_dev === dev) {
        dead = fi.nhs.length;
        break;
      }
    }
    if (dead === fi.nhs.length) {
      fi.fib_flags |= event === NETDEV_CHANGE ? RTNH_F_LINKDOWN : RTNH_F_DEAD | RTNH_F_LINKDOWN;
      dead_infos++;
    }
    fib_rebalance(fi);
  }
  return dead_infos;
}

/** fib_sync_up: a device came up (RTNH_F_DEAD) or got its carrier (RTNH_F_LINKDOWN): its next hops live again. */
export function fib_sync_up(net: net, dev: net_device, flags: number): void {
  if ((dev.flags & IFF_UP) === 0) return;
  if ((flags & RTNH_F_DEAD) !== 0 && dev.carrier) flags |= RTNH_F_LINKDOWN;
  for (const fi of net.ipv4.fib.infos) {
    if (fi === null || !fi.nhs.some(nh => nh.nh_dev === dev)) continue;
    let alive = 0;
    for (const nh of fi.nhs) {
      if ((nh.nh_flags & flags) === 0) {
        alive++;
        continue;
      }
      if (nh.nh_dev !== dev || dev.ip_ptr === null) continue;
      alive++;
      nh.nh_flags &= ~flags;
    }
    if (alive > 0) fi.fib_flags &= ~flags;
    fib_rebalance(fi);
  }
}

/** fib_netdev_event for NETDEV_CHANGE: the carrier came or went. */
export function fib_sync_link(net: net, dev: net_device): void {
  if (dev.carrier) fib_sync_up(net, dev, RTNH_F_LINKDOWN);
  else fib_sync_down_dev(net, dev, NETDEV_CHANGE, false);
  net.ipv4.rt_genid = (net.ipv4.rt_genid + 1) | 0;
}

/** fib_sync_down_addr: an address is ours no more: routes that prefer it as source are dead. Returns how many. */
export function fib_sync_down_addr(net: net, local: number): number {
  let count = 0;
  for (const fi of net.ipv4.fib.infos) {
    if (fi === null || fi.fib_prefsrc !== local) continue;
    fi.fib_flags |= RTNH_F_DEAD;
    count++;
  }
  return count;
}
