/** The bus and the slot: posted writes, decoding, configuration space, what nobody answers. */
import { describe, expect, it } from 'vitest';
import { NIC, NIC_BAR_SIZE, NIC_DEVICE_ID, NIC_ID, NIC_VENDOR_ID } from '../../../device/regs/nic.ts';
import { HostBus } from '../../../harness/machine/bus.ts';
import type { Host, Plugged } from '../../../harness/machine/host.ts';
import { World } from '../../../harness/machine/world.ts';
import { parseMac } from '../../../harness/packet/address.ts';
import { Sim } from '../../../harness/sim/sim.ts';
import { udelay } from '../../../kernel/io.ts';

const BAR = 0x30000000;

/** A host without drivers, its card enabled by hand. */
function setUp(postedNs = 200): { world: World; host: Host; card: Plugged } {
  const world = new World();
  const host = world.addHost({ name: 'host', postedNs, drivers: [], nics: [{ mac: parseMac('02:00:00:00:00:02') }] });
  const card = host.cards[0] as Plugged;
  card.slot.writeConfig(0x04, 16, 0x6);
  world.sim.run(100_000);
  return { world, host, card };
}

describe('memory-mapped access', () => {
  it('a posted write, has not arrived before its time and has after it', () => {
    const { world, host, card } = setUp();
    const window = host.bus.mapMemory(BAR, NIC_BAR_SIZE);
    window.write(NIC.MAR0.offset, 32, 0x1234);
    expect(card.nic.peek(NIC.MAR0.offset)).toBe(0);
    world.sim.run(world.sim.time + 199);
    expect(card.nic.peek(NIC.MAR0.offset)).toBe(0);
    world.sim.run(world.sim.time + 1);
    expect(card.nic.peek(NIC.MAR0.offset)).toBe(0x1234);
  });

  it('a read after posted writes, pushes all of them in order', () => {
    const { host } = setUp();
    const window = host.bus.mapMemory(BAR, NIC_BAR_SIZE);
    for (let value = 1; value <= 5; value++) window.write(NIC.MAR0.offset, 32, value);
    expect(window.read(NIC.MAR0.offset, 32)).toBe(5);
  });

  it('thousands of writes at once, none lost and the last one wins', () => {
    const { world, host, card } = setUp();
    const window = host.bus.mapMemory(BAR, NIC_BAR_SIZE);
    for (let value = 1; value <= 5000; value++) window.write(NIC.MAR1.offset, 32, value);
    world.sim.run(world.sim.time + 1000);
    expect(card.nic.peek(NIC.MAR1.offset)).toBe(5000);
  });

  it('writes two events apart, each delivered at its own time', () => {
    const { world, host, card } = setUp();
    const window = host.bus.mapMemory(BAR, NIC_BAR_SIZE);
    window.write(NIC.MAR0.offset, 32, 1);
    world.sim.run(world.sim.time + 150);
    window.write(NIC.MAR0.offset, 32, 2);
    world.sim.run(world.sim.time + 100);
    expect(card.nic.peek(NIC.MAR0.offset)).toBe(1);
    world.sim.run(world.sim.time + 100);
    expect(card.nic.peek(NIC.MAR0.offset)).toBe(2);
  });

  it('a write due long before the read that pushes it, took effect when it was due', () => {
    const { host, card } = setUp();
    const window = host.bus.mapMemory(BAR, NIC_BAR_SIZE);
    host.exec(() => {
      window.write(NIC.CTRL.offset, 32, NIC.CTRL.RST.mask);
      // A reset takes 10 µs; nothing is read meanwhile.
      udelay(host.kernel, 50);
      expect(window.read(NIC.STATUS.offset, 32) & NIC.STATUS.RDY.mask).not.toBe(0);
    });
    expect(card.nic.peek(NIC.CTRL.offset) & NIC.CTRL.RST.mask).toBe(0);
  });

  it('a bus that posts nothing, writes at once', () => {
    const { host, card } = setUp(0);
    host.bus.mapMemory(BAR, NIC_BAR_SIZE).write(NIC.MAR0.offset, 32, 7);
    expect(card.nic.peek(NIC.MAR0.offset)).toBe(7);
  });

  it('a posting time beyond 1 µs, refused', () => {
    expect(() => new HostBus(new Sim(), 1001)).toThrow('0 to 1000 ns');
  });
});

describe('what nobody answers', () => {
  it.each([
    [8, 0xff],
    [16, 0xffff],
    [32, 0xffffffff],
  ] as const)('unmapped memory and ports read with %i bits, all-ones', (width, ones) => {
    const { host } = setUp();
    expect(host.bus.mapMemory(0x50000000, 64).read(0, width)).toBe(ones);
    expect(host.bus.mapPorts(0x300, 32).read(0, width)).toBe(ones);
    expect(host.bus.mapMemory(BAR, 4).read(8, width)).toBe(ones);
  });

  it('a card whose memory decoding is off, silent', () => {
    const { host, card } = setUp();
    const window = host.bus.mapMemory(BAR, NIC_BAR_SIZE);
    expect(window.read(NIC.ID.offset, 32)).toBe(NIC_ID);
    card.slot.writeConfig(0x04, 16, 0);
    expect(window.read(NIC.ID.offset, 32)).toBe(0xffffffff);
  });

  it('a card pulled out, all-ones from registers and configuration', () => {
    const { host, card } = setUp();
    card.slot.surpriseRemove();
    expect(host.bus.mapMemory(BAR, NIC_BAR_SIZE).read(NIC.ID.offset, 32)).toBe(0xffffffff);
    expect(card.slot.readConfig(0, 32)).toBe(0xffffffff);
  });
});

describe('configuration space', () => {
  it('identity, class, BAR and line, as the card and the slot have them', () => {
    const { card } = setUp();
    expect(card.slot.readConfig(0, 16)).toBe(NIC_VENDOR_ID);
    expect(card.slot.readConfig(2, 16)).toBe(NIC_DEVICE_ID);
    expect(card.slot.readConfig(8, 32) >>> 8).toBe(0x020000);
    expect(card.slot.readConfig(0x3c, 8)).toBe(card.line);
  });

  it('a window in use, its BAR moved away, put to sleep, and back: it answers while the BAR is there', () => {
    const { host, card } = setUp();
    const window = host.bus.mapMemory(BAR, NIC_BAR_SIZE);
    const read = (): number => window.read(NIC.ID.offset, 32);
    expect(read()).toBe(NIC_ID);
    card.slot.writeConfig(0x10, 32, 0x40000000);
    expect(read()).toBe(0xffffffff);
    card.slot.writeConfig(0x10, 32, BAR);
    expect(read()).toBe(NIC_ID);
    card.slot.writeConfig(0x04, 16, 0x4);
    expect(read()).toBe(0xffffffff);
    card.slot.writeConfig(0x04, 16, 0x6);
    window.write(NIC.MAR0.offset, 32, 7);
    expect(window.read(NIC.MAR0.offset, 32)).toBe(7);
    card.slot.surpriseRemove();
    window.write(NIC.MAR0.offset, 32, 8);
    expect([read(), card.nic.peek(NIC.MAR0.offset)]).not.toContain(8);
    expect(read()).toBe(0xffffffff);
  });

  it('two cards at one address: the first slot answers, in an old window too; one that lies across both asks each', () => {
    const world = new World();
    const nics = ['02:00:00:00:00:02', '02:00:00:00:00:03'].map(mac => ({ mac: parseMac(mac) }));
    const host = world.addHost({ name: 'host', postedNs: 0, drivers: [], nics });
    const [first, second] = host.cards as [Plugged, Plugged];
    for (const card of [first, second]) card.slot.writeConfig(0x04, 16, 0x6);
    const at = NIC.MAR0.offset;
    second.slot.writeConfig(0x10, 32, BAR + NIC_BAR_SIZE);
    const both = host.bus.mapMemory(BAR, 2 * NIC_BAR_SIZE);
    both.write(at, 32, 1);
    both.write(NIC_BAR_SIZE + at, 32, 2);
    expect([first.nic.peek(at), second.nic.peek(at)]).toEqual([1, 2]);
    const window = host.bus.mapMemory(BAR + NIC_BAR_SIZE, NIC_BAR_SIZE);
    expect(window.read(at, 32)).toBe(2);
    first.slot.writeConfig(0x10, 32, BAR + NIC_BAR_SIZE);
    expect([window.read(at, 32), both.read(at, 32)]).toEqual([1, 0xffffffff]);
  });

  it('all-ones written to a BAR, read back as its size, and a moved BAR answers at its new place', () => {
    const { host, card } = setUp();
    card.slot.writeConfig(0x10, 32, 0xffffffff);
    expect((~(card.slot.readConfig(0x10, 32) & ~0xf) + 1) >>> 0).toBe(NIC_BAR_SIZE);
    card.slot.writeConfig(0x10, 32, 0x40000000);
    expect(host.bus.mapMemory(BAR, 4).read(0, 32)).toBe(0xffffffff);
    expect(host.bus.mapMemory(0x40000000, 4).read(0, 32)).toBe(NIC_ID);
  });
});
