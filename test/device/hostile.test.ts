/** Descriptors, rings and registers as a broken or malicious driver writes them: never a hang, never a stray access. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RXD, TXD } from '../../device/regs/desc.ts';
import type { Reg } from '../../device/regs/describe.ts';
import { NIC } from '../../device/regs/nic.ts';
import { RULES } from '../../device/regs/rules.ts';
import { ERROR_DRIBBLE } from '../../device/rx.ts';
import {
  Bench,
  BROADCAST,
  BUFFER,
  counters,
  frame,
  MAC,
  RAM_BASE,
  RX_BUFFERS,
  RX_RING,
  TX_BUFFERS,
  TX_RING,
} from './bench.ts';

const { RXE, TXE } = NIC.CTRL;
const EOP = TXD.STATUS.EOP.mask;
const RS = TXD.STATUS.RS.mask;
const ERR = TXD.STATUS.ERR.mask;

function receiving(): Bench {
  const bench = new Bench();
  bench.start(RXE.mask);
  bench.rxRing(8, 7);
  bench.rules();
  return bench;
}

function sending(): Bench {
  const bench = new Bench();
  bench.start(TXE.mask);
  bench.txRing(8);
  bench.ram.bytes.set(frame(1514), TX_BUFFERS - RAM_BASE);
  return bench;
}

test.each([
  ['null', 0, 0, 'descriptor-address'],
  ['beyond 32 bits', RX_BUFFERS, 1, 'descriptor-address'],
  ['unmapped', 0xfffffff0, 0, 'dma-fault'],
  ['running off the end of RAM', RAM_BASE + 0x100000 - 10, 0, 'dma-fault'],
])('receive descriptor with an address that is %s: the frame is lost and counted', (_, address, high, rule) => {
  const bench = receiving();
  bench.rxDescriptor(0, address, high);
  bench.receive(frame(60));
  expect(bench.rules()).toEqual([rule]);
  expect(counters(bench)).toMatchObject({ GPRC: 1, RXDMAE: 1 });
  bench.rxGive(0);
  bench.receive(frame(60, 1));
  expect(bench.rxBytes(0)).toEqual(frame(60, 1));
});

test('receive descriptor that is done already: used all the same, a violation', () => {
  const bench = receiving();
  bench.rxDescriptor(0, RX_BUFFERS, 0, RXD.STATUS.DD.mask);
  bench.receive(frame(60));
  expect(bench.rules()).toEqual(['descriptor-done']);
  expect(bench.rxBytes(0)).toEqual(frame(60));
});

test.each([
  ['null address', 0, 60, 0, EOP, 'descriptor-address'],
  ['address beyond 32 bits', TX_BUFFERS, 60, 1, EOP, 'descriptor-address'],
  ['unmapped address', 0x10, 60, 0, EOP, 'dma-fault'],
  ['length 0', TX_BUFFERS, 0, 0, EOP, 'tx-length-zero'],
  ['length FFFFh', TX_BUFFERS, 0xffff, 0, EOP, 'tx-too-long'],
  ['length 13', TX_BUFFERS, 13, 0, EOP, 'tx-too-short'],
])('transmit descriptor with %s: discarded with ERR, the next one goes', (_, address, length, high, status, rule) => {
  const bench = sending();
  bench.txDescriptor(0, address, length, status, high);
  bench.txDescriptor(1, TX_BUFFERS, 60, EOP | RS);
  bench.write(NIC.TDT, 2);
  expect(bench.rules()).toEqual([rule]);
  expect(bench.txStatus(0) & ERR).toBe(ERR);
  expect(bench.sent.length).toBe(1);
  expect(counters(bench)).toMatchObject({ TXERR: 1, GPTC: 1 });
  expect(bench.read(NIC.TDH)).toBe(2);
});

test('transmit descriptor with result and reserved bits set: sent, two violations', () => {
  const bench = sending();
  bench.txDescriptor(0, TX_BUFFERS, 60, EOP | RS | TXD.STATUS.DD.mask | 0x8000);
  bench.write(NIC.TDT, 1);
  expect(bench.rules()).toEqual(['descriptor-done', 'descriptor-reserved']);
  expect(bench.txStatus(0)).toBe(EOP | RS | TXD.STATUS.DD.mask);
});

test('a chain without end: the card stops at the tail, and goes on when the rest comes', () => {
  const bench = sending();
  for (let i = 0; i < 8; i++) bench.txDescriptor(i, TX_BUFFERS + 10 * i, 10, 0);
  bench.write(NIC.TDT, 7);
  expect([bench.read(NIC.TDH), bench.sent.length]).toEqual([7, 0]);
  expect(bench.rules()).toEqual(['tx-no-eop']);
  bench.txDescriptor(7, TX_BUFFERS + 70, 10, EOP | RS);
  bench.write(NIC.TDT, 0);
  expect(bench.sent).toMatchObject([{ bytes: frame(1514).slice(0, 80) }]);
});

test('a chain without end and longer than the transmit pages: discarded once, at its end', () => {
  const bench = sending();
  for (let turn = 0; turn < 10; turn++) {
    for (let i = 0; i < 4; i++) bench.txDescriptor((turn * 4 + i) % 8, TX_BUFFERS, 1000, 0);
    bench.write(NIC.TDT, ((turn + 1) * 4) % 8);
  }
  bench.txDescriptor(0, TX_BUFFERS, 60, EOP);
  bench.write(NIC.TDT, 1);
  expect(bench.rules().filter(rule => rule === 'tx-too-long')).toEqual(['tx-too-long']);
  expect(counters(bench)).toMatchObject({ TXERR: 1, GPTC: 0 });
});

test('half a frame gathered, TPSR moved: the frame is discarded, nothing is written into the new pages', () => {
  const bench = sending();
  bench.txDescriptor(0, TX_BUFFERS, 600, 0);
  bench.write(NIC.TDT, 1);
  bench.write(NIC.TPSR, 0x43);
  bench.txDescriptor(1, TX_BUFFERS, 60, EOP);
  bench.write(NIC.TDT, 2);
  expect(bench.rules()).toEqual(['tx-no-eop', 'tx-pages']);
  expect(bench.sent).toEqual([]);
  bench.txFrame(2, frame(60));
  expect(bench.sent.length).toBe(1);
});

test('half a frame gathered, queue off: forgotten', () => {
  const bench = sending();
  const dropped: string[] = [];
  bench.nic.trace.tx_dropped = (_, reason) => dropped.push(reason);
  bench.txDescriptor(0, TX_BUFFERS, 600, 0);
  bench.write(NIC.TDT, 1);
  bench.write(NIC.TDCTL, 0);
  bench.write(NIC.TDT, 0);
  bench.write(NIC.TDCTL, 1);
  bench.txFrame(0, frame(60));
  expect(bench.sent).toMatchObject([{ bytes: frame(60) }]);
  expect(dropped).toEqual(['queue_off']);
});

test.each([0, 1, 4097, 8191])('ring of %i descriptors: the queues stay off', count => {
  const bench = new Bench();
  bench.start(RXE.mask | TXE.mask);
  bench.write(NIC.RDLEN, count);
  bench.write(NIC.TDLEN, count);
  bench.write(NIC.RDCTL, 1 | (BUFFER << 16));
  bench.write(NIC.TDCTL, 1);
  expect(bench.rules()).toEqual(['ring-length', 'ring-length']);
  expect([bench.read(NIC.RDCTL) & 1, bench.read(NIC.TDCTL)]).toEqual([0, 0]);
  bench.receive(frame(60));
  bench.write(NIC.TDT, 5);
  expect(bench.ram.accesses).toBe(0);
});

test('ring that runs past 2³²: the queue stays off', () => {
  const bench = new Bench();
  bench.write(NIC.RDBA, 0xfffffff0);
  bench.write(NIC.RDLEN, 2);
  bench.write(NIC.RDCTL, 1 | (BUFFER << 16));
  expect(bench.rules()).toEqual(['ring-length']);
});

test('BSIZE 0: the queue stays off', () => {
  const bench = new Bench();
  bench.rxRing(4, 3, 0);
  expect(bench.rules()).toEqual(['buffer-size']);
  expect(bench.read(NIC.RDCTL)).toBe(0);
});

test('tails outside the ring are ignored; on switching on they become 0', () => {
  const bench = receiving();
  bench.write(NIC.RDT, 8);
  bench.write(NIC.RDT, 0x1fff);
  expect(bench.rules()).toEqual(['tail-outside-ring', 'tail-outside-ring']);
  expect(bench.read(NIC.RDT)).toBe(7);
  bench.write(NIC.RDCTL, BUFFER << 16);
  bench.write(NIC.RDT, 8);
  expect(bench.rules()).toEqual([]);
  bench.write(NIC.RDCTL, 1 | (BUFFER << 16));
  expect(bench.rules()).toEqual(['tail-outside-ring']);
  expect(bench.read(NIC.RDT)).toBe(0);
});

test('a tail moved back takes descriptors from the card: done, a violation', () => {
  const bench = receiving();
  bench.receive(frame(60));
  bench.write(NIC.RDT, 3);
  expect(bench.rules()).toEqual(['tail-backwards']);
  bench.write(NIC.RDT, 0);
  expect(bench.rules()).toEqual([]);
});

test('ring changed while the queue is on: ignored, a violation', () => {
  const bench = receiving();
  bench.txRing(8);
  bench.write(NIC.RDBA, RX_RING + 16);
  bench.write(NIC.RDLEN, 4);
  bench.write(NIC.RDCTL, 1 | (100 << 16));
  bench.write(NIC.TDBA, TX_RING + 16);
  bench.write(NIC.TDLEN, 4);
  expect(bench.rules()).toEqual(new Array(5).fill('ring-changed-enabled'));
  bench.write(NIC.RDBA, RX_RING);
  expect(bench.rules()).toEqual([]);
  expect([bench.read(NIC.RDLEN), bench.read(NIC.TDBA), bench.read(NIC.RDCTL)]).toEqual([
    8,
    TX_RING,
    1 | (BUFFER << 16),
  ]);
});

test('every frame that arrives is counted in exactly one place', () => {
  const bench = receiving();
  let arrived = 0;
  let delivered = 0;
  const lost: Record<string, number> = {};
  bench.nic.trace.frame_arrived = () => arrived++;
  bench.nic.trace.rx_done = () => delivered++;
  bench.nic.trace.rx_dropped = (_, reason) => {
    lost[reason] = (lost[reason] ?? 0) + 1;
  };
  for (let i = 0; i < 2000; i++) {
    const bytes = frame(
      ((i * 97) % 1600) + 1,
      i,
      i % 5 === 0 ? BROADCAST : i % 7 === 0 ? Uint8Array.of(2, 9, 9, 9, 9, 9) : MAC,
    );
    const errors = i % 11 === 0 ? ERROR_DRIBBLE : 0;
    if (i % 100 === 0) bench.write(NIC.RCR, (i / 100) & 0x7f);
    if (i % 300 === 0) bench.write(NIC.CTRL, (i / 300) % 2 === 0 ? RXE.mask : 0);
    bench.nic.receiveErrored(bytes, 0, bytes.length, i % 3 === 0 ? i : -1, i, errors);
    if (i % 4 === 0) bench.write(NIC.RDT, (bench.peek(NIC.RDH) + 7) % 8);
    for (let d = 0; d < 8; d++) if (i % 17 !== 0) bench.rxGive(d);
  }
  const c = counters(bench) as Record<string, number>;
  const sum = (...names: string[]): number => names.reduce((total, name) => total + (c[name] as number), 0);
  expect(arrived).toBe(2000);
  expect(sum('RXOFF', 'GIANT', 'RUNT', 'FILT', 'ALGNERR', 'CRCERR', 'MPC', 'GPRC')).toBe(arrived);
  let waiting = 0;
  for (const length of bench.nic.ring.frameLength) if (length !== 0) waiting++;
  expect(sum('GPRC', 'BPRC')).toBe(delivered + waiting + sum('RNBC', 'RXDMAE', 'RXDISC'));
  expect(delivered + waiting + Object.values(lost).reduce((a, b) => a + b, 0)).toBe(arrived);
});

const REGISTERS = Object.values(NIC) as Reg<string>[];

/** Values that a register finds interesting: small ones, page numbers, ring sizes, addresses, all bits. */
const value = fc.oneof(
  fc.nat(20),
  fc.integer({ min: 0x3e, max: 0x52 }),
  fc.constantFrom(
    0,
    1,
    2,
    4,
    8,
    16,
    RX_RING,
    TX_RING,
    RX_BUFFERS,
    TX_BUFFERS,
    0x4000,
    0x4600,
    0x4fff,
    0xffff,
    0xffffffff,
  ),
  fc.constantFrom(1 | (2048 << 16), 3 | (64 << 16), (0x80000000 | 60) >>> 0, (0x80000000 | 1500) >>> 0, 6, 14, 2, 10),
  fc.integer({ min: 0, max: 0xffffffff }),
);
const operation = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constant('write' as const), fc.nat(REGISTERS.length - 1), value) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('read' as const), fc.nat(REGISTERS.length - 1), fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('wild' as const), fc.nat(0x900), fc.nat()) },
  { weight: 6, arbitrary: fc.tuple(fc.constant('receive' as const), fc.nat(1600), fc.nat(7)) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('advance' as const), fc.nat(30_000), fc.constant(0)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('descriptor' as const), fc.nat(15), value) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('fault' as const), fc.nat(5), fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('repair' as const), fc.nat(7), fc.constant(0)) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

function apply(bench: Bench, [kind, a, b]: Operation, drops: number[]): void {
  const { nic, ram } = bench;
  nic.advance(nic.time);
  if (kind === 'write') bench.write(REGISTERS[a] as Reg<string>, b);
  else if (kind === 'read') bench.read(REGISTERS[a] as Reg<string>);
  else if (kind === 'advance') nic.advance(nic.time + a);
  else if (kind === 'wild') {
    nic.write(0, a, ([8, 16, 32] as const)[b % 3] as number, b);
    nic.read(b % 2, a, ([8, 16, 32] as const)[b % 3] as number);
    nic.peek(a);
  } else if (kind === 'receive') {
    const bytes = frame(a, a, b & 1 ? MAC : BROADCAST);
    nic.receiveErrored(bytes, 0, a, b > 5 ? 5 : -1, drops.length, b & 2 ? ERROR_DRIBBLE : 0);
    nic.room(a);
  } else if (kind === 'descriptor') {
    if (b & 1) bench.rxDescriptor(a, b & 2 ? RX_BUFFERS + a * BUFFER : b, b & 4 ? 0 : 1, b & 8);
    else bench.txDescriptor(a, b & 2 ? TX_BUFFERS : b, b & 0x7ff, b >>> 3, b & 4 ? 1 : 0);
  } else if (kind === 'fault') {
    ram.faultAfter = ram.accesses + a;
  } else {
    ram.faultAfter = Infinity;
    // A healthy start, so that runs get past the first refusal.
    bench.write(NIC.CTRL, 0);
    bench.write(NIC.PSTART, 0x46);
    bench.write(NIC.PSTOP, 0x50);
    bench.write(NIC.TPSR, 0x40);
    bench.write(NIC.MAXLEN, 1514);
    bench.write(NIC.RCR, 0x13 | (a & 4 ? 0x40 : 0));
    if (a & 1) {
      bench.write(NIC.RDCTL, 0);
      bench.rxRing(16, 15);
      bench.write(NIC.TDCTL, 0);
      for (let i = 0; i < 16; i++) bench.txDescriptor(i, TX_BUFFERS, 60 + i, EOP | RS);
      bench.txRing(16);
    }
    bench.write(NIC.CTRL, a & 2 ? 0xe : 0x6);
  }
}

test('random registers, frames, times and DMA faults: no exception, no stray access, sums that hold', () => {
  const rules = new Set(Object.keys(RULES));
  fc.assert(
    fc.property(
      fc.array(operation, { minLength: 100, maxLength: 2000, size: 'max' }),
      fc.constantFrom<'instant' | number>('instant', 1e8, 1e9),
      (operations, rate) => {
        const bench = new Bench({ rate });
        const drops: number[] = [];
        let arrived = 0;
        let gone = 0;
        let done = 0;
        bench.nic.trace.frame_arrived = () => arrived++;
        bench.nic.trace.rx_done = () => done++;
        bench.nic.trace.rx_dropped = () => gone++;
        for (const step of operations) apply(bench, step, drops);
        bench.write(NIC.ITR, 0);
        bench.nic.advance(bench.nic.time + 1e7);
        expect(bench.guardsIntact()).toBe(true);
        for (const { rule } of bench.violations) if (!rules.has(rule)) throw new Error(`unknown rule ${rule}`);
        let waiting = 0;
        for (const length of bench.nic.ring.frameLength) if (length !== 0) waiting++;
        // In programmed mode the host takes frames out; the card only hears of pages given back.
        expect(arrived).toBeGreaterThanOrEqual(gone + done + waiting);
        expect(bench.level).toBe((bench.peek(NIC.ISR) & bench.peek(NIC.IMS)) !== 0);
      },
    ),
    { numRuns: 30, seed: 0x5249 },
  );
});
