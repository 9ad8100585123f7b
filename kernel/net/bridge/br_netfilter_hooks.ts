/**
 * br_netfilter: with net.bridge.bridge-nf-call-iptables, IP packets that are bridged see IP's hooks, as if this host
 * routed them (net/bridge/br_netfilter_hooks.c). Loaded by br_netfilter_init, as Linux loads the module.
 */
import { ip_fast_csum } from '../../lib/checksum.ts';
import { NUD_VALID } from '../core/neighbour.ts';
import type { net } from '../core/net_namespace.ts';
import type { net_device } from '../core/netdevice.ts';
import {
  kfree_skb_reason,
  PACKET_HOST,
  PACKET_OTHERHOST,
  pskb_may_pull,
  SKB_DROP_REASON,
  type sk_buff,
  skb_trim,
} from '../core/skbuff.ts';
import { ETH_HLEN, ETH_P_ARP, ETH_P_IP } from '../ethernet/eth.ts';
import { ip_neigh_gw4 } from '../ipv4/arp.ts';
import { IPCB_frag_max_size } from '../ipv4/inet_skb_parm.ts';
import {
  IP_DF,
  iph_daddr,
  iph_frag_off,
  iph_ihl,
  iph_saddr,
  iph_tos,
  iph_tot_len,
  iph_version,
} from '../ipv4/ip_header.ts';
import { ip_do_fragment } from '../ipv4/ip_output.ts';
import { ip_route_input, rt_nexthop, type rtable } from '../ipv4/route.ts';
import {
  NF_ACCEPT,
  NF_ARP_FORWARD,
  NF_BR_FORWARD,
  NF_BR_LOCAL_IN,
  NF_BR_LOCAL_OUT,
  NF_BR_POST_ROUTING,
  NF_BR_PRE_ROUTING,
  NF_BR_PRI_BRNF,
  NF_DROP,
  NF_HOOK_THRESH,
  NF_INET_FORWARD,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_IP_PRI_FIRST,
  NF_STOLEN,
  NFPROTO_ARP,
  NFPROTO_BRIDGE,
  NFPROTO_IPV4,
  nf_hook,
  type nf_hook_ops,
  type nf_hook_state,
  nf_register_net_hooks,
  nf_unregister_net_hooks,
} from '../netfilter/core.ts';
import { br_dev_queue_push_xmit } from './br_forward.ts';
import { br_port_of } from './br_if.ts';
import { br_handle_frame_finish } from './br_input.ts';

/** nf_bridge_info: bridged; in IP's PRE_ROUTING on behalf of the bridge; that one is behind it, also for this host's IP. */
const BRNF_BRIDGED = 1;
const BRNF_IN_PREROUTING = 2;
const BRNF_SABOTAGE_IN_DONE = 4;
const ETH_ALEN = 6;

const wants_ip = (skb: sk_buff, net: net): boolean => net.nf.bridge.call_iptables !== 0 && skb.protocol === ETH_P_IP;

/** br_validate_ipv4: ip_rcv's checks, since what IP's hooks see must be an IP packet. Cuts padding off. */
function br_validate_ipv4(skb: sk_buff): boolean {
  if (!pskb_may_pull(skb, 20)) return false;
  const ihl = iph_ihl(skb);
  if (ihl < 5 || iph_version(skb) !== 4 || !pskb_may_pull(skb, ihl * 4)) return false;
  if (ip_fast_csum(skb.ram, skb.network_header, ihl) !== 0) return false;
  const length = iph_tot_len(skb);
  if (skb.len < length || length < ihl * 4) return false;
  if (!skb_trim(skb, length)) return false;
  // A new owner of the control block: IP's.
  skb.cb0 = 0;
  skb.cb1 = 0;
  skb.cb2 = 0;
  skb.cb3 = 0;
  skb.cb4 = 0;
  skb.cb5 = 0;
  skb.transport_header = skb.network_header + ihl * 4;
  return true;
}

/** br_nf_pre_routing: IP's PRE_ROUTING, then on with the bridge's. */
function br_nf_pre_routing(_priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  const { net } = state;
  if (!wants_ip(skb, net)) return NF_ACCEPT;
  skb.network_header = skb.data;
  if (!br_validate_ipv4(skb)) return NF_DROP;
  const port = skb.dev as net_device;
  const br = br_port_of(port)?.br.dev;
  if (br === undefined) return NF_ACCEPT;
  skb.nf_bridge = BRNF_BRIDGED | BRNF_IN_PREROUTING;
  skb.physindev = port;
  skb.physoutdev = null;
  // To IP it comes by the bridge (setup_pre_routing); whose it is by its MAC address is of no matter there.
  const { pkt_type } = skb;
  if (pkt_type === PACKET_OTHERHOST) skb.pkt_type = PACKET_HOST;
  skb.dev = br;
  const daddr = iph_daddr(skb);
  if (nf_hook(NFPROTO_IPV4, NF_INET_PRE_ROUTING, net, skb, br, null, br_nf_pre_routing_finish) !== 1) return NF_STOLEN;
  skb.pkt_type = pkt_type;
  skb.nf_bridge = BRNF_BRIDGED;
  if (daddr !== iph_daddr(skb) && !br_nf_dnat(skb, br)) return NF_DROP;
  skb.dst = null;
  skb.dev = port;
  NF_HOOK_THRESH(NFPROTO_BRIDGE, NF_BR_PRE_ROUTING, net, skb, port, null, br_handle_frame_finish, NF_BR_PRI_BRNF + 1);
  return NF_STOLEN;
}

/** What a packet goes on with that was held up in IP's PRE_ROUTING. */
function br_nf_pre_routing_finish(net: net, skb: sk_buff): number {
  skb.dev = skb.physindev;
  return br_handle_frame_finish(net, skb);
}

/**
 * br_nf_pre_routing_finish's part for DNAT: the frame goes to the new destination's station when that is on this bridge,
 * else to the bridge itself, to be routed. False: there is no way.
 */
function br_nf_dnat(skb: sk_buff, br: net_device): boolean {
  skb.dst = null;
  if (ip_route_input(skb, iph_daddr(skb), iph_saddr(skb), iph_tos(skb), br) !== 0) return false;
  const rt = skb.dst as rtable | null;
  let address: Uint8Array = br.dev_addr;
  if (rt !== null && rt.dev === br) {
    const neigh = ip_neigh_gw4(br, rt_nexthop(rt, iph_daddr(skb)));
    // br_nf_pre_routing_finish_bridge asks for an unknown one; the bridge's own address lets the host do so.
    if (neigh !== null && (neigh.nud_state & NUD_VALID) !== 0) address = neigh.ha;
  }
  for (let i = 0; i < ETH_ALEN; i++) skb.ram.u8[skb.mac_header + i] = address[i] as number;
  if (address === br.dev_addr) skb.pkt_type = PACKET_HOST;
  return true;
}

/** br_nf_local_in: to IP it now is a packet like any other; what was routed on the way is routed once more. */
function br_nf_local_in(_priv: unknown, skb: sk_buff): number {
  if (skb.nf_bridge !== 0) skb.dst = null;
  return NF_ACCEPT;
}

/** br_nf_forward: IP's FORWARD from bridge to bridge; ARP's with bridge-nf-call-arptables. */
function br_nf_forward(_priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  const { net, in: indev, out } = state;
  if (out === null) return NF_ACCEPT;
  const br = br_port_of(out)?.br.dev ?? null;
  if (skb.protocol === ETH_P_ARP && net.nf.bridge.call_arptables !== 0) {
    skb.network_header = skb.data;
    if (!pskb_may_pull(skb, 28)) return NF_ACCEPT;
    return nf_hook(NFPROTO_ARP, NF_ARP_FORWARD, net, skb, indev, out, null) === 1 ? NF_ACCEPT : NF_STOLEN;
  }
  if (skb.nf_bridge === 0 || !wants_ip(skb, net)) return NF_ACCEPT;
  skb.physoutdev = out;
  return nf_hook(NFPROTO_IPV4, NF_INET_FORWARD, net, skb, br, br, null) === 1 ? NF_ACCEPT : NF_STOLEN;
}

/** br_nf_push_frag_xmit: a fragment gets its link-layer header and its VLAN tag back. Takes the skb. */
function br_nf_push_frag_xmit(net: net, skb: sk_buff): number {
  const { frag } = net.nf.bridge;
  const at = skb.data - ETH_HLEN;
  skb.ram.u8.set(frag.mac, at);
  skb.mac_header = at;
  skb.vlan_tci = frag.vlan_tci;
  skb.vlan_proto = frag.vlan_proto;
  skb.vlan_present = frag.vlan_present;
  return br_dev_queue_push_xmit(net, skb);
}

/**
 * br_nf_dev_queue_xmit: what was reassembled for the trackers leaves in fragments no larger than those it came in; what
 * is too long for the port without that, too, where its sender allows it. A verdict: NF_ACCEPT when it may leave as it is.
 */
function br_nf_refragment(net: net, skb: sk_buff, out: net_device): number {
  const frag_max_size = IPCB_frag_max_size(skb);
  const mtu = frag_max_size !== 0 && frag_max_size < out.mtu ? frag_max_size : out.mtu;
  if (skb.gso_size !== 0 || skb.len <= mtu) return NF_ACCEPT;
  // br_nf_ip_fragment
  if ((iph_frag_off(skb) & IP_DF) !== 0 && (skb.ignore_df === 0 || frag_max_size > mtu)) {
    net.ipv4.mib.IpFragFails++;
    kfree_skb_reason(skb, SKB_DROP_REASON.PKT_TOO_BIG);
    return NF_STOLEN;
  }
  const { frag } = net.nf.bridge;
  const { u8 } = skb.ram;
  for (let i = 0; i < ETH_HLEN; i++) frag.mac[i] = u8[skb.data - ETH_HLEN + i] as number;
  frag.vlan_tci = skb.vlan_tci;
  frag.vlan_proto = skb.vlan_proto;
  frag.vlan_present = skb.vlan_present;
  ip_do_fragment(net, skb, mtu, br_nf_push_frag_xmit);
  return NF_STOLEN;
}

/** br_nf_post_routing: IP's POST_ROUTING by the bridge. */
function br_nf_post_routing(_priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  const { net, out } = state;
  if (skb.nf_bridge === 0 || out === null || !wants_ip(skb, net)) return NF_ACCEPT;
  const br = br_port_of(out)?.br.dev ?? null;
  skb.physoutdev = out;
  if (nf_hook(NFPROTO_IPV4, NF_INET_POST_ROUTING, net, skb, null, br, null) !== 1) return NF_STOLEN;
  skb.dev = out;
  return br_nf_refragment(net, skb, out);
}

/** br_nf_local_out: what this host sends is not bridged, and has been through IP's hooks already. */
function br_nf_local_out(_priv: unknown, skb: sk_buff): number {
  skb.nf_bridge = 0;
  skb.physindev = null;
  return NF_ACCEPT;
}

/** ip_sabotage_in: what has been through IP's PRE_ROUTING as a bridged packet is not sent through it again. */
function ip_sabotage_in(_priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  if (skb.nf_bridge !== BRNF_BRIDGED || state.okfn === null) return NF_ACCEPT;
  skb.nf_bridge |= BRNF_SABOTAGE_IN_DONE;
  state.okfn(state.net, skb);
  return NF_STOLEN;
}

const br_nf_ops: readonly nf_hook_ops[] = [
  { hook: br_nf_pre_routing, pf: NFPROTO_BRIDGE, hooknum: NF_BR_PRE_ROUTING, priority: NF_BR_PRI_BRNF },
  { hook: br_nf_local_in, pf: NFPROTO_BRIDGE, hooknum: NF_BR_LOCAL_IN, priority: NF_BR_PRI_BRNF },
  { hook: br_nf_forward, pf: NFPROTO_BRIDGE, hooknum: NF_BR_FORWARD, priority: NF_BR_PRI_BRNF },
  { hook: br_nf_local_out, pf: NFPROTO_BRIDGE, hooknum: NF_BR_LOCAL_OUT, priority: NF_IP_PRI_FIRST },
  { hook: br_nf_post_routing, pf: NFPROTO_BRIDGE, hooknum: NF_BR_POST_ROUTING, priority: 0x7fffffff },
  { hook: ip_sabotage_in, pf: NFPROTO_IPV4, hooknum: NF_INET_PRE_ROUTING, priority: NF_IP_PRI_FIRST },
];

/** `modprobe br_netfilter`: its sysctls are net.nf.bridge. */
export function br_netfilter_init(net: net): void {
  if (net.nf.bridge.registered) return;
  net.nf.bridge.registered = true;
  nf_register_net_hooks(net, br_nf_ops);
}

/** `rmmod br_netfilter` */
export function br_netfilter_fini(net: net): void {
  net.nf.bridge.registered = false;
  nf_unregister_net_hooks(net, br_nf_ops);
}
