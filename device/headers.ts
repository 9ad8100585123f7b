/** What the card understands of a frame: VLAN tag, IP, TCP and UDP headers. One object for all frames, filled by `parse`. */

const VLAN_TYPE = 0x8100;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const ADDRESSES = 12;
const TYPE_BYTES = 2;
const TAG_BYTES = 4;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const UDP_BYTES = 8;
const TCP_BYTES = 20;
/** Extension headers that may come before TCP or UDP; more than so many are not walked. */
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION = 60;
const EXTENSIONS_MAX = 8;

export const TCP = 6;
export const UDP = 17;

function be16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/** Whether a frame of at least 16 bytes at `at` carries a VLAN tag. */
export function isTagged(bytes: Uint8Array, at: number): boolean {
  return bytes[at + ADDRESSES] === VLAN_TYPE >> 8 && bytes[at + ADDRESSES + 1] === 0;
}

/** The tag (TCI) of a tagged frame. */
export function tagOf(bytes: Uint8Array, at: number): number {
  return be16(bytes, at + ADDRESSES + TYPE_BYTES);
}

export class Headers {
  /** 4, 6, or 0 when there is no sound IP header. */
  version: number;
  /** Offset of the IP header in the frame, its length (IPv4), and the end of the datagram. */
  ip: number;
  ipBytes: number;
  end: number;
  /** TCP, UDP, or 0 when there is neither (a fragment has none). */
  protocol: number;
  /** Offset of the TCP or UDP header. */
  l4: number;

  constructor() {
    this.version = 0;
    this.ip = 0;
    this.ipBytes = 0;
    this.end = 0;
    this.protocol = 0;
    this.l4 = 0;
  }

  /** Reads the frame `bytes[at .. at+length)`, 14 bytes at least. */
  parse(bytes: Uint8Array, at: number, length: number): void {
    this.version = 0;
    this.protocol = 0;
    const tagged = length >= ADDRESSES + TAG_BYTES + TYPE_BYTES && isTagged(bytes, at);
    const typeAt = tagged ? ADDRESSES + TAG_BYTES : ADDRESSES;
    const type = be16(bytes, at + typeAt);
    this.ip = typeAt + TYPE_BYTES;
    if (type === IPV4) this.parse4(bytes, at, length);
    else if (type === IPV6) this.parse6(bytes, at, length);
  }

  private parse4(bytes: Uint8Array, at: number, length: number): void {
    const { ip } = this;
    if (length < ip + IPV4_BYTES || (bytes[at + ip] as number) >> 4 !== 4) return;
    const size = ((bytes[at + ip] as number) & 15) * 4;
    const total = be16(bytes, at + ip + 2);
    if (size < IPV4_BYTES || total < size || ip + total > length) return;
    this.version = 4;
    this.ipBytes = size;
    this.end = ip + total;
    if ((be16(bytes, at + ip + 6) & 0x3fff) === 0) this.transport(bytes[at + ip + 9] as number, ip + size);
  }

  private parse6(bytes: Uint8Array, at: number, length: number): void {
    const { ip } = this;
    if (length < ip + IPV6_BYTES || (bytes[at + ip] as number) >> 4 !== 6) return;
    const end = ip + IPV6_BYTES + be16(bytes, at + ip + 4);
    if (end > length) return;
    this.version = 6;
    this.ipBytes = IPV6_BYTES;
    this.end = end;
    let next = bytes[at + ip + 6] as number;
    let offset = ip + IPV6_BYTES;
    for (let i = 0; i < EXTENSIONS_MAX; i++) {
      if (next !== HOP_BY_HOP && next !== ROUTING && next !== DESTINATION) break;
      if (offset + 8 > end) return;
      next = bytes[at + offset] as number;
      offset += ((bytes[at + offset + 1] as number) + 1) * 8;
    }
    if (next !== FRAGMENT) this.transport(next, offset);
  }

  private transport(protocol: number, offset: number): void {
    const needed = protocol === TCP ? TCP_BYTES : protocol === UDP ? UDP_BYTES : 0;
    if (needed === 0 || offset + needed > this.end) return;
    this.protocol = protocol;
    this.l4 = offset;
  }
}
