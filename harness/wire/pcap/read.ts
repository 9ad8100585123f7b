/** The door for capture files: bytes in, a checked Capture or a CaptureError out. */

import { type Capture, CaptureBytes } from './capture.ts';
import { readClassic } from './classic.ts';
import { readPcapng } from './pcapng.ts';

/** First bytes of files that people feed to capture readers by mistake. */
const LOOKALIKES: readonly (readonly [bytes: readonly number[], what: string])[] = [
  [[0x1f, 0x8b], 'it is compressed with gzip'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'it is compressed with zstd'],
  [[0xfd, 0x37, 0x7a, 0x58], 'it is compressed with xz'],
  [[0x04, 0x22, 0x4d, 0x18], 'it is compressed with lz4'],
  [[0x50, 0x4b, 0x03, 0x04], 'it is a zip archive'],
  [[0x73, 0x6e, 0x6f, 0x6f], 'it is a snoop file'],
];

/**
 * Reads classic pcap (both byte orders, µs and ns) and pcapng. The frames are views of `bytes`.
 *
 * @param name - the file's name, for messages
 * @throws CaptureError, and nothing else, whatever the bytes are
 */
export function readCapture(bytes: Uint8Array, name: string): Capture {
  const input: CaptureBytes = new CaptureBytes(name, bytes);
  if (bytes.length === 0) input.fail('not a capture file: it is empty', 0);
  if (bytes.length < 4) input.fail('not a capture file: it is shorter than a magic number', 0);
  const capture = readPcapng(input) ?? readClassic(input);
  if (capture !== undefined) return capture;
  const lookalike = LOOKALIKES.find(([first]) => first.every((byte, at) => bytes[at] === byte));
  const hex = Array.from(bytes.subarray(0, 4), byte => byte.toString(16).padStart(2, '0')).join(' ');
  input.fail(`not a capture file: ${lookalike?.[1] ?? `it begins with ${hex}, not with pcap's or pcapng's magic`}`, 0);
}
