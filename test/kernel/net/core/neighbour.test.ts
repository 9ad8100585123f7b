import { describe, expect, it } from 'vitest';
import { dev_close } from '../../../../kernel/net/core/dev.ts';
import {
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NONE,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  neigh_dump,
  neigh_lookup,
} from '../../../../kernel/net/core/neighbour.ts';
import { alloc_skb, MAX_HEADER, skb_put, skb_reserve } from '../../../../kernel/net/core/skbuff.ts';
import { ip_route_add } from '../../../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { ip_build_and_send_pkt } from '../../../../kernel/net/ipv4/ip_output.ts';
import { flowi4, ip_route_output_key } from '../../../../kernel/net/ipv4/route.ts';
import { A, A_MAC, ALL, arpFrame, B, B_MAC, hex, Segment } from '../segment.ts';

const fl4 = new flowi4();

/** Sends `size` bytes of protocol 253 to `daddr`; the result of IP. */
function send(segment: Segment, daddr = A, size = 10, df = 0): number {
  return segment.exec(() => {
    const skb = alloc_skb(segment.kernel, MAX_HEADER + size);
    if (skb === null) throw new Error('no memory');
    skb_reserve(skb, MAX_HEADER);
    skb.ram.u8.fill(0x55, skb_put(skb, size), skb.tail);
    const rt = ip_route_output_key(segment.net, fl4.init(daddr, 0));
    if (typeof rt === 'number') throw new Error(`no route: ${rt}`);
    return ip_build_and_send_pkt(segment.net, skb, rt, fl4.saddr, fl4.daddr, 253, 0, 0, df);
  });
}

const state = (segment: Segment): number | undefined => neigh_lookup(segment.net.ipv4.arp, A, segment.dev)?.nud_state;
const whoHas = (to = ALL): string => hex(arpFrame({ to, sha: B_MAC, sip: B, tip: A }));
const isAt = (): Uint8Array => arpFrame({ op: 2, to: B_MAC, tha: B_MAC });

describe('a neighbour', () => {
  it('unknown: asked for at once, the packet waits, and leaves with the answer', () => {
    const segment = new Segment();
    expect(send(segment)).toBe(0);
    expect(segment.take()).toEqual([whoHas()]);
    expect(neigh_dump(segment.net.ipv4.arp)).toMatchObject([{ state: NUD_INCOMPLETE, queued: 1 }]);
    segment.receive(isAt());
    const [packet] = segment.take();
    expect(packet?.slice(0, 28)).toBe(`${A_MAC}${B_MAC}0800`);
    expect(packet?.length).toBe(88);
    expect(state(segment)).toBe(NUD_REACHABLE);
    send(segment);
    expect(segment.take()).toHaveLength(1);
    segment.finish();
  });

  it('silent: asked for three times, a second apart; then FAILED, and who waited hears of it', () => {
    const segment = new Segment();
    send(segment);
    segment.wait(0.9);
    expect(segment.take()).toEqual([whoHas()]);
    segment.wait(2);
    expect(segment.take()).toEqual([whoHas(), whoHas()]);
    expect(state(segment)).toBe(NUD_INCOMPLETE);
    segment.wait(0.2);
    expect(segment.take()).toEqual([]);
    expect(state(segment)).toBe(NUD_FAILED);
    // The ICMP error goes to ourselves, about a protocol that nobody serves.
    expect(segment.drops).toEqual(['NEIGH_FAILED']);
    expect(segment.net.ipv4.mib).toMatchObject({ IcmpOutDestUnreachs: 1, IcmpInDestUnreachs: 1 });
    // The next packet asks anew.
    send(segment);
    expect(segment.take()).toEqual([whoHas()]);
    segment.finish();
    expect(segment.states).toEqual([
      [NUD_NONE, NUD_INCOMPLETE],
      [NUD_INCOMPLETE, NUD_FAILED],
      [NUD_FAILED, NUD_INCOMPLETE],
    ]);
  });

  it('reachable and idle: STALE; used again: DELAY, then asked for directly, then FAILED', () => {
    const segment = new Segment();
    send(segment);
    segment.receive(isAt());
    segment.take();
    // reachable_time is drawn from 15 to 45 s.
    segment.wait(14.9);
    expect(state(segment)).toBe(NUD_REACHABLE);
    segment.wait(35);
    expect(state(segment)).toBe(NUD_STALE);
    send(segment);
    expect(segment.take()).toHaveLength(1);
    expect(state(segment)).toBe(NUD_DELAY);
    // A timer of 5 s has a granule of 512 ms in the wheel.
    segment.wait(5.6);
    expect(state(segment)).toBe(NUD_PROBE);
    expect(segment.take()).toEqual([whoHas(A_MAC)]);
    segment.wait(1);
    // A packet meanwhile still goes where it went.
    send(segment);
    expect(segment.take()).toEqual([whoHas(A_MAC), expect.stringMatching(/^020000000001/)]);
    segment.wait(2.2);
    expect(segment.take()).toEqual([whoHas(A_MAC)]);
    expect(state(segment)).toBe(NUD_FAILED);
    segment.finish();
  });

  it('stale, used, and answering the probe: REACHABLE', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    segment.take();
    send(segment);
    expect(state(segment)).toBe(NUD_DELAY);
    segment.wait(5.6);
    segment.receive(isAt());
    expect(state(segment)).toBe(NUD_REACHABLE);
    segment.finish();
    expect(segment.states.map(([, to]) => to)).toEqual([NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_REACHABLE]);
  });

  it('unknown, more packets than may wait: the oldest go', () => {
    const segment = new Segment();
    for (let i = 0; i < 300; i++) send(segment, A, 400);
    const [entry] = neigh_dump(segment.net.ipv4.arp);
    expect(entry?.queued_bytes).toBeLessThanOrEqual(212992);
    expect(segment.drops.filter(reason => reason === 'NEIGH_QUEUEFULL')).toHaveLength(300 - (entry?.queued ?? 0));
    expect(segment.net.ipv4.arp.unres_discards).toBe(300 - (entry?.queued ?? 0));
    segment.receive(isAt());
    expect(segment.take()).toHaveLength(1 + (entry?.queued ?? 0));
    segment.finish();
  });

  it('unknown, its device goes down: what waited is dropped', () => {
    const segment = new Segment();
    send(segment);
    segment.exec(() => dev_close(segment.dev));
    expect(segment.drops).toEqual(['QUEUE_PURGE']);
    expect(neigh_dump(segment.net.ipv4.arp)).toEqual([]);
    segment.finish();
  });
});

describe('the neighbour table', () => {
  it('a scan of unknown addresses: never more than gc_thresh3 entries, further packets refused', () => {
    const segment = new Segment({ prefix: 16 });
    const results = new Set<number>();
    for (let i = 0; i < 1500; i++) results.add(send(segment, ((10 << 24) | (1 << 16) | (1 << 8)) + i));
    expect(neigh_dump(segment.net.ipv4.arp)).toHaveLength(1024);
    expect([...results]).toEqual([0, -105]);
    expect(segment.drops.filter(reason => reason === 'NEIGH_CREATEFAIL')).toHaveLength(476);
    expect(segment.net.ipv4.arp.table_fulls).toBe(476);
    // Once they have failed they make room.
    segment.wait(10);
    expect(send(segment)).toBe(0);
    expect(neigh_dump(segment.net.ipv4.arp).length).toBeLessThanOrEqual(513);
    segment.finish();
  });

  it('more than gc_thresh1 entries, unused for a minute: collected', () => {
    const segment = new Segment({ prefix: 16 });
    for (let i = 0; i < 200; i++) segment.receive(arpFrame({ sip: ((10 << 24) | (1 << 16) | (1 << 8)) + i }));
    expect(neigh_dump(segment.net.ipv4.arp)).toHaveLength(200);
    segment.wait(59);
    expect(neigh_dump(segment.net.ipv4.arp)).toHaveLength(200);
    segment.wait(30);
    expect(neigh_dump(segment.net.ipv4.arp).length).toBeLessThan(128);
    segment.finish();
  });
});

describe('ip_output', () => {
  it('over the MTU with DF: -EMSGSIZE, counted; without: fragments', () => {
    const segment = new Segment();
    expect(send(segment, A, 1480)).toBe(0);
    expect(send(segment, A, 1481)).toBe(0);
    expect(segment.net.ipv4.mib).toMatchObject({ IpFragOKs: 1, IpFragCreates: 2 });
    expect(send(segment, A, 1481, 0x4000)).toBe(-90);
    expect(segment.drops).toEqual(['PKT_TOO_BIG']);
    expect(segment.net.ipv4.mib).toMatchObject({ IpFragFails: 1, IpOutDiscards: 1, IcmpOutDestUnreachs: 1 });
    segment.finish();
  });

  it('DF: identification 0; without: one more each time within a tick', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    segment.take();
    send(segment, A, 10, 0x4000);
    for (let i = 0; i < 3; i++) send(segment);
    const ids = segment.take().map(frame => Number.parseInt(frame.slice(36, 40), 16));
    expect(ids[0]).toBe(0);
    expect([(ids[2] as number) - (ids[1] as number), (ids[3] as number) - (ids[2] as number)]).toEqual([1, 1]);
    segment.finish();
  });

  it('to all: on the link, and a copy to ourselves', () => {
    const segment = new Segment();
    send(segment, in_aton('10.1.0.255'));
    expect(segment.take().map(frame => frame.slice(0, 28))).toEqual([`${ALL}${B_MAC}0800`]);
    // The copy was delivered, and nobody serves protocol 253; an error about what went to all is not sent.
    expect(segment.drops).toEqual(['IP_NOPROTO']);
    expect(segment.net.ipv4.mib).toMatchObject({ IpExtOutBcastPkts: 1, IpExtInBcastPkts: 1, IcmpOutMsgs: 0 });
    segment.finish();
  });

  it('to a group: by its Ethernet address, TTL as given; to one we are in: a copy to ourselves', () => {
    const segment = new Segment();
    segment.exec(() => ip_route_add(segment.net, { dst: in_aton('224.0.0.0'), prefix_len: 4, dev: segment.dev }));
    send(segment, in_aton('239.129.2.3'));
    expect(segment.take().map(frame => frame.slice(0, 12))).toEqual(['01005e010203']);
    expect(segment.drops).toEqual([]);
    send(segment, in_aton('224.0.0.1'));
    expect(segment.take()).toEqual([]);
    expect(segment.drops).toEqual(['IP_INHDR', 'IP_NOPROTO']);
    segment.finish();
  });

  it('by a gateway: to its Ethernet address', () => {
    const segment = new Segment();
    segment.exec(() => ip_route_add(segment.net, { dst: 0, prefix_len: 0, gateway: A }));
    send(segment, in_aton('8.8.8.8'));
    expect(segment.take()).toEqual([whoHas()]);
    segment.receive(isAt());
    expect(segment.take()[0]?.slice(60, 68)).toBe('08080808');
    segment.finish();
  });

  it('to ourselves: by the loopback, and no neighbour is asked', () => {
    const segment = new Segment();
    for (const daddr of ['10.1.0.2', '127.0.0.1', '127.9.9.9']) send(segment, in_aton(daddr));
    expect(segment.take()).toEqual([]);
    expect(segment.drops).toEqual(['IP_NOPROTO', 'IP_NOPROTO', 'IP_NOPROTO']);
    // Protocol unreachable, to ourselves.
    expect(segment.net.ipv4.mib).toMatchObject({ IcmpOutDestUnreachs: 3, IcmpInDestUnreachs: 3 });
    segment.finish();
  });
});
