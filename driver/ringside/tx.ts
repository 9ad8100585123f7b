/** Transmit: skbs into descriptors, and back when the card has sent them. */
import { TXD } from '../../device/regs/desc.ts';
import { NIC } from '../../device/regs/nic.ts';
import {
  DMA_TO_DEVICE,
  dma_map_single,
  dma_mapping_error,
  dma_unmap_single,
} from '../../kernel/include/dma-mapping.ts';
import {
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  napi_consume_skb,
  type net_device,
  type netdev_queue,
  netdev_tx_completed_queue,
  netdev_tx_reset_queue,
  netdev_tx_sent_queue,
  type netdev_tx_t,
  netdev_xmit_more,
  netif_queue_stopped,
  netif_stop_queue,
  netif_wake_queue,
} from '../../kernel/include/netdevice.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff } from '../../kernel/include/skbuff.ts';
import { writel } from '../lib/io.ts';
import { netdev_priv, type ring, type ringside_adapter, TX_STOP_THRESHOLD } from './ringside.ts';

const { bytes: TXD_SIZE } = TXD;
const STATUS = TXD.STATUS.offset;
const SEND = TXD.STATUS.EOP.mask | TXD.STATUS.RS.mask;
const DD = TXD.STATUS.DD.mask;
const ERR = TXD.STATUS.ERR.mask;

/** ndo_start_xmit */
export function xmit_frame(skb: sk_buff, netdev: net_device): netdev_tx_t {
  const adapter = netdev_priv(netdev);
  const tx = adapter.tx as ring;
  const txq = netdev._tx[0] as netdev_queue;
  if (tx.unused() < 1) {
    // The queue should have been stopped before this.
    netif_stop_queue(netdev);
    return NETDEV_TX_BUSY;
  }
  const i = tx.next_to_use;
  const iova = dma_map_single(adapter.pdev, skb.data, skb.len, DMA_TO_DEVICE);
  if (dma_mapping_error(iova)) {
    netdev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
    // The doorbell may be owed to those before it.
    if (!netdev_xmit_more(netdev)) writel(adapter.io, NIC.TDT, i);
    return NETDEV_TX_OK;
  }
  tx.skb[i] = skb;
  tx.dma[i] = iova;
  tx.length[i] = skb.len;
  const at = i * TXD_SIZE;
  const { region } = tx;
  region.st32(at + TXD.ADDR.offset, iova);
  region.st32(at + TXD.ADDR_HI.offset, 0);
  region.st32(at + TXD.LEN.offset, skb.len);
  region.st32(at + STATUS, SEND);
  tx.next_to_use = (i + 1) & (tx.count - 1);
  if (tx.unused() < TX_STOP_THRESHOLD) netif_stop_queue(netdev);
  // BQL; and the doorbell only for the last of a row.
  if (netdev_tx_sent_queue(txq, skb.len, netdev_xmit_more(netdev))) writel(adapter.io, NIC.TDT, tx.next_to_use);
  return NETDEV_TX_OK;
}

/** Takes back what the card has sent. True: nothing is left with the card. */
export function clean_tx_irq(adapter: ringside_adapter, tx: ring, budget: number): boolean {
  const { netdev } = adapter;
  const { stats } = netdev;
  let packets = 0;
  let bytes = 0;
  while (tx.next_to_clean !== tx.next_to_use) {
    const i = tx.next_to_clean;
    const status = tx.region.ld32(i * TXD_SIZE + STATUS);
    if ((status & DD) === 0) break;
    const skb = tx.skb[i] as sk_buff;
    dma_unmap_single(adapter.pdev, tx.dma[i] as number, tx.length[i] as number, DMA_TO_DEVICE);
    if ((status & ERR) !== 0) {
      stats.tx_errors++;
    } else {
      stats.tx_packets++;
      stats.tx_bytes += tx.length[i] as number;
    }
    packets++;
    bytes += tx.length[i] as number;
    tx.skb[i] = null;
    tx.next_to_clean = (i + 1) & (tx.count - 1);
    napi_consume_skb(skb, budget);
  }
  netdev_tx_completed_queue(netdev._tx[0] as netdev_queue, packets, bytes);
  if (netif_queue_stopped(netdev) && tx.unused() >= 2 * TX_STOP_THRESHOLD) netif_wake_queue(netdev);
  return tx.next_to_clean === tx.next_to_use;
}

/** Unmaps and drops everything that was not sent. The card must be stopped. */
export function clean_tx_ring(adapter: ringside_adapter, tx: ring): void {
  for (let i = 0; i < tx.count; i++) {
    const skb = tx.skb[i] as sk_buff | null;
    if (skb === null) continue;
    dma_unmap_single(adapter.pdev, tx.dma[i] as number, tx.length[i] as number, DMA_TO_DEVICE);
    adapter.netdev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
    tx.skb[i] = null;
  }
  netdev_tx_reset_queue(adapter.netdev._tx[0] as netdev_queue);
}
