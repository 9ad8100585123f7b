/** A host with a device that the test can block, and packets to put into its queue: what the queue tests share. */

import type { Host } from '../../../../harness/machine/host.ts';
import { World } from '../../../../harness/machine/world.ts';
import { buildEthernet } from '../../../../harness/packet/ethernet.ts';
import { buildIpv4Packet } from '../../../../harness/packet/ipv4.ts';
import { buildUdp } from '../../../../harness/packet/udp.ts';
import { tc } from '../../../../harness/shell/tc.ts';
import type { Kernel } from '../../../../kernel/kernel.ts';
import {
  alloc_netdev,
  dev_open,
  dev_queue_xmit,
  netdev_tx_completed_queue,
  netdev_tx_sent_queue,
  netdev_xmit_more,
  netif_carrier_on,
  netif_wake_queue,
  register_netdev,
} from '../../../../kernel/net/core/dev.ts';
import { drop_reason_name } from '../../../../kernel/net/core/dropreason.ts';
import {
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  type net_device,
  type netdev_queue,
} from '../../../../kernel/net/core/netdevice.ts';
import { alloc_skb, consume_skb, type sk_buff, skb_put, skb_reserve } from '../../../../kernel/net/core/skbuff.ts';
import { ether_setup } from '../../../../kernel/net/ethernet/eth.ts';

export interface Sent {
  readonly time: number;
  /** The mark it was given, and the transmit queue it came by. */
  readonly mark: number;
  readonly queue: number;
  readonly length: number;
  readonly more: boolean;
  readonly bytes: Uint8Array;
}

export interface QueueOptions {
  readonly queues?: number;
  readonly cpus?: number;
  readonly seed?: number;
  readonly features?: number;
  /** The wire's rate in bit/s: a packet at a time is with the hardware, with BQL. Left out: it takes all at once. */
  readonly rate?: number;
  /** Packets that fit the hardware, with `rate`. */
  readonly ring?: number;
}

export class QueueBench {
  readonly world: World;
  readonly host: Host;
  readonly kernel: Kernel;
  readonly dev: net_device;
  readonly sent: Sent[] = [];
  readonly drops: string[] = [];
  /** Answers NETDEV_TX_BUSY instead of taking packets. */
  busy = false;
  private marks = 0;
  private readonly ring: sk_buff[] = [];

  constructor(options: QueueOptions = {}) {
    this.world = new World({ seed: options.seed ?? 1 });
    this.host = this.world.addHost({ name: 'h', nics: [], cpus: options.cpus ?? 1 });
    this.kernel = this.host.kernel;
    this.kernel.trace.kfree_skb = (_skb, reason) => this.drops.push(drop_reason_name(reason));
    const { sim } = this.world;
    const bench = this;
    const { rate, ring = 64 } = options;
    const wire = sim.event('wire', () => {
      bench.kernel.exec(() => bench.complete(rate as number));
      if (bench.ring.length > 0) sim.schedule(wire, sim.time + bench.wireTime(rate as number));
    });
    this.dev = this.kernel.exec(() => {
      const dev = alloc_netdev(
        this.kernel,
        'eth%d',
        {
          ndo_open: () => 0,
          ndo_stop(self) {
            for (const skb of bench.ring.splice(0)) consume_skb(skb);
            for (const txq of self._tx) {
              txq.dql.reset();
              txq.stack_xoff = false;
            }
            return 0;
          },
          ndo_start_xmit(skb, self) {
            if (bench.busy) return NETDEV_TX_BUSY;
            if (rate !== undefined && bench.ring.length >= ring) {
              // Somebody woke it too early.
              (self._tx[skb.queue_mapping] as netdev_queue).stopped = true;
              return NETDEV_TX_BUSY;
            }
            bench.note(skb, self);
            if (rate === undefined) {
              consume_skb(skb);
              return NETDEV_TX_OK;
            }
            const txq = self._tx[skb.queue_mapping] as netdev_queue;
            bench.ring.push(skb);
            if (bench.ring.length >= ring) txq.stopped = true;
            netdev_tx_sent_queue(txq, skb.len, netdev_xmit_more(self));
            if (!wire.armed) sim.schedule(wire, sim.now + bench.wireTime(rate));
            return NETDEV_TX_OK;
          },
        },
        ether_setup,
        options.queues ?? 1,
      );
      dev.dev_addr.set([2, 0, 0, 0, 0, 2]);
      dev.features |= options.features ?? 0;
      register_netdev(dev);
      netif_carrier_on(dev);
      dev_open(dev);
      return dev;
    });
  }

  private note(skb: sk_buff, dev: net_device): void {
    this.sent.push({
      time: this.kernel.clock.now,
      mark: skb.mark,
      queue: skb.queue_mapping,
      length: skb.len,
      more: netdev_xmit_more(dev),
      bytes: skb.ram.u8.slice(skb.data, skb.tail),
    });
  }

  private wireTime(rate: number): number {
    return Math.round(((this.ring[0] as sk_buff).len * 8e9) / rate);
  }

  private complete(_rate: number): void {
    const skb = this.ring.shift();
    if (skb === undefined) return;
    const queue = skb.queue_mapping;
    const txq = this.dev._tx[queue] as netdev_queue;
    const length = skb.len;
    consume_skb(skb);
    netdev_tx_completed_queue(txq, 1, length);
    netif_wake_queue(this.dev, queue);
  }

  /** The queue's depth in the hardware. */
  get inHardware(): number {
    return this.ring.length;
  }

  exec<T>(fn: () => T): T {
    const result = this.kernel.exec(fn);
    this.settle();
    return result;
  }

  settle(): void {
    this.world.sim.run(this.world.sim.time);
  }

  run(ns: number): void {
    this.world.sim.run(this.world.sim.time + ns);
  }

  /** `tc …`; the output. Throws for an errno. */
  tc(line: string): string {
    const { output, error } = this.exec(() => tc([this.dev], line));
    if (error !== 0) throw new Error(`tc ${line}: ${error}`);
    return output;
  }

  /** A UDP packet of `length` bytes (with Ethernet header) from port `flow`; marked 1, 2, 3, … in order. */
  packet(length = 100, flow = 1, edit?: (skb: sk_buff) => void): sk_buff {
    const frame = udpFrame(length, flow);
    const skb = alloc_skb(this.kernel, length + 66) as sk_buff;
    skb_reserve(skb, 66);
    const at = skb_put(skb, length);
    skb.ram.u8.set(frame, at);
    skb.network_header = at + 14;
    skb.transport_header = at + 34;
    skb.protocol = 0x0800;
    skb.dev = this.dev;
    skb.mark = ++this.marks;
    edit?.(skb);
    return skb;
  }

  /** Sends one packet; what dev_queue_xmit says. */
  send(length = 100, flow = 1, edit?: (skb: sk_buff) => void): number {
    return this.exec(() => dev_queue_xmit(this.packet(length, flow, edit)));
  }

  /** The same, many in one context. */
  burst(count: number, length = 100, flow = 1): void {
    this.exec(() => {
      for (let i = 0; i < count; i++) dev_queue_xmit(this.packet(length, flow));
    });
  }

  get marksSent(): number[] {
    return this.sent.map(({ mark }) => mark);
  }

  /** The end: nothing is left behind. */
  finish(): void {
    const findings = this.world.finish().map(({ detector, message }) => `${detector}: ${message}`);
    if (findings.length > 0) throw new Error(findings.join('\n'));
  }
}

const frames = new Map<string, Uint8Array>();

/** A UDP frame of that length from source port 1000 + `flow`; ECN-capable when the TOS says so. */
export function udpFrame(length: number, flow: number, tos = 0): Uint8Array {
  const key = `${length}/${flow}/${tos}`;
  let frame = frames.get(key);
  if (frame === undefined) {
    const addresses = { source: '10.0.0.2', destination: '10.0.0.1' };
    const payload = new Uint8Array(length - 42).map((_, i) => i & 255);
    const udp = buildUdp({ sourcePort: 1000 + flow, destinationPort: 9, payload }, addresses);
    const packet = buildIpv4Packet({ ...addresses, protocol: 17, payload: udp });
    frame = buildEthernet({
      destination: '02:00:00:00:00:01',
      source: '02:00:00:00:00:02',
      etherType: 0x0800,
      payload: packet,
    });
    frames.set(key, frame);
  }
  return frame;
}
