/**
 * Classic BPF against the kernel this runs on: the same programs are refused, with the same errno, and the others let
 * the same number of bytes through. A datagram on a pair of sockets with the filter attached is what Linux runs it on.
 */
import { expect } from 'vitest';
import { Random } from '../../harness/sim/random.ts';
import { bpf_prog_create, bpf_prog_run, type sock_filter } from '../../kernel/net/core/filter.ts';
import { alloc_skb, consume_skb, type sk_buff, skb_put } from '../../kernel/net/core/skbuff.ts';
import { socketBench } from '../kernel/net/bench.ts';
import { Programs } from '../kernel/net/core/programs.ts';
import { testOnLinux } from '../needs.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;

/** Bytes that arrive of `packet` through the filter, or the negative errno with which it is refused. */
type Judge = (program: readonly sock_filter[], packet: Uint8Array) => number;

async function linux(): Promise<Judge> {
  const koffi = (await import('koffi')).default;
  const libc = koffi.load(null);
  const socketpair = libc.func('int socketpair(int domain, int type, int protocol, void *pair)');
  const setsockopt = libc.func('int setsockopt(int fd, int level, int name, void *value, unsigned int length)');
  const send = libc.func('long send(int fd, void *data, unsigned long length, int flags)');
  const recv = libc.func('long recv(int fd, void *into, unsigned long length, int flags)');
  const close = libc.func('int close(int fd)');
  const into = Buffer.alloc(65536);
  return (program, packet) => {
    const pair = Buffer.alloc(8);
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) !== 0) throw new Error(`socketpair: errno ${koffi.errno()}`);
    const [ours, theirs] = [pair.readInt32LE(0), pair.readInt32LE(4)];
    try {
      // struct sock_filter: code, jt, jf, k; struct sock_fprog: their number and, aligned, where they are.
      const instructions = Buffer.alloc(8 * program.length);
      program.forEach(({ code, jt, jf, k }, at) => {
        instructions.writeUInt16LE(code, 8 * at);
        instructions.writeUInt8(jt, 8 * at + 2);
        instructions.writeUInt8(jf, 8 * at + 3);
        instructions.writeUInt32LE(k >>> 0, 8 * at + 4);
      });
      const fprog = Buffer.alloc(16);
      fprog.writeUInt16LE(program.length, 0);
      fprog.writeBigUInt64LE(BigInt(koffi.address(instructions)), 8);
      if (setsockopt(theirs, SOL_SOCKET, SO_ATTACH_FILTER, fprog, fprog.length) !== 0) return -koffi.errno();
      if (send(ours, packet, packet.length, 0) !== packet.length) throw new Error(`send: errno ${koffi.errno()}`);
      const received = Number(recv(theirs, into, into.length, MSG_DONTWAIT));
      if (received < 0 && koffi.errno() !== EAGAIN) throw new Error(`recv: errno ${koffi.errno()}`);
      return Math.max(received, 0);
    } finally {
      close(ours);
      close(theirs);
    }
  };
}

function ours(skb: sk_buff): Judge {
  return (program, packet) => {
    skb.ram.u8.set(packet, skb.data);
    const prog = bpf_prog_create(program);
    return typeof prog === 'number' ? prog : Math.min(bpf_prog_run(prog, skb), packet.length);
  };
}

testOnLinux()('3000 random programs: refused alike, run alike', { timeout: 60_000 }, async () => {
  const length = 200;
  const bench = socketBench();
  const skb = alloc_skb(bench.kernel, length) as sk_buff;
  skb_put(skb, length);
  skb.network_header = skb.data;
  const [judge, we] = [await linux(), ours(skb)];
  const programs = new Programs(11);
  const random = new Random(11, 'packets');
  const counts = { refused: 0, none: 0, some: 0, all: 0 };
  for (let i = 0; i < 3000; i++) {
    const packet = Uint8Array.from({ length }, () => random.below(256));
    const program = programs.next(length, i % 2 === 0);
    const [expected, got] = [judge(program, packet), we(program, packet)];
    if (got !== expected) expect.fail(`Linux: ${expected}, we: ${got}: ${JSON.stringify(program)}`);
    counts[got < 0 ? 'refused' : got === 0 ? 'none' : got < length ? 'some' : 'all']++;
  }
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(200);
  consume_skb(skb);
  expect(bench.finish()).toEqual([]);
});
