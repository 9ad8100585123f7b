import { describe, expect, test } from 'vitest';
import { DATA_PORT, NE2000, NE2000_PORTS, RESET_PORT } from '../../../device/regs/ne2000.ts';
import { byPlace, describePaged, type PagedReg } from '../../../device/regs/paged.ts';
import {
  BNRY,
  CURR,
  DCR,
  frame,
  IMR,
  ISR,
  MAC,
  Ne2000Bench,
  PAR,
  RCR,
  READ,
  START,
  STOP,
  TCR,
  TRANSMIT,
  WORDS,
} from './bench.ts';

const REGISTERS = Object.values(NE2000) as PagedReg<string>[];
const named = (list: readonly PagedReg<string>[]): [string, PagedReg<string>][] => list.map(reg => [reg.name, reg]);

describe('every register', () => {
  test.each(named(REGISTERS.filter(reg => reg.index >= 0)))(
    '%s: value after power-on, read and peek agree',
    (name, reg) => {
      const bench = new Ne2000Bench();
      expect(bench.peek(reg)).toBe(reg.reset);
      bench.out(0, STOP | ((reg.index >> 4) << 6));
      expect(bench.in(reg.offset)).toBe(name === 'CR' ? STOP | ((reg.index >> 4) << 6) : reg.reset);
      expect(bench.rules()).toEqual(name === 'FIFO' ? ['ne-fifo'] : []);
    },
  );

  const keeps = REGISTERS.filter(
    reg => reg.access === 'rw' && !['CR', 'BNRY', 'CURR'].includes(reg.name) && reg.readPage !== 'none',
  );
  test.each(named([...keeps, BNRY, CURR]))('%s: reads give what was written, bit for bit', (_, reg) => {
    const bench = new Ne2000Bench();
    bench.out(0, STOP);
    for (const value of [0xff, 0x55, 0xaa, 0, 0x81]) {
      bench.set(reg, value & reg.writable);
      expect(bench.get(reg)).toBe(value & reg.writable);
    }
    expect(bench.rules()).toEqual([]);
  });

  test.each(named([RCR, TCR, DCR, IMR]))('%s: reserved bits are ignored and a violation', (_, reg) => {
    const bench = new Ne2000Bench();
    bench.set(reg, 0xff);
    expect(bench.rules()).toEqual(['ne-reserved-bits']);
    expect(bench.get(reg)).toBe(reg.writable);
  });

  test('no register’s place is touched by a write to another', () => {
    const plain = REGISTERS.filter(reg => reg.access === 'rw' && reg.name !== 'CR' && reg.index >= 0);
    for (const reg of plain) {
      const bench = new Ne2000Bench();
      bench.out(0, STOP);
      for (const other of plain) bench.set(other, 0x11 & other.writable);
      const before = plain.map(other => bench.peek(other));
      bench.set(reg, 0x06 & reg.writable);
      const changed = plain.filter((other, i) => bench.peek(other) !== before[i]).map(other => other.name);
      expect(changed).toEqual([reg.name]);
    }
  });

  test('a place without a register reads 0 and takes nothing; a read-only one keeps its value; each a violation', () => {
    const bench = new Ne2000Bench();
    const reads = byPlace(NE2000, 'read');
    const writes = byPlace(NE2000, 'write');
    for (let place = 0; place < 64; place++) {
      if ((place & 15) === 0) continue;
      bench.out(0, STOP | ((place >> 4) << 6));
      bench.rules();
      if (reads[place] === null) {
        expect(bench.in(place & 15)).toBe(0);
        expect(bench.rules()).toEqual(['ne-reserved']);
      }
      if (writes[place] === null) {
        const before = bench.card.peek(place);
        bench.out(place & 15, ~before & 0xff);
        expect(bench.card.peek(place)).toBe(before);
        expect(bench.rules()).toEqual([reads[place] === null ? 'ne-reserved' : 'ne-read-only']);
      }
    }
  });

  test('wider than a byte: all-ones, nothing taken, a violation each', () => {
    const bench = new Ne2000Bench();
    expect(bench.in(7, 16)).toBe(0xffff);
    expect(bench.in(7, 32)).toBe(0xffffffff);
    bench.out(0, 0x2222, 16);
    expect(bench.in(0)).toBe(0x21);
    expect(bench.rules()).toEqual(['ne-width', 'ne-width', 'ne-width']);
  });

  test('outside the ports or the BAR: all-ones, nothing taken, a violation each', () => {
    const bench = new Ne2000Bench();
    expect(bench.in(NE2000_PORTS, 8)).toBe(0xff);
    expect(bench.in(-1, 16)).toBe(0xffff);
    expect(bench.card.read(1, 0, 32)).toBe(0xffffffff);
    bench.out(NE2000_PORTS, 1);
    bench.card.write(1, 0, 8, START);
    expect(bench.in(0)).toBe(0x21);
    expect(bench.rules()).toEqual(new Array(5).fill('ne-unmapped'));
  });

  test('the declaration refuses what cannot be', () => {
    const reg = { at: 1, read: 0, write: 0, access: 'rw', reset: 0, doc: '', fields: {} } as const;
    expect(() => describePaged({ A: { ...reg, at: 16 } })).toThrow(/offset/);
    expect(() => describePaged({ A: reg, B: { ...reg, write: 1 } })).toThrow(/share place/);
    expect(() => describePaged({ A: { ...reg, fields: { X: [0, 2, ''], Y: [1, 1, ''] } } })).toThrow(/overlap/);
    expect(() => describePaged({ A: { ...reg, fields: { X: [7, 2, ''] } } })).toThrow(/fit/);
    expect(() => describePaged({ A: { ...reg, fields: { offset: [0, 1, ''] } } })).toThrow(/collides/);
  });

  test('offsets and bits, retyped by hand from the data sheet', () => {
    const places = (...names: (keyof typeof NE2000)[]): number[] => names.map(name => NE2000[name].index);
    expect(places('CR', 'CLDA0', 'CLDA1', 'BNRY', 'TSR', 'NCR', 'FIFO', 'ISR')).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(places('CRDA0', 'CRDA1', 'RSR', 'CNTR0', 'CNTR1', 'CNTR2')).toEqual([8, 9, 12, 13, 14, 15]);
    expect(places('PAR0', 'PAR5', 'CURR', 'MAR0', 'MAR7')).toEqual([0x11, 0x16, 0x17, 0x18, 0x1f]);
    expect(places('PSTART', 'PSTOP', 'TPSR', 'RCR', 'TCR', 'DCR', 'IMR')).toEqual([
      0x21, 0x22, 0x24, 0x2c, 0x2d, 0x2e, 0x2f,
    ]);
    const writes = (...names: (keyof typeof NE2000)[]): number[] => names.map(name => NE2000[name].writeIndex);
    expect(writes('PSTART', 'PSTOP', 'BNRY', 'TPSR', 'TBCR0', 'TBCR1', 'ISR')).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(writes('RSAR0', 'RSAR1', 'RBCR0', 'RBCR1', 'RCR', 'TCR', 'DCR', 'IMR')).toEqual([
      8, 9, 10, 11, 12, 13, 14, 15,
    ]);
    expect([ISR.PRX, ISR.PTX, ISR.RXE, ISR.TXE, ISR.OVW, ISR.CNT, ISR.RDC, ISR.RST].map(f => f.mask)).toEqual([
      1, 2, 4, 8, 16, 32, 64, 128,
    ]);
  });
});

describe('CR', () => {
  test('reads give what was written, without TXP once sent', () => {
    const bench = new Ne2000Bench().start();
    for (const value of [0x22, 0x62, 0xa2, 0xe2, 0x20, 0x21, 0x0a]) {
      bench.out(0, value);
      expect(bench.in(0)).toBe(value);
    }
  });

  test('power-on: stopped, RST; STA with STP clear starts and clears RST; STP clear alone does neither', () => {
    const bench = new Ne2000Bench();
    bench.out(0, 0x20);
    expect(bench.get(ISR)).toBe(0x80);
    bench.start();
    bench.out(0, STOP);
    expect(bench.get(ISR)).toBe(0x80);
    bench.out(0, 0x20);
    bench.receive(frame(60));
    expect(bench.get(ISR)).toBe(0x80);
    bench.out(0, START);
    bench.receive(frame(60));
    expect(bench.get(ISR)).toBe(ISR.PRX.mask);
    bench.out(0, 0x20);
    bench.receive(frame(60));
    expect(bench.get(CURR)).toBe(0x48);
  });

  test('stopped: neither transmission nor remote DMA begins, and that is a violation', () => {
    const bench = new Ne2000Bench().start();
    bench.write(0x4000, Uint8Array.of(1, 2, 3, 4));
    bench.out(0, STOP);
    bench.set(ISR, 0x7f);
    bench.set(NE2000.TBCR0, 60);
    bench.out(0, STOP | 0x04);
    expect(bench.in(0)).toBe(STOP);
    expect(bench.sent).toEqual([]);
    bench.remote(0x11, 0x4000, 4);
    bench.out(DATA_PORT, 0xffff, 16);
    bench.remote(0x09, 0x4000, 4);
    expect(bench.in(DATA_PORT, 16)).toBe(0xffff);
    expect(bench.get(ISR)).toBe(0x80);
    expect(bench.rules()).toEqual([
      'ne-command-stopped',
      'ne-command-stopped',
      'ne-remote-idle',
      'ne-command-stopped',
      'ne-remote-idle',
    ]);
    expect([...bench.at(0x4000, 4)]).toEqual([1, 2, 3, 4]);
  });

  test('RD = 0 is a violation and lets a transfer go on', () => {
    const bench = new Ne2000Bench().start();
    bench.write(0x4000, Uint8Array.of(1, 2, 3, 4));
    bench.remote(READ, 0x4000, 4);
    expect(bench.in(DATA_PORT, 16)).toBe(0x0201);
    bench.out(0, 0x02);
    expect(bench.rules()).toEqual(['ne-remote-none']);
    expect(bench.in(DATA_PORT, 16)).toBe(0x0403);
    expect(bench.rules()).toEqual([]);
  });

  test('STP while a frame is being sent: it is finished, then RST', () => {
    const bench = new Ne2000Bench({ rate: 10e6 }).start();
    bench.transmit(frame(60));
    expect(bench.in(0)).toBe(TRANSMIT);
    bench.out(0, STOP);
    expect(bench.get(ISR) & 0x82).toBe(0);
    bench.card.advance(bench.card.deadline);
    expect(bench.get(ISR) & 0x82).toBe(0x82);
    expect(bench.sent).toHaveLength(1);
  });
});

describe('ISR and IMR', () => {
  test('each bit asserts the line under its own mask bit; writing 1 clears it alone', () => {
    for (const [bit, raise] of [
      [ISR.PRX, (b: Ne2000Bench) => b.receive(frame(60))],
      [ISR.PTX, (b: Ne2000Bench) => b.transmit(frame(60))],
      [ISR.RXE, (b: Ne2000Bench) => b.receive(frame(60), 1)],
      [ISR.RDC, (b: Ne2000Bench) => b.remote(READ, 0x4000, 0)],
    ] as const) {
      const bench = new Ne2000Bench().start();
      bench.set(IMR, ~bit.mask & 0x7f);
      bench.receive(frame(60));
      bench.transmit(frame(60));
      bench.set(ISR, 0x7f);
      expect(bench.level).toBe(false);
      bench.set(IMR, bit.mask);
      raise(bench);
      expect(bench.level).toBe(true);
      const status = bench.get(ISR);
      bench.set(ISR, ~bit.mask & 0xff);
      expect(bench.get(ISR)).toBe(status & bit.mask);
      expect(bench.level).toBe(true);
      bench.set(IMR, 0);
      expect(bench.level).toBe(false);
      bench.set(IMR, bit.mask);
      expect(bench.level).toBe(true);
      bench.set(ISR, bit.mask);
      expect(bench.level).toBe(false);
    }
  });

  test('RST is not cleared by a write and never asserts the line', () => {
    const bench = new Ne2000Bench();
    bench.set(ISR, 0xff);
    expect(bench.get(ISR)).toBe(0x80);
    bench.set(IMR, 0x7f);
    expect(bench.level).toBe(false);
  });
});

describe('the reset port', () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7])('a read of port 18h + %i: stopped, line low, pointers and memory kept', alias => {
    const bench = new Ne2000Bench().start({ tcr: TCR.LB.mask, rcr: 0x3f, start: 0x4a, curr: 0x50, bnry: 0x4b });
    bench.set(IMR, 0x7f);
    bench.write(0x4000, Uint8Array.of(9, 8));
    expect(bench.level).toBe(true);
    bench.out(0, 0x62);
    bench.in(RESET_PORT + alias);
    expect(bench.in(0)).toBe(0x21);
    expect(bench.get(ISR)).toBe(0x80);
    expect(bench.level).toBe(false);
    expect(bench.get(IMR)).toBe(0);
    expect(bench.get(TCR)).toBe(0);
    expect(bench.get(DCR)).toBe(WORDS | DCR.LAS.mask);
    expect([NE2000.PSTART, NE2000.PSTOP, BNRY, CURR, RCR, ...PAR].map(reg => bench.get(reg))).toEqual([
      0x4a,
      0x80,
      0x4b,
      0x50,
      0x3f,
      ...MAC,
    ]);
    expect([...bench.at(0x4000, 2)]).toEqual([9, 8]);
    bench.receive(frame(60));
    expect(bench.get(CURR)).toBe(0x50);
  });

  test('a write does nothing', () => {
    const bench = new Ne2000Bench().start();
    bench.out(RESET_PORT + 7, 0xff);
    expect(bench.in(0)).toBe(START);
  });

  test('the frame being sent is lost; PCI function reset is the same', () => {
    const bench = new Ne2000Bench({ rate: 10e6 }).start();
    bench.transmit(frame(60));
    bench.card.functionReset();
    expect(bench.card.deadline).toBe(Infinity);
    bench.card.advance(1e9);
    expect(bench.sent).toEqual([]);
    expect(bench.in(0)).toBe(0x21);
  });
});
