/**
 * Netfilter's hooks (net/netfilter/core.c): functions by family, hook and priority, each of which says what becomes of a
 * packet. They are compiled to one array per hook, so that a packet costs no look-up, and one test where there is none.
 */
import { EINVAL, EPERM } from '../../errno.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff } from '../core/skbuff.ts';

/** Verdicts (linux/netfilter.h). The upper half of a drop may hold an errno: NF_DROP_ERR. */
export const NF_DROP = 0;
export const NF_ACCEPT = 1;
export const NF_STOLEN = 2;
export const NF_QUEUE = 3;
export const NF_REPEAT = 4;
export const NF_STOP = 5;
export const NF_VERDICT_MASK = 0xff;

/** NF_DROP_ERR: dropped, and the sender's system call fails with `errno` (negative). */
export function NF_DROP_ERR(errno: number): number {
  return (-errno << 16) | NF_DROP;
}

/** Families. */
export const NFPROTO_UNSPEC = 0;
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_ARP = 3;
export const NFPROTO_NETDEV = 5;
export const NFPROTO_BRIDGE = 7;
export const NFPROTO_IPV6 = 10;

/** Hooks of IP and of bridges. */
export const NF_INET_PRE_ROUTING = 0;
export const NF_INET_LOCAL_IN = 1;
export const NF_INET_FORWARD = 2;
export const NF_INET_LOCAL_OUT = 3;
export const NF_INET_POST_ROUTING = 4;
export const NF_INET_NUMHOOKS = 5;
export const NF_BR_PRE_ROUTING = 0;
export const NF_BR_LOCAL_IN = 1;
export const NF_BR_FORWARD = 2;
export const NF_BR_LOCAL_OUT = 3;
export const NF_BR_POST_ROUTING = 4;
export const NF_ARP_IN = 0;
export const NF_ARP_OUT = 1;
export const NF_ARP_FORWARD = 2;
const NF_MAX_HOOKS = 8;

/** Priorities of IPv4 (enum nf_ip_hook_priorities); IPv6 has the same. */
export const NF_IP_PRI_FIRST = -0x80000000;
export const NF_IP_PRI_RAW_BEFORE_DEFRAG = -450;
export const NF_IP_PRI_CONNTRACK_DEFRAG = -400;
export const NF_IP_PRI_RAW = -300;
export const NF_IP_PRI_CONNTRACK = -200;
export const NF_IP_PRI_MANGLE = -150;
export const NF_IP_PRI_NAT_DST = -100;
export const NF_IP_PRI_FILTER = 0;
export const NF_IP_PRI_SECURITY = 50;
export const NF_IP_PRI_NAT_SRC = 100;
export const NF_IP_PRI_CONNTRACK_HELPER = 300;
export const NF_IP_PRI_CONNTRACK_CONFIRM = 0x7fffffff;
/** Priorities of bridges (enum nf_br_hook_priorities). */
export const NF_BR_PRI_FILTER_BRIDGED = -200;
export const NF_BR_PRI_NAT_DST_BRIDGED = -300;
export const NF_BR_PRI_BRNF = 0;
export const NF_BR_PRI_NAT_DST_OTHER = 100;
export const NF_BR_PRI_FILTER_OTHER = 200;
export const NF_BR_PRI_NAT_SRC = 300;

export type okfn_t = (net: net, skb: sk_buff) => number;

/** What a hook's functions get to know besides the packet. */
export class nf_hook_state {
  hook = 0;
  pf = 0;
  in: net_device | null = null;
  out: net_device | null = null;
  net!: net;
  okfn: okfn_t | null = null;
}

/** A verdict. Takes the skb only when it is NF_STOLEN. */
export type nf_hookfn = (priv: unknown, skb: sk_buff, state: nf_hook_state) => number;

export interface nf_hook_ops {
  readonly hook: nf_hookfn;
  readonly pf: number;
  readonly hooknum: number;
  readonly priority: number;
  readonly priv?: unknown;
}

/** The functions of one hook, in order; not changed once made, so that a running packet goes on with its own. */
export class nf_hook_entries {
  readonly hooks: nf_hookfn[];
  readonly privs: unknown[];
  readonly priorities: number[];

  constructor(ops: readonly nf_hook_ops[]) {
    this.hooks = ops.map(op => op.hook);
    this.privs = ops.map(op => op.priv ?? null);
    this.priorities = ops.map(op => op.priority);
  }
}

/** nf_register_net_hook: behind those of the same priority. 0, or -EINVAL for a family or hook that does not exist. */
export function nf_register_net_hook(net: net, op: nf_hook_ops): number {
  const { hooknum, pf } = op;
  const index = pf * NF_MAX_HOOKS + hooknum;
  const list = hooknum >= 0 && hooknum < NF_MAX_HOOKS ? net.nf.ops[index] : undefined;
  if (list === undefined) return -EINVAL;
  const at = list.findIndex(other => other.priority > op.priority);
  list.splice(at < 0 ? list.length : at, 0, op);
  net.nf.hooks[index] = new nf_hook_entries(list);
  return 0;
}

/** nf_unregister_net_hook */
export function nf_unregister_net_hook(net: net, op: nf_hook_ops): void {
  const index = op.pf * NF_MAX_HOOKS + op.hooknum;
  const list = net.nf.ops[index];
  const at = list?.indexOf(op) ?? -1;
  if (list === undefined || at < 0) return;
  list.splice(at, 1);
  net.nf.hooks[index] = list.length === 0 ? null : new nf_hook_entries(list);
}

/** nf_register_net_hooks: all, or none and a negative errno. */
export function nf_register_net_hooks(net: net, ops: readonly nf_hook_ops[]): number {
  for (let i = 0; i < ops.length; i++) {
    const err = nf_register_net_hook(net, ops[i] as nf_hook_ops);
    if (err === 0) continue;
    while (--i >= 0) nf_unregister_net_hook(net, ops[i] as nf_hook_ops);
    return err;
  }
  return 0;
}

export function nf_unregister_net_hooks(net: net, ops: readonly nf_hook_ops[]): void {
  for (const op of ops) nf_unregister_net_hook(net, op);
}

/**
 * nf_hook: 1 when the packet goes on; else it was taken (0: stolen, or negative: dropped, -EPERM where the verdict
 * names no other errno).
 */
export function nf_hook(
  pf: number,
  hook: number,
  net: net,
  skb: sk_buff,
  indev: net_device | null,
  outdev: net_device | null,
  okfn: okfn_t | null,
): number {
  const entries = net.nf.hooks[pf * NF_MAX_HOOKS + hook] as nf_hook_entries | null;
  if (entries === null) return 1;
  return nf_hook_from(entries, 0, pf, hook, net, skb, indev, outdev, okfn);
}

/**
 * Whether nobody listens at a hook of IPv4. NF_HOOK asks, too, but then calls a function that may be any: who asks first
 * and calls the next step by its name lets the machine see through the call.
 */
export function nf_ip_hook_free(net: net, hook: number): boolean {
  return net.nf.hooks[NFPROTO_IPV4 * NF_MAX_HOOKS + hook] === null;
}

/** NF_HOOK: `okfn` with the packet, once all functions of the hook have accepted it. Takes the skb. */
export function NF_HOOK(
  pf: number,
  hook: number,
  net: net,
  skb: sk_buff,
  indev: net_device | null,
  outdev: net_device | null,
  okfn: okfn_t,
): number {
  const entries = net.nf.hooks[pf * NF_MAX_HOOKS + hook] as nf_hook_entries | null;
  if (entries === null) return okfn(net, skb);
  const result = nf_hook_from(entries, 0, pf, hook, net, skb, indev, outdev, okfn);
  return result === 1 ? okfn(net, skb) : result;
}

/** NF_HOOK_LIST: how many of a list all functions of the hook have accepted; those are then its first. Takes the others. */
export function NF_HOOK_LIST(
  pf: number,
  hook: number,
  net: net,
  list: sk_buff[],
  length: number,
  indev: net_device | null,
  outdev: net_device | null,
  okfn: okfn_t,
): number {
  let n = 0;
  for (let i = 0; i < length; i++) {
    const skb = list[i] as sk_buff;
    if (nf_hook(pf, hook, net, skb, indev, outdev, okfn) === 1) list[n++] = skb;
  }
  return n;
}

/** nf_hook_thresh: as NF_HOOK, but only functions of at least `priority` (a bridge takes up again where it left off). */
export function NF_HOOK_THRESH(
  pf: number,
  hook: number,
  net: net,
  skb: sk_buff,
  indev: net_device | null,
  outdev: net_device | null,
  okfn: okfn_t,
  priority: number,
): number {
  const entries = net.nf.hooks[pf * NF_MAX_HOOKS + hook] as nf_hook_entries | null;
  if (entries === null) return okfn(net, skb);
  const { priorities } = entries;
  let from = 0;
  while (from < priorities.length && (priorities[from] as number) < priority) from++;
  const result = nf_hook_from(entries, from, pf, hook, net, skb, indev, outdev, okfn);
  return result === 1 ? okfn(net, skb) : result;
}

/** nf_hook_state_init and nf_hook_slow. */
function nf_hook_from(
  entries: nf_hook_entries,
  from: number,
  pf: number,
  hook: number,
  net: net,
  skb: sk_buff,
  indev: net_device | null,
  outdev: net_device | null,
  okfn: okfn_t | null,
): number {
  const { nf } = net;
  let state = nf.states[nf.depth];
  if (state === undefined) {
    state = new nf_hook_state();
    state.net = net;
    nf.states.push(state);
  }
  nf.depth++;
  state.hook = hook;
  state.pf = pf;
  state.in = indev;
  state.out = outdev;
  state.okfn = okfn;
  const result = nf_hook_slow(entries, from, skb, state);
  state.in = null;
  state.out = null;
  nf.depth--;
  return result;
}

function nf_hook_slow(entries: nf_hook_entries, from: number, skb: sk_buff, state: nf_hook_state): number {
  const { hooks, privs } = entries;
  for (let i = from; i < hooks.length; i++) {
    const verdict = (hooks[i] as nf_hookfn)(privs[i], skb, state);
    switch (verdict & NF_VERDICT_MASK) {
      case NF_ACCEPT:
        break;
      case NF_STOP:
        return 1;
      case NF_REPEAT:
        i--;
        break;
      case NF_STOLEN:
        return 0;
      case NF_QUEUE:
        // nf_queue without a reader: dropped, unless the rule says to go on without one.
        if ((verdict & NF_VERDICT_FLAG_QUEUE_BYPASS) !== 0) break;
        state.net.nf.queue_dropped++;
        kfree_skb_reason(skb, SKB_DROP_REASON.NETFILTER_DROP);
        return 0;
      default: {
        kfree_skb_reason(skb, SKB_DROP_REASON.NETFILTER_DROP);
        const errno = verdict >> 16;
        return errno === 0 ? -EPERM : -errno;
      }
    }
  }
  return 1;
}

const NF_VERDICT_FLAG_QUEUE_BYPASS = 0x8000;

/** nf_ct_attach: an answer that this host makes goes with the connection of what it answers. */
export function nf_ct_attach(nskb: sk_buff, skb: sk_buff): void {
  const { attach } = skb.kernel.init_net.nf;
  if (attach !== null) attach(nskb, skb);
}
