/** `ip route` and `ip rule`: arguments and output as iproute2's. */

import { EINVAL, ENETUNREACH } from '../../kernel/errno.ts';
import { inet_ntoa } from '../../kernel/lib/inet.ts';
import {
  FR_ACT_BLACKHOLE,
  FR_ACT_GOTO,
  FR_ACT_NOP,
  FR_ACT_PROHIBIT,
  FR_ACT_TO_TBL,
  FR_ACT_UNREACHABLE,
} from '../../kernel/net/core/fib_rules.ts';
import type { net } from '../../kernel/net/core/net_namespace.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { alloc_skb, consume_skb, skb_put, skb_reset_network_header } from '../../kernel/net/core/skbuff.ts';
import { ETH_P_IP } from '../../kernel/net/ethernet/eth.ts';
import * as fib from '../../kernel/net/ipv4/fib.ts';
import {
  type fib4_rule,
  fib4_rule_add,
  type fib4_rule_config,
  fib4_rule_del,
} from '../../kernel/net/ipv4/fib_rules.ts';
import type { fib_alias } from '../../kernel/net/ipv4/fib_trie_walk.ts';
import { inet_make_mask, put16, put32 } from '../../kernel/net/ipv4/ip_header.ts';
import {
  ip_route_input,
  ip_route_output_key,
  RTCF_BROADCAST,
  RTCF_LOCAL,
  RTCF_MULTICAST,
  RTCF_REDIRECTED,
  type rtable,
} from '../../kernel/net/ipv4/route.ts';
import { fnhe_genid_bump } from '../../kernel/net/ipv4/route_exception.ts';
import { tcp_ca_get_key_by_name, tcp_ca_get_name_by_key } from '../../kernel/net/ipv4/tcp_cong.ts';
import {
  address,
  answered,
  device,
  IpError,
  invalid,
  number,
  prefix,
  refused,
  showPrefix,
  tableId,
  tableName,
  verbOf,
  within,
  wrong,
} from './ip-words.ts';
import type { Words } from './iproute2-words.ts';

const TYPES: readonly (readonly [number, string])[] = [
  [fib.RTN_UNICAST, 'unicast'],
  [fib.RTN_LOCAL, 'local'],
  [fib.RTN_BROADCAST, 'broadcast'],
  [fib.RTN_ANYCAST, 'anycast'],
  [fib.RTN_MULTICAST, 'multicast'],
  [fib.RTN_BLACKHOLE, 'blackhole'],
  [fib.RTN_UNREACHABLE, 'unreachable'],
  [fib.RTN_PROHIBIT, 'prohibit'],
  [fib.RTN_THROW, 'throw'],
];
const PROTOCOLS: readonly (readonly [number, string])[] = [
  [fib.RTPROT_UNSPEC, 'unspec'],
  [fib.RTPROT_REDIRECT, 'redirect'],
  [fib.RTPROT_KERNEL, 'kernel'],
  [fib.RTPROT_BOOT, 'boot'],
  [fib.RTPROT_STATIC, 'static'],
];
const SCOPES: readonly (readonly [number, string])[] = [
  [fib.RT_SCOPE_UNIVERSE, 'global'],
  [fib.RT_SCOPE_SITE, 'site'],
  [fib.RT_SCOPE_LINK, 'link'],
  [fib.RT_SCOPE_HOST, 'host'],
  [fib.RT_SCOPE_NOWHERE, 'nowhere'],
];
const METRICS: readonly (readonly [number, string])[] = [
  [fib.RTAX_MTU, 'mtu'],
  [fib.RTAX_WINDOW, 'window'],
  [fib.RTAX_RTT, 'rtt'],
  [fib.RTAX_RTTVAR, 'rttvar'],
  [fib.RTAX_SSTHRESH, 'ssthresh'],
  [fib.RTAX_CWND, 'cwnd'],
  [fib.RTAX_ADVMSS, 'advmss'],
  [fib.RTAX_REORDERING, 'reordering'],
  [fib.RTAX_HOPLIMIT, 'hoplimit'],
  [fib.RTAX_INITCWND, 'initcwnd'],
  [fib.RTAX_FEATURES, 'features'],
  [fib.RTAX_RTO_MIN, 'rto_min'],
  [fib.RTAX_INITRWND, 'initrwnd'],
  [fib.RTAX_QUICKACK, 'quickack'],
  [fib.RTAX_CC_ALGO, 'congctl'],
  [fib.RTAX_FASTOPEN_NO_COOKIE, 'fastopen_no_cookie'],
];

const nameIn = (list: readonly (readonly [number, string])[], value: number): string =>
  list.find(([each]) => each === value)?.[1] ?? String(value);

function valueIn(list: readonly (readonly [number, string])[], text: string, what: string): number {
  return list.find(([, name]) => name === text)?.[0] ?? number(text, what, 255);
}

const tosText = (tos: number): string => `0x${tos.toString(16).padStart(2, '0')}`;

// ---- ip route ---------------------------------------------------------------------------------------------------

const CHANGES: Readonly<Record<string, number>> = {
  add: fib.NLM_F_CREATE | fib.NLM_F_EXCL,
  replace: fib.NLM_F_CREATE | fib.NLM_F_REPLACE,
  change: fib.NLM_F_REPLACE,
  append: fib.NLM_F_CREATE | fib.NLM_F_APPEND,
  prepend: fib.NLM_F_CREATE,
};

export function route(net: net, words: Words): string {
  const word = words.more ? words.next() : 'show';
  const verb = verbOf(word, ROUTE_VERBS);
  const flags = CHANGES[verb ?? ''];
  if (flags !== undefined) {
    const config = routeConfig(net, words);
    const err = fib.ip_route_change(net, config, flags);
    if (err === -ENETUNREACH || (err === -EINVAL && isBroadcast(net, config.gateway))) {
      refused('Nexthop has invalid gateway.');
    }
    if (err === -EINVAL && config.prefsrc !== undefined && fib.inet_addr_type(net, config.prefsrc) !== fib.RTN_LOCAL) {
      refused('Invalid prefsrc address.');
    }
    if (err !== 0) answered(err);
    return '';
  }
  switch (verb) {
    case 'delete': {
      const config = routeConfig(net, words);
      const err = fib.ip_route_del(net, config);
      if (err !== 0) answered(err);
      return '';
    }
    case 'get':
      return get(net, words);
    case 'show':
    case 'list':
    case 'ls':
    case 'lst':
      return show(net, words);
    case 'flush':
      return flush(net, words);
    default:
      throw new IpError(`Command "${word}" is unknown, try "ip route help".`, 255);
  }
}

/** In iproute2's order: the first that a word begins is meant. */
const ROUTE_VERBS: readonly string[] = [
  'list',
  'show',
  'lst',
  'ls',
  'get',
  'add',
  'change',
  'replace',
  'prepend',
  'append',
  'delete',
  'flush',
];

function isBroadcast(net: net, gateway: number | undefined): boolean {
  return gateway !== undefined && fib.inet_addr_type(net, gateway) === fib.RTN_BROADCAST;
}

/** NODE_SPEC and INFO_SPEC of ip-route(8). */
function routeConfig(net: net, words: Words): fib.fib_config {
  const config: fib.fib_config = { dst: 0, prefix_len: 0 };
  const metrics: [number, number][] = [];
  const nexthops: fib.fib_nexthop_config[] = [];
  let locked = 0;
  let destination = false;
  while (words.more) {
    const word = words.next();
    const metric = METRICS.find(([, name]) => name === word);
    const type = TYPES.find(([, name]) => name === word);
    if (metric !== undefined) {
      // rto_min is always fixed, and may not be called so.
      if (metric[0] === fib.RTAX_RTO_MIN || words.take('lock')) locked |= 1 << metric[0];
      metrics.push([metric[0], metricValue(net, metric[0], words.next(), `"${word}" value is invalid`)]);
    } else if (type !== undefined) config.type = type[0];
    else if (word === 'via') {
      words.take('inet');
      config.gateway = address(words.next(), 'inet');
    } else if (word === 'dev' || word === 'oif') config.dev = device(net, words.next());
    else if (word === 'metric' || word === 'priority' || word === 'preference') {
      config.metric = number(words.next(), '"metric" value is invalid');
    } else if (word === 'tos' || word === 'dsfield') config.tos = number(words.next(), '"tos" value is invalid', 255);
    else if (word === 'src') config.prefsrc = address(words.next());
    else if (word === 'table') config.table = tableId(words.next());
    else if (word === 'proto' || word === 'protocol') {
      config.protocol = valueIn(PROTOCOLS, words.next(), '"protocol" value is invalid');
    } else if (word === 'scope') config.scope = valueIn(SCOPES, words.next(), 'invalid "scope" value');
    else if (word === 'onlink') config.onlink = true;
    else if (word === 'nexthop') nexthops.push(nexthop(net, words));
    else {
      if (destination) wrong(`either "to" is duplicate, or "${word}" is a garbage.`);
      const { addr, len } = prefix(word === 'to' ? words.next() : word);
      if ((addr & ~inet_make_mask(len)) !== 0) refused('Invalid prefix for given prefix length.');
      config.dst = addr;
      config.prefix_len = len;
      destination = true;
    }
  }
  if (locked !== 0) metrics.push([fib.RTAX_LOCK, locked]);
  if (metrics.length > 0) config.metrics = metrics;
  if (nexthops.length > 0) config.nexthops = nexthops;
  return config;
}

/** The units that a time is kept in: round trips in eighths and fourths of a ms. */
const TIMES: Readonly<Record<number, number>> = { [fib.RTAX_RTT]: 8, [fib.RTAX_RTTVAR]: 4, [fib.RTAX_RTO_MIN]: 1 };

/** A number; where the metric is a time, it may have a unit (get_time_rtt: without one it is as the kernel keeps it). */
function metricValue(net: net, metric: number, text: string, what: string): number {
  if (metric === fib.RTAX_FEATURES) {
    if (text !== 'ecn') wrong(`argument "${text}" is wrong: "features" value not valid`);
    return fib.RTAX_FEATURE_ECN;
  }
  if (metric === fib.RTAX_CC_ALGO) {
    const key = tcp_ca_get_key_by_name(net, text);
    if (key === 0) refused('Unknown tcp congestion algorithm.');
    return key;
  }
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(s|sec|secs|ms|msec|msecs)$/.exec(text) ?? [];
  const scale = TIMES[metric];
  if (scale === undefined || digits === undefined) return number(text, what);
  return Math.ceil(Number(digits) * ((unit as string).startsWith('s') ? 1000 : 1) * scale);
}

function nexthop(net: net, words: Words): fib.fib_nexthop_config {
  const hop: fib.fib_nexthop_config = {};
  for (;;) {
    if (words.take('via')) hop.gateway = address(words.next());
    else if (words.take('dev')) hop.dev = device(net, words.next());
    else if (words.take('weight')) hop.weight = number(words.next(), '"weight" is invalid', 256);
    else if (words.take('onlink')) hop.onlink = true;
    else return hop;
  }
}

interface Filter {
  tables: readonly number[];
  dev: net_device | null;
  via: number | null;
  proto: number | null;
  type: number | null;
  scope: number | null;
  metric: number | null;
  exact: { addr: number; len: number } | null;
  root: { addr: number; len: number } | null;
  match: { addr: number; len: number } | null;
  cache: boolean;
  /** A table was named, or all: then lines tell which. */
  all: boolean;
}

function filter(net: net, words: Words): Filter {
  const found: Filter = {
    tables: [fib.RT_TABLE_MAIN],
    dev: null,
    via: null,
    proto: null,
    type: null,
    scope: null,
    metric: null,
    exact: null,
    root: null,
    match: null,
    cache: false,
    all: false,
  };
  while (words.more) {
    const word = words.next();
    const type = TYPES.find(([, name]) => name === word);
    if (word === 'table') {
      const table = words.next();
      if (table === 'all') {
        found.tables = [...net.ipv4.fib.tables.keys()].sort((a, b) => a - b);
        found.all = true;
      } else if (table === 'cache') found.cache = true;
      else {
        const id = tableId(table);
        if (fib.fib_get_table(net, id) === null && id !== fib.RT_TABLE_DEFAULT) {
          throw new IpError('Error: ipv4: FIB table does not exist.\nDump terminated', 2);
        }
        found.tables = [id];
      }
    } else if (word === 'cache') found.cache = true;
    else if (word === 'dev') found.dev = device(net, words.next());
    else if (word === 'via') found.via = address(words.next());
    else if (word === 'proto') found.proto = valueIn(PROTOCOLS, words.next(), '"protocol" value is invalid');
    else if (word === 'scope') found.scope = valueIn(SCOPES, words.next(), 'invalid "scope" value');
    else if (word === 'metric' || word === 'priority' || word === 'preference') {
      found.metric = number(words.next(), '"metric" value is invalid');
    } else if (word === 'type') found.type = valueIn(TYPES, words.next(), '"type" value is invalid');
    else if (type !== undefined) found.type = type[0];
    else if (word === 'root') found.root = prefix(words.next());
    else if (word === 'match') found.match = prefix(words.next());
    else if (word === 'exact') found.exact = prefix(words.next());
    else found.exact = prefix(word === 'to' ? words.next() : word);
  }
  return found;
}

function matches(found: Filter, { dst, prefix_len, type, fi }: fib_alias): boolean {
  const own = { addr: dst, len: prefix_len };
  // A route of several hops has no attribute of its own to compare with.
  const single = fi.nhs.length === 1 ? fi.nhs[0] : undefined;
  return (
    (found.dev === null || single?.nh_dev === found.dev) &&
    (found.via === null || single?.nh_gw4 === found.via) &&
    (found.metric === null || fi.fib_priority >>> 0 === found.metric) &&
    (found.proto === null || fi.fib_protocol === found.proto) &&
    (found.type === null || type === found.type) &&
    (found.scope === null || fi.fib_scope === found.scope) &&
    (found.exact === null || (dst === found.exact.addr && prefix_len === found.exact.len)) &&
    (found.root === null || within(own, found.root)) &&
    (found.match === null || within(found.match, own))
  );
}

function show(net: net, words: Words): string {
  const found = filter(net, words);
  if (found.cache) return exceptions(net);
  return found.tables
    .flatMap(table => fib.fib_dump(net, table))
    .filter(alias => matches(found, alias))
    .map(alias => routeLine(net, alias, found))
    .join('');
}

function flush(net: net, words: Words): string {
  if (!words.more) throw new IpError('"ip route flush" requires arguments.', 1);
  const found = filter(net, words);
  if (found.cache) {
    fib.rt_cache_flush(net);
    fnhe_genid_bump(net);
    return '';
  }
  for (const table of found.tables) fib.ip_route_flush(net, table, alias => matches(found, alias));
  return '';
}

function metricText(net: net, metric: number, value: number): string {
  if (metric === fib.RTAX_FEATURES) return (value & fib.RTAX_FEATURE_ECN) !== 0 ? 'ecn' : `0x${value.toString(16)}`;
  if (metric === fib.RTAX_CC_ALGO) return tcp_ca_get_name_by_key(net, value);
  const scale = TIMES[metric];
  if (scale === undefined) return String(value);
  const ms = Math.floor(value / scale);
  return ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`;
}

function metricsText(net: net, metrics: Int32Array | null): string {
  if (metrics === null) return '';
  const lock = metrics[fib.RTAX_LOCK] as number;
  return METRICS.filter(([metric]) => metrics[metric] !== 0)
    .map(
      ([metric, name]) =>
        `${name} ${(lock & (1 << metric)) !== 0 ? 'lock ' : ''}${metricText(net, metric, metrics[metric] as number)} `,
    )
    .join('');
}

function flagsText(flags: number): string {
  let text = '';
  if ((flags & fib.RTNH_F_DEAD) !== 0) text += 'dead ';
  if ((flags & fib.RTNH_F_ONLINK) !== 0) text += 'onlink ';
  if ((flags & fib.RTNH_F_LINKDOWN) !== 0) text += 'linkdown ';
  return text;
}

/** print_route: what was asked for is not repeated. */
function routeLine(net: net, { dst, prefix_len, tos, type, table, fi }: fib_alias, found: Filter): string {
  let line = type === fib.RTN_UNICAST ? '' : `${nameIn(TYPES, type)} `;
  line += `${showPrefix(dst, prefix_len)} `;
  if (tos !== 0) line += `tos ${tosText(tos)} `;
  const [hop] = fi.nhs;
  const single = fi.nhs.length === 1 && hop !== undefined ? hop : null;
  if (single !== null && single.nh_gw4 !== 0 && found.via === null) line += `via ${inet_ntoa(single.nh_gw4)} `;
  if (single !== null && found.dev === null) line += `dev ${single.nh_dev?.name} `;
  if (found.all && table !== fib.RT_TABLE_MAIN) line += `table ${tableName(table)} `;
  if (fi.fib_protocol !== fib.RTPROT_BOOT && found.proto === null)
    line += `proto ${nameIn(PROTOCOLS, fi.fib_protocol)} `;
  if (fi.fib_scope !== fib.RT_SCOPE_UNIVERSE && found.scope === null) line += `scope ${nameIn(SCOPES, fi.fib_scope)} `;
  if (fi.fib_prefsrc !== 0) line += `src ${inet_ntoa(fi.fib_prefsrc)} `;
  if (fi.fib_priority !== 0 && found.metric === null) line += `metric ${fi.fib_priority >>> 0} `;
  if (single !== null) line += flagsText(single.nh_flags);
  line += metricsText(net, fi.fib_metrics);
  if (fi.nhs.length > 1) {
    for (const nh of fi.nhs) {
      const via = nh.nh_gw4 !== 0 ? `via ${inet_ntoa(nh.nh_gw4)} ` : '';
      line += `\n\tnexthop ${via}dev ${nh.nh_dev?.name} weight ${nh.nh_weight} ${flagsText(nh.nh_flags)}`;
    }
  }
  return `${line}\n`;
}

/** `ip route show cache`: what was learnt of single destinations. */
function exceptions(net: net): string {
  const now = net.kernel.timers.jiffies();
  const lines: string[] = [];
  for (const fi of net.ipv4.fib.infos) {
    for (const nh of fi?.nhs ?? []) {
      for (const fnhe of nh.exceptions?.list() ?? []) {
        if (fnhe.fnhe_genid !== net.ipv4.rt.fnhe_genid) continue;
        if (fnhe.fnhe_expires !== 0 && fnhe.fnhe_expires < now) continue;
        const gw = fnhe.fnhe_gw !== 0 ? fnhe.fnhe_gw : nh.nh_gw4;
        const via = gw !== 0 ? `via ${inet_ntoa(gw)} ` : '';
        const redirected = fnhe.fnhe_gw !== 0 ? '<redirected> ' : '';
        const left = Math.floor((fnhe.fnhe_expires - now) / 1000);
        const mtu = fnhe.fnhe_pmtu !== 0 ? `mtu ${fnhe.fnhe_mtu_locked ? 'lock ' : ''}${fnhe.fnhe_pmtu} ` : '';
        lines.push(`${inet_ntoa(fnhe.fnhe_daddr)} ${via}dev ${nh.nh_dev?.name} \n`);
        lines.push(`    cache ${redirected}expires ${left}sec ${mtu}\n`);
      }
    }
  }
  return lines.join('');
}

/** `ip route get`: inet_rtm_getroute. */
function get(net: net, words: Words): string {
  const fl4 = new fib.flowi4();
  let dst: number | null = null;
  let iif: net_device | null = null;
  let fibmatch = false;
  let from = 0;
  while (words.more) {
    const word = words.next();
    if (word === 'from') from = prefix(words.next()).addr;
    else if (word === 'iif') iif = device(net, words.next());
    else if (word === 'oif' || word === 'dev') fl4.oif = device(net, words.next()).ifindex;
    else if (word === 'tos' || word === 'dsfield') fl4.tos = number(words.next(), '"tos" value is invalid', 255);
    else if (word === 'mark') fl4.mark = number(words.next(), 'invalid mark value', 0xffffffff, false) | 0;
    else if (word === 'ipproto') fl4.proto = protocol(words.next());
    else if (word === 'sport') fl4.sport = number(words.next(), '"sport" value is invalid', 65535);
    else if (word === 'dport') fl4.dport = number(words.next(), '"dport" value is invalid', 65535);
    else if (word === 'fibmatch') fibmatch = true;
    else if (word !== 'to') dst = prefix(word).addr;
  }
  if (dst === null) throw new IpError('need at least a destination address', 1);
  const { mark } = fl4;
  fl4.daddr = dst;
  fl4.saddr = from;
  const rt = iif === null ? ip_route_output_key(net, fl4) : asReceived(net, fl4, iif);
  if (typeof rt === 'number') answered(rt);
  if (rt.error !== 0) answered(-rt.error);
  if (fibmatch) {
    const { res } = net.ipv4.rt;
    const alias = { dst: res.prefix, prefix_len: res.prefixlen, tos: res.tos, type: res.type, table: res.table };
    return routeLine(net, { ...alias, fi: res.fi as fib.fib_info }, filter(net, words));
  }
  return getLine(net, rt, dst, from, iif, fl4.saddr, mark);
}

/** A packet as it would come by the device, and its route; or the errno. */
function asReceived(net: net, fl4: fib.flowi4, dev: net_device): rtable | number {
  const skb = alloc_skb(net.kernel, 64);
  if (skb === null) return -EINVAL;
  const at = skb_put(skb, 28);
  skb_reset_network_header(skb);
  skb.ram.u8.fill(0, at, at + 28);
  skb.ram.u8[at] = 0x45;
  skb.ram.u8[at + 9] = fl4.proto === 0 ? 17 : fl4.proto;
  put32(skb.ram, at + 12, fl4.saddr);
  put32(skb.ram, at + 16, fl4.daddr);
  put16(skb.ram, at + 20, fl4.sport);
  put16(skb.ram, at + 22, fl4.dport);
  skb.protocol = ETH_P_IP;
  skb.dev = dev;
  skb.mark = fl4.mark;
  const reason = ip_route_input(skb, fl4.daddr, fl4.saddr, fl4.tos, dev);
  const rt = skb.dst as rtable | null;
  consume_skb(skb);
  return reason !== 0 || rt === null ? -EINVAL : rt;
}

function getLine(
  net: net,
  rt: rtable,
  dst: number,
  from: number,
  iif: net_device | null,
  saddr: number,
  mark: number,
): string {
  let line = rt.rt_type === fib.RTN_UNICAST ? '' : `${nameIn(TYPES, rt.rt_type)} `;
  line += `${inet_ntoa(dst)} `;
  if (from !== 0) line += `from ${inet_ntoa(from)} `;
  if (rt.rt_uses_gateway) line += `via ${inet_ntoa(rt.rt_gw4)} `;
  line += `dev ${rt.dev.name} `;
  const { res } = net.ipv4.rt;
  const named = res.fi !== null && res.table !== fib.RT_TABLE_MAIN && res.table !== fib.RT_TABLE_LOCAL;
  if (named) line += `table ${tableName(res.table)} `;
  if (from === 0 && saddr !== 0 && iif === null) line += `src ${inet_ntoa(saddr)} `;
  if (mark !== 0) line += `mark ${mark >>> 0 < 16 ? mark : `0x${(mark >>> 0).toString(16)}`} `;
  line += 'uid 0 ';
  const flags: string[] = [];
  if ((rt.rt_flags & RTCF_LOCAL) !== 0) flags.push('local');
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0) flags.push('brd');
  if ((rt.rt_flags & RTCF_MULTICAST) !== 0) flags.push('mc');
  if ((rt.rt_flags & RTCF_REDIRECTED) !== 0) flags.push('redirected');
  line += `\n    cache ${flags.length > 0 ? `<${flags.join(',')}> ` : ''}`;
  const now = net.kernel.timers.jiffies();
  if (rt.expires > now) line += `expires ${Math.floor((rt.expires - now) / 1000)}sec `;
  if (rt.rt_pmtu !== 0 && rt.expires > now) line += `mtu ${rt.rt_mtu_locked ? 'lock ' : ''}${rt.rt_pmtu} `;
  else line += metricsText(net, rt.metrics);
  if (iif !== null) line += `iif ${iif.name} `;
  return `${line}\n`;
}

// ---- ip rule ----------------------------------------------------------------------------------------------------

const PROTO_NAMES: readonly (readonly [number, string])[] = [
  [1, 'icmp'],
  [2, 'igmp'],
  [6, 'tcp'],
  [17, 'udp'],
];

function protocol(text: string): number {
  return valueIn(PROTO_NAMES, text, 'Invalid "ipproto" value');
}

export function rule(net: net, words: Words): string {
  const verb = words.more ? words.next() : 'show';
  switch (verb) {
    case 'add': {
      const err = fib4_rule_add(net, ruleConfig(words, true));
      if (err !== 0) answered(err);
      return '';
    }
    case 'del':
    case 'delete': {
      if (!words.more) throw new IpError('"ip rule del" requires arguments.', 1);
      const err = fib4_rule_del(net, ruleConfig(words, false));
      if (err !== 0) answered(err);
      return '';
    }
    case 'flush':
      for (const each of [...net.ipv4.fib.rules.rules]) {
        if (each.pref !== 0) fib4_rule_del(net, { pref: each.pref });
      }
      return '';
    case 'show':
    case 'list':
    case 'ls':
    case 'lst':
      return net.ipv4.fib.rules.rules.map(each => ruleLine(each as fib4_rule)).join('');
    default:
      throw new IpError(`Command "${verb}" is unknown, try "ip rule help".`, 255);
  }
}

function range(text: string, what: string): [number, number] {
  const [first = '', last = first] = text.split('-');
  return [number(first, what, 65535), number(last, what, 65535)];
}

function ruleConfig(words: Words, add: boolean): fib4_rule_config {
  const config: fib4_rule_config = {};
  let table = false;
  while (words.more) {
    const word = words.next();
    if (word === 'not') config.invert = true;
    else if (word === 'from') config.src = prefix(words.next());
    else if (word === 'to') config.dst = prefix(words.next());
    else if (word === 'pref' || word === 'preference' || word === 'prio' || word === 'priority' || word === 'order') {
      config.pref = number(words.next(), 'preference value is invalid');
    } else if (word === 'tos' || word === 'dsfield') config.tos = number(words.next(), 'TOS value is invalid', 255);
    else if (word === 'fwmark') {
      const [mark = '', mask] = words.next().split('/');
      config.mark = number(mark, 'fwmark value is invalid') | 0;
      config.mark_mask = mask === undefined ? -1 : number(mask, 'fwmask value is invalid') | 0;
    } else if (word === 'table' || word === 'lookup') {
      config.table = tableId(words.next(), 'invalid table ID');
      table = true;
    } else if (word === 'iif' || word === 'dev') config.iif = words.next();
    else if (word === 'oif') config.oif = words.next();
    else if (word === 'ipproto') config.ip_proto = protocol(words.next());
    else if (word === 'sport') config.sport = range(words.next(), 'invalid port range');
    else if (word === 'dport') config.dport = range(words.next(), 'invalid port range');
    else if (word === 'suppress_prefixlength') {
      config.suppress_prefixlen = number(words.next(), 'suppress_prefixlength value is invalid', 32);
    } else if (word === 'goto') {
      config.action = FR_ACT_GOTO;
      config.target = number(words.next(), 'invalid target');
    } else if (word === 'nop') config.action = FR_ACT_NOP;
    else if (word === 'blackhole') config.action = FR_ACT_BLACKHOLE;
    else if (word === 'unreachable') config.action = FR_ACT_UNREACHABLE;
    else if (word === 'prohibit') config.action = FR_ACT_PROHIBIT;
    else if (word !== 'type' && word !== 'unicast') invalid(word, 'Failed to parse rule type', false);
  }
  if (add && !table && config.action === undefined) config.table = fib.RT_TABLE_MAIN;
  return config;
}

/** print_rule */
function ruleLine(each: fib4_rule): string {
  let line = `${each.pref}:\t${each.invert ? 'not ' : ''}from ${each.src_len === 0 ? 'all' : ruleAddress(each.src, each.src_len)} `;
  if (each.dst_len !== 0) line += `to ${ruleAddress(each.dst, each.dst_len)} `;
  if (each.tos !== 0) line += `tos 0x${each.tos.toString(16)} `;
  if (each.mark !== 0 || each.mark_mask !== 0) {
    const mask = each.mark_mask === -1 ? '' : `/0x${(each.mark_mask >>> 0).toString(16)}`;
    line += `fwmark 0x${(each.mark >>> 0).toString(16)}${mask} `;
  }
  if (each.iifname !== null) line += `iif ${each.iifname} ${each.iifindex === -1 ? '[detached] ' : ''}`;
  if (each.oifname !== null) line += `oif ${each.oifname} ${each.oifindex === -1 ? '[detached] ' : ''}`;
  if (each.ip_proto !== 0) {
    const name = PROTO_NAMES.find(([value]) => value === each.ip_proto)?.[1];
    line += `ipproto ${name ?? `ipproto-${each.ip_proto}`} `;
  }
  const ports = (first: number, last: number): string => (first === last ? String(first) : `${first}-${last}`);
  if (each.sport_end !== 0) line += `sport ${ports(each.sport_start, each.sport_end)} `;
  if (each.dport_end !== 0) line += `dport ${ports(each.dport_start, each.dport_end)} `;
  if (each.action === FR_ACT_TO_TBL) {
    line += `lookup ${tableName(each.table)}`;
    if (each.suppress_prefixlen >= 0) line += ` suppress_prefixlength ${each.suppress_prefixlen}`;
  } else if (each.action === FR_ACT_GOTO) {
    line += `goto ${each.target}${each.ctarget === null ? ' [unresolved]' : ''}`;
  } else if (each.action === FR_ACT_NOP) line += 'nop';
  else if (each.action === FR_ACT_UNREACHABLE) line += 'unreachable';
  else line += each.action === FR_ACT_PROHIBIT ? 'prohibit' : 'blackhole';
  return `${line}\n`;
}

function ruleAddress(addr: number, len: number): string {
  return len === 32 ? inet_ntoa(addr) : `${inet_ntoa(addr)}/${len}`;
}
