/** Interrupt vectors of a PCI function: messages (MSI-X) or its line (drivers/pci/msi/). */
import { EINVAL, ENOSPC } from './errno.ts';
import { iomem, readl, writel } from './io.ts';
import { irq_desc_is_free, irq_set_chip_and_handler, irq_set_line_chip } from './irq/manage.ts';
import { PCI_COMMAND, type pci_dev } from './pci.ts';

/** What pci_alloc_irq_vectors may use (linux/pci.h). */
export const PCI_IRQ_INTX = 1 << 0;
export const PCI_IRQ_MSIX = 1 << 2;

const PCI_COMMAND_INTX_DISABLE = 0x400;
const PCI_STATUS = 0x06;
const PCI_STATUS_CAP_LIST = 0x10;
const PCI_CAPABILITY_LIST = 0x34;
const PCI_CAP_ID_MSIX = 0x11;
/** Capabilities that fit configuration space: a list that goes on for longer is a circle. */
const PCI_FIND_CAP_TTL = 48;
const PCI_MSIX_FLAGS = 2;
const PCI_MSIX_FLAGS_ENABLE = 0x8000;
const PCI_MSIX_FLAGS_MASKALL = 0x4000;
const PCI_MSIX_FLAGS_QSIZE = 0x07ff;
const PCI_MSIX_TABLE = 4;
const PCI_MSIX_TABLE_BIR = 0x7;
const PCI_MSIX_ENTRY_SIZE = 16;
const PCI_MSIX_ENTRY_LOWER_ADDR = 0;
const PCI_MSIX_ENTRY_UPPER_ADDR = 4;
const PCI_MSIX_ENTRY_DATA = 8;
const PCI_MSIX_ENTRY_VECTOR_CTRL = 12;
/** Where x86's local APICs take messages. */
const X86_MSI_BASE_ADDRESS_LOW = 0xfee00000;

/** pci_find_capability: its offset in configuration space, 0 when the function has none of this kind. */
export function pci_find_capability(pdev: pci_dev, id: number): number {
  const fn = pdev.function;
  if ((fn.readConfig(PCI_STATUS, 16) & PCI_STATUS_CAP_LIST) === 0) return 0;
  let at = fn.readConfig(PCI_CAPABILITY_LIST, 8) & ~3;
  for (let ttl = PCI_FIND_CAP_TTL; at >= 0x40 && ttl > 0; ttl--) {
    const found = fn.readConfig(at, 8);
    if (found === 0xff) return 0;
    if (found === id) return at;
    at = fn.readConfig(at + 1, 8) & ~3;
  }
  return 0;
}

/** pci_msix_vec_count: vectors of the function's message table, or -EINVAL when it has no messages. */
export function pci_msix_vec_count(pdev: pci_dev): number {
  const cap = pci_find_capability(pdev, PCI_CAP_ID_MSIX);
  if (cap === 0 || pdev.function.messages === 0) return -EINVAL;
  return (pdev.function.readConfig(cap + PCI_MSIX_FLAGS, 16) & PCI_MSIX_FLAGS_QSIZE) + 1;
}

/**
 * pci_alloc_irq_vectors: messages when `flags` allows them and there are at least `min_vecs`, else, when one vector is
 * enough and `flags` allows it, the line.
 *
 * @returns how many there are, at most `max_vecs`; -ENOSPC when there are too few, -EINVAL for a wrong question
 */
export function pci_alloc_irq_vectors(pdev: pci_dev, min_vecs: number, max_vecs: number, flags: number): number {
  if (min_vecs < 1 || max_vecs < min_vecs || pdev.irq_vectors !== 0) return -EINVAL;
  if ((flags & PCI_IRQ_MSIX) !== 0) {
    const count = Math.min(pci_msix_vec_count(pdev), max_vecs, room_for_messages(pdev));
    if (count >= min_vecs) {
      enable_messages(pdev, count);
      return count;
    }
  }
  if ((flags & PCI_IRQ_INTX) !== 0 && min_vecs === 1) {
    pci_intx(pdev, true);
    pdev.irq_vectors = 1;
    return 1;
  }
  return -ENOSPC;
}

/** Interrupt numbers that the machine has from this function's first one on and that nobody uses. */
function room_for_messages(pdev: pci_dev): number {
  const { irqs } = pdev.kernel;
  const first = pdev.function.messages;
  let count = 0;
  for (let irq = first; irq < irqs.length && irq_desc_is_free(pdev.kernel, irq); irq++) count++;
  return count;
}

/** msix_capability_init: the table filled, every entry open, the line silent. */
function enable_messages(pdev: pci_dev, count: number): void {
  const { kernel } = pdev;
  const fn = pdev.function;
  const cap = pci_find_capability(pdev, PCI_CAP_ID_MSIX);
  const control = fn.readConfig(cap + PCI_MSIX_FLAGS, 16);
  // Enabled with everything masked while the table is written, so that no half-written entry is used.
  fn.writeConfig(cap + PCI_MSIX_FLAGS, 16, control | PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
  const table = map_table(pdev, cap, count);
  for (let i = 0; i < count; i++) {
    const at = i * PCI_MSIX_ENTRY_SIZE;
    const irq = fn.messages + i;
    writel(table, at + PCI_MSIX_ENTRY_LOWER_ADDR, X86_MSI_BASE_ADDRESS_LOW);
    writel(table, at + PCI_MSIX_ENTRY_UPPER_ADDR, 0);
    writel(table, at + PCI_MSIX_ENTRY_DATA, irq);
    writel(table, at + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
    irq_set_chip_and_handler(kernel, irq, `PCI-MSIX-${pdev.name}`, i, 'edge');
  }
  // The entries have arrived before the first message may go.
  readl(table, PCI_MSIX_ENTRY_VECTOR_CTRL);
  pci_intx(pdev, false);
  fn.writeConfig(cap + PCI_MSIX_FLAGS, 16, (control | PCI_MSIX_FLAGS_ENABLE) & ~PCI_MSIX_FLAGS_MASKALL);
  pdev.msix_enabled = true;
  pdev.irq_vectors = count;
}

function map_table(pdev: pci_dev, cap: number, count: number): iomem {
  const where = pdev.function.readConfig(cap + PCI_MSIX_TABLE, 32);
  const resource = pdev.resources[where & PCI_MSIX_TABLE_BIR];
  const start = (resource?.start ?? 0) + (where & ~PCI_MSIX_TABLE_BIR);
  return new iomem(pdev.kernel, pdev.kernel.arch.bus.mapMemory(start, count * PCI_MSIX_ENTRY_SIZE));
}

/** pci_irq_vector: the interrupt number of vector `nr`, or -EINVAL. */
export function pci_irq_vector(pdev: pci_dev, nr: number): number {
  if (nr < 0 || nr >= pdev.irq_vectors) return -EINVAL;
  return pdev.msix_enabled ? pdev.function.messages + nr : pdev.irq;
}

/** pci_free_irq_vectors: no more messages; the line as it was. A handler that is still installed is reported. */
export function pci_free_irq_vectors(pdev: pci_dev): void {
  const { kernel } = pdev;
  if (pdev.msix_enabled) {
    for (let i = 0; i < pdev.irq_vectors; i++) {
      const irq = pdev.function.messages + i;
      if (!irq_desc_is_free(kernel, irq)) {
        kernel.arch.report('irq', `${pdev.name}: vectors freed while irq ${irq} has a handler`);
      }
      irq_set_line_chip(kernel, irq);
    }
    const cap = pci_find_capability(pdev, PCI_CAP_ID_MSIX);
    if (cap !== 0) {
      const control = pdev.function.readConfig(cap + PCI_MSIX_FLAGS, 16);
      pdev.function.writeConfig(cap + PCI_MSIX_FLAGS, 16, control & ~PCI_MSIX_FLAGS_ENABLE);
    }
    pci_intx(pdev, true);
  }
  pdev.msix_enabled = false;
  pdev.irq_vectors = 0;
}

/** pci_intx: may the function drive its line? */
export function pci_intx(pdev: pci_dev, on: boolean): void {
  const command = pdev.function.readConfig(PCI_COMMAND, 16);
  const wanted = on ? command & ~PCI_COMMAND_INTX_DISABLE : command | PCI_COMMAND_INTX_DISABLE;
  if (command !== 0xffff && wanted !== command) pdev.function.writeConfig(PCI_COMMAND, 16, wanted);
}
