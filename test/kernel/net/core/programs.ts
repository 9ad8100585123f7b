/** Random classic BPF programs: most pass the check, some miss it by one thing. */
import { Random } from '../../../../harness/sim/random.ts';
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
} from '../../../../kernel/net/core/filter.ts';

const SIZES = [BPF_W, BPF_H, BPF_B];
const OPS = [BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND, BPF_OR, BPF_XOR, BPF_LSH, BPF_RSH];
const JUMPS = [BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET];

export class Programs {
  private readonly random: Random;

  constructor(seed: number) {
    this.random = new Random(seed, 'programs');
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)] as T;
  }

  private number(): number {
    const { random } = this;
    switch (random.below(5)) {
      case 0:
        return random.u32();
      case 1:
        return this.pick([0, 1, 31, 32, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0xfffff, 0x10000]);
      default:
        return random.below(64);
    }
  }

  /** An offset in a packet of `length` bytes, or near its end, or far from it. */
  private offset(length: number): number {
    const { random } = this;
    if (random.chance(0.02)) return random.u32();
    if (random.chance(0.03)) return (0xfff00000 + random.below(64)) >>> 0;
    return random.below(random.chance(0.9) ? Math.max(1, length - 4) : length + 4);
  }

  private instruction(left: number, length: number): sock_filter {
    const { random } = this;
    const plain = (code: number, k = 0): sock_filter => ({ code, jt: 0, jf: 0, k });
    const operand = random.chance(0.5) ? BPF_K : BPF_X;
    switch (random.below(16)) {
      case 0:
      case 1:
      case 2:
        return plain(BPF_LD | BPF_ABS | this.pick(SIZES), this.offset(length));
      case 3:
        return plain(BPF_LD | BPF_IND | this.pick(SIZES), random.chance(0.1) ? random.u32() : random.below(16));
      case 4:
        return plain(this.pick([BPF_LD, BPF_LDX]) | (random.chance(0.5) ? BPF_IMM : BPF_LEN), this.number());
      case 5:
        return plain(BPF_LDX | BPF_B | BPF_MSH, this.offset(length));
      case 6:
        return plain(this.pick([BPF_LD, BPF_LDX]) | BPF_MEM, random.below(4));
      case 7:
        return plain(this.pick([BPF_ST, BPF_STX]), random.below(random.chance(0.995) ? 4 : 20));
      case 8:
        return plain(BPF_MISC | this.pick([BPF_TAX, BPF_TXA]));
      case 9:
        return random.chance(0.2) ? plain(BPF_ALU | BPF_NEG) : plain(BPF_JMP | BPF_JA, random.below(Math.min(left, 4)));
      case 10:
      case 11: {
        const most = Math.min(left, 200);
        return {
          code: BPF_JMP | this.pick(JUMPS) | operand,
          jt: random.below(random.chance(0.5) ? most : Math.min(most, 3)),
          jf: random.below(random.chance(0.5) ? most : Math.min(most, 3)),
          k: this.number(),
        };
      }
      default: {
        const op = this.pick(OPS);
        let k = this.number();
        if ((op === BPF_LSH || op === BPF_RSH) && random.chance(0.99)) k &= 31;
        if ((op === BPF_DIV || op === BPF_MOD) && random.chance(0.99)) k |= 1;
        return plain(BPF_ALU | op | operand, k >>> 0);
      }
    }
  }

  /** For a packet of `length` bytes. `faulty`: sometimes with a code, a jump, an index or an end that is not allowed. */
  next(length: number, faulty: boolean): sock_filter[] {
    const { random } = this;
    const count = 1 + random.below(random.chance(0.9) ? 24 : 120);
    const program: sock_filter[] = [];
    // Cells that are stored to first can be loaded from everywhere.
    for (let cell = 0; cell < 4; cell++)
      if (!faulty || random.chance(0.9)) program.push({ code: BPF_ST, jt: 0, jf: 0, k: cell });
    for (let pc = 0; pc < count; pc++) program.push(this.instruction(count - pc, length));
    program.push({ code: BPF_RET | (random.chance(0.7) ? BPF_A : BPF_K), jt: 0, jf: 0, k: random.below(2 * length) });
    if (!faulty || random.chance(0.4)) return program;
    const at = random.below(program.length);
    const was = program[at] as sock_filter;
    switch (random.below(4)) {
      case 0:
        program[at] = { ...was, code: random.below(random.chance(0.9) ? 256 : 65536) };
        break;
      case 1:
        program[at] = { ...was, jt: random.below(256), jf: random.below(256) };
        break;
      case 2:
        program[at] = { ...was, k: this.number() };
        break;
      default:
        program.length = Math.max(1, at);
    }
    return program;
  }
}
