/**
 * A script of register operations: as data, in the shape of a vector file (format nic-register-vectors/1), and as code,
 * by `script(name).out8(…).in8(…)`.
 */

/** What a scenario asks of the card, or leaves open. */
export type Open = 'any';

export interface WriteOp {
  readonly op: 'write';
  readonly width: 8 | 16 | 32;
  readonly port: number;
  /** Values written one after the other, unsigned. */
  readonly values: readonly number[];
}

export interface ReadOp {
  readonly op: 'read';
  readonly width: 8 | 16 | 32;
  readonly port: number;
  /** How many reads; `expect` holds their values, unsigned. */
  readonly count: number;
  readonly expect: readonly number[] | Open;
  /** Bits that count, all when left out. */
  readonly mask?: number;
  /** Where `expect` comes from. */
  readonly judge: Judge;
}

export interface FrameInOp {
  readonly op: 'frame-in';
  readonly bytes: Uint8Array;
}

export interface FramesOutOp {
  readonly op: 'frames-out';
  readonly expect: readonly Uint8Array[] | Open;
  readonly judge: Judge;
}

export interface IrqOp {
  readonly op: 'irq';
  readonly expect: boolean | Open;
  readonly judge: Judge;
}

/** `datasheet`: the file says that the data sheet asks for something else than what was recorded. */
export type Judge = 'expect' | 'datasheet';

export type Op = WriteOp | ReadOp | FrameInOp | FramesOutOp | IrqOp;

export interface Scenario {
  readonly name: string;
  readonly topic: string;
  readonly why: string;
  readonly ops: readonly Op[];
}

/** A file of scenarios. */
export interface Vectors {
  readonly device: string;
  /** Six bytes: what the PROM holds. */
  readonly mac: Uint8Array;
  /** Ports 0 to window − 1. */
  readonly window: number;
  readonly scenarios: readonly Scenario[];
}

/** Builds a scenario operation by operation. */
export class Script implements Scenario {
  readonly name: string;
  readonly topic: string;
  readonly why: string;
  readonly ops: Op[];

  constructor(name: string, why: string) {
    this.name = name;
    this.topic = name.includes('/') ? (name.split('/')[0] as string) : '';
    this.why = why;
    this.ops = [];
  }

  out8(port: number, ...values: number[]): this {
    return this.write(8, port, values);
  }

  out16(port: number, ...values: number[]): this {
    return this.write(16, port, values);
  }

  out32(port: number, ...values: number[]): this {
    return this.write(32, port, values);
  }

  in8(port: number, expect: number | Open, mask?: number): this {
    return this.read(8, port, expect === 'any' ? 'any' : [expect], 1, mask);
  }

  in16(port: number, expect: number | Open, mask?: number): this {
    return this.read(16, port, expect === 'any' ? 'any' : [expect], 1, mask);
  }

  in32(port: number, expect: number | Open, mask?: number): this {
    return this.read(32, port, expect === 'any' ? 'any' : [expect], 1, mask);
  }

  /** As many reads as `expect` has units of `width` bits, low byte first. */
  ins(width: 8 | 16 | 32, port: number, expect: Uint8Array): this {
    const values = unitsOf(width, expect);
    return this.read(width, port, values, values.length);
  }

  /** As many writes as `bytes` has units of `width` bits, low byte first. */
  outs(width: 8 | 16 | 32, port: number, bytes: Uint8Array): this {
    return this.write(width, port, unitsOf(width, bytes));
  }

  frameIn(bytes: Uint8Array): this {
    this.ops.push({ op: 'frame-in', bytes });
    return this;
  }

  framesOut(...expect: Uint8Array[]): this {
    this.ops.push({ op: 'frames-out', expect, judge: 'expect' });
    return this;
  }

  irq(expect: boolean): this {
    this.ops.push({ op: 'irq', expect, judge: 'expect' });
    return this;
  }

  /** Whatever another script does. */
  append(other: Scenario): this {
    this.ops.push(...other.ops);
    return this;
  }

  private write(width: 8 | 16 | 32, port: number, values: readonly number[]): this {
    this.ops.push({ op: 'write', width, port, values });
    return this;
  }

  private read(width: 8 | 16 | 32, port: number, expect: readonly number[] | Open, count: number, mask?: number): this {
    this.ops.push({ op: 'read', width, port, count, expect, judge: 'expect', ...(mask === undefined ? {} : { mask }) });
    return this;
  }
}

export function script(name: string, why = ''): Script {
  return new Script(name, why);
}

/** Bytes as units of `width` bits, low byte first, unsigned. @throws RangeError when they do not come out even */
export function unitsOf(width: 8 | 16 | 32, bytes: Uint8Array): number[] {
  const step = width / 8;
  if (bytes.length % step !== 0)
    throw new RangeError(`${bytes.length} bytes are no whole number of ${width}-bit units`);
  const out: number[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    let value = 0;
    for (let i = step - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] as number);
    out.push(value);
  }
  return out;
}

/** The other way round. */
export function bytesOf(width: 8 | 16 | 32, values: readonly number[]): Uint8Array {
  const step = width / 8;
  const out = new Uint8Array(values.length * step);
  values.forEach((value, i) => {
    for (let b = 0; b < step; b++) out[i * step + b] = Math.floor(value / 2 ** (8 * b));
  });
  return out;
}
