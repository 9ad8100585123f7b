/** TCP's header, RFC 9293, for reading only. */

import { PacketError } from './address.ts';
import { needHeader } from './bytes.ts';
import { internetChecksum } from './checksum.ts';
import { type AddressPair, PROTOCOL_TCP, pseudoHeader } from './ipv4.ts';

const HEADER_LENGTH = 20;

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;
export const TCP_ECE = 0x40;
export const TCP_CWR = 0x80;

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  /** TCP_FIN and so on, ored. */
  readonly flags: number;
  /** As sent, not scaled. */
  readonly window: number;
  readonly checksum: number;
  readonly urgentPointer: number;
  /** As they are, padding included. */
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
}

/** @throws PacketError */
export function parseTcp(bytes: Uint8Array): TcpSegment {
  const view = needHeader(bytes, HEADER_LENGTH, 'TCP header');
  const headerLength = (view.getUint8(12) >>> 4) * 4;
  if (headerLength < HEADER_LENGTH) throw new PacketError(`TCP header length ${headerLength}`);
  needHeader(bytes, headerLength, 'TCP header');
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    flags: view.getUint8(13),
    window: view.getUint16(14),
    checksum: view.getUint16(16),
    urgentPointer: view.getUint16(18),
    options: bytes.subarray(HEADER_LENGTH, headerLength),
    payload: bytes.subarray(headerLength),
  };
}

/** `bytes` from the TCP header to the packet's end. */
export function tcpChecksumOk(bytes: Uint8Array, addresses: AddressPair): boolean {
  return internetChecksum(pseudoHeader(addresses, PROTOCOL_TCP, bytes.length), bytes) === 0;
}
