/**
 * The values of a filter expression: `tcp[13] & 7 + len`. Constants are folded as libpcap's optimiser folds them,
 * since that decides what is loaded from the packet at all, and a load beyond its end rejects the packet.
 */
import {
  BPF_ABS,
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_B,
  BPF_DIV,
  BPF_IMM,
  BPF_IND,
  BPF_JEQ,
  BPF_JGT,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_LSH,
  BPF_MEM,
  BPF_MISC,
  BPF_MOD,
  BPF_MSH,
  BPF_MUL,
  BPF_NEG,
  BPF_OR,
  BPF_RSH,
  BPF_ST,
  BPF_SUB,
  BPF_TAX,
  BPF_W,
  BPF_X,
  BPF_XOR,
} from '../../kernel/net/core/filter.ts';
import { type Condition, constant, type Statement } from './program.ts';
import { FilterError } from './scanner.ts';

export type Value =
  | { readonly kind: 'constant'; readonly k: number }
  | { readonly kind: 'length' }
  | {
      readonly kind: 'load';
      /** BPF_W, BPF_H or BPF_B. */
      readonly size: number;
      readonly base: number;
      readonly index: Value;
      /** Where the IPv4 header is whose length is added; -1: none is. */
      readonly header: number;
    }
  | { readonly kind: 'negate'; readonly of: Value }
  /** No program can hold it; `message` is libpcap's. */
  | { readonly kind: 'impossible'; readonly message: string }
  | { readonly kind: 'binary'; readonly op: number; readonly left: Value; readonly right: Value };

export const number = (k: number): Value => ({ kind: 'constant', k: k >>> 0 });

const isConstant = (value: Value): value is Value & { kind: 'constant' } => value.kind === 'constant';
const isZero = (value: Value): boolean => isConstant(value) && value.k === 0;

function fold(op: number, a: number, b: number): number {
  switch (op) {
    case BPF_ADD:
      return a + b;
    case BPF_SUB:
      return a - b;
    case BPF_MUL:
      return Math.imul(a, b);
    case BPF_DIV:
      return Math.trunc(a / b);
    case BPF_MOD:
      return a % b;
    case BPF_AND:
      return a & b;
    case BPF_OR:
      return a | b;
    case BPF_XOR:
      return a ^ b;
    case BPF_LSH:
      return b > 31 ? 0 : a << b;
    default:
      return b > 31 ? 0 : a >>> b;
  }
}

/** What is wrong whatever the packet, '' for nothing: division by 0, shifts by more than 31. */
export function problemOf(op: number, right: number): string {
  if (op === BPF_DIV && right === 0) return 'division by zero';
  if (op === BPF_MOD && right === 0) return 'modulus by zero';
  return (op === BPF_LSH || op === BPF_RSH) && right > 31 ? 'shift by more than 31 bits' : '';
}

const ZERO_STAYS = new Set([BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND, BPF_LSH, BPF_RSH]);
const ZERO_VANISHES = new Set([BPF_ADD, BPF_OR, BPF_XOR]);
const SAME_WITH_ZERO = new Set([BPF_ADD, BPF_SUB, BPF_OR, BPF_XOR, BPF_LSH, BPF_RSH]);

export function binary(op: number, left: Value, right: Value): Value {
  if (left.kind === 'impossible') return left;
  if (right.kind === 'impossible') return right;
  if (isConstant(right)) {
    const message = problemOf(op, right.k);
    // Of two constants, a shift by too many is 0.
    if (message !== '' && !(isConstant(left) && right.k !== 0)) return { kind: 'impossible', message };
    if (isConstant(left)) return number(fold(op, left.k, right.k));
    if (right.k === 0) return SAME_WITH_ZERO.has(op) ? left : number(0);
  } else if (isZero(left)) {
    if (ZERO_VANISHES.has(op)) return right;
    if (ZERO_STAYS.has(op)) return number(0);
  }
  return { kind: 'binary', op, left, right };
}

export function negate(of: Value): Value {
  if (of.kind === 'impossible') return of;
  if (of.kind === 'negate') return of.of;
  return isConstant(of) ? number(-of.k) : { kind: 'negate', of };
}

/** Code that leaves the value in A. M[] from `scratch` on may be used, and X. */
function evaluate(value: Value, scratch: number, out: Statement[]): void {
  switch (value.kind) {
    case 'constant':
      out.push({ code: BPF_LD | BPF_IMM, k: value.k });
      break;
    case 'impossible':
      throw new Error(`${value.message}: not found by whoever compares it`);
    case 'length':
      out.push({ code: BPF_LD | BPF_W | BPF_LEN, k: 0 });
      break;
    case 'negate':
      evaluate(value.of, scratch, out);
      out.push({ code: BPF_ALU | BPF_NEG, k: 0 });
      break;
    case 'load':
      load(value, scratch, out);
      break;
    case 'binary':
      if (isConstant(value.right)) {
        evaluate(value.left, scratch, out);
        out.push({ code: BPF_ALU | value.op | BPF_K, k: value.right.k });
      } else {
        both(value.left, value.right, scratch, out);
        out.push({ code: BPF_ALU | value.op | BPF_X, k: 0 });
      }
  }
}

/** Left into A, right into X. */
function both(left: Value, right: Value, scratch: number, out: Statement[]): void {
  evaluate(left, scratch, out);
  out.push({ code: BPF_ST, k: scratch });
  evaluate(right, scratch + 1, out);
  out.push({ code: BPF_MISC | BPF_TAX, k: 0 }, { code: BPF_LD | BPF_MEM, k: scratch });
}

/** In no packet. Offsets beyond mean something else to a kernel: they count from headers, or name what is no data. */
const OUTSIDE = 0x7fffffff;

function load(value: Value & { kind: 'load' }, scratch: number, out: Statement[]): void {
  const { size, base, index, header } = value;
  const headerLength: Statement = { code: BPF_LDX | BPF_B | BPF_MSH, k: header };
  if (isConstant(index)) {
    const k = (base + index.k) >>> 0;
    if (header < 0) out.push({ code: BPF_LD | BPF_ABS | size, k: Math.min(k, OUTSIDE) });
    else out.push(headerLength, { code: BPF_LD | BPF_IND | size, k });
    return;
  }
  evaluate(index, scratch, out);
  if (header >= 0) out.push(headerLength, { code: BPF_ALU | BPF_ADD | BPF_X, k: 0 });
  out.push({ code: BPF_MISC | BPF_TAX, k: 0 }, { code: BPF_LD | BPF_IND | size, k: base });
}

/** `left jump right`, for BPF_JEQ, BPF_JGT and BPF_JGE; `position`: where it stands. */
export function compare(jump: number, left: Value, right: Value, position: number): Condition {
  const statements: Statement[] = [];
  const wrong = left.kind === 'impossible' ? left : right;
  if (wrong.kind === 'impossible') {
    return { kind: 'test', statements, jump, k: 0, problem: new FilterError(wrong.message, position) };
  }
  if (isConstant(right)) {
    if (isConstant(left)) {
      const { k } = left;
      return constant(jump === BPF_JEQ ? k === right.k : jump === BPF_JGT ? k > right.k : k >= right.k);
    }
    evaluate(left, 0, statements);
    return { kind: 'test', statements, jump, k: right.k };
  }
  both(left, right, 0, statements);
  return { kind: 'test', statements, jump: jump | BPF_X, k: 0 };
}
