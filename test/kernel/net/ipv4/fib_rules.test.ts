import { expect, it } from 'vitest';
import { FR_ACT_GOTO, FR_ACT_PROHIBIT, FR_ACT_UNREACHABLE } from '../../../../kernel/net/core/fib_rules.ts';
import { flowi4, ip_route_add } from '../../../../kernel/net/ipv4/fib.ts';
import { fib4_rule_add, type fib4_rule_config, fib4_rule_del } from '../../../../kernel/net/ipv4/fib_rules.ts';
import { in_aton, inet_ntoa } from '../../../../kernel/net/ipv4/ip_header.ts';
import { ip_route_output_key } from '../../../../kernel/net/ipv4/route.ts';
import { A, A_MAC, ipFrame } from '../segment.ts';
import { FAR, FAR_MAC, Router } from './router.ts';

const DST = in_aton('10.9.0.1');

/** Main leads 10.9/16 to A, table 100 to FAR. */
function setUp(): Router {
  const router = new Router();
  router.exec(() => {
    ip_route_add(router.net, { dst: in_aton('10.9.0.0'), prefix_len: 16, gateway: A });
    ip_route_add(router.net, { dst: in_aton('10.9.0.0'), prefix_len: 16, gateway: FAR, table: 100 });
  });
  return router;
}

const fl4 = new flowi4();
function via(router: Router, edit: Partial<flowi4> = {}): string {
  fl4.init(DST, 0);
  Object.assign(fl4, edit);
  const rt = ip_route_output_key(router.net, fl4);
  return typeof rt === 'number' ? String(rt) : inet_ntoa(rt.rt_gw4);
}

const add = (router: Router, rule: fib4_rule_config): number => router.exec(() => fib4_rule_add(router.net, rule));

it('each selector of a rule: it picks its packets, and no others', () => {
  const cases: [fib4_rule_config, Partial<flowi4>, Partial<flowi4>][] = [
    [{ src: { addr: in_aton('10.2.0.0'), len: 24 } }, { saddr: in_aton('10.2.0.1') }, { saddr: in_aton('10.1.0.2') }],
    [{ dst: { addr: in_aton('10.9.0.0'), len: 24 } }, {}, { daddr: in_aton('10.9.1.1') }],
    [{ mark: 0x10, mark_mask: 0xf0 }, { mark: 0x1f }, { mark: 0x20 }],
    [{ tos: 0x10 }, { tos: 0x10 }, { tos: 8 }],
    [
      { ip_proto: 6, dport: [80, 90] },
      { proto: 6, dport: 85 },
      { proto: 6, dport: 91 },
    ],
    [{ sport: [5000, 5000] }, { sport: 5000 }, { sport: 5001 }],
    [{ iif: 'lo' }, {}, {}],
    [{ mark: 1, invert: true }, { mark: 2 }, { mark: 1 }],
  ];
  for (const [rule, fits, fitsNot] of cases) {
    const router = setUp();
    expect([rule, via(router, fits)]).toEqual([rule, '10.1.0.1']);
    expect(add(router, { ...rule, pref: 100, table: 100 })).toBe(0);
    expect([rule, via(router, fits)]).toEqual([rule, '10.2.0.2']);
    if (rule.iif === undefined) expect([rule, via(router, fitsNot)]).toEqual([rule, '10.1.0.1']);
    expect(router.exec(() => fib4_rule_del(router.net, { pref: 100 }))).toBe(0);
    expect([rule, via(router, fits)]).toEqual([rule, '10.1.0.1']);
    router.finish();
  }
});

it('what a rule does: unreachable, prohibit, goto; a table without the route: the next rule', () => {
  const router = setUp();
  add(router, { pref: 10, mark: 1, action: FR_ACT_UNREACHABLE });
  add(router, { pref: 11, mark: 2, action: FR_ACT_PROHIBIT });
  add(router, { pref: 12, mark: 3, action: FR_ACT_GOTO, target: 32766 });
  add(router, { pref: 13, table: 100 });
  add(router, { pref: 14, table: 200 });
  expect([1, 2, 3, 4].map(mark => via(router, { mark }))).toEqual(['-101', '-13', '10.1.0.1', '10.2.0.2']);
  expect(add(router, { pref: 20, action: FR_ACT_GOTO, target: 20 })).toBe(-22);
  expect(add(router, { pref: 13, table: 100 })).toBe(-17);
  expect(router.exec(() => fib4_rule_del(router.net, { pref: 99 }))).toBe(-2);
  router.finish();
});

it('suppress_prefixlength: the main table without its default route', () => {
  const router = setUp();
  router.exec(() => {
    ip_route_add(router.net, { dst: 0, prefix_len: 0, gateway: A });
    ip_route_add(router.net, { dst: 0, prefix_len: 0, gateway: FAR, table: 100 });
  });
  add(router, { pref: 10, table: 254, suppress_prefixlen: 0 });
  add(router, { pref: 11, table: 100 });
  expect(via(router)).toBe('10.1.0.1');
  expect(via(router, { daddr: in_aton('8.8.8.8') })).toBe('10.2.0.2');
  router.finish();
});

it('a packet that is forwarded: by its device, mark and ports', () => {
  const router = setUp();
  add(router, { pref: 10, iif: 'eth0', ip_proto: 17, dport: [53, 53], table: 100 });
  const to = (dport: number): string | undefined => {
    router.receive(ipFrame([4, 0, 0, dport, 0, 8, 0, 0], { protocol: 17, dst: DST }));
    return router.packets()[0]?.to;
  };
  expect([to(53), to(54)]).toEqual([FAR_MAC, A_MAC]);
  // Our own addresses are found through the local table's rule as before. (The redirect to .1 took its tokens.)
  router.wait(1.1);
  router.packets();
  router.receive(ipFrame([4, 0, 0, 53, 0, 8, 0, 0], { protocol: 17 }));
  expect(router.icmps().map(text => text.slice(0, 3))).toEqual(['3/3']);
  router.finish();
});
