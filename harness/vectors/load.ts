/** Vector files, format nic-register-vectors/1: validated at the door, refused with file, scenario and operation. */
import { parseMac } from '../packet/address.ts';
import { type Judge, type Op, type Open, type Scenario, unitsOf, type Vectors } from './script.ts';

const FORMAT = 'nic-register-vectors/1';
const LONGEST_FRAME = 65535;

/** The file is no vector file; the message says where and why, in one line. */
export class VectorError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'VectorError';
  }
}

type Json = Readonly<Record<string, unknown>>;

/** Where we are in the file, for messages. */
class Place {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  fail(why: string): never {
    throw new VectorError(`${this.text}: ${why}`);
  }

  object(value: unknown, what: string): Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.fail(`${what} is not an object`);
    return value as Json;
  }

  list(value: unknown, what: string): readonly unknown[] {
    return Array.isArray(value) ? value : this.fail(`${what} is not a list`);
  }

  string(value: unknown, what: string): string {
    return typeof value === 'string' ? value : this.fail(`${what} is not a string`);
  }

  number(value: unknown, what: string, max: number): number {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
      this.fail(`${what} is not a whole number from 0 to ${max}`);
    }
    return value as number;
  }

  hex(value: unknown, what: string): Uint8Array {
    const text = this.string(value, what);
    if (!/^(?:[0-9a-f]{2})*$/i.test(text)) this.fail(`${what} is not a string of hexadecimal bytes`);
    return Uint8Array.from(Buffer.from(text, 'hex'));
  }

  only(value: Json, names: readonly string[]): void {
    for (const name of Object.keys(value)) if (!names.includes(name)) this.fail(`unknown member "${name}"`);
  }
}

/** @throws VectorError */
export function parseVectors(text: string, file: string): Vectors {
  const place = new Place(file);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    place.fail(`is no JSON: ${(error as Error).message}`);
  }
  const top = place.object(json, 'the file');
  if (top.format !== FORMAT) place.fail(`is no vector file: its "format" is not "${FORMAT}"`);
  let mac: Uint8Array;
  try {
    mac = parseMac(place.string(top.mac, '"mac"'));
  } catch (error) {
    if (error instanceof VectorError) throw error;
    return place.fail(`"mac": ${(error as Error).message}`);
  }
  const window = place.number(top.window, '"window"', 65536);
  const names = new Set<string>();
  const scenarios = place.list(top.scenarios, '"scenarios"').map((value, i) => {
    const scenario = parseScenario(value, file, i, window);
    if (names.has(scenario.name)) place.fail(`there are two scenarios "${scenario.name}"`);
    names.add(scenario.name);
    return scenario;
  });
  return { device: place.string(top.device, '"device"'), mac, window, scenarios };
}

function parseScenario(value: unknown, file: string, index: number, window: number): Scenario {
  const numbered = new Place(`${file}: scenario ${index + 1}`);
  const json = numbered.object(value, 'it');
  const name = numbered.string(json.name, '"name"');
  const place = new Place(`${file}: scenario "${name}"`);
  place.only(json, ['name', 'topic', 'why', 'qemuDiffers', 'ops']);
  const ops = place
    .list(json.ops, '"ops"')
    .map((op, i) => parseOp(op, new Place(`${file}: scenario "${name}", op ${i + 1}`), window));
  const optional = (member: string): string =>
    json[member] === undefined ? '' : place.string(json[member], `"${member}"`);
  return { name, topic: optional('topic'), why: optional('why'), ops };
}

const REGISTER_OP = /^(in|out)(s?)(8|16|32)$/;

function parseOp(value: unknown, place: Place, window: number): Op {
  const json = place.object(value, 'it');
  const kind = place.string(json.op, '"op"');
  const register = REGISTER_OP.exec(kind);
  if (register !== null) {
    const width = Number(register[3]) as 8 | 16 | 32;
    const port = place.number(json.port, '"port"', window - 1);
    const several = register[2] === 's';
    return register[1] === 'in'
      ? parseRead(json, place, width, port, several)
      : parseWrite(json, place, width, port, several);
  }
  switch (kind) {
    case 'frame-in': {
      place.only(json, ['op', 'hex']);
      const bytes = place.hex(json.hex, '"hex"');
      if (bytes.length === 0 || bytes.length > LONGEST_FRAME) place.fail('a frame has 1 to 65535 bytes');
      return { op: 'frame-in', bytes };
    }
    case 'frames-out': {
      place.only(json, ['op', 'expect', 'datasheet']);
      const [expect, judge] = judged(json, (asked, what) =>
        place.list(asked, what).map((frame, i) => place.hex(frame, `${what}, frame ${i + 1}`)),
      );
      return { op: 'frames-out', expect, judge };
    }
    case 'irq': {
      place.only(json, ['op', 'expect', 'datasheet']);
      const [expect, judge] = judged(json, (asked, what) => place.number(asked, what, 1) === 1);
      return { op: 'irq', expect, judge };
    }
    default:
      return place.fail(`unknown operation "${kind}"`);
  }
}

function parseWrite(json: Json, place: Place, width: 8 | 16 | 32, port: number, several: boolean): Op {
  place.only(json, several ? ['op', 'port', 'hex'] : ['op', 'port', 'value']);
  const values = several
    ? units(place.hex(json.hex, '"hex"'), width, place, '"hex"')
    : [place.number(json.value, '"value"', 2 ** width - 1)];
  return { op: 'write', width, port, values };
}

function parseRead(json: Json, place: Place, width: 8 | 16 | 32, port: number, several: boolean): Op {
  place.only(json, ['op', 'port', 'expect', 'datasheet', 'mask', ...(several ? ['count'] : [])]);
  const most = 2 ** width - 1;
  const count = several ? place.number(json.count, '"count"', 65536) : 1;
  const [expect, judge] = judged(json, (asked, what) => {
    if (!several) return [place.number(asked, what, most)];
    const values = units(place.hex(asked, what), width, place, what);
    if (values.length !== count) place.fail(`${what} holds ${values.length} values, not ${count}`);
    return values;
  });
  const mask = json.mask === undefined ? {} : { mask: place.number(json.mask, '"mask"', most) };
  return { op: 'read', width, port, count, expect, judge, ...mask };
}

function units(bytes: Uint8Array, width: 8 | 16 | 32, place: Place, what: string): number[] {
  if (bytes.length % (width / 8) !== 0) place.fail(`${what} is no whole number of ${width}-bit units`);
  return unitsOf(width, bytes);
}

/** What the operation is judged by: `datasheet` where the file has it, else `expect`. Both are checked. */
function judged<T>(json: Json, parse: (value: unknown, what: string) => T): [T | Open, Judge] {
  const read = (member: string): T | Open => (json[member] === 'any' ? 'any' : parse(json[member], `"${member}"`));
  const expect = read('expect');
  return json.datasheet === undefined ? [expect, 'expect'] : [read('datasheet'), 'datasheet'];
}
