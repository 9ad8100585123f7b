/** What RFC 1812 demands of forwarding, and the redirects a router sends. */
import { describe, expect, it } from 'vitest';
import { neigh_add } from '../../../../kernel/net/core/neighbour.ts';
import { devinet_conf_set } from '../../../../kernel/net/ipv4/devconf.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import { ip_route_add } from '../../../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { A, ALL, bytesOf, icmp, ipFrame } from '../segment.ts';
import { FAR, FAR_MAC, GW, GW_MAC, Router } from './router.ts';

const echo = icmp(8, 0, 0x00010001);
const UDP = [0x10, 0, 0, 9, 0, 8, 0, 0];

describe('a router', () => {
  it('RFC 1812 5.3.1: the TTL goes down by one, a packet whose time is up is not forwarded and its sender told', () => {
    const router = new Router();
    router.receive(ipFrame(UDP, { protocol: 17, dst: FAR, ttl: 2 }));
    const [out] = router.packets();
    expect([out?.to, out?.packet.slice(16, 18)]).toEqual([FAR_MAC, '01']);
    for (const ttl of [1, 0]) router.receive(ipFrame(UDP, { protocol: 17, dst: FAR, ttl }));
    expect(router.icmps()).toEqual(['11/0 00000000', '11/0 00000000']);
    expect(router.net.ipv4.mib).toMatchObject({ IpForwDatagrams: 1, IpInHdrErrors: 2 });
    expect(router.drops).toEqual(['IP_INHDR', 'IP_INHDR']);
    router.finish();
  });

  it('RFC 1812 5.3.1: a packet for the router itself is taken whatever its TTL', () => {
    const router = new Router();
    router.receive(ipFrame(echo, { ttl: 1 }));
    expect(router.icmps()).toEqual(['0/0 00010001']);
    router.finish();
  });

  it('RFC 1812 4.2.2.5: the header checksum of what is forwarded is right', () => {
    const router = new Router();
    // TTLs and identifications that make the sum wrap.
    for (let i = 0; i < 300; i++)
      router.receive(ipFrame(UDP, { protocol: 17, dst: FAR, ttl: 2 + (i % 250), id: i * 217 }));
    for (const { packet } of router.packets()) {
      let sum = 0;
      for (let at = 0; at < 40; at += 4) sum += Number.parseInt(packet.slice(at, at + 4), 16);
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
      expect(sum).toBe(0xffff);
    }
    router.finish();
  });

  it('RFC 1812 5.3.4: what came to all on the link is not forwarded', () => {
    const router = new Router();
    router.receive(ipFrame(UDP, { protocol: 17, dst: FAR, to: ALL }));
    router.receive(ipFrame(UDP, { protocol: 17, dst: FAR, to: '01005e000001' }));
    expect([router.packets(), router.net.ipv4.mib.IpForwDatagrams]).toEqual([[], 0]);
    router.finish();
  });

  it('RFC 1812 5.3.5.1: 255.255.255.255 is not forwarded', () => {
    const router = new Router();
    router.receive(ipFrame(UDP, { protocol: 17, dst: -1, to: ALL }));
    expect(router.packets()).toEqual([]);
    router.finish();
  });

  it('RFC 2644: a broadcast to another of its subnets is not forwarded, unless bc_forwarding says so', () => {
    const router = new Router();
    const dst = in_aton('10.2.0.255');
    router.receive(ipFrame(UDP, { protocol: 17, dst }));
    expect(router.packets().filter(({ to }) => to === ALL)).toEqual([]);
    devinet_conf_set(router.net, 'all', 'bc_forwarding', 1);
    devinet_conf_set(router.net, 'eth0', 'bc_forwarding', 1);
    router.receive(ipFrame(UDP, { protocol: 17, dst }));
    expect(router.packets().map(({ to }) => to)).toEqual([ALL]);
    router.finish();
  });

  it('RFC 1812 4.3.2.7: no error about an ICMP error, a later fragment, a broadcast', () => {
    const router = new Router();
    router.receive(ipFrame(icmp(3, 3, 0, new Array<number>(28).fill(0x45)), { dst: FAR, ttl: 1 }));
    router.receive(ipFrame(UDP, { protocol: 17, dst: FAR, ttl: 1, frag: 100 }));
    router.receive(ipFrame(UDP, { protocol: 17, dst: FAR, ttl: 1, to: ALL }));
    expect(router.icmps()).toEqual([]);
    router.finish();
  });

  it('RFC 1812 4.2.3.3, RFC 1191 4: too long with DF: "fragmentation needed" with the MTU of the next hop', () => {
    const router = new Router();
    router.exec(() => ip_route_add(router.net, { dst: in_aton('10.9.0.0'), prefix_len: 16, gateway: FAR, mtu: 1000 }));
    const payload = [...UDP.slice(0, 8), ...new Array<number>(1000).fill(1)];
    router.receive(ipFrame(payload, { protocol: 17, dst: in_aton('10.9.0.1'), frag: 0x4000 }));
    expect(router.icmps()).toEqual([`3/4 ${(1000).toString(16).padStart(8, '0')}`]);
    expect([router.drops, router.net.ipv4.mib.IpFragFails]).toEqual([['PKT_TOO_BIG'], 1]);
    router.finish();
  });

  it('RFC 1812 5.2.4.3: a link-layer failure is told as host unreachable, once the neighbour did not answer', () => {
    const router = new Router();
    const silent = in_aton('10.2.0.99');
    router.receive(ipFrame(UDP, { protocol: 17, dst: silent }));
    router.take();
    router.wait(3.5);
    expect(router.icmps()).toEqual(['3/1 00000000']);
    expect(router.drops).toEqual(['NEIGH_FAILED']);
    router.finish();
  });

  it('forwarding off for one device: what comes by it stays', () => {
    const router = new Router();
    devinet_conf_set(router.net, 'eth0', 'forwarding', 0);
    router.receive(ipFrame(UDP, { protocol: 17, dst: FAR }));
    expect([router.packets(), router.drops]).toEqual([[], ['IP_INADDRERRORS']]);
    router.finish();
  });
});

describe('redirects, sent', () => {
  const DST = in_aton('10.9.0.1');

  function setUp(): Router {
    const router = new Router();
    router.exec(() => ip_route_add(router.net, { dst: in_aton('10.9.0.0'), prefix_len: 16, gateway: GW }));
    return router;
  }

  it('RFC 1812 5.2.7.2: out by the way it came, the sender on that link: told of the gateway, the packet sent on', () => {
    const router = setUp();
    router.receive(ipFrame(UDP, { protocol: 17, dst: DST }));
    const packets = router.packets();
    expect(packets.map(({ to }) => to)).toEqual(['020000000001', GW_MAC]);
    expect(packets[0]?.packet.slice(40, 44)).toBe('0501');
    expect(packets[0]?.packet.slice(48, 56)).toBe('0a010003');
    router.finish();
  });

  it('RFC 1812 4.3.2.8: ever more seldom, nine in vain, then silence for 20 s', () => {
    const router = setUp();
    let sent = 0;
    const ask = (): void => {
      router.receive(ipFrame(UDP, { protocol: 17, dst: DST }));
      sent += router.icmps().length;
    };
    for (let i = 0; i < 10; i++) ask();
    expect(sent).toBe(1);
    for (let i = 0; i < 400; i++) {
      router.wait(0.05);
      ask();
    }
    expect(sent).toBe(9);
    router.wait(21);
    ask();
    expect(sent).toBe(10);
    router.finish();
  });

  it('RFC 1812 5.2.7.2: not to a sender of another network, nor with send_redirects off', () => {
    const router = setUp();
    router.receive(ipFrame(UDP, { protocol: 17, src: in_aton('172.16.0.1'), dst: DST }));
    devinet_conf_set(router.net, 'all', 'send_redirects', 0);
    devinet_conf_set(router.net, 'eth0', 'send_redirects', 0);
    router.receive(ipFrame(UDP, { protocol: 17, dst: DST }));
    expect(router.icmps()).toEqual([]);
    router.finish();
  });

  it('RFC 1812 5.2.7.2: without shared media, not for a gateway of another subnet than the sender', () => {
    const router = setUp();
    const other = in_aton('10.5.0.9');
    router.exec(() => {
      inet_addr_add(router.dev, in_aton('10.5.0.1'), 24);
      neigh_add(router.net.ipv4.arp, other, router.dev, bytesOf(GW_MAC));
      ip_route_add(router.net, { dst: in_aton('10.7.0.0'), prefix_len: 16, gateway: other });
    });
    devinet_conf_set(router.net, 'all', 'shared_media', 0);
    devinet_conf_set(router.net, 'eth0', 'shared_media', 0);
    router.receive(ipFrame(UDP, { protocol: 17, src: A, dst: in_aton('10.7.0.1') }));
    expect(router.icmps()).toEqual([]);
    router.finish();
  });
});
