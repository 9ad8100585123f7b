/**
 * Policy rules: which routing table answers which question (net/core/fib_rules.c). A family adds what its addresses
 * need (ipv4/fib_rules.ts): rules are kept by priority, and tried in that order until one has an answer.
 */
import { EAGAIN, EEXIST, EINVAL, ENOENT, ESRCH } from '../../errno.ts';
import { NETDEV_REGISTER, NETDEV_UNREGISTER, type net } from './net_namespace.ts';
import type { net_device } from './netdevice.ts';

/** Actions (linux/fib_rules.h). */
export const FR_ACT_UNSPEC = 0;
export const FR_ACT_TO_TBL = 1;
export const FR_ACT_GOTO = 2;
export const FR_ACT_NOP = 3;
export const FR_ACT_BLACKHOLE = 6;
export const FR_ACT_UNREACHABLE = 7;
export const FR_ACT_PROHIBIT = 8;

/** What every family's rule has (struct fib_rule). Device indices: 0 none asked for, -1 asked for and not there. */
export class fib_rule {
  pref = 0;
  action = FR_ACT_TO_TBL;
  table = 0;
  /** FIB_RULE_INVERT and FIB_RULE_PERMANENT */
  invert = false;
  permanent = false;
  iifname: string | null = null;
  oifname: string | null = null;
  iifindex = 0;
  oifindex = 0;
  mark = 0;
  mark_mask = 0;
  ip_proto = 0;
  /** Ports, both ends included; 0 0: any. */
  sport_start = 0;
  sport_end = 0;
  dport_start = 0;
  dport_end = 0;
  /** Answers with a prefix as short as this, or shorter, do not count; -1: all do. */
  suppress_prefixlen = -1;
  /** FR_ACT_GOTO: the priority to go on at, and the rule there. */
  target = 0;
  ctarget: fib_rule | null = null;
}

/** What of a flow the rules of every family look at. */
export interface rule_flow {
  iif: number;
  oif: number;
  mark: number;
  proto: number;
  sport: number;
  dport: number;
}

/** One family's rules in one net (struct fib_rules_ops). */
export class fib_rules_ops {
  readonly net: net;
  /** By priority; equal ones in the order they were added. */
  readonly rules: fib_rule[] = [];

  constructor(net: net) {
    this.net = net;
    net.register_netdevice_notifier((event, dev) => this.device_event(event, dev));
  }

  /** fib_default_rule_pref: just before the second rule. */
  default_pref(): number {
    const second = this.rules[1];
    return second === undefined || second.pref === 0 ? 0 : second.pref - 1;
  }

  /** fib_nl_newrule. `same`: do two rules say the same? 0, -EEXIST, or -EINVAL for a jump backwards. */
  add(rule: fib_rule, same: (other: fib_rule) => boolean): number {
    if (rule.action === FR_ACT_GOTO && rule.target <= rule.pref) return -EINVAL;
    if (this.rules.some(other => other.pref === rule.pref && same(other))) return -EEXIST;
    rule.iifindex = this.index_of(rule.iifname);
    rule.oifindex = this.index_of(rule.oifname);
    let at = this.rules.findIndex(other => other.pref > rule.pref);
    if (at < 0) at = this.rules.length;
    this.rules.splice(at, 0, rule);
    this.resolve();
    return 0;
  }

  /** fib_nl_delrule: the first rule that `matches` says is meant. It, or -ENOENT. */
  remove(matches: (rule: fib_rule) => boolean): fib_rule | number {
    const at = this.rules.findIndex(rule => !rule.permanent && matches(rule));
    if (at < 0) return -ENOENT;
    const [rule] = this.rules.splice(at, 1);
    this.resolve();
    return rule as fib_rule;
  }

  /** Where jumps go: to the first rule of that very priority; without one the rule is passed over. */
  private resolve(): void {
    for (const rule of this.rules) {
      if (rule.action !== FR_ACT_GOTO) continue;
      rule.ctarget = this.rules.find(other => other.pref === rule.target) ?? null;
    }
  }

  private index_of(name: string | null): number {
    if (name === null) return 0;
    return this.net.dev_get_by_name(name)?.ifindex ?? -1;
  }

  /** fib_rules_event: a device that a rule names came or went. */
  private device_event(event: number, dev: net_device): void {
    if (event !== NETDEV_REGISTER && event !== NETDEV_UNREGISTER) return;
    const index = event === NETDEV_REGISTER ? dev.ifindex : -1;
    for (const rule of this.rules) {
      if (rule.iifname === dev.name) rule.iifindex = index;
      if (rule.oifname === dev.name) rule.oifindex = index;
    }
  }
}

/** fib_rule_match, but for the family's part and for inversion. */
export function fib_rule_match(rule: fib_rule, fl: rule_flow): boolean {
  if (rule.iifindex !== 0 && rule.iifindex !== fl.iif) return false;
  if (rule.oifindex !== 0 && rule.oifindex !== fl.oif) return false;
  if (((rule.mark ^ fl.mark) & rule.mark_mask) !== 0) return false;
  if (rule.ip_proto !== 0 && rule.ip_proto !== fl.proto) return false;
  if (rule.sport_end !== 0 && (fl.sport < rule.sport_start || fl.sport > rule.sport_end)) return false;
  return rule.dport_end === 0 || (fl.dport >= rule.dport_start && fl.dport <= rule.dport_end);
}

/** The rules of one family, its way to look at a flow, and its action: what fib_rules_lookup needs. */
export interface rule_family<F> {
  /** fib_rules_ops.match: the family's part. */
  match(rule: fib_rule, fl: F): boolean;
  /** fib_rules_ops.action: 0 with an answer, -EAGAIN for the next rule, else the errno. */
  action(rule: fib_rule, fl: F, flags: number): number;
  /** fib_rules_ops.suppress: true when the answer is not to count. */
  suppress(rule: fib_rule): boolean;
}

/** fib_rules_lookup: 0, the errno of the rule that decided, or -ESRCH. */
export function fib_rules_lookup<F extends rule_flow>(
  ops: fib_rules_ops,
  family: rule_family<F>,
  fl: F,
  flags: number,
): number {
  const { rules } = ops;
  for (let i = 0; i < rules.length; i++) {
    let rule = rules[i] as fib_rule;
    // A jump lands on its target, whose match is looked at as any other's.
    while ((fib_rule_match(rule, fl) && family.match(rule, fl)) !== rule.invert) {
      if (rule.action === FR_ACT_GOTO && rule.ctarget !== null) {
        rule = rule.ctarget;
        i = rules.indexOf(rule);
        continue;
      }
      if (rule.action === FR_ACT_GOTO || rule.action === FR_ACT_NOP) break;
      const err = family.action(rule, fl, flags);
      if (err === 0 && rule.suppress_prefixlen >= 0 && family.suppress(rule)) break;
      if (err !== -EAGAIN) return err;
      break;
    }
  }
  return -ESRCH;
}
