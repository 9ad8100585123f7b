/** RFC 1122 3: what a host does at the internet layer, where no other test says it by itself. */
import { expect, test } from 'vitest';
import { EHOSTUNREACH, EINVAL, EMSGSIZE, ENETUNREACH } from '../../kernel/errno.ts';
import { neigh_add } from '../../kernel/net/core/neighbour.ts';
import { IP_PMTUDISC_DO } from '../../kernel/net/ipv4/datagram.ts';
import { devinet_conf_set } from '../../kernel/net/ipv4/devconf.ts';
import { inet_addr_add } from '../../kernel/net/ipv4/devinet.ts';
import { ip_route_add } from '../../kernel/net/ipv4/fib.ts';
import { in_aton, inet_ntoa } from '../../kernel/net/ipv4/ip_header.ts';
import { IP_MTU, IP_MTU_DISCOVER, IP_OPTIONS, IP_TOS, IP_TTL, SOL_IP } from '../../kernel/net/ipv4/ip_sockglue.ts';
import { flowi4, ip_route_output_key, type rtable } from '../../kernel/net/ipv4/route.ts';
import { AF_INET, MSG_DONTWAIT, SOCK_DGRAM, sockaddr_in, sockopt } from '../../kernel/net/msg.ts';
import { Router } from '../kernel/net/ipv4/router.ts';
import { A, ALL, arpFrame, B, bytesOf, icmp, ipFrame, type Segment } from '../kernel/net/segment.ts';
import { get, set } from '../kernel/net/user.ts';
import { known, packets, withSocket } from './packets.ts';

const echo = icmp(8, 0, 0x00010001);
const PAYLOAD = [1, 2, 3, 4, 5, 6, 7, 8];
const GW = in_aton('10.1.0.3');
const far = in_aton('8.8.8.8');

const routeTo = (segment: Segment, dst: number, src = 0, oif = 0): rtable | number => {
  const fl4 = new flowi4();
  fl4.init(dst, src);
  fl4.oif = oif;
  return segment.exec(() => ip_route_output_key(segment.net, fl4));
};

test('RFC 1122 3.1: two interfaces do not make a router: forwarding is off until it is asked for', () => {
  const router = new Router({ forward: false });
  expect(router.net.ipv4.ip_forward).toBe(0);
  router.receive(ipFrame(PAYLOAD, { dst: in_aton('10.2.0.2'), protocol: 200 }));
  expect(packets(router)).toEqual([]);
  router.net.ipv4.ip_forward = 1;
  router.receive(ipFrame(PAYLOAD, { dst: in_aton('10.2.0.2'), protocol: 200 }));
  expect(packets(router).map(({ destination }) => destination)).toEqual(['10.2.0.2']);
  router.finish();
});

test('RFC 1122 3.2.1.3: a broadcast address of the link as source: dropped by rp_filter; taken without, as Linux does', () => {
  const segment = known();
  segment.receive(ipFrame(echo, { src: B | 0xff }));
  expect(packets(segment).map(({ to, destination }) => [to, destination])).toEqual([[ALL, '10.1.0.255']]);
  for (const device of ['all', 'eth0']) devinet_conf_set(segment.net, device, 'rp_filter', 1);
  segment.receive(ipFrame(echo, { src: B | 0xff }));
  expect(packets(segment)).toEqual([]);
  expect(segment.drops.at(-1)).toBe('IP_LOCAL_SOURCE');
  segment.finish();
});

test('RFC 1122 3.2.1.3: 127.0.0.0/8 does not leave the host, neither as source nor as destination', () => {
  const segment = known();
  expect(routeTo(segment, A, in_aton('127.0.0.1'))).toBe(-EINVAL);
  const own = routeTo(segment, in_aton('127.0.0.1')) as rtable;
  expect(own.dev).toBe(segment.net.loopback_dev);
  segment.finish();
});

test('RFC 1122 3.2.1.3: source 0.0.0.0 only where this host has no address yet', () => {
  const segment = known();
  withSocket(segment, function* (sys, fd) {
    yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(A, 9));
  });
  expect(packets(segment).map(({ source }) => source)).toEqual(['10.1.0.2']);
  segment.finish();
});

test('RFC 1122 3.2.1.3: every address of every interface is its own, whichever the packet came by (weak host)', () => {
  const router = new Router({ forward: false });
  for (const dst of ['10.1.0.2', '10.2.0.1']) router.receive(ipFrame(echo, { dst: in_aton(dst) }));
  expect(packets(router).map(({ source }) => source)).toEqual(['10.1.0.2', '10.2.0.1']);
  router.finish();
});

test('RFC 1122 3.2.1.7: what is for this host is taken with a TTL of 1 and of 0; what it sends has none of 0', () => {
  const segment = known();
  for (const ttl of [1, 0]) segment.receive(ipFrame(echo, { ttl }));
  expect(packets(segment).map(({ icmp: what, timeToLive }) => [what, timeToLive])).toEqual([
    ['0/0', 64],
    ['0/0', 64],
  ]);
  const results: number[] = [];
  withSocket(segment, function* (sys, fd) {
    for (const ttl of [0, 256, 1, 255]) results.push(yield* set(sys, fd, SOL_IP, IP_TTL, ttl));
  });
  expect(results).toEqual([-EINVAL, -EINVAL, 0, 0]);
  segment.finish();
});

test('RFC 1122 3.2.1.7: the default TTL is a setting', () => {
  const segment = known();
  segment.net.ipv4.ip_default_ttl = 33;
  segment.receive(ipFrame(echo));
  expect(packets(segment).map(({ timeToLive }) => timeToLive)).toEqual([33]);
  segment.finish();
});

test('RFC 1122 3.2.1.6: the TOS of each packet is what its socket says', () => {
  const segment = known();
  withSocket(segment, function* (sys, fd) {
    for (const tos of [0x10, 0x08]) {
      yield* set(sys, fd, SOL_IP, IP_TOS, tos);
      yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(A, 9));
    }
  });
  expect(packets(segment).map(({ typeOfService }) => typeOfService)).toEqual([0x10, 0x08]);
  segment.finish();
});

test('RFC 1122 3.2.1.8: an option that nobody knows: ignored, the packet taken', () => {
  const segment = known();
  for (const type of [30, 0x5e, 0xde]) segment.receive(ipFrame(echo, { options: [type, 4, 1, 2] }));
  expect(packets(segment).map(packet => packet.icmp)).toEqual(['0/0', '0/0', '0/0']);
  segment.finish();
});

test('RFC 1122 3.2.1.8: a program sends a source route: the first hop is the destination, the last in the option', () => {
  const segment = known();
  withSocket(segment, function* (sys, fd) {
    const opt = new sockopt();
    opt.bytes = Uint8Array.from([131, 7, 4, 10, 1, 0, 1, 1]);
    expect(yield* sys.setsockopt(fd, SOL_IP, IP_OPTIONS, opt)).toBe(0);
    yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(far, 9));
  });
  const [sent] = packets(segment);
  expect([sent?.destination, [...(sent?.options ?? [])]]).toEqual(['10.1.0.1', [131, 7, 4, 8, 8, 8, 8, 1]]);
  segment.finish();
});

test('RFC 1122 3.2.1.8: the originator of a timestamp option enters its own time first', () => {
  const segment = known();
  segment.wait(5);
  segment.receive(arpFrame());
  segment.take();
  withSocket(segment, function* (sys, fd) {
    const opt = new sockopt();
    opt.bytes = Uint8Array.from([68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(yield* sys.setsockopt(fd, SOL_IP, IP_OPTIONS, opt)).toBe(0);
    yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(A, 9));
  });
  expect([...(packets(segment)[0]?.options ?? [])]).toEqual([68, 12, 9, 0, 0, 0, 0x13, 0x88, 0, 0, 0, 0]);
  segment.finish();
});

test('RFC 1122 3.2.2.1: net, host and route unreachable are hints: a connected socket goes on', () => {
  const segment = known();
  const quote = [...ipFrame([0, 7, 0, 9, 0, 9, 0, 0, 0], { src: B, dst: A, protocol: 17 }).subarray(14)];
  const results: number[] = [];
  segment.host.spawn('test', function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* sys.bind(fd, new sockaddr_in(B, 7));
    yield* sys.connect(fd, new sockaddr_in(A, 9));
    for (let i = 0; i < 4; i++) {
      yield* sys.nanosleep(500_000_000);
      results.push(yield* sys.send(fd, sys.mmap(64), 1, 0));
    }
    return 0;
  });
  for (const code of [0, 1, 5]) {
    segment.wait(0.5);
    segment.receive(ipFrame(icmp(3, code, 0, quote)));
  }
  segment.wait(1.5);
  expect(results).toEqual([1, 1, 1, 1]);
  expect(segment.net.ipv4.mib.IcmpInDestUnreachs).toBe(3);
  segment.finish();
});

test('RFC 1122 3.2.2.2: a redirect for a network is taken as one for the host', () => {
  const segment = known();
  segment.exec(() => {
    ip_route_add(segment.net, { dst: 0, prefix_len: 0, gateway: A });
    neigh_add(segment.net.ipv4.arp, GW, segment.dev, bytesOf('020000000033'));
  });
  const quote = [...ipFrame(icmp(0, 0, 1), { src: B, dst: far }).subarray(14)];
  expect(inet_ntoa((routeTo(segment, far) as rtable).rt_gw4)).toBe('10.1.0.1');
  segment.receive(ipFrame(icmp(5, 0, GW, quote)));
  expect(inet_ntoa((routeTo(segment, far) as rtable).rt_gw4)).toBe('10.1.0.3');
  expect(inet_ntoa((routeTo(segment, in_aton('8.8.4.4')) as rtable).rt_gw4)).toBe('10.1.0.1');
  segment.finish();
});

test('RFC 1122 3.2.2.3: source quench is heard and changes nothing (RFC 6633)', () => {
  const segment = known();
  const quote = [...ipFrame([0, 7, 0, 9, 0, 8, 0, 0], { src: B, dst: A, protocol: 17 }).subarray(14)];
  segment.receive(ipFrame(icmp(4, 0, 0, quote)));
  expect([segment.drops, segment.take(), segment.net.ipv4.mib.IcmpInSrcQuenchs]).toEqual([[], [], 1]);
  segment.finish();
});

test('RFC 1122 3.2.2.6: an echo reply goes out from the very address that was asked', () => {
  const segment = known();
  segment.exec(() => inet_addr_add(segment.dev, in_aton('10.1.0.50'), 24));
  segment.take();
  segment.receive(ipFrame(echo, { dst: in_aton('10.1.0.50') }));
  expect(packets(segment).map(({ source }) => source)).toEqual(['10.1.0.50']);
  segment.finish();
});

test('RFC 1122 3.2.2.8: a timestamp request with a source route is answered along the route reversed', () => {
  const segment = known();
  for (const device of ['all', 'eth0']) devinet_conf_set(segment.net, device, 'accept_source_route', 1);
  segment.receive(
    ipFrame(icmp(13, 0, 1, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), {
      src: in_aton('10.1.0.9'),
      options: [131, 7, 8, 10, 1, 0, 1, 0],
    }),
  );
  const [answer] = packets(segment);
  expect([answer?.icmp, answer?.destination, [...(answer?.options ?? [])]]).toEqual([
    '14/0',
    '10.1.0.1',
    [131, 7, 4, 10, 1, 0, 9, 0],
  ]);
  segment.finish();
});

test('RFC 1122 3.2.2.9: an address mask request is not answered, an address mask reply changes nothing', () => {
  const segment = known();
  segment.receive(ipFrame(icmp(17, 0, 0x00010001, [0, 0, 0, 0])));
  segment.receive(ipFrame(icmp(18, 0, 0x00010001, [255, 255, 0, 0])));
  expect([segment.take(), segment.drops]).toEqual([[], []]);
  expect(routeTo(segment, in_aton('10.1.7.7'))).toBe(-ENETUNREACH);
  segment.finish();
});

test('RFC 1122 3.3.1.1: on the network of an interface: sent to the host itself; else to a gateway', () => {
  const segment = known();
  segment.exec(() => ip_route_add(segment.net, { dst: 0, prefix_len: 0, gateway: A }));
  expect((routeTo(segment, in_aton('10.1.0.77')) as rtable).rt_uses_gateway).toBe(false);
  const off = routeTo(segment, far) as rtable;
  expect([off.rt_uses_gateway, inet_ntoa(off.rt_gw4)]).toEqual([true, '10.1.0.1']);
  segment.finish();
});

test('RFC 1122 3.3.1.1: without any route: the program is told, nothing is sent', () => {
  const segment = known();
  let result = 0;
  withSocket(segment, function* (sys, fd) {
    result = yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(far, 9));
  });
  expect(result).toBe(-ENETUNREACH);
  expect(segment.take()).toEqual([]);
  segment.finish();
});

test('RFC 1122 3.3.1.2: several default gateways, each with a preference: the lowest metric is used', () => {
  const segment = known();
  segment.exec(() => {
    ip_route_add(segment.net, { dst: 0, prefix_len: 0, gateway: A, metric: 200 });
    ip_route_add(segment.net, { dst: 0, prefix_len: 0, gateway: GW, metric: 100 });
  });
  expect(inet_ntoa((routeTo(segment, far) as rtable).rt_gw4)).toBe('10.1.0.3');
  segment.finish();
});

test('RFC 1122 3.3.3: what may not be cut and does not fit is refused, and the program learns the MTU', () => {
  const segment = known();
  const results: number[] = [];
  withSocket(segment, function* (sys, fd) {
    yield* sys.connect(fd, new sockaddr_in(A, 9));
    yield* set(sys, fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    results.push(yield* sys.send(fd, sys.mmap(2048), 1473, 0));
    results.push(yield* get(sys, fd, SOL_IP, IP_MTU));
    results.push(yield* sys.send(fd, sys.mmap(2048), 1472, 0));
  });
  expect(results).toEqual([-EMSGSIZE, 1500, 1472]);
  expect(packets(segment).map(({ totalLength, dontFragment }) => [totalLength, dontFragment])).toEqual([[1500, true]]);
  segment.finish();
});

test('RFC 1122 3.3.5: a host does not forward along a source route, unless it is told to be a router', () => {
  const segment = known();
  for (const device of ['all', 'eth0']) devinet_conf_set(segment.net, device, 'accept_source_route', 1);
  segment.exec(() => neigh_add(segment.net.ipv4.arp, GW, segment.dev, bytesOf('020000000033')));
  segment.receive(ipFrame(echo, { options: [131, 7, 4, 10, 1, 0, 3, 0] }));
  expect(packets(segment)).toEqual([]);
  segment.net.ipv4.ip_forward = 1;
  segment.receive(ipFrame(echo, { options: [131, 7, 4, 10, 1, 0, 3, 0] }));
  const sent = packets(segment);
  expect(sent.map(({ destination, timeToLive }) => [destination, timeToLive])).toEqual([['10.1.0.3', 63]]);
  segment.finish();
});

test('RFC 1122 3.3.6: for all: 255.255.255.255 and the broadcast address of the network; {network, 0} is one host (Linux)', () => {
  const segment = known();
  segment.net.ipv4.icmp_echo_ignore_broadcasts = 0;
  for (const dst of [-1, B | 0xff, in_aton('10.1.0.0')]) segment.receive(ipFrame(echo, { dst, to: ALL }));
  expect(packets(segment).map(({ source }) => source)).toEqual(['10.1.0.2', '10.1.0.2']);
  segment.finish();
});

test('RFC 1122 3.3.6: unicast in a frame for all: taken, as Linux does; discarded with drop_unicast_in_l2_multicast', () => {
  const segment = known();
  segment.receive(ipFrame(echo, { to: ALL }));
  expect(packets(segment).map(packet => packet.icmp)).toEqual(['0/0']);
  devinet_conf_set(segment.net, 'eth0', 'drop_unicast_in_l2_multicast', 1);
  segment.receive(ipFrame(echo, { to: ALL }));
  expect([packets(segment), segment.drops]).toEqual([[], ['UNICAST_IN_L2_MULTICAST']]);
  segment.finish();
});

test('RFC 1122 3.3.7: a member of 224.0.0.1 from the start, and no reports about it', () => {
  const segment = known();
  segment.net.ipv4.icmp_echo_ignore_broadcasts = 0;
  segment.receive(ipFrame(echo, { dst: in_aton('224.0.0.1'), to: '01005e000001' }));
  expect(packets(segment).map(({ icmp: what, source }) => [what, source])).toEqual([['0/0', '10.1.0.2']]);
  segment.wait(30);
  expect(segment.take().filter(frame => frame.slice(46, 48) === '02')).toEqual([]);
  segment.finish();
});

test('RFC 1122 3.4: a host that does not answer ARP: the program that sent to it is told', () => {
  const segment = known();
  let result = 0;
  withSocket(
    segment,
    function* (sys, fd) {
      yield* sys.connect(fd, new sockaddr_in(in_aton('10.1.0.99'), 9));
      yield* set(sys, fd, SOL_IP, 11, 1);
      yield* sys.send(fd, sys.mmap(64), 1, MSG_DONTWAIT);
      yield* sys.nanosleep(4_000_000_000);
      result = yield* sys.send(fd, sys.mmap(64), 1, MSG_DONTWAIT);
    },
    7,
    5,
  );
  expect(result).toBe(-EHOSTUNREACH);
  segment.wait(5);
  segment.take();
  segment.finish();
});

test('RFC 1122 3.2.2: class E (240.0.0.0/4) as source: an ordinary address to Linux, answered', () => {
  const segment = known();
  segment.exec(() => ip_route_add(segment.net, { dst: 0, prefix_len: 0, gateway: A }));
  segment.receive(ipFrame(echo, { src: in_aton('240.0.0.1') }));
  expect(packets(segment).map(({ icmp: what, destination }) => [what, destination])).toEqual([['0/0', '240.0.0.1']]);
  segment.finish();
});

test('RFC 1122 3.2.1.3: {0, host} (0.0.0.0/8 but 0.0.0.0): ordinary addresses to Linux, answered', () => {
  const segment = known();
  segment.exec(() => ip_route_add(segment.net, { dst: 0, prefix_len: 0, gateway: A }));
  segment.receive(ipFrame(echo, { src: in_aton('0.1.2.3') }));
  expect(packets(segment).map(({ icmp: what, destination }) => [what, destination])).toEqual([['0/0', '0.1.2.3']]);
  segment.finish();
});

test('RFC 1122 3.2.1.3: a source that cannot be (a group, all, all of the network, somebody else): refused', () => {
  const segment = known();
  for (const src of ['224.0.0.5', '255.255.255.255']) {
    expect([src, routeTo(segment, A, in_aton(src))]).toEqual([src, -EINVAL]);
  }
  for (const src of ['0.0.0.9', '10.1.0.255', '10.1.0.9', '240.0.0.1']) {
    expect([src, routeTo(segment, A, in_aton(src))]).toEqual([src, -ENETUNREACH]);
  }
  segment.finish();
});

test('RFC 1122 3.2.1.3: a socket that is bound to a group or a broadcast sends from the address of the interface', () => {
  const segment = known();
  segment.host.spawn('test', function* (sys) {
    for (const address of ['224.0.0.5', '10.1.0.255', '255.255.255.255']) {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      expect([address, yield* sys.bind(fd, new sockaddr_in(in_aton(address), 7))]).toEqual([address, 0]);
      yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(A, 9));
    }
    return 0;
  });
  segment.wait(0.5);
  expect(packets(segment).map(({ source }) => source)).toEqual(['10.1.0.2', '10.1.0.2', '10.1.0.2']);
  segment.finish();
});

test('RFC 1122 3.3.5: along a source route, too long with DF: fragmentation needed, back along the route', () => {
  const router = new Router();
  for (const device of ['all', 'eth0']) devinet_conf_set(router.net, device, 'accept_source_route', 1);
  router.eth1.mtu = 576;
  const payload = new Array<number>(800).fill(1);
  router.receive(ipFrame(payload, { protocol: 200, frag: 0x4000, options: [131, 7, 4, 10, 2, 0, 2, 0] }));
  expect(packets(router).map(({ icmp: what, data }) => [what, data.slice(8, 16)])).toEqual([['3/4', '00000240']]);
  router.finish();
});

test('RFC 1122 3.1: what is discarded is counted, and the reason can be traced (SHOULD)', () => {
  const segment = known();
  segment.receive(ipFrame(echo, { checksum: 1 }));
  segment.receive(ipFrame(echo, { dst: far }));
  expect(segment.drops).toEqual(['IP_CSUM', 'IP_INADDRERRORS']);
  expect(segment.net.ipv4.mib).toMatchObject({ IpInHdrErrors: 1, IpExtInCsumErrors: 1, IpInAddrErrors: 1 });
  segment.finish();
});
