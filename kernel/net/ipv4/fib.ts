/**
 * The forwarding information base: what its parts share (include/net/ip_fib.h). The tables are in fib_trie.ts, what lies
 * behind a route in fib_semantics.ts, what the rest of IPv4 asks in fib_frontend.ts, policy rules in fib_rules.ts.
 */

import type { RandomStream } from '../../arch.ts';
import { EACCES, EAGAIN, EHOSTUNREACH, EINVAL } from '../../errno.ts';
import { int_map } from '../../lib/int_map.ts';
import { hsiphash_key } from '../../lib/siphash.ts';
import type { fib_rules_ops } from '../core/fib_rules.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import { fib_table, fib_trie } from './fib_trie.ts';
import type { rtable } from './route.ts';
import type { fnhe_table } from './route_exception.ts';

export {
  fib_add_ifaddr,
  fib_compute_spec_dst,
  fib_del_ifaddr,
  fib_disable_ip,
  fib_dump,
  fib_flush,
  fib_get_table,
  fib_init,
  fib_local_lookup,
  fib_lookup,
  fib_new_table,
  fib_table_insert,
  fib_unmerge,
  inet_addr_type,
  inet_addr_type_dev,
  ip_dev_find,
  ip_route_add,
  ip_route_change,
  ip_route_del,
  ip_route_flush,
  rt_cache_flush,
} from './fib_frontend.ts';
export {
  fib_result_prefsrc,
  fib_select_path,
  fib_sync_down_addr,
  fib_sync_link,
  fib_sync_up,
} from './fib_semantics.ts';

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

export const RT_TABLE_UNSPEC = 0;
export const RT_TABLE_DEFAULT = 253;
export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;

/** Who put the route there. */
export const RTPROT_UNSPEC = 0;
export const RTPROT_REDIRECT = 1;
export const RTPROT_KERNEL = 2;
export const RTPROT_BOOT = 3;
export const RTPROT_STATIC = 4;

export const RTNH_F_DEAD = 1;
export const RTNH_F_ONLINK = 4;
export const RTNH_F_LINKDOWN = 16;

/** Metrics of a route (linux/rtnetlink.h); bit (1 << metric) of RTAX_LOCK says that it is not to be changed. */
export const RTAX_LOCK = 1;
export const RTAX_MTU = 2;
export const RTAX_WINDOW = 3;
export const RTAX_RTT = 4;
export const RTAX_RTTVAR = 5;
export const RTAX_SSTHRESH = 6;
export const RTAX_CWND = 7;
export const RTAX_ADVMSS = 8;
export const RTAX_REORDERING = 9;
export const RTAX_HOPLIMIT = 10;
export const RTAX_INITCWND = 11;
export const RTAX_FEATURES = 12;
export const RTAX_RTO_MIN = 13;
export const RTAX_INITRWND = 14;
export const RTAX_QUICKACK = 15;
/** A key of tcp_ca_get_key_by_name. */
export const RTAX_CC_ALGO = 16;
export const RTAX_FASTOPEN_NO_COOKIE = 17;
export const RTAX_MAX = 17;
/** Bits of RTAX_FEATURES. */
export const RTAX_FEATURE_ECN = 1;

/** A flow whose source need not be ours, and one whose next hop the caller knows (net/flow.h). */
export const FLOWI_FLAG_ANYSRC = 1;
export const FLOWI_FLAG_KNOWN_NH = 2;

/** fib_lookup: next hops without carrier will do. */
export const FIB_LOOKUP_IGNORE_LINKSTATE = 2;

/** How fib_table_insert treats a route that is there already (NLM_F_*). */
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;

/** The bits of TOS that a route or a rule may ask for (IPTOS_RT_MASK). */
export const IPTOS_RULE_MASK = 0x1c;

/** fib_props: by type, the errno that a lookup returns, and the widest scope that such a route may have. */
export const fib_props_error: Int32Array = Int32Array.of(0, 0, 0, 0, 0, 0, -EINVAL, -EHOSTUNREACH, -EACCES, -EAGAIN);
export const fib_props_scope: Int32Array = Int32Array.of(
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
);

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
  /** Ports in host order, for policy rules and multipath; 0 where there are none. */
  sport = 0;
  dport = 0;
  /** FLOWI_FLAG_* */
  flags = 0;

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
    this.sport = 0;
    this.dport = 0;
    this.flags = 0;
    return this;
  }
}

/** A next hop, with the routes that were made for it (fib_nh and its fib_nh_common). */
export class fib_nh {
  nh_dev: net_device | null;
  nh_oif: number;
  /** Gateway, 0 for a destination that is on the link. */
  readonly nh_gw4: number;
  nh_scope: number;
  nh_flags = 0;
  /** 1 to 256; and the highest hash, of 31 bits, that falls to it or to one before it; -1: none. */
  readonly nh_weight: number;
  nh_upper_bound = 0;
  /** nh_saddr: the source address to use, valid while `saddr_genid` is the net's. */
  nh_saddr = 0;
  saddr_genid = -1;
  /** nhc_pcpu_rth_output, nhc_rth_input */
  rth_output: rtable | null = null;
  rth_input: rtable | null = null;
  /** nhc_exceptions: destinations behind it with a path MTU or a gateway of their own. */
  exceptions: fnhe_table | null = null;

  constructor(dev: net_device | null, gw: number, scope: number, weight = 1) {
    this.nh_dev = dev;
    this.nh_oif = dev === null ? 0 : dev.ifindex;
    this.nh_gw4 = gw;
    this.nh_scope = scope;
    this.nh_weight = weight;
  }
}

/** What lies behind routes (struct fib_info): those that say the same share one, and so the routes made for it. */
export class fib_info {
  /** Where it stands in fib_tables.infos; -1 when no route uses it. */
  index = -1;
  /** Routes that use it (fib_treeref). */
  treeref = 0;
  readonly table: number;
  readonly fa_type: number;
  readonly fib_scope: number;
  readonly fib_protocol: number;
  readonly fib_priority: number;
  readonly fib_prefsrc: number;
  /** By RTAX_*; null when none is set. */
  readonly fib_metrics: Int32Array | null;
  readonly nhs: fib_nh[];
  fib_flags = 0;
  fib_dead = false;
  fib_hash = 0;
  hash_next: fib_info | null = null;

  constructor(cfg: full_config, metrics: Int32Array | null, nhs: fib_nh[]) {
    this.table = cfg.table;
    this.fa_type = cfg.type;
    this.fib_scope = cfg.scope;
    this.fib_protocol = cfg.protocol;
    this.fib_priority = cfg.metric | 0;
    this.fib_prefsrc = cfg.prefsrc;
    this.fib_metrics = metrics;
    this.nhs = nhs;
  }

  get fib_mtu(): number {
    return this.fib_metrics === null ? 0 : (this.fib_metrics[RTAX_MTU] as number);
  }
}

/** The answer of a lookup. */
export class fib_result {
  type = RTN_UNSPEC;
  /** The prefix that matched, and its length. */
  prefix = 0;
  prefixlen = 0;
  scope = 0;
  tos = 0;
  /** The table it was found in, by number and itself. */
  table = 0;
  tb: fib_table | null = null;
  fi: fib_info | null = null;
  nh: fib_nh | null = null;

  reset(): void {
    this.type = RTN_UNSPEC;
    this.prefix = 0;
    this.prefixlen = 0;
    this.tb = null;
    this.fi = null;
    this.nh = null;
  }
}

/** One next hop of several (`nexthop via … dev … weight …`). */
export interface fib_nexthop_config {
  gateway?: number;
  dev?: net_device | null;
  /** 1 to 256. */
  weight?: number;
  onlink?: boolean;
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
  /** Further metrics, as [RTAX_*, value]. */
  metrics?: readonly (readonly [number, number])[];
  /** RTNH_F_ONLINK: the gateway is on the link whatever the routes say. */
  onlink?: boolean;
  /** Several next hops; then `gateway` and `dev` are not to be given. */
  nexthops?: readonly fib_nexthop_config[];
}

export type full_config = Required<fib_config>;

/** The tables of one net. */
export class fib_tables {
  readonly net: net;
  /** By number. While there are no rules but the three of the start, `local` and `main` share one trie. */
  readonly tables = new Map<number, fib_table>();
  local: fib_table;
  main: fib_table;
  default_table: fib_table | null = null;
  /** Every fib_info in use, by its index; null where one is free. */
  readonly infos: (fib_info | null)[] = [];
  readonly free: number[] = [];
  /** fib_info_hash, by what it says. */
  readonly hash = new int_map<fib_info>();
  rules!: fib_rules_ops;
  has_custom_rules = false;
  /** A local route that no address brought: addresses alone do not say any more what is ours. */
  has_custom_local_routes = false;
  /** Rules that look at ports or protocols. */
  rules_require_fldissect = 0;
  /** The key of multipath hashes (init_net_ipv4_sysctl_fib_multipath_hash_seed), and its words. */
  readonly random: RandomStream;
  readonly multipath_key: hsiphash_key;
  readonly words = new Int32Array(8);
  /** Scratch for lookups that are made on the side; never held across a call. */
  readonly fl = new flowi4();
  readonly res = new fib_result();

  constructor(net: net) {
    this.net = net;
    this.random = net.kernel.arch.random('fib');
    this.multipath_key = new hsiphash_key(this.random.u32(), this.random.u32());
    const trie = new fib_trie(this.infos);
    this.main = new fib_table(RT_TABLE_MAIN, trie);
    this.local = new fib_table(RT_TABLE_LOCAL, trie);
    this.tables.set(RT_TABLE_LOCAL, this.local);
    this.tables.set(RT_TABLE_MAIN, this.main);
  }
}
