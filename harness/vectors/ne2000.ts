/** Our NE2000 as a target for register scripts: an instant wire, and a name for each port by the page that is selected. */
import { MacEeprom } from '../../device/eeprom.ts';
import { Ne2000 } from '../../device/ne2000.ts';
import { FCS_GOOD } from '../../device/ports.ts';
import { DATA_PORT, NE2000, RESET_PORT } from '../../device/regs/ne2000.ts';
import { byPlace } from '../../device/regs/paged.ts';
import type { AccessName, RegisterNames, Target } from './run.ts';

const MEMORY = 16384;
const MANUAL = 'docs/ne2000.md';
/** A violation that a script caused. */
export interface ScriptViolation {
  readonly rule: string;
  readonly offset: number;
  readonly value: number;
}

/** A fresh NE2000 with 16 KiB (or `memory` bytes) at 4000h. */
export class Ne2000Target implements Target {
  readonly card: Ne2000;
  readonly violations: ScriptViolation[] = [];
  private frames: Uint8Array[] = [];
  private level = false;

  constructor(mac: Uint8Array, memory = MEMORY) {
    this.card = new Ne2000({
      memory: { bytes: new Uint8Array(memory), base: 0, size: memory },
      irq: {
        setLevel: asserted => {
          this.level = asserted;
        },
      },
      wire: { transmit: (bytes, at, length) => void this.frames.push(bytes.slice(at, at + length)) },
      eeprom: new MacEeprom(mac),
      violations: { violation: (rule, offset, value) => void this.violations.push({ rule, offset, value }) },
      rate: 'instant',
    });
  }

  read(port: number, width: 8 | 16 | 32): number {
    return this.card.read(0, port, width);
  }

  write(port: number, width: 8 | 16 | 32, value: number): void {
    this.card.write(0, port, width, value);
  }

  frameIn(bytes: Uint8Array): void {
    this.card.receive(bytes, 0, bytes.length, FCS_GOOD, 0);
  }

  framesOut(): Uint8Array[] {
    const { frames } = this;
    this.frames = [];
    return frames;
  }

  irq(): boolean {
    return this.level;
  }
}

const READS = byPlace(NE2000, 'read');
const WRITES = byPlace(NE2000, 'write');

/** Follows CR.PS, and a read of the reset port, which selects page 0. */
export class Ne2000Names implements RegisterNames {
  private page = 0;

  wrote(port: number, width: number, value: number): void {
    if (port === NE2000.CR.offset && width === 8) this.page = (value & NE2000.CR.PS.mask) >> NE2000.CR.PS.lsb;
  }

  name(port: number, _width: number, way: 'read' | 'write'): AccessName {
    if (port >= RESET_PORT) {
      if (way === 'read') this.page = 0;
      return board('reset port', 'N2.3');
    }
    if (port >= DATA_PORT) return board('data port', 'N3.3');
    const register = (way === 'read' ? READS : WRITES)[this.page * 16 + port] ?? null;
    if (register === null) return board(`page ${this.page}, reserved port ${port}`, 'N2.1');
    return {
      register: register.name,
      fields: bits => register.fields.filter(field => (field.mask & bits) !== 0).map(field => field.name),
      section: `${MANUAL} N5 ${register.name}`,
    };
  }
}

function board(register: string, section: string): AccessName {
  return { register, fields: () => [], section: `${MANUAL} ${section}` };
}
