/**
 * What a TUN device does and an Ethernet card does not: scripts of packetdrill count on it.
 *
 * Packets that are longer than a frame come up in one piece, past the card, as from a device with a virtio-net header
 * (drivers/net/tun.c: tun_get_user), and take as much memory: a page with the beginning, further pages with the rest.
 * What is sent is off its socket's books at once, and nobody watches whether it leaves.
 */
import type { Kernel } from '../../kernel/kernel.ts';
import { netif_rx } from '../../kernel/net/core/dev.ts';
import { SKB_GSO_DODGY, SKB_GSO_TCPV4 } from '../../kernel/net/core/gso.ts';
import type { net_device, net_device_ops } from '../../kernel/net/core/netdevice.ts';
import { skb_tx_timestamp } from '../../kernel/net/core/skb_tstamp.ts';
import {
  alloc_skb,
  SIZEOF_SHARED_INFO,
  SIZEOF_SK_BUFF,
  skb_orphan,
  skb_put,
  skb_reserve,
} from '../../kernel/net/core/skbuff.ts';
import { ETH_HLEN, eth_type_trans } from '../../kernel/net/ethernet/eth.ts';

const NET_SKB_PAD = 64;
const PAGE_SIZE = 4096;
/** What the first page holds beside its headroom and struct skb_shared_info (SKB_MAX_HEAD). */
const LINEAR = PAGE_SIZE - NET_SKB_PAD - SIZEOF_SHARED_INFO;
/** Objects of skb_small_head_cache, for what is not larger, where MAX_TCP_HEADER is 192: headroom, room, skb_shared_info. */
const SMALL_HEAD = 576;
const PROTOCOL_TCP = 6;

/** TCP's payload; 0 for anything else, and for what is no sound header. */
export function tcpPayload(packet: Uint8Array): number {
  const header = ((packet[0] as number) & 15) * 4;
  if ((packet[0] as number) >> 4 !== 4 || packet[9] !== PROTOCOL_TCP || packet.length < header + 20) return 0;
  return Math.max(0, packet.length - header - ((packet[header + 12] as number) >> 4) * 4);
}

/**
 * The packet arrives now; `gsoSize` other than 0 says that it stands for segments of so many bytes. To be called as the
 * host (Kernel.exec). Returns false when there is no memory for it.
 */
export function tunReceive(kernel: Kernel, dev: net_device, packet: Uint8Array, gsoSize: number): boolean {
  const skb = alloc_skb(kernel, NET_SKB_PAD + packet.length);
  if (skb === null) return false;
  skb_reserve(skb, NET_SKB_PAD - ETH_HLEN);
  const at = skb_put(skb, ETH_HLEN + packet.length);
  const { u8 } = skb.ram;
  u8.set(dev.dev_addr, at);
  u8.set(dev.dev_addr, at + 6);
  u8[at + 12] = 0x08;
  u8[at + 13] = 0;
  u8.set(packet, at + ETH_HLEN);
  if (((NET_SKB_PAD + packet.length + 63) & ~63) + SIZEOF_SHARED_INFO <= SMALL_HEAD) {
    skb.end = skb.head + SMALL_HEAD - SIZEOF_SHARED_INFO;
    skb.truesize = SIZEOF_SK_BUFF + SMALL_HEAD;
  } else if (packet.length > LINEAR) {
    // Nothing can be added behind pages.
    skb.end = skb.tail;
    skb.truesize = SIZEOF_SK_BUFF + PAGE_SIZE * (1 + Math.ceil((packet.length - LINEAR) / PAGE_SIZE));
  }
  if (gsoSize !== 0 && tcpPayload(packet) > gsoSize) {
    skb.gso_size = gsoSize;
    skb.gso_type = SKB_GSO_TCPV4 | SKB_GSO_DODGY;
  }
  skb.protocol = eth_type_trans(skb, dev);
  netif_rx(skb);
  return true;
}

/**
 * A TUN device has no ndo_tx_timeout, and a card whose times are zero cannot hang. Without it nothing wakes an idle host:
 * days pass in one step.
 */
export function dropWatchdog(dev: net_device): void {
  const device = dev as net_device & { netdev_ops: net_device_ops };
  const { ndo_tx_timeout: _, ...ops } = device.netdev_ops;
  device.netdev_ops = ops;
}

/** tun_net_xmit's skb_orphan, before the driver's ndo_start_xmit; and, as there, no byte queue limits before it. */
export function orphanSent(dev: net_device): void {
  const device = dev as net_device & { netdev_ops: net_device_ops };
  for (const txq of device._tx) txq.dql.min_limit = txq.dql.max_limit;
  const { netdev_ops: ops } = device;
  device.netdev_ops = {
    ...ops,
    ndo_start_xmit(skb, to) {
      skb_tx_timestamp(skb);
      skb.tx_flags = 0;
      skb_orphan(skb);
      return ops.ndo_start_xmit(skb, to);
    },
  };
}
