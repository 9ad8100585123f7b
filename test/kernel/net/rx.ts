/** A NAPI context that the test fills: frames go up through GRO, as from a driver's poll. And frames for it. */
import {
  napi_complete_done,
  napi_disable,
  napi_enable,
  napi_schedule,
  netif_napi_add,
  netif_napi_del,
} from '../../../kernel/net/core/dev.ts';
import { napi_gro_receive } from '../../../kernel/net/core/gro.ts';
import type { napi_struct, net_device } from '../../../kernel/net/core/netdevice.ts';
import {
  CHECKSUM_PARTIAL,
  consume_skb,
  netdev_alloc_skb_ip_align,
  type sk_buff,
  skb_copy_bits,
  skb_put,
} from '../../../kernel/net/core/skbuff.ts';
import { eth_type_trans } from '../../../kernel/net/ethernet/eth.ts';
import { get16, get32 } from '../../../kernel/net/ipv4/ip_header.ts';
import { inet_add_protocol } from '../../../kernel/net/ipv4/protocol.ts';
import { A, B, type Ip, ipFrame, Segment } from './segment.ts';

export class Poller {
  readonly napi: napi_struct;
  private readonly frames: Uint8Array[] = [];
  private readonly segment: Segment;
  /** What napi_complete_done said, newest last. */
  readonly completions: boolean[] = [];
  edit: ((skb: sk_buff) => void) | null = null;

  constructor(segment: Segment, dev: net_device = segment.dev) {
    this.segment = segment;
    this.napi = netif_napi_add(dev, (napi, budget) => {
      let work = 0;
      for (; work < budget; work++) {
        const frame = this.frames.shift();
        if (frame === undefined) break;
        const skb = netdev_alloc_skb_ip_align(dev, frame.length);
        if (skb === null) throw new Error('no memory');
        skb.ram.u8.set(frame, skb_put(skb, frame.length));
        skb.protocol = eth_type_trans(skb, dev);
        this.edit?.(skb);
        napi_gro_receive(napi, skb);
      }
      if (work < budget) this.completions.push(napi_complete_done(napi, work));
      return work;
    });
    napi_enable(this.napi);
  }

  remove(): void {
    napi_disable(this.napi);
    netif_napi_del(this.napi);
  }

  /** All of them wait when the poll begins; it goes on until none is left. */
  poll(...frames: Uint8Array[]): void {
    this.frames.push(...frames);
    this.segment.exec(() => napi_schedule(this.napi));
  }
}

/** A segment whose poller feeds a TCP socket's place; `finish` takes all of it down. */
export function pollerAndSink(options: ConstructorParameters<typeof Segment>[0] = {}) {
  const segment = new Segment(options);
  const poller = new Poller(segment);
  const got = tcpSink(segment);
  const finish = (): void => {
    poller.remove();
    segment.finish();
  };
  return { segment, poller, got, finish };
}

export interface Tcp {
  seq?: number;
  ack?: number;
  /** FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128. */
  flags?: number;
  window?: number;
  options?: number[];
  payload?: number[];
  sport?: number;
  dport?: number;
  badChecksum?: boolean;
}

const be16 = (v: number): number[] => [(v >> 8) & 255, v & 255];
const be32 = (v: number): number[] => [(v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];

function checksum(bytes: readonly number[], ip: Ip, protocol: number): number {
  const all = [...be32(ip.src ?? A), ...be32(ip.dst ?? B), 0, protocol, ...be16(bytes.length), ...bytes];
  let sum = 0;
  for (let i = 0; i < all.length; i += 2) sum += ((all[i] as number) << 8) | (all[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** A TCP segment in an IPv4 packet with DF, right but for what is overridden. */
export function tcpFrame(tcp: Tcp = {}, ip: Ip = {}): Uint8Array {
  const options = tcp.options ?? [];
  const bytes = [
    ...be16(tcp.sport ?? 5000),
    ...be16(tcp.dport ?? 80),
    ...be32(tcp.seq ?? 0),
    ...be32(tcp.ack ?? 1),
    (5 + options.length / 4) << 4,
    tcp.flags ?? 0x10,
    ...be16(tcp.window ?? 1000),
    0,
    0,
    0,
    0,
    ...options,
    ...(tcp.payload ?? []),
  ];
  const sum = checksum(bytes, ip, 6) ^ (tcp.badChecksum === true ? 1 : 0);
  bytes[16] = sum >> 8;
  bytes[17] = sum & 255;
  return ipFrame(bytes, { protocol: 6, frag: 0x4000, ...ip });
}

/** A UDP datagram, with a checksum unless told. */
export function udpFrame(
  udp: { sport?: number; dport?: number; payload?: number[]; checksum?: number } = {},
  ip: Ip = {},
): Uint8Array {
  const payload = udp.payload ?? [];
  const bytes = [...be16(udp.sport ?? 5000), ...be16(udp.dport ?? 7000), ...be16(8 + payload.length), 0, 0, ...payload];
  const sum = udp.checksum ?? (checksum(bytes, ip, 17) || 0xffff);
  bytes[6] = sum >> 8;
  bytes[7] = sum & 255;
  return ipFrame(bytes, { protocol: 17, frag: 0x4000, ...ip });
}

/** A frame with an 802.1Q tag put behind its addresses. */
export function tagged(frame: Uint8Array, tci: number, tpid = 0x8100): Uint8Array {
  return Uint8Array.from([...frame.subarray(0, 12), ...be16(tpid), ...be16(tci), ...frame.subarray(12)]);
}

/** One packet as TCP would get it. */
export interface Delivered {
  sport: number;
  seq: number;
  flags: number;
  length: number;
  payload: number[];
  segs: number;
  gso_size: number;
  cpu: number;
  /** IP total length agrees, and the checksum field is what it must be for a merged packet. */
  sound: boolean;
}

/** Stands in for TCP: keeps what it gets. */
export function tcpSink(segment: Segment): Delivered[] {
  const got: Delivered[] = [];
  const { kernel, net } = segment;
  const scratch = kernel.slab.kmalloc(65536 * 2);
  net.pernet_exit.push(() => void kernel.slab.put(scratch));
  // In the place of the host's own TCP, which would answer.
  net.ipv4.protos[6] = null;
  inet_add_protocol(
    net,
    {
      handler(skb) {
        const { ram } = skb;
        const th = skb.transport_header;
        const thlen = ((ram.u8[th + 12] as number) >> 4) * 4;
        const length = skb.len - thlen;
        skb_copy_bits(skb, thlen, scratch, length);
        got.push({
          sport: get16(ram, th),
          seq: get32(ram, th + 4) >>> 0,
          flags: ram.u8[th + 13] as number,
          length,
          payload: [...ram.u8.subarray(scratch, scratch + length)],
          segs: skb.gso_size === 0 ? 1 : skb.gso_segs,
          gso_size: skb.gso_size === 0 ? length : skb.gso_size,
          cpu: kernel.cpu.id,
          sound: sound(skb, th),
        });
        consume_skb(skb);
        return 0;
      },
      err_handler: () => 0,
    },
    6,
  );
  return got;
}

function sound(skb: sk_buff, th: number): boolean {
  const { ram } = skb;
  const ip = skb.network_header;
  if (get16(ram, ip + 2) !== skb.len + (th - ip)) return false;
  if (skb.gso_size === 0) return true;
  const pseudo = [...ram.u8.subarray(ip + 12, ip + 20), 0, 6, ...be16(skb.len)];
  let sum = 0;
  for (let i = 0; i < pseudo.length; i += 2) sum += ((pseudo[i] as number) << 8) | (pseudo[i + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return skb.ip_summed === CHECKSUM_PARTIAL && skb.csum_start === th && get16(ram, th + 16) === sum;
}

/** `length` bytes that say where in the stream they belong. */
export const stream = (seq: number, length: number): number[] =>
  Array.from({ length }, (_, i) => (Math.imul(seq + i, 0x9e3779b1) >>> 24) & 255);
