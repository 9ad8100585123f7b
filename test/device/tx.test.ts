import { expect, test } from 'vitest';
import { FCS_GOOD } from '../../device/ports.ts';
import { TXD } from '../../device/regs/desc.ts';
import { NIC } from '../../device/regs/nic.ts';
import { Bench, counters, fcs, frame, RAM_BASE, TX_BUFFERS, TX_RING } from './bench.ts';

const { EOP, RS, DD, ERR } = TXD.STATUS;
const TXE = NIC.CTRL.TXE.mask;
const PIO = NIC.CTRL.PIO.mask;
const ASK = EOP.mask | RS.mask;
const DONE = ASK | DD.mask;

function started(options: ConstructorParameters<typeof Bench>[0] = {}, count = 8): Bench {
  const bench = new Bench(options);
  bench.start(TXE, 0);
  bench.txRing(count);
  return bench;
}

test('a frame in one piece: on the wire, DD, TX raised', () => {
  const bench = started();
  bench.txFrame(0, frame(100));
  expect(bench.sent).toMatchObject([{ bytes: frame(100), fcs: FCS_GOOD }]);
  expect(bench.txStatus(0)).toBe(DONE);
  expect([bench.read(NIC.TDH), bench.read(NIC.ISR)]).toEqual([1, NIC.ISR.TX.mask]);
  expect(counters(bench)).toMatchObject({ GPTC: 1, GOTC: 100, TXERR: 0 });
  expect(bench.rules()).toEqual([]);
});

test('without RS: no DD, no interrupt', () => {
  const bench = started();
  bench.ram.bytes.set(frame(60), TX_BUFFERS - RAM_BASE);
  bench.txDescriptor(0, TX_BUFFERS, 60, EOP.mask);
  bench.write(NIC.TDT, 1);
  expect([bench.txStatus(0), bench.read(NIC.ISR), bench.sent.length]).toEqual([EOP.mask, 0, 1]);
});

test('pieces are gathered in order; DD on the last', () => {
  const bench = started();
  const whole = frame(120);
  bench.ram.bytes.set(whole, TX_BUFFERS - RAM_BASE);
  bench.txDescriptor(0, TX_BUFFERS, 1, 0);
  bench.txDescriptor(1, TX_BUFFERS + 1, 54, RS.mask);
  bench.txDescriptor(2, TX_BUFFERS + 55, 65, ASK);
  const gathered: number[][] = [];
  bench.nic.trace.tx_gather = (address, length) => {
    gathered.push([address, length]);
    return 77;
  };
  bench.write(NIC.TDT, 3);
  expect(bench.sent).toMatchObject([{ bytes: whole, id: 77 }]);
  expect([bench.txStatus(0), bench.txStatus(1), bench.txStatus(2)]).toEqual([0, RS.mask, DONE]);
  expect(gathered).toEqual([[TX_BUFFERS, 1]]);
});

test('PAD fills up to 60 with zeros; without it a runt is a runt', () => {
  const bench = started();
  bench.txFrame(0, frame(1514));
  bench.txFrame(1, frame(20));
  bench.write(NIC.TCR, NIC.TCR.PAD.mask);
  bench.txFrame(2, frame(20));
  expect(bench.sent.map(sent => sent.bytes.length)).toEqual([1514, 20, 60]);
  expect(bench.sent[2]?.bytes).toEqual(Uint8Array.of(...frame(20), ...new Uint8Array(40)));
});

test('CRCI: the last four bytes are the FCS', () => {
  const bench = started();
  bench.write(NIC.TCR, NIC.TCR.CRCI.mask | NIC.TCR.PAD.mask);
  const bytes = new Uint8Array(24);
  bytes.set(frame(20));
  new DataView(bytes.buffer).setUint32(20, 0xfedcba98, true);
  bench.txFrame(0, bytes);
  expect(bench.sent).toMatchObject([{ bytes: frame(20), fcs: 0xfedcba98 }]);
  expect(bench.read(NIC.GOTC)).toBe(20);
});

test('100 Mbit/s: gather, wire time with preamble and FCS, gap before the next frame', () => {
  const bench = started({ rate: 1e8 });
  bench.txFrame(0, frame(60));
  bench.txFrame(1, frame(60));
  expect(bench.read(NIC.STATUS) & NIC.STATUS.TXB.mask).not.toBe(0);
  const gather = 200 + (60 + 16) / 4;
  expect(bench.nic.deadline).toBe(gather);
  bench.nic.advance(gather);
  const first = gather + (8 + 60 + 4) * 80;
  expect(bench.nic.deadline).toBe(first);
  bench.nic.advance(first - 1);
  expect([bench.sent.length, bench.txStatus(0)]).toEqual([0, ASK]);
  bench.nic.advance(first);
  expect([bench.sent.length, bench.txStatus(0)]).toEqual([1, DONE]);
  bench.nic.advance(1e6);
  expect(bench.sent.map(sent => sent.time)).toEqual([first, first + 12 * 80 + (8 + 60 + 4) * 80]);
  expect(bench.read(NIC.STATUS) & NIC.STATUS.TXB.mask).toBe(0);
});

test('one advance over many frames sends each at its own time', () => {
  const bench = started({ rate: 1e7, timing: { dmaSetupNs: 0, dmaNsPerByte: 0 } });
  for (let i = 0; i < 5; i++) bench.txFrame(i, frame(60, i));
  bench.nic.advance(1e7);
  const each = (8 + 60 + 4 + 12) * 800;
  expect(bench.sent.map(sent => sent.time)).toEqual([0, 1, 2, 3, 4].map(i => i * each + (8 + 60 + 4) * 800));
  expect(bench.nic.time).toBe(1e7);
});

test('TXE off with a frame on the wire: it finishes, the next one stays; TXE on: it goes', () => {
  const bench = started({ rate: 1e8 });
  bench.txFrame(0, frame(60));
  bench.txFrame(1, frame(61));
  bench.nic.advance(1000);
  bench.write(NIC.CTRL, 0);
  bench.nic.advance(1e6);
  expect([bench.sent.length, bench.txStatus(0), bench.txStatus(1)]).toEqual([1, DONE, ASK]);
  bench.write(NIC.CTRL, TXE);
  bench.nic.advance(2e6);
  expect(bench.sent.length).toBe(2);
});

test('queue off: it stops after the frame being sent; on again: head 0', () => {
  const bench = started({ rate: 1e8 });
  bench.txFrame(0, frame(60));
  bench.txFrame(1, frame(61));
  bench.write(NIC.TDCTL, 0);
  bench.nic.advance(1e6);
  expect([bench.sent.length, bench.read(NIC.TDH)]).toEqual([1, 1]);
  bench.write(NIC.TDT, 0);
  bench.write(NIC.TDCTL, NIC.TDCTL.EN.mask);
  expect(bench.read(NIC.TDH)).toBe(0);
});

test('link down: the frame takes its time, is done and gone', () => {
  const bench = started();
  bench.nic.setLink(false);
  bench.txFrame(0, frame(60));
  expect([bench.sent.length, bench.txStatus(0)]).toEqual([0, DONE]);
  expect(counters(bench)).toMatchObject({ TXLOST: 1, GPTC: 0 });
});

test('a frame that does not fit the transmit pages is discarded: ERR, TXE, counted', () => {
  const bench = started();
  bench.txFrame(0, frame(1536));
  expect(bench.rules()).toEqual([]);
  bench.ram.bytes.set(frame(1537), TX_BUFFERS - RAM_BASE);
  bench.txDescriptor(1, TX_BUFFERS, 1537, EOP.mask);
  bench.write(NIC.TDT, 2);
  expect(bench.rules()).toEqual(['tx-too-long']);
  expect(bench.txStatus(1)).toBe(EOP.mask | DD.mask | ERR.mask);
  expect(bench.read(NIC.ISR)).toBe(NIC.ISR.TX.mask | NIC.ISR.TXE.mask);
  expect(counters(bench)).toMatchObject({ TXERR: 1, GPTC: 1 });
});

test('TPSR inside the ring or outside memory: no page for a frame', () => {
  for (const page of [0x46, 0x4f, 0x50, 0x3f, 0, 0xffff]) {
    const bench = started();
    bench.write(NIC.TPSR, page);
    bench.txFrame(0, frame(60));
    expect(bench.rules()).toEqual(['tx-pages']);
    expect(bench.txStatus(0)).toBe(DONE | ERR.mask);
    expect(bench.sent).toEqual([]);
  }
});

test('transmit pages above the ring', () => {
  const bench = new Bench();
  bench.write(NIC.PSTART, 0x40);
  bench.write(NIC.PSTOP, 0x4a);
  bench.write(NIC.TPSR, 0x4a);
  bench.start(TXE | NIC.CTRL.RXE.mask);
  bench.txRing(4);
  bench.txFrame(0, frame(1514));
  expect(bench.sent).toMatchObject([{ bytes: frame(1514) }]);
});

test('busy transmitter, TPSR written: ignored, a violation', () => {
  const bench = started({ rate: 1e8 });
  bench.txFrame(0, frame(60));
  bench.write(NIC.TPSR, 0x41);
  expect(bench.rules()).toEqual(['tpsr-busy']);
  expect(bench.read(NIC.TPSR)).toBe(0x40);
});

test('programmed transmit: GO until the last bit has left, then TX', () => {
  const bench = new Bench({ rate: 1e8 });
  bench.start(TXE | PIO);
  bench.pioWrite(0x4000, frame(64));
  bench.write(NIC.ISR, 0x3ff);
  bench.write(NIC.PTX, (NIC.PTX.GO.mask | 64) >>> 0);
  expect(bench.read(NIC.PTX)).toBe(0x80000040);
  expect(bench.nic.deadline).toBe((8 + 64 + 4) * 80);
  bench.write(NIC.PTX, (NIC.PTX.GO.mask | 60) >>> 0);
  expect(bench.rules()).toEqual(['ptx-busy']);
  bench.pioWrite(0x4020, Uint8Array.of(1));
  expect(bench.rules()).toEqual(['tx-pages-busy']);
  bench.nic.advance(1e5);
  expect(bench.read(NIC.PTX)).toBe(64);
  expect(bench.read(NIC.ISR) & NIC.ISR.TX.mask).not.toBe(0);
  expect(bench.sent[0]?.bytes.length).toBe(64);
  expect(bench.rules()).toEqual([]);
});

test('programmed transmit of 0, 13 or too many bytes, or in the wrong mode', () => {
  const bench = new Bench();
  bench.write(NIC.PTX, (NIC.PTX.GO.mask | 60) >>> 0);
  expect(bench.rules()).toEqual(['ptx-mode']);
  bench.start(TXE | PIO);
  for (const count of [0, 13, 1537, 0xffff]) bench.write(NIC.PTX, (NIC.PTX.GO.mask | count) >>> 0);
  expect(bench.rules()).toEqual(['tx-too-short', 'tx-too-short', 'tx-too-long', 'tx-too-long']);
  expect(counters(bench)).toMatchObject({ TXERR: 4 });
  expect(bench.read(NIC.ISR)).toBe(NIC.ISR.TXE.mask);
  expect(bench.read(NIC.PTX)).toBe(0xffff);
  expect(bench.sent).toEqual([]);
});

test('programmed mode: the descriptor rings stand still', () => {
  const bench = new Bench();
  bench.start(TXE | PIO);
  bench.txRing(4);
  bench.txFrame(0, frame(60));
  expect([bench.sent.length, bench.read(NIC.TDH)]).toEqual([0, 0]);
  bench.write(NIC.CTRL, TXE);
  expect(bench.sent.length).toBe(1);
});

test('descriptor fetch faults: nothing is discarded, the next doorbell tries again', () => {
  const bench = started();
  bench.ram.badFrom = TX_RING;
  bench.ram.badTo = TX_RING + 16;
  bench.txFrame(0, frame(60));
  expect([bench.read(NIC.TDH), bench.read(NIC.ISR)]).toEqual([0, NIC.ISR.DMAE.mask]);
  expect(bench.rules()).toEqual(['dma-fault']);
  bench.ram.badTo = 0;
  bench.write(NIC.TDT, 1);
  expect(bench.sent.length).toBe(1);
});

test('payload faults: the frame is discarded with ERR, the next one goes', () => {
  const bench = started();
  bench.ram.badFrom = TX_BUFFERS;
  bench.ram.badTo = TX_BUFFERS + 1;
  bench.txFrame(0, frame(60));
  expect(bench.txStatus(0)).toBe(DONE | ERR.mask);
  expect(bench.read(NIC.ISR)).toBe(NIC.ISR.DMAE.mask | NIC.ISR.TXE.mask);
  bench.txFrame(1, frame(60));
  expect([bench.sent.length, bench.txStatus(1)]).toEqual([1, DONE]);
});

test('what one card sends another receives with a good FCS', () => {
  const sender = started();
  const bench = new Bench();
  bench.start(NIC.CTRL.RXE.mask);
  bench.rxRing(4, 3);
  sender.txFrame(0, frame(333));
  const sent = sender.sent[0];
  bench.nic.receive(sent?.bytes as Uint8Array, 0, 333, fcs(frame(333)), 0);
  expect(bench.rxBytes(0)).toEqual(frame(333));
});
