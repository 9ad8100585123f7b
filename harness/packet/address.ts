/** Addresses as text, as people and tcpdump write them. */

/** Not a packet, or not all of one. The message says what is missing or wrong, for example `IPv4 header length 16`. */
export class PacketError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PacketError';
  }
}

/** `02:00:00:00:00:01`, in lower case. */
export function formatMac(bytes: Uint8Array, offset = 0): string {
  let text = '';
  for (let at = 0; at < 6; at++) {
    text += (at === 0 ? '' : ':') + (bytes[offset + at] ?? 0).toString(16).padStart(2, '0');
  }
  return text;
}

/** Six pairs of hex digits with colons. @throws PacketError */
export function parseMac(text: string): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) throw new PacketError(`"${text}" is not a MAC address`);
  return Uint8Array.from(text.split(':'), pair => Number.parseInt(pair, 16));
}

/** `10.1.0.1`. */
export function formatIpv4(bytes: Uint8Array, offset = 0): string {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
}

/** Four decimal numbers without leading zeros (which some read as octal). @throws PacketError */
export function parseIpv4(text: string): Uint8Array {
  const parts = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text);
  const bytes = parts?.slice(1).map(Number);
  if (bytes === undefined || bytes.some(byte => byte > 255)) {
    throw new PacketError(`"${text}" is not an IPv4 address`);
  }
  return Uint8Array.from(bytes);
}

/** RFC 5952: lower case, the first longest run of two or more zero groups as `::`. */
export function formatIpv6(bytes: Uint8Array, offset = 0): string {
  const groups = Array.from(
    { length: 8 },
    (_, at) => (bytes[offset + 2 * at] ?? 0) * 256 + (bytes[offset + 2 * at + 1] ?? 0),
  );
  let runStart = -1;
  let runLength = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > runLength) {
      runStart = start;
      runLength = end - start;
    }
  }
  const hex = groups.map(group => group.toString(16));
  if (runStart < 0) return hex.join(':');
  return `${hex.slice(0, runStart).join(':')}::${hex.slice(runStart + runLength).join(':')}`;
}
