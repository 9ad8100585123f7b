/** Probe and remove, open and stop: a driver for NE2000 clones on PCI, written from docs/ne2000.md. */
import { NE2000, NE2000_DEVICE_ID, NE2000_VENDOR_ID, PROM_BYTES, PROM_SIGNATURE } from '../../device/regs/ne2000.ts';
import { EIO, ENODEV } from '../../kernel/include/errno.ts';
import { ether_setup, is_valid_ether_addr } from '../../kernel/include/etherdevice.ts';
import { free_irq, IRQF_SHARED, request_irq } from '../../kernel/include/interrupt.ts';
import { inw } from '../../kernel/include/io.ts';
import {
  alloc_netdev,
  type net_device,
  type net_device_ops,
  netif_carrier_on,
  netif_start_queue,
  register_netdev,
  unregister_netdev,
} from '../../kernel/include/netdevice.ts';
import {
  type pci_dev,
  pci_disable_device,
  type pci_driver,
  pci_enable_device,
  pci_iomap,
} from '../../kernel/include/pci.ts';
import { ei_interrupt, ei_start_xmit, ei_tx_timeout, get_stats, NS8390_init, set_multicast_list } from './8390.ts';
import { ne2k_pci_reset_8390 } from './block.ts';
import {
  DCR_CONFIG,
  DRIVER_NAME,
  E8390_NODMA,
  E8390_PAGE0,
  E8390_RREAD,
  E8390_RXOFF,
  E8390_START,
  E8390_STOP,
  E8390_TXOFF,
  ei_device,
  ei_outb,
  NE_DATAPORT,
  netdev_priv,
} from './ne2k.ts';

const { CR, DCR, RCR, TCR, ISR, IMR } = NE2000;
/** Bytes 28–31 of the PROM: a board with a 16-bit data port. */
const SIGNATURE_AT = 28;

const ops: net_device_ops = {
  ndo_open: ne2k_pci_open,
  ndo_stop: ne2k_pci_close,
  ndo_start_xmit: ei_start_xmit,
  ndo_set_rx_mode: set_multicast_list,
  ndo_set_mac_address(dev, address) {
    dev.dev_addr.set(address);
    return 0;
  },
  ndo_tx_timeout: ei_tx_timeout,
  ndo_get_stats: get_stats,
};

/** The station address, from the PROM: each of its bytes twice. 0 or a negative errno. */
function read_prom(ei: ei_device): number {
  const { io, netdev } = ei;
  ei_outb(io, CR, E8390_NODMA | E8390_PAGE0 | E8390_STOP);
  ei_outb(io, DCR, DCR_CONFIG);
  ei_outb(io, IMR, 0);
  ei_outb(io, ISR, ISR.writable);
  ei_outb(io, RCR, E8390_RXOFF);
  ei_outb(io, TCR, E8390_TXOFF);
  ei_outb(io, NE2000.RBCR0, PROM_BYTES);
  ei_outb(io, NE2000.RBCR1, 0);
  ei_outb(io, NE2000.RSAR0, 0);
  ei_outb(io, NE2000.RSAR1, 0);
  ei_outb(io, CR, E8390_RREAD | E8390_START);
  const prom = new Uint8Array(PROM_BYTES);
  for (let i = 0; i < PROM_BYTES; i += 2) {
    const word = inw(io, NE_DATAPORT);
    prom[i] = word;
    prom[i + 1] = word >> 8;
  }
  ei_outb(io, CR, E8390_NODMA | E8390_PAGE0 | E8390_STOP);
  for (let i = 0; i < 6; i++) netdev.dev_addr[i] = prom[2 * i] as number;
  const signed = prom.subarray(SIGNATURE_AT).every(byte => byte === PROM_SIGNATURE);
  return signed && is_valid_ether_addr(netdev.dev_addr) ? 0 : -ENODEV;
}

/** ndo_open */
function ne2k_pci_open(dev: net_device): number {
  const ei = netdev_priv(dev);
  const { pdev } = ei;
  const irq = request_irq(pdev.kernel, pdev.irq, ei_interrupt, IRQF_SHARED, dev.name, dev);
  if (irq !== 0) return irq;
  if (!ne2k_pci_reset_8390(ei)) {
    free_irq(pdev.kernel, pdev.irq, dev);
    return -EIO;
  }
  NS8390_init(ei, true);
  // The controller cannot tell: there is always a carrier.
  netif_carrier_on(dev);
  netif_start_queue(dev);
  return 0;
}

/** ndo_stop */
function ne2k_pci_close(dev: net_device): number {
  const ei = netdev_priv(dev);
  if (!ei.removed) {
    get_stats(dev);
    NS8390_init(ei, false);
  }
  free_irq(ei.pdev.kernel, ei.pdev.irq, dev);
  return 0;
}

function ne2k_pci_init_one(pdev: pci_dev): number {
  const enabled = pci_enable_device(pdev);
  if (enabled !== 0) return enabled;
  const io = pci_iomap(pdev, 0);
  if (io === null) return -ENODEV;
  const netdev = alloc_netdev(pdev.kernel, 'eth%d', ops, ether_setup);
  const ei = new ei_device(pdev, netdev, io);
  netdev.priv = ei;
  pdev.drvdata = ei;
  const result = ne2k_pci_reset_8390(ei) ? read_prom(ei) || register_netdev(netdev) : -EIO;
  if (result !== 0) pci_disable_device(pdev);
  return result;
}

function ne2k_pci_remove_one(pdev: pci_dev): void {
  unregister_netdev((pdev.drvdata as ei_device).netdev);
  pci_disable_device(pdev);
}

/** The NE2000 driver. */
export const ne2k_pci_driver: pci_driver = {
  name: DRIVER_NAME,
  id_table: [{ vendor: NE2000_VENDOR_ID, device: NE2000_DEVICE_ID }],
  probe: ne2k_pci_init_one,
  remove: ne2k_pci_remove_one,
};
