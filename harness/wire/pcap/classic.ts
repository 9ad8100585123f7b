/** Classic pcap: a 24-byte header, then records of 16 bytes and data. draft-ietf-opsawg-pcap. */

import type { Capture, CaptureBytes, CapturedFrame } from './capture.ts';
import { describeLinkType, FRAME_LENGTH_MAX, LINKTYPE_ETHERNET, lengthWithoutFcs } from './capture.ts';

const FILE_HEADER_LENGTH = 24;
const RECORD_HEADER_LENGTH = 16;

export const MAGIC_MICROSECONDS = 0xa1b2c3d4;
export const MAGIC_NANOSECONDS = 0xa1b23c4d;

/** Formats that share the first bytes' idea, and that we say no to by name. */
const OTHER_MAGICS: Readonly<Record<number, string>> = {
  2712849716: "Kuznetzov's modified pcap",
  2712847309: 'Navtel pcap',
};

/** The byte order and unit that a magic number stands for; undefined when it is not classic pcap's. */
function recognise(input: CaptureBytes): { littleEndian: boolean; nsPerTick: number } | undefined {
  for (const littleEndian of [true, false]) {
    input.littleEndian = littleEndian;
    const magic = input.u32(0);
    if (magic === MAGIC_MICROSECONDS) return { littleEndian, nsPerTick: 1000 };
    if (magic === MAGIC_NANOSECONDS) return { littleEndian, nsPerTick: 1 };
    const other = OTHER_MAGICS[magic];
    if (other !== undefined) input.fail(`not a capture file that can be read: ${other}`, 0);
  }
  return undefined;
}

/** Undefined when the first four bytes are not classic pcap's. Needs four bytes. */
export function readClassic(input: CaptureBytes): Capture | undefined {
  const kind = recognise(input);
  if (kind === undefined) return undefined;
  input.littleEndian = kind.littleEndian;
  input.need(0, FILE_HEADER_LENGTH, 'the file header');
  const major = input.u16(4);
  const minor = input.u16(6);
  if (major !== 2 || minor !== 4) input.fail(`version ${major}.${minor} of pcap; only 2.4 is read`, 4);

  // The upper half says how many FCS bytes end each frame, in 16-bit words, if its P bit is set.
  const linkField = input.u32(20);
  const linkType = linkField & 0xffff;
  if (linkType !== LINKTYPE_ETHERNET) input.fail(`${describeLinkType(linkType)}; only Ethernet (1) is read`, 20);
  const fcsLength = (linkField & 0x0400_0000) !== 0 ? (linkField >>> 28) * 2 : 0;

  const frames: CapturedFrame[] = [];
  const ticksPerSecond = 1_000_000_000 / kind.nsPerTick;
  let firstSeconds = 0;
  let firstFraction = 0;
  for (let offset = FILE_HEADER_LENGTH; offset < input.length; ) {
    input.need(offset, RECORD_HEADER_LENGTH, 'a record header');
    const seconds = input.u32(offset);
    const fraction = input.u32(offset + 4);
    const capturedLength = input.u32(offset + 8);
    const originalLength = input.u32(offset + 12);
    if (fraction >= ticksPerSecond) {
      input.fail(`time of a frame has ${fraction} parts of a second, of which there are ${ticksPerSecond}`, offset);
    }
    input.checkFrameLengths(capturedLength, originalLength, offset);
    const start = offset + RECORD_HEADER_LENGTH;
    input.need(start, capturedLength, 'a frame');

    if (frames.length === 0) {
      firstSeconds = seconds;
      firstFraction = fraction;
    }
    const timeNs = (seconds - firstSeconds) * 1_000_000_000 + (fraction - firstFraction) * kind.nsPerTick;
    if (!Number.isSafeInteger(timeNs)) input.fail('time of a frame is more than 104 days from the first', offset);
    frames.push({
      timeNs,
      data: input.bytes.subarray(start, start + lengthWithoutFcs(capturedLength, originalLength, fcsLength)),
      originalLength: Math.max(originalLength - fcsLength, 0),
      interfaceIndex: 0,
    });
    offset = start + capturedLength;
  }
  return {
    format: 'pcap',
    interfaces: [{ linkType }],
    frames,
    epochNs: BigInt(firstSeconds) * 1_000_000_000n + BigInt(firstFraction * kind.nsPerTick),
  };
}

/**
 * A classic pcap file, little-endian, with nanosecond times unless asked for microseconds (which cut, as tcpdump does).
 * It has no room for comments, directions or interfaces: PcapngWriter has.
 */
export function writeClassic(
  frames: readonly Pick<CapturedFrame, 'timeNs' | 'data' | 'originalLength'>[],
  options: { readonly epochNs?: bigint; readonly resolution?: 'us' | 'ns' } = {},
): Uint8Array {
  const { epochNs = 0n, resolution = 'ns' } = options;
  let length = FILE_HEADER_LENGTH;
  for (const frame of frames) length += RECORD_HEADER_LENGTH + frame.data.length;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, resolution === 'ns' ? MAGIC_NANOSECONDS : MAGIC_MICROSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, FRAME_LENGTH_MAX, true);
  view.setUint32(20, LINKTYPE_ETHERNET, true);
  let offset = FILE_HEADER_LENGTH;
  for (const { timeNs, data, originalLength } of frames) {
    const time = epochNs + BigInt(timeNs);
    if (time < 0n || time >= 0x1_0000_0000n * 1_000_000_000n) {
      throw new RangeError(`classic pcap has no time ${time} ns`);
    }
    if (data.length > FRAME_LENGTH_MAX || originalLength < data.length) {
      throw new RangeError(`frame of ${data.length} bytes (${originalLength} on the wire) cannot be written`);
    }
    const fraction = Number(time % 1_000_000_000n);
    view.setUint32(offset, Number(time / 1_000_000_000n), true);
    view.setUint32(offset + 4, resolution === 'ns' ? fraction : Math.floor(fraction / 1000), true);
    view.setUint32(offset + 8, data.length, true);
    view.setUint32(offset + 12, originalLength, true);
    bytes.set(data, offset + RECORD_HEADER_LENGTH);
    offset += RECORD_HEADER_LENGTH + data.length;
  }
  return bytes;
}
