import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NE2000 } from '../../../device/regs/ne2000.ts';
import { parseMac } from '../../../harness/packet/address.ts';
import { parseVectors, VectorError } from '../../../harness/vectors/load.ts';
import { Ne2000Names, Ne2000Target } from '../../../harness/vectors/ne2000.ts';
import { describeDifference, type Outcome, runScenario, transcript } from '../../../harness/vectors/run.ts';
import { bytesOf, type Scenario, script, unitsOf } from '../../../harness/vectors/script.ts';

const FILE = join(import.meta.dirname, '../../data/vectors/ne2000-qemu.json');
const CLI = join(import.meta.dirname, '../../../harness/ringside.mjs');
const TEXT = readFileSync(FILE, 'utf8');
const VECTORS = parseVectors(TEXT, FILE);
const MAC = parseMac('52:54:00:12:34:56');
const ISR = NE2000.ISR.offset;

function run(scenario: Scenario, mac = MAC): Outcome {
  return runScenario(scenario, new Ne2000Target(mac), new Ne2000Names());
}

test('there are 99 recorded scenarios', () => {
  expect(VECTORS.scenarios).toHaveLength(99);
});

test.each(VECTORS.scenarios.map(scenario => [scenario.name, scenario] as const))('%s', (_, scenario) => {
  const { difference } = run(scenario, VECTORS.mac);
  expect(difference === null ? null : describeDifference(difference)).toBeNull();
});

test('judged by what QEMU did alone, the scenarios where the data sheet asks for something else fail, and only those', () => {
  const json = JSON.parse(TEXT) as { scenarios: { name: string; ops: Record<string, unknown>[] }[] };
  const departs = json.scenarios
    .filter(({ ops }) => ops.some(op => op.datasheet !== undefined && op.datasheet !== 'any'))
    .map(({ name }) => name);
  for (const { ops } of json.scenarios) {
    for (const op of ops) if (op.datasheet !== 'any') delete op.datasheet;
  }
  const qemu = parseVectors(JSON.stringify(json), 'qemu.json');
  const failed = qemu.scenarios.filter(scenario => run(scenario, qemu.mac).difference !== null);
  expect(failed.map(({ name }) => name).sort()).toEqual(departs.sort());
});

describe('a script as code', () => {
  test('passes, and records what it saw', () => {
    const bytes = Uint8Array.from({ length: 60 }, (_, i) => i);
    const scenario = script('send', 'a frame goes out')
      .out8(0, 0x22)
      .out8(14, 0x49)
      .out8(8, 0)
      .out8(9, 0x40)
      .out8(10, 60)
      .out8(0, 0x12)
      .outs(16, 16, bytes)
      .out8(4, 0x40)
      .out8(5, 60)
      .out8(0, 0x26)
      .framesOut(bytes)
      .in8(ISR, 0x42)
      .irq(false)
      .append(script('read').out8(8, 0).out8(9, 0x40).out8(10, 4).out8(0, 0x0a).in16(16, 0x0100).in16(16, 'any'));
    const outcome = run(scenario);
    expect(outcome.difference).toBeNull();
    expect(transcript(outcome).slice(10)).toEqual([
      [Buffer.from(bytes).toString('hex')],
      0x42,
      false,
      null,
      null,
      null,
      null,
      0x0100,
      0x0302,
    ]);
  });

  test('the first difference names operation, register by page, field, both values and section', () => {
    const differ = (scenario: Scenario): string => {
      const { difference } = run(scenario);
      return difference === null ? '' : describeDifference(difference);
    };
    expect(differ(script('x').in8(ISR, 0x80).in8(ISR, 0x01))).toBe(
      'op 2, in8 7: ISR.PRX, ISR.RST: expected 01h as recorded, got 80h; see docs/ne2000.md N5 ISR',
    );
    expect(differ(script('x').out8(0, 0x61).in8(ISR, 0x80, 0xf0))).toBe(
      'op 2, in8 7: CURR: expected 80h (bits F0h) as recorded, got 00h; see docs/ne2000.md N5 CURR',
    );
    expect(differ(script('x').out8(0, 0xe1).in8(1, 1))).toBe(
      'op 2, in8 1: page 3, reserved port 1: expected 01h as recorded, got 00h; see docs/ne2000.md N2.1',
    );
    expect(differ(script('x').ins(16, 16, Uint8Array.of(0xff, 0xff, 1, 2)))).toBe(
      'op 1, ins16 16, read 2 of 2: data port: expected 0201h as recorded, got FFFFh; see docs/ne2000.md N3.3',
    );
    expect(differ(script('x').in8(31, 'any').in8(24, 0xff))).toMatch(/reset port: expected FFh.*N2\.3$/);
    expect(differ(script('x').irq(true))).toBe(
      'op 1, irq: interrupt line: expected asserted as recorded, got not asserted',
    );
    expect(differ(script('x').framesOut(Uint8Array.of(1)))).toBe(
      'op 1, frames-out: wire: expected 1 frame as recorded, got 0 frames',
    );
  });

  test('units and bytes', () => {
    expect(unitsOf(32, Uint8Array.of(1, 2, 3, 0xff))).toEqual([0xff030201]);
    expect([...bytesOf(16, [0x0102, 0xffff])]).toEqual([2, 1, 255, 255]);
    expect(() => unitsOf(16, Uint8Array.of(1))).toThrow(RangeError);
  });
});

describe('what is no vector file', () => {
  const file = (ops: unknown[], extra: object = {}): string =>
    JSON.stringify({
      format: 'nic-register-vectors/1',
      device: 'ne2000',
      mac: '52:54:00:12:34:56',
      window: 32,
      scenarios: [{ name: 'a/b', ops }],
      ...extra,
    });

  test.each([
    ['', /^f: is no JSON/],
    ['[]', /^f: the file is not an object$/],
    ['{}', /^f: is no vector file/],
    [file([], { mac: 'x' }), /^f: "mac": /],
    [file([], { mac: 1 }), /^f: "mac" is not a string$/],
    [file([], { window: -1 }), /^f: "window" is not a whole number/],
    [file([], { scenarios: {} }), /^f: "scenarios" is not a list$/],
    [file([], { scenarios: [1] }), /^f: scenario 1: it is not an object$/],
    [file([], { scenarios: [{ name: 'a', ops: [], surprise: 1 }] }), /^f: scenario "a": unknown member "surprise"$/],
    [
      file([], {
        scenarios: [
          { name: 'a', ops: [] },
          { name: 'a', ops: [] },
        ],
      }),
      /two scenarios "a"$/,
    ],
    [file([3]), /^f: scenario "a\/b", op 1: it is not an object$/],
    [file([{ op: 'in8', port: 7, expect: 1 }, { op: 'jump' }]), /^f: scenario "a\/b", op 2: unknown operation "jump"$/],
    [file([{ op: 'out8', port: 32, value: 0 }]), /op 1: "port" is not a whole number from 0 to 31$/],
    [file([{ op: 'out8', port: 0, value: 256 }]), /"value" is not a whole number from 0 to 255$/],
    [file([{ op: 'out8', port: 0 }]), /"value"/],
    [file([{ op: 'in8', port: 0, expect: '21' }]), /"expect"/],
    [file([{ op: 'in8', port: 0, expect: 1, datasheet: 'perhaps' }]), /"datasheet"/],
    [file([{ op: 'in8', port: 0, expect: 1, mask: 1.5 }]), /"mask"/],
    [file([{ op: 'in8', port: 0, expect: 1, value: 1 }]), /unknown member "value"$/],
    [file([{ op: 'ins16', port: 16, count: 2, expect: '0102' }]), /"expect" holds 1 values, not 2$/],
    [file([{ op: 'outs16', port: 16, hex: '010203' }]), /"hex" is no whole number of 16-bit units$/],
    [file([{ op: 'outs8', port: 16, hex: '0' }]), /"hex" is not a string of hexadecimal bytes$/],
    [file([{ op: 'frame-in', hex: '' }]), /a frame has 1 to 65535 bytes$/],
    [file([{ op: 'frames-out', expect: ['zz'] }]), /"expect", frame 1/],
    [file([{ op: 'irq', expect: 2 }]), /"expect" is not a whole number from 0 to 1$/],
  ])('%s', (text, why) => {
    expect(() => parseVectors(text, 'f')).toThrow(VectorError);
    expect(() => parseVectors(text, 'f')).toThrow(why);
  });
});

describe('ringside vectors', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vectors-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const ringside = (...args: string[]): { status: number | null; out: string[]; err: string[] } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'vectors', ...args], { encoding: 'utf8' });
    return { status, out: stdout.trimEnd().split('\n'), err: stderr.trimEnd().split('\n') };
  };

  test('all recorded scenarios: the last line counts, exit status 0', () => {
    const { status, out } = ringside(FILE);
    expect([status, out.at(-1)]).toEqual([0, '99 passed, 0 failed']);
  });

  test('a scenario that fails: named, with its difference; exit status 1; a second file is run all the same', () => {
    const wrong = join(folder, 'wrong.json');
    const json = JSON.parse(TEXT) as { scenarios: { name: string; ops: Record<string, unknown>[] }[] };
    const [first] = json.scenarios;
    (first as { ops: Record<string, unknown>[] }).ops[0] = { op: 'in8', port: 7, expect: 1 };
    writeFileSync(wrong, JSON.stringify({ ...json, scenarios: [first] }));
    const { status, out } = ringside(wrong, FILE, '--only', 'reset');
    expect(status).toBe(1);
    expect(out[0]).toMatch(/^FAILED reset\/rst-cleared-by-start: op 1, in8 7: ISR\.PRX, ISR\.RST: expected 01h/);
    expect(out.at(-1)).toBe('5 passed, 1 failed');
    const json2 = ringside(wrong, '--json');
    expect(json2.status).toBe(1);
    const lines = json2.out.map(line => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toMatchObject([
      { name: 'reset/rst-cleared-by-start', passed: false, difference: { op: 1, register: 'ISR' }, seen: [128] },
      { passed: 0, failed: 1 },
    ]);
    expect(json2.err).toEqual(['']);
  });

  test('--list and --only', () => {
    const { out } = ringside(FILE, '--list');
    expect([out.length, out[0]]).toEqual([99, 'reset/rst-cleared-by-start']);
    expect(ringside(FILE, '--only', 'tx/length-60', '--only', 'dcr').out).toEqual(['4 passed, 0 failed']);
    const wrong = ringside(FILE, '--only', 'nothing');
    expect([wrong.status, wrong.err[0]]).toEqual([
      2,
      'ringside vectors: --only nothing: there is no such scenario or topic',
    ]);
  });

  test('bad files: exit status 2, and nothing is run', () => {
    const bad = join(folder, 'bad.json');
    writeFileSync(bad, TEXT.replace('"in8","port":7', '"in8","port":77'));
    const { status, out, err } = ringside(FILE, bad);
    expect([status, out]).toEqual([2, ['']]);
    expect(err[0]).toBe(
      `ringside vectors: ${bad}: scenario "reset/rst-cleared-by-start", op 1: "port" is not a whole number from 0 to 31`,
    );
    expect(ringside(join(folder, 'none.json')).status).toBe(2);
    writeFileSync(bad, TEXT.replace('"device":"ne2000"', '"device":"e1000"'));
    expect(ringside(bad).err[0]).toMatch(/its device is "e1000"/);
  });
});
