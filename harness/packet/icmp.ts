/** ICMP, RFC 792. */

import { needHeader, withPayload } from './bytes.ts';
import { internetChecksum } from './checksum.ts';

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO_REQUEST = 8;
export const ICMP_TIME_EXCEEDED = 11;

const HEADER_LENGTH = 8;

export interface IcmpMessage {
  readonly type: number;
  readonly code: number;
  readonly checksum: number;
  /** Bytes 4 to 7, whose meaning is the type's: for echoes identifier and sequence number. */
  readonly rest: number;
  readonly payload: Uint8Array;
}

export interface IcmpRead extends IcmpMessage {
  /** Upper half of `rest`. */
  readonly identifier: number;
  /** Lower half of `rest`. */
  readonly sequence: number;
  /** Means nothing in a fragment. */
  readonly checksumOk: boolean;
}

/** @throws PacketError */
export function parseIcmp(bytes: Uint8Array): IcmpRead {
  const view = needHeader(bytes, HEADER_LENGTH, 'ICMP header');
  return {
    type: view.getUint8(0),
    code: view.getUint8(1),
    checksum: view.getUint16(2),
    rest: view.getUint32(4),
    payload: bytes.subarray(HEADER_LENGTH),
    identifier: view.getUint16(4),
    sequence: view.getUint16(6),
    checksumOk: internetChecksum(bytes) === 0,
  };
}

/** A checksum that is given stands, right or wrong. */
export function buildIcmp(message: Omit<IcmpMessage, 'checksum'> & { readonly checksum?: number }): Uint8Array {
  const { bytes, view } = withPayload(HEADER_LENGTH, message.payload);
  view.setUint8(0, message.type);
  view.setUint8(1, message.code);
  view.setUint32(4, message.rest);
  view.setUint16(2, message.checksum ?? internetChecksum(bytes));
  return bytes;
}

export interface IcmpEcho {
  readonly type: typeof ICMP_ECHO_REQUEST | typeof ICMP_ECHO_REPLY;
  readonly identifier: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

export function buildIcmpEcho({ type, identifier, sequence, payload }: IcmpEcho): Uint8Array {
  return buildIcmp({ type, code: 0, rest: identifier * 0x10000 + sequence, payload });
}
