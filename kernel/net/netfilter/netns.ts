/** Netfilter's part of a struct net (include/net/netns/netfilter.h, include/net/net_namespace.h). */
import type { sk_buff } from '../core/skbuff.ts';
import type { flowi4 } from '../ipv4/fib.ts';
import type { nf_hook_entries, nf_hook_ops, nf_hook_state } from './core.ts';
import type { nf_conntrack_net } from './nf_conntrack.ts';
import type { nf_nat_net } from './nf_nat_core.ts';
import type { xt_net } from './x_tables.ts';

/** Families (NFPROTO_NUMPROTO) and hooks of each (NF_MAX_HOOKS), as one flat array of lists. */
const NUMPROTO = 11;
const MAX_HOOKS = 8;

export class netns_nf {
  /** What runs at a hook, compiled; null where nothing does. Index: family * 8 + hook. */
  readonly hooks: (nf_hook_entries | null)[] = new Array<nf_hook_entries | null>(NUMPROTO * MAX_HOOKS).fill(null);
  /** What was registered, by the same index, in order of priority. */
  readonly ops: nf_hook_ops[][] = Array.from({ length: NUMPROTO * MAX_HOOKS }, () => []);
  /** One state for each depth of hooks within hooks (an answer sent from within a hook). */
  readonly states: nf_hook_state[] = [];
  depth = 0;
  /** Tables, matches and targets; set by netfilter_init. */
  xt!: xt_net;
  /** Connection tracking and NAT: made when first needed. */
  ct: nf_conntrack_net | null = null;
  nat: nf_nat_net | null = null;
  /** nf_ct_attach: gives an answer of this host the connection of what it answers. Null without tracking. */
  attach: ((nskb: sk_buff, skb: sk_buff) => void) | null = null;
  /** What ip_route_me_harder asks with; made once. */
  me_harder_fl4: flowi4 | null = null;
  /** Drops by NF_QUEUE without a queue's reader. */
  queue_dropped = 0;
  /** net.bridge.*: whether bridged packets see IP's and ARP's hooks. */
  readonly bridge = {
    call_iptables: 1,
    call_arptables: 1,
    registered: false,
    /** brnf_frag_data_storage: what each fragment of a bridged packet gets back. */
    frag: { mac: new Uint8Array(14), vlan_tci: 0, vlan_proto: 0, vlan_present: 0 },
  };
  /** Lines that LOG and TRACE wrote, for observers; each also goes to the kernel log. */
  log_observer: ((line: string) => void) | null = null;
}
