/**
 * The vocabulary for a register file behind a page select, as on the DP8390: sixteen byte-wide offsets, four pages, and
 * offsets where a read and a write reach different registers.
 */
import type { Access, Field, FieldSpec } from './describe.ts';

/** Where a register is reached: a page, every page, or not at all. */
export type Page = 0 | 1 | 2 | 3 | 'all' | 'none';

export interface PagedSpec {
  /** Offset 0–15: the same for reads and writes. */
  readonly at: number;
  readonly read: Page;
  readonly write: Page;
  readonly access: Access;
  readonly reset: number;
  readonly doc: string;
  /** Longer prose for the manual: behaviour, side effects. */
  readonly notes?: string;
  /** Bits that do something when written. Left out: the union of the fields, or all eight when there are none. */
  readonly writable?: number;
  readonly fields: Readonly<Record<string, FieldSpec>>;
}

export type PagedSpecs = Readonly<Record<string, PagedSpec>>;

/** A byte-wide register named R with access right A. `index` = page × 16 + offset. */
export interface PagedReg<R extends string, A extends Access = Access> {
  readonly name: R;
  readonly offset: number;
  readonly readPage: Page;
  readonly writePage: Page;
  readonly access: A;
  readonly reset: number;
  readonly doc: string;
  readonly notes: string;
  readonly writable: number;
  readonly fields: readonly Field<R>[];
  /** Where it is read: page 0 for a register of every page, -1 for one that cannot be read. */
  readonly index: number;
  /** Where it is written: as `index`. */
  readonly writeIndex: number;
}

export type PagedMap<S extends PagedSpecs> = {
  readonly [R in keyof S & string]: PagedReg<R, S[R]['access']> & {
    readonly [F in keyof S[R]['fields'] & string]: Field<R>;
  };
};

/** Places in the register file: four pages of sixteen. */
export const PLACES = 64;

function fail(message: string): never {
  throw new Error(`register description: ${message}`);
}

function places(page: Page, at: number): number[] {
  if (page === 'none') return [];
  return page === 'all' ? [0, 1, 2, 3].map(p => p * 16 + at) : [page * 16 + at];
}

/** Checks and freezes a paged register map. Refused: places that are taken twice, overlapping fields, more than eight bits. */
export function describePaged<const S extends PagedSpecs>(specs: S): PagedMap<S> {
  const map: Record<string, unknown> = {};
  const taken = { read: new Map<number, string>(), write: new Map<number, string>() };
  for (const [name, spec] of Object.entries(specs)) {
    if (spec.at < 0 || spec.at > 15) fail(`${name}: offset ${spec.at} is not 0 to 15`);
    for (const way of ['read', 'write'] as const) {
      for (const place of places(spec[way], spec.at)) {
        const other = taken[way].get(place);
        if (other !== undefined) fail(`${name} and ${other} share place ${place.toString(16)}h`);
        taken[way].set(place, name);
      }
    }
    const fields = Object.entries(spec.fields).map(([field, [lsb, width, doc]]) => {
      if (lsb < 0 || width < 1 || lsb + width > 8) fail(`${name}.${field}: bits ${lsb}+${width} do not fit 8`);
      const max = 2 ** width - 1;
      return Object.freeze({ name: field, lsb, width, mask: max << lsb, max, doc });
    });
    const union = fields.reduce((bits, field) => bits | field.mask, 0);
    if (fields.reduce((sum, field) => sum + field.mask, 0) !== union) fail(`${name}: fields overlap`);
    const register: Record<string, unknown> = {
      name,
      offset: spec.at,
      readPage: spec.read,
      writePage: spec.write,
      access: spec.access,
      reset: spec.reset,
      doc: spec.doc,
      notes: spec.notes ?? '',
      writable: spec.write === 'none' ? 0 : (spec.writable ?? (fields.length === 0 ? 0xff : union)),
      fields,
      index: places(spec.read, spec.at)[0] ?? -1,
      writeIndex: places(spec.write, spec.at)[0] ?? -1,
    };
    for (const field of fields) {
      if (field.name in register) fail(`${name}.${field.name} collides with a property of the register`);
      register[field.name] = field;
    }
    map[name] = Object.freeze(register);
  }
  return Object.freeze(map) as PagedMap<S>;
}

/** By place (page × 16 + offset): the register that a read, or a write, reaches there; null for a reserved place. */
export function byPlace(map: PagedMap<PagedSpecs>, way: 'read' | 'write'): readonly (PagedReg<string> | null)[] {
  const out: (PagedReg<string> | null)[] = new Array(PLACES).fill(null);
  for (const register of Object.values(map)) {
    const page = way === 'read' ? register.readPage : register.writePage;
    for (const place of places(page, register.offset)) out[place] = register;
  }
  return out;
}
