import { describe, expect, it } from 'vitest';
import { dev_set_mac_address, netif_carrier_off } from '../../../../kernel/net/core/dev.ts';
import {
  NUD_PERMANENT,
  NUD_REACHABLE,
  NUD_STALE,
  neigh_add,
  neigh_dump,
  neigh_lookup,
  type neighbour,
} from '../../../../kernel/net/core/neighbour.ts';
import { arp_format } from '../../../../kernel/net/ipv4/arp.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { A, A_MAC, ALL, type Arp, arpFrame, B, B_MAC, bytesOf, hex, Segment } from '../segment.ts';

const neighbourA = (segment: Segment): neighbour | null => neigh_lookup(segment.net.ipv4.arp, A, segment.dev);
const OTHER_MAC = '0200000000aa';

describe('arp_process', () => {
  it('a question for us: answered, and the asker remembered as STALE', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    expect(segment.take()).toEqual([hex(arpFrame({ op: 2, to: A_MAC, sha: B_MAC, sip: B, tha: A_MAC, tip: A }))]);
    expect(neighbourA(segment)?.nud_state).toBe(NUD_STALE);
    expect(arp_format(segment.net)).toMatchObject([{ ip: A, hw_type: 1, flags: 2, dev: 'eth0' }]);
    segment.finish();
  });

  it('a question for us with hardware type 6 (IEEE 802), padding behind it: answered', () => {
    const segment = new Segment();
    segment.receive(Uint8Array.from([...arpFrame({ hrd: 6 }), ...new Array<number>(18).fill(0)]));
    expect(segment.take()).toHaveLength(1);
    segment.finish();
  });

  it('a probe for our address (RFC 5227): answered, nobody remembered', () => {
    const segment = new Segment();
    segment.receive(arpFrame({ sip: 0 }));
    expect(segment.take()).toEqual([hex(arpFrame({ op: 2, to: A_MAC, sha: B_MAC, sip: B, tha: A_MAC, tip: 0 }))]);
    expect(neigh_dump(segment.net.ipv4.arp)).toEqual([]);
    segment.finish();
  });

  const silent: [what: string, arp: Arp, reason: string | null][] = [
    ['a question for somebody else', { tip: in_aton('10.1.0.9') }, null],
    ['a probe for somebody else', { sip: 0, tip: in_aton('10.1.0.9') }, null],
    ['an answer we did not ask for', { op: 2, to: B_MAC, tha: B_MAC }, null],
    ['an announcement by somebody unknown', { sip: A, tip: A }, null],
    ['a question from our own address (a conflict)', { sip: B }, null],
    ['a question from a group', { sip: in_aton('224.0.0.1') }, null],
    ['sent to another host', { to: '020000000009' }, null],
    ['a question for a group', { tip: in_aton('224.0.0.1') }, 'IP_INVALID_DEST'],
    ['a question for 127.0.0.1', { tip: in_aton('127.0.0.1') }, 'IP_INVALID_DEST'],
    ['opcode 3', { op: 3 }, 'INVALID_PROTO'],
    ['hardware type 2', { hrd: 2 }, 'INVALID_PROTO'],
    ['protocol IPv6', { pro: 0x86dd }, 'INVALID_PROTO'],
    ['hardware address length 5', { hln: 5 }, 'INVALID_PROTO'],
    ['protocol address length 16', { pln: 16 }, 'INVALID_PROTO'],
  ];
  for (const [what, arp, reason] of silent) {
    it(`${what}: no answer, no entry`, () => {
      const segment = new Segment();
      segment.receive(arpFrame(arp));
      expect(segment.take()).toEqual([]);
      expect(segment.drops).toEqual(reason === null ? [] : [reason]);
      expect(neigh_dump(segment.net.ipv4.arp)).toEqual([]);
      segment.finish();
    });
  }

  it('cut short: dropped', () => {
    const segment = new Segment();
    segment.receive(arpFrame().subarray(0, 41));
    expect(segment.drops).toEqual(['PKT_TOO_SMALL']);
    segment.finish();
  });

  it('a known neighbour: a request makes it no better, an answer to us REACHABLE, one to all not', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    segment.wait(2);
    segment.receive(arpFrame({ tip: in_aton('10.1.0.9') }));
    segment.receive(arpFrame({ op: 2, to: ALL, tha: B_MAC }));
    expect(neighbourA(segment)?.nud_state).toBe(NUD_STALE);
    segment.receive(arpFrame({ op: 2, to: B_MAC, tha: B_MAC }));
    expect(neighbourA(segment)?.nud_state).toBe(NUD_REACHABLE);
    segment.finish();
  });

  it('a second address within the lock time: the first one counts; later, or announced: the new one', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    const reply: Arp = { op: 2, to: B_MAC, sha: OTHER_MAC, tha: B_MAC };
    segment.wait(0.5);
    segment.receive(arpFrame(reply));
    expect(hex((neighbourA(segment) as neighbour).ha)).toBe(A_MAC);
    segment.wait(0.6);
    segment.receive(arpFrame(reply));
    expect(hex((neighbourA(segment) as neighbour).ha)).toBe(OTHER_MAC);
    segment.receive(arpFrame({ tip: A }));
    expect(hex((neighbourA(segment) as neighbour).ha)).toBe(A_MAC);
    segment.finish();
  });

  it('arp_accept: an announcement makes an entry', () => {
    const segment = new Segment();
    segment.net.ipv4.devconf_all.arp_accept = 1;
    segment.receive(arpFrame({ tip: A }));
    expect(neighbourA(segment)?.nud_state).toBe(NUD_STALE);
    segment.finish();
  });

  it('arp_ignore 1: an address of another device, not answered for', () => {
    const segment = new Segment();
    const other = segment.device('eth%d', '020000000003');
    segment.exec(() => inet_addr_add(other, in_aton('10.2.0.2'), 24));
    segment.receive(arpFrame({ tip: in_aton('10.2.0.2') }));
    expect(segment.take()).toHaveLength(1);
    segment.net.ipv4.devconf_all.arp_ignore = 1;
    segment.receive(arpFrame({ tip: in_aton('10.2.0.2') }));
    expect(segment.take()).toEqual([]);
    segment.receive(arpFrame());
    expect(segment.take()).toHaveLength(1);
    segment.finish();
  });
});

describe('arp and its device', () => {
  it('a permanent entry: nobody changes it; it goes with the device, not with the link', () => {
    const segment = new Segment();
    segment.exec(() => neigh_add(segment.net.ipv4.arp, A, segment.dev, bytesOf(OTHER_MAC)));
    segment.receive(arpFrame());
    expect(hex((neighbourA(segment) as neighbour).ha)).toBe(OTHER_MAC);
    segment.receive(arpFrame({ sip: in_aton('10.1.0.3') }));
    expect(neigh_dump(segment.net.ipv4.arp)).toHaveLength(2);
    segment.exec(() => netif_carrier_off(segment.dev));
    expect(neigh_dump(segment.net.ipv4.arp)).toMatchObject([{ key: A, state: NUD_PERMANENT }]);
    expect(arp_format(segment.net)).toMatchObject([{ flags: 6 }]);
    segment.finish();
  });

  it('a new MAC address with arp_notify: neighbours forgotten and told', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    segment.take();
    segment.net.ipv4.devconf_all.arp_notify = 1;
    segment.exec(() => dev_set_mac_address(segment.dev, bytesOf(OTHER_MAC)));
    expect(segment.take()).toEqual([hex(arpFrame({ sha: OTHER_MAC, sip: B, tip: B }))]);
    expect(neigh_dump(segment.net.ipv4.arp)).toEqual([]);
    segment.finish();
  });
});
