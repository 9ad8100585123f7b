import { describe, expect, test } from 'vitest';
import { DATA_PORT, NE2000 } from '../../../device/regs/ne2000.ts';
import { BNRY, CURR, DCR, frame, ISR, Ne2000Bench, READ, SEND, START, WORDS, WRITE } from './bench.ts';

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
