import { expect, test } from 'vitest';
import { FCS_GOOD } from '../../device/ports.ts';
import { RXD } from '../../device/regs/desc.ts';
import { NIC } from '../../device/regs/nic.ts';
import { ERROR_DRIBBLE } from '../../device/rx.ts';
import { Bench, BROADCAST, BUFFER, counters, fcs, frame, MULTICAST, RAM_BASE, RX_BUFFERS, RX_RING } from './bench.ts';

const RXE = NIC.CTRL.RXE.mask;
const { RCR, ISR } = NIC;

function started(rcr: number, options: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const bench = new Bench(options);
  bench.start(RXE, rcr);
  bench.rxRing(8, 7);
  return bench;
}

test('a frame to the station arrives: payload in the buffer, DD and EOP, RX raised, pages given back', () => {
  const bench = started(0);
  bench.write(NIC.IMS, ISR.RX.mask);
  const sent = frame(900);
  bench.receive(sent);
  expect(bench.rxStatus(0)).toBe(RXD.STATUS.DD.mask | RXD.STATUS.EOP.mask);
  expect(bench.rxBytes(0)).toEqual(sent);
  expect(bench.level).toBe(true);
  expect(bench.read(NIC.RDH)).toBe(1);
  expect(bench.read(NIC.BNRY)).toBe(bench.read(NIC.CURR) - 1);
  expect(bench.ram.view.getUint32(RX_RING - RAM_BASE, true)).toBe(0);
  expect(counters(bench)).toMatchObject({ GPRC: 1, GORC: 900, BPRC: 0 });
  expect(bench.rules()).toEqual([]);
});

test('payload is written before the descriptor, the descriptor before the pin rises', () => {
  const bench = started(0);
  bench.write(NIC.IMS, ISR.RX.mask);
  const log: string[] = [];
  bench.ram.log = log;
  bench.nic.trace.irq = level => log.push(`irq ${level}`);
  bench.receive(frame(60));
  const hex = (address: number): string => address.toString(16);
  expect(log).toEqual([`${hex(RX_BUFFERS)}+60`, `${hex(RX_RING)}+16`, 'irq true']);
});

test('receive DMA takes its time: payload first, DD at the end of it', () => {
  const bench = started(0, { rate: 1e9 });
  bench.nic.advance(1000);
  bench.receive(frame(1000));
  expect(bench.ram.bytes[RX_BUFFERS - RAM_BASE]).toBe(2);
  expect(bench.nic.deadline).toBe(1000 + 200 + (1000 + 32) / 4);
  bench.nic.advance(bench.nic.deadline - 1);
  expect([bench.rxStatus(0), bench.read(NIC.RDH)]).toEqual([0, 0]);
  expect(bench.read(NIC.BNRY)).toBe(0x4f);
  bench.nic.advance(bench.nic.deadline);
  expect([bench.rxStatus(0) & 1, bench.read(NIC.RDH)]).toEqual([1, 1]);
});

test('no descriptor: the frame waits, RXDU and RXW; the doorbell moves it', () => {
  const bench = new Bench();
  bench.start(RXE, 0);
  bench.rxRing(4, 0);
  bench.receive(frame(60, 1));
  bench.receive(frame(60, 2));
  expect(bench.peek(NIC.ISR)).toBe(ISR.RXDU.mask);
  expect(bench.peek(NIC.STATUS) & NIC.STATUS.RXW.mask).not.toBe(0);
  bench.write(NIC.RDT, 1);
  expect(bench.rxBytes(0)).toEqual(frame(60, 1));
  expect(bench.peek(NIC.STATUS) & NIC.STATUS.RXW.mask).not.toBe(0);
  bench.write(NIC.RDT, 3);
  expect(bench.rxBytes(1)).toEqual(frame(60, 2));
  expect(bench.peek(NIC.STATUS) & NIC.STATUS.RXW.mask).toBe(0);
});

test('no descriptor and DROP: the frame is counted in RNBC and its pages are free', () => {
  const bench = new Bench();
  bench.start(RXE, 0);
  bench.rxRing(4, 1, BUFFER, NIC.RDCTL.DROP.mask);
  for (let i = 0; i < 50; i++) bench.receive(frame(1000, i));
  expect(counters(bench)).toMatchObject({ GPRC: 50, RNBC: 49, MPC: 0 });
});

test('queue switched off and on with frames waiting: they go to descriptor 0 of the new ring', () => {
  const bench = started(0);
  bench.receive(frame(60));
  bench.write(NIC.RDCTL, BUFFER << 16);
  bench.receive(frame(60, 5));
  expect(bench.rxStatus(1)).toBe(0);
  bench.rxRing(4, 3);
  expect(bench.rxBytes(0)).toEqual(frame(60, 5));
  expect(bench.read(NIC.RDH)).toBe(1);
});

test('buffer smaller than the frame: TRUNC, the rest is gone', () => {
  const bench = new Bench();
  bench.start(RXE, 0);
  bench.rxRing(4, 3, 100);
  bench.receive(frame(300));
  expect(bench.rxStatus(0)).toBe(3 | RXD.STATUS.TRUNC.mask);
  expect(bench.rxBytes(0)).toEqual(frame(300).slice(0, 100));
  expect(bench.ram.bytes[RX_BUFFERS - RAM_BASE + 100]).toBe(0);
});

test('KEEP: four more bytes, the FCS, also where the ring wraps inside it', () => {
  const bench = started(RCR.KEEP.mask);
  // 4, 2 and 1 pages of a ring of 10: every start page; the FCS of the first lies across a page's end.
  const frames = [frame(762), frame(500), frame(200)];
  for (let i = 0; i < 40; i++) {
    const index = i % 8;
    const sent = frames[i % 3] as Uint8Array;
    bench.receive(sent);
    const got = bench.rxBytes(index);
    expect(got.length).toBe(sent.length + 4);
    expect(Buffer.from(got).readUInt32LE(sent.length)).toBe(fcs(sent));
    bench.rxGive((index + 7) % 8);
    bench.write(NIC.RDT, index);
  }
  expect(bench.read(NIC.MPC)).toBe(0);
});

test('filter: station, broadcast, multicast hash, all-multicast, promiscuous', () => {
  const other = Uint8Array.of(2, 0, 0, 0, 0, 9);
  const cases: [rcr: number, to: Uint8Array, accepted: boolean][] = [
    [0, other, false],
    [0, BROADCAST, false],
    [RCR.AB.mask, BROADCAST, true],
    [RCR.AM.mask | RCR.AMA.mask, BROADCAST, false],
    [0, MULTICAST, false],
    [RCR.AB.mask, MULTICAST, false],
    [RCR.AM.mask, MULTICAST, false],
    [RCR.AMA.mask, MULTICAST, true],
    [RCR.AMA.mask, other, false],
    [RCR.PRO.mask, other, true],
    [RCR.PRO.mask, MULTICAST, true],
    [RCR.PRO.mask, BROADCAST, true],
  ];
  for (const [rcr, to, accepted] of cases) {
    const bench = started(rcr);
    bench.receive(frame(60, 0, to));
    expect(counters(bench)).toMatchObject(accepted ? { GPRC: 1, FILT: 0 } : { GPRC: 0, FILT: 1 });
  }
});

test('every bit of the hash table accepts its addresses and no others', () => {
  const seen = new Set<number>();
  for (let last = 0; last < 256 && seen.size < 64; last++) {
    const to = Uint8Array.of(1, 0, 0x5e, 1, 2, last);
    for (let bit = 0; bit < 64; bit++) {
      if (seen.has(bit)) continue;
      const bench = started(RCR.AM.mask);
      bench.write(NIC.MAR0, bit < 32 ? (1 << bit) >>> 0 : 0);
      bench.write(NIC.MAR1, bit < 32 ? 0 : (1 << (bit - 32)) >>> 0);
      bench.receive(frame(60, 0, to));
      if (bench.read(NIC.GPRC) === 0) continue;
      seen.add(bit);
      bench.write(NIC.MAR0, bench.read(NIC.MAR0) ^ 0xffffffff);
      bench.write(NIC.MAR1, bench.read(NIC.MAR1) ^ 0xffffffff);
      bench.receive(frame(60, 0, to));
      expect(bench.read(NIC.FILT)).toBe(1);
      break;
    }
  }
  expect(seen.size).toBe(64);
});

test('multicast and broadcast are told apart in the descriptor', () => {
  const bench = started(RCR.AB.mask | RCR.AMA.mask);
  bench.receive(frame(60, 0, MULTICAST));
  bench.receive(frame(60, 0, BROADCAST));
  expect(bench.rxStatus(0)).toBe(3 | RXD.STATUS.MC.mask);
  expect(bench.rxStatus(1)).toBe(3 | RXD.STATUS.BC.mask);
});

test('wrong FCS: counted, with SEP stored and marked', () => {
  const bench = started(0);
  bench.receive(frame(60), 1);
  bench.receive(frame(60), fcs(frame(60)));
  bench.write(NIC.RCR, RCR.SEP.mask);
  bench.receive(frame(60), 1);
  expect(counters(bench)).toMatchObject({ CRCERR: 2, GPRC: 1, BPRC: 1 });
  expect([bench.rxStatus(0), bench.rxStatus(1)]).toEqual([3, 3 | RXD.STATUS.CRC.mask]);
});

test('dribble bits: no error with a right FCS, alignment with a wrong one', () => {
  const bench = started(RCR.SEP.mask);
  const bytes = frame(60);
  bench.nic.receiveErrored(bytes, 0, 60, FCS_GOOD, 0, ERROR_DRIBBLE);
  bench.nic.receiveErrored(bytes, 0, 60, 7, 0, ERROR_DRIBBLE);
  expect(counters(bench)).toMatchObject({ ALGNERR: 1, CRCERR: 0, GPRC: 1, BPRC: 1 });
  expect(bench.rxStatus(1)).toBe(3 | RXD.STATUS.CRC.mask | RXD.STATUS.ALN.mask);
});

test('runts: counted; stored with AR from 14 bytes on', () => {
  const bench = started(0);
  bench.receive(frame(59));
  expect(counters(bench)).toMatchObject({ RUNT: 1, GPRC: 0, BPRC: 0 });
  bench.write(NIC.RCR, RCR.AR.mask);
  for (const length of [0, 5, 13]) bench.receive(frame(length));
  expect(counters(bench)).toMatchObject({ RUNT: 4, BPRC: 0 });
  bench.receive(frame(14));
  bench.receive(frame(60));
  expect(counters(bench)).toMatchObject({ RUNT: 5, BPRC: 1, GPRC: 1 });
  expect(bench.rxStatus(0)).toBe(3 | RXD.STATUS.RUNT.mask);
  expect(bench.rxBytes(0)).toEqual(frame(14));
});

test('giants: longer than MAXLEN', () => {
  const bench = started(0);
  bench.receive(frame(1515));
  bench.write(NIC.MAXLEN, 1600);
  bench.receive(frame(1515));
  expect(counters(bench)).toMatchObject({ GIANT: 1, GPRC: 1 });
  expect(bench.rxLength(0)).toBe(1515);
});

test('receiver off, link down: RXOFF; the link raises LSC and shows in STATUS', () => {
  const bench = new Bench({ rate: 1e8 });
  bench.receive(frame(60));
  bench.start(RXE, 0);
  expect(bench.read(NIC.STATUS)).toBe(0x000a0007);
  bench.nic.setLink(false);
  bench.nic.setLink(false);
  bench.receive(frame(60));
  expect(bench.read(NIC.STATUS)).toBe(1);
  expect(bench.read(NIC.ISR)).toBe(ISR.LSC.mask);
  expect(bench.read(NIC.RXOFF)).toBe(2);
  bench.nic.setLink(true);
  expect(bench.read(NIC.STATUS)).toBe(1);
  bench.nic.advance(bench.nic.time + 50_000);
  expect(bench.read(NIC.STATUS)).toBe(0x000a0007);
});

test('DMA fault at descriptor, payload or write-back: the frame is lost and counted, the next one gets through', () => {
  for (let access = 1; access <= 3; access++) {
    const bench = started(0);
    const reasons: string[] = [];
    bench.nic.trace.rx_dropped = (_, reason) => reasons.push(reason);
    bench.ram.faultAfter = bench.ram.accesses + access - 1;
    bench.receive(frame(60));
    bench.ram.faultAfter = Infinity;
    expect(bench.rxStatus(0)).toBe(0);
    expect(bench.read(NIC.ISR)).toBe(ISR.DMAE.mask);
    expect(bench.rules()).toEqual(['dma-fault']);
    expect(reasons).toEqual(['dma_fault']);
    expect(bench.read(NIC.RDH)).toBe(0);
    bench.receive(frame(60, 3));
    expect(bench.rxBytes(0)).toEqual(frame(60, 3));
    expect(counters(bench)).toMatchObject({ GPRC: 2, RXDMAE: 1 });
  }
});

test('receiver off and on while a frame is being moved: it is delivered and not counted as discarded', () => {
  const bench = started(0, { rate: 1e9 });
  bench.receive(frame(60, 1));
  bench.receive(frame(60, 2));
  bench.write(NIC.CTRL, 0);
  bench.write(NIC.CTRL, RXE);
  expect(bench.peek(NIC.RXDISC)).toBe(1);
  bench.receive(frame(60, 3));
  bench.nic.advance(10_000);
  expect(bench.rxBytes(0)).toEqual(frame(60, 1));
  expect(bench.rxBytes(1)).toEqual(frame(60, 3));
  expect(bench.rxStatus(2)).toBe(0);
  bench.receive(frame(1514));
  bench.nic.advance(20_000);
  expect(bench.rxBytes(2)).toEqual(frame(1514));
});

test('tracing tells a frame’s way with its id', () => {
  const bench = started(0);
  const seen: unknown[] = [];
  const { trace } = bench.nic;
  trace.frame_arrived = (...args) => seen.push(['arrived', ...args]);
  trace.rx_stored = (...args) => seen.push(['stored', ...args]);
  trace.rx_dma = (...args) => seen.push(['dma', ...args]);
  trace.rx_done = (...args) => seen.push(['done', ...args]);
  bench.receive(frame(60), FCS_GOOD, 42);
  expect(seen).toEqual([
    ['arrived', 42, 60],
    ['stored', 42, 0x46, 60],
    ['dma', 42, 0, 0, RX_BUFFERS, 60],
    ['done', 42, 0, 0],
  ]);
});
