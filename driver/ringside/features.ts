/** What the card does beside moving frames, and how it is told: offloads, RSS, moderation. */
import { NIC, RETA_ENTRIES, RSS_KEY_BYTES } from '../../device/regs/nic.ts';
import { ethtool_rxfh_indir_default } from '../../kernel/include/ethtool.ts';
import {
  NETIF_F_FRAGLIST,
  NETIF_F_HW_CSUM,
  NETIF_F_HW_VLAN_CTAG_RX,
  NETIF_F_HW_VLAN_CTAG_TX,
  NETIF_F_RXCSUM,
  NETIF_F_RXHASH,
  NETIF_F_SG,
  NETIF_F_TSO,
  type net_device,
  netif_set_real_num_rx_queues,
  netif_set_real_num_tx_queues,
  netif_set_xps_queue,
} from '../../kernel/include/netdevice.ts';
import { bits, place, writel } from '../lib/io.ts';
import { netdev_priv, type ringside_adapter } from './ringside.ts';

/** Everything that a user may switch (`ethtool -K`). */
export const card_features =
  NETIF_F_SG |
  NETIF_F_FRAGLIST |
  NETIF_F_HW_CSUM |
  NETIF_F_TSO |
  NETIF_F_RXCSUM |
  NETIF_F_RXHASH |
  NETIF_F_HW_VLAN_CTAG_TX |
  NETIF_F_HW_VLAN_CTAG_RX;

const HASHED = bits(NIC.RSSC.IP4, NIC.RSSC.TCP4, NIC.RSSC.UDP4, NIC.RSSC.IP6, NIC.RSSC.TCP6, NIC.RSSC.UDP6);

/**
 * What is on from the start: the hash only where it serves to choose among queues; and not the receive checksums: this
 * card is a simulated one, and what it sums for every frame takes longer than what the kernel sums for those it wants.
 */
export function default_features(adapter: ringside_adapter): number {
  const features = card_features & ~NETIF_F_RXCSUM;
  return adapter.num_queues > 1 ? features : features & ~NETIF_F_RXHASH;
}

/** ndo_set_features */
export function set_features(dev: net_device, features: number): number {
  const adapter = netdev_priv(dev);
  if (adapter.up && !adapter.removed) program_features(adapter, features);
  return 0;
}

/** What of `features` the card must know beforehand; the rest goes with each packet. */
export function program_features(adapter: ringside_adapter, features: number): void {
  const { io } = adapter;
  writel(io, NIC.RXCSC, (features & NETIF_F_RXCSUM) !== 0 ? bits(NIC.RXCSC.IP, NIC.RXCSC.L4) : 0);
  writel(io, NIC.VLCR, (features & NETIF_F_HW_VLAN_CTAG_RX) !== 0 ? bits(NIC.VLCR.STRIP) : 0);
  writel(io, NIC.RSSC, adapter.num_queues > 1 || (features & NETIF_F_RXHASH) !== 0 ? HASHED : 0);
}

/** The table that a card has as long as nobody sets another: the queues in turn. */
export function rss_default(adapter: ringside_adapter): void {
  for (let i = 0; i < RETA_ENTRIES; i++) adapter.rss_table[i] = ethtool_rxfh_indir_default(i, adapter.num_queues);
}

/** Key and table; without more than one queue there is nothing to choose. */
export function program_rss(adapter: ringside_adapter): void {
  const { io, rss_table, rss_key } = adapter;
  for (let i = 0; i < RSS_KEY_BYTES / 4; i++) writel(io, NIC.RSSK, word(rss_key, 4 * i), i);
  if (adapter.num_queues === 1) return;
  for (let i = 0; i < RETA_ENTRIES / 4; i++) writel(io, NIC.RETA, word(rss_table, 4 * i), i);
}

function word(bytes: Uint8Array, at: number): number {
  const byte = (i: number): number => bytes[at + i] as number;
  return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0;
}

/** Moderation of every vector that carries packets (on the line it is vector 0's), and by how much TX may be late. */
export function program_coalesce(adapter: ringside_adapter): void {
  const value = place(NIC.ITR.TIME, adapter.rx_usecs) | place(NIC.ITR.COUNT, adapter.rx_frames);
  for (let i = 0; i < adapter.num_queues; i++) writel(adapter.io, NIC.ITR, value, i);
  writel(adapter.io, NIC.TIDV, place(NIC.TIDV.TIME, adapter.tx_usecs));
}

/** So many queue pairs are in use; a CPU sends by the one whose interrupt it gets. */
export function set_queue_count(adapter: ringside_adapter, count: number): void {
  const { netdev } = adapter;
  const cpus = adapter.pdev.kernel.cpus.length;
  adapter.num_queues = count;
  netif_set_real_num_tx_queues(netdev, count);
  netif_set_real_num_rx_queues(netdev, count);
  if (!adapter.msix) return;
  for (let queue = 0; queue < adapter.q_vector.length; queue++) {
    let mask = 0;
    for (let cpu = queue; queue < count && cpu < cpus; cpu += count) mask |= 1 << cpu;
    netif_set_xps_queue(netdev, mask, queue);
  }
}
