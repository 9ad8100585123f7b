/** What mutatedFrames adds above the link: a router with tables, tracking, NAT, groups, raw and ping sockets, and frames for all of it. */
import { expect } from 'vitest';
import { iptables_restore } from '../../../harness/shell/iptables.ts';
import type { Random } from '../../../harness/sim/random.ts';
import { br_netfilter_init } from '../../../kernel/net/bridge/br_netfilter_hooks.ts';
import { NUD_PERMANENT, neigh_add } from '../../../kernel/net/core/neighbour.ts';
import { inet_addr_add } from '../../../kernel/net/ipv4/devinet.ts';
import { sockstat_frag } from '../../../kernel/net/ipv4/ip_fragment.ts';
import { in_aton } from '../../../kernel/net/ipv4/ip_header.ts';
import { IP_ADD_MEMBERSHIP } from '../../../kernel/net/ipv4/ip_mcast_opts.ts';
import { IP_HDRINCL, IP_RECVERR, SOL_IP } from '../../../kernel/net/ipv4/ip_sockglue.ts';
import { AF_INET, SOCK_DGRAM, SOCK_RAW, sockopt } from '../../../kernel/net/msg.ts';
import type { nf_conntrack_net } from '../../../kernel/net/netfilter/nf_conntrack_core.ts';
import { nf_conntrack_list } from '../../../kernel/net/netfilter/nf_conntrack_standalone.ts';
import { stream, tcpFrame, udpFrame } from './rx.ts';
import { B, bytesOf, icmp, ipFrame, type Segment } from './segment.ts';

const CT_MAX = 1000;
const FRAG_HIGH = 256 * 1024;
const GROUP = in_aton('239.1.2.3');
const GROUP_MAC = '01005e010203';
const OUTSIDE = in_aton('192.0.2.9');

const RULES = `*raw
-A PREROUTING -p udp --dport 7003 -j CT --notrack
COMMIT
*mangle
-A PREROUTING -m conntrack --ctstate INVALID -j MARK --set-mark 1
-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j CONNMARK --save-mark
COMMIT
*nat
-A PREROUTING -p udp --dport 53 -j DNAT --to-destination 192.0.2.9:5353
-A PREROUTING -p udp --dport 5 -j REDIRECT --to-ports 7000
-A POSTROUTING -o eth1 -j MASQUERADE
COMMIT
*filter
:chain - [0:0]
-A INPUT -p udp --dport 99 -j REJECT
-A FORWARD -m limit --limit 10/sec -j LOG --log-prefix x --log-ip-options
-A FORWARD -p tcp -j chain
-A FORWARD -m mark --mark 1 -j DROP
-A chain -p tcp -m statistic --mode random --probability 0.1 -j REJECT --reject-with tcp-reset
-A chain -j RETURN
COMMIT
`;

/** Called in setUp: eth0 has 10.1.0.2 and br0 is there. */
export function routerUp(segment: Segment): void {
  const { host, kernel, net } = segment;
  const outside = segment.device('eth1', '0200000000e1');
  segment.exec(() => {
    inet_addr_add(outside, in_aton('192.0.2.1'), 24);
    neigh_add(net.ipv4.arp, OUTSIDE, outside, bytesOf('020000000009'), NUD_PERMANENT);
    net.ipv4.ip_forward = 1;
    net.ipv4.fqdir.high_thresh = FRAG_HIGH;
    br_netfilter_init(net);
  });
  expect(iptables_restore(kernel, RULES)).toMatchObject({ status: 0, stderr: '' });
  const ct = net.nf.ct as nf_conntrack_net;
  ct.sysctl.nf_conntrack_max = CT_MAX;
  ct.nf_conntrack_hash_resize(256);
  host.spawn('group', function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* sys.bind(fd, sys.sockaddr(0, 7010));
    const opt = new sockopt();
    opt.multiaddr = GROUP;
    opt.ifindex = segment.dev.ifindex;
    yield* sys.setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, opt);
    const buffer = sys.mmap(4096);
    for (;;) yield* sys.recv(fd, buffer, 4096, 0);
  });
  // All that is ICMP, heard and now and then sent with a header of its own.
  host.spawn('raw', function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_RAW, 1);
    const out = yield* sys.socket(AF_INET, SOCK_RAW, 255);
    const opt = new sockopt();
    opt.value = 1;
    yield* sys.setsockopt(out, SOL_IP, IP_HDRINCL, opt);
    const buffer = sys.mmap(4096);
    const frame = sys.mmap(64);
    const packet = ipFrame(icmp(8, 0, 9), { src: 0, dst: OUTSIDE }).subarray(14);
    for (let n = 0; ; n++) {
      yield* sys.recv(fd, buffer, 4096, 0);
      if (n % 16 !== 0) continue;
      sys.kernel.ram.u8.set(packet, frame);
      yield* sys.sendto(out, frame, packet.length, 0, sys.sockaddr(OUTSIDE, 0));
    }
  });
  host.spawn('ping', function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 1);
    const opt = new sockopt();
    opt.value = 1;
    yield* sys.setsockopt(fd, SOL_IP, IP_RECVERR, opt);
    yield* sys.bind(fd, sys.sockaddr(B, 7));
    const buffer = sys.mmap(4096);
    for (;;) yield* sys.recv(fd, buffer, 4096, 0);
  });
}

/** A frame to the router: fragments, groups, errors, flows to forward and to translate, answers to them. */
export function routerFrame(chance: Random, to: string): Uint8Array {
  const port = 1000 + chance.below(3000);
  const ip = { to, id: chance.below(65_536) };
  const quote = (): number[] => [
    ...ipFrame([port >> 8, port & 255, 0, 53, 0, 8, 0, 0], { src: B, dst: OUTSIDE, protocol: 17 }).subarray(14),
  ];
  switch (chance.below(9)) {
    case 0: {
      const at = 64 * chance.below(4);
      const frag = (at < 192 ? 0x2000 : 0) | (at >> 3);
      return ipFrame(stream(at, 64), {
        ...ip,
        id: chance.below(50),
        frag,
        protocol: [1, 17][chance.below(2)] as number,
      });
    }
    case 1:
      return ipFrame(icmp(0x11 + 5 * chance.below(2), 0, GROUP), {
        ...ip,
        to: GROUP_MAC,
        dst: GROUP,
        protocol: 2,
        ttl: 1,
      });
    case 2:
      return udpFrame({ dport: 7010, payload: stream(0, 20) }, { ...ip, to: GROUP_MAC, dst: GROUP });
    case 3:
      return ipFrame(icmp([3, 11, 12, 5][chance.below(4)] as number, chance.below(5), 0, quote()), ip);
    case 4:
      return ipFrame(icmp(0, 0, 0x00070001, stream(0, 20)), ip);
    case 5:
      return tcpFrame(
        { sport: port, dport: 80, seq: chance.below(3000), flags: [2, 16, 17, 4][chance.below(4)] as number },
        { ...ip, dst: OUTSIDE },
      );
    case 6:
      return udpFrame({ sport: port, dport: [5, 53, 99, 4000][chance.below(4)] as number, payload: stream(0, 30) }, ip);
    default:
      return udpFrame({ sport: port, dport: chance.below(65_536), payload: stream(0, 30) }, { ...ip, dst: OUTSIDE });
  }
}

/** What must hold all the time. */
export function routerWithin({ net }: Segment): void {
  if ((net.nf.ct as nf_conntrack_net).count > CT_MAX) throw new Error('more connections than nf_conntrack_max');
  // The queue that goes over the limit is the last.
  if (net.ipv4.fqdir.mem > FRAG_HIGH + 65_536) throw new Error('more fragments than ipfrag_high_thresh');
}

/** The end: it has been everywhere, and connections and fragments end. */
export function routerEnd(segment: Segment): void {
  const { net } = segment;
  const ct = net.nf.ct as nf_conntrack_net;
  for (const counter of ['insert', 'found', 'invalid'] as const)
    expect([counter, ct.stat[counter] > 0]).toEqual([counter, true]);
  const { mib } = net.ipv4;
  for (const name of [
    'IpForwDatagrams',
    'IpReasmReqds',
    'IpReasmFails',
    'IpExtInMcastPkts',
    'IcmpInErrors',
    'IcmpOutDestUnreachs',
    'UdpInDatagrams',
  ] as const) {
    expect([name, mib[name] > 0]).toEqual([name, true]);
  }
  const left = (): boolean => nf_conntrack_list(net).length > 0;
  expect(left()).toBe(true);
  expect(sockstat_frag(net)).toBe('FRAG: inuse 0 memory 0\n');
  ct.iterate_cleanup(() => true);
  expect(left()).toBe(false);
}
