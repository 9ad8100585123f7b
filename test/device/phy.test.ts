/** MDIO, the PHY's registers, autonegotiation; loopback in MAC and PHY; pause frames. */
import { expect, test } from 'vitest';
import * as phy from '../../device/phy.ts';
import { NIC } from '../../device/regs/nic.ts';
import { Bench, counters, frame, MAC } from './bench.ts';

const { RXE, TXE, PIO } = NIC.CTRL;
const MDIO_NS = 25_600;
const NEGOTIATE_NS = 50_000;

function command(op: number, register: number, data = 0, address = 1): number {
  return (data | (register << 16) | (address << 21) | (op << 26)) >>> 0;
}

function mdioRead(bench: Bench, register: number, address = 1): number {
  bench.write(NIC.MDIC, command(2, register, 0, address));
  bench.nic.advance(bench.nic.time + MDIO_NS);
  expect(bench.read(NIC.MDIC) & NIC.MDIC.READY.mask).not.toBe(0);
  return bench.read(NIC.MDIC) & 0xffff;
}

function mdioWrite(bench: Bench, register: number, value: number): void {
  bench.write(NIC.MDIC, command(1, register, value));
  bench.nic.advance(bench.nic.time + MDIO_NS);
}

const linkUp = (bench: Bench): boolean => (bench.read(NIC.STATUS) & NIC.STATUS.LU.mask) !== 0;

test('an MDIO access takes 25.6 µs; another one meanwhile is ignored, a violation', () => {
  const bench = new Bench({ rate: 1e9 });
  bench.write(NIC.MDIC, command(2, phy.PHYID1));
  expect(bench.read(NIC.MDIC) & NIC.MDIC.READY.mask).toBe(0);
  bench.write(NIC.MDIC, command(2, phy.PHYID2));
  expect(bench.rules()).toEqual(['mdio-busy']);
  expect(bench.nic.deadline).toBe(MDIO_NS);
  bench.nic.advance(MDIO_NS);
  expect(bench.read(NIC.MDIC)).toBe((command(2, phy.PHYID1, 0x5249) | NIC.MDIC.READY.mask) >>> 0);
});

test('at another address nobody answers', () => {
  const bench = new Bench();
  expect(mdioRead(bench, phy.BMSR, 2)).toBe(0xffff);
  expect(bench.read(NIC.MDIC) & NIC.MDIC.ERR.mask).not.toBe(0);
  expect(bench.rules()).toEqual(['mdio-address']);
  mdioRead(bench, phy.BMSR);
  expect(bench.read(NIC.MDIC) & NIC.MDIC.ERR.mask).toBe(0);
});

test('operations 0 and 3: nothing happens', () => {
  const bench = new Bench();
  for (const op of [0, 3]) {
    bench.write(NIC.MDIC, command(op, 1, 7));
    expect(bench.read(NIC.MDIC) & NIC.MDIC.READY.mask).not.toBe(0);
  }
});

test('every register after power-on', () => {
  const bench = new Bench({ rate: 100e6 });
  const values = Array.from({ length: 16 }, (_, register) => mdioRead(bench, register));
  expect(values).toEqual([0x1140, 0x796d, 0x5249, 0x0010, 0x05e1, 0x4501, 0x0001, 0, 0, 0x0200, 0, 0, 0, 0, 0, 0x2000]);
  const fast = new Bench({ rate: 1e9 });
  expect([mdioRead(fast, phy.ANLPAR), mdioRead(fast, phy.GBSR)]).toEqual([0x4401, 0x3800]);
  const slow = new Bench({ rate: 10e6 });
  expect([mdioRead(slow, phy.ANLPAR), mdioRead(slow, phy.GBSR)]).toEqual([0x4441, 0]);
});

test('restart: the link goes, LSC, and comes back after its time; BMSR keeps the loss until it was read', () => {
  const bench = new Bench({ rate: 1e9 });
  bench.write(NIC.ISR, 0x80);
  mdioWrite(bench, phy.BMCR, 0x1340);
  expect([linkUp(bench), bench.read(NIC.ISR)]).toEqual([false, NIC.ISR.LSC.mask]);
  const at = bench.nic.time;
  expect(bench.nic.deadline).toBe(at + NEGOTIATE_NS);
  bench.nic.advance(at + 100);
  expect(mdioRead(bench, phy.BMSR) & 0x24).toBe(0);
  bench.nic.advance(at + NEGOTIATE_NS);
  expect(linkUp(bench)).toBe(true);
  expect(mdioRead(bench, phy.BMSR) & 0x24).toBe(0x20);
  expect(mdioRead(bench, phy.BMSR) & 0x24).toBe(0x24);
  expect(mdioRead(bench, phy.BMCR)).toBe(0x1140);
});

test.each([
  ['100 advertised', 100e6, 0x1140, 0x0101, true],
  ['only 10 advertised', 100e6, 0x1140, 0x0041, false],
  ['forced 100 full', 100e6, 0x2100, 0x05e1, true],
  ['forced 100 half', 100e6, 0x2000, 0x05e1, false],
  ['forced 10 full', 100e6, 0x0100, 0x05e1, false],
  ['power down', 100e6, 0x1940, 0x05e1, false],
  ['isolated', 100e6, 0x1540, 0x05e1, false],
])('%s: the link is %s', (_, rate, bmcr, anar, up) => {
  const bench = new Bench({ rate: rate as number });
  mdioWrite(bench, phy.ANAR, anar as number);
  mdioWrite(bench, phy.BMCR, (bmcr as number) | phy.BMCR_ANRESTART);
  bench.nic.advance(bench.nic.time + 1e6);
  expect(linkUp(bench)).toBe(up);
});

test('PHY reset brings everything back; a card reset leaves the PHY alone', () => {
  const bench = new Bench({ rate: 1e9 });
  mdioWrite(bench, phy.ANAR, 0);
  mdioWrite(bench, phy.GBCR, 0);
  bench.write(NIC.CTRL, 1);
  bench.nic.advance(bench.nic.time + 20_000);
  expect(mdioRead(bench, phy.GBCR)).toBe(0);
  mdioWrite(bench, phy.BMCR, 0x8000);
  expect([mdioRead(bench, phy.GBCR), mdioRead(bench, phy.ANAR)]).toEqual([0x0200, 0x05e1]);
});

test('a decorated PHY is what MDIO sees', () => {
  const bench = new Bench({
    decoratePhy: inner => ({
      read: () => 0x1234,
      write: (address, register, value) => inner.write(address, register, value),
      answers: () => true,
    }),
  });
  expect(mdioRead(bench, 0, 9)).toBe(0x1234);
});

// ---- loopback -----------------------------------------------------------------------------------------------------

test.each(['MAC', 'PHY'])('loopback in the %s: frames come back, none reaches the wire or comes from it', where => {
  const bench = new Bench();
  bench.start(RXE.mask | TXE.mask);
  bench.rxRing(8, 7);
  bench.txRing(8);
  bench.nic.setLink(false);
  if (where === 'MAC') bench.write(NIC.TCR, NIC.TCR.LB.mask);
  else mdioWrite(bench, phy.BMCR, 0x1140 | phy.BMCR_LOOPBACK);
  bench.receive(frame(60, 9));
  bench.txFrame(0, frame(100));
  expect(bench.sent).toEqual([]);
  expect(bench.rxBytes(0)).toEqual(frame(100));
  expect(counters(bench)).toMatchObject({ GPTC: 1, GPRC: 1, RXOFF: 1, TXLOST: 0 });
  if (where === 'MAC') bench.write(NIC.TCR, 0);
  else mdioWrite(bench, phy.BMCR, 0x1140);
  bench.nic.setLink(true);
  bench.nic.advance(bench.nic.time + NEGOTIATE_NS);
  bench.txFrame(1, frame(60));
  expect(bench.sent.length).toBe(1);
});

test('loopback by programmed I/O, with a wrong FCS of its own making', () => {
  const bench = new Bench();
  bench.start(RXE.mask | TXE.mask | PIO.mask);
  bench.write(NIC.TCR, NIC.TCR.LB.mask | NIC.TCR.CRCI.mask);
  bench.pioWrite(0x4000, frame(64));
  bench.write(NIC.PTX, (0x80000000 | 64) >>> 0);
  expect(counters(bench)).toMatchObject({ GPTC: 1, CRCERR: 1, GPRC: 0 });
  bench.write(NIC.TCR, NIC.TCR.LB.mask);
  bench.write(NIC.PTX, (0x80000000 | 64) >>> 0);
  expect(bench.pioFrame()?.bytes).toEqual(frame(64));
});

test('loopback with the receiver off: RXOFF', () => {
  const bench = new Bench();
  bench.start(TXE.mask);
  bench.txRing(4);
  bench.write(NIC.TCR, NIC.TCR.LB.mask);
  bench.txFrame(0, frame(60));
  expect(bench.peek(NIC.RXOFF)).toBe(1);
});

// ---- pause --------------------------------------------------------------------------------------------------------

const PAUSE_TO = [0x01, 0x80, 0xc2, 0, 0, 1];

function pauseFrame(quanta: number, to: readonly number[] = PAUSE_TO): Uint8Array {
  const bytes = new Uint8Array(60);
  bytes.set(to);
  bytes.set([2, 0, 0, 0, 0, 1, 0x88, 0x08, 0, 1, quanta >> 8, quanta & 255], 6);
  return bytes;
}

const QUANTUM_NS = 512;
const WIRE_60 = (8 + 60 + 4) * 8;

function flowing(fccr: number): Bench {
  const bench = new Bench({ rate: 1e9, timing: { dmaSetupNs: 0, dmaNsPerByte: 0 } });
  bench.start(RXE.mask | TXE.mask);
  bench.write(NIC.FCCR, fccr);
  bench.rxRing(8, 7);
  bench.txRing(8);
  return bench;
}

test.each([
  ['group', PAUSE_TO],
  ['own', [...MAC]],
] as const)('a pause frame to the %s address stops the transmitter for its quanta', (_, to) => {
  const bench = flowing(NIC.FCCR.RPE.mask);
  bench.receive(pauseFrame(10, to));
  bench.txFrame(0, frame(60));
  bench.nic.advance(10 * QUANTUM_NS);
  expect(bench.sent).toEqual([]);
  bench.nic.advance(10 * QUANTUM_NS + WIRE_60);
  expect(bench.sent.map(({ time }) => time)).toEqual([10 * QUANTUM_NS + WIRE_60]);
  expect(counters(bench)).toMatchObject({ PRXC: 1, GPRC: 0, FILT: 0 });
});

test('a frame on the wire finishes; quanta 0 ends the pause; a new pause replaces it', () => {
  const bench = flowing(NIC.FCCR.RPE.mask);
  bench.txFrame(0, frame(60));
  bench.receive(pauseFrame(100));
  bench.txFrame(1, frame(60));
  bench.nic.advance(1000);
  expect(bench.sent.length).toBe(1);
  bench.receive(pauseFrame(0));
  bench.nic.advance(1000 + WIRE_60);
  expect(bench.sent.length).toBe(2);
  bench.receive(pauseFrame(1000));
  bench.txFrame(2, frame(60));
  bench.receive(pauseFrame(2));
  bench.nic.advance(1000 + WIRE_60 + 2 * QUANTUM_NS + WIRE_60);
  expect(bench.sent.length).toBe(3);
});

test('without RPE, with a wrong FCS, or another opcode: a frame like any other', () => {
  const off = flowing(0);
  off.receive(pauseFrame(9));
  expect(counters(off)).toMatchObject({ PRXC: 0, GPRC: 1 });
  const bench = flowing(NIC.FCCR.RPE.mask);
  bench.receive(pauseFrame(9), 0x1234);
  const other = pauseFrame(9);
  other[15] = 2;
  bench.receive(other);
  expect(counters(bench)).toMatchObject({ PRXC: 0, CRCERR: 1, GPRC: 1 });
});

test('thresholds: XOFF when the ring fills, again while it stays full, XON when there is room', () => {
  const bench = flowing(NIC.FCCR.TPE.mask | (3 << 8) | (6 << 16));
  bench.write(NIC.PTIME, 100);
  bench.write(NIC.RDT, 0);
  for (let i = 0; i < 5; i++) bench.receive(frame(60));
  bench.nic.advance(bench.nic.time + 1000);
  expect(bench.sent).toEqual([]);
  bench.receive(frame(60));
  bench.nic.advance(bench.nic.time + 1000);
  expect(bench.sent.map(({ bytes }) => bytes)).toEqual([
    Uint8Array.from([...PAUSE_TO, ...MAC, 0x88, 0x08, 0, 1, 0, 100, ...new Uint8Array(42)]),
  ]);
  bench.receive(frame(60));
  bench.nic.advance(bench.nic.time + 1000);
  expect(bench.sent.length).toBe(1);
  bench.nic.advance(bench.nic.time + 50 * QUANTUM_NS);
  bench.receive(frame(60));
  bench.nic.advance(bench.nic.time + 1000);
  expect(bench.sent.length).toBe(2);
  bench.write(NIC.RDT, 7);
  bench.nic.advance(bench.nic.time + 10_000);
  expect(bench.sent.length).toBe(3);
  expect([...(bench.sent[2]?.bytes.slice(14, 18) ?? [])]).toEqual([0, 1, 0, 0]);
  expect(counters(bench)).toMatchObject({ PTXC: 3, GPTC: 0 });
});

test('a pause frame goes before the next frame of a queue', () => {
  const bench = flowing(NIC.FCCR.TPE.mask | (8 << 8) | (9 << 16));
  bench.write(NIC.RDT, 0);
  bench.txFrame(0, frame(60, 1));
  bench.txFrame(1, frame(60, 2));
  bench.receive(frame(60));
  bench.receive(frame(60));
  bench.nic.advance(1e5);
  expect(bench.sent.map(({ bytes }) => bytes[12])).toEqual([8, 0x88, 8]);
});

test('PTX while a pause frame is on the wire: the frame follows it', () => {
  const bench = new Bench({ rate: 1e9 });
  bench.start(RXE.mask | TXE.mask | PIO.mask);
  bench.write(NIC.FCCR, NIC.FCCR.TPE.mask | (8 << 8) | (9 << 16));
  bench.receive(frame(60));
  bench.receive(frame(60));
  bench.pioWrite(0x4000, frame(60));
  bench.write(NIC.PTX, (0x80000000 | 60) >>> 0);
  expect(bench.read(NIC.PTX) >>> 31).toBe(1);
  expect(bench.rules()).toEqual([]);
  bench.nic.advance(1e5);
  expect(bench.sent.map(({ bytes }) => bytes[12])).toEqual([0x88, 8]);
  expect(bench.read(NIC.PTX) >>> 31).toBe(0);
});

test('XOFF not below XON: a violation, no pause frame', () => {
  const bench = flowing(NIC.FCCR.TPE.mask | (9 << 8) | (9 << 16));
  expect(bench.rules()).toEqual(['pause-thresholds']);
  for (let i = 0; i < 9; i++) bench.receive(frame(60));
  bench.nic.advance(1e6);
  expect(bench.sent).toEqual([]);
});
