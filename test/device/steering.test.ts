/** Receive side scaling and queues: hash, table, drop and hold, order among queues. */
import { expect, test } from 'vitest';
import { RXD, TXD } from '../../device/regs/desc.ts';
import { NIC, QUEUES } from '../../device/regs/nic.ts';
import { Bench, BUFFER, counters, frame, MAC, RAM_BASE, RX_BUFFERS, TX_BUFFERS } from './bench.ts';

const { RXE, TXE } = NIC.CTRL;
const ALL = 0x3f;
const RING = 16;
/** Rings of the queues, apart from each other. */
const ringOf = (queue: number): number => 0x10000 + 0x3000 + queue * 0x400;
const txRingOf = (queue: number): number => 0x10000 + 0x5000 + queue * 0x400;
const bufferOf = (queue: number, index: number): number => RX_BUFFERS + (queue * RING + index) * BUFFER;

/** The key and the tuples of Microsoft's "Verifying the RSS hash calculation". */
const KEY = '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa';
const V4: [string, number, string, number, number, number][] = [
  ['66.9.149.187', 2794, '161.142.100.80', 1766, 0x323e8fc2, 0x51ccc178],
  ['199.92.111.2', 14230, '65.69.140.83', 4739, 0xd718262a, 0xc626b0ea],
  ['24.19.198.95', 12898, '12.22.207.184', 38024, 0xd2d0a5de, 0x5c2b394a],
  ['38.27.205.30', 48228, '209.142.163.6', 2217, 0x82989176, 0xafc7327f],
  ['153.39.163.191', 44251, '202.188.127.2', 1303, 0x5d1809c5, 0x10e828a2],
];

function write(bench: Bench, offset: number, value: number): void {
  bench.nic.write(0, offset, 32, value >>> 0);
}

function setKey(bench: Bench): void {
  const bytes = Buffer.from(KEY, 'hex');
  for (let i = 0; i < 10; i++) write(bench, NIC.RSSK.offset + 4 * i, bytes.readUInt32LE(4 * i));
}

function ipv4(
  source: string,
  sport: number,
  destination: string,
  dport: number,
  protocol = 6,
  fragment = 0,
): Uint8Array {
  const bytes = new Uint8Array(74);
  const view = new DataView(bytes.buffer);
  bytes.set(MAC);
  view.setUint16(12, 0x0800);
  bytes[14] = 0x45;
  view.setUint16(16, 60);
  view.setUint16(20, fragment);
  bytes[23] = protocol;
  bytes.set(source.split('.').map(Number), 26);
  bytes.set(destination.split('.').map(Number), 30);
  view.setUint16(34, sport);
  view.setUint16(36, dport);
  return bytes;
}

function ipv6(
  source: string,
  sport: number,
  destination: string,
  dport: number,
  protocol: number,
  hops = 0,
): Uint8Array {
  const bytes = new Uint8Array(14 + 40 + 8 * hops + 20);
  const view = new DataView(bytes.buffer);
  bytes.set(MAC);
  view.setUint16(12, 0x86dd);
  bytes[14] = 0x60;
  view.setUint16(18, 8 * hops + 20);
  bytes[20] = hops > 0 ? 0 : protocol;
  bytes.set(Buffer.from(source, 'hex'), 22);
  bytes.set(Buffer.from(destination, 'hex'), 38);
  for (let i = 0; i < hops; i++) bytes[54 + 8 * i] = i === hops - 1 ? protocol : 0;
  const l4 = 54 + 8 * hops;
  view.setUint16(l4, sport);
  view.setUint16(l4 + 2, dport);
  return bytes;
}

function queues(on: readonly number[], flags = 0): Bench {
  const bench = new Bench();
  bench.start(RXE.mask | TXE.mask);
  for (const queue of on) {
    for (let i = 0; i < RING; i++) give(bench, queue, i);
    const at = queue * NIC.RDBA.stride;
    write(bench, NIC.RDBA.offset + at, ringOf(queue));
    write(bench, NIC.RDLEN.offset + at, RING);
    write(bench, NIC.RDT.offset + at, RING - 1);
    write(bench, NIC.RDCTL.offset + at, 1 | flags | (BUFFER << 16));
  }
  return bench;
}

function give(bench: Bench, queue: number, index: number): void {
  const at = ringOf(queue) - RAM_BASE + index * RXD.bytes;
  bench.ram.view.setUint32(at, bufferOf(queue, index), true);
  bench.ram.view.setUint32(at + 4, 0, true);
  bench.ram.view.setUint32(at + 12, 0, true);
}

function word(bench: Bench, queue: number, index: number, which: number): number {
  return bench.ram.view.getUint32(ringOf(queue) - RAM_BASE + index * RXD.bytes + 4 * which, true);
}

const htype = (status: number): number => (status & RXD.STATUS.HTYPE.mask) >>> RXD.STATUS.HTYPE.lsb;

test.each(V4)('%s:%i → %s:%i: the hashes that Microsoft publishes', (source, sport, destination, dport, plain, tcp) => {
  const bench = queues([0]);
  setKey(bench);
  bench.write(NIC.RSSC, ALL);
  bench.receive(ipv4(source, sport, destination, dport));
  bench.receive(ipv4(source, sport, destination, dport, 17));
  bench.receive(ipv4(source, sport, destination, dport, 47));
  bench.receive(ipv4(source, sport, destination, dport, 6, 0x2000));
  bench.receive(ipv4(source, sport, destination, dport, 6, 0x0010));
  expect([0, 1, 2, 3, 4].map(i => word(bench, 0, i, 1))).toEqual([tcp, tcp, plain, plain, plain]);
  expect([0, 1, 2, 3, 4].map(i => htype(word(bench, 0, i, 3)))).toEqual([2, 3, 1, 1, 1]);
  bench.write(NIC.RSSC, NIC.RSSC.IP4.mask);
  bench.receive(ipv4(source, sport, destination, dport));
  expect([word(bench, 0, 5, 1), htype(word(bench, 0, 5, 3))]).toEqual([plain, 1]);
});

test.each([
  ['3ffe25010200 1fff 0000000000000007', 2794, '3ffe250102000003 0000000000000001', 1766, 0x2cc18cd5, 0x40207d3d],
  ['3ffe050100080000 0260 97fffe40efab', 14230, 'ff02000000000000 0000000000000001', 4739, 0x0f0c461c, 0xdde51bbf],
  ['3ffe190045450003 0200f8fffe21 67cf', 44251, 'fe80000000000000 0200f8fffe2167cf', 38024, 0x4b61e985, 0x02d1feef],
])('IPv6 %s: the hashes that Microsoft publishes', (source, sport, destination, dport, plain, tcp) => {
  const bench = queues([0]);
  const [from, to] = [source.replaceAll(' ', ''), destination.replaceAll(' ', '')];
  setKey(bench);
  bench.write(NIC.RSSC, ALL);
  bench.receive(ipv6(from, sport, to, dport, 6));
  bench.receive(ipv6(from, sport, to, dport, 17));
  bench.receive(ipv6(from, sport, to, dport, 58));
  bench.receive(ipv6(from, sport, to, dport, 6, 3));
  bench.receive(ipv6(from, sport, to, dport, 44));
  expect([0, 1, 2, 3, 4].map(i => word(bench, 0, i, 1))).toEqual([tcp, tcp, plain, tcp, plain]);
  expect([0, 1, 2, 3, 4].map(i => htype(word(bench, 0, i, 3)))).toEqual([5, 6, 4, 5, 4]);
});

test('RETA spreads by the low seven bits of the hash; what is not hashed goes to queue 0', () => {
  const bench = queues([0, 1, 2, 3]);
  setKey(bench);
  bench.write(NIC.RSSC, ALL);
  for (let i = 0; i < 32; i++) write(bench, NIC.RETA.offset + 4 * i, 0x03020100);
  const expected = [0, 0, 0, 0];
  for (const [source, sport, destination, dport, , hash] of V4) {
    bench.receive(ipv4(source, sport, destination, dport));
    const queue = hash & 3;
    expect(word(bench, queue, expected[queue] as number, 1)).toBe(hash);
    expected[queue] = (expected[queue] as number) + 1;
  }
  bench.receive(frame(60));
  expected[0] = (expected[0] as number) + 1;
  expect([0, 1, 2, 3].map(q => bench.nic.peek(NIC.RDH.offset + q * NIC.RDH.stride))).toEqual(expected);
  expect([0, 1, 2, 3].map(q => bench.nic.peek(NIC.QSR.offset + q * NIC.QSR.stride) & 1)).toEqual(
    expected.map(n => (n > 0 ? 1 : 0)),
  );
});

/** A frame that RSS sends to `queue`, by its one-entry table. */
function toQueue(bench: Bench, queue: number): void {
  setKey(bench);
  bench.write(NIC.RSSC, ALL);
  for (let i = 0; i < 32; i++) write(bench, NIC.RETA.offset + 4 * i, queue * 0x01010101);
  const [source, sport, destination, dport] = V4[0] as (typeof V4)[0];
  bench.receive(ipv4(source, sport, destination, dport));
}

test('more than one queue on, none of DROP and HOLD: a queue without descriptors loses its frames', () => {
  const bench = queues([0, 1]);
  write(bench, NIC.RDT.offset + NIC.RDT.stride, 0);
  toQueue(bench, 1);
  toQueue(bench, 3); // off
  bench.receive(frame(60));
  expect(counters(bench)).toMatchObject({ RNBC: 2, GPRC: 3 });
  expect(bench.nic.peek(NIC.RDH.offset)).toBe(1);
  expect(bench.nic.peek(NIC.ISR.offset) & NIC.ISR.RXDU.mask).toBe(0);
});

test('HOLD: the frame waits and everything behind it; RXDU of that queue; its doorbell lets them go', () => {
  const bench = queues([0, 1], NIC.RDCTL.HOLD.mask);
  write(bench, NIC.RDT.offset + NIC.RDT.stride, 0);
  toQueue(bench, 1);
  bench.receive(frame(60));
  expect(counters(bench)).toMatchObject({ RNBC: 0, GPRC: 2 });
  expect(bench.nic.peek(NIC.RDH.offset)).toBe(0);
  expect(bench.nic.peek(NIC.QSR.offset + NIC.QSR.stride)).toBe(NIC.QSR.RXDU.mask);
  expect(bench.read(NIC.STATUS) & NIC.STATUS.RXW.mask).not.toBe(0);
  write(bench, NIC.RDT.offset + NIC.RDT.stride, 5);
  expect([bench.nic.peek(NIC.RDH.offset), bench.nic.peek(NIC.RDH.offset + NIC.RDH.stride)]).toEqual([1, 1]);
});

test('one queue on: it holds its frames, as ever', () => {
  const bench = queues([2]);
  write(bench, NIC.RDT.offset + 2 * NIC.RDT.stride, 0);
  toQueue(bench, 2);
  expect(counters(bench)).toMatchObject({ RNBC: 0, GPRC: 1 });
});

test('sending: the queues take turns frame by frame, each with its own TX cause', () => {
  const bench = queues([]);
  for (let queue = 0; queue < QUEUES; queue++) {
    const at = queue * NIC.TDBA.stride;
    for (let i = 0; i < 8; i++) {
      bench.ram.bytes.set(frame(60, queue), TX_BUFFERS - RAM_BASE + queue * 64);
      const d = txRingOf(queue) - RAM_BASE + i * TXD.bytes;
      bench.ram.view.setUint32(d, TX_BUFFERS + queue * 64, true);
      bench.ram.view.setUint32(d + 8, 60, true);
      bench.ram.view.setUint32(d + 12, 3, true);
    }
    write(bench, NIC.TDBA.offset + at, txRingOf(queue));
    write(bench, NIC.TDLEN.offset + at, 8);
    write(bench, NIC.TDT.offset + at, queue === 1 ? 1 : 3);
  }
  bench.write(NIC.CTRL, RXE.mask);
  for (let queue = 0; queue < QUEUES; queue++) write(bench, NIC.TDCTL.offset + queue * NIC.TDBA.stride, 1);
  bench.write(NIC.CTRL, TXE.mask);
  const order = bench.sent.map(({ bytes }) => (((bytes[20] as number) - 140) & 0xff) / 13);
  expect(order.length).toBe(10);
  expect(order.slice(0, 4).sort()).toEqual([0, 1, 2, 3]);
  expect(order.filter(queue => queue === 1).length).toBe(1);
  expect(order.slice(4, 7).sort()).toEqual([0, 2, 3]);
  expect([0, 1, 2, 3].map(q => bench.nic.peek(NIC.QSR.offset + q * NIC.QSR.stride))).toEqual([2, 2, 2, 2]);
  expect(bench.rules()).toEqual([]);
});

test('a queue whose descriptor cannot be fetched stops; the others go on; its doorbell tries again', () => {
  const bench = queues([]);
  const at = NIC.TDBA.stride;
  write(bench, NIC.TDBA.offset + at, 0xfff00000);
  write(bench, NIC.TDLEN.offset + at, 8);
  write(bench, NIC.TDCTL.offset + at, 1);
  bench.txRing(8);
  write(bench, NIC.TDT.offset + at, 3);
  bench.txFrame(0, frame(60));
  bench.txFrame(1, frame(60));
  expect(bench.sent.length).toBe(2);
  expect(bench.rules()).toEqual(['dma-fault']);
  write(bench, NIC.TDT.offset + at, 4);
  expect(bench.rules()).toEqual(['dma-fault']);
});

test('reset: one queue off like the other, RSS off, table and key 0', () => {
  const bench = queues([0, 1, 2, 3]);
  toQueue(bench, 3);
  bench.write(NIC.CTRL, 1);
  bench.nic.advance(20_000);
  for (let queue = 0; queue < QUEUES; queue++) {
    expect(bench.nic.peek(NIC.RDCTL.offset + queue * NIC.RDCTL.stride)).toBe(0);
  }
  expect([bench.peek(NIC.RSSC), bench.peek(NIC.RETA), bench.peek(NIC.RSSK)]).toEqual([0, 0, 0]);
});
