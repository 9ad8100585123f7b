import { expect, it } from 'vitest';
import { in_aton } from '../../../../kernel/lib/inet.ts';
import { Poller, udpFrame } from '../rx.ts';
import { B, Segment } from '../segment.ts';

it('a list of packets: the route of the one before is taken only where it holds', () => {
  const segment = new Segment();
  const poller = new Poller(segment);
  const elsewhere = in_aton('10.1.0.99');
  poller.poll(
    udpFrame({}, { dst: B }),
    udpFrame({}, { dst: B }),
    // Another destination, which is nobody's here.
    udpFrame({}, { dst: elsewhere }),
    udpFrame({}, { dst: B }),
    // Sources that nobody may have: group, nothing, loopback, our own.
    udpFrame({}, { dst: B, src: in_aton('224.0.0.5') }),
    udpFrame({}, { dst: B, src: 0 }),
    udpFrame({}, { dst: B, src: in_aton('127.0.0.1') }),
    udpFrame({}, { dst: B, src: B }),
    udpFrame({}, { dst: B }),
  );
  expect(segment.drops).toEqual([
    'NO_SOCKET',
    'NO_SOCKET',
    'IP_INADDRERRORS',
    // As in ip_list_rcv_finish: the fourth waits for those behind it that go its way; what is refused a way does not.
    'IP_INVALID_SOURCE',
    'IP_INVALID_SOURCE',
    'IP_LOCALNET',
    'IP_LOCAL_SOURCE',
    'NO_SOCKET',
    'NO_SOCKET',
  ]);
  poller.remove();
  segment.finish();
});
