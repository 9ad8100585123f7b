import { describe, expect, it } from 'vitest';
import { register_vlan_device, unregister_vlan_dev } from '../../../../kernel/net/8021q/vlan_dev.ts';
import {
  dev_close,
  dev_open,
  dev_set_mac_address,
  dev_set_mtu,
  netif_carrier_off,
  netif_carrier_on,
  unregister_netdev,
} from '../../../../kernel/net/core/dev.ts';
import type { net_device } from '../../../../kernel/net/core/netdevice.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { tagged } from '../rx.ts';
import { arpFrame, B_MAC, bytesOf, hex, icmp, ipFrame, Segment } from '../segment.ts';

function vlan(segment: Segment, id: number, address: string): net_device {
  return segment.exec(() => {
    const dev = register_vlan_device(segment.dev, id);
    if (typeof dev === 'number') throw new Error(`register_vlan_device: ${dev}`);
    dev_open(dev);
    inet_addr_add(dev, in_aton(address), 24);
    return dev;
  });
}

const ARP = { sip: in_aton('10.5.0.1'), tip: in_aton('10.5.0.2') };

describe('VLAN 5 on eth0', () => {
  it('a tagged request for it, answered with the same tag', () => {
    const segment = new Segment();
    const dev = vlan(segment, 5, '10.5.0.2');
    expect([dev.name, dev.mtu, hex(dev.dev_addr)]).toEqual(['eth0.5', 1500, B_MAC]);
    segment.receive(tagged(arpFrame(ARP), 5));
    const [answer] = segment.take();
    expect(answer?.slice(24, 36)).toBe('810000050806');
    expect([dev.stats.rx_packets, dev.stats.tx_packets]).toEqual([1, 1]);
    segment.receive(tagged(ipFrame(icmp(8, 0, 7), { src: ARP.sip, dst: ARP.tip }), 5));
    expect(segment.take()[0]?.slice(24, 36)).toBe('810000050800');
    segment.finish();
  });

  it('the tag taken out by the card, the same', () => {
    const segment = new Segment();
    const dev = vlan(segment, 5, '10.5.0.2');
    segment.receive(arpFrame(ARP), segment.dev, skb => {
      skb.vlan_present = 1;
      skb.vlan_proto = 0x8100;
      skb.vlan_tci = 5;
    });
    expect(dev.stats.rx_packets).toBe(1);
    segment.finish();
  });

  it('another VLAN, dropped as somebody else’s; VLAN 0, as without a tag', () => {
    const segment = new Segment();
    vlan(segment, 5, '10.5.0.2');
    segment.receive(tagged(ipFrame(icmp(8, 0, 7)), 6));
    expect(segment.drops).toEqual(['OTHERHOST']);
    segment.receive(tagged(arpFrame(), 0xe000));
    expect(segment.take()[0]?.slice(24, 28)).toBe('0806');
    segment.finish();
  });

  it('a priority tag around a tag, found all the same', () => {
    const segment = new Segment();
    const dev = vlan(segment, 5, '10.5.0.2');
    segment.receive(tagged(tagged(arpFrame(ARP), 5), 0));
    expect(dev.stats.rx_packets).toBe(1);
    segment.finish();
  });

  it('down, dropped with a reason', () => {
    const segment = new Segment();
    const dev = vlan(segment, 5, '10.5.0.2');
    segment.exec(() => dev_close(dev));
    segment.receive(tagged(arpFrame(ARP), 5));
    expect([segment.drops, dev.stats.rx_dropped]).toEqual([['DEV_READY'], 1]);
    segment.finish();
  });

  it('a frame that ends in its tag, dropped with a reason', () => {
    const segment = new Segment();
    segment.receive(tagged(arpFrame(), 5).subarray(0, 17));
    expect(segment.drops).toEqual(['PKT_TOO_SMALL']);
    segment.finish();
  });

  it('an address of its own, packets to it are for this host', () => {
    const segment = new Segment();
    const dev = vlan(segment, 5, '10.5.0.2');
    segment.exec(() => dev_set_mac_address(dev, bytesOf('020000000099')));
    expect(segment.dev.promiscuity).toBe(1);
    const to = { to: '020000000099', src: ARP.sip, dst: ARP.tip };
    segment.receive(tagged(ipFrame(icmp(8, 0, 7), to), 5));
    expect(segment.drops).toEqual([]);
    expect(segment.net.ipv4.mib.IpInDelivers).toBe(1);
    segment.exec(() => dev_close(dev));
    expect(segment.dev.promiscuity).toBe(0);
    segment.finish();
  });

  it('follows the device below: link, MTU, up, down, gone', () => {
    const segment = new Segment();
    const dev = vlan(segment, 5, '10.5.0.2');
    segment.exec(() => netif_carrier_off(segment.dev));
    expect(dev.carrier).toBe(false);
    segment.exec(() => netif_carrier_on(segment.dev));
    expect(dev.carrier).toBe(true);
    segment.exec(() => dev_set_mtu(segment.dev, 1000));
    expect(dev.mtu).toBe(1000);
    expect(segment.exec(() => dev_set_mtu(dev, 1400))).toBeLessThan(0);
    segment.exec(() => dev_close(segment.dev));
    expect(dev.running).toBe(false);
    expect(segment.exec(() => dev_open(dev))).toBeLessThan(0);
    segment.exec(() => dev_open(segment.dev));
    expect(dev.running).toBe(true);
    segment.exec(() => unregister_netdev(segment.dev));
    expect(segment.net.dev_get_by_name('eth0.5')).toBeNull();
    segment.finish();
  });

  it('ids out of range or taken, and no Ethernet below: refused', () => {
    const segment = new Segment();
    const dev = vlan(segment, 5, '10.5.0.2');
    segment.exec(() => {
      expect(register_vlan_device(segment.dev, 4095)).toBe(-34);
      expect(register_vlan_device(segment.dev, 5)).toBe(-17);
      expect(register_vlan_device(segment.net.loopback_dev as net_device, 5)).toBe(-95);
      unregister_vlan_dev(dev);
      expect(segment.dev.vlan_info?.size).toBe(0);
    });
    segment.finish();
  });
});
