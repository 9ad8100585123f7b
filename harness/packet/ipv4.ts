/** IPv4, RFC 791. */

import { formatIpv4, PacketError, parseIpv4 } from './address.ts';
import { needHeader, withPayload } from './bytes.ts';
import { internetChecksum } from './checksum.ts';

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const PROTOCOL_ICMPV6 = 58;

const HEADER_LENGTH = 20;

export interface Ipv4Packet {
  /** DSCP and ECN. */
  readonly typeOfService: number;
  readonly identification: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** In bytes: a multiple of 8. */
  readonly fragmentOffset: number;
  readonly timeToLive: number;
  readonly protocol: number;
  readonly checksum: number;
  readonly source: string;
  readonly destination: string;
  /** As they are, padding included. */
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
}

export interface Ipv4Read extends Ipv4Packet {
  readonly headerLength: number;
  readonly totalLength: number;
  readonly checksumOk: boolean;
}

/**
 * What follows the total length is padding. With `partial` the end may be missing, as in what an ICMP error quotes.
 *
 * @throws PacketError
 */
export function parseIpv4Packet(bytes: Uint8Array, options: { readonly partial?: boolean } = {}): Ipv4Read {
  const view = needHeader(bytes, HEADER_LENGTH, 'IPv4 header');
  const version = view.getUint8(0) >>> 4;
  const headerLength = (view.getUint8(0) & 15) * 4;
  const totalLength = view.getUint16(2);
  if (version !== 4) throw new PacketError(`IPv4 packet of version ${version}`);
  if (headerLength < HEADER_LENGTH) throw new PacketError(`IPv4 header length ${headerLength}`);
  needHeader(bytes, headerLength, 'IPv4 header');
  if (totalLength < headerLength) throw new PacketError(`IPv4 total length ${totalLength}, header ${headerLength}`);
  if (totalLength > bytes.length && options.partial !== true) {
    throw new PacketError(`truncated IPv4 packet: ${bytes.length} of ${totalLength} bytes`);
  }
  const fragment = view.getUint16(6);
  return {
    typeOfService: view.getUint8(1),
    identification: view.getUint16(4),
    dontFragment: (fragment & 0x4000) !== 0,
    moreFragments: (fragment & 0x2000) !== 0,
    fragmentOffset: (fragment & 0x1fff) * 8,
    timeToLive: view.getUint8(8),
    protocol: view.getUint8(9),
    checksum: view.getUint16(10),
    source: formatIpv4(bytes, 12),
    destination: formatIpv4(bytes, 16),
    options: bytes.subarray(HEADER_LENGTH, headerLength),
    payload: bytes.subarray(headerLength, totalLength),
    headerLength,
    totalLength,
    checksumOk: internetChecksum(bytes.subarray(0, headerLength)) === 0,
  };
}

type Ipv4Fields = Pick<Ipv4Packet, 'source' | 'destination' | 'protocol' | 'payload'> & Partial<Ipv4Packet>;

/** A whole packet, TTL 64, unless said otherwise; a checksum that is given stands, right or wrong. */
export function buildIpv4Packet(packet: Ipv4Fields): Uint8Array {
  const options = packet.options ?? new Uint8Array();
  const headerLength = HEADER_LENGTH + options.length;
  if (options.length % 4 !== 0 || headerLength > 60) throw new PacketError(`IPv4 options of ${options.length} bytes`);
  const { bytes, view } = withPayload(headerLength, packet.payload);
  const { fragmentOffset = 0 } = packet;
  if (bytes.length > 0xffff) throw new PacketError(`IPv4 packet of ${bytes.length} bytes`);
  if (fragmentOffset % 8 !== 0 || fragmentOffset > 0xfff8) throw new PacketError(`fragment offset ${fragmentOffset}`);
  view.setUint8(0, 0x40 | (headerLength / 4));
  view.setUint8(1, packet.typeOfService ?? 0);
  view.setUint16(2, bytes.length);
  view.setUint16(4, packet.identification ?? 0);
  view.setUint16(
    6,
    (packet.dontFragment === true ? 0x4000 : 0) | (packet.moreFragments === true ? 0x2000 : 0) | (fragmentOffset / 8),
  );
  view.setUint8(8, packet.timeToLive ?? 64);
  view.setUint8(9, packet.protocol);
  bytes.set(parseIpv4(packet.source), 12);
  bytes.set(parseIpv4(packet.destination), 16);
  bytes.set(options, HEADER_LENGTH);
  view.setUint16(10, packet.checksum ?? internetChecksum(bytes.subarray(0, headerLength)));
  return bytes;
}

/** What UDP and TCP sum besides themselves. */
export interface AddressPair {
  readonly source: string;
  readonly destination: string;
}

/** RFC 768 and RFC 9293: addresses, protocol, length. */
export function pseudoHeader({ source, destination }: AddressPair, protocol: number, length: number): Uint8Array {
  return Uint8Array.of(
    ...parseIpv4(source),
    ...parseIpv4(destination),
    0,
    protocol,
    (length >>> 8) & 0xff,
    length & 0xff,
  );
}
