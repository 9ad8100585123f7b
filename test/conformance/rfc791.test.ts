/** RFC 791: what a host and a router do with a datagram's header, its fragments and its options. */
import { expect, test } from 'vitest';
import { devinet_conf_set } from '../../kernel/net/ipv4/devconf.ts';
import { ip_route_add } from '../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import { IP_OPTIONS, SOL_IP } from '../../kernel/net/ipv4/ip_sockglue.ts';
import { MSG_DONTWAIT, sockaddr_in, sockopt } from '../../kernel/net/msg.ts';
import { FAR, GW, Router } from '../kernel/net/ipv4/router.ts';
import { A, arpFrame, icmp, ipFrame } from '../kernel/net/segment.ts';
import { known, packets, withSocket } from './packets.ts';

const bytes = (n: number): number[] => Array.from({ length: n }, (_, i) => i & 255);

test('RFC 791 3.1: what a host sends: version 4, reserved bits 0, a right checksum, the default TTL, its own address', () => {
  const segment = known();
  withSocket(segment, function* (sys, fd) {
    yield* sys.sendto(fd, sys.mmap(4096), 3000, 0, new sockaddr_in(A, 9));
  });
  const sent = packets(segment);
  expect(sent.length).toBe(3);
  for (const packet of sent) {
    expect(packet).toMatchObject({
      reserved: false,
      checksumOk: true,
      timeToLive: 64,
      protocol: 17,
      source: '10.1.0.2',
    });
    expect(packet.typeOfService & 3).toBe(0);
  }
  segment.finish();
});

test('RFC 791 3.1: a datagram of 576 bytes is taken, in one piece and in fragments of the smallest kind', () => {
  const segment = known();
  const echo = icmp(8, 0, 0x00070001, bytes(576 - 28));
  segment.receive(ipFrame(echo));
  for (let at = 0; at < echo.length; at += 48) {
    const last = at + 48 >= echo.length;
    segment.receive(ipFrame(echo.slice(at, at + 48), { id: 7, frag: (last ? 0 : 0x2000) | (at >> 3) }));
  }
  expect(packets(segment).map(({ icmp, totalLength }) => [icmp, totalLength])).toEqual([
    ['0/0', 576],
    ['0/0', 576],
  ]);
  segment.finish();
});

test('RFC 791 3.2: a datagram of 68 bytes passes a link of that MTU in one piece, a longer one in pieces of eight', () => {
  const router = new Router();
  router.eth1.min_mtu = 68;
  router.eth1.mtu = 68;
  router.receive(ipFrame(bytes(48), { dst: FAR, protocol: 200, id: 5 }));
  expect(packets(router).map(({ totalLength }) => totalLength)).toEqual([68]);
  router.receive(ipFrame(bytes(100), { dst: FAR, protocol: 200, id: 6 }));
  const pieces = packets(router);
  expect(pieces.map(p => [p.fragmentOffset, p.payload.length, p.moreFragments, p.checksumOk])).toEqual([
    [0, 48, true, true],
    [48, 48, true, true],
    [96, 4, false, true],
  ]);
  expect(pieces.map(p => [p.identification, p.protocol, p.source, p.destination])).toEqual(
    new Array(3).fill([6, 200, '10.1.0.1', '10.2.0.2']),
  );
  router.finish();
});

test('RFC 791 3.1: options of what a router cuts: those with the copied bit go into every piece, the rest into the first', () => {
  const router = new Router();
  router.eth1.mtu = 576;
  // Record route (not copied), stream identifier (copied).
  const options = [7, 7, 8, 1, 2, 3, 4, 136, 4, 0, 9, 0];
  router.receive(ipFrame(bytes(800), { dst: FAR, protocol: 200, options }));
  const pieces = packets(router);
  expect(pieces.map(({ options: all }) => all.includes(136))).toEqual([true, true]);
  expect(pieces.map(({ options: all }) => all[0] === 7)).toEqual([true, false]);
  expect(pieces.every(({ checksumOk }) => checksumOk)).toBe(true);
  router.finish();
});

test('RFC 791 3.1: strict source route: on to a neighbour; to one behind a gateway: source route failed', () => {
  const router = new Router();
  for (const device of ['all', 'eth0']) devinet_conf_set(router.net, device, 'accept_source_route', 1);
  router.exec(() => ip_route_add(router.net, { dst: in_aton('10.9.0.0'), prefix_len: 16, gateway: GW }));
  router.receive(ipFrame(bytes(8), { protocol: 200, options: [137, 7, 4, 10, 2, 0, 2, 0] }));
  const [on] = packets(router);
  expect([on?.destination, [...(on?.options ?? [])]]).toEqual(['10.2.0.2', [137, 7, 8, 10, 2, 0, 1, 0]]);
  router.receive(ipFrame(bytes(8), { protocol: 200, options: [137, 7, 4, 10, 9, 0, 9, 0] }));
  expect(packets(router).map(packet => packet.icmp)).toEqual(['3/5']);
  router.finish();
});

test('RFC 791 3.1: a router adds its time to a timestamp option, and with its address the one it sends from', () => {
  const router = new Router();
  router.wait(5);
  router.receive(ipFrame(bytes(8), { dst: FAR, protocol: 200, options: [68, 8, 5, 0, 0, 0, 0, 0] }));
  router.receive(
    ipFrame(bytes(8), { dst: FAR, protocol: 200, options: [68, 12, 5, 1, ...new Array<number>(8).fill(0)] }),
  );
  const [plain, address] = packets(router);
  expect([...(plain?.options ?? [])]).toEqual([68, 8, 9, 0, 0, 0, 0x13, 0x88]);
  expect([...(address?.options ?? [])]).toEqual([68, 12, 13, 1, 10, 2, 0, 1, 0, 0, 0x13, 0x88]);
  expect([plain?.checksumOk, address?.checksumOk]).toEqual([true, true]);
  router.finish();
});

test('RFC 791 3.1: timestamps full: a router counts in the overflow field; beyond fifteen: parameter problem', () => {
  const router = new Router();
  router.receive(ipFrame(bytes(8), { dst: FAR, protocol: 200, options: [68, 8, 9, 0x10, 1, 2, 3, 4] }));
  expect([...(packets(router)[0]?.options ?? [])]).toEqual([68, 8, 9, 0x20, 1, 2, 3, 4]);
  router.receive(ipFrame(bytes(8), { dst: FAR, protocol: 200, options: [68, 8, 9, 0xf0, 1, 2, 3, 4] }));
  expect(packets(router).map(packet => packet.icmp)).toEqual(['12/0']);
  router.finish();
});

test('RFC 791 3.1: identification: one and the same in all fragments, another for the next datagram', () => {
  const segment = known();
  withSocket(segment, function* (sys, fd) {
    for (let i = 0; i < 2; i++) yield* sys.sendto(fd, sys.mmap(4096), 2000, 0, new sockaddr_in(A, 9));
  });
  const [a, b, c, d] = packets(segment).map(({ identification }) => identification);
  expect([a === b, c === d, a === c]).toEqual([true, true, false]);
  segment.finish();
});

test('RFC 791 3.1: the security option is let through, in both directions, as any other that means nothing here', () => {
  const router = new Router();
  const security = [130, 11, 0xd7, 0x88, 0, 0, 0, 0, 0, 0, 0, 0];
  router.receive(ipFrame(bytes(8), { dst: FAR, protocol: 200, options: security }));
  expect([...(packets(router)[0]?.options ?? [])]).toEqual(security);
  let sent = 0;
  withSocket(router, function* (sys, fd) {
    const opt = new sockopt();
    opt.bytes = Uint8Array.from(security);
    sent = yield* sys.setsockopt(fd, SOL_IP, IP_OPTIONS, opt);
    yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(A, 9));
  });
  expect(sent).toBe(0);
  expect([...(packets(router)[0]?.options ?? [])]).toEqual(security);
  router.finish();
});

test('RFC 791 3.2: a datagram for somebody else that reaches a host is not sent on', () => {
  const router = new Router({ forward: false });
  router.receive(ipFrame(bytes(8), { dst: FAR, protocol: 200 }));
  expect(packets(router)).toEqual([]);
  expect(router.drops).toEqual(['IP_INADDRERRORS']);
  router.receive(arpFrame({ sip: GW }));
  expect(router.net.ipv4.mib.IpForwDatagrams).toBe(0);
  router.finish();
});
