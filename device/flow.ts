import { type Clock, NOW } from './clock.ts';
import type { PageRing } from './packet-memory.ts';
import { NIC } from './regs/nic.ts';
import type { Transmitter } from './tx.ts';

/** IEEE 802.3 annex 31B: MAC control frames of 60 bytes to 01:80:C2:00:00:01, type 8808h, opcode 1, then the quanta. */
export const PAUSE_BYTES = 60;
const PAUSE_ADDRESS = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x01];
const CONTROL_TYPE = [0x88, 0x08];
const OPCODE_PAUSE = [0x00, 0x01];
const SOURCE_AT = 6;
const TYPE_AT = 12;
const OPCODE_AT = 14;
const QUANTA_AT = 16;
/** A quantum is the time of 512 bits: 64 bytes. */
export const QUANTUM_BYTES = 64;
const DEFAULT_QUANTA = NIC.PTIME.reset;

/** Whether the frame at `at`, 60 bytes at least, is a pause frame for everybody or for `low`, `high`. */
export function isPause(bytes: Uint8Array, at: number, low: number, high: number): boolean {
  if (bytes[at + TYPE_AT] !== 0x88 || bytes[at + TYPE_AT + 1] !== 0x08) return false;
  if (bytes[at + OPCODE_AT] !== 0 || bytes[at + OPCODE_AT + 1] !== 1) return false;
  let group = true;
  for (let i = 0; i < 6; i++) group = group && bytes[at + i] === PAUSE_ADDRESS[i];
  if (group) return true;
  for (let i = 0; i < 4; i++) if (bytes[at + i] !== ((low >>> (8 * i)) & 0xff)) return false;
  return bytes[at + 4] === (high & 0xff) && bytes[at + 5] === high >>> 8;
}

export function pauseQuanta(bytes: Uint8Array, at: number): number {
  return ((bytes[at + QUANTA_AT] as number) << 8) | (bytes[at + QUANTA_AT + 1] as number);
}

/** Writes a pause frame from the station `low`, `high` to `into[0 .. 60)`. */
export function buildPause(into: Uint8Array, low: number, high: number, quanta: number): void {
  into.fill(0);
  into.set(PAUSE_ADDRESS);
  for (let i = 0; i < 4; i++) into[SOURCE_AT + i] = low >>> (8 * i);
  into[SOURCE_AT + 4] = high;
  into[SOURCE_AT + 5] = high >>> 8;
  into.set(CONTROL_TYPE, TYPE_AT);
  into.set(OPCODE_PAUSE, OPCODE_AT);
  into[QUANTA_AT] = quanta >>> 8;
  into[QUANTA_AT + 1] = quanta;
}

/** Sends pause frames by how full the page ring is (datasheet §6.5). */
export class FlowControl {
  /** FCCR as written, and PTIME. */
  honour: boolean;
  send: boolean;
  low: number;
  high: number;
  quanta: number;
  private readonly ring: PageRing;
  private readonly transmitter: Transmitter;
  private readonly clock: Clock;
  private readonly nsPerByte: number;
  private off: boolean;
  /** [0]: when the partner has to be told again. */
  private readonly again: Float64Array;

  constructor(ring: PageRing, transmitter: Transmitter, clock: Clock, nsPerByte: number) {
    this.ring = ring;
    this.transmitter = transmitter;
    this.clock = clock;
    this.nsPerByte = nsPerByte;
    this.honour = false;
    this.send = false;
    this.low = 0;
    this.high = 0;
    this.quanta = DEFAULT_QUANTA;
    this.off = false;
    this.again = new Float64Array(1);
  }

  reset(): void {
    this.honour = false;
    this.send = false;
    this.low = 0;
    this.high = 0;
    this.quanta = DEFAULT_QUANTA;
    this.off = false;
  }

  /** After pages were filled or given back. */
  check(): void {
    if (!this.send || this.low >= this.high) return;
    const free = this.ring.free;
    if (free <= this.low) {
      const now = this.clock[NOW] as number;
      // The pause runs out while the ring is still full: tell the partner again when half of it is over.
      if (this.off && now < (this.again[0] as number)) return;
      this.off = true;
      this.again[0] = now + Math.ceil((this.quanta * QUANTUM_BYTES * this.nsPerByte) / 2);
      this.transmitter.sendPause(this.quanta);
    } else if (this.off && free >= this.high) {
      this.off = false;
      this.transmitter.sendPause(0);
    }
  }
}
