/** UDP over IPv4, RFC 768. */

import { PacketError } from './address.ts';
import { needHeader, withPayload } from './bytes.ts';
import { internetChecksum } from './checksum.ts';
import { type AddressPair, PROTOCOL_UDP, pseudoHeader } from './ipv4.ts';

const HEADER_LENGTH = 8;

export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** 0: the sender made none. */
  readonly checksum: number;
  readonly payload: Uint8Array;
}

export interface UdpRead extends UdpDatagram {
  /** Header and payload. */
  readonly length: number;
}

/** With `partial` the end may be missing: a first fragment, or what an ICMP error quotes. @throws PacketError */
export function parseUdp(bytes: Uint8Array, options: { readonly partial?: boolean } = {}): UdpRead {
  const view = needHeader(bytes, HEADER_LENGTH, 'UDP header');
  const length = view.getUint16(4);
  if (length < HEADER_LENGTH) throw new PacketError(`UDP length ${length}`);
  if (length > bytes.length && options.partial !== true) {
    throw new PacketError(`truncated UDP datagram: ${bytes.length} of ${length} bytes`);
  }
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    checksum: view.getUint16(6),
    payload: bytes.subarray(HEADER_LENGTH, length),
    length,
  };
}

/** True also where the sender made no checksum. `bytes` from the UDP header on. */
export function udpChecksumOk(bytes: Uint8Array, addresses: AddressPair): boolean {
  const { checksum, length } = parseUdp(bytes);
  return (
    checksum === 0 || internetChecksum(pseudoHeader(addresses, PROTOCOL_UDP, length), bytes.subarray(0, length)) === 0
  );
}

/** A checksum that is given stands, right or wrong, 0 included. */
export function buildUdp(
  datagram: Omit<UdpDatagram, 'checksum'> & { readonly checksum?: number },
  addresses: AddressPair,
): Uint8Array {
  const { bytes, view } = withPayload(HEADER_LENGTH, datagram.payload);
  if (bytes.length > 0xffff) throw new PacketError(`UDP datagram of ${bytes.length} bytes`);
  view.setUint16(0, datagram.sourcePort);
  view.setUint16(2, datagram.destinationPort);
  view.setUint16(4, bytes.length);
  // A sum of 0 is sent as all ones, since 0 says that there is none.
  const computed = internetChecksum(pseudoHeader(addresses, PROTOCOL_UDP, bytes.length), bytes) || 0xffff;
  view.setUint16(6, datagram.checksum ?? computed);
  return bytes;
}
