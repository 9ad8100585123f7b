/**
 * The floor of a TCP segment from one program to another on the next host: only what cannot be left out. User → packet →
 * card → the other card → buffer that a descriptor names → user (five copies), the checksum made and verified (two sums).
 */
import { Arena } from '../sim/arena.ts';
import { fold, sum } from './floor.ts';

const RING = 256;
const BUFFER = 2048;
const HEADERS = 54;

export class TcpFloor {
  private readonly arena = Arena.take(4 * 1024 * 1024);
  private readonly user: number;
  private readonly packets: number;
  private readonly card: number;
  private readonly peerCard: number;
  private readonly ring: number;
  private readonly buffers: number;
  private readonly peerUser: number;
  private readonly payload: number;
  private head = 0;
  private seq = 0;
  delivered = 0;

  constructor(payload: number) {
    const { arena } = this;
    this.payload = payload;
    this.user = arena.alloc(65536);
    this.packets = arena.alloc(RING * BUFFER);
    this.card = arena.alloc(4096);
    this.peerCard = arena.alloc(4096);
    this.ring = arena.alloc(RING * 16);
    this.buffers = arena.alloc(RING * BUFFER);
    this.peerUser = arena.alloc(65536);
    for (let i = 0; i < 65536; i++) arena.u8[this.user + i] = i & 255;
    for (let i = 0; i < RING; i++) arena.i32[(this.ring + i * 16) >> 2] = this.buffers + i * BUFFER;
  }

  /** One segment, all the way. */
  segment(): void {
    const { u8, i32 } = this.arena;
    const { payload, card, peerCard, head } = this;
    this.head = (head + 1) & (RING - 1);
    // Two bytes in, so that the IP header lies on a multiple of 4.
    const at = this.packets + head * BUFFER + 2;
    const length = HEADERS + payload;
    u8.copyWithin(at + HEADERS, this.user, this.user + payload);
    const tcp = at + 34;
    i32[(tcp + 4) >> 2] = this.seq;
    this.seq = (this.seq + payload) | 0;
    u8[tcp + 12] = 0x50;
    u8[tcp + 16] = 0;
    u8[tcp + 17] = 0;
    const made = ~fold(sum(i32, u8, tcp, length - 34)) & 0xffff;
    u8[tcp + 16] = made & 255;
    u8[tcp + 17] = made >> 8;
    u8.copyWithin(card, at, at + length);
    u8.copyWithin(peerCard, card, card + length);
    const desc = (this.ring + head * 16) >> 2;
    const buffer = (i32[desc] as number) + 2;
    u8.copyWithin(buffer, peerCard, peerCard + length);
    i32[desc + 2] = length;
    i32[desc + 3] = 3;
    if (fold(sum(i32, u8, buffer + 34, length - 34)) !== 0xffff) return;
    u8.copyWithin(this.peerUser, buffer + HEADERS, buffer + length);
    this.delivered++;
  }

  release(): void {
    this.arena.release();
  }
}
