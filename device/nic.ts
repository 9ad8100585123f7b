import { BusMaster } from './bus-master.ts';
import { Classifier } from './classify.ts';
import {
  armIn,
  type Clock,
  DEADLINE,
  EEPROM_END,
  ITR_END,
  LINK_END,
  MDIO_END,
  NOW,
  newClock,
  RESET_END,
  RX_END,
  TIDV_END,
  TX_END,
  takeDue,
} from './clock.ts';
import { EepromReader } from './eeprom.ts';
import { AddressFilter } from './filter.ts';
import { FlowControl } from './flow.ts';
import { NicInterrupts } from './interrupts.ts';
import { CAUSE_LSC, CAUSE_RST } from './irq.ts';
import { rxQueueRegisters, txQueueRegisters } from './nic-queue-registers.ts';
import {
  checkRegisters,
  flowRegisters,
  interruptRegisters,
  mdioRegisters,
  messageRegisters,
  statisticsRegisters,
  steeringRegisters,
  TimeRegisters,
  vlanRegisters,
} from './nic-registers.ts';
import { PageRing } from './packet-memory.ts';
import type { CardIdentity, PciTarget } from './pci.ts';
import { CopperPhy, type LinkListener, Mdio } from './phy.ts';
import type {
  Dma,
  Eeprom,
  FrameSink,
  IrqLine,
  PacketMemory,
  Phy,
  Station,
  Timed,
  ViolationSink,
  Wire,
} from './ports.ts';
import { allOnes, type OpTable, RegFile } from './regfile.ts';
import {
  FIRST_PAGE,
  JUMBO_LIMIT,
  MESSAGE_PENDING,
  MESSAGE_TABLE,
  NIC,
  NIC_BAR_SIZE,
  NIC_DEVICE_ID,
  NIC_REVISION,
  NIC_VENDOR_ID,
  type NicSpecs,
  PAGE_SIZE,
  QUEUES,
  VECTORS,
} from './regs/nic.ts';
import type { Rule } from './regs/rules.ts';
import { RemoteDma } from './remote.ts';
import { Reporter } from './reporter.ts';
import { Receiver } from './rx.ts';
import { RxEngine, RxQueue } from './rx-engine.ts';
import { Stats } from './stats.ts';
import { NicTrace } from './trace.ts';
import { Transmitter, TxQueue } from './tx.ts';

/** How long things take, in ns. What is left out has the default of datasheet §8. */
export interface NicTiming {
  readonly resetNs?: number;
  readonly eepromNs?: number;
  readonly mdioNs?: number;
  /** From a cable plugged in, or a restart, to the link. */
  readonly negotiateNs?: number;
  /** A bus-master transfer: set-up, and per byte. Defaults 0 and 0 on an instant wire. */
  readonly dmaSetupNs?: number;
  readonly dmaNsPerByte?: number;
}

export interface NicOptions {
  readonly memory: PacketMemory;
  readonly dma: Dma;
  readonly irq: IrqLine;
  readonly wire: Wire;
  readonly eeprom: Eeprom;
  /** Puts something between MDIO and the card's PHY: a place for faults. */
  readonly decoratePhy?: (phy: Phy) => Phy;
  readonly violations: ViolationSink;
  /** Link rate in bit/s, or 'instant': frames and DMA take no time (register vectors, throughput). */
  readonly rate: number | 'instant';
  readonly timing?: NicTiming;
}

const IDENTITY: CardIdentity = Object.freeze({
  vendor: NIC_VENDOR_ID,
  device: NIC_DEVICE_ID,
  revision: NIC_REVISION,
  classCode: 0x020000,
  bars: Object.freeze([Object.freeze({ kind: 'memory', size: NIC_BAR_SIZE })]),
  powerManagement: true,
  functionReset: true,
  messages: Object.freeze({ vectors: VECTORS, bar: 0, table: MESSAGE_TABLE, pending: MESSAGE_PENDING }),
});

const RESET_NS = 10_000;
const EEPROM_NS = 20_000;
/** 64 bits at 2.5 MHz. */
const MDIO_NS = 25_600;
const NEGOTIATE_NS = 50_000;
const DMA_SETUP_NS = 200;
const DMA_NS_PER_BYTE = 0.25;
const BITS_PER_BYTE = 8;
const NS_PER_S = 1e9;

// Bits and offsets as constants of the module: NIC is a large frozen object, and slow to look into on every access.
const { CTRL, STATUS, EERD, RCR, TCR, PTX } = NIC;
const RST = CTRL.RST.mask;
const RXE = CTRL.RXE.mask;
const TXE = CTRL.TXE.mask;
const PIO = CTRL.PIO.mask;
const RDY = STATUS.RDY.mask;
const LINK = STATUS.LU.mask | STATUS.FD.mask;
const TXB = STATUS.TXB.mask;
const RXW = STATUS.RXW.mask;
const SPEED_LSB = STATUS.SPEED.lsb;
const START = EERD.START.mask;
const DONE = EERD.DONE.mask;
const ADDR = EERD.ADDR;
const WORD_LSB = EERD.DATA.lsb;
const CRCI = TCR.CRCI.mask;
const PAD = TCR.PAD.mask;
const LB = TCR.LB.mask;
const GO = PTX.GO.mask;
const COUNT = PTX.COUNT.mask;
const DATA = NIC.DATA.offset;
const TDT = NIC.TDT.offset;
const INDEX = NIC.TDT.INDEX.mask;
const ISR = NIC.ISR.offset;
const IMS = NIC.IMS.offset;
const IMC = NIC.IMC.offset;
const CAUSES = NIC.ISR.writable & NIC.IMS.writable & NIC.IMC.writable;
const RESET_PSTART = NIC.PSTART.reset;
const RESET_TPSR = NIC.TPSR.reset;
const RESET_MAXLEN = NIC.MAXLEN.reset;

/**
 * The native card: the engines, and the registers of regs/nic.ts laid over them. It knows nothing of who embeds it.
 *
 * The embedder calls `advance(now)` before every `read`, `write` and `receive`, and looks at `deadline` after it.
 * Nothing here throws for what a driver or a wire does: misuse is defined in the datasheet and goes to `violations`.
 */
export class Nic implements Station, FrameSink, Timed, LinkListener, PciTarget {
  readonly identity: CardIdentity;
  readonly trace: NicTrace;
  /** For inspectors: read-only, please. */
  readonly ring: PageRing;
  readonly stats: Stats;
  private readonly clock: Clock;
  private readonly reporter: Reporter;
  private readonly registers: RegFile<NicSpecs>;
  private readonly interrupts: NicInterrupts;
  private readonly filter: AddressFilter;
  private readonly receiver: Receiver;
  private readonly rxEngine: RxEngine;
  private readonly transmitter: Transmitter;
  private readonly classifier: Classifier;
  private readonly flow: FlowControl;
  private readonly eeprom: EepromReader;
  private readonly phy: CopperPhy;
  private readonly mdio: Mdio;
  private readonly remote: RemoteDma;
  private readonly resetNs: number;
  /** STATUS.SPEED while the link is up. */
  private readonly speed: number;
  private resetting: boolean;
  private linkUp: boolean;
  /** TCR.LB. */
  private loopback: boolean;
  /** MAXLEN as written. */
  private maxLength: number;
  private programmed: boolean;
  /** PTX.COUNT as last written. */
  private sendCount: number;

  constructor(options: NicOptions) {
    const { rate, timing = {} } = options;
    const instant = rate === 'instant';
    if (!instant && !(rate > 0)) throw new Error(`link rate ${rate}: bits per second or 'instant' expected`);
    const setupNs = timing.dmaSetupNs ?? (instant ? 0 : DMA_SETUP_NS);
    const nsPerByte = timing.dmaNsPerByte ?? (instant ? 0 : DMA_NS_PER_BYTE);
    const wireNsPerByte = instant ? 0 : (BITS_PER_BYTE * NS_PER_S) / rate;
    this.identity = IDENTITY;
    this.trace = new NicTrace();
    this.clock = newClock();
    this.reporter = new Reporter(options.violations, this.clock);
    this.interrupts = new NicInterrupts(options.irq, this.clock, this.trace, QUEUES);
    this.stats = new Stats(this.interrupts);
    this.ring = new PageRing(options.memory);
    const bus = new BusMaster(options.dma, this.ring);
    this.filter = new AddressFilter();
    this.classifier = new Classifier(this.ring, this.clock, this.stats);
    this.rxEngine = new RxEngine(
      Array.from({ length: QUEUES }, () => new RxQueue(this.reporter)),
      this.classifier,
      this.ring,
      bus,
      this.clock,
      this.stats,
      this.interrupts,
      this.reporter,
      this.trace,
      setupNs,
      nsPerByte,
    );
    this.transmitter = new Transmitter(
      Array.from({ length: QUEUES }, () => new TxQueue(this.reporter)),
      this.ring,
      bus,
      options.wire,
      this.filter,
      this.clock,
      this.stats,
      this.interrupts,
      this.reporter,
      this.trace,
      setupNs,
      nsPerByte,
      wireNsPerByte,
    );
    this.flow = new FlowControl(this.ring, this.transmitter, this.clock, wireNsPerByte);
    this.rxEngine.flow = this.flow;
    this.receiver = new Receiver(
      this.ring,
      this.filter,
      this.rxEngine,
      this.classifier,
      this.flow,
      this.transmitter,
      this.stats,
      this.interrupts,
      this.trace,
    );
    this.transmitter.receiver = this.receiver;
    this.phy = new CopperPhy(this.clock, instant ? Infinity : rate / 1e6, timing.negotiateNs ?? NEGOTIATE_NS);
    const phy = options.decoratePhy === undefined ? this.phy : options.decoratePhy(this.phy);
    this.mdio = new Mdio(phy, this.clock, this.reporter, timing.mdioNs ?? MDIO_NS);
    this.eeprom = new EepromReader(options.eeprom, this.clock, this.reporter, timing.eepromNs ?? EEPROM_NS);
    this.remote = new RemoteDma(this.ring, this.interrupts, this.reporter);
    this.resetNs = timing.resetNs ?? RESET_NS;
    this.speed = instant ? STATUS.SPEED.max : Math.min(Math.round(rate / 10e6), STATUS.SPEED.max - 1);
    this.resetting = false;
    this.linkUp = false;
    this.loopback = false;
    this.maxLength = RESET_MAXLEN;
    this.programmed = false;
    this.sendCount = 0;
    this.registers = new RegFile(NIC, NIC_BAR_SIZE, this.operations(), this.reporter);
    this.toResetState();
    this.interrupts.raise(CAUSE_RST);
    this.phy.listener = this;
    this.changeLink(true);
  }

  /** The card's present, ns. */
  get time(): number {
    return this.clock[NOW] as number;
  }

  /** When the card next wants `advance`, ns; Infinity for never. */
  get deadline(): number {
    return this.clock[DEADLINE] as number;
  }

  /** Does what is due up to and including `now`, in order of time. */
  advance(now: number): void {
    const clock = this.clock;
    if ((clock[DEADLINE] as number) <= now) this.catchUp(now);
    if (now > (clock[NOW] as number)) clock[NOW] = now;
  }

  private catchUp(now: number): void {
    const clock = this.clock;
    // Infinity may be asked for: everything there is, and then the present stays where it is.
    while ((clock[DEADLINE] as number) <= now && clock[DEADLINE] !== Infinity) this.due(takeDue(clock));
  }

  private due(slot: number): void {
    if (slot === RX_END) this.rxEngine.due();
    else if (slot === TX_END) this.transmitter.due();
    else if (slot >= ITR_END) this.interrupts.due(slot - ITR_END);
    else if (slot === TIDV_END) this.interrupts.lateDue();
    else if (slot === EEPROM_END) this.eeprom.due();
    else if (slot === MDIO_END) this.mdioDone();
    else if (slot === LINK_END) this.phy.due();
    else this.resetDone();
  }

  /** Reads `width` bits (8, 16, 32) at byte `offset` of a BAR. Unsigned; all-ones where there is nothing. */
  read(bar: number, offset: number, width: number): number {
    if (bar !== 0) {
      this.reporter.report('unmapped', offset, allOnes(width));
      return allOnes(width);
    }
    // What every interrupt reads needs no look at what it is.
    if (width === 32) {
      if (offset === ISR) return this.interrupts.status;
      if (offset === IMS) return this.interrupts.mask;
    }
    return this.registers.read(offset, width);
  }

  /** Writes `width` bits (8, 16, 32) at byte `offset` of a BAR. */
  write(bar: number, offset: number, width: number, value: number): void {
    if (bar !== 0) this.reporter.report('unmapped', offset, value);
    else if (this.resetting) this.reporter.report('write-in-reset', offset, value);
    else if (width !== 32 || !this.writeOften(offset, value)) this.registers.write(offset, width, value);
  }

  /** What is written for every interrupt and every packet, straight to whom it concerns. False: it is something else. */
  private writeOften(offset: number, value: number): boolean {
    switch (offset) {
      case ISR:
        if ((value & ~CAUSES) !== 0) return false;
        this.interrupts.acknowledge(value);
        return true;
      case IMS:
        if ((value & ~CAUSES) !== 0) return false;
        this.interrupts.enable(value);
        return true;
      case IMC:
        if ((value & ~CAUSES) !== 0) return false;
        this.interrupts.disable(value);
        return true;
      case TDT:
        if ((value & ~INDEX) !== 0) return false;
        if ((this.transmitter.queues[0] as TxQueue).setTail(value, TDT)) this.transmitter.doorbell(0);
        return true;
      default:
        return false;
    }
  }

  /** The 32-bit value at byte `offset` of BAR 0, without side effects: for inspectors. */
  peek(offset: number): number {
    return this.registers.peek(offset);
  }

  /** PCI function reset: as CTRL.RST, whatever the card is doing, and the message table as after power-on. */
  functionReset(): void {
    this.interrupts.resetTable();
    this.interrupts.setMessages(false, false);
    this.beginReset();
  }

  /** The MSI-X capability: messages instead of the pin; all of them masked. */
  setMessages(on: boolean, masked: boolean): void {
    this.interrupts.setMessages(on, masked);
  }

  /** A frame's last bit has arrived at `time`. `length` is without FCS; `fcs` is FCS_GOOD or the value received. */
  receive(bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void {
    this.receiver.receive(bytes, at, length, fcs, id, 0);
  }

  /** As `receive`, with what the medium noticed: ERROR_DRIBBLE, the frame did not end on a byte boundary. */
  receiveErrored(bytes: Uint8Array, at: number, length: number, fcs: number, id: number, errors: number): void {
    this.receiver.receive(bytes, at, length, fcs, id, errors);
  }

  /**
   * Whether a frame of `length` bytes would be stored, for embedders that can hold frames back. True as well while the
   * receiver is off: such a frame is counted and gone, and holding it back would hold it for ever.
   */
  room(length: number): boolean {
    return !this.receiver.on || !this.ring.usable || this.ring.room(length);
  }

  /** The cable is plugged in or pulled: the link goes at once, and comes when the PHY has negotiated. */
  setLink(up: boolean): void {
    this.phy.setCable(up);
  }

  /** From the PHY. */
  linkChanged(up: boolean): void {
    this.changeLink(up);
    this.interrupts.raise(CAUSE_LSC);
    this.transmitter.kick();
  }

  /** Computes every FCS in packet memory that is still to be computed: before an inspector reads its bytes. */
  settle(): void {
    this.ring.settle();
  }

  private changeLink(up: boolean): void {
    this.linkUp = up;
    this.receiver.linkUp = up;
    this.transmitter.linkUp = up;
  }

  private mdioDone(): void {
    this.mdio.due();
    this.setLoopback();
  }

  private setLoopback(): void {
    const on = this.loopback || this.phy.loopback;
    this.receiver.loopback = on;
    this.transmitter.loopback = on;
  }

  private beginReset(): void {
    this.toResetState();
    if (this.resetNs === 0) {
      this.interrupts.raise(CAUSE_RST);
      return;
    }
    this.resetting = true;
    armIn(this.clock, RESET_END, this.resetNs);
  }

  private resetDone(): void {
    this.resetting = false;
    this.interrupts.raise(CAUSE_RST);
  }

  /** Every unit to its reset state. Packet memory keeps its contents, the link its state, the clock its time. */
  private toResetState(): void {
    const ring = this.ring;
    ring.close();
    this.maxLength = RESET_MAXLEN;
    this.loopback = false;
    this.receiver.reset(RESET_MAXLEN);
    this.rxEngine.reset();
    this.transmitter.reset(RESET_TPSR);
    this.filter.reset();
    this.classifier.reset();
    this.flow.reset();
    this.mdio.reset();
    this.setLoopback();
    this.eeprom.reset();
    this.remote.reset();
    ring.pstart = RESET_PSTART;
    ring.pstop = ring.endPage;
    ring.curr = RESET_PSTART;
    ring.bnry = ring.endPage - 1;
    this.programmed = false;
    this.sendCount = 0;
    this.registers.reset();
    this.stats.reset();
    this.interrupts.reset();
  }

  private report(rule: Rule, offset: number, value: number): void {
    this.reporter.report(rule, offset, value);
  }

  private operations(): OpTable<NicSpecs> {
    const { filter, interrupts, receiver, transmitter, remote, ring } = this;
    return {
      CTRL: { read: () => this.readCtrl(), write: (_, value) => this.writeCtrl(value) },
      STATUS: { read: () => this.readStatus() },
      EERD: { read: () => this.readEerd(), write: (_, value) => this.writeEerd(value) },
      MAC0: {
        read: () => filter.stationLow,
        write: (_, value) => {
          filter.stationLow = value | 0;
        },
      },
      MAC1: {
        read: () => filter.stationHigh,
        write: (_, value) => {
          filter.stationHigh = value;
        },
      },
      MAR0: {
        read: () => filter.hashLow,
        write: (_, value) => {
          filter.hashLow = value | 0;
        },
      },
      MAR1: {
        read: () => filter.hashHigh,
        write: (_, value) => {
          filter.hashHigh = value | 0;
        },
      },
      RCR: { read: () => this.readRcr(), write: (_, value) => this.writeRcr(value) },
      TCR: {
        read: () => (transmitter.inhibitFcs ? CRCI : 0) | (transmitter.pad ? PAD : 0) | (this.loopback ? LB : 0),
        write: (_, value) => {
          transmitter.inhibitFcs = (value & CRCI) !== 0;
          transmitter.pad = (value & PAD) !== 0;
          this.loopback = (value & LB) !== 0;
          this.setLoopback();
        },
      },
      MAXLEN: {
        read: () => this.maxLength,
        write: (_, value) => {
          this.maxLength = value;
          receiver.maxLength = Math.min(value, JUMBO_LIMIT);
        },
      },
      PSTART: {
        read: () => ring.pstart,
        write: (_, value) => {
          if (!this.ringMayChange(NIC.PSTART.offset, value)) return;
          ring.close();
          ring.pstart = value;
        },
      },
      PSTOP: {
        read: () => ring.pstop,
        write: (_, value) => {
          if (!this.ringMayChange(NIC.PSTOP.offset, value)) return;
          ring.close();
          ring.pstop = value;
        },
      },
      CURR: { read: () => ring.curr },
      BNRY: { read: () => ring.bnry, write: (_, value) => this.writeBnry(value) },
      TPSR: {
        read: () => transmitter.tpsr,
        write: (_, value) => {
          if (transmitter.busy) this.report('tpsr-busy', NIC.TPSR.offset, value);
          else transmitter.tpsr = value;
        },
      },
      PMSZ: { read: () => (FIRST_PAGE * PAGE_SIZE) | ((ring.endPage - ring.firstPage) << 16) },
      PTX: {
        read: () => this.sendCount | (transmitter.sending ? GO : 0),
        write: (_, value) => this.writePtx(value),
      },
      RSAR: {
        read: () => remote.address,
        write: (_, value) => {
          remote.address = value;
        },
      },
      RBCR: {
        read: () => remote.count,
        write: (_, value) => {
          remote.count = value;
        },
      },
      DATA: {
        read: (_, width) => remote.read(width >> 3, DATA),
        peek: () => remote.peek(),
        write: (_, value, width) => this.writeData(value, width),
      },
      ...rxQueueRegisters(this.rxEngine, this.reporter),
      ...txQueueRegisters(transmitter, this.reporter),
      ...statisticsRegisters(this.stats),
      ...interruptRegisters(interrupts),
      ...messageRegisters(interrupts),
      ...steeringRegisters(this.classifier),
      ...checkRegisters(this.classifier),
      ...vlanRegisters(receiver, this.classifier),
      ...flowRegisters(this.flow, this.reporter),
      ...mdioRegisters(this.mdio, () => this.setLoopback()),
      ...new TimeRegisters(this.clock).operations(),
    };
  }

  private readCtrl(): number {
    if (this.resetting) return RST;
    return (this.receiver.on ? RXE : 0) | (this.transmitter.on ? TXE : 0) | (this.programmed ? PIO : 0);
  }

  private writeCtrl(value: number): void {
    if ((value & RST) !== 0) {
      this.beginReset();
      return;
    }
    const wasOn = this.receiver.on;
    const on = (value & RXE) !== 0;
    const programmed = (value & PIO) !== 0;
    if (programmed !== this.programmed) {
      if (wasOn) this.report('mode-changed-enabled', CTRL.offset, value);
      else this.programmed = programmed;
    }
    this.receiver.programmed = this.programmed;
    this.transmitter.programmed = this.programmed;
    this.rxEngine.on = on && !this.programmed;
    if (!on) this.receiver.on = false;
    else if (!wasOn && !this.receiver.start()) this.report('page-ring-bounds', CTRL.offset, this.ring.pstart);
    this.transmitter.on = (value & TXE) !== 0;
    this.transmitter.kick();
  }

  private readStatus(): number {
    if (this.resetting) return this.linkBits();
    const busy = this.transmitter.busy ? TXB : 0;
    const waiting = this.rxEngine.waiting ? RXW : 0;
    return RDY | busy | waiting | this.linkBits();
  }

  private linkBits(): number {
    return this.linkUp ? LINK | (this.speed << SPEED_LSB) : 0;
  }

  private readEerd(): number {
    const { eeprom } = this;
    return (eeprom.done ? DONE : 0) | (eeprom.address << ADDR.lsb) | (eeprom.data << WORD_LSB);
  }

  private writeEerd(value: number): void {
    const address = (value & ADDR.mask) >>> ADDR.lsb;
    if ((value & START) !== 0) this.eeprom.start(address, EERD.offset, value);
    else if (!this.eeprom.reading) this.eeprom.address = address;
  }

  private readRcr(): number {
    const { filter, receiver } = this;
    return (
      (receiver.saveErrored ? RCR.SEP.mask : 0) |
      (receiver.acceptRunts ? RCR.AR.mask : 0) |
      (filter.broadcast ? RCR.AB.mask : 0) |
      (filter.multicast ? RCR.AM.mask : 0) |
      (filter.promiscuous ? RCR.PRO.mask : 0) |
      (filter.allMulticast ? RCR.AMA.mask : 0) |
      (this.rxEngine.keepFcs ? RCR.KEEP.mask : 0)
    );
  }

  private writeRcr(value: number): void {
    const { filter, receiver } = this;
    receiver.saveErrored = (value & RCR.SEP.mask) !== 0;
    receiver.acceptRunts = (value & RCR.AR.mask) !== 0;
    filter.broadcast = (value & RCR.AB.mask) !== 0;
    filter.multicast = (value & RCR.AM.mask) !== 0;
    filter.promiscuous = (value & RCR.PRO.mask) !== 0;
    filter.allMulticast = (value & RCR.AMA.mask) !== 0;
    this.rxEngine.keepFcs = (value & RCR.KEEP.mask) !== 0;
  }

  private ringMayChange(offset: number, value: number): boolean {
    if (!this.receiver.on) return true;
    this.report('page-ring-changed-enabled', offset, value);
    return false;
  }

  private writeBnry(value: number): void {
    const { ring } = this;
    if (!this.programmed) {
      this.report('bnry-owned', NIC.BNRY.offset, value);
    } else if (!ring.usable) {
      ring.bnry = value;
    } else if (!ring.contains(value)) {
      this.report('bnry-outside-ring', NIC.BNRY.offset, value);
    } else {
      if (!ring.unread(value)) this.report('bnry-past-curr', NIC.BNRY.offset, value);
      ring.giveBack(value);
      this.flow.check();
    }
  }

  private writePtx(value: number): void {
    const { transmitter } = this;
    if (!this.programmed || !transmitter.on) {
      this.report('ptx-mode', PTX.offset, value);
    } else if (transmitter.busy) {
      this.report('ptx-busy', PTX.offset, value);
    } else {
      this.sendCount = value & COUNT;
      if ((value & GO) !== 0) transmitter.send(this.sendCount, PTX.offset);
    }
  }

  private writeData(value: number, width: number): void {
    if (this.transmitter.busy && this.transmitter.occupies(this.remote.address)) {
      this.report('tx-pages-busy', DATA, this.remote.address);
    }
    this.remote.write(width >> 3, value, DATA);
  }
}
