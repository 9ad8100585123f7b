/** Writing pcapng in memory. Nothing in the file depends on machine or day: equal runs give equal files. */

import { type Direction, FRAME_LENGTH_MAX, LINKTYPE_ETHERNET } from './capture.ts';
import {
  BLOCK_ENHANCED_PACKET,
  BLOCK_INTERFACE,
  BLOCK_SECTION_HEADER,
  BYTE_ORDER_MAGIC,
  OPT_COMMENT,
  OPT_END,
  OPT_IF_NAME,
  OPT_IF_TSRESOL,
  OPT_PACKET_FLAGS,
} from './pcapng.ts';

const OPTION_LENGTH_MAX = 0xffff;
const SHB_USERAPPL = 4;

function encodeText(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > OPTION_LENGTH_MAX) throw new RangeError(`text of ${bytes.length} bytes cannot be written`);
  return bytes;
}

export interface FrameNotes {
  readonly direction?: Direction;
  /** UTF-8, at most 65535 bytes; shown by Wireshark beside the frame. */
  readonly comment?: string;
  /** Length on the wire where `data` is only its beginning. */
  readonly originalLength?: number;
}

/** One section, little-endian, Ethernet interfaces, times in nanoseconds. */
export class PcapngWriter {
  #bytes = new Uint8Array(64 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #blockStart = 0;
  #interfaces = 0;
  readonly #epochNs: bigint;

  /** @param options.epochNs - what time 0 of the frames is, in ns since 1970 (as `Capture.epochNs`) */
  constructor(options: { readonly epochNs?: bigint; readonly application?: string; readonly comment?: string } = {}) {
    this.#epochNs = options.epochNs ?? 0n;
    this.#begin(BLOCK_SECTION_HEADER);
    this.#u32(BYTE_ORDER_MAGIC);
    this.#u16(1);
    this.#u16(0);
    // Section length unknown: readers walk the blocks.
    this.#u32(0xffffffff);
    this.#u32(0xffffffff);
    if (options.comment !== undefined) this.#option(OPT_COMMENT, encodeText(options.comment));
    this.#option(SHB_USERAPPL, encodeText(options.application ?? 'ringside'));
    this.#end(true);
  }

  /** Returns the interface's number, for `addFrame`. */
  addInterface(name: string): number {
    const encodedName = encodeText(name);
    this.#begin(BLOCK_INTERFACE);
    this.#u16(LINKTYPE_ETHERNET);
    this.#u16(0);
    this.#u32(FRAME_LENGTH_MAX);
    this.#option(OPT_IF_NAME, encodedName);
    this.#option(OPT_IF_TSRESOL, Uint8Array.of(9));
    this.#end(true);
    return this.#interfaces++;
  }

  /**
   * @param timeNs - since the writer's epoch; a safe integer, and not before 1970
   * @param data - without FCS; copied
   * @throws RangeError for what the format cannot hold: that is the caller's bug
   */
  addFrame(interfaceNumber: number, timeNs: number, data: Uint8Array, notes: FrameNotes = {}): void {
    const originalLength = notes.originalLength ?? data.length;
    const time = this.#epochNs + BigInt(timeNs);
    if (!(interfaceNumber >= 0 && interfaceNumber < this.#interfaces)) {
      throw new RangeError(`there is no interface ${interfaceNumber}`);
    }
    if (time < 0n || time >> 64n !== 0n) throw new RangeError(`pcapng has no time ${time} ns`);
    if (data.length > FRAME_LENGTH_MAX || originalLength < data.length) {
      throw new RangeError(`frame of ${data.length} bytes (${originalLength} on the wire) cannot be written`);
    }
    const comment = notes.comment === undefined ? undefined : encodeText(notes.comment);
    this.#begin(BLOCK_ENHANCED_PACKET);
    this.#u32(interfaceNumber);
    this.#u32(Number(time >> 32n));
    this.#u32(Number(time & 0xffffffffn));
    this.#u32(data.length);
    this.#u32(originalLength);
    this.#padded(data);
    if (comment !== undefined) this.#option(OPT_COMMENT, comment);
    if (notes.direction !== undefined) {
      this.#u16(OPT_PACKET_FLAGS);
      this.#u16(4);
      this.#u32(notes.direction === 'inbound' ? 1 : 2);
    }
    this.#end(comment !== undefined || notes.direction !== undefined);
  }

  /** The file so far, as a copy. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #begin(type: number): void {
    this.#blockStart = this.#length;
    this.#u32(type);
    this.#u32(0);
  }

  #end(hasOptions: boolean): void {
    if (hasOptions) {
      this.#u16(OPT_END);
      this.#u16(0);
    }
    const length = this.#length + 4 - this.#blockStart;
    this.#u32(length);
    this.#view.setUint32(this.#blockStart + 4, length, true);
  }

  #option(code: number, value: Uint8Array): void {
    this.#u16(code);
    this.#u16(value.length);
    this.#padded(value);
  }

  #padded(data: Uint8Array): void {
    const paddedLength = (data.length + 3) & ~3;
    this.#reserve(paddedLength);
    this.#bytes.set(data, this.#length);
    this.#length += paddedLength;
  }

  #u16(value: number): void {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value, true);
    this.#length += 2;
  }

  #u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
