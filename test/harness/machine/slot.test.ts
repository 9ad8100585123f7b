import { expect, it } from 'vitest';
import { NIC, QUEUES } from '../../../device/regs/nic.ts';
import { World } from '../../../harness/machine/world.ts';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 2);
const INTX_DISABLE = 0x400;

function setUp() {
  const world = new World({ memory: 32 * 1024 * 1024 });
  const host = world.addHost({ name: 'a', cpus: 2, nics: [{ mac: MAC, rate: 'instant' }], drivers: [] });
  const { slot, nic, line } = host.cards[0] as (typeof host.cards)[0];
  const got: string[] = [];
  host.intc.connect({ interrupt: (cpu, irq) => got.push(`cpu${cpu} irq${irq}`) });
  let at = slot.readConfig(0x34, 8);
  while (slot.readConfig(at, 8) !== 0x11) at = slot.readConfig(at + 1, 8);
  const write = (offset: number, value: number): void => slot.write(0, offset, 32, value);
  slot.writeConfig(4, 16, 6);
  return { world, host, slot, nic, line, got, msix: at, write };
}

it('MSI-X on: a message for each queue, to the CPU of its interrupt; the line stays low', () => {
  const { host, slot, got, msix, write } = setUp();
  for (let queue = 0; queue < QUEUES; queue++) {
    write(NIC.MTDATA.offset + queue * NIC.MTDATA.stride, slot.messages + queue);
    write(NIC.MTCTL.offset + queue * NIC.MTCTL.stride, 0);
    write(NIC.QMS.offset + queue * NIC.QMS.stride, 1);
    host.intc.unmask(slot.messages + queue);
    host.intc.setAffinity(slot.messages + queue, queue & 1);
  }
  slot.writeConfig(msix + 2, 16, 0x8000);
  write(NIC.IMS.offset, 0x80);
  for (let queue = 0; queue < QUEUES; queue++) write(NIC.QCS.offset + queue * NIC.QCS.stride, 1);
  const first = slot.messages;
  expect(got).toEqual([`cpu0 irq${first}`, `cpu1 irq${first + 1}`, `cpu0 irq${first + 2}`, `cpu1 irq${first + 3}`]);
});

it('INTx Disable keeps the line low, and the status bit tells all the same', () => {
  const { host, slot, line, write } = setUp();
  write(NIC.IMS.offset, NIC.IMS.RST.mask);
  expect([host.intc.level(line), slot.readConfig(6, 16) & 8]).toEqual([true, 8]);
  slot.writeConfig(4, 16, 6 | INTX_DISABLE);
  expect([host.intc.level(line), slot.readConfig(6, 16) & 8]).toEqual([false, 8]);
  slot.writeConfig(4, 16, 6);
  expect(host.intc.level(line)).toBe(true);
});

it('function reset by configuration space: the card is reset and answers no more until it has its BAR again', () => {
  const { slot, nic, write } = setUp();
  let af = slot.readConfig(0x34, 8);
  while (slot.readConfig(af, 8) !== 0x13) af = slot.readConfig(af + 1, 8);
  const base = slot.readConfig(0x10, 32);
  write(NIC.MAC0.offset, 0x1234);
  slot.writeConfig(af + 4, 8, 1);
  expect([nic.peek(NIC.MAC0.offset), nic.peek(NIC.STATUS.offset) & 1]).toEqual([0, 0]);
  expect(slot.decode('memory', base)).toBe(-1);
  slot.writeConfig(0x10, 32, base);
  slot.writeConfig(4, 16, 6);
  expect(slot.decode('memory', base)).toBe(0);
});

it('bus mastering off: no message, no DMA', () => {
  const { host, slot, got, msix, write } = setUp();
  write(NIC.MTDATA.offset, slot.messages);
  write(NIC.MTCTL.offset, 0);
  write(NIC.QMS.offset, 1);
  host.intc.unmask(slot.messages);
  slot.writeConfig(msix + 2, 16, 0x8000);
  slot.writeConfig(4, 16, 2);
  write(NIC.QCS.offset, 1);
  expect(got).toEqual([]);
  expect(slot.dma.locate(0x10000000, 16, false)).toBe(-1);
});
