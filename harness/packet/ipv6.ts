/** IPv6's header and the way through its extension headers, RFC 8200, for reading only. */

import { formatIpv6, PacketError } from './address.ts';
import { needHeader } from './bytes.ts';

const HEADER_LENGTH = 40;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION_OPTIONS = 60;

export interface Ipv6Packet {
  readonly source: string;
  readonly destination: string;
  readonly hopLimit: number;
  /** What lies in `payload`, behind all extension headers. */
  readonly protocol: number;
  /** Absent unless the packet is a fragment. Offset in bytes. */
  readonly fragment?: { readonly offset: number; readonly more: boolean; readonly identification: number };
  readonly payload: Uint8Array;
  /** Addresses, length and protocol, as upper layers sum them; for packets without routing header. */
  readonly pseudoHeader: Uint8Array;
}

/** @throws PacketError */
export function parseIpv6(bytes: Uint8Array): Ipv6Packet {
  const view = needHeader(bytes, HEADER_LENGTH, 'IPv6 header');
  const version = view.getUint8(0) >>> 4;
  if (version !== 6) throw new PacketError(`IPv6 packet of version ${version}`);
  const payloadLength = view.getUint16(4);
  const end = HEADER_LENGTH + payloadLength;
  if (end > bytes.length) {
    throw new PacketError(`truncated IPv6 packet: ${bytes.length - HEADER_LENGTH} of ${payloadLength} bytes`);
  }
  let protocol = view.getUint8(6);
  let offset = HEADER_LENGTH;
  let fragment: Ipv6Packet['fragment'];
  while (protocol === HOP_BY_HOP || protocol === ROUTING || protocol === FRAGMENT || protocol === DESTINATION_OPTIONS) {
    const here = bytes.subarray(offset, end);
    const header = needHeader(here, 8, 'IPv6 extension header');
    const length = protocol === FRAGMENT ? 8 : (header.getUint8(1) + 1) * 8;
    needHeader(here, length, 'IPv6 extension header');
    if (protocol === FRAGMENT) {
      const field = header.getUint16(2);
      fragment = { offset: field & 0xfff8, more: (field & 1) !== 0, identification: header.getUint32(4) };
    }
    protocol = header.getUint8(0);
    offset += length;
    // Behind the first fragment lies the middle of something.
    if (fragment !== undefined && fragment.offset > 0) break;
  }
  const pseudoHeader = new Uint8Array(40);
  pseudoHeader.set(bytes.subarray(8, 40));
  new DataView(pseudoHeader.buffer).setUint32(32, end - offset);
  pseudoHeader[39] = protocol;
  return {
    source: formatIpv6(bytes, 8),
    destination: formatIpv6(bytes, 24),
    hopLimit: view.getUint8(7),
    protocol,
    ...(fragment === undefined ? {} : { fragment }),
    payload: bytes.subarray(offset, end),
    pseudoHeader,
  };
}
