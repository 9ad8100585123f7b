/**
 * Frames with something wrong in them, from a seed, into a host with every feature on: VLAN, bridge, RPS, filters, taps,
 * and a router with tables, tracking and NAT (mutated_router.ts), all at once.
 */
import { expect } from 'vitest';
import { Random } from '../../../harness/sim/random.ts';
import { register_vlan_device } from '../../../kernel/net/8021q/vlan_dev.ts';
import { br_add_bridge, br_add_if } from '../../../kernel/net/bridge/br_if.ts';
import { br_of } from '../../../kernel/net/bridge/br_private.ts';
import { dev_open } from '../../../kernel/net/core/dev.ts';
import { drop_reason_name, NR_DROP_REASONS, SKB_DROP_REASON } from '../../../kernel/net/core/dropreason.ts';
import { tc_filter_add, tc_qdisc_add_ingress, tcf_proto } from '../../../kernel/net/core/ingress.ts';
import { NETIF_F_GRO_FRAGLIST, type net_device } from '../../../kernel/net/core/netdevice.ts';
import { rps_sock_flow_sysctl, store_rps_flow_cnt, store_rps_map } from '../../../kernel/net/core/rps.ts';
import { inet_addr_add } from '../../../kernel/net/ipv4/devinet.ts';
import { in_aton } from '../../../kernel/net/ipv4/ip_header.ts';
import { SOL_UDP, UDP_GRO } from '../../../kernel/net/ipv4/udp.ts';
import { AF_INET, AF_PACKET, SOCK_DGRAM, SOCK_RAW, sockopt } from '../../../kernel/net/msg.ts';
import { PACKET_FANOUT, SOL_PACKET } from '../../../kernel/net/packet/af_packet.ts';
import { PACKET_FANOUT_FLAG_ROLLOVER, PACKET_FANOUT_HASH } from '../../../kernel/net/packet/fanout.ts';
import { routerEnd, routerFrame, routerUp, routerWithin } from './mutated_router.ts';
import { Poller, stream, tagged, tcpFrame, tcpSink, udpFrame } from './rx.ts';
import { ALL, arpFrame, icmp, ipFrame, Segment } from './segment.ts';

const FDB_MAX = 200;
const EXPECTED = [
  'OTHERHOST',
  'IP_INHDR',
  'IP_CSUM',
  'UDP_CSUM',
  'PKT_TOO_SMALL',
  'TC_INGRESS',
  'MAC_INVALID_SOURCE',
  'NO_TX_TARGET',
  'NO_SOCKET',
];

/** Feeds `frames` frames; throws, or fails, when something is lost without a trace. */
export function mutatedFrames(frames: number, seed: number): void {
  const chance = new Random(seed, 'frames');
  const segment = new Segment({ cpus: 4, address: null });
  const { kernel, net } = segment;
  const counts = { made: 0, cloned: 0, consumed: 0, dropped: 0 };
  const reasons = new Float64Array(NR_DROP_REASONS);
  kernel.trace.skb_alloc = () => counts.made++;
  kernel.trace.skb_clone = () => counts.cloned++;
  kernel.trace.consume_skb = () => counts.consumed++;
  let nameless = 0;
  kernel.trace.kfree_skb = (_skb, reason) => {
    counts.dropped++;
    if (reason === SKB_DROP_REASON.NOT_SPECIFIED) nameless++;
    reasons[reason] = (reasons[reason] as number) + 1;
  };
  const pollers = setUp(segment);
  const merged = tcpSink(segment);
  const seqs = [0, 0, 0, 0];
  const next = (): Uint8Array => {
    const flow = chance.below(4);
    const ip = { to: chance.below(2) === 0 ? '020000000003' : '020000000002', dst: in_aton('10.1.0.2') };
    switch (chance.below(16)) {
      case 0:
        return arpFrame({ to: ALL });
      case 1:
        // From whom others are asked for: a bridge has nowhere to send those.
        return ipFrame(icmp(8, 0, 7, stream(0, 40)), { ...ip, from: '020000000003' });
      case 2:
        return ipFrame(stream(0, 40), { ...ip, frag: 0x2000, protocol: 17 });
      case 3:
        return Uint8Array.from([
          ...arpFrame().subarray(0, 6),
          2,
          0,
          0,
          1,
          chance.below(256),
          flow,
          0x88,
          0xb5,
          1,
          2,
          3,
        ]);
      case 4:
      case 5:
      case 6:
        return udpFrame({ dport: 7000 + chance.below(4), payload: stream(0, 50) }, { ...ip, id: flow + counts.made });
      case 10:
      case 11:
      case 12:
      case 13:
      case 14:
      case 15:
        return routerFrame(chance, ip.to);
      default: {
        const seq = seqs[flow] as number;
        seqs[flow] = seq + 100;
        return tcpFrame({ sport: flow, seq, payload: stream(seq, 100) }, { ...ip, id: (seq / 100) & 0xffff });
      }
    }
  };
  let fed = 0;
  let memory = 0;
  let alive = 0;
  while (fed < frames) {
    const batch: Uint8Array[] = [];
    for (let n = 1 + chance.below(100); n > 0 && fed < frames; n--, fed++) {
      let frame = next();
      if (chance.below(4) === 0) frame = tagged(frame, [5, 6, 0, 0xe005][chance.below(4)] as number);
      if (chance.below(2) === 0) {
        for (let m = chance.below(4); m > 0; m--) frame[chance.below(frame.length)] = chance.below(256);
        if (chance.below(8) === 0) frame = frame.subarray(0, 14 + chance.below(frame.length - 14));
      }
      batch.push(frame);
    }
    (pollers[chance.below(pollers.length)] as Poller).poll(...batch);
    memory = Math.max(memory, kernel.slab.bytes_used);
    alive = Math.max(alive, kernel.skbs.alive);
    routerWithin(segment);
    if (chance.below(10) === 0) segment.wait(0.05);
    segment.sent.length = 0;
    merged.length = 0;
  }
  segment.wait(60);
  // What the programs read has been read, what aged has been forgotten.
  const bridge = br_of(net.dev_get_by_name('br0') as net_device);
  expect(bridge.fdb_n_learned).toBeLessThanOrEqual(FDB_MAX);
  routerEnd(segment);
  expect(memory).toBeLessThan(12 * 1024 * 1024);
  expect(alive).toBeLessThan(4000);
  segment.finish();
  expect(kernel.skbs.alive).toBe(0);
  expect(counts.consumed + counts.dropped).toBe(counts.made + counts.cloned);
  expect(counts.made).toBeGreaterThanOrEqual(frames);
  expect([...net.drops]).toEqual([...reasons]);
  // No drop without a reason, and enough kinds of them that the run has been everywhere.
  expect(nameless).toBe(0);
  const seen = [...reasons.keys()].filter(reason => (reasons[reason] as number) > 0).map(drop_reason_name);
  expect(seen).toEqual(expect.arrayContaining(EXPECTED));
  const received = pollers.reduce((sum, { napi }) => sum + napi.packets, 0);
  expect(received).toBe(frames);
  const {
    merged: joined,
    normal,
    completed,
  } = pollers.reduce(
    (sum, { napi: { gro } }) => ({
      merged: sum.merged + gro.merged,
      normal: sum.normal + gro.normal,
      completed: sum.completed + gro.completed,
    }),
    { merged: 0, normal: 0, completed: 0 },
  );
  expect(joined + normal + completed).toBe(frames);
  expect(joined).toBeGreaterThan(frames / 100);
}

/** eth0 with VLAN 5, p0 and p1 in br0, RPS, RFS, filters, taps, a fanout group, sockets. One context for each device. */
function setUp(segment: Segment): Poller[] {
  const { kernel, net } = segment;
  const ports = [segment.device('p0', '0200000000a0'), segment.device('p1', '0200000000a1')];
  const devices = [segment.dev, ...ports];
  segment.exec(() => {
    inet_addr_add(segment.dev, in_aton('10.1.0.2'), 24);
    const vlan = register_vlan_device(segment.dev, 5) as net_device;
    dev_open(vlan);
    inet_addr_add(vlan, in_aton('10.5.0.2'), 24);
    const br = br_add_bridge(kernel, 'br0') as net_device;
    for (const port of ports) br_add_if(br, port);
    br_of(br).fdb_max_learned = FDB_MAX;
    dev_open(br);
    inet_addr_add(br, in_aton('10.6.0.2'), 24);
    rps_sock_flow_sysctl(net, 256);
    store_rps_map(segment.dev, 0, 'e');
    store_rps_flow_cnt(segment.dev, 0, 64);
    store_rps_map(ports[0] as net_device, 0, 'f');
    tc_qdisc_add_ingress(segment.dev);
    tc_filter_add(segment.dev, new tcf_proto(1, 0x800, skb => skb.ram.u8[skb.data + 8] === 63, [{ kind: 'drop' }]));
    const mirror = { kind: 'mirred', dev: segment.dev, redirect: false, ingress: false } as const;
    tc_qdisc_add_ingress(ports[1] as net_device);
    tc_filter_add(ports[1] as net_device, new tcf_proto(1, 0x806, null, [mirror]));
    (ports[1] as net_device).features |= NETIF_F_GRO_FRAGLIST;
  });
  routerUp(segment);
  segment.host.spawn('tap', function* (sys) {
    const fd = yield* sys.socket(AF_PACKET, SOCK_RAW, 3);
    const buffer = sys.mmap(2048);
    for (;;) yield* sys.recv(fd, buffer, 100, 0);
  });
  for (let i = 0; i < 3; i++) {
    segment.host.spawn(`fanout${i}`, function* (sys) {
      const fd = yield* sys.socket(AF_PACKET, SOCK_DGRAM, 3);
      const opt = new sockopt();
      opt.value = 1 | ((PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_ROLLOVER) << 16);
      yield* sys.setsockopt(fd, SOL_PACKET, PACKET_FANOUT, opt);
      const buffer = sys.mmap(65536);
      for (;;) yield* sys.recv(fd, buffer, 65536, 0);
    });
    segment.host.spawn(
      `udp${i}`,
      function* (sys) {
        const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
        yield* sys.bind(fd, sys.sockaddr(0, 7000 + i));
        const opt = new sockopt();
        opt.value = i & 1;
        yield* sys.setsockopt(fd, SOL_UDP, UDP_GRO, opt);
        if (i === 2) yield* sys.connect(fd, sys.sockaddr(in_aton('10.1.0.1'), 5000));
        const buffer = sys.mmap(65536);
        for (;;) yield* sys.recv(fd, buffer, 65536, 0);
      },
      i,
    );
  }
  segment.settle();
  return devices.map(dev => new Poller(segment, dev));
}
