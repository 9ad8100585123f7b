import { describe, expect, test } from 'vitest';
import { Random } from '../../../../harness/sim/random.ts';
import { EAGAIN, EINVAL, ENOENT, EPERM } from '../../../../kernel/errno.ts';
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
  BPF_MAXINSNS,
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
  bpf_check_classic,
  bpf_filter,
  type bpf_prog,
  bpf_prog_create,
  bpf_prog_run,
  SKF_AD_ALU_XOR_X,
  SKF_AD_CPU,
  SKF_AD_HATYPE,
  SKF_AD_IFINDEX,
  SKF_AD_MARK,
  SKF_AD_NLATTR,
  SKF_AD_NLATTR_NEST,
  SKF_AD_OFF,
  SKF_AD_PAY_OFFSET,
  SKF_AD_PKTTYPE,
  SKF_AD_PROTOCOL,
  SKF_AD_QUEUE,
  SKF_AD_RANDOM,
  SKF_AD_RXHASH,
  SKF_AD_VLAN_TAG,
  SKF_AD_VLAN_TAG_PRESENT,
  SKF_AD_VLAN_TPID,
  SKF_LL_OFF,
  SKF_NET_OFF,
  type sock_filter,
} from '../../../../kernel/net/core/filter.ts';
import {
  alloc_skb,
  consume_skb,
  SKB_DROP_REASON,
  type sk_buff,
  skb_pull,
  skb_put,
  skb_reserve,
} from '../../../../kernel/net/core/skbuff.ts';
import {
  SO_ATTACH_FILTER,
  SO_DETACH_FILTER,
  SO_GET_FILTER,
  SO_LOCK_FILTER,
  SOL_SOCKET,
} from '../../../../kernel/net/core/sock.ts';
import {
  AF_INET,
  AF_PACKET,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SOCK_DGRAM,
  SOCK_RAW,
  sockaddr_in,
  sockopt,
} from '../../../../kernel/net/msg.ts';
import { LOCALHOST, socketBench } from '../bench.ts';
import { Programs } from './programs.ts';
import { reference } from './reference.ts';

const insn = (code: number, k = 0, jt = 0, jf = 0): sock_filter => ({ code, jt, jf, k });
const RET_A = insn(BPF_RET | BPF_A);
const ret = (k: number): sock_filter => insn(BPF_RET | BPF_K, k);
const imm = (k: number): sock_filter => insn(BPF_LD | BPF_IMM, k);
const immx = (k: number): sock_filter => insn(BPF_LDX | BPF_IMM, k);

function make(filter: readonly sock_filter[]): bpf_prog {
  const prog = bpf_prog_create(filter);
  if (typeof prog === 'number') throw new Error(`refused: ${prog}`);
  return prog;
}

/** A packet in a host's memory: 14 bytes of link-layer header and what `bytes` says behind it, data at `data`. */
function packet(bytes: readonly number[], data = 14): { skb: sk_buff; done: () => string[] } {
  const bench = socketBench();
  const skb = alloc_skb(bench.kernel, 256) as sk_buff;
  skb_reserve(skb, 32);
  const at = skb_put(skb, 14 + bytes.length);
  bench.kernel.ram.u8.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, ...bytes], at);
  skb.mac_header = at;
  skb.network_header = at + 14;
  skb_pull(skb, data);
  return {
    skb,
    done: () => {
      consume_skb(skb);
      return bench.finish();
    },
  };
}

const BYTES = [0x45, 0x80, 0xff, 0x01, 0x7f, 0xfe, 0x80, 0x00];

describe('instructions', () => {
  const run = (...program: sock_filter[]): number => {
    const { skb, done } = packet(BYTES);
    const verdict = bpf_prog_run(make(program), skb);
    expect(done()).toEqual([]);
    return verdict;
  };
  const alu = (op: number, a: number, b: number): number[] => [
    run(imm(a), insn(BPF_ALU | op | BPF_K, b), RET_A),
    run(imm(a), immx(b), insn(BPF_ALU | op | BPF_X), RET_A),
  ];
  const jump = (op: number, a: number, b: number): number[] => [
    run(imm(a), insn(BPF_JMP | op | BPF_K, b, 1, 0), ret(0), ret(1)),
    run(imm(a), immx(b), insn(BPF_JMP | op | BPF_X, 0, 1, 0), ret(0), ret(1)),
  ];

  test('loads of words, halves and bytes are big-endian and unsigned', () => {
    expect(run(insn(BPF_LD | BPF_W | BPF_ABS, 1), RET_A)).toBe(0x80ff017f);
    expect(run(insn(BPF_LD | BPF_H | BPF_ABS, 2), RET_A)).toBe(0xff01);
    expect(run(insn(BPF_LD | BPF_B | BPF_ABS, 2), RET_A)).toBe(0xff);
    expect(run(immx(3), insn(BPF_LD | BPF_W | BPF_IND, 1), RET_A)).toBe(0x7ffe8000);
    expect(run(immx(3), insn(BPF_LD | BPF_H | BPF_IND, 1), RET_A)).toBe(0x7ffe);
    expect(run(immx(3), insn(BPF_LD | BPF_B | BPF_IND, 1), RET_A)).toBe(0x7f);
  });

  test.each([
    ['word', BPF_W, 4],
    ['half', BPF_H, 2],
    ['byte', BPF_B, 1],
  ])('a %s at the end is loaded, one byte further ends the program with 0', (_, size, bytes) => {
    const last = BYTES.length - bytes;
    for (const offset of [last, last + 1, 1000, 0x7fffffff]) {
      const expected = offset === last ? 7 : 0;
      expect(run(insn(BPF_LD | size | BPF_ABS, offset), ret(7)), `[${offset}]`).toBe(expected);
      expect(run(immx(offset), insn(BPF_LD | size | BPF_IND, 0), ret(7)), `[x + 0]`).toBe(expected);
    }
  });

  test('an index wraps in the kernel, and does not in user space', () => {
    const program = [immx(0xffffffff), insn(BPF_LD | BPF_B | BPF_IND, 2), RET_A];
    expect(run(...program)).toBe(0x80);
    expect(bpf_filter(make(program), Uint8Array.from(BYTES), 0, 8, 8)).toBe(0);
  });

  test('length, immediates, cells, moves', () => {
    expect(run(insn(BPF_LD | BPF_W | BPF_LEN), RET_A)).toBe(8);
    expect(run(insn(BPF_LDX | BPF_W | BPF_LEN), insn(BPF_MISC | BPF_TXA), RET_A)).toBe(8);
    expect(bpf_filter(make([insn(BPF_LD | BPF_W | BPF_LEN), RET_A]), new Uint8Array(8), 0, 8, 1500)).toBe(1500);
    expect(run(imm(0xfffffffe), RET_A)).toBe(0xfffffffe);
    expect(run(imm(5), insn(BPF_ST, 15), imm(0), insn(BPF_LD | BPF_MEM, 15), RET_A)).toBe(5);
    expect(run(immx(6), insn(BPF_STX, 3), insn(BPF_LDX | BPF_MEM, 3), insn(BPF_MISC | BPF_TXA), RET_A)).toBe(6);
    expect(run(imm(9), insn(BPF_MISC | BPF_TAX), imm(0), insn(BPF_MISC | BPF_TXA), RET_A)).toBe(9);
    expect(run(insn(BPF_LDX | BPF_B | BPF_MSH, 0), insn(BPF_MISC | BPF_TXA), RET_A)).toBe(20);
    expect(run(insn(BPF_LDX | BPF_B | BPF_MSH, 8), ret(7))).toBe(0);
    expect(run(ret(0xffffffff))).toBe(0xffffffff);
  });

  test.each([
    ['add', BPF_ADD, 0xffffffff, 2, 1],
    ['sub', BPF_SUB, 1, 2, 0xffffffff],
    ['mul', BPF_MUL, 0xffffffff, 0xffffffff, 1],
    ['mul', BPF_MUL, 0x12345678, 0x9abcdef1, Number((0x12345678n * 0x9abcdef1n) & 0xffffffffn)],
    ['div', BPF_DIV, 0xffffffff, 2, 0x7fffffff],
    ['div', BPF_DIV, 0x80000000, 0xffffffff, 0],
    ['div', BPF_DIV, 0xfffffffe, 0xffffffff, 0],
    ['mod', BPF_MOD, 0xffffffff, 10, 5],
    ['mod', BPF_MOD, 7, 0x80000000, 7],
    ['and', BPF_AND, 0xf0f0f0f0, 0x80ff00ff, 0x80f000f0],
    ['or', BPF_OR, 0x80000000, 1, 0x80000001],
    ['xor', BPF_XOR, 0xffffffff, 0x0f0f0f0f, 0xf0f0f0f0],
    ['lsh', BPF_LSH, 3, 31, 0x80000000],
    ['rsh', BPF_RSH, 0x80000000, 31, 1],
    ['rsh', BPF_RSH, 0xffffffff, 0, 0xffffffff],
  ])('%s: 32 bits, unsigned, by K and by X', (_, op, a, b, expected) => {
    expect(alu(op, a, b)).toEqual([expected, expected]);
  });

  test('neg; division by an X of 0 ends the program; the kernel shifts by X modulo 32, user space to 0', () => {
    expect(run(imm(1), insn(BPF_ALU | BPF_NEG), RET_A)).toBe(0xffffffff);
    for (const op of [BPF_DIV, BPF_MOD]) expect(run(imm(1), immx(0), insn(BPF_ALU | op | BPF_X), ret(7))).toBe(0);
    const shift = [imm(3), immx(33), insn(BPF_ALU | BPF_LSH | BPF_X), RET_A];
    expect(run(...shift)).toBe(6);
    expect(bpf_filter(make(shift), new Uint8Array(1), 0, 1, 1)).toBe(0);
  });

  test.each([
    ['jeq', BPF_JEQ, 0xffffffff, 0xffffffff, 1],
    ['jeq', BPF_JEQ, 1, 2, 0],
    ['jgt', BPF_JGT, 0x80000000, 1, 1],
    ['jgt', BPF_JGT, 5, 5, 0],
    ['jge', BPF_JGE, 5, 5, 1],
    ['jge', BPF_JGE, 1, 0xffffffff, 0],
    ['jset', BPF_JSET, 0x80000000, 0x80000001, 1],
    ['jset', BPF_JSET, 6, 9, 0],
  ])('%s %#x: unsigned, by K and by X', (_, op, a, b, expected) => {
    expect(jump(op, a, b)).toEqual([expected, expected]);
  });

  test('ja', () => {
    expect(run(insn(BPF_JMP | BPF_JA, 1), ret(0), ret(3))).toBe(3);
  });
});

describe('the check', () => {
  const ok = ret(0);
  const padding = (count: number): sock_filter[] => new Array<sock_filter>(count).fill(imm(0));

  test.each<[string, readonly sock_filter[]]>([
    ['an empty program', []],
    ['one that is too long', [...padding(BPF_MAXINSNS), ok]],
    ['one that does not end with RET', [ok, imm(0)]],
    ['RET X', [insn(BPF_RET | BPF_X)]],
    ['a code that is none', [insn(0xfff), ok]],
    ['a code of eBPF', [insn(0x0f), ok]],
    ['a half-word of the length', [insn(BPF_LD | BPF_H | BPF_LEN), ok]],
    ['LDX from the packet', [insn(BPF_LDX | BPF_W | BPF_ABS), ok]],
    ['MSH of a word', [insn(BPF_LDX | BPF_W | BPF_MSH), ok]],
    ['division by 0', [insn(BPF_ALU | BPF_DIV | BPF_K, 0), ok]],
    ['modulus by 0', [insn(BPF_ALU | BPF_MOD | BPF_K, 0), ok]],
    ['a shift to the left by 32', [insn(BPF_ALU | BPF_LSH | BPF_K, 32), ok]],
    ['a shift to the right by -1', [insn(BPF_ALU | BPF_RSH | BPF_K, -1), ok]],
    ['M[16] stored', [insn(BPF_ST, 16), ok]],
    ['M[16] stored from X', [insn(BPF_STX, 16), ok]],
    ['M[16] loaded', [insn(BPF_LD | BPF_MEM, 16), ok]],
    ['M[-1] loaded to X', [insn(BPF_LDX | BPF_MEM, -1), ok]],
    ['M[0] loaded before it is stored', [insn(BPF_LD | BPF_MEM, 0), ok]],
    [
      'M[0] stored on one way only',
      [insn(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), insn(BPF_ST), insn(BPF_LD | BPF_MEM), ok],
    ],
    ['M[0] stored where a jump leads past', [insn(BPF_JMP | BPF_JA, 1), insn(BPF_ST), insn(BPF_LDX | BPF_MEM), ok]],
    ['M[0] loaded behind a RET, where a jump leads', [ret(0), insn(BPF_JMP | BPF_JA, 0), insn(BPF_LD | BPF_MEM), ok]],
    ['a jump to the end', [insn(BPF_JMP | BPF_JA, 1), ok]],
    ['a jump back', [imm(0), insn(BPF_JMP | BPF_JA, -2), ok]],
    ['a jump when true beyond the end', [insn(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), ok]],
    ['a jump when false beyond the end', [insn(BPF_JMP | BPF_JSET | BPF_X, 0, 0, 255), ok]],
    ['an ancillary load that is none', [insn(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + 64), ok]],
    ['an ancillary load off its place', [insn(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + 1), ok]],
    ['a load at -1', [insn(BPF_LD | BPF_H | BPF_ABS, -1), ok]],
  ])('%s: refused', (_, program) => {
    expect(bpf_check_classic(program)).toBe(-EINVAL);
    expect(bpf_prog_create(program)).toBe(-EINVAL);
  });

  test.each<[string, readonly sock_filter[]]>([
    ['the longest', [...padding(BPF_MAXINSNS - 1), ok]],
    ['a jump to the last instruction', [insn(BPF_JMP | BPF_JA, 0), ok]],
    ['code that is never reached', [ret(1), imm(0), ok]],
    [
      'M[0] stored on both ways',
      [insn(BPF_ST), insn(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1), imm(1), insn(BPF_LD | BPF_MEM), ok],
    ],
    ['M[0] loaded where nothing leads', [insn(BPF_JMP | BPF_JA, 1), insn(BPF_LD | BPF_MEM), ok]],
    ['a load far outside', [insn(BPF_LD | BPF_W | BPF_ABS, 0x7fffffff), ok]],
    ['a load below the network header', [insn(BPF_LD | BPF_W | BPF_ABS, SKF_NET_OFF), ok]],
    ['the last ancillary load', [insn(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_VLAN_TPID), RET_A]],
    [
      'ancillary loads of every size',
      [BPF_W, BPF_H, BPF_B].map(size => insn(BPF_LD | size | BPF_ABS, SKF_AD_OFF)).concat(ok),
    ],
  ])('%s: accepted', (_, program) => {
    expect(bpf_check_classic(program)).toBe(0);
  });
});

describe('what is not in the data', () => {
  const load = (what: number, ...before: sock_filter[]): sock_filter[] => [
    ...before,
    insn(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + what),
    RET_A,
  ];

  test('fields of the sk_buff', () => {
    const { skb, done } = packet(BYTES);
    skb.protocol = 0x800;
    skb.pkt_type = 3;
    skb.mark = -2;
    skb.queue_mapping = 5;
    skb.hash = 0xdeadbeef | 0;
    skb.vlan_tci = 0x2005;
    skb.vlan_present = 1;
    const run = (what: number): number => bpf_prog_run(make(load(what)), skb);
    expect(run(SKF_AD_PROTOCOL)).toBe(0x800);
    expect(run(SKF_AD_PKTTYPE)).toBe(3);
    expect(run(SKF_AD_MARK)).toBe(0xfffffffe);
    expect(run(SKF_AD_QUEUE)).toBe(5);
    expect(run(SKF_AD_RXHASH)).toBe(0xdeadbeef);
    expect(run(SKF_AD_CPU)).toBe(0);
    expect([run(SKF_AD_VLAN_TAG), run(SKF_AD_VLAN_TAG_PRESENT), run(SKF_AD_VLAN_TPID)]).toEqual([0x2005, 1, 0x8100]);
    skb.vlan_present = 0;
    expect([run(SKF_AD_VLAN_TAG_PRESENT), run(SKF_AD_VLAN_TPID)]).toEqual([0, 0]);
    expect(run(SKF_AD_RANDOM)).not.toBe(run(SKF_AD_RANDOM));
    expect(bpf_prog_run(make(load(SKF_AD_ALU_XOR_X, imm(6), immx(3))), skb)).toBe(5);
    // Without a device the program ends with what A holds.
    expect(bpf_prog_run(make(load(SKF_AD_IFINDEX, imm(77))), skb)).toBe(77);
    skb.dev = skb.kernel.init_net.dev_get_by_index(1);
    expect([run(SKF_AD_IFINDEX), run(SKF_AD_HATYPE)]).toEqual([1, 772]);
    expect(bpf_filter(make(load(SKF_AD_PROTOCOL)), Uint8Array.from(BYTES), 0, 8, 8)).toBe(0);
    expect(done()).toEqual([]);
  });

  test('headers in front of the data, and nothing in front of the buffer', () => {
    const { skb, done } = packet(BYTES, 16);
    const at = (k: number, size = BPF_B): number => bpf_prog_run(make([insn(BPF_LD | size | BPF_ABS, k), RET_A]), skb);
    expect(at(0)).toBe(0xff);
    expect(at(SKF_NET_OFF)).toBe(0x45);
    expect(at(SKF_LL_OFF + 12, BPF_H)).toBe(0x0800);
    expect(at(SKF_LL_OFF + 14 + 4, BPF_W)).toBe(0x7ffe8000);
    expect(at(SKF_LL_OFF + 14 + 5, BPF_W)).toBe(0);
    expect(at(SKF_LL_OFF - 1)).toBe(0);
    const length = [insn(BPF_LDX | BPF_B | BPF_MSH, SKF_NET_OFF), insn(BPF_MISC | BPF_TXA), RET_A];
    expect(bpf_prog_run(make(length), skb)).toBe(20);
    skb.mac_header = 0;
    expect(at(SKF_LL_OFF + 12, BPF_H)).toBe(0);
    expect(done()).toEqual([]);
  });

  test.each([
    [
      'TCP with options',
      0x800,
      [0x45, ...new Array(8).fill(0), 6, ...new Array(22).fill(0), 0x80, ...new Array(19).fill(0)],
      52,
    ],
    ['UDP behind IP options', 0x800, [0x46, ...new Array(8).fill(0), 17, ...new Array(30).fill(0)], 32],
    ['a fragment that is not the first', 0x800, [0x45, 0, 0, 0, 0, 0, 0, 1, 0, 17, ...new Array(30).fill(0)], 20],
    [
      'ICMPv6 behind a hop-by-hop header',
      0x86dd,
      [0x60, 0, 0, 0, 0, 0, 0, 64, ...new Array(32).fill(0), 58, 0, ...new Array(20).fill(0)],
      56,
    ],
    ['UDP in a VLAN', 0x8100, [0, 5, 8, 0, 0x45, ...new Array(8).fill(0), 17, ...new Array(30).fill(0)], 32],
    ['ARP', 0x806, new Array(28).fill(0), 0],
    ['a header cut short', 0x800, [0x45, 0, 0], 0],
  ])('payload offset: %s', (_, protocol, bytes, expected) => {
    const { skb, done } = packet(bytes as number[]);
    skb.protocol = protocol;
    expect(bpf_prog_run(make(load(SKF_AD_PAY_OFFSET)), skb)).toBe(expected);
    expect(done()).toEqual([]);
  });

  test('netlink attributes', () => {
    const { skb, done } = packet([4, 0, 1, 0, 12, 0, 2, 0, 6, 0, 9, 0, 0xaa, 0xbb, 0, 0, 3, 0, 7, 0]);
    const find = (what: number, from: number, type: number): number =>
      bpf_prog_run(make(load(what, imm(from), immx(type))), skb);
    expect(find(SKF_AD_NLATTR, 0, 2)).toBe(4);
    expect(find(SKF_AD_NLATTR, 4, 1)).toBe(0);
    // A broken one ends the search; far outside there is none.
    expect(find(SKF_AD_NLATTR, 0, 7)).toBe(0);
    expect(find(SKF_AD_NLATTR, 0xfffffff0, 7)).toBe(0);
    expect(find(SKF_AD_NLATTR_NEST, 4, 9)).toBe(8);
    expect(find(SKF_AD_NLATTR_NEST, 4, 1)).toBe(0);
    expect(done()).toEqual([]);
  });
});

describe('random programs', () => {
  test('what the check lets pass runs to its end, reads only its packet, and gives what a plain interpreter gives', () => {
    const programs = new Programs(1);
    const random = new Random(1, 'packets');
    let accepted = 0;
    let through = 0;
    for (let i = 0; i < 6000; i++) {
      const length = 1 + random.below(120);
      const program = programs.next(length, i % 3 === 0);
      const prog = bpf_prog_create(program);
      if (typeof prog === 'number') {
        expect(prog).toBe(-EINVAL);
        continue;
      }
      accepted++;
      const bytes = Uint8Array.from({ length }, () => random.below(256));
      // The same packet with two different surroundings: nothing of them may be seen.
      const verdicts = [0, 0xff].map(around => {
        const memory = new Uint8Array(length + 64).fill(around);
        memory.set(bytes, 32);
        return bpf_filter(prog, memory, 32, length, length + 7);
      });
      const { verdict } = reference(program, bytes, length + 7);
      if (verdicts[0] !== verdict || verdicts[1] !== verdict) {
        expect.fail(`program ${i}: ${verdicts} instead of ${verdict}: ${JSON.stringify(program)}`);
      }
      if (verdict !== 0) through++;
    }
    expect(accepted).toBeGreaterThan(4000);
    expect(through).toBeGreaterThan(1500);
  });

  test('over an sk_buff too, with ancillary loads and negative offsets', () => {
    const programs = new Programs(2);
    const random = new Random(2, 'packets');
    const bytes = Array.from({ length: 100 }, () => random.below(256));
    const { skb, done } = packet(bytes, 0);
    for (let i = 0; i < 2000; i++) {
      const program = programs.next(100, false).map(each => {
        const isLoad = each.code === (BPF_LD | BPF_W | BPF_ABS) && random.chance(0.3);
        return isLoad ? { ...each, k: (SKF_AD_OFF + 4 * random.below(16)) >>> 0 } : each;
      });
      const prog = bpf_prog_create(program);
      if (typeof prog === 'number') continue;
      const verdict = bpf_prog_run(prog, skb);
      expect(verdict >= 0 && verdict <= 0xffffffff && Number.isInteger(verdict)).toBe(true);
    }
    expect([...skb.ram.u8.subarray(skb.mac_header + 14, skb.mac_header + 114)]).toEqual(bytes);
    expect(done()).toEqual([]);
  });
});

describe('sockets', () => {
  const optionOf = (filter: readonly sock_filter[] | null, value = 0): sockopt => {
    const option = new sockopt();
    option.filter = filter;
    option.value = value;
    return option;
  };

  test('attach, replace, ask, detach, lock: with the errnos of Linux', () => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      const set = (name: number, filter: readonly sock_filter[] | null, value = 0) =>
        sys.setsockopt(fd, SOL_SOCKET, name, optionOf(filter, value));
      const got = new sockopt();
      expect(yield* sys.getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, got)).toBe(0);
      expect([got.value, got.filter]).toEqual([0, null]);
      expect(yield* set(SO_DETACH_FILTER, null)).toBe(-ENOENT);
      expect(yield* set(SO_ATTACH_FILTER, null)).toBe(-EINVAL);
      expect(yield* set(SO_ATTACH_FILTER, [])).toBe(-EINVAL);
      expect(yield* set(SO_ATTACH_FILTER, [ret(-1)])).toBe(0);
      expect(yield* set(SO_ATTACH_FILTER, [imm(5), RET_A])).toBe(0);
      // A bad one leaves the one that is there.
      expect(yield* set(SO_ATTACH_FILTER, [imm(5)])).toBe(-EINVAL);
      expect(yield* sys.getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, got)).toBe(0);
      expect([got.value, got.filter]).toEqual([2, [imm(5), RET_A]]);
      expect(yield* set(SO_DETACH_FILTER, null)).toBe(0);
      expect(yield* set(SO_DETACH_FILTER, null)).toBe(-ENOENT);
      expect(yield* set(SO_LOCK_FILTER, null, 0)).toBe(0);
      expect(yield* set(SO_LOCK_FILTER, null, 1)).toBe(0);
      expect(yield* sys.getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, got)).toBe(0);
      expect(got.value).toBe(1);
      expect(yield* set(SO_ATTACH_FILTER, [])).toBe(-EPERM);
      expect(yield* set(SO_DETACH_FILTER, null)).toBe(-EPERM);
      expect(yield* set(SO_LOCK_FILTER, null, 0)).toBe(-EPERM);
      expect(yield* set(SO_LOCK_FILTER, null, 2)).toBe(0);
    });
    expect(bench.finish()).toEqual([]);
  });

  test('UDP: the filter sees the header, refuses with SOCKET_FILTER, and cuts', () => {
    const bench = socketBench();
    const { u8 } = bench.kernel.ram;
    bench.program(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      const to = new sockaddr_in(LOCALHOST, 7);
      yield* sys.bind(fd, to);
      // The first byte of the payload decides: 1 passes, 2 is cut to two bytes of payload, others do not pass.
      const filter = [
        insn(BPF_LD | BPF_B | BPF_ABS, 8),
        insn(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
        ret(-1),
        insn(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 1),
        ret(10),
        ret(0),
      ];
      expect(yield* sys.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, optionOf(filter))).toBe(0);
      const buffer = sys.mmap(64);
      for (const first of [1, 2, 3]) {
        u8[buffer] = first;
        expect(yield* sys.sendto(fd, buffer, 20, 0, to)).toBe(20);
      }
      expect(yield* sys.recv(fd, buffer, 64, MSG_TRUNC)).toBe(20);
      expect(yield* sys.recv(fd, buffer, 64, MSG_TRUNC)).toBe(2);
      expect(yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
    });
    expect(bench.kernel.init_net.drops[SKB_DROP_REASON.SOCKET_FILTER]).toBe(1);
    expect(bench.finish()).toEqual([]);
  });

  test('ping: the filter sees the ICMP header', () => {
    const bench = socketBench();
    const { u8 } = bench.kernel.ram;
    bench.program(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 1);
      const to = new sockaddr_in(LOCALHOST, 0);
      // By its sequence number: even ones pass, cut to the header.
      const filter = [insn(BPF_LD | BPF_H | BPF_ABS, 6), insn(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1), ret(0), ret(8)];
      expect(yield* sys.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, optionOf(filter))).toBe(0);
      const buffer = sys.mmap(64);
      for (const sequence of [1, 2]) {
        u8.set([8, 0, 0, 0, 0, 0, 0, sequence, 1, 2, 3, 4], buffer);
        expect(yield* sys.sendto(fd, buffer, 12, 0, to)).toBe(12);
      }
      expect(yield* sys.recv(fd, buffer, 64, MSG_TRUNC)).toBe(8);
      expect(u8[buffer + 7]).toBe(2);
      expect(yield* sys.recv(fd, buffer, 64, MSG_DONTWAIT)).toBe(-EAGAIN);
    });
    expect(bench.kernel.init_net.drops[SKB_DROP_REASON.SOCKET_FILTER]).toBe(1);
    expect(bench.finish()).toEqual([]);
  });

  test.each([
    ['SOCK_RAW sees the link-layer header', SOCK_RAW, 14],
    ['SOCK_DGRAM does not', SOCK_DGRAM, 0],
  ])('packet sockets: %s, the rest is cut off, what is refused is no drop', (_, type, header) => {
    const bench = socketBench();
    bench.program(function* (sys) {
      const tap = yield* sys.socket(AF_PACKET, type, 3);
      // UDP to port 7, by the network header wherever it is; incoming only.
      const filter = [
        insn(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
        insn(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        insn(BPF_LD | BPF_H | BPF_ABS, header + 22),
        insn(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 1),
        ret(header + 24),
        ret(0),
      ];
      expect(yield* sys.setsockopt(tap, SOL_SOCKET, SO_ATTACH_FILTER, optionOf(filter))).toBe(0);
      const server = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* sys.bind(server, new sockaddr_in(LOCALHOST, 7));
      const buffer = sys.mmap(256);
      yield* sys.sendto(server, buffer, 100, 0, new sockaddr_in(LOCALHOST, 7));
      yield* sys.sendto(server, buffer, 100, 0, new sockaddr_in(LOCALHOST, 8));
      expect(yield* sys.recv(tap, buffer, 256, MSG_DONTWAIT)).toBe(header + 24);
      expect(yield* sys.recv(tap, buffer, 256, MSG_DONTWAIT)).toBe(-EAGAIN);
      // The cut is the tap's: who shares the frame got all of it.
      expect(yield* sys.recv(server, buffer, 256, MSG_DONTWAIT)).toBe(100);
    });
    expect(bench.kernel.init_net.drops[SKB_DROP_REASON.SOCKET_FILTER] ?? 0).toBe(0);
    expect(bench.finish()).toEqual([]);
  });
});
