/** Software GSO against a segmentation of the test's own, made with harness/packet. */
import { describe, expect, it } from 'vitest';
import { checkFrame } from '../../../../harness/packet/check.ts';
import { parseEthernet } from '../../../../harness/packet/ethernet.ts';
import { buildIpv4Packet, parseIpv4Packet } from '../../../../harness/packet/ipv4.ts';
import { parseTcp, TCP_ACK, TCP_CWR, TCP_FIN, TCP_PSH } from '../../../../harness/packet/tcp.ts';
import { buildUdp, parseUdp } from '../../../../harness/packet/udp.ts';
import { Random } from '../../../../harness/sim/random.ts';
import { csum_from_partial, csum_tcpudp_nofold, put_csum } from '../../../../kernel/lib/checksum.ts';
import { dev_queue_xmit } from '../../../../kernel/net/core/dev.ts';
import { SKB_GSO_TCPV4, SKB_GSO_UDP_L4 } from '../../../../kernel/net/core/gso.ts';
import { NETIF_F_GSO_UDP_L4, NETIF_F_HW_CSUM, NETIF_F_TSO } from '../../../../kernel/net/core/netdevice.ts';
import { alloc_skb, CHECKSUM_PARTIAL, type sk_buff, skb_put, skb_reserve } from '../../../../kernel/net/core/skbuff.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { QueueBench } from '../sched/queue.ts';

const ETHERNET = Uint8Array.of(2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0);
const source = '10.0.0.2';
const destination = '10.0.0.1';
const SEQUENCE = 0xfffff000;

const bytes = (length: number, seed: number): Uint8Array => {
  const random = new Random(seed, 'payload');
  return new Uint8Array(length).map(() => random.u32() & 255);
};

function tcpHeader(flags: number, options: number[]): Uint8Array {
  const header = new Uint8Array(20 + options.length);
  const view = new DataView(header.buffer);
  view.setUint16(0, 1000);
  view.setUint16(2, 80);
  view.setUint32(4, SEQUENCE);
  view.setUint32(8, 77);
  view.setUint8(12, ((20 + options.length) / 4) << 4);
  view.setUint8(13, flags);
  view.setUint16(14, 500);
  header.set(options, 20);
  return header;
}

/** A large packet as TCP or UDP would hand it down: checksum left open. */
function large(
  b: QueueBench,
  transport: Uint8Array,
  payload: Uint8Array,
  gso: number,
  type: number,
  id = 65534,
): sk_buff {
  const protocol = type === SKB_GSO_TCPV4 ? 6 : 17;
  const body = new Uint8Array(transport.length + payload.length);
  body.set(transport);
  body.set(payload, transport.length);
  const packet = buildIpv4Packet({
    source,
    destination,
    protocol,
    payload: body,
    identification: id,
    dontFragment: true,
  });
  const length = 14 + packet.length;
  const skb = alloc_skb(b.kernel, length + 66) as sk_buff;
  skb_reserve(skb, 66);
  const at = skb_put(skb, length);
  skb.ram.u8.set(ETHERNET, at);
  skb.ram.u8.set(packet, at + 14);
  skb.network_header = at + 14;
  skb.transport_header = at + 34;
  skb.protocol = 0x0800;
  skb.dev = b.dev;
  skb.gso_size = gso;
  skb.gso_type = type;
  skb.gso_segs = Math.ceil(payload.length / gso);
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = at + 34;
  skb.csum_offset = type === SKB_GSO_TCPV4 ? 16 : 6;
  // Left open: the field holds the pseudo header's sum.
  const pseudo = csum_tcpudp_nofold(in_aton(source), in_aton(destination), skb.len - 34, packet[9] as number);
  put_csum(skb.ram, skb.csum_start + skb.csum_offset, csum_from_partial(pseudo));
  return skb;
}

const join = (parts: readonly Uint8Array[]): number[] => parts.flatMap(part => [...part]);

describe('TCP', () => {
  it.each([
    [10_000, 1448, []],
    [1449, 1448, []],
    [65_000, 1460, [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]],
    [3000, 100, [1, 1, 1, 0]],
  ])('%i bytes in segments of %i, each a right packet and together the same', (length, gso, options) => {
    const b = new QueueBench();
    const payload = bytes(length, length);
    const flags = TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR;
    b.exec(() => dev_queue_xmit(large(b, tcpHeader(flags, options), payload, gso, SKB_GSO_TCPV4)));
    const count = Math.ceil(length / gso);
    expect(b.sent).toHaveLength(count);
    const payloads: Uint8Array[] = [];
    b.sent.forEach((sent, i) => {
      expect(checkFrame(sent.bytes)).toEqual([]);
      const ip = parseIpv4Packet(parseEthernet(sent.bytes).payload);
      const tcp = parseTcp(ip.payload);
      expect(ip.identification).toBe((65534 + i) & 0xffff);
      expect([ip.dontFragment, ip.source, ip.timeToLive]).toEqual([true, source, 64]);
      expect(tcp.sequence).toBe((SEQUENCE + i * gso) % 2 ** 32);
      expect([tcp.acknowledgment, tcp.window, [...tcp.options]]).toEqual([77, 500, options]);
      const last = i === count - 1;
      expect(tcp.flags).toBe(TCP_ACK | (last ? TCP_PSH | TCP_FIN : 0) | (i === 0 ? TCP_CWR : 0));
      expect(tcp.payload.length).toBe(last ? length - gso * (count - 1) : gso);
      payloads.push(tcp.payload);
    });
    expect(join(payloads)).toEqual([...payload]);
    b.finish();
  });

  it('counted as its segments, with the headers that they repeat', () => {
    const b = new QueueBench();
    b.exec(() => dev_queue_xmit(large(b, tcpHeader(TCP_ACK, []), bytes(5000, 1), 1000, SKB_GSO_TCPV4)));
    expect([b.dev.qdisc?.packets, b.dev.qdisc?.bytes]).toEqual([5, 5000 + 5 * 54]);
    // A row: the doorbell is rung for the last.
    expect(b.sent.map(({ more }) => more)).toEqual([true, true, true, true, false]);
    b.finish();
  });

  it('a card that segments, gets it whole', () => {
    const b = new QueueBench({ features: NETIF_F_TSO | NETIF_F_HW_CSUM });
    b.exec(() => dev_queue_xmit(large(b, tcpHeader(TCP_ACK, []), bytes(5000, 1), 1000, SKB_GSO_TCPV4)));
    expect(b.sent.map(({ length }) => length)).toEqual([5054]);
    b.finish();
  });

  it('a card that makes checksums only, segments with open sums', () => {
    const b = new QueueBench({ features: NETIF_F_HW_CSUM });
    const partial: number[] = [];
    b.kernel.trace.dev_hard_start_xmit = skb => partial.push(skb.ip_summed);
    b.exec(() => dev_queue_xmit(large(b, tcpHeader(TCP_ACK, []), bytes(2000, 1), 1000, SKB_GSO_TCPV4)));
    expect(partial).toEqual([CHECKSUM_PARTIAL, CHECKSUM_PARTIAL]);
    b.finish();
  });
});

describe('UDP', () => {
  it.each([
    [9000, 1472, 7],
    [1473, 1472, 2],
    [100, 10, 10],
  ])('%i bytes in datagrams of %i, equal to those built one by one', (length, gso, count) => {
    const b = new QueueBench();
    const payload = bytes(length, gso);
    const addresses = { source, destination };
    const header = buildUdp({ sourcePort: 1000, destinationPort: 9, payload }, addresses).subarray(0, 8);
    b.exec(() => dev_queue_xmit(large(b, header, payload, gso, SKB_GSO_UDP_L4, 100)));
    const expected = Array.from({ length: count }, (_, i) => {
      const udp = buildUdp(
        { sourcePort: 1000, destinationPort: 9, payload: payload.slice(i * gso, (i + 1) * gso) },
        addresses,
      );
      const packet = buildIpv4Packet({
        ...addresses,
        protocol: 17,
        payload: udp,
        identification: 100 + i,
        dontFragment: true,
      });
      return join([ETHERNET, packet]);
    });
    expect(b.sent.map(({ bytes: frame }) => [...frame])).toEqual(expected);
    b.finish();
  });

  it('a card that does it (tx-udp-segmentation), gets it whole', () => {
    const b = new QueueBench({ features: NETIF_F_GSO_UDP_L4 | NETIF_F_HW_CSUM });
    const header = buildUdp({ sourcePort: 1, destinationPort: 2, payload: bytes(3000, 1) }, { source, destination });
    b.exec(() => dev_queue_xmit(large(b, header.subarray(0, 8), bytes(3000, 1), 1000, SKB_GSO_UDP_L4)));
    expect(b.sent).toHaveLength(1);
    expect(
      parseUdp(parseIpv4Packet(parseEthernet(b.sent[0]?.bytes as Uint8Array).payload).payload).payload.length,
    ).toBe(3000);
    b.finish();
  });
});

describe('what cannot be segmented', () => {
  it('a packet whose headers make no sense, dropped with SKB_GSO_SEG and counted', () => {
    const b = new QueueBench();
    b.exec(() => {
      const skb = large(b, tcpHeader(TCP_ACK, []), bytes(3000, 1), 1000, SKB_GSO_TCPV4);
      skb.ram.u8[skb.transport_header + 12] = 0x10;
      return dev_queue_xmit(skb);
    });
    expect([b.sent.length, b.drops, b.dev.stats.tx_dropped]).toEqual([0, ['SKB_GSO_SEG'], 1]);
    b.finish();
  });

  it('no memory for a segment, all of it dropped and nothing leaks', () => {
    const b = new QueueBench();
    b.exec(() => {
      const skb = large(b, tcpHeader(TCP_ACK, []), bytes(3000, 1), 1000, SKB_GSO_TCPV4);
      let left = 2;
      b.kernel.skbs.fail_alloc = () => left-- <= 0;
      return dev_queue_xmit(skb);
    });
    b.kernel.skbs.fail_alloc = null;
    expect([b.sent.length, b.drops]).toEqual([0, ['NOMEM', 'NOMEM', 'SKB_GSO_SEG']]);
    b.finish();
  });

  it('a bucket too small for the whole but not for its segments, tbf takes it in pieces', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root tbf rate 1mbit burst 2000 limit 100kb');
    b.exec(() => dev_queue_xmit(large(b, tcpHeader(TCP_ACK, []), bytes(5000, 1), 1000, SKB_GSO_TCPV4)));
    b.run(1e9);
    expect(b.sent.map(({ length }) => length)).toEqual(new Array(5).fill(1054));
    expect(b.dev.qdisc?.packets).toBe(5);
    b.finish();
  });
});
