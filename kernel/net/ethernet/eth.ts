/** Ethernet framing (net/ethernet/eth.c). */
import { type header_ops, IFF_BROADCAST, IFF_MULTICAST, type net_device } from '../core/netdevice.ts';
import {
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  type sk_buff,
  skb_push,
} from '../core/skbuff.ts';

export const ETH_ALEN = 6;
export const ETH_HLEN = 14;
export const ETH_ZLEN = 60;
export const ETH_DATA_LEN = 1500;
export const ETH_FRAME_LEN = 1514;

export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_8021Q = 0x8100;
export const ETH_P_8021AD = 0x88a8;
export const ETH_P_802_3 = 0x0001;
export const ETH_P_802_2 = 0x0004;
const ETH_P_802_3_MIN = 0x0600;

/**
 * eth_type_trans: sets mac_header and pkt_type, pulls the Ethernet header.
 * @returns the EtherType, ETH_P_802_2 or ETH_P_802_3 for length-encoded frames.
 */
export function eth_type_trans(skb: sk_buff, dev: net_device): number {
  const kernel = skb.kernel;
  kernel.clock.now += kernel.cost.eth_type_trans;
  const { u8 } = skb.ram;
  const at = skb.data;
  skb.dev = dev;
  skb.mac_header = at;
  skb.data = at + ETH_HLEN;
  skb.len -= ETH_HLEN;
  const addr = dev.dev_addr;
  if (
    u8[at] === addr[0] &&
    u8[at + 1] === addr[1] &&
    u8[at + 2] === addr[2] &&
    u8[at + 3] === addr[3] &&
    u8[at + 4] === addr[4] &&
    u8[at + 5] === addr[5]
  ) {
    skb.pkt_type = PACKET_HOST;
  } else if (((u8[at] as number) & 1) === 0) {
    skb.pkt_type = PACKET_OTHERHOST;
  } else {
    const all =
      (u8[at] as number) &
      (u8[at + 1] as number) &
      (u8[at + 2] as number) &
      (u8[at + 3] as number) &
      (u8[at + 4] as number) &
      (u8[at + 5] as number);
    skb.pkt_type = all === 0xff ? PACKET_BROADCAST : PACKET_MULTICAST;
  }
  const type = ((u8[at + 12] as number) << 8) | (u8[at + 13] as number);
  if (type >= ETH_P_802_3_MIN) return type;
  return u8[at + 14] === 0xff && u8[at + 15] === 0xff ? ETH_P_802_3 : ETH_P_802_2;
}

function put_address(u8: Uint8Array, at: number, address: Uint8Array): void {
  u8[at] = address[0] as number;
  u8[at + 1] = address[1] as number;
  u8[at + 2] = address[2] as number;
  u8[at + 3] = address[3] as number;
  u8[at + 4] = address[4] as number;
  u8[at + 5] = address[5] as number;
}

/** eth_header: pushes the 14 bytes. A loopback or NOARP device without `daddr` gets zeros. */
export function eth_header(
  skb: sk_buff,
  dev: net_device,
  type: number,
  daddr: Uint8Array | null,
  saddr: Uint8Array | null,
): number {
  const at = skb_push(skb, ETH_HLEN);
  const { u8 } = skb.ram;
  put_address(u8, at + 6, saddr ?? dev.dev_addr);
  u8[at + 12] = type >> 8;
  u8[at + 13] = type & 0xff;
  if (daddr !== null) put_address(u8, at, daddr);
  else u8.fill(0, at, at + 6);
  return ETH_HLEN;
}

/** eth_header_cache: the same header, for a neighbour's cache. */
export function eth_header_cache(hh: Uint8Array, dev: net_device, type: number, daddr: Uint8Array): number {
  put_address(hh, 0, daddr);
  put_address(hh, 6, dev.dev_addr);
  hh[12] = type >> 8;
  hh[13] = type & 0xff;
  return ETH_HLEN;
}

export const eth_header_ops: header_ops = { create: eth_header, cache: eth_header_cache };

/** ether_setup: what every Ethernet device starts from. */
export function ether_setup(dev: net_device): void {
  dev.header_ops = eth_header_ops;
  dev.hard_header_len = ETH_HLEN;
  dev.mtu = ETH_DATA_LEN;
  dev.min_mtu = 68;
  dev.max_mtu = ETH_DATA_LEN;
  dev.broadcast.fill(0xff);
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
}

/** is_valid_ether_addr: not multicast, not all zero. */
export function is_valid_ether_addr(address: Uint8Array): boolean {
  return address.length === ETH_ALEN && ((address[0] as number) & 1) === 0 && address.some(byte => byte !== 0);
}
