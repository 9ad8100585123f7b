/** SACKed packets that become one, and what is cut out of them again; finding one among thousands. */
import { describe, expect, test } from 'vitest';
import { Chance } from '../../../../harness/sim/random.ts';
import { TcpFlow } from './tcp_flow.ts';

const SEGMENT = 100;

/** `n` segments of their own in flight, of bytes that tell where they are. */
function flight(n: number, gso = false): TcpFlow {
  const f = new TcpFlow({ rtt: 0.01, win: 65535, gso, options: `mss ${SEGMENT},sackOK,nop,nop,nop,wscale 7` });
  const { ram } = f.kernel;
  for (let i = 0; i < 100_000; i++) ram.u8[f.buffer + i] = byteAt(i);
  f.sk.snd_cwnd = n;
  f.sk.sk_sndbuf = 100_000_000;
  f.set(6, 1, 1);
  if (gso) f.write(n * SEGMENT);
  else for (let i = 0; i < n; i++) f.writeAt((i * SEGMENT) % 100_000, SEGMENT);
  f.segments();
  f.wait(0.01);
  return f;
}

const byteAt = (i: number): number => (i * 7 + (i >> 8) * 13) & 255;

const ack = (ack: number, ...blocks: [number, number][]): string =>
  `. 1:1(0) ack ${ack} win 65535${blocks.length === 0 ? '' : ` <sack ${blocks.map(b => b.join(':')).join(' ')},nop,nop>`}`;

/** Everything that is sent says what it ought to. */
function expectRight(f: TcpFlow): void {
  for (const { sequence, payload } of f.segments()) {
    const at = ((sequence - f.hostIsn()) | 0) - 1;
    for (let i = 0; i < payload.length; i++) {
      if (payload[i] !== byteAt((at + i) % 100_000)) expect.fail(`byte ${at + i} is wrong`);
    }
  }
}

describe('a run of SACKed packets', () => {
  test('reported at once: one packet, less memory, no byte moved; acknowledged: all of it is free', () => {
    const f = flight(50);
    const { mib } = f.net.ipv4;
    const alive = f.kernel.skbs.alive;
    const queued = f.sk.sk_wmem_queued;
    f.inject(ack(1, [SEGMENT + 1, 50 * SEGMENT + 1]));
    f.segments();
    expect(f.sk.tcp_rtx_queue.qlen).toBe(2);
    expect(mib.TcpExtTCPSackMerged).toBe(48);
    expect(queued - f.sk.sk_wmem_queued).toBe(48 * 832);
    f.inject(ack(50 * SEGMENT + 1));
    expect(f.sk.tcp_rtx_queue.qlen).toBe(0);
    expect(f.sk.sk_wmem_queued).toBe(0);
    expect(alive - f.kernel.skbs.alive).toBe(50);
    expect(mib.TcpExtTCPSackShiftFallback).toBe(1);
  });

  test('thrown away by its receiver: every byte again, as it was', () => {
    const f = flight(60);
    f.inject(ack(1, [SEGMENT + 1, 2 * SEGMENT + 1]));
    f.inject(ack(1, [SEGMENT + 1, 60 * SEGMENT + 1]));
    f.wait(3);
    expectRight(f);
    for (let at = 1; at < 60 * SEGMENT; at += 333) {
      f.inject(ack(at));
      f.wait(0.2);
      expectRight(f);
    }
    f.inject(ack(60 * SEGMENT + 1));
    expect([f.sk.tcp_rtx_queue.qlen, f.sk.sk_wmem_queued, f.sk.packets_out]).toEqual([0, 0, 0]);
  });

  test('more than 512 packets: a second one begins', () => {
    const f = flight(700);
    f.inject(ack(1, [SEGMENT + 1, 700 * SEGMENT + 1]));
    expect(f.sk.tcp_rtx_queue.qlen).toBe(3);
    f.inject(ack(700 * SEGMENT + 1));
    expect(f.sk.sk_wmem_queued).toBe(0);
  });
});

describe('blocks by chance, truncated, taken back and acknowledged in the middle', () => {
  test.each([1, 2, 3, 4, 5, 6])('seed %i: counts stay right, every byte sent again is the right one', seed => {
    const r = new Chance(seed).stream('sack');
    const n = 120;
    const f = flight(n, seed % 2 === 0);
    const end = n * SEGMENT + 1;
    let una = 1;
    while (una < end) {
      const blocks: [number, number][] = [];
      for (let i = r.below(4); i > 0; i--) {
        const whole = r.below(3) > 0;
        const from = una + 1 + r.below(Math.max(1, end - una - 1));
        const start = whole ? from - ((from - 1) % SEGMENT) : from;
        const until = Math.min(end, start + 1 + (whole ? SEGMENT * r.below(40) + SEGMENT - 1 : r.below(4000)));
        if (start > una && until > start) blocks.push([start, until]);
      }
      f.inject(ack(una, ...blocks));
      if (r.below(4) === 0) una = Math.min(end, una + r.below(7 * SEGMENT));
      if (r.below(10) === 0) f.wait(r.below(400) / 1000);
      expectRight(f);
      let packets = 0;
      let sacked = 0;
      let bytes = 0;
      for (let skb = f.sk.tcp_rtx_queue.first; skb !== null; skb = skb.next) {
        expect((skb.end_seq - skb.seq) | 0).toBe(skb.len);
        let pieces = skb.data_len;
        for (let piece = skb.frag_list; piece !== null; piece = piece.next) pieces -= piece.len;
        expect(pieces).toBe(0);
        packets += skb.gso_segs;
        if ((skb.sacked & 1) !== 0) sacked += skb.gso_segs;
        bytes += skb.truesize;
      }
      expect([f.sk.packets_out, f.sk.sacked_out, f.sk.sk_wmem_queued]).toEqual([packets, sacked, bytes]);
    }
    f.inject(ack(end));
    expect([f.sk.tcp_rtx_queue.qlen, f.sk.sk_wmem_queued, f.sk.lost_out, f.sk.retrans_out]).toEqual([0, 0, 0, 0]);
  });
});

describe('4,000 packets in flight', () => {
  test('blocks all over: a search looks at some dozens of them', () => {
    const n = 4000;
    const f = flight(n);
    const r = new Chance(7).stream('sack');
    f.sk.snd_cwnd = 1;
    const acks = 500;
    for (let i = 0; i < acks; i++) {
      const blocks = [0, 1, 2].map((): [number, number] => {
        const at = (2 * r.below(n / 2 - 1) + 1) * SEGMENT + 1;
        return [at, at + SEGMENT];
      });
      f.inject(ack(1, ...blocks));
    }
    // The first time a part of the queue is passed, marks are laid; from then on it is not more than from one to the next.
    const steps = f.sk.slow.rtx_index?.steps ?? Number.NaN;
    expect(steps).toBeGreaterThan(0);
    expect(steps).toBeLessThan(n + acks * 3 * 33);
    expect(f.sk.tcp_rtx_queue.qlen).toBe(n);
    f.inject(ack(n * SEGMENT + 1));
    expect([f.sk.tcp_rtx_queue.qlen, f.sk.sk_wmem_queued]).toEqual([0, 0]);
  });

  test('half of them acknowledged, others merged: what is left is found all the same', () => {
    const n = 4000;
    const f = flight(n);
    f.sk.snd_cwnd = 1;
    for (let i = 1; i < n; i += 40) f.inject(ack(1, [i * SEGMENT + 1, (i + 20) * SEGMENT + 1]));
    const half = n / 2;
    f.inject(ack(half * SEGMENT + 1));
    let sacked = f.sk.sacked_out;
    expect(sacked).toBe((n / 2 / 40) * 20);
    for (let i = half + 25; i < n; i += 40) {
      f.inject(ack(half * SEGMENT + 1, [i * SEGMENT + 1, (i + 1) * SEGMENT + 1]));
      expect(f.sk.sacked_out).toBe(++sacked);
    }
  });
});
