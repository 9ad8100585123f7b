import { describe, expect, test } from 'vitest';
import { NE2000 } from '../../../device/regs/ne2000.ts';
import type { PagedReg } from '../../../device/regs/paged.ts';
import {
  BROADCAST,
  CURR,
  check,
  concat,
  DCR,
  frame,
  ISR,
  MAR,
  Ne2000Bench,
  RCR,
  RSR,
  START,
  TCR,
  TRANSMIT,
  TSR,
  WORDS,
} from './bench.ts';

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
