/** Packets of several segments: what is on the wire must be what single segments would be; and GRO puts them together again. */

import { describe, expect, test } from 'vitest';
import { checkFrame } from '../../../../harness/packet/check.ts';
import { parseEthernet } from '../../../../harness/packet/ethernet.ts';
import { parseIpv4Packet } from '../../../../harness/packet/ipv4.ts';
import { parseTcp, TCP_FIN, TCP_PSH, TCP_SYN } from '../../../../harness/packet/tcp.ts';
import { Random } from '../../../../harness/sim/random.ts';
import { accept, connect, listen } from '../../../../harness/user/index.ts';
import { ethtool_set_features } from '../../../../kernel/net/core/features.ts';
import { NETIF_F_GRO, NETIF_F_HW_CSUM, NETIF_F_SG, NETIF_F_TSO } from '../../../../kernel/net/core/netdevice.ts';
import type { sk_buff } from '../../../../kernel/net/core/skbuff.ts';
import { own_slow } from '../../../../kernel/net/ipv4/tcp_sock.ts';
import { spawn } from '../../../../kernel/syscalls.ts';
import { type Pair, pair } from '../../../pair.ts';
import { TcpFlow } from './tcp_flow.ts';

const SECOND = 1e9;

/** What the left device may do: cut itself; only sum; neither; and no packet of several segments at all. */
type Offloads = 'tso' | 'gso' | 'none' | 'single';
const OFFLOADS: readonly Offloads[] = ['tso', 'gso', 'none', 'single'];

function offload(p: Pair, how: Offloads): void {
  const all = NETIF_F_TSO | NETIF_F_HW_CSUM | NETIF_F_SG;
  const on = how === 'tso' || how === 'single' ? all : how === 'gso' ? all & ~NETIF_F_TSO : 0;
  expect(p.left.exec(() => ethtool_set_features(p.leftDev, all, on))).toBe(0);
  if (how === 'single') p.leftDev.gso_max_segs = 1;
}

interface Frame {
  readonly seq: number;
  readonly length: number;
  readonly flags: number;
  readonly id: number;
}

interface Run {
  /** The left host's TCP frames, as they were on the wire. */
  readonly frames: readonly Frame[];
  /** Segments that each packet with data stood for: given to the driver, and to tcp_v4_rcv. */
  readonly sent: readonly number[];
  readonly received: readonly number[];
  /** The receiver's guess at the sender's MSS (icsk_ack.rcv_mss), at the end. */
  readonly rcvMss: number;
}

/** The left host writes `data` in pieces of `write` bytes; the right one gets every byte, in order. */
function transfer(how: Offloads, data: Uint8Array, write: number, edit?: (p: Pair) => void): Run {
  const p = pair();
  offload(p, how);
  edit?.(p);
  const frames: Frame[] = [];
  const sent: number[] = [];
  const received: number[] = [];
  let isn = 0;
  p.world.watchFrames((_wire, from, bytes, at, length) => {
    const frame = bytes.slice(at, at + length);
    expect(checkFrame(frame)).toEqual([]);
    const { etherType, payload } = parseEthernet(frame);
    if (from !== 0 || etherType !== 0x0800) return;
    const packet = parseIpv4Packet(payload);
    const tcp = parseTcp(packet.payload);
    if ((tcp.flags & TCP_SYN) !== 0) isn = tcp.sequence;
    const seq = (tcp.sequence - isn) >>> 0;
    frames.push({ seq, length: tcp.payload.length, flags: tcp.flags, id: packet.identification });
    // A segment carries the stream's bytes, at its place.
    if (tcp.payload.length > 0)
      expect(Buffer.compare(tcp.payload, data.subarray(seq - 1, seq - 1 + tcp.payload.length))).toBe(0);
  });
  p.left.kernel.trace.dev_hard_start_xmit = (skb: sk_buff) => {
    if (skb.len > 100) sent.push(Math.max(1, skb.gso_segs));
  };
  p.right.kernel.trace.tcp_v4_rcv = (skb: sk_buff) => {
    if (skb.len > 60) received.push(Math.max(1, skb.gso_segs));
  };
  let rcvMss = 0;
  let got: Uint8Array = new Uint8Array();
  let done = 0;
  p.right.kernel.exec(() =>
    spawn(p.right.kernel, 'right', function* (sys) {
      const fd = yield* listen(sys, 80);
      const { stream } = yield* accept(sys, fd);
      got = yield* stream.readAll();
      rcvMss = (yield* stream.info()).tcpi_rcv_mss;
      yield* stream.close();
      yield* sys.close(fd);
      done++;
      return 0;
    }),
  );
  p.left.kernel.exec(() =>
    spawn(p.left.kernel, 'left', function* (sys) {
      const stream = yield* connect(sys, { address: '10.0.0.2', port: 80 });
      for (let at = 0; at < data.length; at += write) yield* stream.write(data.subarray(at, at + write));
      yield* stream.close();
      done++;
      return 0;
    }),
  );
  p.run(60 * SECOND);
  expect(done).toBe(2);
  expect(Buffer.compare(got, data)).toBe(0);
  p.run(130 * SECOND);
  expect(p.finish()).toEqual([]);
  return { frames, sent, received, rcvMss };
}

const bytes = (length: number, seed: number): Uint8Array => {
  const chance = new Random(seed, 'data');
  return Uint8Array.from({ length }, () => chance.u32());
};

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const max = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), 0);

describe.each(OFFLOADS)('a transfer with %s', how => {
  test('every frame is right, identifications count up, PSH and FIN end packets only', () => {
    const data = bytes(300_000, 1);
    const { frames, sent } = transfer(how, data, 50_000);
    let next = 1;
    for (const [i, frame] of frames.entries()) {
      if (i > 0) expect(frame.id).toBe(((frames[i - 1] as Frame).id + 1) & 0xffff);
      if (frame.length === 0) continue;
      expect(frame.seq).toBe(next);
      expect(frame.length).toBeLessThanOrEqual(1448);
      next += frame.length;
      // A short segment is a packet's last one, and the stream's pieces end with PSH.
      if (frame.length < 1448) expect(frame.flags & TCP_PSH).toBe(TCP_PSH);
      if ((frame.flags & TCP_FIN) !== 0) expect(next).toBe(300_001);
    }
    expect(next).toBe(300_001);
    const wire = frames.filter(({ length }) => length > 0).length;
    expect(wire).toBe(Math.ceil(300_000 / 1448));
    // The card cuts, or software before it: then the driver sees single segments.
    expect(sum(sent)).toBe(wire);
    if (how === 'tso') expect(max(sent)).toBeGreaterThan(10);
    else expect(max(sent)).toBe(1);
  });

  test('the receiver merges what comes while GRO holds it, unless GRO is off', () => {
    const data = bytes(300_000, 2);
    const held = (p: Pair): void => {
      p.rightDev.gro_flush_timeout = 100_000;
      p.rightDev.napi_defer_hard_irqs = 2;
    };
    const on = transfer(how, data, 65_536, held);
    expect(max(on.received)).toBeGreaterThan(1);
    const off = transfer(how, data, 65_536, p => {
      held(p);
      p.right.exec(() => ethtool_set_features(p.rightDev, NETIF_F_GRO, 0));
    });
    expect(max(off.received)).toBe(1);
    expect([on.rcvMss, off.rcvMss]).toEqual([1448, 1448]);
    expect(sum(off.received)).toBe(sum(on.received));
  });
});

test('the card, software with and without its sums: the same wire', () => {
  const data = bytes(200_000, 3);
  const [card, ...software] = (['tso', 'gso', 'none'] as const).map(how => transfer(how, data, 30_000).frames);
  for (const frames of software) expect(frames).toEqual(card);
});

test('loopback: packets stay large, there and back', () => {
  const p = pair();
  const data = bytes(400_000, 4);
  const sizes: number[] = [];
  p.left.kernel.trace.tcp_v4_rcv = (skb: sk_buff) => sizes.push(skb.len);
  let got: Uint8Array = new Uint8Array();
  p.left.kernel.exec(() => {
    spawn(p.left.kernel, 'server', function* (sys) {
      const fd = yield* listen(sys, 80);
      const { stream } = yield* accept(sys, fd);
      got = yield* stream.readAll();
      yield* stream.close();
      yield* sys.close(fd);
      return 0;
    });
    spawn(p.left.kernel, 'client', function* (sys) {
      const stream = yield* connect(sys, { address: '127.0.0.1', port: 80 });
      yield* stream.write(data);
      yield* stream.close();
      return 0;
    });
  });
  p.run(20 * SECOND);
  expect(Buffer.compare(got, data)).toBe(0);
  expect(max(sizes)).toBeGreaterThan(30_000);
  p.run(130 * SECOND);
  expect(p.finish()).toEqual([]);
});

describe('a packet of several segments is out', () => {
  /** Ten segments of 1000 bytes out, in packets of five. */
  function out(options: { options?: string } = {}): TcpFlow {
    const f = new TcpFlow({ gso: true, rtt: 0.1, ...options });
    f.write(10_000);
    // Packets of two, each marked at its end (__tcp_transmit_skb).
    expect(f.segments().map(({ flags }) => flags & TCP_PSH)).toEqual(
      [0, 1, 0, 1, 0, 1, 0, 1, 0, 1].map(end => end * TCP_PSH),
    );
    expect(f.sk.tcp_rtx_queue.qlen).toBeLessThan(10);
    expect(f.sk.packets_out).toBe(10);
    f.wait(0.1);
    return f;
  }

  test('an ACK for two and a half segments: the rest stays, eight segments of it', () => {
    const f = out();
    f.inject('. 1:1(0) ack 2501 win 257');
    expect([f.sk.packets_out, f.sk.tcp_rtx_queue.first?.seq]).toEqual([8, f.sk.snd_una]);
    f.inject('. 1:1(0) ack 10001 win 257');
    expect([f.sk.packets_out, f.sk.tcp_rtx_queue.qlen, f.sk.sk_wmem_queued]).toEqual([0, 0, 0]);
  });

  test('SACK blocks in the middle: only what they leave out goes again, by segments', () => {
    const f = out();
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:2001,nop,nop>');
    f.wait(0.002);
    f.inject('. 1:1(0) ack 1 win 257 <sack 1001:2001 3001:8001,nop,nop>');
    expect([f.sk.sacked_out, f.sk.packets_out]).toEqual([6, 10]);
    f.wait(0.05);
    expect(f.ranges().sort()).toEqual(['1:1001(1000)', '2001:3001(1000)']);
    f.inject('. 1:1(0) ack 8001 win 257');
    expect([f.sk.sacked_out, f.sk.lost_out, f.sk.retrans_out, f.sk.packets_out]).toEqual([0, 0, 0, 2]);
    f.inject('. 1:1(0) ack 10001 win 257');
    expect([f.sk.packets_out, f.sk.sk_wmem_queued]).toEqual([0, 0]);
  });

  test('a block over half a segment tags none of it', () => {
    const f = out();
    f.inject('. 1:1(0) ack 1 win 257 <sack 1501:2001,nop,nop>');
    expect(f.sk.sacked_out).toBe(0);
  });

  test('no answer at all: after the RTO one segment goes, not the packet', () => {
    const f = out();
    f.segments();
    f.wait(0.29);
    f.segments();
    f.wait(0.6);
    expect(f.ranges()).toContain('1:1001(1000)');
    expect(f.sk.snd_cwnd).toBe(1);
    f.inject('. 1:1(0) ack 1001 win 257');
    expect(f.ranges()).toEqual(['1001:2001(1000)', '2001:3001(1000)']);
  });

  test('without SACK, three duplicates: the first segment alone', () => {
    const f = out({ options: 'mss 1000,nop,wscale 7' });
    for (let i = 0; i < 3; i++) {
      f.inject('. 1:1(0) ack 1 win 257');
      f.wait(0.002);
    }
    expect(f.ranges()).toContain('1:1001(1000)');
    expect(f.sk.lost_out).toBe(1);
  });

  test('the path takes less: what is out goes again in smaller segments, with DF', () => {
    const f = out();
    f.exec(() => {
      own_slow(f.sk).mtu_info = 600;
      f.sk.icsk_af_ops.mtu_reduced(f.sk);
    });
    f.wait(0.3);
    for (const { payload, df } of f.segments()) {
      expect(payload.length).toBeLessThanOrEqual(1000);
      expect(df).toBe(true);
    }
    f.inject('. 1:1(0) ack 10001 win 257');
    expect([f.sk.packets_out, f.sk.sk_wmem_queued]).toEqual([0, 0]);
  });

  test('the window closes on half a packet: what fits goes, then probes, then the rest', () => {
    const f = new TcpFlow({ gso: true, rtt: 0.1, options: 'mss 1000,sackOK', win: 4500 });
    f.write(10_000);
    expect(f.ranges()).toEqual(['1:1001(1000)', '1001:2001(1000)', '2001:3001(1000)', '3001:4001(1000)']);
    f.wait(0.1);
    f.inject('. 1:1(0) ack 4001 win 0');
    f.expect();
    f.wait(0.5);
    f.expect('. 4000:4000(0) ack 1');
    f.inject('. 1:1(0) ack 4001 win 20000');
    expect(f.ranges().at(-1)).toBe('9001:10001(1000)');
    expect(f.sk.packets_out).toBe(6);
  });

  test('ECE: CWR is on the first segment of the next packet, and on no other', () => {
    const f = new TcpFlow({ gso: true, rtt: 0.1, ecn: true });
    f.write(10_000);
    f.segments();
    f.wait(0.1);
    f.inject('E. 1:1(0) ack 8001 win 257');
    f.segments();
    f.wait(0.002);
    f.inject('. 1:1(0) ack 10001 win 257');
    f.wait(0.002);
    f.write(6000);
    const sent = f.segments();
    expect(sent.length).toBe(6);
    expect(sent.map(({ flags }) => flags & 0x80)).toEqual([0x80, 0, 0, 0, 0, 0]);
    expect(sent.map(({ tos }) => tos & 3)).toEqual([2, 2, 2, 2, 2, 2]);
  });

  test('small writes fill packets with whole segments', () => {
    const f = new TcpFlow({ gso: true, rtt: 0.1, win: 0 });
    for (let i = 0; i < 200; i++) expect(f.write(70)).toBe(70);
    expect(f.sk.write_seq - f.sk.snd_una).toBe(14_000);
    for (let skb = f.sk.sk_write_queue.first; skb !== null && skb.next !== null; skb = skb.next) {
      expect([skb.len % 1000, skb.len > 0]).toEqual([0, true]);
    }
  });
});
