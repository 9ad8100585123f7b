export {
  type pci_dev,
  type pci_device_id,
  pci_disable_device,
  type pci_driver,
  pci_enable_device,
  pci_iomap,
  pci_register_driver,
  pci_set_master,
  pci_unregister_driver,
} from '../pci.ts';
export {
  PCI_IRQ_INTX,
  PCI_IRQ_MSIX,
  pci_alloc_irq_vectors,
  pci_free_irq_vectors,
  pci_irq_vector,
} from '../pci_msi.ts';
