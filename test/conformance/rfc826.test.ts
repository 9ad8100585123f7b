/** RFC 826: address resolution, rule by rule. */
import { expect, test } from 'vitest';
import { neigh_lookup } from '../../kernel/net/core/neighbour.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import { MSG_DONTWAIT, sockaddr_in } from '../../kernel/net/msg.ts';
import { Router } from '../kernel/net/ipv4/router.ts';
import { A, A_MAC, ALL, arpFrame, B, B_MAC, hex, ipFrame, Segment } from '../kernel/net/segment.ts';
import { known, packets, withSocket } from './packets.ts';

const macOf = (segment: Segment, address = A): string =>
  hex(neigh_lookup(segment.net.ipv4.arp, address, segment.dev)?.ha ?? new Uint8Array());

test('RFC 826: a request: Ethernet, IP, lengths 6 and 4, opcode 1, both own addresses, the one asked for, to all', () => {
  const segment = new Segment();
  withSocket(
    segment,
    function* (sys, fd) {
      yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(A, 9));
    },
    7,
    0.5,
  );
  expect(segment.take()).toEqual([hex(arpFrame({ sha: B_MAC, sip: B, tip: A }))]);
  segment.receive(arpFrame({ op: 2, to: B_MAC, tha: B_MAC }));
  expect(packets(segment).map(({ to }) => to)).toEqual([A_MAC]);
  segment.finish();
});

test('RFC 826: merge: a sender that is known is updated by any ARP packet, a question for somebody else included', () => {
  const segment = known();
  expect(macOf(segment)).toBe(A_MAC);
  segment.wait(2);
  segment.receive(arpFrame({ sha: '0200000000aa', tip: in_aton('10.1.0.77') }));
  expect(macOf(segment)).toBe('0200000000aa');
  expect(segment.take()).toEqual([]);
  segment.finish();
});

test('RFC 826: merge comes before the opcode is looked at: who asks us is known afterwards', () => {
  const segment = new Segment();
  segment.receive(arpFrame());
  expect(segment.take()).toEqual([hex(arpFrame({ op: 2, to: A_MAC, sha: B_MAC, sip: B, tha: A_MAC, tip: A }))]);
  expect(macOf(segment)).toBe(A_MAC);
  segment.finish();
});

test('RFC 826: an answer is never answered, and goes to the one that asked, on the device the question came by', () => {
  const segment = new Segment();
  segment.receive(arpFrame({ op: 2, to: B_MAC, tha: B_MAC }));
  expect(segment.take()).toEqual([]);
  segment.receive(arpFrame({ to: B_MAC }));
  expect(segment.take().map(frame => frame.slice(0, 12))).toEqual([A_MAC]);
  segment.finish();
});

test('RFC 826: what is sent before the answer waits for it; nobody is asked for an address that is known', () => {
  const segment = known();
  for (let i = 0; i < 2; i++) {
    withSocket(
      segment,
      function* (sys, fd) {
        yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(A, 9));
      },
      7,
      0.1,
    );
  }
  expect(segment.take().map(frame => frame.slice(24, 28))).toEqual(['0800', '0800']);
  segment.finish();
});

test('RFC 1812 3.3.2: a group as link-layer address in an answer: RFC 1812 forbids to believe it, Linux does', () => {
  const segment = known();
  segment.wait(2);
  segment.receive(arpFrame({ op: 2, to: B_MAC, tha: B_MAC, sha: '01005e000001' }));
  expect(macOf(segment)).toBe('01005e000001');
  segment.finish();
});

test('RFC 1122 2.3.2.1: an entry that is wrong is found out: unconfirmed it is asked for, and gone without an answer', () => {
  const segment = known();
  const send = (): void => {
    withSocket(
      segment,
      function* (sys, fd) {
        yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(A, 9));
      },
      7,
      0.1,
    );
  };
  send();
  expect(packets(segment).map(({ to }) => to)).toEqual([A_MAC]);
  // STALE, used, DELAY: after 5 s three questions to the address itself, then FAILED.
  segment.wait(10);
  expect(segment.take()).toEqual(new Array(3).fill(hex(arpFrame({ to: A_MAC, sha: B_MAC, sip: B, tip: A }))));
  send();
  expect(segment.take().map(frame => frame.slice(0, 12))).toEqual([ALL]);
  segment.wait(4);
  segment.take();
  segment.finish();
});

test('RFC 1122 2.3.2.2: the latest packet for an address that is being asked for is kept and sent', () => {
  const segment = new Segment();
  withSocket(
    segment,
    function* (sys, fd) {
      const at = sys.mmap(64);
      sys.kernel.ram.u8[at] = 0x5a;
      yield* sys.sendto(fd, at, 1, MSG_DONTWAIT, new sockaddr_in(A, 9));
    },
    7,
    0.5,
  );
  expect(packets(segment)).toEqual([]);
  segment.receive(arpFrame({ op: 2, to: B_MAC, tha: B_MAC }));
  expect(packets(segment).map(({ data }) => data.slice(16))).toEqual(['5a']);
  segment.finish();
});

test('RFC 1812 3.3.2: no entry yet is no reason for an unreachable: the packet waits until the question failed', () => {
  const router = new Router({ neighbours: false });
  router.receive(arpFrame());
  router.receive(ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { dst: in_aton('10.2.0.9'), protocol: 200 }));
  expect(packets(router)).toEqual([]);
  router.wait(3.5);
  router.receive(arpFrame());
  expect(packets(router).map(({ icmp }) => icmp)).toEqual(['3/1']);
  router.finish();
});
