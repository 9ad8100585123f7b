/** RFC 768 and RFC 1122 4.1 where test/kernel/net/ipv4/udp_rfc.test.ts does not say it. */
import { expect, test } from 'vitest';
import { parseUdp, udpChecksumOk } from '../../harness/packet/udp.ts';
import { MSG_DONTWAIT, sockaddr_in } from '../../kernel/net/msg.ts';
import { A } from '../kernel/net/segment.ts';
import { known, packets, withSocket } from './packets.ts';

test('RFC 768: what is sent: both ports, the length of header and data, a checksum over the pseudo header', () => {
  const segment = known();
  withSocket(segment, function* (sys, fd) {
    for (const length of [0, 1, 2, 1472, 3001]) {
      yield* sys.sendto(fd, sys.mmap(4096), length, MSG_DONTWAIT, new sockaddr_in(A, 9));
    }
  });
  const all = packets(segment);
  const whole = all.filter(({ moreFragments, fragmentOffset }) => !moreFragments && fragmentOffset === 0);
  const fragments = all.filter(packet => !whole.includes(packet));
  const last = Buffer.concat(fragments.map(({ payload }) => payload));
  const datagrams = [...whole.map(({ payload }) => payload), new Uint8Array(last)];
  expect(datagrams.map(bytes => parseUdp(bytes)).map(udp => [udp.sourcePort, udp.destinationPort])).toEqual(
    new Array(5).fill([7, 9]),
  );
  expect(datagrams.map(bytes => bytes.length)).toEqual([8, 9, 10, 1480, 3009]);
  for (const bytes of datagrams) {
    expect(((bytes[4] as number) << 8) | (bytes[5] as number)).toBe(bytes.length);
    expect(udpChecksumOk(bytes, { source: '10.1.0.2', destination: '10.1.0.1' })).toBe(true);
  }
  segment.finish();
});

test('RFC 1122 4.1.3.6: what is sent has an address of this host as its source, whatever the socket is bound to', () => {
  const segment = known();
  withSocket(segment, function* (sys, fd) {
    yield* sys.sendto(fd, sys.mmap(64), 1, MSG_DONTWAIT, new sockaddr_in(A, 9));
  });
  expect(packets(segment).map(({ source }) => source)).toEqual(['10.1.0.2']);
  segment.finish();
});
