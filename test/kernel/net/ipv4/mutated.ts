/**
 * IPv4, ARP, ICMP, IGMP and fragment frames with something wrong in them, from a seed, into a host that echoes, routes,
 * is in groups, answers PROBE and accepts source routes; a well-behaved flow of fragments goes on all the while.
 */
import { expect } from 'vitest';
import { Random } from '../../../../harness/sim/random.ts';
import { drop_reason_name, NR_DROP_REASONS } from '../../../../kernel/net/core/dropreason.ts';
import { sock } from '../../../../kernel/net/core/sock.ts';
import { ip_route_add } from '../../../../kernel/net/ipv4/fib.ts';
import { MCAST_INCLUDE } from '../../../../kernel/net/ipv4/igmp.ts';
import { sockstat_frag } from '../../../../kernel/net/ipv4/ip_fragment.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import {
  ip_mc_drop_socket,
  ip_mc_join_group,
  ip_mc_join_group_ssm,
  ip_mc_source,
  ip_mreqn,
} from '../../../../kernel/net/ipv4/ip_mc.ts';
import { udp_prot } from '../../../../kernel/net/ipv4/udp.ts';
import { arpFrame, icmp, ipFrame, Segment } from '../segment.ts';
import { bytes } from './frags.ts';

const G = in_aton('239.1.2.3');
const FLOW = 0x7777;
/** Of bytes and packets: what waits for its rest (4 MiB), and a little. */
const MOST_BYTES = 6 * 1024 * 1024;
const MOST_PACKETS = 6000;

function frames(): Uint8Array[] {
  const quote = [...ipFrame([0, 7, 0, 7, 0, 8, 0, 0], { protocol: 17 }).subarray(14)];
  const echo = icmp(8, 0, 7, bytes(200));
  const igmp = { protocol: 2, dst: G, to: '01005e010203', ttl: 1 };
  return [
    arpFrame(),
    arpFrame({ op: 2, to: '020000000002', tha: '020000000002' }),
    ipFrame(icmp(8, 0, 7, bytes(56))),
    ...[0, 1, 2, 3, 4, 5, 13].map(code => ipFrame(icmp(3, code, 576, quote))),
    ipFrame(icmp(4, 0, 0, quote)),
    ipFrame(icmp(5, 1, 0x0a010003, quote)),
    ipFrame(icmp(11, 0, 0, quote)),
    ipFrame(icmp(12, 0, 0, quote)),
    ipFrame(icmp(13, 0, 7, bytes(12))),
    ipFrame(icmp(42, 0, 0x00070101, [0x20, 0, 0, 0, 0, 8, 3, 1, 0x65, 0x74, 0x68, 0x30])),
    ipFrame([0x30, 0x39, 0x27, 0x0f, 0, 12, 0, 0, 1, 2, 3, 4], { protocol: 17 }),
    ipFrame(bytes(64), { protocol: 200 }),
    ipFrame(bytes(200), { protocol: 17, dst: in_aton('10.2.0.9') }),
    ...[0, 64, 128, 192].map(at =>
      ipFrame(echo.slice(at, at + 64), { frag: (at < 192 ? 0x2000 : 0) | (at >> 3), options: [148, 4, 0, 0] }),
    ),
    ...[0, 64, 128, 192].map(at =>
      ipFrame(echo.slice(at, at + 64), { frag: (at < 192 ? 0x2000 : 0) | (at >> 3), id: 9 }),
    ),
    ipFrame(bytes(40), { frag: 0x3fff, protocol: 17 }),
    ipFrame(icmp(8, 0, 7), { options: [68, 12, 5, 0, ...bytes(8)] }),
    ipFrame(icmp(8, 0, 7), { options: [7, 15, 4, ...bytes(12), 0] }),
    ipFrame(icmp(8, 0, 7), { options: [131, 11, 4, 10, 1, 0, 9, 10, 2, 0, 8, 0] }),
    ipFrame(icmp(0x11, 10, G), igmp),
    ipFrame(icmp(0x11, 10, 0), { ...igmp, dst: in_aton('224.0.0.1') }),
    ipFrame(icmp(0x11, 10, G, [2, 125, 0, 2, 10, 1, 0, 7, 10, 1, 0, 8]), igmp),
    ipFrame(icmp(0x16, 0, G), igmp),
    ipFrame(icmp(0x22, 0, 1, [4, 0, 0, 0, 239, 1, 2, 3]), { ...igmp, dst: in_aton('224.0.0.22') }),
  ];
}

/** Feeds `count` frames; throws, or fails, when something is lost without a trace. */
export function mutatedIpv4(count: number, seed: number): void {
  const chance = new Random(seed, 'frames');
  const segment = new Segment();
  const { kernel, net, dev } = segment;
  const counts = { made: 0, cloned: 0, consumed: 0, dropped: 0 };
  const reasons = new Float64Array(NR_DROP_REASONS);
  kernel.trace.skb_alloc = () => counts.made++;
  kernel.trace.skb_clone = () => counts.cloned++;
  kernel.trace.consume_skb = () => counts.consumed++;
  kernel.trace.kfree_skb = (_skb, reason) => {
    counts.dropped++;
    reasons[reason] = (reasons[reason] as number) + 1;
  };
  const socks = [0, 1].map(() => new sock(net, 2, 2, 17, udp_prot));
  const [any, single] = socks as [sock, sock];
  const far = segment.device('far', '0200000000f1');
  far.mtu = 100;
  segment.exec(() => {
    net.ipv4.ip_forward = 1;
    net.ipv4.icmp_echo_enable_probe = 1;
    net.ipv4.devconf_all.accept_source_route = 1;
    if (dev.ip_ptr !== null) dev.ip_ptr.cnf.accept_source_route = 1;
    ip_route_add(net, { dst: in_aton('10.2.0.0'), prefix_len: 16, dev: far });
    ip_mc_join_group(any, new ip_mreqn(G + 1, 0, dev.ifindex));
    ip_mc_join_group_ssm(single, new ip_mreqn(G, 0, dev.ifindex), MCAST_INCLUDE);
    ip_mc_source(true, MCAST_INCLUDE, single, new ip_mreqn(G, 0, dev.ifindex), in_aton('10.1.0.7'));
  });
  const good = frames();
  const flow = icmp(8, 0, FLOW, bytes(100));
  let answered = 0;
  let asked = 0;
  let memory = 0;
  let alive = 0;
  const step = Math.max(1, Math.floor(count / 200));
  for (let round = 0; round < count; round++) {
    const frame = (good[chance.below(good.length)] as Uint8Array).slice();
    for (let n = chance.below(4); n > 0; n--) frame[12 + chance.below(frame.length - 12)] = chance.below(256);
    if (chance.below(2) === 0 && frame[12] === 8 && frame[13] === 0) {
      // Half of the time the checksums are made right again, or nothing gets past them.
      const hlen = ((frame[14] as number) & 15) * 4;
      if (chance.below(2) === 0) fixChecksum(frame, 14 + hlen, frame.length, 14 + hlen + 2);
      fixChecksum(frame, 14, Math.min(frame.length, 14 + hlen), 24);
    }
    const length = chance.below(8) === 0 ? 14 + chance.below(frame.length - 14) : frame.length;
    segment.receive(frame.subarray(0, length));
    memory = Math.max(memory, kernel.slab.bytes_used);
    alive = Math.max(alive, kernel.skbs.alive);
    if (round % 100 === 0) segment.wait(0.5);
    if (round % step === 0) {
      // Two fragments of a host that none of the others are from.
      const ip = { src: in_aton('10.1.0.200'), id: round & 0xffff };
      segment.receive(arpFrame({ sip: ip.src, sha: '0200000000c8' }));
      segment.sent.length = 0;
      segment.receive(ipFrame(flow.slice(0, 56), { ...ip, frag: 0x2000 }));
      segment.receive(ipFrame(flow.slice(56), { ...ip, frag: 7 }));
      asked++;
      if (segment.take().some(sent => sent.slice(60, 72) === '0a0100c80000')) answered++;
    }
    segment.sent.length = 0;
  }
  expect(answered).toBe(asked);
  segment.exec(() => {
    for (const sk of socks) ip_mc_drop_socket(sk);
  });
  net.core.sockets -= socks.length;
  // ipfrag_time, and a granule of the timer wheel; what IGMP still has to say.
  segment.wait(45);
  expect(memory).toBeLessThan(MOST_BYTES);
  expect(alive).toBeLessThan(MOST_PACKETS);
  expect(kernel.skbs.alive).toBe(0);
  expect(sockstat_frag(net)).toBe('FRAG: inuse 0 memory 0\n');
  expect(counts.consumed + counts.dropped).toBe(counts.made + counts.cloned);
  expect([...net.drops]).toEqual([...reasons]);
  // The run has been everywhere.
  const seen = [...reasons.keys()].filter(reason => (reasons[reason] as number) > 0).map(drop_reason_name);
  expect(seen).toEqual(
    expect.arrayContaining([
      'IP_INHDR',
      'IP_CSUM',
      'ICMP_CSUM',
      'SKB_CSUM',
      'PKT_TOO_SMALL',
      'DUP_FRAG',
      'FRAG_REASM_TIMEOUT',
    ]),
  );
  const { mib } = net.ipv4;
  for (const name of [
    'IpReasmOKs',
    'IpReasmFails',
    'IpFragOKs',
    'IpForwDatagrams',
    'IcmpOutParmProbs',
    'IcmpInRedirects',
  ] as const)
    expect(mib[name], name).toBeGreaterThan(0);
  segment.finish();
}

/** The Internet checksum of [from, to), at `at`, which lies in it; nothing when it does not. */
function fixChecksum(frame: Uint8Array, from: number, to: number, at: number): void {
  if (at + 2 > to) return;
  frame[at] = 0;
  frame[at + 1] = 0;
  let sum = 0;
  for (let i = from; i < to; i += 2) sum += ((frame[i] as number) << 8) | (i + 1 < to ? (frame[i + 1] as number) : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame[at] = (~sum & 0xffff) >> 8;
  frame[at + 1] = ~sum & 255;
}
