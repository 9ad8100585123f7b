import { fold, Summer } from './checksum.ts';
import { type Clock, NOW } from './clock.ts';
import { Headers, isTagged, TCP, tagOf, UDP } from './headers.ts';
import type { PageRing } from './packet-memory.ts';
import { RXD } from './regs/desc.ts';
import { NIC } from './regs/nic.ts';
import { Steering } from './rss.ts';
import { CSERR, type Stats } from './stats.ts';

const PAGE_NUMBERS = 256;
const { STATUS } = RXD;
const VP = STATUS.VP.mask;
const TS = STATUS.TS.mask;
const HTYPE_LSB = STATUS.HTYPE.lsb;
const IPC = STATUS.IPC.mask;
const IPE = STATUS.IPE.mask;
const L4C = STATUS.L4C.mask;
const L4E = STATUS.L4E.mask;
const CHECK_IP = NIC.RXCSC.IP.mask;
const CHECK_L4 = NIC.RXCSC.L4.mask;
const STAMP = NIC.RXCSC.TS.mask;
const TAGGED_BYTES = 18;
/** Above the bits of RXD.STATUS, which end at 19. */
export const QUEUE_LSB = 24;

/**
 * What the card finds out about a frame while it arrives, for its descriptor (datasheet §5.6): RSS hash and queue,
 * checksums, tag, time. Kept by the frame's first page until the receive engine moves it.
 */
export class Classifier {
  readonly steering: Steering;
  /** VLCR.STRIP. */
  strip: boolean;
  /** RXCSC. */
  checks: number;
  /** There is something to find out; while there is not, a frame's `status` is 0. */
  active: boolean;
  /** By page: RXD.STATUS bits, and above them the queue from bit QUEUE_LSB on; hash, tag, time stamp. */
  readonly status: Int32Array;
  readonly hash: Int32Array;
  readonly tag: Uint16Array;
  readonly stamp: Int32Array;
  private readonly headers: Headers;
  private readonly clock: Clock;
  private readonly stats: Stats;
  /** Sums over the array that the last frame came in: nearly always the same one. */
  private summer: Summer;
  private summed: Uint8Array;
  private readonly memory: Uint8Array;
  private readonly quick: PageRing['sum'];

  constructor(ring: PageRing, clock: Clock, stats: Stats) {
    this.steering = new Steering();
    this.strip = false;
    this.checks = 0;
    this.status = new Int32Array(PAGE_NUMBERS);
    this.hash = new Int32Array(PAGE_NUMBERS);
    this.tag = new Uint16Array(PAGE_NUMBERS);
    this.stamp = new Int32Array(PAGE_NUMBERS);
    this.headers = new Headers();
    this.clock = clock;
    this.stats = stats;
    this.memory = ring.bytes;
    this.quick = ring.sum;
    this.summer = new Summer(ring.bytes, ring.sum);
    this.summed = ring.bytes;
    this.active = false;
  }

  reset(): void {
    this.strip = false;
    this.checks = 0;
    this.steering.reset();
    this.configured();
  }

  /** After `strip`, `checks` or `steering.types` changed. */
  configured(): void {
    this.active = this.strip || this.checks !== 0 || this.steering.types !== 0;
  }

  /** Notes what there is to know about the frame that was stored at `page`: only while `active`. */
  look(bytes: Uint8Array, at: number, length: number, page: number): void {
    const { checks, steering, headers } = this;
    let status = 0;
    this.hash[page] = 0;
    this.tag[page] = 0;
    this.stamp[page] = 0;
    if (this.strip && length >= TAGGED_BYTES && isTagged(bytes, at)) {
      this.tag[page] = tagOf(bytes, at);
      status |= VP;
    }
    if ((checks & STAMP) !== 0) {
      const now = this.clock[NOW] as number;
      // The low 32 bits of a time beyond 2³¹: `|` takes them modulo 2³².
      this.stamp[page] = now | 0;
      status |= TS;
    }
    if ((checks & (CHECK_IP | CHECK_L4)) !== 0 || steering.types !== 0) {
      headers.parse(bytes, at, length);
      if (steering.types !== 0) {
        const hash = steering.hash(bytes, at, headers);
        if (steering.hashed !== 0) {
          this.hash[page] = hash;
          status |= (steering.hashed << HTYPE_LSB) | (steering.queueOf(hash) << QUEUE_LSB);
        }
      }
      if (headers.version !== 0) status |= this.verify(bytes, at);
    }
    this.status[page] = status;
  }

  private verify(bytes: Uint8Array, at: number): number {
    const { headers, checks } = this;
    if (this.summed !== bytes) {
      this.summed = bytes;
      this.summer = new Summer(bytes, bytes === this.memory ? this.quick : null);
    }
    let status = 0;
    if (headers.version === 4 && (checks & CHECK_IP) !== 0) {
      status |= this.summer.sum(at + headers.ip, headers.ipBytes) === 0xffff ? IPC : IPC | IPE;
    }
    if (headers.protocol !== 0 && (checks & CHECK_L4) !== 0) status |= this.verifyTransport(bytes, at);
    if ((status & (IPE | L4E)) !== 0) this.stats.add(CSERR, 1);
    return status;
  }

  private verifyTransport(bytes: Uint8Array, at: number): number {
    const { headers } = this;
    const { ip, l4, protocol, version } = headers;
    let length = headers.end - l4;
    if (protocol === UDP) {
      const none = bytes[at + l4 + 6] === 0 && bytes[at + l4 + 7] === 0;
      if (none) return version === 4 ? 0 : L4C | L4E;
      const stated = ((bytes[at + l4 + 4] as number) << 8) | (bytes[at + l4 + 5] as number);
      if (stated < 8 || stated > length) return L4C | L4E;
      length = stated;
    }
    const addresses = version === 4 ? this.summer.sum(at + ip + 12, 8) : this.summer.sum(at + ip + 8, 32);
    const sum = addresses + (protocol === TCP ? TCP : UDP) + length + this.summer.sum(at + l4, length);
    return fold(sum) === 0xffff ? L4C : L4C | L4E;
  }
}
