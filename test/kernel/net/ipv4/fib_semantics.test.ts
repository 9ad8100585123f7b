import { describe, expect, it } from 'vitest';
import { dev_close, dev_open, netif_carrier_off, netif_carrier_on } from '../../../../kernel/net/core/dev.ts';
import { NUD_FAILED, NUD_REACHABLE, neigh_add } from '../../../../kernel/net/core/neighbour.ts';
import { devinet_conf_set } from '../../../../kernel/net/ipv4/devconf.ts';
import {
  flowi4,
  ip_route_add,
  ip_route_change,
  ip_route_del,
  NLM_F_APPEND,
  NLM_F_CREATE,
} from '../../../../kernel/net/ipv4/fib.ts';
import { in_aton, inet_ntoa } from '../../../../kernel/net/ipv4/ip_header.ts';
import { ip_route_output_key } from '../../../../kernel/net/ipv4/route.ts';
import { A, A_MAC, bytesOf, icmp, ipFrame, type Segment } from '../segment.ts';
import { FAR, FAR_MAC, GW, GW_MAC, Router } from './router.ts';

const fl4 = new flowi4();
const DST = in_aton('10.9.0.0');

/** By which gateway, as text. */
function via(segment: Segment, daddr: number, sport = 0): string {
  fl4.init(daddr, 0);
  fl4.proto = 17;
  fl4.sport = sport;
  fl4.dport = 53;
  const rt = ip_route_output_key(segment.net, fl4);
  return typeof rt === 'number' ? String(rt) : inet_ntoa(rt.rt_gw4);
}

function spread(count: number, ask: (i: number) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const gw = ask(i);
    counts[gw] = (counts[gw] ?? 0) + 1;
  }
  return counts;
}

function multipath(weights: readonly [number, number] = [1, 1]): Router {
  const router = new Router();
  const nexthops = [
    { gateway: A, weight: weights[0] },
    { gateway: FAR, weight: weights[1] },
  ];
  router.exec(() => expect(ip_route_add(router.net, { dst: DST, prefix_len: 16, nexthops })).toBe(0));
  return router;
}

describe('multipath', () => {
  it('policy 0: by addresses, in proportion to the weights; a flow keeps its way whatever its ports', () => {
    const router = multipath([1, 3]);
    const counts = spread(2000, i => via(router, DST + i + 1));
    expect(counts['10.1.0.1']).toBeGreaterThan(400);
    expect(counts['10.1.0.1']).toBeLessThan(600);
    expect(Object.keys(spread(50, i => via(router, DST + 9, i)))).toHaveLength(1);
    router.finish();
  });

  it('policy 1: by ports, too', () => {
    const router = multipath();
    router.net.ipv4.fib_multipath_hash_policy = 1;
    const counts = spread(1000, i => via(router, DST + 9, i + 1));
    expect(counts['10.1.0.1']).toBeGreaterThan(400);
    expect(counts['10.2.0.2']).toBeGreaterThan(400);
    router.finish();
  });

  it('forwarded packets: by what is in them; an ICMP error goes the way of the flow that it is about', () => {
    const router = multipath();
    const way = (packet: Uint8Array): string | undefined => {
      router.receive(packet);
      return router.packets()[0]?.to;
    };
    const ways = new Set<string | undefined>();
    const b = (v: number): number[] => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
    for (let i = 1; i < 20; i++) {
      const src = in_aton('10.1.0.1');
      const flow = way(ipFrame([0, 1, 0, 2, 0, 8, 0, 0], { protocol: 17, src, dst: DST + i }));
      const quoted = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, ...b(DST + i), ...b(src), 0, 1, 0, 2, 0, 8, 0, 0];
      expect(way(ipFrame(icmp(3, 3, 0, quoted), { src: in_aton('10.1.0.200'), dst: DST + i }))).toBe(flow);
      ways.add(flow);
    }
    expect(ways).toEqual(new Set([A_MAC, FAR_MAC]));
    router.finish();
  });

  it('a device down: its next hop is dead, the other takes all; up again: both', () => {
    const router = multipath();
    router.exec(() => dev_close(router.eth1));
    expect(Object.keys(spread(100, i => via(router, DST + i + 1)))).toEqual(['10.1.0.1']);
    router.exec(() => dev_open(router.eth1));
    expect(Object.keys(spread(100, i => via(router, DST + i + 1))).sort()).toEqual(['10.1.0.1', '10.2.0.2']);
    router.exec(() => {
      dev_close(router.eth1);
      dev_close(router.dev);
    });
    expect(via(router, DST + 1)).toBe('-101');
    router.finish();
  });

  it('no carrier: passed over where ignore_routes_with_linkdown says so', () => {
    const router = multipath();
    router.exec(() => netif_carrier_off(router.eth1));
    expect(Object.keys(spread(100, i => via(router, DST + i + 1)))).toHaveLength(2);
    devinet_conf_set(router.net, 'eth1', 'ignore_routes_with_linkdown', 1);
    router.exec(() => netif_carrier_on(router.eth1));
    router.exec(() => netif_carrier_off(router.eth1));
    expect(Object.keys(spread(100, i => via(router, DST + i + 1)))).toEqual(['10.1.0.1']);
    router.finish();
  });

  it('fib_multipath_use_neigh: a gateway that failed is passed over', () => {
    const router = multipath();
    router.net.ipv4.fib_multipath_use_neigh = 1;
    router.exec(() => neigh_add(router.net.ipv4.arp, FAR, router.eth1, bytesOf(FAR_MAC), NUD_FAILED));
    expect(Object.keys(spread(100, i => via(router, DST + i + 1)))).toEqual(['10.1.0.1']);
    router.finish();
  });
});

describe('several default routes', () => {
  it('RFC 1122 3.3.1.4: one gateway does not answer: the next packets go by another', () => {
    const router = new Router({ forward: false });
    const { net } = router;
    router.exec(() => {
      ip_route_add(net, { dst: 0, prefix_len: 0, gateway: A });
      ip_route_change(net, { dst: 0, prefix_len: 0, gateway: GW }, NLM_F_CREATE | NLM_F_APPEND);
      neigh_add(net.ipv4.arp, A, router.dev, bytesOf(A_MAC), NUD_REACHABLE);
      neigh_add(net.ipv4.arp, GW, router.dev, bytesOf(GW_MAC), NUD_REACHABLE);
    });
    expect(via(router, in_aton('8.8.8.8'))).toBe('10.1.0.1');
    router.exec(() => neigh_add(net.ipv4.arp, A, router.dev, null, NUD_FAILED));
    expect(via(router, in_aton('8.8.8.8'))).toBe('10.1.0.3');
    router.exec(() => ip_route_del(net, { dst: 0, prefix_len: 0, gateway: GW }));
    expect(via(router, in_aton('8.8.8.8'))).toBe('10.1.0.1');
    router.finish();
  });
});
