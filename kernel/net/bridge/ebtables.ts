/**
 * The bridge family's filter table (net/bridge/netfilter/ebtables.c, ebtable_filter.c): rules over Ethernet headers and
 * ports, at the bridge's LOCAL_IN, FORWARD and LOCAL_OUT.
 */
import { EINVAL, ENOENT } from '../../errno.ts';
import type { net } from '../core/net_namespace.ts';
import type { sk_buff } from '../core/skbuff.ts';
import {
  NF_ACCEPT,
  NF_BR_FORWARD,
  NF_BR_LOCAL_IN,
  NF_BR_LOCAL_OUT,
  NF_BR_PRI_FILTER_BRIDGED,
  NF_BR_PRI_FILTER_OTHER,
  NF_DROP,
  NFPROTO_BRIDGE,
  type nf_hook_state,
} from '../netfilter/core.ts';
import { xt_find_table, xt_ifname_match, type xt_table, type xt_table_template } from '../netfilter/x_tables.ts';

/** A rule: what is left out is not asked. Addresses come with a mask; names that end in '+' are prefixes. */
export interface ebt_rule {
  /** EtherType. */
  readonly protocol?: number;
  readonly source?: readonly [address: Uint8Array, mask: Uint8Array];
  readonly dest?: readonly [address: Uint8Array, mask: Uint8Array];
  readonly iniface?: string;
  readonly outiface?: string;
  readonly invert?: readonly ('protocol' | 'source' | 'dest' | 'iniface' | 'outiface')[];
  /** NF_ACCEPT, NF_DROP, or null: counted only (CONTINUE). */
  readonly verdict: number | null;
  pcnt: number;
  bcnt: number;
}

export interface ebt_chain {
  readonly name: string;
  readonly policy: number;
  readonly rules: readonly ebt_rule[];
}

/** Chains by hook. */
const CHAINS: Readonly<Record<number, string>> = {
  [NF_BR_LOCAL_IN]: 'INPUT',
  [NF_BR_FORWARD]: 'FORWARD',
  [NF_BR_LOCAL_OUT]: 'OUTPUT',
};

interface ebt_table_info {
  readonly chains: (ebt_chain | undefined)[];
}

function masked(skb: sk_buff, at: number, [address, mask]: readonly [Uint8Array, Uint8Array]): boolean {
  for (let i = 0; i < 6; i++) {
    if ((((skb.ram.u8[at + i] as number) ^ (address[i] as number)) & (mask[i] as number)) !== 0) return false;
  }
  return true;
}

const named = (name: string, dev: nf_hook_state['in']): boolean =>
  name.endsWith('+') ? xt_ifname_match(dev, name.slice(0, -1), true) : xt_ifname_match(dev, name, false);

/** ebt_basic_match */
function ebt_basic_match(skb: sk_buff, rule: ebt_rule, state: nf_hook_state): boolean {
  const no = rule.invert;
  const { protocol, source, dest, iniface, outiface } = rule;
  if (protocol !== undefined && (skb.protocol === protocol) === (no?.includes('protocol') === true)) return false;
  if (iniface !== undefined && named(iniface, state.in) === (no?.includes('iniface') === true)) return false;
  if (outiface !== undefined && named(outiface, state.out) === (no?.includes('outiface') === true)) return false;
  const at = skb.mac_header;
  if (source !== undefined && masked(skb, at + 6, source) === (no?.includes('source') === true)) return false;
  return dest === undefined || masked(skb, at, dest) !== (no?.includes('dest') === true);
}

/** ebt_do_table: a verdict. */
function ebt_do_table(priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  const chain = ((priv as xt_table).private_ as ebt_table_info).chains[state.hook];
  if (chain === undefined) return NF_ACCEPT;
  const { rules } = chain;
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as ebt_rule;
    if (!ebt_basic_match(skb, rule, state)) continue;
    rule.pcnt++;
    rule.bcnt += skb.len;
    if (rule.verdict !== null) return rule.verdict;
  }
  return chain.policy;
}

export const ebtable_filter: xt_table_template = {
  name: 'filter',
  af: NFPROTO_BRIDGE,
  valid_hooks: (1 << NF_BR_LOCAL_IN) | (1 << NF_BR_FORWARD) | (1 << NF_BR_LOCAL_OUT),
  priority: NF_BR_PRI_FILTER_BRIDGED,
  priorities: [0, NF_BR_PRI_FILTER_BRIDGED, NF_BR_PRI_FILTER_BRIDGED, NF_BR_PRI_FILTER_OTHER],
  init: (): ebt_table_info => ({ chains: [] }),
  hook: ebt_do_table,
};

/** EBT_SO_SET_ENTRIES: the whole table; chains left out are empty. 0, or -EINVAL for a chain or verdict that does not exist. */
export function ebt_do_replace(net: net, chains: readonly ebt_chain[]): number {
  const table = xt_find_table(net, NFPROTO_BRIDGE, 'filter');
  if (table === null) return -ENOENT;
  const ok = (verdict: number | null): boolean => verdict === null || verdict === NF_ACCEPT || verdict === NF_DROP;
  const names = Object.values(CHAINS);
  for (const { name, policy, rules } of chains) {
    if (!names.includes(name) || !ok(policy) || !rules.every(rule => ok(rule.verdict))) return -EINVAL;
  }
  const content: ebt_table_info = { chains: [] };
  for (const [hook, name] of Object.entries(CHAINS))
    content.chains[Number(hook)] = chains.find(each => each.name === name);
  table.private_ = content;
  return 0;
}

/** EBT_SO_GET_ENTRIES: the chains that were loaded. */
export function ebt_get_entries(net: net): ebt_chain[] {
  const table = xt_find_table(net, NFPROTO_BRIDGE, 'filter');
  if (table === null) return [];
  return (table.private_ as ebt_table_info).chains.filter(chain => chain !== undefined);
}
