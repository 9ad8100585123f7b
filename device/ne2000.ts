import { type Clock, NOW, newClock, TX_END } from './clock.ts';
import { AddressFilter } from './filter.ts';
import { CAUSE_RST, type CauseSink, Interrupts } from './irq.ts';
import { Receiver8390 } from './ne2000/receive.ts';
import { moves, RemotePort } from './ne2000/remote.ts';
import { Tally } from './ne2000/tally.ts';
import { Transmitter8390 } from './ne2000/transmit.ts';
import { PageRing } from './packet-memory.ts';
import type { CardIdentity } from './pci.ts';
import type { Eeprom, FrameSink, IrqLine, PacketMemory, Station, Timed, ViolationSink, Wire } from './ports.ts';
import { allOnes } from './regfile.ts';
import {
  DATA_PORT,
  NE2000,
  NE2000_DEVICE_ID,
  NE2000_PORTS,
  NE2000_REVISION,
  NE2000_VENDOR_ID,
  PROM_BYTES,
  PROM_SIGNATURE,
  RD_ABORT,
  RD_SEND,
  RESET_PORT,
} from './regs/ne2000.ts';
import { byPlace, type PagedReg, PLACES } from './regs/paged.ts';
import { Reporter } from './reporter.ts';
import { Stats } from './stats.ts';
import { NicTrace } from './trace.ts';

export interface Ne2000Options {
  readonly memory: PacketMemory;
  readonly irq: IrqLine;
  readonly wire: Wire;
  readonly eeprom: Eeprom;
  readonly violations: ViolationSink;
  /** Link rate in bit/s, or 'instant': frames take no time (register vectors, throughput). */
  readonly rate: number | 'instant';
  /**
   * Page number of the first byte of packet memory. Left out: 40h, and as much lower as more than 48 KiB need; the PROM
   * hides what lies at remote addresses 0–1Fh.
   */
  readonly firstPage?: number;
}

const IDENTITY: CardIdentity = Object.freeze({
  vendor: NE2000_VENDOR_ID,
  device: NE2000_DEVICE_ID,
  revision: NE2000_REVISION,
  classCode: 0x020000,
  bars: Object.freeze([Object.freeze({ kind: 'io', size: NE2000_PORTS })]),
});

const FIRST_PAGE = 0x40;
const PAGE_NUMBERS = 256;
const PAGE_BYTES = 256;
const BITS_PER_BYTE = 8;
const NS_PER_S = 1e9;
/** PROM bytes 28–31, of which each pair is one of the 16 values: the signature. */
const SIGNATURE_AT = 28;

const { CR, ISR, IMR, RCR, TCR, DCR, CURR, BNRY, PSTART, PSTOP, TPSR } = NE2000;
const STP = CR.STP.mask;
const STA = CR.STA.mask;
const TXP = CR.TXP.mask;
const RD_LSB = CR.RD.lsb;
const RD_MAX = CR.RD.max;
const PS = CR.PS.mask;
/** CR.PS, moved to where it is added to an offset to give a place. */
const PS_SHIFT = CR.PS.lsb - 4;
const ISR_CLEARS = ISR.writable;
const WTS = DCR.WTS.mask;
const BOS = DCR.BOS.mask;

// Places as constants of the module: a chain of comparisons with them is the dispatch of a write.
const W_PSTART = PSTART.writeIndex;
const W_PSTOP = PSTOP.writeIndex;
const W_BNRY = BNRY.writeIndex;
const W_TPSR = TPSR.writeIndex;
const W_TBCR0 = NE2000.TBCR0.writeIndex;
const W_TBCR1 = NE2000.TBCR1.writeIndex;
const W_ISR = ISR.writeIndex;
const W_RSAR0 = NE2000.RSAR0.writeIndex;
const W_RSAR1 = NE2000.RSAR1.writeIndex;
const W_RBCR0 = NE2000.RBCR0.writeIndex;
const W_RBCR1 = NE2000.RBCR1.writeIndex;
const W_RCR = RCR.writeIndex;
const W_TCR = TCR.writeIndex;
const W_DCR = DCR.writeIndex;
const W_IMR = IMR.writeIndex;
const W_CURR = CURR.writeIndex;
const W_CLDA0 = NE2000.CLDA0.writeIndex;
const W_CLDA1 = NE2000.CLDA1.writeIndex;
const R_ISR = ISR.index;
const R_BNRY = BNRY.index;
const R_CURR = CURR.index;
const R_RCR = RCR.index;
const R_DCR = DCR.index;
const R_TCR = TCR.index;
const R_IMR = IMR.index;
const R_RSR = NE2000.RSR.index;
const R_FIFO = NE2000.FIFO.index;
const R_CRDA0 = NE2000.CRDA0.index;
const R_CRDA1 = NE2000.CRDA1.index;
const R_CNTR0 = NE2000.CNTR0.index;
const R_CNTR2 = NE2000.CNTR2.index;
const R_PAR0 = NE2000.PAR0.index;
const R_MAR0 = NE2000.MAR0.index;
const R_MAR7 = NE2000.MAR7.index;
const MON = RCR.MON.mask;

/** What a read does, by place (page × 16 + offset). */
const STORED = 0;
const COMPUTED = 1;
const RESERVED = 2;
const READS = new Uint8Array(PLACES);
/** Registers that are not simply what the register file holds. */
const COMPUTED_NAMES = ['CR', 'ISR', 'CRDA0', 'CRDA1', 'FIFO', 'RSR', 'CNTR0', 'CNTR1', 'CNTR2'];
/** Places that only a read reaches. */
const READ_ONLY = new Uint8Array(PLACES);

const READ_MAP: readonly (PagedReg<string> | null)[] = byPlace(NE2000, 'read');
const WRITE_MAP: readonly (PagedReg<string> | null)[] = byPlace(NE2000, 'write');
for (let place = 0; place < PLACES; place++) {
  const read = READ_MAP[place] as PagedReg<string> | null;
  const write = WRITE_MAP[place] as PagedReg<string> | null;
  READS[place] = read === null ? RESERVED : COMPUTED_NAMES.includes(read.name) ? COMPUTED : STORED;
  READ_ONLY[place] = write === null && read !== null ? 1 : 0;
}

/** The engines' statistics have no interrupt of their own here: the tally counters have. */
const NOBODY: CauseSink = { raise: () => {} };

/**
 * The NE2000 card: the DP8390D's registers, page by page, and the NE2000 board's data and reset ports, over the packet
 * memory, filter and FCS of the native card. It knows nothing of who embeds it; the contract is the native card's.
 *
 * The manual is docs/ne2000.md, made from regs/ne2000*.ts; comments cite it by section (N2.2), and the DP8390D datasheet
 * by the title of its sections.
 */
export class Ne2000 implements Station, FrameSink, Timed {
  readonly identity: CardIdentity;
  readonly trace: NicTrace;
  /** For inspectors: read-only, please. */
  readonly ring: PageRing;
  readonly stats: Stats;
  /** The register file, by the place where a register is read. */
  private readonly regs: Uint8Array;
  /** CR.PS × 16. */
  private page: number;
  /** CR as written, without TXP. */
  private cr: number;
  /** Started: N2.2. */
  private running: boolean;
  /** STP came while a frame was being sent: RST follows its end. */
  private stopping: boolean;
  private readonly clock: Clock;
  private readonly reporter: Reporter;
  private readonly interrupts: Interrupts;
  private readonly filter: AddressFilter;
  private readonly tally: Tally;
  private readonly port: RemotePort;
  private readonly receiver: Receiver8390;
  private readonly transmitter: Transmitter8390;

  constructor(options: Ne2000Options) {
    const { rate, memory } = options;
    const instant = rate === 'instant';
    if (!instant && !(rate > 0)) throw new Error(`link rate ${rate}: bits per second or 'instant' expected`);
    const regs = new Uint8Array(PLACES);
    this.identity = IDENTITY;
    this.regs = regs;
    this.trace = new NicTrace();
    this.clock = newClock();
    this.reporter = new Reporter(options.violations, this.clock);
    this.interrupts = new Interrupts(options.irq, this.trace);
    this.stats = new Stats(NOBODY);
    this.ring = new PageRing(
      memory,
      options.firstPage ?? Math.min(FIRST_PAGE, Math.max(0, PAGE_NUMBERS - memory.size / PAGE_BYTES)),
    );
    this.filter = new AddressFilter();
    this.tally = new Tally(regs, this.interrupts);
    this.port = new RemotePort(this.ring, regs, makeProm(options.eeprom), this.interrupts, this.reporter, this.trace);
    this.port.released = page => this.writeBnry(page);
    this.receiver = new Receiver8390(
      this.ring,
      regs,
      this.filter,
      this.tally,
      this.stats,
      this.interrupts,
      this.reporter,
      this.trace,
    );
    this.transmitter = new Transmitter8390(
      this.ring,
      regs,
      this.filter,
      options.wire,
      this.clock,
      this.tally,
      this.stats,
      this.interrupts,
      this.reporter,
      this.trace,
      instant ? 0 : (BITS_PER_BYTE * NS_PER_S) / rate,
    );
    this.transmitter.ended = () => this.transmitted();
    this.page = 0;
    this.cr = CR.reset;
    this.running = false;
    this.stopping = false;
    for (const register of Object.values(NE2000)) if (register.index >= 0) regs[register.index] = register.reset;
    this.ring.pstart = 0;
    this.ring.pstop = 0;
    this.ring.curr = 0;
    this.ring.bnry = 0;
    this.interrupts.raise(CAUSE_RST);
  }

  /** The card's present, ns. */
  get time(): number {
    return this.clock[NOW] as number;
  }

  /** When the card next wants `advance`, ns; Infinity for never. */
  get deadline(): number {
    return this.clock[TX_END] as number;
  }

  /** Does what is due up to and including `now`, in order of time. */
  advance(now: number): void {
    const clock = this.clock;
    while ((clock[TX_END] as number) <= now) {
      if ((clock[TX_END] as number) > (clock[NOW] as number)) clock[NOW] = clock[TX_END] as number;
      clock[TX_END] = Infinity;
      this.transmitter.due();
    }
    if (now > (clock[NOW] as number)) clock[NOW] = now;
  }

  /** Reads `width` bits (8, 16, 32) at port `offset` of a BAR. Unsigned; all-ones where there is nothing. */
  read(bar: number, offset: number, width: number): number {
    if (bar === 0 && offset >= 0) {
      if (offset < DATA_PORT) {
        if (width !== 8) return this.unmapped('ne-width', offset, width);
        const place = this.page | offset;
        return READS[place] === STORED ? (this.regs[place] as number) : this.compute(place);
      }
      if (offset < RESET_PORT) return this.port.read(width, offset);
      if (offset < NE2000_PORTS) {
        this.resetByPort();
        return 0;
      }
    }
    return this.unmapped('ne-unmapped', offset, width);
  }

  /** Writes `width` bits (8, 16, 32) at port `offset` of a BAR. */
  write(bar: number, offset: number, width: number, value: number): void {
    if (bar === 0 && offset >= 0) {
      if (offset < DATA_PORT) {
        if (width === 8) this.writeRegister(this.page | offset, value & 0xff);
        else this.reporter.report('ne-width', offset, value);
        return;
      }
      if (offset < RESET_PORT) {
        this.port.write(width, value, offset);
        return;
      }
      // A write to the reset port ends the pulse that a read began: nothing is left to do.
      if (offset < NE2000_PORTS) return;
    }
    this.reporter.report('ne-unmapped', offset, value);
  }

  /** The value at a place (page × 16 + offset), without side effects: for inspectors. */
  peek(place: number): number {
    if (!(place >= 0 && place < PLACES) || READS[place] === RESERVED) return 0;
    if (place === R_FIFO) return this.transmitter.peekFifo();
    if (READS[place] === STORED || (place >= R_CNTR0 && place <= R_CNTR2)) return this.regs[place] as number;
    return this.compute(place);
  }

  /** PCI function reset: as the reset port. */
  functionReset(): void {
    this.resetByPort();
  }

  /** A frame's last bit has arrived at `time`. `length` is without FCS; `fcs` is FCS_GOOD or the value received. */
  receive(bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void {
    this.receiveErrored(bytes, at, length, fcs, id, 0);
  }

  /** As `receive`, with what the medium noticed: ERROR_DRIBBLE, the frame did not end on a byte boundary. */
  receiveErrored(bytes: Uint8Array, at: number, length: number, fcs: number, id: number, errors: number): void {
    const { receiver } = this;
    const held = receiver.held;
    this.port.disturb();
    receiver.receive(bytes, at, length, fcs, id, errors);
    if (held && !receiver.held) this.transmitter.release();
  }

  /**
   * Whether a frame of `length` bytes would be stored, for embedders that can hold frames back. True as well while the
   * receiver is off: such a frame is counted and gone, and holding it back would hold it for ever.
   */
  room(length: number): boolean {
    const monitor = ((this.regs[R_RCR] as number) & MON) !== 0;
    return !this.receiver.on || monitor || this.receiver.room(length);
  }

  /** The cable is plugged in or pulled. This controller only notices when it sends: TSR.CRS. */
  setLink(up: boolean): void {
    this.receiver.linkUp = up;
    this.transmitter.linkUp = up;
  }

  /** Computes every FCS in packet memory that is still to be computed: before an inspector reads its bytes. */
  settle(): void {
    this.ring.settle();
    this.port.disturb();
  }

  private unmapped(rule: 'ne-unmapped' | 'ne-width', offset: number, width: number): number {
    const value = allOnes(width);
    this.reporter.report(rule, offset, value);
    return value;
  }

  /** Registers that are more than a byte of the register file; and places without one. */
  private compute(place: number): number {
    if (place === R_ISR) return this.interrupts.status;
    if ((place & 15) === 0) return this.cr | (this.transmitter.busy ? TXP : 0);
    if (place === R_CRDA0) return this.port.address & 0xff;
    if (place === R_CRDA1) return this.port.address >> 8;
    if (place === R_RSR) return this.receiveStatus();
    if (place >= R_CNTR0 && place <= R_CNTR2) return this.tally.take(place);
    if (place === R_FIFO) return this.transmitter.readFifo();
    this.reporter.report('ne-reserved', place & 15, place);
    return 0;
  }

  private receiveStatus(): number {
    const monitor = ((this.regs[R_RCR] as number) & MON) !== 0;
    return (this.regs[R_RSR] as number) | (monitor ? NE2000.RSR.DIS.mask : 0);
  }

  /** The order is that of use: what a driver writes for each packet comes first. */
  private writeRegister(place: number, value: number): void {
    const { regs, ring, port, transmitter } = this;
    if ((place & 15) === 0) {
      this.writeCr(value);
    } else if (place === W_ISR) {
      this.interrupts.acknowledge(value & ISR_CLEARS);
    } else if (place === W_BNRY) {
      this.writeBnry(value);
    } else if (place === W_RSAR0) {
      port.address = (port.address & 0xff00) | value;
      port.disturb();
    } else if (place === W_RSAR1) {
      port.address = (port.address & 0xff) | (value << 8);
      port.disturb();
    } else if (place === W_RBCR0) {
      port.count = (port.count & 0xff00) | value;
      port.disturb();
    } else if (place === W_RBCR1) {
      port.count = (port.count & 0xff) | (value << 8);
      port.disturb();
    } else if (place === W_TPSR) {
      this.transmitChanges(place, value);
      transmitter.page = value;
      regs[TPSR.index] = value;
    } else if (place === W_TBCR0) {
      this.transmitChanges(place, value);
      transmitter.count = (transmitter.count & 0xff00) | value;
    } else if (place === W_TBCR1) {
      this.transmitChanges(place, value);
      transmitter.count = (transmitter.count & 0xff) | (value << 8);
    } else if (place === W_IMR) {
      this.reservedBits(place, value, IMR.writable);
      regs[R_IMR] = value & IMR.writable;
      this.interrupts.setMask(value & IMR.writable);
    } else if (place === W_CURR) {
      regs[R_CURR] = value;
      ring.curr = value;
      this.receiver.full = false;
    } else {
      this.writeRarely(place, value);
    }
  }

  private writeRarely(place: number, value: number): void {
    const { regs, ring } = this;
    if (place === W_PSTART) {
      this.ringMoves();
      ring.pstart = value;
      regs[PSTART.index] = value;
    } else if (place === W_PSTOP) {
      this.ringMoves();
      ring.pstop = value;
      regs[PSTOP.index] = value;
    } else if (place === W_RCR) {
      this.reservedBits(place, value, RCR.writable);
      this.writeRcr(value & RCR.writable);
    } else if (place === W_TCR) {
      this.reservedBits(place, value, TCR.writable);
      this.transmitChanges(place, value);
      this.writeTcr(value & TCR.writable);
    } else if (place === W_DCR) {
      this.reservedBits(place, value, DCR.writable);
      this.writeDcr(value & DCR.writable);
    } else if (place === W_CLDA0) {
      // Page 2, for diagnostics: written here, read on page 0.
      regs[NE2000.CLDA0.index] = value;
    } else if (place === W_CLDA1) {
      regs[NE2000.CLDA1.index] = value;
    } else if (READ_ONLY[place] !== 0) {
      this.reporter.report('ne-read-only', place & 15, value);
    } else if (READS[place] === RESERVED) {
      this.reporter.report('ne-reserved', place & 15, value);
    } else {
      // What is left is plain storage: PAR, MAR, and the pointers of page 2.
      regs[place] = value;
      if (place <= R_MAR7) this.loadFilter();
    }
  }

  private reservedBits(place: number, value: number, writable: number): void {
    if ((value & ~writable) !== 0) this.reporter.report('ne-reserved-bits', place & 15, value);
  }

  private writeRcr(value: number): void {
    const { filter } = this;
    this.regs[R_RCR] = value;
    filter.broadcast = (value & RCR.AB.mask) !== 0;
    filter.multicast = (value & RCR.AM.mask) !== 0;
    filter.allUnicast = (value & RCR.PRO.mask) !== 0;
  }

  /** DP8390D datasheet, "Command Register"; N2.2. */
  private writeCr(value: number): void {
    this.cr = value & ~TXP;
    this.page = (value & PS) >> PS_SHIFT;
    if ((value & STP) !== 0) this.stop();
    else if ((value & STA) !== 0) this.start();
    const command = (value >> RD_LSB) & RD_MAX;
    if (command >= RD_ABORT) this.port.abort();
    else if (command === 0) this.reporter.report('ne-remote-none', CR.offset, value);
    else this.remote(command, value);
    if ((value & TXP) === 0) return;
    if (this.running) this.transmitter.begin(this.receiver.held);
    else this.reporter.report('ne-command-stopped', CR.offset, value);
  }

  private remote(command: number, value: number): void {
    if (!this.running) this.reporter.report('ne-command-stopped', CR.offset, value);
    else if (command === RD_SEND && ((this.regs[R_DCR] as number) & DCR.AR.mask) === 0)
      this.reporter.report('ne-send-disabled', CR.offset, value);
    else if (moves(command)) this.port.begin(command);
  }

  private start(): void {
    // Every page select and every remote command comes with STA.
    if (this.running && (this.interrupts.status & CAUSE_RST) === 0) return;
    this.running = true;
    this.stopping = false;
    this.receiver.overflowed = false;
    this.receiver.on = this.transmitter.loopback === 0;
    this.interrupts.acknowledge(CAUSE_RST);
  }

  /** The reset state is entered when a transmission under way is over. */
  private stop(): void {
    this.running = false;
    this.receiver.on = false;
    this.port.abort();
    this.stopping = this.transmitter.busy;
    if (!this.stopping) this.interrupts.raise(CAUSE_RST);
  }

  private transmitted(): void {
    if (!this.stopping) return;
    this.stopping = false;
    this.interrupts.raise(CAUSE_RST);
  }

  /** The hardware reset that the board's reset port gives (DP8390D datasheet, "Reset": the table of reset bits; N2.3). */
  private resetByPort(): void {
    const { regs } = this;
    this.transmitter.reset();
    this.port.abort();
    this.receiver.on = false;
    this.receiver.overflowed = false;
    this.receiver.held = false;
    this.running = false;
    this.stopping = false;
    this.cr = CR.reset;
    this.page = 0;
    regs[R_IMR] = 0;
    this.writeTcr((regs[R_TCR] as number) & ~TCR.LB.mask);
    regs[R_DCR] = (regs[R_DCR] as number) | DCR.LAS.mask;
    this.interrupts.reset();
    this.interrupts.raise(CAUSE_RST);
  }

  private writeTcr(value: number): void {
    const { receiver, transmitter } = this;
    this.regs[R_TCR] = value;
    transmitter.loopback = (value & TCR.LB.mask) >> TCR.LB.lsb;
    receiver.on = this.running && transmitter.loopback === 0;
    receiver.remoteControl = (value & TCR.ATD.mask) !== 0;
    if (receiver.remoteControl) return;
    receiver.held = false;
    transmitter.release();
  }

  private writeDcr(value: number): void {
    this.regs[R_DCR] = value;
    // What is in memory stays as it lies there.
    this.ring.settle();
    this.port.wide = (value & WTS) !== 0;
    this.port.disturb();
    const swapped = (value & (WTS | BOS)) === (WTS | BOS);
    this.receiver.swapped = swapped;
    this.transmitter.swapped = swapped;
  }

  /** BNRY moves: pages are given back, or the host has started the ring afresh. */
  private writeBnry(page: number): void {
    const { receiver } = this;
    this.regs[R_BNRY] = page;
    this.ring.bnry = page;
    receiver.full = false;
    if (!receiver.overflowed) return;
    receiver.overflowed = false;
    // DP8390D datasheet, "Interrupt Status Register": RST is cleared when packets have been removed from the ring.
    if (this.running) this.interrupts.acknowledge(CAUSE_RST);
  }

  /** PSTART or PSTOP is about to move: what is still to be computed belongs to the ring as it was. */
  private ringMoves(): void {
    this.ring.settle();
    this.ring.forgetAll();
    this.port.disturb();
  }

  private transmitChanges(place: number, value: number): void {
    if (this.transmitter.busy) this.reporter.report('ne-transmit-pages', place & 15, value);
  }

  private loadFilter(): void {
    const { regs, filter } = this;
    const par = R_PAR0;
    const mar = R_MAR0;
    filter.stationLow = wordAt(regs, par);
    filter.stationHigh = (regs[par + 4] as number) | ((regs[par + 5] as number) << 8);
    filter.hashLow = wordAt(regs, mar);
    filter.hashHigh = wordAt(regs, mar + 4);
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** The station address from the EEPROM, each byte twice as a 16-bit board shows it, and the signature (N3.5). */
function makeProm(eeprom: Eeprom): Uint8Array {
  const prom = new Uint8Array(PROM_BYTES);
  for (let i = 0; i < 6; i++) {
    const word = eeprom.readWord(i >> 1);
    prom.fill((i & 1) === 0 ? word : word >> 8, 2 * i, 2 * i + 2);
  }
  return prom.fill(PROM_SIGNATURE, SIGNATURE_AT);
}
