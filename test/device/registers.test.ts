import { expect, describe as group, test } from 'vitest';
import type { Reg } from '../../device/regs/describe.ts';
import { NIC, NIC_BAR_SIZE } from '../../device/regs/nic.ts';
import { Bench } from './bench.ts';

const REGISTERS = Object.values(NIC) as Reg<string>[];
/** Instant link: up, full duplex, FFFFh; the rest of STATUS is as declared. */
const STATUS_UP = 0xffff0007;
/** Their effect is tested elsewhere; here only what was written is read back. */
const KEEPS = [
  'MAC0',
  'MAC1',
  'MAR0',
  'MAR1',
  'RCR',
  'TCR',
  'MAXLEN',
  'PSTART',
  'PSTOP',
  'TPSR',
  'RSAR',
  'RBCR',
  'VLCR',
  'RXCSC',
  'PTIME',
  'RSSC',
  'ITR',
  'RETA',
  'RSSK',
  'MTADR',
  'MTADRH',
  'MTDATA',
  'MTCTL',
  'VFTA',
];
const KEEPS_OFF = ['RDBA', 'RDLEN', 'RDT', 'TDBA', 'TDLEN', 'TDT'];

group('every register', () => {
  test.each(REGISTERS.map(reg => [reg.name, reg] as const))('%s: reset value, and peek agrees', (name, reg) => {
    const bench = new Bench();
    const expected = name === 'STATUS' ? STATUS_UP : name === 'DATA' ? 0xffffffff : reg.access === 'wo' ? 0 : reg.reset;
    expect(bench.peek(reg)).toBe(expected);
    expect(bench.read(reg)).toBe(expected);
    expect(bench.rules()).toEqual(reg.access === 'wo' ? ['write-only'] : name === 'DATA' ? ['remote-count'] : []);
  });

  test.each(REGISTERS.filter(reg => reg.writable === 0 && reg.access !== 'rw').map(reg => [reg.name, reg] as const))(
    '%s: a write is lost and a violation',
    (_, reg) => {
      const bench = new Bench();
      const before = bench.peek(reg);
      bench.write(reg, 0xffffffff);
      expect(bench.rules()).toEqual(['read-only']);
      expect(bench.peek(reg)).toBe(before);
    },
  );

  test.each([...KEEPS, ...KEEPS_OFF])('%s: reads give what was written, reserved bits as 0', name => {
    const bench = new Bench();
    const reg = (NIC as unknown as Record<string, Reg<string>>)[name] as Reg<string>;
    bench.write(reg, 0xffffffff);
    expect(bench.read(reg)).toBe(reg.writable);
    expect(bench.rules()).toEqual(reg.writable === 0xffffffff ? [] : ['reserved-bits']);
    bench.write(reg, 0x55555555 & reg.writable);
    expect(bench.read(reg)).toBe((0x55555555 & reg.writable) >>> 0);
    bench.write(reg, 0);
    expect(bench.read(reg)).toBe(0);
    expect(bench.rules()).toEqual([]);
  });

  test.each(REGISTERS.filter(reg => reg.count > 1).map(reg => [reg.name, reg] as const))(
    '%s: each instance has its reset value, and keeps its own',
    (name, reg) => {
      const bench = new Bench();
      const at = (i: number): number => reg.offset + i * reg.stride;
      for (let i = 0; i < reg.count; i++) expect(bench.nic.peek(at(i))).toBe(reg.access === 'wo' ? 0 : reg.reset);
      if (![...KEEPS, ...KEEPS_OFF, 'QMS'].includes(name)) return;
      for (let i = 0; i < reg.count; i++) bench.nic.write(0, at(i), 32, ((i * 0x01010101) & reg.writable) >>> 0);
      for (let i = 0; i < reg.count; i++) expect(bench.nic.peek(at(i))).toBe(((i * 0x01010101) & reg.writable) >>> 0);
      expect(bench.rules()).toEqual([]);
    },
  );

  test('reserved high halves take nothing', () => {
    const bench = new Bench();
    for (const reg of [NIC.RDBAH, NIC.TDBAH]) {
      bench.write(reg, 0);
      expect(bench.rules()).toEqual([]);
      bench.write(reg, 1);
      expect(bench.rules()).toEqual(['reserved-bits']);
      expect(bench.read(reg)).toBe(0);
    }
  });
});

test('every offset without a register reads all-ones and leaves a violation; a write is lost', () => {
  const bench = new Bench();
  const mapped = new Set(
    REGISTERS.flatMap(reg => Array.from({ length: reg.count }, (_, i) => reg.offset + i * reg.stride)),
  );
  for (let offset = 0; offset < NIC_BAR_SIZE; offset += 4) {
    if (mapped.has(offset)) continue;
    expect(bench.nic.read(0, offset, 32)).toBe(0xffffffff);
    bench.nic.write(0, offset, 32, 0x12345678);
    expect(bench.nic.peek(offset)).toBe(0xffffffff);
    expect(bench.rules()).toEqual(['unmapped', 'unmapped']);
  }
  expect(bench.nic.read(0, NIC_BAR_SIZE, 32)).toBe(0xffffffff);
  expect(bench.nic.read(1, 0, 16)).toBe(0xffff);
  bench.nic.write(2, 0, 8, 1);
  expect(bench.rules()).toEqual(['unmapped', 'unmapped', 'unmapped']);
});

test('unaligned or of a wrong width: all-ones of that width, writes lost, a violation each', () => {
  const bench = new Bench();
  expect(bench.nic.read(0, NIC.ID.offset, 8)).toBe(0xff);
  expect(bench.nic.read(0, NIC.ID.offset + 2, 16)).toBe(0xffff);
  expect(bench.nic.read(0, NIC.ID.offset + 1, 32)).toBe(0xffffffff);
  expect(bench.nic.read(0, NIC.DATA.offset + 1, 8)).toBe(0xff);
  bench.nic.write(0, NIC.IMS.offset, 16, 1);
  bench.nic.write(0, NIC.IMS.offset + 2, 16, 1);
  expect(bench.read(NIC.IMS)).toBe(0);
  expect(new Set(bench.rules())).toEqual(new Set(['access-width']));
});

test('IMS sets, IMC clears, ICS raises, ISR clears by 1; the pin follows status & mask', () => {
  const bench = new Bench();
  bench.write(NIC.ISR, 0x80);
  bench.write(NIC.IMS, 0x003);
  bench.write(NIC.IMS, 0x100);
  expect(bench.read(NIC.IMS)).toBe(0x103);
  bench.write(NIC.IMC, 0x001);
  expect(bench.read(NIC.IMS)).toBe(0x102);
  bench.write(NIC.ICS, 0x001);
  expect([bench.level, bench.read(NIC.ISR)]).toEqual([false, 1]);
  bench.write(NIC.ICS, 0x002);
  expect([bench.level, bench.read(NIC.ISR), bench.edges]).toEqual([true, 3, 1]);
  bench.write(NIC.ISR, 0x001);
  expect([bench.level, bench.read(NIC.ISR)]).toEqual([true, 2]);
  bench.write(NIC.IMC, 0x002);
  expect(bench.level).toBe(false);
  bench.write(NIC.IMS, 0x002);
  expect(bench.level).toBe(true);
  bench.write(NIC.ISR, 0x3ff);
  expect([bench.level, bench.read(NIC.ISR), bench.edges]).toEqual([false, 0, 4]);
  expect(bench.rules()).toEqual([]);
});

test('a statistics register is cleared by its read and not by a peek', () => {
  const bench = new Bench();
  bench.receive(new Uint8Array(60));
  expect([bench.peek(NIC.RXOFF), bench.peek(NIC.RXOFF)]).toEqual([1, 1]);
  expect([bench.read(NIC.RXOFF), bench.read(NIC.RXOFF)]).toEqual([1, 0]);
});

test('a counter raises CNT at 80000000h and sticks at FFFFFFFFh', () => {
  const bench = new Bench();
  bench.write(NIC.ISR, 0x80);
  const { stats } = bench.nic;
  stats.add(1, 0x7fffffff);
  expect(bench.read(NIC.ISR)).toBe(0);
  stats.add(1, 1);
  expect(bench.read(NIC.ISR)).toBe(NIC.ISR.CNT.mask);
  stats.add(1, 0xffffffff);
  expect(bench.read(NIC.GORC)).toBe(0xffffffff);
});

test('16 KiB of memory: PMSZ, PSTOP and BNRY tell it', () => {
  const bench = new Bench({ size: 16384 });
  expect(bench.read(NIC.PMSZ)).toBe(0x00404000);
  expect(bench.read(NIC.PSTOP)).toBe(0x80);
  expect(bench.read(NIC.BNRY)).toBe(0x7f);
});

test('packet memory that is no whole number of pages, or too large for page numbers, is refused', () => {
  expect(() => new Bench({ size: 4000 })).toThrow(/packet memory/);
  expect(() => new Bench({ size: 65536 })).toThrow(/packet memory/);
});
