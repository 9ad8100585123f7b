/** RFC 1812: what a router does, where no other test says it by itself. */
import { expect, test } from 'vitest';
import { netif_carrier_off } from '../../kernel/net/core/dev.ts';
import { devinet_conf_set } from '../../kernel/net/ipv4/devconf.ts';
import { inet_addr_add } from '../../kernel/net/ipv4/devinet.ts';
import { ip_route_add } from '../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import { E1_MAC, FAR, FAR_MAC, GW, GW_MAC, Router } from '../kernel/net/ipv4/router.ts';
import { A, ALL, B, type Ip, icmp, ipFrame } from '../kernel/net/segment.ts';
import { known, packets } from './packets.ts';

const PAYLOAD = [1, 2, 3, 4, 5, 6, 7, 8];
const through = (ip: Ip = {}, payload = PAYLOAD): Uint8Array => ipFrame(payload, { dst: FAR, protocol: 200, ...ip });

test('RFC 1812 4.2.2.3: reserved bits of flags and TOS: neither checked nor changed in what is forwarded', () => {
  const router = new Router();
  router.receive(through({ frag: 0x8000, tos: 0x01 }));
  expect(packets(router).map(({ reserved, typeOfService }) => [reserved, typeOfService])).toEqual([[true, 1]]);
  router.finish();
});

test('RFC 1812 4.2.2.6, 5.3.13.1: an option that a router does not know is forwarded as it is', () => {
  const router = new Router();
  router.receive(through({ options: [30, 4, 1, 2] }));
  router.receive(through({ options: [136, 4, 0, 9] }));
  router.receive(through({ options: [1, 1, 1, 0] }));
  expect(packets(router).map(({ options }) => [...options])).toEqual([
    [30, 4, 1, 2],
    [136, 4, 0, 9],
    [1, 1, 1, 0],
  ]);
  router.finish();
});

test('RFC 1812 5.3.13.5, 4.2.2.2: record route: the address of the interface it leaves by; full: passed on as it is', () => {
  const router = new Router();
  router.receive(through({ options: [7, 7, 4, 0, 0, 0, 0, 0] }));
  router.receive(through({ options: [7, 7, 8, 1, 2, 3, 4, 0] }));
  expect(packets(router).map(({ options }) => [...options])).toEqual([
    [7, 7, 8, 10, 2, 0, 1, 0],
    [7, 7, 8, 1, 2, 3, 4, 0],
  ]);
  router.finish();
});

test('RFC 1812 5.3.13.4: a loose source route through a router: its address in place of the next hop, no redirect', () => {
  const router = new Router();
  for (const device of ['all', 'eth0']) devinet_conf_set(router.net, device, 'accept_source_route', 1);
  router.receive(ipFrame(PAYLOAD, { protocol: 200, options: [131, 7, 4, 10, 1, 0, 3, 0] }));
  const sent = packets(router);
  expect(sent.map(({ to, destination, timeToLive, options }) => [to, destination, timeToLive, [...options]])).toEqual([
    [GW_MAC, '10.1.0.3', 63, [131, 7, 8, 10, 1, 0, 2, 0]],
  ]);
  router.finish();
});

test('RFC 1812 4.2.2.5, 5.2.2: version, header length, total length, checksum: wrong ones end at the router in silence', () => {
  const router = new Router();
  for (const wrong of [{ version: 5 }, { ihl: 4 }, { length: 19 }, { length: 200 }, { checksum: 1 }]) {
    router.receive(through(wrong));
  }
  expect(packets(router)).toEqual([]);
  expect(router.drops.length).toBe(5);
  router.finish();
});

test('RFC 1812 4.2.2.7: a router cuts into as few pieces as the MTU allows, in order', () => {
  const router = new Router();
  router.eth1.mtu = 576;
  router.receive(through({}, new Array<number>(1400).fill(7)));
  expect(packets(router).map(({ fragmentOffset, totalLength }) => [fragmentOffset, totalLength])).toEqual([
    [0, 572],
    [552, 572],
    [1104, 316],
  ]);
  router.finish();
});

test('RFC 1812 5.2.6: fragments are forwarded one by one, never put together', () => {
  const router = new Router();
  router.receive(through({ frag: 0x2000, id: 9 }));
  router.receive(through({ frag: 1, id: 9 }));
  expect(packets(router).map(({ fragmentOffset, moreFragments }) => [fragmentOffset, moreFragments])).toEqual([
    [0, true],
    [8, false],
  ]);
  expect(router.net.ipv4.mib.IpReasmReqds).toBe(0);
  router.finish();
});

test('RFC 1812 4.3.2.2: the TTL of a message of the router is its own, whatever the TTL of the cause', () => {
  const router = new Router();
  router.receive(through({ ttl: 1 }));
  router.receive(ipFrame(icmp(8, 0, 1), { ttl: 3 }));
  expect(packets(router).map(({ icmp: what, timeToLive }) => [what, timeToLive])).toEqual([
    ['11/0', 64],
    ['0/0', 64],
  ]);
  router.finish();
});

test('RFC 1812 4.3.2.3: what an error quotes is as it came, up to 576 bytes in all; of the TTL too', () => {
  const router = new Router();
  const frame = through({ ttl: 1, tos: 0x10, options: [7, 7, 4, 0, 0, 0, 0, 0] }, new Array<number>(1000).fill(9));
  router.receive(frame);
  const [told] = packets(router);
  expect(told?.totalLength).toBe(576);
  // Record route was filled in for the router itself before the packet was found too old: not required to be undone.
  const quote = [...(told?.payload ?? [])].slice(8);
  expect(quote.slice(0, 10)).toEqual([...frame.subarray(14, 24)]);
  expect(quote.slice(12, 20)).toEqual([...frame.subarray(26, 34)]);
  expect(quote.slice(28)).toEqual([...frame.subarray(42, 42 + quote.length - 28)]);
  router.finish();
});

test('RFC 1812 4.3.2.4: a message of the router comes from an address of the interface that it leaves by', () => {
  const router = new Router();
  router.receive(through({ ttl: 1 }));
  router.receive(ipFrame(PAYLOAD, { src: FAR, dst: A, ttl: 1, protocol: 200, to: E1_MAC, from: FAR_MAC }), router.eth1);
  expect(packets(router).map(({ icmp: what, source, destination }) => [what, source, destination])).toEqual([
    ['11/0', '10.1.0.2', '10.1.0.1'],
    ['11/0', '10.2.0.1', '10.2.0.2'],
  ]);
  router.finish();
});

test('RFC 1812 4.3.2.5: an error has the TOS of its cause and precedence 6; an answer the TOS of the question', () => {
  const router = new Router();
  router.receive(through({ ttl: 1, tos: 0x10 }));
  router.receive(ipFrame(icmp(8, 0, 1), { tos: 0xb0 }));
  expect(packets(router).map(({ typeOfService }) => typeOfService)).toEqual([0xd0, 0xb0]);
  router.finish();
});

test('RFC 1812 4.3.2.6: an error about a packet with a source route goes back along it', () => {
  const router = new Router();
  for (const device of ['all', 'eth0']) devinet_conf_set(router.net, device, 'accept_source_route', 1);
  router.receive(ipFrame(PAYLOAD, { src: in_aton('172.16.0.9'), protocol: 200, options: [131, 7, 8, 10, 1, 0, 3, 0] }));
  const [told] = packets(router);
  expect([told?.icmp, told?.to, told?.destination, [...(told?.options ?? [])]]).toEqual([
    '3/2',
    GW_MAC,
    '10.1.0.3',
    [131, 7, 4, 172, 16, 0, 9, 0],
  ]);
  router.finish();
});

test('RFC 1812 4.3.2.7: no error about a packet whose header is wrong, nor one from no single host', () => {
  const router = new Router();
  router.receive(through({ ttl: 1, checksum: 1 }));
  for (const src of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255']) {
    router.receive(through({ ttl: 1, src: in_aton(src) }));
  }
  expect(packets(router)).toEqual([]);
  router.finish();
});

test('RFC 1812 4.3.3.6: an echo of 576 bytes and of the MTU is answered whole, the router too', () => {
  const router = new Router();
  for (const length of [548, 1472]) router.receive(ipFrame(icmp(8, 0, 1, new Array<number>(length).fill(5))));
  expect(packets(router).map(({ icmp: what, totalLength }) => [what, totalLength])).toEqual([
    ['0/0', 576],
    ['0/0', 1500],
  ]);
  router.finish();
});

test('RFC 1812 5.2.3: for the router: any of its addresses, whichever interface it comes by; all others go on', () => {
  const router = new Router();
  router.receive(ipFrame(icmp(8, 0, 1), { dst: in_aton('10.2.0.1') }));
  router.receive(ipFrame(icmp(8, 0, 1), { dst: FAR }));
  expect(packets(router).map(({ icmp: what, to }) => [what, to])).toEqual([
    ['0/0', '020000000001'],
    ['8/0', FAR_MAC],
  ]);
  router.finish();
});

test('RFC 1812 5.2.4.3: the longest prefix decides, whatever the order and the metrics of the routes', () => {
  const router = new Router();
  router.exec(() => {
    ip_route_add(router.net, { dst: in_aton('10.9.1.0'), prefix_len: 24, gateway: FAR, metric: 900 });
    ip_route_add(router.net, { dst: in_aton('10.9.0.0'), prefix_len: 16, gateway: GW, metric: 1 });
    ip_route_add(router.net, { dst: 0, prefix_len: 0, gateway: GW });
  });
  router.receive(through({ dst: in_aton('10.9.1.5') }));
  router.receive(through({ dst: in_aton('10.9.2.5') }));
  const forwarded = packets(router).filter(({ protocol }) => protocol === 200);
  expect(forwarded.map(({ to }) => to)).toEqual([FAR_MAC, GW_MAC]);
  router.finish();
});

test('RFC 1812 4.2.3.4: networks of any prefix length, one within the other', () => {
  const router = new Router();
  router.exec(() => {
    for (let length = 8; length <= 32; length++) {
      const gateway = length % 2 === 0 ? FAR : GW;
      ip_route_add(router.net, { dst: in_aton('11.0.0.0'), prefix_len: length, gateway });
    }
  });
  const last = [in_aton('11.0.0.0'), in_aton('11.0.0.1'), in_aton('11.0.0.2'), in_aton('11.128.0.0')];
  for (const dst of last) router.receive(through({ dst }));
  const forwarded = packets(router).filter(({ protocol }) => protocol === 200);
  expect(forwarded.map(({ to }) => to)).toEqual([FAR_MAC, GW_MAC, FAR_MAC, FAR_MAC]);
  router.finish();
});

test('RFC 1812 5.3.2, 5.3.3: TOS and precedence of what is forwarded stay as they are, and all of them are forwarded', () => {
  const router = new Router();
  for (let tos = 0; tos < 256; tos++) router.receive(through({ tos }));
  expect(packets(router).map(({ typeOfService }) => typeOfService)).toEqual(Array.from({ length: 256 }, (_, i) => i));
  router.finish();
});

test('RFC 1812 5.3.5.1, 5.3.5.2: broadcasts of this link and all of them: taken by the router itself, not forwarded', () => {
  const router = new Router();
  router.net.ipv4.icmp_echo_ignore_broadcasts = 0;
  for (const dst of [-1, B | 0xff]) router.receive(ipFrame(icmp(8, 0, 1), { dst, to: ALL }));
  expect(packets(router).map(({ icmp: what, to }) => [what, to])).toEqual([
    ['0/0', '020000000001'],
    ['0/0', '020000000001'],
  ]);
  router.finish();
});

test('RFC 1812 5.3.7: by default: what comes from or goes to 127.0.0.0/8 or 0.0.0.0 is not forwarded', () => {
  const router = new Router();
  for (const src of ['127.0.0.9', '0.0.0.0']) router.receive(through({ src: in_aton(src) }));
  for (const dst of ['127.0.0.9', '0.0.0.0']) router.receive(through({ dst: in_aton(dst) }));
  expect(packets(router)).toEqual([]);
  expect(router.drops.length).toBe(4);
  router.finish();
});

test('RFC 1812 5.3.8: source validation is off unless it is asked for', () => {
  const router = new Router();
  router.receive(through({ src: in_aton('10.2.0.77') }));
  expect(packets(router).map(({ source }) => source)).toEqual(['10.2.0.77']);
  router.finish();
});

test('RFC 1812 5.3.12.3: an interface goes down: its routes are not used any more, another one for the same place is', () => {
  const router = new Router();
  router.exec(() => {
    ip_route_add(router.net, { dst: in_aton('10.9.0.0'), prefix_len: 16, gateway: FAR, metric: 1 });
    ip_route_add(router.net, { dst: in_aton('10.9.0.0'), prefix_len: 16, gateway: GW, metric: 2 });
  });
  const dst = in_aton('10.9.0.1');
  router.receive(through({ dst }));
  expect(packets(router).map(({ to }) => to)).toEqual([FAR_MAC]);
  for (const device of ['all', 'eth1']) devinet_conf_set(router.net, device, 'ignore_routes_with_linkdown', 1);
  router.exec(() => netif_carrier_off(router.eth1));
  router.wait(2);
  router.take();
  router.receive(through({ dst }));
  const after = packets(router).filter(({ protocol }) => protocol === 200);
  expect(after.map(({ to }) => to)).toEqual([GW_MAC]);
  router.finish();
});

test('RFC 1812 5.3.12.1: forwarding switched off: nothing is forwarded, no redirects, echoes are still answered', () => {
  const router = new Router();
  router.net.ipv4.ip_forward = 0;
  router.exec(() => ip_route_add(router.net, { dst: in_aton('10.9.0.0'), prefix_len: 16, gateway: GW }));
  router.receive(through({ dst: in_aton('10.9.0.1') }));
  expect(packets(router)).toEqual([]);
  router.receive(ipFrame(icmp(8, 0, 1)));
  expect(packets(router).map(packet => packet.icmp)).toEqual(['0/0']);
  router.finish();
});

test('RFC 1812 4.2.2.11: addresses: several to an interface, each with its network', () => {
  const segment = known();
  segment.exec(() => inet_addr_add(segment.dev, in_aton('10.77.0.2'), 28));
  segment.take();
  segment.receive(ipFrame(icmp(8, 0, 1), { dst: in_aton('10.77.0.2') }));
  segment.net.ipv4.icmp_echo_ignore_broadcasts = 0;
  segment.receive(ipFrame(icmp(8, 0, 1), { dst: in_aton('10.77.0.15'), to: ALL }));
  expect(packets(segment).map(({ source }) => source)).toEqual(['10.77.0.2', '10.1.0.2']);
  segment.finish();
});

test('RFC 1812 5.2.7.3: the TTL of a multicast or broadcast packet runs out without a message', () => {
  const router = new Router();
  router.receive(through({ dst: in_aton('239.1.2.3'), ttl: 1, to: '01005e010203' }));
  router.receive(through({ dst: in_aton('10.2.0.255'), ttl: 1 }));
  expect(packets(router)).toEqual([]);
  router.finish();
});
