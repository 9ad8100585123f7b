import { describe, expect, it } from 'vitest';
import { consume_skb } from '../../../../kernel/net/core/skbuff.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { inet_add_protocol } from '../../../../kernel/net/ipv4/protocol.ts';
import { ALL, arpFrame, B, bytesOf, hex, type Ip, icmp, ipFrame, Segment } from '../segment.ts';

/** A host that knows A's address. */
function known(): Segment {
  const segment = new Segment();
  segment.receive(arpFrame());
  segment.take();
  return segment;
}

describe('icmp_rcv, a message that gets no answer: dropped with its reason and counter', () => {
  const bad: [what: string, message: number[], ip: Ip, reason: string | null, errors: number][] = [
    ['wrong checksum', [8, 0, 1, 1, 0, 0, 0, 0], {}, 'ICMP_CSUM', 1],
    ['shorter than its header', [0, 0], {}, 'ICMP_CSUM', 1],
    ['shorter than its header, sum right', [0xf7, 0xff, 0x08, 0x00], {}, 'PKT_TOO_SMALL', 1],
    ['unknown type', icmp(41, 0, 0), {}, 'UNHANDLED_PROTO', 1],
    ['echo to all', icmp(8, 0, 1), { dst: -1, to: ALL }, 'INVALID_PROTO', 1],
    ['error to all', icmp(3, 3, 0, [...ipFrame([]).subarray(14)]), { dst: -1, to: ALL }, 'INVALID_PROTO', 1],
    ['echo reply nobody waits for', icmp(0, 0, 1), {}, 'NO_SOCKET', 0],
    ['unreachable without a quoted header', icmp(3, 3, 0, [1, 2]), {}, 'PKT_TOO_SMALL', 1],
    ['unreachable with a mangled quoted header', icmp(3, 3, 0, new Array<number>(28).fill(0x41)), {}, 'IP_INHDR', 1],
    ['redirect without a quoted header', icmp(5, 0, 0, [1]), {}, 'PKT_TOO_SMALL', 1],
    ['timestamp without a time', icmp(13, 0, 0, [1]), {}, 'PKT_TOO_SMALL', 1],
    ['router advertisement (not obeyed)', icmp(9, 0, 0, []), {}, null, 0],
  ];
  for (const [what, message, ip, reason, errors] of bad) {
    it(what, () => {
      const segment = known();
      segment.receive(ipFrame(message, ip));
      expect(segment.drops).toEqual(reason === null ? [] : [reason]);
      expect(segment.net.ipv4.mib).toMatchObject({ IcmpInMsgs: 1, IcmpInErrors: errors, IcmpOutMsgs: 0 });
      expect(segment.take()).toEqual([]);
      segment.finish();
    });
  }
});

describe('icmp_rcv', () => {
  it('an echo to all with icmp_echo_ignore_broadcasts off, answered from our own address', () => {
    const segment = known();
    segment.net.ipv4.icmp_echo_ignore_broadcasts = 0;
    segment.receive(ipFrame(icmp(8, 0, 1), { dst: in_aton('10.1.0.255'), to: ALL }));
    expect(segment.take()[0]?.slice(52, 68)).toBe('0a0100020a010001');
    segment.finish();
  });

  it('icmp_echo_ignore_all: silence, and no error', () => {
    const segment = known();
    segment.net.ipv4.icmp_echo_ignore_all = 1;
    segment.receive(ipFrame(icmp(8, 0, 1)));
    expect(segment.take()).toEqual([]);
    expect(segment.drops).toEqual([]);
    segment.finish();
  });

  it('a timestamp request, answered with the time since midnight', () => {
    const segment = known();
    segment.wait(5);
    segment.receive(ipFrame(icmp(13, 0, 0x00070001, [0, 0, 0, 9])));
    const [answer] = segment.take();
    expect(answer?.slice(68, 72)).toBe('0e00');
    expect(answer?.slice(76)).toBe(`00070001${'00000009'}${'00001388'}${'00001388'}`);
    segment.finish();
  });

  it("an error about a packet of ours, given to its protocol with code and the path's MTU", () => {
    const segment = known();
    const seen: number[][] = [];
    segment.exec(() =>
      inet_add_protocol(
        segment.net,
        {
          handler: skb => {
            consume_skb(skb);
            return 0;
          },
          err_handler: (skb, info) => {
            const { u8 } = skb.ram;
            seen.push([
              u8[skb.transport_header] as number,
              u8[skb.transport_header + 1] as number,
              u8[skb.data + 9] as number,
              info,
            ]);
            return 0;
          },
        },
        200,
      ),
    );
    const quote = [...ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { src: B, dst: 1, protocol: 200 }).subarray(14)];
    segment.receive(ipFrame(icmp(3, 4, 1400, quote)));
    segment.receive(ipFrame(icmp(11, 0, 0, quote)));
    segment.receive(ipFrame(icmp(12, 0, 0x14000000, quote)));
    // Reassembly time exceeded, and unreachables with a code that is none, go no further.
    segment.receive(ipFrame(icmp(11, 1, 0, quote)));
    segment.receive(ipFrame(icmp(3, 16, 0, quote)));
    segment.receive(ipFrame(icmp(3, 3, 0, quote.slice(0, 27))));
    expect(seen).toEqual([
      [3, 4, 200, 1400],
      [11, 0, 200, 0],
      [12, 0, 200, 0x14],
    ]);
    expect(segment.net.ipv4.mib).toMatchObject({
      IcmpInDestUnreachs: 3,
      IcmpInTimeExcds: 2,
      IcmpInParmProbs: 1,
      IcmpInErrors: 1,
    });
    segment.finish();
  });
});

describe('icmp_send, what RFC 1122 3.2.2 forbids: nothing is sent', () => {
  const quiet: [what: string, ip: Ip, payload?: number[]][] = [
    ['about what came to all, by its frame', { to: ALL }],
    ['about what went to a group', { to: '01005e000001', dst: in_aton('224.0.0.1') }],
    ['about what went to all', { to: ALL, dst: in_aton('10.1.0.255') }],
  ];
  for (const [what, ip] of quiet) {
    it(what, () => {
      const segment = known();
      segment.receive(ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { protocol: 200, ...ip }));
      expect(segment.drops).toEqual(['IP_NOPROTO']);
      expect(segment.take()).toEqual([]);
      segment.finish();
    });
  }

  it('about an error, or an ICMP type unknown; but about an echo', () => {
    const segment = known();
    segment.net.ipv4.ip_forward = 1;
    const dst = in_aton('8.8.8.8');
    segment.receive(ipFrame(icmp(3, 3, 0, [...bytesOf('4500')]), { dst }));
    segment.receive(ipFrame(icmp(99, 0, 0), { dst }));
    segment.receive(ipFrame([], { dst }));
    expect(segment.take()).toEqual([]);
    segment.receive(ipFrame(icmp(8, 0, 0), { dst }));
    expect(segment.take()).toHaveLength(1);
    segment.finish();
  });

  it('about a later fragment', () => {
    const segment = known();
    segment.net.ipv4.ip_forward = 1;
    segment.receive(ipFrame([1, 2, 3, 4], { protocol: 17, frag: 5, dst: in_aton('8.8.8.8') }));
    expect(segment.take()).toEqual([]);
    segment.finish();
  });
});

describe('limits on what is sent', () => {
  const closed = (n: number, src?: number): Uint8Array =>
    ipFrame([0x30, 0x39, 0x27, n & 255, 0, 8, 0, 0], { protocol: 17, ...(src === undefined ? {} : { src }) });

  it('icmp_ratelimit: six at once to one peer, then one a second', () => {
    const segment = known();
    for (let i = 0; i < 20; i++) segment.receive(closed(i));
    expect(segment.take()).toHaveLength(6);
    expect(segment.net.ipv4.mib).toMatchObject({ IcmpOutRateLimitHost: 14, IcmpOutDestUnreachs: 6 });
    for (const [seconds, answers] of [
      [0.9, 0],
      [0.2, 1],
      [3, 3],
      [60, 6],
    ] as const) {
      segment.wait(seconds);
      if (seconds === 60) {
        segment.receive(arpFrame());
        segment.take();
      }
      for (let i = 0; i < 10; i++) segment.receive(closed(i));
      expect(segment.take(), `after ${seconds} s`).toHaveLength(answers);
    }
    segment.finish();
  });

  it('icmp_msgs_per_sec: all peers together get about a burst of fifty, then 1,000 a second', () => {
    const segment = known();
    segment.net.ipv4.icmp_ratelimit = 0;
    const flood = (n: number): number => {
      for (let i = 0; i < n; i++) segment.receive(closed(i));
      return segment.take().length;
    };
    const first = flood(500);
    expect(first).toBeGreaterThan(30);
    expect(first).toBeLessThan(80);
    expect(flood(10)).toBe(0);
    expect(segment.net.ipv4.mib.IcmpOutRateLimitGlobal).toBe(510 - first);
    segment.wait(0.019);
    expect(flood(10)).toBe(0);
    segment.wait(0.002);
    const next = flood(100);
    expect(next).toBeGreaterThan(8);
    expect(next).toBeLessThan(45);
    segment.finish();
  });

  it('echo replies and path MTU discovery are not limited; with their bit in icmp_ratemask they are', () => {
    const segment = known();
    for (let i = 0; i < 100; i++) segment.receive(ipFrame(icmp(8, 0, i)));
    expect(segment.take()).toHaveLength(100);
    segment.net.ipv4.icmp_ratemask |= 1;
    for (let i = 0; i < 100; i++) segment.receive(ipFrame(icmp(8, 0, i)));
    expect(segment.take()).toHaveLength(6);
    segment.finish();
  });

  it('peers of a scan are kept within bounds and forgotten', () => {
    const segment = known();
    const { peers } = segment.net.ipv4;
    for (let i = 0; i < 140_000; i++) peers.get(i);
    expect(peers.total).toBeLessThanOrEqual(2 * (65536 + 128));
    segment.wait(700);
    for (let i = 0; i < 10_000; i++) peers.get(1_000_000 + i);
    expect(peers.total).toBeLessThan(20_000);
    segment.finish();
  });
});

describe('icmp_echo, in fragments', () => {
  it('an answer as long as the question, in as many fragments; its checksum right', () => {
    const segment = known();
    const data = Array.from({ length: 3000 }, (_, i) => i & 255);
    const echo = icmp(8, 0, 0x00070001, data);
    for (const [from, to] of [
      [0, 1480],
      [1480, 2960],
      [2960, 3008],
    ] as const) {
      segment.receive(ipFrame(echo.slice(from, to), { frag: (to < 3008 ? 0x2000 : 0) | (from >> 3), id: 77 }));
    }
    const sent = segment.take();
    const answer = sent.map(frame => frame.slice(68)).join('');
    expect(sent.map(frame => frame.slice(40, 44))).toEqual(['2000', '20b9', '0172']);
    expect(answer).toBe(hex(Uint8Array.from(icmp(0, 0, 0x00070001, data))));
    segment.finish();
  });
});

describe('PROBE (RFC 8335)', () => {
  const probe = (sequence: number, object: number[]): Uint8Array =>
    ipFrame(icmp(42, 0, (7 << 16) | sequence, [0x20, 0, 0, 0, ...object]));
  const eth0 = [...Buffer.from('eth0')];
  const name = [0, 8, 3, 1, ...eth0];

  it('off by default: silence', () => {
    const segment = known();
    segment.receive(probe(0x0101, name));
    expect(segment.take()).toEqual([]);
    segment.finish();
  });

  const cases: [what: string, object: number[], code: number, status: number][] = [
    ['by name', name, 0, 6],
    ['by index', [0, 8, 3, 2, 0, 0, 0, 2], 0, 6],
    ['by address', [0, 12, 3, 3, 0, 1, 4, 0, 10, 1, 0, 2], 0, 6],
    ['an interface that is not there', [0, 8, 3, 2, 0, 0, 0, 99], 2, 0],
    ['a kind nobody knows', [0, 8, 3, 9, 0, 0, 0, 2], 1, 0],
    ['a length that is too long', [0, 99, 3, 1, ...eth0], 1, 0],
    ['an address of the wrong length', [0, 12, 3, 3, 0, 1, 16, 0, 10, 1, 0, 2], 1, 0],
  ];
  for (const [what, object, code, status] of cases) {
    it(`${what}: code ${code}, status ${status}`, () => {
      const segment = known();
      segment.net.ipv4.icmp_echo_enable_probe = 1;
      segment.receive(probe(0x0101, object));
      const [answer] = segment.take();
      expect(answer?.slice(68, 72)).toBe(`2b0${code}`);
      expect(answer?.slice(80, 84)).toBe(`010${status}`);
      segment.receive(probe(0x0100, object));
      expect(segment.take()).toEqual([]);
      segment.finish();
    });
  }
});
