/** RFC 1122 2: Ethernet as IP uses it; RFC 1812 3 where it says the same of routers. */
import { expect, test } from 'vitest';
import { EINVAL } from '../../kernel/errno.ts';
import { dev_set_mtu } from '../../kernel/net/core/dev.ts';
import { SO_BROADCAST, SOL_SOCKET } from '../../kernel/net/core/sock.ts';
import { MSG_DONTWAIT, sockaddr_in } from '../../kernel/net/msg.ts';
import { A, A_MAC, ALL, B, B_MAC, bytesOf, icmp, ipFrame } from '../kernel/net/segment.ts';
import { set } from '../kernel/net/user.ts';
import { known, packets, withSocket } from './packets.ts';

const echo = icmp(8, 0, 1);

test('RFC 1122 2.3.3: Ethernet encapsulation (RFC 894) both ways: type 0800h, the packet behind it', () => {
  const segment = known();
  segment.receive(ipFrame(echo));
  expect(segment.take().map(frame => frame.slice(0, 28))).toEqual([`${A_MAC}${B_MAC}0800`]);
  segment.finish();
});

test('RFC 1122 2.3.3: IEEE 802.3 with SNAP (RFC 1042): Linux takes no IP out of it, and sends none so', () => {
  const segment = known();
  const packet = ipFrame(echo).subarray(14);
  const length = packet.length + 8;
  const snap = bytesOf(`${B_MAC}${A_MAC}${length.toString(16).padStart(4, '0')}aaaa030000000800`);
  segment.receive(Uint8Array.from([...snap, ...packet]));
  expect(segment.take()).toEqual([]);
  expect(segment.net.ipv4.mib.IpInReceives).toBe(0);
  expect(segment.drops).toEqual(['UNHANDLED_PROTO']);
  segment.finish();
});

test('RFC 1122 2.3.1: trailers (types 1001h and up) are neither asked for, sent, nor understood', () => {
  const segment = known();
  const frame = ipFrame(echo);
  frame.set([0x10, 0x01], 12);
  segment.receive(frame);
  expect(segment.take()).toEqual([]);
  expect(segment.drops).toEqual(['UNHANDLED_PROTO']);
  segment.finish();
});

test('RFC 1122 2.3.3: an MTU of 1500 by default; RFC 1812 3.3.4: it is set by interface, within what its link allows', () => {
  const segment = known();
  expect(segment.dev.mtu).toBe(1500);
  segment.receive(ipFrame(icmp(8, 0, 1, new Array<number>(1472).fill(1))));
  expect(packets(segment).map(({ totalLength }) => totalLength)).toEqual([1500]);
  segment.exec(() => {
    expect(dev_set_mtu(segment.dev, segment.dev.max_mtu + 1)).toBe(-EINVAL);
    expect(dev_set_mtu(segment.dev, segment.dev.min_mtu - 1)).toBe(-EINVAL);
    expect(dev_set_mtu(segment.dev, 576)).toBe(0);
  });
  segment.receive(ipFrame(icmp(8, 0, 1, new Array<number>(1000).fill(1))));
  expect(packets(segment).map(({ totalLength }) => totalLength)).toEqual([572, 476]);
  segment.finish();
});

test('RFC 1122 2.4: the link layer says what came to all: an answer that only a packet for us gets is not sent', () => {
  const segment = known();
  segment.receive(ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { protocol: 200, to: ALL }));
  expect(segment.take()).toEqual([]);
  segment.receive(ipFrame([1, 2, 3, 4, 5, 6, 7, 8], { protocol: 200 }));
  expect(packets(segment).map(packet => packet.icmp)).toEqual(['3/2']);
  segment.finish();
});

test('RFC 1122 2.4: TOS goes down with the packet: the kind of service sets its priority, and the header has it', () => {
  const segment = known();
  segment.receive(ipFrame(echo, { tos: 0x10 }));
  expect(packets(segment).map(({ typeOfService }) => typeOfService)).toEqual([0x10]);
  segment.finish();
});

test('RFC 1122 2.4, 3.3.6: what goes to one address goes to one Ethernet address, to all only what is for all', () => {
  const segment = known();
  withSocket(
    segment,
    function* (sys, fd) {
      yield* set(sys, fd, SOL_SOCKET, SO_BROADCAST, 1);
      for (const to of [A, B | 0xff, -1]) yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(to, 9));
    },
    7,
    0.2,
  );
  expect(packets(segment).map(({ to, destination }) => [to, destination])).toEqual([
    [A_MAC, '10.1.0.1'],
    [ALL, '10.1.0.255'],
  ]);
  segment.finish();
});
