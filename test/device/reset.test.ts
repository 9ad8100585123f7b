import { expect, test } from 'vitest';
import { MacEeprom } from '../../device/eeprom.ts';
import { NIC } from '../../device/regs/nic.ts';
import { Bench, frame, MAC } from './bench.ts';

test('reset under way: RDY 0, RST 1, the rest reads reset values, writes are lost; at the end RST is raised', () => {
  const bench = new Bench({ rate: 1e9 });
  bench.nic.advance(1000);
  bench.start(NIC.CTRL.RXE.mask);
  bench.write(NIC.IMS, NIC.IMS.RST.mask);
  bench.write(NIC.CTRL, NIC.CTRL.RST.mask | NIC.CTRL.TXE.mask);
  expect(bench.nic.deadline).toBe(11_000);
  expect(bench.read(NIC.CTRL)).toBe(NIC.CTRL.RST.mask);
  expect(bench.read(NIC.STATUS) & NIC.STATUS.RDY.mask).toBe(0);
  expect(bench.read(NIC.STATUS) & NIC.STATUS.LU.mask).not.toBe(0);
  expect([bench.read(NIC.MAC0), bench.read(NIC.IMS), bench.read(NIC.ISR)]).toEqual([0, 0, 0]);
  bench.write(NIC.MAC0, 1);
  expect(bench.rules()).toEqual(['write-in-reset']);
  bench.receive(frame(60));
  bench.nic.advance(10_999);
  expect(bench.read(NIC.ISR)).toBe(0);
  bench.nic.advance(11_000);
  expect(bench.read(NIC.ISR)).toBe(NIC.ISR.RST.mask);
  expect([bench.read(NIC.CTRL), bench.read(NIC.STATUS) & 1, bench.read(NIC.MAC0)]).toEqual([0, 1, 0]);
  expect(bench.read(NIC.RXOFF)).toBe(1);
  expect(bench.level).toBe(false);
  expect(bench.nic.deadline).toBe(Infinity);
});

test('frame in packet memory, reset: memory keeps its bytes', () => {
  const bench = new Bench();
  bench.start(NIC.CTRL.RXE.mask | NIC.CTRL.PIO.mask);
  const sent = frame(100);
  bench.receive(sent);
  bench.nic.functionReset();
  bench.nic.advance(20_000);
  expect(bench.pioRead(0x4604, 100)).toEqual(sent);
  expect(bench.read(NIC.CURR)).toBe(0x46);
});

test('transmission and receive DMA under way, reset: nothing more happens on wire or bus', () => {
  const bench = new Bench({ rate: 1e8 });
  bench.start(NIC.CTRL.RXE.mask | NIC.CTRL.TXE.mask);
  bench.rxRing(4, 3);
  bench.txRing(4);
  bench.txFrame(0, frame(60));
  bench.receive(frame(60));
  bench.write(NIC.CTRL, NIC.CTRL.RST.mask);
  bench.nic.advance(1e6);
  expect(bench.sent).toEqual([]);
  expect([bench.rxStatus(0), bench.txStatus(0)]).toEqual([0, 3]);
  expect(bench.nic.deadline).toBe(Infinity);
});

test('EEPROM: a read takes 20 µs, words 0–2 are the address, all words add up to BABAh', () => {
  const bench = new Bench();
  let sum = 0;
  for (let word = 0; word < 64; word++) {
    const start = bench.nic.time;
    bench.write(NIC.EERD, NIC.EERD.START.mask | (word << 8));
    expect(bench.read(NIC.EERD) & NIC.EERD.DONE.mask).toBe(0);
    expect(bench.nic.deadline).toBe(start + 20_000);
    bench.nic.advance(start + 20_000);
    const value = bench.read(NIC.EERD);
    expect(value & NIC.EERD.DONE.mask).not.toBe(0);
    expect((value >>> 8) & 0xff).toBe(word);
    if (word < 3) expect(value >>> 16).toBe((MAC[2 * word] as number) | ((MAC[2 * word + 1] as number) << 8));
    sum += value >>> 16;
  }
  expect(sum & 0xffff).toBe(0xbaba);
  expect(bench.rules()).toEqual([]);
});

test('EEPROM read under way, another START: ignored, a violation; word 64: FFFFh, a violation', () => {
  const bench = new Bench();
  bench.write(NIC.EERD, 1 | (1 << 8));
  bench.write(NIC.EERD, 1 | (2 << 8));
  expect(bench.rules()).toEqual(['eeprom-busy']);
  bench.nic.advance(20_000);
  expect((bench.read(NIC.EERD) >>> 8) & 0xff).toBe(1);
  bench.write(NIC.EERD, 1 | (64 << 8));
  expect(bench.rules()).toEqual(['eeprom-address']);
  bench.nic.advance(40_000);
  expect(bench.read(NIC.EERD) >>> 16).toBe(0xffff);
});

test('a station address that is not six bytes is refused', () => {
  expect(() => new MacEeprom(new Uint8Array(5))).toThrow(/6 bytes/);
});
