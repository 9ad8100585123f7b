import { describe, expect, test } from 'vitest';
import { DATA_PORT, NE2000, NE2000_PORTS, RESET_PORT } from '../../../device/regs/ne2000.ts';
import { byPlace, describePaged, type PagedReg } from '../../../device/regs/paged.ts';
import {
  BNRY,
  BROADCAST,
  CURR,
  check,
  concat,
  DCR,
  frame,
  IMR,
  ISR,
  MAC,
  MAR,
  Ne2000Bench,
  PAR,
  RCR,
  READ,
  RSR,
  SEND,
  START,
  STOP,
  TCR,
  TRANSMIT,
  TSR,
  WORDS,
  WRITE,
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

describe('RCR and the filter', () => {
  const group = Uint8Array.of(0x01, 0, 0x5e, 0, 0, 1);
  const other = Uint8Array.of(2, 2, 2, 2, 2, 2);
  const takes = (rcr: number, to: Uint8Array, length = 60, hash = 0): boolean => {
    const bench = new Ne2000Bench().start({ rcr });
    for (const mar of MAR) bench.set(mar, hash);
    bench.receive(frame(length, to));
    return (bench.get(ISR) & ISR.PRX.mask) !== 0;
  };

  test('station, AB, AM with the hash table, PRO: each alone', () => {
    for (const rcr of [0, RCR.AB.mask, RCR.AM.mask, RCR.PRO.mask]) {
      expect(takes(rcr, MAC)).toBe(true);
      expect(takes(rcr, other)).toBe(rcr === RCR.PRO.mask);
      expect(takes(rcr, BROADCAST, 60, 0xff)).toBe(rcr === RCR.AB.mask);
      expect(takes(rcr, group, 60, 0xff)).toBe(rcr === RCR.AM.mask);
      expect(takes(rcr, group, 60, 0)).toBe(false);
    }
  });

  test('a change of PAR or MAR counts from the next frame on', () => {
    const bench = new Ne2000Bench().start({ rcr: RCR.AM.mask });
    bench.receive(frame(60, group));
    bench.set(PAR[5] as PagedReg<string>, 0x57);
    bench.receive(frame(60));
    expect(bench.get(CURR)).toBe(0x46);
    bench.receive(frame(60, Uint8Array.of(...MAC.subarray(0, 5), 0x57)));
    for (const mar of MAR) bench.set(mar, 0xff);
    bench.receive(frame(60, group));
    expect(bench.get(CURR)).toBe(0x48);
  });

  test('AR: runts as they are, down to six bytes', () => {
    expect(takes(0, MAC, 59)).toBe(false);
    for (const length of [59, 14, 6]) expect(takes(RCR.AR.mask, MAC, length)).toBe(true);
    for (const length of [5, 1, 0]) expect(takes(RCR.AR.mask, MAC, length)).toBe(false);
    const bench = new Ne2000Bench().start({ rcr: RCR.AR.mask });
    const runt = frame(20);
    bench.receive(runt);
    const { status, count, bytes } = bench.take(0x46);
    expect([status, count]).toEqual([1, 24]);
    expect([...bytes]).toEqual([...runt, ...check(runt)]);
  });

  test.each([
    ['CRC', 0, RSR.CRC.mask, NE2000.CNTR1],
    ['alignment', 1, RSR.CRC.mask | RSR.FAE.mask, NE2000.CNTR0],
  ] as const)('%s error: RXE, RSR and its counter; stored with SEP only', (_, errors, status, counter) => {
    const bench = new Ne2000Bench().start();
    bench.receive(frame(80), 0x12345678, errors);
    expect(bench.get(ISR)).toBe(ISR.RXE.mask);
    expect(bench.get(RSR)).toBe(status);
    expect(bench.get(CURR)).toBe(0x46);
    bench.set(RCR, RCR.SEP.mask);
    bench.set(ISR, 0xff);
    const bad = frame(80, MAC, 7);
    bench.receive(bad, 0x12345678, errors);
    expect(bench.get(ISR)).toBe(ISR.RXE.mask);
    expect([NE2000.CNTR0, NE2000.CNTR1, NE2000.CNTR2].map(reg => bench.get(reg))).toEqual(
      counter === NE2000.CNTR0 ? [2, 0, 0] : [0, 2, 0],
    );
    const taken = bench.take(0x46);
    expect([taken.status, taken.next, taken.count]).toEqual([status, 0x47, 84]);
    expect([...taken.bytes]).toEqual([...bad, 0x78, 0x56, 0x34, 0x12]);
  });

  test('dribble bits with a good FCS are no error', () => {
    const bench = new Ne2000Bench().start();
    const good = frame(60);
    bench.receive(good, new DataView(check(good).buffer).getUint32(0, true), 1);
    expect(bench.get(RSR)).toBe(RSR.PRX.mask);
  });

  test('monitor mode: nothing stored, MPA and DIS, CNTR2; DIS goes with MON', () => {
    const bench = new Ne2000Bench().start({ rcr: RCR.MON.mask });
    expect(bench.get(RSR)).toBe(RSR.DIS.mask);
    bench.receive(frame(60));
    expect(bench.get(RSR)).toBe(RSR.DIS.mask | RSR.MPA.mask);
    bench.receive(frame(60), 1);
    expect(bench.get(NE2000.CNTR1)).toBe(1);
    expect(bench.get(NE2000.CNTR2)).toBe(2);
    bench.set(RCR, 0);
    expect(bench.get(RSR) & RSR.DIS.mask).toBe(0);
    expect(bench.get(CURR)).toBe(0x46);
    bench.receive(frame(60));
    expect(bench.get(CURR)).toBe(0x47);
  });

  test('PHY tells group addresses, in RSR and in the header', () => {
    const bench = new Ne2000Bench().start();
    bench.receive(frame(60, BROADCAST));
    expect(bench.get(RSR)).toBe(0x21);
    expect(bench.take(0x46).status).toBe(0x21);
  });
});

test('tally counters: CNT at 128 and once only, stop at 192, cleared by a read, not by a peek', () => {
  const bench = new Ne2000Bench().start({ rcr: RCR.MON.mask });
  for (let i = 0; i < 127; i++) bench.receive(frame(60));
  expect(bench.get(ISR)).toBe(0);
  bench.receive(frame(60));
  expect(bench.get(ISR)).toBe(ISR.CNT.mask);
  bench.set(ISR, 0xff);
  for (let i = 0; i < 100; i++) bench.receive(frame(60));
  expect(bench.get(ISR)).toBe(0);
  expect(bench.peek(NE2000.CNTR2)).toBe(192);
  expect(bench.get(NE2000.CNTR2)).toBe(192);
  expect(bench.get(NE2000.CNTR2)).toBe(0);
});

describe('the data port', () => {
  test('every alias, 10h to 17h', () => {
    const bench = new Ne2000Bench().start();
    bench.write(
      0x4000,
      Uint8Array.from({ length: 16 }, (_, i) => i),
    );
    bench.remote(READ, 0x4000, 16);
    for (let i = 0; i < 8; i++) expect(bench.in(DATA_PORT + i, 16)).toBe((2 * i + 1) * 256 + 2 * i);
  });

  test('word mode: a byte access consumes a word; a byte write leaves 0 above; bit 0 of the address is ignored', () => {
    const bench = new Ne2000Bench().start();
    bench.write(0x4000, Uint8Array.of(1, 2, 3, 4, 5, 6));
    bench.remote(READ, 0x4001, 4);
    expect(bench.in(DATA_PORT, 8)).toBe(1);
    expect(bench.in(DATA_PORT, 16)).toBe(0x0403);
    expect(bench.get(ISR) & ISR.RDC.mask).toBe(ISR.RDC.mask);
    bench.remote(WRITE, 0x4002, 2);
    bench.out(DATA_PORT, 0xaa);
    expect([...bench.at(0x4000, 6)]).toEqual([1, 2, 0xaa, 0, 5, 6]);
  });

  test('byte mode: 16 bits move one byte, 32 bits four', () => {
    const bench = new Ne2000Bench().start({ dcr: DCR.LS.mask });
    bench.write(0x4000, Uint8Array.of(1, 2, 3, 4, 5, 6), 8);
    bench.remote(READ, 0x4000, 6);
    expect(bench.in(DATA_PORT, 16)).toBe(1);
    expect(bench.in(DATA_PORT, 32)).toBe(0x05040302);
    expect(bench.in(DATA_PORT, 8)).toBe(6);
    bench.remote(WRITE, 0x4000, 5);
    bench.out(DATA_PORT, 0xa1b1, 16);
    bench.out(DATA_PORT, 0x0d0c0b0a, 32);
    expect([...bench.at(0x4000, 6)]).toEqual([0xb1, 10, 11, 12, 13, 6]);
  });

  test('an odd count in word mode ends with the word that it ends in; then the port stands still', () => {
    const bench = new Ne2000Bench().start();
    bench.remote(READ, 0x4000, 3);
    bench.in(DATA_PORT, 16);
    expect(bench.get(ISR) & ISR.RDC.mask).toBe(0);
    bench.remote(READ, 0x4000, 3);
    bench.in(DATA_PORT, 32);
    expect(bench.get(ISR) & ISR.RDC.mask).toBe(ISR.RDC.mask);
    bench.set(ISR, ISR.RDC.mask);
    expect(bench.rules()).toEqual([]);
    expect(bench.in(DATA_PORT, 16)).toBe(0xffff);
    expect(bench.rules()).toEqual(['ne-remote-idle']);
    expect(bench.get(ISR)).toBe(0);
    expect([bench.get(NE2000.CRDA0), bench.get(NE2000.CRDA1)]).toEqual([4, 0x40]);
  });

  test('RD2 stops it, and a new command goes on where it stopped', () => {
    const bench = new Ne2000Bench().start();
    bench.write(0x4000, Uint8Array.of(1, 2, 3, 4, 5, 6));
    bench.remote(READ, 0x4000, 6);
    bench.in(DATA_PORT, 16);
    bench.out(0, START);
    bench.in(DATA_PORT, 16);
    expect(bench.get(NE2000.CRDA0)).toBe(2);
    bench.out(0, READ);
    expect(bench.in(DATA_PORT, 32)).toBe(0x06050403);
    expect(bench.get(ISR) & ISR.RDC.mask).toBe(ISR.RDC.mask);
  });

  test('a read during a write command and the reverse move nothing', () => {
    const bench = new Ne2000Bench().start();
    bench.remote(WRITE, 0x4000, 4);
    expect(bench.in(DATA_PORT, 16)).toBe(0xffff);
    bench.remote(READ, 0x4000, 4);
    bench.out(DATA_PORT, 0xffff, 16);
    expect(bench.rules()).toEqual(['ne-remote-idle', 'ne-remote-idle']);
    expect([bench.get(NE2000.CRDA0), bench.at(0x4000, 1)[0]]).toEqual([0, 0]);
  });

  test.each([8, 16, 32] as const)('%i bits: reads and writes wrap from PSTOP to PSTART, and only there', width => {
    const bench = new Ne2000Bench().start({ stop: 0x50, dcr: width === 8 ? DCR.LS.mask : WORDS });
    const data = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
    bench.write(0x4ff0, data, width);
    expect([...bench.at(0x4ff0, 16)]).toEqual([...data.subarray(0, 16)]);
    expect([...bench.at(0x4600, 16)]).toEqual([...data.subarray(16)]);
    expect([...bench.read(0x4ff0, 32, width)]).toEqual([...data]);
    bench.write(0x45f0, data, width);
    expect([...bench.at(0x45f0, 32)]).toEqual([...data]);
    expect([...bench.read(0x45f0, 32, width)]).toEqual([...data]);
    bench.write(0x5000, data, width);
    expect([...bench.read(0x5000, 32, width)]).toEqual([...data]);
    expect(bench.rules()).toEqual([]);
  });

  test('a 32-bit access over the end of the ring wraps between its words', () => {
    const bench = new Ne2000Bench().start({ stop: 0x50 });
    bench.write(0x4ffe, Uint8Array.of(1, 2, 3, 4), 32);
    expect([...bench.at(0x4ffe, 2), ...bench.at(0x4600, 2)]).toEqual([1, 2, 3, 4]);
    bench.remote(READ, 0x4ffe, 4);
    expect(bench.in(DATA_PORT, 32)).toBe(0x04030201);
  });

  test('outside memory: FFh, writes lost, the counters move, one violation for each access', () => {
    const bench = new Ne2000Bench().start();
    bench.fill(0x11);
    for (const address of [0x2000, 0x3ffe, 0x8000, 0xfffe, 0x0020]) {
      bench.write(address, Uint8Array.of(1, 2, 3, 4));
      const inside = address === 0x3ffe ? [0xff, 0xff, 3, 4] : address === 0xfffe ? 'prom' : [0xff, 0xff, 0xff, 0xff];
      const got = [...bench.read(address, 4)];
      if (inside === 'prom') expect(got).toEqual([0xff, 0xff, 0x52, 0x52]);
      else expect(got).toEqual(inside);
      expect(bench.get(ISR) & ISR.RDC.mask).toBe(ISR.RDC.mask);
      expect(new Set(bench.rules())).toEqual(new Set(['ne-remote-window']));
    }
    expect(bench.guardsIntact()).toBe(true);
  });

  test('the PROM: each byte twice, the signature at its end, and no writing', () => {
    const bench = new Ne2000Bench().start();
    const prom = [0x52, 0x54, 0, 0x12, 0x34, 0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0x57, 0x57].flatMap(byte => [byte, byte]);
    expect([...bench.read(0, 32)]).toEqual(prom);
    bench.set(DCR, DCR.LS.mask);
    expect([...bench.read(0, 32, 8)]).toEqual(prom);
    expect(bench.rules()).toEqual([]);
    bench.write(0, Uint8Array.of(1, 2), 8);
    expect(bench.rules()).toEqual(['ne-remote-window', 'ne-remote-window']);
    expect([...bench.read(0, 32, 8)]).toEqual(prom);
  });

  test('send packet: header and frame from BNRY on, BNRY to the next packet, with DCR.AR only', () => {
    const bench = new Ne2000Bench().start({ dcr: WORDS | DCR.AR.mask, stop: 0x48 });
    const first = frame(300);
    bench.receive(first);
    expect(bench.get(CURR)).toBe(0x46);
    bench.out(0, SEND);
    const got = bench.readPort(304, 16);
    expect([...got]).toEqual([1, 0x46, 0x30, 1, ...first]);
    expect(bench.get(BNRY)).toBe(0x46);
    expect(bench.get(ISR) & ISR.RDC.mask).toBe(ISR.RDC.mask);
    // The ring is empty again, though BNRY is where it was.
    bench.receive(frame(300));
    expect(bench.get(ISR) & ISR.OVW.mask).toBe(0);
    bench.set(DCR, WORDS);
    bench.rules();
    bench.out(0, SEND);
    expect(bench.rules()).toEqual(['ne-send-disabled']);
  });
});

describe('transmission', () => {
  test('takes its time; TXP, TSR and CLDA tell; the bytes are those at the end', () => {
    const bench = new Ne2000Bench({ rate: 10e6 }).start();
    const first = frame(100);
    bench.transmit(first);
    expect(bench.in(0)).toBe(TRANSMIT);
    expect(bench.get(TSR)).toBe(0);
    expect(bench.card.deadline).toBe((8 + 100 + 4) * 800);
    bench.out(0, TRANSMIT);
    bench.set(NE2000.TBCR0, 60);
    expect(bench.rules()).toEqual(['ne-transmit-busy', 'ne-transmit-pages']);
    bench.card.advance(1e6);
    expect([bench.in(0), bench.get(TSR)]).toEqual([START, TSR.PTX.mask]);
    expect([bench.get(NE2000.CLDA0), bench.get(NE2000.CLDA1), bench.get(NE2000.NCR)]).toEqual([100, 0x40, 0]);
    expect([...(bench.sent[0]?.bytes ?? [])]).toEqual([...first]);
    expect(bench.sent[0]?.time).toBe(89600);
    bench.out(0, TRANSMIT);
    bench.card.advance(2e6);
    expect(bench.sent[1]?.bytes).toHaveLength(60);
  });

  test('frames keep their distance on the wire', () => {
    const bench = new Ne2000Bench({ rate: 10e6 }).start();
    bench.transmit(frame(60));
    bench.card.advance(bench.card.deadline);
    bench.out(0, TRANSMIT);
    expect(bench.card.deadline).toBe((72 + 12 + 72) * 800);
  });

  test('TCR.CRC: the last four bytes are the FCS', () => {
    const bench = new Ne2000Bench().start({ tcr: TCR.CRC.mask });
    bench.transmit(concat(frame(60), Uint8Array.of(1, 2, 3, 4)));
    expect([...(bench.sent[0]?.bytes ?? [])]).toEqual([...frame(60)]);
    expect(bench.sent[0]?.fcs).toBe(0x04030201);
  });

  test.each([
    [0, 0],
    [3, TCR.CRC.mask],
    [4, TCR.CRC.mask],
  ])('%i bytes with TCR %i: nothing is sent, PTX is reported', (length, tcr) => {
    const bench = new Ne2000Bench().start({ tcr });
    bench.set(NE2000.TPSR, 0x40);
    bench.set(NE2000.TBCR0, length);
    bench.out(0, TRANSMIT);
    expect(bench.sent).toEqual([]);
    expect(bench.get(ISR)).toBe(ISR.PTX.mask);
    expect(bench.rules()).toEqual(['ne-transmit-length']);
  });

  test.each([1, 13, 1514, 4000])('%i bytes go as they are', length => {
    const bench = new Ne2000Bench().start();
    const bytes = frame(length);
    bench.transmit(bytes);
    expect([...(bench.sent[0]?.bytes ?? [])]).toEqual([...bytes]);
    expect(bench.rules()).toEqual([]);
  });

  test('beyond packet memory FFh is sent, up to 65535 bytes, and from pages below it', () => {
    const bench = new Ne2000Bench().start();
    bench.fill(0x22);
    bench.set(NE2000.TPSR, 0x7f);
    bench.set(NE2000.TBCR0, 0xff);
    bench.set(NE2000.TBCR1, 0xff);
    bench.out(0, TRANSMIT);
    const sent = bench.sent[0]?.bytes as Uint8Array;
    expect([sent.length, sent[0xff], sent[0x100], sent[0xc0ff], sent[0xc100], sent[0xfffe]]).toEqual([
      65535, 0x22, 0xff, 0xff, 0x22, 0x22,
    ]);
    bench.set(NE2000.TPSR, 0x3f);
    bench.out(0, TRANSMIT);
    expect(bench.sent[1]?.bytes[0xff]).toBe(0xff);
    expect(bench.rules()).toEqual(['ne-transmit-window', 'ne-transmit-window']);
    expect(bench.guardsIntact()).toBe(true);
  });

  test('from a page of the ring: a received frame with its FCS', () => {
    const bench = new Ne2000Bench().start();
    const bytes = frame(60);
    bench.receive(bytes);
    bench.set(NE2000.TPSR, 0x46);
    bench.set(NE2000.TBCR0, 68);
    bench.out(0, TRANSMIT);
    expect([...(bench.sent[0]?.bytes ?? [])]).toEqual([1, 0x47, 64, 0, ...bytes, ...check(bytes)]);
  });

  test('link down: the frame is lost and TSR.CRS tells', () => {
    const bench = new Ne2000Bench().start();
    bench.card.setLink(false);
    bench.transmit(frame(60));
    bench.receive(frame(60));
    expect(bench.get(TSR)).toBe(TSR.PTX.mask | TSR.CRS.mask);
    expect(bench.sent).toEqual([]);
    expect(bench.get(CURR)).toBe(0x46);
    bench.card.setLink(true);
    bench.out(0, TRANSMIT);
    expect([bench.get(TSR), bench.sent.length]).toEqual([TSR.PTX.mask, 1]);
  });

  test('TCR.ATD: hash index 62 holds the transmitter, 63 and clearing ATD release it', () => {
    const [hold, release] = [62, 63].map(index => multicastOf(index));
    const bench = new Ne2000Bench().start({ rcr: RCR.AM.mask, tcr: TCR.ATD.mask });
    for (const mar of MAR) bench.set(mar, 0xff);
    bench.receive(frame(60, hold));
    bench.transmit(frame(60));
    expect([bench.in(0), bench.sent.length]).toEqual([TRANSMIT, 0]);
    bench.receive(frame(60, release));
    expect([bench.in(0), bench.sent.length]).toEqual([START, 1]);
    bench.receive(frame(60, hold));
    bench.out(0, TRANSMIT);
    expect(bench.sent).toHaveLength(1);
    bench.set(TCR, 0);
    expect(bench.sent).toHaveLength(2);
  });
});

/** A group address with that hash index. */
function multicastOf(index: number): Uint8Array {
  const address = Uint8Array.of(1, 0, 0, 0, 0, 0);
  for (let i = 0; i < 4096; i++) {
    address[4] = i >> 8;
    address[5] = i;
    const bench = new Ne2000Bench().start({ rcr: RCR.AM.mask });
    bench.set(MAR[index >> 3] as PagedReg<string>, 1 << (index & 7));
    bench.receive(frame(60, address));
    if ((bench.get(ISR) & ISR.PRX.mask) !== 0) return address;
  }
  throw new Error(`no address with hash index ${index}`);
}

describe('loopback (AN-937, section 6)', () => {
  const mode = (n: number): number => n << TCR.LB.lsb;
  const results = (bench: Ne2000Bench): number[] => [bench.get(TSR), bench.get(RSR), bench.get(ISR) & 0x3f];

  test.each([
    [1, 0x51, 0],
    [2, 0x41, 0],
    [3, 0x01, 1],
  ])('mode %i, CRC appended, our address: TSR %i, RSR 02h, ISR 06h', (n, tsr, onWire) => {
    const bench = new Ne2000Bench().start({ tcr: mode(n), dcr: DCR.WTS.mask });
    bench.transmit(frame(64));
    expect(results(bench)).toEqual([tsr, 0x02, 0x06]);
    expect(bench.sent).toHaveLength(onWire);
    expect(bench.get(CURR)).toBe(0x46);
  });

  test('CRC from software: good gives RSR 01h and ISR 02h, bad 02h and 06h; for somebody else 01h and 02h', () => {
    const good = concat(frame(60), check(frame(60)));
    const bad = concat(frame(60), Uint8Array.of(1, 2, 3, 4));
    const other = concat(frame(60, Uint8Array.of(2, 0, 0, 0, 0, 9)), Uint8Array.of(1, 2, 3, 4));
    for (const [bytes, rsr, isr] of [
      [good, 0x01, 0x02],
      [bad, 0x02, 0x06],
      [other, 0x01, 0x02],
    ] as const) {
      const bench = new Ne2000Bench().start({ tcr: mode(1) | TCR.CRC.mask });
      bench.transmit(bytes);
      expect(results(bench)).toEqual([0x51, rsr, isr]);
    }
  });

  test('a group address shows in RSR.PHY', () => {
    const bench = new Ne2000Bench().start({ tcr: mode(1), rcr: RCR.AB.mask });
    bench.transmit(frame(60, BROADCAST));
    expect(bench.get(RSR)).toBe(0x22);
  });

  test('nothing from the wire is heard', () => {
    for (const n of [1, 2, 3]) {
      const bench = new Ne2000Bench().start({ tcr: mode(n) });
      bench.receive(frame(60));
      expect([bench.get(ISR), bench.get(CURR)]).toEqual([0, 0x46]);
      bench.set(TCR, 0);
      bench.receive(frame(60));
      expect(bench.get(CURR)).toBe(0x47);
    }
  });

  test.each([60, 61, 57, 64, 300])(
    'FIFO after %i bytes: the end of the packet, then the count: low, high, high',
    length => {
      const bench = new Ne2000Bench().start({ tcr: mode(1) });
      const bytes = frame(length);
      bench.transmit(bytes);
      const packet = [...bytes, ...check(bytes)];
      const total = packet.length;
      const expected: number[] = [];
      packet.forEach((byte, i) => {
        expected[i % 8] = byte;
      });
      for (const [i, byte] of [total & 0xff, total >> 8, total >> 8].entries()) expected[(total + i) % 8] = byte;
      expect(bench.peek(NE2000.FIFO)).toBe(expected[0]);
      expect(Array.from({ length: 8 }, () => bench.in(NE2000.FIFO.offset))).toEqual(expected);
      expect(bench.rules()).toEqual([]);
    },
  );
});

test('BOS in word mode: frames lie exchanged in memory and are sent back right; remote DMA shows memory as it is', () => {
  const bench = new Ne2000Bench().start({ dcr: WORDS | DCR.BOS.mask });
  const bytes = frame(300);
  bench.receive(bytes);
  const got = bench.read(0x4600, 304);
  expect([...got.subarray(0, 4)]).toEqual([0x48, 1, 1, 0x30]);
  const exchanged = got.map((_, i) => got[i ^ 1] as number);
  expect([...exchanged.subarray(4)]).toEqual([...bytes]);
  bench.write(
    0x4000,
    bytes.map((_, i) => bytes[i ^ 1] as number),
  );
  bench.set(NE2000.TPSR, 0x40);
  bench.set(NE2000.TBCR0, 300 & 0xff);
  bench.set(NE2000.TBCR1, 1);
  bench.out(0, TRANSMIT);
  expect([...(bench.sent[0]?.bytes ?? [])]).toEqual([...bytes]);
});
