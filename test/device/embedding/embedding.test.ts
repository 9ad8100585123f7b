import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Dma, Station } from '../../../device/index.ts';
import * as device from '../../../device/index.ts';
import { demo } from './example.ts';

const ROOT = join(import.meta.dirname, '../../..');
const HOW_TO = readFileSync(join(ROOT, 'docs/embedding.md'), 'utf8');

test('the example in docs/embedding.md is the one that is run here', () => {
  const example = readFileSync(join(import.meta.dirname, 'example.ts'), 'utf8');
  const [, block] = /```ts\n([\s\S]*?)```/.exec(HOW_TO) ?? [];
  expect(block).toBe(example.replace("'../../../device/index.ts'", "'ringside/device'"));
});

test('the example: a frame comes in with an interrupt, one goes out when its time on the wire is over', () => {
  expect(demo()).toEqual(['pi', '0', 'pong']);
});

test('package.json exports what the how-to imports', () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, string>;
  };
  expect(exports['./device']).toBe('./device/index.ts');
});

/** Names in the how-to that are interfaces, or the language's own. */
const NO_VALUES = new Set(
  'Station Timed Wire Dma IrqLine Eeprom PacketMemory ViolationSink FrameSink Uint8Array Infinity'.split(' '),
);

test('every export that the how-to names exists', () => {
  const names = [...HOW_TO.matchAll(/`([A-Z][A-Za-z0-9_]+)`/g)].map(([, name]) => name as string);
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter(name => !NO_VALUES.has(name) && !(name in device))).toEqual([]);
});

test('both cards keep one contract: identity, BARs, time, frames', () => {
  const memory = (size: number): device.PacketMemory => ({ bytes: new Uint8Array(size), base: 0, size });
  const dma: Dma = { read: () => false, write: () => false };
  const common = {
    irq: { setLevel: () => {} },
    wire: { transmit: () => {} },
    eeprom: new device.MacEeprom(Uint8Array.of(2, 0, 0, 0, 0, 1)),
    violations: { violation: () => {} },
    rate: 'instant',
  } as const;
  const cards = [
    new device.Nic({ ...common, dma, memory: memory(4096) }),
    new device.Ne2000({ ...common, memory: memory(16384) }),
  ];
  expect(
    cards.map(({ identity }) => [identity.vendor, identity.device, identity.bars.map(({ kind }) => kind)]),
  ).toEqual([
    [cards[0]?.identity.vendor, cards[0]?.identity.device, ['memory']],
    [0x10ec, 0x8029, ['io']],
  ]);
  for (const card of cards) {
    const station: Station = card;
    station.advance(5);
    station.advance(3);
    expect([station.time, station.deadline]).toEqual([5, Infinity]);
    expect(card.room(60)).toBe(true);
    const { size } = card.identity.bars[0] as device.BarSpec;
    for (const width of [8, 16, 32] as const) {
      expect(card.read(0, size, width)).toBe(2 ** width - 1);
      for (let offset = 0; offset < size; offset++) {
        const value = card.read(0, offset, width);
        expect(value >= 0 && value < 2 ** width).toBe(true);
      }
    }
    card.functionReset();
  }
});
