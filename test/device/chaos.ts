/** A driver, a wire and a bus gone mad, from a seed: random registers, frames, descriptors, times and DMA faults. */
import { RXD, TXC, TXD } from '../../device/regs/desc.ts';
import type { Reg } from '../../device/regs/describe.ts';
import { NIC, QUEUES } from '../../device/regs/nic.ts';
import { RULES } from '../../device/regs/rules.ts';
import { ERROR_DRIBBLE } from '../../device/rx.ts';
import { Bench, BROADCAST, BUFFER, frame, MAC, MULTICAST, RAM_BASE, RX_BUFFERS, TX_BUFFERS } from './bench.ts';

const REGISTERS = (Object.values(NIC) as Reg<string>[]).flatMap(reg =>
  // The long tables count like a few registers, or they would get nearly every access.
  Array.from({ length: Math.min(reg.count, 8) }, (_, i) => ({ reg, offset: reg.offset + i * reg.stride })),
);
const STATISTICS = (Object.values(NIC) as Reg<string>[]).filter(reg => reg.access === 'rc');
const RING = 16;
const PAUSE = Uint8Array.of(0x01, 0x80, 0xc2, 0, 0, 1);
const ringOf = (queue: number): number => RAM_BASE + 0x1000 + queue * 0x400;
const txRingOf = (queue: number): number => RAM_BASE + 0x4000 + queue * 0x400;

/** What a run came to. */
export interface Outcome {
  readonly hash: number;
  readonly arrived: number;
  readonly violations: number;
  readonly sent: number;
  /** Empty: everything adds up. */
  readonly wrong: string[];
}

/** xorshift32. */
class Chance {
  private state: number;

  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) | 1;
  }

  u32(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }

  below(limit: number): number {
    return this.u32() % limit;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

class Chaos {
  readonly bench: Bench;
  readonly chance: Chance;
  readonly programmed: boolean;
  hash = 0x811c9dc5;
  arrived = 0;
  delivered = 0;
  resetDrops = 0;
  sent = 0;
  violations = 0;
  readonly unknown = new Set<string>();
  /** Counters that were cleared so far, by name. */
  private readonly cleared: Record<string, number> = {};

  constructor(seed: number) {
    const chance = new Chance(seed);
    const rate = chance.pick(['instant', 'instant', 1e8, 1e9, 1e10] as const);
    const bench = new Bench({ rate, size: chance.pick([4096, 4096, 16384, 48 * 1024]) });
    this.chance = chance;
    this.bench = bench;
    this.programmed = (seed & 1) === 1;
    const rules: Readonly<Record<string, unknown>> = RULES;
    bench.violation = (rule, offset, value, time) => {
      this.violations++;
      if (!(rule in rules)) this.unknown.add(rule);
      this.note(offset ^ value ^ time);
    };
    bench.transmit = (bytes, at, length, fcs) => {
      this.sent++;
      this.note(length ^ fcs);
      for (let i = 0; i < length; i += 5) this.note(bytes[at + i] as number);
    };
    bench.setLevel = asserted => {
      bench.level = asserted;
      this.note(asserted ? 3 : 5);
    };
    bench.message = (vector, data) => this.note((vector << 8) ^ data);
    bench.nic.trace.frame_arrived = () => {
      this.arrived++;
    };
    bench.nic.trace.rx_done = () => {
      this.delivered++;
    };
    bench.nic.trace.rx_dropped = (_, reason) => {
      if (reason === 'reset') this.resetDrops++;
    };
  }

  note(value: number): void {
    this.hash = Math.imul(this.hash ^ (value | 0), 0x01000193) >>> 0;
  }

  /** Runs what may clear counters, and keeps what it cleared. */
  private keeping(work: () => void): void {
    const before = STATISTICS.map(reg => this.bench.peek(reg));
    work();
    STATISTICS.forEach((reg, i) => {
      const gone = (before[i] as number) - this.bench.peek(reg);
      if (gone > 0) this.cleared[reg.name] = (this.cleared[reg.name] ?? 0) + gone;
    });
  }

  total(...names: string[]): number {
    const map = NIC as unknown as Record<string, Reg<string>>;
    return names.reduce((sum, name) => sum + (this.cleared[name] ?? 0) + this.bench.peek(map[name] as Reg<string>), 0);
  }

  private value(): number {
    const { chance } = this;
    switch (chance.below(8)) {
      case 0:
        return chance.below(20);
      case 1:
        return 0x3e + chance.below(0x50);
      case 2:
        return ringOf(chance.below(4));
      case 3:
        return txRingOf(chance.below(4));
      case 4:
        return (1 | (BUFFER << 16)) >>> 0;
      case 5:
        return (0x80000000 | chance.below(1700)) >>> 0;
      case 6:
        return (1 << chance.below(32)) >>> 0;
      default:
        return chance.u32();
    }
  }

  private write(offset: number, value: number): void {
    const { bench } = this;
    let taken = value;
    if (offset === NIC.CTRL.offset && !this.programmed) taken &= ~NIC.CTRL.PIO.mask;
    if (offset === NIC.CTRL.offset && (taken & 1) !== 0)
      this.keeping(() => bench.nic.write(0, offset, 32, taken >>> 0));
    else bench.nic.write(0, offset, 32, taken >>> 0);
  }

  private read(offset: number, width: number): void {
    const { bench } = this;
    if (offset >= 0x400 && offset < 0x480) this.keeping(() => this.note(bench.nic.read(0, offset, width)));
    else this.note(bench.nic.read(0, offset, width));
  }

  private receive(): void {
    const { chance, bench } = this;
    const long = chance.below(40) === 0;
    const length = long ? chance.below(9300) : chance.below(3) === 0 ? chance.below(1600) : 40 + chance.below(200);
    const bytes = frame(length, chance.below(256), chance.pick([MAC, MAC, MAC, BROADCAST, MULTICAST, PAUSE]));
    if (length > 60) this.shape(bytes);
    const fcs = chance.below(6) === 0 ? chance.u32() : -1;
    const errors = chance.below(4) === 0 ? ERROR_DRIBBLE : 0;
    bench.nic.receiveErrored(bytes, 0, length, fcs, 0, errors);
    this.note(bench.nic.room(length) ? 1 : 0);
  }

  /** Some sort of IP, VLAN or pause frame, sound or not. */
  private shape(bytes: Uint8Array): void {
    const { chance } = this;
    const view = new DataView(bytes.buffer);
    const ip = chance.below(3) === 0 ? 18 : 14;
    if (ip === 18) {
      view.setUint16(12, 0x8100);
      view.setUint16(14, chance.u32() & 0xffff);
    }
    view.setUint16(ip - 2, chance.pick([0x0800, 0x86dd, 0x8808, 0x0806]));
    bytes[ip] = chance.pick([0x45, 0x46, 0x60, 0x4f, 0x00]);
    view.setUint16(ip + 2, chance.below(3) === 0 ? chance.u32() & 0xffff : bytes.length - ip);
    view.setUint16(ip + 4, chance.below(3) === 0 ? chance.u32() & 0xffff : Math.max(0, bytes.length - ip - 40));
    bytes[ip + 6] = chance.pick([0, 6, 17, 44, 60]);
    bytes[ip + 9] = chance.pick([6, 17, 1]);
  }

  private descriptor(): void {
    const { chance, bench } = this;
    const { view } = bench.ram;
    const queue = chance.below(QUEUES);
    const index = chance.below(RING);
    const sound = chance.below(4) !== 0;
    const transmit = chance.below(2) === 0;
    const at = (transmit ? txRingOf(queue) : ringOf(queue)) - RAM_BASE + index * RXD.bytes;
    if (!transmit) {
      view.setUint32(at, sound ? RX_BUFFERS + (index + RING * queue) * BUFFER : this.value(), true);
      view.setUint32(at + 4, sound ? 0 : chance.below(2), true);
      view.setUint32(at + 12, sound ? 0 : chance.u32(), true);
      return;
    }
    const context = chance.below(4) === 0;
    if (context) {
      const l4 = chance.pick([34, 54, 38, 0, 200]);
      const word = (l4 | (16 << 8) | (14 << 16) | ((l4 + 20) << 24)) >>> 0;
      view.setUint32(at, sound ? word : chance.u32(), true);
      view.setUint32(at + 4, sound ? 100 + chance.below(1400) : chance.u32(), true);
      view.setUint32(at + 8, sound ? 0 : chance.u32(), true);
      view.setUint32(at + 12, TXC.STATUS.CTX.mask | (chance.below(8) << 16) | (sound ? 0 : chance.u32()), true);
      return;
    }
    view.setUint32(at, sound ? TX_BUFFERS + chance.below(2000) : this.value(), true);
    view.setUint32(at + 4, sound ? 0 : chance.below(2), true);
    view.setUint32(
      at + 8,
      (sound ? 20 + chance.below(1000) : chance.u32() & 0xffff) | (chance.u32() & 0xffff0000),
      true,
    );
    const flags = chance.below(3) === 0 ? 0 : TXD.STATUS.EOP.mask | TXD.STATUS.RS.mask;
    view.setUint32(at + 12, sound ? flags | (chance.below(8) === 0 ? TXD.STATUS.VLE.mask : 0) : chance.u32(), true);
  }

  private soundReceive(queue: number, index: number): void {
    const { view } = this.bench.ram;
    const at = ringOf(queue) - RAM_BASE + index * RXD.bytes;
    view.setUint32(at, RX_BUFFERS + ((index + RING * queue) % 56) * BUFFER, true);
    view.setUint32(at + 4, 0, true);
    view.setUint32(at + 12, 0, true);
  }

  private soundSend(queue: number, index: number): void {
    const { view } = this.bench.ram;
    const at = txRingOf(queue) - RAM_BASE + index * TXD.bytes;
    view.setUint32(at, TX_BUFFERS + this.chance.below(2000), true);
    view.setUint32(at + 4, 0, true);
    view.setUint32(at + 8, 20 + this.chance.below(1500), true);
    view.setUint32(at + 12, TXD.STATUS.EOP.mask | TXD.STATUS.RS.mask, true);
  }

  /** A healthy start, so that runs get past the first refusal. */
  private repair(): void {
    const { chance, bench } = this;
    const w = (reg: Reg<string>, value: number, index = 0): void => this.write(reg.offset + index * reg.stride, value);
    bench.ram.faultAfter = Infinity;
    bench.ram.badTo = 0;
    const stop = bench.peek(NIC.PMSZ) >>> 16;
    w(NIC.CTRL, 0);
    w(NIC.PSTART, 0x46);
    w(NIC.PSTOP, 0x40 + stop);
    w(NIC.TPSR, 0x40);
    w(NIC.MAXLEN, chance.pick([1514, 1514, 9216]));
    w(NIC.RCR, chance.pick([0x13, 0x53, 0x1f, 0x10]));
    w(NIC.TCR, chance.pick([0, 2, 4]));
    w(NIC.RSSC, chance.pick([0, 0x3f]));
    w(NIC.RXCSC, chance.below(8));
    w(NIC.VLCR, chance.below(2));
    for (let queue = 0; queue < QUEUES; queue++) {
      if (chance.below(2) === 0) continue;
      w(NIC.RDCTL, 0, queue);
      w(NIC.TDCTL, 0, queue);
      w(NIC.RDBA, ringOf(queue), queue);
      w(NIC.TDBA, txRingOf(queue), queue);
      w(NIC.RDLEN, RING, queue);
      w(NIC.TDLEN, RING, queue);
      w(NIC.RDT, RING - 1, queue);
      for (let i = 0; i < RING; i++) {
        this.soundReceive(queue, i);
        this.soundSend(queue, i);
      }
      w(NIC.RDCTL, (1 | (BUFFER << 16)) >>> 0, queue);
      w(NIC.TDCTL, 1, queue);
      w(NIC.TDT, chance.below(RING), queue);
    }
    w(NIC.CTRL, this.programmed && chance.below(2) === 0 ? 0xe : 0x6);
  }

  step(): void {
    const { chance, bench } = this;
    const { nic } = bench;
    const what = chance.below(64);
    if (what < 14) {
      this.write(chance.pick(REGISTERS).offset, this.value());
    } else if (what < 19) {
      this.read(chance.pick(REGISTERS).offset, 32);
    } else if (what < 21) {
      const offset = chance.below(0x1100);
      const width = chance.pick([8, 16, 32]);
      const bar = chance.below(4) === 0 ? 1 : 0;
      if (offset !== NIC.CTRL.offset) nic.write(bar, offset, width, this.value());
      if (offset < 0x400 || offset >= 0x480) this.note(nic.read(bar, offset, width));
      this.note(nic.peek(offset));
    } else if (what < 36) {
      this.receive();
    } else if (what < 46) {
      nic.advance(nic.time + chance.pick([0, 10, 1000, 5000, 100_000]));
    } else if (what < 56) {
      this.descriptor();
    } else if (what < 58) {
      const queue = chance.below(QUEUES);
      this.write(NIC.RDT.offset + queue * NIC.RDT.stride, chance.below(RING));
      this.write(NIC.TDT.offset + queue * NIC.TDT.stride, chance.below(RING));
    } else if (what < 60) {
      if (chance.below(4) === 0) bench.ram.faultAfter = bench.ram.accesses + chance.below(20);
      bench.ram.badFrom = RAM_BASE + chance.below(0x100000);
      bench.ram.badTo = bench.ram.badFrom + chance.below(0x4000);
    } else if (what < 63) {
      this.repair();
    } else {
      const odd = chance.below(8);
      if (odd === 0) this.keeping(() => nic.functionReset());
      else if (odd < 4) nic.setLink(odd === 1);
      else if (odd < 6) nic.setMessages(odd === 4, chance.below(2) === 0);
      else nic.settle();
    }
  }

  finish(): Outcome {
    const { bench } = this;
    const wrong: string[] = [];
    const equal = (what: string, a: number, b: number): void => {
      if (a !== b) wrong.push(`${what}: ${a} and ${b}`);
    };
    bench.nic.setMessages(false, false);
    this.write(NIC.ITR.offset, 0);
    bench.nic.advance(bench.nic.time + 1e8);
    if (!bench.guardsIntact()) wrong.push('guard zones around packet memory');
    for (const rule of this.unknown) wrong.push(`unknown rule ${rule}`);
    const seen = this.total('RXOFF', 'GIANT', 'RUNT', 'PRXC', 'FILT', 'ALGNERR', 'CRCERR', 'MPC', 'GPRC');
    equal('frames that arrived, and the counters', this.arrived, seen);
    if (!this.programmed) {
      let waiting = 0;
      for (const length of bench.nic.ring.frameLength) if (length !== 0) waiting++;
      const gone = this.total('RNBC', 'RXDMAE', 'RXDISC') + this.resetDrops;
      equal('frames stored, and where they went', this.total('GPRC', 'BPRC'), this.delivered + waiting + gone);
    }
    const pin = (bench.peek(NIC.ISR) & bench.peek(NIC.IMS)) !== 0;
    if (bench.level !== pin) wrong.push(`the pin is ${bench.level}`);
    return { hash: this.hash, arrived: this.arrived, violations: this.violations, sent: this.sent, wrong };
  }
}

/** `steps` random operations on a new card. */
export function chaos(seed: number, steps: number): Outcome {
  const run = new Chaos(seed);
  for (let i = 0; i < steps; i++) {
    run.bench.nic.advance(run.bench.nic.time);
    run.step();
  }
  return run.finish();
}
