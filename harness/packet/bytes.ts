import { PacketError } from './address.ts';

/** Fails unless `bytes` has a header of `length` bytes: `truncated UDP header: 3 of 8 bytes`. */
export function needHeader(bytes: Uint8Array, length: number, what: string): DataView {
  if (bytes.length < length) throw new PacketError(`truncated ${what}: ${bytes.length} of ${length} bytes`);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A header of `length` bytes to be filled in, with `payload` behind it. */
export function withPayload(length: number, payload: Uint8Array): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(length + payload.length);
  bytes.set(payload, length);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** All of them, one behind the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
