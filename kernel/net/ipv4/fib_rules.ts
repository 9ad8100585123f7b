/** IPv4's policy rules (net/ipv4/fib_rules.c): `ip rule`. */
import { EACCES, EAGAIN, EINVAL, ENETUNREACH, ESRCH } from '../../errno.ts';
import {
  FR_ACT_PROHIBIT,
  FR_ACT_TO_TBL,
  FR_ACT_UNREACHABLE,
  fib_rule,
  fib_rules_lookup,
  fib_rules_ops,
  type rule_family,
} from '../core/fib_rules.ts';
import type { net } from '../core/net_namespace.ts';
import type { sk_buff } from '../core/skbuff.ts';
import {
  type fib_result,
  type fib_tables,
  type flowi4,
  IPTOS_RULE_MASK,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RT_TABLE_UNSPEC,
} from './fib.ts';
import { fib_new_table, fib_table_lookup, fib_unmerge, rt_cache_flush } from './fib_frontend.ts';
import { get16, IPPROTO_TCP, IPPROTO_UDP, inet_make_mask, ip_is_fragment, iph_ihl, iph_protocol } from './ip_header.ts';

export class fib4_rule extends fib_rule {
  src = 0;
  srcmask = 0;
  src_len = 0;
  dst = 0;
  dstmask = 0;
  dst_len = 0;
  tos = 0;
}

/** A rule to add or to delete. What is left out of a deletion matches anything. Ports: first and last. */
export interface fib4_rule_config {
  pref?: number;
  src?: { addr: number; len: number };
  dst?: { addr: number; len: number };
  tos?: number;
  iif?: string;
  oif?: string;
  mark?: number;
  /** All ones when left out with a mark given. */
  mark_mask?: number;
  ip_proto?: number;
  sport?: readonly [number, number];
  dport?: readonly [number, number];
  table?: number;
  action?: number;
  target?: number;
  suppress_prefixlen?: number;
  invert?: boolean;
}

/** IPv4's part of fib_rules_lookup, with the answer it is after. One per net. */
class fib4_rules implements rule_family<flowi4> {
  private readonly fib: fib_tables;
  res: fib_result;

  constructor(fib: fib_tables) {
    this.fib = fib;
    this.res = fib.res;
  }

  /** fib4_rule_match */
  match(base: fib_rule, fl4: flowi4): boolean {
    const rule = base as fib4_rule;
    return (
      ((fl4.saddr ^ rule.src) & rule.srcmask) === 0 &&
      ((fl4.daddr ^ rule.dst) & rule.dstmask) === 0 &&
      (rule.tos === 0 || rule.tos === (fl4.tos & IPTOS_RULE_MASK))
    );
  }

  /** fib4_rule_action */
  action(rule: fib_rule, fl4: flowi4, flags: number): number {
    if (rule.action !== FR_ACT_TO_TBL) {
      if (rule.action === FR_ACT_UNREACHABLE) return -ENETUNREACH;
      return rule.action === FR_ACT_PROHIBIT ? -EACCES : -EINVAL;
    }
    const tb = this.fib.tables.get(rule.table);
    return tb === undefined ? -EAGAIN : fib_table_lookup(tb, fl4, this.res, flags);
  }

  /** fib4_rule_suppress */
  suppress(rule: fib_rule): boolean {
    if (this.res.prefixlen > rule.suppress_prefixlen) return false;
    this.res.reset();
    return true;
  }
}

class fib4_ops extends fib_rules_ops {
  readonly family: fib4_rules;

  constructor(fib: fib_tables) {
    super(fib.net);
    this.family = new fib4_rules(fib);
  }
}

/** fib4_rules_init: the three rules of the start: local, main, default. */
export function fib4_rules_init(net: net): void {
  const { fib } = net.ipv4;
  const ops = new fib4_ops(fib);
  fib.rules = ops;
  for (const [pref, table] of [
    [0, RT_TABLE_LOCAL],
    [0x7ffe, RT_TABLE_MAIN],
    [0x7fff, RT_TABLE_DEFAULT],
  ] as const) {
    const rule = new fib4_rule();
    rule.pref = pref;
    rule.table = table;
    rule.permanent = pref === 0;
    ops.add(rule, () => false);
  }
}

/** __fib_lookup: by the rules, once there are others than those of the start. */
export function __fib_lookup(fib: fib_tables, fl4: flowi4, res: fib_result, flags: number): number {
  const ops = fib.rules as fib4_ops;
  ops.family.res = res;
  const err = fib_rules_lookup(ops, ops.family, fl4, flags);
  return err === -ESRCH ? -ENETUNREACH : err;
}

function rule_of(cfg: fib4_rule_config): fib4_rule | null {
  const rule = new fib4_rule();
  const { src = { addr: 0, len: 0 }, dst = { addr: 0, len: 0 } } = cfg;
  if (src.len < 0 || src.len > 32 || dst.len < 0 || dst.len > 32) return null;
  rule.src_len = src.len;
  rule.srcmask = inet_make_mask(src.len);
  rule.src = src.addr & rule.srcmask;
  rule.dst_len = dst.len;
  rule.dstmask = inet_make_mask(dst.len);
  rule.dst = dst.addr & rule.dstmask;
  rule.tos = cfg.tos ?? 0;
  if ((rule.tos & ~IPTOS_RULE_MASK) !== 0) return null;
  rule.iifname = cfg.iif ?? null;
  rule.oifname = cfg.oif ?? null;
  rule.mark = (cfg.mark ?? 0) | 0;
  rule.mark_mask = (cfg.mark_mask ?? (cfg.mark === undefined || cfg.mark === 0 ? 0 : -1)) | 0;
  rule.ip_proto = cfg.ip_proto ?? 0;
  for (const range of [cfg.sport, cfg.dport]) {
    if (range !== undefined && (range[0] <= 0 || range[1] > 65534 || range[0] > range[1])) return null;
  }
  [rule.sport_start, rule.sport_end] = cfg.sport ?? [0, 0];
  [rule.dport_start, rule.dport_end] = cfg.dport ?? [0, 0];
  rule.action = cfg.action ?? FR_ACT_TO_TBL;
  rule.table = cfg.table ?? RT_TABLE_UNSPEC;
  rule.target = cfg.target ?? 0;
  rule.suppress_prefixlen = cfg.suppress_prefixlen ?? -1;
  rule.invert = cfg.invert ?? false;
  return rule;
}

/** rule_exists: do both say the same, priority and table apart from the table that either names? */
function same_rule(a: fib4_rule, b: fib4_rule): boolean {
  return (
    a.action === b.action &&
    a.table === b.table &&
    a.target === b.target &&
    a.iifname === b.iifname &&
    a.oifname === b.oifname &&
    a.mark === b.mark &&
    a.mark_mask === b.mark_mask &&
    a.invert === b.invert &&
    a.ip_proto === b.ip_proto &&
    a.sport_start === b.sport_start &&
    a.sport_end === b.sport_end &&
    a.dport_start === b.dport_start &&
    a.dport_end === b.dport_end &&
    a.suppress_prefixlen === b.suppress_prefixlen &&
    a.src === b.src &&
    a.src_len === b.src_len &&
    a.dst === b.dst &&
    a.dst_len === b.dst_len &&
    a.tos === b.tos
  );
}

/** `ip rule add`: 0, -EINVAL or -EEXIST. */
export function fib4_rule_add(net: net, cfg: fib4_rule_config): number {
  const rule = rule_of(cfg);
  if (rule === null) return -EINVAL;
  const { fib } = net.ipv4;
  const ops = fib.rules;
  rule.pref = cfg.pref ?? ops.default_pref();
  // fib4_rule_configure: the tables that were one are two from now on.
  const err = ops.add(rule, other => same_rule(other as fib4_rule, rule));
  if (err !== 0) return err;
  fib_unmerge(net);
  if (rule.action === FR_ACT_TO_TBL && rule.table === RT_TABLE_UNSPEC) {
    let id = RT_TABLE_LOCAL + 1;
    while (fib.tables.has(id)) id++;
    rule.table = fib_new_table(net, id).tb_id;
  }
  if (looks_at_ports(rule)) fib.rules_require_fldissect++;
  fib.has_custom_rules = true;
  rt_cache_flush(net);
  return 0;
}

/** `ip rule del`: 0, -EINVAL or -ENOENT. The rule for the local table of the start stays. */
export function fib4_rule_del(net: net, cfg: fib4_rule_config): number {
  const wanted = rule_of(cfg);
  if (wanted === null) return -EINVAL;
  const { fib } = net.ipv4;
  const gone = fib.rules.remove(base => {
    const rule = base as fib4_rule;
    return (
      (cfg.pref === undefined || cfg.pref === rule.pref) &&
      (cfg.action === undefined || cfg.action === rule.action) &&
      (cfg.table === undefined || cfg.table === rule.table) &&
      (cfg.src === undefined || (rule.src === wanted.src && rule.src_len === wanted.src_len)) &&
      (cfg.dst === undefined || (rule.dst === wanted.dst && rule.dst_len === wanted.dst_len)) &&
      (cfg.tos === undefined || rule.tos === wanted.tos) &&
      (cfg.iif === undefined || rule.iifname === wanted.iifname) &&
      (cfg.oif === undefined || rule.oifname === wanted.oifname) &&
      (cfg.mark === undefined || (rule.mark === wanted.mark && rule.mark_mask === wanted.mark_mask)) &&
      (cfg.ip_proto === undefined || rule.ip_proto === wanted.ip_proto) &&
      (cfg.sport === undefined || (rule.sport_start === cfg.sport[0] && rule.sport_end === cfg.sport[1])) &&
      (cfg.dport === undefined || (rule.dport_start === cfg.dport[0] && rule.dport_end === cfg.dport[1])) &&
      (cfg.suppress_prefixlen === undefined || rule.suppress_prefixlen === cfg.suppress_prefixlen) &&
      (cfg.invert === undefined || rule.invert === cfg.invert)
    );
  });
  if (typeof gone === 'number') return gone;
  fib_unmerge(net);
  if (looks_at_ports(gone)) fib.rules_require_fldissect--;
  fib.has_custom_rules = true;
  rt_cache_flush(net);
  return 0;
}

/** fib_rule_requires_fldissect: those with an input device are asked of packets that are to be taken apart for it. */
function looks_at_ports(rule: fib_rule): boolean {
  return rule.ip_proto !== 0 || rule.sport_end !== 0 || rule.dport_end !== 0;
}

/** fib4_rules_early_flow_dissect: protocol and ports of a packet, for rules that look at them. True when it did. */
export function fib4_rules_early_flow_dissect(net: net, skb: sk_buff, fl4: flowi4): boolean {
  if (net.ipv4.fib.rules_require_fldissect === 0) return false;
  const { ram } = skb;
  const proto = iph_protocol(skb);
  fl4.proto = proto;
  const at = skb.network_header + iph_ihl(skb) * 4;
  if ((proto === IPPROTO_TCP || proto === IPPROTO_UDP) && !ip_is_fragment(skb) && at + 4 <= skb.tail) {
    fl4.sport = get16(ram, at);
    fl4.dport = get16(ram, at + 2);
  }
  return true;
}
