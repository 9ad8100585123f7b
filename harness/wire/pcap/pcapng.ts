/**
 * Reading pcapng: sections of blocks, each block with its length in front and behind. draft-ietf-opsawg-pcapng.
 *
 * Unknown blocks and options are passed over, as the format wants; known ones are checked to the last byte.
 */

import type { Capture, CaptureBytes, CapturedFrame, CaptureInterface, Direction } from './capture.ts';
import { describeLinkType, LINKTYPE_ETHERNET, lengthWithoutFcs } from './capture.ts';

export const BLOCK_SECTION_HEADER = 0x0a0d0d0a;
export const BLOCK_INTERFACE = 1;
/** Obsolete; still written by old tools. */
export const BLOCK_PACKET = 2;
export const BLOCK_SIMPLE_PACKET = 3;
export const BLOCK_ENHANCED_PACKET = 6;
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

export const OPT_END = 0;
export const OPT_COMMENT = 1;
export const OPT_IF_NAME = 2;
export const OPT_IF_TSRESOL = 9;
export const OPT_IF_FCSLEN = 13;
export const OPT_IF_TSOFFSET = 14;
export const OPT_PACKET_FLAGS = 2;

const BLOCK_LENGTH_MIN = 12;

interface Interface extends CaptureInterface {
  /** In the capture, over all sections. */
  readonly index: number;
  readonly snapLength: number;
  readonly ticksToNs: (ticks: bigint) => bigint;
  readonly fcsLength: number;
}

type Options = Map<number, { readonly start: number; readonly length: number }[]>;

interface Section {
  readonly interfaces: Interface[];
}

/** `value` is if_tsresol's byte: a power of ten, or of two with the top bit set. */
function tickScale(value: number, offsetSeconds: bigint): (ticks: bigint) => bigint {
  const offsetNs = offsetSeconds * 1_000_000_000n;
  const exponent = BigInt(value & 0x7f);
  if ((value & 0x80) !== 0) return ticks => ((ticks * 1_000_000_000n) >> exponent) + offsetNs;
  if (exponent <= 9n) {
    const factor = 10n ** (9n - exponent);
    return ticks => ticks * factor + offsetNs;
  }
  const divisor = 10n ** (exponent - 9n);
  return ticks => ticks / divisor + offsetNs;
}

class PcapngReader {
  readonly #input: CaptureBytes;
  readonly #text = new TextDecoder();
  readonly #interfaces: Interface[] = [];
  readonly #frames: CapturedFrame[] = [];
  #section: Section = { interfaces: [] };
  #firstNs = 0n;
  /** For simple packets, which have no time of their own. */
  #lastNs = 0n;

  constructor(input: CaptureBytes) {
    this.#input = input;
  }

  read(): Capture {
    const input = this.#input;
    for (let offset = 0; offset < input.length; ) {
      input.need(offset, BLOCK_LENGTH_MIN, 'a block');
      // The section header's type reads the same in both byte orders; the magic behind it tells which it is.
      const isSection = input.u32(offset) === BLOCK_SECTION_HEADER;
      if (isSection) this.#setByteOrder(offset);
      const length = input.u32(offset + 4);
      if (length < BLOCK_LENGTH_MIN || length % 4 !== 0) {
        input.fail(`block length ${length} is not a multiple of 4 of at least ${BLOCK_LENGTH_MIN}`, offset);
      }
      input.need(offset, length, 'a block');
      const trailer = input.u32(offset + length - 4);
      if (trailer !== length) input.fail(`block has length ${length} in front, but ${trailer} behind`, offset);
      this.#block(input.u32(offset), offset, offset + 8, offset + length - 4);
      offset += length;
    }
    return {
      format: 'pcapng',
      interfaces: this.#interfaces.map(({ name, linkType }) =>
        name === undefined ? { linkType } : { name, linkType },
      ),
      frames: this.#frames,
      epochNs: this.#firstNs,
    };
  }

  #setByteOrder(offset: number): void {
    const input = this.#input;
    for (const littleEndian of [true, false]) {
      input.littleEndian = littleEndian;
      if (input.u32(offset + 8) === BYTE_ORDER_MAGIC) return;
    }
    input.fail('section header without byte-order magic', offset);
  }

  #block(type: number, offset: number, body: number, end: number): void {
    switch (type) {
      case BLOCK_SECTION_HEADER:
        this.#sectionHeader(offset, body, end);
        break;
      case BLOCK_INTERFACE:
        this.#interfaceDescription(offset, body, end);
        break;
      case BLOCK_ENHANCED_PACKET:
        this.#input.need(body, 20, 'an enhanced packet block', end);
        this.#packet(offset, body, end, this.#input.u32(body));
        break;
      case BLOCK_PACKET:
        this.#input.need(body, 20, 'a packet block', end);
        this.#packet(offset, body, end, this.#input.u16(body));
        break;
      case BLOCK_SIMPLE_PACKET:
        this.#simplePacket(offset, body, end);
        break;
    }
  }

  #sectionHeader(offset: number, body: number, end: number): void {
    const input = this.#input;
    input.need(body, 16, 'a section header', end);
    const major = input.u16(body + 4);
    const minor = input.u16(body + 6);
    // 1.2 is what some writers say for what is 1.0.
    if (major !== 1 || (minor !== 0 && minor !== 2)) {
      input.fail(`version ${major}.${minor} of pcapng; only 1.0 is read`, offset);
    }
    this.#options(body + 16, end);
    this.#section = { interfaces: [] };
  }

  #interfaceDescription(offset: number, body: number, end: number): void {
    const input = this.#input;
    input.need(body, 8, 'an interface description', end);
    const options = this.#options(body + 8, end);
    const byte = (code: number): number | undefined => {
      const start = this.#option(options, code, 1, offset);
      return start === undefined ? undefined : input.bytes[start];
    };
    const offsetStart = this.#option(options, OPT_IF_TSOFFSET, 8, offset);
    const name = options.get(OPT_IF_NAME)?.[0];
    const described: Interface = {
      index: this.#interfaces.length,
      linkType: input.u16(body),
      snapLength: input.u32(body + 4),
      ticksToNs: tickScale(byte(OPT_IF_TSRESOL) ?? 6, offsetStart === undefined ? 0n : input.i64(offsetStart)),
      fcsLength: byte(OPT_IF_FCSLEN) ?? 0,
      ...(name === undefined ? {} : { name: this.#string(name) }),
    };
    this.#interfaces.push(described);
    this.#section.interfaces.push(described);
  }

  /** Enhanced and obsolete packet blocks: all but the interface's number lies at the same place. */
  #packet(offset: number, body: number, end: number, interfaceNumber: number): void {
    const input = this.#input;
    const from = this.#interface(interfaceNumber, offset);
    const ticks = (BigInt(input.u32(body + 4)) << 32n) | BigInt(input.u32(body + 8));
    const capturedLength = input.u32(body + 12);
    const originalLength = input.u32(body + 16);
    input.checkFrameLengths(capturedLength, originalLength, offset);
    const start = body + 20;
    const paddedLength = (capturedLength + 3) & ~3;
    input.need(start, paddedLength, 'a frame', end);
    const options = this.#options(start + paddedLength, end);

    const flagsStart = this.#option(options, OPT_PACKET_FLAGS, 4, offset);
    const flags = flagsStart === undefined ? 0 : input.u32(flagsStart);
    const direction = flags & 3;
    const flaggedFcsLength = (flags >>> 5) & 15;
    const comments = options.get(OPT_COMMENT)?.map(each => this.#string(each));
    this.#add(from, offset, from.ticksToNs(ticks), start, capturedLength, originalLength, {
      fcsLength: flaggedFcsLength === 0 ? from.fcsLength : flaggedFcsLength,
      ...(direction === 1 || direction === 2 ? { direction: direction === 1 ? 'inbound' : 'outbound' } : {}),
      ...(comments === undefined ? {} : { comment: comments.join('\n') }),
    });
  }

  /** No interface number, time, options or captured length: the section's first interface and its snap length tell. */
  #simplePacket(offset: number, body: number, end: number): void {
    const input = this.#input;
    input.need(body, 4, 'a simple packet block', end);
    const from = this.#interface(0, offset);
    const originalLength = input.u32(body);
    const capturedLength = from.snapLength === 0 ? originalLength : Math.min(originalLength, from.snapLength);
    input.checkFrameLengths(capturedLength, originalLength, offset);
    input.need(body + 4, capturedLength, 'a frame', end);
    this.#add(from, offset, this.#lastNs, body + 4, capturedLength, originalLength, { fcsLength: from.fcsLength });
  }

  #add(
    from: Interface,
    offset: number,
    timeNs: bigint,
    start: number,
    capturedLength: number,
    originalLength: number,
    extra: { readonly fcsLength: number; readonly direction?: Direction; readonly comment?: string },
  ): void {
    const { fcsLength, ...rest } = extra;
    if (this.#frames.length === 0) this.#firstNs = timeNs;
    this.#lastNs = timeNs;
    const relativeNs = Number(timeNs - this.#firstNs);
    if (!Number.isSafeInteger(relativeNs)) {
      this.#input.fail('time of a frame is more than 104 days from the first', offset);
    }
    this.#frames.push({
      timeNs: relativeNs,
      data: this.#input.bytes.subarray(start, start + lengthWithoutFcs(capturedLength, originalLength, fcsLength)),
      originalLength: Math.max(originalLength - fcsLength, 0),
      interfaceIndex: from.index,
      ...rest,
    });
  }

  #interface(interfaceNumber: number, offset: number): Interface {
    const found = this.#section.interfaces[interfaceNumber];
    if (found === undefined) {
      this.#input.fail(
        `frame of interface ${interfaceNumber}, but the section describes ${this.#section.interfaces.length} so far`,
        offset,
      );
    }
    if (found.linkType !== LINKTYPE_ETHERNET) {
      const named = found.name === undefined ? '' : ` (${found.name})`;
      this.#input.fail(
        `frame of interface ${interfaceNumber}${named} with ${describeLinkType(found.linkType)}; only Ethernet (1) is read`,
        offset,
      );
    }
    return found;
  }

  /** All options between two offsets, by code. The list may end with OPT_END or with the block. */
  #options(start: number, end: number): Options {
    const input = this.#input;
    const options: Options = new Map();
    for (let offset = start; offset < end; ) {
      input.need(offset, 4, 'an option', end);
      const code = input.u16(offset);
      const length = input.u16(offset + 2);
      if (code === OPT_END) {
        if (length !== 0) input.fail(`end of options has length ${length}`, offset);
        break;
      }
      const paddedLength = (length + 3) & ~3;
      input.need(offset + 4, paddedLength, 'an option', end);
      const same = options.get(code);
      if (same === undefined) options.set(code, [{ start: offset + 4, length }]);
      else same.push({ start: offset + 4, length });
      offset += 4 + paddedLength;
    }
    return options;
  }

  /** Where the first option with this code has its `length` bytes; undefined when there is none. */
  #option(options: Options, code: number, length: number, offset: number): number | undefined {
    const option = options.get(code)?.[0];
    if (option === undefined) return undefined;
    if (option.length !== length) {
      this.#input.fail(`option ${code} has ${option.length} bytes instead of ${length}`, offset);
    }
    return option.start;
  }

  #string(option: { readonly start: number; readonly length: number }): string {
    return this.#text.decode(this.#input.bytes.subarray(option.start, option.start + option.length));
  }
}

/** Undefined when the file does not begin with a section header. Needs four bytes. */
export function readPcapng(input: CaptureBytes): Capture | undefined {
  if (input.u32(0) !== BLOCK_SECTION_HEADER) return undefined;
  return new PcapngReader(input).read();
}
