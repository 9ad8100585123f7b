import { expect, test } from 'vitest';
import { buildIcmp } from '../../../../harness/packet/icmp.ts';
import { buildIpv4Packet, parseIpv4Packet } from '../../../../harness/packet/ipv4.ts';
import { parseTcp, tcpChecksumOk } from '../../../../harness/packet/tcp.ts';
import { buildUdp, parseUdp, udpChecksumOk } from '../../../../harness/packet/udp.ts';
import { EPERM } from '../../../../kernel/errno.ts';
import { dev_close } from '../../../../kernel/net/core/dev.ts';
import { NUD_PERMANENT, neigh_create, neigh_update } from '../../../../kernel/net/core/neighbour.ts';
import { inet_addr_add, inet_addr_del } from '../../../../kernel/net/ipv4/devinet.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { AF_INET, SOCK_RAW } from '../../../../kernel/net/msg.ts';
import { ACK, icmpOf, Lab, SYN, udpOf } from './lab.ts';

const MASQ = '*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n';
const OUT = { src: '10.1.0.1', dst: '192.0.2.9', sport: 4000, dport: 53 };

test('a masqueraded datagram leaves with the device address and the same port; the answer finds its way back', () => {
  const lab = new Lab(MASQ);
  expect(udpOf(lab.udp(OUT)[0])).toEqual({ src: '192.0.2.1', dst: '192.0.2.9', sport: 4000, dport: 53 });
  const back = lab.udp({ src: '192.0.2.9', dst: '192.0.2.1', sport: 53, dport: 4000 }, lab.outside);
  expect(udpOf(back[0])).toEqual({ src: '192.0.2.9', dst: '10.1.0.1', sport: 53, dport: 4000 });
  expect(lab.table()).toEqual([
    'ipv4     2 udp      17 30 src=10.1.0.1 dst=192.0.2.9 sport=4000 dport=53 src=192.0.2.9 dst=192.0.2.1 sport=53 dport=4000 mark=0 zone=0 use=2',
  ]);
  lab.finish();
});

test.each([
  [300, 1, 511],
  [900, 600, 1023],
  [4000, 1024, 65535],
])('port %i taken by another inside host: another of %i to %i', (sport, low, high) => {
  const lab = new Lab(MASQ);
  lab.udp({ ...OUT, sport });
  const second = udpOf(lab.udp({ ...OUT, src: '10.1.0.7', sport })[0]);
  expect(second.src).toBe('192.0.2.1');
  expect(second.sport).not.toBe(sport);
  expect(second.sport).toBeGreaterThanOrEqual(low);
  expect(second.sport).toBeLessThanOrEqual(high);
  const back = udpOf(lab.udp({ src: '192.0.2.9', dst: '192.0.2.1', sport: 53, dport: second.sport }, lab.outside)[0]);
  expect(back).toMatchObject({ dst: '10.1.0.7', dport: sport });
  lab.finish();
});

test('two hosts ping with one identifier through a masquerade: each gets its own answer', () => {
  const lab = new Lab(MASQ);
  const first = icmpOf(lab.ping(OUT, 77)[0]).identifier;
  const second = icmpOf(lab.ping({ ...OUT, src: '10.1.0.7' }, 77)[0]).identifier;
  expect(first).toBe(77);
  expect(second).not.toBe(77);
  const answer = (id: number) => lab.ping({ src: '192.0.2.9', dst: '192.0.2.1' }, id, lab.outside, 0)[0];
  expect(answer(first)?.destination).toBe('10.1.0.1');
  const other = answer(second);
  expect(other?.destination).toBe('10.1.0.7');
  expect(icmpOf(other).identifier).toBe(77);
  lab.finish();
});

test('DNAT with a port: the inside host gets it, its answer comes from the outside address', () => {
  const lab = new Lab('*nat\n-A PREROUTING -i eth1 -p udp --dport 80 -j DNAT --to-destination 10.1.0.7:8080\nCOMMIT\n');
  const there = lab.udp({ src: '192.0.2.9', dst: '192.0.2.1', sport: 5, dport: 80 }, lab.outside);
  expect(udpOf(there[0])).toEqual({ src: '192.0.2.9', dst: '10.1.0.7', sport: 5, dport: 8080 });
  const back = lab.udp({ src: '10.1.0.7', dst: '192.0.2.9', sport: 8080, dport: 5 });
  expect(udpOf(back[0])).toEqual({ src: '192.0.2.1', dst: '192.0.2.9', sport: 80, dport: 5 });
  lab.finish();
});

test('an ICMP error about a masqueraded datagram: it and what it quotes are translated back', () => {
  const lab = new Lab(MASQ);
  const [sent] = lab.udp(OUT);
  if (sent === undefined) throw new Error('nothing was sent');
  const quoted = buildIpv4Packet({ ...sent, options: new Uint8Array() });
  const error = buildIcmp({ type: 3, code: 3, rest: 0, payload: quoted });
  const [back] = lab.ip('192.0.2.8', '192.0.2.1', 1, error, lab.outside);
  expect(back?.destination).toBe('10.1.0.1');
  const inner = parseIpv4Packet(icmpOf(back).payload);
  expect(inner).toMatchObject({ source: '10.1.0.1', destination: '192.0.2.9', checksumOk: true });
  expect(parseUdp(inner.payload).sourcePort).toBe(4000);
  expect(udpChecksumOk(inner.payload, inner)).toBe(true);
  lab.finish();
});

test('a redirect about a translated connection: dropped', () => {
  const lab = new Lab(MASQ);
  const [sent] = lab.udp(OUT);
  if (sent === undefined) throw new Error('nothing was sent');
  const quoted = buildIpv4Packet({ ...sent, options: new Uint8Array() });
  expect(
    lab.ip('192.0.2.8', '192.0.2.1', 1, buildIcmp({ type: 5, code: 1, rest: 1, payload: quoted }), lab.outside),
  ).toEqual([]);
  expect(lab.drops).toEqual(['NETFILTER_DROP']);
  lab.finish();
});

test('SNAT to a range of ports: the first is taken, then the next; none left: the datagram is dropped', () => {
  const lab = new Lab('*nat\n-A POSTROUTING -p udp -j SNAT --to-source 192.0.2.1:6000-6001\nCOMMIT\n');
  const ports = ['10.1.0.1', '10.1.0.7'].map(src => udpOf(lab.udp({ ...OUT, src })[0]).sport);
  expect([...ports].sort()).toEqual([6000, 6001]);
  expect(lab.udp({ ...OUT, sport: 4001 })).toEqual([]);
  expect(lab.drops).toContain('NETFILTER_DROP');
  lab.finish();
});

test('a datagram without a checksum stays without', () => {
  const lab = new Lab(MASQ);
  const datagram = buildUdp(
    { sourcePort: 4000, destinationPort: 53, payload: Uint8Array.of(1), checksum: 0 },
    { source: OUT.src, destination: OUT.dst },
  );
  expect(parseUdp(lab.ip(OUT.src, OUT.dst, 17, datagram)[0]?.payload ?? new Uint8Array()).checksum).toBe(0);
  lab.finish();
});

test('REDIRECT: a datagram for elsewhere is ours', () => {
  const lab = new Lab('*nat\n-A PREROUTING -p udp --dport 53 -j REDIRECT --to-ports 5353\nCOMMIT\n');
  // Nobody listens there, so we say so, from the address that was asked.
  const [answer] = lab.udp(OUT);
  expect(answer?.source).toBe('192.0.2.9');
  expect(icmpOf(answer)).toMatchObject({ type: 3, code: 3 });
  const inner = parseIpv4Packet(icmpOf(answer).payload);
  expect(inner.destination).toBe('192.0.2.9');
  expect(parseUdp(inner.payload).destinationPort).toBe(53);
  lab.finish();
});

test('the device of a masquerade goes down: its connections are forgotten', () => {
  const lab = new Lab(MASQ);
  lab.udp(OUT);
  expect(lab.table()).toHaveLength(1);
  lab.exec(() => dev_close(lab.outside));
  expect(lab.table()).toEqual([]);
  lab.finish();
});

test('the address of a masquerade is deleted: the connections under it are forgotten, those under another stay', () => {
  const lab = new Lab(MASQ);
  lab.exec(() => inet_addr_add(lab.outside, in_aton('198.51.100.1'), 24));
  lab.exec(() => {
    const n = neigh_create(lab.net.ipv4.arp, in_aton('198.51.100.9'), lab.outside);
    if (n !== null) neigh_update(n, Uint8Array.of(2, 0, 0, 0, 0, 1), NUD_PERMANENT, 1);
  });
  expect(udpOf(lab.udp(OUT)[0]).src).toBe('192.0.2.1');
  expect(udpOf(lab.udp({ ...OUT, dst: '198.51.100.9' })[0]).src).toBe('198.51.100.1');
  expect(lab.table()).toHaveLength(2);
  lab.exec(() => inet_addr_del(lab.outside, in_aton('192.0.2.1'), 24));
  expect(lab.table()).toEqual([expect.stringContaining('dst=198.51.100.1')]);
  lab.finish();
});

test("a program's own header (IP_HDRINCL) meets the rules of OUTPUT, and is tracked", () => {
  const lab = new Lab('*filter\n-A OUTPUT -p udp --dport 9 -j DROP\n-A OUTPUT -m conntrack --ctstate NEW\nCOMMIT\n');
  const results: number[] = [];
  lab.host.spawn('raw', function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_RAW, 255);
    const at = sys.mmap(64);
    for (const port of [9, 10]) {
      const payload = buildUdp(
        { sourcePort: 7, destinationPort: port, payload: Uint8Array.of(1) },
        { source: '192.0.2.1', destination: '192.0.2.9' },
      );
      sys.kernel.ram.u8.set(
        buildIpv4Packet({ source: '192.0.2.1', destination: '192.0.2.9', protocol: 17, payload }),
        at,
      );
      results.push(yield* sys.sendto(fd, at, 29, 0, sys.sockaddr(in_aton('192.0.2.9'), 0)));
    }
    return 0;
  });
  lab.settle();
  expect(results).toEqual([-EPERM, 29]);
  expect(lab.packets().map(packet => udpOf(packet).dport)).toEqual([10]);
  expect(lab.table()).toEqual([expect.stringContaining('src=192.0.2.1 dst=192.0.2.9 sport=7 dport=10')]);
  expect(lab.iptables('-S OUTPUT -v')).toMatch(/--ctstate NEW -c 1 29/);
  lab.finish();
});

test('TCP through a masquerade: both ways with right checksums, tracked to ESTABLISHED', () => {
  const lab = new Lab(MASQ);
  const flow = { ...OUT, dport: 80 };
  const [syn] = lab.tcp(flow, { seq: 100, flags: SYN });
  if (syn === undefined) throw new Error('nothing was sent');
  expect(syn.source).toBe('192.0.2.1');
  expect(tcpChecksumOk(syn.payload, syn)).toBe(true);
  const answer = { src: '192.0.2.9', dst: '192.0.2.1', sport: 80, dport: parseTcp(syn.payload).sourcePort };
  const [back] = lab.tcp(answer, { seq: 500, ack: 101, flags: SYN | ACK }, lab.outside);
  if (back === undefined) throw new Error('no answer');
  expect(back.destination).toBe('10.1.0.1');
  expect(tcpChecksumOk(back.payload, back)).toBe(true);
  lab.tcp(flow, { seq: 101, ack: 501 });
  expect(lab.table()[0]).toContain('432000 ESTABLISHED src=10.1.0.1 dst=192.0.2.9 sport=4000 dport=80');
  lab.finish();
});
