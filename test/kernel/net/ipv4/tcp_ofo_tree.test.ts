/** The out-of-order queue as a tree: every place costs about the same to find, in whatever order a peer sends. */
import { expect, test } from 'vitest';
import type { sk_buff } from '../../../../kernel/net/core/skbuff.ts';
import { SOCK_RCVBUF_LOCK } from '../../../../kernel/net/core/sock.ts';
import { tcp_ofo_find } from '../../../../kernel/net/ipv4/tcp_ofo_tree.ts';
import { TcpFlow } from './tcp_flow.ts';
import { PEER_ISN } from './tcp_peer.ts';

const SEGMENTS = 20_000;

/** A connection with so much of a receive buffer, for good. */
function flow(rcvbuf: number): TcpFlow {
  const f = new TcpFlow({ rtt: 0.01 });
  f.net.ipv4.tcp_mem.splice(0, 3, 100_000, 200_000, 300_000);
  f.sk.sk_rcvbuf = rcvbuf;
  f.sk.sk_userlocks |= SOCK_RCVBUF_LOCK;
  return f;
}

/** Processor time, µs. */
function time(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/** Single bytes at every other place: the time that they take, and then a look for each of them, in the same order. */
function flood(order: (i: number) => number): { sent: number; found: number } {
  const f = flow(64 << 20);
  const sent = time(() => {
    for (let i = 0; i < SEGMENTS; i++) {
      const at = 2 + 2 * order(i);
      f.inject(`. ${at}:${at + 1}(1) ack 1 win 257`);
      if (i % 64 === 0) f.segments();
    }
  });
  const { slow } = f.sk;
  expect(slow.out_of_order_queue.qlen).toBe(SEGMENTS);
  let wrong = 0;
  const found = time(() => {
    for (let i = 0; i < SEGMENTS; i++) {
      const seq = (PEER_ISN + 2 + 2 * order(i)) | 0;
      if (tcp_ofo_find(slow, seq)?.seq !== seq) wrong++;
    }
  });
  expect(wrong).toBe(0);
  f.close();
  return { sent, found };
}

/** 'start:end' of the packets in the queue: by the list, which the tree must agree with. */
function queued(f: TcpFlow): string[] {
  const { slow } = f.sk;
  const range = (skb: sk_buff): string => `${(skb.seq - PEER_ISN) | 0}:${(skb.end_seq - PEER_ISN) | 0}`;
  const list: string[] = [];
  for (let skb = slow.out_of_order_queue.first; skb !== null; skb = skb.next) list.push(range(skb));
  const tree: string[] = [];
  const path: sk_buff[] = [];
  for (let skb = list.length === 0 ? null : slow.ooo_root; skb !== null || path.length > 0; ) {
    if (skb !== null) {
      path.push(skb);
      skb = skb.tsorted_prev;
    } else {
      const top = path.pop() as sk_buff;
      tree.push(range(top));
      skb = top.tsorted_next;
    }
  }
  expect(tree).toEqual(list);
  return list;
}

/** Numbers below `n`, always the same ones. */
function random(seed: number): (n: number) => number {
  let state = seed;
  return n => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) % n;
  };
}

test('20,000 single bytes out of order, from behind or from both ends inwards: not dearer than from the front', () => {
  const front = flood(i => i);
  const behind = flood(i => SEGMENTS - 1 - i);
  const inwards = flood(i => ((i & 1) === 0 ? i >> 1 : SEGMENTS - 1 - (i >> 1)));
  expect(behind.sent / front.sent).toBeLessThan(2);
  expect(inwards.sent / front.sent).toBeLessThan(1.7);
  // One after the other is what a tree that only brings the last one to its root does worst.
  expect(front.found / front.sent).toBeLessThan(0.3);
  expect(behind.found / front.sent).toBeLessThan(0.3);
}, 60_000);

test.each([1, 2])('segments of any length anywhere, %i: what is queued is what came, each byte once', seed => {
  const f = flow(16 << 20);
  const rand = random(seed);
  const came = new Uint8Array(20_000);
  for (let i = 0; i < 1500; i++) {
    const at = 2 + rand(came.length - 102);
    const length = 1 + rand(seed % 2 === 0 ? 100 : 8);
    came.fill(1, at, at + length);
    f.inject(`. ${at}:${at + length}(${length}) ack 1 win 257`);
    if (i % 100 !== 99) continue;
    f.segments();
    const held = new Uint8Array(came.length);
    let last = 0;
    for (const range of queued(f)) {
      const [start = 0, end = 0] = range.split(':').map(Number);
      expect(start).toBeGreaterThan(last);
      last = start;
      held.fill(1, start, end);
    }
    expect(Buffer.compare(held, came)).toBe(0);
  }
  const to = f.memory(came.length);
  let got = 0;
  for (let at = 1; at < came.length; at += 1000) {
    const length = Math.min(1000, came.length - at);
    f.inject(`. ${at}:${at + length}(${length}) ack 1 win 257`);
    for (let n = f.readTo(to + got, 20_000); n > 0; n = f.readTo(to + got, 20_000)) got += n;
    queued(f);
  }
  expect(got).toBe(came.length - 1);
  const { u8 } = f.kernel.ram;
  for (let i = 0; i < got; i++) if (u8[to + i] !== ((1 + i) & 255)) expect.fail(`byte ${i} is wrong`);
  expect(f.sk.sk_rmem_alloc).toBe(0);
  f.close();
});

test.each([5, 6])('the buffer is full, %i: packets are packed closer and thrown away, and the tree follows', seed => {
  const f = flow(100_000);
  const rand = random(seed);
  const { mib } = f.net.ipv4;
  for (let i = 0; i < 3000; i++) {
    const at = 2 + rand(30_000);
    const length = 1 + rand(30);
    f.inject(`. ${at}:${at + length}(${length}) ack 1 win 257`);
    if (i % 50 === 0) {
      f.segments();
      queued(f);
    }
  }
  expect(mib.TcpExtTCPRcvCollapsed).toBeGreaterThan(0);
  expect(mib.TcpExtOfoPruned).toBeGreaterThan(10);
  queued(f);
  f.close();
});
