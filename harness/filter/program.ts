/**
 * From a tree of tests to a BPF program: tests become a graph of blocks, a block jumps past tests whose outcome is
 * known from those before it, and what is already in a register is not loaded again.
 */
import {
  BPF_B,
  BPF_JA,
  BPF_JEQ,
  BPF_JMP,
  BPF_K,
  BPF_LDX,
  BPF_MAXINSNS,
  BPF_MSH,
  BPF_RET,
  BPF_X,
  type sock_filter,
} from '../../kernel/net/core/filter.ts';

/** An instruction that is no jump. */
export interface Statement {
  readonly code: number;
  readonly k: number;
}

/** One comparison: what brings the value into A (and X), and the jump. It depends on nothing before it. */
export interface Test {
  readonly kind: 'test';
  readonly statements: readonly Statement[];
  /** BPF_JEQ, BPF_JGT, BPF_JGE or BPF_JSET, with BPF_X when X is the operand. */
  readonly jump: number;
  /** Unsigned; 0 when X is the operand. */
  readonly k: number;
  /** Why no program can hold it: counts only when the test is still there in the end. */
  readonly problem?: Error;
}

export type Condition =
  | Test
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'and' | 'or'; readonly left: Condition; readonly right: Condition };

export const and = (left: Condition, right: Condition): Condition => ({ kind: 'and', left, right });
export const or = (left: Condition, right: Condition): Condition => ({ kind: 'or', left, right });
export const not = (of: Condition): Condition => ({ kind: 'not', of });
export const constant = (value: boolean): Condition => ({ kind: 'constant', value });

type Target = Block | 'accept' | 'reject';

class Block {
  readonly test: Test;
  /** What A holds after the statements; and what the whole test asks. Equal texts, equal values in one packet. */
  readonly value: string;
  readonly question: string;
  /** The part of the statements that is still needed. */
  statements: readonly Statement[];
  whenTrue: Target;
  whenFalse: Target;

  constructor(test: Test, whenTrue: Target, whenFalse: Target) {
    this.test = test;
    this.statements = test.statements;
    this.value = test.statements.map(({ code, k }) => `${code} ${k}`).join(',');
    this.question = `${this.value};${test.jump} ${test.k}`;
    this.whenTrue = whenTrue;
    this.whenFalse = whenFalse;
  }
}

/** The blocks of a condition, the last one first, pushed to `blocks`; returns where to begin. */
function build(condition: Condition, whenTrue: Target, whenFalse: Target, blocks: Block[]): Target {
  switch (condition.kind) {
    case 'constant':
      return condition.value ? whenTrue : whenFalse;
    case 'not':
      return build(condition.of, whenFalse, whenTrue, blocks);
    case 'and': {
      const right = build(condition.right, whenTrue, whenFalse, blocks);
      return build(condition.left, right, whenFalse, blocks);
    }
    case 'or': {
      const right = build(condition.right, whenTrue, whenFalse, blocks);
      return build(condition.left, whenTrue, right, blocks);
    }
    default: {
      const block = new Block(condition, whenTrue, whenFalse);
      blocks.push(block);
      return block;
    }
  }
}

/** What is known of a value: that it is one of some numbers, or that it is none of them. */
interface Known {
  readonly isOneOf: boolean;
  readonly numbers: ReadonlySet<number>;
}

/** What is known where a block begins, on every way there: of values compared for equality, and answers of the rest. */
interface Facts {
  readonly values: Map<string, Known>;
  readonly answers: Map<string, boolean>;
}

const nothing = (): Facts => ({ values: new Map(), answers: new Map() });

const isEquality = ({ test }: Block): boolean => test.jump === BPF_JEQ;

/** The block's answer where `facts` hold; undefined when it is open. */
function answerOf(block: Block, facts: Facts): boolean | undefined {
  if (!isEquality(block)) return facts.answers.get(block.question);
  const known = facts.values.get(block.value);
  if (known === undefined) return undefined;
  const { isOneOf, numbers } = known;
  const isListed = numbers.has(block.test.k);
  if (!isOneOf) return isListed ? false : undefined;
  if (!isListed) return false;
  return numbers.size === 1 ? true : undefined;
}

/** What holds behind a block that gave this answer. */
function learn(facts: Facts, block: Block, answer: boolean): Facts {
  const values = new Map(facts.values);
  const answers = new Map(facts.answers);
  if (!isEquality(block)) {
    answers.set(block.question, answer);
    return { values, answers };
  }
  const { k } = block.test;
  const before = values.get(block.value);
  if (answer) {
    values.set(block.value, { isOneOf: true, numbers: new Set([k]) });
  } else {
    const numbers = new Set(before?.numbers);
    if (before?.isOneOf === true) numbers.delete(k);
    else numbers.add(k);
    values.set(block.value, { isOneOf: before?.isOneOf === true, numbers });
  }
  return { values, answers };
}

/** What holds when either may hold; undefined: nothing is known. */
function either(a: Known, b: Known | undefined): Known | undefined {
  if (b === undefined) return undefined;
  if (a.isOneOf && b.isOneOf) return { isOneOf: true, numbers: new Set([...a.numbers, ...b.numbers]) };
  const [none, other] = a.isOneOf ? [b, a] : [a, b];
  const numbers = new Set([...none.numbers].filter(number => other.numbers.has(number) !== other.isOneOf));
  return numbers.size === 0 ? undefined : { isOneOf: false, numbers };
}

/** Two ways meet: `facts` keeps what holds on both. */
function meet(facts: Facts, other: Facts): void {
  for (const [value, known] of facts.values) {
    const both = either(known, other.values.get(value));
    if (both === undefined) facts.values.delete(value);
    else facts.values.set(value, both);
  }
  for (const [question, answer] of facts.answers) {
    if (other.answers.get(question) !== answer) facts.answers.delete(question);
  }
}

/** Follows `target` as long as the outcome is known, or does not matter. */
function follow(target: Target, facts: Facts): Target {
  let at = target;
  while (at instanceof Block) {
    if (at.whenTrue === at.whenFalse) {
      at = at.whenTrue;
      continue;
    }
    const answer = answerOf(at, facts);
    if (answer === undefined) return at;
    at = answer ? at.whenTrue : at.whenFalse;
  }
  return at;
}

/** Only those that can be reached, in the same order. */
function reachable(blocks: readonly Block[], root: Target): Block[] {
  const seen = new Set<Target>([root]);
  return blocks.filter(block => {
    if (!seen.has(block)) return false;
    seen.add(block.whenTrue);
    seen.add(block.whenFalse);
    return true;
  });
}

/** Redirects each jump past tests whose answer it implies. `blocks` in order; true when something changed. */
function thread(blocks: readonly Block[]): boolean {
  let changed = false;
  const known = new Map<Block, Facts>();
  const [first] = blocks;
  if (first !== undefined) known.set(first, nothing());
  for (const block of blocks) {
    const facts = known.get(block);
    if (facts === undefined) continue;
    const leave = (answer: boolean, target: Target): Target => {
      const after = learn(facts, block, answer);
      const end = follow(target, after);
      if (end !== target) changed = true;
      if (end instanceof Block) {
        const others = known.get(end);
        if (others === undefined) known.set(end, after);
        else meet(others, after);
      }
      return end;
    };
    block.whenTrue = leave(true, block.whenTrue);
    block.whenFalse = leave(false, block.whenFalse);
  }
  return changed;
}

const LOAD_HEADER_LENGTH = BPF_LDX | BPF_B | BPF_MSH;
const CLASS = 7;
const TAX = 7;

const writesX = ({ code }: Statement): boolean => (code & CLASS) === BPF_LDX || code === TAX;

/** What A and X hold on every way to a block; '' where ways differ. */
interface Registers {
  a: string;
  x: string;
}

/** Leaves out loads of what the register holds already. */
function dropLoads(blocks: readonly Block[]): void {
  const held = new Map<Block, Registers>();
  for (const block of blocks) {
    const { a, x } = held.get(block) ?? { a: '', x: '' };
    const { statements, jump } = block.test;
    const last = statements.findLast(writesX);
    if (a === block.value && (jump & BPF_X) === 0) {
      block.statements = [];
    } else {
      const [first] = statements;
      const again = first?.code === LOAD_HEADER_LENGTH && x === `${first.k}`;
      if (again) block.statements = statements.slice(1);
    }
    const after: Registers = {
      a: block.value,
      x: block.statements.length === 0 || last === undefined ? x : last.code === LOAD_HEADER_LENGTH ? `${last.k}` : '',
    };
    for (const target of [block.whenTrue, block.whenFalse]) {
      if (!(target instanceof Block)) continue;
      const others = held.get(target);
      if (others === undefined) {
        held.set(target, { ...after });
      } else {
        if (others.a !== after.a) others.a = '';
        if (others.x !== after.x) others.x = '';
      }
    }
  }
}

const JUMP_MAX = 255;

/** Instructions of the blocks, from the end to the start so that every distance is known; long jumps go by BPF_JA. */
function emit(blocks: readonly Block[], root: Target, snaplen: number): sock_filter[] {
  const reversed: sock_filter[] = [];
  const places = new Map<Target, number>();
  const statement = (code: number, k: number): void => void reversed.push({ code, jt: 0, jf: 0, k: k >>> 0 });
  const ends = (target: Target): boolean =>
    root === target || blocks.some(({ whenTrue, whenFalse }) => whenTrue === target || whenFalse === target);
  if (ends('reject')) {
    statement(BPF_RET | BPF_K, 0);
    places.set('reject', reversed.length - 1);
  }
  if (ends('accept')) {
    statement(BPF_RET | BPF_K, snaplen);
    places.set('accept', reversed.length - 1);
  }
  for (const block of blocks.toReversed()) {
    const { jump, k } = block.test;
    let jt = places.get(block.whenTrue) as number;
    let jf = places.get(block.whenFalse) as number;
    const far = (place: number): boolean => reversed.length - place - 1 > JUMP_MAX;
    const bridge = (place: number): number => {
      statement(BPF_JMP | BPF_JA, reversed.length - place - 1);
      return reversed.length - 1;
    };
    // The one bridge moves the other target one further away: so the second is asked after the first.
    if (far(jf)) jf = bridge(jf);
    if (far(jt)) jt = bridge(jt);
    if (far(jf)) jf = bridge(jf);
    const here = reversed.length;
    reversed.push({ code: BPF_JMP | jump, jt: here - jt - 1, jf: here - jf - 1, k });
    for (const { code, k: operand } of block.statements.toReversed()) statement(code, operand);
    places.set(block, reversed.length - 1);
  }
  return reversed.reverse();
}

/** A program that lets `snaplen` bytes of a packet through when the condition holds, and none when not. */
export interface Assembled {
  readonly program: sock_filter[];
  /** The program lets nothing through, whatever the packet. */
  readonly rejectsAll: boolean;
}

export const PROGRAM_MAX = BPF_MAXINSNS;

/**
 * @param optimize - false: every test is asked, and loads its own value
 * @throws the `problem` of a test that is left
 */
export function assemble(condition: Condition, snaplen: number, optimize: boolean): Assembled {
  const reversed: Block[] = [];
  let root = build(condition, 'accept', 'reject', reversed);
  let blocks = reachable(reversed.reverse(), root);
  if (optimize) {
    for (let changed = true; changed; ) {
      const start = follow(root, nothing());
      changed = start !== root;
      root = start;
      blocks = reachable(blocks, root);
      if (thread(blocks)) changed = true;
      blocks = reachable(blocks, root);
    }
    dropLoads(blocks);
  }
  for (const { test } of blocks) if (test.problem !== undefined) throw test.problem;
  const program = emit(blocks, root, snaplen);
  return { program, rejectsAll: root === 'reject' };
}
