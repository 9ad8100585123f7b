import { expect, test } from 'vitest';
import { NIC } from '../../device/regs/nic.ts';
import { Bench, counters, fcs, frame, MAC } from './bench.ts';
import { byDma, byProgrammedIo, lengths, pioBench } from './ring-matrix.ts';

const PIO_ON = NIC.CTRL.RXE.mask | NIC.CTRL.PIO.mask;
const SLOW = NIC.RCR.PRO.mask | NIC.RCR.AR.mask;
/** Larger memory: more pages, so fewer lengths at each. The long test has them all. */
const SIZES: [size: number, share: number][] = [
  [4096, 1],
  [16384, 4],
];

test.each(SIZES)('%i bytes of memory: lengths at every start page come out by programmed I/O', (size, share) => {
  byProgrammedIo(size, lengths(false), share);
});

test.each(SIZES)('%i bytes of memory: lengths at every start page come out by DMA', (size, share) => {
  byDma(size, lengths(false), share);
});

test('ring full, next frame raises OVW and counts MPC; unread frames stay, and it recovers', () => {
  const bench = pioBench();
  const frames = Array.from({ length: 9 }, (_, i) => frame(200, i));
  for (const bytes of frames) bench.receive(bytes);
  expect(bench.peek(NIC.CURR)).toBe(bench.peek(NIC.BNRY));
  const before = bench.memory.bytes.slice();
  bench.receive(frame(60, 99));
  expect(bench.peek(NIC.ISR) & NIC.ISR.OVW.mask).not.toBe(0);
  expect([bench.peek(NIC.MPC), bench.peek(NIC.GPRC)]).toEqual([1, 9]);
  expect(bench.memory.bytes).toEqual(before);
  for (const bytes of frames) expect(bench.pioFrame()?.bytes).toEqual(bytes);
  expect(bench.pioFrame()).toBe(null);
  bench.receive(frames[0] as Uint8Array);
  expect(bench.pioFrame()?.bytes).toEqual(frames[0]);
});

test('free pages short by one: a long frame is refused, a short one still stored', () => {
  const bench = pioBench();
  bench.receive(frame(1514)); // six of nine pages
  expect(bench.nic.room(761)).toBe(false);
  expect(bench.nic.room(760)).toBe(true);
  bench.receive(frame(761));
  bench.receive(frame(760));
  expect([bench.peek(NIC.MPC), bench.peek(NIC.GPRC)]).toEqual([1, 2]);
  expect(bench.pioFrame()?.bytes.length).toBe(1514);
  expect(bench.pioFrame()?.bytes).toEqual(frame(760));
});

test('the page BNRY is never written', () => {
  const bench = pioBench();
  const at = bench.memory.base + (0x4f - 0x40) * 256;
  bench.memory.bytes.fill(0x77, at, at + 256);
  for (let i = 0; i < 20; i++) bench.receive(frame(250, i));
  expect(bench.memory.bytes.subarray(at, at + 256)).toEqual(new Uint8Array(256).fill(0x77));
});

test('page header: status, next page, length with FCS', () => {
  const bench = pioBench();
  bench.receive(frame(300));
  expect([...bench.pioRead(0x4600, 4)]).toEqual([0x01, 0x48, 304 & 0xff, 304 >> 8]);
  bench.receive(frame(60, 0, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)));
  expect([...bench.pioRead(0x4800, 4)]).toEqual([0x21, 0x49, 64, 0]);
});

test('FCS right by construction: nobody computes it until the host reads it', () => {
  const bench = pioBench();
  const sent = frame(250); // FCS over the page boundary: 4 + 250 = 254
  bench.receive(sent);
  const at = bench.memory.base + 6 * 256 + 254;
  expect([...bench.memory.bytes.subarray(at, at + 4)]).toEqual([0, 0, 0, 0]);
  bench.pioRead(0x4604, 250);
  expect([...bench.memory.bytes.subarray(at, at + 4)]).toEqual([0, 0, 0, 0]);
  const seen = bench.pioRead(0x4604 + 249, 5, 32);
  expect(Buffer.from(seen).readUInt32LE(1)).toBe(fcs(sent));
});

test('FCS not yet computed, host writes into the frame: the FCS is of the frame as it arrived', () => {
  const bench = pioBench();
  const sent = frame(100);
  bench.receive(sent);
  bench.pioWrite(0x4604 + 50, Uint8Array.of(1, 2, 3));
  expect(Buffer.from(bench.pioRead(0x4604 + 100, 4)).readUInt32LE()).toBe(fcs(sent));
});

test('settle and the data port peek show the FCS', () => {
  const bench = pioBench();
  const sent = frame(60);
  bench.receive(sent);
  bench.write(NIC.RSAR, 0x4604 + 60);
  bench.write(NIC.RBCR, 4);
  expect(bench.nic.peek(NIC.DATA.offset)).toBe(fcs(sent));
  expect([bench.peek(NIC.RSAR), bench.peek(NIC.RBCR)]).toEqual([0x4640, 4]);
  bench.receive(sent);
  bench.nic.settle();
  const at = bench.memory.base + 7 * 256 + 64;
  expect(Buffer.from(bench.memory.bytes.subarray(at, at + 4)).readUInt32LE()).toBe(fcs(sent));
});

test('a wrong FCS that was received is what the ring holds', () => {
  const bench = pioBench();
  bench.write(NIC.RCR, SLOW | NIC.RCR.SEP.mask);
  bench.receive(frame(60), 0x12345678);
  expect(Buffer.from(bench.pioRead(0x4640, 4)).readUInt32LE()).toBe(0x12345678);
});

test('RXE off and on: the ring is empty, CURR at PSTART, BNRY at PSTOP−1, unread frames in RXDISC', () => {
  const bench = pioBench();
  bench.receive(frame(300));
  bench.receive(frame(60));
  bench.pioFrame();
  bench.receive(frame(60));
  bench.write(NIC.CTRL, NIC.CTRL.PIO.mask);
  bench.receive(frame(60));
  bench.write(NIC.CTRL, PIO_ON);
  expect([bench.peek(NIC.CURR), bench.peek(NIC.BNRY)]).toEqual([0x46, 0x4f]);
  expect([bench.peek(NIC.RXDISC), bench.peek(NIC.RXOFF)]).toEqual([2, 1]);
  expect(bench.pioFrame()).toBe(null);
});

test('a ring of two pages holds one page', () => {
  const bench = new Bench();
  bench.write(NIC.PSTART, 0x4e);
  bench.start(PIO_ON, SLOW);
  bench.receive(frame(248));
  bench.receive(frame(60));
  expect([bench.peek(NIC.GPRC), bench.peek(NIC.MPC)]).toEqual([1, 1]);
  expect(bench.pioFrame()?.bytes).toEqual(frame(248));
  bench.receive(frame(60));
  expect(bench.pioFrame()?.bytes).toEqual(frame(60));
});

test.each([
  [0x50, 0x46],
  [0x46, 0x46],
  [0x46, 0x47],
  [0x46, 0x51],
  [0x3f, 0x50],
  [0, 0xffff],
  [0xffff, 0xffff],
])('PSTART %i and PSTOP %i are no ring: a violation, every frame missed, nothing written', (pstart, pstop) => {
  const bench = new Bench();
  bench.write(NIC.PSTART, pstart);
  bench.write(NIC.PSTOP, pstop);
  bench.start(PIO_ON, SLOW);
  expect(bench.rules()).toEqual(['page-ring-bounds']);
  const before = bench.arena.slice();
  bench.receive(frame(60));
  bench.write(NIC.BNRY, 0x1234);
  bench.receive(frame(60));
  expect(counters(bench)).toMatchObject({ MPC: 2, GPRC: 0 });
  expect(bench.arena).toEqual(before);
});

test('receiver on, PSTART or PSTOP written: ignored, a violation', () => {
  const bench = pioBench();
  bench.write(NIC.PSTART, 0x47);
  bench.write(NIC.PSTOP, 0x4f);
  expect(bench.rules()).toEqual(['page-ring-changed-enabled', 'page-ring-changed-enabled']);
  expect([bench.peek(NIC.PSTART), bench.peek(NIC.PSTOP)]).toEqual([0x46, 0x50]);
});

test('BNRY: the card’s in descriptor mode, inside the ring, and never past CURR without a violation', () => {
  const bench = pioBench();
  bench.write(NIC.BNRY, 0x45);
  bench.write(NIC.BNRY, 0x50);
  expect(bench.rules()).toEqual(['bnry-outside-ring', 'bnry-outside-ring']);
  expect(bench.peek(NIC.BNRY)).toBe(0x4f);
  bench.write(NIC.BNRY, 0x46); // the ring is empty: this page is CURR
  expect(bench.rules()).toEqual(['bnry-past-curr']);
  bench.receive(frame(60));
  expect(bench.peek(NIC.MPC)).toBe(1);
  const owned = new Bench();
  owned.start(NIC.CTRL.RXE.mask);
  owned.write(NIC.BNRY, 0x48);
  expect(owned.rules()).toEqual(['bnry-owned']);
  expect(owned.peek(NIC.BNRY)).toBe(0x4f);
});

test('CTRL.PIO changed while the receiver is on: stays, a violation, the other bits are taken', () => {
  const bench = new Bench();
  bench.start(NIC.CTRL.RXE.mask);
  bench.write(NIC.CTRL, PIO_ON | NIC.CTRL.TXE.mask);
  expect(bench.rules()).toEqual(['mode-changed-enabled']);
  expect(bench.read(NIC.CTRL)).toBe(NIC.CTRL.RXE.mask | NIC.CTRL.TXE.mask);
  bench.write(NIC.CTRL, 0);
  bench.write(NIC.CTRL, PIO_ON);
  expect(bench.rules()).toEqual([]);
});

test('data port: reads wrap at PSTOP, count down, raise RDC, then are dead', () => {
  const bench = pioBench();
  bench.write(NIC.ISR, 0x3ff);
  bench.pioWrite(0x4ffe, Uint8Array.of(1, 2));
  expect(bench.peek(NIC.RSAR)).toBe(0x4600);
  expect(bench.peek(NIC.ISR)).toBe(NIC.ISR.RDC.mask);
  bench.pioWrite(0x4600, Uint8Array.of(3, 4, 5));
  expect([...bench.pioRead(0x4ffe, 5, 32)]).toEqual([1, 2, 3, 4, 5]);
  expect(bench.rules()).toEqual([]);
  expect(bench.nic.read(0, NIC.DATA.offset, 16)).toBe(0xffff);
  bench.nic.write(0, NIC.DATA.offset, 8, 1);
  expect(bench.rules()).toEqual(['remote-count', 'remote-count']);
  expect(bench.peek(NIC.RBCR)).toBe(0);
});

test('data port: fewer bytes left than the access moves', () => {
  const bench = pioBench();
  bench.pioWrite(0x4000, Uint8Array.of(9, 8, 7, 6));
  bench.write(NIC.RSAR, 0x4000);
  bench.write(NIC.RBCR, 1);
  expect(bench.nic.read(0, NIC.DATA.offset, 32)).toBe(0xffffff09);
  bench.write(NIC.RSAR, 0x4000);
  bench.write(NIC.RBCR, 3);
  bench.nic.write(0, NIC.DATA.offset, 32, 0x44332211);
  expect(bench.rules()).toEqual(['remote-count', 'remote-count']);
  expect([...bench.pioRead(0x4000, 4)]).toEqual([0x11, 0x22, 0x33, 6]);
});

test.each([0, 0x3ffe, 0x5000, 0xfffe])('data port at %i, outside packet memory: FFh, lost, a violation', address => {
  const bench = pioBench();
  bench.write(NIC.PSTOP, 0x50);
  bench.rules();
  const before = bench.arena.slice();
  bench.write(NIC.RSAR, address);
  bench.write(NIC.RBCR, 8);
  expect(bench.nic.read(0, NIC.DATA.offset, 16)).toBe(0xffff);
  bench.nic.write(0, NIC.DATA.offset, 8, 0);
  expect(bench.peek(NIC.RBCR)).toBe(5);
  expect(bench.rules()).toContain('remote-window');
  const after = bench.arena.slice();
  if (address !== 0x3ffe) expect(after).toEqual(before);
  expect(bench.guardsIntact()).toBe(true);
});

test('the destination address of the tests is the card’s own', () => {
  expect(frame(14).subarray(0, 6)).toEqual(MAC);
});
