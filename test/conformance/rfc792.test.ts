/** RFC 792: the form of messages, and what an error quotes. */
import { expect, test } from 'vitest';
import { internetChecksum } from '../../harness/packet/checksum.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import { FAR, Router } from '../kernel/net/ipv4/router.ts';
import { A, ALL, arpFrame, B, hex, icmp, ipFrame, Segment } from '../kernel/net/segment.ts';
import { known, packets } from './packets.ts';

const NOBODY = 200;

test('RFC 792: an error quotes the header with its options and at least 64 bits, as they came', () => {
  const segment = known();
  const frame = ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { protocol: NOBODY, options: [1, 1, 1, 0], tos: 0x10, id: 77 });
  segment.receive(frame);
  const [told] = packets(segment);
  expect(told?.icmp).toBe('3/2');
  expect(told?.data.slice(8, 16)).toBe('00000000');
  expect(told?.data.slice(16)).toBe(hex(frame.subarray(14)));
  expect(internetChecksum(told?.payload as Uint8Array)).toBe(0);
  segment.finish();
});

test('RFC 792: an error goes to the source of what it is about, an answer to the source of the question, from its destination', () => {
  const segment = known();
  segment.receive(ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { protocol: NOBODY }));
  segment.receive(ipFrame(icmp(8, 0, 1)));
  expect(packets(segment).map(({ icmp: what, source, destination }) => [what, source, destination])).toEqual([
    ['3/2', '10.1.0.2', '10.1.0.1'],
    ['0/0', '10.1.0.2', '10.1.0.1'],
  ]);
  segment.finish();
});

test('RFC 792: echo: identifier, sequence and data come back, of an odd length too; the checksum covers all', () => {
  const segment = known();
  for (const length of [0, 1, 55, 1472]) {
    const data = Array.from({ length }, (_, i) => (i * 7) & 255);
    segment.receive(ipFrame(icmp(8, 0, 0x12345678, data)));
    const [answer] = packets(segment);
    expect(answer?.data).toBe(hex(Uint8Array.from(icmp(0, 0, 0x12345678, data))));
    expect(internetChecksum(answer?.payload as Uint8Array)).toBe(0);
  }
  segment.finish();
});

test('RFC 792: timestamp: originate comes back, receive and transmit are milliseconds since midnight, code 0', () => {
  const segment = known();
  segment.wait(61.5);
  segment.receive(arpFrame());
  segment.take();
  segment.receive(ipFrame(icmp(13, 0, 0x00070001, [0xde, 0xad, 0xbe, 0xef, 1, 1, 1, 1, 2, 2, 2, 2])));
  const [answer] = packets(segment);
  expect(answer?.icmp).toBe('14/0');
  expect(answer?.data.slice(8)).toBe(`00070001deadbeef${'0000f03c'.repeat(2)}`);
  segment.finish();
});

test('RFC 792: information and address mask requests are taken and not answered', () => {
  const segment = known();
  for (const type of [15, 17]) segment.receive(ipFrame(icmp(type, 0, 0x00010001, [0, 0, 0, 0])));
  expect(segment.take()).toEqual([]);
  expect(segment.drops).toEqual([]);
  segment.finish();
});

test('RFC 792: fragmentation needed, time exceeded, parameter problem: unused words 0 but for MTU and pointer', () => {
  const router = new Router();
  router.eth1.mtu = 576;
  router.receive(ipFrame(new Array<number>(900).fill(1), { dst: FAR, protocol: NOBODY, frag: 0x4000 }));
  router.receive(ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { dst: FAR, protocol: NOBODY, ttl: 1 }));
  router.receive(ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { dst: FAR, protocol: NOBODY, options: [7, 9, 4, 0] }));
  expect(packets(router).map(({ icmp: what, data }) => [what, data.slice(8, 16)])).toEqual([
    ['3/4', '00000240'],
    ['11/0', '00000000'],
    ['12/0', '14000000'],
  ]);
  router.finish();
});

test('RFC 792: no message about a message, and only about fragment zero', () => {
  const router = new Router();
  const quote = [...ipFrame([0, 7, 0, 9, 0, 8, 0, 0], { src: FAR, dst: A, protocol: 17 }).subarray(14)];
  for (const type of [3, 4, 5, 11, 12]) router.receive(ipFrame(icmp(type, 0, 0, quote), { dst: FAR, ttl: 1 }));
  router.receive(ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { dst: FAR, protocol: NOBODY, ttl: 1, frag: 0x2001 }));
  expect(packets(router)).toEqual([]);
  router.receive(ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { dst: FAR, protocol: NOBODY, ttl: 1, frag: 0x2000 }));
  expect(packets(router).map(packet => packet.icmp)).toEqual(['11/0']);
  router.finish();
});

test('RFC 792: a gateway discards what it has no route for, and says net unreachable', () => {
  const router = new Router();
  router.receive(ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { dst: in_aton('192.0.2.1'), protocol: NOBODY }));
  expect(packets(router).map(packet => packet.icmp)).toEqual(['3/0']);
  router.finish();
});

test('RFC 792: a code that means nothing in an echo comes back as it is', () => {
  const segment = new Segment();
  segment.receive(arpFrame());
  segment.take();
  segment.receive(ipFrame(icmp(8, 9, 1)));
  segment.receive(ipFrame(icmp(8, 0, 2), { dst: B | 0xff, to: ALL }));
  expect(packets(segment).map(packet => packet.icmp)).toEqual(['0/9']);
  segment.finish();
});
