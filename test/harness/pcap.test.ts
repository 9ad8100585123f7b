import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CaptureError, FRAME_LENGTH_MAX } from '../../harness/wire/pcap/capture.ts';
import { writeClassic } from '../../harness/wire/pcap/classic.ts';
import { readCapture } from '../../harness/wire/pcap/read.ts';
import { PcapngWriter } from '../../harness/wire/pcap/write.ts';
import { testWith } from '../needs.ts';

const captures = new URL('../data/captures/', import.meta.url);
const captureNames = readdirSync(captures).filter(name => name.endsWith('.pcap'));
const load = (name: string): Uint8Array => readFileSync(new URL(name, captures));

/** Builds files field by field, in either byte order: the hand-typed counterpart of the code under test. */
class FileBuilder {
  readonly #bytes: number[] = [];
  readonly #littleEndian: boolean;

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  #integer(value: bigint, size: number): this {
    const bytes = Array.from({ length: size }, (_, at) => Number((value >> BigInt(8 * at)) & 0xffn));
    this.#bytes.push(...(this.#littleEndian ? bytes : bytes.reverse()));
    return this;
  }

  u16(...values: number[]): this {
    for (const value of values) this.#integer(BigInt(value), 2);
    return this;
  }

  u32(...values: number[]): this {
    for (const value of values) this.#integer(BigInt(value), 4);
    return this;
  }

  i64(value: bigint): this {
    return this.#integer(BigInt.asUintN(64, value), 8);
  }

  raw(...bytes: number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

const littleOrBig = [
  ['little-endian', true],
  ['big-endian', false],
] as const;

function classicFile(
  littleEndian: boolean,
  over: { magic?: number; version?: [number, number]; link?: number; record?: number[]; data?: number[] } = {},
): Uint8Array {
  return new FileBuilder(littleEndian)
    .u32(over.magic ?? 0xa1b2c3d4)
    .u16(...(over.version ?? [2, 4]))
    .u32(0, 0, 65535, over.link ?? 1)
    .u32(...(over.record ?? [1000, 5, 3, 60]))
    .raw(...(over.data ?? [1, 2, 3]))
    .bytes();
}

type Block = (file: FileBuilder) => void;

/** `body` must come to a multiple of four bytes. */
function block(littleEndian: boolean, type: number, body: Block): Block {
  return file => {
    const inner = new FileBuilder(littleEndian);
    body(inner);
    const bytes = inner.bytes();
    file.u32(type, bytes.length + 12);
    file.raw(...bytes);
    file.u32(bytes.length + 12);
  };
}

function pcapngFile(littleEndian: boolean, ...blocks: Block[]): Uint8Array {
  const file = new FileBuilder(littleEndian);
  for (const each of blocks) each(file);
  return file.bytes();
}

const section = (littleEndian: boolean): Block =>
  block(littleEndian, 0x0a0d0d0a, body => body.u32(0x1a2b3c4d).u16(1, 0).i64(-1n));
const ethernet = (littleEndian: boolean, options: Block = () => {}, snapLength = 0): Block =>
  block(littleEndian, 1, body => {
    body.u16(1, 0).u32(snapLength);
    options(body);
  });
const packet = (littleEndian: boolean, interfaceNumber: number, ticks: number, options: Block = () => {}): Block =>
  block(littleEndian, 6, body => {
    body.u32(interfaceNumber, 0, ticks, 3, 60).raw(1, 2, 3, 0);
    options(body);
  });

const refusal = (bytes: Uint8Array): CaptureError => {
  try {
    readCapture(bytes, 'x.pcap');
  } catch (error) {
    if (error instanceof CaptureError) return error;
    throw error;
  }
  throw new Error('the file was read');
};

describe('classic pcap', () => {
  test.each(littleOrBig)('%s, microseconds: frames with times, lengths and data', (_, littleEndian) => {
    const capture = readCapture(classicFile(littleEndian), 'x.pcap');
    expect(capture.format).toBe('pcap');
    expect(capture.epochNs).toBe(1_000_000_005_000n);
    expect(capture.frames).toEqual([
      { timeNs: 0, data: Uint8Array.of(1, 2, 3), originalLength: 60, interfaceIndex: 0 },
    ]);
  });

  test.each(littleOrBig)('%s, nanoseconds', (_, littleEndian) => {
    expect(readCapture(classicFile(littleEndian, { magic: 0xa1b23c4d }), 'x.pcap').epochNs).toBe(1_000_000_000_005n);
  });

  test('times far above 2^53 ns: the difference of two frames is exact', () => {
    const bytes = writeClassic(
      [0, 1, 999_999_999, -7].map(timeNs => ({ timeNs, data: new Uint8Array(1), originalLength: 1 })),
      { epochNs: 1_795_000_000_123_456_789n },
    );
    const capture = readCapture(bytes, 'x.pcap');
    expect(capture.epochNs).toBe(1_795_000_000_123_456_789n);
    expect(capture.frames.map(frame => frame.timeNs)).toEqual([0, 1, 999_999_999, -7]);
  });

  test('FCS length in the link type field: the FCS is not part of the frame', () => {
    const record = [1000, 5, 6, 6];
    const data = [1, 2, 3, 4, 5, 6];
    const [frame] = readCapture(classicFile(true, { link: 0x2400_0001, record, data }), 'x.pcap').frames;
    expect(frame).toMatchObject({ data: Uint8Array.of(1, 2), originalLength: 2 });
    const [unmarked] = readCapture(classicFile(true, { link: 0x2000_0001, record, data }), 'x.pcap').frames;
    expect(unmarked).toMatchObject({ originalLength: 6 });
  });

  test('FCS partly cut off by the snap length: only what is there of it goes', () => {
    const [frame] = readCapture(
      classicFile(true, { link: 0x2400_0001, record: [1000, 5, 5, 7], data: [1, 2, 3, 4, 5] }),
      'x.pcap',
    ).frames;
    expect(frame).toMatchObject({ data: Uint8Array.of(1, 2, 3), originalLength: 3 });
  });

  test('no frames: an empty capture', () => {
    expect(readCapture(classicFile(true).subarray(0, 24), 'x.pcap')).toMatchObject({ frames: [], epochNs: 0n });
  });

  test.each([
    ['file header cut', classicFile(true).subarray(0, 20), 0, /truncated: the file header needs 24 bytes, 20 are left/],
    ['record header cut', classicFile(true).subarray(0, 30), 24, /truncated: a record header needs 16 bytes, 6/],
    ['frame cut', classicFile(true).subarray(0, 42), 40, /truncated: a frame needs 3 bytes, 2 are left/],
    ['old version', classicFile(true, { version: [2, 3] }), 4, /version 2\.3/],
    ['other link type', classicFile(true, { link: 113 }), 20, /link type 113 \(Linux "any" device\); only Ethernet/],
    ['unnamed link type', classicFile(true, { link: 4711 }), 20, /link type 4711; only/],
    ['second of 1,000,000 µs', classicFile(true, { record: [1, 1_000_000, 3, 60] }), 24, /1000000 parts of a second/],
    ['absurd length', classicFile(true, { record: [1, 0, 262_145, 0xffffffff] }), 24, /262145 bytes is longer/],
    ['more captured than sent', classicFile(true, { record: [1, 0, 3, 2] }), 24, /had only 2 on the wire/],
    ['modified pcap', classicFile(true, { magic: 0xa1b2cd34 }), 0, /Kuznetzov/],
  ])('%s: refused, with the place', (_, bytes, offset, problem) => {
    const error = refusal(bytes);
    expect(error.offset).toBe(offset);
    expect(error.problem).toMatch(problem);
    expect(error.message).toBe(`x.pcap: ${error.problem} (at byte ${offset})`);
  });

  test('frames more than 104 days apart: refused', () => {
    const frames = [0n, 105n].map(days =>
      writeClassic([{ timeNs: 0, data: new Uint8Array(1), originalLength: 1 }], {
        epochNs: days * 86_400_000_000_000n,
      }),
    );
    const both = Buffer.concat([frames[0] as Uint8Array, (frames[1] as Uint8Array).subarray(24)]);
    expect(refusal(both).problem).toMatch(/104 days/);
  });
});

describe('pcapng', () => {
  describe.each(littleOrBig)('%s', (_, le) => {
    test('microseconds unless the interface says otherwise', () => {
      const capture = readCapture(pcapngFile(le, section(le), ethernet(le), packet(le, 0, 7)), 'x.pcapng');
      expect(capture).toEqual({
        format: 'pcapng',
        interfaces: [{ linkType: 1 }],
        epochNs: 7000n,
        frames: [{ timeNs: 0, data: Uint8Array.of(1, 2, 3), originalLength: 60, interfaceIndex: 0 }],
      });
    });

    test.each([
      ['10^-3 s', 3, 5, 5_000_000n],
      ['10^-9 s', 9, 5, 5n],
      ['10^-12 s', 12, 5999, 5n],
      ['2^-10 s', 0x8a, 512, 500_000_000n],
      ['10^-127 s', 127, 0xffffffff, 0n],
    ])('time resolution %s', (_, resolution, ticks, ns) => {
      const options: Block = body => body.u16(9, 1).raw(resolution, 0, 0, 0).u16(0, 0);
      const bytes = pcapngFile(le, section(le), ethernet(le, options), packet(le, 0, ticks));
      expect(readCapture(bytes, 'x.pcapng').epochNs).toBe(ns);
    });

    test('time offset in seconds, of either sign', () => {
      const options: Block = body => body.u16(14, 8).i64(-3n);
      const bytes = pcapngFile(le, section(le), ethernet(le, options), packet(le, 0, 5));
      expect(readCapture(bytes, 'x.pcapng').epochNs).toBe(-2_999_995_000n);
    });

    test('name, FCS length, comments and direction', () => {
      const named: Block = body => body.u16(2, 4).raw(0x65, 0x74, 0x68, 0x30).u16(13, 1).raw(4, 0, 0, 0);
      const noted: Block = body => {
        body.u16(1, 2).raw(0x61, 0x62, 0, 0).u16(1, 1).raw(0x63, 0, 0, 0).u16(2, 4).u32(2).u16(0, 0);
      };
      const bytes = pcapngFile(le, section(le), ethernet(le, named), packet(le, 0, 5, noted), packet(le, 0, 9));
      const capture = readCapture(bytes, 'x.pcapng');
      expect(capture.interfaces).toEqual([{ name: 'eth0', linkType: 1 }]);
      expect(capture.frames).toEqual([
        {
          timeNs: 0,
          data: Uint8Array.of(1, 2, 3),
          originalLength: 56,
          interfaceIndex: 0,
          direction: 'outbound',
          comment: 'ab\nc',
        },
        { timeNs: 4000, data: Uint8Array.of(1, 2, 3), originalLength: 56, interfaceIndex: 0 },
      ]);
    });

    test("FCS length in a packet's flags goes before the interface's", () => {
      const flags: Block = body => body.u16(2, 4).u32(1 | (2 << 5));
      const bytes = pcapngFile(le, section(le), ethernet(le), packet(le, 0, 5, flags));
      expect(readCapture(bytes, 'x').frames[0]).toMatchObject({ originalLength: 58, direction: 'inbound' });
    });

    test('simple packets take snap length and last time; obsolete packets and unknown blocks pass', () => {
      const simple = block(le, 3, body => body.u32(60).raw(1, 2, 3, 4));
      const obsolete = block(le, 2, body => body.u16(0, 0).u32(0, 9, 2, 2).raw(8, 9, 0, 0));
      const unknown = block(le, 0xbad, body => body.u32(0xffffffff));
      const bytes = pcapngFile(
        le,
        section(le),
        unknown,
        ethernet(le, () => {}, 4),
        packet(le, 0, 7),
        simple,
        obsolete,
      );
      expect(readCapture(bytes, 'x').frames.slice(1)).toEqual([
        { timeNs: 0, data: Uint8Array.of(1, 2, 3, 4), originalLength: 60, interfaceIndex: 0 },
        { timeNs: 2000, data: Uint8Array.of(8, 9), originalLength: 2, interfaceIndex: 0 },
      ]);
    });

    test('sections with interfaces of their own, in another byte order', () => {
      const first = pcapngFile(le, section(le), ethernet(le), ethernet(le), packet(le, 1, 5));
      const second = pcapngFile(!le, section(!le), ethernet(!le), packet(!le, 0, 6));
      const capture = readCapture(Buffer.concat([first, second]), 'x');
      expect(capture.interfaces).toHaveLength(3);
      expect(capture.frames.map(frame => [frame.interfaceIndex, frame.timeNs])).toEqual([
        [1, 0],
        [2, 1000],
      ]);
    });
  });

  test('an interface that is not Ethernet is refused when a frame comes from it, by name and type', () => {
    const wlan = block(true, 1, body => body.u16(105, 0).u32(0).u16(2, 4).raw(0x77, 0x6c, 0x61, 0x6e));
    const harmless = pcapngFile(true, section(true), wlan, ethernet(true), packet(true, 1, 5));
    expect(readCapture(harmless, 'x').frames).toHaveLength(1);
    const error = refusal(pcapngFile(true, section(true), wlan, packet(true, 0, 5)));
    expect(error.problem).toMatch(/interface 0 \(wlan\) with link type 105 \(IEEE 802\.11\); only Ethernet/);
  });

  const head = [section(true), ethernet(true)];
  const headLength = pcapngFile(true, ...head).length;
  test.each([
    ['no byte-order magic', block(true, 0x0a0d0d0a, b => b.u32(1).u16(1, 0).i64(-1n)), /without byte-order magic/],
    ['version 2', block(true, 0x0a0d0d0a, b => b.u32(0x1a2b3c4d).u16(2, 0).i64(-1n)), /version 2\.0 of pcapng/],
    ['short section header', block(true, 0x0a0d0d0a, b => b.u32(0x1a2b3c4d)), /a section header needs 16 bytes/],
    ['block length not of four', (b: FileBuilder) => b.u32(5, 13, 0, 0), /block length 13 is not a multiple of 4/],
    ['block length too small', (b: FileBuilder) => b.u32(5, 8, 8), /block length 8/],
    ['block beyond the end', (b: FileBuilder) => b.u32(5, 400, 0), /truncated: a block needs 400 bytes, 12 are left/],
    ['block header cut', (b: FileBuilder) => b.u32(5), /truncated: a block needs 12 bytes, 4/],
    ['lengths differ', (b: FileBuilder) => b.u32(5, 16, 0, 20), /length 16 in front, but 20 behind/],
    ['unknown interface', packet(true, 7, 0), /frame of interface 7, but the section describes 1 so far/],
    ['frame beyond its block', block(true, 6, b => b.u32(0, 0, 0, 9, 9, 0)), /a frame needs 12 bytes, 4 are left/],
    ['packet header cut', block(true, 6, b => b.u32(0, 0)), /an enhanced packet block needs 20 bytes, 8/],
    ['absurd frame', block(true, 6, b => b.u32(0, 0, 0, 0xffffffff, 0xffffffff)), /4294967295 bytes is longer/],
    ['option beyond its block', packet(true, 0, 5, b => b.u16(1, 8).u32(0)), /an option needs 8 bytes, 4 are left/],
    ['option header cut', ethernet(true, b => b.u16(9, 1).raw(9, 0, 0, 0).u16(1, 5)), /an option needs 8 bytes, 0/],
    ['end of options with length', ethernet(true, b => b.u16(0, 4).u32(0)), /end of options has length 4/],
    ['time resolution of two bytes', ethernet(true, b => b.u16(9, 2).u32(0)), /option 9 has 2 bytes instead of 1/],
    ['simple packet cut', block(true, 3, b => b.u32(9, 0)), /a frame needs 9 bytes, 4 are left/],
  ] as [string, Block, RegExp][])('%s: refused', (_, bad, problem) => {
    const error = refusal(pcapngFile(true, ...head, bad));
    expect(error.problem).toMatch(problem);
    expect(error.offset).toBeGreaterThanOrEqual(headLength);
  });
});

describe('files that are no captures', () => {
  test.each([
    ['empty', [], /it is empty/],
    ['three bytes', [1, 2, 3], /shorter than a magic number/],
    ['text', [0x23, 0x21, 0x2f, 0x62], /begins with 23 21 2f 62, not with pcap's or pcapng's magic/],
    ['gzip', [0x1f, 0x8b, 8, 0], /compressed with gzip/],
  ])('%s', (_, bytes, problem) => {
    const error = refusal(Uint8Array.from(bytes));
    expect(error.problem).toMatch(/^not a capture file: /);
    expect(error.problem).toMatch(problem);
  });
});

describe('our files', () => {
  test('what the writer cannot hold is the caller’s bug', () => {
    const writer = new PcapngWriter();
    expect(() => writer.addFrame(0, 0, new Uint8Array(1))).toThrow(RangeError);
    const eth0 = writer.addInterface('eth0');
    const before = writer.bytes();
    expect(() => writer.addFrame(eth0, -1, new Uint8Array(1))).toThrow(RangeError);
    expect(() => writer.addFrame(eth0, 0, new Uint8Array(FRAME_LENGTH_MAX + 1))).toThrow(RangeError);
    expect(() => writer.addFrame(eth0, 0, new Uint8Array(1), { comment: 'x'.repeat(65536) })).toThrow(RangeError);
    expect(writer.bytes()).toEqual(before);
  });

  const anyFrame = fc.record({
    timeNs: fc.integer({ min: 0, max: 1e15 }),
    data: fc.uint8Array({ maxLength: 200 }),
    cut: fc.nat(100),
    interfaceIndex: fc.nat(2),
    direction: fc.constantFrom('inbound', 'outbound', undefined),
    comment: fc.option(fc.string({ unit: 'grapheme', maxLength: 20 }), { nil: undefined }),
  });
  const anyCapture = fc.record({
    epochNs: fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }),
    frames: fc.array(anyFrame, { maxLength: 8 }),
  });
  const names = ['eth0', 'wire', 'ü'];

  function write({ epochNs, frames }: ReturnType<typeof anyCapture.generate>['value']): Uint8Array {
    const writer = new PcapngWriter({ epochNs, comment: 'seed 7' });
    for (const name of names) writer.addInterface(name);
    for (const { interfaceIndex, timeNs, data, cut, direction, comment } of frames) {
      writer.addFrame(interfaceIndex, timeNs, data, {
        originalLength: data.length + cut,
        ...(direction === undefined ? {} : { direction }),
        ...(comment === undefined ? {} : { comment }),
      });
    }
    return writer.bytes();
  }

  test('pcapng: reading gives back what was written', () => {
    fc.assert(
      fc.property(anyCapture, written => {
        const capture = readCapture(write(written), 'x');
        const firstNs = written.frames[0]?.timeNs ?? 0;
        expect(capture.interfaces).toEqual(names.map(name => ({ name, linkType: 1 })));
        expect(capture.epochNs).toBe(written.frames.length === 0 ? 0n : written.epochNs + BigInt(firstNs));
        expect(capture.frames).toEqual(
          written.frames.map(({ timeNs, data, cut, interfaceIndex, direction, comment }) => ({
            timeNs: timeNs - firstNs,
            data,
            originalLength: data.length + cut,
            interfaceIndex,
            ...(direction === undefined ? {} : { direction }),
            ...(comment === undefined ? {} : { comment }),
          })),
        );
      }),
    );
  });

  test.each(['us', 'ns'] as const)('classic, %s: reading gives back what was written', resolution => {
    const unit = resolution === 'us' ? 1000n : 1n;
    fc.assert(
      fc.property(anyCapture, ({ epochNs, frames }) => {
        const records = frames.map(({ timeNs, data, cut }) => ({ timeNs, data, originalLength: data.length + cut }));
        const capture = readCapture(writeClassic(records, { epochNs, resolution }), 'x');
        const times = capture.frames.map(frame => capture.epochNs + BigInt(frame.timeNs));
        expect(times).toEqual(records.map(({ timeNs }) => ((epochNs + BigInt(timeNs)) / unit) * unit));
        expect(capture.frames.map(({ data, originalLength }) => ({ data, originalLength }))).toEqual(
          records.map(({ data, originalLength }) => ({ data, originalLength })),
        );
      }),
    );
  });

  const wellFormed = fc.oneof(
    anyCapture.map(write),
    anyCapture.map(({ frames }) =>
      writeClassic(frames.map(({ timeNs, data }) => ({ timeNs, data, originalLength: data.length }))),
    ),
    fc.constant(load('dns.pcap')),
  );

  test('any file cut short or changed at random is read, or refused with a CaptureError', () => {
    const change = fc.record({ at: fc.nat(), value: fc.oneof(fc.nat(255), fc.constantFrom(0, 0x80, 0xff)) });
    fc.assert(
      fc.property(wellFormed, fc.nat(), fc.array(change, { maxLength: 6 }), (file, cut, changes) => {
        const bytes = Uint8Array.from(file).subarray(0, file.length - (cut % (file.length + 1)) * (cut % 2));
        for (const { at, value } of changes) bytes[at % bytes.length] = value;
        try {
          const capture = readCapture(bytes, 'x');
          for (const { data, originalLength, timeNs } of capture.frames) {
            expect(data.length).toBeLessThanOrEqual(originalLength);
            expect(Number.isSafeInteger(timeNs)).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(CaptureError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('random bytes behind a valid magic are refused with a CaptureError, or read', () => {
    const magics = [0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0x0a0d0d0a];
    fc.assert(
      fc.property(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 300 }), (magic, rest) => {
        const bytes = Buffer.concat([new FileBuilder(true).u32(magic).bytes(), rest]);
        try {
          readCapture(bytes, 'x');
        } catch (error) {
          expect(error).toBeInstanceOf(CaptureError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('an unfinished last frame is refused wherever a real capture is cut', () => {
    const whole = load('dns.pcap');
    const lengths = Array.from({ length: whole.length }, (_, length) => length);
    const readable = lengths.filter(length => {
      try {
        readCapture(whole.subarray(0, length), 'x');
        return true;
      } catch {
        return false;
      }
    });
    // Only at a record's border is what is left a capture: after the header and after each frame but the last.
    expect(readable).toHaveLength(readCapture(whole, 'x').frames.length);
  });
});

describe('against tcpdump', () => {
  /** Time and frame in hex, one string a frame. */
  function tcpdump(path: string): string[] {
    const run = spawnSync('tcpdump', ['-r', path, '-nn', '-tt', '--nano', '-q', '-xx'], { encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`tcpdump: ${run.stderr}`);
    return run.stdout
      .split(/\n(?=\d)/)
      .filter(text => text !== '')
      .map(text => {
        const hex = [...text.matchAll(/^\t0x[0-9a-f]+: {2}(.*)$/gm)].map(match => match[1]).join('');
        return `${text.split(' ')[0]} ${hex.replaceAll(/\s/g, '')}`;
      });
  }

  function ours(bytes: Uint8Array): string[] {
    const capture = readCapture(bytes, 'x');
    return capture.frames.map(({ timeNs, data }) => {
      const time = String(capture.epochNs + BigInt(timeNs)).padStart(10, '0');
      return `${time.slice(0, -9)}.${time.slice(-9)} ${Buffer.from(data).toString('hex')}`;
    });
  }

  const withFile = (name: string, bytes: Uint8Array, use: (path: string) => void): void => {
    const folder = mkdtempSync(join(tmpdir(), 'ringside-test-'));
    try {
      writeFileSync(join(folder, name), bytes);
      use(join(folder, name));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  testWith('tcpdump').each(captureNames)('%s: same times and bytes, read and rewritten in each format', name => {
    const bytes = load(name);
    const capture = readCapture(bytes, name);
    const expected = ours(bytes);
    const writer = new PcapngWriter({ epochNs: capture.epochNs });
    const eth0 = writer.addInterface('eth0');
    for (const { timeNs, data, originalLength } of capture.frames) {
      writer.addFrame(eth0, timeNs, data, { originalLength, direction: 'inbound', comment: 'a comment' });
    }
    const rewritten = { 'x.pcapng': writer.bytes(), 'x.pcap': writeClassic(capture.frames, capture) };
    for (const [file, content] of Object.entries({ [name]: bytes, ...rewritten })) {
      withFile(file, content, path => expect(tcpdump(path)).toEqual(expected));
    }
    expect(writeClassic(capture.frames, { ...capture, resolution: 'us' })).toEqual(Uint8Array.from(bytes));
  });
});
