/** The tables raw, mangle, nat and filter (iptable_raw.c, iptable_mangle.c, iptable_nat.c, iptable_filter.c). */
import type { net } from '../../core/net_namespace.ts';
import type { sk_buff } from '../../core/skbuff.ts';
import {
  NF_DROP_ERR,
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_IP_PRI_FILTER,
  NF_IP_PRI_MANGLE,
  NF_IP_PRI_NAT_DST,
  NF_IP_PRI_NAT_SRC,
  NF_IP_PRI_RAW,
  NFPROTO_IPV4,
  type nf_hook_state,
  nf_register_net_hooks,
} from '../../netfilter/core.ts';
import { nf_ct_netns_put } from '../../netfilter/nf_conntrack_standalone.ts';
import { NAT_HOOKS, nf_nat_init } from '../../netfilter/nf_nat_core.ts';
import type { xt_table, xt_table_template } from '../../netfilter/x_tables.ts';
import { iph_daddr, iph_saddr, iph_tos } from '../ip_header.ts';
import { ip_route_me_harder } from './ip_route_me_harder.ts';
import { ipt_alloc_initial_table, ipt_do_table, verdict_goes_on } from './ip_tables.ts';

const bit = (hook: number): number => 1 << hook;
const FILTER_HOOKS = bit(NF_INET_LOCAL_IN) | bit(NF_INET_FORWARD) | bit(NF_INET_LOCAL_OUT);
const RAW_HOOKS = bit(NF_INET_PRE_ROUTING) | bit(NF_INET_LOCAL_OUT);
const NAT_TABLE_HOOKS =
  bit(NF_INET_PRE_ROUTING) | bit(NF_INET_POST_ROUTING) | bit(NF_INET_LOCAL_OUT) | bit(NF_INET_LOCAL_IN);
const ALL_HOOKS = NAT_TABLE_HOOKS | bit(NF_INET_FORWARD);

/** iptable_mangle_hook: what is sent is routed again when its addresses, mark or TOS have changed. */
function iptable_mangle_hook(priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  if (state.hook !== NF_INET_LOCAL_OUT) return ipt_do_table(priv, skb, state);
  const saddr = iph_saddr(skb);
  const daddr = iph_daddr(skb);
  const tos = iph_tos(skb);
  const { mark } = skb;
  const verdict = ipt_do_table(priv, skb, state);
  if (!verdict_goes_on(verdict)) return verdict;
  if (iph_saddr(skb) !== saddr || iph_daddr(skb) !== daddr || skb.mark !== mark || iph_tos(skb) !== tos) {
    const err = ip_route_me_harder(state.net, skb);
    if (err < 0) return NF_DROP_ERR(err);
  }
  return verdict;
}

function template(
  name: string,
  valid_hooks: number,
  priority: number,
  hook: xt_table_template['hook'],
): xt_table_template {
  return {
    name,
    af: NFPROTO_IPV4,
    valid_hooks,
    priority,
    init: net => ipt_alloc_initial_table(net, name, valid_hooks),
    hook,
  };
}

/** The nat table is asked by NAT, and only for a connection's first packet. */
const nat_template: xt_table_template = {
  ...template('nat', NAT_TABLE_HOOKS, NF_IP_PRI_NAT_DST, ipt_do_table),
  register(net: net, table: xt_table): number {
    const nat = nf_nat_init(net);
    nat.lookup = (skb, state) => ipt_do_table(table, skb, state);
    for (const { hooknum, hook } of NAT_HOOKS) {
      const source = hooknum === NF_INET_POST_ROUTING || hooknum === NF_INET_LOCAL_IN;
      const priority = source ? NF_IP_PRI_NAT_SRC : NF_IP_PRI_NAT_DST;
      table.ops.push({ hook, pf: NFPROTO_IPV4, hooknum, priority });
    }
    return nf_register_net_hooks(net, table.ops);
  },
  unregister(net: net): void {
    const { nat, ct } = net.nf;
    if (nat === null || ct === null) return;
    nat.lookup = null;
    // What is translated cannot go on without: those connections end (nf_nat_proto_clean).
    ct.iterate_cleanup(each => each.nat_bucket >= 0);
    net.nf.nat = null;
    ct.nat_cleanup = null;
    nf_ct_netns_put(net);
  },
};

export const ipv4_tables: readonly xt_table_template[] = [
  template('raw', RAW_HOOKS, NF_IP_PRI_RAW, ipt_do_table),
  template('mangle', ALL_HOOKS, NF_IP_PRI_MANGLE, iptable_mangle_hook),
  nat_template,
  template('filter', FILTER_HOOKS, NF_IP_PRI_FILTER, ipt_do_table),
];
