/** Packets with something wrong in them, through every table, tracking and NAT. */
import { expect } from 'vitest';
import { buildEthernet } from '../../../../harness/packet/ethernet.ts';
import { buildIcmp } from '../../../../harness/packet/icmp.ts';
import { buildIpv4Packet } from '../../../../harness/packet/ipv4.ts';
import { buildUdp } from '../../../../harness/packet/udp.ts';
import { Random } from '../../../../harness/sim/random.ts';
import { conntrack_list } from '../../../../kernel/net/netfilter/nf_conntrack_standalone.ts';
import { buildTcp, type Flow, Lab } from './lab.ts';

const CT_MAX = 2000;

const RULES = `*raw
-A PREROUTING -p udp --dport 99 -j CT --notrack
-A PREROUTING -p icmp -m limit -j TRACE
COMMIT
*mangle
-A PREROUTING -m conntrack --ctstate INVALID -j MARK --set-mark 1
-A PREROUTING -j CONNMARK --restore-mark
-A POSTROUTING -p tcp --tcp-flags SYN,RST SYN --tcp-option 2 -j CONNMARK --save-mark
-A OUTPUT -j MARK --set-mark 3
COMMIT
*nat
-A PREROUTING -i eth1 -p tcp --dport 80 -j DNAT --to-destination 10.1.0.7:8080
-A PREROUTING -i eth1 -p udp --dport 53 -j DNAT --to-destination 10.1.0.1-10.1.0.7
-A PREROUTING -i eth0 -p udp --dport 5 -j REDIRECT --to-ports 6
-A POSTROUTING -o eth1 -j MASQUERADE
COMMIT
*filter
:chain - [0:0]
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A INPUT -p udp -m multiport --dports 1:10,53 -j REJECT
-A FORWARD -m limit --limit 10/sec -j LOG --log-prefix x --log-ip-options --log-tcp-options --log-tcp-sequence
-A FORWARD -p tcp --syn -j chain
-A FORWARD -f -j chain
-A FORWARD -m addrtype --dst-type BROADCAST,MULTICAST -j DROP
-A FORWARD -m mark --mark 1 -j DROP
-A chain -m statistic --mode random --probability 0.1 -j REJECT --reject-with icmp-admin-prohibited
-A chain -m comment --comment back -j RETURN
COMMIT
`;

/** Feeds `frames` frames, half of them changed; the table stays within its limit, and nothing is left behind. */
export function mutatedPackets(frames: number, seed: number): void {
  const chance = new Random(seed, 'netfilter');
  const lab = new Lab(RULES);
  const { kernel, ct } = lab;
  ct.sysctl.nf_conntrack_max = CT_MAX;
  ct.nf_conntrack_hash_resize(256);
  const hosts = ['10.1.0.1', '10.1.0.7', '192.0.2.9', '192.0.2.8', '10.1.0.2', '192.0.2.1', '255.255.255.255'];
  const pick = <T>(list: readonly T[]): T => list[chance.below(list.length)] as T;
  const seen: Uint8Array[] = [];
  const transport = (flow: Flow): [protocol: number, payload: Uint8Array] => {
    const payload = new Uint8Array(chance.below(60));
    switch (chance.below(6)) {
      case 0:
        return [
          1,
          buildIcmp({
            type: pick([0, 8, 13, 3, 11, 5]),
            code: chance.below(4),
            rest: chance.below(9),
            payload: pick([payload, ...seen]),
          }),
        ];
      case 1:
      case 2:
        return [
          17,
          buildUdp(
            { sourcePort: flow.sport ?? 0, destinationPort: flow.dport ?? 0, payload },
            { source: flow.src, destination: flow.dst },
          ),
        ];
      case 3:
        return [chance.below(256), payload];
      default:
        return [
          6,
          buildTcp(flow, {
            seq: chance.below(3000),
            ack: chance.below(3000),
            flags: pick([2, 18, 16, 17, 4, 20]),
            payload,
          }),
        ];
    }
  };
  let memory = 0;
  let alive = 0;
  let tracked = 0;
  for (let n = 0; n < frames; n++) {
    const flow = {
      src: pick(hosts.slice(0, 4)),
      dst: pick(hosts),
      sport: pick([1, 53, 600, 4000, chance.below(65536)]),
      dport: pick([5, 53, 80, 99, chance.below(65536)]),
    };
    const [protocol, payload] = transport(flow);
    const packet = buildIpv4Packet({
      source: flow.src,
      destination: flow.dst,
      protocol,
      payload,
      identification: n & 0xffff,
      moreFragments: chance.below(20) === 0,
      fragmentOffset: chance.below(20) === 0 ? 8 * chance.below(4) : 0,
      options: chance.below(10) === 0 ? Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 1) : new Uint8Array(),
    });
    if (seen.length < 8 || chance.below(50) === 0) seen[chance.below(8)] = packet.slice(0, 28 + chance.below(20));
    for (let i = 0; i < seen.length; i++) seen[i] ??= packet;
    const dev = flow.src.startsWith('10') ? lab.dev : lab.outside;
    const destination = [...dev.dev_addr].map(b => b.toString(16).padStart(2, '0')).join(':');
    const frame = buildEthernet({ destination, source: '02:00:00:00:00:01', etherType: 0x800, payload: packet });
    if (chance.below(2) === 0) {
      const at = 14 + chance.below(frame.length - 14);
      // The header's checksum is put right again most of the time, so that the change gets further.
      frame[at] = chance.below(256);
      if (chance.below(4) !== 0) repair(frame);
    }
    lab.receive(chance.below(30) === 0 ? frame.subarray(0, 14 + chance.below(frame.length - 14)) : frame, dev);
    lab.sent.length = 0;
    if (chance.below(200) === 0) lab.wait(chance.below(20));
    memory = Math.max(memory, kernel.slab.bytes_used);
    alive = Math.max(alive, kernel.skbs.alive);
    tracked = Math.max(tracked, ct.count);
  }
  expect(tracked).toBeLessThanOrEqual(CT_MAX);
  expect(tracked).toBeGreaterThan(10);
  expect(ct.conns.length).toBeLessThanOrEqual(CT_MAX + 1);
  expect(memory).toBeLessThan(4 * 1024 * 1024);
  expect(alive).toBeLessThan(1000);
  for (const counter of ['insert', 'found', 'invalid'] as const) expect(ct.stat[counter]).toBeGreaterThan(0);
  // Every connection ends, and nothing holds one.
  ct.iterate_cleanup(() => true);
  lab.wait(60);
  expect(conntrack_list(lab.net)).toBe('');
  expect(ct.count).toBe(kernel.skbs.living().filter(skb => skb._nfct !== null).length);
  lab.finish();
  expect(kernel.skbs.alive).toBe(0);
  expect(ct.count).toBe(0);
}

function repair(frame: Uint8Array): void {
  const ihl = Math.min((frame[14] as number) & 15, (frame.length - 14) >> 2) * 4;
  frame[24] = 0;
  frame[25] = 0;
  let sum = 0;
  for (let i = 14; i + 1 < 14 + ihl; i += 2) sum += ((frame[i] as number) << 8) | (frame[i + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame[24] = (~sum >> 8) & 255;
  frame[25] = ~sum & 255;
}
