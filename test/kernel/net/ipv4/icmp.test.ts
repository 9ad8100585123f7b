import { describe, expect, it } from 'vitest';
import { consume_skb } from '../../../../kernel/net/core/skbuff.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { inet_add_protocol } from '../../../../kernel/net/ipv4/protocol.ts';
import { ALL, arpFrame, B, bytesOf, type Ip, icmp, ipFrame, Segment } from '../segment.ts';

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
    ['unknown type', icmp(42, 0, 0), {}, 'UNHANDLED_PROTO', 1],
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
