/** Out by one port, or by all (net/bridge/br_forward.c). */
import { dev_queue_xmit } from '../core/dev.ts';
import type { net } from '../core/net_namespace.ts';
import { IFF_UP, type net_device } from '../core/netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff, skb_clone, skb_push } from '../core/skbuff.ts';
import { ETH_HLEN } from '../ethernet/eth.ts';
import { NF_BR_FORWARD, NF_BR_LOCAL_OUT, NF_BR_POST_ROUTING, NF_HOOK, NFPROTO_BRIDGE } from '../netfilter/core.ts';
import {
  BR_BCAST_FLOOD,
  BR_FLOOD,
  BR_HAIRPIN_MODE,
  BR_ISOLATED,
  BR_MCAST_FLOOD,
  BR_PKT_BROADCAST,
  BR_PKT_UNICAST,
  BR_STATE_FORWARDING,
  type net_bridge,
  type net_bridge_port,
} from './br_private.ts';

const VLAN_HLEN = 4;

/** should_deliver: not back to where it came from, not by a port that does not forward, not between isolated ports. */
function should_deliver(p: net_bridge_port, skb: sk_buff, source: net_bridge_port | null): boolean {
  if (p.state !== BR_STATE_FORWARDING) return false;
  if (skb.dev === p.dev && (p.flags & BR_HAIRPIN_MODE) === 0) return false;
  return source === null || (source.flags & p.flags & BR_ISOLATED) === 0;
}

/** __br_forward: to the port's device. Takes the skb. */
function __br_forward(to: net_bridge_port, skb: sk_buff): void {
  const { dev } = to;
  const indev = skb.dev;
  skb.dev = dev;
  const tp = skb.kernel.trace.br_forward;
  if (tp !== null) tp(skb);
  // What this host sends itself came by no port.
  if (indev === to.br.dev) NF_HOOK(NFPROTO_BRIDGE, NF_BR_LOCAL_OUT, dev.nd_net, skb, null, dev, br_forward_finish);
  else NF_HOOK(NFPROTO_BRIDGE, NF_BR_FORWARD, dev.nd_net, skb, indev, dev, br_forward_finish);
}

/** br_forward_finish */
function br_forward_finish(net: net, skb: sk_buff): number {
  return NF_HOOK(NFPROTO_BRIDGE, NF_BR_POST_ROUTING, net, skb, null, skb.dev, br_dev_queue_push_xmit);
}

/** br_dev_queue_push_xmit: with its link-layer header again, to the port's queue. Takes the skb. */
export function br_dev_queue_push_xmit(_net: net, skb: sk_buff): number {
  const dev = skb.dev as net_device;
  skb_push(skb, ETH_HLEN);
  // is_skb_forwardable: merged packets are cut apart again below.
  if ((dev.flags & IFF_UP) === 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
  } else if (skb.gso_size === 0 && skb.len > dev.mtu + dev.hard_header_len + VLAN_HLEN) {
    dev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON.PKT_TOO_BIG);
  } else {
    // The queue of the port it came in by says nothing here.
    skb.queue_mapping = 0;
    return dev_queue_xmit(skb);
  }
  return 0;
}

/** deliver_clone */
function deliver_clone(to: net_bridge_port, skb: sk_buff): void {
  const clone = skb_clone(skb);
  if (clone === null) to.br.dev.stats.tx_dropped++;
  else __br_forward(to, clone);
}

/** br_forward: by one port. Takes the skb, unless `local_rcv`: then a clone goes. */
export function br_forward(
  to: net_bridge_port | null,
  skb: sk_buff,
  source: net_bridge_port | null,
  local_rcv: boolean,
): void {
  if (to !== null && should_deliver(to, skb, source)) {
    if (local_rcv) deliver_clone(to, skb);
    else __br_forward(to, skb);
    return;
  }
  if (!local_rcv) kfree_skb_reason(skb, SKB_DROP_REASON.NO_TX_TARGET);
}

/** br_flood: by every port that wants this kind, clones by all but the last. Takes the skb, unless `local_rcv`. */
export function br_flood(
  br: net_bridge,
  skb: sk_buff,
  pkt_type: number,
  source: net_bridge_port | null,
  local_rcv: boolean,
): void {
  const wanted =
    pkt_type === BR_PKT_UNICAST ? BR_FLOOD : pkt_type === BR_PKT_BROADCAST ? BR_BCAST_FLOOD : BR_MCAST_FLOOD;
  const { ports } = br;
  let previous: net_bridge_port | null = null;
  for (let i = 0; i < ports.length; i++) {
    const p = ports[i] as net_bridge_port;
    // What this host sends to a group or to all goes everywhere.
    const own = source === null && pkt_type !== BR_PKT_UNICAST;
    if (((p.flags & wanted) === 0 && !own) || !should_deliver(p, skb, source)) continue;
    if (previous !== null) deliver_clone(previous, skb);
    previous = p;
  }
  if (previous === null) {
    if (!local_rcv) kfree_skb_reason(skb, SKB_DROP_REASON.NO_TX_TARGET);
  } else if (local_rcv) {
    deliver_clone(previous, skb);
  } else {
    __br_forward(previous, skb);
  }
}
