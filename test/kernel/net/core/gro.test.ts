import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csum_fold, csum_partial } from '../../../../kernel/lib/checksum.ts';
import { netdev_set_gro } from '../../../../kernel/net/core/gro.ts';
import { NETIF_F_GRO_FRAGLIST } from '../../../../kernel/net/core/netdevice.ts';
import { skb_checksum } from '../../../../kernel/net/core/skb_checksum.ts';
import {
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  pskb_may_pull,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_copy,
  skb_copy_bits,
  skb_linearize,
  skb_pull,
  skb_put,
  skb_trim,
} from '../../../../kernel/net/core/skbuff.ts';
import { SOL_UDP, UDP_GRO } from '../../../../kernel/net/ipv4/udp.ts';
import { AF_INET, cmsg, SOCK_DGRAM, sockopt, user_msghdr } from '../../../../kernel/net/msg.ts';
import { type Delivered, pollerAndSink, stream, type Tcp, tagged, tcpFrame, udpFrame } from '../rx.ts';
import { A, type Ip, Segment } from '../segment.ts';

const MSS = 100;

/** The nth full segment of a stream. */
const nth = (n: number, tcp: Tcp = {}, ip: Ip = {}): Uint8Array =>
  tcpFrame({ seq: n * MSS, payload: stream(n * MSS, MSS), ...tcp }, { id: 100 + n, ...ip });

const setUp = pollerAndSink;

const sizes = (got: readonly Delivered[]): number[] => got.map(({ length }) => length);

describe('TCP segments of one flow in one poll', () => {
  it('in order, one packet with the bytes of all, true headers and the segments’ size', () => {
    const { poller, got, finish } = setUp();
    poller.poll(...Array.from({ length: 10 }, (_, n) => nth(n)));
    expect(got).toMatchObject([{ seq: 0, length: 1000, segs: 10, gso_size: MSS, sound: true }]);
    expect(got[0]?.payload).toEqual(stream(0, 1000));
    finish();
  });

  it.each<[string, Tcp, Ip]>([
    ['another acknowledgement', { ack: 2 }, {}],
    ['another window', { window: 999 }, {}],
    ['options', { options: [1, 1, 1, 1] }, {}],
    ['ECE', { flags: 0x50 }, {}],
    ['CWR', { flags: 0x90 }, {}],
    ['a hole in the sequence', { seq: 150 }, {}],
    ['another TTL', {}, { ttl: 63 }],
    ['another TOS', {}, { tos: 4 }],
    ['no DF', {}, { frag: 0 }],
    ['an identification that jumps', {}, { id: 7 }],
    ['more than the segments before', { payload: stream(MSS, MSS + 1) }, {}],
  ])('the second with %s, not merged, in order', (_what, tcp, ip) => {
    const { poller, got, finish } = setUp();
    poller.poll(nth(0), nth(1, tcp, ip));
    expect(got.map(({ seq }) => seq)).toEqual([0, tcp.seq ?? MSS]);
    expect(got.every(({ sound }) => sound)).toBe(true);
    finish();
  });

  it.each<[string, number]>([
    ['PSH', 0x18],
    ['FIN', 0x11],
  ])('%s, merged as the last, and its flag shows', (_what, flags) => {
    const { poller, got, finish } = setUp();
    poller.poll(nth(0), nth(1, { flags }), nth(2));
    expect(got.map(({ length, flags: seen }) => [length, seen])).toEqual([
      [200, flags],
      [100, 0x10],
    ]);
    finish();
  });

  it.each<[string, number]>([
    ['SYN', 0x12],
    ['RST', 0x14],
    ['URG', 0x30],
  ])('%s, never merged', (_what, flags) => {
    const { poller, got, finish } = setUp();
    poller.poll(nth(0), nth(1, { flags }), nth(2));
    expect(sizes(got)).toEqual([100, 100, 100]);
    finish();
  });

  it('a shorter one, merged as the last', () => {
    const { poller, got, finish } = setUp();
    poller.poll(
      nth(0),
      nth(1, { payload: stream(MSS, 30) }),
      tcpFrame({ seq: 130, payload: stream(130, MSS) }, { id: 102 }),
    );
    expect(sizes(got)).toEqual([130, 100]);
    expect(got[0]).toMatchObject({ segs: 2, gso_size: MSS });
    finish();
  });

  it('acknowledgements without data, padded by Ethernet: as they came', () => {
    const { poller, got, finish } = setUp();
    poller.poll(nth(0), tcpFrame({ seq: MSS }, { id: 101, pad: 6 }), tcpFrame({ seq: MSS }, { id: 102, pad: 6 }));
    expect(sizes(got)).toEqual([100, 0, 0]);
    finish();
  });

  it('a constant identification with DF, merged; without DF not', () => {
    const { poller, got, finish } = setUp();
    poller.poll(nth(0, {}, { id: 5 }), nth(1, {}, { id: 5 }), nth(2, {}, { id: 5 }));
    poller.poll(nth(0, {}, { id: 5, frag: 0 }), nth(1, {}, { id: 5, frag: 0 }));
    expect(sizes(got)).toEqual([300, 100, 100]);
    finish();
  });

  it('a wrong checksum, up by itself and untouched', () => {
    const { poller, got, finish } = setUp();
    poller.poll(nth(0), nth(1, { badChecksum: true }), nth(1));
    expect(sizes(got).sort((a, b) => a - b)).toEqual([100, 200]);
    finish();
  });

  it('two flows mixed, each merged', () => {
    const { poller, got, finish } = setUp();
    poller.poll(nth(0), nth(0, { sport: 9 }), nth(1), nth(1, { sport: 9 }));
    expect(sizes(got)).toEqual([200, 200]);
    finish();
  });

  it('64 KiB, no larger packet', () => {
    const { segment, poller, got, finish } = setUp();
    segment.dev.gro_max_size = 2000;
    poller.poll(...Array.from({ length: 30 }, (_, n) => nth(n)));
    expect(Math.max(...sizes(got))).toBe(1900);
    expect(got.flatMap(({ payload }) => payload)).toEqual(stream(0, 3000));
    finish();
  });

  it('nine flows, the oldest makes way for the ninth', () => {
    const { poller, got, finish } = setUp();
    const flows = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    poller.poll(...flows.map(sport => nth(0, { sport })), nth(1, { sport: 2 }), nth(1, { sport: 1 }));
    expect(got.find(({ sport }) => sport === 2)).toMatchObject({ length: 200 });
    expect(got.filter(({ sport }) => sport === 1).map(({ length }) => length)).toEqual([100, 100]);
    expect(got.length).toBe(10);
    finish();
  });

  it('ethtool -K gro off: as they came', () => {
    const { segment, poller, got, finish } = setUp();
    netdev_set_gro(segment.dev, false);
    poller.poll(nth(0), nth(1));
    expect(sizes(got)).toEqual([100, 100]);
    finish();
  });

  it('tagged, merged within their VLAN and dropped as another’s', () => {
    const { segment, poller, finish } = setUp();
    poller.poll(tagged(nth(0), 5), tagged(nth(1), 5), tagged(nth(2), 6));
    expect(segment.drops).toEqual(['OTHERHOST', 'OTHERHOST', 'OTHERHOST']);
    expect(poller.napi.gro).toMatchObject({ merged: 1, completed: 1 });
    finish();
  });
});

describe('how long packets are held', () => {
  it('two polls, nothing is merged across them', () => {
    const { poller, got, finish } = setUp();
    poller.poll(nth(0));
    expect(sizes(got)).toEqual([100]);
    poller.poll(nth(1));
    expect(sizes(got)).toEqual([100, 100]);
    finish();
  });

  it('a poll that uses its whole budget, what is held of this jiffy stays and grows', () => {
    const { poller, got, finish } = setUp();
    poller.poll(...Array.from({ length: 100 }, (_, n) => nth(n)));
    expect(got).toMatchObject([{ length: 10000, segs: 100, sound: true }]);
    finish();
  });

  it('gro_flush_timeout set, held beyond the poll until the timer', () => {
    const { segment, poller, got, finish } = setUp();
    segment.dev.gro_flush_timeout = 20_000;
    poller.poll(nth(0));
    expect([sizes(got), poller.completions]).toEqual([[], [true]]);
    poller.poll(nth(1));
    expect(sizes(got)).toEqual([]);
    // The next jiffy: what is from before is flushed when the timer polls.
    segment.wait(0.002);
    expect(sizes(got)).toEqual([200]);
    finish();
  });

  it('napi_defer_hard_irqs, the interrupt stays off until that many polls found nothing', () => {
    const { segment, poller, finish } = setUp();
    segment.dev.gro_flush_timeout = 20_000;
    segment.dev.napi_defer_hard_irqs = 2;
    poller.poll(nth(0));
    segment.wait(0.01);
    expect(poller.completions).toEqual([false, false, true]);
    finish();
  });

  it('the context is deleted while it holds a packet, dropped with a reason', () => {
    const { segment, poller, got, finish } = setUp();
    segment.dev.gro_flush_timeout = 1_000_000_000;
    poller.poll(nth(0));
    finish();
    expect(got).toEqual([]);
    expect(segment.drops).toEqual(['QUEUE_PURGE']);
  });
});

describe('UDP', () => {
  const datagram = (n: number, size = 50): Uint8Array => udpFrame({ payload: stream(n * 50, size) }, { id: 100 + n });

  /** Lengths that recvmsg gives, with gso_size, until nothing is left. */
  function receive(gro: boolean, features: number, frames: Uint8Array[]): [number, number][] {
    const { segment, poller, finish } = setUp();
    segment.dev.features |= features;
    const got: [number, number][] = [];
    const opened = { done: false };
    segment.host.spawn('sink', function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* sys.bind(fd, sys.sockaddr(0, 7000));
      const opt = new sockopt();
      opt.value = 1;
      if (gro) yield* sys.setsockopt(fd, SOL_UDP, UDP_GRO, opt);
      opened.done = true;
      const msg = new user_msghdr();
      msg.base = sys.mmap(65536);
      msg.length = 65536;
      msg.control = new cmsg();
      for (;;) {
        msg.control.gso_size = 0;
        const n = yield* sys.recvmsg(fd, msg, 0);
        if (n < 0) throw new Error(String(n));
        got.push([n, msg.control.gso_size]);
      }
    });
    segment.settle();
    expect(opened.done).toBe(true);
    poller.poll(...frames);
    segment.world.sim.run(segment.world.sim.time + 1e6);
    finish();
    return got;
  }

  it('a socket that did not ask, every datagram by itself', () => {
    expect(receive(false, 0, [datagram(0), datagram(1)])).toEqual([
      [50, 0],
      [50, 0],
    ]);
  });

  it('UDP_GRO, several at once, and the length of each', () => {
    expect(receive(true, 0, [datagram(0), datagram(1), datagram(2, 20), datagram(3)])).toEqual([
      [120, 50],
      [50, 0],
    ]);
  });

  it('rx-gro-list, merged below and cut apart again for the socket', () => {
    expect(receive(false, NETIF_F_GRO_FRAGLIST, [datagram(0), datagram(1), datagram(2, 20)])).toEqual([
      [50, 0],
      [50, 0],
      [20, 0],
    ]);
  });

  it('no checksum, not merged', () => {
    const bare = (n: number): Uint8Array => udpFrame({ payload: stream(0, 50), checksum: 0 }, { id: n });
    expect(receive(true, 0, [bare(1), bare(2)])).toEqual([
      [50, 0],
      [50, 0],
    ]);
  });
});

describe('whatever comes', () => {
  const piece = fc.record({
    flow: fc.integer({ min: 1, max: 3 }),
    length: fc.constantFrom(0, 1, 40, 100, 100, 100, 101),
    push: fc.boolean(),
    kind: fc.constantFrom('plain', 'plain', 'plain', 'plain', 'gap', 'ack', 'window', 'options', 'ttl', 'id'),
    end: fc.integer({ min: 0, max: 9 }),
  });

  it('random segments, the same bytes, boundaries and order as without GRO', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), pieces => {
        const next = [0, 0xffffff00, 1000, 5];
        const ids = [0, 1, 65530, 9];
        let ack = 1;
        const polls: Uint8Array[][] = [[]];
        for (const { flow, length, push, kind, end } of pieces) {
          if (kind === 'gap') next[flow] = ((next[flow] as number) + 7) >>> 0;
          if (kind === 'ack') ack++;
          if (kind === 'id') ids[flow] = ((ids[flow] as number) + 3) & 0xffff;
          const seq = next[flow] as number;
          const id = ids[flow] as number;
          next[flow] = (seq + length) >>> 0;
          ids[flow] = (id + 1) & 0xffff;
          const frame = tcpFrame(
            {
              sport: flow,
              seq,
              ack,
              flags: push ? 0x18 : 0x10,
              window: kind === 'window' ? 5 : 1000,
              payload: stream(seq, length),
              ...(kind === 'options' ? { options: [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2] } : {}),
            },
            { id, ttl: kind === 'ttl' ? 9 : 64 },
          );
          (polls.at(-1) as Uint8Array[]).push(frame);
          if (end === 0) polls.push([]);
        }
        const runs = [true, false].map(on => {
          const { segment, poller, got, finish } = setUp();
          netdev_set_gro(segment.dev, on);
          for (const frames of polls) poller.poll(...frames);
          finish();
          expect(got.every(packet => packet.sound)).toBe(true);
          return got;
        });
        const [merged, plain] = runs.map(got =>
          [1, 2, 3].map(flow => got.filter(({ sport }) => sport === flow).flatMap(segments)),
        );
        expect(merged).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });

  /** What a merged packet was made of; PSH may be on the last one only. */
  function segments(packet: Delivered): { seq: number; payload: number[]; push: boolean }[] {
    const { seq, payload, segs, gso_size, flags } = packet;
    return Array.from({ length: segs }, (_, i) => ({
      seq: (seq + i * gso_size) >>> 0,
      payload: payload.slice(i * gso_size, (i + 1) * gso_size),
      push: i === segs - 1 && (flags & 8) !== 0,
    }));
  }
});

describe('a packet in parts', () => {
  /** A packet of these parts, the first one linear, filled with 0, 1, 2, … */
  function parts(segment: Segment, lengths: number[]): sk_buff {
    let at = 0;
    let head: sk_buff | null = null;
    let last: sk_buff | null = null;
    for (const length of lengths) {
      const skb = alloc_skb(segment.kernel, length) as sk_buff;
      for (let i = 0, to = skb_put(skb, length); i < length; i++) skb.ram.u8[to + i] = at++;
      if (head === null) {
        head = skb;
        continue;
      }
      if (last === null) head.frag_list = skb;
      else last.next = skb;
      skb.next = null;
      last = skb;
      head.len += length;
      head.data_len += length;
    }
    return head as sk_buff;
  }

  const bytes = (segment: Segment, skb: sk_buff): number[] => {
    const to = segment.kernel.slab.kmalloc(4096);
    skb_copy_bits(skb, 0, to, skb.len);
    const result = [...segment.kernel.ram.u8.subarray(to, to + skb.len)];
    segment.kernel.slab.put(to);
    return result;
  };

  it('random pulls, trims, clones, copies and sums, as of one piece', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
    const step = fc.record({
      op: fc.constantFrom('pull', 'trim', 'may_pull', 'clone', 'copy', 'linear'),
      n: fc.nat(60),
    });
    fc.assert(
      fc.property(lengths, fc.array(step, { maxLength: 6 }), (sizes_, steps) => {
        const segment = new Segment({ address: null });
        let skb = parts(segment, sizes_);
        let model = bytes(segment, skb);
        const kept: [sk_buff, number[]][] = [];
        for (const { op, n } of steps) {
          if (op === 'pull' && skb_pull(skb, n)) model = model.slice(n);
          if (op === 'trim' && n < skb.len) {
            expect(skb_trim(skb, n)).toBe(true);
            model = model.slice(0, n);
          }
          if (op === 'may_pull') expect(pskb_may_pull(skb, n)).toBe(n <= model.length);
          if (op === 'linear') expect(skb_linearize(skb)).toBe(0);
          if (op === 'clone' || op === 'copy') {
            const other = (op === 'clone' ? skb_clone(skb) : skb_copy(skb)) as sk_buff;
            // Go on with the new one, and see at the end that the old one has not changed.
            kept.push([skb, model]);
            skb = other;
          }
          expect(bytes(segment, skb)).toEqual(model);
        }
        kept.push([skb, model]);
        for (const [packet, expected] of kept) {
          expect(bytes(segment, packet)).toEqual(expected);
          const flat = segment.kernel.slab.kmalloc(4096);
          segment.kernel.ram.u8.set(expected, flat);
          const sum = csum_fold(csum_partial(segment.kernel.ram, flat, expected.length, 0));
          // A sum of nothing but zeros has two forms.
          expect(csum_fold(skb_checksum(packet, 0, packet.len, 0)) % 0xffff).toBe(sum % 0xffff);
          segment.kernel.slab.put(flat);
        }
        kept.forEach(([packet], i) => {
          if (i % 2 === 0) consume_skb(packet);
          else kfree_skb_reason(packet, SKB_DROP_REASON.QUEUE_PURGE);
        });
        expect(segment.kernel.skbs.alive).toBe(0);
        segment.finish();
      }),
      { numRuns: 100 },
    );
  });

  it('from another address, the same flow has not', () => {
    const { poller, got, finish } = setUp();
    poller.poll(nth(0), nth(1, {}, { src: A + 9 }));
    expect(sizes(got)).toEqual([100, 100]);
    finish();
  });
});
