import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EEXIST, EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH, ENODEV, ESRCH } from '../../../../kernel/errno.ts';
import { dev_close, dev_open, dev_set_mtu, unregister_netdev } from '../../../../kernel/net/core/dev.ts';
import {
  type in_device,
  inet_addr_add,
  inet_addr_del,
  inet_lookup_ifaddr,
} from '../../../../kernel/net/ipv4/devinet.ts';
import {
  type fib_config,
  fib_dump,
  type fib_info,
  fib_lookup,
  fib_result,
  flowi4,
  ip_route_add,
  ip_route_del,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_PROHIBIT,
  RTN_UNREACHABLE,
} from '../../../../kernel/net/ipv4/fib.ts';
import { ip_mc_inc_group } from '../../../../kernel/net/ipv4/igmp_group.ts';
import { in_aton, inet_make_mask, inet_ntoa } from '../../../../kernel/net/ipv4/ip_header.ts';
import { ip_route_output_key, type rtable } from '../../../../kernel/net/ipv4/route.ts';
import { A, B, Segment } from '../segment.ts';

const cidr = (text: string): { dst: number; prefix_len: number } => {
  const [address, length] = text.split('/');
  return { dst: in_aton(address as string), prefix_len: Number(length) };
};

/** The routes as `ip route show table all` lists them, without the loopback's. */
function routes(segment: Segment): string[] {
  return fib_dump(segment.net)
    .filter(({ fi }) => fi.nhs[0]?.nh_dev !== segment.net.loopback_dev)
    .map(({ dst, prefix_len, fi }) => {
      const nh = fi.nhs[0];
      const kind = fi.fa_type === RTN_LOCAL ? 'local ' : fi.fa_type === RTN_BROADCAST ? 'broadcast ' : '';
      const via = nh !== undefined && nh.nh_gw4 !== 0 ? ` via ${inet_ntoa(nh.nh_gw4)}` : '';
      const src = fi.fib_prefsrc !== 0 ? ` src ${inet_ntoa(fi.fib_prefsrc)}` : '';
      return `${kind}${inet_ntoa(dst)}/${prefix_len}${via} dev ${nh?.nh_dev?.name}${src}`;
    });
}

const fl4 = new flowi4();

/** `ip route get`: what a lookup says, in words. */
function get(segment: Segment, daddr: string, saddr = 0, oif = 0): string {
  fl4.init(in_aton(daddr), saddr);
  fl4.oif = oif;
  const rt = ip_route_output_key(segment.net, fl4);
  if (typeof rt === 'number') return String(rt);
  return `${rt.rt_gw4 !== 0 ? `via ${inet_ntoa(rt.rt_gw4)} ` : ''}dev ${rt.dev.name} src ${inet_ntoa(fl4.saddr)}`;
}

const OURS = [
  'local 10.1.0.2/32 dev eth0 src 10.1.0.2',
  'broadcast 10.1.0.255/32 dev eth0 src 10.1.0.2',
  '10.1.0.0/24 dev eth0 src 10.1.0.2',
];

describe('addresses and the routes they bring', () => {
  it('one address, up: itself, its broadcast address, its subnet', () => {
    expect(routes(new Segment())).toEqual(OURS);
  });

  it('deleted: nothing is left', () => {
    const segment = new Segment();
    expect(segment.exec(() => inet_addr_del(segment.dev, B, 24))).toBe(0);
    expect(segment.exec(() => inet_addr_del(segment.dev, B, 24))).toBe(-99);
    expect(routes(segment)).toEqual([]);
    segment.finish();
  });

  it('device down: the address stays ours, the routes go; up: they come back, those added by hand do not', () => {
    const segment = new Segment();
    segment.exec(() => ip_route_add(segment.net, { ...cidr('0.0.0.0/0'), gateway: A }));
    expect(routes(segment)).toHaveLength(4);
    segment.exec(() => dev_close(segment.dev));
    expect(routes(segment)).toEqual(OURS.slice(0, 1));
    expect(get(segment, '10.1.0.2')).toBe('dev lo src 10.1.0.2');
    expect(get(segment, '10.1.0.1')).toBe(String(-ENETUNREACH));
    segment.exec(() => dev_open(segment.dev));
    expect(routes(segment)).toEqual(OURS);
    segment.finish();
  });

  it('a second address in the subnet: secondary; gone with its primary, or promoted', () => {
    for (const promote of [0, 1]) {
      const segment = new Segment();
      segment.net.ipv4.devconf_all.promote_secondaries = promote;
      const second = in_aton('10.1.0.7');
      expect(segment.exec(() => inet_addr_add(segment.dev, second, 24))).toBe(0);
      expect(segment.exec(() => inet_addr_add(segment.dev, second, 24))).toBe(-EEXIST);
      expect(routes(segment)).toContain('local 10.1.0.7/32 dev eth0 src 10.1.0.2');
      expect(get(segment, '10.1.0.1')).toBe('dev eth0 src 10.1.0.2');
      segment.exec(() => inet_addr_del(segment.dev, B, 24));
      expect(get(segment, '10.1.0.1')).toBe(promote === 1 ? 'dev eth0 src 10.1.0.7' : String(-ENETUNREACH));
      expect(routes(segment)).toHaveLength(promote === 1 ? 3 : 0);
      segment.finish();
    }
  });

  it('addresses that make no sense for a host: taken as by Linux, and packets to a group still go to the group', () => {
    const segment = new Segment();
    const { dev } = segment;
    const before = routes(segment).length;
    // No address: nothing happens.
    expect(segment.exec(() => inet_addr_add(dev, 0, 24))).toBe(0);
    expect(routes(segment)).toHaveLength(before);
    for (const addr of ['224.0.0.5', '255.255.255.255', '0.0.0.5', '10.5.0.255', '240.0.0.1']) {
      expect(
        segment.exec(() => inet_addr_add(dev, in_aton(addr), 32)),
        addr,
      ).toBe(0);
      expect(inet_lookup_ifaddr(segment.net, in_aton(addr))?.ifa_local, addr).toBe(in_aton(addr) | 0);
      expect(
        segment.exec(() => inet_addr_del(dev, in_aton(addr), 32)),
        addr,
      ).toBe(0);
      expect(routes(segment)).toHaveLength(before);
    }
    expect(segment.exec(() => inet_addr_add(dev, in_aton('10.5.0.1'), 33))).toBe(-EINVAL);
    segment.finish();
  });

  it('an MTU too small for IP and back: its groups are left and joined again, each once', () => {
    const segment = new Segment();
    const { dev } = segment;
    dev.min_mtu = 0;
    const groups = (): number[] => [...(dev.ip_ptr?.mc_list.values() ?? [])].map(im => im.users);
    expect([groups(), [...dev.mc.values()]]).toEqual([[1], [1]]);
    const in_dev = dev.ip_ptr as in_device;
    segment.exec(() => ip_mc_inc_group(in_dev, in_aton('224.1.2.3')));
    segment.exec(() => ip_mc_inc_group(in_dev, in_aton('224.1.2.3')));
    segment.exec(() => dev_set_mtu(dev, 60));
    expect([dev.ip_ptr, dev.mc.size, in_dev.mc_list.size]).toEqual([null, 0, 0]);
    segment.exec(() => dev_set_mtu(dev, 1500));
    expect([groups(), [...dev.mc.values()]]).toEqual([[1], [1]]);
    segment.exec(() => dev_close(dev));
    expect([groups(), dev.mc.size]).toEqual([[], 0]);
    segment.finish();
  });

  it('device gone: nothing of it is left', () => {
    const segment = new Segment();
    segment.exec(() => unregister_netdev(segment.dev));
    expect(routes(segment)).toEqual([]);
    expect(get(segment, '10.1.0.2')).toBe(String(-ENETUNREACH));
    expect(segment.dev.ip_ptr).toBe(null);
    segment.finish();
  });
});

describe('ip_route_add, ip_route_del', () => {
  it('a route that cannot be: refused with the errno Linux gives', () => {
    const segment = new Segment();
    const { net, dev } = segment;
    const down = segment.device('eth%d', '020000000003');
    segment.exec(() => dev_close(down));
    const bad: [fib_config, number][] = [
      [{ ...cidr('10.9.0.1/16'), dev }, EINVAL],
      [{ ...cidr('10.9.0.0/16') }, ENODEV],
      [{ ...cidr('10.9.0.0/16'), dev: down }, ENETDOWN],
      [{ ...cidr('10.9.0.0/16'), gateway: in_aton('172.16.0.1') }, ENETUNREACH],
      [{ ...cidr('10.9.0.0/16'), gateway: in_aton('10.1.0.255') }, EINVAL],
      [{ ...cidr('10.9.0.0/16'), dev, prefsrc: in_aton('10.1.0.9') }, EINVAL],
      [{ ...cidr('10.9.0.0/16'), dev, type: RTN_BLACKHOLE }, EINVAL],
      [{ ...cidr('10.1.0.0/24'), dev }, EEXIST],
    ];
    for (const [config, errno] of bad) expect([config, ip_route_add(net, config)]).toEqual([config, -errno]);
    expect(ip_route_del(net, cidr('10.9.0.0/16'))).toBe(-ESRCH);
    expect(routes(segment)).toEqual(OURS);
    segment.finish();
  });

  it('several metrics for a prefix: the smallest counts, the next one when it is gone', () => {
    const segment = new Segment();
    const { net, dev } = segment;
    for (const [metric, host] of [
      [20, 20],
      [10, 10],
      [30, 30],
    ] as const) {
      expect(ip_route_add(net, { ...cidr('0.0.0.0/0'), gateway: in_aton(`10.1.0.${host}`), metric, dev })).toBe(0);
    }
    expect(get(segment, '8.8.8.8')).toBe('via 10.1.0.10 dev eth0 src 10.1.0.2');
    expect(ip_route_del(net, cidr('0.0.0.0/0'))).toBe(0);
    expect(get(segment, '8.8.8.8')).toBe('via 10.1.0.20 dev eth0 src 10.1.0.2');
    expect(ip_route_del(net, { ...cidr('0.0.0.0/0'), metric: 30 })).toBe(0);
    expect(ip_route_del(net, { ...cidr('0.0.0.0/0'), metric: 30 })).toBe(-ESRCH);
    segment.finish();
  });

  it('blackhole, unreachable, prohibit: their errors', () => {
    const segment = new Segment();
    const { net } = segment;
    ip_route_add(net, { ...cidr('10.3.0.0/16'), type: RTN_BLACKHOLE });
    ip_route_add(net, { ...cidr('10.4.0.0/16'), type: RTN_UNREACHABLE });
    ip_route_add(net, { ...cidr('10.5.0.0/16'), type: RTN_PROHIBIT });
    expect([get(segment, '10.3.0.1'), get(segment, '10.4.0.1'), get(segment, '10.5.0.1')]).toEqual([
      String(-EINVAL),
      String(-EHOSTUNREACH),
      '-13',
    ]);
    segment.finish();
  });
});

describe('ip_route_output_key', () => {
  it('our own, the loopback, nothing at all: the loopback device', () => {
    const segment = new Segment();
    expect(get(segment, '10.1.0.2')).toBe('dev lo src 10.1.0.2');
    expect(get(segment, '127.0.0.1')).toBe('dev lo src 127.0.0.1');
    expect(get(segment, '0.0.0.0')).toBe('dev lo src 127.0.0.1');
    segment.finish();
  });

  it('a source that is none of ours, or 127.0.0.1 for the wire: refused', () => {
    const segment = new Segment();
    expect(get(segment, '10.1.0.1', in_aton('10.1.0.9'))).toBe(String(-ENETUNREACH));
    expect(get(segment, '10.1.0.1', in_aton('127.0.0.1'))).toBe(String(-EINVAL));
    expect(get(segment, '10.1.0.1', in_aton('224.0.0.1'))).toBe(String(-EINVAL));
    segment.finish();
  });

  it('a device asked for: on its link without a route; unknown: ENODEV', () => {
    const segment = new Segment();
    expect(get(segment, '8.8.8.8', 0, segment.dev.ifindex)).toBe('dev eth0 src 10.1.0.2');
    expect(get(segment, '255.255.255.255', 0, segment.dev.ifindex)).toBe('dev eth0 src 10.1.0.2');
    expect(get(segment, '255.255.255.255', B)).toBe('dev eth0 src 10.1.0.2');
    expect(get(segment, '8.8.8.8', 0, 99)).toBe(String(-ENODEV));
    segment.finish();
  });

  it('asked again: the same object; after a change: another, and the old one does not pass its check', () => {
    const segment = new Segment();
    const ask = (daddr: string): rtable => ip_route_output_key(segment.net, fl4.init(in_aton(daddr), 0)) as rtable;
    for (const daddr of ['10.1.0.1', '10.1.0.2', '10.1.0.255', '127.0.0.1']) {
      const rt = ask(daddr);
      expect(ask(daddr)).toBe(rt);
      segment.exec(() => inet_addr_add(segment.dev, in_aton('10.77.0.1'), 24));
      expect(rt.check()).toBe(false);
      expect(ask(daddr)).not.toBe(rt);
      segment.exec(() => inet_addr_del(segment.dev, in_aton('10.77.0.1'), 24));
    }
    segment.finish();
  });
});

it('any set of routes: a lookup finds the longest prefix', () => {
  const route = fc.record({
    base: fc.constantFrom('10.0.0.0', '10.1.128.0', '10.1.129.77', '192.168.3.4'),
    prefix_len: fc.integer({ min: 0, max: 32 }),
    add: fc.integer({ min: 0, max: 3 }).map(n => n > 0),
  });
  fc.assert(
    fc.property(fc.array(route, { maxLength: 60 }), list => {
      const segment = new Segment({ address: null });
      const { net, dev } = segment;
      const model = new Map<string, fib_config>();
      for (const { base, prefix_len, add } of list) {
        const dst = in_aton(base) & inet_make_mask(prefix_len);
        const key = `${dst}/${prefix_len}`;
        if (add) {
          expect(ip_route_add(net, { dst, prefix_len, dev })).toBe(model.has(key) ? -EEXIST : 0);
          model.set(key, { dst, prefix_len });
        } else {
          expect(ip_route_del(net, { dst, prefix_len })).toBe(model.delete(key) ? 0 : -ESRCH);
        }
      }
      const res = new fib_result();
      for (const addr of ['10.0.0.0', '10.1.128.1', '10.1.129.77', '192.168.3.4', '8.8.8.8'].map(in_aton)) {
        const best = [...model.values()]
          .filter(entry => ((addr ^ entry.dst) & inet_make_mask(entry.prefix_len)) === 0)
          .sort((a, b) => b.prefix_len - a.prefix_len)[0];
        const err = fib_lookup(net, new flowi4().init(addr, 0), res);
        expect(err === 0 ? res.prefixlen : err).toBe(best?.prefix_len ?? -ENETUNREACH);
        if (err === 0) expect((res.fi as fib_info).nhs[0]?.nh_dev).toBe(dev);
      }
      segment.finish();
    }),
    { numRuns: 40 },
  );
});
