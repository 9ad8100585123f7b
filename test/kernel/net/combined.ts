/**
 * Everything at once: frames, mutated, into a host that merges, steers, bridges, tracks, translates, routes, fragments and
 * queues, while its devices go up and down and their MTUs change.
 */
import { expect } from 'vitest';
import { internetChecksum } from '../../../harness/packet/checksum.ts';
import { parseIpv4Packet, pseudoHeader } from '../../../harness/packet/ipv4.ts';
import { iptables_restore } from '../../../harness/shell/iptables.ts';
import { tc } from '../../../harness/shell/tc.ts';
import { Random } from '../../../harness/sim/random.ts';
import { register_vlan_device } from '../../../kernel/net/8021q/vlan_dev.ts';
import { br_add_bridge, br_add_if } from '../../../kernel/net/bridge/br_if.ts';
import { br_netfilter_init } from '../../../kernel/net/bridge/br_netfilter_hooks.ts';
import { dev_close, dev_open, dev_set_mtu } from '../../../kernel/net/core/dev.ts';
import { NR_DROP_REASONS, SKB_DROP_REASON } from '../../../kernel/net/core/dropreason.ts';
import { neigh_add } from '../../../kernel/net/core/neighbour.ts';
import { NETIF_F_GRO_UDP_FWD, type net_device } from '../../../kernel/net/core/netdevice.ts';
import { store_rps_map } from '../../../kernel/net/core/rps.ts';
import { inet_addr_add } from '../../../kernel/net/ipv4/devinet.ts';
import { ip_route_add } from '../../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../../kernel/net/ipv4/ip_header.ts';
import { Poller, stream, tagged, tcpFrame, udpFrame } from './rx.ts';
import { A, ALL, arpFrame, bytesOf, type Ip, icmp, ipFrame, Segment } from './segment.ts';

const RULES = `*mangle
-A OUTPUT -j MARK --set-mark 3
COMMIT
*nat
-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.2.0.9:8080
-A PREROUTING -p udp --dport 53 -j DNAT --to-destination 10.2.0.9-10.2.0.12
-A PREROUTING -p udp --dport 5 -j REDIRECT --to-ports 6
-A POSTROUTING -o far -j MASQUERADE
-A POSTROUTING -o br0 -j SNAT --to-source 10.1.0.2
COMMIT
*filter
-A INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset
-A INPUT -p udp --dport 6 -j REJECT
-A FORWARD -m state --state INVALID -j DROP
-A FORWARD -p tcp --dport 81 -j REJECT --reject-with tcp-reset
-A FORWARD -p udp --dport 54 -j REJECT
COMMIT
`;

const hexOf = (address: Uint8Array): string => Buffer.from(address).toString('hex');

/** What leaves has a right IP header; and, when what came was right, right checksums behind it. */
function checkFrame(frame: Uint8Array, clean: boolean): number {
  const at = frame[12] === 0x81 ? 4 : 0;
  if (frame[12 + at] !== 8 || frame[13 + at] !== 0) return 0;
  if (!clean) return 1;
  const packet = parseIpv4Packet(frame.subarray(14 + at));
  expect(packet.checksumOk, hexOf(frame)).toBe(true);
  if (packet.moreFragments || packet.fragmentOffset !== 0) return 1;
  const sum =
    packet.protocol === 1
      ? internetChecksum(packet.payload)
      : internetChecksum(pseudoHeader(packet, packet.protocol, packet.payload.length), packet.payload);
  if (packet.protocol === 1 || packet.protocol === 6 || packet.protocol === 17) expect(sum, hexOf(frame)).toBe(0);
  return 1;
}

/** Feeds `frames` frames, `clean` ones without mutations; throws, or fails, when something is lost without a trace. */
export function combined(frames: number, seed: number, clean = false): void {
  const chance = new Random(seed, 'combined');
  const segment = new Segment({ cpus: 2, address: null });
  const { kernel, net } = segment;
  const counts = { made: 0, cloned: 0, consumed: 0, dropped: 0, nameless: 0 };
  const reasons = new Float64Array(NR_DROP_REASONS);
  kernel.trace.skb_alloc = () => counts.made++;
  kernel.trace.skb_clone = () => counts.cloned++;
  kernel.trace.consume_skb = () => counts.consumed++;
  kernel.trace.kfree_skb = (_skb, reason) => {
    counts.dropped++;
    if (reason === SKB_DROP_REASON.NOT_SPECIFIED) counts.nameless++;
    reasons[reason] = (reasons[reason] as number) + 1;
  };
  const p1 = segment.device('p1', '0200000000b1');
  const far = segment.device('far', '0200000000f1');
  const made = segment.exec(() => {
    const br = br_add_bridge(kernel, 'br0') as net_device;
    br_add_if(br, segment.dev);
    br_add_if(br, p1);
    dev_open(br);
    const vlan = register_vlan_device(far, 7) as net_device;
    dev_open(vlan);
    br_netfilter_init(net);
    inet_addr_add(br, in_aton('10.1.0.2'), 24);
    inet_addr_add(far, in_aton('10.2.0.1'), 24);
    inet_addr_add(vlan, in_aton('10.3.0.1'), 24);
    ip_route_add(net, { dst: in_aton('10.9.0.0'), prefix_len: 16, gateway: in_aton('10.3.0.9') });
    net.ipv4.ip_forward = 1;
    segment.dev.features |= NETIF_F_GRO_UDP_FWD;
    far.features |= NETIF_F_GRO_UDP_FWD;
    store_rps_map(segment.dev, 0, '3');
    return { br, vlan };
  });
  expect(iptables_restore(kernel, RULES).stderr).toBe('');
  expect(
    tc([far], `qdisc add dev far root netem delay 1ms 1ms duplicate 5% reorder 10%${clean ? '' : ' corrupt 2%'}`).error,
  ).toBe(0);
  expect(tc([p1], 'qdisc add dev p1 root tbf rate 8mbit burst 3000 limit 20000').error).toBe(0);
  const devices = [segment.dev, p1, far, made.vlan, made.br];
  const near = new Poller(segment, segment.dev);
  const away = new Poller(segment, far);
  const pick = <T>(list: readonly T[]): T => list[chance.below(list.length)] as T;
  const seqs = [0, 0, 0, 0];
  const next = (): Uint8Array => {
    const outside = chance.below(3) === 0;
    const flow = chance.below(4);
    const ip: Ip = {
      src: outside ? in_aton('10.2.0.9') : A,
      dst: in_aton(pick(['10.1.0.2', '10.1.0.9', '10.2.0.9', '10.2.0.1', '10.3.0.5', '10.9.0.4', '239.1.2.3'])),
      to: outside ? hexOf(far.dev_addr) : pick([hexOf(made.br.dev_addr), '020000000009', ALL]),
      id: chance.below(50),
    };
    const dport = pick([80, 81, 53, 54, 5, 6, 22, 9]);
    switch (chance.below(9)) {
      case 0:
        return arpFrame({ sip: A });
      case 1:
        return ipFrame(icmp(8, 0, flow, stream(0, 400)), ip);
      case 2:
        return ipFrame(
          icmp(pick([3, 5, 11, 12]), pick([0, 1, 3, 4]), 500, [...udpFrame({ dport }, ip).subarray(14)]),
          ip,
        );
      case 3: {
        const whole = [...udpFrame({ sport: flow, dport, payload: stream(0, 1200) }, ip).subarray(34)];
        const at = pick([0, 1, 2]) * 400;
        return ipFrame(whole.slice(at, at + 400), {
          ...ip,
          id: flow,
          protocol: 17,
          frag: (at < 800 ? 0x2000 : 0) | (at >> 3) | pick([0, 0x4000]),
        });
      }
      case 4:
      case 5:
        return udpFrame(
          { sport: flow, dport, payload: stream(0, pick([50, 500])) },
          { ...ip, frag: pick([0, 0x4000]) },
        );
      default: {
        const seq = seqs[flow] as number;
        seqs[flow] = seq + 700;
        const tcp = { sport: flow, dport, seq, payload: stream(seq, 700), flags: pick([2, 0x10, 0x10, 0x10, 0x18, 4]) };
        return tcpFrame(tcp, { ...ip, id: (seq / 700) & 0xffff, frag: pick([0, 0x4000]) });
      }
    }
  };
  /** Some in a row of one flow, such that GRO merges them. */
  const run = (): Uint8Array[] => {
    const sport = 100 + chance.below(4);
    const dport = pick([80, 81, 53, 9]);
    const dst = in_aton(pick(['10.1.0.2', '10.1.0.9', '10.2.0.9', '10.9.0.4', '10.3.0.5']));
    const ip: Ip = { dst, to: pick([hexOf(made.br.dev_addr), '020000000009']), frag: pick([0, 0x4000]), src: A };
    const size = pick([100, 700, 1400]);
    const udp = chance.below(3) === 0;
    return Array.from({ length: 2 + chance.below(6) }, (_, i) => {
      const payload = stream(i * size, size);
      const id = 1000 + i;
      return udp
        ? udpFrame({ sport, dport, payload }, { ...ip, id })
        : tcpFrame({ sport, dport, seq: i * size, payload, flags: 0x10 }, { ...ip, id });
    });
  };
  // Who there is; a device that was down has forgotten it.
  const neighbours = (): void => {
    for (const [dev, addresses] of [
      [made.br, ['10.1.0.1', '10.1.0.9']],
      [far, ['10.2.0.9', '10.2.0.10', '10.2.0.11', '10.2.0.12']],
      [made.vlan, ['10.3.0.5', '10.3.0.9']],
    ] as const) {
      for (const address of addresses) neigh_add(net.ipv4.arp, in_aton(address), dev, bytesOf('020000000009'));
    }
  };
  segment.exec(neighbours);
  let alive = 0;
  let left = 0;
  for (let fed = 0; fed < frames; ) {
    const batch: Uint8Array[] = [];
    for (let n = 1 + chance.below(40); n > 0 && fed < frames; n--, fed++) {
      if (chance.below(10) === 0) {
        batch.push(...run());
        continue;
      }
      let frame = next();
      if (chance.below(8) === 0) frame = tagged(frame, 7);
      if (!clean && chance.below(3) === 0) {
        for (let m = chance.below(3); m > 0; m--) frame[chance.below(frame.length)] = chance.below(256);
        if (chance.below(8) === 0) frame = frame.subarray(0, 14 + chance.below(frame.length - 14));
      }
      batch.push(frame);
    }
    pick([near, near, away]).poll(...batch);
    alive = Math.max(alive, kernel.skbs.alive);
    for (const frame of segment.sent) left += checkFrame(frame, clean);
    segment.sent.length = 0;
    segment.sentAt.length = 0;
    if (chance.below(10) === 0) {
      const dev = pick(devices);
      segment.exec(() => void dev_close(dev));
      if (chance.below(2) === 0) segment.wait(chance.below(3));
      segment.exec(() => {
        dev_open(dev);
        if (dev === far) dev_open(made.vlan);
        neighbours();
      });
    }
    if (chance.below(10) === 0) {
      const mtu = pick([1500, 1400, 576, 296, 68]);
      segment.exec(() => void dev_set_mtu(pick(devices), mtu));
    }
    if (chance.below(4) === 0) segment.wait(chance.below(100) / 1000);
    if (chance.below(50) === 0) segment.wait(40);
  }
  segment.wait(700);
  // The run has been everywhere.
  const { mib } = net.ipv4;
  const stages = [
    left,
    near.napi.gro.merged,
    away.napi.gro.merged,
    mib.IpFragCreates,
    mib.IpForwDatagrams,
    mib.IcmpOutMsgs,
  ];
  for (const passed of stages) expect(passed).toBeGreaterThan(0);
  expect(counts.nameless).toBe(0);
  expect(alive).toBeLessThan(5000);
  expect(kernel.skbs.alive).toBe(0);
  expect(counts.consumed + counts.dropped).toBe(counts.made + counts.cloned);
  expect([...net.drops]).toEqual([...reasons]);
  segment.finish();
}
