/** A host in two segments, with tables and tracking: frames are built and read by harness/packet. */
import { expect } from 'vitest';
import { internetChecksum } from '../../../../harness/packet/checksum.ts';
import { buildEthernet, parseEthernet } from '../../../../harness/packet/ethernet.ts';
import { buildIcmp, parseIcmp } from '../../../../harness/packet/icmp.ts';
import { buildIpv4Packet, type Ipv4Read, parseIpv4Packet, pseudoHeader } from '../../../../harness/packet/ipv4.ts';
import { buildUdp, parseUdp, udpChecksumOk } from '../../../../harness/packet/udp.ts';
import { iptables, iptables_restore } from '../../../../harness/shell/iptables.ts';
import { NUD_PERMANENT, neigh_create, neigh_update } from '../../../../kernel/net/core/neighbour.ts';
import type { net_device } from '../../../../kernel/net/core/netdevice.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import type { nf_conntrack_net } from '../../../../kernel/net/netfilter/nf_conntrack_core.ts';
import { nf_conntrack_format } from '../../../../kernel/net/netfilter/nf_conntrack_standalone.ts';
import { bytesOf, Segment } from '../segment.ts';

export const SYN = 2;
export const ACK = 0x10;
export const RST = 4;
export const FIN = 1;
const EMPTY = new Uint8Array();

export interface Flow {
  readonly src: string;
  readonly dst: string;
  readonly sport?: number;
  readonly dport?: number;
}

export const mirror = (flow: Flow): Flow => ({
  src: flow.dst,
  dst: flow.src,
  ...(flow.dport === undefined ? {} : { sport: flow.dport }),
  ...(flow.sport === undefined ? {} : { dport: flow.sport }),
});

/** The host is 10.1.0.2 inside (eth0) and 192.0.2.1 outside (eth1), and forwards. */
export class Lab extends Segment {
  readonly outside: net_device;

  constructor(rules = '') {
    super();
    this.outside = this.device('eth%d', '0200000000e1');
    this.exec(() => {
      inet_addr_add(this.outside, in_aton('192.0.2.1'), 24);
      this.net.ipv4.ip_forward = 1;
      for (const [address, dev] of [
        ['10.1.0.1', this.dev],
        ['10.1.0.7', this.dev],
        ['192.0.2.9', this.outside],
        ['192.0.2.8', this.outside],
      ] as const) {
        const n = neigh_create(this.net.ipv4.arp, in_aton(address), dev);
        if (n !== null) neigh_update(n, bytesOf('020000000001'), NUD_PERMANENT, 1);
      }
    });
    if (rules !== '') this.rules(rules);
    this.take();
  }

  /** Loads what iptables-restore takes. */
  rules(text: string): void {
    const { status, stderr } = iptables_restore(this.kernel, text);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  }

  iptables(line: string): string {
    const { stdout, stderr } = iptables(this.kernel, line.split(' '));
    return stdout + stderr;
  }

  get ct(): nf_conntrack_net {
    return this.net.nf.ct as nf_conntrack_net;
  }

  table(): string[] {
    return nf_conntrack_format(this.net).split('\n').slice(0, -1);
  }

  ip(
    src: string,
    dst: string,
    protocol: number,
    payload: Uint8Array,
    from: net_device = this.dev,
    fragment = {},
  ): Ipv4Read[] {
    const packet = buildIpv4Packet({
      source: src,
      destination: dst,
      protocol,
      payload,
      identification: 7,
      ...fragment,
    });
    const destination = [...from.dev_addr].map(b => b.toString(16).padStart(2, '0')).join(':');
    this.receive(buildEthernet({ destination, source: '02:00:00:00:00:01', etherType: 0x800, payload: packet }), from);
    return this.packets();
  }

  /** What was sent of IPv4 since, as packets whose header checksums are right. */
  packets(): Ipv4Read[] {
    const frames = this.sent.splice(0).map(frame => parseEthernet(frame));
    return frames
      .filter(({ etherType }) => etherType === 0x800)
      .map(({ payload }) => {
        const packet = parseIpv4Packet(payload);
        expect(packet.checksumOk).toBe(true);
        return packet;
      });
  }

  udp(flow: Flow, from: net_device = this.dev, payload: Uint8Array = Uint8Array.of(1, 2, 3)): Ipv4Read[] {
    const addresses = { source: flow.src, destination: flow.dst };
    const datagram = { sourcePort: flow.sport ?? 1000, destinationPort: flow.dport ?? 2000, payload };
    return this.ip(flow.src, flow.dst, 17, buildUdp(datagram, addresses), from);
  }

  ping(flow: Flow, id: number, from: net_device = this.dev, type = 8): Ipv4Read[] {
    return this.ip(flow.src, flow.dst, 1, buildIcmp({ type, code: 0, rest: id * 65536 + 1, payload: EMPTY }), from);
  }

  tcp(flow: Flow, segment: Partial<Tcp>, from: net_device = this.dev): Ipv4Read[] {
    return this.ip(flow.src, flow.dst, 6, buildTcp(flow, segment), from);
  }
}

export interface Tcp {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly payload: Uint8Array;
}

export function buildTcp(flow: Flow, segment: Partial<Tcp>): Uint8Array {
  const payload = segment.payload ?? EMPTY;
  const bytes = new Uint8Array(20 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, flow.sport ?? 1000);
  view.setUint16(2, flow.dport ?? 80);
  view.setUint32(4, segment.seq ?? 0);
  view.setUint32(8, segment.ack ?? 0);
  bytes[12] = 0x50;
  bytes[13] = segment.flags ?? ACK;
  view.setUint16(14, segment.window ?? 1000);
  bytes.set(payload, 20);
  const addresses = { source: flow.src, destination: flow.dst };
  view.setUint16(16, internetChecksum(pseudoHeader(addresses, 6, bytes.length), bytes));
  return bytes;
}

export interface Seen {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
}

/** The flow of a UDP packet, whose checksum must be right. */
export function udpOf(packet: Ipv4Read | undefined): Seen {
  if (packet === undefined) throw new Error('nothing was sent');
  expect(packet.protocol).toBe(17);
  expect(udpChecksumOk(packet.payload, packet)).toBe(true);
  const { sourcePort, destinationPort } = parseUdp(packet.payload);
  return { src: packet.source, dst: packet.destination, sport: sourcePort, dport: destinationPort };
}

export function icmpOf(packet: Ipv4Read | undefined): ReturnType<typeof parseIcmp> {
  if (packet === undefined) throw new Error('nothing was sent');
  const icmp = parseIcmp(packet.payload);
  expect(icmp.checksumOk).toBe(true);
  return icmp;
}
