/** What the card does beside moving frames, on and off: on the wire, and to the programs, nothing differs. */
import { describe, expect, it } from 'vitest';
import { netdev_priv } from '../../driver/ringside/ringside.ts';
import { parseMac } from '../../harness/packet/address.ts';
import { buildIpv4Packet } from '../../harness/packet/ipv4.ts';
import { TCP_ACK, TCP_CWR, TCP_FIN, TCP_PSH } from '../../harness/packet/tcp.ts';
import { Random } from '../../harness/sim/random.ts';
import { register_vlan_device } from '../../kernel/net/8021q/vlan_dev.ts';
import { dev_open, dev_queue_xmit } from '../../kernel/net/core/dev.ts';
import { ethtool_set_features } from '../../kernel/net/core/features.ts';
import { SKB_GSO_TCPV4 } from '../../kernel/net/core/gso.ts';
import { NUD_PERMANENT, neigh_add } from '../../kernel/net/core/neighbour.ts';
import {
  NETIF_F_FRAGLIST,
  NETIF_F_HW_CSUM,
  NETIF_F_HW_VLAN_CTAG_RX,
  NETIF_F_HW_VLAN_CTAG_TX,
  NETIF_F_RXCSUM,
  NETIF_F_RXHASH,
  NETIF_F_SG,
  NETIF_F_TSO,
  type net_device,
} from '../../kernel/net/core/netdevice.ts';
import {
  alloc_skb,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  type sk_buff,
  skb_put,
  skb_reserve,
} from '../../kernel/net/core/skbuff.ts';
import { inet_addr_add } from '../../kernel/net/ipv4/devinet.ts';
import { type DriverBench, driverBench, PEER_MAC, PORT, udpFrame } from './bench.ts';

const PEER_ADDRESS = 0x0a000002;
const VLAN_PEER = 0x0a050002;

function switchFeature({ host }: DriverBench, dev: net_device, feature: number, on: boolean): void {
  expect(host.exec(() => ethtool_set_features(dev, feature, on ? feature : 0))).toBe(0);
  expect((dev.features & feature) !== 0).toBe(on);
}

function neighbour({ host }: DriverBench, dev: net_device, address: number): void {
  host.exec(() => neigh_add(host.kernel.init_net.ipv4.arp, address, dev, parseMac(PEER_MAC), NUD_PERMANENT));
}

/** A program sends datagrams of these lengths; what then is on the wire. */
function wireOf(bench: DriverBench, to: number, lengths: readonly number[]): Uint8Array[] {
  bench.host.spawn('sender', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    yield* sys.bind(fd, sys.sockaddr(0, 4000));
    const buffer = sys.mmap(4096);
    for (let i = 0; i < 4096; i++) bench.host.kernel.ram.u8[buffer + i] = i * 7;
    for (const length of lengths) yield* sys.sendto(fd, buffer, length, 0, sys.sockaddr(to, PORT));
    return 0;
  });
  bench.run(10_000_000);
  return bench.sent;
}

/** A large TCP packet as TCP would hand it down; `cuts`: lengths of the pieces that it lies in. */
function sendLarge(bench: DriverBench, payload: Uint8Array, mss: number, cuts: readonly number[]): void {
  const { host, dev } = bench;
  const header = new Uint8Array(32);
  const view = new DataView(header.buffer);
  view.setUint32(0, (1000 << 16) | 80);
  view.setUint32(4, 0xfffff000);
  view.setUint8(12, 8 << 4);
  view.setUint8(13, TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR);
  view.setUint16(14, 500);
  header.set([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], 20);
  const body = Uint8Array.from([...header, ...payload]);
  const addresses = { source: '10.0.0.1', destination: '10.0.0.2' };
  const packet = buildIpv4Packet({
    ...addresses,
    protocol: 6,
    payload: body,
    identification: 65_534,
    dontFragment: true,
  });
  const frame = Uint8Array.from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, ...packet]);
  host.exec(() => {
    const part = (from: number, length: number): sk_buff => {
      const skb = alloc_skb(host.kernel, length + 66) as sk_buff;
      skb_reserve(skb, 66);
      skb.ram.u8.set(frame.subarray(from, from + length), skb_put(skb, length));
      return skb;
    };
    const linear = cuts.length === 0 ? frame.length : 66 + (cuts[0] as number);
    const skb = part(0, linear);
    let last: sk_buff | null = null;
    let at = linear;
    for (const length of [
      ...cuts.slice(1),
      ...(linear < frame.length ? [frame.length - linear - cuts.slice(1).reduce((a, b) => a + b, 0)] : []),
    ]) {
      const frag = part(at, length);
      if (last === null) skb.frag_list = frag;
      else last.next = frag;
      last = frag;
      at += length;
    }
    skb.len = frame.length;
    skb.data_len = frame.length - linear;
    skb.network_header = skb.data + 14;
    skb.transport_header = skb.data + 34;
    skb.protocol = 0x0800;
    skb.dev = dev;
    skb.gso_size = mss;
    skb.gso_type = SKB_GSO_TCPV4;
    skb.gso_segs = Math.ceil(payload.length / mss);
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.csum_start = skb.data + 34;
    skb.csum_offset = 16;
    // The sum of the pseudo header, as TCP leaves it.
    const pseudo = sum([10, 0, 0, 1, 10, 0, 0, 2, 0, 6, body.length >> 8, body.length & 255]);
    skb.ram.u8[skb.data + 34 + 16] = pseudo >> 8;
    skb.ram.u8[skb.data + 34 + 17] = pseudo;
    dev_queue_xmit(skb);
  });
  bench.run(10_000_000);
}

function sum(bytes: readonly number[]): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

describe('sending', () => {
  it('checksums by the card or by the stack, the same bytes on the wire', () => {
    const lengths = [0, 1, 2, 18, 19, 101, 700, 1471, 1472];
    const [on, off] = [true, false].map(by => {
      const bench = driverBench();
      switchFeature(bench, bench.dev, NETIF_F_HW_CSUM, by);
      neighbour(bench, bench.dev, PEER_ADDRESS);
      const frames = wireOf(bench, PEER_ADDRESS, lengths).map(frame => [...frame]);
      expect(netdev_priv(bench.dev).q_vector[0]?.tx_csum).toBe(by ? lengths.length : 0);
      expect(bench.finish()).toEqual([]);
      return frames;
    });
    expect(on).toHaveLength(lengths.length);
    expect(on).toEqual(off);
  });

  it.each([
    ['in one piece', []],
    ['in pieces', [1000, 1448, 1, 3000]],
    ['with nothing but headers in the first', [0, 4000]],
    ['in more pieces than the card takes', Array.from({ length: 60 }, () => 100)],
  ])('TCP segments by the card or by the stack, a packet %s: the same bytes, counted the same', (_what, cuts) => {
    const random = new Random(3, 'payload');
    const payload = new Uint8Array(20_000).map(() => random.u32());
    const [on, off, unpieced] = [NETIF_F_TSO | NETIF_F_FRAGLIST, 0, NETIF_F_TSO].map(features => {
      const bench = driverBench();
      const both = NETIF_F_TSO | NETIF_F_FRAGLIST;
      expect(bench.host.exec(() => ethtool_set_features(bench.dev, both, features))).toBe(0);
      sendLarge(bench, payload, 1428, cuts);
      const { stats } = bench.dev;
      const whole = features !== 0 && (cuts.length === 0 || (cuts.length < 20 && (features & NETIF_F_FRAGLIST) !== 0));
      expect(netdev_priv(bench.dev).q_vector[0]?.tx_tso).toBe(whole ? 1 : 0);
      const seen = { frames: bench.sent.map(frame => [...frame]), packets: stats.tx_packets, bytes: stats.tx_bytes };
      expect(bench.finish()).toEqual([]);
      return seen;
    });
    expect(on?.frames).toHaveLength(15);
    expect(on).toEqual(off);
    expect(unpieced).toEqual(off);
  });

  it('a tag put in by the card or by the stack, with either kind of checksum: the same bytes', () => {
    const lengths = [1, 46, 1400, 1472];
    const wires = [NETIF_F_HW_VLAN_CTAG_TX, 0, NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_CSUM].map(features => {
      const bench = driverBench();
      const { host, dev } = bench;
      const both = NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_CSUM;
      expect(host.exec(() => ethtool_set_features(dev, both, features))).toBe(0);
      const vlan = host.exec(() => register_vlan_device(dev, 5)) as net_device;
      host.exec(() => dev_open(vlan) || inet_addr_add(vlan, 0x0a050001, 24));
      neighbour(bench, vlan, VLAN_PEER);
      const frames = wireOf(bench, VLAN_PEER, lengths).map(frame => [...frame]);
      expect(bench.finish()).toEqual([]);
      return frames;
    });
    expect(wires[0]).toHaveLength(lengths.length);
    expect(wires[0]?.every(frame => frame[12] === 0x81 && frame[13] === 0 && frame[15] === 5)).toBe(true);
    expect(wires[1]).toEqual(wires[0]);
    expect(wires[2]).toEqual(wires[0]);
  });

  it('no memory behind the IOMMU for one piece of several, the packet dropped and counted, the next one leaves', () => {
    const bench = driverBench();
    const { host, dev } = bench;
    const { iommu } = host.kernel.pci_devices[0] as (typeof host.kernel.pci_devices)[0];
    const map = iommu.map.bind(iommu);
    let calls = 0;
    iommu.map = (...args) => (++calls === 3 ? 0 : map(...args));
    sendLarge(bench, new Uint8Array(5000), 1428, [1000, 1000, 1000]);
    iommu.map = map;
    expect([bench.sent.length, dev.stats.tx_dropped]).toEqual([0, 1]);
    sendLarge(bench, new Uint8Array(5000), 1428, [1000, 1000, 1000]);
    expect(bench.sent).toHaveLength(4);
    expect(bench.finish()).toEqual([]);
  });
});

describe('receiving', () => {
  /** What a program gets of these frames, what the stack was told about sums, and the counters. */
  function received(bench: DriverBench, frames: readonly Uint8Array[]) {
    const { host } = bench;
    const got: number[] = [];
    const summed: number[] = [];
    host.kernel.trace.netif_receive_skb = skb => summed.push(skb.ip_summed);
    host.spawn('sink', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      yield* sys.bind(fd, sys.sockaddr(0, PORT));
      const buffer = sys.mmap(4096);
      for (;;) {
        yield* sys.recvfrom(fd, buffer, 4096, 0, null);
        got.push(host.kernel.ram.u8[buffer] as number);
      }
    });
    bench.run(1_000_000);
    for (const frame of frames) {
      bench.send(frame);
      bench.run(50_000);
    }
    const { UdpInCsumErrors } = host.kernel.init_net.ipv4.mib;
    return { got, summed, errors: UdpInCsumErrors };
  }

  it('checksums verified by the card or by the stack: the same datagrams, the same errors counted', () => {
    const bad = udpFrame(5, 3, 500);
    bad[600 - 100] = 77;
    const none = udpFrame(6, 4);
    none[40] = none[41] = 0;
    const frames = [udpFrame(1, 1), udpFrame(1, 2, 1400), bad, none];
    const [on, off] = [true, false].map(by => {
      const bench = driverBench();
      switchFeature(bench, bench.dev, NETIF_F_RXCSUM, by);
      const result = received(bench, frames);
      const q = netdev_priv(bench.dev).q_vector[0];
      expect([q?.rx_csum_good, q?.rx_csum_errors]).toEqual(by ? [2, 1] : [0, 0]);
      expect(bench.finish()).toEqual([]);
      return result;
    });
    expect(on?.got).toEqual([1, 2, 4]);
    expect(on?.summed).toEqual([CHECKSUM_UNNECESSARY, CHECKSUM_UNNECESSARY, CHECKSUM_NONE, CHECKSUM_NONE]);
    expect([off?.got, off?.errors]).toEqual([on?.got, 1]);
    expect(on?.errors).toBe(1);
    expect(off?.summed).toEqual([0, 0, 0, 0]);
  });

  it('a tag taken out by the card or by the stack: the VLAN device gets the datagram, with either checksum', () => {
    for (const features of [0, NETIF_F_HW_VLAN_CTAG_RX, NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_RXCSUM]) {
      const bench = driverBench();
      const { host, dev } = bench;
      const both = NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_RXCSUM;
      expect(host.exec(() => ethtool_set_features(dev, both, features))).toBe(0);
      const vlan = host.exec(() => register_vlan_device(dev, 5)) as net_device;
      host.exec(() => dev_open(vlan));
      const tag = { tpid: 0x8100, priority: 3, dropEligible: false, id: 5 };
      const { got } = received(bench, [udpFrame(1, 9, 100, [tag]), udpFrame(1, 10, 1400, [tag])]);
      expect(got).toEqual([9, 10]);
      expect(vlan.stats.rx_packets).toBe(2);
      expect(bench.finish()).toEqual([]);
    }
  });

  it('the hash on, on one queue too: a flow has one, another flow another; off: none', () => {
    const bench = driverBench();
    const hashes: number[] = [];
    bench.host.kernel.trace.netif_receive_skb = skb => hashes.push(skb.l4_hash === 0 ? 0 : skb.hash);
    const three = (): number[] => {
      hashes.length = 0;
      for (const flow of [1, 1, 2]) bench.send(udpFrame(flow));
      bench.run(1_000_000);
      return [...hashes];
    };
    expect(three()).toEqual([0, 0, 0]);
    switchFeature(bench, bench.dev, NETIF_F_RXHASH, true);
    const [a, b, c] = three();
    expect(a).not.toBe(0);
    expect(b).toBe(a);
    expect(c).not.toBe(a);
    expect(bench.finish()).toEqual([]);
  });
});

describe('features that need each other', () => {
  it('scatter-gather or checksums off, segmentation goes with them, and comes back with them', () => {
    const { host, dev, finish } = driverBench();
    for (const base of [NETIF_F_SG, NETIF_F_HW_CSUM]) {
      expect(host.exec(() => ethtool_set_features(dev, base, 0))).toBe(0);
      expect(dev.features & NETIF_F_TSO).toBe(0);
      expect(host.exec(() => ethtool_set_features(dev, base, base))).toBe(0);
      expect(dev.features & NETIF_F_TSO).toBe(NETIF_F_TSO);
    }
    expect(host.exec(() => ethtool_set_features(dev, 1 << 21, 1 << 21))).toBe(-22);
    expect(finish()).toEqual([]);
  });
});
