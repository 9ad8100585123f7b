/**
 * Classic BPF: socket filters (include/uapi/linux/filter.h, net/core/filter.c).
 *
 * A program is checked as Linux checks it (bpf_check_classic), then turned into a table of integers that one loop
 * runs: no allocation per packet, and nothing that a checked program can do reads outside of its packet.
 */
import { EINVAL, ENOENT, EPERM } from '../../errno.ts';
import { ETH_P_8021Q } from '../ethernet/eth.ts';
import { skb_get_poff } from './flow_dissector.ts';
import type { sk_buff } from './skbuff.ts';
import type { sock } from './sock.ts';

/** One instruction. `code` has 16 bits, `jt` and `jf` 8, `k` 32 (either sign is taken). */
export interface sock_filter {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export const BPF_LD = 0x00;
export const BPF_LDX = 0x01;
export const BPF_ST = 0x02;
export const BPF_STX = 0x03;
export const BPF_ALU = 0x04;
export const BPF_JMP = 0x05;
export const BPF_RET = 0x06;
export const BPF_MISC = 0x07;

export const BPF_W = 0x00;
export const BPF_H = 0x08;
export const BPF_B = 0x10;

export const BPF_IMM = 0x00;
export const BPF_ABS = 0x20;
export const BPF_IND = 0x40;
export const BPF_MEM = 0x60;
export const BPF_LEN = 0x80;
export const BPF_MSH = 0xa0;

export const BPF_ADD = 0x00;
export const BPF_SUB = 0x10;
export const BPF_MUL = 0x20;
export const BPF_DIV = 0x30;
export const BPF_OR = 0x40;
export const BPF_AND = 0x50;
export const BPF_LSH = 0x60;
export const BPF_RSH = 0x70;
export const BPF_NEG = 0x80;
export const BPF_MOD = 0x90;
export const BPF_XOR = 0xa0;

export const BPF_JA = 0x00;
export const BPF_JEQ = 0x10;
export const BPF_JGT = 0x20;
export const BPF_JGE = 0x30;
export const BPF_JSET = 0x40;

export const BPF_K = 0x00;
export const BPF_X = 0x08;
export const BPF_A = 0x10;

export const BPF_TAX = 0x00;
export const BPF_TXA = 0x80;

export const BPF_MEMWORDS = 16;
export const BPF_MAXINSNS = 4096;

/** Offsets of an absolute load that mean something else than the packet's bytes. */
export const SKF_AD_OFF = -0x1000;
export const SKF_AD_PROTOCOL = 0;
export const SKF_AD_PKTTYPE = 4;
export const SKF_AD_IFINDEX = 8;
export const SKF_AD_NLATTR = 12;
export const SKF_AD_NLATTR_NEST = 16;
export const SKF_AD_MARK = 20;
export const SKF_AD_QUEUE = 24;
export const SKF_AD_HATYPE = 28;
export const SKF_AD_RXHASH = 32;
export const SKF_AD_CPU = 36;
export const SKF_AD_ALU_XOR_X = 40;
export const SKF_AD_VLAN_TAG = 44;
export const SKF_AD_VLAN_TAG_PRESENT = 48;
export const SKF_AD_PAY_OFFSET = 52;
export const SKF_AD_RANDOM = 56;
export const SKF_AD_VLAN_TPID = 60;
export const SKF_AD_MAX = 64;
export const SKF_NET_OFF = -0x100000;
export const SKF_LL_OFF = -0x200000;

// ---- the check ------------------------------------------------------------------------------------------------------

/** Every code a kernel accepts, and what the loop below calls it: dense, so that the switch is one table. */
const OP_LD_W = 1;
const OP_LD_H = 2;
const OP_LD_B = 3;
const OP_LD_W_IND = 4;
const OP_LD_H_IND = 5;
const OP_LD_B_IND = 6;
const OP_LD_LEN = 7;
const OP_LD_IMM = 8;
const OP_LD_MEM = 9;
const OP_LDX_LEN = 10;
const OP_LDX_IMM = 11;
const OP_LDX_MEM = 12;
const OP_LDX_MSH = 13;
const OP_ST = 14;
const OP_STX = 15;
const OP_ADD_K = 16;
const OP_ADD_X = 17;
const OP_SUB_K = 18;
const OP_SUB_X = 19;
const OP_MUL_K = 20;
const OP_MUL_X = 21;
const OP_DIV_K = 22;
const OP_DIV_X = 23;
const OP_MOD_K = 24;
const OP_MOD_X = 25;
const OP_AND_K = 26;
const OP_AND_X = 27;
const OP_OR_K = 28;
const OP_OR_X = 29;
const OP_XOR_K = 30;
const OP_XOR_X = 31;
const OP_LSH_K = 32;
const OP_LSH_X = 33;
const OP_RSH_K = 34;
const OP_RSH_X = 35;
const OP_NEG = 36;
const OP_JA = 37;
const OP_JEQ_K = 38;
const OP_JEQ_X = 39;
const OP_JGT_K = 40;
const OP_JGT_X = 41;
const OP_JGE_K = 42;
const OP_JGE_X = 43;
const OP_JSET_K = 44;
const OP_JSET_X = 45;
const OP_RET_K = 46;
const OP_RET_A = 47;
const OP_TAX = 48;
const OP_TXA = 49;
/** Ancillary loads: OP_ANC + offset / 4. Not in the table of codes: they are absolute loads by another `k`. */
const OP_ANC = 50;

/** chk_code_allowed: by code, its number in the loop; 0: not allowed. */
const OPS = new Uint8Array(256);
for (const [code, op] of [
  [BPF_LD | BPF_W | BPF_ABS, OP_LD_W],
  [BPF_LD | BPF_H | BPF_ABS, OP_LD_H],
  [BPF_LD | BPF_B | BPF_ABS, OP_LD_B],
  [BPF_LD | BPF_W | BPF_IND, OP_LD_W_IND],
  [BPF_LD | BPF_H | BPF_IND, OP_LD_H_IND],
  [BPF_LD | BPF_B | BPF_IND, OP_LD_B_IND],
  [BPF_LD | BPF_W | BPF_LEN, OP_LD_LEN],
  [BPF_LD | BPF_IMM, OP_LD_IMM],
  [BPF_LD | BPF_MEM, OP_LD_MEM],
  [BPF_LDX | BPF_W | BPF_LEN, OP_LDX_LEN],
  [BPF_LDX | BPF_IMM, OP_LDX_IMM],
  [BPF_LDX | BPF_MEM, OP_LDX_MEM],
  [BPF_LDX | BPF_B | BPF_MSH, OP_LDX_MSH],
  [BPF_ST, OP_ST],
  [BPF_STX, OP_STX],
  [BPF_ALU | BPF_ADD | BPF_K, OP_ADD_K],
  [BPF_ALU | BPF_ADD | BPF_X, OP_ADD_X],
  [BPF_ALU | BPF_SUB | BPF_K, OP_SUB_K],
  [BPF_ALU | BPF_SUB | BPF_X, OP_SUB_X],
  [BPF_ALU | BPF_MUL | BPF_K, OP_MUL_K],
  [BPF_ALU | BPF_MUL | BPF_X, OP_MUL_X],
  [BPF_ALU | BPF_DIV | BPF_K, OP_DIV_K],
  [BPF_ALU | BPF_DIV | BPF_X, OP_DIV_X],
  [BPF_ALU | BPF_MOD | BPF_K, OP_MOD_K],
  [BPF_ALU | BPF_MOD | BPF_X, OP_MOD_X],
  [BPF_ALU | BPF_AND | BPF_K, OP_AND_K],
  [BPF_ALU | BPF_AND | BPF_X, OP_AND_X],
  [BPF_ALU | BPF_OR | BPF_K, OP_OR_K],
  [BPF_ALU | BPF_OR | BPF_X, OP_OR_X],
  [BPF_ALU | BPF_XOR | BPF_K, OP_XOR_K],
  [BPF_ALU | BPF_XOR | BPF_X, OP_XOR_X],
  [BPF_ALU | BPF_LSH | BPF_K, OP_LSH_K],
  [BPF_ALU | BPF_LSH | BPF_X, OP_LSH_X],
  [BPF_ALU | BPF_RSH | BPF_K, OP_RSH_K],
  [BPF_ALU | BPF_RSH | BPF_X, OP_RSH_X],
  [BPF_ALU | BPF_NEG, OP_NEG],
  [BPF_JMP | BPF_JA, OP_JA],
  [BPF_JMP | BPF_JEQ | BPF_K, OP_JEQ_K],
  [BPF_JMP | BPF_JEQ | BPF_X, OP_JEQ_X],
  [BPF_JMP | BPF_JGT | BPF_K, OP_JGT_K],
  [BPF_JMP | BPF_JGT | BPF_X, OP_JGT_X],
  [BPF_JMP | BPF_JGE | BPF_K, OP_JGE_K],
  [BPF_JMP | BPF_JGE | BPF_X, OP_JGE_X],
  [BPF_JMP | BPF_JSET | BPF_K, OP_JSET_K],
  [BPF_JMP | BPF_JSET | BPF_X, OP_JSET_X],
  [BPF_RET | BPF_K, OP_RET_K],
  [BPF_RET | BPF_A, OP_RET_A],
  [BPF_MISC | BPF_TAX, OP_TAX],
  [BPF_MISC | BPF_TXA, OP_TXA],
] as const) {
  OPS[code] = op;
}

const op_of = (code: number): number => (code < OPS.length ? (OPS[code] as number) : 0);
const is_conditional = (op: number): boolean => op >= OP_JEQ_K && op <= OP_JSET_X;

/** bpf_anc_helper: is this `k` of an absolute load one of the ancillary ones? */
function is_ancillary(k: number): boolean {
  const offset = (k | 0) - SKF_AD_OFF;
  return offset >= 0 && offset < SKF_AD_MAX && (offset & 3) === 0;
}

/** Is `k`, unsigned, at or above SKF_AD_OFF: where only the ancillary loads may be? */
const in_ancillary = (k: number): boolean => (k | 0) < 0 && (k | 0) >= SKF_AD_OFF;

/**
 * check_load_and_stores: every M[] that is loaded has been stored to on every way there. Jumps go forward only, so
 * one pass sees all ways to an instruction before the instruction.
 */
function check_load_and_stores(filter: readonly sock_filter[]): number {
  const masks = new Uint16Array(filter.length).fill(0xffff);
  const jump = (to: number, valid: number): void => {
    masks[to] = (masks[to] as number) & valid;
  };
  let valid = 0;
  for (let pc = 0; pc < filter.length; pc++) {
    const { code, jt, jf, k } = filter[pc] as sock_filter;
    valid &= masks[pc] as number;
    const op = op_of(code);
    if (op === OP_ST || op === OP_STX) {
      valid |= 1 << k;
    } else if (op === OP_LD_MEM || op === OP_LDX_MEM) {
      if ((valid & (1 << k)) === 0) return -EINVAL;
    } else if (op === OP_JA) {
      jump(pc + 1 + (k >>> 0), valid);
      valid = 0xffff;
    } else if (is_conditional(op)) {
      jump(pc + 1 + jt, valid);
      jump(pc + 1 + jf, valid);
      valid = 0xffff;
    }
  }
  return 0;
}

/** bpf_check_basics_ok and bpf_check_classic: 0, or -EINVAL for a program that no kernel takes. */
export function bpf_check_classic(filter: readonly sock_filter[]): number {
  const { length } = filter;
  if (length === 0 || length > BPF_MAXINSNS) return -EINVAL;
  for (let pc = 0; pc < length; pc++) {
    const { code, jt, jf, k } = filter[pc] as sock_filter;
    const op = op_of(code);
    const unsigned = k >>> 0;
    switch (op) {
      case 0:
        return -EINVAL;
      case OP_DIV_K:
      case OP_MOD_K:
        if (unsigned === 0) return -EINVAL;
        break;
      case OP_LSH_K:
      case OP_RSH_K:
        if (unsigned >= 32) return -EINVAL;
        break;
      case OP_LD_MEM:
      case OP_LDX_MEM:
      case OP_ST:
      case OP_STX:
        if (unsigned >= BPF_MEMWORDS) return -EINVAL;
        break;
      case OP_JA:
        if (unsigned >= length - pc - 1) return -EINVAL;
        break;
      case OP_LD_W:
      case OP_LD_H:
      case OP_LD_B:
        if (in_ancillary(k) && !is_ancillary(k)) return -EINVAL;
        break;
      default:
        if (is_conditional(op) && (pc + jt + 1 >= length || pc + jf + 1 >= length)) return -EINVAL;
    }
  }
  const last = op_of((filter[length - 1] as sock_filter).code);
  return last === OP_RET_K || last === OP_RET_A ? check_load_and_stores(filter) : -EINVAL;
}

// ---- the program ----------------------------------------------------------------------------------------------------

/** Words of an instruction in `bpf_prog.insns`: its number, k, and where to go next when true and when false. */
const STRIDE = 4;

/** A checked program (struct bpf_prog). Made by `bpf_prog_create` only. */
export class bpf_prog {
  /** As it was given (struct sock_fprog_kern), for SO_GET_FILTER. */
  readonly orig_prog: readonly sock_filter[];
  readonly insns: Int32Array;
  readonly mem = new Int32Array(BPF_MEMWORDS);

  constructor(filter: readonly sock_filter[]) {
    this.orig_prog = filter.map(({ code, jt, jf, k }) => ({ code, jt, jf, k: k >>> 0 }));
    this.insns = new Int32Array(filter.length * STRIDE);
    filter.forEach(({ code, jt, jf, k }, pc) => {
      const at = pc * STRIDE;
      let op = op_of(code);
      if (op <= OP_LD_B && is_ancillary(k)) op = OP_ANC + ((k | 0) - SKF_AD_OFF) / 4;
      this.insns[at] = op;
      this.insns[at + 1] = k;
      this.insns[at + 2] = (pc + 1 + (op === OP_JA ? k >>> 0 : jt)) * STRIDE;
      this.insns[at + 3] = (pc + 1 + jf) * STRIDE;
    });
  }
}

/** bpf_prog_create: the program, or -EINVAL. */
export function bpf_prog_create(filter: readonly sock_filter[]): bpf_prog | number {
  const err = bpf_check_classic(filter);
  return err < 0 ? err : new bpf_prog(filter);
}

/** bpf_prog_run: how many bytes of the packet are let through, 0 for none; as an unsigned number. */
export function bpf_prog_run(prog: bpf_prog, skb: sk_buff): number {
  return run(prog.insns, prog.mem, skb.ram.u8, skb.data, skb.len, skb.len, skb);
}

/**
 * The same program over a frame that is no sk_buff, by the rules of libpcap's bpf_filter(), which differ from the
 * kernel's where a filter leaves the packet: no ancillary loads, no negative offsets, an index does not wrap, a
 * shift by 32 and more gives 0.
 *
 * @param wirelen - the frame's length on the wire: what a load of the length gives
 */
export function bpf_filter(prog: bpf_prog, u8: Uint8Array, at: number, caplen: number, wirelen: number): number {
  return run(prog.insns, prog.mem, u8, at, caplen, wirelen, null);
}

function run(
  insns: Int32Array,
  mem: Int32Array,
  u8: Uint8Array,
  data: number,
  headlen: number,
  len: number,
  skb: sk_buff | null,
): number {
  let a = 0;
  let x = 0;
  for (let pc = 0; ; ) {
    const k = insns[pc + 1] as number;
    const op = insns[pc] as number;
    switch (op) {
      case OP_LD_W:
      case OP_LD_W_IND: {
        const offset = op === OP_LD_W ? k : index(x, k, skb);
        let at = data + offset;
        if (offset < 0) {
          at = load_pointer_neg(skb, offset, 4);
          if (at < 0) return 0;
        } else if (headlen - offset < 4) {
          return 0;
        }
        a =
          ((u8[at] as number) << 24) |
          ((u8[at + 1] as number) << 16) |
          ((u8[at + 2] as number) << 8) |
          (u8[at + 3] as number);
        break;
      }
      case OP_LD_H:
      case OP_LD_H_IND: {
        const offset = op === OP_LD_H ? k : index(x, k, skb);
        let at = data + offset;
        if (offset < 0) {
          at = load_pointer_neg(skb, offset, 2);
          if (at < 0) return 0;
        } else if (headlen - offset < 2) {
          return 0;
        }
        a = ((u8[at] as number) << 8) | (u8[at + 1] as number);
        break;
      }
      case OP_LD_B:
      case OP_LD_B_IND: {
        const offset = op === OP_LD_B ? k : index(x, k, skb);
        let at = data + offset;
        if (offset < 0) {
          at = load_pointer_neg(skb, offset, 1);
          if (at < 0) return 0;
        } else if (offset >= headlen) {
          return 0;
        }
        a = u8[at] as number;
        break;
      }
      case OP_LD_LEN:
        a = len;
        break;
      case OP_LD_IMM:
        a = k;
        break;
      case OP_LD_MEM:
        a = mem[k] as number;
        break;
      case OP_LDX_LEN:
        x = len;
        break;
      case OP_LDX_IMM:
        x = k;
        break;
      case OP_LDX_MEM:
        x = mem[k] as number;
        break;
      case OP_LDX_MSH: {
        let at = data + k;
        if (k < 0) {
          at = load_pointer_neg(skb, k, 1);
          if (at < 0) return 0;
        } else if (k >= headlen) {
          return 0;
        }
        x = ((u8[at] as number) & 0xf) << 2;
        break;
      }
      case OP_ST:
        mem[k] = a;
        break;
      case OP_STX:
        mem[k] = x;
        break;
      case OP_ADD_K:
        a = (a + k) | 0;
        break;
      case OP_ADD_X:
        a = (a + x) | 0;
        break;
      case OP_SUB_K:
        a = (a - k) | 0;
        break;
      case OP_SUB_X:
        a = (a - x) | 0;
        break;
      case OP_MUL_K:
        a = Math.imul(a, k);
        break;
      case OP_MUL_X:
        a = Math.imul(a, x);
        break;
      case OP_DIV_K:
        // The quotient of two 32-bit numbers is exact enough in a double: truncation never crosses a whole number.
        a = ((a >>> 0) / (k >>> 0)) | 0;
        break;
      case OP_DIV_X:
        if (x === 0) return 0;
        a = ((a >>> 0) / (x >>> 0)) | 0;
        break;
      case OP_MOD_K:
        a = ((a >>> 0) % (k >>> 0)) | 0;
        break;
      case OP_MOD_X:
        if (x === 0) return 0;
        a = ((a >>> 0) % (x >>> 0)) | 0;
        break;
      case OP_AND_K:
        a &= k;
        break;
      case OP_AND_X:
        a &= x;
        break;
      case OP_OR_K:
        a |= k;
        break;
      case OP_OR_X:
        a |= x;
        break;
      case OP_XOR_K:
        a ^= k;
        break;
      case OP_XOR_X:
        a ^= x;
        break;
      case OP_LSH_K:
        a <<= k;
        break;
      case OP_LSH_X:
        a = skb === null && x >>> 0 > 31 ? 0 : a << x;
        break;
      case OP_RSH_K:
        a = (a >>> k) | 0;
        break;
      case OP_RSH_X:
        a = skb === null && x >>> 0 > 31 ? 0 : (a >>> x) | 0;
        break;
      case OP_NEG:
        a = -a | 0;
        break;
      case OP_JA:
        pc = insns[pc + 2] as number;
        continue;
      case OP_JEQ_K:
        pc = insns[a === k ? pc + 2 : pc + 3] as number;
        continue;
      case OP_JEQ_X:
        pc = insns[a === x ? pc + 2 : pc + 3] as number;
        continue;
      case OP_JGT_K:
        pc = insns[a >>> 0 > k >>> 0 ? pc + 2 : pc + 3] as number;
        continue;
      case OP_JGT_X:
        pc = insns[a >>> 0 > x >>> 0 ? pc + 2 : pc + 3] as number;
        continue;
      case OP_JGE_K:
        pc = insns[a >>> 0 >= k >>> 0 ? pc + 2 : pc + 3] as number;
        continue;
      case OP_JGE_X:
        pc = insns[a >>> 0 >= x >>> 0 ? pc + 2 : pc + 3] as number;
        continue;
      case OP_JSET_K:
        pc = insns[(a & k) !== 0 ? pc + 2 : pc + 3] as number;
        continue;
      case OP_JSET_X:
        pc = insns[(a & x) !== 0 ? pc + 2 : pc + 3] as number;
        continue;
      case OP_RET_K:
        return k >>> 0;
      case OP_RET_A:
        return a >>> 0;
      case OP_TAX:
        x = a;
        break;
      case OP_TXA:
        a = x;
        break;
      default: {
        if (skb === null) return 0;
        const what = (op - OP_ANC) * 4;
        // Without a device the program ends with what A holds: the converted program's exit (convert_bpf_extensions).
        if ((what === SKF_AD_IFINDEX || what === SKF_AD_HATYPE) && skb.dev === null) return a >>> 0;
        a = what === SKF_AD_ALU_XOR_X ? a ^ x : ancillary(skb, what, a, x);
      }
    }
    pc += STRIDE;
  }
}

/** An indirect load's offset. In the kernel the sum wraps, and what comes out negative is taken as such. */
function index(x: number, k: number, skb: sk_buff | null): number {
  return skb === null ? (x >>> 0) + (k >>> 0) : (x + k) | 0;
}

/**
 * bpf_skb_load_helper_convert_offset: a negative offset counts from the network or the link-layer header, which may
 * lie before the packet's data. The address of `size` bytes there, or -1.
 */
function load_pointer_neg(skb: sk_buff | null, offset: number, size: number): number {
  if (skb === null) return -1;
  let at = -1;
  if (offset >= SKF_NET_OFF) at = skb.network_header === 0 ? -1 : skb.network_header + offset - SKF_NET_OFF;
  else if (offset >= SKF_LL_OFF) at = skb.mac_header === 0 ? -1 : skb.mac_header + offset - SKF_LL_OFF;
  return at >= skb.head && at + size <= skb.data + skb.len ? at : -1;
}

// ---- ancillary loads ------------------------------------------------------------------------------------------------

function ancillary(skb: sk_buff, what: number, a: number, x: number): number {
  switch (what) {
    case SKF_AD_PROTOCOL:
      return skb.protocol;
    case SKF_AD_PKTTYPE:
      return skb.pkt_type;
    case SKF_AD_IFINDEX:
      return skb.dev === null ? 0 : skb.dev.ifindex;
    case SKF_AD_HATYPE:
      return skb.dev === null ? 0 : skb.dev.type;
    case SKF_AD_NLATTR:
      return nla_find(skb, a, skb.len, x);
    case SKF_AD_NLATTR_NEST:
      return nla_find_nested(skb, a, x);
    case SKF_AD_MARK:
      return skb.mark | 0;
    case SKF_AD_QUEUE:
      return skb.queue_mapping;
    case SKF_AD_RXHASH:
      return skb.hash | 0;
    case SKF_AD_CPU:
      return skb.kernel.cpu.id;
    case SKF_AD_VLAN_TAG:
      return skb.vlan_tci;
    case SKF_AD_VLAN_TAG_PRESENT:
      return skb.vlan_present !== 0 ? 1 : 0;
    case SKF_AD_VLAN_TPID:
      return skb.vlan_present !== 0 ? ETH_P_8021Q : 0;
    case SKF_AD_PAY_OFFSET:
      return skb_get_poff(skb);
    default:
      // SKF_AD_RANDOM
      return skb.kernel.arch.random('bpf').u32() | 0;
  }
}

const NLA_HDRLEN = 4;
const NLA_TYPE_MASK = 0x3fff;

/** nla_find: the offset of the first netlink attribute of type `x` in [from, end), 0 for none. */
function nla_find(skb: sk_buff, from: number, end: number, x: number): number {
  from >>>= 0;
  const { u8 } = skb.ram;
  while (end - from >= NLA_HDRLEN) {
    const at = skb.data + from;
    const length = (u8[at] as number) | ((u8[at + 1] as number) << 8);
    if (length < NLA_HDRLEN || length > end - from) return 0;
    const type = ((u8[at + 2] as number) | ((u8[at + 3] as number) << 8)) & NLA_TYPE_MASK;
    if (type === x) return from;
    from += (length + 3) & ~3;
  }
  return 0;
}

/** nla_find_nested: the same inside the attribute at offset `a`. */
function nla_find_nested(skb: sk_buff, a: number, x: number): number {
  a >>>= 0;
  if (skb.len - a < NLA_HDRLEN) return 0;
  const { u8 } = skb.ram;
  const length = (u8[skb.data + a] as number) | ((u8[skb.data + a + 1] as number) << 8);
  if (length < NLA_HDRLEN || length > skb.len - a) return 0;
  return nla_find(skb, a + NLA_HDRLEN, a + length, x);
}

// ---- sockets --------------------------------------------------------------------------------------------------------

/** sk_attach_filter: 0, -EPERM when the socket's filter is locked, or -EINVAL. Replaces a filter that is there. */
export function sk_attach_filter(filter: readonly sock_filter[] | null, sk: sock): number {
  if (sk.opts.sk_filter_locked) return -EPERM;
  if (filter === null) return -EINVAL;
  const prog = bpf_prog_create(filter);
  if (typeof prog === 'number') return prog;
  sk.sk_filter = prog;
  return 0;
}

/** sk_detach_filter: 0, -EPERM when locked, -ENOENT when there is none. */
export function sk_detach_filter(sk: sock): number {
  if (sk.opts.sk_filter_locked) return -EPERM;
  if (sk.sk_filter === null) return -ENOENT;
  sk.sk_filter = null;
  return 0;
}
