/** Frames of given lengths at every start page of the ring, out again by programmed I/O or by DMA. */
import { expect } from 'vitest';
import { FCS_GOOD } from '../../device/ports.ts';
import { NIC } from '../../device/regs/nic.ts';
import { Bench, fcs, frame } from './bench.ts';

const PIO_ON = NIC.CTRL.RXE.mask | NIC.CTRL.PIO.mask;
const RUNTS = NIC.RCR.PRO.mask | NIC.RCR.AR.mask;

/** A card in programmed mode that accepts everything, runts too. */
export function pioBench(size = 4096): Bench {
  const bench = new Bench({ size });
  bench.start(PIO_ON, RUNTS);
  return bench;
}

/** Lengths from 14 to 1514: every one of them, or those around page boundaries and a walk through the rest. */
export function lengths(all: boolean): number[] {
  const list: number[] = [];
  for (let length = 14; length <= 1514; length++) {
    const inPage = (length + 8) & 0xff;
    if (all || length % 37 === 0 || inPage < 6 || inPage > 250 || length < 20 || length > 1510) list.push(length);
  }
  return list;
}

function same(got: Uint8Array | undefined, sent: Uint8Array): void {
  if (got === undefined || Buffer.compare(got, sent) !== 0) expect(got).toEqual(sent);
}

/** Length of a frame that moves CURR towards `page`, by five pages at most; 0 when it is there. */
function towards(bench: Bench, page: number): number {
  const turn = bench.peek(NIC.PSTOP) - bench.peek(NIC.PSTART);
  const pages = (page - bench.peek(NIC.CURR) + turn) % turn;
  return pages === 0 ? 0 : Math.min(pages, 5) * 256 - 8;
}

/** `share`: at each page every `share`th length. */
export function byProgrammedIo(size: number, list: readonly number[], share: number): void {
  const bench = pioBench(size);
  const stop = bench.peek(NIC.PSTOP);
  for (let page = 0x46; page < stop; page++) {
    for (let i = page % share; i < list.length; i += share) {
      for (let step = towards(bench, page); step > 0; step = towards(bench, page)) {
        bench.receive(frame(step));
        const curr = bench.peek(NIC.CURR);
        bench.write(NIC.BNRY, curr === 0x46 ? stop - 1 : curr - 1);
      }
      expect(bench.peek(NIC.CURR)).toBe(page);
      const sent = frame(list[i] as number, i);
      bench.receive(sent, i % 3 === 0 ? fcs(sent) : FCS_GOOD);
      const got = bench.pioFrame();
      same(got?.bytes, sent);
      expect(Buffer.from((got as { fcs: Uint8Array }).fcs).readUInt32LE()).toBe(fcs(sent));
    }
  }
  expect(bench.rules()).toEqual([]);
  expect(bench.guardsIntact()).toBe(true);
}

export function byDma(size: number, list: readonly number[], share: number): void {
  const bench = new Bench({ size });
  bench.start(NIC.CTRL.RXE.mask, RUNTS);
  bench.rxRing(4, 3);
  const stop = bench.peek(NIC.PSTOP);
  let next = 0;
  const deliver = (sent: Uint8Array): Uint8Array => {
    bench.receive(sent);
    const index = next;
    next = (next + 1) % 4;
    expect(bench.rxStatus(index) & 3).toBe(3);
    const got = bench.rxBytes(index);
    bench.rxGive((index + 3) % 4);
    bench.write(NIC.RDT, (index + 4) % 4);
    return got;
  };
  for (let page = 0x46; page < stop; page++) {
    for (let i = page % share; i < list.length; i += share) {
      for (let step = towards(bench, page); step > 0; step = towards(bench, page)) deliver(frame(step));
      const sent = frame(list[i] as number, i);
      same(deliver(sent), sent);
    }
  }
  expect(bench.rules()).toEqual([]);
  expect(bench.guardsIntact()).toBe(true);
}
