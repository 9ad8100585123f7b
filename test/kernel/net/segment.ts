/**
 * A host on an Ethernet segment that the test holds in its hands: what the host's device sends is kept, what the test
 * hands it goes straight to netif_receive_skb. Addresses are those of host B in the captures: 10.1.0.2/24.
 */
import type { Host } from '../../../harness/machine/host.ts';
import { World } from '../../../harness/machine/world.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import {
  alloc_netdev,
  dev_open,
  netif_carrier_on,
  netif_receive_skb,
  netif_receive_skb_list,
  register_netdev,
} from '../../../kernel/net/core/dev.ts';
import { drop_reason_name } from '../../../kernel/net/core/dropreason.ts';
import type { net } from '../../../kernel/net/core/net_namespace.ts';
import { NETDEV_TX_OK, type net_device } from '../../../kernel/net/core/netdevice.ts';
import { skb_tx_timestamp } from '../../../kernel/net/core/skb_tstamp.ts';
import { consume_skb, netdev_alloc_skb_ip_align, type sk_buff, skb_put } from '../../../kernel/net/core/skbuff.ts';
import { eth_type_trans, ether_setup } from '../../../kernel/net/ethernet/eth.ts';
import { inet_addr_add } from '../../../kernel/net/ipv4/devinet.ts';
import { in_aton } from '../../../kernel/net/ipv4/ip_header.ts';

export const A_MAC = '020000000001';
export const B_MAC = '020000000002';
export const A = in_aton('10.1.0.1');
export const B = in_aton('10.1.0.2');
export const ALL = 'ffffffffffff';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

export class Segment {
  readonly world = new World();
  readonly host: Host;
  readonly kernel: Kernel;
  readonly net: net;
  readonly dev: net_device;
  /** Frames the host sent, oldest first; `take` empties it. */
  readonly sent: Uint8Array[] = [];
  /** When each of them was sent, in ns; `take` empties it, too. */
  readonly sentAt: number[] = [];
  /** Reasons of drops, in order. */
  readonly drops: string[] = [];
  /** Neighbour states, 'FROM>TO' as numbers, in order. */
  readonly states: [from: number, to: number][] = [];

  constructor(
    options: { address?: string | null; prefix?: number; cpus?: number; costs?: boolean; ram?: number } = {},
  ) {
    const { ram, costs = false, cpus = 1 } = options;
    this.host = this.world.addHost({ name: 'b', nics: [], costs, cpus, ...(ram === undefined ? {} : { ram }) });
    this.kernel = this.host.kernel;
    this.net = this.kernel.init_net;
    this.kernel.trace.kfree_skb = (_skb, reason) => this.drops.push(drop_reason_name(reason));
    this.kernel.trace.neigh_update = (_ip, from, to) => this.states.push([from, to]);
    this.dev = this.device('eth%d', B_MAC);
    const address = options.address === undefined ? '10.1.0.2' : options.address;
    if (address !== null) this.kernel.exec(() => inet_addr_add(this.dev, in_aton(address), options.prefix ?? 24));
  }

  /** A device that is up and has a link. */
  device(name: string, mac: string): net_device {
    const { kernel, sent, sentAt } = this;
    return kernel.exec(() => {
      const dev = alloc_netdev(
        kernel,
        name,
        {
          ndo_open: () => 0,
          ndo_stop: () => 0,
          ndo_start_xmit(skb) {
            sent.push(skb.ram.u8.slice(skb.data, skb.tail));
            sentAt.push(kernel.clock.now);
            skb_tx_timestamp(skb);
            consume_skb(skb);
            return NETDEV_TX_OK;
          },
          ndo_set_mac_address(self, address) {
            self.dev_addr.set(address);
            return 0;
          },
        },
        ether_setup,
      );
      dev.dev_addr.set(bytesOf(mac));
      register_netdev(dev);
      netif_carrier_on(dev);
      dev_open(dev);
      return dev;
    });
  }

  /** A frame arrives, and everything it causes at once happens. */
  receive(frame: Uint8Array, dev: net_device = this.dev, edit?: (skb: sk_buff) => void): void {
    this.kernel.exec(() => {
      const skb = this.skb(frame, dev);
      edit?.(skb);
      netif_receive_skb(skb);
    });
    this.settle();
  }

  /** Frames arrive together, each by its device, as a list. */
  receiveList(frames: readonly (readonly [Uint8Array, net_device])[]): void {
    this.kernel.exec(() =>
      netif_receive_skb_list(
        frames.map(([frame, dev]) => this.skb(frame, dev)),
        frames.length,
      ),
    );
    this.settle();
  }

  /** A frame in an skb, as a driver hands it up. */
  private skb(frame: Uint8Array, dev: net_device): sk_buff {
    const skb = netdev_alloc_skb_ip_align(dev, frame.length);
    if (skb === null) throw new Error('no memory');
    skb.ram.u8.set(frame, skb_put(skb, frame.length));
    skb.protocol = eth_type_trans(skb, dev);
    return skb;
  }

  exec<T>(fn: () => T): T {
    const result = this.kernel.exec(fn);
    this.settle();
    return result;
  }

  /** What is due now happens. */
  settle(): void {
    this.world.sim.run(this.world.sim.time);
  }

  /** Lets `seconds` pass. */
  wait(seconds: number): void {
    this.world.sim.run(this.world.sim.time + Math.round(seconds * 1e9));
  }

  /** What was sent since the last time, in hex. */
  take(): string[] {
    this.sentAt.length = 0;
    return this.sent.splice(0).map(hex);
  }

  /** The end: nothing is left behind, nothing was found. */
  finish(): void {
    const findings = this.world.finish().map(finding => `${finding.detector}: ${finding.message}`);
    if (findings.length > 0) throw new Error(findings.join('\n'));
  }
}

const sum16 = (bytes: number[]): number => {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
};
const be16 = (v: number): number[] => [(v >> 8) & 255, v & 255];
const be32 = (v: number): number[] => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];

export interface Ip {
  src?: number;
  dst?: number;
  protocol?: number;
  tos?: number;
  id?: number;
  frag?: number;
  ttl?: number;
  /** Overrides, for what is wrong on purpose. */
  version?: number;
  ihl?: number;
  length?: number;
  checksum?: number;
  options?: number[];
  to?: string;
  from?: string;
  pad?: number;
}

/** An Ethernet frame from A to B with an IPv4 packet, right but for what is overridden. */
export function ipFrame(payload: number[], ip: Ip = {}): Uint8Array {
  const options = ip.options ?? [];
  const header = [
    ((ip.version ?? 4) << 4) | (ip.ihl ?? 5 + options.length / 4),
    ip.tos ?? 0,
    ...be16(ip.length ?? 20 + options.length + payload.length),
    ...be16(ip.id ?? 1),
    ...be16(ip.frag ?? 0),
    ip.ttl ?? 64,
    ip.protocol ?? 1,
    0,
    0,
    ...be32(ip.src ?? A),
    ...be32(ip.dst ?? B),
    ...options,
  ];
  const checksum = ip.checksum ?? sum16(header);
  header[10] = checksum >> 8;
  header[11] = checksum & 255;
  return Uint8Array.from([
    ...bytesOf(`${(ip.to ?? B_MAC) + (ip.from ?? A_MAC)}0800`),
    ...header,
    ...payload,
    ...new Array<number>(ip.pad ?? 0).fill(0),
  ]);
}

/** An ICMP message with a right checksum. */
export function icmp(type: number, code: number, info: number, data: number[] = []): number[] {
  const message = [type, code, 0, 0, ...be32(info), ...data];
  const checksum = sum16(message);
  message[2] = checksum >> 8;
  message[3] = checksum & 255;
  return message;
}

export interface Arp {
  op?: number;
  sha?: string;
  sip?: number;
  tha?: string;
  tip?: number;
  to?: string;
  hrd?: number;
  pro?: number;
  hln?: number;
  pln?: number;
}

/** An ARP frame; by default A asks all for B. */
export function arpFrame(arp: Arp = {}): Uint8Array {
  const sha = arp.sha ?? A_MAC;
  return Uint8Array.from([
    ...bytesOf(`${arp.to ?? ALL}${sha}0806`),
    ...be16(arp.hrd ?? 1),
    ...be16(arp.pro ?? 0x0800),
    arp.hln ?? 6,
    arp.pln ?? 4,
    ...be16(arp.op ?? 1),
    ...bytesOf(sha),
    ...be32(arp.sip ?? A),
    ...bytesOf(arp.tha ?? '000000000000'),
    ...be32(arp.tip ?? B),
  ]);
}
