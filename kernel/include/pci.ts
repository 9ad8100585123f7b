export {
  type pci_dev,
  type pci_device_id,
  type pci_driver,
  pci_disable_device,
  pci_enable_device,
  pci_iomap,
  pci_register_driver,
  pci_set_master,
  pci_unregister_driver,
} from '../pci.ts';
