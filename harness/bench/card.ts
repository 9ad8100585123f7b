/**
 * The NE2000 alone, as an embedder drives it: register accesses, the data port, and frames that a driver's own sequence
 * of accesses drains by programmed I/O. The figures to hold beside these are v86's, for its model of the same card.
 */
import { MacEeprom } from '../../device/eeprom.ts';
import { Ne2000 } from '../../device/ne2000.ts';
import { FCS_GOOD } from '../../device/ports.ts';
import { DATA_PORT, NE2000 } from '../../device/regs/ne2000.ts';
import { parseMac } from '../packet/address.ts';
import { allocated, type Result, seconds, summarize } from './runner.ts';

const MEMORY = 16384;
const MAC = '02:00:00:00:00:02';
const PSTART = 0x46;
const PSTOP = 0x80;
const START_NODMA = 0x22;
const START_READ = 0x0a;
const PAGE1 = 0x40;
const STOP_NODMA = 0x21;
const { CR, ISR, BNRY, CURR, RSAR0, RSAR1, RBCR0, RBCR1, TSR } = NE2000;
const P_CR = CR.offset;
const P_ISR = ISR.offset;
const P_BNRY = BNRY.offset;
const P_CURR = CURR.offset;
const P_TSR = TSR.offset;
const P_RSAR0 = RSAR0.offset;
const P_RSAR1 = RSAR1.offset;
const P_RBCR0 = RBCR0.offset;
const P_RBCR1 = RBCR1.offset;
const PRX = ISR.PRX.mask;
const RDC = ISR.RDC.mask;
const ACCESSES = 8_000_000;
const PORT_READS = 8_000_000;
const ALLOCATION_FRAMES = 2000;

/** A started card, in word mode, that takes everything for its station. */
export class CardBench {
  readonly card: Ne2000;
  /** Keeps what was read from being optimised away. */
  sum = 0;
  private irqs = 0;
  private next = PSTART;

  constructor() {
    this.card = new Ne2000({
      memory: { bytes: new Uint8Array(MEMORY), base: 0, size: MEMORY },
      irq: { setLevel: () => void this.irqs++ },
      wire: { transmit: () => {} },
      eeprom: new MacEeprom(parseMac(MAC)),
      violations: {
        violation: rule => {
          throw new Error(`bench card: violation ${rule}`);
        },
      },
      rate: 'instant',
    });
    const out = (port: number, value: number): void => this.card.write(0, port, 8, value);
    out(P_CR, STOP_NODMA);
    out(NE2000.DCR.offset, 0x49);
    out(P_RBCR0, 0);
    out(P_RBCR1, 0);
    out(NE2000.RCR.offset, NE2000.RCR.AB.mask);
    out(NE2000.TCR.offset, 0);
    out(NE2000.PSTART.offset, PSTART);
    out(NE2000.PSTOP.offset, PSTOP);
    out(P_BNRY, PSTOP - 1);
    out(P_ISR, 0xff);
    out(NE2000.IMR.offset, PRX);
    out(P_CR, STOP_NODMA | PAGE1);
    parseMac(MAC).forEach((byte, i) => void out(NE2000.PAR0.offset + i, byte));
    out(P_CURR, PSTART);
    out(P_CR, START_NODMA);
  }

  /** Reads of the registers that a driver polls. */
  reads(count: number): void {
    const { card } = this;
    let sum = 0;
    for (let i = 0; i < count; i += 4) {
      sum += card.read(0, P_ISR, 8) + card.read(0, P_BNRY, 8) + card.read(0, P_TSR, 8) + card.read(0, P_CR, 8);
    }
    this.sum += sum;
  }

  /** One write to three reads. */
  mixed(count: number): void {
    const { card } = this;
    let sum = 0;
    for (let i = 0; i < count; i += 4) {
      card.write(0, P_ISR, 8, RDC);
      sum += card.read(0, P_ISR, 8) + card.read(0, P_BNRY, 8) + card.read(0, P_TSR, 8);
    }
    this.sum += sum;
  }

  /** As `reads`, with the clock brought up before each access and the deadline looked at after it. */
  clocked(count: number, from: number): void {
    const { card } = this;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      card.advance(from + i);
      sum += card.read(0, P_ISR, 8);
      if (card.deadline <= from) sum++;
    }
    this.sum += sum;
  }

  private window(page: number, bytes: number, at = 0): void {
    const { card } = this;
    card.write(0, P_RBCR0, 8, bytes & 0xff);
    card.write(0, P_RBCR1, 8, bytes >> 8);
    card.write(0, P_RSAR0, 8, at);
    card.write(0, P_RSAR1, 8, page);
    card.write(0, P_CR, 8, START_READ);
  }

  /** Data port reads of `width` bits, in stretches of a large frame. */
  port(count: number, width: 16 | 32): void {
    const { card } = this;
    const stretch = 1536;
    const step = width / 8;
    let sum = 0;
    for (let left = count; left > 0; ) {
      this.window(PSTART, stretch);
      for (let i = 0; i < stretch; i += step, left--) sum += card.read(0, DATA_PORT, width);
    }
    this.sum += sum;
  }

  /** What Linux's driver does for each frame: status, CURR, page header, frame, BNRY. */
  drain(width: 16 | 32): void {
    const { card } = this;
    const status = card.read(0, P_ISR, 8);
    card.write(0, P_ISR, 8, status);
    card.write(0, P_CR, 8, START_NODMA | PAGE1);
    const curr = card.read(0, P_CURR, 8);
    card.write(0, P_CR, 8, START_NODMA);
    if (curr === this.next) throw new Error('bench card: nothing was received');
    const page = this.next;
    this.window(page, 4);
    const head = card.read(0, DATA_PORT, 16);
    const length = card.read(0, DATA_PORT, 16) - 4;
    card.write(0, P_ISR, 8, RDC);
    this.window(page, length, 4);
    let sum = 0;
    const step = width / 8;
    let left = length;
    for (; left >= step; left -= step) sum += card.read(0, DATA_PORT, width);
    if (left > 0) sum += card.read(0, DATA_PORT, 16);
    card.write(0, P_ISR, 8, RDC);
    this.sum += sum;
    this.next = head >> 8;
    card.write(0, P_BNRY, 8, this.next === PSTART ? PSTOP - 1 : this.next - 1);
  }

  frames(count: number, frame: Uint8Array, width: 16 | 32): void {
    for (let i = 0; i < count; i++) {
      this.card.receive(frame, 0, frame.length, FCS_GOOD, 0);
      this.drain(width);
    }
  }
}

function benchFrame(length: number): Uint8Array {
  const frame = new Uint8Array(length).map((_, i) => i & 0xff);
  frame.set(parseMac(MAC));
  return frame;
}

/** Register accesses and data port reads per second. */
export function benchCardAccess(runs: number): Result[] {
  const bench = new CardBench();
  let now = 1;
  const works: readonly [name: string, count: number, work: () => void][] = [
    ['card.reads', ACCESSES, () => bench.reads(ACCESSES)],
    ['card.mixed', ACCESSES, () => bench.mixed(ACCESSES)],
    [
      'card.clocked',
      ACCESSES,
      () => {
        bench.clocked(ACCESSES, now);
        now += ACCESSES;
      },
    ],
    ['card.port16', PORT_READS, () => bench.port(PORT_READS, 16)],
    ['card.port32', PORT_READS, () => bench.port(PORT_READS, 32)],
  ];
  return works.map(([name, count, work]) => {
    work();
    const rates: number[] = [];
    for (let run = 0; run < runs; run++) rates.push(count / seconds(work));
    return summarize(name, 'accesses/s', rates);
  });
}

/** Frames per second received and drained through the data port, and the bytes that a frame allocates. */
export function benchCardDrain(length: number, runs: number): Result[] {
  const frame = benchFrame(length);
  const frames = length > 512 ? 20_000 : 200_000;
  const out: Result[] = [];
  for (const width of [16, 32] as const) {
    const bench = new CardBench();
    bench.frames(frames, frame, width);
    const rates: number[] = [];
    for (let run = 0; run < runs; run++) rates.push(frames / seconds(() => bench.frames(frames, frame, width)));
    out.push(summarize(`card.pio${length}.${width}`, 'frames/s', rates));
    if (width === 32) continue;
    const bytes: number[] = [];
    for (let run = 0; run < runs; run++) {
      bytes.push(allocated(() => bench.frames(ALLOCATION_FRAMES, frame, width)) / ALLOCATION_FRAMES);
    }
    out.push(summarize(`card.pio${length}.allocated`, 'bytes/frame', bytes));
  }
  return out;
}
