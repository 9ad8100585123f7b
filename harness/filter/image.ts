/** Programs as text, in the formats of `tcpdump -d` and `tcpdump -ddd`. */
import {
  BPF_A,
  BPF_ABS,
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_B,
  BPF_DIV,
  BPF_H,
  BPF_IMM,
  BPF_IND,
  BPF_JA,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JMP,
  BPF_JSET,
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
  BPF_RET,
  BPF_RSH,
  BPF_ST,
  BPF_STX,
  BPF_SUB,
  BPF_TAX,
  BPF_TXA,
  BPF_W,
  BPF_X,
  BPF_XOR,
  type sock_filter,
} from '../../kernel/net/core/filter.ts';

const hex = (k: number): string => `#0x${(k >>> 0).toString(16)}`;

const ALU: readonly (readonly [op: number, name: string])[] = [
  [BPF_ADD, 'add'],
  [BPF_SUB, 'sub'],
  [BPF_MUL, 'mul'],
  [BPF_DIV, 'div'],
  [BPF_MOD, 'mod'],
  [BPF_AND, 'and'],
  [BPF_OR, 'or'],
  [BPF_XOR, 'xor'],
  [BPF_LSH, 'lsh'],
  [BPF_RSH, 'rsh'],
];
const JUMPS: readonly (readonly [op: number, name: string])[] = [
  [BPF_JEQ, 'jeq'],
  [BPF_JGT, 'jgt'],
  [BPF_JGE, 'jge'],
  [BPF_JSET, 'jset'],
];

const WITH_HEX = new Set([BPF_AND, BPF_OR, BPF_XOR]);

type Words = readonly [name: string, operand: (k: number) => string];

const IMAGES = new Map<number, Words>([
  [BPF_RET | BPF_K, ['ret', k => `#${k | 0}`]],
  [BPF_RET | BPF_A, ['ret', () => '']],
  [BPF_LD | BPF_W | BPF_ABS, ['ld', k => `[${k | 0}]`]],
  [BPF_LD | BPF_H | BPF_ABS, ['ldh', k => `[${k | 0}]`]],
  [BPF_LD | BPF_B | BPF_ABS, ['ldb', k => `[${k | 0}]`]],
  [BPF_LD | BPF_W | BPF_LEN, ['ld', () => '#pktlen']],
  [BPF_LDX | BPF_W | BPF_LEN, ['ldx', () => '#pktlen']],
  [BPF_LD | BPF_W | BPF_IND, ['ld', k => `[x + ${k | 0}]`]],
  [BPF_LD | BPF_H | BPF_IND, ['ldh', k => `[x + ${k | 0}]`]],
  [BPF_LD | BPF_B | BPF_IND, ['ldb', k => `[x + ${k | 0}]`]],
  [BPF_LD | BPF_IMM, ['ld', hex]],
  [BPF_LDX | BPF_IMM, ['ldx', hex]],
  [BPF_LDX | BPF_B | BPF_MSH, ['ldxb', k => `4*([${k | 0}]&0xf)`]],
  [BPF_LD | BPF_MEM, ['ld', k => `M[${k | 0}]`]],
  [BPF_LDX | BPF_MEM, ['ldx', k => `M[${k | 0}]`]],
  [BPF_ST, ['st', k => `M[${k | 0}]`]],
  [BPF_STX, ['stx', k => `M[${k | 0}]`]],
  [BPF_ALU | BPF_NEG, ['neg', () => '']],
  [BPF_MISC | BPF_TAX, ['tax', () => '']],
  [BPF_MISC | BPF_TXA, ['txa', () => '']],
]);
for (const [op, name] of ALU) {
  IMAGES.set(BPF_ALU | op | BPF_X, [name, () => 'x']);
  IMAGES.set(BPF_ALU | op | BPF_K, [name, WITH_HEX.has(op) ? hex : (k): string => `#${k | 0}`]);
}
for (const [op, name] of JUMPS) {
  IMAGES.set(BPF_JMP | op | BPF_X, [name, () => 'x']);
  IMAGES.set(BPF_JMP | op | BPF_K, [name, hex]);
}

/** One line of `tcpdump -d`: instruction number `pc`. */
export function bpfImage({ code, jt, jf, k }: sock_filter, pc: number): string {
  const place = `(${String(pc).padStart(3, '0')})`;
  if (code === (BPF_JMP | BPF_JA)) return `${place} ${'ja'.padEnd(8)} ${pc + 1 + (k >>> 0)}`;
  const [name, operand] = IMAGES.get(code) ?? ['unimp', (): string => `0x${code.toString(16)}`];
  const start = `${place} ${name.padEnd(8)} `;
  const isJump = (code & 7) === BPF_JMP && IMAGES.has(code);
  return isJump ? `${start}${operand(k).padEnd(16)} jt ${pc + 1 + jt}\tjf ${pc + 1 + jf}` : start + operand(k);
}

/** The lines of `tcpdump -d`. */
export function listProgram(program: readonly sock_filter[]): string[] {
  return program.map(bpfImage);
}

/** The lines of `tcpdump -ddd`: the number of instructions, then each as four decimal numbers. */
export function decimalProgram(program: readonly sock_filter[]): string[] {
  return [String(program.length), ...program.map(({ code, jt, jf, k }) => `${code} ${jt} ${jf} ${k >>> 0}`)];
}

/** What `decimalProgram` writes, read. Undefined when it is something else. */
export function parseDecimalProgram(text: string): sock_filter[] | undefined {
  const [count = '', ...lines] = text.trim().split('\n');
  if (!/^\d+$/.test(count) || Number(count) !== lines.length) return undefined;
  const program: sock_filter[] = [];
  for (const line of lines) {
    const numbers = line.trim().split(' ').map(Number);
    const [code = -1, jt = -1, jf = -1, k = -1] = numbers;
    const whole = [code, jt, jf, k].every(each => Number.isInteger(each) && each >= 0);
    if (numbers.length !== 4 || !whole || code > 0xffff || jt > 0xff || jf > 0xff || k > 0xffffffff) return undefined;
    program.push({ code, jt, jf, k });
  }
  return program;
}
