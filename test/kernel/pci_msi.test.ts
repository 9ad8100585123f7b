/** Interrupt vectors of a PCI function: messages, the line, and what is refused. */
import { describe, expect, it } from 'vitest';
import type { Nic } from '../../device/nic.ts';
import { NIC, VECTORS } from '../../device/regs/nic.ts';
import type { Plugged } from '../../harness/machine/host.ts';
import { World } from '../../harness/machine/world.ts';
import { parseMac } from '../../harness/packet/address.ts';
import { free_irq, IRQ_HANDLED, irq_set_affinity, request_irq } from '../../kernel/irq/manage.ts';
import { type pci_dev, pci_disable_device, pci_enable_device, pci_set_master } from '../../kernel/pci.ts';
import {
  PCI_IRQ_INTX,
  PCI_IRQ_MSIX,
  pci_alloc_irq_vectors,
  pci_find_capability,
  pci_free_irq_vectors,
  pci_irq_vector,
  pci_msix_vec_count,
} from '../../kernel/pci_msi.ts';

function setUp(model: 'ringside' | 'ne2000' = 'ringside') {
  const world = new World();
  const host = world.addHost({
    name: 'h',
    cpus: 2,
    nics: [{ mac: parseMac('02:00:00:00:00:01'), model }],
    drivers: [],
  });
  const pdev = host.kernel.pci_devices[0] as pci_dev;
  host.exec(() => {
    pci_enable_device(pdev);
    pci_set_master(pdev);
  });
  const [card] = host.cards as [Plugged];
  const alloc = (min: number, max: number, flags: number): number =>
    host.exec(() => pci_alloc_irq_vectors(pdev, min, max, flags));
  return { world, host, kernel: host.kernel, pdev, card, nic: card.nic as Nic, alloc };
}

describe('messages', () => {
  it('allocated, each vector’s message reaches its own handler on its own CPU, and the pin is silent', () => {
    const { world, host, kernel, pdev, card, nic, alloc } = setUp();
    expect(pci_msix_vec_count(pdev)).toBe(VECTORS);
    expect(alloc(1, 64, PCI_IRQ_MSIX | PCI_IRQ_INTX)).toBe(VECTORS);
    const irqs = Array.from({ length: VECTORS }, (_, i) => pci_irq_vector(pdev, i));
    expect(new Set(irqs).size).toBe(VECTORS);
    expect([pci_irq_vector(pdev, VECTORS), pci_irq_vector(pdev, -1)]).toEqual([-22, -22]);
    const heard: [vector: number, cpu: number][] = [];
    host.exec(() => {
      irqs.forEach((irq, i) => {
        const handler = (): typeof IRQ_HANDLED => {
          heard.push([i, kernel.cpu.id]);
          return IRQ_HANDLED;
        };
        expect(request_irq(kernel, irq, handler, 0, `v${i}`, irqs)).toBe(0);
        irq_set_affinity(kernel, irq, i & 1);
      });
    });
    for (const queue of [2, 0, 3, 1]) {
      card.slot.write(0, NIC.QMS.offset + queue * NIC.QMS.stride, 32, 1);
      card.slot.write(0, NIC.QCS.offset + queue * NIC.QCS.stride, 32, 1);
      world.sim.run(world.sim.time + 1000);
    }
    expect(heard).toEqual([
      [2, 0],
      [0, 0],
      [3, 1],
      [1, 1],
    ]);
    card.slot.write(0, NIC.IMS.offset, 32, NIC.IMS.RX.mask);
    card.slot.write(0, NIC.ICS.offset, 32, NIC.ICS.RX.mask);
    expect(host.intc.level(card.line)).toBe(false);
    host.exec(() => {
      for (const irq of irqs) free_irq(kernel, irq, irqs);
      pci_free_irq_vectors(pdev);
    });
    expect(host.intc.level(card.line)).toBe(true);
    expect(nic.peek(NIC.MTDATA.offset)).toBe(irqs[0]);
    card.slot.write(0, NIC.IMC.offset, 32, NIC.IMC.RX.mask);
    expect(world.finish()).toEqual([]);
  });

  it('freed and allocated again and again, the same numbers', () => {
    const { host, pdev, alloc } = setUp();
    for (let i = 0; i < 5; i++) {
      expect(alloc(2, 3, PCI_IRQ_MSIX)).toBe(3);
      expect(pci_irq_vector(pdev, 2)).toBe(pdev.function.messages + 2);
      host.exec(() => pci_free_irq_vectors(pdev));
    }
  });

  it('more wanted than the function has, or with a handler in the way: -ENOSPC, or the line', () => {
    const { host, kernel, pdev, alloc } = setUp();
    expect(alloc(VECTORS + 1, 64, PCI_IRQ_MSIX)).toBe(-28);
    host.exec(() => request_irq(kernel, pdev.function.messages + 2, () => IRQ_HANDLED, 0, 'x', host));
    expect(alloc(3, 5, PCI_IRQ_MSIX)).toBe(-28);
    expect(alloc(1, 5, PCI_IRQ_MSIX)).toBe(2);
    host.exec(() => pci_free_irq_vectors(pdev));
    host.exec(() => free_irq(kernel, pdev.function.messages + 2, host));
  });

  it('allocated twice, or a wrong question: -EINVAL', () => {
    const { alloc } = setUp();
    expect(alloc(0, 1, PCI_IRQ_MSIX)).toBe(-22);
    expect(alloc(3, 2, PCI_IRQ_MSIX)).toBe(-22);
    expect(alloc(1, 1, PCI_IRQ_INTX)).toBe(1);
    expect(alloc(1, 1, PCI_IRQ_INTX)).toBe(-22);
  });

  it('freed while a handler is installed, reported', () => {
    const { world, host, kernel, pdev, alloc } = setUp();
    alloc(1, 5, PCI_IRQ_MSIX);
    host.exec(() => request_irq(kernel, pci_irq_vector(pdev, 1), () => IRQ_HANDLED, 0, 'x', host));
    host.exec(() => pci_free_irq_vectors(pdev));
    expect(world.findings.map(({ message }) => message)).toEqual([
      `h: ${pdev.name}: vectors freed while irq ${pdev.function.messages + 1} has a handler`,
    ]);
  });
});

describe('a function without messages', () => {
  it('the line, where that will do', () => {
    const { pdev, alloc } = setUp('ne2000');
    expect([pci_find_capability(pdev, 0x11), pci_msix_vec_count(pdev)]).toEqual([0, -22]);
    expect(alloc(2, 5, PCI_IRQ_MSIX | PCI_IRQ_INTX)).toBe(-28);
    expect(alloc(1, 5, PCI_IRQ_MSIX | PCI_IRQ_INTX)).toBe(1);
    expect(pci_irq_vector(pdev, 0)).toBe(pdev.irq);
  });

  it('pulled out, no capability is found and nothing hangs', () => {
    const { card, pdev, host } = setUp();
    card.slot.surpriseRemove();
    expect(pci_find_capability(pdev, 0x11)).toBe(0);
    expect(host.exec(() => pci_alloc_irq_vectors(pdev, 1, 5, PCI_IRQ_MSIX))).toBe(-28);
    host.exec(() => pci_disable_device(pdev));
  });
});
