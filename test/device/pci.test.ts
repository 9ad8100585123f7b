import { expect, test } from 'vitest';
import { type CardIdentity, ConfigSpace } from '../../device/pci.ts';
import { Bench } from './bench.ts';

function space(identity: CardIdentity = new Bench().nic.identity): {
  config: ConfigSpace;
  heard: string[];
} {
  const heard: string[] = [];
  const config = new ConfigSpace(identity, {
    functionReset: () => heard.push('reset'),
    setMessages: (on, masked) => heard.push(`messages ${on} ${masked}`),
  });
  return { config, heard };
}

const OLD: CardIdentity = {
  vendor: 0x10ec,
  device: 0x8029,
  revision: 0,
  classCode: 0x020000,
  bars: [{ kind: 'io', size: 32 }],
};

/** Offsets of the capabilities by id. */
function capabilities(config: ConfigSpace): Record<number, number> {
  const found: Record<number, number> = {};
  for (let at = config.read(0x34, 8); at !== 0; at = config.read(at + 1, 8)) found[config.read(at, 8)] = at;
  return found;
}

test('identity, class, subsystem, pin; read-only to the host', () => {
  const { config } = space();
  config.write(0, 32, 0xffffffff);
  config.write(8, 32, 0xffffffff);
  expect([config.read(0, 32), config.read(8, 32)]).toEqual([0x52491234, 0x02000001]);
  expect([config.read(0x2c, 32), config.read(0x3d, 8), config.read(0x0e, 8)]).toEqual([0x52491234, 1, 0]);
});

test('BARs: sized by all-ones, decode only with their command bit', () => {
  const { config } = space();
  config.write(0x10, 32, 0xffffffff);
  expect(config.read(0x10, 32)).toBe(0xfffff000);
  config.write(0x14, 32, 0xffffffff);
  expect(config.read(0x14, 32)).toBe(0);
  config.write(0x10, 32, 0x30000123);
  expect(config.decode('memory', 0x30000000)).toBe(-1);
  config.write(4, 16, 2);
  expect(config.decode('memory', 0x30000fff)).toBe(0);
  expect(config.decode('memory', 0x30001000)).toBe(-1);
  expect(config.decode('io', 0x30000000)).toBe(-1);
  const old = space(OLD).config;
  old.write(0x10, 32, 0xffffffff);
  expect(old.read(0x10, 32)).toBe(0xffffffe1);
  old.write(0x10, 16, 0xc001);
  old.write(0x12, 16, 0);
  old.write(4, 16, 1);
  expect([old.decode('io', 0xc01f), old.decode('io', 0xc020)]).toEqual([0, -1]);
});

test('a card without capabilities has no list', () => {
  const { config } = space(OLD);
  expect([config.read(0x34, 8), config.read(6, 16)]).toEqual([0, 0]);
});

test('capabilities: power management, MSI-X, function reset', () => {
  const { config } = space();
  expect(config.read(6, 16)).toBe(0x10);
  expect(Object.keys(capabilities(config))).toEqual(['1', '17', '19']);
  const msix = capabilities(config)[0x11] as number;
  expect([config.read(msix + 2, 16), config.read(msix + 4, 32), config.read(msix + 8, 32)]).toEqual([4, 0x600, 0x680]);
});

test('MSI-X control tells the card', () => {
  const { config, heard } = space();
  const msix = capabilities(config)[0x11] as number;
  config.write(msix + 2, 16, 0x8000);
  config.write(msix + 2, 16, 0xc000);
  config.write(msix + 3, 8, 0);
  expect(heard).toEqual(['messages true false', 'messages true true', 'messages false false']);
});

test('FLR: the card is reset, BARs and command are gone, the line number stays', () => {
  const { config, heard } = space();
  const af = capabilities(config)[0x13] as number;
  config.setBase(0, 0x30000000);
  config.setLine(11);
  config.write(4, 16, 6);
  expect(config.mastering).toBe(true);
  config.write(af + 4, 8, 1);
  expect(heard).toEqual(['reset']);
  expect([config.read(0x10, 32), config.read(4, 16), config.read(0x3c, 8)]).toEqual([0, 0, 11]);
  expect([config.decode('memory', 0x30000000), config.mastering]).toEqual([-1, false]);
});

test('D3hot: no decode, no bus mastering; back in D0 as after a reset', () => {
  const { config, heard } = space();
  const pm = capabilities(config)[1] as number;
  config.setBase(0, 0x30000000);
  config.write(4, 16, 6);
  config.write(pm + 4, 16, 3);
  expect([config.decode('memory', 0x30000000), config.mastering, heard.length]).toEqual([-1, false, 0]);
  config.write(pm + 4, 16, 0);
  expect(heard).toEqual(['reset']);
  expect(config.read(4, 16)).toBe(0);
});

test('INTx: disable bit, and the status bit that shows the pin', () => {
  const { config } = space();
  config.showInterrupt(true);
  expect([config.pin, config.read(6, 16) & 8]).toEqual([true, 8]);
  config.write(4, 16, 0x400);
  expect(config.pin).toBe(false);
  config.showInterrupt(false);
  expect(config.read(6, 16) & 8).toBe(0);
});
