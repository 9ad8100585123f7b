/**
 * The ingress qdisc: tc's filters on what a device receives, after the taps and before VLAN and bridge (sch_handle_ingress
 * in net/core/dev.c, net/sched/sch_ingress.c, cls_matchall, act_gact, act_mirred). A filter is a function of the packet;
 * classic BPF programs fit as they are.
 */
import { EEXIST, EINVAL, ENODEV, ENOENT } from '../../errno.ts';
import { dev_queue_xmit, netif_receive_skb, type softnet_data } from './dev.ts';
import type { net_device } from './netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff, skb_clone, skb_push } from './skbuff.ts';

/** Verdicts (linux/pkt_cls.h). UNSPEC: the next filter. */
export const TC_ACT_UNSPEC = -1;
export const TC_ACT_OK = 0;
export const TC_ACT_SHOT = 2;
export const TC_ACT_PIPE = 3;
export const TC_ACT_STOLEN = 4;
export const TC_ACT_REDIRECT = 7;

/** What sch_handle_ingress tells the receive path: go on, or the packet is gone. */
export const INGRESS_OK = 0;
export const INGRESS_GONE = 1;

/** Redirections within each other (MIRRED_NEST_LIMIT). */
const MIRRED_NEST_LIMIT = 4;

/** A filter's action: a verdict, or where the packet or a copy of it goes. */
export type tc_action =
  | { readonly kind: 'ok' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'pipe' }
  | { readonly kind: 'mirred'; readonly dev: net_device; readonly redirect: boolean; readonly ingress: boolean };

export class tcf_proto {
  readonly prio: number;
  /** EtherType, 0 for all. */
  readonly protocol: number;
  /** Bytes that match, from the network header on, or truth: 0 or false is no match. null: matchall. */
  readonly classify: ((skb: sk_buff) => number | boolean) | null;
  readonly actions: readonly tc_action[];
  /** `tc -s filter` */
  packets = 0;
  bytes = 0;

  constructor(
    prio: number,
    protocol: number,
    classify: ((skb: sk_buff) => number | boolean) | null,
    actions: readonly tc_action[],
  ) {
    this.prio = prio;
    this.protocol = protocol;
    this.classify = classify;
    this.actions = actions;
  }
}

export class ingress_qdisc {
  readonly dev: net_device;
  /** By priority, the smallest first. */
  readonly filters: tcf_proto[] = [];
  /** `tc -s qdisc` */
  packets = 0;
  bytes = 0;
  drops = 0;

  constructor(dev: net_device) {
    this.dev = dev;
  }
}

/** `tc qdisc add dev DEV ingress`: 0 or -EEXIST. */
export function tc_qdisc_add_ingress(dev: net_device): number {
  if (dev.ingress !== null) return -EEXIST;
  dev.ingress = new ingress_qdisc(dev);
  return 0;
}

/** `tc qdisc del dev DEV ingress`: 0 or -ENOENT. */
export function tc_qdisc_del_ingress(dev: net_device): number {
  if (dev.ingress === null) return -ENOENT;
  dev.ingress = null;
  return 0;
}

/** `tc filter add dev DEV ingress prio …`: 0, -EINVAL without the qdisc, -EEXIST when the priority is taken, -ENODEV. */
export function tc_filter_add(dev: net_device, filter: tcf_proto): number {
  const { ingress } = dev;
  if (ingress === null) return -EINVAL;
  if (ingress.filters.some(({ prio }) => prio === filter.prio)) return -EEXIST;
  for (const action of filter.actions) if (action.kind === 'mirred' && !action.dev.registered) return -ENODEV;
  ingress.filters.push(filter);
  ingress.filters.sort((a, b) => a.prio - b.prio);
  return 0;
}

/** `tc filter del dev DEV ingress prio PRIO`: 0 or -ENOENT. */
export function tc_filter_del(dev: net_device, prio: number): number {
  const filters = dev.ingress?.filters ?? [];
  const index = filters.findIndex(filter => filter.prio === prio);
  if (index < 0) return -ENOENT;
  filters.splice(index, 1);
  return 0;
}

/** sch_handle_ingress: takes the skb unless the result is INGRESS_OK. The skb is nobody else's. */
export function sch_handle_ingress(skb: sk_buff, q: ingress_qdisc): number {
  const tp = skb.kernel.trace.sch_handle_ingress;
  if (tp !== null) tp(skb);
  q.packets++;
  q.bytes += skb.len + skb.mac_len;
  const verdict = tcf_classify(skb, q);
  if (verdict === TC_ACT_SHOT) {
    q.drops++;
    kfree_skb_reason(skb, SKB_DROP_REASON.TC_INGRESS);
    return INGRESS_GONE;
  }
  return verdict === TC_ACT_STOLEN ? INGRESS_GONE : INGRESS_OK;
}

/** tcf_classify: the verdict of the first filter that has one. TC_ACT_STOLEN: the skb is gone. */
function tcf_classify(skb: sk_buff, q: ingress_qdisc): number {
  const { filters } = q;
  for (let i = 0; i < filters.length; i++) {
    const filter = filters[i] as tcf_proto;
    if (filter.protocol !== 0 && filter.protocol !== skb.protocol) continue;
    if (filter.classify !== null) {
      const match = filter.classify(skb);
      if (match === 0 || match === false) continue;
    }
    filter.packets++;
    filter.bytes += skb.len + skb.mac_len;
    const verdict = tcf_exts_exec(skb, filter.actions);
    if (verdict !== TC_ACT_UNSPEC) return verdict;
  }
  return TC_ACT_OK;
}

/** tcf_action_exec: one after the other, until one ends it. A chain that ends in `pipe` lets the packet pass. */
function tcf_exts_exec(skb: sk_buff, actions: readonly tc_action[]): number {
  for (let i = 0; i < actions.length; i++) {
    const action = actions[i] as tc_action;
    if (action.kind === 'ok') return TC_ACT_OK;
    if (action.kind === 'drop') return TC_ACT_SHOT;
    if (action.kind !== 'mirred') continue;
    const sd = skb.kernel.softnet[skb.kernel.cpu.id] as softnet_data;
    // Devices that redirect to each other: this is where it ends.
    if (sd.mirred_nest >= MIRRED_NEST_LIMIT) return TC_ACT_SHOT;
    const target = action.redirect ? skb : skb_clone(skb);
    if (target === null) continue;
    sd.mirred_nest++;
    tcf_mirred(target, action.dev, action.ingress);
    sd.mirred_nest--;
    if (action.redirect) return TC_ACT_STOLEN;
  }
  return TC_ACT_OK;
}

/** tcf_mirred_to_dev: as if it came in by the other device, or out by it, with its link-layer header. Takes the skb. */
function tcf_mirred(skb: sk_buff, dev: net_device, ingress: boolean): void {
  if (!dev.running) {
    kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
    return;
  }
  skb.dev = dev;
  if (ingress) {
    netif_receive_skb(skb);
    return;
  }
  skb_push(skb, skb.mac_len);
  dev_queue_xmit(skb);
}
