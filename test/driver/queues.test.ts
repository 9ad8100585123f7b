/** Several queue pairs: vectors, RSS, what ethtool sets, and everything one queue does still done by four. */
import { describe, expect, it } from 'vitest';
import type { Nic } from '../../device/nic.ts';
import { NIC } from '../../device/regs/nic.ts';
import { ringside_driver } from '../../driver/ringside/main.ts';
import { netdev_priv } from '../../driver/ringside/ringside.ts';
import { parseMac } from '../../harness/packet/address.ts';
import { buildEthernet } from '../../harness/packet/ethernet.ts';
import { buildIcmpEcho, ICMP_ECHO_REQUEST } from '../../harness/packet/icmp.ts';
import { buildIpv4Packet } from '../../harness/packet/ipv4.ts';
import { proc_interrupts } from '../../kernel/fs/proc.ts';
import { free_irq, request_irq } from '../../kernel/irq/manage.ts';
import { dev_close, dev_open, netif_stop_queue } from '../../kernel/net/core/dev.ts';
import { skb_get_rx_queue } from '../../kernel/net/core/flow_dissector.ts';
import { NUD_PERMANENT, neigh_add } from '../../kernel/net/core/neighbour.ts';
import { netif_xmit_stopped } from '../../kernel/net/core/netdevice.ts';
import {
  ethtool_get_stats,
  ethtool_set_channels,
  ethtool_set_coalesce,
  ethtool_set_ringparam,
  ethtool_set_rxfh,
} from '../../kernel/net/ethtool/ethtool.ts';
import { pci_unregister_driver } from '../../kernel/pci.ts';
import { type DriverBench, driverBench, IP, MAC, PEER, PEER_MAC, udpFrame } from './bench.ts';

interface Seen {
  readonly flow: number;
  readonly queue: number;
  readonly cpu: number;
  readonly hash: number;
  readonly l4: number;
  readonly first: number;
}

/** What goes up to the stack, in order. */
function watch({ host }: DriverBench): Seen[] {
  const seen: Seen[] = [];
  host.kernel.trace.netif_receive_skb = skb => {
    const { u8 } = skb.ram;
    const flow = ((u8[skb.data + 20] as number) << 8) | (u8[skb.data + 21] as number);
    seen.push({
      flow,
      queue: skb_get_rx_queue(skb),
      cpu: host.kernel.cpu.id,
      hash: skb.hash,
      l4: skb.l4_hash,
      first: u8[skb.data + 28] as number,
    });
  };
  return seen;
}

function flood(bench: DriverBench, flows: number, each: number): void {
  for (let n = 0; n < each; n++) {
    for (let flow = 0; flow < flows; flow++) {
      bench.send(udpFrame(1000 + flow, n));
      bench.run(3000);
    }
  }
  bench.run(1_000_000);
}

/** A program on `cpu` that sends `count` datagrams to the peer. */
function sendFrom({ host }: DriverBench, cpu: number, count: number): void {
  host.spawn(
    `sender${cpu}`,
    function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      const buffer = sys.mmap(4096);
      for (let i = 0; i < count; i++) yield* sys.sendto(fd, buffer, 100, 0, sys.sockaddr(0x0a000002, 9));
      return 0;
    },
    cpu,
  );
}

describe('four CPUs', () => {
  it('the driver probed, a vector for each queue pair on a CPU of its own, and one for the rest', () => {
    const bench = driverBench({ cpus: 4 });
    const { host, dev } = bench;
    const lines = proc_interrupts(host.kernel).split('\n').slice(1, 6);
    expect(lines.map(line => line.replace(/^ *\d+: +(\d+ +)+/, ''))).toEqual([
      'PCI-MSIX-0000:00:03.0   0-edge      eth0-TxRx-0',
      'PCI-MSIX-0000:00:03.0   1-edge      eth0-TxRx-1',
      'PCI-MSIX-0000:00:03.0   2-edge      eth0-TxRx-2',
      'PCI-MSIX-0000:00:03.0   3-edge      eth0-TxRx-3',
      'PCI-MSIX-0000:00:03.0   4-edge      eth0',
    ]);
    const queues = netdev_priv(dev).q_vector;
    expect(queues.map(({ irq }) => host.kernel.irqs[irq]?.affinity)).toEqual([0, 1, 2, 3]);
    expect([dev.real_num_tx_queues, dev._rx.length, dev.napis.length]).toEqual([4, 4, 4]);
    expect(dev.qdisc?.ops.id).toBe('mq');
    expect(bench.finish()).toEqual([]);
  });

  it('flows arriving, each on the queue that its hash says, on that queue’s CPU, in order', () => {
    const bench = driverBench({ cpus: 4, costs: true });
    const seen = watch(bench);
    flood(bench, 32, 5);
    expect(seen).toHaveLength(160);
    for (const { queue, cpu, hash, l4 } of seen) {
      expect([queue, cpu, l4]).toEqual([(hash & 127) % 4, queue, 1]);
    }
    expect(new Set(seen.map(({ queue }) => queue)).size).toBe(4);
    expect(new Set(seen.map(({ flow }) => flow)).size).toBe(32);
    for (let flow = 1000; flow < 1032; flow++) {
      const frames = seen.filter(frame => frame.flow === flow);
      expect(new Set(frames.map(({ hash }) => hash)).size).toBe(1);
      expect(frames.map(({ first }) => first)).toEqual([0, 1, 2, 3, 4]);
    }
    const stats = ethtool_get_stats(bench.dev);
    const perQueue = [0, 1, 2, 3].map(q => stats.get(`rx_queue_${q}_packets`) as number);
    expect(perQueue).toEqual([0, 1, 2, 3].map(q => seen.filter(({ queue }) => queue === q).length));
    expect(bench.finish()).toEqual([]);
  });

  it('a table and a key set, the flows go where they say; the default again, everywhere', () => {
    const bench = driverBench({ cpus: 4 });
    const { host, dev } = bench;
    const seen = watch(bench);
    const exec = (fn: () => number): number => host.exec(fn);
    expect(exec(() => ethtool_set_rxfh(dev, new Uint32Array(128).fill(2), null))).toBe(0);
    flood(bench, 16, 1);
    expect(new Set(seen.map(({ queue }) => queue))).toEqual(new Set([2]));
    const [before] = seen;
    seen.length = 0;
    expect(
      exec(() =>
        ethtool_set_rxfh(
          dev,
          'default',
          new Uint8Array(40).map((_, i) => i * 7),
        ),
      ),
    ).toBe(0);
    flood(bench, 16, 1);
    expect(new Set(seen.map(({ queue }) => queue)).size).toBe(4);
    expect(seen[0]?.hash).not.toBe(before?.hash);
    expect(exec(() => ethtool_set_rxfh(dev, new Uint32Array(128).fill(4), null))).toBe(-22);
    expect(exec(() => ethtool_set_rxfh(dev, new Uint32Array(64), null))).toBe(-22);
    expect(exec(() => ethtool_set_rxfh(dev, null, new Uint8Array(52)))).toBe(-22);
    expect(bench.finish()).toEqual([]);
  });

  it('each CPU sending, by its own queue, and all of it leaves', () => {
    const bench = driverBench({ cpus: 4, costs: true });
    const { host, dev } = bench;
    host.exec(() => neigh_add(host.kernel.init_net.ipv4.arp, 0x0a000002, dev, parseMac(PEER_MAC), NUD_PERMANENT));
    for (let cpu = 0; cpu < 4; cpu++) sendFrom(bench, cpu, 50 + cpu);
    bench.run(20_000_000);
    expect(netdev_priv(dev).q_vector.map(({ tx_packets }) => tx_packets)).toEqual([50, 51, 52, 53]);
    expect(bench.sent).toHaveLength(206);
    expect(bench.finish()).toEqual([]);
  });

  it('channels and rings changed in full traffic, nothing lost in the books, traffic goes on', () => {
    const bench = driverBench({ cpus: 4, costs: true });
    const { host, dev } = bench;
    const seen = watch(bench);
    for (const [channels, rx, tx] of [
      [1, 64, 64],
      [3, 1024, 32],
      [4, 100, 1000],
      [2, 256, 256],
    ] as const) {
      for (let flow = 0; flow < 20; flow++) bench.send(udpFrame(flow + 1));
      bench.run(10_000);
      expect(host.exec(() => ethtool_set_channels(dev, channels))).toBe(0);
      expect(host.exec(() => ethtool_set_ringparam(dev, rx, tx))).toBe(0);
      // Each change takes the CPU for a while.
      bench.run(10_000_000);
      seen.length = 0;
      flood(bench, 32, 1);
      expect(seen).toHaveLength(32);
      expect(new Set(seen.map(({ queue }) => queue)).size).toBe(channels);
      expect(dev.real_num_tx_queues).toBe(channels);
      const { rx_ring_count, tx_ring_count } = netdev_priv(dev);
      expect([rx_ring_count >= rx, tx_ring_count >= tx, dev.carrier]).toEqual([true, true, true]);
    }
    for (const wrong of [0, 5, 1.5]) expect(host.exec(() => ethtool_set_channels(dev, wrong))).toBe(-22);
    expect(host.exec(() => ethtool_set_ringparam(dev, 8192, undefined))).toBe(-22);
    expect(bench.finish()).toEqual([]);
  });

  it('no memory for larger rings, -ENOMEM and the card goes on as it was; none for the old ones either, down and up again', () => {
    const bench = driverBench({ cpus: 2 });
    const { host, dev } = bench;
    const { slab } = host.kernel;
    const kmalloc = slab.kmalloc.bind(slab);
    let most = 16_384;
    slab.kmalloc = size => (size > most ? 0 : kmalloc(size));
    expect(host.exec(() => ethtool_set_ringparam(dev, 4096, undefined))).toBe(-12);
    bench.run(1_000_000);
    const seen = watch(bench);
    flood(bench, 8, 1);
    expect([seen.length, netdev_priv(dev).rx_ring_count]).toEqual([8, 256]);
    most = 2048;
    expect(host.exec(() => ethtool_set_channels(dev, 1))).toBe(-12);
    flood(bench, 8, 1);
    sendFrom(bench, 0, 5);
    bench.run(20e9);
    expect(seen).toHaveLength(8);
    most = 1 << 30;
    host.exec(() => dev_close(dev));
    expect(host.exec(() => dev_open(dev))).toBe(0);
    bench.run(1_000_000);
    flood(bench, 8, 1);
    expect(seen).toHaveLength(16);
    expect(bench.finish()).toEqual([]);
  });

  it('a table set by hand that names the last queue, channels below it are refused', () => {
    const { host, dev, finish } = driverBench({ cpus: 4 });
    host.exec(() =>
      ethtool_set_rxfh(
        dev,
        new Uint32Array(128).map((_, i) => (i === 5 ? 3 : 0)),
        null,
      ),
    );
    expect(host.exec(() => ethtool_set_channels(dev, 2))).toBe(-22);
    expect(host.exec(() => ethtool_set_rxfh(dev, 'default', null))).toBe(0);
    expect(host.exec(() => ethtool_set_channels(dev, 2))).toBe(0);
    expect(finish()).toEqual([]);
  });

  it('a queue that hangs, reset by the watchdog, and all queues work again', () => {
    const bench = driverBench({ cpus: 4 });
    const { host, dev } = bench;
    host.exec(() => netif_stop_queue(dev, 2));
    bench.run(30e9);
    expect(netdev_priv(dev).restarts).toBe(1);
    expect(dev._tx.every(txq => !netif_xmit_stopped(txq))).toBe(true);
    const seen = watch(bench);
    flood(bench, 16, 1);
    expect(seen).toHaveLength(16);
    expect(bench.finish()).toEqual([]);
  });

  it('opened and closed, removed and pulled out in full traffic, nothing is left behind', () => {
    const bench = driverBench({ cpus: 4 });
    const { host, dev } = bench;
    for (let i = 0; i < 20; i++) {
      for (let flow = 0; flow < 8; flow++) bench.send(udpFrame(flow));
      bench.run(i * 500);
      host.exec(() => dev_close(dev));
      host.exec(() => dev_open(dev));
    }
    for (let flow = 0; flow < 8; flow++) bench.send(udpFrame(flow));
    bench.run(20_000);
    host.exec(() => pci_unregister_driver(host.kernel, ringside_driver));
    expect(host.kernel.irqs.every(({ actions }) => actions.length === 0)).toBe(true);
    expect(bench.finish()).toEqual([]);
    const other = driverBench({ cpus: 4 });
    for (let flow = 0; flow < 8; flow++) other.send(udpFrame(flow));
    other.run(20_000);
    other.card.slot.surpriseRemove();
    other.run(20e9);
    other.host.exec(() => dev_close(other.dev));
    expect(other.finish()).toEqual([]);
  });

  it('the cable pulled, told by the vector for the rest', () => {
    const bench = driverBench({ cpus: 2 });
    bench.card.nic.setLink(false);
    bench.card.slot.sync();
    bench.run(100_000);
    expect(bench.dev.carrier).toBe(false);
    bench.card.nic.setLink(true);
    bench.card.slot.sync();
    bench.run(100_000);
    expect(bench.dev.carrier).toBe(true);
    expect(bench.finish()).toEqual([]);
  });
});

describe('no vectors to be had', () => {
  it('interrupt numbers taken, the driver makes do with the line and one queue', () => {
    const bench = driverBench({ cpus: 4 });
    const { host, dev, card } = bench;
    const { kernel } = host;
    const taken = card.slot.messages;
    host.exec(() => {
      pci_unregister_driver(kernel, ringside_driver);
      request_irq(kernel, taken, () => 1, 0, 'somebody', bench);
    });
    const pdev = kernel.pci_devices[0];
    if (pdev === undefined) throw new Error('no card');
    expect(host.exec(() => ringside_driver.probe(pdev, { vendor: pdev.vendor, device: pdev.device }))).toBe(0);
    pdev.driver = ringside_driver;
    const again = host.up('eth0', 0x0a000001, 24);
    bench.run(1_000_000);
    const seen = watch(bench);
    flood(bench, 8, 1);
    expect(seen.map(({ queue, cpu }) => [queue, cpu])).toEqual(Array.from({ length: 8 }, () => [0, 0]));
    expect([netdev_priv(again).msix, again.real_num_tx_queues]).toEqual([false, 1]);
    expect(kernel.irqs[card.line]?.kstat[0]).toBeGreaterThan(0);
    expect(dev.registered).toBe(false);
    host.exec(() => free_irq(kernel, taken, bench));
    expect(bench.finish()).toEqual([]);
  });

  it('one CPU, one queue on the line', () => {
    const bench = driverBench();
    expect(proc_interrupts(bench.host.kernel)).toMatch(/ 10: +\d+ +IO-APIC +10-fasteoi +eth0\n/);
    expect([bench.dev.real_num_tx_queues, netdev_priv(bench.dev).msix]).toEqual([1, false]);
    expect(bench.finish()).toEqual([]);
  });
});

/** The peer's address is known, so that nothing but answers is sent; and a first one has shown BQL what there is to send. */
function resolved(bench: DriverBench): void {
  const { host, dev } = bench;
  host.exec(() => neigh_add(host.kernel.init_net.ipv4.arp, 0x0a000002, dev, parseMac(PEER_MAC), NUD_PERMANENT));
  bench.send(echoFrame(0));
  bench.run(100_000);
  bench.sent.length = 0;
}

function echoFrame(sequence: number): Uint8Array {
  const echo = buildIcmpEcho({ type: ICMP_ECHO_REQUEST, identifier: 1, sequence, payload: new Uint8Array(18) });
  const payload = buildIpv4Packet({ source: PEER, destination: IP, protocol: 1, payload: echo });
  return buildEthernet({ destination: MAC, source: PEER_MAC, etherType: 0x0800, payload });
}

describe('moderation', () => {
  it.each([1, 4])('set to 100 µs on %i CPUs, no vector interrupts more often than that', cpus => {
    const bench = driverBench({ cpus, costs: true });
    const { host, dev, card } = bench;
    expect(host.exec(() => ethtool_set_coalesce(dev, 100, 0))).toBe(0);
    bench.run(10_000);
    const count = (): number => host.kernel.irqs.reduce((sum, { kstat }) => sum + kstat.reduce((a, b) => a + b, 0), 0);
    const before = count();
    for (let i = 0; i < 1000; i++) {
      bench.send(udpFrame(1));
      bench.run(10_000);
    }
    const rate = count() - before;
    expect(rate).toBeGreaterThan(90);
    expect(rate).toBeLessThanOrEqual(101);
    expect(card.nic.peek(NIC.ITR.offset)).toBe(100);
    // Or by count: with so few the time never comes.
    expect(host.exec(() => ethtool_set_coalesce(dev, 60_000, 4))).toBe(0);
    const counted = count();
    for (let i = 0; i < 400; i++) {
      bench.send(udpFrame(1));
      bench.run(10_000);
    }
    expect(count() - counted).toBeGreaterThan(90);
    expect(count() - counted).toBeLessThanOrEqual(101);
    expect(host.exec(() => ethtool_set_coalesce(dev, 0, 5))).toBe(-22);
    expect(host.exec(() => ethtool_set_coalesce(dev, 65_536, 0))).toBe(-22);
    expect(bench.finish()).toEqual([]);
  });

  it('pings are answered every 10 µs: sent frames are told of with the next received one, or each alone', () => {
    const bench = driverBench();
    const { host, dev } = bench;
    resolved(bench);
    const count = (): number => host.kernel.irqs.reduce((sum, { kstat }) => sum + kstat.reduce((a, b) => a + b, 0), 0);
    const interrupts = (usecs: number): number => {
      host.exec(() => ethtool_set_coalesce(dev, undefined, undefined, usecs));
      bench.run(100_000);
      const before = count();
      for (let i = 0; i < 50; i++) {
        bench.send(echoFrame(i));
        bench.run(10_000);
      }
      bench.run(100_000);
      return count() - before;
    };
    expect(interrupts(16)).toBe(51);
    expect(interrupts(0)).toBe(100);
    expect(bench.sent).toHaveLength(100);
    expect(host.exec(() => ethtool_set_coalesce(dev, undefined, undefined, 65_536))).toBe(-22);
    expect(bench.finish()).toEqual([]);
  });

  it('closed while the interrupt for a sent frame is late: it counts as sent, not as dropped', () => {
    const bench = driverBench();
    const { host, dev } = bench;
    resolved(bench);
    host.exec(() => ethtool_set_coalesce(dev, undefined, undefined, 60_000));
    const { tx_packets } = dev.stats;
    bench.send(echoFrame(1));
    bench.run(50_000);
    expect([bench.sent.length, dev.stats.tx_packets - tx_packets]).toEqual([1, 0]);
    host.exec(() => dev_close(dev));
    expect([dev.stats.tx_packets - tx_packets, dev.stats.tx_dropped]).toEqual([1, 0]);
    expect(bench.finish()).toEqual([]);
  });

  it('set, and the interface taken down and up: still in force', () => {
    const { host, dev, card, finish } = driverBench({ cpus: 2 });
    host.exec(() => ethtool_set_coalesce(dev, 50, 8, 30));
    host.exec(() => dev_close(dev));
    host.exec(() => dev_open(dev));
    expect([0, 1].map(queue => card.nic.peek(NIC.ITR.offset + queue * NIC.ITR.stride))).toEqual([
      50 | (8 << 16),
      50 | (8 << 16),
    ]);
    expect(card.nic.peek(NIC.TIDV.offset)).toBe(30);
    expect(finish()).toEqual([]);
  });
});

describe('NAPI’s race', { timeout: 60_000 }, () => {
  it.each([1, 2])(
    'a second frame at every nanosecond from before the last look to after the unmask, %i CPUs: none is left waiting',
    cpus => {
      const bench = driverBench({ cpus, costs: true });
      const { dev, send, run, host, world } = bench;
      let completed = 0;
      let most = 0;
      host.kernel.trace.napi_complete = (_dev, work) => {
        completed = host.kernel.clock.now;
        most = Math.max(most, work);
      };
      send(udpFrame(1));
      run(100_000);
      // When a frame is in memory, and when its poll ends, from its sending on.
      let done = 0;
      const nic = bench.card.nic as Nic;
      nic.trace.rx_done = () => {
        done = nic.time;
      };
      const start = world.sim.time;
      send(udpFrame(1));
      run(100_000);
      const flight = done - start;
      const end = completed - start - flight;
      expect(end).toBeGreaterThan(1000);
      const inOnePoll = new Set<number>();
      const before = dev.stats.rx_packets;
      let count = 0;
      for (let gap = end - 700; gap < end + 500; gap++) {
        most = 0;
        send(udpFrame(1));
        run(gap);
        send(udpFrame(1));
        run(20_000);
        count += 2;
        inOnePoll.add(most);
        // Not at the end alone: a frame that waited would be found by the next one's interrupt.
        expect(dev.stats.rx_packets - before).toBe(count);
      }
      // Some came in time for the first frame's poll, some after its last look.
      expect([...inOnePoll].sort()).toEqual([1, 2]);
      expect(bench.finish()).toEqual([]);
    },
  );
});
