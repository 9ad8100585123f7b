/** Who is whose child: by GRO, by segmentation, by a clone, by an answer. */
import { expect, it } from 'vitest';
import type { TraceEvent } from '../../../harness/trace/event.ts';
import { Kinship } from '../../../harness/trace/journey.ts';
import { NUD_PERMANENT, neigh_add } from '../../../kernel/net/core/neighbour.ts';
import { AF_PACKET, SOCK_RAW, sockopt } from '../../../kernel/net/msg.ts';
import { stream, tcpFrame, udpFrame } from '../../kernel/net/rx.ts';
import { A, B } from '../../kernel/net/segment.ts';
import { machine } from './scenes.ts';

function kinship(events: readonly TraceEvent[]): Kinship {
  const kin = new Kinship();
  for (const event of events) kin.note(event);
  return kin;
}

const sorted = (kin: ReadonlySet<number>): number[] => [...kin].sort((a, b) => a - b);

it('segments that GRO merged: children of the packet that stands for all, and no kin of each other', () => {
  const m = machine();
  m.dev.gro_flush_timeout = 100_000;
  for (let n = 0; n < 3; n++) m.send(tcpFrame({ seq: n * 300, payload: stream(0, 300) }, { dst: B, id: n }));
  m.run(10_000_000);
  m.end();
  const merged = m.events.filter(({ stage }) => stage === 'skb_gro_receive');
  expect(merged.map(({ parent }) => parent)).toEqual([1, 1]);
  const kin = kinship(m.events);
  expect(sorted(kin.kinOf(1)).slice(0, 3)).toEqual([1, 2, 3]);
  expect(sorted(kin.kinOf(3))).toEqual([1, 3]);
});

it('an error that answers a frame: its child, on its way to the wire', () => {
  const m = machine();
  neigh_add(m.host.kernel.init_net.ipv4.arp, A, m.dev, Uint8Array.of(2, 0, 0, 0, 0, 1), NUD_PERMANENT);
  m.send(udpFrame({ dport: 9 }, { dst: B }));
  m.run(10_000_000);
  m.end();
  const answer = m.events.find(({ stage, parent }) => stage === 'ip_local_out' && parent === 1);
  expect(answer).toBeDefined();
  const stages = m.events.filter(({ packet }) => packet === answer?.packet).map(({ stage }) => stage);
  expect(stages.slice(-4)).toEqual(['tx_done', 'wire', 'dma_unmap_single', 'consume_skb']);
  expect(sorted(kinship(m.events).kinOf(1))).toEqual([1, answer?.packet]);
});

it('one send cut into datagrams, with a tap: segments and clones are kin of the send', () => {
  const m = machine();
  m.host.exec(() =>
    neigh_add(m.host.kernel.init_net.ipv4.arp, A, m.dev, Uint8Array.of(2, 0, 0, 0, 0, 1), NUD_PERMANENT),
  );
  m.host.spawn('tap', function* (sys) {
    yield* sys.socket(AF_PACKET, SOCK_RAW, 3);
    yield* sys.nanosleep(1e8);
    return 0;
  });
  m.run(1000);
  m.host.spawn('send', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    const opt = new sockopt();
    opt.value = 1000;
    yield* sys.setsockopt(fd, 17, 103, opt);
    yield* sys.sendto(fd, sys.mmap(8192), 3000, 0, sys.sockaddr(A, 9));
    return 0;
  });
  m.run(10_000_000);
  m.end();
  const root = m.events.find(({ stage }) => stage === 'udp_sendmsg')?.packet ?? 0;
  const segments = m.events.filter(({ stage }) => stage === 'skb_gso_segment');
  const clones = m.events.filter(({ stage }) => stage === 'skb_clone');
  expect(segments.map(({ parent }) => parent)).toEqual([root, root, root]);
  expect(clones.map(({ parent }) => parent)).toEqual(segments.map(({ packet }) => packet));
  const kin = kinship(m.events).kinOf(root);
  for (const { packet } of [...segments, ...clones]) expect(kin.has(packet)).toBe(true);
});
