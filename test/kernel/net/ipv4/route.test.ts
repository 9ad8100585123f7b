import { describe, expect, it } from 'vitest';
import { dst_confirm_neigh, dst_metric, dst_metric_advmss } from '../../../../kernel/net/core/dst.ts';
import { NUD_REACHABLE, NUD_STALE, neigh_add, neigh_lookup } from '../../../../kernel/net/core/neighbour.ts';
import { consume_skb } from '../../../../kernel/net/core/skbuff.ts';
import { devinet_conf_get, devinet_conf_set } from '../../../../kernel/net/ipv4/devconf.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import {
  FLOWI_FLAG_ANYSRC,
  flowi4,
  ip_route_add,
  RT_SCOPE_LINK,
  RTAX_ADVMSS,
  RTAX_INITCWND,
  RTAX_LOCK,
  RTAX_MTU,
  RTN_LOCAL,
  RTN_PROHIBIT,
  RTN_UNREACHABLE,
} from '../../../../kernel/net/ipv4/fib.ts';
import { in_aton, inet_ntoa } from '../../../../kernel/net/ipv4/ip_header.ts';
import { inet_add_protocol } from '../../../../kernel/net/ipv4/protocol.ts';
import { ip_route_output_key, RTCF_REDIRECTED, type rtable } from '../../../../kernel/net/ipv4/route.ts';
import { fnhe_genid_bump } from '../../../../kernel/net/ipv4/route_exception.ts';
import { A, A_MAC, arpFrame, B, bytesOf, icmp, ipFrame, Segment } from '../segment.ts';
import { E1_MAC, FAR, GW, Router } from './router.ts';

const PROTO = 253;
const far = in_aton('8.8.8.8');
const fl4 = new flowi4();

function route(segment: Segment, daddr: number): rtable {
  const rt = ip_route_output_key(segment.net, fl4.init(daddr, 0));
  if (typeof rt === 'number') throw new Error(`no route: ${rt}`);
  return rt;
}

/** A host with a default route by A, which believes what ICMP says about protocol 253. */
function host(): Segment {
  const segment = new Segment();
  segment.exec(() => {
    ip_route_add(segment.net, { dst: 0, prefix_len: 0, gateway: A });
    neigh_add(segment.net.ipv4.arp, A, segment.dev, bytesOf(A_MAC));
    inet_add_protocol(
      segment.net,
      {
        handler: skb => {
          consume_skb(skb);
          return 0;
        },
        err_handler(skb, info) {
          const type = skb.ram.u8[skb.transport_header];
          if (type === 5) segment.net.ipv4.redirect?.(skb, 0, PROTO);
          else segment.net.ipv4.update_pmtu?.(skb, info, 0, PROTO);
          return 0;
        },
      },
      PROTO,
    );
  });
  return segment;
}

const bytes = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

/** The first bytes of a packet of protocol 253 from B. */
const quoted = (dst: number): number[] => [
  0x45,
  0,
  0x05,
  0xdc,
  0,
  0,
  0x40,
  0,
  64,
  PROTO,
  0,
  0,
  ...bytes(B),
  ...bytes(dst),
  ...new Array<number>(8).fill(7),
];
const fragNeeded = (mtu: number, dst = far): Uint8Array => ipFrame(icmp(3, 4, mtu, quoted(dst)));
const redirect = (gw: number, from = A, dst = far): Uint8Array => ipFrame(icmp(5, 1, gw, quoted(dst)), { src: from });

describe('path MTU (RFC 1191)', () => {
  it('RFC 1191 6.3: "fragmentation needed" is believed for that destination alone, for ten minutes', () => {
    const segment = host();
    expect(route(segment, far).mtu()).toBe(1500);
    const kept = route(segment, far);
    segment.receive(fragNeeded(1400));
    expect(kept.check()).toBe(false);
    expect(route(segment, far).mtu()).toBe(1400);
    expect(route(segment, in_aton('8.8.4.4')).mtu()).toBe(1500);
    expect(route(segment, far)).toBe(route(segment, far));
    segment.receive(fragNeeded(1300));
    expect(route(segment, far).mtu()).toBe(1300);
    // A larger one than known is none of a router's business.
    segment.receive(fragNeeded(1450));
    expect(route(segment, far).mtu()).toBe(1300);
    segment.wait(599);
    expect(route(segment, far).mtu()).toBe(1300);
    segment.wait(2);
    expect(route(segment, far).mtu()).toBe(1500);
    segment.finish();
  });

  it('below min_pmtu: 552, and locked: nobody is believed any more until it expires', () => {
    const segment = host();
    segment.receive(fragNeeded(68));
    const rt = route(segment, far);
    expect([rt.mtu(), rt.rt_mtu_locked]).toEqual([552, true]);
    segment.receive(fragNeeded(500));
    expect(route(segment, far).mtu()).toBe(552);
    segment.finish();
  });

  it('mtu lock in the route: no message moves it', () => {
    const segment = host();
    const dst = in_aton('9.0.0.0');
    const metrics = [
      [RTAX_MTU, 1450],
      [RTAX_LOCK, 1 << RTAX_MTU],
    ] as const;
    segment.exec(() => ip_route_add(segment.net, { dst, prefix_len: 8, gateway: A, metrics }));
    segment.receive(fragNeeded(1300, dst + 1));
    expect(route(segment, dst + 1).mtu()).toBe(1450);
    segment.finish();
  });

  it('flushed (ip route flush cache): what was learnt is forgotten', () => {
    const segment = host();
    segment.receive(fragNeeded(1400));
    segment.exec(() => {
      fnhe_genid_bump(segment.net);
      segment.net.ipv4.rt_genid++;
    });
    expect(route(segment, far).mtu()).toBe(1500);
    segment.finish();
  });

  it('messages about 30,000 destinations: the exceptions stay within their limit', () => {
    const segment = host();
    for (let i = 0; i < 30_000; i++) segment.receive(fragNeeded(1400, (20 << 24) + i * 7));
    const [nh] = segment.net.ipv4.fib.infos.find(fi => fi?.nhs[0]?.exceptions != null)?.nhs ?? [];
    // 2,048 buckets of ten at most.
    expect(nh?.exceptions?.count).toBeLessThanOrEqual(20_480);
    expect(nh?.exceptions?.list()).toHaveLength(nh?.exceptions?.count as number);
    segment.finish();
  });

  it('metrics of a route: the MSS to announce follows the MTU, unless it is given', () => {
    const segment = host();
    const dst = in_aton('9.0.0.0');
    const metrics = [
      [RTAX_ADVMSS, 1200],
      [RTAX_INITCWND, 20],
    ] as const;
    segment.exec(() => ip_route_add(segment.net, { dst, prefix_len: 8, gateway: A, mtu: 1400, metrics }));
    const rt = route(segment, dst + 1);
    expect([rt.mtu(), dst_metric_advmss(rt), dst_metric(rt, RTAX_INITCWND)]).toEqual([1400, 1200, 20]);
    expect(dst_metric_advmss(route(segment, far))).toBe(1460);
    segment.finish();
  });
});

describe('redirects, obeyed', () => {
  const via = (segment: Segment): string => {
    const rt = route(segment, far);
    return `${inet_ntoa(rt.rt_gw4)}${(rt.rt_flags & RTCF_REDIRECTED) !== 0 ? ' redirected' : ''}`;
  };

  it('RFC 1122 3.2.2.2: from the gateway in use to a neighbour that is known: obeyed, for that destination alone', () => {
    const segment = host();
    segment.exec(() => neigh_add(segment.net.ipv4.arp, GW, segment.dev, bytesOf('020000000033')));
    segment.receive(redirect(GW));
    expect(via(segment)).toBe('10.1.0.3 redirected');
    expect(inet_ntoa(route(segment, in_aton('8.8.4.4')).rt_gw4)).toBe('10.1.0.1');
    segment.wait(301);
    expect(via(segment)).toBe('10.1.0.1');
    segment.finish();
  });

  it('RFC 1122 3.2.2.2: not from another host than the gateway in use, nor to an address beyond the link', () => {
    const segment = host();
    segment.exec(() => neigh_add(segment.net.ipv4.arp, GW, segment.dev, bytesOf('020000000033')));
    segment.net.ipv4.devconf_all.log_martians = 1;
    segment.receive(redirect(GW, in_aton('10.1.0.77')));
    for (const gw of ['224.0.0.1', '255.255.255.255', '0.0.0.0', '10.1.0.1', '10.1.0.2', '10.1.0.255']) {
      segment.receive(redirect(in_aton(gw)));
    }
    expect(via(segment)).toBe('10.1.0.1');
    // Off the link: without shared media the subnet counts.
    segment.net.ipv4.devconf_all.shared_media = 0;
    devinet_conf_set(segment.net, 'eth0', 'shared_media', 0);
    segment.receive(redirect(in_aton('172.16.0.1')));
    // On the link, but no default gateway: secure_redirects.
    segment.receive(redirect(GW));
    expect(via(segment)).toBe('10.1.0.1');
    segment.net.ipv4.devconf_all.secure_redirects = 0;
    devinet_conf_set(segment.net, 'eth0', 'secure_redirects', 0);
    segment.receive(redirect(GW));
    expect(via(segment)).toBe('10.1.0.3 redirected');
    segment.finish();
  });

  it('to a neighbour nobody knows: asked for, and obeyed the next time', () => {
    const segment = host();
    segment.receive(redirect(GW));
    expect(via(segment)).toBe('10.1.0.1');
    expect(segment.take()[0]?.slice(76, 84)).toBe('0a010003');
    segment.receive(arpFrame({ op: 2, sha: '020000000033', sip: GW, to: '020000000002', tha: '020000000002' }));
    segment.receive(redirect(GW));
    expect(via(segment)).toBe('10.1.0.3 redirected');
    segment.finish();
  });

  it('accept_redirects 0, and a router: not obeyed', () => {
    for (const router of [false, true]) {
      const segment = host();
      segment.exec(() => neigh_add(segment.net.ipv4.arp, GW, segment.dev, bytesOf('020000000033')));
      if (router) segment.net.ipv4.ip_forward = 1;
      else {
        devinet_conf_set(segment.net, 'all', 'accept_redirects', 0);
        devinet_conf_set(segment.net, 'eth0', 'accept_redirects', 0);
      }
      segment.receive(redirect(GW));
      expect(via(segment)).toBe('10.1.0.1');
      segment.finish();
    }
  });
});

describe('ip_route_input', () => {
  const echo = icmp(8, 0, 0x00010001);
  const from = (src: string): Uint8Array => ipFrame(echo, { src: in_aton(src) });

  it('RFC 1812 5.3.7: martian sources and destinations are not forwarded, and logged on demand', () => {
    const router = new Router();
    router.net.ipv4.devconf_all.log_martians = 1;
    const cases: [string, string, string][] = [
      ['224.0.0.5', '10.2.0.2', 'IP_INVALID_SOURCE'],
      ['255.255.255.255', '10.2.0.2', 'IP_INVALID_SOURCE'],
      ['0.0.0.0', '10.2.0.2', 'IP_INVALID_SOURCE'],
      ['127.0.0.1', '10.2.0.2', 'IP_LOCALNET'],
      ['10.2.0.1', '10.2.0.2', 'IP_LOCAL_SOURCE'],
      ['10.1.0.1', '0.0.0.0', 'IP_INVALID_DEST'],
      ['10.1.0.1', '127.0.0.1', 'IP_LOCALNET'],
    ];
    for (const [src, dst] of cases) router.receive(ipFrame(echo, { src: in_aton(src), dst: in_aton(dst) }));
    expect(router.drops).toEqual(cases.map(([, , reason]) => reason));
    expect(router.packets()).toEqual([]);
    expect(router.kernel.log.filter(line => line.message.includes('martian'))).toHaveLength(cases.length);
    router.finish();
  });

  it('RFC 1812 5.3.8: rp_filter 1 drops what did not come the way back to its source, 2 what has none', () => {
    const router = new Router();
    const results = [0, 1, 2].map(mode => {
      devinet_conf_set(router.net, 'eth0', 'rp_filter', mode);
      router.drops.length = 0;
      for (const src of ['10.1.0.9', '10.2.0.9', '172.16.0.1']) {
        router.receive(ipFrame(echo, { src: in_aton(src), dst: FAR }));
      }
      return router.drops.filter(reason => reason === 'IP_RPFILTER').length;
    });
    expect(results).toEqual([0, 2, 1]);
    // The larger of the device's and that for all counts.
    devinet_conf_set(router.net, 'eth0', 'rp_filter', 0);
    devinet_conf_set(router.net, 'all', 'rp_filter', 1);
    router.drops.length = 0;
    router.receive(ipFrame(echo, { src: in_aton('10.2.0.9'), dst: FAR }));
    expect(router.drops).toEqual(['IP_RPFILTER']);
    router.take();
    router.wait(10);
    router.finish();
  });

  it('our own address as source: accept_local lets it in', () => {
    const router = new Router();
    router.receive(from('10.2.0.1'));
    expect(router.drops).toEqual(['IP_LOCAL_SOURCE']);
    devinet_conf_set(router.net, 'eth0', 'accept_local', 1);
    router.receive(from('10.2.0.1'));
    // The answer goes to ourselves, where nobody waits for it.
    expect(router.drops).toEqual(['IP_LOCAL_SOURCE', 'NO_SOCKET']);
    router.finish();
  });

  it('RFC 1812 5.2.7.1: no route, unreachable, prohibited: told by code, two at once and then one every two seconds', () => {
    const router = new Router();
    router.exec(() => {
      ip_route_add(router.net, { dst: in_aton('10.4.0.0'), prefix_len: 16, type: RTN_UNREACHABLE });
      ip_route_add(router.net, { dst: in_aton('10.5.0.0'), prefix_len: 16, type: RTN_PROHIBIT });
    });
    const answers = (): string[] => router.icmps().map(text => text.slice(0, 5).trim());
    // ip_error and icmp_send take from the same peer's tokens (seen of Linux 6.18: two of ten pings are answered).
    for (const dst of ['9.9.9.9', '10.4.0.1', '10.5.0.1']) router.receive(ipFrame(echo, { dst: in_aton(dst) }));
    expect(answers()).toEqual(['3/0 0', '3/1 0']);
    router.wait(2.02);
    router.receive(ipFrame(echo, { dst: in_aton('10.5.0.1') }));
    expect(answers()).toEqual(['3/13']);
    for (let i = 0; i < 10; i++) router.receive(ipFrame(echo, { dst: in_aton('10.4.0.1') }));
    expect(answers()).toEqual([]);
    router.wait(2.02);
    for (let i = 0; i < 3; i++) router.receive(ipFrame(echo, { dst: in_aton('10.4.0.1') }));
    expect(router.icmps()).toHaveLength(1);
    expect(router.net.ipv4.mib).toMatchObject({ IpExtInNoRoutes: 1 });
    router.finish();
  });

  it('a local route that no address brought: sources are looked up in the tables from then on', () => {
    const router = new Router();
    router.exec(() =>
      ip_route_add(router.net, { dst: in_aton('10.77.0.0'), prefix_len: 16, dev: router.dev, type: RTN_LOCAL }),
    );
    router.receive(ipFrame(echo, { src: in_aton('10.77.0.5') }));
    expect(router.drops).toEqual(['IP_LOCAL_SOURCE']);
    router.finish();
  });
});

describe('ip_route_output_key', () => {
  it('a source that is not ours: refused, but with FLOWI_FLAG_ANYSRC', () => {
    const router = new Router();
    const saddr = in_aton('9.9.9.9');
    expect(ip_route_output_key(router.net, fl4.init(FAR, saddr))).toBe(-101);
    fl4.init(FAR, saddr);
    fl4.flags = FLOWI_FLAG_ANYSRC;
    expect((ip_route_output_key(router.net, fl4) as rtable).dev === router.eth1).toBe(true);
    router.finish();
  });

  it('RFC 1122 3.3.4.3: the source is the primary address of the way out, or what the route prefers', () => {
    const router = new Router();
    router.exec(() => {
      inet_addr_add(router.eth1, in_aton('10.2.0.77'), 24);
      ip_route_add(router.net, {
        dst: in_aton('10.9.0.0'),
        prefix_len: 16,
        gateway: FAR,
        prefsrc: in_aton('10.2.0.77'),
      });
      ip_route_add(router.net, { dst: in_aton('10.8.0.0'), prefix_len: 16, gateway: FAR });
    });
    const source = (dst: string): string => {
      ip_route_output_key(router.net, fl4.init(in_aton(dst), 0));
      return inet_ntoa(fl4.saddr);
    };
    expect([source('10.9.0.1'), source('10.8.0.1'), source('10.2.0.2')]).toEqual(['10.2.0.77', '10.2.0.1', '10.2.0.1']);
    fl4.init(in_aton('10.2.0.2'), 0);
    fl4.scope = RT_SCOPE_LINK;
    expect((ip_route_output_key(router.net, fl4) as rtable).dev === router.eth1).toBe(true);
    router.finish();
  });

  it('a neighbour confirmed by a higher layer: REACHABLE instead of probed', () => {
    const segment = new Segment();
    segment.receive(arpFrame());
    segment.exec(() => ip_route_add(segment.net, { dst: 0, prefix_len: 0, gateway: A }));
    const n = neigh_lookup(segment.net.ipv4.arp, A, segment.dev);
    expect(n?.nud_state).toBe(NUD_STALE);
    segment.exec(() => dst_confirm_neigh(route(segment, far), far));
    expect(n?.confirmed).toBe(segment.kernel.timers.jiffies());
    expect(NUD_REACHABLE).not.toBe(n?.nud_state);
    segment.finish();
  });
});

describe('net.ipv4.conf', () => {
  it('default moves devices without a value of their own; ip_forward all of them, and what a router is', () => {
    const segment = new Segment({ address: null });
    const { net } = segment;
    const plain = segment.device('eth%d', E1_MAC);
    devinet_conf_set(net, 'eth0', 'rp_filter', 2);
    devinet_conf_set(net, 'default', 'rp_filter', 1);
    expect(['eth0', plain.name, 'all'].map(name => devinet_conf_get(net, name, 'rp_filter'))).toEqual([2, 1, 0]);
    // A device with addresses goes its own way.
    segment.exec(() => inet_addr_add(plain, in_aton('10.3.0.1'), 24));
    devinet_conf_set(net, 'default', 'rp_filter', 0);
    expect(devinet_conf_get(net, plain.name, 'rp_filter')).toBe(1);
    devinet_conf_set(net, 'all', 'forwarding', 1);
    expect([net.ipv4.ip_forward, net.ipv4.devconf_all.accept_redirects]).toEqual([1, 0]);
    expect(devinet_conf_get(net, 'eth0', 'forwarding')).toBe(1);
    devinet_conf_set(net, 'eth0', 'forwarding', 0);
    expect([net.ipv4.ip_forward, devinet_conf_get(net, 'eth0', 'forwarding')]).toEqual([1, 0]);
    expect(segment.device('eth%d', '020000000009').ip_ptr?.cnf.forwarding).toBe(1);
    expect(devinet_conf_set(net, 'nosuch', 'forwarding', 1)).toBe(-2);
    expect(devinet_conf_set(net, 'eth0', 'nosuch', 1)).toBe(-2);
    segment.finish();
  });
});
