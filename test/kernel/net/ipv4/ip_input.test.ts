import { describe, expect, it } from 'vitest';
import { csum_from_partial, csum_partial } from '../../../../kernel/lib/checksum.ts';
import { CHECKSUM_COMPLETE, PACKET_OTHERHOST } from '../../../../kernel/net/core/skbuff.ts';
import {
  inet_addr_type,
  ip_route_add,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../../../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import type { ipv4_mib } from '../../../../kernel/net/ipv4/snmp.ts';
import { A, A_MAC, ALL, arpFrame, type Ip, icmp, ipFrame, Segment } from '../segment.ts';

const echo = icmp(8, 0, 0x12340001, [1, 2, 3, 4]);

/** What differs from a new host's counters. */
function counted(mib: ipv4_mib): Record<string, number> {
  const list = Object.entries(mib).filter(([, value]) => typeof value === 'number' && value !== 0);
  return Object.fromEntries(list.filter(([name]) => !name.startsWith('IpExtInNoECT') && !name.endsWith('Octets')));
}

describe('ip_rcv, a packet that cannot be right: dropped with its reason and counter', () => {
  const bad: [what: string, ip: Ip & { cut?: number }, reason: string, counters: Record<string, number>][] = [
    ['for another host', { to: '020000000009' }, 'OTHERHOST', {}],
    ['shorter than a header', { cut: 33 }, 'IP_INHDR', { IpInReceives: 1, IpInHdrErrors: 1 }],
    ['version 6', { version: 6 }, 'IP_INHDR', { IpInReceives: 1, IpInHdrErrors: 1 }],
    ['header length 4 words', { ihl: 4 }, 'IP_INHDR', { IpInReceives: 1, IpInHdrErrors: 1 }],
    ['header longer than the packet', { ihl: 15 }, 'IP_INHDR', { IpInReceives: 1, IpInHdrErrors: 1 }],
    ['wrong header checksum', { checksum: 1 }, 'IP_CSUM', { IpInReceives: 1, IpInHdrErrors: 1, IpExtInCsumErrors: 1 }],
    ['total length beyond the frame', { length: 33 }, 'PKT_TOO_SMALL', { IpInReceives: 1, IpExtInTruncatedPkts: 1 }],
    ['total length below the header', { length: 19 }, 'IP_INHDR', { IpInReceives: 1, IpInHdrErrors: 1 }],
    ['a group as its source', { src: in_aton('224.0.0.5') }, 'IP_INVALID_SOURCE', { IpInReceives: 1 }],
    ['all as its source', { src: -1 }, 'IP_INVALID_SOURCE', { IpInReceives: 1 }],
    ['no address as its source', { src: 0 }, 'IP_INVALID_SOURCE', { IpInReceives: 1 }],
    ['127/8 as its source', { src: in_aton('127.0.0.1') }, 'IP_LOCALNET', { IpInReceives: 1 }],
    ['our own address as its source', { src: in_aton('10.1.0.2') }, 'IP_LOCAL_SOURCE', { IpInReceives: 1 }],
    ['no address as its destination', { dst: 0 }, 'IP_INVALID_DEST', { IpInReceives: 1 }],
    ['127/8 as its destination', { dst: in_aton('127.0.0.1') }, 'IP_LOCALNET', { IpInReceives: 1 }],
    ['a group nobody here listens to', { dst: in_aton('224.1.2.3') }, 'IP_INVALID_DEST', { IpInReceives: 1 }],
    [
      "somebody else's address, no forwarding",
      { dst: in_aton('10.1.0.9') },
      'IP_INADDRERRORS',
      { IpInReceives: 1, IpInAddrErrors: 1 },
    ],
    ['nowhere, no forwarding', { dst: in_aton('8.8.8.8') }, 'IP_INADDRERRORS', { IpInReceives: 1, IpInAddrErrors: 1 }],
    [
      'an empty fragment',
      { frag: 0x2000, length: 20 },
      'PKT_TOO_SMALL',
      { IpInReceives: 1, IpReasmReqds: 1, IpReasmFails: 1 },
    ],
  ];
  for (const [what, ip, reason, counters] of bad) {
    it(what, () => {
      const segment = new Segment();
      segment.receive(ipFrame(echo, ip).subarray(0, ip.cut));
      expect(segment.drops).toEqual([reason]);
      expect(counted(segment.net.ipv4.mib)).toEqual(counters);
      expect(segment.take()).toEqual([]);
      segment.finish();
    });
  }
});

describe('ip_rcv', () => {
  it('padding behind the packet, cut off before anybody sees it', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    segment.take();
    for (const pad of [0, 1, 14]) segment.receive(ipFrame(echo, { pad }));
    const [a, b, c] = segment.take();
    expect([a?.length, b?.length, c?.length]).toEqual([92, 92, 92]);
    segment.finish();
  });

  it('padding under a sum of the card over everything, taken out of the sum', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    segment.take();
    for (const data of [
      [1, 2, 3, 4],
      [1, 2, 3],
    ]) {
      const frame = ipFrame(icmp(8, 0, 7, data));
      const padded = Uint8Array.from([...frame, 0xde, 0xad, 0xbe, 0xef, 0x11]);
      segment.receive(padded, segment.dev, skb => {
        skb.ip_summed = CHECKSUM_COMPLETE;
        skb.csum = csum_from_partial(csum_partial(skb.ram, skb.data, skb.len, 0));
      });
    }
    expect(segment.drops).toEqual([]);
    expect(segment.take()).toHaveLength(2);
    segment.finish();
  });

  it('what only a promiscuous card shows, counted at the device', () => {
    const segment = new Segment();
    segment.receive(ipFrame(echo), segment.dev, skb => {
      skb.pkt_type = PACKET_OTHERHOST;
    });
    expect(segment.dev.stats.rx_otherhost_dropped).toBe(1);
    segment.finish();
  });

  it('a protocol nobody serves, told to the sender with as much as fits 576 bytes', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    segment.take();
    const payload = Array.from({ length: 1000 }, (_, i) => i & 255);
    const frame = ipFrame(payload, { protocol: 200, tos: 0x1f });
    segment.receive(frame);
    const [answer] = segment.sent;
    expect(answer).toBeDefined();
    const ip = (answer as Uint8Array).subarray(14);
    expect(ip.length).toBe(576);
    // TOS: the packet's without ECN's second bit, at internetwork control; type 3, code 2; the quote is the packet.
    expect([ip[1], ip[8], ip[20], ip[21]]).toEqual([0xde, 64, 3, 2]);
    expect(ip.subarray(28)).toEqual(frame.subarray(14, 14 + 548));
    expect(segment.drops).toEqual(['IP_NOPROTO']);
    expect(segment.net.ipv4.mib).toMatchObject({ IpInUnknownProtos: 1, IpInDelivers: 0, IcmpOutDestUnreachs: 1 });
    segment.finish();
  });

  it('with options, delivered all the same', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    segment.take();
    segment.receive(ipFrame(echo, { options: [1, 1, 1, 0] }));
    expect(segment.take()).toHaveLength(1);
    segment.finish();
  });

  it('forwarding on: reaches ip_forward by a route, and no route is answered', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    segment.take();
    segment.net.ipv4.ip_forward = 1;
    segment.receive(ipFrame(echo, { dst: in_aton('10.1.0.9') }));
    expect(segment.net.ipv4.mib.IpForwDatagrams).toBe(1);
    // The next hop is asked for by ARP. It is on the sender's own link: a redirect, which takes all the peer's tokens.
    expect(segment.net.ipv4.mib.IcmpOutRedirects).toBe(1);
    // An unroutable packet's error costs two of them: ip_error's, and icmp_send's.
    segment.wait(2.5);
    segment.take();
    segment.receive(ipFrame(echo, { dst: in_aton('8.8.8.8') }));
    expect(segment.net.ipv4.mib).toMatchObject({ IpExtInNoRoutes: 1, IcmpOutDestUnreachs: 1 });
    const [answer] = segment.take();
    // From 10.1.0.2, network unreachable.
    expect(answer?.slice(52, 60)).toBe('0a010002');
    expect(answer?.slice(68, 72)).toBe('0300');
    expect(segment.drops).toEqual(['IP_INNOROUTES']);
    segment.finish();
  });

  it('rp_filter 1: a source that is reached by another way, dropped', () => {
    const segment = new Segment();
    const other = segment.device('eth%d', '020000000003');
    segment.exec(() => ip_route_add(segment.net, { dst: in_aton('10.9.0.0'), prefix_len: 16, dev: other }));
    segment.net.ipv4.devconf_all.rp_filter = 1;
    segment.receive(ipFrame(echo, { src: in_aton('10.9.0.1') }));
    segment.receive(ipFrame(echo, { src: in_aton('172.16.0.1') }));
    segment.net.ipv4.devconf_all.rp_filter = 2;
    segment.receive(ipFrame(echo, { src: in_aton('10.9.0.1') }));
    expect(segment.drops).toEqual(['IP_RPFILTER', 'IP_RPFILTER']);
    segment.finish();
  });

  it('for all, by either broadcast address: delivered, and counted as such', () => {
    const segment = new Segment();
    for (const dst of ['255.255.255.255', '10.1.0.255']) {
      segment.receive(ipFrame(icmp(17, 0, 0), { dst: in_aton(dst), to: ALL }));
    }
    segment.receive(ipFrame(icmp(17, 0, 0), { dst: in_aton('224.0.0.1'), to: '01005e000001' }));
    expect(segment.net.ipv4.mib).toMatchObject({ IpExtInBcastPkts: 2, IpExtInMcastPkts: 1, IpInDelivers: 3 });
    segment.finish();
  });
});

it('inet_addr_type: what an address is to us', () => {
  const { net } = new Segment();
  const type = (addr: string): number => inet_addr_type(net, in_aton(addr));
  expect(type('10.1.0.2')).toBe(RTN_LOCAL);
  expect(type('127.3.2.1')).toBe(RTN_LOCAL);
  expect([type('10.1.0.255'), type('255.255.255.255'), type('0.0.0.0')]).toEqual([3, 3, RTN_BROADCAST]);
  expect(type('224.0.0.1')).toBe(RTN_MULTICAST);
  expect([type('10.1.0.1'), type('8.8.8.8')]).toEqual([1, RTN_UNICAST]);
  expect([A, A_MAC.length]).toEqual([0x0a010001, 12]);
});
