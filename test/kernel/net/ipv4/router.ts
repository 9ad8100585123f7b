/**
 * A router that the test holds in its hands: eth0 in 10.1.0.0/24 (10.1.0.2, the host of the captures; A is 10.1.0.1),
 * eth1 in 10.2.0.0/24 (10.2.0.1), neighbours known on both.
 */

import { neigh_add } from '../../../../kernel/net/core/neighbour.ts';
import type { net_device } from '../../../../kernel/net/core/netdevice.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { A, A_MAC, bytesOf, Segment } from '../segment.ts';

export const E1_MAC = '020000000003';
export const FAR_MAC = '020000000022';
export const GW_MAC = '020000000033';
export const FAR = in_aton('10.2.0.2');
export const GW = in_aton('10.1.0.3');

export class Router extends Segment {
  readonly eth1: net_device;

  constructor(options: { forward?: boolean; neighbours?: boolean } = {}) {
    super();
    this.eth1 = this.device('eth%d', E1_MAC);
    const { ipv4 } = this.net;
    this.kernel.exec(() => {
      inet_addr_add(this.eth1, in_aton('10.2.0.1'), 24);
      if (options.forward !== false) ipv4.ip_forward = 1;
      if (options.neighbours === false) return;
      neigh_add(ipv4.arp, A, this.dev, bytesOf(A_MAC));
      neigh_add(ipv4.arp, GW, this.dev, bytesOf(GW_MAC));
      neigh_add(ipv4.arp, FAR, this.eth1, bytesOf(FAR_MAC));
    });
  }

  /** IP packets sent since the last time: to which Ethernet address, and the packet in hex. */
  packets(): { to: string; packet: string }[] {
    return this.take()
      .filter(frame => frame.slice(24, 28) === '0800')
      .map(frame => ({ to: frame.slice(0, 12), packet: frame.slice(28) }));
  }

  /** ICMP messages among them, as 'type/code rest-of-header'. */
  icmps(): string[] {
    return this.packets()
      .filter(({ packet }) => packet.slice(18, 20) === '01')
      .map(({ packet }) => {
        const at = Number.parseInt(packet[1] as string, 16) * 8;
        const byte = (i: number): number => Number.parseInt(packet.slice(at + 2 * i, at + 2 * i + 2), 16);
        return `${byte(0)}/${byte(1)} ${packet.slice(at + 8, at + 16)}`;
      });
  }
}
