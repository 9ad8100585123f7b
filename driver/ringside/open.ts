/** Open and stop: rings, interrupts, the card programmed and let run, and what needs both: the watchdog, other rings. */
import { RXD, TXD } from '../../device/regs/desc.ts';
import { MISC_VECTOR, NIC } from '../../device/regs/nic.ts';
import { ether_crc } from '../../kernel/include/crc32.ts';
import { dma_alloc_coherent, dma_free_coherent } from '../../kernel/include/dma-mapping.ts';
import { EIO, ENOMEM, ETIMEDOUT } from '../../kernel/include/errno.ts';
import { ETH_HLEN } from '../../kernel/include/etherdevice.ts';
import { free_irq, IRQF_SHARED, irq_set_affinity, request_irq } from '../../kernel/include/interrupt.ts';
import { udelay } from '../../kernel/include/io.ts';
import {
  IFF_ALLMULTI,
  IFF_PROMISC,
  napi_disable,
  napi_enable,
  type net_device,
  netif_carrier_off,
  netif_device_detach,
  netif_start_queue,
  netif_tx_stop_all_queues,
  netif_tx_wake_all_queues,
} from '../../kernel/include/netdevice.ts';
import { pci_irq_vector } from '../../kernel/include/pci.ts';
import { bits, field, place, readl, write_at, writel } from '../lib/io.ts';
import { program_coalesce, program_features, program_rss } from './features.ts';
import { ringside_intr, ringside_msix_other, ringside_msix_ring, update_carrier } from './irq.ts';
import {
  netdev_priv,
  OTHER_CAUSES_IMS,
  POLL_CAUSES_IMS,
  POLL_CAUSES_ISR,
  QUEUE_CAUSES_QMS,
  QUEUE_CAUSES_QSR,
  type q_vector,
  ring,
  type ringside_adapter,
} from './ringside.ts';
import { alloc_rx_buffers, clean_rx_ring } from './rx.ts';
import { clean_tx_ring } from './tx.ts';

/** How long a reset may take, in µs: ten times the datasheet's figure. */
const RESET_TIMEOUT_US = 100;

/** Software reset with a bounded wait. 0, -EIO when the card is gone, -ETIMEDOUT when it does not come back. */
export function reset_hw(adapter: ringside_adapter): number {
  const { io } = adapter;
  writel(io, NIC.IMC, 0xffffffff & NIC.IMC.writable);
  writel(io, NIC.CTRL, bits(NIC.CTRL.RST));
  for (let waited = 0; waited < RESET_TIMEOUT_US; waited++) {
    udelay(adapter.pdev.kernel, 1);
    const status = readl(io, NIC.STATUS);
    if (status === 0xffffffff) return -EIO;
    if (field(status, NIC.STATUS.RDY) !== 0) return 0;
  }
  return -ETIMEDOUT;
}

export function write_mac(adapter: ringside_adapter): void {
  const a = adapter.netdev.dev_addr;
  const byte = (i: number): number => a[i] as number;
  writel(adapter.io, NIC.MAC0, (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0);
  writel(adapter.io, NIC.MAC1, byte(4) | (byte(5) << 8));
}

/** ndo_set_rx_mode: promiscuous, all multicast, or the hash table of the addresses listened to. */
export function set_rx_mode(dev: net_device): void {
  const { io } = netdev_priv(dev);
  let rcr = bits(NIC.RCR.AB);
  let low = 0;
  let high = 0;
  if ((dev.flags & IFF_PROMISC) !== 0) {
    rcr |= NIC.RCR.PRO.mask;
  } else if ((dev.flags & IFF_ALLMULTI) !== 0) {
    rcr |= NIC.RCR.AMA.mask;
  } else if (dev.mc.size > 0) {
    rcr |= NIC.RCR.AM.mask;
    for (const address of dev.mc.keys()) {
      const bit = ether_crc(mac_bytes(address)) >>> 26;
      if (bit < 32) low |= 1 << bit;
      else high |= 1 << (bit - 32);
    }
  }
  writel(io, NIC.MAR0, low >>> 0);
  writel(io, NIC.MAR1, high >>> 0);
  writel(io, NIC.RCR, rcr);
}

function mac_bytes(address: number): Uint8Array {
  const bytes = new Uint8Array(6);
  for (let i = 5, rest = address; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

/** ndo_open */
export function ringside_open(dev: net_device): number {
  const adapter = netdev_priv(dev);
  const failed = alloc_rings(adapter) || reset_hw(adapter) || request_irqs(adapter);
  if (failed !== 0) {
    free_rings(adapter);
    return failed;
  }
  up(adapter);
  update_carrier(adapter);
  netif_start_queue(dev);
  return 0;
}

/** Rings for every queue pair in use: 0, or -ENOMEM with what there was left to free_rings. */
function alloc_rings(adapter: ringside_adapter): number {
  const { pdev, rx_ring_count, tx_ring_count } = adapter;
  for (let i = 0; i < adapter.num_queues; i++) {
    const q = adapter.q_vector[i] as q_vector;
    const rx = dma_alloc_coherent(pdev, rx_ring_count * RXD.bytes);
    if (rx === null) return -ENOMEM;
    q.rx = new ring(rx, rx_ring_count, write_at(NIC.RDT, i));
    const tx = dma_alloc_coherent(pdev, tx_ring_count * TXD.bytes);
    if (tx === null) return -ENOMEM;
    q.tx = new ring(tx, tx_ring_count, write_at(NIC.TDT, i));
  }
  return 0;
}

function free_rings(adapter: ringside_adapter): void {
  for (const q of adapter.q_vector) {
    if (q.rx !== null) dma_free_coherent(q.rx.region);
    if (q.tx !== null) dma_free_coherent(q.tx.region);
    q.rx = null;
    q.tx = null;
  }
}

/** The line, or a message for each queue pair on a CPU of its own and one for the rest. 0 or a negative errno. */
function request_irqs(adapter: ringside_adapter): number {
  const { pdev, netdev } = adapter;
  const { kernel } = pdev;
  if (!adapter.msix) return request_irq(kernel, pdev.irq, ringside_intr, IRQF_SHARED, netdev.name, adapter);
  const other = pci_irq_vector(pdev, MISC_VECTOR);
  let failed = request_irq(kernel, other, ringside_msix_other, 0, netdev.name, adapter);
  for (let i = 0; i < adapter.num_queues && failed === 0; i++) {
    const q = adapter.q_vector[i] as q_vector;
    const irq = pci_irq_vector(pdev, i);
    failed = request_irq(kernel, irq, ringside_msix_ring, 0, `${netdev.name}-TxRx-${i}`, q);
    if (failed !== 0) break;
    q.irq = irq;
    irq_set_affinity(kernel, irq, i % kernel.cpus.length);
  }
  if (failed !== 0) free_irqs(adapter);
  return failed;
}

function free_irqs(adapter: ringside_adapter): void {
  const { pdev } = adapter;
  const { kernel } = pdev;
  if (!adapter.msix) {
    free_irq(kernel, pdev.irq, adapter);
    return;
  }
  free_irq(kernel, pci_irq_vector(pdev, MISC_VECTOR), adapter);
  for (const q of adapter.q_vector) {
    if (q.irq >= 0) free_irq(kernel, q.irq, q);
    q.irq = -1;
  }
}

/** Programs a card that has just been reset and lets it run (datasheet "Initialisation"). */
function up(adapter: ringside_adapter): void {
  const { io, netdev } = adapter;
  adapter.rx_buffer_length = Math.max(netdev.max_mtu + ETH_HLEN + 4, 1536);
  write_mac(adapter);
  writel(io, NIC.MAXLEN, netdev.max_mtu + ETH_HLEN);
  writel(io, NIC.TCR, bits(NIC.TCR.PAD));
  set_rx_mode(netdev);
  program_features(adapter, netdev.features);
  program_rss(adapter);
  for (let i = 0; i < adapter.num_queues; i++) start_queue(adapter, adapter.q_vector[i] as q_vector);
  program_coalesce(adapter);
  writel(io, NIC.CTRL, bits(NIC.CTRL.RXE, NIC.CTRL.TXE));
  writel(io, NIC.ISR, NIC.ISR.writable);
  if (adapter.msix) {
    for (let i = 0; i < adapter.num_queues; i++) {
      writel(io, NIC.QSR, QUEUE_CAUSES_QSR, i);
      writel(io, NIC.QMS, QUEUE_CAUSES_QMS, i);
    }
    writel(io, NIC.IMS, OTHER_CAUSES_IMS);
  } else {
    adapter.mask = POLL_CAUSES_ISR | NIC.ISR.LSC.mask;
    writel(io, NIC.IMS, POLL_CAUSES_IMS | NIC.IMS.LSC.mask);
  }
  readl(io, NIC.STATUS);
}

/** Tells the card where a queue pair's rings are, and gives it buffers. */
function start_queue(adapter: ringside_adapter, q: q_vector): void {
  const { io } = adapter;
  const rx = q.rx as ring;
  const tx = q.tx as ring;
  rx.next_to_use = rx.next_to_clean = 0;
  tx.next_to_use = tx.next_to_clean = 0;
  writel(io, NIC.RDBA, rx.region.dma_addr, q.index);
  writel(io, NIC.RDBAH, 0, q.index);
  writel(io, NIC.RDLEN, rx.count, q.index);
  const control = bits(NIC.RDCTL.EN) | place(NIC.RDCTL.BSIZE, adapter.rx_buffer_length);
  writel(io, NIC.RDCTL, control, q.index);
  writel(io, NIC.TDBA, tx.region.dma_addr, q.index);
  writel(io, NIC.TDBAH, 0, q.index);
  writel(io, NIC.TDLEN, tx.count, q.index);
  writel(io, NIC.TDCTL, bits(NIC.TDCTL.EN), q.index);
  alloc_rx_buffers(q, rx);
  if (adapter.use_napi) {
    napi_enable(q.napi);
    q.napi_enabled = true;
  }
}

/** Stops the card and takes everything back from it. */
function down(adapter: ringside_adapter): void {
  const { io } = adapter;
  adapter.mask = 0;
  for (const q of adapter.q_vector) {
    q.refill_timer.del();
    // A watchdog whose reset failed has been here before.
    if (q.napi_enabled) napi_disable(q.napi);
    q.napi_enabled = false;
  }
  // A reset stops both engines for certain: after it the card touches no buffer.
  if (reset_hw(adapter) !== 0) adapter.removed = true;
  readl(io, NIC.STATUS);
  for (const q of adapter.q_vector) {
    if (q.rx === null || q.tx === null) continue;
    clean_tx_ring(q, q.tx);
    clean_rx_ring(adapter, q.rx);
  }
}

/** ndo_stop */
export function ringside_stop(dev: net_device): number {
  const adapter = netdev_priv(dev);
  if (!adapter.up) return 0;
  netif_carrier_off(dev);
  down(adapter);
  free_irqs(adapter);
  free_rings(adapter);
  return 0;
}

/**
 * Changes what can only be changed on a card that stands still (queue pairs, ring sizes); one that is up is stopped for
 * it. 0 or a negative errno: then the card stays as it was, or, when not even that can be had any more, down.
 */
export function reconfigure(adapter: ringside_adapter, change: () => void, undo: () => void): number {
  const { netdev } = adapter;
  if (!adapter.up) {
    change();
    return 0;
  }
  netif_tx_stop_all_queues(netdev);
  ringside_stop(netdev);
  change();
  const failed = ringside_open(netdev);
  if (failed !== 0) {
    undo();
    if (ringside_open(netdev) !== 0) return failed;
  }
  netif_tx_wake_all_queues(netdev);
  return failed;
}

/** ndo_tx_timeout: the transmitter hangs. Reset, and everything anew. */
export function tx_timeout(dev: net_device): void {
  const adapter = netdev_priv(dev);
  if (!adapter.up || adapter.removed) return;
  if (readl(adapter.io, NIC.STATUS) === 0xffffffff) {
    // No card, no reset: it was pulled out.
    adapter.removed = true;
    netif_device_detach(dev);
    return;
  }
  adapter.restarts++;
  // Whoever stopped the queue, driver or BQL: the wake-up below must find it stopped.
  netif_tx_stop_all_queues(dev);
  down(adapter);
  if (adapter.removed) {
    // It does not come back: nothing more is to be given to it.
    netif_device_detach(dev);
    return;
  }
  up(adapter);
  update_carrier(adapter);
  netif_tx_wake_all_queues(dev);
}
