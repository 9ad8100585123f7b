/** PCI as drivers see it (drivers/pci/pci-driver.c): id tables, probe and remove, BARs, bus mastering. */
import type { Iommu, PciFunction } from './arch.ts';
import type { device, dma_region } from './dma/mapping.ts';
import { ENODEV } from './errno.ts';
import { iomem } from './io.ts';
import type { Kernel } from './kernel.ts';

export const PCI_VENDOR_ID = 0x00;
export const PCI_DEVICE_ID = 0x02;
export const PCI_COMMAND = 0x04;
export const PCI_COMMAND_IO = 0x1;
export const PCI_COMMAND_MEMORY = 0x2;
export const PCI_COMMAND_MASTER = 0x4;
export const PCI_BASE_ADDRESS_0 = 0x10;
export const PCI_INTERRUPT_LINE = 0x3c;

export interface pci_device_id {
  readonly vendor: number;
  readonly device: number;
}

export interface pci_driver {
  readonly name: string;
  readonly id_table: readonly pci_device_id[];
  /** 0 when the driver takes the device, else a negative errno. */
  probe(pdev: pci_dev, id: pci_device_id): number;
  /** Undoes probe. */
  remove(pdev: pci_dev): void;
}

interface resource {
  readonly start: number;
  readonly size: number;
  readonly ports: boolean;
}

/** A function on the bus, and the `device` for the DMA API. */
export class pci_dev implements device {
  readonly kernel: Kernel;
  readonly name: string;
  readonly iommu: Iommu;
  readonly coherent = new Set<dma_region>();
  readonly function: PciFunction;
  readonly vendor: number;
  readonly device: number;
  readonly irq: number;
  readonly resources: resource[] = [];
  driver: pci_driver | null = null;
  /** Vectors that pci_alloc_irq_vectors gave, and whether they are messages. */
  irq_vectors = 0;
  msix_enabled = false;
  /** pci_set_drvdata */
  drvdata: unknown = null;

  constructor(kernel: Kernel, fn: PciFunction) {
    this.kernel = kernel;
    this.function = fn;
    this.name = fn.slot;
    this.iommu = fn.iommu;
    this.vendor = fn.readConfig(PCI_VENDOR_ID, 16);
    this.device = fn.readConfig(PCI_DEVICE_ID, 16);
    this.irq = fn.readConfig(PCI_INTERRUPT_LINE, 8);
    for (let bar = 0; bar < 6; bar++) this.resources.push(this.size_bar(PCI_BASE_ADDRESS_0 + bar * 4));
  }

  /** Sizes a BAR by writing all-ones, as every PCI bus scan does, and puts its address back. */
  private size_bar(offset: number): resource {
    const fn = this.function;
    const value = fn.readConfig(offset, 32);
    fn.writeConfig(offset, 32, 0xffffffff);
    const probe = fn.readConfig(offset, 32);
    fn.writeConfig(offset, 32, value);
    const ports = (probe & 1) !== 0;
    const mask = (ports ? probe & ~0x3 : probe & ~0xf) >>> 0;
    const size = mask === 0 ? 0 : (~(ports ? mask | 0xffff0000 : mask) + 1) >>> 0;
    return { start: (ports ? value & ~0x3 : value & ~0xf) >>> 0, size, ports };
  }
}

/** Scans the host's slots. */
export function pci_scan(kernel: Kernel): pci_dev[] {
  return kernel.arch.pci.filter(fn => fn.readConfig(PCI_VENDOR_ID, 16) !== 0xffff).map(fn => new pci_dev(kernel, fn));
}

/** pci_register_driver: probes every free device that the id table names. The number of devices taken. */
export function pci_register_driver(kernel: Kernel, driver: pci_driver): number {
  let bound = 0;
  for (const pdev of kernel.pci_devices) {
    if (pdev.driver !== null) continue;
    const id = driver.id_table.find(entry => entry.vendor === pdev.vendor && entry.device === pdev.device);
    if (id === undefined) continue;
    const result = driver.probe(pdev, id);
    const tp = kernel.trace.pci_probe;
    if (tp !== null) tp(driver.name, pdev.name, result);
    if (result === 0) {
      pdev.driver = driver;
      bound++;
    } else {
      kernel.printk(`${driver.name} ${pdev.name}: probe failed with error ${result}`);
      check_leaks(pdev);
    }
  }
  return bound;
}

/** pci_unregister_driver: removes the driver from its devices; what it left behind is reported. */
export function pci_unregister_driver(kernel: Kernel, driver: pci_driver): void {
  for (const pdev of kernel.pci_devices) {
    if (pdev.driver !== driver) continue;
    driver.remove(pdev);
    pdev.driver = null;
    pdev.drvdata = null;
    check_leaks(pdev);
  }
}

function check_leaks(pdev: pci_dev): void {
  if (pdev.irq_vectors !== 0) {
    pdev.kernel.arch.report('irq', `${pdev.name}: ${pdev.irq_vectors} interrupt vectors not freed by the driver`);
  }
  for (const region of pdev.coherent) {
    pdev.kernel.arch.report('dma', `${pdev.name}: coherent block of ${region.size} bytes not freed by the driver`);
  }
}

/** pci_enable_device: answers at its BARs. */
export function pci_enable_device(pdev: pci_dev): number {
  const command = pdev.function.readConfig(PCI_COMMAND, 16);
  if (command === 0xffff) return -ENODEV;
  pdev.function.writeConfig(PCI_COMMAND, 16, command | PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
  return 0;
}

/** pci_disable_device: no more bus mastering. */
export function pci_disable_device(pdev: pci_dev): void {
  const command = pdev.function.readConfig(PCI_COMMAND, 16);
  pdev.function.writeConfig(PCI_COMMAND, 16, command & ~PCI_COMMAND_MASTER);
}

/** pci_set_master: the card may use DMA. */
export function pci_set_master(pdev: pci_dev): void {
  const command = pdev.function.readConfig(PCI_COMMAND, 16);
  pdev.function.writeConfig(PCI_COMMAND, 16, command | PCI_COMMAND_MASTER);
}

/** pci_iomap: the registers behind a BAR, or null when it has none. */
export function pci_iomap(pdev: pci_dev, bar: number): iomem | null {
  const resource = pdev.resources[bar];
  if (resource === undefined || resource.size === 0) return null;
  const { bus } = pdev.kernel.arch;
  const window = resource.ports
    ? bus.mapPorts(resource.start, resource.size)
    : bus.mapMemory(resource.start, resource.size);
  return new iomem(pdev.kernel, window);
}
