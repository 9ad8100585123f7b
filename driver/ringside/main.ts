/** Probe and remove, open and stop: the Ringside card's reference driver, written from docs/datasheet.md. */
import { RXD, TXD } from '../../device/regs/desc.ts';
import { FIRST_PAGE, NIC, NIC_DEVICE_ID, NIC_ID, NIC_VENDOR_ID, PAGE_SIZE } from '../../device/regs/nic.ts';
import { ether_crc } from '../../kernel/include/crc32.ts';
import { dma_alloc_coherent, dma_free_coherent, type dma_region } from '../../kernel/include/dma-mapping.ts';
import { EIO, ENODEV, ENOMEM, ETIMEDOUT } from '../../kernel/include/errno.ts';
import { ETH_HLEN, ether_setup, is_valid_ether_addr } from '../../kernel/include/etherdevice.ts';
import { free_irq, IRQF_SHARED, request_irq } from '../../kernel/include/interrupt.ts';
import { udelay } from '../../kernel/include/io.ts';
import {
  alloc_netdev,
  IFF_ALLMULTI,
  IFF_PROMISC,
  napi_disable,
  napi_enable,
  napi_schedule,
  type net_device,
  type net_device_ops,
  netif_carrier_off,
  netif_device_detach,
  netif_napi_add,
  netif_napi_del,
  netif_running,
  netif_start_queue,
  netif_stop_queue,
  netif_wake_queue,
  register_netdev,
  unregister_netdev,
} from '../../kernel/include/netdevice.ts';
import {
  type pci_dev,
  pci_disable_device,
  type pci_driver,
  pci_enable_device,
  pci_iomap,
  pci_set_master,
} from '../../kernel/include/pci.ts';
import { bits, field, place, readl, writel } from '../lib/io.ts';
import { ringside_intr, ringside_poll, update_carrier } from './irq.ts';
import {
  DRIVER_NAME,
  netdev_priv,
  POLL_CAUSES_IMS,
  POLL_CAUSES_ISR,
  RX_RING_SIZE,
  ring,
  ringside_adapter,
  TX_RING_SIZE,
} from './ringside.ts';
import { alloc_rx_buffers, clean_rx_ring, refill_rx } from './rx.ts';
import { clean_tx_ring, xmit_frame } from './tx.ts';

/** How long a reset and an EEPROM read may take, in µs: ten times the datasheet's figures. */
const RESET_TIMEOUT_US = 100;
const EEPROM_TIMEOUT_US = 200;

const ops: net_device_ops = {
  ndo_open: ringside_open,
  ndo_stop: ringside_stop,
  ndo_start_xmit: xmit_frame,
  ndo_set_rx_mode: set_rx_mode,
  ndo_set_mac_address(dev, address) {
    dev.dev_addr.set(address);
    write_mac(netdev_priv(dev));
    return 0;
  },
  ndo_change_mtu: change_mtu,
  ndo_tx_timeout: tx_timeout,
  ndo_get_stats: update_stats,
};

/** Software reset with a bounded wait. 0, -EIO when the card is gone, -ETIMEDOUT when it does not come back. */
function reset_hw(adapter: ringside_adapter): number {
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

/** One word of the EEPROM, or a negative errno. */
function read_eeprom(adapter: ringside_adapter, word: number): number {
  const { io } = adapter;
  writel(io, NIC.EERD, place(NIC.EERD.ADDR, word) | NIC.EERD.START.mask);
  for (let waited = 0; waited < EEPROM_TIMEOUT_US; waited++) {
    udelay(adapter.pdev.kernel, 1);
    const value = readl(io, NIC.EERD);
    if (value === 0xffffffff) return -EIO;
    if (field(value, NIC.EERD.DONE) !== 0) return field(value, NIC.EERD.DATA);
  }
  return -ETIMEDOUT;
}

function read_mac(adapter: ringside_adapter): number {
  const { dev_addr } = adapter.netdev;
  for (let word = 0; word < 3; word++) {
    const value = read_eeprom(adapter, word);
    if (value < 0) return value;
    dev_addr[word * 2] = value & 0xff;
    dev_addr[word * 2 + 1] = value >> 8;
  }
  return is_valid_ether_addr(dev_addr) ? 0 : -EIO;
}

function write_mac(adapter: ringside_adapter): void {
  const a = adapter.netdev.dev_addr;
  const byte = (i: number): number => a[i] as number;
  writel(adapter.io, NIC.MAC0, (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0);
  writel(adapter.io, NIC.MAC1, byte(4) | (byte(5) << 8));
}

/** ndo_set_rx_mode: promiscuous, all multicast, or the hash table of the addresses listened to. */
function set_rx_mode(dev: net_device): void {
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
function ringside_open(dev: net_device): number {
  const adapter = netdev_priv(dev);
  const { pdev } = adapter;
  const rx = dma_alloc_coherent(pdev, RX_RING_SIZE * RXD.bytes);
  const tx = dma_alloc_coherent(pdev, TX_RING_SIZE * TXD.bytes);
  if (rx === null || tx === null) return free_rings(rx, tx, -ENOMEM);
  const reset = reset_hw(adapter);
  if (reset !== 0) return free_rings(rx, tx, reset);
  const irq = request_irq(pdev.kernel, pdev.irq, ringside_intr, IRQF_SHARED, dev.name, adapter);
  if (irq !== 0) return free_rings(rx, tx, irq);
  adapter.rx = new ring(rx, RX_RING_SIZE);
  adapter.tx = new ring(tx, TX_RING_SIZE);
  up(adapter, adapter.rx, adapter.tx);
  update_carrier(adapter);
  netif_start_queue(dev);
  return 0;
}

function free_rings(rx: dma_region | null, tx: dma_region | null, result: number): number {
  if (rx !== null) dma_free_coherent(rx);
  if (tx !== null) dma_free_coherent(tx);
  return result;
}

/** Programs a card that has just been reset and lets it run (datasheet "Initialisation"). */
function up(adapter: ringside_adapter, rx: ring, tx: ring): void {
  const { io, netdev } = adapter;
  adapter.rx_buffer_length = Math.max(netdev.mtu + ETH_HLEN + 4, 1536);
  write_mac(adapter);
  writel(io, NIC.MAXLEN, netdev.mtu + ETH_HLEN);
  writel(io, NIC.TCR, bits(NIC.TCR.PAD));
  set_rx_mode(netdev);
  writel(io, NIC.RDBA, rx.region.dma_addr);
  writel(io, NIC.RDBAH, 0);
  writel(io, NIC.RDLEN, rx.count);
  writel(io, NIC.RDCTL, bits(NIC.RDCTL.EN) | place(NIC.RDCTL.BSIZE, adapter.rx_buffer_length));
  writel(io, NIC.TDBA, tx.region.dma_addr);
  writel(io, NIC.TDBAH, 0);
  writel(io, NIC.TDLEN, tx.count);
  writel(io, NIC.TDCTL, bits(NIC.TDCTL.EN));
  alloc_rx_buffers(adapter, rx);
  if (adapter.use_napi) {
    napi_enable(adapter.napi);
    adapter.napi_enabled = true;
  }
  writel(io, NIC.CTRL, bits(NIC.CTRL.RXE, NIC.CTRL.TXE));
  writel(io, NIC.ISR, NIC.ISR.writable);
  adapter.mask = POLL_CAUSES_ISR | NIC.ISR.LSC.mask;
  writel(io, NIC.IMS, POLL_CAUSES_IMS | NIC.IMS.LSC.mask);
  readl(io, NIC.STATUS);
}

/** Stops the card and takes everything back from it. */
function down(adapter: ringside_adapter, rx: ring, tx: ring): void {
  const { io } = adapter;
  adapter.mask = 0;
  adapter.refill_timer.del();
  // A watchdog whose reset failed has been here before.
  if (adapter.napi_enabled) napi_disable(adapter.napi);
  adapter.napi_enabled = false;
  // A reset stops both engines for certain: after it the card touches no buffer.
  if (reset_hw(adapter) !== 0) adapter.removed = true;
  readl(io, NIC.STATUS);
  clean_tx_ring(adapter, tx);
  clean_rx_ring(adapter, rx);
}

/** ndo_stop */
function ringside_stop(dev: net_device): number {
  const adapter = netdev_priv(dev);
  const { rx, tx, pdev } = adapter;
  if (rx === null || tx === null) return 0;
  netif_carrier_off(dev);
  down(adapter, rx, tx);
  free_irq(pdev.kernel, pdev.irq, adapter);
  dma_free_coherent(rx.region);
  dma_free_coherent(tx.region);
  adapter.rx = null;
  adapter.tx = null;
  return 0;
}

/** ndo_tx_timeout: the transmitter hangs. Reset, and everything anew. */
function tx_timeout(dev: net_device): void {
  const adapter = netdev_priv(dev);
  const { rx, tx } = adapter;
  if (rx === null || tx === null || adapter.removed) return;
  if (readl(adapter.io, NIC.STATUS) === 0xffffffff) {
    // No card, no reset: it was pulled out.
    adapter.removed = true;
    netif_device_detach(dev);
    return;
  }
  adapter.restarts++;
  // Whoever stopped the queue, driver or BQL: the wake-up below must find it stopped.
  netif_stop_queue(dev);
  down(adapter, rx, tx);
  if (adapter.removed) {
    // It does not come back: nothing more is to be given to it.
    netif_device_detach(dev);
    return;
  }
  rx.next_to_use = rx.next_to_clean = 0;
  tx.next_to_use = tx.next_to_clean = 0;
  up(adapter, rx, tx);
  update_carrier(adapter);
  netif_wake_queue(dev);
}

/** ndo_change_mtu: a card that runs is told at once. Every buffer holds the longest frame that max_mtu allows. */
function change_mtu(dev: net_device, mtu: number): number {
  const adapter = netdev_priv(dev);
  if (adapter.rx !== null && !adapter.removed) writel(adapter.io, NIC.MAXLEN, mtu + ETH_HLEN);
  return 0;
}

/** ndo_get_stats: adds what the card counted since the last time (its counters clear on read). */
function update_stats(dev: net_device): void {
  const { io, removed } = netdev_priv(dev);
  if (removed || !netif_running(dev)) return;
  const { stats } = dev;
  const missed = readl(io, NIC.MPC) + readl(io, NIC.RNBC);
  const crc = readl(io, NIC.CRCERR);
  const frame = readl(io, NIC.ALGNERR);
  const length = readl(io, NIC.GIANT) + readl(io, NIC.RUNT);
  stats.rx_missed_errors += missed;
  stats.rx_crc_errors += crc;
  stats.rx_frame_errors += frame;
  stats.rx_length_errors += length;
  stats.rx_errors += crc + frame + length;
}

/** After memory ran out: the poll refills, or, without one, the timer does. */
function refill(adapter: ringside_adapter): void {
  if (adapter.use_napi) napi_schedule(adapter.napi);
  else if (adapter.rx !== null) refill_rx(adapter, adapter.rx);
}

function probe(pdev: pci_dev, use_napi: boolean): number {
  const enabled = pci_enable_device(pdev);
  if (enabled !== 0) return enabled;
  const io = pci_iomap(pdev, 0);
  if (io === null) return -ENODEV;
  if (readl(io, NIC.ID) !== NIC_ID) return -ENODEV;
  pci_set_master(pdev);
  const dev = alloc_netdev(pdev.kernel, 'eth%d', ops, ether_setup);
  const adapter = new ringside_adapter(pdev, dev, io, use_napi, refill);
  dev.priv = adapter;
  const result = reset_hw(adapter) || read_mac(adapter);
  if (result !== 0) {
    pci_disable_device(pdev);
    return result;
  }
  // One frame must fit the transmit pages, and the receive ring less the page that stays free.
  const tx_pages = field(readl(io, NIC.PSTART), NIC.PSTART.PAGE) - FIRST_PAGE;
  const rx_pages = field(readl(io, NIC.PSTOP), NIC.PSTOP.PAGE) - field(readl(io, NIC.PSTART), NIC.PSTART.PAGE);
  dev.max_mtu = Math.min(tx_pages * PAGE_SIZE, (rx_pages - 1) * PAGE_SIZE - 8, ETH_HLEN + 1500) - ETH_HLEN;
  adapter.napi = netif_napi_add(dev, ringside_poll);
  const registered = register_netdev(dev);
  if (registered !== 0) {
    pci_disable_device(pdev);
    return registered;
  }
  pdev.drvdata = adapter;
  return 0;
}

function remove(pdev: pci_dev): void {
  const adapter = pdev.drvdata as ringside_adapter;
  unregister_netdev(adapter.netdev);
  netif_napi_del(adapter.napi);
  pci_disable_device(pdev);
}

function make_driver(name: string, use_napi: boolean): pci_driver {
  return {
    name,
    id_table: [{ vendor: NIC_VENDOR_ID, device: NIC_DEVICE_ID }],
    probe: pdev => probe(pdev, use_napi),
    remove,
  };
}

export const ringside_driver = make_driver(DRIVER_NAME, true);
/** The same driver with an interrupt per packet and no NAPI, as drivers were before Linux 2.4.20: to compare with. */
export const ringside_irq_driver = make_driver(`${DRIVER_NAME}-irq`, false);
