/** A list of packets on its way up: stage by stage, and split where its packets part. */
import { expect, test } from 'vitest';
import { netdev_rx_handler_register, netdev_rx_handler_unregister } from '../../../../kernel/net/core/dev.ts';
import { RX_HANDLER_ANOTHER, RX_HANDLER_PASS } from '../../../../kernel/net/core/netdevice.ts';
import { store_rps_map } from '../../../../kernel/net/core/rps.ts';
import { kfree_skb_reason, SKB_DROP_REASON, type sk_buff } from '../../../../kernel/net/core/skbuff.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import {
  NF_ACCEPT,
  NF_INET_PRE_ROUTING,
  NF_STOLEN,
  NFPROTO_IPV4,
  nf_register_net_hook,
} from '../../../../kernel/net/netfilter/core.ts';
import { arpFrame, icmp, ipFrame, Segment } from '../segment.ts';

const ALSO = in_aton('10.1.0.3');
const ping = (id: number, dst?: number): Uint8Array =>
  ipFrame(icmp(0, 0, id), dst === undefined ? { id } : { id, dst });

/** Which stage met which packet, by its IP identification, in order. */
function watch(segment: Segment): string[] {
  const { trace } = segment.kernel;
  const log: string[] = [];
  const id = (skb: { ram: { u8: Uint8Array }; data: number }): number => skb.ram.u8[skb.data + 5] as number;
  trace.netif_receive_skb = skb => log.push(`core ${skb.protocol === 0x800 ? id(skb) : 'arp'}`);
  trace.ip_rcv = skb => log.push(`ip_rcv ${id(skb)}`);
  trace.ip_rcv_finish = skb => log.push(`route ${id(skb)}`);
  trace.ip_local_deliver = skb => log.push(`local ${id(skb)}`);
  return log;
}

test('two packets for one address: each stage meets both before the next one begins', () => {
  const segment = new Segment();
  const log = watch(segment);
  segment.receiveList([
    [ping(1), segment.dev],
    [ping(2), segment.dev],
  ]);
  expect(log).toEqual(['core 1', 'core 2', 'ip_rcv 1', 'ip_rcv 2', 'route 1', 'route 2', 'local 1', 'local 2']);
  expect(segment.net.ipv4.mib.IpInDelivers).toBe(2);
  segment.finish();
});

test('another protocol between them: the order of arrival is kept', () => {
  const segment = new Segment();
  const log = watch(segment);
  segment.receiveList([
    [ping(1), segment.dev],
    [arpFrame(), segment.dev],
    [ping(2), segment.dev],
    [ping(3), segment.dev],
  ]);
  expect(log).toEqual([
    ...['core 1', 'core arp'],
    ...['ip_rcv 1', 'route 1', 'local 1'],
    ...['core 2', 'core 3', 'ip_rcv 2', 'ip_rcv 3', 'route 2', 'route 3', 'local 2', 'local 3'],
  ]);
  expect(segment.take().length).toBe(1);
  segment.finish();
});

test('two devices, each packet has its own when it is routed', () => {
  const segment = new Segment();
  const other = segment.device('other', '020000000002');
  segment.exec(() => inet_addr_add(other, in_aton('10.2.0.2'), 24));
  const seen: string[] = [];
  const hooked: string[] = [];
  segment.kernel.trace.ip_local_deliver = skb => seen.push(`${skb.dev?.name}`);
  nf_register_net_hook(segment.net, {
    pf: NFPROTO_IPV4,
    hooknum: NF_INET_PRE_ROUTING,
    priority: 0,
    hook(_priv, _skb, state) {
      hooked.push(`${state.in?.name}`);
      return NF_ACCEPT;
    },
  });
  segment.receiveList([
    [ping(1), segment.dev],
    [ipFrame(icmp(0, 0, 2), { src: in_aton('10.2.0.1'), dst: in_aton('10.2.0.2') }), other],
    [ping(3), segment.dev],
  ]);
  expect(seen).toEqual([segment.dev.name, 'other', segment.dev.name]);
  expect(hooked).toEqual(seen);
  segment.finish();
});

test('a device above the one they came in by takes the second: hooks see the right one', () => {
  const segment = new Segment();
  const upper = segment.device('upper', '020000000002');
  const hooked: string[] = [];
  segment.exec(() => {
    const above = (skb: sk_buff): number => {
      if (skb.ram.u8[skb.data + 5] !== 2) return RX_HANDLER_PASS;
      skb.dev = upper;
      return RX_HANDLER_ANOTHER;
    };
    netdev_rx_handler_register(segment.dev, above, null);
    nf_register_net_hook(segment.net, {
      pf: NFPROTO_IPV4,
      hooknum: NF_INET_PRE_ROUTING,
      priority: 0,
      hook(_priv, skb, state) {
        hooked.push(`${skb.ram.u8[skb.data + 5]} ${state.in?.name}`);
        return NF_ACCEPT;
      },
    });
  });
  segment.receiveList([
    [ping(1), segment.dev],
    [ping(2), segment.dev],
    [ping(3), segment.dev],
  ]);
  expect(hooked).toEqual([`1 ${segment.dev.name}`, '2 upper', `3 ${segment.dev.name}`]);
  segment.exec(() => netdev_rx_handler_unregister(segment.dev));
  segment.finish();
});

test('packets of two routes: those of the first are delivered once the second is known', () => {
  const segment = new Segment();
  const other = segment.device('other', '020000000077');
  segment.exec(() => {
    inet_addr_add(other, in_aton('10.2.0.2'), 24);
    inet_addr_add(segment.dev, ALSO, 24);
  });
  const log = watch(segment);
  segment.receiveList([
    [ping(1), segment.dev],
    [ping(2, ALSO), segment.dev],
    [ping(3, in_aton('10.2.0.9')), segment.dev],
    [ping(4), segment.dev],
  ]);
  // Both addresses are this host's: one route. The third is for somebody else, and this host forwards nothing.
  const routed = ['route 1', 'route 2', 'route 3', 'local 1', 'local 2', 'route 4', 'local 4'];
  expect(log.filter(line => /route|local/.test(line))).toEqual(routed);
  segment.finish();
});

test('one that has no business here drops out at its stage, those behind it go on', () => {
  const segment = new Segment();
  const log = watch(segment);
  segment.receiveList([
    [ipFrame(icmp(0, 0, 1), { id: 1, checksum: 1 }), segment.dev],
    [ping(2), segment.dev],
    [ipFrame(icmp(0, 0, 3), { id: 3, src: in_aton('127.0.0.1') }), segment.dev],
    [ping(4), segment.dev],
  ]);
  expect(segment.drops.slice(0, 2)).toEqual(['IP_CSUM', 'IP_LOCALNET']);
  expect(log.filter(line => line.startsWith('local'))).toEqual(['local 2', 'local 4']);
  expect(segment.net.ipv4.mib.IpInDelivers).toBe(2);
  segment.finish();
});

test('a hook steals the second of three: the others reach routing', () => {
  const segment = new Segment();
  const log = watch(segment);
  nf_register_net_hook(segment.net, {
    pf: NFPROTO_IPV4,
    hooknum: NF_INET_PRE_ROUTING,
    priority: 0,
    hook(_priv, skb) {
      if (skb.ram.u8[skb.data + 5] !== 2) return NF_ACCEPT;
      kfree_skb_reason(skb, SKB_DROP_REASON.NETFILTER_DROP);
      return NF_STOLEN;
    },
  });
  segment.receiveList([
    [ping(1), segment.dev],
    [ping(2), segment.dev],
    [ping(3), segment.dev],
  ]);
  expect(log.filter(line => line.startsWith('route'))).toEqual(['route 1', 'route 3']);
  expect(segment.drops).toContain('NETFILTER_DROP');
  segment.finish();
});

test('a VLAN tag that nobody has: the packet goes, its neighbours are not touched', () => {
  const segment = new Segment();
  const tagged = Uint8Array.from([...ping(1).subarray(0, 12), 0x81, 0, 0, 5, ...ping(1).subarray(12)]);
  segment.receiveList([
    [ping(7), segment.dev],
    [tagged, segment.dev],
    [ping(8), segment.dev],
  ]);
  expect(segment.net.ipv4.mib.IpInDelivers).toBe(2);
  segment.finish();
});

test('RPS takes the packets of other CPUs out of the list', () => {
  const segment = new Segment({ cpus: 2 });
  expect(store_rps_map(segment.dev, 0, '2')).toBe(0);
  segment.receiveList([
    [ping(1), segment.dev],
    [ping(2), segment.dev],
  ]);
  segment.wait(0.001);
  expect(segment.kernel.softnet.map(sd => sd.received_rps)).toEqual([0, 1]);
  expect(segment.net.ipv4.mib.IpInDelivers).toBe(2);
  segment.finish();
});
