/**
 * Packets that are longer than the device's MTU: a TUN device hands them up whole, an Ethernet card cannot. So a TCP
 * segment comes as a train of full-sized ones, which GRO makes one of again, and anything else as fragments.
 */
import { internetChecksum } from '../packet/checksum.ts';

const PROTOCOL_TCP = 6;
const IPV4_HEADER = 20;
const TCP_HEADER = 20;
const DF = 0x4000;
const FIN_PSH = 0x09;
const CWR = 0x80;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function ipChecksum(packet: Uint8Array, header: number): void {
  const view = viewOf(packet);
  view.setUint16(10, 0);
  view.setUint16(10, internetChecksum(packet.subarray(0, header)));
}

/** Of TCP in IPv4, the checksum field as it stands: 0 when it is right. */
function tcpSum(packet: Uint8Array, header: number): number {
  const pseudo = new Uint8Array(12);
  pseudo.set(packet.subarray(12, 20));
  pseudo[9] = PROTOCOL_TCP;
  viewOf(pseudo).setUint16(10, packet.length - header);
  return internetChecksum(pseudo, packet.subarray(header));
}

/** The segments of one; a wrong checksum stays wrong. */
function segments(packet: Uint8Array, header: number, mtu: number): Uint8Array[] {
  const view = viewOf(packet);
  const start = header + ((packet[header + 12] as number) >> 4) * 4;
  const wrong = tcpSum(packet, header) !== 0;
  const size = mtu - start;
  const parts: Uint8Array[] = [];
  for (let at = start; at < packet.length; at += size) {
    const payload = packet.subarray(at, at + size);
    const part = new Uint8Array(start + payload.length);
    part.set(packet.subarray(0, start));
    part.set(payload, start);
    const out = viewOf(part);
    out.setUint16(2, part.length);
    out.setUint16(4, (view.getUint16(4) + parts.length) & 0xffff);
    ipChecksum(part, header);
    out.setUint32(header + 4, (view.getUint32(header + 4) + at - start) >>> 0);
    let flags = packet[header + 13] as number;
    if (at + size < packet.length) flags &= ~FIN_PSH;
    if (at > start) flags &= ~CWR;
    part[header + 13] = flags;
    out.setUint16(header + 16, 0);
    out.setUint16(header + 16, wrong ? tcpSum(part, header) ^ 0xffff : tcpSum(part, header));
    parts.push(part);
  }
  return parts;
}

function fragments(packet: Uint8Array, header: number, mtu: number): Uint8Array[] {
  const size = (mtu - header) & ~7;
  const parts: Uint8Array[] = [];
  const flags = viewOf(packet).getUint16(6);
  for (let at = header; at < packet.length; at += size) {
    const part = new Uint8Array(header + Math.min(size, packet.length - at));
    part.set(packet.subarray(0, header));
    part.set(packet.subarray(at, at + size), header);
    const out = viewOf(part);
    out.setUint16(2, part.length);
    out.setUint16(6, (flags & ~DF) + ((at - header) >> 3) + (at + size < packet.length ? 0x2000 : 0));
    ipChecksum(part, header);
    parts.push(part);
  }
  return parts;
}

/** The packet itself where it fits, or does not say the truth about its length. */
export function splitPacket(packet: Uint8Array, mtu: number): Uint8Array[] {
  if (packet.length <= mtu || (packet[0] as number) >> 4 !== 4) return [packet];
  const header = ((packet[0] as number) & 15) * 4;
  const view = viewOf(packet);
  const sound =
    header >= IPV4_HEADER && view.getUint16(2) === packet.length && internetChecksum(packet.subarray(0, header)) === 0;
  if (!sound) return [packet];
  const fragment = (view.getUint16(6) & 0x3fff) !== 0;
  const offset = ((packet[header + 12] as number) >> 4) * 4;
  const tcp = packet[9] === PROTOCOL_TCP && !fragment && offset >= TCP_HEADER && header + offset < mtu;
  return tcp ? segments(packet, header, mtu) : fragments(packet, header, mtu);
}
