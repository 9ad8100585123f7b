/** One effect for every field of every register, and for every register without fields: the list is checked to be whole. */
import { expect, test } from 'vitest';
import { TXC, TXD } from '../../device/regs/desc.ts';
import type { Reg } from '../../device/regs/describe.ts';
import { NIC } from '../../device/regs/nic.ts';
import { ERROR_DRIBBLE } from '../../device/rx.ts';
import { Bench, BROADCAST, BUFFER, frame, MAC, MULTICAST, RAM_BASE, RX_RING, TX_BUFFERS, TX_RING } from './bench.ts';

const { RXE, TXE, PIO } = NIC.CTRL;
const OTHER = Uint8Array.of(2, 9, 9, 9, 9, 9);
const ASK = TXD.STATUS.EOP.mask | TXD.STATUS.RS.mask;
const GO = 0x80000000;

type Bits = number | { readonly mask: number };
const mask = (...bits: Bits[]): number =>
  bits.reduce<number>((all, bit) => all | (typeof bit === 'number' ? bit : bit.mask), 0) >>> 0;
const put = (bench: Bench, reg: Reg<string>, index: number, value: number): void =>
  bench.nic.write(0, reg.offset + index * reg.stride, 32, value >>> 0);
const get = (bench: Bench, reg: Reg<string>, index: number): number => bench.nic.peek(reg.offset + index * reg.stride);

function pio(rcr: Bits = NIC.RCR.PRO, options: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const bench = new Bench(options);
  bench.start(mask(RXE, TXE, PIO), mask(rcr));
  return bench;
}

function dma(rcr: Bits = NIC.RCR.PRO, options: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const bench = new Bench(options);
  bench.start(mask(RXE, TXE), mask(rcr));
  bench.rxRing(8, 7);
  bench.txRing(8);
  return bench;
}

/** What each cause of ISR is raised by. */
const CAUSES: Record<string, () => Bench> = {
  RX: () => given(dma(), bench => bench.receive(frame(60))),
  TX: () => given(dma(), bench => bench.txFrame(0, frame(60))),
  RXDU: () =>
    given(
      dma(),
      bench => bench.write(NIC.RDCTL, 0),
      bench => bench.receive(frame(60)),
    ),
  TXE: () => given(dma(), bench => bench.txFrame(0, frame(13))),
  OVW: () =>
    given(
      pio(),
      bench => bench.receive(frame(1514)),
      bench => bench.receive(frame(1514)),
    ),
  CNT: () => given(dma(), bench => bench.nic.stats.add(1, 0x80000000)),
  RDC: () => given(pio(), bench => bench.pioRead(0x4000, 4)),
  RST: () => new Bench(),
  LSC: () => given(dma(), bench => bench.nic.setLink(false)),
  DMAE: () =>
    given(
      dma(),
      bench => bench.rxDescriptor(0, 0),
      bench => bench.receive(frame(60)),
    ),
};

function given(bench: Bench, ...steps: ((bench: Bench) => void)[]): Bench {
  for (const step of steps) step(bench);
  return bench;
}

function accepts(rcr: Bits, to: Uint8Array, setUp: (bench: Bench) => void = () => {}): boolean {
  const bench = pio(rcr);
  setUp(bench);
  bench.receive(frame(60, 0, to));
  return bench.peek(NIC.GPRC) === 1;
}

function counts(reg: Reg<string>, bench: Bench, by = 1): void {
  expect(bench.peek(reg)).toBe(by);
  expect([bench.read(reg), bench.read(reg)]).toEqual([by, 0]);
}

function tcp(v6: boolean, protocol: number): Uint8Array {
  const bytes = new Uint8Array(120);
  const view = new DataView(bytes.buffer);
  bytes.set(MAC);
  view.setUint16(12, v6 ? 0x86dd : 0x0800);
  bytes[14] = v6 ? 0x60 : 0x45;
  view.setUint16(v6 ? 18 : 16, v6 ? 66 : 106);
  bytes[v6 ? 20 : 23] = protocol;
  for (let i = 24; i < 60; i++) if (i > 25 || v6) bytes[i] = i;
  return bytes;
}

function hashed(bit: { mask: number }, v6: boolean, protocol: number): void {
  const bench = dma();
  put(bench, NIC.RSSK, 0, 0x12345678);
  bench.write(NIC.RSSC, 0x3f & ~bit.mask);
  bench.receive(tcp(v6, protocol));
  bench.write(NIC.RSSC, bit.mask);
  bench.receive(tcp(v6, protocol));
  bench.write(NIC.RSSC, 0);
  bench.receive(tcp(v6, protocol));
  const types = [0, 1, 2].map(i => (bench.rxStatus(i) >>> 12) & 15);
  expect(types[1]).toBe(Math.log2(bit.mask) + 1);
  expect(types[0]).not.toBe(types[1]);
  expect(types[2]).toBe(0);
}

/** IPv4 to us with every sum 0: wrong. */
function checks(bit: { mask: number }, status: number): void {
  const bench = dma();
  bench.receive(tcp(false, 6));
  bench.write(NIC.RXCSC, bit.mask);
  bench.receive(tcp(false, 6));
  expect([bench.rxStatus(0) & 0xf0000, bench.rxStatus(1) & 0xf0000]).toEqual([0, status]);
}

function retaEntry(lsb: number, entry: number): void {
  const bench = dma();
  bench.write(NIC.RSSC, 1);
  // A key of zeros: every hash is 0, and entry 0 decides. The others are only kept.
  put(bench, NIC.RETA, 0, 3 << lsb);
  bench.receive(tcp(false, 6));
  expect(bench.peek(NIC.RDH)).toBe(entry === 0 ? 0 : 1);
  expect(get(bench, NIC.RETA, 0)).toBe((3 << lsb) >>> 0);
}

const EFFECTS: Record<string, () => void> = {
  'ID.REV': () => expect(new Bench().read(NIC.ID) & 0xffff).toBe(1),
  'ID.DEVICE': () => expect(new Bench().read(NIC.ID) >>> 16).toBe(0x5249),
  'CTRL.RST': () => {
    const bench = dma();
    bench.write(NIC.CTRL, 1);
    expect([bench.read(NIC.CTRL), bench.read(NIC.RCR), bench.read(NIC.STATUS) & 1]).toEqual([1, 0, 0]);
  },
  'CTRL.RXE': () => {
    const bench = pio();
    bench.write(NIC.CTRL, mask(PIO));
    bench.receive(frame(60));
    expect([bench.peek(NIC.RXOFF), bench.peek(NIC.GPRC)]).toEqual([1, 0]);
  },
  'CTRL.TXE': () => {
    const bench = dma();
    bench.write(NIC.CTRL, mask(RXE));
    bench.txFrame(0, frame(60));
    expect(bench.sent.length).toBe(0);
    bench.write(NIC.CTRL, mask(RXE, TXE));
    expect(bench.sent.length).toBe(1);
  },
  'CTRL.PIO': () => {
    const bench = dma();
    bench.write(NIC.CTRL, 0);
    bench.write(NIC.CTRL, mask(RXE, PIO));
    bench.receive(frame(60));
    expect([bench.rxStatus(0), bench.pioFrame()?.bytes.length]).toEqual([0, 60]);
  },
  'STATUS.RDY': () => EFFECTS['CTRL.RST']?.(),
  'STATUS.LU': () => {
    const bench = dma();
    expect(bench.read(NIC.STATUS) & 6).toBe(6);
    bench.nic.setLink(false);
    expect(bench.read(NIC.STATUS) & 6).toBe(0);
  },
  'STATUS.FD': () => EFFECTS['STATUS.LU']?.(),
  'STATUS.TXB': () => {
    const bench = dma(NIC.RCR.PRO, { rate: 1e9 });
    bench.txFrame(0, frame(60));
    expect(bench.read(NIC.STATUS) & 0x10).toBe(0x10);
    bench.nic.advance(1e6);
    expect(bench.read(NIC.STATUS) & 0x10).toBe(0);
  },
  'STATUS.RXW': () => {
    const bench = (CAUSES.RXDU as () => Bench)();
    expect(bench.read(NIC.STATUS) & 0x20).toBe(0x20);
    bench.write(NIC.RDCTL, mask(1, BUFFER * 65536));
    expect(bench.read(NIC.STATUS) & 0x20).toBe(0);
  },
  'STATUS.SPEED': () => {
    for (const [rate, units] of [
      [1e7, 1],
      [1e8, 10],
      [1e9, 100],
      ['instant', 0xffff],
    ] as const) {
      expect(new Bench({ rate }).read(NIC.STATUS) >>> 16).toBe(units);
    }
  },
  'EERD.START': () => {
    const bench = new Bench();
    bench.write(NIC.EERD, 0x100);
    expect(bench.nic.deadline).toBe(Infinity);
    bench.write(NIC.EERD, 0x101);
    expect(bench.nic.deadline).toBe(20_000);
    expect(bench.read(NIC.EERD)).toBe(0x100);
  },
  'EERD.DONE': () => EFFECTS['EERD.DATA']?.(),
  'EERD.ADDR': () => EFFECTS['EERD.DATA']?.(),
  'EERD.DATA': () => {
    const bench = new Bench();
    bench.write(NIC.EERD, 0x201);
    bench.nic.advance(20_000);
    expect(bench.read(NIC.EERD)).toBe(0x02000202);
  },
  MAC0: () => expect(accepts(0, MAC)).toBe(true),
  'MAC1.ADDR': () => expect(accepts(0, MAC, bench => bench.write(NIC.MAC1, 0x0300))).toBe(false),
  MAR0: () => {
    const set = (low: number, high: number) => (bench: Bench) => {
      bench.write(NIC.MAR0, low);
      bench.write(NIC.MAR1, high);
    };
    const one = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
    const both = [MULTICAST, one].map(to => [accepts(8, to, set(0xffffffff, 0)), accepts(8, to, set(0, 0xffffffff))]);
    for (const [low, high] of both) expect(low).toBe(!high);
  },
  MAR1: () => EFFECTS.MAR0?.(),
  'RCR.SEP': () => {
    for (const sep of [0, 1]) {
      const bench = pio(0x10 | sep);
      bench.receive(frame(60), 0x1234);
      expect(bench.peek(NIC.BPRC)).toBe(sep);
    }
  },
  'RCR.AR': () => {
    for (const ar of [0, 1]) {
      const bench = pio(0x10 | (ar << 1));
      bench.receive(frame(30));
      expect(bench.peek(NIC.BPRC)).toBe(ar);
    }
  },
  'RCR.AB': () => expect([accepts(0, BROADCAST), accepts(NIC.RCR.AB, BROADCAST)]).toEqual([false, true]),
  'RCR.AM': () => EFFECTS.MAR0?.(),
  'RCR.PRO': () => expect([accepts(0, OTHER), accepts(NIC.RCR.PRO, OTHER)]).toEqual([false, true]),
  'RCR.AMA': () => expect([accepts(0, MULTICAST), accepts(NIC.RCR.AMA, MULTICAST)]).toEqual([false, true]),
  'RCR.KEEP': () => {
    const bench = dma(mask(NIC.RCR.PRO, NIC.RCR.KEEP));
    bench.receive(frame(60));
    expect(bench.rxLength(0)).toBe(64);
  },
  'TCR.CRCI': () => {
    const bench = dma();
    bench.write(NIC.TCR, 1);
    bench.txFrame(0, frame(64));
    expect([bench.sent[0]?.bytes.length, bench.sent[0]?.fcs === -1]).toEqual([60, false]);
  },
  'TCR.PAD': () => {
    const bench = dma();
    bench.txFrame(0, frame(20));
    bench.write(NIC.TCR, 2);
    bench.txFrame(1, frame(20));
    expect(bench.sent.map(({ bytes }) => bytes.length)).toEqual([20, 60]);
  },
  'TCR.LB': () => {
    const bench = dma();
    bench.write(NIC.TCR, 4);
    bench.txFrame(0, frame(60));
    expect([bench.sent.length, bench.rxLength(0)]).toEqual([0, 60]);
  },
  'MAXLEN.BYTES': () => {
    const bench = dma(NIC.RCR.PRO, { size: 48 * 1024 });
    bench.write(NIC.MAXLEN, 0xffff);
    bench.receive(frame(9217));
    bench.receive(frame(9216));
    bench.write(NIC.MAXLEN, 100);
    bench.receive(frame(101));
    bench.receive(frame(100));
    expect([bench.peek(NIC.GIANT), bench.peek(NIC.GPRC), bench.peek(NIC.JRC)]).toEqual([2, 2, 1]);
  },
  'MDIC.DATA': () => {
    const bench = new Bench();
    bench.write(NIC.MDIC, (2 << 26) | (1 << 21) | (2 << 16));
    expect(bench.read(NIC.MDIC) >>> 28).toBe(0);
    bench.nic.advance(25_600);
    expect(bench.read(NIC.MDIC)).toBe(((1 << 28) | (2 << 26) | (1 << 21) | (2 << 16) | 0x5249) >>> 0);
    bench.write(NIC.MDIC, (2 << 26) | (7 << 21) | (3 << 16));
    bench.nic.advance(60_000);
    expect(bench.read(NIC.MDIC)).toBe(((5 << 28) | (2 << 26) | (7 << 21) | (3 << 16) | 0xffff) >>> 0);
    bench.write(NIC.MDIC, (1 << 26) | (1 << 21) | (4 << 16) | 0x0041);
    bench.nic.advance(90_000);
    bench.write(NIC.MDIC, (2 << 26) | (1 << 21) | (4 << 16));
    bench.nic.advance(120_000);
    expect(bench.read(NIC.MDIC) & 0xffff).toBe(0x0041);
  },
  'VLCR.STRIP': () => {
    const bench = dma();
    const bytes = frame(64);
    bytes.set([0x81, 0, 0, 5], 12);
    bench.receive(bytes);
    bench.write(NIC.VLCR, 1);
    bench.receive(bytes);
    expect([bench.rxLength(0), bench.rxLength(1), bench.rxVlan(1)]).toEqual([64, 60, 5]);
  },
  'VLCR.FILTER': () => {
    const bench = dma();
    const bytes = frame(64);
    bytes.set([0x81, 0, 0, 0x25], 12);
    bench.write(NIC.VLCR, 2);
    bench.receive(bytes);
    put(bench, NIC.VFTA, 1, 0x20);
    bench.receive(bytes);
    expect([bench.peek(NIC.FILT), bench.peek(NIC.GPRC)]).toEqual([1, 1]);
  },
  'RXCSC.IP': () => checks(NIC.RXCSC.IP, 0x30000),
  'RXCSC.L4': () => checks(NIC.RXCSC.L4, 0xc0000),
  'RXCSC.TS': () => {
    const bench = dma();
    bench.nic.advance(12345);
    bench.write(NIC.RXCSC, 4);
    bench.receive(frame(60));
    expect(bench.rxWord(0, 0)).toBe(12345);
  },
  'FCCR.RPE': () => {
    const bench = dma();
    const bytes = frame(60, 0, Uint8Array.of(1, 0x80, 0xc2, 0, 0, 1));
    bytes.set([0x88, 8, 0, 1, 0, 9], 12);
    bench.receive(bytes);
    bench.write(NIC.FCCR, 1);
    bench.receive(bytes);
    expect([bench.peek(NIC.GPRC), bench.peek(NIC.PRXC)]).toEqual([1, 1]);
  },
  'FCCR.TPE': () => {
    const bench = pio();
    bench.write(NIC.FCCR, (7 << 8) | (8 << 16));
    bench.receive(frame(60));
    bench.write(NIC.FCCR, 2 | (7 << 8) | (8 << 16));
    expect(bench.sent.length).toBe(0);
    bench.receive(frame(60));
    expect(bench.sent.map(({ bytes }) => [bytes[12], bytes[16], bytes[17]])).toEqual([[0x88, 0xff, 0xff]]);
    bench.pioFrame();
    expect(bench.sent[1]?.bytes[16]).toBe(0);
  },
  'FCCR.XOFF': () => EFFECTS['FCCR.TPE']?.(),
  'FCCR.XON': () => EFFECTS['FCCR.TPE']?.(),
  'PTIME.QUANTA': () => {
    const bench = pio();
    bench.write(NIC.PTIME, 0x1234);
    bench.write(NIC.FCCR, 2 | (8 << 8) | (9 << 16));
    bench.receive(frame(60));
    expect([...(bench.sent[0]?.bytes.slice(16, 18) ?? [])]).toEqual([0x12, 0x34]);
  },
  TIMEL: () => {
    const bench = new Bench();
    bench.nic.advance(5 * 2 ** 32 + 7);
    expect([bench.read(NIC.TIMEH), bench.peek(NIC.TIMEL), bench.peek(NIC.TIMEH)]).toEqual([0, 7, 0]);
    expect([bench.read(NIC.TIMEL), bench.read(NIC.TIMEH)]).toEqual([7, 5]);
  },
  TIMEH: () => EFFECTS.TIMEL?.(),
  'RSSC.IP4': () => hashed(NIC.RSSC.IP4, false, 1),
  'RSSC.TCP4': () => hashed(NIC.RSSC.TCP4, false, 6),
  'RSSC.UDP4': () => hashed(NIC.RSSC.UDP4, false, 17),
  'RSSC.IP6': () => hashed(NIC.RSSC.IP6, true, 1),
  'RSSC.TCP6': () => hashed(NIC.RSSC.TCP6, true, 6),
  'RSSC.UDP6': () => hashed(NIC.RSSC.UDP6, true, 17),
  'PSTART.PAGE': () => {
    const bench = new Bench();
    bench.write(NIC.PSTART, 0x48);
    bench.write(NIC.PSTOP, 0x4d);
    bench.start(mask(RXE, PIO));
    expect([bench.read(NIC.CURR), bench.read(NIC.BNRY)]).toEqual([0x48, 0x4c]);
    for (let i = 0; i < 5; i++) bench.receive(frame(60));
    expect([bench.read(NIC.CURR), bench.read(NIC.MPC)]).toEqual([0x4c, 1]);
  },
  'PSTOP.PAGE': () => EFFECTS['PSTART.PAGE']?.(),
  'CURR.PAGE': () => {
    const bench = pio();
    bench.receive(frame(1514));
    expect(bench.read(NIC.CURR)).toBe(0x4c);
  },
  'BNRY.PAGE': () => {
    const bench = pio();
    bench.receive(frame(1514));
    expect(bench.nic.room(1514)).toBe(false);
    bench.write(NIC.BNRY, 0x4b);
    expect([bench.nic.room(1514), bench.read(NIC.BNRY)]).toEqual([true, 0x4b]);
  },
  'TPSR.PAGE': () => {
    const bench = pio();
    bench.pioWrite(0x4200, frame(60));
    bench.write(NIC.TPSR, 0x42);
    bench.write(NIC.PTX, (GO | 60) >>> 0);
    expect(bench.sent[0]?.bytes).toEqual(frame(60));
  },
  'PMSZ.BASE': () => expect(new Bench().read(NIC.PMSZ) & 0xffff).toBe(0x4000),
  'PMSZ.PAGES': () => expect(new Bench({ size: 16384 }).read(NIC.PMSZ) >>> 16).toBe(0x40),
  'PTX.COUNT': () => {
    const bench = pio(NIC.RCR.PRO, { rate: 1e9 });
    bench.write(NIC.PTX, 77);
    expect([bench.read(NIC.PTX), bench.read(NIC.STATUS) & 0x10]).toEqual([77, 0]);
    bench.write(NIC.PTX, (GO | 99) >>> 0);
    expect(bench.read(NIC.PTX)).toBe((GO | 99) >>> 0);
    bench.nic.advance(1e6);
    expect([bench.read(NIC.PTX), bench.sent[0]?.bytes.length]).toEqual([99, 99]);
  },
  'PTX.GO': () => EFFECTS['PTX.COUNT']?.(),
  'RSAR.ADDR': () => {
    const bench = pio();
    bench.pioWrite(0x4103, Uint8Array.of(1, 2, 3));
    expect(bench.read(NIC.RSAR)).toBe(0x4106);
    expect(bench.memory.bytes[bench.memory.base + 0x104]).toBe(2);
  },
  'RBCR.COUNT': () => {
    const bench = pio();
    bench.write(NIC.RBCR, 6);
    bench.nic.read(0, NIC.DATA.offset, 32);
    expect(bench.read(NIC.RBCR)).toBe(2);
  },
  DATA: () => {
    const bench = pio();
    bench.pioWrite(0x4000, Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
    bench.write(NIC.RSAR, 0x4000);
    bench.write(NIC.RBCR, 7);
    expect([32, 16, 8].map(width => bench.nic.read(0, NIC.DATA.offset, width))).toEqual([0x04030201, 0x0605, 7]);
  },
  RDBA: () => {
    const bench = dma();
    bench.receive(frame(60));
    expect([bench.peek(NIC.RDBA), bench.rxStatus(0) & 1]).toEqual([RX_RING, 1]);
  },
  RDBAH: () => expect(new Bench().read(NIC.RDBAH)).toBe(0),
  'RDLEN.COUNT': () => {
    const bench = new Bench();
    bench.start(mask(RXE));
    bench.rxRing(3, 2);
    bench.receive(frame(60));
    bench.write(NIC.RDT, 0);
    bench.receive(frame(60));
    bench.write(NIC.RDT, 1);
    bench.receive(frame(60));
    expect(bench.read(NIC.RDH)).toBe(0);
  },
  'RDH.INDEX': () => {
    const bench = dma();
    bench.receive(frame(60));
    expect(bench.read(NIC.RDH)).toBe(1);
  },
  'RDT.INDEX': () => {
    const bench = (CAUSES.RXDU as () => Bench)();
    bench.write(NIC.RDT, 0);
    bench.write(NIC.RDCTL, mask(1, BUFFER * 65536));
    expect(bench.rxStatus(0)).toBe(0);
    bench.write(NIC.RDT, 1);
    expect(bench.rxStatus(0) & 1).toBe(1);
  },
  'RDCTL.EN': () => EFFECTS['STATUS.RXW']?.(),
  'RDCTL.DROP': () => {
    const bench = new Bench();
    bench.start(mask(RXE));
    bench.rxRing(4, 0, BUFFER, 2);
    bench.receive(frame(60));
    expect(bench.peek(NIC.RNBC)).toBe(1);
  },
  'RDCTL.HOLD': () => {
    for (const hold of [0, 4]) {
      const bench = dma();
      put(bench, NIC.RDLEN, 1, 4);
      put(bench, NIC.RDBA, 1, RX_RING + 0x800);
      put(bench, NIC.RDCTL, 1, mask(1, BUFFER * 65536));
      bench.write(NIC.RDT, 0);
      bench.write(NIC.RDCTL, mask(1, hold, BUFFER * 65536));
      bench.receive(frame(60));
      expect(bench.peek(NIC.RNBC)).toBe(hold === 0 ? 1 : 0);
    }
  },
  'RDCTL.BSIZE': () => {
    const bench = new Bench();
    bench.start(mask(RXE));
    bench.rxRing(4, 3, 32);
    bench.receive(frame(60));
    expect([bench.rxLength(0), bench.rxStatus(0) & 0x800]).toEqual([32, 0x800]);
  },
  TDBA: () => {
    const bench = dma();
    bench.txFrame(0, frame(60));
    expect([bench.peek(NIC.TDBA), bench.txStatus(0) & 0x100]).toEqual([TX_RING, 0x100]);
  },
  TDBAH: () => expect(new Bench().read(NIC.TDBAH)).toBe(0),
  'TDLEN.COUNT': () => {
    const bench = new Bench();
    bench.start(mask(TXE));
    bench.txRing(2);
    for (let i = 0; i < 5; i++) bench.txFrame(i % 2, frame(60));
    expect([bench.sent.length, bench.read(NIC.TDH)]).toEqual([5, 1]);
  },
  'TDH.INDEX': () => {
    const bench = dma();
    bench.txFrame(0, frame(60));
    expect(bench.read(NIC.TDH)).toBe(1);
  },
  'TDT.INDEX': () => {
    const bench = dma();
    bench.txDescriptor(0, TX_BUFFERS, 60, ASK);
    expect(bench.sent.length).toBe(0);
    bench.write(NIC.TDT, 1);
    expect(bench.sent.length).toBe(1);
  },
  'TDCTL.EN': () => {
    const bench = dma();
    bench.write(NIC.TDCTL, 0);
    bench.txDescriptor(0, TX_BUFFERS, 60, ASK);
    bench.write(NIC.TDT, 1);
    expect(bench.sent.length).toBe(0);
    bench.write(NIC.TDCTL, 1);
    expect(bench.sent.length).toBe(1);
  },
  'TIDV.TIME': () => {
    const bench = dma();
    bench.write(NIC.TIDV, 7);
    bench.txDescriptor(0, TX_BUFFERS, 60, ASK | TXD.STATUS.IDE.mask);
    bench.write(NIC.TDT, 1);
    expect([bench.read(NIC.ISR) & 2, bench.nic.deadline]).toEqual([0, 7000]);
  },
  'ITR.TIME': () => {
    const bench = new Bench();
    bench.write(NIC.ITR, 7);
    bench.write(NIC.IMS, 0x81);
    bench.write(NIC.ISR, 0x80);
    bench.write(NIC.ICS, 1);
    expect([bench.level, bench.nic.deadline]).toEqual([false, 7000]);
  },
  'ITR.COUNT': () => {
    const bench = new Bench();
    bench.write(NIC.ITR, 7 | (2 << 16));
    bench.write(NIC.IMS, 0x81);
    bench.write(NIC.ISR, 0x80);
    bench.write(NIC.ICS, 1);
    expect(bench.level).toBe(false);
    bench.write(NIC.ICS, 1);
    expect(bench.level).toBe(true);
  },
  GPRC: () =>
    counts(
      NIC.GPRC,
      given(pio(), bench => bench.receive(frame(60))),
    ),
  GORC: () =>
    counts(
      NIC.GORC,
      given(pio(), bench => bench.receive(frame(99))),
      99,
    ),
  GPTC: () =>
    counts(
      NIC.GPTC,
      given(dma(), bench => bench.txFrame(0, frame(60))),
    ),
  GOTC: () =>
    counts(
      NIC.GOTC,
      given(dma(), bench => bench.txFrame(0, frame(77))),
      77,
    ),
  MPC: () => counts(NIC.MPC, (CAUSES.OVW as () => Bench)()),
  RNBC: () => EFFECTS['RDCTL.DROP']?.(),
  FILT: () =>
    counts(
      NIC.FILT,
      given(pio(0), bench => bench.receive(frame(60, 0, OTHER))),
    ),
  CRCERR: () =>
    counts(
      NIC.CRCERR,
      given(pio(), bench => bench.receive(frame(60), 1)),
    ),
  ALGNERR: () =>
    counts(
      NIC.ALGNERR,
      given(pio(), bench => bench.nic.receiveErrored(frame(60), 0, 60, 1, 0, ERROR_DRIBBLE)),
    ),
  RUNT: () =>
    counts(
      NIC.RUNT,
      given(pio(), bench => bench.receive(frame(59))),
    ),
  GIANT: () =>
    counts(
      NIC.GIANT,
      given(pio(), bench => bench.receive(frame(1515))),
    ),
  RXOFF: () =>
    counts(
      NIC.RXOFF,
      given(new Bench(), bench => bench.receive(frame(60))),
    ),
  TXERR: () => counts(NIC.TXERR, (CAUSES.TXE as () => Bench)()),
  RXDMAE: () => counts(NIC.RXDMAE, (CAUSES.DMAE as () => Bench)()),
  TXLOST: () =>
    counts(
      NIC.TXLOST,
      given(
        dma(),
        bench => bench.nic.setLink(false),
        bench => bench.txFrame(0, frame(60)),
      ),
    ),
  BPRC: () =>
    counts(
      NIC.BPRC,
      given(pio(0x12), bench => bench.receive(frame(30))),
    ),
  RXDISC: () =>
    counts(
      NIC.RXDISC,
      given(
        pio(),
        bench => bench.receive(frame(60)),
        bench => bench.write(NIC.CTRL, 8),
        bench => bench.write(NIC.CTRL, 10),
      ),
    ),
  PRXC: () => EFFECTS['FCCR.RPE']?.(),
  PTXC: () => {
    const bench = pio();
    bench.write(NIC.FCCR, 2 | (8 << 8) | (9 << 16));
    bench.receive(frame(60));
    counts(NIC.PTXC, bench);
  },
  JRC: () => EFFECTS['MAXLEN.BYTES']?.(),
  CSERR: () =>
    counts(
      NIC.CSERR,
      given(
        dma(),
        bench => bench.write(NIC.RXCSC, 3),
        bench => bench.receive(tcp(false, 6)),
      ),
    ),
  TSOC: () => {
    const bench = dma();
    bench.ram.bytes.set(tcp(false, 6), TX_BUFFERS - RAM_BASE);
    bench.txContext(0, (34 | (14 << 16) | (54 << 24)) >>> 0, 40, mask(TXC.STATUS.CTX, TXC.STATUS.TSO));
    bench.txDescriptor(1, TX_BUFFERS, 114, ASK);
    bench.write(NIC.TDT, 2);
    counts(NIC.TSOC, bench, 2);
  },
  'RETA.E0': () => retaEntry(0, 0),
  'RETA.E1': () => retaEntry(8, 1),
  'RETA.E2': () => retaEntry(16, 2),
  'RETA.E3': () => retaEntry(24, 3),
  RSSK: () => {
    const bench = dma();
    bench.write(NIC.RSSC, 1);
    bench.receive(tcp(false, 1));
    for (let i = 0; i < 10; i++) put(bench, NIC.RSSK, i, 0x01020304 * (i + 1));
    bench.receive(tcp(false, 1));
    expect(bench.rxWord(0, 1)).toBe(0);
    expect(bench.rxWord(1, 1)).not.toBe(0);
    expect(get(bench, NIC.RSSK, 9)).toBe(0x01020304 * 10);
  },
  MTADR: () => {
    const bench = new Bench();
    for (const reg of [NIC.MTADR, NIC.MTADRH, NIC.MTDATA]) {
      put(bench, reg, 4, 0xdeadbeef);
      expect([get(bench, reg, 4), get(bench, reg, 3)]).toEqual([0xdeadbeef, 0]);
    }
  },
  MTADRH: () => EFFECTS.MTADR?.(),
  MTDATA: () => {
    const bench = new Bench();
    put(bench, NIC.MTDATA, 0, 0xcafe);
    put(bench, NIC.QMS, 0, 1);
    put(bench, NIC.QCS, 0, 1);
    bench.nic.setMessages(true, false);
    expect([bench.messages.length, bench.peek(NIC.PBA)]).toEqual([0, 1]);
    put(bench, NIC.MTCTL, 0, 0);
    expect(bench.messages).toEqual([[0, 0xcafe]]);
  },
  'MTCTL.MASK': () => EFFECTS.MTDATA?.(),
  'PBA.PENDING': () => EFFECTS.MTDATA?.(),
  VFTA: () => EFFECTS['VLCR.FILTER']?.(),
};

for (const name of ['REG', 'PHY', 'OP', 'READY', 'ERR']) EFFECTS[`MDIC.${name}`] = () => EFFECTS['MDIC.DATA']?.();

for (const [name, cause] of Object.entries(CAUSES)) {
  const bit = NIC.ISR.fields.find(field => field.name === name)?.mask as number;
  EFFECTS[`ISR.${name}`] = () => {
    const bench = cause();
    expect(bench.read(NIC.ISR) & bit).toBe(bit);
    bench.write(NIC.ISR, bit ^ 0x3ff);
    expect(bench.read(NIC.ISR)).toBe(bit);
    bench.write(NIC.ISR, bit);
    expect(bench.read(NIC.ISR)).toBe(0);
  };
  const masks = (): void => {
    const bench = new Bench();
    bench.write(NIC.ISR, 0x80);
    bench.write(NIC.ICS, bit);
    expect([bench.read(NIC.ISR), bench.level]).toEqual([bit, false]);
    bench.write(NIC.IMS, bit);
    expect([bench.read(NIC.IMS), bench.level]).toEqual([bit, true]);
    bench.write(NIC.IMC, bit);
    expect([bench.read(NIC.IMS), bench.level]).toEqual([0, false]);
  };
  for (const reg of ['IMS', 'IMC', 'ICS']) EFFECTS[`${reg}.${name}`] = masks;
}

for (const { name, mask: bit } of NIC.QSR.fields) {
  EFFECTS[`QSR.${name}`] = () => {
    const bench = (CAUSES[name] as () => Bench)();
    expect([0, 1, 2, 3].map(queue => get(bench, NIC.QSR, queue) & bit)).toEqual([bit, 0, 0, 0]);
    put(bench, NIC.QSR, 0, bit);
    expect(get(bench, NIC.QSR, 0) & bit).toBe(0);
    expect(bench.read(NIC.ISR) & bit).toBe(bit);
  };
  const masks = (): void => {
    for (let queue = 0; queue < 4; queue++) {
      const bench = new Bench();
      bench.nic.setMessages(true, false);
      put(bench, NIC.MTCTL, queue, 0);
      put(bench, NIC.QMS, queue, 0xf);
      put(bench, NIC.QMC, queue, bit);
      put(bench, NIC.QCS, queue, bit);
      expect([get(bench, NIC.QMS, queue), bench.messages.length]).toEqual([0xf ^ bit, 0]);
      put(bench, NIC.QMS, queue, bit);
      expect(bench.messages).toEqual([[queue, 0]]);
    }
  };
  for (const reg of ['QMS', 'QMC', 'QCS']) EFFECTS[`${reg}.${name}`] = masks;
}

const ALL = (Object.values(NIC) as Reg<string>[]).flatMap(reg =>
  reg.fields.length === 0 ? [reg.name] : reg.fields.map(field => `${reg.name}.${field.name}`),
);

test('the list has every register and every field, and nothing else', () => {
  expect(Object.keys(EFFECTS).sort()).toEqual([...ALL].sort());
});

test.each(ALL)('%s', name => {
  (EFFECTS[name] as () => void)();
});
