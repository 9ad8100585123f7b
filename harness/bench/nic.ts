/**
 * The card alone: register accesses, the data port, frames through programmed I/O and through the rings. Instant wire,
 * FCS right by construction, card memory and host RAM in one arena.
 */
import { MacEeprom } from '../../device/eeprom.ts';
import { Nic } from '../../device/nic.ts';
import { type Dma, FCS_GOOD, type IrqLine, type ViolationSink, type Wire } from '../../device/ports.ts';
import { RXD, TXD } from '../../device/regs/desc.ts';
import { NIC } from '../../device/regs/nic.ts';
import { DMA_BIDIRECTIONAL } from '../../kernel/arch.ts';
import { Cable } from '../machine/cable.ts';
import { LevelInterruptController } from '../machine/intc.ts';
import { DeviceIommu } from '../machine/iommu.ts';
import { CardSlot } from '../machine/slot.ts';
import { Arena } from '../sim/arena.ts';
import { Sim } from '../sim/sim.ts';
import { allocated, type Result, seconds, summarize } from './runner.ts';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 2);
const RING = 256;
const BUFFER = 2048;
const MEMORY = 4096;
/** Descriptors given back at a time, as a driver does. */
const BATCH = 32;
const PCI_COMMAND = 0x04;
const PCI_MEMORY_MASTER = 6;
const LINE = 10;
const { RDT, TDT, ISR, CURR, DATA, RSAR, RBCR, BNRY } = NIC;
const SEND = TXD.STATUS.EOP.mask | TXD.STATUS.RS.mask;

/** Host RAM as its own bus: bounds, then a copy. */
class BareDma implements Dma {
  readonly direct: Uint8Array;

  constructor(memory: Uint8Array) {
    this.direct = memory;
  }

  locate(address: number, length: number): number {
    return address + length <= this.direct.length ? address : -1;
  }

  read(address: number, into: Uint8Array, at: number, length: number): boolean {
    if (address + length > this.direct.length) return false;
    return copy(this.direct, address, into, at, length);
  }

  write(address: number, from: Uint8Array, at: number, length: number): boolean {
    if (address + length > this.direct.length) return false;
    return copy(from, at, this.direct, address, length);
  }
}

function copy(from: Uint8Array, at: number, to: Uint8Array, into: number, length: number): boolean {
  if (from === to && length > 32) to.copyWithin(into, at, at + length);
  else for (let i = 0; i < length; i++) to[into + i] = from[at + i] as number;
  return true;
}

/** A card with rings; `slot` puts it behind PCI, the IOMMU and the bus's clock. */
export class CardBench implements IrqLine, ViolationSink, Wire {
  readonly arena = Arena.take(4 * 1024 * 1024);
  readonly nic: Nic;
  readonly slot: CardSlot | null;
  violations = 0;
  interrupts = 0;
  sent = 0;
  readonly frameAt: number;
  private readonly rings: number;
  private readonly buffers: number;
  /** I/O addresses. */
  private readonly ringsIo: number;
  private readonly buffersIo: number;
  private readonly length: number;
  /** The next descriptor to look at, for each ring. */
  private clean = 0;
  private next = 0;

  constructor(length: number, behindSlot: boolean) {
    const { arena } = this;
    const base = arena.alloc(MEMORY);
    this.rings = arena.alloc(2 * RING * 16);
    this.buffers = arena.alloc(RING * BUFFER);
    this.frameAt = arena.alloc(4096);
    this.length = length;
    const sim = new Sim();
    const slot = behindSlot
      ? new CardSlot('bench', sim, arena, new LevelInterruptController(sim, 24), LINE, new DeviceIommu('bench', fail))
      : null;
    this.slot = slot;
    this.nic = new Nic({
      memory: { bytes: arena.u8, base, size: MEMORY, move: arena.move, sum: arena.cardSum },
      dma: slot === null ? new BareDma(arena.u8) : slot.dma,
      irq: slot ?? this,
      wire: this,
      eeprom: new MacEeprom(MAC),
      violations: this,
      rate: 'instant',
    });
    if (slot !== null) {
      slot.insert(this.nic, 0x30000000, 0xc000);
      slot.cable = new Cable(sim, null, '');
      slot.cable.add(this.nic, 'nic');
      slot.writeConfig(PCI_COMMAND, 16, PCI_MEMORY_MASTER);
      this.ringsIo = slot.iommu.map(this.rings, 2 * RING * 16, DMA_BIDIRECTIONAL, true);
      this.buffersIo = slot.iommu.map(this.buffers, RING * BUFFER, DMA_BIDIRECTIONAL, true);
    } else {
      this.ringsIo = this.rings;
      this.buffersIo = this.buffers;
    }
    const frame = arena.u8.subarray(this.frameAt, this.frameAt + length);
    for (let i = 0; i < length; i++) frame[i] = (i * 7) & 0xff;
    frame.set(MAC);
  }

  setLevel(asserted: boolean): void {
    if (asserted) this.interrupts++;
  }

  message(): void {
    this.interrupts++;
  }

  transmit(): void {
    this.sent++;
  }

  violation(rule: string): void {
    this.violations++;
    if (this.violations === 1) throw new Error(`bench: violation ${rule}`);
  }

  read(offset: number, width: number): number {
    return this.slot === null ? this.nic.read(0, offset, width) : this.slot.read(0, offset, width);
  }

  write(offset: number, value: number): void {
    if (this.slot === null) this.nic.write(0, offset, 32, value);
    else this.slot.write(0, offset, 32, value);
  }

  private address(): void {
    this.write(NIC.MAC0.offset, 0x00000002);
    this.write(NIC.MAC1.offset, 0x0200);
    this.write(ISR.offset, ISR.writable & 0x3ff);
  }

  startRings(): void {
    this.address();
    const { i32 } = this.arena;
    for (let i = 0; i < RING; i++) this.give(i);
    this.write(NIC.RDBA.offset, this.ringsIo);
    this.write(NIC.RDLEN.offset, RING);
    this.write(NIC.RDCTL.offset, NIC.RDCTL.EN.mask | (BUFFER << 16));
    this.write(RDT.offset, RING - 1);
    for (let i = 0; i < RING; i++) {
      const d = (this.rings + (RING + i) * 16) >> 2;
      i32[d] = this.buffersIo + i * BUFFER;
      i32[d + 2] = this.length;
    }
    this.write(NIC.TDBA.offset, this.ringsIo + RING * 16);
    this.write(NIC.TDLEN.offset, RING);
    this.write(NIC.TDCTL.offset, NIC.TDCTL.EN.mask);
    this.write(NIC.CTRL.offset, NIC.CTRL.RXE.mask | NIC.CTRL.TXE.mask);
  }

  startProgrammed(): void {
    this.address();
    this.write(NIC.CTRL.offset, NIC.CTRL.RXE.mask | NIC.CTRL.TXE.mask | NIC.CTRL.PIO.mask);
  }

  private give(i: number): void {
    const d = (this.rings + i * 16) >> 2;
    const { i32 } = this.arena;
    i32[d] = this.buffersIo + i * BUFFER;
    i32[d + 3] = 0;
  }

  /** Frames that arrive one after the other, taken out of the ring by the driver's side in batches. */
  receive(frames: number): void {
    const { nic, frameAt, length } = this;
    const { u8, i32 } = this.arena;
    for (let left = frames; left > 0; left -= BATCH) {
      const batch = Math.min(left, BATCH);
      for (let i = 0; i < batch; i++) {
        nic.advance(0);
        nic.receive(u8, frameAt, length, FCS_GOOD, 0);
      }
      for (let i = 0; i < batch; i++) {
        const d = (this.rings + this.clean * 16) >> 2;
        if (((i32[d + 3] as number) & RXD.STATUS.DD.mask) === 0) throw new Error('bench: a frame is missing');
        this.give(this.clean);
        this.clean = (this.clean + 1) & (RING - 1);
      }
      this.write(ISR.offset, ISR.RX.mask);
      this.write(RDT.offset, (this.clean - 1) & (RING - 1));
    }
  }

  /** The last received frame's bytes are those of the frame sent. */
  intact(): boolean {
    const { u8 } = this.arena;
    const at = this.buffers + ((this.clean - 1) & (RING - 1)) * BUFFER;
    for (let i = 0; i < this.length; i++) if (u8[at + i] !== u8[this.frameAt + i]) return false;
    return true;
  }

  /** Frames sent from the ring, one descriptor and one doorbell each. */
  send(frames: number): void {
    const { i32 } = this.arena;
    for (let i = 0; i < frames; i++) {
      i32[((this.rings + (RING + this.next) * 16) >> 2) + 3] = SEND;
      this.next = (this.next + 1) & (RING - 1);
      this.write(TDT.offset, this.next);
    }
    this.write(ISR.offset, ISR.TX.mask);
  }

  /** Frames that arrive one at a time and are read out of the page ring through the data port, `width` bits each. */
  drain(frames: number, width: 16 | 32): number {
    const { nic, frameAt, length } = this;
    const { u8 } = this.arena;
    const step = width >> 3;
    let sum = 0;
    let page = 0x46;
    for (let i = 0; i < frames; i++) {
      nic.advance(0);
      nic.receive(u8, frameAt, length, FCS_GOOD, 0);
      if (this.read(CURR.offset, 32) === page) throw new Error('bench: no frame');
      this.write(RSAR.offset, page << 8);
      this.write(RBCR.offset, 4);
      const low = this.read(DATA.offset, 16);
      const bytes = this.read(DATA.offset, 16) - 4;
      this.write(RSAR.offset, (page << 8) + 4);
      this.write(RBCR.offset, (bytes + step - 1) & -step);
      for (let at = 0; at < bytes; at += step) sum = (sum + this.read(DATA.offset, width)) | 0;
      page = low >>> 8;
      this.write(BNRY.offset, page === 0x46 ? 0x4f : page - 1);
      this.write(ISR.offset, ISR.RX.mask | ISR.RDC.mask);
    }
    return sum;
  }

  /** Register reads, of several registers in turn. */
  reads(count: number): number {
    let sum = 0;
    for (let i = 0; i < count; i += 4) {
      sum = (sum + this.read(ISR.offset, 32)) | 0;
      sum = (sum + this.read(CURR.offset, 32)) | 0;
      sum = (sum + this.read(BNRY.offset, 32)) | 0;
      sum = (sum + this.read(NIC.STATUS.offset, 32)) | 0;
    }
    return sum;
  }

  /** Reads and writes in turn, as an interrupt handler makes them. */
  mixed(count: number): number {
    let sum = 0;
    for (let i = 0; i < count; i += 4) {
      sum = (sum + this.read(ISR.offset, 32)) | 0;
      this.write(ISR.offset, 1);
      this.write(RSAR.offset, 0x4600 + (i & 0xff));
      sum = (sum + this.read(CURR.offset, 32)) | 0;
    }
    return sum;
  }

  /** Data port reads alone. */
  port(count: number, width: 16 | 32): number {
    let sum = 0;
    const per = 0x800 / (width >> 3);
    for (let left = count; left > 0; left -= per) {
      this.write(RSAR.offset, 0x4600);
      this.write(RBCR.offset, 0x800);
      for (let i = 0; i < per; i++) sum = (sum + this.read(DATA.offset, width)) | 0;
    }
    this.write(ISR.offset, ISR.RDC.mask);
    return sum;
  }

  release(): void {
    this.arena.release();
  }
}

function fail(_: string, message: string): never {
  throw new Error(`bench: ${message}`);
}

/** What takes the results of reads, so that nothing can leave them out. */
const sink = new Int32Array(1);

type Work = (bench: CardBench, count: number) => number | undefined;

function measure(
  name: string,
  unit: string,
  runs: number,
  count: number,
  bench: CardBench,
  work: Work,
): [Result, Result] {
  sink[0] = (sink[0] as number) ^ (work(bench, count) ?? 0);
  sink[0] = (sink[0] as number) ^ (work(bench, count) ?? 0);
  const rates: number[] = [];
  const bytes: number[] = [];
  for (let run = 0; run < runs; run++) {
    const time = seconds(() => {
      sink[0] = (sink[0] as number) ^ (work(bench, count) ?? 0);
    });
    rates.push(count / time);
  }
  for (let run = 0; run < runs; run++) {
    bytes.push(
      allocated(() => {
        sink[0] = (sink[0] as number) ^ (work(bench, count) ?? 0);
      }) / count,
    );
  }
  if (bench.violations > 0) throw new Error(`bench ${name}: ${bench.violations} violations`);
  return [summarize(name, unit, rates), summarize(`${name}.allocated`, 'bytes each', bytes)];
}

const ACCESSES = 4_000_000;

/** Register accesses and data port reads per second, straight at the card. */
export function benchNicRegisters(runs: number): Result[] {
  const bench = new CardBench(60, false);
  bench.startProgrammed();
  const results = [
    ...measure('nic.reads', 'accesses/s', runs, ACCESSES, bench, (b, n) => b.reads(n)),
    ...measure('nic.mixed', 'accesses/s', runs, ACCESSES, bench, (b, n) => b.mixed(n)),
    ...measure('nic.port16', 'accesses/s', runs, ACCESSES, bench, (b, n) => b.port(n, 16)),
    ...measure('nic.port32', 'accesses/s', runs, ACCESSES, bench, (b, n) => b.port(n, 32)),
  ];
  bench.release();
  return results;
}

/** Frames per second received and drained through the data port by 16 and by 32 bits. */
export function benchNicProgrammed(length: number, runs: number): Result[] {
  const results: Result[] = [];
  for (const width of [16, 32] as const) {
    const bench = new CardBench(length, false);
    bench.startProgrammed();
    const frames = length > 512 ? 40_000 : 400_000;
    results.push(...measure(`nic.pio${length}x${width}`, 'frames/s', runs, frames, bench, (b, n) => b.drain(n, width)));
    bench.release();
  }
  return results;
}

/** Frames per second through the rings: received, sent; at the bare card, and in a PCI slot behind the IOMMU. */
export function benchNicRings(length: number, runs: number): Result[] {
  const results: Result[] = [];
  for (const slot of [false, true]) {
    const bench = new CardBench(length, slot);
    bench.startRings();
    const where = slot ? 'slot' : 'dma';
    const frames = 400_000;
    results.push(
      ...measure(`nic.${where}${length}`, 'frames/s', runs, frames, bench, (b, n) => {
        b.receive(n);
        return undefined;
      }),
    );
    if (!bench.intact()) throw new Error(`bench nic.${where}${length}: the bytes are wrong`);
    results.push(
      ...measure(`nic.${where}${length}.tx`, 'frames/s', runs, frames, bench, (b, n) => {
        b.send(n);
        return undefined;
      }),
    );
    bench.release();
  }
  return results;
}
