/** Receive: buffers for the card, and what it put into them. */
import { RXD } from '../../device/regs/desc.ts';
import { NIC } from '../../device/regs/nic.ts';
import {
  DMA_FROM_DEVICE,
  dma_map_single,
  dma_mapping_error,
  dma_sync_single_for_cpu,
  dma_unmap_single,
} from '../../kernel/include/dma-mapping.ts';
import { eth_type_trans } from '../../kernel/include/etherdevice.ts';
import { napi_gro_receive, netdev_rx_drop, netif_rx } from '../../kernel/include/netdevice.ts';
import {
  consume_skb,
  netdev_alloc_skb_ip_align,
  SKB_DROP_REASON,
  type sk_buff,
  skb_put,
  skb_put_data,
} from '../../kernel/include/skbuff.ts';
import { writel } from '../lib/io.ts';
import { COPYBREAK, RX_BUFFER_WRITE, type ring, type ringside_adapter } from './ringside.ts';

const { bytes: RXD_SIZE } = RXD;
const STATUS = RXD.STATUS.offset;
const LEN = RXD.LEN.offset;
const DD = RXD.STATUS.DD.mask;
/** How long the card may go without new buffers when memory ran out. */
const REFILL_RETRY_NS = 20_000_000;
const ERRORS = RXD.STATUS.CRC.mask | RXD.STATUS.ALN.mask | RXD.STATUS.TRUNC.mask;

/** Gives the card every buffer it may have. False: memory ran out, some descriptors stay empty for now. */
export function alloc_rx_buffers(adapter: ringside_adapter, rx: ring): boolean {
  const start = rx.next_to_use;
  let complete = true;
  for (let free = rx.unused(); free > 0; free--) {
    const i = rx.next_to_use;
    if (rx.skb[i] === null && !fill(adapter, rx, i)) {
      complete = false;
      break;
    }
    const at = i * RXD_SIZE;
    rx.region.st32(at + RXD.ADDR.offset, rx.dma[i] as number);
    rx.region.st32(at + RXD.ADDR_HI.offset, 0);
    rx.region.st32(at + STATUS, 0);
    rx.next_to_use = (i + 1) & (rx.count - 1);
  }
  // The descriptors are written before the doorbell: coherent stores and posted writes keep their order.
  if (rx.next_to_use !== start) writel(adapter.io, NIC.RDT, rx.next_to_use);
  return complete;
}

function fill(adapter: ringside_adapter, rx: ring, i: number): boolean {
  const skb = netdev_alloc_skb_ip_align(adapter.netdev, adapter.rx_buffer_length);
  if (skb === null) return false;
  const iova = dma_map_single(adapter.pdev, skb.data, adapter.rx_buffer_length, DMA_FROM_DEVICE);
  if (dma_mapping_error(iova)) {
    consume_skb(skb);
    return false;
  }
  rx.skb[i] = skb;
  rx.dma[i] = iova;
  return true;
}

/** Passes up to `budget` received frames on to the stack; the number of frames passed or thrown away. */
export function clean_rx_irq(adapter: ringside_adapter, rx: ring, budget: number): number {
  const { netdev, napi } = adapter;
  const { region } = rx;
  let work = 0;
  while (work < budget) {
    const i = rx.next_to_clean;
    if (i === rx.next_to_use) break;
    const at = i * RXD_SIZE;
    const status = region.ld32(at + STATUS);
    if ((status & DD) === 0) break;
    const length = region.ld32(at + LEN) & 0xffff;
    rx.next_to_clean = (i + 1) & (rx.count - 1);
    work++;
    const stats = netdev.stats;
    // A length the buffer cannot hold is the card's fault: the frame is worth nothing, the buffer is not lost.
    if ((status & ERRORS) !== 0 || length > adapter.rx_buffer_length || length < 14) {
      stats.rx_errors++;
      continue;
    }
    const skb = length <= COPYBREAK ? copy_frame(adapter, rx, i, length) : take_frame(adapter, rx, i, length);
    if (skb === null) {
      netdev_rx_drop(netdev, (rx.skb[i] as sk_buff).data, SKB_DROP_REASON.NOMEM);
      continue;
    }
    stats.rx_packets++;
    stats.rx_bytes += length;
    skb.protocol = eth_type_trans(skb, netdev);
    if (adapter.use_napi) napi_gro_receive(napi, skb);
    else netif_rx(skb);
  }
  return work;
}

/** A small frame: into a small skb; the buffer stays mapped and is given to the card again. */
function copy_frame(adapter: ringside_adapter, rx: ring, i: number, length: number): sk_buff | null {
  const skb = netdev_alloc_skb_ip_align(adapter.netdev, length);
  if (skb === null) return null;
  dma_sync_single_for_cpu(adapter.pdev, rx.dma[i] as number, length, DMA_FROM_DEVICE);
  skb_put_data(skb, (rx.skb[i] as sk_buff).data, length);
  return skb;
}

/** A large frame: its buffer goes up as it is, and the descriptor needs a new one. */
function take_frame(adapter: ringside_adapter, rx: ring, i: number, length: number): sk_buff {
  const skb = rx.skb[i] as sk_buff;
  rx.skb[i] = null;
  dma_unmap_single(adapter.pdev, rx.dma[i] as number, adapter.rx_buffer_length, DMA_FROM_DEVICE);
  skb_put(skb, length);
  return skb;
}

/** Gives buffers back in batches. Where memory ran out and the card may starve, tries again a little later. */
export function refill_rx(adapter: ringside_adapter, rx: ring): void {
  if (rx.unused() < RX_BUFFER_WRITE) return;
  if (!alloc_rx_buffers(adapter, rx)) adapter.refill_timer.mod_ns(adapter.pdev.kernel.clock.now + REFILL_RETRY_NS);
}

/** Unmaps and frees every buffer. The card must be stopped. */
export function clean_rx_ring(adapter: ringside_adapter, rx: ring): void {
  for (let i = 0; i < rx.count; i++) {
    const skb = rx.skb[i] as sk_buff | null;
    if (skb === null) continue;
    dma_unmap_single(adapter.pdev, rx.dma[i] as number, adapter.rx_buffer_length, DMA_FROM_DEVICE);
    consume_skb(skb);
    rx.skb[i] = null;
  }
}
