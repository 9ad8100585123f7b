/** What IPv4 asks of its routing tables, and how they are changed (net/ipv4/fib_frontend.c, include/net/ip_fib.h). */
import { EAGAIN, EEXIST, EINVAL, ENETUNREACH, ENOENT, ESRCH } from '../../errno.ts';
import { SKB_DROP_REASON } from '../core/dropreason.ts';
import { NETDEV_DOWN, NETDEV_UNREGISTER, type net } from '../core/net_namespace.ts';
import { IFF_LOOPBACK, IFF_UP, type net_device } from '../core/netdevice.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { ETH_P_IP } from '../ethernet/eth.ts';
import { IFA_F_SECONDARY, type in_device, type in_ifaddr, inet_lookup_ifaddr, inet_select_addr } from './devinet.ts';
import {
  FIB_LOOKUP_IGNORE_LINKSTATE,
  type fib_config,
  type fib_info,
  type fib_nh,
  fib_props_error,
  type fib_result,
  fib_tables,
  type flowi4,
  type full_config,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_ANYCAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTNH_F_DEAD,
  RTPROT_BOOT,
  RTPROT_KERNEL,
} from './fib.ts';
import { __fib_lookup, fib4_rules_early_flow_dissect, fib4_rules_init } from './fib_rules.ts';
import {
  fib_create_info,
  fib_nh_match,
  fib_release_info,
  fib_result_prefsrc,
  fib_sync_down_dev,
} from './fib_semantics.ts';
import { fib_table, fib_trie } from './fib_trie.ts';
import { type fib_alias, trie_dump, trie_flush } from './fib_trie_walk.ts';
import {
  INADDR_BROADCAST,
  inet_make_mask,
  iph_daddr,
  iph_saddr,
  ipv4_is_multicast,
  ipv4_is_zeronet,
} from './ip_header.ts';
import { RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST, type rtable } from './route.ts';

export function fib_init(net: net): void {
  net.ipv4.fib = new fib_tables(net);
  fib4_rules_init(net);
}

// ---- lookups ----------------------------------------------------------------------------------------------------

/** fib_table_lookup: 0, an errno, or -EAGAIN when the table has no answer. */
export function fib_table_lookup(tb: fib_table, flp: flowi4, res: fib_result, flags: number): number {
  return tb.trie.lookup(tb, flp, res, flags);
}

/**
 * fib_lookup: the route for `flp`, by policy rules where there are any, longest prefix first, into `res`.
 * @returns 0, -ENETUNREACH without a route, or what the route's or rule's type says (-EHOSTUNREACH, -EACCES, -EINVAL).
 */
export function fib_lookup(net: net, flp: flowi4, res: fib_result, flags = 0): number {
  const { fib } = net.ipv4;
  if (fib.has_custom_rules) return __fib_lookup(fib, flp, res, flags);
  const { main, default_table } = fib;
  let err = main.trie.lookup(main, flp, res, flags);
  if (err === -EAGAIN && default_table !== null) {
    err = default_table.trie.lookup(default_table, flp, res, flags);
  }
  return err === -EAGAIN ? -ENETUNREACH : err;
}

/** Is the address one of ours, a broadcast address …: the local table alone. 0 or an errno. */
export function fib_local_lookup(net: net, flp: flowi4, res: fib_result): number {
  const { local } = net.ipv4.fib;
  return local.trie.lookup(local, flp, res, 0);
}

/** inet_addr_type: what kind of address this is to us (RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST, RTN_UNICAST). */
export function inet_addr_type(net: net, addr: number): number {
  return inet_addr_type_dev(net, null, addr);
}

/** inet_dev_addr_type: the same, for addresses of one device (null: any). */
export function inet_addr_type_dev(net: net, dev: net_device | null, addr: number): number {
  if (ipv4_is_zeronet(addr) || addr === INADDR_BROADCAST) return RTN_BROADCAST;
  if (ipv4_is_multicast(addr)) return RTN_MULTICAST;
  const { fl, res } = net.ipv4.fib;
  fl.init(addr, 0);
  if (fib_local_lookup(net, fl, res) !== 0) return RTN_UNICAST;
  return dev === null || (res.nh as fib_nh).nh_dev === dev ? res.type : RTN_UNICAST;
}

/** ip_dev_find: the device that has the local address, null when it is not ours. */
export function ip_dev_find(net: net, addr: number): net_device | null {
  const ifa = inet_lookup_ifaddr(net, addr);
  if (ifa !== null) return ifa.ifa_dev.dev;
  // Any address of a local subnet, as 127.1.2.3.
  const { fl, res } = net.ipv4.fib;
  fl.init(addr, 0);
  if (fib_local_lookup(net, fl, res) !== 0 || res.type !== RTN_LOCAL) return null;
  return (res.nh as fib_nh).nh_dev;
}

/** fib_compute_spec_dst: the address of ours that an answer to this packet comes from. */
export function fib_compute_spec_dst(skb: sk_buff): number {
  const rt = skb.dst as rtable;
  if ((rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST | RTCF_LOCAL)) === RTCF_LOCAL) return iph_daddr(skb);
  const { net } = rt;
  const saddr = iph_saddr(skb);
  let scope = RT_SCOPE_UNIVERSE;
  if (ipv4_is_zeronet(saddr)) scope = RT_SCOPE_LINK;
  else {
    const { fl, res } = net.ipv4.rt;
    fl.init(saddr, 0);
    fl.iif = (net.loopback_dev as net_device).ifindex;
    if (fib_lookup(net, fl, res) === 0) return fib_result_prefsrc(net, res);
  }
  return inet_select_addr(skb.dev as net_device, saddr, scope);
}

/** ip_fib_check_default: is there a default route by this gateway and device? */
export function ip_fib_check_default(net: net, gw: number, dev: net_device): boolean {
  return net.ipv4.fib.infos.some(
    fi =>
      fi !== null &&
      (fi.fib_flags & RTNH_F_DEAD) === 0 &&
      fi.nhs.some(nh => nh.nh_dev === dev && nh.nh_gw4 === gw && (nh.nh_flags & RTNH_F_DEAD) === 0),
  );
}

// ---- sources ----------------------------------------------------------------------------------------------------

/** fib_validate_source: the way back to the sender needs no gateway. */
export const SOURCE_ON_LINK = -1;

/**
 * fib_validate_source: can a packet from there have come by this device? Our own address never does; with rp_filter 1
 * the way back must be the way it came, with 2 there must be one.
 * @param oif the device that it leaves by, 0 when it is for us
 * @returns 0, SOURCE_ON_LINK where that was looked at, or the reason to drop it.
 */
export function fib_validate_source(
  skb: sk_buff,
  src: number,
  dst: number,
  tos: number,
  oif: number,
  dev: net_device,
  in_dev: in_device,
): number {
  const net = dev.nd_net;
  const rpf = in_dev.rp_filter();
  if (rpf === 0 && (dev.ifindex !== oif || !in_dev.send_redirects())) {
    if (in_dev.accept_local()) return 0;
    const { fib } = net.ipv4;
    if (!fib.has_custom_local_routes && !fib.has_custom_rules) {
      return inet_lookup_ifaddr(net, src) !== null ? SKB_DROP_REASON.IP_LOCAL_SOURCE : 0;
    }
  }
  // __fib_validate_source
  const { check_fl: fl, check_res: res } = net.ipv4.rt;
  fl.init(src, dst);
  fl.iif = oif !== 0 ? oif : (net.loopback_dev as net_device).ifindex;
  fl.tos = tos;
  fl.scope = RT_SCOPE_UNIVERSE;
  fl.mark = in_dev.src_valid_mark() ? skb.mark : 0;
  if (skb.protocol === ETH_P_IP && fib4_rules_early_flow_dissect(net, skb, fl)) {
    const { sport } = fl;
    fl.sport = fl.dport;
    fl.dport = sport;
  }
  const unknown = rpf !== 0 ? SKB_DROP_REASON.IP_RPFILTER : 0;
  if (fib_lookup(net, fl, res) !== 0) return unknown;
  if (res.type !== RTN_UNICAST && !(res.type === RTN_LOCAL && in_dev.accept_local()))
    return SKB_DROP_REASON.IP_LOCAL_SOURCE;
  const { nhs } = res.fi as fib_info;
  let match = res.type === RTN_LOCAL && dev === net.loopback_dev;
  for (let i = 0; i < nhs.length && !match; i++) match = (nhs[i] as fib_nh).nh_dev === dev;
  if (match) return (res.nh as fib_nh).nh_scope >= RT_SCOPE_HOST ? SOURCE_ON_LINK : 0;
  if (in_dev.ifa_list.length === 0) return unknown;
  if (rpf === 1) return SKB_DROP_REASON.IP_RPFILTER;
  fl.oif = dev.ifindex;
  if (fib_lookup(net, fl, res, FIB_LOOKUP_IGNORE_LINKSTATE) !== 0 || res.type !== RTN_UNICAST) return 0;
  return (res.nh as fib_nh).nh_scope >= RT_SCOPE_HOST ? SOURCE_ON_LINK : 0;
}

// ---- tables -----------------------------------------------------------------------------------------------------

/** rt_cache_flush: every route made so far is stale. */
export function rt_cache_flush(net: net): void {
  net.ipv4.rt_genid = (net.ipv4.rt_genid + 1) | 0;
}

/** fib_get_table: null when there is none of that number. */
export function fib_get_table(net: net, id: number): fib_table | null {
  return net.ipv4.fib.tables.get(id) ?? null;
}

/** fib_new_table: the table of that number, made when there is none. */
export function fib_new_table(net: net, id: number): fib_table {
  const { fib } = net.ipv4;
  const found = fib.tables.get(id);
  if (found !== undefined) return found;
  const tb = new fib_table(id, new fib_trie(fib.infos));
  fib.tables.set(id, tb);
  if (id === RT_TABLE_DEFAULT) fib.default_table = tb;
  return tb;
}

/** fib_unmerge: local and main get a trie each, so that rules can come between them. */
export function fib_unmerge(net: net): void {
  const { fib } = net.ipv4;
  if (fib.local.trie !== fib.main.trie) return;
  const shared = fib.main.trie;
  const own = new fib_trie(fib.infos);
  for (const alias of trie_dump(shared, RT_TABLE_LOCAL)) {
    own.insert(alias.dst, 32 - alias.prefix_len, alias.tos, RT_TABLE_LOCAL, alias.fi, 0);
  }
  trie_flush(
    shared,
    RT_TABLE_LOCAL,
    () => true,
    () => {},
  );
  fib.local.trie = own;
}

/** What `ip route add` fills in by itself: the scope follows from type and gateway. */
function complete(cfg: fib_config): full_config {
  const type = cfg.type ?? RTN_UNICAST;
  const gateway = cfg.gateway ?? 0;
  const nexthops = cfg.nexthops ?? [];
  let scope = RT_SCOPE_UNIVERSE;
  if (type === RTN_LOCAL) scope = RT_SCOPE_HOST;
  else if (type === RTN_BROADCAST || type === RTN_MULTICAST || type === RTN_ANYCAST) scope = RT_SCOPE_LINK;
  else if (type === RTN_UNICAST && gateway === 0 && nexthops.length === 0) scope = RT_SCOPE_LINK;
  const local = type === RTN_LOCAL || type === RTN_BROADCAST || type === RTN_ANYCAST;
  return {
    dst: cfg.dst | 0,
    prefix_len: cfg.prefix_len,
    gateway,
    dev: cfg.dev ?? null,
    metric: cfg.metric ?? 0,
    type,
    tos: cfg.tos ?? 0,
    scope: cfg.scope ?? scope,
    table: cfg.table ?? (local ? RT_TABLE_LOCAL : RT_TABLE_MAIN),
    protocol: cfg.protocol ?? RTPROT_BOOT,
    prefsrc: cfg.prefsrc ?? 0,
    mtu: cfg.mtu ?? 0,
    metrics: cfg.metrics ?? [],
    onlink: cfg.onlink ?? false,
    nexthops,
  };
}

/** ip_route_add (`ip route add`): 0 or a negative errno. */
export function ip_route_add(net: net, config: fib_config): number {
  return fib_table_insert(net, complete(config), NLM_F_CREATE | NLM_F_EXCL);
}

/** `ip route change`, `replace`, `append`, `prepend`, by their NLM_F_* flags: 0 or a negative errno. */
export function ip_route_change(net: net, config: fib_config, flags: number): number {
  return fib_table_insert(net, complete(config), flags);
}

/**
 * fib_table_insert: 0 or a negative errno. By `flags` a route with the TOS and metric of another one for the prefix is
 * refused (NLM_F_EXCL), takes its place (NLM_F_REPLACE), or comes behind it (NLM_F_APPEND, as the kernel adds its own)
 * or before it, unless it says the very same.
 */
export function fib_table_insert(net: net, cfg: full_config, flags: number): number {
  if (!valid_key(cfg.dst, cfg.prefix_len)) return -EINVAL;
  const { fib } = net.ipv4;
  const tb = fib_new_table(net, cfg.table);
  const made = fib_create_info(net, cfg);
  if (typeof made === 'number') return made;
  const slen = 32 - cfg.prefix_len;
  const err = insert_alias(net, tb, cfg, slen, made, flags);
  if (err !== 0) {
    if (made.treeref === 0) fib_release_info(fib, made);
    return err === ALREADY ? 0 : err;
  }
  if (cfg.type === RTN_LOCAL && cfg.protocol !== RTPROT_KERNEL) fib.has_custom_local_routes = true;
  rt_cache_flush(net);
  return 0;
}

/** insert_alias: the route is there, and replaced by itself. */
const ALREADY = 1;

function insert_alias(net: net, tb: fib_table, cfg: full_config, slen: number, fi: fib_info, flags: number): number {
  const { trie } = tb;
  const peers = trie
    .aliases(cfg.dst, slen, cfg.tos, tb.tb_id)
    .filter(fa => trie.alias_info(fa).fib_priority === fi.fib_priority);
  let before = 0;
  if (peers.length > 0) {
    if ((flags & NLM_F_EXCL) !== 0) return -EEXIST;
    const same = peers.find(fa => trie.alias_info(fa) === fi);
    const first = peers[0] as number;
    if ((flags & NLM_F_REPLACE) !== 0) {
      if (same !== undefined) return same === first ? ALREADY : -EEXIST;
      const old = trie.alias_info(first);
      fi.treeref++;
      trie.alias_replace(first, fi);
      fib_release_info(net.ipv4.fib, old);
      return 0;
    }
    if (same !== undefined) return -EEXIST;
    if ((flags & NLM_F_APPEND) === 0) before = first;
  }
  if ((flags & NLM_F_CREATE) === 0) return -ENOENT;
  fi.treeref++;
  trie.insert(cfg.dst, slen, cfg.tos, tb.tb_id, fi, before);
  tb.count++;
  if (cfg.prefix_len === 0) tb.tb_num_default++;
  return 0;
}

/** ip_route_del (`ip route del`): deletes the first route that matches. 0, -EINVAL or -ESRCH. */
export function ip_route_del(net: net, config: fib_config): number {
  const cfg = complete(config);
  if (!valid_key(cfg.dst, cfg.prefix_len)) return -EINVAL;
  const tb = fib_get_table(net, cfg.table);
  if (tb === null) return -ESRCH;
  const { trie } = tb;
  const slen = 32 - cfg.prefix_len;
  const found = trie.aliases(cfg.dst, slen, cfg.tos, tb.tb_id).find(fa => {
    const fi = trie.alias_info(fa);
    return (
      (config.type === undefined || config.type === fi.fa_type) &&
      (config.scope === undefined || config.scope === fi.fib_scope) &&
      (cfg.prefsrc === 0 || cfg.prefsrc === fi.fib_prefsrc) &&
      (config.protocol === undefined || config.protocol === fi.fib_protocol) &&
      fib_nh_match(cfg, fi)
    );
  });
  if (found === undefined) return -ESRCH;
  const fi = trie.alias_info(found);
  trie.remove(cfg.dst, found);
  gone(net, tb, fi, slen);
  rt_cache_flush(net);
  return 0;
}

function gone(net: net, tb: fib_table, fi: fib_info, slen: number): void {
  tb.count--;
  if (slen === 32) tb.tb_num_default--;
  fib_release_info(net.ipv4.fib, fi);
}

function valid_key(dst: number, plen: number): boolean {
  return plen >= 0 && plen <= 32 && ((dst | 0) & ~inet_make_mask(plen)) === 0;
}

/** Every route of a table, or of the local and the main one: /proc/net/route, `ip route`, inspectors. By address. */
export function fib_dump(net: net, table?: number): fib_alias[] {
  const { fib } = net.ipv4;
  const tables = table === undefined ? [fib.local, fib.main] : [fib.tables.get(table)];
  return tables.flatMap(tb => (tb === undefined ? [] : trie_dump(tb.trie, tb.tb_id)));
}

/** fib_flush: deletes the routes that are dead, or that `dead` says are to go, from every table. */
export function fib_flush(net: net, dead: (fi: fib_info) => boolean = is_dead): void {
  for (const tb of net.ipv4.fib.tables.values()) {
    trie_flush(tb.trie, tb.tb_id, dead, (fi, slen) => gone(net, tb, fi, slen));
  }
  rt_cache_flush(net);
}

function is_dead(fi: fib_info): boolean {
  return (fi.fib_flags & RTNH_F_DEAD) !== 0 && (fib_props_error[fi.fa_type] as number) === 0;
}

/** `ip route flush table ID`: every route of the table. Returns how many went. */
export function ip_route_flush(net: net, id: number, which: (alias: fib_alias) => boolean = () => true): number {
  const tb = fib_get_table(net, id);
  if (tb === null) return 0;
  let count = 0;
  for (const alias of trie_dump(tb.trie, id)) {
    if (!which(alias)) continue;
    const slen = 32 - alias.prefix_len;
    const fa = tb.trie.aliases(alias.dst, slen, alias.tos, id).find(at => tb.trie.alias_info(at) === alias.fi);
    if (fa === undefined) continue;
    tb.trie.remove(alias.dst, fa);
    gone(net, tb, alias.fi, slen);
    count++;
  }
  rt_cache_flush(net);
  return count;
}

/**
 * fib_disable_ip: the device went down (routes through it go, but for local addresses, which stay ours), or away or
 * without its last address (`force`: all of them).
 */
export function fib_disable_ip(net: net, dev: net_device, force: boolean): void {
  if (fib_sync_down_dev(net, dev, force ? NETDEV_UNREGISTER : NETDEV_DOWN, force) > 0) fib_flush(net);
  else rt_cache_flush(net);
}

// ---- routes of addresses ----------------------------------------------------------------------------------------

/** inet_ifa_byprefix: the primary address in whose subnet a secondary one lies; itself for a primary. */
function primary_of(ifa: in_ifaddr): in_ifaddr {
  if ((ifa.ifa_flags & IFA_F_SECONDARY) === 0) return ifa;
  const same = (other: in_ifaddr): boolean =>
    (other.ifa_flags & IFA_F_SECONDARY) === 0 && other.ifa_mask === ifa.ifa_mask && other.match(ifa.ifa_local);
  return ifa.ifa_dev.ifa_list.find(same) ?? ifa;
}

function magic_config(ifa: in_ifaddr, type: number, dst: number, prefix_len: number): full_config {
  return complete({
    dst,
    prefix_len,
    dev: ifa.ifa_dev.dev,
    type,
    scope: type === RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK,
    table: type === RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL,
    protocol: RTPROT_KERNEL,
  });
}

/** fib_magic. The only error there can be says that the route is there already. */
function fib_magic(ifa: in_ifaddr, type: number, dst: number, prefix_len: number): void {
  const cfg = magic_config(ifa, type, dst, prefix_len);
  cfg.prefsrc = primary_of(ifa).ifa_local;
  fib_table_insert(ifa.ifa_dev.net, cfg, NLM_F_CREATE | NLM_F_APPEND);
}

function fib_unmagic(ifa: in_ifaddr, type: number, dst: number, prefix_len: number): void {
  ip_route_del(ifa.ifa_dev.net, magic_config(ifa, type, dst, prefix_len));
}

/** fib_add_ifaddr: the routes that an address brings: itself, its broadcast addresses, its subnet. */
export function fib_add_ifaddr(ifa: in_ifaddr): void {
  const { dev } = ifa.ifa_dev;
  fib_magic(ifa, RTN_LOCAL, ifa.ifa_local, 32);
  if ((dev.flags & IFF_UP) === 0) return;
  if (ifa.ifa_broadcast !== 0 && ifa.ifa_broadcast !== INADDR_BROADCAST) {
    fib_magic(ifa, RTN_BROADCAST, ifa.ifa_broadcast, 32);
  }
  const prefix = ifa.prefix();
  const secondary = (ifa.ifa_flags & IFA_F_SECONDARY) !== 0;
  if (ipv4_is_zeronet(prefix) || secondary || (prefix === ifa.ifa_local && ifa.ifa_prefixlen === 32)) return;
  const loopback = (dev.flags & IFF_LOOPBACK) !== 0;
  fib_magic(ifa, loopback ? RTN_LOCAL : RTN_UNICAST, prefix, ifa.ifa_prefixlen);
  if (ifa.ifa_prefixlen < 31) fib_magic(ifa, RTN_BROADCAST, prefix | ~ifa.ifa_mask, 32);
}

/**
 * fib_del_ifaddr: takes those routes away again, but for what another address of the device still needs.
 * @returns true when the address is ours on no device any more.
 */
export function fib_del_ifaddr(ifa: in_ifaddr): boolean {
  const { dev, net, ifa_list } = ifa.ifa_dev;
  const prefix = ifa.prefix();
  const loopback = (dev.flags & IFF_LOOPBACK) !== 0;
  if ((ifa.ifa_flags & IFA_F_SECONDARY) === 0) {
    fib_unmagic(ifa, loopback ? RTN_LOCAL : RTN_UNICAST, prefix, ifa.ifa_prefixlen);
  }
  for (const brd of [ifa.ifa_broadcast, prefix | ~ifa.ifa_mask]) {
    const needed = ifa_list.some(
      other => other.ifa_broadcast === brd || (other.ifa_prefixlen < 31 && (other.prefix() | ~other.ifa_mask) === brd),
    );
    if (!needed && brd !== 0) fib_unmagic(ifa, RTN_BROADCAST, brd, 32);
  }
  if (ifa_list.some(other => other.ifa_local === ifa.ifa_local)) return false;
  fib_unmagic(ifa, RTN_LOCAL, ifa.ifa_local, 32);
  return inet_lookup_ifaddr(net, ifa.ifa_local) === null;
}
