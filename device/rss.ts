import { type Headers, TCP, UDP } from './headers.ts';
import { RETA_ENTRIES, RSS_KEY_BYTES } from './regs/nic.ts';

/** Bits of RSSC, and values of RXD.STATUS.HTYPE. */
const IP4 = 1 << 0;
const TCP4 = 1 << 1;
const UDP4 = 1 << 2;
const IP6 = 1 << 3;
const TCP6 = 1 << 4;
const UDP6 = 1 << 5;
const H_IP4 = 1;
const H_TCP4 = 2;
const H_UDP4 = 3;
const H_IP6 = 4;
const H_TCP6 = 5;
const H_UDP6 = 6;
/** Two IPv6 addresses and two ports. */
const INPUT_MAX = 36;

/** Receive side scaling (datasheet §5.6): the Toeplitz hash, and the table that makes a queue of it. */
export class Steering {
  /** RSSC. */
  types: number;
  readonly key: Uint8Array;
  /** Queue by the low seven bits of the hash. */
  readonly table: Uint8Array;
  /** What the last `hash` was of: HTYPE, 0 when the frame is not hashed. */
  hashed: number;
  /** For each byte of the input and each value of it, what it adds; made anew after the key has changed. */
  private readonly parts: Int32Array;
  private stale: boolean;

  constructor() {
    this.types = 0;
    this.key = new Uint8Array(RSS_KEY_BYTES);
    this.table = new Uint8Array(RETA_ENTRIES);
    this.hashed = 0;
    this.parts = new Int32Array(INPUT_MAX * 256);
    this.stale = true;
  }

  reset(): void {
    this.types = 0;
    this.key.fill(0);
    this.table.fill(0);
    this.stale = true;
  }

  /** Key bytes 4n to 4n + 3, the first one in the low bits. */
  keyWord(index: number): number {
    const { key } = this;
    const at = 4 * index;
    return (
      (key[at] as number) |
      ((key[at + 1] as number) << 8) |
      ((key[at + 2] as number) << 16) |
      ((key[at + 3] as number) << 24)
    );
  }

  setKeyWord(index: number, value: number): void {
    for (let i = 0; i < 4; i++) this.key[4 * index + i] = value >>> (8 * i);
    this.stale = true;
  }

  /** Queue of a hash. */
  queueOf(hash: number): number {
    return this.table[hash & (RETA_ENTRIES - 1)] as number;
  }

  /** The hash (int32) of a parsed frame at `at`; `hashed` tells of what. */
  hash(bytes: Uint8Array, at: number, headers: Headers): number {
    const { types } = this;
    const { version, protocol, ip } = headers;
    this.hashed = 0;
    if (version === 0) return 0;
    if (this.stale) this.prepare();
    if (version === 4) {
      const addresses = at + ip + 12;
      if (protocol === TCP && (types & TCP4) !== 0) return this.tuple(bytes, addresses, 8, at + headers.l4, H_TCP4);
      if (protocol === UDP && (types & UDP4) !== 0) return this.tuple(bytes, addresses, 8, at + headers.l4, H_UDP4);
      return (types & IP4) !== 0 ? this.pair(bytes, addresses, 8, H_IP4) : 0;
    }
    const addresses = at + ip + 8;
    if (protocol === TCP && (types & TCP6) !== 0) return this.tuple(bytes, addresses, 32, at + headers.l4, H_TCP6);
    if (protocol === UDP && (types & UDP6) !== 0) return this.tuple(bytes, addresses, 32, at + headers.l4, H_UDP6);
    return (types & IP6) !== 0 ? this.pair(bytes, addresses, 32, H_IP6) : 0;
  }

  private pair(bytes: Uint8Array, at: number, length: number, type: number): number {
    this.hashed = type;
    return this.run(bytes, at, length, 0);
  }

  private tuple(bytes: Uint8Array, at: number, length: number, ports: number, type: number): number {
    this.hashed = type;
    return this.run(bytes, at, length, 0) ^ this.run(bytes, ports, 4, length);
  }

  private run(bytes: Uint8Array, at: number, length: number, place: number): number {
    const { parts } = this;
    let hash = 0;
    for (let i = 0; i < length; i++) hash ^= parts[((place + i) << 8) | (bytes[at + i] as number)] as number;
    return hash;
  }

  /** Toeplitz: a 1 in bit n of the input adds the 32 bits of the key that start at bit n. */
  private prepare(): void {
    this.stale = false;
    for (let byte = 0; byte < INPUT_MAX; byte++) {
      const base = byte << 8;
      this.parts[base] = 0;
      for (let bit = 0; bit < 8; bit++) this.parts[base | (0x80 >> bit)] = this.window(byte * 8 + bit);
      for (let value = 1; value < 256; value++) {
        const low = value & -value;
        if (low !== value) {
          this.parts[base | value] = (this.parts[base | low] as number) ^ (this.parts[base | (value ^ low)] as number);
        }
      }
    }
  }

  private window(bit: number): number {
    let word = 0;
    for (let i = 0; i < 32; i++) {
      const at = bit + i;
      const one = ((this.key[at >> 3] as number) >> (7 - (at & 7))) & 1;
      word = (word << 1) | one;
    }
    return word;
  }
}
