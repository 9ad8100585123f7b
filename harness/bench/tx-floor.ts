/**
 * The floor of the UDP transmit path: only what cannot be left out, with nothing around it. User → buffer (copy) →
 * UDP, IP and Ethernet headers with their checksums → descriptor → DMA into the card → the wire.
 */
import { Arena } from '../sim/arena.ts';
import { fold, sum } from './floor.ts';

const RING = 256;
const BUFFER = 2048;
const HEADERS = 42;

export class TxFloor {
  private readonly arena = Arena.take(2 * 1024 * 1024);
  private readonly user: number;
  private readonly buffers: number;
  private readonly ring: number;
  private readonly card: number;
  private readonly wire: number;
  private readonly header = new Uint8Array(HEADERS);
  private readonly payload: number;
  private head = 0;
  private id = 0;
  sent = 0;

  constructor(payload: number) {
    this.payload = payload;
    this.user = this.arena.alloc(4096);
    this.buffers = this.arena.alloc(RING * BUFFER);
    this.ring = this.arena.alloc(RING * 16);
    this.card = this.arena.alloc(4096);
    this.wire = this.arena.alloc(4096);
    for (let i = 0; i < HEADERS; i++) this.header[i] = i;
    this.header[14] = 0x45;
  }

  /** One datagram, all the way. */
  datagram(): void {
    const { u8, i32 } = this.arena;
    const { payload, header, card, wire } = this;
    const desc = (this.ring + this.head * 16) >> 2;
    // Two bytes in, so that the IP header lies on a multiple of 4.
    const at = this.buffers + this.head * BUFFER + 2;
    this.head = (this.head + 1) & (RING - 1);
    u8.copyWithin(at + HEADERS, this.user, this.user + payload);
    for (let i = 0; i < HEADERS; i++) u8[at + i] = header[i] as number;
    const ip = at + 14;
    const udp = ip + 20;
    const size = payload + 8;
    this.id = (this.id + 1) & 0xffff;
    u8[ip + 2] = (size + 20) >> 8;
    u8[ip + 3] = (size + 20) & 255;
    u8[ip + 4] = this.id >> 8;
    u8[ip + 5] = this.id & 255;
    u8[ip + 10] = 0;
    u8[ip + 11] = 0;
    const check = ~fold(sum(i32, u8, ip, 20)) & 0xffff;
    u8[ip + 10] = check & 255;
    u8[ip + 11] = check >> 8;
    u8[udp + 4] = size >> 8;
    u8[udp + 5] = size & 255;
    u8[udp + 6] = 0;
    u8[udp + 7] = 0;
    const pseudo = sum(i32, u8, ip + 12, 8) + 0x1100 + ((size & 255) << 8) + (size >> 8);
    const udpCheck = ~fold(sum(i32, u8, udp, size) + pseudo) & 0xffff;
    u8[udp + 6] = udpCheck & 255;
    u8[udp + 7] = udpCheck >> 8;
    const length = payload + HEADERS;
    i32[desc] = at;
    i32[desc + 2] = length;
    i32[desc + 3] = 3;
    u8.copyWithin(card, at, at + length);
    u8.copyWithin(wire, card, card + length);
    i32[desc + 3] = 7;
    this.sent++;
  }

  release(): void {
    this.arena.release();
  }
}
