/** Runs a script of register operations against a card, records what was seen, and finds the first difference. */
import { bytesOf, type Op, type Scenario } from './script.ts';

/** A card that a script can be run against: fresh from power-on, and its wire. */
export interface Target {
  read(port: number, width: 8 | 16 | 32): number;
  write(port: number, width: 8 | 16 | 32, value: number): void;
  frameIn(bytes: Uint8Array): void;
  /** Frames sent since the last call. */
  framesOut(): Uint8Array[];
  /** The level of the request line. */
  irq(): boolean;
}

/** What a register access means, for messages. */
export interface AccessName {
  /** `ISR`. */
  readonly register: string;
  /** Names of the fields that hold any of the bits. */
  fields(bits: number): readonly string[];
  /** Where it is written: `docs/ne2000.md N5 ISR`. */
  readonly section: string;
}

/** Names registers; it follows the writes, since on some cards the name depends on a page register. */
export interface RegisterNames {
  wrote(port: number, width: number, value: number): void;
  name(port: number, width: number, way: 'read' | 'write'): AccessName;
}

export interface Difference {
  /** 1 for the first operation. */
  readonly op: number;
  /** `in8 7`, `frames-out`. */
  readonly what: string;
  readonly register: string;
  readonly fields: readonly string[];
  readonly expected: string;
  readonly got: string;
  readonly judge: 'expect' | 'datasheet';
  readonly section: string;
}

/** What an operation saw: values of reads, frames that came out, the line; nothing for writes and frames in. */
export interface Seen {
  readonly values?: readonly number[];
  readonly frames?: readonly Uint8Array[];
  readonly level?: boolean;
}

export interface Outcome {
  readonly scenario: Scenario;
  readonly difference: Difference | null;
  /** By operation, up to and including the one that differed. */
  readonly seen: readonly Seen[];
}

function hex(value: number, width: number): string {
  return `${value
    .toString(16)
    .toUpperCase()
    .padStart(width / 4, '0')}h`;
}

function hexBytes(bytes: Uint8Array): string {
  const most = 24;
  const head = Buffer.from(bytes.subarray(0, most)).toString('hex');
  return bytes.length > most ? `${head}… (${bytes.length} bytes)` : head === '' ? '(0 bytes)' : head;
}

/** Runs one scenario. `target` must be fresh. */
export function runScenario(scenario: Scenario, target: Target, names: RegisterNames): Outcome {
  const seen: Seen[] = [];
  for (let i = 0; i < scenario.ops.length; i++) {
    const op = scenario.ops[i] as Op;
    const entry = perform(op, target, names);
    seen.push(entry);
    const difference = compare(op, entry, names, i + 1);
    if (difference !== null) return { scenario, difference, seen };
  }
  return { scenario, difference: null, seen };
}

function perform(op: Op, target: Target, names: RegisterNames): Seen {
  switch (op.op) {
    case 'write':
      for (const value of op.values) {
        target.write(op.port, op.width, value);
        names.wrote(op.port, op.width, value);
      }
      return {};
    case 'read': {
      const values: number[] = [];
      for (let i = 0; i < op.count; i++) values.push(target.read(op.port, op.width));
      return { values };
    }
    case 'frame-in':
      target.frameIn(op.bytes);
      return {};
    case 'frames-out':
      return { frames: target.framesOut() };
    case 'irq':
      return { level: target.irq() };
  }
}

function compare(op: Op, seen: Seen, names: RegisterNames, position: number): Difference | null {
  if (op.op === 'write' || op.op === 'frame-in' || op.expect === 'any') return null;
  const difference = { op: position, judge: op.judge };
  if (op.op === 'irq') {
    if (op.expect === seen.level) return null;
    const line = (level: boolean | undefined): string => (level === true ? 'asserted' : 'not asserted');
    return {
      ...difference,
      what: 'irq',
      register: 'interrupt line',
      fields: [],
      expected: line(op.expect),
      got: line(seen.level),
      section: '',
    };
  }
  if (op.op === 'frames-out') {
    const frames = seen.frames ?? [];
    const { expect } = op;
    const many = (list: readonly Uint8Array[]): string => `${list.length} frame${list.length === 1 ? '' : 's'}`;
    const both = { ...difference, what: 'frames-out', register: 'wire', fields: [], section: '' };
    if (frames.length !== expect.length) return { ...both, expected: many(expect), got: many(frames) };
    for (let i = 0; i < expect.length; i++) {
      const [want, got] = [expect[i] as Uint8Array, frames[i] as Uint8Array];
      if (Buffer.compare(want, got) !== 0) return { ...both, expected: hexBytes(want), got: hexBytes(got) };
    }
    return null;
  }
  const values = seen.values ?? [];
  const { expect, width, port } = op;
  const mask = op.mask ?? 2 ** width - 1;
  const at = expect.findIndex((want, i) => (((values[i] as number) ^ want) & mask) !== 0);
  if (at < 0) return null;
  const want = expect[at] as number;
  const got = values[at] as number;
  const access = names.name(port, width, 'read');
  const bits = ((want ^ got) & mask) >>> 0;
  const masked = op.mask === undefined ? '' : ` (bits ${hex(mask, width)})`;
  return {
    ...difference,
    what: op.count === 1 ? `in${width} ${port}` : `ins${width} ${port}, read ${at + 1} of ${op.count}`,
    register: access.register,
    fields: access.fields(bits),
    expected: hex((want & mask) >>> 0, width) + masked,
    got: hex((got & mask) >>> 0, width),
    section: access.section,
  };
}

/** One line: `op 12, in8 7: ISR.PRX: expected 80h, got 81h (datasheet; docs/ne2000.md N5 ISR)`. */
export function describeDifference(difference: Difference): string {
  const { op, what, register, fields, expected, got, judge, section } = difference;
  const by = judge === 'datasheet' ? 'by the data sheet' : 'as recorded';
  const name = fields.length === 0 ? register : fields.map(field => `${register}.${field}`).join(', ');
  const source = section === '' ? '' : `; see ${section}`;
  return `op ${op}, ${what}: ${name}: expected ${expected} ${by}, got ${got}${source}`;
}

/** A run's recording as plain data: hex strings, numbers, booleans, null for what saw nothing. */
export function transcript(outcome: Outcome): unknown[] {
  return outcome.seen.map((seen, i) => {
    const op = outcome.scenario.ops[i] as Op;
    if (seen.values !== undefined && op.op === 'read') {
      return op.count === 1 ? seen.values[0] : Buffer.from(bytesOf(op.width, seen.values)).toString('hex');
    }
    if (seen.frames !== undefined) return seen.frames.map(frame => Buffer.from(frame).toString('hex'));
    return seen.level ?? null;
  });
}
