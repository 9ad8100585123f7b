/**
 * The floor of the UDP receive path: only what cannot be left out, with nothing around it. Wire → card memory → DMA
 * into the buffer that a descriptor names → done bit → IP and UDP sums verified → port look-up → copy to the user.
 */
import { Arena } from '../sim/arena.ts';

const RING = 256;
const BUFFER = 2048;

export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** The plain sum of 16-bit words, eight 32-bit loads at a time; `at` is a multiple of 4. */
export function sum(i32: Int32Array, u8: Uint8Array, at: number, length: number): number {
  let low = 0;
  let high = 0;
  let w = at >> 2;
  const end = (at + length) >> 2;
  for (const stop = end - 7; w < stop; w += 8) {
    const a = i32[w] as number;
    const b = i32[w + 1] as number;
    const c = i32[w + 2] as number;
    const d = i32[w + 3] as number;
    const e = i32[w + 4] as number;
    const f = i32[w + 5] as number;
    const g = i32[w + 6] as number;
    const h = i32[w + 7] as number;
    low +=
      (a & 65535) + (b & 65535) + (c & 65535) + (d & 65535) + (e & 65535) + (f & 65535) + (g & 65535) + (h & 65535);
    high += (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16) + (e >>> 16) + (f >>> 16) + (g >>> 16) + (h >>> 16);
  }
  for (; w < end; w++) {
    const a = i32[w] as number;
    low += a & 65535;
    high += a >>> 16;
  }
  for (let p = end << 2; p < at + length; p++) low += (u8[p] as number) << ((p & 1) << 3);
  return fold(low) + fold(high);
}

export class Floor {
  private readonly arena = Arena.take(2 * 1024 * 1024);
  private readonly card: number;
  private readonly ring: number;
  private readonly buffers: number;
  private readonly user: number;
  private readonly ports = new Int32Array(1024);
  private head = 0;
  delivered = 0;

  constructor(port: number) {
    this.card = this.arena.alloc(4096);
    this.ring = this.arena.alloc(RING * 16);
    this.buffers = this.arena.alloc(RING * BUFFER);
    this.user = this.arena.alloc(4096);
    for (let i = 0; i < RING; i++) this.arena.i32[(this.ring + i * 16) >> 2] = this.buffers + i * BUFFER;
    this.ports[port & 1023] = port;
  }

  /** Address of the frame to feed. */
  get source(): Uint8Array {
    return this.arena.u8;
  }

  alloc(size: number): number {
    return this.arena.alloc(size);
  }

  /** One frame at `at` of the arena, all the way. */
  frame(at: number, length: number): void {
    const { u8, i32 } = this.arena;
    const { card, user } = this;
    u8.copyWithin(card, at, at + length);
    const desc = (this.ring + this.head * 16) >> 2;
    this.head = (this.head + 1) & (RING - 1);
    // Two bytes in, so that the IP header lies on a multiple of 4.
    const buffer = (i32[desc] as number) + 2;
    u8.copyWithin(buffer, card, card + length);
    i32[desc + 2] = length;
    i32[desc + 3] = 3;
    const ip = buffer + 14;
    if (fold(sum(i32, u8, ip, 20)) !== 0xffff) return;
    const udp = ip + 20;
    const size = ((u8[udp + 4] as number) << 8) | (u8[udp + 5] as number);
    const pseudo = sum(i32, u8, ip + 12, 8) + 0x1100 + ((size & 255) << 8) + (size >> 8);
    if (fold(sum(i32, u8, udp, size) + pseudo) !== 0xffff) return;
    const port = ((u8[udp + 2] as number) << 8) | (u8[udp + 3] as number);
    if (this.ports[port & 1023] !== port) return;
    u8.copyWithin(user, udp + 8, udp + size);
    this.delivered++;
  }

  release(): void {
    this.arena.release();
  }
}
