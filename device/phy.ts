import { armIn, type Clock, disarm, LINK_END, MDIO_END } from './clock.ts';
import type { Phy } from './ports.ts';
import type { Reporter } from './reporter.ts';

/** The address at which the PHY answers. */
export const PHY_ADDRESS = 1;

/** IEEE 802.3 clause 22.2.4: registers, and those bits of them that do something here. */
export const BMCR = 0;
export const BMSR = 1;
export const PHYID1 = 2;
export const PHYID2 = 3;
export const ANAR = 4;
export const ANLPAR = 5;
export const ANER = 6;
export const GBCR = 9;
export const GBSR = 10;
export const ESTATUS = 15;
export const BMCR_RESET = 0x8000;
export const BMCR_LOOPBACK = 0x4000;
export const BMCR_SPEED100 = 0x2000;
export const BMCR_ANENABLE = 0x1000;
export const BMCR_PDOWN = 0x0800;
export const BMCR_ISOLATE = 0x0400;
export const BMCR_ANRESTART = 0x0200;
export const BMCR_FULLDPLX = 0x0100;
export const BMCR_SPEED1000 = 0x0040;
export const BMSR_LSTATUS = 0x0004;
export const BMSR_ANCOMPLETE = 0x0020;
/** 100 and 10 Mbit/s both ways, extended status, no preamble needed, negotiates, extended registers. */
const BMSR_ABLE = 0x7949;
const ESTATUS_1000FULL = 0x2000;
const ADVERTISE_CSMA = 0x0001;
const ADVERTISE_10FULL = 0x0040;
const ADVERTISE_100FULL = 0x0100;
const ADVERTISE_PAUSE = 0x0400;
const LPA_LPACK = 0x4000;
const ADVERTISE_1000FULL = 0x0200;
const LPA_1000FULL = 0x0800;
const GBSR_RECEIVERS = 0x3000;
const ANER_NWAY = 0x0001;
const ID1 = 0x5249;
const ID2 = 0x0010;
const BMCR_KEPT =
  BMCR_LOOPBACK | BMCR_SPEED100 | BMCR_ANENABLE | BMCR_PDOWN | BMCR_ISOLATE | BMCR_FULLDPLX | BMCR_SPEED1000;
const BMCR_START = BMCR_ANENABLE | BMCR_FULLDPLX | BMCR_SPEED1000;
const ANAR_START = 0x01e1 | ADVERTISE_PAUSE;
const GBCR_START = ADVERTISE_1000FULL;
const FAST = 1000;

/** Hears of the link. */
export interface LinkListener {
  linkChanged(up: boolean): void;
}

/**
 * A twisted-pair PHY (datasheet §4.6): a cable with a partner of one speed at the other end, autonegotiation that takes
 * time. The link is up when what the two agree on, or what BMCR forces, is the partner's speed at full duplex.
 */
export class CopperPhy implements Phy {
  linkUp: boolean;
  listener: LinkListener | null;
  private readonly clock: Clock;
  private readonly negotiateNs: number;
  /** The partner's speed: 10, 100, or 1000 for everything above. */
  private readonly speed: number;
  private cable: boolean;
  private bmcr: number;
  private anar: number;
  private gbcr: number;
  private complete: boolean;
  /** BMSR.LSTATUS is latched low until it has been read. */
  private seenDown: boolean;

  /** `mbits`: the partner's speed. The link comes up with the power. */
  constructor(clock: Clock, mbits: number, negotiateNs: number) {
    this.clock = clock;
    this.negotiateNs = negotiateNs;
    this.speed = mbits > 100 ? FAST : mbits > 10 ? 100 : 10;
    this.listener = null;
    this.cable = true;
    this.bmcr = BMCR_START;
    this.anar = ANAR_START;
    this.gbcr = GBCR_START;
    this.complete = true;
    this.linkUp = true;
    this.seenDown = false;
  }

  /** BMCR.LOOPBACK: what is sent comes back. */
  get loopback(): boolean {
    return (this.bmcr & BMCR_LOOPBACK) !== 0;
  }

  /** The cable is pulled or plugged in: plugged in, the two begin to negotiate. */
  setCable(plugged: boolean): void {
    if (plugged === this.cable) return;
    this.cable = plugged;
    this.negotiate();
  }

  answers(address: number): boolean {
    return address === PHY_ADDRESS;
  }

  read(address: number, register: number): number {
    if (address !== PHY_ADDRESS) return 0xffff;
    switch (register) {
      case BMCR:
        return this.bmcr;
      case BMSR: {
        const up = this.linkUp && !this.seenDown;
        this.seenDown = !this.linkUp;
        return BMSR_ABLE | (up ? BMSR_LSTATUS : 0) | (this.complete ? BMSR_ANCOMPLETE : 0);
      }
      case PHYID1:
        return ID1;
      case PHYID2:
        return ID2;
      case ANAR:
        return this.anar;
      case ANLPAR:
        return this.complete ? this.partner() | ADVERTISE_CSMA | ADVERTISE_PAUSE | LPA_LPACK : 0;
      case ANER:
        return this.complete ? ANER_NWAY : 0;
      case GBCR:
        return this.gbcr;
      case GBSR:
        return this.complete && this.speed === FAST ? LPA_1000FULL | GBSR_RECEIVERS : 0;
      case ESTATUS:
        return ESTATUS_1000FULL;
      default:
        return 0;
    }
  }

  write(address: number, register: number, value: number): void {
    if (address !== PHY_ADDRESS) return;
    if (register === ANAR) this.anar = value & 0xffff;
    else if (register === GBCR) this.gbcr = value & 0xffff;
    else if (register === BMCR) this.control(value);
  }

  /** Negotiation, or finding a forced link, is over. */
  due(): void {
    this.complete = (this.bmcr & BMCR_ANENABLE) !== 0;
    this.setLink(this.agreed());
  }

  private control(value: number): void {
    const before = this.bmcr;
    if ((value & BMCR_RESET) !== 0) {
      this.bmcr = BMCR_START;
      this.anar = ANAR_START;
      this.gbcr = GBCR_START;
      this.negotiate();
      return;
    }
    this.bmcr = value & BMCR_KEPT;
    const changed = (before ^ this.bmcr) & ~BMCR_LOOPBACK;
    if (changed !== 0 || (value & BMCR_ANRESTART) !== 0) this.negotiate();
  }

  private negotiate(): void {
    this.complete = false;
    this.setLink(false);
    disarm(this.clock, LINK_END);
    if (!this.cable || (this.bmcr & (BMCR_PDOWN | BMCR_ISOLATE)) !== 0) return;
    if (this.negotiateNs === 0) this.due();
    else armIn(this.clock, LINK_END, this.negotiateNs);
  }

  /** What the partner offers, in the bits of ANLPAR. */
  private partner(): number {
    return this.speed === 10 ? ADVERTISE_10FULL : this.speed === 100 ? ADVERTISE_100FULL : 0;
  }

  private agreed(): boolean {
    const { bmcr, speed } = this;
    if ((bmcr & BMCR_ANENABLE) !== 0) {
      return speed === FAST ? (this.gbcr & ADVERTISE_1000FULL) !== 0 : (this.anar & this.partner()) !== 0;
    }
    const forced = (bmcr & BMCR_SPEED1000) !== 0 ? FAST : (bmcr & BMCR_SPEED100) !== 0 ? 100 : 10;
    return forced === speed && (bmcr & BMCR_FULLDPLX) !== 0;
  }

  private setLink(up: boolean): void {
    if (!up) this.seenDown = true;
    if (up === this.linkUp) return;
    this.linkUp = up;
    if (this.listener !== null) this.listener.linkChanged(up);
  }
}

const OP_WRITE = 1;
const OP_READ = 2;

/** The MDIO controller: one access at a time, each taking the time of 64 bits. */
export class Mdio {
  op: number;
  phy: number;
  register: number;
  data: number;
  ready: boolean;
  failed: boolean;
  private readonly port: Phy;
  private readonly clock: Clock;
  private readonly reporter: Reporter;
  private readonly accessNs: number;

  constructor(port: Phy, clock: Clock, reporter: Reporter, accessNs: number) {
    this.port = port;
    this.clock = clock;
    this.reporter = reporter;
    this.accessNs = accessNs;
    this.op = 0;
    this.phy = 0;
    this.register = 0;
    this.data = 0;
    this.ready = true;
    this.failed = false;
  }

  reset(): void {
    disarm(this.clock, MDIO_END);
    this.op = 0;
    this.phy = 0;
    this.register = 0;
    this.data = 0;
    this.ready = true;
    this.failed = false;
  }

  /** `offset`, `value`: the register access, for a violation record. */
  start(op: number, phy: number, register: number, data: number, offset: number, value: number): void {
    if (!this.ready) {
      this.reporter.report('mdio-busy', offset, value);
      return;
    }
    this.op = op;
    this.phy = phy;
    this.register = register;
    this.data = data;
    this.failed = false;
    if (op !== OP_READ && op !== OP_WRITE) return;
    if (!this.port.answers(phy)) {
      this.failed = true;
      this.reporter.report('mdio-address', offset, value);
    }
    this.ready = false;
    if (this.accessNs === 0) this.due();
    else armIn(this.clock, MDIO_END, this.accessNs);
  }

  due(): void {
    this.ready = true;
    if (this.op === OP_READ) this.data = this.port.read(this.phy, this.register) & 0xffff;
    else this.port.write(this.phy, this.register, this.data);
  }
}
