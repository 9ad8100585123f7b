/** IPv4 packets with TCP or UDP for a drill's remote end, and what the host's packets say. */
import { internetChecksum } from '../../../harness/packet/checksum.ts';
import { parseIpv4Packet, pseudoHeader } from '../../../harness/packet/ipv4.ts';
import { parseTcp, type TcpSegment, tcpChecksumOk } from '../../../harness/packet/tcp.ts';

export const LOCAL = '192.168.0.1';
export const REMOTE = '192.0.2.1';

export interface Segment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack?: number;
  readonly flags: number;
  readonly window?: number;
  readonly options?: Uint8Array;
  readonly payload?: Uint8Array;
}

const quad = (text: string): number[] => text.split('.').map(Number);

export function tcpPacket(segment: Segment): Uint8Array {
  const { options = new Uint8Array(0), payload = new Uint8Array(0) } = segment;
  const header = 20 + options.length;
  const bytes = new Uint8Array(20 + header + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x45;
  view.setUint16(2, bytes.length);
  bytes[8] = 64;
  bytes[9] = 6;
  bytes.set(quad(REMOTE), 12);
  bytes.set(quad(LOCAL), 16);
  view.setUint16(10, internetChecksum(bytes.subarray(0, 20)));
  view.setUint16(20, segment.sourcePort);
  view.setUint16(22, segment.destinationPort);
  view.setUint32(24, segment.seq >>> 0);
  view.setUint32(28, (segment.ack ?? 0) >>> 0);
  bytes[32] = (header / 4) << 4;
  bytes[33] = segment.flags;
  view.setUint16(34, segment.window ?? 65535);
  bytes.set(options, 40);
  bytes.set(payload, 20 + header);
  const addresses = { source: REMOTE, destination: LOCAL };
  view.setUint16(36, internetChecksum(pseudoHeader(addresses, 6, header + payload.length), bytes.subarray(20)));
  return bytes;
}

/** @throws Error when a checksum of the host's is wrong */
export function segmentOf(packet: Uint8Array): TcpSegment & { readonly destination: string } {
  const ip = parseIpv4Packet(packet);
  const addresses = { source: ip.source, destination: ip.destination };
  if (!tcpChecksumOk(ip.payload, addresses)) throw new Error('wrong TCP checksum');
  return { ...parseTcp(ip.payload), destination: ip.destination };
}
