/**
 * What a capture file says, whatever its format: frames with times, and nothing half-understood.
 *
 * Formats: draft-ietf-opsawg-pcap (classic) and draft-ietf-opsawg-pcapng. Only link type 1 (Ethernet) is taken.
 */

export type CaptureFormat = 'pcap' | 'pcapng';

/** Which way a frame went, as its capturing interface saw it. */
export type Direction = 'inbound' | 'outbound';

export interface CapturedFrame {
  /** Nanoseconds since the first frame of the file; negative where a file is not in order. */
  readonly timeNs: number;
  /** The frame from destination address to payload, without its FCS: a view of the file's bytes. */
  readonly data: Uint8Array;
  /** Length on the wire, without FCS; more than `data.length` where the capture was cut by a snap length. */
  readonly originalLength: number;
  /** Index into `Capture.interfaces`. */
  readonly interfaceIndex: number;
  readonly direction?: Direction;
  readonly comment?: string;
}

export interface CaptureInterface {
  readonly name?: string;
  /** LINKTYPE_ number. Frames exist for 1 (Ethernet) only. */
  readonly linkType: number;
}

export interface Capture {
  readonly format: CaptureFormat;
  readonly interfaces: readonly CaptureInterface[];
  readonly frames: readonly CapturedFrame[];
  /** Time of the first frame, in nanoseconds since 1970-01-01 UTC; 0 where there is none. */
  readonly epochNs: bigint;
}

/** A file that is not a capture that we read. The message is one line and names file, problem and byte offset. */
export class CaptureError extends Error {
  readonly file: string;
  readonly problem: string;
  /** Byte offset of the header, record or block that is wrong. */
  readonly offset: number;

  constructor(file: string, problem: string, offset: number) {
    super(`${file}: ${problem} (at byte ${offset})`);
    this.name = 'CaptureError';
    this.file = file;
    this.problem = problem;
    this.offset = offset;
  }
}

export const LINKTYPE_ETHERNET = 1;

/** More than any Ethernet frame, and tcpdump's own greatest snap length: beyond it a length field is not a length. */
export const FRAME_LENGTH_MAX = 256 * 1024;

/** Link types that people do capture and then try; the rest are named by number. */
const LINKTYPE_NAMES: Readonly<Record<number, string>> = {
  0: 'BSD loopback',
  9: 'PPP',
  12: 'raw IP',
  14: 'raw IP',
  101: 'raw IP',
  105: 'IEEE 802.11',
  108: 'OpenBSD loopback',
  113: 'Linux "any" device',
  127: '802.11 with radiotap header',
  147: 'user 0',
  189: 'USB',
  195: 'IEEE 802.15.4',
  220: 'USB',
  227: 'CAN',
  228: 'raw IPv4',
  229: 'raw IPv6',
  276: 'Linux "any" device, version 2',
};

/** For example `link type 101 (raw IP)`. */
export function describeLinkType(linkType: number): string {
  const name = LINKTYPE_NAMES[linkType];
  return name === undefined ? `link type ${linkType}` : `link type ${linkType} (${name})`;
}

/** Bounded, endian-aware reads. Callers check lengths first; `fail` gives an error the file's name and place. */
export class CaptureBytes {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  littleEndian = true;

  constructor(file: string, bytes: Uint8Array) {
    this.file = file;
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, this.littleEndian);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, this.littleEndian);
  }

  i64(offset: number): bigint {
    return this.#view.getBigInt64(offset, this.littleEndian);
  }

  fail(problem: string, offset: number): never {
    throw new CaptureError(this.file, problem, offset);
  }

  /** Fails as truncated unless `count` bytes are left before `end`. */
  need(offset: number, count: number, what: string, end = this.length): void {
    if (count > end - offset) {
      this.fail(`truncated: ${what} needs ${count} bytes, ${Math.max(end - offset, 0)} are left`, offset);
    }
  }

  /** Fails unless the two lengths of a frame can be true. */
  checkFrameLengths(capturedLength: number, originalLength: number, offset: number): void {
    if (capturedLength > FRAME_LENGTH_MAX) {
      this.fail(`frame of ${capturedLength} bytes is longer than ${FRAME_LENGTH_MAX}`, offset);
    }
    if (capturedLength > originalLength) {
      this.fail(`frame has ${capturedLength} bytes in the file, but had only ${originalLength} on the wire`, offset);
    }
  }
}

/** Length of `data` without the `fcsLength` bytes of FCS that end the frame on the wire, of which some may be cut off. */
export function lengthWithoutFcs(capturedLength: number, originalLength: number, fcsLength: number): number {
  return Math.min(capturedLength, Math.max(originalLength - fcsLength, 0));
}
