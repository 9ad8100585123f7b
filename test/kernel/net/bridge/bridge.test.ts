import { describe, expect, it } from 'vitest';
import { br_fdb_add, br_fdb_flush, br_fdb_show } from '../../../../kernel/net/bridge/br_fdb.ts';
import {
  br_add_bridge,
  br_add_if,
  br_del_bridge,
  br_del_if,
  br_port_of,
  br_set_port_state,
  br_show,
} from '../../../../kernel/net/bridge/br_if.ts';
import {
  BR_FLOOD,
  BR_HAIRPIN_MODE,
  BR_ISOLATED,
  BR_LEARNING,
  BR_STATE_BLOCKING,
  BR_STATE_LEARNING,
  br_of,
  type net_bridge_port,
} from '../../../../kernel/net/bridge/br_private.ts';
import {
  dev_close,
  dev_open,
  dev_queue_xmit,
  netif_carrier_off,
  netif_carrier_on,
  unregister_netdev,
} from '../../../../kernel/net/core/dev.ts';
import { IFF_PROMISC, type net_device } from '../../../../kernel/net/core/netdevice.ts';
import { netdev_alloc_skb_ip_align, type sk_buff, skb_put } from '../../../../kernel/net/core/skbuff.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import { Poller, stream, tagged, tcpFrame } from '../rx.ts';
import { ALL, arpFrame, B, bytesOf, hex, ipFrame, Segment } from '../segment.ts';

const X = '020000000010';
const Y = '020000000020';

/** Three ports, p0 to p2 with addresses 02:…:a0 to a2; `out` tells by which port frames went. */
function setUp() {
  const segment = new Segment({ address: null });
  const out: string[] = [];
  segment.kernel.trace.dev_hard_start_xmit = skb => {
    if (skb.dev?.name.startsWith('p') === true) out.push(skb.dev.name);
  };
  const ports = [0, 1, 2].map(i => segment.device(`p${i}`, `0200000000a${i}`));
  const br = segment.exec(() => {
    const dev = br_add_bridge(segment.kernel, 'br0');
    if (typeof dev === 'number') throw new Error(`br_add_bridge: ${dev}`);
    for (const port of ports) expect(br_add_if(dev, port)).toBe(0);
    dev_open(dev);
    return dev;
  });
  const [p0, p1, p2] = ports as [net_device, net_device, net_device];
  const took = (): string[] => out.splice(0).sort();
  return { segment, br, p0, p1, p2, took, port: (dev: net_device) => br_port_of(dev) as net_bridge_port };
}

const frame = (from: string, to: string): Uint8Array => bytesOf(`${to}${from}88b50102`);

describe('a frame', () => {
  it('to an unknown address, by all other ports; its sender is learned, and answered by one port', () => {
    const { segment, p0, p1, took } = setUp();
    segment.receive(frame(X, Y), p0);
    expect(took()).toEqual(['p1', 'p2']);
    segment.receive(frame(Y, X), p1);
    expect(took()).toEqual(['p0']);
    segment.receive(frame(X, Y), p0);
    expect(took()).toEqual(['p1']);
    expect(segment.take().every(text => text.endsWith('88b50102'))).toBe(true);
    segment.finish();
  });

  it('to one behind the port it came by, dropped with a reason; with hairpin sent back', () => {
    const { segment, p0, took, port } = setUp();
    segment.receive(frame(Y, ALL), p0);
    segment.drops.length = 0;
    took();
    segment.receive(frame(X, Y), p0);
    expect([took(), segment.drops]).toEqual([[], ['NO_TX_TARGET']]);
    port(p0).flags |= BR_HAIRPIN_MODE;
    segment.receive(frame(X, Y), p0);
    expect(took()).toEqual(['p0']);
    segment.finish();
  });

  it('from a station that has moved, the new port is learned', () => {
    const { segment, br, p0, p1, p2, took } = setUp();
    segment.receive(frame(X, ALL), p0);
    segment.receive(frame(X, ALL), p1);
    took();
    segment.receive(frame(Y, X), p2);
    expect(took()).toEqual(['p1']);
    expect(br_fdb_show(br_of(br))).toContain('02:00:00:00:00:10 dev p1 master br0 ageing 0.00');
    segment.finish();
  });

  it('after ageing_time without a frame from there, by all ports again', () => {
    const { segment, br, p0, p1, took } = setUp();
    br_of(br).ageing_time = 10_000;
    segment.receive(frame(X, ALL), p0);
    took();
    segment.wait(8);
    segment.receive(frame(Y, X), p1);
    expect(took()).toEqual(['p0']);
    expect(br_of(br).fdb_n_learned).toBe(2);
    segment.wait(4);
    segment.receive(frame(Y, X), p1);
    expect(took()).toEqual(['p0', 'p2']);
    segment.wait(20);
    expect(br_of(br).fdb_n_learned).toBe(0);
    segment.finish();
  });

  it('to all or to a group, by all other ports and up', () => {
    const { segment, br, p0, took } = setUp();
    segment.receive(frame(X, ALL), p0);
    segment.receive(frame(X, '01005e000001'), p0);
    expect(took()).toEqual(['p1', 'p1', 'p2', 'p2']);
    expect([br.stats.rx_packets, br.stats.multicast]).toEqual([2, 1]);
    // Nobody here knows the protocol.
    expect(segment.drops).toEqual(['UNHANDLED_PROTO', 'UNHANDLED_PROTO']);
    segment.finish();
  });

  it('to the bridge’s address, up only, and what this host sends goes where it learned', () => {
    const { segment, br, p0, took } = setUp();
    expect(hex(br.dev_addr)).toBe('0200000000a0');
    segment.exec(() => inet_addr_add(br, B, 24));
    segment.receive(arpFrame({ to: '0200000000a0' }), p0);
    expect(took()).toEqual(['p0']);
    expect(segment.take()[0]).toContain('0200000000010200000000a00806');
    expect(br.stats.rx_packets).toBe(1);
    segment.finish();
  });

  it('promiscuous bridge, up as well', () => {
    const { segment, br, p0, took } = setUp();
    br.flags |= IFF_PROMISC;
    segment.receive(ipFrame([], { to: Y, from: X }), p0);
    expect([took(), segment.drops]).toEqual([['p1', 'p2'], ['OTHERHOST']]);
    segment.finish();
  });

  it('with a source that is no station’s address, dropped with a reason', () => {
    const { segment, p0, took } = setUp();
    segment.receive(frame('010000000000', ALL), p0);
    segment.receive(frame('000000000000', ALL), p0);
    expect([took(), segment.drops]).toEqual([[], ['MAC_INVALID_SOURCE', 'MAC_INVALID_SOURCE']]);
    segment.finish();
  });

  it('to a reserved address: pause dropped, LLDP to the port, 00 flooded, by mask forwarded', () => {
    const { segment, br, p0, took } = setUp();
    segment.receive(frame(X, '0180c2000001'), p0);
    segment.receive(frame(X, '0180c200000e'), p0);
    expect([took(), segment.drops]).toEqual([[], ['MAC_IEEE_MAC_CONTROL', 'UNHANDLED_PROTO']]);
    segment.receive(frame(X, '0180c2000000'), p0);
    expect(took()).toEqual(['p1', 'p2']);
    br_of(br).group_fwd_mask = 1 << 14;
    segment.receive(frame(X, '0180c200000e'), p0);
    expect(took()).toEqual(['p1', 'p2']);
    segment.finish();
  });

  it('longer than the port’s MTU, dropped with a reason', () => {
    const { segment, p0, p1, p2, took } = setUp();
    p1.mtu = 500;
    p2.mtu = 1500;
    segment.receive(ipFrame(new Array<number>(800).fill(0), { to: Y, from: X }), p0);
    expect([took(), segment.drops]).toEqual([['p2'], ['PKT_TOO_BIG']]);
    segment.finish();
  });

  it('tagged, goes on with its tag', () => {
    const { segment, p0 } = setUp();
    const sent = tagged(frame(X, Y), 7);
    segment.receive(sent, p0);
    expect(segment.take()).toEqual([hex(sent), hex(sent)]);
    segment.finish();
  });

  it('merged by GRO, still all its bytes', () => {
    const { segment, p0 } = setUp();
    const poller = new Poller(segment, p0);
    const ip = { to: Y, from: X };
    poller.poll(
      tcpFrame({ payload: stream(0, 100) }, { ...ip, id: 1 }),
      tcpFrame({ seq: 100, payload: stream(100, 100) }, { ...ip, id: 2 }),
    );
    const sent = segment.take();
    expect(sent.length % 2).toBe(0);
    const payload = sent.slice(0, sent.length / 2).map(text => text.slice(108));
    expect(payload.join('')).toBe(hex(Uint8Array.from(stream(0, 200))));
    segment.finish();
  });
});

describe('ports', () => {
  it.each<[string, number, string[], string[]]>([
    ['blocking', BR_STATE_BLOCKING, ['BRIDGE_INGRESS_STP_STATE'], []],
    ['learning', BR_STATE_LEARNING, ['BRIDGE_INGRESS_STP_STATE'], ['02:00:00:00:00:10']],
  ])('%s, nothing passes; what is learned', (_name, state, drops, learned) => {
    const { segment, br, p0, p1, took } = setUp();
    br_set_port_state(br_port_of(p0) as net_bridge_port, state);
    segment.receive(frame(X, Y), p0);
    expect([took(), segment.drops]).toEqual([[], drops]);
    expect(br_fdb_show(br_of(br)).match(/[\w:]+(?= dev p\d master br0 ageing)/g) ?? []).toEqual(learned);
    segment.receive(frame(Y, ALL), p1);
    expect(took()).toEqual(['p2']);
    segment.finish();
  });

  it('learning off, flooding off, isolated', () => {
    const { segment, br, p0, p1, p2, took, port } = setUp();
    port(p0).flags &= ~BR_LEARNING;
    port(p1).flags &= ~BR_FLOOD;
    segment.receive(frame(X, Y), p0);
    expect([took(), br_of(br).fdb_n_learned]).toEqual([['p2'], 0]);
    port(p0).flags |= BR_ISOLATED;
    port(p2).flags |= BR_ISOLATED;
    segment.receive(frame(X, Y), p0);
    expect([took(), segment.drops]).toEqual([[], ['NO_TX_TARGET']]);
    segment.finish();
  });

  it('down or without a link, disabled and its addresses forgotten; the bridge’s link is its ports’', () => {
    const { segment, br, p0, p1, p2, took } = setUp();
    segment.receive(frame(X, ALL), p0);
    segment.exec(() => dev_close(p0));
    expect(br_of(br).fdb_n_learned).toBe(0);
    segment.receive(frame(Y, X), p1);
    expect(took().slice(-1)).toEqual(['p2']);
    segment.exec(() => netif_carrier_off(p1));
    segment.exec(() => netif_carrier_off(p2));
    expect(br.carrier).toBe(false);
    segment.exec(() => netif_carrier_on(p1));
    expect(br.carrier).toBe(true);
    segment.finish();
  });

  it('no more addresses than fdb_max_learned; a flush and a static entry', () => {
    const { segment, br, p0, p1, took } = setUp();
    br_of(br).fdb_max_learned = 100;
    for (let i = 0; i < 300; i++) segment.receive(frame(`0200000${(0x10000 + i).toString(16)}`, ALL), p0);
    expect([br_of(br).fdb_n_learned, br_of(br).fdb_count]).toEqual([100, 103]);
    br_fdb_flush(br_of(br));
    expect([br_of(br).fdb_n_learned, br_of(br).fdb_count]).toEqual([0, 3]);
    took();
    segment.exec(() => br_fdb_add(br_of(br), br_port_of(p1) as net_bridge_port, bytesOf(Y)));
    segment.wait(1000);
    segment.receive(frame(X, Y), p0);
    expect(took()).toEqual(['p1']);
    segment.finish();
  });

  it('added twice, a bridge in a bridge, the loopback: refused; removed, as it was before', () => {
    const { segment, br, p0, took } = setUp();
    segment.exec(() => {
      expect(br_add_if(br, p0)).toBe(-16);
      const other = br_add_bridge(segment.kernel, 'br1') as net_device;
      expect(br_add_if(br, other)).toBe(-40);
      expect(br_add_if(br, segment.net.loopback_dev as net_device)).toBe(-22);
      expect(br_add_bridge(segment.kernel, 'br1')).toBe(-17);
      expect(br_del_if(other, p0)).toBe(-22);
      expect(br_del_bridge(other)).toBe(0);
      expect(br_del_bridge(br)).toBe(-16);
      expect(br_del_if(br, p0)).toBe(0);
    });
    expect([p0.promiscuity, p0.allmulti, p0.rx_handler, hex(br.dev_addr)]).toEqual([0, 0, null, '0200000000a1']);
    segment.receive(frame(X, Y), p0);
    expect([took(), segment.drops]).toEqual([[], ['UNHANDLED_PROTO']]);
    expect(br_show(segment.net)).toContain('br0\t\t8000.0200000000a1\tno\t\tp1\n');
    segment.finish();
  });

  it('the port’s device goes, then the bridge: nothing is left', () => {
    const { segment, br, p0 } = setUp();
    segment.receive(frame(X, ALL), p0);
    segment.exec(() => unregister_netdev(p0));
    expect(br_of(br).ports.length).toBe(2);
    segment.exec(() => dev_close(br));
    segment.exec(() => br_del_bridge(br));
    expect([br_of(br).ports.length, br_of(br).fdb_count, segment.kernel.timers.pending]).toEqual([0, 0, 0]);
    segment.finish();
  });

  it('a frame of this host with less than a header, dropped with a reason', () => {
    const { segment, br } = setUp();
    segment.exec(() => {
      const skb = netdev_alloc_skb_ip_align(br, 20) as sk_buff;
      skb_put(skb, 10);
      dev_queue_xmit(skb);
    });
    expect(segment.drops).toEqual(['PKT_TOO_SMALL']);
    segment.finish();
  });
});
