/** Probe and remove: the Ringside card's reference driver, written from docs/datasheet.md. */
import {
  FIRST_PAGE,
  NIC,
  NIC_DEVICE_ID,
  NIC_ID,
  NIC_VENDOR_ID,
  PAGE_SIZE,
  RSS_KEY_BYTES,
  VECTORS,
} from '../../device/regs/nic.ts';
import { EIO, ENODEV, ETIMEDOUT } from '../../kernel/include/errno.ts';
import { ETH_HLEN, ether_setup, is_valid_ether_addr } from '../../kernel/include/etherdevice.ts';
import { netdev_rss_key_fill } from '../../kernel/include/ethtool.ts';
import { udelay } from '../../kernel/include/io.ts';
import {
  alloc_netdev,
  napi_schedule,
  type net_device,
  type net_device_ops,
  netif_napi_add,
  netif_napi_del,
  netif_running,
  register_netdev,
  unregister_netdev,
} from '../../kernel/include/netdevice.ts';
import {
  PCI_IRQ_INTX,
  PCI_IRQ_MSIX,
  pci_alloc_irq_vectors,
  type pci_dev,
  pci_disable_device,
  type pci_driver,
  pci_enable_device,
  pci_free_irq_vectors,
  pci_iomap,
  pci_set_master,
} from '../../kernel/include/pci.ts';
import { field, place, readl, writel } from '../lib/io.ts';
import { ringside_ethtool_ops } from './ethtool.ts';
import { card_features, default_features, rss_default, set_features, set_queue_count } from './features.ts';
import { ringside_poll } from './irq.ts';
import { reset_hw, ringside_open, ringside_stop, set_rx_mode, tx_timeout, write_mac } from './open.ts';
import { DRIVER_NAME, MAX_QUEUES, netdev_priv, q_vector, ringside_adapter } from './ringside.ts';
import { refill_rx } from './rx.ts';
import { features_check, xmit_frame } from './tx.ts';

/** How long an EEPROM read may take, in µs: ten times the datasheet's figure. */
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
  ndo_features_check: features_check,
  ndo_set_features: set_features,
};

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

/**
 * ndo_change_mtu: any MTU will do at once: it limits what is sent. What comes may be as long as max_mtu allows, and every
 * buffer holds that: peers send what they were told they may, not what has become of it.
 */
function change_mtu(): number {
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
function refill(q: q_vector): void {
  if (q.adapter.use_napi) napi_schedule(q.napi);
  else if (q.rx !== null) refill_rx(q, q.rx);
}

/** How many queue pairs: with messages as many as there are CPUs, on the line one. */
function setup_vectors(adapter: ringside_adapter, wanted: number): number {
  const { pdev } = adapter;
  if (wanted > 1) {
    const vectors = pci_alloc_irq_vectors(pdev, VECTORS, VECTORS, PCI_IRQ_MSIX);
    adapter.msix = vectors > 0;
    if (adapter.msix) return wanted;
  }
  pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_INTX);
  return 1;
}

function probe(pdev: pci_dev, use_napi: boolean): number {
  const enabled = pci_enable_device(pdev);
  if (enabled !== 0) return enabled;
  const io = pci_iomap(pdev, 0);
  if (io === null) return -ENODEV;
  if (readl(io, NIC.ID) !== NIC_ID) return -ENODEV;
  pci_set_master(pdev);
  const { kernel } = pdev;
  const wanted = use_napi ? Math.min(MAX_QUEUES, kernel.cpus.length) : 1;
  const dev = alloc_netdev(kernel, 'eth%d', ops, ether_setup, wanted);
  const adapter = new ringside_adapter(pdev, dev, io, use_napi, netdev_rss_key_fill(kernel, RSS_KEY_BYTES));
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
  const queues = setup_vectors(adapter, wanted);
  for (let i = 0; i < queues; i++) {
    const q = new q_vector(adapter, i, refill);
    q.napi = netif_napi_add(dev, ringside_poll);
    q.napi.context = q;
    adapter.q_vector.push(q);
  }
  dev.ethtool_ops = ringside_ethtool_ops;
  dev.hw_features = card_features;
  set_queue_count(adapter, queues);
  dev.features = default_features(adapter);
  rss_default(adapter);
  const registered = register_netdev(dev);
  if (registered !== 0) {
    release(adapter);
    return registered;
  }
  pdev.drvdata = adapter;
  return 0;
}

function release(adapter: ringside_adapter): void {
  for (const { napi } of adapter.q_vector) netif_napi_del(napi);
  pci_free_irq_vectors(adapter.pdev);
  pci_disable_device(adapter.pdev);
}

function remove(pdev: pci_dev): void {
  const adapter = pdev.drvdata as ringside_adapter;
  unregister_netdev(adapter.netdev);
  release(adapter);
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
