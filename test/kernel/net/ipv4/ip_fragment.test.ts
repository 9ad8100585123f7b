import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../../harness/sim/random.ts';
import { dev_close } from '../../../../kernel/net/core/dev.ts';
import { IPCB_frag_max_size } from '../../../../kernel/net/ipv4/inet_skb_parm.ts';
import { IP_DEFRAG_CONNTRACK_IN, ip_defrag, sockstat_frag } from '../../../../kernel/net/ipv4/ip_fragment.ts';
import { Poller, tcpFrame, tcpSink } from '../rx.ts';
import { icmp, ipFrame, type Segment } from '../segment.ts';
import { bytes, fragment, PROTOCOL, type Sink, sink } from './frags.ts';

const whole = bytes(100);

function idle(segment: Segment): void {
  expect(sockstat_frag(segment.net)).toBe('FRAG: inuse 0 memory 0\n');
}

function end({ segment }: Sink): void {
  idle(segment);
  segment.finish();
}

describe('ip_defrag, a datagram in fragments', () => {
  const orders: [what: string, cuts: [number, number][]][] = [
    [
      'in order',
      [
        [0, 40],
        [40, 80],
        [80, 100],
      ],
    ],
    [
      'backwards',
      [
        [80, 100],
        [40, 80],
        [0, 40],
      ],
    ],
    [
      'the middle last',
      [
        [0, 40],
        [80, 100],
        [40, 80],
      ],
    ],
    [
      'each of eight bytes, the odd ones first',
      [...[8, 24, 40, 56, 72, 88], ...[0, 16, 32, 48, 64, 80, 96]].map(
        at => [at, Math.min(at + 8, 100)] as [number, number],
      ),
    ],
  ];
  for (const [what, cuts] of orders) {
    it(`${what}: delivered whole, once, without a copy`, () => {
      const host = sink();
      const { segment, got, linear } = host;
      for (const [from, to] of cuts) segment.receive(fragment(whole, from, to));
      expect(got).toEqual([whole]);
      expect(linear).toEqual([false]);
      expect(segment.drops).toEqual([]);
      expect(segment.net.ipv4.mib).toMatchObject({ IpReasmReqds: cuts.length, IpReasmOKs: 1, IpReasmFails: 0 });
      expect(segment.net.ipv4.mib.IpInDelivers).toBe(1);
      end(host);
    });
  }

  it('through GRO, among datagrams that are merged: delivered whole, once', () => {
    const host = sink();
    const poller = new Poller(host.segment);
    const merged = tcpSink(host.segment);
    const segmentOf = (seq: number): Uint8Array => tcpFrame({ seq, payload: bytes(100) }, { id: 5 });
    poller.poll(segmentOf(0), fragment(whole, 0, 40), segmentOf(100), fragment(whole, 40, 100), segmentOf(200));
    expect(host.got).toEqual([whole]);
    expect(merged).toHaveLength(1);
    expect(poller.napi.gro.merged).toBe(2);
    end(host);
  });

  it('of the longest possible datagram, 65,535 bytes', () => {
    const host = sink();
    const long = bytes(65515);
    for (let at = 0; at < long.length; at += 1480)
      host.segment.receive(fragment(long, at, Math.min(at + 1480, long.length)));
    expect(host.got).toEqual([long]);
    end(host);
  });

  it('beyond 65,535 bytes: refused', () => {
    const host = sink();
    const long = bytes(65520);
    for (let at = 0; at < long.length; at += 1480)
      host.segment.receive(fragment(long, at, Math.min(at + 1480, long.length)));
    expect(host.got).toEqual([]);
    expect(new Set(host.segment.drops)).toEqual(new Set(['PKT_TOO_BIG']));
    expect(host.segment.net.ipv4.mib).toMatchObject({ IpReasmFails: 1, IpReasmOKs: 0 });
    end(host);
  });

  it('told apart by source, destination, identification and protocol', () => {
    const host = sink();
    const other = bytes(100, 99);
    const { segment } = host;
    segment.receive(fragment(whole, 0, 40));
    segment.receive(fragment(other, 40, 100, { id: 2 }));
    segment.receive(fragment(other, 40, 100, { src: 0x0a010005 }));
    segment.receive(fragment(other, 40, 100, { protocol: 201 }));
    expect(host.got).toEqual([]);
    segment.receive(fragment(whole, 40, 100));
    expect(host.got).toEqual([whole]);
    expect(segment.net.ipv4.fqdir.nqueues).toBe(3);
    segment.wait(31);
    end(host);
  });

  it('doubled: the second is dropped alone', () => {
    const host = sink();
    host.segment.receive(fragment(whole, 0, 40));
    host.segment.receive(fragment(whole, 0, 40));
    host.segment.receive(fragment(whole, 8, 24));
    host.segment.receive(fragment(whole, 40, 100));
    expect(host.got).toEqual([whole]);
    expect(host.segment.drops).toEqual(['DUP_FRAG', 'DUP_FRAG']);
    end(host);
  });

  const bad: [what: string, frames: Uint8Array[], reasons: string[], overlaps: number][] = [
    ['overlapping the end', [fragment(whole, 0, 40), fragment(whole, 32, 80)], ['DUP_FRAG', 'DUP_FRAG'], 1],
    ['overlapping the start', [fragment(whole, 40, 80), fragment(whole, 0, 48)], ['DUP_FRAG', 'DUP_FRAG'], 1],
    ['around what is there', [fragment(whole, 40, 48), fragment(whole, 32, 80)], ['DUP_FRAG', 'DUP_FRAG'], 1],
    ['two ends', [fragment(whole, 80, 100), fragment(whole.slice(0, 90), 80, 90)], ['IP_INHDR', 'IP_INHDR'], 0],
    ['beyond the end', [fragment(whole, 80, 100), fragment(bytes(200), 104, 120)], ['IP_INHDR', 'IP_INHDR'], 0],
    [
      'an end before what is there',
      [fragment(bytes(200), 104, 120), fragment(whole, 80, 100)],
      ['IP_INHDR', 'IP_INHDR'],
      0,
    ],
    ['empty', [fragment(whole, 0, 40), fragment(whole, 40, 40)], ['PKT_TOO_SMALL', 'PKT_TOO_SMALL'], 0],
    [
      'shorter than eight bytes, not the last',
      [fragment(whole, 0, 40), fragment(whole, 40, 45)],
      ['PKT_TOO_SMALL', 'PKT_TOO_SMALL'],
      0,
    ],
  ];
  for (const [what, frames, reasons, overlaps] of bad) {
    it(`${what}: the datagram goes`, () => {
      const host = sink();
      for (const frame of frames) host.segment.receive(frame);
      expect(host.segment.drops).toEqual(reasons);
      expect(host.segment.net.ipv4.mib).toMatchObject({ IpReasmFails: 1, IpExtReasmOverlaps: overlaps });
      end(host);
    });
  }

  it('a length that is no multiple of eight, not the last: cut', () => {
    const host = sink();
    host.segment.receive(fragment(whole, 0, 43));
    host.segment.receive(fragment(whole, 40, 100));
    expect(host.got).toEqual([whole]);
    end(host);
  });

  const ecn: [seen: number[], tos: number | null][] = [
    [[0, 0], 0],
    [[2, 2], 2],
    [[2, 3], 3],
    [[1, 3], 3],
    [[0, 2], null],
    [[0, 3], null],
  ];
  for (const [seen, tos] of ecn) {
    it(`ECN ${seen.join(' and ')}: ${tos === null ? 'dropped' : tos}`, () => {
      const host = sink();
      const echo = icmp(8, 0, 7, bytes(40));
      host.segment.receive(fragment(echo, 0, 24, { protocol: 1, tos: seen[0] as number }));
      host.segment.receive(fragment(echo, 24, 48, { protocol: 1, tos: seen[1] as number }));
      const answers = host.segment.take();
      expect(answers.map(frame => Number.parseInt(frame.slice(30, 32), 16))).toEqual(tos === null ? [] : [tos]);
      if (tos === null) expect(host.segment.drops).toEqual(['IP_INHDR', 'IP_INHDR']);
      end(host);
    });
  }
});

describe('ip_expire', () => {
  it('the first fragment is there: after 30 s time exceeded, with what was there of it', () => {
    const host = sink();
    const { segment } = host;
    segment.receive(fragment(whole, 0, 40));
    segment.receive(fragment(whole, 80, 100));
    segment.wait(29.9);
    expect(segment.take()).toEqual([]);
    expect(segment.net.ipv4.fqdir.nqueues).toBe(1);
    segment.wait(2);
    const [told, ...rest] = segment.take();
    expect(rest).toEqual([]);
    expect(told?.slice(68, 72)).toBe('0b01');
    // The first fragment's header, with MF, and its bytes.
    expect(told?.slice(84, 84 + 16)).toBe('4500003c00012000');
    expect(told).toHaveLength(2 * (14 + 20 + 8 + 20 + 40));
    expect(segment.drops.sort()).toEqual(['FRAG_REASM_TIMEOUT', 'FRAG_REASM_TIMEOUT']);
    expect(segment.net.ipv4.mib).toMatchObject({ IpReasmTimeout: 1, IpReasmFails: 1 });
    end(host);
  });

  it('it is not: silence', () => {
    const host = sink();
    host.segment.receive(fragment(whole, 40, 80));
    host.segment.wait(32);
    expect(host.segment.take()).toEqual([]);
    expect(host.segment.drops).toEqual(['FRAG_REASM_TIMEOUT']);
    end(host);
  });

  it('the device has gone meanwhile: silence', () => {
    const host = sink();
    host.segment.receive(fragment(whole, 0, 40));
    host.segment.exec(() => dev_close(host.segment.dev));
    host.segment.wait(32);
    expect(host.segment.take()).toEqual([]);
    end(host);
  });

  it('a device closed and a host shut down with fragments waiting: nothing is left', () => {
    const host = sink();
    host.segment.receive(fragment(whole, 0, 40));
    host.segment.finish();
    idle(host.segment);
  });
});

describe('limits', () => {
  it('ipfrag_high_thresh 0: no reassembly', () => {
    const host = sink();
    host.segment.net.ipv4.fqdir.high_thresh = 0;
    host.segment.receive(fragment(whole, 0, 40));
    expect(host.segment.drops).toEqual(['NOMEM']);
    end(host);
  });

  it('ipfrag_max_dist: too many fragments of the same peer in between: begun anew', () => {
    const host = sink();
    const { segment } = host;
    segment.receive(fragment(whole, 0, 40));
    for (let id = 100; id < 165; id++) segment.receive(fragment(whole, 0, 40, { id }));
    segment.receive(fragment(whole, 40, 100));
    expect(host.got).toEqual([]);
    expect(segment.drops).toEqual(['FRAG_TOO_FAR']);
    segment.receive(fragment(whole, 0, 40));
    expect(host.got).toEqual([whole]);
    segment.wait(32);
    end(host);
  });

  it('a flood of first fragments stays within 4 MiB, while datagrams in one piece go on; afterwards all is well', () => {
    const host = sink();
    const { segment, got } = host;
    const { fqdir } = segment.net.ipv4;
    let most = 0;
    for (let i = 0; i < 10_000; i++) {
      segment.receive(fragment(whole, 0, 40, { id: i & 0xffff, src: 0x0a010100 + (i >> 12) }));
      most = Math.max(most, fqdir.mem);
      if (i % 100 === 0) segment.receive(ipFrame([1, 2, 3, 4], { protocol: PROTOCOL }));
    }
    expect(most).toBeLessThan(4 * 1024 * 1024 + 4096);
    expect(most).toBeGreaterThan(4 * 1024 * 1024 - 4096);
    expect(got).toHaveLength(100);
    expect(segment.kernel.slab.bytes_used).toBeLessThan(5 * 1024 * 1024);
    segment.wait(35);
    idle(segment);
    segment.receive(fragment(whole, 0, 40));
    segment.receive(fragment(whole, 40, 100));
    expect(got[100]).toEqual(whole);
    end(host);
  }, 30_000);
});

describe('ip_defrag for others', () => {
  it('their fragments are kept apart; the last one becomes the whole, of which the largest piece is known', () => {
    const host = sink();
    const { segment } = host;
    const seen: [number, number, number][] = [];
    const take = (frame: Uint8Array): void =>
      segment.receive(frame, segment.dev, skb => {
        skb.network_header = skb.data;
        const result = ip_defrag(segment.net, skb, IP_DEFRAG_CONNTRACK_IN);
        if (result === 0)
          seen.push([skb.len, IPCB_frag_max_size(skb), segment.kernel.ram.u8[skb.network_header + 6] as number]);
        // What goes on is whole, so that nobody looks for its pieces.
        if (result !== 0) throw new Error(`stop ${result}`);
      });
    expect(() => take(fragment(whole, 48, 100, { frag: 0x4000 | 6 }))).toThrow('stop -115');
    take(fragment(whole, 0, 48, { frag: 0x6000 }));
    // The largest piece had DF: so has the whole.
    expect(seen).toEqual([[120, 72, 0x40]]);
    expect(host.got).toEqual([whole]);
    end(host);
  });
});

describe('any fragmentation', () => {
  it('in any order, with duplicates: the datagram, once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 3000 }), fc.integer(), (length, seed) => {
        const chance = new Random(seed >>> 0, 'frags');
        const host = sink();
        const payload = bytes(length, seed & 255);
        const cuts: [number, number][] = [];
        for (let at = 0; at < length; ) {
          const to = Math.min(length, at + 8 * (1 + chance.below(40)));
          cuts.push([at, to]);
          at = to;
        }
        if (cuts.length === 1) return;
        const order = [...cuts];
        for (let i = order.length - 1; i > 0; i--) {
          const j = chance.below(i + 1);
          [order[i], order[j]] = [order[j] as [number, number], order[i] as [number, number]];
        }
        for (const [i, [from, to]] of order.entries()) {
          host.segment.receive(fragment(payload, from, to));
          // Not of the last: what comes after the whole begins a new one.
          if (i < order.length - 1 && chance.below(3) === 0) host.segment.receive(fragment(payload, from, to));
        }
        expect(host.got).toEqual([payload]);
        end(host);
      }),
      { numRuns: 60, seed: 6 },
    );
  });

  it('with overlaps and fragments of other datagrams: right, or nothing at all', () => {
    const chance = new Random(11, 'overlaps');
    const host = sink();
    const { segment, got } = host;
    let delivered = 0;
    for (let round = 0; round < 400; round++) {
      const payload = bytes(8 * (2 + chance.below(30)) + chance.below(8), round & 255);
      for (let n = 12; n > 0; n--) {
        const from = 8 * chance.below(Math.floor(payload.length / 8));
        const to = Math.min(payload.length, from + 8 * (1 + chance.below(12)));
        if (to > from) segment.receive(fragment(payload, from, to, { id: round }));
      }
      for (const datagram of got.splice(0)) {
        delivered++;
        expect(datagram).toEqual(payload);
      }
    }
    expect(delivered).toBeGreaterThan(10);
    segment.wait(35);
    end(host);
  });
});
