/** A frame comes in by a port (net/bridge/br_input.c). */
import { netif_receive_skb } from '../core/dev.ts';
import type { net } from '../core/net_namespace.ts';
import { IFF_PROMISC, type net_device, RX_HANDLER_CONSUMED, RX_HANDLER_PASS } from '../core/netdevice.ts';
import { kfree_skb_reason, PACKET_HOST, PACKET_LOOPBACK, SKB_DROP_REASON, type sk_buff } from '../core/skbuff.ts';
import { NF_BR_LOCAL_IN, NF_BR_PRE_ROUTING, NF_HOOK, NFPROTO_BRIDGE } from '../netfilter/core.ts';
import { br_fdb_find, br_fdb_update } from './br_fdb.ts';
import { br_flood, br_forward } from './br_forward.ts';
import {
  address_high,
  address_low,
  BR_LEARNING,
  BR_PKT_BROADCAST,
  BR_PKT_MULTICAST,
  BR_PKT_UNICAST,
  BR_STATE_DISABLED,
  BR_STATE_FORWARDING,
  BR_STATE_LEARNING,
  mac_high,
  mac_low,
  type net_bridge,
  type net_bridge_port,
} from './br_private.ts';

/** br_pass_frame_up: to this host, as if it came in by the bridge. Takes the skb. */
function br_pass_frame_up(br: net_bridge, skb: sk_buff): void {
  const { stats } = br.dev;
  stats.rx_packets++;
  stats.rx_bytes += skb.len;
  const tp = skb.kernel.trace.br_pass_frame_up;
  if (tp !== null) tp(skb, br.dev);
  const indev = skb.dev;
  skb.dev = br.dev;
  NF_HOOK(NFPROTO_BRIDGE, NF_BR_LOCAL_IN, br.dev.nd_net, skb, indev, null, br_netif_receive_skb);
}

function br_netif_receive_skb(_net: net, skb: sk_buff): number {
  netif_receive_skb(skb);
  return 0;
}

/** Learns, when it may, from a frame that goes no further than this host (__br_handle_local_finish). */
function br_handle_local_finish(p: net_bridge_port, skb: sk_buff): void {
  if ((p.flags & BR_LEARNING) !== 0 && p.state !== BR_STATE_DISABLED) {
    br_fdb_update(p.br, p, mac_high(skb, skb.mac_header + 6), mac_low(skb, skb.mac_header + 6));
  }
}

/** br_handle_frame_finish: learns where the sender is, then on to where the receiver is. Takes the skb. */
export function br_handle_frame_finish(_net: net, skb: sk_buff): number {
  const p = (skb.dev as net_device).rx_handler_data as net_bridge_port;
  const { br } = p;
  const dest = skb.mac_header;
  const high = mac_high(skb, dest);
  const low = mac_low(skb, dest);
  br_handle_local_finish(p, skb);
  if (p.state === BR_STATE_LEARNING) {
    kfree_skb_reason(skb, SKB_DROP_REASON.BRIDGE_INGRESS_STP_STATE);
    return 0;
  }
  const promisc = (br.dev.flags & IFF_PROMISC) !== 0;
  let local_rcv = promisc;
  if ((high & 0x0100) !== 0) {
    const broadcast = high === 0xffff && low === -1;
    // Without IGMP snooping a group is flooded, and this host is in every group.
    local_rcv = true;
    if (!broadcast) br.dev.stats.multicast++;
    br_flood(br, skb, broadcast ? BR_PKT_BROADCAST : BR_PKT_MULTICAST, p, local_rcv);
  } else {
    const fdb = br_fdb_find(br, high, low);
    if (fdb?.local === true) {
      br_pass_frame_up(br, skb);
      return 0;
    }
    if (fdb !== null) {
      fdb.used = br.kernel.timers.jiffies();
      br_forward(fdb.dst, skb, p, local_rcv);
    } else {
      br_flood(br, skb, BR_PKT_UNICAST, p, local_rcv);
    }
  }
  if (local_rcv) br_pass_frame_up(br, skb);
  return 0;
}

/** br_handle_frame: the ports' rx_handler. The skb is nobody else's. */
export function br_handle_frame(skb: sk_buff): number {
  const { kernel } = skb;
  if (skb.pkt_type === PACKET_LOOPBACK) return RX_HANDLER_PASS;
  kernel.clock.now += kernel.cost.br_handle_frame;
  const tp = kernel.trace.br_handle_frame;
  if (tp !== null) tp(skb);
  const p = (skb.dev as net_device).rx_handler_data as net_bridge_port;
  const at = skb.mac_header;
  const source_high = mac_high(skb, at + 6);
  if ((source_high & 0x0100) !== 0 || (source_high === 0 && mac_low(skb, at + 6) === 0)) {
    kfree_skb_reason(skb, SKB_DROP_REASON.MAC_INVALID_SOURCE);
    return RX_HANDLER_CONSUMED;
  }
  const high = mac_high(skb, at);
  const low = mac_low(skb, at);
  // is_link_local_ether_addr: 01:80:C2:00:00:0X, reserved by 802.1D.
  if (high === 0x0180 && (low & 0xfffffff0) === (0xc2000000 | 0)) {
    const x = low & 15;
    // Without STP the bridge group address is flooded, so that other bridges find loops.
    const forwarded = x === 0 || (x !== 1 && ((p.br.group_fwd_mask >> x) & 1) !== 0);
    if (x === 1) {
      kfree_skb_reason(skb, SKB_DROP_REASON.MAC_IEEE_MAC_CONTROL);
      return RX_HANDLER_CONSUMED;
    }
    if (!forwarded) {
      br_handle_local_finish(p, skb);
      return RX_HANDLER_PASS;
    }
  }
  if (p.state !== BR_STATE_FORWARDING && p.state !== BR_STATE_LEARNING) {
    kfree_skb_reason(skb, SKB_DROP_REASON.BRIDGE_INGRESS_STP_STATE);
    return RX_HANDLER_CONSUMED;
  }
  const { dev_addr } = p.br.dev;
  if (high === address_high(dev_addr) && low === address_low(dev_addr)) skb.pkt_type = PACKET_HOST;
  const { dev } = skb;
  NF_HOOK(NFPROTO_BRIDGE, NF_BR_PRE_ROUTING, p.br.dev.nd_net, skb, dev, null, br_handle_frame_finish);
  return RX_HANDLER_CONSUMED;
}
