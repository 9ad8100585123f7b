/**
 * The vocabulary in which registers, descriptors and page headers are declared once. From one declaration come the
 * card's read and write tables, the driver's typed constants, docs/datasheet.md and the inspector's view.
 */

/**
 * Access right of a register.
 * ro: writes are ignored. rw: reads give what was written (implemented bits). w1c: writing 1 clears a bit.
 * w1s: writing 1 sets a bit, reads give the current value. wo: reads give 0. rc: a read clears it.
 * Breaking the right (writing ro/rc, reading wo) leaves a violation record.
 */
export type Access = 'ro' | 'rw' | 'w1c' | 'w1s' | 'wo' | 'rc';

/** [least significant bit, width in bits, prose] */
export type FieldSpec = readonly [lsb: number, width: number, doc: string];

export interface RegSpec {
  /** Byte offset of the first instance. */
  readonly at: number;
  readonly access: Access;
  readonly reset: number;
  readonly doc: string;
  /** Longer prose for the datasheet: behaviour, side effects. */
  readonly notes?: string;
  /** Access widths in bits the register answers to; 32 only when left out. */
  readonly widths?: readonly (8 | 16 | 32)[];
  /** For a register that exists once per queue: how many, and the distance in bytes. */
  readonly count?: number;
  readonly stride?: number;
  /** Bits that may be written. Left out: the union of the fields, or all 32 when there are none. */
  readonly writable?: number;
  readonly fields: Readonly<Record<string, FieldSpec>>;
}

export type RegSpecs = Readonly<Record<string, RegSpec>>;

/** A field of register R. `mask` is unsigned and in place, `max` the largest value. */
export interface Field<R extends string> {
  readonly name: string;
  readonly lsb: number;
  readonly width: number;
  readonly mask: number;
  readonly max: number;
  readonly doc: string;
  readonly of?: R;
}

/** A register named R with access right A. */
export interface Reg<R extends string, A extends Access = Access> {
  readonly name: R;
  readonly offset: number;
  readonly access: A;
  readonly reset: number;
  readonly doc: string;
  readonly notes: string;
  readonly widths: readonly (8 | 16 | 32)[];
  readonly count: number;
  readonly stride: number;
  /** Bits a write may change; others are reserved: written as 0. Unsigned. */
  readonly writable: number;
  readonly fields: readonly Field<R>[];
}

/** A value read from, or meant for, register R. The brand exists at compile time only. */
export type Word<R extends string> = number & { readonly __reg?: R };

export type RegMap<S extends RegSpecs> = {
  readonly [R in keyof S & string]: Reg<R, S[R]['access']> & {
    readonly [F in keyof S[R]['fields'] & string]: Field<R>;
  };
};

function fail(message: string): never {
  throw new Error(`register description: ${message}`);
}

function describeField<R extends string>(owner: string, name: string, spec: FieldSpec): Field<R> {
  const [lsb, width, doc] = spec;
  if (lsb < 0 || width < 1 || lsb + width > 32) fail(`${owner}.${name}: bits ${lsb}+${width} do not fit 32`);
  const max = width === 32 ? 0xffffffff : 2 ** width - 1;
  return Object.freeze({ name, lsb, width, mask: (max * 2 ** lsb) >>> 0, max, doc });
}

function describeFields<R extends string>(owner: string, specs: Readonly<Record<string, FieldSpec>>): Field<R>[] {
  const fields = Object.entries(specs).map(([name, spec]) => describeField<R>(owner, name, spec));
  let used = 0;
  for (const field of fields) {
    if ((used & field.mask) !== 0) fail(`${owner}.${field.name} overlaps another field`);
    used = (used | field.mask) >>> 0;
  }
  return fields;
}

/**
 * Checks and freezes a register map. Refused: offsets that are not a multiple of 4, repeated or overlapping
 * registers, overlapping fields, names that collide with the register's own properties.
 */
export function describe<const S extends RegSpecs>(specs: S): RegMap<S> {
  const taken = new Map<number, string>();
  const map: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const count = spec.count ?? 1;
    const stride = spec.stride ?? 4;
    if (spec.at % 4 !== 0 || stride % 4 !== 0 || stride <= 0) fail(`${name}: offset or stride is not a multiple of 4`);
    for (let i = 0; i < count; i++) {
      const offset = spec.at + i * stride;
      const other = taken.get(offset);
      if (other !== undefined) fail(`${name} and ${other} share offset ${offset.toString(16)}h`);
      taken.set(offset, name);
    }
    const fields = describeFields<string>(name, spec.fields);
    const union = fields.reduce((bits, field) => (bits | field.mask) >>> 0, 0);
    const whole = fields.length === 0 ? 0xffffffff : union;
    const reg: Record<string, unknown> = {
      name,
      offset: spec.at,
      access: spec.access,
      reset: spec.reset >>> 0,
      doc: spec.doc,
      notes: spec.notes ?? '',
      widths: spec.widths ?? [32],
      count,
      stride,
      writable: spec.access === 'ro' || spec.access === 'rc' ? 0 : (spec.writable ?? whole) >>> 0,
      fields,
    };
    for (const field of fields) {
      if (field.name in reg) fail(`${name}.${field.name} collides with a property of the register`);
      reg[field.name] = field;
    }
    map[name] = Object.freeze(reg);
  }
  return Object.freeze(map) as RegMap<S>;
}

/** The registers of a map in ascending order of offset. */
export function registersOf(map: RegMap<RegSpecs>): Reg<string>[] {
  return Object.values(map).sort((a, b) => a.offset - b.offset);
}

/** [byte offset, width in bytes, prose] of one member of a memory layout (descriptor, page header). */
export type MemberSpec = readonly [
  at: number,
  bytes: 1 | 2 | 4,
  doc: string,
  bits?: Readonly<Record<string, FieldSpec>>,
];

export interface LayoutSpec {
  readonly bytes: number;
  readonly doc: string;
  readonly members: Readonly<Record<string, MemberSpec>>;
}

export interface Member<M extends string> {
  readonly name: M;
  readonly offset: number;
  readonly bytes: 1 | 2 | 4;
  readonly doc: string;
  readonly fields: readonly Field<M>[];
}

type BitsOf<T extends MemberSpec> = T extends readonly [number, 1 | 2 | 4, string, infer B] ? keyof B & string : never;

export type Layout<S extends LayoutSpec> = {
  readonly bytes: number;
  readonly doc: string;
  readonly members: readonly Member<string>[];
} & {
  readonly [M in keyof S['members'] & string]: Member<M> & {
    readonly [F in BitsOf<S['members'][M]>]: Field<M>;
  };
};

/** Checks and freezes a little-endian memory layout; members may share bytes only where their names say so (`A_B`). */
export function layout<const S extends LayoutSpec>(spec: S): Layout<S> {
  const out: Record<string, unknown> = { bytes: spec.bytes, doc: spec.doc };
  const members: Member<string>[] = [];
  for (const [name, [offset, bytes, doc, bits]] of Object.entries(spec.members)) {
    if (offset % bytes !== 0 || offset + bytes > spec.bytes) fail(`${name}: ${bytes} bytes at ${offset} do not fit`);
    const fields = describeFields<string>(name, bits ?? {});
    const member: Record<string, unknown> = { name, offset, bytes, doc, fields };
    for (const field of fields) member[field.name] = field;
    members.push(Object.freeze(member) as unknown as Member<string>);
    out[name] = member;
  }
  out.members = Object.freeze(members);
  return Object.freeze(out) as Layout<S>;
}
