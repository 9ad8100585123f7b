/** Where two parts meet: each works alone, and these are the places where they did not work together. */
import { describe, expect, test } from 'vitest';
import { parseEthernet } from '../../../harness/packet/ethernet.ts';
import { buildIcmp } from '../../../harness/packet/icmp.ts';
import { buildIpv4Packet, parseIpv4Packet } from '../../../harness/packet/ipv4.ts';
import { buildUdp, udpChecksumOk } from '../../../harness/packet/udp.ts';
import { iptables_restore } from '../../../harness/shell/iptables.ts';
import { tc } from '../../../harness/shell/tc.ts';
import { Stream, tcpEcho } from '../../../harness/user/index.ts';
import { EADDRINUSE, EINVAL, ENOBUFS, EPERM } from '../../../kernel/errno.ts';
import { register_vlan_device } from '../../../kernel/net/8021q/vlan_dev.ts';
import { br_add_bridge, br_add_if } from '../../../kernel/net/bridge/br_if.ts';
import { br_netfilter_init } from '../../../kernel/net/bridge/br_netfilter_hooks.ts';
import { dev_open, dev_set_mtu } from '../../../kernel/net/core/dev.ts';
import { neigh_add } from '../../../kernel/net/core/neighbour.ts';
import type { net_device } from '../../../kernel/net/core/netdevice.ts';
import { SO_BINDTODEVICE, SOL_SOCKET } from '../../../kernel/net/core/sock_options.ts';
import { inet_addr_add } from '../../../kernel/net/ipv4/devinet.ts';
import { ip_route_add } from '../../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../../kernel/net/ipv4/ip_header.ts';
import { IP_OPTIONS, IP_ROUTER_ALERT, SOL_IP } from '../../../kernel/net/ipv4/ip_sockglue.ts';
import { SOL_UDP, UDP_SEGMENT } from '../../../kernel/net/ipv4/udp.ts';
import { AF_INET, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, sockaddr_in, sockopt } from '../../../kernel/net/msg.ts';
import type { Program } from '../../../kernel/sched/task.ts';
import { type Syscalls, spawn } from '../../../kernel/syscalls.ts';
import { pair, RIGHT } from '../../pair.ts';
import { FAR, Router } from './ipv4/router.ts';
import { buildTcp, icmpOf, Lab } from './netfilter/lab.ts';
import { Poller, stream, tcpFrame } from './rx.ts';
import { A, bytesOf, ipFrame, Segment } from './segment.ts';

const X = '020000000010';
const Y = '020000000020';
const bytes = (text: string): Uint8Array => bytesOf(text);

/** br0 with p0 and p1 that cannot make checksums; 10.6.0.2/24. */
function bridge(ports = 2) {
  const segment = new Segment({ address: null });
  const devs = Array.from({ length: ports }, (_, i) => segment.device(`p${i}`, `0200000000a${i}`));
  const br = segment.exec(() => {
    const dev = br_add_bridge(segment.kernel, 'br0');
    if (typeof dev === 'number') throw new Error(`br_add_bridge: ${dev}`);
    for (const port of devs) br_add_if(dev, port);
    dev_open(dev);
    inet_addr_add(dev, in_aton('10.6.0.2'), 24);
    return dev;
  });
  segment.take();
  return { segment, br, p0: devs[0] as net_device, p1: devs[1] as net_device };
}

const packetsOf = (frames: Uint8Array[]) =>
  frames.filter(f => f[12] === 8 && f[13] === 0).map(f => parseIpv4Packet(parseEthernet(f).payload));

describe('a checksum that is left open', () => {
  test('packet flooded by ports that cannot make checksums: each copy has the right one', () => {
    const { segment, br } = bridge(3);
    segment.exec(() => neigh_add(segment.net.ipv4.arp, in_aton('10.6.0.9'), br, bytes(Y)));
    segment.host.spawn('test', function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      expect(yield* sys.sendto(fd, sys.mmap(100), 100, 0, new sockaddr_in(in_aton('10.6.0.9'), 9))).toBe(100);
      return 0;
    });
    segment.wait(0.1);
    const packets = packetsOf(segment.sent.splice(0));
    expect(packets.length).toBe(3);
    for (const p of packets) expect(udpChecksumOk(p.payload, p)).toBe(true);
    segment.finish();
  });

  test('packet doubled by netem: both copies have the right one', () => {
    const { segment, br, p0 } = bridge(1);
    expect(tc([p0], 'qdisc add dev p0 root netem duplicate 100%').error).toBe(0);
    segment.exec(() => neigh_add(segment.net.ipv4.arp, in_aton('10.6.0.9'), br, bytes(Y)));
    segment.host.spawn('test', function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      expect(yield* sys.sendto(fd, sys.mmap(100), 100, 0, new sockaddr_in(in_aton('10.6.0.9'), 9))).toBe(100);
      return 0;
    });
    segment.wait(0.1);
    const packets = packetsOf(segment.sent.splice(0));
    expect(packets.length).toBe(2);
    for (const p of packets) expect(udpChecksumOk(p.payload, p)).toBe(true);
    segment.finish();
  });
});

describe('merged packets', () => {
  test('without DF, forwarded to a link with a small MTU: fragments of each segment, as large as fit, without DF', () => {
    const r = new Router();
    r.exec(() => dev_set_mtu(r.eth1, 600));
    const poller = new Poller(r);
    const seg = (n: number) =>
      tcpFrame({ seq: n * 1448, payload: stream(n * 1448, 1448), flags: 0x10 }, { dst: FAR, frag: 0, id: 100 + n });
    poller.poll(seg(0), seg(1), seg(2));
    const got = packetsOf(r.sent.splice(0));
    expect(
      got.map(p => [p.identification, p.fragmentOffset, p.moreFragments, p.dontFragment, p.payload.length]),
    ).toEqual(
      [100, 101, 102].flatMap(id => [
        [id, 0, true, false, 576],
        [id, 576, true, false, 576],
        [id, 1152, false, false, 316],
      ]),
    );
    r.finish();
  });
});

describe('fragments on a bridge', () => {
  test('tracked (bridge-nf-call-iptables): they go on as fragments no larger than they came', () => {
    const { segment, p0, p1 } = bridge();
    segment.exec(() => br_netfilter_init(segment.net));
    expect(
      iptables_restore(segment.kernel, '*filter\n-A FORWARD -m state --state NEW -j ACCEPT\nCOMMIT\n').stderr,
    ).toBe('');
    segment.receive(bytes(`${X}${Y}88b50102`), p1);
    segment.take();
    const src = '10.6.0.10';
    const dst = '10.6.0.20';
    const udp = buildUdp(
      { sourcePort: 7, destinationPort: 8, payload: new Uint8Array(2000).fill(5) },
      { source: src, destination: dst },
    );
    const ip = { protocol: 17, from: X, to: Y, src: in_aton(src), dst: in_aton(dst), id: 77 };
    segment.receive(ipFrame([...udp.subarray(0, 1400)], { ...ip, frag: 0x2000 }), p0);
    expect(segment.take()).toEqual([]);
    segment.receive(ipFrame([...udp.subarray(1400)], { ...ip, frag: 175 }), p0);
    const frames = segment.sent.splice(0);
    expect(segment.drops).toEqual([]);
    expect(frames.map(f => Buffer.from(f.subarray(0, 14)).toString('hex'))).toEqual([`${Y}${X}0800`, `${Y}${X}0800`]);
    const got = packetsOf(frames);
    expect(got.map(p => [p.identification, p.fragmentOffset, p.moreFragments, p.checksumOk])).toEqual([
      [77, 0, true, true],
      [77, 1400, false, true],
    ]);
    expect(Buffer.concat(got.map(p => p.payload)).equals(Buffer.from(udp))).toBe(true);
    segment.finish();
  });
});

describe('tracking', () => {
  test('a TCP header split over two fragments: tracked', () => {
    const lab = new Lab('*filter\n-A FORWARD -m state --state INVALID -j DROP\nCOMMIT\n');
    const flow = { src: '10.1.0.1', dst: '192.0.2.9', sport: 1000, dport: 80 };
    const syn = buildTcp(flow, { seq: 1, flags: 2 });
    const f = (payload: Uint8Array, frag: object) => lab.ip(flow.src, flow.dst, 6, payload, lab.dev, frag);
    f(syn.subarray(0, 8), { moreFragments: true });
    const out = f(syn.subarray(8), { fragmentOffset: 8 });
    expect(lab.table().length).toBe(1);
    expect(Buffer.concat(out.map(p => p.payload)).equals(Buffer.from(syn))).toBe(true);
    lab.finish();
  });

  test('IP_HDRINCL: what a raw socket writes passes the OUTPUT chain and is tracked', () => {
    const lab = new Lab('*filter\n-A OUTPUT -p udp --dport 9 -j DROP\nCOMMIT\n');
    const done: number[] = [];
    lab.host.spawn('test', function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_INET, SOCK_RAW, 255);
      const at = sys.mmap(64);
      for (const port of [9, 10]) {
        const p = ipFrame(
          [
            ...buildUdp(
              { sourcePort: 5, destinationPort: port, payload: new Uint8Array(4) },
              { source: '10.1.0.2', destination: '10.1.0.1' },
            ),
          ],
          { protocol: 17, src: in_aton('10.1.0.2'), dst: A },
        ).subarray(14);
        sys.kernel.ram.u8.set(p, at);
        done.push(yield* sys.sendto(fd, at, p.length, 0, new sockaddr_in(A)));
      }
      return 0;
    });
    lab.wait(0.1);
    expect(lab.packets().map(p => p.payload[3])).toEqual([10]);
    expect(done).toEqual([-EPERM, 32]);
    expect(lab.drops).toEqual(['NETFILTER_DROP']);
    lab.finish();
  });

  test('fragments over the loopback after DNAT: one connection, and the answer comes back', () => {
    const lab = new Lab('*nat\n-A OUTPUT -p udp --dport 53 -j REDIRECT --to-ports 5353\nCOMMIT\n');
    lab.exec(() => dev_set_mtu(lab.net.loopback_dev as net_device, 1500));
    const log: unknown[] = [];
    lab.host.spawn('server', function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* sys.bind(fd, new sockaddr_in(in_aton('127.0.0.1'), 5353));
      const name = new sockaddr_in();
      const at = sys.mmap(4096);
      const n = yield* sys.recvfrom(fd, at, 4096, 0, name);
      log.push(n, name.sin_port);
      yield* sys.sendto(fd, at, 3000, 0, name);
      return 0;
    });
    lab.host.spawn('client', function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* sys.bind(fd, new sockaddr_in(0, 4444));
      const at = sys.mmap(4096);
      yield* sys.sendto(fd, at, 4000, 0, new sockaddr_in(in_aton('192.0.2.9'), 53));
      const name = new sockaddr_in();
      log.push(yield* sys.recvfrom(fd, at, 4096, 0, name), name.sin_port);
      return 0;
    });
    lab.wait(1);
    expect(log).toEqual([4000, 4444, 3000, 53]);
    expect(lab.table().length).toBe(1);
    lab.finish();
  });
});

describe('a packet of this host that is routed again', () => {
  test('marked in mangle, of a socket that is bound to a device: it stays with its device', () => {
    const lab = new Lab('*mangle\n-A OUTPUT -p udp -j MARK --set-mark 5\nCOMMIT\n');
    lab.exec(() => {
      ip_route_add(lab.net, { dst: 0, prefix_len: 0, gateway: in_aton('10.1.0.1') });
      ip_route_add(lab.net, { dst: 0, prefix_len: 0, gateway: in_aton('192.0.2.9'), metric: 10 });
    });
    const by: string[] = [];
    lab.kernel.trace.dev_hard_start_xmit = skb => by.push(skb.dev?.name ?? '');
    lab.host.spawn('test', function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      const opt = new sockopt();
      opt.text = 'eth1';
      expect(yield* sys.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opt)).toBe(0);
      yield* sys.sendto(fd, sys.mmap(4), 4, 0, new sockaddr_in(in_aton('198.51.100.1'), 9));
      return 0;
    });
    lab.wait(0.1);
    expect(by).toEqual(['eth1']);
    lab.finish();
  });
});

describe('UDP_SEGMENT', () => {
  test('by a VLAN of a card that can neither tag nor cut: each datagram tagged, with the right checksum', () => {
    const segment = new Segment();
    const vlan = segment.exec(() => {
      const dev = register_vlan_device(segment.dev, 7) as net_device;
      dev_open(dev);
      inet_addr_add(dev, in_aton('10.7.0.1'), 24);
      neigh_add(segment.net.ipv4.arp, in_aton('10.7.0.9'), dev, bytes(Y));
      return dev;
    });
    expect(vlan.mtu).toBe(1500);
    segment.take();
    segment.host.spawn('test', function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      const opt = new sockopt();
      opt.value = 1000;
      expect(yield* sys.setsockopt(fd, SOL_UDP, UDP_SEGMENT, opt)).toBe(0);
      expect(yield* sys.sendto(fd, sys.mmap(4096), 3500, 0, new sockaddr_in(in_aton('10.7.0.9'), 9))).toBe(3500);
      return 0;
    });
    segment.wait(0.1);
    const frames = segment.sent.splice(0);
    expect(frames.map(f => Buffer.from(f.subarray(12, 18)).toString('hex'))).toEqual(
      new Array<string>(4).fill('810000070800'),
    );
    const packets = frames.map(f => parseIpv4Packet(f.subarray(18)));
    expect(packets.map(p => p.payload.length - 8)).toEqual([1000, 1000, 1000, 500]);
    for (const p of packets) expect(udpChecksumOk(p.payload, p)).toBe(true);
    segment.finish();
  });

  test('out by a bridge through SNAT: each datagram translated, with the right checksum', () => {
    const { segment, br } = bridge(2);
    segment.exec(() => {
      neigh_add(segment.net.ipv4.arp, in_aton('10.6.0.9'), br, bytes(Y));
      inet_addr_add(br, in_aton('10.6.0.3'), 24);
    });
    const rules = '*nat\n-A POSTROUTING -p udp -j SNAT --to-source 10.6.0.3:700\nCOMMIT\n';
    expect(iptables_restore(segment.kernel, rules).stderr).toBe('');
    segment.host.spawn('test', function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
      const opt = new sockopt();
      opt.value = 1000;
      yield* sys.setsockopt(fd, SOL_UDP, UDP_SEGMENT, opt);
      expect(yield* sys.sendto(fd, sys.mmap(4096), 2500, 0, new sockaddr_in(in_aton('10.6.0.9'), 9))).toBe(2500);
      return 0;
    });
    segment.wait(0.1);
    const packets = packetsOf(segment.sent.splice(0));
    expect(packets.length).toBe(6);
    for (const p of packets) {
      expect(udpChecksumOk(p.payload, p)).toBe(true);
      expect([p.source, (p.payload[0] as number) * 256 + (p.payload[1] as number)]).toEqual(['10.6.0.3', 700]);
    }
    segment.finish();
  });
});

describe('errors about what was translated', () => {
  const MASQUERADE = '*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n';
  const flow = { src: '10.1.0.7', dst: '192.0.2.77', sport: 1000, dport: 2000 };

  test('masqueraded packet, next hop does not answer ARP: the sender behind the gateway is told, of its own packet', () => {
    const lab = new Lab(MASQUERADE);
    const datagram = buildUdp(
      { sourcePort: flow.sport, destinationPort: flow.dport, payload: new Uint8Array(8) },
      { source: flow.src, destination: flow.dst },
    );
    lab.receive(ipFrame([...datagram], { src: in_aton(flow.src), dst: in_aton(flow.dst), protocol: 17 }));
    const sent: Uint8Array[] = [];
    for (let i = 0; i < 8; i++) {
      lab.wait(0.5);
      sent.push(...lab.sent.splice(0));
    }
    const packets = packetsOf(sent);
    // It was about a packet of 192.0.2.1's by then, and so goes to that address first.
    expect(packets.map(p => [p.source, p.destination, p.protocol])).toEqual([['192.0.2.1', '10.1.0.7', 1]]);
    const error = icmpOf(packets[0]);
    expect([error.type, error.code]).toEqual([3, 1]);
    const quoted = parseIpv4Packet(error.payload, { partial: true });
    expect([quoted.source, quoted.destination, quoted.checksumOk]).toEqual([flow.src, flow.dst, true]);
    lab.finish();
  });

  test('"fragmentation needed" about the first fragment of a masqueraded datagram: translated, as the rest is', () => {
    const lab = new Lab(MASQUERADE);
    const to = { ...flow, dst: '192.0.2.9' };
    const udp = buildUdp(
      { sourcePort: 1000, destinationPort: 2000, payload: new Uint8Array(1200) },
      { source: to.src, destination: to.dst },
    );
    lab.ip(to.src, to.dst, 17, udp.subarray(0, 800), lab.dev, { moreFragments: true });
    const out = lab.ip(to.src, to.dst, 17, udp.subarray(800), lab.dev, { fragmentOffset: 800 });
    expect(out.map(p => [p.source, p.fragmentOffset, p.moreFragments])).toEqual([
      ['192.0.2.1', 0, true],
      ['192.0.2.1', 800, false],
    ]);
    const first = out[0] as (typeof out)[number];
    const { source, destination, protocol, identification } = first;
    const payload = first.payload.subarray(0, 8);
    const quote = buildIpv4Packet({ source, destination, protocol, identification, moreFragments: true, payload });
    const error = buildIcmp({ type: 3, code: 4, rest: 576, payload: quote });
    const told = lab.ip('192.0.2.8', '192.0.2.1', 1, error, lab.outside);
    expect(told.map(p => [p.source, p.destination])).toEqual([['192.0.2.8', '10.1.0.7']]);
    const inner = parseIpv4Packet(icmpOf(told[0]).payload, { partial: true });
    expect([inner.source, inner.destination, inner.checksumOk]).toEqual(['10.1.0.7', '192.0.2.9', true]);
    lab.finish();
  });
});

describe('a source route', () => {
  test('of a connection, between hosts whose cards cut segments and make sums: every byte comes back', () => {
    const p = pair();
    // By another address of the same host: the header does not say what the checksum is made for.
    const route = [131, 7, 4, 10, 0, 0, 3, 0];
    p.right.exec(() => inet_addr_add(p.rightDev, in_aton('10.0.0.3'), 24));
    for (const dev of [p.leftDev, p.rightDev]) {
      dev.nd_net.ipv4.devconf_all.accept_source_route = 1;
      (dev.ip_ptr as NonNullable<typeof dev.ip_ptr>).cnf.accept_source_route = 1;
    }
    const data = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) ^ (i >> 8));
    let answer = new Uint8Array();
    const seen = new Set<string>();
    p.right.kernel.trace.tcp_v4_rcv = skb => {
      const at = skb.network_header;
      if ((skb.ram.u8[at] as number) > 0x45) seen.add(Buffer.from(skb.ram.u8.slice(at + 16, at + 28)).toString('hex'));
    };
    p.right.kernel.exec(() => spawn(p.right.kernel, 'echo', tcpEcho({ port: 80, count: 1 })));
    p.left.kernel.exec(() =>
      spawn(p.left.kernel, 'send', function* (sys) {
        const fd = yield* sys.socket(AF_INET, SOCK_STREAM, 0);
        const opt = new sockopt();
        opt.bytes = Uint8Array.from(route);
        expect(yield* sys.setsockopt(fd, SOL_IP, IP_OPTIONS, opt)).toBe(0);
        expect(yield* sys.connect(fd, new sockaddr_in(RIGHT, 80))).toBe(0);
        const stream = new Stream(sys, fd);
        yield* stream.write(data);
        yield* stream.end();
        answer = (yield* stream.readAll()).slice();
        yield* stream.close();
        return 0;
      }),
    );
    p.run(10e9);
    expect(Buffer.compare(answer, data)).toBe(0);
    expect([...seen]).toEqual(['0a0000028307040a00000200']);
    expect(p.right.kernel.init_net.ipv4.mib.TcpInCsumErrors).toBe(0);
    p.run(70e9);
    expect(p.finish()).toEqual([]);
  });
});

describe('IP_ROUTER_ALERT', () => {
  /** What raw sockets of a router's read, by name. */
  function sniff(r: Router, log: string[], name: string, protocol: number, device = ''): void {
    r.host.spawn(name, function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_INET, SOCK_RAW, protocol);
      const opt = new sockopt();
      opt.value = 1;
      expect(yield* sys.setsockopt(fd, SOL_IP, IP_ROUTER_ALERT, opt)).toBe(0);
      expect(yield* sys.setsockopt(fd, SOL_IP, IP_ROUTER_ALERT, opt)).toBe(-EADDRINUSE);
      if (device !== '') {
        const to = new sockopt();
        to.text = device;
        expect(yield* sys.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, to)).toBe(0);
      }
      const at = sys.mmap(4096);
      for (;;) {
        const n = yield* sys.recvfrom(fd, at, 4096, 0, null);
        if (n < 0) break;
        log.push(`${name} ${n} ttl ${sys.kernel.ram.u8[at + 8]}`);
        if (log.length === 4) break;
      }
      opt.value = 0;
      expect(yield* sys.setsockopt(fd, SOL_IP, IP_ROUTER_ALERT, opt)).toBe(0);
      expect(yield* sys.setsockopt(fd, SOL_IP, IP_ROUTER_ALERT, opt)).toBe(-ENOBUFS);
      yield* sys.close(fd);
      return 0;
    });
  }
  const alert = { dst: FAR, protocol: 46, options: [148, 4, 0, 0] };

  test('raw sockets that asked: each of them gets what is forwarded of their protocol, whole, and it goes no farther', () => {
    const r = new Router();
    const log: string[] = [];
    sniff(r, log, 'a', 46);
    sniff(r, log, 'b', 46);
    sniff(r, log, 'other', 47);
    sniff(r, log, 'elsewhere', 46, 'eth1');
    r.wait(0.01);
    r.receive(ipFrame(new Array<number>(8).fill(1), { ...alert, frag: 0x2000, id: 9, ttl: 1 }));
    expect(r.packets()).toEqual([]);
    r.receive(ipFrame([2, 2], { ...alert, frag: 1, id: 9, ttl: 1 }));
    expect(log.sort()).toEqual(['a 34 ttl 1', 'b 34 ttl 1']);
    expect(r.packets()).toEqual([]);
    expect(r.drops).toEqual([]);
    // Without the option, or of another protocol: forwarded.
    r.receive(ipFrame([1], { dst: FAR, protocol: 46 }));
    r.receive(ipFrame([1], { ...alert, protocol: 48 }));
    expect(r.packets().length).toBe(2);
    expect(log.length).toBe(2);
  });

  test('the socket is closed: such packets are forwarded again', () => {
    const r = new Router();
    const done = r.host.spawn('test', function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_INET, SOCK_RAW, 46);
      const opt = new sockopt();
      opt.value = 1;
      expect(yield* sys.setsockopt(fd, SOL_IP, IP_ROUTER_ALERT, opt)).toBe(0);
      expect(yield* sys.getsockopt(fd, SOL_IP, IP_ROUTER_ALERT, opt)).toBe(0);
      expect(opt.value).toBe(1);
      yield* sys.close(fd);
      for (const [type, protocol] of [
        [SOCK_RAW, 255],
        [SOCK_DGRAM, 0],
      ] as const) {
        const other = yield* sys.socket(AF_INET, type, protocol);
        expect(yield* sys.setsockopt(other, SOL_IP, IP_ROUTER_ALERT, opt)).toBe(-EINVAL);
        yield* sys.close(other);
      }
      return 0;
    });
    r.wait(0.01);
    expect(done.exit_code).toBe(0);
    r.receive(ipFrame([1], alert));
    expect(r.packets().length).toBe(1);
    r.finish();
  });
});
