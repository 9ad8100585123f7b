/** What a list of an RFC's rules is made of. The lists are beside this file; docs/conformance.md is made of them. */

/** Tests of one file, by the name they are run under, or that of their `describe` for all of it. */
export interface Tests {
  readonly file: string;
  readonly names: readonly string[];
}

/**
 * How it stands with a rule: `yes`, the tests show it; `linux`, Linux 6.18 knowingly does otherwise, and so do we (the
 * tests show what Linux does); `no`, not done; `none`, it does not concern this stack or cannot be tested;
 * `untested`, done elsewhere, but no test says so yet.
 */
export type Standing = 'yes' | 'linux' | 'no' | 'none' | 'untested';

export interface Evidence {
  readonly standing: Standing;
  /** Why; empty where the tests say all. */
  readonly note: string;
  readonly tests: readonly Tests[];
}

export interface Rule extends Evidence {
  readonly section: string;
  readonly level: 'MUST' | 'MUST NOT' | 'SHOULD' | 'rule';
  /** In our own words. */
  readonly text: string;
}

export interface Rfc {
  readonly number: number;
  readonly title: string;
  readonly intro: string;
  readonly rules: readonly Rule[];
}

/** Shown by these tests of one file; `and` adds another file's. */
export const by = (file: string, ...names: string[]): Evidence => ({
  standing: 'yes',
  note: '',
  tests: [{ file, names }],
});

/** Shown by several files. */
export const and = (...parts: Evidence[]): Evidence => ({
  standing: 'yes',
  note: parts
    .map(part => part.note)
    .filter(note => note !== '')
    .join(' '),
  tests: parts.flatMap(part => part.tests),
});

/** Shown, with a word on how far. */
export const noted = (note: string, evidence: Evidence): Evidence => ({ ...evidence, note });

/** Linux does otherwise: what, and the tests that show that we do as Linux, where there are any. */
export const asLinux = (note: string, evidence?: Evidence): Evidence => ({
  standing: 'linux',
  note,
  tests: evidence?.tests ?? [],
});

export const notDone = (note: string): Evidence => ({ standing: 'no', note, tests: [] });

/** Not for this stack, or nothing that a test could show. */
export const none = (note: string): Evidence => ({ standing: 'none', note, tests: [] });

export const untested = (note = 'No test yet.'): Evidence => ({ standing: 'untested', note, tests: [] });

export const must = (section: string, text: string, evidence: Evidence): Rule => ({
  section,
  level: 'MUST',
  text,
  ...evidence,
});

export const mustNot = (section: string, text: string, evidence: Evidence): Rule => ({
  section,
  level: 'MUST NOT',
  text,
  ...evidence,
});

/** What the RFC only recommends, or leaves open, but is done: for those that look for it. */
export const should = (section: string, text: string, evidence: Evidence): Rule => ({
  section,
  level: 'SHOULD',
  text,
  ...evidence,
});

/** For the RFCs that were written before MUST meant anything: whatever they state as how it is done. */
export const rule = (section: string, text: string, evidence: Evidence): Rule => ({
  section,
  level: 'rule',
  text,
  ...evidence,
});
