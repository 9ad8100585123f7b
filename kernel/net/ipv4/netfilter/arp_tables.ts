/**
 * ARP's table (net/ipv4/netfilter/arp_tables.c, arptable_filter.c): rules over the addresses, the operation and the devices
 * of an ARP packet, at NF_ARP_IN, NF_ARP_OUT and, on bridges, NF_ARP_FORWARD.
 */
import { EINVAL, ENOENT } from '../../../errno.ts';
import type { net } from '../../core/net_namespace.ts';
import { pskb_may_pull, type sk_buff } from '../../core/skbuff.ts';
import { NF_ACCEPT, NF_DROP, NF_IP_PRI_FILTER, NFPROTO_ARP, type nf_hook_state } from '../../netfilter/core.ts';
import { xt_find_table, xt_ifname_match, type xt_table, type xt_table_template } from '../../netfilter/x_tables.ts';
import { get16, get32 } from '../ip_header.ts';

/** A rule: what is left out is not asked. Names that end in '+' are prefixes; a condition in `invert` is negated. */
export interface arpt_rule {
  readonly src?: readonly [address: number, mask: number];
  readonly dst?: readonly [address: number, mask: number];
  /** The sender's and the target's hardware address. */
  readonly src_hw?: Uint8Array;
  readonly dst_hw?: Uint8Array;
  readonly op?: number;
  readonly iniface?: string;
  readonly outiface?: string;
  readonly invert?: readonly ('src' | 'dst' | 'src_hw' | 'dst_hw' | 'op' | 'iniface' | 'outiface')[];
  /** NF_ACCEPT, NF_DROP, or null: counted only. */
  readonly verdict: number | null;
  pcnt: number;
  bcnt: number;
}

export interface arpt_chain {
  readonly name: string;
  readonly policy: number;
  readonly rules: readonly arpt_rule[];
}

/** Names of the hooks' chains, by hook. */
const CHAINS = ['INPUT', 'OUTPUT', 'FORWARD'];
const ARP_LEN = 28;
const AR_OP = 6;
const AR_SHA = 8;
const AR_SIP = 14;
const AR_THA = 18;
const AR_TIP = 24;

interface arpt_table_info {
  readonly chains: arpt_chain[];
}

function same(skb: sk_buff, at: number, address: Uint8Array): boolean {
  for (let i = 0; i < 6; i++) if (skb.ram.u8[at + i] !== address[i]) return false;
  return true;
}

const named = (name: string, dev: nf_hook_state['in']): boolean =>
  name.endsWith('+') ? xt_ifname_match(dev, name.slice(0, -1), true) : xt_ifname_match(dev, name, false);

/** arp_packet_match */
function arp_packet_match(skb: sk_buff, rule: arpt_rule, state: nf_hook_state): boolean {
  const { ram, network_header: at } = skb;
  const no = rule.invert;
  const { src, dst, src_hw, dst_hw, op, iniface, outiface } = rule;
  if (src !== undefined && (((get32(ram, at + AR_SIP) ^ src[0]) & src[1]) === 0) === (no?.includes('src') === true))
    return false;
  if (dst !== undefined && (((get32(ram, at + AR_TIP) ^ dst[0]) & dst[1]) === 0) === (no?.includes('dst') === true))
    return false;
  if (op !== undefined && (get16(ram, at + AR_OP) === op) === (no?.includes('op') === true)) return false;
  if (src_hw !== undefined && same(skb, at + AR_SHA, src_hw) === (no?.includes('src_hw') === true)) return false;
  if (dst_hw !== undefined && same(skb, at + AR_THA, dst_hw) === (no?.includes('dst_hw') === true)) return false;
  if (iniface !== undefined && named(iniface, state.in) === (no?.includes('iniface') === true)) return false;
  return outiface === undefined || named(outiface, state.out) !== (no?.includes('outiface') === true);
}

/** arpt_do_table: a verdict. */
function arpt_do_table(priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  const info = (priv as xt_table).private_ as arpt_table_info;
  const chain = info.chains[state.hook] as arpt_chain;
  if (!pskb_may_pull(skb, ARP_LEN)) return NF_DROP;
  const { rules } = chain;
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as arpt_rule;
    if (!arp_packet_match(skb, rule, state)) continue;
    rule.pcnt++;
    rule.bcnt += skb.len;
    if (rule.verdict !== null) return rule.verdict;
  }
  return chain.policy;
}

export const arptable_filter: xt_table_template = {
  name: 'filter',
  af: NFPROTO_ARP,
  valid_hooks: 0b111,
  priority: NF_IP_PRI_FILTER,
  init: (): arpt_table_info => ({ chains: CHAINS.map(name => ({ name, policy: NF_ACCEPT, rules: [] })) }),
  hook: arpt_do_table,
};

/** ARPT_SO_SET_REPLACE: the whole table; chains left out are empty. 0, or -EINVAL for a chain or verdict that does not exist. */
export function arpt_do_replace(net: net, chains: readonly arpt_chain[]): number {
  const table = xt_find_table(net, NFPROTO_ARP, 'filter');
  if (table === null) return -ENOENT;
  const ok = (verdict: number | null): boolean => verdict === null || verdict === NF_ACCEPT || verdict === NF_DROP;
  for (const { name, policy, rules } of chains) {
    if (!CHAINS.includes(name) || policy === null || !ok(policy) || !rules.every(rule => ok(rule.verdict)))
      return -EINVAL;
  }
  const empty = (name: string): arpt_chain => ({ name, policy: NF_ACCEPT, rules: [] });
  const content: arpt_table_info = {
    chains: CHAINS.map(name => chains.find(each => each.name === name) ?? empty(name)),
  };
  table.private_ = content;
  return 0;
}

/** ARPT_SO_GET_ENTRIES */
export function arpt_get_entries(net: net): readonly arpt_chain[] {
  const table = xt_find_table(net, NFPROTO_ARP, 'filter');
  return table === null ? [] : (table.private_ as arpt_table_info).chains;
}
