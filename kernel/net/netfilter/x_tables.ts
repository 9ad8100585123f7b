/**
 * What the tables of all families share (net/netfilter/x_tables.c): matches and targets by name, and the tables
 * themselves, which come to be when first used.
 */
import { EINVAL, ENOENT } from '../../errno.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import type { sk_buff } from '../core/skbuff.ts';
import {
  NF_DROP,
  NFPROTO_IPV4,
  NFPROTO_UNSPEC,
  type nf_hook_ops,
  type nf_hook_state,
  nf_register_net_hooks,
  nf_unregister_net_hooks,
} from './core.ts';

/** A target's result: on with the next rule. A verdict of a standard target: back to the calling chain. */
export const XT_CONTINUE = -1 >>> 0;
export const XT_RETURN = -5;
/** Names of the targets that the tables themselves know. */
export const XT_STANDARD_TARGET = '';
export const XT_ERROR_TARGET = 'ERROR';

/** What a match or target gets to know of a packet (struct xt_action_param); one per table run, used again and again. */
export class xt_action_param {
  state!: nf_hook_state;
  /** Where the transport header is, from skb.data on; and the fragment offset, in units of 8 bytes. */
  thoff = 0;
  fragoff = 0;
  /** The packet cannot be what a match looks for: drop it. */
  hotdrop = false;
}

/** What a rule's extension can ask when the rule is made. */
export interface xt_check {
  readonly net: net;
  readonly table: string;
  readonly family: number;
  /** Hooks that lead to the rule, as a mask. */
  hook_mask: number;
  /** The rule's protocol, 0 for any or where it is negated. */
  readonly proto: number;
  readonly invproto: boolean;
}

interface xt_extension {
  readonly name: string;
  readonly family: number;
  /** The only table, hooks (a mask) and protocol it may be used in or with. */
  readonly table?: string;
  readonly hooks?: number;
  readonly proto?: number;
  /** 0 or a negative errno. `info` may be completed. */
  checkentry?(info: unknown, check: xt_check): number;
  destroy?(info: unknown, net: net): void;
}

export interface xt_match extends xt_extension {
  match(skb: sk_buff, info: unknown, par: xt_action_param): boolean;
}

export interface xt_target extends xt_extension {
  /** A verdict, or XT_CONTINUE. Takes the skb when it is NF_STOLEN. */
  target(skb: sk_buff, info: unknown, par: xt_action_param): number;
}

/** A match or a target as whoever loads a table names it. */
export interface xt_spec {
  readonly name: string;
  readonly info: unknown;
}

/** A table's plan: its name, hooks (a mask) and priority. `priorities`: where hooks differ. */
export interface xt_table_template {
  readonly name: string;
  readonly af: number;
  readonly valid_hooks: number;
  readonly priority: number;
  readonly priorities?: readonly number[];
  /** Makes the table's first, empty content. */
  init(net: net): unknown;
  readonly hook: (priv: unknown, skb: sk_buff, state: nf_hook_state) => number;
  /** What the table needs besides: NAT registers its own hooks. */
  register?(net: net, table: xt_table): number;
  unregister?(net: net, table: xt_table): void;
}

export class xt_table {
  readonly template: xt_table_template;
  readonly name: string;
  readonly valid_hooks: number;
  /** ipt_table_info and the like. */
  private_: unknown;
  ops: nf_hook_ops[] = [];

  constructor(template: xt_table_template, content: unknown) {
    this.template = template;
    this.name = template.name;
    this.valid_hooks = template.valid_hooks;
    this.private_ = content;
  }
}

export class xt_net {
  readonly matches: xt_match[] = [];
  readonly targets: xt_target[] = [];
  readonly templates: xt_table_template[] = [];
  /** Tables in use, in the order of their first use. */
  readonly tables: xt_table[] = [];
}

export function xt_register_match(net: net, match: xt_match): void {
  net.nf.xt.matches.push(match);
}

export function xt_register_target(net: net, target: xt_target): void {
  net.nf.xt.targets.push(target);
}

function fits(extension: xt_extension, family: number, name: string): boolean {
  return extension.name === name && (extension.family === family || extension.family === NFPROTO_UNSPEC);
}

/** xt_find_match: null when there is none of that name for the family. */
export function xt_find_match(net: net, family: number, name: string): xt_match | null {
  return net.nf.xt.matches.find(match => fits(match, family, name)) ?? null;
}

export function xt_find_target(net: net, family: number, name: string): xt_target | null {
  return net.nf.xt.targets.find(target => fits(target, family, name)) ?? null;
}

/** xt_check_match, xt_check_target: may this be used here? 0 or a negative errno. */
export function xt_check_extension(extension: xt_extension, info: unknown, check: xt_check): number {
  if (extension.table !== undefined && extension.table !== check.table) return -EINVAL;
  if (extension.hooks !== undefined && (check.hook_mask & ~extension.hooks) !== 0) return -EINVAL;
  if (extension.proto !== undefined && (extension.proto !== check.proto || check.invproto)) return -EINVAL;
  return extension.checkentry?.(info, check) ?? 0;
}

/** xt_find_table_lock: the table, made and hooked in if this is its first use; null when there is no such table. */
export function xt_find_table(net: net, af: number, name: string): xt_table | null {
  const { tables, templates } = net.nf.xt;
  const known = tables.find(table => table.name === name && table.template.af === af);
  if (known !== undefined) return known;
  const template = templates.find(each => each.name === name && each.af === af);
  if (template === undefined) return null;
  const table = new xt_table(template, template.init(net));
  if (template.register !== undefined) {
    if (template.register(net, table) !== 0) return null;
  } else {
    for (let hooknum = 0; hooknum < 8; hooknum++) {
      if ((template.valid_hooks & (1 << hooknum)) === 0) continue;
      const priority = template.priorities?.[hooknum] ?? template.priority;
      table.ops.push({ hook: template.hook, pf: af, hooknum, priority, priv: table });
    }
    nf_register_net_hooks(net, table.ops);
  }
  tables.push(table);
  return table;
}

/** xt_unregister_table: as unloading the table's module does. 0 or -ENOENT. */
export function xt_unregister_table(net: net, af: number, name: string): number {
  const { tables } = net.nf.xt;
  const at = tables.findIndex(table => table.name === name && table.template.af === af);
  if (at < 0) return -ENOENT;
  const [table] = tables.splice(at, 1) as [xt_table];
  table.template.unregister?.(net, table);
  nf_unregister_net_hooks(net, table.ops);
  return 0;
}

/** /proc/net/ip_tables_names: the tables in use, the newest first. */
export function xt_table_names(net: net, af: number): string[] {
  return net.nf.xt.tables
    .filter(table => table.template.af === af)
    .map(table => table.name)
    .reverse();
}

/** ifname_compare_aligned: does a device's name fit `name`, which with `any` is a prefix? An empty prefix fits all. */
export function xt_ifname_match(dev: net_device | null, name: string, any: boolean): boolean {
  const has = dev === null ? '' : dev.name;
  return any ? has.startsWith(name) : has === name;
}

/** A family's packet as matches over transport headers see it: false (and hotdrop) when it is too short. */
export function xt_short(par: xt_action_param): boolean {
  par.hotdrop = true;
  return false;
}

export const XT_DROP = NF_DROP;
export const XT_IPV4 = NFPROTO_IPV4;
