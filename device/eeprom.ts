import { armIn, type Clock, disarm, EEPROM_END } from './clock.ts';
import type { Eeprom } from './ports.ts';
import type { Reporter } from './reporter.ts';

/** Words in the EEPROM, the word that makes the sum right, and the sum of all words modulo 2¹⁶ (datasheet §4.3). */
export const EEPROM_WORDS = 64;
export const EEPROM_CHECKSUM_WORD = 63;
export const EEPROM_SUM = 0xbaba;

/**
 * A default EEPROM: words 0–2 the station address, low byte first; words 3–62 FFFFh; word 63 such that all 64 words
 * add up to BABAh. `mac`: six bytes.
 */
export class MacEeprom implements Eeprom {
  readonly words: Uint16Array;

  constructor(mac: Uint8Array) {
    if (mac.length !== 6) throw new Error(`station address: 6 bytes expected, got ${mac.length}`);
    this.words = new Uint16Array(EEPROM_WORDS).fill(0xffff);
    for (let i = 0; i < 3; i++) this.words[i] = (mac[2 * i] as number) | ((mac[2 * i + 1] as number) << 8);
    let sum = 0;
    for (let i = 0; i < EEPROM_CHECKSUM_WORD; i++) sum += this.words[i] as number;
    this.words[EEPROM_CHECKSUM_WORD] = EEPROM_SUM - sum;
  }

  readWord(index: number): number {
    return index >= 0 && index < EEPROM_WORDS ? (this.words[index] as number) : 0xffff;
  }
}

/** The unit that reads words out of the EEPROM, one at a time, each taking `readNs`. */
export class EepromReader {
  address: number;
  data: number;
  done: boolean;
  private busy: boolean;
  private readonly port: Eeprom;
  private readonly clock: Clock;
  private readonly reporter: Reporter;
  private readonly readNs: number;

  constructor(port: Eeprom, clock: Clock, reporter: Reporter, readNs: number) {
    this.port = port;
    this.clock = clock;
    this.reporter = reporter;
    this.readNs = readNs;
    this.address = 0;
    this.data = 0;
    this.done = false;
    this.busy = false;
  }

  /** Starts a read of word `address` (0–255). `offset`, `value`: the register access, for a violation record. */
  start(address: number, offset: number, value: number): void {
    if (this.busy) {
      this.reporter.report('eeprom-busy', offset, value);
      return;
    }
    if (address >= EEPROM_WORDS) this.reporter.report('eeprom-address', offset, value);
    this.address = address;
    this.done = false;
    this.busy = true;
    if (this.readNs === 0) this.due();
    else armIn(this.clock, EEPROM_END, this.readNs);
  }

  get reading(): boolean {
    return this.busy;
  }

  due(): void {
    this.data = this.address < EEPROM_WORDS ? this.port.readWord(this.address) & 0xffff : 0xffff;
    this.done = true;
    this.busy = false;
  }

  reset(): void {
    disarm(this.clock, EEPROM_END);
    this.address = 0;
    this.data = 0;
    this.done = false;
    this.busy = false;
  }
}
