import { describe, expect, test } from 'vitest';
import { NE2000 } from '../../../device/regs/ne2000.ts';
import type { PagedReg } from '../../../device/regs/paged.ts';
import { BROADCAST, CURR, check, frame, ISR, MAC, MAR, Ne2000Bench, PAR, RCR, RSR } from './bench.ts';

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
