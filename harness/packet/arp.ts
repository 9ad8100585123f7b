/** ARP for IPv4 over Ethernet, RFC 826. */

import { formatIpv4, formatMac, PacketError, parseIpv4, parseMac } from './address.ts';
import { needHeader } from './bytes.ts';
import { ETHERTYPE_IPV4 } from './ethernet.ts';

export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

const ARP_LENGTH = 28;

export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: string;
  readonly senderIp: string;
  readonly targetMac: string;
  readonly targetIp: string;
}

/** What follows the 28 bytes is padding. @throws PacketError */
export function parseArp(bytes: Uint8Array): ArpPacket {
  const view = needHeader(bytes, ARP_LENGTH, 'ARP packet');
  const kind = [view.getUint16(0), view.getUint16(2), bytes[4], bytes[5]];
  if (kind.join() !== [1, ETHERTYPE_IPV4, 6, 4].join()) {
    throw new PacketError(
      `ARP for hardware ${kind[0]} (${kind[2]} bytes), protocol 0x${kind[1]?.toString(16).padStart(4, '0')} (${kind[3]} bytes)`,
    );
  }
  return {
    operation: view.getUint16(6),
    senderMac: formatMac(bytes, 8),
    senderIp: formatIpv4(bytes, 14),
    targetMac: formatMac(bytes, 18),
    targetIp: formatIpv4(bytes, 24),
  };
}

export function buildArp(packet: ArpPacket): Uint8Array {
  const bytes = new Uint8Array(ARP_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 1);
  view.setUint16(2, ETHERTYPE_IPV4);
  bytes[4] = 6;
  bytes[5] = 4;
  view.setUint16(6, packet.operation);
  bytes.set(parseMac(packet.senderMac), 8);
  bytes.set(parseIpv4(packet.senderIp), 14);
  bytes.set(parseMac(packet.targetMac), 18);
  bytes.set(parseIpv4(packet.targetIp), 24);
  return bytes;
}
