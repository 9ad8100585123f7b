/** Receive: buffers for the card, and what it put into them. */
import { RXD } from '../../device/regs/desc.ts';
import {
  DMA_FROM_DEVICE,
  dma_map_single,
  dma_mapping_error,
  dma_sync_single_for_cpu,
  dma_unmap_single,
} from '../../kernel/include/dma-mapping.ts';
import { eth_type_trans } from '../../kernel/include/etherdevice.ts';
import { __vlan_hwaccel_put_tag, ETH_P_8021Q } from '../../kernel/include/if_vlan.ts';
import { writel } from '../../kernel/include/io.ts';
import { NETIF_F_RXHASH, napi_gro_receive, netdev_rx_drop, netif_rx } from '../../kernel/include/netdevice.ts';
import {
  CHECKSUM_UNNECESSARY,
  COPY_COPYBREAK,
  NET_IP_ALIGN,
  NET_SKB_PAD,
  napi_alloc_frag,
  napi_build_skb,
  netdev_alloc_skb_ip_align,
  SIZEOF_SHARED_INFO,
  SKB_DROP_REASON,
  type sk_buff,
  skb_free_frag,
  skb_put,
  skb_put_data,
  skb_record_rx_queue,
  skb_reserve,
  skb_set_hash,
} from '../../kernel/include/skbuff.ts';
import { COPYBREAK, type q_vector, RX_BUFFER_WRITE, type ring, type ringside_adapter } from './ringside.ts';

const { bytes: RXD_SIZE } = RXD;
const STATUS = RXD.STATUS.offset;
const LEN = RXD.LEN.offset;
const DD = RXD.STATUS.DD.mask;
/** How long the card may go without new buffers when memory ran out. */
const REFILL_RETRY_NS = 20_000_000;
const { VP, HTYPE, IPC, IPE, L4C, L4E } = RXD.STATUS;
const CSUM_WRONG = IPE.mask | L4E.mask;
/** Values of HTYPE: the hash is of a TCP or UDP flow with its ports. */
const HASHED_PORTS = (1 << 2) | (1 << 3) | (1 << 5) | (1 << 6);
/** What the card may have found out or done beyond storing the frame. */
const OFFLOADED = VP.mask | HTYPE.mask | IPC.mask | L4C.mask;
const ERRORS = RXD.STATUS.CRC.mask | RXD.STATUS.ALN.mask | RXD.STATUS.TRUNC.mask;

/** Where in its buffer a frame begins, and what a buffer needs besides the frame: skb_shared_info behind it, as build_skb wants. */
const RX_HEADROOM = NET_SKB_PAD + NET_IP_ALIGN;
const RX_OVERHEAD = RX_HEADROOM + SIZEOF_SHARED_INFO;

/** Gives the card every buffer it may have. False: memory ran out, some descriptors stay empty for now. */
export function alloc_rx_buffers(q: q_vector, rx: ring): boolean {
  const { adapter } = q;
  const start = rx.next_to_use;
  let complete = true;
  for (let free = rx.unused(); free > 0; free--) {
    const i = rx.next_to_use;
    if (rx.buffer[i] === 0 && !fill(adapter, rx, i)) {
      q.alloc_rx_failed++;
      complete = false;
      break;
    }
    const at = i * RXD_SIZE;
    rx.region.st128(at, rx.dma[i] as number, 0, 0, 0);
    rx.next_to_use = (i + 1) & (rx.count - 1);
  }
  // The descriptors are written before the doorbell: coherent stores and posted writes keep their order.
  if (rx.next_to_use !== start) writel(adapter.io, rx.tail, rx.next_to_use);
  return complete;
}

function fill(adapter: ringside_adapter, rx: ring, i: number): boolean {
  const { pdev, rx_buffer_length } = adapter;
  const buffer = napi_alloc_frag(pdev.kernel, rx_buffer_length + RX_OVERHEAD);
  if (buffer === 0) return false;
  const iova = dma_map_single(pdev, buffer + RX_HEADROOM, rx_buffer_length, DMA_FROM_DEVICE);
  if (dma_mapping_error(iova)) {
    skb_free_frag(pdev.kernel, buffer);
    return false;
  }
  rx.buffer[i] = buffer;
  rx.dma[i] = iova;
  return true;
}

/** Passes up to `budget` received frames on to the stack; the number of frames passed or thrown away. */
export function clean_rx_irq(q: q_vector, rx: ring, budget: number): number {
  const { adapter, napi } = q;
  const { netdev } = adapter;
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
      netdev_rx_drop(netdev, (rx.buffer[i] as number) + RX_HEADROOM, SKB_DROP_REASON.NOMEM);
      continue;
    }
    stats.rx_packets++;
    stats.rx_bytes += length;
    q.rx_packets++;
    q.rx_bytes += length;
    skb.protocol = eth_type_trans(skb, netdev);
    skb_record_rx_queue(skb, q.index);
    if ((status & OFFLOADED) !== 0) take_offloads(q, rx, at, status, skb);
    if (adapter.use_napi) napi_gro_receive(napi, skb);
    else netif_rx(skb);
  }
  return work;
}

/** What the card has found out about a frame: checksums, its flow's hash, the tag that it took out. */
function take_offloads(q: q_vector, rx: ring, at: number, status: number, skb: sk_buff): void {
  if ((status & CSUM_WRONG) !== 0) {
    // The stack looks for itself, and counts.
    q.rx_csum_errors++;
  } else if ((status & L4C.mask) !== 0) {
    skb.ip_summed = CHECKSUM_UNNECESSARY;
    q.rx_csum_good++;
  }
  const type = (status & HTYPE.mask) >>> HTYPE.lsb;
  if (type !== 0 && (q.adapter.netdev.features & NETIF_F_RXHASH) !== 0) {
    skb_set_hash(skb, rx.region.ld32(at + RXD.ADDR_HI.offset), ((HASHED_PORTS >>> type) & 1) !== 0);
  }
  if ((status & VP.mask) !== 0) {
    __vlan_hwaccel_put_tag(skb, ETH_P_8021Q, rx.region.ld32(at + LEN) >>> 16);
  }
}

/** A small frame: into a small skb; the buffer stays mapped and is given to the card again. */
function copy_frame(adapter: ringside_adapter, rx: ring, i: number, length: number): sk_buff | null {
  const skb = netdev_alloc_skb_ip_align(adapter.netdev, length);
  if (skb === null) return null;
  dma_sync_single_for_cpu(adapter.pdev, rx.dma[i] as number, length, DMA_FROM_DEVICE);
  skb_put_data(skb, (rx.buffer[i] as number) + RX_HEADROOM, length, COPY_COPYBREAK);
  return skb;
}

/** A large frame: its buffer goes up as it is, in an skb made now, and the descriptor needs a new one. */
function take_frame(adapter: ringside_adapter, rx: ring, i: number, length: number): sk_buff {
  const { netdev, rx_buffer_length } = adapter;
  dma_unmap_single(adapter.pdev, rx.dma[i] as number, rx_buffer_length, DMA_FROM_DEVICE);
  const skb = napi_build_skb(netdev, rx.buffer[i] as number, rx_buffer_length + RX_OVERHEAD);
  rx.buffer[i] = 0;
  skb_reserve(skb, RX_HEADROOM);
  skb_put(skb, length);
  return skb;
}

/** Gives buffers back in batches. Where memory ran out and the card may starve, tries again a little later. */
export function refill_rx(q: q_vector, rx: ring): void {
  if (rx.unused() < RX_BUFFER_WRITE) return;
  if (!alloc_rx_buffers(q, rx)) q.refill_timer.mod_ns(q.adapter.pdev.kernel.clock.now + REFILL_RETRY_NS);
}

/** Unmaps and frees every buffer. The card must be stopped. */
export function clean_rx_ring(adapter: ringside_adapter, rx: ring): void {
  for (let i = 0; i < rx.count; i++) {
    const buffer = rx.buffer[i] as number;
    if (buffer === 0) continue;
    dma_unmap_single(adapter.pdev, rx.dma[i] as number, adapter.rx_buffer_length, DMA_FROM_DEVICE);
    skb_free_frag(adapter.pdev.kernel, buffer);
    rx.buffer[i] = 0;
  }
}
