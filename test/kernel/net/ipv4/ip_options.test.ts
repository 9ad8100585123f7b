import { describe, expect, it } from 'vitest';
import { ip_route_add } from '../../../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { ip_options_get, ip_options_undo } from '../../../../kernel/net/ipv4/ip_options.ts';
import { arpFrame, bytesOf, icmp, ipFrame, Segment } from '../segment.ts';

function known(): Segment {
  const segment = new Segment();
  segment.receive(arpFrame());
  segment.take();
  return segment;
}

/** Options of a frame, in hex. */
const optionsOf = (frame: string): string => frame.slice(68, 68 + (Number.parseInt(frame[29] as string, 16) - 5) * 8);
const echo = icmp(8, 0, 7);

describe('an echo with options: what the answer has', () => {
  const cases: [what: string, options: number[], answer: string][] = [
    ['no operation', [1, 1, 1, 0], ''],
    [
      'record route: our address twice, as it came and as it leaves',
      [7, 15, 4, ...new Array<number>(12).fill(0), 0],
      '070f0c' + '0a010002' + '0a010002' + '00000000' + '00',
    ],
    ['record route with room for one: ours as it came', [7, 7, 4, 0, 0, 0, 0, 0], '070708' + '0a010002' + '00'],
    ['record route, full', [7, 7, 8, 1, 2, 3, 4, 0], '070708' + '01020304' + '00'],
    ['time stamps only', [68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0], '440c0d00' + '00001388' + '00001388'],
    [
      'addresses and time stamps',
      [68, 20, 5, 1, ...new Array<number>(16).fill(0)],
      '44141501' + '0a010002' + '00001388' + '0a010002' + '00001388',
    ],
    ['time stamps, full: counted', [68, 4, 5, 0x20], '44040530'],
    ['time stamp of a named host, us', [68, 12, 5, 3, 10, 1, 0, 2, 0, 0, 0, 0], '440c0d03' + '0a010002' + '00001388'],
    [
      'time stamp of a named host, somebody else',
      [68, 12, 5, 3, 8, 8, 8, 8, 0, 0, 0, 0],
      '440c0503' + '08080808' + '00000000',
    ],
    ['security, stream identifier: ignored', [130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 136, 4, 0, 0, 0], ''],
    ['router alert: ignored', [148, 4, 0, 0], ''],
  ];
  for (const [what, options, answer] of cases) {
    it(what, () => {
      const segment = known();
      // The named host must have a route, or it is nobody's address.
      segment.exec(() => ip_route_add(segment.net, { dst: 0, prefix_len: 0, gateway: in_aton('10.1.0.1') }));
      segment.wait(5);
      segment.receive(ipFrame(echo, { options }));
      expect(segment.take().map(optionsOf)).toEqual([answer]);
      expect(segment.drops).toEqual([]);
      segment.finish();
    });
  }
});

describe('options that cannot be right: parameter problem, with the place', () => {
  const bad: [what: string, options: number[], pointer: number][] = [
    ['a type without a length', [1, 1, 1, 7], 23],
    ['a length of 1', [7, 1, 4, 0], 20],
    ['a length beyond the header', [7, 9, 4, 0, 0, 0, 0, 0], 20],
    ['record route, pointer below 4', [7, 7, 3, 0, 0, 0, 0, 0], 22],
    ['record route, no room for an address', [7, 6, 4, 0, 0, 0, 0, 0], 22],
    ['record route twice', [7, 3, 4, 7, 3, 4, 0, 0], 23],
    ['time stamp shorter than its head', [68, 3, 5, 0], 21],
    ['time stamp, pointer below 5', [68, 8, 4, 0, 0, 0, 0, 0], 22],
    ['time stamp, overflow over 15', [68, 4, 5, 0xf0], 23],
    ['source route of two bytes', [131, 2, 0, 0], 21],
    ['source route, pointer below 4', [131, 7, 3, 1, 2, 3, 4, 0], 22],
    ['two source routes', [131, 3, 4, 137, 3, 4, 0, 0], 23],
    ['router alert too short', [148, 3, 0, 0], 21],
    ['CIPSO too short', [134, 6, 0, 0, 0, 1, 0, 0], 21],
  ];
  for (const [what, options, pointer] of bad) {
    it(what, () => {
      const segment = known();
      segment.receive(ipFrame(echo, { options }));
      expect(segment.drops).toEqual(['IP_INHDR']);
      expect(segment.net.ipv4.mib).toMatchObject({ IpInHdrErrors: 1, IcmpOutParmProbs: 1, IcmpInEchos: 0 });
      const [told] = segment.take();
      const at = 28 + Number.parseInt(told?.[29] as string, 16) * 8;
      expect(told?.slice(at, at + 4)).toBe('0c00');
      expect(Number.parseInt(told?.slice(at + 8, at + 10) as string, 16)).toBe(pointer);
      segment.finish();
    });
  }
});

describe('source routes', () => {
  const route = [131, 11, 4, 10, 1, 0, 9, 10, 1, 0, 8, 0];

  it('refused by default', () => {
    const segment = known();
    segment.receive(ipFrame(echo, { options: route }));
    expect(segment.drops).toEqual(['IP_INHDR']);
    expect(segment.take()).toEqual([]);
    segment.finish();
  });

  it('accepted where it is allowed: sent on to the next hop, with our address in its place', () => {
    const segment = known();
    segment.receive(arpFrame({ sip: in_aton('10.1.0.9'), sha: '020000000009' }));
    segment.take();
    segment.net.ipv4.ip_forward = 1;
    segment.net.ipv4.devconf_all.accept_source_route = 1;
    if (segment.dev.ip_ptr !== null) segment.dev.ip_ptr.cnf.accept_source_route = 1;
    segment.receive(ipFrame(echo, { options: route }));
    const sent = segment.take().filter(frame => frame.startsWith('020000000009'));
    expect(sent).toHaveLength(1);
    expect(sent[0]?.slice(60, 68)).toBe('0a010009');
    expect(optionsOf(sent[0] as string)).toBe('830b080a0100020a01000800');
    segment.finish();
  });

  it('ended here: the answer goes back the way it came', () => {
    const segment = known();
    segment.receive(arpFrame({ sip: in_aton('10.1.0.9'), sha: '020000000009' }));
    segment.take();
    segment.net.ipv4.devconf_all.accept_source_route = 1;
    if (segment.dev.ip_ptr !== null) segment.dev.ip_ptr.cnf.accept_source_route = 1;
    segment.receive(ipFrame(echo, { options: [131, 11, 12, 10, 1, 0, 8, 10, 1, 0, 9, 0] }));
    const [sent] = segment.take();
    expect(sent?.slice(0, 12)).toBe('020000000009');
    expect(optionsOf(sent as string)).toBe('830b040a0100080a01000100');
    segment.finish();
  });
});

describe('ip_forward_options', () => {
  it('a router writes its address into record route, and the checksum holds', () => {
    const segment = known();
    const far = segment.device('far', '0200000000f1');
    far.flags |= 0x80;
    segment.net.ipv4.ip_forward = 1;
    segment.exec(() => ip_route_add(segment.net, { dst: in_aton('10.2.0.0'), prefix_len: 16, dev: far }));
    segment.receive(ipFrame(echo, { dst: in_aton('10.2.0.9'), options: [7, 7, 4, 0, 0, 0, 0, 0] }));
    const [sent] = segment.take();
    expect(optionsOf(sent as string)).toBe('0707080a01000200');
    const header = [...bytesOf(sent as string)].slice(14, 42);
    let sum = 0;
    for (let i = 0; i < header.length; i += 2) sum += ((header[i] as number) << 8) | (header[i + 1] as number);
    expect(((sum & 0xffff) + (sum >> 16)) & 0xffff).toBe(0xffff);
    segment.finish();
  });
});

describe('ip_options_get', () => {
  it('a source route: its first hop is where the packet goes; undone, it is what was given', () => {
    const { net } = new Segment();
    const given = Uint8Array.of(131, 11, 4, 10, 1, 0, 9, 10, 1, 0, 8, 0);
    const opt = ip_options_get(net, given);
    if (typeof opt === 'number') throw new Error('refused');
    expect([opt.faddr, opt.srr, opt.optlen]).toEqual([in_aton('10.1.0.9'), 20, 12]);
    expect(ip_options_undo(opt)).toEqual(given);
  });

  it('bad ones: -EINVAL', () => {
    const { net } = new Segment();
    expect(ip_options_get(net, Uint8Array.of(7, 1, 4))).toBe(-22);
    expect(ip_options_get(net, new Uint8Array(41))).toBe(-22);
  });
});
