/**
 * The forwarding information base: routing tables and what lies behind a route (net/ipv4/fib_semantics.c,
 * fib_trie.c, fib_frontend.c).
 *
 * A table is one hash per prefix length and a list of the lengths in use, longest first. Linux keeps a trie; whoever
 * replaces this keeps fib_lookup, fib_table_insert and fib_table_delete. As long as there are no policy rules Linux
 * searches the local and the main table as one: the longest prefix in either wins, the local table first among equals.
 */
import { EACCES, EAGAIN, EEXIST, EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH, ENODEV, ESRCH } from '../../errno.ts';
import { int_map } from '../../lib/int_map.ts';
import type { net } from '../core/net_namespace.ts';
import { IFF_UP, type net_device } from '../core/netdevice.ts';
import { inet_lookup_ifaddr, inet_select_addr } from './devinet.ts';
import { INADDR_BROADCAST, inet_make_mask, ipv4_is_multicast, ipv4_is_zeronet } from './ip_header.ts';
import type { rtable } from './route.ts';

/** Route types (linux/rtnetlink.h). */
export const RTN_UNSPEC = 0;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_ANYCAST = 4;
export const RTN_MULTICAST = 5;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;
export const RTN_THROW = 9;

/** Scopes: how far away a destination is; a larger number is nearer. */
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_SITE = 200;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;
export const RT_SCOPE_NOWHERE = 255;

export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;

/** Who put the route there. */
export const RTPROT_UNSPEC = 0;
export const RTPROT_KERNEL = 2;
export const RTPROT_BOOT = 3;
export const RTPROT_STATIC = 4;

export const RTNH_F_DEAD = 1;
export const RTNH_F_ONLINK = 4;
export const RTNH_F_LINKDOWN = 16;

/** fib_props: by type, the errno that a lookup returns, and the widest scope that such a route may have. */
const fib_props_error = [0, 0, 0, 0, 0, 0, -EINVAL, -EHOSTUNREACH, -EACCES, -EAGAIN];
const fib_props_scope = [
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_SCOPE_UNIVERSE,
  RT_SCOPE_UNIVERSE,
  RT_SCOPE_UNIVERSE,
  RT_SCOPE_UNIVERSE,
];

/** struct flowi4: what is asked of routing. A caller keeps one and fills in every field before each lookup. */
export class flowi4 {
  daddr = 0;
  saddr = 0;
  /** Index of the device to leave by, 0 for any. A lookup changes it. */
  oif = 0;
  iif = 0;
  tos = 0;
  mark = 0;
  proto = 0;
  scope = RT_SCOPE_UNIVERSE;

  /** As new: an address to reach, the rest unspecified. */
  init(daddr: number, saddr: number): this {
    this.daddr = daddr;
    this.saddr = saddr;
    this.oif = 0;
    this.iif = 0;
    this.tos = 0;
    this.mark = 0;
    this.proto = 0;
    this.scope = RT_SCOPE_UNIVERSE;
    return this;
  }
}

/** A next hop, with the routes that were made for it (fib_nh and its fib_nh_common). */
export class fib_nh {
  readonly nh_dev: net_device | null;
  readonly nh_oif: number;
  /** Gateway, 0 for a destination that is on the link. */
  readonly nh_gw4: number;
  nh_scope: number;
  nh_flags = 0;
  /** nh_saddr: the source address to use, valid while `saddr_genid` is the net's. */
  nh_saddr = 0;
  saddr_genid = -1;
  /** nhc_pcpu_rth_output, nhc_rth_input */
  rth_output: rtable | null = null;
  rth_input: rtable | null = null;

  constructor(dev: net_device | null, gw: number, scope: number) {
    this.nh_dev = dev;
    this.nh_oif = dev === null ? 0 : dev.ifindex;
    this.nh_gw4 = gw;
    this.nh_scope = scope;
  }
}

/** What lies behind a route (struct fib_info), together with its type and TOS (struct fib_alias). */
export class fib_info {
  readonly table: number;
  readonly fa_type: number;
  readonly fa_tos: number;
  readonly fib_scope: number;
  readonly fib_protocol: number;
  readonly fib_priority: number;
  readonly fib_prefsrc: number;
  readonly fib_mtu: number;
  readonly nhs: fib_nh[];
  fib_flags = 0;

  constructor(cfg: Required<fib_config>, nhs: fib_nh[]) {
    this.table = cfg.table;
    this.fa_type = cfg.type;
    this.fa_tos = cfg.tos;
    this.fib_scope = cfg.scope;
    this.fib_protocol = cfg.protocol;
    this.fib_priority = cfg.metric;
    this.fib_prefsrc = cfg.prefsrc;
    this.fib_mtu = cfg.mtu;
    this.nhs = nhs;
  }
}

/** The answer of a lookup. */
export class fib_result {
  type = RTN_UNSPEC;
  prefixlen = 0;
  scope = 0;
  table = 0;
  fi: fib_info | null = null;
  nh: fib_nh | null = null;

  reset(): void {
    this.type = RTN_UNSPEC;
    this.prefixlen = 0;
    this.fi = null;
    this.nh = null;
  }
}

/** A route to add or to delete (struct fib_config). What is left out of a deletion matches anything. */
export interface fib_config {
  dst: number;
  prefix_len: number;
  gateway?: number;
  dev?: net_device | null;
  metric?: number;
  type?: number;
  tos?: number;
  scope?: number;
  table?: number;
  protocol?: number;
  /** Source address to prefer (`src` of ip route). */
  prefsrc?: number;
  mtu?: number;
  /** RTNH_F_ONLINK: the gateway is on the link whatever the routes say. */
  onlink?: boolean;
}

/** All routes of one prefix: by TOS, the largest first, then by metric, the smallest first. */
class fib_prefix {
  readonly key: number;
  readonly plen: number;
  readonly aliases: fib_info[] = [];

  constructor(key: number, plen: number) {
    this.key = key;
    this.plen = plen;
  }
}

class fib_table {
  readonly id: number;
  readonly zones: (int_map<fib_prefix> | null)[] = new Array<int_map<fib_prefix> | null>(33).fill(null);
  /** Routes in it. */
  count = 0;

  constructor(id: number) {
    this.id = id;
  }

  find(key: number, plen: number): fib_prefix | null {
    const zone = this.zones[plen] as int_map<fib_prefix> | null;
    return zone === null ? null : zone.get(key);
  }
}

/** The tables of one net. */
export class fib_tables {
  readonly net: net;
  readonly local = new fib_table(RT_TABLE_LOCAL);
  readonly main = new fib_table(RT_TABLE_MAIN);
  /** Prefix lengths in use in either table, longest first: the first `nlengths` entries. */
  readonly lengths = new Int32Array(33);
  readonly masks = new Int32Array(33);
  nlengths = 0;
  /** Scratch for lookups that are made on the side; never held across a call. */
  readonly fl = new flowi4();
  readonly res = new fib_result();

  constructor(net: net) {
    this.net = net;
  }

  table(id: number): fib_table | null {
    return id === RT_TABLE_LOCAL ? this.local : id === RT_TABLE_MAIN ? this.main : null;
  }

  /** Notes which prefix lengths are in use. */
  relength(): void {
    this.nlengths = 0;
    for (let plen = 32; plen >= 0; plen--) {
      const local = this.local.zones[plen] ?? null;
      const main = this.main.zones[plen] ?? null;
      if ((local === null || local.size === 0) && (main === null || main.size === 0)) continue;
      this.lengths[this.nlengths] = plen;
      this.masks[this.nlengths++] = inet_make_mask(plen);
    }
  }
}

export function fib_init(net: net): void {
  net.ipv4.fib = new fib_tables(net);
}

/**
 * fib_lookup: the route for `flp`, longest prefix first, into `res`.
 * @returns 0, -ENETUNREACH without a route, or what the route's type says (-EHOSTUNREACH, -EACCES, -EINVAL).
 */
export function fib_lookup(net: net, flp: flowi4, res: fib_result): number {
  const { fib } = net.ipv4;
  const { lengths, masks, local, main } = fib;
  for (let i = 0; i < fib.nlengths; i++) {
    const plen = lengths[i] as number;
    const key = flp.daddr & (masks[i] as number);
    let err = match(local.find(key, plen), flp, res);
    if (err === -EAGAIN) err = match(main.find(key, plen), flp, res);
    if (err !== -EAGAIN) return err === THROW ? -ENETUNREACH : err;
  }
  return -ENETUNREACH;
}

/** Is the address one of ours, a broadcast address …: the local table alone (fib_table_lookup). 0 or -EAGAIN. */
export function fib_local_lookup(net: net, flp: flowi4, res: fib_result): number {
  const { fib } = net.ipv4;
  for (let i = 0; i < fib.nlengths; i++) {
    const err = match(fib.local.find(flp.daddr & (fib.masks[i] as number), fib.lengths[i] as number), flp, res);
    if (err !== -EAGAIN) return err === THROW ? -EAGAIN : err;
  }
  return -EAGAIN;
}

/** A throw route ends the search in its table; with the two tables searched as one, that of both. */
const THROW = -10_000;

/** The first route of a prefix that fits the flow. -EAGAIN: none. */
function match(prefix: fib_prefix | null, flp: flowi4, res: fib_result): number {
  if (prefix === null) return -EAGAIN;
  const { aliases } = prefix;
  for (let i = 0; i < aliases.length; i++) {
    const fi = aliases[i] as fib_info;
    if (fi.fa_tos !== 0 && fi.fa_tos !== flp.tos) continue;
    if (fi.fib_scope < flp.scope) continue;
    const error = fib_props_error[fi.fa_type] as number;
    if (error !== 0) return error === -EAGAIN ? THROW : error;
    if ((fi.fib_flags & RTNH_F_DEAD) !== 0) continue;
    for (let n = 0; n < fi.nhs.length; n++) {
      const nh = fi.nhs[n] as fib_nh;
      if ((nh.nh_flags & RTNH_F_DEAD) !== 0) continue;
      if (flp.oif !== 0 && flp.oif !== nh.nh_oif) continue;
      if ((nh.nh_flags & RTNH_F_LINKDOWN) !== 0 && (nh.nh_dev as net_device).ip_ptr?.ignore_linkdown() === true)
        continue;
      res.type = fi.fa_type;
      res.prefixlen = prefix.plen;
      res.scope = fi.fib_scope;
      res.table = fi.table;
      res.fi = fi;
      res.nh = nh;
      return 0;
    }
  }
  return -EAGAIN;
}

/** fib_result_prefsrc: the source address that a route suggests. */
export function fib_result_prefsrc(net: net, res: fib_result): number {
  const fi = res.fi as fib_info;
  if (fi.fib_prefsrc !== 0) return fi.fib_prefsrc;
  const nh = res.nh as fib_nh;
  const genid = net.ipv4.dev_addr_genid;
  if (nh.saddr_genid !== genid) {
    nh.nh_saddr = inet_select_addr(nh.nh_dev as net_device, nh.nh_gw4, fi.fib_scope);
    nh.saddr_genid = genid;
  }
  return nh.nh_saddr;
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

// ---- changing the tables ----------------------------------------------------------------------------------------

/** rt_cache_flush: every route made so far is stale. */
export function rt_cache_flush(net: net): void {
  net.ipv4.rt_genid = (net.ipv4.rt_genid + 1) | 0;
}

/** What `ip route add` fills in by itself: the scope follows from type and gateway. */
function complete(cfg: fib_config): Required<fib_config> {
  const type = cfg.type ?? RTN_UNICAST;
  const gateway = cfg.gateway ?? 0;
  let scope = RT_SCOPE_UNIVERSE;
  if (type === RTN_LOCAL) scope = RT_SCOPE_HOST;
  else if (type === RTN_BROADCAST || type === RTN_MULTICAST || type === RTN_ANYCAST) scope = RT_SCOPE_LINK;
  else if (type === RTN_UNICAST && gateway === 0) scope = RT_SCOPE_LINK;
  const local = type === RTN_LOCAL || type === RTN_BROADCAST || type === RTN_ANYCAST;
  return {
    dst: cfg.dst,
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
    onlink: cfg.onlink ?? false,
  };
}

/** ip_route_add (`ip route add`): 0 or a negative errno. */
export function ip_route_add(net: net, config: fib_config): number {
  return fib_table_insert(net, complete(config));
}

/**
 * fib_table_insert: 0 or a negative errno. A route with the TOS and metric of another one for the prefix is refused,
 * or, with `append` (NLM_F_APPEND, as the kernel adds its own), comes behind it unless it says the very same.
 */
export function fib_table_insert(net: net, cfg: Required<fib_config>, append = false): number {
  const { fib } = net.ipv4;
  const table = fib.table(cfg.table);
  if (table === null) return -EINVAL;
  if (!valid_key(cfg.dst, cfg.prefix_len)) return -EINVAL;
  const fi = fib_create_info(net, cfg);
  if (typeof fi === 'number') return fi;
  const prefix = table.find(cfg.dst | 0, cfg.prefix_len) ?? new fib_prefix(cfg.dst | 0, cfg.prefix_len);
  const { aliases } = prefix;
  let at = 0;
  for (; at < aliases.length; at++) {
    const other = aliases[at] as fib_info;
    if (other.fa_tos === fi.fa_tos && other.fib_priority === fi.fib_priority) {
      if (!append || same_route(other, fi)) return -EEXIST;
      continue;
    }
    if (other.fa_tos < fi.fa_tos || (other.fa_tos === fi.fa_tos && other.fib_priority > fi.fib_priority)) break;
  }
  aliases.splice(at, 0, fi);
  if (aliases.length === 1) {
    const zone = table.zones[cfg.prefix_len] ?? new int_map<fib_prefix>();
    table.zones[cfg.prefix_len] = zone;
    zone.set(prefix.key, prefix);
    fib.relength();
  }
  table.count++;
  rt_cache_flush(net);
  return 0;
}

/** ip_route_del (`ip route del`): deletes the first route that matches. 0, -EINVAL or -ESRCH. */
export function ip_route_del(net: net, config: fib_config): number {
  if (!valid_key(config.dst, config.prefix_len)) return -EINVAL;
  const { fib } = net.ipv4;
  const table = fib.table(complete(config).table);
  if (table === null) return -EINVAL;
  const prefix = table.find(config.dst | 0, config.prefix_len);
  if (prefix === null) return -ESRCH;
  const at = prefix.aliases.findIndex(
    fi =>
      fi.fa_tos === (config.tos ?? 0) &&
      (config.type === undefined || config.type === fi.fa_type) &&
      (config.scope === undefined || config.scope === fi.fib_scope) &&
      (config.prefsrc === undefined || config.prefsrc === fi.fib_prefsrc) &&
      (config.protocol === undefined || config.protocol === fi.fib_protocol) &&
      (config.metric === undefined || config.metric === fi.fib_priority) &&
      (config.dev === undefined || config.dev === null || fi.nhs.some(nh => nh.nh_dev === config.dev)) &&
      (config.gateway === undefined || fi.nhs.some(nh => nh.nh_gw4 === config.gateway)),
  );
  if (at < 0) return -ESRCH;
  remove_alias(fib, table, prefix, at);
  rt_cache_flush(net);
  return 0;
}

function same_route(a: fib_info, b: fib_info): boolean {
  const x = a.nhs[0];
  const y = b.nhs[0];
  return (
    a.fa_type === b.fa_type &&
    a.fib_scope === b.fib_scope &&
    a.fib_prefsrc === b.fib_prefsrc &&
    a.fib_protocol === b.fib_protocol &&
    x?.nh_dev === y?.nh_dev &&
    x?.nh_gw4 === y?.nh_gw4
  );
}

function remove_alias(fib: fib_tables, table: fib_table, prefix: fib_prefix, at: number): void {
  const [fi] = prefix.aliases.splice(at, 1);
  if (fi !== undefined) fi.fib_flags |= RTNH_F_DEAD;
  table.count--;
  if (prefix.aliases.length > 0) return;
  (table.zones[prefix.plen] as int_map<fib_prefix>).delete(prefix.key);
  fib.relength();
}

function valid_key(dst: number, plen: number): boolean {
  return plen >= 0 && plen <= 32 && ((dst | 0) & ~inet_make_mask(plen)) === 0;
}

/** fib_create_info: checks a route and resolves its next hop. A fib_info or a negative errno. */
function fib_create_info(net: net, cfg: Required<fib_config>): fib_info | number {
  if (cfg.type <= RTN_UNSPEC || cfg.type > RTN_THROW) return -EINVAL;
  if ((fib_props_scope[cfg.type] as number) > cfg.scope) return -EINVAL;
  if (fib_props_error[cfg.type] !== 0) {
    if (cfg.gateway !== 0 || cfg.dev !== null) return -EINVAL;
    return new fib_info(cfg, []);
  }
  if (cfg.scope > RT_SCOPE_HOST) return -EINVAL;
  let nh: fib_nh;
  if (cfg.scope === RT_SCOPE_HOST) {
    // A local address: its device may be down.
    if (cfg.gateway !== 0) return -EINVAL;
    if (cfg.dev === null) return -ENODEV;
    nh = new fib_nh(cfg.dev, 0, RT_SCOPE_NOWHERE);
  } else {
    const checked = fib_check_nh(net, cfg);
    if (typeof checked === 'number') return checked;
    nh = checked;
  }
  if (cfg.prefsrc !== 0 && !fib_valid_prefsrc(net, cfg)) return -EINVAL;
  return new fib_info(cfg, [nh]);
}

function fib_valid_prefsrc(net: net, cfg: Required<fib_config>): boolean {
  if (cfg.type === RTN_LOCAL && cfg.prefsrc === cfg.dst) return true;
  return inet_addr_type(net, cfg.prefsrc) === RTN_LOCAL;
}

/** fib_check_nh: a gateway must be reachable without a gateway, a device must be up. */
function fib_check_nh(net: net, cfg: Required<fib_config>): fib_nh | number {
  if (cfg.gateway === 0) {
    // fib_check_nh_nongw
    if (cfg.dev === null || cfg.dev.ip_ptr === null) return -ENODEV;
    if ((cfg.dev.flags & IFF_UP) === 0) return -ENETDOWN;
    return with_link(new fib_nh(cfg.dev, 0, RT_SCOPE_HOST));
  }
  // fib_check_nh_v4_gw
  if (cfg.scope >= RT_SCOPE_LINK) return -EINVAL;
  if (cfg.onlink) {
    if (inet_addr_type(net, cfg.gateway) !== RTN_UNICAST) return -EINVAL;
    if (cfg.dev === null) return -ENODEV;
    if ((cfg.dev.flags & IFF_UP) === 0) return -ENETDOWN;
    return with_link(new fib_nh(cfg.dev, cfg.gateway, RT_SCOPE_LINK));
  }
  const { fl, res } = net.ipv4.fib;
  fl.init(cfg.gateway, 0);
  fl.scope = Math.max(cfg.scope + 1, RT_SCOPE_LINK);
  fl.oif = cfg.dev === null ? 0 : cfg.dev.ifindex;
  const err = fib_lookup(net, fl, res);
  if (err !== 0) return err;
  if (res.type !== RTN_UNICAST && res.type !== RTN_LOCAL) return -EINVAL;
  const dev = (res.nh as fib_nh).nh_dev;
  if (dev === null) return -EINVAL;
  if ((dev.flags & IFF_UP) === 0) return -ENETDOWN;
  return with_link(new fib_nh(dev, cfg.gateway, res.scope));
}

function with_link(nh: fib_nh): fib_nh {
  if ((nh.nh_dev as net_device).carrier === false) nh.nh_flags |= RTNH_F_LINKDOWN;
  return nh;
}

/** Every route of both tables, longest prefix first: /proc/net/route, `ip route`, inspectors. */
export function fib_dump(net: net): { dst: number; prefix_len: number; fi: fib_info }[] {
  const list: { dst: number; prefix_len: number; fi: fib_info }[] = [];
  for (const table of [net.ipv4.fib.local, net.ipv4.fib.main]) {
    for (let plen = 32; plen >= 0; plen--) {
      const prefixes = table.zones[plen]?.values() ?? [];
      prefixes.sort((a, b) => (a.key >>> 0) - (b.key >>> 0));
      for (const prefix of prefixes)
        for (const fi of prefix.aliases) list.push({ dst: prefix.key, prefix_len: plen, fi });
    }
  }
  return list;
}

/** fib_flush: deletes the routes of both tables that `dead` says are to go. */
export function fib_flush(net: net, dead: (fi: fib_info) => boolean): void {
  const { fib } = net.ipv4;
  for (const table of [fib.local, fib.main]) {
    for (const zone of table.zones) {
      for (const prefix of zone?.values() ?? []) {
        for (let at = prefix.aliases.length - 1; at >= 0; at--) {
          if (dead(prefix.aliases[at] as fib_info)) remove_alias(fib, table, prefix, at);
        }
      }
    }
  }
  rt_cache_flush(net);
}

/**
 * fib_sync_down_dev and fib_flush: the device went down; routes through it go, but for local addresses, which stay
 * ours, unless `force` (the device or its last address is gone).
 */
export function fib_disable_ip(net: net, dev: net_device, force: boolean): void {
  fib_flush(net, fi => fi.nhs.some(nh => nh.nh_dev === dev && (force || nh.nh_scope !== RT_SCOPE_NOWHERE)));
}

/** fib_sync_up, fib_sync_down_dev: the link of a device came or went. */
export function fib_sync_link(net: net, dev: net_device): void {
  for (const { fi } of fib_dump(net)) {
    for (const nh of fi.nhs) {
      if (nh.nh_dev !== dev) continue;
      nh.nh_flags = dev.carrier ? nh.nh_flags & ~RTNH_F_LINKDOWN : nh.nh_flags | RTNH_F_LINKDOWN;
    }
  }
  rt_cache_flush(net);
}
