/** Messages, their masks and table; moderation by time and count; the pin beside them. */
import { describe, expect, test } from 'vitest';
import { TXD } from '../../device/regs/desc.ts';
import { MISC_VECTOR, NIC, QUEUES, VECTORS } from '../../device/regs/nic.ts';
import { Bench, frame, RAM_BASE, TX_BUFFERS } from './bench.ts';

function write(bench: Bench, offset: number, value: number): void {
  bench.nic.write(0, offset, 32, value >>> 0);
}
const q = (reg: { offset: number; stride: number }, index: number): number => reg.offset + index * reg.stride;

function withMessages(): Bench {
  const bench = new Bench();
  bench.write(NIC.ISR, 0xfff & NIC.ISR.writable);
  for (let vector = 0; vector < VECTORS; vector++) {
    write(bench, q(NIC.MTADR, vector), 0xfee00000);
    write(bench, q(NIC.MTDATA, vector), 100 + vector);
    write(bench, q(NIC.MTCTL, vector), 0);
  }
  bench.nic.setMessages(true, false);
  return bench;
}

test('a vector is told when status & mask of its queue goes from 0 to 1, and not again before it was 0', () => {
  const bench = withMessages();
  write(bench, q(NIC.QCS, 2), 1);
  expect(bench.messages).toEqual([]);
  write(bench, q(NIC.QMS, 2), 3);
  expect(bench.messages).toEqual([[2, 102]]);
  write(bench, q(NIC.QCS, 2), 3);
  expect(bench.messages.length).toBe(1);
  write(bench, q(NIC.QSR, 2), 1);
  write(bench, q(NIC.QCS, 2), 1);
  expect(bench.messages.length).toBe(1);
  write(bench, q(NIC.QSR, 2), 3);
  write(bench, q(NIC.QCS, 2), 2);
  expect(bench.messages.length).toBe(2);
  expect(bench.level).toBe(false);
});

test('unmasked while still pending: told again; masked meanwhile: nothing lost', () => {
  const bench = withMessages();
  write(bench, q(NIC.QMS, 0), 1);
  write(bench, q(NIC.QCS, 0), 1);
  write(bench, q(NIC.QMC, 0), 1);
  write(bench, q(NIC.QSR, 0), 1);
  write(bench, q(NIC.QCS, 0), 1);
  expect(bench.messages).toEqual([[0, 100]]);
  write(bench, q(NIC.QMS, 0), 1);
  expect(bench.messages.length).toBe(2);
});

test('what belongs to no queue goes to the last vector, queue causes in ISR do not', () => {
  const bench = withMessages();
  bench.write(NIC.IMS, NIC.IMS.writable);
  bench.write(NIC.ICS, NIC.ICS.RX.mask | NIC.ICS.TX.mask);
  expect(bench.messages).toEqual([]);
  bench.nic.setLink(false);
  expect(bench.messages).toEqual([[MISC_VECTOR, 100 + MISC_VECTOR]]);
  expect(bench.level).toBe(false);
});

test('masked in the table: it waits in PBA, and is sent once when the mask goes; so with the mask of the function', () => {
  const bench = withMessages();
  write(bench, q(NIC.MTCTL, 1), 1);
  write(bench, q(NIC.QMS, 1), 1);
  write(bench, q(NIC.QCS, 1), 1);
  expect([bench.messages.length, bench.peek(NIC.PBA)]).toEqual([0, 2]);
  write(bench, q(NIC.MTCTL, 1), 0);
  expect([bench.messages.length, bench.peek(NIC.PBA)]).toEqual([1, 0]);
  bench.nic.setMessages(true, true);
  write(bench, q(NIC.QMS, 3), 1);
  write(bench, q(NIC.QCS, 3), 1);
  expect([bench.messages.length, bench.peek(NIC.PBA)]).toEqual([1, 8]);
  bench.nic.setMessages(true, false);
  expect([bench.messages.length, bench.peek(NIC.PBA)]).toEqual([2, 0]);
});

test('messages on and off: the pin is silent while they are on, and tells what is pending after', () => {
  const bench = new Bench();
  bench.write(NIC.IMS, NIC.IMS.RST.mask);
  expect(bench.level).toBe(true);
  bench.nic.setMessages(true, false);
  expect(bench.level).toBe(false);
  bench.nic.setMessages(false, false);
  expect(bench.level).toBe(true);
});

test('message table: CTRL.RST leaves it, a function reset does not; and it ends messages', () => {
  const bench = withMessages();
  bench.write(NIC.CTRL, 1);
  bench.nic.advance(20_000);
  expect([bench.peek(NIC.MTDATA), bench.peek(NIC.MTCTL)]).toEqual([100, 0]);
  bench.nic.functionReset();
  bench.nic.advance(40_000);
  expect([bench.peek(NIC.MTDATA), bench.peek(NIC.MTCTL)]).toEqual([0, 1]);
  bench.write(NIC.IMS, NIC.IMS.RST.mask);
  expect([bench.level, bench.messages.length]).toEqual([true, 0]);
});

test('moderation of the pin: first at once, then not before TIME has passed; it drops at once', () => {
  const bench = new Bench();
  bench.write(NIC.ISR, 0x80);
  bench.write(NIC.ITR, 20);
  bench.write(NIC.IMS, 1);
  const t0 = 100_000;
  bench.nic.advance(t0);
  bench.write(NIC.ICS, 1);
  expect(bench.level).toBe(true);
  bench.write(NIC.ISR, 1);
  expect(bench.level).toBe(false);
  bench.nic.advance(t0 + 5000);
  bench.write(NIC.ICS, 1);
  expect([bench.level, bench.nic.deadline]).toEqual([false, t0 + 20_000]);
  bench.nic.advance(t0 + 19_999);
  expect(bench.level).toBe(false);
  bench.nic.advance(t0 + 20_000);
  expect(bench.level).toBe(true);
  bench.write(NIC.ISR, 1);
  bench.nic.advance(t0 + 60_000);
  bench.write(NIC.ICS, 1);
  expect(bench.level).toBe(true);
});

test('moderation: a cause that is gone when the time is over is not told', () => {
  const bench = new Bench();
  bench.write(NIC.ISR, 0x80);
  bench.write(NIC.ITR, 20);
  bench.write(NIC.IMS, 1);
  bench.write(NIC.ICS, 1);
  bench.write(NIC.ISR, 1);
  bench.write(NIC.ICS, 1);
  bench.write(NIC.ISR, 1);
  expect(bench.nic.deadline).toBe(Infinity);
  bench.nic.advance(1e6);
  expect(bench.edges).toBe(2);
});

test('moderation by count: so many causes end the wait', () => {
  const bench = withMessages();
  write(bench, q(NIC.ITR, 1), 1000 | (4 << 16));
  write(bench, q(NIC.QMS, 1), 1);
  write(bench, q(NIC.QCS, 1), 1);
  write(bench, q(NIC.QSR, 1), 1);
  for (let i = 1; i <= 3; i++) {
    write(bench, q(NIC.QCS, 1), 1);
    expect(bench.messages.length).toBe(1);
  }
  write(bench, q(NIC.QCS, 1), 1);
  expect(bench.messages.length).toBe(2);
});

test('each vector has its own moderation; 0 lets what waits through', () => {
  const bench = withMessages();
  for (let vector = 0; vector < QUEUES; vector++) {
    write(bench, q(NIC.ITR, vector), 10 * (vector + 1));
    write(bench, q(NIC.QMS, vector), 1);
    write(bench, q(NIC.QCS, vector), 1);
    write(bench, q(NIC.QSR, vector), 1);
    write(bench, q(NIC.QCS, vector), 1);
  }
  expect(bench.messages.length).toBe(4);
  bench.nic.advance(10_000);
  bench.nic.advance(20_000);
  expect(bench.messages.slice(4).map(([vector]) => vector)).toEqual([0, 1]);
  write(bench, q(NIC.ITR, 3), 0);
  expect(bench.messages.slice(6).map(([vector]) => vector)).toEqual([3]);
  expect(bench.nic.peek(q(NIC.ITR, 2))).toBe(30);
});

test('a burst of frames under moderation: one interrupt for each interval', () => {
  const bench = new Bench({ rate: 1e9 });
  bench.start(NIC.CTRL.RXE.mask);
  bench.rxRing(256, 255);
  bench.write(NIC.ITR, 50);
  bench.write(NIC.IMS, NIC.IMS.RX.mask);
  let rises = 0;
  for (let i = 0; i < 200; i++) {
    bench.nic.advance(1000 * (i + 1));
    bench.receive(frame(60));
    if (bench.level) {
      rises++;
      bench.write(NIC.ISR, NIC.ISR.RX.mask);
    }
  }
  expect(rises).toBeGreaterThanOrEqual(4);
  expect(rises).toBeLessThanOrEqual(5);
});

describe('TIDV', () => {
  const LATE = TXD.STATUS.EOP.mask | TXD.STATUS.RS.mask | TXD.STATUS.IDE.mask;
  const TX = NIC.ISR.TX.mask;
  const RX = NIC.ISR.RX.mask;

  function late(bench: Bench, index: number): void {
    bench.ram.bytes.set(frame(60), TX_BUFFERS - RAM_BASE);
    bench.txDescriptor(index, TX_BUFFERS, 60, LATE);
    bench.write(NIC.TDT, index + 1);
  }

  function started(usecs: number): Bench {
    const bench = new Bench();
    bench.start(NIC.CTRL.TXE.mask | NIC.CTRL.RXE.mask, 0);
    bench.txRing(16);
    bench.rxRing(8, 7);
    bench.write(NIC.TIDV, usecs);
    bench.write(NIC.IMS, TX | RX);
    return bench;
  }

  test('20 µs, a frame with IDE is sent: done at once, told when the time is over, counted from the first', () => {
    const bench = started(20);
    late(bench, 0);
    expect([bench.txStatus(0), bench.level]).toEqual([LATE | TXD.STATUS.DD.mask, false]);
    bench.nic.advance(15_000);
    late(bench, 1);
    bench.nic.advance(19_999);
    expect([bench.read(NIC.ISR), bench.level]).toEqual([0, false]);
    bench.nic.advance(20_000);
    expect([bench.read(NIC.ISR), bench.level]).toEqual([TX, true]);
    bench.write(NIC.ISR, TX);
    bench.nic.advance(1e6);
    expect([bench.read(NIC.ISR), bench.nic.deadline]).toEqual([0, Infinity]);
  });

  test('a frame comes in meanwhile: both are told of together, and the next one waits its own time', () => {
    const bench = started(20);
    late(bench, 0);
    bench.nic.advance(5000);
    bench.receive(frame(60));
    expect(bench.read(NIC.ISR)).toBe(TX | RX);
    bench.write(NIC.ISR, TX | RX);
    bench.nic.advance(12_000);
    late(bench, 1);
    bench.nic.advance(31_999);
    expect(bench.read(NIC.ISR)).toBe(0);
    bench.nic.advance(32_000);
    expect(bench.read(NIC.ISR)).toBe(TX);
  });

  test('without IDE, or with TIDV 0: at once; one without IDE brings those along that wait', () => {
    const bench = started(20);
    late(bench, 0);
    bench.txFrame(1, frame(60));
    expect(bench.read(NIC.ISR)).toBe(TX);
    bench.write(NIC.ISR, TX);
    bench.nic.advance(1e6);
    expect(bench.read(NIC.ISR)).toBe(0);
    bench.write(NIC.TIDV, 0);
    late(bench, 2);
    expect(bench.read(NIC.ISR)).toBe(TX);
  });

  test('a frame with IDE that is discarded: told at once', () => {
    const bench = started(20);
    bench.txDescriptor(0, 0, 60, LATE);
    bench.write(NIC.TDT, 1);
    expect([bench.read(NIC.ISR) & NIC.ISR.TXE.mask, bench.level]).toEqual([NIC.ISR.TXE.mask, false]);
    expect(bench.nic.deadline).toBe(Infinity);
  });

  test('TIDV written while one waits: it is told; a reset: it is forgotten', () => {
    const bench = started(20);
    late(bench, 0);
    bench.write(NIC.TIDV, 20);
    expect(bench.read(NIC.ISR)).toBe(TX);
    bench.write(NIC.ISR, TX);
    late(bench, 1);
    bench.write(NIC.CTRL, NIC.CTRL.RST.mask);
    bench.nic.advance(1e6);
    expect([bench.read(NIC.ISR) & TX, bench.read(NIC.TIDV), bench.nic.deadline]).toEqual([0, 0, Infinity]);
  });

  test('two queues with messages: each is told of its own, late or with its own next cause', () => {
    const bench = withMessages();
    bench.start(NIC.CTRL.TXE.mask, 0);
    bench.txRing(16);
    bench.write(NIC.TIDV, 20);
    for (const queue of [0, 1]) write(bench, q(NIC.QMS, queue), 3);
    late(bench, 0);
    write(bench, q(NIC.QCS, 1), 1);
    expect([bench.messages, bench.peek(NIC.QSR)]).toEqual([[[1, 101]], 0]);
    write(bench, q(NIC.QCS, 0), 1);
    expect([bench.messages.length, bench.peek(NIC.QSR)]).toEqual([2, 3]);
  });
});
