import { FCS_GOOD, MacEeprom, Ne2000 } from '../../../device/index.ts';

const IO_BASE = 0x300;

/** What your emulator has anyway: virtual time, an interrupt controller, the other end of the wire. */
export class Machine {
  now = 0;
  irq = false;
  readonly sent: string[] = [];
  readonly card: Ne2000;

  constructor() {
    const size = 16 * 1024;
    this.card = new Ne2000({
      memory: { bytes: new Uint8Array(size), base: 0, size },
      irq: {
        setLevel: asserted => {
          this.irq = asserted;
        },
      },
      // The bytes are the card's: take a copy, or use them before you return.
      wire: {
        transmit: (bytes, at, length) => {
          this.sent.push(String.fromCharCode(...bytes.subarray(at + 14, at + length)));
        },
      },
      eeprom: new MacEeprom(Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56)),
      violations: {
        violation: (rule, offset, value) => console.warn(`guest: ${rule}, port ${offset}, value ${value}`),
      },
      rate: 10_000_000,
    });
  }

  /** Your dispatcher calls these for ports IO_BASE to IO_BASE + 31. */
  in(port: number, width: 8 | 16 | 32): number {
    this.card.advance(this.now);
    const value = this.card.read(0, port - IO_BASE, width);
    this.arm();
    return value;
  }

  out(port: number, width: 8 | 16 | 32, value: number): void {
    this.card.advance(this.now);
    this.card.write(0, port - IO_BASE, width, value);
    this.arm();
  }

  /** A frame from outside, without FCS. False: hold it back and come again. */
  frame(bytes: Uint8Array): boolean {
    this.card.advance(this.now);
    if (!this.card.room(bytes.length)) return false;
    this.card.receive(bytes, 0, bytes.length, FCS_GOOD, 0);
    this.arm();
    return true;
  }

  /** Lets virtual time pass; your event loop does this. */
  run(until: number): void {
    while (this.timer <= until) {
      this.now = this.timer;
      this.card.advance(this.now);
      this.arm();
    }
    this.now = until;
  }

  private timer = Infinity;

  /** After whatever may have moved it: when the card wants to be called next. */
  private arm(): void {
    this.timer = this.card.deadline;
  }
}

/** A guest that starts the card, receives "ping" and answers "pong". */
export function demo(): string[] {
  const machine = new Machine();
  const out = (port: number, value: number): void => machine.out(IO_BASE + port, 8, value);
  const remote = (command: number, address: number, count: number): void => {
    for (const [port, value] of [
      [8, address & 255],
      [9, address >> 8],
      [10, count & 255],
      [11, count >> 8],
      [0, command],
    ] as const) {
      out(port, value);
    }
  };
  // Stop; words; ring 46h to 80h; accept broadcasts; start at page 46h; interrupt on reception.
  for (const [port, value] of [
    [0, 0x21],
    [14, 0x49],
    [12, 0x04],
    [1, 0x46],
    [2, 0x80],
    [3, 0x46],
    [7, 0xff],
    [15, 0x01],
    [0, 0x61],
    [7, 0x46],
    [0, 0x22],
  ] as const) {
    out(port, value);
  }
  const ping = new Uint8Array(60).fill(0xff, 0, 6);
  ping.set(new TextEncoder().encode('ping'), 14);
  machine.frame(ping);
  if (!machine.irq) throw new Error('no interrupt');
  remote(0x0a, 0x4604 + 14, 4);
  const low = machine.in(IO_BASE + 16, 16);
  const heard = String.fromCharCode(low & 255, low >> 8);
  remote(0x12, 0x4000, 18);
  for (const byte of [...new Array(7).fill(0xffff), 0x6f70, 0x676e]) machine.out(IO_BASE + 16, 16, byte);
  for (const [port, value] of [
    [4, 0x40],
    [5, 18],
    [6, 0],
    [0, 0x26],
  ] as const) {
    out(port, value);
  }
  const before = machine.sent.length;
  machine.run(1_000_000);
  return [heard, String(before), ...machine.sent];
}
